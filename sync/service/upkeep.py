"""Keeps one Graph subscription alive for every wanted mailbox.

A timer compares what is wanted with what Graph has and orders the difference in batches; lifecycle notifications ask
for single mailboxes in between. What goes wrong is recorded per mailbox, so that a failed renewal is seen before its
subscription is dead. The sweep makes good whatever was missed.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sync.core.errors import (
    AlreadyExists,
    DoorDidNotAnswer,
    MailboxUnavailable,
    NotFound,
    SyncError,
    Throttled,
    TransientError,
)
from sync.core.mailboxes import SubscriptionRecord, SubscriptionStanding
from sync.core.rules import Rules
from sync.core.subscriptions import RENEWAL_QUIET, Change, PlannedChange, Subscription, expiry_for, plan_changes
from sync.core.work_items import MailboxJob, MailboxTask
from sync.service.coexistence import keep_apart
from sync.service.outcome import Outcome
from sync.service.ports import Clock, Ports, Sleep, SubscriptionOrder
from sync.service.quarantine import quarantine_mailbox
from sync.service.sweeping import mailbox_task, wanted_mailboxes
from sync.telemetry import OrderFailed, SubscriptionsListed, tell

logger = logging.getLogger(__name__)

REMOVALS_UNASKED = 10
"""More removals than this, and than half of what there is, are not made because a list became shorter."""

ORDERS_PER_BATCH = 20
BATCHES_AT_ONCE = 4
BATCH_INTERVAL = timedelta(seconds=0.85)
"""470 subscriptions in 20 seconds: Graph is said to allow 500, and who is refused waits for the next run.

Microsoft's throttling-limits as others quote it; not read at the source. Ten thousand are ordered in seven minutes so.
"""

RETRY_DELAY_SECONDS = 30.0
"""When a mailbox is tried again whose subscription could not be made, before the timer comes round."""


async def maintain_subscriptions(ports: Ports, rules: Rules, *, sleep: Sleep, until: datetime) -> Counter[str]:
    """Bring Graph's subscriptions to what is wanted; answers what was done, by kind.

    Stops starting batches at `until` (aware UTC) and leaves the rest to the next run. Raises `TransientError` when even
    the lists cannot be read; the next run tries again.
    """
    wanted = {mailbox_id async for mailbox_id in wanted_mailboxes(ports, rules)}
    actual = [one async for one in ports.calendar.list_subscriptions()]
    unwanted = {one.mailbox_id for one in actual} - wanted
    if actual and (not wanted or (len(unwanted) > REMOVALS_UNASKED and len(unwanted) > len(actual) / 2)):
        # Far likelier a privilege lost in Dataverse than a company that parted with half its technicians.
        logger.error(
            "Dataverse lists %d mailboxes, and %d subscriptions would have to go: nothing is changed. Check the app's "
            "role in Dataverse; if they are meant, delete the subscriptions or set MAILBOXES.",
            len(wanted),
            len(unwanted),
            extra={"action": "upkeep-refused"},
        )
        return Counter()
    await keep_apart(wanted, ports, rules)
    resting = await _quarantined(wanted, ports)
    _tell_of(actual, wanted - resting, ports.clock())
    records = {one.mailbox_id: one async for one in ports.state.list_subscription_records()}
    await _record_actual(actual, records, wanted, ports)
    plan = [
        step
        for step in plan_changes(wanted, actual, ports.clock(), rules.subscriptions)
        if step.mailbox_id not in resting
    ]
    done = await _carry_out(plan, records, ports, sleep, until)
    summary = ", ".join(f"{kind} {count}" for kind, count in done.items()) or "nothing to do"
    logger.info("Subscription upkeep: %s.", summary, extra={"action": "upkeep", "done": dict(done)})
    return done


def _tell_of(actual: Sequence[Subscription], working: Collection[str], now: datetime) -> None:
    """What is there and what is missing, before anything is mended: what stays missing is seen in every run."""
    alive = {one.mailbox_id: one.expires_at for one in actual if one.expires_at > now}
    ends = [expires_at for mailbox_id, expires_at in alive.items() if mailbox_id in working]
    tell(SubscriptionsListed(missing=len(set(working).difference(alive)), remaining=min(ends) - now if ends else None))


async def _quarantined(wanted: Collection[str], ports: Ports) -> set[str]:
    """The quarantined mailboxes; those that are no longer wanted are forgotten."""
    quarantined = {one.mailbox_id async for one in ports.state.list_quarantines()}
    for mailbox_id in quarantined.difference(wanted):
        await ports.state.delete_quarantine(mailbox_id)
    return quarantined.intersection(wanted)


async def tend_subscription(task: MailboxTask, ports: Ports, rules: Rules) -> Outcome:
    """Renew or create one mailbox's subscription: a lifecycle notification, or a failed attempt, asks for it.

    Raises the error that the order came to.
    """
    record = await ports.state.find_subscription_record(task.mailbox_id)
    if task.job is MailboxJob.RENEW:
        if record is not None and record.renewed_at is not None:
            if record.renewed_at > task.received_at:
                return Outcome(action="dropped", reason="renewed-after-it-was-received")
            wait = record.renewed_at + RENEWAL_QUIET - ports.clock()
            if wait > timedelta():
                raise TransientError("Renewed a moment ago.", retry_after_seconds=wait.total_seconds())
        step = PlannedChange(
            change=Change.RENEW, mailbox_id=task.mailbox_id, subscription_id=task.subscription_id, why="asked by Graph"
        )
    else:
        step = PlannedChange(change=Change.CREATE, mailbox_id=task.mailbox_id, why="asked by Graph")
    result = await _order_one(step, ports)
    if isinstance(result, NotFound):
        step = replace(step, change=Change.CREATE, subscription_id=None, why="the old one is gone")
        result = await _order_one(step, ports)
    if isinstance(result, AlreadyExists):
        step = await _adopt(task.mailbox_id, record, ports, rules)
        return Outcome(action=f"subscription-{step.change}", reason=step.why)
    await _settle(step, result, record, ports)
    if isinstance(result, Exception):
        raise result
    return Outcome(action=f"subscription-{step.change}", reason=step.why)


async def _order_one(step: PlannedChange, ports: Ports) -> Subscription | Exception | None:
    (result,) = await ports.calendar.order_subscriptions([_order(step, ports.clock())])
    return result


async def _adopt(mailbox_id: str, record: SubscriptionRecord | None, ports: Ports, rules: Rules) -> PlannedChange:
    """Graph has one already (409): replace it if the plan says so, else renew it, which also reauthorizes it."""
    actual = [one async for one in ports.calendar.list_subscriptions() if one.mailbox_id == mailbox_id]
    if not actual:
        raise TransientError("Graph says a subscription exists, but does not list it.", operation="subscription.list")
    steps = list(plan_changes([mailbox_id], actual, ports.clock(), rules.subscriptions))
    kept = {one.subscription_id for one in actual} - {step.subscription_id for step in steps}
    steps += [
        PlannedChange(change=Change.RENEW, mailbox_id=mailbox_id, subscription_id=one, why="adopted")
        for one in sorted(kept)
    ]
    for step in steps:
        result = await _order_one(step, ports)
        await _settle(step, result, record, ports)
        if isinstance(result, Exception):
            raise result
    return steps[-1]


class _Turns:
    """Lets the batches of a run begin one after the other, `BATCH_INTERVAL` apart, until it must end."""

    def __init__(self, clock: Clock, sleep: Sleep, until: datetime) -> None:
        self._clock = clock
        self._sleep = sleep
        self._until = until
        self._next_at = clock()
        self._line = asyncio.Lock()

    async def take(self) -> bool:
        """Wait for a turn; False when there is none any more."""
        async with self._line:
            wait = self._next_at - self._clock()
            if wait > timedelta() and self._is_open:
                await self._sleep(wait.total_seconds())
            self._next_at = self._clock() + BATCH_INTERVAL
            return self._is_open

    @property
    def _is_open(self) -> bool:
        return self._clock() < self._until

    def end(self) -> None:
        self._until = self._clock()


async def _carry_out(
    plan: Sequence[PlannedChange],
    records: Mapping[str, SubscriptionRecord],
    ports: Ports,
    sleep: Sleep,
    until: datetime,
) -> Counter[str]:
    """Order the plan in batches: all removals first, because a replacement collides with its predecessor."""
    done: Counter[str] = Counter()
    at_once, turns = asyncio.Semaphore(BATCHES_AT_ONCE), _Turns(ports.clock, sleep, until)

    async def order(batch: Sequence[PlannedChange]) -> None:
        async with at_once:
            if not await turns.take():
                done["left for the next run"] += len(batch)
                return
            try:
                results = await ports.calendar.order_subscriptions([_order(step, ports.clock()) for step in batch])
            except SyncError as error:
                results = [error] * len(batch)
            if any(isinstance(result, Throttled) for result in results):
                turns.end()
        for step, result in zip(batch, results, strict=True):
            done[_account(step, result)] += 1
            if isinstance(result, Throttled):
                continue  # No failure: it is its turn in the next run.
            await _settle(step, result, records.get(step.mailbox_id), ports)
            if isinstance(result, DoorDidNotAnswer):
                # The first validation may just have woken a cold door.
                task = mailbox_task(step.mailbox_id, MailboxJob.SUBSCRIBE, ports)
                await ports.queue.put(task, delay_seconds=RETRY_DELAY_SECONDS)

    for phase in ([Change.REMOVE], [Change.RENEW, Change.CREATE]):
        steps = [step for step in plan if step.change in phase]
        batches = [steps[start : start + ORDERS_PER_BATCH] for start in range(0, len(steps), ORDERS_PER_BATCH)]
        await asyncio.gather(*(order(batch) for batch in batches))
    return done


def _account(step: PlannedChange, result: Subscription | Exception | None) -> str:
    if isinstance(result, Throttled):
        return "left for the next run"
    return f"{step.change} failed" if isinstance(result, Exception) else str(step.change)


def _order(step: PlannedChange, now: datetime) -> SubscriptionOrder:
    expires_at = None if step.change is Change.REMOVE else expiry_for(step.mailbox_id, now)
    return SubscriptionOrder(mailbox_id=step.mailbox_id, subscription_id=step.subscription_id, expires_at=expires_at)


async def _settle(
    step: PlannedChange, result: Subscription | Exception | None, record: SubscriptionRecord | None, ports: Ports
) -> None:
    """Record what an order came to, and queue what must follow."""
    if isinstance(result, Exception):
        await _settle_failure(step, result, record, ports)
    elif result is None:
        await ports.state.delete_subscription_record(step.mailbox_id)
    else:
        await ports.state.save_subscription_record(
            SubscriptionRecord(
                mailbox_id=step.mailbox_id,
                standing=SubscriptionStanding.ACTIVE,
                subscription_id=result.subscription_id,
                expires_at=result.expires_at,
                renewed_at=ports.clock(),
            )
        )
        if step.change is Change.CREATE:
            # Nobody told us what happened before it existed.
            await ports.queue.put(mailbox_task(step.mailbox_id, MailboxJob.SWEEP, ports))


async def _settle_failure(
    step: PlannedChange, error: Exception, record: SubscriptionRecord | None, ports: Ports
) -> None:
    """Make a failure visible, and see to it that the mailbox is tried again."""
    reason = error.reason if isinstance(error, SyncError) else repr(error)
    if step.change is Change.REMOVE and isinstance(error, NotFound):
        return await ports.state.delete_subscription_record(step.mailbox_id)
    if isinstance(error, AlreadyExists):
        # The next list shows it. Whether it was there all the time or came of an answer that got lost, nobody swept.
        return await ports.queue.put(mailbox_task(step.mailbox_id, MailboxJob.SWEEP, ports))
    if isinstance(error, MailboxUnavailable):
        await quarantine_mailbox(step.mailbox_id, error, ports)
        return await ports.state.delete_subscription_record(step.mailbox_id)
    earlier = record or SubscriptionRecord(mailbox_id=step.mailbox_id, standing=SubscriptionStanding.PENDING)
    is_pending = step.change is Change.CREATE and isinstance(error, DoorDidNotAnswer)
    await ports.state.save_subscription_record(
        replace(
            earlier,
            standing=SubscriptionStanding.PENDING if is_pending else SubscriptionStanding.FAILED,
            reason=f"{step.change}: {reason}",
            failures=earlier.failures + 1,
        )
    )
    error_class = type(error).__name__
    tell(OrderFailed(change=step.change, error_class=error_class))
    # The next run tries again, so a first trouble that may pass is nobody's business yet.
    may_pass = isinstance(error, TransientError) and not earlier.failures
    logger.log(
        logging.WARNING if may_pass else logging.ERROR,
        "Could not %s the subscription of %s: %s",
        step.change,
        step.mailbox_id,
        reason,
        extra={"action": "subscription-failed", "mailbox_id": step.mailbox_id, "error_class": error_class},
    )
    return None


async def _record_actual(
    actual: Sequence[Subscription],
    records: Mapping[str, SubscriptionRecord],
    wanted: Collection[str],
    ports: Ports,
) -> None:
    """Bring our rows in line with what Graph lists; writes only rows that differ."""
    for subscription in actual:
        if subscription.mailbox_id not in wanted:
            continue
        record = records.get(subscription.mailbox_id)
        is_known = record is not None and record.subscription_id == subscription.subscription_id
        if record is not None and is_known and record.expires_at == subscription.expires_at:
            continue
        await ports.state.save_subscription_record(
            SubscriptionRecord(
                mailbox_id=subscription.mailbox_id,
                standing=SubscriptionStanding.ACTIVE,
                subscription_id=subscription.subscription_id,
                expires_at=subscription.expires_at,
                renewed_at=record.renewed_at if record and is_known else None,
            )
        )
    listed = {subscription.mailbox_id for subscription in actual}
    for mailbox_id in records:
        if mailbox_id not in listed and mailbox_id not in wanted:
            await ports.state.delete_subscription_record(mailbox_id)
