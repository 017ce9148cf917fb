"""Which work items are dropped without a call, and what it takes to drop one."""

from datetime import timedelta
from typing import Any

import pytest

from sync.core.coalescing import Timing, Verdict, judge, judge_booking, merge
from sync.core.memory import DELETED_BY_US, REMEMBERED_ETAGS, KnownBooking, KnownEvent, Standing
from sync.core.work_items import BookingChange, EventChange, Source
from tests.unit.values import BOOKING_ID, EVENT_ID, MAILBOX, NOW, a_booking_change, a_change, a_known_event

TIMING = Timing(clock_margin=timedelta(seconds=1))
SOON = NOW + timedelta(seconds=10)
MARGIN = TIMING.clock_margin
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("item", "known", "verdict"),
    [
        pytest.param(a_change(), a_known_event(), Verdict.PROCEED, id="an event never seen is looked at"),
        pytest.param(
            a_change(),
            a_known_event(leased_by="another", leased_until=SOON + TICK),
            Verdict.WAIT,
            id="one worker at a time",
        ),
        pytest.param(
            a_change(source=Source.REPLAY),
            a_known_event(leased_by="another", leased_until=SOON + TICK),
            Verdict.WAIT,
            id="a replay waits like everybody else",
        ),
        pytest.param(
            a_change(),
            a_known_event(leased_by="another", leased_until=SOON),
            Verdict.PROCEED,
            id="a lease that has run out holds nobody up",
        ),
        pytest.param(
            a_change(),
            a_known_event(leased_by="correlation-1", leased_until=SOON + TICK),
            Verdict.PROCEED,
            id="a redelivered item gets its own lease back",
        ),
        pytest.param(
            a_change(), a_known_event(read_at=NOW + MARGIN + TICK), Verdict.SEEN, id="a later read saw the change"
        ),
        pytest.param(
            a_change(),
            a_known_event(read_at=NOW + MARGIN),
            Verdict.PROCEED,
            id="a read within the margin proves nothing",
        ),
        pytest.param(
            a_change(source=Source.SWEEP),
            a_known_event(read_at=NOW + MARGIN + TICK),
            Verdict.SEEN,
            id="the sweep's items are dropped on the same proof",
        ),
        pytest.param(
            a_change(is_removed=True),
            a_known_event(read_at=NOW + MARGIN + TICK, standing=Standing.ENDED),
            Verdict.SEEN,
            id="a removal is old news when the event has ended",
        ),
        pytest.param(
            a_change(is_removed=True),
            a_known_event(read_at=NOW + MARGIN + TICK, standing=Standing.FOREIGN, remembered_until=SOON + TICK),
            Verdict.SEEN,
            id="and when it was not ours",
        ),
        pytest.param(
            a_change(),
            a_known_event(doubted_by="another", doubted_at=NOW + MARGIN + TICK),
            Verdict.DOUBTED,
            id="one doubt serves a whole burst: another item will look again",
        ),
        pytest.param(
            a_change(),
            a_known_event(doubted_by="another", doubted_at=NOW + MARGIN),
            Verdict.PROCEED,
            id="a doubt within the margin may not know of this change",
        ),
        pytest.param(
            a_change(),
            a_known_event(doubted_by="correlation-1", doubted_at=NOW + MARGIN + TICK),
            Verdict.PROCEED,
            id="who doubted looks again",
        ),
        pytest.param(
            a_change(is_removed=True),
            a_known_event(doubted_by="another", doubted_at=NOW + MARGIN + TICK),
            Verdict.PROCEED,
            id="a removal is not left to one who was not told of it",
        ),
        pytest.param(
            a_change(source=Source.REPLAY),
            a_known_event(doubted_by="another", doubted_at=NOW + MARGIN + TICK),
            Verdict.PROCEED,
            id="a replay does not wait for another's look",
        ),
        pytest.param(
            a_change(source=Source.REPLAY),
            a_known_event(read_at=SOON, standing=Standing.FOREIGN, remembered_until=SOON + TICK),
            Verdict.PROCEED,
            id="a replay is always handled",
        ),
        pytest.param(
            a_change(),
            a_known_event(standing=Standing.FOREIGN, remembered_until=SOON + TICK),
            Verdict.FOREIGN,
            id="a private event costs nothing while it is remembered",
        ),
        pytest.param(
            a_change(source=Source.SWEEP),
            a_known_event(standing=Standing.FOREIGN, remembered_until=SOON + TICK),
            Verdict.PROCEED,
            id="but a sweep asks for one only when a booking names it",
        ),
        pytest.param(
            a_change(source=Source.SWEEP),
            a_known_event(standing=Standing.FOREIGN, remembered_until=SOON + TICK, read_at=NOW + MARGIN + TICK),
            Verdict.SEEN,
            id="and once it was read for that, it is not read again",
        ),
        pytest.param(
            a_change(is_removed=True),
            a_known_event(standing=Standing.FOREIGN, remembered_until=SOON + TICK),
            Verdict.FOREIGN,
            id="nor does its removal",
        ),
        pytest.param(
            a_change(),
            a_known_event(standing=Standing.FOREIGN, remembered_until=SOON),
            Verdict.PROCEED,
            id="a private event is looked at again when the memory has run out",
        ),
        pytest.param(
            a_change(),
            a_known_event(standing=Standing.FOREIGN),
            Verdict.PROCEED,
            id="a foreign event without an end of its memory is looked at",
        ),
        pytest.param(
            a_change(etags=("one", "two")),
            a_known_event(etags=("two", "three", "one")),
            Verdict.ECHO,
            id="etags that were all processed are echoes",
        ),
        pytest.param(
            a_change(etags=("one", "two")),
            a_known_event(etags=("one",), notified_etags=("two",)),
            Verdict.ECHO,
            id="so are etags that a handled notification named",
        ),
        pytest.param(
            a_change(etags=("one",), source=Source.SWEEP),
            a_known_event(notified_etags=("one",)),
            Verdict.PROCEED,
            id="a sweep finds what was notified and then not read",
        ),
        pytest.param(
            a_change(etags=("one",), source=Source.SWEEP),
            a_known_event(etags=("one",)),
            Verdict.ECHO,
            id="a sweep is an echo of what was read",
        ),
        pytest.param(
            a_change(etags=("one", "new")),
            a_known_event(etags=("one",)),
            Verdict.PROCEED,
            id="one new etag is a change",
        ),
        pytest.param(a_change(), a_known_event(etags=("one",)), Verdict.PROCEED, id="no etag is no proof"),
        pytest.param(
            a_change(etags=("one",), is_removed=True),
            a_known_event(etags=("one",)),
            Verdict.PROCEED,
            id="a removal is never an echo",
        ),
    ],
)
def test_an_item_is_dropped_only_on_proof(item: EventChange, known: KnownEvent, verdict: Verdict) -> None:
    assert judge(item, known, SOON, TIMING) is verdict


@pytest.mark.parametrize(
    "standing",
    [
        pytest.param(Standing.LINKED, id="and linked it"),
        pytest.param(Standing.UNKNOWN, id="and left it alone, as a series"),
    ],
)
def test_a_removal_is_not_seen_by_a_read_that_found_the_event(standing: Standing) -> None:
    """A read that was not told of a removal does not ask where the event lies: it may lie among the deleted items."""
    known = a_known_event(read_at=NOW + MARGIN + TICK, standing=standing)
    assert judge(a_change(is_removed=True), known, SOON, TIMING) is Verdict.PROCEED


def known_booking(**different: Any) -> KnownBooking:
    return KnownBooking(booking_id=BOOKING_ID, **different)


READ_LATER = {"read_at": NOW + MARGIN + TICK}


@pytest.mark.parametrize(
    ("item", "known", "verdict"),
    [
        pytest.param(a_booking_change(), known_booking(), Verdict.PROCEED, id="a booking never seen is looked at"),
        pytest.param(
            a_booking_change(),
            known_booking(leased_by="another", leased_until=SOON + TICK),
            Verdict.WAIT,
            id="one worker at a time",
        ),
        pytest.param(
            a_booking_change(source=Source.REPLAY),
            known_booking(leased_by="another", leased_until=SOON + TICK),
            Verdict.WAIT,
            id="a replay waits like everybody else",
        ),
        pytest.param(
            a_booking_change(),
            known_booking(leased_by="another", leased_until=SOON),
            Verdict.PROCEED,
            id="a lease that has run out holds nobody up",
        ),
        pytest.param(
            a_booking_change(),
            known_booking(leased_by="correlation-1", leased_until=SOON + TICK),
            Verdict.PROCEED,
            id="a redelivered item gets its own lease back",
        ),
        pytest.param(a_booking_change(), known_booking(**READ_LATER), Verdict.SEEN, id="a later read saw the change"),
        pytest.param(
            a_booking_change(),
            known_booking(read_at=NOW + MARGIN),
            Verdict.PROCEED,
            id="a read within the margin proves nothing",
        ),
        pytest.param(
            a_booking_change(source=Source.REPLAY),
            known_booking(**READ_LATER),
            Verdict.PROCEED,
            id="a person who replays wants it done",
        ),
        pytest.param(
            a_booking_change(fingerprint="last"),
            known_booking(is_unfinished=True, fingerprint="last", **READ_LATER),
            Verdict.PROCEED,
            id="a read whose worker did not finish is no proof, nor is what it wrote",
        ),
        pytest.param(
            a_booking_change(fingerprint="last"),
            known_booking(fingerprint="last"),
            Verdict.ECHO,
            id="a webhook of the state that was seen or written last is an echo",
        ),
        pytest.param(
            a_booking_change(fingerprint="earlier"),
            known_booking(fingerprint="last", etags=("earlier",)),
            Verdict.PROCEED,
            id="of an earlier state it is none: the booking has been away, and somebody may have followed it",
        ),
        pytest.param(
            a_booking_change(), known_booking(fingerprint="last"), Verdict.PROCEED, id="no fingerprint is no proof"
        ),
        pytest.param(
            a_booking_change(etag="handled", source=Source.SWEEP),
            known_booking(etags=("earlier", "handled", "last")),
            Verdict.ECHO,
            id="a sweep's etag that was handled is an echo",
        ),
        pytest.param(
            a_booking_change(etag="new", fingerprint="last", source=Source.SWEEP),
            known_booking(etags=("last",), fingerprint="last"),
            Verdict.PROCEED,
            id="an etag tells more than a fingerprint",
        ),
        pytest.param(
            a_booking_change(is_deleted=True, fingerprint="last"),
            known_booking(fingerprint="last"),
            Verdict.PROCEED,
            id="a deletion is never an echo",
        ),
    ],
)
def test_a_booking_is_dropped_only_on_proof(item: BookingChange, known: KnownBooking, verdict: Verdict) -> None:
    assert judge_booking(item, known, SOON, TIMING) is verdict


def test_a_deletion_is_not_seen_by_a_read() -> None:
    deletion = a_booking_change(is_deleted=True)
    assert judge_booking(deletion, known_booking(**READ_LATER), SOON, TIMING) is Verdict.PROCEED


def test_an_event_that_somebody_came_across_is_not_seen_by_a_read_of_the_booking() -> None:
    handed_over = a_booking_change(source=Source.SWEEP, mailbox_id=MAILBOX, event_id=EVENT_ID)
    assert judge_booking(handed_over, known_booking(**READ_LATER), SOON, TIMING) is Verdict.PROCEED


def test_merging_keeps_every_etag_once_and_the_latest_receipt() -> None:
    latest = a_change(etags=("b", "c"), received_at=SOON, correlation_id="latest")
    merged = merge([a_change(etags=("a", "b")), latest])
    assert merged == a_change(etags=("a", "b", "c"), received_at=SOON, correlation_id="latest")


@pytest.mark.parametrize("said", [0, 1])
def test_an_item_is_removed_when_one_of_the_merged_said_so(said: int) -> None:
    items = [a_change(etags=(str(number),), is_removed=number == said) for number in range(2)]
    assert merge(items).is_removed


def test_more_etags_than_are_remembered_are_none() -> None:
    full = [a_change(etags=(str(number),)) for number in range(REMEMBERED_ETAGS)]
    assert len(merge(full).etags) == REMEMBERED_ETAGS
    assert merge([*full, a_change(etags=("one more",))]).etags == ()


def test_an_item_without_etag_is_not_taken_for_the_echo_that_it_is_merged_with() -> None:
    known = a_known_event(etags=("processed",))
    merged = merge([a_change(etags=("processed",)), a_change(etags=())])
    assert judge(merged, known, SOON, TIMING) is Verdict.PROCEED


@pytest.mark.parametrize(
    ("source", "fingerprint", "verdict"),
    [
        pytest.param(Source.PUSH, DELETED_BY_US, Verdict.ECHO, id="we deleted it ourselves"),
        pytest.param(Source.PUSH, "another", Verdict.PROCEED, id="a dispatcher did"),
        pytest.param(Source.SWEEP, DELETED_BY_US, Verdict.PROCEED, id="its event was found alive"),
    ],
)
def test_the_webhook_of_our_own_deletion_is_an_echo(source: Source, fingerprint: str, verdict: Verdict) -> None:
    item = a_booking_change(is_deleted=True, event_id=EVENT_ID, source=source)
    known = KnownBooking(booking_id=item.booking_id, fingerprint=fingerprint)
    assert judge_booking(item, known, NOW, Timing()) is verdict
