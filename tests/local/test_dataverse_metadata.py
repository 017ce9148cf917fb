"""`EntityDefinitions` of the Dataverse simulator, as far as an installation check reads them."""

import pytest

from tests.local.dataverse_environment import Environment, refusal

BOOKING = "/EntityDefinitions(LogicalName='bookableresourcebooking')"


async def test_tables_with_change_tracking_are_found_by_filter() -> None:
    dataverse = Environment()
    query = {"select": "SchemaName", "filter": "ChangeTrackingEnabled eq true"}
    tables = (await dataverse.get("/EntityDefinitions", **query))["value"]
    assert [table["SchemaName"] for table in tables] == ["BookableResourceBooking", "msdyn_workorder"]
    assert set(tables[0]) == {"SchemaName", "MetadataId"}
    dataverse.board.set_switches({"change_tracking_enabled": False})
    tables = (await dataverse.get("/EntityDefinitions", **query))["value"]
    assert [table["SchemaName"] for table in tables] == ["msdyn_workorder"]


async def test_a_table_is_read_by_logical_name_or_metadata_id_with_its_keys() -> None:
    dataverse = Environment(event_key_index_status="InProgress")
    table = await dataverse.get(
        BOOKING,
        select="LogicalName,EntitySetName,IsOptimisticConcurrencyEnabled",
        expand="Keys($select=KeyAttributes,EntityKeyIndexStatus)",
    )
    assert table["EntitySetName"] == "bookableresourcebookings"
    assert table["IsOptimisticConcurrencyEnabled"] is True
    (key,) = table["Keys"]
    assert (key["KeyAttributes"], key["EntityKeyIndexStatus"]) == (["bks_eventhash"], "InProgress")
    assert (await dataverse.get(f"/EntityDefinitions({table['MetadataId']})"))[
        "LogicalName"
    ] == "bookableresourcebooking"
    (key,) = (await dataverse.get(f"{BOOKING}/Keys"))["value"]
    assert key["SchemaName"] == "bks_EventKey"


async def test_columns_tell_type_length_and_requirement() -> None:
    dataverse = Environment()
    column = await dataverse.get(f"{BOOKING}/Attributes(LogicalName='bks_eventid')")
    assert (column["SchemaName"], column["AttributeType"], column["MaxLength"]) == ("bks_EventId", "String", 300)
    ours = await dataverse.get(f"{BOOKING}/Attributes", filter="startswith(LogicalName,'bks[_]')", select="LogicalName")
    assert [one["LogicalName"] for one in ours["value"]] == ["bks_eventid", "bks_eventhash", "bks_undelivered"]
    start = await dataverse.get(f"{BOOKING}/Attributes(LogicalName='starttime')")
    assert start["RequiredLevel"] == {"Value": "SystemRequired"}
    assert start["DateTimeBehavior"] == {"Value": "UserLocal"}


async def test_lookups_tell_the_case_of_their_navigation_property() -> None:
    lookups = await Environment().get(
        f"{BOOKING}/ManyToOneRelationships", select="ReferencingAttribute,ReferencingEntityNavigationPropertyName"
    )
    navigations = {
        one["ReferencingAttribute"]: one["ReferencingEntityNavigationPropertyName"] for one in lookups["value"]
    }
    assert navigations["resource"] == "Resource"
    assert navigations["bookingstatus"] == "BookingStatus"
    assert navigations["msdyn_workorder"] == "msdyn_workorder"
    assert navigations["modifiedby"] == "modifiedbyname"


async def test_choices_come_with_the_cast_and_their_option_set() -> None:
    found = await Environment().get(
        "/EntityDefinitions(LogicalName='bookingstatus')/Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata",
        select="LogicalName",
        expand="OptionSet($select=Options)",
    )
    options = {
        one["LogicalName"]: [option["Value"] for option in one["OptionSet"]["Options"]] for one in found["value"]
    }
    assert options == {"status": [1, 2, 3], "msdyn_fieldservicestatus": list(range(690970000, 690970006))}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/EntityDefinitions(LogicalName='nothing')", 404),
        ("/EntityDefinitions(LogicalName='BookingStatus')", 404),
        (f"{BOOKING}/Attributes(LogicalName='bks_none')", 404),
        (f"{BOOKING}/Nothing", 404),
        ("/EntityDefinitions?$select=Nothing", 400),
        ("/EntityDefinitions?$filter=Nothing eq true", 400),
        (f"{BOOKING}?$expand=Nothing", 400),
        ("/EntityDefinitions?$orderby=SchemaName", 400),
    ],
)
async def test_what_is_not_there_is_refused(path: str, status: int) -> None:
    assert refusal(await Environment().app.get(path))[0] == status


async def test_a_table_names_its_privileges() -> None:
    privileges = (await Environment().get(BOOKING, select="Privileges"))["Privileges"]
    names = {one["PrivilegeType"]: one["Name"] for one in privileges}
    assert names["Read"] == "prvReadBookableResourceBooking"
    assert set(names) == {"Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign", "Share"}
