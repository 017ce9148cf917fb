"""`./dev simulate`: plays random histories of a tenant and holds the claims against each."""

import argparse
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simulation.exercised import missing, show_exercised
from simulation.farm import Farm
from simulation.history import History
from simulation.mutation_run import show_mutations
from simulation.mutations import MUTATIONS
from simulation.planning import plan_history
from simulation.play import Report
from simulation.shrinking import shrink

HISTORIES = 500
MOST_FAILURES_SHOWN = 5
MOST_FAILURES_SHRUNK = 2


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets must not depend on the process, or a seed would not say everything.
        os.execve(
            sys.executable, [sys.executable, "-m", "simulation", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(highlight=False, soft_wrap=True)
    try:
        if options.mutations is not None:
            seeds = range(options.first, options.first + options.histories)
            return show_mutations(console, options.mutations, seeds, options.workers)
        with Farm(1 if options.seed is not None else options.workers) as farm:
            if options.seed is not None:
                return _replay(console, farm, plan_history(options.seed), is_shrunk=options.shrink)
            seeds = range(options.first, options.first + options.histories)
            return _play_many(console, farm, seeds, is_shrunk=not options.as_found)
    except KeyboardInterrupt:
        console.print("stopped")
        return 130


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev simulate", description=__doc__)
    parser.add_argument("--histories", type=int, default=HISTORIES, help=f"how many (default {HISTORIES})")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the seed of the first one (default 0)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes at work (default: cores)")
    parser.add_argument("--as-found", action="store_true", help="show failing histories as they are, not shrunk")
    parser.add_argument("--seed", type=int, help="tell the history of this seed step by step instead")
    parser.add_argument(
        "--mutations",
        nargs="*",
        choices=MUTATIONS,
        metavar="NAME",
        help="break the app on purpose, in these ways or in all, and see what notices it",
    )
    parser.add_argument("--shrink", action="store_true", help="with --seed: shrink it first, if it fails")
    return parser.parse_args(arguments)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _replay(console: Console, farm: Farm, history: History, *, is_shrunk: bool) -> int:
    report = farm.play(history)
    if is_shrunk and report.broken:
        history = shrink(history, farm.play)
        report = farm.play(history)
    _tell(console, history, report)
    return 1 if report.broken else 0


def _tell(console: Console, history: History, report: Report) -> None:
    console.print(f"seed {history.seed}: {len(history.acts)} acts, {len(history.troubles)} troubles", markup=False)
    for name in ("skew_seconds", "instances", "clock_offsets", "graph", "dataverse", "choices"):
        if value := asdict(history)[name]:
            console.print(f"  {name}: {value}", markup=False)
    for line in report.story:
        console.print(line, markup=False)
    for sentence in report.broken or ["every claim holds"]:
        console.print(sentence, markup=False, style="red" if report.broken else "green")


def _play_many(console: Console, farm: Farm, seeds: Sequence[int], *, is_shrunk: bool) -> int:
    failed: list[Report] = []
    seen: Counter[str] = Counter()
    calls = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("histories", total=len(seeds))
        for report in farm.play_all(plan_history(seed) for seed in seeds):
            progress.advance(task)
            seen.update(report.seen)
            calls += report.calls
            if report.broken:
                failed.append(report)
                progress.update(task, description=f"histories, {len(failed)} broken")
    show_exercised(console, seen)
    for report in sorted(failed, key=lambda report: report.seed)[:MOST_FAILURES_SHOWN]:
        console.print(f"\n./dev simulate --seed {report.seed}", style="bold")
        for sentence in report.broken:
            console.print(f"  {sentence}", markup=False, style="red")
    if is_shrunk:
        for report in sorted(failed, key=lambda report: report.seed)[:MOST_FAILURES_SHRUNK]:
            console.print(f"\nThe shortest history found from seed {report.seed}:", style="bold")
            history = shrink(plan_history(report.seed), farm.play)
            _tell(console, history, farm.play(history))
    left_out = missing(seen)
    if left_out:
        console.print(f"never happened: {', '.join(left_out)}", markup=False)
    console.print(f"{len(seeds)} histories, {calls} calls to the services, {len(failed)} broken", style="bold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
