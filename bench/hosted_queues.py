"""The app's storage queues in memory, for both who use them: the app, which puts, and the Functions host, which takes.

They keep what the service promises about visibility, dequeue counts and pop receipts, as far as a host that never dies
needs it, and stay quick with ten thousands of messages in them. Every operation takes the time that it is given.
"""

import asyncio
import base64
import heapq
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from math import ceil

from local.functions.queues import MessageGone, QueueMessage
from sync.core.work import item_to_text, queue_of
from sync.core.work_items import WorkItem
from sync.service.ports import Clock

_TIME_TO_LIVE = timedelta(days=365)


class HostedQueue:
    """One queue, as the host reads it: a `local.functions.queues.Queue`."""

    def __init__(self, name: str, clock: Clock, *, seconds: float) -> None:
        self.name = name
        self._clock = clock
        self._seconds = seconds
        self._numbers = count(1)
        self._messages: dict[str, QueueMessage] = {}
        self._by_visibility: list[tuple[datetime, int, QueueMessage]] = []

    def __len__(self) -> int:
        """Messages that wait, are delayed or are at work."""
        return len(self._messages)

    async def send(self, text: str, *, delay_seconds: float = 0) -> None:
        """Add a text as it is stored. The service counts whole seconds."""
        await asyncio.sleep(self._seconds)
        now = self._clock()
        message = QueueMessage(
            message_id=str(next(self._numbers)),
            pop_receipt="",
            text=text,
            dequeue_count=0,
            inserted_at=now,
            expires_at=now + _TIME_TO_LIVE,
            next_visible_at=now,
        )
        self._hide(message, timedelta(seconds=ceil(delay_seconds)))

    async def receive(self, count: int, visibility: timedelta) -> list[QueueMessage]:
        await asyncio.sleep(self._seconds)
        now, received = self._clock(), list[QueueMessage]()
        while self._by_visibility and self._by_visibility[0][0] <= now and len(received) < count:
            message = heapq.heappop(self._by_visibility)[2]
            if self._messages.get(message.message_id) is message:  # else it is gone, or hidden anew since
                taken = replace(message, dequeue_count=message.dequeue_count + 1)
                received.append(self._hide(taken, visibility))
        return received

    async def set_visibility(self, message: QueueMessage, visibility: timedelta) -> QueueMessage:
        await asyncio.sleep(self._seconds)
        self._require_receipt(message)
        return self._hide(message, visibility)

    async def delete(self, message: QueueMessage) -> None:
        await asyncio.sleep(self._seconds)
        self._require_receipt(message)
        del self._messages[message.message_id]

    async def close(self) -> None:
        """Nothing is held open."""

    def _hide(self, message: QueueMessage, visibility: timedelta) -> QueueMessage:
        """Keep the message under a new receipt, to be seen again after `visibility`."""
        number, visible_at = next(self._numbers), self._clock() + visibility
        hidden = replace(message, pop_receipt=str(number), next_visible_at=visible_at)
        self._messages[message.message_id] = hidden
        heapq.heappush(self._by_visibility, (visible_at, number, hidden))
        return hidden

    def _require_receipt(self, message: QueueMessage) -> None:
        kept = self._messages.get(message.message_id)
        if kept is None or kept.pop_receipt != message.pop_receipt:
            raise MessageGone(message.message_id)


class HostedQueues:
    """All queues of the app, as the app writes them: a `WorkQueue`."""

    def __init__(self, clock: Clock, *, seconds: float) -> None:
        """`seconds` is what each operation takes."""
        self._clock = clock
        self._seconds = seconds
        self._queues: dict[str, HostedQueue] = {}

    def __getitem__(self, name: str) -> HostedQueue:
        return self._queues.setdefault(name, HostedQueue(name, self._clock, seconds=self._seconds))

    @property
    def are_empty(self) -> bool:
        return not any(len(queue) for queue in self._queues.values())

    async def put(self, item: WorkItem, *, delay_seconds: float = 0) -> None:
        await self[queue_of(item)].send(_encoded(item_to_text(item)), delay_seconds=delay_seconds)

    async def put_text(self, queue: str, text: str) -> None:
        await self[queue].send(_encoded(text))


def _encoded(text: str) -> str:
    """As host.json wants it (`messageEncoding`)."""
    return base64.b64encode(text.encode()).decode()
