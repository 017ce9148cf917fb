"""Bodies of notifications as Graph posts them, genuine to the last sign, for measurements of the door."""

import json
import random
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from local.sample import TECHNICIANS, TENANT_ID, event_id
from sync.core.notifications import client_state

type NamedEvent = tuple[str, str]
"""Mailbox id and event id."""


def notification(event: NamedEvent, etag_number: int, secret: str) -> dict[str, Any]:
    """One item of a body, telling of a state of the event that its number stands for."""
    mailbox_id, changed = event
    resource = f"Users/{mailbox_id}/Events/{changed}"
    return {
        "subscriptionId": "7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
        "subscriptionExpirationDateTime": "2030-01-01T00:00:00Z",
        "clientState": client_state(mailbox_id, secret),
        "changeType": "updated",
        "resource": resource,
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.Event",
            "@odata.id": resource,
            "@odata.etag": f'W/"{etag_number:032x}"',
            "id": changed,
        },
        "tenantId": TENANT_ID,
    }


def new_events() -> Iterator[NamedEvent]:
    """Events that nobody has seen, in mailboxes of the sample, without end."""
    mailboxes = [technician.mailbox_id for technician in TECHNICIANS if technician.has_mailbox]
    chance = random.Random(0)
    for number in count():
        yield chance.choice(mailboxes), event_id(f"bench:{number}")


def bodies(secret: str, events: Iterator[NamedEvent], *, items: int = 1, of_events: int = 1) -> Iterator[bytes]:
    """Bodies without end, each of so many items about the next `of_events` events in turn."""
    numbers = count()
    while True:
        named: Sequence[NamedEvent] = [next(events) for _ in range(of_events)]
        told = [notification(named[item % of_events], next(numbers), secret) for item in range(items)]
        yield json.dumps({"value": told}).encode()
