"""The measurements as tables for a terminal of 80 columns or more, and as closing sentences. It measures nothing."""

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from bench.acknowledging import Acknowledging
from bench.calls import Comparison, Dispatched
from bench.cold_start import ColdStart
from bench.figures import Times
from bench.latency import Latency
from bench.tables import new_table, show_table, times

MICROSOFT_SYNC_SECONDS = 10 * 60
"""Field Service's own sync goes from Dynamics to Outlook, "every 10 to 15 minutes" (Dynamics 365 documentation)."""

FLOW_STORES_EVENT_ID = (4, 8)
"""Calls to Graph and to Dataverse: a new event raises up to four notifications, and each costs the flow three calls."""

CALLS_NOTE = """\
Per change. Calls: to Graph + to Dataverse, counted by the simulators; "store" are operations on the app's own queues \
and tables. Steps: the flow's actions and triggers as its text names them, 15 for an event born in Outlook, 26 for a \
marked one, 20 to 29 for one that is gone (derived step by step in bench/flow.py); the app's are function invocations. \
Touched: a reminder set, the times as before. Both are shown the same notifications, one a post. Ratios are the flow's \
to the app's; ∞ where the app makes no call."""

DISPATCHES_NOTE = """\
Per change, with the echoes of what the app itself then writes; "notifications" are these. What the flow's part from \
Dynamics to Outlook costs, its text at hand does not tell. It tells that a new event raises up to four notifications: \
4+8 calls merely to store the event's id in its booking, which here is written from the answer."""

ACKNOWLEDGING_NOTE = """\
Ratio: the door's time over the sum of an empty function's and a raw queue put's. A genuine notification about one \
event each. Functions host, Azurite and the connections share this machine's cores, so that at 16 connections the sum \
counts some waiting twice, and the door may stay below it."""

LATENCY_NOTE = """\
To Dynamics: from the technician's PATCH to the booking written. To Outlook: from the dispatcher's PATCH, or every \
other time POST, to the event written or made. Over real HTTP. The settle time, for which an item waits so that a \
burst becomes one, is part of it; so is the host's polling of its queue (1 s at most). 10 min: Microsoft's own sync \
to Outlook takes 10 to 15, and there is none to Dynamics."""

COLD_START_NOTE = """\
Fresh interpreter, compiled files: import of function_app, and of what the door needs, which the app builds. The same \
packages: azure.functions and azure.storage.queue.aio."""


def machine(now: datetime) -> str:
    """What the figures were measured on, and when."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}{load}, "
        f"{now:%Y-%m-%d %H:%M} UTC"
    )


def show_calls(console: Console, comparisons: Sequence[Comparison]) -> None:
    """A row for each trace; the last one, which sums up, apart."""
    table = new_table("Calls and steps per change", gap=0)
    table.add_column("change", no_wrap=True)
    headings = "notifi-\ncations,app\ncalls,app\nsteps,flow\ncalls,flow\nsteps,calls\nratio,steps\nratio,app\nstore"
    for heading in headings.split(","):
        table.add_column(heading, justify="right", no_wrap=True)
    for comparison in comparisons:
        ours, flow, count = comparison.ours, comparison.flow, comparison.ours.changes
        is_last = comparison is comparisons[-1]
        table.add_row(
            comparison.name,
            f"{ours.notifications / count:.1f}",
            f"{ours.graph / count:.1f}+{ours.dataverse / count:.1f}",
            f"{ours.steps / count:.1f}",
            f"{flow.graph / count:.1f}+{flow.dataverse / count:.1f}",
            f"{flow.steps / count:.0f}",
            times(calls_ratio(comparison)),
            times(flow.steps / ours.steps),
            f"{ours.storage / count:.0f}",
            style="bold" if is_last else "",
        )
    show_table(console, table, CALLS_NOTE)


def show_dispatches(console: Console, measured: Sequence[Dispatched]) -> None:
    table = new_table("Calls per change in Dynamics")
    table.add_column("change", no_wrap=True)
    for heading in (
        "webhooks",
        "notifi-\ncations",
        "calls to\nGraph",
        "calls to\nDataverse",
        "app\nsteps",
        "app\nstore",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in measured:
        ours = one.ours
        counts = (ours.webhooks, ours.notifications, ours.graph, ours.dataverse, ours.steps, ours.storage)
        table.add_row(one.kind, *(f"{count / ours.changes:.1f}" for count in counts))
    show_table(console, table, DISPATCHES_NOTE)


def calls_ratio(comparison: Comparison) -> float:
    """The flow's calls to the app's; infinite where the app makes none."""
    return comparison.flow.calls / comparison.ours.calls if comparison.ours.calls else float("inf")


def show_acknowledging(console: Console, measured: Sequence[Acknowledging]) -> None:
    table = new_table("Acknowledging a notification")
    table.add_column("connections", justify="right")
    table.add_column("operation", no_wrap=True)
    for name in ("per second", "p50 ms", "p99 ms", "ratio p50", "p99"):
        table.add_column(name, justify="right")
    for one in measured:
        rows = (("graph_notifications", one.door), ("empty function", one.empty), ("raw queue put", one.put))
        for name, measure in rows:
            is_ours = measure is one.door
            ratios = [times(one.ratio(percent)) if is_ours else "" for percent in (50, 99)]
            table.add_row(
                str(one.connections) if is_ours else "",
                name,
                f"{measure.per_second:.0f}",
                *_milliseconds(measure, 50, 99),
                *ratios,
                style="bold" if is_ours else "",
                end_section=measure is one.put,
            )
    show_table(console, table, ACKNOWLEDGING_NOTE)


def show_latency(console: Console, measured: Sequence[Latency]) -> None:
    table = new_table("From one side to the other")
    for name in ("", "settle time", "changes", "p50", "p95", "p50 beyond\nsettle time", "10 min\nto p95"):
        table.add_column(name, justify="right" if name else "left")
    for one in measured:
        for direction, taken in (("to Dynamics", one.to_dynamics), ("to Outlook", one.to_outlook)):
            p50, p95 = (taken.percentile(percent) for percent in (50, 95))
            table.add_row(
                direction,
                f"{one.settle_seconds:g} s",
                str(len(taken.seconds)),
                f"{p50:.2f} s",
                f"{p95:.2f} s",
                f"{p50 - one.settle_seconds:.2f} s",
                times(MICROSOFT_SYNC_SECONDS / p95),
                end_section=taken is one.to_outlook,
            )
    show_table(console, table, LATENCY_NOTE)


def show_cold_start(console: Console, measured: ColdStart) -> None:
    table = new_table("Import of the acknowledging path")
    table.add_column("process", no_wrap=True)
    table.add_column("median ms", justify="right")
    table.add_column("app's ratio to it", justify="right")
    table.add_row("the app, door built", f"{measured.door * 1000:.0f}", "", style="bold")
    for name, seconds in (
        ("empty function, same packages", measured.empty_with_queue_client),
        ("empty function, azure.functions alone", measured.empty),
    ):
        table.add_row(name, f"{seconds * 1000:.0f}", times(measured.door / seconds))
    show_table(console, table, COLD_START_NOTE)


def calls_sentence(day: Comparison, dispatched: Sequence[Dispatched]) -> str:
    per_change = [one.ours.calls / one.ours.changes for one in dispatched]
    return (
        f"on a working day's mix of {day.ours.changes} changes the flow makes {day.flow.calls} calls in "
        f"{day.flow.steps} steps, the app {day.ours.calls} in {day.ours.steps}: {times(calls_ratio(day))} the calls, "
        f"{times(day.flow.steps / day.ours.steps)} the steps. Changes in Dynamics take {min(per_change):.1f} to "
        f"{max(per_change):.1f} calls; of the flow's, up to {sum(FLOW_STORES_EVENT_ID)} are known for a new booking"
    )


def acknowledging_sentence(measured: Sequence[Acknowledging]) -> str:
    parts = [
        f"{times(one.ratio(50))} (p50) and {times(one.ratio(99))} (p99) at {one.connections} "
        f"connection{'s' if one.connections > 1 else ''}, {one.door.per_second:.0f}/s"
        for one in measured
    ]
    return f"takes, against an empty function and a raw queue put, {'; '.join(parts)}"


def latency_sentence(measured: Sequence[Latency]) -> str:
    parts = [
        f"with a settle time of {one.settle_seconds:g} s to Dynamics {_p50_and_p95(one.to_dynamics)}, to Outlook "
        f"{_p50_and_p95(one.to_outlook)}"
        for one in measured
    ]
    ten = times(MICROSOFT_SYNC_SECONDS / measured[0].to_outlook.percentile(95))
    return f"{'; '.join(parts)}. Microsoft's sync to Outlook takes 10 to 15 minutes: {ten} the first p95, or more"


def _p50_and_p95(taken: Times) -> str:
    return f"{taken.percentile(50):.1f} s (p50) and {taken.percentile(95):.1f} s (p95)"


def cold_start_sentence(measured: ColdStart) -> str:
    return (
        f"{measured.door * 1000:.0f} ms, {times(measured.door / measured.empty_with_queue_client)} an "
        f"empty app with the same packages, {times(measured.door / measured.empty)} one with azure.functions alone"
    )


def show_summary(console: Console, sentences: Mapping[str, str]) -> None:
    """One sentence for each part that was measured, by the part's name."""
    rows = Table.grid(padding=(0, 1))
    rows.add_column(no_wrap=True, style="bold")
    rows.add_column()
    for name, sentence in sentences.items():
        rows.add_row(name, sentence)
    console.print("\n[bold]In short[/]")
    console.print(Padding(rows, (0, 0, 0, 2)))


def _milliseconds(measured: Times, *percents: int) -> list[str]:
    return [f"{measured.percentile(percent) * 1000:.1f}" for percent in percents]
