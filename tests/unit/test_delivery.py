"""The decision table of Dynamics to Outlook, where a booking is to have its event. Each id is the claim of its row.

Who it is booked on by now is in `test_delivery_technicians.py`, what is to go in `test_delivery_removal.py`.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from sync.core.actions import LeaveAlone, Reason, RecordAgreement
from sync.core.delivery import Decision, decide_delivery
from sync.core.delivery_steps import (
    AdoptEvent,
    CreateEvent,
    NameEvent,
    ReadEvent,
    RemoveEvent,
    RescheduleBooking,
    RewriteEvent,
    SearchEvent,
)
from sync.core.memory import Link
from sync.core.reconcile import ABSENT, OnCancellation, Policy, ReadState, Scope, Winner
from sync.core.sides import BookingPhase, Event, EventAddress, WorkOrder, event_hash
from tests.unit.values import (
    AGREED,
    BOOKING_ID,
    CONTENT,
    COPY_ID,
    EARLIER,
    EVENT_ID,
    FAR_AHEAD,
    JUST_OVER,
    LATER,
    MAILBOX,
    MOVED,
    MOVED_ELSEWHERE,
    OTHER_MAILBOX,
    a_booking,
    a_copy,
    a_delivered_link,
    a_delivery,
    an_event,
)

ETAG = a_booking().etag
EVENT_ETAG = an_event().etag
HOME = EventAddress(MAILBOX, EVENT_ID)
COPY = EventAddress(MAILBOX, COPY_ID)
FORMER = EventAddress(OTHER_MAILBOX, "AAMkAGI2-former=")
NOTHING: frozenset[str] = frozenset()
EVERYTHING = frozenset(CONTENT.digests())
RENAMED = replace(CONTENT, subject="Another subject")
SUBJECT = frozenset({"subject"})
KEEPING = Policy(on_cancellation=OnCancellation.KEEP)
NAMELESS = {"event_id": None, "event_hash": None}
OF_FORMER = {"event_id": FORMER.event_id, "event_hash": event_hash(*FORMER)}
"""The columns of a booking that has come over from a former technician."""


@pytest.mark.parametrize(
    ("different", "decision"),
    [
        pytest.param({}, RecordAgreement(AGREED), id="as agreed: nothing is read, nothing is written"),
        pytest.param({"booking": a_booking(span=MOVED)}, ReadEvent(HOME), id="moved: first the event"),
        pytest.param(
            {"booking": a_booking(span=MOVED), "is_guarded": True},
            RewriteEvent(EVENT_ETAG, MOVED, CONTENT, NOTHING, Reason.MOVED_IN_DYNAMICS),
            id="moved, and Graph guards the write: the event need not be read",
        ),
        pytest.param(
            {"booking": a_booking(span=MOVED), "is_guarded": True, "link": a_delivered_link(event_etag="")},
            ReadEvent(HOME),
            id="moved, but the event's etag is not known: first the event",
        ),
        pytest.param(
            {"content": RENAMED},
            RewriteEvent(None, None, RENAMED, SUBJECT, Reason.DETAILS_CHANGED),
            id="a detail changed: that field is written, over whatever the technician made of it",
        ),
        pytest.param(
            {"content": RENAMED, "booking": a_booking(span=MOVED), "is_guarded": True},
            RewriteEvent(EVENT_ETAG, MOVED, RENAMED, SUBJECT, Reason.MOVED_IN_DYNAMICS),
            id="a move and a detail are one write",
        ),
    ],
)
def test_a_booking_whose_event_has_not_been_read(different: dict[str, Any], decision: Decision) -> None:
    assert decide_delivery(a_delivery(**different), Policy()) == decision


@pytest.mark.parametrize(
    ("different", "decision"),
    [
        pytest.param({"event": an_event()}, RecordAgreement(AGREED), id="both as agreed"),
        pytest.param(
            {"event": an_event(span=MOVED), "booking": a_booking(span=MOVED)},
            RecordAgreement(MOVED),
            id="both moved to the same time: no conflict",
        ),
        pytest.param(
            {"event": an_event(), "content": RENAMED},
            RewriteEvent(None, None, RENAMED, SUBJECT, Reason.DETAILS_CHANGED),
            id="at the same time, with a detail to write",
        ),
        pytest.param(
            {"event": an_event(booking_id=None)},
            RewriteEvent(None, None, CONTENT, NOTHING, Reason.DETAILS_CHANGED, marks=True),
            id="an event without our mark gets it",
        ),
        pytest.param(
            {"event": an_event(booking_id=None), "booking": a_booking(span=MOVED)},
            RewriteEvent(EVENT_ETAG, MOVED, CONTENT, NOTHING, Reason.MOVED_IN_DYNAMICS, marks=True),
            id="together with the new times",
        ),
        pytest.param(
            {"event": an_event(etag="newer"), "booking": a_booking(span=MOVED)},
            RewriteEvent("newer", MOVED, CONTENT, NOTHING, Reason.MOVED_IN_DYNAMICS),
            id="the booking moved: the event follows, from the state that was read",
        ),
        pytest.param(
            {"event": an_event(span=MOVED)},
            RescheduleBooking(ETAG, MOVED, Reason.MOVED_IN_OUTLOOK),
            id="the event moved: the booking follows",
        ),
        pytest.param(
            {"event": an_event(type="seriesMaster"), "booking": a_booking(span=MOVED)},
            LeaveAlone(Reason.SERIES),
            id="a series has no one time",
        ),
        pytest.param(
            {"event": an_event(is_all_day=True), "booking": a_booking(span=MOVED)},
            LeaveAlone(Reason.ALL_DAY),
            id="nor has a whole day",
        ),
    ],
)
def test_booking_event_and_agreement_side_by_side(different: dict[str, Any], decision: Decision) -> None:
    assert decide_delivery(a_delivery(**different), Policy()) == decision


@pytest.mark.parametrize(
    ("winner", "event_at", "booking_at", "decision"),
    [
        pytest.param(
            Winner.DYNAMICS,
            LATER,
            EARLIER,
            RewriteEvent(EVENT_ETAG, MOVED, CONTENT, NOTHING, Reason.CONFLICT, loser=MOVED_ELSEWHERE),
            id="dynamics wins though Outlook was later",
        ),
        pytest.param(
            Winner.OUTLOOK,
            EARLIER,
            LATER,
            RescheduleBooking(ETAG, MOVED_ELSEWHERE, Reason.CONFLICT, loser=MOVED),
            id="outlook wins though Dynamics was later",
        ),
        pytest.param(
            Winner.LATEST,
            EARLIER,
            LATER,
            RewriteEvent(EVENT_ETAG, MOVED, CONTENT, NOTHING, Reason.CONFLICT, loser=MOVED_ELSEWHERE),
            id="the later one is the booking",
        ),
        pytest.param(
            Winner.LATEST,
            LATER,
            EARLIER,
            RescheduleBooking(ETAG, MOVED_ELSEWHERE, Reason.CONFLICT, loser=MOVED),
            id="the later one is the event",
        ),
    ],
)
def test_both_sides_moved_and_the_loser_is_kept_for_the_journal(
    winner: Winner, event_at: datetime, booking_at: datetime, decision: Decision
) -> None:
    delivery = a_delivery(
        event=an_event(span=MOVED_ELSEWHERE, modified_at=event_at),
        booking=a_booking(span=MOVED, modified_at=booking_at),
    )
    assert decide_delivery(delivery, Policy(conflict_winner=winner)) == decision


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        pytest.param(BookingPhase.COMPLETED, Reason.BOOKING_COMPLETED, id="finished work keeps its hours"),
        pytest.param(BookingPhase.CANCELLED, Reason.BOOKING_CANCELLED, id="a cancelled visit is not moved"),
    ],
)
def test_a_booking_that_is_over_does_not_follow_its_event(phase: BookingPhase, reason: Reason) -> None:
    delivery = a_delivery(event=an_event(span=MOVED), booking=a_booking(phase=phase))
    assert decide_delivery(delivery, KEEPING) == LeaveAlone(reason)


@pytest.mark.parametrize("phase", [BookingPhase.COMPLETED, BookingPhase.CANCELLED])
def test_an_event_that_was_moved_still_learns_that_its_visit_is_over(phase: BookingPhase) -> None:
    delivery = a_delivery(event=an_event(span=MOVED), booking=a_booking(phase=phase), content=RENAMED)
    assert decide_delivery(delivery, KEEPING) == RewriteEvent(None, None, RENAMED, SUBJECT, Reason.DETAILS_CHANGED)


@pytest.mark.parametrize(
    "gone", [pytest.param(ABSENT, id="not found"), pytest.param(an_event(is_cancelled=True), id="cancelled")]
)
@pytest.mark.parametrize(
    ("different", "decision"),
    [
        pytest.param({}, LeaveAlone(Reason.GONE_UNREPORTED), id="as agreed: whoever deleted it will be heard"),
        pytest.param({"booking": a_booking(span=MOVED)}, SearchEvent(MAILBOX), id="moved: was it replaced?"),
        pytest.param(
            {"booking": a_booking(span=MOVED), "found": a_copy(span=MOVED_ELSEWHERE)},
            AdoptEvent(
                a_copy(span=MOVED_ELSEWHERE),
                MOVED_ELSEWHERE,
                2,
                Reason.EVENT_REPLACED,
                leftover=HOME,
                loser=MOVED_ELSEWHERE,
            ),
            id="moved, and a copy lives: it takes the place, to be moved next",
        ),
        pytest.param(
            {"booking": a_booking(span=MOVED), "found": ABSENT},
            CreateEvent(MAILBOX, MOVED, CONTENT, 2, Reason.EDIT_BEATS_DELETION, leftover=HOME),
            id="moved, and nothing took its place: the edit beats the deletion",
        ),
        pytest.param(
            {"booking": a_booking(span=MOVED), "link": a_delivered_link(leftover=FORMER)},
            ReadEvent(FORMER, is_elsewhere=True),
            id="moved, and something is left elsewhere: that goes first, for a link can hold one",
        ),
        pytest.param({"was_removed": True}, SearchEvent(MAILBOX), id="it was us: was it replaced?"),
        pytest.param(
            {"was_removed": True, "found": a_copy()},
            AdoptEvent(a_copy(), AGREED, 2, Reason.EVENT_REPLACED, leftover=HOME),
            id="it was us, and a copy lives: it takes the place",
        ),
        pytest.param(
            {"was_removed": True, "found": ABSENT},
            CreateEvent(MAILBOX, AGREED, CONTENT, 2, Reason.EDIT_BEATS_DELETION, leftover=HOME),
            id="it was us, for a reason that is none any more: nobody deleted it, and there is a new one",
        ),
        pytest.param(
            {"booking": a_booking(span=JUST_OVER)},
            LeaveAlone(Reason.PAST_EVENT),
            id="moved into the past: a visit that is over gets no new event",
        ),
        pytest.param(
            {"booking": a_booking(span=JUST_OVER), "was_removed": True},
            LeaveAlone(Reason.PAST_EVENT),
            id="it was us, and the visit is over by now",
        ),
        pytest.param(
            {"booking": a_booking(span=FAR_AHEAD), "found": ABSENT},
            CreateEvent(MAILBOX, FAR_AHEAD, CONTENT, 2, Reason.EDIT_BEATS_DELETION, leftover=HOME),
            id="moved out of the window: it had an event, and keeps one",
        ),
        pytest.param(
            {"booking": a_booking(phase=BookingPhase.COMPLETED), "was_removed": True},
            LeaveAlone(Reason.GONE_UNREPORTED),
            id="it was us, and the work is done: it gets no new event",
        ),
        pytest.param(
            {"booking": a_booking(span=MOVED, phase=BookingPhase.COMPLETED)},
            LeaveAlone(Reason.GONE_UNREPORTED),
            id="finished work gets no new event",
        ),
        pytest.param(
            {"booking": a_booking(span=MOVED, phase=BookingPhase.CANCELLED)},
            LeaveAlone(Reason.GONE_UNREPORTED),
            id="nor does a cancelled visit",
        ),
    ],
)
def test_the_event_is_not_there_any_more(
    gone: Event | ReadState, different: dict[str, Any], decision: Decision
) -> None:
    assert decide_delivery(a_delivery(event=gone, **different), KEEPING) == decision


@pytest.mark.parametrize("link", [a_delivered_link(), None], ids=["its own event", "without link"])
def test_a_cancelled_event_takes_no_place(link: Link | None) -> None:
    cancelled = an_event(is_cancelled=True)
    booking = a_booking(span=MOVED) if link else a_booking(span=MOVED, **NAMELESS)
    delivery = a_delivery(link=link, booking=booking, event=cancelled, found=cancelled)
    assert isinstance(decide_delivery(delivery, Policy()), CreateEvent)


# No link: a new booking, or our tables were lost


@pytest.mark.parametrize(
    ("different", "decision"),
    [
        pytest.param({}, SearchEvent(MAILBOX), id="somebody may have made an event: it is searched for"),
        pytest.param(
            {"is_new": True},
            CreateEvent(MAILBOX, AGREED, CONTENT, 1, Reason.NEW_BOOKING),
            id="nobody can have made one yet: one write",
        ),
        pytest.param(
            {"is_new": True, "is_unfinished": True},
            SearchEvent(MAILBOX),
            id="a worker that did not finish may have: it is searched for",
        ),
        pytest.param(
            {"found": ABSENT},
            CreateEvent(MAILBOX, AGREED, CONTENT, 1, Reason.NEW_BOOKING),
            id="there is none: one is made",
        ),
        pytest.param(
            {"found": a_copy(booking_id=None)},
            AdoptEvent(a_copy(booking_id=None), AGREED, 1, Reason.EVENT_FOUND),
            id="one that was made by hand is adopted",
        ),
        pytest.param(
            {"found": a_copy(span=MOVED)},
            AdoptEvent(a_copy(span=MOVED), MOVED, 1, Reason.EVENT_FOUND, loser=MOVED),
            id="one that is elsewhere is adopted where it is, and then moved",
        ),
        pytest.param(
            {"booking": a_booking(phase=BookingPhase.COMPLETED, **NAMELESS)},
            LeaveAlone(Reason.BOOKING_COMPLETED),
            id="finished work gets none",
        ),
        pytest.param(
            {"booking": a_booking(phase=BookingPhase.CANCELLED, **NAMELESS)},
            LeaveAlone(Reason.BOOKING_CANCELLED),
            id="a cancelled visit gets none",
        ),
        pytest.param(
            {"booking": a_booking(span=FAR_AHEAD, **NAMELESS)},
            LeaveAlone(Reason.OUTSIDE_WINDOW),
            id="a visit outside the window gets none yet",
        ),
        pytest.param(
            {"booking": a_booking(**OF_FORMER)},
            SearchEvent(MAILBOX),
            id="the event that it names is in another calendar",
        ),
        pytest.param(
            {"booking": a_booking(event_id=None, event_hash=event_hash(*HOME))},
            SearchEvent(MAILBOX),
            id="a digest alone leads to no event",
        ),
    ],
)
def test_a_booking_that_has_no_event_that_we_know_of(different: dict[str, Any], decision: Decision) -> None:
    delivery = a_delivery(**{"link": None, "booking": a_booking(**NAMELESS), **different})
    assert decide_delivery(delivery, KEEPING) == decision


@pytest.mark.parametrize("phase", sorted(set(BookingPhase) - {BookingPhase.CANCELLED, BookingPhase.COMPLETED}))
def test_work_that_is_not_over_gets_an_event(phase: BookingPhase) -> None:
    delivery = a_delivery(link=None, booking=a_booking(phase=phase, **NAMELESS), is_new=True)
    assert isinstance(decide_delivery(delivery, Policy()), CreateEvent)


@pytest.mark.parametrize(
    ("different", "decision"),
    [
        pytest.param({}, ReadEvent(HOME), id="it is read"),
        pytest.param(
            {"booking": a_booking(event_hash=None)}, ReadEvent(HOME), id="also when it is named without a digest"
        ),
        pytest.param(
            {"event": ABSENT},
            LeaveAlone(Reason.GONE_UNREPORTED),
            id="it is absent: perhaps it was deleted, a full round finds out",
        ),
        pytest.param(
            {"event": ABSENT, "was_removed": True},
            SearchEvent(MAILBOX),
            id="it had ended, and the visit is open: it gets another",
        ),
        pytest.param(
            {"event": ABSENT, "was_removed": True, "found": ABSENT},
            CreateEvent(MAILBOX, AGREED, CONTENT, 1, Reason.EDIT_BEATS_DELETION),
            id="it had ended, and there is no copy of it",
        ),
        pytest.param(
            {"event": ABSENT, "was_removed": True, "booking": a_booking(phase=BookingPhase.IN_PROGRESS)},
            LeaveAlone(Reason.GONE_UNREPORTED),
            id="it had ended while work went on, which still goes on",
        ),
        pytest.param(
            {"event": ABSENT, "was_removed": True, "booking": a_booking(span=JUST_OVER)},
            LeaveAlone(Reason.PAST_EVENT),
            id="it was tidied up when the visit was over: it gets no other",
        ),
        pytest.param(
            {"event": ABSENT, "was_removed": True, "booking": a_booking(span=MOVED), "found": ABSENT},
            CreateEvent(MAILBOX, MOVED, CONTENT, 1, Reason.EDIT_BEATS_DELETION),
            id="it was tidied up, and the visit is planned anew: it gets another",
        ),
        pytest.param({"event": an_event(type="seriesMaster")}, LeaveAlone(Reason.SERIES), id="it is a series now"),
        pytest.param({"event": an_event(is_all_day=True)}, LeaveAlone(Reason.ALL_DAY), id="it is of a whole day now"),
        pytest.param(
            {"event": an_event()}, AdoptEvent(an_event(), AGREED, 1, Reason.EVENT_FOUND), id="at the same time"
        ),
        pytest.param(
            {"event": an_event(span=MOVED), "booking": a_booking(modified_at=LATER)},
            AdoptEvent(an_event(span=MOVED), MOVED, 1, Reason.NO_AGREED_STATE, loser=MOVED),
            id="the booking was changed later: its times will stand",
        ),
        pytest.param(
            {"event": an_event(span=MOVED, modified_at=LATER)},
            AdoptEvent(an_event(span=MOVED, modified_at=LATER), AGREED, 1, Reason.NO_AGREED_STATE, loser=AGREED),
            id="the event was changed later: its times will stand",
        ),
    ],
)
def test_a_booking_names_an_event_that_we_know_nothing_about(different: dict[str, Any], decision: Decision) -> None:
    assert decide_delivery(a_delivery(**{"link": None, **different}), Policy()) == decision


# Link and columns


@pytest.mark.parametrize(
    ("different", "decision"),
    [
        pytest.param({"booking": a_booking(**NAMELESS)}, NameEvent(ETAG), id="the columns are empty"),
        pytest.param(
            {"booking": a_booking(**OF_FORMER), "link": a_delivered_link(is_named=False, leftover=FORMER)},
            NameEvent(ETAG),
            id="they name the former technician's event: first the new one, then that goes",
        ),
        pytest.param(
            {
                "booking": a_booking(event_id=COPY_ID),
                "link": a_delivered_link(is_named=False, named_before=event_hash(*COPY), leftover=COPY),
            },
            NameEvent(ETAG),
            id="they say what they said when the event was made: nobody was quicker",
        ),
        pytest.param(
            {
                "booking": a_booking(event_id=COPY_ID, event_hash=None),
                "link": a_delivered_link(is_named=False, named_before=COPY_ID),
            },
            NameEvent(ETAG),
            id="also without a digest",
        ),
        pytest.param(
            {"link": a_delivered_link(is_named=False)},
            NameEvent(ETAG),
            id="they name it already, but nobody lived to note it",
        ),
        pytest.param(
            {"booking": a_booking(undelivered="The technician's mailbox cannot be reached.")},
            NameEvent(ETAG),
            id="the booking still says that it has none",
        ),
        pytest.param(
            {"link": a_delivered_link(leftover=FORMER)},
            ReadEvent(FORMER, is_elsewhere=True),
            id="the former technician's event goes once the new one is named",
        ),
        pytest.param(
            {"booking": a_booking(event_id=COPY_ID), "link": a_delivered_link(is_named=False, named_before=EVENT_ID)},
            RemoveEvent(HOME, None, Reason.DUPLICATE),
            id="somebody else was quicker: ours is one too many",
        ),
        pytest.param(
            {"booking": a_booking(event_id=COPY_ID)},
            ReadEvent(COPY),
            id="the booking was given another event since: that is read",
        ),
        pytest.param(
            {"booking": a_booking(event_id=COPY_ID), "link": a_delivered_link(leftover=FORMER)},
            ReadEvent(FORMER, is_elsewhere=True),
            id="given another event since, and something is left elsewhere: that goes first, for a link can hold one",
        ),
    ],
)
def test_link_and_columns_are_made_to_name_the_same_event(different: dict[str, Any], decision: Decision) -> None:
    assert decide_delivery(a_delivery(**different), Policy()) == decision


def test_an_event_that_another_one_replaced_is_removed() -> None:
    delivery = a_delivery(booking=a_booking(event_id=COPY_ID), event=a_copy())
    assert decide_delivery(delivery, Policy()) == AdoptEvent(a_copy(), AGREED, 2, Reason.EVENT_FOUND, leftover=HOME)


def test_an_event_that_was_never_written_by_us_gets_our_mark_unread() -> None:
    """It may have been adopted by a worker that did not live to mark it, or lost from sight since."""
    delivery = a_delivery(link=a_delivered_link(written={}))
    expected = RewriteEvent(None, None, CONTENT, EVERYTHING, Reason.DETAILS_CHANGED, marks=True)
    assert decide_delivery(delivery, Policy()) == expected


def test_after_an_unfinished_run_the_event_is_read_before_it_is_believed_in() -> None:
    """A cancellation that was taken back while its event was being removed."""
    assert decide_delivery(a_delivery(is_unfinished=True), Policy()) == ReadEvent(HOME)


def test_a_booking_in_scope_is_delivered_whatever_the_scope() -> None:
    booking = a_booking(work_order=WorkOrder(work_order_id=BOOKING_ID))
    assert decide_delivery(a_delivery(booking=booking), Policy(scope=Scope.WORK_ORDERS)) == RecordAgreement(AGREED)
