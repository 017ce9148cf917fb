"""Time in which waiting costs nothing: an event loop that jumps to the next moment at which somebody wants to go on.

Everything that waits by `asyncio` keeps its order and its distance in time, and computing takes no time at all. Nothing
on such a loop may wait for the outside world: no socket, no thread.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import datetime, timedelta

from local.switchboard import WorldClock


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time begins at 0 and is counted in seconds."""

    def __init__(self) -> None:
        self._selector_of_time = _JumpingSelector()
        super().__init__(self._selector_of_time)

    def time(self) -> float:
        return self._selector_of_time.now


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting for what is due in `timeout` seconds, it is then. Looks only where nobody can go on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            return []
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everybody waits, and nothing is due")
            self.now += max(timeout, 0.0)
        return ready


class LoopClock(WorldClock):
    """The time of the running `VirtualLoop`, whose beginning is `began_at` (aware UTC)."""

    def __init__(self, began_at: datetime) -> None:
        super().__init__()
        self._began_at = began_at

    def now(self) -> datetime:
        return self._began_at + timedelta(seconds=asyncio.get_running_loop().time())


def run_virtually[T](main: Coroutine[object, object, T]) -> T:
    """Run a program to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
