"""The table in Dataverse that holds attendees' answers: its names, and the parts by which setup makes it. Pure.

A table of its own, because a completed or cancelled appointment is read-only and neither appointments nor their parties
have a column for an answer (table references of appointment and activityparty). Its rows belong to the organization, so
that whoever may read the table sees the answers to every appointment.
"""

from enum import IntEnum

from sync.core.registration import CASCADES, CHOICES, COLUMN_TYPE, LENGTH, REFERENCES, Kind, Part, Value

ANSWER_TABLE = "bks_attendeeanswer"
ANSWERS = "bks_attendeeanswers"
"""The table's entity set."""

ANSWER_KEY = "bks_AnswerKey"
APPOINTMENT_TABLE = "appointment"
ADDRESS_LENGTH = 320
NAME_LENGTH = 200


class AnswerChoice(IntEnum):
    """The values of the column of answers. They begin with the publisher's prefix for choices."""

    NONE = 721_100_000
    TENTATIVE = 721_100_001
    ACCEPTED = 721_100_002
    DECLINED = 721_100_003
    NO_LONGER_INVITED = 721_100_004


class AttendanceChoice(IntEnum):
    """The values of the column that says how somebody is invited."""

    REQUIRED = 721_100_000
    OPTIONAL = 721_100_001
    RESOURCE = 721_100_002


def _labels(choice: type[IntEnum]) -> str:
    return ",".join(one.name.replace("_", " ").capitalize() for one in choice)


def _column(name: str, label: str, why: str, **values: Value) -> Part:
    return Part(kind=Kind.COLUMN, name=name, why=why, values={"label": label, **values}, table=ANSWER_TABLE)


def _lookup(name: str, label: str, target: str, why: str, *, cascades: bool = False) -> Part:
    values: dict[str, Value] = {"label": label, REFERENCES: target, CASCADES: cascades}
    relationship = f"bks_{target}_{ANSWER_TABLE}"
    return Part(
        kind=Kind.RELATIONSHIP, name=relationship, why=why, values={"lookup": name, **values}, table=ANSWER_TABLE
    )


ANSWER_PARTS = (
    Part(
        kind=Kind.TABLE,
        name="bks_AttendeeAnswer",
        why="holds what attendees answered, since appointments cannot",
        values={
            "label": "Attendee answer",
            "plural": "Attendee answers",
            "primary": "bks_Name",
            "primary label": "Attendee",
            LENGTH: NAME_LENGTH,
        },
        table=ANSWER_TABLE,
    ),
    _column("bks_AnswerHash", "Answer hash", "a digest of appointment and address, for the key", **{LENGTH: 64}),
    _column("bks_Address", "Address", "the mail address that was invited", **{LENGTH: ADDRESS_LENGTH}),
    _column(
        "bks_Answer",
        "Answer",
        "none, tentative, accepted, declined, or no longer invited",
        **{COLUMN_TYPE: "Picklist", CHOICES: _labels(AnswerChoice)},
    ),
    _column(
        "bks_Attendance",
        "Attendance",
        "whether required, optional, or a resource",
        **{COLUMN_TYPE: "Picklist", CHOICES: _labels(AttendanceChoice)},
    ),
    _column("bks_AnsweredOn", "Answered on", "when the attendee answered", **{COLUMN_TYPE: "DateTime"}),
    _column("bks_ProposedStart", "Proposed start", "the attendee's counter-proposal", **{COLUMN_TYPE: "DateTime"}),
    _column("bks_ProposedEnd", "Proposed end", "the attendee's counter-proposal", **{COLUMN_TYPE: "DateTime"}),
    _column("bks_ReadOn", "Read on", "when the organizer's event said so", **{COLUMN_TYPE: "DateTime"}),
    Part(
        kind=Kind.KEY,
        name=ANSWER_KEY,
        why="finds an attendee's row, and lets nobody have two for one appointment",
        values={"label": "Answer key", "columns": "bks_answerhash"},
        table=ANSWER_TABLE,
    ),
    _lookup("bks_Appointment", "Appointment", APPOINTMENT_TABLE, "answers go with their appointment", cascades=True),
    _lookup("bks_Contact", "Contact", "contact", "the attendee, where a contact has the address"),
    _lookup("bks_User", "User", "systemuser", "the attendee, where a user has the address"),
)
"""In the order in which they are made."""
