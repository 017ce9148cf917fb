"""People at work in a local world, over the services' own wire formats."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from local.sample import Sample, SampleBooking, build_sample
from local.switchboard import PERSON_TOKEN
from local.world import LocalWorld, today_in_utc


class People:
    """Technicians in Outlook and dispatchers in Dynamics. `with` closes their connections."""

    def __init__(self, world: LocalWorld) -> None:
        self.sample: Sample = build_sample(today_in_utc())
        headers = {"Authorization": f"Bearer {PERSON_TOKEN}"}
        self._outlook = httpx.Client(
            base_url=f"{world.graph_url}/v1.0",
            headers={**headers, "Prefer": 'IdType="ImmutableId"'},
            trust_env=False,
            timeout=20,
        )
        self._dynamics = httpx.Client(
            base_url=f"{world.dataverse_url}/api/data/v9.2", headers=headers, trust_env=False, timeout=20
        )

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

    def booking(self, visit: SampleBooking) -> dict[str, Any]:
        """Start as an aware time, and the name of the status."""
        address = f"/bookableresourcebookings({visit.booking_id})?$select=starttime&$expand=BookingStatus($select=name)"
        row = self._dynamics.get(address).raise_for_status().json()
        return {"start_at": datetime.fromisoformat(row["starttime"]), "status": row["BookingStatus"]["name"]}

    def close(self) -> None:
        self._outlook.close()
        self._dynamics.close()


def _address(visit: SampleBooking) -> str:
    return f"/users/{visit.technician.mailbox_id}/events/{quote(visit.event_id, safe='')}"


def wire(moment: datetime) -> dict[str, str]:
    return {"dateTime": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}


def wait_until(is_true: Callable[[], bool], *, seconds: float) -> float:
    """Poll until `is_true`; answers after how many seconds. Fails after `seconds`."""
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < seconds, f"not true within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began
