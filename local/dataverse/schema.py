"""What a table is: columns, lookups with their navigation properties, keys and collections.

Says nothing about rows. Column and navigation names keep the service's spelling, which is case-sensitive.
Source: Dataverse documentation, the table references, and "Use navigation properties" for lookups.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Literal

type Requirement = Literal["None", "Recommended", "ApplicationRequired"]
type IndexStatus = Literal["Pending", "InProgress", "Active", "Failed"]

type Value = str | int | float | bool | datetime | None
"""A stored value. Guids are lower-case strings, choices integers, lookups the guid of their target, times aware UTC."""


class ColumnType(StrEnum):
    """The `AttributeType` of the metadata."""

    STRING = "String"
    MEMO = "Memo"
    INTEGER = "Integer"
    BIG_INTEGER = "BigInt"
    DOUBLE = "Double"
    BOOLEAN = "Boolean"
    DATE_TIME = "DateTime"
    GUID = "Uniqueidentifier"
    CHOICE = "Picklist"
    STATE = "State"
    STATUS = "Status"
    LOOKUP = "Lookup"
    OWNER = "Owner"


EDM_NAMES: Mapping[ColumnType, str] = {
    ColumnType.STRING: "Edm.String",
    ColumnType.MEMO: "Edm.String",
    ColumnType.INTEGER: "Edm.Int32",
    ColumnType.BIG_INTEGER: "Edm.Int64",
    ColumnType.DOUBLE: "Edm.Double",
    ColumnType.BOOLEAN: "Edm.Boolean",
    ColumnType.DATE_TIME: "Edm.DateTimeOffset",
    ColumnType.GUID: "Edm.Guid",
    ColumnType.CHOICE: "Edm.Int32",
    ColumnType.STATE: "Edm.Int32",
    ColumnType.STATUS: "Edm.Int32",
    ColumnType.LOOKUP: "Edm.Guid",
    ColumnType.OWNER: "Edm.Guid",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `required` is the service's SystemRequired: the value cannot be set to null.

    `writable` false: a value in a request body is accepted and ignored, as the service does with columns that are not
    valid for create or update. `target` and `navigation` belong to lookups; `on_delete` says what the deletion of the
    target does: be refused, clear the lookup, or delete this row as well.
    """

    name: str
    type: ColumnType
    schema_name: str = ""
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: Mapping[int, str] = field(default_factory=dict)
    target: str = ""
    navigation: str = ""
    targets: Mapping[str, str] = field(default_factory=dict)
    """Of a lookup to rows of several tables: the table behind each of its navigation properties; `target` is empty."""
    on_delete: Literal["restrict", "remove_link", "cascade"] = "remove_link"
    relationship: str = ""
    """Schema name of the relationship that a lookup belongs to, where somebody has given it one."""
    required: bool = False
    writable: bool = True
    default: Value = None
    is_custom: bool = False
    """Somebody has added the column, and may delete it again."""
    display_name: str = ""
    requirement: Requirement = "None"
    """What forms ask for; the Web API does not enforce it."""

    @property
    def is_lookup(self) -> bool:
        return self.type in (ColumnType.LOOKUP, ColumnType.OWNER)

    @property
    def property_name(self) -> str:
        """The name under which the Web API shows the column."""
        return f"_{self.name}_value" if self.is_lookup else self.name

    @property
    def edm_name(self) -> str:
        return EDM_NAMES[self.type]

    @property
    def references(self) -> Mapping[str, str]:
        """The table behind each navigation property of a lookup."""
        return self.targets or ({self.navigation: self.target} if self.target else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternateKey:
    """Columns that identify a row. Only an active key may address rows and is kept unique."""

    schema_name: str
    columns: tuple[str, ...]
    index_status: IndexStatus = "Active"
    display_name: str = ""

    @property
    def logical_name(self) -> str:
        return self.schema_name.lower()

    @property
    def is_active(self) -> bool:
        return self.index_status == "Active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """The many side of a relationship: rows of `table` whose `column` points here."""

    navigation: str
    table: str
    column: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table. `is_principal` marks the tables that inherit from `principal` and so also show an `ownerid`."""

    name: str
    set_name: str
    schema_name: str
    display_name: str
    primary_name: str
    columns: Mapping[str, Column]
    identity: str = ""
    """The column of the row's id, where it is not named after the table: all activities share theirs."""
    keys: tuple[AlternateKey, ...] = ()
    collections: tuple[Collection, ...] = ()
    change_tracking_enabled: bool = False
    is_custom: bool = False
    """Somebody has added the table, and may delete it again."""
    is_fixed: bool = False
    """Rows can neither be created nor deleted by a client."""
    is_principal: bool = False
    display_collection_name: str = ""

    @property
    def primary_id(self) -> str:
        return self.identity or f"{self.name}id"

    @cached_property
    def properties(self) -> Mapping[str, Column]:
        return {column.property_name: column for column in self.columns.values()}

    @cached_property
    def navigations(self) -> Mapping[str, Column]:
        """Lookups under the names of their navigation properties."""
        return {name: column for column in self.columns.values() for name in column.references}

    def key(self, schema_name: str) -> AlternateKey | None:
        return next((key for key in self.keys if key.schema_name == schema_name), None)

    def collection(self, navigation: str) -> Collection | None:
        return next((c for c in self.collections if c.navigation == navigation), None)


class Schema:
    """The tables of one environment. Definitions are frozen; a change replaces a table."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._tables = {table.name: table for table in tables}
        self._by_set = {table.set_name: table.name for table in self._tables.values()}

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]

    def tables(self) -> Iterable[Table]:
        return self._tables.values()

    def find_set(self, set_name: str) -> Table | None:
        """The table with that entity set name, in its exact case."""
        name = self._by_set.get(set_name)
        return self._tables[name] if name else None

    def find(self, name: str) -> Table | None:
        return self._tables.get(name)

    def put(self, table: Table) -> None:
        self._tables[table.name] = table
        self._by_set[table.set_name] = table.name

    def drop(self, name: str) -> None:
        del self._by_set[self._tables.pop(name).set_name]

    def references_to(self, target: str) -> list[tuple[Table, Column]]:
        """Every lookup column that points at `target`."""
        return [
            (table, column)
            for table in self._tables.values()
            for column in table.columns.values()
            if target in column.references.values()
        ]
