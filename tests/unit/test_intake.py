"""The acknowledging door: what is answered, and that 202 means that the queue has the work."""

import asyncio
import json
import logging
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from sync.core.errors import ServiceUnavailable
from sync.core.model import EventChange, MailboxTask, WorkItem
from sync.core.notifications import MAXIMUM_BODY_BYTES, Accepted, accept_changes, accept_lifecycle, client_state
from sync.service.intake import PUTS_AT_ONCE, Door, Reply, answer_post
from tests.unit.values import MAILBOX, NOW, TENANT

SECRET = "the secret that is in use, 32 characters"
SETTLE_SECONDS = 3.0


class Queue:
    """Keeps what is put, unless the event's id is one that fails; notes how many puts are under way at once."""

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
        if isinstance(item, EventChange) and item.event_id in self._failing:
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
