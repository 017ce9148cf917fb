"""Work items as queue text: versions of the app read each other's, and nothing else is taken for work."""

import json
from dataclasses import replace
from typing import Any

import pytest

from sync.core.errors import InvalidPayload
from sync.core.sides import event_hash
from sync.core.work import (
    BOOKING_CHANGES_QUEUE,
    EVENT_CHANGES_QUEUE,
    MAILBOX_TASKS_QUEUE,
    QUEUES,
    item_from_text,
    item_to_text,
    queue_of,
)
from sync.core.work_items import BookingChange, EventChange, MailboxJob, MailboxTask, Source, WorkItem
from tests.unit.values import (
    BOOKING_ID,
    EVENT_ID,
    MAILBOX,
    NOW,
    a_booking_change,
    a_change,
    a_task,
    a_work_order_change,
)

FULL_CHANGE = EventChange(
    mailbox_id=MAILBOX,
    event_id=EVENT_ID,
    received_at=NOW.replace(microsecond=123456),
    correlation_id="correlation-1",
    source=Source.SWEEP,
    etags=('W/"one"', 'W/"two"'),
    is_removed=True,
    deferrals=3,
    waiting_since=NOW.replace(microsecond=654321),
    rechecks=1,
)
FULL_BOOKING_CHANGE = BookingChange(
    booking_id=BOOKING_ID,
    received_at=NOW.replace(microsecond=123456),
    correlation_id="correlation-4",
    source=Source.SWEEP,
    fingerprint="0123456789abcdef0123456789abcdef",
    etag='W/"1001"',
    is_new=True,
    is_deleted=True,
    mailbox_id=MAILBOX,
    event_id=EVENT_ID,
    event_hash=event_hash(MAILBOX, EVENT_ID),
    resource_id="resource-1",
    deferrals=3,
    waiting_since=NOW,
)
FULL_WORK_ORDER_CHANGE = a_work_order_change(source=Source.REPLAY, deferrals=4, waiting_since=NOW)
FULL_TASK = MailboxTask(
    mailbox_id=MAILBOX,
    job=MailboxJob.RENEW,
    received_at=NOW,
    correlation_id="correlation-3",
    source=Source.REPLAY,
    subscription_id="subscription-1",
    is_full=True,
    deferrals=2,
    waiting_since=NOW,
)


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(a_change(), id="event"),
        pytest.param(FULL_CHANGE, id="full event"),
        pytest.param(a_booking_change(), id="booking"),
        pytest.param(FULL_BOOKING_CHANGE, id="full booking"),
        pytest.param(a_work_order_change(), id="work order"),
        pytest.param(FULL_WORK_ORDER_CHANGE, id="full work order"),
        pytest.param(a_task(), id="task"),
        pytest.param(FULL_TASK, id="full task"),
    ],
)
def test_an_item_comes_back_as_it_went(item: WorkItem) -> None:
    text = item_to_text(item)
    assert item_from_text(text) == item
    assert "\n" not in text
    assert text.isascii()


def test_each_kind_has_its_queue() -> None:
    assert queue_of(a_change()) == EVENT_CHANGES_QUEUE
    assert queue_of(a_booking_change()) == BOOKING_CHANGES_QUEUE
    assert queue_of(a_work_order_change()) == BOOKING_CHANGES_QUEUE, "its bookings are looked at"
    assert queue_of(a_task()) == MAILBOX_TASKS_QUEUE
    assert set(QUEUES) == {EVENT_CHANGES_QUEUE, BOOKING_CHANGES_QUEUE, MAILBOX_TASKS_QUEUE}


def edited(item: WorkItem, *left_out: str, **different: Any) -> str:
    data = json.loads(item_to_text(item))
    return json.dumps({name: value for name, value in data.items() if name not in left_out} | different)


@pytest.mark.parametrize(
    "item",
    [FULL_CHANGE, FULL_BOOKING_CHANGE, FULL_WORK_ORDER_CHANGE, FULL_TASK],
    ids=["event", "booking", "work order", "task"],
)
def test_a_field_of_a_newer_version_is_ignored(item: WorkItem) -> None:
    assert item_from_text(edited(item, v=2, priority="high")) == item


@pytest.mark.parametrize(
    ("text", "item"),
    [
        pytest.param(
            '{"v":1,"kind":"event","mailbox_id":"11111111-1111-4111-8111-111111111111","event_id":"AAMkAGI2-visit=",'
            '"received_at":"2026-11-21T09:00:00.123456+00:00","correlation_id":"correlation-1","source":"sweep",'
            '"etags":["W/\\"one\\"","W/\\"two\\""],"is_removed":true,"deferrals":3,"rechecks":1}',
            replace(FULL_CHANGE, waiting_since=None),
            id="event",
        ),
        pytest.param(
            '{"v":1,"kind":"mailbox","mailbox_id":"11111111-1111-4111-8111-111111111111","job":"renew",'
            '"received_at":"2026-11-21T09:00:00+00:00","correlation_id":"correlation-3","source":"replay",'
            '"subscription_id":"subscription-1","is_full":true,"deferrals":2}',
            replace(FULL_TASK, waiting_since=None),
            id="task",
        ),
    ],
)
def test_a_text_of_the_first_version_is_read(text: str, item: WorkItem) -> None:
    """It may wait on a queue, or lie among the dead letters, while the app is updated."""
    assert item_from_text(text) == item


def test_a_field_that_an_older_version_did_not_write_has_its_default() -> None:
    older = edited(a_change(), "v", "source", "etags", "is_removed", "deferrals", "waiting_since", "rechecks")
    assert item_from_text(older) == a_change()
    assert (
        item_from_text(edited(a_task(), "subscription_id", "is_full", "deferrals", "waiting_since", "source"))
        == a_task()
    )
    assert (
        item_from_text(edited(a_work_order_change(), "source", "deferrals", "waiting_since")) == a_work_order_change()
    )
    required = {"kind", "booking_id", "received_at", "correlation_id"}
    optional = json.loads(item_to_text(a_booking_change())).keys() - required
    assert item_from_text(edited(a_booking_change(), *optional)) == a_booking_change()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("not json", id="no JSON"),
        pytest.param("null", id="null"),
        pytest.param("[]", id="an array"),
        pytest.param('"event"', id="a string"),
        pytest.param("{}", id="no kind"),
        pytest.param(edited(a_change(), kind="unheard-of"), id="another kind"),
        pytest.param(edited(a_change(), kind=["event"]), id="a list of kinds"),
        pytest.param(edited(a_change(), "mailbox_id"), id="no mailbox"),
        pytest.param(edited(a_change(), mailbox_id=""), id="an empty mailbox"),
        pytest.param(edited(a_change(), mailbox_id=5), id="a number for a mailbox"),
        pytest.param(edited(a_change(), "event_id"), id="no event"),
        pytest.param(edited(a_change(), received_at="yesterday"), id="a time that is none"),
        pytest.param(edited(a_change(), received_at="2026-11-21T09:00:00"), id="a time without a zone"),
        pytest.param(edited(a_change(), received_at=1), id="a number for a time"),
        pytest.param(edited(a_change(), source="rumour"), id="an unknown source"),
        pytest.param(edited(a_change(), etags=5), id="a number for etags"),
        pytest.param(edited(a_task(), job="destroy"), id="an unknown job"),
        pytest.param(edited(a_task(), "job"), id="no job"),
        pytest.param(edited(a_booking_change(), "booking_id"), id="no booking"),
        pytest.param(edited(a_booking_change(), "correlation_id"), id="a booking without correlation"),
        pytest.param(edited(a_booking_change(), "received_at"), id="a booking of no time"),
        pytest.param(edited(a_booking_change(), received_at="2026-11-21T09:00:00"), id="a booking of no zone"),
        pytest.param(edited(a_booking_change(), source="rumour"), id="a booking of an unknown source"),
        pytest.param(edited(a_work_order_change(), "work_order_id"), id="no work order"),
        pytest.param(edited(a_work_order_change(), kind="booking"), id="a work order for a booking"),
    ],
)
def test_what_no_version_wrote_is_refused(text: str) -> None:
    with pytest.raises(InvalidPayload):
        item_from_text(text)


@pytest.mark.parametrize(
    "different",
    [
        {"event_id": 5},
        {"etags": [1]},
        {"deferrals": "3"},
        {"deferrals": None},
        {"correlation_id": None},
        {"correlation_id": ""},
        {"event_id": ""},
        {"etags": "letters"},
        {"is_removed": "false"},
        {"is_removed": 1},
        {"rechecks": "1"},
        {"rechecks": 1.5},
        {"deferrals": True},
        {"received_at": "2026-11-21T09:00:00"},
        {"waiting_since": "2026-11-21T09:00:00"},
        {"waiting_since": ""},
        {"waiting_since": 5},
    ],
    ids=str,
)
def test_a_value_of_the_wrong_type_is_refused(different: dict[str, Any]) -> None:
    """Else it fails where nobody expects it, five times, and is buried as a bug."""
    with pytest.raises(InvalidPayload):
        item_from_text(edited(a_change(), **different))


@pytest.mark.parametrize(
    "different",
    [
        {"booking_id": None},
        {"booking_id": ""},
        {"booking_id": 5},
        {"booking_id": "ü"},
        {"correlation_id": None},
        {"fingerprint": 5},
        {"etag": ["one"]},
        {"is_new": 1},
        {"is_new": None},
        {"is_deleted": "false"},
        {"mailbox_id": ""},
        {"mailbox_id": 5},
        {"event_id": ""},
        {"event_id": ["one"]},
        {"event_hash": 5},
        {"resource_id": ""},
        {"resource_id": True},
        {"deferrals": "3"},
        {"deferrals": True},
        {"deferrals": None},
    ],
    ids=str,
)
def test_a_booking_change_with_a_value_of_the_wrong_type_is_refused(different: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload):
        item_from_text(edited(a_booking_change(), **different))


@pytest.mark.parametrize(
    "different",
    [{"work_order_id": None}, {"work_order_id": ""}, {"work_order_id": 5}, {"correlation_id": ""}, {"deferrals": 0.5}],
    ids=str,
)
def test_a_work_order_change_with_a_value_of_the_wrong_type_is_refused(different: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload):
        item_from_text(edited(a_work_order_change(), **different))


@pytest.mark.parametrize("different", [{"is_full": "false"}, {"deferrals": 0.5}, {"correlation_id": ""}], ids=str)
def test_a_task_with_a_value_of_the_wrong_type_is_refused(different: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload):
        item_from_text(edited(a_task(), **different))


def test_a_text_nested_deeper_than_any_parser_goes_is_refused() -> None:
    with pytest.raises(InvalidPayload):
        item_from_text("[" * 48_000)
