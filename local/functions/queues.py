"""Listens to a storage queue as the vendor's host does: batches, visibility, retries, poison queue.

Rules are those of the Storage Queues extension 5.x ("Azure Queue storage trigger for Azure Functions", and its sources
QueueListener, QueueProcessor, RandomizedExponentialBackoffStrategy, UpdateQueueMessageVisibilityCommand). Delivery is
at least once: a message is deleted only after its function succeeded, and comes back when nobody deletes it.
"""

import asyncio
import base64
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from local.functions.settings import QueueSettings
from local.functions.stopping import Sleep, Stop
from local.functions.tasks import Tasks

LEASE = timedelta(minutes=10)
"""For how long a received message is invisible to others; the vendor's host cannot change it either."""

POISON_SUFFIX = "-poison"
_LONGEST_QUEUE_NAME = 63
_SHORTEST_DELAY_SECONDS = 0.1
_RENEWAL_RETRY_SECONDS = 60.0

_log = logging.getLogger(__name__)


class StorageUnavailable(Exception):
    """The queue service did not do what it was asked for; another attempt may succeed."""


class MessageGone(Exception):
    """The message was deleted, or somebody else has received it since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage:
    """A received message. `text` is as stored, still encoded. `pop_receipt` is what permits to change or delete it."""

    message_id: str
    pop_receipt: str
    text: str
    dequeue_count: int
    inserted_at: datetime
    expires_at: datetime
    next_visible_at: datetime


class Queue(Protocol):
    """The operations of one storage queue. All raise `StorageUnavailable`; a missing queue counts as empty."""

    @property
    def name(self) -> str: ...

    async def receive(self, count: int, visibility: timedelta) -> list[QueueMessage]: ...

    async def set_visibility(self, message: QueueMessage, visibility: timedelta) -> QueueMessage:
        """The message with its new pop receipt. Raises `MessageGone`."""
        ...

    async def delete(self, message: QueueMessage) -> None:
        """Raises `MessageGone`."""
        ...

    async def send(self, text: str) -> None:
        """Add a message with the default time to live; makes the queue if there is none."""
        ...

    async def close(self) -> None: ...


Process = Callable[[QueueMessage, bytes], Awaitable[bool]]
"""Runs the function with a message and its decoded body; whether it succeeded."""


def has_poison_queue(queue_name: str) -> bool:
    return not queue_name.endswith(POISON_SUFFIX) and len(queue_name + POISON_SUFFIX) <= _LONGEST_QUEUE_NAME


class Backoff:
    """Delays between polls of an empty queue: about 0.1, 0.2, 0.3, 0.5, 0.9 seconds and so on up to the cap."""

    def __init__(self, longest: timedelta, randomness: random.Random) -> None:
        self._longest = longest.total_seconds()
        self._randomness = randomness
        self._current = 0.0
        self._exponent = 1

    def next_delay(self, *, found_since_last: bool) -> float:
        """Seconds to wait before the next poll."""
        if found_since_last:
            self._current, self._exponent = _SHORTEST_DELAY_SECONDS, 1
        elif self._current != self._longest:
            growth = self._randomness.uniform(0.8, 1.2) * 2 ** (self._exponent - 1) * _SHORTEST_DELAY_SECONDS
            delay = _SHORTEST_DELAY_SECONDS + growth
            if delay < self._longest:
                self._current, self._exponent = delay, self._exponent + 1
            else:
                self._current = self._longest
        return self._current


class QueueListener:
    """Feeds one queue to one function. Either `run` it, or drive it by hand with `poll` and `drain`."""

    def __init__(
        self,
        *,
        queue: Queue,
        poison: Queue | None,
        process: Process,
        settings: QueueSettings,
        randomness: random.Random,
        sleep: Sleep = asyncio.sleep,
        lease: timedelta = LEASE,
    ) -> None:
        """`poison` None: a message that keeps failing is left alone and comes back (see `has_poison_queue`)."""
        self._queue = queue
        self._poison = poison
        self._process = process
        self._settings = settings
        self._lease = lease
        self._sleep = sleep
        self._backoff = Backoff(settings.max_polling_interval, randomness)
        self._stop = Stop(sleep)
        self._is_reachable = True
        self.in_flight = Tasks()

    async def run(self) -> None:
        """Poll until `stop`; messages in flight go on, see `drain`."""
        found_since_last = False
        while not self._stop.requested:
            if await self._poll_or_report():
                found_since_last = True
                await self._room_for_a_batch()
            else:
                await self._stop.pause(self._backoff.next_delay(found_since_last=found_since_last))
                found_since_last = False

    def stop(self) -> None:
        """Fetch nothing more. A fetch under way is finished, since its messages would stay invisible otherwise."""
        self._stop.request()

    async def drain(self) -> None:
        """Wait until no message is in flight."""
        await self.in_flight.wait_for_all()

    async def poll(self) -> bool:
        """Get one batch and start a task for each message; whether there was any. Raises `StorageUnavailable`."""
        messages = await self._queue.receive(self._settings.batch_size, self._lease)
        for message in messages:
            self.in_flight.start(self._handle_or_report(message), f"message {message.message_id} of {self._queue.name}")
        return bool(messages)

    async def _poll_or_report(self) -> bool:
        try:
            found = await self.poll()
        except StorageUnavailable as error:
            if self._is_reachable:
                _log.warning("Queue %s cannot be read, trying again until it can: %s", self._queue.name, error)
            self._is_reachable = False
            return False
        if not self._is_reachable:
            _log.info("Queue %s can be read again", self._queue.name)
        self._is_reachable = True
        return found

    async def _room_for_a_batch(self) -> None:
        while len(self.in_flight) > self._settings.new_batch_threshold:
            await self.in_flight.wait_for_one()

    async def _handle_or_report(self, message: QueueMessage) -> None:
        try:
            await self._handle(message)
        except StorageUnavailable as error:
            _log.warning(
                "Message %s of %s could not be settled and comes back when its lease of %s has ended: %s",
                message.message_id,
                self._queue.name,
                self._lease,
                error,
            )
        except MessageGone:
            _log.info("Message %s of %s was already taken by somebody else", message.message_id, self._queue.name)

    async def _handle(self, message: QueueMessage) -> None:
        if message.dequeue_count > self._settings.max_dequeue_count:
            await self._give_up(message)
            return
        try:
            body = _decoded(message.text, self._settings.message_encoding)
        except ValueError:
            _log.error("Message %s of %s is not base64: poison", message.message_id, self._queue.name)
            await self._give_up(message)
            return
        held = _HeldMessage(self._queue, message, self._lease, self._sleep)
        try:
            succeeded = await self._process(message, body)
        finally:
            message = await held.release()
        await self._settle(message, succeeded=succeeded)

    async def _settle(self, message: QueueMessage, *, succeeded: bool) -> None:
        if succeeded:
            await self._queue.delete(message)
        elif self._poison is None:
            _log.warning("Message %s of %s comes back after %s", message.message_id, self._queue.name, self._lease)
        elif message.dequeue_count >= self._settings.max_dequeue_count:
            await self._give_up(message)
        else:
            await self._queue.set_visibility(message, self._settings.visibility_timeout)

    async def _give_up(self, message: QueueMessage) -> None:
        """Copy, then delete: a crash between the two leaves a duplicate, never a loss."""
        if self._poison is None:
            return
        await self._poison.send(message.text)
        await self._queue.delete(message)
        _log.error("Message %s of %s moved to %s", message.message_id, self._queue.name, self._poison.name)


class _HeldMessage:
    """Keeps a message invisible while its function runs, by renewing at half of the lease."""

    def __init__(self, queue: Queue, message: QueueMessage, lease: timedelta, sleep: Sleep) -> None:
        self._queue = queue
        self._message = message
        self._lease = lease
        self._stop = Stop(sleep)
        self._renewals = asyncio.create_task(self._renew(), name=f"renewal of {message.message_id}")

    async def release(self) -> QueueMessage:
        """The message with its latest pop receipt. A renewal under way is awaited, since it changes the receipt."""
        self._stop.request()
        await self._renewals
        return self._message

    async def _renew(self) -> None:
        usual = delay = self._lease.total_seconds() / 2
        while True:
            await self._stop.pause(delay)
            if self._stop.requested:
                return
            try:
                self._message = await self._queue.set_visibility(self._message, self._lease)
                delay = usual
            except StorageUnavailable as error:
                delay = min(usual, max(delay / 2, _RENEWAL_RETRY_SECONDS))
                _log.warning("Message %s of %s not renewed: %s", self._message.message_id, self._queue.name, error)
            except MessageGone:
                return


def _decoded(text: str, encoding: Literal["base64", "none"]) -> bytes:
    return base64.b64decode(text, validate=True) if encoding == "base64" else text.encode()
