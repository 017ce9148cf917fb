"""Which use case handles which work item. One step above the use cases, one below the triggers."""

from typing import Protocol

from sync.core.actions import Reason
from sync.core.errors import InvalidPayload
from sync.core.rules import Rules
from sync.core.work import BOOKING_CHANGES_QUEUE, EVENT_CHANGES_QUEUE, MAILBOX_TASKS_QUEUE
from sync.core.work_items import BookingChange, EventChange, MailboxJob, MailboxTask, WorkItem, WorkOrderChange
from sync.service.answering import find_followed, read_answers
from sync.service.booking_items import queue_bookings_of
from sync.service.delivering import deliver_booking
from sync.service.disposal import handle_message
from sync.service.outcome import Outcome
from sync.service.ports import Ports
from sync.service.reconciling import reconcile_event
from sync.service.sweeping import sweep_mailbox
from sync.service.upkeep import tend_subscription


class Workshop(Protocol):
    """What the handlers work with; see `bootstrap`."""

    @property
    def ports(self) -> Ports: ...

    @property
    def rules(self) -> Rules: ...


async def handle_event_change(text: str, dequeue_count: int, maximum: int, shop: Workshop) -> None:
    """Handle one message of the event-changes queue. Raises what nobody foresaw, so that the host tries again."""

    async def handle(item: WorkItem) -> Outcome:
        if not isinstance(item, EventChange):
            raise InvalidPayload("Something else is on the queue of event changes.")
        if (followed := await find_followed(item, shop.ports)) is not None:
            return await read_answers(item, followed, shop.ports, shop.rules)
        if shop.rules.leaves_out(item.mailbox_id):
            return await _drop(item, shop.ports)
        return await reconcile_event(item, shop.ports, shop.rules)

    await handle_message(EVENT_CHANGES_QUEUE, text, dequeue_count, maximum, shop.ports, handle)


async def handle_booking_change(text: str, dequeue_count: int, maximum: int, shop: Workshop) -> None:
    """Handle one message of the booking-changes queue. Raises what nobody foresaw, so that the host tries again."""

    async def handle(item: WorkItem) -> Outcome:
        if isinstance(item, WorkOrderChange):
            return await queue_bookings_of(item, shop.ports)
        if not isinstance(item, BookingChange):
            raise InvalidPayload("Something else is on the queue of booking changes.")
        return await deliver_booking(item, shop.ports, shop.rules)

    await handle_message(BOOKING_CHANGES_QUEUE, text, dequeue_count, maximum, shop.ports, handle)


async def handle_mailbox_task(text: str, dequeue_count: int, maximum: int, shop: Workshop) -> None:
    """Handle one message of the mailbox-tasks queue. Raises what nobody foresaw, so that the host tries again."""

    async def handle(item: WorkItem) -> Outcome:
        if not isinstance(item, MailboxTask):
            raise InvalidPayload("Something else is on the queue of mailbox tasks.")
        if shop.rules.leaves_out(item.mailbox_id):
            return await _drop(item, shop.ports)
        if item.job is MailboxJob.SWEEP:
            return await sweep_mailbox(item, shop.ports, shop.rules)
        return await tend_subscription(item, shop.ports, shop.rules)

    await handle_message(MAILBOX_TASKS_QUEUE, text, dequeue_count, maximum, shop.ports, handle)


async def _drop(item: EventChange | MailboxTask, ports: Ports) -> Outcome:
    """Leave undone what is asked for in a mailbox that MAILBOXES leaves out by now.

    The cursor may have passed what is dropped, so it goes as well: a mailbox that comes back begins with a full round.
    """
    await ports.state.delete_cursor(item.mailbox_id)
    return Outcome(action="dropped", reason=Reason.NOT_SYNCED)
