"""What the app asks of one service: how often, how much at once in one mailbox, and what came of it."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from simulation.history import Ill

type Tell = Callable[[str], None]


class Gauge:
    """`calls` counts requests, `writes` those that were to change something and did.

    `most_at_once` is by instance and mailbox.
    """

    def __init__(self, service: str, tell: Tell) -> None:
        self.calls = 0
        self.writes: Counter[str] = Counter()
        self.most_at_once: Counter[tuple[int, str]] = Counter()
        self._at_once: Counter[tuple[int, str]] = Counter()
        self._service = service
        self._tell = tell

    def forget(self) -> None:
        self.calls = 0
        self.writes.clear()
        self.most_at_once.clear()

    @contextmanager
    def measure(self, request: httpx.Request, instance: int) -> Iterator[None]:
        lane = (instance, _mailbox_of(request.url))
        self.calls += 1
        self._at_once[lane] += 1
        self.most_at_once[lane] = max(self.most_at_once[lane], self._at_once[lane])
        try:
            yield
        finally:
            self._at_once[lane] -= 1

    def tell(self, request: httpx.Request, status: int, ill: Ill | None) -> None:
        """What became of a request, as the app sees it."""
        is_write = (
            request.method != "GET" and "/subscriptions" not in request.url.path and "$batch" not in request.url.path
        )
        if is_write and status < 300:
            self.writes[f"{request.method} {self._service}"] += 1
        if is_write or status >= 400:
            trouble = f" ({ill})" if ill else ""
            self._tell(f"    {self._service}: {request.method} {_short(request.url)} -> {status}{trouble}")


def _mailbox_of(url: httpx.URL) -> str:
    segments = url.path.split("/")
    return segments[3] if segments[2:3] == ["users"] else ""


def _short(url: httpx.URL) -> str:
    return url.path.removeprefix("/v1.0/").removeprefix("/api/data/v9.2/")[:60]
