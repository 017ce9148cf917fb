"""Takes the app out of the calendars: ends its subscriptions and, if that is wanted, deletes the events it keeps.

Each link goes as its event went, so that a run that broke off is taken up where it was. No booking is cancelled for it:
each event is remembered as ended, should a notification of our own deletion still come in.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from sync.core.actions import Reason
from sync.core.delivery_steps import RemoveEvent
from sync.core.errors import NotFound, PreconditionFailed, SyncError, TransientError
from sync.core.memory import Link
from sync.core.rules import Rules
from sync.service.event_writing import EventWriter
from sync.service.ports import Ports, Sleep, SubscriptionOrder

MAILBOXES_AT_ONCE = 8
ORDERS_PER_BATCH = 20
ATTEMPTS = 6
LONGEST_WAIT_SECONDS = 120.0


@dataclass(slots=True, kw_only=True)
class Withdrawal:
    """How far it has come. `kept` events are over and stay; `left` says why a mailbox's others are still there."""

    total: int
    removed: int = 0
    kept: int = 0
    left: dict[str, str] = field(default_factory=dict)


def is_kept(link: Link, ports: Ports, rules: Rules) -> bool:
    """Whether the event of a visit that is over stays where it is."""
    return rules.policy.keeps_past_events and link.agreed.end_at <= ports.clock()


async def remove_events(ports: Ports, rules: Rules, *, sleep: Sleep, moved: Callable[[Withdrawal], None]) -> Withdrawal:
    """Delete the event of every link. `moved` is told after each one.

    A mailbox that does not answer is left as it is and named at the end; the others go on.
    """
    links = [link async for link in ports.state.list_links()]
    withdrawal = Withdrawal(total=len(links), kept=sum(is_kept(link, ports, rules) for link in links))
    by_mailbox: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        if not is_kept(link, ports, rules):
            by_mailbox[link.mailbox_id].append(link)
    at_once = asyncio.Semaphore(MAILBOXES_AT_ONCE)

    async def clear(mailbox_id: str, of_mailbox: Sequence[Link]) -> None:
        async with at_once:
            for link in of_mailbox:
                try:
                    await _patiently(partial(_remove, link.booking_id, ports, rules), sleep)
                except SyncError as error:
                    withdrawal.left[error.mailbox_id or mailbox_id] = error.reason
                    return
                withdrawal.removed += 1
                moved(withdrawal)

    await asyncio.gather(*(clear(mailbox_id, some) for mailbox_id, some in by_mailbox.items()))
    return withdrawal


async def _remove(booking_id: str, ports: Ports, rules: Rules) -> None:
    """Delete the event, and the one before it that was still to go; then forget the booking."""
    link = await ports.state.find_link(booking_id)
    if link is None:
        return
    writer = EventWriter(booking_id, ports.new_id(), ports, rules)
    try:
        for address in filter(None, (link.leftover, link.address)):
            # As a leftover: the breaker counts only what nobody has asked for.
            await writer.remove(RemoveEvent(address, None, Reason.LEFTOVER))
    finally:
        await writer.give_back()
    await ports.state.delete_known_booking(booking_id)
    await ports.state.delete_link(link)


async def _patiently(operation: Callable[[], Awaitable[None]], sleep: Sleep) -> None:
    """Try again what may work later, as long as the service asks for. Raises the last error."""
    for attempt in range(ATTEMPTS):
        try:
            return await operation()
        except TransientError as error:
            if attempt == ATTEMPTS - 1:
                raise
            wait = 0.0 if isinstance(error, PreconditionFailed) else error.retry_after_seconds or 2.0**attempt
            await sleep(min(wait, LONGEST_WAIT_SECONDS))
    raise AssertionError("unreachable: the last attempt returns or raises")


async def end_subscriptions(ports: Ports) -> dict[str, str]:
    """Delete our Graph subscriptions; answers why a mailbox still has one. What is left ends by itself in a week."""
    subscriptions = [one async for one in ports.calendar.list_subscriptions()]
    left = {}
    for start in range(0, len(subscriptions), ORDERS_PER_BATCH):
        batch = subscriptions[start : start + ORDERS_PER_BATCH]
        orders = [SubscriptionOrder(mailbox_id=one.mailbox_id, subscription_id=one.subscription_id) for one in batch]
        results = await ports.calendar.order_subscriptions(orders)
        for one, result in zip(batch, results, strict=True):
            if isinstance(result, Exception) and not isinstance(result, NotFound):
                left[one.mailbox_id] = result.reason if isinstance(result, SyncError) else repr(result)
            else:
                await ports.state.delete_subscription_record(one.mailbox_id)
    return left


async def forget_rounds(ports: Ports) -> None:
    """Forget how far sweep and backfill have come: should the app be set up again, both begin anew."""
    await ports.state.delete_booking_cursor()
    await ports.state.delete_backfill()
