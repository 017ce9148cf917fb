"""Every check of a checkup alone: what passes, what deserves a look, what fails, and that each says what to do."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync.core import doctor
from sync.core.diagnosis import Finding, Result, Unread
from sync.core.doctor_facts import DoorAnswer, Identity, Mailboxes, Registration, Service, Storage
from sync.core.mailboxes import (
    BookingCursor,
    Quarantine,
    QuarantineKind,
    SubscriptionRecord,
    SubscriptionStanding,
)
from sync.core.registration import KEY_PART, Doing, PlanEntry
from sync.core.work import QUEUES

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
MAILBOX, OTHER = "mailbox-1", "mailbox-2"
UNREAD = Unread("it is out of reach")

STORAGE = Storage(queues=[*QUEUES, "another"], tables=["bookingsyncjournal"], messages=dict.fromkeys(QUEUES, 3))
APP = Identity(name="app-id", is_app=True, roles=("Calendars.Read", "Calendars.ReadWrite"))
PERSON = Identity(name="object-id", is_app=False)
LIVE = SubscriptionRecord(
    mailbox_id=MAILBOX, standing=SubscriptionStanding.ACTIVE, expires_at=NOW + timedelta(days=6), renewed_at=NOW
)
MAILBOXES = Mailboxes(wanted=[MAILBOX], records={MAILBOX: LIVE}, quarantines={})
QUARANTINE = Quarantine(mailbox_id=MAILBOX, reason="Access is denied.", since=NOW, probe_at=NOW)
REGISTRATION = Registration(missing_tables=(), app_user_id="user-1", lacking=(), plan=(), conflicts=())
PLAN = [PlanEntry(doing=Doing.CREATE, part=KEY_PART, why="it is missing")]
TOKEN = "Validation: a token"
HANDSHAKE = DoorAnswer(status=200, text=TOKEN, content_type="text/plain; charset=utf-8", seconds=0.2)


def calendar(**facts: Any) -> Finding:
    asked = {"reached": MAILBOX, "identity": APP, "mailboxes": MAILBOXES, **facts}
    return doctor.judge_calendar(asked["reached"], asked["identity"], asked["mailboxes"], NOW)


def door(answer: DoorAnswer | Unread) -> Finding:
    return doctor.judge_handshake("notification", TOKEN, answer)


def registered(fact: Registration | Unread, *, asks_about_app: bool = True) -> list[Finding]:
    return doctor.judge_registration(fact, asks_about_app=asks_about_app)


def webhook(stranger: int | Unread, dataverse: int | Unread) -> list[Finding]:
    def answer(status: int | Unread) -> DoorAnswer | Unread:
        return status if isinstance(status, Unread) else DoorAnswer(status=status)

    return doctor.judge_webhook(answer(stranger), answer(dataverse))


def coexistence(shared: Sequence[str] | Unread, *, is_allowed: bool = False) -> Finding:
    return doctor.judge_coexistence(shared, MAILBOXES, is_allowed=is_allowed)


def sweep(age: timedelta | None) -> Finding:
    cursor = None if age is None else BookingCursor(delta_link="x", began_at=NOW - age)
    return doctor.judge_sweep(cursor, NOW)


WELL = [
    *doctor.judge_settings([]),
    doctor.judge_storage(STORAGE),
    doctor.judge_poison(STORAGE, {"Refused": 0}),
    doctor.judge_identity(Service.GRAPH, APP),
    doctor.judge_clock(Service.DATAVERSE, -2.0),
    calendar(),
    *registered(REGISTRATION),
    door(HANDSHAKE),
    *webhook(401, 202),
    doctor.judge_subscriptions(MAILBOXES, NOW),
    *doctor.judge_quarantine(MAILBOXES),
    coexistence([OTHER]),
    sweep(timedelta(minutes=10)),
]

WRONG = {
    "a wrong setting": (doctor.judge_settings(["TENANT_ID is missing"])[0], "fail", "TENANT_ID is missing"),
    "storage out of reach": (doctor.judge_storage(UNREAD), "fail", "out of reach"),
    "a queue that is not there": (
        doctor.judge_storage(replace(STORAGE, queues=QUEUES[1:])),
        "warn",
        f"not there: {QUEUES[0]}",
    ),
    "no tables": (doctor.judge_storage(replace(STORAGE, tables=[])), "warn", "not there: the tables"),
    "dead letters": (doctor.judge_poison(STORAGE, {"Refused": 2}), "warn", "Refused 2"),
    "poison messages": (
        doctor.judge_poison(replace(STORAGE, messages={"event-changes-poison": 1}), {}),
        "warn",
        "event-changes-poison 1",
    ),
    "dead letters out of reach": (doctor.judge_poison(STORAGE, UNREAD), "fail", "out of reach"),
    "no storage to count in": (doctor.judge_poison(UNREAD, {}), "fail", "out of reach"),
    "no token": (doctor.judge_identity(Service.DATAVERSE, UNREAD), "fail", "out of reach"),
    "a service out of reach": (doctor.judge_clock(Service.GRAPH, UNREAD), "fail", "out of reach"),
    "a clock that is somewhat wrong": (doctor.judge_clock(Service.GRAPH, 30.0), "warn", "30 s ahead"),
    "a clock that is wrong": (doctor.judge_clock(Service.GRAPH, -400.0), "fail", "400 s behind"),
    "the app may not read calendars": (calendar(reached=UNREAD), "fail", "out of reach"),
    "nobody knows whether it may": (
        calendar(reached=UNREAD, identity=PERSON, mailboxes=replace(MAILBOXES, records={})),
        "warn",
        "not by you",
    ),
    "nothing is known": (calendar(reached=UNREAD, identity=PERSON, mailboxes=UNREAD), "warn", "not by you"),
    "Dataverse out of reach": (registered(UNREAD)[0], "fail", "out of reach"),
    "tables missing": (
        registered(replace(REGISTRATION, missing_tables=["msdyn_workorder"]))[0],
        "fail",
        "msdyn_workorder",
    ),
    "no application user": (registered(replace(REGISTRATION, app_user_id=None))[1], "fail", "no enabled application"),
    "an application user that nobody named": (registered(REGISTRATION, asks_about_app=False)[1], "warn", "user-1"),
    "rights missing": (
        registered(replace(REGISTRATION, lacking=["Write bookableresourcebooking"]))[2],
        "fail",
        "the app lacks: Write bookableresourcebooking",
    ),
    "rights of the asker missing": (
        registered(replace(REGISTRATION, lacking=["Read mailbox"]), asks_about_app=False)[2],
        "warn",
        "you lack: Read mailbox",
    ),
    "rights untold": (registered(replace(REGISTRATION, lacking=None))[2], "warn", "does not tell"),
    "a part missing": (registered(replace(REGISTRATION, plan=PLAN))[3], "fail", "create alternate key bks_EventKey"),
    "a part in the way": (registered(replace(REGISTRATION, conflicts=["The key is wrong."]))[3], "fail", "is wrong"),
    "nobody at the door": (door(UNREAD), "fail", "out of reach"),
    "a door that answers an error": (door(replace(HANDSHAKE, status=503)), "fail", "status 503"),
    "a door that answers something else": (door(replace(HANDSHAKE, text="hello")), "fail", "another text"),
    "a door that answers a page": (door(replace(HANDSHAKE, content_type="text/html")), "fail", "text/html"),
    "a slow door": (door(replace(HANDSHAKE, seconds=4.2)), "warn", "in 4.2 s"),
    "a webhook that lets anybody in": (webhook(202, 202)[0], "fail", "without the secret: status 202"),
    "a webhook with another secret": (webhook(401, 401)[0], "fail", "with the secret: status 401"),
    "a webhook that cannot queue": (webhook(401, 503)[0], "fail", "with the secret: status 503"),
    "no webhook": (webhook(UNREAD, 202)[0], "fail", "out of reach"),
    "a webhook that went away": (webhook(401, UNREAD)[0], "fail", "out of reach"),
    "a mailbox without a subscription": (
        doctor.judge_subscriptions(replace(MAILBOXES, wanted=[MAILBOX, OTHER]), NOW),
        "fail",
        f"1 of 2 mailboxes; not {OTHER}",
    ),
    "a subscription that has ended": (
        doctor.judge_subscriptions(replace(MAILBOXES, records={MAILBOX: replace(LIVE, expires_at=NOW)}), NOW),
        "fail",
        f"not {MAILBOX}",
    ),
    "no mailbox at all": (doctor.judge_subscriptions(replace(MAILBOXES, wanted=[]), NOW), "fail", "no mailbox"),
    "mailboxes unknown": (doctor.judge_subscriptions(UNREAD, NOW), "fail", "out of reach"),
    "a mailbox set aside": (
        doctor.judge_quarantine(replace(MAILBOXES, quarantines={MAILBOX: QUARANTINE}))[0],
        "warn",
        "Access is denied.",
    ),
    "a mailbox that both syncs work in": (coexistence([MAILBOX]), "fail", MAILBOX),
    "a mailbox that both may work in": (coexistence([MAILBOX], is_allowed=True), "warn", MAILBOX),
    "Microsoft's sync unknown": (coexistence(UNREAD), "warn", "out of reach"),
    "our mailboxes unknown beside it": (
        doctor.judge_coexistence([MAILBOX], UNREAD, is_allowed=False),
        "warn",
        "out of reach",
    ),
    "timers that never ran": (sweep(None), "warn", "never"),
    "timers that stopped": (sweep(timedelta(hours=25)), "warn", "began at 2026-11-20 08:00 UTC"),
    "timers unknown": (doctor.judge_sweep(UNREAD, NOW), "fail", "out of reach"),
}


@pytest.mark.parametrize("finding", WELL, ids=lambda finding: finding.rule)
def test_what_is_well_passes(finding: Finding) -> None:
    assert finding.result is Result.PASS
    assert not finding.mend


@pytest.mark.parametrize(("finding", "result", "seen"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_with_what_was_seen_what_it_means_and_what_to_do(
    finding: Finding, result: str, seen: str
) -> None:
    assert finding.result == result
    assert seen in finding.seen
    assert finding.meaning.endswith(".")
    assert finding.mend


def test_each_wrong_setting_is_a_finding_of_its_own() -> None:
    assert [one.seen for one in doctor.judge_settings(["a", "b"])] == ["a", "b"]


def test_a_person_who_may_not_look_believes_the_subscriptions_that_the_app_holds() -> None:
    finding = calendar(reached=UNREAD, identity=PERSON)
    assert finding.result is Result.PASS
    assert "1 live subscription" in finding.seen


def test_a_mailbox_that_is_set_aside_needs_no_subscription() -> None:
    aside = replace(MAILBOXES, records={}, quarantines={MAILBOX: QUARANTINE})
    assert doctor.judge_subscriptions(aside, NOW).result is Result.PASS


def test_a_mailbox_set_aside_for_microsofts_sync_is_told_of_once() -> None:
    aside = replace(QUARANTINE, kind=QuarantineKind.MICROSOFT_SYNC)
    (finding,) = doctor.judge_quarantine(replace(MAILBOXES, quarantines={MAILBOX: aside}))
    assert finding.result is Result.PASS


def test_where_mailboxes_are_unknown_nothing_is_said_of_those_set_aside() -> None:
    assert not doctor.judge_quarantine(UNREAD)


def test_without_an_application_user_nothing_is_said_of_its_rights() -> None:
    rules = [one.rule for one in registered(replace(REGISTRATION, app_user_id=None))]
    assert "dataverse-rights" not in rules


def test_a_long_list_names_the_first_few_and_counts_the_rest() -> None:
    many = [f"mailbox-{number:02}" for number in range(25)]
    finding = doctor.judge_subscriptions(Mailboxes(wanted=many, records={}, quarantines={}), NOW)
    assert "mailbox-09 and 15 more" in finding.seen
    assert "mailbox-10" not in finding.seen


@pytest.mark.parametrize(
    ("identity", "who"), [(APP, "the app, app-id"), (PERSON, "a person, object-id"), (Identity(name="x"), "somebody")]
)
def test_it_is_told_in_whose_name_things_were_asked(identity: Identity, who: str) -> None:
    assert who in doctor.judge_identity(Service.GRAPH, identity).seen
