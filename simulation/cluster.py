"""The app at work: instances over one storage, the Functions host that feeds them, its timers, and the doors.

Stands in for the platform. The queue hides what is taken, gives it back when a process has died, and poisons what
fails again and again (WebJobs storage extension, QueueProcessor); the timers run in one instance each time.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from local.dataverse.server import DataverseSimulator
from local.graph.door import DoorAnswer
from local.graph.server import build_app
from local.graph.simulator import GraphSimulator
from local.sample import TENANT_ID
from local.switchboard import WorldClock
from local.wiring import Wiring
from simulation.gauge import Gauge, Tell
from simulation.history import Ill
from simulation.instance import CURRENT, DATAVERSE_ILLS, GRAPH_ILLS, Instance, Killed, Wire, pass_storage
from simulation.weather import Weather
from sync.core.journal import JournalEntry
from sync.core.notifications import accept_changes, accept_lifecycle
from sync.core.rules import Rules
from sync.core.webhooks import WEBHOOK_SECRET_HEADER
from sync.core.work import BOOKING_CHANGES_QUEUE, EVENT_CHANGES_QUEUE, MAILBOX_TASKS_QUEUE, POISON_SUFFIX, QUEUES
from sync.service.booking_sweep import sweep_bookings
from sync.service.disposal import collect_poison
from sync.service.handlers import handle_booking_change, handle_event_change, handle_mailbox_task
from sync.service.intake import Door, Reply, answer_post, answer_webhook
from sync.service.ports import Clock, Ports
from sync.service.sweeping import queue_sweeps
from sync.service.upkeep import maintain_subscriptions
from sync.settings import MAXIMUM_DEQUEUE_COUNT
from tests.fakes import FakeDeadLetters, FakeJournal, FakeStateStore, FakeWorkQueue, QueueMessage

SECRET = "a-secret-of-the-simulation-with-enough-characters"  # noqa: S105 - opens nothing
WEBHOOK_SECRET = "a-webhook-secret-of-the-simulation-long-enough"  # noqa: S105

RETRY_VISIBILITY_SECONDS = 30
LONGEST_POLLING_SECONDS = 0.8
RESTART_SECONDS = 20.0
_BEFORE_ANYTHING_IS_DONE = 0.8
MESSAGES_AT_ONCE = 8
"""That one instance takes of one queue."""


@dataclass(frozen=True, slots=True)
class Shop:
    """What the handlers work with."""

    ports: Ports
    rules: Rules


class Cluster:
    """Begins to work when `run` is started. `rules` may be replaced until then."""

    def __init__(
        self, graph: GraphSimulator, dataverse: DataverseSimulator, clock: WorldClock, chance: Random, tell: Tell
    ) -> None:
        self.weather = Weather(graph, dataverse, chance)
        self.graph_gauge, self.dataverse_gauge = Gauge("Graph", tell), Gauge("Dataverse", tell)
        self.state, self.letters = FakeStateStore(), FakeDeadLetters()
        self.journal = _ToldJournal(tell)
        self.queue = _WakingQueue(clock.now)
        for port in (self.state, self.letters, self.journal, self.queue):
            port.before_each = pass_storage
        self.rules: Rules
        self.settle_seconds = 3.0
        self.instances: list[Instance] = []
        self.timers_run: Counter[str] = Counter()
        self._clock = clock
        self._chance = chance
        self._tell = tell
        self._graph_door = httpx.ASGITransport(app=build_app(graph))
        self._dataverse_door = httpx.ASGITransport(app=dataverse.app)
        self._numbers, self._ids = count(1), count(1)
        self.clock_offsets: tuple[float, ...] = ()
        """By how many seconds the instances' clocks are ahead, in the order of their start and from the front again."""
        self._shops: dict[int, Shop] = {}
        self._cursed: set[str] = set()
        self._curses = 0

    # -- processes

    def start_instance(self) -> Instance:
        """One more process."""
        number = next(self._numbers)
        instance = Instance(number, self.weather, self._chance, self._own_clock(number))
        self.instances.append(instance)
        self._shops[instance.number] = Shop(self._open_ports(instance), self.rules)
        return instance

    def _own_clock(self, number: int) -> Clock:
        if not self.clock_offsets:
            return self._clock.now
        offset = timedelta(seconds=self.clock_offsets[number % len(self.clock_offsets)])
        return lambda: self._clock.now() + offset

    def _open_ports(self, instance: Instance) -> Ports:
        wiring = Wiring(
            graph=Wire(self._graph_door, instance, GRAPH_ILLS, Ill.GRAPH_SLOW, self.graph_gauge),
            dataverse=Wire(self._dataverse_door, instance, DATAVERSE_ILLS, Ill.DATAVERSE_SLOW, self.dataverse_gauge),
            secret=SECRET,
            clock=instance.clock,
            sleep=instance.pause,
            random=self._chance,
        )
        return Ports(
            calendar=wiring.open_calendar(),
            bookings=wiring.open_bookings(),
            state=self.state,
            journal=self.journal,
            dead_letters=self.letters,
            queue=self.queue,
            clock=instance.clock,
            new_id=self._new_id,
        )

    def _new_id(self) -> str:
        return f"item-{next(self._ids)}"

    def shop_of(self, instance: Instance) -> Shop:
        return self._shops[instance.number]

    async def crash(self) -> None:
        """A process dies where it is, with all that it has in hand, and another takes its place."""
        if not self.instances:
            return
        busy = [instance for instance in self.instances if instance.tasks] or self.instances
        victim = self._chance.choice(busy)
        self.weather.struck[Ill.CRASH] += bool(victim.tasks)
        self._tell(f"    instance {victim.number} dies with {len(victim.tasks)} tasks in hand")
        self.instances.remove(victim)
        victim.die()
        await asyncio.sleep(RESTART_SECONDS)
        self.start_instance()

    def curse(self) -> None:
        """The next message that is taken kills whoever handles it, each time."""
        self._curses += 1

    def forget_costs(self) -> None:
        """What was called and written down so far."""
        self.journal.entries.clear()
        self.timers_run.clear()
        for gauge in (self.graph_gauge, self.dataverse_gauge):
            gauge.forget()

    # -- host

    async def run(self) -> None:
        """Feed the instances from the queues until cancelled."""
        while True:
            await self._wait_for_messages()
            await asyncio.sleep(self._chance.uniform(0.02, LONGEST_POLLING_SECONDS))
            for queue in (*QUEUES, *(queue + POISON_SUFFIX for queue in QUEUES)):
                for instance in self._chance.sample(self.instances, len(self.instances)):
                    for message in self.queue.take_due(queue, self._clock.now(), limit=MESSAGES_AT_ONCE):
                        instance.start(self._host(message, self.shop_of(instance)))

    async def _wait_for_messages(self) -> None:
        while (due_at := self.queue.next_visible_at()) is None or due_at > self._clock.now() or not self.instances:
            self.queue.woken.clear()
            seconds = (due_at - self._clock.now()).total_seconds() if due_at else None
            seconds = seconds if self.instances else RESTART_SECONDS
            try:
                await asyncio.wait_for(self.queue.woken.wait(), seconds and max(seconds, 0.001))
            except TimeoutError:
                continue

    async def _host(self, message: QueueMessage, shop: Shop) -> None:
        has_poison = not message.queue.endswith(POISON_SUFFIX)  # What fails there comes back for ever.
        if message.dequeue_count > MAXIMUM_DEQUEUE_COUNT and has_poison:
            self.queue.poison(message)
            return
        try:
            await self._handle(message, shop)
        except Exception as error:  # noqa: BLE001 - the host, too, catches everything
            self._tell(f"    {message.queue}: {error!r}")
            if message.dequeue_count >= MAXIMUM_DEQUEUE_COUNT and has_poison:
                self.queue.poison(message)
            else:
                self.queue.release(message, self._clock.now(), visibility_seconds=RETRY_VISIBILITY_SECONDS)
            return
        self.queue.complete(message)

    async def _handle(self, message: QueueMessage, shop: Shop) -> None:
        if message.queue.endswith(POISON_SUFFIX):
            await collect_poison(message.queue, message.text, shop.ports)
            return
        if self._curses:
            self._curses -= 1
            self._cursed.add(message.message_id)
        is_cursed = message.message_id in self._cursed
        if is_cursed and self._chance.random() < _BEFORE_ANYTHING_IS_DONE:
            self._stumble()
        await _HANDLERS[message.queue](message.text, message.dequeue_count, MAXIMUM_DEQUEUE_COUNT, shop)
        if is_cursed:
            self._stumble()

    def _stumble(self) -> None:
        self.weather.struck[Ill.BUG] += 1
        raise RuntimeError("A bug that nobody foresaw.")

    # -- timers

    async def maintain(self) -> None:
        self.timers_run["maintain"] += 1
        await self._run_timer(self._maintain)

    async def sweep(self, *, is_full: bool = False) -> None:
        """Of all mailboxes, and of the bookings."""
        self.timers_run["full sweep" if is_full else "sweep"] += 1
        await self._run_timer(lambda shop: self._queue_sweeps(shop, is_full=is_full))
        await self._run_timer(self._sweep_bookings)

    async def _run_timer(self, work: Callable[[Shop], Awaitable[Any]]) -> None:
        """One that fails is logged by the host, and runs again when its time comes."""
        if not self.instances:
            return
        instance = self._chance.choice(self.instances)

        async def run() -> None:
            try:
                await work(self.shop_of(instance))
            except Exception as error:  # noqa: BLE001 - the host, too, catches everything
                self._tell(f"    a timer failed: {error!r}")

        await asyncio.wait([instance.start(run())])

    async def _maintain(self, shop: Shop) -> None:
        await maintain_subscriptions(
            shop.ports, shop.rules, sleep=asyncio.sleep, until=self._clock.now() + timedelta(minutes=8)
        )

    async def _queue_sweeps(self, shop: Shop, *, is_full: bool) -> None:
        await queue_sweeps(shop.ports, shop.rules, is_full=is_full)

    async def _sweep_bookings(self, shop: Shop) -> None:
        await sweep_bookings(shop.ports, shop.rules)

    # -- doors

    async def post(self, url: str, body: bytes, content_type: str, timeout_seconds: float) -> DoorAnswer:
        """Where Graph posts notifications, and asks whether anybody is there."""
        del content_type
        parts = urlsplit(url)
        token = parse_qs(parts.query).get("validationToken", [None])[0]
        parse = accept_lifecycle if parts.path.endswith("/lifecycle") else accept_changes
        reply = await self._answer(lambda door: answer_post(body, token, parse, lambda: door), timeout_seconds)
        return DoorAnswer(status=reply.status, content_type="text/plain; charset=utf-8", text=reply.text)

    async def post_webhook(self, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:
        secret = httpx.Headers(dict(headers)).get(WEBHOOK_SECRET_HEADER)
        reply = await self._answer(lambda door: answer_webhook(body, secret, lambda: door), timeout_seconds)
        return reply.status

    async def _answer(self, answer: Callable[[Door], Awaitable[Reply]], timeout_seconds: float) -> Reply:
        """Let an instance answer; raises `OSError` where there is none, or it dies meanwhile."""
        if not self.instances or self.weather.strikes(Ill.DOOR_SHUT):
            raise TimeoutError(f"nobody answers within {timeout_seconds} s")
        instance = self._chance.choice(self.instances)
        door = Door(
            secrets=(SECRET,),
            tenant_id=TENANT_ID,
            queue=self.queue,
            clock=instance.clock,
            new_id=self._new_id,
            settle_seconds=self.settle_seconds,
            webhook_secrets=(WEBHOOK_SECRET,),
        )
        token = CURRENT.set(instance)
        try:
            return await answer(door)
        except (Killed, BaseExceptionGroup) as error:
            raise ConnectionResetError("the process is gone") from error
        finally:
            CURRENT.reset(token)


_HANDLERS: Mapping[str, Callable[[str, int, int, Shop], Awaitable[None]]] = {
    EVENT_CHANGES_QUEUE: handle_event_change,
    BOOKING_CHANGES_QUEUE: handle_booking_change,
    MAILBOX_TASKS_QUEUE: handle_mailbox_task,
}


class _ToldJournal(FakeJournal):
    """Each row is told as it is written."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    async def write(self, entry: JournalEntry) -> None:
        await super().write(entry)
        change = f", {entry.before} -> {entry.after}" if entry.before or entry.after else ""
        self._tell(f"  journal: {entry.action}, {entry.reason}{change}")


class _WakingQueue(FakeWorkQueue):
    """Tells the host when there is something new to look at."""

    def __init__(self, clock: Callable[[], Any]) -> None:
        super().__init__(clock)
        self.woken = asyncio.Event()

    def _keep(self, message: QueueMessage) -> QueueMessage:
        self.woken.set()
        return super()._keep(message)
