"""The queue listener treats messages as the vendor's host does: polling, leases, retries, poison queue, outages."""

import asyncio
import base64
import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.functions.memory_queues import MemoryQueue, QueueAccount
from local.functions.queues import Backoff, QueueListener, QueueMessage, has_poison_queue
from local.functions.settings import QueueSettings
from tests.local.virtual_time import VirtualTime, settle


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Bench:
    """A listener on the queue `work`, whose function notes its messages and fails for bodies in `failing`."""

    def __init__(
        self, queue_settings: QueueSettings | None = None, *, seconds: float = 0, queue_name: str = "work"
    ) -> None:
        self.time = VirtualTime()
        self.account = QueueAccount(self.time.now)
        self.queue = MemoryQueue(self.account, queue_name)
        self.seen: list[tuple[str, int]] = []
        self.failing: set[str] = set()
        self.running = 0
        self.most_running = 0
        self._seconds = seconds
        self.listener = QueueListener(
            queue=self.queue,
            poison=self.account.queue(f"{queue_name}-poison") if has_poison_queue(queue_name) else None,
            process=self._process,
            settings=queue_settings or QueueSettings(),
            randomness=random.Random(1),
            sleep=self.time.sleep,
        )

    async def _process(self, message: QueueMessage, body: bytes) -> bool:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.seen.append((body.decode(), message.dequeue_count))
        if self._seconds:
            await self.time.sleep(self._seconds)
        self.running -= 1
        return body.decode() not in self.failing

    async def send(self, *texts: str) -> None:
        for text in texts:
            await self.queue.send(encoded(text))

    async def poll(self) -> None:
        await self.listener.poll()
        await self.listener.drain()


async def test_a_message_is_deleted_when_its_function_has_succeeded() -> None:
    bench = Bench()
    await bench.send("a")

    await bench.poll()

    assert bench.seen == [("a", 1)]
    assert bench.account.texts("work") == []


async def test_a_missing_queue_is_an_empty_one() -> None:
    assert not await Bench().listener.poll()


async def test_a_failed_message_comes_back_after_the_visibility_timeout() -> None:
    bench = Bench(QueueSettings(visibility_timeout=timedelta(seconds=30)))
    bench.failing = {"a"}
    await bench.send("a")

    await bench.poll()
    await bench.time.advance(29)
    await bench.poll()
    await bench.time.advance(1)
    await bench.poll()

    assert bench.seen == [("a", 1), ("a", 2)]


async def test_the_last_allowed_failure_moves_only_the_body_to_the_poison_queue() -> None:
    bench = Bench(QueueSettings(max_dequeue_count=3))
    bench.failing = {"a"}
    await bench.send("a")

    for _ in range(5):
        await bench.poll()

    assert [count for _, count in bench.seen] == [1, 2, 3]
    assert bench.account.texts("work") == []
    (poison,) = await bench.account.queue("work-poison").receive(32, timedelta(seconds=30))
    assert (poison.text, poison.dequeue_count) == (encoded("a"), 1)
    assert poison.expires_at - poison.inserted_at == timedelta(days=7)


async def test_a_message_taken_too_often_is_poison_without_running_its_function() -> None:
    bench = Bench(QueueSettings(max_dequeue_count=2))
    await bench.send("a")
    for _ in range(2):  # two hosts died with it
        await bench.queue.receive(1, timedelta(seconds=1))
        await bench.time.advance(1)

    await bench.poll()

    assert bench.seen == []
    assert bench.account.texts("work-poison") == [encoded("a")]


async def test_a_body_that_is_not_base64_is_poison_as_it_is() -> None:
    bench = Bench()
    await bench.queue.send("not base64!")

    await bench.poll()

    assert bench.seen == []
    assert bench.account.texts("work-poison") == ["not base64!"]


async def test_without_encoding_the_body_is_the_text() -> None:
    bench = Bench(QueueSettings(message_encoding="none"))
    await bench.queue.send("plain")

    await bench.poll()

    assert bench.seen == [("plain", 1)]


async def test_a_poison_queue_has_none_of_its_own_so_its_messages_wait_for_their_lease_to_end() -> None:
    bench = Bench(QueueSettings(max_dequeue_count=1), queue_name="work-poison")
    bench.failing = {"a"}
    await bench.send("a")

    await bench.poll()
    await bench.time.advance(599)
    assert not await bench.listener.poll()
    await bench.time.advance(1)
    await bench.poll()

    assert bench.seen == [("a", 1)]  # the second time it was over maxDequeueCount
    assert bench.account.texts("work-poison") == [encoded("a")]
    assert "work-poison-poison" not in bench.account.entries


def test_a_name_too_long_for_a_poison_queue_has_none() -> None:
    assert has_poison_queue("q" * 56)
    assert not has_poison_queue("q" * 57)


async def test_a_long_run_keeps_its_message_and_can_delete_it() -> None:
    bench = Bench(seconds=3600)
    await bench.send("a")
    await bench.listener.poll()

    await bench.time.advance(3599)
    assert not await bench.listener.poll()
    await bench.time.advance(1)

    assert bench.seen == [("a", 1)]
    assert bench.account.texts("work") == []


async def test_a_lease_that_cannot_be_renewed_in_time_ends_and_the_message_comes_twice() -> None:
    bench = Bench(seconds=1200)
    await bench.send("a")
    await bench.listener.poll()

    bench.account.is_down = True
    await bench.time.advance(601)
    bench.account.is_down = False
    await bench.listener.poll()
    await bench.time.advance(1300)

    assert bench.seen == [("a", 1), ("a", 2)]
    assert bench.account.texts("work") == []


async def test_a_failed_renewal_is_tried_again_before_the_lease_ends() -> None:
    bench = Bench(seconds=1200)
    await bench.send("a")
    await bench.listener.poll()

    bench.account.is_down = True
    await bench.time.advance(301)
    bench.account.is_down = False
    await bench.time.advance(898)
    assert not await bench.listener.poll()
    await bench.time.advance(1)

    assert bench.seen == [("a", 1)]
    assert bench.account.texts("work") == []


async def test_a_message_whose_success_cannot_be_stored_comes_back_after_its_lease() -> None:
    bench = Bench(seconds=10)
    await bench.send("a")
    await bench.listener.poll()

    bench.account.is_down = True
    await bench.time.advance(10)
    bench.account.is_down = False
    await bench.time.advance(590)
    await bench.listener.poll()
    await bench.time.advance(10)

    assert bench.seen == [("a", 1), ("a", 2)]
    assert bench.account.texts("work") == []


async def test_batches_are_refilled_when_the_threshold_is_reached_and_never_exceed_the_sum() -> None:
    bench = Bench(QueueSettings(batch_size=4, new_batch_threshold=2), seconds=1)
    await bench.send(*map(str, range(40)))
    await run_for(bench, seconds=30)

    assert len(bench.seen) == 40
    assert bench.most_running == 6


async def test_batch_size_one_and_threshold_zero_is_serial() -> None:
    bench = Bench(QueueSettings(batch_size=1, new_batch_threshold=0), seconds=1)
    await bench.send(*map(str, range(5)))

    await run_for(bench, seconds=10)

    assert [text for text, _ in bench.seen] == ["0", "1", "2", "3", "4"]
    assert bench.most_running == 1


async def test_an_outage_of_the_storage_is_waited_out_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    bench = Bench(QueueSettings(max_polling_interval=timedelta(seconds=2)))
    await bench.send("a")
    bench.account.is_down = True

    running = asyncio.create_task(bench.listener.run())
    await bench.time.advance(60)
    assert bench.seen == []
    bench.account.is_down = False
    await bench.time.advance(2)
    bench.listener.stop()
    await running

    assert bench.seen == [("a", 1)]
    assert caplog.text.count("cannot be read") == 1
    assert caplog.text.count("can be read again") == 1


async def test_stopping_ends_a_pause_at_once_and_leaves_messages_in_flight_running() -> None:
    bench = Bench(QueueSettings(new_batch_threshold=32), seconds=5)
    await bench.send("a")
    running = asyncio.create_task(bench.listener.run())
    await settle()

    bench.listener.stop()
    await running
    await bench.send("b")
    await bench.time.advance(5)
    await bench.listener.drain()

    assert bench.seen == [("a", 1)]
    assert bench.account.texts("work") == [encoded("b")]


async def test_an_error_of_the_host_itself_is_logged_and_costs_one_message_its_turn_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    await bench.queue.send(base64.b64encode(b"\xff").decode())  # the bench expects UTF-8
    await bench.send("a")

    await bench.poll()

    assert bench.seen == [("a", 1)]
    assert len(bench.account.texts("work")) == 1
    assert "ended in an error of the host itself" in caplog.text


def test_an_empty_queue_is_polled_less_and_less_up_to_the_cap() -> None:
    backoff = Backoff(timedelta(minutes=1), random.Random(1))

    delays = [backoff.next_delay(found_since_last=False) for _ in range(12)]

    for delay, middle in zip(delays, [0.2, 0.3, 0.5, 0.9, 1.7, 3.3, 6.5, 12.9, 25.7, 51.3, 60, 60], strict=True):
        assert delay == pytest.approx(middle, rel=0.25)
    assert delays[-2:] == [60, 60]
    assert backoff.next_delay(found_since_last=True) == 0.1


async def run_for(bench: Bench, seconds: float) -> None:
    running = asyncio.create_task(bench.listener.run())
    await bench.time.advance(seconds)
    bench.listener.stop()
    await running
    await bench.listener.drain()


@settings(max_examples=30, deadline=None)
@given(
    failing=st.sets(st.sampled_from("abcdef")),
    outages=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 120)), max_size=3),
    batch_size=st.integers(1, 8),
    seconds=st.sampled_from([0, 0.5, 20]),
)
async def test_whatever_happens_every_message_ends_done_or_in_the_poison_queue(
    failing: set[str], outages: list[tuple[int, int]], batch_size: int, seconds: float
) -> None:
    bench = Bench(
        QueueSettings(batch_size=batch_size, max_dequeue_count=3),
        seconds=seconds,
    )
    bench.failing = failing
    await bench.send(*"abcdef")

    running = asyncio.create_task(bench.listener.run())
    for before, length in outages:
        await bench.time.advance(before)
        bench.account.is_down = True
        await bench.time.advance(length)
        bench.account.is_down = False
    await bench.time.advance(4 * 600 + 200)
    bench.listener.stop()
    await running
    await bench.listener.drain()

    assert {text for text, _ in bench.seen} == set("abcdef")
    assert bench.account.texts("work") == []
    assert set(bench.account.texts("work-poison")) == {encoded(text) for text in failing}
    assert max(count for _, count in bench.seen) <= 3
