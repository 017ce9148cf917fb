"""What a sweep covers, what it suspects, and when the breaker holds."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sync.core.mailboxes import Breaker, Cursor
from sync.core.memory import KnownEvent, Standing
from sync.core.sides import TimeSpan
from sync.core.sweeping import (
    BreakerPolicy,
    Findings,
    WindowPolicy,
    breaker_holds,
    is_linked_within,
    judge_round,
    needs_full_round,
    recent_passes,
    window_at,
)
from tests.unit.values import AGREED, MAILBOX, NOW, a_known_event

POLICY = WindowPolicy(past=timedelta(days=7), future=timedelta(days=42), roll=timedelta(days=3))
WINDOW = window_at(NOW, POLICY)
LONG_AGO = TimeSpan(start_at=NOW - timedelta(days=400), end_at=NOW - timedelta(days=400) + timedelta(hours=1))
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)


def linked(*etags: str, span: TimeSpan | None = AGREED) -> KnownEvent:
    return a_known_event(standing=Standing.LINKED, etags=etags, span=span)


def judged(
    *,
    seen: Mapping[str, str] | None = None,
    removed: Collection[str] = (),
    known: Mapping[str, KnownEvent] | None = None,
    expected: Collection[str] = (),
    is_full: bool = False,
) -> Findings:
    return judge_round(
        seen=seen or {},
        reported_removed=removed,
        known={event_id: replace(one, event_id=event_id) for event_id, one in (known or {}).items()},
        expected=expected,
        window=WINDOW,
        is_full=is_full,
        now=NOW,
    )


# Windows


def test_a_window_is_made_of_whole_days_with_room_to_age() -> None:
    midnight = NOW.replace(hour=0)
    assert window_at(NOW + TICK, POLICY) == TimeSpan(start_at=midnight - 7 * DAY, end_at=midnight + 45 * DAY)


def test_without_a_cursor_a_full_round_is_needed() -> None:
    assert needs_full_round(None, NOW, POLICY)


@pytest.mark.parametrize(
    ("age", "is_needed"),
    [(timedelta(0), False), (2 * DAY, False), (3 * DAY - NOW.hour * timedelta(hours=1), False), (3 * DAY, True)],
    ids=["new", "two days old", "to the second as far ahead as wanted", "rolled"],
)
def test_a_window_rolls_once_it_no_longer_reaches_as_far_ahead_as_wanted(age: timedelta, is_needed: bool) -> None:
    cursor = Cursor(mailbox_id=MAILBOX, delta_link="opaque", window=WINDOW, saved_at=NOW)
    assert needs_full_round(cursor, NOW + age, POLICY) is is_needed


# Rounds


@pytest.mark.parametrize(
    ("known", "is_changed"),
    [
        pytest.param(None, True, id="an event never seen is looked at"),
        pytest.param(linked("now"), False, id="a linked event as we saw it needs no look"),
        pytest.param(linked("before"), True, id="a linked event with another etag is looked at"),
        pytest.param(
            a_known_event(standing=Standing.ENDED, etags=("before",)),
            True,
            id="an event back from the dead is looked at",
        ),
        pytest.param(
            a_known_event(standing=Standing.FOREIGN, remembered_until=NOW + TICK),
            False,
            id="a private event needs no look, changed or not",
        ),
        pytest.param(
            a_known_event(standing=Standing.FOREIGN, remembered_until=NOW, etags=("now",)),
            True,
            id="a private event is looked at when the memory has run out",
        ),
        pytest.param(a_known_event(standing=Standing.FOREIGN), True, id="a memory without end is none"),
    ],
)
@pytest.mark.parametrize("is_full", [False, True], ids=["delta", "full"])
def test_which_of_the_events_that_are_there_are_looked_at(
    known: KnownEvent | None, is_changed: bool, is_full: bool
) -> None:
    findings = judged(seen={"event": "now"}, known={"event": known} if known else {}, is_full=is_full)
    assert dict(findings.changed) == ({"event": "now"} if is_changed else {})
    assert list(findings.removed) == []


def test_a_reported_removal_of_a_linked_event_is_a_suspicion() -> None:
    findings = judged(removed=["event"], known={"event": linked()})
    assert (list(findings.removed), findings.linked) == (["event"], 1)


@pytest.mark.parametrize(
    ("removed", "seen", "known"),
    [
        pytest.param(["event"], {}, {}, id="of an event that nobody knows"),
        pytest.param(["event"], {}, {"event": a_known_event(standing=Standing.FOREIGN)}, id="of a private event"),
        pytest.param(["event"], {}, {"event": a_known_event(standing=Standing.ENDED)}, id="of an event that has ended"),
        pytest.param(["event"], {"event": "now"}, {"event": linked("now")}, id="of an event that the round showed too"),
    ],
)
def test_a_reported_removal_is_no_suspicion(
    removed: list[str], seen: dict[str, str], known: dict[str, KnownEvent]
) -> None:
    assert list(judged(removed=removed, seen=seen, known=known).removed) == []


@pytest.mark.parametrize(
    ("known", "expected", "suspects"),
    [
        pytest.param({"event": linked()}, [], ["event"], id="a linked event in the window that was not seen"),
        pytest.param({"event": linked(span=LONG_AGO)}, [], [], id="not a linked event outside the window"),
        pytest.param({"event": linked(span=None)}, [], [], id="not a linked event of unknown time"),
        pytest.param({}, ["event"], ["event"], id="an event that Dataverse names, even when our tables were lost"),
        pytest.param(
            {"event": a_known_event(standing=Standing.ENDED)}, ["event"], [], id="not an event that we know has ended"
        ),
    ],
)
def test_what_a_full_round_suspects(known: dict[str, KnownEvent], expected: list[str], suspects: list[str]) -> None:
    assert list(judged(known=known, expected=expected, is_full=True).removed) == suspects


def test_a_delta_round_suspects_nothing_by_silence() -> None:
    assert list(judged(known={"event": linked()}).removed) == []


def test_what_was_seen_is_never_suspected() -> None:
    findings = judged(seen={"event": "now"}, known={"event": linked("now")}, expected=["event"], is_full=True)
    assert (list(findings.removed), findings.linked) == ([], 1)


def test_a_suspect_outside_the_window_counts_as_a_link() -> None:
    """Else more could seem gone than there ever was, and one deletion of an old visit would hold the breaker."""
    findings = judged(removed=["past"], known={"past": linked(span=LONG_AGO), "other": linked(span=LONG_AGO)})
    assert (list(findings.removed), findings.linked) == (["past"], 1)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(linked(), True, id="linked and in the window"),
        pytest.param(linked(span=LONG_AGO), False, id="outside the window"),
        pytest.param(linked(span=None), False, id="of unknown time"),
        pytest.param(a_known_event(standing=Standing.ENDED, span=AGREED), False, id="not linked any more"),
    ],
)
def test_which_remembered_events_are_links_of_a_window(known: KnownEvent, expected: bool) -> None:
    assert is_linked_within(known, WINDOW) is expected


def test_links_are_counted_once_whether_we_or_dataverse_know_them() -> None:
    known = {"both": linked(), "ours": linked(), "private": a_known_event(standing=Standing.FOREIGN)}
    assert judged(known=known, expected=["both", "theirs"], is_full=True).linked == 3


def test_an_event_that_dataverse_names_is_looked_at_even_when_remembered_as_foreign() -> None:
    """A wrong memory must cost time, not correctness; this one would hide every move for 30 days."""
    foreign = a_known_event(standing=Standing.FOREIGN, remembered_until=NOW + 30 * DAY)
    findings = judged(seen={"event": "now"}, known={"event": foreign}, expected=["event"], is_full=True)
    assert dict(findings.changed) == {"event": "now"}


# The breaker

BREAKER = BreakerPolicy(number=10, share=0.5, period=timedelta(hours=1))


def a_breaker(passed: int = 0, **different: Any) -> Breaker:
    fields = {"passed_at": (NOW - timedelta(minutes=1),) * passed, **different}
    return Breaker(mailbox_id=MAILBOX, **fields)


@pytest.mark.parametrize(
    ("removals", "links", "passed", "holds"),
    [
        pytest.param(0, 0, 0, False, id="nothing to delete"),
        pytest.param(10, 10, 0, False, id="all, but not more than the number"),
        pytest.param(11, 11, 0, True, id="all, and more than the number"),
        pytest.param(11, 22, 0, False, id="exactly the share"),
        pytest.param(11, 21, 0, True, id="more than the share"),
        pytest.param(100, 1000, 0, False, id="many of very many"),
        pytest.param(1, 10, 9, False, id="what passed lately counts: not yet"),
        pytest.param(1, 10, 10, True, id="what passed lately counts: one too many"),
        pytest.param(1, 12, 10, False, id="what passed lately counts as a link that there was, too"),
    ],
)
def test_the_breaker_holds_above_number_and_share(removals: int, links: int, passed: int, holds: bool) -> None:
    assert breaker_holds(removals, links, a_breaker(passed), NOW, BREAKER) is holds


@pytest.mark.parametrize(
    ("released_until", "holds"), [(NOW + TICK, False), (NOW, True)], ids=["released", "released once"]
)
def test_a_released_breaker_lets_everything_pass_until_it_is_over(released_until: object, holds: bool) -> None:
    assert breaker_holds(100, 100, a_breaker(released_until=released_until), NOW, BREAKER) is holds


def test_deletions_count_as_recent_for_the_period() -> None:
    at = [NOW - BREAKER.period, NOW - BREAKER.period + TICK, NOW]
    assert recent_passes(a_breaker(passed_at=tuple(at)), NOW, BREAKER) == (at[1], at[2])


def test_while_the_breaker_holds_what_passed_does_not_age() -> None:
    """Else a flood would pass at ten an hour, with nobody having looked."""
    at = [NOW - BREAKER.period, NOW - BREAKER.period + TICK, NOW]
    holding = a_breaker(passed_at=tuple(at), held_since=NOW)
    assert recent_passes(holding, NOW + DAY, BREAKER) == (at[1], at[2])


@pytest.mark.parametrize(("held_since", "holds"), [(NOW, True), (None, False)], ids=["while it holds", "else"])
def test_a_flood_that_is_held_is_held_the_next_day_too(held_since: object, holds: bool) -> None:
    assert breaker_holds(1, 1, a_breaker(passed=10, held_since=held_since), NOW + DAY, BREAKER) is holds


def test_links_of_the_past_do_not_dilute_the_share() -> None:
    """Links outlive their visits by months: a mailbox that shows nothing any more would lose its week of visits."""
    known = {f"past-{number}": linked(span=LONG_AGO) for number in range(500)}
    known |= {f"ahead-{number}": linked() for number in range(40)}
    findings = judged(known=known, is_full=True)
    assert len(findings.removed) == 40
    assert breaker_holds(len(findings.removed), findings.linked, a_breaker(), NOW, BREAKER)
