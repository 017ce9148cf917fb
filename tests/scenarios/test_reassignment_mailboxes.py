"""A booking is given to another technician, and the mailbox of one of the two is not there for us."""

from datetime import timedelta

import pytest

from local.graph.events import Access
from local.sample import guid
from local.switchboard import Fault
from sync.core.actions import Reason
from sync.core.delivery_state import UNDELIVERED
from tests.company import BOOKING_WRITE, Company
from tests.dispatching import DAY, starts_at

FORMER, NEW, WITHOUT_MAILBOX = 3, 4, 6
MOVED = timedelta(hours=3)

conditional = pytest.mark.parametrize("if_match", ["ignore", "enforce"])
denials = pytest.mark.parametrize("access", ["denied", "not_enabled", "gone"])
known = pytest.mark.parametrize("is_known", [True, False], ids=["quarantined-before", "found-out-by-it"])


async def reassign_to_nobody_there(access: Access, *, is_known: bool) -> Company:
    """The new technician's mailbox does not answer; when `is_known`, a sweep has noticed before."""
    company = await Company.open(FORMER, NEW)
    new = company.technicians[1]
    await company.set_access(new, access)
    if is_known:
        await company.sweep()
        await company.settle()
    company.forget_costs()
    await company.assign(company.visit(), new)
    await company.settle()
    return company


async def test_a_resource_that_is_nobody_gets_no_event_and_the_booking_says_why() -> None:
    """When the booking comes back to somebody, so does the event, and the mark goes."""
    company = await Company.open(FORMER)
    visit = company.visit()
    crane = f"/bookableresources({guid('resource:Crane 1')})"
    await company.patch_booking(visit, **{"Resource@odata.bind": crane})
    await company.settle()
    assert await company.live_events(visit.booking_id) == []
    row = await company.row(visit.booking_id)
    assert (row["bks_eventid"], row["bks_undelivered"]) == (None, UNDELIVERED[Reason.NO_MAILBOX])
    assert company.app_writes == {"event.delete": 1, BOOKING_WRITE: 1}
    await company.assert_at_rest()
    await company.assign(visit, company.technician)
    await company.settle()
    await company.assert_delivered(visit.booking_id, company.technician)
    await company.assert_at_rest()


@known
@denials
async def test_the_former_event_goes_though_the_new_mailbox_cannot_be_reached_and_the_booking_says_why(
    access: Access, is_known: bool
) -> None:
    """The former technician must not drive to a visit that is somebody else's."""
    company = await reassign_to_nobody_there(access, is_known=is_known)
    visit = company.visit()
    assert await company.live_events(visit.booking_id) == []
    row = await company.row(visit.booking_id)
    assert (row["bks_eventid"], row["bks_undelivered"]) == (None, UNDELIVERED[Reason.UNREACHABLE])
    await company.assert_at_rest()


@known
@denials
async def test_the_event_appears_and_the_mark_goes_when_the_new_mailbox_is_back(access: Access, is_known: bool) -> None:
    company = await reassign_to_nobody_there(access, is_known=is_known)
    visit, new = company.visit(), company.technicians[1]
    await company.set_access(new, "ok")
    await company.run_timers(timedelta(hours=1))
    await company.assert_delivered(visit.booking_id, new)
    await company.assert_at_rest()


async def test_a_technician_who_gets_a_mailbox_gets_the_events_of_what_is_booked_on_them() -> None:
    """The one of the sample who has none."""
    company = await Company.open(FORMER, WITHOUT_MAILBOX)
    visit, new = company.visit(), company.technicians[1]
    await company.assign(visit, new)
    await company.settle()
    assert await company.live_events(visit.booking_id) == []
    assert (await company.row(visit.booking_id))["bks_undelivered"] == UNDELIVERED[Reason.UNREACHABLE]
    await company.set_access(new, "ok")
    await company.run_timers(timedelta(hours=3))
    await company.assert_delivered(visit.booking_id, new)
    await company.assert_at_rest()


async def test_a_booking_moved_while_its_mailbox_is_away_moves_its_event_when_it_is_back() -> None:
    """Without a reassignment it is the same: the state that could not be delivered must be looked at again."""
    company = await Company.open(FORMER)
    visit = company.visit()
    await company.set_access(company.technician, "denied")
    await company.plan(visit, MOVED)
    await company.settle()
    await company.set_access(company.technician, "ok")
    await company.run_timers(timedelta(hours=1))
    await company.assert_delivered(visit.booking_id, company.technician)
    await company.assert_at_rest()


async def test_a_booking_reassigned_beyond_the_window_gets_its_event_when_it_enters() -> None:
    company = await Company.open(FORMER, NEW)
    visit, new = company.visit(), company.technicians[1]
    await company.plan(visit, 55 * DAY)
    await company.settle()
    await company.assert_delivered(visit.booking_id, company.technician)
    await company.assign(visit, new)
    await company.settle()
    assert await company.live_events(visit.booking_id) == []
    company.clock.advance(25 * DAY.total_seconds())
    await company.run_timers(timedelta(hours=1))
    await company.assert_delivered(visit.booking_id, new)
    await company.assert_at_rest()


@known
async def test_the_journal_tells_of_no_event_that_was_not_made(is_known: bool) -> None:
    company = await reassign_to_nobody_there("denied", is_known=is_known)
    assert not company.entries("create-event")
    assert [entry.reason for entry in company.journal.entries].count(Reason.UNREACHABLE) == 1


@conditional
@denials
async def test_a_former_mailbox_that_cannot_be_reached_holds_up_nobody_and_is_cleared_when_it_is_back(
    access: Access, if_match: str
) -> None:
    company = await Company.open(FORMER, NEW, if_match=if_match)
    visit, former, new = company.visit(), *company.technicians
    await company.set_access(former, access)
    await company.assign(visit, new)
    await company.settle()
    event_id = (await company.row(visit.booking_id))["bks_eventid"]
    await company.plan(visit, MOVED)
    await company.settle()
    assert starts_at(await company.read_event(new.mailbox_id, event_id)) == visit.start_at + MOVED
    await company.set_access(former, "ok")
    await company.run_timers(timedelta(hours=1))
    await company.assert_delivered(visit.booking_id, new)
    await company.assert_at_rest()


async def come_back_to_a_mailbox_that_was_away() -> Company:
    """Reassigned while the former mailbox is away, and back again when it is there, but still quarantined."""
    company = await Company.open(FORMER, NEW)
    visit, former, new = company.visit(), *company.technicians
    await company.set_access(former, "denied")
    await company.assign(visit, new)
    await company.settle()
    await company.set_access(former, "ok")
    await company.assign(visit, former)
    await company.run_timers(timedelta(hours=1))
    return company


async def test_a_booking_that_comes_back_to_a_mailbox_that_was_away_all_along_has_its_first_event_again() -> None:
    """The one that could not be removed."""
    company = await come_back_to_a_mailbox_that_was_away()
    visit = company.visit()
    event = await company.event_now(visit)
    assert (event["mailbox_id"], event["id"]) == (visit.technician.mailbox_id, visit.event_id)
    assert (await company.row(visit.booking_id))["bks_eventid"] == visit.event_id
    await company.assert_at_rest()


async def test_a_booking_whose_event_turns_up_again_is_not_marked_as_undelivered_any_more() -> None:
    company = await come_back_to_a_mailbox_that_was_away()
    await company.assert_delivered(company.visit().booking_id)


async def test_a_former_mailbox_that_cannot_be_reached_costs_no_further_write_to_the_booking() -> None:
    """The booking names its new event already, and must not stop doing so."""
    company = await Company.open(FORMER, NEW)
    visit, former, new = company.visit(), *company.technicians
    await company.set_access(former, "denied")
    await company.assign(visit, new)
    await company.settle()
    assert company.app_writes[BOOKING_WRITE] == 1


async def reassign_while_the_former_mailbox_fails() -> tuple[Company, Fault]:
    """Not refused but failing: 503, again and again. Then the dispatcher moves the visit."""
    company = await Company.open(FORMER, NEW)
    visit, former, new = company.visit(), *company.technicians
    outage = Fault(path_contains=former.mailbox_id, status=503, times=None)
    company.graph.switchboard.faults.append(outage)
    await company.assign(visit, new)
    await company.settle(limit=timedelta(minutes=1))
    await company.plan(visit, MOVED)
    await company.settle(limit=timedelta(minutes=1))
    return company, outage


async def test_a_former_mailbox_that_fails_for_a_while_loses_its_event_in_the_end() -> None:
    company, outage = await reassign_while_the_former_mailbox_fails()
    company.graph.switchboard.faults.remove(outage)
    await company.settle()
    await company.assert_delivered(company.visit().booking_id, company.technicians[1])
    await company.assert_at_rest()


async def test_a_former_mailbox_that_fails_does_not_hold_up_the_work_at_the_new_technician() -> None:
    company, _ = await reassign_while_the_former_mailbox_fails()
    visit, new = company.visit(), company.technicians[1]
    event = await company.read_event(new.mailbox_id, (await company.row(visit.booking_id))["bks_eventid"])
    assert starts_at(event) == visit.start_at + MOVED
