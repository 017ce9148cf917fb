"""What holds for every decision about a booking's event, whatever is known, likely or not."""

from dataclasses import replace
from typing import Any

from hypothesis import given

from sync.core.delivery import Decision, decide_delivery
from sync.core.delivery_state import Delivery
from sync.core.delivery_steps import (
    AdoptEvent,
    CreateEvent,
    ForgetEvent,
    NameEvent,
    ReadEvent,
    RemoveEvent,
    RescheduleBooking,
    RewriteEvent,
    SearchEvent,
)
from sync.core.reconcile import ABSENT, UNREAD, Policy
from sync.core.sides import Booking, BookingPhase, Event, EventAddress
from tests.property.delivery_values import answers, deliveries, policies
from tests.property.delivery_world import MAXIMUM_READINGS

type Answers = dict[str, Any]


def decided(delivery: Delivery, policy: Policy, answers: Answers) -> tuple[Decision, Delivery, int]:
    """The step or end, all that was known for it, and how many readings it took."""
    for readings in range(MAXIMUM_READINGS + 1):
        match decide_delivery(delivery, policy):
            case ReadEvent(is_elsewhere=is_elsewhere):
                name = "elsewhere" if is_elsewhere else "event"
            case SearchEvent(is_elsewhere=is_elsewhere):
                name = "made" if is_elsewhere else "found"
            case decision:
                return decision, delivery, readings
        assert getattr(delivery, name) is UNREAD, "it is read twice"
        delivery = replace(delivery, **{name: answers[name]})
    raise AssertionError("a fourth reading was asked for")


@given(deliveries, policies, answers)
def test_every_delivery_is_decided_within_three_readings(delivery: Delivery, policy: Policy, answers: Answers) -> None:
    _, _, readings = decided(delivery, policy, answers)
    assert readings <= MAXIMUM_READINGS


@given(deliveries, policies, answers)
def test_an_event_is_made_only_where_the_booking_belongs(delivery: Delivery, policy: Policy, answers: Answers) -> None:
    step, known, _ = decided(delivery, policy, answers)
    if not isinstance(step, CreateEvent | AdoptEvent | RewriteEvent):
        return
    booking = known.booking
    assert isinstance(booking, Booking)
    assert known.is_synced
    assert known.quarantine is None
    assert booking.is_user_enabled
    assert policy.covers(booking)
    if isinstance(step, CreateEvent):
        assert (step.mailbox_id, step.span) == (booking.mailbox_id, booking.span)
        assert booking.phase not in (BookingPhase.CANCELLED, BookingPhase.COMPLETED)
        is_gone = known.found is ABSENT or (isinstance(known.found, Event) and known.found.is_cancelled)
        nobody_can_have_made_one = known.is_new and not known.is_unfinished
        first_reassignment = known.link is not None and known.link.generation == 1 and not known.is_unfinished
        assert not _was_tidied_up(known, policy), "a visit that is over does not come back"
        assert is_gone or nobody_can_have_made_one or first_reassignment, "what is there is looked for"
    if isinstance(step, RewriteEvent):
        assert known.link is not None
        assert known.link.mailbox_id == booking.mailbox_id
        assert step.span in (None, booking.span)


def _was_tidied_up(known: Delivery, policy: Policy) -> bool:
    """Whether the event of a visit that is over was seen to be gone from the calendar where the booking belongs."""
    assert isinstance(known.booking, Booking)
    link = known.link
    is_at_home = link is None or link.mailbox_id == known.booking.mailbox_id
    return known.event is ABSENT and is_at_home and policy.keeps(known.booking.span, known.decided_at)


@given(deliveries, policies, answers)
def test_only_events_that_are_held_are_removed_or_forgotten(
    delivery: Delivery, policy: Policy, answers: Answers
) -> None:
    step, known, _ = decided(delivery, policy, answers)
    if not isinstance(step, RemoveEvent | ForgetEvent):
        return
    held = {known.hint}
    if isinstance(known.made, Event):
        held.add(known.made.address)
    if known.link is not None:
        held |= {known.link.address, known.link.leftover}
    if isinstance(known.booking, Booking) and known.booking.mailbox_id and known.booking.event_id:
        held.add(EventAddress(known.booking.mailbox_id, known.booking.event_id))
    assert step.address in held
    assert known.booking is not ABSENT or known.is_reported_deleted, "absence alone proves nothing"


@given(deliveries, policies, answers)
def test_a_booking_is_written_only_as_it_was_read(delivery: Delivery, policy: Policy, answers: Answers) -> None:
    step, known, _ = decided(delivery, policy, answers)
    if isinstance(step, NameEvent | RescheduleBooking):
        assert isinstance(known.booking, Booking)
        assert step.etag == known.booking.etag
    if isinstance(step, RemoveEvent | ForgetEvent) and step.clears is not None:
        assert isinstance(known.booking, Booking)
        assert step.clears == known.booking.etag
    if isinstance(step, RescheduleBooking):
        assert isinstance(known.booking, Booking)
        assert known.booking.phase not in (BookingPhase.CANCELLED, BookingPhase.COMPLETED)
