"""Timer schedules mean what the vendor's documentation says they mean."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.functions.errors import InvalidSchedule
from local.functions.ncrontab import parse_schedule

START = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 */5 * * * *", "2026-11-21T08:05:00"),
        ("*/5 * * * *", "2026-11-21T08:05:00"),
        ("0 0 * * * *", "2026-11-21T09:00:00"),
        ("0 0 */2 * * *", "2026-11-21T10:00:00"),
        ("0 0 9-17 * * *", "2026-11-21T09:00:00"),
        ("0 30 9 * * *", "2026-11-21T09:30:00"),
        ("0 30 7 * * *", "2026-11-22T07:30:00"),
        ("0 30 9 * * 1-5", "2026-11-23T09:30:00"),
        ("0 30 9 * * Mon-Fri", "2026-11-23T09:30:00"),
        ("0 30 9 * Jan Mon", "2027-01-04T09:30:00"),
        ("0 30 9 * january monday", "2027-01-04T09:30:00"),
        ("15,45 * * * * *", "2026-11-21T08:00:15"),
        ("0 5/20 * * * *", "2026-11-21T08:05:00"),
        ("0 10-30/10 * * * *", "2026-11-21T08:10:00"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 0 13 * 5", "2027-08-13T00:00:00"),
    ],
)
def test_the_next_occurrence_is_the_first_after_the_moment(expression: str, expected: str) -> None:
    assert parse_schedule(expression).next_after(START) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_an_occurrence_is_never_its_own_successor() -> None:
    assert parse_schedule("0 0 8 * * *").next_after(START) == datetime(2026, 11, 22, 8, tzinfo=UTC)


def test_a_day_of_month_and_a_day_of_week_must_both_match() -> None:
    schedule = parse_schedule("0 0 0 1 * Mon")

    assert schedule.next_after(START) == datetime(2027, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("* * * *", "must have six fields"),
        ("0 60 * * * *", "minute: '60'"),
        ("0 0 0 0 * *", "day: '0'"),
        ("0 0 0 * * 7", "day-of-week: '7'"),
        ("0 0 0 * * Mo", "day-of-week: 'Mo'"),
        ("0 */0 * * * *", "no step"),
        ("0 30-10 * * * *", "ends before it begins"),
        ("0 0 0 30 2 *", "never occurs"),
        ("01:00:00", "must have six fields"),
        ("0 , * * * *", "minute: ''"),
    ],
)
def test_what_is_not_a_schedule_is_refused_with_the_field(expression: str, reason: str) -> None:
    with pytest.raises(InvalidSchedule) as refusal:
        parse_schedule(expression)

    assert reason in str(refusal.value)
    assert repr(expression) in str(refusal.value)


numbers = st.integers(0, 59).map(str)
steps = st.integers(1, 59).map("*/{}".format)
minute_field = st.one_of(st.just("*"), numbers, steps)


@given(second=minute_field, minute=minute_field, hour=st.integers(0, 23).map(str) | st.just("*"), at=st.datetimes())
def test_nothing_matching_lies_between_a_moment_and_its_next_occurrence(
    second: str, minute: str, hour: str, at: datetime
) -> None:
    moment = at.replace(year=2026, tzinfo=UTC, month=min(at.month, 12), day=min(at.day, 28))
    schedule = parse_schedule(f"{second} {minute} {hour} * * *")

    found = schedule.next_after(moment)

    assert found > moment
    assert (found.second in schedule.seconds, found.minute in schedule.minutes, found.hour in schedule.hours) == (
        True,
        True,
        True,
    )
    gap = int((found - moment).total_seconds())
    for seconds_back in range(1, min(gap, 3600)):
        between = datetime.fromtimestamp(found.timestamp() - seconds_back, UTC)
        matches = (
            between.second in schedule.seconds and between.minute in schedule.minutes and between.hour in schedule.hours
        )
        assert not matches
