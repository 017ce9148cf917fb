"""Series: occurrences in views, exceptions, and what their changes notify."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from local.graph.recurrence import Recurrence
from tests.local.graph_tenant import IMMUTABLE, USER, Tenant, error_of, tenant, times

NINE_IN_OSLO = times("2026-03-26T09:00:00", "2026-03-26T10:00:00", "W. Europe Standard Time")
WINDOW = {"startDateTime": "2026-03-26T00:00:00Z", "endDateTime": "2026-04-03T00:00:00Z"}


def recurrence(kind: str = "daily", **changes: Any) -> dict[str, Any]:
    pattern = {"type": kind, "interval": 1, **({"daysOfWeek": ["thursday", "monday"]} if kind == "weekly" else {})}
    return {
        "pattern": {**pattern, **changes},
        "range": {"type": "numbered", "startDate": "2026-03-26", "numberOfOccurrences": 5},
    }


@pytest.fixture
async def graph() -> AsyncIterator[Tenant]:
    async with tenant() as opened:
        yield opened


async def make_series(graph: Tenant) -> str:
    """A single event that becomes a daily series."""
    created = await graph.app.post(f"{USER}/events", json={"subject": "Round", **NINE_IN_OSLO}, headers=IMMUTABLE)
    event = f"{USER}/events/{created.json()['id']}"
    master = await graph.app.patch(event, json={"recurrence": recurrence()}, headers=IMMUTABLE)
    assert master.json()["type"] == "seriesMaster"
    assert master.json()["recurrence"]["range"]["numberOfOccurrences"] == 5
    return event


async def rounds(graph: Tenant) -> list[dict[str, Any]]:
    view = await graph.app.get(f"{USER}/calendarView", params=WINDOW, headers=IMMUTABLE)
    return [event for event in view.json()["value"] if event["subject"] == "Round"]


async def test_a_series_repeats_by_the_clock_of_its_zone_through_daylight_saving(graph: Tenant) -> None:
    event = await make_series(graph)
    starts = [each["start"]["dateTime"][:16] for each in await rounds(graph)]
    assert starts == [
        "2026-03-26T08:00",
        "2026-03-27T08:00",
        "2026-03-28T08:00",
        "2026-03-29T07:00",
        "2026-03-30T07:00",
    ]
    assert {each["seriesMasterId"] for each in await rounds(graph)} == {event.rsplit("/", 1)[1]}
    assert {each["type"] for each in await rounds(graph)} == {"occurrence"}


async def test_an_occurrence_can_be_read_in_both_id_forms(graph: Tenant) -> None:
    await make_series(graph)
    occurrence = (await rounds(graph))[1]
    read = await graph.app.get(f"{USER}/events/{occurrence['id']}", headers=IMMUTABLE)
    assert read.json()["start"] == occurrence["start"]
    view = await graph.app.get(f"{USER}/calendarView", params=WINDOW)
    other = next(each for each in view.json()["value"] if each["start"] == occurrence["start"])
    assert other["id"] != occurrence["id"]
    assert (await graph.app.get(f"{USER}/events/{other['id']}")).json()["iCalUId"] == occurrence["iCalUId"]


async def test_a_moved_occurrence_is_an_exception_and_the_others_stay(graph: Tenant) -> None:
    await make_series(graph)
    await graph.subscribe()
    occurrence = (await rounds(graph))[1]
    moved = times("2026-04-02T15:00:00", "2026-04-02T16:00:00")
    answer = await graph.app.patch(f"{USER}/events/{occurrence['id']}", json=moved, headers=IMMUTABLE)
    assert answer.json()["type"] == "exception"
    assert [each["type"] for each in await rounds(graph)] == ["occurrence"] * 4 + ["exception"]
    notified = [(item["changeType"], item["resourceData"]["id"]) for item in await graph.deliver()]
    assert sorted(notified) == sorted([("updated", occurrence["id"]), ("updated", occurrence["seriesMasterId"])])


async def test_a_deleted_occurrence_notifies_its_master_only(graph: Tenant) -> None:
    await make_series(graph)
    await graph.subscribe()
    occurrence = (await rounds(graph))[0]
    await graph.person.delete(f"{USER}/events/{occurrence['id']}", headers=IMMUTABLE)
    assert len(await rounds(graph)) == 4
    assert error_of(await graph.app.get(f"{USER}/events/{occurrence['id']}", headers=IMMUTABLE)) == (
        404,
        "ErrorItemNotFound",
    )
    notified = [(item["changeType"], item["resourceData"]["id"]) for item in await graph.deliver()]
    assert notified == [("updated", occurrence["seriesMasterId"])]


async def test_a_series_becomes_a_single_event_again(graph: Tenant) -> None:
    event = await make_series(graph)
    answer = await graph.app.patch(event, json={"recurrence": None}, headers=IMMUTABLE)
    assert answer.json()["type"] == "singleInstance"
    assert len(await rounds(graph)) == 1


@pytest.mark.parametrize(
    "bad",
    [
        recurrence("absoluteMonthly"),
        recurrence("weekly", daysOfWeek=[]),
        recurrence("weekly", daysOfWeek=["someday"]),
        recurrence(interval=0),
        {"pattern": {"type": "daily", "interval": 1}},
        "daily",
    ],
)
async def test_what_the_simulator_cannot_repeat_is_refused(graph: Tenant, bad: Any) -> None:
    answer = await graph.app.post(f"{USER}/events", json={**NINE_IN_OSLO, "recurrence": bad})
    assert answer.status_code == 400


def test_every_second_week_counts_from_the_first_day_of_the_week() -> None:
    rule = Recurrence(
        pattern="weekly",
        interval=2,
        weekdays=frozenset({0, 3}),
        first_weekday=6,
        start_on=date(2026, 3, 26),
        end_on=date(2026, 4, 20),
        count=None,
        zone="UTC",
    )
    assert list(rule.dates(date(2027, 1, 1))) == [
        date(2026, 3, 26),
        date(2026, 4, 6),
        date(2026, 4, 9),
        date(2026, 4, 20),
    ]
