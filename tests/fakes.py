"""The ports on storage, in memory: for tests of the use cases, and for the deterministic simulation.

Held equal to the Azure adapters by `tests/contracts/`. Time comes from the clock that is given, nothing waits, nothing
is random. Every operation passes one checkpoint before it takes effect, where a test may stop the world, and one place
where a test may have planned a failure.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from math import ceil

from sync.core.census import Census
from sync.core.conflicts import Conflict
from sync.core.convergence import Tally, counted, hour_of
from sync.core.errors import PreconditionFailed, Refused
from sync.core.journal import DELAYED, DeadLetter, JournalEntry
from sync.core.mailboxes import Backfill, BookingCursor, Breaker, Cursor, Quarantine, SubscriptionRecord
from sync.core.memory import KnownBooking, KnownEvent, Link
from sync.core.work import POISON_SUFFIX, QUEUES, item_to_text, queue_of
from sync.core.work_items import Source, WorkItem
from sync.service.ports import Clock

type Checkpoint = Callable[[str], Awaitable[None]]

MESSAGE_LIMIT_BYTES = 49_152
TAKEN_SECONDS = 600
"""For how long the Functions host hides a message that it takes (WebJobs storage extension, QueueListener)."""


@dataclass(slots=True)
class _PlannedFailure:
    method: str
    error: Exception
    skip: int
    after_effect: bool


class FakePort:
    """What every fake offers to a test: a count of calls, a checkpoint, planned failures."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.before_each: Checkpoint | None = None
        self._planned: list[_PlannedFailure] = []

    def fail_next(self, method: str, error: Exception, *, skip: int = 0, after_effect: bool = False) -> None:
        """Let the next call of `method` raise `error`, once, after `skip` calls that go well.

        With `after_effect` the operation is carried out first, as when only the answer is lost. Plans for one method
        are used up in their order.
        """
        if method.startswith("_") or not callable(getattr(self, method, None)):
            raise ValueError(f"{type(self).__name__} has no operation {method}")
        self._planned.append(_PlannedFailure(method, error, skip, after_effect))

    @asynccontextmanager
    async def _operation(self, name: str) -> AsyncIterator[None]:
        if self.before_each is not None:
            await self.before_each(name)
        self.calls[name] += 1
        failure = self._due_failure(name)
        if failure is not None and not failure.after_effect:
            raise failure.error
        yield
        if failure is not None:
            raise failure.error

    def _due_failure(self, name: str) -> _PlannedFailure | None:
        failure = next((planned for planned in self._planned if planned.method == name), None)
        if failure is None:
            return None
        if failure.skip:
            failure.skip -= 1
            return None
        self._planned.remove(failure)
        return failure


class FakeStateStore(FakePort):
    """`StateStore` in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._versions = count(1)
        self._events: dict[tuple[str, str], KnownEvent] = {}
        self._bookings: dict[str, KnownBooking] = {}
        self._links: dict[str, Link] = {}
        self._cursors: dict[str, Cursor] = {}
        self._booking_cursor: BookingCursor | None = None
        self._backfill: Backfill | None = None
        self._quarantines: dict[str, Quarantine] = {}
        self._breakers: dict[str, Breaker] = {}
        self._subscriptions: dict[str, SubscriptionRecord] = {}
        self._census: Census | None = None

    def lose_everything(self) -> None:
        """As if somebody had deleted the tables."""
        for table in (
            self._events,
            self._bookings,
            self._links,
            self._cursors,
            self._quarantines,
            self._breakers,
            self._subscriptions,
        ):
            table.clear()
        self._booking_cursor = None
        self._backfill = None
        self._census = None

    async def find_known_event(self, mailbox_id: str, event_id: str) -> KnownEvent | None:
        async with self._operation("find_known_event"):
            return self._events.get((mailbox_id, event_id))

    async def save_known_event(self, known: KnownEvent) -> KnownEvent:
        async with self._operation("save_known_event"):
            return self._save(self._events, (known.mailbox_id, known.event_id), known)

    async def delete_known_event(self, mailbox_id: str, event_id: str) -> None:
        async with self._operation("delete_known_event"):
            self._events.pop((mailbox_id, event_id), None)

    async def list_known_events(self, mailbox_id: str) -> AsyncIterator[KnownEvent]:
        async with self._operation("list_known_events"):
            listed = [known for known in self._events.values() if known.mailbox_id == mailbox_id]
        for known in listed:
            yield known

    async def find_known_booking(self, booking_id: str) -> KnownBooking | None:
        async with self._operation("find_known_booking"):
            return self._bookings.get(booking_id)

    async def save_known_booking(self, known: KnownBooking) -> KnownBooking:
        async with self._operation("save_known_booking"):
            return self._save(self._bookings, known.booking_id, known)

    async def delete_known_booking(self, booking_id: str) -> None:
        async with self._operation("delete_known_booking"):
            self._bookings.pop(booking_id, None)

    async def find_link(self, booking_id: str) -> Link | None:
        async with self._operation("find_link"):
            return self._links.get(booking_id)

    async def save_link(self, link: Link) -> Link:
        async with self._operation("save_link"):
            return self._save(self._links, link.booking_id, replace(link, written=dict(link.written)))

    async def delete_link(self, link: Link) -> None:
        async with self._operation("delete_link"):
            stored = self._links.get(link.booking_id)
            if stored is not None and stored.version != link.version:
                raise PreconditionFailed(f"{link.booking_id} was written by somebody else", status=412)
            self._links.pop(link.booking_id, None)

    async def list_links(self) -> AsyncIterator[Link]:
        async with self._operation("list_links"):
            listed = list(self._links.values())
        for link in listed:
            yield link

    async def find_booking_cursor(self) -> BookingCursor | None:
        async with self._operation("find_booking_cursor"):
            return self._booking_cursor

    async def save_booking_cursor(self, cursor: BookingCursor) -> None:
        async with self._operation("save_booking_cursor"):
            self._booking_cursor = cursor

    async def delete_booking_cursor(self) -> None:
        async with self._operation("delete_booking_cursor"):
            self._booking_cursor = None

    async def find_backfill(self) -> Backfill | None:
        async with self._operation("find_backfill"):
            return self._backfill

    async def save_backfill(self, backfill: Backfill) -> None:
        async with self._operation("save_backfill"):
            self._backfill = backfill

    async def delete_backfill(self) -> None:
        async with self._operation("delete_backfill"):
            self._backfill = None

    async def find_cursor(self, mailbox_id: str) -> Cursor | None:
        async with self._operation("find_cursor"):
            return self._cursors.get(mailbox_id)

    async def save_cursor(self, cursor: Cursor) -> None:
        async with self._operation("save_cursor"):
            self._cursors[cursor.mailbox_id] = cursor

    async def delete_cursor(self, mailbox_id: str) -> None:
        async with self._operation("delete_cursor"):
            self._cursors.pop(mailbox_id, None)

    async def find_quarantine(self, mailbox_id: str) -> Quarantine | None:
        async with self._operation("find_quarantine"):
            return self._quarantines.get(mailbox_id)

    async def save_quarantine(self, quarantine: Quarantine) -> None:
        async with self._operation("save_quarantine"):
            self._quarantines[quarantine.mailbox_id] = quarantine

    async def delete_quarantine(self, mailbox_id: str) -> None:
        async with self._operation("delete_quarantine"):
            self._quarantines.pop(mailbox_id, None)

    async def list_quarantines(self) -> AsyncIterator[Quarantine]:
        async with self._operation("list_quarantines"):
            listed = list(self._quarantines.values())
        for quarantine in listed:
            yield quarantine

    async def find_breaker(self, mailbox_id: str) -> Breaker | None:
        async with self._operation("find_breaker"):
            return self._breakers.get(mailbox_id)

    async def save_breaker(self, breaker: Breaker) -> Breaker:
        async with self._operation("save_breaker"):
            return self._save(self._breakers, breaker.mailbox_id, breaker)

    async def list_breakers(self) -> AsyncIterator[Breaker]:
        async with self._operation("list_breakers"):
            listed = list(self._breakers.values())
        for breaker in listed:
            yield breaker

    async def find_subscription_record(self, mailbox_id: str) -> SubscriptionRecord | None:
        async with self._operation("find_subscription_record"):
            return self._subscriptions.get(mailbox_id)

    async def save_subscription_record(self, record: SubscriptionRecord) -> None:
        async with self._operation("save_subscription_record"):
            self._subscriptions[record.mailbox_id] = record

    async def delete_subscription_record(self, mailbox_id: str) -> None:
        async with self._operation("delete_subscription_record"):
            self._subscriptions.pop(mailbox_id, None)

    async def list_subscription_records(self) -> AsyncIterator[SubscriptionRecord]:
        async with self._operation("list_subscription_records"):
            listed = list(self._subscriptions.values())
        for record in listed:
            yield record

    async def page_subscription_records(self, after: str, limit: int) -> list[SubscriptionRecord]:
        async with self._operation("page_subscription_records"):
            return [self._subscriptions[key] for key in sorted(self._subscriptions) if key > after][:limit]

    async def page_quarantines(self, after: str, limit: int) -> list[Quarantine]:
        async with self._operation("page_quarantines"):
            return [self._quarantines[key] for key in sorted(self._quarantines) if key > after][:limit]

    async def find_census(self) -> Census | None:
        async with self._operation("find_census"):
            return self._census

    async def save_census(self, census: Census) -> None:
        async with self._operation("save_census"):
            self._census = census

    async def delete_census(self) -> None:
        async with self._operation("delete_census"):
            self._census = None

    def _save[K, V: (KnownEvent, KnownBooking, Link, Breaker)](self, table: dict[K, V], key: K, value: V) -> V:
        stored = table.get(key)
        if value.version != (stored.version if stored else None):
            raise PreconditionFailed(f"{key} was written by somebody else", status=412)
        table[key] = replace(value, version=f"version-{next(self._versions)}")
        return table[key]


class FakeJournal(FakePort):
    """`Journal` in memory; `entries` in the order of writing."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[JournalEntry] = []
        self.conflicts: dict[str, Conflict] = {}

    async def write(self, entry: JournalEntry) -> None:
        async with self._operation("write"):
            if entry not in self.entries:
                self.entries.append(replace(entry, calls=dict(entry.calls)))

    async def prune(self, mailbox_id: str, before: datetime) -> int:
        async with self._operation("prune"):
            old = [entry for entry in self.entries if entry.mailbox_id == mailbox_id and entry.at < before][:1_000]
            self.entries[:] = [entry for entry in self.entries if entry not in old]
        return len(old)

    async def list_entries(
        self,
        mailbox_id: str,
        *,
        event_id: str | None = None,
        booking_id: str | None = None,
        correlation_id: str | None = None,
    ) -> AsyncIterator[JournalEntry]:
        async with self._operation("list_entries"):
            listed = [
                entry
                for entry in self.entries
                if entry.mailbox_id == mailbox_id
                and event_id in (None, entry.event_id)
                and booking_id in (None, entry.booking_id)
                and correlation_id in (None, entry.correlation_id)
            ]
        for entry in sorted(listed, key=lambda entry: entry.at, reverse=True):
            yield entry

    async def find_newest(self, mailbox_id: str, source: Source) -> JournalEntry | None:
        async with self._operation("find_newest"):
            found = [one for one in self.entries if one.mailbox_id == mailbox_id and one.source is source]
        return max(found, key=lambda entry: entry.at, default=None)

    async def list_waiting(self, received_after: datetime) -> AsyncIterator[JournalEntry]:
        async with self._operation("list_waiting"):
            waiting: dict[tuple[str, str, datetime], JournalEntry] = {}
            for entry in self.entries:
                item = (entry.correlation_id, entry.about, entry.received_at)
                if entry.action == DELAYED:
                    waiting[item] = entry
                elif entry.deferrals:
                    waiting.pop(item, None)
        for entry in sorted(waiting.values(), key=lambda entry: entry.received_at):
            if entry.received_at > received_after:
                yield entry

    async def list_tallies(self, since: datetime) -> AsyncIterator[Tally]:
        async with self._operation("list_tallies"):
            tallies: dict[datetime, Tally] = {}
            for entry in self.entries:
                hour = hour_of(entry.at)
                tally = tallies.get(hour) or Tally(hour=hour, instance="only")
                tallies[hour] = counted(tally, entry)
        for hour in sorted(tallies, reverse=True):
            if hour >= hour_of(since) and (tallies[hour].steps or tallies[hour].swept):
                yield tallies[hour]

    async def save_conflict(self, conflict: Conflict) -> None:
        async with self._operation("save_conflict"):
            self.conflicts[conflict.conflict_id] = conflict

    async def find_conflict(self, conflict_id: str) -> Conflict | None:
        async with self._operation("find_conflict"):
            return self.conflicts.get(conflict_id)

    async def list_conflicts(
        self, *, mailbox_id: str | None = None, booking_id: str | None = None
    ) -> AsyncIterator[Conflict]:
        async with self._operation("list_conflicts"):
            listed = [
                one
                for one in self.conflicts.values()
                if mailbox_id in (None, one.mailbox_id) and booking_id in (None, one.booking_id)
            ]
        for one in sorted(listed, key=lambda one: one.at, reverse=True):
            yield one

    async def prune_conflicts(self, before: datetime) -> int:
        async with self._operation("prune_conflicts"):
            old = [one for one in self.conflicts.values() if one.at < before]
            for one in old:
                del self.conflicts[one.conflict_id]
        return len(old)


class FakeDeadLetters(FakePort):
    """`DeadLetters` in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.letters: dict[str, DeadLetter] = {}

    async def bury(self, letter: DeadLetter) -> None:
        async with self._operation("bury"):
            self.letters[letter.letter_id] = letter

    async def list_letters(self, *, error_class: str | None = None) -> AsyncIterator[DeadLetter]:
        async with self._operation("list_letters"):
            listed = [letter for letter in self.letters.values() if error_class in (None, letter.error_class)]
        for letter in listed:
            yield letter

    async def page_letters(self, error_class: str, after: str, limit: int) -> list[DeadLetter]:
        async with self._operation("page_letters"):
            listed = sorted(
                (letter for letter in self.letters.values() if letter.error_class == error_class),
                key=lambda letter: letter.letter_id,
            )
        return [letter for letter in listed if letter.letter_id > after][:limit]

    async def count_letters(self) -> Counter[str]:
        async with self._operation("count_letters"):
            return Counter(letter.error_class for letter in self.letters.values())

    async def find_letter(self, letter_id: str) -> DeadLetter | None:
        async with self._operation("find_letter"):
            return self.letters.get(letter_id)

    async def remove(self, letter_id: str) -> None:
        async with self._operation("remove"):
            self.letters.pop(letter_id, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage:
    """A message as somebody took it. `receipt` proves that it was they who took it last."""

    message_id: str
    queue: str
    text: str
    inserted_at: datetime
    visible_at: datetime
    dequeue_count: int = 0
    receipt: int = 0


class FakeWorkQueue(FakePort):
    """`WorkQueue` in memory, and the side of it that the Functions host sees.

    The host's side is not asynchronous and passes no checkpoint: a harness plays the host and decides itself when.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._numbers = count(1)
        self._messages: dict[str, QueueMessage] = {}

    async def put(self, item: WorkItem, *, delay_seconds: float = 0) -> None:
        async with self._operation("put"):
            self._add(queue_of(item), item_to_text(item), delay_seconds)

    async def put_text(self, queue: str, text: str) -> None:
        async with self._operation("put_text"):
            self._add(queue, text, 0)

    async def approximate_lengths(self) -> dict[str, int]:
        async with self._operation("approximate_lengths"):
            lengths = Counter(message.queue for message in self._messages.values())
        return {name: lengths[name] for queue in QUEUES for name in (queue, queue + POISON_SUFFIX)}

    async def peek(self, queue: str) -> list[str]:
        async with self._operation("peek"):
            now = self._clock()
            return [message.text for message in self.messages(queue) if message.visible_at <= now][:32]

    def messages(self, queue: str) -> list[QueueMessage]:
        """All of a queue, taken and delayed ones too, in the order in which they become visible."""
        return sorted(
            (message for message in self._messages.values() if message.queue == queue),
            key=lambda message: message.visible_at,
        )

    def next_visible_at(self, queue: str | None = None) -> datetime | None:
        """When the next message of one or any queue can be taken, which may be in the past; None when all are empty.

        A message that is taken and never completed counts: it comes back.
        """
        moments = (message.visible_at for message in self._messages.values() if queue in (None, message.queue))
        return min(moments, default=None)

    def take_due(
        self, queue: str, now: datetime, *, limit: int = 32, hidden_seconds: int = TAKEN_SECONDS
    ) -> list[QueueMessage]:
        """Up to `limit` messages that are visible at `now`, hidden from then on; each take raises the dequeue count."""
        due = [message for message in self.messages(queue) if message.visible_at <= now][:limit]
        return [
            self._keep(
                replace(
                    message,
                    dequeue_count=message.dequeue_count + 1,
                    visible_at=now + timedelta(seconds=hidden_seconds),
                    receipt=next(self._numbers),
                )
            )
            for message in due
        ]

    def complete(self, message: QueueMessage) -> bool:
        """Delete a message that was handled. False when somebody else has taken it since: then it stays."""
        if not self._is_current(message):
            return False
        del self._messages[message.message_id]
        return True

    def release(self, message: QueueMessage, now: datetime, *, visibility_seconds: float = 0) -> bool:
        """Give a message back, to be seen again after `visibility_seconds`. False when somebody else has taken it."""
        if not self._is_current(message):
            return False
        visible_at = now + timedelta(seconds=visibility_seconds)
        self._keep(replace(message, visible_at=visible_at, receipt=next(self._numbers)))
        return True

    def poison(self, message: QueueMessage) -> bool:
        """What the host does after the last attempt: copy the text to the poison queue, then delete the message."""
        self._add(message.queue + POISON_SUFFIX, message.text, 0)
        return self.complete(message)

    def _add(self, queue: str, text: str, delay_seconds: float) -> None:
        if len(text.encode()) > MESSAGE_LIMIT_BYTES:
            raise Refused(f"a message for queue {queue} is too large", status=413)
        now = self._clock()
        delay = timedelta(seconds=max(ceil(delay_seconds), 0))
        self._keep(
            QueueMessage(
                message_id=f"message-{next(self._numbers)}",
                queue=queue,
                text=text,
                inserted_at=now,
                visible_at=now + min(delay, timedelta(days=7)),
            )
        )

    def _keep(self, message: QueueMessage) -> QueueMessage:
        self._messages[message.message_id] = message
        return message

    def _is_current(self, message: QueueMessage) -> bool:
        current = self._messages.get(message.message_id)
        return current is not None and current.receipt == message.receipt
