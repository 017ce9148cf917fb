"""The queues in memory keep the same promises as the storage service's, so that what is proven on one holds on both."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from local.functions.memory_queues import QueueAccount
from local.functions.queues import MessageGone, Queue, StorageUnavailable
from local.functions.storage import StorageQueue
from tests.local.virtual_time import VirtualTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sut:
    """A fresh queue that does not exist yet, and a way to let a second pass for it."""

    queue: Queue
    wait: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["memory", pytest.param("azurite", marks=pytest.mark.slow)])
async def sut(request: pytest.FixtureRequest) -> AsyncIterator[Sut]:
    name = f"contract-{uuid.uuid4().hex[:8]}"
    if request.param == "memory":
        time = VirtualTime()
        yield Sut(queue=QueueAccount(time.now).queue(name), wait=time.advance)
        return
    queue = StorageQueue(request.getfixturevalue("azurite"), name)
    yield Sut(queue=queue, wait=asyncio.sleep)
    await queue.close()


MINUTE = timedelta(minutes=1)


async def test_a_missing_queue_is_empty_and_is_made_by_sending(sut: Sut) -> None:
    assert await sut.queue.receive(32, MINUTE) == []

    await sut.queue.send("<text & more>")
    (message,) = await sut.queue.receive(32, MINUTE)

    assert message.text == "<text & more>"
    assert message.dequeue_count == 1
    assert message.expires_at - message.inserted_at == timedelta(days=7)
    assert abs(message.next_visible_at - message.inserted_at - MINUTE) < timedelta(seconds=5)


async def test_a_received_message_is_invisible_until_its_lease_ends_and_is_then_counted_again(sut: Sut) -> None:
    await sut.queue.send("a")
    (first,) = await sut.queue.receive(1, timedelta(seconds=1))

    assert await sut.queue.receive(1, MINUTE) == []
    await sut.wait(1.2)
    (again,) = await sut.queue.receive(1, MINUTE)

    assert (again.message_id, again.dequeue_count) == (first.message_id, 2)
    with pytest.raises(MessageGone):
        await sut.queue.delete(first)


async def test_a_changed_visibility_keeps_the_text_and_replaces_the_receipt(sut: Sut) -> None:
    await sut.queue.send("a")
    (held,) = await sut.queue.receive(1, MINUTE)

    changed = await sut.queue.set_visibility(held, timedelta(0))
    with pytest.raises(MessageGone):
        await sut.queue.set_visibility(held, MINUTE)
    (again,) = await sut.queue.receive(1, MINUTE)

    assert changed.pop_receipt != held.pop_receipt
    assert (again.text, again.dequeue_count) == ("a", 2)


async def test_a_deleted_message_is_gone(sut: Sut) -> None:
    await sut.queue.send("a")
    (held,) = await sut.queue.receive(1, MINUTE)

    await sut.queue.delete(held)

    with pytest.raises(MessageGone):
        await sut.queue.delete(held)


async def test_one_receive_gives_at_most_the_count_that_was_asked_for(sut: Sut) -> None:
    for number in range(5):
        await sut.queue.send(str(number))

    first = await sut.queue.receive(3, MINUTE)
    rest = await sut.queue.receive(32, MINUTE)

    assert sorted(message.text for message in first + rest) == ["0", "1", "2", "3", "4"]
    assert len(first) == 3


async def test_a_storage_that_is_not_there_is_unavailable(unused_tcp_port: int) -> None:
    queue = StorageQueue(
        f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:{unused_tcp_port}/a;",
        "work",
    )

    with pytest.raises(StorageUnavailable):
        await queue.receive(1, MINUTE)
    await queue.close()
