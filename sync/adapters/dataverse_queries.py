"""What is asked of Dataverse: addresses with their columns, expansions and conditions. Pure: no I/O.

Names of navigation properties are case-sensitive and not those of their columns. Sources: generated reference of
bookableresourcebooking, bookableresource, msdyn_workorder, systemuser and mailbox; Web API documentation,
select-columns, join-tables, filter-rows; checked 2026-11-21.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import quote

from sync.core.errors import InvalidPayload
from sync.core.sides import TimeSpan

BOOKINGS = "bookableresourcebookings"
RESOURCES = "bookableresources"
STATUSES = "bookingstatuses"
MAILBOXES = "mailboxes"
USERS = "systemusers"

EVENT_ID_COLUMN = "bks_eventid"
EVENT_HASH_COLUMN = "bks_eventhash"
"""The event id as it is, and its digest, which carries the alternate key (see `event_hash`)."""

UNDELIVERED_COLUMN = "bks_undelivered"
UNDELIVERED_LENGTH = 200
"""What the column holds, in UTF-16 code units."""

FORMATTED_VALUE = "OData.Community.Display.V1.FormattedValue"
"""The annotation that shows a lookup's primary name, also inside an expanded row (web-api-query-data-sample)."""

WORK_ORDER_LOOKUPS = {
    "priority": "_msdyn_priority_value",
    "type": "_msdyn_workordertype_value",
    "incident_type": "_msdyn_primaryincidenttype_value",
    "account": "_msdyn_serviceaccount_value",
    "contact": "_msdyn_reportedbycontact_value",
}
"""Fields of `WorkOrder` that are the primary name of a row which the work order points at."""

STATE_COLUMNS = "starttime,endtime,name,_resource_value,_bookingstatus_value,_msdyn_workorder_value"
"""What a booking's fingerprint is made of."""

_USER = "UserId($select=azureactivedirectoryobjectid,isdisabled)"
_RESOURCE_COLUMNS = "resourcetype,_userid_value"
_TECHNICIAN = f"Resource($select={_RESOURCE_COLUMNS};$expand={_USER})"
_STATUS = "BookingStatus($select=name,status,msdyn_fieldservicestatus)"
_WORK_ORDER_COLUMNS = ",".join(
    (
        "msdyn_name,msdyn_workordersummary",
        "msdyn_addressname,msdyn_address1,msdyn_address2,msdyn_address3",
        "msdyn_postalcode,msdyn_city,msdyn_stateorprovince,msdyn_country",
        "msdyn_timewindowstart,msdyn_timewindowend",
        *WORK_ORDER_LOOKUPS.values(),
    )
)

BOOKING_QUERY = (
    f"$select=bookableresourcebookingid,modifiedon,{STATE_COLUMNS}"
    f",{EVENT_ID_COLUMN},{EVENT_HASH_COLUMN},{UNDELIVERED_COLUMN}"
    f"&$expand={_STATUS},{_TECHNICIAN},msdyn_workorder($select={_WORK_ORDER_COLUMNS})"
)
"""One read answers everything that is decided on. Asks for the names of lookups by `FORMATTED_VALUE`."""

_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")

_LISTED_COLUMNS = f"bookableresourcebookingid,starttime,endtime,{EVENT_ID_COLUMN},{EVENT_HASH_COLUMN}"

# A customer's own status leaves Field Service's value empty, and whether `ne` finds what is empty is not documented.
_NOT_CANCELLED = (
    "BookingStatus/status ne 3 and "
    "(BookingStatus/msdyn_fieldservicestatus eq null or BookingStatus/msdyn_fieldservicestatus ne 690970005)"
)


def row_address(entity_set: str, row_id: str) -> str:
    return f"{entity_set}({guid(row_id)})"


def booking_of_event_address(event_hash: str) -> str:
    return f"{BOOKINGS}({EVENT_HASH_COLUMN}='{event_hash}')"


def bookings_naming(event_id: str) -> str:
    condition = "{} eq '{}'".format(EVENT_ID_COLUMN, event_id.replace("'", "''"))
    return _query(BOOKINGS, f"bookableresourcebookingid,{EVENT_ID_COLUMN}", condition)


def resource_address(resource_id: str) -> str:
    return f"{row_address(RESOURCES, resource_id)}?$select={_RESOURCE_COLUMNS}&$expand={_USER}"


def bookings_of_mailbox(mailbox_id: str, window: TimeSpan) -> str:
    condition = (
        f"Resource/UserId/azureactivedirectoryobjectid eq {guid(mailbox_id)}"
        f" and {_overlapping(window)} and {_NOT_CANCELLED}"
    )
    return _query(BOOKINGS, _LISTED_COLUMNS, condition)


def bookings_of_users(window: TimeSpan) -> str:
    condition = f"Resource/resourcetype eq 3 and {_overlapping(window)} and {_NOT_CANCELLED}"
    return _query(BOOKINGS, _LISTED_COLUMNS, condition, expand=_TECHNICIAN)


def bookings_of_work_order(work_order_id: str, ending_after: datetime) -> str:
    condition = (
        f"_msdyn_workorder_value eq {guid(work_order_id)} and endtime gt {wire_time(ending_after)} and {_NOT_CANCELLED}"
    )
    return _query(BOOKINGS, "bookableresourcebookingid", condition)


def bookings_of_changed_work_orders(since: datetime, ending_after: datetime) -> str:
    condition = (
        f"msdyn_workorder/modifiedon ge {wire_time(since)}"
        f" and endtime gt {wire_time(ending_after)} and {_NOT_CANCELLED}"
    )
    return f"{BOOKINGS}?{BOOKING_QUERY}{_filter(condition)}"


def changed_bookings() -> str:
    """For change tracking, which refuses conditions and expansions."""
    return f"{BOOKINGS}?$select=starttime,endtime"


def user_resources() -> str:
    return _query(RESOURCES, "bookableresourceid", "resourcetype eq 3 and statecode eq 0", expand=_USER)


def resources_of_user(mailbox_id: str) -> str:
    condition = f"UserId/azureactivedirectoryobjectid eq {guid(mailbox_id)} and resourcetype eq 3 and statecode eq 0"
    return _query(RESOURCES, "bookableresourceid", condition)


def scheduled_statuses() -> str:
    """Field Service's own, of which a customer may have several."""
    return _query(STATUSES, "bookingstatusid", "msdyn_fieldservicestatus eq 690970000 and statecode eq 0")


def technicians_of(mailbox_ids: Iterable[str]) -> str:
    """The user resources behind some mailboxes, by name."""
    users = " or ".join(f"UserId/azureactivedirectoryobjectid eq {guid(mailbox_id)}" for mailbox_id in mailbox_ids)
    return _query(RESOURCES, "name", f"resourcetype eq 3 and ({users})", expand=_USER)


def technicians_named(text: str) -> str:
    """The user resources whose name contains a text, or whose user has it as address."""
    quoted = text.replace("'", "''")
    named = f"contains(name,'{quoted}') or UserId/internalemailaddress eq '{quoted}'"
    return _query(RESOURCES, "name", f"resourcetype eq 3 and ({named})", expand=_USER)


def synchronized_mailboxes() -> str:
    """Mailboxes whose appointments server-side synchronization handles, tested and enabled."""
    condition = "actdeliverymethod eq 1 and enabledforact eq true and actstatus eq 1"
    return _query(MAILBOXES, "_regardingobjectid_value", condition)


def users_by_id(user_ids: Iterable[str]) -> str:
    listed = ",".join(f"'{guid(user_id)}'" for user_id in user_ids)
    condition = f"Microsoft.Dynamics.CRM.In(PropertyName='systemuserid',PropertyValues=[{listed}])"
    return _query(USERS, "azureactivedirectoryobjectid", condition)


def wire_time(moment: datetime) -> str:
    """An aware time as Dataverse takes it: UTC with `Z`, whole seconds; without `Z` it would be read as UTC anyway."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cut(text: str, length: int) -> str:
    """The beginning of `text` that fits a column, which counts in UTF-16 code units."""
    return text.encode("utf-16-le")[: 2 * length].decode("utf-16-le", errors="ignore")


def guid(text: str) -> str:
    """`text` as it may stand in an address. Raises `InvalidPayload` for what could say more there than an id."""
    if not _GUID.fullmatch(text):
        raise InvalidPayload(f"Not an id: {text[:60]!r}.")
    return text.lower()


def _overlapping(window: TimeSpan) -> str:
    return f"starttime lt {wire_time(window.end_at)} and endtime gt {wire_time(window.start_at)}"


def _query(entity_set: str, columns: str, condition: str, *, expand: str = "") -> str:
    expansion = f"&$expand={expand}" if expand else ""
    return f"{entity_set}?$select={columns}{expansion}{_filter(condition)}"


def _filter(condition: str) -> str:
    return f"&$filter={quote(condition, safe="()/,'")}"
