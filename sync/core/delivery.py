"""Where a booking's event belongs, and what is to be done until it is there. Pure: no I/O, no clock, no SDK.

The other half of `sync.core.reconcile`: here a booking changed and has been read, there an event. What has not been
read is `UNREAD`, and the decision may be to read it; a move of a booking whose link is known is written without reading
the event, at the etag of the agreed state, where Graph honours that.

A booking has at most one event, in the calendar of the technician whom it is booked on. The booking's own columns
say which: whoever writes them first, at the etag that he had read, has made the event that counts, and others remove
theirs.
"""

from sync.core.actions import EndEvent, LeaveAlone, Reason, RecordAgreement
from sync.core.content import changed_fields
from sync.core.delivery_removal import remove_held, remove_leftover, remove_stray
from sync.core.delivery_state import (
    OVER,
    UNDELIVERED,
    Delivery,
    named_event,
    why_no_event,
    why_no_new_event,
    why_untouched,
)
from sync.core.delivery_steps import (
    AdoptEvent,
    CreateEvent,
    DeliveryEnd,
    DeliveryReading,
    DeliveryStep,
    MarkUndelivered,
    NameEvent,
    ReadEvent,
    RemoveEvent,
    RescheduleBooking,
    RewriteEvent,
    SearchEvent,
)
from sync.core.memory import Link
from sync.core.reconcile import UNREAD, Policy, Winner, later_side, winner_of
from sync.core.sides import SINGLE_INSTANCE, Booking, Event, EventAddress

type Decision = DeliveryEnd | DeliveryStep | DeliveryReading


def decide_delivery(delivery: Delivery, policy: Policy) -> Decision:
    """What to do next for a booking. Each reading removes one UNREAD; each step brings the booking nearer to an end."""
    if (step := _decide_unfinished(delivery, policy)) is not None:
        return step
    booking = delivery.booking
    if not isinstance(booking, Booking):
        return _decide_without_booking(delivery, policy)
    decision = _decide_with_booking(delivery, booking, policy)
    if not isinstance(decision, LeaveAlone | RecordAgreement):
        return decision
    # What lies elsewhere comes last: a mailbox that does not answer must not hold up the visit in another.
    return remove_leftover(delivery) or remove_stray(delivery, booking) or decision


def _decide_unfinished(delivery: Delivery, policy: Policy) -> Decision | None:
    """Look for what a worker may have made that did not live to say so, where the booking does not want it any more."""
    booking, link, mailbox_id = delivery.booking, delivery.link, delivery.begun_in
    if mailbox_id is None or (not isinstance(booking, Booking) and not delivery.is_reported_deleted):
        return None
    if isinstance(booking, Booking) and _wants_event_in(delivery, booking, mailbox_id, policy):
        return None
    made = delivery.made
    if made is UNREAD:
        return SearchEvent(mailbox_id, is_elsewhere=True)
    if not isinstance(made, Event) or made.type != SINGLE_INSTANCE:
        return None
    if link is not None and made.address in (link.address, link.leftover):
        return None
    return RemoveEvent(made.address, made.etag, Reason.DUPLICATE)


def _wants_event_in(delivery: Delivery, booking: Booking, mailbox_id: str, policy: Policy) -> bool:
    """Whether what is found in that mailbox will be taken for the booking's on the ordinary way."""
    if booking.mailbox_id != mailbox_id or why_no_event(booking, policy) or why_untouched(delivery, booking):
        return False
    is_home = delivery.link is not None and delivery.link.mailbox_id == mailbox_id
    return is_home or why_no_new_event(delivery, booking) is None


def _decide_without_booking(delivery: Delivery, policy: Policy) -> Decision:
    """The booking does not exist. One that is merely not found proves nothing: its deletion will be reported."""
    held = delivery.link.address if delivery.link else delivery.hint
    if not delivery.is_reported_deleted and (held is not None or delivery.begun_in is not None):
        return LeaveAlone(Reason.GONE_UNREPORTED)
    if held is None:
        return EndEvent(Reason.BOOKING_ABSENT)
    return remove_leftover(delivery) or remove_held(delivery, held, Reason.DELETED_IN_DYNAMICS, policy)


def _decide_with_booking(delivery: Delivery, booking: Booking, policy: Policy) -> Decision:
    if (reason := why_no_event(booking, policy)) is not None:
        return _decide_away(delivery, booking, reason, policy)
    if (reason := why_untouched(delivery, booking)) is not None:
        return _decide_untouched(delivery, booking, reason, policy)
    return _decide_at_home(delivery, booking, policy)


def _decide_away(delivery: Delivery, booking: Booking, reason: Reason, policy: Policy) -> Decision:
    """There shall be no event: remove what there is."""
    held = delivery.link.address if delivery.link else delivery.hint or named_event(booking)
    if held is None:
        return LeaveAlone(reason)
    return remove_leftover(delivery) or remove_held(delivery, held, reason, policy)


def _decide_untouched(delivery: Delivery, booking: Booking, reason: Reason, policy: Policy) -> Decision:
    """The technician's calendar stays as it is; a former technician's is cleared all the same."""
    link = delivery.link
    if link is not None and link.mailbox_id != booking.mailbox_id:
        return remove_leftover(delivery) or remove_held(delivery, link.address, reason, policy)
    is_wanted = link is None and not booking.names_an_event and why_no_new_event(delivery, booking) is None
    if is_wanted and delivery.quarantine and booking.undelivered != UNDELIVERED[reason]:
        return MarkUndelivered(booking.etag, UNDELIVERED[reason], reason)
    return LeaveAlone(reason)


def _decide_at_home(delivery: Delivery, booking: Booking, policy: Policy) -> Decision:
    """The booking is to have its event in its technician's calendar."""
    link, named = delivery.link, named_event(booking)
    if link is None:
        return _decide_unlinked(delivery, booking, policy)
    if link.mailbox_id != booking.mailbox_id:
        return _decide_reassigned(delivery, booking, link, policy)
    # The columns still say what they said when the event was made: nobody was quicker, they are to be written yet.
    names_former = not link.is_named and (booking.event_hash or booking.event_id) == link.named_before
    if named is None or names_former or (named == link.address and (not link.is_named or booking.undelivered)):
        return NameEvent(booking.etag)
    if named == link.address:
        return _decide_linked(delivery, booking, link, policy)
    if (step := remove_leftover(delivery)) is not None:
        return step
    if not link.is_named:
        # Somebody else was quicker: ours is one too many.
        return RemoveEvent(link.address, None, Reason.DUPLICATE)
    # It has been given another event since.
    return _decide_named(delivery, booking, named, link.generation + 1, link.address, policy)


def _decide_unlinked(delivery: Delivery, booking: Booking, policy: Policy) -> Decision:
    """We hold no event of the booking."""
    named = named_event(booking)
    if named is not None:
        return _decide_named(delivery, booking, named, 1, None, policy)
    return _take_place(delivery, booking, 1, Reason.NEW_BOOKING, None, must_look=not delivery.is_new)


def _decide_named(
    delivery: Delivery,
    booking: Booking,
    named: EventAddress,
    generation: int,
    leftover: EventAddress | None,
    policy: Policy,
) -> Decision:
    """The booking names an event that we hold no link to: it ended, our tables were lost, or somebody else named it."""
    event = delivery.event
    if event is UNREAD:
        return ReadEvent(named)
    if not isinstance(event, Event):
        if policy.keeps(booking.span, delivery.decided_at):
            return LeaveAlone(Reason.PAST_EVENT)
        if delivery.was_removed and booking.phase in policy.cancellable:
            # It went while the visit was over, or in a status to cancel nothing from, and is planned anew since.
            again = Reason.EDIT_BEATS_DELETION
            return _take_place(delivery, booking, generation, again, leftover, must_look=True)
        # A named event that is absent may have been deleted: a full round of the calendar finds that out.
        return LeaveAlone(Reason.GONE_UNREPORTED)
    if (reason := _why_incomparable(event)) is not None:
        return LeaveAlone(reason)
    if event.span == booking.span:
        return AdoptEvent(event, event.span, generation, Reason.EVENT_FOUND, leftover)
    if later_side(event, booking) is Winner.DYNAMICS:
        return AdoptEvent(event, event.span, generation, Reason.NO_AGREED_STATE, leftover, loser=event.span)
    return AdoptEvent(event, booking.span, generation, Reason.NO_AGREED_STATE, leftover, loser=booking.span)


def _decide_reassigned(delivery: Delivery, booking: Booking, link: Link, policy: Policy) -> Decision:
    """The booking belongs to somebody else now: first an event there, then the old one goes."""
    if (reason := why_no_new_event(delivery, booking)) is not None:
        # With the link goes what it says of the leftover.
        return remove_leftover(delivery) or remove_held(delivery, link.address, reason, policy)
    is_leftover_here = link.leftover is not None and link.leftover.mailbox_id == booking.mailbox_id
    if not is_leftover_here and (step := remove_leftover(delivery)) is not None:
        return step
    # A booking that went back and forth may still have an event where it returns to, or somebody was quicker.
    must_look = link.generation > 1 or named_event(booking) is not None
    return _take_place(delivery, booking, link.generation + 1, Reason.REASSIGNED, link.address, must_look=must_look)


def _take_place(
    delivery: Delivery,
    booking: Booking,
    generation: int,
    reason: Reason,
    leftover: EventAddress | None,
    *,
    must_look: bool,
) -> Decision:
    """An event where the booking belongs: one that is there, else a new one."""
    assert booking.mailbox_id is not None, "a booking without a mailbox has no place"
    assert delivery.content is not None, "a booking that was read has content"
    if (why_not := why_no_new_event(delivery, booking)) is not None:
        return LeaveAlone(why_not)
    if (must_look or delivery.is_unfinished) and delivery.found is UNREAD:
        return SearchEvent(booking.mailbox_id)
    if isinstance(delivery.found, Event) and not delivery.found.is_cancelled:
        return _adopt_found(delivery.found, booking, generation, Reason.EVENT_FOUND, leftover)
    return CreateEvent(booking.mailbox_id, booking.span, delivery.content, generation, reason, leftover)


def _adopt_found(
    found: Event, booking: Booking, generation: int, reason: Reason, leftover: EventAddress | None
) -> AdoptEvent:
    """Take what a search found as it is; where it is at another time, the booking's will stand."""
    loser = found.span if found.span != booking.span else None
    return AdoptEvent(found, found.span, generation, reason, leftover, loser=loser)


def _decide_linked(delivery: Delivery, booking: Booking, link: Link, policy: Policy) -> Decision:
    """Booking and event belong together: what of the booking has not arrived yet?"""
    assert delivery.content is not None, "a booking that was read has content"
    fields = changed_fields(delivery.content, link.written)
    is_moved = booking.span != link.agreed
    event = delivery.event
    if event is UNREAD:
        return _decide_unread(delivery, booking, link, fields, is_moved=is_moved)
    if not isinstance(event, Event) or event.is_cancelled:
        return _decide_vanished(delivery, booking, link, policy, is_moved=is_moved)
    if (why := _why_incomparable(event)) is not None:
        return LeaveAlone(why)
    return _decide_compared(delivery, booking, event, link, fields, policy)


def _decide_unread(
    delivery: Delivery, booking: Booking, link: Link, fields: frozenset[str], *, is_moved: bool
) -> Decision:
    """The event has not been read: what can be written without?"""
    assert delivery.content is not None, "a booking that was read has content"
    if delivery.is_unfinished:
        # It may have been removed for a reason that is none any more.
        return ReadEvent(link.address)
    lacks_mark = not link.written
    if is_moved:
        if not (delivery.is_guarded and link.event_etag):
            return ReadEvent(link.address)
        moved = Reason.MOVED_IN_DYNAMICS
        return RewriteEvent(link.event_etag, booking.span, delivery.content, fields, moved, lacks_mark)
    if fields:
        return RewriteEvent(None, None, delivery.content, fields, Reason.DETAILS_CHANGED, lacks_mark)
    return RecordAgreement(booking.span)


def _decide_compared(
    delivery: Delivery, booking: Booking, event: Event, link: Link, fields: frozenset[str], policy: Policy
) -> Decision:
    """Booking, event and what they last agreed on, side by side."""
    assert delivery.content is not None, "a booking that was read has content"
    lacks_mark = event.booking_id != booking.booking_id
    if event.span == booking.span:
        if not fields and not lacks_mark:
            return RecordAgreement(booking.span)
        return RewriteEvent(None, None, delivery.content, fields, Reason.DETAILS_CHANGED, lacks_mark)
    winner, reason = winner_of(event, booking, link, policy)
    if winner is Winner.OUTLOOK:
        if booking.phase in OVER and fields:
            return RewriteEvent(None, None, delivery.content, fields, Reason.DETAILS_CHANGED, lacks_mark)
        if booking.phase in OVER:
            return LeaveAlone(OVER[booking.phase])
        loser = booking.span if reason is Reason.CONFLICT else None
        return RescheduleBooking(booking.etag, event.span, reason, loser)
    loser = event.span if reason is Reason.CONFLICT else None
    return RewriteEvent(event.etag, booking.span, delivery.content, fields, reason, lacks_mark, loser)


def _decide_vanished(delivery: Delivery, booking: Booking, link: Link, policy: Policy, *, is_moved: bool) -> Decision:
    """The event that we hold is not there any more.

    A move beats a deletion, and what we removed ourselves nobody has deleted; else whoever deleted it will be heard.
    A visit that is over gets no new event.
    """
    if policy.keeps(booking.span, delivery.decided_at):
        return LeaveAlone(Reason.PAST_EVENT)
    if booking.phase in OVER or not (is_moved or delivery.was_removed):
        return LeaveAlone(Reason.GONE_UNREPORTED)
    if (step := remove_leftover(delivery)) is not None:
        return step
    if delivery.found is UNREAD:
        return SearchEvent(link.mailbox_id)
    generation = link.generation + 1
    if isinstance(delivery.found, Event) and not delivery.found.is_cancelled:
        return _adopt_found(delivery.found, booking, generation, Reason.EVENT_REPLACED, link.address)
    assert delivery.content is not None, "a booking that was read has content"
    return CreateEvent(
        link.mailbox_id, booking.span, delivery.content, generation, Reason.EDIT_BEATS_DELETION, link.address
    )


def _why_incomparable(event: Event) -> Reason | None:
    """Why an event has no single time that a booking could share."""
    if event.type != SINGLE_INSTANCE:
        return Reason.SERIES
    return Reason.ALL_DAY if event.is_all_day else None
