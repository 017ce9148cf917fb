"""A tenant for every scenario: subscribed, swept, linked, at no cost so far."""

from pathlib import Path

import pytest

from tests.tenant import Tenant


@pytest.fixture
async def tenant() -> Tenant:
    tenant = Tenant()
    await tenant.start()
    return tenant


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Starting a whole tenant takes half a second and hundreds do it: left out of the quick loop."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "tenant" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
