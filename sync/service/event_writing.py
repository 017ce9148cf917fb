"""The reads and writes of events that bringing a booking to Outlook needs, each with what is remembered of the event.

An event is leased before it is touched, so that the worker of a notification about it waits for the outcome, which is
remembered so that the notifications of our own writes cost no call.
"""

from dataclasses import replace
from datetime import datetime
from uuid import NAMESPACE_OID, uuid5

from sync.core.actions import Reason
from sync.core.body import merge_body
from sync.core.coalescing import doubt_absence, doubt_presence, is_known_to_reads
from sync.core.delivery_steps import CreateEvent, ForgetEvent, RemoveEvent, RewriteEvent
from sync.core.errors import NotFound, PreconditionFailed, SyncError, TransientError
from sync.core.memory import KnownEvent, Standing, newest_etags
from sync.core.rules import Rules
from sync.core.sides import Booking, Event, EventAddress
from sync.service.breaker import passing_deletion
from sync.service.leases import give_back_event, known_event, lease_event
from sync.service.ports import EventBody, EventChanges, EventDraft, Ports

UNCOUNTED = (Reason.LEFTOVER, Reason.DUPLICATE, Reason.CANCELLED_IN_DYNAMICS)
"""Removals that the breaker does not count: the visit goes on elsewhere, or somebody cancelled this very booking."""

_SAVE_ATTEMPTS = 3

_REFUSED_UNREAD = 429

_FOUND_AFTER_SECONDS = 30.0
"""How long after a create whose answer was lost a search is likely to find its event; no bound is documented."""


def may_have_been_done(error: SyncError) -> bool:
    """Whether what failed with `error` may have happened all the same."""
    return isinstance(error, TransientError) and error.status != _REFUSED_UNREAD


class EventWriter:
    """Events of one booking, during one run."""

    def __init__(self, booking_id: str, holder: str, ports: Ports, rules: Rules) -> None:
        self._booking_id = booking_id
        self._holder = holder
        self._ports = ports
        self._rules = rules
        self._held: dict[EventAddress, KnownEvent] = {}

    async def read(self, address: EventAddress) -> Event | None:
        """Raises `UnknownAsYet` for an event that we have just made and that Graph does not show."""
        await self._hold(address)
        event = await self._ports.calendar.find_event(*address)
        if event is None:
            doubt_absence(self._held[address], self._ports.clock())
        return event

    async def search(self, mailbox_id: str, booking: Booking) -> Event | None:
        """An event with the booking's mark, else the one that looks as if it had been made for it.

        Raises `UnknownAsYet` for one that we have just removed and that Graph still shows.
        """
        marked = await self._ports.calendar.find_marked_event(mailbox_id, booking.booking_id)
        if marked is not None:
            doubt_presence(await known_event(marked.address, self._ports), self._ports.clock())
            return marked
        number = booking.work_order.number if booking.work_order else booking.name
        lookalike = await self._ports.calendar.find_lookalike(mailbox_id, booking.span, number) if number else None
        return None if lookalike is None or await self._is_taken(lookalike.address) else lookalike

    async def _is_taken(self, address: EventAddress) -> bool:
        """Whether an event without a mark is another booking's by now; if not, it is ours to take. Raises `Busy`."""
        await self._hold(address)
        known = self._held[address]
        if known.standing is not Standing.LINKED or known.booking_id in (None, self._booking_id):
            return False
        await give_back_event(self._held.pop(address), self._ports)
        return True

    async def create(self, step: CreateEvent, transaction_id: str) -> Event:
        looked_at = self._ports.clock()
        draft = EventDraft(
            booking_id=self._booking_id, transaction_id=transaction_id, span=step.span, content=step.content
        )
        event = await self._send(step.mailbox_id, draft)
        while (await known_event(event.address, self._ports)).standing is Standing.ENDED:
            # A repeated transaction id may be answered with the first event even when we have removed that since.
            draft = replace(draft, transaction_id=str(uuid5(NAMESPACE_OID, f"{transaction_id} {event.event_id}")))
            event = await self._send(step.mailbox_id, draft)
        await self._remember_as_ours(event, looked_at, is_own_write=True, made_at=self._ports.clock())
        return event

    async def _send(self, mailbox_id: str, draft: EventDraft) -> Event:
        try:
            return await self._ports.calendar.create_event(mailbox_id, draft)
        except TransientError as error:
            if may_have_been_done(error):
                error.retry_after_seconds = max(error.retry_after_seconds or 0, _FOUND_AFTER_SECONDS)
            raise

    async def rewrite(self, address: EventAddress, step: RewriteEvent, written_text: str | None) -> Event:
        """Write what the step names; the body around our own block stays as it is, see `merge_body`."""
        await self._hold(address)
        looked_at = self._ports.clock()
        body, etag = None, step.etag
        if "body" in step.fields:
            current = await self._read_body(address)
            body = merge_body(current.html, step.content.body, written_text=written_text)
            etag = etag or current.etag
        event = await self._ports.calendar.update_event(address, self._changes(step, body), etag=etag)
        event = replace(event, booking_id=self._booking_id)  # The answer to a PATCH does not show the mark.
        await self._remember_as_ours(event, looked_at, is_own_write=True)
        return event

    async def _read_body(self, address: EventAddress) -> EventBody:
        """Raises `UnknownAsYet`, like `read`, and `NotFound`."""
        try:
            return await self._ports.calendar.read_body(address)
        except NotFound:
            doubt_absence(self._held[address], self._ports.clock())
            raise

    def _changes(self, step: RewriteEvent, body: str | None) -> EventChanges:
        content, fields = step.content, step.fields
        return EventChanges(
            booking_id=self._booking_id if step.marks else None,
            span=step.span,
            subject=content.subject if "subject" in fields else None,
            location=content.location if "location" in fields else None,
            body=body,
            categories=content.categories if "categories" in fields else None,
            show_as=content.show_as if "show_as" in fields else None,
        )

    def was_removed(self, address: EventAddress) -> bool:
        """Whether we removed the event, or were about to, as far as is known since it was read."""
        known = self._held.get(address)
        return known is not None and known.standing is Standing.ENDED

    async def remove(self, step: RemoveEvent) -> None:
        await self._hold(step.address)
        if step.reason in UNCOUNTED:
            await self._delete(step)
            return
        async with passing_deletion(step.address.mailbox_id, self._ports, self._rules):
            await self._delete(step)

    async def _delete(self, step: RemoveEvent) -> None:
        # First remembered, so that its absence is not taken for a technician's doing, whatever becomes of this worker.
        await self._remember_as(Standing.ENDED, step.address)
        await self._ports.calendar.delete_event(step.address, etag=step.etag)
        if (await known_event(step.address, self._ports)).standing is not Standing.ENDED:
            # Another worker has taken it for the booking's while this one slept longer than its lease.
            await self._remember_as(Standing.ENDED, step.address)

    async def forget(self, step: ForgetEvent) -> None:
        """Remember an event that is left to its owner as theirs, and one that is gone as ended."""
        await self._remember_as(Standing.ENDED if step.is_gone else Standing.FOREIGN, step.address)

    async def leave_for_later(self, address: EventAddress) -> None:
        """Remember an event that cannot be reached so that the sweep which finds it again hands it over."""
        known = await known_event(address, self._ports)
        await self._save(
            replace(known, standing=Standing.LINKED, booking_id=self._booking_id, etags=(), notified_etags=())
        )

    async def remember(self, event: Event) -> None:
        """Remember an event as the booking's that was there before us; if not for long, reads may lack it as well."""
        now = self._ports.clock()
        made_at = None if is_known_to_reads(event, now) else now
        await self._remember_as_ours(event, now, is_own_write=False, made_at=made_at)

    async def give_back(self, *, alive: EventAddress | None = None) -> None:
        """Free what is still held; `alive` is the booking's event, whatever was planned for it."""
        for address, known in self._held.items():
            is_linked = address == alive and known.standing is not Standing.LINKED
            standing = Standing.LINKED if is_linked else known.standing
            await give_back_event(replace(known, standing=standing, booking_id=self._booking_id), self._ports)
        self._held.clear()

    async def _hold(self, address: EventAddress) -> None:
        """Raises `Busy` while another worker is at the event."""
        if address not in self._held:
            known = await known_event(address, self._ports)
            self._held[address] = await lease_event(known, self._holder, self._ports.clock(), self._ports, self._rules)

    async def _remember_as_ours(
        self, event: Event, looked_at: datetime, *, is_own_write: bool, made_at: datetime | None = None
    ) -> None:
        known = self._held.get(event.address) or await known_event(event.address, self._ports)
        await self._save(
            replace(
                known,
                standing=Standing.LINKED,
                booking_id=self._booking_id,
                span=event.span,
                etags=newest_etags(known.etags, event.etag),
                written_etag=event.etag if is_own_write else known.written_etag,
                made_at=made_at or known.made_at,
                modified_at=event.modified_at,
                read_at=looked_at,
                remembered_until=None,
                doubted_at=None,
                doubted_by=None,
            )
        )

    async def _remember_as(self, standing: Standing, address: EventAddress) -> None:
        known = self._held.get(address) or await known_event(address, self._ports)
        now = self._ports.clock()
        await self._save(
            replace(
                known,
                standing=standing,
                booking_id=self._booking_id,
                read_at=now,
                remembered_until=now + self._rules.timing.foreign_memory,
            )
        )

    async def _save(self, known: KnownEvent) -> None:
        """Save the row, keeping a lease of ours. One that we do not hold may be written by another worker meanwhile."""
        address = EventAddress(known.mailbox_id, known.event_id)
        for _ in range(_SAVE_ATTEMPTS):
            try:
                saved = await self._ports.state.save_known_event(known)
            except PreconditionFailed:
                current = await known_event(address, self._ports)
                known = replace(
                    known, version=current.version, leased_by=current.leased_by, leased_until=current.leased_until
                )
                continue
            if address in self._held:
                self._held[address] = saved
            return
        raise PreconditionFailed("An event's row was written by others again and again.", retry_after_seconds=3)
