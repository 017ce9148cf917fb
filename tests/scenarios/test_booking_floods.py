"""Many bookings end at once: what looks like an accident is held until a person has looked, what is work is not."""

from argparse import Namespace
from datetime import timedelta

from local.sample import guid
from local.switchboard import Fault
from local.wiring import DATAVERSE_URL
from sync.bootstrap import Workshop
from sync.commands.ordering import release as release_by_command
from sync.core.errors import BreakerHeld
from sync.core.mailboxes import BOOKINGS
from sync.service.breaker import release
from sync.service.disposal import replay
from tests.dispatching import DAY, HOUR, MONDAY, DispatchTenant

WEEK = 20
"""Visits of the sample's week of a busy technician."""

HALF = 15
"""Of thirty: fifteen deletions pass, and the sixteenth would be more than half of what the calendar had.

Always as many, though messages are handled at once: storage in memory never waits, so nobody counts the links while
somebody else has passed and not yet noted that the event is over.
"""

CHANGES = "bookableresourcebookings.delta"
NOTHING = {"value": [], "@odata.deltaLink": f"{DATAVERSE_URL}/api/data/v9.2/bookableresourcebookings?$deltatoken=1"}
"""A full round in which there is no booking at all."""


async def busy(*technicians: int) -> tuple[DispatchTenant, list[str]]:
    """A tenant and the thirty bookings of its technician, all with events: a week and ten more."""
    tenant = await DispatchTenant.open(*technicians)
    days = [MONDAY + timedelta(days=7 + index // 2, hours=8 + 3 * (index % 2)) for index in range(10)]
    more = [await tenant.book(start_at, name=f"More {start_at:%d %H}") for start_at in days]
    await tenant.settle()
    week = [one.booking_id for one in tenant.sample.bookings if one.technician is tenant.technician]
    assert len(week) == WEEK
    tenant.forget_costs()
    assert await left(tenant, week + more) == 30
    return tenant, week + more


async def left(tenant: DispatchTenant, booking_ids: list[str]) -> int:
    """How many of the bookings have an event in the technician's calendar."""
    return sum([len(await tenant.events(one)) for one in booking_ids])


async def replay_all(tenant: DispatchTenant) -> None:
    for letter in list(tenant.letters.letters.values()):
        await replay(letter, tenant.ports)
    await tenant.settle()


async def test_thirty_bookings_deleted_at_once_are_held_after_half_of_them_and_released_by_a_person() -> None:
    """More than ten, and more than half of what the calendar has."""
    tenant, booking_ids = await busy(0)
    mailbox_id = tenant.technician.mailbox_id
    for booking_id in booking_ids:
        await tenant.delete(booking_id)
    await tenant.settle()
    held = await left(tenant, booking_ids)
    assert held == HALF
    letters = list(tenant.letters.letters.values())
    assert [letter.error_class for letter in letters] == [BreakerHeld.__name__] * held
    assert all(letter.mailbox_id == mailbox_id for letter in letters)
    assert (await tenant.breaker(mailbox_id)).held_since is not None

    await tenant.run_timers(6 * HOUR, every=HOUR)
    assert await left(tenant, booking_ids) == held

    await release(mailbox_id, tenant.ports)
    await replay_all(tenant)
    assert await left(tenant, booking_ids) == 0
    assert not tenant.letters.letters
    await tenant.assert_converged()
    assert (await tenant.breaker(BOOKINGS)).held_since is None


async def test_thirty_deletions_that_only_the_sweep_hears_of_are_held_as_one() -> None:
    """The cursor stays where it is; what is released is found once more."""
    tenant, booking_ids = await busy(0)
    tenant.dynamics(webhook_lose=1.0)
    for booking_id in booking_ids:
        await tenant.delete(booking_id)
    for _ in range(4):
        await tenant.sweep()
        await tenant.settle()
        tenant.clock.advance(3600)
    assert await left(tenant, booking_ids) == 30
    assert not tenant.app_writes
    assert (await tenant.breaker(BOOKINGS)).held == 30

    for held in (BOOKINGS, tenant.technician.mailbox_id):
        await release(held, tenant.ports)
    await tenant.sweep()
    await tenant.settle()
    assert await left(tenant, booking_ids) == 0
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_releasing_the_breaker_of_all_bookings_leads_to_no_mailbox_of_that_name() -> None:
    """The log says: python -m sync release bookings."""
    tenant = await DispatchTenant.open()
    await release_by_command(Namespace(mailbox=BOOKINGS, json=False), Workshop(ports=tenant.ports, rules=tenant.rules))
    await tenant.settle()
    assert await tenant.state.find_quarantine(BOOKINGS) is None
    assert not tenant.graph_calls


async def test_few_deletions_pass_though_the_breaker_holds_another_mailbox() -> None:
    tenant, booking_ids = await busy(0, 3)
    other = tenant.visit(tenant.sample.technicians[3])
    for booking_id in booking_ids:
        await tenant.delete(booking_id)
    await tenant.settle()
    await tenant.delete(other.booking_id)
    await tenant.settle()
    assert await tenant.event(other) is None
    assert await left(tenant, booking_ids) == HALF


async def test_a_table_that_reads_as_empty_removes_nothing_and_recovers_by_itself() -> None:
    """The token has expired, and the full round that follows shows no booking at all."""
    tenant, booking_ids = await busy(0)
    expired = {"error": {"code": "0x80044352", "message": "Version stamp has expired."}}
    answers = [Fault(kind=CHANGES, status=400, body=expired), Fault(kind=CHANGES, status=200, body=NOTHING)]
    tenant.dataverse.switchboard.faults += answers
    await tenant.sweep()
    await tenant.settle()
    assert not tenant.dataverse.switchboard.faults
    assert (await tenant.breaker(BOOKINGS)).held == 30
    assert await left(tenant, booking_ids) == 30
    assert not tenant.app_writes

    await tenant.sweep()
    await tenant.settle()
    assert (await tenant.breaker(BOOKINGS)).held_since is None
    await tenant.assert_converged()


async def test_rows_gone_when_the_token_expired_are_held_until_a_person_has_looked() -> None:
    """A view or a retention job that empties the table looks just like this."""
    tenant, booking_ids = await busy(0)
    tenant.dynamics(webhook_lose=1.0, expire_delta_tokens=True)
    for booking_id in booking_ids:
        await tenant.delete(booking_id)
    for _ in range(3):
        await tenant.sweep()
        await tenant.settle()
        tenant.clock.advance(3600)
    assert await left(tenant, booking_ids) == 30
    assert not tenant.app_writes
    assert (await tenant.breaker(BOOKINGS)).held == 30


async def test_a_booking_missing_from_a_full_round_alone_keeps_its_event() -> None:
    """A list is one witness; the row itself is read before anything is removed."""
    tenant = await DispatchTenant.open()
    await tenant.state.delete_booking_cursor()
    tenant.dataverse.switchboard.faults.append(Fault(kind=CHANGES, status=200, body=NOTHING))
    await tenant.sweep()
    await tenant.settle()
    assert tenant.dataverse_calls["bookableresourcebookings.get"] == 2
    assert [await tenant.event(tenant.visit(index=index)) is not None for index in range(2)] == [True, True]
    assert not tenant.app_writes


async def test_a_week_given_to_a_colleague_is_not_held() -> None:
    tenant, booking_ids = await busy(0, 1)
    colleague = tenant.sample.technicians[1]
    for booking_id in booking_ids:
        await tenant.reassign(booking_id, colleague)
    await tenant.settle()
    assert await left(tenant, booking_ids) == 0
    theirs = sum([len(await tenant.events(one, colleague)) for one in booking_ids])
    assert theirs == 29, "all but the one that is completed: nobody needs to go there any more"
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_week_that_is_cancelled_is_not_held() -> None:
    """Thirty rows that say so themselves are no emptiness."""
    tenant, booking_ids = await busy(0)
    for booking_id in booking_ids:
        await tenant.put(booking_id, "Canceled")
    await tenant.settle()
    open_ids = [one for one in booking_ids if (await tenant.row(one))["status"] != "Canceled"]
    assert await left(tenant, booking_ids) == len(open_ids) == 0
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_technician_without_a_mailbox_all_of_a_sudden_is_held() -> None:
    """Thirty bookings whose resource leads to nobody any more look like a privilege or a lookup that was lost."""
    tenant, booking_ids = await busy(0)
    for booking_id in booking_ids:
        await tenant.change(booking_id, **{"Resource@odata.bind": f"/bookableresources({guid('resource:Crane 1')})"})
    await tenant.settle()
    assert await left(tenant, booking_ids) == HALF
    assert {letter.error_class for letter in tenant.letters.letters.values()} == {BreakerHeld.__name__}
    await release(tenant.technician.mailbox_id, tenant.ports)
    await replay_all(tenant)
    assert await left(tenant, booking_ids) == 0
    await tenant.assert_converged()


async def test_deletions_of_all_that_is_to_come_are_held_however_much_is_past() -> None:
    """A few visits of each of many technicians: no calendar's own breaker would hold them."""
    tenant = await DispatchTenant.open(*range(6))
    tenant.clock.advance((28 * DAY).total_seconds())
    coming = [
        await tenant.book(MONDAY + (28 + day) * DAY + 9 * HOUR, technician=technician, name=f"{technician.name} {day}")
        for technician in tenant.sample.technicians[:6]
        for day in range(8)
    ]
    await tenant.sweep()
    await tenant.settle()
    tenant.forget_costs()
    tenant.dynamics(webhook_lose=1.0)
    for booking_id in coming:
        await tenant.delete(booking_id)
    await tenant.sweep()
    await tenant.settle()
    assert not tenant.app_writes
    assert (await tenant.breaker(BOOKINGS)).held == len(coming)
