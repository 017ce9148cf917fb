"""Mailboxes that are set aside: Microsoft's own sync of appointments is on for them, or they do not answer.

Two syncs would make two events of each visit. So the app keeps out, says why and what to do, and catches up by itself.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.sample import SampleBooking, Technician, guid
from local.switchboard import Fault
from sync.core.actions import Reason
from sync.core.delivery_state import UNDELIVERED
from sync.core.mailboxes import Quarantine, QuarantineKind
from sync.core.rules import Rules
from tests.dispatching import DAY, HOUR, MONDAY, DispatchTenant, starts_at

NOON = MONDAY + 12 * HOUR
ON = {"actdeliverymethod": 1, "enabledforact": True, "actstatus": 1}
DANA = f"/systemusers({guid('systemuser:Dana Dispatcher')})"
OFF = {"actdeliverymethod": 2, "enabledforact": False, "actstatus": 0}
IS_SYNCED = UNDELIVERED[Reason.MICROSOFT_SYNC]
IS_UNREACHABLE = UNDELIVERED[Reason.UNREACHABLE]


def allow_microsoft(rules: Rules) -> Rules:
    return replace(rules, allows_microsoft_sync=True)


async def set_microsoft_sync(tenant: DispatchTenant, columns: dict[str, Any]) -> None:
    """The administrator sets up the technician's mailbox in the Power Platform admin center."""
    await tenant.patch(f"mailboxes({guid(f'mailbox:{tenant.technician.name}')})", **columns)


async def switch_on(tenant: DispatchTenant) -> None:
    await set_microsoft_sync(tenant, ON)
    await tenant.run_timers(timedelta(minutes=15))


async def switch_off(tenant: DispatchTenant) -> None:
    await set_microsoft_sync(tenant, OFF)
    await tenant.run_timers(HOUR)


async def lose_access(tenant: DispatchTenant) -> None:
    await tenant.set_access(tenant.technician, "denied")
    await tenant.sweep(tenant.technician.mailbox_id)
    await tenant.settle()


async def get_access(tenant: DispatchTenant) -> None:
    await tenant.set_access(tenant.technician, "ok")
    await tenant.run_timers(26 * HOUR, every=2 * HOUR)


type Act = Callable[[DispatchTenant], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SetAside:
    """How a mailbox is set aside and taken back, and what the dispatcher reads meanwhile."""

    begin: Act
    end: Act
    reason: str


set_aside = pytest.mark.parametrize(
    "how",
    [SetAside(switch_on, switch_off, IS_SYNCED), SetAside(lose_access, get_access, IS_UNREACHABLE)],
    ids=["microsoft", "unreachable"],
)


async def quarantine(tenant: DispatchTenant) -> Quarantine | None:
    return await tenant.state.find_quarantine(tenant.technician.mailbox_id)


async def start_of(tenant: DispatchTenant, booking_id: str) -> datetime:
    return datetime.fromisoformat((await tenant.row(booking_id))["starttime"])


async def test_a_mailbox_that_microsofts_sync_handles_is_refused_with_what_to_do() -> None:
    tenant = await DispatchTenant.open()
    await switch_on(tenant)
    refused = await quarantine(tenant)
    assert refused is not None
    assert refused.kind is QuarantineKind.MICROSOFT_SYNC
    for words in ("Appointments, contacts, and tasks", "None", "MAILBOXES", "ALLOW_MICROSOFT_SYNC"):
        assert words in refused.reason


@pytest.mark.parametrize(
    "columns",
    [
        {**ON, "actdeliverymethod": 0},
        {**ON, "enabledforact": False},
        {**ON, "actstatus": 2},
        OFF,
    ],
    ids=["outlook-client", "not-enabled", "test-failed", "off"],
)
async def test_a_mailbox_that_is_not_set_up_to_the_end_is_not_refused(columns: dict[str, Any]) -> None:
    tenant = await DispatchTenant.open()
    await set_microsoft_sync(tenant, columns)
    await tenant.run_timers(HOUR)
    assert await quarantine(tenant) is None
    booking_id = await tenant.book()
    await tenant.settle()
    assert len(await tenant.events(booking_id)) == 1


@set_aside
async def test_in_a_mailbox_set_aside_no_event_is_written_and_the_dispatcher_reads_why(how: SetAside) -> None:
    tenant = await DispatchTenant.open()
    known = tenant.visit().booking_id
    before = await tenant.event_of(known)
    await how.begin(tenant)
    tenant.forget_costs()
    booking_id = await tenant.book()
    await tenant.move(known, NOON + 2 * HOUR)
    await tenant.settle()
    await tenant.sweep()
    await tenant.settle()
    assert await tenant.events(booking_id) == []
    assert starts_at(await tenant.event_of(known)) == starts_at(before)
    assert await tenant.undelivered(booking_id) == how.reason
    assert await tenant.undelivered(known) == "", "it has an event"
    assert tenant.app_writes == {"bookableresourcebookings.update": 1}
    assert not tenant.letters.letters


async def test_the_subscription_of_a_refused_mailbox_is_not_renewed() -> None:
    """Nor is a new one made; Graph's own runs out."""
    tenant = await DispatchTenant.open()
    await switch_on(tenant)
    tenant.forget_costs()
    await tenant.run_timers(10 * DAY, every=6 * HOUR)
    kinds = {kind for kind in tenant.graph_calls if kind.startswith("subscription.")}
    assert kinds <= {"subscription.list"}
    mailbox_id = tenant.technician.mailbox_id
    assert [one for one in tenant.graph.subscriptions.live() if one.mailbox_id == mailbox_id] == []


async def test_what_happens_in_a_refused_calendar_costs_no_call_and_moves_nothing() -> None:
    tenant = await DispatchTenant.open()
    visit = tenant.visit()
    await switch_on(tenant)
    tenant.forget_costs()
    await tenant.move_event(visit)
    await tenant.settle()
    assert await start_of(tenant, visit.booking_id) == visit.start_at
    assert not tenant.graph_calls
    assert not tenant.dataverse_calls


async def test_a_booking_deleted_meanwhile_takes_its_event_out_of_a_refused_calendar() -> None:
    """It is ours, and nobody else would ever remove it."""
    tenant = await DispatchTenant.open()
    visit = tenant.visit()
    await switch_on(tenant)
    await tenant.delete(visit.booking_id)
    await tenant.settle()
    assert await tenant.event(visit) is None


async def test_the_setting_overrides_the_refusal() -> None:
    tenant = await DispatchTenant.open(choose=allow_microsoft)
    await switch_on(tenant)
    assert await quarantine(tenant) is None
    booking_id = await tenant.book()
    await tenant.settle()
    assert len(await tenant.events(booking_id)) == 1
    assert await tenant.undelivered(booking_id) == ""


async def test_the_setting_set_later_takes_refused_mailboxes_back() -> None:
    tenant = await DispatchTenant.open()
    await switch_on(tenant)
    booking_id = await tenant.book()
    await tenant.run_timers(HOUR)
    tenant.rules = allow_microsoft(tenant.rules)
    await tenant.run_timers(HOUR)
    assert await quarantine(tenant) is None
    assert len(await tenant.events(booking_id)) == 1


def everybody(rules: Rules) -> Rules:
    """No list of mailboxes: those of all user resources."""
    return replace(rules, mailboxes=())


async def test_people_who_are_no_technicians_are_none_of_our_business(caplog: pytest.LogCaptureFixture) -> None:
    """Most who have Microsoft's sync on are in sales: upkeep must not refuse their mailboxes every few minutes."""
    tenant = await DispatchTenant.open(choose=everybody)
    await tenant.add("mailboxes", name="Dana", **{"regardingobjectid@odata.bind": DANA}, **ON)
    caplog.clear()
    await tenant.maintain()
    await tenant.maintain()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_without_the_right_to_read_mailboxes_nothing_changes() -> None:
    """Neither is anybody refused nor taken back on the strength of an answer that was denied."""
    tenant = await DispatchTenant.open()
    tenant.dynamics(denied_privileges=["prvReadMailbox"])
    await switch_on(tenant)
    assert await quarantine(tenant) is None
    tenant.dynamics(denied_privileges=[])
    await switch_on(tenant)
    tenant.dynamics(denied_privileges=["prvReadMailbox"])
    await switch_off(tenant)
    assert await quarantine(tenant) is not None


def leave_out(tenant: DispatchTenant) -> None:
    """The administrator follows the advice: MAILBOXES names the colleagues alone."""
    others = tuple(one for one in tenant.rules.mailboxes if one != tenant.technician.mailbox_id)
    assert others, "an empty list would mean everybody"
    tenant.rules = replace(tenant.rules, mailboxes=others)


async def test_leaving_a_refused_mailbox_out_keeps_it_out_of_work() -> None:
    """Or the full sweep would meet Microsoft's events there, and end the bookings of those deleted as duplicates."""
    tenant = await DispatchTenant.open(3, 4)
    visit = tenant.visit()
    await switch_on(tenant)
    await tenant.drop_event(await tenant.event_of(visit.booking_id))
    leave_out(tenant)
    tenant.forget_costs()
    await tenant.run_timers(HOUR)
    mailbox_id = tenant.technician.mailbox_id
    assert (await tenant.row(visit.booking_id))["status"] != "Canceled"
    assert mailbox_id not in {one.mailbox_id for one in tenant.graph.subscriptions.live()}
    assert [entry.action for entry in tenant.journal.entries if entry.mailbox_id == mailbox_id] == []
    assert await quarantine(tenant) is None, "its reason would outlive it"


async def test_a_list_of_technicians_that_is_empty_takes_no_refused_mailbox_back() -> None:
    """A lost privilege shows like that, so nothing is believed that Dataverse does not say any more."""
    tenant = await DispatchTenant.open(choose=everybody)
    await switch_on(tenant)
    await set_microsoft_sync(tenant, OFF)
    nobody = Fault(kind="bookableresources.query", times=None, status=200, body={"value": []})
    tenant.dataverse.switchboard.faults.append(nobody)
    await tenant.run_timers(HOUR)
    assert await quarantine(tenant) is not None


async def test_what_is_queued_of_a_mailbox_that_was_left_out_is_dropped() -> None:
    """Notifications, lifecycle notifications and sweeps alike, until its subscription is gone."""
    tenant = await DispatchTenant.open(3, 4)
    visit = tenant.visit()
    await tenant.move_event(visit)
    await tenant.notify_lifecycle(tenant.technician, "missed")
    await tenant.notify_lifecycle(tenant.technician, "reauthorizationRequired")
    leave_out(tenant)
    tenant.forget_costs()
    await tenant.settle()
    assert await start_of(tenant, visit.booking_id) == visit.start_at
    assert {(entry.action, entry.reason) for entry in tenant.journal.entries} == {("dropped", Reason.NOT_SYNCED)}
    assert len(tenant.journal.entries) == 3
    assert not tenant.graph_calls
    assert not tenant.dataverse_calls


async def test_a_mailbox_that_comes_back_is_given_what_was_dropped() -> None:
    """The cursor had passed the change that a sweep queued, so only a full round finds it."""
    tenant = await DispatchTenant.open(3, 4, lose=1.0)
    visit = tenant.visit()
    await tenant.run_timers(HOUR)
    await tenant.move_event(visit)
    await tenant.sweep(tenant.technician.mailbox_id)
    await tenant.work_due()
    chosen = tenant.rules
    leave_out(tenant)
    await tenant.run_timers(HOUR)
    assert await start_of(tenant, visit.booking_id) == visit.start_at
    tenant.rules = chosen
    await tenant.run_timers(HOUR)
    assert await start_of(tenant, visit.booking_id) == visit.start_at + HOUR
    await tenant.assert_converged()


@set_aside
async def test_a_mailbox_taken_back_has_its_subscription_and_no_quarantine(how: SetAside) -> None:
    tenant = await DispatchTenant.open()
    await how.begin(tenant)
    await tenant.run_timers(10 * DAY, every=6 * HOUR)
    await how.end(tenant)
    assert await quarantine(tenant) is None
    mailbox_id = tenant.technician.mailbox_id
    assert len([one for one in tenant.graph.subscriptions.live() if one.mailbox_id == mailbox_id]) == 1
    booking_id = await tenant.book(NOON + 14 * DAY)
    await tenant.settle()
    assert len(await tenant.events(booking_id)) == 1
    await tenant.assert_converged()


@set_aside
async def test_a_mailbox_taken_back_gets_the_bookings_that_were_made_meanwhile(how: SetAside) -> None:
    tenant = await DispatchTenant.open()
    await how.begin(tenant)
    booking_id = await tenant.book()
    await tenant.settle()
    assert await tenant.undelivered(booking_id) == how.reason
    await tenant.run_timers(HOUR)
    await how.end(tenant)
    assert len(await tenant.events(booking_id)) == 1
    assert await tenant.undelivered(booking_id) == ""
    await tenant.assert_converged()


@set_aside
async def test_a_mailbox_taken_back_follows_the_bookings_that_were_moved_meanwhile(how: SetAside) -> None:
    tenant = await DispatchTenant.open()
    booking_id = tenant.visit().booking_id
    await how.begin(tenant)
    await tenant.move(booking_id, NOON + 3 * DAY)
    await tenant.settle()
    await tenant.run_timers(HOUR)
    await how.end(tenant)
    assert starts_at(await tenant.event_of(booking_id)) == NOON + 3 * DAY
    await tenant.assert_converged()


@set_aside
async def test_a_mailbox_taken_back_follows_the_bookings_that_left_the_window_meanwhile(how: SetAside) -> None:
    """They are not in the list of the window's bookings; the link knows them."""
    tenant = await DispatchTenant.open()
    booking_id = tenant.visit().booking_id
    await how.begin(tenant)
    await tenant.move(booking_id, NOON + 100 * DAY)
    await tenant.settle()
    await tenant.run_timers(HOUR)
    await how.end(tenant)
    assert starts_at(await tenant.event_of(booking_id)) == NOON + 100 * DAY
    await tenant.assert_converged()


@set_aside
async def test_a_mailbox_taken_back_is_told_what_work_orders_say_by_now(how: SetAside) -> None:
    tenant = await DispatchTenant.open()
    visit = tenant.visit()
    assert visit.work_order is not None
    await how.begin(tenant)
    await tenant.patch(f"msdyn_workorders({visit.work_order.work_order_id})", msdyn_city="Bodo")
    await tenant.settle()
    await tenant.run_timers(HOUR)
    await how.end(tenant)
    assert "Bodo" in (await tenant.event_of(visit.booking_id))["location"]["displayName"]
    await tenant.assert_converged()


@set_aside
async def test_a_mailbox_taken_back_moves_the_bookings_whose_events_were_moved_meanwhile(how: SetAside) -> None:
    tenant = await DispatchTenant.open()
    visit = tenant.visit()
    await how.begin(tenant)
    await tenant.move_event(visit)
    await tenant.settle()
    await tenant.run_timers(HOUR)
    await how.end(tenant)
    assert await start_of(tenant, visit.booking_id) == visit.start_at + HOUR
    await tenant.assert_converged()


async def test_a_mailbox_that_is_refused_and_then_out_of_reach_is_taken_back_when_both_are_over() -> None:
    tenant = await DispatchTenant.open()
    await lose_access(tenant)
    await switch_on(tenant)
    refused = await quarantine(tenant)
    assert refused is not None
    assert refused.kind is QuarantineKind.MICROSOFT_SYNC
    await switch_off(tenant)
    unreachable = await quarantine(tenant)
    assert unreachable is not None
    assert unreachable.kind is QuarantineKind.UNREACHABLE
    await get_access(tenant)
    assert await quarantine(tenant) is None


async def test_a_booking_given_from_a_refused_mailbox_to_a_colleague_moves_over() -> None:
    """The old event is ours and goes; the colleague's mailbox is not concerned."""
    tenant = await DispatchTenant.open(3, 4)
    visit, colleague = tenant.visit(), tenant.sample.technicians[4]
    await switch_on(tenant)
    await tenant.reassign(visit.booking_id, colleague)
    await tenant.settle()
    assert await tenant.event(visit) is None
    assert len(await tenant.events(visit.booking_id, colleague)) == 1
    await tenant.assert_converged()


async def given_to_a_refused_colleague() -> tuple[DispatchTenant, SampleBooking, Technician]:
    """A visit whose new technician's mailbox Microsoft's sync handles."""
    tenant = await DispatchTenant.open(3, 4)
    visit, colleague = tenant.visit(tenant.sample.technicians[4]), tenant.technician
    await switch_on(tenant)
    await tenant.reassign(visit.booking_id, colleague)
    await tenant.settle()
    return tenant, visit, colleague


async def test_a_booking_given_to_a_colleague_whose_mailbox_is_refused_leaves_its_old_calendar() -> None:
    tenant, visit, colleague = await given_to_a_refused_colleague()
    assert await tenant.event(visit) is None
    assert await tenant.events(visit.booking_id, colleague) == []
    assert await tenant.undelivered(visit.booking_id) == IS_SYNCED


async def test_a_booking_given_to_a_colleague_whose_mailbox_is_refused_arrives_when_it_is_taken_back() -> None:
    tenant, visit, colleague = await given_to_a_refused_colleague()
    await tenant.run_timers(HOUR)
    await switch_off(tenant)
    assert len(await tenant.events(visit.booking_id, colleague)) == 1
    assert await tenant.undelivered(visit.booking_id) == ""
