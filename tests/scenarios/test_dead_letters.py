"""Failure modes 17 and 19: what cannot be handled is set aside with its reason, spoils nothing else, is replayed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from local.sample import SampleBooking
from local.switchboard import Fault
from sync.core.errors import ServiceUnavailable
from sync.core.journal import DeadLetter
from sync.service.disposal import replay
from tests.hosted_app import QUIET
from tests.tenant import Tenant, event_path, wire

PLUG_IN = "Contoso plug-in: a signed work order may not be cancelled."

BAD_ENTRIES: list[Any] = [
    pytest.param({"subject": "without an id"}, id="no-id"),
    pytest.param({"id": None, "@odata.etag": 'W/"x"'}, id="null-id"),
    pytest.param({"id": 7, "@odata.etag": 'W/"x"'}, id="number-for-an-id"),
    pytest.param({"@removed": {"reason": "deleted"}}, id="removed-but-who"),
    pytest.param(None, id="null"),
    pytest.param("text", id="text"),
    pytest.param([], id="list"),
]


@pytest.mark.parametrize("bad", BAD_ENTRIES)
async def test_one_bad_entry_in_a_page_of_fifty_spoils_no_other_and_is_a_dead_letter(bad: Any) -> None:
    """Failure mode 17: the other forty-nine are handled, the booking among them moves, the bad one has its reason."""
    tenant = await Tenant.small(lose=1.0)
    visit = tenant.visit()
    private = [await add_private_event(tenant, number) for number in range(48)]
    await tenant.move_event(visit)
    await spoil_next_page(tenant, lambda entries: [*entries[:25], bad, *entries[25:]], expected=49)
    await tenant.sweep()
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    foreign = {entry.event_id for entry in tenant.entries("remember-foreign")}
    assert foreign >= set(private)
    (letter,) = tenant.letters.letters.values()
    assert letter.error_class == "InvalidPayload"
    assert "entry 25" in letter.reason
    assert letter.mend
    assert letter.mailbox_id == visit.technician.mailbox_id
    await tenant.assert_converged()


async def test_replaying_the_letter_of_a_bad_entry_finds_the_event_that_it_hid(tenant: Tenant) -> None:
    """Failure mode 17: the round that it spoiled is over, so a replay must look at the whole calendar."""
    tenant.switch(lose=1.0)
    visit = tenant.visit()
    await tenant.move_event(visit)
    await spoil_next_page(tenant, lambda _: [{"subject": "unreadable today"}], expected=1)
    await tenant.sweep(visit.technician.mailbox_id)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at
    (letter,) = tenant.letters.letters.values()
    await replay(letter, tenant.ports)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    assert not tenant.letters.letters
    await tenant.assert_converged()


BAD_EVENTS: list[Any] = [
    pytest.param({"start": None}, id="no-start"),
    pytest.param({"start": {"dateTime": "soon", "timeZone": "UTC"}}, id="start-is-no-time"),
    pytest.param({"start": {"dateTime": "2026-11-23T08:00:00", "timeZone": "Narnia"}}, id="unknown-zone"),
    pytest.param({"end": {"dateTime": "2020-01-01T00:00:00", "timeZone": "UTC"}}, id="ends-before-it-starts"),
    pytest.param({"lastModifiedDateTime": 7}, id="modified-at-seven"),
    pytest.param({"@odata.etag": ""}, id="empty-etag"),
    pytest.param({"extensions": "none"}, id="extensions-are-a-text"),
    pytest.param({"singleValueExtendedProperties": [None]}, id="property-is-null"),
]


@pytest.mark.parametrize("spoiled", BAD_EVENTS)
async def test_an_event_that_cannot_be_read_is_a_dead_letter_while_its_neighbours_are_synced(
    spoiled: dict[str, Any],
) -> None:
    """Failure mode 17: and a replay works once Graph answers well."""
    tenant = await Tenant.small(**QUIET)
    bad, good = tenant.visit(index=0), tenant.visit(index=1)
    answer = await tenant.person.get(event_path(bad.technician.mailbox_id, bad.event_id))
    body = {**answer.json(), "@odata.etag": 'W/"new"', **spoiled}
    fault = Fault(kind="event.get", path_contains=bad.event_id, times=None, status=200, body=body)
    tenant.graph.switchboard.faults.append(fault)
    await tenant.move_event(bad)
    await tenant.move_event(good)
    await tenant.settle()
    assert await tenant.booking_start(good) == good.start_at + timedelta(hours=1)
    assert await tenant.booking_start(bad) == bad.start_at
    (letter,) = tenant.letters.letters.values()
    assert letter.error_class == "InvalidPayload"
    assert letter.mend
    tenant.graph.switchboard.faults.clear()
    await replay(letter, tenant.ports)
    await tenant.settle()
    assert await tenant.booking_start(bad) == bad.start_at + timedelta(hours=1)
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_refused_cancellation_is_a_dead_letter_with_class_reason_and_mend(tenant: Tenant) -> None:
    """Failure mode 19: nothing is retried, nothing else is held up, the booking is as it was."""
    tenant.switch(**QUIET)
    refuse(tenant)
    refused, moved = tenant.visit(index=0), tenant.visit(index=1)
    before = await tenant.booking(refused)
    await tenant.delete_event(refused)
    await tenant.move_event(moved)
    await tenant.settle()
    assert await tenant.booking(refused) == before
    assert await tenant.booking_start(moved) == moved.start_at + timedelta(hours=1)
    (letter,) = tenant.letters.letters.values()
    assert letter.error_class == "Refused"
    assert PLUG_IN in letter.reason
    assert "replay" in letter.mend
    assert letter.mailbox_id == refused.technician.mailbox_id
    assert [entry.reason for entry in tenant.entries("buried")] == [letter.reason]
    assert tenant.dataverse_calls["bookableresourcebookings.update"] == 2, "the refused write is not repeated"


async def test_two_notifications_of_one_refused_deletion_are_one_dead_letter(tenant: Tenant) -> None:
    """Failure mode 19: an administrator reads and replays deletions, not notifications."""
    tenant.switch(repeat=1.0, batch=False, deleted_with_updated=True)
    refuse(tenant)
    visit = tenant.visit()
    await tenant.delete_event(visit)
    await tenant.settle()
    assert [letter.error_class for letter in tenant.letters.letters.values()] == ["Refused"]
    allow(tenant)
    await replay_all(tenant)
    await tenant.settle()
    await is_cancelled(tenant, visit)
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_replay_before_the_cause_is_gone_is_buried_again_and_one_after_it_works(tenant: Tenant) -> None:
    """Failure mode 19: replay of one item."""
    tenant.switch(**QUIET)
    refuse(tenant)
    visit = tenant.visit()
    await tenant.delete_event(visit)
    await tenant.settle()
    for _ in range(3):
        (letter,) = tenant.letters.letters.values()
        await replay(letter, tenant.ports)
        assert not tenant.letters.letters
        await tenant.settle()
    (letter,) = tenant.letters.letters.values()
    allow(tenant)
    await replay(letter, tenant.ports)
    await tenant.settle()
    await is_cancelled(tenant, visit)
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_class_is_replayed_without_the_others_and_then_all(tenant: Tenant) -> None:
    """Failure mode 19: two refused cancellations and one unreadable event."""
    refuse(tenant)
    tenant.switch(**QUIET)
    first, second, unreadable = (tenant.visit(index=index) for index in (0, 1, 2))
    fault = Fault(kind="event.get", path_contains=unreadable.event_id, times=None, status=200, body={"id": 7})
    tenant.graph.switchboard.faults.append(fault)
    await tenant.delete_event(first)
    await tenant.delete_event(second)
    await tenant.move_event(unreadable)
    await tenant.settle()
    assert sorted(letter.error_class for letter in tenant.letters.letters.values()) == [
        "InvalidPayload",
        "Refused",
        "Refused",
    ]
    allow(tenant)
    await replay_all(tenant, error_class="Refused")
    await tenant.settle()
    await is_cancelled(tenant, first)
    await is_cancelled(tenant, second)
    assert [letter.error_class for letter in tenant.letters.letters.values()] == ["InvalidPayload"]
    tenant.graph.switchboard.faults.clear()
    await replay_all(tenant)
    await tenant.settle()
    assert await tenant.booking_start(unreadable) == unreadable.start_at + timedelta(hours=1)
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_refused_deletions_that_are_replayed_within_the_hour_do_not_trip_the_breaker(tenant: Tenant) -> None:
    """Failure mode 19: eight of twenty visits were deleted, however often that was tried."""
    tenant.switch(**QUIET)
    refuse(tenant)
    visits = [tenant.visit(index=index) for index in range(8)]
    for visit in visits:
        await tenant.delete_event(visit)
    await tenant.settle()
    assert len(tenant.letters.letters) == 8
    allow(tenant)
    await replay_all(tenant)
    await tenant.settle()
    assert [letter.error_class for letter in tenant.letters.letters.values()] == []
    for visit in visits:
        await is_cancelled(tenant, visit)
    await tenant.assert_converged()


async def test_a_replay_that_comes_too_late_harms_nothing(tenant: Tenant) -> None:
    """Failure mode 19: the dispatcher cancelled by hand before anybody replayed."""
    tenant.switch(**QUIET)
    refuse(tenant)
    visit = tenant.visit()
    await tenant.delete_event(visit)
    await tenant.settle()
    allow(tenant)
    await tenant.set_status(visit, "Canceled")
    await replay_all(tenant)
    await tenant.settle()
    await is_cancelled(tenant, visit)
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_replay_interrupted_between_queue_and_letter_repeats_and_loses_nothing(tenant: Tenant) -> None:
    """Failure mode 19: queued first, removed then."""
    tenant.switch(**QUIET)
    refuse(tenant)
    visit = tenant.visit()
    await tenant.delete_event(visit)
    await tenant.settle()
    allow(tenant)
    tenant.letters.fail_next("remove", ServiceUnavailable("table letters cannot be reached"))
    with pytest.raises(ServiceUnavailable):
        await replay_all(tenant)
    assert len(tenant.letters.letters) == 1
    await replay_all(tenant)
    await tenant.settle()
    await is_cancelled(tenant, visit)
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_a_message_that_no_version_wrote_is_a_dead_letter(tenant: Tenant) -> None:
    """Failure mode 17, on the queue: it is kept as it came, and the queue goes on."""
    visit = tenant.visit()
    for text in ("not json", "[]", '{"v":1,"kind":"event"}', '{"v":1,"kind":"event","mailbox_id":["x"]}'):
        await tenant.queue.put_text("event-changes", text)
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    letters: list[DeadLetter] = list(tenant.letters.letters.values())
    assert {letter.error_class for letter in letters} == {"InvalidPayload"}
    assert "not json" in {letter.item for letter in letters}
    assert len(letters) == 4


def refuse(tenant: Tenant) -> None:
    tenant.dataverse.switchboard.set_switches({"refuse_status_change": PLUG_IN})


def allow(tenant: Tenant) -> None:
    tenant.dataverse.switchboard.set_switches({"refuse_status_change": None})


async def is_cancelled(tenant: Tenant, visit: SampleBooking) -> None:
    booking = await tenant.booking(visit)
    assert (booking["status"], booking["bks_eventid"]) == ("Canceled", None)


async def replay_all(tenant: Tenant, *, error_class: str | None = None) -> None:
    for letter in [one async for one in tenant.letters.list_letters(error_class=error_class)]:
        await replay(letter, tenant.ports)


async def add_private_event(tenant: Tenant, number: int) -> str:
    start = tenant.visit().start_at.replace(hour=18) + timedelta(days=number)
    if number >= 28:
        start -= timedelta(days=28, hours=2)
    body = {"subject": f"Private {number}", "start": wire(start), "end": wire(start + timedelta(minutes=30))}
    answer = await tenant.person.post(f"/users/{tenant.technician.mailbox_id}/events", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def spoil_next_page(tenant: Tenant, spoil: Callable[[list[Any]], list[Any]], *, expected: int) -> None:
    """Answer the app's next delta request with the genuine page, of `expected` entries, after `spoil`."""
    mailbox_id = tenant.technician.mailbox_id
    cursor = await tenant.state.find_cursor(mailbox_id)
    assert cursor is not None
    answer = await tenant.person.get(
        cursor.delta_link, headers={"Prefer": 'IdType="ImmutableId", odata.maxpagesize=100'}
    )
    page = answer.json()
    assert len(page["value"]) == expected
    page["value"] = spoil(page["value"])
    fault = Fault(kind="calendarView.delta", path_contains=mailbox_id, status=200, body=page)
    tenant.graph.switchboard.faults.append(fault)
