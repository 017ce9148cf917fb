"""What bringing a booking to Outlook may consist of: readings, steps done one after the other, and ends.

`sync.core.delivery` chooses among them, and `sync.service.delivering` carries them out. Each step changes one thing
outside and is followed by a new decision on what is then known, so that a run can break off after any step.
"""

from dataclasses import dataclass

from sync.core.actions import EndEvent, LeaveAlone, Reason, RecordAgreement
from sync.core.content import EventContent
from sync.core.sides import Event, EventAddress, TimeSpan


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """Read the event at `address`; `is_elsewhere` when that is not where the booking belongs."""

    address: EventAddress
    is_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class SearchEvent:
    """Search a mailbox for an event of the booking: one with its mark, else one that looks like it.

    `is_elsewhere` when the booking does not belong there: then only the mark counts.
    """

    mailbox_id: str
    is_elsewhere: bool = False


type DeliveryReading = ReadEvent | SearchEvent


@dataclass(frozen=True, slots=True)
class CreateEvent:
    """Make the booking's event in its technician's calendar.

    `leftover` is the event that it replaces elsewhere, to be removed afterwards.
    """

    mailbox_id: str
    span: TimeSpan
    content: EventContent
    generation: int
    reason: Reason
    leftover: EventAddress | None = None


@dataclass(frozen=True, slots=True)
class AdoptEvent:
    """Take an event that is there for the booking's, with `agreed` as the state to compare both sides with.

    `loser` is the side's value that this comparison will overwrite, when that is a guess.
    """

    event: Event
    agreed: TimeSpan
    generation: int
    reason: Reason
    leftover: EventAddress | None = None
    loser: TimeSpan | None = None


@dataclass(frozen=True, slots=True)
class RewriteEvent:
    """Write the booking's times when there is a `span`, and those of the content's `fields` that are named.

    At `etag` if Graph honours that. `marks` when our mark must be put on it, too. `loser` is the value that a conflict
    overwrote.
    """

    etag: str | None
    span: TimeSpan | None
    content: EventContent
    fields: frozenset[str]
    reason: Reason
    marks: bool = False
    loser: TimeSpan | None = None


@dataclass(frozen=True, slots=True)
class RemoveEvent:
    """Delete an event of the booking, at `etag` if Graph honours that.

    When it is the one that the booking names, `clears` is the booking's etag and its columns are emptied; `undelivered`
    is then why it has no event any more.
    """

    address: EventAddress
    etag: str | None
    reason: Reason
    clears: str | None = None
    undelivered: str = ""


@dataclass(frozen=True, slots=True)
class ForgetEvent:
    """Leave an event to its owner, or gone, and have the booking and us forget it. `clears` as for `RemoveEvent`."""

    address: EventAddress
    reason: Reason
    clears: str | None = None
    undelivered: str = ""
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class NameEvent:
    """Have the booking name its event, and say no more that it is undelivered."""

    etag: str
    reason: Reason = Reason.EVENT_ID_MISSING


@dataclass(frozen=True, slots=True)
class RescheduleBooking:
    """Write the event's times into the booking. `loser` is the value that a conflict overwrote."""

    etag: str
    span: TimeSpan
    reason: Reason
    loser: TimeSpan | None = None


@dataclass(frozen=True, slots=True)
class MarkUndelivered:
    """Tell the dispatcher, on the booking, why it has no event."""

    etag: str
    undelivered: str
    reason: Reason


type DeliveryStep = (
    CreateEvent
    | AdoptEvent
    | RewriteEvent
    | RemoveEvent
    | ForgetEvent
    | NameEvent
    | RescheduleBooking
    | MarkUndelivered
)
"""What is done one after the other, each followed by a new decision, until there is an end."""

type DeliveryEnd = LeaveAlone | EndEvent | RecordAgreement
