"""The backfill: every booking is queued once, a run that broke off goes on, and people see how far it is."""

import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from sync.bootstrap import Workshop
from sync.commands.backfill import run_backfill
from sync.commands.console import Console, bar, roughly
from sync.core.errors import ServiceUnavailable
from sync.core.mailboxes import Backfill, BookingCursor
from sync.core.memory import KnownBooking
from sync.core.rules import Rules
from sync.core.sides import TimeSpan
from sync.core.subscriptions import SubscriptionPolicy
from sync.core.sweeping import window_at
from sync.core.work import BOOKING_CHANGES_QUEUE, item_from_text
from sync.core.work_items import BookingChange, Source
from sync.service.backfilling import Drain, Walk, find_unfinished, is_called_for, queue_bookings, watch_queue
from sync.service.ports import BookingPage, ListedBooking, Ports
from tests.fakes import FakeStateStore, FakeWorkQueue
from tests.unit.values import TEMPLATES

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
RULES = Rules(subscriptions=SubscriptionPolicy(notification_url="", lifecycle_url=""), templates=TEMPLATES)
WINDOW = window_at(NOW, RULES.window)


def listed(number: int) -> ListedBooking:
    span = TimeSpan(start_at=NOW, end_at=NOW + timedelta(hours=1))
    return ListedBooking(booking_id=f"booking-{number}", etag=f"etag-{number}", span=span)


class Bookings:
    """Pages of bookings; `fails_at` is a page that cannot be read."""

    def __init__(self, *pages: Sequence[ListedBooking]) -> None:
        self._pages = pages
        self.fails_at: int | None = None
        self.asked: list[tuple[TimeSpan, str | None]] = []

    async def read_bookings(self, window: TimeSpan, link: str | None) -> BookingPage:
        number = int(link or 0)
        if number == self.fails_at:
            raise ServiceUnavailable("The service failed.")
        self.asked.append((window, link))
        following = str(number + 1) if number + 1 < len(self._pages) else None
        return BookingPage(bookings=self._pages[number], next_link=following)


class Office:
    """The app's ports, a queue that the app may work off, and a terminal."""

    def __init__(self, *pages: Sequence[ListedBooking], is_terminal: bool = False) -> None:
        self.now = NOW
        self.bookings = Bookings(*pages)
        self.state, self.queue = FakeStateStore(), FakeWorkQueue(lambda: self.now)
        self.worked_off_each_second = 0.0
        self.is_stopped = False
        self.out = Paper(is_terminal=is_terminal)
        self.ports = Ports(
            calendar=cast("Any", None),
            bookings=cast("Any", self.bookings),
            state=self.state,
            journal=cast("Any", None),
            dead_letters=cast("Any", None),
            queue=self.queue,
            clock=lambda: self.now,
            new_id=lambda: "an id",
        )

    async def length(self) -> int:
        return (await self.queue.approximate_lengths())[BOOKING_CHANGES_QUEUE]

    async def sleep(self, seconds: float) -> None:
        """Time passes, and the app works; once time is stopped, it stands still."""
        if self.is_stopped:
            await asyncio.Event().wait()
        self.now += timedelta(seconds=seconds)
        for message in self.queue.take_due(
            BOOKING_CHANGES_QUEUE, self.now, limit=int(seconds * self.worked_off_each_second)
        ):
            self.queue.complete(message)

    async def walk(self, earlier: Backfill | None = None, rules: Rules = RULES) -> list[Walk]:
        return [walk async for walk in queue_bookings(earlier, self.ports, rules)]

    async def run(self, *, is_json: bool = False, restarts: bool = False, waits: bool = True) -> int:
        console = Console(out=self.out, is_json=is_json, clock=lambda: self.now, sleep=self.sleep)
        shop = Workshop(ports=self.ports, rules=RULES)
        return await run_backfill(shop, console, self.length, restarts=restarts, waits=waits)

    @property
    def queued(self) -> list[str]:
        items = [item_from_text(message.text) for message in self.queue.messages(BOOKING_CHANGES_QUEUE)]
        return sorted(cast("Any", item).booking_id for item in items)


class Paper(io.StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


class TestQueueing:
    async def test_the_bookings_of_mailboxes_that_are_not_synced_are_left_out(self) -> None:
        """A pilot of five technicians must not cost a read for every booking of the company."""
        ours, theirs = replace(listed(1), mailbox_id="ours"), replace(listed(2), mailbox_id="theirs")
        office = Office([ours, theirs, listed(3)])
        (walk,) = await office.walk(rules=replace(RULES, mailboxes=("ours",)))
        assert office.queued == ["booking-1"]
        assert (walk.backfill.queued, walk.skipped) == (1, 0)

    async def test_every_booking_of_every_page_is_queued(self) -> None:
        office = Office([listed(1), listed(2)], [listed(3)])

        walks = await office.walk()

        assert office.queued == ["booking-1", "booking-2", "booking-3"]
        assert [walk.backfill.queued for walk in walks] == [2, 3]
        assert [walk.is_over for walk in walks] == [False, True]

    async def test_a_resource_that_was_given_another_user_has_its_bookings_looked_at(self) -> None:
        """Though they are in a state that was dealt with, and by which an item would be taken for an echo."""
        office = Office([replace(listed(1), mailbox_id="new"), replace(listed(2), mailbox_id="former"), listed(3)])
        for number in (1, 2, 3):
            known = KnownBooking(booking_id=f"booking-{number}", etags=(f"etag-{number}",), mailbox_id="former")
            await office.state.save_known_booking(known)
        await office.walk()
        (message,) = office.queue.messages(BOOKING_CHANGES_QUEUE)
        item = item_from_text(message.text)
        assert isinstance(item, BookingChange)
        assert (item.booking_id, item.etag, item.source) == ("booking-1", None, Source.SWEEP)

    async def test_what_was_dealt_with_is_skipped_and_counted(self) -> None:
        office = Office([listed(1), listed(2), listed(3)])
        await office.state.save_known_booking(KnownBooking(booking_id="booking-1", etags=("etag-1",)))
        await office.state.save_known_booking(
            KnownBooking(booking_id="booking-2", etags=("etag-2",), is_unfinished=True)
        )

        (walk,) = await office.walk()

        assert (office.queued, walk.skipped) == (["booking-2", "booking-3"], 1)

    async def test_one_that_broke_off_goes_on_at_its_page_with_its_window(self) -> None:
        office = Office([listed(1)], [listed(2)], [listed(3)])
        office.bookings.fails_at = 1
        with pytest.raises(ServiceUnavailable):
            await office.walk()
        office.bookings.fails_at = None
        office.now += timedelta(days=1)

        walks = await office.walk(await find_unfinished(office.ports, office.length))

        assert office.bookings.asked == [(WINDOW, None), (WINDOW, "1"), (WINDOW, "2")]
        assert walks[-1].backfill == Backfill(began_at=NOW, window=WINDOW, next_link=None, queued=3)

    async def test_a_page_is_queued_before_it_is_noted_so_that_none_is_lost(self) -> None:
        office = Office([listed(1)], [listed(2)])
        office.state.fail_next("save_backfill", ServiceUnavailable("storage is away"), skip=1)
        with pytest.raises(ServiceUnavailable):
            await office.walk()

        await office.walk(await find_unfinished(office.ports, office.length))

        assert set(office.queued) == {"booking-1", "booking-2"}

    async def test_one_whose_bookings_are_all_queued_reads_nothing_more(self) -> None:
        office = Office([listed(1)])
        await office.walk()
        office.bookings.asked.clear()

        (walk,) = await office.walk(await find_unfinished(office.ports, office.length))

        assert walk.is_over
        assert office.bookings.asked == []

    async def test_one_that_ended_unwatched_is_forgotten(self) -> None:
        office = Office([listed(1)])
        await office.walk()
        office.worked_off_each_second = 1
        await office.sleep(1)

        assert await find_unfinished(office.ports, office.length) is None
        assert await office.state.find_backfill() is None


class TestFirst:
    async def test_it_is_called_for_until_a_sweep_has_seen_all_bookings(self) -> None:
        office = Office()
        assert await is_called_for(office.ports)
        await office.state.save_booking_cursor(BookingCursor(delta_link="link", began_at=NOW))
        assert not await is_called_for(office.ports)

    async def test_one_that_broke_off_is_called_for(self) -> None:
        office = Office()
        await office.state.save_booking_cursor(BookingCursor(delta_link="link", began_at=NOW))
        await office.state.save_backfill(Backfill(began_at=NOW, window=WINDOW, next_link="1"))
        assert await is_called_for(office.ports)


class TestWatching:
    async def test_it_ends_when_the_queue_is_empty_and_forgets_the_backfill(self) -> None:
        office = Office([listed(number) for number in range(20)])
        office.worked_off_each_second = 2
        await office.walk()

        seen = [drain async for drain in watch_queue(20, office.length, office.ports, sleep=office.sleep)]

        assert [drain.waiting for drain in seen] == [20, 16, 12, 8, 4, 0]
        assert [drain.done for drain in seen] == [0, 4, 8, 12, 16, 20]
        assert await office.state.find_backfill() is None

    async def test_the_time_left_is_that_of_the_speed_so_far(self) -> None:
        office = Office([listed(number) for number in range(20)])
        office.worked_off_each_second = 2
        await office.walk()

        seen = [drain async for drain in watch_queue(20, office.length, office.ports, sleep=office.sleep)]

        assert [drain.time_left for drain in seen[:3]] == [None, timedelta(seconds=8), timedelta(seconds=6)]

    async def test_a_queue_that_does_not_move_is_told(self) -> None:
        office = Office([listed(1)])
        await office.walk()
        seen: list[Drain] = []
        async for drain in watch_queue(1, office.length, office.ports, sleep=office.sleep):
            seen.append(drain)
            office.worked_off_each_second = 1 if office.now >= NOW + timedelta(seconds=62) else 0
        assert [drain.is_stalled for drain in seen] == [False] * 30 + [True] * 2 + [False]


class TestCommand:
    async def test_on_a_terminal_one_line_is_redrawn_with_bar_counts_and_time_left(self) -> None:
        office = Office([listed(number) for number in range(20)], is_terminal=True)
        office.worked_off_each_second = 5

        assert await office.run() == 0

        text = office.out.getvalue()
        assert "\r[###############---------------] 10 of 20 done, 10 waiting, about 2 s left" in text
        assert [line.rpartition("\r")[2].strip() for line in text.split("\n")[:-1]] == [
            "Queued 20 bookings; 0 are up to date.",
            "[##############################] 20 of 20 done, 0 waiting, about 0 s left",
            "Done. What could not be done is among the dead letters: python -m sync status",
        ]

    async def test_elsewhere_a_line_comes_every_few_seconds(self) -> None:
        office = Office([listed(number) for number in range(20)])
        office.worked_off_each_second = 1

        await office.run()

        shown = [line.partition("] ")[2] for line in office.out.getvalue().splitlines() if line.startswith("[")]
        assert shown == [
            "0 of 20 done, 20 waiting",
            "6 of 20 done, 14 waiting, about 14 s left",
            "12 of 20 done, 8 waiting, about 8 s left",
            "18 of 20 done, 2 waiting, about 2 s left",
        ]

    async def test_without_waiting_it_returns_when_all_is_queued(self) -> None:
        office = Office([listed(1)])
        assert await office.run(waits=False) == 0
        assert office.now == NOW
        assert "python -m sync backfill" in office.out.getvalue()

    async def test_json_is_one_object_at_the_end(self) -> None:
        office = Office([listed(1), listed(2)])
        office.worked_off_each_second = 1
        await office.run(is_json=True)
        assert json.loads(office.out.getvalue()) == {"queued": 2, "skipped": 0, "waiting": 0, "is_done": True}

    async def test_json_without_waiting_does_not_claim_to_be_done(self) -> None:
        office = Office([listed(1)])
        await office.run(is_json=True, waits=False)
        assert json.loads(office.out.getvalue()) == {"queued": 1, "skipped": 0, "waiting": None, "is_done": False}

    async def test_breaking_off_while_the_app_works_says_that_it_goes_on(self) -> None:
        office = Office([listed(1)])
        await self._interrupt(office)
        assert "the app goes on by itself" in office.out.getvalue()

    async def test_breaking_off_while_queueing_says_how_to_go_on_and_the_next_run_does(self) -> None:
        office = Office([listed(1)], [listed(2)])
        office.queue.before_each = self._cancel_at(2)
        await self._interrupt(office)
        assert "Not all are queued yet" in office.out.getvalue()
        office.queue.before_each = None

        await office.run(waits=False)

        assert "Going on with the backfill of 2026-11-18 09:00:00 UTC: 1 are queued so far" in office.out.getvalue()
        assert office.queued == ["booking-1", "booking-2"]

    async def test_a_second_run_watches_what_the_first_one_queued(self) -> None:
        office = Office([listed(1)])
        await office.run(waits=False)
        office.worked_off_each_second = 1
        await office.run()
        assert "all are queued" in office.out.getvalue()
        assert office.bookings.asked == [(WINDOW, None)]

    async def test_it_can_begin_anew(self) -> None:
        office = Office([listed(1)], [listed(2)])
        await office.run(waits=False)
        await office.run(restarts=True, waits=False)
        assert "Going on" not in office.out.getvalue()
        assert office.bookings.asked == [(WINDOW, None), (WINDOW, "1")] * 2

    async def _interrupt(self, office: Office) -> None:
        """Ctrl-C, as `asyncio.run` passes it on."""
        running = asyncio.create_task(office.run())
        office.is_stopped = True
        for _ in range(200):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    @staticmethod
    def _cancel_at(number: int) -> Any:
        calls = 0

        async def checkpoint(name: str) -> None:
            nonlocal calls
            calls += name == "put"
            if calls == number:
                await asyncio.Event().wait()

        return checkpoint


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3_600, "60 min"), (7_500, "2 h 5 min")]
)
def test_a_time_is_told_roughly(seconds: int, words: str) -> None:
    assert roughly(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(("done", "total", "filled"), [(0, 9, 0), (1, 3, 10), (9, 9, 30), (0, 0, 30)])
def test_the_bar_shows_the_share(done: int, total: int, filled: int) -> None:
    assert bar(done, total) == f"[{'#' * filled}{'-' * (30 - filled)}]"
