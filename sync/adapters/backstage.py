"""Carries facts from the work to a listener that may be slow to load, slow to answer, or broken.

The listener lives on a thread of its own and is built there when the first fact comes: by then the door has
acknowledged, and whatever it loads delays nobody. Standard library only, because the acknowledging path imports it.
"""

import atexit
import logging
import threading
from collections.abc import Callable
from queue import Full, Queue
from typing import Protocol

from sync import telemetry
from sync.telemetry import Fact

logger = logging.getLogger(__name__)

MOST_WAITING = 10_000
"""Facts that wait for the listener; more are lost. Some two minutes of an instance's busiest."""

PATIENCE_SECONDS = 2.0
"""How long a process that ends waits for the last facts."""


class Recorder(Protocol):
    """A listener that can be ended."""

    def __call__(self, fact: Fact) -> None: ...

    def close(self) -> None: ...


class Backstage:
    """A listener that hands every fact on to the one that `build` makes. Telling it never blocks."""

    def __init__(self, build: Callable[[], Recorder], *, most_waiting: int = MOST_WAITING) -> None:
        self._build = build
        self._facts: Queue[Fact | None] = Queue(most_waiting)
        self._thread = threading.Thread(target=self._work, name="telemetry", daemon=True)
        self._lost = 0

    def __call__(self, fact: Fact) -> None:
        if self._thread.ident is None:
            atexit.register(self.close)
            self._thread.start()
        try:
            self._facts.put_nowait(fact)
        except Full:
            self._lost += 1
            if self._lost == 1:
                logger.warning("Telemetry is slower than the work: facts are lost.", extra={"action": "telemetry-lost"})

    def close(self) -> None:
        """Let the listener have what waits, for a moment, and end it."""
        if not self._thread.is_alive():
            return
        try:
            self._facts.put(None, timeout=PATIENCE_SECONDS)
        except Full:
            return  # It is stuck; nobody waits for it.
        self._thread.join(PATIENCE_SECONDS)

    def _work(self) -> None:
        try:
            recorder = self._build()
        except Exception as error:  # noqa: BLE001 - a wrong connection string, a package that is missing
            telemetry.listen(None)
            logger.warning("Telemetry is off: %r", error, extra={"action": "telemetry-off"})
            return
        has_failed = False
        while (fact := self._facts.get()) is not None:
            try:
                recorder(fact)
            except Exception as error:  # noqa: BLE001 - the next fact may fare better
                if not has_failed:
                    logger.warning("Telemetry was lost: %r", error, extra={"action": "telemetry-lost"})
                has_failed = True
        recorder.close()
