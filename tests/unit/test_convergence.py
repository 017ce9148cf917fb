"""How long changes take: what is counted, in which steps, and what a person is told of it."""

from datetime import UTC, datetime, timedelta

import pytest

from sync.core import actions, delivery_steps
from sync.core.convergence import AGREEING, Convergence, Tally, convergence_of, counted, hour_of, step_of
from sync.core.journal import JournalEntry
from sync.core.work_items import Source
from sync.service.outcome import action_words

NOW = datetime(2026, 11, 21, 9, 30, 15, tzinfo=UTC)
EMPTY = Tally(hour=hour_of(NOW), instance="one")


def entry(seconds: float = 4, action: str = "update-booking", source: Source = Source.PUSH) -> JournalEntry:
    return JournalEntry(
        mailbox_id="m",
        correlation_id="c",
        at=NOW,
        received_at=NOW - timedelta(seconds=seconds),
        source=source,
        action=action,
        reason="",
    )


def tally_of(*entries: JournalEntry) -> Tally:
    tally = EMPTY
    for one in entries:
        tally = counted(tally, one)
    return tally


def test_the_words_that_are_counted_are_those_of_actions_that_write() -> None:
    known = {
        action_words(kind)
        for module in (actions, delivery_steps)
        for kind in vars(module).values()
        if isinstance(kind, type)
    }
    assert known >= AGREEING


@pytest.mark.parametrize("action", ["dropped", "leave-alone", "delayed", "quarantined", "buried", "overwriting"])
def test_what_made_nothing_equal_is_not_counted(action: str) -> None:
    assert counted(EMPTY, entry(action=action)) is EMPTY


def test_what_a_person_replayed_is_not_counted() -> None:
    assert counted(EMPTY, entry(source=Source.REPLAY)) is EMPTY


def test_what_a_sweep_found_is_counted_without_its_time() -> None:
    assert convergence_of([tally_of(entry(3600, source=Source.SWEEP))]) == Convergence(swept=1)


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.1, 0.11, 1, 3.7, 59, 3600, 86_400])
def test_a_time_is_rounded_up_by_a_tenth_at_most(seconds: float) -> None:
    told = convergence_of([tally_of(entry(seconds))]).p50
    assert told is not None
    assert seconds - 0.05 <= told <= max(0.1, seconds * 1.1) + 0.05


def test_a_clock_that_went_back_counts_as_no_time() -> None:
    assert step_of(-3) == 0


def test_percentiles_are_by_nearest_rank() -> None:
    seen = convergence_of([tally_of(*[entry(1)] * 50, *[entry(10)] * 45, *[entry(100)] * 5)])
    assert seen.changes == 100
    assert seen.p50 == pytest.approx(1, rel=0.1)
    assert seen.p95 == pytest.approx(10, rel=0.1)
    assert seen.p99 == pytest.approx(100, rel=0.1)


def test_hours_and_instances_are_added_up() -> None:
    earlier = Tally(hour=EMPTY.hour - timedelta(hours=1), instance="two", steps={"0": 3}, swept=2)
    seen = convergence_of([tally_of(entry(0)), earlier])
    assert (seen.changes, seen.swept, seen.p99) == (4, 2, 0.1)


def test_nothing_that_arrived_has_no_time() -> None:
    assert convergence_of([]) == Convergence()
