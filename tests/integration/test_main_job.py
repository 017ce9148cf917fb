"""Outlook to Dynamics on real parts: real HTTP, Azurite, Microsoft's worker library, the simulators as processes."""

from datetime import timedelta
from pathlib import Path

import pytest

from local.sample import SampleBooking
from local.world import LocalWorld
from tests.integration.people import People, wait_until

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)


def app_calls(world: LocalWorld, service: str) -> dict[str, int]:
    return world.calls()[service]["app"]


def is_moved(people: People, visit: SampleBooking) -> bool:
    return bool(people.booking(visit.booking_id)["start_at"] == visit.start_at + HOUR)


def test_a_moved_event_moves_its_booking_within_ten_seconds_for_one_read_and_one_write(
    world: LocalWorld, people: People
) -> None:
    visit = people.visits()[0]
    world.clear_calls()

    people.move(visit, HOUR)

    wait_until(lambda: people.booking(visit.booking_id)["start_at"] == visit.start_at + HOUR, seconds=10)
    world.wait_until_quiet()
    assert app_calls(world, "graph") == {"event.get": 1}
    assert app_calls(world, "dataverse") == {"bookableresourcebookings.update": 1}


def test_a_deleted_event_cancels_its_booking_within_ten_seconds(people: People) -> None:
    visit = people.visits()[1]

    people.delete(visit)

    wait_until(lambda: people.booking(visit.booking_id)["status"] == "Canceled", seconds=10)
    assert people.booking(visit.booking_id)["start_at"] == visit.start_at


def test_a_private_event_costs_no_call_to_dataverse(world: LocalWorld, people: People) -> None:
    world.wait_until_quiet()
    world.clear_calls()

    people.meet_privately(people.visits()[2])

    wait_until(lambda: bool(app_calls(world, "graph")), seconds=10)
    world.wait_until_quiet(quiet_seconds=2)
    assert app_calls(world, "dataverse") == {}
    assert app_calls(world, "graph") == {"event.get": 1}


def test_stopping_azurite_in_the_middle_of_a_burst_loses_nothing(world: LocalWorld, people: People) -> None:
    visits = people.visits()[3:15]
    for visit in visits[:6]:
        people.move(visit, HOUR)
    world.stop("azurite")
    for visit in visits[6:]:
        people.move(visit, HOUR)

    assert not any(is_moved(people, visit) for visit in visits[6:]), "the door could queue nothing"
    world.start("azurite")

    wait_until(lambda: all(is_moved(people, visit) for visit in visits), seconds=90)


def test_killing_the_host_in_the_middle_of_a_burst_loses_nothing(world: LocalWorld, people: People) -> None:
    visits = people.visits()[15:30]
    for visit in visits:
        people.move(visit, HOUR)
    wait_until(lambda: world.queued() > 0, seconds=10)

    world.kill("functions")
    assert not all(is_moved(people, visit) for visit in visits), "killed in the middle"
    world.start("functions")

    wait_until(lambda: all(is_moved(people, visit) for visit in visits), seconds=60)


def test_a_refused_start_names_every_problem(tmp_path: Path) -> None:
    """Settings that are not usable refuse to start, with all problems in one message."""
    from local.child import ChildFailedError

    world = LocalWorld(tmp_path, settings={"TENANT_ID": "contoso", "SETTLE_SECONDS": "60", "PUBLIC_URL": ""})

    with pytest.raises(ChildFailedError) as failure, world:
        pass

    for name in ("TENANT_ID", "SETTLE_SECONDS", "PUBLIC_URL"):
        assert name in str(failure.value)
