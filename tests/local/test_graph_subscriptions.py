"""Subscriptions: handshake, rules of creation and renewal, and death."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote_plus

import pytest

from local.graph.door import DoorAnswer
from tests.local.graph_tenant import (
    IMMUTABLE,
    LIFECYCLE_URL,
    NOTIFY_URL,
    TECHNICIAN,
    USER,
    Tenant,
    error_of,
    plain_answer,
    tenant,
    times,
)

VISIT = times("2026-03-23T10:00:00", "2026-03-23T11:00:00")


@pytest.fixture
async def graph() -> AsyncIterator[Tenant]:
    async with tenant() as opened:
        yield opened


async def test_both_addresses_are_validated_as_the_service_writes_it(graph: Tenant) -> None:
    answer = await graph.subscribe()
    assert answer.status_code == 201
    notify, lifecycle = graph.door.handshakes
    # A query is continued with `&`, none begun with `?`; spaces are `+` and colons lower-case escapes.
    assert notify.startswith(f"{NOTIFY_URL}&validationToken=Validation%3a+Testing+client+application+reachability+")
    assert lifecycle.startswith(f"{LIFECYCLE_URL}?validationToken=Validation%3a+")
    token = unquote_plus(notify.partition("validationToken=")[2])
    assert re.fullmatch(
        r"Validation: Testing client application reachability for subscription Request-Id: [0-9a-f-]{36}", token
    )


async def test_one_address_for_both_is_validated_twice(graph: Tenant) -> None:
    assert (await graph.subscribe(lifecycleNotificationUrl=NOTIFY_URL)).status_code == 201
    assert len(graph.door.handshakes) == 2


async def test_the_answer_to_creation_has_the_documented_fields(graph: Tenant) -> None:
    shown = (await graph.subscribe()).json()
    assert shown["@odata.context"].endswith("$metadata#subscriptions/$entity")
    assert shown["expirationDateTime"] == "2026-03-21T09:00:00.0000000Z"
    assert (shown["clientState"], shown["latestSupportedTlsVersion"]) == ("secret", "v1_2")
    assert {"id", "applicationId", "creatorId", "notificationQueryOptions", "encryptionCertificate"} <= set(shown)


def answers(token: str) -> dict[str, DoorAnswer]:
    return {
        "encoded": DoorAnswer(status=200, content_type="text/plain", text=token.replace(" ", "+")),
        "json": DoorAnswer(status=200, content_type="application/json", text=token),
        "accepted": DoorAnswer(status=202, content_type="text/plain", text=token),
        "empty": DoorAnswer(status=200, content_type="text/plain", text=""),
        "error": DoorAnswer(status=500, content_type="text/plain", text=token),
    }


@pytest.mark.parametrize("kind", ["encoded", "json", "accepted", "empty", "error"])
async def test_any_other_answer_than_the_decoded_token_fails(graph: Tenant, kind: str) -> None:
    graph.door.handshake = lambda token: answers(token)[kind]
    answer = await graph.subscribe()
    assert error_of(answer) == (400, "InvalidRequest")
    assert answer.json()["error"]["message"] == "Subscription validation request timed out."
    graph.door.handshake = plain_answer
    assert (await graph.subscribe()).status_code == 201


@pytest.mark.parametrize("failure", [TimeoutError(), ConnectionRefusedError()])
async def test_a_door_that_does_not_answer_fails(graph: Tenant, failure: OSError) -> None:
    def fail(_: str) -> DoorAnswer:
        raise failure

    graph.door.handshake = fail
    assert error_of(await graph.subscribe()) == (400, "InvalidRequest")
    assert graph.simulator.subscriptions.live() == []


@pytest.mark.parametrize(
    "change",
    [
        {"changeType": None},
        {"changeType": "created,moved"},
        {"notificationUrl": "http://app.example/notify"},
        {"notificationUrl": "EventHub:https://vault.example"},
        {"lifecycleNotificationUrl": "ftp://app.example"},
        {"resource": "me/events"},
        {"resource": f"users/{TECHNICIAN.mailbox_id}/events/AAMk"},
        {"resource": f"users/{TECHNICIAN.mailbox_id}/events?$filter=subject eq 'x'"},
        {"resource": f"users/{TECHNICIAN.mailbox_id}/calendar/events"},
        {"expirationDateTime": "2026-03-27T09:00:01Z"},
        {"expirationDateTime": "tomorrow"},
        {"clientState": "x" * 129},
        {"includeResourceData": True},
        {"vapidPublicKey": "x"},
    ],
    ids=str,
)
async def test_a_bad_subscription_is_refused_before_any_handshake(graph: Tenant, change: dict[str, Any]) -> None:
    assert error_of(await graph.subscribe(**change)) == (400, "InvalidRequest")
    assert graph.door.handshakes == []


@pytest.mark.parametrize("host", ["127.0.0.1:7071", "localhost", "[::1]:7071"])
async def test_http_is_accepted_on_loopback(graph: Tenant, host: str) -> None:
    urls = {"notificationUrl": f"http://{host}/notify", "lifecycleNotificationUrl": None}
    assert (await graph.subscribe(**urls)).status_code == 201


@pytest.mark.parametrize(
    ("access", "expected"), [("denied", (403, "ErrorAccessDenied")), ("gone", (404, "Request_ResourceNotFound"))]
)
async def test_a_mailbox_that_cannot_be_opened_cannot_be_subscribed_to(
    graph: Tenant, access: str, expected: tuple[int, str]
) -> None:
    await graph.control("mailboxes", mailbox_id=TECHNICIAN.mailbox_id, access=access)
    assert error_of(await graph.subscribe()) == expected


async def test_the_default_calendar_can_be_subscribed_to_where_the_service_allows_it(graph: Tenant) -> None:
    graph.switch(calendar_events_resource=True)
    answer = await graph.subscribe(resource=f"/users/{TECHNICIAN.mailbox_id}/calendar/events")
    assert answer.status_code == 201


async def test_a_duplicate_is_a_conflict_that_names_the_first(graph: Tenant) -> None:
    first = (await graph.subscribe()).json()["id"]
    second = await graph.subscribe(changeType="deleted,created,updated", resource=f"Users/{TECHNICIAN.address}/Events")
    assert error_of(second) == (409, "Conflict")
    message = f"Subscription Id <{first}> already exists for the requested combination"
    assert second.json()["error"]["message"] == message
    assert (await graph.subscribe(changeType="created")).status_code == 201


async def test_a_short_life_is_raised_to_45_minutes(graph: Tenant) -> None:
    answer = await graph.subscribe(expirationDateTime="2026-03-20T09:05:00Z")
    assert answer.json()["expirationDateTime"] == "2026-03-20T09:45:00.0000000Z"
    longest = await graph.subscribe(changeType="created", expirationDateTime="2026-03-27T09:00:00Z")
    assert longest.json()["expirationDateTime"] == "2026-03-27T09:00:00.0000000Z"


async def test_the_list_keeps_client_states_back_and_comes_in_pages(graph: Tenant) -> None:
    graph.switch(subscription_page_size=1)
    made = {(await graph.subscribe(changeType=kind)).json()["id"] for kind in ("created", "updated", "deleted")}
    listed = []
    url: str | None = "/v1.0/subscriptions"
    while url:
        page = (await graph.app.get(url)).json()
        listed += page["value"]
        url = page.get("@odata.nextLink")
    assert {each["id"] for each in listed} == made
    assert {each["clientState"] for each in listed} == {None}
    assert error_of(await graph.app.get("/v1.0/subscriptions?$top=5")) == (400, "ErrorInvalidRequest")


async def test_renewal_changes_the_expiry_and_nothing_else(graph: Tenant) -> None:
    subscription = f"/v1.0/subscriptions/{(await graph.subscribe()).json()['id']}"
    renewed = await graph.app.patch(subscription, json={"expirationDateTime": "2026-03-25T09:00:00+00:00"})
    assert (renewed.status_code, renewed.json()["expirationDateTime"]) == (200, "2026-03-25T09:00:00.0000000Z")
    for body in (
        {"lifecycleNotificationUrl": LIFECYCLE_URL},
        {"clientState": "x"},
        {"expirationDateTime": "2026-04-01T00:00:00Z"},
    ):
        assert error_of(await graph.app.patch(subscription, json=body)) == (400, "InvalidRequest")
    assert len(graph.door.handshakes) == 2


async def test_a_new_address_is_validated(graph: Tenant) -> None:
    subscription = f"/v1.0/subscriptions/{(await graph.subscribe()).json()['id']}"
    moved = await graph.app.patch(subscription, json={"notificationUrl": "https://other.example/notify"})
    assert moved.json()["notificationUrl"] == "https://other.example/notify"
    assert graph.door.handshakes[2].startswith("https://other.example/notify?validationToken=")


async def test_renewal_and_reauthorisation_may_validate_anew(graph: Tenant) -> None:
    subscription = f"/v1.0/subscriptions/{(await graph.subscribe()).json()['id']}"
    graph.switch(renew_revalidates=True)
    graph.door.handshake = lambda token: answers(token)["error"]
    renewed = await graph.app.patch(subscription, json={"expirationDateTime": "2026-03-25T09:00:00Z"})
    assert error_of(renewed) == (400, "InvalidRequest")
    assert error_of(await graph.app.post(f"{subscription}/reauthorize")) == (400, "InvalidRequest")


@pytest.mark.parametrize(("minutes_between", "is_corrupted"), [(9, True), (10, False)])
@pytest.mark.parametrize("renewed_first", [True, False])
async def test_renewing_and_reauthorising_within_ten_minutes_corrupts(
    graph: Tenant, minutes_between: int, is_corrupted: bool, renewed_first: bool
) -> None:
    subscription = f"/v1.0/subscriptions/{(await graph.subscribe()).json()['id']}"
    renewal = {"expirationDateTime": "2026-03-25T09:00:00Z"}
    for renews in (renewed_first, not renewed_first):
        if renews:
            assert (await graph.app.patch(subscription, json=renewal)).status_code == 200
        else:
            assert (await graph.app.post(f"{subscription}/reauthorize")).status_code == 204
        graph.clock.advance(minutes_between * 60)
    state = (await graph.app.get("/_control/state")).json()
    assert state["subscriptions"][0]["is_corrupted"] is is_corrupted


async def test_at_its_expiry_a_subscription_dies_without_a_word(graph: Tenant) -> None:
    subscription = f"/v1.0/subscriptions/{(await graph.subscribe()).json()['id']}"
    graph.clock.advance(24 * 3600)
    await graph.person.post(f"{USER}/events", json=VISIT, headers=IMMUTABLE)
    assert await graph.deliver() == []
    assert (await graph.app.get(subscription)).status_code == 404
    assert (await graph.app.patch(subscription, json={})).status_code == 404
    assert (await graph.subscribe(expirationDateTime="2026-03-25T09:00:00Z")).status_code == 201


async def test_a_deleted_subscription_is_gone(graph: Tenant) -> None:
    subscription = f"/v1.0/subscriptions/{(await graph.subscribe()).json()['id']}"
    assert (await graph.app.delete(subscription)).status_code == 204
    assert (await graph.app.delete(subscription)).status_code == 404
