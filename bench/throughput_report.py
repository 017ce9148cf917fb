"""Throughput against the services' own limits, as findings. It measures nothing."""

from collections.abc import Sequence
from functools import partial

from bench.backfill_stage import SERVICE_SECONDS, STORAGE_SECONDS
from bench.company import Company
from bench.findings import Findings, Part, Row, Table, Target
from bench.throughput import Stream, Throughput, measure_throughputs
from bench.traffic import Doing

LEAST_SHARE = 0.9
"""Of the Dataverse limit, which is to be used at least."""

STORM = 0.01
"""Of the calls, refused: more is a storm."""

_MOVES = (Doing.MOVES_EVENT, Doing.MOVES_BOOKING)

NOTE = f"""\
To Dataverse: visits in 100 mailboxes are moved, in Outlook and in Dynamics by turns, and each move costs Dataverse \
one call; 25 a second are offered where 20 are allowed (6,000 in 5 minutes). To Graph: a technician's own calendar is \
changed 20 times a second where 16.7 are allowed (10,000 in 10 minutes for each mailbox), and each change costs a \
read. Refusals count as a storm from {STORM:.0%} of the calls on. Unpaced: as the app was before it learnt from \
refusals how fast it may go on. The queue grows meanwhile: nobody could follow.
On virtual time. Real: the app's use cases and clients, the host's listener with the app's host.json, the simulators \
and their limits. Modelled: a call to Graph or Dataverse takes {SERVICE_SECONDS * 1000:.0f} ms, an operation on queues \
and tables {STORAGE_SECONDS * 1000:.0f} ms, computing none. Dataverse has one web server."""


def measure(*, streams: Sequence[Stream]) -> Findings:
    """See `measure_throughputs`."""
    return findings_of(measure_throughputs(streams))


def findings_of(measured: Sequence[Throughput]) -> Findings:
    targets = tuple(target for one in measured if _has_targets(one) for target in _targets(one))
    return Findings(tables=(_table(measured),), sentence=_sentence(measured), targets=targets)


def to_dataverse(*, instances: int, seconds: float, scale: float = 1.0, is_paced: bool = True) -> Stream:
    """A quarter more than Dataverse bears; `scale` makes load and limit smaller alike."""
    return Stream(
        service="Dataverse",
        company=Company.of(round(100 * scale), visits=20),
        doings=_MOVES,
        per_second=25 * scale,
        seconds=seconds,
        instances=instances,
        switches={"max_requests": round(6_000 * scale)},
        is_paced=is_paced,
    )


def to_graph(*, instances: int, seconds: float) -> Stream:
    """A fifth more than Graph bears in one mailbox."""
    return Stream(
        service="Graph",
        company=Company.of(1, visits=100),
        doings=(Doing.TOUCHES_EVENT,),
        per_second=20,
        seconds=seconds,
        instances=instances,
    )


PART = Part(
    name="throughput",
    thorough=partial(
        measure,
        streams=(
            to_dataverse(instances=1, seconds=600, is_paced=False),
            to_dataverse(instances=1, seconds=600),
            to_dataverse(instances=10, seconds=600),
            to_graph(instances=1, seconds=720),
        ),
    ),
    quick=partial(measure, streams=(to_dataverse(instances=1, seconds=450, scale=0.1),)),
)


def _table(measured: Sequence[Throughput]) -> Table:
    return Table(
        title="More work than a limit allows",
        columns=(
            "limit of",
            "in\N{SOFT HYPHEN}stances",
            "calls",
            "share of\nlimit",
            "refused",
            "refused\nshare",
            "waiting",
        ),
        rows=tuple(
            Row(
                cells=(
                    f"{one.stream.service}{'' if one.stream.is_paced else ', unpaced'}",
                    str(one.stream.instances),
                    f"{one.served:,}",
                    f"{one.share:.1%}",
                    f"{one.refused:,}",
                    f"{one.refused_share:.2%}",
                    f"{one.waiting:,}",
                )
            )
            for one in measured
        ),
        ratio_to="the calls that the service's limit allows in the same time.",
        note=NOTE,
    )


def _targets(one: Throughput) -> tuple[Target, Target]:
    where = f"Dataverse limit, {_instances(one)}"
    return (
        Target(
            figure=f"{where}: used",
            wanted=f"at least {LEAST_SHARE:.0%}",
            measured=f"{one.share:.1%}",
            is_reached=one.share >= LEAST_SHARE,
        ),
        Target(
            figure=f"{where}: calls refused",
            wanted=f"at most {STORM:.0%}",
            measured=f"{one.refused_share:.2%}",
            is_reached=one.refused_share <= STORM,
        ),
    )


def _has_targets(one: Throughput) -> bool:
    return one.stream.service == "Dataverse" and one.stream.is_paced


def _instances(one: Throughput) -> str:
    return f"{one.stream.instances} instance{'s' if one.stream.instances > 1 else ''}"


def _sentence(measured: Sequence[Throughput]) -> str:
    parts = [
        f"{one.share:.0%} of {one.stream.service}'s limit on {_instances(one)}"
        f"{'' if one.stream.is_paced else ', unpaced'}, {one.refused_share:.2%} of the calls refused"
        for one in measured
    ]
    return f"under more work than the limits allow the app uses {'; '.join(parts)}"
