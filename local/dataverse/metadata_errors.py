"""The refusals of metadata requests.

Codes and texts: Dataverse documentation, "Web service error codes". Where no page gives a code it is InvalidArgument.
"""

from local.dataverse.errors import INVALID_ARGUMENT, OBJECT_DOES_NOT_EXIST, ServiceError, bad_request

DUPLICATE_NAME = "0x80047010"
DUPLICATE_COLUMN = "0x80047013"
DUPLICATE_PRIMARY_NAME = "0x8004701e"
KEY_NAME_EXISTS = "0x80060893"
KEY_COLUMNS_EXIST = "0x80060894"
KEY_COLUMN_NOT_WRITABLE = "0x80090112"
COLUMN_NOT_FOUND = "0x80090101"
COLUMN_NOT_CUSTOM = "0x80047009"
LENGTH_OUT_OF_RANGE = "0x80090479"
COMPONENT_IN_USE = "0x8004f01f"
INVALID_PREFIX = "0x80048062"
SOLUTION_NAME_TAKEN = "0x8004f023"


def invalid(reason: str) -> ServiceError:
    return bad_request(reason, INVALID_ARGUMENT)


def column_exists(name: str, table: str) -> ServiceError:
    return bad_request(
        f"An attribute with the specified name {name} already exists for entity {table}.", DUPLICATE_COLUMN
    )


def name_taken(name: str) -> ServiceError:
    return bad_request(f"An object with the specified name already exists: {name}.", DUPLICATE_NAME)


def in_use(kind: str, component_id: str, users: int) -> ServiceError:
    return bad_request(
        f"The {kind}({component_id}) component cannot be deleted because it is referenced by {users} other components. "
        "For a list of referenced components, use the RetrieveDependenciesForDeleteRequest.",
        COMPONENT_IN_USE,
    )


def bad_prefix(schema_name: str) -> ServiceError:
    return bad_request(
        f"The schema name {schema_name} is invalid or missing. Names of custom components must start with a valid "
        "customization prefix. The prefix for a solution component should match the prefix that is specified for the "
        "publisher of the solution.",
        INVALID_PREFIX,
    )


def solution_missing(unique_name: str) -> ServiceError:
    return ServiceError(404, OBJECT_DOES_NOT_EXIST, f"The given solution unique name ({unique_name}) is not valid.")
