"""What the parsers of Graph's and Dataverse's posts share: reading a body, and what becomes of it. Pure.

This module is on the acknowledging path: it must import nothing heavy.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from sync.core.errors import RejectedRequest
from sync.core.work_items import WorkItem

MAXIMUM_BODY_BYTES = 1_048_576
"""Graph batches notifications of 2 KiB by the hundred, and Dataverse cuts a body at 256 KB; more is neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What a body came to: the work in it, how many things it told of, and how many were dropped, by reason."""

    items: Sequence[WorkItem]
    received: int
    dropped: Counter[str] = field(default_factory=Counter)


def read_json(body: bytes) -> Any:
    """The document in a body from the internet. Raises `RejectedRequest` for one too large and one that is none."""
    if len(body) > MAXIMUM_BODY_BYTES:
        raise RejectedRequest(f"The body is larger than {MAXIMUM_BODY_BYTES} bytes.", status=413)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RejectedRequest("The body is not JSON.", status=400) from error


def is_opaque_id(value: object) -> TypeGuard[str]:
    """Whether a value can be one of Graph's ids: they are base64 or GUIDs, far below a thousand characters."""
    return isinstance(value, str) and 0 < len(value) <= 1024 and value.isascii() and value.isprintable()
