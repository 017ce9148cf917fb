"""Why a booking's event is as it is: a verdict in a sentence or two over everything that was seen. Pure.

What would be done is not described here a second time: the verdict puts into words what `decide_delivery`, the decision
of the app itself, comes to on the same facts. So a diagnosis cannot say one thing and the app do another.
"""

from sync.core.actions import EndEvent, LeaveAlone, Reason, RecordAgreement
from sync.core.delivery import Decision
from sync.core.delivery_steps import MarkUndelivered
from sync.core.diagnosis import Diagnosis, Finding, Unread, failures, moment_text, sentence
from sync.core.diagnosis_booking_facts import BookingFacts, foresee
from sync.core.diagnosis_booking_rules import findings_about
from sync.core.diagnosis_booking_words import Words, words_of
from sync.core.diagnosis_booking_work import holding_breaker, newest_letter, wait_of, waiting_entry
from sync.core.rules import Rules
from sync.core.sides import Booking


def explain_booking(facts: BookingFacts, rules: Rules) -> Diagnosis:
    """The diagnosis of one booking, of what was gathered about it."""
    findings = findings_about(facts, rules)
    words = _words(facts, rules)
    return Diagnosis(
        subject=_subject(facts),
        verdict=f"{words.verdict}{_also(findings, words)}",
        next_step=words.next_step,
        findings=findings,
        is_found=None if isinstance(facts.booking, Unread) else facts.booking is not None,
    )


def _subject(facts: BookingFacts) -> str:
    """The booking, and the number by which people know its work."""
    order = facts.booking.work_order if isinstance(facts.booking, Booking) else None
    number = f" of work order {order.number}" if order is not None and order.number else ""
    return f"booking {facts.booking_id}{number}"


def _also(findings: tuple[Finding, ...], words: Words) -> str:
    others = [finding.rule for finding in failures(findings) if finding.rule not in words.covers]
    return f" See also: {', '.join(others)}." if others else ""


def _words(facts: BookingFacts, rules: Rules) -> Words:
    if isinstance(facts.booking, Unread):
        return Words(
            sentence(f"Dynamics could not be asked about the booking: {facts.booking.reason}"),
            "Ask again when Dataverse answers.",
        )
    decision = foresee(facts, rules)
    if decision is None:
        return _trouble(facts) or _untold(facts)
    if _is_open(decision) and (trouble := _trouble(facts)) is not None:
        return trouble
    return words_of(decision, facts, rules)


def _is_open(decision: Decision) -> bool:
    """Whether something is still to be done, or to be found out, about the booking."""
    if isinstance(decision, RecordAgreement | EndEvent | MarkUndelivered):
        return False
    return not isinstance(decision, LeaveAlone) or decision.reason is Reason.GONE_UNREPORTED


def _trouble(facts: BookingFacts) -> Words | None:
    """What keeps the work from being done: a breaker, a dead letter, a wait."""
    return _held(facts) or _buried(facts) or _waiting(facts) or _in_work(facts)


def _held(facts: BookingFacts) -> Words | None:
    breaker, letter = holding_breaker(facts), newest_letter(facts, is_held=True)
    is_gone = facts.booking is None or (facts.address is not None and facts.event is None)
    is_told_gone = letter is not None and isinstance(facts.event, Unread)
    if breaker is None or not (is_gone or is_told_gone):
        return None
    what = "The booking" if facts.booking is None else "Its event"
    return Words(
        f"{what} was deleted, but the breaker holds that: it counts {breaker.held} at once, more than it lets pass.",
        f"Nothing by itself. If they are meant: python -m sync release {breaker.mailbox_id}",
        ("breaker", "breaker-of-bookings", "dead-letters", "booking", "event"),
    )


def _buried(facts: BookingFacts) -> Words | None:
    letter = newest_letter(facts, is_held=False) or newest_letter(facts, is_held=True)
    if letter is None:
        return None
    return Words(
        sentence(f"The app has given up on a change of it, on {moment_text(letter.at)}: {letter.reason}"),
        f"{letter.mend} To replay it: python -m sync replay --id {letter.letter_id}",
        ("dead-letters", "agreement", "link", "event", "last-decision"),
    )


def _waiting(facts: BookingFacts) -> Words | None:
    entry = waiting_entry(facts)
    if entry is None:
        return None
    why, due_at = wait_of(entry)
    due = f", next at {moment_text(due_at)}" if due_at else ""
    return Words(
        sentence(f"A change of it, received {moment_text(entry.received_at)}, waits to be tried again: {why}"),
        f"It is tried again by itself{due}; after a day it becomes a dead letter.",
        ("last-decision", "agreement", "link", "event"),
    )


def _in_work(facts: BookingFacts) -> Words | None:
    known = facts.known
    if known is None or isinstance(known, Unread) or known.leased_until is None:
        return None
    if known.leased_until <= facts.asked_at:
        return None
    return Words(
        "A worker is at it at this moment.", "Ask again in a minute.", ("last-decision", "agreement", "link", "event")
    )


def _untold(facts: BookingFacts) -> Words:
    unread = [one for one in (facts.link, facts.quarantine, facts.event, facts.marked) if isinstance(one, Unread)]
    reasons = "; ".join(dict.fromkeys(one.reason for one in unread))
    return Words(
        sentence(f"It cannot be told how the two stand: {reasons}"), "Ask again when what is unknown below can be read."
    )
