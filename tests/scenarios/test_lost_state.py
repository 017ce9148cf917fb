"""Failure modes 23 and 24: reads that answer the past, tables that are gone, and two workers at one event."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.sample import SampleBooking
from local.switchboard import Fault
from sync.core.memory import Standing
from sync.service.ports import Ports
from tests.tenant import Tenant

STALENESS = [5, 25, 120, 1800]
"""Seconds by which reads lag: shorter than the settle time, than one second look, than a few, and than a sweep."""


@pytest.mark.parametrize("notification_etag", ["same", "other"])
@pytest.mark.parametrize("stale_seconds", STALENESS)
async def test_a_move_that_reads_do_not_show_yet_is_followed_in_the_end(
    stale_seconds: int, notification_etag: str
) -> None:
    """Failure mode 23: the GET returns an older state than the notification promised."""
    tenant = await Tenant.small(notification_etag=notification_etag)
    visit = tenant.visit()
    tenant.switch(stale_read_seconds=stale_seconds)
    await tenant.move_event(visit)
    await tenant.run_timers(timedelta(hours=2))
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    assert not tenant.letters.letters
    tenant.switch(stale_read_seconds=0)
    await tenant.assert_converged()


@pytest.mark.parametrize("switches", [{}, {"deleted_get": "200"}, {"deleted_with_updated": True}])
@pytest.mark.parametrize("stale_seconds", STALENESS)
async def test_a_deletion_that_reads_do_not_show_yet_is_followed_in_the_end(
    stale_seconds: int, switches: dict[str, Any]
) -> None:
    """Failure mode 23: the GET still shows what was deleted."""
    tenant = await Tenant.small(**switches)
    visit = tenant.visit()
    tenant.switch(stale_read_seconds=stale_seconds)
    await tenant.delete_event(visit)
    await tenant.run_timers(timedelta(hours=2))
    booking = await tenant.booking(visit)
    assert (booking["status"], booking["bks_eventid"]) == ("Canceled", None)
    assert not tenant.letters.letters


@pytest.mark.parametrize("stale_seconds", [25, 120])
async def test_a_move_that_only_a_sweep_saw_is_followed_though_the_read_is_stale(stale_seconds: int) -> None:
    """Failure mode 23: the sweep's own word is taken as seriously as a notification's."""
    tenant = await Tenant.small(lose=1.0)
    visit = tenant.visit()
    await tenant.move_event(visit)
    await tenant.sweep()
    await tenant.graph.courier.deliver_due(tenant.graph.post)
    assert await tenant.work_due() == 1, "the sweep itself"
    tenant.switch(stale_read_seconds=stale_seconds)
    await tenant.settle()
    tenant.switch(stale_read_seconds=0)
    await tenant.run_timers(timedelta(days=4), every=timedelta(hours=6))
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)


async def test_reads_that_jump_back_in_time_never_move_a_booking_back(tenant: Tenant) -> None:
    """Failure mode 23: the second of two moves was seen; a replica that knows only the first is not believed."""
    visit = tenant.visit()
    await tenant.move_event(visit, by=timedelta(hours=1))
    await tenant.settle()
    tenant.clock.advance(60)
    await tenant.move_event(visit, by=timedelta(hours=2))
    await tenant.settle()
    starts = []
    tenant.switch(stale_read_seconds=30)
    await tenant.notify(visit, "updated", etag='W/"never seen"')
    for _ in range(6):
        await tenant.settle(limit=timedelta(seconds=5))
        starts.append(await tenant.booking_start(visit))
    tenant.switch(stale_read_seconds=0)
    await tenant.settle()
    starts.append(await tenant.booking_start(visit))
    assert set(starts) == {visit.start_at + timedelta(hours=2)}
    await tenant.assert_converged()


@pytest.mark.parametrize("lose", [0.0, 1.0])
async def test_with_all_tables_lost_a_sweep_loses_nothing_and_doubles_nothing(lose: float) -> None:
    """Failure mode 24: a move and a deletion made while lost, with and without their notifications.

    What an event was given by us is forgotten, too, so that it is given the same again, once.
    """
    tenant = await Tenant.small(technician=0, lose=lose)
    moved, deleted, untouched = (tenant.visit(index=index) for index in (0, 1, 2))
    before = await tenant.booking(untouched), said_by(await tenant.named_event(untouched))
    events_before = {one["id"] for one in (await tenant.graph_state())["events"]}
    tenant.state.lose_everything()
    tenant.clock.advance(60)
    await tenant.move_event(moved)
    await tenant.delete_event(deleted)
    await tenant.maintain()
    await tenant.settle()
    await tenant.sweep()
    await tenant.settle()
    assert await tenant.booking_start(moved) == moved.start_at + timedelta(hours=1)
    booking = await tenant.booking(deleted)
    assert (booking["status"], booking["bks_eventid"]) == ("Canceled", None)
    assert (await tenant.booking(untouched), said_by(await tenant.named_event(untouched))) == before
    assert tenant.app_writes == {"bookableresourcebookings.update": 2, "event.update": 19}
    assert {one["id"] for one in (await tenant.graph_state())["events"]} == events_before
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_with_all_tables_lost_the_links_are_rebuilt_as_they_were(tenant: Tenant) -> None:
    """Failure mode 24: links are a cache of what both services hold."""
    visits = [one for one in tenant.sample.bookings if one.technician.mailbox_id in tenant.rules.mailboxes]

    async def standings() -> dict[str, tuple[Standing, str | None]]:
        return {
            known.event_id: (known.standing, known.booking_id)
            for technician in tenant.sample.technicians
            async for known in tenant.state.list_known_events(technician.mailbox_id)
        }

    async def agreed() -> list[tuple[str, datetime, Mapping[str, str]]]:
        links = [await tenant.state.find_link(one.booking_id) for one in visits]
        return [(link.event_id, link.agreed.start_at, link.written) for link in links if link]

    async def said() -> list[dict[str, Any]]:
        return [said_by(await tenant.named_event(one)) for one in visits]

    before = (await standings(), await agreed(), await said())
    assert len(before[1]) == len(visits) == 22
    tenant.state.lose_everything()
    await tenant.sweep()
    await tenant.settle()
    assert (await standings(), await agreed(), await said()) == before
    assert tenant.app_writes == {"event.update": 22}, "each event is given its words again, as they are"
    await tenant.assert_converged()


async def test_with_all_tables_lost_no_second_subscription_is_made(tenant: Tenant) -> None:
    """Failure mode 24: what Graph has is adopted, and changes still arrive."""
    before = {one["subscription_id"] for one in (await tenant.graph_state())["subscriptions"]}
    tenant.state.lose_everything()
    await tenant.maintain()
    await tenant.settle()
    assert {one["subscription_id"] for one in (await tenant.graph_state())["subscriptions"]} == before
    visit = tenant.visit()
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)


async def test_an_event_moved_out_of_the_window_while_all_tables_were_lost_moves_its_booking(tenant: Tenant) -> None:
    """Failure mode 24: Dataverse expects it inside, the sweep cannot see it outside, and it is not cancelled."""
    tenant.switch(lose=1.0)
    visit = tenant.visit()
    tenant.state.lose_everything()
    tenant.clock.advance(60)
    await tenant.move_event(visit, by=timedelta(days=90))
    await tenant.sweep()
    await tenant.settle()
    booking = await tenant.booking(visit)
    assert (booking["status"], booking["bks_eventid"]) == ("Scheduled", visit.event_id)
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(days=90)
    await tenant.assert_converged()


@pytest.mark.parametrize("is_lost", [False, True], ids=["tables-kept", "tables-lost"])
@pytest.mark.parametrize("is_new_one_first", [False, True], ids=["old-calendar-first", "new-calendar-first"])
async def test_sweeps_never_cancel_a_reassigned_booking_and_bring_its_event_to_the_new_technician(
    tenant: Tenant, *, is_lost: bool, is_new_one_first: bool
) -> None:
    """Failure mode 24: its event still lies with the technician who had it before, and nobody deleted anything."""
    tenant.switch_dataverse(webhook_lose=1.0)
    visit, new = tenant.visit(), tenant.sample.technicians[3]
    await tenant.assign(visit, new)
    if is_lost:
        tenant.state.lose_everything()
    calendars = [visit.technician.mailbox_id, new.mailbox_id]
    for mailbox_id in reversed(calendars) if is_new_one_first else calendars:
        await tenant.sweep(mailbox_id, is_full=True)
        await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Scheduled"
    assert (await tenant.named_event(visit))["id"] != visit.event_id
    assert await tenant.event(visit) is None
    await tenant.assert_converged()


@pytest.mark.parametrize("seed", range(8))
async def test_two_workers_at_once_on_one_event_write_once_and_agree(seed: int) -> None:
    """Failure mode 24, and the lease: two instances of the app, items of one event, interleaved as chance has it."""
    tenant = await Tenant.small(burst=4, batch=False, repeat=0.5)
    others = [tenant.build_ports() for _ in range(2)]
    interleave(tenant, random.Random(seed))
    visit = tenant.visit()
    await tenant.move_event(visit)
    await work_side_by_side(tenant, others)
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    assert tenant.dataverse_calls["bookableresourcebookings.update"] == 1
    await tenant.delete_event(visit)
    await work_side_by_side(tenant, others)
    assert (await tenant.booking(visit))["status"] == "Canceled"
    assert tenant.dataverse_calls["bookableresourcebookings.update"] == 2
    assert not tenant.letters.letters
    assert tenant.queue.next_visible_at() is None
    await tenant.assert_converged()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("act", ["move", "delete"])
async def test_one_message_shown_to_two_workers_is_handled_as_if_by_one(act: str, seed: int) -> None:
    """Failure mode 24: the host shows a message again while its first worker is merely slow: same item, same lease."""
    tenant = await Tenant.small(burst=1, repeat=0.0)
    visit = tenant.visit()
    acts: dict[str, Callable[[SampleBooking], Awaitable[None]]] = {
        "move": tenant.move_event,
        "delete": tenant.delete_event,
    }
    await acts[act](visit)
    tenant.clock.advance(1)
    await tenant.graph.courier.deliver_due(tenant.graph.post)
    (message,) = tenant.queue.messages("event-changes")
    await tenant.queue.put_text(message.queue, message.text)
    tenant.clock.advance(5)
    interleave(tenant, random.Random(seed))
    await work_side_by_side(tenant, [tenant.build_ports()])
    booking = await tenant.booking(visit)
    if act == "move":
        assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    else:
        assert (booking["status"], booking["bks_eventid"]) == ("Canceled", None)
    assert not tenant.letters.letters
    await tenant.assert_converged()


def said_by(event: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader of the event sees; neither when it was written nor its etag."""
    return {name: event[name] for name in ("id", "start", "end", "subject", "body", "location", "categories", "showAs")}


def interleave(tenant: Tenant, chance: random.Random) -> None:
    """Let everything that waits for storage or a service wait for a while that differs."""

    async def wait(_: object) -> None:
        for _turn in range(chance.randrange(6)):
            await asyncio.sleep(0)

    for port in (tenant.state, tenant.journal, tenant.letters, tenant.queue):
        port.before_each = wait
    for switchboard in (tenant.graph.switchboard, tenant.dataverse.switchboard):
        switchboard._sleep = wait
        switchboard.faults.append(Fault(times=None, delay_seconds=1))


async def work_side_by_side(tenant: Tenant, others: list[Ports]) -> None:
    """Like `settle`, with one more instance of the app for each of `others`; each takes one message at a time."""
    for _ in range(400):
        await tenant.deliver_due()
        await asyncio.gather(*(tenant.work_due(ports, limit=1) for ports in [tenant.ports, *others]))
        due_at = tenant.next_due_at()
        if due_at is None:
            return
        tenant.clock.advance(max((due_at - tenant.clock.now()).total_seconds(), 0.001))
    pytest.fail("the workers never came to rest")
