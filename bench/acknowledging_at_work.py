"""How fast notifications are acknowledged while the queue functions of the same host have all the work they can take.

In Azure, HTTP functions have instances of their own (Flex Consumption); here they share one process with the workers,
which is the worst case. The work is genuine: bookings that were made while the host was down, each of which is read,
brought to Outlook and named, with all echoes. Only answers given while some of it still waited are counted.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import httpx
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from bench import dispatches
from bench.crossings import People, booked_anew
from bench.errors import MeasurementFailed
from bench.figures import Times
from bench.latency import TIMERS_AT_REST
from bench.posts import bodies
from bench.trace import scheduled_visits
from local.sample import Sample, SampleBooking, build_sample
from local.world import LocalWorld, today_in_utc
from sync.core.work import BOOKING_CHANGES_QUEUE, item_to_text
from sync.core.work_items import BookingChange

CONNECTIONS = 16

GRAPH_WAITS_SECONDS = 3.0
"""Graph documentation, change-notifications-delivery-webhooks."""

_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """The answers to bodies of one item by `CONNECTIONS` that are never idle, while `bookings` were brought to Outlook.

    `failed` answers were not 202.
    """

    bookings: int
    answers: Times
    failed: int

    @property
    def share_too_late(self) -> float:
        return self.answers.share_over(GRAPH_WAITS_SECONDS)


def measure_at_work(*, bookings: int) -> AtWork:
    """With so many bookings waiting at first. Raises `MeasurementFailed` when they do not come to an end."""
    today = today_in_utc()
    sample = build_sample(today)
    visits = booked_anew(scheduled_visits(sample))[:bookings]
    with (
        TemporaryDirectory(prefix="bench-") as directory,
        LocalWorld(Path(directory), today=today, settings=TIMERS_AT_REST) as world,
    ):
        world.register()
        world.subscribe()
        world.wait_until_quiet()
        world.stop("functions")
        asyncio.run(_book(world, visits))
        world.start("functions")
        return asyncio.run(_measure(world, sample, visits))


async def _book(world: LocalWorld, visits: Sequence[SampleBooking]) -> None:
    """Have the dispatcher make bookings of which no webhook tells, and queue the work on them."""
    async with People(world) as people, _booking_queue(world) as queue:
        try:
            await queue.create_queue()
        except ResourceExistsError:
            await queue.clear_messages()
        for visit in visits:
            await people.make(dispatches.make(visit, 0 * dispatches.WEEK, visit.booking_id))
        for visit in visits:
            item = BookingChange(
                booking_id=visit.booking_id, received_at=datetime.now(UTC), correlation_id=visit.booking_id
            )
            await queue.send_message(item_to_text(item), time_to_live=-1)


def _booking_queue(world: LocalWorld) -> QueueClient:
    return QueueClient.from_connection_string(
        world.azurite.connection_string, BOOKING_CHANGES_QUEUE, message_encode_policy=TextBase64EncodePolicy()
    )


async def _measure(world: LocalWorld, sample: Sample, visits: Sequence[SampleBooking]) -> AtWork:
    events = cycle((event.technician.mailbox_id, event.event_id) for event in sample.private_events)
    posts = bodies(world.environment["CLIENT_STATE_SECRET"], events)
    url = f"{world.functions_url}/api/graph/notifications"
    answers: list[tuple[float, float, int]] = []
    began_at = time.perf_counter()
    work_is_done = asyncio.Event()

    async def post(session: aiohttp.ClientSession) -> None:
        while not work_is_done.is_set():
            started_at = time.perf_counter()
            async with session.post(url, data=next(posts), headers={"Content-Type": "application/json"}) as answer:
                await answer.read()
            ended_at = time.perf_counter()
            answers.append((ended_at, ended_at - started_at, answer.status))

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session,
        asyncio.TaskGroup() as workers,
    ):
        for _ in range(CONNECTIONS):
            workers.create_task(post(session))
        busy_until = await _wait_for_last(world, visits)
        work_is_done.set()
    counted = [(seconds, status) for ended_at, seconds, status in answers if ended_at <= busy_until]
    return AtWork(
        bookings=len(visits),
        answers=Times(seconds=tuple(seconds for seconds, _ in counted), elapsed=busy_until - began_at),
        failed=sum(status != httpx.codes.ACCEPTED for _, status in counted),
    )


async def _wait_for_last(world: LocalWorld, visits: Sequence[SampleBooking]) -> float:
    """Until every booking has its event; the time of the last look at which one had not."""
    missing, looked_at = {visit.booking_id for visit in visits}, time.perf_counter()
    deadline = looked_at + _PATIENCE_SECONDS
    async with People(world) as people:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.perf_counter()
            missing -= (await people.event_ids()).keys()
            if not missing:
                return looked_at
            if now > deadline:
                raise MeasurementFailed(f"{len(missing)} of {len(visits)} bookings had no event in the end")
            looked_at = now
