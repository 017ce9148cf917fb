"""Setup of the table of attendees' answers against the Dataverse simulator in this process, by wire formats only."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from local.dataverse.answer_table import answer_table
from local.dataverse.schema import Table
from sync.core.answer_table import ANSWER_PARTS, ANSWER_TABLE, ANSWERS, AnswerChoice, AttendanceChoice
from sync.core.registration import Doing, Kind, PlanEntry, wanted_parts
from sync.core.registration_plan import plan_removal
from sync.service.installing import carry_out
from tests.local.setup_stage import URL, Stage

WANTED = wanted_parts(f"{URL}?key=0123abcd", ANSWER_PARTS)
LOOKUPS = ("bks_Appointment", "bks_Contact", "bks_User")


def ignore(_: PlanEntry) -> None: ...


async def set_up(**switches: Any) -> Stage:
    stage = Stage(**switches)
    code, text = await stage.run(WANTED)
    assert code == 0, text
    return stage


def shown(table: Table) -> tuple[Any, ...]:
    """A table without what nobody chose: the order of its columns, and labels of columns."""
    columns = {name: replace(column, display_name="") for name, column in table.columns.items()}
    keys = tuple(replace(key, display_name="") for key in table.keys)
    return replace(table, columns=columns, keys=keys), table.is_custom


async def test_what_setup_makes_is_what_an_installed_environment_has() -> None:
    stage = await set_up()
    made, installed = stage.simulator.world.schema[ANSWER_TABLE], answer_table()
    assert shown(made) == shown(installed)
    collections = {
        one.navigation: one.column
        for table in stage.simulator.world.schema.tables()
        for one in table.collections
        if one.table == ANSWER_TABLE
    }
    assert sorted(collections.values()) == sorted(name.lower() for name in LOOKUPS)


async def test_a_dry_run_shows_every_request_and_sends_none() -> None:
    stage = Stage()

    code, text = await stage.run(WANTED, is_dry_run=True)

    assert code == 0
    assert "create table bks_AttendeeAnswer" in text
    assert "POST RelationshipDefinitions" in text
    assert f"<entity>{ANSWER_TABLE}</entity>" in text
    assert text.count("MSCRM.SolutionUniqueName: bookingsync") >= len(ANSWER_PARTS)
    assert stage.wire.sent == []


async def test_a_second_run_finds_everything_and_writes_nothing() -> None:
    stage = await set_up()
    stage.wire.sent.clear()

    _, text = await stage.run(WANTED)

    assert stage.wire.sent == []
    assert text.endswith("There is nothing to do.\n")


async def test_an_installation_without_answers_gets_the_table_and_nothing_else() -> None:
    stage = Stage()
    await stage.run()
    stage.wire.sent.clear()

    _, text = await stage.run(WANTED)

    assert len(stage.wire.sent) == len(ANSWER_PARTS) + 1, "the parts, and what publishes them"
    assert text.endswith("Dataverse is set up.\n")


async def test_a_run_that_broke_off_anywhere_is_taken_up_where_it_was() -> None:
    """Each run is broken off after one more write than the one before it."""
    stage = Stage()
    for _ in range(len(ANSWER_PARTS) + 17):
        stage.wire.dies_after = len(stage.wire.sent) + 1
        with suppress(ConnectionAbortedError):
            await stage.run(WANTED)

    assert (await stage.run(WANTED))[1].endswith("There is nothing to do.\n")
    assert shown(stage.simulator.world.schema[ANSWER_TABLE]) == shown(answer_table())


@pytest.mark.parametrize("path", ["EntityDefinitions", "RelationshipDefinitions"])
async def test_a_creation_whose_answer_was_lost_is_not_made_twice(path: str) -> None:
    stage = Stage()
    stage.wire.loses_answer_to = path

    code, text = await stage.run(WANTED)

    assert (code, text.count("done  ")) == (0, len(WANTED) + 1), "with what publishes them"


async def test_table_key_and_relationships_are_in_the_solution() -> None:
    stage = await set_up()
    (solution,) = await stage.find("solutions?$filter=uniquename eq 'bookingsync'")
    components = await stage.find(f"solutioncomponents?$filter=_solutionid_value eq {solution['solutionid']}")
    kinds = [one["componenttype"] for one in components]
    assert kinds.count(10) == 3, "relationships"
    assert kinds.count(14) == 2, "keys"
    assert kinds.count(1) == 2, "tables"


async def test_the_answers_of_a_deleted_appointment_go_with_it_and_those_of_a_deleted_contact_stay() -> None:
    stage = await set_up()
    appointment, *_ = await stage.find("appointments?$select=subject")
    contact, *_ = await stage.find("contacts?$select=fullname")
    await stage.create(
        ANSWERS,
        bks_answer=AnswerChoice.ACCEPTED,
        bks_attendance=AttendanceChoice.REQUIRED,
        **{
            "bks_Appointment@odata.bind": f"/appointments({appointment['activityid']})",
            "bks_Contact@odata.bind": f"/contacts({contact['contactid']})",
        },
    )

    assert (await stage.person.delete(f"/contacts({contact['contactid']})")).status_code == 204
    (row,) = await stage.find(f"{ANSWERS}?$select=_bks_contact_value,bks_answer")
    assert (row["_bks_contact_value"], row["bks_answer"]) == (None, AnswerChoice.ACCEPTED)
    assert (await stage.person.delete(f"/appointments({appointment['activityid']})")).status_code == 204
    assert await stage.find(ANSWERS) == []


async def test_a_removal_deletes_the_table_with_all_that_belongs_to_it_in_one_request() -> None:
    stage = await set_up()
    plan = plan_removal(WANTED, await stage.setup.read(WANTED))
    of_answers = [entry for entry in plan if entry.part.table == ANSWER_TABLE]
    assert [(entry.doing, entry.part.kind) for entry in of_answers] == [(Doing.REMOVE, Kind.TABLE)]

    await carry_out(plan, WANTED, stage.setup, ignore)

    assert list((await stage.setup.read(WANTED)).parts) == [(Kind.CHANGE_TRACKING, "bookableresourcebooking")]
    assert stage.simulator.world.schema["appointment"].collection(f"bks_appointment_{ANSWER_TABLE}") is None
    code, _ = await stage.run(WANTED)
    assert code == 0, "it can be set up again"


async def test_a_right_that_is_lacking_for_relationships_is_named_before_anything_is_done() -> None:
    stage = Stage(denied_privileges=["prvCreateRelationship", "prvCreateEntity"])

    code, text = await stage.run(WANTED)

    assert (code, stage.wire.sent) == (3, [])
    assert "prvCreateRelationship" in text
    assert "prvCreateEntity" in text


async def test_the_rights_that_the_role_needs_on_the_table_are_told_first_and_checked_once_it_is_there() -> None:
    stage = Stage(denied_privileges=["prvWritebks_AttendeeAnswer", "prvReadActivity"])

    code, text = await stage.run(WANTED, is_dry_run=True)
    assert code == 3
    assert "Read appointment (prvReadActivity)" in text
    assert "give the app's role these rights on bks_attendeeanswer: Create, Read, Write, Append" in text

    stage.board.set_switches({"denied_privileges": ["prvWritebks_AttendeeAnswer"]})
    assert (await stage.run(WANTED))[0] == 0
    code, text = await stage.run(WANTED)
    assert code == 3
    assert "Write bks_attendeeanswer (prvWritebks_AttendeeAnswer)" in text
