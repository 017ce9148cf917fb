"""What one service is asked, over time: how often, how many at once, and how often it had too much."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx

from local.switchboard import WorldClock


class Gauge(httpx.AsyncBaseTransport):
    """Passes requests on and measures them by lane: whatever the service limits by itself, such as a mailbox.

    Requests whose lane is the empty text are limited by nothing, and are not measured.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, clock: WorldClock, *, lane: Callable[[httpx.URL], str]) -> None:
        self._inner = inner
        self._clock = clock
        self._lane = lane
        self._at_once: Counter[str] = Counter()
        self.clear()

    def clear(self) -> None:
        """Forget what was measured so far."""
        self._sent_at: defaultdict[str, list[datetime]] = defaultdict(list)
        self.most_at_once = 0
        self.refused = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        lane = self._lane(request.url)
        if not lane:
            return await self._inner.handle_async_request(request)
        self._sent_at[lane].append(self._clock.now())
        self._at_once[lane] += 1
        self.most_at_once = max(self.most_at_once, self._at_once[lane])
        try:
            response = await self._inner.handle_async_request(request)
        finally:
            self._at_once[lane] -= 1
        self.refused += response.status_code == httpx.codes.TOO_MANY_REQUESTS
        return response

    def most_within(self, window: timedelta) -> int:
        """The most requests of one lane in any span of that length."""
        return max((_most_within(moments, window) for moments in self._sent_at.values()), default=0)


def _most_within(moments: list[datetime], window: timedelta) -> int:
    most, recent = 0, deque[datetime]()
    for moment in moments:
        recent.append(moment)
        while recent[0] <= moment - window:
            recent.popleft()
        most = max(most, len(recent))
    return most
