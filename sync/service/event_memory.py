"""What a run over one event remembers of it: the event's row, and the link to its booking.

Written after the services, and the row last: with it the lease is given back.
"""

from dataclasses import replace
from datetime import datetime

from sync.core.actions import HandOver, LeaveAlone, Reason
from sync.core.memory import KnownEvent, Link, Standing, newest_etags
from sync.core.reconcile import Pair, booking_id_of
from sync.core.rules import Rules
from sync.core.sides import Booking, Event, EventAddress, TimeSpan
from sync.core.work_items import EventChange
from sync.service.leases import known_event
from sync.service.ports import Ports

_NOT_HELD = (Reason.REASSIGNED, Reason.BOOKING_ABSENT, Reason.BOOKING_CANCELLED)
"""Why an event with a booking's mark is let be that nothing shows to have been the booking's: a copy, most likely."""


class EventMemory:
    """The memory of one run over one event.

    `known` is our row about the event, under the run's lease; the run's reads began at `began_at`.
    """

    def __init__(self, item: EventChange, known: KnownEvent, began_at: datetime, ports: Ports, rules: Rules) -> None:
        self._item = item
        self._known = known
        self._began_at = began_at
        self._ports = ports
        self._rules = rules

    async def agree(
        self, pair: Pair, span: TimeSpan, *, booking_etag: str | None = None, is_own_write: bool = False
    ) -> None:
        """Remember that both sides have `span` now; `is_own_write` when the event has it from us."""
        await self._save_link(pair, span, booking_etag)
        await self.remember(Standing.LINKED, pair, booking_id=booking_id_of(pair), span=span, is_own_write=is_own_write)

    async def leave_alone(self, action: LeaveAlone | HandOver, pair: Pair) -> None:
        """Remember an event that is a booking's as such, so that a sweep asks about it when it is gone."""
        is_unknown = isinstance(pair.event, Event) and self._known.standing is Standing.UNKNOWN
        if is_unknown and isinstance(action, LeaveAlone) and action.reason in _NOT_HELD:
            await self.remember(Standing.FOREIGN, pair, booking_id=booking_id_of(pair))
        elif is_unknown and isinstance(pair.event, Event) and booking_id_of(pair) is not None:
            await self.remember(Standing.LINKED, pair, booking_id=booking_id_of(pair), span=pair.event.span)
        else:
            await self.remember(self._known.standing, pair)

    async def end(self, pair: Pair) -> None:
        """Remember that no booking has this event any more."""
        if pair.link is not None and pair.link.is_of(*pair.address):
            await self._ports.state.delete_link(pair.link)
        await self.remember(Standing.ENDED, pair)

    async def know_as_linked(self, address: EventAddress, booking_id: str) -> None:
        """Remember another event as the booking's, which this run has neither read nor leased."""
        earlier = await known_event(address, self._ports)
        await self._ports.state.save_known_event(
            replace(earlier, standing=Standing.LINKED, booking_id=booking_id, remembered_until=None)
        )

    async def move_link(self, pair: Pair, address: EventAddress, booking_etag: str) -> None:
        """Have the link, if there is one, lead to the event that the booking names from now on."""
        if pair.link is None:
            return
        # A booking that was moved since they agreed must be read before its times are written.
        is_agreed = isinstance(pair.booking, Booking) and pair.booking.span == pair.link.agreed
        await self._ports.state.save_link(
            replace(
                pair.link,
                mailbox_id=address.mailbox_id,
                event_id=address.event_id,
                booking_etag=booking_etag if is_agreed else "",
                event_etag="",
                written={},
                generation=pair.link.generation + 1,
            )
        )

    async def remember(
        self,
        standing: Standing,
        pair: Pair,
        *,
        booking_id: str | None = None,
        span: TimeSpan | None = None,
        is_own_write: bool = False,
    ) -> None:
        """Note what was learnt about the event, and give the lease back."""
        etags, modified_at = self._known.etags, self._known.modified_at
        if isinstance(pair.event, Event):
            etags, modified_at = newest_etags(etags, pair.event.etag), pair.event.modified_at
        forgets = standing is not Standing.LINKED
        await self._ports.state.save_known_event(
            replace(
                self._known,
                standing=standing,
                booking_id=booking_id or self._known.booking_id,
                span=span or self._known.span,
                etags=etags,
                notified_etags=newest_etags(self._known.notified_etags, *self._item.etags),
                written_etag=etags[-1] if is_own_write else self._known.written_etag,
                modified_at=modified_at,
                read_at=self._began_at,
                remembered_until=self._began_at + self._rules.timing.foreign_memory if forgets else None,
                doubted_at=None,
                doubted_by=None,
                leased_by=None,
                leased_until=None,
            )
        )

    async def _save_link(self, pair: Pair, span: TimeSpan, booking_etag: str | None) -> None:
        """Write the link when it says something new. A new event for the booking raises its generation."""
        link, booking = pair.link, pair.booking
        assert isinstance(pair.event, Event)
        if isinstance(booking, Booking):
            own = link if link is not None and link.is_of(*pair.address) else None
            wanted = Link(
                booking_id=booking.booking_id,
                mailbox_id=pair.mailbox_id,
                event_id=pair.event_id,
                agreed=span,
                phase=booking.phase,
                booking_etag=booking_etag or booking.etag,
                event_etag=pair.event.etag,
                written=own.written if own else {},
                leftover=link.leftover or (link.address if own is None else None) if link else None,
                generation=link.generation + (own is None) if link else 1,
                version=link.version if link else None,
            )
        else:
            assert link is not None, "a pair agrees by its link or by its booking"
            wanted = replace(
                link, agreed=span, booking_etag=booking_etag or link.booking_etag, event_etag=pair.event.etag
            )
        if wanted != link:
            await self._ports.state.save_link(wanted)
