"""Plain values for the tests of the pure core: one of each, agreed with the others; a test names what differs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sync.core.actions import Action, LocateEvent, ReadBooking, Reading, SearchTwin
from sync.core.content import (
    DEFAULT_BODY,
    DEFAULT_CATEGORIES,
    DEFAULT_LOCATION,
    DEFAULT_SUBJECT,
    ShowAs,
    Template,
    Templates,
    render,
)
from sync.core.delivery_state import Delivery
from sync.core.memory import KnownEvent, Link, Standing
from sync.core.reconcile import ABSENT, UNREAD, Pair, Policy, ReadState, decide
from sync.core.sides import Booking, BookingPhase, Event, TimeSpan, event_hash
from sync.core.sweeping import WindowPolicy, window_at
from sync.core.work_items import BookingChange, EventChange, MailboxJob, MailboxTask, WorkOrderChange

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
TENANT = "6f6e7d1c-0000-4c5e-9a00-5a3b1d2c4e01"
MAILBOX = "11111111-1111-4111-8111-111111111111"
OTHER_MAILBOX = "22222222-2222-4222-8222-222222222222"
BOOKING_ID = "0b0f6a5e-3b1f-4f11-840a-000d3a111111"
WORK_ORDER_ID = "3c3d9c0a-5a7e-4f11-840a-000d3a222222"
EVENT_ID = "AAMkAGI2-visit="
COPY_ID = "AAMkAGI2-copy="

AGREED = TimeSpan(start_at=NOW, end_at=NOW + timedelta(hours=2))
MOVED = TimeSpan(start_at=NOW + timedelta(days=1), end_at=NOW + timedelta(days=1, hours=2))
MOVED_ELSEWHERE = TimeSpan(start_at=NOW + timedelta(days=2), end_at=NOW + timedelta(days=2, hours=1))
JUST_OVER = TimeSpan(start_at=NOW - timedelta(hours=2), end_at=NOW)
FAR_AHEAD = TimeSpan(start_at=NOW + timedelta(days=400), end_at=NOW + timedelta(days=400, hours=2))
"""Outside every window."""

EARLIER = NOW - timedelta(hours=2)
LATER = NOW - timedelta(hours=1)

TEMPLATES = Templates(
    subject=Template.parse(DEFAULT_SUBJECT),
    location=Template.parse(DEFAULT_LOCATION),
    body=Template.parse(DEFAULT_BODY),
    categories=Template.parse(DEFAULT_CATEGORIES),
    show_as=ShowAs.BUSY,
    zone=UTC,
    record_url="https://org.example",
)

_EVENT = Event(
    mailbox_id=MAILBOX,
    event_id=EVENT_ID,
    etag='W/"event-1"',
    span=AGREED,
    booking_id=BOOKING_ID,
    modified_at=EARLIER,
)
_BOOKING = Booking(
    booking_id=BOOKING_ID,
    etag='W/"1001"',
    span=AGREED,
    phase=BookingPhase.SCHEDULED,
    mailbox_id=MAILBOX,
    event_id=EVENT_ID,
    event_hash=event_hash(MAILBOX, EVENT_ID),
    modified_at=EARLIER,
)
_LINK = Link(
    booking_id=BOOKING_ID,
    mailbox_id=MAILBOX,
    event_id=EVENT_ID,
    agreed=AGREED,
    phase=BookingPhase.SCHEDULED,
    booking_etag='W/"1001"',
)
CONTENT = render(_BOOKING, TEMPLATES)
"""What the booking's event is to say."""


def an_event(**different: Any) -> Event:
    """The booking's event, where it was agreed to be."""
    return replace(_EVENT, **different)


def a_copy(**different: Any) -> Event:
    """Another event of the mailbox with the same booking's mark."""
    return replace(_EVENT, event_id=COPY_ID, etag='W/"copy-1"', **different)


def a_booking(**different: Any) -> Booking:
    """A scheduled booking of the mailbox that names the event. Another `event_id` brings its own digest.

    The digest is of an event in the mailbox, whoever the booking belongs to by now.
    """
    event_id = different.get("event_id", EVENT_ID)
    digest = event_hash(MAILBOX, event_id) if event_id else None
    return replace(_BOOKING, **{"event_hash": digest, **different})


def a_link(**different: Any) -> Link:
    """What the two last agreed on."""
    return replace(_LINK, **different)


def a_delivered_link(**different: Any) -> Link:
    """The link of a booking whose event says all that it should, at the etag of that event."""
    return replace(_LINK, **{"event_etag": _EVENT.etag, "written": CONTENT.written(), **different})


def a_delivery(**different: Any) -> Delivery:
    """The booking has been read and is as agreed; its event has not been read."""
    known = {
        "booking_id": BOOKING_ID,
        "booking": a_booking(),
        "content": CONTENT,
        "decided_at": NOW,
        "window": window_at(NOW, WindowPolicy()),
        "link": a_delivered_link(),
        **different,
    }
    return Delivery(**known)


def a_live_pair(**different: Any) -> Pair:
    """The event has been read and is there; nothing has changed; the booking has not been read."""
    known = {"event": an_event(), "link": a_link(), "standing": Standing.LINKED, "decided_at": NOW, **different}
    return Pair(mailbox_id=MAILBOX, event_id=EVENT_ID, **known)


def a_gone_pair(**different: Any) -> Pair:
    """The event is reported removed and does not exist; the booking has been read and could be cancelled."""
    known = {
        "event": ABSENT,
        "is_reported_removed": True,
        "link": a_link(),
        "standing": Standing.LINKED,
        "booking": a_booking(),
        "decided_at": NOW,
        **different,
    }
    return Pair(mailbox_id=MAILBOX, event_id=EVENT_ID, **known)


def a_known_event(**different: Any) -> KnownEvent:
    return replace(KnownEvent(mailbox_id=MAILBOX, event_id=EVENT_ID), **different)


def a_change(**different: Any) -> EventChange:
    """A work item as the door makes it."""
    item = EventChange(mailbox_id=MAILBOX, event_id=EVENT_ID, received_at=NOW, correlation_id="correlation-1")
    return replace(item, **different)


def a_booking_change(**different: Any) -> BookingChange:
    """A work item about the booking, of which nothing but its id is known."""
    return replace(BookingChange(booking_id=BOOKING_ID, received_at=NOW, correlation_id="correlation-1"), **different)


def a_work_order_change(**different: Any) -> WorkOrderChange:
    item = WorkOrderChange(work_order_id=WORK_ORDER_ID, received_at=NOW, correlation_id="correlation-1")
    return replace(item, **different)


def a_task(**different: Any) -> MailboxTask:
    """A sweep of the mailbox."""
    item = MailboxTask(mailbox_id=MAILBOX, job=MailboxJob.SWEEP, received_at=NOW, correlation_id="correlation-1")
    return replace(item, **different)


def act(
    pair: Pair,
    policy: Policy | None = None,
    *,
    booking: Booking | ReadState = ABSENT,
    is_located: bool = True,
    twin: Event | ReadState = ABSENT,
) -> tuple[Action, list[type[Reading]]]:
    """Decide to the end, answering each reading from the keyword arguments: the action, and what was read for it."""
    readings: list[type[Reading]] = []
    while True:
        step = decide(pair, policy or Policy())
        match step:
            case ReadBooking():
                assert pair.booking is UNREAD, "the booking is asked for twice"
                pair = replace(pair, booking=booking)
            case LocateEvent():
                assert pair.is_located is UNREAD, "the place is asked for twice"
                pair = replace(pair, is_located=is_located)
            case SearchTwin():
                assert pair.twin is UNREAD, "the twin is asked for twice"
                pair = replace(pair, twin=twin)
            case _:
                return step, readings
        readings.append(type(step))
