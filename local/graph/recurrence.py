"""On which days a series takes place. Daily and weekly patterns only; the others are refused by the wire.

Source: Graph documentation, resources/recurrencePattern and resources/recurrenceRange.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice, takewhile
from typing import Literal

DAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A pattern and its range. Weekdays count from Monday = 0; `zone` names the zone in which dates are meant.

    At most one of `end_on` and `count` is set; with neither the series has no end.
    """

    pattern: Literal["daily", "weekly"]
    interval: int
    weekdays: frozenset[int]
    first_weekday: int
    start_on: date
    end_on: date | None
    count: int | None
    zone: str

    def dates(self, through: date) -> Iterator[date]:
        """The days of the series up to and including `through`, in order."""
        last = min(through, self.end_on) if self.end_on else through
        days = self._daily() if self.pattern == "daily" else self._weekly()
        return takewhile(lambda day: day <= last, islice(days, self.count))

    def _daily(self) -> Iterator[date]:
        day = self.start_on
        while True:
            yield day
            day += timedelta(days=self.interval)

    def _weekly(self) -> Iterator[date]:
        week = self.start_on - timedelta(days=(self.start_on.weekday() - self.first_weekday) % 7)
        while True:
            for offset in range(7):
                day = week + timedelta(days=offset)
                if day.weekday() in self.weekdays and day >= self.start_on:
                    yield day
            week += timedelta(weeks=self.interval)
