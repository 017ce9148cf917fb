"""What the app's user may do in the Dataverse simulator, and how a request without the privilege is refused."""

from typing import Any

import httpx
import pytest

from local.dataverse.seed import APP_USER_ID, BUSINESS_UNIT_ID, DISPATCHER_ID
from tests.local.dataverse_customizing import BOOKING, customized, key, string, table
from tests.local.dataverse_environment import ADA, Environment, bind_status, refusal

READ_BOOKING = "prvReadBookableResourceBooking"
TRACKED = {"Prefer": "odata.track-changes"}
DENIED = (403, "0x80040220")


async def privileges(dataverse: Environment, user_id: str = APP_USER_ID) -> dict[str, str]:
    """Depth by name, as the function answers them."""
    path = f"/systemusers({user_id})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()"
    answer = await dataverse.get(path)
    assert answer["@odata.context"].endswith("#Microsoft.Dynamics.CRM.RetrieveUserPrivilegesResponse")
    for one in answer["RolePrivileges"]:
        assert set(one) == {"Depth", "PrivilegeId", "BusinessUnitId", "PrivilegeName"}
        assert one["BusinessUnitId"] == BUSINESS_UNIT_ID
    return {one["PrivilegeName"]: one["Depth"] for one in answer["RolePrivileges"]}


async def test_a_user_has_every_privilege_in_the_organization() -> None:
    held = await privileges(Environment())
    assert set(held.values()) == {"Global"}
    assert {READ_BOOKING, "prvReadUser", "prvWriteSdkMessageProcessingStep", "prvCreateAttribute"} <= set(held)
    assert {"prvReadmsdyn_workorder", "prvCreateSolution", "prvPublishCustomization"} <= set(held)


async def test_the_privileges_are_those_that_the_metadata_name() -> None:
    dataverse = Environment()
    held = await privileges(dataverse)
    tables = (await dataverse.get("/EntityDefinitions", select="Privileges"))["value"]
    assert {one["Name"] for table in tables for one in table["Privileges"]} <= set(held)


async def test_denied_privileges_are_missing_and_those_without_the_organization_are_less_deep() -> None:
    dataverse = Environment(denied_privileges=["prvcreateattribute", f"global:{READ_BOOKING}"])
    held = await privileges(dataverse)
    assert "prvCreateAttribute" not in held
    assert held[READ_BOOKING] == "Deep"
    of_another = await privileges(dataverse, DISPATCHER_ID)
    assert (of_another["prvCreateAttribute"], of_another[READ_BOOKING]) == ("Global", "Global")


async def test_the_function_is_asked_of_a_user_that_exists_with_its_full_name() -> None:
    dataverse = Environment()
    function = "Microsoft.Dynamics.CRM.RetrieveUserPrivileges"
    assert (await dataverse.app.get(f"/systemusers({APP_USER_ID})/{function}")).status_code == 200
    by_object = f"/systemusers(azureactivedirectoryobjectid={ADA.mailbox_id})/{function}()"
    assert (await dataverse.app.get(by_object)).status_code == 200
    for path in (
        f"/systemusers({BUSINESS_UNIT_ID})/{function}()",
        f"/systemusers({APP_USER_ID})/RetrieveUserPrivileges()",
        f"{dataverse.path}/{function}()",
    ):
        assert refusal(await dataverse.app.get(path))[0] == 404
    assert refusal(await dataverse.app.post(f"/systemusers({APP_USER_ID})/{function}()"))[0] in (404, 405)


@pytest.mark.parametrize(
    ("denied", "method", "path", "body"),
    [
        (READ_BOOKING, "GET", "{booking}", None),
        (READ_BOOKING, "GET", "{booking}/name", None),
        (READ_BOOKING, "GET", "/bookableresourcebookings", None),
        (READ_BOOKING, "GET", "/bookableresourcebookings/$count", None),
        ("prvReadBookingStatus", "GET", "{booking}?$expand=BookingStatus", None),
        ("prvReadUser", "GET", "{booking}?$expand=Resource($expand=UserId)", None),
        ("prvReadBookableResource", "GET", "{booking}/Resource", None),
        ("prvWriteBookableResourceBooking", "PATCH", "{booking}", {"name": "x"}),
        ("prvWriteBookableResourceBooking", "PUT", "{booking}/name", {"value": "x"}),
        ("prvAppendBookableResourceBooking", "PATCH", "{booking}", bind_status("Canceled")),
        ("prvAppendToBookingStatus", "PATCH", "{booking}", bind_status("Canceled")),
        ("prvDeleteBookableResourceBooking", "DELETE", "{booking}", None),
        ("prvCreateBookableResourceBooking", "POST", "/bookableresourcebookings", {"name": "x"}),
        ("prvReadEntity", "GET", BOOKING, None),
        ("prvCreateSolution", "POST", "/solutions", {}),
        ("prvReadSolution", "GET", "/solutioncomponents", None),
        ("prvCreateEntity", "POST", "/EntityDefinitions", table("new_Answer")),
        ("prvWriteEntity", "PUT", BOOKING, {}),
        ("prvCreateAttribute", "POST", f"{BOOKING}/Attributes", string("new_Name", 10)),
        ("prvDeleteAttribute", "DELETE", f"{BOOKING}/Attributes(LogicalName='bks_undelivered')", None),
        ("prvCreateEntityKey", "POST", f"{BOOKING}/Keys", key("new_Key", "name")),
        ("prvDeleteEntityKey", "DELETE", f"{BOOKING}/Keys(LogicalName='bks_eventkey')", None),
        ("prvWriteEntityKey", "POST", "/ReactivateEntityKey", {}),
        ("prvPublishCustomization", "POST", "/PublishAllXml", None),
    ],
)
async def test_a_request_without_its_privilege_is_refused_and_changes_nothing(
    denied: str, method: str, path: str, body: dict[str, Any] | None
) -> None:
    dataverse = Environment(denied_privileges=[denied.lower()])
    version, address = dataverse.world.version, path.format(booking=dataverse.path)
    response = await dataverse.app.request(method, address, json=body)
    assert refusal(response) == DENIED
    reason = f"Principal user (Id={APP_USER_ID}, type=8) is missing {denied} privilege"
    assert reason in response.json()["error"]["message"]
    assert dataverse.world.version == version
    by_person = await dataverse.person.request(method, address, json=body)
    assert by_person.status_code != 403


async def test_an_answer_with_the_row_needs_the_right_to_read() -> None:
    dataverse = Environment(denied_privileges=[READ_BOOKING])
    body, wanted = {"name": "x"}, {"If-Match": "*", "Prefer": "return=representation"}
    assert refusal(await dataverse.app.patch(dataverse.path, json=body, headers=wanted)) == DENIED
    assert (await dataverse.app.patch(dataverse.path, json=body, headers={"If-Match": "*"})).status_code == 204


async def test_clearing_a_lookup_needs_no_right_to_append() -> None:
    dataverse = Environment(denied_privileges=["prvAppendBookableResourceBooking"])
    response = await dataverse.app.delete(f"{dataverse.path}/msdyn_workorder/$ref")
    assert response.status_code == 204


async def test_change_tracking_needs_the_right_to_read_in_the_whole_organization() -> None:
    dataverse = Environment()
    first = await dataverse.app.get("/bookableresourcebookings", headers=TRACKED)
    link = httpx.URL(first.json()["@odata.deltaLink"])
    dataverse.board.set_switches({"denied_privileges": [f"global:{READ_BOOKING}"]})
    assert refusal(await dataverse.app.get("/bookableresourcebookings", headers=TRACKED)) == DENIED
    assert refusal(await dataverse.app.get(link)) == DENIED
    assert (await dataverse.app.get("/bookableresourcebookings")).status_code == 200
    assert (await dataverse.app.get("/msdyn_workorders", headers=TRACKED)).status_code == 200


async def test_who_acts_for_another_needs_the_privilege_for_that_and_for_what_is_done() -> None:
    as_ada = {"CallerObjectId": ADA.mailbox_id}
    dataverse = Environment()
    assert (await dataverse.app.get(dataverse.path, headers=as_ada)).status_code == 200
    for denied in (READ_BOOKING, "prvActOnBehalfOfAnotherUser"):
        dataverse.board.set_switches({"denied_privileges": [denied]})
        assert refusal(await dataverse.app.get(dataverse.path, headers=as_ada)) == DENIED


async def test_a_custom_table_has_privileges_of_its_own() -> None:
    dataverse = await customized()
    await dataverse.create("/EntityDefinitions", table("bks_Answer"))
    assert (await privileges(dataverse))["prvReadbks_Answer"] == "Global"
    dataverse.board.set_switches({"denied_privileges": ["prvReadbks_Answer"]})
    assert refusal(await dataverse.app.get("/bks_answers")) == DENIED
