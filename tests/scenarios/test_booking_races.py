"""What befalls a booking, or its event, while a worker is at it: the end is the same wherever it comes in between."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from local.sample import Technician
from sync.core.coalescing import Timing
from tests.dispatching import HOUR, MONDAY
from tests.interleaving import CrowdedTenant, WatchedTenant, every_point

START = MONDAY + 12 * HOUR
LEASE = Timing().lease

type Act = Callable[[WatchedTenant, str], Awaitable[None]]


def there(tenant: WatchedTenant) -> Technician:
    """A second technician."""
    return tenant.sample.technicians[4]


async def cancel(tenant: WatchedTenant, booking_id: str) -> None:
    await tenant.put(booking_id, "Canceled")


async def delete(tenant: WatchedTenant, booking_id: str) -> None:
    await tenant.delete(booking_id)


async def reassign(tenant: WatchedTenant, booking_id: str) -> None:
    await tenant.reassign(booking_id, there(tenant))


async def move(tenant: WatchedTenant, booking_id: str) -> None:
    await tenant.move(booking_id, START + 3 * HOUR)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("held_up", "transaction_id"),
    [(timedelta(0), "while_it_lives"), (timedelta(seconds=10), "while_it_lives"), (timedelta(minutes=5), "never")],
    ids=["no-time", "10-s", "5-min-never"],
)
@pytest.mark.parametrize("act", [cancel, delete, reassign, move])
async def test_whatever_befalls_a_booking_while_its_event_is_being_made_no_event_is_left_too_many(
    act: Act, held_up: timedelta, transaction_id: str
) -> None:
    """At every await of the creation, that between the POST and the writing of its id above all.

    The webhook of the change waits until the creation is done, or is taken up by another worker meanwhile: at once,
    while the booking is leased, or when the lease has expired. What a worker does that slept so long, the next sweep
    finds at the latest.
    """
    for at in every_point():
        tenant = await WatchedTenant.open(3, 4, transaction_id=transaction_id)
        booking_id = await tenant.book()

        async def surprise(tenant: WatchedTenant = tenant, booking_id: str = booking_id) -> None:
            await act(tenant, booking_id)
            if held_up:
                await tenant.settle(limit=held_up)

        tenant.surprise(at, surprise)
        await tenant.settle()
        is_last = tenant.points < at
        tenant.watch(None)
        if held_up > LEASE:
            await tenant.sweep()
            await tenant.settle()
        if not is_last and act in (cancel, delete):
            await tenant.assert_without_event(booking_id)
        else:
            is_elsewhere = act is reassign and not is_last
            await tenant.assert_delivered(booking_id, there(tenant) if is_elsewhere else tenant.technician)
        await tenant.assert_at_rest()
        if is_last:
            return


@pytest.mark.slow
async def test_a_worker_that_slept_while_its_booking_was_deleted_and_swept_leaves_no_event() -> None:
    for at in every_point():
        tenant = await WatchedTenant.open()
        booking_id = await tenant.book()

        async def delete_and_sweep(tenant: WatchedTenant = tenant, booking_id: str = booking_id) -> None:
            await tenant.delete(booking_id)
            await tenant.settle(limit=LEASE + timedelta(minutes=2))
            await tenant.sweep()
            await tenant.settle(limit=timedelta(minutes=1))

        tenant.surprise(at, delete_and_sweep)
        await tenant.settle()
        is_last = tenant.points < at
        tenant.watch(None)
        if is_last:
            return
        await tenant.run_timers(timedelta(hours=2))
        assert not await tenant.live_events(booking_id)


@pytest.mark.parametrize("deleted_get", ["404", "200"])
@pytest.mark.parametrize("first", ["outlook", "dynamics"])
async def test_a_booking_moved_while_its_event_is_deleted_gets_one_new_event_whoever_is_heard_first(
    first: str, deleted_get: str
) -> None:
    """An edit beats a deletion: whoever moved the booking did not know of it."""
    tenant = await WatchedTenant.open(deleted_get=deleted_get)
    booking_id = await tenant.book(START)
    await tenant.settle()
    old = await tenant.event_of(booking_id)
    if first == "outlook":
        tenant.dynamics(webhook_delay_seconds=60, webhook_reorder=False)
    else:
        tenant.switch(delay_seconds=60.0)
    await tenant.drop_event(old)
    await tenant.move(booking_id, START + 3 * HOUR)
    await tenant.settle()
    new = await tenant.assert_delivered(booking_id)
    assert new["id"] != old["id"]
    assert len(await tenant.marked_events(booking_id)) == 2
    assert (await tenant.row(booking_id))["status"] == "Scheduled"
    await tenant.assert_at_rest()


@pytest.mark.slow
@pytest.mark.parametrize("deleted_get", ["404", "200"])
@pytest.mark.parametrize("transaction_id", ["always", "while_it_lives", "never"])
async def test_the_workers_of_a_deletion_and_of_a_move_make_one_new_event_in_whatever_order_they_take_turns(
    transaction_id: str, deleted_get: str
) -> None:
    for seed in range(10):
        tenant = await CrowdedTenant.open(transaction_id=transaction_id, deleted_get=deleted_get)
        booking_id = await tenant.book(START)
        await tenant.settle()
        await tenant.drop_event(await tenant.event_of(booking_id))
        await tenant.move(booking_id, START + 3 * HOUR)
        tenant.crowd(seed, pause_at=seed, pause_seconds=LEASE.total_seconds() + 1)
        await tenant.settle()
        tenant.watch(None)
        await tenant.assert_delivered(booking_id)
        assert (await tenant.row(booking_id))["status"] == "Scheduled"
        await tenant.assert_at_rest()
