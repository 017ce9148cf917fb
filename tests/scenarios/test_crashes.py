"""Failure mode 21: the worker dies, after each await in turn, and the redelivered message ends in the same state.

A worker dies as a whole: whatever else its process was doing ends with it, and what it kept in memory is gone. The host
shows the message again when its visibility ends.
"""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.sample import SampleBooking
from local.switchboard import Fault
from sync.core.memory import KnownEvent, Standing
from sync.core.reconcile import OnDeletion, Policy
from sync.service.disposal import replay
from tests.fakes import TAKEN_SECONDS
from tests.hosted_app import QUIET
from tests.interleaving import MortalTenant
from tests.tenant import Tenant, wire

type Act = Callable[[Tenant, SampleBooking], Awaitable[None]]


async def move(tenant: Tenant, visit: SampleBooking) -> None:
    await tenant.move_event(visit)


async def move_unnoticed(tenant: Tenant, visit: SampleBooking) -> None:
    """The notifications are lost: a sweep has to find it."""
    tenant.switch(lose=1.0)
    await tenant.move_event(visit)
    tenant.switch(lose=0.0)
    await tenant.sweep()


async def move_against_dynamics(tenant: Tenant, visit: SampleBooking) -> None:
    by = timedelta(hours=5)
    times = {"starttime": visit.start_at + by, "endtime": visit.end_at + by}
    await tenant.patch_booking(visit, **{side: f"{at:%Y-%m-%dT%H:%M:%SZ}" for side, at in times.items()})
    await tenant.move_event(visit)


async def delete(tenant: Tenant, visit: SampleBooking) -> None:
    await tenant.delete_event(visit)


async def delete_for_good(tenant: Tenant, visit: SampleBooking) -> None:
    """Where the customer wants bookings deleted instead of cancelled."""
    tenant.rules = replace(tenant.rules, policy=Policy(on_deletion=OnDeletion.DELETE))
    await tenant.delete_event(visit)


async def delete_unnoticed(tenant: Tenant, visit: SampleBooking) -> None:
    tenant.switch(lose=1.0)
    await tenant.delete_event(visit)
    tenant.switch(lose=0.0)
    await tenant.sweep()


async def add_foreign(tenant: Tenant, visit: SampleBooking) -> None:
    body = {"subject": "Dentist", "start": wire(visit.start_at), "end": wire(visit.end_at)}
    answer = await tenant.person.post(f"/users/{visit.technician.mailbox_id}/events", json=body)
    assert answer.status_code == 201


async def delete_with_a_copy_left(tenant: Tenant, visit: SampleBooking) -> None:
    """The copy was made, and looked at, by a worker that lived."""
    with tenant.unwatched() if isinstance(tenant, MortalTenant) else nullcontext():
        where = {"mailbox_id": visit.technician.mailbox_id, "event_id": visit.event_id}
        await tenant.control_graph("/copy-event", **where)
        await tenant.settle()
    await tenant.delete_event(visit)


ACTS = [
    move,
    move_unnoticed,
    move_against_dynamics,
    delete,
    delete_for_good,
    delete_unnoticed,
    add_foreign,
    delete_with_a_copy_left,
]


async def end_state(tenant: Tenant) -> dict[str, Any]:
    """Everything that matters at the end; ids that the simulator draws, etags and moments left out."""
    graph = await tenant.graph_state()
    events = sorted((one["start"], one["end"], one["folder"], str(one["subject"])) for one in graph["events"])
    rows = await tenant.dispatcher.get(
        "/bookableresourcebookings?$select=name,starttime,endtime,_bookingstatus_value,bks_eventid"
    )
    bookings = sorted(
        (row["name"], row["starttime"], row["endtime"], row["_bookingstatus_value"], row["bks_eventid"] is None)
        for row in rows.json()["value"]
    )
    known = await known_events(tenant)
    standings = sorted((one.standing, one.booking_id or "") for one in known if one.standing is not Standing.FOREIGN)
    foreign = sum(one.standing is Standing.FOREIGN for one in known)
    return {"events": events, "bookings": bookings, "standings": standings, "foreign": foreign}


async def known_events(tenant: Tenant) -> list[KnownEvent]:
    return [one async for one in tenant.state.list_known_events(tenant.technician.mailbox_id)]


async def run(act: Act, *, fatal: int) -> MortalTenant:
    tenant = await MortalTenant.small()
    tenant.arm(fatal)
    await act(tenant, tenant.visit())
    await tenant.settle()
    return tenant


@pytest.mark.slow
@pytest.mark.parametrize("act", ACTS)
async def test_a_worker_killed_after_any_await_leaves_nothing_that_redelivery_does_not_end(act: Act) -> None:
    """Failure mode 21: the same end state as if nobody had died, wherever it happened."""
    expected = await end_state(await run(act, fatal=0))
    for fatal in range(1, 200):
        tenant = await run(act, fatal=fatal)
        if not tenant.deaths:
            assert fatal > 5, "the worker hardly ever waited: nothing was tested"
            return
        assert await end_state(tenant) == expected, f"killed at point {fatal}"
        assert not tenant.letters.letters, f"killed at point {fatal}"
        assert all(one.leased_by is None for one in await known_events(tenant)), f"killed at point {fatal}"
        assert tenant.queue.next_visible_at() is None
        await tenant.assert_converged()
    pytest.fail("the worker never came through")


@pytest.mark.slow
async def test_a_copy_adopted_by_a_worker_that_died_moves_the_booking_ever_after() -> None:
    """Failure modes 21 and 22: killed at any point of the adoption, the copy is the booking's event afterwards."""
    for fatal in range(1, 200):
        tenant = await run(delete_with_a_copy_left, fatal=fatal)
        visit = tenant.visit()
        copy_id = (await tenant.booking(visit))["bks_eventid"]
        assert copy_id not in (None, visit.event_id), f"killed at point {fatal}"
        by = timedelta(hours=3)
        times = {"start": wire(visit.start_at + by), "end": wire(visit.end_at + by)}
        await tenant.patch_event(visit.technician.mailbox_id, copy_id, times)
        await tenant.settle()
        assert await tenant.booking_start(visit) == visit.start_at + by, f"killed at point {fatal}"
        if not tenant.deaths:
            return


MOVE_CALLS = [("graph", "event.get"), ("dataverse", "bookableresourcebookings.update")]
DELETE_CALLS = [
    ("graph", "event.get"),
    ("graph", "event.search"),
    ("dataverse", "bookableresourcebookings.get"),
    ("dataverse", "msdyn_fieldservicesettings.query"),
    ("dataverse", "bookableresourcebookings.update"),
]


@pytest.mark.parametrize("times", [1, 3, 7])  # within the first attempt; the whole of it; two attempts and more
@pytest.mark.parametrize(
    ("act", "service", "kind"),
    [(move, *call) for call in MOVE_CALLS]
    + [(delete, *call) for call in DELETE_CALLS]
    + [(move_against_dynamics, "graph", "event.update")],
)
async def test_an_answer_lost_after_the_effect_changes_nothing_in_the_end(
    act: Act, service: str, kind: str, times: int
) -> None:
    """Failure mode 21: the service did it, we never heard; repeated in place, or from the queue."""
    expected = await end_state(await run(act, fatal=0))
    tenant = await Tenant.small()
    switchboard = tenant.graph.switchboard if service == "graph" else tenant.dataverse.switchboard
    fault = Fault(kind=kind, times=times, when="after", status=0)
    switchboard.faults.append(fault)
    await act(tenant, tenant.visit())
    await tenant.settle()
    assert fault.times is not None
    assert fault.times <= times - min(times, 3), "the planned losses did not happen"
    switchboard.faults.clear()
    assert await end_state(tenant) == expected
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_the_lease_of_a_dead_worker_expires_long_before_its_message_returns() -> None:
    """Failure mode 21: whatever else happens to that event need not wait ten minutes."""
    tenant = await MortalTenant.small()
    visit = tenant.visit()
    tenant.arm(4)
    await tenant.move_event(visit)
    await tenant.settle(limit=timedelta(seconds=20))
    assert tenant.deaths == 1
    assert [one.event_id for one in await known_events(tenant) if one.leased_by] == [visit.event_id]
    died_at = tenant.clock.now()
    await tenant.move_event(visit, by=timedelta(hours=2))
    await tenant.settle(limit=tenant.rules.timing.lease + timedelta(seconds=10))
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=2)
    assert tenant.clock.now() - died_at < timedelta(seconds=TAKEN_SECONDS) / 2
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=2)
    await tenant.assert_converged()


async def test_a_message_that_kills_every_worker_becomes_a_dead_letter_and_can_be_replayed() -> None:
    """Failure mode 21: not for ever: poison has a class, a reason and a mend."""
    tenant = await MortalTenant.small(**QUIET)
    visit = tenant.visit()
    tenant.arm(4, is_repeated=True)
    await tenant.move_event(visit)
    await tenant.settle(limit=timedelta(hours=5))
    assert tenant.deaths == 5
    (letter,) = tenant.letters.letters.values()
    assert letter.error_class == "WorkerLost"
    assert letter.reason
    assert letter.mend
    assert letter.mailbox_id == visit.technician.mailbox_id
    assert await tenant.booking_start(visit) == visit.start_at

    tenant.arm(0)
    await replay(letter, tenant.ports)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_worker_killed_again_and_again_at_other_points_still_ends_in_agreement() -> None:
    """Failure mode 21: three deaths in a row on one message, the fourth worker finishes."""
    for first in range(2, 9):
        tenant = await MortalTenant.small()
        visit = tenant.visit()
        await tenant.delete_event(visit)
        for point in (first, first + 2, first + 4):
            tenant.arm(point)
            await tenant.settle(limit=timedelta(minutes=9))
            tenant.clock.advance(timedelta(minutes=10).total_seconds())
        assert tenant.deaths == 3
        tenant.arm(0)
        await tenant.settle()
        booking = await tenant.booking(visit)
        assert (booking["status"], booking["bks_eventid"]) == ("Canceled", None)
        assert not tenant.letters.letters
        await tenant.assert_converged()
