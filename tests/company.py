"""Technicians and a dispatcher who act on the same visits: post that is kept back, and people who are quicker.

For the scenarios in which a sample booking changes hands or changes on both sides at once.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx

from local.graph.door import DoorAnswer
from local.sample import SampleBooking, Technician
from local.switchboard import Fault
from sync.core.memory import Link
from sync.core.reconcile import Policy, Winner
from sync.core.rules import Rules
from sync.service.intake import Reply
from tests.interleaving import WatchedTenant
from tests.tenant import event_path, wire

BOOKINGS = "bookings"
"""The sender of webhooks, where that of a notification is a mailbox."""

BOOKING_READ = "bookableresourcebookings.get"
BOOKING_WRITE = "bookableresourcebookings.update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One POST to the app, kept back. It may be delivered as often as one likes."""

    sender: str
    deliver: Callable[[], Awaitable[object]]


class Company(WatchedTenant):
    """A tenant with several technicians. `written` are the bodies of the app's writes to Graph since it was opened."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.keeps_post = False
        self.kept: list[Letter] = []
        self.written: list[Any] = []
        self._graph_transport = _Recording(self._graph_transport, self.written)
        self.ports = self.build_ports()

    @property
    def technicians(self) -> tuple[Technician, ...]:
        """Those whose mailboxes are kept in sync, in the order of the sample."""
        return tuple(one for one in self.sample.technicians if one.mailbox_id in self.rules.mailboxes)

    async def post(self, url: str, body: bytes, content_type: str, timeout_seconds: float) -> DoorAnswer:
        deliver = partial(super().post, url, body, content_type, timeout_seconds)
        if not self.keeps_post or "validationToken" in url:
            return await deliver()
        senders = {item["resource"].split("/")[1] for item in json.loads(body)["value"]}
        assert len(senders) == 1, "post of several mailboxes in one cannot be put in order: switch batch off"
        self.kept.append(Letter(sender=senders.pop(), deliver=deliver))
        return DoorAnswer(status=202, content_type="text/plain", text="")

    async def post_webhook(self, body: bytes, secret: str | None) -> Reply:
        deliver = partial(super().post_webhook, body, secret)
        if not self.keeps_post:
            return await deliver()
        self.kept.append(Letter(sender=BOOKINGS, deliver=deliver))
        return Reply(status=202)

    def take_post(self) -> list[Letter]:
        """What has been kept back since the last time."""
        letters, self.kept = self.kept, []
        return letters

    async def deliver(self, letters: list[Letter]) -> None:
        """Hand over letters in their order, all at once, and let the app do what follows. New post is kept back."""
        self.keeps_post = False
        for letter in letters:
            await letter.deliver()
        self.keeps_post = True
        await self.settle()

    def quicker(self, call: str, act: Callable[[], Awaitable[None]]) -> None:
        """Let somebody act just before the app's next call of this kind is served."""

        async def instead_of_sleeping(_: float) -> None:
            await act()

        switchboard = self.graph.switchboard if call.startswith("event.") else self.dataverse.switchboard
        switchboard._sleep = instead_of_sleeping
        switchboard.faults.append(Fault(kind=call, delay_seconds=1))

    async def event_now(self, visit: SampleBooking) -> dict[str, Any]:
        """The one event of a visit, wherever it is, as its owner sees it in UTC, with its `mailbox_id`."""
        events = await self.live_events(visit.booking_id)
        assert len(events) == 1, f"the visit has {len(events)} events"
        mailbox_id = events[0]["mailbox_id"]
        return {"mailbox_id": mailbox_id, **await self.read_event(mailbox_id, events[0]["id"])}

    async def read_event(self, mailbox_id: str, event_id: str) -> dict[str, Any]:
        """An event as its owner sees it in UTC."""
        answer = await self.person.get(event_path(mailbox_id, event_id))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def edit_event(self, visit: SampleBooking, **fields: Any) -> None:
        """Whoever has the visit changes its event."""
        event = await self.event_now(visit)
        await self.patch_event(event["mailbox_id"], event["id"], fields)

    async def drag(self, visit: SampleBooking, by: timedelta) -> None:
        """Whoever has the visit moves its event to `by` after the planned time."""
        await self.edit_event(visit, start=wire(visit.start_at + by), end=wire(visit.end_at + by))

    async def plan(self, visit: SampleBooking, by: timedelta) -> None:
        """The dispatcher moves the booking to `by` after the planned time."""
        await self.move(visit.booking_id, visit.start_at + by, length=visit.end_at - visit.start_at)

    async def describe(self, visit: SampleBooking, **columns: Any) -> None:
        """The dispatcher changes the visit's work order."""
        assert visit.work_order is not None
        await self.patch(f"msdyn_workorders({visit.work_order.work_order_id})", **columns)

    async def link(self, visit: SampleBooking) -> Link:
        link = await self.state.find_link(visit.booking_id)
        assert link is not None, "the booking has no link"
        return link

    def journal_tells_of(self, moment: datetime) -> bool:
        """Whether a row of the journal names this start of a visit, as what was or as what is."""
        text = f"{moment:%Y-%m-%d %H:%M} to"
        return any(entry.before.startswith(text) or entry.after.startswith(text) for entry in self.journal.entries)


class _Recording(httpx.AsyncBaseTransport):
    """Passes requests on and notes the JSON of those that write."""

    def __init__(self, inner: httpx.AsyncBaseTransport, written: list[Any]) -> None:
        self._inner = inner
        self._written = written

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method in ("POST", "PATCH"):
            self._written.append(json.loads(await request.aread()))
        return await self._inner.handle_async_request(request)


def winner_is(winner: Winner) -> Callable[[Rules], Rules]:
    """The customer's choice of who wins conflicts, for `Company.open`."""
    return lambda rules: replace(rules, policy=Policy(conflict_winner=winner))
