"""A technician in Outlook and a dispatcher in Dynamics, over the services' own wire formats, as a person.

Their calls are counted apart from the app's, are not throttled and meet no planned fault, so looking changes nothing.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from local.board.clients import open_client
from local.board.sides import BookingCard, EventCard
from local.dataverse.tables import CANCELED
from local.dispatching import assigned_to, in_status, times
from local.sample import BOOKING_ID_PROPERTY, Technician
from local.switchboard import PERSON_TOKEN
from sync.core.sides import TimeSpan

_COLUMNS = "name,starttime,endtime,bks_undelivered,_resource_value"
_EXPANSIONS = (
    "BookingStatus($select=name,status),msdyn_workorder($select=msdyn_name;$expand=msdyn_serviceaccount($select=name))"
)


class RefusedError(Exception):
    """A service says no; the message is its own."""


class Outlook:
    """Calendars, as their owners use them."""

    def __init__(self, graph_url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`graph_url` ends with the version, as in the app's settings."""
        headers = {"Authorization": f"Bearer {PERSON_TOKEN}", "Prefer": 'IdType="ImmutableId"'}
        self._http = open_client(graph_url, transport=transport, headers=headers)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def events(self, technician: str) -> Sequence[EventCard]:
        """Every event of a calendar; of a series the first."""
        query = {
            "$select": "subject,start,end",
            "$expand": f"singleValueExtendedProperties($filter=id eq '{BOOKING_ID_PROPERTY}')",
            "$top": "1000",
        }
        rows = await _all_pages(self._http, f"/users/{technician}/events", query)
        return [_event(row, technician) for row in rows]

    async def add(self, technician: str, subject: str, span: TimeSpan) -> None:
        """A private event."""
        body = {"subject": subject, **_wire_span(span)}
        _accepted(await self._http.post(f"/users/{technician}/events", json=body))

    async def change(
        self, technician: str, event_id: str, *, span: TimeSpan | None = None, subject: str | None = None
    ) -> None:
        body: dict[str, Any] = {} if span is None else _wire_span(span)
        if subject is not None:
            body["subject"] = subject
        _accepted(await self._http.patch(_event_path(technician, event_id), json=body))

    async def delete(self, technician: str, event_id: str) -> None:
        _accepted(await self._http.delete(_event_path(technician, event_id)))


class Dynamics:
    """The table of bookings, as a dispatcher uses it."""

    def __init__(self, dataverse_url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        headers = {"Authorization": f"Bearer {PERSON_TOKEN}"}
        self._http = open_client(f"{dataverse_url}/api/data/v9.2", transport=transport, headers=headers)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def bookings(self, technician_of: Callable[[str], str | None]) -> Sequence[BookingCard]:
        """Every booking; `technician_of` a resource's id."""
        query = {"$select": _COLUMNS, "$expand": _EXPANSIONS}
        rows = await _all_pages(self._http, "/bookableresourcebookings", query)
        return [_booking(row, technician_of(row["_resource_value"])) for row in rows]

    async def book(self, technician: Technician, name: str, span: TimeSpan) -> str:
        """A booking without a work order, which is called by its own name; answers its id."""
        row = {
            "name": name,
            **_columns(span),
            "duration": span.minutes,
            **assigned_to(technician),
            **in_status("Scheduled"),
        }
        made = _accepted(await self._http.post("/bookableresourcebookings", json=row))
        return str(made.headers["OData-EntityId"]).rpartition("(")[2].rstrip(")")

    async def change(
        self,
        booking_id: str,
        *,
        span: TimeSpan | None = None,
        technician: Technician | None = None,
        status: str | None = None,
        name: str | None = None,
    ) -> None:
        columns = {
            **(_columns(span) if span else {}),
            **(assigned_to(technician) if technician else {}),
            **(in_status(status) if status else {}),
            **({"name": name} if name is not None else {}),
        }
        # Without If-Match, a PATCH of a row that is gone would make it anew
        _accepted(await self._http.patch(_booking_path(booking_id), json=columns, headers={"If-Match": "*"}))

    async def delete(self, booking_id: str) -> None:
        _accepted(await self._http.delete(_booking_path(booking_id)))


def _event(row: dict[str, Any], technician: str) -> EventCard:
    marks = row.get("singleValueExtendedProperties", [])
    # Graph answers in UTC, with a seventh digit that Python does not read
    start_at, end_at = (
        datetime.fromisoformat(row[side]["dateTime"][:19]).replace(tzinfo=UTC) for side in ("start", "end")
    )
    return EventCard(
        id=row["id"],
        technician=technician,
        subject=row["subject"],
        span=TimeSpan(start_at=start_at, end_at=end_at),
        booking=next((mark["value"].lower() for mark in marks), None),
    )


def _booking(row: dict[str, Any], technician: str | None) -> BookingCard:
    account = (row["msdyn_workorder"] or {}).get("msdyn_serviceaccount") or {}
    start_at, end_at = (datetime.fromisoformat(row[column]) for column in ("starttime", "endtime"))
    return BookingCard(
        id=row["bookableresourcebookingid"],
        technician=technician,
        name=row["name"] or "",
        account=account.get("name") or "",
        span=TimeSpan(start_at=start_at, end_at=end_at),
        status=row["BookingStatus"]["name"],
        is_cancelled=row["BookingStatus"]["status"] == CANCELED,
        undelivered=row["bks_undelivered"] or "",
    )


def _columns(span: TimeSpan) -> dict[str, Any]:
    return times(span.start_at, span.end_at - span.start_at)


def _wire_span(span: TimeSpan) -> dict[str, Any]:
    sides = {"start": span.start_at, "end": span.end_at}
    return {side: {"dateTime": f"{at:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"} for side, at in sides.items()}


def _event_path(technician: str, event_id: str) -> str:
    return f"/users/{technician}/events/{quote(event_id, safe='')}"


def _booking_path(booking_id: str) -> str:
    return f"/bookableresourcebookings({booking_id})"


async def _all_pages(http: httpx.AsyncClient, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
    answer = _accepted(await http.get(path, params=query)).json()
    rows: list[dict[str, Any]] = answer["value"]
    while link := answer.get("@odata.nextLink"):
        answer = _accepted(await http.get(link)).json()
        rows += answer["value"]
    return rows


def _accepted(answer: httpx.Response) -> httpx.Response:
    """The answer. Raises `RefusedError` with what the service says."""
    if answer.is_success:
        return answer
    try:
        said = str(answer.json()["error"]["message"])
    except (json.JSONDecodeError, KeyError, TypeError):
        said = answer.text[:200]
    raise RefusedError(said or f"The service answered {answer.status_code}.")
