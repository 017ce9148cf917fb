"""What the service does to bookings by itself: refusals, durations, crew changes.

How the service keeps start, end and duration in agreement is in no document, so each behaviour is behind a switch:
`refuse_end_before_start`, `recompute_duration`. `refuse_status_change` plays a customer's plug-in. Crew changes follow
the description of `msdyn_cascadecrewchanges` in the table reference of Field Service; `crew_cascade` turns them off.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from local.dataverse import errors
from local.dataverse.schema import Value

if TYPE_CHECKING:
    from local.dataverse.world import Author, DataverseWorld, Row

BOOKING = "bookableresourcebooking"
_SPREAD = ("starttime", "endtime", "duration", "bookingstatus")


def complete_booking(world: "DataverseWorld", table: str, before: "Row | None", values: dict[str, Value]) -> None:
    """Check the row that is about to be stored, and fill in what the service computes."""
    if table != BOOKING:
        return
    switches = world.switchboard.switches
    refusal = switches["refuse_status_change"]
    if refusal is not None and before is not None and before.values["bookingstatus"] != values["bookingstatus"]:
        raise errors.bad_request(str(refusal), errors.PLUG_IN_REFUSAL)
    start, end = values["starttime"], values["endtime"]
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        return
    if end < start and switches["refuse_end_before_start"]:
        raise errors.bad_request("The end time of a booking cannot be before its start time.", errors.PLUG_IN_REFUSAL)
    if switches["recompute_duration"]:
        values["duration"] = max(0, int((end - start).total_seconds() // 60))


def cascade_crew_changes(world: "DataverseWorld", table: str, before: "Row", after: "Row", author: "Author") -> None:
    """Spread a change of time or status to the other bookings of the same requirement with the same start and end."""
    if table != BOOKING or not world.switchboard.switches["crew_cascade"]:
        return
    requirement = after.values["msdyn_resourcerequirement"]
    changed = {name: after.values[name] for name in _SPREAD if after.values[name] != before.values[name]}
    if not (after.values["msdyn_cascadecrewchanges"] and requirement and changed):
        return
    same = ("msdyn_resourcerequirement", "starttime", "endtime")
    for row in list(world.rows(BOOKING).values()):
        is_crew = row.row_id != after.row_id and all(row.values[name] == before.values[name] for name in same)
        is_behind = any(row.values[name] != value for name, value in changed.items())
        if is_crew and is_behind and row.values["msdyn_acceptcascadecrewchanges"]:
            world.update(BOOKING, row.row_id, changed, author)
