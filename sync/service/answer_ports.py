"""What reading attendees' answers needs from outside, where that is switched on. Part of `sync.service.ports`.

Every method may raise `TransientError`; what else it raises is said where it matters.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sync.core.answers import AnswerCursor, AnswerWrite, Appointment, FollowedMeeting, Meeting
from sync.core.sides import TimeSpan


class MeetingCalendar(Protocol):
    """Events with their attendees. Raises `MailboxUnavailable` when the mailbox does not answer to us."""

    async def find_meeting(self, mailbox_id: str, event_id: str) -> Meeting | None: ...

    async def list_meetings(self, mailbox_id: str, window: TimeSpan) -> Sequence[Meeting]:
        """Everything with attendees in the mailbox's calendar within the window, occurrences of series included."""


class AnswerTable(Protocol):
    """Appointments, and the table of answers beside them."""

    def list_appointments(self, window: TimeSpan) -> AsyncIterator[Appointment]:
        """Single appointments within the window that Exchange knows and whose organizer has a mailbox, in any state."""

    async def find_people(self, addresses: Collection[str]) -> Mapping[str, str]:
        """The user or contact with each address (lower case), as `<entity set>(<id>)`; nothing for none or several."""

    async def write_answers(self, writes: Sequence[AnswerWrite]) -> Collection[str]:
        """Write the rows in as few requests as they fit in; answers the hashes of those that were written."""


class MeetingMemory(Protocol):
    """What we remember of meetings. All of it can be lost."""

    async def find_meeting(self, mailbox_id: str, event_id: str) -> FollowedMeeting | None: ...

    async def save_meeting(self, meeting: FollowedMeeting) -> FollowedMeeting:
        """Conditional on the value's `version` (None: must not exist yet); answers it with its new one.

        Raises `PreconditionFailed`.
        """

    async def delete_meeting(self, mailbox_id: str, event_id: str) -> None:
        """Succeeds also when there is none."""

    def list_meetings(self, mailbox_id: str | None = None) -> AsyncIterator[FollowedMeeting]:
        """Those of one mailbox, or of all."""

    async def find_answer_cursor(self) -> AnswerCursor | None: ...

    async def save_answer_cursor(self, cursor: AnswerCursor) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPorts:
    """Everything that reading answers needs beyond what the sync has."""

    calendar: MeetingCalendar
    table: AnswerTable
    memory: MeetingMemory
