"""A mailbox that we cannot reach, or that looks empty: nothing is concluded from it, and nothing is lost by it.

Failure modes 4 and 5.
"""

from datetime import timedelta

import pytest

from local.graph.events import Access
from local.sample import SampleBooking
from local.switchboard import Fault
from sync.core.errors import BreakerHeld
from sync.core.mailboxes import SubscriptionStanding
from sync.service.breaker import release
from sync.service.disposal import replay
from tests.tenant import Tenant

HOUR = timedelta(hours=1)

REASONS = {
    "denied": "ErrorAccessDenied",
    "not_enabled": "MailboxNotEnabledForRESTAPI",
    "gone": "Request_ResourceNotFound",
}

every_loss = pytest.mark.parametrize("access", ["denied", "not_enabled", "gone"])
deleted_get = pytest.mark.parametrize("deleted_get", ["404", "200"])


async def statuses(tenant: Tenant, visits: list[SampleBooking]) -> list[str]:
    return [(await tenant.booking(visit))["status"] for visit in visits]


def delete_unseen(tenant: Tenant, visit: SampleBooking) -> None:
    """Delete an event in a mailbox that answers nobody, as its owner may by an app of the vendor's own."""
    world = tenant.graph.world
    world.delete(world.mailboxes[visit.technician.mailbox_id].versions[visit.event_id][-1])


@every_loss
@pytest.mark.parametrize("burst", [1, 4])
async def test_lost_access_is_not_a_deletion(tenant: Tenant, access: Access, burst: int) -> None:
    """Failure mode 4: the app cannot open the mailbox; every booking stays and the mailbox rests, with its reason."""
    tenant.switch(burst=burst)
    visit = tenant.visit()
    visits = [tenant.visit(index=index) for index in range(20)]
    before = await statuses(tenant, visits)
    await tenant.move_event(visit)
    await tenant.set_access(visit.technician, access)
    await tenant.settle()
    quarantine = await tenant.state.find_quarantine(visit.technician.mailbox_id)
    assert quarantine is not None
    assert REASONS[access] in quarantine.reason
    assert REASONS[access] in tenant.entries("quarantined")[0].reason
    await tenant.run_timers(6 * HOUR)
    assert await statuses(tenant, visits) == before
    assert not tenant.app_writes
    assert not tenant.letters.letters


@every_loss
@pytest.mark.parametrize("lost_for", [timedelta(minutes=20), timedelta(days=2), timedelta(days=9)], ids=str)
async def test_a_mailbox_that_answers_again_catches_up_with_everything(access: Access, lost_for: timedelta) -> None:
    """Failure mode 4: moves and deletions of the dark time are found, without a hand being lifted.

    After nine days of it the subscription has died, too; and the visits are over, so that it does not matter any more
    that their events are gone.
    """
    tenant = await Tenant.small(technician=1)
    technician = tenant.technician
    moved, deleted, deleted_before = (tenant.visit(technician, index) for index in (17, 18, 19))
    await tenant.move_event(moved, by=2 * HOUR)
    await tenant.delete_event(deleted_before)
    await tenant.set_access(technician, access)
    await tenant.settle()
    delete_unseen(tenant, deleted)
    await tenant.run_timers(lost_for, every=max(timedelta(minutes=15), lost_for / 18))
    assert await statuses(tenant, [moved, deleted, deleted_before]) == ["Scheduled"] * 3
    assert not tenant.app_writes

    await tenant.set_access(technician, "ok")
    await tenant.run_timers(timedelta(hours=26), every=2 * HOUR)
    assert await tenant.state.find_quarantine(technician.mailbox_id) is None
    assert await tenant.booking_start(moved) == moved.start_at + 2 * HOUR
    found_gone = "Canceled" if lost_for < timedelta(days=9) else "Scheduled"
    assert await statuses(tenant, [moved, deleted, deleted_before]) == ["Scheduled", found_gone, found_gone]
    record = await tenant.state.find_subscription_record(technician.mailbox_id)
    assert record is not None
    assert record.standing is SubscriptionStanding.ACTIVE
    assert len([each for each in tenant.graph.subscriptions.live() if each.mailbox_id == technician.mailbox_id]) == 1
    await tenant.assert_converged()


async def test_only_the_mailbox_in_trouble_rests(tenant: Tenant) -> None:
    """Failure mode 4: the others' visits move on while one mailbox is in quarantine."""
    lost, well = tenant.visit(), tenant.visit(tenant.sample.technicians[3])
    await tenant.set_access(lost.technician, "denied")
    await tenant.move_event(lost)
    await tenant.move_event(well)
    await tenant.settle()
    assert await tenant.booking_start(lost) == lost.start_at
    assert await tenant.booking_start(well) == well.start_at + HOUR


async def test_a_resting_mailbox_is_left_in_peace_between_its_probes(tenant: Tenant) -> None:
    """Failure mode 4: notifications cost no call, and probes grow rarer: at most eight in two days."""
    technician = tenant.sample.technicians[0]
    await tenant.set_access(technician, "denied")
    await tenant.sweep(technician.mailbox_id)
    await tenant.settle()
    tenant.forget_costs()
    for index in range(5):
        await tenant.move_event(tenant.visit(index=index))
    await tenant.settle()
    assert not tenant.graph_calls
    tenant.forget_costs()
    for _ in range(48):
        tenant.clock.advance(3600)
        await tenant.sweep()
        await tenant.settle(limit=timedelta(minutes=5))
    probes = [entry for entry in tenant.entries("quarantined") if entry.mailbox_id == technician.mailbox_id]
    assert 2 <= len(probes) <= 8


@pytest.mark.parametrize("access", ["denied", "not_enabled"])
async def test_a_reauthorization_asked_for_while_access_was_lost_is_made_good(tenant: Tenant, access: Access) -> None:
    """Failure mode 4: Graph had paused the subscription; once the mailbox answers again, push works again."""
    visit = tenant.visit()
    tenant.clock.advance(3600)
    (mine,) = (one for one in tenant.graph.subscriptions.live() if one.mailbox_id == visit.technician.mailbox_id)
    await tenant.set_access(visit.technician, access)
    tenant.graph.switchboard.faults.append(
        Fault(kind="subscription.renew", status=403, body={"error": {"code": "ErrorAccessDenied", "message": ""}})
    )
    await tenant.control_graph(
        "/lifecycle", event="reauthorizationRequired", subscription_id=mine.subscription_id, pause=True
    )
    await tenant.settle(limit=timedelta(minutes=1))
    await tenant.set_access(visit.technician, "ok")
    await tenant.run_timers(2 * HOUR)
    record = await tenant.state.find_subscription_record(visit.technician.mailbox_id)
    assert record is not None
    assert record.standing is SubscriptionStanding.ACTIVE
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + HOUR


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("event.get", 404, "SomethingNewAndUndocumented"),
        ("event.get", 404, "ErrorItemNotFound"),
        ("event.get", 503, "ErrorServerBusy"),
    ],
)
@pytest.mark.parametrize("change_type", ["updated", "deleted"])
async def test_one_witness_convicts_nobody(tenant: Tenant, kind: str, status: int, code: str, change_type: str) -> None:
    """Failure mode 4: a read fails once while the event is there: it is looked at again, and its move followed."""
    tenant.switch(lose=1.0)
    visit = tenant.visit()
    await tenant.move_event(visit)
    tenant.graph.switchboard.faults.append(
        Fault(kind=kind, status=status, body={"error": {"code": code, "message": ""}})
    )
    await tenant.notify(visit, change_type)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Scheduled"
    assert await tenant.booking_start(visit) == visit.start_at + HOUR
    await tenant.assert_converged()


@pytest.mark.parametrize(("kind", "deleted_get"), [("event.search", "404"), ("event.calendar", "200")])
async def test_access_lost_between_the_witnesses_cancels_nothing_yet(
    tenant: Tenant, kind: str, deleted_get: str
) -> None:
    """Failure mode 4: the second witness is denied; the deletion is found once the mailbox answers again."""
    tenant.switch(deleted_get=deleted_get)
    visit = tenant.visit()
    body = {"error": {"code": "ErrorAccessDenied", "message": ""}}
    tenant.graph.switchboard.faults.append(Fault(kind=kind, status=403, body=body))
    await tenant.delete_event(visit)
    await tenant.settle()
    assert (await tenant.booking(visit))["status"] == "Scheduled"
    await tenant.run_timers(HOUR)
    assert (await tenant.booking(visit))["status"] == "Canceled"
    await tenant.assert_converged()


@pytest.mark.parametrize("reads", ["all", "one mailbox"])
async def test_a_sudden_emptiness_cancels_nothing(tenant: Tenant, reads: str) -> None:
    """Failure mode 5: a full read finds no events where many links are: the breaker holds, and says so."""
    visits = [tenant.visit(index=index) for index in range(20)]
    before = await statuses(tenant, visits)
    mailbox_id = visits[0].technician.mailbox_id
    tenant.switch(empty_reads=True if reads == "all" else [mailbox_id])
    for _ in range(5):
        await tenant.sweep(mailbox_id, is_full=True)
        await tenant.settle()
        tenant.clock.advance(3600)
    assert await statuses(tenant, visits) == before
    assert not tenant.app_writes
    breaker = await tenant.state.find_breaker(mailbox_id)
    assert breaker is not None
    assert breaker.held_since is not None
    assert breaker.held == 20
    assert {entry.action for entry in tenant.journal.entries} == {"breaker-held"}


async def test_after_an_emptiness_everything_continues(tenant: Tenant) -> None:
    """Failure mode 5: nothing has to be released by hand, and the breaker reports no trouble any more."""
    visits = [tenant.visit(index=index) for index in range(20)]
    mailbox_id = visits[0].technician.mailbox_id
    tenant.switch(empty_reads=[mailbox_id])
    await tenant.sweep(mailbox_id, is_full=True)
    await tenant.settle()
    tenant.switch(empty_reads=False)
    await tenant.run_timers(timedelta(minutes=30))
    await tenant.move_event(visits[0])
    await tenant.delete_event(visits[1])
    await tenant.settle()
    assert await tenant.booking_start(visits[0]) == visits[0].start_at + HOUR
    assert await statuses(tenant, visits[:3]) == ["Scheduled", "Canceled", "Scheduled"]
    await tenant.sweep(mailbox_id, is_full=True)
    await tenant.settle()
    await tenant.assert_converged()
    breaker = await tenant.state.find_breaker(mailbox_id)
    assert breaker is not None
    assert breaker.held_since is None


@pytest.mark.parametrize("etag_form", ["same", "other"])
async def test_a_move_notified_during_an_emptiness_cancels_nothing(tenant: Tenant, etag_form: str) -> None:
    """Failure mode 5: nobody said `deleted`; that neither read nor search find the event is the emptiness itself."""
    visit = tenant.visit()
    tenant.switch(empty_reads=[visit.technician.mailbox_id], notification_etag=etag_form)
    await tenant.move_event(visit)
    await tenant.settle(limit=timedelta(minutes=10))
    assert (await tenant.booking(visit))["status"] == "Scheduled"
    tenant.switch(empty_reads=False)
    await tenant.run_timers(2 * HOUR)
    assert (await tenant.booking(visit))["status"] == "Scheduled"
    assert await tenant.booking_start(visit) == visit.start_at + HOUR


async def delete_many(tenant: Tenant, count: int) -> list[SampleBooking]:
    visits = [tenant.visit(index=index) for index in range(count)]
    for visit in visits:
        await tenant.delete_event(visit)
    await tenant.settle()
    return visits


@deleted_get
async def test_a_flood_of_deletions_is_held_after_the_set_number(tenant: Tenant, deleted_get: str) -> None:
    """Failure mode 5: fifteen of twenty visits are deleted at once: ten are cancelled, five wait for a person."""
    tenant.switch(burst=4, deleted_with_updated=True, deleted_get=deleted_get)
    visits = await delete_many(tenant, 15)
    assert sorted(await statuses(tenant, visits)) == ["Canceled"] * 10 + ["Scheduled"] * 5
    letters = list(tenant.letters.letters.values())
    assert {letter.error_class for letter in letters} == {BreakerHeld.__name__}
    assert all("release" in letter.mend for letter in letters)
    breaker = await tenant.state.find_breaker(visits[0].technician.mailbox_id)
    assert breaker is not None
    assert breaker.held_since is not None


async def test_what_the_breaker_holds_is_let_through_by_release_and_replay(tenant: Tenant) -> None:
    """Failure mode 5: a person has looked: the five that were held are cancelled, and no letter is left."""
    visits = await delete_many(tenant, 15)
    await release(visits[0].technician.mailbox_id, tenant.ports)
    for letter in list(tenant.letters.letters.values()):
        await replay(letter, tenant.ports)
    await tenant.settle()
    assert await statuses(tenant, visits) == ["Canceled"] * 15
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_what_the_breaker_holds_stays_held_until_a_person_has_looked(tenant: Tenant) -> None:
    """Failure mode 5: time alone releases nothing; a flood is not a trickle of ten an hour."""
    visits = await delete_many(tenant, 15)
    await tenant.run_timers(4 * HOUR, every=HOUR)
    await tenant.sweep(visits[0].technician.mailbox_id, is_full=True)
    await tenant.settle()
    assert (await statuses(tenant, visits)).count("Scheduled") == 5


async def test_the_breaker_of_one_mailbox_holds_no_other(tenant: Tenant) -> None:
    """Failure mode 5: a colleague's deletion passes meanwhile, and so does a move in the held mailbox."""
    await delete_many(tenant, 15)
    colleague, moved = tenant.visit(tenant.sample.technicians[3]), tenant.visit(index=16)
    await tenant.delete_event(colleague)
    await tenant.move_event(moved)
    await tenant.settle()
    assert (await tenant.booking(colleague))["status"] == "Canceled"
    assert await tenant.booking_start(moved) == moved.start_at + HOUR


async def test_a_few_deletions_an_hour_never_meet_the_breaker(tenant: Tenant) -> None:
    """Failure mode 5: a technician who tidies up all week needs nobody's release."""
    visits = [tenant.visit(index=index) for index in range(16)]
    for visit in visits:
        await tenant.delete_event(visit)
        await tenant.settle()
        tenant.clock.advance(600)
    assert await statuses(tenant, visits) == ["Canceled"] * 16
    assert not tenant.letters.letters
