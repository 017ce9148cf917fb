"""Definitions as the JSON of `EntityDefinitions`, and the ids by which they are known.

Source: Dataverse documentation, "Query table definitions using the Web API" and the metadata entity type reference.
"""

import uuid
from typing import Any

from local.dataverse import errors
from local.dataverse.privileges import privilege_id, table_privileges
from local.dataverse.schema import AlternateKey, Column, ColumnType, Schema, Table

CAST = "Microsoft.Dynamics.CRM."
LANGUAGE = 1033
_NAMESPACE = uuid.UUID("0f0a3c52-4a56-4f0e-9d5b-6d0f5d0c7a01")

type Definition = dict[str, Any]


def _metadata_id(*names: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "/".join(names)))


def table_id(table: Table) -> str:
    return _metadata_id(table.name)


def column_id(table: Table, column: Column) -> str:
    return _metadata_id(table.name, column.name)


def key_id(table: Table, key: AlternateKey) -> str:
    return _metadata_id(table.name, key.schema_name)


def relationship_id(table: Table, navigation: str) -> str:
    return _metadata_id(table.name, navigation, "relationship")


def _label(text: str) -> Definition:
    label = {"Label": text, "LanguageCode": LANGUAGE}
    return {"LocalizedLabels": [label], "UserLocalizedLabel": label}


def table_definition(table: Table) -> Definition:
    return {
        "LogicalName": table.name,
        "SchemaName": table.schema_name,
        "EntitySetName": table.set_name,
        "LogicalCollectionName": table.set_name,
        "PrimaryIdAttribute": table.primary_id,
        "PrimaryNameAttribute": table.primary_name,
        "DisplayName": _label(table.display_name),
        "DisplayCollectionName": _label(table.display_collection_name or table.display_name),
        "OwnershipType": "UserOwned" if "ownerid" in table.columns else "OrganizationOwned",
        "IsActivity": False,
        "IsPrivate": False,
        "IsCustomEntity": table.is_custom,
        "ChangeTrackingEnabled": table.change_tracking_enabled,
        "CanChangeTrackingBeEnabled": {"Value": True},
        "IsOptimisticConcurrencyEnabled": True,
        "Privileges": [_privilege(right, name) for right, name in table_privileges(table)],
        "MetadataId": table_id(table),
    }


def _privilege(right: str, name: str) -> Definition:
    depths = dict.fromkeys(("CanBeBasic", "CanBeLocal", "CanBeDeep", "CanBeGlobal"), True)
    return {**depths, "Name": name, "PrivilegeId": privilege_id(name), "PrivilegeType": right}


def column_definition(table: Table, column: Column) -> Definition:
    is_key = column.name == table.primary_id
    definition: Definition = {
        "@odata.type": f"#{CAST}{_metadata_class(column)}",
        "LogicalName": column.name,
        "SchemaName": column.schema_name or column.name,
        "EntityLogicalName": table.name,
        "AttributeType": column.type.value,
        "AttributeTypeName": {"Value": f"{column.type.value}Type"},
        "DisplayName": _label(column.display_name or column.schema_name or column.name),
        "RequiredLevel": {"Value": "SystemRequired" if column.required else column.requirement},
        "IsCustomAttribute": column.is_custom,
        "IsPrimaryId": is_key,
        "IsPrimaryName": column.name == table.primary_name,
        "IsValidForCreate": column.writable,
        "IsValidForUpdate": column.writable and not is_key,
        "IsValidForRead": True,
        "MetadataId": column_id(table, column),
    }
    if column.max_length is not None:
        definition["MaxLength"] = column.max_length
    if column.minimum is not None:
        definition |= {"MinValue": column.minimum, "MaxValue": column.maximum}
    if column.type is ColumnType.DATE_TIME:
        definition |= {"Format": "DateAndTime", "DateTimeBehavior": {"Value": "UserLocal"}}
    if column.type is ColumnType.BOOLEAN:
        definition["DefaultValue"] = bool(column.default)
    if column.is_lookup:
        definition["Targets"] = list(column.references.values())
    return definition


def _metadata_class(column: Column) -> str:
    if column.type in (ColumnType.LOOKUP, ColumnType.OWNER):
        return "LookupAttributeMetadata"
    return {ColumnType.GUID: "UniqueIdentifierAttributeMetadata"}.get(
        column.type, f"{column.type.value}AttributeMetadata"
    )


def option_set(column: Column) -> Definition:
    options = [{"Value": value, "Label": _label(text)} for value, text in column.choices.items()]
    if column.type is ColumnType.BOOLEAN:
        return {"FalseOption": options[0], "TrueOption": options[1], "OptionSetType": "Boolean"}
    return {"Options": options}


def key_definition(table: Table, key: AlternateKey) -> Definition:
    return {
        "SchemaName": key.schema_name,
        "LogicalName": key.logical_name,
        "EntityLogicalName": table.name,
        "DisplayName": _label(key.display_name or key.schema_name),
        "KeyAttributes": list(key.columns),
        "EntityKeyIndexStatus": key.index_status,
        "MetadataId": key_id(table, key),
    }


def lookup_definition(schema: Schema, table: Table, navigation: str) -> Definition:
    column = table.navigations[navigation]
    target = column.references[navigation]
    return {
        "SchemaName": column.relationship or f"{target}_{table.name}_{column.name}",
        "ReferencingEntity": table.name,
        "ReferencingAttribute": column.name,
        "ReferencingEntityNavigationPropertyName": navigation,
        "ReferencedEntity": target,
        "ReferencedAttribute": schema[target].primary_id,
        "MetadataId": relationship_id(table, navigation),
    }


def is_addressed(arguments: str, logical_name: str, metadata_id: str) -> bool:
    """Whether the text in the parentheses means the definition with that name and id."""
    return arguments == f"LogicalName='{logical_name}'" or arguments.lower() in (
        metadata_id,
        f"metadataid={metadata_id}",
    )


def find_table(schema: Schema, arguments: str) -> Table:
    """The table that the parentheses of `EntityDefinitions(...)` name. Raises `ServiceError` 404."""
    for table in schema.tables():
        if is_addressed(arguments, table.name, table_id(table)):
            return table
    raise errors.ServiceError(404, "0x80060888", f"Could not find an entity with specified entity key: {arguments}.")


def no_such_child(arguments: str) -> errors.ServiceError:
    return errors.ServiceError(404, "0x80060888", f"Could not find an attribute with specified key: {arguments}.")
