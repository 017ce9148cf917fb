"""Rules of publishers and solutions, and which component belongs to which solution.

A request names its solution in the header `MSCRM.SolutionUniqueName`. Source: Dataverse documentation, "Use optional
parameters", "Introduction to solutions", table references of `publisher`, `solution` and `solutioncomponent`.
"""

import re
from collections.abc import Mapping

from local.dataverse import errors
from local.dataverse.metadata_errors import (
    SOLUTION_NAME_TAKEN,
    bad_prefix,
    invalid,
    solution_missing,
)
from local.dataverse.metadata_shapes import table_id
from local.dataverse.request import Operation
from local.dataverse.schema import Table, Value
from local.dataverse.solution_tables import (
    COMPONENT,
    DEFAULT_SOLUTION_ID,
    DO_NOT_INCLUDE_SUBCOMPONENTS,
    INCLUDE_SUBCOMPONENTS,
    PUBLISHER,
    SOLUTION,
    ComponentType,
)
from local.dataverse.world import Author, DataverseWorld, Row, RowChange

_HEADER = "mscrm.solutionuniquename"
_SCHEMA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*_[A-Za-z0-9_]+")
_PATTERNS: Mapping[tuple[str, str], str] = {
    (PUBLISHER, "uniquename"): r"[A-Za-z_][A-Za-z0-9_]*",
    (PUBLISHER, "customizationprefix"): r"(?!mscrm)[A-Za-z][A-Za-z0-9]{1,7}",
    (SOLUTION, "uniquename"): r"[A-Za-z_][A-Za-z0-9_]*",
    (SOLUTION, "version"): r"\d+\.\d+(\.\d+){0,2}",
}
_ROW_COMPONENTS = {
    "sdkmessageprocessingstep": ComponentType.STEP,
    "sdkmessageprocessingstepimage": ComponentType.STEP_IMAGE,
    "serviceendpoint": ComponentType.SERVICE_ENDPOINT,
}


def named_solution(operation: Operation) -> Row | None:
    """The solution that the request names; None when it names none.

    Raises `ServiceError`: 404 for a name that is not there, 400 for a managed solution, which takes no components.
    """
    unique_name = operation.request.headers.get(_HEADER, "")
    if not unique_name:
        return None
    solution = operation.world.find_by_values(SOLUTION, {"uniquename": unique_name})
    if solution is None:
        raise solution_missing(unique_name)
    if solution.values["ismanaged"]:
        raise invalid(f"The solution {unique_name} is managed: components cannot be added to it.")
    return solution


def require_prefix(operation: Operation, schema_name: str) -> None:
    """The name begins with the prefix of the solution's publisher; without a solution, with that of any publisher.

    Raises `ServiceError` 400.
    """
    world, solution = operation.world, named_solution(operation)
    publishers = (
        [world.get(PUBLISHER, str(solution.values["publisherid"]))] if solution else world.rows(PUBLISHER).values()
    )
    prefixes = {str(publisher.values["customizationprefix"]).lower() for publisher in publishers}
    if not _SCHEMA_NAME.fullmatch(schema_name) or schema_name.lower().partition("_")[0] not in prefixes:
        raise bad_prefix(schema_name)


def add_component(operation: Operation, kind: ComponentType, object_id: str, table: Table | None = None) -> None:
    """Note in the request's solution, if it names one, that it holds this component.

    `table` is the one that a column or key belongs to: a solution that does not hold it takes it up without its other
    parts.
    """
    solution = named_solution(operation)
    if solution is None:
        return
    if table is not None:
        _add_once(operation, solution, ComponentType.TABLE, table_id(table), DO_NOT_INCLUDE_SUBCOMPONENTS)
    behavior = INCLUDE_SUBCOMPONENTS if kind is ComponentType.TABLE else None
    _add_once(operation, solution, kind, object_id, behavior)


def add_row(operation: Operation, table: Table, row: Row) -> None:
    """Note a row that is itself a component, such as a webhook's step, in the request's solution."""
    kind = _ROW_COMPONENTS.get(table.name)
    if kind is not None:
        add_component(operation, kind, row.row_id)


def _add_once(operation: Operation, solution: Row, kind: ComponentType, object_id: str, behavior: int | None) -> None:
    values: dict[str, Value] = {"solutionid": solution.row_id, "objectid": object_id}
    if operation.world.find_by_values(COMPONENT, values) is None:
        values |= {"componenttype": kind.value, "rootcomponentbehavior": behavior}
        operation.world.create(COMPONENT, values, operation.author)


def forget_component(world: DataverseWorld, object_id: str, author: Author) -> None:
    """What is gone belongs to no solution any more."""
    _forget(world, {"objectid": object_id}, author)


def _forget(world: DataverseWorld, wanted: Mapping[str, Value], author: Author) -> None:
    while (component := world.find_by_values(COMPONENT, wanted)) is not None:
        world.delete(COMPONENT, component.row_id, author)


class SolutionRules:
    """Holds publishers, solutions and their components to the service's rules, whoever writes them."""

    def __init__(self, world: DataverseWorld) -> None:
        self._world = world
        world.before_write.append(self._check)
        world.after_write.append(self._forget_deleted)

    def _check(self, change: RowChange) -> None:
        if change.table not in (PUBLISHER, SOLUTION):
            return
        if change.message == "Delete":
            self._release(change)
            return
        if change.message == "Create":
            self._require_all(change)
        for name, value in change.values.items():
            pattern = _PATTERNS.get((change.table, name))
            if pattern is not None and (not isinstance(value, str) or not re.fullmatch(pattern, value)):
                raise invalid(f"The value '{value}' is not valid for '{name}' of '{change.table}'.")
        if "uniquename" in change.values:
            self._require_unique(change)

    def _require_all(self, change: RowChange) -> None:
        table = self._world.schema[change.table]
        for column in table.columns.values():
            is_asked_for = column.required and column.writable and column.name != table.primary_id
            if is_asked_for and change.values.get(column.name) is None:
                raise errors.cannot_be_null(column.name)

    def _require_unique(self, change: RowChange) -> None:
        name = change.values["uniquename"]
        other = self._world.find_by_values(change.table, {"uniquename": name})
        if other is None or other.row_id == change.row_id:
            return
        if change.table == SOLUTION:
            raise errors.bad_request(
                f"The solution unique name '{name}' is already being used and cannot be used again.",
                SOLUTION_NAME_TAKEN,
            )
        raise errors.ServiceError(
            412, errors.DUPLICATE_RECORD, f"A publisher with the unique name '{name}' already exists."
        )

    def _release(self, change: RowChange) -> None:
        """Deleting an unmanaged solution leaves its components where they are: they only lose the solution."""
        if change.table != SOLUTION or change.before is None:
            return
        if change.row_id == DEFAULT_SOLUTION_ID:
            raise invalid("The default solution cannot be deleted.")
        if change.before.values["ismanaged"]:
            raise errors.not_modelled("the removal of a managed solution with all its components")
        _forget(self._world, {"solutionid": change.row_id}, change.author)

    def _forget_deleted(self, change: RowChange) -> None:
        if change.message == "Delete" and change.table in _ROW_COMPONENTS:
            forget_component(self._world, change.row_id, change.author)
