"""Alternate keys that requests add to a table of the Dataverse simulator."""

from typing import Any

import pytest

from tests.local.dataverse_customizing import BOOKING, Customized, column, customized, key, string
from tests.local.dataverse_environment import ROOT, SAMPLE, Environment, refusal

KEYS = f"{BOOKING}/Keys"
EVENT_KEY = f"{KEYS}(LogicalName='bks_eventkey')"
BY_HASH = "/bookableresourcebookings(bks_eventhash='abc')"
OTHER = f"/bookableresourcebookings({SAMPLE.bookings[1].booking_id})"


async def with_key(**switches: Any) -> Customized:
    dataverse = await customized(**switches)
    await dataverse.add_column(string("bks_EventHash", 64))
    await dataverse.create(KEYS, key("bks_EventKey", "bks_eventhash"))
    return dataverse


async def test_the_index_of_a_new_key_is_built_in_the_background() -> None:
    dataverse = await with_key(key_index_seconds=10)
    seen = []
    for _ in range(4):
        seen.append(await dataverse.index_status())
        dataverse.board.clock.advance(4)
    assert seen == ["Pending", "Pending", "InProgress", "Active"]


async def test_the_answer_names_the_new_key() -> None:
    dataverse = await customized()
    await dataverse.add_column(string("bks_EventHash", 64))
    response = await dataverse.app.post(KEYS, json=key("bks_EventKey", "bks_eventhash"))
    address = response.headers["OData-EntityId"]
    assert address.startswith(f"{ROOT}{KEYS}(")
    shown = (await dataverse.app.get(address)).json()
    assert (shown["LogicalName"], shown["KeyAttributes"]) == ("bks_eventkey", ["bks_eventhash"])


async def test_a_key_addresses_rows_and_keeps_them_apart_once_it_is_active() -> None:
    dataverse = await with_key()
    assert (await dataverse.patch({"bks_eventhash": "abc"})).status_code == 204
    assert refusal(await dataverse.app.get(BY_HASH))[0] == 400
    dataverse.board.clock.advance(5)
    assert (await dataverse.get(BY_HASH))["bookableresourcebookingid"] == dataverse.booking.booking_id
    assert refusal(await dataverse.patch({"bks_eventhash": "ABC"}, OTHER)) == (412, "0x80060892")
    assert (await dataverse.patch({"bks_eventhash": "def"}, OTHER)).status_code == 204


async def test_a_key_over_equal_rows_fails_and_is_built_anew_after_they_differ() -> None:
    dataverse = await with_key()
    for path in (dataverse.path, OTHER):
        assert (await dataverse.patch({"bks_eventhash": "abc"}, path)).status_code == 204
    dataverse.board.clock.advance(5)
    assert await dataverse.index_status() == "Failed"
    names = {"EntityLogicalName": "bookableresourcebooking", "EntityKeyLogicalName": "bks_eventkey"}
    await dataverse.patch({"bks_eventhash": None}, OTHER)
    assert (await dataverse.app.post("/ReactivateEntityKey", json=names)).status_code == 204
    assert await dataverse.index_status() == "Pending"
    dataverse.board.clock.advance(5)
    assert await dataverse.index_status() == "Active"
    assert (await dataverse.app.post("/ReactivateEntityKey", json=names)).status_code == 204
    assert await dataverse.index_status() == "Active"


async def test_only_a_key_that_is_there_is_reactivated() -> None:
    dataverse = Environment()
    for table, name in (("bookableresourcebooking", "bks_other"), ("nothing", "bks_eventkey")):
        names = {"EntityLogicalName": table, "EntityKeyLogicalName": name}
        assert refusal(await dataverse.app.post("/ReactivateEntityKey", json=names))[0] == 404
    assert refusal(await dataverse.app.get("/ReactivateEntityKey"))[0] == 405


async def test_a_deleted_key_addresses_nothing_and_keeps_nothing_apart() -> None:
    dataverse = await with_key()
    await dataverse.patch({"bks_eventhash": "abc"})
    assert (await dataverse.app.delete(EVENT_KEY)).status_code == 204
    dataverse.board.clock.advance(5)
    assert (await dataverse.get(KEYS))["value"] == []
    assert refusal(await dataverse.app.get(BY_HASH))[0] == 400
    assert (await dataverse.patch({"bks_eventhash": "abc"}, OTHER)).status_code == 204
    assert refusal(await dataverse.app.delete(EVENT_KEY))[0] == 404


async def test_the_switch_sets_the_state_of_the_key_when_it_changes_and_no_longer() -> None:
    dataverse = Customized(app_columns_installed=True, event_key_index_status="Failed")
    names = {"EntityLogicalName": "bookableresourcebooking", "EntityKeyLogicalName": "bks_eventkey"}
    assert await dataverse.index_status() == "Failed"
    await dataverse.app.post("/ReactivateEntityKey", json=names)
    dataverse.board.clock.advance(5)
    assert await dataverse.index_status() == "Active"
    dataverse.board.set_switches({"event_key_index_status": "Failed"})
    await dataverse.app.post("/ReactivateEntityKey", json=names)
    dataverse.board.set_switches({"event_key_index_status": "InProgress"})
    dataverse.board.clock.advance(60)
    assert await dataverse.index_status() == "InProgress"


@pytest.mark.parametrize(
    ("definition", "code"),
    [
        (key("bks_EventKey", "name"), "0x80060893"),
        (key("bks_eventkey", "name"), "0x80060893"),
        (key("bks_OtherKey", "bks_eventhash"), "0x80060894"),
        (key("EventKey", "name"), "0x80048062"),
        (key("bks_OtherKey", "bks_none"), "0x80090101"),
        (key("bks_OtherKey", "createdon"), "0x80090112"),
        (key("bks_OtherKey"), "0x80040203"),
        (key("bks_OtherKey", "name", "name"), "0x80040203"),
        (key("bks_OtherKey", "msdyn_allowoverlapping"), "0x80040203"),
        (key("bks_OtherKey", "bks_long"), "0x80040203"),
        (key("bks_OtherKey", *(f"bks_n{number}" for number in range(17))), "0x80040203"),
        (key("bks_OtherKey", "name") | {"KeyAttribute": []}, "0x80048d19"),
    ],
)
async def test_a_key_that_does_not_fit_is_refused(definition: dict[str, Any], code: str) -> None:
    dataverse = await with_key()
    await dataverse.add_column(string("bks_Long", 451))
    for number in range(17):
        await dataverse.add_column(column("Integer", f"bks_N{number}"))
    assert await dataverse.refused(KEYS, definition) == (400, code)
    assert len((await dataverse.get(KEYS))["value"]) == 1


async def test_a_key_takes_900_bytes_and_a_table_ten_keys() -> None:
    dataverse = await customized()
    await dataverse.add_column(string("bks_Long", 450))
    await dataverse.create(KEYS, key("bks_LongKey", "bks_long"))
    for number in range(10):
        await dataverse.add_column(column("Integer", f"bks_N{number}"))
    for number in range(9):
        await dataverse.create(KEYS, key(f"bks_Key{number}", f"bks_n{number}"))
    assert await dataverse.refused(KEYS, key("bks_Key9", "bks_n9")) == (400, "0x80040203")
