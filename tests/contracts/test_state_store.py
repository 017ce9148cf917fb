"""What every `StateStore` does."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from sync.core.errors import PreconditionFailed
from sync.core.mailboxes import Backfill, Breaker
from sync.core.memory import KnownBooking, KnownEvent, Link
from sync.service.store_ports import StateStore
from tests.contracts import stored_values as values

type Versioned = KnownEvent | KnownBooking | Link | Breaker

AWKWARD_IDS = ["a/b\\c#d?e", "it's 100% ours", "ünïcödé 🗓", "control\tcharacter", "x" * 600]

# For each kind: how to save it, and how to find it again
SAVE: dict[type[Any], Callable[[StateStore, Any], Awaitable[Any]]] = {
    KnownEvent: lambda state, known: state.save_known_event(known),
    KnownBooking: lambda state, known: state.save_known_booking(known),
    Link: lambda state, link: state.save_link(link),
    Breaker: lambda state, breaker: state.save_breaker(breaker),
}
FIND: dict[type[Any], Callable[[StateStore, Any], Awaitable[Any]]] = {
    KnownEvent: lambda state, known: state.find_known_event(known.mailbox_id, known.event_id),
    KnownBooking: lambda state, known: state.find_known_booking(known.booking_id),
    Link: lambda state, link: state.find_link(link.booking_id),
    Breaker: lambda state, breaker: state.find_breaker(breaker.mailbox_id),
}


def kind_of(value: object) -> str:
    return type(value).__name__


@pytest.fixture(
    params=[values.FULL_KNOWN_EVENT, values.FULL_KNOWN_BOOKING, values.FULL_LINK, values.FULL_BREAKER], ids=kind_of
)
def versioned(request: pytest.FixtureRequest) -> Versioned:
    value: Versioned = request.param
    return value


async def save[V: Versioned](state: StateStore, value: V) -> V:
    saved: V = await SAVE[type(value)](state, value)
    return saved


async def find[V: Versioned](state: StateStore, value: V) -> V | None:
    found: V | None = await FIND[type(value)](state, value)
    return found


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(values.KNOWN_EVENT, id="known event"),
        pytest.param(values.FULL_KNOWN_EVENT, id="full known event"),
        pytest.param(values.KNOWN_BOOKING, id="known booking"),
        pytest.param(values.FULL_KNOWN_BOOKING, id="full known booking"),
        pytest.param(values.LINK, id="link"),
        pytest.param(values.FULL_LINK, id="full link"),
        pytest.param(values.BREAKER, id="breaker"),
        pytest.param(values.FULL_BREAKER, id="full breaker"),
    ],
)
async def test_a_versioned_value_comes_back_as_it_was_saved(state: StateStore, value: Versioned) -> None:
    saved = await save(state, value)

    assert saved.version
    assert replace(saved, version=None) == value
    assert await find(state, value) == saved


@pytest.mark.parametrize("record", [values.SUBSCRIPTION_RECORD, values.FULL_SUBSCRIPTION_RECORD])
async def test_a_subscription_record_comes_back_as_it_was_saved(state: StateStore, record: Any) -> None:
    await state.save_subscription_record(record)

    assert await state.find_subscription_record(record.mailbox_id) == record
    assert [listed async for listed in state.list_subscription_records()] == [record]


@pytest.mark.parametrize("quarantine", [values.QUARANTINE, values.FULL_QUARANTINE])
async def test_a_quarantine_comes_back_as_it_was_saved(state: StateStore, quarantine: Any) -> None:
    await state.save_quarantine(quarantine)

    assert await state.find_quarantine(quarantine.mailbox_id) == quarantine
    assert [listed async for listed in state.list_quarantines()] == [quarantine]


async def test_the_cursor_of_the_bookings_comes_back_as_it_was_saved_last(state: StateStore) -> None:
    await state.save_booking_cursor(replace(values.BOOKING_CURSOR, delta_link="x" * 50_000))
    await state.save_booking_cursor(values.BOOKING_CURSOR)

    assert await state.find_booking_cursor() == values.BOOKING_CURSOR


@pytest.mark.parametrize("backfill", [values.BACKFILL, values.FULL_BACKFILL], ids=["all queued", "under way"])
async def test_a_backfill_comes_back_as_it_was_saved_last(state: StateStore, backfill: Backfill) -> None:
    await state.save_backfill(replace(values.FULL_BACKFILL, next_link="x" * 50_000, queued=1))
    await state.save_backfill(backfill)

    assert await state.find_backfill() == backfill


@pytest.mark.parametrize("length", [1, 16_000, 16_001, 32_000, 48_000, 100_000])
async def test_a_delta_link_of_any_length_comes_back(state: StateStore, length: int) -> None:
    delta_link = ("https://graph/delta?$deltatoken=" + "🗓é0" * length)[:length]
    cursor = replace(values.CURSOR, delta_link=delta_link)

    await state.save_cursor(cursor)

    assert await state.find_cursor(cursor.mailbox_id) == cursor


async def test_a_shorter_value_leaves_nothing_of_the_longer_one_before(state: StateStore) -> None:
    await state.save_cursor(replace(values.CURSOR, delta_link="x" * 50_000))
    await state.save_cursor(replace(values.CURSOR, delta_link="y" * 20_000))
    await state.save_subscription_record(values.FULL_SUBSCRIPTION_RECORD)
    await state.save_subscription_record(values.SUBSCRIPTION_RECORD)

    assert await state.find_cursor(values.MAILBOX) == replace(values.CURSOR, delta_link="y" * 20_000)
    assert await state.find_subscription_record(values.MAILBOX) == values.SUBSCRIPTION_RECORD


async def test_what_a_versioned_value_no_longer_has_is_forgotten(state: StateStore) -> None:
    saved = await state.save_known_event(values.FULL_KNOWN_EVENT)

    released = await state.save_known_event(replace(values.KNOWN_EVENT, version=saved.version))

    assert await state.find_known_event(values.MAILBOX, values.EVENT) == released
    assert replace(released, version=None) == values.KNOWN_EVENT


async def test_a_link_does_not_change_with_the_digests_that_it_was_made_from(state: StateStore) -> None:
    written = {"subject": "before"}
    saved = await state.save_link(replace(values.LINK, written=written))

    written["subject"] = "after"

    found = await state.find_link(values.BOOKING)
    assert found
    assert found.version == saved.version
    assert found.written == {"subject": "before"}


async def test_nothing_is_found_or_listed_where_nothing_was_saved(state: StateStore) -> None:
    assert await state.find_known_event("m", "e") is None
    assert await state.find_known_booking("b") is None
    assert await state.find_link("b") is None
    assert await state.find_booking_cursor() is None
    assert await state.find_backfill() is None
    assert await state.find_cursor("m") is None
    assert await state.find_quarantine("m") is None
    assert await state.find_breaker("m") is None
    assert await state.find_subscription_record("m") is None
    assert [known async for known in state.list_known_events("m")] == []
    assert [link async for link in state.list_links()] == []
    assert [quarantine async for quarantine in state.list_quarantines()] == []
    assert [breaker async for breaker in state.list_breakers()] == []
    assert [record async for record in state.list_subscription_records()] == []


async def test_deleting_what_is_absent_succeeds(state: StateStore) -> None:
    for _ in range(2):  # first without a table, then with one that lacks the row
        await state.delete_known_event("absent", "absent")
        await state.delete_known_booking("absent")
        await state.delete_link(
            replace(values.LINK, booking_id="absent", version="W/\"datetime'2026-11-21T09%3A30%3A15.1234567Z'\"")
        )
        await state.delete_cursor("absent")
        await state.delete_quarantine("absent")
        await state.delete_subscription_record("absent")
        await state.save_known_event(replace(values.KNOWN_EVENT, event_id=uuid4().hex))
        await state.save_known_booking(replace(values.KNOWN_BOOKING, booking_id=uuid4().hex))
        await state.save_link(replace(values.LINK, booking_id=uuid4().hex))
        await state.save_cursor(values.CURSOR)
        await state.save_quarantine(values.QUARANTINE)
        await state.save_subscription_record(values.SUBSCRIPTION_RECORD)

    assert len([known async for known in state.list_known_events(values.MAILBOX)]) == 2
    assert await state.find_cursor(values.MAILBOX) == values.CURSOR


async def test_the_cursor_of_the_bookings_and_the_backfill_can_be_deleted_more_than_once(state: StateStore) -> None:
    await state.delete_booking_cursor()
    await state.delete_backfill()
    await state.save_booking_cursor(values.BOOKING_CURSOR)
    await state.save_backfill(values.BACKFILL)
    for _ in range(2):
        await state.delete_booking_cursor()
        await state.delete_backfill()

    assert await state.find_booking_cursor() is None
    assert await state.find_backfill() is None


async def test_what_was_deleted_is_gone(state: StateStore) -> None:
    await state.save_known_event(values.KNOWN_EVENT)
    await state.save_known_event(replace(values.KNOWN_EVENT, event_id="another"))
    await state.save_known_booking(values.KNOWN_BOOKING)
    link = await state.save_link(values.LINK)
    await state.save_cursor(values.CURSOR)
    await state.save_quarantine(values.QUARANTINE)
    await state.save_subscription_record(values.SUBSCRIPTION_RECORD)

    await state.delete_known_event(values.MAILBOX, values.EVENT)
    await state.delete_known_booking(values.BOOKING)
    await state.delete_link(link)
    await state.delete_cursor(values.MAILBOX)
    await state.delete_quarantine(values.MAILBOX)
    await state.delete_subscription_record(values.MAILBOX)

    assert [known.event_id async for known in state.list_known_events(values.MAILBOX)] == ["another"]
    assert await state.find_known_booking(values.BOOKING) is None
    assert await state.find_link(values.BOOKING) is None
    assert await state.find_cursor(values.MAILBOX) is None
    assert await state.find_quarantine(values.MAILBOX) is None
    assert await state.find_subscription_record(values.MAILBOX) is None


async def test_a_value_without_version_must_not_exist_yet(state: StateStore, versioned: Versioned) -> None:
    first = await save(state, versioned)

    with pytest.raises(PreconditionFailed):
        await save(state, versioned)
    assert await find(state, versioned) == first


async def test_a_stale_version_is_refused(state: StateStore, versioned: Versioned) -> None:
    first = await save(state, versioned)
    second = await save(state, first)

    assert second.version != first.version
    with pytest.raises(PreconditionFailed):
        await save(state, first)
    assert await find(state, versioned) == second


async def test_a_version_of_a_row_that_is_gone_is_refused(state: StateStore) -> None:
    saved = await state.save_link(values.LINK)
    await state.delete_link(saved)

    with pytest.raises(PreconditionFailed):
        await state.save_link(saved)
    assert await state.find_link(saved.booking_id) is None


async def test_a_link_that_somebody_else_wrote_is_not_deleted(state: StateStore) -> None:
    first = await state.save_link(values.LINK)
    second = await state.save_link(first)

    with pytest.raises(PreconditionFailed):
        await state.delete_link(first)
    assert await state.find_link(first.booking_id) == second


async def test_a_version_where_there_never_was_a_table_is_refused(state: StateStore) -> None:
    with pytest.raises(PreconditionFailed):
        await state.save_link(replace(values.LINK, version="W/\"datetime'2026-11-21T09%3A30%3A15.1234567Z'\""))


@pytest.mark.parametrize("is_new", [True, False], ids=["insert", "update"])
@pytest.mark.parametrize("leased", [values.KNOWN_EVENT, values.KNOWN_BOOKING], ids=kind_of)
async def test_one_of_twenty_concurrent_saves_wins(
    state: StateStore, leased: KnownEvent | KnownBooking, *, is_new: bool
) -> None:
    version = None if is_new else (await save(state, leased)).version
    rivals = [replace(leased, leased_by=f"worker-{number}", version=version) for number in range(20)]

    outcomes = await asyncio.gather(*(save(state, rival) for rival in rivals), return_exceptions=True)

    winners = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, PreconditionFailed) for outcome in outcomes) == 19
    assert await find(state, leased) == winners[0]


async def test_event_ids_that_differ_little_are_different(state: StateStore) -> None:
    event_ids = ["AAMkAG-x", "AAMkAG_x", "aamkag-x", "AAMKAG-X", "AAMkAG/x", "AAMkAG+x", "AAMkAG-x="]
    for event_id in event_ids:
        await state.save_known_event(replace(values.KNOWN_EVENT, event_id=event_id, leased_by=event_id))

    for event_id in event_ids:
        found = await state.find_known_event(values.MAILBOX, event_id)
        assert found
        assert (found.event_id, found.leased_by) == (event_id, event_id)
    listed = [known.event_id async for known in state.list_known_events(values.MAILBOX)]
    assert sorted(listed) == sorted(event_ids)


@pytest.mark.parametrize("identity", ["AbC", *AWKWARD_IDS], ids=range(6))
async def test_any_text_may_be_an_id(state: StateStore, identity: str) -> None:
    known = await state.save_known_event(replace(values.KNOWN_EVENT, mailbox_id=identity, event_id=identity))
    booking = await state.save_known_booking(replace(values.KNOWN_BOOKING, booking_id=identity))
    link = await state.save_link(replace(values.LINK, booking_id=identity))
    await state.save_cursor(replace(values.CURSOR, mailbox_id=identity))

    assert await state.find_known_event(identity, identity) == known
    assert [listed async for listed in state.list_known_events(identity)] == [known]
    assert await state.find_known_booking(identity) == booking
    assert await state.find_known_booking(identity.swapcase()) is None
    assert await state.find_link(identity) == link
    assert [listed async for listed in state.list_links()] == [link]
    assert await state.find_cursor(identity) == replace(values.CURSOR, mailbox_id=identity)
    assert await state.find_cursor(identity.swapcase()) is None
    await state.delete_known_booking(identity)
    await state.delete_link(link)
    assert await state.find_known_booking(identity) is None
    assert await state.find_link(identity) is None


async def test_known_events_are_listed_by_mailbox(state: StateStore) -> None:
    for mailbox_id in ("first", "second"):
        for number in range(3):
            await state.save_known_event(KnownEvent(mailbox_id=mailbox_id, event_id=f"event-{number}"))

    listed = [known async for known in state.list_known_events("second")]

    assert sorted(known.event_id for known in listed) == ["event-0", "event-1", "event-2"]
    assert {known.mailbox_id for known in listed} == {"second"}
    assert all([await state.find_known_event("second", known.event_id) == known for known in listed])


async def test_lists_over_all_mailboxes_are_complete(state: StateStore) -> None:
    mailbox_ids = [f"mailbox-{number}" for number in range(5)]
    for mailbox_id in mailbox_ids:
        await state.save_quarantine(replace(values.QUARANTINE, mailbox_id=mailbox_id))
        await state.save_breaker(replace(values.BREAKER, mailbox_id=mailbox_id))
        await state.save_subscription_record(replace(values.SUBSCRIPTION_RECORD, mailbox_id=mailbox_id))

    assert sorted([one.mailbox_id async for one in state.list_quarantines()]) == mailbox_ids
    assert sorted([one.mailbox_id async for one in state.list_breakers()]) == mailbox_ids
    assert sorted([one.mailbox_id async for one in state.list_subscription_records()]) == mailbox_ids


async def test_links_of_all_bookings_are_listed_and_can_be_deleted_meanwhile(state: StateStore) -> None:
    saved = [await state.save_link(replace(values.FULL_LINK, booking_id=f"booking-{number}")) for number in range(5)]

    listed = []
    async for link in state.list_links():
        listed.append(link)
        await state.delete_link(link)

    assert sorted(listed, key=lambda link: link.booking_id) == saved
    assert [link async for link in state.list_links()] == []


async def test_a_listed_value_can_be_saved_at_once(state: StateStore) -> None:
    await state.save_breaker(values.BREAKER)

    async for breaker in state.list_breakers():
        await state.save_breaker(replace(breaker, held=1))

    assert [breaker.held async for breaker in state.list_breakers()] == [1]
