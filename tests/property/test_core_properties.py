"""What holds for every value that the core can meet, likely or not."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from math import inf
from typing import Any

import httpx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sync.adapters.dataverse_wire import booking_from_wire
from sync.adapters.graph_wire import delta_page_from_wire, event_from_wire, subscription_from_wire
from sync.adapters.transport import Answer, retry_after_seconds
from sync.core.acceptance import Accepted
from sync.core.actions import (
    AdoptTwin,
    CancelBooking,
    ClearEventId,
    DeleteBooking,
    LocateEvent,
    ReadBooking,
    RecordAgreement,
    SearchTwin,
    UpdateBooking,
    UpdateEvent,
)
from sync.core.coalescing import merge
from sync.core.errors import RejectedRequest, SyncError
from sync.core.mailboxes import Breaker
from sync.core.memory import KnownEvent, Link, Standing
from sync.core.notifications import accept_changes, accept_lifecycle, authenticate, client_state
from sync.core.reconcile import ABSENT, UNREAD, OnDeletion, Pair, Policy, ReadState, booking_id_of, decide
from sync.core.sides import Booking, BookingPhase, Event, TimeSpan, event_hash
from sync.core.subscriptions import MAXIMUM_LIFETIME, Change, Subscription, SubscriptionPolicy, expiry_for, plan_changes
from sync.core.sweeping import BreakerPolicy, WindowPolicy, breaker_holds, judge_round, window_at
from sync.core.work import item_from_text, item_to_text
from sync.core.work_items import EventChange, WorkItem, mailbox_of
from tests.property.values import (
    EVENT_ID,
    MAILBOX,
    NOW,
    ascii_ids,
    bookings,
    damaged,
    etags,
    event_changes,
    event_ids,
    events,
    json_values,
    live_events,
    memories,
    own_bookings,
    pairs,
    policies,
    spans,
    work_items,
)
from tests.unit.samples import sample

SECRET = "the secret that is in use, 32 characters"
TENANT = "6f6e7d1c-0000-4c5e-9a00-5a3b1d2c4e01"

type World = tuple[Booking | ReadState, bool, Event | ReadState]
worlds = st.tuples(st.just(ABSENT) | bookings, st.booleans(), st.just(ABSENT) | events(event_ids))
"""What the readings would answer: the booking, whether the event is located, the twin."""


def decided(pair: Pair, policy: Policy, world: World) -> tuple[Any, Pair, int]:
    """The action, all that was known for it, and how many readings it took."""
    booking, is_located, twin = world
    for readings in range(4):
        match decide(pair, policy):
            case ReadBooking():
                assert pair.booking is UNREAD
                pair = replace(pair, booking=booking)
            case LocateEvent():
                assert pair.is_located is UNREAD
                pair = replace(pair, is_located=is_located)
            case SearchTwin():
                assert pair.twin is UNREAD
                pair = replace(pair, twin=twin)
            case action:
                return action, pair, readings
    raise AssertionError("a fourth reading was asked for")


# The decision


@given(pairs, policies, worlds)
def test_every_pair_is_decided_within_three_readings(pair: Pair, policy: Policy, world: World) -> None:
    _, _, readings = decided(pair, policy, world)
    assert readings <= 3


@given(pairs, policies, worlds)
def test_a_booking_is_ended_only_when_everything_speaks_for_it(pair: Pair, policy: Policy, world: World) -> None:
    action, known, _ = decided(pair, policy, world)
    if not isinstance(action, CancelBooking | DeleteBooking):
        return
    booking, event = known.booking, known.event
    assert isinstance(booking, Booking)
    is_out_of_sight = (event is ABSENT and known.is_reported_removed) or known.is_located is False
    is_seen_dead = isinstance(event, Event) and event.is_cancelled
    assert is_seen_dead or (is_out_of_sight and known.twin is ABSENT), "proof, or two witnesses"
    assert booking.mailbox_id == MAILBOX, "still the mailbox's own"
    own_link = known.link if known.link is not None and known.link.is_of(MAILBOX, EVENT_ID) else None
    if booking.names_an_event:
        assert booking.names(MAILBOX, EVENT_ID), "no other event is the booking's"
    else:
        assert known.link is own_link, "no other event is the booking's by its link"
    assert booking.phase in policy.cancellable - {BookingPhase.CANCELLED}, "the status allows it"
    assert own_link is None or booking.span == own_link.agreed, "nobody edited it meanwhile"
    assert not policy.keeps_past_events or booking.span.end_at > known.decided_at, "it is not over"
    assert known.standing not in (Standing.FOREIGN, Standing.ENDED), "it was not settled before"
    assert (action.booking_id, action.etag) == (booking.booking_id, booking.etag), "and only as it was read"
    assert isinstance(action, DeleteBooking) is (policy.on_deletion is OnDeletion.DELETE), "as the customer chose"


def test_the_search_for_reasons_to_end_a_booking_finds_some() -> None:
    """Guards the property above against strategies that never reach it."""
    ended = []

    @settings(max_examples=400)
    @given(pairs, policies, worlds)
    def look(pair: Pair, policy: Policy, world: World) -> None:
        if isinstance(decided(pair, policy, world)[0], CancelBooking | DeleteBooking):
            ended.append(pair)

    look()
    assert len(ended) >= 10


@given(pairs, policies, worlds)
def test_a_booking_is_written_only_as_it_was_read_or_agreed(pair: Pair, policy: Policy, world: World) -> None:
    action, known, _ = decided(pair, policy, world)
    if not isinstance(action, UpdateBooking | UpdateEvent | AdoptTwin | ClearEventId):
        return
    if isinstance(known.booking, Booking):
        assert (action.booking_id, action.etag) == (known.booking.booking_id, known.booking.etag)
        assert known.booking.mailbox_id == MAILBOX
    else:
        assert isinstance(action, UpdateBooking)
        assert known.link is not None
        assert known.link.event_id == EVENT_ID
        assert (action.booking_id, action.etag) == (known.link.booking_id, known.link.booking_etag)


def performed(
    action: UpdateBooking | UpdateEvent | RecordAgreement, event: Event, booking: Booking
) -> tuple[Event, Booking]:
    """Event and booking after an action that brings a live pair into agreement."""
    if isinstance(action, RecordAgreement):
        return event, booking
    if action.names_event:
        digest = event_hash(event.mailbox_id, event.event_id)
        booking = replace(booking, event_id=event.event_id, event_hash=digest, etag="named")
    if isinstance(action, UpdateEvent):
        return replace(event, span=action.span), booking
    return event, replace(booking, span=action.span or booking.span, etag="written")


def link_between(event: Event, booking: Booking, agreed: TimeSpan) -> Link:
    return Link(
        booking_id=booking.booking_id,
        mailbox_id=event.mailbox_id,
        event_id=event.event_id,
        agreed=agreed,
        phase=booking.phase,
        booking_etag=booking.etag,
    )


@given(live_events, own_bookings, st.none() | spans, policies)
def test_two_that_were_brought_together_agree_and_a_second_pass_does_nothing(
    event: Event, booking: Booking, agreed: TimeSpan | None, policy: Policy
) -> None:
    """The link, where there is one, is as the service saves it: of this event and this booking."""
    link = None if agreed is None else link_between(event, booking, agreed)
    pair = Pair(mailbox_id=MAILBOX, event_id=EVENT_ID, event=event, decided_at=NOW, booking=booking, link=link)
    action, _, _ = decided(pair, policy, (booking, True, ABSENT))
    if not isinstance(action, UpdateBooking | UpdateEvent | RecordAgreement):
        assert booking.phase in (BookingPhase.CANCELLED, BookingPhase.COMPLETED), "else the two are brought together"
        return
    event_after, booking_after = performed(action, event, booking)
    assert event_after.span == booking_after.span
    assert event_after.span in (event.span, booking.span), "nobody's times but one of the two"
    assert booking_after.names(MAILBOX, EVENT_ID), "also when our tables are lost"
    link = link_between(event_after, booking_after, event_after.span)
    settled = replace(pair, standing=Standing.LINKED, event=event_after, booking=UNREAD, link=link)
    assert decide(settled, policy) == RecordAgreement(event_after.span)
    assert booking_id_of(settled) == booking.booking_id


# Work items


@given(work_items)
def test_a_work_item_comes_back_as_it_went(item: WorkItem) -> None:
    assert item_from_text(item_to_text(item)) == item


@given(st.data(), work_items)
def test_a_damaged_work_item_is_read_or_refused(data: st.DataObject, item: WorkItem) -> None:
    text = json.dumps(data.draw(damaged(json.loads(item_to_text(item)))))
    with suppress(SyncError):
        item_from_text(text)


@given(st.text())
def test_any_text_on_a_queue_is_read_or_refused(text: str) -> None:
    with suppress(SyncError):
        item_from_text(text)


@given(st.lists(event_changes, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_merging_does_not_depend_on_the_order_of_arrival(items: list[EventChange], random: Any) -> None:
    """Items of one body, as the door makes them: received together, and numbered only after they were merged."""
    items = [
        EventChange(
            mailbox_id=MAILBOX,
            event_id=EVENT_ID,
            received_at=NOW,
            correlation_id="",
            etags=item.etags,
            is_removed=item.is_removed,
        )
        for item in items
    ]
    merged = merge(items)
    random.shuffle(items)
    again = merge(items)
    assert set(again.etags) == set(merged.etags)
    assert replace(again, etags=()) == replace(merged, etags=())


@given(st.lists(event_changes, min_size=1, max_size=6, unique_by=lambda item: item.received_at))
def test_merging_in_steps_comes_to_the_same_receipt(items: list[EventChange]) -> None:
    whole = merge(items)
    stepwise = items[0]
    for item in items[1:]:
        stepwise = merge([stepwise, item])
    assert (stepwise.received_at, stepwise.is_removed) == (whole.received_at, whole.is_removed)
    assert stepwise.correlation_id == whole.correlation_id


# What comes from outside

NOTIFICATION = {
    "subscriptionId": "aaaaaaaa-0000-4000-8000-000000000001",
    "changeType": "updated",
    "lifecycleEvent": "missed",
    "resourceData": {"id": EVENT_ID, "@odata.etag": "one"},
    "clientState": client_state(MAILBOX, SECRET),
    "tenantId": TENANT,
}


@pytest.mark.parametrize("accept", [accept_changes, accept_lifecycle])
@given(st.data())
def test_a_damaged_collection_is_refused_or_every_item_of_it_is_work_or_counted(
    accept: Callable[..., Accepted], data: st.DataObject
) -> None:
    document = data.draw(damaged({"value": [NOTIFICATION, NOTIFICATION]}))
    try:
        accepted = accept(
            json.dumps(document).encode(), secrets=[SECRET], tenant_id=TENANT, now=NOW, new_id=lambda: "any"
        )
    except RejectedRequest:
        return
    dropped = sum(accepted.dropped.values())
    assert accepted.received == len(document["value"])
    assert len(accepted.items) + dropped <= accepted.received
    assert bool(accepted.items) is (accepted.received > dropped)
    for item in accepted.items:
        assert mailbox_of(item) == MAILBOX
        assert item_from_text(item_to_text(item)) == item


@given(st.binary(max_size=200))
def test_any_bytes_at_the_door_are_refused_or_read(body: bytes) -> None:
    with suppress(RejectedRequest):
        accept_changes(body, secrets=[SECRET], tenant_id=TENANT, now=NOW, new_id=lambda: "any")


@given(json_values | st.text().map(lambda digest: f"{MAILBOX}.{digest}"))
def test_nothing_authenticates_but_what_was_signed(presented: Any) -> None:
    assert authenticate(presented, [SECRET]) is None


@given(ascii_ids.filter(lambda one: "." not in one))
def test_what_was_signed_authenticates_its_mailbox(mailbox_id: str) -> None:
    assert authenticate(client_state(mailbox_id, SECRET), ["another", SECRET]) == mailbox_id


type Parser = Callable[[dict[str, Any]], object]


def parse_event(data: dict[str, Any]) -> object:
    return event_from_wire(MAILBOX, data)


@pytest.mark.parametrize(
    ("parse", "document"),
    [
        pytest.param(booking_from_wire, sample("dataverse-booking", "booking"), id="booking"),
        pytest.param(delta_page_from_wire, sample("graph-delta-page", "page"), id="delta page"),
        pytest.param(subscription_from_wire, sample("graph-subscriptions", "list")["value"][0], id="subscription"),
        pytest.param(parse_event, sample("graph-event-linked", "event"), id="event"),
    ],
)
@given(st.data())
def test_a_damaged_answer_is_read_or_refused(parse: Parser, document: dict[str, Any], data: st.DataObject) -> None:
    answer = data.draw(damaged(document))
    assume(isinstance(answer, dict))
    with suppress(SyncError):
        parse(answer)


@given(st.binary(max_size=100))
def test_any_body_is_a_json_object_or_refused(body: bytes) -> None:
    with suppress(SyncError):
        assert isinstance(Answer(status=200, headers={}, body=body).json(), dict)


@given(st.text(st.characters(codec="ascii", exclude_characters="\r\n\0")) | st.integers().map(str))
def test_any_stated_wait_is_none_or_one_that_can_be_waited(text: str) -> None:
    seconds = retry_after_seconds(httpx.Headers({"Retry-After": text}), NOW)
    assert seconds is None or 0 <= seconds < inf


# Sweeps


@given(
    st.dictionaries(event_ids, etags),
    st.sets(event_ids),
    memories,
    st.sets(event_ids),
    st.booleans(),
)
def test_a_round_suspects_nothing_that_it_saw(
    seen: dict[str, str], reported: set[str], known: dict[str, KnownEvent], expected: set[str], is_full: bool
) -> None:
    findings = judge_round(
        seen=seen,
        reported_removed=reported,
        known=known,
        expected=expected,
        window=window_at(NOW, WindowPolicy()),
        is_full=is_full,
        now=NOW,
    )
    linked = {event_id for event_id, one in known.items() if one.standing is Standing.LINKED}
    assert set(findings.removed).isdisjoint(seen)
    assert set(findings.removed) <= linked | expected
    assert len(findings.removed) <= findings.linked
    assert findings.changed.items() <= seen.items()
    unknown = {event_id for event_id in seen if event_id not in known}
    assert unknown <= set(findings.changed), "what nobody knows is looked at"
    wrongly_foreign = {one for one in expected & set(seen) & set(known) if known[one].standing is Standing.FOREIGN}
    assert wrongly_foreign <= set(findings.changed), "what Dataverse names is looked at, whatever we remember"


@given(st.integers(0, 200), st.integers(0, 400), st.integers(0, 20), st.integers(0, 50), st.floats(0, 1))
def test_one_deletion_more_never_opens_the_breaker(
    removals: int, links_left: int, passed: int, number: int, share: float
) -> None:
    breaker = Breaker(mailbox_id=MAILBOX, passed_at=(NOW,) * passed)
    policy = BreakerPolicy(number=number, share=share)
    if breaker_holds(removals, links_left, breaker, NOW, policy):
        assert breaker_holds(removals + 1, links_left, breaker, NOW, policy)


# Subscriptions

POLICY = SubscriptionPolicy(notification_url="https://app.example/n", lifecycle_url="https://app.example/l")
mailboxes = st.sampled_from(["a", "b", "c"])
subscriptions = st.builds(
    Subscription,
    subscription_id=st.uuids().map(str),
    mailbox_id=mailboxes,
    notification_url=st.sampled_from([POLICY.notification_url, "https://old.example"]),
    lifecycle_url=st.sampled_from([POLICY.lifecycle_url, None]),
    expires_at=st.integers(-1, 7).map(lambda days: NOW + timedelta(days=days)),
)


@given(
    st.sets(mailboxes),
    st.lists(subscriptions, max_size=6, unique_by=lambda one: one.subscription_id),
)
def test_the_plan_leads_to_one_good_subscription_per_wanted_mailbox(
    wanted: set[str], actual: list[Subscription]
) -> None:
    there = {one.subscription_id: one for one in actual}
    for step in plan_changes(wanted, actual, NOW, POLICY):
        expires_at = expiry_for(step.mailbox_id, NOW)
        if step.change is Change.REMOVE:
            del there[step.subscription_id or ""]
        elif step.change is Change.RENEW:
            renewed = there[step.subscription_id or ""]
            there[renewed.subscription_id] = replace(renewed, expires_at=expires_at)
        else:
            assert step.mailbox_id not in {one.mailbox_id for one in there.values()}, "Graph would answer 409"
            there[f"new-{step.mailbox_id}"] = Subscription(
                subscription_id=f"new-{step.mailbox_id}",
                mailbox_id=step.mailbox_id,
                notification_url=POLICY.notification_url,
                lifecycle_url=POLICY.lifecycle_url,
                expires_at=expires_at,
            )
    assert sorted(one.mailbox_id for one in there.values()) == sorted(wanted)
    assert plan_changes(wanted, there.values(), NOW, POLICY) == []


@given(st.text(st.characters(codec="utf-8")))
def test_every_expiry_is_within_what_graph_allows(mailbox_id: str) -> None:
    assert timedelta(days=5) <= expiry_for(mailbox_id, NOW) - NOW < timedelta(days=6.5) < MAXIMUM_LIFETIME
