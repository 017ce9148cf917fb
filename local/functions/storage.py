"""Azure Storage queues (or Azurite's) behind the listener's `Queue` protocol.

Status codes: "Queue Storage error codes". A single request is retried as the storage client of the vendor's host does
it: three times, starting at about a second; polling is not retried here, the listener does that.
"""

from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage as StoredMessage
from azure.storage.queue.aio import QueueClient

from local.functions.queues import MessageGone, QueueMessage, StorageUnavailable


class StorageQueue:
    """One queue by connection string. Close it when done."""

    def __init__(self, connection_string: str, name: str) -> None:
        """Raises `ValueError` for a connection string that is none."""
        self.name = name
        self._client = QueueClient.from_connection_string(
            connection_string, name, retry_total=3, initial_backoff=1, increment_base=2, random_jitter_range=0
        )

    async def close(self) -> None:
        await self._client.close()

    async def receive(self, count: int, visibility: timedelta) -> list[QueueMessage]:
        return await _answer(self._first_page(count, int(visibility.total_seconds())))

    async def set_visibility(self, message: QueueMessage, visibility: timedelta) -> QueueMessage:
        seconds = int(visibility.total_seconds())
        updated = await _answer(
            self._client.update_message(message.message_id, message.pop_receipt, visibility_timeout=seconds)
        )
        return replace(message, pop_receipt=str(updated.pop_receipt), next_visible_at=_known(updated.next_visible_on))

    async def delete(self, message: QueueMessage) -> None:
        await _answer(self._client.delete_message(message.message_id, message.pop_receipt))

    async def send(self, text: str) -> None:
        await _answer(self._send(text))

    async def _first_page(self, count: int, visibility_seconds: int) -> list[QueueMessage]:
        """One request. The SDK's own iteration would go on receiving until the queue is empty."""
        pages = self._client.receive_messages(
            messages_per_page=count, visibility_timeout=visibility_seconds, retry_total=0
        ).by_page()
        try:
            return [_received(message) async for message in await anext(pages)]
        except (StopAsyncIteration, ResourceNotFoundError):
            return []

    async def _send(self, text: str) -> None:
        try:
            await self._client.send_message(text)
        except ResourceNotFoundError:
            with suppress(ResourceExistsError):  # made by another host at the same time
                await self._client.create_queue()
            await self._client.send_message(text)


async def _answer[T](request: Awaitable[T]) -> T:
    try:
        return await request
    except AzureError as error:
        if isinstance(error, ResourceNotFoundError) or getattr(error, "error_code", "") == "PopReceiptMismatch":
            raise MessageGone from error
        raise StorageUnavailable(str(error).partition("\n")[0]) from error


def _received(message: StoredMessage) -> QueueMessage:
    return QueueMessage(
        message_id=message.id,
        pop_receipt=str(message.pop_receipt),
        text=message.content,
        dequeue_count=int(message.dequeue_count or 0),
        inserted_at=_known(message.inserted_on),
        expires_at=_known(message.expires_on),
        next_visible_at=_known(message.next_visible_on),
    )


def _known(moment: datetime | None) -> datetime:
    if moment is None:
        raise StorageUnavailable("the queue service left out a time that it always sends")
    return moment
