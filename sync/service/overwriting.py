"""Tells the journal what a write is about to overwrite, where that is somebody's change that lost.

Before the write, not after: a worker that dies, or whose answer is lost, could not tell any more, and whoever takes up
its work finds both sides equal.
"""

from sync.core.conflicts import Overwriting, conflict_of
from sync.core.journal import JournalEntry
from sync.core.work_items import BookingChange, EventChange
from sync.service.journal_memory import JOURNAL_MEMORY
from sync.service.outcome import span_text
from sync.service.ports import Ports

OVERWRITING = "overwriting"


async def announce_overwriting(
    item: EventChange | BookingChange, overwriting: Overwriting, booking_id: str, reason: str, ports: Ports
) -> None:
    """Journal what is about to happen, `before` being the value that goes, and keep the conflict for `take_other_side`.

    Raises `TransientError`.
    """
    now = ports.clock()
    conflict = conflict_of(
        overwriting,
        booking_id=booking_id,
        reason=reason,
        at=item.received_at,
        correlation_id=item.correlation_id,
    )
    await ports.journal.write(
        JournalEntry(
            mailbox_id=conflict.mailbox_id,
            correlation_id=conflict.correlation_id,
            at=now,
            received_at=item.received_at,
            source=item.source,
            action=OVERWRITING,
            reason=reason,
            event_id=conflict.event_id,
            booking_id=booking_id,
            before=span_text(conflict.lost),
            after=span_text(conflict.stands),
        )
    )
    await ports.journal.save_conflict(conflict)
    await ports.journal.prune_conflicts(now - JOURNAL_MEMORY)
