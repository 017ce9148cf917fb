"""How a plan of requests to Dataverse is shown, so that each can be held against Dataverse's documentation."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sync.commands.console import Console
from sync.core.registration import PlanEntry, Request
from sync.service.installing import Environment


def show_plan(plan: Sequence[PlanEntry], environment: Environment, console: Console, *, first: int = 1) -> None:
    """Each entry, numbered from `first`, with its reason and the very requests, secrets masked."""
    width = 2
    for number, entry in enumerate(plan, first):
        console.say(f"{number:>{width}}  {entry.title}")
        console.say(f"{'':{width}}  {entry.why}")
        for request in environment.requests_of(entry):
            for line in _lines(request):
                console.say(f"{'':{width}}      {line}")
        console.say()


def _lines(request: Request) -> Iterator[str]:
    yield f"{request.method} {request.address}"
    for name, value in request.headers.items():
        yield f"{name}: {value}"
    if request.base:
        yield f"the answer to GET {request.base}, with"
    if request.body is not None:
        lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in request.body.items()]
        yield from ("{", *(f"{line}," for line in lines[:-1]), lines[-1], "}")


def as_data(entry: PlanEntry, environment: Environment, outcome: str) -> dict[str, Any]:
    """An entry for JSON, with what came of it."""
    requests = [
        {
            "method": request.method,
            "address": request.address,
            "headers": dict(request.headers),
            "base": request.base or None,
            "body": request.body,
        }
        for request in environment.requests_of(entry)
    ]
    return {
        "do": entry.doing,
        "kind": entry.part.kind,
        "name": entry.part.name,
        "why": entry.why,
        "requests": requests,
        "outcome": outcome,
    }
