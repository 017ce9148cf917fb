"""Which work items need no call at all. Pure.

One change raises up to four notifications, unordered and repeated, and a technician's private events raise them too.
An item is dropped only on proof that its change was seen: a read that began after the item was received, or an etag
that was processed before. Instances' clocks differ, so "after" has a margin.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sync.core.errors import UnknownAsYet
from sync.core.memory import DELETED_BY_US, REMEMBERED_ETAGS, KnownBooking, KnownEvent, Standing
from sync.core.sides import Event
from sync.core.work_items import BookingChange, EventChange, Source

PUSH_RECHECKS = 1
SWEEP_RECHECKS = 5
"""How often an answer that shows no change is doubted."""

UNKNOWN_TO_READS = timedelta(seconds=90)
"""How long a new event may be missing from what Graph answers, and an old one be in it; no bound is documented."""

GRAPHS_CLOCK_ALLOWANCE = timedelta(minutes=10)
"""By how much Graph's clock, by which it dates events, may be behind ours."""


class Verdict(StrEnum):
    """What to do with an item before anything is called."""

    PROCEED = "proceed"
    WAIT = "another-worker-is-at-it"
    SEEN = "read-after-it-was-received"
    DOUBTED = "a-second-look-is-queued"
    ECHO = "etag-already-processed"
    FOREIGN = "known-as-not-ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things are waited for and remembered.

    `clock_margin` must exceed the difference between two instances' clocks. `lease` must exceed the time that one
    item takes.
    """

    clock_margin: timedelta = timedelta(seconds=1)
    lease: timedelta = timedelta(seconds=180)
    foreign_memory: timedelta = timedelta(days=30)
    recheck_delay: timedelta = timedelta(seconds=10)


def judge(item: EventChange, known: KnownEvent, now: datetime, timing: Timing) -> Verdict:
    """Whether `item` must be handled. A replay always is, unless another worker is at that event."""
    if known.leased_until is not None and known.leased_until > now and known.leased_by != item.correlation_id:
        return Verdict.WAIT
    if item.source is Source.REPLAY:
        return Verdict.PROCEED
    if _was_read_after(item, known, timing) and not _contradicts_last_read(item, known):
        return Verdict.SEEN
    if _is_doubted_by_another(item, known, timing):
        return Verdict.DOUBTED
    if _is_known_as_foreign(known, now) and item.source is Source.PUSH:
        return Verdict.FOREIGN  # A sweep asks for such an event only when Dataverse names it.
    if item.etags and not item.is_removed and set(item.etags) <= _handled_etags(item, known):
        return Verdict.ECHO
    return Verdict.PROCEED


def judge_booking(item: BookingChange, known: KnownBooking, now: datetime, timing: Timing) -> Verdict:
    """Whether `item` must be handled. Dataverse, unlike Graph, does not answer with states older than a change."""
    if known.leased_until is not None and known.leased_until > now and known.leased_by != item.correlation_id:
        return Verdict.WAIT
    if item.source is Source.REPLAY or known.is_unfinished:
        return Verdict.PROCEED
    if item.is_deleted and item.source is Source.PUSH and known.fingerprint == DELETED_BY_US:
        return Verdict.ECHO
    if item.is_deleted or item.event_id is not None:
        return Verdict.PROCEED  # It tells more than that the booking should be read.
    if _was_read_after(item, known, timing):
        return Verdict.SEEN
    is_echo = item.etag in known.etags if item.etag is not None else _is_last_state(item, known)
    return Verdict.ECHO if is_echo else Verdict.PROCEED


def _is_last_state(item: BookingChange, known: KnownBooking) -> bool:
    """Whether a webhook tells of the state that we saw or wrote last.

    Of no earlier one: a booking that is moved away and back has been away, and somebody may have followed it.
    """
    return item.fingerprint is not None and item.fingerprint == known.fingerprint


def _was_read_after(item: EventChange | BookingChange, known: KnownEvent | KnownBooking, timing: Timing) -> bool:
    return known.read_at is not None and known.read_at > item.received_at + timing.clock_margin


def _is_doubted_by_another(item: EventChange, known: KnownEvent, timing: Timing) -> bool:
    """Whether another item, which saw this one's moment, is waiting to look again: one doubt serves a whole burst.

    Not a sweep, which is in doubt for longer than that: its cursor has moved on.
    """
    if known.doubted_at is None or known.doubted_by == item.correlation_id:
        return False
    if item.is_removed or item.source is Source.SWEEP:
        return False
    return known.doubted_at > item.received_at + timing.clock_margin


def _is_known_as_foreign(known: KnownEvent, now: datetime) -> bool:
    return known.standing is Standing.FOREIGN and known.remembered_until is not None and known.remembered_until > now


def _contradicts_last_read(item: EventChange, known: KnownEvent) -> bool:
    """Whether the event is reported removed though our last read found it.

    Graph may still answer an event that lies among the deleted items; only a removal makes us look where it is.
    """
    return item.is_removed and known.standing not in (Standing.FOREIGN, Standing.ENDED)


def _handled_etags(item: EventChange, known: KnownEvent) -> set[str]:
    """The etags that need no second look. A sweep asks for what was read: it is there to find what a read missed."""
    return set(known.etags) if item.source is Source.SWEEP else {*known.etags, *known.notified_etags}


def doubt_absence(known: KnownEvent, now: datetime) -> None:
    """Raises `UnknownAsYet` where it proves nothing that a read did not find the event: we have just made it."""
    if known.standing is not Standing.LINKED or known.made_at is None:
        return
    if now - known.made_at < UNKNOWN_TO_READS:
        raise UnknownAsYet(
            "Graph does not show yet the event that it has just made.",
            operation="event.get",
            retry_after_seconds=UNKNOWN_TO_READS.total_seconds() / 3,
        )


def is_known_to_reads(event: Event, now: datetime) -> bool:
    """Whether an event, as it was read, is so old that no read lacks it."""
    return event.modified_at < now - UNKNOWN_TO_READS - GRAPHS_CLOCK_ALLOWANCE


def doubt_presence(known: KnownEvent, now: datetime) -> None:
    """Raises `UnknownAsYet` where it proves nothing that a search found the event: it has just ended."""
    if known.standing is not Standing.ENDED or known.read_at is None:
        return
    if now - known.read_at < UNKNOWN_TO_READS:
        raise UnknownAsYet(
            "Graph still shows the event that has just been removed.",
            operation="event.search",
            retry_after_seconds=UNKNOWN_TO_READS.total_seconds() / 3,
        )


def doubt_search(known: KnownBooking, mailbox_id: str, now: datetime) -> None:
    """Raises `UnknownAsYet` where it proves nothing that a search found no event: one may just have been made."""
    if known.begun_in != mailbox_id or known.begun_at is None:
        return
    if now - known.begun_at < UNKNOWN_TO_READS:
        raise UnknownAsYet(
            "Graph may have made an event that a search does not show yet.",
            operation="event.search",
            retry_after_seconds=UNKNOWN_TO_READS.total_seconds() / 3,
        )


def is_stale(event: Event, item: EventChange, known: KnownEvent) -> bool:
    """Whether Graph answered with an older state than the item promises, so that a second look is due.

    Either the event was modified before the state that we saw last, or it is exactly the state that we saw last though
    a notification with an unknown etag, or a removal, says that something changed. The second suspicion is followed up
    once, since a late notification of the same burst looks the same, and so does an event moved to another calendar;
    more often for a change that a sweep found, whose cursor has moved on.
    """
    if item.source is Source.REPLAY:
        return False  # A person has looked.
    if known.modified_at is not None and event.modified_at < known.modified_at:
        return item.rechecks < SWEEP_RECHECKS
    if event.etag == known.written_etag and item.source is Source.PUSH and not item.is_removed:
        # Our own echo, which names an unknown etag where the etags of notifications have a form of their own.
        return False
    limit = SWEEP_RECHECKS if item.source is Source.SWEEP and not item.is_removed else PUSH_RECHECKS
    if event.etag not in known.etags or item.rechecks >= limit:
        return False
    return item.is_removed or bool(item.etags and not set(item.etags) & set(known.etags))


def merge(items: list[EventChange]) -> EventChange:
    """One item for several about the same event: every etag, removed if one said so, received with the latest.

    It carries no etag, and so is never taken for an echo, when one of them had none or there are too many to remember.
    """
    etags = tuple(dict.fromkeys(etag for item in items for etag in item.etags))
    is_complete = all(item.etags for item in items) and len(etags) <= REMEMBERED_ETAGS
    return replace(
        max(items, key=lambda item: item.received_at),
        etags=etags if is_complete else (),
        is_removed=any(item.is_removed for item in items),
    )
