"""One local world for all tests here: it takes half a minute to come up."""

from collections.abc import Iterator

import pytest

from local.world import LocalWorld
from tests.integration.people import People

SETTINGS = {
    # A timer that is due in the middle of a test would be counted as the test's
    "MAINTAIN_SCHEDULE": "0 0 0 1 1 *",
    "SWEEP_SCHEDULE": "0 0 0 1 1 *",
}
LEASE_SECONDS = 3
"""How soon the messages of a killed host come back here; in Azure it is ten minutes."""


@pytest.fixture(scope="session")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorld]:
    directory = tmp_path_factory.mktemp("world")
    with LocalWorld(directory, settings=SETTINGS, lease_seconds=LEASE_SECONDS) as world:
        world.register()
        world.subscribe()
        yield world


@pytest.fixture
def world(_world: LocalWorld) -> LocalWorld:
    """Quiet, with nothing counted yet."""
    _world.wait_until_quiet()
    _world.clear_calls()
    return _world


@pytest.fixture(scope="session")
def people(_world: LocalWorld) -> Iterator[People]:
    people = People(_world)
    yield people
    people.close()
