"""What the fakes offer to tests beyond the ports: the host's side of the queue, planned failures, checkpoints."""

from datetime import UTC, datetime, timedelta

import pytest

from sync.core.errors import ServiceUnavailable
from sync.core.work import EVENT_CHANGES_QUEUE, POISON_SUFFIX
from tests.contracts import stored_values as values
from tests.contracts.test_work_queue import CHANGE, TASK
from tests.fakes import FakeStateStore, FakeWorkQueue

START = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
def queue() -> FakeWorkQueue:
    return FakeWorkQueue(lambda: START)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def test_a_taken_message_is_hidden_and_comes_back_with_a_higher_count(queue: FakeWorkQueue) -> None:
    await queue.put(CHANGE)

    (first,) = queue.take_due(EVENT_CHANGES_QUEUE, START)

    assert first.dequeue_count == 1
    assert queue.take_due(EVENT_CHANGES_QUEUE, after(599)) == []
    assert queue.next_visible_at() == after(600)
    (second,) = queue.take_due(EVENT_CHANGES_QUEUE, after(600))
    assert (second.message_id, second.dequeue_count) == (first.message_id, 2)


async def test_only_who_took_a_message_last_may_complete_or_release_it(queue: FakeWorkQueue) -> None:
    await queue.put(CHANGE)
    (slow,) = queue.take_due(EVENT_CHANGES_QUEUE, START)
    (quick,) = queue.take_due(EVENT_CHANGES_QUEUE, after(600))

    assert not queue.complete(slow)
    assert not queue.release(slow, after(600))
    assert queue.complete(quick)
    assert not queue.complete(quick)
    assert queue.next_visible_at() is None


async def test_a_released_message_is_seen_again_after_its_visibility(queue: FakeWorkQueue) -> None:
    await queue.put(CHANGE)
    (message,) = queue.take_due(EVENT_CHANGES_QUEUE, START)

    assert queue.release(message, after(1), visibility_seconds=30)
    assert not queue.complete(message)
    assert queue.take_due(EVENT_CHANGES_QUEUE, after(30)) == []
    (again,) = queue.take_due(EVENT_CHANGES_QUEUE, after(31))
    assert again.dequeue_count == 2


async def test_a_poisoned_message_starts_anew_in_the_poison_queue(queue: FakeWorkQueue) -> None:
    await queue.put(CHANGE)
    (message,) = queue.take_due(EVENT_CHANGES_QUEUE, START)

    assert queue.poison(message)

    assert queue.messages(EVENT_CHANGES_QUEUE) == []
    (poisoned,) = queue.messages(EVENT_CHANGES_QUEUE + POISON_SUFFIX)
    assert (poisoned.text, poisoned.dequeue_count) == (message.text, 0)
    assert poisoned.message_id != message.message_id


async def test_the_next_moment_is_that_of_the_earliest_message_of_the_queues_asked_for(queue: FakeWorkQueue) -> None:
    await queue.put(CHANGE, delay_seconds=15)
    await queue.put(CHANGE, delay_seconds=3)
    await queue.put(TASK, delay_seconds=1)

    assert queue.next_visible_at() == after(1)
    assert queue.next_visible_at(EVENT_CHANGES_QUEUE) == after(3)
    assert len(queue.take_due(EVENT_CHANGES_QUEUE, after(3))) == 1


async def test_no_more_are_taken_than_asked_for_and_the_earliest_first(queue: FakeWorkQueue) -> None:
    for seconds in (3, 1, 2):
        await queue.put(CHANGE, delay_seconds=seconds)

    taken = queue.take_due(EVENT_CHANGES_QUEUE, after(5), limit=2)

    assert [message.message_id for message in taken] == ["message-2", "message-3"]


async def test_a_planned_failure_strikes_the_call_it_was_planned_for_and_no_other() -> None:
    state = FakeStateStore()
    state.fail_next("find_link", ServiceUnavailable("planned"), skip=1)

    assert await state.find_link("b") is None
    with pytest.raises(ServiceUnavailable, match="planned"):
        await state.find_link("b")
    assert await state.find_link("b") is None
    assert state.calls["find_link"] == 3


async def test_a_failure_before_the_effect_prevents_it_and_one_after_does_not() -> None:
    state = FakeStateStore()
    state.fail_next("save_cursor", ServiceUnavailable("before"))
    state.fail_next("save_cursor", ServiceUnavailable("after"), after_effect=True)

    with pytest.raises(ServiceUnavailable, match="before"):
        await state.save_cursor(values.CURSOR)
    assert await state.find_cursor(values.MAILBOX) is None
    with pytest.raises(ServiceUnavailable, match="after"):
        await state.save_cursor(values.CURSOR)
    assert await state.find_cursor(values.MAILBOX) == values.CURSOR


async def test_a_failure_can_be_planned_for_a_list() -> None:
    state = FakeStateStore()
    state.fail_next("list_quarantines", ServiceUnavailable("planned"))

    with pytest.raises(ServiceUnavailable, match="planned"):
        await anext(aiter(state.list_quarantines()))


def test_a_failure_of_an_operation_that_does_not_exist_is_a_mistake_in_the_test() -> None:
    with pytest.raises(ValueError, match="find_lnk"):
        FakeStateStore().fail_next("find_lnk", ServiceUnavailable("planned"))


async def test_a_checkpoint_sees_every_operation_before_its_effect_and_may_stop_it(queue: FakeWorkQueue) -> None:
    seen: list[str] = []

    async def stop_at_the_second(operation: str) -> None:
        seen.append(operation)
        if len(seen) == 2:
            raise RuntimeError("the worker dies here")

    queue.before_each = stop_at_the_second
    await queue.put(CHANGE)
    with pytest.raises(RuntimeError, match="dies"):
        await queue.put_text(EVENT_CHANGES_QUEUE, "{}")

    assert seen == ["put", "put_text"]
    assert len(queue.messages(EVENT_CHANGES_QUEUE)) == 1


async def test_a_store_that_loses_everything_finds_nothing() -> None:
    state = FakeStateStore()
    await state.save_known_event(values.KNOWN_EVENT)
    await state.save_known_booking(values.KNOWN_BOOKING)
    await state.save_link(values.LINK)
    await state.save_cursor(values.CURSOR)
    await state.save_booking_cursor(values.BOOKING_CURSOR)
    await state.save_backfill(values.BACKFILL)
    await state.save_quarantine(values.QUARANTINE)
    await state.save_breaker(values.BREAKER)
    await state.save_subscription_record(values.SUBSCRIPTION_RECORD)

    state.lose_everything()

    assert await state.find_known_event(values.MAILBOX, values.EVENT) is None
    assert await state.find_known_booking(values.BOOKING) is None
    assert await state.find_link(values.BOOKING) is None
    assert await state.find_cursor(values.MAILBOX) is None
    assert await state.find_booking_cursor() is None
    assert await state.find_backfill() is None
    assert await state.find_quarantine(values.MAILBOX) is None
    assert await state.find_breaker(values.MAILBOX) is None
    assert await state.find_subscription_record(values.MAILBOX) is None
