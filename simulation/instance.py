"""One process of the app: how long its operations take, what may befall them, and that it may die at any of them.

Whatever it does outside itself, it does through the wires and the storage here. A process that is dead does nothing
more: the work it had in hand breaks off where it waits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from random import Random
from typing import Any

import httpx

from simulation.gauge import Gauge
from simulation.history import Ill
from simulation.weather import Weather
from sync.adapters.transport import TIMEOUT
from sync.core.errors import ServiceUnavailable
from sync.service.ports import Clock

CURRENT: ContextVar["Instance | None"] = ContextVar("CURRENT", default=None)
"""Whose work is being done; None for everybody else's."""

LATENCY_SECONDS = 0.15
"""Of a call to a service, on average."""

LONGEST_WAY_SECONDS = 4.5
"""To a slow service, and back again: an answer arrives before the time-out."""

STORAGE_SECONDS = 0.004
LONGEST_STALL_SECONDS = 1500.0


class Killed(BaseException):
    """The process is gone. Not an `Exception`, so that nothing handles it."""


class Instance:
    """A process. `tasks` is what it has in hand, `clock` its own idea of the time."""

    def __init__(self, number: int, weather: Weather, chance: Random, clock: Clock) -> None:
        self.number = number
        self.clock = clock
        self.weather = weather
        self.chance = chance
        self.is_dead = False
        self.tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something in this process, at the same time as everything else."""
        task = asyncio.create_task(self._run(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        CURRENT.set(self)
        try:
            await work
        except (Killed, asyncio.CancelledError):
            if not self.is_dead:
                raise

    def die(self) -> None:
        self.is_dead = True
        for task in tuple(self.tasks):
            task.cancel()

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.check()

    def check(self) -> None:
        """Raises `Killed` where the process is no more."""
        if self.is_dead:
            raise Killed

    async def take_time(self, average: float) -> None:
        self.check()
        if self.weather.strikes(Ill.STALL):
            await self.pause(self.chance.uniform(100, LONGEST_STALL_SECONDS))
        await self.pause(self.chance.expovariate(1 / average))


async def pass_storage(operation: str) -> None:
    """The point before each operation on the app's storage; see `tests.fakes.FakePort`."""
    instance = CURRENT.get()
    if instance is None:
        return
    await instance.take_time(STORAGE_SECONDS)
    ill = Ill.QUEUE_DOWN if operation in ("put", "put_text") else Ill.TABLES_DOWN
    if instance.weather.strikes(ill):
        raise ServiceUnavailable("The storage failed.", operation=operation)


class Wire(httpx.AsyncBaseTransport):
    """The way from a process to one of the services and back, on which an answer may be lost, or never come about."""

    def __init__(
        self, inner: httpx.AsyncBaseTransport, instance: Instance, ills: "Ills", slowness: Ill, gauge: Gauge
    ) -> None:
        self._inner = inner
        self._instance = instance
        self._ills = ills
        self._slowness = slowness
        self._gauge = gauge

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with self._gauge.measure(request, self._instance.number):
            is_slow = self._instance.weather.strikes(self._slowness) is not None
            await self._travel(is_slow=is_slow)
            ill = self._instance.weather.strikes(*self._ills)
            response = await self._ills[ill](self._inner, request, self._instance) if ill else None
            response = response or await self._inner.handle_async_request(request)
            await self._travel(is_slow=is_slow)
            self._gauge.tell(request, response.status_code, ill)
            return response

    async def _travel(self, *, is_slow: bool) -> None:
        await self._instance.take_time(LATENCY_SECONDS / 2)
        if is_slow:
            await self._instance.pause(self._instance.chance.uniform(0.0, LONGEST_WAY_SECONDS))


type Befall = Callable[[httpx.AsyncBaseTransport, httpx.Request, Instance], Awaitable[httpx.Response]]
type Ills = dict[Ill, Befall]


async def _throttle(_: httpx.AsyncBaseTransport, request: httpx.Request, instance: Instance) -> httpx.Response:
    wait = instance.chance.choice((1, 5, 30))
    return httpx.Response(429, headers={"Retry-After": str(wait)}, request=request)


async def _deny(_: httpx.AsyncBaseTransport, request: httpx.Request, __: Instance) -> httpx.Response:
    return httpx.Response(401, json={"error": {"code": "InvalidAuthenticationToken"}}, request=request)


async def _fail(_: httpx.AsyncBaseTransport, request: httpx.Request, __: Instance) -> httpx.Response:
    return httpx.Response(503, request=request)


async def _fail_late(inner: httpx.AsyncBaseTransport, request: httpx.Request, instance: Instance) -> httpx.Response:
    await inner.handle_async_request(request)
    headers = {"Retry-After": "1"} if instance.chance.random() < 0.5 else {}
    return httpx.Response(503, headers=headers, request=request)


async def _stay_silent(inner: httpx.AsyncBaseTransport, request: httpx.Request, instance: Instance) -> httpx.Response:
    await inner.handle_async_request(request)
    await instance.pause(float(TIMEOUT.read or 0))
    raise httpx.ReadTimeout("no answer in time", request=request)


async def _garble(inner: httpx.AsyncBaseTransport, request: httpx.Request, _: Instance) -> httpx.Response:
    answer = await inner.handle_async_request(request)
    await answer.aread()
    return httpx.Response(answer.status_code, content=b"<html>Something else</html>", request=request)


GRAPH_ILLS: Ills = {
    Ill.GRAPH_THROTTLES: _throttle,
    Ill.GRAPH_DENIES: _deny,
    Ill.GRAPH_FAILS: _fail,
    Ill.GRAPH_FAILS_LATE: _fail_late,
    Ill.GRAPH_SILENT: _stay_silent,
    Ill.GRAPH_GARBLED: _garble,
}
DATAVERSE_ILLS: Ills = {
    Ill.DATAVERSE_THROTTLES: _throttle,
    Ill.DATAVERSE_DENIES: _deny,
    Ill.DATAVERSE_FAILS: _fail,
    Ill.DATAVERSE_FAILS_LATE: _fail_late,
    Ill.DATAVERSE_SILENT: _stay_silent,
}
