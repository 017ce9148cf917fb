"""The sweep: reads what changed in a calendar since the last time and queues what push may have lost.

Push makes the sync fast, the sweep makes it right. The cursor is saved only after everything that was read is queued,
so a crash repeats a round and loses nothing.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sync.core.errors import DeltaTokenExpired, EndlessRound, InvalidPayload, ServiceUnavailable
from sync.core.mailboxes import Breaker, Cursor, QuarantineKind
from sync.core.memory import KnownEvent, Standing
from sync.core.rules import Rules
from sync.core.sides import TimeSpan
from sync.core.sweeping import Findings, breaker_holds, judge_round, needs_full_round, window_at
from sync.core.work import MAILBOX_TASKS_QUEUE, item_to_text
from sync.core.work_items import EventChange, MailboxJob, MailboxTask, Source, WorkItem
from sync.service.booking_items import booking_change, is_done_with, queue_all, was_left_unfinished
from sync.service.breaker import clear, hold
from sync.service.disposal import bury
from sync.service.journal_memory import prune_journal
from sync.service.outcome import Outcome
from sync.service.ports import DeltaPage, Ports
from sync.service.quarantine import lift_quarantine

logger = logging.getLogger(__name__)

PUTS_AT_ONCE = 16
LINK_MEMORY = timedelta(days=180)
"""How long after a visit its link is kept. A later deletion finds the booking by its event-id column."""

PAGES_PER_ROUND = 300
"""Far more than a calendar has, at a hundred entries each. Two such rounds still end before `functionTimeout`."""

ATTEMPTS_AT_A_ROUND = 3
"""How often a full round is begun anew whose links Graph refuses, before it is left to the next sweep."""

REPEATED_PAGES = 3
"""How many pages in a row may say nothing new. Graph is known to send the same one for ever, with a new link each time,
where a calendar has many series (msgraph-sdk-dotnet, issues 3070 and 3082; checked 2026-11-21)."""

SWEEPS_PER_SECOND = 20
"""How densely the timer spreads its tasks, so that ten thousand sweeps take eight minutes and not one burst."""


@dataclass(slots=True)
class _Round:
    """What the pages of one round said. The last word on an event counts: entries may repeat in any order."""

    window: TimeSpan
    is_full: bool
    seen: dict[str, str] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    rejected: list[str] = field(default_factory=list)
    told: set[tuple[str, bool]] = field(default_factory=set)
    """Each event or occurrence that was spoken of, and whether as removed."""
    repeated_pages: int = 0
    delta_link: str = ""

    def take_in(self, page: DeltaPage) -> None:
        """Add what a page says. An empty one is no repetition: Graph sends several where it has much to skip."""
        for event_id, etag in page.changed:
            self.seen[event_id] = etag
            self.removed.discard(event_id)
        for event_id in page.removed:
            self.removed.add(event_id)
            self.seen.pop(event_id, None)
        self.rejected.extend(page.rejected)
        there = [event_id for event_id, _ in page.changed] + list(page.occurrences)
        words = {(event_id, False) for event_id in there} | {(event_id, True) for event_id in page.removed}
        if words:
            self.repeated_pages = self.repeated_pages + 1 if words <= self.told else 0
        self.told |= words


async def sweep_mailbox(task: MailboxTask, ports: Ports, rules: Rules) -> Outcome:
    """Sweep one calendar. Also the probe of a quarantined mailbox, which it takes back into work when it answers."""
    now = ports.clock()
    quarantine = await ports.state.find_quarantine(task.mailbox_id)
    is_to_be_probed = quarantine is None or quarantine.probe_at <= now or task.source is Source.REPLAY
    if quarantine is not None and (not is_to_be_probed or quarantine.kind is QuarantineKind.MICROSOFT_SYNC):
        return Outcome(action="quarantined", reason=quarantine.reason)
    if quarantine is not None:
        task = replace(task, is_full=True)  # Whatever was dropped meanwhile must be found.
    cursor = await ports.state.find_cursor(task.mailbox_id)
    if cursor is not None and not task.is_full and cursor.saved_at > task.received_at + rules.timing.clock_margin:
        return Outcome(action="dropped", reason="swept-after-it-was-received")
    one_round = await _read_round(task, cursor, now, ports, rules)
    read_at = ports.clock()
    if await lift_quarantine(task.mailbox_id, ports):
        await _queue([mailbox_task(task.mailbox_id, MailboxJob.SUBSCRIBE, ports)], ports)
    if one_round.rejected:
        error = InvalidPayload("; ".join(one_round.rejected[:5]), operation="calendarView.delta")
        # The cursor will have passed the entry, so a replay reads the whole window.
        await bury(MAILBOX_TASKS_QUEUE, item_to_text(replace(task, is_full=True)), error, task, ports)
    known = await _known_events(task.mailbox_id, one_round, ports)
    bookings = await _list_bookings(task.mailbox_id, one_round, known.values(), ports)
    findings = await _judge(one_round, known, bookings, now, ports)
    findings = await _hold_flood(task.mailbox_id, findings, one_round, now, ports, rules)
    await _queue(_changes(task.mailbox_id, findings.changed, findings.removed, read_at, ports), ports)
    await queue_all([booking_change(booking_id, ports) for booking_id in bookings.unfinished], ports)
    if findings.held:
        # The cursor stays where it is, so that the next sweep comes to the same question.
        return Outcome(action="breaker-held", reason=f"{findings.held} of {findings.linked} linked events are gone")
    await ports.state.save_cursor(
        Cursor(mailbox_id=task.mailbox_id, delta_link=one_round.delta_link, window=one_round.window, saved_at=now)
    )
    if one_round.is_full:
        await prune_journal(task.mailbox_id, ports)
    kind = "full" if one_round.is_full else "delta"
    return Outcome(
        action="swept",
        reason=(
            f"{kind}: {len(findings.changed)} events changed, {len(findings.removed)} seem gone, "
            f"{len(bookings.unfinished)} bookings to look at"
        ),
        is_news=one_round.is_full or bool(findings.changed or findings.removed),
    )


async def _read_round(task: MailboxTask, cursor: Cursor | None, now: datetime, ports: Ports, rules: Rules) -> _Round:
    """A delta round, or a full one when there is no usable cursor.

    Raises `ServiceUnavailable` if even that expires, `EndlessRound` if it has no end.
    """
    if cursor is not None and not task.is_full and not needs_full_round(cursor, now, rules.window):
        try:
            return await _read_pages(task.mailbox_id, _Round(cursor.window, False), cursor.delta_link, ports)
        except (DeltaTokenExpired, EndlessRound) as error:
            logger.info("%s: full round. %s", task.mailbox_id, error.reason, extra={"action": "delta-expired"})
    try:
        return await _read_pages(task.mailbox_id, _Round(window_at(now, rules.window), True), None, ports)
    except DeltaTokenExpired as error:
        if task.deferrals < ATTEMPTS_AT_A_ROUND:
            raise ServiceUnavailable("A full round's own token expired.", operation="calendarView.delta") from error
        raise EndlessRound("Graph refuses the links of its own full rounds.", operation="calendarView.delta") from error


async def _read_pages(mailbox_id: str, one_round: _Round, link: str | None, ports: Ports) -> _Round:
    for _ in range(PAGES_PER_ROUND):
        page = await ports.calendar.read_delta(mailbox_id, window=one_round.window, link=link)
        one_round.take_in(page)
        if page.delta_link is not None:
            one_round.delta_link = page.delta_link
            return one_round
        if one_round.repeated_pages == REPEATED_PAGES:
            raise EndlessRound("Graph sends the same page again and again.", operation="calendarView.delta")
        link = page.next_link
    raise EndlessRound(f"Graph ends no round after {PAGES_PER_ROUND} pages.", operation="calendarView.delta")


async def _known_events(mailbox_id: str, one_round: _Round, ports: Ports) -> dict[str, KnownEvent]:
    """What we remember of the mailbox's events, by id; nothing where an idle round asks for nothing."""
    if not one_round.is_full and not one_round.seen and not one_round.removed:
        return {}
    return {one.event_id: one async for one in ports.state.list_known_events(mailbox_id)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bookings:
    """What Dataverse says of a calendar: the events that it expects there, and bookings that are not dealt with."""

    expected: frozenset[str] = frozenset()
    unfinished: tuple[str, ...] = ()


async def _list_bookings(mailbox_id: str, one_round: _Round, known: Collection[KnownEvent], ports: Ports) -> _Bookings:
    """In a full round the bookings of the window, some of which have entered it without anybody's doing.

    And those that have an event here without being in the list, if the last change of theirs could not be followed:
    they have left the window, or the technician, while the mailbox was out of reach.
    """
    if not one_round.is_full:
        return _Bookings()
    listed = [booking async for booking in ports.bookings.list_bookings(mailbox_id, one_round.window)]
    unfinished = [booking.booking_id for booking in listed if not await is_done_with(booking, ports)]
    elsewhere = {one.booking_id for one in known if one.standing is Standing.LINKED and one.booking_id}
    missing = sorted(elsewhere.difference(booking.booking_id for booking in listed))
    unfinished += [booking_id for booking_id in missing if await was_left_unfinished(booking_id, ports)]
    return _Bookings(
        expected=frozenset(booking.event_id for booking in listed if booking.event_id),
        unfinished=tuple(unfinished),
    )


async def _judge(
    one_round: _Round, known: Mapping[str, KnownEvent], bookings: _Bookings, now: datetime, ports: Ports
) -> Findings:
    """Compare the round with our memory and, in a full round, with what Dataverse expects in this calendar."""
    if one_round.is_full:
        await _prune([one for one in known.values() if one.event_id not in bookings.expected], now, ports)
    return judge_round(
        seen=one_round.seen,
        reported_removed=one_round.removed,
        known=known,
        expected=bookings.expected,
        window=one_round.window,
        is_full=one_round.is_full,
        now=now,
    )


async def _prune(known: Iterable[KnownEvent], now: datetime, ports: Ports) -> None:
    """Drop what is no longer worth remembering, so that the tables do not grow for ever."""
    for one in known:
        if not _is_outlived(one, now):
            continue
        if one.booking_id is not None:
            await _forget_booking(one, one.booking_id, ports)
        await ports.state.delete_known_event(one.mailbox_id, one.event_id)


def _is_outlived(known: KnownEvent, now: datetime) -> bool:
    is_of_long_ago = known.span is None or known.span.end_at < now - LINK_MEMORY
    if known.standing is Standing.LINKED:
        return known.span is not None and is_of_long_ago
    is_due = known.remembered_until is not None and known.remembered_until < now
    # Its booking may still name an event that ended, and be planned anew: the event must not seem newly deleted then.
    return is_due and (known.standing is not Standing.ENDED or is_of_long_ago)


async def _forget_booking(known: KnownEvent, booking_id: str, ports: Ports) -> None:
    """Drop what belongs to an event that is forgotten, unless its booking has another one by now."""
    link = await ports.state.find_link(booking_id)
    if link is not None and not link.is_of(known.mailbox_id, known.event_id):
        return
    if link is not None:
        await ports.state.delete_link(link)
    await ports.state.delete_known_booking(booking_id)


async def _hold_flood(
    mailbox_id: str, findings: Findings, one_round: _Round, now: datetime, ports: Ports, rules: Rules
) -> Findings:
    """The findings as far as the breaker lets them pass; a full round that is fine clears what was held before.

    A suspicion is not a deletion: visits moved to another calendar look the same to a sweep. So before deletions are
    held, each suspect is looked at, and only those that Graph denies count.
    """
    breaker = await ports.state.find_breaker(mailbox_id) or Breaker(mailbox_id=mailbox_id)
    removed = list(findings.removed)
    if breaker_holds(len(removed), findings.linked, breaker, now, rules.breaker):
        removed = [one for one in removed if await ports.calendar.find_event(mailbox_id, one) is None]
    if breaker_holds(len(removed), findings.linked, breaker, now, rules.breaker):
        await hold(mailbox_id, ports, total=len(removed))
        return replace(findings, removed=(), held=len(removed))
    if breaker.held_since is not None and one_round.is_full and not findings.removed:
        await clear(mailbox_id, ports)
    return findings


def _changes(
    mailbox_id: str, changed: Mapping[str, str], removed: Iterable[str], read_at: datetime, ports: Ports
) -> list[WorkItem]:
    """Work items received when the round had been read: a look at an event before that may have missed its change."""
    there = [
        EventChange(
            mailbox_id=mailbox_id,
            event_id=event_id,
            received_at=read_at,
            correlation_id=ports.new_id(),
            source=Source.SWEEP,
            etags=(etag,) if etag else (),
        )
        for event_id, etag in changed.items()
    ]
    gone = [
        EventChange(
            mailbox_id=mailbox_id,
            event_id=event_id,
            received_at=read_at,
            correlation_id=ports.new_id(),
            source=Source.SWEEP,
            is_removed=True,
        )
        for event_id in removed
    ]
    return [*there, *gone]


def mailbox_task(
    mailbox_id: str, job: MailboxJob, ports: Ports, *, source: Source = Source.SWEEP, is_full: bool = False
) -> MailboxTask:
    """A task that we, or a person, give ourselves."""
    return MailboxTask(
        mailbox_id=mailbox_id,
        job=job,
        received_at=ports.clock(),
        correlation_id=ports.new_id(),
        source=source,
        is_full=is_full,
    )


async def _queue(items: list[WorkItem], ports: Ports) -> None:
    for start in range(0, len(items), PUTS_AT_ONCE):
        await asyncio.gather(*(ports.queue.put(item) for item in items[start : start + PUTS_AT_ONCE]))


async def wanted_mailboxes(ports: Ports, rules: Rules) -> AsyncIterator[str]:
    """The mailboxes to keep in sync: as configured, else those behind Dataverse's active user resources."""
    if rules.mailboxes:
        for mailbox_id in rules.mailboxes:
            yield mailbox_id
        return
    async for mailbox_id in ports.bookings.list_mailboxes():
        yield mailbox_id


async def queue_sweeps(ports: Ports, rules: Rules, *, source: Source = Source.SWEEP, is_full: bool = False) -> int:
    """Queue a sweep of every wanted mailbox, spread over time; answers how many.

    Quarantined ones are queued when their probe is due, since the sweep is the probe, or when a person asks.
    """
    now = ports.clock()
    is_asked_for = source is Source.REPLAY
    resting = {
        one.mailbox_id async for one in ports.state.list_quarantines() if one.probe_at > now and not is_asked_for
    }
    count = 0
    async for mailbox_id in wanted_mailboxes(ports, rules):
        if mailbox_id in resting:
            continue
        task = mailbox_task(mailbox_id, MailboxJob.SWEEP, ports, source=source, is_full=is_full)
        await ports.queue.put(task, delay_seconds=count // SWEEPS_PER_SECOND)
        count += 1
    logger.info("Queued %d sweeps.", count, extra={"action": "sweeps-queued", "mailboxes": count})
    return count
