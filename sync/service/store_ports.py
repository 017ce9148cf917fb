"""What the use cases keep: what is remembered, the story of every item, and dead letters. Part of `sync.service.ports`.

Every method may raise `TransientError`; what else it raises is said where it matters.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sync.core.census import Census
from sync.core.conflicts import Conflict
from sync.core.convergence import Tally
from sync.core.journal import DeadLetter, JournalEntry
from sync.core.mailboxes import Backfill, BookingCursor, Breaker, Cursor, Quarantine, SubscriptionRecord
from sync.core.memory import KnownBooking, KnownEvent, Link
from sync.core.work_items import Source


class StateStore(Protocol):
    """What we remember. All of it can be lost: it costs time, not correctness.

    `save_known_event`, `save_known_booking`, `save_link` and `save_breaker` are conditional on the value's `version`
    (None: must not exist yet), raise `PreconditionFailed`, and answer the value with its new version.
    """

    async def find_known_event(self, mailbox_id: str, event_id: str) -> KnownEvent | None: ...

    async def save_known_event(self, known: KnownEvent) -> KnownEvent: ...

    async def delete_known_event(self, mailbox_id: str, event_id: str) -> None:
        """Succeeds also when there is none."""

    def list_known_events(self, mailbox_id: str) -> AsyncIterator[KnownEvent]: ...

    async def find_known_booking(self, booking_id: str) -> KnownBooking | None: ...

    async def save_known_booking(self, known: KnownBooking) -> KnownBooking: ...

    async def delete_known_booking(self, booking_id: str) -> None:
        """Succeeds also when there is none."""

    async def find_link(self, booking_id: str) -> Link | None: ...

    async def save_link(self, link: Link) -> Link: ...

    async def delete_link(self, link: Link) -> None:
        """Succeeds also when there is none. Raises `PreconditionFailed` when somebody else wrote it meanwhile."""

    def list_links(self) -> AsyncIterator[Link]: ...

    async def find_booking_cursor(self) -> BookingCursor | None: ...

    async def save_booking_cursor(self, cursor: BookingCursor) -> None: ...

    async def delete_booking_cursor(self) -> None: ...

    async def find_backfill(self) -> Backfill | None: ...

    async def save_backfill(self, backfill: Backfill) -> None: ...

    async def delete_backfill(self) -> None: ...

    async def find_cursor(self, mailbox_id: str) -> Cursor | None: ...

    async def save_cursor(self, cursor: Cursor) -> None: ...

    async def delete_cursor(self, mailbox_id: str) -> None: ...

    async def find_quarantine(self, mailbox_id: str) -> Quarantine | None: ...

    async def save_quarantine(self, quarantine: Quarantine) -> None: ...

    async def delete_quarantine(self, mailbox_id: str) -> None: ...

    def list_quarantines(self) -> AsyncIterator[Quarantine]: ...

    async def find_breaker(self, mailbox_id: str) -> Breaker | None: ...

    async def save_breaker(self, breaker: Breaker) -> Breaker: ...

    def list_breakers(self) -> AsyncIterator[Breaker]: ...

    async def find_subscription_record(self, mailbox_id: str) -> SubscriptionRecord | None: ...

    async def save_subscription_record(self, record: SubscriptionRecord) -> None: ...

    async def delete_subscription_record(self, mailbox_id: str) -> None: ...

    def list_subscription_records(self) -> AsyncIterator[SubscriptionRecord]: ...

    async def page_subscription_records(self, after: str, limit: int) -> Sequence[SubscriptionRecord]:
        """At most `limit` of them, by mailbox id, from the one that follows `after` (empty: the first)."""

    async def page_quarantines(self, after: str, limit: int) -> Sequence[Quarantine]:
        """At most `limit` of them, by mailbox id, from the one that follows `after` (empty: the first)."""

    async def find_census(self) -> Census | None: ...

    async def save_census(self, census: Census) -> None: ...

    async def delete_census(self) -> None: ...


class Journal(Protocol):
    """The story of every item."""

    async def write(self, entry: JournalEntry) -> None:
        """Keep an entry. Writing the same one again keeps one."""

    async def prune(self, mailbox_id: str, before: datetime) -> int:
        """Delete a mailbox's entries from before that time (aware UTC), a thousand at most; answers how many."""

    def list_entries(
        self,
        mailbox_id: str,
        *,
        event_id: str | None = None,
        booking_id: str | None = None,
        correlation_id: str | None = None,
    ) -> AsyncIterator[JournalEntry]:
        """Entries of one mailbox, newest first, narrowed by what is given."""

    async def save_conflict(self, conflict: Conflict) -> None:
        """Keep a conflict, over what is kept under its id. They stand apart, to be found without any mailbox."""

    async def find_conflict(self, conflict_id: str) -> Conflict | None: ...

    def list_conflicts(
        self, *, mailbox_id: str | None = None, booking_id: str | None = None
    ) -> AsyncIterator[Conflict]:
        """Conflicts of all mailboxes, newest first, narrowed by what is given."""

    async def prune_conflicts(self, before: datetime) -> int:
        """Delete conflicts from before that time (aware UTC), a thousand at most; answers how many."""

    async def find_newest(self, mailbox_id: str, source: Source) -> JournalEntry | None:
        """The newest entry of a mailbox about what came from there."""

    def list_waiting(self, received_after: datetime) -> AsyncIterator[JournalEntry]:
        """The newest entry of each item that is delayed and has not ended since, the one received first at the head.

        `received_after` (aware UTC) leaves out what no item can still be waiting for.
        """

    def list_tallies(self, since: datetime) -> AsyncIterator[Tally]:
        """How long changes took, by hour and instance, from the hour of `since` on. What was written in the last
        seconds may not be counted yet, and an instance that dies takes that with it.
        """


class DeadLetters(Protocol):
    """The poison store: what will not be tried again by itself."""

    async def bury(self, letter: DeadLetter) -> None:
        """Keep it. Burying the same letter id again replaces it."""

    def list_letters(self, *, error_class: str | None = None) -> AsyncIterator[DeadLetter]:
        """All, or those of one class, in no particular order."""

    async def page_letters(self, error_class: str, after: str, limit: int) -> Sequence[DeadLetter]:
        """At most `limit` of one class, by letter id, from the one that follows `after` (empty: the first)."""

    async def count_letters(self) -> Mapping[str, int]:
        """How many there are of each error class."""

    async def find_letter(self, letter_id: str) -> DeadLetter | None: ...

    async def remove(self, letter_id: str) -> None:
        """Succeeds also when there is none."""
