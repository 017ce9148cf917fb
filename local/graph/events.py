"""What a mailbox holds: frozen states of events, calendars, and the record of a change. No wire form, no rules.

Times are aware UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from local.graph import ids
from local.graph.ids import IdForm
from local.graph.recurrence import Recurrence

DELETED_ITEMS = "deleteditems"
"""The calendar id of what has been deleted or cancelled."""

EventType = Literal["singleInstance", "seriesMaster", "occurrence", "exception"]
Access = Literal["ok", "denied", "not_enabled", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One state of an event. The next change makes a new one, with a higher `sequence`.

    `properties` are wire properties that mean nothing to the simulator (subject, body, location, attendees ...).
    `exceptions` and `deleted_dates` belong to a series master and are keyed by the day for which an occurrence was
    planned; `series_id` (immutable form) and `planned_on` belong to occurrences and exceptions.
    """

    immutable_id: str
    mailbox_id: str
    calendar_id: str
    sequence: int
    created_at: datetime
    changed_at: datetime
    start_at: datetime
    end_at: datetime
    start_zone: str = "UTC"
    end_zone: str = "UTC"
    original_start_zone: str = "UTC"
    original_end_zone: str = "UTC"
    is_all_day: bool = False
    is_organizer: bool = True
    is_cancelled: bool = False
    type: EventType = "singleInstance"
    transaction_id: str | None = None
    ical_uid: str = ""
    """Where it is not to be derived from the event's own id: an invitation has its organizer's."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    extensions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    extended_properties: Mapping[str, str] = field(default_factory=dict)
    recurrence: Recurrence | None = None
    exceptions: "Mapping[date, Event]" = field(default_factory=dict)
    deleted_dates: frozenset[date] = frozenset()
    series_id: str | None = None
    planned_on: date | None = None

    @property
    def change_key(self) -> str:
        return ids.change_key(self.immutable_id, self.sequence)

    @property
    def etag(self) -> str:
        return f'W/"{self.change_key}"'

    @property
    def is_deleted(self) -> bool:
        return self.calendar_id == DELETED_ITEMS

    @property
    def attendees(self) -> list[dict[str, Any]]:
        attendees: list[dict[str, Any]] = self.properties.get("attendees") or []
        return attendees

    def id_in(self, form: IdForm) -> str:
        """The event's id in one of its two forms."""
        if form == "immutable":
            return self.immutable_id
        if self.series_id is not None and self.planned_on is not None:
            return ids.occurrence_id(ids.default_id(self.series_id, self.calendar_id), self.planned_on)
        return ids.default_id(self.immutable_id, self.calendar_id)

    def series_id_in(self, form: IdForm) -> str | None:
        if self.series_id is None or form == "immutable":
            return self.series_id
        return ids.default_id(self.series_id, self.calendar_id)

    def overlaps(self, start_at: datetime, end_at: datetime) -> bool:
        """Whether a view from `start_at` to `end_at` shows the event; touching its edges is not enough."""
        return self.start_at < end_at and (self.end_at > start_at or self.start_at == self.end_at == start_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happened to one event: its state before (None: it was not there) and after."""

    before: Event | None
    after: Event


@dataclass(slots=True, kw_only=True)
class Calendar:
    calendar_id: str
    name: str
    is_default: bool = False


@dataclass(slots=True, kw_only=True)
class Mailbox:
    """A user and, unless `access` says otherwise, their mailbox. `versions` holds each event's states, oldest first."""

    mailbox_id: str
    address: str
    display_name: str
    access: Access = "ok"
    zone: str = "W. Europe Standard Time"
    calendars: dict[str, Calendar] = field(default_factory=dict)
    versions: dict[str, list[Event]] = field(default_factory=dict)
    immutable_ids: dict[str, str] = field(default_factory=dict)
    """Immutable id by every default-form id that an event ever had."""

    @property
    def default_calendar(self) -> Calendar:
        return next(calendar for calendar in self.calendars.values() if calendar.is_default)
