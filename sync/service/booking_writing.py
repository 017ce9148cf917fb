"""The writes to a booking that bringing it to Outlook needs; each answers the booking as it then is."""

from dataclasses import replace

from sync.core.sides import Booking, EventAddress, TimeSpan, event_hash
from sync.service.ports import BookingVersion, Ports


class BookingWriter:
    """Conditional writes at the etag of the booking that is given. They raise `PreconditionFailed`, `NotFound`."""

    def __init__(self, ports: Ports) -> None:
        self._bookings = ports.bookings

    async def name_event(self, booking: Booking, address: EventAddress) -> Booking:
        """The booking names its event, and is not undelivered any more."""
        written = await self._bookings.update_booking(
            booking.booking_id,
            etag=booking.etag,
            event=address,
            undelivered="" if booking.undelivered else None,
        )
        named = replace(booking, event_id=address.event_id, event_hash=event_hash(*address), undelivered="")
        return _at(named, written)

    async def clear_event(self, booking: Booking, undelivered: str) -> Booking:
        """The booking names no event any more; `undelivered` says why, where that is a trouble."""
        written = await self._bookings.update_booking(
            booking.booking_id,
            etag=booking.etag,
            clears_event=True,
            undelivered=undelivered if undelivered != booking.undelivered else None,
        )
        return _at(replace(booking, event_id=None, event_hash=None, undelivered=undelivered), written)

    async def mark_undelivered(self, booking: Booking, undelivered: str) -> Booking:
        written = await self._bookings.update_booking(booking.booking_id, etag=booking.etag, undelivered=undelivered)
        return _at(replace(booking, undelivered=undelivered), written)

    async def reschedule(self, booking: Booking, span: TimeSpan) -> Booking:
        written = await self._bookings.update_booking(booking.booking_id, etag=booking.etag, span=span)
        return _at(replace(booking, span=span), written)


def _at(booking: Booking, version: BookingVersion) -> Booking:
    return replace(booking, etag=version.etag, fingerprint=version.fingerprint)
