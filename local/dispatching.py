"""A dispatcher at work in Dynamics, over the Web API: what is written, and somebody who writes it."""

from datetime import datetime, timedelta
from typing import Any

import httpx

from local.dataverse.seed import status_id
from local.sample import Technician, WorkOrder
from local.switchboard import PERSON_TOKEN

HOUR = timedelta(hours=1)


def new_booking(technician: Technician, start_at: datetime, order: WorkOrder) -> dict[str, Any]:
    """A booking of an hour, as it is posted. `start_at` is in UTC."""
    return {
        "name": order.number,
        **times(start_at),
        "duration": 60,
        "msdyn_workorder@odata.bind": f"/msdyn_workorders({order.work_order_id})",
        **assigned_to(technician),
        **in_status("Scheduled"),
    }


def times(start_at: datetime, length: timedelta = HOUR) -> dict[str, Any]:
    """The columns that move a booking. `start_at` is in UTC."""
    return {"starttime": f"{start_at:%Y-%m-%dT%H:%M:%SZ}", "endtime": f"{start_at + length:%Y-%m-%dT%H:%M:%SZ}"}


def assigned_to(technician: Technician) -> dict[str, Any]:
    return {"Resource@odata.bind": f"/bookableresources({technician.resource_id})"}


def in_status(name: str) -> dict[str, Any]:
    return {"BookingStatus@odata.bind": f"/bookingstatuses({status_id(name)})"}


class Dispatcher:
    """Somebody who plans work. Raises `httpx.HTTPError` when Dynamics refuses."""

    def __init__(self, dataverse_url: str) -> None:
        self._dynamics = httpx.Client(
            base_url=f"{dataverse_url}/api/data/v9.2",
            headers={"Authorization": f"Bearer {PERSON_TOKEN}"},
            trust_env=False,
            timeout=20,
        )

    def close(self) -> None:
        self._dynamics.close()

    def book(self, technician: Technician, start_at: datetime, order: WorkOrder) -> str:
        """Book a technician for an hour; answers the booking's id."""
        answer = self._dynamics.post("/bookableresourcebookings", json=new_booking(technician, start_at, order))
        return str(answer.raise_for_status().headers["OData-EntityId"]).rpartition("(")[2].rstrip(")")

    def move(self, booking_id: str, start_at: datetime, length: timedelta = HOUR) -> None:
        self._change(_address(booking_id), times(start_at, length))

    def reassign(self, booking_id: str, technician: Technician) -> None:
        self._change(_address(booking_id), assigned_to(technician))

    def cancel(self, booking_id: str) -> None:
        self._change(_address(booking_id), in_status("Canceled"))

    def delete(self, booking_id: str) -> None:
        self._dynamics.delete(_address(booking_id)).raise_for_status()

    def summarize(self, order: WorkOrder, summary: str) -> None:
        """Give a work order another summary."""
        self._change(f"/msdyn_workorders({order.work_order_id})", {"msdyn_workordersummary": summary})

    def read(self, booking_id: str) -> dict[str, Any] | None:
        """A booking's times, event id, and status by its name as `status`; None when it is gone."""
        query = {"$select": "starttime,endtime,bks_eventid", "$expand": "BookingStatus($select=name)"}
        answer = self._dynamics.get(_address(booking_id), params=query)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        row = dict(answer.raise_for_status().json())
        return {**row, "status": row["BookingStatus"]["name"]}

    def _change(self, address: str, columns: dict[str, Any]) -> None:
        # Without If-Match, a PATCH of a row that is gone would make it anew
        self._dynamics.patch(address, json=columns, headers={"If-Match": "*"}).raise_for_status()


def _address(booking_id: str) -> str:
    return f"/bookableresourcebookings({booking_id})"
