"""What there is to do: the values that travel through the queues (their text is `sync.core.work`'s)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Source(StrEnum):
    """Where a piece of work came from."""

    PUSH = "push"
    SWEEP = "sweep"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventChange:
    """Work item: something may have changed in one event. Ids only; content is always read.

    `etags` are those of the notifications it stands for. `is_removed` when one of them, or a delta round, said so.
    `correlation_id` runs through journal and logs, and stays the same however often the item is delayed: `deferrals`
    times by now, the first time at `waiting_since` (aware UTC). Both are the same in every kind of item.
    """

    mailbox_id: str
    event_id: str
    received_at: datetime
    correlation_id: str
    source: Source = Source.PUSH
    etags: tuple[str, ...] = ()
    is_removed: bool = False
    deferrals: int = 0
    waiting_since: datetime | None = None
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
    waiting_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrderChange:
    """Work item: what technicians see of a work order may have changed, so its bookings are to be looked at."""

    work_order_id: str
    received_at: datetime
    correlation_id: str
    source: Source = Source.PUSH
    deferrals: int = 0
    waiting_since: datetime | None = None


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
    waiting_since: datetime | None = None


WorkItem = EventChange | BookingChange | WorkOrderChange | MailboxTask


def mailbox_of(item: WorkItem) -> str:
    """The mailbox that an item names; empty for one that names none."""
    return "" if isinstance(item, WorkOrderChange) else item.mailbox_id or ""
