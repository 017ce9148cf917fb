"""What every `Journal` does."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sync.core.journal import JournalEntry
from sync.service.store_ports import Journal
from tests.contracts import stored_values as values


async def written(journal: Journal, **narrowed: str) -> list[JournalEntry]:
    return [entry async for entry in journal.list_entries(values.MAILBOX, **narrowed)]


@pytest.mark.parametrize("entry", [values.JOURNAL_ENTRY, values.FULL_JOURNAL_ENTRY], ids=["minimal", "full"])
async def test_an_entry_comes_back_as_it_was_written(journal: Journal, entry: JournalEntry) -> None:
    await journal.write(entry)

    assert await written(journal) == [entry]


async def test_a_long_entry_comes_back(journal: Journal) -> None:
    entry = replace(values.FULL_JOURNAL_ENTRY, before="b" * 40_000, after="ä" * 40_000)

    await journal.write(entry)

    assert await written(journal) == [entry]


async def test_the_newest_entry_comes_first_however_they_were_written(journal: Journal) -> None:
    moments = [
        values.NOW,
        values.NOW + timedelta(microseconds=1),
        values.NOW + timedelta(days=400),
        datetime(2009, 2, 13, 23, 31, 30, tzinfo=UTC),  # a digit less in a count of seconds or ticks
        values.NOW - timedelta(seconds=1),
    ]
    for number, moment in enumerate(moments):
        await journal.write(replace(values.JOURNAL_ENTRY, at=moment, correlation_id=f"{number}"))

    assert [entry.at for entry in await written(journal)] == sorted(moments, reverse=True)


async def test_entries_of_one_moment_and_one_correlation_are_all_kept(journal: Journal) -> None:
    entries = [replace(values.JOURNAL_ENTRY, event_id=f"event-{number}") for number in range(3)]
    for entry in entries:
        await journal.write(entry)

    assert sorted(entry.event_id or "" for entry in await written(journal)) == ["event-0", "event-1", "event-2"]


async def test_writing_the_same_entry_again_keeps_one(journal: Journal) -> None:
    for _ in range(2):
        await journal.write(values.FULL_JOURNAL_ENTRY)

    assert len(await written(journal)) == 1


async def test_entries_are_listed_by_mailbox(journal: Journal) -> None:
    await journal.write(values.JOURNAL_ENTRY)
    await journal.write(replace(values.JOURNAL_ENTRY, mailbox_id="another"))

    assert await written(journal) == [values.JOURNAL_ENTRY]
    assert [entry.mailbox_id async for entry in journal.list_entries("another")] == ["another"]
    assert [entry async for entry in journal.list_entries("unheard of")] == []


async def test_a_list_is_narrowed_by_all_that_is_given(journal: Journal) -> None:
    first = replace(values.JOURNAL_ENTRY, correlation_id="one", event_id="Event-A", booking_id="it's")
    second = replace(first, correlation_id="two", event_id="event-a")
    third = replace(first, correlation_id="three", booking_id=None)
    for entry in (first, second, third):
        await journal.write(entry)

    assert await written(journal, event_id="event-a") == [second]
    assert await written(journal, correlation_id="three") == [third]
    assert {entry.correlation_id for entry in await written(journal, booking_id="it's")} == {"one", "two"}
    assert await written(journal, booking_id="it's", event_id="Event-A") == [first]
    assert await written(journal, booking_id="it's", correlation_id="three") == []


async def test_a_list_longer_than_a_page_is_complete(journal: Journal) -> None:
    for number in range(120):
        await journal.write(replace(values.JOURNAL_ENTRY, at=values.NOW + timedelta(seconds=number)))

    listed = await written(journal)

    assert len(listed) == 120
    assert listed[0].at == values.NOW + timedelta(seconds=119)


async def test_an_entry_does_not_change_with_the_counter_that_it_was_made_from(journal: Journal) -> None:
    calls = {"event.get": 1}
    await journal.write(replace(values.JOURNAL_ENTRY, calls=calls))

    calls["event.get"] = 2

    assert [entry.calls for entry in await written(journal)] == [{"event.get": 1}]


async def test_pruning_drops_what_is_older_and_keeps_the_rest(journal: Journal) -> None:
    moments = [values.NOW + timedelta(microseconds=step) for step in (-2, -1, 0, 1)]
    for moment in moments:
        await journal.write(replace(values.JOURNAL_ENTRY, at=moment))
    await journal.write(replace(values.JOURNAL_ENTRY, at=moments[0], mailbox_id="another"))

    assert await journal.prune(values.MAILBOX, values.NOW) == 2
    assert [entry.at for entry in await written(journal)] == moments[:1:-1]
    assert len([entry async for entry in journal.list_entries("another")]) == 1


async def test_pruning_an_empty_journal_does_nothing(journal: Journal) -> None:
    assert await journal.prune("unheard of", values.NOW) == 0


async def test_two_that_prune_at_once_both_come_to_their_end_and_count_each_row_once(journal: Journal) -> None:
    moments = [values.NOW - timedelta(microseconds=step) for step in range(1, 151)]
    for moment in moments:
        await journal.write(replace(values.JOURNAL_ENTRY, at=moment))

    pruned = await asyncio.gather(*(journal.prune(values.MAILBOX, values.NOW) for _ in range(2)))

    pruned.append(await journal.prune(values.MAILBOX, values.NOW))
    assert sum(pruned) == len(moments)
    assert await written(journal) == []
