"""How changes of bookings come in: by webhooks, which may be lost, late, repeated, cut or forged, and by the sweep."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from local.switchboard import Fault
from sync.core.errors import Refused, ServiceUnavailable
from sync.core.webhooks import WEBHOOK_SECRET_HEADER
from sync.core.work import BOOKING_CHANGES_QUEUE
from sync.service.booking_sweep import sweep_bookings
from sync.service.intake import Door
from tests.dispatching import DAY, HOUR, MONDAY, DispatchTenant, starts_at
from tests.hosted_app import WEBHOOK_SECRET
from tests.tenant import wire

NOON = MONDAY + 12 * HOUR
READ = "bookableresourcebookings.get"
type IsDone = Callable[[], Awaitable[bool]]
"""Whether a change has reached Outlook."""

type Change = Callable[[DispatchTenant], Awaitable[IsDone]]

ANOTHER_SECRET = "another-webhook-secret-that-is-long-enough"


class RotatingTenant(DispatchTenant):
    """A tenant whose door's secrets for webhooks a person changes."""

    secrets: tuple[str, ...] = (WEBHOOK_SECRET,)

    @property
    def door(self) -> Door:
        return replace(super().door, webhook_secrets=self.secrets)

    async def register(self, secret: str) -> None:
        """The administrator gives Dataverse another secret; an empty one for none at all."""
        header = f'<setting name="{WEBHOOK_SECRET_HEADER}" value="{secret}"/>' if secret else ""
        endpoint = f"serviceendpoints({await self.endpoint_id()})"
        await self.patch(endpoint, authtype=5, authvalue=f"<settings>{header}</settings>")


async def make(tenant: DispatchTenant) -> IsDone:
    booking_id = await tenant.book(NOON)

    async def is_there() -> bool:
        return [starts_at(one) for one in await tenant.events(booking_id)] == [NOON]

    return is_there


async def move(tenant: DispatchTenant) -> IsDone:
    booking_id = tenant.visit().booking_id
    await tenant.move(booking_id, NOON)

    async def is_moved() -> bool:
        return [starts_at(one) for one in await tenant.events(booking_id)] == [NOON]

    return is_moved


async def delete(tenant: DispatchTenant) -> IsDone:
    booking_id = tenant.visit().booking_id
    await tenant.delete(booking_id)

    async def is_gone() -> bool:
        return await tenant.events(booking_id) == []

    return is_gone


every_change = pytest.mark.parametrize("change", [make, move, delete])


@every_change
async def test_what_a_lost_webhook_would_have_told_is_found_by_the_sweep(change: Change) -> None:
    tenant = await DispatchTenant.open()
    tenant.dynamics(webhook_lose=1.0)
    is_done = await change(tenant)
    await tenant.settle()
    assert not await is_done()
    await tenant.sweep()
    await tenant.settle()
    assert await is_done()
    await tenant.assert_converged()


async def test_a_booking_made_and_deleted_between_two_sweeps_costs_nothing() -> None:
    tenant = await DispatchTenant.open()
    tenant.dynamics(webhook_lose=1.0)
    await tenant.delete(await tenant.book())
    await tenant.sweep()
    await tenant.settle()
    assert tenant.dataverse_calls[READ] == 0
    assert not tenant.app_writes


@every_change
async def test_a_webhook_too_large_for_its_images_is_made_up_for(change: Change) -> None:
    """Over 256 KB images and parameters are cut: a change is read, and of a deletion the link knows the event."""
    tenant = await DispatchTenant.open()
    tenant.dynamics(webhook_size_limit=0)
    is_done = await change(tenant)
    await tenant.settle()
    assert await is_done()
    assert not tenant.letters.letters
    await tenant.assert_converged()


@pytest.mark.parametrize("secret", ["", "a-wrong-secret-of-somebody-with-enough-characters"], ids=["none", "wrong"])
async def test_a_webhook_without_the_right_secret_is_refused_and_queues_nothing(secret: str) -> None:
    """Dataverse does not repeat what was answered 401; the sweep finds what was not heard."""
    tenant = await RotatingTenant.open()
    await tenant.register(secret)
    is_done = await make(tenant)
    await tenant.settle()
    assert [reply.status for reply in tenant.replies] == [401]
    assert tenant.queue.messages(BOOKING_CHANGES_QUEUE) == []
    assert not tenant.dataverse_calls
    assert tenant.dataverse.webhooks.counts["failed"] == 1
    await tenant.sweep()
    await tenant.settle()
    assert await is_done()


async def test_while_a_secret_is_rotated_two_are_let_in_and_afterwards_the_new_one_alone() -> None:
    tenant = await RotatingTenant.open()
    tenant.secrets = (ANOTHER_SECRET, WEBHOOK_SECRET)
    await tenant.book(NOON)
    await tenant.settle()
    await tenant.register(ANOTHER_SECRET)
    await tenant.book(NOON + 2 * HOUR)
    await tenant.settle()
    tenant.secrets = (ANOTHER_SECRET,)
    await tenant.book(NOON + 4 * HOUR)
    await tenant.settle()
    await tenant.register(WEBHOOK_SECRET)
    await tenant.book(NOON + 6 * HOUR)
    await tenant.settle()
    doors = [reply.status for reply in tenant.replies if reply.status != 202]
    assert doors == [401], "the last one only"
    assert tenant.dataverse.webhooks.counts["failed"] == 1


async def test_while_the_queue_is_not_there_dataverse_is_told_to_ask_once_more() -> None:
    tenant = await DispatchTenant.open()
    tenant.queue.fail_next("put", ServiceUnavailable("the queue is not there"))
    is_done = await make(tenant)
    await tenant.settle()
    statuses = [reply.status for reply in tenant.replies]
    assert statuses[:2] == [503, 202]
    assert tenant.dataverse.webhooks.counts["retried"] == 1
    assert await is_done()


async def test_a_webhook_that_found_no_queue_twice_is_made_good_by_the_sweep() -> None:
    """There is no third attempt."""
    tenant = await DispatchTenant.open()
    for _ in range(2):
        tenant.queue.fail_next("put", ServiceUnavailable("the queue is not there"))
    is_done = await make(tenant)
    await tenant.settle()
    assert not await is_done()
    await tenant.sweep()
    await tenant.settle()
    assert await is_done()
    await tenant.assert_converged()


@pytest.mark.parametrize("seed", range(6))
async def test_webhooks_repeated_and_in_any_order_end_in_the_last_state(seed: int) -> None:
    """Jobs have no order: of create, three moves, a cancellation and its undoing the last counts."""
    tenant = await DispatchTenant.open(seed=seed)
    tenant.dynamics(webhook_repeat=1.0, webhook_delay_seconds=20, webhook_reorder=True)
    booking_id = await tenant.book(NOON)
    for hours in (1, 2, 3):
        await tenant.move(booking_id, NOON + hours * HOUR)
        tenant.clock.advance(5)
    await tenant.put(booking_id, "Canceled")
    await tenant.put(booking_id, "Scheduled")
    await tenant.settle()
    event = await tenant.event_of(booking_id)
    assert starts_at(event) == NOON + 3 * HOUR
    assert (await tenant.row(booking_id))["bks_eventid"] == event["id"]
    assert not tenant.letters.letters
    await tenant.assert_converged()


@pytest.mark.parametrize("seed", range(6))
async def test_webhooks_of_a_deletion_may_come_before_those_of_the_creation(seed: int) -> None:
    tenant = await DispatchTenant.open(seed=seed)
    tenant.dynamics(webhook_repeat=1.0, webhook_delay_seconds=20, webhook_reorder=True)
    booking_id = await tenant.book(NOON)
    await tenant.settle(limit=timedelta(seconds=15))
    await tenant.move(booking_id, NOON + HOUR)
    await tenant.delete(booking_id)
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    assert await tenant.state.find_link(booking_id) is None
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_webhook_about_another_table_is_acknowledged_and_is_no_work() -> None:
    """A step registered by mistake must not fail anybody's work."""
    tenant = await DispatchTenant.open()
    await tenant.register_step("Update", table="account")
    accounts = (await tenant.dispatcher.get("/accounts?$select=accountid&$top=1")).json()["value"]
    await tenant.patch(f"accounts({accounts[0]['accountid']})", name="Northwind & Sons")
    await tenant.settle()
    assert [reply.status for reply in tenant.replies] == [202]
    assert not tenant.journal.entries
    assert not tenant.dataverse_calls


async def test_five_changes_of_a_moment_cost_one_read() -> None:
    tenant = await DispatchTenant.open()
    booking_id, _ = await tenant.booked()
    for hours in range(1, 6):
        await tenant.move(booking_id, NOON + hours * HOUR)
    await tenant.settle()
    assert [reply.status for reply in tenant.replies].count(202) >= 5
    assert starts_at(await tenant.event_of(booking_id)) == NOON + 5 * HOUR
    assert tenant.dataverse_calls == {READ: 1}
    assert tenant.app_writes == {"event.update": 1}
    await tenant.assert_converged()


async def test_the_webhook_of_our_own_write_costs_no_call() -> None:
    """The technician moves the event, the app the booking; what Dataverse then tells is known."""
    tenant = await DispatchTenant.open()
    _, event = await tenant.booked()
    await tenant.rewrite_event(event, start=wire(NOON + HOUR), end=wire(NOON + 2 * HOUR))
    await tenant.settle()
    assert tenant.dataverse_calls == {"bookableresourcebookings.update": 1}
    assert tenant.graph_calls == {"event.get": 1}
    assert ("dropped", "etag-already-processed") in [(one.action, one.reason) for one in tenant.journal.entries]


@pytest.mark.parametrize("notification_etag", ["same", "other"])
async def test_the_notifications_of_our_own_writes_cost_one_read_at_most(notification_etag: str) -> None:
    """A booking is made, moved and named: the event's own notifications lead to no write."""
    tenant = await DispatchTenant.open(notification_etag=notification_etag)
    booking_id = await tenant.book()
    await tenant.settle()
    allowed = 0 if notification_etag == "same" else 1
    assert tenant.graph_calls - Counter({"event.create": 1}) <= Counter({"event.get": allowed})
    assert tenant.dataverse_calls == {READ: 1, "bookableresourcebookings.update": 1}
    tenant.forget_costs()
    await tenant.move(booking_id, NOON + HOUR)
    await tenant.settle()
    assert tenant.app_writes == {"event.update": 1}
    assert tenant.graph_calls["event.get"] <= 1 + allowed
    assert tenant.dataverse_calls == {READ: 1}


@every_change
@pytest.mark.parametrize("status", [400, 410])
async def test_when_the_change_tracking_token_has_expired_a_full_round_finds_everything(
    change: Change, status: int
) -> None:
    tenant = await DispatchTenant.open()
    tenant.dynamics(webhook_lose=1.0, expired_delta_token_status=status)
    is_done = await change(tenant)
    tenant.dynamics(expire_delta_tokens=True)
    await tenant.sweep()
    await tenant.settle()
    assert await is_done()
    await tenant.assert_converged()


async def test_after_nine_days_without_a_sweep_nothing_is_missed() -> None:
    """Tokens live for seven days, subscriptions not longer; the app was down, and nobody keeps webhooks for it."""
    tenant = await DispatchTenant.open()
    moved, deleted = [await tenant.book(NOON + days * DAY) for days in (14, 15)]
    await tenant.settle()
    tenant.answer(is_up=False)
    await tenant.move(moved, NOON + 16 * DAY)
    await tenant.delete(deleted)
    made = await tenant.book(NOON + 17 * DAY)
    await tenant.settle()
    tenant.clock.advance((9 * DAY).total_seconds())
    tenant.answer(is_up=True)
    await tenant.maintain()
    await tenant.sweep()
    await tenant.settle()
    assert starts_at(await tenant.event_of(moved)) == NOON + 16 * DAY
    assert await tenant.events(deleted) == []
    assert starts_at(await tenant.event_of(made)) == NOON + 17 * DAY
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_without_change_tracking_the_sweep_says_what_to_do_and_loses_nothing() -> None:
    tenant = await DispatchTenant.open()
    tenant.dynamics(change_tracking_enabled=False, webhook_lose=1.0)
    cursor = await tenant.state.find_booking_cursor()
    is_done = await move(tenant)
    with pytest.raises(Refused, match="Change tracking isn't enabled") as refused:
        await sweep_bookings(tenant.ports, tenant.rules)
    assert "python -m sync setup" in refused.value.mend
    assert await tenant.state.find_booking_cursor() == cursor
    tenant.dynamics(change_tracking_enabled=True)
    await tenant.sweep()
    await tenant.settle()
    assert await is_done()
    await tenant.assert_converged()


async def test_webhooks_work_without_change_tracking() -> None:
    tenant = await DispatchTenant.open()
    tenant.dynamics(change_tracking_enabled=False)
    is_done = await make(tenant)
    await tenant.settle()
    assert await is_done()


@pytest.mark.parametrize("skip", [0, 1, 4])
async def test_a_sweep_that_cannot_queue_begins_at_the_same_place_again(skip: int) -> None:
    """The cursor is saved after its work; what was queued twice is done once."""
    tenant = await DispatchTenant.open()
    tenant.dynamics(webhook_lose=1.0)
    booking_ids = [await tenant.book(NOON + index * HOUR, name=f"Visit {index}") for index in range(5)]
    cursor = await tenant.state.find_booking_cursor()
    tenant.queue.fail_next("put", ServiceUnavailable("the queue is not there"), skip=skip)
    with pytest.raises(ServiceUnavailable):
        await sweep_bookings(tenant.ports, tenant.rules)
    assert await tenant.state.find_booking_cursor() == cursor
    await tenant.settle()
    await sweep_bookings(tenant.ports, tenant.rules)
    assert await tenant.state.find_booking_cursor() != cursor
    await tenant.settle()
    assert [len(await tenant.events(one)) for one in booking_ids] == [1] * 5
    assert tenant.graph_calls["event.create"] == 5
    await tenant.assert_converged()


async def test_a_sweep_that_dataverse_breaks_off_midway_begins_at_the_same_place_again() -> None:
    tenant = await DispatchTenant.open()
    tenant.dynamics(webhook_lose=1.0)
    is_done = await move(tenant)
    cursor = await tenant.state.find_booking_cursor()
    fault = Fault(kind="bookableresourcebookings.delta", times=None, status=503)
    tenant.dataverse.switchboard.faults.append(fault)
    with pytest.raises(ServiceUnavailable):
        await sweep_bookings(tenant.ports, tenant.rules)
    assert await tenant.state.find_booking_cursor() == cursor
    tenant.dataverse.switchboard.faults.clear()
    await tenant.sweep()
    await tenant.settle()
    assert await is_done()


async def test_two_sweeps_at_once_do_everything_once() -> None:
    """Two instances of the app, each with its timer."""
    tenant = await DispatchTenant.open()
    tenant.dynamics(webhook_lose=1.0)
    booking_ids = [await tenant.book(NOON + index * HOUR, name=f"Visit {index}") for index in range(5)]
    await asyncio.gather(*(sweep_bookings(ports, tenant.rules) for ports in (tenant.ports, tenant.build_ports())))
    await tenant.settle()
    assert [len(await tenant.events(one)) for one in booking_ids] == [1] * 5
    assert tenant.graph_calls["event.create"] == 5
    await tenant.assert_converged()
