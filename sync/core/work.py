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
from sync.core.work_items import BookingChange, EventChange, MailboxJob, MailboxTask, Source, WorkItem, WorkOrderChange

VERSION = 1

EVENT_CHANGES_QUEUE = "event-changes"
BOOKING_CHANGES_QUEUE = "booking-changes"
MAILBOX_TASKS_QUEUE = "mailbox-tasks"
POISON_SUFFIX = "-poison"
"""The Functions host moves a message there when it failed `maxDequeueCount` times."""


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("a list of texts is something else")
    return tuple(value)


def _moment(value: Any) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


_KINDS: dict[str, type[WorkItem]] = {
    "event": EventChange,
    "booking": BookingChange,
    "work-order": WorkOrderChange,
    "mailbox": MailboxTask,
}
_QUEUES: dict[type[WorkItem], str] = {
    EventChange: EVENT_CHANGES_QUEUE,
    BookingChange: BOOKING_CHANGES_QUEUE,
    WorkOrderChange: BOOKING_CHANGES_QUEUE,
    MailboxTask: MAILBOX_TASKS_QUEUE,
}
QUEUES = (EVENT_CHANGES_QUEUE, BOOKING_CHANGES_QUEUE, MAILBOX_TASKS_QUEUE)
_READERS: dict[str, Callable[[Any], Any]] = {
    "received_at": datetime.fromisoformat,
    "waiting_since": _moment,
    "source": Source,
    "job": MailboxJob,
    "etags": _texts,
}


def queue_of(item: WorkItem) -> str:
    """The queue that items of this kind go to."""
    return _QUEUES[type(item)]


def item_to_text(item: WorkItem) -> str:
    """One line of JSON, far below the 48 KiB that a queue message may hold."""
    kind = next(name for name, kind in _KINDS.items() if kind is type(item))
    values = {name.name: getattr(item, name.name) for name in fields(item)}
    values["received_at"] = item.received_at.isoformat()
    values["waiting_since"] = item.waiting_since.isoformat() if item.waiting_since else None
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
    for field in fields(item):
        value = getattr(item, field.name)
        if field.name.endswith("_id") and not (_is_id(value) or (value is None and field.default is None)):
            raise ValueError(f"{field.name} is no id")
        if field.name.startswith("is_") and type(value) is not bool:
            raise ValueError(f"{field.name} has the wrong type")
        if field.name in ("deferrals", "rechecks") and type(value) is not int:
            raise ValueError(f"{field.name} has the wrong type")
        if field.name in ("etag", "fingerprint", "event_hash") and not isinstance(value, str | None):
            raise ValueError(f"{field.name} has the wrong type")
    if any(moment.tzinfo is None for moment in (item.received_at, item.waiting_since) if moment):
        raise ValueError("a time has no zone")


def _is_id(value: object) -> bool:
    return isinstance(value, str) and bool(value) and value.isascii()


def _same(value: Any) -> Any:
    return value
