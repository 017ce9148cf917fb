"""POST, PATCH, PUT and DELETE of rows, properties and references.

Source: Dataverse documentation, "Update and delete table rows", "Use Upsert", "Perform conditional operations" and
"Associate and disassociate table rows".
"""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from starlette.responses import Response

from local.dataverse import errors
from local.dataverse.addressing import RowAddress
from local.dataverse.payload import read_values, resolve_reference
from local.dataverse.privileges import require, table_privilege
from local.dataverse.request import Operation, no_content
from local.dataverse.schema import ColumnType, Table, Value
from local.dataverse.solutions import add_row
from local.dataverse.values import accept
from local.dataverse.world import Row

_SAFE_IN_KEYS = "=',()-.:_"


def create_row(operation: Operation, table: Table) -> Response:
    operation.renderer.check(table, operation.options, is_collection=False)
    values = read_values(operation, table, operation.request.json())
    row = _create(operation, table, values, None)
    return _written(operation, table, row, row.row_id, is_new=True)


def patch_row(operation: Operation, address: RowAddress) -> Response:
    """Update, or create what is absent: only `If-Match` forbids the creation, only `If-None-Match: *` the update."""
    table, headers = address.table, operation.request.headers
    # `$expand` is documented to have no effect on the answer of an update.
    operation = replace(operation, options=replace(operation.options, expand=()))
    operation.renderer.check(table, operation.options, is_collection=False)
    body = operation.request.json()
    row = address.find(operation.world)
    if row is None:
        if "if-match" in headers:
            raise address.missing()
        values = {**(address.key_values or {}), **read_values(operation, table, body)}
        row = _create(operation, table, values, address.row_id)
        return _written(operation, table, row, address.text, is_new=True)
    if headers.get("if-none-match") == "*":
        raise errors.record_exists()
    _require_version(operation, row)
    values = read_values(operation, table, body)
    _require_rights(operation, "Write", table, values)
    for name in (table.primary_id, *(address.key_values or {})):
        values.pop(name, None)
    row = operation.world.update(table.name, row.row_id, values, operation.author)
    return _written(operation, table, row, address.text, is_new=False)


def delete_row(operation: Operation, address: RowAddress) -> Response:
    require(operation, table_privilege("Delete", address.table))
    row = address.get(operation.world)
    _require_version(operation, row)
    if address.table.is_fixed:
        raise errors.method_not_allowed("DELETE", address.table.set_name)
    operation.world.delete(address.table.name, row.row_id, operation.author)
    return no_content()


def put_property(operation: Operation, address: RowAddress, name: str) -> Response:
    """Write one column: `{"value": ...}`, or clear it with DELETE."""
    table = address.table
    column = table.properties.get(name)
    if column is None:
        raise errors.no_such_segment(name)
    if column.is_lookup:
        raise errors.bad_request(
            "CRM do not support direct update of Entity Reference properties, Use Navigation properties instead."
        )
    value: Value = None
    if operation.request.method == "PUT":
        body = operation.request.json()
        if "value" not in body:
            raise errors.bad_payload(table.set_name, "The property 'value' is missing.")
        value = accept(
            column, body["value"], table=table.name, set_name=table.set_name, keep_fractions=operation.keeps_fractions
        )
    return _write_one(operation, address, column.name, value, is_writable=column.writable)


def put_reference(operation: Operation, address: RowAddress, navigation: str) -> Response:
    """Point a lookup elsewhere: `{"@odata.id": ...}`, or clear it with DELETE."""
    column = address.table.navigations.get(navigation)
    if column is None:
        raise errors.no_such_segment(navigation)
    value: Value = None
    if operation.request.method == "PUT":
        reference = operation.request.json().get("@odata.id")
        if not isinstance(reference, str):
            raise errors.bad_payload(address.table.set_name, "The property '@odata.id' is missing.")
        value = resolve_reference(operation, column, reference)
    return _write_one(operation, address, column.name, value, is_writable=column.writable)


def _write_one(operation: Operation, address: RowAddress, column: str, value: Value, *, is_writable: bool) -> Response:
    _require_rights(operation, "Write", address.table, {column: value})
    row = address.get(operation.world)
    _require_version(operation, row)
    if is_writable:
        operation.world.update(address.table.name, row.row_id, {column: value}, operation.author)
    return no_content()


def _create(operation: Operation, table: Table, values: dict[str, Value], row_id: str | None) -> Row:
    if table.is_fixed:
        raise errors.method_not_allowed("POST", table.set_name)
    _require_rights(operation, "Create", table, values)
    chosen = values.pop(table.primary_id, None)
    with operation.world.transaction():
        row = operation.world.create(table.name, values, operation.author, row_id or (str(chosen) if chosen else None))
        add_row(operation, table, row)
    return row


def _require_rights(operation: Operation, right: str, table: Table, values: Mapping[str, Value]) -> None:
    """Raises `ServiceError` 403 when the caller may not write rows of the table, or not link them to what they name."""
    require(operation, table_privilege(right, table))
    for name, value in values.items():
        column = table.columns[name]
        if column.type is ColumnType.LOOKUP and value is not None:
            require(operation, table_privilege("Append", table))
            require(operation, table_privilege("AppendTo", operation.world.schema[column.target]))
    if operation.preferences.wants_representation:
        require(operation, table_privilege("Read", table))


def _require_version(operation: Operation, row: Row) -> None:
    expected = operation.request.headers.get("if-match", "*")
    if expected not in ("*", row.etag):
        raise errors.version_mismatch()


def _written(operation: Operation, table: Table, row: Row, key: str, *, is_new: bool) -> Response:
    address = f"{operation.request.root}/{table.set_name}({quote(key, safe=_SAFE_IN_KEYS)})"
    headers = {"OData-EntityId": address}
    if is_new and operation.request.is_part:
        headers["Location"] = address
    if not operation.preferences.wants_representation:
        return no_content(headers)
    options, renderer = operation.options, operation.renderer
    body = {"@odata.context": renderer.context(table, options, "/$entity"), **renderer.row(table, row, options)}
    return operation.answer(body, 201 if is_new else 200, {**headers, "ETag": row.etag})
