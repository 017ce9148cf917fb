"""The acknowledging door: authenticate, coalesce, queue, answer. It calls neither Graph nor Dataverse.

Graph gives a notification three seconds and holds slow answers against the whole endpoint (Graph documentation,
change-notifications-delivery-webhooks), so this module and what it imports stay light. Dataverse waits a minute, but
asks once more at most, and never again after a time-out (Dataverse documentation, use-webhooks).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sync.core.acceptance import Accepted
from sync.core.errors import RejectedRequest, ServiceUnavailable
from sync.core.notifications import validation_answer
from sync.core.webhooks import accept_booking_webhook, authenticate_webhook
from sync.core.work_items import MailboxTask, WorkItem
from sync.telemetry import Received, tell

if TYPE_CHECKING:
    from sync.service.ports import Clock, NewId, WorkQueue  # which know everything that is stored

logger = logging.getLogger(__name__)

PUTS_AT_ONCE = 32
"""How many messages of one body are written to the queue at a time."""

_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer in plain text."""

    status: int
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: dict(_HEADERS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What the door needs: secrets to tell Graph from others, the tenant, the queue, and the settle time in seconds.

    `webhook_secrets` tell Dataverse from others; without one, nobody is let in by them.
    """

    secrets: Sequence[str]
    tenant_id: str
    queue: "WorkQueue"
    clock: "Clock"
    new_id: "NewId"
    settle_seconds: float
    webhook_secrets: Sequence[str] = ()


type Parse = Callable[..., Accepted]


async def answer_post(body: bytes, validation_token: str | None, parse: Parse, open_door: Callable[[], Door]) -> Reply:
    """Answer a POST to one of our notification URLs; `parse` is that of change or of lifecycle notifications.

    The handshake comes before any body is looked at, and before the door is opened: it needs no queue, and a cold
    instance answers it sooner without. 202 means that the queue has the work; 503 that it has not, so
    that Graph delivers again. Which items were dropped is not told: the answer is no oracle.
    """
    try:
        if validation_token is not None:
            return Reply(status=200, text=validation_answer(validation_token))
        door = open_door()
        accepted = parse(
            body,
            secrets=door.secrets,
            tenant_id=door.tenant_id,
            now=door.clock(),
            new_id=door.new_id,
        )
    except RejectedRequest as error:
        return _reject(error)
    return await _acknowledge(accepted, door)


async def answer_webhook(body: bytes, presented_secret: str | None, open_door: Callable[[], Door]) -> Reply:
    """Answer a POST of a Dataverse webhook, which proves itself by its secret before its body is looked at.

    202 means that the queue has the work, or that there is none; 503 that it has not, so that Dataverse asks once more.
    """
    door = open_door()
    if not authenticate_webhook(presented_secret, door.webhook_secrets):
        logger.warning("A webhook without a secret of ours was rejected.", extra={"action": "rejected"})
        refused = Accepted(items=(), received=1, dropped=Counter({"webhook-secret": 1}))
        tell(Received(accepted=refused, began_at=door.clock(), ended_at=door.clock()))
        return Reply(status=401)
    try:
        accepted = accept_booking_webhook(body, now=door.clock(), new_id=door.new_id)
    except RejectedRequest as error:
        return _reject(error)
    return await _acknowledge(accepted, door)


def _reject(error: RejectedRequest) -> Reply:
    logger.warning("A request was rejected: %s", error.reason, extra={"action": "rejected"})
    return Reply(status=error.http_status, text=str(error.args[0]))


async def _acknowledge(accepted: Accepted, door: Door) -> Reply:
    began_at = door.clock()
    try:
        await _queue_all(accepted.items, door)
    except ServiceUnavailable as error:
        logger.error(
            "Work could not be queued: %s",
            error.reason,
            extra={"action": "not-queued", "error_class": type(error).__name__},
        )
        return Reply(status=503, text="The queue cannot be written.", headers={**_HEADERS, "Retry-After": "10"})
    _log(accepted)
    tell(Received(accepted=accepted, began_at=began_at, ended_at=door.clock()))
    return Reply(status=202)


async def _queue_all(items: Sequence[WorkItem], door: Door) -> None:
    """Queue every item; raises when one could not be, although others may have been: repeating is harmless."""
    for start in range(0, len(items), PUTS_AT_ONCE):
        async with asyncio.TaskGroup() as group:
            puts = [group.create_task(_put(item, door)) for item in items[start : start + PUTS_AT_ONCE]]
        for put in puts:
            if (error := put.result()) is not None:
                raise error


async def _put(item: WorkItem, door: Door) -> ServiceUnavailable | None:
    """Queue one item; answers the failure, so that the others of its group still get their chance."""
    delay_seconds = 0 if isinstance(item, MailboxTask) else door.settle_seconds
    try:
        await door.queue.put(item, delay_seconds=delay_seconds)
    except ServiceUnavailable as error:
        return error
    return None


def _log(accepted: Accepted) -> None:
    level = logging.WARNING if accepted.dropped else logging.INFO
    logger.log(
        level,
        "Acknowledged %d notifications as %d items; dropped %s.",
        accepted.received,
        len(accepted.items),
        dict(accepted.dropped) or "none",
        extra={
            "action": "acknowledged",
            "received": accepted.received,
            "queued": len(accepted.items),
            "dropped": dict(accepted.dropped),
            "correlation_ids": [item.correlation_id for item in accepted.items],
        },
    )
