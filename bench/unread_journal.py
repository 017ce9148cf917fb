"""A journal for long measurements."""

from sync.core.journal import JournalEntry
from tests.fakes import FakeJournal


class UnreadJournal(FakeJournal):
    """Counts, and keeps nothing: to look each entry of a long day up among all others takes longer than the day."""

    async def write(self, entry: JournalEntry) -> None:
        del entry
        async with self._operation("write"):
            """Nobody reads it."""
