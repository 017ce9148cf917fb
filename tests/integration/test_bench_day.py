"""The working day on which the app is compared with the flow, and what it says of them."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from bench.company import Company
from bench.day import VISITS, measure_days, spend_flow, spend_ours
from bench.schedule import PRIVATE_EVENTS, schedules_of
from bench.trace import Kind
from bench.working_day import CHANGES, FIRST_HOUR, HOURS, Moment, working_day_of
from local.sample import build_sample
from tests.hosted_app import START

pytestmark = pytest.mark.slow

TODAY = START.date() + timedelta(days=1)


def day_of(mailboxes: int, *, seed: int = 0) -> list[Moment]:
    company = Company.of(mailboxes, visits=VISITS)
    return working_day_of(schedules_of(company, build_sample(START.date()), TODAY), TODAY, seed=seed)


def test_each_person_makes_as_many_changes_as_the_day_says_seven_in_ten_to_private_events() -> None:
    day = day_of(200)
    assert set(Counter(moment.change.mailbox_id for moment in day).values()) == {CHANGES}
    private = sum(moment.change.kind.is_private for moment in day)
    assert 0.68 < private / len(day) < 0.72
    assert {moment.change.kind for moment in day} == set(Kind)


def test_the_day_is_in_the_order_of_time_and_within_working_hours_but_for_a_last_sitting() -> None:
    times = [moment.at for moment in day_of(50)]
    assert times == sorted(times)
    assert {at.date() for at in times} == {TODAY}
    assert min(times).hour == FIRST_HOUR
    assert sum(at.hour >= FIRST_HOUR + len(HOURS) for at in times) < len(times) / 100


def test_nothing_is_changed_after_it_was_deleted_or_before_it_was_made() -> None:
    schedules = schedules_of(Company.of(100, visits=VISITS), build_sample(START.date()), TODAY)
    existing: set[str | None] = {visit.event_id for schedule in schedules for visit in schedule.visits}
    existing |= {event.event_id for schedule in schedules for event in schedule.private_events}
    assert len(existing) == 100 * (VISITS + PRIVATE_EVENTS)
    for moment in day_of(100):
        if moment.makes is not None:
            assert moment.makes not in existing
            existing.add(moment.makes)
        else:
            assert moment.change.event_id in existing
        if moment.change.method == "DELETE":
            existing.remove(moment.change.event_id)


def test_another_seed_is_another_day_and_the_same_seed_the_same() -> None:
    assert day_of(3) == day_of(3)
    assert day_of(3) != day_of(3, seed=1)


def test_an_item_is_changed_several_times_in_a_short_time() -> None:
    """About half of all changes follow another one to the same item within a minute."""
    last_at: dict[str | None, datetime] = {}
    followed = 0
    day = day_of(100)
    for moment in day:
        item = moment.makes or moment.change.event_id
        followed += item in last_at and moment.at - last_at[item] <= timedelta(minutes=1)
        last_at[item] = moment.at
    assert 0.35 < followed / len(day) < 0.55


def test_both_see_the_same_day_and_the_app_makes_a_quarter_of_the_calls_at_most() -> None:
    (ours, sweep), flow = spend_ours(4), spend_flow(4)
    assert ours.cost.changes == flow.cost.changes == 4 * CHANGES
    assert ours.cost.notifications == flow.cost.notifications > ours.cost.changes
    assert flow.cost.calls > 4 * ours.cost.calls
    assert flow.cost.steps > 4 * ours.cost.steps
    assert flow.graph == {"event.get": flow.cost.notifications}
    assert sum(ours.graph.values()) == ours.cost.graph
    assert sweep.graph == {"calendarView.delta": 4}, "what was told is not read again"


def test_a_day_tells_how_many_changes_were_private() -> None:
    [day] = measure_days([2])
    assert day.private == sum(moment.change.kind.is_private for moment in day_of(2))
    assert day.mailboxes == 2
