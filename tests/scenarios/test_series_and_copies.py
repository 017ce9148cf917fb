"""Failure modes 16 and 22: a booking's event made into a series, and events copied together with our mark."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from local.sample import SampleBooking
from tests.tenant import Tenant, event_path, wire

SERIES_SWITCHES = [
    pytest.param({}, id="defaults"),
    pytest.param({"exception_notifies": "master", "delta_series_master": "only"}, id="master-alone-occurrences-only"),
    pytest.param({"deleted_get": "200", "deleted_with_updated": True}, id="the-dead-can-be-read"),
    pytest.param({"notification_etag": "other", "delta_replay": True}, id="other-etags-replayed-delta"),
]


@pytest.mark.parametrize("switches", SERIES_SWITCHES)
async def test_a_series_made_out_of_a_visit_leaves_the_booking_untouched_until_it_is_deleted(
    switches: dict[str, Any],
) -> None:
    """Failure mode 16: one occurrence moved, one deleted; the master deleted cancels the booking."""
    tenant = await Tenant.small(**switches)
    visit = tenant.visit()
    before = await tenant.booking(visit)
    await make_series(tenant, visit)
    await tenant.settle()
    assert "made-into-a-series" in {entry.reason for entry in tenant.entries("leave-alone")}
    first, second, third, *_ = await occurrences(tenant, visit)
    await move(tenant, visit, second, by=timedelta(hours=2))
    await tenant.settle()
    await tenant.person.delete(event_path(visit.technician.mailbox_id, third["id"]))
    await tenant.settle()
    await move(tenant, visit, first, by=timedelta(hours=1))
    await tenant.settle()
    assert await tenant.booking(visit) == before
    assert not tenant.letters.letters
    await tenant.assert_converged()
    assert await tenant.booking(visit) == before

    await tenant.delete_event(visit)
    await tenant.settle()
    booking = await tenant.booking(visit)
    assert (booking["status"], booking["bks_eventid"]) == ("Canceled", None)
    await tenant.assert_converged()


async def test_a_series_found_by_the_sweep_alone_leaves_the_booking_untouched(tenant: Tenant) -> None:
    """Failure mode 16: every notification lost, and the tables as well."""
    tenant.switch(lose=1.0)
    visit = tenant.visit()
    before = await tenant.booking(visit)
    await make_series(tenant, visit)
    await tenant.sweep()
    await tenant.settle()
    tenant.state.lose_everything()
    await tenant.sweep()
    await tenant.settle()
    assert await tenant.booking(visit) == before
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_whole_series_moved_in_time_leaves_the_booking_untouched(tenant: Tenant) -> None:
    """Failure mode 16: which of its occurrences is the visit, nobody knows."""
    visit = tenant.visit()
    before = await tenant.booking(visit)
    await make_series(tenant, visit)
    await tenant.settle()
    await tenant.move_event(visit, by=timedelta(hours=4))
    await tenant.settle()
    assert await tenant.booking(visit) == before
    await tenant.assert_converged()


async def test_a_series_made_single_again_moves_its_booking(tenant: Tenant) -> None:
    """Failure mode 16: and back."""
    visit = tenant.visit()
    await make_series(tenant, visit)
    await tenant.settle()
    await tenant.move_event(visit, by=timedelta(hours=2), recurrence=None)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=2)
    await tenant.assert_converged()


async def test_the_first_occurrence_deleted_does_not_cancel_the_booking(tenant: Tenant) -> None:
    """Failure mode 16: the occurrence that lies where the visit lay is not the visit."""
    visit = tenant.visit()
    before = await tenant.booking(visit)
    await make_series(tenant, visit)
    await tenant.settle()
    first, *_ = await occurrences(tenant, visit)
    await tenant.person.delete(event_path(visit.technician.mailbox_id, first["id"]))
    await tenant.settle()
    assert await tenant.booking(visit) == before
    await tenant.assert_converged()


async def test_a_copy_with_our_mark_never_touches_the_booking_of_its_original(tenant: Tenant) -> None:
    """Failure mode 22: copy made, moved and deleted; the original still moves the booking afterwards."""
    visit = tenant.visit()
    before = await tenant.booking(visit)
    copy_id = await copy_event(tenant, visit)
    await tenant.settle()
    assert [entry.reason for entry in tenant.entries("remember-foreign")] == ["copy-of-a-booking-event"]
    assert tenant.graph_calls == {"event.get": 1}
    assert not tenant.app_writes
    tenant.forget_costs()
    await move_copy(tenant, visit, copy_id)
    await tenant.settle()
    await tenant.person.delete(event_path(visit.technician.mailbox_id, copy_id))
    await tenant.settle()
    assert await tenant.booking(visit) == before
    assert not tenant.graph_calls + tenant.dataverse_calls, "a known copy costs nothing"
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    await tenant.assert_converged()


@pytest.mark.parametrize(
    "switches", [{}, {"deleted_get": "200"}, {"deleted_with_updated": True}, {"search_empty_pages": 2}], ids=str
)
async def test_the_copy_takes_the_place_of_its_deleted_original(switches: dict[str, Any]) -> None:
    """Failure mode 22: the visit still stands in the calendar; from then on the copy moves it."""
    tenant = await Tenant.small(**switches)
    visit = tenant.visit()
    copy_id = await copy_event(tenant, visit)
    await move_copy(tenant, visit, copy_id, by=timedelta(hours=2))
    await tenant.settle()
    await tenant.delete_event(visit)
    await tenant.settle()
    booking = await tenant.booking(visit)
    assert (booking["status"], booking["bks_eventid"]) == ("Scheduled", copy_id)
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=2)
    await tenant.assert_converged()

    await move_copy(tenant, visit, copy_id, by=timedelta(hours=3))
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=3)
    await tenant.person.delete(event_path(visit.technician.mailbox_id, copy_id))
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Canceled"
    await tenant.assert_converged()


async def test_with_several_copies_one_takes_the_place_and_the_others_stay_copies(tenant: Tenant) -> None:
    """Failure mode 22: at most one event per booking."""
    visit = tenant.visit()
    copies = {await copy_event(tenant, visit) for _ in range(3)}
    await tenant.settle()
    await tenant.delete_event(visit)
    await tenant.settle()
    chosen = (await tenant.booking(visit))["bks_eventid"]
    assert chosen in copies
    for other in copies - {chosen}:
        await move_copy(tenant, visit, other, by=timedelta(hours=6))
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at
    await move_copy(tenant, visit, chosen, by=timedelta(hours=1))
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    await tenant.assert_converged()


async def test_a_copy_that_is_a_series_takes_the_place_without_moving_the_booking(tenant: Tenant) -> None:
    """Failure modes 16 and 22 together: a series has no one time to give to the booking."""
    visit = tenant.visit()
    copy_id = await copy_event(tenant, visit)
    await tenant.patch_event(visit.technician.mailbox_id, copy_id, series_body(visit, by=timedelta(days=1)))
    await tenant.settle()
    await tenant.delete_event(visit)
    await tenant.settle()
    booking = await tenant.booking(visit)
    assert (booking["status"], booking["bks_eventid"]) == ("Scheduled", copy_id)
    assert await tenant.booking_start(visit) == visit.start_at
    await tenant.assert_converged()


@pytest.mark.parametrize("copy_first", [True, False])
async def test_copies_stay_copies_when_all_tables_are_lost(tenant: Tenant, copy_first: bool) -> None:
    """Failure mode 22: what the booking says tells the original from its copy, whichever is looked at first."""
    visit = tenant.visit()
    copy_id = await copy_event(tenant, visit)
    await move_copy(tenant, visit, copy_id, by=timedelta(hours=2))
    await tenant.settle()
    tenant.state.lose_everything()
    if copy_first:
        await move_copy(tenant, visit, copy_id, by=timedelta(hours=3))
        await tenant.settle()
    await tenant.sweep()
    await tenant.settle()
    booking = await tenant.booking(visit)
    assert (booking["status"], booking["bks_eventid"]) == ("Scheduled", visit.event_id)
    assert await tenant.booking_start(visit) == visit.start_at
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    await tenant.assert_converged()


async def test_the_copy_of_an_original_deleted_while_the_tables_were_lost_takes_its_place(tenant: Tenant) -> None:
    """Failure mode 22: nobody told us of the deletion, and nothing was remembered."""
    visit = tenant.visit()
    copy_id = await copy_event(tenant, visit)
    await tenant.settle()
    tenant.switch(lose=1.0)
    tenant.state.lose_everything()
    await tenant.delete_event(visit)
    await tenant.sweep()
    await tenant.settle()
    booking = await tenant.booking(visit)
    assert (booking["status"], booking["bks_eventid"]) == ("Scheduled", copy_id)
    tenant.switch(lose=0.0)
    await move_copy(tenant, visit, copy_id, by=timedelta(hours=1))
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    await tenant.assert_converged()


async def test_a_copy_in_another_calendar_is_none_of_our_business(tenant: Tenant) -> None:
    """Failure mode 22: also where notifications cover all calendars."""
    tenant.switch(events_cover_all_calendars=True)
    visit = tenant.visit()
    before = await tenant.booking(visit)
    copy_id = await copy_event(tenant, visit, calendar="Archive")
    await tenant.settle()
    await move_copy(tenant, visit, copy_id)
    await tenant.settle()
    assert await tenant.booking(visit) == before
    await tenant.assert_converged()


def series_body(visit: SampleBooking, *, by: timedelta = timedelta()) -> dict[str, Any]:
    first = visit.start_at + by
    return {
        "start": wire(first),
        "end": wire(visit.end_at + by),
        "recurrence": {
            "pattern": {"type": "daily", "interval": 1},
            "range": {
                "type": "numbered",
                "startDate": f"{first:%Y-%m-%d}",
                "numberOfOccurrences": 5,
                "recurrenceTimeZone": "UTC",
            },
        },
    }


async def make_series(tenant: Tenant, visit: SampleBooking) -> None:
    await tenant.patch_event(visit.technician.mailbox_id, visit.event_id, series_body(visit))


async def occurrences(tenant: Tenant, visit: SampleBooking) -> list[dict[str, Any]]:
    """The occurrences of a visit's series, as its owner's calendar shows them."""
    start, end = (quote((visit.start_at + timedelta(days=days)).isoformat()) for days in (-1, 14))
    answer = await tenant.person.get(
        f"/users/{visit.technician.mailbox_id}/calendarView?startDateTime={start}&endDateTime={end}&$top=100"
    )
    found = [one for one in answer.json()["value"] if one.get("seriesMasterId") == visit.event_id]
    assert len(found) == 5
    return found


async def move(tenant: Tenant, visit: SampleBooking, occurrence: dict[str, Any], *, by: timedelta) -> None:
    times = {
        side: wire(datetime.fromisoformat(occurrence[side]["dateTime"]).replace(tzinfo=UTC) + by)
        for side in ("start", "end")
    }
    await tenant.patch_event(visit.technician.mailbox_id, occurrence["id"], times)


async def copy_event(tenant: Tenant, visit: SampleBooking, **where: str) -> str:
    """The technician copies a visit's event; answers the copy's id."""
    answer = await tenant.control_graph(
        "/copy-event", mailbox_id=visit.technician.mailbox_id, event_id=visit.event_id, **where
    )
    return str(answer.json()["id"])


async def move_copy(tenant: Tenant, visit: SampleBooking, copy_id: str, *, by: timedelta = timedelta(hours=1)) -> None:
    body = {"start": wire(visit.start_at + by), "end": wire(visit.end_at + by)}
    await tenant.patch_event(visit.technician.mailbox_id, copy_id, body)
