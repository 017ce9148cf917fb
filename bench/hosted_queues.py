"""The app's storage queues in memory, for both who use them: the app, which puts, and the Functions host, which takes.

They keep what the service promises about visibility, dequeue counts and pop receipts, as far as a host that never dies
needs it, and stay quick with ten thousands of messages in them. Every operation takes the time that it is given.
"""

import asyncio
import base64
import heapq
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import count

from local.functions.queues import MessageGone, QueueMessage
from sync.core.model import WorkItem
from sync.core.work import item_to_text, queue_of
from sync.service.ports import Clock

_LIFE = timedelta(days=365)


class HostedQueues:
    """Implements `WorkQueue`; `queue` answers what a `QueueListener` reads."""

    def __init__(self, clock: Clock, *, seconds: float) -> None:
        """`seconds` is what each operation takes."""
        self.clock = clock
        self._seconds = seconds
        self.operations = 0
        self._serial = count(1)
        self._messages: defaultdict[str, dict[str, QueueMessage]] = defaultdict(dict)
        self._by_visibility: defaultdict[str, list[tuple[float, int, str]]] = defaultdict(list)

    async def put(self, item: WorkItem, *, delay_seconds: float = 0) -> None:
        await self.send(queue_of(item), base64.b64encode(item_to_text(item).encode()).decode(), delay_seconds)

    async def put_text(self, queue: str, text: str) -> None:
        await self.send(queue, base64.b64encode(text.encode()).decode(), 0)

    def length(self, queue: str) -> int:
        """Messages that wait, are delayed or are at work."""
        return len(self._messages[queue])

    @property
    def is_empty(self) -> bool:
        return not any(self._messages.values())

    def queue(self, name: str) -> "HostedQueue":
        return HostedQueue(self, name)

    async def operate(self) -> None:
        """Pass the time of one operation."""
        self.operations += 1
        await asyncio.sleep(self._seconds)

    async def send(self, queue: str, text: str, delay_seconds: float) -> None:
        """Add a text as it is stored."""
        await self.operate()
        now = self.clock()
        message = QueueMessage(
            message_id=str(next(self._serial)),
            pop_receipt="",
            text=text,
            dequeue_count=0,
            inserted_at=now,
            expires_at=now + _LIFE,
            next_visible_at=now + timedelta(seconds=delay_seconds),
        )
        self.keep(queue, message)

    def keep(self, queue: str, message: QueueMessage) -> None:
        """Store a message in its newest state."""
        self._messages[queue][message.message_id] = message
        entry = (message.next_visible_at.timestamp(), next(self._serial), message.message_id)
        heapq.heappush(self._by_visibility[queue], entry)

    def take(self, queue: str, most: int) -> list[QueueMessage]:
        """What is visible now, longest first; entries of states that are past are dropped on the way."""
        heap, messages, now = self._by_visibility[queue], self._messages[queue], self.clock().timestamp()
        taken: list[QueueMessage] = []
        while heap and heap[0][0] <= now and len(taken) < most:
            visible_at, _, message_id = heapq.heappop(heap)
            message = messages.get(message_id)
            if message is not None and message.next_visible_at.timestamp() == visible_at:
                taken.append(message)
        return taken

    def remove(self, queue: str, message: QueueMessage) -> None:
        """Raises `MessageGone` when it has been received or changed since."""
        self.check(queue, message)
        del self._messages[queue][message.message_id]

    def check(self, queue: str, message: QueueMessage) -> None:
        stored = self._messages[queue].get(message.message_id)
        if stored is None or stored.pop_receipt != message.pop_receipt:
            raise MessageGone(message.message_id)

    def hidden(self, message: QueueMessage, visibility: timedelta, *, dequeue_count: int) -> QueueMessage:
        """The message in its next state, under a new receipt."""
        return replace(
            message,
            pop_receipt=str(next(self._serial)),
            dequeue_count=dequeue_count,
            next_visible_at=self.clock() + visibility,
        )


class HostedQueue:
    """One of the queues, as the host reads it: a `local.functions.queues.Queue`."""

    def __init__(self, queues: HostedQueues, name: str) -> None:
        self.name = name
        self._queues = queues

    async def receive(self, count: int, visibility: timedelta) -> list[QueueMessage]:
        await self._queues.operate()
        received = [
            self._queues.hidden(message, visibility, dequeue_count=message.dequeue_count + 1)
            for message in self._queues.take(self.name, count)
        ]
        for message in received:
            self._queues.keep(self.name, message)
        return received

    async def set_visibility(self, message: QueueMessage, visibility: timedelta) -> QueueMessage:
        await self._queues.operate()
        self._queues.check(self.name, message)
        later = self._queues.hidden(message, visibility, dequeue_count=message.dequeue_count)
        self._queues.keep(self.name, later)
        return later

    async def delete(self, message: QueueMessage) -> None:
        await self._queues.operate()
        self._queues.remove(self.name, message)

    async def send(self, text: str) -> None:
        await self._queues.send(self.name, text, 0)

    async def close(self) -> None:
        """Nothing is held open."""
