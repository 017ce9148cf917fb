"""Which privileges in Dataverse the app needs, and which the person who sets it up. Pure.

Sources: Dataverse documentation, use-change-tracking-synchronize-data-external-systems (reading changes needs the whole
organization) and security-roles-privileges, checked 2026-11-21. That a lookup is set by Append on the one side and
Append To on the other is how roles are described; that the app cannot do without them is unconfirmed.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sync.core.answer_table import ANSWER_TABLE, APPOINTMENT_TABLE
from sync.core.registration import Doing, Kind, PlanEntry
from sync.core.webhooks import BOOKING_TABLE, WORK_ORDER_TABLE


class Right(NamedTuple):
    """A privilege on a table, as Dataverse types it: Create, Read, Write, Delete, Append or AppendTo."""

    type: str
    table: str


APP_TABLES = (
    *(BOOKING_TABLE, WORK_ORDER_TABLE, "bookingstatus", "bookableresource", "systemuser", "mailbox"),
    *("account", "contact", "msdyn_priority", "msdyn_workordertype", "msdyn_incidenttype"),
)
"""What the app reads. Those of Field Service are only there where it is installed."""


RIGHTS_ON_ANSWERS = [Right(kind, ANSWER_TABLE) for kind in ("Create", "Read", "Write", "Append")]


def rights_of_app(*, deletes_bookings: bool, reads_answers: bool = False) -> list[Right]:
    """What the app's role needs, for the whole organization: change tracking demands it, and visits are everybody's."""
    rights = [Right("Read", table) for table in APP_TABLES]
    rights += [Right("Write", BOOKING_TABLE), Right("Append", BOOKING_TABLE), Right("AppendTo", "bookingstatus")]
    if reads_answers:
        targets = (APPOINTMENT_TABLE, "contact", "systemuser")
        rights += [Right("Read", APPOINTMENT_TABLE), *RIGHTS_ON_ANSWERS]
        rights += [Right("AppendTo", table) for table in targets]
    return [*rights, Right("Delete", BOOKING_TABLE)] if deletes_bookings else rights


_TABLES_OF_ROWS = {
    Kind.PUBLISHER: "publisher",
    Kind.SOLUTION: "solution",
    Kind.ENDPOINT: "serviceendpoint",
    Kind.STEP: "sdkmessageprocessingstep",
    Kind.IMAGE: "sdkmessageprocessingstepimage",
}
_RIGHT_TYPES = {Doing.CREATE: "Create", Doing.CHANGE: "Write", Doing.REMOVE: "Delete"}
_METADATA_PRIVILEGES = {
    Kind.TABLE: "Entity",
    Kind.RELATIONSHIP: "Relationship",
    Kind.COLUMN: "Attribute",
    Kind.KEY: "EntityKey",
    Kind.CHANGE_TRACKING: "Entity",
}


def rights_of_plan(plan: Sequence[PlanEntry]) -> tuple[list[Right], list[str]]:
    """What whoever carries out the plan needs: rights on tables, and names of privileges on definitions."""
    rights: dict[Right, None] = {}
    names: dict[str, None] = {}
    for entry in plan:
        if entry.doing is Doing.PUBLISH:
            names["prvPublishCustomization"] = None
        elif entry.part.kind in _TABLES_OF_ROWS:
            rights[Right(_RIGHT_TYPES[entry.doing], _TABLES_OF_ROWS[entry.part.kind])] = None
        else:
            names[f"prv{_RIGHT_TYPES[entry.doing]}{_METADATA_PRIVILEGES[entry.part.kind]}"] = None
    return list(rights), list(names)
