"""How fast one process calls a service that limits calls in a window, alone and beside others that it knows nothing of.

The service is the Dataverse simulator's own limit, on virtual time; the load is a quarter more than it allows.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from local.dataverse.limits import ServiceProtection
from local.dataverse.server import SWITCHES
from local.switchboard import Switchboard
from local.virtual_time import LoopClock, run_virtually
from sync.adapters.dataverse_http import DataverseHttp, open_http
from sync.adapters.dataverse_wire import classify_dataverse_failure
from sync.adapters.pacing import WINDOW, Pace
from sync.adapters.static_token import StaticTokenCredential
from sync.adapters.transport import Transport
from sync.calls import counted_calls
from sync.core.errors import Refused, ServiceUnavailable, Throttled

START = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
CALL_SECONDS = 0.1


class Service:
    """A limit of so many calls a window, and of 52 at once, and what becomes of calls."""

    def __init__(self, clock: LoopClock, limit: int) -> None:
        board = Switchboard(switches={**SWITCHES, "max_requests": limit}, clock=clock)
        self._protection = ServiceProtection(board)
        self.served = self.refused = 0

    async def call(self) -> Throttled | None:
        with self._protection.admit("app", 0) as refusal:
            await asyncio.sleep(CALL_SECONDS)
        if refusal is None:
            self.served += 1
            return None
        self.refused += 1
        return throttled(refusal.retry_after_seconds, f"0x{refusal.code:08x}")


class Processes:
    """Several processes with a queue in common, to which work comes faster than the service allows."""

    def __init__(self, number: int, clock: LoopClock, service: Service) -> None:
        self._paces = [
            Pace(clock=clock.now, sleep=asyncio.sleep, most_at_once=8, crowd_codes=["0x80072326"])
            for _ in range(number)
        ]
        self._service = service
        self._chance = random.Random(0)

    async def work(self, *, per_second: float, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        items = set[asyncio.Task[None]]()
        while loop.time() < end:
            items.add(asyncio.create_task(self._handle()))
            await asyncio.sleep(self._chance.expovariate(per_second))
        for item in items:
            item.cancel()

    async def _handle(self) -> None:
        """As an item of the queue, which is delayed for as long as it is told, ever longer at last."""
        for deferrals in range(1_000):
            refusal = await self._try(self._chance.choice(self._paces))
            if refusal is None:
                return
            await asyncio.sleep(max(refusal.retry_after_seconds or 0, min(deferrals, 75)))

    async def _try(self, pace: Pace) -> Throttled | None:
        try:
            async with pace.turn():
                outcome = await self._service.call()
        except Throttled as sent_away:
            return sent_away
        pace.learn(outcome)
        return outcome


def throttled(retry_after_seconds: float | None, code: str = "") -> Throttled:
    return Throttled("Slow down.", status=429, retry_after_seconds=retry_after_seconds, code=code)


class Process:
    """A pace on a clock that only its own waiting, and `age`, move on."""

    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []
        self.while_asleep: Callable[[], object] = lambda: None
        crowd_codes = ["too-many-at-once"]
        self.pace = Pace(clock=lambda: self.now, sleep=self.sleep, most_at_once=8, crowd_codes=crowd_codes)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        self.while_asleep()

    def age(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    async def be_served(self, calls: int) -> None:
        for _ in range(calls):
            async with self.pace.turn():
                assert not self.pace.learn(None)

    async def wait_when_sent_away(self) -> float:
        """The seconds that somebody is told who is not to wait in place."""
        with pytest.raises(Throttled) as caught:
            async with self.pace.turn():
                pass
        assert caught.value.retry_after_seconds is not None
        return caught.value.retry_after_seconds


async def grown_up(calls: int = 6_000) -> Process:
    """A process that has been served so often within the last four minutes, and has never waited."""
    process = Process()
    process.age(1)
    await process.be_served(calls)
    process.age(3)
    assert process.slept == []
    return process


DISTANCE = WINDOW.total_seconds() / (0.97 * 6_000)
"""Between two turns, just after all calls of a window were used up by one process alone."""


@pytest.mark.parametrize(("processes", "limit"), [(1, 600), (4, 600), (20, 3_000)])
def test_processes_that_know_nothing_of_each_other_use_the_limit_and_are_hardly_ever_refused(
    processes: int, limit: int
) -> None:
    seconds = 1_200

    async def main() -> Service:
        clock = LoopClock(START)
        service = Service(clock, limit)
        per_second = 1.25 * limit / WINDOW.total_seconds()
        await Processes(processes, clock, service).work(per_second=per_second, seconds=seconds)
        return service

    service = run_virtually(main())
    assert service.served >= 0.85 * limit * seconds / WINDOW.total_seconds()
    assert 0 < service.refused <= 3 * processes


def test_forty_processes_that_begin_at_once_learn_how_many_calls_may_be_under_way() -> None:
    """Found by the bench: each of them kept to eight, which is six times too many, and was refused for an hour."""

    async def main() -> Service:
        clock = LoopClock(START)
        service = Service(clock, 6_000)
        await Processes(40, clock, service).work(per_second=600, seconds=16)
        return service

    service = run_virtually(main())
    assert service.served > 2_000
    assert 0 < service.refused < 40 * 16


async def test_nobody_waits_before_the_service_has_refused_for_being_called_too_often() -> None:
    process = await grown_up()
    assert not process.pace.learn(Refused("No.", status=400))
    await process.be_served(1)
    assert process.slept == []


async def test_after_a_refusal_a_turn_that_is_near_is_waited_for_and_the_next_ones_follow_at_a_distance() -> None:
    process = await grown_up()
    assert process.pace.learn(throttled(2))
    await process.be_served(3)
    assert process.slept == pytest.approx([3.0, DISTANCE, DISTANCE], rel=1e-3)


async def test_whoever_is_sent_away_is_told_a_moment_of_his_own() -> None:
    process = await grown_up()
    assert process.pace.learn(throttled(60))
    waits = [await process.wait_when_sent_away() for _ in range(3)]
    assert waits == pytest.approx([61 + turn * DISTANCE for turn in (1, 2, 3)])


async def test_nobody_is_told_to_stay_away_for_more_than_ten_minutes() -> None:
    process = await grown_up(80)
    assert process.pace.learn(throttled(60))
    waits = [await process.wait_when_sent_away() for _ in range(200)]
    assert waits == sorted(waits)
    assert waits[-1] == 600


async def test_a_process_that_hardly_calls_only_does_what_it_is_asked_when_it_is_refused() -> None:
    """Found by a history: it slowed down so much that work which needs two calls never got its second turn."""
    process = await grown_up(20)
    assert process.pace.learn(throttled(3))
    await process.be_served(50)
    assert process.slept == [3.0]


async def test_a_share_that_is_hardly_used_is_forgotten() -> None:
    process = await grown_up()
    assert process.pace.learn(throttled(2))
    await process.be_served(2)
    process.age(6)
    await process.be_served(10)
    before = len(process.slept)
    await process.be_served(100)
    assert len(process.slept) == before


async def test_the_smaller_a_share_the_longer_others_are_waited_for() -> None:
    """Forty processes with a share of 150 are all refused once, and each of them lengthens the wait."""
    process = await grown_up(150)
    assert process.pace.learn(throttled(60))
    assert 100 < await process.wait_when_sent_away() < 105


class Dataverse:
    """Refuses as often as its script says, and is well then."""

    def __init__(self, process: Process) -> None:
        """`refusals` are codes, and the seconds to wait."""
        self.refusals: list[tuple[str, int]] = []
        self.asked = 0
        transport = Transport(
            classify=classify_dataverse_failure,
            clock=lambda: process.now,
            sleep=process.sleep,
            random=random.Random(0),
        )
        client = open_http(transport=httpx.MockTransport(self._answer))
        self._http = DataverseHttp(client, StaticTokenCredential("token"), transport, url="http://127.0.0.1:7090")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        del request
        self.asked += 1
        if not self.refusals:
            return httpx.Response(200, json={"value": []})
        code, seconds = self.refusals.pop(0)
        error = {"code": code, "message": "Slow down."}
        return httpx.Response(429, json={"error": error}, headers={"Retry-After": str(seconds)})

    async def read(self) -> None:
        await self._http.read("bookingstatuses.query", "bookingstatuses")


@pytest.mark.parametrize("code", ["0x80072322", "-2147015902", "0x80072321"])
async def test_what_dataverse_refuses_one_item_the_others_do_not_even_ask_for(code: str) -> None:
    process = Process()
    dataverse = Dataverse(process)
    process.age(2)
    dataverse.refusals = [(code, 60)]
    with counted_calls() as calls:
        for _ in range(3):
            with pytest.raises(Throttled) as caught:
                await dataverse.read()
            assert caught.value.retry_after_seconds is not None
            assert caught.value.retry_after_seconds >= 60
    assert dataverse.asked == sum(calls.values()) == 1


async def test_a_short_refusal_is_waited_out_in_place_and_only_once() -> None:
    process = Process()
    dataverse = Dataverse(process)
    process.age(2)
    for _ in range(3_000):
        await dataverse.read()
    dataverse.refusals = [("0x80072322", 1)]
    await dataverse.read()
    assert process.slept == [3.0], "one as told, and two for the other half of those who are refused"


@pytest.mark.parametrize("code", ["0x80072326", "-2147015898"])
async def test_too_many_calls_at_once_are_no_reason_to_call_less_often(code: str) -> None:
    process = Process()
    dataverse = Dataverse(process)
    process.age(2)
    dataverse.refusals = [(code, 2)]
    for _ in range(100):
        await dataverse.read()
    assert process.slept == [2.0]


async def test_refusals_in_a_row_are_waited_for_longer_and_longer() -> None:
    process = await grown_up()
    waits = []
    for _ in range(4):
        assert process.pace.learn(throttled(60))
        waits.append(await process.wait_when_sent_away())
        process.now += timedelta(seconds=waits[-1])
    assert waits == sorted(waits)
    assert waits[-1] > 3 * waits[0]


async def test_the_answers_to_calls_that_were_under_way_at_a_refusal_are_no_refusals_in_a_row() -> None:
    """Found by the bench: eight of them at once made one process stay away for ten minutes instead of two."""
    process = await grown_up()
    for _ in range(8):
        assert process.pace.learn(throttled(60))
    assert await process.wait_when_sent_away() < 62


async def test_a_refusal_after_a_whole_window_away_leaves_the_share_as_it_is() -> None:
    """Found by the bench: what was served meanwhile, nothing, was taken for a share, which used a half of the limit."""
    process = await grown_up()
    assert process.pace.learn(throttled(60))
    process.age(6)
    assert process.pace.learn(throttled(2))
    process.age(6)
    await process.be_served(2)
    assert process.slept[-1] == pytest.approx(DISTANCE, rel=0.05)


async def test_long_after_a_refusal_nobody_waits_any_more() -> None:
    process = await grown_up(150)
    assert process.pace.learn(throttled(2))
    process.age(45)
    await process.be_served(100)
    assert sum(process.slept) < 1


async def test_a_process_that_has_just_begun_gets_a_turn_a_second_and_soon_more() -> None:
    """Its history tells nothing of its share: perhaps the process before it has used the window up."""
    process = Process()
    assert process.pace.learn(throttled(1))
    process.age(1)
    await process.be_served(3)
    assert process.slept[-1] == pytest.approx(1, rel=0.05)
    process.age(9)
    await process.be_served(100)
    assert process.slept[-1] < 0.1


async def test_a_process_that_began_too_fast_takes_half_of_it_next_time() -> None:
    process = Process()
    assert process.pace.learn(throttled(1))
    process.age(1)
    await process.be_served(1)
    assert process.pace.learn(throttled(1))
    process.age(2)
    await process.be_served(3)
    assert process.slept[-1] == pytest.approx(2, rel=0.1)


async def test_who_waits_for_a_turn_when_the_service_refuses_somebody_else_waits_on() -> None:
    process = await grown_up()
    process.pace.learn(throttled(2))
    process.while_asleep = lambda: process.pace.learn(throttled(60))
    assert await process.wait_when_sent_away() > 60


@pytest.mark.parametrize(
    "outcome",
    [
        throttled(None),
        throttled(None, "TOO-MANY-AT-ONCE"),
        ServiceUnavailable("Down.", status=503, retry_after_seconds=60),
        Throttled("Busy.", status=503, retry_after_seconds=60),
    ],
    ids=["no wait", "at once, no wait", "failure", "busy"],
)
async def test_refusals_that_no_window_is_the_reason_of_teach_nothing(outcome: Throttled | ServiceUnavailable) -> None:
    process = await grown_up()
    assert not process.pace.learn(outcome)
    await process.be_served(1)
    assert process.slept == []
