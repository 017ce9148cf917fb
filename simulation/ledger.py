"""Who did what to which visit: what the claims about a history are held against.

Listens to both worlds and writes down each time that a side gives a visit, who gave it, and when both sides were equal.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from local.dataverse.seed import status_id
from local.dataverse.server import DataverseSimulator
from local.dataverse.world import RowChange
from local.graph.events import Change, Event
from local.graph.simulator import GraphSimulator
from local.sample import SampleBooking
from simulation.people import BOOKING, MARK, Cast
from sync.core.sides import TimeSpan, whole_second_utc

ENDED = (status_id("Canceled"), status_id("No Show"))
"""Statuses that mean cancelled."""

Side = Literal["Outlook", "Dynamics"]


@dataclass(frozen=True, slots=True)
class Edit:
    """A person gave a visit this time on one side. `number` counts all that was written down."""

    number: int
    at: datetime
    side: Side
    span: TimeSpan
    event_id: str = ""


@dataclass(slots=True)
class Story:
    """Of one visit. `agreed` are the times at which both sides were equal, with the number of that moment.

    `is_ended_in_dynamics` from when anybody ended it there until somebody opens it again, `is_deleted_in_outlook` from
    when a person deleted its event until the app makes another; `is_ended_unasked` once the app ended it by itself.
    """

    edits: list[Edit] = field(default_factory=list)
    agreed: list[tuple[int, TimeSpan]] = field(default_factory=list)
    outlook: TimeSpan | None = None
    dynamics: TimeSpan | None = None
    is_ended_in_dynamics: bool = False
    is_deleted_in_outlook: bool = False
    is_ended_unasked: bool = False


class Ledger:
    """`person_acts` is true while a person acts; whatever changes otherwise, the app has changed.

    `copies` are the ids of the events that people made by copying others.
    """

    def __init__(self, graph: GraphSimulator, dataverse: DataverseSimulator, cast: Cast) -> None:
        self.stories: defaultdict[str, Story] = defaultdict(Story)
        self.person_acts = False
        self.copies: set[str] = set()
        self.changes = 0
        """How often people changed something, on either side."""
        self.meddled = 0
        """How often the app changed an event without a mark."""
        self._entries = 0
        self._now = graph.switchboard.clock.now
        self._dataverse = dataverse
        self._homes = {one.resource_id: one.mailbox_id for one in cast.technicians}
        graph.world.on_change.append(self._on_event)
        dataverse.world.listeners.append(self._on_row)

    def begin(self, visits: Iterable[SampleBooking]) -> None:
        """Forget what was; each of these visits is at its planned time on both sides."""
        self.stories.clear()
        for visit in visits:
            span = TimeSpan(start_at=visit.start_at, end_at=visit.end_at)
            self.stories[visit.booking_id] = Story(outlook=span, dynamics=span)

    def _on_event(self, change: Change) -> None:
        self.changes += self.person_acts
        booking_id, after = change.after.extended_properties.get(MARK), change.after
        if change.before is None and self.person_acts:
            self.copies.add(after.immutable_id)
        if booking_id is None:
            self.meddled += not self.person_acts
            return
        if after.immutable_id in self.copies:
            return
        story = self.stories[booking_id]
        if after.is_deleted:
            story.is_deleted_in_outlook |= self.person_acts and self._is_at_home(booking_id, after)
            return
        story.is_deleted_in_outlook &= change.before is not None
        span = _span(after.start_at, after.end_at)
        before = change.before
        is_moved = before is None or (before.start_at, before.end_at) != (after.start_at, after.end_at)
        if is_moved and self.person_acts and not after.is_all_day:
            self._note(story, "Outlook", span, after.immutable_id)
        story.outlook = span
        self._agree(story)

    def _on_row(self, change: RowChange) -> None:
        self.changes += self.person_acts
        if change.table != BOOKING:
            return
        story = self.stories[change.row_id]
        after, before = change.after, change.before
        if after is None or (before is not None and _is_cancelling(change)):
            is_asked = self.person_acts or story.is_ended_in_dynamics or story.is_deleted_in_outlook
            story.is_ended_unasked |= not is_asked
            story.is_ended_in_dynamics = True
        elif self.person_acts and before is not None and before.values["bookingstatus"] in ENDED:
            story.is_ended_in_dynamics = after.values["bookingstatus"] in ENDED
        if after is None:
            return
        start_at, end_at = after.values["starttime"], after.values["endtime"]
        assert isinstance(start_at, datetime)
        assert isinstance(end_at, datetime)
        span = _span(start_at, end_at)
        if self.person_acts and span != story.dynamics:
            self._note(story, "Dynamics", span, "")
        story.dynamics = span
        self._agree(story)

    def _is_at_home(self, booking_id: str, event: Event) -> bool:
        """Whether an event lies in the calendar of whom its booking is booked on: deleting another one ends nothing."""
        row = self._dataverse.world.find(BOOKING, booking_id)
        return row is None or self._homes.get(str(row.values["resource"])) == event.mailbox_id

    def _note(self, story: Story, side: Side, span: TimeSpan, event_id: str) -> None:
        self._entries += 1
        story.edits.append(Edit(self._entries, self._now(), side, span, event_id))

    def _agree(self, story: Story) -> None:
        if story.outlook is not None and story.outlook == story.dynamics:
            self._entries += 1
            story.agreed.append((self._entries, story.outlook))


def _is_cancelling(change: RowChange) -> bool:
    assert change.before is not None
    assert change.after is not None
    status = change.after.values["bookingstatus"]
    return status != change.before.values["bookingstatus"] and status in ENDED


def _span(start_at: datetime, end_at: datetime) -> TimeSpan:
    return TimeSpan(start_at=whole_second_utc(start_at), end_at=whole_second_utc(end_at))
