"""Registering webhooks at the Dataverse simulator, over its ordinary Web API."""

from typing import Any

import pytest

from local.dataverse.registration_rules import TABLES
from tests.local.webhook_environment import BOOKING, HOST, SETTINGS, URL, WebhookEnvironment, image_body

ENDPOINT = {"name": "bookingsync", "contract": 8, "url": URL, "authtype": 4, "authvalue": "key"}


@pytest.mark.parametrize("message", ["Create", "Update", "Delete"])
async def test_each_message_has_a_filter_for_each_table(message: str) -> None:
    dataverse = WebhookEnvironment()
    filters = await dataverse.find(f"/sdkmessagefilters?$filter=sdkmessageid/name eq '{message}'")
    assert sorted(one["primaryobjecttypecode"] for one in filters) == list(TABLES)
    assert {BOOKING, "msdyn_workorder", "bookableresource", "systemuser"} < set(TABLES)


@pytest.mark.parametrize("set_name", ["sdkmessages", "sdkmessagefilters"])
async def test_messages_and_their_filters_are_fixed(set_name: str) -> None:
    dataverse = WebhookEnvironment()
    (row,) = await dataverse.find(f"/{set_name}?$top=1")
    path = f"/{set_name}({row[f'{set_name[:-1]}id']})"
    answers = [
        await dataverse.person.post(f"/{set_name}", json={"name": "Merge"}),
        await dataverse.person.patch(path, json={"name": "Merge"}),
        await dataverse.person.delete(path),
    ]
    assert [answer.status_code for answer in answers] == [405, 405, 405]
    assert (await dataverse.get(path))["name"] == row["name"]


async def test_a_registration_reads_back_with_its_defaults() -> None:
    dataverse = WebhookEnvironment()
    endpoint = await dataverse.endpoint()
    step = await dataverse.step(endpoint=endpoint, filteringattributes="starttime,resource", asyncautodelete=True)
    await dataverse.image(step, attributes="starttime,bks_eventid")
    (row,) = await dataverse.find("/serviceendpoints?$filter=contract eq 8&$select=name,authtype,url")
    assert (row["serviceendpointid"], row["name"], row["authtype"], row["url"]) == (endpoint, "bookingsync", 5, URL)
    (row,) = await dataverse.find(f"/sdkmessageprocessingsteps?$filter=_eventhandler_value eq {endpoint}")
    assert (row["sdkmessageprocessingstepid"], row["statecode"], row["statuscode"]) == (step, 0, 1)
    assert (row["supporteddeployment"], row["asyncautodelete"]) == (0, True)
    (row,) = await dataverse.find(
        f"/sdkmessageprocessingstepimages?$filter=_sdkmessageprocessingstepid_value eq {step}"
        "&$expand=sdkmessageprocessingstepid($select=stage;$expand=sdkmessageid($select=name),sdkmessagefilterid,"
        "eventhandler_serviceendpoint($select=name))"
    )
    assert (row["entityalias"], row["attributes"]) == ("pre", "starttime,bks_eventid")
    expanded = row["sdkmessageprocessingstepid"]
    assert expanded["sdkmessageid"]["name"] == "Update"
    assert expanded["sdkmessagefilterid"]["primaryobjecttypecode"] == BOOKING
    assert expanded["eventhandler_serviceendpoint"]["name"] == "bookingsync"


async def test_the_secret_of_an_endpoint_can_be_written_and_never_read() -> None:
    dataverse = WebhookEnvironment()
    endpoint = await dataverse.endpoint(authvalue=SETTINGS)
    path = f"/serviceendpoints({endpoint})"
    everything = {"Prefer": 'return=representation, odata.include-annotations="*"'}
    changed = SETTINGS.replace("s3cret", "n3w")
    answers = [
        await dataverse.person.get(path),
        await dataverse.person.get("/serviceendpoints", headers=everything),
        await dataverse.person.patch(path, json={"authvalue": changed}, headers=everything),
        await dataverse.person.get(f"{HOST}/_control/state"),
    ]
    assert all(answer.status_code == 200 for answer in answers)
    assert not any("s3cret" in answer.text or "n3w" in answer.text for answer in answers)
    row = answers[0].json()
    assert (row["authvalue"], row["isauthvalueset"]) == (None, True)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": None}, 400),
        ({"contract": None}, 400),
        ({"contract": 7}, 501),
        ({"authtype": None}, 400),
        ({"authtype": 8}, 400),
        ({"authvalue": None}, 400),
        ({"authvalue": ""}, 400),
        ({"authtype": 5}, 400),
        ({"authtype": 6, "authvalue": "<settings><setting name='x'/></settings>"}, 400),
        ({"authtype": 5, "authvalue": "<setting name='x' value='y'/>"}, 400),
        ({"authtype": 5, "authvalue": "<settings><header name='x' value='y'/></settings>"}, 400),
        ({"url": None}, 400),
        ({"url": "/api/dataverse"}, 400),
        ({"url": "ftp://app.example"}, 400),
    ],
)
async def test_an_endpoint_that_could_not_be_called_is_refused(change: dict[str, Any], status: int) -> None:
    dataverse = WebhookEnvironment()
    response = await dataverse.person.post("/serviceendpoints", json={**ENDPOINT, **change})
    assert response.status_code == status, response.text
    assert await dataverse.find("/serviceendpoints") == []


async def test_an_endpoint_cannot_be_changed_into_one_that_could_not_be_called() -> None:
    dataverse = WebhookEnvironment()
    path = f"/serviceendpoints({await dataverse.create('serviceendpoints', **ENDPOINT)})"
    assert (await dataverse.person.patch(path, json={"authtype": 5})).status_code == 400
    assert (await dataverse.person.patch(path, json={"authtype": 5, "authvalue": SETTINGS})).status_code == 204


@pytest.mark.parametrize(
    "change",
    [
        {"stage": None},
        {"stage": 30},
        {"mode": None},
        {"mode": 1, "stage": 20},
        {"rank": None},
        {"eventhandler_serviceendpoint@odata.bind": None},
        {"sdkmessageid@odata.bind": None},
        {"filteringattributes": "starttime,begintime"},
        {"filteringattributes": "starttime", "sdkmessagefilterid@odata.bind": None},
        {"filteringattributes": "BookingStatus"},
    ],
)
async def test_a_step_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    dataverse = WebhookEnvironment()
    body = await dataverse.step_body("Update", endpoint=await dataverse.endpoint())
    response = await dataverse.person.post("/sdkmessageprocessingsteps", json={**body, **change})
    assert response.status_code == 400, response.text
    assert await dataverse.find("/sdkmessageprocessingsteps") == []


async def test_the_filter_of_a_step_must_belong_to_its_message() -> None:
    dataverse = WebhookEnvironment()
    endpoint = await dataverse.endpoint()
    update, delete = [await dataverse.step_body(message, endpoint=endpoint) for message in ("Update", "Delete")]
    name = "sdkmessagefilterid@odata.bind"
    response = await dataverse.person.post("/sdkmessageprocessingsteps", json={**update, name: delete[name]})
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("message", "stage", "image", "code"),
    [
        ("Create", 40, {"imagetype": 1, "messagepropertyname": "Target"}, "0x8004416b"),
        ("Update", 40, {"messagepropertyname": "Id"}, "0x8004416b"),
        ("Create", 40, {"imagetype": 0, "messagepropertyname": "Id"}, "0x80040203"),
        ("Create", 40, {"imagetype": 2, "messagepropertyname": "Id"}, "0x80040203"),
        ("Delete", 40, {"imagetype": 1}, "0x80040203"),
        ("Delete", 40, {"imagetype": 2}, "0x80040203"),
        ("Update", 20, {"imagetype": 1}, "0x80040203"),
        ("Update", 40, {"attributes": ""}, "0x80040203"),
        ("Update", 40, {"attributes": "starttime,begintime"}, "0x80040203"),
        ("Update", 40, {"entityalias": None}, "0x80040203"),
        ("Update", 40, {"imagetype": 3}, "0x8004431a"),
    ],
)
async def test_an_image_that_the_message_or_stage_does_not_have_is_refused(
    message: str, stage: int, image: dict[str, Any], code: str
) -> None:
    dataverse = WebhookEnvironment()
    step = await dataverse.step(message, stage=stage, mode=0 if stage == 20 else 1)
    response = await dataverse.person.post("/sdkmessageprocessingstepimages", json=image_body(step, **image))
    assert (response.status_code, response.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("message", "image"),
    [
        ("Create", {"imagetype": 1, "messagepropertyname": "Id"}),
        ("Update", {"imagetype": 2}),
        ("Delete", {"imagetype": 0}),
    ],
)
async def test_the_images_that_a_message_has_are_accepted(message: str, image: dict[str, Any]) -> None:
    dataverse = WebhookEnvironment()
    await dataverse.image(await dataverse.step(message), **image)


async def test_a_step_cannot_be_moved_away_from_what_its_images_need() -> None:
    dataverse = WebhookEnvironment()
    step = await dataverse.step(mode=0)
    await dataverse.image(step, imagetype=1)
    response = await dataverse.person.patch(f"/sdkmessageprocessingsteps({step})", json={"stage": 20})
    assert response.status_code == 400


async def test_an_endpoint_goes_only_after_its_steps_and_a_step_takes_its_images_along() -> None:
    dataverse = WebhookEnvironment()
    endpoint = await dataverse.endpoint()
    step = await dataverse.step(endpoint=endpoint)
    await dataverse.image(step)
    refused = await dataverse.person.delete(f"/serviceendpoints({endpoint})")
    assert (refused.status_code, refused.json()["error"]["code"]) == (405, "0x80040227")
    assert (await dataverse.person.delete(f"/sdkmessageprocessingsteps({step})")).status_code == 204
    assert await dataverse.find("/sdkmessageprocessingstepimages") == []
    assert (await dataverse.person.delete(f"/serviceendpoints({endpoint})")).status_code == 204


async def test_state_and_status_of_a_step_agree_whichever_was_written() -> None:
    dataverse = WebhookEnvironment()
    path = f"/sdkmessageprocessingsteps({await dataverse.step()})"
    await dataverse.person.patch(path, json={"statecode": 1})
    assert ((await dataverse.get(path))["statecode"], (await dataverse.get(path))["statuscode"]) == (1, 2)
    await dataverse.person.patch(path, json={"statecode": 0, "statuscode": 1})
    assert ((await dataverse.get(path))["statecode"], (await dataverse.get(path))["statuscode"]) == (0, 1)


async def test_a_reset_takes_registrations_waiting_jobs_and_counts_with_it() -> None:
    dataverse = WebhookEnvironment()
    step = await dataverse.step()
    await dataverse.change(name="delivered")
    await dataverse.deliver()
    await dataverse.change(name="waiting")
    before = await dataverse.state()
    assert (len(before["steps"]), len(before["outbox"]), before["counts"]) == (1, 1, {"delivered": 1})
    assert (await dataverse.person.post(f"{HOST}/_control/reset")).status_code == 204
    assert await dataverse.state() == {
        "endpoints": [],
        "steps": [],
        "outbox": [],
        "in_flight": 0,
        "counts": {},
        "synchronous_counts": {},
    }
    assert await dataverse.jobs() == []
    assert (await dataverse.person.get(f"/sdkmessageprocessingsteps({step})")).status_code == 404
    await dataverse.change(name="unheard")
    assert dataverse.simulator.webhooks.next_due_at() is None


async def test_state_shows_what_is_registered() -> None:
    dataverse = WebhookEnvironment()
    step = await dataverse.step("Delete")
    await dataverse.image(step, attributes="bks_eventid")
    shown = await dataverse.state()
    (endpoint,) = shown["endpoints"]
    assert (endpoint["name"], endpoint["url"], endpoint["authtype"]) == ("bookingsync", URL, "HTTP Header")
    assert shown["steps"] == [
        {
            "id": step,
            "name": "Delete of bookableresourcebooking",
            "message": "Delete",
            "table": BOOKING,
            "stage": "Post-operation",
            "mode": "Asynchronous",
            "is_enabled": True,
            "filteringattributes": None,
            "endpoint_id": endpoint["id"],
            "images": [{"alias": "pre", "type": "PreImage", "attributes": "bks_eventid"}],
        }
    ]
