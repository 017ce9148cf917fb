"""How long changes took, counted in this process and written now and then: a row for each instance and hour.

The hot path only counts. The row is written a few seconds later, in the background, so that a thousand changes cost one
write; an instance that dies takes those seconds with it, which a statistic can bear. Rows are kept for two days.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from azure.data.tables.aio import TableServiceClient

from sync.adapters.rows import RowKey
from sync.adapters.tables import PREFIX, ValueTable
from sync.core.convergence import HOUR, Tally, counted, hour_of
from sync.core.errors import SyncError
from sync.core.journal import JournalEntry
from sync.service.ports import Sleep

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0
KEPT = timedelta(days=2)
_TALLIES = "tallies"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_HOUR = 10**8


class TallyStore:
    """One instance's own tally, and all instances' rows. `instance` is a name that no other process counts under."""

    def __init__(
        self, service: TableServiceClient, *, instance: str, prefix: str = PREFIX, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._rows = ValueTable(
            service, f"{prefix}tallies", Tally, lambda tally: RowKey(_TALLIES, f"{_row(tally.hour)}_{tally.instance}")
        )
        self._instance = instance
        self._sleep = sleep
        self._own: dict[datetime, Tally] = {}
        self._written: dict[datetime, Tally] = {}
        self._flushing: asyncio.Task[None] | None = None

    def count(self, entry: JournalEntry) -> None:
        """Count an entry, to be written soon, on the event loop that the client belongs to."""
        hour = hour_of(entry.at)
        before = self._own.get(hour) or Tally(hour=hour, instance=self._instance)
        after = counted(before, entry)
        if after is before:
            return
        self._own[hour] = after
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())

    async def list_since(self, since: datetime) -> AsyncIterator[Tally]:
        """The tallies of all instances from the hour of `since` on."""
        last = f"{_row(hour_of(since))}~"
        for tally in await self._rows.page(
            "PartitionKey eq @partition and RowKey lt @last", {"partition": _TALLIES, "last": last}, None
        ):
            yield tally

    async def _flush(self) -> None:
        """Write what was counted, until nothing was counted meanwhile. What fails is written with the next entry."""
        while self._unwritten():
            await self._sleep(FLUSH_SECONDS)
            try:
                for tally in self._unwritten():
                    await self._rows.put(tally)
                    self._written[tally.hour] = tally
                await self._forget()
            except SyncError as error:
                logger.info("A tally was not written: %s", error.reason, extra={"action": "tally-failed"})
                return

    def _unwritten(self) -> list[Tally]:
        return [tally for hour, tally in self._own.items() if self._written.get(hour) != tally]

    async def _forget(self) -> None:
        """When an hour is over, drop the one before it from memory, and old rows from the table."""
        newest = max(self._own)
        past = [hour for hour in self._own if hour < newest - HOUR]
        for hour in past:
            del self._own[hour], self._written[hour]
        if past:
            await self._rows.delete_after(_TALLIES, f"{_row(newest - KEPT)}~")


def _row(hour: datetime) -> str:
    """Time runs backwards in it, so that what is old comes last."""
    return f"{_LATEST_HOUR - (hour - _EPOCH) // HOUR:08d}"
