"""The troubles that befall a tenant at one moment, unlike the weather, which lasts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from local.graph.subscriptions import Subscription
from simulation.history import Ill, Trouble
from simulation.stage import Stage

_LOOKS, _BETWEEN_LOOKS_SECONDS = 300, 0.1
_INTO_ITS_WORK_SECONDS = 0.2


async def _kill_worker(stage: Stage, __: Trouble) -> None:
    """When one is at work next, if that is soon."""
    for _ in range(_LOOKS):
        if any(instance.tasks for instance in stage.cluster.instances):
            break
        await asyncio.sleep(_BETWEEN_LOOKS_SECONDS)
    await asyncio.sleep(stage.chance.expovariate(1 / _INTO_ITS_WORK_SECONDS))
    await stage.cluster.crash()


async def _curse_message(stage: Stage, _: Trouble) -> None:
    stage.cluster.curse()


async def _forget_delta_tokens(stage: Stage, _: Trouble) -> None:
    stage.graph.delta_reader.expire_tokens()


async def _forget_tracking_tokens(stage: Stage, _: Trouble) -> None:
    stage.dataverse.switchboard.set_switches({"expire_delta_tokens": True})


async def _lose_mailbox(stage: Stage, trouble: Trouble) -> None:
    mailbox = stage.graph.world.mailboxes[stage.cast.mailboxes[trouble.technician]]
    if mailbox.access != "ok":
        return
    mailbox.access = "denied" if trouble.chance < 0.5 else "not_enabled" if trouble.chance < 1 else "gone"
    await asyncio.sleep(trouble.lasts)
    mailbox.access = "ok"


async def _lose_subscription(stage: Stage, trouble: Trouble) -> None:
    for subscription in _subscriptions(stage, trouble):
        stage.graph.subscriptions.delete(subscription.subscription_id)


async def _let_subscription_run_out(stage: Stage, trouble: Trouble) -> None:
    """Nobody has renewed it for days: unless somebody does in time, it ends without a word."""
    for subscription in _subscriptions(stage, trouble):
        subscription.expires_at = stage.clock.now() + timedelta(seconds=trouble.lasts)
    await asyncio.sleep(trouble.lasts)


async def _remove_subscription(stage: Stage, trouble: Trouble) -> None:
    for subscription in _subscriptions(stage, trouble):
        stage.graph.courier.send_lifecycle(subscription, "subscriptionRemoved")
        stage.graph.subscriptions.delete(subscription.subscription_id)
    stage.posted.set()


async def _miss_notifications(stage: Stage, trouble: Trouble) -> None:
    for subscription in _subscriptions(stage, trouble):
        stage.graph.courier.send_lifecycle(subscription, "missed")
    stage.posted.set()


async def _ask_for_reauthorization(stage: Stage, trouble: Trouble) -> None:
    """Until it is given, changes are lost."""
    for subscription in _subscriptions(stage, trouble):
        stage.graph.courier.send_lifecycle(subscription, "reauthorizationRequired")
        subscription.is_paused = True
    stage.posted.set()


def _subscriptions(stage: Stage, trouble: Trouble) -> list[Subscription]:
    mailbox_id = stage.cast.mailboxes[trouble.technician]
    return [one for one in stage.graph.subscriptions.live() if one.mailbox_id == mailbox_id]


MOMENTS: Mapping[Ill, Callable[[Stage, Trouble], Awaitable[None]]] = {
    Ill.CRASH: _kill_worker,
    Ill.BUG: _curse_message,
    Ill.DELTA_EXPIRED: _forget_delta_tokens,
    Ill.TRACKING_EXPIRED: _forget_tracking_tokens,
    Ill.MAILBOX_LOST: _lose_mailbox,
    Ill.SUBSCRIPTION_GONE: _lose_subscription,
    Ill.SUBSCRIPTION_EXPIRES: _let_subscription_run_out,
    Ill.SUBSCRIPTION_REMOVED: _remove_subscription,
    Ill.NOTIFICATIONS_MISSED: _miss_notifications,
    Ill.REAUTHORIZATION: _ask_for_reauthorization,
}
