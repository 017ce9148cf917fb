"""`setup`: bring into Dataverse what the app needs there. Everything is shown before it is done."""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sync import bootstrap
from sync.commands.backfill import changes_waiting, run_backfill
from sync.commands.console import Console, console_for
from sync.commands.noting import note_command
from sync.commands.planning import as_data, show_plan
from sync.core.answer_table import ANSWER_PARTS
from sync.core.errors import SyncError, TransientError
from sync.core.reconcile import OnDeletion
from sync.core.registration import Part, PlanEntry, wanted_parts
from sync.core.subscriptions import key_of
from sync.service.backfilling import is_called_for
from sync.service.installing import Environment, Survey, install, survey
from sync.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupOptions:
    is_dry_run: bool = False
    renews_secret: bool = False
    client_id: str | None = None
    deletes_bookings: bool = False


async def setup(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    chosen, console = bootstrap.settings(), console_for(options)
    console.say(f"Environment      {chosen.dataverse_url}")
    code = await run_setup(
        bootstrap.environment(),
        wanted_of(chosen),
        console,
        SetupOptions(
            is_dry_run=options.dry_run,
            renews_secret=options.renew_secret,
            client_id=chosen.identity_client_id,
            deletes_bookings=chosen.rules.policy.on_deletion is OnDeletion.DELETE,
        ),
    )
    if code or options.dry_run or not options.backfill or not await is_called_for(shop.ports):
        return code
    await note_command("setup's backfill", shop.ports)
    console.say("\nBackfill: the app looks at every booking of the window.")
    return await run_backfill(shop, console, changes_waiting, restarts=False, waits=options.wait)


def wanted_of(chosen: Settings, *, everything: bool = False) -> tuple[Part, ...]:
    """What is to be in Dataverse; `everything` also names what the settings do not ask for, and may have before."""
    return wanted_parts(webhook_url(chosen), ANSWER_PARTS if everything or chosen.rules.reads_answers else ())


def webhook_url(chosen: Settings) -> str:
    """Where Dataverse calls us. It names the secret, so that a rotation shows: the secret itself cannot be read."""
    return f"{chosen.public_url}/api/dataverse/bookings?key={key_of(chosen.webhook_secrets[0])}"


async def run_setup(environment: Environment, wanted: Sequence[Part], console: Console, options: SetupOptions) -> int:
    """Look, show, do. Answers the exit code."""
    seen = await survey(
        environment,
        wanted,
        client_id=options.client_id,
        deletes_bookings=options.deletes_bookings,
        renews_secret=options.renews_secret,
    )
    _show(seen, environment, console)
    if seen.problems:
        _show_problems(seen, console)
        return 3
    if options.is_dry_run:
        for entry in seen.plan:
            console.emit(as_data(entry, environment, "planned"))
        console.say("Nothing was changed (--dry-run).")
        return 0
    await _install(seen, wanted, environment, console)
    console.say("Dataverse is set up." if seen.plan else "There is nothing to do.")
    return 0


def _show(seen: Survey, environment: Environment, console: Console) -> None:
    console.say(f"You are          user {seen.user_id}")
    console.say(f"The app will be  {f'user {seen.app_user_id}' if seen.app_user_id else 'nobody yet'}")
    for note in seen.notes:
        console.say(f"Note             {note}")
    console.say()
    for part in seen.there:
        console.say(f"was there  {part.title}")
    if seen.there:
        console.say()
    if seen.plan:
        console.say("To do, in this order:\n")
        show_plan(seen.plan, environment, console)


def _show_problems(seen: Survey, console: Console) -> None:
    console.say("First mend this; nothing was changed:")
    for problem in seen.problems:
        console.say(f"  - {problem}")
    console.emit({"problems": list(seen.problems)})


async def _install(seen: Survey, wanted: Sequence[Part], environment: Environment, console: Console) -> None:
    planned = {entry.part.title: as_data(entry, environment, "done") for entry in seen.plan}

    def done(entry: PlanEntry) -> None:
        console.say(f"done       {entry.title}")
        console.emit(planned[entry.part.title])

    def waiting(status: str) -> None:
        console.progress(f"waiting    for the key's index, which Dataverse builds in the background: {status}")

    try:
        await install(
            seen.plan,
            wanted,
            environment,
            clock=console.clock,
            sleep=console.sleep,
            done=done,
            waiting=waiting,
        )
    except asyncio.CancelledError:
        console.say("What is done is done. Run setup again: it goes on from here.")
        raise
    except SyncError as error:
        if not isinstance(error, TransientError):
            console.say("What is done is done; the rest was not begun.")
        raise
