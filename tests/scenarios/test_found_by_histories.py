"""What random histories have found, each as the shortest story that shows it, with the seed that told it first.

And at the end what they were too rare for, so that it has a story of its own.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from local.switchboard import Fault
from sync.core.reconcile import Winner
from sync.core.work import BOOKING_CHANGES_QUEUE
from sync.service.overwriting import OVERWRITING
from tests.dispatching import HOUR, MONDAY, DispatchTenant
from tests.interleaving import MortalTenant, WatchedTenant, every_point
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


async def test_a_booking_moved_while_its_event_is_cut_out_and_pasted_elsewhere_tells_what_lost() -> None:
    """Seed 63. The copy took the original's place, and its time the booking's, as if nobody had moved that."""
    tenant = await DispatchTenant.open()
    booking_id, event = await tenant.booked()
    tenant.dynamics(webhook_lose=1.0)
    await tenant.move(booking_id, MONDAY + 15 * HOUR)
    mailbox_id = tenant.technician.mailbox_id
    copy = await tenant.control_graph("/copy-event", mailbox_id=mailbox_id, event_id=event["id"])
    await tenant.rewrite_event(copy.json(), start=wire(MONDAY + 9 * HOUR), end=wire(MONDAY + 10 * HOUR))
    await tenant.drop_event(event)
    await tenant.settle()
    (told,) = tenant.entries(OVERWRITING)
    assert told.before == "2026-11-23 09:00 to 2026-11-23 10:00 UTC"
    assert told.after == "2026-11-23 15:00 to 2026-11-23 16:00 UTC"
    assert (await tenant.row(booking_id))["bks_eventid"] == copy.json()["id"]


async def test_an_event_that_was_just_removed_is_not_taken_for_the_bookings_where_reads_are_old() -> None:
    """Seed 144. The booking went away and came back; its first event, removed meanwhile, was still found, and missed
    later as if its technician had deleted it.
    """
    tenant = await DispatchTenant.open(3, 4)
    booking_id, event = await tenant.booked()
    tenant.clock.advance(300)
    await tenant.reassign(booking_id, tenant.sample.technicians[4])
    await tenant.settle(limit=timedelta(seconds=20))
    tenant.switch(stale_read_seconds=60.0)
    await tenant.reassign(booking_id, tenant.technician)
    await tenant.settle(limit=timedelta(minutes=3))
    tenant.switch(stale_read_seconds=0.0)
    await tenant.run_timers(timedelta(minutes=30))
    assert (await tenant.row(booking_id))["status"] == "Scheduled"
    assert (await tenant.event_of(booking_id))["id"] != event["id"]
    await tenant.assert_converged()


@pytest.mark.slow
async def test_a_worker_that_slept_while_its_booking_came_back_does_not_leave_it_without_an_event() -> None:
    """Seed 264. It woke up, removed what had been left with the former technician, who had it again, and was not heard:
    its booking had been dealt with since.
    """
    for at in every_point():
        tenant = await WatchedTenant.open(3, 4)
        booking_id, _ = await tenant.booked()
        tenant.clock.advance(300)

        async def come_back(tenant: WatchedTenant = tenant, booking_id: str = booking_id) -> None:
            tenant.clock.advance(200)
            await tenant.reassign(booking_id, tenant.technician)
            await tenant.settle(limit=timedelta(minutes=1))

        await tenant.reassign(booking_id, tenant.sample.technicians[4])
        tenant.surprise(at, come_back)
        await tenant.settle()
        is_over = tenant.points < at
        tenant.watch(None)
        if is_over:
            return
        await tenant.assert_delivered(booking_id, tenant.technician)


async def test_a_move_that_a_sweep_saw_while_reads_find_nothing_is_followed_once_they_do() -> None:
    """Seed 303. It was looked at twice and then left to the next sweep, whose cursor was past it."""
    tenant = await DispatchTenant.open()
    booking_id, event = await tenant.booked()
    tenant.switch(empty_reads=True, lose=1.0)
    await tenant.rewrite_event(event, start=wire(MONDAY + 15 * HOUR), end=wire(MONDAY + 16 * HOUR))
    await tenant.sweep()
    await tenant.settle(limit=timedelta(minutes=15))
    tenant.switch(empty_reads=False)
    await tenant.settle()
    assert (await tenant.row(booking_id))["starttime"] == "2026-11-23T15:00:00Z"
    await tenant.assert_converged()


async def test_a_booking_moved_while_its_event_lasts_all_day_is_read_before_it_is_written() -> None:
    """Seed 262. A new text had been written since, and its etag taken for that of an event with hours."""
    tenant = await DispatchTenant.open(if_match="enforce")
    booking_id, event = await tenant.booked()
    await tenant.move(booking_id, MONDAY + 14 * HOUR)
    await tenant.settle()
    tenant.switch(lose=1.0)
    midnight = {"dateTime": "2026-11-23T00:00:00", "timeZone": "UTC"}
    next_one = {"dateTime": "2026-11-24T00:00:00", "timeZone": "UTC"}
    await tenant.rewrite_event(event, isAllDay=True, start=midnight, end=next_one)
    await tenant.change(booking_id, name="Another name")
    await tenant.settle()
    await tenant.move(booking_id, MONDAY + 15 * HOUR)
    await tenant.settle()
    assert not tenant.letters.letters
    await tenant.assert_converged()


@pytest.mark.slow
async def test_a_visit_for_which_an_event_has_just_been_entered_gets_its_text_whenever_reads_grow_old() -> None:
    """Seed 1478. The event was found and taken, and then not there for who was to write into it, and gave up."""
    for at in every_point():
        tenant = await WatchedTenant.open()
        start_at = MONDAY + 10 * HOUR
        path = f"/users/{tenant.technician.mailbox_id}/events"
        body = {"subject": "Visit 7, as told by phone", "start": wire(start_at), "end": wire(start_at + HOUR)}
        await tenant.person.post(path, json=body)
        tenant.dynamics(webhook_lose=1.0)
        booking_id = await tenant.book(start_at, name="Visit 7")
        await tenant.settle()
        await tenant.sweep()

        async def grow_old(tenant: WatchedTenant = tenant) -> None:
            tenant.switch(stale_read_seconds=60.0)

        tenant.surprise(at, grow_old)
        await tenant.settle()
        is_over = tenant.points < at
        tenant.watch(None)
        tenant.switch(stale_read_seconds=0.0)
        assert (await tenant.assert_delivered(booking_id))["subject"] == "Visit 7"
        if is_over:
            return


@pytest.mark.parametrize("winner", list(Winner))
async def test_a_booking_moved_just_after_its_event_is_not_compared_with_what_the_event_was_before(
    winner: Winner,
) -> None:
    """Seed 13. An old copy of the event was read, and taken for a technician's move, back to where it had been."""
    tenant = await DispatchTenant.open(
        choose=lambda rules: replace(rules, policy=replace(rules.policy, conflict_winner=winner))
    )
    booking_id, event = await tenant.booked()
    tenant.clock.advance(300)
    await tenant.rewrite_event(event, start=wire(MONDAY + 9 * HOUR), end=wire(MONDAY + 10 * HOUR))
    await tenant.settle()
    tenant.switch(stale_read_seconds=60.0)
    await tenant.move(booking_id, MONDAY + 15 * HOUR)
    await tenant.settle()
    tenant.switch(stale_read_seconds=0.0)
    assert (await tenant.row(booking_id))["starttime"] == "2026-11-23T15:00:00Z"
    assert not tenant.entries(OVERWRITING)
    await tenant.assert_converged()


@pytest.mark.slow
async def test_an_event_whose_row_was_written_by_others_meanwhile_is_not_held_for_the_rest_of_a_lease() -> None:
    """Seed 286. A worker could not give back what it held, and whoever wanted it asked for three minutes."""
    for at in every_point():
        tenant = await WatchedTenant.open()
        booking_id, event = await tenant.booked()

        async def note(tenant: WatchedTenant = tenant, booking_id: str = booking_id) -> None:
            """As somebody who has found the event, and takes it for the booking's."""
            event = await tenant.event_of(booking_id)
            known = await tenant.state.find_known_event(tenant.technician.mailbox_id, event["id"])
            assert known is not None
            await tenant.state.save_known_event(replace(known, etags=(*known.etags, event["@odata.etag"])))

        await tenant.rewrite_event(event, start=wire(MONDAY + 15 * HOUR), end=wire(MONDAY + 16 * HOUR))
        tenant.surprise(at, note)
        await tenant.settle(limit=timedelta(minutes=1))
        is_over = tenant.points < at
        tenant.watch(None)
        known = await tenant.state.find_known_event(tenant.technician.mailbox_id, event["id"])
        assert known is not None
        assert known.leased_by is None
        if is_over:
            return


async def test_what_is_written_about_the_work_while_its_event_is_cut_and_pasted_is_in_the_copy() -> None:
    """Seed 888. It was written into the original at its last moment, and came over with the next change only."""
    tenant = await DispatchTenant.open()
    order = tenant.sample.work_orders[0]
    booking_id, event = await tenant.booked(work_order=order)
    mailbox_id = tenant.technician.mailbox_id
    copy = (await tenant.control_graph("/copy-event", mailbox_id=mailbox_id, event_id=event["id"])).json()
    await tenant.patch(f"msdyn_workorders({order.work_order_id})", msdyn_workordersummary="Bring the long ladder.")
    await tenant.settle()
    await tenant.drop_event(event)
    await tenant.settle()
    assert (await tenant.row(booking_id))["bks_eventid"] == copy["id"]
    assert "Bring the long ladder." in (await tenant.event_of(booking_id))["body"]["content"]
    await tenant.assert_converged()


async def test_a_booking_that_comes_back_to_a_mailbox_that_was_lost_takes_the_event_that_it_left_there() -> None:
    """It takes the moment after the mailbox answers again, which histories have a scene for since."""
    tenant = await DispatchTenant.open(3, 4)
    booking_id, event = await tenant.booked()
    await tenant.set_access(tenant.technician, "denied")
    await tenant.reassign(booking_id, tenant.sample.technicians[4])
    await tenant.settle()
    await tenant.set_access(tenant.technician, "ok")
    await tenant.reassign(booking_id, tenant.technician)
    await tenant.sweep(tenant.technician.mailbox_id)
    await tenant.work_due()
    await tenant.settle()
    assert (await tenant.event_of(booking_id))["id"] == event["id"]
    assert await tenant.events(booking_id, tenant.sample.technicians[4]) == []
    await tenant.assert_converged()


@pytest.mark.slow
async def test_the_event_left_with_the_former_technician_goes_also_when_the_new_one_is_deleted_at_once() -> None:
    """Seed 670. What the booking had before was known to the link of the new event alone, and went with that."""
    for fatal in every_point():
        tenant = await MortalTenant.open(3, 4)
        booking_id, _ = await tenant.booked()
        other = tenant.sample.technicians[4]
        tenant.arm(fatal)
        await tenant.reassign(booking_id, other)
        await tenant.settle(limit=timedelta(seconds=10))
        for event in await tenant.events(booking_id, other):
            await tenant.drop_event(event, other)
        await tenant.settle()
        tenant.watch(None)
        assert await tenant.events(booking_id, tenant.technician) == [], f"killed at point {fatal}"
        assert len(await tenant.live_events(booking_id)) <= 1
        if not tenant.deaths:
            return


async def test_a_booking_moved_just_after_its_event_was_made_unseen_gets_no_second_one_where_reads_are_old() -> None:
    """Seed 1806. The move came before the first event could be found, and was no reason to wait for it."""
    tenant = await DispatchTenant.open(stale_read_seconds=60.0, create_conflict=1.0)
    booking_id = await tenant.book()
    await tenant.settle(limit=timedelta(seconds=10))
    assert tenant.graph_calls["event.create"] == 1
    await tenant.move(booking_id, MONDAY + 15 * HOUR)
    await tenant.settle()
    tenant.switch(stale_read_seconds=0.0)
    assert tenant.graph_calls["event.create"] == 1
    assert (await tenant.event_of(booking_id))["start"]["dateTime"].startswith("2026-11-23T15:00")


async def test_a_booking_deleted_just_after_its_event_was_made_unseen_leaves_none_where_reads_are_old() -> None:
    """Seed 1448. A search that could not know the event yet was taken for proof that there was none."""
    tenant = await WatchedTenant.open(stale_read_seconds=60.0, create_conflict=1.0)
    booking_id = await tenant.book()
    await tenant.settle(limit=timedelta(seconds=10))
    assert len(await tenant.live_events(booking_id)) == 1
    await tenant.delete(booking_id)
    await tenant.settle()
    assert await tenant.live_events(booking_id) == []


async def test_an_event_that_graph_refused_to_make_is_not_waited_for() -> None:
    """A refusal says that nothing was made, so that the next attempt need not wait until a search is sure to know."""
    tenant = await DispatchTenant.open()
    tenant.graph.switchboard.faults.append(
        Fault(kind="event.create", status=429, headers={"Retry-After": "5"}, times=3)
    )
    booking_id = await tenant.book()
    await tenant.settle(limit=timedelta(seconds=30))
    assert await tenant.event_of(booking_id)
