"""Storage queues in memory: the service's visibility, dequeue counts and pop receipts, on a clock that is handed in.

For tests and simulations of the listener and of the app. It keeps the service's promises and its lack of them: order is
by visibility, a receipt dies with the next receive or update, messages expire, and the service may be out of reach.
Source: "Get Messages", "Update Message", "Put Message" (Queue service REST API).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from local.functions.queues import MessageGone, QueueMessage, StorageUnavailable

DEFAULT_TIME_TO_LIVE = timedelta(days=7)


@dataclass(slots=True, kw_only=True)
class _Entry:
    message: QueueMessage
    visible_at: datetime


class QueueAccount:
    """All queues of one storage account. While `is_down`, every operation fails."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.is_down = False
        self.entries: dict[str, list[_Entry]] = {}
        self._serial = count(1)

    def queue(self, name: str) -> "MemoryQueue":
        return MemoryQueue(self, name)

    def texts(self, name: str) -> list[str]:
        """What the queue holds, visible or not, in order of insertion."""
        return [entry.message.text for entry in self.living(name)]

    def new_id(self) -> str:
        return f"{next(self._serial):08d}"

    def living(self, name: str) -> list[_Entry]:
        """The messages that have not expired."""
        kept = [entry for entry in self.entries.get(name, []) if entry.message.expires_at > self.now()]
        if name in self.entries:
            self.entries[name] = kept
        return kept

    def check(self) -> None:
        if self.is_down:
            raise StorageUnavailable("the queue account is down")


class MemoryQueue:
    """One queue of an account; made by the first `send`."""

    def __init__(self, account: QueueAccount, name: str) -> None:
        self.name = name
        self._account = account

    async def receive(self, count: int, visibility: timedelta) -> list[QueueMessage]:
        self._account.check()
        now = self._account.now()
        visible = [entry for entry in self._account.living(self.name) if entry.visible_at <= now]
        visible.sort(key=lambda entry: entry.visible_at)
        for entry in visible[:count]:
            self._hide(entry, visibility, dequeue_count=entry.message.dequeue_count + 1)
        return [entry.message for entry in visible[:count]]

    async def set_visibility(self, message: QueueMessage, visibility: timedelta) -> QueueMessage:
        entry = self._held(message)
        self._hide(entry, visibility, dequeue_count=entry.message.dequeue_count)
        return entry.message

    async def delete(self, message: QueueMessage) -> None:
        entry = self._held(message)
        self._account.entries[self.name].remove(entry)

    async def send(
        self, text: str, *, delay: timedelta = timedelta(0), time_to_live: timedelta = DEFAULT_TIME_TO_LIVE
    ) -> None:
        """Add a message that becomes visible after `delay`."""
        self._account.check()
        now = self._account.now()
        message = QueueMessage(
            message_id=self._account.new_id(),
            pop_receipt="",
            text=text,
            dequeue_count=0,
            inserted_at=now,
            expires_at=now + time_to_live,
            next_visible_at=now + delay,
        )
        self._account.entries.setdefault(self.name, []).append(_Entry(message=message, visible_at=now + delay))

    async def close(self) -> None:
        """Nothing is held open."""

    def _held(self, message: QueueMessage) -> _Entry:
        self._account.check()
        for entry in self._account.living(self.name):
            if entry.message.message_id == message.message_id and entry.message.pop_receipt == message.pop_receipt:
                return entry
        raise MessageGone(message.message_id)

    def _hide(self, entry: _Entry, visibility: timedelta, *, dequeue_count: int) -> None:
        entry.visible_at = self._account.now() + visibility
        entry.message = replace(
            entry.message,
            pop_receipt=self._account.new_id(),
            dequeue_count=dequeue_count,
            next_visible_at=entry.visible_at,
        )
