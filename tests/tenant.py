"""A whole tenant: people at work on both services beside the app, and what tests see of it.

People act on the simulators over their wire formats.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import quote

import httpx

from local.graph.events import Access
from local.graph.odata import property_id
from local.sample import BOOKING_ID_PROPERTY, TENANT_ID, Sample, SampleBooking, Technician, build_sample
from local.switchboard import PERSON_TOKEN
from local.wiring import DATAVERSE_URL, GRAPH_URL, PUBLIC_URL
from sync.core.journal import JournalEntry
from sync.core.notifications import client_state
from sync.core.rules import Rules
from tests.hosted_app import SECRET, START, WEBHOOK_SECRET, HostedApp
from tests.registering import register_webhooks


class Tenant(HostedApp):
    """The sample's people and the app. `rules` may be replaced before the first `settle`."""

    def __init__(self, *, switches: Mapping[str, Any] | None = None, rules: Rules | None = None, seed: int = 0) -> None:
        super().__init__(switches=switches, rules=rules, seed=seed)
        self.sample: Sample = build_sample(START.date())
        self.technician = self.sample.technicians[0]
        self.person = httpx.AsyncClient(
            transport=self._graph_transport,
            base_url=GRAPH_URL,
            headers={"Authorization": f"Bearer {PERSON_TOKEN}", "Prefer": 'IdType="ImmutableId"'},
        )
        self.dispatcher = httpx.AsyncClient(
            transport=self._dataverse_transport,
            base_url=f"{DATAVERSE_URL}/api/data/v9.2",
            headers={"Authorization": f"Bearer {PERSON_TOKEN}"},
        )
        self.graph_control = httpx.AsyncClient(
            transport=self._graph_transport, base_url="http://127.0.0.1:7080/_control"
        )

    @classmethod
    async def small(cls, *, technician: int = 3, **switches: Any) -> Self:
        """A started tenant that syncs one technician's mailbox, by default one of two visits: quick to start."""
        tenant = cls(switches=switches)
        tenant.sync_only(technician)
        await tenant.start()
        return tenant

    def sync_only(self, *technicians: int) -> None:
        """Narrow the sync to the mailboxes of some of the sample's technicians, of whom the first is `technician`."""
        some = [self.sample.technicians[index] for index in technicians]
        self.technician = some[0]
        self.rules = replace(self.rules, mailboxes=tuple(one.mailbox_id for one in some))

    async def start(self) -> None:
        """Register, subscribe everybody, sweep everything, and forget what that cost.

        A subscribed mailbox is swept in full, so that every booking of the window has been delivered in the end, and
        every echo has come back.
        """
        await register_webhooks(self.dispatcher, secret=WEBHOOK_SECRET)
        await self.maintain()
        await self.settle()
        await self.sweep()
        await self.settle()
        self.forget_costs()

    def entries(self, action: str) -> list[JournalEntry]:
        return [entry for entry in self.journal.entries if entry.action == action]

    def visit(self, technician: Technician | None = None, index: int = 0) -> SampleBooking:
        """A linked booking of the sample, of `self.technician` unless said otherwise."""
        of = technician or self.technician
        return [one for one in self.sample.bookings if one.technician is of and one.linked][index]

    async def move_event(self, visit: SampleBooking, *, by: timedelta = timedelta(hours=1), **fields: Any) -> None:
        """The technician moves a visit's event to `by` after its planned time."""
        body = {"start": wire(visit.start_at + by), "end": wire(visit.end_at + by), **fields}
        await self.patch_event(visit.technician.mailbox_id, visit.event_id, body)

    async def patch_event(self, mailbox_id: str, event_id: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.person.patch(event_path(mailbox_id, event_id), json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def delete_event(self, visit: SampleBooking) -> None:
        answer = await self.person.delete(event_path(visit.technician.mailbox_id, visit.event_id))
        assert answer.status_code == 204, answer.text

    async def event(self, visit: SampleBooking) -> dict[str, Any] | None:
        """The event as its owner sees it in UTC, None when it is gone."""
        answer = await self.person.get(event_path(visit.technician.mailbox_id, visit.event_id))
        return dict(answer.json()) if answer.status_code == 200 else None

    async def named_event(self, visit: SampleBooking) -> dict[str, Any]:
        """The event that the booking names now, as the technician sees it on whom the booking is now, in UTC."""
        answer = await self.dispatcher.get(
            f"/bookableresourcebookings({visit.booking_id})?$select=bks_eventid,_resource_value"
        )
        row = answer.json()
        (owner,) = [one for one in self.sample.technicians if one.resource_id == row["_resource_value"]]
        event = await self.person.get(event_path(owner.mailbox_id, row["bks_eventid"]))
        assert event.status_code == 200, event.text
        return dict(event.json())

    async def booking(self, visit: SampleBooking) -> dict[str, Any]:
        """The booking as the dispatcher sees it: start, end, event id, and status by name."""
        answer = await self.dispatcher.get(
            f"/bookableresourcebookings({visit.booking_id})?$select=starttime,endtime,duration,bks_eventid,bks_eventhash"
            "&$expand=BookingStatus($select=name)"
        )
        assert answer.status_code == 200, answer.text
        row = dict(answer.json())
        return {**row, "status": row["BookingStatus"]["name"]}

    async def booking_start(self, visit: SampleBooking) -> datetime:
        return datetime.fromisoformat((await self.booking(visit))["starttime"])

    async def patch_booking(self, visit: SampleBooking, **changes: Any) -> None:
        """The dispatcher changes a booking."""
        answer = await self.dispatcher.patch(
            f"/bookableresourcebookings({visit.booking_id})", json=changes, headers={"If-Match": "*"}
        )
        assert answer.status_code == 204, answer.text

    async def set_status(self, visit: SampleBooking, name: str) -> None:
        answer = await self.dispatcher.get(f"/bookingstatuses?$select=bookingstatusid&$filter=name eq '{name}'")
        status_id = answer.json()["value"][0]["bookingstatusid"]
        await self.patch_booking(visit, **{"BookingStatus@odata.bind": f"/bookingstatuses({status_id})"})

    async def assign(self, visit: SampleBooking, technician: Technician) -> None:
        await self.patch_booking(visit, **{"Resource@odata.bind": f"/bookableresources({technician.resource_id})"})

    async def control_graph(self, path: str, **body: Any) -> httpx.Response:
        """A switchboard route of the Graph simulator."""
        answer = await self.graph_control.post(path, json=body)
        assert answer.is_success, answer.text
        return answer

    async def graph_state(self) -> dict[str, Any]:
        return dict((await self.graph_control.get("/state")).json())

    async def set_access(self, technician: Technician, access: Access) -> None:
        """Give the app access to a mailbox, or take it away."""
        await self.control_graph("/mailboxes", mailbox_id=technician.mailbox_id, access=access)

    async def notify(self, visit: SampleBooking, change_type: str, *, etag: str | None = None) -> None:
        """Post one genuine notification about a visit's event, as Graph may at any moment."""
        mailbox_id = visit.technician.mailbox_id
        item = {
            "tenantId": TENANT_ID,
            "clientState": client_state(mailbox_id, SECRET),
            "changeType": change_type,
            "resourceData": {"id": visit.event_id, **({"@odata.etag": etag} if etag else {})},
        }
        await self.post(self._url("notifications"), json.dumps({"value": [item]}).encode(), "application/json", 3)

    async def notify_lifecycle(self, technician: Technician, event: str, **changes: Any) -> None:
        """Post one lifecycle notification about a mailbox; `changes` forge it."""
        item = {
            "tenantId": TENANT_ID,
            "clientState": client_state(technician.mailbox_id, SECRET),
            "subscriptionId": "4b1cd9f2-0000-4000-8000-000000000000",
            "lifecycleEvent": event,
            **changes,
        }
        await self.post(self._url("lifecycle"), json.dumps({"value": [item]}).encode(), "application/json", 3)

    @staticmethod
    def _url(door: str) -> str:
        return f"{PUBLIC_URL}/api/graph/{door}"

    async def assert_converged(self) -> None:
        """Both kinds of every sweep find nothing to write, no booking has an event too many, and nobody got a mail."""
        self.forget_costs()
        for is_full in (False, True, False):
            await self.sweep(is_full=is_full)
            await self.settle()
        assert not self.app_writes, self.app_writes
        assert not self.failed_timers
        await self._assert_events_are_at_home()
        assert not self.graph.world.mails

    async def _assert_events_are_at_home(self) -> None:
        """A booking has at most one event that is still to come, in the calendar of whom it is booked on.

        Not counted are copies that people made, events that are no single ones any more, and those of mailboxes that
        the app does not work in.
        """
        resting = {one.mailbox_id async for one in self.state.list_quarantines()}
        home = {one.resource_id: one.mailbox_id for one in self.sample.technicians}
        sown = {one.event_id for one in self.sample.bookings}
        bookings = self.dataverse.world.rows("bookableresourcebooking")
        held: dict[str, list[str]] = {}
        for mailbox in self.graph.world.mailboxes.values():
            if mailbox.mailbox_id in resting or mailbox.mailbox_id not in (self.rules.mailboxes or home.values()):
                continue
            for event in [versions[-1] for versions in mailbox.versions.values()]:
                booking = bookings.get(event.extended_properties.get(property_id(BOOKING_ID_PROPERTY), ""))
                if booking is None or event.is_deleted or event.type != "singleInstance":
                    continue
                is_ours = event.transaction_id is not None or event.immutable_id in sown
                is_named = event.immutable_id == booking.values.get("bks_eventid")
                if (is_ours or is_named) and event.end_at > self.clock.now():
                    held.setdefault(booking.row_id, []).append(mailbox.mailbox_id)
        for booking_id, mailboxes in held.items():
            assert mailboxes == [home.get(str(bookings[booking_id].values["resource"]))], booking_id


def event_path(mailbox_id: str, event_id: str) -> str:
    return f"/users/{mailbox_id}/events/{quote(event_id, safe='')}"


def wire(moment: datetime) -> dict[str, str]:
    """An aware time as a person's client sends it, in UTC."""
    return {"dateTime": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}
