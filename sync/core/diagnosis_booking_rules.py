"""The rules of a booking's diagnosis: each holds one condition against the facts, and says what that means. Pure.

In the order in which they matter: is there a booking that is to have an event, is the event there and equal, can the
technician's mailbox be worked in, and what has become of the work.
"""

from datetime import datetime, timedelta

from sync.core.actions import Reason
from sync.core.content import changed_fields, render
from sync.core.delivery_state import OVER, UNDELIVERED
from sync.core.diagnosis import Finding, Question, Unread, moment_text, span_text
from sync.core.diagnosis_booking_facts import BookingFacts, Rule, why_none_is_due
from sync.core.diagnosis_booking_work import RULES_OF_WORK
from sync.core.mailboxes import Quarantine, QuarantineKind, SubscriptionStanding
from sync.core.reconcile import OnCancellation
from sync.core.rules import Rules
from sync.core.sides import Booking, BookingPhase, Event
from sync.core.sweeping import window_at

_EVENT_IS_THERE = "The event is in the technician's calendar"

SWEEP_IS_LATE = timedelta(days=1)
"""Sweeps run every quarter of an hour unless set otherwise; nobody sets them to more than a day."""

SWITCH_ONE_OFF = (
    'Switch one of the two off: in the Power Platform admin center, the mailbox\'s "Appointments, contacts, and tasks" '
    "to None; or leave the mailbox out with MAILBOXES."
)


def findings_about(facts: BookingFacts, rules: Rules) -> tuple[Finding, ...]:
    """Every rule that applies to what was seen, in the order of reading."""
    return tuple(finding for rule in _RULES if (finding := rule(facts, rules)) is not None)


def _exists(facts: BookingFacts, _: Rules) -> Finding:
    asked, booking = Question("booking", "The booking is in Dynamics"), facts.booking
    if isinstance(booking, Unread):
        return asked.unknown(booking)
    if booking is None:
        return asked.failed(
            "Dataverse has no booking with this id",
            "It was deleted, or never was, or belongs to another environment.",
            "Check the id and DATAVERSE_URL. A booking deleted by mistake may be in Dataverse's recycle bin.",
        )
    seen = f"{span_text(booking.span)}, {booking.phase}, changed {moment_text(booking.modified_at)}"
    return asked.passed(seen, "This is what Dynamics says now.")


def _has_mailbox(facts: BookingFacts, _: Rules) -> Finding | None:
    asked, booking = Question("technician", "It is booked on a user with a mailbox"), facts.booking
    if not isinstance(booking, Booking):
        return None
    if booking.mailbox_id is None:
        mend = "Book a resource of type User whose user comes from Microsoft Entra. Other resources have no calendar."
        return asked.failed("none", UNDELIVERED[Reason.NO_MAILBOX], mend)
    if not booking.is_user_enabled:
        mend = "Enable the user, or book somebody else; then change the booking, so that it is looked at."
        seen = f"{booking.mailbox_id}, disabled"
        return asked.failed(seen, f"{UNDELIVERED[Reason.USER_DISABLED]} Their calendar is left as it is.", mend)
    return asked.passed(booking.mailbox_id, "This is whose calendar the event belongs into.")


def _is_chosen(facts: BookingFacts, rules: Rules) -> Finding | None:
    asked, booking = Question("mailboxes", "The technician's mailbox is kept in sync"), facts.booking
    if not isinstance(booking, Booking) or booking.mailbox_id is None:
        return None
    if not rules.leaves_out(booking.mailbox_id):
        seen = "MAILBOXES lists it" if rules.mailboxes else "MAILBOXES is empty: every user's"
        return asked.passed(seen, "The app works in it.")
    mend = f"Add {booking.mailbox_id} to MAILBOXES, or empty that setting to keep every technician in sync."
    return asked.failed(f"not among the {len(rules.mailboxes)} of MAILBOXES", UNDELIVERED[Reason.NOT_SYNCED], mend)


def _is_in_scope(facts: BookingFacts, rules: Rules) -> Finding | None:
    asked, booking = Question("scope", "Such bookings get events"), facts.booking
    if not isinstance(booking, Booking):
        return None
    seen = f"{'with' if booking.work_order else 'without'} a work order; BOOKING_SCOPE={rules.policy.scope}"
    if rules.policy.covers(booking):
        return asked.passed(seen, "The booking is in scope.")
    mend = "Set BOOKING_SCOPE=any, or give the booking its work order."
    return asked.failed(seen, "Only bookings of work orders get events.", mend)


def _status_allows(facts: BookingFacts, rules: Rules) -> Finding | None:
    asked, booking = Question("status", "Its status lets it have an event"), facts.booking
    if not isinstance(booking, Booking):
        return None
    if booking.phase not in OVER:
        return asked.passed(booking.phase, "The visit is still to be made.")
    if facts.holds_event and not _loses_its_event(booking, rules):
        return asked.passed(booking.phase, "Work that is over keeps the event that it has.")
    if booking.phase is BookingPhase.CANCELLED:
        mend = "Nothing, if the cancellation is meant. Else give the booking an open status: it then gets an event."
        return asked.failed(booking.phase, "A cancelled booking has no event.", mend)
    return asked.failed(booking.phase, "Completed work gets no event any more.", "Nothing, if it is done.")


def _loses_its_event(booking: Booking, rules: Rules) -> bool:
    return booking.phase is BookingPhase.CANCELLED and rules.policy.on_cancellation is OnCancellation.REMOVE


def _is_in_window(facts: BookingFacts, rules: Rules) -> Finding | None:
    asked, booking = Question("window", "It lies in the days that are kept in sync"), facts.booking
    if not isinstance(booking, Booking):
        return None
    window = window_at(facts.asked_at, rules.window)
    seen = f"booking {span_text(booking.span)}, window {window.start_at:%Y-%m-%d} to {window.end_at:%Y-%m-%d}"
    if booking.span.overlaps(window):
        return asked.passed(seen, "Events are made for it.")
    if facts.holds_event:
        return asked.passed(seen, "It lies outside, but has its event already, which is kept equal.")
    if booking.span.start_at >= window.end_at:
        enters_on = booking.span.start_at - rules.window.future
        meaning = f"It is too far ahead. It gets its event by itself about {enters_on:%Y-%m-%d}."
        return asked.failed(seen, meaning, "Nothing; or raise WINDOW_FUTURE_DAYS to have it sooner.")
    return asked.failed(seen, "It is too long ago to get an event.", "Nothing; or raise WINDOW_PAST_DAYS.")


def _is_linked(facts: BookingFacts, rules: Rules) -> Finding:
    asked, link = Question("link", "Booking and event are linked"), facts.link
    if isinstance(link, Unread):
        return asked.unknown(link)
    if link is None:
        if (reason := why_none_is_due(facts, rules)) is not None:
            return asked.passed("none", f"None is due: {reason}.")
        meaning = "The app holds no event for this booking."
        return asked.failed("none", meaning, "It is made when the booking is looked at next.")
    named = "" if link.is_named else ", not yet named by the booking"
    seen = f"event {link.event_id} of mailbox {link.mailbox_id}, agreed on {span_text(link.agreed)}{named}"
    return asked.passed(seen, f"This is what both sides last agreed on. It is event number {link.generation}.")


def _event_is_there(facts: BookingFacts, rules: Rules) -> Finding | None:
    asked, event = Question("event", _EVENT_IS_THERE), facts.event
    if isinstance(event, Unread):
        return asked.unknown(event)
    if isinstance(event, Event):
        return _event_found(event, facts, rules)
    if isinstance(facts.marked, Event):
        meaning = "It carries the booking's mark without being the linked one: a copy, or one whose id was lost."
        mend = "It is taken for the booking's when the booking is looked at next."
        return asked.failed(f"another one: {_event_text(facts.marked)}", meaning, mend)
    if facts.address is None:
        return asked.unknown(facts.marked) if isinstance(facts.marked, Unread) else None
    return _event_missing(facts, rules)


def _event_missing(facts: BookingFacts, rules: Rules) -> Finding:
    asked = Question("event", _EVENT_IS_THERE)
    seen = "among the deleted items" if facts.is_among_deleted else "not there"
    if why_none_is_due(facts, rules) is Reason.PAST_EVENT:
        meaning = "It was deleted. The visit is over, so that says nothing about the booking (KEEP_PAST_EVENTS)."
        return asked.failed(seen, meaning, "Nothing. Planned anew in Dynamics, the visit gets a new event.")
    meaning = "Somebody has deleted it. The next full round of the calendar reports that, and the booking follows."
    mend = "If that was a mistake, move the booking in Dynamics: an edit beats a deletion, and makes a new event."
    return asked.failed(seen, meaning, mend)


def _event_found(event: Event, facts: BookingFacts, rules: Rules) -> Finding:
    asked = Question("event", _EVENT_IS_THERE)
    if facts.booking is None or (isinstance(facts.booking, Booking) and _is_to_go(facts.booking, event, rules)):
        meaning = "It is left over: the booking is not to have this event any more."
        return asked.failed(_event_text(event), meaning, "It is removed when the booking is looked at next.")
    return asked.passed(_event_text(event), "This is what Outlook says now.")


def _is_to_go(booking: Booking, event: Event, rules: Rules) -> bool:
    return _loses_its_event(booking, rules) or booking.mailbox_id != event.mailbox_id


def _event_text(event: Event) -> str:
    kind = "all day" if event.is_all_day else event.type
    cancelled = ", cancelled" if event.is_cancelled else ""
    return f"{span_text(event.span)}, {kind}{cancelled}, changed {moment_text(event.modified_at)}"


def _is_equal(facts: BookingFacts, rules: Rules) -> Finding | None:
    asked = Question("agreement", "Both sides say the same")
    booking, event, link = facts.booking, facts.event, facts.link
    if not isinstance(booking, Booking) or not isinstance(event, Event) or _is_to_go(booking, event, rules):
        return None
    if booking.span != event.span:
        seen = f"Dynamics {span_text(booking.span)}, Outlook {span_text(event.span)}"
        mend = "It is made equal when either side is looked at next; see what will happen."
        return asked.failed(seen, "The times differ.", mend)
    written = {} if link is None or isinstance(link, Unread) else link.written
    if fields := sorted(changed_fields(render(booking, rules.templates), written)):
        meaning = f"The event was last given another {_listed(fields)} than Dynamics has now."
        return asked.failed(f"equal times; changed in Dynamics: {', '.join(fields)}", meaning, _WRITTEN_NEXT)
    return asked.passed(span_text(booking.span), "Times are equal, and the event was given all that it should say.")


_WRITTEN_NEXT = "It is written when the booking is looked at next."


def _listed(words: list[str]) -> str:
    names = [word.replace("_", " ") for word in words]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _is_not_set_aside(facts: BookingFacts, _: Rules) -> Finding | None:
    asked, quarantine = Question("quarantine", "The mailbox answers to the app"), facts.quarantine
    if facts.mailbox_id is None:
        return None
    if isinstance(quarantine, Unread):
        return asked.unknown(quarantine)
    if quarantine is None or quarantine.kind is QuarantineKind.MICROSOFT_SYNC:
        return asked.passed("not in quarantine", "Its changes are followed.")
    seen = f"in quarantine since {moment_text(quarantine.since)}: {quarantine.reason}"
    meaning = (
        "Nothing is read or written there, and nothing is cancelled. It is probed again at "
        f"{moment_text(quarantine.probe_at)}, and then everything that was missed is caught up with."
    )
    mend = f"Give the app access to the mailbox, or license it. To probe at once: {_sweep(facts.mailbox_id)}"
    return asked.failed(seen, meaning, mend)


def _is_ours_alone(facts: BookingFacts, rules: Rules) -> Finding | None:
    asked, setup = Question("microsoft-sync", "Microsoft's own sync is not on for the mailbox"), facts.microsoft
    if facts.mailbox_id is None:
        return None
    if isinstance(setup, Unread):
        return asked.unknown(setup)
    quarantine = None if isinstance(facts.quarantine, Unread) else facts.quarantine
    is_set_aside = quarantine is not None and quarantine.kind is QuarantineKind.MICROSOFT_SYNC
    if setup is not None and not setup.is_in_use and is_set_aside:
        meaning = "Microsoft's sync has left the mailbox, and the app has not come back to it yet."
        return asked.failed("off by now", meaning, "Nothing: the next upkeep, minutes away, takes it back.")
    if not is_set_aside and (setup is None or not setup.is_in_use):
        seen = "off" if setup is not None else "off, as far as upkeep saw"
        return asked.passed(seen, "No second sync puts the same visits into this calendar.")
    if rules.allows_microsoft_sync:
        meaning = "Both syncs work in this mailbox, so a visit may stand in it twice."
        return asked.failed("on; ALLOW_MICROSOFT_SYNC=true", meaning, SWITCH_ONE_OFF)
    meaning = "Both would put the same visits into the calendar, so the app keeps out of it."
    return asked.failed("on", meaning, f"{SWITCH_ONE_OFF} ALLOW_MICROSOFT_SYNC=true overrides this.")


def _is_worked_in(facts: BookingFacts, rules: Rules) -> bool:
    """Whether it is a mailbox to work in, and not set aside: else it has neither subscription nor cursor."""
    is_wanted = facts.mailbox_id is not None and not rules.leaves_out(facts.mailbox_id)
    return is_wanted and not isinstance(facts.quarantine, Quarantine)


def _is_subscribed(facts: BookingFacts, rules: Rules) -> Finding | None:
    asked, record = Question("subscription", "Graph tells us of changes in the mailbox"), facts.subscription
    if not _is_worked_in(facts, rules):
        return None
    if isinstance(record, Unread):
        return asked.unknown(record)
    slower = "Changes in Outlook are noticed by the sweep only."
    if record is None:
        return asked.failed("no subscription", slower, "The next upkeep makes one, if the mailbox is to be in sync.")
    seen = f"{record.standing}{_until(record.expires_at)}{f', {record.reason}' if record.reason else ''}"
    is_live = record.expires_at is not None and record.expires_at > facts.asked_at
    if record.standing is SubscriptionStanding.ACTIVE and is_live:
        return asked.passed(seen, "Changes in Outlook are heard of within seconds.")
    mend = "The next upkeep tries again. If it stays so: docs/operate.md, subscriptions."
    return asked.failed(seen, slower, mend)


def _until(moment: datetime | None) -> str:
    return f" until {moment_text(moment)}" if moment else ""


def _is_swept(facts: BookingFacts, rules: Rules) -> Finding | None:
    asked, cursor = Question("sweep", "The mailbox is swept for what was missed"), facts.cursor
    if not _is_worked_in(facts, rules):
        return None
    if isinstance(cursor, Unread):
        return asked.unknown(cursor)
    if cursor is None:
        meaning = "Nothing is remembered of it: the next sweep reads the whole window."
        return asked.failed("never, or it was set aside", meaning, f"At once: {_sweep(facts.mailbox_id)}")
    seen = f"last {moment_text(cursor.saved_at)}"
    if facts.asked_at - cursor.saved_at > SWEEP_IS_LATE:
        meaning = "Sweeps of this mailbox do not come to an end, so that a lost notification is not made good."
        return asked.failed(seen, meaning, f"Look at the journal of the mailbox; then {_sweep(facts.mailbox_id)}")
    return asked.passed(seen, "A lost notification is made good by the next sweep.")


def _sweep(mailbox_id: str | None) -> str:
    return f"python -m sync sweep --full {mailbox_id}"


_RULES: tuple[Rule, ...] = (
    _exists,
    _has_mailbox,
    _is_chosen,
    _is_in_scope,
    _status_allows,
    _is_in_window,
    _is_linked,
    _event_is_there,
    _is_equal,
    _is_not_set_aside,
    _is_ours_alone,
    _is_subscribed,
    _is_swept,
    *RULES_OF_WORK,
)
