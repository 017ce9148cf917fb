"""The commands that change nothing: `status`, `letters`, `journal`."""

import argparse
import json
from collections import Counter
from dataclasses import asdict

from sync import bootstrap
from sync.commands.printing import as_lines, as_text, nothing, print_item


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
    count = 0
    entries = shop.ports.journal.list_entries(
        options.mailbox.lower(),
        event_id=options.event,
        booking_id=options.booking,
        correlation_id=options.correlation,
    )
    async for entry in entries:
        moved = f" {entry.before} -> {entry.after}" if entry.after else ""
        text = f"{as_text(entry.at)}  {entry.action} ({entry.reason}){moved}  booking {entry.booking_id or '-'}"
        print_item(options, asdict(entry), f"{text}  calls {entry.calls}  [{entry.correlation_id}]")
        count += 1
        if count >= options.limit:
            break
    return 0 if count else nothing("The journal has no such entries.")
