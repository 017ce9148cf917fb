"""Who did what to which visit: what the claims about a history are held against.

Listens to both worlds and writes down each time that a side gives a visit, who gave it, and when both sides were equal.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from local.dataverse.seed import status_id
from local.dataverse.server import DataverseSimulator
from local.dataverse.world import Row, RowChange
from local.graph.events import Change, Event
from local.graph.simulator import GraphSimulator
from local.sample import SampleBooking
from simulation.people import BOOKING, MARK, Cast
from sync.core.sides import TimeSpan, whole_second_utc

ENDED = (status_id("Canceled"), status_id("No Show"))
"""Statuses that mean cancelled."""

Side = Literal["Outlook", "Dynamics"]

BETWEEN_READ_AND_WRITE = timedelta(seconds=1)
"""Of an event, where Graph is not slow."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A person gave a visit this time on one side. `number` counts all that was written down.

    `is_overlooked` when the app wrote the event so soon after that it must have read it before, and no etag could tell.
    """

    number: int
    at: datetime
    side: Side
    span: TimeSpan
    event_id: str = ""
    is_overlooked: bool = False


@dataclass(slots=True)
class Story:
    """Of one visit. `agreed` are the times at which both sides were equal, with the number of that moment.

    `is_ended_in_dynamics` from when anybody ended it there until somebody opens it again, `is_deleted_in_outlook` from
    when a person deleted its event until the app makes another; `is_ended_unasked` once the app ended it by itself.
    `deleted_from` is the calendar from which a person deleted the event that the booking named, though it had just been
    given to somebody else: should it come back, nobody can tell that from a deletion at home.
    """

    edits: list[Edit] = field(default_factory=list)
    agreed: list[tuple[int, TimeSpan]] = field(default_factory=list)
    outlook: TimeSpan | None = None
    dynamics: TimeSpan | None = None
    is_ended_in_dynamics: bool = False
    is_deleted_in_outlook: bool = False
    is_ended_unasked: bool = False
    deleted_from: str = ""


class Ledger:
    """`person_acts` is true while a person acts; whatever changes otherwise, the app has changed.

    `copies` are the ids of the events that people made, as long as no booking has taken them for its own.
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
        self._graph = graph
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
        if not self.person_acts and change.before is not None and MARK not in change.before.extended_properties:
            self.copies.discard(after.immutable_id)  # Entered by hand, and taken for the booking's event.
        if after.immutable_id in self.copies:
            return
        story = self.stories[booking_id]
        if after.is_deleted:
            if self.person_acts:
                self._note_deletion(story, booking_id, after)
            return
        if change.before is None:
            story.is_deleted_in_outlook, story.deleted_from = False, ""
        span = _span(after.start_at, after.end_at)
        before = change.before
        is_moved = before is None or (before.start_at, before.end_at) != (after.start_at, after.end_at)
        if is_moved and self.person_acts and not after.is_all_day:
            self._note(story, "Outlook", span, after.immutable_id)
        elif is_moved and self._graph.switchboard.switches["if_match"] == "ignore":
            story.edits = [self._after_overwriting(edit, after.immutable_id) for edit in story.edits]
        story.outlook = span
        self._agree(story)

    def _on_row(self, change: RowChange) -> None:
        self.changes += self.person_acts
        if change.table != BOOKING:
            return
        story = self.stories[change.row_id]
        after, before = change.after, change.before
        if after is None or (before is not None and _is_cancelling(change)):
            is_deleted = self._is_deleted(story, after or before) and not self._lives_on(after or before)
            is_asked = self.person_acts or story.is_ended_in_dynamics or is_deleted
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
        self._follow_copy(after, story)
        if self.person_acts and span != story.dynamics:
            self._note(story, "Dynamics", span, "")
        story.dynamics = span
        self._agree(story)

    def _note_deletion(self, story: Story, booking_id: str, event: Event) -> None:
        """Deleting an event that is neither in its booking's own calendar nor named by it ends nothing."""
        row = self._dataverse.world.find(BOOKING, booking_id)
        if row is None or self._home(row) == event.mailbox_id:
            story.is_deleted_in_outlook = True
        elif row.values["bks_eventid"] == event.immutable_id:
            story.deleted_from = event.mailbox_id

    def _is_deleted(self, story: Story, row: Row | None) -> bool:
        is_back = row is not None and bool(story.deleted_from) and self._home(row) == story.deleted_from
        return story.is_deleted_in_outlook or is_back

    def _home(self, row: Row) -> str | None:
        return self._homes.get(str(row.values["resource"]))

    def _follow_copy(self, row: Row, story: Story) -> None:
        """A copy that a booking names is its event from then on, and where it lies was its technician's doing."""
        named = str(row.values["bks_eventid"] or "")
        if named not in self.copies:
            return
        self.copies.discard(named)
        event = self._graph.world.mailboxes[self._homes[str(row.values["resource"])]].versions[named][-1]
        span = _span(event.start_at, event.end_at)
        if span != story.outlook:
            self._note(story, "Outlook", span, named)
        story.outlook = span

    def _lives_on(self, row: Row | None) -> bool:
        """Whether a marked copy of a visit's event lies where searches look, in its technician's calendar.

        A copy is made while the original is there: whoever sees the original gone can see the copy.
        """
        mailbox = self._graph.world.mailboxes.get(self._home(row) or "") if row else None
        if row is None or mailbox is None:
            return False
        copies = [versions[-1] for event_id, versions in mailbox.versions.items() if event_id in self.copies]
        return any(
            copy.extended_properties.get(MARK) == row.row_id and self._graph.world.covers(copy, mailbox, None)
            for copy in copies
        )

    def _note(self, story: Story, side: Side, span: TimeSpan, event_id: str) -> None:
        self._entries += 1
        story.edits.append(Edit(self._entries, self._now(), side, span, event_id))

    def _after_overwriting(self, edit: Edit, event_id: str) -> Edit:
        is_overlooked = edit.event_id == event_id and self._now() - edit.at < BETWEEN_READ_AND_WRITE
        return replace(edit, is_overlooked=True) if is_overlooked else edit

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
