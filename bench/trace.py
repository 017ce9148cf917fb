"""What people do in Outlook during a measurement: changes of the sample company's events, the same for every contender.

A change is data, so that it can be played in-process or over HTTP. Which notifications it raises is the Graph
simulator's business.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import cycle
from typing import Any
from urllib.parse import quote

from local.sample import PrivateEvent, Sample, SampleBooking

PRIVATE_SUBJECT = "Nobody's business"


class Kind(StrEnum):
    """What a person did."""

    PRIVATE_MADE = "private event made"
    PRIVATE_CHANGED = "private event changed"
    TOUCHED = "event touched"
    MOVED = "event moved"
    DELETED = "event deleted"


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
        return "DELETE" if self.kind is Kind.DELETED else "PATCH"

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


def delete(visit: SampleBooking) -> Change:
    return Change(kind=Kind.DELETED, mailbox_id=visit.technician.mailbox_id, event_id=visit.event_id)


def make_private(like: PrivateEvent, by: timedelta) -> Change:
    """Make a private event of an hour, `by` after another one."""
    body = {"subject": PRIVATE_SUBJECT, "start": wire_time(like.start_at + by), "end": wire_time(like.end_at + by)}
    return Change(kind=Kind.PRIVATE_MADE, mailbox_id=like.technician.mailbox_id, body=body)


def wire_time(moment: datetime) -> dict[str, str]:
    """An aware time as a person's client sends it, in UTC."""
    return {"dateTime": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}


def changes_of(kind: Kind, sample: Sample, count: int) -> list[Change]:
    """`count` changes of one kind. Raises `ValueError` where the sample has too few events to delete."""
    visits = scheduled_visits(sample)
    if kind is Kind.DELETED and count > len(visits):
        raise ValueError(f"the sample has {len(visits)} scheduled visits, which is fewer than {count}")
    source = _source(kind, visits, sample.private_events)
    return [next(source) for _ in range(count)]


def working_day(sample: Sample, count: int, *, seed: int) -> list[Change]:
    """`count` changes in a random order: of 20, 14 are private (4 made), 3 moves, 2 touches and 1 deletion.

    What is deleted is not used otherwise. Raises `ValueError` unless `count` is a multiple of 20.
    """
    if count % 20:
        raise ValueError(f"a working day has a multiple of 20 changes, not {count}")
    visits = scheduled_visits(sample)
    deleted = count // 20
    shares = {Kind.PRIVATE_MADE: 4, Kind.PRIVATE_CHANGED: 10, Kind.TOUCHED: 2, Kind.MOVED: 3, Kind.DELETED: 1}
    sources = {
        kind: _source(kind, visits[:deleted] if kind is Kind.DELETED else visits[deleted:], sample.private_events)
        for kind in shares
    }
    changes = [next(sources[kind]) for kind, share in shares.items() for _ in range(share * count // 20)]
    random.Random(seed).shuffle(changes)
    return changes


def scheduled_visits(sample: Sample) -> list[SampleBooking]:
    """The linked bookings that may still be cancelled, technicians taking turns as they would in a company."""
    visits = [booking for booking in sample.bookings if booking.linked and booking.status == "Scheduled"]
    return sorted(visits, key=lambda visit: (visit.start_at, visit.technician.name))


def _source(kind: Kind, visits: Sequence[SampleBooking], private: Sequence[PrivateEvent]) -> Iterator[Change]:
    """Changes of one kind without end, each of them different from what the event was before."""
    match kind:
        case Kind.DELETED:
            yield from (delete(visit) for visit in visits)
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
