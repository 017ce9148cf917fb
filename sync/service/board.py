"""What the status page and the `status` command show: how the sync is doing as a whole, and where a person should look.

It is cheap with ten thousand mailboxes. What can be large is never read for one look: how long changes took comes from
tallies (`sync.core.convergence`), counts from a census that is taken once a minute at most, and only while somebody
looks; lists are read by the page. Everything else is a fixed number of small reads, which are made side by side.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.core.census import Census
from sync.core.conflicts import Conflict
from sync.core.convergence import HOUR, Convergence, convergence_of, hour_of
from sync.core.errors import InvalidPayload
from sync.core.journal import DeadLetter, JournalEntry
from sync.core.mailboxes import Breaker, Quarantine, SubscriptionRecord, SubscriptionStanding
from sync.core.work import QUEUES, item_from_text
from sync.core.work_items import BookingChange, EventChange, Source, WorkItem, mailbox_of
from sync.service.conflicts import list_conflicts
from sync.service.disposal import PATIENCE
from sync.service.ports import Ports, QueueGauge

CENSUS_AGE = timedelta(minutes=1)
"""How old counts may be."""

SHOWN = 10
"""How many of each kind the board names; the rest is on pages of their own."""

LETTERS_SHOWN = 3
EXPIRING_SHOWN = 3
PAGE = 25
_LISTED = 100
"""How many ids a census keeps of those that a person should look at."""

_DAY = timedelta(days=1)
_ENDED_BY_NOW = PATIENCE + HOUR
"""No item is tried for longer: it is buried. A row that was written before that is left of a worker that died."""

_LONGEST_BACKLOG = timedelta(days=30)
"""For how long an item may have lain on its queue before its first trouble."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingItem:
    """An item whose two sides are not known to be equal yet. `reason` says what it waits for; empty on the queue."""

    received_at: datetime
    mailbox_id: str
    event_id: str | None
    booking_id: str | None
    correlation_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxRow:
    """A mailbox's subscription, and when Graph last notified us about it; None when never within 90 days."""

    record: SubscriptionRecord
    last_notified_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterClass:
    """The dead letters of one class: how many there are, and the first of them."""

    error_class: str
    count: int
    letters: tuple[DeadLetter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page[T]:
    """A part of a long list. `following` is where the next part begins, None at the end."""

    rows: tuple[T, ...]
    following: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """How the sync is doing. `hour` covers this clock hour and the one before, from `hour_since`; `day` 24 hours.

    `census` holds counts of the whole, up to a minute old. `waiting` are the items that were put back and have not
    ended, the oldest first; `oldest` is the oldest of these and of what lies on the queues, None when nothing does.
    """

    at: datetime
    hour_since: datetime
    hour: Convergence
    day: Convergence
    oldest: WaitingItem | None
    waiting: tuple[WaitingItem, ...]
    queues: Mapping[str, int]
    census: Census
    expiring: tuple[MailboxRow, ...]
    troubled: tuple[MailboxRow, ...]
    quarantines: Page[Quarantine]
    breakers: tuple[Breaker, ...]
    conflicts: Page[Conflict]
    letters: tuple[LetterClass, ...]


async def read_board(ports: Ports, gauge: QueueGauge, *, is_fresh: bool = False) -> Board:
    """Everything that a person should look at, and what is well. `is_fresh` counts anew whatever was counted before."""
    now = ports.clock()
    census, tallies, waiting, queues, quarantines, conflicts = await asyncio.gather(
        find_census(ports, now, is_fresh=is_fresh),
        _all(ports.journal.list_tallies(now - _DAY)),
        _first(_waiting(ports, now), SHOWN),
        gauge.approximate_lengths(),
        read_quarantines(ports, "", limit=SHOWN),
        read_conflicts(ports, "", limit=SHOWN),
    )
    delayed = tuple(_delayed_item(entry) for entry in waiting)
    queued, expiring, troubled, breakers, letters = await asyncio.gather(
        _queued(gauge),
        _mailbox_rows(census.expiring[:EXPIRING_SHOWN], ports),
        _mailbox_rows(census.troubled[:SHOWN], ports),
        _each(ports.state.find_breaker(mailbox_id) for mailbox_id in census.holding[:SHOWN]),
        _each(_letter_class(error_class, count, ports) for error_class, count in sorted(census.letters.items())),
    )
    hour_since = hour_of(now - HOUR)
    return Board(
        at=now,
        hour_since=hour_since,
        hour=convergence_of(tally for tally in tallies if tally.hour >= hour_since),
        day=convergence_of(tallies),
        oldest=min([*delayed, *queued], key=lambda item: item.received_at, default=None),
        waiting=delayed,
        queues=queues,
        census=census,
        expiring=tuple(expiring),
        troubled=tuple(row for row in troubled if row.record.standing is not SubscriptionStanding.ACTIVE),
        quarantines=quarantines,
        breakers=tuple(breaker for breaker in breakers if breaker and breaker.held_since),
        conflicts=conflicts,
        letters=tuple(one for one in letters if one.letters),
    )


async def find_census(ports: Ports, now: datetime, *, is_fresh: bool = False) -> Census:
    """The counts as they were a minute ago at most; taken anew when they are older."""
    census = None if is_fresh else await ports.state.find_census()
    if census is None or now - census.taken_at >= CENSUS_AGE:
        census = await _take_census(ports, now)
        await ports.state.save_census(census)
    return census


async def _take_census(ports: Ports, now: datetime) -> Census:
    """Read the tables that hold a row for each mailbox at most: a call for each thousand rows."""
    records, quarantines, breakers, letters = await asyncio.gather(
        _all(ports.state.list_subscription_records()),
        _all(ports.state.list_quarantines()),
        _all(ports.state.list_breakers()),
        ports.dead_letters.count_letters(),
    )
    active = [one for one in records if one.standing is SubscriptionStanding.ACTIVE]
    others = [one for one in records if one.standing is not SubscriptionStanding.ACTIVE]
    holding = [one for one in breakers if one.held_since]
    return Census(
        taken_at=now,
        subscriptions=dict(Counter(str(one.standing) for one in records)),
        expiring=tuple(one.mailbox_id for one in sorted(active, key=lambda one: one.expires_at or now)[:_LISTED]),
        # The most tried first: what has failed once is tried again by itself.
        troubled=tuple(one.mailbox_id for one in sorted(others, key=lambda one: -one.failures)[:_LISTED]),
        quarantined=len(quarantines),
        holding=tuple(one.mailbox_id for one in sorted(holding, key=lambda one: -one.held)[:_LISTED]),
        held=sum(one.held for one in holding),
        letters=dict(letters),
    )


async def read_mailboxes(ports: Ports, after: str) -> Page[MailboxRow]:
    """A page of the mailboxes, by id, from the one that follows `after`."""
    records = await ports.state.page_subscription_records(after, PAGE + 1)
    return _page(await _each(_mailbox_row(one, ports) for one in records[:PAGE]), records, lambda one: one.mailbox_id)


async def read_quarantines(ports: Ports, after: str, *, limit: int = PAGE) -> Page[Quarantine]:
    """A page of the mailboxes that are set aside, by id."""
    found = await ports.state.page_quarantines(after, limit + 1)
    return _page(found[:limit], found, lambda one: one.mailbox_id)


async def read_letters(ports: Ports, error_class: str, after: str, *, limit: int = PAGE) -> Page[DeadLetter]:
    """A page of the dead letters of one class, by letter id."""
    found = await ports.dead_letters.page_letters(error_class, after, limit + 1)
    return _page(found[:limit], found, lambda one: one.letter_id)


async def read_conflicts(ports: Ports, after: str, *, limit: int = PAGE) -> Page[Conflict]:
    """A page of the conflicts whose other side nobody has taken, newest first.

    From the one that follows `after`; from the newest where that is gone. They are rare, so pages are walked.
    """
    found: list[Conflict] = []
    async for conflict in list_conflicts(ports):
        found.append(conflict)
        if conflict.conflict_id == after:
            found.clear()
        if len(found) > limit:
            break
    return _page(found[:limit], found, lambda one: one.conflict_id)


async def _letter_class(error_class: str, count: int, ports: Ports) -> LetterClass:
    shown = await read_letters(ports, error_class, "", limit=LETTERS_SHOWN)
    return LetterClass(error_class=error_class, count=max(count, len(shown.rows)), letters=shown.rows)


async def _mailbox_rows(mailbox_ids: Iterable[str], ports: Ports) -> list[MailboxRow]:
    records = await _each(ports.state.find_subscription_record(mailbox_id) for mailbox_id in mailbox_ids)
    return await _each(_mailbox_row(one, ports) for one in records if one)


async def _mailbox_row(record: SubscriptionRecord, ports: Ports) -> MailboxRow:
    newest = await ports.journal.find_newest(record.mailbox_id, Source.PUSH)
    return MailboxRow(record=record, last_notified_at=newest.received_at if newest else None)


async def _waiting(ports: Ports, now: datetime) -> AsyncIterator[JournalEntry]:
    async for entry in ports.journal.list_waiting(now - _LONGEST_BACKLOG):
        if entry.at > now - _ENDED_BY_NOW:
            yield entry


def _delayed_item(entry: JournalEntry) -> WaitingItem:
    return WaitingItem(
        received_at=entry.received_at,
        mailbox_id=entry.mailbox_id,
        event_id=entry.event_id,
        booking_id=entry.booking_id,
        correlation_id=entry.correlation_id,
        reason=entry.reason,
    )


async def _queued(gauge: QueueGauge) -> list[WaitingItem]:
    """What lies at the head of each queue, ready to be taken up."""
    texts = [text for shown in await _each(gauge.peek(queue) for queue in QUEUES) for text in shown]
    found = []
    for text in texts:
        try:
            found.append(_waiting_item(item_from_text(text)))
        except InvalidPayload:
            continue  # It is buried when its turn comes.
    return found


def _waiting_item(item: WorkItem) -> WaitingItem:
    return WaitingItem(
        received_at=item.received_at,
        mailbox_id=mailbox_of(item),
        event_id=item.event_id if isinstance(item, EventChange) else None,
        booking_id=item.booking_id if isinstance(item, BookingChange) else None,
        correlation_id=item.correlation_id,
    )


def _page[T, S](rows: Sequence[T], found: Sequence[S], key: Callable[[S], str]) -> Page[T]:
    """`rows` as a page, of which one more was `found` when another follows."""
    return Page(rows=tuple(rows), following=key(found[len(rows) - 1]) if len(found) > len(rows) else None)


async def _all[T](values: AsyncIterator[T]) -> list[T]:
    return [value async for value in values]


async def _first[T](values: AsyncIterator[T], limit: int) -> list[T]:
    found: list[T] = []
    async for value in values:
        found.append(value)
        if len(found) == limit:
            break
    return found


async def _each[T](reads: Iterable[Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*reads))
