"""Times as figures: percentiles and rates of what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Durations of equal operations, in seconds, and how long all of them took together."""

    seconds: tuple[float, ...]
    elapsed: float

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.elapsed

    def percentile(self, percent: float) -> float:
        """Interpolated within what was seen, which is at least two. `percent` has one decimal at most."""
        if percent == 50:
            return median(self.seconds)
        return quantiles(self.seconds, n=1000, method="inclusive")[round(percent * 10) - 1]

    def share_over(self, seconds: float) -> float:
        """Of the operations, those that took longer."""
        return sum(one > seconds for one in self.seconds) / len(self.seconds)


def together(parts: Sequence[Times]) -> Times:
    """Several rounds of one measurement as one."""
    return Times(
        seconds=tuple(second for part in parts for second in part.seconds), elapsed=sum(part.elapsed for part in parts)
    )
