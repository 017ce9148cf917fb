"""Resource paths: which table, which row, by which key.

Source: Dataverse documentation, "Use an alternate key to reference a record" and "Define alternate keys".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from local.dataverse import errors
from local.dataverse.query_options import split_outside
from local.dataverse.schema import Column, ColumnType, Table, Value
from local.dataverse.values import parse_guid, parse_time
from local.dataverse.world import DataverseWorld, Row

_FORBIDDEN_IN_KEYS = frozenset("/<>*%&:\\?+")
_SEGMENT = re.compile(r"([\w$.]+)(?:\((.*)\))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a path. `arguments` None: no parentheses at all."""

    name: str
    arguments: str | None = None


def split_path(path: str) -> list[Segment]:
    """The segments of a decoded path below the service root. Raises `ServiceError` 404 for what is no segment."""
    segments = []
    for part in split_outside(path.strip("/"), "/"):
        match = _SEGMENT.fullmatch(part)
        if match is None:
            raise errors.no_such_segment(part)
        segments.append(Segment(match[1], match[2]))
    return segments


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAddress:
    """A row by its id, or by the values of an alternate key; `text` is what stood in the parentheses."""

    table: Table
    text: str
    row_id: str | None = None
    key_values: Mapping[str, Value] | None = None

    def find(self, world: DataverseWorld) -> Row | None:
        if self.row_id is not None:
            return world.find(self.table.name, self.row_id)
        return world.find_by_values(self.table.name, self.key_values or {})

    def get(self, world: DataverseWorld) -> Row:
        """Raises `ServiceError` 404 in the words that fit the kind of key."""
        row = self.find(world)
        if row is None:
            raise self.missing()
        return row

    def missing(self) -> errors.ServiceError:
        if self.row_id is not None:
            return errors.row_missing(self.table.name, self.row_id)
        return errors.key_missing(self.table.name)


def address_row(table: Table, text: str) -> RowAddress:
    """Read the text between the parentheses. Raises `ServiceError` 400 for anything but a declared, active key."""
    row_id = parse_guid(text)
    if row_id is not None:
        return RowAddress(table=table, text=text, row_id=row_id)
    values: dict[str, Value] = {}
    for part in split_outside(text, ","):
        name, equals, value = part.partition("=")
        column = table.properties.get(name.strip())
        if not equals or column is None or column.name in values:
            raise errors.invalid_key(table.name)
        values[column.name] = _key_value(table, column, value.strip())
    if set(values) == {table.primary_id} and not table.is_principal:
        return RowAddress(table=table, text=text, row_id=str(values[table.primary_id]))
    if not any(key.is_active and set(key.columns) == set(values) for key in table.keys):
        raise errors.invalid_key(table.name)
    return RowAddress(table=table, text=text, key_values=values)


def _key_value(table: Table, column: Column, text: str) -> Value:
    value: Value = None
    if column.type in (ColumnType.STRING, ColumnType.MEMO):
        if len(text) >= 2 and text[0] == text[-1] == "'":
            value = text[1:-1].replace("''", "'")
            if _FORBIDDEN_IN_KEYS.intersection(value):
                raise errors.bad_request(
                    f"The value of the key column '{column.name}' contains a character that cannot be used in a URL: "
                    "/ < > * % & : \\ ? +"
                )
    elif column.edm_name == "Edm.Guid":
        value = parse_guid(text)
    elif column.type is ColumnType.DATE_TIME:
        value = parse_time(text)
    elif re.fullmatch(r"-?\d+", text):
        value = int(text)
    if value is None:
        raise errors.invalid_key(table.name)
    return value
