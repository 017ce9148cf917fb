"""What the bench says of acknowledging, latency, cold starts and throughput: its ratios, and what counts as reached."""

import io

import pytest
from rich.console import Console

from bench import acknowledging_report, cold_start_report, latency_report, throughput_report
from bench.acknowledging import Acknowledging
from bench.acknowledging_at_work import AtWork
from bench.cold_start import ColdStart
from bench.company import Company
from bench.figures import Times
from bench.findings import Findings
from bench.latency import Latency
from bench.terminal import show_findings
from bench.throughput import Stream, Throughput


def times_of(seconds: float, *, per_second: float = 100.0, slowest: float | None = None) -> Times:
    """A hundred equal operations, of which one may have been slower."""
    taken = [seconds] * 100
    if slowest is not None:
        taken[0] = slowest
    return Times(seconds=tuple(taken), elapsed=100 / per_second)


def acknowledging(door: float, *, large_per_second: float = 11) -> list[Acknowledging]:
    """An empty function takes 10 ms and a put 20; a door of one item answers 100 times a second."""
    return [
        Acknowledging(
            connections=connections,
            door=times_of(door),
            empty=times_of(0.01),
            put=times_of(0.02),
            large_door=times_of(0.05, per_second=large_per_second),
            large_empty=times_of(0.01),
        )
        for connections in (1, 16, 64)
    ]


def at_work(*, slowest: float = 0.9, failed: int = 0) -> AtWork:
    return AtWork(bookings=180, answers=times_of(0.2, slowest=slowest), failed=failed)


def throughput(
    service: str = "Dataverse", *, served: int = 9_100, refused: int = 90, is_paced: bool = True
) -> Throughput:
    return Throughput(
        stream=Stream(
            service=service,
            company=Company.of(1, visits=1),
            doings=(),
            per_second=1,
            seconds=1,
            instances=10,
            is_paced=is_paced,
        ),
        changes=15_000,
        served=served,
        refused=refused,
        allowed=10_000,
        other_calls=0,
        other_refused=0,
        waiting=3_000,
        cpu_seconds=0,
    )


def latency(settle_seconds: float, to_dynamics: float, *, is_virtual: bool = False) -> Latency:
    return Latency(
        settle_seconds=settle_seconds,
        per_second=10,
        to_dynamics=times_of(to_dynamics),
        to_outlook=times_of(60),
        is_virtual=is_virtual,
    )


def cold_start(door: float) -> ColdStart:
    return ColdStart(door=door, empty_with_queue_client=0.5, empty=0.1, first_acknowledged=0.8, first_empty=0.4)


def reached(findings: Findings) -> list[bool]:
    return [target.is_reached for target in findings.targets]


@pytest.mark.parametrize(
    ("alone", "busy", "expected"),
    [
        (acknowledging(0.039), at_work(), [True] * 7),
        (acknowledging(0.040), at_work(), [False] * 3 + [True] * 4),
        (acknowledging(0.039, large_per_second=9), at_work(), [True] * 3 + [False] * 3 + [True]),
        (acknowledging(0.039), at_work(slowest=3.1), [True] * 6 + [False]),
        (acknowledging(0.039), at_work(failed=1), [True] * 6 + [False]),
    ],
    ids=["all", "a slow door", "items that do not coalesce", "a late answer", "a failed one"],
)
def test_acknowledging_reaches_its_targets_or_says_which_not(
    alone: list[Acknowledging], busy: AtWork, expected: list[bool]
) -> None:
    assert reached(acknowledging_report.findings_of(alone, busy)) == expected


def test_the_doors_ratio_is_to_an_empty_function_and_a_put_together() -> None:
    [door, _, _, *_] = acknowledging_report.findings_of(acknowledging(0.039), at_work()).tables[0].rows
    assert door.cells == ("graph_notifications", "1", "100", "39.0", "39.0", "39.0", "1.30x", "1.30x", "1.30x")


@pytest.mark.parametrize(("door", "is_reached"), [(0.65, True), (0.66, False)])
def test_a_cold_start_is_held_against_an_app_with_the_same_packages(door: float, is_reached: bool) -> None:
    findings = cold_start_report.findings_of(cold_start(door))
    assert reached(findings) == [is_reached]
    assert findings.tables[0].rows[-1].cells == ("first answer: empty function, same packages", "400", "2.0x")


def test_latency_is_held_against_its_limit_by_settle_time() -> None:
    real = [latency(3.0, 5.9), latency(0.0, 1.6)]
    virtual = [latency(3.0, 6.1, is_virtual=True), latency(0.0, 1.4, is_virtual=True)]
    findings = latency_report.findings_of(real, virtual)
    assert reached(findings) == [True, False, False, True]
    assert [len(table.rows) for table in findings.tables] == [4, 4]
    assert findings.tables[0].rows[1].cells[-1] == "10.0x", "ten minutes to the one that Outlook took"


@pytest.mark.parametrize(
    ("served", "refused", "expected"),
    [(9_100, 90, [True, True]), (8_900, 0, [False, True]), (9_100, 100, [True, False])],
    ids=["both", "too little", "a storm"],
)
def test_throughput_is_held_against_the_limit_and_against_a_storm(
    served: int, refused: int, expected: list[bool]
) -> None:
    measured = [throughput(served=served, refused=refused), throughput(is_paced=False), throughput("Graph")]
    findings = throughput_report.findings_of(measured)
    assert reached(findings) == expected, "only what the app does now has a target, and only at Dataverse"
    assert [row.cells[0] for row in findings.tables[0].rows] == ["Dataverse", "Dataverse, unpaced", "Graph"]


@pytest.mark.parametrize(
    "findings",
    [
        acknowledging_report.findings_of(acknowledging(0.399), at_work()),
        cold_start_report.findings_of(cold_start(1.65)),
        latency_report.findings_of([latency(3.0, 119.25)], [latency(0.0, 1.4, is_virtual=True)]),
        throughput_report.findings_of([throughput(), throughput(is_paced=False)]),
    ],
    ids=["acknowledging", "cold start", "latency", "throughput"],
)
def test_tables_fit_a_terminal_of_eighty_columns(findings: Findings) -> None:
    out = io.StringIO()
    show_findings(Console(file=out, width=80), findings)
    assert "\N{HORIZONTAL ELLIPSIS}" not in out.getvalue()
