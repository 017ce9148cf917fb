"""Recurrence of a series: from JSON and to JSON. Daily and weekly patterns; others get a clear 400.

Source: Graph documentation, resources/patternedRecurrence.
"""

from datetime import date
from typing import Any

from local.graph.errors import invalid_request
from local.graph.odata import zone_or_refusal
from local.graph.recurrence import DAY_NAMES, Recurrence


def parse_recurrence(body: Any, event_zone: str) -> Recurrence | None:
    """The recurrence of a request body, None for null. `event_zone` serves where the range names no zone."""
    if body is None:
        return None
    try:
        recurrence = _read(body["pattern"], body["range"], event_zone)
        if next(recurrence.dates(through=date(9000, 1, 1)), None) is None:
            raise ValueError("it has no occurrence")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise invalid_request(f"The recurrence is not valid: {error}.", "ErrorRecurrenceHasNoOccurrence") from None
    return recurrence


def _read(pattern: Any, span: Any, event_zone: str) -> Recurrence:
    kind, range_kind, interval = pattern["type"], span["type"], int(pattern["interval"])
    if kind not in ("daily", "weekly"):
        raise invalid_request(f"This simulator knows daily and weekly series, not {kind!r}.")
    if range_kind not in ("endDate", "noEnd", "numbered"):
        raise ValueError(f"range type {range_kind!r}")
    days = pattern.get("daysOfWeek") or []
    if interval < 1 or (kind == "weekly" and not days):
        raise ValueError("a pattern needs an interval of at least 1, a weekly one daysOfWeek")
    zone = span.get("recurrenceTimeZone") or event_zone
    zone_or_refusal(zone)
    return Recurrence(
        pattern=kind,
        interval=interval,
        weekdays=frozenset(DAY_NAMES.index(day.lower()) for day in days),
        first_weekday=DAY_NAMES.index((pattern.get("firstDayOfWeek") or "sunday").lower()),
        start_on=date.fromisoformat(span["startDate"]),
        end_on=date.fromisoformat(span["endDate"]) if range_kind == "endDate" else None,
        count=int(span["numberOfOccurrences"]) if range_kind == "numbered" else None,
        zone=zone,
    )


def recurrence_json(recurrence: Recurrence) -> dict[str, Any]:
    range_kind = "endDate" if recurrence.end_on else "numbered" if recurrence.count else "noEnd"
    return {
        "pattern": {
            "type": recurrence.pattern,
            "interval": recurrence.interval,
            "month": 0,
            "dayOfMonth": 0,
            "daysOfWeek": [DAY_NAMES[day] for day in sorted(recurrence.weekdays)],
            "firstDayOfWeek": DAY_NAMES[recurrence.first_weekday],
            "index": "first",
        },
        "range": {
            "type": range_kind,
            "startDate": recurrence.start_on.isoformat(),
            "endDate": (recurrence.end_on or date(1, 1, 1)).isoformat(),
            "recurrenceTimeZone": recurrence.zone,
            "numberOfOccurrences": recurrence.count or 0,
        },
    }
