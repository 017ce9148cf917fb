"""Which notifications a change raises: types, ids, noise, and how they look in JSON.

Sources: Graph documentation, resources/changenotification, outlook-change-notifications-overview,
change-notifications-lifecycle-events.
"""

import random
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Literal

from local.graph.events import Change, Event
from local.graph.subscriptions import Subscription

ChangeType = Literal["created", "updated", "deleted"]
LifecycleEvent = Literal["reauthorizationRequired", "subscriptionRemoved", "missed"]

_CREATED_BEFORE_UPDATED = 0.25
"""Probability, under noise, that the burst of an update begins with `created`."""


def occurred(
    change: Change, subscription: Subscription, *, was_covered: bool, is_covered: bool, move_notifies: str
) -> list[tuple[ChangeType, Event]]:
    """What a change is to a subscription, which sees only what it covers; each with the state that names the id."""
    before, after = change.before, change.after
    if before is None or not was_covered:
        return [("created", after)] if is_covered else []
    if not is_covered:
        return [("deleted", before)]
    has_new_id = before.id_in(subscription.id_form) != after.id_in(subscription.id_form)
    has_moved = before.calendar_id != after.calendar_id and move_notifies == "deleted+created"
    return [("deleted", before), ("created", after)] if has_new_id or has_moved else [("updated", after)]


def burst(
    change_type: ChangeType, subscription: Subscription, switches: Mapping[str, Any], chance: random.Random
) -> list[ChangeType]:
    """The types of the notifications that one occurrence raises, first to last. Empty where nobody subscribed to it."""
    if change_type not in subscription.change_types:
        return []
    size = chance.randint(1, 4) if switches["burst"] == "random" else int(switches["burst"])
    if change_type == "deleted" and not switches["deleted_with_updated"]:
        return ["deleted"]
    types: list[ChangeType] = [change_type, *(["updated"] * (size - 1))]  # type: ignore[list-item]
    if not switches["change_type_noise"]:
        return [each for each in types if each in subscription.change_types]
    if change_type == "updated" and size > 1 and chance.random() < _CREATED_BEFORE_UPDATED:
        types[0] = "created"
    return types


def notification_json(
    change_type: ChangeType, event: Event, subscription: Subscription, tenant_id: str, etag_form: str
) -> dict[str, Any]:
    event_id = event.id_in(subscription.id_form)
    path = f"Users/{event.mailbox_id}/Events/{event_id}"
    etag = event.etag if etag_form == "same" else f'W/"DwAAABYAAAB{event.change_key}"'
    return {
        **_envelope(subscription, tenant_id),
        "changeType": change_type,
        "resource": path,
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.Event",
            "@odata.id": path,
            **({} if change_type == "deleted" else {"@odata.etag": etag}),
            "id": event_id,
        },
    }


def lifecycle_json(event: LifecycleEvent, subscription: Subscription, tenant_id: str) -> dict[str, Any]:
    return {**_envelope(subscription, tenant_id), "lifecycleEvent": event}


def _envelope(subscription: Subscription, tenant_id: str) -> dict[str, Any]:
    expires_at = subscription.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    state = {"clientState": subscription.client_state} if subscription.client_state is not None else {}
    return {
        "subscriptionId": subscription.subscription_id,
        "subscriptionExpirationDateTime": expires_at,
        "tenantId": tenant_id,
        **state,
    }
