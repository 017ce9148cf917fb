"""The table of attendees' answers as the product's setup makes it, for an environment in which it is installed.

A test holds it against what setup really makes.
"""

from collections.abc import Iterable
from dataclasses import replace

from local.dataverse.appointments import APPOINTMENT
from local.dataverse.columns import choice, lookup, state, text, time
from local.dataverse.schema import AlternateKey, Collection, Column, Table
from local.dataverse.table_definition import define_table

ANSWER, ANSWERS = "bks_attendeeanswer", "bks_attendeeanswers"

_ANSWERS = ("None", "Tentative", "Accepted", "Declined", "No longer invited")
_ATTENDANCES = ("Required", "Optional", "Resource")
_FIRST_CHOICE = 721_100_000


def answer_table() -> Table:
    columns = [
        text("bks_name", 200, schema_name="bks_Name"),
        text("bks_answerhash", 64, schema_name="bks_AnswerHash"),
        text("bks_address", 320, schema_name="bks_Address"),
        replace(choice("bks_answer", _choices(_ANSWERS)), schema_name="bks_Answer"),
        replace(choice("bks_attendance", _choices(_ATTENDANCES)), schema_name="bks_Attendance"),
        *(replace(time(name.lower()), schema_name=name) for name in ("bks_AnsweredOn", "bks_ReadOn")),
        *(replace(time(name.lower()), schema_name=name) for name in ("bks_ProposedStart", "bks_ProposedEnd")),
        replace(_lookup("bks_Appointment", APPOINTMENT), on_delete="cascade"),
        _lookup("bks_Contact", "contact"),
        _lookup("bks_User", "systemuser"),
    ]
    own = [replace(column, is_custom=True) for column in columns]
    table = define_table("bks_AttendeeAnswer", ANSWERS, "Attendee answer", [*state(), *own], primary_name="bks_name")
    key = AlternateKey(schema_name="bks_AnswerKey", columns=("bks_answerhash",))
    return replace(table, is_custom=True, keys=(key,), display_collection_name="Attendee answers")


def _choices(labels: Iterable[str]) -> dict[int, str]:
    return dict(enumerate(labels, _FIRST_CHOICE))


def _lookup(name: str, target: str) -> Column:
    column = lookup(name.lower(), target, name)
    return replace(column, schema_name=name, relationship=_relationship(target))


def _relationship(target: str) -> str:
    return f"bks_{target}_{ANSWER}"


def with_answers(tables: Iterable[Table]) -> list[Table]:
    """The tables, and that of answers, to which its targets lead."""
    own = answer_table()
    columns = {column.target: column for column in own.columns.values() if column.relationship}
    shown = [
        replace(
            table,
            collections=(
                *table.collections,
                Collection(navigation=_relationship(table.name), table=ANSWER, column=columns[table.name].name),
            ),
        )
        if table.name in columns
        else table
        for table in tables
    ]
    return [*shown, own]
