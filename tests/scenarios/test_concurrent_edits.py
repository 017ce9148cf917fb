"""Failure mode 13: the booking changes in Dynamics while an event's move, or its deletion, is on its way there.

Where it is told what the event's side does by itself, the webhook of the booking's change is lost.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from local.sample import SampleBooking
from local.switchboard import Fault
from sync.core.reconcile import Policy, Winner
from tests.tenant import Tenant

BOOKING_READ = "bookableresourcebookings.get"
BOOKING_WRITE = "bookableresourcebookings.update"
IN_OUTLOOK = timedelta(hours=1)
IN_DYNAMICS = timedelta(hours=5)


async def dispatcher_moves(tenant: Tenant, visit: SampleBooking, *, by: timedelta = IN_DYNAMICS) -> None:
    await tenant.patch_booking(visit, starttime=text(visit.start_at + by), endtime=text(visit.end_at + by))


def text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


async def event_start(tenant: Tenant, visit: SampleBooking) -> datetime:
    event = await tenant.named_event(visit)
    return datetime.fromisoformat(event["start"]["dateTime"]).replace(tzinfo=UTC)


def lose_webhooks(tenant: Tenant) -> None:
    tenant.switch_dataverse(webhook_lose=1.0)


def interrupt(tenant: Tenant, kind: str, act: Callable[[], Awaitable[None]], *, times: int = 1) -> None:
    """Let `act` happen in Dynamics just before the app's next `times` calls of `kind` are served there."""
    switchboard = tenant.dataverse.switchboard

    async def instead_of_sleeping(_: float) -> None:
        await act()

    switchboard._sleep = instead_of_sleeping
    switchboard.faults.append(Fault(kind=kind, times=times, delay_seconds=1))


async def test_a_change_of_another_column_costs_one_read_and_the_move_lands(tenant: Tenant) -> None:
    """Failure mode 13: other column only."""
    lose_webhooks(tenant)
    visit = tenant.visit()
    await tenant.patch_booking(visit, name="Renamed by the dispatcher")
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + IN_OUTLOOK
    assert tenant.graph_calls == {"event.get": 1}
    assert tenant.dataverse_calls == {BOOKING_READ: 1, BOOKING_WRITE: 2}
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_change_of_another_column_between_read_and_write_is_kept_and_the_move_lands(tenant: Tenant) -> None:
    """Failure mode 13: between our read, which a first 412 made necessary, and our second write."""
    lose_webhooks(tenant)
    visit = tenant.visit()
    await tenant.patch_booking(visit, name="Renamed once")
    await tenant.move_event(visit)

    async def rename() -> None:
        await tenant.patch_booking(visit, name="Renamed twice")

    tenant.dataverse.switchboard.faults.append(Fault(kind=BOOKING_WRITE, times=1))
    interrupt(tenant, BOOKING_WRITE, rename)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + IN_OUTLOOK
    row = await tenant.dispatcher.get(f"/bookableresourcebookings({visit.booking_id})?$select=name")
    assert row.json()["name"] == "Renamed twice"
    assert tenant.dataverse_calls == {BOOKING_READ: 2, BOOKING_WRITE: 3}
    await tenant.assert_converged()


async def test_a_booking_that_never_rests_sends_the_item_back_to_the_queue_and_the_move_lands_later(
    tenant: Tenant,
) -> None:
    """Failure mode 13: at most three decisions, then the queue, and none of that counts towards poison."""
    lose_webhooks(tenant)
    visit = tenant.visit()
    renames = 0

    async def rename() -> None:
        nonlocal renames
        renames += 1
        await tenant.patch_booking(visit, name=f"Renamed {renames} times")

    interrupt(tenant, BOOKING_WRITE, rename, times=7)
    await tenant.move_event(visit)
    await tenant.settle()
    assert renames == 7
    assert await tenant.booking_start(visit) == visit.start_at + IN_OUTLOOK
    assert [entry.action for entry in tenant.journal.entries if entry.action != "dropped"] == [
        "delayed",
        "delayed",
        "update-booking",
    ]
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_dynamics_wins_a_conflict_the_event_moves_back_and_the_loser_is_in_the_journal(tenant: Tenant) -> None:
    """Failure mode 13: times too, under the default policy."""
    lose_webhooks(tenant)
    visit = tenant.visit()
    await dispatcher_moves(tenant, visit)
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + IN_DYNAMICS
    assert await event_start(tenant, visit) == visit.start_at + IN_DYNAMICS
    (entry,) = tenant.entries("update-event")
    assert entry.reason == "both-sides-moved"
    assert entry.before.startswith(f"{visit.start_at + IN_OUTLOOK:%Y-%m-%d %H:%M}")
    assert entry.after.startswith(f"{visit.start_at + IN_DYNAMICS:%Y-%m-%d %H:%M}")
    assert tenant.graph_calls == {"event.get": 1, "event.update": 1}, "the echo of our own write must cost nothing"
    assert tenant.dataverse_calls == {BOOKING_READ: 1, BOOKING_WRITE: 1}
    await tenant.assert_converged()


async def test_outlook_wins_a_conflict_where_the_customer_says_so() -> None:
    """Failure mode 13: times too, policy outlook."""
    tenant = await tenant_with(Winner.OUTLOOK)
    lose_webhooks(tenant)
    visit = tenant.visit()
    await dispatcher_moves(tenant, visit)
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + IN_OUTLOOK
    assert await event_start(tenant, visit) == visit.start_at + IN_OUTLOOK
    (entry,) = tenant.entries("update-booking")
    assert entry.reason == "both-sides-moved"
    assert entry.before.startswith(f"{visit.start_at + IN_DYNAMICS:%Y-%m-%d %H:%M}")
    assert entry.after.startswith(f"{visit.start_at + IN_OUTLOOK:%Y-%m-%d %H:%M}")
    await tenant.assert_converged()


@pytest.mark.parametrize("outlook_is_later", [True, False])
async def test_the_later_change_wins_a_conflict_where_the_customer_says_so(outlook_is_later: bool) -> None:
    """Failure mode 13: times too, policy latest."""
    tenant = await tenant_with(Winner.LATEST)
    visit = tenant.visit()
    if not outlook_is_later:
        await tenant.move_event(visit)
        tenant.clock.advance(1)
    await dispatcher_moves(tenant, visit)
    if outlook_is_later:
        tenant.clock.advance(1)
        await tenant.move_event(visit)
    await tenant.settle()
    winner = IN_OUTLOOK if outlook_is_later else IN_DYNAMICS
    assert await tenant.booking_start(visit) == visit.start_at + winner
    assert await event_start(tenant, visit) == visit.start_at + winner
    await tenant.assert_converged()


@pytest.mark.parametrize("if_match", ["ignore", "enforce"])
@pytest.mark.parametrize("notification_etag", ["same", "other"])
async def test_an_event_moved_again_during_a_conflict_ends_in_agreement(if_match: str, notification_etag: str) -> None:
    """Failure mode 13: a third change, in Outlook, while Dynamics is winning."""
    tenant = await Tenant.small(if_match=if_match, notification_etag=notification_etag)
    visit = tenant.visit()
    await dispatcher_moves(tenant, visit)

    async def move_again() -> None:
        await tenant.move_event(visit, by=timedelta(hours=2))

    interrupt(tenant, BOOKING_READ, move_again)
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == await event_start(tenant, visit)
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_deletion_still_cancels_when_only_another_column_changed_meanwhile(tenant: Tenant) -> None:
    """Failure mode 13: between our read and the cancellation."""
    lose_webhooks(tenant)
    visit = tenant.visit()

    async def rename() -> None:
        await tenant.patch_booking(visit, name="Renamed by the dispatcher")

    interrupt(tenant, BOOKING_WRITE, rename)
    await tenant.delete_event(visit)
    await tenant.settle()
    booking = await tenant.booking(visit)
    assert (booking["status"], booking["bks_eventid"]) == ("Canceled", None)
    assert tenant.dataverse_calls[BOOKING_READ] == 2
    await tenant.assert_converged()


@pytest.mark.parametrize("is_heard", [True, False])
async def test_a_booking_moved_while_its_event_is_being_deleted_is_kept_and_gets_another_event(
    tenant: Tenant, *, is_heard: bool
) -> None:
    """Failure mode 13: an edit of the times beats a deletion, also between our read and our write."""
    if not is_heard:
        lose_webhooks(tenant)
    visit = tenant.visit()

    async def move() -> None:
        await dispatcher_moves(tenant, visit)

    interrupt(tenant, BOOKING_WRITE, move)
    await tenant.delete_event(visit)
    await tenant.settle()
    booking = await tenant.booking(visit)
    assert booking["status"] == "Scheduled"
    assert booking["bks_eventid"] not in (None, visit.event_id)
    assert await tenant.booking_start(visit) == visit.start_at + IN_DYNAMICS
    assert await event_start(tenant, visit) == visit.start_at + IN_DYNAMICS
    (entry,) = tenant.entries("clear-event-id")
    assert entry.reason == "edited-in-dynamics-meanwhile"
    await tenant.assert_converged()


@pytest.mark.parametrize(("status", "is_kept"), [("Completed", True), ("Canceled", True), ("In Progress", False)])
async def test_a_status_set_between_our_read_and_our_write_is_respected(
    tenant: Tenant, status: str, is_kept: bool
) -> None:
    """Failure mode 13: finished work keeps its hours; work in progress may still move."""
    visit = tenant.visit()

    async def set_status() -> None:
        await tenant.set_status(visit, status)

    interrupt(tenant, BOOKING_WRITE, set_status)
    await tenant.move_event(visit)
    await tenant.settle()
    booking = await tenant.booking(visit)
    assert booking["status"] == status
    assert await tenant.booking_start(visit) == visit.start_at + (timedelta() if is_kept else IN_OUTLOOK)
    await tenant.assert_converged()


async def test_a_booking_reassigned_between_our_read_and_the_cancellation_is_left_alone(tenant: Tenant) -> None:
    """Failure mode 13: the new technician's visit must not be cancelled by the old one's deletion."""
    visit = tenant.visit()

    async def reassign() -> None:
        await tenant.assign(visit, tenant.sample.technicians[3])

    interrupt(tenant, BOOKING_WRITE, reassign)
    await tenant.delete_event(visit)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Scheduled"
    assert [entry.reason for entry in tenant.entries("end-event")] == ["booking-reassigned"]
    await tenant.assert_converged()


async def tenant_with(winner: Winner) -> Tenant:
    tenant = Tenant()
    tenant.rules = replace(tenant.rules, policy=Policy(conflict_winner=winner))
    await tenant.start()
    return tenant
