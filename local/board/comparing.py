"""Whether both sides are equal, and since when they are not. Pure; judged from outside, by what people see.

It knows the product's promise, not its rules: what a rule leaves unequal for good, such as a finished booking whose
event was moved, is shown as unequal, and the journal beside it says which rule that was.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from local.board.sides import BookingCard, EventCard, Sides
from sync.core.sides import TimeSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A booking whose sides are not equal: in what, in words, and since when the board has seen it."""

    booking: str
    why: str
    since: datetime


class Watch:
    """Remembers since when each booking's sides have not been equal."""

    def __init__(self) -> None:
        self._since: Mapping[str, datetime] = {}

    def since_when(self, unequal: Mapping[str, str], now: datetime) -> list[Difference]:
        """What is unequal `now`, by booking and with its reason; the oldest first."""
        self._since = {booking: self._since.get(booking, now) for booking in unequal}
        differences = [Difference(booking=id_, why=why, since=self._since[id_]) for id_, why in unequal.items()]
        return sorted(differences, key=lambda one: one.since)


def unequal(sides: Sides, mailboxes: Collection[str], *, now: datetime, window: TimeSpan) -> dict[str, str]:
    """The bookings whose sides are not equal, and in what, in words.

    `mailboxes` are the ids of the technicians who have one; beyond `window` no booking needs an event.
    """
    marked: dict[str, list[EventCard]] = defaultdict(list)
    for event in sides.events:
        if event.booking is not None:
            marked[event.booking].append(event)
    bookings: dict[str, BookingCard | None] = {**dict.fromkeys(marked), **{one.id: one for one in sides.bookings}}
    reasons = {
        id_: _why_gone(marked[id_], booking, now)
        if booking is None or booking.is_cancelled
        else _why(booking, marked[id_], mailboxes, now, window)
        for id_, booking in bookings.items()
    }
    return {id_: why for id_, why in reasons.items() if why}


def _why_gone(events: Sequence[EventCard], booking: BookingCard | None, now: datetime) -> str:
    """Of a booking that is not to have an event; one that is over may stay."""
    if not any(event.span.end_at > now for event in events):
        return ""
    return f"the booking is {'gone' if booking is None else 'cancelled'}, its event is not"


def _why(
    booking: BookingCard, events: Sequence[EventCard], mailboxes: Collection[str], now: datetime, window: TimeSpan
) -> str:
    here = [event for event in events if event.technician == booking.technician]
    if any(event.span.end_at > now for event in events if event not in here):
        return "an event is still in somebody else's calendar"
    if not here:
        is_expected = booking.technician in mailboxes and not booking.undelivered and booking.span.overlaps(window)
        return "it has no event" if is_expected else ""
    if len(here) > 1:
        return f"{len(here)} events carry its mark"
    return "" if here[0].span == booking.span else "the times differ"
