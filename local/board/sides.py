"""What the board shows of both sides: plain values with aware UTC times, and their JSON for the page."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sync.core.sides import TimeSpan

CANCELED = "Canceled"
STATUSES = ("Scheduled", "Traveling", "In Progress", "Completed", CANCELED)
"""What a dispatcher may choose on the board, by the names that the sample has."""


class UnusableError(Exception):
    """What the page asks for cannot be understood; the message says what would be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingCard:
    """A booking as a dispatcher sees it. `technician` is the Entra object id, None for a resource that is no user.

    `is_cancelled` is what its status means, whatever it is called; `undelivered` why it has no event, if it says so.
    """

    id: str
    technician: str | None
    name: str
    account: str
    span: TimeSpan
    status: str
    is_cancelled: bool
    undelivered: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCard:
    """An event in a technician's calendar; `booking` is the id in its mark, None for one that is not ours."""

    id: str
    technician: str
    subject: str
    span: TimeSpan
    booking: str | None = None


@dataclass(frozen=True, slots=True)
class Sides:
    """Everything that both services hold at about one moment."""

    bookings: Sequence[BookingCard]
    events: Sequence[EventCard]


def card_json(card: BookingCard | EventCard) -> dict[str, Any]:
    """The card's fields with `start` and `end` in place of its span."""
    fields = asdict(card)
    del fields["span"]
    return {**fields, "start": time_text(card.span.start_at), "end": time_text(card.span.end_at)}


def time_text(moment: datetime) -> str:
    """As the page reads and writes times: `2026-11-23T07:00:00Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def span_from_json(body: Mapping[str, Any]) -> TimeSpan:
    """From `start` and `end`. Raises `UnusableError`."""
    try:
        start_at, end_at = (datetime.fromisoformat(body[name]) for name in ("start", "end"))
        span = TimeSpan(start_at=start_at, end_at=end_at)
    except (KeyError, TypeError) as error:
        raise UnusableError("start and end are needed, as times such as 2026-11-23T07:00:00Z") from error
    except ValueError as error:
        raise UnusableError(f"{error}") from error
    if not span.minutes:
        raise UnusableError("it must last a minute at least")
    return span
