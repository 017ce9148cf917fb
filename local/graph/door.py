"""The way out: how the simulator reaches the addresses that subscriptions name."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

import httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorAnswer:
    status: int
    content_type: str
    text: str


class Door(Protocol):
    """Posts to an address of the app. Raises `OSError` where nobody answers, `TimeoutError` where too late."""

    async def post(self, url: str, body: bytes, content_type: str, timeout_seconds: float) -> DoorAnswer: ...


class HttpDoor:
    """A door over HTTP; a transport such as `httpx.ASGITransport` replaces the network."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def post(self, url: str, body: bytes, content_type: str, timeout_seconds: float) -> DoorAnswer:
        if self._client is None:
            self._client = httpx.AsyncClient(transport=self._transport, trust_env=False)
        try:
            # httpx limits each step of a request, this the whole of it.
            async with asyncio.timeout(timeout_seconds):
                answer = await self._client.post(
                    url, content=body, headers={"content-type": content_type}, timeout=timeout_seconds
                )
        except httpx.TimeoutException as error:
            raise TimeoutError(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConnectionError(str(error)) from error
        return DoorAnswer(
            status=answer.status_code, content_type=answer.headers.get("content-type", ""), text=answer.text
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None
