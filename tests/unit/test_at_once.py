"""How many calls of one process are under way at once, and how it learns to do with fewer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from sync.adapters.at_once import AtOnce


class Crowd:
    """Calls that are all under way, as far as there are places for them."""

    def __init__(self, most: int) -> None:
        self.now = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
        self.at_once = AtOnce(most, clock=lambda: self.now)
        self.under_way = 0

    async def measure(self) -> int:
        """How many of many calls get a place."""
        async with self.calls():
            return self.under_way

    @asynccontextmanager
    async def calls(self) -> AsyncIterator[None]:
        end = asyncio.Event()
        calls = [asyncio.create_task(self._call(end)) for _ in range(50)]
        for _ in range(5):
            await asyncio.sleep(0)
        try:
            yield
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    async def _call(self, end: asyncio.Event) -> None:
        async with self.at_once:
            self.under_way += 1
            try:
                await end.wait()
            finally:
                self.under_way -= 1

    def be_refused(self) -> None:
        self.now += timedelta(seconds=2)
        self.at_once.lessen()

    async def make_one_call(self) -> None:
        async with self.at_once:
            """Nothing is refused."""


async def test_as_many_calls_are_under_way_as_are_allowed() -> None:
    assert await Crowd(8).measure() == 8


async def test_each_refusal_halves_them_down_to_one() -> None:
    crowd = Crowd(8)
    seen = []
    for _ in range(5):
        crowd.be_refused()
        seen.append(await crowd.measure())
    assert seen == [4, 2, 1, 1, 1]


async def test_refusals_at_the_same_time_halve_them_once() -> None:
    crowd = Crowd(8)
    crowd.be_refused()
    for _ in range(7):
        crowd.at_once.lessen()
    assert await crowd.measure() == 4


async def test_calls_that_were_under_way_at_a_refusal_give_their_places_up_when_they_end() -> None:
    crowd = Crowd(8)
    async with crowd.calls():
        crowd.be_refused()
        assert crowd.under_way == 8
    assert await crowd.measure() == 4


async def test_places_come_back_one_by_one_every_ten_minutes() -> None:
    crowd = Crowd(2)
    crowd.be_refused()
    crowd.now += timedelta(minutes=9)
    await crowd.make_one_call()
    assert await crowd.measure() == 1
    crowd.now += timedelta(minutes=1)
    await crowd.make_one_call()
    assert await crowd.measure() == 2
    crowd.now += timedelta(hours=1)
    await crowd.make_one_call()
    assert await crowd.measure() == 2
