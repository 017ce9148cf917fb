"""What the app's own process needs for a backfill on real parts: memory at its peak, and computing time per booking.

The whole local world over real HTTP, with as many bookings as Azurite takes in a short time: what the process holds
does not grow with what waits in the queue. Dataverse is told to lose its webhooks, so that only the backfill finds the
bookings. The figures come from `/proc`, so there are none but on Linux.
"""

import asyncio
import os
import subprocess
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.crossings import People
from bench.dispatches import WEEK, Dispatch, make
from bench.errors import MeasurementFailed
from bench.latency import TIMERS_AT_REST
from bench.trace import scheduled_visits
from local.sample import Sample, build_sample, guid
from local.world import ROOT, LocalWorld, today_in_utc

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppProcess:
    """`cpu_seconds` are those of the backfill, `peak_bytes` the most that was resident since the process began."""

    bookings: int
    cpu_seconds: float
    peak_bytes: int


def measure_app_process(*, weeks: int) -> AppProcess | None:
    """A backfill of the sample's visits, booked once more in each of so many weeks; None where nothing can be read.

    Raises `MeasurementFailed` when a booking does not get its event.
    """
    if not (_PROC / "self" / "stat").exists():
        return None
    today = today_in_utc()
    bookings = _bookings(build_sample(today), weeks)
    with (
        TemporaryDirectory(prefix="bench-") as directory,
        LocalWorld(Path(directory), today=today, settings=TIMERS_AT_REST) as world,
    ):
        world.register()
        world.subscribe()
        world.wait_until_quiet()
        control = f"{world.dataverse_url}/_control/switches"
        httpx.post(control, json={"webhook_lose": 1.0}, trust_env=False).raise_for_status()
        asyncio.run(_book(world, bookings.values()))
        process = _PROC / str(_id_of_process(f"local.functions --app {ROOT} --port {world.ports.functions}"))
        cpu_before = _cpu_seconds(process)
        world.run_command("backfill")
        world.wait_until_quiet()
        cpu_seconds, peak_bytes = _cpu_seconds(process) - cpu_before, _peak_bytes(process)
        _check(world, bookings)
    return AppProcess(bookings=len(bookings), cpu_seconds=cpu_seconds, peak_bytes=peak_bytes)


def _bookings(sample: Sample, weeks: int) -> dict[str, Dispatch]:
    """By their ids."""
    planned = {
        guid(f"backfill: {visit.name} in week {week}"): (visit, week * WEEK)
        for week in range(1, weeks + 1)
        for visit in scheduled_visits(sample)
    }
    return {booking_id: make(visit, by, booking_id) for booking_id, (visit, by) in planned.items()}


async def _book(world: LocalWorld, bookings: Iterable[Dispatch]) -> None:
    async with People(world) as people:
        for booking in bookings:
            await people.make(booking)


def _id_of_process(arguments: str) -> int:
    """The one that runs with these arguments; the guard that started it has them, too."""
    listing = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    [found] = [line for line in listing.splitlines() if arguments in line and "child.py" not in line]
    return int(found.split()[0])


def _cpu_seconds(process: Path) -> float:
    """Of all threads, in user and system mode: the 14th and 15th field of `stat` (Linux manual, proc_pid_stat)."""
    after_name = (process / "stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in after_name[11:13]) / os.sysconf("SC_CLK_TCK")


def _peak_bytes(process: Path) -> int:
    """`VmHWM` of `status`, which is in kibibytes (Linux manual, proc_pid_status)."""
    [peak] = [line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(peak.split()[1]) * 1024


def _check(world: LocalWorld, booking_ids: Collection[str]) -> None:
    state = httpx.get(f"{world.dataverse_url}/_control/state", trust_env=False).raise_for_status().json()
    delivered = {one["id"] for one in state["bookings"] if one["event_id"]}
    if missing := set(booking_ids) - delivered:
        raise MeasurementFailed(
            f"{len(missing)} of {len(booking_ids)} bookings have no event after the backfill; the app's log ends with "
            f"{world.log_of('functions').read_text()[-2000:]}"
        )
