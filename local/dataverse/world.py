"""The rows of one environment and their history: versions, upkeep columns, keys, deletions.

Knows nothing of HTTP; refusals are the service's own (`errors`). Every write runs in a transaction: it happens wholly
or not at all, and listeners hear of it only afterwards. Who must speak up inside it uses `before_write`, `after_write`.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Literal

from local.dataverse import booking_rules, errors, registration_rules
from local.dataverse.alternate_keys import KeyIndex, refuse_duplicates
from local.dataverse.appointments import complete_appointment
from local.dataverse.definitions import Definitions
from local.dataverse.schema import Column, Schema, Table, Value
from local.dataverse.seed import fill
from local.dataverse.tables import build_schema
from local.dataverse.values import fold
from local.switchboard import Caller, Switchboard

_FIRST_VERSION = 81_700_000

Message = Literal["Create", "Update", "Delete"]


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
    """One write. `values` are those that the request named, not those that came out different.

    `depth` is 1 for what a client asked for, one more for what that caused; they share their `correlation_id`.
    """

    message: Message
    table: str
    row_id: str
    before: Row | None
    after: Row | None
    values: Mapping[str, Value]
    author: Author
    depth: int
    correlation_id: str
    changed_at: datetime

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(self.values)


class DataverseWorld:
    """All rows of one environment, seeded with the sample company in the week after `today`."""

    def __init__(self, switchboard: Switchboard, today: date) -> None:
        """`before_write` hears of a write that is about to happen (`after` is None), `after_write` of one that has.

        Both are called inside the transaction and may refuse with a `ServiceError`; `listeners` hear what is committed.
        """
        self.switchboard = switchboard
        self.listeners: list[Callable[[RowChange], None]] = []
        self.before_write: list[Callable[[RowChange], None]] = []
        self.after_write: list[Callable[[RowChange], None]] = []
        self._today = today
        self._undo: list[Callable[[], None]] = []
        self._pending: list[RowChange] = []
        self._is_in_transaction = False
        self._depth = 0
        self._correlation_id = ""
        self._id_source: random.Random | None = None
        self.reset()
        switchboard.on_reset.append(self.reset)

    def reset(self) -> None:
        """The environment as at start. Whoever listens stays and hears nothing of it."""
        self._rows: dict[str, dict[str, Row]] = {}
        self._tombstones: dict[str, dict[str, Tombstone]] = {}
        self.key_index = KeyIndex()
        self.definitions = Definitions(build_schema(), self._rows, self._tombstones, self._undo, self.switchboard)
        self._version = _FIRST_VERSION
        self.oldest_delta_token = _FIRST_VERSION
        hooks = self.listeners, self.before_write, self.after_write
        self.listeners, self.before_write, self.after_write = [], [], []
        self.users: Mapping[Caller, str] = fill(self, self._today)
        registration_rules.fill_messages(self)
        self.listeners, self.before_write, self.after_write = hooks

    @property
    def schema(self) -> Schema:
        """The definitions, with what the switches and the clock have made of them."""
        return self.definitions.current()

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
        digits = f"{(self._id_source or self.switchboard.random).getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    @contextmanager
    def ids_from(self, source: random.Random) -> Iterator[None]:
        """Take new ids from `source`, so that what is done a second time gets the same ones."""
        self._id_source, previous = source, self._id_source
        try:
            yield
        finally:
            self._id_source = previous

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
        name = row.values[self.schema[table].primary_name] if row else None
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
        with self._write("Create", table, row_id, None, values, author) as change:
            self._complete(table, None, complete)
            row = self._store(table, row_id, complete)
            refuse_duplicates(self, definition, row, change.columns)
            self._record(change, row)
        return row

    def update(self, table: str, row_id: str, values: Mapping[str, Value], author: Author) -> Row:
        """Write `values` into a row; also values that are the same count as written. Raises 404 when it is absent."""
        definition = self.schema[table]
        before = self.get(table, row_id)
        complete = {**before.values, **values}
        complete |= {"modifiedon": self.now(), "modifiedby": author.user_id, "modifiedonbehalfby": author.on_behalf_by}
        if self.switchboard.switches["refuse_null_in_required_columns"]:
            self._refuse_nulls(definition, values)
        with self._write("Update", table, row_id, before, values, author) as change:
            self._complete(table, before, complete)
            row = self._store(table, row_id, complete)
            refuse_duplicates(self, definition, row, change.columns)
            self._record(change, row)
            booking_rules.cascade_crew_changes(self, table, before, row, author)
        return row

    def delete(self, table: str, row_id: str, author: Author) -> None:
        """Remove a row and clear the lookups that point at it. Raises 404 when absent, 405 when a lookup forbids it."""
        before = self.get(table, row_id)
        with self._write("Delete", table, row_id, before, {}, author) as change:
            users = self._users_of(table, row_id)
            if any(column.on_delete == "restrict" for _, column, _ in users):
                raise errors.delete_restricted()
            registration_rules.delete_images(self, table, row_id, author)
            for other, column, user_id in users:
                if column.on_delete == "cascade":
                    self.delete(other, user_id, author)
                else:
                    self._unlink(other, column, user_id, author)
            self._remove(table, row_id)
            self._record(change, None)

    def _users_of(self, table: str, row_id: str) -> list[tuple[str, Column, str]]:
        """Table, lookup column and id of every row that points at this one."""
        return [
            (other.name, column, row.row_id)
            for other, column in self.schema.references_to(table)
            for row in self._rows[other.name].values()
            if row.values[column.name] == row_id
        ]

    def _unlink(self, table: str, column: Column, row_id: str, author: Author) -> None:
        """Clear a lookup whose target goes. Whether that raises an Update message is in no document."""
        row = self.find(table, row_id)
        if row is None:
            return
        is_clearable = column.writable and not column.required
        if is_clearable and self.switchboard.switches["unlink_raises_update"]:
            self.update(table, row_id, {column.name: None}, author)
        else:
            self._store(table, row_id, {**row.values, column.name: None})

    def _complete(self, table: str, before: Row | None, values: dict[str, Value]) -> None:
        """Check the row that is about to be stored, and fill in what the service computes."""
        booking_rules.complete_booking(self, table, before, values)
        registration_rules.complete_registration(self, table, before, values)
        complete_appointment(table, before, values)

    @contextmanager
    def _write(
        self,
        message: Message,
        table: str,
        row_id: str,
        before: Row | None,
        values: Mapping[str, Value],
        author: Author,
    ) -> Iterator[RowChange]:
        """One message in a transaction; those that are raised inside are one level deeper."""
        with self.transaction():
            self._depth += 1
            try:
                if self._depth == 1:
                    self._correlation_id = self.new_id()
                change = RowChange(
                    message=message,
                    table=table,
                    row_id=row_id,
                    before=before,
                    after=None,
                    values=MappingProxyType(dict(values)),
                    author=author,
                    depth=self._depth,
                    correlation_id=self._correlation_id,
                    changed_at=self.switchboard.clock.now(),
                )
                for listener in self.before_write:
                    listener(change)
                yield change
            finally:
                self._depth -= 1

    def _record(self, change: RowChange, after: Row | None) -> None:
        change = replace(change, after=after)
        for listener in self.after_write:
            listener(change)
        self._pending.append(change)

    def _store(self, table: str, row_id: str, values: dict[str, Value]) -> Row:
        rows, tombstones = self._rows[table], self._tombstones[table]
        previous, buried = rows.get(row_id), tombstones.pop(row_id, None)
        self._version += 1
        row = Row(row_id, self._version, MappingProxyType({**values, "versionnumber": self._version}))
        rows[row_id] = row
        self.key_index.add(table, row)

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

    @staticmethod
    def _refuse_nulls(definition: Table, values: Mapping[str, Value]) -> None:
        for name, value in values.items():
            if value is None and definition.columns[name].required:
                raise errors.cannot_be_null(name)
