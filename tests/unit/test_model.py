"""The values refuse what they cannot mean."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from sync.core.model import REMEMBERED_ETAGS, Booking, TimeSpan, event_hash, newest_etags, whole_second_utc
from tests.unit.values import AGREED, COPY_ID, EVENT_ID, MAILBOX, NOW, OTHER_MAILBOX, a_booking

HOUR = timedelta(hours=1)


def span(start_hours: float, end_hours: float) -> TimeSpan:
    return TimeSpan(start_at=NOW + start_hours * HOUR, end_at=NOW + end_hours * HOUR)


def test_a_span_is_kept_in_utc_and_whole_seconds() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    kept = TimeSpan(
        start_at=datetime(2026, 11, 21, 10, 0, 0, 999_999, tzinfo=berlin),
        end_at=datetime(2026, 11, 21, 14, 30, tzinfo=timezone(5 * HOUR + timedelta(minutes=30))),
    )
    assert kept == span(0, 0)
    assert kept.start_at.tzinfo is UTC


def test_a_span_over_the_end_of_summer_time_has_its_true_length() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    night = TimeSpan(
        start_at=datetime(2026, 10, 25, 1, 0, tzinfo=berlin), end_at=datetime(2026, 10, 25, 4, 0, tzinfo=berlin)
    )
    assert night.minutes == 240


@pytest.mark.parametrize(
    ("start_at", "end_at"),
    [
        pytest.param(NOW, NOW - timedelta(seconds=1), id="ends before it starts"),
        pytest.param(NOW.replace(tzinfo=None), NOW, id="naive start"),
        pytest.param(NOW, NOW.replace(tzinfo=None), id="naive end"),
    ],
)
def test_a_span_that_means_nothing_is_refused(start_at: datetime, end_at: datetime) -> None:
    with pytest.raises(ValueError, match="time"):
        TimeSpan(start_at=start_at, end_at=end_at)


def test_a_moment_is_a_span_of_no_minutes() -> None:
    assert span(0, 0).minutes == 0


def test_minutes_are_whole_ones() -> None:
    assert TimeSpan(start_at=NOW, end_at=NOW + timedelta(minutes=90, seconds=59)).minutes == 90


@pytest.mark.parametrize(
    ("other", "overlaps"),
    [
        pytest.param(span(-1, 0), False, id="ends where it starts"),
        pytest.param(span(2, 3), False, id="starts where it ends"),
        pytest.param(span(-1, 0.1), True, id="reaches in"),
        pytest.param(span(-1, 5), True, id="covers it"),
        pytest.param(span(0.5, 1), True, id="lies within"),
    ],
)
def test_spans_that_touch_do_not_overlap(other: TimeSpan, overlaps: bool) -> None:
    assert AGREED.overlaps(other) is overlaps
    assert other.overlaps(AGREED) is overlaps


def test_fractions_are_cut_not_rounded() -> None:
    assert whole_second_utc(NOW.replace(microsecond=999_999)) == NOW


def test_ids_that_differ_in_case_or_in_dash_and_underscore_have_different_keys() -> None:
    hashes = {event_hash(MAILBOX, event_id) for event_id in ("AAMk-a=", "AAMk-A=", "AAMk_a=")}
    assert len(hashes) == 3
    assert all(len(one) == 64 and one == one.lower() for one in hashes)


def test_one_id_in_two_mailboxes_has_two_keys() -> None:
    assert event_hash(MAILBOX, EVENT_ID) != event_hash(OTHER_MAILBOX, EVENT_ID)


HASH = event_hash(MAILBOX, EVENT_ID)


@pytest.mark.parametrize(
    ("booking", "names_an_event", "names_this_event"),
    [
        pytest.param(a_booking(), True, True, id="both columns"),
        pytest.param(a_booking(event_id=None, event_hash=HASH), True, True, id="the digest alone"),
        pytest.param(a_booking(event_hash=None), True, True, id="the id alone"),
        pytest.param(a_booking(event_id=None), False, False, id="neither"),
        pytest.param(a_booking(event_id=COPY_ID), True, False, id="another event"),
        pytest.param(a_booking(event_id=COPY_ID, event_hash=None), True, False, id="another id alone"),
        pytest.param(
            a_booking(event_hash=event_hash(OTHER_MAILBOX, EVENT_ID)), True, False, id="another mailbox's event"
        ),
        pytest.param(a_booking(event_id=EVENT_ID.lower(), event_hash=None), True, False, id="an id in another case"),
        pytest.param(a_booking(mailbox_id=OTHER_MAILBOX), True, True, id="its former owner's event"),
    ],
)
def test_which_event_a_booking_names(booking: Booking, names_an_event: bool, names_this_event: bool) -> None:
    assert booking.names_an_event is names_an_event
    assert booking.names(MAILBOX, EVENT_ID) is names_this_event


def test_etags_are_remembered_newest_last_and_once() -> None:
    earlier = ("one", "two")
    assert newest_etags(earlier, "three") == ("one", "two", "three")
    assert newest_etags(earlier, "one", "one") == ("two", "one")
    assert newest_etags(earlier) == earlier


def test_the_oldest_etags_are_forgotten_first() -> None:
    old = tuple(str(number) for number in range(REMEMBERED_ETAGS))
    assert newest_etags(old, "new") == (*old[1:], "new")
