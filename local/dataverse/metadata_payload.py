"""The body of a metadata request as columns, keys and tables, held against what the service accepts.

Strings, memos, whole numbers, booleans, choices and times are modelled; of times only those that are stored as UTC.
Labels are read in one language. Source: Dataverse documentation, "Create and update column definitions using the Web
API", "Create and update table definitions using the Web API", "Work with alternate keys".
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, cast

from local.dataverse import errors
from local.dataverse.columns import MAX_INTEGER, owner, state
from local.dataverse.metadata_errors import (
    COLUMN_NOT_FOUND,
    DUPLICATE_PRIMARY_NAME,
    KEY_COLUMN_NOT_WRITABLE,
    LENGTH_OUT_OF_RANGE,
    column_exists,
    invalid,
)
from local.dataverse.metadata_shapes import CAST, LANGUAGE, Definition
from local.dataverse.schema import AlternateKey, Column, ColumnType, Requirement, Table
from local.dataverse.table_definition import define_table

MAX_STRING, MAX_MEMO = 4_000, 1_048_576
MAX_KEY_COLUMNS, MAX_KEY_BYTES = 16, 900
_STRING_FORMATS = ("Text", "TextArea", "Email", "Url", "TickerSymbol", "Phone", "Json", "RichText")
_KEY_BYTES = {ColumnType.INTEGER: 4, ColumnType.CHOICE: 4, ColumnType.DATE_TIME: 8, ColumnType.LOOKUP: 16}
_NAMES = {"@odata.type", "SchemaName", "LogicalName", "DisplayName", "EntityLogicalName", "MetadataId"}
_COLUMN = _NAMES | {
    *("Description", "AttributeType", "AttributeTypeName", "RequiredLevel", "IsAuditEnabled", "IsCustomAttribute"),
    *("IsPrimaryId", "IsPrimaryName", "IsValidForCreate", "IsValidForUpdate", "IsValidForRead"),
}
_KEY = _NAMES | {"KeyAttributes"}
_NEEDED_OF_TABLE = (
    *("SchemaName", "DisplayName", "DisplayCollectionName", "OwnershipType", "IsActivity", "HasActivities", "HasNotes"),
    "Attributes",
)
_TABLE = _NAMES | {
    *("Description", "EntitySetName", "LogicalCollectionName", "ChangeTrackingEnabled"),
    *_NEEDED_OF_TABLE,
}


def read_column(body: Definition) -> Column:
    """The column that `body` defines. Raises `ServiceError` 400, or 501 for a type that is not modelled."""
    kind = _kind_of(body)
    if kind not in _READERS:
        raise errors.not_modelled(f"columns of the type '{kind}'")
    column_type, own_names, read = _READERS[kind]
    _refuse_unknown(body, _COLUMN | own_names, kind)
    for name, wanted in (("AttributeType", column_type.value), ("AttributeTypeName", f"{column_type.value}Type")):
        if name in body and _value_of(body, name) != wanted:
            raise invalid(f"{name} '{_value_of(body, name)}' does not fit {kind}.")
    schema_name = read_schema_name(body)
    column = Column(
        name=schema_name.lower(),
        type=column_type,
        schema_name=schema_name,
        requirement=_read_requirement(body),
        is_custom=True,
        display_name=read_label(body, "DisplayName") or schema_name,
    )
    return read(body, column)


def with_column(table: Table, column: Column) -> Table:
    """Raises `ServiceError` 400 when the table has a column of that name."""
    if column.name in table.columns:
        raise column_exists(column.name, table.name)
    return replace(table, columns={**table.columns, column.name: column})


def refuse_primary_name(body: Definition) -> None:
    """A table has its primary name from its creation on."""
    if _read(body, "IsPrimaryName", bool, False):
        raise errors.bad_request(
            f"The new attribute {body.get('SchemaName')} is set as the primary name attribute, which the entity has.",
            DUPLICATE_PRIMARY_NAME,
        )


def read_key(body: Definition, table: Table) -> AlternateKey:
    """The alternate key of `table` that `body` defines. Raises `ServiceError` 400."""
    _refuse_unknown(body, _KEY, "EntityKeyMetadata")
    schema_name = read_schema_name(body)
    names = body.get("KeyAttributes")
    if not isinstance(names, list) or not names or len(set(map(str, names))) != len(names):
        raise invalid("KeyAttributes must name each column of the key once.")
    if len(names) > MAX_KEY_COLUMNS:
        raise invalid(f"A key has {MAX_KEY_COLUMNS} columns at most.")
    size = sum(_key_bytes(table, str(name)) for name in names)
    if size > MAX_KEY_BYTES:
        raise invalid(f"The key {schema_name} takes {size} bytes; {MAX_KEY_BYTES} are allowed.")
    return AlternateKey(
        schema_name=schema_name,
        columns=tuple(names),
        index_status="Pending",
        display_name=read_label(body, "DisplayName") or schema_name,
    )


def _key_bytes(table: Table, name: str) -> int:
    column = table.columns.get(name)
    if column is None:
        raise errors.bad_request(
            f"The column with name '{name}' cannot be found on the table with name '{table.name}'.", COLUMN_NOT_FOUND
        )
    if not column.writable:
        raise errors.bad_request(
            f"Attribute of an entity key must be valid for create and update. Attribute Name = '{name}'",
            KEY_COLUMN_NOT_WRITABLE,
        )
    if column.type is ColumnType.STRING:
        return 2 * (column.max_length or 0)
    if column.type not in _KEY_BYTES:
        raise invalid(f"A column of the type {column.type.value} cannot be part of a key: '{name}'.")
    return _KEY_BYTES[column.type]


def read_table(body: Definition) -> Table:
    """The new table that `body` defines, with its columns. Raises `ServiceError` 400 or 501."""
    if _kind_of(body) != "EntityMetadata":
        raise errors.not_modelled(f"tables of the type '{_kind_of(body)}'")
    _refuse_unknown(body, _TABLE, "EntityMetadata")
    for name in _NEEDED_OF_TABLE:
        if body.get(name) is None:
            raise invalid(f"Required field '{name}' is missing.")
    for name in ("IsActivity", "HasActivities", "HasNotes"):
        if _read(body, name, bool, False):
            raise errors.not_modelled(f"tables with {name}")
    ownership = body["OwnershipType"]
    if ownership not in ("UserOwned", "OrganizationOwned"):
        raise invalid(f"OwnershipType '{ownership}' is not valid for a custom table.")
    schema_name, attributes = read_schema_name(body), _read_attributes(body)
    table = define_table(
        schema_name,
        _read(body, "EntitySetName", str, _plural(schema_name.lower())),
        read_label(body, "DisplayName") or schema_name,
        [*state(), *([owner()] if ownership == "UserOwned" else [])],
        primary_name=_primary_name(attributes),
    )
    for attribute in attributes:
        table = with_column(table, read_column(attribute))
    return replace(
        table,
        is_custom=True,
        display_collection_name=read_label(body, "DisplayCollectionName"),
        change_tracking_enabled=_read(body, "ChangeTrackingEnabled", bool, False),
    )


def _read_attributes(body: Definition) -> list[Definition]:
    attributes = body["Attributes"]
    if not isinstance(attributes, list) or not all(isinstance(one, dict) for one in attributes):
        raise invalid("Attributes must be an array of column definitions.")
    return attributes


def _primary_name(attributes: list[Definition]) -> str:
    primary = [one for one in attributes if _read(one, "IsPrimaryName", bool, False)]
    if len(primary) != 1 or _kind_of(primary[0]) != "StringAttributeMetadata":
        raise invalid("Exactly one attribute must be the primary name, and a StringAttributeMetadata.")
    if _value_of(primary[0], "FormatName") != "Text":
        raise invalid("The primary name attribute must have the FormatName Text.")
    return read_schema_name(primary[0]).lower()


def _plural(name: str) -> str:
    """The entity set name that the service derives from the logical name."""
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "z", "ch", "sh")) else f"{name}s"


def read_schema_name(body: Definition) -> str:
    """Raises `ServiceError` 400 without one, or with a logical name that is not its lower-case form."""
    schema_name = _read(body, "SchemaName", str, "")
    if not schema_name:
        raise invalid("Required field 'SchemaName' is missing.")
    if _read(body, "LogicalName", str, schema_name.lower()) != schema_name.lower():
        raise invalid(f"LogicalName '{body['LogicalName']}' is not the lower-case form of '{schema_name}'.")
    return schema_name


def read_label(body: Definition, name: str) -> str:
    """The text of a `Label`, in the environment's language if it is there. Empty without one."""
    if body.get(name) is None:
        return ""
    labels = body[name].get("LocalizedLabels") if isinstance(body[name], dict) else None
    if not isinstance(labels, list) or not all(isinstance(label, dict) for label in labels):
        raise invalid(f"{name} must be a Label with LocalizedLabels.")
    texts = {_read(label, "LanguageCode", int, LANGUAGE): _read(label, "Label", str, "") for label in reversed(labels)}
    return texts.get(LANGUAGE) or next(iter(texts.values()), "")


def _read_string(body: Definition, column: Column) -> Column:
    text_format = _value_of(body, "FormatName") or "Text"
    if text_format not in _STRING_FORMATS:
        raise invalid(f"FormatName '{text_format}' is not valid.")
    return replace(column, max_length=_read_length(body, 100, MAX_STRING))


def _read_memo(body: Definition, column: Column) -> Column:
    return replace(column, max_length=_read_length(body, 2_000, MAX_MEMO))


def _read_length(body: Definition, default: int, limit: int) -> int:
    length = _read(body, "MaxLength", int, default)
    if not 1 <= length <= limit:
        raise errors.bad_request(
            f"The provided maximum length {length} of column {body.get('SchemaName')} is out of range. Custom maximum "
            f"length values must be between 1 and {limit}.",
            LENGTH_OUT_OF_RANGE,
        )
    return length


def _read_integer(body: Definition, column: Column) -> Column:
    minimum, maximum = _read(body, "MinValue", int, -MAX_INTEGER - 1), _read(body, "MaxValue", int, MAX_INTEGER)
    if not -MAX_INTEGER - 1 <= minimum <= maximum <= MAX_INTEGER:
        raise invalid(f"MinValue {minimum} and MaxValue {maximum} are out of range.")
    return replace(column, minimum=minimum, maximum=maximum)


def _read_boolean(body: Definition, column: Column) -> Column:
    options = _read(body, "OptionSet", dict, {})
    choices = {}
    for value, option in enumerate(("FalseOption", "TrueOption")):
        choice = _read(options, option, dict, {})
        if _read(choice, "Value", int, -1) != value or not read_label(choice, "Label"):
            raise invalid(f"A boolean column needs an OptionSet whose {option} has the Value {value} and a Label.")
        choices[value] = read_label(choice, "Label")
    return replace(column, choices=choices, default=_read(body, "DefaultValue", bool, False))


def _read_choice(body: Definition, column: Column) -> Column:
    options = _read(body, "OptionSet", dict, {})
    if options.get("IsGlobal") is not False or options.get("OptionSetType") != "Picklist":
        raise errors.not_modelled("choices whose OptionSet is not a local one of the type Picklist")
    choices = {_read(one, "Value", int, -1): read_label(one, "Label") for one in _read(options, "Options", list, [])}
    if not choices or -1 in choices or not all(choices.values()):
        raise invalid("Each of the Options of a choice needs a Value and a Label.")
    return replace(column, choices=choices)


def _read_time(body: Definition, column: Column) -> Column:
    time_format, behavior = body.get("Format", "DateAndTime"), _value_of(body, "DateTimeBehavior") or "UserLocal"
    if time_format not in ("DateAndTime", "DateOnly") or behavior not in (
        "UserLocal",
        "DateOnly",
        "TimeZoneIndependent",
    ):
        raise invalid(f"Format '{time_format}' with DateTimeBehavior '{behavior}' is not valid.")
    if (time_format, behavior) != ("DateAndTime", "UserLocal"):
        raise errors.not_modelled(f"times with Format {time_format} and DateTimeBehavior {behavior}")
    return column


_READERS: Mapping[str, tuple[ColumnType, AbstractSet[str], Callable[[Definition, Column], Column]]] = {
    "StringAttributeMetadata": (ColumnType.STRING, {"MaxLength", "Format", "FormatName"}, _read_string),
    "MemoAttributeMetadata": (ColumnType.MEMO, {"MaxLength", "Format", "FormatName"}, _read_memo),
    "IntegerAttributeMetadata": (ColumnType.INTEGER, {"MinValue", "MaxValue", "Format"}, _read_integer),
    "BooleanAttributeMetadata": (ColumnType.BOOLEAN, {"DefaultValue", "OptionSet"}, _read_boolean),
    "PicklistAttributeMetadata": (ColumnType.CHOICE, {"OptionSet"}, _read_choice),
    "DateTimeAttributeMetadata": (ColumnType.DATE_TIME, {"Format", "DateTimeBehavior"}, _read_time),
}


def _kind_of(body: Definition) -> str:
    """The name in `@odata.type`, with or without its leading hash."""
    given = _read(body, "@odata.type", str, "").removeprefix("#")
    if not given.startswith(CAST):
        raise errors.bad_payload(
            "EntityDefinitions", "A type named in '@odata.type' is needed to tell which definition this is."
        )
    return given.removeprefix(CAST)


def _refuse_unknown(body: Definition, known: AbstractSet[str], kind: str) -> None:
    for name in body:
        if name not in known and not name.startswith("@odata."):
            raise errors.bad_payload(
                "EntityDefinitions",
                f"The property '{name}' does not exist on type '{CAST}{kind}'. Make sure to only use property names "
                "that are defined by the type.",
            )


def _read_requirement(body: Definition) -> Requirement:
    level = _value_of(body, "RequiredLevel") or "None"
    if level not in ("None", "Recommended", "ApplicationRequired"):
        raise invalid(f"RequiredLevel '{level}' is not valid for a custom column.")
    return cast("Requirement", level)


def _value_of(body: Definition, name: str) -> Any:
    """A property that is either a plain value or an object with a `Value`."""
    given = body.get(name)
    return given.get("Value") if isinstance(given, dict) else given


def _read[T](body: Definition, name: str, kind: type[T], default: T) -> T:
    """A property of one type, `default` when it is absent or null. Raises `ServiceError` 400 for another type."""
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise errors.bad_payload("EntityDefinitions", f"Cannot convert the value of '{name}' to {kind.__name__}.")
    return value
