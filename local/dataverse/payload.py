"""The body of a create or update as column values.

Source: Dataverse documentation, "Create a table row", "Update and delete table rows", "Associate and disassociate": a
lookup is set through its navigation property in its exact case, never through its column.
"""

from collections.abc import Mapping
from typing import Any

from local.dataverse import errors
from local.dataverse.addressing import address_row, split_path
from local.dataverse.request import Operation
from local.dataverse.schema import Column, Table, Value
from local.dataverse.values import accept


def read_values(operation: Operation, table: Table, body: Mapping[str, Any]) -> dict[str, Value]:
    """The columns that `body` sets. Read-only columns and annotations are ignored, as the service does.

    Raises `ServiceError`: 400 for an undeclared property or an unfit value, 404 for a bound row that does not exist.
    """
    values: dict[str, Value] = {}
    for name, raw in body.items():
        plain, at, annotation = name.partition("@")
        if at and annotation != "odata.bind":
            continue
        column = table.navigations.get(plain) if at or plain in table.navigations else table.properties.get(plain)
        if column is None:
            raise _undeclared(table, plain, is_binding=bool(at))
        if not column.writable:
            continue
        values[column.name] = _read(operation, table, column, name, raw)
    return values


def _undeclared(table: Table, name: str, *, is_binding: bool) -> errors.ServiceError:
    if is_binding:
        return errors.undeclared_binding(table.set_name, name)
    return errors.bad_payload(
        table.set_name, f"Invalid property '{name}' was found in entity '{errors.entity_type(table.name)}'."
    )


def _read(operation: Operation, table: Table, column: Column, name: str, raw: Any) -> Value:
    if not column.is_lookup:
        return accept(column, raw, table=table.name, set_name=table.set_name, keep_fractions=operation.keeps_fractions)
    if name == column.property_name:
        raise errors.bad_request(
            "CRM do not support direct update of Entity Reference properties, Use Navigation properties instead."
        )
    if raw is None:
        return None
    if isinstance(raw, dict):
        raise errors.not_modelled("the creation of related rows within one request")
    if not name.endswith("@odata.bind") or not isinstance(raw, str):
        raise errors.bad_payload(
            table.set_name, f"The navigation property '{column.navigation}' expects an '@odata.bind' with a reference."
        )
    return resolve_reference(operation, column, raw)


def resolve_reference(operation: Operation, column: Column, reference: str) -> str:
    """The id of the row that `reference` (relative, absolute, or `$<Content-ID>`) names, when it fits the lookup."""
    request, world = operation.request, operation.world
    reference = request.references.get(reference, reference)
    segments = split_path(reference.removeprefix(request.root))
    target = world.schema[column.target]
    if len(segments) != 1 or segments[0].arguments is None:
        raise errors.bad_request(f"'{reference}' is no reference to a row.", errors.BAD_PAYLOAD)
    if segments[0].name != target.set_name:
        raise errors.bad_request(
            f"'{reference}' cannot be bound to '{column.navigation}', which refers to '{target.set_name}'.",
            errors.BAD_PAYLOAD,
        )
    return address_row(target, segments[0].arguments).get(world).row_id
