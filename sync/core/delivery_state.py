"""What is known of a booking and its event while the booking is handled, and what follows from it at once. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sync.core.actions import Reason
from sync.core.content import EventContent
from sync.core.mailboxes import QuarantineKind
from sync.core.memory import Link
from sync.core.reconcile import UNREAD, OnCancellation, Policy, ReadState
from sync.core.sides import Booking, BookingPhase, Event, EventAddress, TimeSpan

UNDELIVERED = {
    Reason.NO_MAILBOX: "The booked resource is not a user with a mailbox.",
    Reason.UNREACHABLE: "The technician's mailbox cannot be reached.",
    Reason.MICROSOFT_SYNC: "Microsoft's own sync of appointments is on for the technician's mailbox.",
    Reason.USER_DISABLED: "The technician's user is disabled.",
    Reason.NOT_SYNCED: "The technician's mailbox is not among those that are kept in sync.",
}
"""What the dispatcher reads on a booking that has no event for one of these reasons."""

OVER = {
    BookingPhase.CANCELLED: Reason.BOOKING_CANCELLED,
    BookingPhase.COMPLETED: Reason.BOOKING_COMPLETED,
}
"""Phases in which a booking gets no event and follows none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What is known of a booking and its event while the booking is handled.

    `event` is the one that is held, `found` the answer to a `SearchEvent`, `elsewhere` what was read where the booking
    does not belong. `hint` is an event of the booking that somebody came across. `window` is where new events are made.
    `is_new`: nobody can have made an event yet. `is_unfinished`: an earlier run began and nobody knows how far it came;
    it was about to make an event in the mailbox `begun_in`, and `made` is the one that is there. `was_removed`: we
    removed the event, or were about to. `is_synced`: the technician's mailbox is one of ours; `quarantine` is why it is
    set aside, if it is. `is_guarded`: Graph honours an event's etag when it is changed.
    """

    booking_id: str
    booking: Booking | Literal[ReadState.ABSENT]
    content: EventContent | None = None
    decided_at: datetime
    window: TimeSpan
    link: Link | None = None
    hint: EventAddress | None = None
    event: Event | ReadState = UNREAD
    found: Event | ReadState = UNREAD
    elsewhere: Event | ReadState = UNREAD
    is_reported_deleted: bool = False
    is_new: bool = False
    is_unfinished: bool = False
    begun_in: str | None = None
    made: Event | ReadState = UNREAD
    was_removed: bool = False
    is_synced: bool = True
    quarantine: QuarantineKind | None = None
    is_guarded: bool = False


def why_no_event(booking: Booking, policy: Policy) -> Reason | None:
    """Why a booking is to have no event at all."""
    if booking.phase is BookingPhase.CANCELLED and policy.on_cancellation is OnCancellation.REMOVE:
        return Reason.CANCELLED_IN_DYNAMICS
    if booking.mailbox_id is None:
        return Reason.NO_MAILBOX
    if not policy.covers(booking):
        return Reason.OUT_OF_SCOPE
    return None


_REASON_OF_QUARANTINE = {
    QuarantineKind.UNREACHABLE: Reason.UNREACHABLE,
    QuarantineKind.MICROSOFT_SYNC: Reason.MICROSOFT_SYNC,
}


def why_untouched(delivery: Delivery, booking: Booking) -> Reason | None:
    """Why nothing is written into the technician's calendar, though the booking belongs there."""
    if not booking.is_user_enabled:
        return Reason.USER_DISABLED
    if not delivery.is_synced:
        return Reason.NOT_SYNCED
    return _REASON_OF_QUARANTINE[delivery.quarantine] if delivery.quarantine else None


def why_no_new_event(delivery: Delivery, booking: Booking) -> Reason | None:
    """Why a booking that has no event gets none now, though it may keep one that it has."""
    if booking.phase in OVER:
        return OVER[booking.phase]
    return None if booking.span.overlaps(delivery.window) else Reason.OUTSIDE_WINDOW


def named_event(booking: Booking) -> EventAddress | None:
    """The event of its own technician's calendar that a booking names."""
    if booking.event_id is None or booking.mailbox_id is None:
        return None
    address = EventAddress(booking.mailbox_id, booking.event_id)
    return address if booking.names(*address) else None
