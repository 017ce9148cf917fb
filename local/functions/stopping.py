"""A request to stop, and pauses that it cuts short."""

import asyncio
from collections.abc import Awaitable, Callable

Sleep = Callable[[float], Awaitable[None]]


class Stop:
    """Once requested, every pause ends at once; it cannot be taken back."""

    def __init__(self, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep
        self._requested = asyncio.Event()

    @property
    def requested(self) -> bool:
        return self._requested.is_set()

    def request(self) -> None:
        self._requested.set()

    async def wait(self) -> None:
        await self._requested.wait()

    async def pause(self, seconds: float) -> None:
        """Wait for `seconds`, or less if a stop is requested meanwhile."""
        waits = {asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._requested.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
