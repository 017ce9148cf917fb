"""How long changes take to the other side, as findings. It measures nothing."""

from collections.abc import Iterator, Sequence
from functools import partial

from bench.backfill_stage import SERVICE_SECONDS, STORAGE_SECONDS
from bench.findings import Findings, Part, Row, Table, Target, times
from bench.latency import Latency, Load, measure_latency
from bench.virtual_latency import measure_virtual_latency

MICROSOFT_SYNC_SECONDS = 10 * 60
"""Field Service's own sync goes from Dynamics to Outlook, "every 10 to 15 minutes" (Dynamics 365 documentation)."""

TO_DYNAMICS_SECONDS = {3.0: 6.0, 0.0: 1.5}
"""What the 95th percentile to Dynamics is to stay under, by settle time."""

_PERCENTS = (50, 95, 99)

_TEN_MINUTES = "the 10 minutes of Microsoft's own sync to Outlook, which takes 10 to 15; there is none to Dynamics."

NOTE = """\
To Dynamics: from the technician's PATCH to the booking written. To Outlook: from the dispatcher's PATCH, or every \
other time POST, to the event written or made. Changes come at random moments, so many a second on average. The \
settle time, for which an item waits so that a burst becomes one, is part of it; so is the host's polling of its queue \
(1 s at most). Both simulators, the host, Azurite and the people share this machine's cores. "Followed": how many a \
second came to the other side, from the first change to the last arrival; where that stays far below what was \
changed, the machine was the limit, and the times say how long the run was."""

VIRTUAL_NOTE = f"""\
Real: the app's use cases and clients, the simulators and their limits, the listener of the Functions host with the \
app's host.json, one instance. Modelled: a call to Graph or Dataverse takes {SERVICE_SECONDS * 1000:.0f} ms, an \
operation on queues and tables {STORAGE_SECONDS * 1000:.0f} ms, computing none. Moves on either side. Dataverse \
bears 35 changes a second for three minutes only."""


def measure(
    *, loads: Sequence[Load], settle_times: Sequence[float], virtual_rates: Sequence[float], virtual_seconds: float
) -> Findings:
    """See `measure_latency` and `measure_virtual_latency`."""
    real = measure_latency(settle_times=settle_times, loads=loads)
    virtual = measure_virtual_latency(settle_times=settle_times, rates=virtual_rates, seconds=virtual_seconds)
    return findings_of(real, virtual)


def findings_of(real: Sequence[Latency], virtual: Sequence[Latency]) -> Findings:
    tables = (
        _table("From one side to the other", real, NOTE),
        _table("From one side to the other, on virtual time", virtual, VIRTUAL_NOTE),
    )
    return Findings(
        tables=tables, sentence=_sentence([*real, *virtual]), targets=tuple(map(_target, [*real, *virtual]))
    )


PART = Part(
    name="latency",
    thorough=partial(
        measure,
        loads=(
            Load(per_second=1, changes=30),
            Load(per_second=10, changes=120),
            Load(per_second=35, changes=245),
        ),
        settle_times=(3.0, 0.0),
        virtual_rates=(1, 10, 35),
        virtual_seconds=40,
    ),
    quick=partial(
        measure,
        loads=(Load(per_second=1, changes=4),),
        settle_times=(3.0, 0.0),
        virtual_rates=(1,),
        virtual_seconds=10,
    ),
)


def _table(title: str, measured: Sequence[Latency], note: str) -> Table:
    return Table(
        title=title,
        columns=(
            "",
            "settle\ntime",
            "changes\na second",
            "changes",
            "followed\na second",
            *(f"p{percent} s" for percent in _PERCENTS),
            "10 min\nto p95",
        ),
        rows=tuple(row for one in measured for row in _rows(one)),
        ratio_to=_TEN_MINUTES,
        note=note,
    )


def _rows(one: Latency) -> Iterator[Row]:
    for direction, taken in (("to Dynamics", one.to_dynamics), ("to Outlook", one.to_outlook)):
        percentiles = [taken.percentile(percent) for percent in _PERCENTS]
        cells = (
            direction,
            f"{one.settle_seconds:g} s",
            f"{one.per_second:g}",
            str(len(taken.seconds)),
            f"{taken.per_second:.1f}",
            *(f"{seconds:.2f}" for seconds in percentiles),
            times(MICROSOFT_SYNC_SECONDS / percentiles[1]),
        )
        yield Row(cells=cells, ends_group=taken is one.to_outlook)


def _target(one: Latency) -> Target:
    most, p95 = TO_DYNAMICS_SECONDS[one.settle_seconds], one.to_dynamics.percentile(95)
    return Target(
        figure=f"p95 to Dynamics, settle time {one.settle_seconds:g} s, {_load(one)}",
        wanted=f"under {most:g} s",
        measured=f"{p95:.2f} s",
        is_reached=p95 < most,
    )


def _load(one: Latency) -> str:
    return f"{one.per_second:g}/s{' on virtual time' if one.is_virtual else ''}"


def _sentence(measured: Sequence[Latency]) -> str:
    """The first of each settle time; the tables have the rest."""
    firsts = {one.settle_seconds: one for one in reversed(measured)}
    parts = [
        f"{one.to_dynamics.percentile(95):.1f} s and {one.to_outlook.percentile(95):.1f} s with a settle time of "
        f"{settle_seconds:g} s"
        for settle_seconds, one in sorted(firsts.items(), reverse=True)
    ]
    ten = times(MICROSOFT_SYNC_SECONDS / measured[0].to_outlook.percentile(95))
    return (
        f"p95 to Dynamics and to Outlook at {_load(measured[0])}: {'; '.join(parts)}. Microsoft's sync to Outlook "
        f"takes 10 to 15 minutes: {ten} the first p95, or more"
    )
