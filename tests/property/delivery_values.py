"""Strategies for bookings on their way to Outlook: any delivery, likely or not, and worlds that a story begins in."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from sync.core.delivery_state import Delivery
from sync.core.mailboxes import QuarantineKind
from sync.core.memory import Link
from sync.core.reconcile import ABSENT, UNREAD, OnCancellation, Policy, Scope, Winner
from sync.core.sides import Booking, BookingPhase, Event, EventAddress, TimeSpan, WorkOrder
from tests.property import values
from tests.property.delivery_world import WINDOW, World
from tests.unit.values import (
    AGREED,
    BOOKING_ID,
    CONTENT,
    FAR_AHEAD,
    MAILBOX,
    MOVED,
    MOVED_ELSEWHERE,
    NOW,
    OTHER_MAILBOX,
)

THIRD_MAILBOX = "33333333-3333-4333-8333-333333333333"
PAST = TimeSpan(start_at=NOW - timedelta(days=1), end_at=NOW - timedelta(hours=22))
ORDER = WorkOrder(work_order_id="order-1", number="WO-1")

mailboxes = st.sampled_from([MAILBOX, OTHER_MAILBOX, THIRD_MAILBOX])
# What leaves much to do comes first and often: a booking without an event has few stories.
booked_on = st.sampled_from([MAILBOX, OTHER_MAILBOX, MAILBOX, OTHER_MAILBOX, THIRD_MAILBOX, None])
spans = st.sampled_from([AGREED, MOVED, AGREED, MOVED, MOVED_ELSEWHERE, PAST, PAST, FAR_AHEAD])
phases = st.sampled_from([*[BookingPhase.SCHEDULED] * 3, BookingPhase.CANCELLED, BookingPhase.COMPLETED])
work_orders = st.sampled_from([ORDER, ORDER, None])
policies = st.builds(
    Policy,
    conflict_winner=st.sampled_from(Winner),
    scope=st.sampled_from([Scope.ANY, Scope.ANY, Scope.ANY, Scope.WORK_ORDERS]),
    on_cancellation=st.sampled_from(OnCancellation),
    keeps_past_events=st.booleans(),
)


def _with_more(booking: Booking, **columns: Any) -> Booking:
    return replace(booking, **columns)


addresses = st.builds(EventAddress, values.mailbox_ids, values.event_ids)
any_events = values.events(values.event_ids)
deliveries = st.builds(
    Delivery,
    booking_id=values.booking_ids,
    booking=st.just(ABSENT)
    | st.builds(
        _with_more,
        values.bookings,
        is_user_enabled=st.booleans(),
        work_order=work_orders,
        undelivered=st.sampled_from(["", "for some reason"]),
    ),
    content=st.just(CONTENT),
    decided_at=values.moments,
    window=st.sampled_from([WINDOW, FAR_AHEAD]),
    link=st.none()
    | st.builds(
        Link,
        booking_id=values.booking_ids,
        mailbox_id=values.mailbox_ids,
        event_id=values.event_ids,
        agreed=values.spans,
        phase=values.phases,
        booking_etag=values.etags,
        event_etag=st.just("") | values.etags,
        is_named=st.booleans(),
        named_before=st.none() | values.event_ids,
        written=st.sampled_from([{}, CONTENT.written()]),
        leftover=st.none() | addresses,
        generation=st.integers(1, 3),
    ),
    hint=st.none() | addresses,
    event=st.sampled_from([UNREAD, ABSENT]) | any_events,
    found=st.sampled_from([UNREAD, ABSENT]) | any_events,
    elsewhere=st.sampled_from([UNREAD, ABSENT]) | any_events,
    is_reported_deleted=st.booleans(),
    is_new=st.booleans(),
    is_unfinished=st.booleans(),
    begun_in=st.none() | values.mailbox_ids,
    made=st.sampled_from([UNREAD, ABSENT]) | any_events,
    was_removed=st.booleans(),
    is_synced=st.booleans(),
    quarantine=st.none() | st.sampled_from(QuarantineKind),
    is_guarded=st.booleans(),
)
_answer = st.just(ABSENT) | any_events
answers = st.fixed_dictionaries(dict.fromkeys(("event", "found", "elsewhere", "made"), _answer))
"""What reading and searching would bring, here and elsewhere."""


bookings = st.builds(
    Booking,
    booking_id=st.just(BOOKING_ID),
    etag=st.just("first"),
    span=spans,
    phase=phases,
    mailbox_id=booked_on,
    event_id=st.none(),
    event_hash=st.none(),
    modified_at=st.just(NOW),
    work_order=work_orders,
)


def handmade(mailbox_id: str, span: TimeSpan) -> Event:
    """An event without our mark."""
    return Event(mailbox_id=mailbox_id, event_id="handmade", etag="handmade", span=span, modified_at=NOW)


@st.composite
def worlds(draw: st.DrawFn, *, with_handmade_events: bool = True) -> World:
    """A booking that nobody has handled yet. If it is not new, somebody may have made an event for it by hand."""
    booking, is_new = draw(bookings), draw(st.booleans())
    world = World(policy=draw(policies), booking=booking, is_guarded=draw(st.booleans()), is_new=is_new)
    if with_handmade_events and not is_new and draw(st.booleans()):
        mailbox_id = draw(st.just(booking.mailbox_id or MAILBOX) | mailboxes)
        event = handmade(mailbox_id, draw(st.just(booking.span) | spans))
        world.events[event.address] = event
    return world
