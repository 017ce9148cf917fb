"""What the app makes of more work than a service bears: the share of a limit that it uses, and how often it is refused.

On virtual time (see `backfill_stage`), where only the limit's own clock counts, so that nothing depends on the machine.
People change visits steadily and faster than the limit lets the app follow: what waits grows all the while. Each stream
runs in a process of its own, beside the others.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bench.company import Company
from bench.processes import open_pool
from bench.stream_stage import StreamStage
from bench.traffic import Doing, Traffic
from local.virtual_time import run_virtually
from sync.core.work import QUEUES

MAILBOX_WINDOW = timedelta(minutes=10)
"""Over which Graph counts an app's requests to a mailbox (Graph documentation, throttling-limits)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """More work than one of the two limits allows; only the named service's is exceeded.

    `switches` are Dataverse's, for smaller limits than its own. Where the stream is not `is_paced`, the app calls as if
    nobody had refused it before, as it once did.
    """

    service: str
    company: Company
    doings: tuple[Doing, ...]
    per_second: float
    seconds: float
    instances: int
    switches: Mapping[str, Any] = field(default_factory=dict)
    is_paced: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """What came of a stream. `served` and `refused` are calls to the service whose limit is exceeded.

    `allowed` are the calls that the limit allows in that time. `other_calls` went to the other service, of which
    `other_refused` were refused. `waiting` messages were left in the queues. `cpu_seconds` are real, and those of the
    simulators, too.
    """

    stream: Stream
    changes: int
    served: int
    refused: int
    allowed: int
    other_calls: int
    other_refused: int
    waiting: int
    cpu_seconds: float

    @property
    def share(self) -> float:
        """Of the limit, used."""
        return self.served / self.allowed

    @property
    def refused_share(self) -> float:
        """Of the calls, refused."""
        return self.refused / (self.served + self.refused)


def measure_throughputs(streams: Sequence[Stream]) -> list[Throughput]:
    """Each stream, side by side. Raises `MeasurementFailed` when the visits do not come to their events beforehand."""
    with open_pool(len(streams)) as pool:
        return pool.map(measure_throughput, streams, chunksize=1)


def measure_throughput(stream: Stream) -> Throughput:
    """One stream, in this process. Raises `MeasurementFailed`."""
    return run_virtually(_measure(stream))


async def _measure(stream: Stream) -> Throughput:
    stage = StreamStage(
        stream.company,
        instances=stream.instances,
        dataverse_switches=stream.switches,
        is_paced=stream.is_paced,
    )
    async with stage:
        traffic = Traffic(stage, stream.doings)
        cpu_before = time.process_time()
        await traffic.flow(per_second=stream.per_second, seconds=stream.seconds)
        cpu_seconds = time.process_time() - cpu_before
        waiting = sum(len(stage.queues[name]) for name in QUEUES)
    calls = {
        "Graph": (stage.graph.switchboard.calls["app"].total(), stage.graph_gauge.refused),
        "Dataverse": (stage.dataverse.switchboard.calls["app"].total(), stage.dataverse_gauge.refused),
    }
    total, refused = calls.pop(stream.service)
    [(other_calls, other_refused)] = calls.values()
    return Throughput(
        stream=stream,
        changes=traffic.made,
        served=total - refused,
        refused=refused,
        allowed=_allowed(stream, stage),
        other_calls=other_calls,
        other_refused=other_refused,
        waiting=waiting,
        cpu_seconds=cpu_seconds,
    )


def _allowed(stream: Stream, stage: StreamStage) -> int:
    """At the limit's rate. Graph's is for each mailbox."""
    if stream.service == "Graph":
        each = stage.graph.switchboard.switches["requests_per_10_minutes"]
        most, window = each * len(stream.company.technicians), MAILBOX_WINDOW.total_seconds()
    else:
        limits = stage.dataverse.switchboard.switches
        most, window = limits["max_requests"], limits["window_seconds"]
    return round(stream.seconds * float(most) / window)
