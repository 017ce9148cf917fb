"""The first day: three hundred bookings that have no events yet, and a worker, or a person's command, that is killed.

Whether the sweep finds them or the backfill queues them: each gets one event, nobody a mail, and what was broken off
goes on where it was.
"""

from collections import Counter
from datetime import timedelta

import pytest

from local.graph.odata import property_id
from local.sample import BOOKING_ID_PROPERTY
from sync.core.errors import ServiceUnavailable
from sync.service.backfilling import find_unfinished, queue_bookings
from tests.dispatching import MONDAY
from tests.hosted_app import QUIET, WEBHOOK_SECRET
from tests.interleaving import MortalTenant
from tests.registering import register_webhooks

pytestmark = pytest.mark.slow

BOOKINGS = 300
TECHNICIANS = 6
WITHOUT_MAILBOX = 2
"""Bookings of the sample's technician who has none: they are looked at each time."""


async def before_the_first_day() -> tuple[MortalTenant, list[str]]:
    """A company that has just deployed the app, and the bookings that nobody has told it of."""
    tenant = MortalTenant(switches=dict(QUIET))
    technicians = tenant.sample.technicians[:TECHNICIANS]
    booking_ids = []
    for index in range(BOOKINGS):
        day, hour = divmod(index // TECHNICIANS, 5)
        booking_ids.append(
            await tenant.book(
                MONDAY + timedelta(days=8 + day, hours=7 + 2 * hour),
                technician=technicians[index % TECHNICIANS],
                name=f"Job {index}",
            )
        )
    await register_webhooks(tenant.dispatcher, secret=WEBHOOK_SECRET)
    await tenant.maintain()
    return tenant, booking_ids


async def work_until_death(tenant: MortalTenant, fatal: int) -> None:
    """The worker dies at the `fatal`-th point from now on; what it had in hand comes back ten minutes later."""
    deaths = tenant.deaths
    tenant.arm(fatal)
    while tenant.deaths == deaths:
        if not await tenant.work_due():
            tenant.clock.advance(1)
    await tenant.work_due()  # Somebody takes its place.


async def assert_all_delivered(tenant: MortalTenant, booking_ids: list[str]) -> None:
    """Each has one event, and never had another; so have those of the sample, which were there before."""
    mark = property_id(BOOKING_ID_PROPERTY)
    marks = Counter(event["extended_properties"].get(mark) for event in (await tenant.graph_state())["events"])
    assert {one: marks[one] for one in booking_ids} == dict.fromkeys(booking_ids, 1)
    assert all(marks[visit.booking_id] == 1 for visit in tenant.sample.bookings if visit.linked)
    assert not tenant.letters.letters
    assert not tenant.graph.world.mails
    assert tenant.queue.next_visible_at() is None
    await tenant.assert_converged()


async def test_a_backfill_by_the_sweep_survives_its_worker_being_killed_midway() -> None:
    """The sweeps of the calendars are full rounds at first, and find what has no event."""
    tenant, booking_ids = await before_the_first_day()
    for fatal in (70, 700, 1_500):
        await work_until_death(tenant, fatal)
    assert tenant.dataverse_calls["bookableresourcebookings.get"] < BOOKINGS, "nothing was left to be broken off"
    await tenant.settle()
    await assert_all_delivered(tenant, booking_ids)


async def test_a_backfill_command_broken_off_midway_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that was half queued is queued again; what was done with meanwhile is not looked at again."""
    monkeypatch.setattr("local.dataverse.reading.MAX_PAGE_SIZE", 50)
    tenant, booking_ids = await before_the_first_day()
    rows = BOOKINGS + len(tenant.sample.bookings) - WITHOUT_MAILBOX

    async def changes_waiting() -> int:
        return (await tenant.queue.approximate_lengths())["booking-changes"]

    tenant.queue.fail_next("put", ServiceUnavailable("the queue is not there"), skip=120)
    with pytest.raises(ServiceUnavailable):
        async for _ in queue_bookings(None, tenant.ports, tenant.rules):
            pass
    broken_off = await find_unfinished(tenant.ports, changes_waiting)
    assert broken_off is not None
    assert broken_off.next_link is not None
    assert broken_off.queued == 100, "two pages are known to be queued"
    await work_until_death(tenant, 400)

    walks = [walk async for walk in queue_bookings(broken_off, tenant.ports, tenant.rules)]
    assert walks[-1].is_over
    assert walks[-1].backfill.queued + walks[-1].skipped >= rows
    await tenant.settle()
    assert await find_unfinished(tenant.ports, changes_waiting) is None
    *_, anew = [walk async for walk in queue_bookings(None, tenant.ports, tenant.rules)]
    assert (anew.backfill.queued, anew.skipped) == (WITHOUT_MAILBOX, rows), "nothing else is looked at twice"
    await tenant.settle()
    await assert_all_delivered(tenant, booking_ids)
