"""Appointments, their parties and what the service refuses of them, over the wire of the Dataverse simulator."""

from typing import Any

import pytest

from local.dataverse.appointments import CANCELED, COMPLETED, OPEN, ORGANIZER, SCHEDULED
from local.dataverse.seed import DISPATCHER_ID
from local.meetings import DISPATCHER_ADDRESS, Meeting, build_meetings, contact_address
from tests.local.dataverse_environment import EVERYTHING, TODAY, Environment, refusal

PARTIES = "appointment_activity_parties"
PARTY_COLUMNS = f"{PARTIES}($select=participationtypemask,addressused,_partyid_value)"
LOOKUP_TABLE = "_partyid_value@Microsoft.Dynamics.CRM.lookuplogicalname"
REVIEW, QUOTE = build_meetings(TODAY)


def address(meeting: Meeting) -> str:
    return f"/appointments({meeting.appointment_id})"


async def parties(dataverse: Environment, meeting: Meeting) -> list[dict[str, Any]]:
    answer = await dataverse.app.get(address(meeting), params={"$expand": PARTY_COLUMNS}, headers=EVERYTHING)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()[PARTIES]
    return found


async def test_an_appointment_is_known_by_the_id_that_all_activities_share() -> None:
    dataverse = Environment()
    row = await dataverse.get(address(REVIEW), select="activityid,subject,globalobjectid,scheduleddurationminutes")
    assert (row["activityid"], row["subject"]) == (REVIEW.appointment_id, "Yearly service review")
    assert row["globalobjectid"] == REVIEW.global_object_id
    assert row["scheduleddurationminutes"] == 60
    shown = await dataverse.get("/EntityDefinitions(LogicalName='appointment')")
    assert (shown["PrimaryIdAttribute"], shown["PrimaryNameAttribute"]) == ("activityid", "subject")


async def test_each_party_shows_what_it_is_and_the_table_that_it_is_of() -> None:
    shown = {
        party["addressused"]: (party["participationtypemask"], party.get(LOOKUP_TABLE))
        for party in await parties(Environment(), REVIEW)
    }
    assert shown == {
        DISPATCHER_ADDRESS: (7, "systemuser"),
        contact_address("Yvonne McKay"): (5, "contact"),
        contact_address("Sven Mortensen"): (6, "contact"),
        "ines@architects.example": (5, None),
    }


async def test_what_automation_made_has_no_organizer() -> None:
    masks = [party["participationtypemask"] for party in await parties(Environment(), QUOTE)]
    assert ORGANIZER not in masks


async def test_a_party_leads_to_the_row_of_its_own_table_alone() -> None:
    dataverse = Environment()
    found = await dataverse.get(
        "/activityparties", filter="participationtypemask eq 7", expand="partyid_systemuser,partyid_contact"
    )
    (organizer,) = found["value"]
    assert organizer["partyid_systemuser"]["systemuserid"] == DISPATCHER_ID
    assert organizer["partyid_contact"] is None


async def test_appointments_are_found_by_what_a_sweep_asks_for() -> None:
    dataverse = Environment()
    found = await dataverse.get("/appointments", filter="globalobjectid ne null and instancetypecode eq 0")
    assert [row["subject"] for row in found["value"]] == ["Yearly service review"]


@pytest.mark.parametrize("state", [COMPLETED, CANCELED])
async def test_a_closed_appointment_is_read_only_until_it_is_opened_again(state: int) -> None:
    dataverse = Environment()
    path = address(REVIEW)
    assert (await dataverse.person.patch(path, json={"statecode": state})).status_code == 204
    assert (await dataverse.get(path))["statuscode"] == {COMPLETED: 3, CANCELED: 4}[state]

    assert refusal(await dataverse.person.patch(path, json={"location": "elsewhere"}))[0] == 400

    assert (await dataverse.person.patch(path, json={"statecode": OPEN, "location": "here"})).status_code == 204
    assert (await dataverse.get(path))["location"] == "here"


async def test_parties_can_be_read_and_nothing_else() -> None:
    dataverse = Environment()
    assert refusal(await dataverse.person.post("/activityparties", json={"participationtypemask": 5}))[0] == 405


async def test_parties_go_with_their_appointment_and_stay_when_a_contact_goes() -> None:
    dataverse = Environment()
    contact_id = REVIEW.guests[0].contact_id
    assert (await dataverse.person.delete(f"/contacts({contact_id})")).status_code == 204
    assert len(await parties(dataverse, REVIEW)) == 4

    assert (await dataverse.person.delete(address(REVIEW))).status_code == 204
    left = (await dataverse.get("/activityparties", select="_activityid_value"))["value"]
    assert {row["_activityid_value"] for row in left} == {QUOTE.appointment_id}


async def test_reading_appointments_needs_the_privilege_on_activities() -> None:
    dataverse = Environment(denied_privileges=["prvReadActivity"])
    assert refusal(await dataverse.app.get("/appointments"))[0] == 403


async def test_an_open_appointment_can_be_scheduled() -> None:
    dataverse = Environment()
    assert (await dataverse.person.patch(address(QUOTE), json={"statecode": SCHEDULED})).status_code == 204
    assert (await dataverse.get(address(QUOTE)))["statuscode"] == 5
