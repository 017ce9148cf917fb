"""Has the app look at a whole mailbox anew, as if it had never been there; for the status page and the command line.

Nothing is decided here, and nothing forgotten but the cursor: every event and every booking is queued to be read and
compared like any other, so a mailbox that is in order comes out as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sync.core.errors import SyncError
from sync.core.journal import JournalEntry
from sync.core.mailboxes import Quarantine
from sync.core.memory import KnownEvent, Standing
from sync.core.rules import Rules
from sync.core.sweeping import window_at
from sync.core.work_items import EventChange, MailboxJob, MailboxTask, Source
from sync.service.booking_items import booking_change, queue_all
from sync.service.conflicts import ASKED_FOR
from sync.service.ports import Ports
from sync.service.sweeping import wanted_mailboxes

RESYNC = "resync"


class NotSynced(SyncError):
    """The mailbox is none of those that the app keeps in sync."""

    mend = (
        "Check the id: it is the Entra object id of the technician's user. The mailbox must be among those that the "
        "setting MAILBOXES names or, without one, belong to an enabled user behind an active bookable resource."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resync:
    """What was queued. `quarantine` is why the app will not work in the mailbox for now, None where it will."""

    correlation_id: str
    bookings: int
    events: int
    quarantine: Quarantine | None = None


async def resync_mailbox(mailbox_id: str, ports: Ports, rules: Rules) -> Resync:
    """Forget how far the mailbox's sweep has come, and queue a full round and each visit of the window.

    It costs two or three reads for each visit, and writes where the sides differ. Raises `NotSynced`.
    """
    if mailbox_id not in {one async for one in wanted_mailboxes(ports, rules)}:
        raise NotSynced(f"{mailbox_id} is not among the mailboxes that are kept in sync.")
    now, correlation_id = ports.clock(), ports.new_id()
    window = window_at(now, rules.window)
    bookings = [one.booking_id async for one in ports.bookings.list_bookings(mailbox_id, window)]
    events = [
        one
        async for one in ports.state.list_known_events(mailbox_id)
        if one.standing is Standing.LINKED and one.span is not None and one.span.overlaps(window)
    ]
    await ports.journal.write(
        JournalEntry(
            mailbox_id=mailbox_id,
            correlation_id=correlation_id,
            at=now,
            received_at=now,
            source=Source.REPLAY,
            action=RESYNC,
            reason=ASKED_FOR,
        )
    )
    await ports.state.delete_cursor(mailbox_id)
    await ports.queue.put(
        MailboxTask(
            mailbox_id=mailbox_id,
            job=MailboxJob.SWEEP,
            received_at=now,
            correlation_id=correlation_id,
            source=Source.REPLAY,
            is_full=True,
        )
    )
    await _queue_events(events, ports)
    await queue_all([booking_change(one, ports, source=Source.REPLAY) for one in bookings], ports)
    return Resync(
        correlation_id=correlation_id,
        bookings=len(bookings),
        events=len(events),
        quarantine=await ports.state.find_quarantine(mailbox_id),
    )


async def _queue_events(events: Sequence[KnownEvent], ports: Ports) -> None:
    for one in events:
        await ports.queue.put(
            EventChange(
                mailbox_id=one.mailbox_id,
                event_id=one.event_id,
                received_at=ports.clock(),
                correlation_id=ports.new_id(),
                source=Source.REPLAY,
            )
        )
