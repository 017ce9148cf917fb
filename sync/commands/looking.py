"""The commands that change nothing: `status`, `letters`, `journal`."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict

from sync import bootstrap
from sync.commands.printing import as_lines, as_text, nothing, print_item
from sync.core.journal import JournalEntry
from sync.core.mailboxes import BOOKINGS
from sync.service.ports import Ports


async def status(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    """Everything that a person should look at, and what is well."""
    state = shop.ports.state
    subscriptions = [one async for one in state.list_subscription_records()]
    troubled = [one for one in subscriptions if one.standing != "active"]
    next_end = min((one.expires_at for one in subscriptions if one.expires_at), default=None)
    report = {
        "queues": await bootstrap.queue_lengths(),
        "subscriptions": dict(Counter(str(one.standing) for one in subscriptions)),
        "next subscription to end": next_end,
        "subscriptions in trouble": [f"{one.mailbox_id}: {one.standing}, {one.reason}" for one in troubled],
        "quarantined": [
            f"{one.mailbox_id}: {one.reason}, next probe {as_text(one.probe_at)}"
            async for one in state.list_quarantines()
        ],
        "breakers holding": [
            f"{one.mailbox_id}: {one.held} deletions since {as_text(one.held_since)}"
            async for one in state.list_breakers()
            if one.held_since
        ],
        "dead letters": dict(Counter([letter.error_class async for letter in shop.ports.dead_letters.list_letters()])),
    }
    if options.json:
        print(json.dumps(report, default=as_text))
        return 0
    for name, value in report.items():
        print(f"{name}: {as_lines(value)}")
    return 0


async def letters(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    found = [one async for one in shop.ports.dead_letters.list_letters(error_class=options.error_class)]
    for letter in found:
        print_item(options, asdict(letter), f"{letter.letter_id}  {letter.error_class}  {as_text(letter.at)}")
        if not options.json:
            print(f"    mailbox {letter.mailbox_id or '-'}  [{letter.correlation_id}]")
            print(f"    {letter.reason}\n    mend: {letter.mend}")
    return 0 if found else nothing("There are no such dead letters.")


async def journal(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    """What happened in a mailbox; without one, to a booking, as far as it is known where that is."""
    if options.mailbox is None and options.booking is None:
        print("Whose story? Name a mailbox, or a booking by --booking.", file=sys.stderr)
        return 2
    entries = await _newest_entries(options, shop.ports)
    for entry in entries:
        moved = f" {entry.before} -> {entry.after}" if entry.after else ""
        text = f"{as_text(entry.at)}  {entry.action} ({entry.reason}){moved}  booking {entry.booking_id or '-'}"
        print_item(options, asdict(entry), f"{text}  calls {entry.calls}  [{entry.correlation_id}]")
    if entries:
        return 0
    hint = "" if options.mailbox else " Of a booking that is gone, or was another technician's, name the mailbox, too."
    return nothing(f"The journal has no such entries.{hint}")


async def _newest_entries(options: argparse.Namespace, ports: Ports) -> list[JournalEntry]:
    """The entries that are asked for, of all mailboxes that come into question together, newest first."""
    booking_id = options.booking and options.booking.lower()
    mailbox_ids = {options.mailbox.lower()} if options.mailbox else await _mailboxes_of(booking_id, ports)
    found: list[JournalEntry] = []
    for mailbox_id in mailbox_ids:
        entries = ports.journal.list_entries(
            mailbox_id, event_id=options.event, booking_id=booking_id, correlation_id=options.correlation
        )
        found += await _first(entries, options.limit)
    return sorted(found, key=lambda entry: entry.at, reverse=True)[: options.limit]


async def _first(entries: AsyncIterator[JournalEntry], limit: int) -> list[JournalEntry]:
    found = []
    async for entry in entries:
        found.append(entry)
        if len(found) >= limit:
            break
    return found


async def _mailboxes_of(booking_id: str, ports: Ports) -> set[str]:
    """In whose stories the journal tells of a booking: by what we remember of it, else by what Dynamics says."""
    known, link = await ports.state.find_known_booking(booking_id), await ports.state.find_link(booking_id)
    found = {known.mailbox_id if known else None}
    if link is not None:
        found |= {link.mailbox_id, link.leftover.mailbox_id if link.leftover else None}
    if found == {None} and (booking := await ports.bookings.find_booking(booking_id)) is not None:
        found.add(booking.mailbox_id)
    return {BOOKINGS, *filter(None, found)}
