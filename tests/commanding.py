"""`python -m sync` as a person types it, against a whole tenant in this process: parsed for real, run for real.

What `bootstrap` would build from the environment is the tenant's own here. Waiting moves the tenant's clock, and the
app works meanwhile.
"""

import asyncio
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from local.sample import TENANT_ID
from local.switchboard import APP_TOKEN, PERSON_TOKEN
from local.wiring import DATAVERSE_URL, GRAPH_URL, PUBLIC_URL
from sync import bootstrap
from sync.__main__ import main
from sync.adapters.dataverse_canary import DataverseCanaryBookings
from sync.adapters.dataverse_http import DataverseHttp, open_http
from sync.adapters.dataverse_setup import DataverseSetup, open_setup
from sync.adapters.dataverse_wire import classify_dataverse_failure
from sync.adapters.static_token import StaticTokenCredential
from sync.adapters.transport import Transport
from sync.core.doctor_facts import DoorAnswer, Identity, Service, Storage
from sync.core.errors import ServiceUnavailable
from sync.core.webhooks import WEBHOOK_SECRET_HEADER
from sync.core.work import QUEUES
from sync.settings import Settings
from tests.hosted_app import SECRET, WEBHOOK_SECRET
from tests.tenant import Tenant

ENVIRON = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "TENANT_ID": TENANT_ID,
    "GRAPH_URL": GRAPH_URL,
    "DATAVERSE_URL": DATAVERSE_URL,
    "PUBLIC_URL": PUBLIC_URL,
    "CLIENT_STATE_SECRET": SECRET,
    "DATAVERSE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "LOCAL_TOKEN": APP_TOKEN,
    "MAINTAIN_SCHEDULE": "0 */5 * * * *",
    "SWEEP_SCHEDULE": "0 */15 * * * *",
}


class TenantProbes:
    """`Probes` of a tenant. What is `unreachable` does not answer; what is `different` answers that instead."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self.storage = Storage(queues=QUEUES, tables=["bookingsyncjournal"], messages={})
        self.identity = Identity(name="the-app", is_app=True)
        self.ahead_seconds = 0.0
        self.secret_at_the_door = WEBHOOK_SECRET
        self.unreachable: set[str] = set()

    async def read_storage(self) -> Storage:
        self._reach("storage")
        return replace(self.storage, messages=await self._tenant.queue.approximate_lengths())

    async def identify(self, service: Service) -> Identity:
        self._reach(f"identity of {service}")
        return self.identity

    async def post(self, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> DoorAnswer:
        self._reach(url.partition("?")[0].removeprefix(PUBLIC_URL))
        if "/dataverse/" in url:
            presented = (headers or {}).get(WEBHOOK_SECRET_HEADER)
            is_known = presented == self.secret_at_the_door
            reply = await self._tenant.post_webhook(body, WEBHOOK_SECRET if is_known else presented and "another")
            return DoorAnswer(status=reply.status, text=reply.text)
        answer = await self._tenant.post(url, body, "text/plain", 3)
        return DoorAnswer(status=answer.status, text=answer.text, content_type=answer.content_type, seconds=0.1)

    async def read_clock(self, service: Service) -> float:
        self._reach(service)
        return self.ahead_seconds

    def _reach(self, what: str) -> None:
        if what in self.unreachable:
            raise ServiceUnavailable(f"{what} is out of reach")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class CommandLine:
    """A terminal of `user_name` in front of a tenant. `environ` are the settings that commands read."""

    def __init__(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.tenant = tenant
        self.probes = TenantProbes(tenant)
        self.environ = dict(ENVIRON)
        self.user_name = "ada"
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        parts: dict[str, Callable[..., Any]] = {
            "settings": lambda: Settings.from_env(self.environ),
            "workshop": self._workshop,
            "gauge": lambda: tenant.queue,
            "queue_lengths": tenant.queue.approximate_lengths,
            "environment": lambda: environment_of(tenant),
            "probes": lambda: self.probes,
            "canary_bookings": lambda: canary_bookings_of(tenant),
            "now": tenant.clock.now,
            "user_name": lambda: self.user_name,
            "sleep": lambda seconds: work_on(tenant, seconds),
        }
        for name, part in parts.items():
            monkeypatch.setattr(bootstrap, name, part)

    def run(self, *arguments: str, typed: str = "") -> Ran:
        """Type `python -m sync` with these arguments; `typed` answers its questions, and then nobody is there."""
        self._capsys.readouterr()
        self._monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        code = main(arguments)
        printed = self._capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    def _workshop(self) -> bootstrap.Workshop:
        Settings.from_env(self.environ)
        return bootstrap.Workshop(ports=self.tenant.ports, rules=self.tenant.rules)


def open_tenant(*, technician: int = 3) -> Tenant:
    """A started tenant, for tests that are not asynchronous themselves because commands are not."""
    return asyncio.run(Tenant.small(technician=technician))


async def work_on(tenant: Tenant, seconds: float) -> None:
    """Let time pass, with the app at work."""
    end = tenant.clock.now() + timedelta(seconds=seconds)
    await tenant.settle(limit=timedelta(seconds=seconds))
    tenant.clock.freeze(max(end, tenant.clock.now()))


def environment_of(tenant: Tenant) -> DataverseSetup:
    """Dataverse as an administrator sets it up."""
    return open_setup(
        StaticTokenCredential(PERSON_TOKEN),
        _transport(tenant),
        url=DATAVERSE_URL,
        secret=WEBHOOK_SECRET,
        http_transport=tenant._dataverse_transport,
    )


def canary_bookings_of(tenant: Tenant) -> DataverseCanaryBookings:
    http = DataverseHttp(
        open_http(transport=tenant._dataverse_transport),
        StaticTokenCredential(PERSON_TOKEN),
        _transport(tenant),
        url=DATAVERSE_URL,
    )
    return DataverseCanaryBookings(http)


def _transport(tenant: Tenant) -> Transport:
    return Transport(classify=classify_dataverse_failure, clock=tenant.clock.now, sleep=tenant.sleep, random=Random(0))
