"""Strategies for the values of the core. Few different ids, times and etags, so that equal ones meet often."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from sync.core.memory import KnownEvent, Link, Standing
from sync.core.reconcile import ABSENT, UNREAD, OnDeletion, Pair, Policy, Winner
from sync.core.sides import Booking, BookingPhase, Event, TimeSpan, event_hash
from sync.core.work_items import BookingChange, EventChange, MailboxJob, MailboxTask, Source, WorkOrderChange

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
MAILBOX = "11111111-1111-4111-8111-111111111111"
EVENT_ID = "event="

moments = st.integers(0, 4).map(lambda hours: NOW + timedelta(hours=hours))
spans = st.tuples(moments, st.integers(0, 2)).map(
    lambda pair: TimeSpan(start_at=pair[0], end_at=pair[0] + timedelta(hours=pair[1]))
)
mailbox_ids = st.sampled_from([MAILBOX, "22222222-2222-4222-8222-222222222222"])
event_ids = st.sampled_from([EVENT_ID, "EVENT=", "other="])
booking_ids = st.sampled_from(["booking-1", "booking-2"])
etags = st.sampled_from(["one", "two", "three"])
phases = st.sampled_from(BookingPhase)
ascii_ids = st.text(st.characters(codec="ascii"), min_size=1, max_size=40)
utc_times = st.timedeltas(timedelta(0), timedelta(days=100_000)).map(lambda since: NOW + since)

policies = st.builds(
    Policy,
    conflict_winner=st.sampled_from(Winner),
    on_deletion=st.sampled_from(OnDeletion),
    cancellable=st.frozensets(phases),
    keeps_past_events=st.booleans(),
)


def events(event_id: str | st.SearchStrategy[str] = EVENT_ID) -> st.SearchStrategy[Event]:
    return st.builds(
        Event,
        mailbox_id=st.just(MAILBOX),
        event_id=st.just(event_id) if isinstance(event_id, str) else event_id,
        etag=etags,
        span=spans,
        type=st.sampled_from(["singleInstance", "seriesMaster"]),
        is_all_day=st.booleans(),
        is_cancelled=st.booleans(),
        booking_id=st.none() | booking_ids,
        modified_at=moments,
    )


type Columns = tuple[str | None, str | None]


def naming(mailbox_id: str, event_id: str) -> st.SearchStrategy[Columns]:
    """A booking's event id and digest: both as we write them, or one alone, as an import or a form may leave them."""
    digest = event_hash(mailbox_id, event_id)
    return st.sampled_from([(event_id, digest), (event_id, None), (None, digest)])


def bookings_of(
    mailbox: st.SearchStrategy[str | None], columns: st.SearchStrategy[Columns]
) -> st.SearchStrategy[Booking]:
    def named(columns: Columns, **others: Any) -> Booking:
        return Booking(event_id=columns[0], event_hash=columns[1], **others)

    return st.builds(
        named,
        columns=columns,
        booking_id=booking_ids,
        etag=etags,
        span=spans,
        phase=phases,
        mailbox_id=mailbox,
        modified_at=moments,
    )


nothing_named: st.SearchStrategy[Columns] = st.just((None, None))
own_bookings = bookings_of(st.just(MAILBOX), nothing_named | naming(MAILBOX, EVENT_ID))
"""Bookings that the event may stand for."""
bookings = own_bookings | bookings_of(
    st.none() | mailbox_ids,
    nothing_named | st.tuples(mailbox_ids, event_ids).flatmap(lambda address: naming(*address)),
)
links = st.builds(
    Link,
    booking_id=booking_ids,
    mailbox_id=mailbox_ids,
    event_id=event_ids,
    agreed=spans,
    phase=phases,
    booking_etag=etags,
)
live_events = st.builds(
    Event,
    mailbox_id=st.just(MAILBOX),
    event_id=st.just(EVENT_ID),
    etag=etags,
    span=spans,
    booking_id=st.just("booking-1"),
    modified_at=moments,
)
pairs_of_any_kind = st.builds(
    Pair,
    mailbox_id=st.just(MAILBOX),
    event_id=st.just(EVENT_ID),
    decided_at=moments,
    standing=st.sampled_from(Standing),
    is_reported_removed=st.booleans(),
    was_looked_at_again=st.booleans(),
    event=st.just(ABSENT) | events(),
    is_located=st.just(UNREAD) | st.booleans(),
    booking=st.sampled_from([UNREAD, ABSENT]) | bookings,
    link=st.none() | links,
    twin=st.sampled_from([UNREAD, ABSENT]) | events(event_ids),
)
reported_deletions = st.builds(
    Pair,
    mailbox_id=st.just(MAILBOX),
    event_id=st.just(EVENT_ID),
    decided_at=st.sampled_from([NOW, NOW, NOW + timedelta(hours=2)]),
    standing=st.sampled_from([Standing.UNKNOWN, Standing.LINKED]),
    is_reported_removed=st.just(True),
    event=st.just(ABSENT) | live_events,
    is_located=st.just(False),
    booking=own_bookings,
    link=st.none() | links,
    twin=st.just(ABSENT),
)
"""Few of the pairs of any kind come near the end of a booking; these do."""
pairs = pairs_of_any_kind | reported_deletions
"""Pairs whose event has been read, likely or not."""

event_changes = st.builds(
    EventChange,
    mailbox_id=ascii_ids,
    event_id=ascii_ids,
    received_at=utc_times,
    correlation_id=ascii_ids,
    source=st.sampled_from(Source),
    etags=st.lists(st.text(max_size=20), max_size=8).map(tuple),
    is_removed=st.booleans(),
    deferrals=st.integers(0, 10_000),
    waiting_since=st.none() | utc_times,
    rechecks=st.integers(0, 100),
)
booking_changes = st.builds(
    BookingChange,
    booking_id=ascii_ids,
    received_at=utc_times,
    correlation_id=ascii_ids,
    source=st.sampled_from(Source),
    fingerprint=st.none() | st.text(max_size=32),
    etag=st.none() | st.text(max_size=20),
    is_new=st.booleans(),
    is_deleted=st.booleans(),
    mailbox_id=st.none() | ascii_ids,
    event_id=st.none() | ascii_ids,
    event_hash=st.none() | st.text(max_size=64),
    resource_id=st.none() | ascii_ids,
    deferrals=st.integers(0, 10_000),
    waiting_since=st.none() | utc_times,
)
work_order_changes = st.builds(
    WorkOrderChange,
    work_order_id=ascii_ids,
    received_at=utc_times,
    correlation_id=ascii_ids,
    source=st.sampled_from(Source),
    deferrals=st.integers(0, 10_000),
    waiting_since=st.none() | utc_times,
)
mailbox_tasks = st.builds(
    MailboxTask,
    mailbox_id=ascii_ids,
    job=st.sampled_from(MailboxJob),
    received_at=utc_times,
    correlation_id=ascii_ids,
    source=st.sampled_from(Source),
    subscription_id=st.none() | ascii_ids,
    is_full=st.booleans(),
    deferrals=st.integers(0, 10_000),
    waiting_since=st.none() | utc_times,
)
work_items = event_changes | booking_changes | work_order_changes | mailbox_tasks
known_events = st.builds(
    KnownEvent,
    mailbox_id=st.just(MAILBOX),
    event_id=event_ids,
    standing=st.sampled_from(Standing),
    span=st.none() | spans,
    etags=st.lists(etags, unique=True).map(tuple),
    remembered_until=st.none() | moments,
)
memories = st.lists(known_events, unique_by=lambda one: one.event_id).map(
    lambda several: {one.event_id: one for one in several}
)
"""What is remembered of a mailbox, by event id."""

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> Any:
    """`document` with one value anywhere in it left out or replaced by arbitrary JSON."""
    if draw(st.integers(0, 3)) == 0 or not isinstance(document, dict | list) or not document:
        return draw(json_values)
    place = draw(st.sampled_from(list(document) if isinstance(document, dict) else range(len(document))))
    copy = dict(document) if isinstance(document, dict) else list(document)
    if draw(st.integers(0, 5)) == 0:
        del copy[place]
    else:
        copy[place] = draw(damaged(document[place]))
    return copy
