"""`RelationshipDefinitions`: relationships of one row to many, by which a lookup comes into a table of somebody's own.

The lookup's navigation property has the lookup's schema name, the collection that of the relationship. Source:
Dataverse documentation, "Create and update table relationships using the Web API", checked 2026-11-21.
"""

from dataclasses import replace
from typing import Any, Literal

from starlette.responses import Response

from local.dataverse import errors
from local.dataverse.addressing import Segment
from local.dataverse.metadata_errors import invalid, name_taken
from local.dataverse.metadata_payload import read_label, read_schema_name, with_column
from local.dataverse.metadata_shapes import CAST, lookup_definition, relationship_id
from local.dataverse.privileges import require
from local.dataverse.request import Operation, no_content
from local.dataverse.schema import Collection, Column, ColumnType, Table
from local.dataverse.solution_tables import ComponentType
from local.dataverse.solutions import add_component, forget_component, require_prefix

RELATIONSHIPS_SET = "RelationshipDefinitions"
_ONE_TO_MANY = f"{CAST}OneToManyRelationshipMetadata"
_DELETIONS: dict[str, Literal["restrict", "remove_link", "cascade"]] = {
    "Restrict": "restrict",
    "RemoveLink": "remove_link",
    "Cascade": "cascade",
}


def serve_relationships(operation: Operation, segments: list[Segment]) -> Response:
    """POST of a new one; GET and DELETE of the one with a schema name."""
    (first, *rest), method = segments, operation.request.method
    if rest:
        raise errors.no_such_segment(rest[0].name)
    with operation.world.transaction():
        if first.arguments is None and method == "POST":
            return _create(operation)
        if first.arguments is not None and method == "DELETE":
            return _delete(operation, *_find(operation, first.arguments))
    if first.arguments is not None and method == "GET":
        require(operation, "prvReadRelationship")
        table, column = _find(operation, first.arguments)
        return operation.answer(lookup_definition(operation.world.schema, table, column.navigation))
    raise errors.method_not_allowed(method, RELATIONSHIPS_SET)


def _create(operation: Operation) -> Response:
    require(operation, "prvCreateRelationship")
    body = operation.request.json()
    if str(body.get("@odata.type")).removeprefix("#") != _ONE_TO_MANY:
        raise errors.not_modelled("relationships of another type than one to many")
    schema = operation.world.schema
    name = read_schema_name(body)
    child, parent = (_table(operation, body, side) for side in ("ReferencingEntity", "ReferencedEntity"))
    if body.get("ReferencedAttribute", parent.primary_id) != parent.primary_id:
        raise invalid(f"ReferencedAttribute must be the primary id of {parent.name}.")
    lookup = body.get("Lookup")
    if not isinstance(lookup, dict):
        raise invalid("Required field 'Lookup' is missing.")
    column = _read_lookup(body, lookup, name, parent)
    for schema_name in (name, column.schema_name):
        require_prefix(operation, schema_name)
    if any(one.relationship == name for table in schema.tables() for one in table.columns.values()):
        raise name_taken(name)
    operation.world.definitions.change(with_column(child, column))
    collection = Collection(navigation=name, table=child.name, column=column.name)
    parent = schema[parent.name]
    operation.world.definitions.change(replace(parent, collections=(*parent.collections, collection)))
    made_id = relationship_id(child, column.navigation)
    add_component(operation, ComponentType.RELATIONSHIP, made_id, child)
    return no_content({"OData-EntityId": f"{operation.request.root}/{RELATIONSHIPS_SET}({made_id})"})


def _table(operation: Operation, body: dict[str, Any], side: str) -> Table:
    table = operation.world.schema.find(str(body.get(side)))
    if table is None:
        raise invalid(f"{side} '{body.get(side)}' is no table.")
    return table


def _read_lookup(body: dict[str, Any], lookup: dict[str, Any], relationship: str, parent: Table) -> Column:
    cascades = body.get("CascadeConfiguration") or {}
    deletion = _DELETIONS.get(cascades.get("Delete", "RemoveLink"))
    if deletion is None:
        raise invalid(f"CascadeConfiguration.Delete '{cascades['Delete']}' is not valid.")
    schema_name = read_schema_name(lookup)
    return Column(
        name=schema_name.lower(),
        type=ColumnType.LOOKUP,
        schema_name=schema_name,
        target=parent.name,
        navigation=schema_name,
        on_delete=deletion,
        relationship=relationship,
        is_custom=True,
        display_name=read_label(lookup, "DisplayName") or schema_name,
    )


def _find(operation: Operation, arguments: str) -> tuple[Table, Column]:
    for table in operation.world.schema.tables():
        for column in table.columns.values():
            if column.relationship and arguments == f"SchemaName='{column.relationship}'":
                return table, column
    raise errors.ServiceError(404, errors.UNSUPPORTED, f"Could not find a relationship with the key {arguments}.")


def _delete(operation: Operation, table: Table, column: Column) -> Response:
    """The lookup goes with it."""
    require(operation, "prvDeleteRelationship")
    definitions, parent = operation.world.definitions, operation.world.schema[column.target]
    columns = {name: one for name, one in table.columns.items() if name != column.name}
    definitions.change(replace(table, columns=columns))
    collections = tuple(one for one in parent.collections if one.navigation != column.relationship)
    definitions.change(replace(parent, collections=collections))
    forget_component(operation.world, relationship_id(table, column.navigation), operation.author)
    return no_content()
