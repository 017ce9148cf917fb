"""How fast notifications are acknowledged: the app's door, an empty function, and one raw queue put.

All over real HTTP on loopback: two processes of one Functions host, one with the app (of which only the function
`graph_notifications` runs, so that nothing works the queue off meanwhile) and one with an empty app, and Azurite. A
door that did nothing but its duty would take as long as an empty function and a put, so their sum is the measure. What
becomes of it while the app works is `acknowledging_at_work`'s.

Rounds of all kinds alternate, so that a slow moment of the machine befalls all. The queue is emptied between rounds:
Azurite slows down with what lies in it.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import httpx
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from bench.empty_app import EmptyHost
from bench.errors import MeasurementFailed
from bench.figures import Times, together
from bench.posts import bodies, new_events
from local.world import LocalWorld
from sync.core.work import EVENT_CHANGES_QUEUE

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
    "sweep_answers",
    "status",
    "status_order",
)
"""Switched off in the host that is measured."""

ITEMS = 100
"""Notifications in a large body."""

EVENTS = 5
"""That a large body tells of."""

CONNECTIONS = (1, 16, 64)

_LONGEST_ROUND_SECONDS = 10.0

type Operation = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledging:
    """What was measured with so many connections that are never idle: bodies of one item, and `large` ones."""

    connections: int
    door: Times
    empty: Times
    put: Times
    large_door: Times
    large_empty: Times

    def ratio(self, percent: float) -> float:
        """The door's percentile over the sum of an empty function's and a put's, for a body of one item."""
        return self.door.percentile(percent) / (self.empty.percentile(percent) + self.put.percentile(percent))

    @property
    def gain(self) -> float:
        """Items a second in large bodies, over those in bodies of one."""
        return ITEMS * self.large_door.per_second / self.door.per_second


def measure_acknowledging(*, operations: int, rounds: int) -> list[Acknowledging]:
    """With each number of connections, `operations` of each kind in each of `rounds`; of large bodies, a quarter.

    Raises `MeasurementFailed` when a function does not answer 202.
    """
    with TemporaryDirectory(prefix="bench-") as directory, _hosts(Path(directory)) as (world, empty_url):
        return asyncio.run(_measure(world, empty_url, operations, rounds))


@contextmanager
def _hosts(directory: Path) -> Iterator[tuple[LocalWorld, str]]:
    """Azurite and both hosts; yields the world with the app, and the address of the empty function."""
    disabled = {f"AzureWebJobs.{name}.Disabled": "true" for name in OTHER_FUNCTIONS}
    world = LocalWorld(directory / "world", settings=disabled)
    empty = EmptyHost(directory / "empty", world.azurite.connection_string)
    try:
        world.start("azurite")
        world.start("functions")
        empty.child.start()
        empty.wait_until_ready()
        yield world, empty.url
    finally:
        empty.child.stop()
        world.stop()


async def _measure(world: LocalWorld, empty_url: str, operations: int, rounds: int) -> list[Acknowledging]:
    queue = QueueClient.from_connection_string(
        world.azurite.connection_string, EVENT_CHANGES_QUEUE, message_encode_policy=TextBase64EncodePolicy()
    )
    connector = aiohttp.TCPConnector(limit=max(CONNECTIONS))
    async with queue, aiohttp.ClientSession(connector=connector) as session:
        await queue.create_queue()
        kinds = _kinds(session, queue, world, empty_url)
        return [await _measure_with(connections, kinds, queue, operations, rounds) for connections in CONNECTIONS]


def _kinds(
    session: aiohttp.ClientSession, queue: QueueClient, world: LocalWorld, empty_url: str
) -> dict[str, Operation]:
    """What is measured, by the fields of `Acknowledging`."""
    secret, door_url = world.environment["CLIENT_STATE_SECRET"], f"{world.functions_url}/api/graph/notifications"
    message = json.dumps({"an item of": "usual size"}).ljust(390)

    async def put() -> None:
        await queue.send_message(message, visibility_timeout=3, time_to_live=-1)

    def posting(url: str, posts: Iterator[bytes]) -> Operation:
        async def post() -> None:
            await _post(session, url, next(posts))

        return post

    small, large = (
        bodies(secret, new_events()),
        bodies(secret, new_events(), items=ITEMS, of_events=EVENTS),
    )
    return {
        "door": posting(door_url, small),
        "empty": posting(empty_url, repeat(next(small))),
        "put": put,
        "large_door": posting(door_url, large),
        "large_empty": posting(empty_url, repeat(next(large))),
    }


async def _measure_with(
    connections: int, kinds: Mapping[str, Operation], queue: QueueClient, operations: int, rounds: int
) -> Acknowledging:
    measured: dict[str, list[Times]] = {kind: [] for kind in kinds}
    for kind, operation in kinds.items():
        await _round(operation, connections, _share(kind, operations) // 4)  # warms up
    for _ in range(rounds):
        await queue.clear_messages()
        for kind, operation in kinds.items():
            measured[kind].append(await _round(operation, connections, _share(kind, operations)))
    await queue.clear_messages()
    return Acknowledging(connections=connections, **{kind: together(times) for kind, times in measured.items()})


def _share(kind: str, operations: int) -> int:
    return operations // 4 if kind.startswith("large") else operations


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
