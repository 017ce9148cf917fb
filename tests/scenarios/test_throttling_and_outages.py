"""Failure mode 18: a throttled mailbox among others, Dataverse's 429 in every form, many changes at once, outages."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from local.dataverse.seed import status_id
from local.sample import Technician
from local.switchboard import Fault, Switchboard
from sync.core.errors import ServiceUnavailable
from sync.service.orders import replay_letters
from tests.tenant import Tenant, wire

SOON = timedelta(seconds=20)
LONG_WAIT = 1_800


def throttle(mailbox: Technician, **headers: str) -> Fault:
    error = {"error": {"code": "ApplicationThrottled", "message": "Application is over its MailboxConcurrency limit."}}
    return Fault(path_contains=mailbox.mailbox_id, times=None, status=429, headers=headers, body=error)


async def test_a_throttled_mailbox_waits_as_told_and_holds_up_no_other(whole_tenant: Tenant) -> None:
    """Failure mode 18: a long Retry-After is obeyed by delaying the item, and does not count towards poison."""
    tenant = whole_tenant
    throttled, *others = [one for one in tenant.sample.technicians if one.has_mailbox]
    fault = throttle(throttled, **{"Retry-After": str(LONG_WAIT)})
    tenant.graph.switchboard.faults.append(fault)
    began_at = tenant.clock.now()
    for technician in (throttled, *others):
        await tenant.move_event(tenant.visit(technician))
    await tenant.settle(limit=SOON)
    for technician in others:
        visit = tenant.visit(technician)
        assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    visit = tenant.visit(throttled)
    assert await tenant.booking_start(visit) == visit.start_at
    calls = tenant.graph_calls["event.get"]
    await tenant.settle(limit=timedelta(seconds=LONG_WAIT) - SOON - (tenant.clock.now() - began_at))
    assert tenant.graph_calls["event.get"] == calls, "the mailbox was called before its wait was over"
    assert all(one.dequeue_count <= 1 for one in tenant.queue.messages("event-changes"))

    tenant.graph.switchboard.faults.remove(fault)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    assert not tenant.letters.letters
    await tenant.assert_converged()


@pytest.mark.parametrize("headers", [{"Retry-After": "600"}, {"Retry-After": "Wed, 18 Nov 2026 12:00:00 GMT"}, {}])
async def test_throttling_for_hours_buries_nothing(headers: dict[str, str]) -> None:
    """Failure mode 18: far more waits than `maxDequeueCount`, in seconds, as a date, or without a stated wait."""
    tenant = await Tenant.small()
    visit = tenant.visit()
    fault = throttle(tenant.technician, **headers)
    tenant.graph.switchboard.faults.append(fault)
    await tenant.move_event(visit)
    await tenant.settle(limit=timedelta(hours=3))
    assert not tenant.letters.letters
    tenant.graph.switchboard.faults.clear()
    await tenant.settle(limit=timedelta(hours=4))
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_an_item_that_was_throttled_for_longer_than_a_day_is_buried_with_that_reason() -> None:
    """Failure mode 18: patience ends, but never in silence."""
    tenant = await Tenant.small(burst=1, repeat=0.0)
    tenant.graph.switchboard.faults.append(throttle(tenant.technician, **{"Retry-After": "3600"}))
    await tenant.move_event(tenant.visit())
    await tenant.settle(limit=timedelta(hours=30))
    (letter,) = tenant.letters.letters.values()
    assert letter.error_class == "Throttled"
    assert "429" in letter.reason


DATAVERSE_LIMITS = [
    pytest.param("max_requests", "0x80072322", id="requests"),
    pytest.param("max_execution_seconds", "0x80072321", id="run-time"),
    pytest.param("max_concurrent", "0x80072326", id="concurrency"),
]


@pytest.mark.parametrize("send_retry_after", [True, False])
@pytest.mark.parametrize("form", ["hex", "decimal"])
@pytest.mark.parametrize(("limit", "code"), DATAVERSE_LIMITS)
async def test_dataverse_throttling_delays_a_move_and_a_deletion_and_loses_neither(
    limit: str, code: str, form: str, send_retry_after: bool
) -> None:
    """Failure mode 18: all three codes, as hex text and as decimal, with and without Retry-After."""
    tenant = await Tenant.small()
    moved, deleted = tenant.visit(index=0), tenant.visit(index=1)
    switchboard = tenant.dataverse.switchboard
    usual = switchboard.switches[limit]
    switchboard.set_switches({limit: 0, "throttle_code_form": form, "send_retry_after": send_retry_after})
    await tenant.move_event(moved)
    await tenant.delete_event(deleted)
    await tenant.settle(limit=timedelta(minutes=2))
    expected = code if form == "hex" else str(int(code, 16) - 2**32)
    assert any(expected in entry.reason for entry in tenant.entries("delayed"))
    assert not tenant.letters.letters
    switchboard.set_switches({limit: usual})
    await tenant.settle()
    tenant.clock.advance(400)
    assert await tenant.booking_start(moved) == moved.start_at + timedelta(hours=1)
    assert (await tenant.booking(deleted))["status"] == "Canceled"
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_two_hundred_changes_in_one_mailbox_are_all_done_with_at_most_four_requests_in_flight() -> None:
    """Failure mode 18: two instances of the app at work on a hundred visits, each moved twice."""
    tenant = await Tenant.small()
    visits = await plan_visits(tenant, 100)
    tenant.forget_costs()
    for switchboard in (tenant.graph.switchboard, tenant.dataverse.switchboard):
        take_time(switchboard)
    for hours in (1, 2):
        for number, event_id in enumerate(visits):
            await tenant.patch_event(tenant.technician.mailbox_id, event_id, times(tenant, number, hours))
    await work_in_two_instances(tenant)
    starts = [row["starttime"] for row in await planned_visits(tenant)]
    assert starts == [wire_text(tenant, number, hours=2) for number in range(100)]
    most = tenant.graph.switchboard.most_in_flight[tenant.technician.mailbox_id]
    assert 2 < most <= 4, "with two or fewer nothing ever was side by side"
    assert not tenant.letters.letters
    tenant.graph.switchboard.faults.clear()
    tenant.dataverse.switchboard.faults.clear()
    await tenant.assert_converged()


SERVICES = ["graph", "dataverse"]
OUTAGES: list[Any] = [
    pytest.param({"status": 503}, id="503"),
    pytest.param({"status": 503, "headers": {"Retry-After": "120"}}, id="503-with-a-wait"),
    pytest.param({"status": 500}, id="500"),
    pytest.param({"status": 0}, id="connection-dropped"),
    pytest.param({"status": 0, "when": "after"}, id="every-answer-lost"),
    pytest.param({"status": 401}, id="401-to-everybody"),
]


@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize("service", SERVICES)
async def test_an_outage_of_an_hour_buries_nothing_and_everything_is_done_afterwards(
    service: str, outage: dict[str, Any]
) -> None:
    """Failure mode 18: of either service; changes before and during, timers running."""
    tenant = await Tenant.small()
    moved, deleted = tenant.visit(index=0), tenant.visit(index=1)
    switchboard = tenant.graph.switchboard if service == "graph" else tenant.dataverse.switchboard
    fault = Fault(times=None, **outage)
    await tenant.move_event(moved)
    switchboard.faults.append(fault)
    await tenant.settle(limit=timedelta(minutes=20))
    await tenant.delete_event(deleted)
    for _ in range(2):
        await tenant.sweep()
        await tenant.settle(limit=timedelta(minutes=20))
    assert not tenant.letters.letters
    switchboard.faults.remove(fault)
    await tenant.settle()
    assert await tenant.booking_start(moved) == moved.start_at + timedelta(hours=1)
    booking = await tenant.booking(deleted)
    assert (booking["status"], booking["bks_eventid"]) == ("Canceled", None)
    assert not tenant.letters.letters
    assert tenant.queue.next_visible_at() is None
    await tenant.assert_converged()


LOST_ROLE = Fault(
    times=None,
    status=403,
    body={"error": {"code": "0x80040220", "message": "is missing prvReadBookableResourceBooking privilege"}},
)


async def test_a_role_that_is_lost_and_given_back_within_a_day_buries_nothing() -> None:
    """Each item says once, for the log's alarm, that it waits for a permission; then all goes on by itself."""
    tenant = await Tenant.small()
    moved, deleted = tenant.visit(index=0), tenant.visit(index=1)
    tenant.dataverse.switchboard.faults.append(LOST_ROLE)
    await tenant.move_event(moved)
    await tenant.delete_event(deleted)
    await tenant.settle(limit=timedelta(hours=5))
    assert not tenant.letters.letters
    waiting = [entry async for entry in tenant.journal.list_waiting(tenant.clock.now() - timedelta(days=1))]
    assert {entry.event_id for entry in waiting} == {moved.event_id, deleted.event_id}
    assert all("prvReadBookableResourceBooking" in entry.reason for entry in waiting)

    tenant.dataverse.switchboard.faults.remove(LOST_ROLE)
    await tenant.settle(limit=timedelta(minutes=10))
    assert await tenant.booking_start(moved) == moved.start_at + timedelta(hours=1)
    assert (await tenant.booking(deleted))["status"] == "Canceled"
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_role_that_is_lost_for_longer_makes_dead_letters_that_can_be_replayed() -> None:
    """Patience ends, but never in silence."""
    tenant = await Tenant.small(burst=1, repeat=0.0)
    visit = tenant.visit()
    tenant.dataverse.switchboard.faults.append(LOST_ROLE)
    await tenant.move_event(visit)
    await tenant.settle(limit=timedelta(hours=26))
    assert [letter.error_class for letter in tenant.letters.letters.values()] == ["AccessDenied"]
    tenant.dataverse.switchboard.faults.remove(LOST_ROLE)
    await replay_letters("AccessDenied", tenant.ports)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    assert not tenant.letters.letters


async def test_an_outage_of_the_tables_multiplies_no_work_and_loses_none() -> None:
    """Failure mode 18: the queue answers and the tables do not, for an hour."""
    tenant = await Tenant.small()
    moved, deleted = tenant.visit(index=0), tenant.visit(index=1)
    await tenant.move_event(moved)
    await tenant.delete_event(deleted)
    with tables_down(tenant):
        for _minute in range(60):
            await tenant.settle(limit=timedelta(minutes=1))
            tenant.clock.advance(1)
            lengths = await tenant.queue.approximate_lengths()
            assert sum(lengths.values()) <= 16, f"two bursts of at most eight notifications became {lengths}"
    await tenant.settle()
    assert await tenant.booking_start(moved) == moved.start_at + timedelta(hours=1)
    assert (await tenant.booking(deleted))["status"] == "Canceled"
    assert not tenant.letters.letters
    assert tenant.queue.next_visible_at() is None
    await tenant.assert_converged()


@contextmanager
def tables_down(tenant: Tenant) -> Iterator[None]:
    async def fail(_: str) -> None:
        raise ServiceUnavailable("table events cannot be reached", status=503)

    ports = (tenant.state, tenant.journal, tenant.letters)
    for port in ports:
        port.before_each = fail
    yield
    for port in ports:
        port.before_each = None


async def plan_visits(tenant: Tenant, count: int) -> list[str]:
    """The ids of the events that visits have once the dispatcher has planned them."""
    for number in range(count):
        created = await tenant.dispatcher.post(
            "/bookableresourcebookings",
            json={
                "name": f"Many {number:03}",
                "starttime": wire_text(tenant, number),
                "endtime": wire_text(tenant, number, hours=1),
                "duration": 60,
                "BookingStatus@odata.bind": f"/bookingstatuses({status_id('Scheduled')})",
                "Resource@odata.bind": f"/bookableresources({tenant.technician.resource_id})",
            },
        )
        assert created.status_code == 204, created.text
    await tenant.settle()
    return [row["bks_eventid"] for row in await planned_visits(tenant)]


def times(tenant: Tenant, number: int, hours: int) -> dict[str, Any]:
    start = tenant.visit().start_at + timedelta(days=7 + number // 8, hours=number % 8)
    return {"start": wire(start + timedelta(hours=hours)), "end": wire(start + timedelta(hours=hours + 1))}


def wire_text(tenant: Tenant, number: int, *, hours: int = 0) -> str:
    return f"{times(tenant, number, hours)['start']['dateTime']}Z"


async def planned_visits(tenant: Tenant) -> list[dict[str, Any]]:
    """The bookings that `plan_visits` made, in their order."""
    query = "$select=name,starttime,bks_eventid&$filter=startswith(name,'Many')&$orderby=name"
    answer = await tenant.dispatcher.get(f"/bookableresourcebookings?{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["value"])


def take_time(switchboard: Switchboard) -> None:
    """Let every call of the app be under way for a few turns of the loop, so that calls overlap."""

    async def turns(_: float) -> None:
        for _turn in range(5):
            await asyncio.sleep(0)

    switchboard._sleep = turns
    switchboard.faults.append(Fault(times=None, delay_seconds=1))


async def work_in_two_instances(tenant: Tenant) -> None:
    other = tenant.build_ports()
    while True:
        delivered = await tenant.deliver_due()
        worked = await asyncio.gather(tenant.work_due(), tenant.work_due(other))
        if delivered or any(worked):
            continue
        due_at = tenant.next_due_at()
        if due_at is None:
            return
        tenant.clock.advance(max((due_at - tenant.clock.now()).total_seconds(), 0.001))
