"""How long it takes from the PATCH of an event in Outlook until its booking in Dynamics is written.

The whole local world over real HTTP: Graph simulator, Functions host, Azurite, Dataverse simulator. Moves are made one
after the other at random distances, so that they meet the host's polling at every phase. The clock starts when the
technician's PATCH is sent, and stops when a look at Dynamics, some forty times a second, shows the booking moved; so a
figure is at most that interval too long. Looking goes on beside the app on the same machine and slows it a little.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.errors import MeasurementFailed
from bench.figures import Times
from bench.trace import move, scheduled_visits
from local.sample import SampleBooking, build_sample
from local.switchboard import PERSON_TOKEN
from local.world import LocalWorld, today_in_utc

_LOOK_SECONDS = 0.025
_PATIENCE_SECONDS = 60.0
_BY = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """What was measured with one settle time."""

    settle_seconds: float
    times: Times


def measure_latency(*, settle_seconds: float, moves: int) -> Latency:
    """Raises `MeasurementFailed` when a booking does not follow its event."""
    today = today_in_utc()
    visits = scheduled_visits(build_sample(today))[:moves]
    with TemporaryDirectory(prefix="bench-") as directory:
        settings = {"SETTLE_SECONDS": f"{settle_seconds:g}"}
        with LocalWorld(Path(directory), today=today, settings=settings) as world:
            world.subscribe()
            world.wait_until_quiet()
            times = asyncio.run(_move_and_watch(world, visits))
    return Latency(settle_seconds=settle_seconds, times=times)


async def _move_and_watch(world: LocalWorld, visits: Sequence[SampleBooking]) -> Times:
    chance = random.Random(0)
    headers = {"Authorization": f"Bearer {PERSON_TOKEN}", "Prefer": 'IdType="ImmutableId"'}
    moved_at: dict[str, float] = {}
    began_at = time.perf_counter()
    async with httpx.AsyncClient(headers=headers, trust_env=False) as person:
        watch = asyncio.create_task(_watch(world, person, visits, moved_at))
        for visit in visits:
            moved_at[visit.booking_id] = time.perf_counter()
            change = move(visit, _BY)
            answer = await person.request(change.method, f"{world.graph_url}/v1.0{change.path}", json=change.body)
            answer.raise_for_status()
            await asyncio.sleep(chance.uniform(0.5, 1.0))
        arrived_at = await watch
    seconds = tuple(arrived_at[booking_id] - moved_at[booking_id] for booking_id in arrived_at)
    return Times(seconds=seconds, elapsed=time.perf_counter() - began_at)


async def _watch(
    world: LocalWorld, person: httpx.AsyncClient, visits: Sequence[SampleBooking], moved_at: Mapping[str, float]
) -> dict[str, float]:
    """When each booking was first seen at its event's new time."""
    wanted = {visit.booking_id: visit.start_at + _BY for visit in visits}
    ids = ",".join(f"'{booking_id}'" for booking_id in wanted)
    filters = f"Microsoft.Dynamics.CRM.In(PropertyName='bookableresourcebookingid',PropertyValues=[{ids}])"
    address = f"{world.dataverse_url}/api/data/v9.2/bookableresourcebookings"
    parameters = {"$select": "starttime", "$filter": filters}
    arrived_at: dict[str, float] = {}
    while len(arrived_at) < len(wanted):
        await asyncio.sleep(_LOOK_SECONDS)
        rows = (await person.get(address, params=parameters)).raise_for_status().json()["value"]
        now = time.perf_counter()
        for row in rows:
            booking_id = row["bookableresourcebookingid"]
            if booking_id in wanted and datetime.fromisoformat(row["starttime"]) == wanted[booking_id]:
                arrived_at.setdefault(booking_id, now)
        overdue = [each for each, at in moved_at.items() if each not in arrived_at and now - at > _PATIENCE_SECONDS]
        if overdue:
            raise MeasurementFailed(
                f"{len(overdue)} of {len(wanted)} bookings did not move within {_PATIENCE_SECONDS:.0f} s of their "
                f"events; the app's log ends with {world.log_of('functions').read_text()[-2000:]}"
            )
    return arrived_at
