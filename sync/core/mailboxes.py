"""What we remember of a mailbox as a whole, or of the table of bookings, which stands beside them as one more."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sync.core.sides import TimeSpan

BOOKINGS = "bookings"
"""Stands where a mailbox id would, for what concerns the table of bookings as a whole: its breaker, its journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a mailbox's sweep has come. The delta link is opaque and belongs to the window it was made for."""

    mailbox_id: str
    delta_link: str
    window: TimeSpan
    saved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingCursor:
    """How far the sweep of the booking table has come. `began_at` is when the round began that ended in it."""

    delta_link: str
    began_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """A walk over all bookings that are to have events: where it stands, so that it can be taken up again.

    `next_link` is the page to read next, None when all are queued; `queued` counts the bookings so far.
    """

    began_at: datetime
    window: TimeSpan
    next_link: str | None
    queued: int = 0


class QuarantineKind(StrEnum):
    """Why a mailbox is set aside: it does not answer to us, or Microsoft's own sync is on for it."""

    UNREACHABLE = "unreachable"
    MICROSOFT_SYNC = "microsoft-sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """A mailbox that we do not work in. One that we cannot reach is probed again at `probe_at`."""

    mailbox_id: str
    reason: str
    since: datetime
    probe_at: datetime
    probes: int = 0
    kind: QuarantineKind = QuarantineKind.UNREACHABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The deletion breaker of one mailbox: what it let pass lately, and whether it holds."""

    mailbox_id: str
    passed_at: tuple[datetime, ...] = ()
    held_since: datetime | None = None
    held: int = 0
    released_until: datetime | None = None
    version: str | None = None


class SubscriptionStanding(StrEnum):
    """How a mailbox's subscription is doing, for people."""

    ACTIVE = "active"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRecord:
    """Our row about a mailbox's subscription: what was done last, and why it is not active."""

    mailbox_id: str
    standing: SubscriptionStanding
    subscription_id: str | None = None
    expires_at: datetime | None = None
    renewed_at: datetime | None = None
    reason: str = ""
    failures: int = 0
