"""A company on its first day in this process: both services, the app on one or more instances, and virtual time.

Real are the app's use cases and its clients, the simulators with their limits, and the listener of the Functions host
with the app's host.json. Modelled are the time that each call takes, and storage: queues and tables are in memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from urllib.parse import parse_qs, urlsplit

import httpx
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider

from bench.gauge import Gauge
from bench.hosted_queues import HostedQueues
from bench.virtual_time import LoopClock
from local.dataverse.server import SWITCHES as DATAVERSE_SWITCHES
from local.dataverse.server import DataverseSimulator
from local.functions.queues import QueueListener, QueueMessage
from local.functions.settings import QueueSettings, read_host_settings
from local.graph.door import DoorAnswer
from local.graph.server import build_app
from local.graph.simulator import GraphSimulator
from local.switchboard import APP_TOKEN, Fault, Switchboard
from local.world import ROOT, sample_settings
from sync.adapters.dataverse import DataverseClient
from sync.adapters.dataverse_http import DataverseHttp, open_http
from sync.adapters.dataverse_wire import classify_dataverse_failure
from sync.adapters.graph import open_graph
from sync.adapters.graph_wire import classify_graph_failure
from sync.adapters.static_token import StaticTokenCredential
from sync.adapters.transport import Classify, Transport
from sync.core.notifications import accept_changes, accept_lifecycle
from sync.core.rules import Rules
from sync.core.work import BOOKING_CHANGES_QUEUE, EVENT_CHANGES_QUEUE, MAILBOX_TASKS_QUEUE
from sync.service.handlers import handle_booking_change, handle_event_change, handle_mailbox_task
from sync.service.intake import Door, answer_post
from sync.service.ports import Ports
from sync.settings import MAXIMUM_DEQUEUE_COUNT, Settings
from tests.fakes import FakeDeadLetters, FakeJournal, FakeStateStore

BEGAN_AT = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTimes:
    """What is modelled: seconds that one call takes, from the service's point of view."""

    graph: float = 0.1
    dataverse: float = 0.1
    storage: float = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What the handlers of one instance work with."""

    ports: Ports
    rules: Rules


type Handle = Callable[[str, int, int, Shop], Awaitable[None]]

HANDLERS: Mapping[str, Handle] = {
    EVENT_CHANGES_QUEUE: handle_event_change,
    BOOKING_CHANGES_QUEUE: handle_booking_change,
    MAILBOX_TASKS_QUEUE: handle_mailbox_task,
}


class BackfillStage:
    """Use it within `run_virtually`, as an asynchronous context."""

    def __init__(self, *, instances: int, mailboxes: tuple[str, ...], times: CallTimes, web_servers: int = 1) -> None:
        self.clock = LoopClock(BEGAN_AT)
        self.settings = Settings.from_env(sample_settings())
        self.rules = replace(self.settings.rules, mailboxes=mailboxes)
        self.graph = GraphSimulator(today=BEGAN_AT.date(), clock=self.clock, door=self)
        board = Switchboard(switches=DATAVERSE_SWITCHES, clock=self.clock)
        self.dataverse = DataverseSimulator(today=BEGAN_AT.date(), switchboard=board)
        board.set_switches({"web_servers": web_servers})
        for switchboard, seconds in ((self.graph.switchboard, times.graph), (board, times.dataverse)):
            switchboard.faults.append(Fault(times=None, delay_seconds=seconds))
        self.graph_gauge = Gauge(httpx.ASGITransport(app=build_app(self.graph)), self.clock, lane=_mailbox_of)
        self.dataverse_gauge = Gauge(httpx.ASGITransport(app=self.dataverse.app), self.clock, lane=lambda _: "user")
        self.queues = HostedQueues(self.clock.now, seconds=times.storage)
        self.state, self.journal, self.letters = FakeStateStore(), FakeJournal(), FakeDeadLetters()
        for port in (self.state, self.journal, self.letters):
            port.before_each = lambda _: asyncio.sleep(times.storage)
        self._ids = count(1)
        self.shops = [Shop(ports=self.build_ports(number), rules=self.rules) for number in range(instances)]
        settings = read_host_settings(ROOT, {}).queues
        self.listeners = [
            self._listener(queue, shop, settings, number)
            for number, shop in enumerate(self.shops)
            for queue in HANDLERS
        ]

    def build_ports(self, seed: int) -> Ports:
        """Ports of one more process, over the same storage and the same services."""
        credential, chosen, chance = StaticTokenCredential(APP_TOKEN), self.settings, Random(seed)

        def transport(classify: Classify) -> Transport:
            return Transport(classify=classify, clock=self.clock.now, sleep=asyncio.sleep, random=chance)

        http = DataverseHttp(
            open_http(transport=self.dataverse_gauge),
            credential,
            transport(classify_dataverse_failure),
            url=chosen.dataverse_url,
        )
        calendar = open_graph(
            AzureIdentityAuthenticationProvider(credential, scopes=["local"]),
            transport(classify_graph_failure),
            url=chosen.graph_url,
            subscriptions=chosen.rules.subscriptions,
            secret=chosen.client_state_secrets[0],
            http_transport=self.graph_gauge,
        )
        return Ports(
            calendar=calendar,
            bookings=DataverseClient(http, clock=self.clock.now),
            state=self.state,
            journal=self.journal,
            dead_letters=self.letters,
            queue=self.queues,
            clock=self.clock.now,
            new_id=self.new_id,
        )

    def new_id(self) -> str:
        return f"item-{next(self._ids)}"

    def _listener(self, queue: str, shop: Shop, settings: QueueSettings, seed: int) -> QueueListener:
        async def process(message: QueueMessage, body: bytes) -> bool:
            try:
                await HANDLERS[queue](body.decode(), message.dequeue_count, MAXIMUM_DEQUEUE_COUNT, shop)
            except Exception:  # noqa: BLE001 - the host, too, catches everything
                return False
            return True

        return QueueListener(
            queue=self.queues.queue(queue),
            poison=self.queues.queue(f"{queue}-poison"),
            process=process,
            settings=settings,
            randomness=Random(seed),
        )

    async def post(self, url: str, body: bytes, content_type: str, timeout_seconds: float) -> DoorAnswer:
        """The app's HTTP functions, as Graph's handshake and deliveries see them."""
        del content_type, timeout_seconds
        parts = urlsplit(url)
        token = parse_qs(parts.query).get("validationToken", [None])[0]
        parse = accept_lifecycle if parts.path.endswith("/lifecycle") else accept_changes
        reply = await answer_post(body, token, parse, self._open_door)
        return DoorAnswer(status=reply.status, content_type="text/plain; charset=utf-8", text=reply.text)

    def _open_door(self) -> Door:
        return Door(
            secrets=self.settings.client_state_secrets,
            tenant_id=self.settings.tenant_id,
            queue=self.queues,
            clock=self.clock.now,
            new_id=self.new_id,
            settle_seconds=self.settings.settle_seconds,
        )

    async def __aenter__(self) -> "BackfillStage":
        self._running = [
            asyncio.create_task(self.graph.courier.run(self.graph.post)),
            *(asyncio.create_task(listener.run()) for listener in self.listeners),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.wait(self._running)

    async def settle(self) -> None:
        """Until nothing is on its way to the app, and its queues are empty."""
        while not self.queues.is_empty or self.graph.courier.outbox or self.graph.courier.in_flight:
            await asyncio.sleep(1)


def _mailbox_of(url: httpx.URL) -> str:
    segments = url.path.split("/")
    return segments[3] if segments[2:3] == ["users"] else ""


LONG = timedelta(minutes=15)
"""After which no service remembers what was asked before."""
