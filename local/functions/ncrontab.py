"""Parses NCRONTAB expressions, the schedules of timer triggers, and finds their next occurrence in UTC.

Six fields `{second} {minute} {hour} {day} {month} {day-of-week}`, or five without seconds. A field is `*`, a value, a
range `a-b`, a list `a,b`, or a step `/n` on any of them; months and days of the week may be English names of at least
three letters. Day and day of week must both match. Source: "Timer trigger for Azure Functions", NCRONTAB expressions.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from local.functions.errors import InvalidSchedule

_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")

_SEARCH_DAYS = 8 * 366
"""Covers 29 February across a century that is not a leap year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field(name="second", lowest=0, highest=59),
    _Field(name="minute", lowest=0, highest=59),
    _Field(name="hour", lowest=0, highest=23),
    _Field(name="day", lowest=1, highest=31),
    _Field(name="month", lowest=1, highest=12, names=_MONTHS),
    _Field(name="day-of-week", lowest=0, highest=6, names=_DAYS),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a timer runs. Every field is sorted; days of the week count from Sunday, 0."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    days_of_week: tuple[int, ...]

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence later than `moment`. Raises `InvalidSchedule` when there is none, as on 30 February."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        earliest = start.time()
        for offset in range(_SEARCH_DAYS):
            day = start.date() + timedelta(days=offset)
            if self._runs_on(day) and (at := self._first_time(earliest)) is not None:
                return datetime.combine(day, at, UTC)
            earliest = time.min
        raise InvalidSchedule("the schedule never occurs: no such day exists")

    def is_finer_than_a_minute(self) -> bool:
        return len(self.seconds) > 1

    def _runs_on(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.days_of_week

    def _first_time(self, earliest: time) -> time | None:
        times = (time(h, m, s) for h in self.hours if h >= earliest.hour for m in self.minutes for s in self.seconds)
        return next((at for at in times if at >= earliest), None)


def parse_schedule(expression: str) -> Schedule:
    """Raises `InvalidSchedule` that names the field."""
    parts = expression.split()
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != 6:
        raise InvalidSchedule(f"{expression!r} must have six fields: second minute hour day month day-of-week")
    try:
        schedule = Schedule(*(_values(part, field) for part, field in zip(parts, _FIELDS, strict=True)))
        schedule.next_after(datetime(2000, 1, 1, tzinfo=UTC))
    except InvalidSchedule as error:
        raise InvalidSchedule(f"{expression!r}: {error}") from error
    return schedule


def _values(text: str, field: _Field) -> tuple[int, ...]:
    values: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, last = _span(span, field, is_open=bool(slash))
        if slash and (not step.isdecimal() or int(step) == 0):
            raise InvalidSchedule(f"{field.name}: {part!r} has no step of 1 or more")
        values.update(range(first, last + 1, int(step) if slash else 1))
    return tuple(sorted(values))


def _span(text: str, field: _Field, *, is_open: bool) -> tuple[int, int]:
    """First and last value; a single value with a step reaches to the end of the field."""
    if text == "*":
        return field.lowest, field.highest
    first, dash, last = text.partition("-")
    start = _value(first, field)
    if dash:
        end = _value(last, field)
        if end < start:
            raise InvalidSchedule(f"{field.name}: {text!r} ends before it begins")
        return start, end
    return start, field.highest if is_open else start


def _value(text: str, field: _Field) -> int:
    if text.isdecimal() and field.lowest <= int(text) <= field.highest:
        return int(text)
    for position, name in enumerate(field.names):
        if len(text) >= 3 and name.startswith(text.lower()):
            return field.lowest + position
    raise InvalidSchedule(f"{field.name}: {text!r} is not a value from {field.lowest} to {field.highest}")
