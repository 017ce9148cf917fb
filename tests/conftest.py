"""What suites of more than one folder share: the storage emulator."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of a storage emulator: that of TEST_STORAGE when set, else an Azurite of our own."""
    if given := os.environ.get("TEST_STORAGE"):
        yield given
        return
    from local.azurite import Azurite

    with Azurite(tmp_path_factory.mktemp("azurite"), blob_port=0, queue_port=0, table_port=0) as emulator:
        yield emulator.connection_string
