"""A new booking gets exactly one event, whatever is repeated, lost, late, or done by two at once."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta

import pytest

from local.sample import Technician
from local.switchboard import Fault
from sync.core.coalescing import Timing
from sync.core.content import LINK_TEXT
from tests.dispatching import HOUR, MONDAY
from tests.interleaving import CrowdedTenant, WatchedTenant

START = MONDAY + 12 * HOUR
LEASE_SECONDS = Timing().lease.total_seconds()

TRANSACTION_IDS = ["always", "while_it_lives", "never"]
"""How long Graph may remember the transaction id of an event, which nobody documents."""

LOST_ANSWERS = [
    pytest.param({"status": 0}, id="connection-lost"),
    pytest.param({"status": 504}, id="gateway-timeout"),
    pytest.param({"status": 503, "headers": {"Retry-After": "1"}}, id="unavailable-for-a-second"),
    pytest.param({"status": 409, "body": {"error": {"code": "ConcurrentItemSave", "message": ""}}}, id="save-conflict"),
]


def answer_lost(times: int = 1, **details: object) -> Fault:
    """The event is made, and its maker does not hear of it."""
    return Fault.from_json({"kind": "event.create", "when": "after", "status": 0, "times": times, **details})


async def test_a_new_booking_gets_one_event_that_says_everything() -> None:
    tenant = await WatchedTenant.open()
    order = tenant.sample.work_orders[4]
    booking_id = await tenant.book(START, work_order=order, length=2 * HOUR)
    await tenant.settle(limit=timedelta(seconds=10))
    event = await tenant.assert_delivered(booking_id)
    assert event["subject"] == f"{order.number}, {order.account}: {order.incident}"
    assert event["location"]["displayName"] == f"{order.street}, {order.city}"
    assert event["categories"] == ["Dynamics 365"]
    assert event["showAs"] == "busy"
    assert event["transactionId"]
    assert event["attendees"] == []
    body = event["body"]["content"]
    assert "Pump makes noise &lt;loud &amp; shrill&gt;" in body, "the summary is text and stays text"
    assert f"id={booking_id}" in body
    assert LINK_TEXT in body
    (marked,) = await tenant.marked_events(booking_id)
    assert marked["extensions"] == {"Com.BookingSync.Link": {"bookingSyncGuid": booking_id}}
    await tenant.assert_at_rest()


async def test_a_new_booking_costs_one_write_to_graph_and_a_read_and_a_write_to_dataverse() -> None:
    """Its own echoes from both services included."""
    tenant = await WatchedTenant.open(burst=4)
    await tenant.book()
    await tenant.settle()
    assert tenant.graph_calls == {"event.create": 1}
    assert tenant.dataverse_calls == {"bookableresourcebookings.get": 1, "bookableresourcebookings.update": 1}


@pytest.mark.parametrize("transaction_id", TRANSACTION_IDS)
@pytest.mark.parametrize("lost", LOST_ANSWERS)
async def test_an_event_made_by_a_create_that_seemed_to_fail_is_found_and_not_made_again(
    lost: dict[str, object], transaction_id: str
) -> None:
    tenant = await WatchedTenant.open(transaction_id=transaction_id)
    tenant.graph.switchboard.faults.append(answer_lost(**lost))
    booking_id = await tenant.book()
    await tenant.settle()
    assert not tenant.graph.switchboard.faults, "the planned loss did not happen"
    await tenant.assert_delivered(booking_id)
    assert len(await tenant.marked_events(booking_id)) == 1
    await tenant.assert_at_rest()


@pytest.mark.parametrize("transaction_id", TRANSACTION_IDS)
async def test_an_event_stored_without_its_extension_by_a_save_conflict_is_found_and_not_made_again(
    transaction_id: str,
) -> None:
    """Reported for events that are created with open extensions; the extended property is what finds it."""
    tenant = await WatchedTenant.open(transaction_id=transaction_id, create_conflict=1.0)
    booking_id = await tenant.book()
    await tenant.settle(limit=timedelta(seconds=10))
    tenant.switch(create_conflict=0.0)
    await tenant.settle()
    await tenant.assert_delivered(booking_id)
    assert len(await tenant.marked_events(booking_id)) == 1
    await tenant.assert_at_rest()


@pytest.mark.parametrize("transaction_id", TRANSACTION_IDS)
@pytest.mark.parametrize("is_lost", [False, True], ids=["heard", "answer-lost"])
async def test_two_workers_with_the_same_webhook_make_one_event_in_whatever_order_they_take_turns(
    transaction_id: str, *, is_lost: bool
) -> None:
    for seed in range(4):
        tenant = await CrowdedTenant.open(transaction_id=transaction_id)
        tenant.dynamics(webhook_repeat=1.0, webhook_reorder=False)
        if is_lost:
            tenant.graph.switchboard.faults.append(answer_lost())
        booking_id = await tenant.book()
        tenant.crowd(seed)
        await tenant.settle()
        tenant.watch(None)
        await tenant.assert_delivered(booking_id)
        await tenant.assert_at_rest()


@pytest.mark.slow
@pytest.mark.parametrize("transaction_id", TRANSACTION_IDS)
@pytest.mark.parametrize(
    "held_up", [timedelta(seconds=10), timedelta(minutes=5), timedelta(minutes=15)], ids=["10-s", "5-min", "15-min"]
)
@pytest.mark.parametrize("is_lost", [False, True], ids=["heard", "answer-lost"])
async def test_a_worker_held_up_at_any_await_while_another_does_its_work_makes_no_second_event(
    held_up: timedelta, transaction_id: str, *, is_lost: bool
) -> None:
    """The webhook comes twice. After three minutes the lease has expired, after ten the message is back on the queue.

    Where Graph remembers no transaction id, two events are made now and then, and one of them goes at once.
    """
    for at in every_point():
        tenant = await WatchedTenant.open(transaction_id=transaction_id)
        if is_lost:
            tenant.graph.switchboard.faults.append(answer_lost())
        booking_id = await tenant.book()

        async def another_worker(tenant: WatchedTenant = tenant) -> None:
            await tenant.repeat_webhooks()
            await tenant.settle(limit=held_up)

        tenant.surprise(at, another_worker)
        await tenant.settle()
        is_last = tenant.points < at
        tenant.watch(None)
        await tenant.assert_delivered(booking_id)
        await tenant.assert_at_rest()
        if is_last:
            return


def every_point() -> Iterator[int]:
    """The numbers of points, until the caller has had enough."""
    yield from range(1, 100)
    pytest.fail("the work never came to its end")


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
@pytest.mark.parametrize("transaction_id", ["while_it_lives", "never"])
@pytest.mark.parametrize(
    "held_up", [timedelta(0), timedelta(seconds=10), timedelta(minutes=5)], ids=["no-time", "10-s", "5-min"]
)
@pytest.mark.parametrize("act", [cancel, delete, reassign, move])
async def test_whatever_befalls_a_booking_while_its_event_is_being_made_no_event_is_left_too_many(
    act: Act, held_up: timedelta, transaction_id: str
) -> None:
    """At every await of the creation, that between the POST and the writing of its id above all.

    The webhook of the change waits until the creation is done, or is taken up by another worker meanwhile: at once,
    while the booking is leased, or when the lease has expired.
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
        if not is_last and act in (cancel, delete):
            await tenant.assert_without_event(booking_id)
        else:
            is_elsewhere = act is reassign and not is_last
            await tenant.assert_delivered(booking_id, there(tenant) if is_elsewhere else tenant.technician)
        await tenant.assert_at_rest()
        if is_last:
            return


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
@pytest.mark.parametrize("transaction_id", TRANSACTION_IDS)
async def test_the_workers_of_a_deletion_and_of_a_move_make_one_new_event_in_whatever_order_they_take_turns(
    transaction_id: str, deleted_get: str
) -> None:
    for seed in range(20):
        tenant = await CrowdedTenant.open(transaction_id=transaction_id, deleted_get=deleted_get)
        booking_id = await tenant.book(START)
        await tenant.settle()
        await tenant.drop_event(await tenant.event_of(booking_id))
        await tenant.move(booking_id, START + 3 * HOUR)
        tenant.crowd(seed, pause_at=seed, pause_seconds=LEASE_SECONDS + 1)
        await tenant.settle()
        tenant.watch(None)
        await tenant.assert_delivered(booking_id)
        assert (await tenant.row(booking_id))["status"] == "Scheduled"
        await tenant.assert_at_rest()
