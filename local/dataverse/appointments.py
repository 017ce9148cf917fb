"""The tables of appointments and of those who take part in them, and what the service does to them by itself.

Parties are read only: a real client writes them through their activity, which is not modelled; `invite` does it for the
sample and for tests. Source: Dataverse documentation, table references of `appointment`, `activityparty` and
`serviceappointment`, checked 2026-11-21.
"""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from local.dataverse import errors
from local.dataverse.columns import choice, flag, integer, lookup, memo, owner, text, time
from local.dataverse.schema import Collection, Column, ColumnType, Table, Value
from local.dataverse.table_definition import define_table

if TYPE_CHECKING:
    from local.dataverse.world import Author, DataverseWorld, Row

APPOINTMENT, PARTY = "appointment", "activityparty"
PARTIES = "appointment_activity_parties"
"""The collection of an appointment's parties."""

OPEN, COMPLETED, CANCELED, SCHEDULED = 0, 1, 2, 3
REQUIRED, OPTIONAL, ORGANIZER = 5, 6, 7
SINGLE, MASTER, INSTANCE = 0, 1, 2

_STATES = {OPEN: "Open", COMPLETED: "Completed", CANCELED: "Canceled", SCHEDULED: "Scheduled"}
_STATUSES = {1: "Free", 2: "Tentative", 3: "Completed", 4: "Canceled", 5: "Busy", 6: "Out of Office"}
_STATUS_OF = {OPEN: 1, COMPLETED: 3, CANCELED: 4, SCHEDULED: 5}
"""The status that a state has by default."""

_SERIES = {
    SINGLE: "Not Recurring",
    MASTER: "Recurring Master",
    INSTANCE: "Recurring Instance",
    3: "Recurring Exception",
    4: "Recurring Future Exception",
}
_MASKS = {
    1: "Sender",
    2: "To Recipient",
    3: "CC Recipient",
    4: "BCC Recipient",
    REQUIRED: "Required attendee",
    OPTIONAL: "Optional attendee",
    ORGANIZER: "Organizer",
    8: "Regarding",
    9: "Owner",
    10: "Resource",
    11: "Customer",
}


def appointment_tables() -> list[Table]:
    appointment = [
        *_activity(),
        text("location", 200),
        memo("description"),
        flag("isalldayevent"),
        flag("isdraft"),
        text("globalobjectid", 300),
        integer("outlookownerapptid"),
        choice("prioritycode", {0: "Low", 1: "Normal", 2: "High"}, default=1),
        replace(choice("instancetypecode", _SERIES, default=SINGLE), writable=False),
        Column(name="seriesid", type=ColumnType.GUID, writable=False),
    ]
    party = [
        replace(choice("participationtypemask", _MASKS), writable=False),
        text("addressused", 200, writable=False),
        flag("ispartydeleted", writable=False),
        replace(lookup("activityid", APPOINTMENT, "activityid_appointment"), on_delete="cascade", writable=False),
        Column(
            name="partyid",
            type=ColumnType.LOOKUP,
            targets={f"partyid_{table}": table for table in ("systemuser", "contact", "account")},
            writable=False,
        ),
    ]
    parties = Collection(navigation=PARTIES, table=PARTY, column="activityid")
    return [
        replace(_define_activity("Appointment", "appointments", "Appointment", appointment), collections=(parties,)),
        _define_activity("ServiceAppointment", "serviceappointments", "Service Activity", _activity()),
        replace(
            define_table("ActivityParty", "activityparties", "Activity Party", party, primary_name="addressused"),
            is_fixed=True,
        ),
    ]


def _activity() -> list[Column]:
    return [
        text("subject", 200),
        time("scheduledstart"),
        time("scheduledend"),
        integer("scheduleddurationminutes", minimum=0),
        owner(),
        Column(name="statecode", type=ColumnType.STATE, choices=_STATES, required=True, default=OPEN),
        Column(name="statuscode", type=ColumnType.STATUS, choices=_STATUSES, default=_STATUS_OF[OPEN]),
    ]


def _define_activity(schema_name: str, set_name: str, display_name: str, columns: list[Column]) -> Table:
    """A table of activities: they share the column of their ids."""
    table = define_table(schema_name, set_name, display_name, columns, primary_name="subject")
    identity = replace(table.columns[table.primary_id], name="activityid")
    others = {name: column for name, column in table.columns.items() if name != table.primary_id}
    return replace(table, identity=identity.name, columns={identity.name: identity, **others})


def complete_appointment(table: str, before: "Row | None", values: dict[str, Value]) -> None:
    """Check the row that is about to be stored, and fill in what the service computes.

    A completed or cancelled appointment is read-only until its state is set back to open or scheduled.
    """
    if table != APPOINTMENT:
        return
    closed = (COMPLETED, CANCELED)
    if before is not None and before.values["statecode"] in closed and values["statecode"] in closed:
        raise errors.bad_request(
            f"This appointment is {_STATES[int(str(before.values['statecode']))].lower()} and read-only.",
            errors.PLUG_IN_REFUSAL,
        )
    state = values["statecode"]
    if before is not None and isinstance(state, int) and state != before.values["statecode"]:
        is_named = values["statuscode"] != before.values["statuscode"]
        values["statuscode"] = values["statuscode"] if is_named else _STATUS_OF[state]
    start, end = values["scheduledstart"], values["scheduledend"]
    if isinstance(start, datetime) and isinstance(end, datetime):
        values["scheduleddurationminutes"] = max(0, int((end - start).total_seconds() // 60))


def invite(
    world: "DataverseWorld",
    author: "Author",
    appointment_id: str,
    mask: int,
    *,
    party_id: str | None = None,
    address: str | None = None,
) -> None:
    """Add a party to an appointment: a user, contact or account (`party_id`), or somebody known by mail only."""
    values: dict[str, Value] = {
        "activityid": appointment_id,
        "participationtypemask": mask,
        "partyid": party_id,
        "addressused": address,
    }
    world.create(PARTY, values, author)
