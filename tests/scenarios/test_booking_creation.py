"""A new booking gets exactly one event, whatever is repeated, lost, late, or done by two at once."""

from datetime import timedelta

import pytest

from local.switchboard import Fault
from sync.core.content import LINK_TEXT
from tests.dispatching import HOUR, MONDAY
from tests.interleaving import CrowdedTenant, WatchedTenant, every_point

START = MONDAY + 12 * HOUR

TRANSACTION_IDS = ["always", "while_it_lives", "never"]
"""How long Graph may remember the transaction id of an event, which nobody documents."""

LOST_ANSWERS = [
    pytest.param({"status": 0}, id="connection-lost"),
    pytest.param({"status": 504}, id="gateway-timeout"),
    pytest.param({"status": 503, "headers": {"Retry-After": "1"}}, id="unavailable-for-a-second"),
    pytest.param({"status": 409, "body": {"error": {"code": "ConcurrentItemSave", "message": ""}}}, id="save-conflict"),
]


def answer_lost(**details: object) -> Fault:
    """The event is made, and its maker does not hear of it."""
    return Fault.from_json({"kind": "event.create", "when": "after", "status": 0, **details})


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
async def test_an_event_whose_maker_did_not_hear_of_it_is_found_though_reads_lag_behind_for_ten_seconds(
    transaction_id: str,
) -> None:
    tenant = await WatchedTenant.open(transaction_id=transaction_id, stale_read_seconds=10.0)
    tenant.graph.switchboard.faults.append(answer_lost())
    booking_id = await tenant.book()
    await tenant.settle()
    tenant.switch(stale_read_seconds=0.0)
    await tenant.assert_delivered(booking_id)
    assert len(await tenant.marked_events(booking_id)) == 1
    await tenant.assert_at_rest()


async def test_a_short_retry_after_does_not_bring_the_next_create_before_reads_have_caught_up() -> None:
    """Where Graph remembers no transaction id, only the search can tell."""
    tenant = await WatchedTenant.open(transaction_id="never", stale_read_seconds=5.0)
    tenant.graph.switchboard.faults.append(answer_lost(status=503, headers={"Retry-After": "1"}))
    booking_id = await tenant.book()
    await tenant.settle()
    tenant.switch(stale_read_seconds=0.0)
    await tenant.run_timers(timedelta(hours=1))
    assert len(await tenant.live_events(booking_id)) == 1


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
@pytest.mark.parametrize(
    ("held_up", "transaction_id"),
    [
        (timedelta(seconds=10), "while_it_lives"),
        (timedelta(minutes=5), "always"),
        (timedelta(minutes=5), "while_it_lives"),
        (timedelta(minutes=5), "never"),
        (timedelta(minutes=15), "never"),
    ],
    ids=["10-s-while_it_lives", "5-min-always", "5-min-while_it_lives", "5-min-never", "15-min-never"],
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
