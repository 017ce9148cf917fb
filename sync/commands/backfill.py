"""`backfill`: have the app look at every booking of the window, and show how far it has come."""

import argparse
import asyncio

from sync import bootstrap
from sync.commands.console import Console, bar, console_for, roughly
from sync.commands.noting import note_command
from sync.commands.printing import as_text
from sync.core.mailboxes import Backfill
from sync.core.work import BOOKING_CHANGES_QUEUE
from sync.service.backfilling import Drain, QueueLength, Walk, find_unfinished, queue_bookings, watch_queue


async def backfill(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    console = console_for(options)
    await note_command("backfill --restart" if options.restart else "backfill", shop.ports)
    return await run_backfill(shop, console, changes_waiting, restarts=options.restart, waits=options.wait)


async def changes_waiting() -> int:
    """About how many booking changes the app has before it."""
    return (await bootstrap.queue_lengths())[BOOKING_CHANGES_QUEUE]


async def run_backfill(
    shop: bootstrap.Workshop, console: Console, queue_length: QueueLength, *, restarts: bool, waits: bool
) -> int:
    """Queue what is to be looked at and, if it `waits`, watch until it is done."""
    earlier = None if restarts else await find_unfinished(shop.ports, queue_length)
    if earlier is not None:
        console.say(_going_on(earlier))
    walk: Walk | None = None
    drain: Drain | None = None
    try:
        async for walk in queue_bookings(earlier, shop.ports, shop.rules):
            if not walk.is_over:
                console.progress(f"Queued {walk.backfill.queued:,} bookings so far.")
        assert walk is not None
        console.say(f"Queued {walk.backfill.queued:,} bookings; {walk.skipped:,} are up to date.")
        if waits:
            async for drain in watch_queue(walk.backfill.queued, queue_length, shop.ports, sleep=console.sleep):
                console.progress(_standing(drain))
    except asyncio.CancelledError:
        console.say(_broken_off(walk))
        raise
    _tell_end(console, walk, drain)
    return 0


def _going_on(earlier: Backfill) -> str:
    where = "all are queued" if earlier.next_link is None else f"{earlier.queued:,} are queued so far"
    return f"Going on with the backfill of {as_text(earlier.began_at)}: {where}. (--restart begins anew.)"


def _standing(drain: Drain) -> str:
    if drain.is_stalled:
        left = "nothing has been taken for a minute: is the app running?"
    else:
        left = "" if drain.time_left is None else f"about {roughly(drain.time_left)} left"
    counts = f"{drain.done:,} of {drain.queued:,} done, {drain.waiting:,} waiting"
    return f"{bar(drain.done, drain.queued)} {counts}{left and ', '}{left}"


def _broken_off(walk: Walk | None) -> str:
    if walk is not None and walk.is_over:
        return "All are queued: the app goes on by itself. To look again: python -m sync backfill"
    return "Not all are queued yet. What is queued, the app does by itself; to queue the rest: python -m sync backfill"


def _tell_end(console: Console, walk: Walk, drain: Drain | None) -> None:
    if drain is None:
        console.say("The app works them off by itself. To watch: python -m sync backfill")
    else:
        console.say("Done. What could not be done is among the dead letters: python -m sync status")
    console.emit(
        {
            "queued": walk.backfill.queued,
            "skipped": walk.skipped,
            "waiting": drain.waiting if drain else None,
            "is_done": drain is not None,
        }
    )
