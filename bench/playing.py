"""Plays changes on simulators in this process, and counts what handling them took.

Before each change the Graph simulator's randomness is seeded by the change's number, so that whoever handles the
notifications, the same change raises the same ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import httpx

from local.dataverse.server import DataverseSimulator
from local.graph.simulator import GraphSimulator

PAUSE = timedelta(minutes=5)
"""Between two changes, so that each is a change of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What handling some changes took. `steps`: a flow's actions and triggers, or the app's function invocations."""

    changes: int
    notifications: int
    graph: int
    dataverse: int
    steps: int
    storage: int = 0
    """Operations on the app's own queues and tables; a flow has none."""
    webhooks: int = 0
    """What Dataverse told of; a flow is triggered in other ways."""

    @property
    def calls(self) -> int:
        return self.graph + self.dataverse


class Stage[C](Protocol):
    """Simulators, people who make changes `C` there, and who handles what the services tell of it."""

    graph: GraphSimulator
    dataverse: DataverseSimulator

    async def start(self) -> None:
        """Subscribe every mailbox."""

    async def make(self, change: C) -> httpx.Response:
        """Have a person make a change."""

    async def settle(self) -> None:
        """Let everything happen that is under way."""

    async def pass_time(self, until: datetime) -> None:
        """Let everything happen that is due until then (aware UTC), when it is due."""

    def own_cost(self) -> Mapping[str, int]:
        """Those fields of `Cost` so far that the simulators do not know."""


class Player[C]:
    """Plays on a stage that has been started, and meters it."""

    def __init__(self, stage: Stage[C], *, seed: int = 0) -> None:
        self._stage = stage
        self._seed = seed
        self._played = 0
        self._before = self._total()

    async def play(self, change: C) -> dict[str, Any]:
        """After a pause, make one change and let it settle; answers as `make`."""
        self._stage.graph.switchboard.clock.advance(PAUSE.total_seconds())
        event = await self.make(change)
        await self._stage.settle()
        return event

    async def make(self, change: C) -> dict[str, Any]:
        """Make one change now; answers the event as Graph shows it, `{}` after a deletion."""
        self._stage.graph.switchboard.random.seed(f"{self._seed}:{self._played}")
        self._played += 1
        answer = (await self._stage.make(change)).raise_for_status()
        return dict(answer.json()) if answer.content else {}

    def read_meter(self) -> Cost:
        """What was spent since it was last read."""
        total = self._total()
        spent = {name: total[name] - self._before[name] for name in total}
        self._before = total
        return Cost(**spent)

    def _total(self) -> dict[str, int]:
        stage = self._stage
        return {
            "changes": self._played,
            "notifications": stage.graph.courier.counts["delivered"],
            "graph": stage.graph.switchboard.calls["app"].total(),
            "dataverse": stage.dataverse.switchboard.calls["app"].total(),
            **stage.own_cost(),
        }


async def cost_of[C](stage: Stage[C], changes: Sequence[C], *, seed: int = 0) -> Cost:
    """Start a stage, play the changes one after the other, and count."""
    await stage.start()
    player = Player(stage, seed=seed)
    for change in changes:
        await player.play(change)
    return player.read_meter()
