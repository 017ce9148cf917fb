"""The hostile door: what is accepted of a body from the internet, and what is answered to a handshake."""

import json
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from sync.core.acceptance import MAXIMUM_BODY_BYTES, Accepted
from sync.core.errors import RejectedRequest
from sync.core.notifications import (
    MAXIMUM_TOKEN_CHARACTERS,
    accept_changes,
    accept_lifecycle,
    authenticate,
    client_state,
    parse_collection,
    validation_answer,
)
from sync.core.work_items import EventChange, MailboxJob, MailboxTask
from tests.unit.values import EVENT_ID, MAILBOX, NOW, OTHER_MAILBOX, TENANT

SECRET = "the secret that is in use, 32 characters"
PREVIOUS = "the secret before that one, 32 characters"
SUBSCRIPTION = "aaaaaaaa-0000-4000-8000-000000000001"


def a_notification(**different: Any) -> dict[str, Any]:
    """A change notification as Graph posts it (Graph documentation, resources/changenotification)."""
    notification = {
        "subscriptionId": SUBSCRIPTION,
        "subscriptionExpirationDateTime": "2026-11-27T09:00:00+00:00",
        "changeType": "updated",
        "resource": f"Users/{MAILBOX}/Events/{EVENT_ID}",
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.Event",
            "@odata.id": f"Users/{MAILBOX}/Events/{EVENT_ID}",
            "@odata.etag": 'W/"one"',
            "id": EVENT_ID,
        },
        "clientState": client_state(MAILBOX, SECRET),
        "tenantId": TENANT,
    }
    return notification | different


def about(
    event_id: Any, *, etag: Any = 'W/"one"', change: str = "updated", mailbox_id: str = MAILBOX
) -> dict[str, Any]:
    """A change notification about one event."""
    return a_notification(
        resourceData={"id": event_id, "@odata.etag": etag},
        changeType=change,
        clientState=client_state(mailbox_id, SECRET),
    )


def a_lifecycle_notification(event: Any, **different: Any) -> dict[str, Any]:
    notification = {
        "subscriptionId": SUBSCRIPTION,
        "subscriptionExpirationDateTime": "2026-11-27T09:00:00.0000000Z",
        "tenantId": TENANT,
        "clientState": client_state(MAILBOX, SECRET),
        "lifecycleEvent": event,
    }
    return notification | different


def changes_in(*notifications: Any, secrets: tuple[str, ...] = (SECRET, PREVIOUS)) -> Accepted:
    numbers = count(1)
    body = json.dumps({"value": notifications}).encode()
    return accept_changes(
        body, secrets=secrets, tenant_id=TENANT, now=NOW, new_id=lambda: f"correlation-{next(numbers)}"
    )


def tasks_in(*notifications: Any) -> Accepted:
    numbers = count(1)
    body = json.dumps({"value": notifications}).encode()
    return accept_lifecycle(
        body, secrets=(SECRET,), tenant_id=TENANT, now=NOW, new_id=lambda: f"correlation-{next(numbers)}"
    )


def only_change(accepted: Accepted) -> EventChange:
    (item,) = accepted.items
    assert isinstance(item, EventChange)
    return item


def event_ids(accepted: Accepted) -> list[str]:
    return [item.event_id for item in accepted.items if isinstance(item, EventChange)]


# The handshake


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(
            "Validation: Testing client application reachability for subscription Request-Id: 1c4e",
            id="as Graph sends it",
        ),
        pytest.param("<script>alert('token')</script>", id="markup, which text/plain keeps from being markup"),
        pytest.param("é漢字", id="any language"),
        pytest.param("t" * MAXIMUM_TOKEN_CHARACTERS, id="as long as allowed"),
    ],
)
def test_a_token_is_answered_unchanged(token: str) -> None:
    assert validation_answer(token) == token


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("t" * (MAXIMUM_TOKEN_CHARACTERS + 1), id="too long"),
        pytest.param("line\r\nSet-Cookie: stolen=1", id="line break"),
        pytest.param("nul\0", id="nul"),
        pytest.param("tab\t", id="tab"),
        pytest.param("\u202etxt.exe", id="text direction override"),
        pytest.param("\ud800", id="lone surrogate, which no encoding can answer"),
    ],
)
def test_a_token_that_graph_would_not_send_is_refused(token: str) -> None:
    with pytest.raises(RejectedRequest) as refusal:
        validation_answer(token)
    assert refusal.value.http_status == 400


# Client states


def test_a_client_state_fits_graphs_limit_and_tells_its_mailbox_only() -> None:
    state = client_state(MAILBOX, SECRET)
    assert len(state) == 80
    assert state.startswith(f"{MAILBOX}.")
    assert SECRET not in state
    assert authenticate(state, [SECRET]) == MAILBOX


def test_the_previous_secret_is_accepted_while_rotating_and_not_after() -> None:
    old = client_state(MAILBOX, PREVIOUS)
    assert authenticate(old, [SECRET, PREVIOUS]) == MAILBOX
    assert authenticate(client_state(MAILBOX, SECRET), [SECRET, PREVIOUS]) == MAILBOX
    assert authenticate(old, [SECRET]) is None


@pytest.mark.parametrize(
    "presented",
    [
        pytest.param(None, id="none"),
        pytest.param(7, id="a number"),
        pytest.param("", id="empty"),
        pytest.param(MAILBOX, id="the mailbox alone"),
        pytest.param(f"{MAILBOX}.", id="no digest"),
        pytest.param(client_state(MAILBOX, SECRET) + "x", id="one character more"),
        pytest.param(client_state(MAILBOX, SECRET)[:-1], id="one character less"),
        pytest.param(client_state(MAILBOX, SECRET).upper(), id="another case"),
        pytest.param(
            client_state(OTHER_MAILBOX, SECRET).replace(OTHER_MAILBOX, MAILBOX), id="another mailbox's digest"
        ),
        pytest.param(client_state(MAILBOX, "guessed" * 5), id="another secret"),
        pytest.param("ï" * 40, id="not ASCII, which a comparison in constant time refuses with an exception"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param("a" * 129, id="longer than Graph keeps"),
    ],
)
def test_a_forged_client_state_proves_nothing(presented: Any) -> None:
    assert authenticate(presented, [SECRET, PREVIOUS]) is None


def test_without_secrets_nothing_is_proved() -> None:
    assert authenticate(client_state(MAILBOX, SECRET), []) is None


# Bodies


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 400, id="empty"),
        pytest.param(b"value=[]", 400, id="not JSON"),
        pytest.param(b'{"value": [}', 400, id="broken JSON"),
        pytest.param(b"\xff\xfe\xfa", 400, id="not text"),
        pytest.param(b'"value"', 400, id="a string"),
        pytest.param(b"[]", 400, id="a bare array"),
        pytest.param(b"null", 400, id="null"),
        pytest.param(b"{}", 400, id="no value"),
        pytest.param(b'{"value": {}}', 400, id="value is an object"),
        pytest.param(b'{"value": null}', 400, id="value is null"),
        pytest.param(
            b'{"value": ' + b"[" * 400_000 + b"]" * 400_000 + b"}", 400, id="nested deeper than any parser goes"
        ),
        pytest.param(b'{"value": [' + b"9" * 5000 + b"]}", 400, id="a number longer than any parser reads"),
        pytest.param(b'{"value": [' + b" " * MAXIMUM_BODY_BYTES + b"]}", 413, id="larger than anything of Graph's"),
    ],
)
def test_what_is_no_collection_is_refused_as_a_whole(body: bytes, status: int) -> None:
    with pytest.raises(RejectedRequest) as refusal:
        parse_collection(body)
    assert refusal.value.http_status == status


def test_a_body_may_be_as_large_as_the_limit() -> None:
    empty = b'{"value": []}'
    assert parse_collection(empty + b" " * (MAXIMUM_BODY_BYTES - len(empty))) == []


def test_an_empty_collection_is_no_work() -> None:
    accepted = changes_in()
    assert (list(accepted.items), accepted.received, dict(accepted.dropped)) == ([], 0, {})


def test_a_notification_becomes_a_work_item_of_ids() -> None:
    assert only_change(changes_in(a_notification())) == EventChange(
        mailbox_id=MAILBOX,
        event_id=EVENT_ID,
        received_at=NOW,
        correlation_id="correlation-1",
        etags=('W/"one"',),
    )


def test_a_forged_item_among_five_is_dropped_and_the_others_are_work() -> None:
    forged = about("forged=") | {"clientState": f"{MAILBOX}.{'A' * 43}"}
    accepted = changes_in(about("1="), about("2="), forged, about("3="), about("4="))
    assert event_ids(accepted) == ["1=", "2=", "3=", "4="]
    assert accepted.received == 5
    assert dict(accepted.dropped) == {"client-state": 1}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(None, "malformed", id="null"),
        pytest.param("text", "malformed", id="a string"),
        pytest.param([], "malformed", id="an array"),
        pytest.param({}, "client-state", id="an empty object"),
        pytest.param(a_notification(clientState=None), "client-state", id="no client state"),
        pytest.param(a_notification(tenantId=OTHER_MAILBOX), "tenant", id="another tenant"),
        pytest.param(a_notification(tenantId=None), "tenant", id="no tenant"),
        pytest.param(a_notification(tenantId=[TENANT]), "tenant", id="a list of tenants"),
        pytest.param(a_notification(resourceData=None), "malformed", id="no resource data"),
        pytest.param(a_notification(resourceData="id"), "malformed", id="resource data that is no object"),
        pytest.param(about(None), "malformed", id="no event id"),
        pytest.param(about(""), "malformed", id="an empty event id"),
        pytest.param(about(5), "malformed", id="a number for an event id"),
        pytest.param(about("i" * 1025), "malformed", id="an event id without end"),
        pytest.param(about("Ünique="), "malformed", id="an event id that is not ASCII"),
        pytest.param(about("line\nbreak="), "malformed", id="an event id of two lines"),
        pytest.param(about("\ud800"), "malformed", id="an event id of half a character"),
    ],
)
def test_a_bad_item_is_counted_and_spoils_no_other(bad: Any, reason: str) -> None:
    accepted = changes_in(bad, a_notification(), bad)
    assert event_ids(accepted) == [EVENT_ID]
    assert dict(accepted.dropped) == {reason: 2}


@pytest.mark.parametrize(
    "etag",
    [
        pytest.param(None, id="none"),
        pytest.param(7, id="a number"),
        pytest.param(["W/1"], id="a list"),
        pytest.param("e" * 513, id="without end"),
    ],
)
def test_a_bad_etag_is_left_out_and_the_change_is_not(etag: Any) -> None:
    assert only_change(changes_in(about(EVENT_ID, etag=etag))).etags == ()


def test_the_tenant_is_compared_without_case() -> None:
    assert event_ids(changes_in(a_notification(tenantId=TENANT.upper()))) == [EVENT_ID]


def test_a_burst_about_one_event_is_one_item() -> None:
    accepted = changes_in(
        about(EVENT_ID, etag="a", change="created"),
        about(EVENT_ID, etag="b"),
        about(EVENT_ID, etag="a"),
        about(EVENT_ID, etag="c"),
    )
    item = only_change(accepted)
    assert (item.etags, item.is_removed, item.correlation_id) == (("a", "b", "c"), False, "correlation-1")
    assert accepted.received == 4


def test_a_deletion_anywhere_in_a_burst_is_kept() -> None:
    deletion = about(EVENT_ID, etag=None, change="deleted")
    assert only_change(changes_in(deletion, about(EVENT_ID))).is_removed
    assert only_change(changes_in(about(EVENT_ID), deletion)).is_removed


def test_ids_that_differ_in_case_or_in_dash_and_underscore_are_different_events() -> None:
    ids = ["AAMk-a=", "AAMk-A=", "AAMk_a="]
    assert event_ids(changes_in(*map(about, ids))) == ids


def test_one_event_id_in_two_mailboxes_is_two_items() -> None:
    accepted = changes_in(about(EVENT_ID), about(EVENT_ID, mailbox_id=OTHER_MAILBOX))
    assert [item.mailbox_id for item in accepted.items] == [MAILBOX, OTHER_MAILBOX]
    assert [item.correlation_id for item in accepted.items] == ["correlation-1", "correlation-2"]


def test_a_body_replayed_a_day_later_is_work_again_and_does_no_more_than_cause_a_look() -> None:
    first, second = changes_in(a_notification()), changes_in(a_notification())
    assert first.items == second.items


# Lifecycle notifications


@pytest.mark.parametrize(
    ("event", "job"),
    [
        ("reauthorizationRequired", MailboxJob.RENEW),
        ("subscriptionRemoved", MailboxJob.SUBSCRIBE),
        ("missed", MailboxJob.SWEEP),
    ],
)
def test_what_a_lifecycle_notification_asks_for(event: str, job: MailboxJob) -> None:
    (task,) = tasks_in(a_lifecycle_notification(event)).items
    assert task == MailboxTask(
        mailbox_id=MAILBOX,
        job=job,
        received_at=NOW,
        correlation_id="correlation-1",
        subscription_id=SUBSCRIPTION,
    )


def test_a_lifecycle_notification_that_comes_twice_is_one_task() -> None:
    accepted = tasks_in(*[a_lifecycle_notification("missed")] * 2, a_lifecycle_notification("subscriptionRemoved"))
    assert [task.job for task in accepted.items if isinstance(task, MailboxTask)] == [
        MailboxJob.SWEEP,
        MailboxJob.SUBSCRIBE,
    ]
    assert (accepted.received, dict(accepted.dropped)) == (3, {})


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param("text", "malformed", id="a string"),
        pytest.param(a_lifecycle_notification("missed", clientState="forged"), "client-state", id="forged"),
        pytest.param(a_lifecycle_notification("missed", tenantId=MAILBOX), "tenant", id="another tenant"),
        pytest.param(a_lifecycle_notification("somethingNew"), "malformed", id="a kind that is not known yet"),
        pytest.param(a_lifecycle_notification(["missed"]), "malformed", id="a list of kinds"),
        pytest.param(a_lifecycle_notification(None), "malformed", id="no kind"),
        pytest.param(a_lifecycle_notification("missed", subscriptionId=5), "malformed", id="no subscription id"),
        pytest.param(a_notification(), "malformed", id="a change notification at the wrong door"),
    ],
)
def test_a_bad_lifecycle_item_is_counted_and_spoils_no_other(bad: Any, reason: str) -> None:
    accepted = tasks_in(bad, a_lifecycle_notification("missed"))
    assert len(accepted.items) == 1
    assert dict(accepted.dropped) == {reason: 1}


def test_a_lifecycle_notification_at_the_wrong_door_is_dropped() -> None:
    assert dict(changes_in(a_lifecycle_notification("missed")).dropped) == {"malformed": 1}


def test_an_item_is_received_when_the_door_says() -> None:
    accepted = accept_changes(
        json.dumps({"value": [a_notification()]}).encode(),
        secrets=[SECRET],
        tenant_id=TENANT,
        now=NOW + timedelta(minutes=1),
        new_id=lambda: "any",
    )
    assert accepted.items[0].received_at == NOW + timedelta(minutes=1)
