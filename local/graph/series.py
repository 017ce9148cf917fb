"""The occurrences of a series: computed from the master when asked for, with exceptions in their places."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from local.graph import ids
from local.graph.events import Event
from local.graph.zones import zone_named


def occurrences(master: Event, start_at: datetime, end_at: datetime) -> Iterator[Event]:
    """The occurrences and exceptions of a series that a view from `start_at` to `end_at` shows."""
    if master.recurrence is None:
        return
    # An exception may have been moved into the view from a day outside it.
    latest = max([end_at.date(), *master.exceptions]) + timedelta(days=1)
    for on in master.recurrence.dates(through=latest):
        event = occurrence_on(master, on)
        if event is not None and event.overlaps(start_at, end_at):
            yield event


def find_occurrence(master: Event, on: date) -> Event | None:
    """The occurrence planned for `on`; None where the series has none, or it has been deleted."""
    if master.recurrence is None or on not in master.recurrence.dates(through=on):
        return None
    return occurrence_on(master, on)


def occurrence_on(master: Event, on: date) -> Event | None:
    """As `find_occurrence`, for a day of which it is known that the series has it."""
    if on in master.deleted_dates or master.recurrence is None:
        return None
    if on in master.exceptions:
        return replace(master.exceptions[on], calendar_id=master.calendar_id)
    # Clocks, not hours, repeat: a visit at nine stays at nine when summer time ends.
    zone = zone_named(master.recurrence.zone)
    first_start, first_end = master.start_at.astimezone(zone), master.end_at.astimezone(zone)
    length = first_end.replace(tzinfo=None) - first_start.replace(tzinfo=None)
    start = datetime.combine(on, first_start.time())
    return replace(
        master,
        immutable_id=ids.occurrence_id(master.immutable_id, on),
        type="occurrence",
        start_at=start.replace(tzinfo=zone).astimezone(UTC),
        end_at=(start + length).replace(tzinfo=zone).astimezone(UTC),
        recurrence=None,
        exceptions={},
        deleted_dates=frozenset(),
        series_id=master.immutable_id,
        planned_on=on,
    )
