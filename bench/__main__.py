"""`./dev bench`: all measurements in one run, each figure beside one that it is to be compared with."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from rich.console import Console

from bench import backfill_report, report
from bench.acknowledging import measure_acknowledging
from bench.app_process import measure_app_process
from bench.backfill import measure_backfills
from bench.calls import Comparison, compare_bursts, compare_day, compare_kinds, measure_dispatches
from bench.cold_start import measure_cold_start
from bench.errors import MeasurementFailed
from bench.latency import measure_latency
from local.azurite import AzuriteMissingError
from local.child import ChildFailedError

MAXIMUM_INSTANCES = 40
"""As docs/deploy.md sets it for Azure."""

VISITS = 25
"""Of each technician, in a backfill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    changes: int
    day: int
    operations: int
    rounds: int
    crossings: int
    starts: int
    mailboxes: int
    instances: tuple[int, ...]
    weeks: int


THOROUGH = Size(
    changes=20,
    day=200,
    operations=150,
    rounds=3,
    crossings=20,
    starts=9,
    mailboxes=200,
    instances=(1, MAXIMUM_INSTANCES),
    weeks=2,
)
QUICK = Size(changes=4, day=20, operations=20, rounds=1, crossings=4, starts=3, mailboxes=8, instances=(1, 2), weeks=1)

type Part = Callable[[Console, Size], str]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    # The technician without a mailbox is reported at every start
    logging.getLogger("sync").setLevel(logging.CRITICAL)
    console = Console(highlight=False)
    size = QUICK if options.quick else THOROUGH
    console.print(report.machine(datetime.now(UTC)))
    try:
        sentences = {name: PARTS[name](console, size) for name in options.part or PARTS}
    except (AzuriteMissingError, ChildFailedError, MeasurementFailed) as error:
        console.print(f"./dev bench: {error}", style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    report.show_summary(console, sentences)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look in half a minute; too short for firm figures")
    parser.add_argument("part", nargs="*", metavar="PART", help=f"only these of {', '.join(PARTS)}")
    options = parser.parse_args(arguments)
    if unknown := set(options.part) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return options


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _calls(console: Console, size: Size) -> str:
    async def compare() -> list[Comparison]:
        kinds, bursts = await compare_kinds(size.changes), await compare_bursts(size.changes)
        return [*kinds, *bursts, await compare_day(size.day)]

    comparisons = asyncio.run(compare())
    report.show_calls(console, comparisons)
    dispatched = asyncio.run(measure_dispatches(size.changes))
    report.show_dispatches(console, dispatched)
    return report.calls_sentence(comparisons[-1], dispatched)


def _acknowledging(console: Console, size: Size) -> str:
    measured = measure_acknowledging(operations=size.operations, rounds=size.rounds)
    report.show_acknowledging(console, measured)
    return report.acknowledging_sentence(measured)


def _latency(console: Console, size: Size) -> str:
    measured = [measure_latency(settle_seconds=settle, changes=size.crossings) for settle in (3, 0)]
    report.show_latency(console, measured)
    return report.latency_sentence(measured)


def _cold_start(console: Console, size: Size) -> str:
    measured = measure_cold_start(runs=size.starts)
    report.show_cold_start(console, measured)
    return report.cold_start_sentence(measured)


def _backfill(console: Console, size: Size) -> str:
    measured = measure_backfills(mailboxes=size.mailboxes, visits=VISITS, instances=size.instances)
    process = measure_app_process(weeks=size.weeks)
    backfill_report.show_backfills(console, measured, process)
    return backfill_report.backfill_sentence(measured)


PARTS: dict[str, Part] = {
    "calls": _calls,
    "acknowledging": _acknowledging,
    "latency": _latency,
    "cold-start": _cold_start,
    "backfill": _backfill,
}


if __name__ == "__main__":
    sys.exit(main())
