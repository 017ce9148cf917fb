"""Dataverse's JSON and status codes, as tables. The samples' origin stands in `tests/samples/README.md`."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.adapters.dataverse_queries import wire_time
from sync.adapters.dataverse_wire import (
    booking_from_wire,
    change_tracking_failure,
    classify_dataverse_failure,
    mailbox_of_resource,
    version_from_wire,
)
from sync.adapters.transport import Answer
from sync.core.errors import (
    AccessDenied,
    DeltaTokenExpired,
    InvalidPayload,
    NotFound,
    PermanentError,
    PreconditionFailed,
    Refused,
    ServiceUnavailable,
    SyncError,
    Throttled,
)
from sync.core.sides import Booking, BookingPhase, TimeSpan, WorkOrder, booking_fingerprint, event_hash
from tests.unit.samples import an_answer, an_error, sample
from tests.unit.values import BOOKING_ID

DIGEST = "76bc8dd3ec5005623d8baf009706626b4c5013b35e699f072dc3608a997667fc"
SCHEDULED = 690970000
COMMITTED = 2
MAILBOX = "11111111-1111-4111-8111-1111111111aa"
FINGERPRINT = booking_fingerprint(
    span=TimeSpan(start_at=datetime(2026, 11, 23, 8, 0, tzinfo=UTC), end_at=datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
    resource_id="7d1c6a5e-3b1f-4f11-840a-000d3a222222",
    status_id="c33410b9-1abe-4631-b4e9-6e4a1113af34",
    work_order_id="3c3d9c0a-5a7e-4f11-840a-000d3a444444",
    name="WO-00042",
)


def read(**different: Any) -> Booking:
    """The booking of the samples, so changed."""
    return booking_from_wire(sample("dataverse-booking", "booking") | different)


@pytest.fixture
def machine_in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that does not keep UTC, as a developer's."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


def test_a_booking() -> None:
    assert read() == Booking(
        booking_id=BOOKING_ID,
        etag='W/"81723004"',
        span=TimeSpan(
            start_at=datetime(2026, 11, 23, 8, 0, tzinfo=UTC), end_at=datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
        ),
        phase=BookingPhase.SCHEDULED,
        mailbox_id="11111111-1111-4111-8111-1111111111aa",
        event_id="AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A-visit_A=",
        event_hash=DIGEST,
        modified_at=datetime(2026, 11, 20, 7, 15, 30, tzinfo=UTC),
        name="WO-00042",
        status_name="Planned",
        work_order=WorkOrder(
            work_order_id="3c3d9c0a-5a7e-4f11-840a-000d3a444444",
            number="00042",
            priority="High",
            type="Repair",
            incident_type="Leak",
            summary="Boiler loses pressure.\r\nKey at the porter's.",
            account="Northwind Traders",
            contact="Yvonne McKay",
            location="Northwind Traders, 12 Harbour Street, 5003 Bergen, Norway",
            window_start_at=datetime(2026, 11, 23, 7, 0, tzinfo=UTC),
            window_end_at=datetime(2026, 11, 23, 11, 0, tzinfo=UTC),
        ),
        fingerprint=FINGERPRINT,
    )


def test_a_write_answers_the_fingerprint_that_a_read_would() -> None:
    row = sample("dataverse-booking", "booking")
    assert version_from_wire(row) == ('W/"81723004"', FINGERPRINT)


@pytest.mark.parametrize(
    "column", ["starttime", "endtime", "name", "_resource_value", "_bookingstatus_value", "_msdyn_workorder_value"]
)
def test_every_column_that_webhooks_tell_of_changes_the_fingerprint(column: str) -> None:
    different = "2026-11-23T08:30:00Z" if column.endswith("time") else "another"
    assert read(**{column: different}).fingerprint != FINGERPRINT


def test_a_fingerprint_knows_ids_in_any_case_and_an_empty_name_as_none() -> None:
    row = sample("dataverse-booking", "booking")
    ids = ("_resource_value", "_bookingstatus_value", "_msdyn_workorder_value")
    assert read(**{name: row[name].upper() for name in ids}).fingerprint == FINGERPRINT
    assert read(name=None).fingerprint == read(name="").fingerprint


@pytest.mark.parametrize("name", ["@odata.etag", "starttime", "_resource_value", "_msdyn_workorder_value"])
def test_an_answer_to_a_write_that_lacks_something_is_refused(name: str) -> None:
    row = sample("dataverse-booking", "booking")
    del row[name]
    with pytest.raises(InvalidPayload):
        version_from_wire(row)


@pytest.mark.parametrize(("is_disabled", "is_enabled"), [(True, False), (False, True), (None, True)])
def test_a_disabled_user_keeps_the_mailbox(is_disabled: bool | None, is_enabled: bool) -> None:
    """The events in it are still ours to remove."""
    user = {"azureactivedirectoryobjectid": MAILBOX, "isdisabled": is_disabled}
    booking = read(Resource={"resourcetype": 3, "UserId": user})
    assert (booking.mailbox_id, booking.is_user_enabled) == (MAILBOX, is_enabled)


def test_why_a_booking_has_no_event() -> None:
    assert read(bks_undelivered="The mailbox is not there.").undelivered == "The mailbox is not there."


@pytest.mark.parametrize("name", [None, "", "x" * 100, "O'Brien & <b>söns</b> \" %_[\U0001f600\n\t\u202e"])
def test_a_name_is_taken_as_it_is(name: str | None) -> None:
    assert read(name=name).name == (name or "")


# Work orders


def order(**different: Any) -> WorkOrder:
    """The work order of the sample, so changed."""
    found = read(msdyn_workorder=sample("dataverse-booking", "booking")["msdyn_workorder"] | different).work_order
    assert found is not None
    return found


def test_a_booking_without_work_order() -> None:
    assert read(_msdyn_workorder_value=None, msdyn_workorder=None).work_order is None


def test_a_work_order_that_is_not_shown_is_no_empty_one() -> None:
    """Taken for one that says nothing, it would empty the events of every booking."""
    with pytest.raises(AccessDenied, match="work order"):
        read(msdyn_workorder=None)


def test_a_work_order_that_says_nothing() -> None:
    row = sample("dataverse-booking", "booking")["msdyn_workorder"]
    silent = {name: None for name in row if "@" not in name}
    assert read(msdyn_workorder=silent).work_order == WorkOrder(work_order_id="3c3d9c0a-5a7e-4f11-840a-000d3a444444")


_PLACES = ("addressname", "address1", "address2", "address3", "postalcode", "city", "stateorprovince", "country")
NOWHERE = {f"msdyn_{part}": None for part in _PLACES}


@pytest.mark.parametrize(
    ("address", "location"),
    [
        pytest.param({}, "", id="nowhere"),
        pytest.param({"msdyn_city": "Bergen"}, "Bergen", id="a city"),
        pytest.param({"msdyn_postalcode": "5003"}, "5003", id="a postal code"),
        pytest.param(
            {"msdyn_addressname": " Site\r\n North ", "msdyn_address1": "\t"}, "Site North", id="breaks and blanks"
        ),
        pytest.param(
            {"msdyn_addressname": "1 Mill Lane", "msdyn_address1": "1 MILL LANE"}, "1 Mill Lane", id="said twice"
        ),
        pytest.param(
            {"msdyn_postalcode": "10115", "msdyn_city": "Berlin", "msdyn_stateorprovince": "Berlin"},
            "10115 Berlin",
            id="a city that is a state",
        ),
        pytest.param(
            {
                "msdyn_addressname": "Site",
                "msdyn_address1": "1 Mill Lane",
                "msdyn_address2": "Gate B",
                "msdyn_address3": "Floor 3",
                "msdyn_postalcode": "WA 98052",
                "msdyn_city": "Redmond",
                "msdyn_stateorprovince": "Washington",
                "msdyn_country": "United States",
            },
            "Site, 1 Mill Lane, Gate B, Floor 3, WA 98052 Redmond, Washington, United States",
            id="everything",
        ),
    ],
)
def test_an_address_is_one_line_that_says_nothing_twice(address: dict[str, str], location: str) -> None:
    assert order(**NOWHERE | address).location == location


@pytest.mark.parametrize("empty", [None, ""])
def test_half_a_time_window(empty: str | None) -> None:
    window = order(msdyn_timewindowend=empty)
    assert (window.window_start_at, window.window_end_at) == (datetime(2026, 11, 23, 7, 0, tzinfo=UTC), None)


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"msdyn_name": 42}, id="a number that is no text"),
        pytest.param({"msdyn_timewindowstart": "morning"}, id="a window that is no time"),
        pytest.param({"msdyn_city": ["Bergen"]}, id="a city that is a list"),
    ],
)
def test_what_is_no_work_order_is_refused(different: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload):
        order(**different)


# Events


@pytest.mark.parametrize("empty", [None, ""])
def test_a_booking_that_names_no_event(empty: str | None) -> None:
    booking = read(bks_eventid=empty, bks_eventhash=empty)
    assert (booking.event_id, booking.event_hash) == (None, None)


def test_the_digest_is_what_any_sha256_makes_of_mailbox_and_event() -> None:
    """Those who fill the column by other means must come to the same: `sha256sum` did, for the sample."""
    booking = read()
    assert booking.mailbox_id is not None
    assert booking.event_id is not None
    assert event_hash(booking.mailbox_id, booking.event_id) == DIGEST


def test_the_columns_that_name_an_event_are_read_apart() -> None:
    """One may be filled without the other, by an import or a form; what that means is the core's to say."""
    assert read(bks_eventid=None).event_hash == DIGEST
    assert read(bks_eventhash=None).event_id is not None


@pytest.mark.parametrize(
    ("status", "field_service_status", "phase"),
    [
        pytest.param(COMMITTED, SCHEDULED, BookingPhase.SCHEDULED, id="scheduled"),
        pytest.param(COMMITTED, 690970001, BookingPhase.TRAVELING, id="traveling"),
        pytest.param(COMMITTED, 690970002, BookingPhase.ON_BREAK, id="on break"),
        pytest.param(COMMITTED, 690970003, BookingPhase.IN_PROGRESS, id="in progress"),
        pytest.param(COMMITTED, 690970004, BookingPhase.COMPLETED, id="completed"),
        pytest.param(COMMITTED, 690970005, BookingPhase.CANCELLED, id="cancelled, says Field Service"),
        pytest.param(3, SCHEDULED, BookingPhase.CANCELLED, id="cancelled, says the base table"),
        pytest.param(3, None, BookingPhase.CANCELLED, id="cancelled, without Field Service"),
        pytest.param(COMMITTED, None, BookingPhase.SCHEDULED, id="committed, without Field Service"),
        pytest.param(1, None, BookingPhase.SCHEDULED, id="proposed"),
        pytest.param(COMMITTED, 690970006, BookingPhase.OTHER, id="a value that a later version brought"),
        pytest.param(COMMITTED, 0, BookingPhase.OTHER, id="a value that is none of Field Service's"),
        pytest.param(3, 690970006, BookingPhase.CANCELLED, id="cancelled, whatever else it says"),
    ],
)
def test_what_a_status_row_means(status: int, field_service_status: int | None, phase: BookingPhase) -> None:
    row = {"status": status, "msdyn_fieldservicestatus": field_service_status}
    assert read(BookingStatus=row).phase is phase


@pytest.mark.parametrize("status", [None, {}], ids=["hidden from the app", "without values"])
def test_a_booking_whose_status_is_not_shown_is_refused(status: Any) -> None:
    """Every booking has a status: one that does not show is one that the app may not read."""
    with pytest.raises(InvalidPayload):
        read(BookingStatus=status)


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param({"resourcetype": 5, "UserId": None}, id="an account"),
        pytest.param({"resourcetype": 2, "UserId": {"azureactivedirectoryobjectid": BOOKING_ID}}, id="a contact"),
        pytest.param({"resourcetype": 3, "_userid_value": None, "UserId": None}, id="a user that is not there"),
        pytest.param(
            {"resourcetype": 3, "UserId": {"azureactivedirectoryobjectid": None}}, id="a user unknown to Entra"
        ),
    ],
)
def test_a_resource_that_leads_to_no_mailbox(resource: dict[str, Any]) -> None:
    assert read(Resource=resource).mailbox_id is None


HIDDEN_USER = {"resourcetype": 3, "_userid_value": BOOKING_ID, "UserId": None}


@pytest.mark.parametrize(
    ("resource", "what"),
    [pytest.param(None, "read the booked resource", id="resource"), pytest.param(HIDDEN_USER, "user", id="user")],
)
def test_a_resource_or_user_that_is_not_shown_is_not_taken_for_one_without_mailbox(
    resource: dict[str, Any] | None, what: str
) -> None:
    """Every booking would lose its event on the day on which a role loses a privilege."""
    with pytest.raises(AccessDenied, match=what):
        read(Resource=resource)


def test_a_hidden_user_behind_a_resource_is_told_as_such() -> None:
    with pytest.raises(AccessDenied):
        mailbox_of_resource(HIDDEN_USER)


def test_a_resource_of_no_known_kind_is_refused() -> None:
    with pytest.raises(InvalidPayload):
        mailbox_of_resource({"UserId": None})


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"bookableresourcebookingid": None}, id="no id"),
        pytest.param({"starttime": None}, id="no start"),
        pytest.param({"starttime": "eight"}, id="a start that is no time"),
        pytest.param({"endtime": "2026-11-22T08:00:00Z"}, id="an end before the start"),
        pytest.param({"modifiedon": 5}, id="a time that is a number"),
        pytest.param({"BookingStatus": "Scheduled"}, id="a status that is text"),
        pytest.param({"BookingStatus": {"msdyn_fieldservicestatus": [1]}}, id="a status value that is a list"),
        pytest.param({"Resource": [3]}, id="a resource that is a list"),
        pytest.param({"_resource_value": None}, id="no resource at all"),
        pytest.param({"name": 7}, id="a name that is a number"),
        pytest.param({"bks_eventid": 7}, id="an event id that is a number"),
    ],
)
def test_what_is_no_booking_is_refused(different: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload):
        read(**different)


@pytest.mark.parametrize(
    "name",
    ["@odata.etag", "bookableresourcebookingid", "starttime", "endtime", "modifiedon", "_msdyn_workorder_value"],
)
def test_a_booking_that_lacks_something_is_refused(name: str) -> None:
    row = sample("dataverse-booking", "booking")
    del row[name]
    with pytest.raises(InvalidPayload):
        booking_from_wire(row)


def test_nothing_but_our_own_error_comes_of_a_time_before_all_times() -> None:
    with pytest.raises(InvalidPayload):
        read(modifiedon="0001-01-01T00:00:00+01:00")


# Times


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-29T00:59:00Z", datetime(2026, 3, 29, 0, 59, tzinfo=UTC)),
        ("2026-03-29T01:00:00Z", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        ("2026-10-25T02:30:00+02:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    ],
)
@pytest.mark.usefixtures("machine_in_tokyo")
def test_instants_of_the_nights_when_clocks_change_survive_the_wire(text: str, moment: datetime) -> None:
    assert read(modifiedon=text).modified_at == moment
    assert read(modifiedon=wire_time(moment.astimezone(ZoneInfo("Europe/Berlin")))).modified_at == moment


@pytest.mark.usefixtures("machine_in_tokyo")
def test_a_time_without_zone_is_utc_and_never_the_machines() -> None:
    """A customizer may change a column's behaviour; the same must come of it in the cloud and on a desk."""
    assert read(modifiedon="2026-11-20T07:15:30").modified_at == datetime(2026, 11, 20, 7, 15, 30, tzinfo=UTC)


def test_times_are_written_in_utc_and_whole_seconds() -> None:
    moment = datetime(2026, 7, 1, 10, 0, 0, 999_999, tzinfo=ZoneInfo("Europe/Berlin"))
    assert wire_time(moment) == "2026-07-01T08:00:00Z"


# Failures


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(an_error(404, "0x80040217"), NotFound, id="no such row"),
        pytest.param(an_error(404, "0x80060891"), NotFound, id="no row of that key"),
        pytest.param(an_error(404, "0X80040217"), NotFound, id="codes are hex, in any case"),
        pytest.param(an_error(404, "0x8006088a"), Refused, id="an unknown 404"),
        pytest.param(an_error(404, ""), Refused, id="a 404 without code"),
        pytest.param(an_answer(404), Refused, id="a 404 without body"),
        pytest.param(an_answer(404, {"Message": "No HTTP resource was found"}), Refused, id="a 404 of another shape"),
        pytest.param(
            an_answer(412, sample("dataverse-errors", "version-mismatch")), PreconditionFailed, id="another version"
        ),
        pytest.param(an_error(412, ""), PreconditionFailed, id="another version, code empty as documented"),
        pytest.param(an_error(412, "0x80040333"), Refused, id="a duplicate was detected"),
        pytest.param(an_error(412, "0x80060892"), Refused, id="the key is taken"),
        pytest.param(an_answer(400, sample("dataverse-errors", "plug-in-refusal")), Refused, id="a plug-in refuses"),
        pytest.param(an_answer(401), AccessDenied, id="401, whose body is empty"),
        pytest.param(an_error(403, "0x80040220"), AccessDenied, id="a privilege is missing"),
        pytest.param(an_error(405, "0x80040227"), Refused, id="wrong verb"),
        pytest.param(an_error(429, "0x80072322"), Throttled, id="too many requests"),
        pytest.param(an_error(429, "0x80072321"), Throttled, id="too much execution time"),
        pytest.param(an_error(429, "0x80072326"), Throttled, id="too many at once"),
        pytest.param(an_answer(500), ServiceUnavailable, id="500"),
        pytest.param(an_answer(503), ServiceUnavailable, id="503"),
        pytest.param(an_error(408, ""), ServiceUnavailable, id="a request that took too long"),
    ],
)
def test_what_a_failure_means(answer: Answer, kind: type[SyncError]) -> None:
    assert type(classify_dataverse_failure("bookableresourcebookings.get", answer, None)) is kind


def test_the_stated_wait_is_kept() -> None:
    error = classify_dataverse_failure("bookableresourcebookings.get", an_error(429, "0x80072322"), 17)
    assert isinstance(error, Throttled)
    assert error.retry_after_seconds == 17


def test_a_refusal_says_why_where_and_under_which_request() -> None:
    body = sample("dataverse-errors", "plug-in-refusal")
    error = classify_dataverse_failure(
        "bookableresourcebookings.update", an_answer(400, body, x_ms_service_request_id="abc"), None
    )
    assert "work order is closed" in error.reason
    assert (error.operation, error.status, error.code, error.request_id) == (
        "bookableresourcebookings.update",
        400,
        "0x80040265",
        "abc",
    )


def test_two_bookings_that_name_one_event_are_told_apart_from_other_refusals() -> None:
    error = classify_dataverse_failure("bookableresourcebookings.update", an_error(412, "0x80060892"), None)
    assert error.args == ("Another booking names the same event already.",)


def test_an_environment_that_was_not_set_up_is_to_be_set_up() -> None:
    message = (
        "Could not find a property named 'bks_undelivered' on type 'Microsoft.Dynamics.CRM.bookableresourcebooking'."
    )
    error = classify_dataverse_failure("bookableresourcebookings.get", an_error(400, "0x80060888", message), None)
    assert isinstance(error, Refused)
    assert "python -m sync setup" in error.mend


LINK = "https://contoso.crm4.dynamics.com/api/data/v9.2/bookableresourcebookings?$deltatoken=1"
EXPIRED = "Version stamp associated with the client has expired. Please perform a full sync."


def failed_changes(answer: Answer, link: str | None) -> SyncError:
    error = classify_dataverse_failure("bookableresourcebookings.delta", answer, None)
    assert isinstance(error, PermanentError)
    return change_tracking_failure(error, link)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(an_error(400, "0x80044352", EXPIRED), id="the documented code and text"),
        pytest.param(an_error(400, "0x80044352", ""), id="the code alone"),
        pytest.param(an_error(400, "-2147204270", ""), id="the code as a signed decimal"),
        pytest.param(an_error(400, "", EXPIRED), id="the text alone"),
        pytest.param(an_error(404, "", EXPIRED), id="404"),
        pytest.param(an_error(410, "", "Gone."), id="410, whatever it says"),
        pytest.param(an_answer(410), id="410 without a body"),
        pytest.param(an_error(400, "0x80040203", "The delta token is not valid."), id="a damaged token"),
    ],
)
def test_an_expired_token(answer: Answer) -> None:
    assert type(failed_changes(answer, LINK)) is DeltaTokenExpired


@pytest.mark.parametrize(
    ("answer", "link", "kind"),
    [
        pytest.param(an_error(400, "0x80044352", EXPIRED), None, Refused, id="no token was sent"),
        pytest.param(an_error(400, "", "Change tracking isn't enabled."), None, Refused, id="no change tracking"),
        pytest.param(
            an_error(400, "", "Change tracking isn't enabled."), LINK, Refused, id="no change tracking any more"
        ),
        pytest.param(an_error(403, "0x80040220", "missing prvRead privilege"), LINK, AccessDenied, id="no privilege"),
    ],
)
def test_other_failures_to_read_changes_name_the_command_that_mends_them(
    answer: Answer, link: str | None, kind: type[PermanentError]
) -> None:
    error = failed_changes(answer, link)
    assert type(error) is kind
    assert "python -m sync setup" in error.mend
    assert "python -m sync setup" not in kind.mend, "only this error is mended so"
