"""Booking changes that we order ourselves: for a sweep, a person, or the work order behind several bookings."""

import asyncio
from collections.abc import Iterable

from sync.core.work_items import BookingChange, Source, WorkOrderChange
from sync.service.outcome import Outcome
from sync.service.ports import ListedBooking, Ports

PUTS_AT_ONCE = 16


async def is_done_with(booking: ListedBooking, ports: Ports) -> bool:
    """Whether the booking is in a state that was dealt with to the end.

    A resource that is given another user leads to another mailbox, and no booking of it is changed by that.
    """
    known = await ports.state.find_known_booking(booking.booking_id)
    if known is None or known.is_unfinished or booking.etag not in known.etags:
        return False
    return booking.mailbox_id in (None, known.mailbox_id)


async def was_left_unfinished(booking_id: str, ports: Ports) -> bool:
    """Whether the last look at a booking came to no end that stands."""
    known = await ports.state.find_known_booking(booking_id)
    return known is None or known.is_unfinished


def booking_change(
    booking_id: str,
    ports: Ports,
    *,
    etag: str | None = None,
    is_deleted: bool = False,
    source: Source = Source.SWEEP,
) -> BookingChange:
    """A look at a booking that we, or a person, order ourselves."""
    return BookingChange(
        booking_id=booking_id,
        received_at=ports.clock(),
        correlation_id=ports.new_id(),
        source=source,
        etag=etag,
        is_deleted=is_deleted,
    )


async def queue_bookings_of(item: WorkOrderChange, ports: Ports) -> Outcome:
    """Queue the bookings of a changed work order that are still to come."""
    bookings = [
        BookingChange(
            booking_id=booking_id,
            received_at=item.received_at,
            correlation_id=item.correlation_id,
            source=item.source,
        )
        async for booking_id in ports.bookings.list_bookings_of_work_order(
            item.work_order_id, ending_after=ports.clock()
        )
    ]
    await queue_all(bookings, ports)
    return Outcome(action="work-order-changed", reason=f"{len(bookings)} bookings")


async def queue_all(items: Iterable[BookingChange], ports: Ports) -> None:
    """Queue items, some at a time."""
    waiting = list(items)
    for start in range(0, len(waiting), PUTS_AT_ONCE):
        await asyncio.gather(*(ports.queue.put(item) for item in waiting[start : start + PUTS_AT_ONCE]))
