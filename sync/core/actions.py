"""What a change of an event can come to: the readings that may be asked for and the actions, each with its reason.

Imperative and complete: whoever carries an action out needs nothing else. `sync.core.reconcile` chooses among them, and
`sync.service.reconciling` carries them out; both match on all of them, so that a new one cannot be forgotten.
"""

from dataclasses import dataclass
from enum import StrEnum

from sync.core.sides import Event, TimeSpan


class Reason(StrEnum):
    """Why an action was taken, for the journal. Stable: people search by these words."""

    BORN_IN_OUTLOOK = "born-in-outlook"
    COPY = "copy-of-a-booking-event"
    NOT_OURS = "gone-and-not-ours"
    SERIES = "made-into-a-series"
    ALL_DAY = "all-day"
    REASSIGNED = "booking-reassigned"
    SUPERSEDED = "booking-has-another-event"
    BOOKING_ABSENT = "booking-does-not-exist"
    BOOKING_CANCELLED = "booking-already-cancelled"
    BOOKING_COMPLETED = "booking-completed"
    STATUS_NOT_CANCELLABLE = "status-not-open-to-cancellation"
    EDITED_IN_DYNAMICS = "edited-in-dynamics-meanwhile"
    IN_AGREEMENT = "in-agreement"
    EVENT_ID_MISSING = "booking-lacked-the-event-id"
    MOVED_IN_OUTLOOK = "moved-in-outlook"
    MOVED_IN_DYNAMICS = "moved-in-dynamics"
    CONFLICT = "both-sides-moved"
    NO_AGREED_STATE = "no-agreed-state-later-change-wins"
    EVENT_REPLACED = "event-replaced-by-its-copy"
    DELETED_IN_OUTLOOK = "deleted-in-outlook"
    CANCELLED_IN_OUTLOOK = "cancelled-in-outlook"
    ALREADY_ENDED = "already-ended"
    GONE_UNREPORTED = "absent-but-not-reported-removed"
    WITNESSES_DISAGREE = "read-says-gone-search-finds-it"
    NEW_BOOKING = "booking-has-no-event-yet"
    EVENT_FOUND = "event-found-for-booking"
    DETAILS_CHANGED = "details-changed-in-dynamics"
    EDIT_BEATS_DELETION = "edited-in-dynamics-after-deletion"
    CANCELLED_IN_DYNAMICS = "cancelled-in-dynamics"
    DELETED_IN_DYNAMICS = "deleted-in-dynamics"
    LEFTOVER = "left-with-former-technician"
    DUPLICATE = "somebody-else-was-quicker"
    PAST_EVENT = "event-is-past"
    NO_MAILBOX = "resource-has-no-mailbox"
    OUT_OF_SCOPE = "booking-out-of-scope"
    OUTSIDE_WINDOW = "outside-the-window"
    USER_DISABLED = "user-disabled"
    NOT_SYNCED = "mailbox-not-synced"
    UNREACHABLE = "mailbox-unreachable"
    MICROSOFT_SYNC = "microsoft-sync-is-on"


@dataclass(frozen=True, slots=True)
class ReadBooking:
    """Read the booking: by the link or the event's mark, else by the event-id column."""


@dataclass(frozen=True, slots=True)
class LocateEvent:
    """Ask whether the event lies in a calendar or among the deleted items."""


@dataclass(frozen=True, slots=True)
class SearchTwin:
    """Search the mailbox for an event with the booking's mark."""


type Reading = ReadBooking | LocateEvent | SearchTwin


@dataclass(frozen=True, slots=True)
class RememberForeign:
    """Not ours: remember it, so that its next notifications cost no call."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class LeaveAlone:
    """Ours, and nothing may be written; the link stays as it is."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Graph contradicts itself: nobody is convicted on that, come back later."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class EndEvent:
    """The event is over for us: forget its link; write nothing."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class RecordAgreement:
    """Both sides are equal: remember that they are."""

    span: TimeSpan
    reason: Reason = Reason.IN_AGREEMENT


@dataclass(frozen=True, slots=True)
class UpdateBooking:
    """Write `span` (None: leave the times), and the event id when `names_event`, if the booking still is at `etag`.

    `loser` is the value that a conflict overwrote.
    """

    booking_id: str
    etag: str
    span: TimeSpan | None
    names_event: bool
    reason: Reason
    loser: TimeSpan | None = None


@dataclass(frozen=True, slots=True)
class UpdateEvent:
    """Move the event to the booking's times, and have the booking name it when `names_event`.

    `loser` is the value that a conflict overwrote.
    """

    booking_id: str
    etag: str
    span: TimeSpan
    names_event: bool
    reason: Reason
    loser: TimeSpan | None = None


@dataclass(frozen=True, slots=True)
class HandOver:
    """What becomes of this event is for the booking's side to decide: let the booking be looked at, event in hand."""

    booking_id: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class AdoptTwin:
    """The booking's event is gone but a marked copy of it lives: the copy takes its place.

    Only the name changes hands; the twin's times are compared like any event's, as work of its own.
    """

    booking_id: str
    etag: str
    twin: Event
    reason: Reason = Reason.EVENT_REPLACED


@dataclass(frozen=True, slots=True)
class ClearEventId:
    """Take the event id off the booking and change nothing else about it.

    `hands_over` when the booking is to get another event.
    """

    booking_id: str
    etag: str
    reason: Reason
    hands_over: bool = False


@dataclass(frozen=True, slots=True)
class CancelBooking:
    """Cancel the booking and clear its event id, in one conditional write."""

    booking_id: str
    etag: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class DeleteBooking:
    """Delete the booking, if it still is at `etag`."""

    booking_id: str
    etag: str
    reason: Reason


type Action = (
    RememberForeign
    | LeaveAlone
    | LookAgain
    | EndEvent
    | RecordAgreement
    | UpdateBooking
    | UpdateEvent
    | HandOver
    | AdoptTwin
    | ClearEventId
    | CancelBooking
    | DeleteBooking
)
