"""Change tracking of the Dataverse simulator: full rounds, deltas, deletions, expiry."""

from typing import Any

import httpx
import pytest

from local.sample import guid
from tests.local.dataverse_environment import ROOT, SAMPLE, Environment, refusal

BOOKINGS = "/bookableresourcebookings"
TRACKING = {"Prefer": "odata.track-changes"}


async def read_round(
    dataverse: Environment, address: str, *, page_size: int = 5000
) -> tuple[list[dict[str, Any]], str]:
    """All pages from `address` on: their items and the new delta link."""
    prefer = {"Prefer": f"odata.track-changes,odata.maxpagesize={page_size}"}
    items: list[dict[str, Any]] = []
    while True:
        page = (await dataverse.app.get(address, headers=prefer)).json()
        assert len(page["value"]) <= page_size
        items += page["value"]
        if "@odata.deltaLink" in page:
            assert "@odata.nextLink" not in page
            return items, page["@odata.deltaLink"]
        address = page["@odata.nextLink"]


async def start(dataverse: Environment) -> str:
    _, delta_link = await read_round(dataverse, f"{BOOKINGS}?$select=name,starttime")
    return delta_link


async def test_a_first_round_gives_every_row_and_a_delta_link_that_keeps_the_select() -> None:
    dataverse = Environment()
    response = await dataverse.app.get(BOOKINGS, params={"$select": "name"}, headers=TRACKING)
    page = response.json()
    assert page["@odata.context"] == f"{ROOT}/$metadata#bookableresourcebookings(name)/$delta"
    assert len(page["value"]) == len(SAMPLE.bookings)
    assert page["@odata.deltaLink"].startswith(f"{ROOT}/bookableresourcebookings?$select=name&$deltatoken=")
    assert response.headers["preference-applied"] == "odata.track-changes"


async def test_nothing_changed_is_an_empty_answer_also_without_the_preference() -> None:
    dataverse = Environment()
    page = (await dataverse.app.get(await start(dataverse))).json()
    assert page["value"] == []
    assert "@odata.deltaLink" in page


async def test_a_delta_has_changed_rows_by_version_then_the_ids_of_deleted_ones() -> None:
    dataverse = Environment()
    link = await start(dataverse)
    moved, deleted, renamed = (booking.booking_id for booking in SAMPLE.bookings[:3])
    await dataverse.person.patch(f"{BOOKINGS}({moved})", json={"starttime": "2030-03-04T06:00:00Z"})
    await dataverse.person.delete(f"{BOOKINGS}({deleted})")
    await dataverse.app.patch(f"{BOOKINGS}({renamed})", json={"name": "ours"})
    items, link = await read_round(dataverse, link)
    assert [item.get("bookableresourcebookingid") for item in items] == [moved, renamed, None]
    assert items[0]["starttime"] == "2030-03-04T06:00:00Z"
    assert items[1]["name"] == "ours"
    assert items[2] == {
        "@odata.context": f"{ROOT}/$metadata#bookableresourcebookings/$deletedEntity",
        "id": deleted,
        "reason": "deleted",
    }
    assert (await read_round(dataverse, link))[0] == []


async def test_a_row_made_and_deleted_between_two_polls_appears_as_deleted() -> None:
    dataverse = Environment()
    link = await start(dataverse)
    path = f"{BOOKINGS}({guid('short-lived')})"
    await dataverse.person.patch(path, json={"name": "x"})
    await dataverse.person.delete(path)
    (item,), _ = await read_round(dataverse, link)
    assert (item["id"], item["reason"]) == (guid("short-lived"), "deleted")


async def test_a_row_deleted_and_made_again_is_no_deletion() -> None:
    dataverse = Environment()
    link = await start(dataverse)
    await dataverse.person.delete(dataverse.path)
    await dataverse.person.patch(dataverse.path, json={"name": "back"})
    (item,), _ = await read_round(dataverse, link)
    assert item["name"] == "back"


async def test_a_paged_round_loses_nothing_that_changes_between_its_pages() -> None:
    dataverse = Environment()
    prefer = {"Prefer": "odata.track-changes,odata.maxpagesize=40"}
    first = (await dataverse.app.get(f"{BOOKINGS}?$select=name", headers=prefer)).json()
    not_yet_read = first["value"][0]["bookableresourcebookingid"] != SAMPLE.bookings[-1].booking_id
    assert not_yet_read
    await dataverse.person.patch(f"{BOOKINGS}({SAMPLE.bookings[-1].booking_id})", json={"name": "changed meanwhile"})
    await dataverse.person.delete(f"{BOOKINGS}({SAMPLE.bookings[-2].booking_id})")
    rest, link = await read_round(dataverse, first["@odata.nextLink"], page_size=40)
    assert len(first["value"]) + len(rest) == len(SAMPLE.bookings) - 2
    changes, _ = await read_round(dataverse, link)
    assert [item.get("name", item.get("reason")) for item in changes] == ["changed meanwhile", "deleted"]


async def test_a_delta_pages_through_rows_and_deletions() -> None:
    dataverse = Environment()
    link = await start(dataverse)
    for booking in SAMPLE.bookings[:5]:
        await dataverse.person.patch(f"{BOOKINGS}({booking.booking_id})", json={"name": "x"})
    for booking in SAMPLE.bookings[5:10]:
        await dataverse.person.delete(f"{BOOKINGS}({booking.booking_id})")
    items, _ = await read_round(dataverse, link, page_size=3)
    ids = [item.get("bookableresourcebookingid") or item["id"] for item in items]
    assert ids == [booking.booking_id for booking in SAMPLE.bookings[:10]]
    count = await dataverse.app.get(link.replace("bookableresourcebookings?", "bookableresourcebookings/$count?"))
    assert count.text == "10"


@pytest.mark.parametrize(
    "option", [{"$filter": "name eq 'x'"}, {"$orderby": "name"}, {"$expand": "Resource"}, {"$top": "5"}]
)
async def test_options_that_tracking_does_not_support_are_refused_by_name(option: dict[str, str]) -> None:
    response = await Environment().app.get(BOOKINGS, params=option, headers=TRACKING)
    assert response.status_code == 400
    assert f'"{next(iter(option))}"' in response.json()["error"]["message"]


async def test_a_table_without_change_tracking_is_refused() -> None:
    dataverse = Environment()
    assert (await dataverse.app.get("/bookingstatuses", headers=TRACKING)).status_code == 400
    dataverse.board.set_switches({"change_tracking_enabled": False})
    assert (await dataverse.app.get(BOOKINGS, headers=TRACKING)).status_code == 400


async def test_a_token_lives_for_the_days_of_the_organization() -> None:
    dataverse = Environment()
    link = await start(dataverse)
    dataverse.board.clock.advance(7 * 86_400)
    assert (await dataverse.app.get(link)).status_code == 200
    dataverse.board.clock.advance(1)
    assert refusal(await dataverse.app.get(link)) == (400, "0x80044352")
    await dataverse.person.patch(f"/organizations({guid('organization')})", json={"expirechangetrackingindays": 8})
    assert (await dataverse.app.get(link)).status_code == 200


async def test_tokens_can_be_made_to_expire_and_a_new_full_round_works() -> None:
    dataverse = Environment()
    link = await start(dataverse)
    dataverse.board.set_switches({"expire_delta_tokens": True, "expired_delta_token_status": 410})
    assert refusal(await dataverse.app.get(link)) == (410, "0x80044352")
    assert refusal(await dataverse.app.get(link)) == (410, "0x80044352")
    fresh = await start(dataverse)
    assert (await dataverse.app.get(fresh)).status_code == 200


@pytest.mark.parametrize("token", ["", "1", "x!y", "99!13/45/2030 00:00:00"])
async def test_a_token_that_was_never_given_is_refused(token: str) -> None:
    response: httpx.Response = await Environment().app.get(BOOKINGS, params={"$deltatoken": token})
    assert response.status_code == 400
