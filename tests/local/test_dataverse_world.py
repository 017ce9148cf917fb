"""The Dataverse world without HTTP: transactions, listeners, and where a webhook dispatcher will hook in."""

from datetime import date

import pytest

from local.dataverse.errors import ServiceError
from local.dataverse.seed import DISPATCHER_ID
from local.dataverse.server import SWITCHES
from local.dataverse.world import Author, DataverseWorld, RowChange
from local.sample import build_sample, guid
from local.switchboard import Switchboard

TODAY = date(2030, 3, 1)
BOOKING = "bookableresourcebooking"
FIRST, SECOND = (booking.booking_id for booking in build_sample(TODAY).bookings[:2])
AUTHOR = Author(user_id=DISPATCHER_ID, tag="from a test")


def new_world() -> DataverseWorld:
    return DataverseWorld(Switchboard(switches=SWITCHES), TODAY)


def test_listeners_hear_of_a_write_with_both_images_once_it_is_committed() -> None:
    world = new_world()
    heard: list[RowChange] = []
    world.listeners.append(heard.append)
    with world.transaction():
        world.update(BOOKING, FIRST, {"name": "x"}, AUTHOR)
        world.delete(BOOKING, SECOND, AUTHOR)
        assert heard == []
    update, deletion = heard
    assert (update.message, update.columns, update.author.tag) == ("Update", frozenset({"name"}), "from a test")
    assert update.before is not None
    assert update.after is not None
    assert (update.before.values["name"], update.after.values["name"]) == ("WO-00001", "x")
    assert (deletion.message, deletion.row_id, deletion.after) == ("Delete", SECOND, None)
    assert deletion.before is not None
    assert deletion.before.values["bks_eventid"]


def test_a_failed_transaction_leaves_rows_deletions_and_listeners_untouched() -> None:
    world = new_world()
    heard: list[RowChange] = []
    world.listeners.append(heard.append)
    version, rows = world.version, dict(world.rows(BOOKING))

    def write_then_fail() -> None:
        with world.transaction():
            world.update(BOOKING, FIRST, {"name": "x"}, AUTHOR)
            world.update(BOOKING, FIRST, {"name": "y"}, AUTHOR)
            world.delete(BOOKING, SECOND, AUTHOR)
            world.create(BOOKING, {"name": "z"}, AUTHOR, SECOND)
            world.delete(BOOKING, guid("nothing"), AUTHOR)

    with pytest.raises(ServiceError):
        write_then_fail()
    assert dict(world.rows(BOOKING)) == rows
    assert world.changes_after(BOOKING, version) == ([], [])
    assert heard == []


def test_seeding_tells_no_listener() -> None:
    world = new_world()
    heard: list[RowChange] = []
    world.listeners.append(heard.append)
    world.reset()
    assert heard == []
    world.update(BOOKING, FIRST, {"name": "x"}, AUTHOR)
    assert len(heard) == 1


def test_versions_only_grow_also_over_a_rollback() -> None:
    world = new_world()
    seen = world.get(BOOKING, FIRST).version

    def write_then_fail() -> None:
        with world.transaction():
            world.update(BOOKING, FIRST, {"name": "x"}, AUTHOR)
            raise LookupError

    with pytest.raises(LookupError):
        write_then_fail()
    assert world.get(BOOKING, FIRST).version == seen
    rolled_back = world.version
    assert world.update(BOOKING, FIRST, {"name": "x"}, AUTHOR).version > rolled_back


def test_every_lookup_of_the_schema_points_at_a_table_and_every_navigation_name_is_unique() -> None:
    schema = new_world().schema
    for table in schema.tables():
        lookups = [column for column in table.columns.values() if column.is_lookup]
        assert len(table.navigations) == sum(len(column.references) for column in lookups)
        assert all(schema.find(target) for column in lookups for target in column.references.values())
        assert not set(table.navigations) & set(table.properties)
