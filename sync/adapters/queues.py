"""The work queues on Azure Queue Storage.

It is on the acknowledging path, where a notification must be answered within seconds: it imports nothing beyond the
queue client, and gives up soon enough for the door to answer 503. Limits are those of the Queue service
(Azure documentation, rest/api/storageservices/put-message, checked 2026-11-21).
"""

from base64 import b64decode
from contextlib import suppress
from math import ceil

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from sync.adapters.storage_errors import storage_call
from sync.core.errors import Refused
from sync.core.work import POISON_SUFFIX, QUEUES, item_to_text, queue_of
from sync.core.work_items import WorkItem

MESSAGE_LIMIT_BYTES = 49_152
"""What is left of the service's 64 KiB after base64, which the Functions host expects (host.json, messageEncoding)."""

LONGEST_DELAY_SECONDS = 7 * 24 * 60 * 60

PEEKED = 32
"""The most that one call shows."""

NEVER_EXPIRES = -1
"""Time to live. The service's default of 7 days would lose work silently in a long outage."""


class StorageWorkQueue:
    """`WorkQueue` on Azure Queue Storage. A queue that is missing is created when it is first written to."""

    def __init__(self, service: QueueServiceClient, *, deadline_seconds: float = 2.0) -> None:
        """`deadline_seconds` bounds each operation as a whole; Graph waits 3 s for the door that stands before it."""
        self._service = service
        self._deadline_seconds = deadline_seconds
        self._clients: dict[str, QueueClient] = {}

    async def put(self, item: WorkItem, *, delay_seconds: float = 0) -> None:
        """See `WorkQueue.put`. The service counts whole seconds: a delay is rounded up, and cut at 7 days."""
        await self._send(queue_of(item), item_to_text(item), delay_seconds)

    async def put_text(self, queue: str, text: str) -> None:
        """See `WorkQueue.put_text`. Raises `Refused` for a text over `MESSAGE_LIMIT_BYTES`."""
        await self._send(queue, text, 0)

    async def approximate_lengths(self) -> dict[str, int]:
        """Messages per queue and poison queue, delayed ones and those in work included; 0 for a missing queue."""
        return {name: await self._length(name) for queue in QUEUES for name in (queue, queue + POISON_SUFFIX)}

    async def peek(self, queue: str) -> list[str]:
        """See `QueueGauge.peek`."""
        async with storage_call(f"queue {queue}", self._deadline_seconds):
            try:
                shown = await self._client(queue).peek_messages(max_messages=PEEKED)
            except ResourceNotFoundError:
                return []
        texts = []
        for message in shown:
            with suppress(ValueError):  # Somebody else's: what is not base64 ends in the poison queue.
                texts.append(b64decode(message.content).decode())
        return texts

    async def _length(self, queue: str) -> int:
        async with storage_call(f"queue {queue}", self._deadline_seconds):
            try:
                properties = await self._client(queue).get_queue_properties()
            except ResourceNotFoundError:
                return 0
        return properties.approximate_message_count or 0

    async def _send(self, queue: str, text: str, delay_seconds: float) -> None:
        if (size := len(text.encode())) > MESSAGE_LIMIT_BYTES:
            raise Refused(f"a message of {size} bytes for queue {queue}, which takes {MESSAGE_LIMIT_BYTES}", status=413)
        async with storage_call(f"queue {queue}", self._deadline_seconds):
            try:
                await self._send_once(queue, text, delay_seconds)
            except ResourceNotFoundError:
                with suppress(ResourceExistsError):  # another instance was quicker
                    await self._client(queue).create_queue()
                await self._send_once(queue, text, delay_seconds)

    async def _send_once(self, queue: str, text: str, delay_seconds: float) -> None:
        await self._client(queue).send_message(
            text,
            visibility_timeout=min(max(ceil(delay_seconds), 0), LONGEST_DELAY_SECONDS),
            time_to_live=NEVER_EXPIRES,
        )

    def _client(self, queue: str) -> QueueClient:
        if queue not in self._clients:
            self._clients[queue] = self._service.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())
        return self._clients[queue]
