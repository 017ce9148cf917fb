"""`python -m sync`: what an administrator does by hand. Reads the same settings as the app.

Exit codes: 0 done, 1 there was nothing to do it to, 2 wrong usage, unusable settings or not confirmed, 3 a service
failed or is not ready, or the doctor found a failure, 130 interrupted.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence

from sync import bootstrap
from sync.commands.backfill import backfill
from sync.commands.conflicts import conflicts
from sync.commands.diagnose import KINDS, diagnose
from sync.commands.doctor import doctor, tell_bad_settings
from sync.commands.help_texts import TeachingFormatter, describe
from sync.commands.looking import journal, letters
from sync.commands.ordering import release, replay, resync, sweep
from sync.commands.remove import remove
from sync.commands.setup import setup
from sync.commands.status import status
from sync.commands.subscriptions import subscriptions
from sync.core.errors import ConfigurationError, SyncError, TransientError
from sync.setting_values import guid

type Command = Callable[[argparse.Namespace, bootstrap.Workshop], Awaitable[int]]

_EPILOG = """\
Mailboxes are named by Entra object id. COMMAND --help says what a command changes, with examples.
Exit codes: 0 done, 1 nothing to do it to, 2 wrong usage, unusable settings or not confirmed,
3 a service failed or is not ready, 130 interrupted.

first steps:
  python -m sync doctor                        is everything as it should be?
  python -m sync status                        how is the sync doing?
  python -m sync journal --booking BOOKING     what happened to this visit?
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_run(options))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our lines has seen enough, as `| head` does; nothing must be flushed to them at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ConfigurationError as error:
        if options.command is doctor:
            return tell_bad_settings(options, error)
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
        code = await command(options, bootstrap.workshop())
        sys.stdout.flush()  # Where nobody reads any more, it is to be noticed here.
    finally:
        await bootstrap.close()
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sync",
        description=__doc__.splitlines()[0] if __doc__ else "",
        epilog=_EPILOG,
        formatter_class=TeachingFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command) -> argparse.ArgumentParser:
        told = describe(name)
        one = commands.add_parser(
            name, help=told.text, description=told.description, epilog=told.epilog, formatter_class=TeachingFormatter
        )
        # Also behind the command, where it must not undo what was said in front of it.
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, one object a line")
        one.set_defaults(command=command)
        return one

    _add_looking(add)
    _add_mending(add)
    _add_installing(add)
    return parser


type _Add = Callable[[str, Command], argparse.ArgumentParser]


def _add_looking(add: _Add) -> None:
    add("status", status)
    heard = add("subscriptions", subscriptions)
    heard.add_argument("--troubled", action="store_true", help="only those that a person should look at")
    checkup = add("doctor", doctor)
    checkup.add_argument("--app", metavar="CLIENT_ID", type=guid, help="the app's identity, where it is not yours")
    checkup.add_argument("--canary", metavar="MAILBOX", help="also send a test booking around, in this mailbox")
    why = add("diagnose", diagnose)
    why.add_argument("kind", choices=KINDS, help="what the record is")
    why.add_argument("record", help="its id, or the address of its form in Dynamics")
    story = add("journal", journal)
    story.add_argument("mailbox", nargs="?", help="Entra object id; with --booking it may be left out")
    story.add_argument("--event", help="only this event id")
    story.add_argument("--booking", help="only this booking id")
    story.add_argument("--correlation", help="only the item with this correlation id")
    story.add_argument("--limit", type=int, default=50, help="at most so many rows (default 50)")
    dead = add("letters", letters)
    dead.add_argument("--class", dest="error_class", help="only those of this error class")


def _add_mending(add: _Add) -> None:
    lost = add("conflicts", conflicts)
    lost.add_argument("--mailbox", help="only of this mailbox (Entra object id)")
    lost.add_argument("--booking", help="only of this booking id")
    lost.add_argument("--all", action="store_true", help="also those whose other side was taken")
    lost.add_argument("--limit", type=int, default=50, help="at most so many (default 50)")
    lost.add_argument("--take", metavar="ID", help="give both sides the value that lost in this conflict")
    lost.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    anew = add("resync", resync)
    anew.add_argument("mailbox", help="Entra object id")
    again = add("replay", replay)
    which = again.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", dest="letter_id", help="the one with this id")
    which.add_argument("--class", dest="error_class", help="all of this error class")
    which.add_argument("--all", action="store_true", help="all of them")
    now = add("sweep", sweep)
    now.add_argument("mailbox", nargs="*", help="Entra object ids; none for every wanted mailbox, quarantined ones too")
    now.add_argument("--full", action="store_true", help="forget the cursor and read the whole window")
    let_go = add("release", release)
    let_go.add_argument("mailbox", help="Entra object id; bookings for the breaker of the whole table")


def _add_installing(add: _Add) -> None:
    install = add("setup", setup)
    install.add_argument("--dry-run", action="store_true", help="show what would be done, and do nothing")
    install.add_argument("--renew-secret", action="store_true", help="write the webhook's secret again")
    install.add_argument("--no-backfill", dest="backfill", action="store_false", help="do not begin the backfill")
    install.add_argument("--no-wait", dest="wait", action="store_false", help="do not watch the backfill")
    fill = add("backfill", backfill)
    fill.add_argument("--restart", action="store_true", help="begin anew instead of where an earlier one stood")
    fill.add_argument("--no-wait", dest="wait", action="store_false", help="return when all is queued")
    uninstall = add("remove", remove)
    uninstall.add_argument("--dry-run", action="store_true", help="show what would be done, and do nothing")
    uninstall.add_argument(
        "--events", choices=("leave", "remove"), required=True, help="what becomes of the events in the calendars"
    )
    uninstall.add_argument("--yes", action="store_true", help="do not ask for confirmation")


if __name__ == "__main__":
    sys.exit(main())
