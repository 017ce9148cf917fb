"""Dataverse's webhooks: what is taken from an execution context, and what a body from the internet cannot do."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sync.adapters.dataverse_queries import EVENT_HASH_COLUMN, EVENT_ID_COLUMN
from sync.adapters.dataverse_wire import booking_from_wire
from sync.core.acceptance import MAXIMUM_BODY_BYTES, Accepted
from sync.core.errors import RejectedRequest
from sync.core.sides import TimeSpan, booking_fingerprint, event_hash
from sync.core.webhooks import STATE_COLUMNS, TRACE_COLUMNS, accept_booking_webhook, authenticate_webhook
from sync.core.work import item_from_text, item_to_text
from sync.core.work_items import BookingChange, WorkOrderChange
from tests.unit.samples import sample
from tests.unit.values import BOOKING_ID, EVENT_ID, MAILBOX, NOW

SAMPLES = Path(__file__).parents[1] / "samples" / "dataverse-webhooks"
SECRET = "the-webhook-secret-in-use-32-characters"
PREVIOUS = "the-webhook-secret-before-32-characters"

RESOURCE = "c0000000-0000-4000-8000-000000000001"
STATUS = "d0000000-0000-4000-8000-000000000001"
WORK_ORDER = "e0000000-0000-4000-8000-000000000001"
NOBODY = "00000000-0000-0000-0000-000000000000"
SPAN = TimeSpan(
    start_at=datetime(2026, 11, 23, 8, tzinfo=UTC),
    end_at=datetime(2026, 11, 23, 10, tzinfo=UTC),
)
FINGERPRINT = booking_fingerprint(
    span=SPAN,
    resource_id=RESOURCE,
    status_id=STATUS,
    work_order_id=WORK_ORDER,
    name="Boiler check / Contoso",
)

CONTEXTS = ["booking-created", "booking-updated", "booking-updated-cut", "booking-deleted", "work-order-updated"]


def body_of(name: str) -> bytes:
    """As posted, escaped slashes included."""
    return (SAMPLES / f"{name}.json").read_bytes()


def context_of(name: str) -> dict[str, Any]:
    document = json.loads(body_of(name))
    assert isinstance(document, dict)
    return document


def accept(body: bytes | dict[str, Any]) -> Accepted:
    numbers = count(1)
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return accept_booking_webhook(encoded, now=NOW, new_id=lambda: f"correlation-{next(numbers)}")


def booking_change(body: bytes | dict[str, Any]) -> BookingChange:
    (item,) = accept(body).items
    assert isinstance(item, BookingChange)
    return item


def columns_of(context: dict[str, Any], images: str = "PostEntityImages") -> list[dict[str, Any]]:
    """The registered image's columns, to be changed in place."""
    (image,) = [image["value"] for image in context[images] if image["key"] in ("pre", "post")]
    columns = image["Attributes"]
    assert isinstance(columns, list)
    return columns


def with_columns(context: dict[str, Any], images: str = "PostEntityImages", **values: Any) -> dict[str, Any]:
    """The context with columns of its image set."""
    columns = columns_of(context, images)
    columns[:] = [column for column in columns if column["key"] not in values]
    columns += [{"key": name, "value": value} for name, value in values.items()]
    return context


def without_columns(context: dict[str, Any], *names: str) -> dict[str, Any]:
    """The context as when columns have no value: the image omits them."""
    columns = columns_of(context)
    columns[:] = [column for column in columns if column["key"] not in names]
    return context


def a_date(moment: datetime) -> str:
    return f"/Date({int(moment.timestamp() * 1000)})/"


# The secret


@pytest.mark.parametrize("presented", [SECRET, PREVIOUS])
def test_both_secrets_are_accepted_while_rotating(presented: str) -> None:
    assert authenticate_webhook(presented, [SECRET, PREVIOUS])


@pytest.mark.parametrize(
    "presented",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param(SECRET[:-1], id="one character less"),
        pytest.param(SECRET + "x", id="one character more"),
        pytest.param(SECRET.upper(), id="another case"),
        pytest.param(f"{SECRET}, {SECRET}", id="twice"),
        pytest.param("ï" * 40, id="not ASCII, which a comparison of texts refuses with an exception"),
        pytest.param("\ud800", id="lone surrogate, which does not encode"),
    ],
)
def test_a_wrong_secret_proves_nothing(presented: str | None) -> None:
    assert not authenticate_webhook(presented, [SECRET, PREVIOUS])


def test_the_previous_secret_ends_with_the_rotation() -> None:
    assert not authenticate_webhook(PREVIOUS, [SECRET])


@pytest.mark.parametrize("presented", [None, "", SECRET])
@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_secrets_nobody_is_let_in(presented: str | None, secrets: list[str]) -> None:
    assert not authenticate_webhook(presented, secrets)


# Bookings


def test_an_update_is_a_change_with_the_fingerprint_of_the_state_after_it() -> None:
    assert booking_change(body_of("booking-updated")) == BookingChange(
        booking_id=BOOKING_ID,
        received_at=NOW,
        correlation_id="correlation-1",
        fingerprint=FINGERPRINT,
    )


def test_a_creation_is_a_new_booking() -> None:
    """One without name and work order, in this sample."""
    assert booking_change(body_of("booking-created")) == BookingChange(
        booking_id=BOOKING_ID,
        received_at=NOW,
        correlation_id="correlation-1",
        is_new=True,
        fingerprint=booking_fingerprint(
            span=SPAN, resource_id=RESOURCE, status_id=STATUS, work_order_id=None, name=None
        ),
    )


@pytest.mark.parametrize(
    ("created_on", "is_new"),
    [
        pytest.param(a_date(NOW - timedelta(minutes=4)), True, id="minutes ago"),
        pytest.param(a_date(NOW + timedelta(minutes=4)), True, id="minutes ahead, by a clock that is fast"),
        pytest.param(a_date(NOW - timedelta(minutes=6)), False, id="long ago, by a job that waited"),
        pytest.param(a_date(NOW + timedelta(minutes=6)), False, id="by a clock that is wrong"),
        pytest.param(None, False, id="nobody knows when"),
        pytest.param("yesterday", False, id="unreadable"),
    ],
)
def test_a_booking_is_new_as_long_as_nobody_can_have_made_an_event_for_it(created_on: object, is_new: bool) -> None:
    body = {**context_of("booking-created"), "OperationCreatedOn": created_on}
    assert booking_change(body).is_new is is_new


def test_a_deletion_brings_what_leads_to_the_event() -> None:
    assert booking_change(body_of("booking-deleted")) == BookingChange(
        booking_id=BOOKING_ID,
        received_at=NOW,
        correlation_id="correlation-1",
        is_deleted=True,
        event_id=EVENT_ID,
        event_hash=event_hash(MAILBOX, EVENT_ID),
        resource_id=RESOURCE,
    )


@pytest.mark.parametrize("mode", [0, None, "1"])
def test_a_deletion_that_may_yet_be_rolled_back_is_no_proof_but_a_reason_to_look(mode: Any) -> None:
    """Such a step was registered by mistake. What it knows of the event is kept, should the booking prove gone."""
    change = booking_change(context_of("booking-deleted") | {"Mode": mode})
    assert (change.is_deleted, change.event_id, change.resource_id) == (False, EVENT_ID, RESOURCE)


def test_a_cut_context_is_a_change_about_which_only_the_id_is_known() -> None:
    assert booking_change(body_of("booking-updated-cut")) == BookingChange(
        booking_id=BOOKING_ID, received_at=NOW, correlation_id="correlation-1"
    )


def test_a_cut_deletion_is_a_deletion() -> None:
    context = context_of("booking-updated-cut") | {"MessageName": "Delete"}
    assert booking_change(context) == BookingChange(
        booking_id=BOOKING_ID, received_at=NOW, correlation_id="correlation-1", is_deleted=True
    )


def test_nothing_but_ids_and_digests_is_queued() -> None:
    told = set(item_to_text(booking_change(body_of("booking-updated"))).lower().split('"'))
    shown = {"boiler check / contoso", "ada technician", "scheduled", "00027", RESOURCE, "2026-11-23"}
    assert not {text for text in told for word in shown if word in text}


@pytest.mark.parametrize("name", CONTEXTS)
def test_what_is_accepted_can_be_queued_and_read_again(name: str) -> None:
    (item,) = accept(body_of(name)).items
    assert item_from_text(item_to_text(item)) == item


def test_ids_are_in_lower_case_whatever_their_case_was() -> None:
    context = context_of("booking-updated") | {"PrimaryEntityId": BOOKING_ID.upper()}
    for column in columns_of(context):
        if isinstance(column["value"], dict):
            column["value"]["Id"] = column["value"]["Id"].upper()
    change = booking_change(context)
    assert (change.booking_id, change.fingerprint) == (BOOKING_ID, FINGERPRINT)


# Images


@pytest.mark.parametrize("alias", ["post", "PostImage", "afterwards"])
def test_an_image_counts_by_whatever_alias(alias: str) -> None:
    context = context_of("booking-updated")
    context["PostEntityImages"][1]["key"] = alias
    assert booking_change(context).fingerprint == FINGERPRINT


def test_the_columns_of_several_images_are_taken_together() -> None:
    context = context_of("booking-updated")
    columns = columns_of(context)
    context["PostEntityImages"].append({"key": "second", "value": {"Attributes": columns[:3]}})
    context["PostEntityImages"][1]["value"]["Attributes"] = columns[3:]
    assert booking_change(context).fingerprint == FINGERPRINT


def test_the_image_that_the_platform_adds_shows_too_little_to_be_counted() -> None:
    context = context_of("booking-updated")
    del columns_of(context)[:]
    context["PostEntityImages"][0]["value"]["Attributes"] += columns_of(context_of("booking-updated"))
    assert booking_change(context).fingerprint is None


@pytest.mark.parametrize("column", ["starttime", "endtime", "resource", "bookingstatus"])
def test_without_a_column_that_every_booking_has_there_is_no_fingerprint(column: str) -> None:
    assert booking_change(without_columns(context_of("booking-updated"), column)).fingerprint is None


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("msdyn_workorder", {"work_order_id": None}),
        ("name", {"name": None}),
    ],
)
@pytest.mark.parametrize("is_omitted", [True, False], ids=["omitted", "null"])
def test_a_column_that_may_be_empty_counts_as_empty_when_it_is_not_shown(
    column: str, expected: dict[str, Any], is_omitted: bool
) -> None:
    context = context_of("booking-updated")
    shown = without_columns(context, column) if is_omitted else with_columns(context, **{column: None})
    state = {"resource_id": RESOURCE, "status_id": STATUS, "work_order_id": WORK_ORDER}
    state |= {"name": "Boiler check / Contoso"}
    assert booking_change(shown).fingerprint == booking_fingerprint(span=SPAN, **{**state, **expected})


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("starttime", "2026-11-23T08:00:00Z", id="a date in a form that is not documented"),
        pytest.param("starttime", "/Date(soon)/", id="a date without a number"),
        pytest.param("starttime", "/Date(1795420800000)/ or so", id="more than a date"),
        pytest.param("starttime", 1795420800000, id="a number for a date"),
        pytest.param("starttime", "/Date(999999999999999)/", id="a date that no calendar has"),
        pytest.param("starttime", "/Date(99999999999999999999)/", id="a date without end"),
        pytest.param("starttime", "/Date(١٧٩٥)/", id="digits of another script"),
        pytest.param("endtime", a_date(NOW), id="an end before the start"),
        pytest.param("resource", {"Name": "Ada Technician"}, id="a reference without an id"),
        pytest.param("resource", NOBODY, id="the empty id"),
        pytest.param("resource", RESOURCE + "\n", id="an id and a line break"),
        pytest.param("bookingstatus", {"Id": 3}, id="a number for an id"),
        pytest.param("bookingstatus", 3, id="a choice"),
        pytest.param("msdyn_workorder", "00027", id="a name for a work order"),
        pytest.param("name", {"Value": "Boiler"}, id="an object for a name"),
        pytest.param("name", "\ud800", id="half a character"),
    ],
)
def test_a_value_that_cannot_be_read_leaves_no_fingerprint_and_the_change_stands(column: str, value: Any) -> None:
    change = booking_change(with_columns(context_of("booking-updated"), **{column: value}))
    assert (change.booking_id, change.fingerprint) == (BOOKING_ID, None)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param("/Date(1795420800000)/", id="milliseconds"),
        pytest.param("/Date(1795420800000-0700)/", id="a zone behind, which shifts nothing"),
        pytest.param("/Date(1795420800000+0530)/", id="a zone ahead"),
        pytest.param("/Date(1795420800999)/", id="a fraction of a second, which is not kept"),
    ],
)
def test_a_date_is_an_instant(start: str) -> None:
    assert booking_change(with_columns(context_of("booking-updated"), starttime=start)).fingerprint == FINGERPRINT


def test_a_date_before_1970_is_one_too() -> None:
    at_christmas = TimeSpan(start_at=datetime(1969, 12, 25, tzinfo=UTC), end_at=SPAN.end_at)
    change = booking_change(with_columns(context_of("booking-updated"), starttime="/Date(-604800000)/"))
    assert change.fingerprint == booking_fingerprint(
        span=at_christmas,
        resource_id=RESOURCE,
        status_id=STATUS,
        work_order_id=WORK_ORDER,
        name="Boiler check / Contoso",
    )


def test_a_lookup_may_be_the_bare_id() -> None:
    context = with_columns(context_of("booking-updated"), resource=RESOURCE, bookingstatus=STATUS)
    assert booking_change(with_columns(context, msdyn_workorder=WORK_ORDER)).fingerprint == FINGERPRINT


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("starttime", a_date(NOW)),
        ("endtime", a_date(datetime(2026, 12, 1, tzinfo=UTC))),
        ("resource", WORK_ORDER),
        ("bookingstatus", WORK_ORDER),
        ("msdyn_workorder", STATUS),
        ("name", "Another name"),
    ],
)
def test_every_column_that_is_listened_to_changes_the_fingerprint(column: str, value: str) -> None:
    assert column in STATE_COLUMNS
    change = booking_change(with_columns(context_of("booking-updated"), **{column: value}))
    assert change.fingerprint not in (None, FINGERPRINT)


def test_other_columns_do_not() -> None:
    context = with_columns(context_of("booking-updated"), duration=120, bks_eventid="another=", modifiedon="any")
    assert booking_change(context).fingerprint == FINGERPRINT


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({}, id="all columns filled"),
        pytest.param({"name": None, "_msdyn_workorder_value": None}, id="no name and no work order"),
        pytest.param({"name": " Boiler \n check "}, id="blanks in the name"),
    ],
)
def test_a_row_and_the_image_of_it_have_the_same_fingerprint(different: dict[str, Any]) -> None:
    """Else no webhook about our own writes would be known for an echo."""
    row = sample("dataverse-booking", "booking") | different
    lookups = {name: row[f"_{name}_value"] for name in ("resource", "bookingstatus", "msdyn_workorder")}
    dates = {name: a_date(datetime.fromisoformat(row[name])) for name in ("starttime", "endtime")}
    shown = {name: value for name, value in {**lookups, **dates, "name": row["name"]}.items() if value is not None}
    context = with_columns(without_columns(context_of("booking-updated"), *STATE_COLUMNS), **shown)
    assert booking_change(context).fingerprint == booking_from_wire(row).fingerprint


@pytest.mark.parametrize(
    ("column", "value", "part"),
    [
        pytest.param(EVENT_ID_COLUMN, None, "event_id", id="no event"),
        pytest.param(EVENT_ID_COLUMN, "", "event_id", id="an empty event id"),
        pytest.param(EVENT_ID_COLUMN, 5, "event_id", id="a number for an event id"),
        pytest.param(EVENT_ID_COLUMN, "Ünique=", "event_id", id="an event id that is not ASCII"),
        pytest.param(EVENT_ID_COLUMN, "i" * 1025, "event_id", id="an event id without end"),
        pytest.param(EVENT_HASH_COLUMN, "A" * 64, "event_hash", id="no digest of ours"),
        pytest.param(EVENT_HASH_COLUMN, ["a" * 64], "event_hash", id="a list of digests"),
        pytest.param("resource", {"Id": NOBODY}, "resource_id", id="nobody"),
    ],
)
def test_of_what_leads_to_the_event_each_part_stands_alone(column: str, value: Any, part: str) -> None:
    change = booking_change(with_columns(context_of("booking-deleted"), "PreEntityImages", **{column: value}))
    parts = {"event_id": EVENT_ID, "event_hash": event_hash(MAILBOX, EVENT_ID), "resource_id": RESOURCE}
    assert {name: getattr(change, name) for name in parts} == parts | {part: None}
    assert change.is_deleted


def test_the_columns_are_called_as_the_table_calls_them() -> None:
    assert TRACE_COLUMNS == ("resource", EVENT_ID_COLUMN, EVENT_HASH_COLUMN)


# Work orders, and what is no work


def test_a_work_order_that_changed_is_work_of_its_own() -> None:
    (item,) = accept(body_of("work-order-updated")).items
    assert item == WorkOrderChange(work_order_id=WORK_ORDER, received_at=NOW, correlation_id="correlation-1")


@pytest.mark.parametrize(
    ("table", "message", "row_id", "reason"),
    [
        ("account", "Update", BOOKING_ID, "table"),
        ("BookableResourceBooking", "Update", BOOKING_ID, "table"),
        ("none", "Publish", NOBODY, "no-row"),
        ("bookableresourcebooking", "Assign", BOOKING_ID, "message"),
        ("bookableresourcebooking", "RetrieveMultiple", NOBODY, "no-row"),
        ("bookableresourcebooking", "Create", NOBODY, "no-row"),
        ("bookableresourcebooking", "Update", "the second one", "no-row"),
        ("msdyn_workorder", "Create", WORK_ORDER, "message"),
        ("msdyn_workorder", "Delete", WORK_ORDER, "message"),
    ],
)
def test_a_step_that_was_registered_by_mistake_is_no_work_and_no_error(
    table: str, message: str, row_id: str, reason: str
) -> None:
    """An error would fail the step, and with a synchronous one what its user wanted."""
    names = {"PrimaryEntityName": table, "MessageName": message, "PrimaryEntityId": row_id}
    accepted = accept(context_of("booking-updated") | names)
    assert (list(accepted.items), accepted.received, dict(accepted.dropped)) == ([], 1, {reason: 1})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 400, id="empty"),
        pytest.param(b"<xml/>", 400, id="not JSON"),
        pytest.param(b"\xff\xfe\xfa", 400, id="not text"),
        pytest.param(b"null", 400, id="null"),
        pytest.param(b"[]", 400, id="an array"),
        pytest.param(b"{}", 400, id="an empty object"),
        pytest.param(b'{"value": []}', 400, id="a body of Graph's"),
        pytest.param(b"[" * 400_000 + b"]" * 400_000, 400, id="nested deeper than any parser goes"),
        pytest.param(b"9" * 5000, 400, id="a number longer than any parser reads"),
        pytest.param(b" " * (MAXIMUM_BODY_BYTES + 1), 413, id="larger than anything of Dataverse's"),
    ],
)
def test_what_is_no_execution_context_is_refused(body: bytes, status: int) -> None:
    with pytest.raises(RejectedRequest) as refusal:
        accept(body)
    assert refusal.value.http_status == status


@pytest.mark.parametrize("name", ["MessageName", "PrimaryEntityName", "PrimaryEntityId"])
@pytest.mark.parametrize("value", [None, 5, ["Update"], {"Id": BOOKING_ID}])
def test_a_context_says_what_happened_to_which_row(name: str, value: Any) -> None:
    with pytest.raises(RejectedRequest, match="not an execution context"):
        accept(context_of("booking-updated") | {name: value})


def test_a_body_may_be_as_large_as_the_limit() -> None:
    body = body_of("booking-updated")
    assert accept(body + b" " * (MAXIMUM_BODY_BYTES - len(body))).items
