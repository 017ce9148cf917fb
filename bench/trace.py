"""What people do in Outlook during a measurement: changes of events, the same for every contender.

A change is data, so that it can be played in-process or over HTTP. Which notifications it raises is the Graph
simulator's business.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import cycle, islice
from typing import Any
from urllib.parse import quote

from local.sample import PrivateEvent, Sample, SampleBooking

PRIVATE_SUBJECT = "Nobody's business"


class Kind(StrEnum):
    """What a person did."""

    PRIVATE_MADE = "private event made"
    PRIVATE_CHANGED = "private event changed"
    PRIVATE_DELETED = "private event deleted"
    TOUCHED = "event touched"
    MOVED = "event moved"
    DELETED = "event deleted"

    @property
    def is_private(self) -> bool:
        """Whether it was done to an event born in Outlook."""
        return self in (Kind.PRIVATE_MADE, Kind.PRIVATE_CHANGED, Kind.PRIVATE_DELETED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing done to one event, as a request to Graph. `event_id` is None for an event that is made."""

    kind: Kind
    mailbox_id: str
    event_id: str | None = None
    body: dict[str, Any] | None = None

    @property
    def method(self) -> str:
        if self.event_id is None:
            return "POST"
        return "DELETE" if self.kind in (Kind.DELETED, Kind.PRIVATE_DELETED) else "PATCH"

    @property
    def path(self) -> str:
        """Below the address of the Graph API's version."""
        events = f"/users/{self.mailbox_id}/events"
        return events if self.event_id is None else f"{events}/{quote(self.event_id, safe='')}"


def move(visit: SampleBooking | PrivateEvent, by: timedelta) -> Change:
    """Move an event to `by` after its planned time."""
    kind = Kind.MOVED if isinstance(visit, SampleBooking) else Kind.PRIVATE_CHANGED
    body = {"start": wire_time(visit.start_at + by), "end": wire_time(visit.end_at + by)}
    return Change(kind=kind, mailbox_id=visit.technician.mailbox_id, event_id=visit.event_id, body=body)


def touch(visit: SampleBooking, minutes: int) -> Change:
    """Set a reminder: a change that the booking knows nothing of."""
    body = {"reminderMinutesBeforeStart": minutes}
    return Change(kind=Kind.TOUCHED, mailbox_id=visit.technician.mailbox_id, event_id=visit.event_id, body=body)


def delete(event: SampleBooking | PrivateEvent) -> Change:
    kind = Kind.DELETED if isinstance(event, SampleBooking) else Kind.PRIVATE_DELETED
    return Change(kind=kind, mailbox_id=event.technician.mailbox_id, event_id=event.event_id)


def make_private(like: PrivateEvent, by: timedelta) -> Change:
    """Make a private event of an hour, `by` after another one."""
    body = {"subject": PRIVATE_SUBJECT, "start": wire_time(like.start_at + by), "end": wire_time(like.end_at + by)}
    return Change(kind=Kind.PRIVATE_MADE, mailbox_id=like.technician.mailbox_id, body=body)


def wire_time(moment: datetime) -> dict[str, str]:
    """An aware time as a person's client sends it, in UTC."""
    return {"dateTime": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}


def changes_of(kind: Kind, sample: Sample, count: int) -> list[Change]:
    """`count` changes of one kind. Raises `ValueError` where the sample has too few events to delete."""
    changes = list(islice(_source(kind, scheduled_visits(sample), sample.private_events), count))
    if len(changes) < count:
        raise ValueError(f"the sample has {len(changes)} events to delete, which is fewer than {count}")
    return changes


def scheduled_visits(sample: Sample) -> list[SampleBooking]:
    """The linked bookings that may still be cancelled, technicians taking turns as they would in a company."""
    visits = [booking for booking in sample.bookings if booking.linked and booking.status == "Scheduled"]
    return sorted(visits, key=lambda visit: (visit.start_at, visit.technician.name))


def _source(kind: Kind, visits: Sequence[SampleBooking], private: Sequence[PrivateEvent]) -> Iterator[Change]:
    """Changes of one kind, without end unless they delete, each different from what the event was before."""
    match kind:
        case Kind.DELETED:
            yield from map(delete, visits)
        case Kind.PRIVATE_DELETED:
            yield from map(delete, private)
        case Kind.MOVED:
            yield from (move(visit, _step(turn, visits)) for turn, visit in enumerate(cycle(visits)))
        case Kind.TOUCHED:
            yield from (touch(visit, 20 + turn) for turn, visit in enumerate(cycle(visits)))
        case Kind.PRIVATE_CHANGED:
            yield from (move(event, _step(turn, private)) for turn, event in enumerate(cycle(private)))
        case Kind.PRIVATE_MADE:
            yield from (make_private(event, _step(turn, private)) for turn, event in enumerate(cycle(private)))


def _step(turn: int, events: Sequence[object]) -> timedelta:
    """How far the `turn`-th move goes from the planned time: a quarter of an hour more in each round."""
    return timedelta(minutes=15) * (1 + turn // len(events))
