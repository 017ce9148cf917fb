"""A conflict: both sides changed the same visit, one value stands, the other was overwritten. Pure.

A conflict is written down before its overwriting, so that people can read the value that lost, and take it after all.
Taking it is judged here: it must not undo what anybody did since.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from sync.core.delivery import decide_delivery
from sync.core.delivery_state import OVER, Delivery
from sync.core.delivery_steps import RewriteEvent
from sync.core.reconcile import Policy
from sync.core.sides import Booking, Event, EventAddress, TimeSpan

_ID_CHARACTERS = 12
"""Short enough to be typed; two of a tenant's thousands of conflicts share one once in many millions of years."""


class Side(StrEnum):
    """Who holds a value."""

    DYNAMICS = "dynamics"
    OUTLOOK = "outlook"

    @property
    def other(self) -> "Side":
        return Side.OUTLOOK if self is Side.DYNAMICS else Side.DYNAMICS


@dataclass(frozen=True, slots=True)
class Overwriting:
    """A time that somebody chose and a step overwrites, or takes away: `lost`, of a booking or its event at `address`.

    `stands` is the value of the `winner`.
    """

    address: EventAddress
    winner: Side
    lost: TimeSpan
    stands: TimeSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One value that lost. `at` is when the change came that led to it, the same however often its item is tried.

    `winner` is the side whose value `stands`; `lost` is the other's. `reason` says by which rule. `mailbox_id` and
    `event_id` are where the event was; the booking may have another one by now. `taken_at` once somebody has taken
    the other side.
    """

    conflict_id: str
    at: datetime
    mailbox_id: str
    booking_id: str
    event_id: str
    correlation_id: str
    reason: str
    winner: Side
    stands: TimeSpan
    lost: TimeSpan
    taken_at: datetime | None = None


def conflict_of(
    overwriting: Overwriting, *, booking_id: str, reason: str, at: datetime, correlation_id: str
) -> Conflict:
    """The conflict that an overwriting settles. Its id is the same however often the announcement is repeated."""
    lost, stands = overwriting.lost, overwriting.stands
    moments = (at, lost.start_at, lost.end_at, stands.start_at, stands.end_at)
    parts = (booking_id, correlation_id, *(moment.isoformat() for moment in moments))
    return Conflict(
        conflict_id=sha256(" ".join(parts).encode()).hexdigest()[:_ID_CHARACTERS],
        at=at,
        mailbox_id=overwriting.address.mailbox_id,
        booking_id=booking_id,
        event_id=overwriting.address.event_id,
        correlation_id=correlation_id,
        reason=reason,
        winner=overwriting.winner,
        stands=stands,
        lost=lost,
    )


class Taking(StrEnum):
    """What taking the other side of a conflict comes to."""

    TAKEN = "taken"
    UNDER_WAY = "under-way"
    """The booking has the value by now, and its event is about to follow."""
    ALREADY = "already-taken"


@dataclass(frozen=True, slots=True)
class Objection:
    """Why the other side cannot be taken, and what to do instead."""

    reason: str
    mend: str


_MOVED = "Nothing was changed. If the value that lost is still the right one, move the visit by hand."


def judge_taking(conflict: Conflict, delivery: Delivery, policy: Policy) -> Taking | Objection:
    """Whether the value that lost may be given to both sides now.

    `delivery` holds booking, link and event as they are. It is taken only where booking and event still agree on what
    stood, and where the ordinary delivery would bring the event along: else the two would stay apart.
    """
    booking, event, link = delivery.booking, delivery.event, delivery.link
    if not isinstance(booking, Booking):
        return Objection("The booking does not exist any more.", "Nothing is left to be decided.")
    if booking.phase in OVER:
        return Objection(f"The booking is {booking.phase}: it keeps its hours.", "Nothing is left to be decided.")
    if link is None or not isinstance(event, Event):
        return Objection(
            "The booking has no event that could follow.",
            f"See why: python -m sync diagnose booking {conflict.booking_id}",
        )
    if event.span == booking.span == conflict.lost:
        return Taking.ALREADY
    if link.agreed != conflict.stands and {booking.span, event.span} <= {conflict.stands, conflict.lost}:
        return Objection("The app is still at work on this booking.", "Try again in a minute.")
    if (moved := _what_moved(conflict, booking, event)) is not None:
        return Objection(moved, _MOVED)
    step = decide_delivery(replace(delivery, booking=replace(booking, span=conflict.lost)), policy)
    if not isinstance(step, RewriteEvent) or step.span != conflict.lost:
        why = getattr(step, "reason", "other-work-comes-first")
        return Objection(
            f"The event would not follow the booking: {why}.",
            f"See why: python -m sync diagnose booking {conflict.booking_id}",
        )
    return Taking.UNDER_WAY if booking.span == conflict.lost else Taking.TAKEN


def _what_moved(conflict: Conflict, booking: Booking, event: Event) -> str | None:
    """What somebody did to either side since, in words."""
    if booking.span not in (conflict.stands, conflict.lost):
        return f"The booking was moved since, to {_words(booking.span)}."
    if event.span != conflict.stands:
        return f"The event was moved since, to {_words(event.span)}."
    return None


def _words(span: TimeSpan) -> str:
    return f"{span.start_at:%Y-%m-%d %H:%M} UTC ({span.minutes} min)"
