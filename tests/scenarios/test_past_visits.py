"""A technician tidies up, or a policy archives: events of visits that are over go, and their bookings stay as they are.

The other direction, a past booking that ends in Dynamics, is in `test_booking_endings.py`.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sync.core.rules import Rules
from tests.dispatching import DAY, DispatchTenant

WEEK = 7 * DAY


def follow_past(rules: Rules) -> Rules:
    return replace(rules, policy=replace(rules.policy, keeps_past_events=False))


async def over(later: timedelta = WEEK, **choices: Any) -> tuple[DispatchTenant, str, dict[str, Any]]:
    """A tenant with a visit that was never put to another status, so much later, when all has been swept in full."""
    tenant = await DispatchTenant.open(**choices)
    booking_id, event = await tenant.booked()
    await pass_time(tenant, later)
    return tenant, booking_id, event


async def pass_time(tenant: DispatchTenant, span: timedelta) -> None:
    tenant.clock.advance(span.total_seconds())
    await tenant.maintain()
    await tenant.settle()
    await tenant.sweep(is_full=True)
    await tenant.settle()
    tenant.forget_costs()


async def assert_stands(tenant: DispatchTenant, booking_id: str) -> None:
    """The booking is as it was, and nothing is in its calendar."""
    row = await tenant.row(booking_id)
    assert row["status"] == "Scheduled"
    assert row["bks_eventid"], "it says that it had an event"
    assert await tenant.events(booking_id) == []
    assert not tenant.app_writes
    assert not tenant.letters.letters


@pytest.mark.parametrize("deleted_get", ["404", "200"])
@pytest.mark.parametrize("is_heard", [True, False], ids=["notified", "swept"])
async def test_last_weeks_event_is_deleted_and_its_booking_stays(deleted_get: str, *, is_heard: bool) -> None:
    tenant, booking_id, event = await over(timedelta(days=6), deleted_get=deleted_get, lose=0.0 if is_heard else 1.0)
    await tenant.drop_event(event)
    await tenant.settle()
    await tenant.sweep(is_full=not is_heard)
    await tenant.settle()
    await assert_stands(tenant, booking_id)
    assert tenant.entries("end-event")[0].reason == "event-is-past"


async def test_an_event_is_archived_that_the_app_has_long_forgotten() -> None:
    tenant, booking_id, event = await over(730 * DAY)
    assert await tenant.state.find_link(booking_id) is None
    await tenant.drop_event(event)
    await tenant.settle()
    await assert_stands(tenant, booking_id)


async def test_a_past_event_ends_its_booking_where_that_is_set() -> None:
    tenant, booking_id, event = await over(choose=follow_past)
    await tenant.drop_event(event)
    await tenant.settle()
    assert (await tenant.row(booking_id))["status"] == "Canceled"


async def test_nothing_brings_back_an_event_that_was_tidied_up() -> None:
    """Neither a change of its booking, as of one that is reported on, nor full rounds, nor lost tables."""
    tenant, booking_id, event = await over(timedelta(days=6))
    await tenant.drop_event(event)
    await tenant.settle()
    await tenant.change(booking_id, name="Visit, reported")
    await tenant.settle()
    await assert_stands(tenant, booking_id)
    await pass_time(tenant, timedelta(hours=1))
    await assert_stands(tenant, booking_id)
    tenant.state.lose_everything()
    await pass_time(tenant, timedelta(hours=1))
    await assert_stands(tenant, booking_id)


@pytest.mark.parametrize("wait", [timedelta(minutes=5), 10 * WEEK], ids=["at once", "long after"])
async def test_a_visit_that_was_tidied_up_and_is_planned_anew_gets_a_new_event(wait: timedelta) -> None:
    """And is not cancelled for the event that had gone before."""
    tenant, booking_id, event = await over(timedelta(days=6))
    await tenant.drop_event(event)
    await tenant.settle()
    await pass_time(tenant, wait)
    await tenant.move(booking_id, tenant.clock.now() + WEEK)
    await tenant.settle()
    await pass_time(tenant, timedelta(hours=1))
    again = await tenant.event_of(booking_id)
    assert again["id"] != event["id"]
    row = await tenant.row(booking_id)
    assert (row["status"], row["bks_eventid"]) == ("Scheduled", again["id"])
    await tenant.assert_converged()
