"""The mails that Exchange would send on account of a meeting. The app must never cause one; tests look here.

Source: Graph documentation, user-post-events, event-update, event-delete, event-cancel.
"""

from dataclasses import dataclass
from typing import Literal

from local.graph.attendees import address_of
from local.graph.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One round of mails about a meeting, to its attendees' addresses. `event_id` is the immutable one."""

    kind: Literal["invitation", "update", "cancellation"]
    mailbox_id: str
    event_id: str
    recipients: tuple[str, ...]


def of_creation(event: Event) -> list[Mail]:
    """Invitations always go out."""
    return _mails("invitation", event, _addresses(event))


def of_update(before: Event, after: Event) -> list[Mail]:
    """An update goes to all attendees; where they are all that changed, to those who changed."""
    old, new = _addresses(before), _addresses(after)
    only_attendees_changed = old != new and {**before.properties, "attendees": None} == {
        **after.properties,
        "attendees": None,
    }
    same_time = (before.start_at, before.end_at) == (after.start_at, after.end_at)
    return _mails("update", after, old ^ new if only_attendees_changed and same_time else old | new)


def of_deletion(event: Event) -> list[Mail]:
    """An organiser's delete is a cancellation; an attendee's is silent."""
    return _mails("cancellation", event, _addresses(event))


def _addresses(event: Event) -> frozenset[str]:
    return frozenset(map(address_of, event.attendees))


def _mails(
    kind: Literal["invitation", "update", "cancellation"], event: Event, recipients: frozenset[str]
) -> list[Mail]:
    if not recipients or not event.is_organizer:
        return []
    return [
        Mail(
            kind=kind,
            mailbox_id=event.mailbox_id,
            event_id=event.immutable_id,
            recipients=tuple(sorted(recipients)),
        )
    ]
