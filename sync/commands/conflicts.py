"""`conflicts`: what both sides changed, which value stands, and taking the one that lost."""

import argparse
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict

from sync import bootstrap
from sync.commands.console import Console, console_for
from sync.commands.noting import note_command
from sync.commands.printing import as_text, nothing, print_item
from sync.core.conflicts import Conflict, Side, Taking
from sync.service.conflicts import NotTaken, list_conflicts, take_other_side
from sync.service.outcome import span_text

CONFIRMATION = "take"

_TOLD = {
    Taking.TAKEN: "Taken: the booking has it now, and its event follows within seconds.",
    Taking.UNDER_WAY: "Taken before: the booking has it, and its event is about to follow.",
    Taking.ALREADY: "There is nothing to do: both sides have it already.",
}


async def conflicts(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    if options.take:
        return await take(options.take.lower(), options, shop, console_for(options))
    listed = list_conflicts(
        shop.ports,
        mailbox_id=options.mailbox and options.mailbox.lower(),
        booking_id=options.booking and options.booking.lower(),
        is_open=not options.all,
    )
    count = 0
    async for conflict in _first(listed, options.limit):
        print_item(options, asdict(conflict), _text(conflict))
        count += 1
    if not count:
        return nothing("There are no conflicts." if options.all else "There are no conflicts left to look at.")
    return 0


async def take(conflict_id: str, options: argparse.Namespace, shop: bootstrap.Workshop, console: Console) -> int:
    """Show the conflict, ask, and take its other side."""
    conflict = await shop.ports.journal.find_conflict(conflict_id)
    if conflict is None:
        return nothing("There is no such conflict. List them: python -m sync conflicts --all")
    console.say(_text(conflict))
    console.say(f"\nTo do: give the booking and its event what {_name(conflict.winner.other)} had.")
    if not (options.yes or console.is_confirmed(CONFIRMATION)):
        print("Not confirmed: nothing was changed. (--yes does without asking.)", file=sys.stderr)
        return 2
    typed = f"conflicts --take {conflict_id}"
    await note_command(typed, shop.ports, mailbox_id=conflict.mailbox_id, booking_id=conflict.booking_id)
    try:
        taking = await take_other_side(conflict_id, shop.ports, shop.rules)
    except NotTaken as refusal:
        console.emit({"conflict_id": conflict_id, "outcome": "not-taken", "reason": refusal.reason})
        return nothing(f"Not taken: {refusal.reason}\n{refusal.mend}")
    console.emit({"conflict_id": conflict_id, "outcome": taking})
    console.say(_TOLD[taking])
    return 0


async def _first(listed: AsyncIterator[Conflict], limit: int) -> AsyncIterator[Conflict]:
    count = 0
    async for conflict in listed:
        if count >= limit:
            return
        yield conflict
        count += 1


def _text(conflict: Conflict) -> str:
    taken = f"  taken {as_text(conflict.taken_at)}" if conflict.taken_at else ""
    return "\n".join(
        (
            f"{conflict.conflict_id}  {as_text(conflict.at)}  {conflict.reason}{taken}",
            f"    booking {conflict.booking_id}  mailbox {conflict.mailbox_id}  [{conflict.correlation_id}]",
            f"    stands  {_name(conflict.winner):<9} {span_text(conflict.stands)}",
            f"    lost    {_name(conflict.winner.other):<9} {span_text(conflict.lost)}",
        )
    )


def _name(side: Side) -> str:
    return side.capitalize()
