"""What all operations have in common: routing, counting, faults, throttling, batches, and the control routes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.local.graph_tenant import BOOKING, IMMUTABLE, PRIVATE, TECHNICIAN, USER, Tenant, error_of, tenant

EVENT = f"{USER}/events/{BOOKING.event_id}"
RELATIVE_EVENT = EVENT.removeprefix("/v1.0")


@pytest.fixture
async def graph() -> AsyncIterator[Tenant]:
    async with tenant() as opened:
        yield opened


async def read(graph: Tenant, path: str = EVENT) -> httpx.Response:
    return await graph.app.get(path, headers=IMMUTABLE)


@pytest.mark.parametrize(
    "path", [EVENT.replace("/v1.0/", "/v1.0//"), EVENT.replace("/events/", "/Events/"), f"{EVENT}/"]
)
async def test_doubled_slashes_and_the_case_of_names_do_not_matter(graph: Tenant, path: str) -> None:
    assert (await read(graph, path)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/beta/users", (400, "BadRequest")),
        ("GET", "/", (400, "BadRequest")),
        ("GET", f"{USER}/messages", (400, "BadRequest")),
        ("PUT", EVENT, (405, "Request_BadRequest")),
    ],
)
async def test_what_does_not_exist_is_refused(graph: Tenant, method: str, path: str, expected: tuple[int, str]) -> None:
    assert error_of(await graph.app.request(method, path)) == expected


async def test_a_body_that_is_not_json_is_refused(graph: Tenant) -> None:
    assert error_of(await graph.app.post(f"{USER}/events", content=b"<event>")) == (400, "BadRequest")


async def test_calls_are_counted_by_kind_and_caller(graph: Tenant) -> None:
    await read(graph)
    await read(graph, f"{EVENT}/calendar")
    await graph.person.patch(EVENT, json={"subject": "x"}, headers=IMMUTABLE)
    calls = (await graph.app.get("/_control/calls")).json()
    assert calls["app"] == {"event.calendar": 1, "event.get": 1}
    assert calls["person"] == {"event.update": 1}
    assert calls["most_in_flight"] == {TECHNICIAN.mailbox_id: 1}


async def test_a_planned_fault_answers_instead_and_a_late_one_after_the_effect(graph: Tenant) -> None:
    await graph.app.post("/_control/faults", json={"kind": "event.get", "status": 503, "headers": {"Retry-After": "2"}})
    refused = await read(graph)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    assert (await read(graph)).status_code == 200
    await graph.app.post("/_control/faults", json={"kind": "event.delete", "status": 504, "when": "after"})
    assert (await graph.app.delete(EVENT, headers=IMMUTABLE)).status_code == 504
    assert (await read(graph)).status_code == 404


async def test_a_closed_connection_is_a_transport_error(graph: Tenant) -> None:
    await graph.app.post("/_control/faults", json={"status": 0})
    with pytest.raises(httpx.RemoteProtocolError):
        await read(graph)
    assert (await read(graph)).status_code == 200


async def test_the_fifth_request_at_a_time_to_one_mailbox_is_throttled(graph: Tenant) -> None:
    await graph.app.post("/_control/faults", json={"kind": "event.get", "times": None, "delay_seconds": 0.01})
    answers = await asyncio.gather(*(read(graph) for _ in range(6)), read(graph, f"/v1.0/users/{OTHER}"))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 2
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert error_of(refused) == (429, "ApplicationThrottled")
    assert "MailboxConcurrency" in refused.json()["error"]["message"]
    assert int(refused.headers["Retry-After"]) >= 1


OTHER = "elif.kaya@contoso.example"


async def test_people_are_not_throttled_and_the_limit_can_be_turned_off(graph: Tenant) -> None:
    faults = {"kind": "event.get", "times": None, "caller": "*", "delay_seconds": 0.01}
    await graph.app.post("/_control/faults", json=faults)
    people = await asyncio.gather(*(graph.person.get(EVENT, headers=IMMUTABLE) for _ in range(6)))
    assert {answer.status_code for answer in people} == {200}
    graph.switch(throttling=False)
    assert {answer.status_code for answer in await asyncio.gather(*(read(graph) for _ in range(6)))} == {200}


async def test_requests_in_ten_minutes_are_limited_per_mailbox(graph: Tenant) -> None:
    graph.switch(requests_per_10_minutes=2)
    await read(graph)
    graph.clock.advance(60)
    await read(graph)
    refused = await read(graph)
    assert error_of(refused) == (429, "ApplicationThrottled")
    assert refused.headers["Retry-After"] == "540"
    assert (await read(graph, f"/v1.0/users/{OTHER}/events")).status_code == 200
    graph.clock.advance(601)
    assert (await read(graph)).status_code == 200


def item(number: int, path: str = RELATIVE_EVENT, method: str = "GET", **more: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "method": method,
        "url": path,
        "headers": {**IMMUTABLE, "Content-Type": "application/json"},
        **more,
    }


async def batch(graph: Tenant, *items: dict[str, Any]) -> dict[str, dict[str, Any]]:
    answer = await graph.app.post("/v1.0/$batch", json={"requests": items})
    assert answer.status_code == 200, answer.text
    return {response["id"]: response for response in answer.json()["responses"]}


async def test_batched_items_are_judged_singly_and_counted_under_their_kinds(graph: Tenant) -> None:
    responses = await batch(
        graph,
        item(1),
        item(2, "/users/nobody/events"),
        item(3, f"{RELATIVE_EVENT}?$select=subject", method="PATCH", body={"subject": "Batched"}),
        item(4, f"/users/{TECHNICIAN.mailbox_id}/events/{PRIVATE.event_id}", method="DELETE"),
    )
    assert {number: response["status"] for number, response in responses.items()} == {
        "1": 200,
        "2": 404,
        "3": 200,
        "4": 204,
    }
    assert responses["3"]["body"]["subject"] == "Batched"
    assert responses["4"]["body"] is None
    expected = {"batch": 1, "event.get": 1, "event.list": 1, "event.update": 1, "event.delete": 1}
    assert graph.simulator.switchboard.calls["app"] == expected


async def test_a_batch_works_on_four_items_at_a_time_and_throttling_sits_inside(graph: Tenant) -> None:
    await graph.app.post("/_control/faults", json={"kind": "event.get", "times": None, "delay_seconds": 0.01})
    assert {each["status"] for each in (await batch(graph, *map(item, range(20)))).values()} == {200}
    assert graph.simulator.switchboard.most_in_flight[TECHNICIAN.mailbox_id] == 4
    graph.switch(concurrent_requests=2)
    responses = await batch(graph, *map(item, range(4)))
    throttled = [each for each in responses.values() if each["status"] == 429]
    assert len(throttled) == 2
    assert throttled[0]["headers"]["Retry-After"] == "1"
    assert throttled[0]["body"]["error"]["code"] == "ApplicationThrottled"


async def test_dependent_items_wait_and_fail_with_what_they_depend_on(graph: Tenant) -> None:
    responses = await batch(
        graph,
        item(1, method="PATCH", body={"subject": "First"}),
        item(2, dependsOn=["1"]),
        item(3, "/users/nobody/events"),
        item(4, dependsOn=["3"]),
        item(5, dependsOn=["4"]),
    )
    assert responses["2"]["body"]["subject"] == "First"
    assert [responses[number]["status"] for number in "12345"] == [200, 200, 404, 424, 424]


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param([], id="none"),
        pytest.param([item(number) for number in range(21)], id="too many"),
        pytest.param([{**item(1), "id": "a"}, {**item(1), "id": "A"}], id="one id twice"),
        pytest.param([item(1, dependsOn=["2"]), item(2)], id="depends on a later one"),
        pytest.param([{"id": "1", "method": "PATCH", "url": RELATIVE_EVENT, "body": {}}], id="body without type"),
        pytest.param([item(1, "/$batch", method="POST")], id="batch in a batch"),
        pytest.param([item(1, "https://graph.microsoft.com/v1.0/me")], id="absolute address"),
    ],
)
async def test_a_malformed_batch_is_refused_whole(graph: Tenant, requests: list[dict[str, Any]]) -> None:
    answer = await graph.app.post("/v1.0/$batch", json={"requests": requests})
    assert error_of(answer) == (400, "BadRequest")


async def test_the_state_shows_what_there_is(graph: Tenant) -> None:
    await graph.subscribe()
    await graph.person.delete(EVENT, headers=IMMUTABLE)
    state = (await graph.app.get(f"/_control/state?mailbox_id={TECHNICIAN.mailbox_id}")).json()
    events = {event["id"]: event for event in state["events"]}
    assert events[BOOKING.event_id]["folder"] == "Deleted Items"
    assert events[PRIVATE.event_id]["folder"] == "Calendar"
    assert list(events[BOOKING.event_id]["extended_properties"].values()) == [BOOKING.booking_id]
    assert [mailbox["address"] for mailbox in state["mailboxes"]] == [TECHNICIAN.address]
    assert state["outbox"][0]["items"][0]["changeType"] == "deleted"


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("move-event", {"mailbox_id": "x", "event_id": "y", "calendar": "z"}),
        ("mailboxes", {"mailbox_id": TECHNICIAN.mailbox_id, "access": "lost"}),
        ("lifecycle", {"subscription_id": "all", "event": "tired"}),
        ("lifecycle", {"subscription_id": "x", "event": "missed"}),
        ("copy-event", {}),
    ],
)
async def test_a_control_request_without_sense_is_explained(graph: Tenant, route: str, body: dict[str, Any]) -> None:
    answer = await graph.app.post(f"/_control/{route}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_reset_restores_the_sample_and_kills_subscriptions_and_tokens(graph: Tenant) -> None:
    await graph.subscribe()
    await graph.person.delete(EVENT, headers=IMMUTABLE)
    assert (await graph.app.post("/_control/reset")).status_code == 204
    assert (await read(graph)).status_code == 200
    state = (await graph.app.get("/_control/state")).json()
    assert (state["subscriptions"], state["outbox"]) == ([], [])
