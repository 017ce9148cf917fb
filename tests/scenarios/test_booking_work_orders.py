"""Changes of work orders that Dynamics did not tell of: the sweep of the bookings brings them to the events."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from local.switchboard import Fault
from sync.core.errors import ServiceUnavailable
from sync.core.work import BOOKING_CHANGES_QUEUE
from sync.service.booking_sweep import sweep_bookings
from sync.service.ports import Ports
from tests.dispatching import DAY, HOUR, MONDAY, DispatchTenant

NOON = MONDAY + 12 * HOUR
LADDER = "Bring the long ladder"
LIST = "bookableresourcebookings.query"
READ = "bookableresourcebookings.get"


async def a_tenant() -> DispatchTenant:
    """One that has stood still for an hour, so that nothing of its start is recent, and whose webhooks are lost now."""
    tenant = await DispatchTenant.open(3, 4)
    tenant.dynamics(webhook_lose=1.0)
    await tenant.run_timers(HOUR)
    tenant.forget_costs()
    return tenant


async def a_visit(tenant: DispatchTenant, start_at: datetime = NOON) -> str:
    """A booking of the work order that `describe` changes, with its event."""
    tenant.dynamics(webhook_lose=0.0)
    booking_id, _ = await tenant.booked(start_at=start_at, work_order=tenant.sample.work_orders[4])
    await tenant.run_timers(HOUR)
    tenant.dynamics(webhook_lose=1.0)
    tenant.forget_costs()
    return booking_id


async def describe(tenant: DispatchTenant, summary: str = LADDER) -> None:
    """Somebody changes what is to be done."""
    order = tenant.sample.work_orders[4]
    await tenant.patch(f"msdyn_workorders({order.work_order_id})", msdyn_workordersummary=summary)


async def says(tenant: DispatchTenant, booking_id: str, summary: str = LADDER) -> bool:
    return summary in (await tenant.event_of(booking_id))["body"]["content"]


async def sweep(tenant: DispatchTenant, ports: Ports | None = None) -> None:
    await sweep_bookings(ports or tenant.ports, tenant.rules)
    await tenant.settle()


async def test_a_work_order_changed_unheard_reaches_the_events_of_all_its_bookings_by_the_next_sweep() -> None:
    tenant = await a_tenant()
    visits = [await a_visit(tenant, NOON + index * DAY) for index in range(3)]
    await describe(tenant)
    await tenant.settle()
    assert not any([await says(tenant, one) for one in visits])
    await sweep(tenant)
    assert all([await says(tenant, one) for one in visits])
    assert tenant.graph_calls["event.update"] == tenant.dataverse_calls[READ] == 3
    await tenant.assert_converged()


async def test_a_work_order_whose_webhook_came_costs_no_sweep_a_message() -> None:
    tenant = await a_tenant()
    booking_id = await a_visit(tenant)
    tenant.dynamics(webhook_lose=0.0)
    await describe(tenant)
    await tenant.settle()
    assert await says(tenant, booking_id)
    tenant.forget_costs()
    for _ in range(3):
        await sweep(tenant)
    assert tenant.dataverse_calls == {"bookableresourcebookings.delta": 3, LIST: 3}
    assert not tenant.graph_calls
    assert not tenant.journal.entries


async def test_a_change_that_no_event_shows_costs_a_sweep_no_message() -> None:
    tenant = await a_tenant()
    await a_visit(tenant)
    order = tenant.sample.work_orders[4]
    await tenant.patch(f"msdyn_workorders({order.work_order_id})", msdyn_instructions="The key is with the neighbour")
    await sweep(tenant)
    assert tenant.dataverse_calls == {"bookableresourcebookings.delta": 1, LIST: 1}
    assert not tenant.journal.entries


@pytest.mark.parametrize("minutes", [-9, 9], ids=["slow", "fast"])
async def test_a_change_is_found_although_our_clock_is_not_that_of_dataverse(minutes: int) -> None:
    tenant = await a_tenant()
    booking_id = await a_visit(tenant)
    ports = replace(tenant.ports, clock=lambda: tenant.clock.now() + timedelta(minutes=minutes))
    await sweep(tenant, ports)
    await describe(tenant)
    tenant.clock.advance(60)
    await sweep(tenant, ports)
    assert await says(tenant, booking_id)


async def test_a_change_made_while_the_sweep_was_away_for_days_is_found_though_the_token_has_expired() -> None:
    tenant = await a_tenant()
    booking_id = await a_visit(tenant, NOON + 20 * DAY)
    await describe(tenant)
    tenant.clock.advance((9 * DAY).total_seconds())
    await sweep(tenant)
    assert await says(tenant, booking_id)


async def move(tenant: DispatchTenant, booking_id: str) -> None:
    await tenant.move(booking_id, NOON + 3 * HOUR)


async def rename(tenant: DispatchTenant, booking_id: str) -> None:
    await tenant.change(booking_id, name="A name that no event shows")


@pytest.mark.parametrize("act", [move, rename])
async def test_a_booking_changed_together_with_its_work_order_is_queued_once(
    act: Callable[[DispatchTenant, str], Awaitable[None]],
) -> None:
    tenant = await a_tenant()
    booking_id = await a_visit(tenant)
    await describe(tenant)
    await act(tenant, booking_id)
    assert await sweep_bookings(tenant.ports, tenant.rules) == Counter(changed=1)
    assert len(tenant.queue.messages(BOOKING_CHANGES_QUEUE)) == 1
    await tenant.settle()
    assert await says(tenant, booking_id)
    assert tenant.dataverse_calls[READ] == 1


async def test_a_visit_that_was_moved_far_ahead_and_keeps_its_event_is_told_too() -> None:
    tenant = await a_tenant()
    booking_id = await a_visit(tenant)
    await tenant.move(booking_id, NOON + 150 * DAY)
    await tenant.run_timers(HOUR)
    await describe(tenant)
    await sweep(tenant)
    assert await says(tenant, booking_id)


async def test_visits_that_are_over_keep_what_they_said() -> None:
    tenant = await a_tenant()
    booking_id = await a_visit(tenant, tenant.clock.now() + HOUR)
    await tenant.run_timers(2 * HOUR)
    await describe(tenant)
    await sweep(tenant)
    assert not await says(tenant, booking_id)
    assert not tenant.dataverse_calls[READ]


async def test_bookings_without_an_event_are_not_looked_at() -> None:
    """Those that are to have one are found as themselves: not yet in the window, or of nobody with a mailbox."""
    tenant = await a_tenant()
    order = tenant.sample.work_orders[4]
    await tenant.book(NOON + 300 * DAY, work_order=order)
    await tenant.book(NOON, work_order=order, technician=tenant.sample.technicians[0])
    await tenant.run_timers(HOUR)
    tenant.forget_costs()
    await describe(tenant)
    await sweep(tenant)
    assert tenant.dataverse_calls == {"bookableresourcebookings.delta": 1, LIST: 1}
    assert not tenant.journal.entries


async def test_an_event_of_which_nothing_is_known_is_let_be_until_its_booking_changes() -> None:
    """A copy that took the place of the event that we wrote: its text is its technician's until then."""
    tenant = await a_tenant()
    booking_id = await a_visit(tenant)
    link = await tenant.state.find_link(booking_id)
    assert link is not None
    await tenant.state.save_link(replace(link, written={}))
    await describe(tenant)
    await sweep(tenant)
    assert not tenant.graph_calls["event.update"]
    await tenant.move(booking_id, MONDAY + 16 * HOUR)
    await sweep(tenant)
    assert await says(tenant, booking_id)
    await tenant.assert_converged()


async def test_the_first_sweep_of_all_asks_for_no_work_orders() -> None:
    tenant = await a_tenant()
    await tenant.state.delete_booking_cursor()
    await sweep(tenant)
    assert not tenant.dataverse_calls[LIST]


async def test_a_sweep_that_cannot_ask_for_work_orders_begins_at_the_same_place_again() -> None:
    tenant = await a_tenant()
    booking_id = await a_visit(tenant)
    await describe(tenant)
    cursor = await tenant.state.find_booking_cursor()
    tenant.dataverse.switchboard.faults.append(Fault(kind=LIST, times=None, status=503))
    with pytest.raises(ServiceUnavailable):
        await sweep_bookings(tenant.ports, tenant.rules)
    assert await tenant.state.find_booking_cursor() == cursor
    tenant.dataverse.switchboard.faults.clear()
    await tenant.run_timers(HOUR)
    assert await says(tenant, booking_id)


async def test_a_sweep_that_cannot_queue_what_a_work_order_changed_begins_at_the_same_place_again() -> None:
    tenant = await a_tenant()
    booking_id = await a_visit(tenant)
    await describe(tenant)
    cursor = await tenant.state.find_booking_cursor()
    tenant.queue.fail_next("put", ServiceUnavailable("the queue is not there"))
    with pytest.raises(ServiceUnavailable):
        await sweep_bookings(tenant.ports, tenant.rules)
    assert await tenant.state.find_booking_cursor() == cursor
    tenant.clock.advance(HOUR.total_seconds())
    await sweep(tenant)
    assert await says(tenant, booking_id)
