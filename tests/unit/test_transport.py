"""The one retry layer: what is waited out in place, what goes back to the queue at once. Nothing here really waits."""

from collections.abc import Sequence
from datetime import timedelta
from email.utils import format_datetime
from random import Random

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from sync.adapters.transport import Answer, Transport, outage, retry_after_seconds
from sync.calls import counted_calls
from sync.core.errors import InvalidPayload, Refused, ServiceUnavailable, SyncError, Throttled, TransientError
from tests.unit.samples import an_answer
from tests.unit.values import NOW

type Script = Sequence[httpx.Response | Exception]

OK = httpx.Response(200, json={"value": []})
FAILED = httpx.Response(500)


def throttled(retry_after: str | None = None) -> httpx.Response:
    return httpx.Response(429, headers={} if retry_after is None else {"Retry-After": retry_after})


def classify(operation: str, answer: Answer, wait_seconds: float | None) -> SyncError:
    return outage(operation, answer, wait_seconds, "") or Refused("No.", operation=operation, status=answer.status)


class World:
    """A service that answers by a script, and a sleep that only notes how long it was to be."""

    def __init__(self, script: Script) -> None:
        self._script = list(script)
        self.slept: list[float] = []
        self.sent = 0

    async def send(self) -> httpx.Response:
        self.sent += 1
        answer = self._script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def call(self, *, is_repeatable: bool = True) -> Answer:
        transport = Transport(classify=classify, clock=lambda: NOW, sleep=self.sleep, random=Random(1))
        return await transport.call("event.get", self.send, is_repeatable=is_repeatable)


async def test_a_success_is_answered_as_it_came() -> None:
    world = World([httpx.Response(201, json={"id": 1}, headers={"ETag": "one"})])
    answer = await world.call()
    assert (answer.status, answer.json(), answer.headers["etag"]) == (201, {"id": 1}, "one")
    assert (world.sent, world.slept) == (1, [])


@pytest.mark.parametrize(
    ("trouble", "waits"),
    [
        pytest.param([throttled("2")], [2], id="a short stated wait"),
        pytest.param([throttled("4"), throttled("0")], [4, 0], id="the longest that is waited for, and none at all"),
        pytest.param([httpx.Response(503, headers={"Retry-After": "1"})], [1], id="unavailable, with a stated wait"),
        pytest.param([throttled(format_datetime(NOW + timedelta(seconds=3), usegmt=True))], [3], id="a stated moment"),
    ],
)
async def test_a_short_stated_wait_is_obeyed_in_place(trouble: Script, waits: list[float]) -> None:
    world = World([*trouble, OK])
    assert (await world.call()).is_success
    assert world.slept == waits


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(FAILED, id="500"),
        pytest.param(httpx.Response(503), id="503 without a word"),
        pytest.param(throttled(), id="429 without a word"),
        pytest.param(httpx.ConnectError("refused"), id="no connection"),
        pytest.param(httpx.RemoteProtocolError("half an answer"), id="half an answer"),
    ],
)
async def test_trouble_without_a_stated_wait_is_waited_out_ever_longer(trouble: httpx.Response | Exception) -> None:
    world = World([trouble, trouble, OK])
    assert (await world.call()).is_success
    first, second = world.slept
    assert 0.5 <= first <= 0.75
    assert 1 <= second <= 1.5


async def test_waits_of_different_callers_are_spread() -> None:
    """So that a hundred items that failed together do not come back together."""
    slept = []
    for seed in range(20):
        world = World([FAILED, OK])
        transport = Transport(classify=classify, clock=lambda: NOW, sleep=world.sleep, random=Random(seed))
        await transport.call("event.get", world.send)
        slept += world.slept
    assert len(set(slept)) == 20


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        pytest.param(throttled("4"), Throttled, id="throttled"),
        pytest.param(FAILED, ServiceUnavailable, id="failing"),
        pytest.param(httpx.ConnectError("refused"), ServiceUnavailable, id="unreachable"),
    ],
)
async def test_after_three_attempts_the_item_goes_back_to_the_queue(
    trouble: httpx.Response | Exception, kind: type[SyncError]
) -> None:
    world = World([trouble] * 5)
    with pytest.raises(kind) as failure:
        await world.call()
    assert (world.sent, len(world.slept)) == (3, 2)
    assert sum(world.slept) < 10
    assert failure.value.operation == "event.get"


async def test_a_time_out_is_not_repeated_in_place() -> None:
    """It has used up its time: thirty seconds of silence would hold a worker that others could use."""
    world = World([httpx.ReadTimeout("slow"), OK])
    with pytest.raises(ServiceUnavailable):
        await world.call()
    assert (world.sent, world.slept) == (1, [])


@pytest.mark.parametrize("wait", ["5", "4.5", "3600", format_datetime(NOW + timedelta(minutes=1), usegmt=True)])
async def test_a_long_stated_wait_is_the_queues_business(wait: str) -> None:
    world = World([throttled(wait), OK])
    with pytest.raises(Throttled) as failure:
        await world.call()
    assert (world.sent, world.slept) == (1, [])
    assert (failure.value.retry_after_seconds or 0) > 4


async def test_a_refusal_is_not_repeated() -> None:
    world = World([httpx.Response(400), OK])
    with pytest.raises(Refused):
        await world.call()
    assert (world.sent, world.slept) == (1, [])


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(FAILED, id="500"),
        pytest.param(httpx.Response(503, headers={"Retry-After": "1"}), id="503 with a stated wait"),
        pytest.param(throttled(), id="429 without a word"),
        pytest.param(httpx.ConnectError("refused"), id="no connection"),
        pytest.param(httpx.RemoteProtocolError("half an answer"), id="half an answer"),
        pytest.param(ServiceRequestError("no connection"), id="no token"),
    ],
)
async def test_what_may_have_taken_effect_is_not_repeated_where_that_does_harm(
    trouble: httpx.Response | Exception,
) -> None:
    world = World([trouble, OK])
    with pytest.raises(TransientError):
        await world.call(is_repeatable=False)
    assert (world.sent, world.slept) == (1, [])


async def test_what_was_refused_unread_is_repeated_even_where_repeating_does_harm() -> None:
    world = World([throttled("2"), OK])
    assert (await world.call(is_repeatable=False)).is_success
    assert (world.sent, world.slept) == (2, [2])


async def test_what_went_wrong_on_the_line_is_the_cause() -> None:
    cause = httpx.ConnectError("refused")
    with pytest.raises(ServiceUnavailable) as failure:
        await World([cause] * 3).call()
    assert failure.value.__cause__ is cause


async def test_every_attempt_is_counted_as_a_call() -> None:
    with counted_calls() as calls:
        await World([FAILED, FAILED, OK]).call()
    assert dict(calls) == {"event.get": 3}


@pytest.mark.parametrize(
    "trouble",
    [ClientAuthenticationError("the identity endpoint answers 500"), ServiceRequestError("no connection")],
    ids=["no token", "no connection"],
)
async def test_an_outage_of_the_identity_is_an_outage(trouble: Exception) -> None:
    """Tokens are fetched within `send`. As a bug it would be buried after five attempts, within three minutes."""
    world = World([trouble] * 3)
    with pytest.raises(ServiceUnavailable) as failure:
        await world.call()
    assert world.sent == 3
    assert failure.value.__cause__ is trouble


async def test_an_answer_that_cannot_be_unpacked_is_an_outage() -> None:
    with pytest.raises(ServiceUnavailable):
        await World([httpx.DecodingError("broken gzip")] * 3).call()


# Stated waits


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("12", 12, id="seconds"),
        pytest.param(" 1.5 ", 1.5, id="a fraction"),
        pytest.param("0", 0, id="none"),
        pytest.param("-3", 0, id="negative"),
        pytest.param("Sat, 21 Nov 2026 09:01:00 GMT", 60, id="a date"),
        pytest.param("Sat, 21 Nov 2026 10:01:00 +0100", 60, id="a date in another zone"),
        pytest.param("Sat, 21 Nov 2026 08:00:00 GMT", 0, id="a date in the past"),
        pytest.param("Sat, 21 Nov 2026 09:01:00 -0000", None, id="a date of no zone"),
        pytest.param("soon", None, id="a word"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_stated_wait_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after_seconds(httpx.Headers({"retry-after": text}), NOW) == seconds


def test_without_the_header_no_wait_is_stated() -> None:
    assert retry_after_seconds(httpx.Headers(), NOW) is None


@pytest.mark.parametrize("text", ["inf", "Infinity", "1e999", "nan"])
def test_a_wait_without_end_is_no_wait(text: str) -> None:
    """No queue can delay a message for ever: the item would fail on its way back."""
    assert retry_after_seconds(httpx.Headers({"Retry-After": text}), NOW) is None


@pytest.mark.parametrize(
    ("status", "wait_seconds", "kind"),
    [
        (429, None, Throttled),
        (429, 7, Throttled),
        (503, 7, Throttled),
        (503, None, ServiceUnavailable),
        (500, 7, ServiceUnavailable),
        (502, None, ServiceUnavailable),
        (504, None, ServiceUnavailable),
        (509, None, ServiceUnavailable),
        (404, None, None),
        (412, None, None),
    ],
)
def test_what_both_services_mean_alike(status: int, wait_seconds: float | None, kind: type[SyncError] | None) -> None:
    error = outage("event.get", an_answer(status), wait_seconds, "code")
    assert (type(error) if error else None) is kind
    if isinstance(error, Throttled | ServiceUnavailable):
        assert (error.status, error.code, error.retry_after_seconds) == (status, "code", wait_seconds)


# Answers


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"text"', b"null", b"\xff"])
def test_an_answer_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidPayload):
        Answer(status=200, headers={}, body=body).json()


@pytest.mark.parametrize(("status", "is_success"), [(199, False), (200, True), (204, True), (299, True), (304, False)])
def test_only_2xx_is_success(status: int, is_success: bool) -> None:
    assert an_answer(status).is_success is is_success
