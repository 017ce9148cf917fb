"""The last chapter: what the story cost, beside what the replaced Power Automate flow would have spent on it.

The flow is acted out (`bench.flow`) in this process, on simulators of its own, for the very changes of the story and
with bursts of the same size; the simulators count its calls. The app's calls are those of the story itself.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.flow_stage import FlowStage
from bench.playing import Cost, Player
from local.demo.chapter import Chapter, sum_calls
from local.demo.page import Page
from local.demo.stage import BURST
from local.switchboard import WorldClock

MOST_CALLS_FOR_A_CHANGE = 6
"""Of the dearest one, a booking that changes calendars: read, made, named, removed, and the echo of that looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One chapter on the bill."""

    name: str
    changes: int
    app_graph: int
    app_dataverse: int
    flow_graph: int
    flow_dataverse: int
    flow_steps: int

    @property
    def app_calls(self) -> int:
        return self.app_graph + self.app_dataverse

    @property
    def flow_calls(self) -> int:
        return self.flow_graph + self.flow_dataverse

    def row(self) -> tuple[str, ...]:
        app, flow = _pair(self.app_graph, self.app_dataverse), _pair(self.flow_graph, self.flow_dataverse)
        return self.name, str(self.changes), app, flow, str(self.flow_steps)


def what_it_cost(page: Page, from_outlook: Sequence[Chapter], from_dynamics: Sequence[Chapter]) -> None:
    """Tell it. The flow went from Outlook to Dynamics only, so only that half of the story is compared with it."""
    page.chapter(
        "What it cost",
        f"""Calls to Graph + to Dataverse, counted by the simulators. Beside them, those of the Power Automate flow that
        the app replaces, replayed on the same changes with the same bursts of {BURST}, and the steps that it runs.""",
    )
    with page.waiting("replaying the flow"):
        costs = asyncio.run(_replay(from_outlook))
    lines = [_line(chapter, cost) for chapter, cost in zip(from_outlook, costs, strict=True)]
    total = _total(lines)
    headings = ("", "changes", "the app", "the flow", "its steps")
    page.table(headings, [line.row() for line in [*lines, total]], numbers=True)
    app, flow = (calls / total.changes for calls in (total.app_calls, total.flow_calls))
    page.holds(
        total.app_calls * 3 <= total.flow_calls,
        f"{app:.1f} calls per change, where the flow makes {flow:.1f} in {total.flow_steps / total.changes:.0f} steps: "
        f"{flow / app:.1f} times as many",
        total,
    )
    _show_the_other_half(page, from_dynamics)


def _show_the_other_half(page: Page, chapters: Sequence[Chapter]) -> None:
    page.text("The changes from Dynamics, and from both sides at once, which that flow has no part in:")
    rows = [(one.name, one.changes, one.calls) for one in chapters]
    rows.append(("together", sum(one.changes for one in chapters), sum_calls(*(one.calls for one in chapters))))
    shown = [(name, str(changes), _pair(calls.graph_count, calls.dataverse_count)) for name, changes, calls in rows]
    page.table(("", "changes", "the app"), shown, numbers=True)
    _, changes, calls = rows[-1]
    each = (calls.graph_count + calls.dataverse_count) / changes
    page.holds(each <= MOST_CALLS_FOR_A_CHANGE, f"{each:.1f} calls per change", calls)


async def _replay(chapters: Sequence[Chapter]) -> list[Cost]:
    """The flow's cost of each chapter."""
    flow_stage = FlowStage({"batch": False, "burst": BURST, "repeat": 0.0}, WorldClock().now())
    await flow_stage.start()
    player = Player(flow_stage)
    ids: dict[str | None, str] = {}
    costs = []
    for chapter in chapters:
        for played in chapter.played:
            change = played.change
            # An event that was made in the story has another id in the flow's world
            event = await player.play(replace(change, event_id=ids.get(change.event_id, change.event_id)))
            if played.made_id is not None:
                ids[played.made_id] = event["id"]
        for forged in chapter.forged:
            await flow_stage.flow.run(forged)
        costs.append(player.read_meter())
    return costs


def _pair(graph: int, dataverse: int) -> str:
    return f"{graph} + {dataverse}"


def _line(chapter: Chapter, cost: Cost) -> _Line:
    return _Line(
        name=chapter.name,
        changes=cost.changes,
        app_graph=chapter.calls.graph_count,
        app_dataverse=chapter.calls.dataverse_count,
        flow_graph=cost.graph,
        flow_dataverse=cost.dataverse,
        flow_steps=cost.steps,
    )


def _total(lines: Sequence[_Line]) -> _Line:
    return _Line(
        name="together",
        changes=sum(line.changes for line in lines),
        app_graph=sum(line.app_graph for line in lines),
        app_dataverse=sum(line.app_dataverse for line in lines),
        flow_graph=sum(line.flow_graph for line in lines),
        flow_dataverse=sum(line.flow_dataverse for line in lines),
        flow_steps=sum(line.flow_steps for line in lines),
    )
