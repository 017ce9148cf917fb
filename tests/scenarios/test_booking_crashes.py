"""The worker that brings a booking to Outlook dies, after each await in turn: who follows ends it in the same state.

Its message comes back when its visibility ends; or it is lost with it, and the next sweep finds what was left undone.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from typing import Any

import pytest

from local.sample import Technician
from tests.dispatching import HOUR, MONDAY
from tests.interleaving import MortalTenant, every_point

START = MONDAY + 12 * HOUR
HERE, THERE = 3, 4
"""Two technicians of the sample."""


@dataclass(frozen=True, slots=True)
class Act:
    """What the dispatcher does, to a booking that is delivered already unless he `creates` it.

    `is_elsewhere` and `has_event` say how it ends.
    """

    do: Callable[[MortalTenant, str], Awaitable[None]]
    is_elsewhere: bool = False
    has_event: bool = True
    creates: bool = False


def there(tenant: MortalTenant) -> Technician:
    return tenant.sample.technicians[THERE]


async def nothing(_: MortalTenant, __: str) -> None:
    """It was enough to book it."""


async def move(tenant: MortalTenant, booking_id: str) -> None:
    await tenant.move(booking_id, START + 3 * HOUR)


async def change_what_is_to_be_done(tenant: MortalTenant, _: str) -> None:
    order = tenant.sample.work_orders[4]
    await tenant.patch(f"msdyn_workorders({order.work_order_id})", msdyn_workordersummary="Bring the long ladder")


async def move_and_change(tenant: MortalTenant, booking_id: str) -> None:
    await change_what_is_to_be_done(tenant, booking_id)
    await move(tenant, booking_id)


async def cancel(tenant: MortalTenant, booking_id: str) -> None:
    await tenant.put(booking_id, "Canceled")


async def delete(tenant: MortalTenant, booking_id: str) -> None:
    await tenant.delete(booking_id)


async def reassign(tenant: MortalTenant, booking_id: str) -> None:
    await tenant.reassign(booking_id, there(tenant))


async def reassign_and_move(tenant: MortalTenant, booking_id: str) -> None:
    await tenant.reassign(booking_id, there(tenant))
    await move(tenant, booking_id)


async def reassign_to_and_fro(tenant: MortalTenant, booking_id: str) -> None:
    """The first worker sees it there, the next one here again, perhaps."""
    await tenant.reassign(booking_id, there(tenant))
    await tenant.settle(limit=timedelta(seconds=5))
    await tenant.reassign(booking_id, tenant.technician)


async def move_what_the_technician_deletes(tenant: MortalTenant, booking_id: str) -> None:
    await tenant.drop_event(await tenant.event_of(booking_id))
    await move(tenant, booking_id)


ACTS = {
    "create": Act(nothing, creates=True),
    "move": Act(move),
    "change-what-is-to-be-done": Act(change_what_is_to_be_done),
    "move-and-change": Act(move_and_change),
    "cancel": Act(cancel, has_event=False),
    "delete": Act(delete, has_event=False),
    "reassign": Act(reassign, is_elsewhere=True),
    "reassign-and-move": Act(reassign_and_move, is_elsewhere=True),
    "reassign-to-and-fro": Act(reassign_to_and_fro),
    "move-what-the-technician-deletes": Act(move_what_the_technician_deletes),
}


async def run(act: Act, fatal: int, *, loses_messages: bool = False, **switches: Any) -> tuple[MortalTenant, str]:
    """Let a worker die at the `fatal`-th point of what it does about an act, and others take over."""
    tenant = await MortalTenant.open(HERE, THERE, **switches)
    tenant.loses_messages = loses_messages
    if act.creates:
        tenant.arm(fatal)
    booking_id = await tenant.book(START, work_order=tenant.sample.work_orders[4])
    if not act.creates:
        await tenant.settle()
        tenant.arm(fatal)
    await act.do(tenant, booking_id)
    await tenant.settle()
    tenant.watch(None)
    if loses_messages:
        await tenant.run_timers(timedelta(minutes=15))
    return tenant, booking_id


async def assert_ended(tenant: MortalTenant, booking_id: str, act: Act) -> None:
    if not act.has_event:
        await tenant.assert_without_event(booking_id)
    else:
        event = await tenant.assert_delivered(booking_id, there(tenant) if act.is_elsewhere else tenant.technician)
        order = tenant.sample.work_orders[4]
        row = await tenant.dispatcher.get(f"/msdyn_workorders({order.work_order_id})?$select=msdyn_workordersummary")
        assert escape(row.json()["msdyn_workordersummary"]) in event["body"]["content"]
    await tenant.assert_at_rest()


GUARDED = ["move", "cancel", "reassign-and-move"]
"""What is written without a look where Graph honours etags."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "if_match"),
    [pytest.param(act, "ignore", id=name) for name, act in ACTS.items()]
    + [pytest.param(ACTS[name], "enforce", id=f"{name}-guarded") for name in GUARDED],
)
async def test_a_worker_killed_after_any_await_leaves_nothing_that_redelivery_does_not_end(
    act: Act, if_match: str
) -> None:
    for fatal in every_point():
        tenant, booking_id = await run(act, fatal, if_match=if_match)
        try:
            await assert_ended(tenant, booking_id, act)
        except AssertionError as error:
            error.add_note(f"killed at point {fatal}")
            raise
        if not tenant.deaths:
            assert fatal > 10, "the worker hardly ever waited: nothing was tested"
            return


@pytest.mark.slow
@pytest.mark.parametrize("act", [pytest.param(act, id=name) for name, act in ACTS.items()])
async def test_a_worker_killed_with_its_message_after_any_await_leaves_nothing_that_the_next_sweep_does_not_end(
    act: Act,
) -> None:
    for fatal in every_point():
        tenant, booking_id = await run(act, fatal, loses_messages=True)
        try:
            await assert_ended(tenant, booking_id, act)
        except AssertionError as error:
            error.add_note(f"killed at point {fatal}")
            raise
        if not tenant.deaths:
            assert fatal > 10, "the worker hardly ever waited: nothing was tested"
            return


@pytest.mark.slow
async def test_a_booking_deleted_after_its_worker_was_killed_leaves_no_event_though_nobody_told_of_either() -> None:
    """There may be an event that is in no table of ours: the sweep of the bookings alone knows of the deletion."""
    for fatal in every_point():
        tenant = await MortalTenant.open(HERE, lose=1.0)
        tenant.dynamics(webhook_lose=1.0)
        tenant.loses_messages = True
        booking_id = await tenant.book(START, work_order=tenant.sample.work_orders[4])
        await tenant.sweep_bookings()
        tenant.arm(fatal)
        await tenant.settle()
        tenant.watch(None)
        tenant.clock.advance(tenant.rules.timing.lease.total_seconds())
        await tenant.delete(booking_id)
        await tenant.sweep_bookings()
        await tenant.settle()
        try:
            await tenant.assert_without_event(booking_id)
            await tenant.assert_at_rest()
        except AssertionError as error:
            error.add_note(f"killed at point {fatal}")
            raise
        if not tenant.deaths:
            assert fatal > 10, "the worker hardly ever waited: nothing was tested"
            return
