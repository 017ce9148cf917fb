"""A test booking goes round through the whole app, and is taken away again whatever happens on its way."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from local.switchboard import Fault
from sync.core.diagnosis import Finding
from sync.core.reconcile import Scope
from sync.service.canary import NAME, Flight, fly_canary
from tests.commanding import canary_bookings_of, work_on
from tests.tenant import Tenant

pytestmark = pytest.mark.slow

BOOKING = str(UUID(int=7))
LEGS = ["canary-to-outlook", "canary-to-dynamics", "canary-back", "canary-removed"]
CREATE, DELETE = "bookableresourcebookings.create", "bookableresourcebookings.delete"


async def fly(
    tenant: Tenant, *, mailbox_id: str = "", sleep: Callable[[float], Awaitable[None]] | None = None
) -> list[Finding]:
    told: list[Finding] = []
    flight = Flight(
        mailbox_id=mailbox_id or tenant.technician.mailbox_id,
        booking_id=BOOKING,
        tell=told.append,
        waiting=lambda _: None,
        sleep=sleep or (lambda seconds: work_on(tenant, seconds)),
    )
    await fly_canary(flight, canary_bookings_of(tenant), tenant.ports, tenant.rules)
    return told


async def assert_clean(tenant: Tenant) -> None:
    """Neither side has anything of it left, nobody got a mail, and the visits are as they were."""
    await tenant.settle()
    assert BOOKING not in tenant.dataverse.world.rows("bookableresourcebooking")
    mailbox = tenant.graph.world.mailboxes[tenant.technician.mailbox_id]
    left = [one[-1] for one in mailbox.versions.values() if not one[-1].is_deleted]
    assert not [event for event in left if NAME in str(event.properties.get("subject"))]
    await tenant.assert_converged()


async def test_every_leg_is_told_with_its_seconds_and_nothing_is_left() -> None:
    tenant = await Tenant.small()
    told = await fly(tenant)
    assert [(one.rule, str(one.result)) for one in told] == [(leg, "pass") for leg in LEGS]
    assert all(one.seen.endswith(" s") for one in told)
    seconds = [float(one.seen.split()[1]) for one in told]
    assert all(0 < one < 15 for one in seconds)
    await assert_clean(tenant)


async def test_an_app_that_does_not_work_is_found_out_and_the_booking_taken_back() -> None:
    tenant = await Tenant.small()

    async def only_time_passes(seconds: float) -> None:
        tenant.clock.advance(seconds)

    (finding,) = await fly(tenant, sleep=only_time_passes)
    assert (finding.rule, finding.result) == ("canary-to-outlook", "fail")
    assert "not within 120 s" in finding.seen
    assert f"journal --booking {BOOKING}" in finding.mend
    await assert_clean(tenant)


async def test_a_way_back_that_is_blocked_is_found_out_and_both_sides_are_cleared() -> None:
    """Graph's notifications do not arrive."""
    tenant = await Tenant.small()
    tenant.switch(lose=1.0)
    first, second = await fly(tenant)
    assert (first.rule, first.result) == (LEGS[0], "pass")
    assert (second.rule, second.result) == (LEGS[1], "fail")
    tenant.switch(lose=0.0)
    await assert_clean(tenant)


async def test_what_the_booking_says_of_its_missing_event_is_told() -> None:
    """The mailbox stops answering when the event is to be made."""
    tenant = await Tenant.small()
    await tenant.set_access(tenant.technician, "denied")
    (finding, *left) = await fly(tenant)
    assert finding.rule == "canary-to-outlook"
    assert "The technician's mailbox cannot be reached." in finding.seen
    assert not left, "whoever may not look must not complain of what may be left"
    assert BOOKING not in tenant.dataverse.world.rows("bookableresourcebooking")


async def test_who_may_not_write_the_calendar_sees_the_first_way_and_leaves_the_rest_to_the_app() -> None:
    tenant = await Tenant.small()
    graph = tenant.graph.switchboard

    async def work(seconds: float) -> None:
        graph.faults[:] = [one for one in graph.faults if one.kind != "event.update"]
        await work_on(tenant, seconds)
        graph.faults.append(
            Fault(kind="event.update", status=403, body={"error": {"code": "ErrorAccessDenied", "message": "no"}})
        )

    told = await fly(tenant, sleep=work)
    assert [(one.rule, str(one.result)) for one in told] == [(LEGS[0], "pass"), (LEGS[1], "warn")]
    graph.faults.clear()
    await assert_clean(tenant)


async def test_who_may_not_make_bookings_is_told_so() -> None:
    tenant = await Tenant.small()
    error = {"error": {"code": "0x80040220", "message": "missing prvCreateBookableResourceBooking"}}
    tenant.dataverse.switchboard.faults.append(Fault(kind=CREATE, caller="*", status=403, body=error, times=None))
    (finding,) = await fly(tenant)
    assert (finding.rule, finding.result) == ("canary", "fail")
    assert "may create and delete bookings" in finding.mend
    await assert_clean(tenant)


async def test_a_booking_whose_answer_was_lost_is_taken_back() -> None:
    tenant = await Tenant.small()
    tenant.dataverse.switchboard.faults.append(Fault(kind=CREATE, caller="*", when="after", status=500, times=None))
    (finding,) = await fly(tenant)
    assert finding.result == "fail"
    tenant.dataverse.switchboard.faults.clear()
    await assert_clean(tenant)


async def test_what_cannot_be_taken_away_is_named() -> None:
    tenant = await Tenant.small()
    error = {"error": {"code": "0x80040220", "message": "missing prvDeleteBookableResourceBooking"}}
    tenant.dataverse.switchboard.faults.append(Fault(kind=DELETE, caller="*", status=403, body=error, times=None))
    told = await fly(tenant)
    assert [one.rule for one in told[-2:]] == ["canary", "canary-left"]
    assert BOOKING in told[-1].seen
    assert "by hand" in told[-1].mend


@pytest.mark.parametrize("leg", range(3))
async def test_an_interrupted_round_trip_cleans_up(leg: int) -> None:
    """Ctrl-C after so many legs."""
    tenant = await Tenant.small()
    told: list[Finding] = []
    waits = 0

    async def until_interrupted(seconds: float) -> None:
        nonlocal waits
        waits += 1
        if len(told) == leg and waits > 1:
            raise asyncio.CancelledError
        await work_on(tenant, seconds)

    flight = Flight(
        mailbox_id=tenant.technician.mailbox_id,
        booking_id=BOOKING,
        tell=told.append,
        waiting=lambda _: None,
        sleep=until_interrupted,
    )
    with pytest.raises(asyncio.CancelledError):
        await fly_canary(flight, canary_bookings_of(tenant), tenant.ports, tenant.rules)
    assert BOOKING not in tenant.dataverse.world.rows("bookableresourcebooking")
    await assert_clean(tenant)


async def test_no_test_booking_is_made_where_it_could_get_no_event() -> None:
    tenant = await Tenant.small()
    (stranger,) = await fly(tenant, mailbox_id=tenant.sample.technicians[0].mailbox_id)
    assert "not among the mailboxes in sync" in stranger.seen
    tenant.rules = replace(tenant.rules, policy=replace(tenant.rules.policy, scope=Scope.WORK_ORDERS))
    (scoped,) = await fly(tenant)
    assert (scoped.result, scoped.seen) == ("warn", "BOOKING_SCOPE is work-orders")
    tenant.rules = replace(tenant.rules, policy=replace(tenant.rules.policy, scope=Scope.ANY))
    await tenant.set_access(tenant.technician, "denied")
    await tenant.sweep(tenant.technician.mailbox_id)
    await tenant.settle(limit=timedelta(seconds=30))
    (aside,) = await fly(tenant)
    assert "set aside" in aside.seen
    assert not tenant.dataverse_calls[CREATE]
