"""The values refuse what they cannot mean."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.core.sides import Booking, TimeSpan, booking_fingerprint, event_hash, whole_second_utc
from tests.unit.values import AGREED, COPY_ID, EVENT_ID, MAILBOX, MOVED, NOW, OTHER_MAILBOX, WORK_ORDER_ID, a_booking

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


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


def fingerprint(**different: Any) -> str:
    columns: dict[str, Any] = {
        "span": AGREED,
        "resource_id": "resource-1",
        "status_id": "status-1",
        "work_order_id": WORK_ORDER_ID,
        "name": "Visit",
    }
    return booking_fingerprint(**(columns | different))


def test_a_state_has_one_fingerprint_wherever_it_is_told() -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    elsewhere = TimeSpan(start_at=AGREED.start_at.astimezone(tokyo), end_at=AGREED.end_at.astimezone(tokyo))
    assert fingerprint(span=elsewhere) == fingerprint()
    assert len(fingerprint()) == 32


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"span": MOVED}, id="another day"),
        pytest.param({"span": replace(AGREED, start_at=AGREED.start_at + SECOND)}, id="a later start"),
        pytest.param({"span": replace(AGREED, end_at=AGREED.end_at + SECOND)}, id="a later end"),
        pytest.param({"resource_id": "resource-2"}, id="another resource"),
        pytest.param({"status_id": "status-2"}, id="another status"),
        pytest.param({"resource_id": "status-1", "status_id": "resource-1"}, id="columns changed over"),
        pytest.param({"work_order_id": "another"}, id="another work order"),
        pytest.param({"work_order_id": None}, id="no work order"),
        pytest.param({"name": "visit"}, id="a name in another case"),
        pytest.param({"name": None}, id="no name"),
        pytest.param({"work_order_id": None, "name": WORK_ORDER_ID}, id="a name for a work order"),
    ],
)
def test_each_column_that_is_listened_to_changes_the_fingerprint(different: dict[str, Any]) -> None:
    assert fingerprint(**different) != fingerprint()


def test_fractions_of_a_second_do_not_change_the_fingerprint() -> None:
    finer = TimeSpan(start_at=AGREED.start_at.replace(microsecond=1), end_at=AGREED.end_at.replace(microsecond=999_999))
    assert fingerprint(span=finer) == fingerprint()


def test_an_empty_column_and_none_are_the_same_state() -> None:
    """A row as read has None where the image in a webhook may have an empty text."""
    assert fingerprint(name="") == fingerprint(name=None)
    assert fingerprint(work_order_id="") == fingerprint(work_order_id=None)
    assert fingerprint(work_order_id=None, name="x") != fingerprint(work_order_id="x", name=None)
