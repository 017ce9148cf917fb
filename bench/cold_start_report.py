"""A cold start as findings. It measures nothing."""

from functools import partial

from bench.cold_start import ColdStart, measure_cold_start
from bench.findings import Findings, Part, Row, Table, Target, times

MOST = 1.3
"""What the import is to take at most, as a ratio to an empty app's with the same packages."""

NOTE = """\
Medians of fresh processes with compiled files. Import: of function_app, and of what the door needs, which the app \
builds. First answer: from the start of the Functions host, at whose port a notification waits, until it answers 202; \
the app has then written the queue. The same packages: azure.functions and azure.storage.queue.aio."""


def measure(*, runs: int) -> Findings:
    """See `measure_cold_start`."""
    return findings_of(measure_cold_start(runs=runs))


def findings_of(measured: ColdStart) -> Findings:
    return Findings(tables=(_table(measured),), sentence=_sentence(measured), targets=(_target(measured),))


PART = Part(name="cold-start", thorough=partial(measure, runs=9), quick=partial(measure, runs=3))


def _table(measured: ColdStart) -> Table:
    imports = (
        ("empty function, same packages", measured.empty_with_queue_client),
        ("empty function, azure.functions alone", measured.empty),
    )
    return Table(
        title="Cold start",
        columns=("", "median ms", "app's ratio to it"),
        rows=(
            _main_row("import: the app, door built", measured.door),
            *(_row(f"import: {name}", seconds, measured.door) for name, seconds in imports),
            _main_row("first answer: the app", measured.first_acknowledged),
            _row("first answer: empty function, same packages", measured.first_empty, measured.first_acknowledged),
        ),
        ratio_to="apps of one empty function that import what they cannot do without.",
        note=NOTE,
    )


def _main_row(name: str, seconds: float) -> Row:
    return Row(cells=(name, f"{seconds * 1000:.0f}", ""), is_main=True)


def _row(name: str, seconds: float, ours: float) -> Row:
    return Row(cells=(name, f"{seconds * 1000:.0f}", times(ours / seconds)))


def _target(measured: ColdStart) -> Target:
    ratio = measured.door / measured.empty_with_queue_client
    return Target(
        figure="import, to an empty app with the same packages",
        wanted=f"at most {MOST}x",
        measured=times(ratio),
        is_reached=ratio <= MOST,
    )


def _sentence(measured: ColdStart) -> str:
    return (
        f"imported in {measured.door * 1000:.0f} ms, {times(measured.door / measured.empty_with_queue_client)} an "
        f"empty app with the same packages; the first notification is acknowledged "
        f"{measured.first_acknowledged * 1000:.0f} ms after the start of its host, "
        f"{times(measured.first_acknowledged / measured.first_empty)} an empty function's first answer"
    )
