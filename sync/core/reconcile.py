"""Every rule of the business, as one decision: given what is known of a pair, what is to be done next.

Pure: no I/O, no clock, no SDK. What has not been read yet is `UNREAD`, and the decision may be to read it: so the core
also decides what a change costs, and the call budget is a property of this module. The rules come from the Power
Automate flow that this app replaces (cancel rather than delete; leave a reassigned booking alone; an event without our
mark was born in Outlook) and go beyond it where that flow lost or destroyed something (`docs/architecture.md`).

A pair is compared with its link, the last agreed state: a side has changed when it differs from the link, never because
it carries the newer timestamp. Start and end are one field, because half of a moved visit is no visit.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Literal

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
from sync.core.sides import SINGLE_INSTANCE, Booking, BookingPhase, Event, EventAddress, TimeSpan, event_hash


class ReadState(Enum):
    """Why there is no value: not asked yet, or asked and not there."""

    UNREAD = "unread"
    ABSENT = "absent"


UNREAD: Literal[ReadState.UNREAD] = ReadState.UNREAD
ABSENT: Literal[ReadState.ABSENT] = ReadState.ABSENT


class Winner(StrEnum):
    """Which side keeps its value when both changed the same field."""

    DYNAMICS = "dynamics"
    OUTLOOK = "outlook"
    LATEST = "latest"


class OnDeletion(StrEnum):
    """What a deletion in Outlook does to the booking."""

    CANCEL = "cancel"
    DELETE = "delete"


class Scope(StrEnum):
    """Which bookings get events."""

    ANY = "any"
    WORK_ORDERS = "work-orders"


class OnCancellation(StrEnum):
    """What a cancellation in Dynamics does to the event."""

    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The customer's choices.

    `cancellable` names the phases in which a deletion in Outlook may end a booking. `keeps_past_events`: when a visit
    is over, neither side goes because the other does.
    """

    conflict_winner: Winner = Winner.DYNAMICS
    on_deletion: OnDeletion = OnDeletion.CANCEL
    cancellable: frozenset[BookingPhase] = frozenset({BookingPhase.SCHEDULED, BookingPhase.TRAVELING})
    scope: Scope = Scope.ANY
    on_cancellation: OnCancellation = OnCancellation.REMOVE
    keeps_past_events: bool = True

    def covers(self, booking: Booking) -> bool:
        """Whether such bookings get events."""
        return self.scope is Scope.ANY or booking.work_order is not None

    def keeps(self, span: TimeSpan, now: datetime) -> bool:
        """Whether a visit at `span` is over, and what there is of it is to stay."""
        return self.keeps_past_events and span.end_at <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What is known of an event and its booking while an item is handled, at `decided_at`.

    `event` is ABSENT when Graph answered that it does not exist. `is_located` says whether an event that was reported
    removed, and can still be read, lies in a calendar. `twin` is another event of the mailbox that carries the same
    booking's mark: the search for it is the second witness of a deletion.
    """

    mailbox_id: str
    event_id: str
    event: Event | Literal[ReadState.ABSENT]
    decided_at: datetime
    standing: Standing = Standing.UNKNOWN
    is_reported_removed: bool = False
    was_looked_at_again: bool = False
    is_located: bool | ReadState = UNREAD
    booking: Booking | ReadState = UNREAD
    link: Link | None = None
    twin: Event | ReadState = UNREAD

    @property
    def address(self) -> EventAddress:
        return EventAddress(self.mailbox_id, self.event_id)


def decide(pair: Pair, policy: Policy) -> Action | Reading:
    """What to do next for a pair whose event has been read; a `Reading` asks for one more fact first.

    Each reading removes one UNREAD, so that at most three readings come before an action.
    """
    event = pair.event
    if not isinstance(event, Event):
        return _decide_gone(pair, policy, proven=None)
    if booking_id_of(pair) is None:
        return RememberForeign(Reason.BORN_IN_OUTLOOK)
    if event.is_cancelled:
        return _decide_gone(pair, policy, proven=Reason.CANCELLED_IN_OUTLOOK)
    is_doubtful = pair.is_reported_removed or pair.standing is Standing.ENDED
    if is_doubtful and pair.is_located is UNREAD:
        return LocateEvent()
    if pair.is_located is False:
        return _decide_gone(pair, policy, proven=None)
    return _decide_live(pair, event, policy)


def booking_id_of(pair: Pair) -> str | None:
    """The booking that this event stands for: by its link, else by the mark it carries, else by what was read."""
    if (link := _own_link(pair)) is not None:
        return link.booking_id
    if isinstance(pair.event, Event):
        return pair.event.booking_id
    return pair.booking.booking_id if isinstance(pair.booking, Booking) else None


def _decide_live(pair: Pair, event: Event, policy: Policy) -> Action | Reading:
    """The event is in a calendar and says it is a booking's."""
    link = _own_link(pair)
    if event.type != SINGLE_INSTANCE:
        return LeaveAlone(Reason.SERIES)
    if event.is_all_day and (link is not None or not _is_held(pair)):
        return LeaveAlone(Reason.ALL_DAY)
    if pair.booking is UNREAD and link is not None and link.booking_etag:
        if event.span == link.agreed:
            return RecordAgreement(event.span)
        if link.phase not in (BookingPhase.CANCELLED, BookingPhase.COMPLETED):
            # The write is conditional on the etag of the agreed state: if it holds, nothing there has changed since.
            return UpdateBooking(link.booking_id, link.booking_etag, event.span, False, Reason.MOVED_IN_OUTLOOK)
    if pair.booking is UNREAD:
        return ReadBooking()
    if not isinstance(pair.booking, Booking):
        if (booking_id := booking_id_of(pair)) is not None and _is_held(pair):
            return HandOver(booking_id, Reason.BOOKING_ABSENT)
        return LeaveAlone(Reason.BOOKING_ABSENT)
    return _decide_both(pair, event, pair.booking, policy)


def _own_link(pair: Pair) -> Link | None:
    """The link, unless it is of another event: that event's agreement says nothing about this one."""
    return pair.link if pair.link is not None and pair.link.is_of(*pair.address) else None


def _is_held(pair: Pair) -> bool:
    """Whether this very event is, or was, the booking's by our own doing: a copy that somebody keeps is not."""
    link, address = pair.link, pair.address
    if pair.standing is Standing.LINKED or _own_link(pair) is not None:
        return True
    # What the booking named when it got another event is known also where our own tables had been lost.
    return link is not None and (link.leftover == address or link.named_before == event_hash(*address))


def _decide_both(pair: Pair, event: Event, booking: Booking, policy: Policy) -> Action:
    """Event and booking are there: whose is the event, and what do the two say beside the link?"""
    is_held = _is_held(pair) or booking.names(*pair.address)
    if booking.mailbox_id != event.mailbox_id:
        return HandOver(booking.booking_id, Reason.REASSIGNED) if is_held else LeaveAlone(Reason.REASSIGNED)
    if event.is_all_day:
        # An all-day event has no hours that a visit could be booked at; its midnights carry no zone we could trust.
        return LeaveAlone(Reason.ALL_DAY)
    if _names_another_event(pair, booking):
        return RememberForeign(Reason.COPY)
    if pair.link is not None and _own_link(pair) is None and not pair.link.is_named:
        # We made one, too, but this one was named first: ours has yet to go, and only the link still leads to it.
        return HandOver(booking.booking_id, Reason.SUPERSEDED)
    if booking.phase is BookingPhase.CANCELLED:
        if policy.on_cancellation is OnCancellation.REMOVE and is_held:
            return HandOver(booking.booking_id, Reason.BOOKING_CANCELLED)
        return LeaveAlone(Reason.BOOKING_CANCELLED)
    return _decide_times(pair, event, booking, policy)


def _decide_times(pair: Pair, event: Event, booking: Booking, policy: Policy) -> Action:
    """Event and booking belong together, and the booking is not cancelled: whose times stand?"""
    lacks_event_id = booking.event_hash is None
    if event.span == booking.span:
        if lacks_event_id:
            return UpdateBooking(booking.booking_id, booking.etag, None, True, Reason.EVENT_ID_MISSING)
        return RecordAgreement(event.span)
    if booking.phase is BookingPhase.COMPLETED:
        # Finished work keeps its hours: they are time records by now.
        return LeaveAlone(Reason.BOOKING_COMPLETED)
    winner, reason = winner_of(event, booking, _own_link(pair), policy)
    is_guess = reason in (Reason.CONFLICT, Reason.NO_AGREED_STATE)
    if winner is Winner.DYNAMICS:
        loser = event.span if is_guess else None
        return UpdateEvent(booking.booking_id, booking.etag, booking.span, lacks_event_id, reason, loser)
    loser = booking.span if is_guess else None
    return UpdateBooking(booking.booking_id, booking.etag, event.span, lacks_event_id, reason, loser)


def _names_another_event(pair: Pair, booking: Booking) -> bool:
    """Whether the booking is another event's: it names one, or names none yet though a link has one for it."""
    if booking.names_an_event:
        return not booking.names(*pair.address)
    return pair.link is not None and _own_link(pair) is None


def winner_of(event: Event, booking: Booking, link: Link | None, policy: Policy) -> tuple[Winner, Reason]:
    """Whose times stand, when the two differ."""
    if link is None:
        # Nothing tells who changed (first contact, or our tables were lost): the later change is the best guess.
        return later_side(event, booking), Reason.NO_AGREED_STATE
    if booking.span == link.agreed:
        return Winner.OUTLOOK, Reason.MOVED_IN_OUTLOOK
    if event.span == link.agreed:
        return Winner.DYNAMICS, Reason.MOVED_IN_DYNAMICS
    if policy.conflict_winner is Winner.LATEST:
        return later_side(event, booking), Reason.CONFLICT
    return policy.conflict_winner, Reason.CONFLICT


def later_side(event: Event, booking: Booking) -> Winner:
    """The side that was changed later by the services' clocks: a guess, for when nothing better is known."""
    return Winner.DYNAMICS if booking.modified_at > event.modified_at else Winner.OUTLOOK


def _decide_gone(pair: Pair, policy: Policy, *, proven: Reason | None) -> Action | Reading:
    """The event is not in the calendar any more. `proven` when it says so itself; else one witness has spoken."""
    if pair.standing in (Standing.FOREIGN, Standing.ENDED):
        return EndEvent(Reason.ALREADY_ENDED if pair.standing is Standing.ENDED else Reason.NOT_OURS)
    if proven is None and not pair.is_reported_removed:
        # An update of an event that does not exist is a contradiction, worth a second look. If the event was deleted,
        # that is reported as well, or the next sweep finds it missing.
        is_worth_a_look = pair.standing is Standing.LINKED and not pair.was_looked_at_again
        return (LookAgain if is_worth_a_look else LeaveAlone)(Reason.GONE_UNREPORTED)
    if pair.booking is UNREAD:
        return ReadBooking()
    if not isinstance(pair.booking, Booking):
        return EndEvent(Reason.BOOKING_ABSENT if pair.standing is Standing.LINKED else Reason.NOT_OURS)
    return _decide_gone_with_booking(pair, pair.booking, policy, proven)


def _decide_gone_with_booking(pair: Pair, booking: Booking, policy: Policy, proven: Reason | None) -> Action | Reading:
    """The event is gone and its booking is there: is the booking still this event's, and what took its place?"""
    if booking.mailbox_id != pair.mailbox_id:
        return EndEvent(Reason.REASSIGNED)
    if _names_another_event(pair, booking):
        return EndEvent(Reason.SUPERSEDED)
    if booking.phase is BookingPhase.CANCELLED:
        if not booking.names_an_event:
            return EndEvent(Reason.BOOKING_CANCELLED)
        return ClearEventId(booking.booking_id, booking.etag, Reason.BOOKING_CANCELLED)
    if not policy.covers(booking):
        # Its event was ours to remove; that somebody was quicker, or we, says nothing about the visit.
        return EndEvent(Reason.OUT_OF_SCOPE)
    is_surely_this_one = booking.names_an_event or _own_link(pair) is not None
    if pair.twin is UNREAD and not (proven and is_surely_this_one):
        return SearchTwin()
    if isinstance(pair.twin, Event):
        if pair.twin.event_id == pair.event_id:
            return (LeaveAlone if pair.was_looked_at_again else LookAgain)(Reason.WITNESSES_DISAGREE)
        return AdoptTwin(booking.booking_id, booking.etag, pair.twin)
    return _end_booking(pair, booking, policy, proven or Reason.DELETED_IN_OUTLOOK)


def _end_booking(pair: Pair, booking: Booking, policy: Policy, reason: Reason) -> Action:
    """The event is gone for certain, and nothing took its place."""
    if booking.phase not in policy.cancellable:
        return EndEvent(Reason.STATUS_NOT_CANCELLABLE)
    if policy.keeps(booking.span, pair.decided_at):
        # Tidied up or archived. The booking goes on naming the event, so that it is not taken for one without.
        return EndEvent(Reason.PAST_EVENT)
    link = _own_link(pair)
    if link is not None and booking.span != link.agreed:
        # An edit beats a deletion: whoever moved the booking did not know of the deletion.
        return ClearEventId(booking.booking_id, booking.etag, Reason.EDITED_IN_DYNAMICS, hands_over=True)
    ending = DeleteBooking if policy.on_deletion is OnDeletion.DELETE else CancelBooking
    return ending(booking.booking_id, booking.etag, reason)
