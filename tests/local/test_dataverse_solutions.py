"""Publishers, solutions and their components in the Dataverse simulator."""

from typing import Any

import pytest

from local.dataverse.solution_tables import DEFAULT_SOLUTION_ID, ComponentType
from tests.local.dataverse_customizing import BOOKING, IN_SOLUTION, Customized, customized, key, string, table
from tests.local.dataverse_environment import Environment, refusal

PUBLISHER = {
    "uniquename": "other",
    "friendlyname": "Other",
    "customizationprefix": "oth",
    "customizationoptionvalueprefix": 10_001,
}


async def test_a_solution_names_its_publisher() -> None:
    dataverse = Customized()
    await dataverse.create_solution()
    found = await dataverse.get(
        "/solutions",
        select="uniquename,version,ismanaged",
        filter="uniquename eq 'bookingsync'",
        expand="publisherid($select=customizationprefix)",
    )
    (solution,) = found["value"]
    assert (solution["version"], solution["ismanaged"]) == ("1.0.0.0", False)
    assert solution["publisherid"]["customizationprefix"] == "bks"


@pytest.mark.parametrize("missing", list(PUBLISHER))
async def test_a_publisher_without_a_required_column_is_refused(missing: str) -> None:
    body = {name: value for name, value in PUBLISHER.items() if name != missing}
    assert refusal(await Environment().app.post("/publishers", json=body)) == (400, "0x80040203")


@pytest.mark.parametrize("missing", ["uniquename", "friendlyname", "version", "publisherid@odata.bind"])
async def test_a_solution_without_a_required_column_is_refused(missing: str) -> None:
    dataverse = Environment()
    (publisher,) = (await dataverse.get("/publishers", filter="uniquename eq 'DefaultPublisher'"))["value"]
    body = {
        "uniquename": "other",
        "friendlyname": "Other",
        "version": "1.0",
        "publisherid@odata.bind": f"/publishers({publisher['publisherid']})",
    }
    del body[missing]
    assert refusal(await dataverse.app.post("/solutions", json=body)) == (400, "0x80040203")


@pytest.mark.parametrize(
    "change",
    [
        {"customizationprefix": "m"},
        {"customizationprefix": "2bks"},
        {"customizationprefix": "mscrmx"},
        {"customizationprefix": "toolongaprefix"},
        {"customizationoptionvalueprefix": 9_999},
        {"uniquename": "not valid"},
    ],
)
async def test_a_publisher_with_an_unfit_value_is_refused(change: dict[str, Any]) -> None:
    assert refusal(await Environment().app.post("/publishers", json=PUBLISHER | change))[0] == 400


async def test_unique_names_are_unique() -> None:
    dataverse = Customized()
    solution_id = await dataverse.create_solution()
    (publisher,) = (await dataverse.get("/publishers", filter="uniquename eq 'bookingsyncpublisher'"))["value"]
    again = {"uniquename": "BookingSync", "friendlyname": "x", "version": "1.0"}
    again["publisherid@odata.bind"] = f"/publishers({publisher['publisherid']})"
    assert refusal(await dataverse.app.post("/solutions", json=again)) == (400, "0x8004f023")
    body = PUBLISHER | {"uniquename": "bookingsyncpublisher"}
    assert refusal(await dataverse.app.post("/publishers", json=body)) == (412, "0x80040237")
    renamed = await dataverse.patch({"uniquename": "Default"}, f"/solutions({solution_id})")
    assert refusal(renamed) == (400, "0x8004f023")
    raised = await dataverse.patch({"uniquename": "bookingsync", "version": "1.0.0.1"}, f"/solutions({solution_id})")
    assert raised.status_code == 204


async def test_what_is_created_in_a_solution_belongs_to_it_and_the_table_without_its_other_parts() -> None:
    dataverse = Customized()
    solution_id = await dataverse.create_solution()
    column_id = await dataverse.add_column(string("bks_EventHash", 64))
    key_id = await dataverse.create(f"{BOOKING}/Keys", key("bks_EventKey", "bks_eventhash"), IN_SOLUTION)
    custom_id = await dataverse.create("/EntityDefinitions", table("bks_Answer"), IN_SOLUTION)
    await dataverse.create(f"{BOOKING}/Attributes", string("bks_Elsewhere", 10))
    booking_id = (await dataverse.get(BOOKING))["MetadataId"]
    assert await dataverse.components(solution_id) == {
        (ComponentType.TABLE, booking_id),
        (ComponentType.COLUMN, column_id),
        (ComponentType.KEY, key_id),
        (ComponentType.TABLE, custom_id),
    }
    behaviors = {
        one["objectid"]: one["rootcomponentbehavior"] for one in (await dataverse.get("/solutioncomponents"))["value"]
    }
    assert (behaviors[booking_id], behaviors[custom_id], behaviors[column_id]) == (1, 0, None)


async def test_what_is_deleted_leaves_its_solution() -> None:
    dataverse = Customized()
    solution_id = await dataverse.create_solution()
    await dataverse.add_column(string("bks_EventHash", 64))
    await dataverse.create(f"{BOOKING}/Keys", key("bks_EventKey", "bks_eventhash"), IN_SOLUTION)
    await dataverse.create("/EntityDefinitions", table("bks_Answer"), IN_SOLUTION)
    for path in (
        f"{BOOKING}/Keys(LogicalName='bks_eventkey')",
        f"{BOOKING}/Attributes(LogicalName='bks_eventhash')",
        "/EntityDefinitions(LogicalName='bks_answer')",
    ):
        assert (await dataverse.app.delete(path)).status_code == 204
    booking_id = (await dataverse.get(BOOKING))["MetadataId"]
    assert await dataverse.components(solution_id) == {(ComponentType.TABLE, booking_id)}


async def test_rows_that_are_components_belong_to_the_solution_until_they_are_deleted() -> None:
    dataverse = Customized()
    solution_id = await dataverse.create_solution()
    endpoint = {
        "name": "bookingsync",
        "contract": 8,
        "authtype": 4,
        "authvalue": "x",
        "url": "https://sync.example/api",
    }
    endpoint_id = await dataverse.create("/serviceendpoints", endpoint, IN_SOLUTION)
    assert await dataverse.components(solution_id) == {(ComponentType.SERVICE_ENDPOINT, endpoint_id)}
    assert (await dataverse.app.delete(f"/serviceendpoints({endpoint_id})")).status_code == 204
    assert await dataverse.components(solution_id) == set()


async def test_deleting_a_solution_leaves_its_components_and_frees_its_publisher() -> None:
    dataverse = Customized()
    solution_id = await dataverse.create_solution()
    await dataverse.add_column(string("bks_EventId", 300))
    (publisher,) = (await dataverse.get("/publishers", filter="uniquename eq 'bookingsyncpublisher'"))["value"]
    publisher_path = f"/publishers({publisher['publisherid']})"
    assert refusal(await dataverse.app.delete(publisher_path)) == (405, "0x80040227")
    assert (await dataverse.app.delete(f"/solutions({solution_id})")).status_code == 204
    assert (await dataverse.get("/solutioncomponents"))["value"] == []
    assert (await dataverse.get(dataverse.path, select="bks_eventid"))["bks_eventid"] is None
    assert (await dataverse.app.delete(publisher_path)).status_code == 204


async def test_the_solution_that_a_request_names_must_be_there_and_unmanaged() -> None:
    dataverse = await customized()
    body = string("bks_EventId", 300)
    for name, expected in (("nothing", (404, "0x80040217")), ("FieldService", (400, "0x80040203"))):
        headers = {"MSCRM.SolutionUniqueName": name}
        assert refusal(await dataverse.app.post(f"{BOOKING}/Attributes", json=body, headers=headers)) == expected
        assert refusal(await dataverse.app.post("/accounts", json={"name": "x"}, headers=headers)) == expected
    assert refusal(await dataverse.app.get(f"{BOOKING}/Attributes(LogicalName='bks_eventid')"))[0] == 404


async def test_the_prefix_is_that_of_the_named_solution_or_without_one_of_any_publisher() -> None:
    dataverse = await customized()
    await dataverse.create_solution("other", "oth")
    assert await dataverse.refused(f"{BOOKING}/Attributes", string("oth_Name", 10)) == (400, "0x80048062")
    await dataverse.create(f"{BOOKING}/Attributes", string("oth_Name", 10))
    await dataverse.create(f"{BOOKING}/Attributes", string("new_Name", 10))
    response = await dataverse.app.post(f"{BOOKING}/Attributes", json=string("zzz_Name", 10))
    assert refusal(response) == (400, "0x80048062")


async def test_components_and_the_solutions_of_others_are_not_written_by_hand() -> None:
    dataverse = await customized()
    assert refusal(await dataverse.app.post("/solutioncomponents", json={"componenttype": 2}))[0] == 405
    assert refusal(await dataverse.app.delete(f"/solutions({DEFAULT_SOLUTION_ID})"))[0] == 400
    (managed,) = (await dataverse.get("/solutions", filter="ismanaged eq true"))["value"]
    assert (await dataverse.app.delete(f"/solutions({managed['solutionid']})")).status_code == 501
