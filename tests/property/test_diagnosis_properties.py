"""Whatever is known of a booking, its diagnosis has words for it, and they are about what the app would do."""

from dataclasses import replace
from typing import Any

from hypothesis import given

from local.wiring import SUBSCRIPTIONS
from sync.core.delivery_state import Delivery
from sync.core.diagnosis import Result, Unread
from sync.core.diagnosis_booking import explain_booking
from sync.core.diagnosis_booking_facts import BookingFacts
from sync.core.diagnosis_booking_words import words_of
from sync.core.mailboxes import Quarantine
from sync.core.reconcile import Policy
from sync.core.rules import Rules
from sync.core.sides import Booking, Event
from tests.property.delivery_values import answers, deliveries, policies
from tests.property.test_delivery_decisions import decided
from tests.unit.values import TEMPLATES


def facts_of(delivery: Delivery) -> BookingFacts:
    """What would have been gathered where a delivery knows this."""
    now, quarantine = delivery.decided_at, None
    if delivery.quarantine is not None:
        quarantine = Quarantine(mailbox_id="any", reason="why", since=now, probe_at=now, kind=delivery.quarantine)
    booking = delivery.booking if isinstance(delivery.booking, Booking) else None
    return BookingFacts(
        booking_id=delivery.booking_id,
        asked_at=now,
        booking=booking,
        link=delivery.link,
        mailbox_id=booking.mailbox_id if booking else None,
        address=delivery.link.address if delivery.link else None,
        event=delivery.event if isinstance(delivery.event, Event) else None,
        marked=delivery.found if isinstance(delivery.found, Event) else None,
        quarantine=quarantine,
    )


def rules_of(policy: Policy) -> Rules:
    return Rules(subscriptions=SUBSCRIPTIONS, templates=TEMPLATES, policy=policy)


@given(deliveries, policies, answers)
def test_every_decision_has_words_of_its_own(delivery: Delivery, policy: Policy, answers: dict[str, Any]) -> None:
    decision, known, _ = decided(delivery, policy, answers)
    told = words_of(decision, facts_of(known), rules_of(policy))
    assert told.verdict.endswith(".")
    assert told.next_step.endswith(".")


@given(deliveries, policies)
def test_a_diagnosis_is_given_of_anything_and_every_finding_is_complete(delivery: Delivery, policy: Policy) -> None:
    told = explain_booking(facts_of(delivery), rules_of(policy))
    assert told.verdict
    assert told.next_step
    assert len({finding.rule for finding in told.findings}) == len(told.findings)
    for finding in told.findings:
        assert finding.seen
        assert finding.meaning
        assert bool(finding.mend) is (finding.result is not Result.PASS)


@given(deliveries, policies)
def test_well_is_said_only_of_two_sides_that_were_seen_to_be_equal(delivery: Delivery, policy: Policy) -> None:
    seen = facts_of(delivery)
    for facts in (seen, replace(seen, event=Unread("Outlook is away."))):
        told = explain_booking(facts, rules_of(policy))
        if told.verdict.startswith("Booking and event are equal."):
            assert isinstance(facts.event, Event)
            assert isinstance(facts.booking, Booking)
            assert facts.event.span == facts.booking.span
