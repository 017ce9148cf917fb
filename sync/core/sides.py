"""What Dynamics and Outlook hold, as far as the sync cares. Frozen, complete at construction, free of vendor spelling.

Times are aware UTC, cut to whole seconds, because Dataverse keeps no more (Dataverse documentation,
behavior-format-date-time-attribute). Ids are compared byte for byte: Graph's event ids are case-sensitive.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSpan:
    """When work happens. Raises `ValueError` for a naive time or an end before the start."""

    start_at: datetime
    end_at: datetime

    def __post_init__(self) -> None:
        for name in ("start_at", "end_at"):
            object.__setattr__(self, name, whole_second_utc(getattr(self, name)))
        if self.end_at < self.start_at:
            raise ValueError(f"a time span ends before it starts: {self.start_at} to {self.end_at}")

    def overlaps(self, other: "TimeSpan") -> bool:
        return self.start_at < other.end_at and other.start_at < self.end_at

    @property
    def minutes(self) -> int:
        return int((self.end_at - self.start_at).total_seconds() // 60)


def whole_second_utc(moment: datetime) -> datetime:
    """`moment` in UTC without fractions. Raises `ValueError` for a naive time."""
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {moment}")
    return moment.astimezone(UTC).replace(microsecond=0)


class BookingPhase(StrEnum):
    """What a booking's status means for work, whatever the customer calls the status row."""

    SCHEDULED = "scheduled"
    TRAVELING = "traveling"
    ON_BREAK = "on-break"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    OTHER = "other"
    """A Field Service value that this version does not know: nothing is concluded from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """What a technician sees of a work order. Texts are empty where the work order says nothing."""

    work_order_id: str
    number: str = ""
    priority: str = ""
    type: str = ""
    incident_type: str = ""
    summary: str = ""
    account: str = ""
    contact: str = ""
    location: str = ""
    window_start_at: datetime | None = None
    window_end_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """A row of `bookableresourcebooking` as far as the sync cares.

    `mailbox_id` is the Entra object id of the booked resource's user, None when the resource is not a user; that user
    may be disabled. `event_id` and `event_hash` are what our columns say, None when empty; `undelivered` is why the
    booking has no event though it should, empty when it has. `fingerprint` see `booking_fingerprint`.
    """

    booking_id: str
    etag: str
    span: TimeSpan
    phase: BookingPhase
    mailbox_id: str | None
    event_id: str | None
    event_hash: str | None
    modified_at: datetime
    name: str = ""
    status_name: str = ""
    work_order: WorkOrder | None = None
    is_user_enabled: bool = True
    undelivered: str = ""
    fingerprint: str = ""

    @property
    def names_an_event(self) -> bool:
        return self.event_id is not None or self.event_hash is not None

    def names(self, mailbox_id: str, event_id: str) -> bool:
        """Whether our columns name this event of this mailbox.

        The digest tells mailboxes apart: a booking that was given to somebody else still names its first owner's event,
        and that it is missing from the new owner's calendar proves nothing. Without a digest the bare id must do.
        """
        if self.event_hash is not None:
            return self.event_hash == event_hash(mailbox_id, event_id)
        return self.event_id == event_id


def booking_fingerprint(
    *, span: TimeSpan, resource_id: str, status_id: str, work_order_id: str | None, name: str | None
) -> str:
    """What a webhook about a booking can tell of its state, as a digest: the same again is an echo.

    Of the columns whose changes are listened to, and no others, so that a row as read and the image in a webhook of
    that state come to the same.
    """
    times = (span.start_at.isoformat(), span.end_at.isoformat())
    return sha256("\n".join((*times, resource_id, status_id, work_order_id or "", name or "")).encode()).hexdigest()[
        :32
    ]


class EventAddress(NamedTuple):
    """Where an event is; ids alone may repeat over mailboxes."""

    mailbox_id: str
    event_id: str


def event_hash(mailbox_id: str, event_id: str) -> str:
    """A key for an event where its id cannot be one: the hexadecimal SHA-256 of mailbox id, colon and event id.

    Dataverse compares strings without case and forbids characters in keys (Dataverse documentation,
    define-alternate-keys-entity), and table keys forbid `/`; Graph ids differ by case alone.
    """
    return sha256(f"{mailbox_id}:{event_id}".encode()).hexdigest()


SINGLE_INSTANCE = "singleInstance"
"""The only event type (Graph's spelling) that stands for one booking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An Outlook event as read from Graph. `booking_id` is our mark on it; None for an event that is not ours."""

    mailbox_id: str
    event_id: str
    etag: str
    span: TimeSpan
    type: str = SINGLE_INSTANCE
    is_all_day: bool = False
    is_cancelled: bool = False
    booking_id: str | None = None
    modified_at: datetime

    @property
    def address(self) -> EventAddress:
        return EventAddress(self.mailbox_id, self.event_id)
