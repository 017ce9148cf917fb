"""The sample company's mailboxes: linked bookings as marked events, and the private events between them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from local.graph.attendees import parse_attendees
from local.graph.event_body import default_properties
from local.graph.events import Access
from local.graph.odata import property_id
from local.graph.world import GraphWorld
from local.meetings import DISPATCHER, DISPATCHER_ADDRESS, DISPATCHER_MAILBOX_ID, Meeting
from local.sample import BOOKING_ID_PROPERTY, EXTENSION_NAME, PrivateEvent, Sample, SampleBooking

BOOKING_ID_FIELD = "bookingSyncGuid"
"""The property of the open extension that holds the booking id."""

_AGE = timedelta(days=1)


def seed(world: GraphWorld, sample: Sample, meetings: Sequence[Meeting]) -> None:
    """Fill an empty world. The events are a day old, so that no stale read misses them."""
    for technician in sample.technicians:
        access: Access = "ok" if technician.has_mailbox else "not_enabled"
        world.add_mailbox(technician.mailbox_id, technician.address, technician.name, access)
    world.add_mailbox(DISPATCHER_MAILBOX_ID, DISPATCHER_ADDRESS, DISPATCHER)
    for meeting in meetings:
        if meeting.is_synchronized:
            _seed_meeting(world, meeting)
    for booking in sample.bookings:
        if booking.linked:
            _seed_event(world, booking, marked_event_fields(booking))
    for private in sample.private_events:
        _seed_event(world, private, _fields(private, {"subject": private.subject}))


def _seed_event(world: GraphWorld, source: SampleBooking | PrivateEvent, fields: dict[str, Any]) -> None:
    mailbox = world.mailboxes[source.technician.mailbox_id]
    world.seed(mailbox, source.event_id, world.now - _AGE, fields)


def _seed_meeting(world: GraphWorld, meeting: Meeting) -> None:
    """The dispatcher's own copy, to which nobody has answered yet."""
    guests = [
        {
            "type": "optional" if guest.is_optional else "required",
            "emailAddress": {"name": guest.name, "address": guest.address},
        }
        for guest in meeting.guests
    ]
    properties = {**default_properties(), "subject": meeting.subject, "attendees": parse_attendees(guests, [])}
    fields = {"start_at": meeting.start_at, "end_at": meeting.end_at, "properties": properties}
    world.seed(world.mailboxes[DISPATCHER_MAILBOX_ID], meeting.event_id, world.now - _AGE, fields)


def marked_event_fields(booking: SampleBooking) -> dict[str, Any]:
    """Fields of the event that stands for a booking, with both marks and without attendees."""
    order = booking.work_order
    properties: dict[str, Any] = {"subject": booking.name}
    if order is not None:
        address = {"street": order.street, "city": order.city}
        properties = {
            "subject": f"{order.number} {order.summary}",
            "location": {"displayName": f"{order.street}, {order.city}", "address": address},
        }
    return {
        **_fields(booking, properties),
        "extensions": {EXTENSION_NAME: {BOOKING_ID_FIELD: booking.booking_id}},
        "extended_properties": {property_id(BOOKING_ID_PROPERTY): booking.booking_id},
    }


def _fields(source: SampleBooking | PrivateEvent, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "start_at": source.start_at,
        "end_at": source.end_at,
        "properties": {**default_properties(), **properties},
    }
