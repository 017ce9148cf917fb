"""A resource is given another user: its bookings are the new technician's from then on, though none of them changes."""

from collections.abc import Awaitable, Callable

import pytest

from sync.service.backfilling import queue_bookings
from tests.dispatching import DispatchTenant

FORMER, NEW = 3, 4


async def sweep_in_full(tenant: DispatchTenant) -> None:
    await tenant.sweep(is_full=True)


async def backfill(tenant: DispatchTenant) -> None:
    async for _ in queue_bookings(None, tenant.ports, tenant.rules):
        pass


@pytest.mark.parametrize("look", [sweep_in_full, backfill], ids=["full-round", "backfill"])
async def test_the_visits_of_a_resource_follow_its_user(look: Callable[[DispatchTenant], Awaitable[None]]) -> None:
    tenant = await DispatchTenant.open(FORMER, NEW)
    former, new = (tenant.sample.technicians[one] for one in (FORMER, NEW))
    booking_id, event = await tenant.booked(technician=former)
    await tenant.patch(
        f"bookableresources({former.resource_id})", **{"UserId@odata.bind": f"/systemusers({new.system_user_id})"}
    )
    await tenant.settle()
    assert not tenant.app_writes, "no booking was changed, so nobody was told"

    await look(tenant)
    await tenant.settle()
    moved = await tenant.event_of(booking_id, new)
    assert await tenant.events(booking_id, former) == []
    assert (moved["subject"], moved["start"]) == (event["subject"], event["start"])
    assert (await tenant.row(booking_id))["bks_eventid"] == moved["id"]
    assert not tenant.letters.letters

    tenant.forget_costs()
    await look(tenant)
    await tenant.settle()
    assert not tenant.app_writes, "once is enough"
