"""Keeps alternate keys unique. Source: Dataverse documentation, "Define alternate keys for a table"."""

from typing import TYPE_CHECKING

from local.dataverse import errors
from local.dataverse.schema import AlternateKey, Table
from local.dataverse.values import fold

if TYPE_CHECKING:
    from local.dataverse.world import DataverseWorld, Row


def refuse_duplicates(world: "DataverseWorld", table: Table, row: "Row", written: frozenset[str]) -> None:
    """Raises `ServiceError` when `row` has the values of another one in an active key, of which a part was written."""
    for key in table.keys:
        if key.is_active and written.intersection(key.columns):
            _refuse_duplicate(world, table, key, row)


def _refuse_duplicate(world: "DataverseWorld", table: Table, key: AlternateKey, row: "Row") -> None:
    wanted = [fold(row.values[name]) for name in key.columns]
    if None in wanted:
        return
    for other in world.rows(table.name).values():
        if other.row_id != row.row_id and [fold(other.values[name]) for name in key.columns] == wanted:
            raise errors.ServiceError(
                world.switchboard.switches["duplicate_key_status"],
                errors.DUPLICATE_KEY,
                f"A record that has the attribute values {', '.join(key.columns)} already exists. The entity key "
                f"{key.schema_name} requires that this set of attributes contains unique values. "
                "Select unique values and try again.",
            )
