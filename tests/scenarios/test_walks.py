"""A booking walks over technicians by chance, through everything that may befall the two services on the way."""

import random
from datetime import timedelta

import pytest

from local.graph.events import Access
from sync.core.reconcile import Winner
from tests.company import Company, winner_is
from tests.tenant import wire

TECHNICIANS = (3, 4, 5)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(16))
async def test_any_walk_ends_with_one_event_where_it_stops(seed: int) -> None:
    """Reassignments, moves and edits at any moment, with post that is lost, late and repeated."""
    await walk(random.Random(seed), loses_access=False)


async def test_any_walk_ends_with_one_event_also_when_mailboxes_go_and_come_back() -> None:
    """Seeds that have found something, and a few more."""
    for seed in (30, 45, 66, *range(9)):
        await walk(random.Random(seed), loses_access=True)


async def walk(chance: random.Random, *, loses_access: bool) -> None:
    company = await open_any_company(chance)
    visit, holder = company.visit(), company.technician
    for _ in range(chance.randint(3, 14)):
        by = timedelta(minutes=15 * chance.randint(-8, 30))
        match chance.choice(("assign", "assign", "drag", "plan", "describe", "access")):
            case "assign":
                holder = chance.choice(company.technicians)
                await company.assign(visit, holder)
            case "drag":
                await drag_what_there_is(company, by)
            case "plan":
                await company.plan(visit, by)
            case "describe":
                await company.describe(visit, msdyn_workordersummary=f"Bring {chance.randrange(10**6)} screws")
            case "access" if loses_access:
                access: Access = chance.choice(("ok", "denied", "not_enabled"))
                await company.set_access(chance.choice(company.technicians), access)
        await pass_time(company, chance)
    for technician in company.technicians:
        await company.set_access(technician, "ok")
    company.switch(lose=0)
    company.dynamics(webhook_lose=0)
    await company.settle()
    await company.run_timers(timedelta(hours=5))
    await company.assert_delivered(visit.booking_id, holder)
    assert (await company.row(visit.booking_id))["status"] == "Scheduled"
    await company.assert_at_rest()


async def open_any_company(chance: random.Random) -> Company:
    """Both services as they may be; half of the time they lose post."""
    company = await Company.open(
        *TECHNICIANS,
        choose=winner_is(chance.choice(list(Winner))),
        seed=chance.randrange(10**6),
        if_match=chance.choice(("ignore", "enforce")),
        notification_etag=chance.choice(("same", "other")),
        deleted_get=chance.choice(("404", "200")),
        lose=chance.choice((0, 0.2)),
        repeat=0.1,
        burst="random",
        reorder=True,
        change_type_noise=True,
    )
    company.settle_seconds = chance.choice((0, 1, 3))
    company.dynamics(
        webhook_lose=chance.choice((0, 0.2)),
        webhook_repeat=0.3,
        webhook_delay_seconds=chance.choice((0.2, 2, 8)),
    )
    return company


async def drag_what_there_is(company: Company, by: timedelta) -> None:
    """Somebody who finds an event of the visit in their calendar moves it."""
    visit, mailboxes = company.visit(), company.graph.world.mailboxes
    for event in await company.live_events(visit.booking_id):
        if mailboxes[event["mailbox_id"]].access != "not_enabled":
            times = {"start": wire(visit.start_at + by), "end": wire(visit.end_at + by)}
            await company.patch_event(event["mailbox_id"], event["id"], times)
            return


async def pass_time(company: Company, chance: random.Random) -> None:
    """The app comes to all of its work, to some of it, or to none."""
    match chance.randrange(4):
        case 0:
            await company.work_due()
        case 1:
            await company.settle(limit=timedelta(seconds=3))
        case 2:
            await company.settle()
    company.clock.advance(chance.choice((0.1, 1, 4)))
