"""Delivery of notifications: late, repeated, out of order and in company, and retried until somebody says 2xx.

Driven by `run` in a server, or by hand: `next_due_at`, move the clock, `deliver_due`.
Source: Graph documentation, change-notifications-delivery-webhooks (2026-04-22).
"""

import asyncio
import heapq
import json
import math
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any
from urllib.parse import urlsplit

from local.graph import notifications
from local.graph.endpoint_health import WINDOW, EndpointHealth
from local.graph.events import Change, Event
from local.graph.notifications import LifecycleEvent
from local.graph.subscriptions import Subscription, Subscriptions
from local.graph.world import GraphWorld

Post = Callable[[str, bytes, float], Awaitable[int]]
"""Posts a JSON body to an address within so many seconds; answers the status or raises `OSError` (a timeout too)."""

FIRST_ATTEMPT_SECONDS = 3.0
RETRY_SECONDS = 10.0
GIVE_UP_AFTER = timedelta(hours=4)
_MOST_PER_POST = 50
_POLL_SECONDS = 0.02
"""How often a waiting courier looks at the world's clock, which may be moved under it."""


@dataclass(slots=True, kw_only=True)
class Delivery:
    """Notifications on their way to one address. `subscription_ids` runs parallel to `items`."""

    url: str
    items: list[dict[str, Any]]
    subscription_ids: list[str]
    is_lifecycle: bool
    raised_at: datetime
    due_at: datetime
    attempts: int = 0


class Courier:
    """The outbox. `counts` tells what became of notifications: delivered, lost, dropped, paused, expired, given_up."""

    def __init__(self, world: GraphWorld, subscriptions: Subscriptions, tenant_id: str) -> None:
        self._world = world
        self._subscriptions = subscriptions
        self._tenant_id = tenant_id
        self._heap: list[tuple[datetime, int, Delivery]] = []
        self._pushes = 0
        self._health: defaultdict[str, EndpointHealth] = defaultdict(EndpointHealth)
        self._wakeup = asyncio.Event()
        self.counts: Counter[str] = Counter()
        self.in_flight = 0
        world.on_change.append(self._on_change)

    def clear(self) -> None:
        self._heap.clear()
        self._health.clear()
        self.counts.clear()

    @property
    def outbox(self) -> list[Delivery]:
        """What waits, by due time."""
        return [delivery for _, _, delivery in sorted(self._heap, key=lambda entry: entry[:2])]

    def next_due_at(self) -> datetime | None:
        """When the next delivery is due; None when nothing waits."""
        return self._heap[0][0] if self._heap else None

    def send_lifecycle(self, subscription: Subscription, event: LifecycleEvent) -> None:
        """Queue a lifecycle notification; a subscription without an address for it gets none."""
        if subscription.lifecycle_url is not None:
            item = notifications.lifecycle_json(event, subscription, self._tenant_id)
            self._queue(subscription, subscription.lifecycle_url, [item], is_lifecycle=True)

    def take_due(self) -> list[Delivery]:
        """Take what is due out of the outbox, put together as it will be posted."""
        due = []
        while self._heap and self._heap[0][0] <= self._world.now:
            delivery = heapq.heappop(self._heap)[2]
            if self._drop_dead_items(delivery):
                due.append(delivery)
        return self._batched(due) if self._world.switch("batch") else due

    async def deliver_due(self, post: Post) -> int:
        """Post all that is due, side by side. The number of posts made."""
        due = self.take_due()
        await asyncio.gather(*(self._attempt(delivery, post) for delivery in due))
        return len(due)

    async def run(self, post: Post) -> None:
        """Deliver in time until cancelled; a slow address holds up no other."""
        self._wakeup = asyncio.Event()
        async with asyncio.TaskGroup() as attempts:
            while True:
                for delivery in self.take_due():
                    attempts.create_task(self._attempt(delivery, post))
                if self._heap:
                    await asyncio.sleep(_POLL_SECONDS)
                else:
                    self._wakeup.clear()
                    await self._wakeup.wait()

    def _on_change(self, change: Change) -> None:
        for subscription in self._subscriptions.live():
            if subscription.mailbox_id == change.after.mailbox_id:
                self._notify(subscription, change)

    def _notify(self, subscription: Subscription, change: Change) -> None:
        switches = self._world.switchboard.switches
        occurred = notifications.occurred(
            change,
            subscription,
            was_covered=change.before is not None and self._covers(subscription, change.before),
            is_covered=self._covers(subscription, change.after),
            move_notifies=switches["move_notifies"],
        )
        items = [
            notifications.notification_json(each, event, subscription, self._tenant_id, switches["notification_etag"])
            for kind, event in occurred
            for each in notifications.burst(kind, subscription, switches, self._world.switchboard.random)
        ]
        if subscription.is_paused:
            self.counts["paused"] += len(items)
        else:
            self._queue(subscription, subscription.notification_url, items, is_lifecycle=False)

    def _covers(self, subscription: Subscription, event: Event) -> bool:
        return self._world.covers(event, self._world.mailboxes[subscription.mailbox_id], subscription.calendar_id)

    def _queue(self, subscription: Subscription, url: str, items: list[dict[str, Any]], *, is_lifecycle: bool) -> None:
        state = self._health[_host(url)].state(self._world.now)
        if state == "drop":
            self.counts["dropped"] += len(items)
            return
        chance, switches = self._world.switchboard.random, self._world.switchboard.switches
        sent = [each for each in items for _ in range(2 if chance.random() < switches["repeat"] else 1)]
        offsets = sorted(chance.uniform(0, switches["burst_spread_seconds"]) for _ in sent)
        if switches["reorder"]:
            chance.shuffle(sent)
        wait = WINDOW if state == "slow" else timedelta()
        for item, offset in zip(sent, offsets, strict=True):
            if chance.random() < switches["lose"]:
                self.counts["lost"] += 1
                continue
            due_at = self._world.now + wait + timedelta(seconds=switches["delay_seconds"] + offset)
            self._push(
                Delivery(
                    url=url,
                    items=[item],
                    subscription_ids=[subscription.subscription_id],
                    is_lifecycle=is_lifecycle,
                    raised_at=self._world.now,
                    due_at=_next_tenth(due_at) if switches["batch"] else due_at,
                )
            )

    def _push(self, delivery: Delivery) -> None:
        self._pushes += 1
        heapq.heappush(self._heap, (delivery.due_at, self._pushes, delivery))
        self._wakeup.set()

    def _drop_dead_items(self, delivery: Delivery) -> bool:
        """Nothing more is sent for a subscription that is gone, except that it is gone. Whether anything is left."""
        if delivery.is_lifecycle:
            return True
        pairs = zip(delivery.items, delivery.subscription_ids, strict=True)
        alive = [(item, each) for item, each in pairs if self._subscriptions.is_live(each)]
        if dead := len(delivery.items) - len(alive):
            self.counts["expired"] += dead
        delivery.items = [item for item, _ in alive]
        delivery.subscription_ids = [each for _, each in alive]
        return bool(alive)

    def _batched(self, due: list[Delivery]) -> list[Delivery]:
        """First attempts to one address share a POST; what is retried is retried as it was posted."""
        groups: defaultdict[tuple[str, bool], list[Delivery]] = defaultdict(list)
        for delivery in due:
            if delivery.attempts == 0:
                groups[delivery.url, delivery.is_lifecycle].append(delivery)
        posts = [delivery for delivery in due if delivery.attempts]
        for (url, is_lifecycle), group in groups.items():
            if self._world.switch("reorder"):
                self._world.switchboard.random.shuffle(group)
            posts += [
                Delivery(
                    url=url,
                    items=[item for delivery in part for item in delivery.items],
                    subscription_ids=[each for delivery in part for each in delivery.subscription_ids],
                    is_lifecycle=is_lifecycle,
                    raised_at=min(delivery.raised_at for delivery in part),
                    due_at=part[0].due_at,
                )
                for part in batched(group, _MOST_PER_POST, strict=False)
            ]
        return posts

    async def _attempt(self, delivery: Delivery, post: Post) -> None:
        limit = RETRY_SECONDS if delivery.attempts else FIRST_ATTEMPT_SECONDS
        began_at = self._world.now
        status: int | None = None
        least_seconds = 0.0
        self.in_flight += 1
        try:
            status = await post(delivery.url, json.dumps({"value": delivery.items}).encode(), limit)
        except TimeoutError:
            least_seconds = limit
        except OSError:
            pass
        finally:
            self.in_flight -= 1
        ended_at = self._world.now
        seconds = max((ended_at - began_at).total_seconds(), least_seconds)
        self._health[_host(delivery.url)].record(ended_at, seconds, self._world.switch("endpoint_minimum_answers"))
        if status is not None and 200 <= status < 300 and seconds <= limit:
            self.counts["delivered"] += len(delivery.items)
        else:
            self._retry(delivery)

    def _retry(self, delivery: Delivery) -> None:
        delivery.attempts += 1
        wait = timedelta(seconds=self._world.switch("retry_base_seconds") * 2 ** (delivery.attempts - 1))
        delivery.due_at = self._world.now + wait
        if delivery.due_at - delivery.raised_at > GIVE_UP_AFTER:
            self.counts["given_up"] += len(delivery.items)
        else:
            self._push(delivery)


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _next_tenth(at: datetime) -> datetime:
    """Rounded up, so that what is due at nearly the same moment is due at the same."""
    return datetime.fromtimestamp(math.ceil(at.timestamp() * 10) / 10, UTC)
