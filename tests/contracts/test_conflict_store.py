"""What every `Journal` does with conflicts."""

from dataclasses import replace
from datetime import timedelta

from sync.core.conflicts import Conflict, Side
from sync.core.sides import TimeSpan
from sync.service.store_ports import Journal
from tests.contracts import stored_values as values

HOUR = timedelta(hours=1)
CONFLICT = Conflict(
    conflict_id="0123456789ab",
    at=values.NOW,
    mailbox_id=values.MAILBOX,
    booking_id=values.BOOKING,
    event_id=values.EVENT,
    correlation_id="correlation-1",
    reason="both-sides-moved",
    winner=Side.OUTLOOK,
    stands=TimeSpan(start_at=values.NOW, end_at=values.NOW + HOUR),
    lost=TimeSpan(start_at=values.NOW + HOUR, end_at=values.NOW + 2 * HOUR),
)


async def kept(journal: Journal, **narrowed: str) -> list[Conflict]:
    return [one async for one in journal.list_conflicts(**narrowed)]


async def test_a_conflict_comes_back_as_it_was_kept_and_keeps_what_is_added(journal: Journal) -> None:
    await journal.save_conflict(CONFLICT)
    assert await kept(journal) == [CONFLICT]

    taken = replace(CONFLICT, taken_at=values.NOW + HOUR)
    await journal.save_conflict(taken)
    assert await kept(journal) == [taken]
    assert await journal.find_conflict(CONFLICT.conflict_id) == taken


async def test_an_unknown_conflict_is_not_found(journal: Journal) -> None:
    assert await journal.find_conflict("ffffffffffff") is None
    assert not await kept(journal)


async def test_conflicts_of_all_mailboxes_are_listed_newest_first_and_can_be_narrowed(journal: Journal) -> None:
    older = replace(CONFLICT, conflict_id="older", at=values.NOW - HOUR, booking_id="another booking")
    newer = replace(CONFLICT, conflict_id="newer", at=values.NOW + HOUR, mailbox_id="another mailbox")
    for one in (CONFLICT, newer, older):
        await journal.save_conflict(one)

    assert await kept(journal) == [newer, CONFLICT, older]
    assert await kept(journal, mailbox_id=values.MAILBOX) == [CONFLICT, older]
    assert await kept(journal, booking_id=values.BOOKING) == [newer, CONFLICT]


async def test_conflicts_are_no_entries_of_a_mailbox(journal: Journal) -> None:
    await journal.save_conflict(CONFLICT)

    assert [one async for one in journal.list_entries(values.MAILBOX)] == []


async def test_old_conflicts_are_pruned(journal: Journal) -> None:
    for one in (CONFLICT, replace(CONFLICT, conflict_id="old", at=values.NOW - timedelta(microseconds=1))):
        await journal.save_conflict(one)

    assert await journal.prune_conflicts(values.NOW) == 1
    assert await kept(journal) == [CONFLICT]
