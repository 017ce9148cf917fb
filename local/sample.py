"""The sample company that both simulators start with: technicians, their weeks, and the events linked to bookings.

Everything is derived from the date it is built for: the same date gives the same ids and times, so that two simulators
in two processes agree without talking to each other.
"""

import base64
import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

TENANT_ID = "6f6e7d1c-0000-4c5e-9a00-5a3b1d2c4e01"
NAMESPACE = uuid.UUID("5b0c9b8e-52c1-4f0d-8d7e-2f6a3c1b9d10")

EXTENSION_NAME = "Com.BookingSync.Link"
BOOKING_ID_PROPERTY = "String {8f1d6a0e-3c55-4d0b-9a53-1f2b8f5c7a11} Name BookingId"
"""The open extension and the extended property by which the app marks a booking's event.

The same names stand in `sync/adapters/graph_wire.py`; a test holds them equal.
"""


@lru_cache(maxsize=4096)
def guid(name: str) -> str:
    """A stable id for a sample row."""
    return str(uuid.uuid5(NAMESPACE, name))


def event_id(name: str) -> str:
    """A stable event id that looks like an immutable Exchange id: case-sensitive, with `-`, `_` and `=`."""
    digest = hashlib.sha512(name.encode()).digest()
    return "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A" + base64.urlsafe_b64encode(digest[:41]).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Technician:
    """A person whom work is booked on. `has_mailbox` is false for the one who only exists in Dynamics."""

    name: str
    has_mailbox: bool = True
    full_week: bool = False

    @property
    def mailbox_id(self) -> str:
        """Entra object id."""
        return guid(f"entra:{self.name}")

    @property
    def system_user_id(self) -> str:
        return guid(f"systemuser:{self.name}")

    @property
    def resource_id(self) -> str:
        return guid(f"resource:{self.name}")

    @property
    def address(self) -> str:
        return self.name.lower().replace(" ", ".") + "@contoso.example"


TECHNICIANS = (
    Technician(name="Ada Berg", full_week=True),
    Technician(name="Ben Okafor", full_week=True),
    Technician(name="Chloe Dubois", full_week=True),
    Technician(name="Dario Conti"),
    Technician(name="Elif Kaya"),
    Technician(name="Finn Larsen"),
    Technician(name="Greta Novak", has_mailbox=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    number: str
    account: str
    contact: str
    summary: str
    incident: str
    priority: str
    type: str
    street: str
    city: str

    @property
    def work_order_id(self) -> str:
        return guid(f"workorder:{self.number}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleBooking:
    """A booking and, where `linked`, the event that stands for it in the technician's calendar. Times are aware UTC."""

    technician: Technician
    work_order: WorkOrder | None
    name: str
    start_at: datetime
    end_at: datetime
    status: str = "Scheduled"
    linked: bool = True

    @property
    def booking_id(self) -> str:
        return guid(f"booking:{self.name}")

    @property
    def event_id(self) -> str:
        return event_id(f"event:{self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateEvent:
    """An event born in Outlook, which carries no mark. Times are aware UTC."""

    technician: Technician
    subject: str
    start_at: datetime
    end_at: datetime

    @property
    def event_id(self) -> str:
        return event_id(f"private:{self.technician.name}:{self.subject}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    technicians: tuple[Technician, ...]
    work_orders: tuple[WorkOrder, ...]
    bookings: tuple[SampleBooking, ...]
    private_events: tuple[PrivateEvent, ...]


_JOBS = (
    (
        "Northwind Traders",
        "Yvonne McKay",
        "Boiler loses pressure",
        "Leak",
        "High",
        "Repair",
        "12 Harbour Street",
        "Bergen",
    ),
    (
        "Fabrikam Residences",
        "Sven Mortensen",
        "Yearly lift inspection",
        "Inspection",
        "Normal",
        "Preventive",
        "4 Mill Lane",
        "Oslo",
    ),
    (
        "Litware Foods",
        "Nancy Anderson",
        "Cold room above 8 degrees",
        "Cooling failure",
        "Urgent",
        "Repair",
        "77 Market Square",
        "Drammen",
    ),
    (
        "Adventure Works",
        "Paul Cannon",
        "Fit a second charging point",
        "Installation",
        "Normal",
        "Installation",
        "3 Station Road",
        "Moss",
    ),
    (
        "Coho Winery",
        "Rene Valdes",
        "Pump makes noise <loud & shrill>",
        "Noise",
        "Low",
        "Repair",
        "1 Vineyard Hill",
        "Asker",
    ),
)
_SLOTS = ((7, 0, 90), (9, 0, 120), (12, 0, 60), (13, 30, 120))
"""Hour and minute (UTC) at which a visit of a full week starts, and its minutes."""


def _monday_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=day.weekday())


def build_sample(today: date) -> Sample:
    """The sample company in the week after `today`, so that most of its visits lie in the future."""
    monday = _monday_of(today) + timedelta(days=7)
    orders: list[WorkOrder] = []
    bookings: list[SampleBooking] = []
    for technician in TECHNICIANS:
        if technician.full_week:
            starts = [monday + timedelta(days=d, hours=h, minutes=m) for d in range(5) for h, m, _ in _SLOTS]
            lengths = [minutes for _ in range(5) for _, _, minutes in _SLOTS]
        else:
            starts = [monday + timedelta(days=d, hours=8) for d in (0, 2)]
            lengths = [90, 90]
        for index, (start_at, minutes) in enumerate(zip(starts, lengths, strict=True)):
            account, contact, summary, incident, priority, kind, street, city = _JOBS[index % len(_JOBS)]
            order = WorkOrder(
                number=f"WO-{len(orders) + 1:05}",
                account=account,
                contact=contact,
                summary=summary,
                incident=incident,
                priority=priority,
                type=kind,
                street=street,
                city=city,
            )
            orders.append(order)
            bookings.append(
                SampleBooking(
                    technician=technician,
                    work_order=order,
                    name=order.number,
                    start_at=start_at,
                    end_at=start_at + timedelta(minutes=minutes),
                    status=_status_of(technician, index),
                    linked=technician.has_mailbox,
                )
            )
    return Sample(
        technicians=TECHNICIANS,
        work_orders=tuple(orders),
        bookings=tuple(bookings),
        private_events=tuple(_private_events(monday)),
    )


def _status_of(technician: Technician, index: int) -> str:
    """Most visits are scheduled; the first technician's last ones show the other statuses."""
    others = {17: "Traveling", 18: "In Progress", 19: "Completed"}
    return others.get(index, "Scheduled") if technician is TECHNICIANS[0] else "Scheduled"


def _private_events(monday: datetime) -> list[PrivateEvent]:
    subjects = (("Dentist", 1, 15), ("School play", 3, 16), ("Team breakfast", 4, 6))
    return [
        PrivateEvent(
            technician=technician,
            subject=subject,
            start_at=monday + timedelta(days=day, hours=hour),
            end_at=monday + timedelta(days=day, hours=hour + 1),
        )
        for technician in TECHNICIANS
        if technician.has_mailbox
        for subject, day, hour in subjects
    ]
