"""A Dataverse environment that has never seen the product, in this process, and the wire on which setup writes."""

import io
import json
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from local.dataverse.server import SWITCHES, DataverseSimulator
from local.switchboard import APP_TOKEN, PERSON_TOKEN, Fault, Switchboard, WorldClock
from sync.adapters.dataverse_setup import open_setup
from sync.adapters.dataverse_setup_wire import row_id
from sync.adapters.dataverse_wire import classify_dataverse_failure
from sync.adapters.static_token import StaticTokenCredential
from sync.adapters.transport import Transport
from sync.commands.console import Console
from sync.commands.setup import SetupOptions, run_setup
from sync.core.registration import Kind, Trigger, wanted_parts
from tests.local.webhook_environment import HOST, NOW, PATH, TODAY, Received, Receiver

URL = "https://bookingsync.example/api/dataverse/bookings"
WANTED = wanted_parts(f"{URL}?key=0123abcd")
TABLE = "EntityDefinitions(LogicalName='bookableresourcebooking')"
ENDPOINT = f"serviceendpoints({row_id(Kind.ENDPOINT)})"
UPDATE = Trigger("Update", "bookableresourcebooking")
STEP_ID = row_id(Kind.STEP, UPDATE)
STEP = f"sdkmessageprocessingsteps({STEP_ID})"
IMAGE = f"sdkmessageprocessingstepimages({row_id(Kind.IMAGE, UPDATE)})"
PUBLISHER = {
    "uniquename": "contoso",
    "friendlyname": "Contoso",
    "customizationprefix": "bks",
    "customizationoptionvalueprefix": 12_345,
}
SECRET = 'a-<secret>-of-the-&-tests-with-"quotes"'


@dataclass(frozen=True, slots=True)
class Sent:
    method: str
    address: str
    body: dict[str, Any] | None


class Wire(httpx.AsyncBaseTransport):
    """The way to the simulator: notes what is written, and can break off after so many writes, or lose an answer."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.sent: list[Sent] = []
        self.dies_after: int | None = None
        self.loses_answer_to: str | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return await self._inner.handle_async_request(request)
        if self.dies_after is not None and len(self.sent) >= self.dies_after:
            raise ConnectionAbortedError("the process is gone")
        answer = await self._inner.handle_async_request(request)
        address = request.url.path.removeprefix("/api/data/v9.2/")
        self.sent.append(Sent(request.method, address, json.loads(request.content) if request.content else None))
        if self.loses_answer_to is not None and address.endswith(self.loses_answer_to):
            self.loses_answer_to = None
            raise httpx.ReadError("the connection was lost", request=request)
        return answer


class Stage:
    """An environment that has never seen the product, and a person who sets it up."""

    def __init__(self, **switches: Any) -> None:
        self.clock = WorldClock(NOW)
        self.board = Switchboard(switches=SWITCHES, clock=self.clock)
        self.board.set_switches({"app_columns_installed": False, "webhook_reorder": False, **switches})
        self.receiver = Receiver(self.clock)
        self.simulator = DataverseSimulator(today=TODAY, switchboard=self.board, door=self.receiver)
        self.transport = httpx.ASGITransport(self.simulator.app)
        self.wire = Wire(self.transport)
        self.setup = self.open(SECRET)
        self.person = httpx.AsyncClient(
            transport=self.transport,
            base_url=f"{HOST}/api/data/v9.2",
            headers={"Authorization": f"Bearer {PERSON_TOKEN}"},
        )

    def open(self, secret: str) -> Any:
        transport = Transport(
            classify=classify_dataverse_failure, clock=self.clock.now, sleep=self.sleep, random=Random(0)
        )
        return open_setup(
            StaticTokenCredential(APP_TOKEN), transport, url=HOST, secret=secret, http_transport=self.wire
        )

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def run(self, wanted: Any = WANTED, *, is_json: bool = False, **options: Any) -> tuple[int, str]:
        out = io.StringIO()
        console = Console(out=out, is_json=is_json, clock=self.clock.now, sleep=self.sleep)
        code = await run_setup(self.setup, wanted, console, SetupOptions(**options))
        return code, out.getvalue()

    async def find(self, path: str) -> list[dict[str, Any]]:
        answer = await self.person.get(f"/{path}")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["value"])

    async def create(self, set_name: str, **body: Any) -> None:
        answer = await self.person.post(f"/{set_name}", json=body)
        assert answer.status_code == 204, answer.text

    async def change(self, **body: Any) -> None:
        """The dispatcher changes the sample visit."""
        answer = await self.person.patch(PATH, json=body)
        assert answer.status_code == 204, answer.text

    async def make_column(self, *, label: str = "Theirs", **changes: Any) -> None:
        """Somebody makes one of our columns by hand."""
        kind = changes.pop("@odata.type", "StringAttributeMetadata")
        await self.create("publishers", **PUBLISHER)
        body = {
            "@odata.type": f"Microsoft.Dynamics.CRM.{kind}",
            "SchemaName": "bks_EventId",
            "DisplayName": {"LocalizedLabels": [{"Label": label, "LanguageCode": 1033}]},
            **changes,
        }
        await self.create(f"{TABLE}/Attributes", **body)

    async def add_a_step_of_others(self) -> None:
        (ours,) = await self.find(f"sdkmessageprocessingsteps?$filter=sdkmessageprocessingstepid eq {STEP_ID}")
        await self.create(
            "sdkmessageprocessingsteps",
            name="theirs",
            stage=40,
            mode=1,
            rank=2,
            **{
                "eventhandler_serviceendpoint@odata.bind": f"/{ENDPOINT}",
                "sdkmessageid@odata.bind": f"/sdkmessages({ours['_sdkmessageid_value']})",
                "sdkmessagefilterid@odata.bind": f"/sdkmessagefilters({ours['_sdkmessagefilterid_value']})",
            },
        )

    async def deliver(self) -> list[Received]:
        """Move the clock from webhook to webhook until none waits. What was received."""
        before, webhooks = len(self.receiver.received), self.simulator.webhooks
        while (due_at := webhooks.next_due_at()) is not None:
            self.clock.freeze(max(due_at, self.clock.now()))
            await webhooks.deliver_due(self.simulator.post)
        return self.receiver.received[before:]

    def hide_privileges(self) -> None:
        self.board.faults.append(Fault(path_contains="RetrieveUserPrivileges", status=404, times=None))
