"""What the first day of a company costs: a backfill of thousands of bookings, against the services' limits.

It runs on virtual time (see `backfill_stage`), once for each fleet of instances, in processes side by side: nothing
that is measured depends on the machine but the computing time. The command is the administrator's own.
"""

import asyncio
import io
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from bench.backfill_stage import BEGAN_AT, BackfillStage
from bench.company import Company
from bench.errors import MeasurementFailed
from bench.processes import open_pool
from local.sample import build_sample
from local.virtual_time import run_virtually
from sync.commands.backfill import run_backfill
from sync.commands.console import Console
from sync.core.errors import TransientError
from sync.core.work import BOOKING_CHANGES_QUEUE

PATIENCE = timedelta(hours=1)
"""A backfill that takes longer is broken off, and what is left of it is told."""

_RESTART_SECONDS = 10.0
"""When a person gives the command again that a service has broken off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the app asked of a service, beside what the service bears; within the window and at once, of one lane."""

    calls: Mapping[str, int]
    refused: int
    in_window: int
    most_in_window: int
    at_once: int
    most_at_once: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The instances of the app, which unless they are `is_paced` call as if nobody had refused them before."""

    instances: int
    is_paced: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """One backfill. `left` is what it left undone, `restarts` how often its command had to be given again.

    `seconds` are virtual; `least_seconds` is what its calls take at the rate that Dataverse bears for ever.
    `cpu_seconds` are real, and those of the simulators, too.
    """

    fleet: Fleet
    mailboxes: int
    bookings: int
    left: int
    restarts: int
    seconds: float
    least_seconds: float
    cpu_seconds: float
    graph: Load
    dataverse: Load


def measure_backfills(*, mailboxes: int, visits: int, fleets: Sequence[Fleet]) -> list[Backfill]:
    """A backfill of `visits` bookings in each of so many mailboxes, by each fleet.

    Raises `MeasurementFailed` when a booking ends without its event or with two, or somebody gets a mail.
    """
    company = Company.of(mailboxes, visits=visits)
    with open_pool(len(fleets)) as pool:
        return pool.starmap(measure_backfill, [(company, fleet) for fleet in fleets], chunksize=1)


def measure_backfill(company: Company, fleet: Fleet) -> Backfill:
    """One backfill, in this process. Raises `MeasurementFailed`."""
    return run_virtually(_measure(company, fleet))


async def _measure(company: Company, fleet: Fleet) -> Backfill:
    mailboxes = tuple(one.mailbox_id for one in company.technicians)
    stage = BackfillStage(instances=fleet.instances, mailboxes=mailboxes, is_paced=fleet.is_paced)
    company.hire(stage.graph.world, stage.dataverse.world)
    async with stage:
        await stage.subscribe()
        company.book(stage.dataverse.world, build_sample(BEGAN_AT.date()))
        began_at, cpu_before = stage.clock.now(), time.process_time()
        restarts = Counter[str]()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE.total_seconds()):
                await _give_command(stage, restarts)
        seconds = (stage.clock.now() - began_at).total_seconds()
        rows = stage.dataverse.world.rows("bookableresourcebooking").values()
        left = sum(row.values["bks_eventid"] is None for row in rows)
        if not left:
            await stage.settle()
            _check(company, stage)
        cpu_seconds = time.process_time() - cpu_before
    dataverse = _dataverse_load(stage)
    switches = stage.dataverse.switchboard.switches
    served = sum(dataverse.calls.values()) - dataverse.refused
    return Backfill(
        fleet=fleet,
        mailboxes=len(company.technicians),
        bookings=company.bookings,
        left=left,
        restarts=restarts.total(),
        seconds=seconds,
        least_seconds=served * switches["window_seconds"] / switches["max_requests"],
        cpu_seconds=cpu_seconds,
        graph=_graph_load(stage),
        dataverse=dataverse,
    )


async def _give_command(stage: BackfillStage, restarts: Counter[str]) -> None:
    """`python -m sync backfill`, again and again until it comes to its end; `restarts` counts by reason."""
    console = Console(out=io.StringIO(), is_json=False, clock=stage.clock.now, sleep=asyncio.sleep)
    shop = stage.open_shop(-2)

    async def changes_waiting() -> int:
        return len(stage.queues[BOOKING_CHANGES_QUEUE])

    while True:
        try:
            await run_backfill(shop, console, changes_waiting, restarts=False, waits=True)
        except TransientError as error:
            restarts[error.reason] += 1
            await asyncio.sleep(error.retry_after_seconds or _RESTART_SECONDS)
        else:
            return


def _graph_load(stage: BackfillStage) -> Load:
    board, gauge = stage.graph.switchboard, stage.graph_gauge
    return Load(
        calls=dict(board.calls["app"]),
        refused=gauge.refused,
        in_window=gauge.most_within(timedelta(minutes=10)),
        most_in_window=board.switches["requests_per_10_minutes"],
        at_once=gauge.most_at_once,
        most_at_once=board.switches["concurrent_requests"],
    )


def _dataverse_load(stage: BackfillStage) -> Load:
    board, gauge = stage.dataverse.switchboard, stage.dataverse_gauge
    return Load(
        calls=dict(board.calls["app"]),
        refused=gauge.refused,
        in_window=gauge.most_within(timedelta(seconds=board.switches["window_seconds"])),
        most_in_window=board.switches["max_requests"],
        at_once=gauge.most_at_once,
        most_at_once=board.switches["max_concurrent"],
    )


def _check(company: Company, stage: BackfillStage) -> None:
    """Each booking names an event of its own in its technician's calendar, and there are no others."""
    events = {
        event_id: technician.resource_id
        for technician in company.technicians
        for event_id in stage.graph.world.mailboxes[technician.mailbox_id].versions
    }
    bookings = stage.dataverse.world.rows("bookableresourcebooking").values()
    named = {row.values["bks_eventid"]: row.values["resource"] for row in bookings}
    if named != events or len(bookings) != company.bookings:
        raise MeasurementFailed(
            f"{company.bookings} bookings came to {len(events)} events, of which {len(named.keys() & events.keys())} "
            f"are named by a booking; {len(stage.letters.letters)} dead letters"
        )
    if stage.graph.world.mails:
        raise MeasurementFailed(f"the backfill sent {len(stage.graph.world.mails)} mails")
