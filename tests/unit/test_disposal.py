"""Which failures an item waits out and for how long, and which bury it at once."""

import logging
from datetime import timedelta
from typing import Any, cast

import pytest

from sync.core.errors import (
    AccessDenied,
    Busy,
    DoorDidNotAnswer,
    InvalidPayload,
    PreconditionFailed,
    Refused,
    ServiceUnavailable,
    StaleRead,
    SyncError,
    Throttled,
    TransientError,
    UnknownAsYet,
)
from sync.core.journal import DELAYED
from sync.core.work import BOOKING_CHANGES_QUEUE
from sync.core.work_items import WorkItem
from sync.service.board import read_board
from sync.service.disposal import PATIENCE, handle_message, replay
from sync.service.outcome import Outcome
from sync.service.ports import Ports
from tests.fakes import FakeDeadLetters, FakeJournal, FakeStateStore, FakeWorkQueue
from tests.unit.values import NOW, a_booking_change

DENIED = AccessDenied("Dataverse denies access to the app.", operation="bookableresourcebookings.get", status=403)


class Worker:
    """A queue with one item on it, whose handling ends with `error` as often as it is tried; with none it is done."""

    def __init__(self, error: SyncError | None) -> None:
        self.now = NOW
        self.error = error
        self.waits: list[float] = []
        self.journal, self.letters = FakeJournal(), FakeDeadLetters()
        self.queue = FakeWorkQueue(lambda: self.now)
        self.ports = Ports(
            calendar=cast("Any", None),
            bookings=cast("Any", None),
            state=FakeStateStore(),
            journal=self.journal,
            dead_letters=self.letters,
            queue=self.queue,
            clock=lambda: self.now,
            new_id=lambda: "an id",
        )

    async def handle(self, item: WorkItem) -> Outcome:
        if self.error is not None:
            raise self.error
        return Outcome(action="rewrite-event", booking_id=cast("Any", item).booking_id)

    async def work(self, *, limit: timedelta = timedelta(days=3)) -> None:
        """Handle the item whenever it is due, for `limit` at most."""
        if not self.queue.messages(BOOKING_CHANGES_QUEUE):
            await self.queue.put(a_booking_change())
        while (due_at := self.queue.next_visible_at()) is not None and due_at <= NOW + limit:
            self.waits.append((due_at - self.now).total_seconds())
            self.now = max(self.now, due_at)
            (message,) = self.queue.take_due(BOOKING_CHANGES_QUEUE, self.now)
            await handle_message(BOOKING_CHANGES_QUEUE, message.text, 1, 5, self.ports, self.handle)
            self.queue.complete(message)

    @property
    def buried(self) -> list[str]:
        return [letter.error_class for letter in self.letters.letters.values()]


@pytest.mark.parametrize("error", [Refused("No."), InvalidPayload("What?")], ids=lambda error: type(error).__name__)
async def test_what_waiting_cannot_help_is_buried_at_once(error: SyncError) -> None:
    worker = Worker(error)
    await worker.work()
    assert worker.buried == [type(error).__name__]
    assert [entry.action for entry in worker.journal.entries] == ["buried"]
    assert worker.now == NOW


@pytest.mark.parametrize("error", [ServiceUnavailable("Down."), DENIED], ids=lambda error: type(error).__name__)
async def test_an_outage_and_a_denial_to_the_whole_app_are_waited_out_for_a_day_at_growing_intervals(
    error: SyncError,
) -> None:
    worker = Worker(error)
    await worker.work()
    assert worker.waits[:8] == [0, 15, 30, 60, 120, 240, 480, 600]
    assert set(worker.waits[8:]) == {600}
    assert worker.buried == [type(error).__name__]
    assert PATIENCE < worker.now - NOW <= PATIENCE + timedelta(minutes=10)


async def test_what_waited_for_a_permission_is_done_once_it_is_there() -> None:
    worker = Worker(DENIED)
    await worker.work(limit=timedelta(hours=5))
    assert {entry.action for entry in worker.journal.entries} == {DELAYED}
    assert worker.journal.entries[0].reason == f"15 s: {DENIED.reason}"
    worker.error = None
    await worker.work()
    assert worker.journal.entries[-1].action == "rewrite-event"
    assert worker.buried == []


async def test_a_wait_that_the_service_names_is_obeyed() -> None:
    worker = Worker(Throttled("Slow down.", retry_after_seconds=45))
    await worker.work(limit=timedelta(minutes=2))
    assert worker.waits == [0, 45, 45]


async def test_who_waits_for_a_permission_says_so_once_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """Unlike in an outage, somebody has to do something, and not only after a day."""
    worker = Worker(DENIED)
    with caplog.at_level(logging.WARNING):
        await worker.work(limit=timedelta(hours=5))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert DENIED.reason in record.getMessage()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        await Worker(ServiceUnavailable("Down.")).work(limit=timedelta(hours=5))
    assert caplog.records == []


async def test_patience_begins_with_the_first_trouble_not_when_the_item_was_received() -> None:
    """A backlog of days, as after settings that were refused, meets throttling and busy neighbours like any other."""
    worker = Worker(Busy("Another worker is at it.", retry_after_seconds=3))
    await worker.queue.put(a_booking_change())
    worker.now = NOW + timedelta(days=2)
    await worker.work(limit=timedelta(days=2, seconds=10))
    assert worker.buried == []
    worker.error = ServiceUnavailable("Down.")
    await worker.work(limit=timedelta(days=5))
    assert worker.buried == ["ServiceUnavailable"]
    assert PATIENCE < worker.now - (NOW + timedelta(days=2)) <= PATIENCE + timedelta(minutes=10)


async def test_an_item_of_a_long_backlog_is_on_the_board_while_it_waits_and_not_for_ever() -> None:
    """A row that nobody has written again for more than a day is left of a worker that died."""
    worker = Worker(ServiceUnavailable("Down."))
    await worker.queue.put(a_booking_change())
    worker.now = NOW + timedelta(days=2)
    await worker.work(limit=timedelta(days=2, hours=5))
    assert [item.received_at for item in (await read_board(worker.ports, worker.queue)).waiting] == [NOW]
    worker.now += timedelta(days=2)
    assert (await read_board(worker.ports, worker.queue)).waiting == ()


async def test_a_replayed_item_has_its_patience_back() -> None:
    worker = Worker(ServiceUnavailable("Down."))
    await worker.work()
    (letter,) = worker.letters.letters.values()
    await replay(letter, worker.ports)
    (message,) = worker.queue.take_due(BOOKING_CHANGES_QUEUE, worker.now)
    await handle_message(BOOKING_CHANGES_QUEUE, message.text, 1, 5, worker.ports, worker.handle)
    assert worker.buried == []


PASSING = [Throttled, ServiceUnavailable, PreconditionFailed, Busy, StaleRead, UnknownAsYet, TransientError]


@pytest.mark.parametrize("error_class", PASSING)
async def test_a_letter_of_what_was_to_pass_says_how_to_replay_it(error_class: type[SyncError]) -> None:
    """Nobody tries a letter again by itself, whatever its class says while it waits."""
    worker = Worker(error_class("Not now."))
    await worker.work()
    (letter,) = worker.letters.letters.values()
    assert letter.mend == f"When the cause is over, replay it: python -m sync replay --class {letter.error_class}"


async def test_a_letter_keeps_the_mend_that_its_class_has() -> None:
    worker = Worker(DoorDidNotAnswer("No answer."))
    await worker.work()
    (letter,) = worker.letters.letters.values()
    assert letter.mend == DoorDidNotAnswer.mend
