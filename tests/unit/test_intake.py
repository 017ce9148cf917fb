"""The acknowledging door: what is answered, and that 202 means that the queue has the work."""

import asyncio
import json
import logging
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from sync.core.acceptance import MAXIMUM_BODY_BYTES, Accepted
from sync.core.errors import ServiceUnavailable
from sync.core.notifications import accept_changes, accept_lifecycle, client_state
from sync.core.work_items import BookingChange, EventChange, MailboxTask, WorkItem, WorkOrderChange
from sync.service.intake import PUTS_AT_ONCE, Door, Reply, answer_post, answer_webhook
from tests.unit.values import BOOKING_ID, MAILBOX, NOW, TENANT

SECRET = "the secret that is in use, 32 characters"
WEBHOOK_SECRET = "the-webhook-secret-in-use-32-characters"
PREVIOUS_WEBHOOK_SECRET = "the-webhook-secret-before-32-characters"
SETTLE_SECONDS = 3.0


class Queue:
    """Keeps what is put, unless the event's or booking's id is one that fails; notes how many puts are under way."""

    def __init__(self, *failing: str) -> None:
        self.kept: list[WorkItem] = []
        self.delays: list[float] = []
        self.at_once = 0
        self._under_way = 0
        self._failing = failing

    async def put(self, item: WorkItem, *, delay_seconds: float = 0) -> None:
        self._under_way += 1
        self.at_once = max(self.at_once, self._under_way)
        await asyncio.sleep(0)
        self._under_way -= 1
        named = {getattr(item, name, None) for name in ("event_id", "booking_id")}
        if named & set(self._failing):
            raise ServiceUnavailable("The queue failed.", status=500)
        self.kept.append(item)
        self.delays.append(delay_seconds)

    async def put_text(self, queue: str, text: str) -> None:
        raise AssertionError(f"the door queues items only, not {text} on {queue}")


def a_door(queue: Queue) -> Door:
    numbers = count(1)
    return Door(
        secrets=[SECRET],
        tenant_id=TENANT,
        queue=queue,
        clock=lambda: NOW,
        new_id=lambda: f"correlation-{next(numbers)}",
        settle_seconds=SETTLE_SECONDS,
        webhook_secrets=[WEBHOOK_SECRET, PREVIOUS_WEBHOOK_SECRET],
    )


def a_body(*event_ids: str, **different: Any) -> bytes:
    notifications = [
        {
            "subscriptionId": "aaaaaaaa-0000-4000-8000-000000000001",
            "changeType": "updated",
            "resourceData": {"id": event_id, "@odata.etag": 'W/"one"'},
            "clientState": client_state(MAILBOX, SECRET),
            "tenantId": TENANT,
            **different,
        }
        for event_id in event_ids
    ]
    return json.dumps({"value": notifications}).encode()


async def post(body: bytes, queue: Queue | None = None, *, token: str | None = None) -> Reply:
    return await answer_post(body, token, accept_changes, lambda: a_door(queue or Queue()))


def never_opened() -> Door:
    pytest.fail("the handshake needs no queue")


def never_parsed(*_: Any, **__: Any) -> Accepted:
    raise AssertionError("the body was looked at")


@pytest.mark.parametrize(
    ("token", "status", "text"),
    [
        pytest.param("Validation: é <b>", 200, "Validation: é <b>", id="answered as it is"),
        pytest.param("", 400, "The validation token is empty, too long or not text.", id="empty"),
        pytest.param("a\nb", 400, "The validation token is empty, too long or not text.", id="two lines"),
    ],
)
async def test_the_handshake_comes_before_any_body_is_looked_at(token: str, status: int, text: str) -> None:
    reply = await answer_post(b"not even JSON", token, never_parsed, never_opened)
    assert (reply.status, reply.text) == (status, text)


async def test_work_is_queued_with_the_settle_time_and_then_acknowledged() -> None:
    queue = Queue()
    reply = await post(a_body("1=", "2=", "1="), queue)
    assert (reply.status, reply.text) == (202, "")
    assert [item.event_id for item in queue.kept if isinstance(item, EventChange)] == ["1=", "2="]
    assert queue.delays == [SETTLE_SECONDS] * 2
    assert {item.received_at for item in queue.kept} == {NOW}


async def test_a_lifecycle_notification_is_work_without_delay() -> None:
    queue = Queue()
    body = a_body("ignored=", lifecycleEvent="missed")
    reply = await answer_post(body, None, accept_lifecycle, lambda: a_door(queue))
    assert reply.status == 202
    assert [type(item) for item in queue.kept] == [MailboxTask]
    assert queue.delays == [0]


async def test_202_is_not_sent_before_every_put_has_ended() -> None:
    started, gate = asyncio.Event(), asyncio.Event()

    class SlowQueue(Queue):
        async def put(self, item: WorkItem, *, delay_seconds: float = 0) -> None:
            started.set()
            await gate.wait()
            await super().put(item, delay_seconds=delay_seconds)

    queue = SlowQueue()
    answering = asyncio.create_task(post(a_body("1=", "2="), queue))
    await started.wait()
    await asyncio.sleep(0)
    assert not answering.done()
    gate.set()
    assert (await answering).status == 202
    assert len(queue.kept) == 2


@pytest.mark.parametrize("failing", ["first=", "middle=", "last="])
async def test_one_put_that_fails_is_503_so_that_graph_delivers_again(failing: str) -> None:
    queue = Queue(failing)
    reply = await post(a_body("first=", "middle=", "last="), queue)
    assert (reply.status, reply.text) == (503, "The queue cannot be written.")
    assert reply.headers["Retry-After"] == "10"
    assert len(queue.kept) == 2, "the others of its group got their chance"


async def test_a_failure_in_a_later_group_is_503_too() -> None:
    event_ids = [f"{number}=" for number in range(PUTS_AT_ONCE * 2)]
    assert (await post(a_body(*event_ids), Queue(event_ids[-1]))).status == 503


async def test_a_large_body_is_queued_a_group_at_a_time() -> None:
    queue = Queue()
    assert (await post(a_body(*(f"{number}=" for number in range(100))), queue)).status == 202
    assert len(queue.kept) == 100
    assert queue.at_once == PUTS_AT_ONCE


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        pytest.param(b"", 400, "The body is not JSON.", id="empty"),
        pytest.param(b"<xml/>", 400, "The body is not JSON.", id="not JSON"),
        pytest.param(b"[]", 400, 'The body has no "value" array.', id="no value"),
        pytest.param(
            b" " * (MAXIMUM_BODY_BYTES + 1), 413, f"The body is larger than {MAXIMUM_BODY_BYTES} bytes.", id="too large"
        ),
    ],
)
async def test_what_is_no_collection_is_refused_in_words(body: bytes, status: int, text: str) -> None:
    queue = Queue()
    reply = await post(body, queue)
    assert (reply.status, reply.text) == (status, text)
    assert queue.kept == []


async def test_the_answer_is_no_oracle() -> None:
    """Whoever guesses client states or tenants learns nothing from the answer."""
    good = await post(a_body("1="))
    for forged in (a_body("1=", clientState="guess"), a_body("1=", tenantId="guess"), a_body(""), a_body()):
        queue = Queue()
        assert await post(forged, queue) == good
        assert queue.kept == []


@pytest.mark.parametrize(
    ("body", "token", "queue"),
    [
        (b"", "token", Queue()),
        (b"", "", Queue()),
        (b"", None, Queue()),
        (a_body("1="), None, Queue()),
        (a_body("1="), None, Queue("1=")),
    ],
    ids=["200", "400 token", "400 body", "202", "503"],
)
async def test_no_answer_may_be_taken_for_markup_or_kept(body: bytes, token: str | None, queue: Queue) -> None:
    reply = await post(body, queue, token=token)
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Cache-Control"] == "no-store"


async def test_what_was_dropped_is_logged_as_a_warning_and_no_secret_with_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="sync")
    state = client_state(MAILBOX, SECRET)
    await post(a_body("1=", tenantId="another"))
    await post(a_body("1="))
    warning, info = caplog.records
    assert (warning.levelno, warning.__dict__["dropped"]) == (logging.WARNING, {"tenant": 1})
    assert (info.levelno, info.__dict__["correlation_ids"]) == (logging.INFO, ["correlation-1"])
    assert state not in caplog.text


async def test_the_clock_is_asked_once_per_body() -> None:
    """All items of a body were received together, whatever the clock does meanwhile."""
    moments = iter(NOW + timedelta(seconds=number) for number in range(100))
    queue = Queue()

    def clock() -> datetime:
        return next(moments)

    door = Door(secrets=[SECRET], tenant_id=TENANT, queue=queue, clock=clock, new_id=lambda: "any", settle_seconds=0)
    await answer_post(a_body("1=", "2=", "3="), None, accept_changes, lambda: door)
    assert {item.received_at for item in queue.kept} == {NOW}


# Dataverse's webhooks


def a_context(**different: Any) -> bytes:
    """An execution context as it is when it was cut: the smallest one."""
    context = {
        "MessageName": "Update",
        "PrimaryEntityName": "bookableresourcebooking",
        "PrimaryEntityId": BOOKING_ID,
        "Mode": 1,
        **different,
    }
    return json.dumps(context).encode()


async def post_webhook(body: bytes, queue: Queue | None = None, *, secret: str | None = WEBHOOK_SECRET) -> Reply:
    return await answer_webhook(body, secret, lambda: a_door(queue or Queue()))


@pytest.mark.parametrize("secret", [WEBHOOK_SECRET, PREVIOUS_WEBHOOK_SECRET])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(a_context(), BookingChange, id="booking"),
        pytest.param(a_context(MessageName="Delete"), BookingChange, id="deleted booking"),
        pytest.param(a_context(PrimaryEntityName="msdyn_workorder"), WorkOrderChange, id="work order"),
    ],
)
async def test_a_webhook_is_queued_with_the_settle_time_and_then_acknowledged(
    body: bytes, kind: type[WorkItem], secret: str
) -> None:
    queue = Queue()
    reply = await post_webhook(body, queue, secret=secret)
    assert (reply.status, reply.text) == (202, "")
    assert [type(item) for item in queue.kept] == [kind]
    assert queue.delays == [SETTLE_SECONDS]
    assert (queue.kept[0].received_at, queue.kept[0].correlation_id) == (NOW, "correlation-1")


@pytest.mark.parametrize("secret", [None, "", SECRET, WEBHOOK_SECRET[:-1]])
@pytest.mark.parametrize("body", [a_context(), b"not even JSON", b" " * (MAXIMUM_BODY_BYTES + 1)])
async def test_without_the_secret_no_body_is_looked_at(secret: str | None, body: bytes) -> None:
    """The answer is the same for every body, and says nothing."""
    queue = Queue()
    reply = await post_webhook(body, queue, secret=secret)
    assert (reply.status, reply.text) == (401, "")
    assert queue.kept == []


@pytest.mark.parametrize("secret", [None, "", WEBHOOK_SECRET])
async def test_a_door_without_webhook_secrets_lets_no_webhook_in(secret: str | None) -> None:
    door = Door(secrets=[SECRET], tenant_id=TENANT, queue=Queue(), clock=lambda: NOW, new_id=str, settle_seconds=0)
    assert (await answer_webhook(a_context(), secret, lambda: door)).status == 401


async def test_a_webhook_that_cannot_be_queued_is_503_so_that_dataverse_asks_once_more() -> None:
    reply = await post_webhook(a_context(), Queue(BOOKING_ID))
    assert (reply.status, reply.text) == (503, "The queue cannot be written.")
    assert reply.headers["Retry-After"] == "10"


@pytest.mark.parametrize("different", [{"PrimaryEntityName": "account"}, {"MessageName": "Assign"}])
async def test_a_step_that_was_registered_by_mistake_is_acknowledged(
    different: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    queue = Queue()
    reply = await post_webhook(a_context(**different), queue)
    assert (reply.status, queue.kept) == (202, [])
    assert [record.levelno for record in caplog.records] == [logging.WARNING], "an operator can find it"


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 400, "The body is not JSON."),
        (b"{}", 400, "The body is not an execution context."),
        (b" " * (MAXIMUM_BODY_BYTES + 1), 413, f"The body is larger than {MAXIMUM_BODY_BYTES} bytes."),
    ],
    ids=["not JSON", "another document", "too large"],
)
async def test_what_is_no_execution_context_is_refused_in_words(body: bytes, status: int, text: str) -> None:
    queue = Queue()
    reply = await post_webhook(body, queue)
    assert (reply.status, reply.text, queue.kept) == (status, text, [])


@pytest.mark.parametrize(
    ("body", "secret", "queue"),
    [
        (b"", WEBHOOK_SECRET, Queue()),
        (a_context(), None, Queue()),
        (a_context(), WEBHOOK_SECRET, Queue()),
        (a_context(), WEBHOOK_SECRET, Queue(BOOKING_ID)),
    ],
    ids=["400", "401", "202", "503"],
)
async def test_no_answer_to_a_webhook_may_be_taken_for_markup_or_kept(
    body: bytes, secret: str | None, queue: Queue
) -> None:
    reply = await post_webhook(body, queue, secret=secret)
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Cache-Control"] == "no-store"


async def test_neither_a_secret_nor_what_was_presented_for_one_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="sync")
    await post_webhook(a_context())
    await post_webhook(a_context(), secret="a-guess-that-may-be-another-system's-secret")
    assert [record.levelno for record in caplog.records] == [logging.INFO, logging.WARNING]
    told = "".join(str(record.__dict__) for record in caplog.records)
    assert WEBHOOK_SECRET not in told
    assert "a-guess" not in told
