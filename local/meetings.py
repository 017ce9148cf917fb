"""The sample company's meetings with customers: appointments in Dynamics, and the organizer's events in Outlook.

Like `local.sample`, everything is derived from the date it is built for, so that both simulators agree. The organizer
is no technician: no booking is ever made for this mailbox.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from local.graph.ids import ical_uid
from local.sample import event_id, guid

DISPATCHER = "Dana Dispatcher"
DISPATCHER_ADDRESS = "dana.dispatcher@contoso.example"
DISPATCHER_MAILBOX_ID = guid("entra:Dana")
"""Entra object id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Somebody who is invited. `contact` is whether Dynamics has a contact with the address."""

    name: str
    address: str
    contact: bool = True
    is_optional: bool = False

    @property
    def contact_id(self) -> str:
        return guid(f"contact:{self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """An appointment of the dispatcher's. Times are aware UTC.

    `is_synchronized` is whether Exchange knows it; one without organizer is what automation makes of it, and no
    invitation was ever sent.
    """

    subject: str
    start_at: datetime
    end_at: datetime
    guests: tuple[Guest, ...]
    has_organizer: bool = True
    is_synchronized: bool = True

    @property
    def appointment_id(self) -> str:
        return guid(f"appointment:{self.subject}")

    @property
    def event_id(self) -> str:
        return event_id(f"meeting:{self.subject}")

    @property
    def global_object_id(self) -> str | None:
        """The id by which Exchange knows the meeting in every mailbox."""
        return ical_uid(self.event_id) if self.is_synchronized else None


def contact_address(name: str) -> str:
    """The mail address of a sample contact."""
    return f"{name.lower().replace(' ', '.')}@customers.example"


def build_meetings(today: date) -> tuple[Meeting, ...]:
    """The dispatcher's meetings: one on the day after `today`, near enough for every sweep, one in the week after."""
    tomorrow = datetime(today.year, today.month, today.day, tzinfo=UTC) + timedelta(days=1)
    monday = datetime(today.year, today.month, today.day, tzinfo=UTC) + timedelta(days=7 - today.weekday())
    yvonne = Guest(name="Yvonne McKay", address=contact_address("Yvonne McKay"))
    sven = Guest(name="Sven Mortensen", address=contact_address("Sven Mortensen"), is_optional=True)
    architect = Guest(name="Ines Architect", address="ines@architects.example", contact=False)
    paul = Guest(name="Paul Cannon", address=contact_address("Paul Cannon"))
    return (
        Meeting(
            subject="Yearly service review",
            start_at=tomorrow + timedelta(hours=10),
            end_at=tomorrow + timedelta(hours=11),
            guests=(yvonne, sven, architect),
        ),
        Meeting(
            subject="Quote for a second charging point",
            start_at=monday + timedelta(days=2, hours=13),
            end_at=monday + timedelta(days=2, hours=13, minutes=30),
            guests=(paul,),
            has_organizer=False,
            is_synchronized=False,
        ),
    )
