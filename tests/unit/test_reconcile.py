"""The decision table, row by row. Each id is the claim that its row makes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import pytest

from sync.core.actions import (
    Action,
    AdoptTwin,
    CancelBooking,
    ClearEventId,
    DeleteBooking,
    EndEvent,
    HandOver,
    LeaveAlone,
    LocateEvent,
    LookAgain,
    ReadBooking,
    Reading,
    Reason,
    RecordAgreement,
    RememberForeign,
    SearchTwin,
    UpdateBooking,
    UpdateEvent,
)
from sync.core.memory import Link, Standing
from sync.core.reconcile import (
    ABSENT,
    UNREAD,
    OnCancellation,
    OnDeletion,
    Pair,
    Policy,
    ReadState,
    Scope,
    Winner,
    booking_id_of,
    decide,
)
from sync.core.sides import Booking, BookingPhase, Event, EventAddress, TimeSpan, WorkOrder, event_hash
from tests.unit.values import (
    AGREED,
    BOOKING_ID,
    COPY_ID,
    EARLIER,
    EVENT_ID,
    JUST_OVER,
    LATER,
    MAILBOX,
    MOVED,
    MOVED_ELSEWHERE,
    NOW,
    OTHER_MAILBOX,
    WORK_ORDER_ID,
    a_booking,
    a_copy,
    a_gone_pair,
    a_link,
    a_live_pair,
    act,
    an_event,
)

ETAG = a_booking().etag
DELETING = Policy(on_deletion=OnDeletion.DELETE)


@pytest.mark.parametrize(
    ("pair", "action"),
    [
        pytest.param(
            a_live_pair(event=an_event(booking_id=None), link=None),
            RememberForeign(Reason.BORN_IN_OUTLOOK),
            id="an event without mark and link was born in Outlook",
        ),
        pytest.param(
            a_live_pair(event=an_event(booking_id=None), link=a_link(event_id=COPY_ID)),
            RememberForeign(Reason.BORN_IN_OUTLOOK),
            id="a link to another event is no mark",
        ),
        pytest.param(
            a_live_pair(event=an_event(booking_id=None)),
            RecordAgreement(AGREED),
            id="an event that lost its mark is still ours by its link",
        ),
        pytest.param(
            a_live_pair(event=an_event(booking_id=None, is_cancelled=True), link=None, standing=Standing.UNKNOWN),
            RememberForeign(Reason.BORN_IN_OUTLOOK),
            id="a private meeting that was cancelled is still private",
        ),
        pytest.param(
            a_live_pair(event=an_event(type="seriesMaster", span=MOVED)),
            LeaveAlone(Reason.SERIES),
            id="an event made into a series is left alone",
        ),
        pytest.param(
            a_live_pair(event=an_event(type="occurrence", span=MOVED), link=None),
            LeaveAlone(Reason.SERIES),
            id="an occurrence is left alone, linked or not",
        ),
        pytest.param(
            a_live_pair(event=an_event(is_all_day=True, span=MOVED)),
            LeaveAlone(Reason.ALL_DAY),
            id="an all-day event moves no booking",
        ),
        pytest.param(
            a_live_pair(),
            RecordAgreement(AGREED),
            id="an event where it was agreed needs nothing",
        ),
        pytest.param(
            a_live_pair(event=an_event(span=MOVED)),
            UpdateBooking(BOOKING_ID, ETAG, MOVED, names_event=False, reason=Reason.MOVED_IN_OUTLOOK),
            id="a moved event moves its booking if that still is as agreed",
        ),
        pytest.param(
            a_live_pair(event=an_event(span=MOVED), link=a_link(phase=BookingPhase.IN_PROGRESS)),
            UpdateBooking(BOOKING_ID, ETAG, MOVED, names_event=False, reason=Reason.MOVED_IN_OUTLOOK),
            id="a visit in progress can be moved",
        ),
        pytest.param(
            a_live_pair(event=an_event(span=MOVED), is_reported_removed=True, is_located=True),
            UpdateBooking(BOOKING_ID, ETAG, MOVED, names_event=False, reason=Reason.MOVED_IN_OUTLOOK),
            id="an event reported removed that lies in a calendar has only been moved",
        ),
        pytest.param(
            a_live_pair(event=an_event(span=MOVED), booking=ABSENT),
            HandOver(BOOKING_ID, Reason.BOOKING_ABSENT),
            id="an event that we hold, whose booking does not exist, is handed over to the booking's side",
        ),
        pytest.param(
            a_live_pair(event=an_event(span=MOVED), booking=ABSENT, standing=Standing.UNKNOWN, link=None),
            LeaveAlone(Reason.BOOKING_ABSENT),
            id="an event with the mark of a booking that does not exist is left alone: a copy, or another tenant's",
        ),
    ],
)
def test_a_live_event_whose_booking_need_not_be_read(pair: Pair, action: Action) -> None:
    assert act(pair) == (action, [])


@pytest.mark.parametrize(
    ("event", "booking", "action"),
    [
        pytest.param(
            an_event(span=MOVED),
            a_booking(mailbox_id=OTHER_MAILBOX),
            HandOver(BOOKING_ID, Reason.REASSIGNED),
            id="a reassigned booking is not moved by its old event, which is to go",
        ),
        pytest.param(
            an_event(span=MOVED),
            a_booking(mailbox_id=None),
            HandOver(BOOKING_ID, Reason.REASSIGNED),
            id="nor is a booking of a resource without mailbox",
        ),
        pytest.param(
            an_event(span=MOVED),
            a_booking(event_id=COPY_ID),
            RememberForeign(Reason.COPY),
            id="an event that its booking does not name is a copy",
        ),
        pytest.param(
            an_event(),
            a_booking(event_hash=event_hash(OTHER_MAILBOX, EVENT_ID)),
            RememberForeign(Reason.COPY),
            id="the same id in another mailbox is another event",
        ),
        pytest.param(
            an_event(),
            a_booking(event_hash=None),
            UpdateBooking(BOOKING_ID, ETAG, None, True, Reason.EVENT_ID_MISSING),
            id="a booking that names the event without a digest, as another tool wrote it, gets the digest",
        ),
        pytest.param(
            an_event(),
            a_booking(event_id=None, event_hash=event_hash(MAILBOX, EVENT_ID)),
            RecordAgreement(AGREED),
            id="a booking that names the event by the digest alone agrees with it",
        ),
        pytest.param(
            an_event(span=MOVED),
            a_booking(phase=BookingPhase.CANCELLED),
            HandOver(BOOKING_ID, Reason.BOOKING_CANCELLED),
            id="a cancelled booking is not moved by its event, which is to go",
        ),
        pytest.param(
            an_event(),
            a_booking(phase=BookingPhase.CANCELLED, event_id=None),
            HandOver(BOOKING_ID, Reason.BOOKING_CANCELLED),
            id="nor does it get an event id",
        ),
        pytest.param(
            an_event(),
            a_booking(),
            RecordAgreement(AGREED),
            id="two that are equal agree",
        ),
        pytest.param(
            an_event(),
            a_booking(phase=BookingPhase.COMPLETED),
            RecordAgreement(AGREED),
            id="a completed booking agrees with its event",
        ),
        pytest.param(
            an_event(),
            a_booking(event_id=None),
            UpdateBooking(BOOKING_ID, ETAG, None, names_event=True, reason=Reason.EVENT_ID_MISSING),
            id="a booking that lacks the event id gets it, and nothing else",
        ),
        pytest.param(
            an_event(span=MOVED),
            a_booking(phase=BookingPhase.COMPLETED),
            LeaveAlone(Reason.BOOKING_COMPLETED),
            id="finished work keeps its hours",
        ),
    ],
)
@pytest.mark.parametrize("link", [None, a_link(booking_etag='W/"older"')], ids=["without link", "with link"])
def test_a_live_event_and_its_booking(event: Event, booking: Booking, action: Action, link: object) -> None:
    assert act(a_live_pair(event=event, link=link, booking=booking)) == (action, [])


@pytest.mark.parametrize(
    ("held", "action"),
    [
        pytest.param({}, LeaveAlone(Reason.REASSIGNED), id="not at all: it is a copy, which the technician keeps"),
        pytest.param(
            {"standing": Standing.LINKED}, HandOver(BOOKING_ID, Reason.REASSIGNED), id="by our memory of the event"
        ),
        pytest.param({"link": a_link()}, HandOver(BOOKING_ID, Reason.REASSIGNED), id="by the link"),
        pytest.param(
            {"link": a_link(event_id=COPY_ID, leftover=EventAddress(MAILBOX, EVENT_ID))},
            HandOver(BOOKING_ID, Reason.REASSIGNED),
            id="by the link to the event that replaced it",
        ),
        pytest.param(
            {"link": a_link(event_id=COPY_ID, named_before=event_hash(MAILBOX, EVENT_ID))},
            HandOver(BOOKING_ID, Reason.REASSIGNED),
            id="by what the booking named before",
        ),
        pytest.param(
            {"link": a_link(event_id=COPY_ID)},
            LeaveAlone(Reason.REASSIGNED),
            id="not by a link to another event",
        ),
        pytest.param(
            {"booking": a_booking(mailbox_id=OTHER_MAILBOX)},
            HandOver(BOOKING_ID, Reason.REASSIGNED),
            id="by the booking's columns",
        ),
    ],
)
def test_the_event_of_a_reassigned_booking_is_handed_over_when_it_is_held(
    held: dict[str, object], action: Action
) -> None:
    nameless = a_booking(mailbox_id=OTHER_MAILBOX, event_id=None)
    pair = a_live_pair(**{"standing": Standing.UNKNOWN, "link": None, "booking": nameless, **held})
    assert decide(pair, Policy()) == action


@pytest.mark.parametrize(
    ("on_cancellation", "event_id", "standing", "action"),
    [
        pytest.param(
            OnCancellation.REMOVE,
            None,
            Standing.LINKED,
            HandOver(BOOKING_ID, Reason.BOOKING_CANCELLED),
            id="by our memory of the event",
        ),
        pytest.param(
            OnCancellation.REMOVE,
            EVENT_ID,
            Standing.UNKNOWN,
            HandOver(BOOKING_ID, Reason.BOOKING_CANCELLED),
            id="by the booking's columns",
        ),
        pytest.param(
            OnCancellation.REMOVE,
            None,
            Standing.UNKNOWN,
            LeaveAlone(Reason.BOOKING_CANCELLED),
            id="not when nothing shows that we hold it",
        ),
        pytest.param(
            OnCancellation.KEEP,
            EVENT_ID,
            Standing.LINKED,
            LeaveAlone(Reason.BOOKING_CANCELLED),
            id="not when it is to be kept",
        ),
    ],
)
def test_the_event_of_a_cancelled_booking_is_handed_over_when_it_is_to_go(
    on_cancellation: OnCancellation, event_id: str | None, standing: Standing, action: Action
) -> None:
    booking = a_booking(phase=BookingPhase.CANCELLED, event_id=event_id)
    pair = a_live_pair(standing=standing, link=None, booking=booking)
    assert decide(pair, Policy(on_cancellation=on_cancellation)) == action


def updated_booking(span: TimeSpan, reason: Reason, loser: TimeSpan | None = None) -> UpdateBooking:
    return UpdateBooking(BOOKING_ID, ETAG, span, names_event=False, reason=reason, loser=loser)


def updated_event(span: TimeSpan, reason: Reason, loser: TimeSpan | None = None) -> UpdateEvent:
    return UpdateEvent(BOOKING_ID, ETAG, span, names_event=False, reason=reason, loser=loser)


@pytest.mark.parametrize(
    ("winner", "event", "booking", "action"),
    [
        pytest.param(
            Winner.DYNAMICS,
            an_event(span=MOVED),
            a_booking(),
            updated_booking(MOVED, Reason.MOVED_IN_OUTLOOK),
            id="only the event moved: the booking follows, whoever wins conflicts",
        ),
        pytest.param(
            Winner.OUTLOOK,
            an_event(),
            a_booking(span=MOVED),
            updated_event(MOVED, Reason.MOVED_IN_DYNAMICS),
            id="only the booking moved: the event follows, whoever wins conflicts",
        ),
        pytest.param(
            Winner.DYNAMICS,
            an_event(span=MOVED),
            a_booking(span=MOVED),
            RecordAgreement(MOVED),
            id="both moved to the same time: no conflict",
        ),
        pytest.param(
            Winner.DYNAMICS,
            an_event(span=MOVED, modified_at=LATER),
            a_booking(span=MOVED_ELSEWHERE, modified_at=EARLIER),
            updated_event(MOVED_ELSEWHERE, Reason.CONFLICT, loser=MOVED),
            id="both moved, dynamics wins though Outlook was later; the loser is kept for the journal",
        ),
        pytest.param(
            Winner.OUTLOOK,
            an_event(span=MOVED, modified_at=EARLIER),
            a_booking(span=MOVED_ELSEWHERE, modified_at=LATER),
            updated_booking(MOVED, Reason.CONFLICT, loser=MOVED_ELSEWHERE),
            id="both moved, outlook wins though Dynamics was later; the loser is kept for the journal",
        ),
        pytest.param(
            Winner.LATEST,
            an_event(span=MOVED, modified_at=EARLIER),
            a_booking(span=MOVED_ELSEWHERE, modified_at=LATER),
            updated_event(MOVED_ELSEWHERE, Reason.CONFLICT, loser=MOVED),
            id="both moved, the later one is the booking",
        ),
        pytest.param(
            Winner.LATEST,
            an_event(span=MOVED, modified_at=LATER),
            a_booking(span=MOVED_ELSEWHERE, modified_at=EARLIER),
            updated_booking(MOVED, Reason.CONFLICT, loser=MOVED_ELSEWHERE),
            id="both moved, the later one is the event",
        ),
        pytest.param(
            Winner.LATEST,
            an_event(span=MOVED, modified_at=LATER),
            a_booking(span=MOVED_ELSEWHERE, modified_at=LATER),
            updated_booking(MOVED, Reason.CONFLICT, loser=MOVED_ELSEWHERE),
            id="both moved in one moment: the technician's word stands",
        ),
    ],
)
def test_who_follows_whom(winner: Winner, event: Event, booking: Booking, action: Action) -> None:
    pair = a_live_pair(event=event, booking=booking)
    assert decide(pair, Policy(conflict_winner=winner)) == action


def test_half_a_move_on_each_side_is_a_conflict() -> None:
    """Start and end are one field: half of a moved visit is no visit."""
    longer = TimeSpan(start_at=AGREED.start_at, end_at=AGREED.end_at + timedelta(hours=1))
    begun_earlier = TimeSpan(start_at=AGREED.start_at - timedelta(hours=1), end_at=AGREED.end_at)
    pair = a_live_pair(event=an_event(span=longer), booking=a_booking(span=begun_earlier))
    assert decide(pair, Policy()) == updated_event(begun_earlier, Reason.CONFLICT, loser=longer)


@pytest.mark.parametrize("winner", Winner)
@pytest.mark.parametrize("link", [None, a_link(event_id=COPY_ID)], ids=["no link", "another event's link"])
def test_without_an_agreed_state_the_later_change_wins_and_the_loser_is_kept(winner: Winner, link: Link | None) -> None:
    """It is a guess, whoever wins conflicts: the journal must be able to undo it."""
    event, booking = an_event(span=MOVED), a_booking(span=MOVED_ELSEWHERE)
    earlier_event = a_live_pair(event=event, booking=replace(booking, modified_at=LATER), link=link)
    later_event = a_live_pair(event=replace(event, modified_at=LATER), booking=booking, link=link)
    policy = Policy(conflict_winner=winner)
    assert decide(earlier_event, policy) == updated_event(MOVED_ELSEWHERE, Reason.NO_AGREED_STATE, loser=MOVED)
    assert decide(later_event, policy) == updated_booking(MOVED, Reason.NO_AGREED_STATE, loser=MOVED_ELSEWHERE)


@pytest.mark.parametrize(
    ("booking", "link", "action"),
    [
        pytest.param(
            a_booking(),
            a_link(),
            UpdateBooking(BOOKING_ID, ETAG, MOVED, names_event=True, reason=Reason.MOVED_IN_OUTLOOK),
            id="with the event's new times, in one write",
        ),
        pytest.param(
            a_booking(span=MOVED_ELSEWHERE),
            a_link(agreed=MOVED),
            UpdateEvent(BOOKING_ID, ETAG, MOVED_ELSEWHERE, names_event=True, reason=Reason.MOVED_IN_DYNAMICS),
            id="when the event follows the booking",
        ),
        pytest.param(
            a_booking(span=MOVED_ELSEWHERE),
            a_link(),
            UpdateEvent(BOOKING_ID, ETAG, MOVED_ELSEWHERE, names_event=True, reason=Reason.CONFLICT, loser=MOVED),
            id="when its times stand in a conflict",
        ),
        pytest.param(
            a_booking(span=MOVED_ELSEWHERE, modified_at=LATER),
            None,
            UpdateEvent(
                BOOKING_ID, ETAG, MOVED_ELSEWHERE, names_event=True, reason=Reason.NO_AGREED_STATE, loser=MOVED
            ),
            id="when its times are the later ones",
        ),
    ],
)
def test_a_booking_that_lacks_the_event_id_gets_it(booking: Booking, link: Link | None, action: Action) -> None:
    """Else the pair agrees by its link for ever, and a deletion is not ours once the tables are lost."""
    nameless = replace(booking, event_id=None, event_hash=None)
    assert decide(a_live_pair(event=an_event(span=MOVED), booking=nameless, link=link), Policy()) == action


@pytest.mark.parametrize(
    ("pair", "action"),
    [
        pytest.param(
            a_gone_pair(standing=Standing.FOREIGN, link=None),
            EndEvent(Reason.NOT_OURS),
            id="an event remembered as not ours ends nothing",
        ),
        pytest.param(
            a_gone_pair(is_reported_removed=False, twin=ABSENT),
            LookAgain(Reason.GONE_UNREPORTED),
            id="a linked event that is absent though nobody reports it removed deserves a second look",
        ),
        pytest.param(
            a_gone_pair(is_reported_removed=False, was_looked_at_again=True, twin=ABSENT),
            LeaveAlone(Reason.GONE_UNREPORTED),
            id="and then is not taken for gone: a deletion will be reported, or the sweep will find it",
        ),
        pytest.param(
            a_gone_pair(is_reported_removed=False, standing=Standing.UNKNOWN, link=None, twin=ABSENT),
            LeaveAlone(Reason.GONE_UNREPORTED),
            id="an event that was never seen and is absent deserves no second look",
        ),
        pytest.param(
            a_gone_pair(is_reported_removed=False, standing=Standing.ENDED),
            EndEvent(Reason.ALREADY_ENDED),
            id="a late update of an event that has ended ends nothing again",
        ),
        pytest.param(
            a_gone_pair(standing=Standing.ENDED),
            EndEvent(Reason.ALREADY_ENDED),
            id="an event that has ended ends nothing again",
        ),
        pytest.param(
            a_gone_pair(booking=ABSENT),
            EndEvent(Reason.BOOKING_ABSENT),
            id="a linked event whose booking does not exist is forgotten",
        ),
        pytest.param(
            a_gone_pair(booking=ABSENT, standing=Standing.UNKNOWN, link=None),
            EndEvent(Reason.NOT_OURS),
            id="an unknown event that no booking names was not ours",
        ),
        pytest.param(
            a_gone_pair(booking=a_booking(event_id=COPY_ID)),
            EndEvent(Reason.SUPERSEDED),
            id="a booking that names another event is not ended",
        ),
        pytest.param(
            a_gone_pair(booking=a_booking(event_hash=event_hash(OTHER_MAILBOX, EVENT_ID)), twin=ABSENT),
            EndEvent(Reason.SUPERSEDED),
            id="a booking that came over with its former owner's event is not ended for missing that here",
        ),
        pytest.param(
            a_gone_pair(booking=a_booking(mailbox_id=OTHER_MAILBOX)),
            EndEvent(Reason.REASSIGNED),
            id="a reassigned booking is not ended by its old event",
        ),
        pytest.param(
            a_gone_pair(booking=a_booking(mailbox_id=None)),
            EndEvent(Reason.REASSIGNED),
            id="a booking of a resource without mailbox is not ended",
        ),
        pytest.param(
            a_gone_pair(booking=a_booking(phase=BookingPhase.CANCELLED)),
            ClearEventId(BOOKING_ID, ETAG, Reason.BOOKING_CANCELLED),
            id="a cancelled booking only loses its event id",
        ),
        pytest.param(
            a_gone_pair(
                booking=a_booking(phase=BookingPhase.CANCELLED, event_id=None, event_hash=event_hash(MAILBOX, EVENT_ID))
            ),
            ClearEventId(BOOKING_ID, ETAG, Reason.BOOKING_CANCELLED),
            id="a cancelled booking loses its digest, too",
        ),
        pytest.param(
            a_gone_pair(booking=a_booking(phase=BookingPhase.CANCELLED, event_id=None)),
            EndEvent(Reason.BOOKING_CANCELLED),
            id="a cancelled booking without event id needs nothing",
        ),
        pytest.param(
            a_gone_pair(twin=ABSENT),
            CancelBooking(BOOKING_ID, ETAG, Reason.DELETED_IN_OUTLOOK),
            id="two witnesses end the booking",
        ),
        pytest.param(
            a_gone_pair(twin=ABSENT, link=None, standing=Standing.UNKNOWN),
            CancelBooking(BOOKING_ID, ETAG, Reason.DELETED_IN_OUTLOOK),
            id="two witnesses end the booking that names the event, even when our tables were lost",
        ),
    ],
)
def test_a_gone_event(pair: Pair, action: Action) -> None:
    assert act(pair) == (action, [])


@pytest.mark.parametrize("phase", sorted(set(BookingPhase) - Policy().cancellable - {BookingPhase.CANCELLED}))
def test_work_that_has_begun_is_not_cancelled_by_a_deletion(phase: BookingPhase) -> None:
    action, _ = act(a_gone_pair(booking=a_booking(phase=phase)))
    assert action.reason is Reason.STATUS_NOT_CANCELLABLE
    assert isinstance(action, EndEvent | ClearEventId)


@pytest.mark.parametrize("phase", sorted(Policy().cancellable))
def test_work_that_has_not_begun_is_cancelled_by_a_deletion(phase: BookingPhase) -> None:
    action, _ = act(a_gone_pair(booking=a_booking(phase=phase)))
    assert action == CancelBooking(BOOKING_ID, ETAG, Reason.DELETED_IN_OUTLOOK)


def test_the_settings_name_the_phases_in_which_a_deletion_counts() -> None:
    policy = Policy(cancellable=frozenset({BookingPhase.IN_PROGRESS}))
    begun, _ = act(a_gone_pair(booking=a_booking(phase=BookingPhase.IN_PROGRESS)), policy)
    planned, _ = act(a_gone_pair(booking=a_booking(phase=BookingPhase.SCHEDULED)), policy)
    assert isinstance(begun, CancelBooking)
    assert not isinstance(planned, CancelBooking)


@pytest.mark.parametrize("policy", [Policy(), DELETING], ids=["cancel", "delete"])
@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"link": a_link(agreed=JUST_OVER)}, id="reported by Graph"),
        pytest.param({"link": None, "standing": Standing.UNKNOWN}, id="archived when we had long forgotten it"),
        pytest.param({"event": an_event(is_cancelled=True), "link": a_link(agreed=JUST_OVER)}, id="cancelled"),
        pytest.param({"link": a_link(agreed=MOVED)}, id="moved into the past in Dynamics"),
    ],
)
def test_a_visit_that_is_over_is_not_ended_by_a_deletion(different: dict[str, Any], policy: Policy) -> None:
    """Tidying up and archiving say nothing about the work. Nothing is written, and no new event comes of it."""
    action, _ = act(a_gone_pair(booking=a_booking(span=JUST_OVER), **different), policy)
    assert action == EndEvent(Reason.PAST_EVENT)


@pytest.mark.parametrize(
    ("span", "policy"),
    [
        pytest.param(JUST_OVER, Policy(keeps_past_events=False), id="over, where past visits are not kept"),
        pytest.param(replace(JUST_OVER, end_at=NOW + timedelta(seconds=1)), Policy(), id="not over yet"),
    ],
)
def test_a_visit_is_ended_by_a_deletion_until_it_is_over_or_ever_by_setting(span: TimeSpan, policy: Policy) -> None:
    action, _ = act(a_gone_pair(booking=a_booking(span=span), link=a_link(agreed=span)), policy)
    assert action == CancelBooking(BOOKING_ID, ETAG, Reason.DELETED_IN_OUTLOOK)


def test_an_edit_in_dynamics_beats_a_deletion() -> None:
    """Whoever moved the booking did not know of the deletion; the visit stays, and gets a new event."""
    action, _ = act(a_gone_pair(booking=a_booking(span=MOVED)), DELETING)
    assert action == ClearEventId(BOOKING_ID, ETAG, Reason.EDITED_IN_DYNAMICS, hands_over=True)


def test_a_booking_that_gets_no_events_is_not_cancelled_for_having_none() -> None:
    """Nor is it when its event is deleted before we do it."""
    action, readings = act(a_gone_pair(), Policy(scope=Scope.WORK_ORDERS))
    assert action == EndEvent(Reason.OUT_OF_SCOPE)
    assert readings == []


def test_a_booking_that_gets_events_is_cancelled_in_any_scope() -> None:
    booking = a_booking(work_order=WorkOrder(work_order_id=WORK_ORDER_ID))
    action, _ = act(a_gone_pair(booking=booking), Policy(scope=Scope.WORK_ORDERS))
    assert isinstance(action, CancelBooking)


DELETED_ITEMS = {"event": an_event(), "is_reported_removed": True, "is_located": False}
NOT_FOUND = {"event": ABSENT}
OUT_OF_SIGHT = [
    pytest.param(NOT_FOUND, id="not found"),
    pytest.param(DELETED_ITEMS, id="among the deleted items"),
    pytest.param(DELETED_ITEMS | {"link": None}, id="among the deleted items, with no link"),
]
"""Whether an immutable id still answers 200 after a deletion is not documented: both must come to the same."""


@pytest.mark.parametrize("evidence", OUT_OF_SIGHT)
@pytest.mark.parametrize(
    "booking",
    [
        pytest.param(a_booking(), id="as agreed"),
        pytest.param(a_booking(span=MOVED), id="edited in Dynamics"),
        pytest.param(a_booking(phase=BookingPhase.IN_PROGRESS), id="work has begun"),
        pytest.param(a_booking(phase=BookingPhase.COMPLETED), id="work is done"),
        pytest.param(a_booking(event_id=None), id="naming no event yet"),
    ],
)
@pytest.mark.parametrize(
    "copy",
    [
        pytest.param(a_copy(), id="at the same time"),
        pytest.param(a_copy(span=MOVED), id="elsewhere"),
        pytest.param(a_copy(type="seriesMaster"), id="made into a series"),
        pytest.param(a_copy(is_all_day=True), id="of a whole day"),
    ],
)
def test_a_copy_takes_the_place_of_a_gone_event_and_nothing_else_changes(
    evidence: dict[str, object], booking: Booking, copy: Event
) -> None:
    """Also where a deletion would not count: else the copy would be foreign from then on, and its moves go nowhere."""
    assert act(a_gone_pair(booking=booking, **evidence), twin=copy) == (AdoptTwin(BOOKING_ID, ETAG, copy), [SearchTwin])


@pytest.mark.parametrize("evidence", OUT_OF_SIGHT)
def test_a_search_that_finds_the_gone_event_contradicts_the_read_and_nobody_is_convicted(
    evidence: dict[str, object],
) -> None:
    assert act(a_gone_pair(**evidence), twin=an_event())[0] == LookAgain(Reason.WITNESSES_DISAGREE)


@pytest.mark.parametrize(
    ("is_located", "action"),
    [
        pytest.param(True, RecordAgreement(AGREED), id="it was restored: the pair is one again"),
        pytest.param(False, EndEvent(Reason.ALREADY_ENDED), id="it can only be read still: it stays over"),
    ],
)
def test_an_ended_event_that_answers_is_believed_back_only_from_a_calendar(is_located: bool, action: Action) -> None:
    ended = a_live_pair(standing=Standing.ENDED, link=None)
    assert act(ended, booking=a_booking(), is_located=is_located)[0] == action


def test_the_deletion_of_a_copy_does_not_end_a_booking_that_names_no_event_yet() -> None:
    copy_deleted = a_gone_pair(link=None, standing=Standing.UNKNOWN, booking=a_booking(event_id=None), **DELETED_ITEMS)
    assert act(copy_deleted, twin=a_copy())[0] == AdoptTwin(BOOKING_ID, ETAG, a_copy())


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        pytest.param(
            {"event": an_event(is_cancelled=True)}, Reason.CANCELLED_IN_OUTLOOK, id="it says that it is cancelled"
        ),
        pytest.param(
            DELETED_ITEMS | {"twin": ABSENT},
            Reason.DELETED_IN_OUTLOOK,
            id="it lies among the deleted items, and no copy lives",
        ),
        pytest.param({"twin": ABSENT}, Reason.DELETED_IN_OUTLOOK, id="neither read nor search finds it"),
    ],
)
def test_what_proves_that_an_event_is_over(evidence: dict[str, object], reason: Reason) -> None:
    assert act(a_gone_pair(**evidence))[0] == CancelBooking(BOOKING_ID, ETAG, reason)
    assert act(a_gone_pair(**evidence), DELETING)[0] == DeleteBooking(BOOKING_ID, ETAG, reason)


@pytest.mark.parametrize(
    ("pair", "booking", "readings"),
    [
        pytest.param(a_live_pair(), a_booking(), [], id="a touch or an echo: nothing"),
        pytest.param(a_live_pair(event=an_event(span=MOVED)), a_booking(), [], id="a move: nothing, the write tells"),
        pytest.param(
            a_live_pair(event=an_event(booking_id=None), link=None),
            a_booking(),
            [],
            id="a private event: nothing",
        ),
        pytest.param(
            a_live_pair(event=an_event(booking_id=None), link=None, is_reported_removed=True),
            ABSENT,
            [],
            id="a private event reported removed: nothing",
        ),
        pytest.param(
            a_live_pair(event=an_event(span=MOVED), link=a_link(phase=BookingPhase.COMPLETED)),
            a_booking(phase=BookingPhase.COMPLETED),
            [ReadBooking],
            id="a move against finished work: the booking, which may have been reopened",
        ),
        pytest.param(a_live_pair(link=None), a_booking(), [ReadBooking], id="first contact: the booking"),
        pytest.param(
            a_live_pair(link=a_link(event_id=COPY_ID)),
            a_booking(),
            [ReadBooking],
            id="another event's link: the booking",
        ),
        pytest.param(
            a_gone_pair(booking=UNREAD),
            a_booking(),
            [ReadBooking, SearchTwin],
            id="a deletion: the booking, then the second witness",
        ),
        pytest.param(
            a_gone_pair(booking=UNREAD, is_reported_removed=False),
            a_booking(),
            [],
            id="absent though only an update was told: nothing, the sweep will tell",
        ),
        pytest.param(
            a_live_pair(is_reported_removed=True),
            a_booking(),
            [LocateEvent],
            id="reported removed and located in a calendar: nothing more",
        ),
        pytest.param(
            a_live_pair(**DELETED_ITEMS),
            a_booking(),
            [ReadBooking, SearchTwin],
            id="found among the deleted items: the booking, then the search for a copy",
        ),
        pytest.param(
            a_live_pair(standing=Standing.ENDED, link=None),
            a_booking(),
            [LocateEvent, ReadBooking],
            id="there again after it had ended: where it is, then as at first contact",
        ),
        pytest.param(
            a_live_pair(standing=Standing.ENDED, link=None, is_located=False),
            a_booking(),
            [],
            id="still among the deleted items after it had ended: nothing",
        ),
        pytest.param(
            a_live_pair(event=an_event(is_cancelled=True)),
            a_booking(),
            [ReadBooking],
            id="cancelled, as the event itself says: the booking",
        ),
        pytest.param(
            a_live_pair(event=an_event(is_cancelled=True, booking_id=None), link=None),
            ABSENT,
            [],
            id="a private meeting that was cancelled: nothing",
        ),
        pytest.param(
            a_gone_pair(booking=UNREAD),
            a_booking(mailbox_id=OTHER_MAILBOX),
            [ReadBooking],
            id="reassigned: the booking",
        ),
        pytest.param(
            a_gone_pair(booking=UNREAD, standing=Standing.FOREIGN), ABSENT, [], id="not ours and gone: nothing"
        ),
        pytest.param(a_gone_pair(booking=UNREAD, standing=Standing.ENDED), ABSENT, [], id="over already: nothing"),
    ],
)
def test_what_is_read_for_a_decision(pair: Pair, booking: Booking, readings: list[type[Reading]]) -> None:
    """The call budget. The event itself has been read before."""
    assert act(pair, booking=booking)[1] == readings


@pytest.mark.parametrize(
    ("pair", "booking_id"),
    [
        pytest.param(a_live_pair(event=an_event(booking_id="marked")), BOOKING_ID, id="the link before the mark"),
        pytest.param(
            a_live_pair(link=a_link(event_id=COPY_ID, booking_id="other")),
            BOOKING_ID,
            id="the mark when the link is another event's",
        ),
        pytest.param(a_live_pair(event=an_event(booking_id=None), link=None), None, id="none for a private event"),
        pytest.param(a_gone_pair(link=None), BOOKING_ID, id="what was read, for a gone event without link"),
        pytest.param(a_gone_pair(link=None, booking=ABSENT), None, id="none when nothing was found"),
    ],
)
def test_which_booking_an_event_stands_for(pair: Pair, booking_id: str | None) -> None:
    assert booking_id_of(pair) == booking_id


# A link that names another event of the same booking: it was handed over, or a worker died between the two writes.


@pytest.mark.parametrize(
    ("event", "booking", "action"),
    [
        pytest.param(an_event(), a_booking(), RecordAgreement(AGREED), id="the booking's own event agrees"),
        pytest.param(
            an_event(span=MOVED, modified_at=LATER),
            a_booking(),
            updated_booking(MOVED, Reason.NO_AGREED_STATE, loser=AGREED),
            id="the booking's own event is compared as at first contact",
        ),
        pytest.param(
            ABSENT,
            a_booking(),
            CancelBooking(BOOKING_ID, ETAG, Reason.DELETED_IN_OUTLOOK),
            id="the booking's own event was deleted",
        ),
        pytest.param(
            ABSENT,
            a_booking(span=MOVED),
            CancelBooking(BOOKING_ID, ETAG, Reason.DELETED_IN_OUTLOOK),
            id="the other event's agreement is no proof of an edit",
        ),
        pytest.param(
            an_event(), a_booking(event_id=None), RememberForeign(Reason.COPY), id="the link decides for the nameless"
        ),
        pytest.param(
            ABSENT,
            a_booking(event_id=None),
            EndEvent(Reason.SUPERSEDED),
            id="the nameless booking is not ended for a copy",
        ),
        pytest.param(
            an_event(), a_booking(event_id=COPY_ID), RememberForeign(Reason.COPY), id="link and booking agree: a copy"
        ),
        pytest.param(
            ABSENT, a_booking(event_id=COPY_ID), EndEvent(Reason.SUPERSEDED), id="link and booking agree: superseded"
        ),
        pytest.param(
            an_event(),
            a_booking(mailbox_id=OTHER_MAILBOX),
            HandOver(BOOKING_ID, Reason.REASSIGNED),
            id="the booking went on to another mailbox",
        ),
    ],
)
def test_a_link_that_names_another_event_does_not_overrule_the_booking(
    event: Event | Literal[ReadState.ABSENT], booking: Booking, action: Action
) -> None:
    pair = a_gone_pair(event=event, link=a_link(event_id=COPY_ID), standing=Standing.UNKNOWN, booking=UNREAD)
    assert act(pair, booking=booking, is_located=True)[0] == action


def test_a_pair_says_what_became_of_its_event() -> None:
    """Else an event that nobody has read would count as gone."""
    with pytest.raises(TypeError, match="event"):
        Pair(mailbox_id=MAILBOX, event_id=EVENT_ID, booking=a_booking(), twin=ABSENT)  # type: ignore[call-arg]


def test_an_event_that_was_named_before_ours_is_for_the_bookings_side_so_that_ours_goes() -> None:
    """Else the link would be moved to it, and nothing would lead to ours any more."""
    ours = a_link(event_id=COPY_ID, is_named=False)
    decision = decide(a_live_pair(link=ours, booking=a_booking()), Policy())
    assert decision == HandOver(BOOKING_ID, Reason.SUPERSEDED)


def test_an_all_day_event_of_a_visit_that_is_somebody_elses_is_for_the_bookings_side_to_remove() -> None:
    pair = a_live_pair(event=an_event(is_all_day=True), standing=Standing.LINKED, link=None)
    assert decide(pair, Policy()) == ReadBooking()
    elsewhere = a_booking(mailbox_id=OTHER_MAILBOX)
    assert decide(replace(pair, booking=elsewhere), Policy()) == HandOver(BOOKING_ID, Reason.REASSIGNED)
    assert decide(replace(pair, booking=a_booking()), Policy()) == LeaveAlone(Reason.ALL_DAY)


@pytest.mark.parametrize("span", [AGREED, MOVED])
def test_a_link_that_does_not_know_the_bookings_state_is_no_reason_not_to_read_it(span: TimeSpan) -> None:
    pair = a_live_pair(event=an_event(span=span), link=a_link(booking_etag=""))
    assert decide(pair, Policy()) == ReadBooking()
