"""Attendees' answers found by the sweep: which meetings it looks at when, and what holds it up."""

import asyncio
from datetime import timedelta

import pytest

from local.switchboard import Fault
from sync.core.answer_table import AnswerChoice
from sync.core.answers import LATER_INTERVAL
from sync.service.answering import sweep_answers
from tests.answering import LATER, SOON, SVEN, YVONNE, AnsweringTenant, followed


@pytest.fixture
async def tenant() -> AnsweringTenant:
    return await AnsweringTenant.small()


async def test_meetings_within_two_days_are_looked_at_each_time_and_others_every_few_hours(
    tenant: AnsweringTenant,
) -> None:
    soon, later = await tenant.hold(YVONNE, start_at=SOON), await tenant.hold(YVONNE, start_at=LATER)
    await tenant.sweep_answers()
    for held in (soon, later):
        tenant.answer_silently(held, YVONNE, "accepted")
    tenant.clock.advance(900)

    assert (await tenant.sweep_answers())["written"] == 1
    assert tenant.said(soon)[YVONNE] is AnswerChoice.ACCEPTED
    assert tenant.said(later)[YVONNE] is AnswerChoice.NONE

    tenant.clock.advance(LATER_INTERVAL.total_seconds())
    await tenant.sweep_answers()
    assert tenant.said(later)[YVONNE] is AnswerChoice.ACCEPTED


async def test_organizers_need_not_be_technicians(tenant: AnsweringTenant) -> None:
    """The sample's dispatcher has no subscription, and the meetings are found all the same."""
    await tenant.sweep_answers()
    names = {str(row.values["bks_name"]) for row in tenant.dataverse.world.rows("bks_attendeeanswer").values()}
    assert names == {"Yvonne McKay", "Sven Mortensen", "Ines Architect"}


async def test_an_organizer_whose_mailbox_is_out_of_reach_holds_up_nobody(tenant: AnsweringTenant) -> None:
    held = await tenant.hold(YVONNE)
    denied = await tenant.hold(YVONNE, organizer=tenant.sample.technicians[0])
    tenant.graph.world.mailboxes[denied.organizer.mailbox_id].access = "denied"

    tally = await tenant.sweep_answers()

    assert tally["unreachable"] == 1
    assert set(tenant.said(held)) == {YVONNE}
    assert tenant.rows(denied) == {}
    assert [one async for one in tenant.state.list_quarantines()] == [], "nothing is set aside on its account"


async def test_what_does_not_fit_into_the_time_is_left_and_said(tenant: AnsweringTenant) -> None:
    await tenant.hold(YVONNE)
    tally = await sweep_answers(tenant.ports, tenant.rules, until=tenant.clock.now())
    assert (tally["left"], tally["written"]) == (2, 0)
    assert await tenant.memory.find_answer_cursor() is None, "the far meetings are looked at next time, too"


async def test_an_event_that_is_gone_unheard_is_not_looked_for_again(tenant: AnsweringTenant) -> None:
    elsewhere = tenant.sample.technicians[0]  # whose mailbox is not in sync
    held = await followed(tenant, organizer=elsewhere)
    await tenant.person.delete(f"/users/{elsewhere.mailbox_id}/events/{held.event_id}")
    tenant.graph.switchboard.set_switches({"deleted_get": "404"})
    await tenant.sweep_answers()
    tenant.forget_costs()

    await tenant.sweep_answers()

    assert tenant.graph_calls["event.get"] == 0
    assert set(tenant.said(held)) == {YVONNE, SVEN}, "what was said stays"


async def test_meetings_that_are_long_over_are_forgotten(tenant: AnsweringTenant) -> None:
    await followed(tenant)
    tenant.clock.advance(timedelta(days=4).total_seconds())
    await tenant.sweep_answers()
    assert tenant.memory.meetings == {}


async def test_an_outage_of_dataverse_ends_the_sweep_and_the_next_one_makes_good(tenant: AnsweringTenant) -> None:
    meetings = [await tenant.hold(YVONNE, organizer=one) for one in tenant.sample.technicians[:6]]
    await tenant.settle()
    tenant.dataverse.switchboard.faults.append(Fault(kind="batch", status=503, times=None))

    tally = await tenant.sweep_answers()
    assert tally["outages"] >= 1
    assert await tenant.memory.find_answer_cursor() is None

    tenant.dataverse.switchboard.faults.clear()
    await tenant.sweep_answers()
    assert all(tenant.said(held) == {YVONNE: AnswerChoice.NONE} for held in meetings)


async def test_lost_tables_cost_one_more_write_of_each_row_and_nothing_else(tenant: AnsweringTenant) -> None:
    held = await followed(tenant)
    await tenant.answer(held, YVONNE, "accepted")
    await tenant.settle()
    tenant.memory.lose_everything()

    await tenant.sweep_answers()

    assert tenant.said(held) == {YVONNE: AnswerChoice.ACCEPTED, SVEN: AnswerChoice.NONE}
    assert len(tenant.rows(held)) == 2


async def test_a_sweep_and_a_notification_at_once_leave_the_newer_answer(tenant: AnsweringTenant) -> None:
    held = await followed(tenant)
    for response in ("accepted", "declined", "accepted", "declined"):
        await tenant.answer(held, YVONNE, response)
        await asyncio.gather(tenant.sweep_answers(), tenant.settle())
        tenant.clock.advance(30)
    await tenant.settle()
    assert tenant.said(held)[YVONNE] is AnswerChoice.DECLINED
