"""Dataverse's JSON and status codes to our values and errors. Pure: no I/O.

Shapes: the generated reference of bookableresourcebooking, bookingstatus, bookableresource and systemuser; Web API
documentation, compose-http-requests-handle-errors and perform-conditional-operations; checked 2026-11-21.
"""

from datetime import UTC, datetime
from typing import Any

from sync.adapters.transport import Answer, outage
from sync.core.errors import (
    AccessDenied,
    InvalidPayload,
    NotFound,
    PreconditionFailed,
    Refused,
    ServiceUnavailable,
    SyncError,
)
from sync.core.model import Booking, BookingPhase, TimeSpan

EVENT_ID_COLUMN = "bks_eventid"
EVENT_HASH_COLUMN = "bks_eventhash"
"""The event id as it is, and its digest, which carries the alternate key (see `event_hash`)."""

BOOKING_QUERY = (
    f"$select=bookableresourcebookingid,starttime,endtime,modifiedon,{EVENT_ID_COLUMN},{EVENT_HASH_COLUMN}"
    "&$expand=BookingStatus($select=status,msdyn_fieldservicestatus),"
    "Resource($select=resourcetype;$expand=UserId($select=azureactivedirectoryobjectid))"
)
"""One read answers everything that is decided on. Navigation names are case-sensitive."""

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


def booking_from_wire(row: dict[str, Any]) -> Booking:
    """A booking as answered to `BOOKING_QUERY`. Raises `InvalidPayload`."""
    try:
        return Booking(
            booking_id=row["bookableresourcebookingid"].lower(),
            etag=row["@odata.etag"],
            span=TimeSpan(start_at=_instant(row["starttime"]), end_at=_instant(row["endtime"])),
            phase=_phase(row["BookingStatus"]),
            mailbox_id=_mailbox_id(row.get("Resource") or {}),
            event_id=row.get(EVENT_ID_COLUMN) or None,
            event_hash=row.get(EVENT_HASH_COLUMN) or None,
            modified_at=_instant(row["modifiedon"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidPayload(f"A booking cannot be read: {error!r}") from error


def wire_time(moment: datetime) -> str:
    """An aware time as Dataverse takes it: UTC with `Z`, whole seconds; without `Z` it would be read as UTC anyway."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _instant(text: str) -> datetime:
    """A time as Dataverse writes it; one without a zone is UTC, as it would be on the way in."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


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


def _mailbox_id(resource: dict[str, Any]) -> str | None:
    """The Entra object id behind a resource of type user; other resource types lead to no mailbox."""
    if resource.get("resourcetype") != _RESOURCE_TYPE_USER:
        return None
    mailbox_id = (resource.get("UserId") or {}).get("azureactivedirectoryobjectid")
    return mailbox_id.lower() if isinstance(mailbox_id, str) else None


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
    if answer.status == 412 and code.lower() in (_VERSION_MISMATCH, ""):
        return PreconditionFailed("The booking was changed by somebody else.", **details)
    return Refused(f"Dataverse refused: {message[:300]}", **details)


def _code_and_message(answer: Answer) -> tuple[str, str]:
    try:
        error = answer.json().get("error")
    except InvalidPayload:
        return "", ""
    if not isinstance(error, dict):
        return "", ""
    return str(error.get("code") or ""), str(error.get("message") or "")
