"""`python -m sync`: what an administrator does by hand. Reads the same settings as the app.

Exit codes: 0 done, 1 there was nothing to do it to, 2 wrong usage or unusable settings, 3 a service failed.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sync import bootstrap
from sync.core.errors import ConfigurationError, SyncError, TransientError
from sync.core.model import DeadLetter, MailboxJob, Source
from sync.service.breaker import release
from sync.service.disposal import replay
from sync.service.ports import Ports
from sync.service.sweeping import mailbox_task, queue_sweeps

type Command = Callable[[argparse.Namespace, bootstrap.Workshop], Awaitable[int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_run(options))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except TransientError as error:
        print(f"{error.reason}\nTry again later.", file=sys.stderr)
        return 3
    except SyncError as error:
        print(f"{error.reason}\n{error.mend}", file=sys.stderr)
        return 3


async def _run(options: argparse.Namespace) -> int:
    try:
        command: Command = options.command
        return await command(options, bootstrap.workshop())
    finally:
        await bootstrap.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sync", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.set_defaults(command=command)
        return one

    add("status", _status, "show queues, subscriptions, quarantine, breakers and dead letters")
    letters = add("letters", _letters, "list the dead letters, with reason and mend")
    letters.add_argument("--class", dest="error_class", help="only those of this error class")
    again = add("replay", _replay, "give dead letters another life")
    which = again.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", dest="letter_id", help="the one with this id")
    which.add_argument("--class", dest="error_class", help="all of this error class")
    which.add_argument("--all", action="store_true", help="all of them")
    sweep = add("sweep", _sweep, "queue a sweep of mailboxes now")
    sweep.add_argument(
        "mailbox", nargs="*", help="Entra object ids; none for every wanted mailbox, quarantined ones too"
    )
    sweep.add_argument("--full", action="store_true", help="forget the cursor and read the whole window")
    let_go = add("release", _release, "let a held breaker pass deletions for an hour, and replay what it held")
    let_go.add_argument("mailbox", help="Entra object id")
    story = add("journal", _journal, "tell what happened in a mailbox, newest first")
    story.add_argument("mailbox", help="Entra object id")
    story.add_argument("--event", help="only this event id")
    story.add_argument("--booking", help="only this booking id")
    story.add_argument("--correlation", help="only the item with this correlation id")
    story.add_argument("--limit", type=int, default=50, help="at most so many rows (default 50)")
    return parser


async def _status(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
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
            f"{one.mailbox_id}: {one.reason}, next probe {_text(one.probe_at)}"
            async for one in state.list_quarantines()
        ],
        "breakers holding": [
            f"{one.mailbox_id}: {one.held} deletions since {_text(one.held_since)}"
            async for one in state.list_breakers()
            if one.held_since
        ],
        "dead letters": dict(Counter([letter.error_class async for letter in shop.ports.dead_letters.list_letters()])),
    }
    if options.json:
        print(json.dumps(report, default=_text))
        return 0
    for name, value in report.items():
        print(f"{name}: {_plain(value)}")
    return 0


async def _letters(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    found = [one async for one in shop.ports.dead_letters.list_letters(error_class=options.error_class)]
    for letter in found:
        _print(options, asdict(letter), f"{letter.letter_id}  {letter.error_class}  {_text(letter.at)}")
        if not options.json:
            print(f"    mailbox {letter.mailbox_id or '-'}  [{letter.correlation_id}]")
            print(f"    {letter.reason}\n    mend: {letter.mend}")
    return 0 if found else _nothing("There are no such dead letters.")


async def _replay(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    letters = await _chosen_letters(options, shop.ports)
    for letter in letters:
        await replay(letter, shop.ports)
    if not letters:
        return _nothing("There are no such dead letters.")
    _print(options, {"replayed": len(letters)}, f"Replayed {len(letters)}.")
    return 0


async def _chosen_letters(options: argparse.Namespace, ports: Ports) -> list[DeadLetter]:
    if options.letter_id:
        letter = await ports.dead_letters.find_letter(options.letter_id)
        return [letter] if letter else []
    return [one async for one in ports.dead_letters.list_letters(error_class=options.error_class)]


async def _sweep(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    count = len(options.mailbox)
    for mailbox_id in options.mailbox:
        task = mailbox_task(
            mailbox_id.lower(), MailboxJob.SWEEP, shop.ports, source=Source.REPLAY, is_full=options.full
        )
        await shop.ports.queue.put(task)
    if not options.mailbox:
        count = await queue_sweeps(shop.ports, shop.rules, source=Source.REPLAY, is_full=options.full)
    _print(options, {"queued": count}, f"Queued {count} sweeps.")
    return 0


async def _release(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    mailbox_id = options.mailbox.lower()
    breaker = await release(mailbox_id, shop.ports)
    held = [
        one
        async for one in shop.ports.dead_letters.list_letters(error_class="BreakerHeld")
        if one.mailbox_id == mailbox_id
    ]
    for letter in held:
        await replay(letter, shop.ports)
    await shop.ports.queue.put(mailbox_task(mailbox_id, MailboxJob.SWEEP, shop.ports, source=Source.REPLAY))
    text = f"Released until {_text(breaker.released_until)}; replayed {len(held)} and queued a sweep."
    _print(options, {"released_until": breaker.released_until, "replayed": len(held)}, text)
    return 0


async def _journal(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    count = 0
    entries = shop.ports.journal.list_entries(
        options.mailbox.lower(),
        event_id=options.event,
        booking_id=options.booking,
        correlation_id=options.correlation,
    )
    async for entry in entries:
        moved = f" {entry.before} -> {entry.after}" if entry.after else ""
        text = f"{_text(entry.at)}  {entry.action} ({entry.reason}){moved}  booking {entry.booking_id or '-'}"
        _print(options, asdict(entry), f"{text}  calls {entry.calls}  [{entry.correlation_id}]")
        count += 1
        if count >= options.limit:
            break
    return 0 if count else _nothing("The journal has no such entries.")


def _print(options: argparse.Namespace, data: dict[str, Any], text: str) -> None:
    print(json.dumps(data, default=_text) if options.json else text)


def _nothing(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


def _text(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else str(value)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "".join(f"\n  {line}" for line in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or "none"
    return "none" if value is None else _text(value)


if __name__ == "__main__":
    sys.exit(main())
