"""The diagnosis of a booking on plain values: what needs no tenant to come about, or hardly ever does."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.wiring import SUBSCRIPTIONS
from sync.core import diagnosis_booking_words as words
from sync.core.conflicts import Conflict, Side
from sync.core.diagnosis import Diagnosis, Unread
from sync.core.diagnosis_booking import explain_booking
from sync.core.diagnosis_booking_facts import BookingFacts
from sync.core.journal import DeadLetter, JournalEntry
from sync.core.mailboxes import (
    Breaker,
    Cursor,
    Quarantine,
    QuarantineKind,
    SubscriptionRecord,
    SubscriptionStanding,
)
from sync.core.memory import KnownBooking, Link
from sync.core.reconcile import OnCancellation, Policy
from sync.core.rules import Rules
from sync.core.server_side_sync import Approval, MailboxSetup, MailboxTest, SyncMethod
from sync.core.sides import BookingPhase, EventAddress, TimeSpan, WorkOrder
from sync.core.sweeping import WindowPolicy, window_at
from sync.core.work_items import Source
from tests.diagnosing import failing, finding_of, not_known
from tests.unit.values import (
    AGREED,
    BOOKING_ID,
    EVENT_ID,
    JUST_OVER,
    MAILBOX,
    MOVED,
    NOW,
    OTHER_MAILBOX,
    TEMPLATES,
    a_booking,
    a_delivered_link,
    a_link,
    an_event,
)

RULES = Rules(subscriptions=SUBSCRIPTIONS, templates=TEMPLATES)
SUBSCRIBED = SubscriptionRecord(
    mailbox_id=MAILBOX, standing=SubscriptionStanding.ACTIVE, expires_at=NOW + timedelta(days=5)
)
SWEPT = Cursor(mailbox_id=MAILBOX, delta_link="any", window=window_at(NOW, WindowPolicy()), saved_at=NOW)
MICROSOFT = MailboxSetup(
    method=SyncMethod.SERVER_SIDE, is_enabled=True, test=MailboxTest.SUCCESS, approval=Approval.APPROVED
)
SET_ASIDE = Quarantine(mailbox_id=MAILBOX, reason="why", since=NOW, probe_at=NOW, kind=QuarantineKind.MICROSOFT_SYNC)

_FACTS = BookingFacts(
    booking_id=BOOKING_ID,
    asked_at=NOW,
    booking=a_booking(),
    link=a_delivered_link(),
    mailbox_id=MAILBOX,
    address=EventAddress(MAILBOX, EVENT_ID),
    event=an_event(),
    subscription=SUBSCRIBED,
    cursor=SWEPT,
)


def why(rules: Rules = RULES, **different: Any) -> Diagnosis:
    """What is told of a booking that is equal and well but for what differs."""
    return explain_booking(replace(_FACTS, **different), rules)


@pytest.mark.parametrize(
    ("booking", "subject"),
    [
        (
            a_booking(work_order=WorkOrder(work_order_id="any", number="00027")),
            f"booking {BOOKING_ID} of work order 00027",
        ),
        (a_booking(work_order=WorkOrder(work_order_id="any")), f"booking {BOOKING_ID}"),
        (a_booking(work_order=None), f"booking {BOOKING_ID}"),
        (None, f"booking {BOOKING_ID}"),
        (Unread("down"), f"booking {BOOKING_ID}"),
    ],
    ids=["of-a-work-order", "of-one-without-a-number", "of-none", "gone", "unread"],
)
def test_a_booking_is_named_with_the_number_that_people_know(booking: Any, subject: str) -> None:
    assert why(booking=booking).subject == subject


def test_where_nothing_differs_all_is_well() -> None:
    told = why()
    assert told.verdict == "Booking and event are equal."
    assert failing(told) == not_known(told) == set()


def test_a_booking_that_names_an_event_without_a_link_is_about_to_be_linked() -> None:
    told = why(link=None)
    assert "the app holds no link to it" in told.verdict
    assert failing(told) == {"link", "agreement"}


def test_a_link_that_the_booking_does_not_name_yet_is_told() -> None:
    assert "does not name it yet" in why(booking=a_booking(event_id=None)).verdict


def test_an_event_with_the_mark_elsewhere_than_linked_is_shown() -> None:
    told = why(booking=a_booking(event_id=None), link=None, address=None, event=None, marked=an_event())
    assert "An event of the booking is there" in told.verdict
    assert "another one" in finding_of(told, "event").seen


def test_an_event_among_the_deleted_items_is_gone() -> None:
    told = why(event=None, is_among_deleted=True)
    assert finding_of(told, "event").seen == "among the deleted items"
    assert "not in the technician's calendar any more" in told.verdict


def test_a_booking_in_progress_is_not_said_to_be_cancelled_by_a_deletion() -> None:
    told = why(booking=a_booking(phase=BookingPhase.IN_PROGRESS), event=None)
    assert "stays in-progress" in told.next_step


@pytest.mark.parametrize("link", [None, a_delivered_link(agreed=JUST_OVER)], ids=["long ago", "just now"])
def test_a_visit_that_is_over_is_not_said_to_end_with_its_event(link: Link | None) -> None:
    told = why(booking=a_booking(span=JUST_OVER), link=link, event=None)
    assert "the booking stays as it is" in told.verdict
    assert failing(told) == {"event"}
    assert "KEEP_PAST_EVENTS" in finding_of(told, "event").meaning


def test_a_deleted_event_of_a_booking_that_was_moved_since_is_made_anew() -> None:
    assert "it gets a new one" in why(booking=a_booking(span=MOVED), event=None).verdict


def test_a_series_and_an_all_day_event_are_told_as_such() -> None:
    assert "made into a series" in why(event=an_event(type="seriesMaster", span=MOVED)).verdict
    assert "all-day event" in why(event=an_event(is_all_day=True, span=MOVED)).verdict


def test_a_cancelled_booking_that_still_has_its_event_is_about_to_lose_it_unless_it_is_kept() -> None:
    cancelled = a_booking(phase=BookingPhase.CANCELLED)
    told = why(booking=cancelled)
    assert told.verdict.startswith("Its event is to be removed: the booking was cancelled.")
    kept = why(replace(RULES, policy=Policy(on_cancellation=OnCancellation.KEEP)), booking=cancelled)
    assert "removed" not in kept.verdict
    assert "status" not in failing(kept)


def test_completed_work_keeps_its_event_and_gets_no_new_one() -> None:
    completed = a_booking(phase=BookingPhase.COMPLETED, event_id=None)
    assert "status" not in failing(why(booking=a_booking(phase=BookingPhase.COMPLETED)))
    told = why(booking=completed, link=None, address=None, event=None)
    assert "gets no new event" in told.verdict
    assert failing(told) == {"status"}


def test_what_lies_with_a_former_technician_is_told_once_the_rest_is_well() -> None:
    leftover = EventAddress(OTHER_MAILBOX, "AAMkAGI2-former=")
    assert "may still hold an event" in why(link=a_delivered_link(leftover=leftover)).verdict


def test_a_worker_at_work_is_told_while_its_lease_lasts_and_as_unfinished_afterwards() -> None:
    known = KnownBooking(
        booking_id=BOOKING_ID, is_unfinished=True, leased_by="w", leased_until=NOW + timedelta(minutes=1)
    )
    moved = a_booking(span=MOVED)
    assert "A worker is at it" in why(booking=moved, known=known).verdict
    told = why(booking=moved, known=replace(known, leased_until=NOW))
    assert "Dynamics will stand" in told.verdict
    assert "last-decision" in failing(told)


def test_a_subscription_that_has_ended_or_failed_is_told_with_its_reason() -> None:
    ended = replace(SUBSCRIBED, expires_at=NOW)
    failed = replace(SUBSCRIBED, standing=SubscriptionStanding.FAILED, reason="The door did not answer.")
    assert failing(why(subscription=ended)) == {"subscription"}
    told = why(subscription=failed)
    assert "The door did not answer." in finding_of(told, "subscription").seen


def test_a_mailbox_that_was_not_swept_for_a_day_is_told() -> None:
    assert failing(why(cursor=replace(SWEPT, saved_at=NOW - timedelta(days=1)))) == set()
    assert failing(why(cursor=replace(SWEPT, saved_at=NOW - timedelta(days=1, seconds=1)))) == {"sweep"}
    assert failing(why(cursor=None)) == {"sweep"}


@pytest.mark.parametrize(
    ("facts", "allows", "seen"),
    [
        ({"microsoft": MICROSOFT}, False, "on"),
        ({"microsoft": MICROSOFT, "quarantine": SET_ASIDE}, False, "on"),
        ({"quarantine": SET_ASIDE}, False, "on"),
        ({"microsoft": replace(MICROSOFT, is_enabled=False), "quarantine": SET_ASIDE}, False, "off by now"),
        ({"microsoft": MICROSOFT}, True, "on; ALLOW_MICROSOFT_SYNC=true"),
    ],
)
def test_microsofts_sync_is_told_by_its_setting_and_by_what_upkeep_made_of_it(
    facts: dict[str, Any], allows: bool, seen: str
) -> None:
    told = why(replace(RULES, allows_microsoft_sync=allows), **facts)
    assert failing(told) == {"microsoft-sync"}
    assert finding_of(told, "microsoft-sync").seen == seen


def test_without_a_look_at_dataverse_microsofts_sync_is_known_from_upkeep_alone() -> None:
    assert finding_of(why(), "microsoft-sync").seen == "off, as far as upkeep saw"
    off = replace(MICROSOFT, method=SyncMethod.NONE)
    assert finding_of(why(microsoft=off), "microsoft-sync").seen == "off"


def test_nothing_is_concluded_from_what_could_not_be_read() -> None:
    away = Unread("Storage is away.")
    for told in (why(link=away), why(quarantine=away)):
        assert told.verdict.startswith("It cannot be told how the two stand: Storage is away.")
    told = why(event=Unread("Outlook is away."), link=a_link(written={}))
    assert told.verdict.startswith("It cannot be told how the two stand: Outlook is away.")


AWAY = Unread("It is away.")


@pytest.mark.parametrize(
    ("fact", "rules"),
    [
        ("booking", {"booking"}),
        ("link", {"link", "status"}),
        ("microsoft", {"microsoft-sync"}),
        ("subscription", {"subscription"}),
        ("cursor", {"sweep"}),
        ("breaker", {"breaker"}),
        ("table_breaker", {"breaker-of-bookings"}),
        ("letters", {"dead-letters"}),
        ("entries", {"last-notification", "last-decision"}),
        ("conflicts", {"conflict"}),
    ],
)
def test_what_could_not_be_read_is_not_known_and_says_why(fact: str, rules: set[str]) -> None:
    unread: dict[str, Any] = {fact: AWAY}
    told = why(**unread)
    assert not_known(told) & rules
    assert all(finding_of(told, rule).seen for rule in not_known(told))


def test_where_dynamics_does_not_answer_nothing_is_said_of_the_booking() -> None:
    told = why(booking=AWAY)
    assert told.is_found is None
    assert told.verdict.startswith("Dynamics could not be asked about the booking: It is away.")


def test_a_booking_without_an_event_is_told_as_such_also_where_it_cannot_be_told_whether_one_is_due() -> None:
    told = why(link=None, address=None, event=None, quarantine=AWAY)
    assert finding_of(told, "link").meaning == "The app holds no event for this booking."


def days_from_now(days: int) -> TimeSpan:
    return TimeSpan(start_at=NOW + timedelta(days=days), end_at=NOW + timedelta(days=days, hours=1))


NO_EVENT_YET: dict[str, Any] = {"link": None, "address": None, "event": None}


def test_a_booking_too_far_ahead_has_no_event_yet_and_is_told_when_it_gets_one() -> None:
    ahead = a_booking(span=days_from_now(100), event_id=None)
    told = why(booking=ahead, **NO_EVENT_YET)
    assert "further ahead than the days" in told.verdict
    assert "too far ahead" in finding_of(told, "window").meaning
    assert f"{NOW + timedelta(days=100) - WindowPolicy().future:%Y-%m-%d}" in told.next_step


def test_a_booking_too_long_ago_gets_none() -> None:
    told = why(booking=a_booking(span=days_from_now(-100), event_id=None), **NO_EVENT_YET)
    assert "too long ago" in told.verdict
    assert "too long ago" in finding_of(told, "window").meaning


def test_a_booking_outside_the_days_keeps_the_event_that_it_has() -> None:
    span = days_from_now(100)
    told = why(booking=a_booking(span=span), link=a_delivered_link(agreed=span), event=an_event(span=span))
    assert "window" not in failing(told)
    assert "has its event already" in finding_of(told, "window").meaning


def test_a_technician_whose_mailbox_is_not_chosen_is_told_with_the_setting() -> None:
    told = why(replace(RULES, mailboxes=(OTHER_MAILBOX,)))
    assert "mailboxes" in failing(told)
    assert f"Add {MAILBOX} to MAILBOXES" in finding_of(told, "mailboxes").mend


def an_entry(action: str, *, source: Source = Source.PUSH, **different: Any) -> JournalEntry:
    return JournalEntry(
        mailbox_id=MAILBOX,
        correlation_id="item-1",
        at=NOW,
        received_at=NOW - timedelta(seconds=4),
        source=source,
        action=action,
        reason="why",
        booking_id=BOOKING_ID,
        **different,
    )


def test_the_last_notifications_are_told_and_what_each_came_to() -> None:
    told = why(entries=(an_entry("update-event"),))
    assert "update-event" in finding_of(told, "last-notification").seen
    assert "update-event" in finding_of(told, "last-decision").seen


def test_work_that_only_a_sweep_brought_is_told_as_such() -> None:
    told = why(entries=(an_entry("update-event", source=Source.SWEEP),))
    assert finding_of(told, "last-notification").seen.startswith("none; last work by sweep")


def test_a_change_that_was_given_up_is_not_followed() -> None:
    told = why(entries=(an_entry("buried"), an_entry("update-event")))
    assert failing(told) == {"last-decision"}
    assert "then given up" in finding_of(told, "last-decision").seen


def a_conflict(**different: Any) -> Conflict:
    values: dict[str, Any] = {
        "conflict_id": "conflict-1",
        "at": NOW,
        "mailbox_id": MAILBOX,
        "booking_id": BOOKING_ID,
        "event_id": EVENT_ID,
        "correlation_id": "item-1",
        "reason": "both-sides-moved",
        "winner": Side.OUTLOOK,
        "stands": AGREED,
        "lost": MOVED,
    }
    return Conflict(**values | different)


def test_a_value_that_was_overwritten_is_told_with_the_command_that_takes_it() -> None:
    told = why(conflicts=(a_conflict(),))
    assert failing(told) == {"conflict"}
    assert "conflicts --take conflict-1" in finding_of(told, "conflict").mend


def test_a_conflict_that_a_person_has_settled_is_none() -> None:
    told = why(conflicts=(a_conflict(taken_at=NOW),))
    assert failing(told) == set()
    assert finding_of(told, "conflict").seen == "1, all settled by a person"


def test_a_booking_that_is_gone_and_has_an_event_is_about_to_lose_it() -> None:
    told = why(booking=None)
    assert told.is_found is False
    assert told.verdict.startswith("Its event is to be removed: the booking was deleted in Dynamics.")


def test_rules_that_a_verdict_speaks_of_are_rules_that_there_are() -> None:
    """A misspelt one would be told a second time."""
    there_are = {finding.rule for finding in why().findings}
    spoken_of = {rule for rules in words._RULES_OF.values() for rule in rules} | set(words._OF_THE_EVENT)
    assert spoken_of <= there_are


def held_letter() -> DeadLetter:
    return DeadLetter(
        letter_id="letter-1",
        queue="event-changes",
        error_class="BreakerHeld",
        reason="10 deletions passed; more are held.",
        mend="Look at the mailbox.",
        item="any",
        mailbox_id=MAILBOX,
        correlation_id="any",
        at=NOW,
    )


def test_a_deletion_that_is_held_is_told_also_where_the_event_cannot_be_read() -> None:
    held = Breaker(mailbox_id=MAILBOX, held=12, held_since=NOW)
    away = Unread("Outlook is away.")
    assert "the breaker holds that" in why(breaker=held, letters=(held_letter(),), event=away).verdict
    assert "the breaker holds that" in why(breaker=held, event=None).verdict


def test_a_breaker_that_holds_others_does_not_make_an_event_that_is_there_a_deleted_one() -> None:
    held = Breaker(mailbox_id=MAILBOX, held=12, held_since=NOW)
    told = why(breaker=held, letters=(held_letter(),))
    assert told.verdict == "Booking and event are equal. See also: breaker, dead-letters."
    moved = why(breaker=held, letters=(held_letter(),), event=an_event(span=MOVED))
    assert "was deleted" not in moved.verdict


def test_an_item_that_was_dropped_after_it_had_been_put_back_waits_no_more() -> None:
    put_back = JournalEntry(
        mailbox_id=MAILBOX,
        correlation_id="item-1",
        at=NOW - timedelta(minutes=2),
        received_at=NOW - timedelta(minutes=3),
        source=Source.PUSH,
        action="delayed",
        reason="15 s: Graph is away.",
        booking_id=BOOKING_ID,
    )
    dropped = replace(put_back, at=NOW, action="dropped", reason="read-after-it-was-received")
    moved = a_booking(span=MOVED)
    waiting = why(booking=moved, entries=(put_back,))
    assert waiting.verdict.startswith("A change of it, received 2026-11-21 08:57 UTC, waits to be tried again: Graph")
    assert "next at 2026-11-21 08:58 UTC" in waiting.next_step
    told = why(booking=moved, entries=(dropped, put_back))
    assert "waits" not in told.verdict
    assert failing(told) == {"agreement"}
