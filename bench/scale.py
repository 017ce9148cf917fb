"""What it takes to look after calendars in which nothing happens, by how many there are.

Their subscriptions are made and renewed, and they are swept. It runs on virtual time (see `backfill_stage`), a process
for each size, with the timers at their default schedules. What the app's own process needs for it is measured apart
(`footprint`), because the simulators share this one.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bench.backfill_stage import BEGAN_AT, BackfillStage
from bench.company import Company
from bench.errors import MeasurementFailed
from bench.processes import open_pool
from local.dataverse.tables import USER_RESOURCE
from local.dataverse.world import Author
from local.sample import build_sample
from local.virtual_time import run_virtually
from sync.service.booking_sweep import sweep_bookings
from sync.service.sweeping import queue_sweeps
from sync.service.upkeep import maintain_subscriptions

BETWEEN_RUNS = timedelta(minutes=5)
"""Of upkeep, as MAINTAIN_SCHEDULE is by default."""

RUN_TIME = timedelta(minutes=8)
"""After which a run begins nothing more, as in `function_app`."""

RENEWING_TIME = timedelta(hours=2)
"""How much of the day of renewals is played: they are spread evenly over a day and a half."""

WRITES_WINDOW = timedelta(seconds=20)

_LOOK = timedelta(seconds=1)
"""How often the writes of subscriptions are counted."""

_ALL_FORGOTTEN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """One thing that was done for all mailboxes.

    `calls` are by kind, those within a batch each, `seconds` virtual. `subscription_writes` are the most within
    `WRITES_WINDOW`, `dataverse_calls` the most within five minutes.
    """

    calls: Mapping[str, int]
    seconds: float
    refused: int
    subscription_writes: int
    dataverse_calls: int
    storage: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """`subscribing` includes the first sweep of each mailbox and of the bookings, `renewing` is for `RENEWING_TIME`."""

    mailboxes: int
    subscribing: Chore
    subscribed_seconds: float
    sweeping: Chore
    renewing: Chore


def measure_scales(sizes: Sequence[int]) -> list[Scale]:
    """For each number of mailboxes. Raises `MeasurementFailed`."""
    with open_pool(2) as pool:
        # The largest takes as long as all others
        scales = pool.map(measure_scale, sorted(sizes, reverse=True), chunksize=1)
    return sorted(scales, key=lambda scale: scale.mailboxes)


def measure_scale(mailboxes: int) -> Scale:
    """One size, in this process. Raises `MeasurementFailed` when a mailbox is not subscribed or a task fails."""
    return run_virtually(_measure(mailboxes))


async def _measure(mailboxes: int) -> Scale:
    stage = BackfillStage(instances=1, mailboxes=())
    _hire_only(Company.of(mailboxes, visits=0), stage)
    subscribed_seconds = 0.0

    async def subscribe() -> None:
        nonlocal subscribed_seconds
        began_at = stage.clock.now()
        await _maintain(stage)
        while len(stage.graph.subscriptions.live()) < mailboxes:
            await _wait_for_timer(stage)
            await _maintain(stage)
        subscribed_seconds = (stage.clock.now() - began_at).total_seconds()
        shop = stage.open_shop(-1)
        await sweep_bookings(shop.ports, shop.rules)
        await stage.settle()

    async def sweep() -> None:
        shop = stage.open_shop(-1)
        await asyncio.gather(queue_sweeps(shop.ports, shop.rules), sweep_bookings(shop.ports, shop.rules))
        await stage.settle()

    async def renew() -> None:
        for _ in range(RENEWING_TIME // BETWEEN_RUNS):
            await _wait_for_timer(stage)
            await _maintain(stage)

    async with stage:
        subscribing = await _metered(stage, subscribe)
        await asyncio.sleep(_ALL_FORGOTTEN.total_seconds())
        sweeping = await _metered(stage, sweep)
    # Renewing queues nothing, so that nobody has to look into the queues for days
    await asyncio.sleep(_seconds_until_first_renewal(stage))
    renewing = await _metered(stage, renew)
    if stage.letters.letters or len(stage.graph.subscriptions.live()) != mailboxes:
        raise MeasurementFailed(
            f"{len(stage.graph.subscriptions.live())} of {mailboxes} mailboxes are subscribed in the end, and "
            f"{len(stage.letters.letters)} tasks have failed"
        )
    return Scale(
        mailboxes=mailboxes,
        subscribing=subscribing,
        subscribed_seconds=subscribed_seconds,
        sweeping=sweeping,
        renewing=renewing,
    )


def _hire_only(company: Company, stage: BackfillStage) -> None:
    """The company in place of the sample's technicians."""
    world = stage.dataverse.world
    author = Author(user_id=world.users["person"])
    for booking in build_sample(BEGAN_AT.date()).bookings:
        world.delete("bookableresourcebooking", booking.booking_id, author)
    for row_id, row in list(world.rows("bookableresource").items()):
        if row.values["resourcetype"] == USER_RESOURCE:
            world.delete("bookableresource", row_id, author)
    company.hire(stage.graph.world, world)


async def _maintain(stage: BackfillStage) -> None:
    shop = stage.open_shop(-1)
    await maintain_subscriptions(shop.ports, shop.rules, sleep=asyncio.sleep, until=stage.clock.now() + RUN_TIME)


async def _wait_for_timer(stage: BackfillStage) -> None:
    """Until the schedule's next moment; a run that takes longer than the schedule is followed by the one after."""
    since = (stage.clock.now() - BEGAN_AT) % BETWEEN_RUNS
    await asyncio.sleep((BETWEEN_RUNS - since).total_seconds())


def _seconds_until_first_renewal(stage: BackfillStage) -> float:
    margin = stage.open_shop(-1).rules.subscriptions.renewal_margin
    first = min(one.expires_at for one in stage.graph.subscriptions.live()) - margin
    return (first - stage.clock.now()).total_seconds()


async def _metered(stage: BackfillStage, chore: Callable[[], Awaitable[None]]) -> Chore:
    graph, dataverse = stage.graph.switchboard, stage.dataverse.switchboard
    for switchboard in (graph, dataverse):
        switchboard.clear_calls()
    stage.graph_gauge.clear()
    stage.dataverse_gauge.clear()
    began_at, storage_before = stage.clock.now(), _storage_calls(stage)
    writes: list[int] = []
    watch = asyncio.create_task(_watch_writes(stage, writes))
    await chore()
    watch.cancel()
    calls = Counter(graph.calls["app"]) + Counter(dataverse.calls["app"])
    return Chore(
        calls=dict(calls),
        seconds=(stage.clock.now() - began_at).total_seconds(),
        refused=stage.graph_gauge.refused + stage.dataverse_gauge.refused,
        subscription_writes=_most_within(writes, WRITES_WINDOW // _LOOK),
        dataverse_calls=stage.dataverse_gauge.most_within(timedelta(minutes=5)),
        storage=_storage_calls(stage) - storage_before,
    )


async def _watch_writes(stage: BackfillStage, writes: list[int]) -> None:
    """Note how many subscriptions have been written so far, again and again until cancelled."""
    while True:
        calls = stage.graph.switchboard.calls["app"]
        writes.append(calls["subscription.create"] + calls["subscription.renew"] + calls["subscription.delete"])
        await asyncio.sleep(_LOOK.total_seconds())


def _most_within(totals: Sequence[int], looks: int) -> int:
    """The most by which running totals grow within so many looks."""
    return max(after - before for before, after in zip(totals, [*totals[looks:], totals[-1]], strict=False))


def _storage_calls(stage: BackfillStage) -> int:
    return sum(sum(port.calls.values()) for port in (stage.state, stage.journal, stage.letters))
