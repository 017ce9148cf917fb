"""Reading rows through the Dataverse simulator: addresses, queries, pages, annotations."""

import hashlib
from typing import Any
from urllib.parse import quote as percent_encode

import pytest

from local.dataverse.seed import APP_USER_ID, CUSTOM_CANCELED, status_id
from local.sample import TECHNICIANS, guid
from tests.local.dataverse_environment import ADA, EVERYTHING, ROOT, SAMPLE, Environment, refusal

BOOKINGS = "/bookableresourcebookings"


async def test_a_row_carries_context_etag_header_selected_columns_and_its_key() -> None:
    dataverse = Environment()
    response = await dataverse.app.get(dataverse.path, params={"$select": "name,starttime,_resource_value"})
    row = response.json()
    assert list(row) == [
        "@odata.context",
        "@odata.etag",
        "name",
        "starttime",
        "_resource_value",
        "bookableresourcebookingid",
    ]
    assert row["@odata.context"] == f"{ROOT}/$metadata#bookableresourcebookings(name,starttime,_resource_value)/$entity"
    assert row["starttime"] == "2030-03-04T07:00:00Z"
    assert row["_resource_value"] == ADA.resource_id
    assert response.headers["etag"] == row["@odata.etag"]
    assert response.headers["odata-version"] == "4.0"


async def test_one_get_answers_with_booking_status_resource_user_and_work_order() -> None:
    row = await Environment().get(
        f"{BOOKINGS}({SAMPLE.bookings[0].booking_id})",
        select="name",
        expand="BookingStatus($select=status,msdyn_fieldservicestatus),"
        "Resource($select=resourcetype;$expand=UserId($select=azureactivedirectoryobjectid)),"
        "msdyn_workorder($select=msdyn_name)",
    )
    assert row["BookingStatus"] == {
        "status": 2,
        "msdyn_fieldservicestatus": 690970000,
        "bookingstatusid": status_id("Scheduled"),
    }
    assert row["Resource"]["UserId"] == {
        "azureactivedirectoryobjectid": ADA.mailbox_id,
        "systemuserid": ADA.system_user_id,
        "ownerid": ADA.system_user_id,
    }
    assert row["msdyn_workorder"]["msdyn_name"] == "WO-00001"


@pytest.mark.parametrize(
    "query",
    [
        {"$select": "resource"},
        {"$select": "Name"},
        {"$expand": "resource"},
        {"$expand": "bookingstatus"},
        {"$expand": "Resource($select=nam)"},
        {"$expand": "msdyn_WorkOrder"},
        {"$filter": "resource eq null"},
        {"$filter": "Resource/userid/fullname eq 'x'"},
        {"$orderby": "start"},
    ],
)
async def test_an_undeclared_or_wrongly_cased_property_is_refused(query: dict[str, str]) -> None:
    response = await Environment().app.get(BOOKINGS, params=query)
    assert refusal(response) == (400, "0x80060888")
    assert response.json()["error"]["message"].startswith("Could not find a property named '")


async def test_skip_and_unknown_options_are_refused() -> None:
    dataverse = Environment()
    response = await dataverse.app.get(BOOKINGS, params={"$skip": "5"})
    assert refusal(response) == (400, "0x80060888")
    assert "Skip" in response.json()["error"]["message"]
    assert (await dataverse.app.get(BOOKINGS, params={"$nonsense": "1"})).status_code == 400
    assert (await dataverse.app.get(BOOKINGS, params={"$expand": "Resource/$ref"})).status_code == 400
    assert (await dataverse.app.get(f"{BOOKINGS}?$top=1&$top=2")).status_code == 400
    assert (await dataverse.app.get(BOOKINGS, params={"$apply": "aggregate($count as n)"})).status_code == 501


async def test_more_than_fifteen_expansions_are_refused() -> None:
    dataverse = Environment()
    many = ",".join(["Resource($expand=UserId)"] * 8)
    assert (await dataverse.app.get(dataverse.path, params={"$expand": many})).status_code == 400


@pytest.mark.parametrize("quote", ["", "'"])
async def test_bookings_of_a_mailbox_are_found_through_two_navigation_properties(quote: str) -> None:
    found = await Environment().get(
        BOOKINGS,
        filter=f"Resource/UserId/azureactivedirectoryobjectid eq {quote}{ADA.mailbox_id}{quote}",
        select="name",
    )
    assert sorted(row["name"] for row in found["value"]) == [f"WO-{number:05}" for number in range(1, 21)]


async def test_status_rows_are_data_and_a_customers_own_one_has_no_field_service_status() -> None:
    found = await Environment().get("/bookingstatuses", filter="status eq 3", select="name,msdyn_fieldservicestatus")
    assert {row["name"]: row["msdyn_fieldservicestatus"] for row in found["value"]} == {
        "Canceled": 690970005,
        CUSTOM_CANCELED: None,
    }
    settings = (await Environment().get("/msdyn_fieldservicesettings"))["value"]
    assert [row["_msdyn_defaultcanceledbookingstatus_value"] for row in settings] == [status_id("Canceled")]


async def test_seven_technicians_are_user_resources_beside_a_generic_one() -> None:
    dataverse = Environment()
    users = await dataverse.get("/bookableresources", filter="resourcetype eq 3 and UserId/isdisabled eq false")
    assert {row["_userid_value"] for row in users["value"]} == {one.system_user_id for one in TECHNICIANS}
    others = await dataverse.get("/bookableresources", filter="resourcetype ne 3", select="name,_userid_value")
    assert [(row["name"], row["_userid_value"]) for row in others["value"]] == [("Crane 1", None)]
    disabled = await dataverse.get("/systemusers", filter="isdisabled eq true", select="fullname")
    assert [row["fullname"] for row in disabled["value"]] == ["Lars Lindqvist"]


async def test_every_linked_booking_is_found_by_the_digest_of_its_mailbox_and_event() -> None:
    dataverse = Environment()
    for booking in SAMPLE.bookings:
        address = f"{booking.technician.mailbox_id}:{booking.event_id}"
        digest = hashlib.sha256(address.encode()).hexdigest()
        response = await dataverse.app.get(f"{BOOKINGS}(bks_eventhash='{digest}')", params={"$select": "bks_eventid"})
        if booking.linked:
            assert response.json()["bks_eventid"] == booking.event_id
        else:
            assert refusal(response) == (404, "0x80060891")


async def test_formatted_values_label_lookups_choices_and_times_on_request_only() -> None:
    dataverse = Environment()
    order = f"/msdyn_workorders({SAMPLE.work_orders[0].work_order_id})"
    query = {"$select": "_msdyn_priority_value,_msdyn_serviceaccount_value,_msdyn_reportedbycontact_value"}
    plain = (await dataverse.app.get(order, params=query)).json()
    assert not [name for name in plain if "@" in name and not name.startswith("@odata")]
    response = await dataverse.app.get(order, params=query, headers=EVERYTHING)
    labelled = response.json()
    formatted = "@OData.Community.Display.V1.FormattedValue"
    assert labelled["_msdyn_priority_value" + formatted] == "High"
    assert labelled["_msdyn_serviceaccount_value" + formatted] == "Northwind Traders"
    assert labelled["_msdyn_reportedbycontact_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "contact"
    assert response.headers["preference-applied"] == 'odata.include-annotations="*"'
    some = {"Prefer": 'odata.include-annotations="OData.Community.Display.V1.FormattedValue"'}
    booking = (await dataverse.app.get(dataverse.path, headers=some)).json()
    assert booking["starttime" + formatted] == "3/4/2030 7:00 AM"
    assert booking["bookingtype" + formatted] == "Solid"
    assert not [name for name in booking if "lookuplogicalname" in name]


async def test_pages_are_followed_by_an_opaque_link_and_survive_changes_in_between() -> None:
    dataverse = Environment()
    prefer = {"Prefer": "odata.maxpagesize=30"}
    query = {"$select": "name", "$orderby": "starttime desc,name", "$count": "true", "$filter": "contains(name,'WO-')"}
    response = await dataverse.app.get(BOOKINGS, params=query, headers=prefer)
    assert response.headers["preference-applied"] == "odata.maxpagesize=30"
    page = response.json()
    assert page["@odata.count"] == len(SAMPLE.bookings)
    first = page["value"]
    await dataverse.person.delete(f"{BOOKINGS}({first[-1]['bookableresourcebookingid']})")
    names = [row["name"] for row in first]
    while next_link := page.get("@odata.nextLink"):
        page = (await dataverse.app.get(next_link, headers=prefer)).json()
        names += [row["name"] for row in page["value"]]
    expected = sorted(SAMPLE.bookings, key=lambda one: one.name)
    expected.sort(key=lambda one: one.start_at, reverse=True)
    assert names == [one.name for one in expected]


async def test_top_is_ignored_when_a_page_size_is_given() -> None:
    dataverse = Environment()
    assert len((await dataverse.get(BOOKINGS, top="3"))["value"]) == 3
    assert "@odata.nextLink" not in await dataverse.get(BOOKINGS, top="3")
    response = await dataverse.app.get(BOOKINGS, params={"$top": "3"}, headers={"Prefer": "odata.maxpagesize=7"})
    assert len(response.json()["value"]) == 7
    assert (await dataverse.app.get(BOOKINGS, params={"$top": "0"})).status_code == 400


async def test_a_forged_paging_cookie_is_refused() -> None:
    dataverse = Environment()
    for token in ("abc", "bnVsbA==", "eyJhZnRlciI6IFsxLCAyLCAzXX0="):
        assert (await dataverse.app.get(BOOKINGS, params={"$skiptoken": token})).status_code == 400


async def test_count_is_plain_text() -> None:
    dataverse = Environment()
    response = await dataverse.app.get(f"{BOOKINGS}/$count", params={"$filter": "BookingStatus/name eq 'completed'"})
    assert (response.status_code, response.text) == (200, "1")
    assert response.headers["content-type"].startswith("text/plain")


async def test_an_unchanged_row_answers_304_unless_expansion_or_annotations_are_asked_for() -> None:
    dataverse = Environment()
    etag = await dataverse.etag()
    unchanged = await dataverse.app.get(dataverse.path, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (await dataverse.app.get(dataverse.path, headers={"If-None-Match": "null"})).status_code == 200
    expanded = await dataverse.app.get(dataverse.path, headers={"If-None-Match": etag}, params={"$expand": "Resource"})
    assert expanded.status_code == 200
    annotated = await dataverse.app.get(dataverse.path, headers={"If-None-Match": etag, **EVERYTHING})
    assert annotated.status_code == 200
    await dataverse.person.patch(dataverse.path, json={"name": "WO-00001b"})
    assert (await dataverse.app.get(dataverse.path, headers={"If-None-Match": etag})).status_code == 200


async def test_absent_rows_and_sets_answer_404_in_the_services_words() -> None:
    dataverse = Environment()
    absent = guid("nothing")
    response = await dataverse.app.get(f"{BOOKINGS}({absent})")
    assert refusal(response) == (404, "0x80040217")
    assert response.json()["error"]["message"] == f"bookableresourcebooking With Id = {absent} Does Not Exist"
    response = await dataverse.app.get("/BookableResourceBookings")
    assert response.json()["error"]["message"] == "Resource not found for the segment 'BookableResourceBookings'."
    assert response.status_code == 404


async def test_users_are_addressed_by_object_id_but_not_by_their_named_primary_key() -> None:
    dataverse = Environment()
    user = await dataverse.get(f"/systemusers(azureactivedirectoryobjectid={ADA.mailbox_id})", select="fullname")
    assert user["fullname"] == "Ada Berg"
    response = await dataverse.app.get(f"/systemusers(azureactivedirectoryobjectid={guid('nobody')})")
    assert response.status_code == 404
    by_name = await dataverse.app.get(f"/systemusers(systemuserid={ADA.system_user_id})")
    assert refusal(by_name) == (400, "0x80060888")
    assert by_name.json()["error"]["message"].startswith("The key in the request URI is not valid for resource")
    named = f"{BOOKINGS}(bookableresourcebookingid={dataverse.booking.booking_id})"
    assert (await dataverse.get(named))["name"] == dataverse.booking.name


@pytest.mark.parametrize("value", ["a/b", "a+b", "a&b", "50%", "a:b", "a?b", "a*b", "<a>", "a\\b"])
async def test_an_alternate_key_with_a_forbidden_character_is_refused(value: str) -> None:
    response = await Environment().app.get(f"{BOOKINGS}(bks_eventhash='{percent_encode(value, safe='')}')")
    assert response.status_code == 400


@pytest.mark.parametrize(
    "key", ["name='WO-00001'", "bks_eventid='x'", "bks_eventhash=5", "bks_eventhash='a',name='b'", "", "not-a-guid"]
)
async def test_only_declared_keys_address_rows(key: str) -> None:
    assert refusal(await Environment().app.get(f"{BOOKINGS}({key})")) == (400, "0x80060888")


async def test_a_key_whose_index_is_not_active_addresses_nothing() -> None:
    dataverse = Environment(event_key_index_status="Pending")
    assert (await dataverse.app.get(f"{BOOKINGS}(bks_eventhash='{'0' * 64}')")).status_code == 400
    dataverse.board.set_switches({"event_key_index_status": "Active"})
    assert (await dataverse.app.get(f"{BOOKINGS}(bks_eventhash='{'0' * 64}')")).status_code == 404


async def test_one_property_and_one_related_row_have_addresses() -> None:
    dataverse = Environment()
    assert (await dataverse.get(f"{dataverse.path}/name"))["value"] == dataverse.booking.name
    assert (await dataverse.get(f"{dataverse.path}/BookingStatus"))["name"] == "Scheduled"
    assert (await dataverse.app.get(f"{dataverse.path}/msdyn_actualarrivaltime")).status_code == 204
    assert (await dataverse.app.get(f"{dataverse.path}/bookingstatus")).status_code == 404


async def test_collections_expand_with_their_own_filter_order_and_top() -> None:
    dataverse = Environment()
    user = await dataverse.get(
        f"/systemusers({ADA.system_user_id})",
        select="fullname",
        expand="systemuser_bookableresource_UserId($select=name)",
    )
    assert [row["name"] for row in user["systemuser_bookableresource_UserId"]] == ["Ada Berg"]
    collection = "msdyn_msdyn_workorder_bookableresourcebooking_WorkOrder"
    orders: dict[str, Any] = await dataverse.get(
        "/msdyn_workorders",
        select="msdyn_name",
        expand=f"{collection}($select=name;$filter=statecode eq 0;$orderby=name;$top=1)",
        top="2",
    )
    for order in orders["value"]:
        assert [row["name"] for row in order[collection]] == [order["msdyn_name"]]


async def test_who_am_i_names_the_application_user_or_the_one_it_acts_for() -> None:
    dataverse = Environment()
    assert (await dataverse.get("/WhoAmI"))["UserId"] == APP_USER_ID
    as_ada = await dataverse.app.get("/WhoAmI()", headers={"CallerObjectId": ADA.mailbox_id})
    assert as_ada.json()["UserId"] == ADA.system_user_id
    unknown = await dataverse.app.get("/WhoAmI", headers={"CallerObjectId": guid("nobody")})
    assert unknown.status_code == 403
