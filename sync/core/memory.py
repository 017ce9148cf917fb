"""What we remember of one booking, one event, or the two together. Lost, it is rebuilt from both services."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sync.core.sides import BookingPhase, EventAddress, TimeSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What both sides last agreed on. A cache: both services hold the truth, and a sweep rebuilds it.

    `booking_etag` and `event_etag` let a change be written without reading first; an empty one is not known.
    `is_named` once the booking names the event: before, somebody else may still be quicker, unless the booking's
    columns say what they said when the event was made (`named_before`). `written` are the digests of what the event was
    last given by us, by field (see `sync.core.content`). `generation` rises when the booking gets another event;
    `leftover` is the one it had before, while that is still to be removed. `version` is the store's own etag, None for
    a link that was never saved.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEvent:
    """Our memory of one event, and the lease by which one worker at a time handles it.

    `read_at` is when the last completed read began: it saw every change made before. `etags` are the latest states
    that we read or wrote, `written_etag` the last that we wrote; `notified_etags` those that handled notifications
    named, which a read may have missed. `made_at` is when we made it, or found it made not long before. `doubted_at` is
    when a read began that is to be repeated, by the item `doubted_by`, which waits on the queue. `span` is kept for
    linked events, so that a sweep can tell which of them a window covers.
    """

    mailbox_id: str
    event_id: str
    standing: Standing = Standing.UNKNOWN
    booking_id: str | None = None
    span: TimeSpan | None = None
    etags: tuple[str, ...] = ()
    notified_etags: tuple[str, ...] = ()
    written_etag: str | None = None
    made_at: datetime | None = None
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

    `mailbox_id` is the technician's, or that of the last who had one: the journal told the booking's story there.
    `read_at` is when the last completed read began. `etags` are the latest states that we read or wrote, `fingerprint`
    that of the last one. `is_unfinished` from the moment a worker begins until one is done: what an earlier worker did
    is then not known, and must be looked for before anything is created. It may have made an event in the mailbox
    `begun_in`, at `begun_at`; that is None when Graph refused to.
    """

    booking_id: str
    mailbox_id: str | None = None
    etags: tuple[str, ...] = ()
    fingerprint: str = ""
    read_at: datetime | None = None
    is_unfinished: bool = False
    begun_in: str | None = None
    begun_at: datetime | None = None
    leased_by: str | None = None
    leased_until: datetime | None = None
    version: str | None = None


DELETED_BY_US = "deleted"
"""Stands where a booking's fingerprint would, once we deleted it."""

REMEMBERED_ETAGS = 8
"""How many of an event's latest etags are remembered; a change raises up to four notifications."""


def newest_etags(earlier: tuple[str, ...], *etags: str) -> tuple[str, ...]:
    """The remembered etags with `etags` as the newest, the oldest forgotten."""
    return (*(old for old in earlier if old not in etags), *dict.fromkeys(etags))[-REMEMBERED_ETAGS:]
