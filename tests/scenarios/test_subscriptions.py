"""Subscriptions die, are questioned, and are hard to make: they come back by themselves, and the sweep closes the gap.

Failure modes 8, 9 and 10.
"""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.graph.door import DoorAnswer
from local.graph.subscriptions import Subscription
from local.sample import Technician, guid
from local.switchboard import Fault
from sync.core.mailboxes import SubscriptionStanding
from sync.service.disposal import replay
from tests.tenant import Tenant

HOUR = timedelta(hours=1)


def subscriptions_of(tenant: Tenant, technician: Technician) -> list[Subscription]:
    return [each for each in tenant.graph.subscriptions.live() if each.mailbox_id == technician.mailbox_id]


def the_subscription_of(tenant: Tenant, technician: Technician) -> Subscription:
    (subscription,) = subscriptions_of(tenant, technician)
    return subscription


def assert_all_subscribed(tenant: Tenant) -> None:
    """One live subscription per mailbox, none of them corrupted or paused."""
    live = tenant.graph.subscriptions.live()
    everybody = [each.mailbox_id for each in tenant.sample.technicians if each.has_mailbox]
    expected = Counter(tenant.rules.mailboxes or everybody)
    assert Counter(each.mailbox_id for each in live) == expected
    assert not any(each.is_corrupted or each.is_paused for each in live)
    assert not tenant.graph_calls["subscription.reauthorize"]


async def test_expired_subscriptions_are_made_anew_and_the_gap_is_swept(whole_tenant: Tenant) -> None:
    """Failure mode 8: the app slept for a week, every subscription died without a word; one timer run mends it."""
    tenant = whole_tenant
    tenant.clock.advance(timedelta(days=7).total_seconds())
    assert not tenant.graph.subscriptions.live()
    moved, deleted = tenant.visit(index=10), tenant.visit(tenant.sample.technicians[4], 1)
    await tenant.move_event(moved)
    await tenant.delete_event(deleted)
    await tenant.settle()
    assert await tenant.booking_start(moved) == moved.start_at

    done = await tenant.maintain()
    await tenant.settle()
    assert done["create"] == 6
    assert_all_subscribed(tenant)
    assert await tenant.booking_start(moved) == moved.start_at + HOUR
    assert (await tenant.booking(deleted))["status"] == "Canceled"
    await tenant.assert_converged()


async def test_a_subscription_that_vanished_without_a_word_is_made_anew(tenant: Tenant) -> None:
    """Failure mode 8: gone long before its end; the next run sees it missing in Graph's list, and sweeps."""
    visit = tenant.visit()
    lost = the_subscription_of(tenant, visit.technician)
    await tenant.control_graph(
        "/lifecycle", event="subscriptionRemoved", subscription_id=lost.subscription_id, quiet=True
    )
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at
    assert await tenant.maintain() == {"create": 1}
    await tenant.settle()
    assert_all_subscribed(tenant)
    assert await tenant.booking_start(visit) == visit.start_at + HOUR
    tenant.forget_costs()
    await tenant.move_event(visit, by=2 * HOUR)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + 2 * HOUR
    await tenant.assert_converged()


async def test_subscriptions_are_renewed_before_they_end(whole_tenant: Tenant) -> None:
    """Failure mode 8: three weeks with a timer every six hours: push is alive throughout, nothing is renewed often."""
    tenant = whole_tenant
    for _ in range(21 * 4):
        tenant.clock.advance(6 * 3600)
        await tenant.maintain()
        assert len(tenant.graph.subscriptions.live()) == 6
    await tenant.settle()
    assert_all_subscribed(tenant)
    assert not tenant.graph_calls["subscription.create"]
    assert tenant.graph_calls["subscription.renew"] <= 6 * 8
    visit = tenant.visit()
    await tenant.move_event(visit, by=timedelta(days=21))
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(days=21)


EVENTS = ["reauthorizationRequired", "subscriptionRemoved", "missed"]


@pytest.mark.parametrize("batch", [True, False], ids=["together", "apart"])
@pytest.mark.parametrize("event", EVENTS)
async def test_a_lifecycle_event_that_comes_again_and_again_leaves_one_healthy_subscription(
    tenant: Tenant, event: str, *, batch: bool
) -> None:
    """Failure mode 9: twice at once and once more after; what was lost meanwhile has been found."""
    tenant.clock.advance(3600)
    visit = tenant.visit()
    mine = the_subscription_of(tenant, visit.technician)
    tenant.switch(lose=1.0)
    await tenant.move_event(visit)
    tenant.switch(lose=0.0, repeat=1.0, batch=batch)
    await tenant.control_graph("/lifecycle", event=event, subscription_id=mine.subscription_id)
    await tenant.settle()
    await tenant.notify_lifecycle(visit.technician, event, subscriptionId=mine.subscription_id)
    await tenant.settle()
    assert_all_subscribed(tenant)
    if event != "reauthorizationRequired":
        assert await tenant.booking_start(visit) == visit.start_at + HOUR
    record = await tenant.state.find_subscription_record(visit.technician.mailbox_id)
    assert record is not None
    assert record.standing is SubscriptionStanding.ACTIVE
    assert record.subscription_id == the_subscription_of(tenant, visit.technician).subscription_id
    assert tenant.graph_calls["subscription.renew"] <= 3
    assert not tenant.letters.letters
    await tenant.sweep()
    await tenant.settle()
    await tenant.assert_converged()


@pytest.mark.parametrize("repeat", [0.0, 1.0], ids=["once", "twice"])
async def test_a_paused_subscription_is_renewed_and_notifies_again(tenant: Tenant, repeat: float) -> None:
    """Failure mode 9: `reauthorizationRequired`, after which changes are held back until we renew."""
    tenant.clock.advance(3600)
    tenant.switch(repeat=repeat)
    visit = tenant.visit()
    mine = the_subscription_of(tenant, visit.technician)
    await tenant.control_graph(
        "/lifecycle", event="reauthorizationRequired", subscription_id=mine.subscription_id, pause=True
    )
    await tenant.settle()
    assert_all_subscribed(tenant)
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + HOUR


async def test_a_reauthorization_asked_for_right_after_a_renewal_is_not_forgotten(tenant: Tenant) -> None:
    """Failure mode 9: within ten minutes nothing is renewed twice; after them the subscription notifies again."""
    visit = tenant.visit()
    tenant.clock.advance(300)
    mine = the_subscription_of(tenant, visit.technician)
    await tenant.control_graph(
        "/lifecycle", event="reauthorizationRequired", subscription_id=mine.subscription_id, pause=True
    )
    await tenant.settle(limit=timedelta(minutes=4))
    assert not tenant.graph_calls["subscription.renew"]
    await tenant.run_timers(timedelta(minutes=30))
    assert_all_subscribed(tenant)
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + HOUR


async def test_a_reauthorization_while_the_timer_renews_leaves_the_subscription_whole(tenant: Tenant) -> None:
    """Failure mode 9: timer and lifecycle ask for the same at the same time; the service would corrupt it otherwise."""
    tenant.clock.advance(timedelta(days=4, hours=12).total_seconds())
    tenant.switch(repeat=1.0, batch=False)
    await tenant.control_graph("/lifecycle", event="reauthorizationRequired", subscription_id="all", pause=True)
    await tenant.maintain()
    await tenant.settle()
    assert_all_subscribed(tenant)


FORGERIES: list[dict[str, Any]] = [
    {"clientState": "a1cef625-aec3-5964-9a58-329833c973cb.forged"},
    {"clientState": None},
    {"tenantId": "00000000-0000-4000-8000-000000000000"},
    {"lifecycleEvent": "subscriptionDeleted"},
    {"subscriptionId": None},
]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: next(iter(forgery)))
async def test_a_forged_lifecycle_event_moves_nothing(tenant: Tenant, event: str, forgery: dict[str, Any]) -> None:
    """Failure mode 9: no work, no call, no different answer."""
    tenant.clock.advance(3600)
    technician = tenant.sample.technicians[0]
    await tenant.notify_lifecycle(technician, event, **forgery)
    assert tenant.replies[-1].status == 202
    assert not tenant.replies[-1].text
    assert tenant.queue.next_visible_at() is None
    await tenant.settle()
    assert not tenant.graph_calls
    assert not tenant.dataverse_calls
    assert not tenant.letters.letters
    assert_all_subscribed(tenant)


async def test_a_removal_that_did_not_happen_replaces_nothing(tenant: Tenant) -> None:
    """Failure mode 9: `subscriptionRemoved` from a week ago is replayed; the living subscription is adopted."""
    tenant.clock.advance(3600)
    technician = tenant.sample.technicians[0]
    before = the_subscription_of(tenant, technician)
    await tenant.notify_lifecycle(technician, "subscriptionRemoved")
    await tenant.settle()
    assert the_subscription_of(tenant, technician) is before
    assert_all_subscribed(tenant)
    assert not tenant.letters.letters


class ColdTenant(Tenant):
    """A tenant whose door needs `cold_posts` requests to wake up; each of them runs into the caller's time limit."""

    cold_posts = 0

    async def post(self, url: str, body: bytes, content_type: str, timeout_seconds: float) -> DoorAnswer:
        if self.cold_posts > 0:
            self.cold_posts -= 1
            raise TimeoutError(f"no answer within {timeout_seconds} s")
        return await super().post(url, body, content_type, timeout_seconds)


@pytest.mark.parametrize("cold_posts", [1, 6, 13])
async def test_a_cold_door_is_tried_again_until_it_is_awake(cold_posts: int) -> None:
    """Failure mode 10: the first handshakes time out while the app starts; minutes later everybody is subscribed."""
    tenant = ColdTenant()
    tenant.cold_posts = cold_posts
    await tenant.maintain()
    await tenant.settle(limit=timedelta(minutes=10))
    assert_all_subscribed(tenant)
    records = [one async for one in tenant.state.list_subscription_records()]
    well = {each.mailbox_id for each in tenant.sample.technicians if each.has_mailbox}
    assert {one.mailbox_id for one in records if one.standing is SubscriptionStanding.ACTIVE} == well
    assert not tenant.letters.letters
    visit = tenant.visit()
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + HOUR


async def test_a_closed_door_is_shown_as_pending_because_our_door_did_not_answer() -> None:
    """Failure mode 10: people see which mailboxes wait, and that it is our own door that Graph could not reach."""
    tenant = Tenant()
    tenant.door_is_open = False
    assert (await tenant.maintain())["create failed"] == 7
    await tenant.settle(limit=timedelta(minutes=30))
    records = [one async for one in tenant.state.list_subscription_records()]
    waiting = [one for one in records if one.mailbox_id != tenant.sample.technicians[6].mailbox_id]
    assert len(waiting) == 6
    assert {one.standing for one in waiting} == {SubscriptionStanding.PENDING}
    assert all("door did not answer" in one.reason for one in waiting)
    assert all("door did not answer" in entry.reason for entry in tenant.entries("delayed"))
    resting = [one.mailbox_id async for one in tenant.state.list_quarantines()]
    assert resting == [tenant.sample.technicians[6].mailbox_id]
    assert not tenant.graph.subscriptions.live()


@pytest.mark.parametrize("closed_for", [timedelta(minutes=3), 5 * HOUR], ids=str)
async def test_once_the_door_opens_everybody_is_subscribed(closed_for: timedelta) -> None:
    """Failure mode 10: by the retries alone, before any timer comes round; changes made before are found."""
    tenant = Tenant()
    tenant.door_is_open = False
    await tenant.maintain()
    visit = tenant.visit()
    await tenant.move_event(visit)
    await tenant.settle(limit=closed_for)
    tenant.door_is_open = True
    await tenant.settle(limit=timedelta(minutes=15))
    assert_all_subscribed(tenant)
    records = [one async for one in tenant.state.list_subscription_records() if one.subscription_id]
    assert {one.standing for one in records} == {SubscriptionStanding.ACTIVE}
    assert await tenant.booking_start(visit) == visit.start_at + HOUR


async def test_a_door_closed_for_a_weekend_is_reported_and_the_timer_mends_it() -> None:
    """Failure mode 10: after a day the retries end as dead letters that name the mend; the timer goes on trying."""
    tenant = Tenant()
    tenant.door_is_open = False
    await tenant.maintain()
    await tenant.run_timers(timedelta(days=2), every=6 * HOUR)
    tenant.door_is_open = True
    await tenant.run_timers(HOUR)
    assert_all_subscribed(tenant)
    letters = list(tenant.letters.letters.values())
    assert {letter.error_class for letter in letters} == {"DoorDidNotAnswer"}
    assert all("PUBLIC_URL" in letter.mend for letter in letters)
    for letter in letters:
        await replay(letter, tenant.ports)
    await tenant.settle()
    assert_all_subscribed(tenant)
    assert not tenant.letters.letters


async def test_a_renewal_that_the_door_misses_is_visible_and_made_good(tenant: Tenant) -> None:
    """Failure mode 10: where renewing validates anew, a cold door costs a failed renewal, not the subscription."""
    tenant.switch(renew_revalidates=True)
    tenant.clock.advance(timedelta(days=4, hours=14).total_seconds())
    tenant.door_is_open = False
    await tenant.maintain()
    records = [one async for one in tenant.state.list_subscription_records()]
    failed = [one for one in records if one.standing is SubscriptionStanding.FAILED and "renew" in one.reason]
    assert failed
    assert all("door did not answer" in one.reason for one in failed)
    tenant.door_is_open = True
    await tenant.settle()
    assert_all_subscribed(tenant)
    records = [one async for one in tenant.state.list_subscription_records()]
    assert {one.standing for one in records if one.subscription_id} == {SubscriptionStanding.ACTIVE}
    assert min(each.expires_at for each in tenant.graph.subscriptions.live()) > tenant.clock.now() + timedelta(days=2)


async def with_employees(count: int) -> Tenant:
    """A tenant that is to sync so many new mailboxes, and no others."""
    tenant = Tenant()
    hired = [guid(f"employee {number}") for number in range(count)]
    for number, mailbox_id in enumerate(hired):
        tenant.graph.world.add_mailbox(mailbox_id, f"employee-{number}@contoso.example", f"Employee {number}")
    tenant.rules = replace(tenant.rules, mailboxes=frozenset(hired))
    return tenant


async def test_a_thousand_mailboxes_are_subscribed_no_quicker_than_graph_takes_subscriptions() -> None:
    """It is said to take 500 in 20 seconds, and who is refused waits for the timer to come round."""
    tenant = await with_employees(1_000)
    began_at = tenant.clock.now()
    assert (await tenant.maintain())["create"] == 1_000
    assert timedelta(seconds=40) < tenant.clock.now() - began_at < timedelta(minutes=1)


async def test_a_run_that_graph_refuses_leaves_the_rest_to_the_next_one_at_once() -> None:
    tenant = await with_employees(200)
    began_at = tenant.clock.now()
    tenant.graph.switchboard.faults.append(Fault(kind="subscription.create", status=429, times=None))
    done = await tenant.maintain()
    assert done["left for the next run"] == 200
    assert tenant.clock.now() - began_at < timedelta(seconds=5)
    tenant.graph.switchboard.faults.clear()
    assert (await tenant.maintain())["create"] == 200
