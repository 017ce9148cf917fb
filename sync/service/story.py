"""One item's story, from notification to write: what was meant by a search, and what the journal tells of it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sync.core.diagnosis import NotARecord, record_name
from sync.core.errors import SyncError
from sync.core.journal import JournalEntry
from sync.core.mailboxes import BOOKINGS
from sync.core.memory import Link
from sync.service.ports import Ports, Technician

ENTRIES = 50
BOOKING_TABLE = "bookableresourcebooking"
SHORTEST_EVENT_ID = 60
"""An event id is longer than that, and has no blanks; a person's name or address is not so long."""


class Subject(StrEnum):
    """What a search was for."""

    BOOKING = "booking"
    MAILBOX = "mailbox"
    EVENT = "event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What was found. `subject` None when nobody knows what the text names; then `hint` says what would help.

    `record_id` where the text is an id that is neither a booking's nor a mailbox's; `people` are those whose name or
    address it may be, where it is not one person's. `entries` are the newest, the latest first. `link` is the booking's
    present pair. For an event, `booking_id` is that of its booking, where one is known.
    """

    text: str
    subject: Subject | None
    mailbox_ids: tuple[str, ...] = ()
    booking_id: str | None = None
    event_id: str | None = None
    link: Link | None = None
    entries: tuple[JournalEntry, ...] = ()
    record_id: str | None = None
    people: tuple[Technician, ...] = ()
    hint: str = ""


async def find_story(text: str, ports: Ports, *, mailbox_id: str = "") -> Story:
    """The story of a booking, by its id or its form's address; of a mailbox, by its id or whose it is; or of an event.

    `mailbox_id` says whose event it is; without it, Dynamics is asked which booking names the event.
    """
    text, mailbox_id = text.strip(), mailbox_id.strip().lower()
    try:
        name = record_name(text)
    except NotARecord:
        if not mailbox_id and (len(text) < SHORTEST_EVENT_ID or " " in text):
            return await _story_of_person(text, ports)
        return await _story_of_event(text, mailbox_id, ports)
    if name.table.startswith(BOOKING_TABLE):
        return await _story_of_booking(text, name.record_id, ports)
    return await _story_of_id(text, name.record_id, ports)


async def _story_of_id(text: str, record_id: str, ports: Ports) -> Story:
    """A bare id: a booking's when we remember it as one, a mailbox's when we know that, else what Dynamics says."""
    known, link, record, entries = await asyncio.gather(
        ports.state.find_known_booking(record_id),
        ports.state.find_link(record_id),
        ports.state.find_subscription_record(record_id),
        _newest([record_id], ports),
    )
    if known or link:
        return await _story_of_booking(text, record_id, ports)
    if record or entries:
        return Story(text=text, subject=Subject.MAILBOX, mailbox_ids=(record_id,), entries=entries)
    story = await _story_of_booking(text, record_id, ports)
    if story.entries or len(story.mailbox_ids) > 1:
        return story
    hint = "Neither a booking nor a mailbox with this id is known to the app, nor is it an appointment's."
    return Story(text=text, subject=None, record_id=record_id, hint=hint)


async def _story_of_booking(text: str, booking_id: str, ports: Ports) -> Story:
    link = await ports.state.find_link(booking_id)
    mailbox_ids = await mailboxes_of(booking_id, ports)
    return Story(
        text=text,
        subject=Subject.BOOKING,
        mailbox_ids=tuple(sorted(mailbox_ids)),
        booking_id=booking_id,
        event_id=link.event_id if link else None,
        link=link,
        entries=await _newest(mailbox_ids, ports, booking_id=booking_id),
    )


async def _story_of_person(text: str, ports: Ports) -> Story:
    people = [one async for one in ports.bookings.list_technicians_named(text)][:ENTRIES] if text else []
    if len(people) == 1:
        return await _story_of_mailbox(text, people[0].mailbox_id, ports)
    hint = "Several people have that name." if people else "Nobody of that name or address is a technician in Dynamics."
    return Story(text=text, subject=None, people=tuple(people), hint=hint)


async def _story_of_mailbox(text: str, mailbox_id: str, ports: Ports) -> Story:
    entries = await _newest([mailbox_id], ports)
    return Story(text=text, subject=Subject.MAILBOX, mailbox_ids=(mailbox_id,), entries=entries)


async def _story_of_event(event_id: str, mailbox_id: str, ports: Ports) -> Story:
    if mailbox_id:
        known = await ports.state.find_known_event(mailbox_id, event_id)
        entries = await _newest([mailbox_id], ports, event_id=event_id)
        booking_id = (known.booking_id if known else None) or next((one.booking_id for one in entries), None)
        return Story(
            text=event_id,
            subject=Subject.EVENT if known or entries else None,
            mailbox_ids=(mailbox_id,),
            event_id=event_id,
            booking_id=booking_id,
            link=await ports.state.find_link(booking_id) if booking_id else None,
            entries=entries,
            hint="" if known or entries else "The app knows no such event in this mailbox.",
        )
    async for booking_id in ports.bookings.list_bookings_naming(event_id):
        return await _story_of_booking(event_id, booking_id, ports)
    return Story(
        text=event_id,
        subject=None,
        hint="No booking names an event with this id. For an event without a booking, give its mailbox as well.",
    )


async def mailboxes_of(booking_id: str, ports: Ports) -> set[str]:
    """In whose stories the journal tells of a booking: where it is, and wherever it was before.

    The row that tells of a booking's arrival names the mailbox that it came from, so its way is followed back.
    """
    found, followed = await _present_mailboxes(booking_id, ports), set[str]()
    while unread := found - followed:
        followed |= unread
        for mailbox_id in unread:
            async for entry in ports.journal.list_entries(mailbox_id, booking_id=booking_id):
                if entry.former_mailbox_id:
                    found.add(entry.former_mailbox_id)
    return found


async def _present_mailboxes(booking_id: str, ports: Ports) -> set[str]:
    """Where a booking's story is told now: by what we remember of it, else by what Dynamics says."""
    known, link = await ports.state.find_known_booking(booking_id), await ports.state.find_link(booking_id)
    found = {known.mailbox_id if known else None}
    if link is not None:
        found |= {link.mailbox_id, link.leftover.mailbox_id if link.leftover else None}
    if found == {None}:
        try:
            booking = await ports.bookings.find_booking(booking_id)
        except SyncError:
            booking = None  # What the journal knows is told also when Dynamics does not answer.
        found.add(booking.mailbox_id if booking else None)
    return {BOOKINGS, *filter(None, found)}


async def _newest(
    mailbox_ids: Iterable[str], ports: Ports, *, booking_id: str | None = None, event_id: str | None = None
) -> tuple[JournalEntry, ...]:
    """The newest entries of some mailboxes together, the latest first."""
    found = await asyncio.gather(
        *(
            _first(ports.journal.list_entries(one, booking_id=booking_id, event_id=event_id), ENTRIES)
            for one in mailbox_ids
        )
    )
    entries = [entry for entries in found for entry in entries]
    return tuple(sorted(entries, key=lambda entry: entry.at, reverse=True)[:ENTRIES])


async def _first(entries: AsyncIterator[JournalEntry], limit: int) -> list[JournalEntry]:
    found: list[JournalEntry] = []
    async for entry in entries:
        found.append(entry)
        if len(found) == limit:
            break
    return found
