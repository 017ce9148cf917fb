"""How long the journal is kept. The sweep of what it tells of prunes it, so nothing else need list the mailboxes.

What no sweep comes to any more, such as the story of a mailbox that has left, stays until a person deletes it.
"""

from datetime import timedelta

from sync.service.ports import Ports

JOURNAL_MEMORY = timedelta(days=90)

DELETED_AT_ONCE = 1_000
"""What `Journal.prune` deletes at most."""

CALLS_AT_ONCE = 50
"""Takes a minute in all, at a second for a thousand rows: a sweep must end in its time. The rest goes the next time."""


async def prune_journal(mailbox_id: str, ports: Ports) -> None:
    """Delete what the journal tells of a mailbox from before `JOURNAL_MEMORY`. `BOOKINGS` names that of the table."""
    before = ports.clock() - JOURNAL_MEMORY
    for _ in range(CALLS_AT_ONCE):
        if await ports.journal.prune(mailbox_id, before) < DELETED_AT_ONCE:
            return
