"""Events that the sweep no longer sees but that nobody deleted: outside its window, or in another calendar.

Failure modes 6, 7 and 12: `@removed` and absence are hints, and a delta round may have to begin anew.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from local.sample import SampleBooking
from local.switchboard import Fault
from tests.tenant import Tenant, wire

HOUR = timedelta(hours=1)
FAR = timedelta(days=90)

is_full = pytest.mark.parametrize("is_full", [False, True], ids=["delta", "full"])


@is_full
@pytest.mark.parametrize("by", [FAR, -timedelta(days=30)], ids=["ahead", "back"])
@pytest.mark.parametrize("delta_replay", [False, True])
async def test_an_event_moved_out_of_the_window_moves_its_booking(
    tenant: Tenant, by: timedelta, *, is_full: bool, delta_replay: bool
) -> None:
    """Failure mode 6: push is lost and delta says `@removed`; the booking moves and is not cancelled."""
    tenant.switch(lose=1.0, delta_replay=delta_replay)
    visit = tenant.visit()
    await tenant.move_event(visit, by=by)
    await tenant.sweep(visit.technician.mailbox_id, is_full=is_full)
    await tenant.settle()
    booking = await tenant.booking(visit)
    assert (booking["status"], booking["bks_eventid"]) == ("Scheduled", visit.event_id)
    assert await tenant.booking_start(visit) == visit.start_at + by
    assert tenant.app_writes == {"bookableresourcebookings.update": 1}
    await tenant.assert_converged()


@is_full
async def test_an_event_beyond_the_window_that_push_reported_is_only_read_by_the_sweep(
    tenant: Tenant, *, is_full: bool
) -> None:
    """Failure mode 6: what push has moved already, `@removed` does not move or cancel again."""
    visit = tenant.visit()
    await tenant.move_event(visit, by=FAR)
    await tenant.settle()
    tenant.forget_costs()
    await tenant.sweep(visit.technician.mailbox_id, is_full=is_full)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Scheduled"
    assert not tenant.dataverse_calls["bookableresourcebookings.get"]
    assert not tenant.app_writes


async def test_an_event_moved_around_beyond_the_window_is_followed_by_the_sweep(tenant: Tenant) -> None:
    """Failure mode 6: delta reports changes outside its window as `@removed`, time and again; and it may come back."""
    tenant.switch(lose=1.0)
    visit = tenant.visit()
    for by in (FAR, FAR + HOUR, -FAR, HOUR):
        await tenant.move_event(visit, by=by)
        await tenant.sweep(visit.technician.mailbox_id)
        await tenant.settle()
        assert await tenant.booking_start(visit) == visit.start_at + by
    await tenant.assert_converged()


@pytest.mark.parametrize("deleted_get", ["404", "200"])
async def test_an_event_moved_out_of_the_window_and_then_deleted_cancels_its_booking(
    tenant: Tenant, deleted_get: str
) -> None:
    """Failure mode 6: the sweep tells a move out of sight from a deletion out of sight."""
    tenant.switch(lose=1.0, deleted_get=deleted_get)
    visit = tenant.visit()
    await tenant.move_event(visit, by=FAR)
    await tenant.sweep(visit.technician.mailbox_id)
    await tenant.settle()
    await tenant.delete_event(visit)
    await tenant.sweep(visit.technician.mailbox_id)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Canceled"


async def test_an_event_moved_out_of_the_window_survives_the_loss_of_all_tables(tenant: Tenant) -> None:
    """Failure mode 6: Dataverse expects it in the window, the calendar shows it nowhere; it is read before judged."""
    tenant.switch(lose=1.0)
    visit = tenant.visit()
    await tenant.move_event(visit, by=FAR)
    tenant.state.lose_everything()
    await tenant.sweep(visit.technician.mailbox_id)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Scheduled"
    assert await tenant.booking_start(visit) == visit.start_at + FAR


@pytest.mark.parametrize("lose", [0.0, 1.0], ids=["pushed", "swept"])
async def test_a_whole_week_moved_out_of_the_window_is_no_flood_of_deletions(lose: float) -> None:
    """Failure mode 6: a technician falls ill and moves all twenty visits by three months; nobody has to release."""
    tenant = await Tenant.small(technician=1, lose=lose)
    visits = [tenant.visit(index=index) for index in range(20)]
    for visit in visits:
        await tenant.move_event(visit, by=FAR)
    await tenant.settle()
    await tenant.sweep(visits[0].technician.mailbox_id)
    await tenant.settle()
    assert [await tenant.booking_start(visit) for visit in visits] == [visit.start_at + FAR for visit in visits]
    assert not tenant.entries("breaker-held")
    await tenant.assert_converged()


async def add_private_events(tenant: Tenant, visit: SampleBooking, count: int) -> None:
    """So many that a delta round has several pages."""
    for minute in range(count):
        start_at = visit.start_at + timedelta(minutes=minute)
        body = {"subject": "Note to self", "start": wire(start_at), "end": wire(start_at + timedelta(minutes=5))}
        answer = await tenant.person.post(f"/users/{visit.technician.mailbox_id}/events", json=body)
        assert answer.status_code == 201


def expired(status: int) -> Fault:
    return Fault(kind="calendarView.delta", status=status, body={"error": {"code": "SyncStateNotFound", "message": ""}})


def served() -> Fault:
    """Lets one request pass, so that the next fault in the list meets the one after."""
    return Fault(kind="calendarView.delta")


@pytest.mark.parametrize("status", [410, 400])
async def test_a_delta_token_expired_at_the_start_costs_a_full_round_and_nothing_else(
    tenant: Tenant, status: int
) -> None:
    """Failure mode 7: the service forgot the token; what push lost is found all the same, nothing is cancelled."""
    tenant.switch(lose=1.0, delta_expired_status=status)
    moved, deleted = tenant.visit(index=0), tenant.visit(index=1)
    await tenant.move_event(moved)
    await tenant.delete_event(deleted)
    await tenant.control_graph("/expire-delta-tokens")
    await tenant.sweep(moved.technician.mailbox_id)
    await tenant.settle()
    assert await tenant.booking_start(moved) == moved.start_at + HOUR
    assert (await tenant.booking(deleted))["status"] == "Canceled"
    assert tenant.app_writes == {"bookableresourcebookings.update": 2}
    assert [entry.reason.partition(":")[0] for entry in tenant.entries("swept")] == ["full"]
    assert not tenant.letters.letters
    await tenant.assert_converged()


@pytest.mark.parametrize(
    ("status", "code"), [(400, "InvalidDeltaToken"), (400, "ErrorInvalidSyncStateData"), (404, "UnknownError")]
)
async def test_a_delta_token_refused_in_other_words_costs_a_full_round_too(
    tenant: Tenant, status: int, code: str
) -> None:
    """Failure mode 7: the cursor that Graph refuses would be refused at each sweep of three days."""
    tenant.switch(lose=1.0)
    visit = tenant.visit()
    mailbox_id = visit.technician.mailbox_id
    await tenant.move_event(visit)
    before = await tenant.state.find_cursor(mailbox_id)
    refusal = Fault(kind="calendarView.delta", status=status, body={"error": {"code": code, "message": ""}})
    tenant.graph.switchboard.faults += [refusal] if status == 400 else [replace(refusal, times=3)]
    await tenant.sweep(mailbox_id)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + HOUR
    assert [entry.reason.partition(":")[0] for entry in tenant.entries("swept")] == ["full"]
    assert await tenant.state.find_cursor(mailbox_id) != before
    assert not tenant.letters.letters
    await tenant.assert_converged()


@pytest.mark.parametrize("status", [410, 400])
@pytest.mark.parametrize(
    ("faults", "rounds"),
    [
        pytest.param([served(), expired(410)], 1, id="in-the-delta-round"),
        pytest.param([served(), expired(410), served(), expired(410)], 2, id="in-the-full-round-too"),
    ],
)
async def test_a_delta_token_expired_in_the_middle_of_paging_loses_nothing(
    tenant: Tenant, faults: list[Fault], rounds: int, status: int
) -> None:
    """Failure mode 7: between two pages; also when the full round that follows meets the same fate."""
    tenant.switch(lose=1.0)
    moved, deleted = tenant.visit(index=0), tenant.visit(index=1)
    await tenant.move_event(moved)
    await tenant.delete_event(deleted)
    await add_private_events(tenant, moved, 150)
    tenant.graph.switchboard.faults += [expired(status) if fault.status else served() for fault in faults]
    await tenant.sweep(moved.technician.mailbox_id)
    await tenant.settle()
    assert not tenant.graph.switchboard.faults
    assert await tenant.booking_start(moved) == moved.start_at + HOUR
    assert (await tenant.booking(deleted))["status"] == "Canceled"
    assert tenant.app_writes == {"bookableresourcebookings.update": 2}
    assert len(tenant.entries("swept")) + len(tenant.entries("delayed")) == rounds
    assert not tenant.letters.letters
    await tenant.assert_converged()


@pytest.mark.parametrize("covers_all", [True, False], ids=["covered", "not-covered"])
@pytest.mark.parametrize("move_notifies", ["deleted+created", "updated"])
@pytest.mark.parametrize("batch", [True, False], ids=["together", "apart"])
async def test_an_event_moved_to_another_calendar_keeps_its_booking_and_is_followed_there(
    tenant: Tenant, move_notifies: str, *, covers_all: bool, batch: bool
) -> None:
    """Failure mode 12: push follows where subscriptions cover every calendar, the sweep where they do not."""
    tenant.switch(burst=4, batch=batch, move_notifies=move_notifies, events_cover_all_calendars=covers_all)
    visit = tenant.visit()
    before = await tenant.booking(visit)
    await move_to(tenant, visit, "Work")
    await tenant.settle()
    assert await tenant.booking(visit) == before
    assert not tenant.dataverse_calls

    await tenant.move_event(visit, by=3 * HOUR)
    await tenant.settle()
    if not covers_all:
        await tenant.sweep(visit.technician.mailbox_id)
        await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + 3 * HOUR
    assert not tenant.letters.letters
    await tenant.assert_converged()


@pytest.mark.parametrize("covers_all", [True, False], ids=["covered", "not-covered"])
@pytest.mark.parametrize("deleted_get", ["404", "200"])
async def test_an_event_deleted_in_another_calendar_cancels_its_booking(
    tenant: Tenant, deleted_get: str, *, covers_all: bool
) -> None:
    """Failure mode 12: out of the default calendar is not out of reach."""
    tenant.switch(deleted_get=deleted_get, events_cover_all_calendars=covers_all)
    visit = tenant.visit()
    await move_to(tenant, visit, "Work")
    await tenant.settle()
    await tenant.delete_event(visit)
    await tenant.settle()
    await tenant.sweep(visit.technician.mailbox_id)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Canceled"
    await tenant.assert_converged()


@pytest.mark.parametrize("move_notifies", ["deleted+created", "updated"])
async def test_an_event_moved_there_and_back_keeps_its_booking(tenant: Tenant, move_notifies: str) -> None:
    """Failure mode 12: also when both moves arrive as one heap of notifications."""
    tenant.switch(burst=4, batch=False, move_notifies=move_notifies)
    visit = tenant.visit()
    before = await tenant.booking(visit)
    await move_to(tenant, visit, "Work")
    await move_to(tenant, visit, "Calendar")
    await tenant.settle()
    assert await tenant.booking(visit) == before
    assert not tenant.dataverse_calls
    await tenant.assert_converged()


async def test_a_move_to_another_calendar_that_push_lost_keeps_the_booking(tenant: Tenant) -> None:
    """Failure mode 12: seen by the sweep alone, as `@removed`, and the time changed on the way."""
    tenant.switch(lose=1.0)
    visit = tenant.visit()
    await move_to(tenant, visit, "Work")
    await tenant.move_event(visit)
    await tenant.sweep(visit.technician.mailbox_id)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Scheduled"
    assert await tenant.booking_start(visit) == visit.start_at + HOUR
    await tenant.assert_converged()


@is_full
async def test_a_technician_who_keeps_all_visits_in_another_calendar_stays_in_sync(*, is_full: bool) -> None:
    """Failure mode 12: twenty `@removed` at once are no flood of deletions; a change there is found by the sweep."""
    tenant = await Tenant.small(technician=1)
    visits = [tenant.visit(index=index) for index in range(20)]
    for visit in visits:
        await move_to(tenant, visit, "Work")
    await tenant.settle()
    await tenant.move_event(visits[0], by=3 * HOUR)
    await tenant.settle()
    await tenant.sweep(visits[0].technician.mailbox_id, is_full=is_full)
    await tenant.settle()
    assert {(await tenant.booking(visit))["status"] for visit in visits} == {"Scheduled"}
    assert await tenant.booking_start(visits[0]) == visits[0].start_at + 3 * HOUR
    assert not tenant.entries("breaker-held")


async def move_to(tenant: Tenant, visit: SampleBooking, calendar: str) -> None:
    """The technician drags a visit's event into a calendar, which is made if it is not there."""
    await tenant.control_graph(
        "/move-event", mailbox_id=visit.technician.mailbox_id, event_id=visit.event_id, calendar=calendar
    )
