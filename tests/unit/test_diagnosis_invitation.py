"""Every documented rule of an invitation, alone and together, on plain values."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sync.core.diagnosis import Result, Unread
from sync.core.diagnosis_invitation import explain_invitation
from sync.core.diagnosis_invitation_rules import (
    CANCELLATION_SETTING,
    DASHBOARD_SETTING,
    PAST_SETTING,
    RULES,
    InvitationFacts,
)
from sync.core.mailboxes import Quarantine, QuarantineKind, SubscriptionRecord, SubscriptionStanding
from sync.core.server_side_sync import (
    SETTING_DEFAULTS,
    AppointmentRecord,
    AppointmentState,
    Approval,
    MailboxSetup,
    MailboxTest,
    OrganizationSettings,
    Party,
    SyncMethod,
    User,
)
from tests.diagnosing import failing, finding_of, not_known
from tests.unit.values import MAILBOX, NOW

ADA = Party("systemuser", "a1111111-0000-4000-8000-000000000001")
CUSTOMER = Party("contact", "c1111111-0000-4000-8000-000000000001")
AGENT = Party("contact", "c2222222-0000-4000-8000-000000000002")
APPOINTMENT_ID = "b1111111-0000-4000-8000-000000000001"
HOUR = timedelta(hours=1)

_APPOINTMENT = AppointmentRecord(
    appointment_id=APPOINTMENT_ID,
    start_at=NOW + 24 * HOUR,
    modified_at=NOW - 2 * HOUR,
    state=AppointmentState.SCHEDULED,
    owner=ADA,
    organizers=(ADA,),
    required=(CUSTOMER,),
)
_SETUP = MailboxSetup(
    method=SyncMethod.SERVER_SIDE,
    is_enabled=True,
    test=MailboxTest.SUCCESS,
    approval=Approval.APPROVED,
    synced_at=NOW - HOUR,
)
_USER = User(user_id=ADA.row_id, mailbox_id=MAILBOX)
_FACTS = InvitationFacts(
    appointment_id=APPOINTMENT_ID, asked_at=NOW, appointment=_APPOINTMENT, organizer=_USER, setup=_SETUP
)
_SUBSCRIPTION = SubscriptionRecord(mailbox_id=MAILBOX, standing=SubscriptionStanding.ACTIVE)


def appointment(**different: Any) -> InvitationFacts:
    return replace(_FACTS, appointment=replace(_APPOINTMENT, **different))


def mailbox(**different: Any) -> InvitationFacts:
    return replace(_FACTS, setup=replace(_SETUP, **different))


def facts(**different: Any) -> InvitationFacts:
    return replace(_FACTS, **different)


def switched(**values: str) -> OrganizationSettings:
    return OrganizationSettings(values)


def test_where_everything_is_well_nothing_fails_and_only_the_filter_cannot_be_seen() -> None:
    told = explain_invitation(_FACTS)
    assert failing(told) == set()
    assert not_known(told) == {"filter"}
    assert told.verdict == (
        "Nothing that can be seen from here stands in the way of an invitation. What cannot be seen: filter."
    )
    assert "item-level monitoring" in told.next_step


ALONE = [
    pytest.param(appointment(is_service_activity=True), "kind", "service activity", id="service-activity"),
    pytest.param(appointment(organizers=()), "organizer", "none", id="no-organizer"),
    pytest.param(appointment(organizers=(ADA, AGENT)), "organizer", "2 of them", id="two-organizers"),
    pytest.param(appointment(organizers=(AGENT,)), "organizer-syncs", "contact", id="organizer-is-no-user"),
    pytest.param(
        appointment(organizers=(Party(),)), "organizer-syncs", "an address only", id="organizer-is-an-address"
    ),
    pytest.param(facts(organizer=None, setup=None), "organizer-syncs", "does not exist", id="organizer-is-gone"),
    pytest.param(facts(organizer=replace(_USER, is_enabled=False)), "organizer-syncs", "disabled", id="disabled"),
    pytest.param(facts(organizer=replace(_USER, mailbox_id=None)), "organizer-syncs", "Entra", id="no-entra-account"),
    pytest.param(appointment(start_at=NOW - HOUR), "start", "past", id="past"),
    pytest.param(appointment(start_at=NOW), "start", "past", id="now-is-not-the-future"),
    pytest.param(appointment(start_at=None), "start", "no start", id="no-start"),
    pytest.param(appointment(required=()), "attendees", "0 required, 0 optional", id="nobody-invited"),
    pytest.param(appointment(required=(ADA,)), "attendees", "the organizer alone", id="only-the-organizer-invited"),
    pytest.param(appointment(state=AppointmentState.COMPLETED), "state", "completed", id="completed"),
    pytest.param(appointment(state=AppointmentState.CANCELLED), "state", "is off", id="cancelled"),
    pytest.param(appointment(is_draft=True), "draft", "true", id="draft"),
    pytest.param(facts(setup=None), "mailbox", "no row", id="no-mailbox-row"),
    pytest.param(mailbox(method=SyncMethod.NONE), "mailbox-method", "None", id="method-none"),
    pytest.param(mailbox(method=SyncMethod.OUTLOOK_CLIENT), "mailbox-method", "for Outlook", id="method-outlook"),
    pytest.param(mailbox(approval=Approval.PENDING), "mailbox-approved", "Pending", id="approval-pending"),
    pytest.param(mailbox(approval=Approval.EMPTY), "mailbox-approved", "Empty", id="approval-empty"),
    pytest.param(mailbox(approval=Approval.REJECTED), "mailbox-approved", "Rejected", id="approval-rejected"),
    pytest.param(mailbox(test=MailboxTest.NOT_RUN), "mailbox-tested", "Not Run", id="not-tested"),
    pytest.param(mailbox(test=MailboxTest.FAILURE), "mailbox-tested", "Failure", id="test-failed"),
    pytest.param(mailbox(is_enabled=False), "mailbox-enabled", "not enabled", id="not-enabled"),
    pytest.param(facts(subscription=_SUBSCRIPTION), "two-syncs", "this app on", id="both-syncs-on"),
    pytest.param(mailbox(synced_at=NOW - 3 * HOUR), "synchronized", "synchronized 2026-", id="not-synced-since"),
    pytest.param(mailbox(synced_at=None), "synchronized", "never", id="never-synced"),
]


@pytest.mark.parametrize(("seen_facts", "rule", "seen"), ALONE)
def test_each_rule_alone_fails_with_what_was_seen_its_meaning_and_its_mend(
    seen_facts: InvitationFacts, rule: str, seen: str
) -> None:
    told = explain_invitation(seen_facts)
    assert failing(told) == {rule}
    finding = finding_of(told, rule)
    assert seen in finding.seen
    assert told.verdict == f"No invitation is sent. {finding.meaning}"
    assert told.next_step == finding.mend != ""


def test_each_rule_that_can_fail_is_among_those_that_fail_alone() -> None:
    """A rule that is added without a case of its own shows here."""
    never_fail = {"organization", "attendees-in-time", "key-property", "filter"}
    all_rules = {
        finding.rule
        for param in [pytest.param(_FACTS), *ALONE]
        for finding in explain_invitation(param.values[0]).findings  # type: ignore[arg-type]
    }
    assert all_rules - never_fail == {param.values[1] for param in ALONE}
    assert len(RULES) == len(all_rules)


def test_three_at_once_are_all_told_the_weightiest_first() -> None:
    three = appointment(organizers=(), start_at=NOW - HOUR, required=())
    told = explain_invitation(replace(three, organizer=None, setup=None))
    assert failing(told) == {"organizer", "start", "attendees"}
    assert told.verdict.startswith("No invitation is sent. There is no organizer.")
    assert told.verdict.endswith("What else fails: start, attendees.")
    assert told.next_step == finding_of(told, "organizer").mend


def test_a_service_activity_is_told_that_alone_whatever_else_ails_it() -> None:
    told = explain_invitation(appointment(is_service_activity=True, organizers=(), required=()))
    assert [finding.rule for finding in told.findings] == ["kind"]


def test_the_organizer_among_the_attendees_does_not_hide_that_others_are_invited() -> None:
    assert failing(explain_invitation(appointment(required=(ADA,), optional=(CUSTOMER,)))) == set()


def test_somebody_known_by_address_alone_is_invited() -> None:
    assert failing(explain_invitation(appointment(required=(Party(),)))) == set()


def test_an_owner_who_is_somebody_else_is_shown_but_is_no_reason() -> None:
    told = explain_invitation(appointment(owner=Party("team", "d1111111-0000-4000-8000-000000000001")))
    assert failing(told) == set()
    assert "the owner is team d1111111" in finding_of(told, "organizer-syncs").seen


def test_once_exchange_knows_it_what_was_changed_and_when_attendees_came_cannot_be_seen() -> None:
    told = explain_invitation(appointment(is_known_to_exchange=True))
    assert not_known(told) == {"attendees-in-time", "key-property", "filter"}
    for rule in not_known(told):
        assert finding_of(told, rule).seen.startswith("cannot be seen from here: ")
        assert finding_of(told, rule).mend


@pytest.mark.parametrize("stored", ["true", "True", "1", " true "])
def test_changes_of_past_meetings_are_sent_where_the_setting_says_so(stored: str) -> None:
    past = replace(appointment(start_at=NOW - HOUR), settings=switched(**{PAST_SETTING: stored}))
    told = explain_invitation(past)
    assert failing(told) == set()
    assert PAST_SETTING in finding_of(told, "start").seen
    assert PAST_SETTING in finding_of(told, "organization").meaning


def test_a_cancellation_is_sent_in_place_of_an_invitation_where_the_setting_says_so() -> None:
    cancelled = appointment(state=AppointmentState.CANCELLED)
    without = finding_of(explain_invitation(cancelled), "state")
    with_it = finding_of(
        explain_invitation(replace(cancelled, settings=switched(**{CANCELLATION_SETTING: "true"}))), "state"
    )
    assert "no cancellation either" in without.meaning
    assert CANCELLATION_SETTING in without.mend
    assert "the cancellation is sent" in with_it.meaning


def test_settings_are_shown_with_their_defaults_where_they_are_not_stored() -> None:
    seen = finding_of(
        explain_invitation(facts(settings=switched(AllowSaveAsDraftAppointment="1"))), "organization"
    ).seen
    for name, default in SETTING_DEFAULTS.items():
        value = "true" if name == "AllowSaveAsDraftAppointment" else str(default).lower()
        assert f"{name}={value}" in seen


def test_where_the_dashboard_is_off_it_is_to_be_switched_on_first() -> None:
    told = explain_invitation(facts(settings=switched(**{DASHBOARD_SETTING: "false"})))
    assert f"switch {DASHBOARD_SETTING} on" in told.next_step


def test_a_mailbox_that_this_app_keeps_out_of_is_in_one_sync_only() -> None:
    quarantine = Quarantine(
        mailbox_id=MAILBOX, reason="Microsoft's", since=NOW, probe_at=NOW, kind=QuarantineKind.MICROSOFT_SYNC
    )
    assert failing(explain_invitation(facts(subscription=_SUBSCRIPTION, quarantine=quarantine))) == set()


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("organizer", {"organizer-syncs"}),
        ("setup", {"mailbox", "two-syncs"}),
        ("settings", {"organization"}),
        ("subscription", {"two-syncs"}),
        ("quarantine", {"two-syncs"}),
    ],
)
def test_what_could_not_be_read_is_unknown_with_its_reason_and_named_in_the_verdict(name: str, rules: set[str]) -> None:
    told = explain_invitation(facts(**{name: Unread("Dataverse is away.")}))
    assert failing(told) == set()
    assert not_known(told) == {*rules, "filter"}
    for rule in rules:
        assert "Dataverse is away." in finding_of(told, rule).seen
        assert rule in told.verdict


def test_an_appointment_that_is_not_there_and_one_that_cannot_be_read_are_told_apart() -> None:
    absent, unread = (
        explain_invitation(facts(appointment=None)),
        explain_invitation(facts(appointment=Unread("Dataverse is away."))),
    )
    assert (absent.is_found, failing(absent)) == (False, {"appointment"})
    assert (unread.is_found, not_known(unread)) == (None, {"appointment"})
    assert "Dataverse is away." in unread.verdict


def test_every_finding_says_what_was_seen_and_what_it_means_and_every_failure_its_mend() -> None:
    for param in ALONE:
        for finding in explain_invitation(param.values[0]).findings:  # type: ignore[arg-type]
            assert finding.seen
            assert finding.meaning.endswith(".")
            assert bool(finding.mend) is (finding.result is not Result.PASS)
