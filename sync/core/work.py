"""Work items as queue text and back. Pure.

The text is JSON with a version. Deployed versions of the app run side by side for a while (rolling updates), so a
reader ignores fields that it does not know, and a new field has a default.
"""

import json
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import Any

from sync.core.errors import InvalidPayload
from sync.core.model import EventChange, MailboxJob, MailboxTask, Source, WorkItem

VERSION = 1

EVENT_CHANGES_QUEUE = "event-changes"
MAILBOX_TASKS_QUEUE = "mailbox-tasks"
POISON_SUFFIX = "-poison"
"""The Functions host moves a message there when it failed `maxDequeueCount` times."""


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("a list of texts is something else")
    return tuple(value)


_KINDS: dict[str, type[EventChange] | type[MailboxTask]] = {"event": EventChange, "mailbox": MailboxTask}
_READERS: dict[str, Callable[[Any], Any]] = {
    "received_at": datetime.fromisoformat,
    "source": Source,
    "job": MailboxJob,
    "etags": _texts,
}


def queue_of(item: WorkItem) -> str:
    """The queue that items of this kind go to."""
    return EVENT_CHANGES_QUEUE if isinstance(item, EventChange) else MAILBOX_TASKS_QUEUE


def item_to_text(item: WorkItem) -> str:
    """One line of JSON, far below the 48 KiB that a queue message may hold."""
    kind = "event" if isinstance(item, EventChange) else "mailbox"
    values = {name.name: getattr(item, name.name) for name in fields(item)}
    values["received_at"] = item.received_at.isoformat()
    return json.dumps({"v": VERSION, "kind": kind, **values}, separators=(",", ":"))


def item_from_text(text: str) -> WorkItem:
    """Raises `InvalidPayload` for a text that no version of this app wrote."""
    try:
        data = json.loads(text)
        kind = _KINDS[data["kind"]]
        known = {field.name for field in fields(kind)}
        item = kind(**{name: _READERS.get(name, _same)(value) for name, value in data.items() if name in known})
        _check(item)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidPayload(f"a queue message is not a work item: {error!r}") from error
    return item


def _check(item: WorkItem) -> None:
    """Raises `ValueError` for values that no version of this app wrote."""
    ids: list[object] = [
        item.mailbox_id,
        item.correlation_id,
        *([item.event_id] if isinstance(item, EventChange) else []),
    ]
    if isinstance(item, MailboxTask) and item.subscription_id is not None:
        ids.append(item.subscription_id)
    if not all(isinstance(one, str) and one and one.isascii() for one in ids):
        raise ValueError("an id is missing")
    if item.received_at.tzinfo is None:
        raise ValueError("a time has no zone")
    counts = [item.deferrals, *([item.rechecks] if isinstance(item, EventChange) else [])]
    flags = [item.is_removed if isinstance(item, EventChange) else item.is_full]
    if not all(type(one) is int for one in counts) or not all(type(one) is bool for one in flags):
        raise ValueError("a value has the wrong type")


def _same(value: Any) -> Any:
    return value
