"""What it costs to have attendees' answers in Dynamics: requests to both services, and no mail."""

from collections import Counter
from datetime import timedelta

import pytest

from sync.core.answer_table import AnswerChoice
from tests.answering import ANSWER_WRITE, SOON, YVONNE, AnsweringTenant, followed


@pytest.fixture
async def tenant() -> AnsweringTenant:
    return await AnsweringTenant.small()


async def test_a_burst_of_answers_costs_one_read_and_one_batch(tenant: AnsweringTenant) -> None:
    guests = [f"guest{number}@customers.example" for number in range(12)]
    held = await followed(tenant, *guests)

    for guest in guests:
        await tenant.answer(held, guest, "accepted")
    await tenant.settle()

    assert tenant.said(held) == dict.fromkeys(guests, AnswerChoice.ACCEPTED)
    assert tenant.graph_calls == Counter({"event.get": 1})
    assert tenant.dataverse_calls == Counter({"batch": 1, ANSWER_WRITE: 12})


async def test_an_answer_costs_one_read_and_one_batch_of_one_row(tenant: AnsweringTenant) -> None:
    held = await followed(tenant)
    await tenant.answer(held, YVONNE, "declined")
    await tenant.settle()
    assert tenant.graph_calls == Counter({"event.get": 1})
    assert tenant.dataverse_calls == Counter({"batch": 1, ANSWER_WRITE: 1})


async def test_a_sweep_of_unchanged_meetings_costs_a_list_and_a_read_for_each_organizer(
    tenant: AnsweringTenant,
) -> None:
    for _ in range(3):
        await followed(tenant)
    await tenant.sweep_answers()
    organizers = 2  # the technician, and the sample's dispatcher
    assert tenant.graph_calls == Counter({"calendarView.list": organizers})
    assert tenant.dataverse_calls == Counter({"appointments.query": 1})


async def test_silent_answers_of_many_meetings_are_written_in_one_batch(tenant: AnsweringTenant) -> None:
    meetings = [await followed(tenant) for _ in range(3)]
    for held in meetings:
        tenant.answer_silently(held, YVONNE, "accepted")
    tally = await tenant.sweep_answers()
    assert tally["written"] == 3
    assert [entry.reason for entry in tenant.entries("answers-written")] == ["1 of 2 attendees"] * 3
    assert tenant.dataverse_calls == Counter({"appointments.query": 1, "batch": 1, ANSWER_WRITE: 3})


async def test_private_events_and_meetings_without_an_appointment_cost_dataverse_nothing(
    tenant: AnsweringTenant,
) -> None:
    await tenant.settle()
    tenant.forget_costs()
    for guests in ([], [YVONNE]):
        body = {
            "subject": "Private",
            "start": {"dateTime": f"{SOON:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
            "end": {"dateTime": f"{SOON + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
            "attendees": [{"emailAddress": {"address": guest}} for guest in guests],
        }
        answer = await tenant.person.post(f"/users/{tenant.technician.mailbox_id}/events", json=body)
        assert answer.status_code == 201
    await tenant.settle()
    assert tenant.dataverse_calls == Counter()
    assert tenant.graph_calls["event.get"] == 2


async def test_no_answer_that_is_read_causes_a_mail(tenant: AnsweringTenant) -> None:
    held = await followed(tenant)
    tenant.graph.world.mails.clear()
    await tenant.answer(held, YVONNE, "accepted")
    await tenant.settle()
    await tenant.sweep_answers()
    assert tenant.graph.world.mails == []
