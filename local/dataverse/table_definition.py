"""How a table of the simulator is put together: its own columns between its id and the upkeep of the platform."""

from collections.abc import Iterable

from local.dataverse.columns import upkeep
from local.dataverse.schema import Column, ColumnType, Table


def define_table(
    schema_name: str,
    set_name: str,
    display_name: str,
    columns: Iterable[Column],
    *,
    primary_name: str = "name",
    author_suffix: str = "",
) -> Table:
    """A table whose logical name is `schema_name` in lower case. `columns` are those of its own."""
    name = schema_name.lower()
    identity = Column(name=f"{name}id", type=ColumnType.GUID, required=True)
    return Table(
        name=name,
        set_name=set_name,
        schema_name=schema_name,
        display_name=display_name,
        primary_name=primary_name,
        columns={column.name: column for column in (identity, *columns, *upkeep(author_suffix))},
    )
