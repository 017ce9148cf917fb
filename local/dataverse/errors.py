"""The refusals of the Dataverse Web API: HTTP status, error code and text.

Codes and texts: Dataverse documentation, "Compose HTTP requests and handle errors", "Perform conditional operations",
"Web service error codes" and "Service protection API limits". Texts that no page shows are kept in the same style.
"""

UNSUPPORTED = "0x80060888"
BAD_PAYLOAD = "0x80048d19"
OBJECT_DOES_NOT_EXIST = "0x80040217"
KEY_DOES_NOT_EXIST = "0x80060891"
VERSION_MISMATCH = "0x80060882"
DUPLICATE_RECORD = "0x80040237"
DUPLICATE_KEY = "0x80060892"
TOO_LONG = "0x80044331"
OUT_OF_RANGE = "0x80044330"
CHOICE_OUT_OF_RANGE = "0x8004431a"
INVALID_ARGUMENT = "0x80040203"
PLUG_IN_REFUSAL = "0x80040265"
DELETE_RESTRICTED = "0x80040227"
EXPIRED_VERSION_STAMP = "0x80044352"
PRIVILEGE_DENIED = "0x80040220"


class ServiceError(Exception):
    """A request is refused. `code` is the hex text that the service puts into the body."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def entity_type(table: str) -> str:
    return f"Microsoft.Dynamics.CRM.{table}"


def bad_request(message: str, code: str = UNSUPPORTED) -> ServiceError:
    return ServiceError(400, code, message)


def not_modelled(what: str) -> ServiceError:
    """The real service may know this; the simulator does not, and says so instead of guessing."""
    return ServiceError(501, "", f"The local simulator does not model {what}.")


def no_such_property(name: str, table: str) -> ServiceError:
    return bad_request(f"Could not find a property named '{name}' on type '{entity_type(table)}'.")


def bad_payload(set_name: str, reason: str) -> ServiceError:
    return bad_request(
        f"Error identified in Payload provided by the user for Entity :'{set_name}', For more information on this "
        "error please follow this help link https://go.microsoft.com/fwlink/?linkid=2195293  ---->  "
        f"InnerException : Microsoft.OData.ODataException: {reason}",
        BAD_PAYLOAD,
    )


def undeclared_binding(set_name: str, name: str) -> ServiceError:
    return bad_payload(
        set_name,
        f"An undeclared property '{name}' which only has property annotations in the payload but no property value was "
        "found in the payload. In OData, only declared navigation properties and declared named streams can be "
        "represented as properties without values.",
    )


def no_such_segment(segment: str) -> ServiceError:
    return ServiceError(404, UNSUPPORTED, f"Resource not found for the segment '{segment}'.")


def row_missing(table: str, row_id: str) -> ServiceError:
    return ServiceError(404, OBJECT_DOES_NOT_EXIST, f"{table} With Id = {row_id} Does Not Exist")


def key_missing(table: str) -> ServiceError:
    return ServiceError(
        404, KEY_DOES_NOT_EXIST, f"A record with the specified key values does not exist in {table} entity"
    )


def invalid_key(table: str) -> ServiceError:
    return bad_request(
        f"The key in the request URI is not valid for resource '{entity_type(table)}'. Ensure that the names and "
        "number of key properties match the declared or alternate key properties for the resource "
        f"'{entity_type(table)}'."
    )


def version_mismatch() -> ServiceError:
    return ServiceError(
        412, VERSION_MISMATCH, "The version of the existing record doesn't match the RowVersion property provided."
    )


def record_exists() -> ServiceError:
    return ServiceError(412, DUPLICATE_RECORD, "A record with matching key values already exists.")


def cannot_be_null(column: str) -> ServiceError:
    return bad_request(f"Attribute '{column}' cannot be NULL.", INVALID_ARGUMENT)


def delete_restricted() -> ServiceError:
    return ServiceError(
        405,
        DELETE_RESTRICTED,
        "The object you tried to delete is associated with another object and cannot be deleted.",
    )


def method_not_allowed(method: str, segment: str) -> ServiceError:
    return ServiceError(
        405, UNSUPPORTED, f"The requested resource does not support http method '{method}' on '{segment}'."
    )
