"""The service's limits per app and mailbox: requests side by side, and requests in ten minutes.

People are not limited: they use Outlook, which is another app. Source: Graph documentation, throttling-limits.
"""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from local.graph.errors import GraphError
from local.switchboard import Caller, Switchboard

_WINDOW = timedelta(minutes=10)


class MailboxThrottle:
    """Counts the app's requests per mailbox."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self._in_flight: Counter[str] = Counter()
        self._served: defaultdict[str, deque[datetime]] = defaultdict(deque)

    def clear(self) -> None:
        self._served.clear()

    @contextmanager
    def request(self, caller: Caller, mailbox_id: str) -> Iterator[GraphError | None]:
        """Count a request while it lasts; yields the refusal it must be answered with, if one of the limits is passed.

        Refused requests count too. `mailbox_id` is empty for requests that concern no mailbox.
        """
        if caller == "person" or not mailbox_id or not self._switchboard.switches["throttling"]:
            yield None
            return
        self._in_flight[mailbox_id] += 1
        try:
            yield self._refusal(mailbox_id)
        finally:
            self._in_flight[mailbox_id] -= 1

    def _refusal(self, mailbox_id: str) -> GraphError | None:
        now, switches = self._switchboard.clock.now(), self._switchboard.switches
        served = self._served[mailbox_id]
        while served and served[0] <= now - _WINDOW:
            served.popleft()
        served.append(now)
        if self._in_flight[mailbox_id] > switches["concurrent_requests"]:
            return _throttled("Application is over its MailboxConcurrency limit.", 1)
        if len(served) > switches["requests_per_10_minutes"]:
            wait = math.ceil((served[0] + _WINDOW - now).total_seconds())
            return _throttled("Application is over its RequestRate limit for this mailbox.", max(wait, 1))
        return None


def _throttled(message: str, retry_after_seconds: int) -> GraphError:
    return GraphError(429, "ApplicationThrottled", message, {"Retry-After": str(retry_after_seconds)})
