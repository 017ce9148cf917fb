"""Dataverse's webhooks about bookings and work orders: authentication and parsing. Pure.

A webhook is a hint, as a notification is: ids and digests are taken from it, never a name, a time or a text. This
module is on the acknowledging path: it must import nothing heavy. Rules: Dataverse documentation, use-webhooks and
register-plug-in (2026-03), checked 2026-11-21. They do not show the value of a lookup: it is taken as an object with an
`Id`, which an EntityReference is serialised to, or as the bare id.
"""

import hmac
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sync.core.acceptance import Accepted, is_opaque_id, read_json
from sync.core.errors import RejectedRequest
from sync.core.sides import TimeSpan, booking_fingerprint
from sync.core.work_items import BookingChange, WorkItem, WorkOrderChange

WEBHOOK_SECRET_HEADER = "x-bookingsync-secret"  # noqa: S105 - a name, no secret

BOOKING_TABLE = "bookableresourcebooking"
WORK_ORDER_TABLE = "msdyn_workorder"

STATE_COLUMNS = ("starttime", "endtime", "resource", "bookingstatus", "msdyn_workorder", "name")
"""The columns whose changes are listened to, and which an image from after the change shows, for a fingerprint."""

TRACE_COLUMNS = ("resource", "bks_eventid", "bks_eventhash")
"""What an image from before a deletion shows, so that the event is found without our own tables."""

RECENT = timedelta(minutes=5)
"""Microsoft's own sync takes ten minutes and more to make an event of a booking."""

_AUTOMATIC_IMAGE = "AsynchronousStepPrimaryName"
"""The platform adds it to an asynchronous step; it shows the id and the name alone."""

_ASYNCHRONOUS = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"/Date\((-?[0-9]{1,15})(?:[+-][0-9]{4})?\)/")
"""Milliseconds since 1970 in UTC. A zone may follow; it does not shift the instant."""

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EMPTY_GUID = "00000000-0000-0000-0000-000000000000"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def authenticate_webhook(presented: str | None, secrets: Sequence[str]) -> bool:
    """Whether the value of the secret header proves its sender. Compares in constant time.

    `secrets` are the current secret and, while rotating, the previous one.
    """
    if not presented:
        return False
    offered = presented.encode(errors="surrogatepass")
    matches = [hmac.compare_digest(offered, secret.encode()) for secret in secrets]
    return any(matches)


def accept_booking_webhook(body: bytes, *, now: datetime, new_id: Callable[[], str]) -> Accepted:
    """The work in one execution context: an item, or none and why.

    Raises `RejectedRequest` for what is no execution context. One that is not work for us is no error: the step would
    fail, and one that was registered by mistake, perhaps as a synchronous one, must not stop anybody's work. Of a
    context over 256 KB the platform leaves the images out: the item then carries the id alone.
    """
    context = read_json(body)
    if not _is_execution_context(context):
        raise RejectedRequest("The body is not an execution context.", status=400)
    table, message, row_id = context["PrimaryEntityName"], context["MessageName"], _guid(context["PrimaryEntityId"])
    if row_id is None:
        return _dropped("no-row")
    if table == WORK_ORDER_TABLE and message == "Update":
        item: WorkItem = WorkOrderChange(work_order_id=row_id, received_at=now, correlation_id=new_id())
    elif table == BOOKING_TABLE and message == "Delete":
        item = _deletion(row_id, context, now, new_id())
    elif table == BOOKING_TABLE and message in ("Create", "Update"):
        item = BookingChange(
            booking_id=row_id,
            received_at=now,
            correlation_id=new_id(),
            is_new=message == "Create" and _is_recent(context.get("OperationCreatedOn"), now),
            fingerprint=_fingerprint(_columns(context.get("PostEntityImages"))),
        )
    else:
        return _dropped("message" if table in (BOOKING_TABLE, WORK_ORDER_TABLE) else "table")
    return Accepted(items=[item], received=1)


def _is_execution_context(document: Any) -> bool:
    names = ("MessageName", "PrimaryEntityName", "PrimaryEntityId")
    return isinstance(document, dict) and all(isinstance(document.get(name), str) for name in names)


def _is_recent(created_on: Any, now: datetime) -> bool:
    """Whether an operation is so young that nobody can have acted on it; our clocks and Dataverse's may differ."""
    try:
        return abs(now - _instant(created_on)) < RECENT
    except (ValueError, OverflowError):
        return False


def _dropped(reason: str) -> Accepted:
    return Accepted(items=[], received=1, dropped=Counter([reason]))


def _deletion(booking_id: str, context: Mapping[str, Any], now: datetime, correlation_id: str) -> BookingChange:
    """What is told of a deletion, and of the event that the booking had.

    A synchronous step is called before the deletion is final, and nothing is told when it is rolled back: to us it is
    then no more than a change, which is looked at.
    """
    columns = _columns(context.get("PreEntityImages"))
    resource, event_id, event_hash = (columns.get(name) for name in TRACE_COLUMNS)
    return BookingChange(
        booking_id=booking_id,
        received_at=now,
        correlation_id=correlation_id,
        is_deleted=context.get("Mode") == _ASYNCHRONOUS,
        event_id=event_id if is_opaque_id(event_id) else None,
        event_hash=event_hash if isinstance(event_hash, str) and _SHA256.fullmatch(event_hash) else None,
        resource_id=_guid(resource),
    )


def _fingerprint(columns: Mapping[str, Any]) -> str | None:
    """That of the state that an image shows, None for one that shows too little. It omits columns without a value."""
    start, end, resource, status, work_order, name = (columns.get(column) for column in STATE_COLUMNS)
    resource_id, status_id, work_order_id = _guid(resource), _guid(status), _guid(work_order)
    is_readable = (work_order is None or work_order_id is not None) and isinstance(name, str | None)
    if resource_id is None or status_id is None or not is_readable:
        return None
    try:
        return booking_fingerprint(
            span=TimeSpan(start_at=_instant(start), end_at=_instant(end)),
            resource_id=resource_id,
            status_id=status_id,
            work_order_id=work_order_id,
            name=name,
        )
    except (ValueError, OverflowError):
        return None


def _columns(images: Any) -> dict[str, Any]:
    """The columns that the images show, whatever their aliases: images of one kind are all of the same state."""
    columns: dict[str, Any] = {}
    for alias, image in _entries(images):
        if alias != _AUTOMATIC_IMAGE and isinstance(image, dict):
            columns.update(_entries(image.get("Attributes")))
    return columns


def _entries(collection: Any) -> list[tuple[str, Any]]:
    """The entries of a dictionary as the platform writes one: an array of objects with `key` and `value`."""
    entries = collection if isinstance(collection, list) else []
    named = (entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("key"), str))
    return [(entry["key"], entry.get("value")) for entry in named]


def _guid(value: Any) -> str | None:
    """An id in lower case, of a reference or by itself; None for anything else and for the empty id."""
    text = value.get("Id") if isinstance(value, dict) else value
    lower = text.lower() if isinstance(text, str) else ""
    return lower if _GUID.fullmatch(lower) and lower != _EMPTY_GUID else None


def _instant(value: Any) -> datetime:
    """Raises `ValueError` and `OverflowError` for what is no time."""
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("not a date")
    return _EPOCH + timedelta(milliseconds=int(match[1]))
