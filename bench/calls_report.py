"""Calls and steps per change as findings. It measures nothing."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from bench.calls import Comparison, Dispatched, compare_bursts, compare_kinds, measure_dispatches
from bench.day import VISITS, Day, measure_days
from bench.findings import Findings, Part, Row, Table, Target, times
from bench.working_day import CHANGES

FLOW_STORES_EVENT_ID = (4, 8)
"""Calls to Graph and to Dataverse: a new event raises up to four notifications, and each costs the flow three calls."""

SWEEPS_A_DAY = 24 * 4
"""As the app sweeps by default: every quarter of an hour, day and night."""

TARGET = 20.0
"""How many times the app's calls the flow's are to be."""

CALLS_NOTE = """\
Per change. Calls: to Graph + to Dataverse, counted by the simulators; "store" are operations on the app's own queues \
and tables. Steps: the flow's actions and triggers as its text names them, 15 for an event born in Outlook, 26 for a \
marked one, 20 to 29 for one that is gone (derived step by step in bench/flow.py); the app's are function invocations. \
Touched: a reminder set, the times as before. Both are shown the same notifications, one a post. ∞ where the app makes \
no call."""

DAY_NOTE = f"""\
{CHANGES} changes in each mailbox, spread over ten hours as bench/working_day.py says, {VISITS} visits in each to \
begin with; notifications in bursts of one to four, some of them repeated. Both run on virtual time; afterwards every \
booking is where its event is. "Only its writes": what is left if the app had to read nothing, which bounds what can \
be saved. "With its sweeps": with the {SWEEPS_A_DAY} sweeps of a day at the default schedule, each as dear as the one \
that was measured after the day; the flow has none, and loses what is lost on its way."""

DISPATCHES_RATIO_TO = """\
the flow that stores a new event's id, where the app writes it from the answer: a new event raises up to four \
notifications, 4+8 calls. What the flow's part from Dynamics to Outlook costs, its text at hand does not tell."""

DISPATCHES_NOTE = """\
Per change, with the echoes of what the app itself then writes; "notifications" are these."""


def measure(*, changes: int, mailboxes: Sequence[int]) -> Findings:
    """Both directions, kind by kind, and a working day of each number of mailboxes, of which the last is to be kept."""
    days = measure_days(mailboxes)
    comparisons, dispatched = asyncio.run(_measure(changes))
    return Findings(
        tables=(_day_table(days), _changes_table(comparisons), _dispatches_table(dispatched)),
        sentence=_sentence(days[-1], dispatched),
        targets=(_target(days[-1]),),
    )


PART = Part(
    name="calls",
    thorough=partial(measure, changes=18, mailboxes=(10, 100, 1_000)),
    quick=partial(measure, changes=4, mailboxes=(2, 8)),
)


async def _measure(changes: int) -> tuple[list[Comparison], list[Dispatched]]:
    comparisons = [*await compare_kinds(changes), *await compare_bursts(changes)]
    return comparisons, await measure_dispatches(changes)


type Figure = Callable[[Day], str]


def _day_table(days: Sequence[Day]) -> Table:
    """A column for each number of mailboxes."""
    figures: list[tuple[str, Figure]] = [
        ("changes", lambda day: f"{day.ours.cost.changes:,}"),
        ("  to private events", lambda day: f"{day.private / day.ours.cost.changes:.0%}"),
        ("notifications a change", lambda day: f"{day.ours.cost.notifications / day.ours.cost.changes:.2f}"),
        ("the app's calls a change", lambda day: _per_change(day.ours.cost.calls, day)),
        *_kinds(days, "Graph", lambda day: day.ours.graph),
        *_kinds(days, "Dataverse", lambda day: day.ours.dataverse),
        ("the flow's calls a change", lambda day: _per_change(day.flow.cost.calls, day)),
        ("  of them to Graph", lambda day: _per_change(day.flow.cost.graph, day)),
        ("the flow's steps, to the app's", lambda day: times(day.flow.cost.steps / day.ours.cost.steps)),
        ("the flow's calls, to the app's", lambda day: times(day_ratio(day))),
        ("  to only its writes", lambda day: times(day.flow.cost.calls / _writes(day))),
        ("  to the app's with its sweeps", lambda day: times(day.flow.cost.calls / _with_sweeps(day))),
    ]
    return Table(
        title="A working day in Outlook",
        columns=("", *(f"{day.mailboxes:,}\nmailboxes" for day in days)),
        rows=tuple(
            Row(cells=(name, *map(show, days)), is_main=name == "the flow's calls, to the app's")
            for name, show in figures
        ),
        ratio_to="the Power Automate flow that the app replaces, on the same day, change for change.",
        note=DAY_NOTE,
    )


def _kinds(days: Sequence[Day], service: str, calls_of: Callable[[Day], Mapping[str, int]]) -> list[tuple[str, Figure]]:
    kinds = sorted({kind for day in days for kind in calls_of(day)})

    def figure(kind: str) -> Figure:
        return lambda day: _per_change(calls_of(day).get(kind, 0), day)

    return [(f"  {service}: {kind}", figure(kind)) for kind in kinds]


def _per_change(count: int, day: Day) -> str:
    return f"{count / day.ours.cost.changes:.3f}"


def day_ratio(day: Day) -> float:
    """The flow's calls to the app's."""
    return day.flow.cost.calls / day.ours.cost.calls


def _writes(day: Day) -> int:
    calls = {**day.ours.graph, **day.ours.dataverse}
    return sum(count for kind, count in calls.items() if not kind.endswith((".get", ".query", ".search")))


def _with_sweeps(day: Day) -> int:
    return day.ours.cost.calls + SWEEPS_A_DAY * day.sweep.cost.calls


def _target(day: Day) -> Target:
    return Target(
        figure="the flow's calls on a working day, to the app's",
        wanted=f"at least {TARGET:.0f}x",
        measured=times(day_ratio(day)),
        is_reached=day_ratio(day) >= TARGET,
    )


def _changes_table(comparisons: Sequence[Comparison]) -> Table:
    return Table(
        title="Calls and steps per change",
        columns=(
            "change",
            "notifi\N{SOFT HYPHEN}cations",
            "app\ncalls",
            "app\nsteps",
            "flow\ncalls",
            "flow\nsteps",
            "calls\nratio",
            "steps\nratio",
            "app\nstore",
        ),
        rows=tuple(map(_row, comparisons)),
        ratio_to="the Power Automate flow that the app replaces, on the same changes.",
        note=CALLS_NOTE,
    )


def _row(comparison: Comparison) -> Row:
    ours, flow, count = comparison.ours, comparison.flow, comparison.ours.changes
    cells = (
        comparison.name,
        f"{ours.notifications / count:.1f}",
        f"{ours.graph / count:.1f}+{ours.dataverse / count:.1f}",
        f"{ours.steps / count:.1f}",
        f"{flow.graph / count:.1f}+{flow.dataverse / count:.1f}",
        f"{flow.steps / count:.0f}",
        times(calls_ratio(comparison)),
        times(flow.steps / ours.steps),
        f"{ours.storage / count:.0f}",
    )
    return Row(cells=cells)


def calls_ratio(comparison: Comparison) -> float:
    """The flow's calls to the app's; infinite where the app makes none."""
    return comparison.flow.calls / comparison.ours.calls if comparison.ours.calls else float("inf")


def _dispatches_table(measured: Sequence[Dispatched]) -> Table:
    rows = []
    for one in measured:
        ours = one.ours
        counts = (ours.webhooks, ours.notifications, ours.graph, ours.dataverse, ours.steps, ours.storage)
        rows.append(Row(cells=(one.kind, *(f"{count / ours.changes:.1f}" for count in counts))))
    return Table(
        title="Calls per change in Dynamics",
        columns=(
            "change",
            "webhooks",
            "notifi\N{SOFT HYPHEN}cations",
            "calls to\nGraph",
            "calls to\nDataverse",
            "app\nsteps",
            "app\nstore",
        ),
        rows=tuple(rows),
        ratio_to=DISPATCHES_RATIO_TO,
        note=DISPATCHES_NOTE,
    )


def _sentence(day: Day, dispatched: Sequence[Dispatched]) -> str:
    per_change = [one.ours.calls / one.ours.changes for one in dispatched]
    ours, flow = day.ours.cost, day.flow.cost
    return (
        f"on a working day of {day.mailboxes:,} mailboxes and {ours.changes:,} changes the flow makes {flow.calls:,} "
        f"calls in {flow.steps:,} steps, the app {ours.calls:,} in {ours.steps:,}: {times(day_ratio(day))} the calls, "
        f"{times(flow.steps / ours.steps)} the steps. Changes in Dynamics take {min(per_change):.1f} to "
        f"{max(per_change):.1f} calls; of the flow's, up to {sum(FLOW_STORES_EVENT_ID)} are known for a new booking"
    )
