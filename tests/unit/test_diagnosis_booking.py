"""The diagnosis of a booking on plain values: what needs no tenant to come about, or hardly ever does."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.wiring import SUBSCRIPTIONS
from sync.core import diagnosis_booking_words as words
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
from sync.core.memory import KnownBooking
from sync.core.reconcile import OnCancellation, Policy
from sync.core.rules import Rules
from sync.core.server_side_sync import Approval, MailboxSetup, MailboxTest, SyncMethod
from sync.core.sides import BookingPhase, EventAddress
from sync.core.sweeping import WindowPolicy, window_at
from sync.core.work_items import Source
from tests.diagnosing import failing, finding_of, not_known
from tests.unit.values import (
    BOOKING_ID,
    EVENT_ID,
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
