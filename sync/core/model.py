"""The values that everything speaks of. Frozen, complete at construction, free of vendor spelling.

Times are aware UTC, cut to whole seconds, because Dataverse keeps no more (Dataverse documentation,
behavior-format-date-time-attribute). Ids are compared byte for byte: Graph's event ids are case-sensitive.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


DELETED_BY_US = "deleted"
"""Stands where a booking's fingerprint would, once we deleted it."""


class EventAddress(NamedTuple):
    """Where an event is; ids alone may repeat over mailboxes."""

    mailbox_id: str
    event_id: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What both sides last agreed on. A cache: both services hold the truth, and a sweep rebuilds it.

    `booking_etag` and `event_etag` let a change be written without reading first; an empty one is not known.
    `is_named` once the booking names the event: before, somebody else may still be quicker, unless the booking's
    columns say what they said when the event was made (`named_before`). `written` are the digests of what the event was
    last given by us, by field (see `sync.core.content`). `generation` rises when the booking gets another event;
    `leftover` is the one it had before, last seen at `leftover_etag`, while that is still to be removed. `version` is
    the store's own etag, None for a link that was never saved.
    """

    booking_id: str
    mailbox_id: str
    event_id: str
    agreed: TimeSpan
    phase: BookingPhase
    booking_etag: str
    event_etag: str = ""
    is_named: bool = True
    named_before: str | None = None
    written: Mapping[str, str] = field(default_factory=dict)
    leftover: EventAddress | None = None
    leftover_etag: str = ""
    generation: int = 1
    version: str | None = None

    @property
    def address(self) -> EventAddress:
        return EventAddress(self.mailbox_id, self.event_id)

    def is_of(self, mailbox_id: str, event_id: str) -> bool:
        """Whether the link is this event's. The same id in another mailbox is another event."""
        return self.address == (mailbox_id, event_id)


class Standing(StrEnum):
    """What we know of an event, without asking Graph."""

    UNKNOWN = "unknown"
    LINKED = "linked"
    FOREIGN = "foreign"
    ENDED = "ended"


REMEMBERED_ETAGS = 8
"""How many of an event's latest etags are remembered; a change raises up to four notifications."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEvent:
    """Our memory of one event, and the lease by which one worker at a time handles it.

    `read_at` is when the last completed read began: it saw every change made before. `etags` are the latest states
    that we read or wrote, `written_etag` the last that we wrote; `notified_etags` those that handled notifications
    named, which a read may have missed. `doubted_at` is when a read began that is to be repeated, by the item
    `doubted_by`, which waits on the queue. `span` is kept for linked events, so that a sweep can tell which of them a
    window covers.
    """

    mailbox_id: str
    event_id: str
    standing: Standing = Standing.UNKNOWN
    booking_id: str | None = None
    span: TimeSpan | None = None
    etags: tuple[str, ...] = ()
    notified_etags: tuple[str, ...] = ()
    written_etag: str | None = None
    modified_at: datetime | None = None
    read_at: datetime | None = None
    doubted_at: datetime | None = None
    doubted_by: str | None = None
    remembered_until: datetime | None = None
    leased_by: str | None = None
    leased_until: datetime | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBooking:
    """Our memory of one booking, and the lease by which one worker at a time brings it to Outlook.

    `read_at` is when the last completed read began. `etags` are the latest states that we read or wrote, `fingerprint`
    that of the last one. `is_unfinished` from the moment a worker begins until one is done: what an earlier worker did
    is then not known, and must be looked for before anything is created.
    """

    booking_id: str
    mailbox_id: str | None = None
    etags: tuple[str, ...] = ()
    fingerprint: str = ""
    read_at: datetime | None = None
    is_unfinished: bool = False
    begun_in: str | None = None
    leased_by: str | None = None
    leased_until: datetime | None = None
    version: str | None = None


def newest_etags(earlier: tuple[str, ...], *etags: str) -> tuple[str, ...]:
    """The remembered etags with `etags` as the newest, the oldest forgotten."""
    return (*(old for old in earlier if old not in etags), *dict.fromkeys(etags))[-REMEMBERED_ETAGS:]


def event_hash(mailbox_id: str, event_id: str) -> str:
    """A key for an event where its id cannot be one: the hexadecimal SHA-256 of mailbox id, colon and event id.

    Dataverse compares strings without case and forbids characters in keys (Dataverse documentation,
    define-alternate-keys-entity), and table keys forbid `/`; Graph ids differ by case alone.
    """
    return sha256(f"{mailbox_id}:{event_id}".encode()).hexdigest()


class Source(StrEnum):
    """Where a piece of work came from."""

    PUSH = "push"
    SWEEP = "sweep"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventChange:
    """Work item: something may have changed in one event. Ids only; content is always read.

    `etags` are those of the notifications it stands for. `is_removed` when one of them, or a delta round, said so.
    `correlation_id` runs through journal and logs, and stays the same however often the item is delayed.
    """

    mailbox_id: str
    event_id: str
    received_at: datetime
    correlation_id: str
    source: Source = Source.PUSH
    etags: tuple[str, ...] = ()
    is_removed: bool = False
    deferrals: int = 0
    rechecks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingChange:
    """Work item: something may have changed in one booking. Ids and digests only; content is always read.

    `fingerprint` is that of the state a webhook told of, `etag` that of the state a sweep saw; None for unknown.
    `is_new` when the booking was created just now, so that nobody can have made an event for it. `is_deleted` when
    Dataverse reported it gone. `mailbox_id`, `event_id`, `event_hash` and `resource_id` lead to the event that the
    booking had, should our own tables not know.
    """

    booking_id: str
    received_at: datetime
    correlation_id: str
    source: Source = Source.PUSH
    fingerprint: str | None = None
    etag: str | None = None
    is_new: bool = False
    is_deleted: bool = False
    mailbox_id: str | None = None
    event_id: str | None = None
    event_hash: str | None = None
    resource_id: str | None = None
    deferrals: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrderChange:
    """Work item: what technicians see of a work order may have changed, so its bookings are to be looked at."""

    work_order_id: str
    received_at: datetime
    correlation_id: str
    source: Source = Source.PUSH
    deferrals: int = 0


class MailboxJob(StrEnum):
    """What a `MailboxTask` asks for."""

    SWEEP = "sweep"
    RENEW = "renew"
    SUBSCRIBE = "subscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxTask:
    """Work item: do `job` for a whole mailbox. `is_full` asks a sweep to forget its cursor first."""

    mailbox_id: str
    job: MailboxJob
    received_at: datetime
    correlation_id: str
    source: Source = Source.PUSH
    subscription_id: str | None = None
    is_full: bool = False
    deferrals: int = 0


WorkItem = EventChange | BookingChange | WorkOrderChange | MailboxTask


def mailbox_of(item: WorkItem) -> str:
    """The mailbox that an item names; empty for one that names none."""
    return "" if isinstance(item, WorkOrderChange) else item.mailbox_id or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A Graph subscription as listed. `mailbox_id` is read from its resource path, lower case."""

    subscription_id: str
    mailbox_id: str
    notification_url: str
    lifecycle_url: str | None
    expires_at: datetime


class SubscriptionStanding(StrEnum):
    """How a mailbox's subscription is doing, for people."""

    ACTIVE = "active"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRecord:
    """Our row about a mailbox's subscription: what was done last, and why it is not active."""

    mailbox_id: str
    standing: SubscriptionStanding
    subscription_id: str | None = None
    expires_at: datetime | None = None
    renewed_at: datetime | None = None
    reason: str = ""
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a mailbox's sweep has come. The delta link is opaque and belongs to the window it was made for."""

    mailbox_id: str
    delta_link: str
    window: TimeSpan
    saved_at: datetime


BOOKINGS = "bookings"
"""Stands where a mailbox id would, for what concerns the table of bookings as a whole: its breaker, its journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingCursor:
    """How far the sweep of the booking table has come. `began_at` is when the round began that ended in it."""

    delta_link: str
    began_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """A walk over all bookings that are to have events: where it stands, so that it can be taken up again.

    `next_link` is the page to read next, None when all are queued; `queued` counts the bookings so far.
    """

    began_at: datetime
    window: TimeSpan
    next_link: str | None
    queued: int = 0


class QuarantineKind(StrEnum):
    """Why a mailbox is set aside: it does not answer to us, or Microsoft's own sync is on for it."""

    UNREACHABLE = "unreachable"
    MICROSOFT_SYNC = "microsoft-sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """A mailbox that we do not work in. One that we cannot reach is probed again at `probe_at`."""

    mailbox_id: str
    reason: str
    since: datetime
    probe_at: datetime
    probes: int = 0
    kind: QuarantineKind = QuarantineKind.UNREACHABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The deletion breaker of one mailbox: what it let pass lately, and whether it holds."""

    mailbox_id: str
    passed_at: tuple[datetime, ...] = ()
    held_since: datetime | None = None
    held: int = 0
    released_until: datetime | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """What happened to one work item: what came, was read, was decided, was written, and how long it took.

    No subject, body, address, token or client state ever stands here. `calls` counts by kind, such as
    `{"event.get": 1, "booking.update": 1}`.
    """

    mailbox_id: str
    correlation_id: str
    at: datetime
    received_at: datetime
    source: Source
    action: str
    reason: str
    event_id: str | None = None
    booking_id: str | None = None
    calls: dict[str, int] = field(default_factory=dict)
    duration_ms: int = 0
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An item that will not be tried again by itself. `item` is the queue message's text, as it came."""

    letter_id: str
    queue: str
    error_class: str
    reason: str
    mend: str
    item: str
    mailbox_id: str
    correlation_id: str
    at: datetime
