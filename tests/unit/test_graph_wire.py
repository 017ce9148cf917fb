"""Graph's JSON and status codes, as tables. The samples' origin stands in `tests/samples/README.md`."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.adapters.graph_wire import (
    BOOKING_ID_PROPERTY,
    EXTENSION_BOOKING_ID,
    EXTENSION_NAME,
    classify_graph_failure,
    delta_link_failure,
    delta_page_from_wire,
    event_from_wire,
    subscription_from_wire,
    time_from_wire,
    wire_time,
)
from sync.adapters.transport import Answer
from sync.core.errors import (
    AccessDenied,
    AlreadyExists,
    DeltaTokenExpired,
    DoorDidNotAnswer,
    InvalidPayload,
    MailboxUnavailable,
    NotFound,
    PreconditionFailed,
    Refused,
    ServiceUnavailable,
    SyncError,
    Throttled,
)
from sync.core.sides import Event, TimeSpan
from tests.unit.samples import an_answer, an_error, sample
from tests.unit.values import BOOKING_ID, MAILBOX

OTHER_BOOKING = "99999999-9999-4999-8999-999999999999"


def extension(booking_id: Any, name: str = EXTENSION_NAME) -> dict[str, Any]:
    return {"extensionName": name, EXTENSION_BOOKING_ID: booking_id}


def extended_property(value: Any, property_id: str = BOOKING_ID_PROPERTY) -> dict[str, Any]:
    return {"id": property_id, "value": value}


def read(**different: Any) -> Event:
    """The private event of the samples, so changed."""
    return event_from_wire(MAILBOX, sample("graph-event-private", "event") | different)


# Events


def test_an_event_of_ours() -> None:
    assert event_from_wire(MAILBOX, sample("graph-event-linked", "event")) == Event(
        mailbox_id=MAILBOX,
        event_id="AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A-visit_A=",
        etag='W/"DwAAABYAAAC5b8r8wq9jS6Y0m0AAAABB"',
        span=TimeSpan(
            start_at=datetime(2026, 11, 23, 8, 0, tzinfo=UTC), end_at=datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
        ),
        booking_id=BOOKING_ID,
        modified_at=datetime(2026, 11, 20, 7, 15, 30, 123456, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("marks", "booking_id"),
    [
        pytest.param(sample("graph-event-second-prefix", "event"), BOOKING_ID, id="the other prefix, upper case"),
        pytest.param(sample("graph-event-private", "event"), None, id="extensions empty"),
        pytest.param({"extensions": None}, None, id="extensions null"),
        pytest.param({"extensions": [extension(BOOKING_ID, "Com.Another.App")]}, None, id="another app's extension"),
        pytest.param({"extensions": [extension("WO-00042")]}, None, id="a mark that is no GUID"),
        pytest.param({"extensions": [extension(None)]}, None, id="a mark that is null"),
        pytest.param({"extensions": [extension({"id": BOOKING_ID})]}, None, id="a mark that is an object"),
        pytest.param({"extensions": [extension(f"{BOOKING_ID} and more")]}, None, id="a GUID and more"),
        pytest.param({"extensions": [extension(f"{BOOKING_ID}\n")]}, None, id="a GUID and a line break"),
        pytest.param({"singleValueExtendedProperties": [extended_property(BOOKING_ID)]}, BOOKING_ID, id="property"),
        pytest.param(
            {"singleValueExtendedProperties": [extended_property(BOOKING_ID, BOOKING_ID_PROPERTY.upper())]},
            BOOKING_ID,
            id="a property whose id is written otherwise",
        ),
        pytest.param(
            {"singleValueExtendedProperties": [extended_property(BOOKING_ID, "String {0} Name Other")]},
            None,
            id="another property",
        ),
        pytest.param(
            {
                "extensions": [extension(BOOKING_ID)],
                "singleValueExtendedProperties": [extended_property(OTHER_BOOKING)],
            },
            BOOKING_ID,
            id="the extension before the property",
        ),
        pytest.param(
            {
                "extensions": [extension("not one of ours")],
                "singleValueExtendedProperties": [extended_property(BOOKING_ID)],
            },
            BOOKING_ID,
            id="the property when the extension holds no GUID",
        ),
    ],
)
def test_which_booking_an_event_is_marked_with(marks: dict[str, Any], booking_id: str | None) -> None:
    assert read(**marks).booking_id == booking_id


def test_extensions_may_be_absent() -> None:
    data = sample("graph-event-private", "event")
    del data["extensions"]
    assert event_from_wire(MAILBOX, data).booking_id is None


def test_a_known_mark_stands_in_where_an_answer_does_not_show_it() -> None:
    assert (
        event_from_wire(MAILBOX, sample("graph-event-private", "event"), booking_id=BOOKING_ID).booking_id == BOOKING_ID
    )


def test_kind_and_state_of_an_event() -> None:
    event = read(type="seriesMaster", isAllDay=True, isCancelled=True)
    assert (event.type, event.is_all_day, event.is_cancelled) == ("seriesMaster", True, True)
    assert read(type=None).type == "singleInstance"


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"id": ""}, id="an empty id"),
        pytest.param({"id": None}, id="no id"),
        pytest.param({"@odata.etag": None}, id="no etag"),
        pytest.param({"start": None}, id="no start"),
        pytest.param({"start": "2026-11-23T08:00:00"}, id="a start that is text"),
        pytest.param({"start": {"dateTime": "2026-11-23T08:00:00"}}, id="a start without zone"),
        pytest.param(
            {"start": {"dateTime": "2026-11-23T08:00:00", "timeZone": "W. Europe Standard Time"}}, id="another zone"
        ),
        pytest.param(
            {"start": {"dateTime": "2026-11-23T08:00:00", "timeZone": "tzone://Microsoft/Custom"}}, id="a custom zone"
        ),
        pytest.param({"start": {"dateTime": "eight", "timeZone": "UTC"}}, id="a time that is none"),
        pytest.param({"end": {"dateTime": "2026-11-22T08:00:00", "timeZone": "UTC"}}, id="an end before the start"),
        pytest.param({"lastModifiedDateTime": None}, id="no time of change"),
        pytest.param({"extensions": 5}, id="extensions that are a number"),
    ],
)
def test_what_is_no_event_is_refused(different: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload):
        read(**different)


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"extensions": ["text"]}, id="an extension that is no object"),
        pytest.param({"singleValueExtendedProperties": [None]}, id="a property that is no object"),
        pytest.param({"lastModifiedDateTime": "0001-01-01T00:00:00+01:00"}, id="a time before all times"),
    ],
)
def test_nothing_but_our_own_error_comes_of_a_bad_event(different: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload):
        read(**different)


def test_an_event_that_cannot_be_read_is_somebodys() -> None:
    with pytest.raises(InvalidPayload) as failure:
        read(id="")
    assert failure.value.mailbox_id == MAILBOX


# Times


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T08:00:00.0000000", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2026-11-23T08:00:00.9999999", datetime(2026, 11, 23, 8, 0, 0, 999_999, tzinfo=UTC)),
        ("2026-11-23T08:00:00", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2026-11-23T08:00:00Z", datetime(2026, 11, 23, 8, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC", "Etc/GMT"])
def test_times_are_read_in_utc_with_up_to_seven_decimals(text: str, moment: datetime, zone: str) -> None:
    assert time_from_wire({"dateTime": text, "timeZone": zone}) == moment


@pytest.mark.parametrize(
    ("hour_utc", "local"),
    [
        pytest.param(datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "01:59", id="before the clocks go forward"),
        pytest.param(datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "03:00", id="after the clocks went forward"),
        pytest.param(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "02:30", id="the first half past two"),
        pytest.param(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "02:30", id="the second half past two"),
    ],
)
def test_instants_of_the_nights_when_clocks_change_survive_the_wire(hour_utc: datetime, local: str) -> None:
    berlin = hour_utc.astimezone(ZoneInfo("Europe/Berlin"))
    assert f"{berlin:%H:%M}" == local
    assert time_from_wire(wire_time(berlin)) == hour_utc


def test_times_are_written_in_utc_and_whole_seconds() -> None:
    moment = datetime(2026, 7, 1, 10, 0, 0, 999_999, tzinfo=ZoneInfo("Europe/Berlin"))
    assert wire_time(moment) == {"dateTime": "2026-07-01T08:00:00", "timeZone": "UTC"}


# Delta pages


def test_a_page_with_bad_entries_gives_the_good_ones() -> None:
    page = delta_page_from_wire(sample("graph-delta-page", "page"))
    assert list(page.changed) == [("event-1=", 'W/"one"'), ("event-3=", ""), ("event-5=", 'W/"five"')]
    assert list(page.removed) == ["event-2="]
    assert [reason.split(" of ")[0] for reason in page.rejected] == ["entry 3", "entry 4"]
    assert (page.next_link or "").endswith("$skiptoken=R0usmcCM996")
    assert page.delta_link is None


def test_occurrences_of_a_series_are_left_out() -> None:
    """They are never a booking's event, and a daily series has one for every day."""
    occurrence = {"id": "occurrence=", "@odata.etag": 'W/"one"', "type": "occurrence"}
    page = delta_page_from_wire({"value": [occurrence], "@odata.deltaLink": "https://graph.example/delta"})
    assert (list(page.changed), list(page.removed), list(page.rejected)) == ([], [], [])
    assert list(page.occurrences) == ["occurrence="], "for they tell that a round goes on"


def test_the_last_page_ends_the_round() -> None:
    page = delta_page_from_wire({"value": [], "@odata.deltaLink": "https://graph.example/delta?$deltatoken=1"})
    assert (page.next_link, page.delta_link) == (None, "https://graph.example/delta?$deltatoken=1")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"value": []}, id="no link: the round would never end"),
        pytest.param({"value": {}, "@odata.deltaLink": "https://graph.example"}, id="no list"),
        pytest.param({"value": [], "@odata.nextLink": 5}, id="a link that is a number"),
    ],
)
def test_what_is_no_page_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload):
        delta_page_from_wire(data)


# Subscriptions


def test_subscriptions_to_events_are_read_and_others_are_not_ours() -> None:
    first, second, third = (subscription_from_wire(item) for item in sample("graph-subscriptions", "list")["value"])
    assert first is not None
    assert (first.subscription_id, first.mailbox_id) == ("aaaaaaaa-0000-4000-8000-000000000001", MAILBOX)
    assert first.notification_url == "https://app.example/api/graph/notifications"
    assert first.lifecycle_url == "https://app.example/api/graph/lifecycle"
    assert first.expires_at == datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
    assert second is not None
    assert (second.mailbox_id, second.lifecycle_url) == ("aaaaaaaa-1111-4111-8111-111111111111", None)
    assert second.expires_at - first.expires_at == timedelta(0)
    assert third is None


@pytest.mark.parametrize("resource", ["users/somebody@contoso.com/events", f"users/{MAILBOX}/events/one", "me/events"])
def test_a_subscription_of_another_form_is_not_ours(resource: str) -> None:
    item = sample("graph-subscriptions", "list")["value"][0] | {"resource": resource}
    assert subscription_from_wire(item) is None


@pytest.mark.parametrize("name", ["id", "resource", "notificationUrl", "expirationDateTime"])
def test_a_subscription_that_lacks_something_is_refused(name: str) -> None:
    item = sample("graph-subscriptions", "list")["value"][0] | {name: None}
    with pytest.raises(InvalidPayload):
        subscription_from_wire(item)


# Failures


@pytest.mark.parametrize(
    ("operation", "answer", "kind"),
    [
        pytest.param("event.get", an_answer(404, sample("graph-errors", "item-not-found")), NotFound, id="gone"),
        pytest.param("event.get", an_error(404, "UnknownError"), ServiceUnavailable, id="an unknown 404"),
        pytest.param("event.get", an_error(404, "erroritemnotfound"), ServiceUnavailable, id="a 404 spelled otherwise"),
        pytest.param("event.get", an_error(404, ""), ServiceUnavailable, id="a 404 without code"),
        pytest.param("event.get", an_answer(404), ServiceUnavailable, id="a 404 without body"),
        pytest.param("event.get", an_answer(404, ["error"]), ServiceUnavailable, id="a 404 of another shape"),
        pytest.param("event.get", an_answer(404, {"error": "gone"}), ServiceUnavailable, id="a 404 in words"),
        pytest.param("event.search", an_error(404, "UnknownError"), ServiceUnavailable, id="an unknown 404 on search"),
        pytest.param("event.get", an_error(404, "MailboxNotEnabledForRESTAPI"), MailboxUnavailable, id="not enabled"),
        pytest.param("event.get", an_error(404, "MailboxNotSupportedForRESTAPI"), MailboxUnavailable, id="unsupported"),
        pytest.param("event.get", an_error(404, "Request_ResourceNotFound"), MailboxUnavailable, id="no such user"),
        pytest.param("event.get", an_error(404, "ErrorInvalidUser"), MailboxUnavailable, id="invalid user"),
        pytest.param("event.get", an_error(403, "ErrorAccessDenied"), MailboxUnavailable, id="no access"),
        pytest.param(
            "calendarView.delta", an_error(403, "ErrorAccessDenied"), MailboxUnavailable, id="no access, delta"
        ),
        pytest.param("event.get", an_error(401, "InvalidAuthenticationToken"), AccessDenied, id="token refused"),
        pytest.param("subscription.list", an_error(403, "Forbidden"), AccessDenied, id="the app may not list"),
        pytest.param("event.update", an_error(412, "ErrorIrresolvableConflict"), PreconditionFailed, id="412"),
        pytest.param(
            "event.update", an_error(409, "ErrorIrresolvableConflict"), PreconditionFailed, id="409, conflict"
        ),
        pytest.param("event.get", an_error(412, "Anything"), PreconditionFailed, id="412 of any code"),
        pytest.param("subscription.create", an_error(409, "ExtensionError"), AlreadyExists, id="a second subscription"),
        pytest.param(
            "subscription.renew", an_error(404, "ResourceNotFound"), NotFound, id="a subscription that is gone"
        ),
        pytest.param(
            "subscription.create",
            an_answer(400, sample("graph-errors", "validation-timed-out")),
            DoorDidNotAnswer,
            id="our door was slow",
        ),
        pytest.param(
            "subscription.create", an_error(400, "ValidationError"), DoorDidNotAnswer, id="our door was wrong"
        ),
        pytest.param(
            "subscription.renew", an_error(400, "ValidationError"), DoorDidNotAnswer, id="wrong when renewing"
        ),
        pytest.param("subscription.create", an_error(400, "InvalidRequest"), Refused, id="another 400"),
        pytest.param("event.get", an_error(400, "ValidationError"), Refused, id="a validation error elsewhere"),
        pytest.param("event.get", an_error(400, "ErrorInvalidIdMalformed"), Refused, id="a malformed id"),
        pytest.param("calendarView.delta", an_answer(410), DeltaTokenExpired, id="410"),
        pytest.param("calendarView.delta", an_error(404, "SyncStateNotFound"), DeltaTokenExpired, id="sync state gone"),
        pytest.param("calendarView.delta", an_error(400, "resyncRequired"), DeltaTokenExpired, id="resync required"),
        pytest.param("event.get", an_answer(410), Refused, id="410 elsewhere"),
        pytest.param("event.update", an_error(423, "ErrorLocked"), ServiceUnavailable, id="locked"),
        pytest.param("calendarView.delta", an_answer(423), ServiceUnavailable, id="locked, delta"),
        pytest.param("event.get", an_error(429, "ApplicationThrottled"), Throttled, id="throttled"),
        pytest.param(
            "calendarView.delta", an_error(503, "SyncStateNotFound"), ServiceUnavailable, id="an outage first"
        ),
        pytest.param("event.get", an_answer(500), ServiceUnavailable, id="500"),
        pytest.param(
            "event.update", an_error(409, "Conflict"), PreconditionFailed, id="409 of another code on a change"
        ),
        pytest.param(
            "event.delete", an_error(412, "ErrorIrresolvableConflict"), PreconditionFailed, id="412, deleting"
        ),
        pytest.param("event.delete", an_error(409, "Conflict"), PreconditionFailed, id="409, deleting"),
        pytest.param(
            "event.create", an_error(409, "ConcurrentItemSave"), ServiceUnavailable, id="Exchange in its own way"
        ),
        pytest.param(
            "event.create",
            an_error(412, "ErrorIrresolvableConflict"),
            ServiceUnavailable,
            id="a conflict over an event that nobody else knows of",
        ),
        pytest.param("event.create", an_error(403, "ErrorAccessDenied"), MailboxUnavailable, id="no access, creating"),
        pytest.param("batch", an_error(403, "Forbidden"), AccessDenied, id="a batch as a whole is about no mailbox"),
        pytest.param(
            "subscription.create",
            an_error(403, "Forbidden", "Maximum number of subscriptions per resource exceeded."),
            Refused,
            id="one subscription too many, which is no loss of the mailbox",
        ),
        pytest.param(
            "subscription.create",
            an_error(403, "ErrorAccessDenied"),
            MailboxUnavailable,
            id="no access, subscribing",
        ),
        pytest.param("subscription.renew", an_answer(401), AccessDenied, id="token refused, subscribing"),
        pytest.param(
            "event.get", an_error(408, "RequestTimeout"), ServiceUnavailable, id="a request that took too long"
        ),
    ],
)
def test_what_a_failure_means(operation: str, answer: Answer, kind: type[SyncError]) -> None:
    assert type(classify_graph_failure(operation, answer, None)) is kind


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(an_error(400, "InvalidDeltaToken"), DeltaTokenExpired, id="InvalidDeltaToken"),
        pytest.param(an_error(400, "ErrorInvalidSyncStateData"), DeltaTokenExpired, id="ErrorInvalidSyncStateData"),
        pytest.param(an_answer(400), DeltaTokenExpired, id="400 without a word"),
        pytest.param(an_error(410, "Gone"), DeltaTokenExpired, id="410"),
        pytest.param(an_error(404, "ErrorItemNotFound"), DeltaTokenExpired, id="404"),
        pytest.param(an_error(404, "UnknownError"), DeltaTokenExpired, id="an unknown 404"),
        pytest.param(an_error(404, "Request_ResourceNotFound"), MailboxUnavailable, id="no such user"),
        pytest.param(an_error(403, "ErrorAccessDenied"), MailboxUnavailable, id="no access"),
        pytest.param(an_error(401, "InvalidAuthenticationToken"), AccessDenied, id="token refused"),
        pytest.param(an_error(429, "ApplicationThrottled"), Throttled, id="throttled"),
        pytest.param(an_answer(500), ServiceUnavailable, id="an outage"),
        pytest.param(an_answer(423), ServiceUnavailable, id="locked"),
    ],
)
def test_a_delta_link_that_is_refused_has_expired_whatever_the_code(answer: Answer, kind: type[SyncError]) -> None:
    error = delta_link_failure(classify_graph_failure("calendarView.delta", answer, None))
    assert type(error) is kind
    assert (error.operation, error.status) == ("calendarView.delta", answer.status)


@pytest.mark.parametrize("code", ["", "UnknownError", "ErrorFolderNotFound", "NotFound", "ItemNotFound"])
@pytest.mark.parametrize("operation", ["event.get", "event.search", "event.calendar", "event.update"])
def test_an_unknown_404_never_proves_a_deletion(operation: str, code: str) -> None:
    assert not isinstance(classify_graph_failure(operation, an_error(404, code), None), NotFound)


def test_a_failure_says_where_it_happened_and_what_the_service_called_it() -> None:
    answer = an_answer(400, {"error": {"code": "ErrorInvalidRequest", "message": "m" * 1000}}, request_id="abc")
    error = classify_graph_failure("event.get", answer, None)
    assert (error.operation, error.status, error.code, error.request_id) == (
        "event.get",
        400,
        "ErrorInvalidRequest",
        "abc",
    )
    assert len(str(error)) < 400
