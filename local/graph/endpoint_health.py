"""How the service judges an address that it notifies: fast enough, slow, or dropped.

Source: Graph documentation, change-notifications-delivery-webhooks (2026-04-22). The page does not say how many answers
it takes; the 2023 edition waits for a hundred.
"""

from collections import deque
from datetime import datetime, timedelta
from typing import Literal

State = Literal["ok", "slow", "drop"]

WINDOW = timedelta(minutes=10)
SLOW_SECONDS, SLOW_SHARE = 3.0, 0.10
DROP_SECONDS, DROP_SHARE = 10.0, 0.15
_PROBES = 3


class EndpointHealth:
    """The answers of one host in the last ten minutes, and the state that follows for the next ten."""

    def __init__(self) -> None:
        self._answers: deque[tuple[datetime, float]] = deque()
        self._state: State = "ok"
        self._until: datetime | None = None

    def record(self, at: datetime, seconds: float, minimum: int) -> None:
        """Note an answer that took `seconds`; below `minimum` answers a healthy host is not judged."""
        self._answers.append((at, seconds))
        if self._state == "ok":
            # A host that was bad is on probation: a few probes decide.
            self._judge(at, minimum if self._until is None else min(minimum, _PROBES))

    def state(self, at: datetime) -> State:
        if self._until is not None and self._state != "ok" and at >= self._until:
            self._judge(at, 1)
        return self._state

    def _judge(self, at: datetime, minimum: int) -> None:
        while self._answers and self._answers[0][0] <= at - WINDOW:
            self._answers.popleft()
        if len(self._answers) < minimum:
            self._state = "ok"
            return
        if self._share(DROP_SECONDS) > DROP_SHARE:
            self._state = "drop"
        else:
            self._state = "slow" if self._share(SLOW_SECONDS) > SLOW_SHARE else "ok"
        self._until = None if self._state == "ok" else at + WINDOW

    def _share(self, seconds: float) -> float:
        return sum(taken >= seconds for _, taken in self._answers) / len(self._answers) if self._answers else 0.0
