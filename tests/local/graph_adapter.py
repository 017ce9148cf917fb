"""The app's Graph adapter on a simulated tenant, and the line between them, which tests can watch and cut."""

import json
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import httpx
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider

from local.graph.server import build_app
from local.switchboard import APP_TOKEN
from sync.adapters.graph import GraphClient, open_graph
from sync.adapters.graph_wire import classify_graph_failure
from sync.adapters.static_token import StaticTokenCredential
from sync.adapters.transport import Transport
from sync.core.subscriptions import SubscriptionPolicy
from tests.local.graph_tenant import EXPAND, IMMUTABLE, LIFECYCLE_URL, NOTIFY_URL, USER, Tenant

type Act = Callable[[], Awaitable[httpx.Response | None]]


class Line(httpx.AsyncBaseTransport):
    """Carries requests to the simulator and keeps them. `before` may act, or answer in its place, before the nth of a
    method.
    """

    def __init__(self, graph: Tenant) -> None:
        self._transport = httpx.ASGITransport(build_app(graph.simulator))
        self.requests: list[httpx.Request] = []
        self.before: dict[tuple[str, int], Act] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        act = self.before.get((request.method, len(self.sent(request.method))))
        answer = await act() if act else None
        return answer or await self._transport.handle_async_request(request)

    def sent(self, method: str) -> list[httpx.Request]:
        return [request for request in self.requests if request.method == method]

    def bodies(self, method: str) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.sent(method)]


def open_client(graph: Tenant) -> tuple[GraphClient, Line]:
    """A client as one process of the app has it. Where it waits, the tenant's clock moves."""

    async def sleep(seconds: float) -> None:
        graph.clock.advance(seconds)

    line = Line(graph)
    client = open_graph(
        AzureIdentityAuthenticationProvider(StaticTokenCredential(APP_TOKEN), scopes=["local"]),
        Transport(classify=classify_graph_failure, clock=graph.clock.now, sleep=sleep, random=Random(0)),
        url="http://127.0.0.1:7080/v1.0",
        subscriptions=SubscriptionPolicy(notification_url=NOTIFY_URL, lifecycle_url=LIFECYCLE_URL),
        secret="a-secret-of-the-tests-with-enough-characters",
        http_transport=line,
    )
    return client, line


def calls(graph: Tenant) -> dict[str, int]:
    """The app's calls as the simulator counted them, by kind."""
    return dict(graph.simulator.switchboard.calls["app"])


async def look_at(graph: Tenant, event_id: str) -> dict[str, Any]:
    """The event as its owner has it, marks included."""
    answer = await graph.person.get(f"{USER}/events/{event_id}", params={"$expand": EXPAND}, headers=IMMUTABLE)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def make_event(graph: Tenant, **fields: Any) -> str:
    """An event that a person makes; its id."""
    answer = await graph.person.post(f"{USER}/events", json=fields, headers=IMMUTABLE)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def change_event(graph: Tenant, event_id: str, **fields: Any) -> None:
    """A person changes an event."""
    answer = await graph.person.patch(f"{USER}/events/{event_id}", json=fields, headers=IMMUTABLE)
    assert answer.status_code == 200, answer.text


async def drop_event(graph: Tenant, event_id: str) -> None:
    """A person deletes an event."""
    answer = await graph.person.delete(f"{USER}/events/{event_id}", headers=IMMUTABLE)
    assert answer.status_code == 204, answer.text
