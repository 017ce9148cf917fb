"""A full round of the table of bookings needs no more memory than a page and the links, however large the table is."""

import tracemalloc
from typing import Any, cast

from sync.core.work import BOOKING_CHANGES_QUEUE, item_from_text
from sync.core.work_items import BookingChange
from sync.service.booking_sweep import sweep_bookings
from sync.service.ports import BookingPage, ListedBooking, Ports
from tests.fakes import FakeDeadLetters, FakeJournal, FakeStateStore, FakeWorkQueue
from tests.unit.test_sweep_memory import RULES
from tests.unit.values import BOOKING_ID, NOW, a_link

PAGES = 10
ROWS = 5_000
SPAN = a_link().agreed


class LargeTable:
    """A first round of change tracking over fifty thousand bookings, the linked one on its first page."""

    async def read_booking_changes(self, link: str | None) -> BookingPage:
        number = int(link or 0)
        ids = [f"booking-{number}-{row}" for row in range(ROWS)]
        if number == 0:
            ids[0] = BOOKING_ID
        rows = [ListedBooking(booking_id=one, etag=f'W/"{one}"', span=SPAN) for one in ids]
        is_last = number == PAGES - 1
        return BookingPage(
            bookings=rows, next_link=None if is_last else str(number + 1), delta_link="done" if is_last else None
        )


async def test_a_full_round_keeps_of_each_page_only_the_bookings_that_have_a_link() -> None:
    queue, state = FakeWorkQueue(lambda: NOW), FakeStateStore()
    await state.save_link(a_link())
    ports = Ports(
        calendar=cast(Any, None),
        bookings=cast(Any, LargeTable()),
        state=state,
        journal=FakeJournal(),
        dead_letters=FakeDeadLetters(),
        queue=queue,
        clock=lambda: NOW,
        new_id=lambda: "an id",
    )
    tracemalloc.start()
    try:
        await sweep_bookings(ports, RULES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (message,) = queue.messages(BOOKING_CHANGES_QUEUE)
    item = item_from_text(message.text)
    assert isinstance(item, BookingChange)
    assert (item.booking_id, item.is_deleted) == (BOOKING_ID, False)
    assert peak < 5_000_000, "a page takes one million bytes, the whole table more than ten"
