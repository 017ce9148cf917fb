"""What a webhook of the Dataverse simulator receives: body and headers as documented."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.dataverse.seed import APP_USER_ID, BUSINESS_UNIT_ID, DISPATCHER_ID, ORGANIZATION_ID, status_id
from local.sample import guid
from tests.local.webhook_environment import (
    BOOKING,
    NOW,
    PATH,
    SAMPLE,
    VISIT,
    Received,
    WebhookEnvironment,
    attributes,
    bind_status,
)

CONTRACTS = "http://schemas.microsoft.com/xrm/2011/Contracts"
CREW = {
    "msdyn_ResourceRequirement@odata.bind": f"/msdyn_resourcerequirements({guid('requirement')})",
    "msdyn_cascadecrewchanges": True,
    "msdyn_acceptcascadecrewchanges": True,
}


def date_text(moment: datetime) -> str:
    return f"/Date({int(moment.timestamp() * 1000)})/"


def entity(row_id: str, values: dict[str, Any], table: str = BOOKING) -> dict[str, Any]:
    return {
        "Attributes": [{"key": name, "value": value} for name, value in values.items()],
        "EntityState": None,
        "FormattedValues": [],
        "Id": row_id,
        "KeyAttributes": [],
        "LogicalName": table,
        "RelatedEntities": [],
        "RowVersion": None,
    }


def reference(table: str, row_id: str, name: str | None = None) -> dict[str, Any]:
    return {
        "__type": f"EntityReference:{CONTRACTS}",
        "Id": row_id,
        "KeyAttributes": [],
        "LogicalName": table,
        "Name": name,
        "RowVersion": None,
    }


def choice(value: int) -> dict[str, Any]:
    return {"__type": f"OptionSetValue:{CONTRACTS}", "Value": value}


def later(by: timedelta) -> str:
    return f"{VISIT.start_at + by:%Y-%m-%dT%H:%M:%SZ}"


async def receive_one(dataverse: WebhookEnvironment) -> Received:
    (received,) = await dataverse.deliver()
    return received


async def test_an_update_has_the_documented_shape() -> None:
    dataverse = WebhookEnvironment()
    step = await dataverse.step()
    await dataverse.change(name="Moved", starttime=later(timedelta(0)), **bind_status("Traveling"))
    context = (await receive_one(dataverse)).context
    requested = {
        "name": "Moved",
        "starttime": date_text(VISIT.start_at),
        "bookingstatus": reference("bookingstatus", status_id("Traveling")),
        "bookableresourcebookingid": VISIT.booking_id,
    }
    upkeep = {
        "modifiedon": date_text(NOW),
        "modifiedby": reference("systemuser", DISPATCHER_ID),
        "modifiedonbehalfby": None,
    }
    frame = {
        "BusinessUnitId": BUSINESS_UNIT_ID,
        "CorrelationId": context["CorrelationId"],
        "Depth": 1,
        "InitiatingUserId": DISPATCHER_ID,
        "IsExecutingOffline": False,
        "IsInTransaction": False,
        "IsOfflinePlayback": False,
        "IsolationMode": 1,
        "MessageName": "Update",
        "Mode": 1,
        "OperationCreatedOn": f"/Date({int(NOW.timestamp() * 1000)}-0700)/",
        "OperationId": context["OperationId"],
        "OrganizationId": ORGANIZATION_ID,
        "OrganizationName": "contoso",
        "OutputParameters": [],
        "OwningExtension": {
            "Id": step,
            "KeyAttributes": [],
            "LogicalName": "sdkmessageprocessingstep",
            "Name": None,
            "RowVersion": None,
        },
        "PreEntityImages": [],
        "PrimaryEntityId": VISIT.booking_id,
        "PrimaryEntityName": BOOKING,
        "RequestId": None,
        "SecondaryEntityName": "none",
        "SharedVariables": [],
        "UserId": DISPATCHER_ID,
    }

    def input_parameters(values: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"key": "Target", "value": {"__type": f"Entity:{CONTRACTS}", **entity(VISIT.booking_id, values)}}]

    automatic = entity(VISIT.booking_id, {"name": "Moved", "bookableresourcebookingid": VISIT.booking_id})
    assert context == {
        **frame,
        "InputParameters": input_parameters({**requested, **upkeep}),
        "ParentContext": {
            **frame,
            "InputParameters": input_parameters(requested),
            "ParentContext": None,
            "PostEntityImages": [],
            "Stage": 30,
        },
        "PostEntityImages": [{"key": "AsynchronousStepPrimaryName", "value": automatic}],
        "Stage": 40,
    }


async def test_a_delete_refers_to_its_row_and_carries_the_pre_image() -> None:
    dataverse = WebhookEnvironment()
    step = await dataverse.step("Delete")
    await dataverse.image(step, attributes="starttime,resource,bookingtype,duration,bks_eventid,msdyn_latitude")
    await dataverse.person.delete(PATH)
    context = (await receive_one(dataverse)).context
    assert context["InputParameters"] == [{"key": "Target", "value": reference(BOOKING, VISIT.booking_id)}]
    assert (context["PostEntityImages"], context["ParentContext"]) == ([], None)
    values = {
        "starttime": date_text(VISIT.start_at),
        "resource": reference("bookableresource", VISIT.technician.resource_id, VISIT.technician.name),
        "bookingtype": choice(1),
        "duration": 90,
        "bks_eventid": VISIT.event_id,
        # The latitude is empty, and so absent.
    }
    assert context["PreEntityImages"] == [{"key": "pre", "value": entity(VISIT.booking_id, values)}]


async def test_whether_an_asynchronous_delete_has_its_pre_image_is_open() -> None:
    dataverse = WebhookEnvironment(webhook_delete_pre_image=False)
    await dataverse.image(await dataverse.step("Delete"))
    await dataverse.image(await dataverse.step("Update"))
    await dataverse.change(name="x")
    await dataverse.person.delete(PATH)
    update, delete = await dataverse.deliver()
    assert set(update.images("Pre")) == {"pre"}
    assert delete.images("Pre") == {}


async def test_a_create_tells_the_new_id_and_has_post_images_only() -> None:
    dataverse = WebhookEnvironment()
    step = await dataverse.step("Create")
    await dataverse.image(step, imagetype=1, entityalias="post", messagepropertyname="Id", attributes="name,duration")
    row_id = await dataverse.create("bookableresourcebookings", name="New", duration=5)
    received = await receive_one(dataverse)
    assert received.context["PrimaryEntityId"] == row_id
    assert received.context["OutputParameters"] == [{"key": "id", "value": row_id}]
    assert attributes(received.target).keys() == {
        "name",
        "duration",
        "bookableresourcebookingid",
        "modifiedon",
        "modifiedby",
        "modifiedonbehalfby",
    }
    assert received.images("Pre") == {}
    assert received.images("Post") == {
        "post": {"name": "New", "duration": 5},
        "AsynchronousStepPrimaryName": {"name": "New", "bookableresourcebookingid": row_id},
    }


async def test_images_show_the_row_before_and_after() -> None:
    dataverse = WebhookEnvironment()
    step = await dataverse.step()
    await dataverse.image(step, entityalias="both", imagetype=2, attributes="name, bks_eventid")
    await dataverse.image(step, entityalias="all", imagetype=0)
    await dataverse.change(name="After", bks_eventid=None)
    received = await receive_one(dataverse)
    before, after = received.images("Pre"), received.images("Post")
    assert before["both"] == {"name": "WO-00001", "bks_eventid": VISIT.event_id}
    assert after["both"] == {"name": "After"}
    assert "all" not in after
    assert {"starttime", "versionnumber", "createdon", "ownerid"} < before["all"].keys()
    assert attributes(received.target)["bks_eventid"] is None, "what is cleared is named in the Target"


async def test_images_are_of_the_moment_of_the_change_not_of_its_delivery() -> None:
    dataverse = WebhookEnvironment()
    step = await dataverse.step()
    await dataverse.image(step, entityalias="post", imagetype=1, attributes="name")
    await dataverse.change(name="First")
    await dataverse.change(name="Second")
    names = [received.images("Post")["post"]["name"] for received in await dataverse.deliver()]
    assert names == ["First", "Second"]


@pytest.mark.parametrize(
    ("place", "own", "of_parent"),
    [("SharedVariables", True, False), ("ParentContext", False, True), (None, False, False)],
)
@pytest.mark.parametrize("message", ["Update", "Delete"])
async def test_where_the_tag_of_a_write_shows_is_open(
    message: str, place: str | None, own: bool, of_parent: bool
) -> None:
    dataverse = WebhookEnvironment(webhook_tag=place)
    await dataverse.step(message)
    if message == "Update":
        await dataverse.app.patch(f"{PATH}?tag=bookingsync", json={"name": "x"})
    else:
        await dataverse.app.delete(f"{PATH}?tag=bookingsync")
    context = (await receive_one(dataverse)).context
    shown = [{"key": "tag", "value": "bookingsync"}]
    assert context["SharedVariables"] == (shown if own else [])
    assert (context["ParentContext"] or {"SharedVariables": []})["SharedVariables"] == (shown if of_parent else [])


async def test_a_write_without_a_tag_shows_none() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step()
    await dataverse.change(name="x")
    assert (await receive_one(dataverse)).context["SharedVariables"] == []


async def test_the_user_is_who_made_the_change_unless_the_step_runs_as_another() -> None:
    dataverse = WebhookEnvironment()
    endpoint = await dataverse.endpoint()
    await dataverse.step(endpoint=endpoint)
    runs_as = {"impersonatinguserid@odata.bind": f"/systemusers({DISPATCHER_ID})"}
    await dataverse.step(endpoint=endpoint, rank=2, **runs_as)
    await dataverse.app.patch(PATH, json={"name": "x"})
    own, impersonating = [received.context for received in await dataverse.deliver()]
    assert (own["InitiatingUserId"], own["UserId"]) == (APP_USER_ID, APP_USER_ID)
    assert (impersonating["InitiatingUserId"], impersonating["UserId"]) == (APP_USER_ID, DISPATCHER_ID)


async def test_a_crew_change_raises_a_message_for_each_booking_one_level_deeper() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.create("msdyn_resourcerequirements", msdyn_resourcerequirementid=guid("requirement"))
    leader, member = SAMPLE.bookings[0], SAMPLE.bookings[1]
    times = {"starttime": later(timedelta(0)), "endtime": later(timedelta(hours=1))}
    for booking in (leader, member):
        path = f"/bookableresourcebookings({booking.booking_id})"
        assert (await dataverse.person.patch(path, json={**times, **CREW})).status_code == 204
    await dataverse.step(filteringattributes="starttime")
    await dataverse.change(starttime=later(timedelta(minutes=30)))
    first, second = [received.context for received in await dataverse.deliver()]
    assert (first["PrimaryEntityId"], first["Depth"]) == (leader.booking_id, 1)
    assert (second["PrimaryEntityId"], second["Depth"]) == (member.booking_id, 2)
    assert first["CorrelationId"] == second["CorrelationId"]
    assert first["OperationId"] != second["OperationId"]
    await dataverse.change(starttime=later(timedelta(0)))
    (third, _) = await dataverse.deliver()
    assert third.context["CorrelationId"] != first["CorrelationId"]


@pytest.mark.parametrize("raises", [True, False])
async def test_whether_the_deletion_of_a_work_order_raises_an_update_of_its_bookings_is_open(raises: bool) -> None:
    dataverse = WebhookEnvironment(unlink_raises_update=raises)
    await dataverse.step(filteringattributes="msdyn_workorder")
    assert VISIT.work_order
    order = f"/msdyn_workorders({VISIT.work_order.work_order_id})"
    assert (await dataverse.person.delete(order)).status_code == 204
    heard = [(received.context["PrimaryEntityId"], received.context["Depth"]) for received in await dataverse.deliver()]
    assert heard == ([(VISIT.booking_id, 2)] if raises else [])
    assert (await dataverse.get(PATH))["_msdyn_workorder_value"] is None


async def test_a_large_request_loses_images_and_parameters_and_says_so() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.image(await dataverse.step())
    await dataverse.change(name="WO-0000x")
    whole = await receive_one(dataverse)
    assert "x-ms-dynamics-msg-size-exceeded" not in whole.headers
    dataverse.board.set_switches({"webhook_size_limit": len(whole.raw) - 1})
    await dataverse.change(name="WO-0000x")
    cut = await receive_one(dataverse)
    assert cut.headers["x-ms-dynamics-msg-size-exceeded"]
    gone = {"ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages"}
    assert whole.context.keys() - cut.context.keys() == gone
    assert (cut.context["PrimaryEntityId"], cut.context["MessageName"]) == (VISIT.booking_id, "Update")


async def test_the_size_limit_is_256_kb() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step(table="msdyn_workorder")
    assert VISIT.work_order
    order = f"/msdyn_workorders({VISIT.work_order.work_order_id})"
    for length, is_cut in ((100_000, False), (200_000, True)):
        # The Target travels twice: once more in the context of the parent.
        await dataverse.person.patch(order, json={"msdyn_instructions": "x" * length})
        assert ("x-ms-dynamics-msg-size-exceeded" in (await receive_one(dataverse)).headers) is is_cut


async def test_headers_name_the_change_and_slashes_are_escaped() -> None:
    dataverse = WebhookEnvironment()
    await dataverse.step()
    await dataverse.change(name="a/b")
    received = await receive_one(dataverse)
    assert received.headers == {
        "content-type": "application/json",
        "x-ms-dynamics-organization": "contoso.crm.dynamics.com",
        "x-ms-dynamics-entity-name": BOOKING,
        "x-ms-dynamics-request-name": "Update",
        "x-ms-correlation-request-id": received.context["CorrelationId"],
        "x-bks-secret": "s3cret",
    }
    assert b'"a\\/b"' in received.raw
    assert b"\\/Date(" in received.raw
    assert not re.search(rb"(?<!\\)/", received.raw)
    assert json.loads(received.raw)
