"""Work items as queue text: versions of the app read each other's, and nothing else is taken for work."""

import json
from typing import Any

import pytest

from sync.core.errors import InvalidPayload
from sync.core.model import EventChange, MailboxJob, MailboxTask, Source, WorkItem
from sync.core.work import EVENT_CHANGES_QUEUE, MAILBOX_TASKS_QUEUE, item_from_text, item_to_text, queue_of
from tests.unit.values import EVENT_ID, MAILBOX, NOW, a_change

FULL_CHANGE = EventChange(
    mailbox_id=MAILBOX,
    event_id=EVENT_ID,
    received_at=NOW.replace(microsecond=123456),
    correlation_id="correlation-1",
    source=Source.SWEEP,
    etags=('W/"one"', 'W/"two"'),
    is_removed=True,
    deferrals=3,
    rechecks=1,
)
TASK = MailboxTask(mailbox_id=MAILBOX, job=MailboxJob.SWEEP, received_at=NOW, correlation_id="correlation-2")
FULL_TASK = MailboxTask(
    mailbox_id=MAILBOX,
    job=MailboxJob.RENEW,
    received_at=NOW,
    correlation_id="correlation-3",
    source=Source.REPLAY,
    subscription_id="subscription-1",
    is_full=True,
    deferrals=2,
)


@pytest.mark.parametrize(
    "item", [a_change(), FULL_CHANGE, TASK, FULL_TASK], ids=["change", "full", "task", "full task"]
)
def test_an_item_comes_back_as_it_went(item: WorkItem) -> None:
    text = item_to_text(item)
    assert item_from_text(text) == item
    assert "\n" not in text
    assert text.isascii()


def test_each_kind_has_its_queue() -> None:
    assert queue_of(a_change()) == EVENT_CHANGES_QUEUE
    assert queue_of(TASK) == MAILBOX_TASKS_QUEUE


def edited(item: WorkItem, *left_out: str, **different: Any) -> str:
    data = json.loads(item_to_text(item))
    return json.dumps({name: value for name, value in data.items() if name not in left_out} | different)


def test_a_field_of_a_newer_version_is_ignored() -> None:
    assert item_from_text(edited(FULL_CHANGE, v=2, priority="high")) == FULL_CHANGE


def test_a_field_that_an_older_version_did_not_write_has_its_default() -> None:
    older = edited(a_change(), "v", "source", "etags", "is_removed", "deferrals", "rechecks")
    assert item_from_text(older) == a_change()
    assert item_from_text(edited(TASK, "subscription_id", "is_full", "deferrals", "source")) == TASK


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
        pytest.param(edited(TASK, job="destroy"), id="an unknown job"),
        pytest.param(edited(TASK, "job"), id="no job"),
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
    ],
    ids=str,
)
def test_a_value_of_the_wrong_type_is_refused(different: dict[str, Any]) -> None:
    """Else it fails where nobody expects it, five times, and is buried as a bug."""
    with pytest.raises(InvalidPayload):
        item_from_text(edited(a_change(), **different))


@pytest.mark.parametrize("different", [{"is_full": "false"}, {"deferrals": 0.5}, {"correlation_id": ""}], ids=str)
def test_a_task_with_a_value_of_the_wrong_type_is_refused(different: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload):
        item_from_text(edited(TASK, **different))


def test_a_text_nested_deeper_than_any_parser_goes_is_refused() -> None:
    with pytest.raises(InvalidPayload):
        item_from_text("[" * 48_000)
