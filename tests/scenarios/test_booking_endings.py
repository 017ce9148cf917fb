"""A booking ends in Dynamics, or is nobody's any more: its event goes, comes back, or stays where that was chosen.

Deletions that something stands in the way of are in `test_booking_deletions.py`, floods in `test_booking_floods.py`.
"""

from dataclasses import replace
from typing import Any

import pytest

from local.sample import guid
from sync.core.reconcile import OnCancellation, Scope
from sync.core.rules import Rules
from tests.dispatching import DAY, HOUR, MONDAY, DispatchTenant, starts_at
from tests.tenant import wire

NOON = MONDAY + 12 * HOUR

cancelled = pytest.mark.parametrize("status", ["Canceled", "No Show"])


def keep_cancelled(rules: Rules) -> Rules:
    return replace(rules, policy=replace(rules.policy, on_cancellation=OnCancellation.KEEP))


def remove_past(rules: Rules) -> Rules:
    return replace(rules, policy=replace(rules.policy, keeps_past_events=False))


def work_orders_only(rules: Rules) -> Rules:
    return replace(rules, policy=replace(rules.policy, scope=Scope.WORK_ORDERS))


def shown(event: dict[str, Any]) -> tuple[str, str]:
    return event["subject"], event["showAs"]


@cancelled
async def test_a_cancelled_booking_loses_its_event(status: str) -> None:
    """Also by a status of the customer's own that means cancelled."""
    tenant = await DispatchTenant.open()
    booking_id, _ = await tenant.booked()
    await tenant.put(booking_id, status)
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    row = await tenant.row(booking_id)
    assert (row["status"], row["bks_eventid"], row["bks_eventhash"]) == (status, None, None)
    assert tenant.app_writes == {"event.delete": 1, "bookableresourcebookings.update": 1}
    await tenant.assert_converged()


async def test_a_booking_that_is_cancelled_no_more_gets_a_new_event() -> None:
    tenant = await DispatchTenant.open()
    booking_id, event = await tenant.booked()
    await tenant.put(booking_id, "Canceled")
    await tenant.settle()
    await tenant.put(booking_id, "Scheduled")
    await tenant.settle()
    again = await tenant.event_of(booking_id)
    assert again["id"] != event["id"]
    assert (await tenant.row(booking_id))["bks_eventid"] == again["id"]
    assert shown(again) == shown(event)
    await tenant.assert_converged()


async def test_a_booking_cancelled_and_restored_within_seconds_has_one_event() -> None:
    """Neither of the two webhooks tells the end; reading does."""
    tenant = await DispatchTenant.open()
    booking_id, event = await tenant.booked()
    await tenant.put(booking_id, "Canceled")
    await tenant.put(booking_id, "Scheduled")
    await tenant.settle()
    assert (await tenant.event_of(booking_id))["id"] == event["id"]
    assert not tenant.app_writes
    await tenant.assert_converged()


@cancelled
async def test_a_cancelled_booking_keeps_its_event_as_cancelled_and_free_where_that_is_set(status: str) -> None:
    tenant = await DispatchTenant.open(choose=keep_cancelled)
    booking_id, event = await tenant.booked()
    await tenant.put(booking_id, status)
    await tenant.settle()
    kept = await tenant.event_of(booking_id)
    assert kept["id"] == event["id"]
    assert shown(kept) == ("Cancelled: Visit", "free")
    assert (await tenant.row(booking_id))["bks_eventid"] == event["id"]
    await tenant.assert_converged()

    await tenant.put(booking_id, "Scheduled")
    await tenant.settle()
    restored = await tenant.event_of(booking_id)
    assert (restored["id"], shown(restored)) == (event["id"], shown(event))
    await tenant.assert_converged()


async def test_a_kept_event_that_its_technician_deletes_comes_back_with_the_booking() -> None:
    """Tidying up a cancelled visit says nothing about one that takes place after all."""
    tenant = await DispatchTenant.open(choose=keep_cancelled)
    booking_id, event = await tenant.booked()
    await tenant.put(booking_id, "Canceled")
    await tenant.settle()
    await tenant.drop_event(event)
    await tenant.settle()
    assert (await tenant.row(booking_id))["bks_eventid"] is None
    await tenant.put(booking_id, "Scheduled")
    await tenant.settle()
    assert shown(await tenant.event_of(booking_id)) == shown(event)
    await tenant.assert_converged()


@pytest.mark.parametrize("choose", [None, keep_cancelled], ids=["remove", "keep"])
async def test_a_booking_made_as_cancelled_gets_no_event(choose: Any) -> None:
    tenant = await DispatchTenant.open(choose=choose)
    booking_id = await tenant.book(status="Canceled")
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    assert not tenant.app_writes


async def test_a_deleted_booking_takes_its_event_with_it() -> None:
    """One read of the booking and one of the event are the witnesses; the deletion is the only write."""
    tenant = await DispatchTenant.open()
    booking_id, _ = await tenant.booked()
    await tenant.delete(booking_id)
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    assert tenant.app_writes == {"event.delete": 1}
    assert tenant.dataverse_calls == {"bookableresourcebookings.get": 1}
    assert await tenant.state.find_link(booking_id) is None
    assert not tenant.letters.letters
    await tenant.assert_converged()


@pytest.mark.parametrize("ending", ["delete", "cancel"])
async def test_the_event_of_a_past_booking_stays_and_is_followed_no_more(ending: str) -> None:
    """It is the technician's record of the day, unless the customer chose otherwise."""
    tenant = await DispatchTenant.open()
    booking_id, event = await tenant.booked()
    tenant.clock.advance(7 * DAY.total_seconds())
    await tenant.sweep()
    await tenant.settle()
    await (tenant.delete(booking_id) if ending == "delete" else tenant.put(booking_id, "Canceled"))
    await tenant.settle()
    assert (await tenant.event_of(booking_id))["id"] == event["id"]
    assert await tenant.state.find_link(booking_id) is None
    if ending == "cancel":
        assert (await tenant.row(booking_id))["bks_eventid"] is None
    assert "event-is-past" in [entry.reason for entry in tenant.journal.entries]

    await tenant.rewrite_event(event, start=wire(NOON - HOUR), end=wire(NOON))
    await tenant.settle()
    assert not [kind for kind in tenant.app_writes if kind.startswith("event.")]
    assert not tenant.letters.letters
    await tenant.assert_converged()


@pytest.mark.parametrize("ending", ["delete", "cancel"])
async def test_the_event_of_a_past_booking_goes_where_that_is_set(ending: str) -> None:
    tenant = await DispatchTenant.open(choose=remove_past)
    booking_id, _ = await tenant.booked()
    tenant.clock.advance(7 * DAY.total_seconds())
    await (tenant.delete(booking_id) if ending == "delete" else tenant.put(booking_id, "Canceled"))
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    await tenant.assert_converged()


async def test_a_booking_given_to_equipment_loses_its_event_and_says_why() -> None:
    tenant = await DispatchTenant.open()
    booking_id, _ = await tenant.booked()
    await tenant.change(booking_id, **{"Resource@odata.bind": f"/bookableresources({guid('resource:Crane 1')})"})
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    assert (await tenant.row(booking_id))["bks_eventid"] is None
    assert await tenant.undelivered(booking_id) == "The booked resource is not a user with a mailbox."
    await tenant.assert_converged()

    await tenant.reassign(booking_id, tenant.technician)
    await tenant.settle()
    assert len(await tenant.events(booking_id)) == 1
    assert await tenant.undelivered(booking_id) == ""
    await tenant.assert_converged()


async def test_a_resource_that_becomes_a_contact_loses_events_with_the_next_change_of_each_booking() -> None:
    """Nothing tells of a change of the resource's own row; nothing else about the event is touched meanwhile."""
    tenant = await DispatchTenant.open()
    booking_id, event = await tenant.booked()
    await tenant.patch(f"bookableresources({tenant.technician.resource_id})", resourcetype=2)
    await tenant.sweep(is_full=True)
    await tenant.settle()
    assert (await tenant.event_of(booking_id))["id"] == event["id"]
    await tenant.move(booking_id, NOON + HOUR)
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    assert await tenant.undelivered(booking_id) == "The booked resource is not a user with a mailbox."


async def test_a_disabled_users_calendar_stays_as_it_is() -> None:
    """People who left have calendars that others still read; deleting their bookings clears them all the same."""
    tenant = await DispatchTenant.open()
    booking_id, _ = await tenant.booked()
    await disable(tenant, is_disabled=True)
    await tenant.move(booking_id, NOON + HOUR)
    new_id = await tenant.book(NOON + 3 * HOUR)
    await tenant.settle()
    assert starts_at(await tenant.event_of(booking_id)) == NOON
    assert await tenant.events(new_id) == []
    assert not tenant.app_writes
    assert "user-disabled" in [entry.reason for entry in tenant.journal.entries]
    await tenant.delete(booking_id)
    await tenant.settle()
    assert await tenant.events(booking_id) == []


async def test_a_user_enabled_again_gets_what_was_moved_meanwhile() -> None:
    tenant = await DispatchTenant.open()
    booking_id, _ = await tenant.booked()
    await disable(tenant, is_disabled=True)
    await tenant.move(booking_id, NOON + HOUR)
    await tenant.run_timers(2 * HOUR)
    await disable(tenant, is_disabled=False)
    await tenant.run_timers(4 * DAY, every=12 * HOUR)
    assert starts_at(await tenant.event_of(booking_id)) == NOON + HOUR


async def test_a_user_enabled_again_gets_what_was_booked_meanwhile() -> None:
    tenant = await DispatchTenant.open()
    await disable(tenant, is_disabled=True)
    booking_id = await tenant.book()
    await tenant.run_timers(2 * HOUR)
    await disable(tenant, is_disabled=False)
    await tenant.run_timers(4 * DAY, every=12 * HOUR)
    assert len(await tenant.events(booking_id)) == 1


async def disable(tenant: DispatchTenant, *, is_disabled: bool) -> None:
    await tenant.patch(f"systemusers({tenant.technician.system_user_id})", isdisabled=is_disabled)


async def test_a_booking_that_leaves_the_scope_loses_its_event_and_gets_a_new_one_when_it_returns() -> None:
    """Where only bookings of work orders are in scope, a booking whose work order is taken off it has no event."""
    tenant = await DispatchTenant.open(choose=work_orders_only)
    order = tenant.sample.work_orders[0]
    bare_id = await tenant.book(NOON + 2 * HOUR)
    booking_id, _ = await tenant.booked(work_order=order)
    assert await tenant.events(bare_id) == []
    answer = await tenant.dispatcher.delete(f"/bookableresourcebookings({booking_id})/msdyn_workorder/$ref")
    assert answer.status_code == 204, answer.text
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    assert await tenant.undelivered(booking_id) == ""
    await tenant.assert_converged()
    await tenant.change(booking_id, **{"msdyn_workorder@odata.bind": f"/msdyn_workorders({order.work_order_id})"})
    await tenant.settle()
    assert len(await tenant.events(booking_id)) == 1
    await tenant.assert_converged()
