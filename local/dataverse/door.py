"""The way out: how webhooks reach the addresses of their endpoints, and what an attempt came to.

Source: Dataverse documentation, "Use webhooks to create external handlers for server events": only the status counts,
60 seconds are the limit, and one more attempt is made after 502, 503 and 504 only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import httpx

from local.dataverse.execution_context import WebhookRequest
from local.dataverse.registrations import Endpoint
from local.switchboard import WorldClock

TIME_LIMIT_SECONDS = 60.0

Post = Callable[[str, bytes, Mapping[str, str], float], Awaitable[int]]
"""Posts a body with headers to an address within so many seconds; answers the status or raises `OSError`."""


class Door(Protocol):
    """Posts to an address. Raises `OSError` where nobody answers, `TimeoutError` where too late."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int: ...


class HttpDoor:
    """A door over HTTP. Redirects are not followed: only 2xx is success."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:
        if self._client is None:
            self._client = httpx.AsyncClient(trust_env=False)
        try:
            # httpx limits each step of a request, this the whole of it.
            async with asyncio.timeout(timeout_seconds):
                answer = await self._client.post(url, content=body, headers=dict(headers), timeout=timeout_seconds)
        except httpx.TimeoutException as error:
            raise TimeoutError(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConnectionError(str(error)) from error
        return answer.status_code

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one attempt came to. `status` None: no answer in time, or none at all."""

    status: int | None
    text: str

    @property
    def has_succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def may_be_repeated(self) -> bool:
        return self.status in (502, 503, 504)


async def call(post: Post, clock: WorldClock, endpoint: Endpoint, request: WebhookRequest) -> Outcome:
    """Make one attempt. An answer that took too long by the world's clock is none."""
    began_at = clock.now()
    try:
        headers = {**request.headers, **endpoint.headers}
        status = await post(endpoint.url, request.body, headers, TIME_LIMIT_SECONDS)
    except TimeoutError:
        return _too_late()
    except OSError as error:
        return Outcome(status=None, text=f"The webhook could not be reached: {error}")
    if (clock.now() - began_at).total_seconds() > TIME_LIMIT_SECONDS:
        return _too_late()
    return Outcome(status=status, text=f"The webhook answered with status {status}.")


def _too_late() -> Outcome:
    return Outcome(status=None, text=f"The webhook did not answer within {TIME_LIMIT_SECONDS:g} seconds.")
