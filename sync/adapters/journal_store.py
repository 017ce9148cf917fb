"""`Journal` and `DeadLetters` on Azure Table Storage: what people read to learn what happened to an item."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from azure.data.tables.aio import TableServiceClient

from sync.adapters.rows import RowKey, columns_from_value, key_text
from sync.adapters.tables import PREFIX, ValueTable
from sync.core.journal import DeadLetter, JournalEntry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_TICK = 10**18
"""More microseconds than lie between 1970 and the year 9999, so that the difference always has 18 digits."""

_LETTERS = "letters"
_ENTRIES_PER_PAGE = 100
"""People read the newest entries; a page of 1,000 would be read for nothing."""


class TableJournal:
    """See `Journal`. Writing the same entry again, as after a lost answer, keeps one."""

    def __init__(self, service: TableServiceClient, *, prefix: str = PREFIX) -> None:
        self._entries = ValueTable(service, f"{prefix}journal", JournalEntry, _entry_key)

    async def write(self, entry: JournalEntry) -> None:
        await self._entries.put(entry)

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


def _time_key(moment: datetime) -> str:
    ticks = (moment - _EPOCH) // timedelta(microseconds=1)
    return f"{_LATEST_TICK - ticks:018d}"


def _letter_key(letter_id: str) -> RowKey:
    return RowKey(_LETTERS, key_text(letter_id))
