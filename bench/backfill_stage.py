"""Both services and the app on one or more instances in this process, on virtual time.

Real are the app's use cases and clients, the simulators with their limits, and the listener of the Functions host with
the app's host.json and default settings. Modelled are the time that each call takes, and storage, which is in memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Self
from urllib.parse import parse_qs, urlsplit

import httpx

from bench.gauge import Gauge
from bench.hosted_queues import HostedQueues
from bench.unpaced import UnpacedTransport
from bench.unread_journal import UnreadJournal
from local.dataverse.server import SWITCHES as DATAVERSE_SWITCHES
from local.dataverse.server import DataverseSimulator
from local.functions.queues import QueueListener, QueueMessage
from local.functions.settings import QueueSettings, read_host_settings
from local.graph.door import DoorAnswer
from local.graph.server import build_app
from local.graph.simulator import GraphSimulator
from local.switchboard import Fault, Switchboard
from local.virtual_time import LoopClock
from local.wiring import Wiring
from local.world import ROOT, sample_settings
from sync.adapters.transport import Transport
from sync.bootstrap import Workshop
from sync.core.notifications import accept_changes, accept_lifecycle
from sync.core.work import BOOKING_CHANGES_QUEUE, EVENT_CHANGES_QUEUE, MAILBOX_TASKS_QUEUE, POISON_SUFFIX
from sync.service.handlers import handle_booking_change, handle_event_change, handle_mailbox_task
from sync.service.intake import Door, answer_post
from sync.service.ports import Ports
from sync.service.upkeep import maintain_subscriptions
from sync.settings import MAXIMUM_DEQUEUE_COUNT, Settings
from tests.fakes import FakeDeadLetters, FakeStateStore

BEGAN_AT = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)

SERVICE_SECONDS = 0.1
"""What a call to Graph or Dataverse takes."""

STORAGE_SECONDS = 0.005
"""What an operation on queues and tables takes."""

_ALL_FORGOTTEN = timedelta(minutes=15)
"""After which neither service holds earlier calls against anybody."""

HANDLERS: Mapping[str, Callable[[str, int, int, Workshop], Awaitable[None]]] = {
    EVENT_CHANGES_QUEUE: handle_event_change,
    BOOKING_CHANGES_QUEUE: handle_booking_change,
    MAILBOX_TASKS_QUEUE: handle_mailbox_task,
}


class BackfillStage:
    """An asynchronous context, within `run_virtually`; inside it, the app is at work."""

    def __init__(self, *, instances: int, mailboxes: tuple[str, ...], is_paced: bool = True) -> None:
        """Unless it `is_paced`, the app calls as if nobody had refused it before."""
        self._is_paced = is_paced
        self.clock = LoopClock(BEGAN_AT)
        self.graph = GraphSimulator(today=BEGAN_AT.date(), clock=self.clock, door=self)
        board = Switchboard(switches=DATAVERSE_SWITCHES, clock=self.clock)
        self.dataverse = DataverseSimulator(today=BEGAN_AT.date(), switchboard=board)
        for switchboard in (self.graph.switchboard, board):
            switchboard.faults.append(Fault(times=None, delay_seconds=SERVICE_SECONDS))
        graph, dataverse = httpx.ASGITransport(app=build_app(self.graph)), httpx.ASGITransport(app=self.dataverse.app)
        self.graph_gauge = Gauge(graph, self.clock, lane=_mailbox_of)
        self.dataverse_gauge = Gauge(dataverse, self.clock, lane=lambda _: "the app's user")
        self.queues = HostedQueues(self.clock.now, seconds=STORAGE_SECONDS)
        self.state, self.journal, self.letters = FakeStateStore(), UnreadJournal(), FakeDeadLetters()
        for port in (self.state, self.journal, self.letters):
            port.before_each = _take_time
        self._settings = Settings.from_env(sample_settings())
        self._rules = replace(self._settings.rules, mailboxes=mailboxes)
        self._ids = count(1)
        host = read_host_settings(ROOT, {}).queues
        shops = [self.open_shop(number) for number in range(instances)]
        self._listeners = [self._listen(queue, shop, host) for shop in shops for queue in HANDLERS]
        self._running: list[asyncio.Task[None]] = []

    def open_shop(self, number: int) -> Workshop:
        """What one more process works with: clients of its own, over the storage of all."""
        wiring = Wiring(
            graph=self.graph_gauge,
            dataverse=self.dataverse_gauge,
            secret=self._settings.client_state_secrets[0],
            clock=self.clock.now,
            sleep=asyncio.sleep,
            random=Random(number),
            subscriptions=self._rules.subscriptions,
            transport=Transport if self._is_paced else UnpacedTransport,
        )
        ports = Ports(
            calendar=wiring.open_calendar(),
            bookings=wiring.open_bookings(),
            state=self.state,
            journal=self.journal,
            dead_letters=self.letters,
            queue=self.queues,
            clock=self.clock.now,
            new_id=self._new_id,
        )
        return Workshop(ports=ports, rules=self._rules)

    def _listen(self, queue: str, shop: Workshop, settings: QueueSettings) -> QueueListener:
        async def process(message: QueueMessage, body: bytes) -> bool:
            await HANDLERS[queue](body.decode(), message.dequeue_count, MAXIMUM_DEQUEUE_COUNT, shop)
            return True

        return QueueListener(
            queue=self.queues[queue],
            poison=self.queues[queue + POISON_SUFFIX],
            process=process,
            settings=settings,
            randomness=Random(len(queue)),
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
            secrets=self._settings.client_state_secrets,
            tenant_id=self._settings.tenant_id,
            queue=self.queues,
            clock=self.clock.now,
            new_id=self._new_id,
            settle_seconds=self._settings.settle_seconds,
        )

    def _new_id(self) -> str:
        return f"item-{next(self._ids)}"

    async def __aenter__(self) -> Self:
        work = [self.graph.courier.run(self.graph.post), *(listener.run() for listener in self._listeners)]
        self._running = [asyncio.create_task(one) for one in work]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.wait(self._running)

    async def subscribe(self) -> None:
        """Subscribe every mailbox, sweep it for the first time, and let all of it be forgotten."""
        shop = self.open_shop(-1)
        await maintain_subscriptions(
            shop.ports, shop.rules, sleep=asyncio.sleep, until=self.clock.now() + timedelta(hours=1)
        )
        await self.settle()
        await asyncio.sleep(_ALL_FORGOTTEN.total_seconds())
        for switchboard in (self.graph.switchboard, self.dataverse.switchboard):
            switchboard.clear_calls()
        self.graph_gauge.clear()
        self.dataverse_gauge.clear()

    async def settle(self) -> None:
        """Wait until nothing is on its way to the app, and its queues are empty."""
        courier = self.graph.courier
        while not self.queues.are_empty or courier.next_due_at() is not None or courier.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(1)


async def _take_time(_: str) -> None:
    await asyncio.sleep(STORAGE_SECONDS)


def _mailbox_of(url: httpx.URL) -> str:
    segments = url.path.split("/")
    return segments[3] if segments[2:3] == ["users"] else ""
