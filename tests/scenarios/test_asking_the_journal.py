"""`python -m sync journal`: what a dispatcher's question about a booking is answered with."""

import json
from argparse import Namespace
from typing import Any

import pytest

from local.sample import guid
from local.switchboard import Fault
from sync.bootstrap import Workshop
from sync.commands.looking import journal
from sync.core.mailboxes import BOOKINGS
from tests.dispatching import HOUR, MONDAY, DispatchTenant


async def ask(tenant: DispatchTenant, mailbox: str | None = None, **options: Any) -> int:
    """The exit code."""
    asked = {"booking": None, "event": None, "correlation": None, "limit": 50, "json": True, **options}
    return await journal(Namespace(mailbox=mailbox, **asked), Workshop(ports=tenant.ports, rules=tenant.rules))


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_the_story_of_a_booking_is_told_without_its_mailbox(capsys: pytest.CaptureFixture[str]) -> None:
    """Newest first, and of this booking alone; its id in whatever case Dynamics shows it."""
    tenant = await DispatchTenant.open()
    booking_id, _ = await tenant.book(), await tenant.book(MONDAY + 9 * HOUR)
    await tenant.settle()
    await tenant.move(booking_id, MONDAY + 15 * HOUR)
    await tenant.settle()
    assert await ask(tenant, booking=booking_id.upper()) == 0
    by_booking = told(capsys)
    assert await ask(tenant, tenant.technician.mailbox_id, booking=booking_id) == 0
    assert told(capsys) == by_booking
    assert {entry["booking_id"] for entry in by_booking} == {booking_id}
    done = [entry["action"] for entry in by_booking if entry["action"] != "dropped"]
    assert (done[0], done[-1]) == ("rewrite-event", "create-event")
    assert await ask(tenant, booking=booking_id, limit=1) == 0
    assert told(capsys) == by_booking[:1]


async def test_what_was_told_before_the_technician_was_known_belongs_to_the_story(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """While Dataverse does not answer, nobody knows whose the booking is."""
    tenant = await DispatchTenant.open()
    tenant.dataverse.switchboard.faults.append(Fault(kind="bookableresourcebookings.get", times=3, status=503))
    booking_id = await tenant.book()
    await tenant.settle()
    assert await ask(tenant, booking=booking_id) == 0
    newest_first = dict.fromkeys(entry["mailbox_id"] for entry in told(capsys))
    assert list(newest_first) == [tenant.technician.mailbox_id, BOOKINGS]


async def test_of_a_booking_that_left_no_trace_dynamics_says_whose_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    tenant = await DispatchTenant.open()
    booking_id = await tenant.book(status="Canceled")
    await tenant.settle()
    assert await tenant.state.find_known_booking(booking_id) is None
    assert await tenant.state.find_link(booking_id) is None
    assert await ask(tenant, booking=booking_id) == 0
    assert {entry["mailbox_id"] for entry in told(capsys)} == {tenant.technician.mailbox_id}


async def test_the_story_of_a_booking_that_went_from_hand_to_hand_is_told_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """To the third technician and back to the first: each calendar's part, in the order of time."""
    tenant = await DispatchTenant.open(3, 4, 5)
    first, second, third = tenant.sample.technicians[3:6]
    booking_id = await tenant.book(technician=first)
    await tenant.settle()
    for technician in (second, third, first):
        await tenant.reassign(booking_id, technician)
        await tenant.settle()
    assert await ask(tenant, booking=booking_id) == 0
    rows = told(capsys)
    assert rows == sorted(rows, key=lambda row: row["at"], reverse=True)
    arrivals = [row for row in reversed(rows) if row["action"] == "create-event"]
    assert [row["mailbox_id"] for row in arrivals] == [one.mailbox_id for one in (first, second, third, first)]
    former = [one.mailbox_id for one in (first, second, third)]
    assert [row["former_mailbox_id"] for row in arrivals] == [None, *former]
    everything = {entry.correlation_id for entry in tenant.journal.entries if entry.booking_id == booking_id}
    assert {row["correlation_id"] for row in rows} == everything


@pytest.mark.parametrize("is_remembered", [True, False], ids=["remembered", "known-by-its-link-alone"])
async def test_where_a_booking_came_from_is_told_by_what_is_remembered_of_it(
    is_remembered: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    tenant = await DispatchTenant.open(3, 4)
    first, second = tenant.sample.technicians[3:5]
    booking_id = await tenant.book(technician=first)
    await tenant.settle()
    if not is_remembered:
        await tenant.state.delete_known_booking(booking_id)
    await tenant.reassign(booking_id, second)
    await tenant.settle()
    assert await ask(tenant, booking=booking_id) == 0
    assert {row["mailbox_id"] for row in told(capsys)} == {first.mailbox_id, second.mailbox_id}


async def test_the_story_is_whole_although_nobody_had_the_booking_for_a_while(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tenant = await DispatchTenant.open(3, 4)
    first, second = tenant.sample.technicians[3:5]
    booking_id = await tenant.book(technician=first)
    await tenant.settle()
    await tenant.change(booking_id, **{"Resource@odata.bind": f"/bookableresources({guid('resource:Crane 1')})"})
    await tenant.settle()
    assert await ask(tenant, booking=booking_id) == 0
    assert {row["mailbox_id"] for row in told(capsys)} == {first.mailbox_id}
    await tenant.reassign(booking_id, second)
    await tenant.settle()
    assert await ask(tenant, booking=booking_id) == 0
    assert {row["mailbox_id"] for row in told(capsys)} == {first.mailbox_id, second.mailbox_id}


async def test_people_read_whose_calendar_each_row_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    tenant = await DispatchTenant.open(3, 4)
    first, second = tenant.sample.technicians[3:5]
    booking_id = await tenant.book(technician=first)
    await tenant.settle()
    await tenant.reassign(booking_id, second)
    await tenant.settle()
    assert await ask(tenant, booking=booking_id, json=False) == 0
    arrival = f"mailbox {second.mailbox_id}, before of {first.mailbox_id}"
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if arrival in line and "create-event (booking-reassigned)" in line]
    assert f"mailbox {first.mailbox_id}  calls" in lines[-1]


async def test_of_a_booking_that_is_gone_the_mailbox_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    tenant = await DispatchTenant.open()
    booking_id, _ = await tenant.booked()
    await tenant.delete(booking_id)
    await tenant.settle()
    assert await ask(tenant, booking=booking_id) == 1
    assert "name the mailbox" in capsys.readouterr().err
    assert await ask(tenant, tenant.technician.mailbox_id, booking=booking_id) == 0
    assert "remove-event" in {entry["action"] for entry in told(capsys)}


async def test_a_question_about_nothing_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    tenant = await DispatchTenant.open()
    assert await ask(tenant, event="any") == 2
    assert "--booking" in capsys.readouterr().err
