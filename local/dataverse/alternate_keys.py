"""Keeps alternate keys unique. Source: Dataverse documentation, "Define alternate keys for a table"."""

from collections import defaultdict
from typing import TYPE_CHECKING

from local.dataverse import errors
from local.dataverse.schema import AlternateKey, Table, Value
from local.dataverse.values import fold

if TYPE_CHECKING:
    from local.dataverse.world import DataverseWorld, Row

type _Values = tuple[Value, ...]


class KeyIndex:
    """Which rows may have given values in a key: all that ever had them, so nothing need be taken out or undone."""

    def __init__(self) -> None:
        self._row_ids: dict[tuple[str, tuple[str, ...]], defaultdict[_Values, set[str]]] = {}

    def add(self, table: str, row: "Row") -> None:
        for (name, columns), row_ids in self._row_ids.items():
            if name == table:
                row_ids[_values_of(row, columns)].add(row.row_id)

    def candidates(self, world: "DataverseWorld", table: str, columns: tuple[str, ...], values: _Values) -> set[str]:
        """Row ids, of which some may be gone or have other values by now."""
        if (table, columns) not in self._row_ids:
            self._row_ids[table, columns] = defaultdict(set)
            for row in world.rows(table).values():
                self.add(table, row)
        return self._row_ids[table, columns][values]


def refuse_duplicates(world: "DataverseWorld", table: Table, row: "Row", written: frozenset[str]) -> None:
    """Raises `ServiceError` when `row` has the values of another one in an active key, of which a part was written."""
    for key in table.keys:
        if key.is_active and written.intersection(key.columns):
            _refuse_duplicate(world, table, key, row)


def _refuse_duplicate(world: "DataverseWorld", table: Table, key: AlternateKey, row: "Row") -> None:
    wanted = _values_of(row, key.columns)
    if None in wanted:
        return
    for row_id in world.key_index.candidates(world, table.name, key.columns, wanted) - {row.row_id}:
        other = world.find(table.name, row_id)
        if other is not None and _values_of(other, key.columns) == wanted:
            raise errors.ServiceError(
                world.switchboard.switches["duplicate_key_status"],
                errors.DUPLICATE_KEY,
                f"A record that has the attribute values {', '.join(key.columns)} already exists. The entity key "
                f"{key.schema_name} requires that this set of attributes contains unique values. "
                "Select unique values and try again.",
            )


def _values_of(row: "Row", columns: tuple[str, ...]) -> _Values:
    return tuple(fold(row.values.get(name)) for name in columns)
