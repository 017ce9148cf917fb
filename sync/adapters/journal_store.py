"""`Journal` and `DeadLetters` on Azure Table Storage: what people read to learn what happened to an item."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from azure.data.tables.aio import TableServiceClient

from sync.adapters.rows import RowKey, columns_from_value, key_text
from sync.adapters.tables import PREFIX, ValueTable
from sync.adapters.tally_store import TallyStore
from sync.core.conflicts import Conflict
from sync.core.convergence import Tally
from sync.core.journal import DELAYED, DeadLetter, JournalEntry
from sync.core.work_items import Source
from sync.service.ports import Sleep

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_TICK = 10**18
"""More microseconds than lie between 1970 and the year 9999, so that the difference always has 18 digits."""

_LETTERS = "letters"
_CONFLICTS = "conflicts"
_WAITING = "waiting"
_ENTRIES_PER_PAGE = 100
"""People read the newest entries; a page of 1,000 would be read for nothing."""


class TableJournal:
    """See `Journal`. Writing the same entry again, as after a lost answer, keeps one.

    Rows lie by mailbox, so what is asked of all mailboxes at once has rows of its own: the conflicts, the items that
    wait, and how long changes took, which this `instance` counts (a name that no other process writes under).
    """

    def __init__(
        self,
        service: TableServiceClient,
        *,
        instance: str = "only",
        prefix: str = PREFIX,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._entries = ValueTable(service, f"{prefix}journal", JournalEntry, _entry_key)
        self._conflicts = ValueTable(service, f"{prefix}conflicts", Conflict, _conflict_key)
        self._waiting = ValueTable(service, f"{prefix}waiting", JournalEntry, _waiting_key)
        self._tallies = TallyStore(service, instance=instance, prefix=prefix, sleep=sleep)

    async def write(self, entry: JournalEntry) -> None:
        await self._entries.put(entry)
        if entry.action == DELAYED:
            await self._waiting.put(entry)
        elif entry.deferrals:
            await self._waiting.delete(_waiting_key(entry))
        self._tallies.count(entry)

    async def prune(self, mailbox_id: str, before: datetime) -> int:
        return await self._entries.delete_after(key_text(mailbox_id), f"{_time_key(before)}~")

    def list_entries(
        self,
        mailbox_id: str,
        *,
        event_id: str | None = None,
        booking_id: str | None = None,
        correlation_id: str | None = None,
    ) -> AsyncIterator[JournalEntry]:
        return self._entries.list_values(
            rows_per_page=_ENTRIES_PER_PAGE,
            PartitionKey=key_text(mailbox_id),
            event_id=event_id,
            booking_id=booking_id,
            correlation_id=correlation_id,
        )

    async def find_newest(self, mailbox_id: str, source: Source) -> JournalEntry | None:
        query, parameters = "PartitionKey eq @mailbox and source eq @source", {"mailbox": key_text(mailbox_id)}
        found = await self._entries.page(query, {**parameters, "source": source}, 1)
        return found[0] if found else None

    def list_waiting(self, received_after: datetime) -> AsyncIterator[JournalEntry]:
        return self._waiting.list_values(
            rows_per_page=_ENTRIES_PER_PAGE, after=f"{_tick(received_after):018d}", PartitionKey=_WAITING
        )

    def list_tallies(self, since: datetime) -> AsyncIterator[Tally]:
        return self._tallies.list_since(since)

    async def save_conflict(self, conflict: Conflict) -> None:
        await self._conflicts.put(conflict)

    async def find_conflict(self, conflict_id: str) -> Conflict | None:
        found = self._conflicts.list_values(PartitionKey=_CONFLICTS, conflict_id=conflict_id)
        return await anext(found, None)

    def list_conflicts(
        self, *, mailbox_id: str | None = None, booking_id: str | None = None
    ) -> AsyncIterator[Conflict]:
        return self._conflicts.list_values(
            rows_per_page=_ENTRIES_PER_PAGE, PartitionKey=_CONFLICTS, mailbox_id=mailbox_id, booking_id=booking_id
        )

    async def prune_conflicts(self, before: datetime) -> int:
        return await self._conflicts.delete_after(_CONFLICTS, f"{_time_key(before)}~")


class TableDeadLetters:
    """See `DeadLetters`. One partition: they are few, and always listed together."""

    def __init__(self, service: TableServiceClient, *, prefix: str = PREFIX) -> None:
        self._letters = ValueTable(
            service, f"{prefix}deadletters", DeadLetter, lambda letter: _letter_key(letter.letter_id)
        )

    async def bury(self, letter: DeadLetter) -> None:
        await self._letters.put(letter)

    def list_letters(self, *, error_class: str | None = None) -> AsyncIterator[DeadLetter]:
        return self._letters.list_values(PartitionKey=_LETTERS, error_class=error_class)

    async def page_letters(self, error_class: str, after: str, limit: int) -> Sequence[DeadLetter]:
        query = "PartitionKey eq @partition and RowKey gt @after and error_class eq @class"
        following = key_text(after) if after else ""
        return await self._letters.page(query, {"partition": _LETTERS, "after": following, "class": error_class}, limit)

    async def count_letters(self) -> Mapping[str, int]:
        return await self._letters.count_by("error_class", "PartitionKey eq @partition", {"partition": _LETTERS})

    async def find_letter(self, letter_id: str) -> DeadLetter | None:
        return await self._letters.find(_letter_key(letter_id))

    async def remove(self, letter_id: str) -> None:
        await self._letters.delete(_letter_key(letter_id))


def _entry_key(entry: JournalEntry) -> RowKey:
    """Rows sort by key, so time runs backwards in it: the newest entry stands first.

    Items of one sweep may share a correlation id and a moment; the digest of the content keeps their entries apart.
    """
    digest = sha256(json.dumps(columns_from_value(entry), sort_keys=True).encode()).hexdigest()[:16]
    return RowKey(key_text(entry.mailbox_id), f"{_time_key(entry.at)}_{key_text(entry.correlation_id)}_{digest}")


def _conflict_key(conflict: Conflict) -> RowKey:
    """One partition: conflicts are rare, and listed together. The newest stands first, as with entries."""
    return RowKey(_CONFLICTS, f"{_time_key(conflict.at)}_{key_text(conflict.conflict_id)}")


def _waiting_key(entry: JournalEntry) -> RowKey:
    """One row per item, whatever becomes of it: it was received once, and carries one correlation id."""
    item = sha256(f"{entry.correlation_id} {entry.about}".encode()).hexdigest()[:16]
    return RowKey(_WAITING, f"{_tick(entry.received_at):018d}_{item}")


def _time_key(moment: datetime) -> str:
    return f"{_LATEST_TICK - _tick(moment):018d}"


def _tick(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _letter_key(letter_id: str) -> RowKey:
    return RowKey(_LETTERS, key_text(letter_id))
