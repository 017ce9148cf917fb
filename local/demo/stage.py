"""What the story is played on: a local world, the people in it, and what can be seen from outside.

People act over the services' own wire formats. What the app did is read from its journal and its log, what it called
from the simulators' counts.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import httpx

from bench.trace import Change
from local.child import ChildFailedError
from local.demo.page import StoryBroken
from local.sample import Sample, SampleBooking
from local.switchboard import PERSON_TOKEN
from local.world import LocalWorld
from sync.adapters.journal_store import TableJournal
from sync.adapters.storage_clients import StorageAddress, table_service
from sync.core.model import JournalEntry

BURST = 4
"""How many notifications one change raises in the story: as many as Graph was seen to send."""

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
        headers = {"Authorization": f"Bearer {PERSON_TOKEN}", "Prefer": 'IdType="ImmutableId"'}
        self._person = httpx.Client(headers=headers, trust_env=False, timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._person.close()

    def set_the_scene(self) -> None:
        """Subscribe every mailbox, let the app learn the calendars, and choose how Graph notifies."""
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

    def booking(self, visit: SampleBooking) -> BookingView:
        url = f"{self.world.dataverse_url}/api/data/v9.2/bookableresourcebookings({visit.booking_id})"
        query = {"$select": "starttime,endtime,bks_eventid", "$expand": "BookingStatus($select=name)"}
        row = self._person.get(url, params=query).raise_for_status().json()
        return BookingView(
            start_at=datetime.fromisoformat(row["starttime"]),
            end_at=datetime.fromisoformat(row["endtime"]),
            status=row["BookingStatus"]["name"],
            event_id=row["bks_eventid"],
        )

    def event_span(self, visit: SampleBooking) -> str:
        """When the visit's event is, for people; `gone` when it is not there."""
        path = f"/users/{visit.technician.mailbox_id}/events/{visit.event_id}"
        answer = self._person.get(f"{self.world.graph_url}/v1.0{path}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return "gone"
        event = answer.raise_for_status().json()
        # Graph answers in UTC, with a seventh digit that Python does not read
        start_at, end_at = (datetime.fromisoformat(event[side]["dateTime"][:19]) for side in ("start", "end"))
        return span_text(start_at, end_at)

    def notifications_delivered(self) -> int:
        state = self._person.get(f"{self.world.graph_url}/_control/state").raise_for_status().json()
        return int(state["notifications"].get("delivered", 0))

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
        self.world.wait_until_quiet()

    def take_calls(self) -> Calls:
        """What the app has called since the last time."""
        calls = self.world.calls()
        self.world.clear_calls()
        return Calls(graph=calls["graph"]["app"], dataverse=calls["dataverse"]["app"])

    def journal(self, mailbox_id: str, event_id: str) -> list[JournalEntry]:
        """What the app says about an event, oldest first."""
        return asyncio.run(self._journal(mailbox_id, event_id))

    async def _journal(self, mailbox_id: str, event_id: str) -> list[JournalEntry]:
        address = StorageAddress(connection_string=self.world.azurite.connection_string)
        async with table_service(address) as service:
            entries = TableJournal(service).list_entries(mailbox_id, event_id=event_id)
            return [entry async for entry in entries][::-1]

    def log_lines(self, *words: str) -> list[str]:
        """Lines of the app's log that hold all of `words`."""
        lines = self.world.log_of("functions").read_text(errors="replace").splitlines()
        return [line for line in lines if all(word in line for word in words)]


def span_text(start_at: datetime, end_at: datetime) -> str:
    """`Mon 23 Nov 07:00 to 08:30`, in UTC."""
    return f"{start_at:{_TIME}} to {end_at:%H:%M}"
