"""A tenant with the app at work, on virtual time: both services, the app's processes, people, and what is posted.

Everything on a stage belongs to the loop on which it was set.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Self

from local.dataverse.server import SWITCHES as DATAVERSE_SWITCHES
from local.dataverse.server import DataverseSimulator
from local.graph.door import DoorAnswer
from local.graph.simulator import GraphSimulator
from local.sample import build_sample
from local.switchboard import Switchboard, WorldClock
from local.virtual_time import LoopClock
from local.wiring import SUBSCRIPTIONS
from local.world import sample_settings
from simulation.cluster import WEBHOOK_SECRET, Cluster
from simulation.ledger import Ledger
from simulation.people import Cast, People
from sync.settings import Settings
from tests.registering import register_webhooks

BEGAN_AT = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
"""A Wednesday; the sample visits lie in the week after."""

A_WHILE_SECONDS = 1200.0
"""After which nothing of the beginning is recent any more."""

LONGEST_REST = timedelta(days=2)
"""Nothing that has healed needs longer to come to rest."""


class _SkewedClock(WorldClock):
    """A clock that is ahead of another one, or behind."""

    def __init__(self, other: WorldClock) -> None:
        super().__init__()
        self._other = other
        self.skew = timedelta()

    def now(self) -> datetime:
        return self._other.now() + self.skew


class Stage:
    """A tenant with the app at work, at rest. Everything on it runs on the virtual loop on which it was started."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.chance = Random(0)
        self.clock = LoopClock(BEGAN_AT)
        self.dataverse_clock = _SkewedClock(self.clock)
        self.graph = GraphSimulator(today=BEGAN_AT.date(), clock=self.clock, door=self)
        self.dataverse = DataverseSimulator(
            today=BEGAN_AT.date(),
            switchboard=Switchboard(switches=DATAVERSE_SWITCHES, clock=self.dataverse_clock),
            door=_WebhookDoor(self),
        )
        self.cast = Cast.of(build_sample(BEGAN_AT.date()))
        self.ledger = Ledger(self.graph, self.dataverse, self.cast)
        self.people = People(self.graph, self.dataverse, self.cast, self.ledger.copies)
        self.cluster = Cluster(self.graph, self.dataverse, self.clock, self.chance, self.tell)
        self.cluster.rules = replace(
            Settings.from_env(sample_settings()).rules, subscriptions=SUBSCRIPTIONS, mailboxes=self.cast.mailboxes
        )
        self.posted = asyncio.Event()
        self._posts: set[asyncio.Task[int]] = set()
        self._at_work: list[asyncio.Task[None]] = []
        self.graph.world.on_change.append(lambda _: self.posted.set())
        self.dataverse.world.listeners.append(lambda _: self.posted.set())

    def tell(self, text: str) -> None:
        self.story.append(f"{self.clock.now():%d %H:%M:%S}.{self.clock.now().microsecond // 1000:03} {text}")

    @classmethod
    async def set(cls) -> Self:
        """A stage on which the app has been at work for a while."""
        stage = cls()
        await stage._start()
        return stage

    async def _start(self) -> None:
        """Register, subscribe everybody, sweep everything, and forget what that cost."""
        await register_webhooks(self.people.dynamics, secret=WEBHOOK_SECRET)
        self.cluster.start_instance()
        self._at_work = [asyncio.create_task(work) for work in (self.cluster.run(), self._deliver_posts())]
        await self.cluster.maintain()
        await self.cluster.sweep(is_full=True)
        await self.rest()
        await asyncio.sleep(A_WHILE_SECONDS)
        await self.cluster.sweep()
        await self.rest()
        self.cluster.forget_costs()
        self.ledger.begin(self.cast.visits)
        self.story.clear()

    # -- what both services post

    async def post(self, url: str, body: bytes, content_type: str, timeout_seconds: float) -> DoorAnswer:
        return await self.cluster.post(url, body, content_type, timeout_seconds)

    async def _deliver_posts(self) -> None:
        """Each post when it is due, and all side by side."""
        while True:
            due_at = self.next_post_at()
            seconds = (due_at - self.clock.now()).total_seconds() if due_at else None
            if seconds is None or seconds > 0:
                self.posted.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.posted.wait(), seconds and max(seconds, 0.001))
                continue
            for posting in (
                self.graph.courier.deliver_due(self.graph.post),
                self.dataverse.webhooks.deliver_due(self.dataverse.post),
            ):
                task = asyncio.create_task(posting)
                self._posts.add(task)
                task.add_done_callback(self._on_posted)
            await asyncio.sleep(0.001)

    def _on_posted(self, task: asyncio.Task[int]) -> None:
        self._posts.discard(task)
        self.posted.set()
        if not task.cancelled():
            task.result()

    def next_post_at(self) -> datetime | None:
        webhook_at = self.dataverse.webhooks.next_due_at()
        moments = (
            self.graph.courier.next_due_at(),
            webhook_at - self.dataverse_clock.skew if webhook_at else None,
        )
        return min((at for at in moments if at is not None), default=None)

    async def rest(self) -> None:
        """Wait until nothing is under way. Raises `TimeoutError`."""
        async with asyncio.timeout(LONGEST_REST.total_seconds()):
            while self.is_busy:  # noqa: ASYNC110 - what is waited for is in many places
                await asyncio.sleep(5)

    @property
    def is_busy(self) -> bool:
        return bool(
            self.next_post_at()
            or self._posts
            or self.cluster.queue.next_visible_at()
            or any(instance.tasks for instance in self.cluster.instances)
        )


class _WebhookDoor:
    """The way from Dataverse to the app."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:
        del url
        return await self._stage.cluster.post_webhook(body, headers, timeout_seconds)
