"""The local world as the demo, the bench and the integration tests use it: parts that come, go and come back."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest

from local.child import ChildFailedError
from local.ports import PortInUseError, Ports, require_free
from local.sample import SampleBooking, build_sample
from local.switchboard import PERSON_TOKEN
from local.world import LocalWorld, sample_settings
from sync.settings import Settings
from tests.local.processes import process_with

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 3, 4)
PERSON = {"Authorization": f"Bearer {PERSON_TOKEN}", "Prefer": 'IdType="ImmutableId"'}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorld]:
    """With all its parts up, registered and subscribed, and restored by each test that stops a part."""
    settings = {"SETTLE_SECONDS": "0.2"}
    with LocalWorld(tmp_path_factory.mktemp("world"), today=TODAY, settings=settings, lease_seconds=3) as running:
        running.register()
        running.subscribe()
        running.wait_until_quiet()
        yield running


def move_event(world: LocalWorld, booking: SampleBooking) -> str:
    """Move it by an hour; the answer is the new start as Dynamics shall show it."""
    start_at, end_at = booking.start_at + timedelta(hours=1), booking.end_at + timedelta(hours=1)
    reply = httpx.patch(
        f"{world.graph_url}/v1.0/users/{booking.technician.mailbox_id}/events/{booking.event_id}",
        headers=PERSON,
        json={
            name: {"dateTime": f"{at:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}
            for name, at in (("start", start_at), ("end", end_at))
        },
    )
    assert reply.status_code == 200, reply.text
    return f"{start_at:%Y-%m-%dT%H:%M:%SZ}"


def patch_name(world: LocalWorld, booking: SampleBooking) -> None:
    """The dispatcher renames a booking, which raises a webhook."""
    url = f"{world.dataverse_url}/api/data/v9.2/bookableresourcebookings({booking.booking_id})"
    httpx.patch(url, headers={**PERSON, "If-Match": "*"}, json={"name": "Renamed"}).raise_for_status()


def start_in_dynamics(world: LocalWorld, booking: SampleBooking) -> str:
    url = f"{world.dataverse_url}/api/data/v9.2/bookableresourcebookings({booking.booking_id})?$select=starttime"
    start: str = httpx.get(url, headers=PERSON).raise_for_status().json()["starttime"]
    return start


def linked_bookings() -> list[SampleBooking]:
    return [booking for booking in build_sample(TODAY).bookings if booking.linked and booking.status == "Scheduled"]


def test_an_event_moved_in_outlook_moves_its_booking(world: LocalWorld) -> None:
    booking = linked_bookings()[0]
    wanted = move_event(world, booking)
    world.wait_until_quiet()
    assert start_in_dynamics(world, booking) == wanted


def test_it_is_not_quiet_while_notifications_and_webhooks_are_on_their_way(world: LocalWorld) -> None:
    booking = linked_bookings()[2]
    for url, switch in ((world.graph_url, "delay_seconds"), (world.dataverse_url, "webhook_delay_seconds")):
        httpx.post(f"{url}/_control/switches", json={switch: 3}).raise_for_status()
    try:
        patch_name(world, booking)
        # Last, since nothing is agreed on a visit of so long ago: the later change wins.
        wanted = move_event(world, booking)
        assert world.under_way() >= 2
        world.wait_until_quiet(quiet_seconds=0.5)
        assert start_in_dynamics(world, booking) == wanted
        assert world.under_way() == 0
    finally:
        for url, switch in ((world.graph_url, "delay_seconds"), (world.dataverse_url, "webhook_delay_seconds")):
            httpx.post(f"{url}/_control/switches", json={switch: 0.1}).raise_for_status()


def test_a_registered_world_has_nothing_left_to_register(world: LocalWorld) -> None:
    assert "There is nothing to do." in world.register()


def test_a_command_that_fails_says_why(world: LocalWorld) -> None:
    with pytest.raises(ChildFailedError, match=r"python -m sync replay ended with code 2:\n[\s\S]*--all"):
        world.run_command("replay")


def test_a_change_made_while_the_app_is_dead_arrives_once_it_is_back(world: LocalWorld) -> None:
    """Graph delivers again what nobody took."""
    booking = linked_bookings()[1]
    world.kill("functions")
    wanted = move_event(world, booking)
    world.start("functions")
    deadline = time.monotonic() + 60
    while start_in_dynamics(world, booking) != wanted:
        assert time.monotonic() < deadline, world.log_of("functions").read_text()[-2000:]
        time.sleep(0.2)


def test_a_part_that_ends_by_itself_is_noticed_with_the_end_of_its_log(world: LocalWorld) -> None:
    assert world.first_failed() is None
    dataverse = world.children["dataverse"]
    os.kill(process_with(f"-m local.dataverse --port {world.ports.dataverse}"), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while world.first_failed() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert world.first_failed() is dataverse
    assert "dataverse ended with code 137; the end of" in dataverse.failure()
    world.start("dataverse")
    assert world.first_failed() is None


def test_a_part_that_cannot_start_says_why_and_leaves_nothing_running(tmp_path: Path) -> None:
    """The app refuses settings that are not usable, and what had been started for it is stopped again."""
    world = LocalWorld(tmp_path, settings={"TENANT_ID": "none"})
    with pytest.raises(ChildFailedError, match=r"functions ended with code 1; [\s\S]*TENANT_ID is not a GUID"):
        world.start()
    world.ports.require_free()


def test_a_port_in_use_is_named_before_anything_is_started(world: LocalWorld, tmp_path: Path) -> None:
    second = LocalWorld(tmp_path, ports=world.ports)
    with pytest.raises(PortInUseError, match=f"port {world.ports.functions} is in use.*--port-functions"):
        second.start()
    assert not (tmp_path / "logs").exists()


def test_a_world_that_is_stopped_leaves_no_process_behind(tmp_path: Path) -> None:
    world = LocalWorld(tmp_path)
    with world:
        assert len(processes_of(world)) >= len(world.children)
    assert processes_of(world) == []


def processes_of(world: LocalWorld) -> list[str]:
    """The command lines that name a port of the world."""
    listing = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True).stdout
    ports = {str(port) for port in asdict(world.ports).values()}
    return [line for line in listing.splitlines() if ports.intersection(re.findall(r"\d+", line))]


def test_nothing_outlives_a_world_whose_process_is_killed(tmp_path: Path) -> None:
    ports = Ports.free()
    program = (
        "import pathlib, time; from local.ports import Ports; from local.world import LocalWorld\n"
        f"LocalWorld(pathlib.Path({str(tmp_path)!r}), ports={ports!r}).start(); print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        os.kill(owner.pid, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while True:
        try:
            ports.require_free()
            break
        except PortInUseError:
            assert time.monotonic() < deadline, "a part outlived the process that started it"
            time.sleep(0.1)


def test_the_sample_settings_are_those_of_the_usual_ports() -> None:
    """So that the sample also serves a `func start` by hand beside `./dev up`."""
    usual = LocalWorld(Path("unused"), ports=Ports())
    sample = sample_settings()
    for name in ("GRAPH_URL", "DATAVERSE_URL", "PUBLIC_URL"):
        assert usual.environment[name] == sample[name]
    assert Settings.from_env(sample).graph_url == Settings.from_env(usual.environment).graph_url


def test_require_free_accepts_a_port_that_a_stopped_world_has_left(world: LocalWorld) -> None:
    world.stop("graph")
    require_free(world.ports.graph, "--port-graph")
    world.start("graph")
