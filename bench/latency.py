"""How long a change takes to the other side: from the PATCH of an event until its booking is written, and from the
PATCH or POST of a booking until its event is.

The whole local world over real HTTP: both simulators, Functions host, Azurite. Changes are made one after the other at
random distances, so that they meet the host's polling at every phase. The clock starts when a change is sent, and stops
when a look at the other side, some forty times a second, shows it; so a figure is at most that interval too long.
Looking goes on beside the app on the same machine and slows it a little.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.crossings import Crossing, Look, People, dispatches_in_turn, event_moves
from bench.dispatches import Dispatch
from bench.errors import MeasurementFailed
from bench.figures import Times
from bench.trace import scheduled_visits
from local.sample import build_sample
from local.world import LocalWorld, today_in_utc

TIMERS_AT_REST = {"MAINTAIN_SCHEDULE": "0 0 0 1 1 *", "SWEEP_SCHEDULE": "0 0 0 1 1 *"}
"""A timer that is due during a measurement would be measured, too."""

_LOOK_SECONDS = 0.025
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """What was measured with one settle time."""

    settle_seconds: float
    to_dynamics: Times
    to_outlook: Times


def measure_latency(*, settle_seconds: float, changes: int) -> Latency:
    """In both directions, `changes` each. Raises `MeasurementFailed` when one side does not follow the other."""
    today = today_in_utc()
    visits = scheduled_visits(build_sample(today))
    settings = {"SETTLE_SECONDS": f"{settle_seconds:g}", **TIMERS_AT_REST}
    with (
        TemporaryDirectory(prefix="bench-") as directory,
        LocalWorld(Path(directory), today=today, settings=settings) as world,
    ):
        world.register()
        world.subscribe()
        world.wait_until_quiet()
        to_dynamics = asyncio.run(time_crossings(world, event_moves(visits[:changes])))
        world.wait_until_quiet()
        to_outlook = asyncio.run(time_crossings(world, dispatches_in_turn(visits[changes : 2 * changes])))
    return Latency(settle_seconds=settle_seconds, to_dynamics=to_dynamics, to_outlook=to_outlook)


async def time_crossings(world: LocalWorld, crossings: Sequence[Crossing]) -> Times:
    """Have changes made one after the other, all on the same side, and see how long each takes to the other."""
    async with People(world) as people:
        look = people.look_at_outlook if isinstance(crossings[0].change, Dispatch) else people.look_at_dynamics
        chance = random.Random(0)
        made_at: dict[str, float] = {}
        began_at = time.perf_counter()
        watch = asyncio.create_task(_watch(world, crossings, made_at, look))
        for crossing in crossings:
            made_at[crossing.booking_id] = time.perf_counter()
            await people.make(crossing.change)
            await asyncio.sleep(chance.uniform(0.5, 1.0))
        arrived_at = await watch
    seconds = tuple(arrived_at[booking_id] - made_at[booking_id] for booking_id in arrived_at)
    return Times(seconds=seconds, elapsed=time.perf_counter() - began_at)


async def _watch(
    world: LocalWorld, crossings: Sequence[Crossing], made_at: Mapping[str, float], look: Look
) -> dict[str, float]:
    """When each visit was first seen on the other side at its new time."""
    arrived_at: dict[str, float] = {}
    while len(arrived_at) < len(crossings):
        await asyncio.sleep(_LOOK_SECONDS)
        awaited = [one for one in crossings if one.booking_id in made_at and one.booking_id not in arrived_at]
        if not awaited:
            continue
        starts = await look(awaited)
        now = time.perf_counter()
        arrived_at |= {one.booking_id: now for one in awaited if starts.get(one.booking_id) == one.start_at}
        awaited = [one for one in awaited if one.booking_id not in arrived_at]
        if overdue := [one for one in awaited if now - made_at[one.booking_id] > _PATIENCE_SECONDS]:
            raise MeasurementFailed(
                f"{len(overdue)} of {len(crossings)} visits did not move within {_PATIENCE_SECONDS:.0f} s on the other "
                f"side; the app's log ends with {world.log_of('functions').read_text()[-2000:]}"
            )
    return arrived_at
