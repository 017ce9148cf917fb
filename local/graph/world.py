"""The mailboxes of the simulated tenant, their events, and what can happen to them. Knows nothing of HTTP.

Every change makes a new state of an event, is told to `on_change`, and stays readable as history, which is what stale
reads and delta are made of. Rules: Graph documentation, resources/event, outlook-immutable-id, event-cancel.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from local.graph import ids, mails, series
from local.graph.attendees import with_answer, without_answers
from local.graph.errors import access_denied, item_not_found, mailbox_not_enabled, malformed_id, user_not_found
from local.graph.events import DELETED_ITEMS, Access, Calendar, Change, Event, Mailbox
from local.graph.ids import IdForm
from local.graph.mails import Mail
from local.switchboard import Caller, Switchboard


class GraphWorld:
    """Mailboxes, calendars and events. Refusals are raised as `GraphError`."""

    def __init__(self, switchboard: Switchboard) -> None:
        self.switchboard = switchboard
        self.mailboxes: dict[str, Mailbox] = {}
        self.mails: list[Mail] = []
        self.on_change: list[Callable[[Change], None]] = []
        self._sequence = 0

    def clear(self) -> None:
        """Forget all mailboxes; listeners stay."""
        self.mailboxes.clear()
        self.mails.clear()
        self._sequence = 0

    @property
    def now(self) -> datetime:
        return self.switchboard.clock.now()

    def switch(self, name: str) -> Any:
        return self.switchboard.switches[name]

    def happens(self, name: str) -> bool:
        """Whether what a switch gives a probability for befalls this time. Without one no chance is used up."""
        probability = self.switch(name)
        return bool(probability) and self.switchboard.random.random() < probability

    def add_mailbox(self, mailbox_id: str, address: str, display_name: str, access: Access = "ok") -> Mailbox:
        mailbox = Mailbox(mailbox_id=mailbox_id, address=address, display_name=display_name, access=access)
        self.mailboxes[mailbox_id] = mailbox
        self.add_calendar(mailbox, "Calendar", is_default=True)
        return mailbox

    def add_calendar(self, mailbox: Mailbox, name: str, *, is_default: bool = False) -> Calendar:
        calendar_id = ids.calendar_id(mailbox.mailbox_id, len(mailbox.calendars))
        calendar = Calendar(calendar_id=calendar_id, name=name, is_default=is_default)
        mailbox.calendars[calendar_id] = calendar
        return calendar

    def find_user(self, user: str) -> Mailbox | None:
        """The user with this id or address, whatever the state of the mailbox; None also for one who is gone."""
        mailbox = self.mailboxes.get(user.lower())
        if mailbox is None:
            mailbox = next((each for each in self.mailboxes.values() if each.address == user.lower()), None)
        return None if mailbox is None or mailbox.access == "gone" else mailbox

    def mailbox_of(self, user: str, caller: Caller) -> Mailbox:
        """The mailbox of a user, as far as `caller` may open it; people are never denied theirs."""
        mailbox = self.find_user(user)
        if mailbox is None:
            raise user_not_found(user)
        if mailbox.access == "not_enabled":
            raise mailbox_not_enabled()
        if mailbox.access == "denied" and caller == "app":
            raise access_denied()
        return mailbox

    def is_empty(self, mailbox: Mailbox) -> bool:
        """Whether reads of this mailbox find nothing at the moment (switch `empty_reads`)."""
        return self.is_named_by("empty_reads", mailbox)

    def is_named_by(self, switch: str, mailbox: Mailbox) -> bool:
        """Whether a switch that is True for all mailboxes, or a list of mailbox ids, is on for this one."""
        value = self.switch(switch)
        return value is True or (isinstance(value, list) and mailbox.mailbox_id in value)

    def seen(self, mailbox: Mailbox, immutable_id: str) -> Event | None:
        """The state of an event that reads answer at the moment; None before they know of it."""
        versions = mailbox.versions[immutable_id]
        stale_seconds = self.switch("stale_read_seconds")
        if not stale_seconds:
            return versions[-1]
        horizon = self.now - timedelta(seconds=stale_seconds)
        return next((version for version in reversed(versions) if version.changed_at <= horizon), None)

    def seen_events(self, mailbox: Mailbox) -> Iterator[Event]:
        """All events that reads answer, also those in Deleted Items, without the occurrences of series."""
        for immutable_id in mailbox.versions:
            event = self.seen(mailbox, immutable_id)
            if event is not None:
                yield event

    def list_events(self, mailbox: Mailbox, calendar_id: str | None = None) -> list[Event]:
        """Events of one calendar (None: those that `/events` covers) by start, series as their masters only."""
        if self.is_empty(mailbox):
            return []
        events = [event for event in self.seen_events(mailbox) if self.covers(event, mailbox, calendar_id)]
        return sorted(events, key=lambda event: (event.start_at, event.immutable_id))

    def view(self, mailbox: Mailbox, start_at: datetime, end_at: datetime) -> list[Event]:
        """The events of the default calendar between two instants, by start, series as their occurrences."""
        shown: list[Event] = []
        for event in self.list_events(mailbox, mailbox.default_calendar.calendar_id):
            if event.recurrence is not None:
                shown.extend(series.occurrences(event, start_at, end_at))
            elif event.overlaps(start_at, end_at):
                shown.append(event)
        return sorted(shown, key=lambda event: (event.start_at, event.immutable_id))

    def covers(self, event: Event, mailbox: Mailbox, calendar_id: str | None) -> bool:
        """Whether the event lies in a calendar; None stands for what `users/{id}/events` covers."""
        if event.is_deleted:
            return False
        if calendar_id is None and self.switch("events_cover_all_calendars"):
            return True
        return event.calendar_id == (calendar_id or mailbox.default_calendar.calendar_id)

    def read(self, mailbox: Mailbox, event_id: str, form: IdForm) -> Event:
        """The event that a GET answers, subject to stale and empty reads."""
        if self.is_empty(mailbox):
            raise item_not_found()
        event = self._find(mailbox, event_id, form, lambda immutable_id: self.seen(mailbox, immutable_id))
        # A deleted item's default-form id has changed with the folder, so only the immutable one can find it.
        if event.is_deleted and self.switch("deleted_get") == "404":
            raise item_not_found()
        return event

    def current(self, mailbox: Mailbox, event_id: str, form: IdForm) -> Event:
        """The event's newest state, for a write."""
        event = self._find(mailbox, event_id, form, lambda immutable_id: mailbox.versions[immutable_id][-1])
        if event.is_deleted:
            raise item_not_found()
        return event

    def _find(self, mailbox: Mailbox, event_id: str, form: IdForm, state_of: Callable[[str], Event | None]) -> Event:
        actual_form = ids.form_of(event_id)
        if actual_form is None:
            raise malformed_id("It is not the id of an event.")
        if actual_form != form:
            header = "with" if actual_form == "immutable" else "without"
            raise malformed_id(f'Ids of this form need a request {header} Prefer: IdType="ImmutableId".')
        series_id, planned_on = ids.series_of(event_id) or (event_id, None)
        immutable_id = mailbox.immutable_ids.get(series_id, "") if form == "default" else series_id
        event = state_of(immutable_id) if immutable_id in mailbox.versions else None
        if event is None or event.id_in(form) != series_id:
            raise item_not_found()
        occurrence = event if planned_on is None else series.find_occurrence(event, planned_on)
        if occurrence is None:
            raise item_not_found()
        return occurrence

    def create(self, mailbox: Mailbox, calendar: Calendar, fields: dict[str, Any]) -> Event:
        """A new event from fields of `Event`; a repeated transaction id is answered with its first event."""
        if known := self._find_transaction(mailbox, fields.get("transaction_id")):
            return known
        event = self._store(mailbox, self._new_event(mailbox, calendar, fields))
        self.mails += mails.of_creation(event)
        self._tell(None, event)
        return event

    def seed(self, mailbox: Mailbox, immutable_id: str, created_at: datetime, fields: dict[str, Any]) -> Event:
        """An event that has been there since `created_at`, in the default calendar; raises nothing, notifies nobody."""
        event = self._new_event(mailbox, mailbox.default_calendar, fields)
        return self._store(
            mailbox, replace(event, immutable_id=immutable_id, created_at=created_at, changed_at=created_at)
        )

    def _new_event(self, mailbox: Mailbox, calendar: Calendar, fields: dict[str, Any]) -> Event:
        return Event(
            immutable_id=ids.new_immutable_id(self.switchboard.random.randbytes),
            mailbox_id=mailbox.mailbox_id,
            calendar_id=calendar.calendar_id,
            sequence=self._next_sequence(),
            created_at=self.now,
            changed_at=self.now,
            **fields,
        )

    def _find_transaction(self, mailbox: Mailbox, transaction_id: str | None) -> Event | None:
        remembered = self.switch("transaction_id")
        if transaction_id is None or remembered == "never":
            return None
        newest = (versions[-1] for versions in mailbox.versions.values())
        return next(
            (
                event
                for event in newest
                if event.transaction_id == transaction_id and not (event.is_deleted and remembered == "while_it_lives")
            ),
            None,
        )

    def update(self, event: Event, fields: dict[str, Any], *, notify: bool = True) -> Event:
        """Change fields of the newest state of an event; of an occurrence this makes an exception of its series."""
        if event.series_id is not None:
            return self._update_occurrence(event, fields, notify=notify)
        if "recurrence" in fields:
            kind = "singleInstance" if fields["recurrence"] is None else "seriesMaster"
            fields = {**fields, "type": kind, "exceptions": {}, "deleted_dates": frozenset()}
        if {"start_at", "end_at"} & set(fields) and self.switch("time_change_resets_answers"):
            properties = fields.get("properties", event.properties)
            unanswered = without_answers(properties.get("attendees", []))
            fields = {**fields, "properties": {**properties, "attendees": unanswered}}
        after = self._change(event, fields)
        # What attendees never see is not announced to them.
        if set(fields) - {"extensions", "extended_properties"}:
            self.mails += mails.of_update(event, after)
        if notify:
            self._tell(event, after)
        return after

    def _update_occurrence(self, event: Event, fields: dict[str, Any], *, notify: bool) -> Event:
        master = self._master_of(event)
        exception = replace(
            event, **{**fields, "type": "exception", "sequence": self._next_sequence(), "changed_at": self.now}
        )
        assert event.planned_on is not None
        changed_master = self._change(master, {"exceptions": {**master.exceptions, event.planned_on: exception}})
        self.mails += mails.of_update(event, exception)
        if notify and self.switch("exception_notifies") == "both":
            self._tell(event, exception)
        if notify:
            self._tell(master, changed_master)
        return exception

    def answer(self, event: Event, address: str, response: str) -> Event:
        """An attendee answers the invitation. Raises `ValueError` for a stranger or an unknown answer."""
        answered = with_answer(event.attendees, address, response, self.now)
        after = self._change(event, {"properties": {**event.properties, "attendees": answered}})
        self._tell(event, after)
        return after

    def delete(self, event: Event, *, is_cancelled: bool = False) -> None:
        """Move an event to Deleted Items; an organiser's meeting is cancelled by that, with mails to the attendees.

        An occurrence goes by a change of its series' master, and only that is told. `is_cancelled` marks what was
        cancelled instead of deleted.
        """
        self.mails += mails.of_deletion(event)
        if event.series_id is None:
            self._tell(event, self._change(event, {"calendar_id": DELETED_ITEMS, "is_cancelled": is_cancelled}))
            return
        master = self._master_of(event)
        assert event.planned_on is not None
        exceptions = {on: exception for on, exception in master.exceptions.items() if on != event.planned_on}
        fields = {"exceptions": exceptions, "deleted_dates": master.deleted_dates | {event.planned_on}}
        self._tell(master, self._change(master, fields))

    def move(self, event: Event, calendar: Calendar) -> Event:
        """A person drags an event, or a whole series, into another calendar."""
        after = self._change(event, {"calendar_id": calendar.calendar_id})
        self._tell(event, after)
        return after

    def copy(self, mailbox: Mailbox, event: Event, calendar: Calendar) -> Event:
        """A person copies an event; the copy is a new item, with or without the marks (switch `copy_keeps_marks`)."""
        fresh = self._new_event(mailbox, calendar, {"start_at": event.start_at, "end_at": event.end_at})
        marks: dict[str, Any] = {} if self.switch("copy_keeps_marks") else {"extensions": {}, "extended_properties": {}}
        identity = {
            name: getattr(fresh, name)
            for name in ("immutable_id", "calendar_id", "sequence", "created_at", "changed_at", "transaction_id")
        }
        copied = self._store(mailbox, replace(event, **identity, **marks))
        self._tell(None, copied)
        return copied

    def _master_of(self, occurrence: Event) -> Event:
        assert occurrence.series_id is not None
        return self.mailboxes[occurrence.mailbox_id].versions[occurrence.series_id][-1]

    def _change(self, event: Event, fields: dict[str, Any]) -> Event:
        after = replace(event, **fields, sequence=self._next_sequence(), changed_at=self.now)
        return self._store(self.mailboxes[event.mailbox_id], after)

    def _store(self, mailbox: Mailbox, event: Event) -> Event:
        mailbox.versions.setdefault(event.immutable_id, []).append(event)
        mailbox.immutable_ids[event.id_in("default")] = event.immutable_id
        return event

    def _tell(self, before: Event | None, after: Event) -> None:
        for listener in self.on_change:
            listener(Change(before=before, after=after))

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence
