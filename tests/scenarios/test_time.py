"""Failure modes 14 and 15: clock changes, zones by every name that Outlook has for them, and events without hours.

Every expected time is written out in UTC: it is not computed by what it checks.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from local.sample import SampleBooking
from tests.tenant import Tenant

CUSTOM = "tzone://Microsoft/Custom"
"""Outlook's name for a zone that a person defined; the sample mailboxes keep Western European time."""

VISITS = [
    # Spring 2027: clocks in Western Europe jump from 2:00 to 3:00 on 28 March, that is at 1:00 UTC.
    pytest.param("Europe/Berlin", "2027-03-28T01:30", "2027-03-28T03:30", "00:30", 60, id="iana-over-the-gap"),
    pytest.param("W. Europe Standard Time", "2027-03-28T01:30", "2027-03-28T03:30", "00:30", 60, id="windows-over-gap"),
    pytest.param(CUSTOM, "2027-03-28T01:30", "2027-03-28T03:30", "00:30", 60, id="custom-over-the-gap"),
    pytest.param("Europe/Berlin", "2027-03-27T09:00", "2027-03-27T10:00", "08:00", 60, id="the-day-before-the-gap"),
    pytest.param("Europe/Berlin", "2027-03-28T09:00", "2027-03-28T10:00", "07:00", 60, id="the-day-of-the-gap"),
    pytest.param("GMT Standard Time", "2027-03-28T00:30", "2027-03-28T02:30", "00:30", 60, id="london-over-the-gap"),
    # Autumn 2027: clocks in Western Europe go back from 3:00 to 2:00 on 31 October, that is at 1:00 UTC.
    pytest.param("Europe/Berlin", "2027-10-31T01:30", "2027-10-31T03:30", "23:30", 180, id="iana-over-the-hour-twice"),
    pytest.param("W. Europe Standard Time", "2027-10-31T01:30", "2027-10-31T03:30", "23:30", 180, id="windows-twice"),
    pytest.param(CUSTOM, "2027-10-31T01:30", "2027-10-31T03:30", "23:30", 180, id="custom-over-the-hour-twice"),
    pytest.param("Europe/Berlin", "2027-10-31T09:00", "2027-10-31T10:00", "08:00", 60, id="after-the-hour-twice"),
    # Elsewhere: other days, other hours, half an hour instead of a whole one, the other half of the year.
    pytest.param("Eastern Standard Time", "2027-03-14T01:00", "2027-03-14T04:00", "06:00", 120, id="new-york-spring"),
    pytest.param("America/New_York", "2027-11-07T00:30", "2027-11-07T02:30", "04:30", 180, id="new-york-autumn"),
    pytest.param("Australia/Lord_Howe", "2027-04-04T01:00", "2027-04-04T03:00", "14:00", 150, id="half-an-hour"),
    pytest.param(
        "India Standard Time", "2027-03-28T09:00", "2027-03-28T10:00", "03:30", 60, id="without-clock-changes"
    ),
]


@pytest.mark.parametrize(("zone", "start", "end", "starts_at", "minutes"), VISITS)
async def test_a_booking_follows_its_event_over_a_clock_change_by_whatever_name_the_zone_goes(
    zone: str, start: str, end: str, starts_at: str, minutes: int
) -> None:
    """Failure mode 14: both edges, Windows names, IANA names and a custom zone."""
    tenant = await Tenant.small()
    visit = tenant.visit()
    body = {"start": local(start, zone), "end": local(end, zone)}
    await tenant.patch_event(visit.technician.mailbox_id, visit.event_id, body)
    await tenant.settle()
    booking = await tenant.booking(visit)
    assert booking["starttime"][11:16] == starts_at
    started_at = datetime.fromisoformat(booking["starttime"])
    assert abs(started_at - datetime.fromisoformat(f"{start}Z")) < timedelta(hours=14)
    assert datetime.fromisoformat(booking["endtime"]) - started_at == timedelta(minutes=minutes)
    assert booking["duration"] == minutes, "the duration counts the minutes that pass, not those that clocks show"
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_an_event_given_another_zone_but_the_same_instants_costs_no_dataverse_call(tenant: Tenant) -> None:
    """Failure mode 14: the zone is how a time is shown; the booking has only the instant."""
    visit = tenant.visit()
    body = {
        side: local(f"{at + timedelta(hours=1):%Y-%m-%dT%H:%M}", "Europe/Berlin")
        for side, at in (("start", visit.start_at), ("end", visit.end_at))
    }
    await tenant.patch_event(visit.technician.mailbox_id, visit.event_id, body)
    await tenant.settle()
    assert tenant.graph_calls == {"event.get": 1}
    assert not tenant.dataverse_calls
    assert await tenant.booking_start(visit) == visit.start_at


ALL_DAY_ZONES = ["UTC", "Europe/Berlin", "W. Europe Standard Time", CUSTOM]


@pytest.mark.parametrize("shown_as", ["floating", "instant"])
@pytest.mark.parametrize("zone", ALL_DAY_ZONES)
async def test_an_all_day_event_leaves_the_booking_its_hours_until_it_has_hours_again(zone: str, shown_as: str) -> None:
    """Failure mode 15: all-day and back, also where it goes back to another time."""
    tenant = await Tenant.small(all_day=shown_as)
    visit = tenant.visit()
    before = await tenant.booking(visit)
    await make_all_day(tenant, visit, zone)
    await tenant.settle()
    assert await tenant.booking(visit) == before
    assert [entry.reason for entry in tenant.entries("leave-alone")] == ["all-day"]
    await tenant.assert_converged()

    await tenant.move_event(visit, by=timedelta(hours=3), isAllDay=False)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=3)
    assert (await tenant.booking(visit))["duration"] == before["duration"]
    await tenant.assert_converged()


async def test_an_all_day_event_set_back_to_the_agreed_hours_costs_no_dataverse_call(tenant: Tenant) -> None:
    """Failure mode 15: there and back again, as if nothing had been."""
    visit = tenant.visit()
    before = await tenant.booking(visit)
    await make_all_day(tenant, visit, "UTC")
    await tenant.settle()
    await tenant.move_event(visit, by=timedelta(), isAllDay=False)
    await tenant.settle()
    assert await tenant.booking(visit) == before
    assert not tenant.dataverse_calls
    await tenant.assert_converged()


async def test_an_all_day_event_moved_to_another_day_still_leaves_the_booking_alone(tenant: Tenant) -> None:
    """Failure mode 15: midnights are not hours that a visit could be booked at, wherever they lie."""
    visit = tenant.visit()
    before = await tenant.booking(visit)
    for days in (0, 1, 2):
        await make_all_day(tenant, visit, "UTC", days=days)
        await tenant.settle()
    assert await tenant.booking(visit) == before
    await tenant.assert_converged()


async def test_an_all_day_event_that_is_deleted_still_cancels_its_booking(tenant: Tenant) -> None:
    """Failure mode 15: left alone is not forgotten."""
    visit = tenant.visit()
    await make_all_day(tenant, visit, "Europe/Berlin")
    await tenant.settle()
    await tenant.delete_event(visit)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Canceled"
    await tenant.assert_converged()


async def test_an_all_day_event_first_met_after_the_tables_were_lost_is_still_swept_when_deleted(
    tenant: Tenant,
) -> None:
    """Failure mode 15: an event that was left alone at first sight is ours all the same, also for a delta sweep."""
    visit = tenant.visit()
    tenant.switch(lose=1.0)
    await make_all_day(tenant, visit, "UTC")
    tenant.state.lose_everything()
    await tenant.sweep()
    await tenant.settle()
    await tenant.delete_event(visit)
    await tenant.sweep()
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Canceled"


async def make_all_day(tenant: Tenant, visit: SampleBooking, zone: str, *, days: int = 0) -> None:
    first = visit.start_at.replace(hour=0, minute=0) + timedelta(days=days)
    midnights = {
        "start": local(f"{first:%Y-%m-%dT%H:%M}", zone),
        "end": local(f"{first + timedelta(1):%Y-%m-%dT%H:%M}", zone),
    }
    await tenant.patch_event(visit.technician.mailbox_id, visit.event_id, {**midnights, "isAllDay": True})


def local(text: str, zone: str) -> dict[str, Any]:
    """A time as Outlook sends it: what the clock shows, and whose clock."""
    return {"dateTime": f"{text}:00.0000000", "timeZone": zone}
