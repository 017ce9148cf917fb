"""Writing rows through the Dataverse simulator: upserts, etags, lookups, refusals, upkeep."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from local.dataverse.seed import APP_USER_ID, DISPATCHER_ID, event_hash, status_id
from local.sample import TECHNICIANS, guid
from tests.local.dataverse_environment import ADA, NOW, ROOT, SAMPLE, Environment, bind_status, refusal

BOOKINGS = "/bookableresourcebookings"
ABSENT = guid("a booking that is not there")
MOVED = {"starttime": "2030-03-04T10:00:00Z", "endtime": "2030-03-04T11:30:00Z", "duration": 90}


def new_booking(**values: Any) -> dict[str, Any]:
    return {
        "name": "New",
        **MOVED,
        **bind_status("Scheduled"),
        "Resource@odata.bind": f"bookableresources({ADA.resource_id})",
        **values,
    }


async def test_an_update_with_the_right_etag_writes_and_moves_the_etag() -> None:
    dataverse = Environment()
    etag = await dataverse.etag()
    response = await dataverse.app.patch(dataverse.path, json=MOVED, headers={"If-Match": etag})
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["odata-entityid"] == ROOT + dataverse.path
    row = await dataverse.get(dataverse.path)
    assert (row["starttime"], row["endtime"], row["duration"]) == tuple(MOVED.values())
    assert row["@odata.etag"] != etag
    assert row["@odata.etag"] == f'W/"{row["versionnumber"]}"'


async def test_a_stale_etag_is_refused_and_writes_nothing() -> None:
    dataverse = Environment()
    etag = await dataverse.etag()
    await dataverse.person.patch(dataverse.path, json={"name": "changed by the dispatcher"})
    for request in (
        dataverse.app.patch(dataverse.path, json=MOVED, headers={"If-Match": etag}),
        dataverse.app.delete(dataverse.path, headers={"If-Match": etag}),
    ):
        response = await request
        assert refusal(response) == (412, "0x80060882")
        assert "RowVersion" in response.json()["error"]["message"]
    assert (await dataverse.get(dataverse.path))["starttime"] == "2030-03-04T07:00:00Z"


async def test_a_patch_without_if_match_on_an_absent_row_silently_creates_it() -> None:
    dataverse = Environment()
    response = await dataverse.app.patch(f"{BOOKINGS}({ABSENT})", json={"name": "risen"})
    assert response.status_code == 204
    assert (await dataverse.get(f"{BOOKINGS}({ABSENT})"))["name"] == "risen"


@pytest.mark.parametrize("if_match", ["*", 'W/"81700190"'])
async def test_if_match_forbids_the_creation(if_match: str) -> None:
    dataverse = Environment()
    response = await dataverse.app.patch(f"{BOOKINGS}({ABSENT})", json={"name": "x"}, headers={"If-Match": if_match})
    assert refusal(response) == (404, "0x80040217")
    assert response.json()["error"]["message"] == f"bookableresourcebooking With Id = {ABSENT} Does Not Exist"
    key = f"{BOOKINGS}(bks_eventhash='{'0' * 64}')"
    response = await dataverse.app.patch(key, json={"name": "x"}, headers={"If-Match": if_match})
    assert refusal(response) == (404, "0x80060891")


async def test_if_none_match_star_makes_creation_idempotent() -> None:
    dataverse = Environment()
    chosen = f"{BOOKINGS}({ABSENT})"
    first = await dataverse.app.patch(chosen, json=new_booking(), headers={"If-None-Match": "*"})
    again = await dataverse.app.patch(chosen, json=new_booking(name="Again"), headers={"If-None-Match": "*"})
    assert first.status_code == 204
    assert again.status_code == 412
    assert again.json()["error"]["message"] == "A record with matching key values already exists."
    assert (await dataverse.get(chosen))["name"] == "New"


async def test_a_create_answers_204_with_the_address_or_201_with_the_row() -> None:
    dataverse = Environment()
    plain = await dataverse.app.post(BOOKINGS, json=new_booking())
    assert plain.status_code == 204
    assert "location" not in plain.headers
    address = plain.headers["odata-entityid"]
    assert (await dataverse.app.get(address)).json()["_resource_value"] == ADA.resource_id
    asked = {"Prefer": "return=representation"}
    full = await dataverse.app.post(BOOKINGS, json=new_booking(), headers=asked, params={"$select": "name,duration"})
    assert full.status_code == 201
    assert full.json()["duration"] == 90
    assert "starttime" not in full.json()
    assert full.headers["etag"] == full.json()["@odata.etag"]
    assert full.headers["preference-applied"] == "return=representation"


async def test_representation_tells_an_update_from_an_upsert_that_created() -> None:
    dataverse = Environment()
    asked = {"Prefer": "return=representation"}
    key = f"{BOOKINGS}(bks_eventhash='{'a' * 64}')"
    created = await dataverse.app.patch(key, json=new_booking(), headers=asked, params={"$expand": "Resource"})
    assert created.status_code == 201
    assert created.json()["bks_eventhash"] == "a" * 64
    assert "Resource" not in created.json()
    assert created.headers["odata-entityid"] == ROOT + key
    updated = await dataverse.app.patch(key, json={"name": "2nd", "bks_eventhash": "b" * 64}, headers=asked)
    assert updated.status_code == 200
    assert (updated.json()["name"], updated.json()["bks_eventhash"]) == ("2nd", "a" * 64)


async def test_a_refused_select_leaves_the_row_as_it_was() -> None:
    dataverse = Environment()
    asked = {"Prefer": "return=representation"}
    response = await dataverse.app.patch(dataverse.path, json=MOVED, headers=asked, params={"$select": "start"})
    assert refusal(response) == (400, "0x80060888")
    assert (await dataverse.get(dataverse.path))["starttime"] == "2030-03-04T07:00:00Z"


@pytest.mark.parametrize(
    "name", ["resource", "bookingstatus", "RESOURCE", "bookingStatus", "msdyn_WorkOrder", "_resource_value"]
)
async def test_binding_to_anything_but_the_navigation_property_is_refused(name: str) -> None:
    dataverse = Environment()
    body = {f"{name}@odata.bind": f"/bookableresources({ADA.resource_id})"}
    response = await dataverse.app.patch(dataverse.path, json=body, headers={"If-Match": "*"})
    assert refusal(response) == (400, "0x80048d19")
    assert f"An undeclared property '{name}' which only has property annotations" in response.json()["error"]["message"]


async def test_a_lookup_is_never_written_through_its_value() -> None:
    dataverse = Environment()
    response = await dataverse.app.patch(dataverse.path, json={"_resource_value": ADA.resource_id})
    assert refusal(response) == (400, "0x80060888")
    response = await dataverse.app.patch(dataverse.path, json={"resource": ADA.resource_id})
    assert refusal(response) == (400, "0x80048d19")


@pytest.mark.parametrize("prefix", ["", "/", ROOT + "/"])
async def test_a_binding_may_be_relative_or_absolute(prefix: str) -> None:
    dataverse = Environment()
    body = {"Resource@odata.bind": f"{prefix}bookableresources({TECHNICIANS[1].resource_id})"}
    assert (await dataverse.app.patch(dataverse.path, json=body, headers={"If-Match": "*"})).status_code == 204
    assert (await dataverse.get(dataverse.path))["_resource_value"] == TECHNICIANS[1].resource_id


@pytest.mark.parametrize(
    ("reference", "status"),
    [
        (f"bookableresources({ABSENT})", 404),
        (f"bookingstatuses({status_id('Canceled')})", 400),
        ("bookableresources", 400),
        (5, 400),
    ],
)
async def test_a_binding_to_nothing_or_to_another_table_is_refused(reference: Any, status: int) -> None:
    dataverse = Environment()
    response = await dataverse.app.patch(dataverse.path, json={"Resource@odata.bind": reference})
    assert response.status_code == status


async def test_cancelling_is_one_patch() -> None:
    dataverse = Environment()
    body = {**bind_status("Canceled"), "bks_eventid": None, "bks_eventhash": None}
    response = await dataverse.app.patch(dataverse.path, json=body, headers={"If-Match": await dataverse.etag()})
    assert response.status_code == 204
    shown = await dataverse.state(dataverse.booking.name)
    assert (shown["status"], shown["event_id"], shown["event_hash"]) == ("Canceled", None, None)


@pytest.mark.parametrize("body", [{"starttime": None}, {"BookingStatus@odata.bind": None}, {"BookingStatus": None}])
async def test_a_system_required_column_cannot_be_cleared(body: dict[str, None]) -> None:
    dataverse = Environment()
    assert refusal(await dataverse.app.patch(dataverse.path, json=body))[0] == 400
    lenient = Environment(refuse_null_in_required_columns=False)
    assert (await lenient.app.patch(lenient.path, json=body)).status_code == 204


async def test_a_lookup_that_is_not_required_can_be_cleared_in_four_ways() -> None:
    for way in ("bind", "navigation", "reference", "put"):
        dataverse = Environment()
        match way:
            case "bind":
                response = await dataverse.app.patch(dataverse.path, json={"msdyn_workorder@odata.bind": None})
            case "navigation":
                response = await dataverse.app.patch(dataverse.path, json={"msdyn_workorder": None})
            case "reference":
                response = await dataverse.app.delete(f"{dataverse.path}/msdyn_workorder/$ref")
            case _:
                other = {"@odata.id": f"{ROOT}/msdyn_workorders({SAMPLE.work_orders[4].work_order_id})"}
                response = await dataverse.app.put(f"{dataverse.path}/msdyn_workorder/$ref", json=other)
        assert response.status_code == 204
        expected = SAMPLE.work_orders[4].work_order_id if way == "put" else None
        assert (await dataverse.get(dataverse.path))["_msdyn_workorder_value"] == expected


async def test_one_column_is_written_and_cleared_through_its_own_address() -> None:
    dataverse = Environment()
    assert (await dataverse.app.put(f"{dataverse.path}/name", json={"value": "by PUT"})).status_code == 204
    assert (await dataverse.get(dataverse.path))["name"] == "by PUT"
    assert (await dataverse.app.delete(f"{dataverse.path}/name")).status_code == 204
    assert (await dataverse.get(dataverse.path))["name"] is None
    assert (await dataverse.app.delete(f"{dataverse.path}/starttime")).status_code == 400


async def test_read_only_columns_are_ignored_and_unknown_ones_refused() -> None:
    dataverse = Environment()
    before = await dataverse.get(dataverse.path)
    body = {"versionnumber": 1, "createdon": "2001-01-01T00:00:00Z", "@odata.etag": "x", "name@odata.type": "#String"}
    assert (await dataverse.app.patch(dataverse.path, json=body)).status_code == 204
    after = await dataverse.get(dataverse.path)
    assert after["createdon"] == before["createdon"]
    assert after["versionnumber"] > before["versionnumber"]
    response = await dataverse.app.patch(dataverse.path, json={"bks_eventID": "x"})
    assert refusal(response) == (400, "0x80048d19")
    assert "Invalid property 'bks_eventID'" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "x" * 101}, "0x80044331"),
        ({"bks_eventid": "x" * 301}, "0x80044331"),
        ({"bks_eventhash": "x" * 65}, "0x80044331"),
        ({"name": 5}, "0x80048d19"),
        ({"duration": "90"}, "0x80048d19"),
        ({"duration": True}, "0x80048d19"),
        ({"duration": -1}, "0x80044330"),
        ({"bookingtype": 7}, "0x8004431a"),
        ({"msdyn_allowoverlapping": 1}, "0x80048d19"),
        ({"starttime": "2030-03-04"}, "0x80048d19"),
        ({"starttime": "2030-03-04T10:00:00+01:00Z"}, "0x80048d19"),
        ({"starttime": "2030-02-30T10:00:00Z"}, "0x80048d19"),
        ({"starttime": "1752-12-31T23:59:59Z"}, "0x80048d19"),
        ({"starttime": 1893488400}, "0x80048d19"),
    ],
)
async def test_an_unfit_value_is_refused_with_its_code(body: dict[str, Any], code: str) -> None:
    dataverse = Environment()
    assert refusal(await dataverse.app.patch(dataverse.path, json=body)) == (400, code)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2030-03-04T06:30:00Z", "2030-03-04T06:30:00Z"),
        ("2030-03-04T06:30:00", "2030-03-04T06:30:00Z"),
        ("2030-03-04T06:30", "2030-03-04T06:30:00Z"),
        ("2030-03-04T07:30:00+01:00", "2030-03-04T06:30:00Z"),
        ("2030-03-04T06:30:00.1234567Z", "2030-03-04T06:30:00Z"),
    ],
)
async def test_times_are_kept_in_utc_and_whole_seconds(written: str, read: str) -> None:
    dataverse = Environment()
    assert (await dataverse.app.patch(dataverse.path, json={"starttime": written})).status_code == 204
    assert (await dataverse.get(dataverse.path))["starttime"] == read


async def test_fractions_of_seconds_are_kept_when_the_switch_says_so() -> None:
    dataverse = Environment(keep_fractions_of_seconds=True)
    await dataverse.app.patch(dataverse.path, json={"starttime": "2030-03-04T06:30:00.5000000Z"})
    assert (await dataverse.get(dataverse.path))["starttime"] == "2030-03-04T06:30:00.5Z"


async def test_an_end_before_the_start_is_refused_unless_switched_off() -> None:
    dataverse = Environment()
    backwards = {"endtime": "2030-03-04T06:00:00Z"}
    assert refusal(await dataverse.app.patch(dataverse.path, json=backwards)) == (400, "0x80040265")
    dataverse.board.set_switches({"refuse_end_before_start": False})
    assert (await dataverse.app.patch(dataverse.path, json=backwards)).status_code == 204


async def test_the_duration_is_what_was_written_unless_switched_on() -> None:
    dataverse = Environment()
    contradiction = {**MOVED, "duration": 1}
    await dataverse.app.patch(dataverse.path, json=contradiction)
    assert (await dataverse.get(dataverse.path))["duration"] == 1
    dataverse.board.set_switches({"recompute_duration": True})
    await dataverse.app.patch(dataverse.path, json=contradiction)
    assert (await dataverse.get(dataverse.path))["duration"] == 90


async def test_a_plug_in_may_refuse_status_changes_and_nothing_else() -> None:
    dataverse = Environment(refuse_status_change="Only a dispatcher may cancel.")
    response = await dataverse.app.patch(dataverse.path, json={**bind_status("Canceled"), "name": "x"})
    assert refusal(response) == (400, "0x80040265")
    assert response.json()["error"]["message"] == "Only a dispatcher may cancel."
    assert (await dataverse.state(dataverse.booking.name))["status"] == "Scheduled"
    assert (await dataverse.app.patch(dataverse.path, json={**bind_status("Scheduled"), **MOVED})).status_code == 204


async def test_required_columns_can_be_demanded_on_create() -> None:
    dataverse = Environment(require_columns_on_create=True)
    body = new_booking()
    assert (await dataverse.app.post(BOOKINGS, json=body)).status_code == 204
    del body["starttime"]
    assert refusal(await dataverse.app.post(BOOKINGS, json=body))[0] == 400


async def test_a_second_booking_with_the_same_key_is_refused_whatever_its_case() -> None:
    dataverse = Environment()
    taken = event_hash(dataverse.booking.technician.mailbox_id, dataverse.booking.event_id)
    other = f"{BOOKINGS}({SAMPLE.bookings[1].booking_id})"
    response = await dataverse.app.patch(other, json={"bks_eventhash": taken.upper()})
    assert refusal(response) == (412, "0x80060892")
    assert (await dataverse.get(other))["bks_eventhash"] == event_hash(
        SAMPLE.bookings[1].technician.mailbox_id, SAMPLE.bookings[1].event_id
    )
    dataverse.board.set_switches({"duplicate_key_status": 400})
    assert refusal(await dataverse.app.post(BOOKINGS, json=new_booking(bks_eventhash=taken))) == (400, "0x80060892")


async def test_posting_an_id_twice_is_a_duplicate() -> None:
    dataverse = Environment()
    body = new_booking(bookableresourcebookingid=ABSENT)
    assert (await dataverse.app.post(BOOKINGS, json=body)).status_code == 204
    assert refusal(await dataverse.app.post(BOOKINGS, json=body)) == (412, "0x80040237")


async def test_the_author_and_the_time_of_a_change_are_kept() -> None:
    dataverse = Environment()
    dataverse.board.clock.advance(90.7)
    await dataverse.app.patch(dataverse.path, json={"name": "x"})
    row = await dataverse.get(dataverse.path)
    assert (row["_modifiedby_value"], row["_createdby_value"]) == (APP_USER_ID, DISPATCHER_ID)
    assert row["modifiedon"] == f"{NOW + timedelta(seconds=90):%Y-%m-%dT%H:%M:%SZ}"
    assert row["createdon"] == f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    acting = {"CallerObjectId": ADA.mailbox_id}
    await dataverse.app.patch(dataverse.path, json={"name": "x"}, headers=acting)
    row = await dataverse.get(dataverse.path)
    assert (row["_modifiedby_value"], row["_modifiedonbehalfby_value"]) == (ADA.system_user_id, APP_USER_ID)


async def test_a_deleted_row_is_gone_and_deleting_it_again_is_404() -> None:
    dataverse = Environment()
    assert (await dataverse.app.delete(dataverse.path)).status_code == 204
    assert refusal(await dataverse.app.delete(dataverse.path)) == (404, "0x80040217")
    assert (await dataverse.app.get(dataverse.path)).status_code == 404


async def test_a_resource_or_status_in_use_cannot_be_deleted() -> None:
    dataverse = Environment()
    for path in (f"/bookableresources({ADA.resource_id})", f"/bookingstatuses({status_id('Completed')})"):
        assert refusal(await dataverse.app.delete(path)) == (405, "0x80040227")
    assert (await dataverse.app.delete(f"/bookableresources({guid('resource:Crane 1')})")).status_code == 204


async def test_deleting_a_work_order_clears_it_on_its_bookings() -> None:
    dataverse = Environment()
    etag = await dataverse.etag()
    order = f"/msdyn_workorders({SAMPLE.work_orders[0].work_order_id})"
    assert (await dataverse.app.delete(order)).status_code == 204
    row = await dataverse.get(dataverse.path)
    assert row["_msdyn_workorder_value"] is None
    assert row["@odata.etag"] != etag


async def test_crew_changes_spread_to_accepting_bookings_of_the_same_requirement_and_time() -> None:
    dataverse = Environment()
    requirement = guid("requirement")
    await dataverse.person.patch(f"/msdyn_resourcerequirements({requirement})", json={"msdyn_name": "Two people"})
    crew = {
        "msdyn_ResourceRequirement@odata.bind": f"msdyn_resourcerequirements({requirement})",
        "msdyn_cascadecrewchanges": True,
        "msdyn_acceptcascadecrewchanges": True,
    }
    paths = [f"{BOOKINGS}({guid(f'crew {number}')})" for number in range(3)]
    for path, accepts in zip(paths, (True, True, False), strict=True):
        body = new_booking(**crew) | {"msdyn_acceptcascadecrewchanges": accepts}
        assert (await dataverse.person.patch(path, json=body)).status_code == 204
    later = {"starttime": "2030-03-04T12:00:00Z", "endtime": "2030-03-04T13:30:00Z"}
    await dataverse.person.patch(paths[0], json={**later, **bind_status("Traveling")})
    rows = [await dataverse.get(path) for path in paths]
    assert [row["starttime"] for row in rows] == [later["starttime"], later["starttime"], MOVED["starttime"]]
    assert [row["_bookingstatus_value"] == status_id("Traveling") for row in rows] == [True, True, False]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{BOOKINGS}({ABSENT})"),
        ("PATCH", BOOKINGS),
        ("DELETE", BOOKINGS),
        ("DELETE", f"/organizations({guid('organization')})"),
    ],
)
async def test_a_method_that_does_not_fit_the_address_is_405(method: str, path: str) -> None:
    response = await Environment().app.request(method, path, json={})
    assert response.status_code == 405


async def test_a_body_must_be_a_json_object_and_say_so() -> None:
    dataverse = Environment()
    as_text = await dataverse.app.patch(dataverse.path, content=b'{"name":"x"}', headers={"Content-Type": "text/plain"})
    assert as_text.status_code == 415
    json_type = {"Content-Type": "application/json"}
    for content in (b"{", b"[]", b'"x"', b""):
        response: httpx.Response = await dataverse.app.patch(dataverse.path, content=content, headers=json_type)
        assert refusal(response) == (400, "0x80048d19")


async def test_the_details_of_an_error_come_with_annotations() -> None:
    asked = {"Prefer": 'odata.include-annotations="*"'}
    error = (await Environment().app.get(f"{BOOKINGS}({ABSENT})", headers=asked)).json()["error"]
    assert error["@Microsoft.PowerApps.CDS.InnerError.Message"] == error["message"]
