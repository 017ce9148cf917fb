"""Synchronous steps of the Dataverse simulator: they hold up, and can fail, the operation that runs them."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from local.sample import guid
from tests.local.webhook_environment import PATH, VISIT, Receiver, WebhookEnvironment, attributes, bind_status

SYNCHRONOUS: dict[str, Any] = {"mode": 0}
BOOKINGS = "/bookableresourcebookings"


class WatchingReceiver(Receiver):
    """Remembers what the booking looked like to others at the time of each call."""

    dataverse: WebhookEnvironment
    seen: list[Any]

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:
        response = await self.dataverse.person.get(PATH)
        self.seen.append(response.json()["name"] if response.status_code == 200 else response.status_code)
        return await super().post(url, body, headers, timeout_seconds)


@pytest.mark.parametrize("stage", [10, 20, 40])
async def test_a_synchronous_step_is_called_before_the_user_is_answered(stage: int) -> None:
    dataverse = WebhookEnvironment()
    step = await dataverse.step(stage=stage, **SYNCHRONOUS)
    await dataverse.change(name="x")
    (received,) = dataverse.receiver.received
    context = received.context
    assert (context["Stage"], context["Mode"]) == (stage, 0)
    assert context["OwningExtension"]["Id"] == step
    assert context["IsInTransaction"] is (stage != 10)
    assert context["OperationId"] == "00000000-0000-0000-0000-000000000000"
    assert context["PostEntityImages"] == [], "the automatic image is for asynchronous steps"
    target = attributes(received.target)
    assert target["name"] == "x"
    assert ("modifiedon" in target) is (stage == 40)
    assert (await dataverse.get(PATH))["name"] == "x"
    assert await dataverse.jobs() == []
    assert (await dataverse.state())["synchronous_counts"] == {"delivered": 1}


@pytest.mark.parametrize("stage", [10, 20, 40])
@pytest.mark.parametrize("answer", [400, 500, 302, TimeoutError(), ConnectionError("refused")])
async def test_a_failed_call_fails_the_operation_and_rolls_it_back(stage: int, answer: int | OSError) -> None:
    dataverse = WebhookEnvironment()
    endpoint = await dataverse.endpoint()
    await dataverse.step(stage=stage, endpoint=endpoint, **SYNCHRONOUS)
    await dataverse.step(endpoint=endpoint)
    before = await dataverse.get(PATH)
    dataverse.receiver.answers.append(answer)
    response = await dataverse.person.patch(PATH, json={"name": "x"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "0x80040265")
    assert "Update of bookableresourcebooking" in response.json()["error"]["message"]
    assert await dataverse.get(PATH) == before
    assert len(dataverse.receiver.received) == 1
    assert dataverse.simulator.webhooks.next_due_at() is None, "what did not happen is told to no asynchronous step"


@pytest.mark.parametrize("stage", [20, 40])
async def test_a_call_cannot_be_recalled_when_the_operation_fails_after_it(stage: int) -> None:
    dataverse = WebhookEnvironment(fail_after_sync_steps="A customer's plug-in says no.")
    step = await dataverse.step("Delete", stage=stage, **SYNCHRONOUS)
    await dataverse.image(step, attributes="bks_eventid")
    before = await dataverse.get(PATH)
    response = await dataverse.person.delete(PATH)
    assert response.json()["error"] == {"code": "0x80040265", "message": "A customer's plug-in says no."}
    assert await dataverse.get(PATH) == before
    (received,) = dataverse.receiver.received
    assert received.images("Pre") == {"pre": {"bks_eventid": VISIT.event_id}}


async def test_the_failure_after_synchronous_steps_leaves_other_operations_alone() -> None:
    dataverse = WebhookEnvironment(fail_after_sync_steps="No.")
    await dataverse.step("Delete", **SYNCHRONOUS)
    await dataverse.change(name="x")
    assert (await dataverse.get(PATH))["name"] == "x"


async def test_a_step_before_the_operation_is_called_for_one_that_the_service_then_refuses() -> None:
    dataverse = WebhookEnvironment(refuse_status_change="Inspected.")
    endpoint = await dataverse.endpoint()
    for stage in (40, 20, 10):
        await dataverse.step(stage=stage, endpoint=endpoint, **SYNCHRONOUS)
    response = await dataverse.person.patch(PATH, json=bind_status("Canceled"))
    assert response.json()["error"]["message"] == "Inspected."
    assert [received.context["Stage"] for received in dataverse.receiver.received] == [10, 20]


async def test_steps_are_called_by_stage_then_rank_until_one_fails() -> None:
    dataverse = WebhookEnvironment()
    endpoint = await dataverse.endpoint()
    for stage, rank in ((40, 2), (40, 1), (20, 9), (10, 1), (20, 1)):
        await dataverse.step(name=f"{stage}.{rank}", stage=stage, rank=rank, endpoint=endpoint, **SYNCHRONOUS)
    dataverse.receiver.answers.extend([202, 202, 202, 500])
    response = await dataverse.person.patch(PATH, json={"name": "x"})
    assert "'40.1'" in response.json()["error"]["message"]
    names = {step["id"]: step["name"] for step in (await dataverse.state())["steps"]}
    called = [names[received.context["OwningExtension"]["Id"]] for received in dataverse.receiver.received]
    assert called == ["10.1", "20.1", "20.9", "40.1"]


async def test_nobody_sees_the_change_while_the_call_is_out() -> None:
    dataverse = WebhookEnvironment()
    receiver = WatchingReceiver(dataverse.board.clock)
    receiver.dataverse, receiver.seen = dataverse, []
    dataverse.receive_with(receiver)
    await dataverse.step(**SYNCHRONOUS)
    await dataverse.change(name="x")
    assert receiver.seen == ["WO-00001"]
    assert (await dataverse.get(PATH))["name"] == "x"


async def test_an_operation_meets_what_others_wrote_during_its_call() -> None:
    dataverse = WebhookEnvironment()
    released = asyncio.Event()
    called = asyncio.Event()

    class HoldingReceiver(Receiver):
        async def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:
            called.set()
            await released.wait()
            return await super().post(url, body, headers, timeout_seconds)

    dataverse.receive_with(HoldingReceiver(dataverse.board.clock))
    await dataverse.step("Delete", **SYNCHRONOUS)
    etag = (await dataverse.get(PATH))["@odata.etag"]
    deletion = asyncio.create_task(dataverse.app.delete(PATH, headers={"If-Match": etag}))
    async with asyncio.timeout(5):
        await called.wait()
        await dataverse.change(name="meanwhile")
        released.set()
        assert (await deletion).status_code == 412
    assert (await dataverse.get(PATH))["name"] == "meanwhile"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_row_is_created_under_the_id_that_the_step_was_told(method: str) -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step("Create", **SYNCHRONOUS)
    path = BOOKINGS if method == "POST" else f"{BOOKINGS}({guid('upserted')})"
    response = await dataverse.person.request(
        method, path, json={"name": "New"}, headers={"Prefer": "return=representation"}
    )
    assert response.status_code == 201
    row_id = response.json()["bookableresourcebookingid"]
    (received,) = dataverse.receiver.received
    assert received.context["PrimaryEntityId"] == row_id
    assert (await dataverse.get(f"{BOOKINGS}({row_id})"))["name"] == "New"


async def test_a_refused_creation_leaves_no_row() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step("Create", **SYNCHRONOUS)
    dataverse.receiver.answers.append(500)
    before = await dataverse.find(BOOKINGS)
    assert (await dataverse.person.post(BOOKINGS, json={"name": "New"})).status_code == 400
    assert await dataverse.find(BOOKINGS) == before


async def test_asynchronous_steps_hear_of_the_same_operation_after_it_is_committed() -> None:
    dataverse = WebhookEnvironment()
    endpoint = await dataverse.endpoint()
    await dataverse.step(endpoint=endpoint, **SYNCHRONOUS)
    await dataverse.step(endpoint=endpoint)
    await dataverse.change(name="x")
    (called,) = dataverse.receiver.received
    (heard,) = await dataverse.deliver()
    assert (called.context["Mode"], heard.context["Mode"]) == (0, 1)
    assert called.context["CorrelationId"] == heard.context["CorrelationId"]


@pytest.mark.parametrize(
    ("answers", "status", "counts"),
    [
        ([503, 202], 204, {"retried": 1, "delivered": 1}),
        ([503, 503], 400, {"retried": 1, "failed": 1}),
        ([504, 500], 400, {"retried": 1, "failed": 1}),
        ([500, 202], 400, {"failed": 1}),
    ],
)
async def test_one_more_attempt_is_made_after_502_503_and_504(
    answers: list[int], status: int, counts: dict[str, int]
) -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step(**SYNCHRONOUS)
    dataverse.receiver.answers.extend(answers)
    assert (await dataverse.person.patch(PATH, json={"name": "x"})).status_code == status
    assert (await dataverse.state())["synchronous_counts"] == counts


async def test_an_answer_after_60_seconds_fails_the_operation() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step(**SYNCHRONOUS)
    dataverse.receiver.takes_seconds = 61
    response = await dataverse.person.patch(PATH, json={"name": "x"})
    assert "did not answer within 60 seconds" in response.json()["error"]["message"]


async def test_filtering_attributes_and_disabled_steps_call_nobody() -> None:
    dataverse = WebhookEnvironment()
    endpoint = await dataverse.endpoint()
    await dataverse.step(endpoint=endpoint, filteringattributes="starttime", **SYNCHRONOUS)
    await dataverse.step(endpoint=endpoint, statecode=1, **SYNCHRONOUS)
    await dataverse.change(name="x")
    assert dataverse.receiver.received == []


async def test_reads_and_failed_requests_call_nobody() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step(**SYNCHRONOUS)
    await dataverse.get(PATH)
    assert (await dataverse.person.patch(PATH, json={"nome": "x"})).status_code == 400
    assert (await dataverse.person.patch(PATH, json={"name": "x"}, headers={"If-Match": 'W/"1"'})).status_code == 412
    assert dataverse.receiver.received == []


async def test_a_write_with_synchronous_steps_is_refused_in_a_batch() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step(**SYNCHRONOUS)
    part = f"PATCH /api/data/v9.2{PATH} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n" + '{"name": "x"}'
    body = f"--b\r\nContent-Type: application/http\r\n\r\n{part}\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/mixed; boundary=b", "Prefer": "odata.continue-on-error"}
    response = await dataverse.person.post("/$batch", content=body, headers=headers)
    assert "HTTP/1.1 501 Not Implemented" in response.text
    assert dataverse.receiver.received == []
    assert (await dataverse.get(PATH))["name"] == "WO-00001"
