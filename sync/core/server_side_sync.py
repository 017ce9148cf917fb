"""What Microsoft's own sync of appointments works with, as far as Dataverse shows it. Values, free of vendor spelling.

Sources: Dataverse documentation, table references of appointment, activityparty, mailbox and organization; Power
Platform documentation, sync-logic and the page on the default OrgDBOrgSettings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class AppointmentState(StrEnum):
    """What an appointment's state means."""

    OPEN = "open"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    SCHEDULED = "scheduled"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody named on an appointment: a row of `table`, both empty for a bare address that matched none."""

    table: str = ""
    row_id: str = ""

    @property
    def is_user(self) -> bool:
        return self.table == "systemuser"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentRecord:
    """A row of `appointment`. `is_known_to_exchange` once it carries the id of an item in Outlook.

    `is_service_activity` for a row of `serviceappointment`, of which nothing else is read.
    """

    appointment_id: str
    is_service_activity: bool = False
    start_at: datetime | None = None
    modified_at: datetime | None = None
    state: AppointmentState = AppointmentState.OPEN
    is_draft: bool = False
    is_known_to_exchange: bool = False
    owner: Party = Party()
    organizers: tuple[Party, ...] = ()
    required: tuple[Party, ...] = ()
    optional: tuple[Party, ...] = ()

    @property
    def invited(self) -> tuple[Party, ...]:
        """The attendees, without the organizer, who may be listed among them and is sent nothing."""
        return tuple(one for one in (*self.required, *self.optional) if not one.row_id or one not in self.organizers)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A row of `systemuser`. `mailbox_id` is the Entra object id, None where the user has none."""

    user_id: str
    mailbox_id: str | None
    is_enabled: bool = True


class SyncMethod(StrEnum):
    """Who takes appointments, contacts and tasks to a user's mailbox."""

    OUTLOOK_CLIENT = "Dynamics 365 for Outlook"
    SERVER_SIDE = "Server-Side Synchronization"
    NONE = "None"
    OTHER = "unknown to this version"


class MailboxTest(StrEnum):
    """What the last Test & Enable of a mailbox came to."""

    NOT_RUN = "Not Run"
    SUCCESS = "Success"
    FAILURE = "Failure"
    OTHER = "unknown to this version"


class Approval(StrEnum):
    """Whether an administrator has approved a mailbox's address."""

    EMPTY = "Empty"
    APPROVED = "Approved"
    PENDING = "Pending Approval"
    REJECTED = "Rejected"
    OTHER = "unknown to this version"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSetup:
    """A row of `mailbox`: how a user's mailbox is set up for Microsoft's own sync."""

    method: SyncMethod
    is_enabled: bool
    test: MailboxTest
    approval: Approval
    synced_at: datetime | None = None

    @property
    def is_in_use(self) -> bool:
        """Whether Microsoft's own sync handles the appointments of this mailbox."""
        return self.method is SyncMethod.SERVER_SIDE and self.is_enabled and self.test is MailboxTest.SUCCESS


SETTING_DEFAULTS: Mapping[str, bool] = {
    "AllowSaveAsDraftAppointment": False,
    "EnableSssItemLevelMonitoring": True,
    "SSSPropagateAppointmentCancellationsToExchange": False,
    "SSSUpdatePastMeetingsInNonDraftMode": False,
    "TrackAppointmentsFromNonOrganizer": True,
    "UseCrmOrganizerForEmptyExchangeOrganizer": False,
}
"""The OrgDBOrgSettings that bear on invitations. One that is not stored has its default."""


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """The OrgDBOrgSettings of an environment that are stored, by name."""

    stored: Mapping[str, str] = field(default_factory=dict)

    def is_on(self, name: str) -> bool:
        """Whether the setting is on, by its default where it is not stored. Stored as `true` or `1`, in any case."""
        text = next((value for known, value in self.stored.items() if known.lower() == name.lower()), None)
        return SETTING_DEFAULTS[name] if text is None else text.strip().lower() in ("true", "1")
