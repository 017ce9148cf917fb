"""Definitions of tables, columns, keys and relationships as the Web API takes and shows them. Pure: no I/O.

Bodies: Dataverse documentation, create-update-column-definitions-using-web-api, create-update-entity-definitions-using-
web-api, create-update-entity-relationships-using-web-api, define-alternate-keys-entity, checked 2026-11-21.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sync.core.registration import (
    CASCADES,
    CHOICES,
    COLUMN_TYPE,
    KEY_STATUS,
    LENGTH,
    REFERENCES,
    TRACKS_CHANGES,
    Kind,
    Part,
    Value,
)

TYPE = "Microsoft.Dynamics.CRM."
RELATIONSHIPS = "RelationshipDefinitions"
FIRST_CHOICE = 721_100_000
"""The first value of our choices: the publisher's prefix for them, and four digits."""

_OPTIONAL = {
    "Value": "None",
    "CanBeChanged": True,
    "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings",
}
_IDENTITIES = {"appointment": "activityid"}
"""Primary ids that are not named after their table."""


def table_address(table: str) -> str:
    return f"EntityDefinitions(LogicalName='{table}')"


def definition_address(part: Part) -> str:
    """Where a table, column, key, relationship or a table's change tracking is found."""
    table = table_address(part.table)
    match part.kind:
        case Kind.COLUMN:
            return f"{table}/Attributes(LogicalName='{part.name.lower()}')"
        case Kind.KEY:
            return f"{table}/Keys(LogicalName='{part.name.lower()}')"
        case Kind.RELATIONSHIP:
            return f"{RELATIONSHIPS}(SchemaName='{part.name}')"
        case _:
            return table


def definition(part: Part, languages: Sequence[int]) -> tuple[str, dict[str, object]]:
    """The address to which a new definition is posted, and its body, with labels in each of `languages`."""
    table = table_address(part.table)
    match part.kind:
        case Kind.TABLE:
            return "EntityDefinitions", _table(part, languages)
        case Kind.COLUMN:
            return f"{table}/Attributes", _column(part, languages)
        case Kind.KEY:
            columns = str(part.values["columns"]).split(",")
            key: dict[str, object] = {
                "SchemaName": part.name,
                "KeyAttributes": columns,
                "DisplayName": _label(part, languages),
            }
            return f"{table}/Keys", key
        case Kind.RELATIONSHIP:
            return RELATIONSHIPS, _relationship(part, languages)
        case _:
            raise ValueError(f"{part.title} is no definition that is made")


def _table(part: Part, languages: Sequence[int]) -> dict[str, object]:
    primary = Part(
        kind=Kind.COLUMN,
        name=str(part.values["primary"]),
        why="",
        values={"label": part.values["primary label"], LENGTH: part.values[LENGTH]},
    )
    return {
        "@odata.type": f"{TYPE}EntityMetadata",
        "SchemaName": part.name,
        "DisplayName": _label(part, languages),
        "DisplayCollectionName": _label(part, languages, "plural"),
        "OwnershipType": "OrganizationOwned",
        "IsActivity": False,
        "HasActivities": False,
        "HasNotes": False,
        "Attributes": [{**_column(primary, languages), "IsPrimaryName": True}],
    }


def _column(part: Part, languages: Sequence[int]) -> dict[str, object]:
    kind = str(part.values.get(COLUMN_TYPE, "String"))
    body: dict[str, object] = {
        "@odata.type": f"{TYPE}{kind}AttributeMetadata",
        "AttributeType": kind,
        "AttributeTypeName": {"Value": f"{kind}Type"},
        "SchemaName": part.name,
    }
    match kind:
        case "DateTime":
            body |= {"Format": "DateAndTime", "DateTimeBehavior": {"Value": "UserLocal"}}
        case "Picklist":
            body["OptionSet"] = _options(part, languages)
        case _:
            body |= {"MaxLength": part.values[LENGTH], "FormatName": {"Value": "Text"}}
    return {**body, "RequiredLevel": _OPTIONAL, "DisplayName": _label(part, languages)}


def _options(part: Part, languages: Sequence[int]) -> dict[str, object]:
    labels = str(part.values[CHOICES]).split(",")
    return {
        "@odata.type": f"{TYPE}OptionSetMetadata",
        "IsGlobal": False,
        "OptionSetType": "Picklist",
        "Options": [
            {"Value": value, "Label": _text(label, languages)} for value, label in enumerate(labels, FIRST_CHOICE)
        ],
    }


def _relationship(part: Part, languages: Sequence[int]) -> dict[str, object]:
    target = str(part.values[REFERENCES])
    others = ("Assign", "Merge", "Reparent", "Share", "Unshare")
    return {
        "@odata.type": f"{TYPE}OneToManyRelationshipMetadata",
        "SchemaName": part.name,
        "ReferencedEntity": target,
        "ReferencedAttribute": _IDENTITIES.get(target, f"{target}id"),
        "ReferencingEntity": part.table,
        "CascadeConfiguration": {
            **dict.fromkeys(others, "NoCascade"),
            "Delete": "Cascade" if part.values[CASCADES] else "RemoveLink",
        },
        "Lookup": {
            "@odata.type": f"{TYPE}LookupAttributeMetadata",
            "AttributeType": "Lookup",
            "AttributeTypeName": {"Value": "LookupType"},
            "SchemaName": part.values["lookup"],
            "RequiredLevel": _OPTIONAL,
            "DisplayName": _label(part, languages),
        },
    }


def _label(part: Part, languages: Sequence[int], name: str = "label") -> dict[str, object]:
    """The label in every language of the table's own name: which of them is the environment's is not told."""
    return _text(str(part.values[name]), languages)


def _text(text: str, languages: Sequence[int]) -> dict[str, object]:
    return {
        "@odata.type": f"{TYPE}Label",
        "LocalizedLabels": [
            {"@odata.type": f"{TYPE}LocalizedLabel", "Label": text, "LanguageCode": language} for language in languages
        ],
    }


def columns_from_wire(
    parts: Iterable[Part], types: Iterable[Mapping[str, Any]], strings: Iterable[Mapping[str, Any]]
) -> dict[tuple[Kind, str], dict[str, Value]]:
    """Those of our columns that are there, from the definitions of all columns and of those that hold text."""
    kinds = {row["LogicalName"]: row["AttributeType"] for row in types}
    lengths = {row["LogicalName"]: row["MaxLength"] for row in strings}
    return {
        (part.kind, part.name): {COLUMN_TYPE: kinds[name], LENGTH: lengths.get(name) or 0}
        for part in parts
        if part.kind is Kind.COLUMN and (name := part.name.lower()) in kinds
    }


def keys_from_wire(
    parts: Iterable[Part], rows: Iterable[Mapping[str, Any]]
) -> dict[tuple[Kind, str], dict[str, Value]]:
    """Those of our keys that are there."""
    keys = {row["LogicalName"]: row for row in rows}
    return {
        (part.kind, part.name): {"columns": ",".join(key["KeyAttributes"]), KEY_STATUS: key["EntityKeyIndexStatus"]}
        for part in parts
        if part.kind is Kind.KEY and (key := keys.get(part.name.lower()))
    }


def tracking_from_wire(definition: Mapping[str, Any]) -> dict[str, Value]:
    possible = definition.get("CanChangeTrackingBeEnabled") or {}
    return {TRACKS_CHANGES: bool(definition["ChangeTrackingEnabled"]), "is possible": bool(possible.get("Value", True))}


def languages_from_wire(definition: Mapping[str, Any]) -> tuple[int, ...]:
    labels = (definition.get("DisplayName") or {}).get("LocalizedLabels") or []
    return tuple(label["LanguageCode"] for label in labels) or (1033,)
