"""The steps that bring a booking to Outlook, carried out one by one.

Each writes one service, then our tables, and answers what is known then; `sync.service.delivering` decides anew on
that. What a step is about to do, and could not be told from its traces, is noted before it is done.
"""

from dataclasses import replace
from typing import assert_never
from uuid import NAMESPACE_OID, uuid5

from sync.core.actions import Reason
from sync.core.conflicts import Overwriting, Side
from sync.core.content import BODY_TEXT, render
from sync.core.delivery_state import Delivery
from sync.core.delivery_steps import (
    AdoptEvent,
    CreateEvent,
    DeliveryStep,
    ForgetEvent,
    MarkUndelivered,
    NameEvent,
    RemoveEvent,
    RescheduleBooking,
    RewriteEvent,
)
from sync.core.errors import PreconditionFailed, SyncError
from sync.core.memory import KnownBooking, Link
from sync.core.reconcile import ABSENT, UNREAD
from sync.core.rules import Rules
from sync.core.sides import Booking, Event, EventAddress, TimeSpan
from sync.service.booking_writing import BookingWriter
from sync.service.event_writing import EventWriter, may_have_been_done
from sync.service.outcome import span_text
from sync.service.ports import Ports


class DeliveryWork:
    """The steps of one run over one booking.

    `known` is our row about the booking, under the run's lease. `first` is the first step that was carried out, and
    `before` and `after` are the times that the journal tells.
    """

    def __init__(self, known: KnownBooking, holder: str, ports: Ports, rules: Rules) -> None:
        self.known = known
        self.events = EventWriter(known.booking_id, holder, ports, rules)
        self.first: DeliveryStep | None = None
        self.before, self.after = "", ""
        self._bookings = BookingWriter(ports)
        self._ports = ports
        self._rules = rules

    async def perform(self, step: DeliveryStep, delivery: Delivery) -> Delivery:
        """Carry out one step; what is known afterwards."""
        after = await self._carry_out_step(step, delivery)
        self.first = self.first or step
        return after

    async def _carry_out_step(self, step: DeliveryStep, delivery: Delivery) -> Delivery:
        booking = delivery.booking
        if isinstance(step, RemoveEvent):
            return await self._remove(step, delivery)
        if isinstance(step, ForgetEvent):
            await self.events.forget(step)
            return await self.let_go(step.address, step.clears, step.undelivered, delivery)
        assert isinstance(booking, Booking)
        match step:
            case CreateEvent():
                return await self._create(step, booking, delivery)
            case AdoptEvent():
                return await self._adopt(step, booking, delivery)
            case RewriteEvent():
                return await self._rewrite(step, delivery)
            case NameEvent():
                assert delivery.link is not None
                booking = await self._bookings.name_event(booking, delivery.link.address)
                link = replace(delivery.link, is_named=True, booking_etag=booking.etag)
                return replace(delivery, booking=booking, link=await self._ports.state.save_link(link))
            case RescheduleBooking():
                return await self._reschedule(step, booking, delivery)
            case MarkUndelivered():
                booking = await self._bookings.mark_undelivered(booking, step.undelivered)
                return replace(delivery, booking=booking)
            case _:
                assert_never(step)

    async def _create(self, step: CreateEvent, booking: Booking, delivery: Delivery) -> Delivery:
        begun = replace(self.known, begun_in=step.mailbox_id, begun_at=self._ports.clock())
        self.known = await self._ports.state.save_known_booking(begun)
        # The same for every worker and every deployment that read this state of the booking.
        transaction_id = str(uuid5(NAMESPACE_OID, f"{booking.booking_id} {step.mailbox_id} {booking.etag}"))
        try:
            event = await self.events.create(step, transaction_id)
        except SyncError as error:
            if not may_have_been_done(error):
                self.known = await self._ports.state.save_known_booking(replace(self.known, begun_at=None))
            raise
        link = Link(
            booking_id=booking.booking_id,
            mailbox_id=event.mailbox_id,
            event_id=event.event_id,
            agreed=step.span,
            phase=booking.phase,
            booking_etag=booking.etag,
            event_etag=event.etag,
            is_named=False,
            named_before=booking.event_hash or booking.event_id,
            written=step.content.written(),
            leftover=step.leftover,
            generation=step.generation,
            version=delivery.link.version if delivery.link else None,
        )
        self.after = span_text(step.span)
        return replace(delivery, event=event, link=await self._save_first_link(link, delivery.link), found=UNREAD)

    async def _save_first_link(self, link: Link, former: Link | None) -> Link:
        """Save the link to an event just made. Should another worker have made one, too, ours is one too many."""
        try:
            return await self._ports.state.save_link(link)
        except PreconditionFailed:
            theirs = await self._ports.state.find_link(link.booking_id)
            if theirs is not None and former is not None and theirs.address == former.address:
                # Somebody noted something about the event that ours replaces.
                return await self._save_first_link(replace(link, version=theirs.version), None)
            if theirs is None or theirs.address != link.address:
                await self.events.remove(RemoveEvent(link.address, None, Reason.DUPLICATE))
            raise

    async def _adopt(self, step: AdoptEvent, booking: Booking, delivery: Delivery) -> Delivery:
        event = step.event
        await self.events.remember(event)
        link = Link(
            booking_id=booking.booking_id,
            mailbox_id=event.mailbox_id,
            event_id=event.event_id,
            agreed=step.agreed,
            phase=booking.phase,
            booking_etag=booking.etag,
            event_etag=event.etag,
            is_named=booking.names(*event.address),
            named_before=booking.event_hash or booking.event_id,
            leftover=step.leftover if step.leftover != event.address else None,
            generation=step.generation,
            version=delivery.link.version if delivery.link else None,
        )
        self.before = span_text(step.loser)
        return replace(delivery, event=event, link=await self._ports.state.save_link(link), found=UNREAD)

    async def _rewrite(self, step: RewriteEvent, delivery: Delivery) -> Delivery:
        link = delivery.link
        assert link is not None
        event = await self.events.rewrite(link.address, step, link.written.get(BODY_TEXT))
        link = replace(
            link,
            agreed=step.span or link.agreed,
            event_etag=event.etag,
            written={**link.written, **step.content.written(step.fields)},
        )
        if step.span is not None:
            self.before = span_text(step.loser or (delivery.link.agreed if delivery.link else None))
            self.after = span_text(step.span)
        return replace(delivery, event=event, link=await self._ports.state.save_link(link))

    async def _reschedule(self, step: RescheduleBooking, booking: Booking, delivery: Delivery) -> Delivery:
        link = delivery.link
        assert link is not None
        self.before, self.after = span_text(step.loser or link.agreed), span_text(step.span)
        booking = await self._bookings.reschedule(booking, step.span)
        link = replace(link, agreed=step.span, booking_etag=booking.etag)
        content = render(booking, self._rules.templates)
        return replace(delivery, booking=booking, content=content, link=await self._ports.state.save_link(link))

    async def _remove(self, step: RemoveEvent, delivery: Delivery) -> Delivery:
        await self.events.remove(step)
        if (overwriting := overwriting_of(step, delivery)) is not None:
            self.before = span_text(overwriting.lost)
        if step.reason in (Reason.LEFTOVER, Reason.DUPLICATE):
            return await self.let_go(step.address, None, "", delivery)
        return await self.let_go(step.address, step.clears, step.undelivered, delivery)

    async def let_go(self, address: EventAddress, clears: str | None, undelivered: str, delivery: Delivery) -> Delivery:
        """Have booking and link forget an event. The booking first: its columns cannot be found without the link."""
        booking, link = delivery.booking, delivery.link
        if clears is not None and isinstance(booking, Booking):
            booking = await self._bookings.clear_event(booking, undelivered)
        if link is not None and link.address == address:
            await self._ports.state.delete_link(link)
            link = None
        elif link is not None and link.leftover == address:
            link = await self._ports.state.save_link(replace(link, leftover=None))
        hint = None if delivery.hint == address else delivery.hint
        made = ABSENT if isinstance(delivery.made, Event) and delivery.made.address == address else delivery.made
        return replace(delivery, booking=booking, link=link, hint=hint, made=made, event=UNREAD, elsewhere=UNREAD)


def overwriting_of(step: DeliveryStep, delivery: Delivery) -> Overwriting | None:
    """Whose time a step overwrites, or takes away; None for a step that costs nobody a choice."""
    booking, link, elsewhere = delivery.booking, delivery.link, delivery.elsewhere
    if not isinstance(booking, Booking):
        return None
    match step:
        case AdoptEvent(event=event, loser=TimeSpan() as loser):
            if loser == event.span:
                return Overwriting(event.address, Side.DYNAMICS, loser, booking.span)
            return Overwriting(event.address, Side.OUTLOOK, loser, event.span)
        case RewriteEvent(span=TimeSpan() as span, loser=TimeSpan() as loser) if link is not None:
            return Overwriting(link.address, Side.DYNAMICS, loser, span)
        case RescheduleBooking(span=span, loser=TimeSpan() as loser) if link is not None:
            return Overwriting(link.address, Side.OUTLOOK, loser, span)
        case RemoveEvent(address=address, reason=Reason.LEFTOVER) if isinstance(elsewhere, Event):
            if elsewhere.span != booking.span:
                return Overwriting(address, Side.DYNAMICS, elsewhere.span, booking.span)
    return None
