"""`MeetingMemory` on Azure Table Storage: a row per meeting, in the partition of its organizer's mailbox."""

from collections.abc import AsyncIterator

from azure.data.tables.aio import TableServiceClient

from sync.adapters.rows import RowKey, key_text
from sync.adapters.tables import PREFIX, ValueTable, VersionedTable
from sync.core.answers import AnswerCursor, FollowedMeeting
from sync.core.sides import event_hash

_CURSOR = RowKey("all", "cursor")


class TableMeetingMemory:
    """See `MeetingMemory`. A meeting's `version` is its row's etag."""

    def __init__(self, service: TableServiceClient, *, prefix: str = PREFIX) -> None:
        self._meetings = VersionedTable(
            service, f"{prefix}meetings", FollowedMeeting, lambda one: _key(one.mailbox_id, one.event_id)
        )
        self._cursors = ValueTable(service, f"{prefix}answercursors", AnswerCursor, lambda _: _CURSOR)

    async def find_meeting(self, mailbox_id: str, event_id: str) -> FollowedMeeting | None:
        return await self._meetings.find(_key(mailbox_id, event_id))

    async def save_meeting(self, meeting: FollowedMeeting) -> FollowedMeeting:
        return await self._meetings.save(meeting)

    async def delete_meeting(self, mailbox_id: str, event_id: str) -> None:
        await self._meetings.delete(_key(mailbox_id, event_id))

    def list_meetings(self, mailbox_id: str | None = None) -> AsyncIterator[FollowedMeeting]:
        return self._meetings.list_values(PartitionKey=key_text(mailbox_id) if mailbox_id else None)

    async def find_answer_cursor(self) -> AnswerCursor | None:
        return await self._cursors.find(_CURSOR)

    async def save_answer_cursor(self, cursor: AnswerCursor) -> None:
        await self._cursors.put(cursor)


def _key(mailbox_id: str, event_id: str) -> RowKey:
    """Hashed: an event id differs from another by case alone and may hold characters that keys forbid."""
    return RowKey(key_text(mailbox_id), event_hash(mailbox_id, event_id))
