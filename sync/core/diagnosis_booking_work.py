"""What has become of the work on a booking: breakers, dead letters, the journal. Rules of its diagnosis. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sync.core.diagnosis import Finding, Question, Unread, moment_text, span_text
from sync.core.diagnosis_booking_facts import BookingFacts, Rule
from sync.core.errors import BreakerHeld
from sync.core.journal import DELAYED, DeadLetter, JournalEntry
from sync.core.mailboxes import BOOKINGS, Breaker
from sync.core.memory import KnownBooking
from sync.core.rules import Rules
from sync.core.work_items import Source

_BURIED = "buried"
_SAYS_NOTHING = ("dropped", "overwriting")
_NO_DECISION = (*_SAYS_NOTHING, DELAYED, "quarantined", _BURIED)
"""Actions of the journal that decide nothing about the two sides (`docs/operate.md`, what the journal says)."""


def waiting_entry(facts: BookingFacts) -> JournalEntry | None:
    """The latest item that was put back on its queue, and of which nothing has been told since."""
    entries = () if isinstance(facts.entries, Unread) else facts.entries
    newest_of_each: dict[str, JournalEntry] = {}
    for entry in entries:
        newest_of_each.setdefault(entry.correlation_id, entry)
    return next((entry for entry in newest_of_each.values() if entry.action == DELAYED), None)


def wait_of(entry: JournalEntry) -> tuple[str, datetime | None]:
    """Why an item was put back on its queue, and when it is due again: its reason begins with the seconds."""
    seconds, _, why = entry.reason.partition(" s: ")
    return (why, entry.at + timedelta(seconds=int(seconds))) if seconds.isdecimal() else (entry.reason, None)


def newest_letter(facts: BookingFacts, *, is_held: bool) -> DeadLetter | None:
    """The latest dead letter about the booking or its event; of those that the breaker holds, or of the others."""
    letters = () if isinstance(facts.letters, Unread) else facts.letters
    chosen = [one for one in letters if (one.error_class == BreakerHeld.__name__) is is_held]
    return max(chosen, key=lambda letter: letter.at, default=None)


def holding_breaker(facts: BookingFacts) -> Breaker | None:
    """The breaker that holds deletions where this booking could be concerned."""
    held = (facts.breaker, facts.table_breaker if facts.booking is None else None)
    return next((one for one in held if isinstance(one, Breaker) and one.held_since is not None), None)


def _breaker_is_closed(facts: BookingFacts, _: Rules) -> Finding | None:
    asked = Question("breaker", "The breaker holds no deletions in the mailbox")
    if facts.mailbox_id is None:
        return None
    if isinstance(facts.breaker, Unread):
        return asked.unknown(facts.breaker)
    return _breaker(asked, facts.breaker)


def _breaker_of_bookings_is_closed(facts: BookingFacts, _: Rules) -> Finding | None:
    asked = Question("breaker-of-bookings", "The breaker holds no deletions of bookings")
    if isinstance(facts.table_breaker, Unread):
        return asked.unknown(facts.table_breaker)
    return _breaker(asked, facts.table_breaker)


def _breaker(asked: Question, breaker: Breaker | None) -> Finding:
    if breaker is None or breaker.held_since is None:
        return asked.passed("nothing held", "Single deletions pass.")
    seen = f"{breaker.held} held since {moment_text(breaker.held_since)}"
    where = "the table of bookings" if breaker.mailbox_id == BOOKINGS else "this mailbox"
    meaning = f"More was deleted in {where} than the breaker lets pass, so nothing of it is carried over."
    mend = f"Look at {where}. If the deletions are meant: python -m sync release {breaker.mailbox_id}"
    return asked.failed(seen, meaning, mend)


def _nothing_is_buried(facts: BookingFacts, _: Rules) -> Finding:
    asked, letters = Question("dead-letters", "No dead letter is about it"), facts.letters
    if isinstance(letters, Unread):
        return asked.unknown(letters)
    if not letters:
        return asked.passed("none", "Nothing was given up.")
    newest = max(letters, key=lambda letter: letter.at)
    seen = "; ".join(f"{one.error_class} of {moment_text(one.at)}: {one.reason}" for one in letters)
    mend = f"{newest.mend} To replay it: python -m sync replay --id {newest.letter_id}"
    return asked.failed(seen, "The item is not tried again by itself.", mend)


def _was_heard_of(facts: BookingFacts, _: Rules) -> Finding:
    """What came in last, from either service."""
    asked, entries = Question("last-notification", "Changes of it have been heard of"), facts.entries
    if isinstance(entries, Unread):
        return asked.unknown(entries)
    pushed = [entry for entry in entries if entry.source is Source.PUSH]
    if pushed:
        seen = _listed(pushed, 3)
        return asked.passed(seen, "These are the last notifications and webhooks, and what each came to.")
    if entries:
        seen = f"none; last work by {entries[0].source}, {moment_text(entries[0].at)}"
        return asked.passed(seen, "It was found by a sweep, a backfill or a replay.")
    return asked.passed("none in the journal", "The journal keeps 90 days, and tells nothing of what was idle.")


def _was_decided(facts: BookingFacts, _: Rules) -> Finding:
    """What the app did last about it."""
    asked, entries = Question("last-decision", "The last work on it came to an end"), facts.entries
    if isinstance(entries, Unread):
        return asked.unknown(entries)
    decided = next((entry for entry in entries if entry.action not in _NO_DECISION), None)
    seen = _listed([decided], 1) if decided else "none in the journal"
    if (waiting := waiting_entry(facts)) is not None:
        seen = f"{seen}; now waiting since {moment_text(waiting.at)}: {wait_of(waiting)[0]}"
        return asked.failed(seen, "A change of it waits on the queue.", "Nothing: it is tried again by itself.")
    newest = next((entry for entry in entries if entry.action not in _SAYS_NOTHING), None)
    if newest is not None and newest.action == _BURIED:
        seen = f"{seen}; then given up, {moment_text(newest.at)}: {newest.reason}"
        return asked.failed(seen, "The last change of it was not followed.", "See the dead letter about it.")
    if isinstance(facts.known, KnownBooking) and facts.known.is_unfinished:
        seen = f"{seen}; work began and has not ended"
        meaning = "A worker is at it, or died at it: then the next look finds out how far it came."
        return asked.failed(seen, meaning, "Nothing, if it is a matter of minutes; else sweep the mailbox in full.")
    return asked.passed(seen, "This is what the app did last; the journal has the rest.")


def _nobody_was_overruled(facts: BookingFacts, _: Rules) -> Finding:
    asked, conflicts = Question("conflict", "Nobody's change was overwritten"), facts.conflicts
    if isinstance(conflicts, Unread):
        return asked.unknown(conflicts)
    open_ones = [conflict for conflict in conflicts if conflict.taken_at is None]
    if not open_ones:
        seen = f"{len(conflicts)}, all settled by a person" if conflicts else "none"
        return asked.passed(seen, "Nobody's time was lost to another's.")
    seen = "; ".join(
        f"{moment_text(one.at)}: {span_text(one.stands)} ({one.winner}) stands, {span_text(one.lost)} was lost"
        for one in open_ones[:3]
    )
    take = f"python -m sync conflicts --take {open_ones[0].conflict_id}"
    mend = f"If the time that was lost is the right one: {take}. CONFLICT_WINNER chooses who wins."
    return asked.failed(seen, "Both sides were changed before the app could bring them together.", mend)


def _listed(entries: Sequence[JournalEntry], most: int) -> str:
    return "; ".join(_told(entries[:most]))


def _told(entries: Iterable[JournalEntry]) -> Iterable[str]:
    for entry in entries:
        times = f", {entry.before} -> {entry.after}" if entry.before and entry.after else ""
        yield f"{moment_text(entry.at)} {entry.action} ({entry.reason}){times} [{entry.correlation_id}]"


RULES_OF_WORK: tuple[Rule, ...] = (
    _breaker_is_closed,
    _breaker_of_bookings_is_closed,
    _nothing_is_buried,
    _was_heard_of,
    _was_decided,
    _nobody_was_overruled,
)
