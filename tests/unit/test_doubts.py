"""Which answers of Graph are doubted, because it may know better by now, and which are believed."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from sync.core.coalescing import (
    GRAPHS_CLOCK_ALLOWANCE,
    PUSH_RECHECKS,
    SWEEP_RECHECKS,
    UNKNOWN_TO_READS,
    doubt_absence,
    doubt_presence,
    doubt_search,
    is_known_to_reads,
    is_stale,
)
from sync.core.errors import UnknownAsYet
from sync.core.memory import KnownBooking, KnownEvent, Standing
from sync.core.work_items import EventChange, Source
from tests.unit.values import BOOKING_ID, MAILBOX, NOW, OTHER_MAILBOX, a_change, a_known_event, an_event

TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("item", "known", "expected"),
    [
        pytest.param(a_change(etags=("new",)), a_known_event(), False, id="nothing to compare with"),
        pytest.param(
            a_change(),
            a_known_event(modified_at=an_event().modified_at + TICK),
            True,
            id="older than the state seen last",
        ),
        pytest.param(
            a_change(rechecks=PUSH_RECHECKS),
            a_known_event(modified_at=an_event().modified_at + TICK),
            True,
            id="older than the state seen last, even at the second look",
        ),
        pytest.param(
            a_change(), a_known_event(modified_at=an_event().modified_at), False, id="as old as the state seen last"
        ),
        pytest.param(
            a_change(etags=("new",)),
            a_known_event(etags=(an_event().etag,)),
            True,
            id="the state seen last though something changed",
        ),
        pytest.param(
            a_change(is_removed=True),
            a_known_event(etags=(an_event().etag,)),
            True,
            id="the state seen last though it is said to be removed",
        ),
        pytest.param(
            a_change(etags=("new",), rechecks=PUSH_RECHECKS),
            a_known_event(etags=(an_event().etag,)),
            False,
            id="a notification is followed up once",
        ),
        pytest.param(
            a_change(etags=("new",), source=Source.SWEEP, rechecks=SWEEP_RECHECKS - 1),
            a_known_event(etags=(an_event().etag,)),
            True,
            id="a sweep is followed up more often, for its cursor has moved on",
        ),
        pytest.param(
            a_change(etags=("new",), source=Source.SWEEP, rechecks=SWEEP_RECHECKS),
            a_known_event(etags=(an_event().etag,)),
            False,
            id="and in the end believed",
        ),
        pytest.param(
            a_change(is_removed=True, source=Source.SWEEP, rechecks=PUSH_RECHECKS),
            a_known_event(etags=(an_event().etag,)),
            False,
            id="a sweep's removal is followed up once: an event moved to another calendar looks the same",
        ),
        pytest.param(
            a_change(etags=("new", an_event().etag)),
            a_known_event(etags=(an_event().etag,)),
            False,
            id="the state that one of the notifications announced",
        ),
        pytest.param(a_change(), a_known_event(etags=(an_event().etag,)), False, id="nothing was promised"),
        pytest.param(
            a_change(etags=("of another form",)),
            a_known_event(etags=(an_event().etag,), written_etag=an_event().etag),
            False,
            id="the state that we wrote: our echo, in whatever form its etag is told",
        ),
        pytest.param(
            a_change(etags=("new",)),
            a_known_event(etags=("written", an_event().etag), written_etag="written"),
            True,
            id="another state than the one that we wrote is doubted as ever",
        ),
        pytest.param(
            a_change(etags=("new",), source=Source.SWEEP),
            a_known_event(etags=(an_event().etag,), written_etag=an_event().etag),
            True,
            id="a sweep knows etags as we read them, and is no echo",
        ),
        pytest.param(
            a_change(rechecks=SWEEP_RECHECKS),
            a_known_event(modified_at=an_event().modified_at + TICK),
            False,
            id="a time of modification that goes back is believed in the end: mailboxes are restored and moved",
        ),
        pytest.param(
            a_change(etags=("new",), source=Source.REPLAY),
            a_known_event(etags=(an_event().etag,), modified_at=an_event().modified_at + TICK),
            False,
            id="a person who replays has looked",
        ),
        pytest.param(
            a_change(etags=("new",)),
            a_known_event(
                etags=(an_event().etag,),
                written_etag=an_event().etag,
                modified_at=an_event().modified_at + TICK,
            ),
            True,
            id="older than the state seen last, though we wrote it once",
        ),
    ],
)
def test_which_answers_are_suspected_to_be_stale(item: EventChange, known: KnownEvent, expected: bool) -> None:
    assert is_stale(an_event(), item, known) is expected


def is_doubted[*Facts](doubt: Callable[[*Facts, datetime], None], *facts: *Facts) -> bool:
    try:
        doubt(*facts, NOW)
    except UnknownAsYet:
        return True
    return False


def test_an_event_that_we_have_just_made_may_be_missing_from_what_is_read() -> None:
    with pytest.raises(UnknownAsYet) as caught:
        doubt_absence(a_known_event(standing=Standing.LINKED, made_at=NOW), NOW + UNKNOWN_TO_READS - TICK)
    assert caught.value.retry_after_seconds
    assert caught.value.retry_after_seconds < UNKNOWN_TO_READS.total_seconds()


@pytest.mark.parametrize(
    ("standing", "made_at"),
    [(Standing.LINKED, None), (Standing.LINKED, NOW - UNKNOWN_TO_READS), (Standing.ENDED, NOW)],
    ids=["made by somebody else", "made long ago", "removed by us again"],
)
def test_the_absence_of_any_other_event_is_believed(standing: Standing, made_at: datetime | None) -> None:
    assert not is_doubted(doubt_absence, a_known_event(standing=standing, made_at=made_at))


def test_an_event_that_has_just_ended_may_still_be_found() -> None:
    with pytest.raises(UnknownAsYet) as caught:
        doubt_presence(a_known_event(standing=Standing.ENDED, read_at=NOW), NOW + UNKNOWN_TO_READS - TICK)
    assert caught.value.retry_after_seconds
    assert caught.value.retry_after_seconds < UNKNOWN_TO_READS.total_seconds()


@pytest.mark.parametrize(
    ("standing", "read_at"),
    [(Standing.ENDED, None), (Standing.ENDED, NOW - UNKNOWN_TO_READS), (Standing.LINKED, NOW)],
    ids=["nobody knows when", "ended long ago and put back", "never ended"],
)
def test_any_other_event_that_is_found_is_there(standing: Standing, read_at: datetime | None) -> None:
    assert not is_doubted(doubt_presence, a_known_event(standing=standing, read_at=read_at))


@pytest.mark.parametrize(
    ("age", "is_known"),
    [(UNKNOWN_TO_READS + GRAPHS_CLOCK_ALLOWANCE + TICK, True), (UNKNOWN_TO_READS + GRAPHS_CLOCK_ALLOWANCE, False)],
    ids=["old, whatever Graph's clock", "perhaps made just now"],
)
def test_an_event_is_in_every_answer_once_it_is_old(age: timedelta, is_known: bool) -> None:
    assert is_known_to_reads(an_event(modified_at=NOW - age), NOW) is is_known


def test_a_search_may_lack_an_event_that_may_have_been_made_just_now() -> None:
    known = KnownBooking(booking_id=BOOKING_ID, begun_in=MAILBOX, begun_at=NOW)
    with pytest.raises(UnknownAsYet) as caught:
        doubt_search(known, MAILBOX, NOW + UNKNOWN_TO_READS - TICK)
    assert caught.value.retry_after_seconds
    assert caught.value.retry_after_seconds < UNKNOWN_TO_READS.total_seconds()


@pytest.mark.parametrize(
    ("begun_in", "begun_at"),
    [(MAILBOX, NOW - UNKNOWN_TO_READS), (MAILBOX, None), (OTHER_MAILBOX, NOW), (None, None)],
    ids=["asked for long ago", "refused", "asked for elsewhere", "never asked for"],
)
def test_any_other_search_that_finds_nothing_is_believed(begun_in: str | None, begun_at: datetime | None) -> None:
    known = KnownBooking(booking_id=BOOKING_ID, begun_in=begun_in, begun_at=begun_at)
    assert not is_doubted(doubt_search, known, MAILBOX)
