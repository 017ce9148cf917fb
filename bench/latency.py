"""How long a change takes to the other side: from the PATCH of an event until its booking is written, and from the
PATCH or POST of a booking until its event is.

The whole local world over real HTTP: both simulators, Functions host, Azurite. Changes come at random moments, as those
of people who know nothing of each other, so many a second; where that is more than the machine bears, what is measured
is the machine (see `virtual_latency`). The clock starts when a change is sent. To Outlook it stops at the moment that
Graph notes in the event; to Dynamics when a look shows it, so that a figure is at most the time between two looks too
long. Looking goes on beside the app on the same machine and slows it a little.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import dispatches
from bench.crossings import Crossing, Look, People, booked_anew, dispatches_in_turn, event_moves
from bench.dispatches import Dispatch
from bench.errors import MeasurementFailed
from bench.figures import Times
from bench.trace import scheduled_visits
from local.sample import SampleBooking, build_sample
from local.world import LocalWorld, today_in_utc

TIMERS_AT_REST = {"MAINTAIN_SCHEDULE": "0 0 0 1 1 *", "SWEEP_SCHEDULE": "0 0 0 1 1 *"}
"""A timer that is due during a measurement would be measured, too."""

_PATIENCE_SECONDS = 120.0

_LOOK_SECONDS = 0.025
"""Between two looks at the other side."""

_BUSY_LOOK_SECONDS = 0.2
"""The same where there is much to see, and a look is dear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """So many changes in each direction, so many a second."""

    per_second: float
    changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """What was measured with one settle time under one load. `is_virtual`: on virtual time."""

    settle_seconds: float
    per_second: float
    to_dynamics: Times
    to_outlook: Times
    is_virtual: bool = False


def measure_latency(*, settle_times: Sequence[float], loads: Sequence[Load]) -> list[Latency]:
    """Each load with each settle time. Raises `MeasurementFailed` when one side does not follow the other."""
    today = today_in_utc()
    visits = scheduled_visits(build_sample(today))
    needs_more = max(load.changes for load in loads) > len(visits)
    measured = []
    with TemporaryDirectory(prefix="bench-") as directory:
        world = LocalWorld(Path(directory), today=today, settings=TIMERS_AT_REST)
        with world:
            world.register()
            world.subscribe()
            world.wait_until_quiet()
            if needs_more:
                visits = [*visits, *_book(world, booked_anew(visits))]
            turn = 0
            for settle_seconds in settle_times:
                world.stop("functions")
                world.environment["SETTLE_SECONDS"] = f"{settle_seconds:g}"
                world.start("functions")
                for load in loads:
                    turn += 1
                    measured.append(asyncio.run(_measure(world, visits, settle_seconds, load, turn)))
    return measured


def _book(world: LocalWorld, visits: Sequence[SampleBooking]) -> Sequence[SampleBooking]:
    """Have the dispatcher book visits, and wait until all have their events."""

    async def book() -> None:
        async with People(world) as people:
            for visit in visits:
                await people.make(dispatches.make(visit, 0 * dispatches.WEEK, visit.booking_id))

    asyncio.run(book())
    world.wait_until_quiet()
    return visits


async def _measure(
    world: LocalWorld, visits: Sequence[SampleBooking], settle_seconds: float, load: Load, turn: int
) -> Latency:
    """`turn`: the how manieth go over the same visits, each of which takes them to other times."""
    async with People(world) as people:
        event_ids = await people.event_ids()
    chosen = visits[: load.changes]
    to_dynamics = await time_crossings(world, event_moves(chosen, turn=2 * turn, event_ids=event_ids), load.per_second)
    await asyncio.to_thread(world.wait_until_quiet)
    to_outlook = await time_crossings(world, dispatches_in_turn(chosen, turn=2 * turn + 1), load.per_second)
    await asyncio.to_thread(world.wait_until_quiet)
    return Latency(
        settle_seconds=settle_seconds, per_second=load.per_second, to_dynamics=to_dynamics, to_outlook=to_outlook
    )


async def time_crossings(world: LocalWorld, crossings: Sequence[Crossing], per_second: float = 1) -> Times:
    """Have changes made at random moments, all on the same side, and see how long each takes to the other.

    Raises `MeasurementFailed` when one does not arrive.
    """
    async with People(world) as people:
        look = people.look_at_outlook if isinstance(crossings[0].change, Dispatch) else people.look_at_dynamics
        made_at: dict[str, datetime] = {}
        began_at = _now()
        async with asyncio.TaskGroup() as tasks:
            look_seconds = _LOOK_SECONDS if per_second <= 1 else _BUSY_LOOK_SECONDS
            watch = tasks.create_task(_watch(world, crossings, made_at, look, look_seconds))
            chance = random.Random(0)
            for crossing in crossings:
                tasks.create_task(_make(people, crossing, made_at))
                await asyncio.sleep(chance.expovariate(per_second))
        arrived_at = watch.result()
    seconds = tuple((arrived_at[booking_id] - made_at[booking_id]).total_seconds() for booking_id in arrived_at)
    return Times(seconds=seconds, elapsed=(max(arrived_at.values()) - began_at).total_seconds())


async def _make(people: People, crossing: Crossing, made_at: dict[str, datetime]) -> None:
    made_at[crossing.booking_id] = _now()
    await people.make(crossing.change)


async def _watch(
    world: LocalWorld,
    crossings: Sequence[Crossing],
    made_at: Mapping[str, datetime],
    look: Look,
    look_seconds: float,
) -> dict[str, datetime]:
    """When each visit came to its new time on the other side."""
    arrived_at: dict[str, datetime] = {}
    while len(arrived_at) < len(crossings):
        await asyncio.sleep(look_seconds)
        awaited = [one for one in crossings if one.booking_id in made_at and one.booking_id not in arrived_at]
        if not awaited:
            continue
        seen, now = await look(awaited), _now()
        for one in awaited:
            sight = seen.get(one.booking_id)
            if sight is not None and sight.start_at == one.start_at:
                arrived_at[one.booking_id] = sight.since or now
        missing = [one for one in awaited if one.booking_id not in arrived_at]
        if missing and (now - made_at[missing[0].booking_id]).total_seconds() > _PATIENCE_SECONDS:
            raise MeasurementFailed(
                f"{len(missing)} of {len(crossings)} visits did not come to the other side within "
                f"{_PATIENCE_SECONDS:.0f} s; the app's log ends with {world.log_of('functions').read_text()[-2000:]}"
            )
    return arrived_at


def _now() -> datetime:
    return datetime.now(UTC)
