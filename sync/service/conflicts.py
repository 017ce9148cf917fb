"""What was in conflict, and taking the side that lost after all, for the status page and the command line.

Taking writes the booking, at the etag that was read, and leaves the event to the ordinary delivery: so the result
converges like any move in Dynamics, and a repeated request finds it done.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

from sync.core.conflicts import Conflict, Objection, Taking, judge_taking
from sync.core.content import render
from sync.core.delivery_state import Delivery
from sync.core.errors import PreconditionFailed, SyncError
from sync.core.journal import JournalEntry
from sync.core.reconcile import ABSENT
from sync.core.rules import Rules
from sync.core.sides import Booking
from sync.core.sweeping import window_at
from sync.core.work_items import BookingChange, Source
from sync.service.outcome import span_text
from sync.service.ports import Ports

TAKING = "taking-the-other-side"
ASKED_FOR = "asked-for-by-a-person"

_ATTEMPTS = 2
"""Who asked twice at once finds at the second look what the first did."""


class NotTaken(SyncError):
    """The other side of a conflict is not taken; nothing was changed."""

    def __init__(self, objection: Objection) -> None:
        super().__init__(objection.reason)
        self.mend = objection.mend


async def list_conflicts(
    ports: Ports, *, mailbox_id: str | None = None, booking_id: str | None = None, is_open: bool = True
) -> AsyncIterator[Conflict]:
    """Conflicts of the last 90 days, newest first; with `is_open` those only whose other side nobody has taken."""
    async for conflict in ports.journal.list_conflicts(mailbox_id=mailbox_id, booking_id=booking_id):
        if not (is_open and conflict.taken_at):
            yield conflict


async def take_other_side(conflict_id: str, ports: Ports, rules: Rules) -> Taking:
    """Give both sides of a conflict the value that lost. Asking again changes nothing more.

    Raises `NotTaken` with reason and mend where there is no such conflict, where either side was changed since, or
    where the event would not follow; whatever the ports raise, such as `MailboxUnavailable`.
    """
    conflict = await ports.journal.find_conflict(conflict_id)
    if conflict is None:
        raise NotTaken(Objection("There is no such conflict.", "List them: python -m sync conflicts"))
    for _ in range(_ATTEMPTS):
        delivery = await _gather(conflict, ports, rules)
        verdict = judge_taking(conflict, delivery, rules.policy)
        if isinstance(verdict, Objection):
            raise NotTaken(verdict)
        try:
            if verdict is Taking.TAKEN:
                await _write(conflict, delivery, ports)
        except PreconditionFailed:
            continue
        if verdict is not Taking.ALREADY:
            await ports.queue.put(_look_at(conflict, ports))
        if conflict.taken_at is None:
            await ports.journal.save_conflict(replace(conflict, taken_at=ports.clock()))
        return verdict
    raise NotTaken(Objection("The booking is being changed at this moment.", "Try again in a minute."))


async def _gather(conflict: Conflict, ports: Ports, rules: Rules) -> Delivery:
    """Both sides as they are now, and what they last agreed on."""
    now = ports.clock()
    booking = await ports.bookings.find_booking(conflict.booking_id)
    link = await ports.state.find_link(conflict.booking_id)
    mailbox_id = booking.mailbox_id if booking else None
    quarantine = await ports.state.find_quarantine(mailbox_id) if mailbox_id else None
    event = await ports.calendar.find_event(*link.address) if link and not quarantine else None
    return Delivery(
        booking_id=conflict.booking_id,
        booking=booking or ABSENT,
        content=render(booking, rules.templates) if booking else None,
        decided_at=now,
        window=window_at(now, rules.window),
        link=link,
        event=event or ABSENT,
        is_synced=not rules.leaves_out(mailbox_id),
        quarantine=quarantine.kind if quarantine else None,
    )


async def _write(conflict: Conflict, delivery: Delivery, ports: Ports) -> None:
    """Tell the journal, then write the booking: what is overwritten now is some person's choice as well."""
    assert isinstance(delivery.booking, Booking)
    assert delivery.link is not None
    now = ports.clock()
    await ports.journal.write(
        JournalEntry(
            mailbox_id=delivery.link.mailbox_id,
            correlation_id=conflict.correlation_id,
            at=now,
            received_at=now,
            source=Source.REPLAY,
            action=TAKING,
            reason=ASKED_FOR,
            event_id=delivery.link.event_id,
            booking_id=conflict.booking_id,
            before=span_text(conflict.stands),
            after=span_text(conflict.lost),
        )
    )
    await ports.bookings.update_booking(conflict.booking_id, etag=delivery.booking.etag, span=conflict.lost)


def _look_at(conflict: Conflict, ports: Ports) -> BookingChange:
    """The delivery that brings the event along, in the conflict's own story."""
    return BookingChange(
        booking_id=conflict.booking_id,
        received_at=ports.clock(),
        correlation_id=conflict.correlation_id,
        source=Source.REPLAY,
    )
