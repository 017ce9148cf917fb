"""The two forms of an event's id, and the ids of occurrences.

An immutable id stays with the item wherever it goes in its mailbox; the default form belongs to item *and* calendar,
so that a move changes it. Occurrence ids hold their series' id and the date, as Exchange's do. Ids are case-sensitive
and end in `=`. Source: Graph documentation, outlook-immutable-id.
"""

import base64
import hashlib
from collections.abc import Callable
from datetime import date
from typing import Literal

IdForm = Literal["immutable", "default"]

_IMMUTABLE_PREFIX = "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A"
_DEFAULT_PREFIX = "AAMkAGQ2YjE4NzA1LTM4ZjktNDJhNS1iNmE2"
_DIGEST_BYTES = 41
_DATE_BYTES = 3
_CALENDAR_BYTES = 23


def form_of(event_id: str) -> IdForm | None:
    """The form of an id; None for what cannot be an event id."""
    if event_id.startswith(_IMMUTABLE_PREFIX):
        return "immutable"
    return "default" if event_id.startswith(_DEFAULT_PREFIX) else None


def new_immutable_id(random_bytes: Callable[[int], bytes]) -> str:
    return _encode(_IMMUTABLE_PREFIX, random_bytes(_DIGEST_BYTES))


def default_id(immutable_id: str, calendar_id: str) -> str:
    """The default-form id of an item while it lies in a calendar."""
    return _encode(_DEFAULT_PREFIX, hashlib.sha512(f"{immutable_id} {calendar_id}".encode()).digest()[:_DIGEST_BYTES])


def ical_uid(immutable_id: str) -> str:
    """The id that an event has in the mailboxes of all who are invited, in the form that Exchange gives it."""
    return f"040000008200E00074C5B7101A82E008{hashlib.sha256(immutable_id.encode()).hexdigest().upper()}"


def occurrence_id(series_id: str, on: date) -> str:
    """The id of the occurrence that the series planned for `on`, in the form of `series_id`."""
    prefix, tail = _split(series_id)
    return _encode(prefix, tail + on.toordinal().to_bytes(_DATE_BYTES))


def series_of(event_id: str) -> tuple[str, date] | None:
    """Series id and planned date of an occurrence id; None for the id of an item of its own."""
    try:
        prefix, tail = _split(event_id)
        if len(tail) != _DIGEST_BYTES + _DATE_BYTES:
            return None
        on = date.fromordinal(int.from_bytes(tail[_DIGEST_BYTES:]))
    except ValueError:
        return None
    return _encode(prefix, tail[:_DIGEST_BYTES]), on


def change_key(event_id: str, sequence: int) -> str:
    """The change key of an item's state; another `sequence`, another key."""
    return base64.b64encode(hashlib.sha256(f"{event_id} {sequence}".encode()).digest()[:22]).decode()


def calendar_id(mailbox_id: str, number: int) -> str:
    """The id of a mailbox's calendar; the same in both forms."""
    return _encode(_DEFAULT_PREFIX, hashlib.sha512(f"{mailbox_id} {number}".encode()).digest()[:_CALENDAR_BYTES])


def _split(event_id: str) -> tuple[str, bytes]:
    prefix = event_id[: len(_IMMUTABLE_PREFIX)]
    return prefix, base64.urlsafe_b64decode(event_id[len(prefix) :])


def _encode(prefix: str, tail: bytes) -> str:
    return prefix + base64.urlsafe_b64encode(tail).decode()
