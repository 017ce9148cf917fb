"""Changes of definitions: `EntityDefinitions`, `Attributes` and `Keys` by POST, PUT and DELETE, and three actions.

Definitions are replaced as a whole, never patched. Source: Dataverse documentation, "Create and update table
definitions using the Web API", "Create and update column definitions using the Web API", "Work with alternate keys",
"Publish customizations". That change tracking cannot be turned off again stands in "Use change tracking".
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from starlette.responses import Response

from local.dataverse import errors
from local.dataverse.addressing import Segment
from local.dataverse.metadata_errors import (
    COLUMN_NOT_CUSTOM,
    KEY_COLUMNS_EXIST,
    KEY_NAME_EXISTS,
    in_use,
    invalid,
    name_taken,
)
from local.dataverse.metadata_payload import (
    read_column,
    read_key,
    read_table,
    refuse_primary_name,
    with_column,
)
from local.dataverse.metadata_shapes import (
    column_id,
    find_table,
    is_addressed,
    key_id,
    no_such_child,
    table_definition,
    table_id,
)
from local.dataverse.privileges import require
from local.dataverse.request import Operation, no_content
from local.dataverse.schema import AlternateKey, Column, Table
from local.dataverse.solution_tables import ComponentType
from local.dataverse.solutions import add_component, forget_component, require_prefix

MAX_KEYS = 10


def write_definitions(operation: Operation, segments: list[Segment]) -> Response:
    """Any method but GET below `EntityDefinitions`; all of it happens, or nothing."""
    first, *rest = segments
    method = operation.request.method
    with operation.world.transaction():
        if first.arguments is None:
            if rest or method != "POST":
                raise errors.method_not_allowed(method, segments[-1].name)
            return _create_table(operation)
        table = find_table(operation.world.schema, first.arguments)
        match rest, method:
            case [], "PUT":
                return _replace_table(operation, table)
            case [], "DELETE":
                return _delete_table(operation, table)
            case [Segment("Attributes", None)], "POST":
                return _create_column(operation, table, first.arguments)
            case [Segment("Attributes", str(key))], "PUT":
                return _replace_column(operation, table, _find_column(table, key))
            case [Segment("Attributes", str(key))], "DELETE":
                return _delete_column(operation, table, _find_column(table, key))
            case [Segment("Keys", None)], "POST":
                return _create_key(operation, table, first.arguments)
            case [Segment("Keys", str(key))], "DELETE":
                return _delete_key(operation, table, _find_key(table, key))
        raise errors.method_not_allowed(method, segments[-1].name)


def _create_table(operation: Operation) -> Response:
    require(operation, "prvCreateEntity")
    table = read_table(operation.request.json())
    schema = operation.world.schema
    own = [column.schema_name for column in table.columns.values() if column.is_custom]
    for schema_name in (table.schema_name, *own):
        require_prefix(operation, schema_name)
    if schema.find(table.name) or schema.find_set(table.set_name):
        raise name_taken(table.schema_name)
    operation.world.definitions.change(table)
    add_component(operation, ComponentType.TABLE, table_id(table))
    return _created(operation, f"({table_id(table)})")


def _replace_table(operation: Operation, table: Table) -> Response:
    """Of a table only change tracking can be changed here; the rest must come back as a GET has shown it."""
    require(operation, "prvWriteEntity")
    body, current = operation.request.json(), table_definition(table)
    if absent := sorted(set(current) - set(body)):
        raise errors.not_modelled(f"a PUT without {', '.join(absent)}, which the service would set back to its default")
    changed = {name for name, value in current.items() if body[name] != value}
    if others := sorted(changed - {"ChangeTrackingEnabled"}):
        raise errors.not_modelled(f"a change of {', '.join(others)}")
    if changed:
        if body["ChangeTrackingEnabled"] is not True:
            raise invalid(f"Change tracking cannot be disabled for the entity {table.name} once it is enabled.")
        operation.world.definitions.change(replace(table, change_tracking_enabled=True))
    return _updated(operation)


def _delete_table(operation: Operation, table: Table) -> Response:
    require(operation, "prvDeleteEntity")
    if not table.is_custom:
        raise invalid(f"The specified entity is not a custom entity: {table.name}.")
    users = [other for other, _ in operation.world.schema.references_to(table.name) if other.name != table.name]
    if users:
        raise in_use("Entity", table_id(table), len(users))
    operation.world.definitions.drop(table.name)
    parts = [*(column_id(table, column) for column in table.columns.values()), *(key_id(table, k) for k in table.keys)]
    for component_id in (table_id(table), *parts):
        forget_component(operation.world, component_id, operation.author)
    return no_content()


def _create_column(operation: Operation, table: Table, address: str) -> Response:
    require(operation, "prvCreateAttribute")
    body = operation.request.json()
    column = read_column(body)
    refuse_primary_name(body)
    require_prefix(operation, column.schema_name)
    operation.world.definitions.change(with_column(table, column))
    add_component(operation, ComponentType.COLUMN, column_id(table, column), table)
    return _created(operation, f"({address})/Attributes({column_id(table, column)})")


def _replace_column(operation: Operation, table: Table, column: Column) -> Response:
    require(operation, "prvWriteAttribute")
    _require_custom(column)
    wanted = read_column(operation.request.json())
    if (wanted.schema_name, wanted.type) != (column.schema_name, column.type):
        raise invalid(f"Neither the name nor the type of the attribute {column.name} can be changed.")
    if (wanted.max_length or 0) < (column.max_length or 0):
        raise errors.not_modelled("a column that becomes shorter")
    operation.world.definitions.change(replace(table, columns={**table.columns, column.name: wanted}))
    add_component(operation, ComponentType.COLUMN, column_id(table, column), table)
    return _updated(operation)


def _delete_column(operation: Operation, table: Table, column: Column) -> Response:
    require(operation, "prvDeleteAttribute")
    _require_custom(column)
    users = sum(column.name in key.columns for key in table.keys)
    if users or column.name == table.primary_name:
        raise in_use("Attribute", column_id(table, column), max(users, 1))
    columns = {name: one for name, one in table.columns.items() if name != column.name}
    operation.world.definitions.change(replace(table, columns=columns))
    forget_component(operation.world, column_id(table, column), operation.author)
    return no_content()


def _require_custom(column: Column) -> None:
    if not column.is_custom:
        raise errors.bad_request(
            f"The specified attribute is not a custom attribute: {column.name}.", COLUMN_NOT_CUSTOM
        )


def _create_key(operation: Operation, table: Table, address: str) -> Response:
    require(operation, "prvCreateEntityKey")
    key = read_key(operation.request.json(), table)
    require_prefix(operation, key.schema_name)
    if any(other.logical_name == key.logical_name for other in table.keys):
        raise errors.bad_request(
            f"An entity key with the name {key.schema_name} already exists on entity {table.name}.", KEY_NAME_EXISTS
        )
    if any(set(other.columns) == set(key.columns) for other in table.keys):
        raise errors.bad_request(
            "An entity key with the selected attributes already exists on entity.", KEY_COLUMNS_EXIST
        )
    if len(table.keys) >= MAX_KEYS:
        raise invalid(f"The entity {table.name} has {MAX_KEYS} keys, which is the most that is allowed.")
    operation.world.definitions.change(replace(table, keys=(*table.keys, key)))
    operation.world.definitions.build_index(table.name, key.schema_name)
    add_component(operation, ComponentType.KEY, key_id(table, key), table)
    return _created(operation, f"({address})/Keys({key_id(table, key)})")


def _delete_key(operation: Operation, table: Table, key: AlternateKey) -> Response:
    require(operation, "prvDeleteEntityKey")
    keys = tuple(other for other in table.keys if other is not key)
    operation.world.definitions.change(replace(table, keys=keys))
    forget_component(operation.world, key_id(table, key), operation.author)
    return no_content()


def _find_column(table: Table, arguments: str) -> Column:
    for column in table.columns.values():
        if is_addressed(arguments, column.name, column_id(table, column)):
            return column
    raise no_such_child(arguments)


def _find_key(table: Table, arguments: str) -> AlternateKey:
    for key in table.keys:
        if is_addressed(arguments, key.logical_name, key_id(table, key)):
            return key
    raise no_such_child(arguments)


def _created(operation: Operation, address: str) -> Response:
    return no_content({"OData-EntityId": f"{operation.request.root}/EntityDefinitions{address}"})


def _updated(operation: Operation) -> Response:
    return no_content({"OData-EntityId": f"{operation.request.root}/{operation.request.path}"})


def _publish(operation: Operation) -> Response:
    """Columns and keys are usable at once; what publishing brings to forms and views is not modelled."""
    require(operation, "prvPublishCustomization")
    document = operation.request.json().get("ParameterXml")
    if not isinstance(document, str) or not document.lstrip().startswith("<importexportxml>"):
        raise invalid("ParameterXml must be an importexportxml document that names what to publish.")
    return no_content()


def _publish_all(operation: Operation) -> Response:
    require(operation, "prvPublishCustomization")
    return no_content()


def _reactivate_key(operation: Operation) -> Response:
    """Start the job for the index of a failed key again. Another key is left as it is: no page says more."""
    require(operation, "prvWriteEntityKey")
    body = operation.request.json()
    table = operation.world.schema.find(str(body.get("EntityLogicalName")))
    if table is None:
        raise errors.ServiceError(404, errors.UNSUPPORTED, f"Could not find an entity {body.get('EntityLogicalName')}.")
    key = _find_key(table, f"LogicalName='{body.get('EntityKeyLogicalName')}'")
    if key.index_status == "Failed":
        operation.world.definitions.build_index(table.name, key.schema_name)
    return no_content()


ACTIONS: Mapping[str, Callable[[Operation], Response]] = {
    "PublishXml": _publish,
    "PublishAllXml": _publish_all,
    "ReactivateEntityKey": _reactivate_key,
}
