"""The commands that read letters and journal, and change nothing."""

import argparse
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict

from sync import bootstrap
from sync.commands.printing import as_text, nothing, print_item
from sync.core.journal import JournalEntry
from sync.service.ports import Ports
from sync.service.story import mailboxes_of


async def letters(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    found = [one async for one in shop.ports.dead_letters.list_letters(error_class=options.error_class)]
    for letter in found:
        print_item(options, asdict(letter), f"{letter.letter_id}  {letter.error_class}  {as_text(letter.at)}")
        if not options.json:
            print(f"    mailbox {letter.mailbox_id or '-'}  [{letter.correlation_id}]")
            print(f"    {letter.reason}\n    mend: {letter.mend}")
    return 0 if found else nothing("There are no such dead letters.")


async def journal(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    """What happened in a mailbox; without one, to a booking, in whosever calendar it was."""
    if options.mailbox is None and options.booking is None:
        print("Whose story? Name a mailbox, or a booking by --booking.", file=sys.stderr)
        return 2
    entries = await _newest_entries(options, shop.ports)
    for entry in entries:
        moved = f" {entry.before} -> {entry.after}" if entry.after else ""
        where = "" if options.mailbox else f"  mailbox {entry.mailbox_id}"
        came = f", before of {entry.former_mailbox_id}" if entry.former_mailbox_id else ""
        text = f"{as_text(entry.at)}  {entry.action} ({entry.reason}){moved}  booking {entry.booking_id or '-'}"
        print_item(options, asdict(entry), f"{text}{where}{came}  calls {entry.calls}  [{entry.correlation_id}]")
    if entries:
        return 0
    hint = "" if options.mailbox else " Of a booking that is gone, name the mailbox, too."
    return nothing(f"The journal has no such entries.{hint}")


async def _newest_entries(options: argparse.Namespace, ports: Ports) -> list[JournalEntry]:
    """The entries that are asked for, of all mailboxes that come into question together, newest first."""
    booking_id = options.booking and options.booking.lower()
    mailbox_ids = {options.mailbox.lower()} if options.mailbox else await mailboxes_of(booking_id, ports)
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
