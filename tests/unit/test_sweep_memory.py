"""What a full round forgets, so that the tables do not grow for ever, and what it must not forget."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import count
from typing import cast

import pytest

from sync.core.memory import KnownEvent, Link, Standing
from sync.core.rules import Rules
from sync.core.sides import Booking, TimeSpan
from sync.core.subscriptions import SubscriptionPolicy
from sync.core.work import EVENT_CHANGES_QUEUE
from sync.core.work_items import MailboxJob, Source
from sync.service.ports import BookingTable, DeltaPage, EventCalendar, ListedBooking, Ports
from sync.service.sweeping import LINK_MEMORY, mailbox_task, sweep_mailbox
from tests.fakes import FakeDeadLetters, FakeJournal, FakeStateStore, FakeWorkQueue
from tests.unit.values import BOOKING_ID, COPY_ID, EVENT_ID, MAILBOX, NOW, TEMPLATES, a_booking, a_known_event, a_link

RULES = Rules(
    subscriptions=SubscriptionPolicy(notification_url="https://app.example", lifecycle_url="https://app.example"),
    templates=TEMPLATES,
)
TICK = timedelta(seconds=1)


class EmptyCalendar:
    """A mailbox that shows no event."""

    async def read_delta(self, mailbox_id: str, *, window: TimeSpan, link: str | None) -> DeltaPage:
        del mailbox_id, window, link
        return DeltaPage(changed=[], removed=[], delta_link="the next round")


class Bookings:
    """Lists the given bookings for any mailbox and window."""

    def __init__(self, listed: Sequence[Booking]) -> None:
        self._listed = listed

    async def list_bookings(self, mailbox_id: str, window: TimeSpan) -> AsyncIterator[ListedBooking]:
        del mailbox_id, window
        for booking in self._listed:
            yield ListedBooking(
                booking_id=booking.booking_id, etag=booking.etag, span=booking.span, event_id=booking.event_id
            )


def some_ports(*listed: Booking) -> tuple[Ports, FakeStateStore, FakeWorkQueue]:
    """Ports on an empty calendar and the bookings that Dataverse lists, and those two that the tests look into."""
    numbers = count(1)
    state, queue = FakeStateStore(), FakeWorkQueue(lambda: NOW)
    ports = Ports(
        calendar=cast(EventCalendar, EmptyCalendar()),
        bookings=cast(BookingTable, Bookings(listed)),
        state=state,
        journal=FakeJournal(),
        dead_letters=FakeDeadLetters(),
        queue=queue,
        clock=lambda: NOW,
        new_id=lambda: f"id-{next(numbers)}",
    )
    return ports, state, queue


async def sweep_fully(ports: Ports) -> None:
    await sweep_mailbox(
        mailbox_task(MAILBOX, MailboxJob.SWEEP, ports, source=Source.REPLAY, is_full=True), ports, RULES
    )


def ended_at(seconds: float) -> TimeSpan:
    """A visit whose link's memory ran out so many seconds ago."""
    end_at = NOW - LINK_MEMORY - timedelta(seconds=seconds)
    return TimeSpan(start_at=end_at - timedelta(hours=2), end_at=end_at)


@pytest.mark.parametrize(
    ("known", "is_kept"),
    [
        pytest.param(
            a_known_event(standing=Standing.ENDED, remembered_until=NOW - TICK), False, id="an ended event in the end"
        ),
        pytest.param(
            a_known_event(standing=Standing.ENDED, remembered_until=NOW + TICK), True, id="an ended event not before"
        ),
        pytest.param(
            a_known_event(standing=Standing.ENDED, remembered_until=NOW - TICK, span=ended_at(-1)),
            True,
            id="an ended event of a visit not long ago: it may be planned anew",
        ),
        pytest.param(
            a_known_event(standing=Standing.ENDED, remembered_until=NOW - TICK, span=ended_at(1)),
            False,
            id="an ended event of a visit of long ago",
        ),
        pytest.param(
            a_known_event(standing=Standing.ENDED, remembered_until=NOW + TICK, span=ended_at(1)),
            True,
            id="an event that ended just now, of a visit of long ago",
        ),
        pytest.param(
            a_known_event(standing=Standing.FOREIGN, remembered_until=NOW - TICK),
            False,
            id="a private event in the end",
        ),
        pytest.param(a_known_event(standing=Standing.LINKED, span=ended_at(1)), False, id="a visit of long ago"),
        pytest.param(a_known_event(standing=Standing.LINKED, span=ended_at(-1)), True, id="a visit not before"),
    ],
)
async def test_what_a_full_round_forgets(known: KnownEvent, is_kept: bool) -> None:
    ports, state, _ = some_ports()
    await state.save_known_event(known)
    await sweep_fully(ports)
    assert (await state.find_known_event(MAILBOX, EVENT_ID) is not None) is is_kept


async def test_a_deletion_that_did_not_count_once_does_not_count_weeks_later() -> None:
    """Work had begun, so the booking kept naming its dead event; then the visit was planned anew."""
    ports, state, queue = some_ports(a_booking())
    await state.save_known_event(a_known_event(standing=Standing.ENDED, remembered_until=NOW - timedelta(days=1)))
    await sweep_fully(ports)
    known = await state.find_known_event(MAILBOX, EVENT_ID)
    assert known is not None
    assert known.standing is Standing.ENDED, "and the decision table ends nothing for an event that has ended"
    assert queue.messages(EVENT_CHANGES_QUEUE) == []


@pytest.mark.parametrize(
    ("link", "is_kept"),
    [
        pytest.param(a_link(), False, id="the event's own"),
        pytest.param(a_link(event_id=COPY_ID), True, id="not one that the booking has with another event by now"),
    ],
)
async def test_a_link_is_forgotten_with_its_event(link: Link, is_kept: bool) -> None:
    ports, state, _ = some_ports()
    await state.save_known_event(a_known_event(standing=Standing.LINKED, booking_id=BOOKING_ID, span=ended_at(1)))
    await state.save_link(link)
    await sweep_fully(ports)
    assert (await state.find_link(BOOKING_ID) is not None) is is_kept
