"""The backfill as findings, a column for each fleet of instances. It measures nothing."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from bench.app_process import AppProcess, measure_app_process
from bench.backfill import PATIENCE, Backfill, Fleet, Load, measure_backfills
from bench.backfill_stage import SERVICE_SECONDS, STORAGE_SECONDS
from bench.findings import Findings, Part, Row, Table, times
from sync.adapters.graph_sending import REQUESTS_PER_MAILBOX

MAXIMUM_INSTANCES = 40
"""As docs/deploy.md sets it for Azure."""

VISITS = 25
"""Of each technician."""

NOTE = f"""\
Real: the command, the app's use cases and clients, the host's listener with the app's host.json (up to 24 messages at \
once in an instance), the simulators and their limits. Modelled: a call to Graph or Dataverse takes \
{SERVICE_SECONDS * 1000:.0f} ms, an operation on queues and tables, which are in memory, \
{STORAGE_SECONDS * 1000:.0f} ms; Dataverse has one web server; computing takes no time. Unpaced: as the app was before \
it learnt from refusals how fast it may go on. Asked is also what was refused: an instance has at most \
{REQUESTS_PER_MAILBOX} requests to a mailbox under way, but nothing bounds all instances together, and where more of \
them meet, Graph refuses what is over its limit. Computing is real, and the simulators' own is in it."""

RATIO_TO = """\
what Dataverse bears: the time that the calls take at the rate which its limit allows for ever, 6,000 in 5 minutes; \
and the services' limits."""

type Fact = tuple[str, Callable[[Backfill], str]]


def measure(*, mailboxes: int, fleets: Sequence[Fleet], weeks: int) -> Findings:
    """A company's first day, and so many weeks of the sample's visits on real parts."""
    measured = measure_backfills(mailboxes=mailboxes, visits=VISITS, fleets=fleets)
    process = measure_app_process(weeks=weeks)
    return Findings(tables=(_table(measured, process),), sentence=_sentence(measured))


PART = Part(
    name="backfill",
    thorough=partial(
        measure,
        mailboxes=200,
        fleets=(
            Fleet(instances=1),
            Fleet(instances=MAXIMUM_INSTANCES),
            Fleet(instances=MAXIMUM_INSTANCES, is_paced=False),
        ),
        weeks=2,
    ),
    quick=partial(measure, mailboxes=8, fleets=(Fleet(instances=1), Fleet(instances=2)), weeks=1),
)


def _table(measured: Sequence[Backfill], process: AppProcess | None) -> Table:
    one = measured[0]
    return Table(
        title=f"Backfill of {one.bookings:,} bookings in {one.mailboxes:,} mailboxes",
        columns=("", *map(_fleet, measured)),
        rows=tuple(Row(cells=(name, *map(show, measured))) for name, show in _facts(measured)),
        ratio_to=RATIO_TO,
        note=f"{NOTE}\n{_process_sentence(process)}",
    )


def _facts(measured: Sequence[Backfill]) -> list[Fact]:
    return [
        ("time until it was done", _time),
        ("  to what Dataverse bears", lambda one: times(one.seconds / one.least_seconds)),
        ("bookings left without an event", lambda one: f"{one.left:,}"),
        ("command broken off and given again", lambda one: str(one.restarts)),
        *_calls("Graph", measured, lambda one: one.graph),
        *_calls("Dataverse", measured, lambda one: one.dataverse),
        *_limits("Graph", "in 10 min", " of a mailbox", lambda one: one.graph),
        *_limits("Dataverse", "in 5 min", "", lambda one: one.dataverse),
        ("computing, a booking", lambda one: f"{one.cpu_seconds / one.bookings * 1000:.0f} ms"),
    ]


def _calls(service: str, measured: Sequence[Backfill], load_of: Callable[[Backfill], Load]) -> list[Fact]:
    kinds = sorted({kind for one in measured for kind in load_of(one).calls})

    def count(kind: str) -> Callable[[Backfill], str]:
        return lambda one: f"{load_of(one).calls.get(kind, 0):,}"

    total: Fact = (f"calls to {service}", lambda one: f"{sum(load_of(one).calls.values()):,}")
    refused: Fact = ("  refused with 429", lambda one: f"{load_of(one).refused:,}")
    return [total, *((f"  {kind}", count(kind)) for kind in kinds), refused]


def _limits(service: str, window: str, lane: str, load_of: Callable[[Backfill], Load]) -> list[Fact]:
    """What was asked beside what the service bears. Of one `lane`, where it limits each by itself."""

    def in_window(one: Backfill) -> str:
        return _share(load_of(one).in_window, load_of(one).most_in_window)

    def at_once(one: Backfill) -> str:
        return _share(load_of(one).at_once, load_of(one).most_at_once)

    return [(f"{service}: most asked{lane} {window}", in_window), (f"{service}: most asked{lane} at once", at_once)]


def _share(reached: int, allowed: int) -> str:
    return f"{reached:,} of {allowed:,}, {reached / allowed:4.0%}"


def _time(one: Backfill) -> str:
    return _minutes(one.seconds) if not one.left else f"not in {_minutes(PATIENCE.total_seconds())}"


def _minutes(seconds: float) -> str:
    """`6:53 min`."""
    return f"{timedelta(seconds=round(seconds)) // timedelta(minutes=1)}:{round(seconds) % 60:02} min"


def _fleet(one: Backfill) -> str:
    number = one.fleet.instances
    return f"{number} instance{'s' if number > 1 else ''}{'' if one.fleet.is_paced else ', unpaced'}"


def _process_sentence(process: AppProcess | None) -> str:
    if process is None:
        return "The app's own process is measured on Linux only."
    return (
        f"The app's own process, on real parts (Functions host, Azurite, {process.bookings} bookings): "
        f"{process.peak_bytes / 1e6:.0f} MB at its peak, {process.cpu_seconds / process.bookings * 1000:.0f} ms of "
        "computing a booking, its echoes included."
    )


def _sentence(measured: Sequence[Backfill]) -> str:
    parts = [
        f"{_time(one)} on {_fleet(one)}, {times(one.seconds / one.least_seconds)} what Dataverse's limit allows, "
        f"{one.graph.refused + one.dataverse.refused:,} refused calls"
        for one in measured
    ]
    return f"{measured[0].bookings:,} bookings in {'; '.join(parts)}"
