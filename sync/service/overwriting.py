"""Tells the journal what a write is about to overwrite, where that is somebody's change that lost.

Before the write, not after: a worker that dies, or whose answer is lost, could not tell any more, and whoever takes up
its work finds both sides equal.
"""

from sync.core.journal import JournalEntry
from sync.core.work_items import BookingChange, EventChange
from sync.service.outcome import Outcome
from sync.service.ports import Ports

OVERWRITING = "overwriting"


async def announce_overwriting(item: EventChange | BookingChange, outcome: Outcome, ports: Ports) -> None:
    """Journal what is about to happen; `before` is the value that goes. Raises `TransientError`."""
    now = ports.clock()
    await ports.journal.write(
        JournalEntry(
            mailbox_id=outcome.mailbox_id or item.mailbox_id or "",
            correlation_id=item.correlation_id,
            at=now,
            received_at=item.received_at,
            source=item.source,
            action=OVERWRITING,
            reason=outcome.reason,
            event_id=outcome.event_id,
            booking_id=outcome.booking_id,
            before=outcome.before,
            after=outcome.after,
        )
    )
