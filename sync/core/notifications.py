"""Graph's change and lifecycle notifications: handshake, parsing, authentication. Pure.

This module is on the acknowledging path: it must import nothing heavy. Rules: Graph documentation,
change-notifications-delivery-webhooks (2026-04-22), change-notifications-lifecycle-events (2026-03-24),
resources/changenotification (2026-10-01); checked 2026-11-21.
"""

import hmac
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from sync.core.acceptance import Accepted, is_opaque_id, read_json
from sync.core.coalescing import merge
from sync.core.errors import RejectedRequest
from sync.core.work_items import EventChange, MailboxJob, MailboxTask

MAXIMUM_TOKEN_CHARACTERS = 2048

CLIENT_STATE_PURPOSE = b"bookingsync graph subscription "


def validation_answer(token: str) -> str:
    """The text that answers the handshake: the token as decoded from the query, unchanged.

    Raises `RejectedRequest` for a token that Graph would not send. `text/plain` with `nosniff` keeps it from being
    markup, whatever it holds.
    """
    if not token or len(token) > MAXIMUM_TOKEN_CHARACTERS or not token.isprintable():
        raise RejectedRequest("The validation token is empty, too long or not text.", status=400)
    return token


def client_state(mailbox_id: str, secret: str) -> str:
    """The client state of a mailbox's subscription: the mailbox id and its HMAC-SHA256, 80 of 128 characters.

    Derived, so nothing is stored, and carrying the id, because a lifecycle notification names no mailbox otherwise.
    """
    digest = hmac.new(secret.encode(), CLIENT_STATE_PURPOSE + mailbox_id.encode(), sha256).digest()
    return f"{mailbox_id}.{urlsafe_b64encode(digest).decode().rstrip('=')}"


def authenticate(presented: Any, secrets: Sequence[str]) -> str | None:
    """The mailbox id that a client state proves, None for a forged one. Compares in constant time.

    `secrets` are the current secret and, while rotating, the previous one.
    """
    if not isinstance(presented, str) or not presented.isascii() or len(presented) > 128:
        return None
    mailbox_id = presented.partition(".")[0]
    matches = [hmac.compare_digest(presented, client_state(mailbox_id, secret)) for secret in secrets]
    return mailbox_id if any(matches) else None


def parse_collection(body: bytes) -> list[Any]:
    """The items of a notification body. Raises `RejectedRequest` when it is not a collection at all."""
    document = read_json(body)
    items = document.get("value") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise RejectedRequest('The body has no "value" array.', status=400)
    return items


def accept_changes(
    body: bytes, *, secrets: Sequence[str], tenant_id: str, now: datetime, new_id: Callable[[], str]
) -> Accepted:
    """The work in a body of change notifications: one item per event, however often the body names it.

    Every notification is judged alone; a bad one is counted and dropped. Raises `RejectedRequest`.
    """
    notifications = parse_collection(body)
    dropped: Counter[str] = Counter()
    by_event: dict[tuple[str, str], list[EventChange]] = {}
    for notification in notifications:
        mailbox_id, reason = _sender(notification, secrets, tenant_id)
        data = notification.get("resourceData") if mailbox_id else None
        event_id, etag = (data.get("id"), data.get("@odata.etag")) if isinstance(data, dict) else (None, None)
        if mailbox_id is None or not is_opaque_id(event_id):
            dropped[reason or "malformed"] += 1
            continue
        change = EventChange(
            mailbox_id=mailbox_id,
            event_id=event_id,
            received_at=now,
            correlation_id="",
            etags=(etag,) if isinstance(etag, str) and len(etag) <= 512 else (),
            is_removed=notification.get("changeType") == "deleted",
        )
        by_event.setdefault((mailbox_id, event_id), []).append(change)
    items = [replace(merge(changes), correlation_id=new_id()) for changes in by_event.values()]
    return Accepted(items=items, received=len(notifications), dropped=dropped)


_JOB_OF_LIFECYCLE_EVENT = {
    "reauthorizationRequired": MailboxJob.RENEW,
    "subscriptionRemoved": MailboxJob.SUBSCRIBE,
    "missed": MailboxJob.SWEEP,
}


def accept_lifecycle(
    body: bytes, *, secrets: Sequence[str], tenant_id: str, now: datetime, new_id: Callable[[], str]
) -> Accepted:
    """The work in a body of lifecycle notifications: one task per mailbox and job. Raises `RejectedRequest`."""
    notifications = parse_collection(body)
    dropped: Counter[str] = Counter()
    tasks: dict[tuple[str, MailboxJob], MailboxTask] = {}
    for notification in notifications:
        mailbox_id, reason = _sender(notification, secrets, tenant_id)
        lifecycle_event = notification.get("lifecycleEvent") if mailbox_id else None
        job = _JOB_OF_LIFECYCLE_EVENT.get(lifecycle_event) if isinstance(lifecycle_event, str) else None
        subscription_id = notification.get("subscriptionId") if mailbox_id else None
        if mailbox_id is None or job is None or not is_opaque_id(subscription_id):
            dropped[reason or "malformed"] += 1
            continue
        if (mailbox_id, job) not in tasks:
            tasks[mailbox_id, job] = MailboxTask(
                mailbox_id=mailbox_id,
                job=job,
                received_at=now,
                correlation_id=new_id(),
                subscription_id=subscription_id,
            )
    return Accepted(items=list(tasks.values()), received=len(notifications), dropped=dropped)


def _sender(notification: Any, secrets: Sequence[str], tenant_id: str) -> tuple[str | None, str]:
    """The mailbox that a notification proves to be about, or None and why it is dropped."""
    if not isinstance(notification, dict):
        return None, "malformed"
    mailbox_id = authenticate(notification.get("clientState"), secrets)
    if mailbox_id is None:
        return None, "client-state"
    tenant = notification.get("tenantId")
    if not isinstance(tenant, str) or tenant.lower() != tenant_id.lower():
        return None, "tenant"
    return mailbox_id, ""
