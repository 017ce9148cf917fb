"""The app and both services in one process, on one clock that is moved by hand.

No socket, no thread, no waiting: the simulators are called through ASGI, the queue and the tables are the fakes, and
time passes only when nothing is left to do at the present moment.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from local.dataverse.server import SWITCHES as DATAVERSE_SWITCHES
from local.dataverse.server import DataverseSimulator
from local.graph.door import DoorAnswer
from local.graph.server import build_app
from local.graph.simulator import GraphSimulator
from local.sample import TENANT_ID
from local.switchboard import Switchboard, WorldClock
from local.wiring import SUBSCRIPTIONS, Wiring
from sync.core.errors import AccessDenied, TransientError
from sync.core.notifications import accept_changes, accept_lifecycle
from sync.core.rules import Rules
from sync.core.webhooks import WEBHOOK_SECRET_HEADER
from sync.core.work import (
    BOOKING_CHANGES_QUEUE,
    EVENT_CHANGES_QUEUE,
    MAILBOX_TASKS_QUEUE,
    POISON_SUFFIX,
    QUEUES,
)
from sync.core.work_items import MailboxJob, Source
from sync.service.booking_sweep import sweep_bookings
from sync.service.disposal import collect_poison
from sync.service.handlers import handle_booking_change, handle_event_change, handle_mailbox_task
from sync.service.intake import Door, Reply, answer_post, answer_webhook
from sync.service.ports import Ports
from sync.service.sweeping import mailbox_task, queue_sweeps
from sync.service.upkeep import maintain_subscriptions
from sync.settings import MAXIMUM_DEQUEUE_COUNT
from tests.fakes import FakeDeadLetters, FakeJournal, FakeStateStore, FakeWorkQueue, QueueMessage
from tests.unit.values import TEMPLATES

SECRET = "a-secret-of-the-tests-with-enough-characters"
WEBHOOK_SECRET = "a-webhook-secret-of-the-tests-long-enough"
START = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
"""A Wednesday; the sample visits lie in the week after."""

QUIET: dict[str, Any] = {"burst": 1, "repeat": 0.0, "reorder": False, "change_type_noise": False}
"""Switches under which one change raises exactly one notification."""

RETRY_VISIBILITY_SECONDS = 30
MESSAGES_AT_ONCE = 16


class Killed(BaseException):
    """The worker process is gone. Not an `Exception`, so that nothing handles it."""


class HostedApp:
    """The app, its host and its timers, over both simulators. `rules` may be replaced before anything is worked on."""

    def __init__(self, *, switches: Mapping[str, Any] | None = None, rules: Rules | None = None, seed: int = 0) -> None:
        self.clock = WorldClock(frozen_at=START)
        self.graph = GraphSimulator(today=START.date(), clock=self.clock, seed=seed, door=self)
        self.graph.switchboard.set_switches(dict(switches or {}))
        self.dataverse = DataverseSimulator(
            today=START.date(),
            switchboard=Switchboard(switches=DATAVERSE_SWITCHES, clock=self.clock, seed=seed),
            door=_WebhookDoor(self),
        )
        self._graph_transport: httpx.AsyncBaseTransport = httpx.ASGITransport(app=build_app(self.graph))
        self._dataverse_transport: httpx.AsyncBaseTransport = httpx.ASGITransport(app=self.dataverse.app)
        self.state, self.journal, self.letters = FakeStateStore(), FakeJournal(), FakeDeadLetters()
        self.queue = FakeWorkQueue(self.clock.now)
        self.rules = rules or Rules(subscriptions=SUBSCRIPTIONS, templates=TEMPLATES)
        self.settle_seconds = 3.0
        self.replies: list[Reply] = []
        self.failed_timers: list[TransientError | AccessDenied] = []
        self.door_is_open = True
        """Whether the app answers Graph."""
        self.webhook_door_is_open = True
        """Whether the app answers Dataverse."""
        self._ids = count(1)
        self._random = random.Random(seed)
        self.ports = self.build_ports()

    def build_ports(self) -> Ports:
        """Ports as one more instance of the app would have them, over the same state."""
        wiring = Wiring(
            graph=self._graph_transport,
            dataverse=self._dataverse_transport,
            secret=SECRET,
            clock=self.clock.now,
            sleep=self.sleep,
            random=self._random,
        )
        return Ports(
            calendar=wiring.open_calendar(),
            bookings=wiring.open_bookings(),
            state=self.state,
            journal=self.journal,
            dead_letters=self.letters,
            queue=self.queue,
            clock=self.clock.now,
            new_id=self.new_id,
        )

    def new_id(self) -> str:
        return f"item-{next(self._ids)}"

    async def sleep(self, seconds: float) -> None:
        """Waiting moves the clock."""
        self.clock.advance(seconds)

    @property
    def door(self) -> Door:
        return Door(
            secrets=(SECRET,),
            tenant_id=TENANT_ID,
            queue=self.queue,
            clock=self.clock.now,
            new_id=self.new_id,
            settle_seconds=self.settle_seconds,
            webhook_secrets=(WEBHOOK_SECRET,),
        )

    async def post(self, url: str, body: bytes, content_type: str, timeout_seconds: float) -> DoorAnswer:  # noqa: ARG002
        """The app's HTTP functions, as the simulator's courier and handshake see them."""
        if not self.door_is_open:
            raise TimeoutError(f"nobody answers within {timeout_seconds} s")
        parts = urlsplit(url)
        token = parse_qs(parts.query).get("validationToken", [None])[0]
        parse = accept_lifecycle if parts.path.endswith("/lifecycle") else accept_changes
        reply = await answer_post(body, token, parse, lambda: self.door)
        self.replies.append(reply)
        return DoorAnswer(status=reply.status, content_type="text/plain; charset=utf-8", text=reply.text)

    async def post_webhook(self, body: bytes, secret: str | None) -> Reply:
        """The app's HTTP function for webhooks, as Dataverse sees it."""
        if not self.webhook_door_is_open:
            raise TimeoutError("nobody answers")
        reply = await answer_webhook(body, secret, lambda: self.door)
        self.replies.append(reply)
        return reply

    async def maintain(self) -> Counter[str]:
        return await maintain_subscriptions(
            self.ports, self.rules, sleep=self.sleep, until=self.clock.now() + timedelta(minutes=8)
        )

    async def sweep(self, *mailboxes: str, is_full: bool = False) -> None:
        """Queue sweeps of the given mailboxes; or of all, and sweep the bookings, as the timers do.

        A timer that fails is logged by the host, and runs again when its time comes.
        """
        for mailbox_id in mailboxes:
            task = mailbox_task(mailbox_id, MailboxJob.SWEEP, self.ports, source=Source.REPLAY, is_full=is_full)
            await self.queue.put(task)
        if not mailboxes:
            await queue_sweeps(self.ports, self.rules, is_full=is_full)
            try:
                await self.sweep_bookings(is_full=is_full)
            except (TransientError, AccessDenied) as error:
                self.failed_timers.append(error)

    async def sweep_bookings(self, *, is_full: bool = False) -> Counter[str]:
        """Sweep the table of bookings; in full as when Dataverse refuses the token."""
        if is_full:
            self.switch_dataverse(expire_delta_tokens=True)
        return await sweep_bookings(self.ports, self.rules)

    async def settle(self, *, limit: timedelta = timedelta(hours=2)) -> None:
        """Let everything happen that is under way, moving the clock to whatever is due next, for `limit` at most."""
        end = self.clock.now() + limit
        while self.clock.now() <= end:  # Work that waits in place moves the clock, too, and may never run out.
            worked = await self.deliver_due()
            worked += await self.work_due()
            if worked:
                continue
            due_at = self.next_due_at()
            if due_at is None or due_at > end:
                return
            self.clock.advance(max((due_at - self.clock.now()).total_seconds(), 0.001))

    async def deliver_due(self) -> int:
        """Let both services post what is due now; how many posts that was."""
        delivered = await self.graph.courier.deliver_due(self.graph.post)
        return delivered + await self.dataverse.webhooks.deliver_due(self.dataverse.post)

    def next_due_at(self) -> datetime | None:
        """When the next thing happens by itself; None when everything is at rest."""
        moments = (
            self.graph.courier.next_due_at(),
            self.dataverse.webhooks.next_due_at(),
            self.queue.next_visible_at(),
        )
        return min((at for at in moments if at is not None), default=None)

    async def work_due(self, ports: Ports | None = None, *, limit: int = MESSAGES_AT_ONCE) -> int:
        """Handle the messages that are visible now, up to `limit` of a queue at once, as the host would; how many."""
        handlers: dict[str, Callable[[QueueMessage, Ports], Awaitable[None]]] = {
            EVENT_CHANGES_QUEUE: self._handle_event_change,
            BOOKING_CHANGES_QUEUE: self._handle_booking_change,
            MAILBOX_TASKS_QUEUE: self._handle_mailbox_task,
            **{queue + POISON_SUFFIX: self._handle_poison for queue in QUEUES},
        }
        taken = [
            (handler, message)
            for queue, handler in handlers.items()
            for message in self.queue.take_due(queue, self.clock.now(), limit=limit)
        ]
        await asyncio.gather(*(self._host(handler, message, ports or self.ports) for handler, message in taken))
        return len(taken)

    async def _host(
        self, handler: Callable[[QueueMessage, Ports], Awaitable[None]], message: QueueMessage, ports: Ports
    ) -> None:
        """What the Functions host does around a queue function (WebJobs storage extension, QueueProcessor)."""
        if message.dequeue_count > MAXIMUM_DEQUEUE_COUNT:
            self.queue.poison(message)
            return
        try:
            await handler(message, ports)
        except Killed:
            return  # The message comes back when its visibility ends.
        except Exception:  # noqa: BLE001 - the host, too, catches everything
            if message.dequeue_count >= MAXIMUM_DEQUEUE_COUNT:
                self.queue.poison(message)
            else:
                self.queue.release(message, self.clock.now(), visibility_seconds=RETRY_VISIBILITY_SECONDS)
            return
        self.queue.complete(message)

    async def _handle_event_change(self, message: QueueMessage, ports: Ports) -> None:
        await handle_event_change(message.text, message.dequeue_count, MAXIMUM_DEQUEUE_COUNT, _Shop(ports, self.rules))

    async def _handle_booking_change(self, message: QueueMessage, ports: Ports) -> None:
        await handle_booking_change(
            message.text, message.dequeue_count, MAXIMUM_DEQUEUE_COUNT, _Shop(ports, self.rules)
        )

    async def _handle_mailbox_task(self, message: QueueMessage, ports: Ports) -> None:
        await handle_mailbox_task(message.text, message.dequeue_count, MAXIMUM_DEQUEUE_COUNT, _Shop(ports, self.rules))

    async def _handle_poison(self, message: QueueMessage, ports: Ports) -> None:
        await collect_poison(message.queue, message.text, ports)

    def switch(self, **switches: Any) -> None:
        """Set switches of the Graph simulator."""
        self.graph.switchboard.set_switches(switches)

    def switch_dataverse(self, **switches: Any) -> None:
        """Set switches of the Dataverse simulator."""
        self.dataverse.switchboard.set_switches(switches)

    def forget_costs(self) -> None:
        self.graph.switchboard.clear_calls()
        self.dataverse.switchboard.clear_calls()
        self.journal.entries.clear()
        self.replies.clear()
        self.failed_timers.clear()

    @property
    def graph_calls(self) -> Counter[str]:
        """The app's calls to Graph since the costs were last forgotten, by kind."""
        return self.graph.switchboard.calls["app"]

    @property
    def dataverse_calls(self) -> Counter[str]:
        return self.dataverse.switchboard.calls["app"]

    async def run_timers(self, period: timedelta, *, every: timedelta = timedelta(minutes=15)) -> None:
        """Let `period` pass with both timers at work."""
        end = self.clock.now() + period
        while self.clock.now() < end:
            self.clock.advance(every.total_seconds())
            await self.maintain()
            await self.sweep()
            await self.settle(limit=every)

    @property
    def app_writes(self) -> Counter[str]:
        """The app's writes to bookings and events since the costs were last forgotten, by kind."""
        calls = self.graph_calls + self.dataverse_calls
        return Counter({kind: n for kind, n in calls.items() if not kind.startswith("subscription.") and _writes(kind)})


class _WebhookDoor:
    """The way from the Dataverse simulator to the app."""

    def __init__(self, app: HostedApp) -> None:
        self._app = app

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:  # noqa: ARG002
        secret = httpx.Headers(dict(headers)).get(WEBHOOK_SECRET_HEADER)
        return (await self._app.post_webhook(body, secret)).status


class _Shop:
    """What the handlers work with."""

    def __init__(self, ports: Ports, rules: Rules) -> None:
        self.ports = ports
        self.rules = rules


def _writes(kind: str) -> bool:
    return kind.partition(".")[2] in ("create", "update", "upsert", "delete", "cancel")
