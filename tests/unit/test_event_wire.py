"""What is written into events, as tables, and which events are taken for a booking's."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.adapters.event_wire import LOOKALIKE_FIELDS, body_from_wire, changes_to_wire, draft_to_wire, is_lookalike
from sync.adapters.graph_wire import BOOKING_ID_PROPERTY
from sync.core.content import EventContent, ShowAs
from sync.core.errors import InvalidPayload
from sync.core.sides import TimeSpan
from sync.service.ports import EventBody, EventChanges, EventDraft
from tests.unit.values import BOOKING_ID

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
SPAN = TimeSpan(start_at=START, end_at=START + timedelta(minutes=90))
MARK = [{"id": BOOKING_ID_PROPERTY, "value": BOOKING_ID}]
CONTENT = EventContent(
    subject="WO-00042, Fabrikam",
    location="12 Harbour Street, Bergen",
    body="<p>Boiler</p>",
    categories=("Dynamics 365", "Urgent"),
    show_as=ShowAs.OUT_OF_OFFICE,
)


def test_a_new_event_says_everything_in_one_body_and_invites_nobody() -> None:
    draft = EventDraft(booking_id=BOOKING_ID, transaction_id="t-1", span=SPAN, content=CONTENT)
    assert draft_to_wire(draft) == {
        "subject": "WO-00042, Fabrikam",
        "body": {"contentType": "html", "content": "<p>Boiler</p>"},
        "location": {"displayName": "12 Harbour Street, Bergen"},
        "start": {"dateTime": "2026-11-23T08:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-11-23T09:30:00", "timeZone": "UTC"},
        "categories": ["Dynamics 365", "Urgent"],
        "showAs": "oof",
        "transactionId": "t-1",
        "extensions": [
            {
                "@odata.type": "microsoft.graph.openTypeExtension",
                "extensionName": "Com.BookingSync.Link",
                "bookingSyncGuid": BOOKING_ID,
            }
        ],
        "singleValueExtendedProperties": MARK,
    }


@pytest.mark.parametrize(
    ("changes", "wire"),
    [
        pytest.param(EventChanges(booking_id=BOOKING_ID), {"singleValueExtendedProperties": MARK}, id="the mark"),
        pytest.param(EventChanges(subject="Boiler"), {"subject": "Boiler"}, id="the subject"),
        pytest.param(EventChanges(subject=""), {"subject": ""}, id="no subject, which is not the same as leaving it"),
        pytest.param(EventChanges(location=""), {"location": {"displayName": ""}}, id="no location any more"),
        pytest.param(
            EventChanges(body="<p>1</p>"), {"body": {"contentType": "html", "content": "<p>1</p>"}}, id="body"
        ),
        pytest.param(EventChanges(categories=()), {"categories": []}, id="no categories any more"),
        pytest.param(EventChanges(show_as=ShowAs.FREE), {"showAs": "free"}, id="free"),
        pytest.param(
            EventChanges(
                span=TimeSpan(
                    start_at=datetime(2026, 7, 1, 10, tzinfo=ZoneInfo("Europe/Berlin")),
                    end_at=datetime(2026, 7, 1, 11, tzinfo=ZoneInfo("Europe/Berlin")),
                )
            ),
            {
                "start": {"dateTime": "2026-07-01T08:00:00", "timeZone": "UTC"},
                "end": {"dateTime": "2026-07-01T09:00:00", "timeZone": "UTC"},
            },
            id="the times, in UTC",
        ),
        pytest.param(
            EventChanges(subject="Boiler", show_as=ShowAs.WORKING_ELSEWHERE),
            {"subject": "Boiler", "showAs": "workingElsewhere"},
            id="two fields",
        ),
    ],
)
def test_a_change_says_what_changes_and_nothing_else(changes: EventChanges, wire: dict[str, Any]) -> None:
    assert changes_to_wire(changes) == wire


def test_a_change_of_nothing_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="nothing to change"):
        changes_to_wire(EventChanges())


# Bodies


@pytest.mark.parametrize("content_type", ["html", "HTML"])
def test_a_body_is_html_with_the_etag_of_its_state(content_type: str) -> None:
    data = {"@odata.etag": 'W/"one"', "id": "1", "body": {"contentType": content_type, "content": "<p>Hi</p>"}}
    assert body_from_wire(data) == EventBody(html="<p>Hi</p>", etag='W/"one"')


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"body": {"contentType": "text", "content": "1 < 2"}}, id="text, which must not pass for HTML"),
        pytest.param({"body": None}, id="no body"),
        pytest.param({"body": {"contentType": "html"}}, id="no content"),
        pytest.param({"body": {"content": "<p>"}}, id="no type"),
        pytest.param({"@odata.etag": None}, id="no etag"),
        pytest.param({"@odata.etag": ""}, id="an empty etag"),
    ],
)
def test_what_is_no_html_body_is_refused(different: dict[str, Any]) -> None:
    data = {"@odata.etag": 'W/"one"', "body": {"contentType": "html", "content": "<p>Hi</p>"}}
    with pytest.raises(InvalidPayload):
        body_from_wire(data | different)


# Lookalikes

ALIKE: dict[str, Any] = {
    "id": "event-1=",
    "subject": "WO-00042, Fabrikam",
    "start": {"dateTime": "2026-11-23T08:00:00.0000000", "timeZone": "UTC"},
    "end": {"dateTime": "2026-11-23T09:30:00.0000000", "timeZone": "UTC"},
    "type": "singleInstance",
    "isAllDay": False,
    "isCancelled": False,
    "isOrganizer": True,
    "attendees": [],
}


def test_an_event_of_that_time_that_names_the_number_looks_alike() -> None:
    assert is_lookalike(ALIKE, SPAN, "WO-00042")
    assert set(ALIKE) == set(LOOKALIKE_FIELDS), "what is judged has been asked for"


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"start": {"dateTime": "2026-11-23T08:01:00.0000000", "timeZone": "UTC"}}, id="another start"),
        pytest.param({"end": {"dateTime": "2026-11-23T09:31:00.0000000", "timeZone": "UTC"}}, id="another end"),
        pytest.param(
            {"start": {"dateTime": "2026-11-23T08:00:00.0000000", "timeZone": "Europe/Berlin"}}, id="another zone"
        ),
        pytest.param({"start": None}, id="no start"),
        pytest.param({"end": {"dateTime": "soon", "timeZone": "UTC"}}, id="no time"),
        pytest.param({"type": "occurrence"}, id="an occurrence of a series"),
        pytest.param({"type": "exception"}, id="an exception of a series"),
        pytest.param({"type": None}, id="of unknown kind"),
        pytest.param({"isAllDay": True}, id="all day"),
        pytest.param({"isCancelled": True}, id="cancelled"),
        pytest.param({"isOrganizer": False}, id="somebody else's meeting"),
        pytest.param({"isOrganizer": None}, id="nobody knows whose meeting"),
        pytest.param({"attendees": [{"emailAddress": {"address": "a@b.example"}}]}, id="a meeting with others"),
        pytest.param({"subject": None}, id="no subject"),
        pytest.param({"subject": "Dentist"}, id="another subject"),
        pytest.param({"id": ""}, id="no id"),
    ],
)
def test_what_differs_in_one_respect_does_not_look_alike(different: dict[str, Any]) -> None:
    assert not is_lookalike(ALIKE | different, SPAN, "WO-00042")


@pytest.mark.parametrize(
    ("subject", "names"),
    [
        ("WO-00042", True),
        ("wo-00042: boiler", True),
        ("Visit (WO-00042)", True),
        ("Boiler, WO-00042.", True),
        ("WO-00042 - Fabrikam", True),
        ("#WO-00042/", True),
        ("WO-000421, then WO-00042", True),
        ("WO-000421", False),
        ("XWO-00042", False),
        ("WO-00042B", False),
        ("WO-00042-2", False),
        ("WO-00042/2", False),
        ("A-WO-00042", False),
        ("WO-00042_2", False),
        ("WO 00042", False),
        ("", False),
    ],
)
def test_a_number_is_named_when_it_stands_by_itself(subject: str, names: bool) -> None:
    assert is_lookalike(ALIKE | {"subject": subject}, SPAN, "WO-00042") is names


def test_a_number_is_no_pattern() -> None:
    assert is_lookalike(ALIKE | {"subject": "WO(.*"}, SPAN, "WO(.*")
    assert not is_lookalike(ALIKE, SPAN, "WO.00042")
