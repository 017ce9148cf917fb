"""The tables that the simulator offers, with the columns that a booking sync reads or writes.

Source: Dataverse documentation, table references of Field Service, Universal Resource Scheduling and the platform;
navigation names in the case in which working Web API requests use them. What this product adds is in `app_columns`.
"""

from dataclasses import replace

from local.dataverse.answer_table import with_answers
from local.dataverse.app_columns import with_app_columns
from local.dataverse.appointments import appointment_tables
from local.dataverse.columns import (
    choice,
    degrees,
    flag,
    integer,
    lookup,
    memo,
    owner,
    state,
    text,
    time,
)
from local.dataverse.schema import AlternateKey, Collection, Column, ColumnType, Schema, Table
from local.dataverse.server_side_sync import mailbox_columns, organization_columns
from local.dataverse.solution_tables import solution_tables
from local.dataverse.table_definition import define_table
from local.dataverse.webhook_tables import webhook_tables

PROPOSED, COMMITTED, CANCELED = 1, 2, 3
RESOURCE_TYPES = {
    1: "Generic",
    2: "Contact",
    3: "User",
    4: "Equipment",
    5: "Account",
    6: "Crew",
    7: "Facility",
    8: "Pool",
}
GENERIC_RESOURCE, USER_RESOURCE = 1, 3
FIELD_SERVICE_STATUSES = {
    690970000: "Scheduled",
    690970001: "Traveling",
    690970002: "On Break",
    690970003: "In Progress",
    690970004: "Completed",
    690970005: "Canceled",
}
MANUAL_BOOKING = 690970003


def _booking() -> Table:
    durations = ("estimatedtravel", "actualtravel", "basetravel")
    totals = ("durationinprogress", "billableduration", "breakduration")
    columns = [
        text("name", 100),
        time("starttime", required=True),
        time("endtime", required=True),
        integer("duration", minimum=0, required=True),
        lookup("bookingstatus", "bookingstatus", "BookingStatus", required=True, restrict=True),
        lookup("resource", "bookableresource", "Resource", required=True, restrict=True),
        choice("bookingtype", {1: "Solid", 2: "Liquid"}, required=True, default=1),
        lookup("msdyn_workorder", "msdyn_workorder"),
        lookup("msdyn_resourcerequirement", "msdyn_resourcerequirement", "msdyn_ResourceRequirement"),
        lookup("msdyn_bookingsetupmetadataid", "msdyn_bookingsetupmetadata", "msdyn_BookingSetupMetadataId"),
        flag("msdyn_cascadecrewchanges"),
        flag("msdyn_acceptcascadecrewchanges"),
        choice("msdyn_crewmembertype", {192350000: "Leader", 192350001: "Member", 192350002: "None"}),
        choice("msdyn_bookingmethod", _BOOKING_METHODS, default=MANUAL_BOOKING),
        choice("msdyn_worklocation", _WORK_LOCATIONS),
        degrees("msdyn_latitude", 90),
        degrees("msdyn_longitude", 180),
        time("msdyn_estimatedarrivaltime"),
        time("msdyn_actualarrivaltime"),
        *(integer(f"msdyn_{part}duration", minimum=0) for part in durations),
        *(integer(f"msdyn_total{part}", minimum=0) for part in totals),
        flag("msdyn_allowoverlapping"),
        flag("msdyn_preventtimestampcreation"),
        owner(),
        *state(),
    ]
    # The generated reference gives the navigation properties of authors a suffix on this table only.
    table = define_table(
        "BookableResourceBooking",
        "bookableresourcebookings",
        "Bookable Resource Booking",
        columns,
        author_suffix="name",
    )
    return with_app_columns(table)


_BOOKING_METHODS = {
    192350000: "Resource Scheduling Optimization",
    690970001: "Schedule Board",
    690970002: "Mobile",
    690970003: "Manual",
    690970004: "Schedule Assistant",
    690970005: "System-Agreement Schedule",
}
_WORK_LOCATIONS = {690970000: "Onsite", 690970001: "Facility", 690970002: "Location Agnostic"}


def _scheduling() -> list[Table]:
    status = [
        text("name", 100, required=True),
        choice(
            "status", {PROPOSED: "Proposed", COMMITTED: "Committed", CANCELED: "Canceled"}, required=True, default=1
        ),
        choice("msdyn_fieldservicestatus", FIELD_SERVICE_STATUSES),
        text("msdyn_statuscolor", 100),
        text("msdyn_imageurl", 200),
        flag("msdyn_statuscompletesworkorder", default=True),
        owner(),
        *state(),
    ]
    resource = [
        text("name", 100, required=True),
        Column(name="timezone", type=ColumnType.INTEGER, minimum=-1500, maximum=1500, required=True, default=85),
        choice("resourcetype", RESOURCE_TYPES, required=True, default=USER_RESOURCE),
        lookup("userid", "systemuser", "UserId", restrict=True),
        lookup("contactid", "contact", "ContactId"),
        lookup("accountid", "account", "AccountId"),
        owner(),
        *state(),
    ]
    setup = [
        text("msdyn_entitylogicalname", 100),
        lookup("msdyn_defaultbookingcanceledstatus", "bookingstatus", "msdyn_DefaultBookingCanceledStatus"),
        lookup("msdyn_defaultbookingcommittedstatus", "bookingstatus", "msdyn_DefaultBookingCommittedStatus"),
        owner(),
        *state(),
    ]
    return [
        _booking(),
        define_table("BookingStatus", "bookingstatuses", "Booking Status", status),
        define_table("BookableResource", "bookableresources", "Bookable Resource", resource),
        define_table(
            "msdyn_bookingsetupmetadata",
            "msdyn_bookingsetupmetadatas",
            "Booking Setup Metadata",
            setup,
            primary_name="msdyn_entitylogicalname",
        ),
        _named("msdyn_resourcerequirement", "msdyn_resourcerequirements", "Resource Requirement"),
    ]


def _named(name: str, set_name: str, display_name: str) -> Table:
    """A table of which only the name matters here."""
    columns = [text("msdyn_name", 100), owner(), *state()]
    return define_table(name, set_name, display_name, columns, primary_name="msdyn_name")


def _field_service() -> list[Table]:
    order = [
        text("msdyn_name", 100, required=True),
        lookup("msdyn_priority", "msdyn_priority"),
        lookup("msdyn_workordertype", "msdyn_workordertype"),
        lookup("msdyn_primaryincidenttype", "msdyn_incidenttype"),
        memo("msdyn_primaryincidentdescription"),
        memo("msdyn_workordersummary"),
        memo("msdyn_instructions"),
        lookup("msdyn_serviceaccount", "account"),
        lookup("msdyn_billingaccount", "account"),
        lookup("msdyn_reportedbycontact", "contact"),
        text("msdyn_phonenumber", 50),
        text("msdyn_addressname", 250),
        *(text(f"msdyn_address{number}", 250) for number in (1, 2, 3)),
        text("msdyn_city", 80),
        text("msdyn_stateorprovince", 50),
        text("msdyn_postalcode", 20),
        text("msdyn_country", 80),
        degrees("msdyn_latitude", 90),
        degrees("msdyn_longitude", 180),
        choice("msdyn_worklocation", _WORK_LOCATIONS),
        *(time(f"msdyn_{kind}window{edge}") for kind in ("time", "date") for edge in ("start", "end")),
        owner(),
        *state(),
    ]
    setting = [
        text("msdyn_name", 100),
        lookup("msdyn_defaultcanceledbookingstatus", "bookingstatus", "msdyn_DefaultCanceledBookingStatus"),
        lookup("msdyn_defaultscheduledbookingstatus", "bookingstatus", "msdyn_DefaultScheduledBookingStatus"),
        owner(),
        *state(),
    ]
    bookings = Collection(
        navigation="msdyn_msdyn_workorder_bookableresourcebooking_WorkOrder",
        table="bookableresourcebooking",
        column="msdyn_workorder",
    )
    orders = define_table("msdyn_workorder", "msdyn_workorders", "Work Order", order, primary_name="msdyn_name")
    return [
        replace(orders, collections=(bookings,), change_tracking_enabled=True),
        define_table(
            "msdyn_fieldservicesetting",
            "msdyn_fieldservicesettings",
            "Field Service Settings",
            setting,
            primary_name="msdyn_name",
        ),
        _named("msdyn_priority", "msdyn_priorities", "Priority"),
        _named("msdyn_workordertype", "msdyn_workordertypes", "Work Order Type"),
        _named("msdyn_incidenttype", "msdyn_incidenttypes", "Incident Type"),
    ]


def _platform() -> list[Table]:
    user = [
        text("fullname", 200, writable=False),
        text("domainname", 1024, required=True),
        text("internalemailaddress", 100),
        Column(name="azureactivedirectoryobjectid", type=ColumnType.GUID, writable=False),
        Column(name="applicationid", type=ColumnType.GUID),
        flag("isdisabled"),
        flag("islicensed", writable=False),
        choice("accessmode", _ACCESS_MODES, required=True, default=0),
    ]
    mailbox = [*mailbox_columns(), owner(), *state()]
    resources = Collection(navigation="systemuser_bookableresource_UserId", table="bookableresource", column="userid")
    object_key = AlternateKey(schema_name="aadobjectid", columns=("azureactivedirectoryobjectid",))
    users = define_table("SystemUser", "systemusers", "User", user, primary_name="fullname")
    setting = [
        text("name", 160),
        integer("expirechangetrackingindays", minimum=0, default=7),
        *organization_columns(),
    ]
    return [
        replace(users, keys=(object_key,), collections=(resources,), is_principal=True),
        define_table("Mailbox", "mailboxes", "Mailbox", mailbox),
        replace(define_table("Organization", "organizations", "Organization", setting), is_fixed=True),
        define_table("Account", "accounts", "Account", _customer("name", 160)),
        define_table("Contact", "contacts", "Contact", _customer("fullname", 160), primary_name="fullname"),
    ]


_ACCESS_MODES = {
    0: "Read-Write",
    1: "Administrative",
    2: "Read",
    3: "Support User",
    4: "Non-interactive",
    5: "Delegated Admin",
}


def _customer(name_column: str, max_length: int) -> list[Column]:
    return [text(name_column, max_length), text("emailaddress1", 100), text("telephone1", 50), owner(), *state()]


def build_schema() -> Schema:
    """The definitions of a fresh environment in which Field Service and this product's columns are installed."""
    own = with_answers([*_scheduling(), *_field_service(), *_platform(), *appointment_tables()])
    return Schema([*own, *webhook_tables(), *solution_tables()])
