"""Registration of the app's webhooks in a simulated environment that is ready for it: nothing has to be waited for."""

import random
from datetime import UTC, datetime

import httpx

from local.switchboard import PERSON_TOKEN
from local.wiring import DATAVERSE_URL, PUBLIC_URL
from sync.adapters.dataverse_http import DataverseHttp
from sync.adapters.dataverse_setup import DataverseSetup
from sync.adapters.dataverse_wire import classify_dataverse_failure
from sync.adapters.static_token import StaticTokenCredential
from sync.adapters.transport import Transport
from sync.core.registration import wanted_parts
from sync.core.registration_plan import plan_setup
from sync.service.installing import install


async def register_webhooks(administrator: httpx.AsyncClient, *, secret: str) -> None:
    """What `setup` registers."""

    async def refuse_to_wait(_: float) -> None:
        raise AssertionError("setup waited")

    def clock() -> datetime:
        return datetime(2026, 11, 18, 9, 0, tzinfo=UTC)

    transport = Transport(
        classify=classify_dataverse_failure, clock=clock, sleep=refuse_to_wait, random=random.Random(0)
    )
    http = DataverseHttp(administrator, StaticTokenCredential(PERSON_TOKEN), transport, url=DATAVERSE_URL)
    environment = DataverseSetup(http, secret=secret)
    wanted = wanted_parts(f"{PUBLIC_URL}/api/dataverse/bookings")
    plan = plan_setup(wanted, await environment.read(wanted))
    await install(
        plan, wanted, environment, clock=clock, sleep=refuse_to_wait, done=lambda _: None, waiting=lambda _: None
    )
