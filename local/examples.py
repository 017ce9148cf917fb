"""The lines that `./dev up` shows to be copied: people at work on both sides, over the services' own wire formats."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from local.dispatching import HOUR, assigned_to, in_status, new_booking, times
from local.sample import SampleBooking, Technician, build_sample, guid
from local.switchboard import PERSON_TOKEN

BOOKING_ID = guid("booking:of the examples")
"""Of the booking that the examples make. Dataverse lets its clients choose ids, so all lines can be told beforehand."""

_SHOW_STATUS = r"-w '%{http_code}\n'"
_SHOW_JSON = "| python3 -m json.tool"
_HIDE_ANSWER = "-o /dev/null"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One line for a shell, and what it does in words."""

    title: str
    command: str


class Examples:
    """The lines for simulators at these addresses, with the sample of a day."""

    def __init__(self, *, graph_url: str, dataverse_url: str, today: date) -> None:
        self._graph = f"{graph_url}/v1.0"
        self._dataverse = f"{dataverse_url}/api/data/v9.2"
        self._sample = build_sample(today)

    def from_outlook(self) -> Sequence[Example]:
        """A technician moves an event and deletes another; their bookings follow."""
        moved, deleted = [booking for booking in self._sample.bookings if booking.linked][:2]
        who = moved.technician.name
        return (
            Example(title=f"{who} moves the event of {moved.name} by an hour", command=self._move_event(moved)),
            Example(title="See that its booking has moved", command=self._show_booking(moved)),
            Example(title=f"{who} deletes the event of {deleted.name}", command=self._delete_event(deleted)),
            Example(title="See that its booking is cancelled", command=self._show_booking(deleted)),
        )

    def from_dynamics(self) -> Sequence[Example]:
        """A dispatcher makes a booking, moves it, gives it to somebody else, and cancels it; its event follows."""
        first, second = [one for one in self._sample.technicians if one.has_mailbox and not one.full_week][:2]
        visit = next(booking for booking in self._sample.bookings if booking.technician is first)
        day = visit.start_at.date() + timedelta(days=3)
        start_at = datetime.combine(day, time(9), visit.start_at.tzinfo)
        later = start_at + 4 * HOUR
        return (
            Example(
                title=f"The dispatcher books {first.name} on {visit.name} once more, on {start_at:%A at %H:%M}",
                command=self._make_booking(visit, start_at),
            ),
            Example(title=f"See it in {first.name}'s calendar", command=self._show_calendar(first, day)),
            Example(title=f"Move it to {later:%H:%M}", command=self._change_booking(times(later))),
            Example(title=f"Give it to {second.name}", command=self._change_booking(assigned_to(second))),
            Example(title=f"See it in {second.name}'s calendar", command=self._show_calendar(second, day)),
            Example(title="Cancel it", command=self._change_booking(in_status("Canceled"))),
            Example(
                title=f"Read what the app did in {second.name}'s calendar, and why",
                command=f"./dev sync journal {second.mailbox_id} --booking {BOOKING_ID}",
            ),
        )

    def _move_event(self, booking: SampleBooking) -> str:
        sides = {"start": booking.start_at + HOUR, "end": booking.end_at + HOUR}
        body = {name: {"dateTime": f"{at:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"} for name, at in sides.items()}
        # The answer is the whole event
        return f"{_write('PATCH', self._event_url(booking), body, _IMMUTABLE_IDS)} {_HIDE_ANSWER}"

    def _delete_event(self, booking: SampleBooking) -> str:
        return _write("DELETE", self._event_url(booking), None, _IMMUTABLE_IDS)

    def _event_url(self, booking: SampleBooking) -> str:
        return f"{self._graph}/users/{booking.technician.address}/events/{booking.event_id}"

    def _show_calendar(self, technician: Technician, day: date) -> str:
        window = f"startDateTime={day}T00:00:00Z&endDateTime={day}T15:00:00Z"
        url = f"{self._graph}/users/{technician.address}/calendarView?{window}"
        return _read(f"{url}&$select=subject,start,end,location,bodyPreview")

    def _make_booking(self, visit: SampleBooking, start_at: datetime) -> str:
        assert visit.work_order is not None, "the sample's visits have work orders"
        body = {"bookableresourcebookingid": BOOKING_ID, **new_booking(visit.technician, start_at, visit.work_order)}
        return _write("POST", f"{self._dataverse}/bookableresourcebookings", body)

    def _change_booking(self, body: Mapping[str, object]) -> str:
        # Without If-Match, a PATCH of a booking that is gone would make it anew
        return _write("PATCH", f"{self._dataverse}/bookableresourcebookings({BOOKING_ID})", body, "If-Match: *")

    def _show_booking(self, booking: SampleBooking) -> str:
        columns = "$select=name,starttime,endtime&$expand=BookingStatus($select=name)"
        return _read(f"{self._dataverse}/bookableresourcebookings({booking.booking_id})?{columns}")


_IMMUTABLE_IDS = 'Prefer: IdType="ImmutableId"'


def _write(method: str, url: str, body: Mapping[str, object] | None, *headers: str) -> str:
    content = [] if body is None else ["-H 'Content-Type: application/json'", f"-d '{json.dumps(body)}'"]
    return " ".join([_curl(url, *headers, method=method), *content, _SHOW_STATUS])


def _read(url: str) -> str:
    return f"{_curl(url)} {_SHOW_JSON}"


def _curl(url: str, *headers: str, method: str = "GET") -> str:
    request = [f"-X {method}"] if method != "GET" else []
    options = [f"-H '{header}'" for header in (f"Authorization: Bearer {PERSON_TOKEN}", *headers)]
    return " ".join(["curl -sS", *request, f"'{url}'", *options])
