"""What we tell people afterwards: what each work item came to, and which ones were given up."""

from dataclasses import dataclass, field
from datetime import datetime

from sync.core.work_items import Source

DELAYED = "delayed"
"""The action of an item that was put back on its queue, to be done later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """What happened to one work item: what came, was read, was decided, was written, and how long it took.

    No subject, body, address, token or client state ever stands here. `calls` counts by operation, such as
    `{"event.create": 1, "bookableresourcebookings.get": 1}`. `about` is what the item itself was about, by ids, and
    `deferrals` how often it had been put back before: by them an item that waits is found, and known to have ended.
    `former_mailbox_id` is where the booking's story was told until then, when the item found it with somebody else.
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
    about: str = ""
    deferrals: int = 0
    former_mailbox_id: str | None = None


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
