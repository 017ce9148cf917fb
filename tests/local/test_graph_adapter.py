"""The Graph adapter and single events, on the simulator: what arrives, what it costs, what failures mean."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from local.switchboard import Fault
from sync.adapters.graph import GraphClient
from sync.core.content import EventContent, ShowAs
from sync.core.errors import (
    DeltaTokenExpired,
    InvalidPayload,
    MailboxUnavailable,
    NotFound,
    PermanentError,
    PreconditionFailed,
    ServiceUnavailable,
    Throttled,
    TransientError,
)
from sync.core.sides import EventAddress, TimeSpan
from sync.service.ports import EventChanges, EventDraft
from tests.local.graph_adapter import calls, drop_event, look_at, make_event, open_client
from tests.local.graph_tenant import BOOKING, TECHNICIAN, USER, Tenant, tenant, times

MAILBOX = TECHNICIAN.mailbox_id
ADDRESS = EventAddress(MAILBOX, BOOKING.event_id)
BOOKING_ID = "7b0c9b8e-52c1-4f0d-8d7e-2f6a3c1b9d10"
START = datetime(2026, 3, 24, 10, tzinfo=UTC)
SPAN = TimeSpan(start_at=START, end_at=START + timedelta(hours=1))
CONTENT = EventContent(
    subject="WO-00042, Fabrikam",
    location="12 Harbour Street, Bergen",
    body="<p>Boiler loses pressure</p>",
    categories=("Dynamics 365",),
    show_as=ShowAs.OUT_OF_OFFICE,
)
DRAFT = EventDraft(booking_id=BOOKING_ID, transaction_id="t-1", span=SPAN, content=CONTENT)
HOSTILE = [
    pytest.param("It's a \"boiler\" \\ 'quoted'; {braces} [brackets]", id="quotes"),
    pytest.param("<script>alert(1)</script> &amp; <b>bold", id="markup"),
    pytest.param("🔧 Réparation 雨漏り \u202eright to left\u202c 👩‍🔧", id="emoji and scripts of the world"),
    pytest.param("x" * 254 + "…", id="255 characters"),
    pytest.param("' or 1 eq 1 or subject eq '", id="a filter"),
]


@pytest.fixture
async def graph() -> AsyncIterator[Tenant]:
    async with tenant() as opened:
        yield opened
        assert opened.simulator.world.mails == [], "nothing that the adapter does may send a mail"


async def events_at_start(graph: Tenant) -> list[str]:
    """Ids of the events in the calendar that start when the draft's does."""
    answer = await graph.person.get(f"{USER}/events", params={"$top": "100"})
    return [event["id"] for event in answer.json()["value"] if event["start"]["dateTime"][:16] == "2026-03-24T10:00"]


# Creating


async def test_an_event_is_made_whole_and_marked_in_one_call(graph: Tenant) -> None:
    client, line = open_client(graph)
    created = await client.create_event(MAILBOX, DRAFT)
    assert calls(graph) == {"event.create": 1}
    assert line.bodies("POST")[0]["transactionId"] == "t-1"

    shown = await look_at(graph, created.event_id)
    assert (shown["subject"], shown["location"]["displayName"]) == (CONTENT.subject, CONTENT.location)
    assert (shown["body"]["content"], shown["categories"], shown["showAs"]) == (CONTENT.body, ["Dynamics 365"], "oof")
    assert (shown["start"]["dateTime"][:16], shown["end"]["dateTime"][:16]) == ("2026-03-24T10:00", "2026-03-24T11:00")
    assert shown["extensions"][0]["bookingSyncGuid"] == BOOKING_ID
    assert shown["singleValueExtendedProperties"][0]["value"] == BOOKING_ID
    assert shown["attendees"] == []

    assert created.booking_id == BOOKING_ID
    assert created == await client.find_event(MAILBOX, created.event_id), "the answer is what a read would give"
    assert created == await client.find_marked_event(MAILBOX, BOOKING_ID)


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_texts_arrive_intact(graph: Tenant, text: str) -> None:
    client, _ = open_client(graph)
    content = replace(CONTENT, subject=text, location=text, body=f"<p>{text}</p>", categories=(text, "Other"))
    created = await client.create_event(MAILBOX, replace(DRAFT, content=content))
    changed = EventChanges(subject=text, location=text, body=f"<p>{text}</p>", categories=(text, "Other"))
    await client.update_event(ADDRESS, changes=changed)
    for event_id in (created.event_id, ADDRESS.event_id):
        shown = await look_at(graph, event_id)
        assert (shown["subject"], shown["location"]["displayName"]) == (text, text)
        assert (shown["body"]["content"], shown["categories"]) == (f"<p>{text}</p>", [text, "Other"])
    assert (await client.read_body(created.address)).html == f"<p>{text}</p>"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 0}, id="the line was cut"),
        pytest.param({"status": 500}, id="500"),
        pytest.param({"status": 503, "headers": {"Retry-After": "1"}}, id="503 with a stated wait"),
        pytest.param({"status": 504}, id="504"),
        pytest.param({"status": 409, "body": {"error": {"code": "ConcurrentItemSave"}}}, id="a conflict of its own"),
        pytest.param({"status": 429}, id="429 without a word"),
    ],
)
@pytest.mark.parametrize("remembers", ["always", "while_it_lives", "never"])
async def test_a_create_whose_answer_is_lost_makes_one_event_that_can_be_found(
    graph: Tenant, fault: dict[str, Any], remembers: str
) -> None:
    graph.switch(transaction_id=remembers)
    client, _ = open_client(graph)
    graph.simulator.switchboard.faults.append(Fault(kind="event.create", when="after", **fault))
    with pytest.raises(TransientError) as failure:
        await client.create_event(MAILBOX, DRAFT)
    assert failure.value.mailbox_id == MAILBOX
    assert calls(graph) == {"event.create": 1}
    assert len(await events_at_start(graph)) == 1
    found = await client.find_marked_event(MAILBOX, BOOKING_ID)
    assert found is not None
    assert found.span == SPAN


async def test_a_create_that_was_refused_unread_is_sent_again_in_place(graph: Tenant) -> None:
    client, _ = open_client(graph)
    graph.simulator.switchboard.faults.append(Fault(kind="event.create", status=429, headers={"Retry-After": "2"}))
    await client.create_event(MAILBOX, DRAFT)
    assert calls(graph) == {"event.create": 2}
    assert len(await events_at_start(graph)) == 1


async def test_a_long_stated_wait_is_told(graph: Tenant) -> None:
    client, _ = open_client(graph)
    graph.simulator.switchboard.faults.append(Fault(kind="event.create", status=429, headers={"Retry-After": "60"}))
    with pytest.raises(Throttled) as failure:
        await client.create_event(MAILBOX, DRAFT)
    assert failure.value.retry_after_seconds == 60
    assert await events_at_start(graph) == []


async def test_an_event_that_lost_its_extension_in_a_save_conflict_is_found_by_the_other_mark(graph: Tenant) -> None:
    graph.switch(create_conflict=1.0)
    client, _ = open_client(graph)
    with pytest.raises(ServiceUnavailable):
        await client.create_event(MAILBOX, DRAFT)
    assert len(await events_at_start(graph)) == 1
    found = await client.find_marked_event(MAILBOX, BOOKING_ID)
    assert found is not None
    assert "extensions" not in await look_at(graph, found.event_id)


@pytest.mark.parametrize(
    ("remembers", "while_it_lives", "after_deletion"),
    [("always", 1, 0), ("while_it_lives", 1, 1), ("never", 2, 2)],
)
async def test_a_repeated_transaction_is_what_graph_makes_of_it(
    graph: Tenant, remembers: str, while_it_lives: int, after_deletion: int
) -> None:
    """So nobody may rely on it: neither that a second event is not made, nor that one is after a deletion."""
    graph.switch(transaction_id=remembers)
    client, _ = open_client(graph)
    first = await client.create_event(MAILBOX, DRAFT)
    second = await client.create_event(MAILBOX, DRAFT)
    assert len(await events_at_start(graph)) == while_it_lives
    assert (first.event_id == second.event_id) is (while_it_lives == 1)
    await client.delete_event(first.address)
    third = await client.create_event(MAILBOX, DRAFT)
    assert len(await events_at_start(graph)) == after_deletion
    assert (await client.find_event(MAILBOX, third.event_id) is None) is (after_deletion == 0)


# Changing


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        (EventChanges(span=SPAN), {"start", "end"}),
        (EventChanges(subject="New"), {"subject"}),
        (EventChanges(location="Oslo"), {"location"}),
        (EventChanges(body="<p>New</p>"), {"body"}),
        (EventChanges(categories=("A", "B")), {"categories"}),
        (EventChanges(show_as=ShowAs.FREE), {"showAs"}),
    ],
    ids=lambda value: min(value) if isinstance(value, set) else "",
)
async def test_only_what_is_given_is_written(graph: Tenant, changes: EventChanges, sent: set[str]) -> None:
    client, line = open_client(graph)
    before = await look_at(graph, ADDRESS.event_id)
    changed = await client.update_event(ADDRESS, changes)
    after = await look_at(graph, ADDRESS.event_id)
    follows = {"body": {"bodyPreview"}, "location": {"locations"}, "start": {"originalStartTimeZone"}}
    expected = sent.union(*(follows.get(name, set()) for name in sent))
    always = {"@odata.etag", "changeKey", "lastModifiedDateTime"}
    differing = {name for name in before | after if before.get(name) != after.get(name)} - always
    assert sent <= differing <= expected
    assert [set(body) for body in line.bodies("PATCH")] == [sent]
    assert "If-Match" not in line.sent("PATCH")[0].headers
    assert changed.etag == after["@odata.etag"]
    assert calls(graph) == {"event.update": 1}


async def test_times_and_texts_go_in_one_call_and_the_new_state_is_answered(graph: Tenant) -> None:
    client, _ = open_client(graph)
    changed = await client.update_event(ADDRESS, EventChanges(span=SPAN, subject="Moved"))
    assert calls(graph) == {"event.update": 1}
    assert (changed.span, changed.booking_id) == (SPAN, None)
    assert replace(changed, booking_id=BOOKING.booking_id) == await client.find_event(*ADDRESS)


async def test_an_event_without_our_mark_can_be_given_it(graph: Tenant) -> None:
    client, _ = open_client(graph)
    event_id = await make_event(graph, subject="By hand", **times("2026-03-24T10:00:00", "2026-03-24T11:00:00"))
    marked = await client.update_event(EventAddress(MAILBOX, event_id), EventChanges(booking_id=BOOKING_ID))
    assert marked.booking_id == BOOKING_ID
    assert marked == await client.find_marked_event(MAILBOX, BOOKING_ID)


async def test_a_change_of_nothing_is_not_sent(graph: Tenant) -> None:
    client, line = open_client(graph)
    with pytest.raises(ValueError, match="nothing to change"):
        await client.update_event(ADDRESS, EventChanges())
    assert line.requests == []


async def test_a_change_of_an_event_that_is_gone_says_so(graph: Tenant) -> None:
    client, _ = open_client(graph)
    await drop_event(graph, ADDRESS.event_id)
    with pytest.raises(NotFound) as failure:
        await client.update_event(ADDRESS, EventChanges(subject="New"))
    assert failure.value.mailbox_id == MAILBOX


@pytest.mark.parametrize("if_match", ["ignore", "enforce"])
async def test_a_change_at_a_stale_etag_fails_where_graph_honours_etags(graph: Tenant, if_match: str) -> None:
    graph.switch(if_match=if_match)
    client, _ = open_client(graph)
    changes = EventChanges(subject="New")
    if if_match == "enforce":
        with pytest.raises(PreconditionFailed):
            await client.update_event(ADDRESS, changes, etag='W/"stale"')
    else:
        await client.update_event(ADDRESS, changes, etag='W/"stale"')
    assert ((await look_at(graph, ADDRESS.event_id))["subject"] == "New") is (if_match == "ignore")


async def test_a_change_whose_answer_is_lost_is_sent_again_and_ends_the_same(graph: Tenant) -> None:
    client, _ = open_client(graph)
    graph.simulator.switchboard.faults.append(Fault(kind="event.update", when="after", status=500))
    changed = await client.update_event(ADDRESS, EventChanges(span=SPAN))
    assert calls(graph) == {"event.update": 2}
    assert (changed.span, changed.etag) == (SPAN, (await look_at(graph, ADDRESS.event_id))["@odata.etag"])


# Lists, page after page


def cancelled_copy(graph: Tenant) -> None:
    """An event that was copied with the booking's mark, an hour earlier, and was cancelled."""
    world, hour = graph.simulator.world, timedelta(hours=1)
    mailbox = world.mailboxes[MAILBOX]
    copy = world.copy(mailbox, mailbox.versions[BOOKING.event_id][-1], mailbox.default_calendar)
    world.update(copy, {"start_at": copy.start_at - hour, "end_at": copy.end_at - hour, "is_cancelled": True})


@pytest.mark.parametrize(("empty_pages", "is_found"), [(0, True), (4, True), (5, False)])
async def test_a_search_follows_the_links_of_empty_pages_and_a_cut_one_is_no_answer(
    graph: Tenant, empty_pages: int, *, is_found: bool
) -> None:
    graph.switch(search_empty_pages=empty_pages)
    client, _ = open_client(graph)
    if is_found:
        assert await client.find_marked_event(MAILBOX, BOOKING.booking_id) == await client.find_event(*ADDRESS)
    else:
        with pytest.raises(ServiceUnavailable):
            await client.find_marked_event(MAILBOX, BOOKING.booking_id)
    assert calls(graph)["event.search"] == min(empty_pages + 1, 5)


async def test_a_page_of_cancelled_copies_does_not_hide_the_event_behind_it(graph: Tenant) -> None:
    for _ in range(5):
        cancelled_copy(graph)
    client, _ = open_client(graph)
    assert await client.find_marked_event(MAILBOX, BOOKING.booking_id) == await client.find_event(*ADDRESS)
    assert calls(graph)["event.search"] == 2


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("https://graph.example/v1.0/users/delta?$skiptoken=1", id="another host"),
        pytest.param("https://127.0.0.1:7080/v1.0/users/delta", id="another scheme"),
        pytest.param("http://127.0.0.1:7081/v1.0/users/delta", id="another port"),
        pytest.param("http://127.0.0.1:7080@graph.example/v1.0/users/delta", id="a host in disguise"),
        pytest.param("/v1.0/users/delta", id="a path"),
        pytest.param("http://[", id="no address"),
    ],
)
async def test_no_link_leads_the_token_to_another_host(graph: Tenant, link: str) -> None:
    async def answer() -> httpx.Response:
        return httpx.Response(200, json={"value": [], "@odata.nextLink": link})

    client, line = open_client(graph)
    for call in ("lookalike", "mark", "subscriptions"):
        line.requests.clear()
        line.before["GET", 1] = answer
        with pytest.raises(InvalidPayload):
            await FOLLOWING[call](client)
        assert len(line.requests) == 1
    line.requests.clear()
    with pytest.raises(InvalidPayload):
        await client.read_delta(MAILBOX, window=SPAN, link=link)
    assert line.requests == []


# Reading bodies


async def test_a_body_is_read_alone_as_html_with_its_etag(graph: Tenant) -> None:
    client, line = open_client(graph)
    text = {"contentType": "text", "content": "1 < 2\nSecond line"}
    event_id = await make_event(graph, body=text, **times("2026-03-24T10:00:00", "2026-03-24T11:00:00"))
    body = await client.read_body(EventAddress(MAILBOX, event_id))
    assert "1 &lt; 2<br>Second line" in body.html
    assert body.etag == (await look_at(graph, event_id))["@odata.etag"]
    assert calls(graph) == {"event.get": 1}
    assert line.requests[0].url.params["$select"] == "body"


async def test_the_body_of_an_event_that_is_gone_is_not_found(graph: Tenant) -> None:
    client, _ = open_client(graph)
    await drop_event(graph, ADDRESS.event_id)
    with pytest.raises(NotFound):
        await client.read_body(ADDRESS)


# Deleting


async def test_an_event_is_deleted_once_and_deleting_it_again_succeeds(graph: Tenant) -> None:
    client, _ = open_client(graph)
    for _ in range(2):
        await client.delete_event(ADDRESS)
    assert await client.find_event(*ADDRESS) is None
    assert await client.find_marked_event(MAILBOX, BOOKING.booking_id) is None
    assert calls(graph)["event.delete"] == 2


async def test_a_404_that_proves_nothing_is_no_success(graph: Tenant) -> None:
    client, _ = open_client(graph)
    body = {"error": {"code": "UnknownError", "message": ""}}
    graph.simulator.switchboard.faults.append(Fault(kind="event.delete", status=404, body=body, times=None))
    with pytest.raises(ServiceUnavailable):
        await client.delete_event(ADDRESS)


@pytest.mark.parametrize("if_match", ["ignore", "enforce"])
async def test_a_deletion_at_a_stale_etag_fails_where_graph_honours_etags(graph: Tenant, if_match: str) -> None:
    graph.switch(if_match=if_match)
    client, line = open_client(graph)
    event = await client.find_event(*ADDRESS)
    assert event is not None
    if if_match == "enforce":
        with pytest.raises(PreconditionFailed):
            await client.delete_event(ADDRESS, etag='W/"stale"')
        assert await client.find_event(*ADDRESS) is not None
    await client.delete_event(ADDRESS, etag=event.etag)
    assert await client.find_event(*ADDRESS) is None
    assert line.sent("DELETE")[-1].headers["If-Match"] == event.etag


async def test_a_deleted_event_is_not_found_by_its_mark_even_where_it_can_still_be_read(graph: Tenant) -> None:
    graph.switch(deleted_get="200")
    client, _ = open_client(graph)
    await client.delete_event(ADDRESS)
    assert await client.find_event(*ADDRESS) is not None
    assert not await client.is_in_calendar(*ADDRESS)
    assert await client.find_marked_event(MAILBOX, BOOKING.booking_id) is None


# Delta links


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "InvalidDeltaToken"), (400, "ErrorInvalidSyncStateData"), (404, "ErrorItemNotFound"), (410, "Gone")],
)
async def test_a_delta_link_that_graph_refuses_has_expired_but_a_first_request_has_nothing_to_expire(
    graph: Tenant, status: int, code: str
) -> None:
    client, _ = open_client(graph)
    page = await client.read_delta(MAILBOX, window=SPAN, link=None)
    body = {"error": {"code": code, "message": ""}}
    refusal = Fault(kind="calendarView.delta", status=status, body=body, times=None)
    graph.simulator.switchboard.faults.append(refusal)
    with pytest.raises(DeltaTokenExpired) as failure:
        await client.read_delta(MAILBOX, window=SPAN, link=page.delta_link)
    assert (failure.value.status, failure.value.code) == (status, code)
    if status != 410:
        with pytest.raises(PermanentError):
            await client.read_delta(MAILBOX, window=SPAN, link=None)


# Mailboxes

EVERY_CALL: dict[str, Callable[[GraphClient], Awaitable[object]]] = {
    "create": lambda client: client.create_event(MAILBOX, DRAFT),
    "update": lambda client: client.update_event(ADDRESS, EventChanges(subject="New"), etag='W/"1"'),
    "delete": lambda client: client.delete_event(ADDRESS),
    "body": lambda client: client.read_body(ADDRESS),
    "lookalike": lambda client: client.find_lookalike(MAILBOX, SPAN, "WO-00042"),
    "mark": lambda client: client.find_marked_event(MAILBOX, BOOKING_ID),
    "event": lambda client: client.find_event(*ADDRESS),
    "place": lambda client: client.is_in_calendar(*ADDRESS),
    "delta": lambda client: client.read_delta(MAILBOX, window=SPAN, link=None),
}


async def list_all(client: GraphClient) -> None:
    async for _ in client.list_subscriptions():
        pass


FOLLOWING = EVERY_CALL | {"subscriptions": list_all}
"""Calls among which are those that follow links."""


@pytest.mark.parametrize("call", EVERY_CALL.values(), ids=EVERY_CALL)
@pytest.mark.parametrize("access", ["denied", "not_enabled", "gone"])
async def test_a_mailbox_that_does_not_answer_is_named(
    graph: Tenant, access: str, call: Callable[[GraphClient], Awaitable[object]]
) -> None:
    client, _ = open_client(graph)
    await graph.control("mailboxes", mailbox_id=MAILBOX, access=access)
    with pytest.raises(MailboxUnavailable) as failure:
        await call(client)
    assert failure.value.mailbox_id == MAILBOX
    assert not client.guards_writes


@pytest.mark.parametrize("call", EVERY_CALL.values(), ids=EVERY_CALL)
async def test_every_call_asks_for_immutable_ids_and_utc(
    graph: Tenant, call: Callable[[GraphClient], Awaitable[object]]
) -> None:
    client, line = open_client(graph)
    await call(client)
    for request in line.requests:
        assert 'IdType="ImmutableId"' in request.headers["Prefer"]
        assert 'outlook.timezone="UTC"' in request.headers["Prefer"]
