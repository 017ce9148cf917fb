"""Setup and removal against the Dataverse simulator in this process, by wire formats only."""

import json
from contextlib import suppress
from datetime import timedelta
from html import escape
from typing import Any

import pytest

from sync.core.errors import AccessDenied, Refused, ServiceUnavailable
from sync.core.registration import Kind, PlanEntry, wanted_parts
from sync.core.registration_plan import kept_parts, plan_removal
from sync.core.webhooks import WEBHOOK_SECRET_HEADER
from sync.service.installing import carry_out
from tests.local.setup_stage import ENDPOINT, IMAGE, SECRET, STEP, TABLE, URL, WANTED, Stage
from tests.local.webhook_environment import PATH, SAMPLE, VISIT


async def test_everything_is_shown_before_it_is_done_and_a_dry_run_does_nothing() -> None:
    stage = Stage()

    code, text = await stage.run(is_dry_run=True)

    assert code == 0
    for shown in (
        f"POST {TABLE}/Attributes",
        "MSCRM.SolutionUniqueName: bookingsync",
        '"SchemaName": "bks_EventId"',
        '"filteringattributes": "starttime,endtime,resource,bookingstatus,msdyn_workorder,name"',
        f"the answer to GET {TABLE}, with",
    ):
        assert shown in text
    assert text.endswith("Nothing was changed (--dry-run).\n")
    assert await stage.find("solutions?$filter=uniquename eq 'bookingsync'") == []
    assert stage.wire.sent == []


async def test_what_is_sent_is_what_was_shown_but_for_the_secret() -> None:
    stage = Stage()
    _, plan = await stage.run(is_json=True, is_dry_run=True)
    shown = [one for line in plan.splitlines() for one in json.loads(line)["requests"]]

    await stage.run()

    assert len(shown) == len(stage.wire.sent) == 16
    for one, sent in zip(shown, stage.wire.sent, strict=True):
        assert (one["method"], one["address"]) == (sent.method, sent.address)
        told, really = dict(one["body"]), dict(sent.body or {})
        if "authvalue" in told:
            assert told.pop("authvalue") == really.pop("authvalue").replace(escape(SECRET), "***")
        assert told.items() <= really.items() if one["base"] else told == really


async def test_a_second_run_finds_everything_and_writes_nothing() -> None:
    stage = Stage()
    await stage.run()
    stage.wire.sent.clear()

    code, text = await stage.run()

    assert (code, stage.wire.sent) == (0, [])
    assert text.count("was there") == len(WANTED)
    assert text.endswith("There is nothing to do.\n")


async def test_an_environment_in_which_the_columns_were_made_by_hand_gets_the_rest() -> None:
    stage = Stage(app_columns_installed=True)

    _, text = await stage.run()

    assert "was there  column bks_EventId" in text
    assert "was there  alternate key bks_EventKey" in text
    assert "done       create service endpoint bookingsync" in text


async def test_columns_and_key_are_in_the_solution_and_the_key_is_active() -> None:
    stage = Stage()
    await stage.run()

    columns = await stage.find(
        f"{TABLE}/Attributes/Microsoft.Dynamics.CRM.StringAttributeMetadata?$select=LogicalName,SchemaName,MaxLength"
    )
    ours = {one["SchemaName"]: one["MaxLength"] for one in columns if one["LogicalName"].startswith("bks_")}
    assert ours == {"bks_EventId": 300, "bks_EventHash": 64, "bks_Undelivered": 200}
    (key,) = await stage.find(f"{TABLE}/Keys?$select=KeyAttributes,EntityKeyIndexStatus")
    assert (key["KeyAttributes"], key["EntityKeyIndexStatus"]) == (["bks_eventhash"], "Active")
    (solution,) = await stage.find("solutions?$filter=uniquename eq 'bookingsync'")
    components = await stage.find(f"solutioncomponents?$filter=_solutionid_value eq {solution['solutionid']}")
    assert sorted(one["componenttype"] for one in components) == sorted([1, 2, 2, 2, 14, 95, *[92] * 4, *[93] * 3])


class TestWebhooks:
    """What Dataverse sends once the app is set up."""

    async def test_a_changed_booking_is_posted_with_the_secret_and_its_new_state(self) -> None:
        stage = Stage()
        await stage.run()

        await stage.change(name="moved")

        (received,) = await stage.deliver()
        assert received.url == f"{URL}?key=0123abcd"
        assert received.headers[WEBHOOK_SECRET_HEADER] == SECRET
        assert received.images("Post")["after"]["name"] == "moved"

    async def test_a_column_that_no_event_shows_is_not_listened_to(self) -> None:
        stage = Stage()
        await stage.run()

        await stage.change(bks_undelivered="no mailbox")

        assert await stage.deliver() == []

    async def test_a_deleted_booking_is_posted_with_the_event_that_it_had(self) -> None:
        stage = Stage()
        await stage.run()
        await stage.change(bks_eventid="AAMkAGI=", bks_eventhash="0" * 64)

        assert (await stage.person.delete(PATH)).status_code == 204

        (received,) = await stage.deliver()
        image = received.images("Pre")["before"]
        assert (image["bks_eventid"], image["bks_eventhash"]) == ("AAMkAGI=", "0" * 64)
        assert image["resource"]["Id"] == VISIT.technician.resource_id

    async def test_a_work_order_is_listened_to_by_what_technicians_see(self) -> None:
        stage = Stage()
        await stage.run()
        (order, *_) = await stage.find("msdyn_workorders?$select=msdyn_name")
        path = f"/msdyn_workorders({order['msdyn_workorderid']})"

        assert (await stage.person.patch(path, json={"msdyn_workordersummary": "new"})).status_code == 204

        assert [one.context["PrimaryEntityName"] for one in await stage.deliver()] == ["msdyn_workorder"]


@pytest.mark.parametrize(
    ("path", "harm"),
    [
        (ENDPOINT, {"url": "https://elsewhere.example/hook"}),
        (ENDPOINT, {"authtype": 4}),
        (STEP, {"statecode": 1}),
        (STEP, {"mode": 0}),
        (STEP, {"filteringattributes": "msdyn_workorder"}),
        (IMAGE, {"attributes": "name"}),
        (IMAGE, {"entityalias": "x", "attributes": "resource"}),
    ],
    ids=["url", "authentication", "disabled", "synchronous", "filter", "image", "image renamed"],
)
async def test_what_somebody_changed_is_repaired(path: str, harm: dict[str, Any]) -> None:
    stage = Stage()
    await stage.run()
    assert (await stage.person.patch(f"/{path}", json=harm)).status_code == 204

    code, text = await stage.run()

    assert code == 0
    assert text.count("done  ") == 1
    await stage.change(name="repaired")
    (received,) = await stage.deliver()
    assert received.context["Mode"] == 1
    assert received.headers[WEBHOOK_SECRET_HEADER] == SECRET
    assert received.images("Post")["after"]["name"] == "repaired"
    assert (await stage.run())[1].endswith("There is nothing to do.\n")


async def test_a_rotated_secret_shows_in_the_url_and_is_written() -> None:
    stage = Stage()
    await stage.run()
    stage.setup = stage.open("the-new-secret")

    _, text = await stage.run(wanted_parts(f"{URL}?key=ffffffff"))

    assert "done       change service endpoint bookingsync" in text
    await stage.change(name="moved")
    (received,) = await stage.deliver()
    assert (received.url, received.headers[WEBHOOK_SECRET_HEADER]) == (f"{URL}?key=ffffffff", "the-new-secret")


async def test_the_secret_can_be_written_again_when_only_dataverse_lost_it() -> None:
    stage = Stage()
    await stage.run()
    stage.setup = stage.open("the-new-secret")

    await stage.run(renews_secret=True)

    await stage.change(name="moved")
    assert (await stage.deliver())[0].headers[WEBHOOK_SECRET_HEADER] == "the-new-secret"


async def test_a_column_that_is_too_short_becomes_longer_and_keeps_the_label_that_somebody_gave_it() -> None:
    stage = Stage()
    await stage.make_column(MaxLength=100, label="Outlook")

    _, text = await stage.run()

    assert "done       change column bks_EventId" in text
    (column,) = await stage.find(
        f"{TABLE}/Attributes/Microsoft.Dynamics.CRM.StringAttributeMetadata?$filter=LogicalName eq 'bks_eventid'"
    )
    assert column["MaxLength"] == 300
    assert column["DisplayName"]["UserLocalizedLabel"]["Label"] == "Outlook"


class TestKey:
    async def test_its_index_is_waited_for_before_dataverse_calls_us(self) -> None:
        stage = Stage(key_index_seconds=60)
        began_at = stage.clock.now()

        _, text = await stage.run()

        assert stage.clock.now() - began_at >= timedelta(seconds=60)
        assert text.index("index") < text.index("done       create service endpoint")

    async def test_one_that_takes_too_long_ends_the_run_and_the_next_one_goes_on(self) -> None:
        stage = Stage(key_index_seconds=3600)
        with pytest.raises(ServiceUnavailable, match="Run setup again later"):
            await stage.run()
        assert await stage.find("serviceendpoints") == []
        stage.clock.advance(3600)

        code, text = await stage.run()

        assert code == 0
        assert "was there  alternate key bks_EventKey" in text

    async def test_one_that_failed_is_started_again(self) -> None:
        stage = Stage()
        await stage.run()
        stage.board.set_switches({"event_key_index_status": "Failed"})

        _, text = await stage.run()

        assert "POST ReactivateEntityKey" in text
        assert "done       change alternate key bks_EventKey" in text

    async def test_one_that_fails_names_the_mend(self) -> None:
        stage = Stage()
        await stage.make_column(SchemaName="bks_EventHash", MaxLength=64)
        for visit in SAMPLE.bookings[:2]:
            path = f"/bookableresourcebookings({visit.booking_id})"
            assert (await stage.person.patch(path, json={"bks_eventhash": "same"})).status_code == 204

        with pytest.raises(Refused, match="could not build") as failure:
            await stage.run()

        assert "ReactivateEntityKey" in failure.value.mend
        assert "bks_eventhash" in failure.value.mend


class TestProblems:
    async def test_all_that_is_missing_is_listed_at_once_and_nothing_is_done(self) -> None:
        stage = Stage(
            denied_privileges=[
                "prvReadBookingStatus",
                "global:prvReadBookableResourceBooking",
                "prvCreateAttribute",
                "prvCreateServiceEndpoint",
            ]
        )
        await stage.make_column(SchemaName="bks_Undelivered", **{"@odata.type": "MemoAttributeMetadata"})

        code, text = await stage.run()

        assert (code, stage.wire.sent) == (3, [])
        for lacking in (
            "Read bookingstatus (prvReadBookingStatus)",
            "Read bookableresourcebooking (prvReadBookableResourceBooking)",
            "prvCreateAttribute",
            "Create serviceendpoint (prvCreateServiceEndpoint)",
            "bks_Undelivered is no single line of text",
        ):
            assert lacking in text

    async def test_the_user_that_the_app_will_be_is_the_one_whose_rights_are_looked_at(self) -> None:
        stage = Stage(denied_privileges=["prvReadMailbox"])
        (user,) = await stage.find("systemusers?$filter=applicationid ne null&$select=applicationid")

        code, text = await stage.run(client_id=user["applicationid"])

        assert code == 3
        assert "The app's user lacks" in text
        assert "prvReadMailbox" in text

    async def test_an_app_without_a_user_in_dataverse_is_named(self) -> None:
        code, text = await Stage().run(client_id="11111111-2222-3333-4444-555555555555")
        assert code == 3
        assert "No enabled application user has the client id 11111111-2222-3333-4444-555555555555" in text

    async def test_an_environment_without_field_service_is_refused(self) -> None:
        stage = Stage()
        stage.simulator.world.schema.drop("msdyn_incidenttype")

        code, text = await stage.run()

        assert code == 3
        assert "msdyn_incidenttype" in text
        assert "Field Service" in text

    async def test_privileges_that_dataverse_does_not_tell_are_not_held_against_anybody(self) -> None:
        stage = Stage()
        stage.hide_privileges()

        code, text = await stage.run()

        assert code == 0
        assert "they are not checked" in text

    async def test_a_refused_right_names_the_role_that_is_needed(self) -> None:
        stage = Stage(denied_privileges=["prvCreateAttribute"])
        stage.hide_privileges()

        with pytest.raises(AccessDenied, match="prvCreateAttribute") as failure:
            await stage.run()

        assert "System Customizer" in failure.value.mend


class TestInterruption:
    async def test_a_run_that_broke_off_anywhere_is_taken_up_where_it_was(self) -> None:
        """Each run is broken off after one more write than the one before it."""
        stage = Stage()
        for _ in range(16):
            stage.wire.dies_after = len(stage.wire.sent) + 1
            with suppress(ConnectionAbortedError):
                await stage.run()

        assert (await stage.run())[1].endswith("There is nothing to do.\n")
        assert len(await stage.find("sdkmessageprocessingstepimages")) == 3

    @pytest.mark.parametrize("path", ["publishers", "Attributes", "Keys", "serviceendpoints", "processingsteps"])
    async def test_a_creation_whose_answer_was_lost_is_not_made_twice(self, path: str) -> None:
        stage = Stage()
        stage.wire.loses_answer_to = path

        code, text = await stage.run()

        assert code == 0
        assert text.count("done  ") == 16


def ignore(_: PlanEntry) -> None: ...


class TestRemoval:
    async def test_it_leaves_nothing_but_change_tracking(self) -> None:
        stage = Stage()
        await stage.run()

        found = await stage.setup.read(WANTED)
        await carry_out(plan_removal(WANTED, found), WANTED, stage.setup, ignore)

        left = await stage.setup.read(WANTED)
        assert list(left.parts) == [(Kind.CHANGE_TRACKING, "bookableresourcebooking")]
        assert left.parts[Kind.CHANGE_TRACKING, "bookableresourcebooking"]["is on"] is True
        for path in ("serviceendpoints", "sdkmessageprocessingsteps", "sdkmessageprocessingstepimages"):
            assert await stage.find(path) == []

    async def test_what_others_made_is_left_and_named(self) -> None:
        stage = Stage()
        await stage.run()
        await stage.add_a_step_of_others()
        (publisher,) = await stage.find("publishers?$filter=uniquename eq 'bookingsync'")
        await stage.create(
            "solutions",
            uniquename="fleet",
            friendlyname="Fleet",
            version="1.0",
            **{"publisherid@odata.bind": f"/publishers({publisher['publisherid']})"},
        )

        found = await stage.setup.read(WANTED)
        await carry_out(plan_removal(WANTED, found), WANTED, stage.setup, ignore)

        kept = "\n".join(kept_parts(WANTED, found))
        assert "theirs" in kept
        assert "fleet" in kept
        assert [one["name"] for one in await stage.find("sdkmessageprocessingsteps")] == ["theirs"]
        assert len(await stage.find("publishers?$filter=uniquename eq 'bookingsync'")) == 1

    async def test_what_is_gone_already_is_no_failure(self) -> None:
        stage = Stage()
        await stage.run()
        plan = plan_removal(WANTED, await stage.setup.read(WANTED))
        await carry_out(plan, WANTED, stage.setup, ignore)

        await carry_out(plan, WANTED, stage.setup, ignore)

    async def test_it_can_be_set_up_again(self) -> None:
        stage = Stage()
        await stage.run()
        await carry_out(plan_removal(WANTED, await stage.setup.read(WANTED)), WANTED, stage.setup, ignore)

        code, _ = await stage.run()

        assert code == 0
        await stage.change(name="moved")
        assert len(await stage.deliver()) == 1
