"""The app's retries without its pace, for comparison: every item finds out by itself that its calls are too many."""

from collections.abc import Collection
from typing import override

from sync.adapters.pacing import Pace
from sync.adapters.transport import Transport


class UnpacedTransport(Transport):
    """As the app's was before it learnt from refusals."""

    @override
    def new_pace(self, *, most_at_once: int, crowd_codes: Collection[str]) -> Pace:
        return _NoPace(clock=self._clock, sleep=self._sleep, most_at_once=most_at_once, crowd_codes=crowd_codes)


class _NoPace(Pace):
    @override
    async def _wait_for_turn(self) -> None:
        """It is always somebody's turn."""

    @override
    def learn(self, outcome: object) -> bool:
        """It is never anybody's fault."""
        return False
