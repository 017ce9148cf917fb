"""The decision table of Dynamics to Outlook, where an event is to go. Each id is the claim of its row."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from sync.core.actions import EndEvent, LeaveAlone, Reason
from sync.core.delivery import Decision, decide_delivery
from sync.core.delivery_removal import remove_stray
from sync.core.delivery_state import UNDELIVERED
from sync.core.delivery_steps import ForgetEvent, NameEvent, ReadEvent, RemoveEvent
from sync.core.mailboxes import QuarantineKind
from sync.core.memory import Link
from sync.core.reconcile import ABSENT, Policy, Scope
from sync.core.sides import Booking, BookingPhase, Event, EventAddress, event_hash
from tests.unit.values import (
    COPY_ID,
    EVENT_ID,
    JUST_OVER,
    MAILBOX,
    NOW,
    OTHER_MAILBOX,
    a_booking,
    a_delivered_link,
    a_delivery,
    an_event,
)

ETAG = a_booking().etag
EVENT_ETAG = an_event().etag
HOME = EventAddress(MAILBOX, EVENT_ID)
COPY = EventAddress(MAILBOX, COPY_ID)
FORMER = EventAddress(OTHER_MAILBOX, "AAMkAGI2-former=")
AT_FORMER = a_delivered_link(mailbox_id=FORMER.mailbox_id, event_id=FORMER.event_id)
CANCELLED = a_booking(phase=BookingPhase.CANCELLED)
NO_MAILBOX = UNDELIVERED[Reason.NO_MAILBOX]
NAMELESS = {"event_id": None, "event_hash": None}


class Away(NamedTuple):
    """A booking that shall have no event, why, and what the dispatcher then reads."""

    booking: Booking
    policy: Policy
    reason: Reason
    undelivered: str = ""


whatever_the_reason = pytest.mark.parametrize(
    "away",
    [
        pytest.param(Away(CANCELLED, Policy(), Reason.CANCELLED_IN_DYNAMICS), id="cancelled"),
        pytest.param(
            Away(a_booking(mailbox_id=None), Policy(), Reason.NO_MAILBOX, NO_MAILBOX), id="the resource is no user"
        ),
        pytest.param(Away(a_booking(), Policy(scope=Scope.WORK_ORDERS), Reason.OUT_OF_SCOPE), id="out of scope"),
    ],
)


@whatever_the_reason
def test_a_booking_that_shall_have_no_event_and_has_none(away: Away) -> None:
    nameless = replace(away.booking, event_id=None, event_hash=None)
    assert decide_delivery(a_delivery(booking=nameless, link=None), away.policy) == LeaveAlone(away.reason)


@whatever_the_reason
def test_the_linked_event_is_read_and_removed_and_the_columns_are_emptied(away: Away) -> None:
    delivery = a_delivery(booking=away.booking)
    assert decide_delivery(delivery, away.policy) == ReadEvent(HOME)
    read = replace(delivery, event=an_event(etag="newer"))
    assert decide_delivery(read, away.policy) == RemoveEvent(HOME, "newer", away.reason, ETAG, away.undelivered)


@whatever_the_reason
def test_it_is_read_though_graph_guards_the_etags_of_changes(away: Away) -> None:
    """What becomes of a deletion at a stale etag is not known, and the event may be a series by now."""
    delivery = a_delivery(booking=away.booking, is_guarded=True)
    assert decide_delivery(delivery, away.policy) == ReadEvent(HOME)


@whatever_the_reason
def test_what_a_former_technician_still_has_goes_first(away: Away) -> None:
    delivery = a_delivery(booking=away.booking, link=a_delivered_link(leftover=FORMER))
    assert decide_delivery(delivery, away.policy) == ReadEvent(FORMER, is_elsewhere=True)


@whatever_the_reason
def test_without_a_link_a_hint_leads_to_the_event(away: Away) -> None:
    delivery = a_delivery(booking=away.booking, link=None, hint=HOME)
    assert decide_delivery(delivery, away.policy) == ReadEvent(HOME)
    read = replace(delivery, event=an_event())
    assert decide_delivery(read, away.policy) == RemoveEvent(HOME, EVENT_ETAG, away.reason, ETAG, away.undelivered)


@pytest.mark.parametrize(
    ("different", "decision"),
    [
        pytest.param({"link": None}, ReadEvent(HOME), id="the columns lead to it when our tables were lost"),
        pytest.param(
            {"link": None, "booking": replace(CANCELLED, event_hash=event_hash(*FORMER))},
            LeaveAlone(Reason.CANCELLED_IN_DYNAMICS),
            id="but not to another calendar",
        ),
        pytest.param(
            {"booking": a_booking(phase=BookingPhase.CANCELLED, event_id=None), "event": an_event()},
            RemoveEvent(HOME, EVENT_ETAG, Reason.CANCELLED_IN_DYNAMICS),
            id="columns that are empty need no write",
        ),
        pytest.param(
            {"booking": a_booking(mailbox_id=None, **NAMELESS), "event": an_event()},
            RemoveEvent(HOME, EVENT_ETAG, Reason.NO_MAILBOX, ETAG, NO_MAILBOX),
            id="unless the dispatcher has to be told",
        ),
        pytest.param(
            {"booking": a_booking(mailbox_id=None, undelivered=NO_MAILBOX, **NAMELESS), "event": an_event()},
            RemoveEvent(HOME, EVENT_ETAG, Reason.NO_MAILBOX, None, NO_MAILBOX),
            id="and has not been",
        ),
        pytest.param(
            {"event": ABSENT},
            ForgetEvent(HOME, Reason.CANCELLED_IN_DYNAMICS, ETAG, is_gone=True),
            id="an event that is gone already is forgotten",
        ),
        pytest.param(
            {"event": an_event(type="seriesMaster")},
            ForgetEvent(HOME, Reason.SERIES, ETAG),
            id="a series stays: the technician has made it something of their own",
        ),
        pytest.param(
            {"event": an_event(is_all_day=True)},
            RemoveEvent(HOME, EVENT_ETAG, Reason.CANCELLED_IN_DYNAMICS, ETAG),
            id="an event of a whole day goes all the same",
        ),
        pytest.param(
            {"event": an_event(booking_id=None)},
            RemoveEvent(HOME, EVENT_ETAG, Reason.CANCELLED_IN_DYNAMICS, ETAG),
            id="an event that lost its mark is ours by its link",
        ),
        pytest.param(
            {"link": None, "event": an_event(booking_id=None)},
            ForgetEvent(HOME, Reason.NOT_OURS, ETAG),
            id="an event that only the columns name must say itself that it is ours",
        ),
        pytest.param(
            {"link": None, "event": an_event(booking_id="another")},
            ForgetEvent(HOME, Reason.NOT_OURS, ETAG),
            id="and whose it is",
        ),
        pytest.param(
            {"event": an_event(span=JUST_OVER)},
            ForgetEvent(HOME, Reason.PAST_EVENT, ETAG),
            id="an event that is over stays in the calendar",
        ),
        pytest.param(
            {"event": an_event(span=replace(JUST_OVER, end_at=NOW + timedelta(seconds=1)))},
            RemoveEvent(HOME, EVENT_ETAG, Reason.CANCELLED_IN_DYNAMICS, ETAG),
            id="one that is not quite over goes",
        ),
        pytest.param(
            {"event": an_event(), "link": a_delivered_link(agreed=JUST_OVER)},
            RemoveEvent(HOME, EVENT_ETAG, Reason.CANCELLED_IN_DYNAMICS, ETAG),
            id="one that was moved ahead meanwhile is not over",
        ),
    ],
)
def test_the_event_of_a_cancelled_booking(different: dict[str, Any], decision: Decision) -> None:
    assert decide_delivery(a_delivery(**{"booking": CANCELLED, **different}), Policy()) == decision


def test_an_event_that_is_over_goes_too_when_the_customer_says_so() -> None:
    delivery = a_delivery(booking=CANCELLED, event=an_event(span=JUST_OVER))
    expected = RemoveEvent(HOME, EVENT_ETAG, Reason.CANCELLED_IN_DYNAMICS, ETAG)
    assert decide_delivery(delivery, Policy(keeps_past_events=False)) == expected


def test_an_event_is_not_left_as_over_unread() -> None:
    delivery = a_delivery(booking=CANCELLED, link=a_delivered_link(agreed=JUST_OVER))
    assert decide_delivery(delivery, Policy()) == ReadEvent(HOME)


def test_columns_that_name_another_event_are_not_emptied_with_this_one() -> None:
    booking = a_booking(event_id=COPY_ID, phase=BookingPhase.CANCELLED)
    decision = decide_delivery(a_delivery(booking=booking, event=an_event()), Policy())
    assert decision == RemoveEvent(HOME, EVENT_ETAG, Reason.CANCELLED_IN_DYNAMICS, clears=None)


# The new technician's calendar is not written: the former one's is cleared all the same


@pytest.mark.parametrize(
    ("columns", "different", "reason"),
    [
        pytest.param({"is_user_enabled": False}, {}, Reason.USER_DISABLED, id="disabled"),
        pytest.param({}, {"is_synced": False}, Reason.NOT_SYNCED, id="not kept in sync"),
        pytest.param({}, {"quarantine": QuarantineKind.UNREACHABLE}, Reason.UNREACHABLE, id="unreachable"),
        pytest.param({}, {"quarantine": QuarantineKind.MICROSOFT_SYNC}, Reason.MICROSOFT_SYNC, id="Microsoft's"),
    ],
)
def test_the_former_technician_loses_the_event_and_the_dispatcher_is_told(
    columns: dict[str, Any], different: dict[str, Any], reason: Reason
) -> None:
    booking = a_booking(event_id=FORMER.event_id, event_hash=event_hash(*FORMER), **columns)
    delivery = a_delivery(booking=booking, link=AT_FORMER, event=an_event(), **different)
    assert decide_delivery(delivery, Policy()) == RemoveEvent(FORMER, EVENT_ETAG, reason, ETAG, UNDELIVERED[reason])


def test_a_leftover_goes_though_the_technician_is_out_of_reach() -> None:
    delivery = a_delivery(link=a_delivered_link(leftover=FORMER), quarantine=QuarantineKind.UNREACHABLE)
    assert decide_delivery(delivery, Policy()) == ReadEvent(FORMER, is_elsewhere=True)


def test_a_leftover_goes_before_the_link_that_holds_it() -> None:
    booking = a_booking(is_user_enabled=False)
    leftover = EventAddress("third", "event")
    delivery = a_delivery(booking=booking, link=replace(AT_FORMER, leftover=leftover))
    assert decide_delivery(delivery, Policy()) == ReadEvent(leftover, is_elsewhere=True)


@pytest.mark.parametrize(
    "booking",
    [
        pytest.param(a_booking(is_user_enabled=False), id="the technician is disabled"),
        pytest.param(a_booking(phase=BookingPhase.COMPLETED), id="the work is done"),
    ],
)
def test_an_event_that_somebody_came_across_elsewhere_goes_when_our_tables_are_lost(booking: Booking) -> None:
    named_elsewhere = replace(booking, event_id=FORMER.event_id, event_hash=event_hash(*FORMER))
    delivery = a_delivery(booking=named_elsewhere, link=None, hint=FORMER)
    assert decide_delivery(delivery, Policy()) == ReadEvent(FORMER, is_elsewhere=True)


# Events that somebody came across


@pytest.mark.parametrize(
    ("hint", "link", "is_stray"),
    [
        pytest.param(FORMER, a_delivered_link(), True, id="one in another calendar is a stray"),
        pytest.param(HOME, a_delivered_link(), False, id="the booking's own is none"),
        pytest.param(COPY, a_delivered_link(), False, id="a copy in the technician's calendar is the technician's"),
        pytest.param(FORMER, a_delivered_link(leftover=FORMER), False, id="one that is to go anyway goes in its turn"),
        pytest.param(FORMER, AT_FORMER, False, id="the one to be replaced goes when it is replaced"),
        pytest.param(FORMER, None, True, id="our tables may be lost"),
        pytest.param(None, a_delivered_link(), False, id="nobody came across any"),
    ],
)
def test_which_events_are_strays(hint: EventAddress | None, link: Link | None, is_stray: bool) -> None:
    step = remove_stray(a_delivery(hint=hint, link=link), a_booking())
    assert step == (ReadEvent(FORMER, is_elsewhere=True) if is_stray else None)


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({}, id="in agreement"),
        pytest.param({"quarantine": QuarantineKind.UNREACHABLE}, id="or left alone"),
    ],
)
def test_a_stray_goes_when_all_else_is_done(different: dict[str, Any]) -> None:
    delivery = a_delivery(hint=FORMER, **different)
    assert decide_delivery(delivery, Policy()) == ReadEvent(FORMER, is_elsewhere=True)
    to_be_named = replace(delivery, link=a_delivered_link(is_named=False), quarantine=None)
    assert decide_delivery(to_be_named, Policy()) == NameEvent(ETAG)


# What is left elsewhere, to be removed


def a_former_event(**different: Any) -> Event:
    return an_event(mailbox_id=FORMER.mailbox_id, event_id=FORMER.event_id, etag="former", **different)


@pytest.mark.parametrize(
    ("different", "decision"),
    [
        pytest.param({}, ReadEvent(FORMER, is_elsewhere=True), id="it is read"),
        pytest.param(
            {"is_guarded": True},
            ReadEvent(FORMER, is_elsewhere=True),
            id="though Graph guards the etags of changes",
        ),
        pytest.param(
            {"elsewhere": a_former_event()}, RemoveEvent(FORMER, "former", Reason.LEFTOVER), id="it is removed as read"
        ),
        pytest.param(
            {"elsewhere": a_former_event(span=JUST_OVER)},
            RemoveEvent(FORMER, "former", Reason.LEFTOVER),
            id="also when it is over: the visit is another's",
        ),
        pytest.param(
            {"elsewhere": a_former_event(type="seriesMaster")},
            ForgetEvent(FORMER, Reason.SERIES),
            id="a series is its owner's by now",
        ),
        pytest.param({"elsewhere": ABSENT}, ForgetEvent(FORMER, Reason.LEFTOVER, is_gone=True), id="it is gone"),
    ],
)
def test_the_event_of_a_former_technician(different: dict[str, Any], decision: Decision) -> None:
    link = a_delivered_link(leftover=FORMER)
    assert decide_delivery(a_delivery(**{"link": link, **different}), Policy()) == decision


# The booking does not exist

DELETED = {"booking": ABSENT, "content": None, "is_reported_deleted": True}


@pytest.mark.parametrize(
    ("different", "decision"),
    [
        pytest.param(
            {"link": None}, EndEvent(Reason.BOOKING_ABSENT), id="and no event is known: there is nothing to do"
        ),
        pytest.param({"is_reported_deleted": False}, LeaveAlone(Reason.GONE_UNREPORTED), id="not found is no proof"),
        pytest.param(
            {"is_reported_deleted": False, "link": None, "hint": HOME},
            LeaveAlone(Reason.GONE_UNREPORTED),
            id="nor is it when an event leads to it",
        ),
        pytest.param({}, ReadEvent(HOME), id="reported deleted: the event is read"),
        pytest.param(
            {"event": an_event()}, RemoveEvent(HOME, EVENT_ETAG, Reason.DELETED_IN_DYNAMICS), id="and removed"
        ),
        pytest.param(
            {"event": an_event(span=JUST_OVER)}, ForgetEvent(HOME, Reason.PAST_EVENT), id="one that is over stays"
        ),
        pytest.param(
            {"event": ABSENT},
            ForgetEvent(HOME, Reason.DELETED_IN_DYNAMICS, is_gone=True),
            id="one that is gone is forgotten",
        ),
        pytest.param(
            {"link": a_delivered_link(leftover=FORMER)},
            ReadEvent(FORMER, is_elsewhere=True),
            id="what a former technician still has goes first",
        ),
        pytest.param(
            {"link": None, "hint": HOME}, ReadEvent(HOME), id="the report leads to it when our tables were lost"
        ),
        pytest.param(
            {"link": None, "hint": HOME, "event": an_event()},
            RemoveEvent(HOME, EVENT_ETAG, Reason.DELETED_IN_DYNAMICS),
            id="and the mark says that it is one of ours",
        ),
        pytest.param(
            {"link": None, "hint": HOME, "event": an_event(booking_id=None)},
            ForgetEvent(HOME, Reason.NOT_OURS),
            id="an event that bears none is not",
        ),
    ],
)
def test_a_booking_that_does_not_exist(different: dict[str, Any], decision: Decision) -> None:
    assert decide_delivery(a_delivery(**{**DELETED, **different}), Policy()) == decision


def test_the_event_of_another_booking_stays_when_this_one_is_deleted() -> None:
    """A booking that was copied with its columns, without a digest."""
    delivery = a_delivery(**DELETED, link=None, hint=HOME, event=an_event(booking_id="another"))
    assert not isinstance(decide_delivery(delivery, Policy()), RemoveEvent)
