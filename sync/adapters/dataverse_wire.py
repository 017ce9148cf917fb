"""Dataverse's JSON and status codes to our values and errors. Pure: no I/O.

Shapes: the generated reference of bookableresourcebooking, bookingstatus, bookableresource, systemuser and
msdyn_workorder; Web API documentation, compose-http-requests-handle-errors, perform-conditional-operations,
web-api-query-data-sample and use-change-tracking-synchronize-data-external-systems; checked 2026-11-21.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sync.adapters.dataverse_queries import (
    EVENT_HASH_COLUMN,
    EVENT_ID_COLUMN,
    FORMATTED_VALUE,
    UNDELIVERED_COLUMN,
    WORK_ORDER_LOOKUPS,
)
from sync.adapters.transport import Answer, outage
from sync.core.errors import (
    AccessDenied,
    DeltaTokenExpired,
    InvalidPayload,
    NotFound,
    PermanentError,
    PreconditionFailed,
    Refused,
    ServiceUnavailable,
    SyncError,
)
from sync.core.sides import Booking, BookingPhase, TimeSpan, WorkOrder, booking_fingerprint, event_hash
from sync.service.ports import BookingPage, BookingVersion, ListedBooking

_PHASE_OF_FIELD_SERVICE_STATUS = {
    690970000: BookingPhase.SCHEDULED,
    690970001: BookingPhase.TRAVELING,
    690970002: BookingPhase.ON_BREAK,
    690970003: BookingPhase.IN_PROGRESS,
    690970004: BookingPhase.COMPLETED,
    690970005: BookingPhase.CANCELLED,
}
_STATUS_CANCELLED = 3
_RESOURCE_TYPE_USER = 3

_ABSENT_CODES = frozenset({"0x80040217", "0x80060891"})
_VERSION_MISMATCH = "0x80060882"
_KEY_TAKEN = "0x80060892"
_EXPIRED_VERSION_STAMP = frozenset({"0x80044352", "-2147204270"})
_COLUMN_MISSING = "Could not find a property named 'bks_"
_TOKEN_PHRASES = ("version stamp", "delta token", "deltatoken")

_SET_UP = (
    "Run: python -m sync setup. Bookings must have the app's columns and track changes, "
    "and the app must be allowed to read them all."
)

_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What reading JSON of another shape than the documented one raises."""


def booking_from_wire(row: dict[str, Any]) -> Booking:
    """A booking as answered to `BOOKING_QUERY`.

    Raises `InvalidPayload`, and `AccessDenied` when its work order, resource or user is not shown.
    """
    try:
        return _booking(row)
    except _UNREADABLE as error:
        raise InvalidPayload(f"A booking cannot be read: {error!r}") from error


def _booking(row: dict[str, Any]) -> Booking:
    status, user = row["BookingStatus"], _user(row["Resource"])
    return Booking(
        booking_id=row["bookableresourcebookingid"].lower(),
        etag=_etag(row),
        span=_span(row),
        phase=_phase(status),
        mailbox_id=mailbox_of_user(user),
        event_id=_text(row, EVENT_ID_COLUMN) or None,
        event_hash=_text(row, EVENT_HASH_COLUMN) or None,
        modified_at=instant_from_wire(row["modifiedon"]),
        name=_text(row, "name"),
        status_name=_text(status, "name"),
        work_order=_work_order(row),
        is_user_enabled=not user.get("isdisabled"),
        undelivered=_text(row, UNDELIVERED_COLUMN),
        fingerprint=_fingerprint(row),
    )


def _fingerprint(row: dict[str, Any]) -> str:
    work_order_id = row["_msdyn_workorder_value"]
    return booking_fingerprint(
        span=_span(row),
        resource_id=row["_resource_value"].lower(),
        status_id=row["_bookingstatus_value"].lower(),
        work_order_id=work_order_id.lower() if work_order_id else None,
        name=_text(row, "name"),
    )


def _work_order(row: dict[str, Any]) -> WorkOrder | None:
    work_order_id, order = row["_msdyn_workorder_value"], row.get("msdyn_workorder")
    if not work_order_id:
        return None
    if not order:
        # Events would lose their subject and place if this were taken for a work order that says nothing.
        raise AccessDenied("The app may not read the booking's work order.")
    names = {field: _text(order, f"{lookup}@{FORMATTED_VALUE}") for field, lookup in WORK_ORDER_LOOKUPS.items()}
    return WorkOrder(
        work_order_id=work_order_id.lower(),
        number=_text(order, "msdyn_name"),
        summary=_text(order, "msdyn_workordersummary"),
        location=_location(order),
        window_start_at=_optional_instant(order, "msdyn_timewindowstart"),
        window_end_at=_optional_instant(order, "msdyn_timewindowend"),
        **names,
    )


def _location(order: dict[str, Any]) -> str:
    """The address in one line; what is empty or said before is left out."""
    postal_code, city, state = (
        _one_line(order, f"msdyn_{column}") for column in ("postalcode", "city", "stateorprovince")
    )
    parts = [_one_line(order, f"msdyn_{column}") for column in ("addressname", "address1", "address2", "address3")]
    parts.append(f"{postal_code} {city}".strip())
    if state.casefold() != city.casefold():
        parts.append(state)
    parts.append(_one_line(order, "msdyn_country"))
    unique: dict[str, str] = {}
    for part in filter(None, parts):
        unique.setdefault(part.casefold(), part)
    return ", ".join(unique.values())


def version_from_wire(row: dict[str, Any]) -> BookingVersion:
    """What a write left behind, as answered with `STATE_COLUMNS`. Raises `InvalidPayload`."""
    try:
        return BookingVersion(etag=_etag(row), fingerprint=_fingerprint(row))
    except _UNREADABLE as error:
        raise InvalidPayload(f"The answer to a write cannot be read: {error!r}") from error


def listed_booking_from_wire(row: dict[str, Any], mailbox_id: str) -> ListedBooking:
    """A row of the list of a technician's bookings. Raises `InvalidPayload`."""
    try:
        return _listed(row, mailbox_id)
    except _UNREADABLE as error:
        raise InvalidPayload(_unreadable(row, error)) from error


def _listed(row: dict[str, Any], mailbox_id: str | None) -> ListedBooking:
    """`mailbox_id` is the technician's, None when it is not known: no event is taken to be theirs then."""
    return ListedBooking(
        booking_id=row["bookableresourcebookingid"].lower(),
        etag=_etag(row),
        span=_span(row),
        mailbox_id=mailbox_id,
        event_id=_own_event_id(row, mailbox_id) if mailbox_id else None,
    )


def _own_event_id(row: dict[str, Any], mailbox_id: str) -> str | None:
    """The event that the booking names, if it is one of that mailbox; see `Booking.names`."""
    event_id, digest = _text(row, EVENT_ID_COLUMN), _text(row, EVENT_HASH_COLUMN)
    is_own = not digest or digest == event_hash(mailbox_id, event_id)
    return event_id if event_id and is_own else None


def bookings_page_from_wire(document: dict[str, Any]) -> BookingPage:
    """A page of bookings of users. Raises `InvalidPayload` when it is no list."""
    return _page(document, lambda row: _listed(row, mailbox_of_user(_user(row["Resource"]))))


def changes_page_from_wire(document: dict[str, Any], link: str | None) -> BookingPage:
    """A page of a round of changes, which was asked for by `link`. Raises `InvalidPayload`, `Refused`.

    The documentation says that "an empty JSON response" is answered when nothing changed: the link is then still good.
    """
    page = _page({"value": [], **document}, lambda row: _listed(row, None))
    if page.next_link or page.delta_link:
        return page
    if link is None:
        raise _not_set_up(Refused("Dataverse answered the bookings without a link to their changes."))
    if document.get("value") or "skiptoken" in link:
        raise InvalidPayload("A page of changes leads to no other.")
    return BookingPage(bookings=(), delta_link=link)


def _page(document: dict[str, Any], read: Callable[[dict[str, Any]], ListedBooking]) -> BookingPage:
    rows = document.get("value")
    if not isinstance(rows, list):
        raise InvalidPayload("An answer lists no bookings.")
    bookings, removed, rejected = [], [], []
    for row in rows:
        try:
            if _is_deleted(row):
                removed.append(row["id"].lower())
            else:
                bookings.append(read(row))
        except (AccessDenied, *_UNREADABLE) as error:
            rejected.append(_unreadable(row, error))
    return BookingPage(
        bookings=bookings,
        removed=removed,
        rejected=rejected,
        next_link=document.get("@odata.nextLink"),
        delta_link=document.get("@odata.deltaLink"),
    )


def _is_deleted(row: dict[str, Any]) -> bool:
    return "reason" in row or "$deletedEntity" in row.get("@odata.context", "")


def _unreadable(row: Any, error: Exception) -> str:
    which = row.get("bookableresourcebookingid") if isinstance(row, dict) else None
    return f"The booking {which} cannot be read: {error!r}"


def mailbox_of_resource(resource: dict[str, Any]) -> str | None:
    """The Entra object id behind a resource of type user; other resource types lead to no mailbox.

    Raises `InvalidPayload`, and `AccessDenied` when the user is not shown.
    """
    try:
        return mailbox_of_user(_user(resource))
    except _UNREADABLE as error:
        raise InvalidPayload(f"A resource cannot be read: {error!r}") from error


def _user(resource: dict[str, Any] | None) -> dict[str, Any]:
    """The expanded user of a resource of type user, empty for other types."""
    # Who may not read a row is shown null in its place. Taken for no user, it would cost every booking its event.
    if not resource:
        raise AccessDenied("The app may not read the booked resource.")
    if resource["resourcetype"] != _RESOURCE_TYPE_USER:
        return {}
    user: dict[str, Any] | None = resource["UserId"]
    if not user and resource["_userid_value"]:
        raise AccessDenied("The app may not read the user of the booked resource.")
    return user or {}


def mailbox_of_user(user: dict[str, Any]) -> str | None:
    """The Entra object id of a row of `systemuser`."""
    mailbox_id = user.get("azureactivedirectoryobjectid")
    return mailbox_id.lower() if isinstance(mailbox_id, str) else None


def _phase(status: dict[str, Any]) -> BookingPhase:
    """What a status row means: Field Service's own value where it is set, else proposed, committed or cancelled.

    Raises `KeyError` for a row that shows no status, which a missing read privilege looks like.
    """
    if status["status"] == _STATUS_CANCELLED:
        return BookingPhase.CANCELLED
    field_service_status = status.get("msdyn_fieldservicestatus")
    if field_service_status is None:
        return BookingPhase.SCHEDULED
    return _PHASE_OF_FIELD_SERVICE_STATUS.get(field_service_status, BookingPhase.OTHER)


def _etag(row: dict[str, Any]) -> str:
    etag = _text(row, "@odata.etag")
    if not etag:
        raise KeyError("@odata.etag")
    return etag


def _span(row: dict[str, Any]) -> TimeSpan:
    return TimeSpan(start_at=instant_from_wire(row["starttime"]), end_at=instant_from_wire(row["endtime"]))


def instant_from_wire(text: str) -> datetime:
    """A time as Dataverse writes it; one without a zone is UTC, as it would be on the way in."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _optional_instant(row: dict[str, Any], column: str) -> datetime | None:
    text = _text(row, column)
    return instant_from_wire(text) if text else None


def _text(row: dict[str, Any], column: str) -> str:
    """A text, empty for null and for a property that is absent. Raises `TypeError` for anything else."""
    value = row.get(column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{column} is no text")
    return value


def _one_line(row: dict[str, Any], column: str) -> str:
    return " ".join(_text(row, column).split())


def classify_dataverse_failure(operation: str, answer: Answer, wait_seconds: float | None) -> SyncError:
    """The error that a failed answer means. Codes come as hex text; the body of a 401 is empty."""
    code, message = _code_and_message(answer)
    details: dict[str, Any] = {
        "operation": operation,
        "status": answer.status,
        "code": code,
        "request_id": answer.headers.get("x-ms-service-request-id", ""),
    }
    if shared := outage(operation, answer, wait_seconds, code):
        return shared
    if answer.status in (401, 403):
        return AccessDenied(f"Dataverse denies access to the app. {message[:300]}".strip(), **details)
    if answer.status == 408:
        return ServiceUnavailable("Dataverse gave up waiting for the request.", **details)
    if answer.status == 404 and code.lower() in _ABSENT_CODES:
        return NotFound("The row is not there.", **details)
    if code.lower() == _KEY_TAKEN:
        # Not a race that reading again would settle: two bookings claim one event until a person unties them.
        return Refused("Another booking names the same event already.", **details)
    if answer.status == 412 and code.lower() in (_VERSION_MISMATCH, ""):
        return PreconditionFailed("The booking was changed by somebody else.", **details)
    refused = Refused(f"Dataverse refused: {message[:300]}", **details)
    return _not_set_up(refused) if _COLUMN_MISSING in message else refused


def change_tracking_failure(error: PermanentError, link: str | None) -> SyncError:
    """What a failure to read changes means, when `link` was asked for.

    Neither status nor code of an expired token are documented for the Web API. The code is the one that the vendor's
    own samples expect of the same message (ExpiredVersionStamp); a text about the token is taken to mean it, too, so
    that a token which is damaged, not old, also ends in a full round. Without a link there is no token to blame.
    """
    message = str(error).lower()
    tells_of_token = error.code.lower() in _EXPIRED_VERSION_STAMP or any(part in message for part in _TOKEN_PHRASES)
    if link is not None and (error.status == 410 or (error.status in (400, 404) and tells_of_token)):
        return DeltaTokenExpired(
            "The delta token is no longer good.",
            operation=error.operation,
            status=error.status,
            code=error.code,
            request_id=error.request_id,
        )
    return _not_set_up(error)


def _not_set_up[E: PermanentError](error: E) -> E:
    error.mend = _SET_UP
    return error


def _code_and_message(answer: Answer) -> tuple[str, str]:
    try:
        error = answer.json().get("error")
    except InvalidPayload:
        return "", ""
    if not isinstance(error, dict):
        return "", ""
    return str(error.get("code") or ""), str(error.get("message") or "")
