"""What a decision about a booking means, in words: how things stand, and what will happen. Pure."""

from dataclasses import dataclass
from typing import assert_never

from sync.core.actions import EndEvent, LeaveAlone, Reason, RecordAgreement
from sync.core.delivery import Decision
from sync.core.delivery_steps import (
    AdoptEvent,
    CreateEvent,
    ForgetEvent,
    MarkUndelivered,
    NameEvent,
    ReadEvent,
    RemoveEvent,
    RescheduleBooking,
    RewriteEvent,
    SearchEvent,
)
from sync.core.diagnosis import moment_text, span_text
from sync.core.diagnosis_booking_facts import BookingFacts
from sync.core.mailboxes import Quarantine
from sync.core.reconcile import OnDeletion
from sync.core.rules import Rules
from sync.core.sides import Booking, Event

SOON = "The app does that when it looks at the booking next: seconds after a change, else with a full sweep."


@dataclass(frozen=True, slots=True)
class Words:
    """A verdict and what comes next. `covers` are the rules whose failure the verdict speaks of."""

    verdict: str
    next_step: str
    covers: tuple[str, ...] = ()


def words_of(decision: Decision, facts: BookingFacts, rules: Rules) -> Words:  # noqa: C901 - one branch per decision
    """How things stand when this is what the app would do next."""
    match decision:
        case RecordAgreement():
            return Words("Booking and event are equal.", "Nothing for this visit: its next change is followed.")
        case EndEvent():
            return Words(
                "There is no such booking in Dynamics, and the app holds no event for it.",
                "Check the id and the environment.",
                ("booking",),
            )
        case LeaveAlone(reason=reason) | MarkUndelivered(reason=reason):
            return _left_alone(reason, facts, rules)
        case RemoveEvent(reason=reason):
            return Words(f"Its event is to be removed: {_WHY_GONE[reason]}.", SOON, _OF_THE_EVENT)
        case ForgetEvent(reason=reason):
            why = _WHY_GONE[reason]
            return Words(f"Its event is not its event any more: {why}.", f"{SOON} Nothing is removed.", _OF_THE_EVENT)
        case ReadEvent() | SearchEvent():
            return Words(
                "Booking and event stand as they should, but a calendar where it was before may still hold an event.",
                f"It is looked at, and removed there. {SOON}",
            )
        case CreateEvent(reason=reason):
            return Words(_WHY_NEW[reason], SOON, ("link", "event"))
        case AdoptEvent(event=event):
            verdict = f"An event of the booking is there, at {span_text(event.span)}, but the app holds no link to it."
            return Words(verdict, f"It is taken for the booking's. {SOON}", ("link", "event", "agreement"))
        case NameEvent():
            verdict = "The booking has its event, but does not name it yet."
            return Words(verdict, f"The event's id is written into the booking. {SOON}", ("link",))
        case RewriteEvent() | RescheduleBooking():
            return _unequal(decision, facts)
        case _:
            assert_never(decision)


_WHY_NEW = {
    Reason.NEW_BOOKING: "The booking has no event yet, and nothing stands in its way.",
    Reason.REASSIGNED: "The booking was given to somebody else, and its event has not followed yet.",
    Reason.EDIT_BEATS_DELETION: "Its event was deleted, but the booking was changed since: it gets a new one.",
}

_OF_THE_EVENT = ("event", "agreement", "booking", "technician", "scope", "status")

_WHY_GONE = {
    Reason.CANCELLED_IN_DYNAMICS: "the booking was cancelled",
    Reason.DELETED_IN_DYNAMICS: "the booking was deleted in Dynamics",
    Reason.NO_MAILBOX: "the booked resource is not a user with a mailbox",
    Reason.OUT_OF_SCOPE: "the booking belongs to no work order",
    Reason.LEFTOVER: "it lies with a former technician",
    Reason.DUPLICATE: "the booking has another one",
    Reason.PAST_EVENT: "the visit is past, and stays in the calendar",
    Reason.SERIES: "it was made into a series, which is its owner's by now",
    Reason.NOT_OURS: "it does not carry the booking's mark",
    Reason.USER_DISABLED: "the booking was given to somebody else, whose user is disabled",
    Reason.NOT_SYNCED: "the booking was given to somebody else, whose mailbox is not among MAILBOXES",
    Reason.UNREACHABLE: "the booking was given to somebody else, whose mailbox is in quarantine",
    Reason.MICROSOFT_SYNC: "the booking was given to somebody else, in whose mailbox Microsoft's own sync is on",
    Reason.OUTSIDE_WINDOW: "the booking was given to somebody else, and lies outside the days that are kept in sync",
    Reason.BOOKING_CANCELLED: "the booking was given to somebody else, and is cancelled",
    Reason.BOOKING_COMPLETED: "the booking was given to somebody else, and is completed",
}


def _unequal(step: RewriteEvent | RescheduleBooking, facts: BookingFacts) -> Words:
    """Both sides are there and say different things."""
    if isinstance(step, RewriteEvent) and step.span is None:
        verdict = "The times are equal, but the event lacks what was changed in Dynamics."
        return Words(verdict, SOON, ("agreement",))
    booking, event = facts.booking, facts.event
    assert isinstance(booking, Booking)
    outlook = span_text(event.span) if isinstance(event, Event) else "not read"
    differ = f"Booking and event differ: Dynamics says {span_text(booking.span)}, Outlook {outlook}."
    winner = "Dynamics" if isinstance(step, RewriteEvent) else "Outlook"
    return Words(f"{differ} {winner} will stand ({step.reason}).", SOON, ("agreement",))


def _left_alone(reason: Reason, facts: BookingFacts, rules: Rules) -> Words:
    """Nothing may be written, for a reason that a person may change."""
    booking = facts.booking
    covers = _RULES_OF[reason]
    match reason:
        case Reason.OUTSIDE_WINDOW if isinstance(booking, Booking):
            return _outside_window(booking, facts, rules)
        case Reason.UNREACHABLE if isinstance(facts.quarantine, Quarantine):
            return Words(
                "Nothing is written into the technician's calendar: the mailbox is in quarantine since "
                f"{moment_text(facts.quarantine.since)}.",
                f"It is probed again at {moment_text(facts.quarantine.probe_at)}, and then caught up with.",
                covers,
            )
        case Reason.GONE_UNREPORTED if isinstance(booking, Booking):
            return _gone(booking, rules)
        case _:
            return Words(*_WORDS_OF[reason], covers)


def _outside_window(booking: Booking, facts: BookingFacts, rules: Rules) -> Words:
    covers = _RULES_OF[Reason.OUTSIDE_WINDOW]
    if booking.span.end_at <= facts.asked_at:
        return Words("The booking has no event: it is too long ago to get one.", "Nothing by itself.", covers)
    enters_on = booking.span.start_at - rules.window.future
    return Words(
        "The booking has no event yet: it is further ahead than the days that are kept in sync.",
        f"It gets its event by itself about {enters_on:%Y-%m-%d}, with a full round of the calendar.",
        covers,
    )


def _gone(booking: Booking, rules: Rules) -> Words:
    """The event is; what becomes of the booking is a matter of its phase and of a setting."""
    if booking.phase not in rules.policy.cancellable:
        ending = f"stays {booking.phase}"
    else:
        ending = "is deleted" if rules.policy.on_deletion is OnDeletion.DELETE else "is cancelled"
    return Words(
        "Its event is not in the technician's calendar any more, and the deletion has not been reported yet.",
        f"The next sweep of the calendar reports it, and then the booking {ending}.",
        _RULES_OF[Reason.GONE_UNREPORTED],
    )


_RULES_OF: dict[Reason, tuple[str, ...]] = {
    Reason.NO_MAILBOX: ("technician", "link", "event"),
    Reason.USER_DISABLED: ("technician", "link", "event", "agreement"),
    Reason.NOT_SYNCED: ("mailboxes", "link", "event", "agreement"),
    Reason.OUT_OF_SCOPE: ("scope", "link", "event"),
    Reason.CANCELLED_IN_DYNAMICS: ("status", "link", "event"),
    Reason.BOOKING_CANCELLED: ("status", "agreement", "event"),
    Reason.BOOKING_COMPLETED: ("status", "agreement", "event"),
    Reason.OUTSIDE_WINDOW: ("window", "link", "event"),
    Reason.UNREACHABLE: ("quarantine", "agreement", "event", "link"),
    Reason.MICROSOFT_SYNC: ("microsoft-sync", "agreement", "event", "link"),
    Reason.GONE_UNREPORTED: ("booking", "event", "link", "agreement"),
    Reason.PAST_EVENT: ("event", "link", "agreement"),
    Reason.SERIES: ("agreement",),
    Reason.ALL_DAY: ("agreement",),
}

_AS_IT_IS = "Nothing is written into the technician's calendar"

_WORDS_OF: dict[Reason, tuple[str, str]] = {
    Reason.NO_MAILBOX: (
        "The booking has no event: the booked resource is not a user with a mailbox.",
        "Nothing by itself. Book a resource of type User; the booking then gets its event at once.",
    ),
    Reason.USER_DISABLED: (
        f"{_AS_IT_IS}: their user is disabled.",
        "Nothing by itself. Once the user is enabled or another is booked, the next change brings the event.",
    ),
    Reason.NOT_SYNCED: (
        f"{_AS_IT_IS}: MAILBOXES does not list the mailbox.",
        "Nothing by itself. Once it is listed, the first sweep makes its events.",
    ),
    Reason.OUT_OF_SCOPE: (
        "The booking has no event: BOOKING_SCOPE leaves out bookings without a work order.",
        "Nothing by itself. Given a work order, it gets its event at once.",
    ),
    Reason.CANCELLED_IN_DYNAMICS: (
        "The booking has no event because it is cancelled.",
        "Nothing. Given an open status again, it gets an event at once.",
    ),
    Reason.BOOKING_CANCELLED: (
        "The booking is cancelled: it gets no event, and follows none.",
        "Nothing. Given an open status again, it is kept equal again.",
    ),
    Reason.BOOKING_COMPLETED: (
        "The booking is completed: it keeps its hours, and gets no new event.",
        "Nothing.",
    ),
    Reason.MICROSOFT_SYNC: (
        f"{_AS_IT_IS}: Microsoft's own sync of appointments is on for it.",
        "Nothing by itself. Once one of the two is switched off, everything that was missed is caught up with.",
    ),
    Reason.GONE_UNREPORTED: (
        "The booking is not in Dynamics any more, which has not been reported yet.",
        "The next sweep of the bookings reports it, and then its event is removed.",
    ),
    Reason.PAST_EVENT: (
        "The visit is over, and its event is not in the technician's calendar any more: the booking stays as it is.",
        "Nothing. Planned anew in Dynamics, the visit gets a new event.",
    ),
    Reason.SERIES: (
        "The event was made into a series in Outlook, which has no single time: the booking keeps its own.",
        "Nothing by itself. Made a single event again, it is followed again.",
    ),
    Reason.ALL_DAY: (
        "The event is an all-day event in Outlook, which has no hours: the booking keeps its own.",
        "Nothing by itself. Given hours again, it is followed again.",
    ),
}
