"""Lists, searches and calendar views of the Graph simulator."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.sample import BOOKING_ID_PROPERTY, EXTENSION_NAME
from tests.local.graph_tenant import BOOKING, EXPAND, IMMUTABLE, PRIVATE, TECHNICIAN, USER, Tenant, error_of, tenant

WEEK = {"startDateTime": "2026-03-23T00:00:00Z", "endDateTime": "2026-03-30T00:00:00Z"}


@pytest.fixture
async def graph() -> AsyncIterator[Tenant]:
    async with tenant() as opened:
        yield opened


async def ids_of(graph: Tenant, path: str, **query: str) -> list[str]:
    answer = await graph.app.get(f"{USER}/{path}", params=query, headers=IMMUTABLE)
    assert answer.status_code == 200, answer.text
    return [event["id"] for event in answer.json()["value"]]


def by_property(operator: str, value: str) -> str:
    condition = f"ep/value {operator} '{value}'" if operator in ("eq", "ne") else f"{operator}(ep/value, '{value}')"
    return f"singleValueExtendedProperties/Any(ep: ep/id eq '{BOOKING_ID_PROPERTY}' and {condition})"


@pytest.mark.parametrize(
    ("operator", "value", "finds"),
    [
        ("eq", BOOKING.booking_id, 1),
        ("eq", BOOKING.booking_id.upper(), 1),
        ("eq", "nobody", 0),
        ("ne", BOOKING.booking_id, 1),
        ("startswith", BOOKING.booking_id[:8], 1),
        ("contains", BOOKING.booking_id[9:20], 1),
    ],
)
async def test_an_event_is_found_by_its_booking_id(graph: Tenant, operator: str, value: str, finds: int) -> None:
    found = await ids_of(graph, "events", **{"$filter": by_property(operator, value)})
    assert len(found) == finds
    assert (BOOKING.event_id in found) is (finds == 1 and operator != "ne")
    assert graph.simulator.switchboard.calls["app"] == {"event.search": 1}


async def test_the_name_of_an_extended_property_is_case_sensitive(graph: Tenant) -> None:
    assert (
        await ids_of(
            graph, "events", **{"$filter": by_property("eq", BOOKING.booking_id).replace("BookingId'", "bookingid'")}
        )
        == []
    )


async def test_linked_events_are_found_by_their_extension(graph: Tenant) -> None:
    query = {"$filter": f"Extensions/any(f:f/id eq '{EXTENSION_NAME}')", "$expand": EXPAND}
    answer = await graph.app.get(f"{USER}/events", params=query, headers=IMMUTABLE)
    found = {event["id"]: event["extensions"][0]["bookingSyncGuid"] for event in answer.json()["value"]}
    assert found[BOOKING.event_id] == BOOKING.booking_id
    assert PRIVATE.event_id not in found


@pytest.mark.parametrize(
    "query",
    [
        {"$filter": "subject eq 'Dentist'"},
        {"$filter": "Extensions/any(f:f/bookingSyncGuid eq 'x')"},
        {"$search": "Dentist"},
        {"$orderby": "subject"},
        {"$top": "0"},
        {"$top": "1001"},
    ],
)
async def test_what_lists_do_not_support_is_refused(graph: Tenant, query: dict[str, str]) -> None:
    answer = await graph.app.get(f"{USER}/events", params=query)
    assert error_of(answer) == (400, "ErrorInvalidRequest")


async def test_pages_hold_every_event_once(graph: Tenant) -> None:
    seen: list[str] = []
    url: str | None = f"{USER}/events?$top=2"
    while url:
        page = (await graph.app.get(url, headers=IMMUTABLE)).json()
        assert len(page["value"]) <= 2
        seen += [event["id"] for event in page["value"]]
        url = page.get("@odata.nextLink")
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize("covers_all", [False, True])
async def test_events_of_other_calendars_are_listed_only_where_the_service_covers_them(
    graph: Tenant, covers_all: bool
) -> None:
    graph.switch(events_cover_all_calendars=covers_all)
    await graph.control("move-event", mailbox_id=TECHNICIAN.mailbox_id, event_id=BOOKING.event_id, calendar="Field")
    assert (BOOKING.event_id in await ids_of(graph, "events")) is covers_all
    assert BOOKING.event_id not in await ids_of(graph, "calendarView", **WEEK)


async def test_a_view_shows_what_overlaps_its_window(graph: Tenant) -> None:
    start_at, end_at = BOOKING.start_at, BOOKING.end_at
    edges = {"startDateTime": end_at.isoformat(), "endDateTime": end_at.replace(hour=23).isoformat()}
    assert BOOKING.event_id not in await ids_of(graph, "calendarView", **edges)
    inside = {
        "startDateTime": start_at.replace(minute=5).isoformat(),
        "endDateTime": start_at.replace(minute=6).isoformat(),
    }
    assert await ids_of(graph, "calendarView", **inside) == [BOOKING.event_id]


@pytest.mark.parametrize("query", [{}, {"startDateTime": "2026-03-23T00:00:00Z"}, {**WEEK, "endDateTime": "soon"}])
async def test_a_view_needs_its_window(graph: Tenant, query: dict[str, str]) -> None:
    assert error_of(await graph.app.get(f"{USER}/calendarView", params=query)) == (400, "ErrorInvalidParameter")


async def test_users_are_found_by_id_or_address_also_without_a_mailbox(graph: Tenant) -> None:
    by_address = await graph.app.get(f"/v1.0/users/{TECHNICIAN.address}", params={"$select": "id,mail"})
    assert (by_address.json()["id"], by_address.json()["mail"]) == (TECHNICIAN.mailbox_id, TECHNICIAN.address)
    greta = (await graph.app.get("/v1.0/users/greta.novak@contoso.example")).json()
    assert greta["mail"] is None
    events = await graph.app.get(f"/v1.0/users/{greta['id']}/events")
    assert error_of(events) == (404, "MailboxNotEnabledForRESTAPI")
    assert error_of(await graph.app.get("/v1.0/users/nobody")) == (404, "Request_ResourceNotFound")


async def test_calendars_have_names_of_their_own(graph: Tenant) -> None:
    body: dict[str, Any] = {"name": "Field"}
    created = await graph.app.post(f"{USER}/calendars", json=body)
    assert created.status_code == 201
    assert error_of(await graph.app.post(f"{USER}/calendars", json=body)) == (400, "ErrorFolderExists")
    event = {
        "start": {"dateTime": "2026-03-23T10:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-03-23T11:00:00", "timeZone": "UTC"},
    }
    made = await graph.app.post(f"{USER}/calendars/{created.json()['id']}/events", json=event)
    assert made.status_code == 201
    assert error_of(await graph.app.get(f"{USER}/calendars/other/events")) == (404, "ErrorItemNotFound")
