"""Attendees' answers: which event is an appointment's, what is to be written of it, and when to look. Pure.

Exchange keeps the answers in the organizer's copy of a meeting alone; Dataverse has no column for them. Shapes: Graph
documentation, resources/event, attendee and responsestatus; Dataverse documentation, table reference of appointment;
the global object id: [MS-OXOCAL] 2.2.1.27. Checked 2026-11-21.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from sync.core.sides import SINGLE_INSTANCE, TimeSpan

SOON = timedelta(hours=48)
"""How near a meeting must be to be looked at by every sweep."""

LATER_INTERVAL = timedelta(hours=4)
"""How often the meetings beyond that are looked at."""

AFTERWARDS = timedelta(hours=24)
"""How long after its end a meeting is still looked at."""

_GLOBAL_OBJECT_ID = "040000008200E00074C5B7101A82E008"
_FOREIGN_UID = b"vCal-Uid\x01\x00\x00\x00"
_DATA_AT = 40
"""Where in a global object id the data begins, in bytes."""


class Answer(StrEnum):
    """What an attendee said; the last one stands for somebody who is not invited any more."""

    NONE = "none"
    TENTATIVE = "tentative"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    NO_LONGER_INVITED = "no-longer-invited"


class Attendance(StrEnum):
    """How somebody is invited."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendee:
    """One attendee as the organizer's event shows them. `address` as it was invited, compared without case."""

    address: str
    name: str = ""
    attendance: Attendance = Attendance.REQUIRED
    answer: Answer = Answer.NONE
    answered_at: datetime | None = None
    proposed: TimeSpan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """An event with attendees, as one mailbox holds it. `uid` is its iCalendar id, which all copies share."""

    mailbox_id: str
    event_id: str
    etag: str
    uid: str
    span: TimeSpan
    is_organizer: bool
    type: str = SINGLE_INSTANCE
    attendees: tuple[Attendee, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether this copy says what attendees answered: an invitee's does not, and a series is no one meeting."""
        return self.is_organizer and self.type == SINGLE_INSTANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """An appointment of Dataverse that Exchange knows. `mailbox_id` is its organizer's.

    `people` are the rows of contacts and users among its parties, as `<entity set>(<id>)` by address in lower case.
    """

    appointment_id: str
    uid: str
    mailbox_id: str
    span: TimeSpan
    people: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedMeeting:
    """Our memory of an appointment's event, and the lease by which one worker at a time handles it.

    All of it can be lost: then each answer is written once more. `version` is the store's own etag.

    `read_at` is when the read began that was written last; `etag` the state that it saw. `written` has a digest of what
    each row of Dataverse says, and `people` the row of the attendee's contact or user (empty: none), both by the row's
    hash: neither holds anybody's name or address.
    """

    mailbox_id: str
    event_id: str
    appointment_id: str
    ends_at: datetime
    read_at: datetime | None = None
    etag: str = ""
    written: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)
    leased_until: datetime | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWrite:
    """A row to be written: of `attendee`, or, when that is None, of somebody who is not invited any more.

    `person` is their row as `<entity set>(<id>)`, empty for none; `digest` what is remembered once it is written.
    """

    answer_hash: str
    appointment_id: str
    attendee: Attendee | None
    person: str
    read_at: datetime
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCursor:
    """When the sweep last looked at all meetings, and not only at those that are near."""

    looked_far_at: datetime


def uid_of(global_object_id: str) -> str:
    """The iCalendar id (Graph's `iCalUId`) of the item with this global object id, which Dataverse keeps as hex digits.

    Exchange shows the digits themselves, in capitals; of a meeting that another system made it wraps that system's id.
    """
    text = global_object_id.strip()
    if not text.upper().startswith(_GLOBAL_OBJECT_ID):
        return text
    try:
        data = bytes.fromhex(text)[_DATA_AT:]
        if data.startswith(_FOREIGN_UID):
            return data.removeprefix(_FOREIGN_UID).rstrip(b"\x00").decode()
    except ValueError:
        pass  # It is no such id after all, and then it is only equal to itself.
    return text.upper()


def is_event_of(meeting: Meeting, appointment: Appointment) -> bool:
    """The rule of matching: the organizer's own copy, in the organizer's mailbox, of the same iCalendar id."""
    return meeting.counts and meeting.mailbox_id == appointment.mailbox_id and uid_of(meeting.uid) == appointment.uid


def answer_hash(appointment_id: str, address: str) -> str:
    """The key of an attendee's row: addresses hold characters that keys forbid, and are compared without case."""
    return sha256(f"{appointment_id}:{address.strip().lower()}".encode()).hexdigest()


def writes_of(
    meeting: Meeting, followed: FollowedMeeting, people: Mapping[str, str], read_at: datetime
) -> list[AnswerWrite]:
    """The rows that must change so that Dataverse says what the organizer's event says; none where it does.

    `people` are rows by address in lower case; whoever is not among them keeps the row that is remembered.
    """
    writes = []
    invited = set()
    for attendee in meeting.attendees:
        key = answer_hash(followed.appointment_id, attendee.address)
        if key in invited:
            continue
        invited.add(key)
        person = people.get(attendee.address.lower()) or followed.people.get(key, "")
        writes.append(_write(key, attendee, person, followed, read_at))
    writes += [
        _write(key, None, followed.people.get(key, ""), followed, read_at)
        for key in followed.written
        if key not in invited
    ]
    return [one for one in writes if followed.written.get(one.answer_hash) != one.digest]


def _write(
    key: str, attendee: Attendee | None, person: str, followed: FollowedMeeting, read_at: datetime
) -> AnswerWrite:
    said = repr(attendee) if attendee else Answer.NO_LONGER_INVITED
    return AnswerWrite(
        answer_hash=key,
        appointment_id=followed.appointment_id,
        attendee=attendee,
        person=person,
        read_at=read_at,
        digest=sha256(f"{person} {said}".encode()).hexdigest()[:16],
    )


def strangers(meeting: Meeting, followed: FollowedMeeting, people: Mapping[str, str]) -> list[str]:
    """Addresses, in lower case, of attendees about whom it is not known yet whether they are a contact or a user."""
    addresses = dict.fromkeys(attendee.address.lower() for attendee in meeting.attendees)
    return [
        address
        for address in addresses
        if address not in people and answer_hash(followed.appointment_id, address) not in followed.people
    ]


def after_writing(
    followed: FollowedMeeting,
    meeting: Meeting,
    writes: Mapping[str, AnswerWrite],
    read_at: datetime,
    *,
    is_complete: bool,
) -> FollowedMeeting:
    """What is remembered once `writes`, by the hashes of their rows, are in Dataverse.

    With rows that could not be written the state counts as not seen, so that the next look tries again.
    """
    return replace(
        followed,
        ends_at=meeting.span.end_at,
        read_at=read_at,
        etag=meeting.etag if is_complete else "",
        written={**followed.written, **{key: one.digest for key, one in writes.items()}},
        people={**followed.people, **{key: one.person for key, one in writes.items()}},
        leased_until=None,
    )


def was_seen(followed: FollowedMeeting, received_at: datetime, etags: tuple[str, ...], margin: timedelta) -> bool:
    """Whether a notification tells nothing new: it came before the last read began, or names the state that it saw."""
    if followed.read_at is not None and followed.read_at > received_at + margin:
        return True
    return bool(followed.etag and etags) and set(etags) <= {followed.etag}


def span_to_look_at(cursor: AnswerCursor | None, now: datetime, future: timedelta) -> tuple[TimeSpan, bool]:
    """The meetings to look at in this sweep, and whether those are all. Silent answers raise no notification."""
    is_far = cursor is None or now - cursor.looked_far_at >= LATER_INTERVAL
    return TimeSpan(start_at=now - AFTERWARDS, end_at=now + (max(future, SOON) if is_far else SOON)), is_far
