"""Time that moves only by hand, and lets everything that waits for it run."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count


class VirtualTime:
    """Hand `now` and `sleep` to the code under test."""

    def __init__(self, start: datetime = datetime(2026, 11, 21, 8, tzinfo=UTC)) -> None:
        self._now = start
        self._serial = count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), next(self._serial), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move on in steps from one wake-up to the next."""
        end = self._now + timedelta(seconds=seconds)
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, at)
            if not woken.done():
                woken.set_result(None)
                await settle()
        self._now = end
        await settle()


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(40):
        await asyncio.sleep(0)
