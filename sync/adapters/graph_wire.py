"""Graph's JSON and status codes to our values and errors. Pure: no I/O.

Shapes: Graph documentation, resources/event (2025-05-15), event-delta (2025-07-23), resources/subscription
(2026-09-17), errors; checked 2026-11-21.
"""

import re
from datetime import UTC, datetime
from typing import Any

from sync.adapters.transport import Answer, outage
from sync.core.errors import (
    AccessDenied,
    AlreadyExists,
    DeltaTokenExpired,
    DoorDidNotAnswer,
    InvalidPayload,
    MailboxUnavailable,
    NotFound,
    PreconditionFailed,
    Refused,
    ServiceUnavailable,
    SyncError,
)
from sync.core.sides import SINGLE_INSTANCE, Event, TimeSpan
from sync.core.subscriptions import Subscription
from sync.service.ports import DeltaPage

EXTENSION_NAME = "Com.BookingSync.Link"
"""Our open extension. One fixed name: each name uses up a mailbox's finite named properties for good."""

EXTENSION_BOOKING_ID = "bookingSyncGuid"

BOOKING_ID_PROPERTY = "String {8f1d6a0e-3c55-4d0b-9a53-1f2b8f5c7a11} Name BookingId"
"""The same booking id as an extended property, by which events can be searched (open extensions cannot be)."""

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SUBSCRIBED_RESOURCE = re.compile(r"/?users[/(]'?([0-9a-f-]{36})'?\)?/events", re.IGNORECASE)
_MAILBOX_GONE_CODES = frozenset(
    {"MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI", "Request_ResourceNotFound", "ErrorInvalidUser"}
)
_RESYNC_CODES = frozenset({"syncstatenotfound", "resyncrequired", "syncstateinvalid"})


def event_from_wire(mailbox_id: str, data: dict[str, Any], *, booking_id: str | None = None) -> Event:
    """An event as answered in UTC. `booking_id` stands in for the mark where an answer does not show it.

    Raises `InvalidPayload` for what is not an event.
    """
    try:
        return Event(
            mailbox_id=mailbox_id,
            event_id=_text(data, "id"),
            etag=_text(data, "@odata.etag"),
            span=TimeSpan(start_at=time_from_wire(data["start"]), end_at=time_from_wire(data["end"])),
            type=data.get("type") or SINGLE_INSTANCE,
            is_all_day=bool(data.get("isAllDay")),
            is_cancelled=bool(data.get("isCancelled")),
            booking_id=booking_id or _mark(data),
            modified_at=instant_from_wire(_text(data, "lastModifiedDateTime")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        unreadable = InvalidPayload(f"An event cannot be read: {error!r}")
        unreadable.mailbox_id = mailbox_id
        raise unreadable from error


def time_from_wire(value: dict[str, str]) -> datetime:
    """A `dateTimeTimeZone` that was asked for in UTC. Raises `ValueError` when it is in another zone.

    A response in another zone means that Graph ignored our preference; guessing would move somebody's visit.
    """
    if value["timeZone"] not in ("UTC", "Etc/UTC", "Etc/GMT"):
        raise ValueError("Graph answered in another time zone than UTC")
    return instant_from_wire(value["dateTime"])


def wire_time(moment: datetime) -> dict[str, str]:
    """An aware time as Graph's `dateTimeTimeZone` in UTC."""
    return {"dateTime": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"), "timeZone": "UTC"}


def instant_from_wire(text: str) -> datetime:
    """A time as Graph writes it: seven decimals, which `fromisoformat` cuts to six, with or without `Z`."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def instant_to_wire(moment: datetime) -> str:
    """An aware time as Graph's parameters and `DateTimeOffset` take it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def objects_from_wire(document: dict[str, Any], name: str = "value") -> list[dict[str, Any]]:
    """The objects of a collection. Raises `InvalidPayload` when it is none."""
    items = document.get(name)
    if not isinstance(items, list):
        raise InvalidPayload(f'The answer has no "{name}" array.')
    return [item for item in items if isinstance(item, dict)]


def _text(data: dict[str, Any], name: str) -> str:
    value = data[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is empty")
    return value


def _mark(data: dict[str, Any]) -> str | None:
    """The booking id that an event carries: in the open extension, else in the extended property.

    The extension's id has two documented prefixes, so it is recognised by its name; when none matches, `extensions` is
    absent or empty. A value that is no GUID was not written by us.
    """
    marks = [
        extension.get(EXTENSION_BOOKING_ID)
        for extension in data.get("extensions") or ()
        if extension.get("extensionName") == EXTENSION_NAME
    ]
    marks += [
        one.get("value")
        for one in data.get("singleValueExtendedProperties") or ()
        if str(one.get("id")).casefold() == BOOKING_ID_PROPERTY.casefold()
    ]
    ids = [mark.lower() for mark in marks if isinstance(mark, str)]
    return next((mark for mark in ids if _GUID.fullmatch(mark)), None)


def delta_page_from_wire(data: dict[str, Any]) -> DeltaPage:
    """A page of calendarView delta. An entry that cannot be read is reported and spoils no other."""
    changed: list[tuple[str, str]] = []
    removed: list[str] = []
    occurrences: list[str] = []
    rejected: list[str] = []
    items = data.get("value")
    next_link, delta_link = data.get("@odata.nextLink"), data.get("@odata.deltaLink")
    if not isinstance(items, list) or not (isinstance(next_link, str) or isinstance(delta_link, str)):
        raise InvalidPayload("The answer is not a page of a delta round.", operation="calendarView.delta")
    for position, item in enumerate(items):
        try:
            event_id = _text(item, "id")
            if "@removed" in item:
                removed.append(event_id)
            elif item.get("type") == "occurrence":  # It is no booking's event, and a series has many.
                occurrences.append(event_id)
            else:
                changed.append((event_id, item.get("@odata.etag") or ""))
        except (KeyError, TypeError, ValueError) as error:
            rejected.append(f"entry {position} of a delta page cannot be read: {error!r}")
    return DeltaPage(
        changed=changed,
        removed=removed,
        rejected=rejected,
        occurrences=occurrences,
        next_link=next_link,
        delta_link=delta_link,
    )


def subscription_from_wire(data: dict[str, Any]) -> Subscription | None:
    """A subscription to a user's events, None for one to anything else, which is not ours to touch."""
    try:
        match = _SUBSCRIBED_RESOURCE.fullmatch(_text(data, "resource"))
        if match is None:
            return None
        return Subscription(
            subscription_id=_text(data, "id"),
            mailbox_id=match.group(1).lower(),
            notification_url=_text(data, "notificationUrl"),
            lifecycle_url=data.get("lifecycleNotificationUrl"),
            expires_at=instant_from_wire(_text(data, "expirationDateTime")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidPayload(f"A subscription cannot be read: {error!r}") from error


def classify_graph_failure(operation: str, answer: Answer, wait_seconds: float | None) -> SyncError:
    """The error that a failed answer means. Branches on codes, never on an unknown 404: that proves no deletion."""
    code, message = _code_and_message(answer)
    details: dict[str, Any] = {
        "operation": operation,
        "status": answer.status,
        "code": code,
        "request_id": answer.headers.get("request-id", ""),
    }
    if shared := outage(operation, answer, wait_seconds, code):
        return shared
    if operation == "calendarView.delta" and (answer.status == 410 or code.casefold() in _RESYNC_CODES):
        return DeltaTokenExpired("The delta token is no longer valid.", **details)
    if answer.status == 404:
        return _classify_absence(operation, code, details)
    if answer.status in (401, 403):
        return _classify_denial(operation, answer.status, code, message, details)
    if answer.status == 408:
        return ServiceUnavailable("Graph gave up waiting for the request.", **details)
    if answer.status == 423:
        return ServiceUnavailable("What the request is about is locked at the moment.", **details)
    if answer.status in (409, 412) or code == "ErrorIrresolvableConflict":
        return _classify_conflict(operation, answer.status, details)
    if operation.startswith("subscription.") and (code == "ValidationError" or "validation request" in message):
        return DoorDidNotAnswer("Our door did not answer Graph's validation request.", **details)
    return Refused(f"Graph refused: {message[:300]}", **details)


def delta_link_failure(error: SyncError) -> SyncError:
    """What it means that a request for a delta link failed with `error`.

    Whatever Graph has against a link, another answer than a full round does not exist, and the codes are many
    (`InvalidDeltaToken`, `ErrorInvalidSyncStateData`, ...). A mailbox that is not there is another matter.
    """
    if error.status not in (400, 404, 410) or isinstance(error, MailboxUnavailable):
        return error
    expired = DeltaTokenExpired(
        "The delta token is no longer valid.",
        operation=error.operation,
        status=error.status,
        code=error.code,
        request_id=error.request_id,
    )
    expired.mailbox_id = error.mailbox_id
    return expired


def _classify_denial(operation: str, status: int, code: str, message: str, details: dict[str, Any]) -> SyncError:
    """Who is denied: the app altogether, the app in one mailbox, or one subscription too many."""
    if status == 401 or operation in ("subscription.list", "batch"):
        return AccessDenied("Graph denies access to the app.", **details)
    if operation.startswith("subscription.") and "accessdenied" not in code.casefold():
        # A mailbox with a thousand subscriptions answers 403, too, and says so in words only.
        return Refused(f"Graph refused the subscription: {message[:300]}", **details)
    return MailboxUnavailable("Access to the mailbox is denied.", **details)


def _classify_conflict(operation: str, status: int, details: dict[str, Any]) -> SyncError:
    """With what a write is in conflict: a newer state of the event, something that exists, or Exchange with itself."""
    if operation == "event.create":
        # A new event is stored in several steps, which may collide (ConcurrentItemSave): it may be there or not.
        return ServiceUnavailable("Whether the event was created is not known.", **details)
    if status == 409 and operation.startswith("subscription."):
        return AlreadyExists("It exists already.", **details)
    return PreconditionFailed("The event was changed by somebody else.", **details)


def _classify_absence(operation: str, code: str, details: dict[str, Any]) -> SyncError:
    """What is absent: the mailbox, the item, or something that nobody documented, from which nothing may follow."""
    if code in _MAILBOX_GONE_CODES:
        return MailboxUnavailable("The mailbox is not there for us.", **details)
    if code == "ErrorItemNotFound" or operation.startswith("subscription."):
        return NotFound("The item is not there.", **details)
    return ServiceUnavailable("Graph answered 404 with a code that proves nothing.", **details)


def _code_and_message(answer: Answer) -> tuple[str, str]:
    try:
        error = answer.json().get("error")
    except InvalidPayload:
        return "", ""
    if not isinstance(error, dict):
        return "", ""
    return str(error.get("code") or ""), str(error.get("message") or "")
