"""What becomes of a queue message: done, delayed, quarantined, buried, or left to the host for another attempt.

Each ends with a journal row or back on the queue; never in silence. Waiting does not count towards poison: an item that
must wait is queued anew with a delay, and its message completed. What counts are crashes and bugs.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import assert_never
from uuid import NAMESPACE_OID, uuid5

from sync.calls import counted_calls
from sync.core.errors import (
    AccessDenied,
    Busy,
    InvalidPayload,
    MailboxUnavailable,
    StaleRead,
    SyncError,
    TransientError,
)
from sync.core.journal import DELAYED, DeadLetter, JournalEntry
from sync.core.mailboxes import BOOKINGS
from sync.core.work import POISON_SUFFIX, item_from_text
from sync.core.work_items import BookingChange, EventChange, MailboxTask, Source, WorkItem, WorkOrderChange, mailbox_of
from sync.service.outcome import Outcome
from sync.service.ports import Ports
from sync.service.quarantine import quarantine_mailbox
from sync.telemetry import Buried, Handled, gathered_calls, tell

logger = logging.getLogger(__name__)

FIRST_DELAY_SECONDS = 15.0
LONGEST_DELAY_SECONDS = 600.0

PATIENCE = timedelta(hours=24)
"""An item that cannot be handled this long after its first trouble is buried with the last error as its reason.

When it was received does not count: it may have lain on its queue for days, while the settings were refused.
"""

type Handler = Callable[[WorkItem], Awaitable[Outcome]]


async def handle_message(
    queue: str, text: str, dequeue_count: int, maximum: int, ports: Ports, handle: Handler
) -> None:
    """Handle one message of `queue`, which comes for the `dequeue_count`-th time of at most `maximum`.

    Raises only what nobody foresaw, and that not at the last attempt: then the host makes the message visible again.
    """
    try:
        item = item_from_text(text)
    except InvalidPayload as error:
        await bury(queue, text, error, None, ports)
        return
    started_at = ports.clock()
    with counted_calls() as calls, gathered_calls() as requests:
        outcome = await _attempt(queue, text, item, dequeue_count, maximum, ports, handle)
    if outcome is None:
        return
    ended_at = ports.clock()
    entry = JournalEntry(
        mailbox_id=outcome.mailbox_id or mailbox_of(item) or BOOKINGS,
        correlation_id=item.correlation_id,
        at=ended_at,
        received_at=item.received_at,
        source=item.source,
        action=outcome.action,
        reason=outcome.reason,
        event_id=outcome.event_id or (item.event_id if isinstance(item, EventChange) else None),
        booking_id=outcome.booking_id or (item.booking_id if isinstance(item, BookingChange) else None),
        calls=dict(calls),
        duration_ms=int((ended_at - started_at).total_seconds() * 1000),
        before=outcome.before,
        after=outcome.after,
        about=_subject(item),
        deferrals=item.deferrals,
        former_mailbox_id=outcome.former_mailbox_id,
    )
    _log(entry, dequeue_count)
    if outcome.is_news or item.deferrals:
        await _write_journal(entry, ports)
    tell(
        Handled(
            queue=queue,
            item=item,
            dequeue_count=dequeue_count,
            began_at=started_at,
            entry=entry,
            calls=requests,
            error_class=outcome.error_class,
            is_news=outcome.is_news,
        )
    )


async def _write_journal(entry: JournalEntry, ports: Ports) -> None:
    """Raises `TransientError`, so that the item is done again; not when it is queued anew already, and would double."""
    try:
        await ports.journal.write(entry)
    except TransientError as error:
        if entry.action != DELAYED:
            raise
        logger.warning("A journal row was not written: %s", error.reason, extra={"action": "journal-failed"})


async def _attempt(
    queue: str, text: str, item: WorkItem, dequeue_count: int, maximum: int, ports: Ports, handle: Handler
) -> Outcome | None:
    """What the item came to; None when it only waits for another worker, which is no news."""
    try:
        return await handle(item)
    except MailboxUnavailable as error:
        mailbox_id = error.mailbox_id or mailbox_of(item)
        await quarantine_mailbox(mailbox_id, error, ports)
        return Outcome(
            action="quarantined", reason=error.reason, mailbox_id=mailbox_id, error_class=type(error).__name__
        )
    except (TransientError, AccessDenied) as error:
        return await _put_off(queue, text, error, item, ports)
    except SyncError as error:
        return await _buried(queue, text, error, item, ports)
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        # Nobody cancelled us: a library's own. The Functions worker would never answer if it escaped.
        raise RuntimeError(f"{queue} was cancelled from within.") from error
    except Exception as error:
        # The one place that catches everything: a bug must not take the item with it.
        logger.exception(
            "%s failed unexpectedly with %s [%s]",
            queue,
            type(error).__name__,
            item.correlation_id,
            extra={"action": "failed", "correlation_id": item.correlation_id, "dequeue_count": dequeue_count},
        )
        if dequeue_count < maximum:
            raise
        return await _buried(queue, text, error, item, ports)


async def _buried(queue: str, text: str, error: Exception, item: WorkItem, ports: Ports) -> Outcome:
    await bury(queue, text, error, item, ports)
    error_class = type(error).__name__
    if isinstance(error, SyncError):
        return Outcome(action="buried", reason=error.reason, mailbox_id=error.mailbox_id, error_class=error_class)
    return Outcome(action="buried", reason=repr(error), error_class=error_class)


async def _put_off(
    queue: str, text: str, error: TransientError | AccessDenied, item: WorkItem, ports: Ports
) -> Outcome | None:
    """Delay an item that may be handled later, as long as there is patience; None when nobody needs to know."""
    if item.waiting_since is not None and ports.clock() - item.waiting_since > PATIENCE:
        return await _buried(queue, text, error, item, ports)
    if isinstance(error, AccessDenied) and not item.deferrals:
        _log_denial(queue, error, item)
    delay_seconds = await _delay(item, error, ports)
    if isinstance(error, Busy):
        return None
    reason = f"{delay_seconds:.0f} s: {error.reason}"
    return Outcome(action=DELAYED, reason=reason, mailbox_id=error.mailbox_id, error_class=type(error).__name__)


def _log_denial(queue: str, error: AccessDenied, item: WorkItem) -> None:
    """Once for each item, when it begins to wait: unlike in an outage, it waits for a person."""
    logger.error(
        "A message of %s waits for a permission: %s [%s]",
        queue,
        error.reason,
        item.correlation_id,
        extra={"action": "denied", "error_class": type(error).__name__, "correlation_id": item.correlation_id},
    )


async def _delay(item: WorkItem, error: TransientError | AccessDenied, ports: Ports) -> float:
    """Queue the item anew, invisible for as long as asked, else ever longer; answers the seconds."""
    backoff = min(FIRST_DELAY_SECONDS * 2 ** min(item.deferrals, 10), LONGEST_DELAY_SECONDS)
    asked_seconds = error.retry_after_seconds if isinstance(error, TransientError) else None
    delay_seconds = backoff if asked_seconds is None else asked_seconds
    if item.deferrals and not isinstance(error, Busy | StaleRead):
        # A service that names the same short wait again and again must not be asked every two seconds for hours.
        delay_seconds = max(delay_seconds, backoff / 8)
    later = replace(item, deferrals=item.deferrals + 1, waiting_since=item.waiting_since or ports.clock())
    if isinstance(error, StaleRead) and isinstance(later, EventChange):
        later = replace(later, rechecks=later.rechecks + 1)
    await ports.queue.put(later, delay_seconds=delay_seconds)
    return delay_seconds


async def bury(queue: str, text: str, error: Exception, item: WorkItem | None, ports: Ports) -> None:
    """Put a message among the dead letters, with its class, its reason and what can be done.

    The letter's id is derived from what the message is about and the class, so that one trouble is one letter however
    many notifications tell of it.
    """
    if not isinstance(error, SyncError):
        error = Unexpected(repr(error)[:500])
    letter = DeadLetter(
        letter_id=str(uuid5(NAMESPACE_OID, f"{queue} {_subject(item) or text} {type(error).__name__}")),
        queue=queue,
        error_class=type(error).__name__,
        reason=error.reason,
        mend=_mend(error),
        item=text,
        mailbox_id=error.mailbox_id or (mailbox_of(item) if item else ""),
        correlation_id=item.correlation_id if item else "",
        at=ports.clock(),
    )
    await ports.dead_letters.bury(letter)
    tell(Buried(queue=queue, error_class=letter.error_class))
    logger.error(
        "A message of %s is buried as %s: %s [%s]",
        queue,
        letter.error_class,
        letter.reason,
        letter.correlation_id or "no work item",
        extra={"action": "buried", "error_class": letter.error_class, "correlation_id": letter.correlation_id},
    )


def _mend(error: SyncError) -> str:
    """What a person can do. What may pass by itself says "nothing", but nobody tries a letter again by itself."""
    if error.mend == TransientError.mend:
        return f"When the cause is over, replay it: python -m sync replay --class {type(error).__name__}"
    return error.mend


def _subject(item: WorkItem | None) -> str:
    """What an item is about: an event, a booking, a work order, or a job for a mailbox."""
    match item:
        case None:
            return ""
        case EventChange():
            return f"{item.mailbox_id} {item.event_id}"
        case BookingChange():
            return item.booking_id
        case WorkOrderChange():
            return item.work_order_id
        case MailboxTask():
            return f"{item.mailbox_id} {item.job}"
        case _:
            assert_never(item)


async def collect_poison(poison_queue: str, text: str, ports: Ports) -> None:
    """Bury a message that the host gave up on, because it never ended: the worker died or hung each time."""
    queue = poison_queue.removesuffix(POISON_SUFFIX)
    try:
        item = item_from_text(text)
    except InvalidPayload:
        item = None
    error = WorkerLost("The worker died or hung each time this message was handled.")
    await bury(queue, text, error, item, ports)


class Unexpected(SyncError):
    """Something that nobody foresaw, at the last attempt."""

    mend = "A bug: see the log for the correlation id, then replay the item."


class WorkerLost(SyncError):
    """The Functions host moved a message to its poison queue."""

    mend = "See the log around the item's correlation id for what killed the worker, then replay the item."


async def replay(letter: DeadLetter, ports: Ports) -> None:
    """Give a dead letter another life: queued first, removed then, so that a crash between the two repeats it."""
    try:
        item = item_from_text(letter.item)
    except InvalidPayload:
        await ports.queue.put_text(letter.queue, letter.item)
    else:
        fresh = replace(item, received_at=ports.clock(), source=Source.REPLAY, deferrals=0, waiting_since=None)
        await ports.queue.put(fresh)
    await ports.dead_letters.remove(letter.letter_id)


def _log(entry: JournalEntry, dequeue_count: int) -> None:
    """One line per item: a sentence for people, fields for machines."""
    fields: Mapping[str, object] = {
        "action": entry.action,
        "outcome": entry.reason,
        "mailbox_id": entry.mailbox_id,
        "event_id": entry.event_id,
        "booking_id": entry.booking_id,
        "correlation_id": entry.correlation_id,
        "dequeue_count": dequeue_count,
        "duration_ms": entry.duration_ms,
        "calls": json.dumps(entry.calls),
    }
    logger.info(
        "%s (%s) in %d ms, calls %s [%s]",
        entry.action,
        entry.reason,
        entry.duration_ms,
        fields["calls"],
        entry.correlation_id,
        extra=dict(fields),
    )
