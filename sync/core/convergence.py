"""How long changes take to arrive, counted so that it can be told at once for an hour or a day. Pure.

Ten thousand mailboxes bring some hundred thousand journal rows a day; nobody can read those for one look at a page. So
each instance counts its own in steps of a tenth, and one small row per instance and hour is kept. Only what push
brought is counted: when a change that a sweep found was made, nobody knows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil, log

from sync.core.journal import JournalEntry
from sync.core.work_items import Source

AGREEING = frozenset(
    {
        "adopt-event",
        "adopt-twin",
        "cancel-booking",
        "clear-event-id",
        "create-event",
        "delete-booking",
        "name-event",
        "remove-event",
        "reschedule-booking",
        "rewrite-event",
        "update-booking",
        "update-event",
    }
)
"""The journal's words for what made two sides equal by a write. What found them equal was no change."""

_SHORTEST_SECONDS = 0.1
_STEP = 1.1
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one instance counted in one hour: how many changes took how long, by step, and how many a sweep found."""

    hour: datetime
    instance: str
    steps: dict[str, int] = field(default_factory=dict)
    swept: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Convergence:
    """From the first word of a change to agreement, in seconds; None when nothing arrived.

    Times are rounded up by a tenth at most. `swept` changes were found by a sweep, so that their time is not known.
    """

    changes: int = 0
    swept: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def counted(tally: Tally, entry: JournalEntry) -> Tally:
    """The tally with one more entry, which is of its hour; unchanged for an entry that made nothing equal."""
    if entry.action not in AGREEING or entry.source is Source.REPLAY:
        return tally
    if entry.source is Source.SWEEP:
        return Tally(hour=tally.hour, instance=tally.instance, steps=tally.steps, swept=tally.swept + 1)
    step = str(step_of((entry.at - entry.received_at).total_seconds()))
    steps = {**tally.steps, step: tally.steps.get(step, 0) + 1}
    return Tally(hour=tally.hour, instance=tally.instance, steps=steps, swept=tally.swept)


def step_of(seconds: float) -> int:
    """The first step that is not shorter than `seconds`."""
    return max(0, ceil(log(seconds / _SHORTEST_SECONDS, _STEP) - 1e-9)) if seconds > _SHORTEST_SECONDS else 0


def convergence_of(tallies: Iterable[Tally]) -> Convergence:
    """What the tallies of several hours and instances say together."""
    steps: Counter[int] = Counter()
    swept = 0
    for tally in tallies:
        steps.update({int(step): count for step, count in tally.steps.items()})
        swept += tally.swept
    return Convergence(
        changes=steps.total(),
        swept=swept,
        p50=_percentile(steps, 0.50),
        p95=_percentile(steps, 0.95),
        p99=_percentile(steps, 0.99),
    )


def _percentile(steps: Mapping[int, int], share: float) -> float | None:
    """The time that `share` of the changes did not exceed, by nearest rank."""
    rank = ceil(share * sum(steps.values()))
    for step in sorted(steps):
        rank -= steps[step]
        if rank <= 0:
            return round(_SHORTEST_SECONDS * _STEP**step, 2)
    return None
