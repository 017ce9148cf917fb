"""What every `WorkQueue` does, and what people see of it."""

import asyncio

import pytest

from sync.core.errors import Refused
from sync.core.work import (
    BOOKING_CHANGES_QUEUE,
    EVENT_CHANGES_QUEUE,
    MAILBOX_TASKS_QUEUE,
    POISON_SUFFIX,
    item_from_text,
)
from sync.core.work_items import BookingChange, EventChange, MailboxJob, MailboxTask, WorkOrderChange
from tests.contracts import stored_values as values
from tests.contracts.conftest import QueueHost

CHANGE = EventChange(
    mailbox_id=values.MAILBOX,
    event_id=values.EVENT,
    received_at=values.NOW,
    correlation_id="correlation-1",
    etags=('W/"ä"',),
)
BOOKING_CHANGE = BookingChange(booking_id=values.BOOKING, received_at=values.NOW, correlation_id="correlation-3")
WORK_ORDER_CHANGE = WorkOrderChange(work_order_id="order-1", received_at=values.NOW, correlation_id="correlation-4")
TASK = MailboxTask(
    mailbox_id=values.MAILBOX, job=MailboxJob.SWEEP, received_at=values.NOW, correlation_id="correlation-2"
)
LIMIT_BYTES = 49_152


async def test_each_kind_of_item_goes_to_its_queue(queue_host: QueueHost) -> None:
    for item in (CHANGE, TASK, BOOKING_CHANGE, WORK_ORDER_CHANGE):
        await queue_host.queue.put(item)

    assert [item_from_text(text) for text in await queue_host.receive(EVENT_CHANGES_QUEUE)] == [CHANGE]
    about_bookings = [item_from_text(text) for text in await queue_host.receive(BOOKING_CHANGES_QUEUE)]
    assert sorted(about_bookings, key=lambda item: item.correlation_id) == [BOOKING_CHANGE, WORK_ORDER_CHANGE]
    assert [item_from_text(text) for text in await queue_host.receive(MAILBOX_TASKS_QUEUE)] == [TASK]


async def test_a_delayed_item_is_invisible_until_it_is_due(queue_host: QueueHost) -> None:
    await queue_host.queue.put(CHANGE, delay_seconds=0.5)  # whole seconds in the service: never earlier than asked

    assert await queue_host.receive(EVENT_CHANGES_QUEUE) == []
    await queue_host.wait(1.05)
    assert len(await queue_host.receive(EVENT_CHANGES_QUEUE)) == 1


async def test_the_longest_delay_is_seven_days_and_a_longer_one_is_cut(queue_host: QueueHost) -> None:
    await queue_host.queue.put(CHANGE, delay_seconds=7 * 86_400)
    await queue_host.queue.put(CHANGE, delay_seconds=30 * 86_400)

    assert await queue_host.receive(EVENT_CHANGES_QUEUE) == []
    assert (await queue_host.queue.approximate_lengths())[EVENT_CHANGES_QUEUE] == 2


async def test_a_delay_that_has_passed_is_none(queue_host: QueueHost) -> None:
    await queue_host.queue.put(CHANGE, delay_seconds=-3)

    assert len(await queue_host.receive(EVENT_CHANGES_QUEUE)) == 1


@pytest.mark.parametrize("text", ["{}", "line\nline", '<a>&"ü🗓', "x" * LIMIT_BYTES, "ü" * (LIMIT_BYTES // 2)])
async def test_a_text_arrives_as_it_was_put(queue_host: QueueHost, text: str) -> None:
    await queue_host.queue.put_text(queue_host.own_queue, text)

    assert await queue_host.receive(queue_host.own_queue) == [text]


@pytest.mark.parametrize("text", ["x" * (LIMIT_BYTES + 1), "ü" * (LIMIT_BYTES // 2 + 1)])
async def test_a_text_over_the_limit_is_refused(queue_host: QueueHost, text: str) -> None:
    with pytest.raises(Refused, match=queue_host.own_queue):
        await queue_host.queue.put_text(queue_host.own_queue, text)
    assert await queue_host.receive(queue_host.own_queue) == []


async def test_twenty_first_writers_at_once_lose_nothing(queue_host: QueueHost) -> None:
    texts = [f"{number:02d}" for number in range(20)]

    await asyncio.gather(*(queue_host.queue.put_text(queue_host.own_queue, text) for text in texts))

    assert sorted(await queue_host.receive(queue_host.own_queue)) == texts


async def test_lengths_are_zero_where_no_queue_is(queue_host: QueueHost) -> None:
    assert await queue_host.queue.approximate_lengths() == {
        EVENT_CHANGES_QUEUE: 0,
        EVENT_CHANGES_QUEUE + POISON_SUFFIX: 0,
        BOOKING_CHANGES_QUEUE: 0,
        BOOKING_CHANGES_QUEUE + POISON_SUFFIX: 0,
        MAILBOX_TASKS_QUEUE: 0,
        MAILBOX_TASKS_QUEUE + POISON_SUFFIX: 0,
    }


async def test_lengths_count_waiting_delayed_and_poisoned_messages(queue_host: QueueHost) -> None:
    await queue_host.queue.put(CHANGE)
    await queue_host.queue.put(CHANGE, delay_seconds=3600)
    await queue_host.queue.put(BOOKING_CHANGE)
    for queue in (BOOKING_CHANGES_QUEUE, BOOKING_CHANGES_QUEUE, MAILBOX_TASKS_QUEUE):
        await queue_host.queue.put_text(queue + POISON_SUFFIX, "{}")

    assert await queue_host.queue.approximate_lengths() == {
        EVENT_CHANGES_QUEUE: 2,
        EVENT_CHANGES_QUEUE + POISON_SUFFIX: 0,
        BOOKING_CHANGES_QUEUE: 1,
        BOOKING_CHANGES_QUEUE + POISON_SUFFIX: 2,
        MAILBOX_TASKS_QUEUE: 0,
        MAILBOX_TASKS_QUEUE + POISON_SUFFIX: 1,
    }
