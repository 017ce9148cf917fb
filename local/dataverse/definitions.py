"""The definitions of one environment: how they change, and what a change does to the rows.

Three switches speak of the product's definitions as an administrator would find it: `app_columns_installed`,
`change_tracking_enabled`, `event_key_index_status`. Each takes effect when it is set, and what requests do to the
definitions afterwards stands until it is set anew. The index of a new key is built within `key_index_seconds` of the
switchboard's clock. Source: Dataverse documentation, "Work with alternate keys".
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from local.dataverse.answer_table import ANSWER, with_answers
from local.dataverse.app_columns import EVENT_KEY, with_app_columns, without_app_columns
from local.dataverse.booking_rules import BOOKING
from local.dataverse.schema import AlternateKey, IndexStatus, Schema, Table
from local.dataverse.values import fold
from local.switchboard import Switchboard

if TYPE_CHECKING:
    from local.dataverse.world import Row, Tombstone

DEFINITION_SWITCHES: Mapping[str, Any] = {
    "app_columns_installed": True,
    "key_index_seconds": 5,
    "denied_privileges": [],
}
"""Switches of definitions and rights with their defaults.

`app_columns_installed`: whether the booking table has the product's columns and key, change tracking is on, and the
table of attendees' answers is there.
`key_index_seconds`: how long the index of a new or reactivated key takes: it is pending, then in progress, then active,
or failed if rows are equal in it.
`denied_privileges`: privileges that the app's user lacks, such as "prvReadBookableResourceBooking"; with "global:"
before the name the user holds the privilege, but not for the whole organization.
"""


class Definitions:
    """The schema of one environment, and the only place that changes it."""

    def __init__(
        self,
        schema: Schema,
        rows: "dict[str, dict[str, Row]]",
        tombstones: "dict[str, dict[str, Tombstone]]",
        undo: list[Callable[[], None]],
        switchboard: Switchboard,
    ) -> None:
        """`rows` and `tombstones`, by table, are the world's own; so is `undo`, the log of the open transaction."""
        self._schema = schema
        self._rows = rows
        self._tombstones = tombstones
        self._undo = undo
        self._switchboard = switchboard
        self._followed: dict[str, Any] = {}
        self._building: dict[tuple[str, str], datetime] = {}
        for table in schema.tables():
            rows[table.name], tombstones[table.name] = {}, {}

    def current(self) -> Schema:
        """The definitions, with what the switches and the clock have made of them."""
        self._follow_switches()
        if self._building:
            self._build_indexes()
        return self._schema

    def change(self, table: Table) -> None:
        """Add or replace a definition, inside a transaction.

        Rows lose the columns that are gone and are empty in those that are new. Versions stay: no row has changed.
        """
        previous, rows = self._schema.find(table.name), self._rows.get(table.name)

        def undo() -> None:
            if previous is None or rows is None:
                self._schema.drop(table.name)
                del self._rows[table.name]
            else:
                self._schema.put(previous)
                self._rows[table.name] = rows

        self._put(table)
        self._undo.append(undo)

    def drop(self, name: str) -> None:
        """Remove a table and its rows, inside a transaction."""
        before = list(self._schema.tables())
        rows, tombstones = self._rows.pop(name), self._tombstones.pop(name)
        self._disconnect(name)
        self._schema.drop(name)

        def undo() -> None:
            for table in before:
                self._schema.put(table)
            self._rows[name], self._tombstones[name] = rows, tombstones

        self._undo.append(undo)

    def build_index(self, table: str, key: str) -> None:
        """Begin the background job that makes the key with that schema name usable."""
        self._building[table, key] = self._switchboard.clock.now()
        self._set_status(table, key, "Pending")

    def _put(self, table: Table) -> None:
        previous = self._schema.find(table.name)
        if previous is None:
            self._rows[table.name], self._tombstones[table.name] = {}, {}
        elif set(previous.columns) != set(table.columns):
            rows = self._rows[table.name].items()
            self._rows[table.name] = {row_id: _fitted(row, table) for row_id, row in rows}
        self._schema.put(table)

    def _follow_switches(self) -> None:
        followed = ("app_columns_installed", "change_tracking_enabled", "event_key_index_status")
        wanted = {name: self._switchboard.switches[name] for name in followed}
        if wanted == self._followed:
            return
        changed = {name for name in followed if name not in self._followed or wanted[name] != self._followed[name]}
        self._followed = wanted
        is_installed = wanted["app_columns_installed"]
        if "app_columns_installed" in changed:
            booking = self._schema[BOOKING]
            self._put(with_app_columns(booking) if is_installed else without_app_columns(booking))
            self._install_answers(is_installed=is_installed)
            changed = set(followed) if is_installed else set()
        if "change_tracking_enabled" in changed:
            self._put(replace(self._schema[BOOKING], change_tracking_enabled=wanted["change_tracking_enabled"]))
        if "event_key_index_status" in changed:
            self._building.pop((BOOKING, EVENT_KEY), None)
            self._set_status(BOOKING, EVENT_KEY, wanted["event_key_index_status"])

    def _install_answers(self, *, is_installed: bool) -> None:
        """Like the columns of the booking table, and with them."""
        is_there = self._schema.find(ANSWER) is not None
        if is_installed and not is_there:
            for table in with_answers(list(self._schema.tables())):
                self._put(table)
        elif is_there and not is_installed:
            self._disconnect(ANSWER)
            self._schema.drop(ANSWER)
            del self._rows[ANSWER], self._tombstones[ANSWER]

    def _disconnect(self, name: str) -> None:
        """Take the collections of a table's rows off the tables that they belong to."""
        for other in list(self._schema.tables()):
            collections = tuple(one for one in other.collections if one.table != name)
            if collections != other.collections:
                self._schema.put(replace(other, collections=collections))

    def _build_indexes(self) -> None:
        seconds, now = self._switchboard.switches["key_index_seconds"], self._switchboard.clock.now()
        for (table_name, key_name), started_at in list(self._building.items()):
            elapsed = (now - started_at).total_seconds()
            table = self._schema.find(table_name)
            key = table.key(key_name) if table else None
            if key is None or elapsed >= seconds:
                del self._building[table_name, key_name]
            if key is None:
                continue
            status: IndexStatus = "InProgress" if elapsed >= seconds / 2 else "Pending"
            if elapsed >= seconds:
                status = "Failed" if self._has_equal_rows(table_name, key) else "Active"
            self._set_status(table_name, key_name, status)

    def _has_equal_rows(self, table: str, key: AlternateKey) -> bool:
        """Whether two rows have the same values in the key. Rows that are empty in one of its columns do not count."""
        values = (tuple(fold(row.values[name]) for name in key.columns) for row in self._rows[table].values())
        return any(count > 1 for count in Counter(one for one in values if None not in one).values())

    def _set_status(self, table_name: str, key_name: str, status: IndexStatus) -> None:
        table = self._schema[table_name]
        keys = (replace(key, index_status=status) if key.schema_name == key_name else key for key in table.keys)
        self._schema.put(replace(table, keys=tuple(keys)))


def _fitted(row: "Row", table: Table) -> "Row":
    """The row with the columns of `table`. A new column is empty even if it has a default: that is for new rows."""
    return replace(row, values=MappingProxyType({name: row.values.get(name) for name in table.columns}))
