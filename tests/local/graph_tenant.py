"""A simulated Graph tenant in-process: a frozen clock, no sockets, and a door that remembers what came through it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from local.graph.door import DoorAnswer
from local.graph.server import build_app
from local.graph.simulator import GraphSimulator
from local.sample import BOOKING_ID_PROPERTY, EXTENSION_NAME, TECHNICIANS, build_sample
from local.switchboard import APP_TOKEN, PERSON_TOKEN, WorldClock

TODAY = date(2026, 3, 20)
NOW = datetime(2026, 3, 20, 9, tzinfo=UTC)
TECHNICIAN = TECHNICIANS[3]
USER = f"/v1.0/users/{TECHNICIAN.mailbox_id}"
SAMPLE = build_sample(TODAY)
BOOKING = next(booking for booking in SAMPLE.bookings if booking.technician is TECHNICIAN)
PRIVATE = next(event for event in SAMPLE.private_events if event.technician is TECHNICIAN)
IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
NOTIFY_URL = "https://app.example/api/graph/notifications?code=key"
LIFECYCLE_URL = "https://app.example/api/graph/lifecycle"
EXTENSION = {
    "@odata.type": "microsoft.graph.openTypeExtension",
    "extensionName": EXTENSION_NAME,
    "bookingSyncGuid": "b-1",
}
EXPAND = (
    f"extensions($filter=id eq '{EXTENSION_NAME}'),singleValueExtendedProperties($filter=id eq '{BOOKING_ID_PROPERTY}')"
)


class RememberingDoor:
    """Stands where the app would: answers handshakes rightly and notifications with 202, unless told otherwise."""

    def __init__(self, clock: WorldClock) -> None:
        self._clock = clock
        self.handshakes: list[str] = []
        self.posts: list[tuple[str, list[dict[str, Any]]]] = []
        self.handshake: Callable[[str], DoorAnswer] = plain_answer
        self.status = 202
        self.takes_seconds = 0.0

    async def post(self, url: str, body: bytes, content_type: str, timeout_seconds: float) -> DoorAnswer:
        if "validationToken=" in url:
            assert (body, content_type) == (b"", "text/plain; charset=utf-8")
            self.handshakes.append(url)
            return self.handshake(parse_qs(urlsplit(url).query)["validationToken"][0])
        self._clock.advance(min(self.takes_seconds, timeout_seconds))
        if self.takes_seconds > timeout_seconds:
            raise TimeoutError
        self.posts.append((url, json.loads(body)["value"]))
        return DoorAnswer(status=self.status, content_type="", text="")

    @property
    def items(self) -> list[dict[str, Any]]:
        return [item for _, items in self.posts for item in items]


def plain_answer(token: str) -> DoorAnswer:
    return DoorAnswer(status=200, content_type="text/plain", text=token)


class Tenant:
    """The simulator with a client for the app and one for people, on a clock that only the test moves."""

    def __init__(self, **switches: Any) -> None:
        self.clock = WorldClock(NOW)
        self.door = RememberingDoor(self.clock)
        self.simulator = GraphSimulator(today=TODAY, clock=self.clock, door=self.door)
        self.simulator.switchboard.set_switches({**QUIET, **switches})
        self.app = self._client(APP_TOKEN)
        self.person = self._client(PERSON_TOKEN)

    def _client(self, token: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(build_app(self.simulator)),
            base_url="http://127.0.0.1:7080",
            headers={"Authorization": f"Bearer {token}"},
        )

    def switch(self, **values: Any) -> None:
        self.simulator.switchboard.set_switches(values)

    async def control(self, route: str, **body: Any) -> dict[str, Any]:
        answer = await self.person.post(f"/_control/{route}", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def subscribe(self, **changes: Any) -> httpx.Response:
        """Subscribe the app to the technician's events, for a day and with immutable ids."""
        body = {
            "changeType": "created,updated,deleted",
            "notificationUrl": NOTIFY_URL,
            "lifecycleNotificationUrl": LIFECYCLE_URL,
            "resource": f"users/{TECHNICIAN.mailbox_id}/events",
            "expirationDateTime": "2026-03-21T09:00:00.0000000Z",
            "clientState": "secret",
            **changes,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return await self.app.post("/v1.0/subscriptions", json=given, headers=IMMUTABLE)

    async def deliver(self, most_posts: int = 100) -> list[dict[str, Any]]:
        """Move the clock from delivery to delivery until the outbox is empty. The notifications that came."""
        courier = self.simulator.courier
        before, made = len(self.door.items), 0
        while (due_at := courier.next_due_at()) is not None and made < most_posts:
            self.clock.freeze(max(due_at, self.clock.now()))
            made += await courier.deliver_due(self.simulator.post)
        return self.door.items[before:]


QUIET = {"burst": 1, "repeat": 0.0, "reorder": False, "batch": False, "change_type_noise": False}
"""Switches under which one change is one notification."""


@asynccontextmanager
async def tenant(**switches: Any) -> AsyncIterator[Tenant]:
    opened = Tenant(**switches)
    async with opened.app, opened.person:
        yield opened


def times(start: str, end: str, zone: str = "UTC") -> dict[str, Any]:
    """Start and end of an event body."""
    return {"start": {"dateTime": start, "timeZone": zone}, "end": {"dateTime": end, "timeZone": zone}}


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]
