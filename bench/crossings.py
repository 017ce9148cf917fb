"""Changes that are to be seen on the other side: who makes them, and how they are looked for there.

Both go over the services' own wire formats, as people's clients would.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

import httpx

from bench import dispatches, trace
from bench.dispatches import WEEK, Dispatch
from bench.trace import Change
from local.sample import BOOKING_ID_PROPERTY, SampleBooking, guid
from local.switchboard import PERSON_TOKEN
from local.world import LocalWorld

_BY = timedelta(hours=1)
_MADE_AFTER = timedelta(hours=12)
"""So long after a visit it is booked once more, at night, when there are no others."""

_WEEKS_ANEW = 3
_BATCH = 20
"""Graph documentation, json-batching: at most 20 requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A change on one side, and at what time (aware UTC) its visit is then to be seen on the other."""

    change: Change | Dispatch
    booking_id: str
    mailbox_id: str
    start_at: datetime


def booked_anew(visits: Sequence[SampleBooking]) -> list[SampleBooking]:
    """The same visits in each of the three weeks after; the dispatcher has yet to make them."""
    return [
        replace(
            visit,
            name=f"{visit.name}, {weeks} weeks later",
            start_at=visit.start_at + weeks * WEEK,
            end_at=visit.end_at + weeks * WEEK,
        )
        for weeks in range(1, _WEEKS_ANEW + 1)
        for visit in visits
    ]


def event_moves(
    visits: Sequence[SampleBooking], *, turn: int = 1, event_ids: Mapping[str, str] | None = None
) -> list[Crossing]:
    """Technicians move the events of visits by an hour; in the second of several goes by two, and so on.

    `event_ids`, by booking id, are those of visits whose events the app has made.
    """
    moves = []
    for visit in visits:
        move = trace.move(visit, turn * _BY)
        if event_ids is not None:
            move = replace(move, event_id=event_ids[visit.booking_id])
        moves.append(_crossing(visit, move, visit.booking_id, turn * _BY))
    return moves


def dispatches_in_turn(visits: Sequence[SampleBooking], *, turn: int = 1) -> list[Crossing]:
    """The dispatcher moves the booking of one visit, books the next once more, and so on; for `turn` see above."""
    crossings = []
    for number, visit in enumerate(visits):
        if number % 2 == 0:
            crossings.append(_crossing(visit, dispatches.move(visit, turn * _BY), visit.booking_id, turn * _BY))
        else:
            booking_id = guid(f"crossing {turn}:{visit.booking_id}")
            crossings.append(_crossing(visit, dispatches.make(visit, _MADE_AFTER, booking_id), booking_id, _MADE_AFTER))
    return crossings


def _crossing(visit: SampleBooking, change: Change | Dispatch, booking_id: str, by: timedelta) -> Crossing:
    """`by`: how long after the visit's planned time the change puts it, or books it once more."""
    mailbox_id, start_at = visit.technician.mailbox_id, visit.start_at + by
    return Crossing(change=change, booking_id=booking_id, mailbox_id=mailbox_id, start_at=start_at)


class Sight(NamedTuple):
    """Where a visit was seen, and when it got there, where the service tells it to a fraction of a second."""

    start_at: datetime
    since: datetime | None = None


type Look = Callable[[Sequence[Crossing]], Awaitable[Mapping[str, Sight]]]
"""Where crossings are on the side that is looked at, by booking id; those not seen are left out."""


class People:
    """A technician's and a dispatcher's client; an asynchronous context."""

    def __init__(self, world: LocalWorld) -> None:
        token = {"Authorization": f"Bearer {PERSON_TOKEN}"}
        outlook, dynamics = f"{world.graph_url}/v1.0", f"{world.dataverse_url}/api/data/v9.2"
        headers = {**token, "Prefer": 'IdType="ImmutableId"'}
        self._outlook = httpx.AsyncClient(base_url=outlook, headers=headers, trust_env=False)
        self._dynamics = httpx.AsyncClient(base_url=dynamics, headers=token, trust_env=False)
        self._dataverse_url = world.dataverse_url
        self._connections = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for client in (self._outlook, self._dynamics):
            await self._connections.enter_async_context(client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connections.aclose()

    async def make(self, change: Change | Dispatch) -> None:
        answer = await dispatches.make_change(change, outlook=self._outlook, dynamics=self._dynamics)
        answer.raise_for_status()

    async def event_ids(self) -> dict[str, str]:
        """The events that bookings name, by booking id."""
        state = (await self._dynamics.get(f"{self._dataverse_url}/_control/state")).raise_for_status().json()
        return {one["id"]: one["event_id"] for one in state["bookings"] if one["event_id"]}

    async def look_at_dynamics(self, crossings: Sequence[Crossing]) -> Mapping[str, Sight]:
        """One query; see `Look`. Dataverse tells when a row was changed in whole seconds only, which is of no use."""
        ids = ",".join(f"'{one.booking_id}'" for one in crossings)
        condition = f"Microsoft.Dynamics.CRM.In(PropertyName='bookableresourcebookingid',PropertyValues=[{ids}])"
        query = {"$select": "starttime", "$filter": condition}
        answer = await self._dynamics.get("/bookableresourcebookings", params=query)
        rows = answer.raise_for_status().json()["value"]
        return {row["bookableresourcebookingid"]: Sight(datetime.fromisoformat(row["starttime"])) for row in rows}

    async def look_at_outlook(self, crossings: Sequence[Crossing]) -> Mapping[str, Sight]:
        """One batch, for the oldest of the crossings; see `Look`. Events are found by the mark of their booking."""
        searches = [{"id": one.booking_id, "method": "GET", "url": _marked_events(one)} for one in crossings[:_BATCH]]
        answer = await self._outlook.post("/$batch", json={"requests": searches})
        return {
            response["id"]: _sight_of(event)
            for response in answer.raise_for_status().json()["responses"]
            for event in response["body"]["value"]
        }


def _sight_of(event: Mapping[str, Any]) -> Sight:
    start_at = datetime.fromisoformat(event["start"]["dateTime"][:19]).replace(tzinfo=UTC)
    return Sight(start_at, datetime.fromisoformat(event["lastModifiedDateTime"]))


def _marked_events(crossing: Crossing) -> str:
    condition = (
        f"singleValueExtendedProperties/Any(ep: ep/id eq '{BOOKING_ID_PROPERTY}'"
        f" and ep/value eq '{crossing.booking_id}')"
    )
    query = httpx.QueryParams({"$filter": condition, "$select": "start,lastModifiedDateTime"})
    return f"/users/{crossing.mailbox_id}/events?{query}"
