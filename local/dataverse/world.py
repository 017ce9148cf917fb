"""The rows of one environment and their history: versions, upkeep columns, keys, deletions.

Knows nothing of HTTP; refusals are the service's own (`errors`). Every write runs in a transaction: it happens wholly
or not at all, and listeners hear of it only afterwards. That is the place where a webhook dispatcher belongs.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Literal

from local.dataverse import booking_rules, errors
from local.dataverse.schema import AlternateKey, Schema, Table, Value
from local.dataverse.seed import fill
from local.dataverse.tables import EVENT_KEY, build_schema
from local.dataverse.values import fold
from local.switchboard import Caller, Switchboard

_FIRST_VERSION = 81_700_000


@dataclass(frozen=True, slots=True)
class Row:
    """One version of a row. `values` has every column of its table, also the empty ones."""

    row_id: str
    version: int
    values: Mapping[str, Value]

    @property
    def etag(self) -> str:
        return f'W/"{self.version}"'


@dataclass(frozen=True, slots=True)
class Tombstone:
    """That a row was deleted; its values are gone."""

    row_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who writes: `user_id` is the user whose rights count, `on_behalf_by` the caller who acts in that user's name.

    `tag` is the caller's note that the service hands to the plug-ins and webhooks of this operation.
    """

    user_id: str
    on_behalf_by: str | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """One committed write. `columns` are those that the request named, not those that came out different."""

    message: Literal["Create", "Update", "Delete"]
    table: str
    row_id: str
    before: Row | None
    after: Row | None
    columns: frozenset[str]
    author: Author
    changed_at: datetime


class DataverseWorld:
    """All rows of one environment, seeded with the sample company in the week after `today`."""

    def __init__(self, switchboard: Switchboard, today: date) -> None:
        self.switchboard = switchboard
        self.listeners: list[Callable[[RowChange], None]] = []
        self._today = today
        self._undo: list[Callable[[], None]] = []
        self._pending: list[RowChange] = []
        self._is_in_transaction = False
        self.reset()
        switchboard.on_reset.append(self.reset)

    def reset(self) -> None:
        """The environment as at start. Listeners stay and hear nothing of it."""
        self._schema = build_schema()
        self._rows: dict[str, dict[str, Row]] = {table.name: {} for table in self._schema.tables()}
        self._tombstones: dict[str, dict[str, Tombstone]] = {name: {} for name in self._rows}
        self._version = _FIRST_VERSION
        self.oldest_delta_token = _FIRST_VERSION
        listeners, self.listeners = self.listeners, []
        self.users: Mapping[Caller, str] = fill(self, self._today)
        self.listeners = listeners

    @property
    def schema(self) -> Schema:
        """The definitions, with what the switches say about them."""
        switches = self.switchboard.switches
        booking = self._schema["bookableresourcebooking"]
        if booking.change_tracking_enabled != switches["change_tracking_enabled"]:
            self._schema.set_change_tracking(booking.name, enabled=switches["change_tracking_enabled"])
        if booking.keys[0].index_status != switches["event_key_index_status"]:
            self._schema.set_key_status(booking.name, EVENT_KEY, switches["event_key_index_status"])
        return self._schema

    @property
    def version(self) -> int:
        """The version of the newest change; every write has a greater one."""
        return self._version

    @property
    def change_tracking_days(self) -> int:
        """How long a delta token lives: a setting of the organization."""
        (organization,) = self._rows["organization"].values()
        days = organization.values["expirechangetrackingindays"]
        return days if isinstance(days, int) else 7

    def expire_delta_tokens(self) -> None:
        """All tokens given so far are too old from now on; those of a full round that starts now are good."""
        self._version += 1
        self.oldest_delta_token = self._version

    def now(self) -> datetime:
        """The world's time in whole seconds, as `createdon` and `modifiedon` keep it."""
        return self.switchboard.clock.now().replace(microsecond=0)

    def new_id(self) -> str:
        """A guid from the switchboard's randomness."""
        digits = f"{self.switchboard.random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def rows(self, table: str) -> Mapping[str, Row]:
        return MappingProxyType(self._rows[table])

    def find(self, table: str, row_id: str) -> Row | None:
        return self._rows[table].get(row_id)

    def get(self, table: str, row_id: str) -> Row:
        """Raises `ServiceError` 404 when there is no such row."""
        row = self.find(table, row_id)
        if row is None:
            raise errors.row_missing(table, row_id)
        return row

    def find_by_values(self, table: str, wanted: Mapping[str, Value]) -> Row | None:
        """The row that has all these values; texts are compared without regard to case, as the service does."""
        folded = {name: fold(value) for name, value in wanted.items()}
        for row in self._rows[table].values():
            if all(fold(row.values[name]) == value for name, value in folded.items()):
                return row
        return None

    def name_of(self, table: str, row_id: str) -> str | None:
        row = self.find(table, row_id)
        name = row.values[self._schema[table].primary_name] if row else None
        return name if isinstance(name, str) else None

    def changes_after(self, table: str, version: int) -> tuple[list[Row], list[Tombstone]]:
        """Rows created or updated, then rows deleted, after `version`; each list in the order of versions."""
        rows = [row for row in self._rows[table].values() if row.version > version]
        gone = [tombstone for tombstone in self._tombstones[table].values() if tombstone.version > version]
        return sorted(rows, key=lambda row: row.version), sorted(gone, key=lambda tombstone: tombstone.version)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside count, or none. Transactions nest; only the outermost commits."""
        if self._is_in_transaction:
            yield
            return
        self._is_in_transaction = True
        try:
            yield
        except BaseException:
            for undo in reversed(self._undo):
                undo()
            self._pending.clear()
            raise
        finally:
            self._undo.clear()
            self._is_in_transaction = False
        committed, self._pending = self._pending, []
        for change in committed:
            for listener in self.listeners:
                listener(change)

    def create(self, table: str, values: Mapping[str, Value], author: Author, row_id: str | None = None) -> Row:
        """Add a row. `values` may hold read-only columns too: who may set what is the Web API's business."""
        definition = self.schema[table]
        row_id = row_id or self.new_id()
        if self.find(table, row_id):
            raise errors.ServiceError(412, errors.DUPLICATE_RECORD, "Cannot insert duplicate key.")
        now = self.now()
        complete: dict[str, Value] = {name: column.default for name, column in definition.columns.items()}
        complete |= {"createdon": now, "createdby": author.user_id, "createdonbehalfby": author.on_behalf_by}
        complete |= {"modifiedon": now, "modifiedby": author.user_id, "modifiedonbehalfby": author.on_behalf_by}
        complete |= {definition.primary_id: row_id}
        if "ownerid" in definition.columns:
            complete["ownerid"] = author.user_id
        complete |= values
        if self.switchboard.switches["require_columns_on_create"]:
            self._refuse_nulls(definition, complete)
        with self.transaction():
            booking_rules.complete_booking(self, table, None, complete)
            row = self._store(table, row_id, complete)
            self._refuse_duplicate_keys(definition, row, frozenset(values))
            self._record("Create", table, None, row, frozenset(values), author)
        return row

    def update(self, table: str, row_id: str, values: Mapping[str, Value], author: Author) -> Row:
        """Write `values` into a row; also values that are the same count as written. Raises 404 when it is absent."""
        definition = self.schema[table]
        before = self.get(table, row_id)
        complete = {**before.values, **values}
        complete |= {"modifiedon": self.now(), "modifiedby": author.user_id, "modifiedonbehalfby": author.on_behalf_by}
        if self.switchboard.switches["refuse_null_in_required_columns"]:
            self._refuse_nulls(definition, values)
        with self.transaction():
            booking_rules.complete_booking(self, table, before, complete)
            row = self._store(table, row_id, complete)
            self._refuse_duplicate_keys(definition, row, frozenset(values))
            self._record("Update", table, before, row, frozenset(values), author)
            booking_rules.cascade_crew_changes(self, table, before, row, author)
        return row

    def delete(self, table: str, row_id: str, author: Author) -> None:
        """Remove a row and clear the lookups that point at it. Raises 404 when absent, 405 when a lookup forbids it."""
        before = self.get(table, row_id)
        with self.transaction():
            for other, column in self.schema.references_to(table):
                users = [row for row in self._rows[other.name].values() if row.values[column.name] == row_id]
                if users and column.on_delete == "restrict":
                    raise errors.delete_restricted()
                for row in users:
                    self._store(other.name, row.row_id, {**row.values, column.name: None})
            self._remove(table, row_id)
            self._record("Delete", table, before, None, frozenset(), author)

    def _store(self, table: str, row_id: str, values: dict[str, Value]) -> Row:
        rows, tombstones = self._rows[table], self._tombstones[table]
        previous, buried = rows.get(row_id), tombstones.pop(row_id, None)
        self._version += 1
        row = Row(row_id, self._version, MappingProxyType({**values, "versionnumber": self._version}))
        rows[row_id] = row

        def undo() -> None:
            if previous is None:
                del rows[row_id]
            else:
                rows[row_id] = previous
            if buried is not None:
                tombstones[row_id] = buried

        self._undo.append(undo)
        return row

    def _remove(self, table: str, row_id: str) -> None:
        rows, tombstones = self._rows[table], self._tombstones[table]
        previous = rows.pop(row_id)
        self._version += 1
        tombstones[row_id] = Tombstone(row_id, self._version)

        def undo() -> None:
            rows[row_id] = previous
            del tombstones[row_id]

        self._undo.append(undo)

    def _record(
        self,
        message: Literal["Create", "Update", "Delete"],
        table: str,
        before: Row | None,
        after: Row | None,
        columns: frozenset[str],
        author: Author,
    ) -> None:
        row = after or before
        assert row is not None
        self._pending.append(
            RowChange(
                message=message,
                table=table,
                row_id=row.row_id,
                before=before,
                after=after,
                columns=columns,
                author=author,
                changed_at=self.switchboard.clock.now(),
            )
        )

    @staticmethod
    def _refuse_nulls(definition: Table, values: Mapping[str, Value]) -> None:
        for name, value in values.items():
            if value is None and definition.columns[name].required:
                raise errors.cannot_be_null(name)

    def _refuse_duplicate_keys(self, definition: Table, row: Row, written: frozenset[str]) -> None:
        for key in definition.keys:
            if key.is_active and written.intersection(key.columns):
                self._refuse_duplicate_key(definition, key, row)

    def _refuse_duplicate_key(self, definition: Table, key: AlternateKey, row: Row) -> None:
        wanted = [fold(row.values[name]) for name in key.columns]
        if None in wanted:
            return
        for other in self._rows[definition.name].values():
            if other.row_id != row.row_id and [fold(other.values[name]) for name in key.columns] == wanted:
                raise errors.ServiceError(
                    self.switchboard.switches["duplicate_key_status"],
                    errors.DUPLICATE_KEY,
                    f"A record that has the attribute values {', '.join(key.columns)} already exists. The entity key "
                    f"{key.schema_name} requires that this set of attributes contains unique values. "
                    "Select unique values and try again.",
                )
