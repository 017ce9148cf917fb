"""What random histories have found, each as the shortest story that shows it, with the seed that told it first."""

from datetime import timedelta

import pytest

from local.switchboard import Fault
from sync.core.work import BOOKING_CHANGES_QUEUE
from sync.service.overwriting import OVERWRITING
from tests.dispatching import HOUR, MONDAY, DispatchTenant
from tests.interleaving import WatchedTenant, every_point
from tests.tenant import wire


async def test_an_event_that_was_just_made_is_not_missed_where_reads_are_old() -> None:
    """Seed 110. Filed in another calendar it is reported deleted, and neither read nor search know it yet."""
    tenant = await DispatchTenant.open(stale_read_seconds=60.0)
    booking_id = await tenant.book()
    await tenant.settle(limit=timedelta(seconds=8))
    named = (await tenant.row(booking_id))["bks_eventid"]
    move = {"mailbox_id": tenant.technician.mailbox_id, "event_id": named, "calendar": "Jobs"}
    await tenant.control_graph("/move-event", **move)
    await tenant.settle()
    assert (await tenant.row(booking_id))["status"] == "Scheduled"
    assert (await tenant.row(booking_id))["bks_eventid"] == named


async def test_a_new_booking_moved_at_once_has_one_event_where_reads_are_old() -> None:
    tenant = await DispatchTenant.open(stale_read_seconds=60.0)
    booking_id = await tenant.book()
    await tenant.settle(limit=timedelta(seconds=8))
    await tenant.move(booking_id, MONDAY + 15 * HOUR)
    await tenant.settle()
    tenant.switch(stale_read_seconds=0.0)
    event = await tenant.event_of(booking_id)
    assert event["start"]["dateTime"].startswith("2026-11-23T15:00")


async def test_the_losing_side_of_a_conflict_is_told_also_when_the_answer_to_the_write_is_lost() -> None:
    """Seed 146. Whoever takes up the work finds both sides equal, and could not tell any more."""
    tenant = await DispatchTenant.open()
    booking_id, event = await tenant.booked()
    tenant.dynamics(webhook_lose=1.0)
    await tenant.move(booking_id, MONDAY + 15 * HOUR)
    tenant.graph.switchboard.faults.append(Fault(kind="event.update", when="after", status=0))
    await tenant.rewrite_event(event, start=wire(MONDAY + 9 * HOUR), end=wire(MONDAY + 10 * HOUR))
    await tenant.settle()
    (told,) = tenant.entries(OVERWRITING)
    assert told.before == "2026-11-23 09:00 to 2026-11-23 10:00 UTC"
    assert told.after == "2026-11-23 15:00 to 2026-11-23 16:00 UTC"
    assert tenant.queue.messages(BOOKING_CHANGES_QUEUE) == []


@pytest.mark.slow
async def test_whatever_is_noted_about_the_former_event_while_the_new_one_is_made_there_is_one_in_the_end() -> None:
    """Seed 70. A link saved in between was taken for somebody else's event; ours was removed, and made again by a
    transaction id that Graph answered with the removed one, whose deletion then cancelled the booking.
    """
    for at in every_point():
        tenant = await WatchedTenant.open(3, 4, transaction_id="always")
        booking_id, _ = await tenant.booked()

        async def note(tenant: WatchedTenant = tenant, booking_id: str = booking_id) -> None:
            link = await tenant.state.find_link(booking_id)
            assert link is not None
            await tenant.state.save_link(link)

        await tenant.reassign(booking_id, tenant.sample.technicians[4])
        tenant.surprise(at, note)
        await tenant.settle()
        is_last = tenant.points < at
        tenant.watch(None)
        await tenant.assert_delivered(booking_id, tenant.sample.technicians[4])
        assert len(await tenant.marked_events(booking_id)) == 2, "one for each technician"
        if is_last:
            return


async def test_a_completed_visit_that_is_opened_again_gets_an_event_for_the_one_that_was_deleted() -> None:
    """Seed 2187."""
    tenant = await DispatchTenant.open()
    booking_id, event = await tenant.booked()
    await tenant.put(booking_id, "Completed")
    await tenant.settle()
    await tenant.drop_event(event)
    await tenant.settle()
    assert (await tenant.row(booking_id))["status"] == "Completed"
    await tenant.put(booking_id, "Scheduled")
    await tenant.settle()
    assert (await tenant.event_of(booking_id))["id"] != event["id"]
    await tenant.assert_converged()


async def test_a_visit_reassigned_while_its_mailbox_was_closed_leaves_no_all_day_event_there() -> None:
    """Seed 493."""
    tenant = await DispatchTenant.open(3, 4)
    booking_id, event = await tenant.booked()
    midnight = {"dateTime": "2026-11-23T00:00:00", "timeZone": "UTC"}
    next_one = {"dateTime": "2026-11-24T00:00:00", "timeZone": "UTC"}
    await tenant.rewrite_event(event, isAllDay=True, start=midnight, end=next_one)
    await tenant.settle()
    await tenant.set_access(tenant.technician, "denied")
    await tenant.reassign(booking_id, tenant.sample.technicians[4])
    await tenant.settle()
    await tenant.set_access(tenant.technician, "ok")
    await tenant.run_timers(timedelta(hours=2))
    assert await tenant.events(booking_id) == []
    assert await tenant.event_of(booking_id, tenant.sample.technicians[4])


async def test_a_booking_moved_while_its_event_was_a_series_is_followed_when_that_is_a_single_event_again() -> None:
    """Seed 933."""
    tenant = await DispatchTenant.open()
    booking_id, event = await tenant.booked()
    days = {"type": "numbered", "startDate": "2026-11-23", "numberOfOccurrences": 3}
    await tenant.rewrite_event(event, recurrence={"pattern": {"type": "daily", "interval": 1}, "range": days})
    await tenant.settle()
    await tenant.move(booking_id, MONDAY + 15 * HOUR)
    await tenant.settle()
    await tenant.rewrite_event(event, recurrence=None)
    await tenant.settle()
    assert (await tenant.event_of(booking_id))["start"]["dateTime"].startswith("2026-11-23T15:00")
    await tenant.assert_converged()
