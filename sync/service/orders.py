"""What a person orders: give dead letters another life, let a breaker go. For the command line and the status page.

Each order is safe to repeat: what is queued is read and decided like anything else.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched

from sync.core.journal import DeadLetter, JournalEntry
from sync.core.mailboxes import BOOKINGS
from sync.core.rules import Rules
from sync.core.work_items import MailboxJob, Source
from sync.service.booking_sweep import sweep_bookings
from sync.service.breaker import release
from sync.service.disposal import replay
from sync.service.ports import Ports
from sync.service.sweeping import mailbox_task

ORDERED = "ordered"

LETTERS_AT_ONCE = 16
LONGEST = timedelta(seconds=60)
"""For how long letters of a class are replayed while a person waits; whoever ordered it can order the rest."""

BREAKER_HELD = "BreakerHeld"
"""The class of the letters that a holding breaker leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How many letters were queued again, and whether time was up before all of them were."""

    letters: int
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Until when a breaker stays out of the way, and how many letters were queued again."""

    until: datetime
    letters: int


async def replay_letter(letter_id: str, ports: Ports) -> Replay:
    """Replay one letter; none where it is gone, as after the same order."""
    letter = await ports.dead_letters.find_letter(letter_id)
    return await _replay([letter] if letter else [], ports)


async def replay_letters(error_class: str | None, ports: Ports) -> Replay:
    """Replay the letters of one class, or all of them, for a minute at most.

    What still fails comes back as the same letter, because its id is that of what it is about.
    """
    return await _replay([letter async for letter in ports.dead_letters.list_letters(error_class=error_class)], ports)


async def _replay(letters: Iterable[DeadLetter], ports: Ports) -> Replay:
    until = ports.clock() + LONGEST
    count = 0
    for some in batched(letters, LETTERS_AT_ONCE, strict=False):
        if ports.clock() >= until:
            return Replay(letters=count, is_cut=True)
        await asyncio.gather(*(replay(letter, ports) for letter in some))
        count += len(some)
    return Replay(letters=count)


async def release_breaker(mailbox_id: str, ports: Ports, rules: Rules) -> Release:
    """Let a mailbox's held deletions pass for an hour, and look at once for what they were.

    `BOOKINGS` names the breaker of the whole table.
    """
    breaker = await release(mailbox_id, ports)
    letters = [
        letter
        async for letter in ports.dead_letters.list_letters(error_class=BREAKER_HELD)
        if letter.mailbox_id == mailbox_id
    ]
    replayed = await _replay(letters, ports)
    if mailbox_id == BOOKINGS:
        await sweep_bookings(ports, rules)
    else:
        await ports.queue.put(mailbox_task(mailbox_id, MailboxJob.SWEEP, ports, source=Source.REPLAY))
    assert breaker.released_until is not None
    return Release(until=breaker.released_until, letters=replayed.letters)


async def note_order(what: str, who: str, ports: Ports, *, mailbox_id: str = "", booking_id: str | None = None) -> None:
    """Tell the journal who ordered what, before it is done.

    `who` is an object id, an account of the administrator's own machine, or how the order came; never an address.
    """
    now = ports.clock()
    await ports.journal.write(
        JournalEntry(
            mailbox_id=mailbox_id or BOOKINGS,
            correlation_id=ports.new_id(),
            at=now,
            received_at=now,
            source=Source.REPLAY,
            action=ORDERED,
            reason=f"{what}, by {who}",
            booking_id=booking_id,
        )
    )
