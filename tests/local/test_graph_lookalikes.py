"""The search for an event that somebody else made for a booking: the only one of that time, and nobody's yet."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.graph.event_body import default_properties
from sync.adapters.graph import VIEW_PAGE_SIZE, VIEW_PAGES
from sync.core.sides import EventAddress, TimeSpan
from sync.service.ports import EventChanges
from tests.local.graph_adapter import calls, drop_event, make_event, open_client
from tests.local.graph_tenant import TECHNICIAN, Tenant, tenant, times

MAILBOX = TECHNICIAN.mailbox_id
BOOKING_ID = "7b0c9b8e-52c1-4f0d-8d7e-2f6a3c1b9d10"
START = datetime(2026, 3, 24, 10, tzinfo=UTC)
SPAN = TimeSpan(start_at=START, end_at=START + timedelta(hours=1))
ALIKE: dict[str, Any] = {"subject": "Boiler (wo-00042)", **times("2026-03-24T10:00:00", "2026-03-24T11:00:00")}


@pytest.fixture
async def graph() -> AsyncIterator[Tenant]:
    async with tenant() as opened:
        yield opened


async def find(graph: Tenant, span: TimeSpan = SPAN, number: str = "WO-00042") -> str | None:
    client, _ = open_client(graph)
    event = await client.find_lookalike(MAILBOX, span, number)
    return event.event_id if event else None


def change_in_world(graph: Tenant, event_id: str, **fields: Any) -> None:
    """What no person can do to an event of their own."""
    world = graph.simulator.world
    world.update(world.current(world.mailboxes[MAILBOX], event_id, "immutable"), fields)


def fill(graph: Tenant, count: int) -> None:
    """Put so many other events over the booking's time, in front of it in a view."""
    world, mailbox = graph.simulator.world, graph.simulator.world.mailboxes[MAILBOX]
    fields = {
        "start_at": START - timedelta(hours=1),
        "end_at": SPAN.end_at,
        "properties": {**default_properties(), "subject": "WO-00042"},
    }
    for _ in range(count):
        world.create(mailbox, mailbox.default_calendar, fields)


async def test_the_one_event_that_looks_alike_is_found_by_a_view_and_a_read(graph: Tenant) -> None:
    made = await make_event(graph, **ALIKE)
    client, line = open_client(graph)
    found = await client.find_lookalike(MAILBOX, SPAN, "WO-00042")
    assert found is not None
    assert (found.address, found.span, found.booking_id) == (EventAddress(MAILBOX, made), SPAN, None)
    assert found == await client.find_event(MAILBOX, made), "the answer is what a read would give"
    assert calls(graph) == {"calendarView.list": 1, "event.get": 2}
    assert "$expand" not in line.requests[0].url.params


async def test_a_search_that_finds_nothing_costs_one_call(graph: Tenant) -> None:
    assert await find(graph) is None
    assert calls(graph) == {"calendarView.list": 1}


@pytest.mark.parametrize("number", ["", " "])
async def test_without_a_number_nothing_looks_alike(graph: Tenant, number: str) -> None:
    await make_event(graph, **ALIKE)
    assert await find(graph, number=number) is None
    assert calls(graph) == {}


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"subject": "WO-000421"}, id="another number"),
        pytest.param({"subject": "Dentist"}, id="no number"),
        pytest.param(times("2026-03-24T10:00:00", "2026-03-24T11:01:00"), id="a minute longer"),
        pytest.param(times("2026-03-24T09:59:00", "2026-03-24T11:00:00"), id="a minute earlier"),
        pytest.param(times("2026-03-24T10:00:00", "2026-03-24T11:00:00", "Europe/Berlin"), id="the same clock abroad"),
        pytest.param({"attendees": [{"emailAddress": {"address": "a@b.example"}}]}, id="people are invited"),
        pytest.param(
            {
                "recurrence": {
                    "pattern": {"type": "daily", "interval": 1},
                    "range": {"type": "numbered", "startDate": "2026-03-24", "numberOfOccurrences": 3},
                }
            },
            id="a series",
        ),
    ],
)
async def test_an_event_that_differs_is_left_alone(graph: Tenant, different: dict[str, Any]) -> None:
    await make_event(graph, **ALIKE | different)
    assert await find(graph) is None


async def test_all_day_is_no_time_of_a_booking(graph: Tenant) -> None:
    day = times("2026-03-24T00:00:00", "2026-03-25T00:00:00")
    await make_event(graph, **ALIKE | day, isAllDay=True)
    whole_day = TimeSpan(start_at=datetime(2026, 3, 24, tzinfo=UTC), end_at=datetime(2026, 3, 25, tzinfo=UTC))
    assert await find(graph, whole_day) is None


@pytest.mark.parametrize("fields", [{"is_cancelled": True}, {"is_organizer": False}], ids=lambda one: next(iter(one)))
async def test_a_cancelled_or_foreign_meeting_is_left_alone(graph: Tenant, fields: dict[str, Any]) -> None:
    change_in_world(graph, await make_event(graph, **ALIKE), **fields)
    assert await find(graph) is None


async def test_an_event_in_another_zone_of_the_same_instant_is_found(graph: Tenant) -> None:
    made = await make_event(graph, **ALIKE | times("2026-03-24T11:00:00", "2026-03-24T12:00:00", "Europe/Berlin"))
    assert await find(graph) == made


async def test_one_of_several_is_not_chosen_by_chance(graph: Tenant) -> None:
    first = await make_event(graph, **ALIKE)
    second = await make_event(graph, **ALIKE)
    assert await find(graph) is None
    await drop_event(graph, first)
    assert await find(graph) == second


@pytest.mark.parametrize("marked_for", [BOOKING_ID, "00000000-0000-4000-8000-000000000001"])
async def test_an_event_that_has_a_mark_is_somebodys(graph: Tenant, marked_for: str) -> None:
    client, _ = open_client(graph)
    made = await make_event(graph, **ALIKE)
    await client.update_event(EventAddress(MAILBOX, made), EventChanges(booking_id=marked_for))
    assert await find(graph) is None
    unmarked = await make_event(graph, **ALIKE)
    assert await find(graph) == unmarked


async def test_more_lookalikes_than_anybody_means_are_not_read(graph: Tenant) -> None:
    for _ in range(4):
        await make_event(graph, **ALIKE)
    assert await find(graph) is None
    assert calls(graph) == {"calendarView.list": 1}


async def test_a_booking_without_length_has_lookalikes_too(graph: Tenant) -> None:
    made = await make_event(graph, **ALIKE | times("2026-03-24T10:00:00", "2026-03-24T10:00:00"))
    assert await find(graph, TimeSpan(start_at=START, end_at=START)) == made


async def test_the_search_goes_on_to_the_next_page(graph: Tenant) -> None:
    fill(graph, VIEW_PAGE_SIZE)
    made = await make_event(graph, **ALIKE)
    assert await find(graph) == made
    assert calls(graph)["calendarView.list"] == 2


async def test_a_calendar_without_end_is_not_read_to_its_end(graph: Tenant) -> None:
    await make_event(graph, **ALIKE)
    fill(graph, VIEW_PAGE_SIZE * VIEW_PAGES)
    assert await find(graph) is None
    assert calls(graph)["calendarView.list"] == VIEW_PAGES
