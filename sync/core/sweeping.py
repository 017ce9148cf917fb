"""What a sweep of one calendar covers, and what it concludes. Pure.

A sweep finds what push lost. It never convicts: everything it suspects becomes a work item that is read and decided
like any other. Delta reports events outside its window as removed, too (Graph documentation, event-delta, and
microsoft-graph-docs issues 18241 and 10243), so a removal is a hint.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.core.mailboxes import Breaker, Cursor
from sync.core.memory import KnownEvent, Standing
from sync.core.sides import TimeSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPolicy:
    """The days around now that a sweep covers. A window is renewed once it has aged by `roll`."""

    past: timedelta = timedelta(days=7)
    future: timedelta = timedelta(days=42)
    roll: timedelta = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """More than `number` deletions *and* more than `share` of a mailbox's links, in a run or in `period`, hold."""

    number: int = 10
    share: float = 0.5
    period: timedelta = timedelta(hours=1)


def window_at(now: datetime, policy: WindowPolicy) -> TimeSpan:
    """The window of a round begun now: whole days in UTC, with room to age before it must be renewed."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return TimeSpan(start_at=midnight - policy.past, end_at=midnight + policy.future + policy.roll)


def needs_full_round(cursor: Cursor | None, now: datetime, policy: WindowPolicy) -> bool:
    """Whether there is no cursor, or its window no longer reaches as far ahead as wanted."""
    return cursor is None or cursor.window.end_at < now + policy.future


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a round found: events to look at, and among the linked ones those that seem to be gone."""

    changed: Mapping[str, str]
    """Event id to etag, for events that are there and not as we remember them."""
    removed: Collection[str]
    """Linked events that were reported removed, or were not seen in a full round over their time."""
    linked: int
    """How many of the mailbox's events are linked and in the window, or suspected."""
    held: int = 0
    """How many deletions the breaker holds."""


def judge_round(
    *,
    seen: Mapping[str, str],
    reported_removed: Collection[str],
    known: Mapping[str, KnownEvent],
    expected: Collection[str],
    window: TimeSpan,
    is_full: bool,
    now: datetime,
) -> Findings:
    """Compare a round with what we remember.

    `seen` maps the ids of events that are there to their etags. `expected` are event ids that Dataverse names for this
    mailbox and window (full rounds only): they find deletions even when our tables were lost.
    """
    changed = {
        event_id: etag
        for event_id, etag in seen.items()
        if not _is_settled(known.get(event_id), etag, now) or _is_wrongly_foreign(known.get(event_id), expected)
    }
    linked = {event_id for event_id, one in known.items() if is_linked_within(one, window)}
    suspects = {event_id for event_id in reported_removed if event_id not in seen and _is_linked(known.get(event_id))}
    if is_full:
        suspects |= (linked | set(expected)) - set(seen)
    removed = [event_id for event_id in sorted(suspects) if not _has_ended(known.get(event_id))]
    return Findings(changed=changed, removed=removed, linked=len(linked | set(expected) | suspects))


def _is_settled(known: KnownEvent | None, etag: str, now: datetime) -> bool:
    """Whether an event that is there needs no look: not ours, or as we saw it last."""
    if known is None:
        return False
    if known.standing is Standing.FOREIGN:
        return known.remembered_until is not None and known.remembered_until > now
    return etag in known.etags


def _is_wrongly_foreign(known: KnownEvent | None, expected: Collection[str]) -> bool:
    """Whether a booking names an event that we took for foreign: a copy, say, that took the original's place."""
    return known is not None and known.standing is Standing.FOREIGN and known.event_id in expected


def is_linked_within(known: KnownEvent, window: TimeSpan) -> bool:
    """Whether the event is a booking's, with its time in the window."""
    return _is_linked(known) and known.span is not None and known.span.overlaps(window)


def _is_linked(known: KnownEvent | None) -> bool:
    return known is not None and known.standing is Standing.LINKED


def _has_ended(known: KnownEvent | None) -> bool:
    return known is not None and known.standing is Standing.ENDED


def breaker_holds(removals: int, linked: int, breaker: Breaker, now: datetime, policy: BreakerPolicy) -> bool:
    """Whether that many deletions are too many, together with those that passed lately. Aware UTC.

    `linked` counts the links that are left, those about to go included and those that passed lately not.
    """
    if breaker.released_until is not None and breaker.released_until > now:
        return False
    recent = len(recent_passes(breaker, now, policy))
    total = removals + recent
    return total > policy.number and total > policy.share * (linked + recent)


def recent_passes(breaker: Breaker, now: datetime, policy: BreakerPolicy) -> tuple[datetime, ...]:
    """The deletions that passed within the breaker's period.

    While it holds they do not age: else a flood would pass at ten an hour, with nobody having looked.
    """
    until = breaker.held_since or now
    return tuple(at for at in breaker.passed_at if until - at < policy.period)
