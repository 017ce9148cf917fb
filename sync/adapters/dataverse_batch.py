"""Several requests to Dataverse in one: the multipart body of a `$batch`, and its answer. Pure: no I/O.

No change set: each request has its own fate, since one attendee's row must not hold up another's. Source: Dataverse
documentation, execute-batch-operations-using-web-api, checked 2026-11-21.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from sync.adapters.transport import Answer
from sync.core.errors import InvalidPayload

BATCH_SIZE = 100
"""Requests in one batch. Dataverse takes 1,000; fewer arrive well within the time-out."""

_BOUNDARY = "batch_bookingsync"
"""It cannot occur inside: every part is JSON of one line, which begins with a brace."""

CONTENT_TYPE = f'multipart/mixed; boundary="{_BOUNDARY}"'
_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3})[^\r\n]*\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """One write of a batch. `path` is that of the address, from the host's root on."""

    method: str
    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def batch_body(requests: Sequence[BatchRequest]) -> bytes:
    parts = "".join(f"--{_BOUNDARY}\r\n{_part(request)}\r\n" for request in requests)
    return f"{parts}--{_BOUNDARY}--\r\n".encode()


def _part(request: BatchRequest) -> str:
    lines = [
        "Content-Type: application/http",
        "Content-Transfer-Encoding: binary",
        "",
        f"{request.method} {request.path} HTTP/1.1",
        "Content-Type: application/json; type=entry",
        *(f"{name}: {value}" for name, value in request.headers.items()),
        "",
        json.dumps(request.body),
    ]
    return "\r\n".join(lines)


def answers_of_batch(answer: Answer, count: int) -> list[Answer]:
    """The answer to each of `count` requests, in their order. Raises `InvalidPayload` for anything else."""
    match = re.search(r'boundary="?([^";\s]+)', answer.headers.get("Content-Type", ""))
    pieces = (b"\r\n" + answer.body).split(b"\r\n--" + match[1].encode())[1:-1] if match else []
    answers = [_answer(piece) for piece in pieces]
    if len(answers) != count:
        raise InvalidPayload(f"A batch of {count} requests has {len(answers)} answers.", operation="batch")
    return answers


def _answer(piece: bytes) -> Answer:
    found = _STATUS_LINE.search(piece)
    if found is None:
        raise InvalidPayload("A part of a batch's answer has no status.", operation="batch")
    head, _, body = piece[found.end() :].partition(b"\r\n\r\n")
    lines = [line.partition(":") for line in head.decode("latin-1").splitlines()]
    headers = httpx.Headers([(name.strip(), value.strip()) for name, colon, value in lines if colon])
    return Answer(status=int(found[1]), headers=headers, body=body.strip())
