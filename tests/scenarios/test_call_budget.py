"""What each kind of change may cost, counted at the services themselves, for bursts of every size.

The rows of the design's call budget that lead from Outlook to Dynamics.
"""

from datetime import timedelta
from itertools import product

import pytest

from tests.tenant import Tenant, wire

HOUR = timedelta(hours=1)

EVERY_BURST = [
    pytest.param({"burst": burst, "batch": burst % 2 == 0, "notification_etag": etag}, id=f"{burst}-{etag}")
    for burst, etag in product((1, 2, 3, 4), ("same", "other"))
]
FOUR = [
    pytest.param(
        {"burst": 4, "batch": batch, "notification_etag": etag}, id=f"{'together' if batch else 'apart'}-{etag}"
    )
    for batch, etag in product((True, False), ("same", "other"))
]


@pytest.mark.parametrize("burst", EVERY_BURST)
async def test_an_event_moved_costs_one_read_and_one_conditional_write(
    tenant: Tenant, burst: dict[str, object]
) -> None:
    tenant.switch(**burst)
    await tenant.move_event(tenant.visit())
    await tenant.settle()
    assert tenant.graph_calls == {"event.get": 1}
    assert tenant.dataverse_calls == {"bookableresourcebookings.update": 1}
    (entry,) = tenant.entries("update-booking")
    assert entry.calls == {"event.get": 1, "booking.update": 1}


@pytest.mark.parametrize("burst", FOUR)
async def test_an_event_moved_costs_one_more_read_and_write_after_a_412(
    tenant: Tenant, burst: dict[str, object]
) -> None:
    """The dispatcher renamed the booking: its etag is another, its time is not."""
    tenant.switch(**burst)
    visit = tenant.visit()
    await tenant.patch_booking(visit, name="Renamed meanwhile")
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + HOUR
    assert tenant.graph_calls == {"event.get": 1}
    assert tenant.dataverse_calls == {"bookableresourcebookings.update": 2, "bookableresourcebookings.get": 1}


@pytest.mark.parametrize("burst", FOUR)
async def test_a_touch_that_changes_no_synced_field_costs_one_read(tenant: Tenant, burst: dict[str, object]) -> None:
    tenant.switch(**burst)
    visit = tenant.visit()
    await tenant.patch_event(visit.technician.mailbox_id, visit.event_id, {"subject": "Mind the dog"})
    await tenant.settle()
    assert tenant.graph_calls == {"event.get": 1}
    assert not tenant.dataverse_calls


@pytest.mark.parametrize("with_updated", [False, True], ids=["deleted-alone", "with-updated"])
@pytest.mark.parametrize("deleted_get", ["404", "200"])
@pytest.mark.parametrize("burst", FOUR)
async def test_an_event_deleted_costs_two_reads_and_one_write(
    tenant: Tenant, burst: dict[str, object], deleted_get: str, *, with_updated: bool
) -> None:
    """A read with a witness in Graph, a read with a write in Dataverse; the cancelled status was looked up before.

    Where reads still show the dead event, looking where it lies is one more. Where `updated` for the dead id is posted
    apart, and handled first, it is one more look, and a second one because nothing seems to have changed.
    """
    first, second = tenant.visit(index=0), tenant.visit(index=1)
    await tenant.delete_event(first)
    await tenant.settle()
    tenant.forget_costs()
    tenant.switch(**burst, deleted_get=deleted_get, deleted_with_updated=with_updated)
    tenant.switch(repeat=0.0, burst_spread_seconds=0.0 if burst["batch"] else 0.3)
    await tenant.delete_event(second)
    await tenant.settle()
    assert (await tenant.booking(second))["status"] == "Canceled"
    assert tenant.dataverse_calls["bookableresourcebookings.get"] <= 1
    assert tenant.dataverse_calls["bookableresourcebookings.update"] == 1
    assert tenant.dataverse_calls.total() <= 2, tenant.dataverse_calls
    is_apart = with_updated and not burst["batch"]
    most = 2 + (deleted_get == "200") + 2 * is_apart
    assert tenant.graph_calls.total() <= most, tenant.graph_calls


@pytest.mark.parametrize("burst", EVERY_BURST)
async def test_a_private_event_costs_one_read_at_first_and_nothing_later(
    tenant: Tenant, burst: dict[str, object]
) -> None:
    tenant.switch(**burst)
    technician = tenant.sample.technicians[3]
    path = f"/users/{technician.mailbox_id}/events"
    body = {"subject": "Choir", "start": wire(tenant.clock.now() + HOUR), "end": wire(tenant.clock.now() + 2 * HOUR)}
    created = (await tenant.person.post(path, json=body)).json()
    await tenant.settle()
    assert tenant.graph_calls.total() <= 1
    assert not tenant.dataverse_calls

    tenant.forget_costs()
    for hour in (3, 4):
        start_at = tenant.clock.now() + hour * HOUR
        await tenant.patch_event(
            technician.mailbox_id, created["id"], {"start": wire(start_at), "end": wire(start_at + HOUR)}
        )
        await tenant.settle()
    assert (await tenant.person.delete(f"{path}/{created['id']}")).status_code == 204
    await tenant.settle()
    await tenant.sweep(technician.mailbox_id)
    await tenant.settle()
    assert tenant.graph_calls == {"calendarView.delta": 1}
    assert not tenant.dataverse_calls


async def test_an_idle_sweep_costs_one_delta_read(tenant: Tenant) -> None:
    technician = tenant.sample.technicians[0]
    await tenant.sweep(technician.mailbox_id)
    await tenant.settle()
    assert tenant.graph_calls == {"calendarView.delta": 1}
    assert not tenant.dataverse_calls


@pytest.mark.parametrize("etag_form", ["same", "other"])
@pytest.mark.parametrize("delta_replay", [False, True])
async def test_a_sweep_after_push_did_its_work_costs_one_delta_read(
    tenant: Tenant, etag_form: str, *, delta_replay: bool
) -> None:
    """What push has brought home, the sweep sees again in its round, and knows."""
    tenant.switch(burst=4, notification_etag=etag_form, delta_replay=delta_replay)
    moved, deleted = tenant.visit(index=0), tenant.visit(index=1)
    await tenant.move_event(moved)
    await tenant.delete_event(deleted)
    await tenant.settle()
    tenant.forget_costs()
    await tenant.sweep(moved.technician.mailbox_id)
    await tenant.settle()
    assert tenant.graph_calls == {"calendarView.delta": 1}
    assert not tenant.dataverse_calls
