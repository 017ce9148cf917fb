"""The replaced flow on simulators of its own, in this process, on a clock that is moved by hand."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from bench.flow import CLIENT_STATE, Flow
from bench.trace import Change
from local.dataverse.server import SWITCHES as DATAVERSE_SWITCHES
from local.dataverse.server import DataverseSimulator
from local.graph.door import DoorAnswer
from local.graph.server import build_app
from local.graph.simulator import GraphSimulator
from local.sample import TECHNICIANS, Technician
from local.switchboard import APP_TOKEN, PERSON_TOKEN, Switchboard, WorldClock

LENIENT_DATAVERSE: dict[str, Any] = {"refuse_null_in_required_columns": False}
"""The flow clears a booking's status before it sets the new one, and its author saw that accepted."""

_GRAPH_URL = "http://127.0.0.1:7080/v1.0"
_DATAVERSE_URL = "http://127.0.0.1:7090"
_FLOW_URL = "http://127.0.0.1:7071/flow"
_IMMUTABLE_IDS = 'IdType="ImmutableId"'


class FlowStage:
    """The flow, one run for each notification, one after the other: runs side by side would read more stale values."""

    def __init__(
        self, switches: Mapping[str, Any], now: datetime, *, technicians: Sequence[Technician] = TECHNICIANS
    ) -> None:
        """`switches` are the Graph simulator's; time begins at `now`, and the sample is built around its day.

        The mailboxes of `technicians` are subscribed.
        """
        self._technicians = [one for one in technicians if one.has_mailbox]
        clock, today = WorldClock(frozen_at=now), now.date()
        self.graph = GraphSimulator(today=today, clock=clock, door=self)
        self.graph.switchboard.set_switches(dict(switches))
        board = Switchboard(switches=DATAVERSE_SWITCHES, clock=clock)
        self.dataverse = DataverseSimulator(today=today, switchboard=board)
        board.set_switches(LENIENT_DATAVERSE)
        self._to_graph = httpx.ASGITransport(app=build_app(self.graph))
        self._technician = self._graph_client(PERSON_TOKEN)
        dataverse = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.dataverse.app),
            base_url=f"{_DATAVERSE_URL}/api/data/v9.2",
            headers={"Authorization": f"Bearer {APP_TOKEN}"},
        )
        self._client = self._graph_client(APP_TOKEN)
        self.flow = Flow(self._client, dataverse)
        self._waiting: list[dict[str, Any]] = []

    def _graph_client(self, token: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}", "Prefer": _IMMUTABLE_IDS}
        return httpx.AsyncClient(transport=self._to_graph, base_url=_GRAPH_URL, headers=headers)

    async def post(self, url: str, body: bytes, content_type: str, timeout_seconds: float) -> DoorAnswer:
        """The flow's trigger, as Graph's handshake and deliveries see it."""
        del content_type, timeout_seconds
        token = parse_qs(urlsplit(url).query).get("validationToken")
        if token:
            return DoorAnswer(status=200, content_type="text/plain", text=token[0])
        self._waiting += json.loads(body)["value"]
        return DoorAnswer(status=202, content_type="text/plain", text="")

    async def start(self) -> None:
        expires_at = self.graph.switchboard.clock.now() + timedelta(days=3)
        for technician in self._technicians:
            subscription = {
                "changeType": "created,updated,deleted",
                "notificationUrl": _FLOW_URL,
                "resource": f"users/{technician.mailbox_id}/events",
                "expirationDateTime": f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
                "clientState": CLIENT_STATE,
            }
            (await self._client.post("/subscriptions", json=subscription)).raise_for_status()

    async def make(self, change: Change) -> httpx.Response:
        return await self._technician.request(change.method, change.path, json=change.body)

    async def settle(self) -> None:
        await self._run_until(None)

    async def pass_time(self, until: datetime) -> None:
        await self._run_until(until)
        clock = self.graph.switchboard.clock
        clock.advance(max((until - clock.now()).total_seconds(), 0))

    async def _run_until(self, end: datetime | None) -> None:
        """None: until nothing is under way."""
        courier, clock = self.graph.courier, self.graph.switchboard.clock
        while True:
            await courier.deliver_due(self.graph.post)
            while self._waiting:
                await self.flow.run(self._waiting.pop(0))
            due_at = courier.next_due_at()
            if due_at is None or (end is not None and due_at > end):
                return
            clock.advance(max((due_at - clock.now()).total_seconds(), 0.001))

    def own_cost(self) -> Mapping[str, int]:
        return {"steps": self.flow.steps, "storage": 0}
