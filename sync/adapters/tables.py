"""A table that holds values of one kind, on Azure Table Storage.

What the stores have in common: rows found by key, conditional writes by etag, listing page by page, a table that is
created when it is first written to. Reading a missing table finds nothing: losing the tables may cost time only.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from itertools import batched
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableEntity, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from sync.adapters.rows import Column, RowKey, columns_from_value, value_from_columns
from sync.adapters.storage_errors import storage_call
from sync.core.answers import FollowedMeeting
from sync.core.errors import PreconditionFailed
from sync.core.mailboxes import Breaker
from sync.core.memory import KnownBooking, KnownEvent, Link

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PREFIX = "bookingsync"
"""Table names begin with it: the storage account is shared with the Functions host."""

DEADLINE_SECONDS = 10.0
DELETIONS_AT_ONCE = 1000
ROWS_PER_TRANSACTION = 100
"""The limit for a transaction within one partition (Table service documentation, entity group transactions)."""


class ValueTable[T: "DataclassInstance"]:
    """Values of one kind by key."""

    def __init__(self, service: TableServiceClient, name: str, kind: type[T], key_of: Callable[[T], RowKey]) -> None:
        self._client: TableClient = service.get_table_client(name)
        self._kind = kind
        self._key_of = key_of
        self._subject = f"table {name}"

    async def find(self, key: RowKey) -> T | None:
        """The value at `key`, None when there is none."""
        async with storage_call(self._subject, DEADLINE_SECONDS):
            try:
                row = await self._client.get_entity(key.partition, key.row)
            except ResourceNotFoundError:
                return None
        return self._value(row)

    async def put(self, value: T) -> None:
        """Write the whole value, over what is there."""
        row = self._row(value)
        async with storage_call(self._subject, DEADLINE_SECONDS):
            try:
                await self._client.upsert_entity(row, mode=UpdateMode.REPLACE)
            except ResourceNotFoundError:
                await self._create_table()
                await self._client.upsert_entity(row, mode=UpdateMode.REPLACE)

    async def delete(self, key: RowKey) -> None:
        """Succeeds also when there is none."""
        async with storage_call(self._subject, DEADLINE_SECONDS):
            with suppress(ResourceNotFoundError):
                await self._client.delete_entity(key.partition, key.row)

    async def delete_after(self, partition: str, row: str) -> int:
        """Delete rows of a partition whose row keys come after `row`, a thousand at most; answers how many.

        Of a hundred rows of which somebody else deletes one meanwhile, all stay: the next time finds them.
        """
        query, parameters = "PartitionKey eq @partition and RowKey gt @row", {"partition": partition, "row": row}
        async with storage_call(self._subject, DEADLINE_SECONDS):
            try:
                found = self._client.query_entities(
                    query, parameters=parameters, select=["PartitionKey", "RowKey"], results_per_page=DELETIONS_AT_ONCE
                )
                rows = [one async for one in await anext(found.by_page())]
            except (StopAsyncIteration, ResourceNotFoundError):
                return 0
        deleted = 0
        for batch in batched(rows, ROWS_PER_TRANSACTION, strict=False):
            async with storage_call(self._subject, DEADLINE_SECONDS):
                try:
                    await self._client.submit_transaction([("delete", one) for one in batch])
                except (TableTransactionError, ResourceNotFoundError) as error:
                    if error.status_code != HTTPStatus.NOT_FOUND:
                        raise
                else:
                    deleted += len(batch)
        return deleted

    async def list_values(self, *, rows_per_page: int = 1000, after: str = "", **equal: str | None) -> AsyncIterator[T]:
        """Values whose columns equal what is given (None: any), by key; the next page is read when it is asked for.

        `after` leaves out rows whose row keys do not come after it.
        """
        wanted = {name: text for name, text in equal.items() if text is not None}
        pages = self._query(wanted, after, rows_per_page).by_page()
        while True:
            async with storage_call(self._subject, DEADLINE_SECONDS):
                try:
                    page = [row async for row in await anext(pages)]
                except (StopAsyncIteration, ResourceNotFoundError):
                    return
            for row in page:
                yield self._value(row)

    async def page(self, query: str, parameters: Mapping[str, str], limit: int | None) -> list[T]:
        """The values that a filter selects, by key, `limit` at most; None for all."""
        return [self._value(row) for row in await self._rows(query, parameters, limit)]

    async def count_by(self, column: str, query: str, parameters: Mapping[str, str]) -> Counter[str]:
        """How many rows that a filter selects hold each text in a column; nothing but that column is read."""
        rows = await self._rows(query, parameters, None, select=[column])
        return Counter(row[column] for row in rows)

    async def _rows(
        self, query: str, parameters: Mapping[str, str], limit: int | None, select: list[str] | None = None
    ) -> list[TableEntity]:
        found = self._client.query_entities(
            query, parameters=dict(parameters), results_per_page=limit or 1000, select=select
        )
        rows: list[TableEntity] = []
        pages = found.by_page()
        # A page may come with fewer rows than there are, or none, and a token for the rest (Table service
        # documentation, query timeout and pagination).
        while limit is None or len(rows) < limit:
            async with storage_call(self._subject, DEADLINE_SECONDS):
                try:
                    rows += [row async for row in await anext(pages)]
                except (StopAsyncIteration, ResourceNotFoundError):
                    break
        return rows[:limit]

    def _query(self, wanted: Mapping[str, str], after: str, rows_per_page: int) -> Any:
        if not (wanted or after):
            return self._client.list_entities(results_per_page=rows_per_page)
        parts = [f"{name} eq @{name}" for name in wanted] + (["RowKey gt @after"] if after else [])
        parameters = {**wanted, "after": after} if after else dict(wanted)
        return self._client.query_entities(" and ".join(parts), parameters=parameters, results_per_page=rows_per_page)

    async def _create_table(self) -> None:
        with suppress(ResourceExistsError):  # another instance was quicker
            await self._client.create_table()

    def _row(self, value: T) -> dict[str, Column]:
        key = self._key_of(value)
        return {**columns_from_value(value), "PartitionKey": key.partition, "RowKey": key.row}

    def _value(self, row: TableEntity) -> T:
        return value_from_columns(self._kind, row)


class VersionedTable[T: (KnownEvent, KnownBooking, Link, Breaker, FollowedMeeting)](ValueTable[T]):
    """Values whose `version` is the row's etag."""

    async def save(self, value: T) -> T:
        """Write the value if its row is as `value.version` says (None: absent); answers it with its new version.

        Raises `PreconditionFailed` when it is not, also in the rare case that our own write had an effect, its answer
        was lost and the SDK repeated it: the caller reads again and finds what it wrote.
        """
        row = self._row(value)
        conflicts = ResourceExistsError if value.version is None else (ResourceModifiedError, ResourceNotFoundError)
        async with storage_call(self._subject, DEADLINE_SECONDS):
            try:
                written = await (self._insert(row) if value.version is None else self._update(row, value.version))
            except conflicts as error:
                raise PreconditionFailed(
                    f"a row of {self._subject} was written by somebody else", status=412
                ) from error
        return replace(value, version=written["etag"])

    async def _insert(self, row: dict[str, Column]) -> Mapping[str, Any]:
        try:
            return await self._client.create_entity(row)
        except ResourceNotFoundError:
            await self._create_table()
            return await self._client.create_entity(row)

    async def _update(self, row: dict[str, Column], version: str) -> Mapping[str, Any]:
        return await self._client.update_entity(
            row, mode=UpdateMode.REPLACE, etag=version, match_condition=MatchConditions.IfNotModified
        )

    async def delete_version(self, value: T) -> None:
        """Delete the row if it still is as `value.version` says; succeeds also when there is none.

        Raises `PreconditionFailed` when somebody else wrote it meanwhile.
        """
        key = self._key_of(value)
        async with storage_call(self._subject, DEADLINE_SECONDS):
            try:
                await self._client.delete_entity(
                    key.partition, key.row, etag=value.version, match_condition=MatchConditions.IfNotModified
                )
            except ResourceNotFoundError:
                return
            except ResourceModifiedError as error:
                raise PreconditionFailed(
                    f"a row of {self._subject} was written by somebody else", status=412
                ) from error

    def _value(self, row: TableEntity) -> T:
        return value_from_columns(self._kind, row, version=row.metadata["etag"])
