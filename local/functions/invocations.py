"""Turns what a trigger received into the typed data and metadata that the worker expects, and runs the function.

Kinds of data and names of metadata are those that the vendor's host sends: GrpcMessageConversionExtensions, and
QueueTriggerBinding of the Storage Queues extension.
"""

import json
import logging
from datetime import UTC

from local.functions.protos import RpcHttp, TypedData
from local.functions.queues import QueueMessage
from local.functions.triggers import Function, QueueTrigger
from local.functions.worker import InvocationResult, Worker

_log = logging.getLogger(__name__)


class Invocations:
    """Runs functions, one method for each way to start one."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def by_request(self, function: Function, request: RpcHttp) -> InvocationResult:
        return await self._run(function, TypedData(http=request), {})

    async def by_message(self, function: Function, message: QueueMessage, body: bytes) -> bool:
        """Whether the function succeeded; a body that is not UTF-8 fails it, unless it takes bytes."""
        try:
            data = _message_data(function, body)
        except UnicodeDecodeError as error:
            _log.error("Function %s failed: message %s is not UTF-8: %s", function.name, message.message_id, error)
            return False
        result = await self._run(function, data, _metadata(message, body))
        return result.success

    async def by_timer(self, function: Function, information: str) -> None:
        """`information` is the timer's, as JSON. A failure is logged and has no further effect."""
        await self._run(function, TypedData(json=information), {})

    async def by_hand(self, function: Function, text: str) -> None:
        """Run a queue function with a message that was never in a queue: it has a body and nothing else."""
        metadata = {"QueueTrigger": TypedData(string=text), "DequeueCount": TypedData(json="0")}
        await self._run(function, _message_data(function, text.encode()), metadata)

    async def _run(self, function: Function, data: TypedData, metadata: dict[str, TypedData]) -> InvocationResult:
        return await self._worker.invoke(function.indexed, {function.trigger.parameter: data}, metadata)


def _message_data(function: Function, body: bytes) -> TypedData:
    if isinstance(function.trigger, QueueTrigger) and function.trigger.as_bytes:
        return TypedData(bytes=body)
    return TypedData(string=body.decode())


def _metadata(message: QueueMessage, body: bytes) -> dict[str, TypedData]:
    moments = {
        "InsertionTime": message.inserted_at,
        "ExpirationTime": message.expires_at,
        "NextVisibleTime": message.next_visible_at,
    }
    return {
        "QueueTrigger": TypedData(string=body.decode(errors="replace")),
        "Id": TypedData(string=message.message_id),
        "PopReceipt": TypedData(string=message.pop_receipt),
        "DequeueCount": TypedData(json=str(message.dequeue_count)),
        **{name: TypedData(json=json.dumps(moment.astimezone(UTC).isoformat())) for name, moment in moments.items()},
    }
