"""What the status page reads: pages of long lists, the census, items that wait, how long changes took."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from sync.core.census import Census
from sync.core.convergence import Tally, convergence_of, hour_of
from sync.core.journal import DELAYED
from sync.core.work import EVENT_CHANGES_QUEUE, item_to_text
from sync.core.work_items import Source
from sync.service.store_ports import DeadLetters, Journal, StateStore
from tests.contracts import stored_values as values
from tests.contracts.conftest import QueueHost
from tests.contracts.test_work_queue import CHANGE

IDS = [f"0000000{number}-0000-4000-8000-000000000000" for number in range(5)]
LONG_AGO = values.NOW - timedelta(days=1)
DELAYED_ENTRY = replace(values.JOURNAL_ENTRY, action=DELAYED, reason="15 s: Graph does not answer.", about="m event-1")


async def all_of[T](listed: AsyncIterator[T]) -> list[T]:
    return [one async for one in listed]


async def test_subscriptions_and_quarantines_are_read_by_the_page(state: StateStore) -> None:
    for mailbox_id in reversed(IDS):
        await state.save_subscription_record(replace(values.SUBSCRIPTION_RECORD, mailbox_id=mailbox_id))
        await state.save_quarantine(replace(values.QUARANTINE, mailbox_id=mailbox_id))

    for page in (state.page_subscription_records, state.page_quarantines):
        assert [one.mailbox_id for one in await page("", 2)] == IDS[:2]
        assert [one.mailbox_id for one in await page(IDS[1], 2)] == IDS[2:4]
        assert [one.mailbox_id for one in await page(IDS[3], 2)] == IDS[4:]
        assert await page(IDS[4], 2) == []


async def test_a_page_of_what_was_never_written_is_empty(state: StateStore, dead_letters: DeadLetters) -> None:
    assert await state.page_subscription_records("", 2) == []
    assert await state.page_quarantines("", 2) == []
    assert await dead_letters.page_letters("Refused", "", 2) == []
    assert await dead_letters.count_letters() == {}


@pytest.mark.parametrize(
    "census",
    [
        Census(taken_at=values.NOW),
        Census(
            taken_at=values.NOW,
            subscriptions={"active": 9_990, "failed": 10},
            expiring=tuple(IDS),
            troubled=(IDS[0],),
            quarantined=3,
            holding=(IDS[1],),
            held=12,
            letters={"Refused": 500},
        ),
    ],
    ids=["minimal", "full"],
)
async def test_a_census_comes_back_as_it_was_saved_and_can_be_forgotten(state: StateStore, census: Census) -> None:
    assert await state.find_census() is None
    await state.save_census(Census(taken_at=LONG_AGO, held=1))
    await state.save_census(census)
    assert await state.find_census() == census
    for _ in range(2):
        await state.delete_census()
    assert await state.find_census() is None


async def test_dead_letters_are_counted_by_class_and_read_by_the_page(dead_letters: DeadLetters) -> None:
    for number in range(4):
        await dead_letters.bury(replace(values.DEAD_LETTER, letter_id=f"letter-{number}", error_class="Refused"))
    await dead_letters.bury(replace(values.DEAD_LETTER, letter_id="letter-9", error_class="AccessDenied"))

    assert await dead_letters.count_letters() == {"Refused": 4, "AccessDenied": 1}
    first = await dead_letters.page_letters("Refused", "", 3)
    assert [letter.letter_id for letter in first] == ["letter-0", "letter-1", "letter-2"]
    assert [letter.letter_id for letter in await dead_letters.page_letters("Refused", "letter-2", 3)] == ["letter-3"]
    assert await dead_letters.page_letters("Refused", "letter-3", 3) == []


async def test_the_newest_entry_from_a_source_is_found(journal: Journal) -> None:
    for seconds, source in ((0, Source.PUSH), (1, Source.PUSH), (2, Source.SWEEP)):
        at = values.NOW + timedelta(seconds=seconds)
        await journal.write(replace(values.JOURNAL_ENTRY, at=at, source=source))

    newest = await journal.find_newest(values.MAILBOX, Source.PUSH)

    assert newest
    assert newest.at == values.NOW + timedelta(seconds=1)
    assert await journal.find_newest(values.MAILBOX, Source.REPLAY) is None
    assert await journal.find_newest("unheard of", Source.PUSH) is None


async def test_an_item_waits_from_its_first_delay_until_it_ends_and_is_one_however_often(journal: Journal) -> None:
    await journal.write(DELAYED_ENTRY)
    again = replace(DELAYED_ENTRY, at=values.NOW + timedelta(seconds=30), reason="60 s: still", deferrals=1)
    await journal.write(again)
    assert await all_of(journal.list_waiting(LONG_AGO)) == [again]

    at = values.NOW + timedelta(minutes=2)
    ended = replace(DELAYED_ENTRY, at=at, action="update-booking", booking_id=values.BOOKING, deferrals=2)
    await journal.write(ended)
    assert await all_of(journal.list_waiting(LONG_AGO)) == []


async def test_the_item_that_was_received_first_waits_at_the_head(journal: Journal) -> None:
    received = [values.NOW - timedelta(seconds=seconds) for seconds in (5, 500, 50)]
    for number, moment in enumerate(received):
        await journal.write(replace(DELAYED_ENTRY, received_at=moment, about=f"m event-{number}"))

    assert [entry.received_at for entry in await all_of(journal.list_waiting(LONG_AGO))] == sorted(received)
    assert len(await all_of(journal.list_waiting(values.NOW - timedelta(seconds=40)))) == 1


async def test_items_of_one_sweep_wait_each_for_itself(journal: Journal) -> None:
    first, second = (replace(DELAYED_ENTRY, about=f"m event-{number}") for number in range(2))
    await journal.write(first)
    await journal.write(second)
    await journal.write(replace(first, action="dropped", deferrals=1))

    assert await all_of(journal.list_waiting(LONG_AGO)) == [second]


async def test_what_made_sides_equal_is_tallied_by_hour(journal: Journal) -> None:
    made_equal = replace(values.JOURNAL_ENTRY, action="update-booking", source=Source.PUSH)
    for number in range(3):
        await journal.write(replace(made_equal, event_id=f"event-{number}"))
    await journal.write(replace(made_equal, action="dropped"))
    await journal.write(replace(made_equal, source=Source.SWEEP))

    tallies = await tallied(journal, changes=3, swept=1)

    seen = convergence_of(tallies)
    assert seen.p50 == pytest.approx(3, rel=0.1)
    assert {tally.hour for tally in tallies} == {hour_of(values.NOW)}
    assert await all_of(journal.list_tallies(values.NOW + timedelta(hours=1))) == []


async def tallied(journal: Journal, *, changes: int, swept: int) -> list[Tally]:
    """The tallies once they say so: an adapter may write them a moment later. Raises `TimeoutError`."""
    async with asyncio.timeout(10):
        while True:
            tallies = await all_of(journal.list_tallies(values.NOW))
            seen = convergence_of(tallies)
            if (seen.changes, seen.swept) == (changes, swept):
                return tallies
            await asyncio.sleep(0.01)


async def test_peeking_takes_nothing_and_shows_what_can_be_taken(queue_host: QueueHost) -> None:
    assert await queue_host.queue.peek(EVENT_CHANGES_QUEUE) == []
    await queue_host.queue.put(CHANGE)
    await queue_host.queue.put(replace(CHANGE, event_id="later"), delay_seconds=3600)

    for _ in range(2):
        assert await queue_host.queue.peek(EVENT_CHANGES_QUEUE) == [item_to_text(CHANGE)]
    assert await queue_host.receive(EVENT_CHANGES_QUEUE) == [item_to_text(CHANGE)]
