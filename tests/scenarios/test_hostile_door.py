"""Failure mode 20: what strangers, and accidents, post to the door. It drops what it cannot trust and tells nobody why.

The bodies go through the same door as Graph's. What a genuine sender could know is copied from genuine notifications.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from local.sample import TENANT_ID, SampleBooking
from sync.core.errors import ServiceUnavailable
from sync.core.notifications import accept_changes, accept_lifecycle, client_state
from sync.service.intake import Parse, Reply, answer_post
from tests.hosted_app import QUIET, SECRET
from tests.tenant import Tenant

ANOTHER_SECRET = "another-secret-that-somebody-guessed-at-random"
SUBSCRIPTION_ID = "4b1cd9f2-0000-4000-8000-000000000000"


async def knock(tenant: Tenant, body: bytes, *, token: str | None = None, parse: Parse = accept_changes) -> Reply:
    return await answer_post(body, token, parse, lambda: tenant.door)


def change(visit: SampleBooking, **forged: Any) -> dict[str, Any]:
    mailbox_id = visit.technician.mailbox_id
    return {
        "subscriptionId": SUBSCRIPTION_ID,
        "tenantId": TENANT_ID,
        "clientState": client_state(mailbox_id, SECRET),
        "changeType": "updated",
        "resource": f"Users/{mailbox_id}/Events/{visit.event_id}",
        "resourceData": {"@odata.type": "#Microsoft.Graph.Event", "id": visit.event_id, "@odata.etag": 'W/"new"'},
        **forged,
    }


def collection(*items: Any) -> bytes:
    return json.dumps({"value": items}).encode()


FORGED: list[Any] = [
    pytest.param({"clientState": None}, id="no-client-state"),
    pytest.param({"clientState": "secretClientValue"}, id="made-up-client-state"),
    pytest.param({"clientState": ""}, id="empty-client-state"),
    pytest.param({"clientState": ["x"]}, id="client-state-is-a-list"),
    pytest.param({"clientState": "ü" * 40}, id="client-state-beyond-ascii"),
    pytest.param({"clientState": "x" * 100_000}, id="client-state-without-end"),
    pytest.param(
        {"clientState": client_state("not-this-mailbox", ANOTHER_SECRET)}, id="client-state-by-another-secret"
    ),
    pytest.param({"tenantId": "00000000-0000-0000-0000-000000000000"}, id="another-tenant"),
    pytest.param({"tenantId": None}, id="no-tenant"),
    pytest.param({"resourceData": None}, id="no-resource-data"),
    pytest.param({"resourceData": {"id": ["x"]}}, id="id-is-a-list"),
    pytest.param({"resourceData": {"id": "x" * 5_000}}, id="id-without-end"),
    pytest.param({"resourceData": {"id": "line\nbreak"}}, id="id-with-a-line-break"),
]


@pytest.mark.parametrize("forged", FORGED)
async def test_a_forged_item_among_five_is_dropped_and_the_four_others_are_handled(forged: dict[str, Any]) -> None:
    """Failure mode 20: forged item among five; and the answer does not tell."""
    tenant = await Tenant.small(technician=0, lose=1.0)
    visits = [tenant.visit(index=index) for index in range(5)]
    for visit in visits:
        await tenant.move_event(visit)
    items = [change(visit) for visit in visits]
    items[2] |= forged
    reply = await knock(tenant, collection(*items))
    assert (reply.status, reply.text) == (202, "")
    await tenant.settle()
    for index, visit in enumerate(visits):
        moved_by = timedelta(hours=0 if index == 2 else 1)
        assert await tenant.booking_start(visit) == visit.start_at + moved_by
    assert tenant.graph_calls == {"event.get": 4}
    assert not tenant.letters.letters


@pytest.mark.parametrize("junk", [None, 7, "text", [], [[]], {}, True])
async def test_an_item_that_is_no_notification_at_all_spoils_no_other(tenant: Tenant, junk: Any) -> None:
    """Failure mode 20: every item is judged alone."""
    tenant.switch(lose=1.0)
    visit = tenant.visit()
    await tenant.move_event(visit)
    assert (await knock(tenant, collection(junk, change(visit), junk))).status == 202
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)


async def test_a_genuine_client_state_opens_no_other_mailbox(tenant: Tenant) -> None:
    """Failure mode 20: who knows one technician's client state cannot speak of another's events."""
    tenant.switch(lose=1.0)
    ada, ben = (tenant.visit(technician) for technician in tenant.sample.technicians[:2])
    await tenant.move_event(ben)
    await knock(tenant, collection(change(ben, clientState=client_state(ada.technician.mailbox_id, SECRET))))
    await tenant.settle()
    assert await tenant.booking_start(ben) == ben.start_at
    assert not tenant.app_writes


async def test_a_notification_of_an_unknown_subscription_is_a_hint_at_most(tenant: Tenant) -> None:
    """Failure mode 20: at most one read and no write, for a subscription that is not ours or not any more."""
    visit = tenant.visit()
    before = await tenant.booking(visit)
    await knock(tenant, collection(change(visit, subscriptionId="00000000-dead-4000-8000-000000000000")))
    await tenant.settle(limit=timedelta(seconds=5))
    assert sum(tenant.graph_calls.values()) <= 1
    await tenant.settle()
    assert not tenant.dataverse_calls
    assert await tenant.booking(visit) == before


@pytest.mark.parametrize("event", ["reauthorizationRequired", "subscriptionRemoved", "missed"])
async def test_a_lifecycle_notification_of_an_unknown_subscription_leaves_one_subscription_per_mailbox(
    tenant: Tenant, event: str
) -> None:
    """Failure mode 20: with a genuine client state, such as of a subscription that was replaced."""
    before = subscriptions(await tenant.graph_state())
    await tenant.notify_lifecycle(tenant.technician, event, subscriptionId="00000000-dead-4000-8000-000000000000")
    await tenant.settle()
    assert subscriptions(await tenant.graph_state()) == before
    assert not tenant.letters.letters
    await tenant.assert_converged()


@pytest.mark.parametrize("event", ["reauthorizationRequired", "subscriptionRemoved", "missed"])
@pytest.mark.parametrize(
    "forged",
    [{"clientState": "guess"}, {"tenantId": "00000000-0000-0000-0000-000000000000"}, {"lifecycleEvent": "explode"}],
)
async def test_a_forged_lifecycle_notification_costs_nothing(
    tenant: Tenant, event: str, forged: dict[str, str]
) -> None:
    """Failure mode 20: no call, no work, and the same answer as to a genuine one."""
    await tenant.notify_lifecycle(tenant.technician, event, **forged)
    await tenant.settle()
    assert [reply.status for reply in tenant.replies] == [202]
    assert not tenant.graph_calls
    assert tenant.queue.next_visible_at() is None


NOT_COLLECTIONS: list[Any] = [
    pytest.param(b"", id="empty"),
    pytest.param(b"<html>hello</html>", id="html"),
    pytest.param(b"{", id="half-json"),
    pytest.param(b"[]", id="list"),
    pytest.param(b"null", id="null"),
    pytest.param(b'"value"', id="text"),
    pytest.param(b"{}", id="no-value"),
    pytest.param(b'{"value": {}}', id="value-is-no-list"),
    pytest.param(b"\xff\xfe\x00", id="not-utf-8"),
    pytest.param(b"[" * 200_000, id="nested-without-end"),
    pytest.param(b'{"value": ' + b"9" * 10_000 + b"}", id="number-without-end"),
]


@pytest.mark.parametrize("parse", [accept_changes, accept_lifecycle])
@pytest.mark.parametrize("body", NOT_COLLECTIONS)
async def test_what_is_no_collection_gets_a_clear_400(tenant: Tenant, body: bytes, parse: Parse) -> None:
    """Failure mode 20: not JSON, or JSON of another shape."""
    reply = await knock(tenant, body, parse=parse)
    assert reply.status == 400
    assert reply.text
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert tenant.queue.next_visible_at() is None


@pytest.mark.parametrize("parse", [accept_changes, accept_lifecycle])
async def test_two_megabytes_are_refused_unread_though_all_in_them_is_genuine(tenant: Tenant, parse: Parse) -> None:
    """Failure mode 20: a body over the limit."""
    body = collection(change(tenant.visit()), "x" * 2 * 1024 * 1024)
    reply = await knock(tenant, body, parse=parse)
    assert reply.status == 413
    assert tenant.queue.next_visible_at() is None


async def test_html_in_the_validation_token_comes_back_as_plain_text_that_no_browser_runs(tenant: Tenant) -> None:
    """Failure mode 20: the token is echoed as it came, and never sniffed as markup."""
    token = "<script>alert('é & \"quoted\"')</script>"
    reply = await knock(tenant, b"", token=token)
    assert (reply.status, reply.text) == (200, token)
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("token", ["", "x" * 5_000, "line\r\nSet-Cookie: a=b", "\x00"])
async def test_a_token_that_graph_would_not_send_is_refused_and_not_echoed(tenant: Tenant, token: str) -> None:
    """Failure mode 20: the handshake is no mirror for anything."""
    reply = await knock(tenant, b"", token=token)
    assert reply.status == 400
    assert not token or token not in reply.text


async def test_a_handshake_never_looks_at_the_body(tenant: Tenant) -> None:
    """Failure mode 20: genuine work in the body of a handshake is not taken up."""
    reply = await knock(tenant, collection(change(tenant.visit())), token="Validation: Testing client application")
    assert reply.status == 200
    assert tenant.queue.next_visible_at() is None


@pytest.mark.parametrize(
    "act",
    [
        "moved",
        "moved-twice",
        "deleted",
        "moved-then-deleted",
        "moved-in-dynamics-since",
        "moved-in-dynamics-since-unheard",
    ],
)
async def test_a_genuine_body_replayed_a_day_later_costs_one_read_at_most_and_writes_nothing(act: str) -> None:
    """Failure mode 20: who has recorded our traffic can make us look, not act."""
    tenant = await Tenant.small()
    visit = tenant.visit()
    with recorded(tenant) as bodies:
        if act.startswith("moved"):
            await tenant.move_event(visit)
            await tenant.settle()
        if act == "moved-twice":
            await tenant.move_event(visit, by=timedelta(hours=2))
            await tenant.settle()
        if act.endswith("deleted"):
            await tenant.delete_event(visit)
            await tenant.settle()
    assert bodies
    if act.startswith("moved-in-dynamics-since"):
        tenant.switch_dataverse(webhook_lose=float(act.endswith("unheard")))
        at = visit.start_at + timedelta(hours=9)
        await tenant.patch_booking(visit, starttime=f"{at:%Y-%m-%dT%H:%M:%SZ}", endtime=f"{at:%Y-%m-%dT%H:%M:%SZ}")
        await tenant.settle()
    before = await tenant.booking(visit)
    tenant.clock.advance(timedelta(days=1).total_seconds())
    for body in bodies:
        tenant.forget_costs()
        assert (await knock(tenant, body)).status == 202
        await tenant.settle()
        assert sum((tenant.graph_calls + tenant.dataverse_calls).values()) <= 1
        assert not tenant.app_writes
    assert await tenant.booking(visit) == before


async def test_with_the_queue_down_the_door_answers_503_and_redelivery_loses_nothing(tenant: Tenant) -> None:
    """Failure mode 20: 202 is never sent before the queue has the work."""
    moved, deleted = tenant.visit(index=0), tenant.visit(index=1)

    async def fail(_: str) -> None:
        raise ServiceUnavailable("queue event-changes cannot be reached")

    tenant.queue.before_each = fail
    await tenant.move_event(moved)
    await tenant.delete_event(deleted)
    await tenant.settle(limit=timedelta(minutes=30))
    assert {reply.status for reply in tenant.replies} == {503}
    assert all(reply.headers["Retry-After"] for reply in tenant.replies)
    tenant.queue.before_each = None
    await tenant.settle()
    assert await tenant.booking_start(moved) == moved.start_at + timedelta(hours=1)
    assert (await tenant.booking(deleted))["status"] == "Canceled"
    await tenant.assert_converged()


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("failing", range(5))
async def test_a_body_of_which_the_queue_took_a_part_is_delivered_again_whole(failing: int, after_effect: bool) -> None:
    """Failure mode 20: one of five puts fails, before or after its effect; every visit follows, none is done twice."""
    tenant = await Tenant.small(technician=0, **QUIET)
    visits = [tenant.visit(index=index) for index in range(5)]
    for visit in visits:
        await tenant.move_event(visit)
    error = ServiceUnavailable("queue event-changes did not answer")
    tenant.queue.fail_next("put", error, skip=failing, after_effect=after_effect)
    await tenant.settle()
    assert sorted({reply.status for reply in tenant.replies}) == [202, 503]
    for visit in visits:
        assert await tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    assert tenant.app_writes == {"bookableresourcebookings.update": 5}
    await tenant.assert_converged()


def subscriptions(state: dict[str, Any]) -> list[str]:
    """The mailboxes that are subscribed to, one entry for every subscription."""
    return sorted(one["mailbox_id"] for one in state["subscriptions"])


@contextmanager
def recorded(tenant: Tenant) -> Iterator[list[bytes]]:
    """The bodies that Graph posts to the door meanwhile."""
    bodies: list[bytes] = []
    post = tenant.graph.post

    async def record(url: str, body: bytes, timeout_seconds: float) -> int:
        bodies.append(body)
        return await post(url, body, timeout_seconds)

    tenant.graph.post = record  # type: ignore[method-assign]
    yield bodies
    tenant.graph.post = post  # type: ignore[method-assign]
