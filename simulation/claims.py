"""What must be true of every history, whatever people did and whatever went wrong.

Each claim answers the sentences in which it is broken; none means that it holds.
"""

from collections.abc import Iterator

from local.dataverse.world import Row
from local.graph.events import Event
from simulation.ledger import ENDED, Edit, Story
from simulation.people import BOOKING, span_of
from simulation.stage import Stage
from sync.core.reconcile import OnCancellation
from sync.core.sides import TimeSpan, whole_second_utc
from sync.service.outcome import span_text

MOST_AT_ONCE = 4
"""Requests of an app in one mailbox (Graph documentation, throttling limits of Outlook)."""


class Claims:
    """Held against a tenant that has come to rest, everything healed, and every sweep been made."""

    def __init__(self, stage: Stage) -> None:
        self._graph = stage.graph
        self._dataverse = stage.dataverse
        self._cluster = stage.cluster
        self._people = stage.people
        self._ledger = stage.ledger
        self._homes = {one.resource_id: one.mailbox_id for one in stage.cast.technicians if one.has_mailbox}

    def broken(self) -> list[str]:
        claims = (
            self._both_sides_agree,
            self._nothing_ended_by_itself,
            self._no_edit_is_lost,
            self._nobody_got_mail,
            self._no_mailbox_was_crowded,
            self._nothing_is_buried,
            self._nothing_is_held,
        )
        return [sentence for claim in claims for sentence in claim()]

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
        copy = self._copy(row, named)
        if not ours and copy is None:
            is_series = any(event.immutable_id == named for event in events)
            if not is_series and not row.values["bks_undelivered"]:
                yield f"{name} has no event and does not say why"
            return
        event = copy or ours[0]
        if event.immutable_id != named:
            yield f"{name} names {named[-6:] or 'no event'}, not {_words([event])}"
        start_at, end_at = span_of(row)
        span = TimeSpan(start_at=start_at, end_at=end_at)
        if not event.is_all_day and event.type == "singleInstance" and _span(event) != span:
            yield f"{name} is at {span_text(span)}, its event at {span_text(_span(event))}"

    def _copy(self, row: Row, named: str) -> Event | None:
        """The copy that a person made and that has become the booking's event."""
        mailbox = self._graph.world.mailboxes.get(self._homes[str(row.values["resource"])])
        if named not in self._ledger.copies or mailbox is None or named not in mailbox.versions:
            return None
        event = mailbox.versions[named][-1]
        return None if event.is_deleted else event

    def _nothing_ended_by_itself(self) -> Iterator[str]:
        for booking_id, story in self._ledger.stories.items():
            if story.ended_by_app and not story.ended_by_person:
                yield f"booking {booking_id[:8]} was ended by the app, and nobody had ended booking or event"

    def _no_edit_is_lost(self) -> Iterator[str]:
        """What a person set came over, was set anew on the same side before, or the journal says that it lost."""
        told = [f"{entry.before} {entry.after}" for entry in self._cluster.journal.entries]
        rows = self._dataverse.world.rows(BOOKING)
        for booking_id, story in self._ledger.stories.items():
            row = rows.get(booking_id)
            if row is None or not self._is_followed(row):
                continue
            for edit in story.edits:
                if self._is_live(edit) and not _came_over(edit, story) and not _is_told(edit, told):
                    yield f"booking {booking_id[:8]}: {span_text(edit.span)} of {edit.side} is lost without a word"

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
        for mailbox_id, most in self._cluster.graph_gauge.most_at_once.items():
            if mailbox_id and most > MOST_AT_ONCE:
                yield f"{most} requests at once in one mailbox"

    def _nothing_is_buried(self) -> Iterator[str]:
        for letter in self._cluster.letters.letters.values():
            yield f"a dead letter could not be replayed: {letter.error_class}, {letter.reason}"

    def _nothing_is_held(self) -> Iterator[str]:
        if (due_at := self._cluster.queue.next_visible_at()) is not None:
            yield f"the queue is not empty: something waits until {due_at:%H:%M:%S}"


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


def _is_told(edit: Edit, told: list[str]) -> bool:
    return any(span_text(edit.span) in text for text in told)


def _span(event: Event) -> TimeSpan:
    return TimeSpan(start_at=whole_second_utc(event.start_at), end_at=whole_second_utc(event.end_at))


def _words(events: list[Event]) -> str:
    return ", ".join(f"event {event.immutable_id[-6:]} with {event.mailbox_id[:8]}" for event in events)
