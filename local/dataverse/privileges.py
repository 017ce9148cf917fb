"""What the app's user may do: the privileges of its security roles, and the refusal of a request that lacks one.

The user has every privilege, except those that the switch `denied_privileges` names; other users have them all. Record
ownership is not modelled: a depth below the whole organization matters for change tracking only, which demands it.
Source: Dataverse documentation, "RetrieveUserPrivileges", "Privileges by table", "Use change tracking"; the text of the
refusal is that of the service, without the numbers of roles and tables.
"""

import uuid
from collections.abc import Iterator
from typing import Any

from local.dataverse import errors
from local.dataverse.request import Operation
from local.dataverse.schema import Table
from local.dataverse.seed import BUSINESS_UNIT_ID
from local.dataverse.world import DataverseWorld

_NAMESPACE = uuid.UUID("7f5a3d2c-60d5-4d0b-9a43-5b1f7f5c7c11")
_RIGHTS = ("Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign", "Share")
_OTHER_NAMES = {
    "systemuser": "User",
    "solutioncomponent": "Solution",
    "sdkmessagefilter": "SdkMessage",
    **dict.fromkeys(("appointment", "serviceappointment", "activityparty"), "Activity"),
}
_MISCELLANEOUS = (
    *(f"prv{right}Entity" for right in ("Create", "Read", "Write", "Delete")),
    *(f"prv{right}Attribute" for right in ("Create", "Read", "Write", "Delete")),
    *(f"prv{right}EntityKey" for right in ("Create", "Read", "Write", "Delete")),
    *(f"prv{right}Relationship" for right in ("Create", "Read", "Write", "Delete")),
    "prvPublishCustomization",
    "prvActOnBehalfOfAnotherUser",
)


def privilege_id(name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, name.lower()))


def table_privilege(right: str, table: Table) -> str:
    """The name of the privilege to `right` (Create, Read, Write, Delete, Append, AppendTo) rows of a table."""
    return f"prv{right}{_OTHER_NAMES.get(table.name, table.schema_name)}"


def table_privileges(table: Table) -> list[tuple[str, str]]:
    """Right and name of each privilege on a table."""
    return [(right, table_privilege(right, table)) for right in _RIGHTS]


def require(operation: Operation, name: str, *, in_organization: bool = False) -> None:
    """Raises `ServiceError` 403 when the caller lacks the privilege, or lacks it for the whole organization.

    Who acts for another user needs it, too: only what both may do is allowed.
    """
    world, author = operation.world, operation.author
    for user_id in filter(None, (author.on_behalf_by, author.user_id)):
        depth = _depth(world, user_id, name)
        if depth is None or (in_organization and depth != "Global"):
            raise errors.ServiceError(
                403,
                errors.PRIVILEGE_DENIED,
                f"Principal user (Id={user_id}, type=8) is missing {name} privilege (Id={privilege_id(name)}). "
                f"context.Caller={author.user_id}",
            )


def retrieve_user_privileges(world: DataverseWorld, user_id: str) -> list[dict[str, Any]]:
    """The `RolePrivileges` of a user, as the function of that name answers them."""
    return [
        {
            "Depth": depth,
            "PrivilegeId": privilege_id(name),
            "BusinessUnitId": BUSINESS_UNIT_ID,
            "PrivilegeName": name,
        }
        for name in dict.fromkeys(_names(world))
        if (depth := _depth(world, user_id, name))
    ]


def _names(world: DataverseWorld) -> Iterator[str]:
    for table in world.schema.tables():
        yield from (name for _, name in table_privileges(table))
    yield from _MISCELLANEOUS


def _depth(world: DataverseWorld, user_id: str, name: str) -> str | None:
    """How far a privilege of a user reaches; None without it."""
    if user_id != world.users["app"]:
        return "Global"
    denied = {entry.lower() for entry in world.switchboard.switches["denied_privileges"]}
    if name.lower() in denied:
        return None
    return "Deep" if f"global:{name.lower()}" in denied else "Global"
