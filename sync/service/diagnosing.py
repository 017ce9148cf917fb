"""Gathers what a diagnosis needs to know, and changes nothing. What it means is said by `sync.core`.

Each fact is read on its own. One that cannot be read becomes `Unread` with its reason, so that a diagnosis is given
also, and above all, when something is down. It is made for a person who waits: a dozen reads, none of them large.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import replace
from typing import Protocol

from sync.core.delivery_state import named_event
from sync.core.diagnosis import Diagnosis, Fact, Unread
from sync.core.diagnosis_booking import explain_booking
from sync.core.diagnosis_booking_facts import BookingFacts
from sync.core.diagnosis_invitation import explain_invitation
from sync.core.diagnosis_invitation_rules import InvitationFacts
from sync.core.errors import InvalidPayload, SyncError
from sync.core.journal import DeadLetter, JournalEntry
from sync.core.mailboxes import BOOKINGS
from sync.core.memory import KnownBooking, Link
from sync.core.rules import Rules
from sync.core.server_side_sync import AppointmentRecord, MailboxSetup, OrganizationSettings, User
from sync.core.sides import Booking, Event, EventAddress
from sync.core.work import item_from_text
from sync.core.work_items import BookingChange, EventChange, MailboxTask, WorkOrderChange
from sync.service.ports import Ports

ENTRIES = 50
"""How far back the journal is read; it is read newest first."""


class DynamicsRecords(Protocol):
    """What Dataverse shows of Microsoft's own sync. Every method raises `SyncError`, `AccessDenied` among others."""

    async def find_appointment(self, appointment_id: str) -> AppointmentRecord | None:
        """An appointment or, under the same id, a service activity."""

    async def find_user(self, user_id: str) -> User | None: ...

    async def find_mailbox_setup(self, user_id: str) -> MailboxSetup | None:
        """That of a user, by their id in Dataverse."""

    async def find_setup_of_mailbox(self, mailbox_id: str) -> MailboxSetup | None:
        """That of a user, by their Entra object id."""

    async def read_organization_settings(self) -> OrganizationSettings: ...


async def diagnose_booking(
    booking_id: str, ports: Ports, rules: Rules, records: DynamicsRecords | None = None
) -> Diagnosis:
    """Why a booking's event is as it is. `records` shows Microsoft's own sync as it is at this moment.

    Without it, what upkeep found last is told. Raises nothing for services that are down.
    """
    return explain_booking(await gather_booking(booking_id.lower(), ports, records), rules)


async def gather_booking(booking_id: str, ports: Ports, records: DynamicsRecords | None = None) -> BookingFacts:
    """What can be learnt of one booking, from both services and from our own tables."""
    state = ports.state
    booking, link, known, table_breaker, letters = await asyncio.gather(
        _fact(ports.bookings.find_booking(booking_id)),
        _fact(state.find_link(booking_id)),
        _fact(state.find_known_booking(booking_id)),
        _fact(state.find_breaker(BOOKINGS)),
        _fact(_listed(ports.dead_letters.list_letters())),
    )
    address = _address(booking, link)
    facts = BookingFacts(
        booking_id=booking_id,
        asked_at=ports.clock(),
        booking=booking,
        link=link,
        known=known,
        mailbox_id=_mailbox_id(booking, link, known),
        address=address,
        table_breaker=table_breaker,
        letters=letters if isinstance(letters, Unread) else _about(letters, booking, booking_id, address),
    )
    return await _with_mailbox(await _with_event(facts, ports), ports, records)


def _mailbox_id(booking: Fact[Booking | None], link: Fact[Link | None], known: Fact[KnownBooking | None]) -> str | None:
    """The technician's mailbox, else the event's; of a booking that cannot be read, the one that we know it by."""
    asked = (booking, link) if isinstance(booking, Booking) else (link, known)
    of_each = [one.mailbox_id for one in asked if isinstance(one, Booking | Link | KnownBooking)]
    return next(filter(None, of_each), None)


def _address(booking: Fact[Booking | None], link: Fact[Link | None]) -> EventAddress | None:
    """Where the event is, by the link, else by the booking's own columns."""
    if isinstance(link, Link):
        return link.address
    return named_event(booking) if isinstance(booking, Booking) else None


async def _with_event(facts: BookingFacts, ports: Ports) -> BookingFacts:
    """The event as it is and, where it is not where the booking is to have it, what else carries the booking's mark."""
    if facts.address is not None:
        read = await _fact(_read_event(facts.address, ports))
        event, is_among_deleted = (read, False) if isinstance(read, Unread) else read
        facts = replace(facts, event=event, is_among_deleted=is_among_deleted)
    home = facts.booking.mailbox_id if isinstance(facts.booking, Booking) else None
    if home is None or (isinstance(facts.event, Event) and facts.event.mailbox_id == home):
        return facts
    return replace(facts, marked=await _fact(ports.calendar.find_marked_event(home, facts.booking_id)))


async def _read_event(address: EventAddress, ports: Ports) -> tuple[Event | None, bool]:
    """The event where it is in a calendar, and whether it lies among the deleted items instead."""
    event = await ports.calendar.find_event(*address)
    if event is None or await ports.calendar.is_in_calendar(*address):
        return event, False
    return None, True


async def _with_mailbox(facts: BookingFacts, ports: Ports, records: DynamicsRecords | None) -> BookingFacts:
    """What is remembered of the mailbox, and what the journal tells of the booking in every mailbox that it was in."""
    facts = replace(
        facts,
        entries=await _fact(_entries(facts, ports)),
        conflicts=await _fact(_listed(ports.journal.list_conflicts(booking_id=facts.booking_id))),
    )
    if (mailbox_id := facts.mailbox_id) is None:
        return facts
    state = ports.state
    quarantine, breaker, subscription, cursor = await asyncio.gather(
        _fact(state.find_quarantine(mailbox_id)),
        _fact(state.find_breaker(mailbox_id)),
        _fact(state.find_subscription_record(mailbox_id)),
        _fact(state.find_cursor(mailbox_id)),
    )
    return replace(
        facts,
        quarantine=quarantine,
        breaker=breaker,
        subscription=subscription,
        cursor=cursor,
        microsoft=await _fact(records.find_setup_of_mailbox(mailbox_id)) if records else None,
    )


async def _entries(facts: BookingFacts, ports: Ports) -> tuple[JournalEntry, ...]:
    """The newest entries about the booking or its event."""
    mailbox_ids = {BOOKINGS, facts.mailbox_id or BOOKINGS}
    if isinstance(facts.link, Link):
        mailbox_ids |= {one.mailbox_id for one in (facts.link.address, facts.link.leftover) if one is not None}
    stories = [ports.journal.list_entries(one, booking_id=facts.booking_id) for one in sorted(mailbox_ids)]
    if facts.address is not None:
        stories.append(ports.journal.list_entries(facts.address.mailbox_id, event_id=facts.address.event_id))
    told: list[JournalEntry] = []
    for story in stories:
        told += [entry for entry in await _listed(story, most=ENTRIES) if entry not in told]
    return tuple(sorted(told, key=lambda entry: entry.at, reverse=True)[:ENTRIES])


async def _listed[T](values: AsyncIterator[T], *, most: int | None = None) -> tuple[T, ...]:
    """All values, or the first `most`."""
    listed: list[T] = []
    async for value in values:
        listed.append(value)
        if len(listed) == most:
            break
    return tuple(listed)


def _about(
    letters: Iterable[DeadLetter], booking: Fact[Booking | None], booking_id: str, address: EventAddress | None
) -> tuple[DeadLetter, ...]:
    """The dead letters about a booking, its event or its work order."""
    order = booking.work_order if isinstance(booking, Booking) else None

    def is_about(letter: DeadLetter) -> bool:
        try:
            item = item_from_text(letter.item)
        except InvalidPayload:
            return False
        match item:
            case BookingChange():
                return item.booking_id == booking_id
            case EventChange():
                return address == (item.mailbox_id, item.event_id)
            case WorkOrderChange():
                return order is not None and item.work_order_id == order.work_order_id
            case MailboxTask():
                return False

    return tuple(letter for letter in letters if is_about(letter))


async def _fact[T](reading: Awaitable[T]) -> Fact[T]:
    try:
        return await reading
    except SyncError as error:
        return Unread(error.reason)


async def diagnose_appointment(appointment_id: str, ports: Ports, records: DynamicsRecords) -> Diagnosis:
    """Why no invitation was sent for an appointment. Raises nothing for services that are down."""
    return explain_invitation(await gather_invitation(appointment_id.lower(), ports, records))


async def gather_invitation(appointment_id: str, ports: Ports, records: DynamicsRecords) -> InvitationFacts:
    """What can be learnt of an appointment, its organizer and the organizer's mailbox."""
    appointment, settings = await asyncio.gather(
        _fact(records.find_appointment(appointment_id)), _fact(records.read_organization_settings())
    )
    facts = InvitationFacts(
        appointment_id=appointment_id, asked_at=ports.clock(), appointment=appointment, settings=settings
    )
    organizers = appointment.organizers if isinstance(appointment, AppointmentRecord) else ()
    if len(organizers) != 1 or not organizers[0].is_user:
        return facts
    organizer, setup = await asyncio.gather(
        _fact(records.find_user(organizers[0].row_id)), _fact(records.find_mailbox_setup(organizers[0].row_id))
    )
    facts = replace(facts, organizer=organizer, setup=setup)
    if not isinstance(organizer, User) or organizer.mailbox_id is None:
        return facts
    subscription, quarantine = await asyncio.gather(
        _fact(ports.state.find_subscription_record(organizer.mailbox_id)),
        _fact(ports.state.find_quarantine(organizer.mailbox_id)),
    )
    return replace(facts, subscription=subscription, quarantine=quarantine)
