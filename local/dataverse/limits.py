"""The service protection limits: requests, run time and concurrency, per user and per web server.

Source: Dataverse documentation, "Service protection API limits". The run time of a request cannot be measured on a
frozen clock, so each request is charged `execution_seconds` of the switchboard. Nobody has published a live 429 body:
the form of its code (hex text or signed decimal) and the presence of `Retry-After` are switches.
"""

import math
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from starlette.responses import Response

from local.dataverse.request import json_response
from local.switchboard import Switchboard

TOO_MANY_REQUESTS = 0x80072322
TOO_MUCH_TIME = 0x80072321
TOO_CONCURRENT = 0x80072326
_CONCURRENCY_WAIT_SECONDS = 2
_PRESSING_SECONDS = 1
"""What each request made during a wait adds to it: the service's waits grow while a client keeps pressing."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A 429: its error code as an unsigned number, the text, and how long to wait."""

    code: int
    message: str
    retry_after_seconds: int


@dataclass(slots=True)
class _Usage:
    """What one user did on one server within the window."""

    requests: deque[datetime] = field(default_factory=deque)
    charges: deque[tuple[datetime, float]] = field(default_factory=deque)
    charged_seconds: float = 0.0
    """The sum of `charges`, kept along: it is asked for with each request."""
    running: int = 0
    blocked_until: datetime | None = None
    reason: Refusal | None = None


class ServiceProtection:
    """Admits or refuses requests. Servers are numbered from 0."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self._usage: defaultdict[tuple[str, int], _Usage] = defaultdict(_Usage)
        switchboard.on_reset.append(self._usage.clear)

    @contextmanager
    def admit(self, user: str, server: int) -> Iterator[Refusal | None]:
        """Within the block the request counts as running. Yields a refusal when it must not be served."""
        usage = self._usage[user, server]
        refusal = self._refusal(usage)
        usage.running += 1
        try:
            yield refusal
        finally:
            usage.running -= 1

    def charge(self, user: str, server: int, parts: int) -> None:
        """Book the run time of a request of so many parts (1, or the requests of a batch)."""
        seconds = parts * float(self._switchboard.switches["execution_seconds"])
        usage = self._usage[user, server]
        usage.charges.append((self._switchboard.clock.now(), seconds))
        usage.charged_seconds += seconds

    def headers(self, user: str, server: int) -> dict[str, str]:
        """What is left, as the service's debug headers tell it."""
        switches, usage = self._switchboard.switches, self._usage[user, server]
        requests_left = max(0, switches["max_requests"] - len(usage.requests))
        seconds_left = max(0.0, switches["max_execution_seconds"] - usage.charged_seconds)
        return {
            "x-ms-ratelimit-burst-remaining-xrm-requests": str(requests_left),
            "x-ms-ratelimit-time-remaining-xrm-requests": f"{seconds_left:,.2f}",
        }

    def answer(self, refusal: Refusal) -> Response:
        switches = self._switchboard.switches
        is_hex = switches["throttle_code_form"] == "hex"
        code = f"0x{refusal.code:08x}" if is_hex else str(refusal.code - 2**32)
        headers = {"Retry-After": str(refusal.retry_after_seconds)} if switches["send_retry_after"] else {}
        return json_response({"error": {"code": code, "message": refusal.message}}, 429, headers)

    def _refusal(self, usage: _Usage) -> Refusal | None:
        switches, now = self._switchboard.switches, self._switchboard.clock.now()
        window = timedelta(seconds=switches["window_seconds"])
        while usage.requests and usage.requests[0] <= now - window:
            usage.requests.popleft()
        while usage.charges and usage.charges[0][0] <= now - window:
            usage.charged_seconds -= usage.charges.popleft()[1]
        if usage.running >= switches["max_concurrent"]:
            message = f"Number of concurrent requests exceeded the limit of {switches['max_concurrent']}."
            return Refusal(TOO_CONCURRENT, message, _CONCURRENCY_WAIT_SECONDS)
        if usage.reason and usage.blocked_until and now < usage.blocked_until:
            usage.blocked_until += timedelta(seconds=_PRESSING_SECONDS)
            return Refusal(usage.reason.code, usage.reason.message, _seconds_until(usage.blocked_until, now))
        usage.reason = self._windowed_refusal(usage, now, window)
        if usage.reason is None:
            usage.requests.append(now)
        else:
            usage.blocked_until = now + timedelta(seconds=usage.reason.retry_after_seconds)
        return usage.reason

    def _windowed_refusal(self, usage: _Usage, now: datetime, window: timedelta) -> Refusal | None:
        switches = self._switchboard.switches
        seconds = switches["window_seconds"]
        if len(usage.requests) >= switches["max_requests"]:
            limit = switches["max_requests"]
            message = f"Number of requests exceeded the limit of {limit} over time window of {seconds} seconds."
            free_at = usage.requests[0] + window if usage.requests else now + window
            return Refusal(TOO_MANY_REQUESTS, message, _seconds_until(free_at, now))
        if usage.charged_seconds >= switches["max_execution_seconds"]:
            message = (
                "Combined execution time of incoming requests exceeded limit of "
                f"{switches['max_execution_seconds'] * 1000:,.0f} milliseconds over time window of {seconds} seconds. "
                "Decrease number of concurrent requests or reduce the duration of requests and try again later."
            )
            free_at = usage.charges[0][0] + window if usage.charges else now + window
            return Refusal(TOO_MUCH_TIME, message, _seconds_until(free_at, now))
        return None


def _seconds_until(moment: datetime, now: datetime) -> int:
    return max(1, math.ceil((moment - now).total_seconds()))
