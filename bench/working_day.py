"""A company's working day in Outlook, minute by minute: who changes what, and when.

The day is invented, and these are its rules. Each technician makes `CHANGES` changes between 7 and 17 o'clock, most of
them in the morning and after lunch (`HOURS`). People change an item in sittings: half of these are a single change, the
others two to four to the same item, 2 to 60 seconds apart (dragged, dragged again; made, then given a better title).
Seven sittings in ten are about private events, which are changed, made or deleted; the others are about visits, which
are moved, touched (a reminder) or deleted. A sitting that deletes is a single change. How many notifications a change
raises is the Graph simulator's business: one to four, at random.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from math import exp, log
from typing import assert_never

from bench.schedule import Schedule
from bench.trace import Change, Kind, delete, make_private, move, touch

CHANGES = 25
"""Of each technician."""

HOURS = (6, 14, 13, 10, 8, 6, 12, 13, 11, 7)
"""The share of changes, in percent, of each hour from `FIRST_HOUR` on."""

FIRST_HOUR = 7
"""In UTC."""

LENGTHS = {1: 50, 2: 25, 3: 15, 4: 10}
"""How many changes a sitting has, and the share of such sittings in percent."""

KINDS = {
    Kind.PRIVATE_CHANGED: 40,
    Kind.PRIVATE_MADE: 20,
    Kind.PRIVATE_DELETED: 10,
    Kind.MOVED: 15,
    Kind.TOUCHED: 10,
    Kind.DELETED: 5,
}
"""With what a sitting begins, and the share of such sittings in percent."""

GAP_SECONDS = (2.0, 60.0)
"""Between two changes of a sitting, evenly spread on a logarithmic scale: half of them are under 11 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A change and its time (aware UTC).

    `makes` is a name for the event that the change makes; later changes have it for an event id.
    """

    at: datetime
    change: Change
    makes: str | None = None


def working_day_of(schedules: Sequence[Schedule], today: date, *, seed: int = 0) -> list[Moment]:
    """The day of all, in the order of time."""
    moments: list[Moment] = []
    for number, schedule in enumerate(schedules):
        moments += _Person(schedule, random.Random(f"{seed}:{number}")).day(today)
    return sorted(moments, key=lambda moment: moment.at)


class _Person:
    """One technician, who does one thing at a time."""

    def __init__(self, schedule: Schedule, chance: random.Random) -> None:
        self._visits = list(schedule.visits)
        self._private = list(schedule.private_events)
        self._chance = chance
        self._turns = 0

    def day(self, today: date) -> Iterator[Moment]:
        sittings = list(self._sittings())
        at = datetime.combine(today, time(FIRST_HOUR), UTC)
        for begins_at, (kind, length) in zip(sorted(self._time(today) for _ in sittings), sittings, strict=True):
            at = max(at, begins_at)
            for makes, change in self._changes(kind, length):
                yield Moment(at=at, change=change, makes=makes)
                at += self._gap()

    def _sittings(self) -> Iterator[tuple[Kind, int]]:
        left = CHANGES
        while left:
            kind, length = self._draw(KINDS), min(self._draw(LENGTHS), left)
            if kind in (Kind.PRIVATE_DELETED, Kind.DELETED):
                length = 1
            yield kind, length
            left -= length

    def _time(self, today: date) -> datetime:
        hour = self._draw(dict(enumerate(HOURS, FIRST_HOUR)))
        return datetime.combine(today, time(hour), UTC) + timedelta(seconds=self._chance.uniform(0, 3600))

    def _gap(self) -> timedelta:
        shortest, longest = map(log, GAP_SECONDS)
        return timedelta(seconds=exp(self._chance.uniform(shortest, longest)))

    def _draw[T](self, shares: Mapping[T, int]) -> T:
        return self._chance.choices(list(shares), list(shares.values()))[0]

    def _changes(self, kind: Kind, length: int) -> Iterator[tuple[str | None, Change]]:
        """A sitting's changes, each with the name of the event that it makes. The last of all events is not deleted."""
        match kind:
            case Kind.PRIVATE_DELETED if len(self._private) > 1:
                yield None, delete(self._take(self._private))
            case Kind.PRIVATE_CHANGED | Kind.PRIVATE_DELETED:
                event = self._chance.choice(self._private)
                yield from ((None, move(event, self._step())) for _ in range(length))
            case Kind.PRIVATE_MADE:
                like = self._chance.choice(self._private)
                by = self._step()
                made = replace(like, subject=f"Made in turn {self._turns}")
                self._private.append(made)
                yield made.event_id, make_private(like, by)
                yield from ((None, move(made, self._step())) for _ in range(length - 1))
            case Kind.MOVED:
                visit = self._chance.choice(self._visits)
                yield from ((None, move(visit, self._step())) for _ in range(length))
            case Kind.DELETED if len(self._visits) > 1:
                yield None, delete(self._take(self._visits))
            case Kind.TOUCHED | Kind.DELETED:
                visit = self._chance.choice(self._visits)
                yield from ((None, touch(visit, self._step() // timedelta(minutes=1))) for _ in range(length))
            case _:
                assert_never(kind)

    def _step(self) -> timedelta:
        """Another one each time, so that each change changes something."""
        self._turns += 1
        return timedelta(minutes=15 * self._turns)

    def _take[T](self, events: list[T]) -> T:
        """One of them, which nobody changes any more."""
        return events.pop(self._chance.randrange(len(events)))
