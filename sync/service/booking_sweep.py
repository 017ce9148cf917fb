"""The sweep of the booking table: reads what changed in Dynamics since the last time and queues what a webhook missed.

One cursor for the whole table, because change tracking takes no filter (Dataverse documentation,
use-change-tracking-synchronize-data-external-systems). It is saved only after everything that was read is queued.
Deleted bookings are reported by id alone; what event they had, or may have, our tables know. Changed work orders are
not tracked: their bookings are asked for by time.

The first sweep of all looks at linked bookings only. Bookings made before it that are to have an event are found by the
backfill (`python -m sync setup` begins it), and by the first sweep of each calendar, which is a full one.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched

from sync.core.content import is_outdated
from sync.core.errors import DeltaTokenExpired, ServiceUnavailable
from sync.core.mailboxes import BOOKINGS, BookingCursor, Breaker
from sync.core.memory import Link
from sync.core.rules import Rules
from sync.core.sides import Booking, TimeSpan
from sync.core.sweeping import breaker_holds, window_at
from sync.service.booking_items import booking_change, is_done_with, queue_all
from sync.service.breaker import clear, hold
from sync.service.journal_memory import prune_journal
from sync.service.ports import BookingPage, ListedBooking, Ports
from sync.service.sweeping import queue_sweeps

logger = logging.getLogger(__name__)

_OPERATION = "bookableresourcebookings.delta"

ROWS_AT_ONCE = 16

CLOCK_ALLOWANCE = timedelta(minutes=10)
"""By how much the times of two sweeps overlap for work orders.

A sweep begins by our clock. A work order bears the time of Dataverse's clock at which it was written, and shows when
that is committed. What is listed twice is compared twice and nothing more.
"""


@dataclass(slots=True)
class _Round:
    """What the pages of one round said. A booking may be on several; the last word counts.

    `links` are those that there were when the round began, by booking, in a full round only. That one lists every
    booking there ever was, so of it only those with a link are kept.
    """

    began_at: datetime
    links: Mapping[str, Link] | None = None
    listed: dict[str, ListedBooking] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    delta_link: str = ""

    def take_in(self, page: BookingPage) -> None:
        """Add what a page says."""
        for booking in page.bookings:
            if self.links is None or booking.booking_id in self.links:
                self.listed[booking.booking_id] = booking
            self.removed.discard(booking.booking_id)
        for booking_id in page.removed:
            self.removed.add(booking_id)
            self.listed.pop(booking_id, None)


async def sweep_bookings(ports: Ports, rules: Rules) -> Counter[str]:
    """Queue every booking whose state is not the one that was last dealt with; answers how many, by kind.

    Raises `TransientError`; the next run begins where the last complete one ended.
    """
    cursor = await ports.state.find_booking_cursor()
    one_round = await _read_round(cursor, ports)
    window = window_at(one_round.began_at, rules.window)
    changed = await _changed(one_round, window, ports)
    await queue_all([booking_change(one.booking_id, ports, etag=one.etag) for one in changed], ports)
    outdated = await _outdated(cursor, {one.booking_id for one in changed}, ports, rules) if cursor else []
    await queue_all([booking_change(one.booking_id, ports) for one in outdated], ports)
    gone = await _gone(one_round, ports)
    if await _is_flood(gone, window, ports, rules, one_round.began_at):
        return Counter(changed=len(changed), outdated=len(outdated), held=len(gone))
    gone_ids = [link.booking_id for link in gone]
    gone_ids += await _gone_unlinked(one_round.removed.difference(gone_ids), ports)
    await queue_all([booking_change(one, ports, is_deleted=True) for one in gone_ids], ports)
    is_full = one_round.links is not None
    if is_full and cursor is not None:
        await queue_sweeps(ports, rules, is_full=True)
    await ports.state.save_booking_cursor(BookingCursor(delta_link=one_round.delta_link, began_at=one_round.began_at))
    if cursor is None or cursor.began_at.date() != one_round.began_at.date():
        await prune_journal(BOOKINGS, ports)  # Once a day: nobody needs it more often, and it costs a call.
    logger.info(
        "Swept bookings (%s): %d changed, %d outdated by their work orders, %d gone.",
        "full" if is_full else "delta",
        len(changed),
        len(outdated),
        len(gone_ids),
        extra={"action": "bookings-swept"},
    )
    return Counter(changed=len(changed), outdated=len(outdated), gone=len(gone_ids))


async def _read_round(cursor: BookingCursor | None, ports: Ports) -> _Round:
    """A round of changes, or a full one when there is no usable cursor."""
    if cursor is not None:
        try:
            return await _read_pages(_Round(ports.clock()), cursor.delta_link, ports)
        except DeltaTokenExpired:
            logger.info("The change tracking token expired: full round.", extra={"action": "delta-expired"})
    began_at = ports.clock()
    links = {link.booking_id: link async for link in ports.state.list_links()}
    try:
        return await _read_pages(_Round(began_at, links), None, ports)
    except DeltaTokenExpired as error:
        raise ServiceUnavailable("A full round's own token expired.", operation=_OPERATION) from error


async def _read_pages(one_round: _Round, link: str | None, ports: Ports) -> _Round:
    while True:
        page = await ports.bookings.read_booking_changes(link)
        one_round.take_in(page)
        for reason in page.rejected:
            logger.error("A booking cannot be read: %s", reason, extra={"action": "unreadable"})
        if page.delta_link is not None:
            one_round.delta_link = page.delta_link
            return one_round
        if page.next_link is None:
            raise ServiceUnavailable("A round of changes ended without a link.", operation=_OPERATION)
        link = page.next_link


async def _changed(one_round: _Round, window: TimeSpan, ports: Ports) -> list[ListedBooking]:
    """The bookings to look at: linked, or in the window, and not as they were dealt with.

    Of a full round the linked ones only: full rounds of the calendars find those that are to have an event.
    """

    async def needs_a_look(booking: ListedBooking) -> bool:
        if await is_done_with(booking, ports):
            return False
        if booking.span.overlaps(window) or one_round.links is not None:
            return True
        return await ports.state.find_link(booking.booking_id) is not None

    return await _chosen(one_round.listed.values(), needs_a_look)


async def _outdated(cursor: BookingCursor, queued: Collection[str], ports: Ports, rules: Rules) -> list[Booking]:
    """The bookings still to come, `queued` ones left out, whose events do not say what a changed work order says.

    Of one whose webhook came there are none any more.
    """
    since, now = cursor.began_at - CLOCK_ALLOWANCE, ports.clock()
    listed = [one async for one in ports.bookings.list_bookings_of_changed_work_orders(since, ending_after=now)]

    async def is_unlike_its_event(booking: Booking) -> bool:
        link = await ports.state.find_link(booking.booking_id)
        return link is not None and is_outdated(link.written, booking, rules.templates)

    return await _chosen([one for one in listed if one.booking_id not in queued], is_unlike_its_event)


async def _gone(one_round: _Round, ports: Ports) -> list[Link]:
    """The links of the bookings that were reported deleted or, in a full round, are missing."""
    if one_round.links is not None:
        return [link for booking_id, link in sorted(one_round.links.items()) if booking_id not in one_round.listed]
    found = [await ports.state.find_link(booking_id) for booking_id in sorted(one_round.removed)]
    return [link for link in found if link is not None]


async def _gone_unlinked(removed: Iterable[str], ports: Ports) -> list[str]:
    """Of deleted bookings without a link those for which an event may have been made: a worker began to, and died."""

    async def was_begun(booking_id: str) -> bool:
        known = await ports.state.find_known_booking(booking_id)
        return known is not None and known.begun_in is not None

    return await _chosen(sorted(removed), was_begun)


async def _is_flood(gone: Sequence[Link], window: TimeSpan, ports: Ports, rules: Rules, now: datetime) -> bool:
    """Whether so many linked bookings are gone that a person must look first; the cursor then stays where it is.

    Those in the window count: visits long past would dilute the share, and their events stay anyhow.
    """
    breaker = await ports.state.find_breaker(BOOKINGS) or Breaker(mailbox_id=BOOKINGS)
    count = sum(link.agreed.overlaps(window) for link in gone)
    if count > rules.breaker.number:
        linked = sum([link.agreed.overlaps(window) async for link in ports.state.list_links()])
        if breaker_holds(count, linked, breaker, now, rules.breaker):
            await hold(BOOKINGS, ports, total=count)
            return True
    if breaker.held_since is not None:
        await clear(BOOKINGS, ports)
    return False


async def _chosen[T](candidates: Iterable[T], is_chosen: Callable[[T], Awaitable[bool]]) -> list[T]:
    """Those that are chosen, some looked up at a time."""
    chosen: list[T] = []
    for some in batched(candidates, ROWS_AT_ONCE, strict=False):
        answers = await asyncio.gather(*(is_chosen(one) for one in some))
        chosen += [one for one, answer in zip(some, answers, strict=True) if answer]
    return chosen
