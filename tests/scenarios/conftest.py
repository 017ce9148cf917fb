"""A tenant for every scenario: subscribed, swept, linked, delivered, at no cost so far."""

from pathlib import Path

import pytest

from tests.tenant import Tenant


@pytest.fixture
async def tenant() -> Tenant:
    """One that syncs a technician with a full week and one of two visits."""
    tenant = Tenant()
    tenant.sync_only(0, 3)
    await tenant.start()
    return tenant


@pytest.fixture
async def whole_tenant() -> Tenant:
    """One that syncs everybody, also a user without a mailbox."""
    tenant = Tenant()
    await tenant.start()
    return tenant


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Starting these takes up to a second and hundreds do it: left out of the quick loop."""
    slow = {"tenant", "whole_tenant"}
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and slow.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
