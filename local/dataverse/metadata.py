"""`EntityDefinitions` for reading: tables, columns, keys and lookups.

Source: Dataverse documentation, "Query table definitions using the Web API", "Define alternate keys for a table".
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.responses import Response

from local.dataverse import errors
from local.dataverse.addressing import Segment
from local.dataverse.filter_syntax import Path
from local.dataverse.filters import Property, compile_filter
from local.dataverse.metadata_shapes import (
    Definition,
    column_definition,
    find_table,
    is_addressed,
    key_definition,
    lookup_definition,
    no_such_child,
    option_set,
    table_definition,
)
from local.dataverse.privileges import require
from local.dataverse.query_options import QueryOptions
from local.dataverse.request import Operation
from local.dataverse.schema import Schema, Table, Value

_TYPE_NAMES = {
    "Attributes": "AttributeMetadata",
    "Keys": "EntityKeyMetadata",
    "ManyToOneRelationships": "OneToManyRelationshipMetadata",
}


def _children(schema: Schema, table: Table, collection: str) -> list[Definition]:
    match collection:
        case "Attributes":
            return [column_definition(table, column) for column in table.columns.values()]
        case "Keys":
            return [key_definition(table, key) for key in table.keys]
        case "ManyToOneRelationships":
            return [lookup_definition(schema, table, navigation) for navigation in table.navigations]
    raise errors.no_such_property(collection, "EntityMetadata")


def read_definitions(operation: Operation, segments: list[Segment]) -> Response:
    """`EntityDefinitions`, one of them, its children, or one child. It does not page, and ignores `$top`."""
    options = operation.options
    if unfit := options.given - {"$select", "$filter", "$expand", "$top", "$count"}:
        raise errors.bad_request(f"The query parameter {', '.join(sorted(unfit))} is not supported on metadata.")
    require(operation, "prvReadEntity")
    schema, root = operation.world.schema, operation.request.root
    if segments[0].arguments is None:
        if segments[1:]:
            raise errors.no_such_segment(segments[1].name)
        tables = [_shaped_table(schema, table, options) for table in _filtered_tables(schema, options)]
        return operation.answer({"@odata.context": f"{root}/$metadata#EntityDefinitions", "value": tables})
    table = find_table(schema, segments[0].arguments)
    if not segments[1:]:
        shaped = _shaped_table(schema, table, options)
        return operation.answer({"@odata.context": f"{root}/$metadata#EntityDefinitions/$entity", **shaped})
    return _read_children(operation, table, segments[1:])


def _filtered_tables(schema: Schema, options: QueryOptions) -> list[Table]:
    definitions = [table_definition(table) for table in schema.tables()]
    kept = {definition["LogicalName"] for definition in _filter(definitions, options, "EntityMetadata")}
    return [table for table in schema.tables() if table.name in kept]


def _shaped_table(schema: Schema, table: Table, options: QueryOptions) -> Definition:
    shaped = _select(table_definition(table), options, "EntityMetadata")
    for expansion in options.expand:
        children = _children(schema, table, expansion.navigation)
        type_name = _TYPE_NAMES[expansion.navigation]
        kept = _filter(children, expansion.options, type_name)
        shaped[expansion.navigation] = [_select(child, expansion.options, type_name, children) for child in kept]
    return shaped


def _read_children(operation: Operation, table: Table, segments: list[Segment]) -> Response:
    first, *rest = segments
    if first.name not in _TYPE_NAMES:
        raise errors.no_such_segment(first.name)
    type_name = _TYPE_NAMES[first.name]
    everything = _children(operation.world.schema, table, first.name)
    context = f"{operation.request.root}/$metadata#EntityDefinitions('{table.name}')/{first.name}"
    if first.arguments is not None:
        child = _find_child(everything, first.arguments)
        shaped = _select(_with_options(operation, table, child), operation.options, type_name, everything)
        return operation.answer({"@odata.context": f"{context}/$entity", **shaped})
    children = everything
    if rest:
        children = [child for child in everything if child.get("@odata.type") == f"#{rest[0].name}"]
    kept = [
        _select(_with_options(operation, table, child), operation.options, type_name, everything)
        for child in _filter(children, operation.options, type_name, everything)
    ]
    return operation.answer({"@odata.context": context, "value": kept})


def _with_options(operation: Operation, table: Table, child: Definition) -> Definition:
    """The choices of a column, when `$expand=OptionSet` asks for them."""
    if not any(expansion.navigation == "OptionSet" for expansion in operation.options.expand):
        return child
    column = table.columns[child["LogicalName"]]
    return {**child, "OptionSet": option_set(column)} if column.choices else child


def _find_child(children: Iterable[Definition], arguments: str) -> Definition:
    for child in children:
        if is_addressed(arguments, child.get("LogicalName", ""), child["MetadataId"]):
            return child
    raise no_such_child(arguments)


def _select(
    definition: Definition, options: QueryOptions, type_name: str, siblings: Iterable[Definition] = ()
) -> Definition:
    if options.select is None:
        return dict(definition)
    known = set(definition).union(*siblings)
    for name in options.select:
        if name not in known:
            raise errors.no_such_property(name, type_name)
    kept = {*options.select, "MetadataId", "@odata.type", "OptionSet"}
    return {name: value for name, value in definition.items() if name in kept}


class _DefinitionSource:
    """The plain properties of definitions, for `$filter`."""

    def __init__(self, definitions: Iterable[Definition], type_name: str) -> None:
        self._type_name = type_name
        self._kinds: dict[str, str] = {}
        for definition in definitions:
            self._kinds |= {name: _edm_name(value) for name, value in definition.items()}

    def property(self, path: Path) -> Property[Definition]:
        name = str(path)
        if not self._kinds.get(name):
            raise errors.no_such_property(name, self._type_name)
        return Property(self._kinds[name], _reader(name))

    def column(self, logical_name: str) -> Property[Definition]:
        raise errors.not_modelled(f"Microsoft.Dynamics.CRM.In on metadata ('{logical_name}')")


def _reader(name: str) -> Callable[[Mapping[str, Value]], Value]:
    return lambda definition: definition.get(name)


def _edm_name(value: Any) -> str:
    """Empty for what cannot be filtered."""
    kinds = {str: "Edm.String", bool: "Edm.Boolean", int: "Edm.Int32"}
    return kinds.get(type(value), "")


def _filter(
    definitions: list[Definition], options: QueryOptions, type_name: str, siblings: list[Definition] | None = None
) -> list[Definition]:
    if options.filter is None:
        return definitions
    test = compile_filter(options.filter, _DefinitionSource(siblings or definitions, type_name))
    return [definition for definition in definitions if test(definition)]
