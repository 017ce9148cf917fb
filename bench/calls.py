"""Calls and steps per change: the app and the flow that it replaces, on the same trace, both in this process.

Each has simulators of its own that start from the same linked sample company, with the same switches, on a clock that
is moved by hand. Both are shown the same notifications, which is checked; each travels alone, because the text of the
flow reads one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import httpx

from bench.dispatches import Dispatch, DispatchKind, dispatches_of, make_change
from bench.errors import MeasurementFailed
from bench.flow_stage import LENIENT_DATAVERSE, FlowStage
from bench.playing import Cost, cost_of
from bench.trace import Change, Kind, changes_of
from bench.unread_journal import UnreadJournal
from local.sample import Sample, build_sample
from tests.hosted_app import START
from tests.tenant import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One trace, handled by both."""

    name: str
    ours: Cost
    flow: Cost


class AppStage:
    """The app, whole but for HTTP, queue and tables, which are in memory."""

    def __init__(self, switches: Mapping[str, Any], *, mailboxes: Sequence[str] = ()) -> None:
        """`switches` are the Graph simulator's. `mailboxes` are synced; without any, those that Dataverse lists."""
        self._tenant = Tenant(switches=switches)
        self._tenant.rules = replace(self._tenant.rules, mailboxes=tuple(mailboxes))
        self._tenant.journal = UnreadJournal()
        self._tenant.ports = self._tenant.build_ports()
        self._tenant.dataverse.switchboard.set_switches(LENIENT_DATAVERSE)
        self.graph = self._tenant.graph
        self.dataverse = self._tenant.dataverse

    async def start(self) -> None:
        await self._tenant.start()

    async def make(self, change: Change | Dispatch) -> httpx.Response:
        return await make_change(change, outlook=self._tenant.person, dynamics=self._tenant.dispatcher)

    async def settle(self) -> None:
        await self._tenant.settle()

    async def pass_time(self, until: datetime) -> None:
        tenant = self._tenant
        await tenant.settle(limit=until - tenant.clock.now())
        tenant.clock.advance(max((until - tenant.clock.now()).total_seconds(), 0))

    async def sweep(self) -> None:
        """Sweep all mailboxes and the table of bookings, as the timers do."""
        await self._tenant.sweep()
        await self._tenant.settle()

    def own_cost(self) -> Mapping[str, int]:
        tenant = self._tenant
        queued = tenant.queue.calls["put"]
        tables = sum(sum(port.calls.values()) for port in (tenant.state, tenant.journal, tenant.letters))
        return {
            "steps": len(tenant.replies) + queued,
            # The host takes and deletes each message that the app puts
            "storage": tables + 3 * queued,
            "webhooks": tenant.dataverse.webhooks.counts["delivered"],
        }


async def compare(name: str, changes: Sequence[Change], *, switches: Mapping[str, Any], seed: int = 0) -> Comparison:
    """Both contenders on the same changes. Raises `MeasurementFailed` when they saw different notifications."""
    wanted = {"batch": False, **switches}
    ours = await cost_of(AppStage(wanted), changes, seed=seed)
    flow = await cost_of(FlowStage(wanted, START), changes, seed=seed)
    if ours.notifications != flow.notifications:
        raise MeasurementFailed(
            f"{name}: the app was shown {ours.notifications} notifications, the flow {flow.notifications}"
        )
    return Comparison(name=name, ours=ours, flow=flow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """What dispatches of one kind cost the app. The flow's text about them tells too little to be played beside."""

    kind: DispatchKind
    ours: Cost


async def measure_dispatches(count: int) -> list[Dispatched]:
    """Each kind of dispatch alone, `count` of it, in bursts as Graph happens to send them."""
    return [
        Dispatched(kind=kind, ours=await cost_of(AppStage({"batch": False}), dispatches_of(kind, _sample(), count)))
        for kind in DispatchKind
    ]


async def compare_kinds(count: int) -> list[Comparison]:
    """Each kind of change alone, `count` of it, in bursts as Graph happens to send them."""
    return [await compare(kind, changes_of(kind, _sample(), count), switches={}) for kind in Kind]


async def compare_bursts(count: int) -> list[Comparison]:
    """Moves, by how many notifications one change raises."""
    changes = changes_of(Kind.MOVED, _sample(), count)
    return [
        await compare(f"moved, burst of {burst}", changes, switches={"burst": burst, "repeat": 0.0})
        for burst in (1, 2, 3, 4)
    ]


def _sample() -> Sample:
    return build_sample(START.date())
