"""One change, many notifications: bursts, repetitions, echoes of our own writes, and touches that change nothing.

Failure modes 1 and 2. What a change may cost stands in `test_call_budget.py`; here it is that nothing costs twice.
"""

from datetime import timedelta

import pytest

from sync.service.overwriting import OVERWRITING
from tests.hosted_app import QUIET
from tests.tenant import Tenant

HOUR = timedelta(hours=1)

webhooks = pytest.mark.parametrize("webhook_lose", [0.0, 1.0], ids=["webhook", "webhook-lost"])
"""Whether the booking's side hears of the conflict, or the event's side alone."""

BURSTS = [
    pytest.param({"burst": 1}, id="single"),
    pytest.param({"burst": 2, "reorder": True}, id="two-reordered"),
    pytest.param({"burst": 3, "batch": False, "reorder": True}, id="three-posts"),
    pytest.param({"burst": 4, "batch": True, "repeat": 0.0}, id="four-together"),
    pytest.param({"burst": 4, "batch": False, "reorder": True, "repeat": 0.5}, id="four-posts-some-twice"),
    pytest.param({"burst": 4, "batch": False, "repeat": 1.0, "burst_spread_seconds": 5.0}, id="eight-over-5-s"),
]


@pytest.mark.parametrize("etag_form", ["same", "other"])
@pytest.mark.parametrize("burst", BURSTS)
async def test_a_burst_moves_the_booking_once(tenant: Tenant, burst: dict[str, object], etag_form: str) -> None:
    """Failure mode 1: one read and one write, however many notifications come for the change."""
    tenant.switch(**burst, notification_etag=etag_form, change_type_noise=True)
    visit = tenant.visit()
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + HOUR
    assert tenant.app_writes == {"bookableresourcebookings.update": 1}
    assert tenant.graph_calls == {"event.get": 1}
    assert [entry.reason for entry in tenant.entries("update-booking")] == ["moved-in-outlook"]
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_burst_of_four_out_of_order_over_two_posts_is_one_change(tenant: Tenant) -> None:
    """Failure mode 1: `updated` before `created`, in two posts, the second while the first one settles."""
    tenant.switch(lose=1.0)
    visit = tenant.visit()
    await tenant.move_event(visit)
    event = await tenant.event(visit)
    assert event is not None
    for pause, change_type in ((0.0, "updated"), (0.0, "created"), (1.4, "updated"), (0.0, "updated")):
        tenant.clock.advance(pause)
        await tenant.notify(visit, change_type, etag=event["@odata.etag"])
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + HOUR
    assert tenant.graph_calls == {"event.get": 1}
    assert tenant.dataverse_calls == {"bookableresourcebookings.update": 1}


async def test_every_notification_of_a_burst_ends_in_the_journal(tenant: Tenant) -> None:
    """Failure mode 1: what is dropped is recorded with its reason and without a call."""
    tenant.switch(burst=4, batch=False, repeat=0.0)
    visit = tenant.visit()
    await tenant.move_event(visit)
    await tenant.settle()
    assert len(tenant.entries("update-booking")) == 1
    dropped = tenant.entries("dropped")
    assert [entry.event_id for entry in dropped if entry.event_id] == [visit.event_id] * 3
    (echo,) = [entry for entry in dropped if not entry.event_id]
    assert echo.booking_id == visit.booking_id, "the webhook of our write is recorded, too"
    assert all(entry.reason and not entry.calls for entry in dropped)


async def test_a_straggler_of_a_burst_costs_no_call(tenant: Tenant) -> None:
    """Failure mode 1: a notification that comes minutes after its change was processed is recognised by its etag."""
    tenant.switch(**QUIET)
    visit = tenant.visit()
    await tenant.move_event(visit)
    await tenant.settle()
    event = await tenant.event(visit)
    assert event is not None
    tenant.forget_costs()
    tenant.clock.advance(600)
    await tenant.notify(visit, "updated", etag=event["@odata.etag"])
    await tenant.settle()
    assert not tenant.graph_calls
    assert not tenant.dataverse_calls


@pytest.mark.parametrize("burst", BURSTS)
async def test_moves_in_quick_succession_end_at_the_last(tenant: Tenant, burst: dict[str, object]) -> None:
    """Failure mode 1: bursts of several changes may overlap; the booking ends where the event does."""
    tenant.switch(**burst)
    visit = tenant.visit()
    for hours, pause in ((1, 0.2), (5, 2.9), (3, 3.2), (2, 0.0)):
        await tenant.move_event(visit, by=timedelta(hours=hours))
        await tenant.settle(limit=timedelta(seconds=pause))
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + 2 * HOUR
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_notifications_of_many_events_in_one_post_are_kept_apart(whole_tenant: Tenant) -> None:
    """Failure mode 1: a post that mixes bursts of several mailboxes moves every booking once."""
    tenant = whole_tenant
    tenant.switch(burst=4, batch=True, repeat=0.3, reorder=True)
    visits = [tenant.visit(technician, index) for technician in tenant.sample.technicians[:6] for index in (0, 1)]
    for visit in visits:
        await tenant.move_event(visit)
    await tenant.settle()
    assert [await tenant.booking_start(visit) for visit in visits] == [visit.start_at + HOUR for visit in visits]
    assert tenant.app_writes == {"bookableresourcebookings.update": len(visits)}
    assert tenant.graph_calls["event.get"] == len(visits)


async def both_move(tenant: Tenant) -> None:
    """Dispatcher and technician move the first visit to different times before the app looks at it."""
    visit = tenant.visit()
    later = {"starttime": visit.start_at + 4 * HOUR, "endtime": visit.end_at + 4 * HOUR}
    await tenant.patch_booking(visit, **{name: f"{at:%Y-%m-%dT%H:%M:%SZ}" for name, at in later.items()})
    await tenant.move_event(visit, by=2 * HOUR)


async def until_we_wrote_to_outlook(tenant: Tenant) -> None:
    """Half a second after the other, so that the echo is still on its way."""
    for _ in range(120):
        if tenant.graph_calls["event.update"]:
            return
        tenant.clock.advance(0.5)
        await tenant.deliver_due()
        await tenant.work_due()
    pytest.fail("nothing was written to Outlook")


@webhooks
@pytest.mark.parametrize("etag_form", ["same", "other"])
@pytest.mark.parametrize("burst", BURSTS)
async def test_the_echo_of_our_own_write_costs_one_read_at_most(
    tenant: Tenant, burst: dict[str, object], etag_form: str, webhook_lose: float
) -> None:
    """Failure mode 2: Dynamics wins a conflict, so we write to Outlook, and Outlook tells us what we just did."""
    tenant.switch(**burst, notification_etag=etag_form)
    tenant.switch_dataverse(webhook_lose=webhook_lose)
    visit = tenant.visit()
    await both_move(tenant)
    await until_we_wrote_to_outlook(tenant)
    tenant.forget_costs()
    await tenant.settle()
    event = await tenant.event(visit)
    assert event is not None
    assert event["start"]["dateTime"].startswith(f"{visit.start_at + 4 * HOUR:%Y-%m-%dT%H:%M:%S}")
    assert await tenant.booking_start(visit) == visit.start_at + 4 * HOUR
    assert not tenant.dataverse_calls
    # The booking's side does not know by which etags the technician's own move is still being told.
    most = 1 if webhook_lose else 2
    assert tenant.graph_calls.total() <= most, tenant.graph_calls
    await tenant.assert_converged()


async def test_after_an_echo_the_call_counts_stand_still(tenant: Tenant) -> None:
    """Failure mode 2: no write answers a write: an hour later nothing more has been called."""
    tenant.switch(burst=4, batch=False, repeat=1.0)
    await both_move(tenant)
    await tenant.settle()
    tenant.forget_costs()
    for _ in range(6):
        tenant.clock.advance(600)
        await tenant.settle()
    assert not tenant.graph_calls
    assert not tenant.dataverse_calls


@webhooks
async def test_the_loser_of_a_conflict_is_in_the_journal(tenant: Tenant, webhook_lose: float) -> None:
    """Failure mode 2: the time that our write replaced in Outlook can still be read by people."""
    tenant.switch(**QUIET)
    tenant.switch_dataverse(webhook_lose=webhook_lose)
    visit = tenant.visit()
    await both_move(tenant)
    await tenant.settle()
    told = [entry for entry in tenant.journal.entries if entry.reason == "both-sides-moved"]
    assert [entry.action for entry in told] == [OVERWRITING, "update-event" if webhook_lose else "rewrite-event"]
    for entry in told:
        assert entry.before.startswith(f"{visit.start_at + 2 * HOUR:%Y-%m-%d %H:%M}")
        assert entry.after.startswith(f"{visit.start_at + 4 * HOUR:%Y-%m-%d %H:%M}")


@pytest.mark.parametrize("etag_form", ["same", "other"])
async def test_a_move_right_after_our_own_write_is_not_taken_for_its_echo(tenant: Tenant, etag_form: str) -> None:
    """Failure mode 2: the technician moves the event once more within the echo's settle time."""
    tenant.switch(burst=4, batch=False, notification_etag=etag_form)
    visit = tenant.visit()
    await both_move(tenant)
    await until_we_wrote_to_outlook(tenant)
    await tenant.move_event(visit, by=6 * HOUR)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + 6 * HOUR
    await tenant.assert_converged()


@pytest.mark.parametrize("etag_form", ["same", "other"])
async def test_a_touch_of_other_fields_is_answered_by_nobody(tenant: Tenant, etag_form: str) -> None:
    """Failure mode 2: a new subject, category or reminder is the technician's own business."""
    tenant.switch(burst=4, notification_etag=etag_form)
    visit = tenant.visit()
    await tenant.patch_event(visit.technician.mailbox_id, visit.event_id, {"subject": "Bring the long ladder"})
    await tenant.settle()
    assert tenant.graph_calls == {"event.get": 1}
    assert not tenant.dataverse_calls
    event = await tenant.event(visit)
    assert event is not None
    assert event["subject"] == "Bring the long ladder"
