"""A whole tenant in one process: both services, the app, its queues and tables, on one clock that tests move by hand.

No socket, no thread, no waiting: the simulators are called through ASGI, the queue and the tables are the fakes, and
time passes only when nothing is left to do at the present moment. People act on the simulators over their wire formats.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from local.dataverse.server import SWITCHES as DATAVERSE_SWITCHES
from local.dataverse.server import DataverseSimulator
from local.graph.door import DoorAnswer
from local.graph.events import Access
from local.graph.odata import property_id
from local.graph.server import build_app
from local.graph.simulator import GraphSimulator
from local.sample import BOOKING_ID_PROPERTY, TENANT_ID, Sample, SampleBooking, Technician, build_sample
from local.switchboard import PERSON_TOKEN, Switchboard, WorldClock
from local.wiring import DATAVERSE_URL, GRAPH_URL, PUBLIC_URL, SUBSCRIPTIONS, Wiring
from sync.core.errors import TransientError
from sync.core.journal import JournalEntry
from sync.core.notifications import accept_changes, accept_lifecycle, client_state
from sync.core.rules import Rules
from sync.core.webhooks import WEBHOOK_SECRET_HEADER
from sync.core.work import (
    BOOKING_CHANGES_QUEUE,
    EVENT_CHANGES_QUEUE,
    MAILBOX_TASKS_QUEUE,
    POISON_SUFFIX,
    QUEUES,
)
from sync.core.work_items import MailboxJob, Source
from sync.service.booking_sweep import sweep_bookings
from sync.service.disposal import collect_poison
from sync.service.handlers import handle_booking_change, handle_event_change, handle_mailbox_task
from sync.service.intake import Door, Reply, answer_post, answer_webhook
from sync.service.ports import Ports
from sync.service.sweeping import mailbox_task, queue_sweeps
from sync.service.upkeep import maintain_subscriptions
from sync.settings import MAXIMUM_DEQUEUE_COUNT
from tests.fakes import FakeDeadLetters, FakeJournal, FakeStateStore, FakeWorkQueue, QueueMessage
from tests.registering import register_webhooks
from tests.unit.values import TEMPLATES

SECRET = "a-secret-of-the-tests-with-enough-characters"
WEBHOOK_SECRET = "a-webhook-secret-of-the-tests-long-enough"
START = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
"""A Wednesday; the sample visits lie in the week after."""

QUIET: dict[str, Any] = {"burst": 1, "repeat": 0.0, "reorder": False, "change_type_noise": False}
"""Switches under which one change raises exactly one notification."""

RETRY_VISIBILITY_SECONDS = 30
MESSAGES_AT_ONCE = 16


class Killed(BaseException):
    """The worker process is gone. Not an `Exception`, so that nothing handles it."""


class Tenant:
    """Both services and the app. `rules` may be replaced before the first `settle`."""

    def __init__(self, *, switches: Mapping[str, Any] | None = None, rules: Rules | None = None, seed: int = 0) -> None:
        self.clock = WorldClock(frozen_at=START)
        self.graph = GraphSimulator(today=START.date(), clock=self.clock, seed=seed, door=self)
        self.graph.switchboard.set_switches(dict(switches or {}))
        self.dataverse = DataverseSimulator(
            today=START.date(),
            switchboard=Switchboard(switches=DATAVERSE_SWITCHES, clock=self.clock, seed=seed),
            door=_WebhookDoor(self),
        )
        self._graph_transport: httpx.AsyncBaseTransport = httpx.ASGITransport(app=build_app(self.graph))
        self._dataverse_transport: httpx.AsyncBaseTransport = httpx.ASGITransport(app=self.dataverse.app)
        self.sample: Sample = build_sample(START.date())
        self.technician = self.sample.technicians[0]
        self.state, self.journal, self.letters = FakeStateStore(), FakeJournal(), FakeDeadLetters()
        self.queue = FakeWorkQueue(self.clock.now)
        self.rules = rules or Rules(
            subscriptions=SUBSCRIPTIONS,
            templates=TEMPLATES,
        )
        self.settle_seconds = 3.0
        self.replies: list[Reply] = []
        self.failed_timers: list[TransientError] = []
        self.door_is_open = True
        """Whether the app answers Graph."""
        self.webhook_door_is_open = True
        """Whether the app answers Dataverse."""
        self._ids = count(1)
        self._random = random.Random(seed)
        self.ports = self.build_ports()
        self.person = httpx.AsyncClient(
            transport=self._graph_transport,
            base_url=GRAPH_URL,
            headers={"Authorization": f"Bearer {PERSON_TOKEN}", "Prefer": 'IdType="ImmutableId"'},
        )
        self.dispatcher = httpx.AsyncClient(
            transport=self._dataverse_transport,
            base_url=f"{DATAVERSE_URL}/api/data/v9.2",
            headers={"Authorization": f"Bearer {PERSON_TOKEN}"},
        )
        self.graph_control = httpx.AsyncClient(
            transport=self._graph_transport, base_url="http://127.0.0.1:7080/_control"
        )

    @classmethod
    async def small(cls, *, technician: int = 3, **switches: Any) -> Self:
        """A started tenant that syncs one technician's mailbox, by default one of two visits: quick to start."""
        tenant = cls(switches=switches)
        tenant.sync_only(technician)
        await tenant.start()
        return tenant

    def sync_only(self, *technicians: int) -> None:
        """Narrow the sync to the mailboxes of some of the sample's technicians, of whom the first is `technician`."""
        some = [self.sample.technicians[index] for index in technicians]
        self.technician = some[0]
        self.rules = replace(self.rules, mailboxes=tuple(one.mailbox_id for one in some))

    def build_ports(self) -> Ports:
        """Ports as one more instance of the app would have them, over the same state."""
        wiring = Wiring(
            graph=self._graph_transport,
            dataverse=self._dataverse_transport,
            secret=SECRET,
            clock=self.clock.now,
            sleep=self.sleep,
            random=self._random,
        )
        return Ports(
            calendar=wiring.open_calendar(),
            bookings=wiring.open_bookings(),
            state=self.state,
            journal=self.journal,
            dead_letters=self.letters,
            queue=self.queue,
            clock=self.clock.now,
            new_id=self.new_id,
        )

    def new_id(self) -> str:
        return f"item-{next(self._ids)}"

    async def sleep(self, seconds: float) -> None:
        """Waiting moves the tenant's clock."""
        self.clock.advance(seconds)

    @property
    def door(self) -> Door:
        return Door(
            secrets=(SECRET,),
            tenant_id=TENANT_ID,
            queue=self.queue,
            clock=self.clock.now,
            new_id=self.new_id,
            settle_seconds=self.settle_seconds,
            webhook_secrets=(WEBHOOK_SECRET,),
        )

    async def post(self, url: str, body: bytes, content_type: str, timeout_seconds: float) -> DoorAnswer:  # noqa: ARG002
        """The app's HTTP functions, as the simulator's courier and handshake see them."""
        if not self.door_is_open:
            raise TimeoutError(f"nobody answers within {timeout_seconds} s")
        parts = urlsplit(url)
        token = parse_qs(parts.query).get("validationToken", [None])[0]
        parse = accept_lifecycle if parts.path.endswith("/lifecycle") else accept_changes
        reply = await answer_post(body, token, parse, lambda: self.door)
        self.replies.append(reply)
        return DoorAnswer(status=reply.status, content_type="text/plain; charset=utf-8", text=reply.text)

    async def post_webhook(self, body: bytes, secret: str | None) -> Reply:
        """The app's HTTP function for webhooks, as Dataverse sees it."""
        if not self.webhook_door_is_open:
            raise TimeoutError("nobody answers")
        reply = await answer_webhook(body, secret, lambda: self.door)
        self.replies.append(reply)
        return reply

    async def start(self) -> None:
        """Register, subscribe everybody, sweep everything, and forget what that cost.

        A subscribed mailbox is swept in full, so that every booking of the window has been delivered in the end, and
        every echo has come back.
        """
        await register_webhooks(self.dispatcher, secret=WEBHOOK_SECRET)
        await self.maintain()
        await self.settle()
        await self.sweep()
        await self.settle()
        self.forget_costs()

    async def maintain(self) -> Counter[str]:
        return await maintain_subscriptions(self.ports, self.rules, until=self.clock.now() + timedelta(minutes=8))

    async def sweep(self, *mailboxes: str, is_full: bool = False) -> None:
        """Queue sweeps of the given mailboxes; or of all, and sweep the bookings, as the timers do.

        A timer that fails is logged by the host, and runs again when its time comes.
        """
        for mailbox_id in mailboxes:
            task = mailbox_task(mailbox_id, MailboxJob.SWEEP, self.ports, source=Source.REPLAY, is_full=is_full)
            await self.queue.put(task)
        if not mailboxes:
            await queue_sweeps(self.ports, self.rules, is_full=is_full)
            try:
                await self.sweep_bookings(is_full=is_full)
            except TransientError as error:
                self.failed_timers.append(error)

    async def sweep_bookings(self, *, is_full: bool = False) -> Counter[str]:
        """Sweep the table of bookings; in full as when Dataverse refuses the token."""
        if is_full:
            self.switch_dataverse(expire_delta_tokens=True)
        return await sweep_bookings(self.ports, self.rules)

    async def settle(self, *, limit: timedelta = timedelta(hours=2)) -> None:
        """Let everything happen that is under way, moving the clock to whatever is due next, for `limit` at most."""
        end = self.clock.now() + limit
        while self.clock.now() <= end:  # Work that waits in place moves the clock, too, and may never run out.
            worked = await self.deliver_due()
            worked += await self.work_due()
            if worked:
                continue
            due_at = self.next_due_at()
            if due_at is None or due_at > end:
                return
            self.clock.advance(max((due_at - self.clock.now()).total_seconds(), 0.001))

    async def deliver_due(self) -> int:
        """Let both services post what is due now; how many posts that was."""
        delivered = await self.graph.courier.deliver_due(self.graph.post)
        return delivered + await self.dataverse.webhooks.deliver_due(self.dataverse.post)

    def next_due_at(self) -> datetime | None:
        """When the next thing happens by itself; None when everything is at rest."""
        moments = (
            self.graph.courier.next_due_at(),
            self.dataverse.webhooks.next_due_at(),
            self.queue.next_visible_at(),
        )
        return min((at for at in moments if at is not None), default=None)

    async def work_due(self, ports: Ports | None = None, *, limit: int = MESSAGES_AT_ONCE) -> int:
        """Handle the messages that are visible now, up to `limit` of a queue at once, as the host would; how many."""
        handlers: dict[str, Callable[[QueueMessage, Ports], Awaitable[None]]] = {
            EVENT_CHANGES_QUEUE: self._handle_event_change,
            BOOKING_CHANGES_QUEUE: self._handle_booking_change,
            MAILBOX_TASKS_QUEUE: self._handle_mailbox_task,
            **{queue + POISON_SUFFIX: self._handle_poison for queue in QUEUES},
        }
        taken = [
            (handler, message)
            for queue, handler in handlers.items()
            for message in self.queue.take_due(queue, self.clock.now(), limit=limit)
        ]
        await asyncio.gather(*(self._host(handler, message, ports or self.ports) for handler, message in taken))
        return len(taken)

    async def _host(
        self, handler: Callable[[QueueMessage, Ports], Awaitable[None]], message: QueueMessage, ports: Ports
    ) -> None:
        """What the Functions host does around a queue function (WebJobs storage extension, QueueProcessor)."""
        if message.dequeue_count > MAXIMUM_DEQUEUE_COUNT:
            self.queue.poison(message)
            return
        try:
            await handler(message, ports)
        except Killed:
            return  # The message comes back when its visibility ends.
        except Exception:  # noqa: BLE001 - the host, too, catches everything
            if message.dequeue_count >= MAXIMUM_DEQUEUE_COUNT:
                self.queue.poison(message)
            else:
                self.queue.release(message, self.clock.now(), visibility_seconds=RETRY_VISIBILITY_SECONDS)
            return
        self.queue.complete(message)

    async def _handle_event_change(self, message: QueueMessage, ports: Ports) -> None:
        await handle_event_change(message.text, message.dequeue_count, MAXIMUM_DEQUEUE_COUNT, _Shop(ports, self.rules))

    async def _handle_booking_change(self, message: QueueMessage, ports: Ports) -> None:
        await handle_booking_change(
            message.text, message.dequeue_count, MAXIMUM_DEQUEUE_COUNT, _Shop(ports, self.rules)
        )

    async def _handle_mailbox_task(self, message: QueueMessage, ports: Ports) -> None:
        await handle_mailbox_task(message.text, message.dequeue_count, MAXIMUM_DEQUEUE_COUNT, _Shop(ports, self.rules))

    async def _handle_poison(self, message: QueueMessage, ports: Ports) -> None:
        await collect_poison(message.queue, message.text, ports)

    def forget_costs(self) -> None:
        self.graph.switchboard.clear_calls()
        self.dataverse.switchboard.clear_calls()
        self.journal.entries.clear()
        self.replies.clear()
        self.failed_timers.clear()

    @property
    def graph_calls(self) -> Counter[str]:
        """The app's calls to Graph since the costs were last forgotten, by kind."""
        return self.graph.switchboard.calls["app"]

    @property
    def dataverse_calls(self) -> Counter[str]:
        return self.dataverse.switchboard.calls["app"]

    def entries(self, action: str) -> list[JournalEntry]:
        return [entry for entry in self.journal.entries if entry.action == action]

    def visit(self, technician: Technician | None = None, index: int = 0) -> SampleBooking:
        """A linked booking of the sample, of `self.technician` unless said otherwise."""
        of = technician or self.technician
        return [one for one in self.sample.bookings if one.technician is of and one.linked][index]

    async def move_event(self, visit: SampleBooking, *, by: timedelta = timedelta(hours=1), **fields: Any) -> None:
        """The technician moves a visit's event to `by` after its planned time."""
        body = {"start": wire(visit.start_at + by), "end": wire(visit.end_at + by), **fields}
        await self.patch_event(visit.technician.mailbox_id, visit.event_id, body)

    async def patch_event(self, mailbox_id: str, event_id: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.person.patch(event_path(mailbox_id, event_id), json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def delete_event(self, visit: SampleBooking) -> None:
        answer = await self.person.delete(event_path(visit.technician.mailbox_id, visit.event_id))
        assert answer.status_code == 204, answer.text

    async def event(self, visit: SampleBooking) -> dict[str, Any] | None:
        """The event as its owner sees it in UTC, None when it is gone."""
        answer = await self.person.get(event_path(visit.technician.mailbox_id, visit.event_id))
        return dict(answer.json()) if answer.status_code == 200 else None

    async def named_event(self, visit: SampleBooking) -> dict[str, Any]:
        """The event that the booking names now, as the technician sees it on whom the booking is now, in UTC."""
        answer = await self.dispatcher.get(
            f"/bookableresourcebookings({visit.booking_id})?$select=bks_eventid,_resource_value"
        )
        row = answer.json()
        (owner,) = [one for one in self.sample.technicians if one.resource_id == row["_resource_value"]]
        event = await self.person.get(event_path(owner.mailbox_id, row["bks_eventid"]))
        assert event.status_code == 200, event.text
        return dict(event.json())

    async def booking(self, visit: SampleBooking) -> dict[str, Any]:
        """The booking as the dispatcher sees it: start, end, event id, and status by name."""
        answer = await self.dispatcher.get(
            f"/bookableresourcebookings({visit.booking_id})?$select=starttime,endtime,duration,bks_eventid,bks_eventhash"
            "&$expand=BookingStatus($select=name)"
        )
        assert answer.status_code == 200, answer.text
        row = dict(answer.json())
        return {**row, "status": row["BookingStatus"]["name"]}

    async def booking_start(self, visit: SampleBooking) -> datetime:
        return datetime.fromisoformat((await self.booking(visit))["starttime"])

    async def patch_booking(self, visit: SampleBooking, **changes: Any) -> None:
        """The dispatcher changes a booking."""
        answer = await self.dispatcher.patch(
            f"/bookableresourcebookings({visit.booking_id})", json=changes, headers={"If-Match": "*"}
        )
        assert answer.status_code == 204, answer.text

    async def set_status(self, visit: SampleBooking, name: str) -> None:
        answer = await self.dispatcher.get(f"/bookingstatuses?$select=bookingstatusid&$filter=name eq '{name}'")
        status_id = answer.json()["value"][0]["bookingstatusid"]
        await self.patch_booking(visit, **{"BookingStatus@odata.bind": f"/bookingstatuses({status_id})"})

    async def assign(self, visit: SampleBooking, technician: Technician) -> None:
        await self.patch_booking(visit, **{"Resource@odata.bind": f"/bookableresources({technician.resource_id})"})

    async def control_graph(self, path: str, **body: Any) -> httpx.Response:
        """A switchboard route of the Graph simulator."""
        answer = await self.graph_control.post(path, json=body)
        assert answer.is_success, answer.text
        return answer

    async def graph_state(self) -> dict[str, Any]:
        return dict((await self.graph_control.get("/state")).json())

    def switch(self, **switches: Any) -> None:
        """Set switches of the Graph simulator."""
        self.graph.switchboard.set_switches(switches)

    def switch_dataverse(self, **switches: Any) -> None:
        """Set switches of the Dataverse simulator."""
        self.dataverse.switchboard.set_switches(switches)

    async def set_access(self, technician: Technician, access: Access) -> None:
        """Give the app access to a mailbox, or take it away."""
        await self.control_graph("/mailboxes", mailbox_id=technician.mailbox_id, access=access)

    async def notify(self, visit: SampleBooking, change_type: str, *, etag: str | None = None) -> None:
        """Post one genuine notification about a visit's event, as Graph may at any moment."""
        mailbox_id = visit.technician.mailbox_id
        item = {
            "tenantId": TENANT_ID,
            "clientState": client_state(mailbox_id, SECRET),
            "changeType": change_type,
            "resourceData": {"id": visit.event_id, **({"@odata.etag": etag} if etag else {})},
        }
        await self.post(self._url("notifications"), json.dumps({"value": [item]}).encode(), "application/json", 3)

    async def notify_lifecycle(self, technician: Technician, event: str, **changes: Any) -> None:
        """Post one lifecycle notification about a mailbox; `changes` forge it."""
        item = {
            "tenantId": TENANT_ID,
            "clientState": client_state(technician.mailbox_id, SECRET),
            "subscriptionId": "4b1cd9f2-0000-4000-8000-000000000000",
            "lifecycleEvent": event,
            **changes,
        }
        await self.post(self._url("lifecycle"), json.dumps({"value": [item]}).encode(), "application/json", 3)

    @staticmethod
    def _url(door: str) -> str:
        return f"{PUBLIC_URL}/api/graph/{door}"

    async def run_timers(self, period: timedelta, *, every: timedelta = timedelta(minutes=15)) -> None:
        """Let `period` pass with both timers at work."""
        end = self.clock.now() + period
        while self.clock.now() < end:
            self.clock.advance(every.total_seconds())
            await self.maintain()
            await self.sweep()
            await self.settle(limit=every)

    @property
    def app_writes(self) -> Counter[str]:
        """The app's writes to bookings and events since the costs were last forgotten, by kind."""
        calls = self.graph_calls + self.dataverse_calls
        return Counter({kind: n for kind, n in calls.items() if not kind.startswith("subscription.") and _writes(kind)})

    async def assert_converged(self) -> None:
        """Both kinds of every sweep find nothing to write, no booking has an event too many, and nobody got a mail."""
        self.forget_costs()
        for is_full in (False, True, False):
            await self.sweep(is_full=is_full)
            await self.settle()
        assert not self.app_writes, self.app_writes
        assert not self.failed_timers
        await self._assert_events_are_at_home()
        assert not self.graph.world.mails

    async def _assert_events_are_at_home(self) -> None:
        """A booking has at most one event that is still to come, in the calendar of whom it is booked on.

        Not counted are copies that people made, events that are no single ones any more, and those of mailboxes that
        the app does not work in.
        """
        resting = {one.mailbox_id async for one in self.state.list_quarantines()}
        home = {one.resource_id: one.mailbox_id for one in self.sample.technicians}
        sown = {one.event_id for one in self.sample.bookings}
        bookings = self.dataverse.world.rows("bookableresourcebooking")
        held: dict[str, list[str]] = {}
        for mailbox in self.graph.world.mailboxes.values():
            if mailbox.mailbox_id in resting or mailbox.mailbox_id not in (self.rules.mailboxes or home.values()):
                continue
            for event in [versions[-1] for versions in mailbox.versions.values()]:
                booking = bookings.get(event.extended_properties.get(property_id(BOOKING_ID_PROPERTY), ""))
                if booking is None or event.is_deleted or event.type != "singleInstance":
                    continue
                is_ours = event.transaction_id is not None or event.immutable_id in sown
                is_named = event.immutable_id == booking.values.get("bks_eventid")
                if (is_ours or is_named) and event.end_at > self.clock.now():
                    held.setdefault(booking.row_id, []).append(mailbox.mailbox_id)
        for booking_id, mailboxes in held.items():
            assert mailboxes == [home.get(str(bookings[booking_id].values["resource"]))], booking_id


class _WebhookDoor:
    """The way from the Dataverse simulator to the app."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:  # noqa: ARG002
        secret = httpx.Headers(dict(headers)).get(WEBHOOK_SECRET_HEADER)
        return (await self._tenant.post_webhook(body, secret)).status


class _Shop:
    """What the handlers work with."""

    def __init__(self, ports: Ports, rules: Rules) -> None:
        self.ports = ports
        self.rules = rules


def _writes(kind: str) -> bool:
    return kind.partition(".")[2] in ("create", "update", "upsert", "delete", "cancel")


def event_path(mailbox_id: str, event_id: str) -> str:
    return f"/users/{mailbox_id}/events/{quote(event_id, safe='')}"


def wire(moment: datetime) -> dict[str, str]:
    """An aware time as a person's client sends it, in UTC."""
    return {"dateTime": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}
