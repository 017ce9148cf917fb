"""The plan from the subscriptions that Graph has to those that we want."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from sync.core.subscriptions import (
    MAXIMUM_LIFETIME,
    Change,
    PlannedChange,
    Subscription,
    SubscriptionPolicy,
    expiry_for,
    key_of,
    plan_changes,
    renewal_due,
)
from tests.unit.values import MAILBOX, NOW, OTHER_MAILBOX

POLICY = SubscriptionPolicy(
    notification_url="https://app.example/api/graph/notifications",
    lifecycle_url="https://app.example/api/graph/lifecycle",
    renewal_margin=timedelta(days=2),
)
TICK = timedelta(seconds=1)


def a_subscription(**different: Any) -> Subscription:
    """One of ours that needs nothing yet."""
    fields = {
        "subscription_id": "one",
        "mailbox_id": MAILBOX,
        "notification_url": POLICY.notification_url,
        "lifecycle_url": POLICY.lifecycle_url,
        "expires_at": NOW + timedelta(days=5),
        **different,
    }
    return Subscription(**fields)


def plan(wanted: list[str], *actual: Subscription) -> list[tuple[Change, str, str | None]]:
    steps = plan_changes(wanted, actual, NOW, POLICY)
    return [(step.change, step.mailbox_id, step.subscription_id) for step in steps]


def test_what_is_as_wanted_needs_nothing() -> None:
    assert plan([MAILBOX], a_subscription()) == []


def test_what_is_missing_is_created() -> None:
    assert plan([OTHER_MAILBOX, MAILBOX]) == [
        (Change.CREATE, MAILBOX, None),
        (Change.CREATE, OTHER_MAILBOX, None),
    ]


def test_what_is_wanted_twice_is_created_once() -> None:
    assert plan([MAILBOX, MAILBOX]) == [(Change.CREATE, MAILBOX, None)]


def test_what_is_no_longer_wanted_is_removed() -> None:
    assert plan([], a_subscription()) == [(Change.REMOVE, MAILBOX, "one")]


@pytest.mark.parametrize(
    ("different", "why"),
    [
        pytest.param({"notification_url": "https://old.example/api"}, "points elsewhere", id="points elsewhere"),
        pytest.param({"lifecycle_url": None}, "lacks our lifecycle URL, which cannot be added", id="no lifecycle URL"),
        pytest.param(
            {"lifecycle_url": "https://old.example/api"},
            "lacks our lifecycle URL, which cannot be added",
            id="another lifecycle URL",
        ),
    ],
)
def test_what_cannot_be_repaired_is_replaced(different: dict[str, Any], why: str) -> None:
    assert plan_changes([MAILBOX], [a_subscription(**different)], NOW, POLICY) == [
        PlannedChange(change=Change.REMOVE, mailbox_id=MAILBOX, subscription_id="one", why=why),
        PlannedChange(change=Change.CREATE, mailbox_id=MAILBOX, why="none there"),
    ]


def test_every_removal_comes_before_every_renewal_and_creation() -> None:
    """A replacement collides with its old self (409), whatever order the list had."""
    third = "33333333-3333-4333-8333-333333333333"
    steps = plan(
        [MAILBOX, OTHER_MAILBOX, third],
        a_subscription(mailbox_id=OTHER_MAILBOX, subscription_id="due", expires_at=NOW),
        a_subscription(subscription_id="old", notification_url="https://old.example/api"),
    )
    assert steps == [
        (Change.REMOVE, MAILBOX, "old"),
        (Change.RENEW, OTHER_MAILBOX, "due"),
        (Change.CREATE, MAILBOX, None),
        (Change.CREATE, third, None),
    ]


@pytest.mark.parametrize("is_reversed", [False, True])
def test_of_several_for_one_mailbox_the_longest_lived_is_kept(is_reversed: bool) -> None:
    several = [
        a_subscription(subscription_id="short", expires_at=NOW + timedelta(days=3)),
        a_subscription(subscription_id="long", expires_at=NOW + timedelta(days=5)),
        a_subscription(subscription_id="shorter", expires_at=NOW + timedelta(days=1)),
    ]
    if is_reversed:
        several.reverse()
    removed = plan([MAILBOX], *several)
    assert removed == [(Change.REMOVE, MAILBOX, "short"), (Change.REMOVE, MAILBOX, "shorter")]


def test_a_longer_lived_one_that_points_elsewhere_does_not_win() -> None:
    elsewhere = a_subscription(
        subscription_id="elsewhere",
        notification_url="https://old.example",
        expires_at=NOW + timedelta(days=6),
    )
    assert plan([MAILBOX], a_subscription(), elsewhere) == [(Change.REMOVE, MAILBOX, "elsewhere")]


@pytest.mark.parametrize(
    ("expires_at", "is_due"),
    [
        pytest.param(NOW + POLICY.renewal_margin + TICK, False, id="before the margin"),
        pytest.param(NOW + POLICY.renewal_margin, True, id="at the margin"),
        pytest.param(NOW - TICK, True, id="expired, which Graph's list may still show"),
    ],
)
def test_a_subscription_is_renewed_within_the_margin(expires_at: Any, is_due: bool) -> None:
    subscription = a_subscription(expires_at=expires_at)
    assert renewal_due(subscription, NOW, POLICY.renewal_margin) is is_due
    assert plan([MAILBOX], subscription) == ([(Change.RENEW, MAILBOX, "one")] if is_due else [])


def test_a_subscription_made_under_another_secret_points_elsewhere_and_is_replaced() -> None:
    """A renewal keeps the client state, which was made under the secret that is to go."""
    earlier = a_subscription(notification_url=f"{POLICY.notification_url}?key={key_of('another secret')}")
    assert plan_changes([MAILBOX], [earlier], NOW, POLICY) == [
        PlannedChange(
            change=Change.REMOVE, mailbox_id=MAILBOX, subscription_id=earlier.subscription_id, why="points elsewhere"
        ),
        PlannedChange(change=Change.CREATE, mailbox_id=MAILBOX, why="none there"),
    ]


SECRET = "a-secret-with-more-than-enough-characters"


def test_the_name_of_a_secret_is_short_and_its_own() -> None:
    assert key_of(SECRET) == key_of(SECRET) != key_of(SECRET + " ")
    assert len(key_of(SECRET)) == 8
    assert key_of(SECRET) not in SECRET


def test_expiries_are_spread_below_the_maximum_and_outlast_the_margin() -> None:
    lifetimes = [expiry_for(str(UUID(int=number)), NOW) - NOW for number in range(1000)]
    assert timedelta(days=5) <= min(lifetimes) < timedelta(days=5.1)
    assert timedelta(days=6.4) < max(lifetimes) < timedelta(days=6.5) < MAXIMUM_LIFETIME
    assert min(lifetimes) > POLICY.renewal_margin
    tenths = {int((lifetime - timedelta(days=5)) / timedelta(days=0.15)) for lifetime in lifetimes}
    assert tenths == set(range(10))


def test_the_expiry_of_a_mailbox_is_the_same_when_asked_again() -> None:
    assert expiry_for(MAILBOX, NOW) == expiry_for(MAILBOX, NOW)
    assert expiry_for(MAILBOX, NOW) != expiry_for(OTHER_MAILBOX, NOW)
