"""What one service is asked by the app, over time: how often, how many at once, and how often it refused."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx

from local.switchboard import WorldClock


class Gauge(httpx.AsyncBaseTransport):
    """Passes requests on and takes their measure, by lane: what the service limits by itself, such as a mailbox."""

    def __init__(
        self, inner: httpx.AsyncBaseTransport, clock: WorldClock, *, lane: Callable[[httpx.URL], str]
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._lane = lane
        self.clear()

    def clear(self) -> None:
        self.sent_at: defaultdict[str, list[datetime]] = defaultdict(list)
        self.at_once: Counter[str] = Counter()
        self.most_at_once: Counter[str] = Counter()
        self.refused: list[tuple[datetime, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        lane = self._lane(request.url)
        self.sent_at[lane].append(self._clock.now())
        self.at_once[lane] += 1
        self.most_at_once[lane] = max(self.most_at_once[lane], self.at_once[lane])
        try:
            response = await self._inner.handle_async_request(request)
        finally:
            self.at_once[lane] -= 1
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            body = await response.aread()
            self.refused.append((self._clock.now(), body.decode()))
        return response

    def most_within(self, window: timedelta) -> int:
        """The most requests of one lane in any span of that length."""
        most = 0
        for moments in self.sent_at.values():
            recent: deque[datetime] = deque()
            for at in moments:
                recent.append(at)
                while recent[0] <= at - window:
                    recent.popleft()
                most = max(most, len(recent))
        return most
