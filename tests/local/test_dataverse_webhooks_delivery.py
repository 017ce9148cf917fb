"""When webhooks of the Dataverse simulator are sent, and what becomes of them."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from local.sample import guid
from tests.local.webhook_environment import (
    NOW,
    PATH,
    SAMPLE,
    URL,
    VISIT,
    Receiver,
    WebhookEnvironment,
    bind_status,
)

QUERY_SETTINGS = '<settings><setting name="a" value="1 &amp; 2"/><setting name="b" value="ü"/></settings>'


@pytest.mark.parametrize(
    ("authtype", "value", "query", "headers"),
    [
        (4, "k+/=&y", [("code", "k+/=&y")], {}),
        (5, '<settings><setting name="x-a" value="1"/><setting name="x-b" value="2"/></settings>', [], {"x-a": "1"}),
        (5, "<settings></settings>", [], {}),
        (6, QUERY_SETTINGS, [("a", "1 & 2"), ("b", "ü")], {}),
    ],
)
async def test_secrets_go_where_the_authentication_puts_them(
    authtype: int, value: str, query: list[tuple[str, str]], headers: dict[str, str]
) -> None:
    dataverse = WebhookEnvironment()
    endpoint = await dataverse.endpoint(authtype=authtype, authvalue=value, url=f"{URL}?of=dynamics")
    await dataverse.step(endpoint=endpoint)
    await dataverse.change(name="x")
    (received,) = await dataverse.deliver()
    assert received.url.partition("?")[0] == URL
    assert parse_qsl(urlsplit(received.url).query) == [("of", "dynamics"), *query]
    assert received.headers.items() >= headers.items()
    assert bool(headers) is ("x-b" in received.headers)


async def test_a_request_goes_to_the_address_that_the_endpoint_has_by_then() -> None:
    dataverse = WebhookEnvironment()
    endpoint = await dataverse.endpoint()
    await dataverse.step(endpoint=endpoint)
    await dataverse.change(name="x")
    await dataverse.person.patch(f"/serviceendpoints({endpoint})", json={"url": f"{URL}/new"})
    (received,) = await dataverse.deliver()
    assert received.url == f"{URL}/new"


async def test_each_message_runs_its_own_steps() -> None:
    dataverse = WebhookEnvironment()
    endpoint = await dataverse.endpoint()
    for message in ("Create", "Update", "Delete"):
        await dataverse.step(message, endpoint=endpoint)
    created = await dataverse.create("bookableresourcebookings", name="x")
    await dataverse.person.patch(f"/bookableresourcebookings({created})", json={"name": "y"})
    await dataverse.person.delete(f"/bookableresourcebookings({created})")
    upserted = guid("upserted")
    await dataverse.person.patch(f"/bookableresourcebookings({upserted})", json={"name": "z"})
    heard = [received.context for received in await dataverse.deliver()]
    assert [(one["MessageName"], one["PrimaryEntityId"]) for one in heard] == [
        ("Create", created),
        ("Update", created),
        ("Delete", created),
        ("Create", upserted),
    ]


async def test_a_step_hears_of_its_own_table_only() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step(table="bookableresource")
    await dataverse.change(name="x")
    resource = f"/bookableresources({VISIT.technician.resource_id})"
    await dataverse.person.patch(resource, json={"name": "y"})
    (received,) = await dataverse.deliver()
    assert received.context["PrimaryEntityName"] == "bookableresource"


async def test_a_step_without_a_filter_hears_of_every_table_that_has_one() -> None:
    dataverse = WebhookEnvironment()
    unfiltered: dict[str, Any] = {"sdkmessagefilterid@odata.bind": None}
    await dataverse.step(**unfiltered)
    await dataverse.change(name="x")
    await dataverse.person.patch(f"/bookableresources({VISIT.technician.resource_id})", json={"name": "y"})
    tables = [received.context["PrimaryEntityName"] for received in await dataverse.deliver()]
    assert tables == ["bookableresourcebooking", "bookableresource"], "and of no change to its own jobs"


@pytest.mark.parametrize(
    ("body", "is_heard"),
    [
        ({"name": "x"}, False),
        ({"starttime": "2030-03-04T07:00:00Z"}, True),
        (bind_status("Scheduled"), True),
        ({"name": "x", "duration": 90, **bind_status("Canceled")}, True),
        ({"duration": 7}, False),
    ],
)
async def test_filtering_attributes_are_the_columns_that_the_request_names_changed_or_not(
    body: dict[str, Any], is_heard: bool
) -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step(filteringattributes="starttime, bookingstatus")
    await dataverse.change(**body)
    assert bool(await dataverse.deliver()) is is_heard


async def test_filtering_attributes_do_not_filter_creations_and_deletions() -> None:
    dataverse = WebhookEnvironment()
    endpoint = await dataverse.endpoint()
    for message in ("Create", "Delete"):
        await dataverse.step(message, endpoint=endpoint, filteringattributes="starttime")
    await dataverse.person.delete(f"/bookableresourcebookings({await dataverse.create('bookableresourcebookings')})")
    assert len(await dataverse.deliver()) == 2


async def test_a_disabled_step_hears_nothing() -> None:
    dataverse = WebhookEnvironment()
    path = f"/sdkmessageprocessingsteps({await dataverse.step()})"
    for state, heard in ((1, 0), (0, 1)):
        await dataverse.person.patch(path, json={"statecode": state})
        await dataverse.change(name="x")
        assert len(await dataverse.deliver()) == heard


async def test_what_is_refused_or_rolled_back_is_not_told() -> None:
    dataverse = WebhookEnvironment(refuse_status_change="No.")
    await dataverse.step()
    assert (await dataverse.person.patch(PATH, json=bind_status("Canceled"))).status_code == 400
    assert (await dataverse.person.patch(PATH, json={"name": "x"}, headers={"If-Match": 'W/"1"'})).status_code == 412
    assert dataverse.simulator.webhooks.next_due_at() is None


async def test_writes_in_a_batch_are_told_once_it_is_committed() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step()
    parts = "".join(
        f"--c\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\nPATCH {path} HTTP/1.1\r\n"
        'Content-Type: application/json\r\n\r\n{"name": "x"}\r\n'
        for number, path in enumerate(
            f"/api/data/v9.2/bookableresourcebookings({booking.booking_id})" for booking in SAMPLE.bookings[:2]
        )
    )
    body = f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{parts}--c--\r\n--b--\r\n"
    response = await dataverse.app.post(
        "/$batch", content=body, headers={"Content-Type": "multipart/mixed; boundary=b"}
    )
    assert response.status_code == 200, response.text
    assert [received.context["Depth"] for received in await dataverse.deliver()] == [1, 1]


async def test_a_job_waits_for_the_delay_and_is_posted_once() -> None:
    dataverse = WebhookEnvironment(webhook_delay_seconds=3)
    await dataverse.step()
    await dataverse.change(name="x")
    webhooks = dataverse.simulator.webhooks
    assert webhooks.next_due_at() == NOW + timedelta(seconds=3)
    dataverse.board.clock.advance(2.9)
    assert await webhooks.deliver_due(dataverse.simulator.post) == 0
    dataverse.board.clock.advance(0.1)
    assert await webhooks.deliver_due(dataverse.simulator.post) == 1
    assert await webhooks.deliver_due(dataverse.simulator.post) == 0


async def test_jobs_change_places_when_they_may() -> None:
    dataverse = WebhookEnvironment(webhook_reorder=True, webhook_delay_seconds=3)
    await dataverse.step()
    for number in range(20):
        await dataverse.change(name=str(number))
    delays = [job.due_at - NOW for job in dataverse.simulator.webhooks.outbox]
    assert (
        timedelta() <= min(delays) < timedelta(seconds=1) < timedelta(seconds=5) < max(delays) <= timedelta(seconds=6)
    )
    names = [received.images("Post")["AsynchronousStepPrimaryName"]["name"] for received in await dataverse.deliver()]
    assert names != [str(number) for number in range(20)]
    assert sorted(names, key=int) == [str(number) for number in range(20)]


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_success_is_any_2xx_and_leaves_a_job_that_succeeded(status: int) -> None:
    dataverse = WebhookEnvironment()
    step = await dataverse.step()
    dataverse.receiver.answers.append(status)
    await dataverse.change(name="x")
    (received,) = await dataverse.deliver()
    (job,) = await dataverse.jobs()
    assert job["asyncoperationid"] == received.context["OperationId"]
    assert (job["statecode"], job["statuscode"], job["retrycount"], job["message"]) == (3, 30, 0, None)
    assert (job["_owningextensionid_value"], job["name"]) == (step, "Update of bookableresourcebooking")
    assert (await dataverse.state())["counts"] == {"delivered": 1}


async def test_the_job_of_a_success_is_deleted_where_the_step_wants_it_and_that_of_a_failure_stays() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step(asyncautodelete=True)
    dataverse.receiver.answers.extend([202, 500])
    for name in ("good", "bad"):
        await dataverse.change(name=name)
    await dataverse.deliver()
    assert [job["statuscode"] for job in await dataverse.jobs()] == [31]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (400, "status 400"),
        (401, "status 401"),
        (429, "status 429"),
        (500, "status 500"),
        (302, "status 302"),
        (TimeoutError(), "did not answer within 60 seconds"),
        (ConnectionError("refused"), "could not be reached: refused"),
    ],
)
async def test_any_other_outcome_fails_at_once(answer: int | OSError, text: str) -> None:
    dataverse = WebhookEnvironment()
    step = await dataverse.step()
    dataverse.receiver.answers.append(answer)
    await dataverse.change(name="x")
    assert len(await dataverse.deliver()) == 1
    (job,) = await dataverse.find(
        f"/asyncoperations?$filter=statuscode eq 31 and _owningextensionid_value eq {step}"
        "&$select=name,message,statecode,_owningextensionid_value"
    )
    assert text in job["message"]
    assert (await dataverse.state())["counts"] == {"failed": 1}


@pytest.mark.parametrize(("seconds", "outcome"), [(60, "delivered"), (60.5, "failed")])
async def test_an_answer_after_60_seconds_is_none(seconds: float, outcome: str) -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step()
    dataverse.receiver.takes_seconds = seconds
    await dataverse.change(name="x")
    await dataverse.deliver()
    assert (await dataverse.state())["counts"] == {outcome: 1}


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize(("second", "outcome"), [(202, "delivered"), (503, "failed"), (500, "failed")])
async def test_one_more_attempt_is_made_after_502_503_and_504(status: int, second: int, outcome: str) -> None:
    dataverse = WebhookEnvironment(webhook_retry_seconds=7)
    await dataverse.step()
    dataverse.receiver.answers.extend([status, second])
    await dataverse.change(name="x")
    first, again = await dataverse.deliver()
    assert first == again
    assert dataverse.board.clock.now() == NOW + timedelta(seconds=7.2)
    assert (await dataverse.state())["counts"] == {"retried": 1, outcome: 1}
    (job,) = await dataverse.jobs()
    assert (job["statuscode"], job["retrycount"]) == (30 if outcome == "delivered" else 31, 1)


async def test_a_lost_webhook_leaves_nothing_but_the_change() -> None:
    dataverse = WebhookEnvironment(webhook_lose=1)
    await dataverse.step()
    await dataverse.change(name="x")
    assert await dataverse.deliver() == []
    assert await dataverse.jobs() == []
    assert (await dataverse.state())["counts"] == {"lost": 1}
    assert (await dataverse.get(PATH))["name"] == "x"


async def test_a_repeated_webhook_is_the_same_request_twice_and_one_job() -> None:
    dataverse = WebhookEnvironment(webhook_repeat=1)
    await dataverse.step()
    await dataverse.change(name="x")
    first, again = await dataverse.deliver()
    assert first == again
    assert len(await dataverse.jobs()) == 1


async def test_a_job_goes_with_its_step() -> None:
    dataverse = WebhookEnvironment()
    step = await dataverse.step()
    await dataverse.change(name="x")
    await dataverse.person.delete(f"/sdkmessageprocessingsteps({step})")
    assert await dataverse.deliver() == []
    assert (await dataverse.state())["counts"] == {"dropped": 1}


async def test_a_slow_receiver_holds_up_no_other_job() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step()
    arrived = asyncio.Semaphore(0)
    released = asyncio.Event()

    async def wait_for_both(*_: object) -> int:
        arrived.release()
        await released.wait()
        return 202

    for name in ("x", "y"):
        await dataverse.change(name=name)
    dataverse.board.clock.advance(1)
    delivery = asyncio.create_task(dataverse.simulator.webhooks.deliver_due(wait_for_both))
    async with asyncio.timeout(5):
        await arrived.acquire()
        await arrived.acquire()
    assert (await dataverse.state())["in_flight"] == 2
    released.set()
    assert await delivery == 2


async def test_a_reset_under_way_leaves_no_job_behind() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step()

    async def reset(*_: object) -> int:
        dataverse.board.reset()
        return 503

    await dataverse.change(name="x")
    dataverse.board.clock.advance(1)
    await dataverse.simulator.webhooks.deliver_due(reset)
    assert await dataverse.deliver() == []
    assert await dataverse.jobs() == []


async def test_in_a_server_webhooks_are_delivered_by_themselves_until_it_stops() -> None:
    dataverse = WebhookEnvironment(webhook_delay_seconds=0)
    arrived = asyncio.Event()

    class NoticedReceiver(Receiver):
        async def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:
            arrived.set()
            return await super().post(url, body, headers, timeout_seconds)

    receiver = NoticedReceiver(dataverse.board.clock)
    dataverse.receive_with(receiver, runs_webhooks=True)
    app = dataverse.simulator.app
    async with app.router.lifespan_context(app), asyncio.timeout(5):
        await dataverse.step()
        for name in ("x", "y"):
            await dataverse.change(name=name)
            await arrived.wait()
            arrived.clear()
    assert len(receiver.received) == 2
    await dataverse.change(name="z")
    assert dataverse.simulator.webhooks.next_due_at() == NOW
    assert asyncio.all_tasks() == {asyncio.current_task()}
