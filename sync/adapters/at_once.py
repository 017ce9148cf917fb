"""How many calls of one process to a service may be under way at once: fewer, once the service found ours too many.

A service counts the calls of all our instances together, which know nothing of each other. So each halves its places
when it is refused for that reason, down to one, and gets them back one by one, long after.
"""

from asyncio import Condition
from datetime import timedelta

from sync.service.ports import Clock

_SAME_CROWD = timedelta(seconds=1)
"""Refusals so near to each other speak of one crowd: they are no reason to halve again."""

_ONE_MORE_AFTER = timedelta(minutes=10)
"""Few places suffice to use up a limit over time, so nothing is lost by patience."""


class AtOnce:
    """An asynchronous context manager: inside it a call is under way."""

    def __init__(self, most: int, *, clock: Clock) -> None:
        self._most = self._allowed = most
        self._under_way = 0
        self._place = Condition()
        self._clock = clock
        self._changed_at = clock()

    async def __aenter__(self) -> None:
        async with self._place:
            await self._place.wait_for(lambda: self._under_way < self._allowed)
            self._under_way += 1

    async def __aexit__(self, *_: object) -> None:
        async with self._place:
            self._under_way -= 1
            if self._allowed < self._most and self._clock() - self._changed_at >= _ONE_MORE_AFTER:
                self._allowed += 1
                self._changed_at = self._clock()
            self._place.notify(max(0, self._allowed - self._under_way))

    def lessen(self) -> None:
        """The service refused a call because too many were under way."""
        now = self._clock()
        if self._allowed == self._most or now - self._changed_at >= _SAME_CROWD:
            self._allowed = max(1, self._allowed // 2)
            self._changed_at = now
