"""A Dataverse simulator in this process on a frozen clock, and the receiver that its webhooks call."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import httpx

from local.dataverse.seed import status_id
from local.dataverse.server import SWITCHES, DataverseSimulator
from local.sample import SampleBooking, build_sample
from local.switchboard import APP_TOKEN, PERSON_TOKEN, Switchboard, WorldClock

TODAY = date(2030, 3, 1)
NOW = datetime(2030, 3, 1, 8, 0, tzinfo=UTC)
HOST = "http://dataverse.local"
BOOKING = "bookableresourcebooking"
SAMPLE = build_sample(TODAY)
VISIT: SampleBooking = SAMPLE.bookings[0]
PATH = f"/bookableresourcebookings({VISIT.booking_id})"
URL = "https://app.example/api/dataverse"
IN_ORDER: dict[str, Any] = {"webhook_reorder": False}
SETTINGS = '<settings><setting name="x-bks-secret" value="s3cret"/></settings>'


@dataclass(frozen=True, slots=True)
class Received:
    url: str
    raw: bytes
    headers: Mapping[str, str]

    @property
    def context(self) -> dict[str, Any]:
        return dict(json.loads(self.raw))

    def images(self, side: str) -> dict[str, dict[str, Any]]:
        """Alias to attributes; `side` is "Pre" or "Post"."""
        found = self.context[f"{side}EntityImages"]
        return {image["key"]: attributes(image["value"]) for image in found}

    @property
    def target(self) -> dict[str, Any]:
        (parameter,) = self.context["InputParameters"]
        assert parameter["key"] == "Target"
        return dict(parameter["value"])


def attributes(entity: Mapping[str, Any]) -> dict[str, Any]:
    return {pair["key"]: pair["value"] for pair in entity["Attributes"]}


@dataclass
class Receiver:
    """Answers 202, unless `answers` holds other statuses or errors for the next posts."""

    clock: WorldClock
    received: list[Received] = field(default_factory=list)
    answers: deque[int | OSError] = field(default_factory=deque)
    takes_seconds: float = 0.0

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:
        assert timeout_seconds == 60
        self.clock.advance(self.takes_seconds)
        self.received.append(Received(url, body, headers))
        answer = self.answers.popleft() if self.answers else 202
        if isinstance(answer, OSError):
            raise answer
        return answer


class WebhookEnvironment:
    """The simulator with clients of the app and of a person, who also registers the webhooks."""

    def __init__(self, **switches: Any) -> None:
        self.board = Switchboard(switches=SWITCHES, clock=WorldClock(NOW))
        self.board.set_switches({**IN_ORDER, **switches})
        self.receive_with(Receiver(self.board.clock))

    def receive_with(self, receiver: Receiver, *, runs_webhooks: bool = False) -> None:
        """Begin anew with a simulator that calls `receiver`."""
        self.receiver = receiver
        self.simulator = DataverseSimulator(
            today=TODAY, switchboard=self.board, door=receiver, runs_webhooks=runs_webhooks
        )
        self.app = self._client(APP_TOKEN)
        self.person = self._client(PERSON_TOKEN)

    def _client(self, token: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.simulator.app),
            base_url=f"{HOST}/api/data/v9.2",
            headers={"Authorization": f"Bearer {token}"},
        )

    async def get(self, path: str) -> dict[str, Any]:
        response = await self.person.get(path)
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def find(self, path: str) -> list[dict[str, Any]]:
        return list((await self.get(path))["value"])

    async def create(self, set_name: str, **body: Any) -> str:
        """The id of a row that must be accepted."""
        response = await self.person.post(f"/{set_name}", json=body)
        assert response.status_code == 204, response.text
        return str(response.headers["OData-EntityId"]).rpartition("(")[2].rstrip(")")

    async def change(self, **body: Any) -> None:
        """The dispatcher changes the sample visit."""
        assert (await self.person.patch(PATH, json=body)).status_code == 204

    async def endpoint(self, **changes: Any) -> str:
        body = {"name": "bookingsync", "contract": 8, "url": URL, "authtype": 5, "authvalue": SETTINGS, **changes}
        return await self.create("serviceendpoints", **body)

    async def step_body(self, message: str, *, table: str = BOOKING, endpoint: str, **changes: Any) -> dict[str, Any]:
        """A step as an installation posts it: it looks the ids up first."""
        (found,) = await self.find(f"/sdkmessages?$select=sdkmessageid&$filter=name eq '{message}'")
        message_id = found["sdkmessageid"]
        (found,) = await self.find(
            f"/sdkmessagefilters?$filter=primaryobjecttypecode eq '{table}' and _sdkmessageid_value eq {message_id}"
        )
        return {
            "name": f"{message} of {table}",
            "stage": 40,
            "mode": 1,
            "rank": 1,
            "eventhandler_serviceendpoint@odata.bind": f"/serviceendpoints({endpoint})",
            "sdkmessageid@odata.bind": f"/sdkmessages({message_id})",
            "sdkmessagefilterid@odata.bind": f"/sdkmessagefilters({found['sdkmessagefilterid']})",
            **changes,
        }

    async def step(self, message: str = "Update", *, endpoint: str | None = None, **changes: Any) -> str:
        body = await self.step_body(message, endpoint=endpoint or await self.endpoint(), **changes)
        return await self.create("sdkmessageprocessingsteps", **body)

    async def image(self, step: str, **changes: Any) -> str:
        return await self.create("sdkmessageprocessingstepimages", **image_body(step, **changes))

    async def deliver(self) -> list[Received]:
        """Move the clock from job to job until none waits. What was received."""
        before, webhooks = len(self.receiver.received), self.simulator.webhooks
        while (due_at := webhooks.next_due_at()) is not None:
            self.board.clock.freeze(max(due_at, self.board.clock.now()))
            await webhooks.deliver_due(self.simulator.post)
        return self.receiver.received[before:]

    async def jobs(self) -> list[dict[str, Any]]:
        return await self.find("/asyncoperations")

    async def state(self) -> dict[str, Any]:
        """What `/_control/state` shows of webhooks."""
        return dict((await self.get(f"{HOST}/_control/state"))["webhooks"])


def image_body(step: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": "pre",
        "entityalias": "pre",
        "imagetype": 0,
        "messagepropertyname": "Target",
        "sdkmessageprocessingstepid@odata.bind": f"/sdkmessageprocessingsteps({step})",
        **changes,
    }


def bind_status(name: str) -> dict[str, str]:
    return {"BookingStatus@odata.bind": f"/bookingstatuses({status_id(name)})"}
