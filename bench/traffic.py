"""People who change visits on virtual time, so many times a second, and when each change shows on the other side."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import cycle

from bench.figures import Times
from bench.stream_stage import BOOKINGS, StreamStage
from local.dataverse.world import Author, Row, RowChange
from local.graph.events import Change

_STEP = timedelta(minutes=15)
_STEPS = 4
"""A visit is moved on by a step each time, and after so many back to where it was planned."""


class Doing(StrEnum):
    """What a person does to a visit."""

    MOVES_EVENT = "a technician moves the event"
    MOVES_BOOKING = "the dispatcher moves the booking"
    TOUCHES_EVENT = "a technician sets a reminder"


@dataclass(slots=True, kw_only=True)
class _Visit:
    """A visit that is changed again and again. `start_at` is what was planned."""

    booking_id: str
    event_id: str
    mailbox_id: str
    start_at: datetime
    changes: int = 0

    @classmethod
    def of(cls, booking: Row, mailbox_id: str) -> "_Visit":
        event_id, start_at = booking.values["bks_eventid"], booking.values["starttime"]
        assert isinstance(event_id, str)
        assert isinstance(start_at, datetime)
        return cls(booking_id=booking.row_id, event_id=event_id, mailbox_id=mailbox_id, start_at=start_at)

    def next_start(self) -> datetime:
        self.changes += 1
        return self.start_at + _STEP * (self.changes % _STEPS)


class Traffic:
    """Changes of the stage's visits, each of another one until all have had their turn."""

    def __init__(self, stage: StreamStage, doings: Sequence[Doing], *, seed: int = 0) -> None:
        """`doings`: what is done, by turns."""
        self._stage = stage
        self._doings = cycle(doings)
        self._chance = random.Random(seed)
        self._visits = self._take_turns()
        self._author = Author(user_id=stage.dataverse.world.users["person"])
        self._awaited: dict[tuple[str, datetime], datetime] = {}
        self._seconds: list[float] = []
        self._began_at = self._last_seen_at = stage.clock.now()
        self.made = 0
        stage.dataverse.world.listeners.append(self._on_row_change)
        stage.graph.world.on_change.append(self._on_event_change)

    @property
    def awaited(self) -> int:
        """How many moves have not been seen on the other side; some never will, since others came after them."""
        return len(self._awaited)

    def times(self) -> Times:
        """From each move until the other side was written, of those that it was written for; until the last of them."""
        elapsed = (self._last_seen_at - self._began_at).total_seconds()
        return Times(seconds=tuple(self._seconds), elapsed=elapsed)

    async def flow(self, *, per_second: float, seconds: float) -> None:
        """Make changes for so long, at random moments like people who know nothing of each other."""
        loop = asyncio.get_running_loop()
        due_at = loop.time()
        end = due_at + seconds
        while (due_at := due_at + self._chance.expovariate(per_second)) < end:
            await asyncio.sleep(due_at - loop.time())
            self._change(next(self._visits), next(self._doings))
            self.made += 1
        await asyncio.sleep(end - loop.time())

    def _take_turns(self) -> Iterator[_Visit]:
        mailbox_of = {one.resource_id: one.mailbox_id for one in self._stage.company.technicians}
        visits = [_Visit.of(row, mailbox_of[str(row.values["resource"])]) for row in self._stage.bookings()]
        self._chance.shuffle(visits)
        return cycle(visits)

    def _change(self, visit: _Visit, doing: Doing) -> None:
        start_at, now = visit.next_start(), self._stage.clock.now()
        end_at = start_at + timedelta(hours=1)
        match doing:
            case Doing.MOVES_EVENT:
                self._awaited[visit.booking_id, start_at] = now
                self._change_event(visit, {"start_at": start_at, "end_at": end_at})
            case Doing.TOUCHES_EVENT:
                self._change_event(visit, {"properties": {"reminderMinutesBeforeStart": visit.changes}})
            case Doing.MOVES_BOOKING:
                self._awaited[visit.event_id, start_at] = now
                values = {"starttime": start_at, "endtime": end_at}
                self._stage.dataverse.world.update(BOOKINGS, visit.booking_id, values, self._author)

    def _change_event(self, visit: _Visit, fields: dict[str, object]) -> None:
        world = self._stage.graph.world
        event = world.mailboxes[visit.mailbox_id].versions[visit.event_id][-1]
        properties = fields.get("properties")
        if isinstance(properties, dict):
            fields = {**fields, "properties": {**event.properties, **properties}}
        world.update(event, fields)

    def _on_row_change(self, change: RowChange) -> None:
        if change.table == BOOKINGS and change.after is not None and change.author != self._author:
            self._see(change.row_id, change.after.values["starttime"])

    def _on_event_change(self, change: Change) -> None:
        self._see(change.after.immutable_id, change.after.start_at)

    def _see(self, where: str, start_at: object) -> None:
        made_at = self._awaited.pop((where, start_at), None) if isinstance(start_at, datetime) else None
        if made_at is not None:
            self._last_seen_at = self._stage.clock.now()
            self._seconds.append((self._last_seen_at - made_at).total_seconds())
