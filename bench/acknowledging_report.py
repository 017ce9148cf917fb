"""The door's answers as findings. It measures nothing."""

from collections.abc import Iterator, Sequence
from functools import partial

from bench.acknowledging import EVENTS, ITEMS, Acknowledging, measure_acknowledging
from bench.acknowledging_at_work import CONNECTIONS, GRAPH_WAITS_SECONDS, AtWork, measure_at_work
from bench.figures import Times
from bench.findings import Findings, Part, Row, Table, Target, times

MOST = 1.3
"""The door's time for a body of one item, to that of an empty function and a put."""

LEAST_GAIN = 10.0
"""Items a second in large bodies, to those in bodies of one."""

_PERCENTS = (50, 99, 99.9)

NOTE = f"""\
Genuine notifications. The large bodies are of {ITEMS} items about {EVENTS} events, as many changes of a few events \
raise them. The functions that work the queue off are switched off. Functions host, Azurite and the connections share \
this machine's cores, so that with many connections the sum counts some waiting twice, and the door may stay below \
it."""

AT_WORK_NOTE = f"""\
The same host works off bookings which the dispatcher has made while it was down, each of them read, made an event of \
and named, with all echoes; and Azurite serves both. {CONNECTIONS} connections that are never idle, bodies of one item \
about events that are known as private. In Azure, HTTP functions have instances of their own."""


def measure(*, operations: int, rounds: int, bookings: int) -> Findings:
    """See `measure_acknowledging` and `measure_at_work`."""
    return findings_of(measure_acknowledging(operations=operations, rounds=rounds), measure_at_work(bookings=bookings))


def findings_of(alone: Sequence[Acknowledging], at_work: AtWork) -> Findings:
    return Findings(
        tables=(_table(alone), _gains(alone), _at_work(at_work, alone)),
        sentence=_sentence(alone, at_work),
        targets=(*_targets(alone), _in_time(at_work)),
    )


PART = Part(
    name="acknowledging",
    thorough=partial(measure, operations=150, rounds=8, bookings=180),
    quick=partial(measure, operations=40, rounds=2, bookings=15),
)


def _table(measured: Sequence[Acknowledging]) -> Table:
    return Table(
        title="Acknowledging a notification",
        columns=(
            "operation",
            "connec\N{SOFT HYPHEN}tions",
            "per second",
            *(f"p{one:g} ms" for one in _PERCENTS),
            *(f"ratio\np{one:g}" for one in _PERCENTS),
        ),
        rows=tuple(row for one in measured for row in _rows(one)),
        ratio_to="the sum of an empty function's time and a raw queue put's, at the same number of connections.",
        note=NOTE,
    )


def _rows(one: Acknowledging) -> Iterator[Row]:
    kinds = (("graph_notifications", one.door), ("empty function", one.empty), ("raw queue put", one.put))
    for name, measured in kinds:
        is_ours = measured is one.door
        ratios = (times(one.ratio(percent)) if is_ours else "" for percent in _PERCENTS)
        yield Row(
            cells=(name, str(one.connections), f"{measured.per_second:.0f}", *_milliseconds(measured), *ratios),
            is_main=is_ours,
            ends_group=measured is one.put,
        )


def _milliseconds(measured: Times) -> Iterator[str]:
    return (f"{measured.percentile(percent) * 1000:.1f}" for percent in _PERCENTS)


def _gains(measured: Sequence[Acknowledging]) -> Table:
    rows = []
    for one in measured:
        for name, taken, items in (
            (f"bodies of {ITEMS} items", one.large_door, ITEMS),
            ("bodies of one item", one.door, 1),
            (f"empty function, {ITEMS} items", one.large_empty, ITEMS),
        ):
            is_ours = taken is one.large_door
            cells = (
                name,
                str(one.connections),
                f"{taken.per_second:.0f}",
                f"{items * taken.per_second:,.0f}",
                *(f"{taken.percentile(percent) * 1000:.1f}" for percent in (50, 99)),
                times(one.gain) if is_ours else "",
            )
            rows.append(Row(cells=cells, is_main=is_ours, ends_group=taken is one.large_empty))
    return Table(
        title="Acknowledging many notifications at once",
        columns=(
            "",
            "connec\N{SOFT HYPHEN}tions",
            "bodies a\nsecond",
            "items a\nsecond",
            "p50 ms",
            "p99 ms",
            "ratio\nof items",
        ),
        rows=tuple(rows),
        ratio_to="the items a second in bodies of one item each.",
        note=f"The items of a body that name the same event become one message: {EVENTS} messages for {ITEMS} items.",
    )


def _at_work(busy: AtWork, alone: Sequence[Acknowledging]) -> Table:
    [idle] = [one.door for one in alone if one.connections == CONNECTIONS]
    rows = (
        Row(
            cells=(
                f"{busy.bookings} bookings waiting",
                f"{len(busy.answers.seconds):,}",
                f"{busy.answers.per_second:.0f}",
                *_milliseconds(busy.answers),
                f"{busy.share_too_late:.2%}",
                str(busy.failed),
                times(busy.answers.percentile(50) / idle.percentile(50)),
            ),
            is_main=True,
        ),
        Row(
            cells=(
                "none waiting",
                f"{len(idle.seconds):,}",
                f"{idle.per_second:.0f}",
                *_milliseconds(idle),
                f"{idle.share_over(GRAPH_WAITS_SECONDS):.2%}",
                "0",
                "",
            )
        ),
    )
    return Table(
        title="Acknowledging while the same host is at work",
        columns=(
            "",
            "answers",
            "a\nsecond",
            *(f"p{one:g}\nms" for one in _PERCENTS),
            f"over\n{GRAPH_WAITS_SECONDS:g} s",
            "failed",
            "ratio\np50",
        ),
        rows=rows,
        ratio_to="the door's time when there is nothing to work off, at as many connections.",
        note=AT_WORK_NOTE,
    )


def _targets(measured: Sequence[Acknowledging]) -> Iterator[Target]:
    for one in measured:
        connections = _connections(one.connections)
        ratios = [one.ratio(percent) for percent in (50, 99)]
        yield Target(
            figure=f"one item, {connections}, p50 and p99",
            wanted=f"at most {times(MOST)}",
            measured=" and ".join(map(times, ratios)),
            is_reached=max(ratios) <= MOST,
        )
    for one in measured:
        yield Target(
            figure=f"items a second of large bodies, {_connections(one.connections)}",
            wanted=f"at least {LEAST_GAIN:g}x",
            measured=times(one.gain),
            is_reached=one.gain >= LEAST_GAIN,
        )


def _in_time(busy: AtWork) -> Target:
    return Target(
        figure=f"answers over {GRAPH_WAITS_SECONDS:g} s, or failed, at work",
        wanted="none",
        measured=f"{busy.share_too_late:.2%}, {busy.failed}; the slowest took {max(busy.answers.seconds):.2f} s",
        is_reached=not busy.share_too_late and not busy.failed,
    )


def _connections(number: int) -> str:
    return f"{number} connection{'s' if number > 1 else ''}"


def _sentence(measured: Sequence[Acknowledging], busy: AtWork) -> str:
    parts = [
        f"{times(one.ratio(50))} (p50) and {times(one.ratio(99))} (p99) at {_connections(one.connections)}, "
        f"{one.door.per_second:.0f}/s"
        for one in measured
    ]
    gains = [one.gain for one in measured]
    return (
        f"takes, against an empty function and a raw queue put, {'; '.join(parts)}. {ITEMS} items in a body are "
        f"{times(min(gains))} to {times(max(gains))} the items a second. While the same host is at work, the slowest "
        f"of {len(busy.answers.seconds):,} answers took {max(busy.answers.seconds):.2f} s"
    )
