"""What we write into events, as Graph's JSON, and by what an event is taken for a booking's. Pure: no I/O.

Shapes: Graph documentation, user-post-events (2026-08-03), event-update (2024-06-22), opentypeextension-post,
singlevaluelegacyextendedproperty-get, user-list-calendarview; checked 2026-11-21.
"""

import re
from typing import Any

from sync.adapters.graph_wire import (
    BOOKING_ID_PROPERTY,
    EXTENSION_BOOKING_ID,
    EXTENSION_NAME,
    time_from_wire,
    wire_time,
)
from sync.core.errors import InvalidPayload
from sync.core.sides import SINGLE_INSTANCE, TimeSpan
from sync.service.ports import EventBody, EventChanges, EventDraft

LOOKALIKE_FIELDS = ["id", "subject", "start", "end", "type", "isAllDay", "isCancelled", "isOrganizer", "attendees"]
"""What `is_lookalike` reads."""


def draft_to_wire(draft: EventDraft) -> dict[str, Any]:
    """A new event with both marks. It names no attendees: whoever is named is sent an invitation."""
    content = draft.content
    changes = EventChanges(
        booking_id=draft.booking_id,
        span=draft.span,
        subject=content.subject,
        location=content.location,
        body=content.body,
        categories=content.categories,
        show_as=content.show_as,
    )
    extension = {
        "@odata.type": "microsoft.graph.openTypeExtension",
        "extensionName": EXTENSION_NAME,
        EXTENSION_BOOKING_ID: draft.booking_id,
    }
    return {**changes_to_wire(changes), "transactionId": draft.transaction_id, "extensions": [extension]}


def changes_to_wire(changes: EventChanges) -> dict[str, Any]:
    """The body of a PATCH, with nothing in it that is not to change.

    The mark is the extended property alone: a PATCH of an event cannot write an open extension.
    Raises `ValueError` when there is nothing to change.
    """
    wire: dict[str, Any] = {}
    if changes.booking_id is not None:
        wire["singleValueExtendedProperties"] = [{"id": BOOKING_ID_PROPERTY, "value": changes.booking_id}]
    if changes.span is not None:
        wire |= {"start": wire_time(changes.span.start_at), "end": wire_time(changes.span.end_at)}
    if changes.subject is not None:
        wire["subject"] = changes.subject
    if changes.location is not None:
        wire["location"] = {"displayName": changes.location}
    if changes.body is not None:
        wire["body"] = {"contentType": "html", "content": changes.body}
    if changes.categories is not None:
        wire["categories"] = list(changes.categories)
    if changes.show_as is not None:
        wire["showAs"] = changes.show_as.value
    if not wire:
        raise ValueError("there is nothing to change in the event")
    return wire


def body_from_wire(data: dict[str, Any]) -> EventBody:
    """An event's body that was asked for as HTML. Raises `InvalidPayload` for anything else.

    Text must not pass for HTML: written back as such, it would lose its line breaks and whatever looks like a tag.
    """
    body, etag = data.get("body"), data.get("@odata.etag")
    if not isinstance(body, dict) or str(body.get("contentType")).lower() != "html":
        raise InvalidPayload("An event's body is not HTML.", operation="event.get")
    html = body.get("content")
    if not isinstance(html, str) or not isinstance(etag, str) or not etag:
        raise InvalidPayload("An event's body or its etag is missing.", operation="event.get")
    return EventBody(html=html, etag=etag)


def is_lookalike(data: dict[str, Any], span: TimeSpan, number: str) -> bool:
    """Whether an event of a calendar view is a single one of exactly that time whose subject names `number`.

    An event with attendees never is: they would be sent a mail with each of our changes. Whether it has a mark is
    another question.
    """
    is_plain = data.get("type") == SINGLE_INSTANCE and not data.get("isAllDay") and not data.get("isCancelled")
    if not is_plain or data.get("isOrganizer") is not True or data.get("attendees") or not data.get("id"):
        return False
    try:
        shown = TimeSpan(start_at=time_from_wire(data["start"]), end_at=time_from_wire(data["end"]))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return False
    return shown == span and _names(str(data.get("subject") or ""), number)


def _names(subject: str, number: str) -> bool:
    """Whether `number` stands in the subject by itself: WO-1 is neither in "WO-10" nor in "WO-1-B"."""
    pattern = rf"(?<!\w)(?<!\w[-./]){re.escape(number)}(?![-./]?\w)"
    return re.search(pattern, subject, re.IGNORECASE) is not None
