"""The one retry layer and the one place where an answer's status becomes an error.

Both clients send through `Transport.call`: it waits out short trouble in place (under ten seconds in all) and raises
for anything longer, so that the item goes back to the queue instead of holding a worker. Neither SDK retries besides.
Where a service limits all of our calls together, a `Pace` says when the next one is due.
Repeating is safe: our writes are conditional or say the same twice, and a repeated subscription answers 409, which is
adopted. Where it is not, as when an event is created, only what the service refused unread is sent again.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from random import Random
from typing import Any

import httpx
from azure.core.exceptions import AzureError

from sync.adapters.pacing import Pace
from sync.calls import count_call
from sync.core.errors import InvalidPayload, ServiceUnavailable, SyncError, Throttled
from sync.service.ports import Clock, Sleep
from sync.telemetry import Called, tell_call

logger = logging.getLogger(__name__)

TIMEOUT = httpx.Timeout(10, connect=5)
"""Seconds. Far below the host's `functionTimeout`, whose expiry would end every other invocation of the process too."""

MAXIMUM_ATTEMPTS = 3
_LONGEST_WAIT_IN_PLACE_SECONDS = 4.0
_FIRST_WAIT_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer, detached from the library that received it."""

    status: int
    headers: Mapping[str, str]
    """Looked up without case."""
    body: bytes

    @classmethod
    def from_httpx(cls, response: httpx.Response) -> "Answer":
        return cls(status=response.status_code, headers=response.headers, body=response.content)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises `InvalidPayload`."""
        try:
            document = json.loads(self.body)
        except ValueError as error:
            raise InvalidPayload("The answer is not JSON.", status=self.status) from error
        if not isinstance(document, dict):
            raise InvalidPayload("The answer is not a JSON object.", status=self.status)
        return document


type Classify = Callable[[str, Answer, float | None], SyncError]
"""Operation, a failed answer and its stated wait in seconds to the error it means."""


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """The wait that an answer asks for, in seconds; the header holds seconds or an HTTP date. None without one."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
        return max(0.0, seconds) if isfinite(seconds) else None
    except ValueError:
        pass
    try:
        moment: datetime = parsedate_to_datetime(text)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, TypeError):
        return None


def outage(operation: str, answer: Answer, wait_seconds: float | None, code: str) -> SyncError | None:
    """What both services mean alike: 429, and 5xx. None for every other status."""
    details: dict[str, Any] = {"operation": operation, "status": answer.status, "code": code}
    if answer.status == 429 or (answer.status == 503 and wait_seconds is not None):
        return Throttled("The service asked us to slow down.", retry_after_seconds=wait_seconds, **details)
    if answer.status >= 500:
        return ServiceUnavailable("The service failed.", retry_after_seconds=wait_seconds, **details)
    return None


class Transport:
    """Sends requests, waits out short trouble, and raises the error that `classify` names for a failed answer."""

    def __init__(self, *, classify: Classify, clock: Clock, sleep: Sleep, random: Random) -> None:
        self._classify = classify
        self._clock = clock
        self._sleep = sleep
        self._random = random

    def new_pace(self, *, most_at_once: int, crowd_codes: Collection[str]) -> Pace:
        """See `Pace`; on this transport's clock."""
        return Pace(clock=self._clock, sleep=self._sleep, most_at_once=most_at_once, crowd_codes=crowd_codes)

    async def call(
        self,
        operation: str,
        send: Callable[[], Awaitable[httpx.Response]],
        *,
        attempts: int = MAXIMUM_ATTEMPTS,
        is_repeatable: bool = True,
        pace: Pace | None = None,
    ) -> Answer:
        """The successful answer to `send`, called once per attempt. Raises what `classify` makes of a failure.

        A request that is not `is_repeatable` gets another attempt only after a 429 with a stated wait: any other
        failure, a lost answer above all, may hide that it took effect. With a `pace`, each attempt waits for its turn;
        one that is too far away is a `Throttled`, too.
        """
        for attempt in range(1, attempts + 1):
            async with pace.turn() if pace else nullcontext():
                count_call(operation)
                began_at = self._clock()
                outcome = await self._attempt(operation, send)
            tell_call(_called(operation, began_at, self._clock(), outcome))
            is_paced = pace is not None and pace.learn(outcome)
            if isinstance(outcome, Answer):
                return outcome
            may_repeat = is_repeatable or _is_refused_unread(outcome)
            wait_seconds = self._wait_in_place(outcome, attempt) if may_repeat else None
            if wait_seconds is None or attempt == attempts:
                raise outcome
            logger.info(
                "%s is tried again in %.1f s: %s", operation, wait_seconds, outcome.reason, extra={"action": "retry"}
            )
            if not is_paced:  # else the next turn is late enough
                await self._sleep(wait_seconds)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(self, operation: str, send: Callable[[], Awaitable[httpx.Response]]) -> Answer | SyncError:
        """One request: its answer, or the error that its failure means."""
        error: SyncError
        try:
            answer = Answer.from_httpx(await send())
        except httpx.TimeoutException as cause:
            error = ServiceUnavailable("The service did not answer in time.", operation=operation)
            error.__cause__ = cause
        except httpx.RequestError as cause:
            error = ServiceUnavailable("The service could not be reached.", operation=operation)
            error.__cause__ = cause
        except AzureError as cause:
            # Tokens are fetched while sending: an identity that cannot get one now is an outage like any other.
            error = ServiceUnavailable("No token could be had for the service.", operation=operation)
            error.__cause__ = cause
        else:
            return answer if answer.is_success else self.failure(operation, answer)
        return error

    def failure(self, operation: str, answer: Answer) -> SyncError:
        """The error that a failed answer means."""
        return self._classify(operation, answer, retry_after_seconds(answer.headers, self._clock()))

    def _wait_in_place(self, error: SyncError, attempt: int) -> float | None:
        """Seconds to wait before another attempt; None when the item should go back to the queue, or has failed."""
        if isinstance(error.__cause__, httpx.TimeoutException) or not isinstance(error, Throttled | ServiceUnavailable):
            return None  # A time-out has used up its time already.
        if error.retry_after_seconds is not None:
            fits = error.retry_after_seconds <= _LONGEST_WAIT_IN_PLACE_SECONDS
            return error.retry_after_seconds if fits else None
        return _FIRST_WAIT_SECONDS * (1 << (attempt - 1)) * self._random.uniform(1, 1.5)


def _called(operation: str, began_at: datetime, ended_at: datetime, outcome: Answer | SyncError) -> Called:
    error_class = type(outcome).__name__ if isinstance(outcome, SyncError) else ""
    return Called(
        operation=operation, began_at=began_at, ended_at=ended_at, status=outcome.status, error_class=error_class
    )


def _is_refused_unread(error: SyncError) -> bool:
    return isinstance(error, Throttled) and error.status == 429 and error.retry_after_seconds is not None
