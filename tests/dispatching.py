"""A tenant seen from the dispatcher's desk: bookings are made, changed and deleted in Dynamics, over its wire format.

For the scenarios of Dynamics to Outlook. Bookings are spoken of by their ids, since most are not of the sample.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from local.sample import BOOKING_ID_PROPERTY, Technician, WorkOrder
from sync.core.mailboxes import Breaker
from sync.core.rules import Rules
from tests.hosted_app import QUIET
from tests.tenant import Tenant, event_path

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
"""Of the sample's week, which begins five days after a tenant starts."""


class DispatchTenant(Tenant):
    """A tenant with a dispatcher."""

    @classmethod
    async def open(
        cls, *technicians: int, choose: Callable[[Rules], Rules] | None = None, seed: int = 0, **switches: Any
    ) -> Self:
        """A started tenant that syncs some of the sample's technicians, by default one of two visits.

        `choose` makes the customer's choices; `switches` are of the Graph simulator, where nothing is left to chance.
        """
        tenant = cls(switches={**QUIET, **switches}, seed=seed)
        some = [tenant.sample.technicians[index] for index in technicians or (3,)]
        tenant.technician = some[0]
        tenant.rules = replace(tenant.rules, mailboxes=tuple(one.mailbox_id for one in some))
        if choose is not None:
            tenant.rules = choose(tenant.rules)
        await tenant.start()
        return tenant

    def dynamics(self, **switches: Any) -> None:
        """Set switches of the Dataverse simulator."""
        self.dataverse.switchboard.set_switches(switches)

    def answer(self, *, is_up: bool) -> None:
        """Whether the app is up and answers, Graph and Dataverse alike."""
        self.door_is_open = self.webhook_door_is_open = is_up

    async def book(
        self,
        start_at: datetime = MONDAY + 12 * HOUR,
        *,
        technician: Technician | None = None,
        work_order: WorkOrder | None = None,
        name: str = "Visit",
        status: str = "Scheduled",
        length: timedelta = HOUR,
        **columns: Any,
    ) -> str:
        """The dispatcher books a technician; the booking's id."""
        row: dict[str, Any] = {
            "name": name,
            **_times(start_at, length),
            "duration": int(length.total_seconds() // 60),
            "Resource@odata.bind": f"/bookableresources({(technician or self.technician).resource_id})",
            "BookingStatus@odata.bind": await self._status(status),
            **columns,
        }
        if work_order is not None:
            row["msdyn_workorder@odata.bind"] = f"/msdyn_workorders({work_order.work_order_id})"
        return await self.add("bookableresourcebookings", **row)

    async def booked(self, **details: Any) -> tuple[str, dict[str, Any]]:
        """A booking, given as to `book`, with its event in the calendar; what that cost is forgotten."""
        booking_id = await self.book(**details)
        await self.settle()
        event = await self.event_of(booking_id, details.get("technician"))
        self.forget_costs()
        return booking_id, event

    async def add(self, entity_set: str, **row: Any) -> str:
        """The id of a row that somebody adds."""
        answer = await self.dispatcher.post(f"/{entity_set}", json=row)
        assert answer.status_code == 204, answer.text
        return str(answer.headers["OData-EntityId"]).rpartition("(")[2].rstrip(")")

    async def change(self, booking_id: str, **columns: Any) -> None:
        await self.patch(f"bookableresourcebookings({booking_id})", **columns)

    async def patch(self, address: str, **columns: Any) -> None:
        """Somebody changes a row."""
        answer = await self.dispatcher.patch(f"/{address}", json=columns, headers={"If-Match": "*"})
        assert answer.status_code == 204, answer.text

    async def move(self, booking_id: str, start_at: datetime, *, length: timedelta = HOUR) -> None:
        await self.change(booking_id, **_times(start_at, length))

    async def put(self, booking_id: str, status: str) -> None:
        """The dispatcher gives a booking another status, by its name."""
        await self.change(booking_id, **{"BookingStatus@odata.bind": await self._status(status)})

    async def reassign(self, booking_id: str, technician: Technician) -> None:
        await self.change(booking_id, **{"Resource@odata.bind": f"/bookableresources({technician.resource_id})"})

    async def delete(self, booking_id: str) -> None:
        """The dispatcher deletes a booking, and is not hindered."""
        answer = await self.dispatcher.delete(f"/bookableresourcebookings({booking_id})")
        assert answer.status_code == 204, answer.text

    async def row(self, booking_id: str) -> dict[str, Any]:
        """The booking's row with the name of its status as `status`; empty when it is gone."""
        answer = await self.dispatcher.get(
            f"/bookableresourcebookings({booking_id})?$select=starttime,endtime,name,bks_eventid,bks_eventhash"
            ",bks_undelivered&$expand=BookingStatus($select=name)"
        )
        if answer.status_code == 404:
            return {}
        assert answer.status_code == 200, answer.text
        row = dict(answer.json())
        return {**row, "status": row["BookingStatus"]["name"]}

    async def undelivered(self, booking_id: str) -> str:
        """What the dispatcher reads on a booking about why it has no event."""
        return (await self.row(booking_id))["bks_undelivered"] or ""

    async def events(self, booking_id: str, technician: Technician | None = None) -> list[dict[str, Any]]:
        """The events with a booking's mark in a technician's calendar, as their owner sees them in UTC."""
        mailbox_id = (technician or self.technician).mailbox_id
        condition = (
            f"singleValueExtendedProperties/Any(ep: ep/id eq '{BOOKING_ID_PROPERTY}' and ep/value eq '{booking_id}')"
        )
        answer = await self.person.get(f"/users/{mailbox_id}/events", params={"$filter": condition, "$top": "50"})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["value"])

    async def event_of(self, booking_id: str, technician: Technician | None = None) -> dict[str, Any]:
        """The one event of a booking."""
        (event,) = await self.events(booking_id, technician)
        return event

    async def rewrite_event(self, event: dict[str, Any], technician: Technician | None = None, **fields: Any) -> None:
        """The technician changes an event."""
        await self.patch_event((technician or self.technician).mailbox_id, event["id"], fields)

    async def drop_event(self, event: dict[str, Any], technician: Technician | None = None) -> None:
        """The technician deletes an event."""
        answer = await self.person.delete(event_path((technician or self.technician).mailbox_id, event["id"]))
        assert answer.status_code == 204, answer.text

    async def register_step(
        self, message: str, *, table: str = "bookableresourcebooking", stage: int = 40, mode: int = 1
    ) -> None:
        """Somebody registers a step with the app's address, besides those that the app has."""
        message_id = await self._only(f"sdkmessages?$filter=name eq '{message}'", "sdkmessageid")
        of_table = f"primaryobjecttypecode eq '{table}' and _sdkmessageid_value eq {message_id}"
        filter_id = await self._only(f"sdkmessagefilters?$filter={of_table}", "sdkmessagefilterid")
        endpoint_id = await self.endpoint_id()
        step = {
            "name": f"somebody's {message} of {table}",
            "stage": stage,
            "mode": mode,
            "rank": 1,
            "eventhandler_serviceendpoint@odata.bind": f"/serviceendpoints({endpoint_id})",
            "sdkmessageid@odata.bind": f"/sdkmessages({message_id})",
            "sdkmessagefilterid@odata.bind": f"/sdkmessagefilters({filter_id})",
        }
        await self.add("sdkmessageprocessingsteps", **step)

    async def endpoint_id(self) -> str:
        """That of the app's registration."""
        return await self._only("serviceendpoints?$filter=contract eq 8", "serviceendpointid")

    async def breaker(self, mailbox_id: str) -> Breaker:
        return await self.state.find_breaker(mailbox_id) or Breaker(mailbox_id=mailbox_id)

    async def _status(self, name: str) -> str:
        return f"/bookingstatuses({await self._only(f"bookingstatuses?$filter=name eq '{name}'", 'bookingstatusid')})"

    async def _only(self, query: str, column: str) -> str:
        """A column of the one row that a query finds."""
        (row,) = (await self.dispatcher.get(f"/{query}")).json()["value"]
        return str(row[column])


def starts_at(event: dict[str, Any]) -> datetime:
    """When an event begins that was read in UTC."""
    return datetime.fromisoformat(event["start"]["dateTime"]).replace(tzinfo=UTC)


def _times(start_at: datetime, length: timedelta) -> dict[str, str]:
    """As a client of Dynamics sends them."""
    return {"starttime": f"{start_at:%Y-%m-%dT%H:%M:%SZ}", "endtime": f"{start_at + length:%Y-%m-%dT%H:%M:%SZ}"}
