"""GET: one row, one property, a collection with its pages, a count.

Source: Dataverse documentation, "Retrieve a table row", "Query data" (page results, count rows) and "Perform
conditional operations".
"""

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from starlette.responses import Response

from local.dataverse import errors
from local.dataverse.addressing import RowAddress
from local.dataverse.filters import compile_filter
from local.dataverse.privileges import require, table_privilege
from local.dataverse.query_options import QueryOptions
from local.dataverse.rendering import RowSource
from local.dataverse.request import Operation, no_content
from local.dataverse.schema import Table
from local.dataverse.sorting import RowOrder, position_from_json, position_to_json
from local.dataverse.values import show
from local.dataverse.world import Row

MAX_PAGE_SIZE = 5_000


def require_read(operation: Operation, table: Table, options: QueryOptions) -> None:
    """Raises `ServiceError` 403 when the caller may not read the table, or one that the options expand."""
    require(operation, table_privilege("Read", table))
    for expansion in options.expand:
        target = operation.renderer.target_of(table, expansion.navigation)
        require_read(operation, target, expansion.options)


def read_row(operation: Operation, address: RowAddress) -> Response:
    renderer, table = operation.renderer, address.table
    renderer.check(table, operation.options, is_collection=False)
    require_read(operation, table, operation.options)
    row = address.get(operation.world)
    may_be_unchanged = not operation.options.expand and not operation.preferences.annotations
    if may_be_unchanged and operation.request.headers.get("if-none-match") == row.etag:
        return Response(status_code=304, headers={"OData-Version": "4.0", "ETag": row.etag})
    context = renderer.context(table, operation.options, "/$entity")
    return operation.answer(
        {"@odata.context": context, **renderer.row(table, row, operation.options)}, headers={"ETag": row.etag}
    )


def read_property(operation: Operation, address: RowAddress, name: str) -> Response:
    """One column's value, or the row behind a single-valued navigation property; 204 when empty."""
    table = address.table
    require(operation, table_privilege("Read", table))
    row = address.get(operation.world)
    if name in table.properties:
        value = row.values[table.properties[name].name]
        context = f"{operation.request.root}/$metadata#{table.set_name}({address.text})/{name}"
        return no_content() if value is None else operation.answer({"@odata.context": context, "value": show(value)})
    if table.collection(name):
        raise errors.not_modelled("a collection-valued navigation property as an address; use $expand")
    column = table.navigations.get(name)
    if column is None:
        raise errors.no_such_segment(name)
    target_id = row.values[column.name]
    if not isinstance(target_id, str):
        return no_content()
    target = operation.world.schema[column.references[name]]
    return read_row(operation, RowAddress(table=target, text=target_id, row_id=target_id))


def read_collection(operation: Operation, table: Table) -> Response:
    options, preferences, renderer = operation.options, operation.preferences, operation.renderer
    renderer.check(table, options)
    require_read(operation, table, options)
    source = RowSource(operation.world, table)
    order = RowOrder(options.order_by, source)
    matching = order.sort(_matching(operation, table))
    rest = matching
    if options.skip_token is not None:
        after = order.key(_read_position(options.skip_token, len(options.order_by) + 1))
        rest = [row for row in matching if order.key(order.position(row)) > after]
    limit = min(preferences.max_page_size or MAX_PAGE_SIZE, MAX_PAGE_SIZE)
    has_top = options.top is not None and preferences.max_page_size is None
    page = rest[: min(limit, options.top)] if has_top and options.top else rest[:limit]
    body: dict[str, Any] = {"@odata.context": renderer.context(table, options)}
    if options.count:
        _add_count(body, operation, len(matching))
    body["value"] = [renderer.row(table, row, options) for row in page]
    if len(rest) > len(page) and not has_top:
        token = encode_token({"after": position_to_json(order.position(page[-1]))})
        body["@odata.nextLink"] = link(operation, table, {"$skiptoken": token})
    return operation.answer(body)


def _matching(operation: Operation, table: Table) -> list[Row]:
    rows = operation.world.rows(table.name).values()
    if operation.options.filter is None:
        return list(rows)
    test = compile_filter(operation.options.filter, RowSource(operation.world, table))
    return [row for row in rows if test(row)]


def _add_count(body: dict[str, Any], operation: Operation, total: int) -> None:
    """`@odata.count` stops at 5,000; an annotation tells."""
    body["@odata.count"] = min(total, MAX_PAGE_SIZE)
    for name, value in (
        ("Microsoft.Dynamics.CRM.totalrecordcount", min(total, MAX_PAGE_SIZE)),
        ("Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded", total > MAX_PAGE_SIZE),
    ):
        if operation.preferences.includes(name):
            body[f"@{name}"] = value


def read_count(operation: Operation, table: Table) -> Response:
    """`<set>/$count` as plain text."""
    operation.renderer.check(table, operation.options)
    require_read(operation, table, operation.options)
    total = min(len(_matching(operation, table)), MAX_PAGE_SIZE)
    return Response(str(total), headers={"OData-Version": "4.0"}, media_type="text/plain")


def link(operation: Operation, table: Table, tokens: dict[str, str]) -> str:
    """The address of the same question with other tokens."""
    old = ("$skiptoken", "$deltatoken")
    pairs = [pair for pair in parse_qsl(operation.request.query, keep_blank_values=True) if pair[0] not in old]
    query = urlencode([*pairs, *tokens.items()], quote_via=quote, safe="$,()'=;/@")
    return f"{operation.request.root}/{table.set_name}?{query}"


def encode_token(data: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode()


def decode_token(text: str) -> dict[str, Any]:
    """Raises `ServiceError` 400 for a token that was not made here."""
    try:
        data = json.loads(base64.urlsafe_b64decode(text))
    except ValueError as error:
        raise _malformed_token() from error
    if not isinstance(data, dict):
        raise _malformed_token()
    return data


def _malformed_token() -> errors.ServiceError:
    return errors.bad_request("Malformed XML in the Paging Cookie", "0x80040203")


def _read_position(token: str, length: int) -> list[Any]:
    after = decode_token(token).get("after")
    if not isinstance(after, list) or len(after) != length:
        raise _malformed_token()
    return position_from_json(after)
