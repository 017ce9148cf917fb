"""What the story is played on: a local world, the people in it, and what can be seen from outside.

People act over the services' own wire formats. What the app did is read from its journal and its log, what it called
from the simulators' counts.
"""

import asyncio
import html
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import quote

import httpx

from bench.trace import Change
from local.child import ChildFailedError
from local.demo.page import StoryBroken
from local.dispatching import Dispatcher
from local.sample import BOOKING_ID_PROPERTY, Sample, SampleBooking, Technician
from local.switchboard import PERSON_TOKEN
from local.world import LocalWorld
from sync.adapters.journal_store import TableJournal
from sync.adapters.storage_clients import StorageAddress, table_service
from sync.core.journal import JournalEntry

BURST = 4
"""How many notifications one change raises in the story: as many as Graph was seen to send."""

SETTLE_SECONDS = 0.5
"""How long a change may settle in the story. Usual are 3 seconds, in which a flood of changes becomes one; here nobody
makes a flood, and a reader waits.
"""

_QUIET_SECONDS = 0.5

_LOOK_SECONDS = 0.05
_TIME = "%a %d %b %H:%M"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What the app called, by kind."""

    graph: dict[str, int]
    dataverse: dict[str, int]

    @property
    def graph_count(self) -> int:
        return sum(self.graph.values())

    @property
    def dataverse_count(self) -> int:
        return sum(self.dataverse.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingView:
    """A booking as a dispatcher sees it. Times are aware UTC."""

    start_at: datetime
    end_at: datetime
    status: str
    event_id: str | None

    @property
    def span(self) -> str:
        return span_text(self.start_at, self.end_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """A booking's event as a technician sees it. `markup` is its body, `lines` what can be read of that."""

    event_id: str
    subject: str
    location: str
    categories: tuple[str, ...]
    attendees: int
    start_at: datetime
    end_at: datetime
    markup: str

    @property
    def span(self) -> str:
        return span_text(self.start_at, self.end_at)

    @property
    def lines(self) -> list[str]:
        text = re.sub(r"<(?:br|/div|/p)[^>]*>", "\n", self.markup)
        return [line for line in html.unescape(re.sub(r"<[^>]+>", "", text)).splitlines() if line.strip()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A change that was made, and the id of the event that it made, if any."""

    change: Change
    made_id: str | None


class DemoStage:
    """The world of the story, up and quiet."""

    def __init__(self, world: LocalWorld, sample: Sample) -> None:
        self.world = world
        self.sample = sample
        self.played: list[Played] = []
        self.plan: list[dict[str, Any]] = []
        """What setup did in Dynamics, entry by entry."""
        self.dispatcher = Dispatcher(world.dataverse_url)
        headers = {"Authorization": f"Bearer {PERSON_TOKEN}", "Prefer": 'IdType="ImmutableId"'}
        self._person = httpx.Client(headers=headers, trust_env=False, timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._person.close()
        self.dispatcher.close()

    def set_the_scene(self) -> None:
        """Set the app up in Dynamics, let it bring the bookings to Outlook, and choose how Graph notifies."""
        setup = self.world.run_command("--json", "setup", "--no-backfill")
        self.plan = [json.loads(line) for line in setup.splitlines()]
        self.world.subscribe()
        self.world.wait_until_quiet()
        switches = {"burst": BURST, "repeat": 0.0}
        self._person.post(f"{self.world.graph_url}/_control/switches", json=switches).raise_for_status()
        self.world.clear_calls()

    def do(self, change: Change) -> str | None:
        """Make a change in Outlook; answers the id of an event that it made."""
        url = f"{self.world.graph_url}/v1.0{change.path}"
        answer = self._person.request(change.method, url, json=change.body).raise_for_status()
        made_id = str(answer.json()["id"]) if change.event_id is None else None
        self.played.append(Played(change=change, made_id=made_id))
        return made_id

    def booking(self, booking_id: str) -> BookingView:
        """Raises `StoryBroken` when it is gone."""
        row = self.dispatcher.read(booking_id)
        if row is None:
            raise StoryBroken(f"the booking {booking_id} is gone")
        return BookingView(
            start_at=datetime.fromisoformat(row["starttime"]),
            end_at=datetime.fromisoformat(row["endtime"]),
            status=row["status"],
            event_id=row["bks_eventid"],
        )

    def events(self, booking_id: str, technician: Technician) -> list[EventView]:
        """The events with a booking's mark in a technician's calendar."""
        mark = f"ep/id eq '{BOOKING_ID_PROPERTY}' and ep/value eq '{booking_id}'"
        url = f"{self.world.graph_url}/v1.0/users/{technician.mailbox_id}/events"
        query = {"$filter": f"singleValueExtendedProperties/Any(ep: {mark})", "$top": "50"}
        events = self._person.get(url, params=query).raise_for_status().json()["value"]
        return [_event_view(event) for event in events]

    def event(self, booking_id: str, technician: Technician) -> EventView:
        """The one event of a booking. Raises `StoryBroken` when there is none, or more."""
        events = self.events(booking_id, technician)
        if len(events) != 1:
            raise StoryBroken(f"the booking {booking_id} has {len(events)} events instead of one")
        return events[0]

    def event_spans(self, booking_id: str, technician: Technician) -> str:
        """When a booking's events are, for people; `-` when there are none."""
        return ", ".join(event.span for event in self.events(booking_id, technician)) or "-"

    def write_notes(self, technician: Technician, event: EventView, notes: str) -> None:
        """The technician writes below what stands in the event."""
        url = f"{self.world.graph_url}/v1.0/users/{technician.mailbox_id}/events/{quote(event.event_id, safe='')}"
        body = {"contentType": "html", "content": f"{event.markup}<p>{html.escape(notes)}</p>"}
        self._person.patch(url, json={"body": body}).raise_for_status()

    def event_span(self, visit: SampleBooking) -> str:
        """When the visit's event is, for people; `gone` when it is not there."""
        path = f"/users/{visit.technician.mailbox_id}/events/{visit.event_id}"
        answer = self._person.get(f"{self.world.graph_url}/v1.0{path}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return "gone"
        return _event_view(answer.raise_for_status().json()).span

    @contextmanager
    def slow_reading(self, seconds: float) -> Iterator[None]:
        """Let Graph take so long for each event that the app reads."""
        faults = f"{self.world.graph_url}/_control/faults"
        fault = {"kind": "event.get", "times": None, "delay_seconds": seconds}
        self._person.post(faults, json=fault).raise_for_status()
        try:
            yield
        finally:
            self._person.delete(faults).raise_for_status()

    def notifications_delivered(self) -> int:
        return int(self._look(self.world.graph_url, "state")["notifications"].get("delivered", 0))

    def webhooks_failed(self) -> int:
        """How many of Dynamics' calls to the app it has given up on."""
        return int(self._look(self.world.dataverse_url, "state")["webhooks"]["counts"].get("failed", 0))

    def mails_sent(self) -> int:
        return int(self._look(self.world.graph_url, "mails")["count"])

    def _look(self, url: str, what: str) -> dict[str, Any]:
        """Behind the scenes of a simulator."""
        answer: dict[str, Any] = self._person.get(f"{url}/_control/{what}").raise_for_status().json()
        return answer

    def post_notification(self, item: dict[str, Any]) -> int:
        """Post to the app's door as anybody on the internet can; answers the status."""
        url = f"{self.world.functions_url}/api/graph/notifications"
        return self._person.post(url, json={"value": [item]}).status_code

    def wait_for(self, is_so: Callable[[], bool], what: str, *, seconds: float = 30) -> float:
        """Wait and answer how many seconds it took. Raises `StoryBroken`, naming `what`, and `ChildFailedError`."""
        started_at = time.monotonic()
        while not is_so():
            waited = time.monotonic() - started_at
            if waited > seconds:
                raise StoryBroken(f"waited {seconds:.0f} s in vain: {what}")
            if failed := self.world.first_failed():
                raise ChildFailedError(failed.failure())
            time.sleep(_LOOK_SECONDS)
        return time.monotonic() - started_at

    def settle(self) -> None:
        """Wait until every notification is delivered and worked off."""
        self.world.wait_until_quiet(quiet_seconds=_QUIET_SECONDS)

    def take_calls(self) -> Calls:
        """What the app has called since the last time."""
        calls = self.world.calls()
        self.world.clear_calls()
        return Calls(graph=calls["graph"]["app"], dataverse=calls["dataverse"]["app"])

    def journal(
        self, mailbox_id: str, *, event_id: str | None = None, booking_id: str | None = None
    ) -> list[JournalEntry]:
        """What the app says about an event or a booking in a mailbox, oldest first."""
        return asyncio.run(self._journal(mailbox_id, event_id, booking_id))

    async def _journal(self, mailbox_id: str, event_id: str | None, booking_id: str | None) -> list[JournalEntry]:
        address = StorageAddress(connection_string=self.world.azurite.connection_string)
        async with table_service(address) as service:
            entries = TableJournal(service).list_entries(mailbox_id, event_id=event_id, booking_id=booking_id)
            return [entry async for entry in entries][::-1]

    def log_lines(self, *words: str) -> list[str]:
        """Lines of the app's log that hold all of `words`."""
        lines = self.world.log_of("functions").read_text(errors="replace").splitlines()
        return [line for line in lines if all(word in line for word in words)]


def _event_view(event: dict[str, Any]) -> EventView:
    # Graph answers in UTC, with a seventh digit that Python does not read
    start_at, end_at = (datetime.fromisoformat(event[side]["dateTime"][:19]) for side in ("start", "end"))
    return EventView(
        event_id=event["id"],
        subject=event["subject"],
        location=event["location"]["displayName"],
        categories=tuple(event["categories"]),
        attendees=len(event["attendees"]),
        start_at=start_at.replace(tzinfo=UTC),
        end_at=end_at.replace(tzinfo=UTC),
        markup=event["body"]["content"],
    )


def span_text(start_at: datetime, end_at: datetime) -> str:
    """`Mon 23 Nov 07:00 to 08:30`, in UTC."""
    return f"{start_at:{_TIME}} to {end_at:%H:%M}"
