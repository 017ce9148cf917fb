"""Columns that requests add to a table of the Dataverse simulator, and take away again."""

from typing import Any

import pytest

from tests.local.dataverse_customizing import (
    BOOKING,
    IN_SOLUTION,
    Customized,
    boolean,
    change_set,
    column,
    customized,
    key,
    string,
)
from tests.local.dataverse_environment import ROOT, Environment, refusal

EVENT_ID = f"{BOOKING}/Attributes(LogicalName='bks_eventid')"


async def test_an_environment_may_lack_the_products_columns_its_key_and_change_tracking() -> None:
    dataverse = Customized()
    assert refusal(await dataverse.app.get(EVENT_ID))[0] == 404
    assert (await dataverse.get(f"{BOOKING}/Keys"))["value"] == []
    assert (await dataverse.get(BOOKING))["ChangeTrackingEnabled"] is False
    assert "bks_eventid" not in await dataverse.get(dataverse.path)
    assert refusal(await dataverse.app.get(dataverse.path, params={"$select": "bks_eventid"}))[0] == 400
    assert (await dataverse.state(dataverse.booking.name))["event_id"] is None


async def test_the_switch_takes_the_products_columns_away_and_brings_them_back_empty() -> None:
    dataverse = Environment()
    before = await dataverse.get(dataverse.path, select="bks_eventid,bks_undelivered")
    assert (before["bks_eventid"], before["bks_undelivered"]) == (dataverse.booking.event_id, None)
    dataverse.board.set_switches({"app_columns_installed": False})
    assert "bks_eventid" not in await dataverse.get(dataverse.path)
    assert (await dataverse.get(BOOKING))["ChangeTrackingEnabled"] is False
    dataverse.board.set_switches({"app_columns_installed": True})
    after = await dataverse.get(dataverse.path, select="bks_eventid,bks_undelivered")
    assert after == before | {"bks_eventid": None}
    assert (await dataverse.get(BOOKING))["ChangeTrackingEnabled"] is True


async def test_a_new_column_is_empty_in_the_rows_that_are_there_and_changes_none_of_them() -> None:
    dataverse = await customized()
    etag = await dataverse.etag()
    column_id = await dataverse.add_column(string("bks_EventId", 300))
    row = await dataverse.get(dataverse.path)
    assert (row["bks_eventid"], row["@odata.etag"]) == (None, etag)
    definition = await dataverse.get(EVENT_ID)
    assert definition["MetadataId"] == column_id
    assert (definition["SchemaName"], definition["MaxLength"]) == ("bks_EventId", 300)
    assert definition["DisplayName"]["UserLocalizedLabel"]["Label"] == "EventId"
    assert definition["IsCustomAttribute"] is True


async def test_the_answer_names_the_new_column_as_the_request_named_the_table() -> None:
    dataverse = await customized()
    response = await dataverse.app.post(f"{BOOKING}/Attributes", json=string("bks_EventId", 300))
    address, _, column_id = response.headers["OData-EntityId"].partition("/Attributes")
    assert address == f"{ROOT}{BOOKING}"
    assert (await dataverse.get(f"{BOOKING}/Attributes{column_id}"))["LogicalName"] == "bks_eventid"


async def test_a_new_column_is_written_selected_filtered_and_limited() -> None:
    dataverse = await customized()
    await dataverse.add_column(string("bks_EventId", 5))
    assert (await dataverse.patch({"bks_eventid": "AAMkA"})).status_code == 204
    found = await dataverse.get("/bookableresourcebookings", select="bks_eventid", filter="bks_eventid eq 'aamka'")
    assert [(one["bookableresourcebookingid"], one["bks_eventid"]) for one in found["value"]] == [
        (dataverse.booking.booking_id, "AAMkA")
    ]
    assert refusal(await dataverse.patch({"bks_eventid": "AAMkAD"})) == (400, "0x80044331")


@pytest.mark.parametrize(
    ("definition", "good", "bad", "default"),
    [
        (column("Memo", "bks_Reason", MaxLength=10), "too late", "far too late", None),
        (column("Integer", "bks_Tries", MinValue=0, MaxValue=9), 9, 10, None),
        (boolean("bks_Sent", default=True), False, 0, True),
        (column("DateTime", "bks_TriedOn", Format="DateAndTime"), "2030-03-04T08:00:00Z", "2030-03-04", None),
    ],
    ids=lambda value: value["AttributeType"] if isinstance(value, dict) else "",
)
async def test_columns_of_each_type_keep_their_values(
    definition: dict[str, Any], good: object, bad: object, default: object
) -> None:
    dataverse = await customized()
    await dataverse.add_column(definition)
    name = definition["SchemaName"].lower()
    assert (await dataverse.get(dataverse.path))[name] is None
    assert (await dataverse.patch({name: good})).status_code == 204
    assert (await dataverse.get(dataverse.path))[name] == good
    assert (await dataverse.patch({name: bad})).status_code == 400
    row_id = await dataverse.create("/bookableresourcebookings", {"name": "new"})
    assert (await dataverse.get(f"/bookableresourcebookings({row_id})"))[name] == default


async def test_change_tracking_shows_a_new_column() -> None:
    dataverse = await customized()
    await dataverse.add_column(string("bks_EventId", 300))
    definition = await dataverse.get(BOOKING)
    await dataverse.app.put(BOOKING, json=definition | {"ChangeTrackingEnabled": True})
    query = f"{ROOT}/bookableresourcebookings?$select=bks_eventid"
    first = await dataverse.app.get(query, headers={"Prefer": "odata.track-changes"})
    await dataverse.patch({"bks_eventid": "AAMkA"})
    changed = (await dataverse.app.get(first.json()["@odata.deltaLink"])).json()["value"]
    assert [one["bks_eventid"] for one in changed] == ["AAMkA"]


@pytest.mark.parametrize(
    ("definition", "code"),
    [
        (string("bks_EventId", 300), "0x80047013"),
        (string("bks_eventid", 300), "0x80047013"),
        (string("bks_Name", 0), "0x80090479"),
        (string("bks_Name", 4_001), "0x80090479"),
        (column("Memo", "bks_Name", MaxLength=1_048_577), "0x80090479"),
        (string("name2", 100), "0x80048062"),
        (string("new_Name", 100), "0x80048062"),
        (string("bks_", 100), "0x80048062"),
        (string("bks_Na-me", 100), "0x80048062"),
        (string("bks_Name", 100, IsPrimaryName=True), "0x8004701e"),
        (string("bks_Name", 100, LogicalName="bks_other"), "0x80040203"),
        (string("bks_Name", 100, RequiredLevel={"Value": "SystemRequired"}), "0x80040203"),
        (string("bks_Name", 100, AttributeType="Memo"), "0x80040203"),
        (column("String", "bks_Name", FormatName={"Value": "Nothing"}), "0x80040203"),
        (column("Integer", "bks_Number", MinValue=3, MaxValue=2), "0x80040203"),
        (column("Integer", "bks_Number", MaxValue=2**31), "0x80040203"),
        (column("Boolean", "bks_Flag"), "0x80040203"),
        (string("bks_Name", 100, Maxlength=100), "0x80048d19"),
        (string("bks_Name", 100, MinValue=1), "0x80048d19"),
        (column("String", "bks_Name", MaxLength="100"), "0x80048d19"),
        ({"SchemaName": "bks_Name", "MaxLength": 100}, "0x80048d19"),
    ],
)
async def test_a_column_that_does_not_fit_is_refused(definition: dict[str, Any], code: str) -> None:
    dataverse = await customized()
    await dataverse.add_column(string("bks_EventId", 300))
    before = await dataverse.get(f"{BOOKING}/Attributes")
    assert await dataverse.refused(f"{BOOKING}/Attributes", definition) == (400, code)
    assert await dataverse.get(f"{BOOKING}/Attributes") == before


async def test_columns_that_are_not_modelled_are_refused_as_such() -> None:
    dataverse = await customized()
    for definition in (
        column("Money", "bks_Cost"),
        column("DateTime", "bks_Day", Format="DateOnly"),
        column("DateTime", "bks_Day", DateTimeBehavior={"Value": "TimeZoneIndependent"}),
    ):
        assert (await dataverse.refused(f"{BOOKING}/Attributes", definition))[0] == 501


async def test_a_column_needs_a_table() -> None:
    dataverse = await customized()
    path = "/EntityDefinitions(LogicalName='nothing')/Attributes"
    assert (await dataverse.refused(path, string("bks_Name", 10)))[0] == 404


async def test_a_column_is_deleted_with_its_values() -> None:
    dataverse = await customized()
    await dataverse.add_column(string("bks_EventId", 300))
    await dataverse.patch({"bks_eventid": "AAMkA"})
    assert (await dataverse.app.delete(EVENT_ID)).status_code == 204
    assert "bks_eventid" not in await dataverse.get(dataverse.path)
    assert refusal(await dataverse.app.delete(EVENT_ID))[0] == 404
    await dataverse.add_column(string("bks_EventId", 300))
    assert (await dataverse.get(dataverse.path))["bks_eventid"] is None


async def test_only_custom_columns_are_deleted_and_none_that_a_key_uses() -> None:
    dataverse = await customized()
    assert refusal(await dataverse.app.delete(f"{BOOKING}/Attributes(LogicalName='duration')")) == (400, "0x80047009")
    await dataverse.add_column(string("bks_EventId", 300))
    await dataverse.create(f"{BOOKING}/Keys", key("bks_EventKey", "bks_eventid"))
    assert refusal(await dataverse.app.delete(EVENT_ID)) == (400, "0x8004f01f")
    assert (await dataverse.app.delete(f"{BOOKING}/Keys(LogicalName='bks_eventkey')")).status_code == 204
    assert (await dataverse.app.delete(EVENT_ID)).status_code == 204


async def test_a_column_is_widened_by_its_whole_definition() -> None:
    dataverse = await customized()
    await dataverse.add_column(string("bks_EventId", 5))
    definition = await dataverse.get(EVENT_ID)
    wider = definition | {"MaxLength": 6}
    assert (await dataverse.app.put(EVENT_ID, json=wider, headers=IN_SOLUTION)).status_code == 204
    assert (await dataverse.patch({"bks_eventid": "AAMkAD"})).status_code == 204
    assert (await dataverse.app.put(EVENT_ID, json=definition)).status_code == 501
    renamed = definition | {"SchemaName": "bks_Other", "LogicalName": "bks_other"}
    assert refusal(await dataverse.app.put(EVENT_ID, json=renamed))[0] == 400
    assert refusal(await dataverse.app.put(f"{BOOKING}/Attributes(LogicalName='name')", json=definition))[0] == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", BOOKING),
        ("POST", BOOKING),
        ("PATCH", EVENT_ID),
        ("PUT", f"{BOOKING}/Attributes"),
        ("PUT", "/EntityDefinitions"),
    ],
)
async def test_definitions_are_not_patched(method: str, path: str) -> None:
    response = await Environment().app.request(method, path, json={"ChangeTrackingEnabled": True})
    assert refusal(response)[0] == 405


async def test_a_change_set_that_fails_leaves_no_column_behind() -> None:
    dataverse = await customized()
    response = await dataverse.app.post(
        "/$batch",
        content=change_set(
            ("POST", f"{BOOKING}/Attributes", string("bks_EventId", 300)), ("PATCH", dataverse.path, {"bks_eventid": 1})
        ),
        headers={"Content-Type": "multipart/mixed; boundary=batch"},
    )
    assert response.status_code == 400
    assert "0x80048d19" in response.text
    assert refusal(await dataverse.app.get(EVENT_ID))[0] == 404
    assert "bks_eventid" not in await dataverse.get(dataverse.path)
