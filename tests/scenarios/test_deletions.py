"""A technician deletes a visit's event: its booking is cancelled, once, and only then and there.

Failure modes 3 and 11. Reads of a deleted event may answer 404 or show it among the deleted items; both must be right.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.sample import SampleBooking, Technician
from local.switchboard import Fault
from sync.core.reconcile import OnDeletion, Policy
from tests.tenant import Tenant, event_path, wire

HOUR = timedelta(hours=1)

deleted_get = pytest.mark.parametrize("deleted_get", ["404", "200"])
webhooks = pytest.mark.parametrize("webhook_lose", [0.0, 1.0], ids=["webhook", "webhook-lost"])
"""Whether the app hears from Dynamics of what the dispatcher did, or has to find out by itself."""


def visit_in(tenant: Tenant, status: str) -> SampleBooking:
    """A linked visit that the sample shows in this status."""
    return next(visit for visit in tenant.sample.bookings if visit.status == status and visit.linked)


@deleted_get
@pytest.mark.parametrize("batch", [True, False], ids=["together", "apart"])
@pytest.mark.parametrize("with_updated", [False, True], ids=["deleted-alone", "with-updated"])
@pytest.mark.parametrize("burst", [1, 4])
async def test_a_deletion_cancels_the_booking_and_clears_its_event_id(
    tenant: Tenant, deleted_get: str, burst: int, *, batch: bool, with_updated: bool
) -> None:
    """Failure mode 3: `deleted` alone or in the company of `updated` for the same dead id."""
    tenant.switch(burst=burst, batch=batch, deleted_with_updated=with_updated, deleted_get=deleted_get, repeat=0.3)
    visit = tenant.visit()
    await tenant.delete_event(visit)
    await tenant.settle()
    booking = await tenant.booking(visit)
    assert (booking["status"], booking["bks_eventid"], booking["bks_eventhash"]) == ("Canceled", None, None)
    assert tenant.app_writes == {"bookableresourcebookings.update": 1}
    assert not tenant.letters.letters
    await tenant.assert_converged()


@deleted_get
@pytest.mark.parametrize("order", [("updated", "deleted"), ("deleted", "updated")], ids="-then-".join)
@pytest.mark.parametrize("etag_form", ["same", "other"])
async def test_a_deletion_wins_over_an_updated_of_the_same_moment_in_either_order(
    tenant: Tenant, deleted_get: str, order: tuple[str, str], etag_form: str
) -> None:
    """Failure mode 3: whichever item is handled first, the other must not be dropped as already seen."""
    tenant.switch(lose=1.0, deleted_get=deleted_get)
    visit = tenant.visit()
    await tenant.delete_event(visit)
    mailbox = tenant.graph.world.mailboxes[visit.technician.mailbox_id]
    etag = mailbox.versions[visit.event_id][-1].etag if etag_form == "same" else 'W/"another-form"'
    for change_type in order:
        await tenant.notify(visit, change_type, etag=etag if change_type == "updated" else None)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Canceled"
    await tenant.assert_converged()


@deleted_get
@pytest.mark.parametrize("is_full", [False, True], ids=["delta", "full"])
async def test_a_deletion_that_push_lost_is_found_by_the_sweep(
    tenant: Tenant, deleted_get: str, *, is_full: bool
) -> None:
    """Failure mode 3: seen only by the sweep, by the delta's `@removed` or by absence from a full round."""
    tenant.switch(lose=1.0, deleted_get=deleted_get)
    visit = tenant.visit()
    await tenant.delete_event(visit)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Scheduled"
    await tenant.sweep(visit.technician.mailbox_id, is_full=is_full)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Canceled"
    assert [entry.source for entry in tenant.entries("cancel-booking")] == ["sweep"]
    await tenant.assert_converged()


@deleted_get
async def test_push_and_sweep_together_cancel_once(tenant: Tenant, deleted_get: str) -> None:
    """Failure mode 3: the sweep finds the deletion while its notifications are still settling."""
    tenant.switch(burst=4, batch=False, deleted_with_updated=True, deleted_get=deleted_get)
    visit = tenant.visit()
    await tenant.delete_event(visit)
    await tenant.sweep(visit.technician.mailbox_id)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Canceled"
    assert tenant.app_writes == {"bookableresourcebookings.update": 1}
    await tenant.assert_converged()


@deleted_get
@pytest.mark.parametrize("etag", [None, 'W/"late"'], ids=["no-etag", "unknown-etag"])
async def test_a_late_updated_for_a_dead_event_costs_no_dataverse_call(
    tenant: Tenant, deleted_get: str, etag: str | None
) -> None:
    """Failure mode 3: hours after the deletion an `updated` comes for the dead id; the booking stays cancelled."""
    tenant.switch(deleted_get=deleted_get)
    visit = tenant.visit()
    await tenant.delete_event(visit)
    await tenant.settle()
    tenant.clock.advance(5 * 3600)
    tenant.forget_costs()
    await tenant.notify(visit, "updated", etag=etag)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Canceled"
    assert not tenant.dataverse_calls
    assert tenant.graph_calls.total() <= 3, "a read, a second look at what seems unchanged, and where it lies"
    assert not tenant.letters.letters
    await tenant.assert_converged()


@deleted_get
@pytest.mark.parametrize("status", ["In Progress", "Completed"])
async def test_a_visit_begun_or_done_survives_the_deletion_of_its_event(
    tenant: Tenant, status: str, deleted_get: str
) -> None:
    """Failure mode 3: its status is not open to cancellation: left as it is, and recorded."""
    tenant.switch(burst=4, deleted_get=deleted_get)
    visit = visit_in(tenant, status)
    before = await tenant.booking(visit)
    await tenant.delete_event(visit)
    await tenant.settle()
    assert await tenant.booking(visit) == before
    assert not tenant.app_writes
    assert "status-not-open-to-cancellation" in [entry.reason for entry in tenant.journal.entries]
    await tenant.assert_converged()


@deleted_get
@pytest.mark.parametrize("status", ["In Progress", "Completed"])
async def test_a_late_updated_does_not_bring_the_dead_event_of_a_begun_visit_back(
    tenant: Tenant, status: str, deleted_get: str
) -> None:
    """Failure mode 3: a booking that was left alone is not linked anew to an event among the deleted items."""
    tenant.switch(deleted_get=deleted_get)
    visit = visit_in(tenant, status)
    await tenant.delete_event(visit)
    await tenant.settle()
    tenant.clock.advance(2 * 3600)
    tenant.forget_costs()
    await tenant.notify(visit, "updated", etag='W/"late"')
    await tenant.settle()
    assert not tenant.dataverse_calls
    assert not tenant.app_writes
    assert await tenant.state.find_link(visit.booking_id) is None


async def test_a_visit_to_which_the_technician_already_travels_is_cancelled(tenant: Tenant) -> None:
    """Failure mode 3: traveling is still open to cancellation by default."""
    visit = visit_in(tenant, "Traveling")
    await tenant.delete_event(visit)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Canceled"


@deleted_get
@webhooks
async def test_a_booking_already_cancelled_only_loses_its_event_id(
    tenant: Tenant, deleted_get: str, webhook_lose: float
) -> None:
    """Failure mode 3: the dispatcher was first; one write, which leaves the status row that they chose."""
    tenant.switch(burst=4, deleted_get=deleted_get, deleted_with_updated=True)
    tenant.switch_dataverse(webhook_lose=webhook_lose)
    visit = tenant.visit()
    await tenant.set_status(visit, "Canceled")
    before = await tenant.booking(visit)
    await tenant.delete_event(visit)
    await tenant.settle()
    after = await tenant.booking(visit)
    assert (after["status"], after["bks_eventid"], after["starttime"]) == ("Canceled", None, before["starttime"])
    assert tenant.app_writes["bookableresourcebookings.update"] == 1
    if webhook_lose:
        assert not tenant.app_writes["event.delete"]
        assert [entry.reason for entry in tenant.entries("clear-event-id")] == ["booking-already-cancelled"]
    await tenant.assert_converged()


@deleted_get
@webhooks
@pytest.mark.parametrize("first", ["booking", "event"])
async def test_a_booking_that_the_dispatcher_moved_meanwhile_is_kept_and_gets_another_event(
    tenant: Tenant, deleted_get: str, webhook_lose: float, first: str
) -> None:
    """Failure mode 3: an edit beats a deletion, whichever is heard first; a late `updated` then changes nothing."""
    tenant.switch(deleted_get=deleted_get, delay_seconds=5.0 if first == "booking" else 0.1)
    tenant.switch_dataverse(webhook_lose=webhook_lose, webhook_delay_seconds=5.0 if first == "event" else 0.1)
    visit = tenant.visit()
    start_at, end_at = (f"{at + 4 * HOUR:%Y-%m-%dT%H:%M:%SZ}" for at in (visit.start_at, visit.end_at))
    await tenant.patch_booking(visit, starttime=start_at, endtime=end_at)
    await tenant.delete_event(visit)
    await tenant.settle(limit=timedelta(minutes=10))
    booking = await tenant.booking(visit)
    assert (booking["status"], booking["starttime"]) == ("Scheduled", start_at)
    assert booking["bks_eventid"] not in (None, visit.event_id)
    assert starts_at(await tenant.named_event(visit)) == visit.start_at + 4 * HOUR

    tenant.clock.advance(2 * 3600)
    tenant.forget_costs()
    await tenant.notify(visit, "updated", etag='W/"late"')
    await tenant.settle(limit=timedelta(minutes=10))
    assert tenant.queue.next_visible_at() is None, "an item is tried again and again"
    assert await tenant.booking(visit) == booking
    assert not tenant.app_writes
    assert not tenant.letters.letters
    await tenant.assert_converged()


@deleted_get
async def test_an_event_moved_and_then_deleted_cancels_its_booking(tenant: Tenant, deleted_get: str) -> None:
    """Failure mode 3: the last thing that happened counts, also when both bursts arrive mixed."""
    tenant.switch(burst=4, batch=False, deleted_get=deleted_get, deleted_with_updated=True)
    visit = tenant.visit()
    await tenant.move_event(visit)
    await tenant.delete_event(visit)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Canceled"
    assert not tenant.letters.letters
    await tenant.assert_converged()


@deleted_get
async def test_where_the_customer_chose_so_a_deletion_deletes_the_booking(deleted_get: str) -> None:
    """Failure mode 3: the setting `delete`; the row is gone and stays gone."""
    tenant = await Tenant.small(burst=4, deleted_with_updated=True, deleted_get=deleted_get)
    tenant.rules = replace(tenant.rules, policy=Policy(on_deletion=OnDeletion.DELETE))
    visit, other = tenant.visit(), tenant.visit(index=1)
    await tenant.delete_event(visit)
    await tenant.settle()
    answer = await tenant.dispatcher.get(f"/bookableresourcebookings({visit.booking_id})?$select=starttime")
    assert answer.status_code == 404
    assert tenant.app_writes == {"bookableresourcebookings.delete": 1}
    assert (await tenant.booking(other))["status"] == "Scheduled"
    tenant.clock.advance(2 * 3600)
    await tenant.notify(visit, "updated", etag='W/"late"')
    await tenant.settle()
    assert not tenant.letters.letters
    await tenant.assert_converged()


@pytest.mark.parametrize("status", [0, 503])
async def test_a_cancellation_whose_answer_was_lost_is_not_made_twice(tenant: Tenant, status: int) -> None:
    """Failure mode 3: Dataverse cancelled and the connection broke; the repetition finds it done."""
    visit = tenant.visit()
    tenant.dataverse.switchboard.faults.append(
        Fault(kind="bookableresourcebookings.update", when="after", status=status)
    )
    await tenant.delete_event(visit)
    await tenant.settle()
    booking = await tenant.booking(visit)
    assert (booking["status"], booking["bks_eventid"]) == ("Canceled", None)
    assert tenant.dataverse_calls["bookableresourcebookings.update"] == 2
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_deleting_one_visit_touches_no_other(tenant: Tenant) -> None:
    """Failure mode 3: every other booking of the company is byte for byte what it was."""
    tenant.switch(burst=4, deleted_with_updated=True)
    visit = tenant.visit(index=3)
    others = [one for one in tenant.sample.bookings if one is not visit]
    before = [await tenant.booking(one) for one in others]
    await tenant.delete_event(visit)
    await tenant.settle()
    await tenant.sweep(is_full=True)
    await tenant.settle()
    assert [await tenant.booking(one) for one in others] == before


@deleted_get
@pytest.mark.parametrize("is_lost", [False, True], ids=["pushed", "swept"])
@webhooks
async def test_a_booking_reassigned_before_its_event_is_deleted_is_not_cancelled(
    tenant: Tenant, deleted_get: str, webhook_lose: float, *, is_lost: bool
) -> None:
    """Failure mode 11: the first technician tidies up an event whose visit is somebody else's now."""
    tenant.switch(burst=4, deleted_get=deleted_get, deleted_with_updated=True, lose=1.0 if is_lost else 0.0)
    tenant.switch_dataverse(webhook_lose=webhook_lose)
    visit = tenant.visit()
    await tenant.assign(visit, colleague(tenant))
    before = await tenant.booking(visit)
    await tenant.delete_event(visit)
    await tenant.settle()
    await tenant.sweep(visit.technician.mailbox_id)
    await tenant.settle()
    if webhook_lose:
        assert await tenant.booking(visit) == before, "the calendar that lost the event has no say"
        assert not tenant.app_writes
        assert "booking-reassigned" in [entry.reason for entry in tenant.journal.entries]
        await tenant.sweep()
        await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Scheduled"
    await is_moved_to_colleague(tenant, visit)
    await tenant.assert_converged()


@pytest.mark.parametrize("is_deleted", [False, True], ids=["event-lives", "event-deleted"])
@webhooks
async def test_a_reassigned_booking_survives_a_full_sweep_of_its_new_technician(
    tenant: Tenant, webhook_lose: float, *, is_deleted: bool
) -> None:
    """Failure mode 11: that the old technician's event is not in the new one's calendar proves no deletion."""
    tenant.switch_dataverse(webhook_lose=webhook_lose)
    visit, new = tenant.visit(), colleague(tenant)
    await tenant.assign(visit, new)
    if is_deleted:
        await tenant.delete_event(visit)
    await tenant.settle()
    for _ in range(2):
        await tenant.sweep(new.mailbox_id, is_full=True)
        await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Scheduled"
    await is_moved_to_colleague(tenant, visit)
    await tenant.assert_converged()


async def test_a_reassigned_booking_survives_the_loss_of_all_tables(tenant: Tenant) -> None:
    """Failure mode 11: also without our memory, nothing that nobody deleted is cancelled."""
    visit = tenant.visit()
    await tenant.assign(visit, colleague(tenant))
    tenant.state.lose_everything()
    await tenant.sweep(is_full=True)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Scheduled"
    await is_moved_to_colleague(tenant, visit)


@webhooks
async def test_an_event_moved_after_its_booking_was_reassigned_moves_nothing(
    tenant: Tenant, webhook_lose: float
) -> None:
    """Failure mode 11: the old technician's calendar has no say any more; without a webhook, it is the hint."""
    tenant.switch(burst=4)
    tenant.switch_dataverse(webhook_lose=webhook_lose)
    visit = tenant.visit()
    await tenant.assign(visit, colleague(tenant))
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at
    await is_moved_to_colleague(tenant, visit)
    assert "booking-reassigned" in [entry.reason for entry in tenant.journal.entries]
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_booking_reassigned_away_and_back_follows_its_event_again(tenant: Tenant) -> None:
    """Failure mode 11: the event has come back with it, and moves it."""
    visit = tenant.visit()
    await tenant.assign(visit, colleague(tenant))
    await tenant.settle()
    await tenant.assign(visit, visit.technician)
    await tenant.settle()
    event = await tenant.named_event(visit)
    assert starts_at(event) == visit.start_at
    times = {"start": wire(visit.start_at + 2 * HOUR), "end": wire(visit.end_at + 2 * HOUR)}
    await tenant.patch_event(visit.technician.mailbox_id, event["id"], times)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + 2 * HOUR
    await tenant.assert_converged()


def colleague(tenant: Tenant) -> Technician:
    """The other technician whose mailbox is kept in sync."""
    return tenant.sample.technicians[3]


async def is_moved_to_colleague(tenant: Tenant, visit: SampleBooking) -> None:
    """The colleague has the visit's event, at the booking's time, and the first technician's is gone."""
    mailbox = tenant.graph.world.mailboxes[visit.technician.mailbox_id]
    assert mailbox.versions[visit.event_id][-1].is_deleted
    event = await tenant.person.get(
        event_path(colleague(tenant).mailbox_id, (await tenant.booking(visit))["bks_eventid"])
    )
    assert event.status_code == 200, event.text
    assert starts_at(event.json()) == await tenant.booking_start(visit)


def starts_at(event: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(event["start"]["dateTime"]).replace(tzinfo=UTC)
