"""A booking is deleted in Dynamics: nobody is hindered, and its event goes, whatever stood in the way.

None of the conditions under which Microsoft's own integration leaves an appointment behind (Field Service
documentation, field-service-exchange, "Delete bookings") leaves one here.
"""

from datetime import timedelta

import pytest

from local.graph.events import Access
from local.sample import BOOKING_ID_PROPERTY, EXTENSION_NAME
from tests.dispatching import DAY, HOUR, MONDAY, DispatchTenant
from tests.tenant import event_path, wire

NOON = MONDAY + 12 * HOUR

at_both_stages = pytest.mark.parametrize("stage", [20, 40], ids=["pre-operation", "post-operation"])


async def test_a_deletion_while_the_app_is_down_is_not_hindered_and_made_good_by_the_sweep() -> None:
    """Nobody answers the webhook, and Dataverse does not repeat it: the event goes when the app is back."""
    tenant = await DispatchTenant.open()
    booking_id, event = await tenant.booked()
    tenant.answer(is_up=False)
    await tenant.delete(booking_id)
    await tenant.settle()
    assert [one["id"] for one in await tenant.events(booking_id)] == [event["id"]]
    assert tenant.dataverse.webhooks.counts["failed"] >= 1
    tenant.answer(is_up=True)
    tenant.clock.advance(3600)
    await tenant.sweep()
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    assert [entry.source for entry in tenant.entries("remove-event")] == ["sweep"]
    await tenant.assert_converged()


@pytest.mark.parametrize("if_match", ["ignore", "enforce"])
async def test_with_all_tables_lost_a_deletion_still_finds_its_event(if_match: str) -> None:
    """The image of the row before its deletion names the event, and the digest the mailbox."""
    tenant = await DispatchTenant.open(if_match=if_match)
    booking_id, _ = await tenant.booked()
    tenant.state.lose_everything()
    await tenant.delete(booking_id)
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    assert not tenant.letters.letters
    await tenant.sweep()
    await tenant.settle()  # The others' events are written once more: what they say is not known any more.
    await tenant.assert_converged()


async def test_with_all_tables_lost_a_deletion_of_another_technicians_booking_removes_nothing() -> None:
    """The booking was given away unnoticed: the event that it still names is not in its technician's calendar."""
    tenant = await DispatchTenant.open(3, 4)
    booking_id, event = await tenant.booked()
    tenant.dynamics(webhook_lose=1.0)
    await tenant.reassign(booking_id, tenant.sample.technicians[4])
    tenant.state.lose_everything()
    tenant.dynamics(webhook_lose=0.0)
    await tenant.delete(booking_id)
    await tenant.settle()
    assert [one["id"] for one in await tenant.events(booking_id)] == [event["id"]]
    assert not tenant.app_writes
    assert not tenant.letters.letters


@pytest.mark.parametrize("is_named", [True, False], ids=["image", "no-image"])
async def test_the_link_leads_to_the_event_where_no_image_does(*, is_named: bool) -> None:
    """Whether an asynchronous step on Delete gets an image from before is not documented."""
    tenant = await DispatchTenant.open()
    tenant.dynamics(webhook_delete_pre_image=is_named)
    booking_id, _ = await tenant.booked()
    await tenant.delete(booking_id)
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    await tenant.assert_converged()


@pytest.mark.parametrize("access", ["denied", "not_enabled", "gone"])
@pytest.mark.parametrize("ending", ["delete", "cancel"])
@pytest.mark.parametrize("is_known_before", [False, True], ids=["unexpected", "in-quarantine"])
async def test_an_event_out_of_reach_goes_when_its_mailbox_answers_again(
    access: Access, ending: str, *, is_known_before: bool
) -> None:
    tenant = await DispatchTenant.open()
    booking_id, _ = await tenant.booked()
    await tenant.set_access(tenant.technician, access)
    if is_known_before:
        await tenant.sweep(tenant.technician.mailbox_id)
        await tenant.settle()
    await (tenant.delete(booking_id) if ending == "delete" else tenant.put(booking_id, "Canceled"))
    await tenant.run_timers(6 * HOUR)
    assert "quarantined" in [entry.action for entry in tenant.journal.entries]
    assert not tenant.letters.letters
    await tenant.set_access(tenant.technician, "ok")
    await tenant.run_timers(26 * HOUR, every=2 * HOUR)
    assert await tenant.events(booking_id) == []
    assert not tenant.letters.letters
    await tenant.assert_converged()


@at_both_stages
async def test_a_synchronous_step_that_was_rolled_back_deletes_no_event(stage: int) -> None:
    """Somebody registered a step of their own with our address; the user's deletion fails after it was called."""
    tenant = await DispatchTenant.open()
    booking_id, event = await tenant.booked()
    await tenant.register_step("Delete", stage=stage, mode=0)
    tenant.dynamics(fail_after_sync_steps="A plug-in says no.")
    answer = await tenant.dispatcher.delete(f"/bookableresourcebookings({booking_id})")
    assert answer.status_code == 400
    assert [reply.status for reply in tenant.replies] == [202]
    await tenant.settle()
    assert (await tenant.event_of(booking_id))["id"] == event["id"]
    assert (await tenant.row(booking_id))["bks_eventid"] == event["id"]
    assert not tenant.app_writes
    await tenant.assert_converged()


@at_both_stages
async def test_a_synchronous_step_that_came_through_leaves_no_event_behind(stage: int) -> None:
    """Its word is not taken for a deletion; the asynchronous step's is."""
    tenant = await DispatchTenant.open()
    booking_id, _ = await tenant.booked()
    await tenant.register_step("Delete", stage=stage, mode=0)
    await tenant.delete(booking_id)
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    await tenant.assert_converged()


async def test_no_orphan_an_event_whose_marks_were_taken_off_goes_with_its_booking() -> None:
    """Microsoft's first condition: the appointment is still tagged as tracked. Here the link is enough."""
    tenant = await DispatchTenant.open()
    booking_id, event = await tenant.booked()
    path = event_path(tenant.technician.mailbox_id, event["id"])
    answer = await tenant.person.delete(f"{path}/extensions/{EXTENSION_NAME}")
    assert answer.status_code == 204, answer.text
    bare = [{"id": BOOKING_ID_PROPERTY, "value": ""}]
    await tenant.rewrite_event(event, singleValueExtendedProperties=bare, categories=[], subject="Mine now")
    await tenant.settle()
    await tenant.delete(booking_id)
    await tenant.settle()
    assert (await tenant.person.get(path)).status_code == 404
    assert not tenant.letters.letters
    await tenant.assert_converged()


@pytest.mark.parametrize("is_settled", [False, True], ids=["at-once", "later"])
async def test_no_orphan_an_event_of_a_reassigned_booking_goes_with_it(*, is_settled: bool) -> None:
    """Microsoft's second condition: the booked resource is still the organizer. Here it may be somebody else by now."""
    tenant = await DispatchTenant.open(3, 4)
    first, second = tenant.sample.technicians[3:5]
    booking_id, _ = await tenant.booked()
    await tenant.reassign(booking_id, second)
    if is_settled:
        await tenant.settle()
    await tenant.delete(booking_id)
    await tenant.settle()
    assert await tenant.events(booking_id, first) == []
    assert await tenant.events(booking_id, second) == []
    await tenant.assert_converged()


async def test_no_orphan_an_event_that_has_begun_goes_with_its_booking() -> None:
    """Microsoft's third condition: the appointment is in the future. Here one that is going on goes, too."""
    tenant = await DispatchTenant.open()
    booking_id, _ = await tenant.booked()
    tenant.clock.advance((NOON + 0.5 * HOUR - tenant.clock.now()).total_seconds())
    await tenant.delete(booking_id)
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    await tenant.assert_converged()


@pytest.mark.parametrize("is_lost", [False, True], ids=["pushed", "swept"])
async def test_no_orphan_an_event_outside_the_window_goes_with_its_booking(*, is_lost: bool) -> None:
    """Microsoft's fourth condition: the appointment has not left the filter of the sync ("logically deleted")."""
    tenant = await DispatchTenant.open()
    booking_id, _ = await tenant.booked()
    await tenant.move(booking_id, NOON + timedelta(days=200))
    await tenant.settle()
    tenant.dynamics(webhook_lose=1.0 if is_lost else 0.0)
    await tenant.delete(booking_id)
    await tenant.sweep()
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    await tenant.assert_converged()


@pytest.mark.parametrize("if_match", ["ignore", "enforce"])
async def test_no_orphan_an_event_that_was_changed_and_moved_to_another_calendar_goes_with_its_booking(
    if_match: str,
) -> None:
    """What its owner did with it does not save it."""
    tenant = await DispatchTenant.open(if_match=if_match)
    booking_id, event = await tenant.booked()
    mailbox_id = tenant.technician.mailbox_id
    await tenant.rewrite_event(event, subject="Mine", start=wire(NOON + DAY), end=wire(NOON + DAY + HOUR))
    await tenant.settle()
    await tenant.control_graph("/move-event", mailbox_id=mailbox_id, event_id=event["id"], calendar="Private")
    await tenant.settle()
    await tenant.delete(booking_id)
    await tenant.settle()
    assert (await tenant.person.get(event_path(mailbox_id, event["id"]))).status_code == 404
    assert not tenant.letters.letters


async def test_an_event_made_into_a_series_is_its_owners_and_stays() -> None:
    """The one thing that saves it: a series is more than the visit, and nothing of it is ours to delete."""
    tenant = await DispatchTenant.open()
    booking_id, event = await tenant.booked()
    pattern = {"type": "daily", "interval": 1}
    days = {"type": "numbered", "startDate": f"{NOON:%Y-%m-%d}", "numberOfOccurrences": 3, "recurrenceTimeZone": "UTC"}
    await tenant.rewrite_event(event, recurrence={"pattern": pattern, "range": days})
    await tenant.settle()
    await tenant.delete(booking_id)
    await tenant.settle()
    assert len(await tenant.events(booking_id)) == 1
    assert await tenant.state.find_link(booking_id) is None
    assert "made-into-a-series" in [entry.reason for entry in tenant.journal.entries]
    assert not tenant.letters.letters
    await tenant.assert_converged()
