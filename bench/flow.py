"""The Power Automate flow that the app replaces, acted out call by call and step by step.

It is the concept of "Two-way sync of bookings between Dynamics 365 and Outlook, Part III" (A. Pajunen, 2021): a parent
flow that every notification starts, and two child flows. A step is an action or trigger that the text names; what it
only hints at (a loop over the notification's items, looking up the user's principal name, fetching tokens) is left out,
to the flow's advantage, and so is a step of its own for each expression that can stand inside another action.

Parent, up to the decision, 12 steps: trigger, switch on the content type, response 202, parse JSON, condition on the
client state; composes for change type, resource, resource id, event and extension name; GET of the event with its
extension; condition on its status 404. Then

- gone: run child "cancel", terminate. 14 steps with the child's on top.
- there: compose of the booking id, condition on the extensions. Without them: terminate. 15 steps.
- marked: parse JSON ("redundant", but it is there), composes of start and end, run child "update", terminate: 19 steps.

Child "update", 7 steps: trigger, get the booking, composes of start and end, condition on equal times, update the
booking (times and event id, or the event id alone), respond. So a notification about a marked event costs 26 steps.

Child "cancel": trigger, list the user, list its resource, list the booking by the event id, condition on a find, 5
steps; none: respond, 6. Found: get the booking with its status, its resource, that one's user, condition on equal
users: 9; the booking was reassigned: respond, 10. Else condition on a status that is cancelled already, 10, and then
either clear the event id and respond, 12; or clear the event id, unrelate the status, list the status that means
cancelled, update the booking, respond, 15. With the parent's: 20, 24, 26 and 29 steps.
"""

from collections import Counter
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import httpx

from local.sample import EXTENSION_NAME

CLIENT_STATE = "the-one-client-state-of-all-subscriptions"
CANCELED = 690970005
"""`msdyn_fieldservicestatus` of a booking status that means cancelled."""

_BOOKINGS = "/bookableresourcebookings"


class Branch(StrEnum):
    """How a run of the flow ended."""

    REFUSED = "client state does not match"
    BORN_IN_OUTLOOK = "event without extension"
    UPDATED = "times written to the booking"
    NAMED = "event id written to the booking"
    NOT_OURS = "gone, and no booking has its id"
    REASSIGNED = "gone, but the booking is somebody else's now"
    CLEARED = "gone, and the booking was cancelled already"
    CANCELLED = "gone, and the booking is cancelled"


class Flow:
    """Parent and child flows over their two services. `steps` counts what was executed, `ends` how runs ended."""

    def __init__(self, graph: httpx.AsyncClient, dataverse: httpx.AsyncClient) -> None:
        """Both clients with the address of their API and the flow's own token."""
        self._graph = graph
        self._dataverse = dataverse
        self.steps = 0
        self.ends: Counter[Branch] = Counter()

    async def run(self, notification: dict[str, Any]) -> Branch:
        """One run of the parent flow, which one notification starts."""
        branch = await self._run(notification)
        self.ends[branch] += 1
        return branch

    async def _run(self, notification: dict[str, Any]) -> Branch:
        self._did("trigger", "switch", "response 202", "parse JSON", "condition: client state")
        if notification["clientState"] != CLIENT_STATE:
            return Branch.REFUSED
        self._did("compose: changeType", "compose: resource", "compose: resource id", "compose: event")
        self._did("compose: extensionName")
        _, user_id, _, event_id = notification["resource"].split("/")
        answer = await self._get_event(user_id, event_id)
        self._did("condition: 404")
        if answer.status_code == httpx.codes.NOT_FOUND:
            self._did("run child: cancel")
            branch = await self._cancel(event_id, user_id)
            self._did("terminate")
            return branch
        return await self._change(answer.raise_for_status().json(), event_id)

    async def _get_event(self, user_id: str, event_id: str) -> httpx.Response:
        self._did("HTTP GET: event")
        expand = f"extensions($filter=id eq '{EXTENSION_NAME}')"
        return await self._graph.get(f"/users/{user_id}/events/{quote(event_id, safe='')}", params={"$expand": expand})

    async def _change(self, event: dict[str, Any], event_id: str) -> Branch:
        extensions = event.get("extensions")
        self._did("compose: bookingSyncGuid", "condition: extensions")
        if not extensions:
            self._did("terminate")
            return Branch.BORN_IN_OUTLOOK
        self._did("parse JSON", "compose: start", "compose: end", "run child: update")
        branch = await self._update(
            extensions[0]["bookingSyncGuid"], event_id, event["start"]["dateTime"], event["end"]["dateTime"]
        )
        self._did("terminate")
        return branch

    async def _update(self, booking_id: str, event_id: str, start: str, end: str) -> Branch:
        """The child flow that updates a booking."""
        self._did("trigger")
        booking = await self._get(f"{_BOOKINGS}({booking_id})")
        times = {"starttime": _dynamics_time(start), "endtime": _dynamics_time(end)}
        self._did("compose: start", "compose: end", "condition: equal times")
        is_equal = all(booking[name] == value for name, value in times.items())
        await self._patch(booking_id, {"bks_eventid": event_id, **({} if is_equal else times)})
        self._did("respond")
        return Branch.NAMED if is_equal else Branch.UPDATED

    async def _cancel(self, event_id: str, user_id: str) -> Branch:
        """The child flow that cancels a booking. It takes the user's object id, as the author advises."""
        self._did("trigger")
        [user] = await self._list("/systemusers", f"azureactivedirectoryobjectid eq {user_id}")
        await self._list("/bookableresources", f"_userid_value eq {user['systemuserid']}")
        found = await self._list(_BOOKINGS, f"bks_eventid eq '{event_id}'")
        self._did("condition: found")
        branch = Branch.NOT_OURS
        if found:
            branch = await self._cancel_found(found[0]["bookableresourcebookingid"], user["systemuserid"])
        self._did("respond")
        return branch

    async def _cancel_found(self, booking_id: str, user_id: str) -> Branch:
        booking = await self._get(f"{_BOOKINGS}({booking_id})?$expand=BookingStatus($select=msdyn_fieldservicestatus)")
        resource = await self._get(f"/bookableresources({booking['_resource_value']})")
        user = await self._get(f"/systemusers({resource['_userid_value']})")
        self._did("condition: equal users")
        if user["systemuserid"] != user_id:
            return Branch.REASSIGNED
        self._did("condition: cancelled already")
        status = booking["BookingStatus"]
        await self._patch(booking_id, {"bks_eventid": None})
        if status and status["msdyn_fieldservicestatus"] == CANCELED:
            return Branch.CLEARED
        self._did("unrelate: status")
        address = f"{_BOOKINGS}({booking_id})/BookingStatus/$ref"
        (await self._dataverse.delete(address)).raise_for_status()
        [status] = await self._list("/bookingstatuses", f"msdyn_fieldservicestatus eq {CANCELED}")
        await self._patch(booking_id, {"BookingStatus@odata.bind": f"/bookingstatuses({status['bookingstatusid']})"})
        return Branch.CANCELLED

    async def _get(self, address: str) -> dict[str, Any]:
        self._did("get a row")
        row: dict[str, Any] = (await self._dataverse.get(address)).raise_for_status().json()
        return row

    async def _list(self, address: str, condition: str) -> list[dict[str, Any]]:
        self._did("list rows")
        answer = await self._dataverse.get(address, params={"$filter": condition})
        rows: list[dict[str, Any]] = answer.raise_for_status().json()["value"]
        return rows

    async def _patch(self, booking_id: str, changes: dict[str, Any]) -> None:
        self._did("update a row")
        answer = await self._dataverse.patch(f"{_BOOKINGS}({booking_id})", json=changes, headers={"If-Match": "*"})
        answer.raise_for_status()

    def _did(self, *names: str) -> None:
        """Count steps; their names are for the reader of this module."""
        self.steps += len(names)


def _dynamics_time(graph_time: str) -> str:
    """`2026-11-23T07:00:00.0000000`, which Graph gives in UTC, as Dataverse shows it: `2026-11-23T07:00:00Z`."""
    return graph_time.partition(".")[0] + "Z"
