"""What a chapter is, and what all of them tell in the same way."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local.demo.page import Page
from local.demo.stage import Calls, DemoStage, Played
from sync.core.journal import JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """What the bill is made out for: what was changed, and what the app called for it.

    `played` was done in Outlook, `forged` sent by a stranger; `dispatched` so many changes were made in Dynamics.
    """

    name: str
    calls: Calls
    played: tuple[Played, ...] = ()
    forged: tuple[dict[str, Any], ...] = ()
    dispatched: int = 0

    @property
    def changes(self) -> int:
        return len(self.played) + self.dispatched


type Teller = Callable[[DemoStage, Page], Chapter]
"""Plays a chapter on the stage and tells what was seen."""


def journal_lines(entries: Sequence[JournalEntry]) -> list[str]:
    """Entries without the times and ids that a story can do without, equal ones as one line."""
    lines = Counter(
        f"{entry.action} ({entry.reason}): "
        + (", ".join(f"{count} {kind}" for kind, count in entry.calls.items()) or "no call")
        for entry in entries
    )
    return [line if times == 1 else f"{line}, {times} times" for line, times in lines.items()]


def sum_calls(*all_calls: Calls) -> Calls:
    graph, dataverse = Counter[str](), Counter[str]()
    for calls in all_calls:
        graph.update(calls.graph)
        dataverse.update(calls.dataverse)
    return Calls(graph=dict(graph), dataverse=dict(dataverse))
