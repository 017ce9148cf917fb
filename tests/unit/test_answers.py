"""Which event is an appointment's, what is written of its attendees, and when it is looked at."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sync.core.answer_table import ANSWER_PARTS, AnswerChoice, AttendanceChoice
from sync.core.answers import (
    AFTERWARDS,
    LATER_INTERVAL,
    SOON,
    Answer,
    AnswerCursor,
    Appointment,
    Attendance,
    Attendee,
    FollowedMeeting,
    Meeting,
    after_writing,
    answer_hash,
    is_event_of,
    span_to_look_at,
    strangers,
    uid_of,
    was_seen,
    writes_of,
)
from sync.core.registration import CHOICES, Kind
from sync.core.sides import TimeSpan

NOW = datetime(2026, 11, 18, 9, tzinfo=UTC)
SPAN = TimeSpan(start_at=NOW + timedelta(days=1), end_at=NOW + timedelta(days=1, hours=1))
UID = "040000008200E00074C5B7101A82E0080000000060CADC517255CE01000000000000000010000000847A9CD89052DC49BA28DC8AAFBBB4BA"
MAILBOX, OTHER_MAILBOX = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ANN, BOB = Attendee(address="Ann@customers.example", name="Ann"), Attendee(address="bob@customers.example")
MEETING = Meeting(
    mailbox_id=MAILBOX,
    event_id="event",
    etag='W/"1"',
    uid=UID,
    span=SPAN,
    is_organizer=True,
    attendees=(ANN, BOB),
)
APPOINTMENT = Appointment(appointment_id="appointment", uid=UID, mailbox_id=MAILBOX, span=SPAN)
NEW = FollowedMeeting(mailbox_id=MAILBOX, event_id="event", appointment_id="appointment", ends_at=SPAN.end_at)


def written(meeting: Meeting = MEETING, known: FollowedMeeting = NEW, **people: str) -> FollowedMeeting:
    """What is remembered once everything is in Dataverse."""
    writes = {one.answer_hash: one for one in writes_of(meeting, known, people, NOW)}
    return after_writing(known, meeting, writes, NOW, is_complete=True)


class TestMatching:
    def test_the_digits_of_a_global_object_id_are_the_icalendar_id_in_capitals(self) -> None:
        assert uid_of(f" {UID.lower()} ") == UID

    def test_of_a_meeting_that_another_system_made_it_is_that_systems_id(self) -> None:
        theirs = "1e47feec-eca5-4bb9-aeae-123456791"
        data = b"vCal-Uid\x01\x00\x00\x00" + theirs.encode() + b"\x00"
        header = bytes.fromhex("040000008200E00074C5B7101A82E008") + bytes(20) + len(data).to_bytes(4, "little")
        assert uid_of((header + data).hex()) == theirs

    @pytest.mark.parametrize("text", ["19rh93h5t893h5v@calendar.icloud.com", "", "040000008200E00074C5B7101A82E008XY"])
    def test_what_is_no_global_object_id_is_only_equal_to_itself(self, text: str) -> None:
        assert uid_of(text) == text

    def test_the_organizers_single_event_of_the_same_id_is_the_appointments(self) -> None:
        assert is_event_of(MEETING, APPOINTMENT)

    @pytest.mark.parametrize(
        "other",
        [
            replace(MEETING, is_organizer=False),
            replace(MEETING, mailbox_id=OTHER_MAILBOX),
            replace(MEETING, uid=UID.replace("60CADC", "60CADD")),
            replace(MEETING, type="occurrence"),
            replace(MEETING, type="exception"),
            replace(MEETING, type="seriesMaster"),
        ],
        ids=["an invitee's", "another mailbox's", "another id", "occurrence", "exception", "series"],
    )
    def test_nothing_else_is(self, other: Meeting) -> None:
        assert not is_event_of(other, APPOINTMENT)

    def test_an_attendee_is_the_same_whatever_the_case_of_the_address(self) -> None:
        assert answer_hash("appointment", "Ann@Customers.Example ") == answer_hash(
            "appointment", "ann@customers.example"
        )
        assert answer_hash("appointment", "ann@x") != answer_hash("another", "ann@x")


class TestWrites:
    def test_at_first_everybody_is_written_and_then_nobody(self) -> None:
        assert len(writes_of(MEETING, NEW, {}, NOW)) == 2
        assert writes_of(MEETING, written(), {}, NOW) == []

    @pytest.mark.parametrize(
        "changed",
        [
            replace(ANN, answer=Answer.ACCEPTED),
            replace(ANN, answered_at=NOW),
            replace(ANN, attendance=Attendance.OPTIONAL),
            replace(ANN, proposed=SPAN),
            replace(ANN, name="Ann A."),
        ],
        ids=["answer", "time", "attendance", "proposal", "name"],
    )
    def test_whatever_changes_of_somebody_is_written_for_that_one_alone(self, changed: Attendee) -> None:
        (write,) = writes_of(replace(MEETING, attendees=(changed, BOB)), written(), {}, NOW)
        assert write.attendee == changed

    def test_who_is_not_invited_any_more_is_written_once(self) -> None:
        without = replace(MEETING, attendees=(BOB,))
        (write,) = writes_of(without, written(), {}, NOW)
        assert (write.answer_hash, write.attendee) == (answer_hash("appointment", ANN.address), None)
        assert writes_of(without, written(without, written()), {}, NOW) == []

    def test_somebody_who_is_invited_twice_has_one_row(self) -> None:
        twice = replace(MEETING, attendees=(ANN, replace(ANN, address=ANN.address.upper())))
        assert len(writes_of(twice, NEW, {}, NOW)) == 1

    def test_a_person_who_became_known_is_written_and_kept_afterwards(self) -> None:
        known = {"ann@customers.example": "contacts(1)"}
        (write,) = writes_of(MEETING, written(), known, NOW)
        assert write.person == "contacts(1)"
        remembered = after_writing(written(), MEETING, {write.answer_hash: write}, NOW, is_complete=True)
        assert writes_of(MEETING, remembered, {}, NOW) == []

    def test_people_are_looked_for_once_whether_they_are_found_or_not(self) -> None:
        assert strangers(MEETING, NEW, {}) == ["ann@customers.example", "bob@customers.example"]
        assert strangers(MEETING, NEW, {"bob@customers.example": "contacts(2)"}) == ["ann@customers.example"]
        assert strangers(MEETING, written(), {}) == []

    def test_memory_names_nobody(self) -> None:
        assert "ann" not in repr(written()).lower()

    def test_what_could_not_be_written_is_not_remembered_and_the_state_counts_as_unseen(self) -> None:
        first, second = writes_of(MEETING, NEW, {}, NOW)
        known = after_writing(NEW, MEETING, {first.answer_hash: first}, NOW, is_complete=False)
        assert writes_of(MEETING, known, {}, NOW) == [second]
        assert known.etag == ""


class TestSeen:
    def test_a_notification_from_before_the_last_read_tells_nothing(self) -> None:
        known = written()
        assert was_seen(known, NOW - timedelta(seconds=5), (), timedelta(seconds=1))
        assert not was_seen(known, NOW, (), timedelta(seconds=1))

    def test_nor_does_one_of_the_state_that_was_seen(self) -> None:
        known = written()
        assert was_seen(known, NOW + timedelta(hours=1), (MEETING.etag,), timedelta(seconds=1))
        assert not was_seen(known, NOW + timedelta(hours=1), (MEETING.etag, "other"), timedelta(seconds=1))

    def test_of_a_meeting_that_was_never_read_everything_is_news(self) -> None:
        assert not was_seen(NEW, NOW, ("",), timedelta(0))


class TestWhenToLook:
    def test_at_first_everything_is_looked_at(self) -> None:
        span, is_far = span_to_look_at(None, NOW, timedelta(days=42))
        assert (span.start_at, span.end_at, is_far) == (NOW - AFTERWARDS, NOW + timedelta(days=42), True)

    def test_then_only_what_is_near_until_its_time_has_come_again(self) -> None:
        cursor = AnswerCursor(looked_far_at=NOW)
        later = NOW + LATER_INTERVAL
        assert span_to_look_at(cursor, later - timedelta(seconds=1), timedelta(days=42))[1] is False
        assert span_to_look_at(cursor, NOW, timedelta(days=42))[0].end_at == NOW + SOON
        assert span_to_look_at(cursor, later, timedelta(days=42))[1] is True

    def test_a_window_shorter_than_two_days_does_not_shorten_what_is_near(self) -> None:
        assert span_to_look_at(None, NOW, timedelta(days=1))[0].end_at == NOW + SOON


def test_the_values_of_both_choices_are_those_that_setup_makes() -> None:
    labels = {part.name: str(part.values[CHOICES]).split(",") for part in ANSWER_PARTS if CHOICES in part.values}
    for name, choice in (("bks_Answer", AnswerChoice), ("bks_Attendance", AttendanceChoice)):
        assert [one.name.replace("_", " ").capitalize() for one in choice] == labels[name]
        assert [one.value for one in choice] == list(range(721_100_000, 721_100_000 + len(choice)))
    assert {one.name for one in Answer} == {one.name for one in AnswerChoice}
    assert {one.name for one in Attendance} == {one.name for one in AttendanceChoice}
    assert len({part.title for part in ANSWER_PARTS}) == len(ANSWER_PARTS)
    assert ANSWER_PARTS[0].kind is Kind.TABLE, "nothing can be made before it"
