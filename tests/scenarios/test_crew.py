"""A crew: Dynamics itself spreads a change of one booking to the others, and each technician's event follows, once."""

from datetime import timedelta
from typing import Any

import pytest

from local.sample import SampleBooking
from sync.core.reconcile import Winner
from tests.company import BOOKING_WRITE, Company, winner_is
from tests.dispatching import starts_at

CREW = (3, 4, 5)
MOVED = timedelta(hours=3)
MOVED_OTHERWISE = timedelta(hours=6)

policies = pytest.mark.parametrize("winner", list(Winner))
conditional = pytest.mark.parametrize("if_match", ["ignore", "enforce"])
members = pytest.mark.parametrize("member", [0, 2], ids=["leader", "last-member"])


async def open_crew(
    *members: int, winner: Winner = Winner.DYNAMICS, **switches: Any
) -> tuple[Company, list[SampleBooking]]:
    """Technicians, three at most, on one requirement: bookings that pass on their changes and accept the others'."""
    company = await Company.open(*CREW, choose=winner_is(winner), **switches)
    requirement_id = await company.add("msdyn_resourcerequirements", msdyn_name="A heat pump")
    crew = [company.visit(company.sample.technicians[index]) for index in members or CREW]
    assert len({visit.start_at for visit in crew}) == 1
    for visit in crew:
        await company.patch_booking(
            visit,
            msdyn_cascadecrewchanges=True,
            msdyn_acceptcascadecrewchanges=True,
            **{"msdyn_ResourceRequirement@odata.bind": f"/msdyn_resourcerequirements({requirement_id})"},
        )
    await company.sweep()
    await company.settle()
    assert not company.app_writes
    company.forget_costs()
    return company, crew


async def assert_crew_is_at(company: Company, crew: list[SampleBooking], by: timedelta) -> None:
    """All of the crew have their event, and it lies `by` after the planned time."""
    for visit in crew:
        await company.assert_delivered(visit.booking_id, visit.technician)
        assert starts_at(await company.event_now(visit)) == visit.start_at + by


@conditional
@members
async def test_one_move_by_the_dispatcher_moves_the_events_of_the_whole_crew(member: int, if_match: str) -> None:
    company, crew = await open_crew(if_match=if_match)
    await company.plan(crew[member], MOVED)
    await company.settle()
    await assert_crew_is_at(company, crew, MOVED)
    assert company.app_writes == {"event.update": 3}, "each event once, and nothing in Dynamics"
    company.forget_costs()
    await company.run_timers(timedelta(hours=2))
    assert not company.app_writes
    await company.assert_at_rest()


@conditional
@members
async def test_a_move_in_outlook_by_one_of_the_crew_spreads_through_dynamics_to_the_others_once(
    member: int, if_match: str
) -> None:
    """The app writes one booking; that the others' bookings follow is Dynamics' doing, and webhooks tell of it."""
    company, crew = await open_crew(if_match=if_match)
    await company.drag(crew[member], MOVED)
    await company.settle()
    await assert_crew_is_at(company, crew, MOVED)
    assert company.app_writes == {BOOKING_WRITE: 1, "event.update": 2}
    company.forget_costs()
    await company.run_timers(timedelta(hours=2))
    assert not company.app_writes
    await company.assert_at_rest()


@policies
@conditional
async def test_a_crew_whose_members_move_their_events_apart_at_the_same_moment_comes_to_one_time(
    winner: Winner, if_match: str
) -> None:
    """Two conflicting moves and no loop; the time that lost is in the journal."""
    company, crew = await open_crew(winner=winner, if_match=if_match)
    await company.drag(crew[0], MOVED)
    await company.drag(crew[1], MOVED_OTHERWISE)
    await company.settle()
    starts = {starts_at(await company.event_now(visit)) for visit in crew}
    assert starts <= {crew[0].start_at + MOVED, crew[0].start_at + MOVED_OTHERWISE}
    assert len(starts) == 1, "the crew is together"
    for visit in crew:
        await company.assert_delivered(visit.booking_id, visit.technician)
    assert company.journal_tells_of(crew[0].start_at + MOVED)
    assert company.journal_tells_of(crew[0].start_at + MOVED_OTHERWISE)
    company.forget_costs()
    await company.run_timers(timedelta(hours=2))
    assert not company.app_writes
    await company.assert_at_rest()


async def test_a_cancellation_of_one_booking_takes_the_events_of_the_whole_crew() -> None:
    company, crew = await open_crew()
    await company.set_status(crew[0], "Canceled")
    await company.settle()
    assert [await company.live_events(visit.booking_id) for visit in crew] == [[], [], []]
    assert company.app_writes == {"event.delete": 3, BOOKING_WRITE: 3}
    await company.assert_at_rest()


async def test_a_deletion_in_outlook_by_one_of_the_crew_ends_where_dynamics_ends_it() -> None:
    """One booking is cancelled by the app, the others by Dynamics; their events go."""
    company, crew = await open_crew()
    await company.delete_event(crew[1])
    await company.settle()
    assert {(await company.row(visit.booking_id))["status"] for visit in crew} == {"Canceled"}
    assert [await company.live_events(visit.booking_id) for visit in crew] == [[], [], []]
    assert len(company.entries("cancel-booking")) == 1
    company.forget_costs()
    await company.run_timers(timedelta(hours=2))
    assert not company.app_writes
    await company.assert_at_rest()


async def test_a_change_of_the_crews_work_order_reaches_each_of_them_through_their_own_booking() -> None:
    company, crew = await open_crew()
    order = crew[0].work_order
    assert order is not None
    for visit in crew[1:]:
        await company.patch_booking(
            visit, **{"msdyn_workorder@odata.bind": f"/msdyn_workorders({order.work_order_id})"}
        )
    await company.settle()
    company.forget_costs()
    await company.describe(crew[0], msdyn_workordersummary="Bring a ladder")
    await company.settle()
    for visit in crew:
        assert "Bring a ladder" in (await company.event_now(visit))["body"]["content"]
    assert company.app_writes == {"event.update": 3}
    await company.assert_at_rest()


async def move_without_the_last_member() -> tuple[Company, list[SampleBooking]]:
    """The dispatcher moves the crew while one of the mailboxes cannot be reached."""
    company, crew = await open_crew()
    await company.set_access(crew[2].technician, "denied")
    await company.plan(crew[0], MOVED)
    await company.settle()
    return company, crew


async def test_a_crew_member_whose_mailbox_cannot_be_reached_does_not_hold_up_the_others() -> None:
    company, crew = await move_without_the_last_member()
    await assert_crew_is_at(company, crew[:2], MOVED)


async def test_a_crew_member_whose_mailbox_comes_back_follows_the_crew() -> None:
    company, crew = await move_without_the_last_member()
    await company.set_access(crew[2].technician, "ok")
    await company.run_timers(timedelta(hours=1))
    await assert_crew_is_at(company, crew, MOVED)
    await company.assert_at_rest()


async def test_who_replaces_a_member_takes_the_place_in_the_crew() -> None:
    """The new technician's event follows the crew, and the crew follows it."""
    company, crew = await open_crew(*CREW[:2])
    leader, member = crew
    new = company.sample.technicians[CREW[2]]
    await company.assign(member, new)
    await company.settle()
    await company.plan(leader, MOVED)
    await company.settle()
    await company.assert_delivered(member.booking_id, new)
    for visit in crew:
        assert starts_at(await company.event_now(visit)) == visit.start_at + MOVED
    await company.drag(member, MOVED_OTHERWISE)
    await company.settle()
    await company.assert_delivered(member.booking_id, new)
    for visit in crew:
        assert starts_at(await company.event_now(visit)) == visit.start_at + MOVED_OTHERWISE
    await company.assert_at_rest()
