"""The bench as a developer runs it, and what it says about calls. Times are measured, never asserted."""

import asyncio
import base64
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.__main__ import DOCUMENT
from bench.acknowledging import OTHER_FUNCTIONS
from bench.backfill import Fleet, measure_backfill
from bench.calls import compare_bursts, compare_kinds, measure_dispatches
from bench.company import Company
from bench.crossings import dispatches_in_turn, event_moves
from bench.dispatches import DispatchKind
from bench.flow import CLIENT_STATE, Branch
from bench.flow_stage import FlowStage
from bench.gauge import Gauge
from bench.hosted_queues import HostedQueues
from bench.latency import time_crossings
from bench.parts import PARTS
from bench.playing import Player
from bench.trace import Change, Kind, changes_of, delete, move, scheduled_visits, touch
from local.dataverse.seed import status_id
from local.dataverse.world import Author
from local.functions.queues import MessageGone
from local.sample import TECHNICIANS, SampleBooking, build_sample
from local.virtual_time import LoopClock, run_virtually
from local.world import LocalWorld, today_in_utc
from sync.core.work import BOOKING_CHANGES_QUEUE, item_from_text
from sync.core.work_items import BookingChange
from tests.hosted_app import START

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SAMPLE = build_sample(START.date())
VISITS = scheduled_visits(SAMPLE)
ONE_EACH = {"batch": False, "burst": 1, "repeat": 0.0, "change_type_noise": False}
"""Switches under which one change raises one notification."""


@pytest.fixture
async def flow() -> FlowStage:
    stage = FlowStage(ONE_EACH, START)
    await stage.start()
    return stage


def dispatcher_changes(stage: FlowStage, visit: SampleBooking, values: dict[str, Any]) -> None:
    world = stage.dataverse.world
    world.update("bookableresourcebooking", visit.booking_id, values, Author(user_id=world.users["person"]))


def booking(stage: FlowStage, visit: SampleBooking) -> dict[str, Any]:
    return dict(stage.dataverse.world.rows("bookableresourcebooking")[visit.booking_id].values)


async def run(stage: FlowStage, change: Change) -> tuple[Branch, int, int, int]:
    """The branch that the flow took, its steps, and its calls to Graph and to Dataverse."""
    player = Player(stage)
    before = stage.flow.ends.copy()
    await player.play(change)
    [branch] = stage.flow.ends - before
    cost = player.read_meter()
    assert cost.notifications == 1
    return branch, cost.steps, cost.graph, cost.dataverse


async def test_the_flow_writes_a_moved_event_to_its_booking(flow: FlowStage) -> None:
    assert await run(flow, move(VISITS[0], timedelta(hours=1))) == (Branch.UPDATED, 26, 1, 2)
    assert booking(flow, VISITS[0])["starttime"] == VISITS[0].start_at + timedelta(hours=1)


async def test_the_flow_writes_the_event_id_even_when_nothing_that_counts_has_changed(flow: FlowStage) -> None:
    assert await run(flow, touch(VISITS[0], 5)) == (Branch.NAMED, 26, 1, 2)


async def test_the_flow_reads_private_events_and_leaves_them(flow: FlowStage) -> None:
    [change] = changes_of(Kind.PRIVATE_CHANGED, SAMPLE, 1)
    assert await run(flow, change) == (Branch.BORN_IN_OUTLOOK, 15, 1, 0)


async def test_the_flow_cancels_the_booking_of_a_deleted_event(flow: FlowStage) -> None:
    assert await run(flow, delete(VISITS[0])) == (Branch.CANCELLED, 29, 1, 10)
    assert booking(flow, VISITS[0])["bookingstatus"] == status_id("Canceled")
    assert booking(flow, VISITS[0])["bks_eventid"] is None


async def test_the_flow_only_clears_the_event_id_of_a_booking_that_is_cancelled_already(flow: FlowStage) -> None:
    dispatcher_changes(flow, VISITS[0], {"bookingstatus": status_id("Canceled")})
    assert await run(flow, delete(VISITS[0])) == (Branch.CLEARED, 26, 1, 7)
    assert booking(flow, VISITS[0])["bks_eventid"] is None


async def test_the_flow_leaves_a_booking_that_somebody_else_has_now(flow: FlowStage) -> None:
    other = next(one for one in TECHNICIANS if one != VISITS[0].technician)
    dispatcher_changes(flow, VISITS[0], {"resource": other.resource_id})
    assert await run(flow, delete(VISITS[0])) == (Branch.REASSIGNED, 24, 1, 6)
    assert booking(flow, VISITS[0])["bookingstatus"] == status_id("Scheduled")


async def test_the_flow_finds_no_booking_for_a_deleted_private_event(flow: FlowStage) -> None:
    assert await run(flow, delete(SAMPLE.private_events[0])) == (Branch.NOT_OURS, 20, 1, 3)


async def test_the_flow_stops_at_a_client_state_that_is_not_its_own(flow: FlowStage) -> None:
    assert await flow.flow.run({"clientState": CLIENT_STATE + "x"}) is Branch.REFUSED
    assert flow.flow.steps == 5


async def test_each_kind_of_change_costs_us_no_more_than_its_budget() -> None:
    """Per change: reads and writes in Outlook, then in Dynamics. One lookup of the cancelled status is kept."""
    budget = {
        Kind.PRIVATE_MADE: (1, 0),
        Kind.PRIVATE_CHANGED: (0, 0),
        Kind.PRIVATE_DELETED: (0, 0),
        Kind.TOUCHED: (1, 0),
        Kind.MOVED: (1, 1),
        Kind.DELETED: (2, 2),
    }
    count = 4
    for comparison in await compare_kinds(count):
        graph, dataverse = budget[Kind(comparison.name)]
        lookup = comparison.name == Kind.DELETED
        assert comparison.ours.graph <= graph * count, comparison
        assert comparison.ours.dataverse <= dataverse * count + lookup, comparison


async def test_the_size_of_a_burst_costs_the_flow_and_not_us() -> None:
    bursts = await compare_bursts(2)
    assert [one.ours.calls for one in bursts] == [4, 4, 4, 4]
    assert [one.flow.calls for one in bursts] == [6, 12, 18, 24]


async def test_each_kind_of_dispatch_costs_us_no_more_than_its_budget() -> None:
    """Per change: calls to Graph, then to Dataverse. What is removed is looked at before, and once more after."""
    budget = {
        DispatchKind.MADE: (1, 2),
        DispatchKind.MOVED: (2, 1),
        DispatchKind.REASSIGNED: (4, 2),
        DispatchKind.CANCELLED: (3, 2),
        DispatchKind.DELETED: (3, 1),
        DispatchKind.DESCRIBED: (2, 2),
    }
    count = 3
    for measured in await measure_dispatches(count):
        graph, dataverse = budget[measured.kind]
        assert 0 < measured.ours.graph <= graph * count, measured
        assert 0 < measured.ours.dataverse <= dataverse * count, measured
        assert measured.ours.webhooks == count


def test_all_functions_but_the_one_that_is_measured_are_switched_off() -> None:
    app = (ROOT / "function_app.py").read_text()
    functions = re.findall(r"^@app\.\w+\(.*\)\nasync def (\w+)\(", app, flags=re.MULTILINE)
    assert sorted(functions) == sorted(["graph_notifications", *OTHER_FUNCTIONS])


async def test_changes_on_either_side_are_timed_until_the_other_shows_them(world: LocalWorld) -> None:
    """With the usual settle time of three seconds."""
    visits = scheduled_visits(build_sample(today_in_utc()))[-4:]
    for crossings in (event_moves(visits[:2]), dispatches_in_turn(visits[2:])):
        measured = await time_crossings(world, crossings)
        assert len(measured.seconds) == 2
        assert all(3 <= seconds < 10 for seconds in measured.seconds), measured


def test_a_backfill_makes_each_event_by_five_calls_and_is_counted_whole() -> None:
    measured = measure_backfill(Company.of(4, visits=5), Fleet(instances=1))
    assert (measured.bookings, measured.left, measured.restarts) == (20, 0, 0)
    assert measured.graph.calls == {"event.search": 20, "calendarView.list": 20, "event.create": 20}
    assert measured.dataverse.calls == {
        "bookableresourcebookings.query": 1,
        "bookableresourcebookings.get": 20,
        "bookableresourcebookings.update": 20,
    }
    assert measured.graph.refused == measured.dataverse.refused == 0
    assert (measured.graph.in_window, measured.dataverse.in_window) == (15, 41)
    assert measured.dataverse.at_once > 1
    assert measured.seconds > 0.5, "five calls after one another take a tenth of a second each"


def test_on_virtual_time_waiting_keeps_its_order_and_costs_nothing() -> None:
    async def wait(seconds: float, woken: list[tuple[float, float]]) -> None:
        await asyncio.sleep(seconds)
        woken.append((seconds, asyncio.get_running_loop().time()))

    async def main() -> tuple[list[tuple[float, float]], datetime]:
        woken: list[tuple[float, float]] = []
        await asyncio.gather(*(wait(seconds, woken) for seconds in (86_400.0, 0.5, 3_600.0)))
        return woken, LoopClock(START).now()

    woken, now = run_virtually(main())
    assert woken == [(0.5, 0.5), (3_600.0, 3_600.0), (86_400.0, 86_400.0)]
    assert now == START + timedelta(days=1)


def test_on_virtual_time_waiting_for_nothing_is_an_error() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="everybody waits"):
        run_virtually(main())


def test_the_queues_of_a_backfill_keep_visibility_dequeue_counts_and_receipts() -> None:
    def change(name: str) -> BookingChange:
        return BookingChange(booking_id=name, received_at=START, correlation_id=name)

    async def main() -> None:
        queues = HostedQueues(LoopClock(START).now, seconds=0.001)
        queue = queues[BOOKING_CHANGES_QUEUE]
        await queues.put(change("late"), delay_seconds=60)
        await queues.put(change("soon"))
        [first] = await queue.receive(16, timedelta(seconds=30))
        assert item_from_text(base64.b64decode(first.text).decode()) == change("soon")
        assert first.dequeue_count == 1
        assert await queue.receive(16, timedelta(seconds=30)) == []
        await asyncio.sleep(31)
        [again] = await queue.receive(16, timedelta(seconds=30))
        assert (again.message_id, again.dequeue_count) == (first.message_id, 2)
        with pytest.raises(MessageGone):
            await queue.delete(first)
        await queue.delete(again)
        assert len(queue) == 1
        await asyncio.sleep(60)
        assert len(await queue.receive(16, timedelta(seconds=30))) == 1

    run_virtually(main())


def test_a_gauge_tells_the_most_requests_in_a_span_and_at_once_of_the_busiest_lane() -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1)
        return httpx.Response(429 if request.url.path == "/refused" else 200)

    async def main() -> Gauge:
        gauge = Gauge(httpx.MockTransport(answer), LoopClock(START), lane=lambda url: url.host)
        async with httpx.AsyncClient(transport=gauge) as client:
            await asyncio.gather(*(client.get(f"http://busy/{number}") for number in range(3)))
            await asyncio.sleep(60)
            await asyncio.gather(client.get("http://busy/refused"), client.get("http://quiet/1"))
        return gauge

    gauge = run_virtually(main())
    assert (gauge.most_at_once, gauge.refused) == (3, 1)
    assert gauge.most_within(timedelta(seconds=30)) == 3
    assert gauge.most_within(timedelta(minutes=2)) == 4


def test_a_quick_bench_prints_calls_and_cold_start_with_their_ratios_and_writes_nothing() -> None:
    written = DOCUMENT.read_bytes() if DOCUMENT.exists() else None
    command = [sys.executable, "-m", "bench", "--quick", "calls", "cold-start"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    for words in (
        "cores, ",
        "A working day in Outlook",
        "booking reassigned",
        "empty function, same packages",
        "In short",
    ):
        assert words in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    assert (DOCUMENT.read_bytes() if DOCUMENT.exists() else None) == written


def test_the_bench_names_its_parts_when_asked_for_another() -> None:
    command = [sys.executable, "-m", "bench", "everything"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert f"there is no part everything; there are {', '.join(PARTS)}" in result.stderr
