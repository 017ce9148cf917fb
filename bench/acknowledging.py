"""How fast notifications are acknowledged: the app's door, an empty function, and one raw queue put.

All over real HTTP on loopback: two processes of one Functions host, one with the app (of which only the function
`graph_notifications` runs, so that nothing works the queue off meanwhile) and one with an empty app, and Azurite. A
door that did nothing but its duty would take as long as an empty function and a put, so their sum is the measure.

Rounds of the three alternate, so that a slow moment of the machine befalls all. The queue is emptied between rounds:
Azurite slows down with what lies in it.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import httpx
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from bench.errors import MeasurementFailed
from bench.figures import Times, together
from local.child import Child
from local.ports import HOST, free_ports
from local.sample import TECHNICIANS, TENANT_ID, event_id
from local.world import LocalWorld
from sync.core.notifications import client_state
from sync.core.work import EVENT_CHANGES_QUEUE

EMPTY_APP = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("empty", methods=["POST"])
async def empty(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=202)
"""

OTHER_FUNCTIONS = (
    "graph_lifecycle",
    "dataverse_bookings",
    "event_changes",
    "booking_changes",
    "mailbox_tasks",
    "event_changes_poison",
    "booking_changes_poison",
    "mailbox_tasks_poison",
    "maintain_subscriptions",
    "sweep_calendars",
    "sweep_bookings",
)
"""Switched off in the host that is measured."""

_LONGEST_ROUND_SECONDS = 10.0

type Operation = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledging:
    """What was measured with so many connections that are never idle."""

    connections: int
    door: Times
    empty: Times
    put: Times

    def ratio(self, percent: int) -> float:
        """The door's percentile over the sum of the other two's."""
        return self.door.percentile(percent) / (self.empty.percentile(percent) + self.put.percentile(percent))


def measure_acknowledging(*, operations: int, rounds: int) -> list[Acknowledging]:
    """At 1 and at 16 connections, `operations` of each kind in each of `rounds`; at 16, twice as many.

    Raises `MeasurementFailed` when a function does not answer 202.
    """
    with TemporaryDirectory(prefix="bench-") as directory, _hosts(Path(directory)) as (world, empty_url):
        return asyncio.run(_measure(world, empty_url, operations, rounds))


@contextmanager
def _hosts(directory: Path) -> Iterator[tuple[LocalWorld, str]]:
    """Azurite and both hosts; yields the world with the app, and the address of the empty function."""
    disabled = {f"AzureWebJobs.{name}.Disabled": "true" for name in OTHER_FUNCTIONS}
    world = LocalWorld(directory / "world", settings=disabled)
    [port] = free_ports(1)
    app = directory / "empty"
    app.mkdir()
    (app / "function_app.py").write_text(EMPTY_APP)
    (app / "host.json").write_text('{"version": "2.0"}')
    command = [sys.executable, "-m", "local.functions", "--app", str(app), "--port", str(port), "--drain", "1"]
    environment = {"AzureWebJobsStorage": world.azurite.connection_string}
    empty = Child("empty app", command, log=directory / "empty.log", environment=environment)
    url = f"http://{HOST}:{port}"
    try:
        world.start("azurite")
        world.start("functions")
        empty.start()
        empty.wait_until(lambda: _answers(f"{url}/admin/host/status"))
        yield world, f"{url}/api/empty"
    finally:
        empty.stop()
        world.stop()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


async def _measure(world: LocalWorld, empty_url: str, operations: int, rounds: int) -> list[Acknowledging]:
    queue = QueueClient.from_connection_string(
        world.azurite.connection_string, EVENT_CHANGES_QUEUE, message_encode_policy=TextBase64EncodePolicy()
    )
    async with queue, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=16)) as session:
        await queue.create_queue()
        bodies = _bodies(world.environment["CLIENT_STATE_SECRET"])
        message = json.dumps({"an item of": "usual size"}).ljust(390)

        async def acknowledge() -> None:
            await _post(session, f"{world.functions_url}/api/graph/notifications", next(bodies))

        async def call_empty() -> None:
            await _post(session, empty_url, next(bodies))

        async def put() -> None:
            await queue.send_message(message, visibility_timeout=3, time_to_live=-1)

        results = []
        for connections, factor in ((1, 1), (16, 2)):
            measured: list[list[Times]] = [[], [], []]
            for operation in (acknowledge, call_empty, put):
                await _round(operation, connections, operations // 4)  # warms up
            for _ in range(rounds):
                await queue.clear_messages()
                for times, operation in zip(measured, (acknowledge, call_empty, put), strict=True):
                    times.append(await _round(operation, connections, operations * factor))
            await queue.clear_messages()
            door, empty, puts = map(together, measured)
            results.append(Acknowledging(connections=connections, door=door, empty=empty, put=puts))
        return results


async def _post(session: aiohttp.ClientSession, url: str, body: bytes) -> None:
    async with session.post(url, data=body, headers={"Content-Type": "application/json; charset=utf-8"}) as answer:
        await answer.read()
        if answer.status != httpx.codes.ACCEPTED:
            raise MeasurementFailed(f"{url} answered {answer.status}: {await answer.text()}")


async def _round(operation: Operation, connections: int, operations: int) -> Times:
    """`operations` by so many workers in closed loops; fewer where that would take too long."""
    seconds: list[float] = []
    turns = iter(range(operations))
    began_at = time.perf_counter()

    async def work() -> None:
        for _ in turns:
            started_at = time.perf_counter()
            if started_at - began_at > _LONGEST_ROUND_SECONDS:
                return
            await operation()
            seconds.append(time.perf_counter() - started_at)

    async with asyncio.TaskGroup() as workers:
        for _ in range(connections):
            workers.create_task(work())
    return Times(seconds=tuple(seconds), elapsed=time.perf_counter() - began_at)


def _bodies(secret: str) -> Iterator[bytes]:
    """Genuine notifications as Graph posts them, each about another event."""
    mailboxes = [technician.mailbox_id for technician in TECHNICIANS if technician.has_mailbox]
    chance = random.Random(0)
    for number in count():
        mailbox_id, changed = chance.choice(mailboxes), event_id(f"bench:{number}")
        resource = f"Users/{mailbox_id}/Events/{changed}"
        item = {
            "subscriptionId": "7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
            "subscriptionExpirationDateTime": "2030-01-01T00:00:00Z",
            "clientState": client_state(mailbox_id, secret),
            "changeType": "updated",
            "resource": resource,
            "resourceData": {
                "@odata.type": "#Microsoft.Graph.Event",
                "@odata.id": resource,
                "@odata.etag": f'W/"{number:032x}"',
                "id": changed,
            },
            "tenantId": TENANT_ID,
        }
        yield json.dumps({"value": [item]}).encode()
