"""The journal is kept for 90 days: what a sweep comes to loses its old rows, however many they are."""

from dataclasses import replace
from datetime import timedelta

import pytest

from sync.core.journal import JournalEntry
from sync.core.mailboxes import BOOKINGS
from sync.core.work_items import Source
from sync.service.journal_memory import DELETED_AT_ONCE, JOURNAL_MEMORY
from tests.dispatching import DAY, HOUR, DispatchTenant


def write_old_rows(tenant: DispatchTenant, mailbox_id: str, count: int) -> None:
    """A story that is just old enough to go."""
    at = tenant.clock.now() - JOURNAL_MEMORY - timedelta(seconds=1)
    tenant.journal.entries += [
        JournalEntry(
            mailbox_id=mailbox_id,
            correlation_id=f"old {number}",
            at=at,
            received_at=at,
            source=Source.PUSH,
            action="leave-alone",
            reason="long ago",
        )
        for number in range(count)
    ]


def old_rows(tenant: DispatchTenant) -> int:
    return sum(entry.reason == "long ago" for entry in tenant.journal.entries)


async def test_the_story_of_the_table_of_bookings_is_pruned_once_a_day() -> None:
    tenant = await DispatchTenant.open()
    await tenant.sweep_bookings()
    write_old_rows(tenant, BOOKINGS, 3)
    tenant.clock.advance(HOUR.total_seconds())
    await tenant.sweep_bookings()
    assert old_rows(tenant) == 3, "that would be ninety-six calls a day"
    tenant.clock.advance(DAY.total_seconds())
    await tenant.sweep_bookings()
    assert old_rows(tenant) == 0


@pytest.mark.parametrize("of_table", [True, False], ids=["bookings", "mailbox"])
async def test_more_rows_than_one_call_deletes_go_in_one_sweep(of_table: bool) -> None:
    tenant = await DispatchTenant.open()
    mailbox_id = tenant.technician.mailbox_id
    write_old_rows(tenant, BOOKINGS if of_table else mailbox_id, 2 * DELETED_AT_ONCE + 1)
    tenant.clock.advance(DAY.total_seconds())
    if of_table:
        await tenant.sweep_bookings()
    else:
        await tenant.sweep(mailbox_id, is_full=True)
        await tenant.settle()
    assert old_rows(tenant) == 0


async def test_what_is_ninety_days_old_to_the_second_stays() -> None:
    tenant = await DispatchTenant.open()
    write_old_rows(tenant, BOOKINGS, 1)
    tenant.journal.entries[-1] = replace(tenant.journal.entries[-1], at=tenant.clock.now() - JOURNAL_MEMORY + DAY)
    tenant.clock.advance(DAY.total_seconds())
    await tenant.sweep_bookings()
    assert old_rows(tenant) == 1
