"""`$batch`: up to twenty calls in one, each judged singly, at most four at a time, answered in any order.

Source: Graph documentation, json-batching and throttling-limits.
"""

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, Response

from local.graph.calls import Call, Operation, Service, split_path, split_query
from local.graph.errors import GraphError
from local.switchboard import Dropped

MOST_ITEMS = 20
_AT_A_TIME = 4


class BatchOperation:
    """Serves the items of a batch through the same service as single calls."""

    def __init__(self, service: Service, chance: random.Random) -> None:
        self._service = service
        self._chance = chance

    def operations(self) -> list[Operation]:
        return [Operation("POST", "$batch", "batch", self.batch)]

    async def batch(self, call: Call) -> Response:
        items = _checked(call.json())
        slots = asyncio.Semaphore(_AT_A_TIME)
        running: dict[str, asyncio.Task[dict[str, Any]]] = {}

        async def run(item: dict[str, Any]) -> dict[str, Any]:
            earlier = [(await running[each.lower()])["status"] for each in item.get("dependsOn") or []]
            if any(status >= 400 for status in earlier):
                return {**_FAILED_DEPENDENCY, "id": item["id"]}
            async with slots:
                return await self._answer(call, item)

        async with asyncio.TaskGroup() as tasks:
            for item in items:
                running[item["id"].lower()] = tasks.create_task(run(item))
        responses = [task.result() for task in running.values()]
        self._chance.shuffle(responses)
        return JSONResponse({"responses": responses})

    async def _answer(self, call: Call, item: Mapping[str, Any]) -> dict[str, Any]:
        headers = {name.lower(): value for name, value in (item.get("headers") or {}).items()}
        raw_path, _, raw_query = str(item["url"]).partition("?")
        inner = replace(
            call,
            method=str(item["method"]).upper(),
            segments=split_path(raw_path),
            query=split_query(raw_query),
            headers=headers,
            body=b"" if item.get("body") is None else json.dumps(item["body"]).encode(),
        )
        try:
            response = await self._service.serve(inner)
        except Dropped:
            return {"id": item["id"], "status": 504, "headers": {}, "body": None}
        body = json.loads(bytes(response.body)) if response.body else None
        shown_headers = {name.title(): value for name, value in response.headers.items() if name != "content-length"}
        return {"id": item["id"], "status": response.status_code, "headers": shown_headers, "body": body}


_FAILED_DEPENDENCY: dict[str, Any] = {
    "status": 424,
    "headers": {},
    "body": {"error": {"code": "FailedDependency", "message": "A request that this one depends on has failed."}},
}


def _checked(body: Any) -> list[dict[str, Any]]:
    items = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
        raise _refusal(f"A batch holds 1 to {MOST_ITEMS} requests.")
    seen: set[str] = set()
    for item in items:
        if not isinstance(item, dict) or not all(isinstance(item.get(name), str) for name in ("id", "method", "url")):
            raise _refusal("Each request of a batch needs id, method and url.")
        if item["id"].lower() in seen:
            raise _refusal(f"The id '{item['id']}' occurs twice.")
        if {str(each).lower() for each in item.get("dependsOn") or []} - seen:
            raise _refusal(f"The request '{item['id']}' depends on one that does not come before it.")
        headers = {str(name).lower() for name in item.get("headers") or {}}
        if item.get("body") is not None and "content-type" not in headers:
            raise _refusal(f"The request '{item['id']}' has a body but no Content-Type header.")
        if "://" in item["url"].partition("?")[0] or "$batch" in item["url"]:
            raise _refusal(f"The url of '{item['id']}' must be relative, and no batch.")
        seen.add(item["id"].lower())
    return items


def _refusal(message: str) -> GraphError:
    return GraphError(400, "BadRequest", f"Invalid batch payload format. {message}")
