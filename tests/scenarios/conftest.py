"""A tenant for every scenario: subscribed, swept, linked, at no cost so far."""

import pytest

from tests.tenant import Tenant


@pytest.fixture
async def tenant() -> Tenant:
    tenant = Tenant()
    await tenant.start()
    return tenant
