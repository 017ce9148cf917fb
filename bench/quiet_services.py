"""Graph and Dataverse for a company in whose calendars nothing happens, as cheap as can be.

It stands in for the simulators where their own memory and computing would be measured with the app's. It answers what
the app asks to subscribe to mailboxes and to sweep them, and nothing else; a test holds it to the simulators by the
calls that the app makes of both.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import httpx

from local.sample import guid

SUBSCRIPTIONS_A_PAGE = 100
_TOKEN = "token-of-a-usual-length-".ljust(200, "x")


class QuietServices(httpx.AsyncBaseTransport):
    """Both services behind one transport. `calls` counts by kind, as the simulators do."""

    def __init__(self, mailboxes: Sequence[str]) -> None:
        self.calls: Counter[str] = Counter()
        self._mailboxes = mailboxes
        self._subscriptions: dict[str, dict[str, Any]] = {}
        self._numbers = count(1)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)  # As a network would, let others go on
        match request.method, request.url.path.strip("/").split("/"):
            case "GET", ["v1.0", "subscriptions"]:
                return self._list_subscriptions(request.url)
            case "POST", ["v1.0", "$batch"]:
                return self._batch(json.loads(request.content))
            case "GET", ["v1.0", "users", _, "calendarView", kind] if kind.startswith("delta"):
                return self._answer("calendarView.delta", {"value": [], "@odata.deltaLink": _with_token(request.url)})
            case "GET", ["api", "data", "v9.2", "bookableresources"]:
                return self._list_resources(request)
            case "GET", ["api", "data", "v9.2", "bookableresourcebookings"] if _tracks_changes(request):
                link = _with_token(request.url)
                return self._answer("bookableresourcebookings.delta", {"value": [], "@odata.deltaLink": link})
            case "GET", ["api", "data", "v9.2", "bookableresourcebookings" | "mailboxes" as table]:
                return self._answer(f"{table}.query", {"value": []})
        raise NotImplementedError(f"{request.method} {request.url}")

    def _answer(self, kind: str, body: Mapping[str, Any]) -> httpx.Response:
        self.calls[kind] += 1
        return httpx.Response(200, json=body)

    def _list_subscriptions(self, url: httpx.URL) -> httpx.Response:
        skipped = int(url.params.get("$skiptoken", "0"))
        following = skipped + SUBSCRIPTIONS_A_PAGE
        page = list(self._subscriptions.values())[skipped:following]
        is_last = following >= len(self._subscriptions)
        link = {} if is_last else {"@odata.nextLink": str(url.copy_set_param("$skiptoken", following))}
        return self._answer("subscription.list", {"value": page, **link})

    def _batch(self, batch: Mapping[str, Any]) -> httpx.Response:
        responses = [{"id": one["id"], **self._order(one)} for one in batch["requests"]]
        return self._answer("batch", {"responses": responses})

    def _order(self, order: Mapping[str, Any]) -> dict[str, Any]:
        if order["method"] == "POST":
            self.calls["subscription.create"] += 1
            subscription = {"id": guid(f"subscription {next(self._numbers)}"), **order["body"]}
            self._subscriptions[subscription["id"]] = subscription
            return {"status": 201, "body": subscription}
        self.calls["subscription.renew"] += 1
        subscription = self._subscriptions[order["url"].rpartition("/")[2]]
        subscription |= order["body"]
        return {"status": 200, "body": subscription}

    def _list_resources(self, request: httpx.Request) -> httpx.Response:
        _, _, size = request.headers["Prefer"].rpartition("odata.maxpagesize=")
        skipped = int(request.url.params.get("$skiptoken", "0"))
        following = skipped + int(size)
        is_last = following >= len(self._mailboxes)
        link = {} if is_last else {"@odata.nextLink": str(request.url.copy_set_param("$skiptoken", following))}
        rows = [_resource(mailbox_id) for mailbox_id in self._mailboxes[skipped:following]]
        return self._answer("bookableresources.query", {"value": rows, **link})


def _tracks_changes(request: httpx.Request) -> bool:
    return "odata.track-changes" in request.headers.get("Prefer", "")


def _with_token(url: httpx.URL) -> str:
    return str(url.copy_with(query=b"").copy_set_param("$deltatoken", _TOKEN))


def _resource(mailbox_id: str) -> dict[str, Any]:
    return {
        "@odata.etag": 'W/"1"',
        "bookableresourceid": guid(f"resource of {mailbox_id}"),
        "UserId": {"azureactivedirectoryobjectid": mailbox_id, "isdisabled": False},
    }
