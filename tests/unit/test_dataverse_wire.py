"""Dataverse's JSON and status codes, as tables. The samples' origin stands in `tests/samples/README.md`."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.adapters.dataverse_wire import BOOKING_QUERY, booking_from_wire, classify_dataverse_failure, wire_time
from sync.adapters.transport import Answer
from sync.core.errors import (
    AccessDenied,
    InvalidPayload,
    NotFound,
    PreconditionFailed,
    Refused,
    ServiceUnavailable,
    SyncError,
    Throttled,
)
from sync.core.model import Booking, BookingPhase, TimeSpan, event_hash
from tests.unit.samples import an_answer, an_error, sample
from tests.unit.values import BOOKING_ID

DIGEST = "76bc8dd3ec5005623d8baf009706626b4c5013b35e699f072dc3608a997667fc"
SCHEDULED = 690970000
COMMITTED = 2


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
    )


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


def test_everything_that_a_booking_is_made_of_is_asked_for() -> None:
    """A column that is not selected reads as empty, which would be taken for a booking that names no event."""
    selected = set(BOOKING_QUERY.partition("$select=")[2].partition("&")[0].split(","))
    own = {name for name in sample("dataverse-booking", "booking") if not name.startswith("@") and name.islower()}
    assert own == selected


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
        pytest.param(None, id="no resource"),
        pytest.param({"resourcetype": 5, "UserId": None}, id="an account"),
        pytest.param({"resourcetype": 2, "UserId": {"azureactivedirectoryobjectid": BOOKING_ID}}, id="a contact"),
        pytest.param({"resourcetype": 3, "UserId": None}, id="a user that is not there"),
        pytest.param(
            {"resourcetype": 3, "UserId": {"azureactivedirectoryobjectid": None}}, id="a user unknown to Entra"
        ),
    ],
)
def test_a_resource_that_leads_to_no_mailbox(resource: dict[str, Any] | None) -> None:
    assert read(Resource=resource).mailbox_id is None


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
    ],
)
def test_what_is_no_booking_is_refused(different: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload):
        read(**different)


@pytest.mark.parametrize("name", ["@odata.etag", "bookableresourcebookingid", "starttime", "endtime", "modifiedon"])
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
    assert type(classify_dataverse_failure("booking.get", answer, None)) is kind


def test_the_stated_wait_is_kept() -> None:
    error = classify_dataverse_failure("booking.get", an_error(429, "0x80072322"), 17)
    assert isinstance(error, Throttled)
    assert error.retry_after_seconds == 17


def test_a_refusal_says_why_where_and_under_which_request() -> None:
    body = sample("dataverse-errors", "plug-in-refusal")
    error = classify_dataverse_failure("booking.cancel", an_answer(400, body, x_ms_service_request_id="abc"), None)
    assert "work order is closed" in error.reason
    assert (error.operation, error.status, error.code, error.request_id) == (
        "booking.cancel",
        400,
        "0x80040265",
        "abc",
    )
