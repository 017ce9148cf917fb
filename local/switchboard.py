"""What both simulators share: a world clock, a log of calls, planned faults and named switches.

A simulator builds one `Switchboard`, asks it before and after serving a request, and mounts its `/_control` routes.
All of it can also be driven in-process, without HTTP. The clock and the randomness of a simulator come from here and
from nowhere else, so that a run can be replayed.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Caller = Literal["app", "person"]

APP_TOKEN = "local-app-token"
"""Bearer token of the app under development. Calls made with it count as the app's."""

PERSON_TOKEN = "local-person-token"
"""Bearer token of people (technicians, dispatchers, tests that play them). Their calls are counted apart."""


class WorldClock:
    """A clock that follows the machine's until it is moved or frozen. All times are aware UTC."""

    def __init__(self, frozen_at: datetime | None = None) -> None:
        self._frozen_at = frozen_at
        self._offset = timedelta()

    def now(self) -> datetime:
        return self._frozen_at or datetime.now(UTC) + self._offset

    def freeze(self, at: datetime) -> None:
        self._frozen_at = at

    def advance(self, seconds: float) -> None:
        """Move time on; also a frozen clock moves."""
        step = timedelta(seconds=seconds)
        if self._frozen_at is not None:
            self._frozen_at += step
        else:
            self._offset += step

    def reset(self) -> None:
        self._frozen_at, self._offset = None, timedelta()


@dataclass(slots=True, kw_only=True)
class Fault:
    """One planned misbehaviour.

    It applies to requests of `kind` ("*" for all) whose path contains `path_contains`, made by `caller` ("*" for both).
    `when="before"` answers instead of serving; `"after"` serves first and then hides the answer, as a timeout after
    success does. `status` 0 closes the connection without an answer. `times` None means until it is cleared.
    """

    kind: str = "*"
    path_contains: str = ""
    caller: str = "app"
    times: int | None = 1
    when: Literal["before", "after"] = "before"
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    delay_seconds: float = 0

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Fault":
        known = {f.name for f in fields(cls)}
        if unknown := set(data) - known:
            raise ValueError(
                f"unknown fault fields: {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}"
            )
        return cls(**data)

    def matches(self, kind: str, path: str, caller: Caller) -> bool:
        return self.kind in ("*", kind) and self.path_contains in path and self.caller in ("*", caller)


class Dropped(Exception):
    """The connection shall be closed without an answer."""


class Switchboard:
    """Clock, call counts, faults and switches of one simulator."""

    def __init__(
        self,
        *,
        switches: dict[str, Any],
        clock: WorldClock | None = None,
        seed: int = 0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`switches` names every switch with its default; setting an unknown one is an error."""
        self.clock = clock or WorldClock()
        self.random = random.Random(seed)
        self.calls: dict[Caller, Counter[str]] = {"app": Counter(), "person": Counter()}
        self.in_flight: Counter[str] = Counter()
        self.most_in_flight: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self._seed = seed
        self._defaults = dict(switches)
        self.switches = dict(switches)
        self._sleep = sleep
        self.on_reset: list[Callable[[], None]] = []

    def reset(self) -> None:
        """Back to the state at start: sample data, no faults, default switches, counts at zero, the machine's time."""
        self.clock.reset()
        self.random.seed(self._seed)
        self.clear_calls()
        self.faults.clear()
        self.switches = dict(self._defaults)
        for action in self.on_reset:
            action()

    def clear_calls(self) -> None:
        self.calls["app"].clear()
        self.calls["person"].clear()
        self.most_in_flight.clear()

    def set_switches(self, values: dict[str, Any]) -> None:
        """Raises `ValueError` for a switch that this simulator does not have."""
        if unknown := set(values) - set(self._defaults):
            raise ValueError(f"unknown switches: {', '.join(sorted(unknown))}; known are {', '.join(self._defaults)}")
        self.switches.update(values)

    async def serve(
        self,
        *,
        kind: str,
        path: str,
        caller: Caller,
        handle: Callable[[], Awaitable[Response]],
        lane: str = "",
    ) -> Response:
        """Count the call, apply the first matching fault, serve it. `lane` (a mailbox) is watched for concurrency."""
        self.calls[caller][kind] += 1
        self.in_flight[lane] += 1
        self.most_in_flight[lane] = max(self.most_in_flight[lane], self.in_flight[lane])
        try:
            fault = self._take_fault(kind, path, caller)
            if fault is None:
                return await handle()
            if fault.delay_seconds:
                await self._sleep(fault.delay_seconds)
            if fault.status is None:
                return await handle()
            if fault.when == "after":
                await handle()
            if fault.status == 0:
                raise Dropped(kind)
            if fault.body is None:
                return Response(status_code=fault.status, headers=fault.headers)
            return JSONResponse(fault.body, status_code=fault.status, headers=fault.headers)
        finally:
            self.in_flight[lane] -= 1

    def _take_fault(self, kind: str, path: str, caller: Caller) -> Fault | None:
        for fault in self.faults:
            if not fault.matches(kind, path, caller):
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
            return fault
        return None

    def control_routes(self) -> list[Route]:
        """The routes below `/_control` that every simulator has; a simulator adds its own beside them."""
        return [
            Route("/reset", self._reset, methods=["POST"]),
            Route("/calls", self._calls, methods=["GET", "DELETE"]),
            Route("/faults", self._faults, methods=["GET", "POST", "DELETE"]),
            Route("/switches", self._switches, methods=["GET", "POST"]),
            Route("/clock", self._clock, methods=["GET", "POST"]),
        ]

    async def _reset(self, _: Request) -> Response:
        self.reset()
        return Response(status_code=204)

    async def _calls(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.clear_calls()
        return JSONResponse(
            {
                **{caller: dict(sorted(counts.items())) for caller, counts in self.calls.items()},
                "most_in_flight": {lane: most for lane, most in self.most_in_flight.items() if lane},
            }
        )

    async def _faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.faults.clear()
        elif request.method == "POST":
            try:
                self.faults.append(Fault.from_json(await request.json()))
            except (TypeError, ValueError) as error:
                return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse([{f.name: getattr(fault, f.name) for f in fields(fault)} for fault in self.faults])

    async def _switches(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                self.set_switches(await request.json())
            except ValueError as error:
                return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse(self.switches)

    async def _clock(self, request: Request) -> Response:
        if request.method == "POST":
            wanted = await request.json()
            if "freeze_at" in wanted:
                self.clock.freeze(datetime.fromisoformat(wanted["freeze_at"]).astimezone(UTC))
            self.clock.advance(float(wanted.get("advance_seconds", 0)))
        return JSONResponse({"now": self.clock.now().isoformat()})


def caller_of(authorization: str) -> Caller | None:
    """Who calls, by bearer token; None for a token that neither the app nor a person has."""
    callers: dict[str, Caller] = {f"Bearer {APP_TOKEN}": "app", f"Bearer {PERSON_TOKEN}": "person"}
    return callers.get(authorization)
