"""What every `MeetingMemory` does."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sync.adapters.meeting_store import TableMeetingMemory
from sync.core.answers import AnswerCursor, FollowedMeeting
from sync.core.errors import PreconditionFailed
from sync.service.answer_ports import MeetingMemory
from tests.answer_fakes import FakeMeetingMemory
from tests.contracts.conftest import OwnTables

NOW = datetime(2026, 11, 18, 9, tzinfo=UTC)
MAILBOX, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
NEW = FollowedMeeting(mailbox_id=MAILBOX, event_id="AAk+/=", appointment_id="appointment", ends_at=NOW)
HASHES = [f"{number:064x}" for number in range(500)]
FULL = replace(
    NEW,
    read_at=NOW,
    etag='W/"key"',
    written=dict.fromkeys(HASHES, "0123456789abcdef"),
    people=dict.fromkeys(HASHES, "contacts(11111111-1111-4111-8111-111111111111)"),
    leased_until=NOW,
)


@pytest.fixture
def memory(subject_tables: OwnTables | None) -> MeetingMemory:
    if subject_tables is None:
        return FakeMeetingMemory()
    service, prefix = subject_tables
    return TableMeetingMemory(service, prefix=prefix)


@pytest.mark.parametrize("meeting", [NEW, FULL], ids=["minimal", "five hundred attendees"])
async def test_a_meeting_comes_back_as_it_was_saved(memory: MeetingMemory, meeting: FollowedMeeting) -> None:
    saved = await memory.save_meeting(meeting)

    assert replace(saved, version=None) == meeting
    assert await memory.find_meeting(MAILBOX, "AAk+/=") == saved


async def test_ids_differ_by_case_and_by_mailbox(memory: MeetingMemory) -> None:
    await memory.save_meeting(NEW)

    assert await memory.find_meeting(MAILBOX, "aak+/=") is None
    assert await memory.find_meeting(OTHER, "AAk+/=") is None


async def test_who_does_not_know_the_newest_state_cannot_save(memory: MeetingMemory) -> None:
    first = await memory.save_meeting(NEW)
    await memory.save_meeting(replace(first, etag="1"))

    for outdated in (NEW, first):
        with pytest.raises(PreconditionFailed):
            await memory.save_meeting(outdated)


async def test_a_mailboxs_meetings_are_listed_or_those_of_all(memory: MeetingMemory) -> None:
    for one in (NEW, replace(NEW, event_id="second"), replace(NEW, mailbox_id=OTHER)):
        await memory.save_meeting(one)

    assert {one.event_id async for one in memory.list_meetings(MAILBOX)} == {"AAk+/=", "second"}
    assert len([one async for one in memory.list_meetings()]) == 3


async def test_a_deleted_meeting_is_gone_and_deleting_it_again_is_well(memory: MeetingMemory) -> None:
    await memory.save_meeting(NEW)

    for _ in range(2):
        await memory.delete_meeting(MAILBOX, "AAk+/=")

    assert await memory.find_meeting(MAILBOX, "AAk+/=") is None


async def test_the_cursor_is_the_last_one_saved(memory: MeetingMemory) -> None:
    assert await memory.find_answer_cursor() is None
    for moment in (NOW, NOW.replace(hour=13)):
        await memory.save_answer_cursor(AnswerCursor(looked_far_at=moment))
    assert await memory.find_answer_cursor() == AnswerCursor(looked_far_at=NOW.replace(hour=13))
