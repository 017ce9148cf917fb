"""What the app wants in Dataverse, and the plans that lead there and back."""

from collections.abc import Mapping
from typing import Any

import pytest

from sync.adapters import dataverse_queries
from sync.core.registration import (
    KEY_STATUS,
    LENGTH,
    SECRET_IS_SET,
    TRACKS_CHANGES,
    Doing,
    Found,
    Kind,
    Part,
    Value,
    wanted_parts,
)
from sync.core.registration_plan import find_conflicts, kept_parts, plan_removal, plan_setup
from sync.core.rights import APP_TABLES, Right, rights_of_app, rights_of_plan
from sync.core.webhooks import BOOKING_TABLE, STATE_COLUMNS, TRACE_COLUMNS, WORK_ORDER_TABLE

URL = "https://app.example/api/dataverse/bookings?key=0123abcd"
WANTED = wanted_parts(URL)
NOTHING = {(Kind.CHANGE_TRACKING, BOOKING_TABLE): {TRACKS_CHANGES: False, "is possible": True}}

THERE: Mapping[Kind, Mapping[str, Value]] = {
    Kind.PUBLISHER: {"customizationprefix": "bks"},
    Kind.SOLUTION: {"customizationprefix": "bks", "ismanaged": False},
    Kind.COLUMN: {"type": "String"},
    Kind.KEY: {KEY_STATUS: "Active"},
    Kind.CHANGE_TRACKING: {"is possible": True},
}


def everything(**changes: Mapping[str, Value] | None) -> dict[tuple[Kind, str], Mapping[str, Value]]:
    """An environment that is set up, with some values of parts changed, or a part gone; parts by the end of a name."""
    parts: dict[tuple[Kind, str], Mapping[str, Value]] = {}
    for part in WANTED:
        change = next((one for name, one in changes.items() if part.title.replace(" ", "_").endswith(name)), {})
        if change is not None:
            parts[part.kind, part.name] = {**part.values, **THERE.get(part.kind, {}), **change}
    return parts


def titles(parts: Any, **options: Any) -> list[str]:
    return [entry.title for entry in plan_setup(WANTED, Found(parts=parts), **options)]


def part(kind: Kind, name: str = "") -> Part:
    return next(one for one in WANTED if one.kind is kind and name in one.name)


def test_an_environment_that_never_saw_the_app_gets_everything_in_an_order_that_works() -> None:
    assert titles(NOTHING) == [
        "create publisher bookingsync",
        "create solution bookingsync",
        "create column bks_EventId",
        "create column bks_EventHash",
        "create column bks_Undelivered",
        "create alternate key bks_EventKey",
        f"switch on change tracking {BOOKING_TABLE}",
        f"publish customizations {BOOKING_TABLE}",
        "create service endpoint bookingsync",
        f"create step Create of {BOOKING_TABLE}",
        f"create image after Create of {BOOKING_TABLE}",
        f"create step Update of {BOOKING_TABLE}",
        f"create image after Update of {BOOKING_TABLE}",
        f"create step Delete of {BOOKING_TABLE}",
        f"create image before Delete of {BOOKING_TABLE}",
        f"create step Update of {WORK_ORDER_TABLE}",
    ]


def test_an_environment_that_is_set_up_needs_nothing() -> None:
    assert titles(everything()) == []


@pytest.mark.parametrize("kind", [Kind.COLUMN, Kind.KEY])
def test_a_changed_definition_is_published_before_anything_calls_us(kind: Kind) -> None:
    parts = everything()
    del parts[kind, part(kind).name], parts[Kind.ENDPOINT, "bookingsync"]
    assert titles(parts) == [
        f"create {part(kind).title}",
        f"publish customizations {BOOKING_TABLE}",
        "create service endpoint bookingsync",
    ]


def test_nothing_is_published_when_no_definition_changes() -> None:
    assert titles(everything(service_endpoint_bookingsync=None)) == ["create service endpoint bookingsync"]


def test_a_solution_of_another_publisher_is_taken_as_it_is() -> None:
    assert titles(everything(publisher_bookingsync=None)) == []


UPDATE = f"step_Update_of_{BOOKING_TABLE}"
IMAGE = f"after_Update_of_{BOOKING_TABLE}"


@pytest.mark.parametrize(
    ("name", "there", "changes"),
    [
        ("endpoint_bookingsync", {"url": "https://old.example"}, {"url": URL}),
        ("endpoint_bookingsync", {SECRET_IS_SET: False}, {SECRET_IS_SET: True}),
        ("endpoint_bookingsync", {"authtype": 4}, {"authtype": 5}),
        (UPDATE, {"statecode": 1}, {"statecode": 0}),
        (UPDATE, {"mode": 0, "stage": 20}, {"mode": 1, "stage": 40}),
        (UPDATE, {"filteringattributes": "name"}, {"filteringattributes": ",".join(STATE_COLUMNS)}),
        (IMAGE, {"attributes": "name"}, {"attributes": ",".join(STATE_COLUMNS)}),
        (IMAGE, {"imagetype": 2}, {"imagetype": 1}),
        ("column_bks_EventId", {LENGTH: 100}, {LENGTH: 300}),
        ("alternate_key_bks_EventKey", {KEY_STATUS: "Failed"}, {KEY_STATUS: "Active"}),
        (f"change_tracking_{BOOKING_TABLE}", {TRACKS_CHANGES: False}, {TRACKS_CHANGES: True}),
    ],
)
def test_what_was_changed_is_repaired_and_nothing_else(
    name: str, there: dict[str, Value], changes: dict[str, Value]
) -> None:
    entry = plan_setup(WANTED, Found(parts=everything(**{name: there})))[0]
    assert (entry.doing, dict(entry.changes)) == (Doing.CHANGE, changes)
    assert entry.part.title.replace(" ", "_").endswith(name)
    assert entry.why


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("publisher_bookingsync", {"friendlyname": "Contoso"}),
        ("column_bks_EventId", {LENGTH: 4000}),
        ("column_bks_EventId", {"label": "Outlook event"}),
        ("alternate_key_bks_EventKey", {KEY_STATUS: "Pending"}),
        (UPDATE, {"name": "renamed"}),
        (UPDATE, {"filteringattributes": ", ".join(reversed(STATE_COLUMNS))}),
    ],
)
def test_what_does_no_harm_is_left_as_somebody_made_it(name: str, there: dict[str, Value]) -> None:
    assert titles(everything(**{name: there})) == []


def test_a_changed_part_says_how_it_is() -> None:
    found = Found(parts=everything(endpoint_bookingsync={"url": "https://old.example"}))
    assert plan_setup(WANTED, found)[0].why == "url is 'https://old.example'"


def test_the_secret_is_renewed_when_asked_for() -> None:
    (entry,) = plan_setup(WANTED, Found(parts=everything()), renews_secret=True)
    assert (entry.title, entry.why) == ("change service endpoint bookingsync", "renews the secret")


def test_an_endpoint_without_secret_gets_one() -> None:
    (entry,) = plan_setup(WANTED, Found(parts=everything(endpoint_bookingsync={SECRET_IS_SET: False})))
    assert entry.why == "it has no secret"


class TestWhatIsListenedTo:
    def test_every_step_is_asynchronous_and_after_the_operation(self) -> None:
        steps = [one for one in WANTED if one.kind is Kind.STEP]
        assert len(steps) == 4
        assert {(one.values["stage"], one.values["mode"], one.values["asyncautodelete"]) for one in steps} == {
            (40, 1, True)
        }

    def test_images_have_the_property_that_their_message_takes(self) -> None:
        images = {
            one.trigger.message: (one.values["imagetype"], one.values["messagepropertyname"], one.values["attributes"])
            for one in WANTED
            if one.kind is Kind.IMAGE and one.trigger
        }
        state = ",".join(STATE_COLUMNS)
        assert images == {
            "Create": (1, "Id", state),
            "Update": (1, "Target", state),
            "Delete": (0, "Target", ",".join(TRACE_COLUMNS)),
        }

    def test_columns_of_the_work_order_are_those_that_are_read(self) -> None:
        listened = str(part(Kind.STEP, WORK_ORDER_TABLE).values["filteringattributes"]).split(",")
        query = dataverse_queries.BOOKING_QUERY.partition("msdyn_workorder($select=")[2].rstrip(")")
        read = {column.removeprefix("_").removesuffix("_value") for column in query.split(",")}
        assert set(listened) == read
        assert len(listened) == len(read)

    def test_the_columns_are_those_that_are_written(self) -> None:
        names = {one.name.lower(): one.values[LENGTH] for one in WANTED if one.kind is Kind.COLUMN}
        assert names == {
            dataverse_queries.EVENT_ID_COLUMN: 300,
            dataverse_queries.EVENT_HASH_COLUMN: 64,
            dataverse_queries.UNDELIVERED_COLUMN: dataverse_queries.UNDELIVERED_LENGTH,
        }

    def test_names_of_kinds_are_unique(self) -> None:
        assert len({(one.kind, one.name) for one in WANTED}) == len(WANTED)


class TestRemoval:
    def test_it_undoes_the_setup_from_its_end_and_leaves_change_tracking(self) -> None:
        plan = plan_removal(WANTED, Found(parts=everything()))
        made = [one.title for one in WANTED if one.kind is not Kind.CHANGE_TRACKING]
        assert [entry.part.title for entry in plan] == made[::-1]
        assert {entry.doing for entry in plan} == {Doing.REMOVE}

    def test_what_is_not_there_is_not_removed(self) -> None:
        assert plan_removal(WANTED, Found(parts=NOTHING)) == []
        assert kept_parts(WANTED, Found(parts=NOTHING)) == []

    def test_an_endpoint_that_others_use_stays(self) -> None:
        found = Found(parts=everything(), strangers=["theirs"])
        assert Kind.ENDPOINT not in {entry.part.kind for entry in plan_removal(WANTED, found)}
        assert any("theirs" in one for one in kept_parts(WANTED, found))

    def test_a_publisher_of_other_solutions_stays(self) -> None:
        found = Found(parts=everything(), other_solutions=["fleet"])
        assert Kind.PUBLISHER not in {entry.part.kind for entry in plan_removal(WANTED, found)}
        assert any("fleet" in one for one in kept_parts(WANTED, found))

    def test_it_says_that_change_tracking_stays(self) -> None:
        (kept,) = kept_parts(WANTED, Found(parts=everything()))
        assert kept.startswith("change tracking")


class TestConflicts:
    @pytest.mark.parametrize(
        ("name", "there", "words"),
        [
            ("solution_bookingsync", {"ismanaged": True}, "managed"),
            ("solution_bookingsync", {"customizationprefix": "new"}, "prefix new"),
            ("column_bks_EventHash", {"type": "Memo"}, "bks_EventHash is no single line"),
            ("alternate_key_bks_EventKey", {"columns": "bks_eventid"}, "is on bks_eventid"),
            (
                f"change_tracking_{BOOKING_TABLE}",
                {TRACKS_CHANGES: False, "is possible": False},
                "cannot be switched on",
            ),
        ],
    )
    def test_what_is_in_the_way_is_named(self, name: str, there: dict[str, Value], words: str) -> None:
        (conflict,) = find_conflicts(WANTED, Found(parts=everything(**{name: there})))
        assert words in conflict

    def test_a_publisher_of_our_name_with_another_prefix_is_in_the_way_before_there_is_a_solution(self) -> None:
        parts = everything(solution_bookingsync=None, publisher_bookingsync={"customizationprefix": "new"})
        assert len(find_conflicts(WANTED, Found(parts=parts))) == 1

    def test_all_are_named_at_once(self) -> None:
        parts = everything(solution_bookingsync={"ismanaged": True}, column_bks_EventId={"type": "Memo"})
        assert len(find_conflicts(WANTED, Found(parts=parts))) == 2

    @pytest.mark.parametrize("parts", [NOTHING, everything()])
    def test_neither_an_empty_nor_a_finished_environment_is_in_the_way(self, parts: Any) -> None:
        assert find_conflicts(WANTED, Found(parts=parts)) == []


class TestRights:
    def test_the_app_reads_all_its_tables_and_writes_bookings(self) -> None:
        rights = rights_of_app(deletes_bookings=False)
        assert {right.table for right in rights if right.type == "Read"} == set(APP_TABLES)
        assert Right("Write", BOOKING_TABLE) in rights
        assert Right("Delete", BOOKING_TABLE) not in rights

    def test_deleting_bookings_needs_the_right_to(self) -> None:
        assert Right("Delete", BOOKING_TABLE) in rights_of_app(deletes_bookings=True)

    def test_reading_answers_needs_the_right_to_write_them_beside_the_appointment(self) -> None:
        rights = rights_of_app(deletes_bookings=False, reads_answers=True)
        assert {right.type for right in rights if right.table == "bks_attendeeanswer"} >= {"Create", "Read", "Write"}
        assert {Right("Read", "appointment"), Right("AppendTo", "contact")} <= {*rights}

    def test_a_full_plan_needs_the_rights_of_a_customizer(self) -> None:
        rights, privileges = rights_of_plan(plan_setup(WANTED, Found(parts=NOTHING)))
        assert set(rights) == {
            Right("Create", table)
            for table in (
                *("publisher", "solution", "serviceendpoint"),
                *("sdkmessageprocessingstep", "sdkmessageprocessingstepimage"),
            )
        }
        assert privileges == [
            "prvCreateAttribute",
            "prvCreateEntityKey",
            "prvWriteEntity",
            "prvPublishCustomization",
        ]

    def test_a_plan_that_repairs_a_step_needs_no_more_than_that(self) -> None:
        plan = plan_setup(WANTED, Found(parts=everything(**{UPDATE: {"mode": 0}})))
        assert rights_of_plan(plan) == ([Right("Write", "sdkmessageprocessingstep")], [])

    def test_nothing_to_do_needs_nothing(self) -> None:
        assert rights_of_plan([]) == ([], [])
