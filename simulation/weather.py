"""What goes wrong at the moment: the troubles that have begun and are not over, and how often each has struck."""

from collections import Counter
from random import Random

from local.dataverse.server import DataverseSimulator
from local.graph.events import Change
from local.graph.simulator import GraphSimulator
from simulation.history import Ill, Trouble

LONGEST_STALENESS_SECONDS = 60.0


class Weather:
    """Troubles come and go; who may be struck by one asks each time. `struck` counts, by ill."""

    def __init__(self, graph: GraphSimulator, dataverse: DataverseSimulator, chance: Random) -> None:
        self.struck: Counter[Ill] = Counter()
        self._graph = graph
        self._dataverse = dataverse
        self._chance = chance
        self._active: list[Trouble] = []
        graph.world.on_change.append(self._on_event)
        dataverse.world.listeners.append(lambda _: self._count(_OF_WEBHOOKS))

    def begin(self, trouble: Trouble) -> None:
        self._active.append(trouble)
        self._turn_switches()

    def end(self, trouble: Trouble) -> None:
        if trouble in self._active:
            self._active.remove(trouble)
            self._turn_switches()

    def clear_up(self) -> None:
        """All troubles end."""
        self._active.clear()
        self._turn_switches()

    def count_losses(self) -> None:
        """Take over from the services what they have lost."""
        self.struck[Ill.NOTIFICATIONS_LOST] = self._graph.courier.counts["lost"]
        self.struck[Ill.WEBHOOKS_LOST] = self._dataverse.webhooks.counts["lost"]

    def strikes(self, *ills: Ill) -> Ill | None:
        """Which of these ills strikes now, if any does."""
        for trouble in self._active:
            if trouble.ill in ills and self._chance.random() < trouble.chance:
                self.struck[trouble.ill] += 1
                if trouble.ill in _ONCE:
                    self._active.remove(trouble)
                return trouble.ill
        return None

    def _on_event(self, change: Change) -> None:
        self._count(_OF_NOTIFICATIONS)
        after = change.after
        if change.before is None and after.extended_properties and not after.extensions:
            self.struck[Ill.CREATES_CONFLICT] += 1

    def _count(self, ills: frozenset[Ill]) -> None:
        self.struck.update({trouble.ill for trouble in self._active if trouble.ill in ills})

    def _turn_switches(self) -> None:
        """Those of the simulators that stand for what the services do by themselves."""
        late = self._strength(Ill.NOTIFICATIONS_LATE, "amount")
        stale = min(self._strength(Ill.READS_STALE, "amount"), LONGEST_STALENESS_SECONDS)
        self._graph.switchboard.set_switches(
            {
                "lose": self._strength(Ill.NOTIFICATIONS_LOST, "chance"),
                "delay_seconds": late or 0.1,
                "burst_spread_seconds": late / 2 or 0.3,
                "repeat": self._strength(Ill.NOTIFICATIONS_TWICE, "chance"),
                "stale_read_seconds": stale,
                "empty_reads": self._strength(Ill.READS_EMPTY, "chance") > 0,
                "create_conflict": self._strength(Ill.CREATES_CONFLICT, "chance"),
            }
        )
        self._dataverse.switchboard.set_switches(
            {
                "webhook_lose": self._strength(Ill.WEBHOOKS_LOST, "chance"),
                "webhook_delay_seconds": self._strength(Ill.WEBHOOKS_LATE, "amount") or 0.2,
                "webhook_repeat": self._strength(Ill.WEBHOOKS_TWICE, "chance"),
            }
        )

    def _strength(self, ill: Ill, measure: str) -> float:
        return max((float(getattr(trouble, measure)) for trouble in self._active if trouble.ill is ill), default=0.0)


_ONCE = frozenset({Ill.STALL, Ill.GRAPH_DENIES, Ill.DATAVERSE_DENIES})
"""A second worker that sleeps for minutes would be another trouble, and a token that was refused is replaced."""

_OF_NOTIFICATIONS = frozenset({Ill.NOTIFICATIONS_LATE, Ill.NOTIFICATIONS_TWICE, Ill.READS_STALE, Ill.READS_EMPTY})
"""What a change of an event meets with, if it is there."""

_OF_WEBHOOKS = frozenset({Ill.WEBHOOKS_LATE, Ill.WEBHOOKS_TWICE})
