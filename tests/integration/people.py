"""People at work in a local world, over the services' own wire formats."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from local.dispatching import HOUR, Dispatcher
from local.sample import BOOKING_ID_PROPERTY, Sample, SampleBooking, Technician, build_sample
from local.switchboard import PERSON_TOKEN
from local.world import LocalWorld, today_in_utc


class People:
    """Technicians in Outlook, and a dispatcher in Dynamics."""

    def __init__(self, world: LocalWorld) -> None:
        self.sample: Sample = build_sample(today_in_utc())
        self._outlook = httpx.Client(
            base_url=f"{world.graph_url}/v1.0",
            headers={"Authorization": f"Bearer {PERSON_TOKEN}", "Prefer": 'IdType="ImmutableId"'},
            trust_env=False,
            timeout=20,
        )
        self.dispatcher = Dispatcher(world.dataverse_url)

    def visits(self) -> list[SampleBooking]:
        """Linked bookings that nobody has worked on yet."""
        return [visit for visit in self.sample.bookings if visit.linked and visit.status == "Scheduled"]

    def move(self, visit: SampleBooking, by: timedelta) -> None:
        body = {"start": wire(visit.start_at + by), "end": wire(visit.end_at + by)}
        self._outlook.patch(_address(visit), json=body).raise_for_status()

    def delete(self, visit: SampleBooking) -> None:
        self._outlook.delete(_address(visit)).raise_for_status()

    def meet_privately(self, visit: SampleBooking) -> None:
        """The visit's technician makes a private event and changes it."""
        events = f"/users/{visit.technician.mailbox_id}/events"
        body = {"subject": "Lunch", "start": wire(visit.start_at), "end": wire(visit.end_at)}
        made = self._outlook.post(events, json=body).raise_for_status().json()
        self._outlook.patch(f"{events}/{quote(made['id'], safe='')}", json={"subject": "Late lunch"}).raise_for_status()

    def booking(self, booking_id: str) -> dict[str, Any]:
        """Start as an aware time, the name of the status, and the event id."""
        row = self.dispatcher.read(booking_id)
        assert row is not None, "the booking is gone"
        start_at = datetime.fromisoformat(row["starttime"])
        return {"start_at": start_at, "status": row["status"], "event_id": row["bks_eventid"]}

    def events(self, booking_id: str, technician: Technician) -> list[dict[str, Any]]:
        """The events in a technician's calendar with a booking's mark."""
        condition = (
            f"singleValueExtendedProperties/Any(ep: ep/id eq '{BOOKING_ID_PROPERTY}' and ep/value eq '{booking_id}')"
        )
        query = {"$filter": condition, "$top": "50"}
        reply = self._outlook.get(f"/users/{technician.mailbox_id}/events", params=query)
        return list(reply.raise_for_status().json()["value"])

    def starts(self, booking_id: str, technician: Technician) -> list[datetime]:
        """When the events with a booking's mark begin in a technician's calendar, as aware times."""
        return [_instant(event["start"]) for event in self.events(booking_id, technician)]

    def move_event(self, event: dict[str, Any], technician: Technician, start_at: datetime) -> None:
        body = {"start": wire(start_at), "end": wire(start_at + HOUR)}
        address = f"/users/{technician.mailbox_id}/events/{quote(event['id'], safe='')}"
        self._outlook.patch(address, json=body).raise_for_status()

    def close(self) -> None:
        self._outlook.close()
        self.dispatcher.close()


def _address(visit: SampleBooking) -> str:
    return f"/users/{visit.technician.mailbox_id}/events/{quote(visit.event_id, safe='')}"


def _instant(shown: dict[str, str]) -> datetime:
    """Graph answers in UTC, with a seventh digit that Python does not read."""
    return datetime.fromisoformat(shown["dateTime"][:19]).replace(tzinfo=UTC)


def wire(moment: datetime) -> dict[str, str]:
    return {"dateTime": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}


def wait_until(is_true: Callable[[], bool], *, seconds: float, every: float = 0.05) -> float:
    """Poll until `is_true`, `every` so many seconds; answers after how many. Fails after `seconds`."""
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < seconds, f"not true within {seconds} s"
        time.sleep(every)
    return time.monotonic() - began
