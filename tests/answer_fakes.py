"""`MeetingMemory` in memory, held by the same contract suite as the real one."""

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count

from sync.core.answers import AnswerCursor, FollowedMeeting
from sync.core.errors import PreconditionFailed
from tests.hosted_app import Killed


class FakeMeetingMemory:
    def __init__(self) -> None:
        self._versions = count(1)
        self._cursor: AnswerCursor | None = None
        self.meetings: dict[tuple[str, str], FollowedMeeting] = {}
        self.dies_at_save: int | None = None
        """Which of the next saves the worker does not live to make."""

    def lose_everything(self) -> None:
        """As if somebody had deleted the tables."""
        self.meetings.clear()
        self._cursor = None

    async def find_meeting(self, mailbox_id: str, event_id: str) -> FollowedMeeting | None:
        return self.meetings.get((mailbox_id, event_id))

    async def save_meeting(self, meeting: FollowedMeeting) -> FollowedMeeting:
        if self.dies_at_save is not None:
            self.dies_at_save -= 1
            if self.dies_at_save == 0:
                self.dies_at_save = None
                raise Killed
        key = (meeting.mailbox_id, meeting.event_id)
        stored = self.meetings.get(key)
        if meeting.version != (stored.version if stored else None):
            raise PreconditionFailed("a row was written by somebody else", status=412)
        self.meetings[key] = replace(meeting, version=str(next(self._versions)))
        return self.meetings[key]

    async def delete_meeting(self, mailbox_id: str, event_id: str) -> None:
        self.meetings.pop((mailbox_id, event_id), None)

    async def list_meetings(self, mailbox_id: str | None = None) -> AsyncIterator[FollowedMeeting]:
        for meeting in list(self.meetings.values()):
            if mailbox_id in (None, meeting.mailbox_id):
                yield meeting

    async def find_answer_cursor(self) -> AnswerCursor | None:
        return self._cursor

    async def save_answer_cursor(self, cursor: AnswerCursor) -> None:
        self._cursor = cursor
