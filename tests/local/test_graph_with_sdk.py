"""Microsoft's own SDK against the simulator, over real loopback sockets and in real time."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from kiota_abstractions.authentication import AnonymousAuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.date_time_time_zone import DateTimeTimeZone
from msgraph.generated.models.event import Event
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.subscription import Subscription
from msgraph.generated.users.item.calendar_view.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.users.item.events.item.event_item_request_builder import EventItemRequestBuilder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.graph.server import build_app
from local.graph.simulator import GraphSimulator
from local.sample import EXTENSION_NAME, TECHNICIANS, build_sample
from local.switchboard import APP_TOKEN

pytestmark = pytest.mark.slow

USER = TECHNICIANS[3].mailbox_id


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application on a free loopback port; its address."""
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        # From here on requests wait for the server instead of being refused.
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


class Receiver:
    """An app that answers the handshake and remembers when which notification came."""

    def __init__(self) -> None:
        self.came: list[tuple[float, dict[str, Any]]] = []
        self.arrived = asyncio.Event()

    async def receive(self, request: Request) -> Response:
        if token := request.query_params.get("validationToken"):
            assert request.headers["content-length"] == "0"
            return PlainTextResponse(token)
        for item in (await request.json())["value"]:
            self.came.append((time.monotonic(), item))
        self.arrived.set()
        return Response(status_code=202)


@asynccontextmanager
async def client_of(address: str) -> AsyncIterator[GraphServiceClient]:
    # An address of httpx's own, as the SDK's default client has one, makes the SDK double the slash after it.
    headers = {"Authorization": f"Bearer {APP_TOKEN}"}
    async with httpx.AsyncClient(base_url=f"{address}/v1.0/", headers=headers) as http:
        adapter = GraphRequestAdapter(AnonymousAuthenticationProvider(), client=http)
        adapter.base_url = f"{address}/v1.0/"
        yield GraphServiceClient(request_adapter=adapter)


def asking(**query: Any) -> Any:
    configuration = RequestConfiguration(**query)
    configuration.headers.add("Prefer", 'IdType="ImmutableId"')
    return configuration


async def test_events_subscriptions_and_delta_work_with_the_sdk() -> None:
    today = date(2026, 3, 20)
    booking = next(each for each in build_sample(today).bookings if each.technician.mailbox_id == USER)
    simulator = GraphSimulator(today=today)
    simulator.switchboard.set_switches({"burst": 1, "repeat": 0.0, "burst_spread_seconds": 0, "delay_seconds": 0.1})
    receiver = Receiver()
    app = Starlette(routes=[Route("/notify", receiver.receive, methods=["POST"])])
    async with (
        serving(build_app(simulator, run_courier=True)) as address,
        serving(app) as app_address,
        client_of(address) as graph,
    ):
        user = graph.users.by_user_id(USER)

        expand = [f"extensions($filter=id eq '{EXTENSION_NAME}')"]
        parameters = EventItemRequestBuilder.EventItemRequestBuilderGetQueryParameters(expand=expand)
        event = await user.events.by_event_id(booking.event_id).get(asking(query_parameters=parameters))
        assert event is not None
        assert event.extensions is not None
        # The SDK makes a UUID of any text that looks like one.
        assert str(event.extensions[0].additional_data["bookingSyncGuid"]) == booking.booking_id

        wanted = Subscription(
            change_type="created,updated,deleted",
            notification_url=f"{app_address}/notify?code=key",
            lifecycle_notification_url=f"{app_address}/notify",
            resource=f"users/{USER}/events",
            expiration_date_time=datetime.now(UTC) + timedelta(days=1),
            client_state="secret",
        )
        subscription = await graph.subscriptions.post(wanted, asking())
        assert subscription is not None
        assert subscription.id is not None
        renewal = Subscription(expiration_date_time=datetime.now(UTC) + timedelta(days=2))
        assert await graph.subscriptions.by_subscription_id(subscription.id).patch(renewal) is not None

        window = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(
            start_date_time="2026-03-23T00:00:00Z", end_date_time="2026-03-30T00:00:00Z"
        )
        first_round = await user.calendar_view.delta.get(asking(query_parameters=window))
        assert first_round is not None
        assert first_round.odata_delta_link is not None
        assert booking.event_id in {each.id for each in first_round.value or []}

        change = Event(
            start=DateTimeTimeZone(date_time="2026-03-24T10:00:00", time_zone="Europe/Oslo"),
            end=DateTimeTimeZone(date_time="2026-03-24T11:00:00", time_zone="Europe/Oslo"),
        )
        changed_at = time.monotonic()
        await user.events.by_event_id(booking.event_id).patch(change, asking())
        await asyncio.wait_for(receiver.arrived.wait(), 3)
        arrived_at, item = receiver.came[0]
        assert item["resourceData"]["id"] == booking.event_id
        # Due after 0.1 s, rounded up to a tenth; the rest is what the courier may take, and the test's machine.
        assert arrived_at - changed_at < 1.0

        next_round = await user.calendar_view.delta.with_url(first_round.odata_delta_link).get(asking())
        assert next_round is not None
        assert [each.id for each in next_round.value or []] == [booking.event_id]

        await user.events.by_event_id(booking.event_id).delete(asking())
        with pytest.raises(ODataError) as refused:
            await user.events.by_event_id(booking.event_id).get(asking())
        assert refused.value.response_status_code == 404
        assert refused.value.error is not None
        assert refused.value.error.code == "ErrorItemNotFound"


async def test_a_closed_connection_is_closed_on_the_socket_too() -> None:
    simulator = GraphSimulator(today=date(2026, 3, 20))
    headers = {"Authorization": f"Bearer {APP_TOKEN}"}
    async with serving(build_app(simulator)) as address, httpx.AsyncClient(base_url=address, headers=headers) as http:
        await http.post("/_control/faults", json={"status": 0})
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(f"/v1.0/users/{USER}")
        assert (await http.get(f"/v1.0/users/{USER}")).status_code == 200
