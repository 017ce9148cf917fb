"""Leases: one worker at a time handles an event, and one a booking.

A lease is part of the row that we keep about it anyway, is given back with the result, and expires by itself when its
worker dies. It saves calls and keeps two workers from making two events; nothing relies on it alone.
"""

import logging
from dataclasses import replace
from datetime import datetime

from sync.core.errors import Busy, PreconditionFailed, SyncError
from sync.core.memory import KnownBooking, KnownEvent
from sync.core.rules import Rules
from sync.core.sides import EventAddress
from sync.service.ports import Ports

logger = logging.getLogger(__name__)

BUSY_DELAY_SECONDS = 3.0
"""How long an item waits at least whose event or booking another worker holds."""


async def known_event(address: EventAddress, ports: Ports) -> KnownEvent:
    """What is remembered of an event; for one never seen, a row that is yet to be saved."""
    return await ports.state.find_known_event(*address) or KnownEvent(
        mailbox_id=address.mailbox_id, event_id=address.event_id
    )


async def lease_event(known: KnownEvent, holder: str, now: datetime, ports: Ports, rules: Rules) -> KnownEvent:
    """Claim an event; its holder, back again, gets it at once. Raises `Busy`."""
    _refuse_if_taken(known, holder, now, rules)
    try:
        return await ports.state.save_known_event(
            replace(known, leased_by=holder, leased_until=now + rules.timing.lease)
        )
    except PreconditionFailed as error:
        raise Busy("Another worker was quicker.", retry_after_seconds=BUSY_DELAY_SECONDS) from error


async def give_back_event(known: KnownEvent, ports: Ports) -> None:
    """Free an event for the next attempt. Should that fail, the lease expires by itself.

    Also where its row has been written meanwhile by a worker that did not hold it, and left it held.
    """
    try:
        try:
            await ports.state.save_known_event(replace(known, leased_by=None, leased_until=None))
        except PreconditionFailed:
            current = await known_event(EventAddress(known.mailbox_id, known.event_id), ports)
            if current.leased_by == known.leased_by:
                await ports.state.save_known_event(replace(current, leased_by=None, leased_until=None))
    except SyncError as error:
        _note(error)


async def lease_booking(known: KnownBooking, holder: str, now: datetime, ports: Ports, rules: Rules) -> KnownBooking:
    """Claim a booking, and note that work on it has begun. Raises `Busy`."""
    _refuse_if_taken(known, holder, now, rules)
    try:
        return await ports.state.save_known_booking(
            replace(known, leased_by=holder, leased_until=now + rules.timing.lease, is_unfinished=True)
        )
    except PreconditionFailed as error:
        raise Busy("Another worker was quicker.", retry_after_seconds=BUSY_DELAY_SECONDS) from error


async def give_back_booking(known: KnownBooking, ports: Ports) -> None:
    """Free a booking for the next attempt, which will know that this one did not finish.

    Also where another worker has had it since, because this one slept longer than its lease: what was done to the
    booking's events in between must be looked at, whoever did it.
    """
    try:
        try:
            await ports.state.save_known_booking(replace(known, leased_by=None, leased_until=None))
        except PreconditionFailed:
            current = await ports.state.find_known_booking(known.booking_id) or KnownBooking(
                booking_id=known.booking_id
            )
            await ports.state.save_known_booking(replace(current, is_unfinished=True))
    except SyncError as error:
        _note(error)


def _refuse_if_taken(known: KnownEvent | KnownBooking, holder: str, now: datetime, rules: Rules) -> None:
    if known.leased_until is None or known.leased_until <= now or known.leased_by == holder:
        return
    left = known.leased_until - now
    # Who has held it for long is dead, in all likelihood: to ask again ever more seldom costs the fewest calls.
    wait = min(rules.timing.lease - left, left)
    raise Busy("Another worker is at it.", retry_after_seconds=max(wait.total_seconds(), BUSY_DELAY_SECONDS))


def _note(error: SyncError) -> None:
    logger.info("A lease was not given back: %s", error.reason, extra={"action": "lease-left"})
