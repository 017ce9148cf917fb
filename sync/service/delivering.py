"""Brings one booking to Outlook: its event is where it belongs, and says what the booking says.

Gather, decide, perform, and again until there is nothing left to do: `sync.core.delivery` decides, this module reads
and writes what it says. Each step changes one service and is then remembered in our tables, so that a run that broke
off anywhere is taken up where it was; what is not sure to have happened is looked for before it is done.
"""

import logging
from dataclasses import replace
from datetime import datetime
from typing import Literal, assert_never

from sync.core.actions import EndEvent, LeaveAlone, Reason, RecordAgreement
from sync.core.coalescing import UNKNOWN_TO_READS, Verdict, doubt_search, judge_booking
from sync.core.content import render
from sync.core.delivery import decide_delivery
from sync.core.delivery_state import Delivery
from sync.core.delivery_steps import (
    DeliveryEnd,
    DeliveryReading,
    DeliveryStep,
    ForgetEvent,
    ReadEvent,
    RemoveEvent,
    RewriteEvent,
    SearchEvent,
)
from sync.core.errors import MailboxUnavailable, NotFound, PreconditionFailed, StaleRead, SyncError
from sync.core.mailboxes import QuarantineKind
from sync.core.memory import KnownBooking, Link, newest_etags
from sync.core.reconcile import ABSENT, ReadState
from sync.core.rules import Rules
from sync.core.sides import Booking, Event, EventAddress, event_hash
from sync.core.sweeping import window_at
from sync.core.work_items import BookingChange
from sync.service.delivery_work import DeliveryWork, overwriting_of
from sync.service.leases import give_back_booking, known_event, lease_booking
from sync.service.outcome import Outcome, action_words, log_decision
from sync.service.overwriting import announce_overwriting
from sync.service.ports import Ports
from sync.service.quarantine import quarantine_mailbox

logger = logging.getLogger(__name__)

MAXIMUM_STEPS = 24
"""Readings and steps of one run; the longest sensible run has nine."""

MAXIMUM_CONFLICTS = 3
"""How often a booking is read anew because somebody else wrote first; then the item goes back to the queue."""


_COMES_AGAIN = (
    Reason.UNREACHABLE,
    Reason.MICROSOFT_SYNC,
    Reason.USER_DISABLED,
    Reason.NOT_SYNCED,
    Reason.OUTSIDE_WINDOW,
)
"""Why a booking was let be that is to be looked at again although nobody changes it."""


_NOT_COMPARED = (Reason.SERIES, Reason.ALL_DAY)
"""Why what the booking says could not be brought to its event for now."""


async def deliver_booking(item: BookingChange, ports: Ports, rules: Rules) -> Outcome:
    """Handle one booking change.

    Raises `Busy` when another worker is at the booking or its event, `StaleRead` and `UnknownAsYet` when Graph does not
    know yet what we do, and whatever the ports raise. When it raises a `SyncError`, the leases have been given back.
    """
    now = ports.clock()
    known = await ports.state.find_known_booking(item.booking_id) or KnownBooking(booking_id=item.booking_id)
    verdict = judge_booking(item, known, now, rules.timing)
    if verdict not in (Verdict.PROCEED, Verdict.WAIT):
        return Outcome(action="dropped", reason=verdict, booking_id=item.booking_id, mailbox_id=known.mailbox_id or "")
    leased = await lease_booking(known, _holder(item), now, ports, rules)
    run = _Run(item, leased, now, ports, rules, is_unfinished=known.is_unfinished)
    try:
        return await run.carry_out()
    except SyncError:
        await run.give_back()
        raise


def _holder(item: BookingChange) -> str:
    """An item handed over by an event's worker carries that worker's correlation id, and must not take its lease."""
    return f"booking {item.correlation_id}"


class _Run:
    """One run over one booking: what is known so far, and the steps on it."""

    def __init__(
        self,
        item: BookingChange,
        known: KnownBooking,
        began_at: datetime,
        ports: Ports,
        rules: Rules,
        *,
        is_unfinished: bool,
    ) -> None:
        self._item = item
        self._began_at = began_at
        self._ports = ports
        self._rules = rules
        self._is_unfinished = is_unfinished
        self._work = DeliveryWork(known, _holder(item), ports, rules)
        self._came_from = known.mailbox_id

    async def carry_out(self) -> Outcome:
        delivery = await self._gather()
        if self._came_from is None and delivery.link is not None:
            self._came_from = delivery.link.mailbox_id
        conflicts = 0
        for _ in range(MAXIMUM_STEPS):
            decision = decide_delivery(delivery, self._rules.policy)
            log_decision(logger, decision)
            if isinstance(decision, RecordAgreement | LeaveAlone | EndEvent):
                return await self._finish(decision, delivery)
            try:
                if isinstance(decision, ReadEvent | SearchEvent):
                    delivery = await self._read(decision, delivery)
                else:
                    await self._announce(decision, delivery)
                    delivery = await self._work.perform(decision, delivery)
            except (PreconditionFailed, NotFound) as error:
                conflicts += 1
                if conflicts > MAXIMUM_CONFLICTS:
                    raise PreconditionFailed(
                        "The booking was changed by others again and again.", retry_after_seconds=10
                    ) from error
                delivery = await self._gather_again(decision, delivery, error)
            except MailboxUnavailable as error:
                delivery = await self._set_aside(decision, delivery, error)
        raise PreconditionFailed("No end was found for the booking.", retry_after_seconds=60)

    async def _announce(self, step: DeliveryStep, delivery: Delivery) -> None:
        """Tell what a step is about to overwrite, before it does: see `announce_overwriting`."""
        overwriting = overwriting_of(step, delivery)
        if overwriting is not None:
            await announce_overwriting(self._item, overwriting, self._item.booking_id, step.reason, self._ports)

    async def give_back(self) -> None:
        """Free booking and events for the next attempt."""
        await self._work.events.give_back()
        await give_back_booking(self._work.known, self._ports)

    async def _gather(self) -> Delivery:
        """Read the booking, and what our tables know about it."""
        booking = await self._ports.bookings.find_booking(self._item.booking_id)
        mailbox_id = booking.mailbox_id if booking else None
        quarantine = await self._ports.state.find_quarantine(mailbox_id) if mailbox_id else None
        link = await self._ports.state.find_link(self._item.booking_id)
        return Delivery(
            booking_id=self._item.booking_id,
            booking=booking or ABSENT,
            content=render(booking, self._rules.templates) if booking else None,
            decided_at=self._began_at,
            window=window_at(self._began_at, self._rules.window),
            link=link,
            hint=await self._hint(link),
            is_reported_deleted=self._item.is_deleted,
            is_new=self._item.is_new,
            is_unfinished=self._is_unfinished,
            begun_in=self._work.known.begun_in,
            is_synced=not self._rules.leaves_out(mailbox_id),
            quarantine=quarantine.kind if quarantine else None,
            is_guarded=self._ports.calendar.guards_writes,
        )

    async def _hint(self, link: Link | None) -> EventAddress | None:
        """The event that the item leads to. Dataverse names a resource, whose mailbox the digest must confirm."""
        item = self._item
        if item.event_id is None:
            return None
        if item.mailbox_id is not None:
            return EventAddress(item.mailbox_id, item.event_id)
        if link is not None or item.resource_id is None:
            return None
        mailbox_id = await self._ports.bookings.find_mailbox_of_resource(item.resource_id)
        if mailbox_id is None or event_hash(mailbox_id, item.event_id) != item.event_hash:
            return None
        return EventAddress(mailbox_id, item.event_id)

    async def _gather_again(
        self, decision: DeliveryStep | DeliveryReading, delivery: Delivery, error: PreconditionFailed | NotFound
    ) -> Delivery:
        """What is known after somebody else was quicker."""
        if isinstance(decision, RewriteEvent) and isinstance(error, NotFound):
            return replace(delivery, event=ABSENT)
        again = await self._gather()
        # That it was there a moment ago is as good as a report that it was deleted, which may have come and gone.
        is_deleted = self._item.is_deleted or (delivery.booking is not ABSENT and again.booking is ABSENT)
        # Without the guard: the event itself must be read before it is written again.
        return replace(again, is_reported_deleted=is_deleted, is_guarded=False, is_new=False, is_unfinished=True)

    async def _set_aside(
        self, decision: DeliveryStep | DeliveryReading, delivery: Delivery, error: MailboxUnavailable
    ) -> Delivery:
        """A mailbox does not answer: it is quarantined, and what was to be done there waits until it does."""
        await quarantine_mailbox(error.mailbox_id, error, self._ports)
        booking = delivery.booking
        is_home = isinstance(booking, Booking) and error.mailbox_id == booking.mailbox_id
        if is_home and delivery.quarantine is None:
            return replace(delivery, quarantine=QuarantineKind.UNREACHABLE)
        if isinstance(decision, SearchEvent) and decision.is_elsewhere:
            return replace(delivery, made=ABSENT)
        if not isinstance(decision, ReadEvent | RemoveEvent):
            raise error
        await self._work.events.leave_for_later(decision.address)
        clears = booking.etag if isinstance(booking, Booking) and booking.names(*decision.address) else None
        return await self._work.let_go(decision.address, clears, "", delivery)

    async def _read(self, reading: DeliveryReading, delivery: Delivery) -> Delivery:
        match reading:
            case ReadEvent():
                event = await self._work.events.read(reading.address) or ABSENT
                if isinstance(event, Event):
                    await self._doubt_age(event)
                if reading.is_elsewhere:
                    return replace(delivery, elsewhere=event)
                was_removed = self._work.events.was_removed(reading.address)
                return replace(delivery, event=event, was_removed=was_removed)
            case SearchEvent(is_elsewhere=True):
                marked = await self._ports.calendar.find_marked_event(reading.mailbox_id, self._item.booking_id)
                return replace(delivery, made=marked or self._nothing_in(reading.mailbox_id))
            case SearchEvent():
                assert isinstance(delivery.booking, Booking)
                found = await self._work.events.search(reading.mailbox_id, delivery.booking)
                return replace(delivery, found=found or self._nothing_in(reading.mailbox_id))
            case _:
                assert_never(reading)

    def _nothing_in(self, mailbox_id: str) -> Literal[ReadState.ABSENT]:
        """Raises `UnknownAsYet` where an event may be that a search does not show yet."""
        doubt_search(self._work.known, mailbox_id, self._ports.clock())
        return ABSENT

    async def _doubt_age(self, event: Event) -> None:
        """Raises `StaleRead` for an event as it was before it was last seen, for as long as reads may be old."""
        known = await known_event(event.address, self._ports)
        if known.modified_at is None or known.read_at is None or event.modified_at >= known.modified_at:
            return
        if self._ports.clock() - known.read_at < UNKNOWN_TO_READS:
            raise StaleRead(
                "Graph answered with an older state than it had shown before.",
                operation="event.get",
                retry_after_seconds=UNKNOWN_TO_READS.total_seconds() / 3,
            )

    async def _finish(self, end: DeliveryEnd, delivery: Delivery) -> Outcome:
        """Remember what was learnt, give the leases back, and tell."""
        booking, link = delivery.booking, delivery.link
        if isinstance(end, RecordAgreement) and link is not None and isinstance(booking, Booking):
            wanted = replace(link, agreed=end.span, phase=booking.phase, booking_etag=booking.etag)
            if wanted != link:
                await self._ports.state.save_link(wanted)
        if end.reason in _NOT_COMPARED and link is not None and isinstance(booking, Booking):
            # Whoever finds the event with hours again must not take the agreed state for the booking's.
            await self._ports.state.save_link(replace(link, booking_etag="", event_etag=""))
        await self._work.events.give_back(alive=link.address if link else None)
        await self._remember(end, delivery)
        told = self._work.first or end
        mailbox_id = self._mailbox_id(delivery)
        return Outcome(
            action=action_words(type(told)),
            reason=told.reason,
            mailbox_id=mailbox_id,
            former_mailbox_id=self._came_from if self._came_from != mailbox_id else None,
            event_id=self._event_id(delivery),
            booking_id=self._item.booking_id,
            before=self._work.before,
            after=self._work.after,
        )

    async def _remember(self, end: DeliveryEnd, delivery: Delivery) -> None:
        booking = delivery.booking
        if booking is ABSENT and delivery.begun_in is not None and not delivery.is_reported_deleted:
            # Where an event may have been made must be known when the deletion is reported.
            await give_back_booking(self._work.known, self._ports)
            return
        is_bare = delivery.link is None and self._work.first is None
        if not isinstance(booking, Booking) or is_bare or (isinstance(end, LeaveAlone) and end.reason in _COMES_AGAIN):
            # There is nothing to coalesce with, or a sweep shall find the booking as one that is not dealt with. Rows
            # of bookings that never had an event would pile up.
            await self._ports.state.delete_known_booking(self._item.booking_id)
            return
        await self._ports.state.save_known_booking(
            replace(
                self._work.known,
                mailbox_id=booking.mailbox_id or self._work.known.mailbox_id,
                etags=newest_etags(self._work.known.etags, booking.etag),
                fingerprint=booking.fingerprint,
                read_at=self._began_at,
                is_unfinished=False,
                begun_in=None,
                begun_at=None,
                leased_by=None,
                leased_until=None,
            )
        )

    def _mailbox_id(self, delivery: Delivery) -> str:
        """The mailbox in whose story the journal tells this."""
        if isinstance(delivery.booking, Booking) and delivery.booking.mailbox_id:
            return delivery.booking.mailbox_id
        step = self._work.first
        if isinstance(step, RemoveEvent | ForgetEvent):
            return step.address.mailbox_id
        return self._item.mailbox_id or self._work.known.mailbox_id or ""

    def _event_id(self, delivery: Delivery) -> str | None:
        if delivery.link is not None:
            return delivery.link.event_id
        return self._work.first.address.event_id if isinstance(self._work.first, RemoveEvent | ForgetEvent) else None
