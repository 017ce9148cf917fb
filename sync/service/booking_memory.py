"""What is remembered of a booking: the states that are done with, so that their webhooks cost no call."""

from dataclasses import replace

from sync.core.errors import PreconditionFailed
from sync.core.memory import DELETED_BY_US, KnownBooking, newest_etags
from sync.service.ports import BookingVersion, Ports


async def remember_own_write(booking_id: str, base_etag: str, written: BookingVersion, ports: Ports) -> None:
    """Note the state that our own write made of the one at `base_etag`, if there is nothing else to be done with it.

    That is so when the base was done with: else the new state still holds a change that Outlook lacks. Should another
    worker hold the booking's row, it will see for itself, and that the echo costs a read is all.
    """
    known = await ports.state.find_known_booking(booking_id)
    if known is None or base_etag not in known.etags:
        return
    try:
        await ports.state.save_known_booking(
            replace(known, etags=newest_etags(known.etags, written.etag), fingerprint=written.fingerprint)
        )
    except PreconditionFailed:
        return


async def remember_own_deletion(booking_id: str, ports: Ports) -> None:
    """Note that we deleted a booking whose event is over, so that the webhook which tells of it costs no read."""
    known = await ports.state.find_known_booking(booking_id) or KnownBooking(booking_id=booking_id)
    try:
        await ports.state.save_known_booking(replace(known, fingerprint=DELETED_BY_US))
    except PreconditionFailed:
        return
