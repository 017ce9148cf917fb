"""The sample company as rows of the Dataverse world.

Ids come from `local.sample`, so that the Graph simulator, in another process, knows the same bookings and events.
"""

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from local.dataverse.appointments import OPEN, OPTIONAL, ORGANIZER, REQUIRED, SCHEDULED, invite
from local.dataverse.schema import Value
from local.dataverse.solution_tables import DEFAULT_SOLUTION_ID
from local.dataverse.tables import CANCELED, COMMITTED, GENERIC_RESOURCE, MANUAL_BOOKING, PROPOSED, USER_RESOURCE
from local.meetings import (
    DISPATCHER,
    DISPATCHER_ADDRESS,
    DISPATCHER_MAILBOX_ID,
    Meeting,
    build_meetings,
    contact_address,
)
from local.sample import Sample, SampleBooking, Technician, WorkOrder, build_sample, guid
from local.switchboard import Caller

if TYPE_CHECKING:
    from local.dataverse.world import DataverseWorld

ORGANIZATION_ID = guid("organization")
BUSINESS_UNIT_ID = guid("businessunit")
APP_USER_ID = guid("systemuser:# Booking Sync")
DISPATCHER_ID = guid("systemuser:Dana Dispatcher")
CUSTOM_CANCELED = "No Show"
"""A cancelled status that a customer added: `status` says so, `msdyn_fieldservicestatus` is empty."""

_STATUSES = (
    ("Scheduled", COMMITTED, 690970000),
    ("Traveling", COMMITTED, 690970001),
    ("On Break", COMMITTED, 690970002),
    ("In Progress", COMMITTED, 690970003),
    ("Completed", COMMITTED, 690970004),
    ("Canceled", CANCELED, 690970005),
    (CUSTOM_CANCELED, CANCELED, None),
    ("Proposed", PROPOSED, None),
)


def status_id(name: str) -> str:
    return guid(f"bookingstatus:{name}")


def event_hash(mailbox_id: str, event_id: str) -> str:
    """The alternate key of a booking: lower-case hex SHA-256 of mailbox id, colon and event id.

    Ids are case-sensitive and keys are not, and the same id in another mailbox is another event.
    """
    return hashlib.sha256(f"{mailbox_id}:{event_id}".encode()).hexdigest()


def fill(world: "DataverseWorld", today: date) -> Mapping[Caller, str]:
    """Put the sample company into an empty world. Returns the user behind each bearer token."""
    sample = build_sample(today)
    seed = _Seed(world)
    seed.add("organization", ORGANIZATION_ID, name="Contoso")
    seed.user(APP_USER_ID, "# Booking Sync", address="booking-sync@contoso.example", applicationid=guid("application"))
    seed.user(DISPATCHER_ID, DISPATCHER, address=DISPATCHER_ADDRESS, object_id=DISPATCHER_MAILBOX_ID)
    seed.mailbox(DISPATCHER, DISPATCHER_ADDRESS, DISPATCHER_ID, emailrouteraccessapproval=1)
    seed.user(
        guid("systemuser:Lars Lindqvist"),
        "Lars Lindqvist",
        address="lars.lindqvist@contoso.example",
        object_id=guid("entra:Lars Lindqvist"),
        isdisabled=True,
    )
    seed.solutions()
    for technician in sample.technicians:
        seed.technician(technician)
    seed.add("bookableresource", guid("resource:Crane 1"), name="Crane 1", resourcetype=GENERIC_RESOURCE)
    seed.statuses()
    seed.customers(sample)
    for order in sample.work_orders:
        seed.work_order(order)
    for booking in sample.bookings:
        seed.booking(booking)
    for meeting in build_meetings(today):
        seed.meeting(meeting)
    return {"app": APP_USER_ID, "person": DISPATCHER_ID}


class _Seed:
    """Adds rows as the dispatcher."""

    def __init__(self, world: "DataverseWorld") -> None:
        from local.dataverse.world import Author

        self._world = world
        self._author = Author(user_id=DISPATCHER_ID)

    def add(self, table: str, row_id: str, **values: Value) -> None:
        self._world.create(table, values, self._author, row_id)

    def user(self, row_id: str, name: str, *, address: str, object_id: str | None = None, **values: Value) -> None:
        self.add(
            "systemuser",
            row_id,
            fullname=name,
            domainname=address,
            internalemailaddress=address,
            azureactivedirectoryobjectid=object_id or guid(f"entra:{name}"),
            accessmode=4 if "applicationid" in values else 0,
            **values,
        )

    def technician(self, technician: Technician) -> None:
        self.user(
            technician.system_user_id, technician.name, address=technician.address, object_id=technician.mailbox_id
        )
        self.add(
            "bookableresource",
            technician.resource_id,
            name=technician.name,
            resourcetype=USER_RESOURCE,
            userid=technician.system_user_id,
        )
        self.mailbox(technician.name, technician.address, technician.system_user_id)

    def mailbox(self, name: str, address: str, user_id: str, **values: Value) -> None:
        """How a user's mailbox is set up for Microsoft's own sync: not at all, unless said otherwise."""
        self.add(
            "mailbox",
            guid(f"mailbox:{name}"),
            name=name,
            emailaddress=address,
            regardingobjectid=user_id,
            **values,
        )

    def solutions(self) -> None:
        """What every environment has, and Field Service as a managed solution."""
        for name, prefix, number, solution_id, solution, is_managed in (
            ("DefaultPublisher", "new", 10_000, DEFAULT_SOLUTION_ID, "Default", False),
            ("microsoftdynamics", "msdyn", 19_235, guid("solution:FieldService"), "FieldService", True),
        ):
            publisher_id = guid(f"publisher:{name}")
            self.add(
                "publisher",
                publisher_id,
                uniquename=name,
                friendlyname=name,
                customizationprefix=prefix,
                customizationoptionvalueprefix=number,
            )
            self.add(
                "solution",
                solution_id,
                uniquename=solution,
                friendlyname=solution,
                version="1.0",
                publisherid=publisher_id,
                ismanaged=is_managed,
            )

    def statuses(self) -> None:
        for name, status, field_service_status in _STATUSES:
            self.add(
                "bookingstatus",
                status_id(name),
                name=name,
                status=status,
                msdyn_fieldservicestatus=field_service_status,
            )
        self.add(
            "msdyn_fieldservicesetting",
            guid("fieldservicesetting"),
            msdyn_name="Field Service Settings",
            msdyn_defaultcanceledbookingstatus=status_id("Canceled"),
            msdyn_defaultscheduledbookingstatus=status_id("Scheduled"),
        )
        self.add(
            "msdyn_bookingsetupmetadata",
            guid("bookingsetupmetadata:msdyn_workorder"),
            msdyn_entitylogicalname="msdyn_workorder",
            msdyn_defaultbookingcanceledstatus=status_id("Canceled"),
            msdyn_defaultbookingcommittedstatus=status_id("Scheduled"),
        )

    def customers(self, sample: Sample) -> None:
        orders = sample.work_orders
        named = {
            "msdyn_priority": {order.priority for order in orders},
            "msdyn_workordertype": {order.type for order in orders},
            "msdyn_incidenttype": {order.incident for order in orders},
        }
        for table, names in named.items():
            for name in sorted(names):
                self.add(table, guid(f"{table}:{name}"), msdyn_name=name)
        for name in sorted({order.account for order in orders}):
            self.add("account", guid(f"account:{name}"), name=name)
        for name in sorted({order.contact for order in orders}):
            self.add("contact", guid(f"contact:{name}"), fullname=name, emailaddress1=contact_address(name))

    def work_order(self, order: WorkOrder) -> None:
        account = guid(f"account:{order.account}")
        self.add(
            "msdyn_workorder",
            order.work_order_id,
            msdyn_name=order.number,
            msdyn_priority=guid(f"msdyn_priority:{order.priority}"),
            msdyn_workordertype=guid(f"msdyn_workordertype:{order.type}"),
            msdyn_primaryincidenttype=guid(f"msdyn_incidenttype:{order.incident}"),
            msdyn_workordersummary=order.summary,
            msdyn_serviceaccount=account,
            msdyn_billingaccount=account,
            msdyn_reportedbycontact=guid(f"contact:{order.contact}"),
            msdyn_address1=order.street,
            msdyn_city=order.city,
        )

    def booking(self, booking: SampleBooking) -> None:
        is_marked = booking.linked and "bks_eventid" in self._world.schema["bookableresourcebooking"].columns
        digest = event_hash(booking.technician.mailbox_id, booking.event_id)
        mark = {"bks_eventid": booking.event_id, "bks_eventhash": digest} if is_marked else {}
        self.add(
            "bookableresourcebooking",
            booking.booking_id,
            name=booking.name,
            starttime=booking.start_at,
            endtime=booking.end_at,
            duration=int((booking.end_at - booking.start_at).total_seconds() // 60),
            bookingstatus=status_id(booking.status),
            resource=booking.technician.resource_id,
            msdyn_workorder=booking.work_order.work_order_id if booking.work_order else None,
            msdyn_bookingsetupmetadataid=guid("bookingsetupmetadata:msdyn_workorder") if booking.work_order else None,
            msdyn_bookingmethod=MANUAL_BOOKING,
            **mark,
        )

    def meeting(self, meeting: Meeting) -> None:
        appointment_id = meeting.appointment_id
        self.add(
            "appointment",
            appointment_id,
            subject=meeting.subject,
            scheduledstart=meeting.start_at,
            scheduledend=meeting.end_at,
            statecode=SCHEDULED if meeting.is_synchronized else OPEN,
            statuscode=5 if meeting.is_synchronized else 1,
            globalobjectid=meeting.global_object_id,
        )
        if meeting.has_organizer:
            invite(
                self._world,
                self._author,
                appointment_id,
                ORGANIZER,
                party_id=DISPATCHER_ID,
                address=DISPATCHER_ADDRESS,
            )
        for guest in meeting.guests:
            mask = OPTIONAL if guest.is_optional else REQUIRED
            contact_id = guest.contact_id if guest.contact else None
            invite(self._world, self._author, appointment_id, mask, party_id=contact_id, address=guest.address)
