"""The backfill: queues every booking of the window that is not dealt with yet, and watches the queue run empty.

It can be broken off anywhere. Where it stands is saved after each page, once that page is queued: what is queued twice
is looked at twice and nothing more.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sync.core.mailboxes import Backfill
from sync.core.rules import Rules
from sync.core.sweeping import window_at
from sync.service.booking_items import booking_change, is_done_with, queue_all
from sync.service.ports import Ports, Sleep

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
STALL = timedelta(minutes=1)
"""When nothing has been taken from the queue for so long, something is wrong with the app."""

type QueueLength = Callable[[], Awaitable[int]]
"""About how many booking changes wait or are at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How far the queueing has come. `skipped` bookings of this run were dealt with before."""

    backfill: Backfill
    skipped: int = 0

    @property
    def is_over(self) -> bool:
        return self.backfill.next_link is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """How far the app has come with what is queued. Estimates: other changes pass through the same queue."""

    queued: int
    waiting: int
    time_left: timedelta | None = None
    is_stalled: bool = False

    @property
    def done(self) -> int:
        return max(self.queued - self.waiting, 0)


async def is_called_for(ports: Ports) -> bool:
    """Whether nobody has looked at all bookings yet: neither a sweep, nor a backfill that came to its end."""
    return await ports.state.find_booking_cursor() is None or await ports.state.find_backfill() is not None


async def find_unfinished(ports: Ports, queue_length: QueueLength) -> Backfill | None:
    """A backfill that was begun and is not over: not all is queued, or what was queued still waits."""
    backfill = await ports.state.find_backfill()
    if backfill is None or backfill.next_link is not None or await queue_length() > 0:
        return backfill
    await ports.state.delete_backfill()
    return None


async def queue_bookings(backfill: Backfill | None, ports: Ports, rules: Rules) -> AsyncIterator[Walk]:
    """Queue the bookings that `backfill` has not come to, or all when it is None; tells after each page.

    Raises `TransientError`; the next call goes on after the last page that was told.
    """
    if backfill is not None and backfill.next_link is None:
        yield Walk(backfill=backfill)
        return
    now = ports.clock()
    if backfill is None:
        backfill = Backfill(began_at=now, window=window_at(now, rules.window), next_link=None)
    link, skipped = backfill.next_link, 0
    while True:
        page = await ports.bookings.read_bookings(backfill.window, link)
        for reason in page.rejected:
            logger.error("A booking cannot be read: %s", reason, extra={"action": "unreadable"})
        ours = [one for one in page.bookings if not rules.leaves_out(one.mailbox_id)]
        waiting = [one for one in ours if not await is_done_with(one, ports)]
        await queue_all([booking_change(one.booking_id, ports) for one in waiting], ports)
        skipped += len(ours) - len(waiting)
        link = page.next_link
        backfill = replace(backfill, next_link=link, queued=backfill.queued + len(waiting))
        await ports.state.save_backfill(backfill)
        yield Walk(backfill=backfill, skipped=skipped)
        if link is None:
            return


async def watch_queue(queued: int, queue_length: QueueLength, ports: Ports, *, sleep: Sleep) -> AsyncIterator[Drain]:
    """Look at the queue every two seconds until it is empty, and then forget the backfill."""
    began_at = moved_at = ports.clock()
    first = least = await queue_length()
    waiting = first
    while waiting > 0:
        now = ports.clock()
        if waiting < least:
            least, moved_at = waiting, now
        yield Drain(
            queued=max(queued, first),
            waiting=waiting,
            time_left=_time_left(first, waiting, began_at, now),
            is_stalled=now - moved_at >= STALL,
        )
        await sleep(POLL_SECONDS)
        waiting = await queue_length()
    await ports.state.delete_backfill()
    yield Drain(queued=max(queued, first), waiting=0, time_left=timedelta())


def _time_left(first: int, waiting: int, began_at: datetime, now: datetime) -> timedelta | None:
    """By the speed since the watching began; None while nothing has moved."""
    worked_off, elapsed = first - waiting, now - began_at
    return elapsed * (waiting / worked_off) if worked_off > 0 and elapsed else None
