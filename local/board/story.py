"""The journal's rows for the page: what was done, why in words, and what it cost.

The words are those that administrators read, from `docs/operate.md`; tests hold that page to every action and reason.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from local.board.sides import time_text
from sync.core.journal import JournalEntry

_OPERATE = Path(__file__).parents[2] / "docs" / "operate.md"
DROPPED = "dropped"
_HEADING = "## What the journal says"
_ROW = re.compile(r"^\| (`.+?) \| (.+) \|$", re.MULTILINE)


class JournalReader(Protocol):
    """Of the app's `Journal` what the board needs."""

    def list_entries(
        self, mailbox_id: str, *, event_id: str | None = None, booking_id: str | None = None
    ) -> AsyncIterator[JournalEntry]: ...


async def newest_entries(
    journal: JournalReader,
    mailbox_ids: Collection[str],
    *,
    event_id: str | None = None,
    booking_id: str | None = None,
    shows_dropped: bool = False,
    limit: int,
) -> list[JournalEntry]:
    """Of several mailboxes together, newest first; of one event or booking when it is named.

    What was dropped is most of a journal: each change raises up to four notifications, and each write an echo.
    """

    async def of(mailbox_id: str) -> list[JournalEntry]:
        entries = journal.list_entries(mailbox_id, event_id=event_id, booking_id=booking_id)
        return await _first(limit, (entry async for entry in entries if shows_dropped or entry.action != DROPPED))

    found = [entry for entries in await asyncio.gather(*map(of, mailbox_ids)) for entry in entries]
    return sorted(found, key=lambda entry: entry.at, reverse=True)[:limit]


async def _first(limit: int, entries: AsyncIterator[JournalEntry]) -> list[JournalEntry]:
    first: list[JournalEntry] = []
    async for entry in entries:
        first.append(entry)
        if len(first) >= limit:
            break
    return first


def entry_json(entry: JournalEntry) -> dict[str, Any]:
    """`seconds` is from the first word of the change to this row; calls are told apart by service."""
    words = meanings()
    dynamics = sum(count for operation, count in entry.calls.items() if _is_dynamics(operation))
    return {
        "key": f"{entry.at.isoformat()} {entry.correlation_id} {entry.action} {entry.event_id}",
        "at": time_text(entry.at),
        "seconds": round((entry.at - entry.received_at).total_seconds(), 1),
        "source": entry.source,
        "mailbox": entry.mailbox_id,
        "booking": entry.booking_id,
        "event": entry.event_id,
        "action": entry.action,
        "done": words.get(entry.action, ""),
        "reason": entry.reason,
        "why": words.get(entry.reason, ""),
        "before": entry.before,
        "after": entry.after,
        "graph": sum(entry.calls.values()) - dynamics,
        "dynamics": dynamics,
        "calls": dict(sorted(entry.calls.items())),
        "correlation": entry.correlation_id,
    }


def _is_dynamics(operation: str) -> bool:
    """Dataverse's operations begin with the name of a table, and those are plurals; Graph's with that of one thing."""
    return operation.partition(".")[0].endswith("s")


@cache
def meanings() -> Mapping[str, str]:
    """What each action and each reason of the journal means, in a sentence without markup."""
    section = _OPERATE.read_text().partition(f"\n{_HEADING}\n")[2].partition("\n## ")[0]
    rows = _ROW.findall(section)
    return {word: _plain(meaning) for words, meaning in rows for word in re.findall(r"`([^`]+)`", words)}


def _plain(markdown: str) -> str:
    return re.sub(r"[`*]", "", re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", markdown))
