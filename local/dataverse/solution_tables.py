"""The tables of solutions: publishers, solutions and what belongs to them.

Source: Dataverse documentation, table references of `publisher`, `solution` and `solutioncomponent`.
"""

from dataclasses import replace
from enum import IntEnum

from local.dataverse.columns import choice, flag, lookup, memo, text, time
from local.dataverse.schema import Column, ColumnType, Table
from local.dataverse.table_definition import define_table

PUBLISHER, SOLUTION, COMPONENT = "publisher", "solution", "solutioncomponent"
DEFAULT_SOLUTION_ID = "fd140aaf-4df4-11dd-bd17-0019b9312238"
"""The same in every environment."""


class ComponentType(IntEnum):
    """What kind of thing a solution component is."""

    TABLE = 1
    COLUMN = 2
    RELATIONSHIP = 10
    KEY = 14
    STEP = 92
    STEP_IMAGE = 93
    SERVICE_ENDPOINT = 95


INCLUDE_SUBCOMPONENTS, DO_NOT_INCLUDE_SUBCOMPONENTS = 0, 1
_COMPONENT_TYPES = {
    ComponentType.TABLE: "Entity",
    ComponentType.COLUMN: "Attribute",
    ComponentType.RELATIONSHIP: "Entity Relationship",
    ComponentType.KEY: "Entity Key",
    ComponentType.STEP: "SDK Message Processing Step",
    ComponentType.STEP_IMAGE: "SDK Message Processing Step Image",
    ComponentType.SERVICE_ENDPOINT: "Service Endpoint",
}
_BEHAVIORS = {
    INCLUDE_SUBCOMPONENTS: "Include Subcomponents",
    DO_NOT_INCLUDE_SUBCOMPONENTS: "Do not include subcomponents",
}


def solution_tables() -> list[Table]:
    component = define_table(
        "SolutionComponent", "solutioncomponents", "Solution Component", _component(), primary_name="componenttype"
    )
    return [
        define_table("Publisher", "publishers", "Publisher", _publisher(), primary_name="friendlyname"),
        define_table("Solution", "solutions", "Solution", _solution(), primary_name="friendlyname"),
        replace(component, is_fixed=True),
    ]


def _publisher() -> list[Column]:
    option_prefix = Column(
        name="customizationoptionvalueprefix", type=ColumnType.INTEGER, minimum=10_000, maximum=99_999, required=True
    )
    return [
        text("uniquename", 256, required=True),
        text("friendlyname", 256, required=True),
        memo("description"),
        text("customizationprefix", 8, required=True),
        option_prefix,
        flag("isreadonly", writable=False),
    ]


def _solution() -> list[Column]:
    return [
        text("uniquename", 65, required=True),
        text("friendlyname", 256, required=True),
        memo("description"),
        text("version", 256, required=True),
        lookup("publisherid", "publisher", required=True, restrict=True),
        flag("ismanaged", writable=False),
        Column(name="isvisible", type=ColumnType.BOOLEAN, default=True, writable=False, choices={0: "No", 1: "Yes"}),
        time("installedon", writable=False),
    ]


def _component() -> list[Column]:
    columns = [
        choice("componenttype", {kind.value: label for kind, label in _COMPONENT_TYPES.items()}, required=True),
        Column(name="objectid", type=ColumnType.GUID),
        choice("rootcomponentbehavior", _BEHAVIORS),
        lookup("solutionid", "solution"),
    ]
    return [replace(column, writable=False) for column in columns]
