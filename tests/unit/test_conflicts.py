"""What may become of the value that lost a conflict: each row is one state in which somebody asks for it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sync.core.conflicts import Conflict, Objection, Overwriting, Side, Taking, conflict_of, judge_taking
from sync.core.mailboxes import QuarantineKind
from sync.core.reconcile import ABSENT, UNREAD, Policy
from sync.core.sides import BookingPhase, EventAddress, TimeSpan
from tests.unit.values import (
    AGREED,
    BOOKING_ID,
    EVENT_ID,
    MAILBOX,
    MOVED,
    MOVED_ELSEWHERE,
    NOW,
    OTHER_MAILBOX,
    a_booking,
    a_delivered_link,
    a_delivery,
    an_event,
)

STANDS, LOST, ANOTHER = AGREED, MOVED, MOVED_ELSEWHERE


def a_conflict(**different: Any) -> Conflict:
    told = {"booking_id": BOOKING_ID, "reason": "both-sides-moved", "at": NOW, "correlation_id": "item-1", **different}
    return conflict_of(Overwriting(EventAddress(MAILBOX, EVENT_ID), Side.DYNAMICS, LOST, STANDS), **told)


def judged(
    booking_at: TimeSpan = STANDS, event_at: TimeSpan = STANDS, agreed: TimeSpan = STANDS, **different: Any
) -> Taking | Objection:
    """The verdict where the two sides are at these times, and last agreed on that one."""
    facts = {
        "booking": a_booking(span=booking_at),
        "event": an_event(span=event_at),
        "link": a_delivered_link(agreed=agreed),
        **different,
    }
    return judge_taking(a_conflict(), a_delivery(**facts), Policy())


@pytest.mark.parametrize(
    ("booking", "event", "agreed", "verdict"),
    [
        pytest.param(STANDS, STANDS, STANDS, Taking.TAKEN, id="both are as the conflict left them"),
        pytest.param(LOST, STANDS, STANDS, Taking.UNDER_WAY, id="the booking has it, the event has not heard"),
        pytest.param(LOST, LOST, LOST, Taking.ALREADY, id="both have it"),
        pytest.param(LOST, LOST, STANDS, Taking.ALREADY, id="both have it, and nobody has noted it yet"),
    ],
)
def test_it_may_be_taken(booking: TimeSpan, event: TimeSpan, agreed: TimeSpan, verdict: Taking) -> None:
    assert judged(booking, event, agreed) is verdict


@pytest.mark.parametrize(
    ("booking", "event", "agreed", "words"),
    [
        pytest.param(ANOTHER, STANDS, STANDS, "The booking was moved since", id="the booking was moved"),
        pytest.param(STANDS, ANOTHER, STANDS, "The event was moved since", id="the event was moved"),
        pytest.param(ANOTHER, ANOTHER, ANOTHER, "The booking was moved since", id="both were, and agree"),
        pytest.param(LOST, ANOTHER, STANDS, "The event was moved since", id="the event was moved while under way"),
        pytest.param(STANDS, STANDS, ANOTHER, "still at work", id="nobody has noted the agreement yet"),
        pytest.param(STANDS, LOST, ANOTHER, "still at work", id="the event is about to be overwritten"),
        pytest.param(LOST, STANDS, ANOTHER, "still at work", id="the booking is about to be overwritten"),
    ],
)
def test_it_is_not_taken_behind_anybodys_back(booking: TimeSpan, event: TimeSpan, agreed: TimeSpan, words: str) -> None:
    verdict = judged(booking, event, agreed)
    assert isinstance(verdict, Objection)
    assert words in verdict.reason
    assert verdict.mend


@pytest.mark.parametrize(
    ("different", "words"),
    [
        pytest.param({"booking": ABSENT}, "does not exist", id="the booking was deleted"),
        pytest.param({"booking": a_booking(phase=BookingPhase.COMPLETED)}, "is completed", id="the visit is over"),
        pytest.param({"booking": a_booking(phase=BookingPhase.CANCELLED)}, "is cancelled", id="it was cancelled"),
        pytest.param({"event": ABSENT}, "has no event", id="the event was deleted"),
        pytest.param({"event": UNREAD}, "has no event", id="the mailbox could not be read"),
        pytest.param({"link": None}, "has no event", id="we hold no event of it"),
        pytest.param({"quarantine": QuarantineKind.UNREACHABLE}, "mailbox-unreachable", id="the mailbox is set aside"),
        pytest.param(
            {"booking": a_booking(span=STANDS, mailbox_id=OTHER_MAILBOX)},
            "would not follow the booking",
            id="it was given to somebody else",
        ),
        pytest.param(
            {"event": an_event(span=STANDS, type="seriesMaster")}, "made-into-a-series", id="the event is a series now"
        ),
    ],
)
def test_it_is_not_taken_where_the_two_would_stay_apart(different: dict[str, Any], words: str) -> None:
    verdict = judged(**different)
    assert isinstance(verdict, Objection)
    assert words in verdict.reason


def test_a_repeated_announcement_is_the_same_conflict_and_any_other_is_another() -> None:
    first = a_conflict()
    assert a_conflict() == first
    others = [
        a_conflict(booking_id="another"),
        a_conflict(correlation_id="another"),
        a_conflict(at=NOW + timedelta(microseconds=1)),
    ]
    assert len({first.conflict_id, *(one.conflict_id for one in others)}) == 4
    assert replace(others[0], conflict_id=first.conflict_id, booking_id=BOOKING_ID) == first


def test_each_side_has_another() -> None:
    assert [side.other for side in Side] == [Side.OUTLOOK, Side.DYNAMICS]


def test_what_was_moved_is_told_with_its_time_and_length() -> None:
    verdict = judged(event_at=ANOTHER)
    assert isinstance(verdict, Objection)
    assert verdict.reason.endswith(f"{ANOTHER.start_at:%Y-%m-%d %H:%M} UTC (60 min).")
