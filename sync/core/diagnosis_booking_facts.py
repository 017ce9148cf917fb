"""What is gathered about one booking before it is judged, and what the app itself would conclude from it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sync.core.actions import Reason, RecordAgreement
from sync.core.conflicts import Conflict
from sync.core.content import render
from sync.core.delivery import Decision, decide_delivery
from sync.core.delivery_state import Delivery, why_no_event, why_no_new_event, why_untouched
from sync.core.delivery_steps import ReadEvent, RewriteEvent, SearchEvent
from sync.core.diagnosis import Fact, Finding, Unread
from sync.core.journal import DeadLetter, JournalEntry
from sync.core.mailboxes import Breaker, Cursor, Quarantine, SubscriptionRecord
from sync.core.memory import KnownBooking, Link
from sync.core.reconcile import ABSENT, UNREAD, ReadState
from sync.core.rules import Rules
from sync.core.server_side_sync import MailboxSetup
from sync.core.sides import Booking, Event, EventAddress
from sync.core.sweeping import window_at


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingFacts:
    """Everything that was seen of a booking, at `asked_at`. In each fact, None means that there is no such thing.

    `mailbox_id` is the technician's, or that of the event that we hold. The event was looked for at `address`, None
    where neither link nor booking name one; `marked` is what a search for the booking's mark found where it was not
    there. `is_among_deleted` for an event that can still be read there. `entries` and `conflicts` come newest first.
    `microsoft` is None as well where nobody could ask.
    """

    booking_id: str
    asked_at: datetime
    booking: Fact[Booking | None]
    link: Fact[Link | None] = None
    known: Fact[KnownBooking | None] = None
    mailbox_id: str | None = None
    address: EventAddress | None = None
    event: Fact[Event | None] = None
    is_among_deleted: bool = False
    marked: Fact[Event | None] = None
    quarantine: Fact[Quarantine | None] = None
    microsoft: Fact[MailboxSetup | None] = None
    breaker: Fact[Breaker | None] = None
    table_breaker: Fact[Breaker | None] = None
    subscription: Fact[SubscriptionRecord | None] = None
    cursor: Fact[Cursor | None] = None
    entries: Fact[tuple[JournalEntry, ...]] = ()
    conflicts: Fact[tuple[Conflict, ...]] = ()
    letters: Fact[tuple[DeadLetter, ...]] = ()

    @property
    def holds_event(self) -> bool:
        return isinstance(self.link, Link)


type Rule = Callable[[BookingFacts, Rules], Finding | None]
"""One condition, held against the facts; None where it does not apply."""


def delivery_of(facts: BookingFacts, rules: Rules) -> Delivery | None:
    """The facts as the app gathers them when it looks at a booking; None when too few of them could be read.

    A booking that is gone is taken to be reported deleted, which it will be.
    """
    booking, link, quarantine = facts.booking, facts.link, facts.quarantine
    if isinstance(booking, Unread) or isinstance(link, Unread) or isinstance(quarantine, Unread):
        return None
    return Delivery(
        booking_id=facts.booking_id,
        booking=booking or ABSENT,
        content=render(booking, rules.templates) if booking else None,
        decided_at=facts.asked_at,
        window=window_at(facts.asked_at, rules.window),
        link=link,
        event=_event_state(facts.event) if facts.address else UNREAD,
        found=_event_state(facts.marked),
        is_reported_deleted=booking is None,
        is_synced=booking is None or not rules.leaves_out(booking.mailbox_id),
        quarantine=quarantine.kind if quarantine else None,
    )


def _event_state(event: Fact[Event | None]) -> Event | ReadState:
    if isinstance(event, Unread):
        return UNREAD
    return event or ABSENT


def foresee(facts: BookingFacts, rules: Rules) -> Decision | None:
    """What the app would do next if it looked at the booking now; None when that cannot be told from the facts."""
    delivery = delivery_of(facts, rules)
    if delivery is None:
        return None
    decision = decide_delivery(delivery, rules.policy)
    is_blind = isinstance(facts.event, Unread)
    match decision:
        case ReadEvent(is_elsewhere=False) | SearchEvent(is_elsewhere=False):
            return None
        case RecordAgreement() | RewriteEvent() if is_blind:
            return None  # The app writes without reading the event; people are not to be told that it is equal.
        case _:
            return decision


def why_none_is_due(facts: BookingFacts, rules: Rules) -> Reason | None:
    """Why the booking is to have no event now, or none is written for it; None when one is due, or it is not known."""
    delivery = delivery_of(facts, rules)
    if delivery is None:
        return None
    if not isinstance(delivery.booking, Booking):
        return Reason.BOOKING_ABSENT
    was_tidied_up = delivery.event is ABSENT and rules.policy.keeps(delivery.booking.span, facts.asked_at)
    return (
        why_no_event(delivery.booking, rules.policy)
        or why_untouched(delivery, delivery.booking)
        or (Reason.PAST_EVENT if was_tidied_up else None)
        or why_no_new_event(delivery, delivery.booking)
    )
