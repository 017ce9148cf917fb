"""The Dataverse simulator as a server: authentication, counting, faults, control routes, the process."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from local.sample import guid
from local.switchboard import APP_TOKEN, Fault
from tests.local.dataverse_environment import ADA, ROOT, SAMPLE, Environment, bind_status

CONTROL = "http://dataverse.local/_control"
BOOKINGS = "/bookableresourcebookings"


@pytest.mark.parametrize("token", ["", "Bearer nonsense", APP_TOKEN, f"bearer-{APP_TOKEN}"])
async def test_a_call_without_a_known_token_answers_401_with_an_empty_body(token: str) -> None:
    dataverse = Environment()
    response = await dataverse.app.get("/WhoAmI", headers={"Authorization": token})
    assert (response.status_code, response.content) == (401, b"")
    challenge = response.headers["www-authenticate"]
    assert re.fullmatch(
        r"Bearer authorization_uri=https://\S+/oauth2/authorize, resource_id=http://dataverse\.local/", challenge
    )
    assert not dataverse.board.calls["app"]


async def test_an_address_without_version_is_refused_in_another_form() -> None:
    response = await Environment().app.get("http://dataverse.local/api/data/bookingstatuses")
    assert response.status_code == 404
    assert set(response.json()) == {"Message"}
    old = await Environment().app.get("http://dataverse.local/api/data/v9.0/WhoAmI")
    assert old.status_code == 200


async def test_a_url_longer_than_the_service_takes_is_refused() -> None:
    assert (await Environment().app.get(BOOKINGS, params={"$filter": "x" * 32_768})).status_code == 414


async def test_calls_are_counted_by_caller_and_kind() -> None:
    dataverse = Environment()
    digest, key = "c" * 64, guid("counted")
    app = dataverse.app
    await app.get("/WhoAmI")
    await app.get(dataverse.path)
    await app.get(f"{dataverse.path}/name")
    await app.get(BOOKINGS)
    await app.get(f"{BOOKINGS}/$count")
    delta = (await app.get(BOOKINGS, headers={"Prefer": "odata.track-changes"})).json()["@odata.deltaLink"]
    await app.get(delta)
    await app.post(BOOKINGS, json={"name": "x"})
    await app.patch(dataverse.path, json={"name": "x"}, headers={"If-Match": "*"})
    await app.put(f"{dataverse.path}/name", json={"value": "x"})
    await app.delete(f"{dataverse.path}/msdyn_workorder/$ref")
    await app.patch(f"{BOOKINGS}(bks_eventhash='{digest}')", json={"name": "x"})
    await app.patch(f"{BOOKINGS}({key})", json={"name": "x"}, headers={"If-None-Match": "*"})
    await app.delete(f"{BOOKINGS}({key})")
    await app.get("/EntityDefinitions")
    await app.get("/bookingstatuses?$top=1")
    await app.get("/nothing")
    await dataverse.person.get("/WhoAmI")
    calls = (await app.get(f"{CONTROL}/calls")).json()
    assert calls["app"] == {
        "WhoAmI": 1,
        "bookableresourcebookings.get": 2,
        "bookableresourcebookings.query": 2,
        "bookableresourcebookings.delta": 2,
        "bookableresourcebookings.create": 1,
        "bookableresourcebookings.update": 3,
        "bookableresourcebookings.upsert": 2,
        "bookableresourcebookings.delete": 1,
        "bookingstatuses.query": 1,
        "metadata": 1,
        "nothing.query": 1,
    }
    assert calls["person"] == {"WhoAmI": 1}


async def test_state_shows_bookings_for_people() -> None:
    dataverse = Environment()
    shown = await dataverse.state("WO-00001")
    assert shown == {
        "id": dataverse.booking.booking_id,
        "name": "WO-00001",
        "start": "2030-03-04T07:00:00Z",
        "end": "2030-03-04T08:30:00Z",
        "duration": 90,
        "status": "Scheduled",
        "technician": ADA.name,
        "work_order": "WO-00001",
        "event_id": dataverse.booking.event_id,
        "event_hash": shown["event_hash"],
        "etag": await dataverse.etag(),
        "modified_by": "Dana Dispatcher",
    }


async def test_a_fault_after_the_effect_hides_an_answer_that_was_given() -> None:
    dataverse = Environment()
    dataverse.board.faults.append(Fault(kind="bookableresourcebookings.update", when="after", status=503))
    response = await dataverse.app.patch(dataverse.path, json={"name": "written"}, headers={"If-Match": "*"})
    assert response.status_code == 503
    assert (await dataverse.get(dataverse.path))["name"] == "written"


async def test_a_dropped_connection_is_a_transport_error_in_process() -> None:
    dataverse = Environment()
    dataverse.board.faults.append(Fault(path_contains=dataverse.booking.booking_id, status=0))
    with pytest.raises(httpx.RemoteProtocolError):
        await dataverse.app.get(dataverse.path)
    assert (await dataverse.app.get(dataverse.path)).status_code == 200


async def test_reset_brings_back_rows_switches_counts_and_limits() -> None:
    dataverse = Environment(max_requests=2)
    before = await dataverse.get(dataverse.path)
    await dataverse.app.patch(dataverse.path, json={**bind_status("Canceled"), "name": "x"})
    assert (await dataverse.app.get("/WhoAmI")).status_code == 429
    assert (await dataverse.app.post(f"{CONTROL}/reset")).status_code == 204
    assert dataverse.board.switches["max_requests"] == 6_000
    dataverse.board.clock.freeze(dataverse.board.clock.now())
    after = await dataverse.get(dataverse.path)
    assert (after["name"], after["_bookingstatus_value"]) == (before["name"], before["_bookingstatus_value"])
    assert dataverse.board.calls["app"] == {"bookableresourcebookings.get": 1}
    assert (await dataverse.app.get(f"{CONTROL}/state")).json()["cookies_returned"] == 1


async def test_two_simulators_on_one_day_agree_on_everything() -> None:
    one, other = Environment(), Environment()
    await one.app.get("/WhoAmI")
    assert (await one.get(BOOKINGS)) == (await other.get(BOOKINGS))
    assert len((await one.get(BOOKINGS))["value"]) == len(SAMPLE.bookings)


@contextmanager
def running_server() -> Iterator[str]:
    """The simulator as a process; yields its address, which it prints when it is ready."""
    command = [sys.executable, "-m", "local.dataverse", "--port", "0", "--today", "2030-03-01"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.fullmatch(r"Dataverse simulator ready on (http://127\.0\.0\.1:\d+)\n", line)
            assert match, line + process.stdout.read()
            yield match[1]
        finally:
            process.terminate()
            process.wait(timeout=10)


@pytest.mark.slow
def test_the_process_serves_loopback_says_when_it_is_ready_and_drops_connections_on_demand() -> None:
    with running_server() as address, httpx.Client(headers={"Authorization": f"Bearer {APP_TOKEN}"}) as client:
        booking = f"{address}{ROOT.removeprefix('http://dataverse.local')}{BOOKINGS}({SAMPLE.bookings[0].booking_id})"
        assert client.get(booking).json()["name"] == "WO-00001"
        client.post(f"{address}/_control/faults", json={"status": 0, "kind": "bookableresourcebookings.get"})
        with pytest.raises(httpx.TransportError):
            client.get(booking)
        assert client.get(booking).status_code == 200
        with urllib.request.urlopen(f"{address}/_control/calls") as response:  # noqa: S310 - our own http address
            assert json.load(response)["app"] == {"bookableresourcebookings.get": 3}
