"""Notifications: what they say, and how they are delayed, multiplied, batched, retried and lost."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from local.sample import TENANT_ID
from tests.local.graph_tenant import (
    BOOKING,
    EXTENSION,
    IMMUTABLE,
    LIFECYCLE_URL,
    NOTIFY_URL,
    NOW,
    TECHNICIAN,
    USER,
    Tenant,
    tenant,
    times,
)

EVENT = f"{USER}/events/{BOOKING.event_id}"
VISIT = times("2026-03-23T10:00:00", "2026-03-23T11:00:00")


@pytest.fixture
async def graph() -> AsyncIterator[Tenant]:
    async with tenant() as opened:
        yield opened


async def touch(graph: Tenant, subject: str = "Changed") -> dict[str, Any]:
    answer = await graph.person.patch(EVENT, json={"subject": subject}, headers=IMMUTABLE)
    return dict(answer.json())


def kinds(items: list[dict[str, Any]]) -> list[str]:
    return [item["changeType"] for item in items]


async def test_a_notification_has_the_documented_shape(graph: Tenant) -> None:
    subscription = (await graph.subscribe()).json()
    event = await touch(graph)
    assert await graph.deliver() == [
        {
            "subscriptionId": subscription["id"],
            "subscriptionExpirationDateTime": "2026-03-21T09:00:00+00:00",
            "tenantId": TENANT_ID,
            "clientState": "secret",
            "changeType": "updated",
            "resource": f"Users/{TECHNICIAN.mailbox_id}/Events/{BOOKING.event_id}",
            "resourceData": {
                "@odata.type": "#Microsoft.Graph.Event",
                "@odata.id": f"Users/{TECHNICIAN.mailbox_id}/Events/{BOOKING.event_id}",
                "@odata.etag": event["@odata.etag"],
                "id": BOOKING.event_id,
            },
        }
    ]
    assert graph.door.posts[0][0] == NOTIFY_URL


async def test_the_etag_may_be_of_another_form_but_is_one_per_change(graph: Tenant) -> None:
    graph.switch(notification_etag="other", burst=4)
    await graph.subscribe()
    event = await touch(graph)
    etags = {item["resourceData"]["@odata.etag"] for item in await graph.deliver()}
    assert len(etags) == 1
    assert etags != {event["@odata.etag"]}


async def test_a_subscription_without_the_preference_notifies_default_ids(graph: Tenant) -> None:
    body = {
        "changeType": "updated",
        "notificationUrl": NOTIFY_URL,
        "resource": f"users/{TECHNICIAN.mailbox_id}/events",
        "expirationDateTime": "2026-03-21T09:00:00Z",
    }
    await graph.app.post("/v1.0/subscriptions", json=body)
    await touch(graph)
    (item,) = await graph.deliver()
    assert item["resourceData"]["id"] != BOOKING.event_id
    assert (await graph.app.get(f"{USER}/events/{item['resourceData']['id']}")).json()["subject"] == "Changed"
    assert "clientState" not in item


@pytest.mark.parametrize("size", [1, 2, 3, 4])
async def test_one_change_raises_a_burst(graph: Tenant, size: int) -> None:
    graph.switch(burst=size)
    await graph.subscribe()
    await graph.person.post(f"{USER}/events", json=VISIT)
    assert kinds(await graph.deliver()) == ["created"] + ["updated"] * (size - 1)


async def test_random_bursts_are_of_one_to_four_and_updates_may_begin_with_created(graph: Tenant) -> None:
    graph.switch(burst="random", change_type_noise=True)
    await graph.subscribe()
    sizes, first_kinds = Counter[int](), Counter[str]()
    for number in range(40):
        await touch(graph, f"Change {number}")
        items = await graph.deliver()
        sizes[len(items)] += 1
        first_kinds[items[0]["changeType"]] += 1
        assert set(kinds(items[1:])) <= {"updated"}
    assert set(sizes) == {1, 2, 3, 4}
    assert set(first_kinds) == {"created", "updated"}


async def test_a_deletion_is_deleted_alone_or_with_updated_for_the_dead_id(graph: Tenant) -> None:
    graph.switch(burst=3)
    await graph.subscribe()
    copied = await graph.control("copy-event", mailbox_id=TECHNICIAN.mailbox_id, event_id=BOOKING.event_id)
    await graph.deliver()
    await graph.person.delete(EVENT, headers=IMMUTABLE)
    (item,) = await graph.deliver()
    assert item["changeType"] == "deleted"
    assert item["resourceData"]["id"] == BOOKING.event_id
    assert "@odata.etag" not in item["resourceData"]

    graph.switch(deleted_with_updated=True)
    await graph.person.delete(f"{USER}/events/{copied['id']}", headers=IMMUTABLE)
    assert kinds(await graph.deliver()) == ["deleted", "updated", "updated"]


async def test_only_subscribed_types_are_notified_unless_there_is_noise(graph: Tenant) -> None:
    graph.switch(burst=2)
    await graph.subscribe(changeType="created")
    await touch(graph)
    await graph.person.post(f"{USER}/events", json=VISIT)
    assert kinds(await graph.deliver()) == ["created"]
    graph.switch(change_type_noise=True)
    await graph.person.post(f"{USER}/events", json=VISIT)
    assert kinds(await graph.deliver()) == ["created", "updated"]


@pytest.mark.parametrize("notifies", [True, False])
async def test_writing_an_extension_notifies_or_not(graph: Tenant, notifies: bool) -> None:
    graph.switch(extension_write_notifies=notifies)
    await graph.subscribe()
    before = (await graph.app.get(EVENT, headers=IMMUTABLE)).headers["etag"]
    await graph.app.post(f"{EVENT}/extensions", json=EXTENSION, headers=IMMUTABLE)
    assert len(await graph.deliver()) == notifies
    assert (await graph.app.get(EVENT, headers=IMMUTABLE)).headers["etag"] != before


@pytest.mark.parametrize(
    ("covers_all", "move_notifies", "expected"),
    [
        (False, "updated", ["deleted"]),
        (True, "updated", ["updated"]),
        (True, "deleted+created", ["deleted", "created"]),
    ],
)
async def test_a_move_to_another_calendar_leaves_a_default_calendar_subscription(
    graph: Tenant, covers_all: bool, move_notifies: str, expected: list[str]
) -> None:
    graph.switch(events_cover_all_calendars=covers_all, move_notifies=move_notifies)
    await graph.subscribe()
    where = {"mailbox_id": TECHNICIAN.mailbox_id, "event_id": BOOKING.event_id}
    await graph.control("move-event", **where, calendar="Field")
    items = await graph.deliver()
    assert kinds(items) == expected
    assert {item["resourceData"]["id"] for item in items} == {BOOKING.event_id}


async def test_a_calendar_of_its_own_can_be_subscribed_to(graph: Tenant) -> None:
    calendar = (await graph.app.post(f"{USER}/calendars", json={"name": "Field"})).json()["id"]
    await graph.subscribe(resource=f"users/{TECHNICIAN.mailbox_id}/calendars/{calendar}/events")
    where = {"mailbox_id": TECHNICIAN.mailbox_id, "event_id": BOOKING.event_id}
    await graph.control("move-event", **where, calendar="Field")
    assert kinds(await graph.deliver()) == ["created"]


async def test_notifications_are_due_after_the_delay_and_not_before(graph: Tenant) -> None:
    graph.switch(delay_seconds=30, burst_spread_seconds=0)
    await graph.subscribe()
    await touch(graph)
    courier = graph.simulator.courier
    assert courier.next_due_at() == NOW + timedelta(seconds=30)
    graph.clock.advance(29.9)
    assert await courier.deliver_due(graph.simulator.post) == 0
    graph.clock.advance(0.1)
    assert await courier.deliver_due(graph.simulator.post) == 1
    assert courier.next_due_at() is None


async def test_repeated_and_lost_notifications(graph: Tenant) -> None:
    graph.switch(repeat=1.0, burst=2)
    await graph.subscribe()
    await touch(graph)
    assert len(await graph.deliver()) == 4
    graph.switch(lose=1.0)
    await touch(graph)
    assert await graph.deliver() == []
    assert (await graph.app.get("/_control/state")).json()["notifications"] == {"delivered": 4, "lost": 4}


async def test_reordered_notifications_change_places(graph: Tenant) -> None:
    graph.switch(burst=4, reorder=True)
    await graph.subscribe()
    orders = set()
    for _ in range(10):
        await graph.person.post(f"{USER}/events", json=VISIT)
        orders.add(tuple(kinds(await graph.deliver())))
    assert len(orders) > 1
    assert all(sorted(order) == ["created", "updated", "updated", "updated"] for order in orders)


async def test_one_post_carries_notifications_of_several_subscriptions(graph: Tenant) -> None:
    graph.switch(batch=True, burst_spread_seconds=0)
    other = "elif.kaya@contoso.example"
    first, second = (await graph.subscribe()).json(), (await graph.subscribe(resource=f"users/{other}/events")).json()
    await touch(graph)
    await graph.person.post(f"/v1.0/users/{other}/events", json=VISIT)
    await graph.deliver()
    ((_, items),) = graph.door.posts
    assert {item["subscriptionId"] for item in items} == {first["id"], second["id"]}


async def test_a_refused_post_is_retried_with_growing_waits_for_four_hours(graph: Tenant) -> None:
    graph.door.status = 503
    await graph.subscribe()
    await touch(graph)
    moments = []
    courier = graph.simulator.courier
    while (due_at := courier.next_due_at()) is not None:
        moments.append(due_at)
        graph.clock.freeze(due_at)
        await courier.deliver_due(graph.simulator.post)
    waits = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    assert waits == [2.0 * 2**n for n in range(len(waits))]
    assert timedelta(hours=2) < moments[-1] - moments[0] <= timedelta(hours=4)
    assert courier.counts == {"given_up": 1}


async def test_a_retried_post_arrives_once_the_door_accepts(graph: Tenant) -> None:
    graph.door.status = 503
    await graph.subscribe()
    await touch(graph)
    await graph.deliver(most_posts=3)
    graph.door.status = 202
    assert len(await graph.deliver()) == 1
    assert graph.simulator.courier.counts == {"delivered": 1}


@pytest.mark.parametrize(("seconds", "posts_until_accepted"), [(3.0, 1), (3.1, 2)])
async def test_the_first_answer_has_three_seconds_and_a_retry_ten(
    graph: Tenant, seconds: float, posts_until_accepted: int
) -> None:
    await graph.subscribe()
    graph.door.takes_seconds = seconds
    await touch(graph)
    for _ in range(posts_until_accepted):
        assert len(graph.door.posts) == 0
        await graph.deliver(most_posts=1)
    assert len(graph.door.posts) == 1
    assert graph.simulator.courier.counts == {"delivered": 1}


async def test_a_slow_door_gets_new_notifications_ten_minutes_late(graph: Tenant) -> None:
    graph.switch(endpoint_minimum_answers=1, burst_spread_seconds=0, delay_seconds=0)
    await graph.subscribe()
    graph.door.takes_seconds = 4
    await touch(graph)
    await graph.deliver()
    graph.door.takes_seconds = 0
    await touch(graph)
    assert graph.simulator.courier.next_due_at() == graph.clock.now() + timedelta(minutes=10)
    assert len(await graph.deliver()) == 1
    graph.clock.advance(1)
    await touch(graph)
    assert graph.simulator.courier.next_due_at() == graph.clock.now()


async def test_a_dead_slow_door_gets_nothing_for_ten_minutes(graph: Tenant) -> None:
    graph.switch(endpoint_minimum_answers=2, burst_spread_seconds=0, delay_seconds=0)
    await graph.subscribe()
    graph.door.takes_seconds = 60
    await touch(graph)
    await graph.deliver(most_posts=3)
    await touch(graph)
    assert graph.simulator.courier.counts["dropped"] == 1
    graph.door.takes_seconds = 0
    graph.clock.advance(601)
    await touch(graph)
    assert graph.simulator.courier.counts["dropped"] == 1
    assert {item["changeType"] for item in await graph.deliver()} == {"updated"}


async def test_a_slow_door_is_judged_only_after_enough_answers(graph: Tenant) -> None:
    graph.switch(endpoint_minimum_answers=3, burst_spread_seconds=0, delay_seconds=0)
    await graph.subscribe()
    graph.door.takes_seconds = 4
    await touch(graph)
    await graph.deliver()
    await touch(graph)
    assert graph.simulator.courier.next_due_at() == graph.clock.now()


async def test_lifecycle_notifications_go_to_their_own_address_without_resource(graph: Tenant) -> None:
    subscription = (await graph.subscribe()).json()
    await graph.control("lifecycle", subscription_id=subscription["id"], event="reauthorizationRequired")
    await graph.control("lifecycle", subscription_id="all", event="missed")
    items = await graph.deliver()
    assert {url for url, _ in graph.door.posts} == {LIFECYCLE_URL}
    assert {item["lifecycleEvent"] for item in items} == {"reauthorizationRequired", "missed"}
    assert set(items[0]) == {
        "subscriptionId",
        "subscriptionExpirationDateTime",
        "tenantId",
        "clientState",
        "lifecycleEvent",
    }


@pytest.mark.parametrize("quiet", [True, False])
async def test_a_removed_subscription_says_so_unless_it_dies_quietly(graph: Tenant, quiet: bool) -> None:
    subscription = (await graph.subscribe()).json()
    await touch(graph)
    await graph.control("lifecycle", subscription_id=subscription["id"], event="subscriptionRemoved", quiet=quiet)
    assert (await graph.app.get("/v1.0/subscriptions")).json()["value"] == []
    await touch(graph)
    items = await graph.deliver()
    assert [item["lifecycleEvent"] for item in items] == ([] if quiet else ["subscriptionRemoved"])


async def test_an_ignored_challenge_loses_changes_until_the_subscription_is_reauthorised(graph: Tenant) -> None:
    subscription = (await graph.subscribe()).json()["id"]
    await graph.control("lifecycle", subscription_id=subscription, event="reauthorizationRequired", pause=True)
    await touch(graph)
    assert [item.get("changeType") for item in await graph.deliver()] == [None]
    await graph.app.post(f"/v1.0/subscriptions/{subscription}/reauthorize")
    assert await graph.deliver() == []
    await touch(graph)
    assert kinds(await graph.deliver()) == ["updated"]


async def test_the_same_seed_gives_the_same_notifications() -> None:
    async def run() -> list[Any]:
        async with tenant(
            burst="random", repeat=0.3, lose=0.1, reorder=True, batch=True, change_type_noise=True
        ) as graph:
            await graph.subscribe()
            for number in range(10):
                await touch(graph, f"Change {number}")
            await graph.deliver()
            return graph.door.posts

    first = await run()
    assert first
    assert first == await run()
