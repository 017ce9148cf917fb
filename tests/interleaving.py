"""Workers that can be stopped wherever they wait: killed there, surprised by people, or overtaken by other workers.

Between two awaits a worker is alone with what it knows. So there is a point before each operation on our storage,
before each request to a service and after its answer; whatever can happen to a worker is tried at every one of them.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from local.graph.odata import property_id
from local.sample import BOOKING_ID_PROPERTY, Technician
from sync.core.sides import event_hash, whole_second_utc
from sync.service.intake import Reply
from sync.service.ports import Ports
from tests.dispatching import DispatchTenant
from tests.fakes import QueueMessage
from tests.hosted_app import MESSAGES_AT_ONCE, Killed
from tests.tenant import event_path

type AtPoint = Callable[[int], Awaitable[None]]
"""What is done at a point of the app's work, by its number."""


def every_point() -> Iterator[int]:
    """The numbers of points, until the caller has come to the end of the work."""
    yield from range(1, 200)
    raise AssertionError("the work never came to its end")


_IS_WORKER = ContextVar("_IS_WORKER", default=False)


class WatchedTenant(DispatchTenant):
    """A tenant whose app passes a point wherever it waits while it works on messages; `watch` says what happens."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.webhooks: list[tuple[bytes, str | None]] = []
        self._watch = _Watch()
        self._graph_transport = _Watched(self._graph_transport, self._point)
        self._dataverse_transport = _Watched(self._dataverse_transport, self._point)
        self.ports = self.build_ports()
        self.watch_storage()

    def watch_storage(self) -> None:
        for port in (self.state, self.journal, self.letters, self.queue):
            port.before_each = self._storage_point

    async def post_webhook(self, body: bytes, secret: str | None) -> Reply:
        self.webhooks.append((body, secret))
        return await super().post_webhook(body, secret)

    async def repeat_webhooks(self) -> None:
        """Dataverse sends once more what it has sent since the start, as it may."""
        for body, secret in tuple(self.webhooks):
            assert (await super().post_webhook(body, secret)).status == 202

    @property
    def points(self) -> int:
        """How many points were passed since the watch began."""
        return self._watch.points

    def watch(self, at_point: AtPoint | None) -> None:
        """From now on count the points anew, and do this at each; None: no more."""
        self._watch.points, self._watch.at_point = 0, at_point

    def surprise(self, at: int, happening: Callable[[], Awaitable[None]]) -> None:
        """Let something happen, once, at the point of this number, while the worker that came there waits for it."""

        async def at_point(point: int) -> None:
            if point == at:
                with self.unwatched():
                    self.ports = self.build_ports()
                    await happening()

        self.watch(at_point)

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Nothing happens inside, and nothing inside counts."""
        at_point, self._watch.at_point = self._watch.at_point, None
        yield
        self._watch.at_point = at_point

    async def _storage_point(self, _: str) -> None:
        await self._point()

    async def _point(self) -> None:
        if _IS_WORKER.get() and self._watch.at_point is not None:
            self._watch.points += 1
            await self._watch.at_point(self._watch.points)

    async def _host(
        self, handler: Callable[[QueueMessage, Ports], Awaitable[None]], message: QueueMessage, ports: Ports
    ) -> None:
        _IS_WORKER.set(True)  # In the task of this message alone.
        await super()._host(handler, message, ports)

    async def _handle_event_change(self, message: QueueMessage, ports: Ports) -> None:
        await super()._handle_event_change(message, ports)
        await self._point()

    async def _handle_booking_change(self, message: QueueMessage, ports: Ports) -> None:
        await super()._handle_booking_change(message, ports)
        await self._point()

    async def _handle_mailbox_task(self, message: QueueMessage, ports: Ports) -> None:
        await super()._handle_mailbox_task(message, ports)
        await self._point()

    async def marked_events(self, booking_id: str) -> list[dict[str, Any]]:
        """Every event of anybody that ever bore the booking's mark, also a deleted one, as the switchboard shows it."""
        mark = property_id(BOOKING_ID_PROPERTY)
        events = (await self.graph_state())["events"]
        return [event for event in events if event["extended_properties"].get(mark) == booking_id]

    async def live_events(self, booking_id: str) -> list[dict[str, Any]]:
        """Those of them that lie in a calendar."""
        return [event for event in await self.marked_events(booking_id) if not event["is_deleted"]]

    async def assert_delivered(self, booking_id: str, technician: Technician | None = None) -> dict[str, Any]:
        """The booking has one event in anybody's calendar: its technician's, at its time, named by it and by the link.

        Answers the event as its owner reads it.
        """
        technician = technician or self.technician
        (event,) = await self.live_events(booking_id)
        assert event["mailbox_id"] == technician.mailbox_id
        row, link = await self.row(booking_id), await self.state.find_link(booking_id)
        assert row["bks_eventid"] == event["id"]
        assert row["bks_eventhash"] == event_hash(technician.mailbox_id, event["id"])
        assert not row["bks_undelivered"]
        assert [_second(event[side]) for side in ("start", "end")] == [
            _second(row[side]) for side in ("starttime", "endtime")
        ]
        assert link is not None
        assert link.address == (technician.mailbox_id, event["id"])
        assert link.leftover is None
        assert link.is_named
        answer = await self.person.get(event_path(*link.address))
        assert answer.status_code == 200
        assert answer.json()["attendees"] == []
        return dict(answer.json())

    async def assert_without_event(self, booking_id: str) -> None:
        """No event of the booking lies in anybody's calendar, it names none, and nothing is remembered that would."""
        assert not await self.live_events(booking_id)
        assert (await self.row(booking_id)).get("bks_eventid") is None
        assert await self.state.find_link(booking_id) is None

    async def assert_at_rest(self) -> None:
        """Nothing waits, is leased or is buried, further passes write nothing, and nobody got a mail."""
        assert self.queue.next_visible_at() is None
        assert not self.letters.letters
        for mailbox_id in self.rules.mailboxes:
            leases = [one.leased_until async for one in self.state.list_known_events(mailbox_id)]
            assert all(until is None or until <= self.clock.now() for until in leases)
        await self.assert_converged()


class MortalTenant(WatchedTenant):
    """A tenant whose worker dies at a point, as a whole: whatever else its process was doing ends with it.

    With `loses_messages` nobody takes up what it had in hand.
    """

    deaths = 0
    loses_messages = False
    _is_dead = False
    _ends_the_next: AtPoint | None = None

    def arm(self, fatal: int, *, is_repeated: bool = False) -> None:
        """The worker dies at the `fatal`-th point from now on; 0: it lives.

        With `is_repeated` so does, at the same point, each that takes its place.
        """
        self._replace_the_dead()

        async def at_point(point: int) -> None:
            if point == fatal:
                self._is_dead = True
                self.deaths += 1
            if self._is_dead:
                raise Killed

        self._ends_the_next = at_point if is_repeated else None
        self.watch(at_point)

    async def work_due(self, ports: Ports | None = None, *, limit: int = MESSAGES_AT_ONCE) -> int:
        """As the host does, with a fresh worker where the last one died."""
        self._replace_the_dead()
        return await super().work_due(ports, limit=limit)

    def _replace_the_dead(self) -> None:
        if self._is_dead:
            self._is_dead = False
            self.ports = self.build_ports()
            self.watch(self._ends_the_next)

    async def _host(
        self, handler: Callable[[QueueMessage, Ports], Awaitable[None]], message: QueueMessage, ports: Ports
    ) -> None:
        await super()._host(handler, message, ports)
        if self._is_dead and self.loses_messages:
            self.queue.complete(message)


class CrowdedTenant(WatchedTenant):
    """A tenant in which each message has a worker of its own, with ports of its own, and chance says who goes on."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._turns = _Turns()

    def crowd(self, seed: int, *, pause_at: int = 0, pause_seconds: float = 0.0) -> None:
        """From now on, let the workers take turns by the chance of `seed`.

        At one point somebody has to wait, longer perhaps than leases last, while post arrives and more workers begin.
        """
        self._turns.chance.seed(seed)

        async def at_point(point: int) -> None:
            if point == pause_at:
                self.clock.advance(pause_seconds)
                self._shift.create_task(self._begin_more(), context=Context())
            await self._turns.give_way()

        self.watch(at_point)

    async def work_due(self, ports: Ports | None = None, *, limit: int = MESSAGES_AT_ONCE) -> int:
        async with asyncio.TaskGroup() as self._shift:
            return await self._take_up(ports, limit)

    async def _take_up(self, ports: Ports | None = None, limit: int = MESSAGES_AT_ONCE) -> int:
        return await super().work_due(ports, limit=limit)

    async def _begin_more(self) -> None:
        """What the host and the services do while somebody works."""
        await self.graph.courier.deliver_due(self.graph.post)
        await self.dataverse.webhooks.deliver_due(self.dataverse.post)
        await self._take_up()

    async def _host(
        self, handler: Callable[[QueueMessage, Ports], Awaitable[None]], message: QueueMessage, ports: Ports
    ) -> None:
        if self._watch.at_point is None:
            await super()._host(handler, message, ports)
            return
        await self._turns.begin()
        try:
            await super()._host(handler, message, self.build_ports())
        finally:
            self._turns.end()


@dataclass(slots=True)
class _Watch:
    points: int = 0
    at_point: AtPoint | None = None


class _Turns:
    """Of several workers one at a time goes on. Whenever one gives way, or ends, chance says who is next."""

    def __init__(self) -> None:
        self.chance = random.Random()
        self._waiting: list[asyncio.Future[None]] = []
        self._is_taken = False

    async def begin(self) -> None:
        turn = await self._queue_up()
        if not self._is_taken:
            self.end()
        await turn

    async def give_way(self) -> None:
        turn = await self._queue_up()
        self.end()
        await turn

    def end(self) -> None:
        self._is_taken = bool(self._waiting)
        if self._waiting:
            self._waiting.pop(self.chance.randrange(len(self._waiting))).set_result(None)

    async def _queue_up(self) -> asyncio.Future[None]:
        await asyncio.sleep(0)  # The workers that begin together must all be waiting before one goes on.
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        return turn


class _Watched(httpx.AsyncBaseTransport):
    """A transport with a point before a request is sent and one after its answer came."""

    def __init__(self, inner: httpx.AsyncBaseTransport, point: Callable[[], Awaitable[None]]) -> None:
        self._inner = inner
        self._point = point

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._point()
        response = await self._inner.handle_async_request(request)
        await self._point()
        return response


def _second(moment: str) -> datetime:
    return whole_second_utc(datetime.fromisoformat(moment))
