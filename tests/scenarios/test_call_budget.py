"""What each kind of change may cost, counted at the services themselves, for bursts of every size.

First the rows that lead from Outlook to Dynamics, then those that lead back. What comes back of our own writes, as
notifications and as webhooks, is counted in all of them.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from sync.core.reconcile import OnDeletion, Policy
from tests.dispatching import MONDAY, DispatchTenant
from tests.tenant import Tenant, wire

HOUR = timedelta(hours=1)

EVERY_BURST = [
    pytest.param({"burst": burst, "batch": burst % 2 == 0, "notification_etag": etag}, id=f"{burst}-{etag}")
    for burst, etag in product((1, 2, 3, 4), ("same", "other"))
]
FOUR = [
    pytest.param(
        {"burst": 4, "batch": batch, "notification_etag": etag}, id=f"{'together' if batch else 'apart'}-{etag}"
    )
    for batch, etag in product((True, False), ("same", "other"))
]


@pytest.mark.parametrize("burst", EVERY_BURST)
async def test_an_event_moved_costs_one_read_and_one_conditional_write(tenant: Tenant, burst: dict[str, Any]) -> None:
    tenant.switch(**burst)
    await tenant.move_event(tenant.visit())
    await tenant.settle()
    assert tenant.graph_calls == {"event.get": 1}
    assert tenant.dataverse_calls == {"bookableresourcebookings.update": 1}
    (entry,) = tenant.entries("update-booking")
    assert entry.calls == {"event.get": 1, "bookableresourcebookings.update": 1}
    assert tenant.dataverse.webhooks.counts["delivered"] == 1, "our write was told back, and cost nothing"


@pytest.mark.parametrize("burst", FOUR)
async def test_an_event_moved_costs_one_more_read_and_write_after_a_412(tenant: Tenant, burst: dict[str, Any]) -> None:
    """The dispatcher renamed the booking: its etag is another, its time is not. That we did not hear of it yet."""
    tenant.switch(**burst)
    tenant.switch_dataverse(webhook_lose=1.0)
    visit = tenant.visit()
    await tenant.patch_booking(visit, name="Renamed meanwhile")
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + HOUR
    assert tenant.graph_calls == {"event.get": 1}
    assert tenant.dataverse_calls == {"bookableresourcebookings.update": 2, "bookableresourcebookings.get": 1}


@pytest.mark.parametrize("burst", FOUR)
async def test_a_touch_that_changes_no_synced_field_costs_one_read(tenant: Tenant, burst: dict[str, Any]) -> None:
    tenant.switch(**burst)
    visit = tenant.visit()
    await tenant.patch_event(visit.technician.mailbox_id, visit.event_id, {"subject": "Mind the dog"})
    await tenant.settle()
    assert tenant.graph_calls == {"event.get": 1}
    assert not tenant.dataverse_calls


@pytest.mark.parametrize("with_updated", [False, True], ids=["deleted-alone", "with-updated"])
@pytest.mark.parametrize("deleted_get", ["404", "200"])
@pytest.mark.parametrize("burst", FOUR)
async def test_an_event_deleted_costs_two_reads_and_one_write(
    tenant: Tenant, burst: dict[str, Any], deleted_get: str, *, with_updated: bool
) -> None:
    """A read with a witness in Graph, a read with a write in Dataverse; the cancelled status was looked up before.

    Where reads still show the dead event, looking where it lies is one more. Where `updated` for the dead id is posted
    apart, and handled first, it is one more look, and a second one because nothing seems to have changed.
    """
    first, second = tenant.visit(index=0), tenant.visit(index=1)
    await tenant.delete_event(first)
    await tenant.settle()
    tenant.forget_costs()
    tenant.switch(**burst, deleted_get=deleted_get, deleted_with_updated=with_updated)
    tenant.switch(repeat=0.0, burst_spread_seconds=0.0 if burst["batch"] else 0.3)
    await tenant.delete_event(second)
    await tenant.settle()
    assert (await tenant.booking(second))["status"] == "Canceled"
    assert tenant.dataverse_calls["bookableresourcebookings.get"] <= 1
    assert tenant.dataverse_calls["bookableresourcebookings.update"] == 1
    assert tenant.dataverse_calls.total() <= 2, tenant.dataverse_calls
    is_apart = with_updated and not burst["batch"]
    most = 2 + (deleted_get == "200") + 2 * is_apart
    assert tenant.graph_calls.total() <= most, tenant.graph_calls


@pytest.mark.parametrize("burst", EVERY_BURST)
async def test_a_private_event_costs_one_read_at_first_and_nothing_later(tenant: Tenant, burst: dict[str, Any]) -> None:
    tenant.switch(**burst)
    technician = tenant.sample.technicians[3]
    path = f"/users/{technician.mailbox_id}/events"
    body = {"subject": "Choir", "start": wire(tenant.clock.now() + HOUR), "end": wire(tenant.clock.now() + 2 * HOUR)}
    created = (await tenant.person.post(path, json=body)).json()
    await tenant.settle()
    assert tenant.graph_calls.total() <= 1
    assert not tenant.dataverse_calls

    tenant.forget_costs()
    for hour in (3, 4):
        start_at = tenant.clock.now() + hour * HOUR
        await tenant.patch_event(
            technician.mailbox_id, created["id"], {"start": wire(start_at), "end": wire(start_at + HOUR)}
        )
        await tenant.settle()
    assert (await tenant.person.delete(f"{path}/{created['id']}")).status_code == 204
    await tenant.settle()
    await tenant.sweep(technician.mailbox_id)
    await tenant.settle()
    assert tenant.graph_calls == {"calendarView.delta": 1}
    assert not tenant.dataverse_calls


async def test_an_idle_sweep_costs_one_delta_read(tenant: Tenant) -> None:
    technician = tenant.sample.technicians[0]
    await tenant.sweep(technician.mailbox_id)
    await tenant.settle()
    assert tenant.graph_calls == {"calendarView.delta": 1}
    assert not tenant.dataverse_calls


@pytest.mark.parametrize("etag_form", ["same", "other"])
@pytest.mark.parametrize("delta_replay", [False, True])
async def test_a_sweep_after_push_did_its_work_costs_one_delta_read(
    tenant: Tenant, etag_form: str, *, delta_replay: bool
) -> None:
    """What push has brought home, the sweep sees again in its round, and knows."""
    tenant.switch(burst=4, notification_etag=etag_form, delta_replay=delta_replay)
    moved, deleted = tenant.visit(index=0), tenant.visit(index=1)
    await tenant.move_event(moved)
    await tenant.delete_event(deleted)
    await tenant.settle()
    tenant.forget_costs()
    await tenant.sweep(moved.technician.mailbox_id)
    await tenant.settle()
    assert tenant.graph_calls == {"calendarView.delta": 1}
    assert not tenant.dataverse_calls


BOOKING_READ, BOOKING_WRITE, BOOKING_LIST = (
    f"bookableresourcebookings.{operation}" for operation in ("get", "update", "query")
)
if_match = pytest.mark.parametrize("if_match", ["enforce", "ignore"])
"""Whether Graph honours the etags of events. Where it does not, what is moved there is read before."""


async def dispatch(burst: dict[str, Any], *, if_match: str = "ignore") -> DispatchTenant:
    """The bookings of two technicians are delivered, which also taught the app whether Graph honours etags."""
    return await DispatchTenant.open(3, 4, if_match=if_match, **burst)


async def planned(tenant: DispatchTenant) -> str:
    """A booking of a work order that has its event; it costs nothing any more."""
    booking_id = await tenant.book(work_order=tenant.visit().work_order)
    await tenant.settle()
    tenant.forget_costs()
    return booking_id


def assert_cost(tenant: Tenant, *, graph: dict[str, int], dataverse: dict[str, int], echo_reads: int) -> None:
    """Exactly this was called, and on top at most so many reads of events whose echo was not known as such."""
    reads = tenant.graph_calls["event.get"] - graph.get("event.get", 0)
    assert 0 <= reads <= echo_reads, tenant.graph_calls
    assert tenant.graph_calls - Counter({"event.get": reads}) == graph
    assert tenant.dataverse_calls == dataverse
    assert not tenant.letters.letters


def unknown_echoes(burst: dict[str, Any], *, events: int = 1) -> int:
    """An echo is known by its etag where notifications tell it as reads do, and the removal of an event never is."""
    return 0 if burst["notification_etag"] == "same" else events


def read_before(if_match: str) -> dict[str, int]:
    return {} if if_match == "enforce" else {"event.get": 1}


@pytest.mark.parametrize("burst", FOUR)
async def test_a_booking_made_costs_a_read_and_a_write_of_the_booking_and_a_write_of_the_event(
    burst: dict[str, Any],
) -> None:
    tenant = await dispatch(burst)
    await tenant.book(work_order=tenant.visit().work_order)
    await tenant.settle()
    assert_cost(
        tenant,
        graph={"event.create": 1},
        dataverse={BOOKING_READ: 1, BOOKING_WRITE: 1},
        echo_reads=unknown_echoes(burst),
    )


@if_match
@pytest.mark.parametrize("burst", FOUR)
async def test_a_booking_moved_costs_a_read_of_it_and_a_write_of_its_event(
    burst: dict[str, Any], if_match: str
) -> None:
    tenant = await dispatch(burst, if_match=if_match)
    booking_id = await planned(tenant)
    await tenant.move(booking_id, MONDAY + 15 * HOUR)
    await tenant.settle()
    assert_cost(
        tenant,
        graph={"event.update": 1} | read_before(if_match),
        dataverse={BOOKING_READ: 1},
        echo_reads=unknown_echoes(burst),
    )


async def rename(tenant: DispatchTenant, booking_id: str) -> None:
    await tenant.change(booking_id, name="A name that no event shows")


async def begin_to_travel(tenant: DispatchTenant, booking_id: str) -> None:
    await tenant.put(booking_id, "Traveling")


async def write_the_same_again(tenant: DispatchTenant, booking_id: str) -> None:
    await tenant.move(booking_id, MONDAY + 12 * HOUR)


async def change_what_nobody_listens_to(tenant: DispatchTenant, booking_id: str) -> None:
    await tenant.change(booking_id, msdyn_estimatedtravelduration=25)


@pytest.mark.parametrize(
    ("touch", "reads"),
    [(rename, 1), (begin_to_travel, 1), (write_the_same_again, 0), (change_what_nobody_listens_to, 0)],
)
async def test_a_booking_touched_without_a_visible_change_costs_a_read_of_it_at_most(
    touch: Callable[[DispatchTenant, str], Awaitable[None]], reads: int
) -> None:
    tenant = await dispatch({})
    booking_id = await planned(tenant)
    await touch(tenant, booking_id)
    await tenant.settle()
    assert not tenant.graph_calls
    assert tenant.dataverse_calls == Counter({BOOKING_READ: reads})


@if_match
@pytest.mark.parametrize("burst", FOUR)
async def test_a_booking_cancelled_costs_a_read_and_a_write_of_it_and_a_look_at_its_event_and_the_removal(
    burst: dict[str, Any], if_match: str
) -> None:
    tenant = await dispatch(burst, if_match=if_match)
    booking_id = await planned(tenant)
    await tenant.put(booking_id, "Canceled")
    await tenant.settle()
    assert_cost(
        tenant,
        graph={"event.get": 1, "event.delete": 1},
        dataverse={BOOKING_READ: 1, BOOKING_WRITE: 1},
        echo_reads=1,
    )


@if_match
@pytest.mark.parametrize("burst", FOUR)
async def test_a_booking_deleted_costs_a_look_for_it_and_a_look_at_its_event_and_the_removal(
    burst: dict[str, Any], if_match: str
) -> None:
    tenant = await dispatch(burst, if_match=if_match)
    booking_id = await planned(tenant)
    await tenant.delete(booking_id)
    await tenant.settle()
    assert_cost(
        tenant,
        graph={"event.get": 1, "event.delete": 1},
        dataverse={BOOKING_READ: 1},
        echo_reads=1,
    )


@if_match
@pytest.mark.parametrize("burst", FOUR)
async def test_a_booking_reassigned_costs_a_read_and_a_write_of_it_a_new_event_and_a_look_at_the_old_one_that_goes(
    burst: dict[str, Any], if_match: str
) -> None:
    tenant = await dispatch(burst, if_match=if_match)
    booking_id = await planned(tenant)
    await tenant.reassign(booking_id, tenant.sample.technicians[4])
    await tenant.settle()
    assert_cost(
        tenant,
        graph={"event.create": 1, "event.get": 1, "event.delete": 1},
        dataverse={BOOKING_READ: 1, BOOKING_WRITE: 1},
        echo_reads=2,
    )


@if_match
@pytest.mark.parametrize("burst", FOUR)
async def test_a_work_order_reworded_costs_a_list_and_for_each_booking_a_read_and_its_event_read_and_written(
    burst: dict[str, Any], if_match: str
) -> None:
    """The event is read for its body, which is not ours alone."""
    tenant = await dispatch(burst, if_match=if_match)
    await planned(tenant)
    await reword(tenant, msdyn_workordersummary="Bring the long ladder")
    await tenant.settle()
    assert_cost(
        tenant,
        graph={"event.get": 2, "event.update": 2},
        dataverse={BOOKING_LIST: 1, BOOKING_READ: 2},
        echo_reads=unknown_echoes(burst, events=2),
    )


async def test_a_work_order_changed_in_what_no_event_shows_costs_nothing() -> None:
    tenant = await dispatch({})
    await planned(tenant)
    await reword(tenant, msdyn_instructions="The key is with the neighbour")
    await tenant.settle()
    assert not tenant.graph_calls
    assert not tenant.dataverse_calls


async def reword(tenant: DispatchTenant, **columns: object) -> None:
    order = tenant.visit().work_order
    assert order is not None
    await tenant.patch(f"msdyn_workorders({order.work_order_id})", **columns)


async def move_in_outlook(tenant: Tenant) -> None:
    await tenant.move_event(tenant.visit())


async def delete_in_outlook(tenant: Tenant) -> None:
    await tenant.delete_event(tenant.visit())


@pytest.mark.parametrize(
    ("act", "on_deletion", "dataverse"),
    [
        (move_in_outlook, OnDeletion.CANCEL, {BOOKING_WRITE: 1}),
        (delete_in_outlook, OnDeletion.CANCEL, {BOOKING_READ: 1, BOOKING_WRITE: 1}),
        (delete_in_outlook, OnDeletion.DELETE, {BOOKING_READ: 1, "bookableresourcebookings.delete": 1}),
    ],
    ids=["moved", "cancelled", "deleted"],
)
@pytest.mark.parametrize("repeat", [0.0, 1.0], ids=["once", "twice"])
async def test_the_webhook_of_our_own_write_costs_no_call(
    act: Callable[[Tenant], Awaitable[None]], on_deletion: OnDeletion, dataverse: dict[str, int], repeat: float
) -> None:
    """The row that means cancelled is looked up once an hour and process on top."""
    tenant = await Tenant.small(burst=1, repeat=0.0)
    tenant.rules = replace(tenant.rules, policy=Policy(on_deletion=on_deletion))
    tenant.switch_dataverse(webhook_repeat=repeat)
    delivered = tenant.dataverse.webhooks.counts["delivered"]
    await act(tenant)
    await tenant.settle()
    assert tenant.dataverse.webhooks.counts["delivered"] - delivered == 1 + repeat
    calls = Counter({kind: n for kind, n in tenant.dataverse_calls.items() if kind.startswith("bookable")})
    assert calls == dataverse
    assert tenant.graph_calls.total() <= 2, tenant.graph_calls


IDLE_SWEEP = {"bookableresourcebookings.delta": 1, BOOKING_LIST: 1}
"""Change tracking for the bookings, and a list for those whose work order was changed."""


async def test_an_idle_sweep_of_the_bookings_costs_one_delta_read_and_one_list() -> None:
    tenant = await Tenant.small()
    await tenant.sweep_bookings()
    await tenant.settle()
    assert tenant.dataverse_calls == IDLE_SWEEP
    assert not tenant.graph_calls


async def test_a_sweep_of_the_bookings_after_webhooks_did_their_work_costs_one_delta_read_and_one_list() -> None:
    """What came to Outlook by a webhook, and what we wrote ourselves, the sweep sees in its round, and knows."""
    tenant = await dispatch({})
    for act in (rename, begin_to_travel, move_on, hand_to_a_colleague):
        await act(tenant, await planned(tenant))
    await tenant.delete(await planned(tenant))
    await reword(tenant, msdyn_workordersummary="Bring the long ladder")
    await tenant.move_event(tenant.visit(index=1))
    await tenant.settle()
    tenant.forget_costs()
    await tenant.sweep_bookings()
    await tenant.settle()
    assert tenant.dataverse_calls == IDLE_SWEEP
    assert not tenant.graph_calls


async def move_on(tenant: DispatchTenant, booking_id: str) -> None:
    await tenant.move(booking_id, MONDAY + 15 * HOUR)


async def hand_to_a_colleague(tenant: DispatchTenant, booking_id: str) -> None:
    await tenant.reassign(booking_id, tenant.sample.technicians[4])
