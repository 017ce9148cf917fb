"""Dispatcher and technicians: they do in the two services what a history says, over the services' own wire formats.

An act whose object is not there any more, or whose mailbox is closed to its own owner, is left undone.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from local.dataverse.seed import status_id
from local.dataverse.server import DataverseSimulator
from local.dataverse.world import Row
from local.graph.events import Event
from local.graph.odata import property_id
from local.graph.server import build_app
from local.graph.simulator import GraphSimulator
from local.sample import BOOKING_ID_PROPERTY, Sample, SampleBooking, Technician
from local.switchboard import PERSON_TOKEN
from local.wiring import DATAVERSE_URL, GRAPH_URL
from simulation.history import VISITS, Act, Deed
from tests.tenant import event_path

MARK = property_id(BOOKING_ID_PROPERTY)
BOOKING = "bookableresourcebooking"
NAMED = ("Visit", "Renamed by act")
"""How a booking is called that somebody booked or renamed."""

TOLD = "As told by act"
"""How a work order begins that was described anew."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who and what there is at the beginning. The last of the technicians has no mailbox."""

    technicians: tuple[Technician, ...]
    visits: tuple[SampleBooking, ...]

    @classmethod
    def of(cls, sample: Sample) -> "Cast":
        synced = tuple(one for one in sample.technicians if one.has_mailbox and not one.full_week)
        (nobody,) = [one for one in sample.technicians if not one.has_mailbox]
        visits = tuple(visit for visit in sample.bookings if visit.technician in synced)
        assert len(visits) == VISITS, "the sample is not what histories are planned for"
        return cls((*synced, nobody), visits)

    @property
    def mailboxes(self) -> tuple[str, ...]:
        return tuple(one.mailbox_id for one in self.technicians if one.has_mailbox)


class People:
    """`copies`: see `Ledger`."""

    def __init__(self, graph: GraphSimulator, dataverse: DataverseSimulator, cast: Cast, copies: set[str]) -> None:
        self.notes: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        """What technicians wrote, by mailbox and event id."""
        self.retitled: set[tuple[str, str]] = set()
        """Whose subject a technician wrote, by mailbox and event id."""
        self.booked: dict[int, str] = {}
        """Booking ids by the number of the act that booked them."""
        self._copies = copies
        self._graph = graph
        self._dataverse = dataverse
        self._cast = cast
        bearer = {"Authorization": f"Bearer {PERSON_TOKEN}"}
        self._outlook = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=build_app(graph)),
            base_url=GRAPH_URL,
            headers={**bearer, "Prefer": 'IdType="ImmutableId"'},
        )
        self.dynamics = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=dataverse.app),
            base_url=f"{DATAVERSE_URL}/api/data/v9.2",
            headers=bearer,
        )

    async def do(self, act: Act) -> bool:
        """Whether it could be done."""
        return await _DEEDS[act.deed](self, act)

    def booking_id(self, act: Act) -> str | None:
        """The booking that an act is about."""
        if act.visit < VISITS:
            return self._cast.visits[act.visit].booking_id
        return self.booked.get(act.visit - VISITS)

    # -- in Dynamics

    async def book(self, act: Act) -> bool:
        like = self._cast.visits[act.visit % VISITS]
        order = like.work_order if act.hours > 0 else None
        start_at = like.start_at + timedelta(days=1, hours=act.hours)
        more = {"msdyn_workorder@odata.bind": f"/msdyn_workorders({order.work_order_id})"} if order else {}
        self.booked[act.number] = await self._book(
            f"{NAMED[0]} {act.number}", act.technician, start_at, start_at + timedelta(hours=1), more
        )
        return True

    async def _book(
        self, name: str, technician: int, start_at: datetime, end_at: datetime, more: Mapping[str, str] | None = None
    ) -> str:
        """The new booking's id."""
        row = {
            "name": name,
            **_times(start_at, end_at),
            "duration": 60,
            **self._resource(technician),
            **_status("Scheduled"),
            **(more or {}),
        }
        answer = await self.dynamics.post("/bookableresourcebookings", json=row)
        answer.raise_for_status()
        return str(answer.headers["OData-EntityId"]).rpartition("(")[2].rstrip(")").lower()

    async def book_twice(self, act: Act) -> bool:
        """A technician has entered an event by hand, and the dispatcher books two visits at just its time."""
        technician = act.technician % len(self._cast.mailboxes)
        start_at = self._cast.visits[act.visit % VISITS].start_at + timedelta(days=2, hours=act.hours)
        end_at = start_at + timedelta(hours=1)
        name = f"{NAMED[0]} {act.number}"
        event = {"subject": f"{name}, as told by phone", "start": _wire(start_at), "end": _wire(end_at)}
        path = f"/users/{self._cast.mailboxes[technician]}/events"
        if (await self._outlook.post(path, json=event)).status_code != 201:
            return False
        for _ in range(2):
            await self._book(name, technician, start_at, end_at)
        return True

    async def move_booking(self, act: Act) -> bool:
        row = self._row(act)
        if row is None:
            return False
        start_at, end_at = span_of(row)
        by = timedelta(hours=act.hours)
        return await self._change(act, _times(start_at + by, end_at + by))

    async def reassign(self, act: Act) -> bool:
        return await self._change(act, self._resource(act.technician))

    async def cancel(self, act: Act) -> bool:
        return await self._change(act, _status("Canceled"))

    async def reopen(self, act: Act) -> bool:
        return await self._change(act, _status("Scheduled"))

    async def complete(self, act: Act) -> bool:
        return await self._change(act, _status("Completed"))

    async def rename(self, act: Act) -> bool:
        return await self._change(act, {"name": f"{NAMED[1]} {act.number}"})

    async def delete_booking(self, act: Act) -> bool:
        if self._row(act) is None:
            return False
        (await self.dynamics.delete(f"/bookableresourcebookings({self.booking_id(act)})")).raise_for_status()
        return True

    async def describe(self, act: Act) -> bool:
        row = self._row(act)
        if row is None or row.values["msdyn_workorder"] is None:
            return False
        address = f"/msdyn_workorders({row.values['msdyn_workorder']})"
        await self._patch(address, {"msdyn_workordersummary": f"{TOLD} {act.number}"})
        return True

    def _resource(self, technician: int) -> dict[str, str]:
        return {"Resource@odata.bind": f"/bookableresources({self._cast.technicians[technician].resource_id})"}

    def _row(self, act: Act) -> Row | None:
        booking_id = self.booking_id(act)
        return self._dataverse.world.find(BOOKING, booking_id) if booking_id else None

    async def _change(self, act: Act, columns: Mapping[str, Any]) -> bool:
        if self._row(act) is None:
            return False
        await self._patch(f"/bookableresourcebookings({self.booking_id(act)})", columns)
        return True

    async def _patch(self, address: str, columns: Mapping[str, Any]) -> None:
        answer = await self.dynamics.patch(address, json=dict(columns), headers={"If-Match": "*"})
        answer.raise_for_status()

    # -- in Outlook

    async def move_event(self, act: Act) -> bool:
        return await self._edit(act, lambda event: _moved(event, act.hours))

    async def delete_event(self, act: Act) -> bool:
        event = self._event(act)
        return event is not None and await self._delete(event)

    async def clear_week(self, act: Act) -> bool:
        """All of one technician's."""
        mailbox_id = self._cast.technicians[act.technician % len(self._cast.mailboxes)].mailbox_id
        return any([await self._delete(event) for event in self.marked_events() if event.mailbox_id == mailbox_id])

    async def retitle(self, act: Act) -> bool:
        event = self._event(act)
        is_done = await self._edit(act, lambda _: {"subject": f"Mine, says act {act.number}"})
        if is_done and event is not None:
            self.retitled.add((event.mailbox_id, event.immutable_id))
        return is_done

    async def note(self, act: Act) -> bool:
        def with_note(event: Event) -> dict[str, Any]:
            html = event.properties.get("body", {}).get("content", "")
            return {"body": {"contentType": "html", "content": f"<p>{note}</p>{html}"}}

        note, event = f"Note of act {act.number}.", self._event(act)
        is_done = await self._edit(act, with_note)
        if is_done and event is not None:
            self.notes[event.mailbox_id, event.immutable_id].append(note)
        return is_done

    async def repeat(self, act: Act) -> bool:
        def as_series(event: Event) -> dict[str, Any]:
            first = {"type": "numbered", "startDate": f"{event.start_at:%Y-%m-%d}", "numberOfOccurrences": 3}
            return {"recurrence": {"pattern": {"type": "daily", "interval": 1}, "range": first}}

        return await self._edit(act, as_series)

    async def single_out(self, act: Act) -> bool:
        return await self._edit(act, lambda _: {"recurrence": None}, only="seriesMaster")

    async def all_day(self, act: Act) -> bool:
        def as_all_day(event: Event) -> dict[str, Any]:
            midnight = event.start_at.astimezone(UTC).replace(hour=0, minute=0, second=0)
            return {"isAllDay": True, "start": _wire(midnight), "end": _wire(midnight + timedelta(days=1))}

        return await self._edit(act, as_all_day)

    async def copy(self, act: Act) -> bool:
        """To a later time, or where it is."""
        event = self._event(act)
        if event is None or event.type != "singleInstance" or event.is_all_day:
            return False
        mailbox = self._graph.world.mailboxes[event.mailbox_id]
        copy = self._graph.world.copy(mailbox, event, mailbox.calendars[event.calendar_id])
        return act.hours < 0 or await self._patch_event(copy, _moved(copy, act.hours))

    async def move_copy(self, act: Act) -> bool:
        """The one of an event that was made last."""
        booking_id = self.booking_id(act)
        marked = self._marked(booking_id) if booking_id else ()
        copies = [event for event in marked if event.immutable_id in self._copies and not event.is_all_day]
        return bool(copies) and await self._patch_event(copies[-1], _moved(copies[-1], act.hours))

    async def paste(self, act: Act) -> bool:
        event = self._event(act)
        if event is None or event.type != "singleInstance" or event.is_all_day:
            return False
        mailbox = self._graph.world.mailboxes[event.mailbox_id]
        pasted = self._graph.world.copy(mailbox, event, mailbox.calendars[event.calendar_id])
        is_open = await self._patch_event(pasted, _moved(pasted, act.hours))
        return is_open and await self._delete(event)

    async def file(self, act: Act) -> bool:
        event = self._event(act)
        if event is None:
            return False
        mailbox = self._graph.world.mailboxes[event.mailbox_id]
        other = next((one for one in mailbox.calendars.values() if one.name == "Jobs"), None)
        self._graph.world.move(event, other or self._graph.world.add_calendar(mailbox, "Jobs"))
        return True

    async def enter(self, act: Act) -> bool:
        like = self._cast.visits[act.visit % VISITS]
        body = {"subject": "Private", "start": _wire(like.start_at), "end": _wire(like.end_at)}
        mailbox_id = self._cast.technicians[act.technician % len(self._cast.mailboxes)].mailbox_id
        answer = await self._outlook.post(f"/users/{mailbox_id}/events", json=body)
        return answer.status_code == 201

    async def move_private(self, act: Act) -> bool:
        mailbox_id = self._cast.technicians[act.technician % len(self._cast.mailboxes)].mailbox_id
        events = [versions[-1] for versions in self._graph.world.mailboxes[mailbox_id].versions.values()]
        private = [event for event in events if MARK not in event.extended_properties and not event.is_deleted]
        return bool(private) and await self._patch_event(private[0], _moved(private[0], act.hours))

    def marked_events(self, booking_id: str | None = None) -> list[Event]:
        """The live events with the mark of a booking, or of any, that are not copies by people; oldest first."""
        return [event for event in self._marked(booking_id) if event.immutable_id not in self._copies]

    def _marked(self, booking_id: str | None) -> Iterator[Event]:
        """Those and the copies."""
        for mailbox in self._graph.world.mailboxes.values():
            for versions in mailbox.versions.values():
                marked = versions[-1].extended_properties.get(MARK)
                if marked is not None and booking_id in (None, marked) and not versions[-1].is_deleted:
                    yield versions[-1]

    def _event(self, act: Act) -> Event | None:
        """The event of a visit, as its technician sees it in the calendar."""
        booking_id = self.booking_id(act)
        events = self.marked_events(booking_id) if booking_id else []
        return events[0] if events else None

    async def _edit(
        self, act: Act, change: Callable[[Event], Mapping[str, Any]], *, only: str = "singleInstance"
    ) -> bool:
        event = self._event(act)
        if event is None or event.type != only or event.is_all_day:
            return False
        return await self._patch_event(event, change(event))

    async def _patch_event(self, event: Event, body: Mapping[str, Any]) -> bool:
        answer = await self._outlook.patch(event_path(event.mailbox_id, event.immutable_id), json=dict(body))
        return answer.status_code == 200

    async def _delete(self, event: Event) -> bool:
        return (await self._outlook.delete(event_path(event.mailbox_id, event.immutable_id))).status_code == 204


_DEEDS: Mapping[Deed, Callable[[People, Act], Awaitable[bool]]] = {
    Deed.BOOK: People.book,
    Deed.BOOK_TWICE: People.book_twice,
    Deed.MOVE_BOOKING: People.move_booking,
    Deed.REASSIGN: People.reassign,
    Deed.CANCEL: People.cancel,
    Deed.REOPEN: People.reopen,
    Deed.COMPLETE: People.complete,
    Deed.DELETE_BOOKING: People.delete_booking,
    Deed.RENAME: People.rename,
    Deed.DESCRIBE: People.describe,
    Deed.MOVE_EVENT: People.move_event,
    Deed.DELETE_EVENT: People.delete_event,
    Deed.CLEAR_WEEK: People.clear_week,
    Deed.RETITLE: People.retitle,
    Deed.NOTE: People.note,
    Deed.REPEAT: People.repeat,
    Deed.SINGLE_OUT: People.single_out,
    Deed.ALL_DAY: People.all_day,
    Deed.COPY: People.copy,
    Deed.MOVE_COPY: People.move_copy,
    Deed.PASTE: People.paste,
    Deed.FILE: People.file,
    Deed.ENTER: People.enter,
    Deed.MOVE_PRIVATE: People.move_private,
}


def span_of(row: Row) -> tuple[datetime, datetime]:
    start_at, end_at = row.values["starttime"], row.values["endtime"]
    assert isinstance(start_at, datetime)
    assert isinstance(end_at, datetime)
    return start_at, end_at


def _moved(event: Event, hours: float) -> dict[str, Any]:
    by = timedelta(hours=hours)
    return {"start": _wire(event.start_at + by), "end": _wire(event.end_at + by)}


def _times(start_at: datetime, end_at: datetime) -> dict[str, str]:
    return {"starttime": f"{start_at:%Y-%m-%dT%H:%M:%SZ}", "endtime": f"{end_at:%Y-%m-%dT%H:%M:%SZ}"}


def _status(name: str) -> dict[str, str]:
    return {"BookingStatus@odata.bind": f"/bookingstatuses({status_id(name)})"}


def _wire(moment: datetime) -> dict[str, str]:
    return {"dateTime": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}
