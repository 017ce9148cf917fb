"""Taking a booking's event out of a calendar, and which ones stay. Pure.

It is enough that we hold the event (a link, the booking's columns, or our mark on an event that somebody came across):
that it was changed or moved in Outlook does not save it, so that no orphan is left. But it is read before it goes: what
has become a series is its owner's, and whether Graph honours an etag when it deletes cannot be tried.
"""

from sync.core.actions import Reason
from sync.core.delivery_state import UNDELIVERED, Delivery, named_event
from sync.core.delivery_steps import DeliveryReading, DeliveryStep, ForgetEvent, ReadEvent, RemoveEvent
from sync.core.reconcile import UNREAD, Policy
from sync.core.sides import SINGLE_INSTANCE, Booking, Event, EventAddress


def remove_held(
    delivery: Delivery, held: EventAddress, reason: Reason, policy: Policy
) -> DeliveryReading | DeliveryStep:
    """Take a held event out of its calendar, unless it is past or has become something else."""
    event, booking, undelivered = delivery.event, delivery.booking, UNDELIVERED.get(reason, "")
    clears = booking.etag if isinstance(booking, Booking) and _may_clear(booking, held, undelivered) else None
    if event is UNREAD:
        return ReadEvent(held)
    if not isinstance(event, Event):
        return ForgetEvent(held, reason, clears, undelivered, is_gone=True)
    if (why := _why_it_stays(event, delivery, policy)) is not None:
        return ForgetEvent(held, why, clears, undelivered)
    return RemoveEvent(held, event.etag, reason, clears, undelivered)


def _may_clear(booking: Booking, held: EventAddress, undelivered: str) -> bool:
    """Whether the booking's columns are about the event that goes, and not about another one that it has."""
    if not booking.names_an_event:
        return undelivered != booking.undelivered
    return booking.names(*held) or named_event(booking) is None


def _why_it_stays(event: Event, delivery: Delivery, policy: Policy) -> Reason | None:
    if event.type != SINGLE_INSTANCE:
        return Reason.SERIES
    if delivery.link is None and event.booking_id != delivery.booking_id:
        # Only a hint or the booking's columns name it: then it must say itself that it is the booking's.
        return Reason.NOT_OURS
    return Reason.PAST_EVENT if policy.keeps(event.span, delivery.decided_at) else None


def remove_leftover(delivery: Delivery) -> DeliveryReading | DeliveryStep | None:
    """Remove what a former technician still has; None when that is nothing."""
    link = delivery.link
    if link is None or link.leftover is None:
        return None
    return _remove_elsewhere(delivery, link.leftover)


def remove_stray(delivery: Delivery, booking: Booking) -> DeliveryReading | DeliveryStep | None:
    """Remove an event of the booking that somebody came across where neither link nor booking want it."""
    hint, link = delivery.hint, delivery.link
    if hint is None or hint.mailbox_id == booking.mailbox_id:
        return None
    if link is not None and hint in (link.address, link.leftover):
        return None
    return _remove_elsewhere(delivery, hint)


def _remove_elsewhere(delivery: Delivery, address: EventAddress) -> DeliveryReading | DeliveryStep:
    """Take an event out of a calendar where its booking does not belong any more, past or not: the visit is another's.

    One that was made into a series is its owner's by now.
    """
    event = delivery.elsewhere
    if event is UNREAD:
        return ReadEvent(address, is_elsewhere=True)
    if not isinstance(event, Event):
        return ForgetEvent(address, Reason.LEFTOVER, is_gone=True)
    if event.type != SINGLE_INSTANCE:
        return ForgetEvent(address, Reason.SERIES)
    return RemoveEvent(address, event.etag, Reason.LEFTOVER)
