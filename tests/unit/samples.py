"""Reads the wire samples; their origin stands in `tests/samples/README.md`."""

import json
from pathlib import Path
from typing import Any

import httpx

from sync.adapters.transport import Answer

_SAMPLES = Path(__file__).parents[1] / "samples"


def sample(case: str, name: str) -> dict[str, Any]:
    """A fresh copy of one body."""
    document = json.loads((_SAMPLES / case / f"{name}.json").read_text())
    assert isinstance(document, dict)
    return document


def an_answer(status: int, body: Any = None, **headers: str) -> Answer:
    """An answer with a JSON body; an underscore in a header's name stands for its dash."""
    named = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return Answer(status=status, headers=named, body=b"" if body is None else json.dumps(body).encode())


def an_error(status: int, code: str, message: str = "Something.") -> Answer:
    """A failed answer as both services word it."""
    return an_answer(status, {"error": {"code": code, "message": message}})
