"""Which Graph subscriptions to create, renew, replace or remove. Pure.

Facts this rests on (Graph documentation, resources/subscription 2026-09-17 and change-notifications-lifecycle-events
2026-03-24, checked 2026-11-21): an Outlook event subscription lives at most 10,080 minutes; renewing also
reauthorizes; renewing and reauthorizing one subscription within ten minutes corrupts it, so we only ever renew; a
lifecycle URL cannot be added later; the list does not show client states.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

MAXIMUM_LIFETIME = timedelta(minutes=10_080)
RENEWAL_QUIET = timedelta(minutes=10)
"""A renewal that is asked for sooner after the last one waits for the rest of this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A Graph subscription as listed. `mailbox_id` is read from its resource path, lower case."""

    subscription_id: str
    mailbox_id: str
    notification_url: str
    lifecycle_url: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPolicy:
    """Where Graph shall call us, and how long before its end a subscription is renewed.

    The URLs name the secret that the client state was made under (see `key_of`): a renewal keeps the client state, so a
    subscription made under another secret points elsewhere and is replaced.

    `renewal_margin` must exceed two timer intervals, so that a missed run loses nothing.
    """

    notification_url: str
    lifecycle_url: str
    renewal_margin: timedelta = timedelta(days=2)


class Change(StrEnum):
    """What is done to a mailbox's subscription."""

    CREATE = "create"
    RENEW = "renew"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedChange:
    """One step of the plan. A replacement is a removal and a creation, in that order. `why` is for people."""

    change: Change
    mailbox_id: str
    subscription_id: str | None = None
    why: str = ""


def key_of(secret: str) -> str:
    """A name for a secret, from which it cannot be told: eight hexadecimal digits of its SHA-256."""
    return sha256(secret.encode()).hexdigest()[:8]


def expiry_for(mailbox_id: str, now: datetime) -> datetime:
    """When a subscription made or renewed now shall end: five to six and a half days ahead, spread by mailbox.

    Spread, so that ten thousand subscriptions made in one hour do not fall due in one hour; derived from the mailbox,
    so that a repeated request asks for the same.
    """
    share = int.from_bytes(sha256(mailbox_id.encode()).digest()[:4]) / 2**32
    return now + timedelta(days=5) + share * timedelta(days=1.5)


def renewal_due(subscription: Subscription, now: datetime, margin: timedelta) -> bool:
    """Whether `subscription` should be renewed in this run. Times are aware UTC."""
    return subscription.expires_at - now <= margin


def plan_changes(
    wanted: Iterable[str], actual: Iterable[Subscription], now: datetime, policy: SubscriptionPolicy
) -> Sequence[PlannedChange]:
    """The steps from what Graph has to what we want, removals first: a replacement must not collide with its old self.

    `actual` holds this app's event subscriptions. Of several for one mailbox the one that lives longest is kept.
    """
    wanted_ids = set(wanted)
    removals: list[PlannedChange] = []
    renewals: list[PlannedChange] = []
    kept: set[str] = set()
    for subscription in sorted(actual, key=lambda one: one.expires_at, reverse=True):
        why = _why_remove(subscription, wanted_ids, kept, policy)
        if why:
            removals.append(_step(Change.REMOVE, subscription, why))
            continue
        kept.add(subscription.mailbox_id)
        if renewal_due(subscription, now, policy.renewal_margin):
            renewals.append(_step(Change.RENEW, subscription, "due"))
    creations = [
        PlannedChange(change=Change.CREATE, mailbox_id=mailbox_id, why="none there")
        for mailbox_id in sorted(wanted_ids - kept)
    ]
    return [*removals, *renewals, *creations]


def _why_remove(subscription: Subscription, wanted: set[str], kept: set[str], policy: SubscriptionPolicy) -> str:
    if subscription.mailbox_id not in wanted:
        return "mailbox is not wanted"
    if subscription.notification_url != policy.notification_url:
        return "points elsewhere"
    if subscription.lifecycle_url != policy.lifecycle_url:
        return "lacks our lifecycle URL, which cannot be added"
    return "second one for the mailbox" if subscription.mailbox_id in kept else ""


def _step(change: Change, subscription: Subscription, why: str) -> PlannedChange:
    return PlannedChange(
        change=change,
        mailbox_id=subscription.mailbox_id,
        subscription_id=subscription.subscription_id,
        why=why,
    )
