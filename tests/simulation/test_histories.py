"""Histories: the same for the same seed, and whole when parts are left out."""

from dataclasses import replace

import pytest

from simulation.farm import Farm
from simulation.history import Deed, Ill
from simulation.planning import plan_history
from simulation.play import Report
from simulation.shrinking import shrink
from sync.core.coalescing import Timing


def test_a_seed_always_plans_the_same_history() -> None:
    assert plan_history(7) == plan_history(7)
    assert plan_history(7) != plan_history(8)


def test_every_deed_and_every_ill_is_planned_sooner_or_later() -> None:
    histories = [plan_history(seed) for seed in range(500)]
    assert {act.deed for history in histories for act in history.acts} == set(Deed)
    assert {trouble.ill for history in histories for trouble in history.troubles} == set(Ill)


def test_two_clocks_never_differ_by_more_than_the_app_allows_but_often_by_nearly_as_much() -> None:
    apart = [max(offsets) - min(offsets) for offsets in (plan_history(seed).clock_offsets for seed in range(500))]
    margin = Timing().clock_margin.total_seconds()
    assert max(apart) < margin
    assert sum(seconds > 0.9 * margin for seconds in apart) > 20


@pytest.mark.slow
def test_a_seed_is_played_alike_in_every_process() -> None:
    """Told alike, to the millisecond."""
    histories = [plan_history(seed) for seed in (3, 11, 146)]
    with Farm(1) as one, Farm(2) as two:
        first = {report.seed: report.story for report in one.play_all(histories)}
        second = {report.seed: report.story for report in two.play_all(histories)}
    assert first == second
    assert all(first.values())


def test_a_history_shrinks_to_what_it_fails_by() -> None:
    """Here to one act and one trouble, and a tenant with nothing special about it."""
    found = next(history for history in map(plan_history, range(1000)) if len(history.acts) > 5 and history.troubles)
    culprits = (found.acts[3], found.troubles[0])

    def play(history: object) -> Report:
        is_broken = all(one in (*history.acts, *history.troubles) for one in culprits)  # type: ignore[attr-defined]
        return Report(seed=0, broken=["it fails"] if is_broken else [])

    shortest = shrink(found, play)
    assert shortest == replace(
        found,
        acts=culprits[:1],
        troubles=culprits[1:],
        sweeps=(),
        skew_seconds=0.0,
        instances=1,
        clock_offsets=(),
        graph={},
        dataverse={},
        choices={},
    )
