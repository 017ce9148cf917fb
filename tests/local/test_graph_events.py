"""Single events of the Graph simulator: reading, writing, and what is refused."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.sample import BOOKING_ID_PROPERTY, EXTENSION_NAME
from tests.local.graph_tenant import (
    BOOKING,
    EXPAND,
    EXTENSION,
    IMMUTABLE,
    PRIVATE,
    TECHNICIAN,
    USER,
    Tenant,
    error_of,
    tenant,
    times,
)

EVENT = f"{USER}/events/{BOOKING.event_id.replace('=', '%3D')}"
VISIT = {"subject": "Visit", **times("2026-03-23T10:00:00", "2026-03-23T11:00:00")}


@pytest.fixture
async def graph() -> AsyncIterator[Tenant]:
    async with tenant() as opened:
        yield opened


async def test_a_linked_booking_is_an_event_with_both_marks_and_nobody_invited(graph: Tenant) -> None:
    answer = await graph.app.get(EVENT, params={"$expand": EXPAND}, headers=IMMUTABLE)
    event = answer.json()
    assert event["id"] == BOOKING.event_id
    assert event["subject"] == f"{BOOKING.name} Boiler loses pressure"
    assert event["location"]["displayName"] == "12 Harbour Street, Bergen"
    assert event["start"] == {"dateTime": "2026-03-23T08:00:00.0000000", "timeZone": "UTC"}
    assert event["attendees"] == []
    assert event["extensions"][0]["extensionName"] == EXTENSION_NAME
    assert event["extensions"][0]["bookingSyncGuid"] == BOOKING.booking_id
    assert event["singleValueExtendedProperties"][0]["value"] == BOOKING.booking_id
    assert event["@odata.etag"] == f'W/"{event["changeKey"]}"' == answer.headers["etag"]


async def test_a_private_event_carries_no_mark(graph: Tenant) -> None:
    answer = await graph.app.get(f"{USER}/events/{PRIVATE.event_id}", params={"$expand": EXPAND}, headers=IMMUTABLE)
    assert answer.json()["subject"] == PRIVATE.subject
    assert not {"extensions", "singleValueExtendedProperties"} & set(answer.json())


async def test_extensions_without_a_match_may_be_an_empty_list(graph: Tenant) -> None:
    graph.switch(extensions_when_none="empty")
    answer = await graph.app.get(f"{USER}/events/{PRIVATE.event_id}", params={"$expand": EXPAND}, headers=IMMUTABLE)
    assert answer.json()["extensions"] == []


@pytest.mark.parametrize(
    "expand", ["extensions", "extensions($select=id)", "attachments", "extensions($filter=x eq 1)"]
)
async def test_an_unfiltered_or_foreign_expand_is_refused(graph: Tenant, expand: str) -> None:
    answer = await graph.app.get(EVENT, params={"$expand": expand}, headers=IMMUTABLE)
    assert error_of(answer) == (400, "ErrorInvalidRequest")


async def test_select_answers_only_what_was_asked_for(graph: Tenant) -> None:
    answer = await graph.app.get(EVENT, params={"$select": "subject,start"}, headers=IMMUTABLE)
    assert set(answer.json()) == {"@odata.context", "@odata.etag", "id", "subject", "start"}


async def test_times_are_answered_in_the_preferred_zone(graph: Tenant) -> None:
    headers = {"prefer": 'outlook.timezone="Pacific Standard Time", IdType="ImmutableId"'}
    answer = await graph.app.get(EVENT, headers=headers)
    assert answer.json()["start"] == {"dateTime": "2026-03-23T01:00:00.0000000", "timeZone": "Pacific Standard Time"}
    assert 'outlook.timezone="Pacific Standard Time"' in answer.headers["Preference-Applied"]


async def test_errors_have_the_documented_body(graph: Tenant) -> None:
    headers = {**IMMUTABLE, "client-request-id": "c-1"}
    answer = await graph.app.get(f"{EVENT[:-9]}AAAAAA%3D", headers=headers)
    assert error_of(answer) == (404, "ErrorItemNotFound")
    inner = answer.json()["error"]["innerError"]
    assert (inner["date"], inner["client-request-id"]) == ("2026-03-20T09:00:00", "c-1")
    assert inner["request-id"] == answer.headers["request-id"]


@pytest.mark.parametrize("token", ["", "Bearer other", "local-app-token"])
async def test_unknown_tokens_are_refused(graph: Tenant, token: str) -> None:
    assert error_of(await graph.app.get(EVENT, headers={"Authorization": token})) == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        ("denied", (403, "ErrorAccessDenied")),
        ("not_enabled", (404, "MailboxNotEnabledForRESTAPI")),
        ("gone", (404, "Request_ResourceNotFound")),
    ],
)
async def test_a_lost_mailbox_is_told_apart_from_a_lost_event(
    graph: Tenant, access: str, expected: tuple[int, str]
) -> None:
    await graph.control("mailboxes", mailbox_id=TECHNICIAN.mailbox_id, access=access)
    assert error_of(await graph.app.get(EVENT, headers=IMMUTABLE)) == expected
    await graph.control("mailboxes", mailbox_id=TECHNICIAN.mailbox_id, access="ok")
    assert (await graph.app.get(EVENT, headers=IMMUTABLE)).status_code == 200


async def test_the_owner_works_on_in_a_mailbox_that_the_app_may_not_open(graph: Tenant) -> None:
    await graph.control("mailboxes", mailbox_id=TECHNICIAN.mailbox_id, access="denied")
    assert (await graph.person.patch(EVENT, json={"subject": "Mine"}, headers=IMMUTABLE)).status_code == 200
    assert error_of(await graph.app.patch(EVENT, json={"subject": "x"}, headers=IMMUTABLE)) == (
        403,
        "ErrorAccessDenied",
    )


async def test_creating_answers_201_and_the_event_with_its_marks(graph: Tenant) -> None:
    extension = {
        "@odata.type": "#microsoft.graph.openTypeExtension",
        "extensionName": EXTENSION_NAME,
        "at": "2026-01-01T00:00:00.000Z",
    }
    mark = {"id": "String {8F1D6A0E-3C55-4D0B-9A53-1F2B8F5C7A11} Name BookingId", "value": "b-9"}
    body = {**VISIT, "extensions": [extension], "singleValueExtendedProperties": [mark]}
    created = await graph.app.post(f"{USER}/events", json=body, headers=IMMUTABLE)
    assert created.status_code == 201
    assert "singleValueExtendedProperties" not in created.json()
    read = await graph.app.get(f"{USER}/events/{created.json()['id']}", params={"$expand": EXPAND}, headers=IMMUTABLE)
    assert read.json()["extensions"][0]["at"] == "2026-01-01T00:00:00Z"
    assert read.json()["singleValueExtendedProperties"][0]["value"] == "b-9"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"start": None}, (400, "ErrorInvalidPropertySet"), id="no start"),
        pytest.param({"colour": "red"}, (400, "RequestBodyRead"), id="unknown property"),
        pytest.param({"id": "mine"}, (400, "RequestBodyRead"), id="read-only property"),
        pytest.param({"showAs": "asleep"}, (400, "RequestBodyRead"), id="unknown value"),
        pytest.param({"categories": ["Red", 1]}, (400, "RequestBodyRead"), id="a category that is no text"),
        pytest.param(
            times("2026-03-23T10:00:00", "2026-03-23T09:00:00"),
            (400, "ErrorCalendarEndDateIsEarlierThanStartDate"),
            id="ends before it starts",
        ),
        pytest.param(
            times("2026-03-23T10:00:00", "2026-03-23T11:00:00", "Nowhere Time"),
            (400, "TimeZoneNotSupportedException"),
            id="unknown zone",
        ),
        pytest.param({"isAllDay": True}, (400, "ErrorInvalidRequest"), id="all-day not at midnight"),
        pytest.param(
            {"extensions": [{"extensionName": "X"}]}, (400, "ErrorInvalidRequest"), id="extension without type"
        ),
        pytest.param(
            {"extensions": [{"@odata.type": "microsoft.graph.openTypeExtension"}]},
            (500, "ErrorInternalServerError"),
            id="extension without name",
        ),
        pytest.param(
            {"extensions": [{"@odata.type": "microsoft.graph.openTypeExtension", "extensionName": "X", "a": {"b": 1}}]},
            (400, "ErrorInvalidRequest"),
            id="extension with an object",
        ),
        pytest.param(
            {"singleValueExtendedProperties": [{"id": "BookingId", "value": "1"}]},
            (400, "ErrorInvalidProperty"),
            id="malformed property id",
        ),
    ],
)
async def test_a_bad_event_is_refused(graph: Tenant, change: dict[str, Any], expected: tuple[int, str]) -> None:
    assert error_of(await graph.app.post(f"{USER}/events", json={**VISIT, **change})) == expected


async def test_an_all_day_event_stands_at_midnight_in_every_zone(graph: Tenant) -> None:
    day = times("2026-03-29T00:00:00", "2026-03-30T00:00:00", "W. Europe Standard Time")
    created = await graph.app.post(f"{USER}/events", json={**VISIT, **day, "isAllDay": True})
    assert created.json()["start"] == {"dateTime": "2026-03-29T00:00:00.0000000", "timeZone": "UTC"}
    graph.switch(all_day="instant")
    read = await graph.app.get(f"{USER}/events/{created.json()['id']}")
    assert read.json()["start"]["dateTime"] == "2026-03-28T23:00:00.0000000"


async def test_an_all_day_event_needs_one_zone(graph: Tenant) -> None:
    two_zones = {
        "start": {"dateTime": "2026-03-29T00:00:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2026-03-30T00:00:00", "timeZone": "Europe/Oslo"},
    }
    answer = await graph.app.post(f"{USER}/events", json={**VISIT, **two_zones, "isAllDay": True})
    assert error_of(answer) == (400, "ErrorInvalidRequest")


async def test_a_custom_zone_is_shown_as_such_and_means_the_mailbox_zone(graph: Tenant) -> None:
    custom = times("2026-03-23T10:00:00", "2026-03-23T11:00:00", "tzone://Microsoft/Custom")
    created = (await graph.app.post(f"{USER}/events", json=custom)).json()
    assert created["originalStartTimeZone"] == "tzone://Microsoft/Custom"
    assert created["start"] == {"dateTime": "2026-03-23T09:00:00.0000000", "timeZone": "UTC"}


async def test_a_patch_changes_what_it_names_and_the_change_key(graph: Tenant) -> None:
    before = (await graph.app.get(EVENT, headers=IMMUTABLE)).json()
    body = times("2026-03-24T10:00:00", "2026-03-24T11:30:00", "Europe/Oslo")
    after = (await graph.app.patch(EVENT, json=body, headers=IMMUTABLE)).json()
    assert after["start"]["dateTime"] == "2026-03-24T09:00:00.0000000"
    assert after["subject"] == before["subject"]
    assert after["changeKey"] != before["changeKey"]
    again = (await graph.app.patch(EVENT, json=body, headers=IMMUTABLE)).json()
    assert again["changeKey"] != after["changeKey"]


@pytest.mark.parametrize("name", ["transactionId", "extensions"])
async def test_a_patch_cannot_touch_what_belongs_to_creation(graph: Tenant, name: str) -> None:
    answer = await graph.app.patch(EVENT, json={name: []}, headers=IMMUTABLE)
    assert error_of(answer) == (400, "ErrorInvalidPropertySet")


async def test_a_repeated_transaction_answers_the_first_event_while_it_lives(graph: Tenant) -> None:
    body = {**VISIT, "transactionId": "t-1"}
    first = await graph.app.post(f"{USER}/events", json=body)
    second = await graph.app.post(f"{USER}/events", json=body)
    assert (second.status_code, second.json()["id"]) == (201, first.json()["id"])
    await graph.app.delete(f"{USER}/events/{first.json()['id']}")
    third = await graph.app.post(f"{USER}/events", json=body)
    assert third.json()["id"] != first.json()["id"]
    graph.switch(transaction_id="never")
    assert (await graph.app.post(f"{USER}/events", json=body)).json()["id"] != third.json()["id"]


async def test_a_save_conflict_stores_the_event_without_its_extension_and_says_503(graph: Tenant) -> None:
    graph.switch(create_conflict=1.0)
    mark = {"id": BOOKING_ID_PROPERTY, "value": "b-9"}
    body = {**VISIT, "extensions": [EXTENSION], "singleValueExtendedProperties": [mark]}
    assert error_of(await graph.app.post(f"{USER}/events", json=body)) == (503, "ConcurrentItemSave")
    query = {
        "$filter": f"singleValueExtendedProperties/Any(ep: ep/id eq '{BOOKING_ID_PROPERTY}' and ep/value eq 'b-9')"
    }
    (stored,) = (await graph.app.get(f"{USER}/events", params={**query, "$expand": EXPAND})).json()["value"]
    assert "extensions" not in stored
    assert (await graph.app.post(f"{USER}/events", json=VISIT)).status_code == 201, "there is nothing to lose"


async def test_a_deleted_event_is_not_found_and_not_listed(graph: Tenant) -> None:
    assert (await graph.app.delete(EVENT, headers=IMMUTABLE)).status_code == 204
    assert error_of(await graph.app.get(EVENT, headers=IMMUTABLE)) == (404, "ErrorItemNotFound")
    assert error_of(await graph.app.patch(EVENT, json={}, headers=IMMUTABLE)) == (404, "ErrorItemNotFound")
    listed = await graph.app.get(f"{USER}/events", headers=IMMUTABLE)
    assert BOOKING.event_id not in {event["id"] for event in listed.json()["value"]}


async def test_a_deleted_event_may_still_be_read_by_its_immutable_id_but_lies_in_no_calendar(graph: Tenant) -> None:
    graph.switch(deleted_get="200")
    default_id = (await graph.control("move-event", **where(), calendar="Calendar"))["default_id"]
    await graph.person.delete(EVENT, headers=IMMUTABLE)
    assert (await graph.app.get(EVENT, headers=IMMUTABLE)).status_code == 200
    assert error_of(await graph.app.get(f"{EVENT}/calendar", headers=IMMUTABLE)) == (404, "ErrorItemNotFound")
    assert error_of(await graph.app.get(f"{USER}/events/{default_id}")) == (404, "ErrorItemNotFound")


async def test_cancelling_answers_202_and_is_the_organisers_alone(graph: Tenant) -> None:
    answer = await graph.app.post(f"{EVENT}/cancel", json={"Comment": "No part"}, headers=IMMUTABLE)
    assert (answer.status_code, answer.content) == (202, b"")
    assert (await graph.app.get(EVENT, headers=IMMUTABLE)).status_code == 404

    world = graph.simulator.world
    mailbox = world.mailboxes[TECHNICIAN.mailbox_id]
    invited = world.current(mailbox, PRIVATE.event_id, "immutable")
    world.update(invited, {"is_organizer": False})
    answer = await graph.app.post(f"{USER}/events/{PRIVATE.event_id}/cancel", json={}, headers=IMMUTABLE)
    assert error_of(answer) == (400, "ErrorInvalidRequest")
    assert "organizer" in answer.json()["error"]["message"]


async def test_mails_are_counted_for_meetings_and_only_for_them(graph: Tenant) -> None:
    visit = (await graph.app.post(f"{USER}/events", json=VISIT)).json()
    await graph.app.delete(f"{USER}/events/{visit['id']}")
    assert (await graph.app.get("/_control/mails")).json()["count"] == 0

    guest = {"emailAddress": {"address": "guest@partner.example"}}
    meeting = (await graph.app.post(f"{USER}/events", json={**VISIT, "attendees": [guest]})).json()
    event = f"{USER}/events/{meeting['id']}"
    await graph.app.patch(event, json={"subject": "Later"})
    await graph.app.post(f"{event}/extensions", json=EXTENSION)
    second = {"emailAddress": {"address": "second@partner.example"}}
    await graph.app.patch(event, json={"attendees": [guest, second]})
    await graph.app.delete(event)
    mails = (await graph.app.get("/_control/mails")).json()["mails"]
    assert [(mail["kind"], mail["recipients"]) for mail in mails] == [
        ("invitation", ["guest@partner.example"]),
        ("update", ["guest@partner.example"]),
        ("update", ["second@partner.example"]),
        ("cancellation", ["guest@partner.example", "second@partner.example"]),
    ]


async def test_an_attendees_deletion_is_silent(graph: Tenant) -> None:
    guest = {"emailAddress": {"address": "guest@partner.example"}}
    meeting = (await graph.app.post(f"{USER}/events", json={**VISIT, "attendees": [guest]}, headers=IMMUTABLE)).json()
    world = graph.simulator.world
    invited = world.current(world.mailboxes[TECHNICIAN.mailbox_id], meeting["id"], "immutable")
    world.update(invited, {"is_organizer": False})
    await graph.app.delete(f"{USER}/events/{meeting['id']}", headers=IMMUTABLE)
    assert [mail.kind for mail in world.mails] == ["invitation"]


async def test_an_attendees_answer_is_kept_through_updates_unless_times_reset_it(graph: Tenant) -> None:
    guest = {"emailAddress": {"address": "guest@partner.example"}}
    meeting = (await graph.app.post(f"{USER}/events", json={**VISIT, "attendees": [guest]}, headers=IMMUTABLE)).json()
    address = {"mailbox_id": TECHNICIAN.mailbox_id, "event_id": meeting["id"]}
    await graph.control("answer-event", **address, address="Guest@partner.example", response="accepted")
    event = f"{USER}/events/{meeting['id']}"
    kept = await graph.app.patch(event, json={"attendees": [guest]}, headers=IMMUTABLE)
    assert kept.json()["attendees"][0]["status"]["response"] == "accepted"
    graph.switch(time_change_resets_answers=True)
    moved = await graph.app.patch(event, json=times("2026-03-25T10:00:00", "2026-03-25T11:00:00"), headers=IMMUTABLE)
    assert moved.json()["attendees"][0]["status"]["response"] == "none"


async def test_ids_of_the_other_form_are_refused_as_malformed(graph: Tenant) -> None:
    assert error_of(await graph.app.get(EVENT)) == (400, "ErrorInvalidIdMalformed")
    default_id = (await graph.app.get(f"{USER}/events")).json()["value"][0]["id"]
    answer = await graph.app.get(f"{USER}/events/{default_id}", headers=IMMUTABLE)
    assert error_of(answer) == (400, "ErrorInvalidIdMalformed")
    assert error_of(await graph.app.get(f"{USER}/events/nonsense")) == (400, "ErrorInvalidIdMalformed")


async def test_a_move_to_another_calendar_changes_the_default_id_only(graph: Tenant) -> None:
    moved = await graph.control("move-event", **where(), calendar="Field")
    assert moved["id"] == BOOKING.event_id
    assert (await graph.app.get(EVENT, headers=IMMUTABLE)).status_code == 200
    assert (await graph.app.get(f"{USER}/events/{moved['default_id']}")).status_code == 200
    back = await graph.control("move-event", **where(), calendar="Calendar")
    assert error_of(await graph.app.get(f"{USER}/events/{moved['default_id']}")) == (404, "ErrorItemNotFound")
    assert (await graph.app.get(f"{USER}/events/{back['default_id']}")).status_code == 200


async def test_the_containing_calendar_can_be_asked_for(graph: Tenant) -> None:
    await graph.control("move-event", **where(), calendar="Field")
    calendars = {each["name"]: each for each in (await graph.app.get(f"{USER}/calendars")).json()["value"]}
    answer = await graph.app.get(f"{EVENT}/calendar", headers=IMMUTABLE)
    assert answer.json()["id"] == calendars["Field"]["id"]
    assert calendars["Calendar"]["isDefaultCalendar"]
    listed = await graph.app.get(f"{USER}/calendars/{calendars['Field']['id']}/events", headers=IMMUTABLE)
    assert [event["id"] for event in listed.json()["value"]] == [BOOKING.event_id]


@pytest.mark.parametrize("keeps_marks", [True, False])
async def test_a_copy_is_a_new_event_with_or_without_the_marks(graph: Tenant, keeps_marks: bool) -> None:
    graph.switch(copy_keeps_marks=keeps_marks)
    copied = await graph.control("copy-event", **where())
    assert copied["id"] != BOOKING.event_id
    assert bool(copied["extensions"]) is bool(copied["extended_properties"]) is keeps_marks


async def test_if_match_is_ignored_or_enforced(graph: Tenant) -> None:
    headers = {**IMMUTABLE, "If-Match": 'W/"old"'}
    assert (await graph.app.patch(EVENT, json={"subject": "A"}, headers=headers)).status_code == 200
    graph.switch(if_match="enforce")
    assert error_of(await graph.app.patch(EVENT, json={"subject": "B"}, headers=headers)) == (
        412,
        "ErrorIrresolvableConflict",
    )
    assert error_of(await graph.app.delete(EVENT, headers=headers)) == (412, "ErrorIrresolvableConflict")
    etag = (await graph.app.get(EVENT, headers=IMMUTABLE)).headers["etag"]
    assert (await graph.app.delete(EVENT, headers={**IMMUTABLE, "If-Match": etag})).status_code == 204


async def test_a_stale_read_answers_the_state_before_the_change(graph: Tenant) -> None:
    graph.switch(stale_read_seconds=5)
    created = (await graph.app.post(f"{USER}/events", json=VISIT)).json()
    await graph.app.patch(EVENT, json={"subject": "New"}, headers=IMMUTABLE)
    assert (await graph.app.get(EVENT, headers=IMMUTABLE)).json()["subject"] != "New"
    assert (await graph.app.get(f"{USER}/events/{created['id']}")).status_code == 404
    graph.clock.advance(5)
    assert (await graph.app.get(EVENT, headers=IMMUTABLE)).json()["subject"] == "New"
    assert (await graph.app.get(f"{USER}/events/{created['id']}")).status_code == 200


async def test_sudden_emptiness_hides_events_of_the_named_mailboxes(graph: Tenant) -> None:
    graph.switch(empty_reads=["another"])
    assert (await graph.app.get(EVENT, headers=IMMUTABLE)).status_code == 200
    graph.switch(empty_reads=[TECHNICIAN.mailbox_id])
    assert error_of(await graph.app.get(EVENT, headers=IMMUTABLE)) == (404, "ErrorItemNotFound")
    assert (await graph.app.get(f"{USER}/events")).json()["value"] == []


async def test_bodies_are_answered_as_html_or_text(graph: Tenant) -> None:
    body = {"contentType": "text", "content": "Bring <gasket> & oil\nRing twice"}
    event = f"{USER}/events/{(await graph.app.post(f'{USER}/events', json={**VISIT, 'body': body})).json()['id']}"
    html = (await graph.app.get(event)).json()["body"]
    assert html["contentType"] == "html"
    assert "Bring &lt;gasket&gt; &amp; oil<br>Ring twice" in html["content"]
    text = (await graph.app.get(event, headers={"Prefer": 'outlook.body-content-type="text"'})).json()["body"]
    assert text == body


HTML = (
    "<html><head><style>p {}</style></head><body><!-- ours --><div>Booking details<br>Pump &amp; valve</div>\n"
    "<p>Ring <b>twice</b>,\nplease</p><div><br></div><ul><li>oil</li><li>gasket</li></ul></body></html>"
)


async def test_each_block_of_an_html_body_is_a_line_of_its_preview_and_of_its_text(graph: Tenant) -> None:
    body = {"contentType": "html", "content": HTML}
    event = (await graph.app.post(f"{USER}/events", json={**VISIT, "body": body})).json()
    assert event["body"] == body
    assert event["bodyPreview"].split("\r\n") == [
        "Booking details",
        "Pump & valve",
        "Ring twice, please",
        "oil",
        "gasket",
    ]
    as_text = await graph.app.get(
        f"{USER}/events/{event['id']}", headers={"Prefer": 'outlook.body-content-type="text"'}
    )
    assert as_text.json()["body"] == {"contentType": "text", "content": event["bodyPreview"]}


async def test_a_preview_ends_after_255_characters(graph: Tenant) -> None:
    body = {"contentType": "html", "content": f"<p>{'a' * 200}</p><p>{'b' * 200}</p>"}
    event = (await graph.app.post(f"{USER}/events", json={**VISIT, "body": body})).json()
    assert event["bodyPreview"] == "a" * 200 + "\r\n" + "b" * 53


async def test_an_extension_is_replaced_whole_and_can_be_removed(graph: Tenant) -> None:
    extension = f"{EVENT}/extensions/Microsoft.OutlookServices.OpenTypeExtension.{EXTENSION_NAME}"
    body = {"@odata.type": "microsoft.graph.openTypeExtension", "extensionName": EXTENSION_NAME, "other": [1, 2]}
    replaced = await graph.app.patch(extension, json=body, headers=IMMUTABLE)
    assert replaced.status_code == 200
    read = (await graph.app.get(f"{EVENT}/extensions/{EXTENSION_NAME}", headers=IMMUTABLE)).json()
    assert read["other"] == [1, 2]
    assert "bookingSyncGuid" not in read
    assert (await graph.app.delete(extension, headers=IMMUTABLE)).status_code == 204
    assert error_of(await graph.app.get(extension, headers=IMMUTABLE)) == (404, "ErrorItemNotFound")
    assert (await graph.app.post(f"{EVENT}/extensions", json=body, headers=IMMUTABLE)).status_code == 201
    graph.switch(extension_post_twice="conflict")
    assert (await graph.app.post(f"{EVENT}/extensions", json=body, headers=IMMUTABLE)).status_code == 409


def where() -> dict[str, str]:
    return {"mailbox_id": TECHNICIAN.mailbox_id, "event_id": BOOKING.event_id}
