"""`remove`: take out of Dataverse what `setup` made and, if that is wanted, the app's events out of the calendars."""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from sync import bootstrap
from sync.commands.console import Console, bar, console_for
from sync.commands.noting import note_command
from sync.commands.planning import as_data, show_plan
from sync.commands.printing import nothing
from sync.commands.setup import wanted_of
from sync.core.errors import PermanentError
from sync.core.registration import INTAKE, Part, PlanEntry
from sync.core.registration_plan import kept_parts, plan_removal
from sync.service.installing import Environment, carry_out
from sync.service.withdrawing import Withdrawal, end_subscriptions, forget_rounds, is_kept, remove_events

STOP_FIRST = "Stop the app first: while it runs, it makes subscriptions and events anew."

_ALWAYS_KEPT = (
    "subscriptions in Graph that are not ours to see: they end by themselves within a week",
    "the app's tables in the storage account: they go with the account",
)


async def remove(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    chosen = bootstrap.settings()
    removal = Removal(
        shop,
        bootstrap.environment(),
        wanted_of(chosen, everything=True),
        console_for(options),
        removes_events=options.events == "remove",
    )
    return await removal.run(
        host=urlsplit(chosen.dataverse_url).netloc, is_dry_run=options.dry_run, is_confirmed=options.yes
    )


class Removal:
    """One removal: shown, confirmed, carried out. The intake goes first, then the events, then where they are named."""

    def __init__(
        self,
        shop: bootstrap.Workshop,
        environment: Environment,
        wanted: Sequence[Part],
        console: Console,
        *,
        removes_events: bool,
    ) -> None:
        self._shop = shop
        self._environment = environment
        self._wanted = wanted
        self._console = console
        self._removes_events = removes_events

    async def run(self, *, host: str, is_dry_run: bool, is_confirmed: bool) -> int:
        """The exit code. `host` is what a person types to confirm."""
        found = await self._environment.read(self._wanted)
        plan = plan_removal(self._wanted, found)
        links = [link async for link in self._shop.ports.state.list_links()]
        removable = sum(not is_kept(link, self._shop.ports, self._shop.rules) for link in links)
        subscriptions = await self._count_subscriptions()
        if not (plan or subscriptions or (self._removes_events and removable)):
            return nothing("There is nothing to remove.")
        self._show(plan, kept_parts(self._wanted, found), removable, len(links) - removable, subscriptions)
        if is_dry_run:
            for entry in plan:
                self._console.emit(as_data(entry, self._environment, "planned"))
            self._console.say("Nothing was changed (--dry-run).")
            return 0
        if not (is_confirmed or self._console.is_confirmed(host)):
            self._console.say("Not confirmed: nothing was changed.")
            return 2
        await note_command(f"remove --events {'remove' if self._removes_events else 'leave'}", self._shop.ports)
        try:
            return await self._carry_out(plan)
        except asyncio.CancelledError:
            self._console.say("What is gone is gone. Run remove again: it goes on from here.")
            raise

    async def _count_subscriptions(self) -> int:
        """Those that can be ended as whoever runs this: Graph shows each app its own, and may show a person none."""
        try:
            return sum([1 async for _ in self._shop.ports.calendar.list_subscriptions()])
        except PermanentError:
            return 0

    def _show(
        self, plan: Sequence[PlanEntry], kept: Sequence[str], removable: int, past: int, subscriptions: int
    ) -> None:
        intake = [entry for entry in plan if entry.part.kind in INTAKE]
        schema = [entry for entry in plan if entry.part.kind not in INTAKE]
        say = self._console.say
        say(f"{STOP_FIRST}\n\nTo do, in this order:\n")
        show_plan(intake, self._environment, self._console)
        say(f"Delete {subscriptions:,} subscriptions in Graph.")
        if self._removes_events:
            say(f"Delete {removable:,} events from the calendars; {past:,} of visits that are over stay.\n")
        else:
            say("Leave all events in the calendars.\n")
        show_plan(schema, self._environment, self._console, first=len(intake) + 1)
        say("What stays:")
        for one in (*kept, *_ALWAYS_KEPT):
            say(f"  - {one}")
        say()

    async def _carry_out(self, plan: Sequence[PlanEntry]) -> int:
        await self._carry_out_entries([entry for entry in plan if entry.part.kind in INTAKE])
        if await self._count_subscriptions():
            left = await end_subscriptions(self._shop.ports)
            self._console.say("done       delete the subscriptions in Graph")
            self._list(left, "These mailboxes keep a subscription, which ends by itself within a week:")
        if self._removes_events and (remaining := (await self._remove_events()).left):
            self._list(remaining, "The events of these mailboxes could not be deleted:")
            self._console.say(
                "So columns and solution stay for now. Run remove again when the mailboxes answer, or with "
                "--events leave to leave these events where they are."
            )
            self._console.emit({"is_done": False, "left": remaining})
            return 3
        await forget_rounds(self._shop.ports)
        await self._carry_out_entries([entry for entry in plan if entry.part.kind not in INTAKE])
        self._console.say("The app is out of Dataverse.")
        self._console.emit({"is_done": True, "left": {}})
        return 0

    async def _carry_out_entries(self, entries: Sequence[PlanEntry]) -> None:
        def done(entry: PlanEntry) -> None:
            self._console.say(f"done       {entry.title}")
            self._console.emit(as_data(entry, self._environment, "done"))

        await carry_out(entries, self._wanted, self._environment, done)

    async def _remove_events(self) -> Withdrawal:
        def moved(so_far: Withdrawal) -> None:
            total = so_far.total - so_far.kept
            self._console.progress(f"{bar(so_far.removed, total)} {so_far.removed:,} of {total:,} events deleted")

        ended = await remove_events(self._shop.ports, self._shop.rules, sleep=self._console.sleep, moved=moved)
        self._console.say(f"done       delete {ended.removed:,} events from the calendars")
        return ended

    def _list(self, mailboxes: Mapping[str, str], heading: str) -> None:
        if mailboxes:
            self._console.say(heading)
        for mailbox_id, reason in sorted(mailboxes.items()):
            self._console.say(f"  - {mailbox_id}: {reason}")
