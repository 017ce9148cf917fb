"""calendarView delta: rounds, pages, removals, and dead tokens."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.local.graph_tenant import BOOKING, IMMUTABLE, TECHNICIAN, USER, Tenant, error_of, tenant, times

DELTA = f"{USER}/calendarView/delta"
WINDOW = {"startDateTime": "2026-03-23T00:00:00Z", "endDateTime": "2026-03-30T00:00:00Z"}
EVENT = f"{USER}/events/{BOOKING.event_id}"
LATER = times("2026-06-01T10:00:00", "2026-06-01T11:00:00")


@pytest.fixture
async def graph() -> AsyncIterator[Tenant]:
    async with tenant() as opened:
        yield opened


async def read_round(
    graph: Tenant, link: str | None = None, page_size: int = 50, form: str = ""
) -> tuple[list[dict[str, Any]], str]:
    """All items of a round and the delta link for the next."""
    headers = {"Prefer": f'IdType="{form or "ImmutableId"}", odata.maxpagesize={page_size}'}
    items: list[dict[str, Any]] = []
    while True:
        query = None if link else WINDOW
        page = (await graph.app.get(link or DELTA, params=query, headers=headers)).json()
        assert len(page["value"]) <= page_size
        items += page["value"]
        if "@odata.deltaLink" in page:
            return items, page["@odata.deltaLink"]
        link = page["@odata.nextLink"]


def removed(event_id: str) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.event", "id": event_id, "@removed": {"reason": "deleted"}}


@pytest.mark.parametrize("page_size", [1, 2, 50])
async def test_a_full_round_shows_the_window_once_whatever_the_page_size(graph: Tenant, page_size: int) -> None:
    items, _ = await read_round(graph, page_size=page_size)
    assert len(items) == len({item["id"] for item in items}) == 5
    assert not any("@removed" in item for item in items)


async def test_a_quiet_mailbox_answers_one_empty_page(graph: Tenant) -> None:
    _, link = await read_round(graph)
    items, again = await read_round(graph, link)
    assert items == []
    assert "startDateTime" not in again
    assert graph.simulator.switchboard.calls["app"]["calendarView.delta"] == 2


async def test_the_next_round_shows_what_changed_was_made_and_was_deleted(graph: Tenant) -> None:
    items, link = await read_round(graph)
    other = next(item["id"] for item in items if item["id"] != BOOKING.event_id)
    await graph.person.patch(EVENT, json={"subject": "Changed"}, headers=IMMUTABLE)
    await graph.person.delete(f"{USER}/events/{other}", headers=IMMUTABLE)
    visit = times("2026-03-24T18:00:00", "2026-03-24T19:00:00")
    created = (await graph.person.post(f"{USER}/events", json=visit, headers=IMMUTABLE)).json()
    changed, link = await read_round(graph, link)
    assert [(item["id"], item.get("subject")) for item in changed] == [
        (BOOKING.event_id, "Changed"),
        (other, None),
        (created["id"], ""),
    ]
    assert changed[1] == removed(other)
    assert (await read_round(graph, link))[0] == []


@pytest.mark.parametrize("mailboxes", [True, [TECHNICIAN.mailbox_id]], ids=["every mailbox", "this mailbox"])
async def test_an_endless_round_sends_its_last_page_for_ever_each_time_with_a_new_link(
    graph: Tenant, mailboxes: Any
) -> None:
    graph.switch(delta_endless=mailboxes)
    pages = [(await graph.app.get(DELTA, params=WINDOW)).json()]
    for _ in range(5):
        pages.append((await graph.app.get(pages[-1]["@odata.nextLink"])).json())
    assert len({page["@odata.nextLink"] for page in pages}) == 6
    assert all(page["value"] == pages[0]["value"] for page in pages)

    graph.switch(delta_endless=["somebody else"])
    assert "@odata.deltaLink" in (await graph.app.get(pages[-1]["@odata.nextLink"])).json()


async def test_removed_is_sent_for_changes_outside_the_window_too(graph: Tenant) -> None:
    _, link = await read_round(graph)
    await graph.person.patch(EVENT, json=LATER, headers=IMMUTABLE)
    outside = (await graph.person.post(f"{USER}/events", json=LATER, headers=IMMUTABLE)).json()
    items, _ = await read_round(graph, link)
    assert items == [removed(BOOKING.event_id), removed(outside["id"])]
    assert (await graph.app.get(EVENT, headers=IMMUTABLE)).status_code == 200


async def test_a_first_round_knows_nothing_of_the_world_outside_its_window(graph: Tenant) -> None:
    await graph.person.patch(EVENT, json=LATER, headers=IMMUTABLE)
    items, _ = await read_round(graph)
    assert BOOKING.event_id not in {item["id"] for item in items}


async def test_a_move_to_another_calendar_removes_the_id_that_the_reader_knows(graph: Tenant) -> None:
    first, link = await read_round(graph, form="Default")
    start = BOOKING.start_at.strftime("%Y-%m-%dT%H:%M")
    known = next(item["id"] for item in first if item["start"]["dateTime"].startswith(start))
    where = {"mailbox_id": TECHNICIAN.mailbox_id, "event_id": BOOKING.event_id}
    await graph.control("move-event", **where, calendar="Field")
    assert (await read_round(graph, link, form="Default"))[0] == [removed(known)]
    assert (await read_round(graph, link))[0] == [removed(BOOKING.event_id)]


async def test_a_change_in_the_middle_of_paging_comes_in_the_next_round(graph: Tenant) -> None:
    headers = {"Prefer": 'IdType="ImmutableId", odata.maxpagesize=2'}
    page = (await graph.app.get(DELTA, params=WINDOW, headers=headers)).json()
    last = page["value"][-1]["id"]
    await graph.person.delete(f"{USER}/events/{last}", headers=IMMUTABLE)
    rest, link = await read_round(graph, page["@odata.nextLink"], page_size=2)
    assert len(rest) == 3
    assert (await read_round(graph, link))[0] == [removed(last)]


@pytest.mark.parametrize("status", [410, 400])
@pytest.mark.parametrize("in_the_middle", [True, False])
async def test_a_dead_token_is_refused_with_the_way_to_a_full_round(
    graph: Tenant, status: int, in_the_middle: bool
) -> None:
    graph.switch(delta_expired_status=status)
    if in_the_middle:
        headers = {"Prefer": "odata.maxpagesize=2"}
        link = (await graph.app.get(DELTA, params=WINDOW, headers=headers)).json()["@odata.nextLink"]
    else:
        _, link = await read_round(graph)
    await graph.control("expire-delta-tokens")
    answer = await graph.app.get(link, headers=IMMUTABLE)
    assert error_of(answer) == (status, "syncStateNotFound")
    items, _ = await read_round(graph, answer.headers["Location"])
    assert len(items) == 5


@pytest.mark.parametrize("option", ["$select", "$expand", "$filter", "$orderby", "$search", "$top"])
async def test_delta_supports_no_query_options(graph: Tenant, option: str) -> None:
    answer = await graph.app.get(DELTA, params={**WINDOW, option: "subject"})
    assert error_of(answer) == (400, "ErrorInvalidUrlQuery")


async def test_delta_may_be_written_as_a_function(graph: Tenant) -> None:
    answer = await graph.app.get(f"{DELTA}()", params=WINDOW)
    assert "/calendarView/delta()?$deltatoken=" in answer.json()["@odata.deltaLink"]


@pytest.mark.parametrize("token", ["x", "e30", "bnVsbA", "///"])
async def test_a_malformed_token_is_refused(graph: Tenant, token: str) -> None:
    answer = await graph.app.get(DELTA, params={"$deltatoken": token})
    assert error_of(answer) == (400, "ErrorInvalidDeltaToken")


async def test_a_token_serves_its_own_mailbox_only(graph: Tenant) -> None:
    _, link = await read_round(graph)
    answer = await graph.app.get(link.replace(TECHNICIAN.mailbox_id, "elif.kaya@contoso.example"))
    assert error_of(answer) == (400, "ErrorInvalidDeltaToken")


async def test_replays_repeat_items_within_a_page_and_in_the_next_round(graph: Tenant) -> None:
    graph.switch(delta_replay=True)
    answer = (await graph.app.get(DELTA, params=WINDOW, headers=IMMUTABLE)).json()
    assert len(answer["value"]) == 6
    assert len({item["id"] for item in answer["value"]}) == 5
    again, _ = await read_round(graph, answer["@odata.deltaLink"])
    assert again


async def test_sudden_emptiness_empties_full_rounds_only(graph: Tenant) -> None:
    _, link = await read_round(graph)
    graph.switch(empty_reads=True)
    assert (await read_round(graph))[0] == []
    await graph.person.patch(EVENT, json={"subject": "Changed"}, headers=IMMUTABLE)
    assert [item["id"] for item in (await read_round(graph, link))[0]] == [BOOKING.event_id]


async def test_a_stale_delta_shows_a_change_later_and_does_not_lose_it(graph: Tenant) -> None:
    _, link = await read_round(graph)
    graph.switch(stale_read_seconds=5)
    await graph.person.patch(EVENT, json={"subject": "Changed"}, headers=IMMUTABLE)
    items, link = await read_round(graph, link)
    assert items == []
    graph.clock.advance(5)
    assert [item["subject"] for item in (await read_round(graph, link))[0]] == ["Changed"]


@pytest.mark.parametrize("masters", ["item", "only"])
async def test_a_series_comes_as_occurrences_with_or_without_its_master(graph: Tenant, masters: str) -> None:
    graph.switch(delta_series_master=masters)
    _, link = await read_round(graph)
    daily = {
        "pattern": {"type": "daily", "interval": 1},
        "range": {"type": "noEnd", "startDate": BOOKING.start_at.date().isoformat()},
    }
    await graph.person.patch(EVENT, json={"recurrence": daily}, headers=IMMUTABLE)
    items, link = await read_round(graph, link, page_size=3)
    types = [item.get("type", "removed") for item in items]
    extra = "seriesMaster" if masters == "item" else "removed"
    assert sorted(types) == sorted(["occurrence"] * 7 + [extra])

    occurrence = next(item["id"] for item in items if item.get("type") == "occurrence")
    await graph.person.delete(f"{USER}/events/{occurrence}", headers=IMMUTABLE)
    items, _ = await read_round(graph, link)
    assert removed(occurrence) in items
    assert sum(item.get("type") == "occurrence" for item in items) == 6
