"""The bench under load, on small sizes: what its streams, bodies and measurements are. Times are never asserted."""

import json
from datetime import timedelta
from itertools import islice

import pytest

from bench.acknowledging import CONNECTIONS, EVENTS, ITEMS, measure_acknowledging
from bench.acknowledging_at_work import measure_at_work
from bench.cold_start import measure_cold_start
from bench.company import Company
from bench.crossings import booked_anew
from bench.figures import Times
from bench.posts import bodies, new_events
from bench.stream_stage import StreamStage
from bench.throughput import Stream, Throughput, measure_throughput
from bench.throughput_report import to_dataverse, to_graph
from bench.trace import scheduled_visits
from bench.traffic import Doing, Traffic
from bench.virtual_latency import measure_direction
from local.sample import TENANT_ID, build_sample
from local.virtual_time import run_virtually
from local.world import today_in_utc
from sync.core.notifications import accept_changes
from tests.hosted_app import START

SECRET = "a-secret-of-the-tests-with-enough-characters"


@pytest.mark.parametrize(("items", "of_events"), [(1, 1), (ITEMS, EVENTS)])
def test_bodies_are_genuine_and_their_items_about_one_event_become_one(items: int, of_events: int) -> None:
    first, second = islice(bodies(SECRET, new_events(), items=items, of_events=of_events), 2)
    accepted = [
        accept_changes(body, secrets=(SECRET,), tenant_id=TENANT_ID, now=START, new_id=lambda: "id")
        for body in (first, second)
    ]
    assert [(one.received, len(one.items), sum(one.dropped.values())) for one in accepted] == [
        (items, of_events, 0)
    ] * 2
    etags = [one["resourceData"]["@odata.etag"] for body in (first, second) for one in json.loads(body)["value"]]
    assert len(set(etags)) == 2 * items, "each tells of a state of its own"


def test_figures_tell_percentiles_to_a_tenth_and_the_share_that_took_longer() -> None:
    measured = Times(seconds=tuple(float(number) for number in range(1001)), elapsed=1.0)
    assert [measured.percentile(percent) for percent in (50, 95, 99, 99.9)] == [500, 950, 990, 999]
    assert measured.share_over(500) == 500 / 1001


def test_visits_booked_anew_are_other_visits_in_the_same_calendars() -> None:
    visits = scheduled_visits(build_sample(today_in_utc()))
    anew = booked_anew(visits)
    assert len({one.booking_id for one in [*visits, *anew]}) == 4 * len(visits)
    assert {one.start_at - visits[0].start_at for one in anew[:: len(visits)]} == {
        timedelta(weeks=weeks) for weeks in (1, 2, 3)
    }


@pytest.mark.parametrize("doing", [Doing.MOVES_EVENT, Doing.MOVES_BOOKING])
def test_on_virtual_time_every_move_is_seen_on_the_other_side(doing: Doing) -> None:
    """With the settle time of three seconds, and with none."""
    for settle_seconds, longest in ((3.0, 6.0), (0.0, 3.0)):
        [slow, quick] = measure_direction(Company.of(3, visits=20), doing, settle_seconds, [0.5, 4.0], 10)
        assert 0 < len(slow.seconds) < len(quick.seconds) <= 60, "each visit is moved once"
        assert settle_seconds < min(slow.seconds + quick.seconds) < max(slow.seconds + quick.seconds) < longest


def test_a_reminder_costs_graph_a_read_and_dataverse_nothing() -> None:
    async def main() -> tuple[int, dict[str, int], dict[str, int]]:
        async with StreamStage(Company.of(1, visits=20), instances=1) as stage:
            traffic = Traffic(stage, [Doing.TOUCHES_EVENT])
            await traffic.flow(per_second=0.5, seconds=20)
            await stage.settle()
            calls = [dict(board.switchboard.calls["app"]) for board in (stage.graph, stage.dataverse)]
            return traffic.made, calls[0], calls[1]

    made, graph, dataverse = run_virtually(main())
    assert made > 5
    assert graph == {"event.get": made}
    assert dataverse == {}


def test_more_work_than_dataverse_bears_uses_its_limit_and_is_hardly_ever_refused() -> None:
    """At a twentieth of load and limit, over two windows; the first one's burst ends in a minute of waiting."""
    measured = measure_throughput(to_dataverse(instances=2, seconds=600, scale=0.05))
    assert measured.allowed == 600
    assert measured.share > 0.8, measured
    assert measured.refused <= 6, measured
    assert measured.waiting > 0


def test_the_limit_that_a_stream_is_held_against_is_that_of_its_service() -> None:
    stream = to_graph(instances=1, seconds=1)
    measured = measure_throughput(stream)
    assert measured.allowed == 17
    assert measured.other_calls == 0


def test_shares_are_of_the_limit_and_of_all_calls() -> None:
    stream = Stream(
        service="Dataverse", company=Company.of(1, visits=1), doings=(), per_second=1, seconds=1, instances=1
    )
    measured = Throughput(
        stream=stream,
        changes=0,
        served=90,
        refused=10,
        allowed=100,
        other_calls=0,
        other_refused=0,
        waiting=0,
        cpu_seconds=0,
    )
    assert (measured.share, measured.refused_share) == (0.9, 0.1)


def test_acknowledging_is_measured_with_every_number_of_connections() -> None:
    measured = measure_acknowledging(operations=64, rounds=1)
    assert [one.connections for one in measured] == list(CONNECTIONS)
    for one in measured:
        assert [len(kind.seconds) for kind in (one.door, one.empty, one.put)] == [64, 64, 64]
        assert [len(kind.seconds) for kind in (one.large_door, one.large_empty)] == [16, 16]
        assert one.gain == pytest.approx(ITEMS * one.large_door.per_second / one.door.per_second)


def test_at_work_the_door_acknowledges_all_the_while() -> None:
    measured = measure_at_work(bookings=4)
    assert measured.bookings == 4
    assert len(measured.answers.seconds) > 0
    assert measured.failed == 0


def test_a_cold_start_ends_with_an_answer_of_both_hosts() -> None:
    measured = measure_cold_start(runs=1)
    assert measured.door > measured.empty > 0
    assert measured.empty_with_queue_client > 0
    assert measured.first_acknowledged > 0
    assert measured.first_empty > 0
