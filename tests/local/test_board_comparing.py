"""What the board calls equal, row by row, and since when something is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from local.board.comparing import Difference, Watch, unequal
from local.board.sides import BookingCard, EventCard, Sides
from sync.core.sides import TimeSpan

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOW = TimeSpan(start_at=NOW - 7 * DAY, end_at=NOW + 42 * DAY)
ADA, BEN, GRETA = "ada", "ben", "greta"
MAILBOXES = {ADA, BEN}


def at(start_at: datetime) -> TimeSpan:
    return TimeSpan(start_at=start_at, end_at=start_at + HOUR)


BOOKING = BookingCard(
    id="visit",
    technician=ADA,
    name="WO-1",
    account="",
    span=at(NOW + DAY),
    status="Scheduled",
    is_cancelled=False,
)
EVENT = EventCard(id="event", technician=ADA, subject="WO-1", span=BOOKING.span, booking="visit")
PAST = at(NOW - DAY)
FAR = at(NOW + 60 * DAY)


@pytest.mark.parametrize(
    ("bookings", "events"),
    [
        pytest.param([BOOKING], [EVENT], id="the same times"),
        pytest.param([], [replace(EVENT, booking=None)], id="a private event"),
        pytest.param([replace(BOOKING, is_cancelled=True)], [], id="cancelled, and its event is gone"),
        pytest.param([replace(BOOKING, is_cancelled=True)], [replace(EVENT, span=PAST)], id="cancelled after its end"),
        pytest.param([], [replace(EVENT, span=PAST)], id="deleted after its end"),
        pytest.param([replace(BOOKING, technician=GRETA)], [], id="nobody with a mailbox"),
        pytest.param([replace(BOOKING, technician=None)], [], id="a crane"),
        pytest.param([replace(BOOKING, undelivered="The mailbox does not answer.")], [], id="it says why"),
        pytest.param([replace(BOOKING, span=FAR)], [], id="beyond the window"),
        pytest.param([replace(BOOKING, technician=BEN)], [replace(EVENT, span=PAST), replace(EVENT, technician=BEN)],
                     id="a past event stays with who did it"),
    ],
)  # fmt: skip
def test_nothing_is_said_of_what_is_equal(bookings: list[BookingCard], events: list[EventCard]) -> None:
    assert unequal(Sides(bookings, events), MAILBOXES, now=NOW, window=WINDOW) == {}


@pytest.mark.parametrize(
    ("bookings", "events", "why"),
    [
        ([BOOKING], [replace(EVENT, span=at(NOW + 2 * DAY))], "the times differ"),
        ([BOOKING], [], "it has no event"),
        ([BOOKING], [replace(EVENT, booking=None)], "it has no event"),
        ([BOOKING], [EVENT, replace(EVENT, id="copy")], "2 events carry its mark"),
        ([BOOKING], [EVENT, replace(EVENT, technician=BEN)], "an event is still in somebody else's calendar"),
        ([replace(BOOKING, technician=BEN)], [EVENT], "an event is still in somebody else's calendar"),
        ([replace(BOOKING, is_cancelled=True)], [EVENT], "the booking is cancelled, its event is not"),
        ([], [EVENT], "the booking is gone, its event is not"),
    ],
)
def test_a_visit_that_is_not_equal_says_in_what(bookings: list[BookingCard], events: list[EventCard], why: str) -> None:
    assert unequal(Sides(bookings, events), MAILBOXES, now=NOW, window=WINDOW) == {"visit": why}


def test_the_seconds_count_from_when_it_was_first_seen_and_begin_anew_after_agreement() -> None:
    watch = Watch()
    watch.since_when({"first": "the times differ"}, NOW)
    later = watch.since_when({"second": "it has no event", "first": "it has no event"}, NOW + HOUR)
    assert later == [
        Difference(booking="first", why="it has no event", since=NOW),
        Difference(booking="second", why="it has no event", since=NOW + HOUR),
    ]
    assert watch.since_when({}, NOW + 2 * HOUR) == []
    [again] = watch.since_when({"first": "the times differ"}, NOW + 3 * HOUR)
    assert again.since == NOW + 3 * HOUR
