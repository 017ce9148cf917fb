"""What many quiet calendars take, as findings. It measures nothing."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from math import log10

from bench.backfill_stage import SERVICE_SECONDS, STORAGE_SECONDS
from bench.findings import Findings, Part, Row, Table, Target, times
from bench.footprint import Footprint, measure_footprint
from bench.scale import BETWEEN_RUNS, RENEWING_TIME, Chore, Scale, measure_scales

MOST_BYTES = 300_000_000
"""What the app's process may hold at its peak."""

SUBSCRIPTION_WRITES = 500
"""Within 20 s, per app and tenant, as others quote Graph's limit; its own page was not seen to say so."""

DATAVERSE_CALLS = 6_000
"""Within 5 minutes, per user and web server (Dataverse documentation, "Service protection API limits")."""

DAY = timedelta(days=1)

NOTE = f"""\
Real: the app's use cases and clients, the listener of the host with the app's host.json in one instance, the \
simulators and their limits. Modelled: a call to Graph or Dataverse takes {SERVICE_SECONDS * 1000:.0f} ms, an \
operation on queues and tables, which are in memory, {STORAGE_SECONDS * 1000:.0f} ms; Graph checks our URLs in no \
time, and computing takes none. Subscribing begins with no subscription and ends when each calendar has been read for \
the first time. The day of renewals is the first on which any are due, played for \
{RENEWING_TIME // timedelta(hours=1)} hours and counted {DAY // RENEWING_TIME} times; upkeep runs every \
{BETWEEN_RUNS // timedelta(minutes=1)} minutes and lists all subscriptions each time. Sweeps are spread by the app: 20 \
mailboxes a second. Growth: per tenfold, from the smallest to the largest; 10x is in proportion."""

FOOTPRINT_NOTE = """\
A process of its own, with function_app imported and the workshop built, that plays the same against stand-ins for \
network and storage, and so holds the contents of the app's tables, too. Computing is the processor time of this \
machine, the stand-ins' share included."""


def measure(*, sizes: Sequence[int]) -> Findings:
    """For each number of mailboxes."""
    scales, footprints = measure_scales(sizes), [measure_footprint(size) for size in sizes]
    return Findings(
        tables=(_chores_table(scales), _footprint_table(footprints)),
        sentence=_sentence(scales[-1], footprints[-1]),
        targets=_targets(footprints[-1]),
    )


PART = Part(
    name="scale",
    thorough=partial(measure, sizes=(100, 1_000, 10_000)),
    quick=partial(measure, sizes=(10, 100)),
)


def _chores_table(scales: Sequence[Scale]) -> Table:
    repeats = DAY // RENEWING_TIME
    rows = [
        *_chore("subscribing all from nothing", scales, lambda one: one.subscribing),
        _row("  time until all are subscribed", [one.subscribed_seconds for one in scales], scales, show=_minutes),
        *_duration("  time until all are swept", scales, lambda one: one.subscribing),
        *_limits(scales, lambda one: one.subscribing),
        *_chore("a day of renewals", scales, lambda one: one.renewing, repeats=repeats),
        *_limits(scales, lambda one: one.renewing),
        *_chore("an idle sweep of all", scales, lambda one: one.sweeping),
        *_duration("  time", scales, lambda one: one.sweeping),
        *_limits(scales, lambda one: one.sweeping),
    ]
    return Table(
        title="Upkeep and sweeps of quiet calendars",
        columns=("", *(f"{one.mailboxes:,}" for one in scales), "growth"),
        rows=tuple(rows),
        ratio_to="a tenth of the mailboxes (growth), and the limits of the services.",
        note=NOTE,
    )


type ChoreOf = Callable[[Scale], Chore]


def _chore(name: str, scales: Sequence[Scale], chore_of: ChoreOf, *, repeats: int = 1) -> Iterator[Row]:
    """All calls of a chore, and its calls by kind; as often as it is to be repeated."""
    chores = [chore_of(one) for one in scales]
    totals = [repeats * sum(chore.calls.values()) for chore in chores]
    yield _row(f"{name}: calls", totals, scales, is_main=True)
    for kind in sorted({kind for chore in chores for kind in chore.calls}):
        yield _row(f"  {kind}", [repeats * chore.calls.get(kind, 0) for chore in chores], scales)
    yield _row("  operations on storage", [repeats * chore.storage for chore in chores], scales)


def _duration(name: str, scales: Sequence[Scale], chore_of: ChoreOf) -> Iterator[Row]:
    yield _row(name, [chore_of(one).seconds for one in scales], scales, show=_minutes)


def _limits(scales: Sequence[Scale], chore_of: ChoreOf) -> Iterator[Row]:
    """How near a chore comes to what the services bear, as far as it comes near at all."""
    chores = [chore_of(one) for one in scales]
    writes = [chore.subscription_writes for chore in chores]
    if any(writes):
        yield _row(f"  subscriptions written in 20 s, of {SUBSCRIPTION_WRITES:,}", writes, scales)
    name = f"  calls to Dataverse in 5 min, of {DATAVERSE_CALLS:,}"
    yield _row(name, [chore.dataverse_calls for chore in chores], scales)
    refused = _row("  refused with 429", [chore.refused for chore in chores], scales)
    yield Row(cells=refused.cells, ends_group=True)


def _row(
    name: str,
    figures: Sequence[float],
    scales: Sequence[Scale | Footprint],
    *,
    show: Callable[[float], str] = "{:,.0f}".format,
    is_main: bool = False,
) -> Row:
    return Row(cells=(name, *map(show, figures), _growth(figures, scales)), is_main=is_main)


def _growth(figures: Sequence[float], scales: Sequence[Scale | Footprint]) -> str:
    """From the smallest to the largest size, per tenfold; nothing where there is nothing to begin with."""
    first, last = figures[0], figures[-1]
    tenfolds = log10(scales[-1].mailboxes / scales[0].mailboxes)
    return times((last / first) ** (1 / tenfolds)) if first and last else ""


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02} min"


def _footprint_table(footprints: Sequence[Footprint]) -> Table:
    def row(name: str, figure: Callable[[Footprint], float], show: Callable[[float], str], **kind: bool) -> Row:
        return _row(name, [figure(one) for one in footprints], footprints, show=show, **kind)

    rows = [
        row("computing: subscribing and first sweep", lambda one: one.subscribing.cpu_seconds, _seconds),
        row("  a mailbox", lambda one: one.subscribing.cpu_seconds / one.mailboxes, _milliseconds),
        row("computing: an idle sweep", lambda one: one.sweeping.cpu_seconds, _seconds),
        row("  a mailbox", lambda one: one.sweeping.cpu_seconds / one.mailboxes, _milliseconds),
        row("computing: upkeep with nothing due", lambda one: one.upkeep.cpu_seconds, _seconds),
        row("  a mailbox", lambda one: one.upkeep.cpu_seconds / one.mailboxes, _milliseconds),
    ]
    if all(one.peak_bytes for one in footprints):
        rows += [
            row("memory when the app stands ready", lambda one: one.ready_bytes or 0, _megabytes),
            row("memory at its peak", lambda one: one.peak_bytes or 0, _megabytes, is_main=True),
        ]
    return Table(
        title="The app's own process",
        columns=("", *(f"{one.mailboxes:,}" for one in footprints), "growth"),
        rows=tuple(rows),
        ratio_to=f"a tenth of the mailboxes (growth); {MOST_BYTES / 1e6:.0f} MB are the most that it may hold.",
        note=FOOTPRINT_NOTE,
    )


def _seconds(figure: float) -> str:
    return f"{figure:.2f} s"


def _milliseconds(figure: float) -> str:
    return f"{figure * 1000:.2f} ms"


def _megabytes(figure: float) -> str:
    return f"{figure / 1e6:.0f} MB"


def _targets(footprint: Footprint) -> tuple[Target, ...]:
    if footprint.peak_bytes is None:
        return ()
    target = Target(
        figure=f"memory with {footprint.mailboxes:,} mailboxes",
        wanted=f"under {MOST_BYTES / 1e6:.0f} MB",
        measured=_megabytes(footprint.peak_bytes),
        is_reached=footprint.peak_bytes < MOST_BYTES,
    )
    return (target,)


def _sentence(scale: Scale, footprint: Footprint) -> str:
    peak = (
        f"{_megabytes(footprint.peak_bytes)} of memory" if footprint.peak_bytes else "memory that cannot be read here"
    )
    return (
        f"{scale.mailboxes:,} mailboxes are subscribed in {_minutes(scale.subscribed_seconds)} and swept for the first "
        f"time in {_minutes(scale.subscribing.seconds)}; an idle sweep of all takes "
        f"{sum(scale.sweeping.calls.values()):,} calls and {_minutes(scale.sweeping.seconds)}, "
        f"{footprint.sweeping.cpu_seconds / footprint.mailboxes * 1000:.1f} ms of computing a mailbox, and {peak}"
    )
