"""Brings one event and its booking back into agreement. Safe to run twice, and after a crash at any point.

Gather, decide, perform: `sync.core.reconcile` decides, also what to read; this module reads and writes what it says,
and `sync.service.event_memory` keeps what is to be remembered. The services are written before our tables, and the
lease is given back last, so a crash repeats work and never loses it.
"""

import logging
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from sync.core.actions import (
    Action,
    AdoptTwin,
    CancelBooking,
    ClearEventId,
    DeleteBooking,
    EndEvent,
    HandOver,
    LeaveAlone,
    LocateEvent,
    LookAgain,
    ReadBooking,
    Reading,
    Reason,
    RecordAgreement,
    RememberForeign,
    SearchTwin,
    UpdateBooking,
    UpdateEvent,
)
from sync.core.coalescing import Verdict, doubt_absence, is_stale, judge
from sync.core.conflicts import Overwriting, Side
from sync.core.errors import Busy, NotFound, PreconditionFailed, StaleRead, SyncError
from sync.core.memory import KnownEvent, Link, Standing
from sync.core.reconcile import ABSENT, Pair, booking_id_of, decide
from sync.core.rules import Rules
from sync.core.sides import Booking, Event, EventAddress, TimeSpan
from sync.core.work_items import BookingChange, EventChange, Source
from sync.service.booking_memory import remember_own_deletion, remember_own_write
from sync.service.breaker import passing_deletion
from sync.service.event_memory import EventMemory
from sync.service.leases import BUSY_DELAY_SECONDS, give_back_event, known_event, lease_event
from sync.service.outcome import Outcome, action_words, log_decision, span_text
from sync.service.overwriting import announce_overwriting
from sync.service.ports import BookingVersion, EventChanges, Ports

logger = logging.getLogger(__name__)

MAXIMUM_DECISIONS = 3
"""How often a pair is decided anew when somebody else writes first; then the item goes back to the queue."""


async def reconcile_event(item: EventChange, ports: Ports, rules: Rules) -> Outcome:
    """Handle one event change.

    Raises `Busy`, `StaleRead` and `UnknownAsYet` when it must be taken up again later, and whatever the ports raise.
    When it raises a `SyncError`, the lease has been given back.
    """
    now = ports.clock()
    known = await known_event(EventAddress(item.mailbox_id, item.event_id), ports)
    verdict = judge(item, known, now, rules.timing)
    if verdict is Verdict.WAIT:
        raise Busy("Another worker is at this event.", retry_after_seconds=BUSY_DELAY_SECONDS)
    if verdict is not Verdict.PROCEED:
        return Outcome(action="dropped", reason=verdict, event_id=item.event_id, booking_id=known.booking_id)
    if quarantine := await ports.state.find_quarantine(item.mailbox_id):
        return Outcome(action="quarantined", reason=quarantine.reason, event_id=item.event_id)
    known = await lease_event(known, item.correlation_id, now, ports, rules)
    try:
        return await _Reconciliation(item, known, now, ports, rules).run()
    except StaleRead:
        await give_back_event(replace(known, doubted_at=now, doubted_by=item.correlation_id), ports)
        raise
    except SyncError:
        await give_back_event(known, ports)
        raise


type _BookingWrite = UpdateBooking | UpdateEvent | AdoptTwin | ClearEventId | CancelBooking


class _Reconciliation:
    """One run over one pair: what is known so far, and the steps on it."""

    def __init__(self, item: EventChange, known: KnownEvent, began_at: datetime, ports: Ports, rules: Rules) -> None:
        self._item = item
        self._known = known
        self._began_at = began_at
        self._ports = ports
        self._rules = rules
        self._memory = EventMemory(item, known, began_at, ports, rules)

    async def run(self) -> Outcome:
        pair = await self._gather()
        for _ in range(MAXIMUM_DECISIONS):
            action, pair = await self._decide(pair)
            try:
                await self._announce(action, pair)
                return await self._perform(action, pair)
            except (PreconditionFailed, NotFound):
                pair = await self._read_again(pair)
        raise PreconditionFailed("The pair was changed by others again and again.", retry_after_seconds=10)

    async def _gather(self) -> Pair:
        """Read the event, and the link that our memory or the event's mark leads to."""
        event = await self._find_event()
        if event is not None and is_stale(event, self._item, self._known):
            raise StaleRead(
                "Graph answered with an older state than it had promised.",
                operation="event.get",
                retry_after_seconds=self._recheck_seconds(),
            )
        pair = Pair(
            mailbox_id=self._item.mailbox_id,
            event_id=self._item.event_id,
            decided_at=self._began_at,
            standing=self._known.standing,
            is_reported_removed=self._item.is_removed,
            was_looked_at_again=self._item.rechecks > 0 and not self._is_seen_by_sweep,
            event=event or ABSENT,
        )
        return replace(pair, link=await self._find_link(self._known.booking_id or booking_id_of(pair)))

    async def _find_event(self) -> Event | None:
        """Raises `UnknownAsYet` for an event that we have just made and that Graph does not show."""
        event = await self._ports.calendar.find_event(self._item.mailbox_id, self._item.event_id)
        if event is None:
            doubt_absence(self._known, self._ports.clock())
        return event

    @property
    def _is_seen_by_sweep(self) -> bool:
        """Whether a sweep saw the event changed, and there: its cursor has moved on, so nobody else will tell of it."""
        return self._item.source is Source.SWEEP and not self._item.is_removed

    def _recheck_seconds(self) -> float:
        """Seconds until the next look: ten at first, doubling to about ten minutes."""
        return self._rules.timing.recheck_delay.total_seconds() * (1 << min(self._item.rechecks, 6))

    async def _find_link(self, booking_id: str | None) -> Link | None:
        return await self._ports.state.find_link(booking_id) if booking_id else None

    async def _decide(self, pair: Pair) -> tuple[Action, Pair]:
        """Decide, reading whatever the decision asks for."""
        while True:
            step = decide(pair, self._rules.policy)
            log_decision(logger, step)
            if not isinstance(step, ReadBooking | LocateEvent | SearchTwin):
                return step, pair
            pair = await self._read(step, pair)

    async def _read(self, reading: Reading, pair: Pair) -> Pair:
        match reading:
            case ReadBooking():
                return await self._read_booking(pair)
            case LocateEvent():
                is_located = await self._ports.calendar.is_in_calendar(pair.mailbox_id, pair.event_id)
                return replace(pair, is_located=is_located)
            case SearchTwin():
                assert isinstance(pair.booking, Booking)
                twin = await self._ports.calendar.find_marked_event(pair.mailbox_id, pair.booking.booking_id)
                return replace(pair, twin=twin or ABSENT)
            case _:
                assert_never(reading)

    async def _read_booking(self, pair: Pair) -> Pair:
        """By the id that link, memory or mark give, else by the event-id column."""
        booking_id = booking_id_of(pair) or self._known.booking_id
        if booking_id is not None:
            return replace(pair, booking=await self._ports.bookings.find_booking(booking_id) or ABSENT)
        booking = await self._ports.bookings.find_booking_of_event(pair.mailbox_id, pair.event_id)
        link = await self._find_link(booking.booking_id) if booking else None
        return replace(pair, booking=booking or ABSENT, link=link)

    async def _read_again(self, pair: Pair) -> Pair:
        """Both sides afresh, because a conditional write said that somebody was quicker."""
        event = pair.event
        if isinstance(pair.booking, Booking) and isinstance(pair.event, Event):
            event = await self._find_event() or ABSENT
        link = await self._find_link(booking_id_of(pair) or self._known.booking_id)
        return await self._read_booking(replace(pair, event=event, link=link))

    async def _announce(self, action: Action, pair: Pair) -> None:
        """Tell what a write is about to overwrite, before it does: see `announce_overwriting`."""
        if not isinstance(action, UpdateBooking | UpdateEvent) or action.loser is None or action.span is None:
            return
        winner = Side.OUTLOOK if isinstance(action, UpdateBooking) else Side.DYNAMICS
        overwriting = Overwriting(pair.address, winner, action.loser, action.span)
        await announce_overwriting(self._item, overwriting, action.booking_id, action.reason, self._ports)

    async def _perform(self, action: Action, pair: Pair) -> Outcome:  # noqa: PLR0912 - one branch per action
        """Write what was decided, then remember it."""
        match action:
            case RememberForeign():
                await self._memory.remember(Standing.FOREIGN, pair)
            case LeaveAlone():
                await self._memory.leave_alone(action, pair)
            case HandOver():
                await self._hand_over(action.booking_id, is_deleted=action.reason is Reason.BOOKING_ABSENT)
                await self._memory.leave_alone(action, pair)
                if isinstance(pair.event, Event) and isinstance(pair.booking, Booking):
                    is_moved = pair.event.span != pair.booking.span
                    return self._outcome(action, pair, before=pair.event.span if is_moved else None)
            case EndEvent():
                if action.reason is Reason.SUPERSEDED and pair.link is not None and pair.link.is_of(*pair.address):
                    # Another event was named by a worker that did not live to move the link.
                    await self._hand_over(pair.link.booking_id)
                await self._end(pair)
            case LookAgain():
                raise StaleRead(
                    f"Graph's answers do not fit together: {action.reason}.",
                    retry_after_seconds=self._recheck_seconds(),
                )
            case RecordAgreement():
                return await self._record_agreement(action, pair)
            case UpdateBooking():
                return await self._update_booking(action, pair)
            case UpdateEvent():
                return await self._update_event(action, pair)
            case AdoptTwin():
                return await self._adopt_twin(action, pair)
            case ClearEventId():
                written = await self._ports.bookings.update_booking(
                    action.booking_id, etag=action.etag, clears_event=True
                )
                await self._note_write(action, written)
                if action.hands_over:
                    await self._hand_over(action.booking_id)
                await self._end(pair)
            case CancelBooking() | DeleteBooking():
                await self._end_booking(action)
                await self._end(pair)
            case _:
                assert_never(action)
        return self._outcome(action, pair)

    async def _record_agreement(self, action: RecordAgreement, pair: Pair) -> Outcome:
        await self._memory.agree(pair, action.span)
        if pair.link is None or pair.link.agreed == action.span:
            return self._outcome(action, pair)
        # Written by a run that did not live to say so, or moved alike by hand on both sides.
        return self._outcome(action, pair, before=pair.link.agreed, after=action.span)

    async def _update_booking(self, action: UpdateBooking, pair: Pair) -> Outcome:
        assert isinstance(pair.event, Event)
        written = await self._ports.bookings.update_booking(
            action.booking_id,
            etag=action.etag,
            span=action.span,
            event=pair.address if action.names_event else None,
            undelivered=_undelivered(action, pair),
        )
        await self._note_write(action, written)
        await self._memory.agree(pair, pair.event.span, booking_etag=written.etag)
        before = action.loser or (pair.link.agreed if pair.link else None)
        return self._outcome(action, pair, before=before, after=action.span)

    async def _update_event(self, action: UpdateEvent, pair: Pair) -> Outcome:
        assert isinstance(pair.event, Event)
        changes = EventChanges(span=action.span)
        moved = await self._ports.calendar.update_event(pair.address, changes, etag=pair.event.etag)
        moved = replace(moved, booking_id=pair.event.booking_id)  # The answer to a PATCH does not show the mark.
        etag = None
        if action.names_event:
            written = await self._ports.bookings.update_booking(
                action.booking_id, etag=action.etag, event=pair.address, undelivered=_undelivered(action, pair)
            )
            await self._note_write(action, written)
            etag = written.etag
        await self._memory.agree(replace(pair, event=moved), action.span, booking_etag=etag, is_own_write=True)
        return self._outcome(action, pair, before=action.loser or pair.event.span, after=action.span)

    async def _end(self, pair: Pair) -> None:
        """Remember that no booking has this event any more."""
        link = pair.link
        if link is not None and link.is_of(*pair.address) and link.leftover is not None:
            # With the link goes what it says of the event that the booking had before, in somebody else's calendar.
            await self._hand_over(link.booking_id, link.leftover)
        await self._memory.end(pair)

    async def _hand_over(self, booking_id: str, hint: EventAddress | None = None, *, is_deleted: bool = False) -> None:
        """Queue a look at the booking, with this event in hand, or the one that `hint` names."""
        mailbox_id, event_id = hint or (self._item.mailbox_id, self._item.event_id)
        await self._ports.queue.put(
            BookingChange(
                booking_id=booking_id,
                received_at=self._ports.clock(),
                correlation_id=self._item.correlation_id,
                source=Source.SWEEP,
                is_deleted=is_deleted,
                mailbox_id=mailbox_id,
                event_id=event_id,
            )
        )

    async def _note_write(self, action: _BookingWrite, written: BookingVersion) -> None:
        """So that the webhook of our own write costs no read."""
        await remember_own_write(action.booking_id, action.etag, written, self._ports)

    async def _adopt_twin(self, action: AdoptTwin, pair: Pair) -> Outcome:
        """Have the twin take the event's place; its times, and its text, are then compared as work of their own."""
        address = action.twin.address
        # First, so that no crash leaves the booking to an event that we take for foreign.
        await self._memory.know_as_linked(address, action.booking_id)
        written = await self._ports.bookings.update_booking(action.booking_id, etag=action.etag, event=address)
        await self._note_write(action, written)
        await self._memory.move_link(pair, address, written.etag)
        await self._ports.queue.put(
            EventChange(
                mailbox_id=address.mailbox_id,
                event_id=address.event_id,
                received_at=self._ports.clock(),
                correlation_id=self._ports.new_id(),
                source=Source.SWEEP,
            )
        )
        # It was copied some time ago: what was written into the original since is not in it.
        await self._hand_over(action.booking_id)
        await self._memory.remember(Standing.ENDED, pair)
        return self._outcome(action, pair)

    async def _end_booking(self, action: CancelBooking | DeleteBooking) -> None:
        bookings = self._ports.bookings
        async with passing_deletion(self._item.mailbox_id, self._ports, self._rules):
            if isinstance(action, CancelBooking):
                written = await bookings.cancel_booking(action.booking_id, etag=action.etag)
                await self._note_write(action, written)
            else:
                await bookings.delete_booking(action.booking_id, etag=action.etag)
                await remember_own_deletion(action.booking_id, self._ports)

    def _outcome(
        self, action: Action, pair: Pair, *, before: TimeSpan | None = None, after: TimeSpan | None = None
    ) -> Outcome:
        return Outcome(
            action=action_words(type(action)),
            reason=getattr(action, "reason", ""),
            event_id=pair.event_id,
            booking_id=booking_id_of(pair) or self._known.booking_id,
            before=span_text(before),
            after=span_text(after),
        )


def _undelivered(action: UpdateBooking | UpdateEvent, pair: Pair) -> str | None:
    """A booking that names its event is not undelivered any more."""
    is_marked = isinstance(pair.booking, Booking) and pair.booking.undelivered
    return "" if action.names_event and is_marked else None
