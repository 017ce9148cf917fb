"""The days around now in which bookings get events. It rolls, and nobody has to touch a booking for it.

With the default settings new events are made seven days back and six weeks ahead, and up to three days further.
"""

from datetime import datetime, timedelta

import pytest

from tests.dispatching import DAY, HOUR, MONDAY, DispatchTenant, starts_at
from tests.hosted_app import START
from tests.tenant import wire

FUTURE = timedelta(days=42)
AGEING = timedelta(days=3)
"""A window is made that much longer than wanted, so that it need not be renewed every day."""

NOON = MONDAY + 12 * HOUR


def days_ahead(days: float) -> datetime:
    return START.replace(hour=12) + timedelta(days=days)


async def test_a_booking_made_weeks_ahead_enters_the_window_with_no_edit_by_anybody() -> None:
    tenant = await DispatchTenant.open()
    start_at = days_ahead(60)
    booking_id = await tenant.book(start_at)
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    assert tenant.dataverse_calls == {"bookableresourcebookings.get": 1}
    assert not tenant.app_writes
    while tenant.clock.now() < start_at - FUTURE - AGEING - DAY:
        await tenant.run_timers(DAY, every=DAY)
        assert await tenant.events(booking_id) == []
    await tenant.run_timers(start_at - FUTURE - tenant.clock.now(), every=12 * HOUR)
    assert starts_at(await tenant.event_of(booking_id)) == start_at
    assert [entry.source for entry in tenant.entries("create-event")] == ["sweep"]
    await tenant.assert_converged()


async def test_bookings_outside_the_window_cost_nothing_while_time_passes() -> None:
    tenant = await DispatchTenant.open()
    for index in range(5):
        await tenant.book(days_ahead(300 + index))
    await tenant.run_timers(10 * DAY, every=DAY)
    assert tenant.dataverse_calls["bookableresourcebookings.get"] == 5, "once each, when they were made"
    assert not tenant.app_writes


async def test_a_booking_whose_webhook_was_lost_enters_the_window_like_any_other() -> None:
    tenant = await DispatchTenant.open()
    tenant.dynamics(webhook_lose=1.0)
    start_at = days_ahead(50)
    booking_id = await tenant.book(start_at)
    await tenant.run_timers(DAY, every=12 * HOUR)
    assert await tenant.events(booking_id) == []
    await tenant.run_timers(8 * DAY, every=12 * HOUR)
    assert starts_at(await tenant.event_of(booking_id)) == start_at


async def test_a_far_booking_moved_into_the_window_gets_its_event_at_once() -> None:
    tenant = await DispatchTenant.open()
    booking_id = await tenant.book(days_ahead(100))
    await tenant.settle()
    await tenant.move(booking_id, NOON)
    await tenant.settle()
    assert starts_at(await tenant.event_of(booking_id)) == NOON
    await tenant.assert_converged()


@pytest.mark.parametrize("start_at", [days_ahead(-8), days_ahead(50)], ids=["past", "future"])
async def test_a_booking_outside_the_window_gets_no_event(start_at: datetime) -> None:
    tenant = await DispatchTenant.open()
    booking_id = await tenant.book(start_at)
    await tenant.settle()
    await tenant.sweep(is_full=True)
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    assert await tenant.undelivered(booking_id) == "", "nothing is amiss"
    assert not tenant.app_writes


@pytest.mark.parametrize("start_at", [days_ahead(-6), days_ahead(41)], ids=["past", "future"])
async def test_a_booking_just_inside_the_window_gets_its_event(start_at: datetime) -> None:
    tenant = await DispatchTenant.open()
    booking_id = await tenant.book(start_at)
    await tenant.settle()
    assert starts_at(await tenant.event_of(booking_id)) == start_at
    await tenant.assert_converged()


async def test_a_visit_that_time_has_left_behind_keeps_its_event_and_is_still_followed() -> None:
    """Times that are corrected after the fact reach the calendar, and those of the calendar the booking."""
    tenant = await DispatchTenant.open()
    booking_id = await tenant.book(NOON)
    await tenant.settle()
    event = await tenant.event_of(booking_id)
    await tenant.run_timers(21 * DAY, every=DAY)
    assert (await tenant.event_of(booking_id))["id"] == event["id"]
    await tenant.move(booking_id, NOON + HOUR)
    await tenant.settle()
    assert starts_at(await tenant.event_of(booking_id)) == NOON + HOUR
    await tenant.rewrite_event(event, start=wire(NOON + 2 * HOUR), end=wire(NOON + 3 * HOUR))
    await tenant.settle()
    assert datetime.fromisoformat((await tenant.row(booking_id))["starttime"]) == NOON + 2 * HOUR
    await tenant.assert_converged()


@pytest.mark.parametrize("is_lost", [False, True], ids=["pushed", "swept"])
async def test_a_booking_moved_far_ahead_keeps_its_event_and_is_still_followed(*, is_lost: bool) -> None:
    tenant = await DispatchTenant.open()
    booking_id = await tenant.book(NOON)
    await tenant.settle()
    event = await tenant.event_of(booking_id)
    tenant.dynamics(webhook_lose=1.0 if is_lost else 0.0)
    for start_at in (days_ahead(150), days_ahead(200)):
        await tenant.move(booking_id, start_at)
        await tenant.run_timers(2 * HOUR, every=HOUR)
        moved = await tenant.event_of(booking_id)
        assert (moved["id"], starts_at(moved)) == (event["id"], start_at)
    await tenant.run_timers(10 * DAY, every=DAY)
    assert (await tenant.event_of(booking_id))["id"] == event["id"]
    await tenant.assert_converged()


async def test_an_event_dragged_far_ahead_takes_its_booking_along() -> None:
    tenant = await DispatchTenant.open()
    booking_id = await tenant.book(NOON)
    await tenant.settle()
    event = await tenant.event_of(booking_id)
    far = days_ahead(150)
    await tenant.rewrite_event(event, start=wire(far), end=wire(far + HOUR))
    await tenant.settle()
    assert datetime.fromisoformat((await tenant.row(booking_id))["starttime"]) == far
    await tenant.run_timers(5 * DAY, every=DAY)
    assert (await tenant.event_of(booking_id))["id"] == event["id"]
    await tenant.assert_converged()


async def reassigned_far_ahead(start_at: datetime) -> tuple[DispatchTenant, str]:
    """A tenant of two technicians, and a booking that had an event with the first when it was given to the second."""
    tenant = await DispatchTenant.open(3, 4)
    booking_id = await tenant.book(NOON)
    await tenant.settle()
    await tenant.move(booking_id, start_at)
    await tenant.settle()
    assert starts_at(await tenant.event_of(booking_id)) == start_at
    await tenant.reassign(booking_id, tenant.sample.technicians[4])
    await tenant.settle()
    return tenant, booking_id


async def test_a_booking_reassigned_outside_the_window_leaves_its_old_calendar_and_is_made_in_none() -> None:
    tenant, booking_id = await reassigned_far_ahead(days_ahead(60))
    assert await tenant.events(booking_id) == []
    assert await tenant.events(booking_id, tenant.sample.technicians[4]) == []
    assert (await tenant.row(booking_id))["bks_eventid"] is None
    await tenant.assert_converged()


async def test_a_booking_reassigned_outside_the_window_enters_it_in_its_new_calendar() -> None:
    start_at = days_ahead(60)
    tenant, booking_id = await reassigned_far_ahead(start_at)
    await tenant.run_timers(start_at - FUTURE - tenant.clock.now(), every=DAY)
    assert starts_at(await tenant.event_of(booking_id, tenant.sample.technicians[4])) == start_at


async def test_a_booking_moved_far_ahead_and_reassigned_in_one_change_is_moved_nowhere() -> None:
    """One read shows both; the old event goes as it was, and none is made."""
    tenant = await DispatchTenant.open(3, 4)
    booking_id = await tenant.book(NOON)
    await tenant.settle()
    tenant.forget_costs()
    second = tenant.sample.technicians[4]
    far = days_ahead(100)
    await tenant.change(
        booking_id,
        starttime=f"{far:%Y-%m-%dT%H:%M:%SZ}",
        endtime=f"{far + HOUR:%Y-%m-%dT%H:%M:%SZ}",
        **{"Resource@odata.bind": f"/bookableresources({second.resource_id})"},
    )
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    assert await tenant.events(booking_id, second) == []
    assert tenant.app_writes == {"event.delete": 1, "bookableresourcebookings.update": 1}
    await tenant.assert_converged()
