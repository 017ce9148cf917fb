"""What the board stands on, and what it shows of that."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.board.comparing import Watch, unequal
from local.board.people import Dynamics, Outlook
from local.board.sides import STATUSES, Sides, UnusableError, card_json, time_text
from local.board.story import JournalReader, entry_json, newest_entries
from local.board.troubles import Switchboards
from local.sample import Sample, Technician
from sync.core.mailboxes import BOOKINGS
from sync.core.sweeping import WindowPolicy, window_at
from sync.service.ports import Clock

_ENTRIES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Both services as people see them, the app's journal, and the switchboards.

    `sweep` makes the app look for what push has lost; `window` is where it gives events to bookings.
    """

    sample: Sample
    outlook: Outlook
    dynamics: Dynamics
    journal: JournalReader
    switchboards: Switchboards
    sweep: Callable[[], Awaitable[None]]
    clock: Clock
    window: WindowPolicy
    _watch: Watch = field(default_factory=Watch, init=False)

    def technician(self, wanted: object) -> Technician:
        """By Entra object id. Raises `UnusableError`."""
        for technician in self.sample.technicians:
            if technician.mailbox_id == wanted:
                return technician
        raise UnusableError(f"there is no technician {wanted!r}")

    async def state(self) -> dict[str, Any]:
        """Both sides, what is not equal, and the troubles that are on, as JSON."""
        sides, troubles = await asyncio.gather(self._sides(), self.switchboards.troubles())
        now = self.clock()
        mailboxes = {one.mailbox_id for one in self.sample.technicians if one.has_mailbox}
        found = unequal(sides, mailboxes, now=now, window=window_at(now, self.window))
        return {
            "now": time_text(now),
            "week": time_text(_first_monday(self.sample)),
            "technicians": [
                {"id": one.mailbox_id, "name": one.name, "has_mailbox": one.has_mailbox}
                for one in self.sample.technicians
            ],
            "statuses": STATUSES,
            "bookings": [card_json(booking) for booking in sides.bookings],
            "events": [card_json(event) for event in sides.events],
            "unequal": [
                {"booking": one.booking, "why": one.why, "seconds": round((now - one.since).total_seconds(), 1)}
                for one in self._watch.since_when(found, now)
            ],
            "troubles": troubles,
        }

    async def story(
        self,
        *,
        technicians: list[str],
        booking_id: str | None = None,
        event_id: str | None = None,
        shows_dropped: bool = False,
    ) -> list[dict[str, Any]]:
        """The newest rows of these technicians' journals, of all for none; of one booking or event when it is named."""
        mailboxes = technicians or [one.mailbox_id for one in self.sample.technicians]
        entries = await newest_entries(
            self.journal,
            [*mailboxes, BOOKINGS],
            booking_id=booking_id,
            event_id=event_id,
            shows_dropped=shows_dropped,
            limit=_ENTRIES,
        )
        return [entry_json(entry) for entry in entries]

    async def _sides(self) -> Sides:
        owners = {one.resource_id: one.mailbox_id for one in self.sample.technicians}
        calendars = [one.mailbox_id for one in self.sample.technicians if one.has_mailbox]
        bookings, events = await asyncio.gather(
            self.dynamics.bookings(owners.get),
            asyncio.gather(*(self.outlook.events(mailbox) for mailbox in calendars)),
        )
        return Sides(bookings, [event for calendar in events for event in calendar])


def _first_monday(sample: Sample) -> datetime:
    return min(booking.start_at for booking in sample.bookings).replace(hour=0, minute=0)
