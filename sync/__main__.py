"""`python -m sync`: what an administrator does by hand. Reads the same settings as the app.

Exit codes: 0 done, 1 there was nothing to do it to, 2 wrong usage, unusable settings or not confirmed, 3 a service
failed or is not ready, 130 interrupted.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence

from sync import bootstrap
from sync.commands.backfill import backfill
from sync.commands.looking import journal, letters, status
from sync.commands.ordering import release, replay, sweep
from sync.commands.remove import remove
from sync.commands.setup import setup
from sync.core.errors import ConfigurationError, SyncError, TransientError

type Command = Callable[[argparse.Namespace, bootstrap.Workshop], Awaitable[int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_run(options))
    except KeyboardInterrupt:
        return 130
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

    _add_installing(add)
    _add_running(add)
    return parser


type _Add = Callable[[str, Command, str], argparse.ArgumentParser]


def _add_installing(add: _Add) -> None:
    install = add("setup", setup, "bring into Dataverse what the app needs there; the first time, begin the backfill")
    install.add_argument("--dry-run", action="store_true", help="show what would be done, and do nothing")
    install.add_argument("--renew-secret", action="store_true", help="write the webhook's secret again")
    install.add_argument("--no-backfill", dest="backfill", action="store_false", help="do not begin the backfill")
    install.add_argument("--no-wait", dest="wait", action="store_false", help="do not watch the backfill")
    fill = add("backfill", backfill, "have the app look at every booking of the window, and watch")
    fill.add_argument("--restart", action="store_true", help="begin anew instead of where an earlier one stood")
    fill.add_argument("--no-wait", dest="wait", action="store_false", help="return when all is queued")
    uninstall = add("remove", remove, "take out of Dataverse what setup made")
    uninstall.add_argument("--dry-run", action="store_true", help="show what would be done, and do nothing")
    uninstall.add_argument(
        "--events", choices=("leave", "remove"), required=True, help="what becomes of the events in the calendars"
    )
    uninstall.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def _add_running(add: _Add) -> None:
    add("status", status, "show queues, subscriptions, quarantine, breakers and dead letters")
    dead = add("letters", letters, "list the dead letters, with reason and mend")
    dead.add_argument("--class", dest="error_class", help="only those of this error class")
    again = add("replay", replay, "give dead letters another life")
    which = again.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", dest="letter_id", help="the one with this id")
    which.add_argument("--class", dest="error_class", help="all of this error class")
    which.add_argument("--all", action="store_true", help="all of them")
    now = add("sweep", sweep, "queue a sweep of mailboxes now")
    now.add_argument("mailbox", nargs="*", help="Entra object ids; none for every wanted mailbox, quarantined ones too")
    now.add_argument("--full", action="store_true", help="forget the cursor and read the whole window")
    let_go = add("release", release, "let a held breaker pass deletions for an hour, and replay what it held")
    let_go.add_argument("mailbox", help="Entra object id; bookings for the breaker of the whole table")
    story = add("journal", journal, "tell what happened in a mailbox or to a booking, newest first")
    story.add_argument("mailbox", nargs="?", help="Entra object id; with --booking it may be left out")
    story.add_argument("--event", help="only this event id")
    story.add_argument("--booking", help="only this booking id")
    story.add_argument("--correlation", help="only the item with this correlation id")
    story.add_argument("--limit", type=int, default=50, help="at most so many rows (default 50)")


if __name__ == "__main__":
    sys.exit(main())
