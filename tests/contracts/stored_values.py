"""One full and one minimal value of each kind that is stored, for round trips."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sync.core.journal import DeadLetter, JournalEntry
from sync.core.mailboxes import (
    Backfill,
    BookingCursor,
    Breaker,
    Cursor,
    Quarantine,
    QuarantineKind,
    SubscriptionRecord,
    SubscriptionStanding,
)
from sync.core.memory import KnownBooking, KnownEvent, Link, Standing
from sync.core.sides import BookingPhase, EventAddress, TimeSpan
from sync.core.work_items import Source

NOW = datetime(2026, 11, 21, 9, 30, 15, 123456, tzinfo=UTC)
MAILBOX = "6e7b768e-07e2-4810-8459-485f84f8f204"
BOOKING = "a1b2c3d4-0000-4000-8000-000000000001"
EVENT = "AAMkAGI2TH-_8tGAAA="
SPAN = TimeSpan(start_at=NOW, end_at=NOW + timedelta(hours=2))

KNOWN_EVENT = KnownEvent(mailbox_id=MAILBOX, event_id=EVENT)
FULL_KNOWN_EVENT = KnownEvent(
    mailbox_id=MAILBOX,
    event_id=EVENT,
    standing=Standing.LINKED,
    booking_id=BOOKING,
    span=SPAN,
    etags=('W/"one"', 'W/"two"'),
    notified_etags=('W/"three"',),
    written_etag='W/"two"',
    made_at=NOW - timedelta(days=1),
    modified_at=NOW,
    read_at=NOW + timedelta(microseconds=1),
    doubted_at=NOW + timedelta(seconds=2),
    doubted_by="item-1",
    remembered_until=NOW.replace(microsecond=0),
    leased_by="worker-1",
    leased_until=NOW + timedelta(minutes=1),
)
KNOWN_BOOKING = KnownBooking(booking_id=BOOKING)
FULL_KNOWN_BOOKING = KnownBooking(
    booking_id=BOOKING,
    mailbox_id=MAILBOX,
    etags=('W/"1234"', 'W/"1235"'),
    fingerprint="0123456789abcdef0123456789abcdef",
    read_at=NOW + timedelta(microseconds=1),
    is_unfinished=True,
    begun_in="6e7b768e-07e2-4810-8459-485f84f8f204",
    begun_at=NOW - timedelta(minutes=1),
    leased_by="worker-1",
    leased_until=NOW + timedelta(minutes=1),
)
LINK = Link(
    booking_id=BOOKING,
    mailbox_id=MAILBOX,
    event_id=EVENT,
    agreed=SPAN,
    phase=BookingPhase.ON_BREAK,
    booking_etag='W/"1234"',
)
FULL_LINK = replace(
    LINK,
    event_etag='W/"two"',
    is_named=False,
    written={"subject": "5e8848", "body": "a1f0c4"},
    leftover=EventAddress("0c4a6a5c-9f8a-4f6e-8c35-2d6e1f3b7a90", "AAMkAGI2-former/_+="),
    named_before="5f1d7a84e9c2b3d6",
    generation=7,
)
BREAKER = Breaker(mailbox_id=MAILBOX)
FULL_BREAKER = Breaker(
    mailbox_id=MAILBOX,
    passed_at=(NOW, NOW + timedelta(seconds=1)),
    held_since=NOW,
    held=12,
    released_until=NOW + timedelta(hours=1),
)
CURSOR = Cursor(mailbox_id=MAILBOX, delta_link="https://graph/delta?$deltatoken=R0usmcMD", window=SPAN, saved_at=NOW)
BOOKING_CURSOR = BookingCursor(delta_link="https://dataverse/bookings?$deltatoken=919042%2108%2f22", began_at=NOW)
BACKFILL = Backfill(began_at=NOW, window=SPAN, next_link=None)
FULL_BACKFILL = replace(BACKFILL, next_link="https://dataverse/bookings?$skiptoken=%3Ccookie%20page", queued=300)
QUARANTINE = Quarantine(mailbox_id=MAILBOX, reason="no licence", since=NOW, probe_at=NOW + timedelta(hours=1))
FULL_QUARANTINE = replace(QUARANTINE, probes=3, kind=QuarantineKind.MICROSOFT_SYNC)
SUBSCRIPTION_RECORD = SubscriptionRecord(mailbox_id=MAILBOX, standing=SubscriptionStanding.PENDING)
FULL_SUBSCRIPTION_RECORD = SubscriptionRecord(
    mailbox_id=MAILBOX,
    standing=SubscriptionStanding.FAILED,
    subscription_id="sub-1",
    expires_at=NOW + timedelta(days=6),
    renewed_at=NOW,
    reason="our door did not answer",
    failures=4,
)
JOURNAL_ENTRY = JournalEntry(
    mailbox_id=MAILBOX,
    correlation_id="correlation-1",
    at=NOW,
    received_at=NOW - timedelta(seconds=3),
    source=Source.SWEEP,
    action="nothing",
    reason="echo",
)
FULL_JOURNAL_ENTRY = replace(
    JOURNAL_ENTRY,
    event_id=EVENT,
    booking_id=BOOKING,
    calls={"event.get": 1, "booking.update": 2},
    duration_ms=345,
    before="10:00 to 11:00",
    about="event event-1",
    deferrals=2,
    former_mailbox_id="0c4a6a5c-9f8a-4f6e-8c35-2d6e1f3b7a90",
    after="11:00 to 12:00 in Zürich 🗓",
)
DEAD_LETTER = DeadLetter(
    letter_id="letter-1",
    queue="event-changes",
    error_class="Refused",
    reason="a plug-in refuses the status change",
    mend="Remove the cause.",
    item='{"v":1}',
    mailbox_id=MAILBOX,
    correlation_id="correlation-1",
    at=NOW,
)

FULL_VALUES: tuple[Any, ...] = (
    FULL_KNOWN_EVENT,
    FULL_KNOWN_BOOKING,
    FULL_LINK,
    FULL_BREAKER,
    CURSOR,
    BOOKING_CURSOR,
    FULL_BACKFILL,
    FULL_QUARANTINE,
    FULL_SUBSCRIPTION_RECORD,
    FULL_JOURNAL_ENTRY,
    DEAD_LETTER,
)
MINIMAL_VALUES: tuple[Any, ...] = (
    KNOWN_EVENT,
    KNOWN_BOOKING,
    LINK,
    BREAKER,
    BACKFILL,
    QUARANTINE,
    SUBSCRIPTION_RECORD,
    JOURNAL_ENTRY,
)
