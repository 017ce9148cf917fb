"""Tables that requests define in the Dataverse simulator, change tracking, and publishing."""

from typing import Any

import pytest

from tests.local.dataverse_customizing import (
    BOOKING,
    IN_SOLUTION,
    Customized,
    boolean,
    column,
    customized,
    string,
    table,
)
from tests.local.dataverse_environment import ROOT, Environment, refusal

ANSWER = "/EntityDefinitions(LogicalName='bks_answer')"


async def with_table(**properties: Any) -> Customized:
    dataverse = await customized()
    await dataverse.create("/EntityDefinitions", table("bks_Answer", **properties), IN_SOLUTION)
    return dataverse


async def test_rows_of_a_new_table_are_created_read_and_deleted() -> None:
    dataverse = await customized()
    definition = table("bks_Answer", string("bks_Response", 20), boolean("bks_Sent", default=True))
    table_id = await dataverse.create("/EntityDefinitions", definition, IN_SOLUTION)
    shown = await dataverse.get(f"/EntityDefinitions({table_id})")
    assert (shown["EntitySetName"], shown["PrimaryIdAttribute"]) == ("bks_answers", "bks_answerid")
    assert (shown["IsCustomEntity"], shown["ChangeTrackingEnabled"]) == (True, False)
    assert shown["DisplayCollectionName"]["UserLocalizedLabel"]["Label"] == "Answers"
    row_id = await dataverse.create("/bks_answers", {"bks_name": "Ada", "bks_response": "accepted"})
    row = await dataverse.get(f"/bks_answers({row_id})")
    assert (row["bks_name"], row["bks_response"], row["bks_sent"], row["statecode"]) == ("Ada", "accepted", True, 0)
    assert row["_ownerid_value"] == row["_createdby_value"]
    assert (await dataverse.app.delete(f"/bks_answers({row_id})")).status_code == 204
    assert refusal(await dataverse.app.get(f"/bks_answers({row_id})"))[0] == 404


async def test_a_table_of_the_organization_has_no_owner() -> None:
    dataverse = await with_table(OwnershipType="OrganizationOwned", ChangeTrackingEnabled=True)
    shown = await dataverse.get(ANSWER)
    assert (shown["OwnershipType"], shown["ChangeTrackingEnabled"]) == ("OrganizationOwned", True)
    row_id = await dataverse.create("/bks_answers", {"bks_name": "Ada"})
    assert "_ownerid_value" not in await dataverse.get(f"/bks_answers({row_id})")


@pytest.mark.parametrize(
    ("schema_name", "set_name"),
    [("bks_Reply", "bks_replies"), ("bks_Day", "bks_days"), ("bks_Address", "bks_addresses")],
)
async def test_the_entity_set_has_the_plural_of_the_name(schema_name: str, set_name: str) -> None:
    dataverse = await customized()
    table_id = await dataverse.create("/EntityDefinitions", table(schema_name))
    assert (await dataverse.get(f"/EntityDefinitions({table_id})"))["EntitySetName"] == set_name
    assert (await dataverse.get(f"/{set_name}"))["value"] == []


@pytest.mark.parametrize(
    ("definition", "code"),
    [
        (table("bks_Answer"), "0x80047010"),
        (table("bks_Other", EntitySetName="accounts"), "0x80047010"),
        (table("Answer"), "0x80048062"),
        (table("new_Answer"), "0x80048062"),
        (table("bks_Other", string("new_Name", 10)), "0x80048062"),
        (table("bks_Other", string("bks_name", 10)), "0x80047013"),
        (table("bks_Other", string("bks_OtherId", 10)), "0x80047013"),
        (table("bks_Other", string("bks_Second", 10, IsPrimaryName=True)), "0x80040203"),
        (table("bks_Other", Attributes=[string("bks_Name", 10)]), "0x80040203"),
        (table("bks_Other", Attributes=[]), "0x80040203"),
        (table("bks_Other", Attributes=[column("String", "bks_Name", IsPrimaryName=True)]), "0x80040203"),
        (table("bks_Other", OwnershipType="TeamOwned"), "0x80040203"),
        ({name: value for name, value in table("bks_Other").items() if name != "HasNotes"}, "0x80040203"),
        (table("bks_Other", HasNote=False), "0x80048d19"),
    ],
)
async def test_a_table_that_does_not_fit_is_refused(definition: dict[str, Any], code: str) -> None:
    dataverse = await with_table()
    assert await dataverse.refused("/EntityDefinitions", definition) == (400, code)
    assert refusal(await dataverse.app.get("/EntityDefinitions(LogicalName='bks_other')"))[0] == 404


async def test_a_custom_table_goes_with_its_rows_and_only_a_custom_one() -> None:
    dataverse = await with_table()
    await dataverse.create("/bks_answers", {"bks_name": "Ada"})
    assert (await dataverse.app.delete(ANSWER)).status_code == 204
    assert refusal(await dataverse.app.get("/bks_answers"))[0] == 404
    assert refusal(await dataverse.app.delete(ANSWER))[0] == 404
    assert refusal(await dataverse.app.delete(BOOKING))[0] == 400
    await dataverse.create("/EntityDefinitions", table("bks_Answer"))
    assert (await dataverse.get("/bks_answers"))["value"] == []


async def test_change_tracking_is_turned_on_by_the_whole_definition_and_never_off() -> None:
    dataverse = Customized()
    definition = await dataverse.get(BOOKING)
    on, off = definition | {"ChangeTrackingEnabled": True}, definition | {"ChangeTrackingEnabled": False}
    assert (await dataverse.app.put(BOOKING, json=off)).status_code == 204
    response = await dataverse.app.put(BOOKING, json=on, headers={"MSCRM.MergeLabels": "true"})
    assert (response.status_code, response.headers["OData-EntityId"]) == (204, f"{ROOT}{BOOKING}")
    assert (await dataverse.get(BOOKING))["ChangeTrackingEnabled"] is True
    tracked = await dataverse.app.get("/bookableresourcebookings", headers={"Prefer": "odata.track-changes"})
    assert "@odata.deltaLink" in tracked.json()
    assert (await dataverse.app.put(BOOKING, json=on)).status_code == 204
    assert refusal(await dataverse.app.put(BOOKING, json=off))[0] == 400


async def test_a_definition_that_lacks_a_part_or_changes_another_is_not_taken() -> None:
    dataverse = Customized()
    definition = await dataverse.get(BOOKING) | {"ChangeTrackingEnabled": True}
    for changed in (
        {"ChangeTrackingEnabled": True},
        {name: value for name, value in definition.items() if name != "DisplayName"},
        definition | {"IsOptimisticConcurrencyEnabled": False},
    ):
        assert (await dataverse.app.put(BOOKING, json=changed)).status_code == 501
    assert (await dataverse.get(BOOKING))["ChangeTrackingEnabled"] is False


async def test_the_tracking_switch_acts_when_it_is_set_and_leaves_what_requests_do() -> None:
    dataverse = Environment(change_tracking_enabled=False)
    definition = await dataverse.get(BOOKING)
    assert (await dataverse.app.put(BOOKING, json=definition | {"ChangeTrackingEnabled": True})).status_code == 204
    assert (await dataverse.get(BOOKING))["ChangeTrackingEnabled"] is True


async def test_customizations_are_published_one_by_one_or_all() -> None:
    dataverse = Environment()
    document = "<importexportxml><entities><entity>bookableresourcebooking</entity></entities></importexportxml>"
    assert (await dataverse.app.post("/PublishXml", json={"ParameterXml": document})).status_code == 204
    assert (await dataverse.app.post("/PublishAllXml")).status_code == 204
    assert refusal(await dataverse.app.post("/PublishXml", json={"ParameterXml": "<entities/>"}))[0] == 400
    assert refusal(await dataverse.app.post("/PublishXml", json={}))[0] == 400
    assert refusal(await dataverse.app.get("/PublishAllXml"))[0] == 405
    assert dataverse.board.calls["app"] == {"PublishXml": 3, "PublishAllXml": 2}
