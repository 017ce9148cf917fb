"""What must be true of every history, whatever people did and whatever went wrong.

Each claim answers the sentences in which it is broken; none means that it holds.
"""

from collections.abc import Iterator
from datetime import timedelta

from local.dataverse.world import Row
from local.graph.events import Event
from simulation.history import Ill
from simulation.ledger import ENDED, Edit, Story
from simulation.people import BOOKING, NAMED, TOLD, span_of
from simulation.stage import Stage
from sync.core.content import Template
from sync.core.reconcile import OnCancellation
from sync.core.sides import TimeSpan, whole_second_utc
from sync.service.outcome import span_text

COST_OF_TIMER = {"maintain": 4, "sweep": 6, "full sweep": 14, "replay": 4}
"""Calls for three mailboxes and the table of bookings; and for a letter that a person replays."""

COST_OF_CHANGE = 8
"""The dearest that a person can do is to give a booking to somebody else, while its event is being moved."""

COST_OF_TROUBLE = 10
"""What a lost answer, or a message that comes once more, has done again."""

COST_OF_ABSENCE = 8
"""What a mailbox that is back needs besides: a full round, its subscription, a look at what was left undone."""

COST_OF_DEATH = 28
"""What needs an event that the dead one held asks for it, ever more seldom, seven times, at four calls."""

FREE = frozenset({Ill.DOOR_SHUT, Ill.NOTIFICATIONS_LOST, Ill.WEBHOOKS_LOST, Ill.WEBHOOKS_TWICE})
"""What costs no call."""

_BY_NAME = Template.parse("{booking}")

CLOCKS_DIFFER = timedelta(seconds=1)
"""By how much an instance's clock may be behind, with which it dates its rows of the journal."""

MOST_AT_ONCE = 2
"""Requests of one instance in one mailbox: with two, an app keeps Graph's four (throttling limits of Outlook)."""


class Claims:
    """Held against a tenant that has come to rest, everything healed, and every sweep been made."""

    def __init__(self, stage: Stage) -> None:
        self._graph = stage.graph
        self._dataverse = stage.dataverse
        self._cluster = stage.cluster
        self._people = stage.people
        self._ledger = stage.ledger
        self._homes = {one.resource_id: one.mailbox_id for one in stage.cast.technicians if one.has_mailbox}

    def broken(self, *, may_lose_edits: bool = False) -> list[str]:
        claims = (
            self._both_sides_agree,
            self._nothing_ended_by_itself,
            *(() if may_lose_edits else (self._no_edit_is_lost, self._notes_stay)),
            self._nobody_got_mail,
            self._no_mailbox_was_crowded,
            self._nothing_is_buried,
            self._nothing_is_held,
            self._the_budget_is_kept,
            self._names_arrive,
            self._descriptions_arrive,
            self._foreign_events_stay,
        )
        return [sentence for claim in claims for sentence in claim()]

    def broken_agreement(self) -> list[str]:
        """Only whether both sides agree."""
        return list(self._both_sides_agree())

    def _both_sides_agree(self) -> Iterator[str]:
        bookings = self._dataverse.world.rows(BOOKING)
        for booking_id in sorted(self._ledger.stories):
            events = self._people.marked_events(booking_id)
            yield from self._agrees(bookings.get(booking_id), events, booking_id)

    def _agrees(self, row: Row | None, events: list[Event], booking_id: str) -> Iterator[str]:
        """One live event at most, in the right calendar, at the booking's time; none where none belongs."""
        name = f"booking {booking_id[:8]}"
        home = self._homes.get(str(row.values["resource"])) if row else None
        # What its technician made into a series is the technician's, wherever the booking went.
        ours = [event for event in events if event.type == "singleInstance"]
        if row is None or home is None:
            if ours:
                yield f"{name} {'is gone' if row is None else 'has no mailbox'} and has {_words(ours)}"
            return
        strays = [event for event in ours if event.mailbox_id != home]
        if strays:
            yield f"{name} has an event with somebody else: {_words(strays)}"
        if len(ours) > 1:
            yield f"{name} has {len(ours)} events: {_words(ours)}"
        if row.values["bookingstatus"] in ENDED:
            if ours and self._cluster.rules.policy.on_cancellation is OnCancellation.REMOVE:
                yield f"{name} is cancelled and has {_words(ours)}"
            return
        if self._is_open(row):
            yield from self._is_delivered(row, events, ours, name)

    def _is_open(self, row: Row) -> bool:
        return self._dataverse.world.name_of("bookingstatus", str(row.values["bookingstatus"])) != "Completed"

    def _is_delivered(self, row: Row, events: list[Event], ours: list[Event], name: str) -> Iterator[str]:
        named = str(row.values["bks_eventid"] or "")
        if not ours:
            is_series = any(event.immutable_id == named for event in events)
            if not is_series:
                yield f"{name} has no event"
            return
        event = ours[0]
        if event.immutable_id != named:
            yield f"{name} names {named[-6:] or 'no event'}, not {_words([event])}"
        start_at, end_at = span_of(row)
        span = TimeSpan(start_at=start_at, end_at=end_at)
        if not event.is_all_day and event.type == "singleInstance" and _span(event) != span:
            yield f"{name} is at {span_text(span)}, its event at {span_text(_span(event))}"

    def _nothing_ended_by_itself(self) -> Iterator[str]:
        for booking_id, story in self._ledger.stories.items():
            if story.is_ended_unasked:
                yield f"booking {booking_id[:8]} was ended by the app, and nobody had ended booking or event"

    def _no_edit_is_lost(self) -> Iterator[str]:
        """What a person set came over, was set anew on the same side before, or the journal says that it lost."""
        rows = self._dataverse.world.rows(BOOKING)
        for booking_id, story in self._ledger.stories.items():
            row = rows.get(booking_id)
            if row is None or not self._is_followed(row):
                continue
            for edit in story.edits:
                is_kept = edit.is_overlooked or _came_over(edit, story) or self._is_told(booking_id, edit)
                if self._is_live(edit) and not is_kept:
                    yield f"booking {booking_id[:8]}: {span_text(edit.span)} of {edit.side} is lost without a word"

    def _is_told(self, booking_id: str, edit: Edit) -> bool:
        return any(
            entry.booking_id == booking_id
            and entry.before == span_text(edit.span)
            and entry.at >= edit.at - CLOCKS_DIFFER
            for entry in self._cluster.journal.entries
        )

    def _notes_stay(self) -> Iterator[str]:
        """What a technician wrote into an event is in it as long as it is there."""
        for (mailbox_id, event_id), notes in self._people.notes.items():
            event = self._graph.world.mailboxes[mailbox_id].versions[event_id][-1]
            text = str(event.properties.get("body", {}).get("content", ""))
            if not event.is_deleted and (lost := [note for note in notes if note not in text]):
                yield f"event {event_id[-6:]} has lost what its technician wrote: {', '.join(lost)}"

    def _names_arrive(self) -> Iterator[str]:
        """The name of a booking is its event's subject where the template says so, unless its technician wrote one."""
        names_are_subjects = self._cluster.rules.templates.subject == _BY_NAME
        for row in self._dataverse.world.rows(BOOKING).values():
            home = self._homes.get(str(row.values["resource"]))
            name = str(row.values["name"])
            is_shown = names_are_subjects or row.values["msdyn_workorder"] is None
            if not is_shown or not name.startswith(NAMED) or home is None or not self._is_followed(row):
                continue
            named = str(row.values["bks_eventid"])
            subject = self._graph.world.mailboxes[home].versions[named][-1].properties.get("subject")
            if subject != name and (home, named) not in self._people.retitled:
                yield f"booking {row.row_id[:8]} is called {name}, its event {subject}"

    def _descriptions_arrive(self) -> Iterator[str]:
        """What the dispatcher wrote about the work is in the text of its event."""
        for row in self._dataverse.world.rows(BOOKING).values():
            order = self._dataverse.world.find("msdyn_workorder", str(row.values["msdyn_workorder"]))
            summary = str(order.values["msdyn_workordersummary"]) if order else ""
            home = self._homes.get(str(row.values["resource"]))
            if not summary.startswith(TOLD) or home is None or not self._is_followed(row):
                continue
            named = str(row.values["bks_eventid"])
            event = self._graph.world.mailboxes[home].versions[named][-1]
            if summary not in str(event.properties.get("body", {})):
                yield f"booking {row.row_id[:8]}: its event does not say {summary!r}"

    def _foreign_events_stay(self) -> Iterator[str]:
        if self._ledger.meddled:
            yield f"the app changed {self._ledger.meddled} events that are none of its business"

    def _is_followed(self, row: Row) -> bool:
        """Whether booking and event are ones that share their times."""
        home = self._homes.get(str(row.values["resource"]))
        if home is None or row.values["bookingstatus"] in ENDED or not self._is_open(row):
            return False
        named = self._graph.world.mailboxes[home].versions.get(str(row.values["bks_eventid"]))
        return named is not None and _has_times(named[-1])

    def _is_live(self, edit: Edit) -> bool:
        """Whether the event that was moved is still there; what was moved and deleted is not missed."""
        if edit.side == "Dynamics":
            return True
        boxes = self._graph.world.mailboxes.values()
        return any(_has_times(box.versions[edit.event_id][-1]) for box in boxes if edit.event_id in box.versions)

    def _nobody_got_mail(self) -> Iterator[str]:
        if self._graph.world.mails:
            yield f"{len(self._graph.world.mails)} mails were sent"

    def _no_mailbox_was_crowded(self) -> Iterator[str]:
        for (_, mailbox_id), most in self._cluster.graph_gauge.most_at_once.items():
            if mailbox_id and most > MOST_AT_ONCE:
                yield f"{most} requests at once in one mailbox, from one instance"

    def _nothing_is_buried(self) -> Iterator[str]:
        for letter in self._cluster.letters.letters.values():
            yield f"a dead letter could not be replayed: {letter.error_class}, {letter.reason}"

    def _nothing_is_held(self) -> Iterator[str]:
        if (due_at := self._cluster.queue.next_visible_at()) is not None:
            yield f"the queue is not empty: something waits until {due_at:%H:%M:%S}"

    def _the_budget_is_kept(self) -> Iterator[str]:
        """Over the whole history: what timers, people's changes and each blow of trouble may cost, and no more."""
        cluster = self._cluster
        calls = cluster.graph_gauge.calls + cluster.dataverse_gauge.calls
        allowed = (
            sum(COST_OF_TIMER[name] * times for name, times in cluster.timers_run.items())
            + COST_OF_CHANGE * self._ledger.changes
            + sum(COST_OF_TROUBLE * times for ill, times in cluster.weather.struck.items() if ill not in FREE)
            + COST_OF_ABSENCE * cluster.weather.struck[Ill.MAILBOX_LOST]
            + COST_OF_DEATH * cluster.weather.struck[Ill.CRASH]
        )
        if calls > allowed:
            yield f"{calls} calls, where {allowed} were to be enough"


def _came_over(edit: Edit, story: Story) -> bool:
    """Whether both sides had the edit's time at some moment after it, or its own side was set anew before."""
    later = next(
        (other.number for other in story.edits if other.number > edit.number and other.side == edit.side), None
    )
    if later is not None:
        return True
    return any(number > edit.number and span == edit.span for number, span in story.agreed)


def _has_times(event: Event) -> bool:
    return not event.is_deleted and event.type == "singleInstance" and not event.is_all_day


def _span(event: Event) -> TimeSpan:
    return TimeSpan(start_at=whole_second_utc(event.start_at), end_at=whole_second_utc(event.end_at))


def _words(events: list[Event]) -> str:
    return ", ".join(f"event {event.immutable_id[-6:]} with {event.mailbox_id[:8]}" for event in events)
