"""How the adapter learns whether Graph honours an event's etag, and that learning it does no harm."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest

from local.graph.events import Change
from sync.adapters.graph import GraphClient
from sync.core.errors import PreconditionFailed
from sync.core.sides import Event, EventAddress
from sync.service.ports import EventChanges
from tests.local.graph_adapter import calls, change_event, look_at, make_event, open_client
from tests.local.graph_tenant import BOOKING, TECHNICIAN, Tenant, tenant, times

OTHER_TIME = times("2026-03-24T10:00:00", "2026-03-24T11:00:00")
STALE = 'W/"stale"'


@pytest.fixture(params=["enforce", "ignore"])
async def graph(request: pytest.FixtureRequest) -> AsyncIterator[Tenant]:
    async with tenant(if_match=request.param) as opened:
        yield opened


@pytest.fixture
async def enforcing() -> AsyncIterator[Tenant]:
    async with tenant(if_match="enforce") as opened:
        yield opened


async def an_event(client: GraphClient, event_id: str = BOOKING.event_id) -> Event:
    event = await client.find_event(TECHNICIAN.mailbox_id, event_id)
    assert event is not None
    return event


async def change(client: GraphClient, event: Event, subject: str, etag: str | None) -> Event:
    return await client.update_event(event.address, EventChanges(subject=subject), etag=etag)


async def conflict() -> httpx.Response:
    return httpx.Response(412, json={"error": {"code": "ErrorIrresolvableConflict"}})


def honours(graph: Tenant) -> bool:
    return bool(graph.simulator.switchboard.switches["if_match"] == "enforce")


async def test_conditional_changes_tell_at_the_price_of_one_more_each(graph: Tenant) -> None:
    client, line = open_client(graph)
    event = await an_event(client)
    changed = await change(client, event, "First", event.etag)
    assert not client.guards_writes, "one refusal may be chance"
    first, probe = line.sent("PATCH")
    assert probe.content == b'{"showAs": "busy"}', "what Graph has just shown, not the change once more"
    assert [request.headers["If-Match"] for request in (first, probe)] == [event.etag, event.etag]
    assert changed.etag == (await an_event(client)).etag, "the answer is the newest state"

    again = await change(client, event, "Second", changed.etag)
    assert client.guards_writes is honours(graph)
    asked = calls(graph)["event.update"]
    assert asked == (4 if honours(graph) else 3), "a success at a stale etag is no chance"

    third = await change(client, event, "Third", again.etag)
    assert calls(graph)["event.update"] == asked + 1, "what is known is not asked again"
    assert third.etag == (await an_event(client)).etag
    assert (await look_at(graph, event.event_id))["subject"] == "Third"


async def test_a_stray_conflict_is_not_taken_for_an_etag_that_is_honoured() -> None:
    """Exchange answers so of its own accord, likeliest to writes in close succession."""
    async with tenant(if_match="ignore") as graph:
        client, line = open_client(graph)
        line.before["PATCH", 2] = conflict
        event = await an_event(client)
        changed = await change(client, event, "First", event.etag)
        assert not client.guards_writes
        await change(client, event, "Second", changed.etag)
        assert not client.guards_writes
        assert len(line.sent("PATCH")) == 4


async def test_what_a_technician_does_before_the_probe_is_neither_undone_nor_taken_for_ours(graph: Tenant) -> None:
    """Found by a history (seed 61), when the probe still repeated the change."""
    client, _ = open_client(graph)
    event = await an_event(client)
    world, hour = graph.simulator.world, timedelta(hours=1)

    def drag(done: Change) -> None:
        world.on_change.remove(drag)
        world.update(done.after, {"start_at": done.after.start_at + hour, "end_at": done.after.end_at + hour})

    world.on_change.append(drag)
    changed = await change(client, event, "First", event.etag)
    newest = await an_event(client)
    assert newest.span.start_at == event.span.start_at + hour
    assert changed.span == event.span
    assert changed.etag != newest.etag


async def test_each_process_learns_for_itself(graph: Tenant) -> None:
    first, _ = open_client(graph)
    event = await an_event(first)
    changed = await change(first, event, "Zero", event.etag)
    changed = await change(first, event, "First", changed.etag)
    second, _ = open_client(graph)
    assert not second.guards_writes
    for subject in ("Second", "Third"):
        changed = await change(second, event, subject, changed.etag)
    assert second.guards_writes is honours(graph)


async def test_a_change_without_an_etag_tells_nothing_and_is_not_repeated(graph: Tenant) -> None:
    client, line = open_client(graph)
    event = await an_event(client)
    for unknown in (None, ""):
        await change(client, event, "Blind", unknown)
    assert not client.guards_writes
    assert ["If-Match" in request.headers for request in line.sent("PATCH")] == [False, False]


async def update(client: GraphClient, address: EventAddress) -> None:
    await client.update_event(address, EventChanges(subject="Late"), etag=STALE)


async def delete(client: GraphClient, address: EventAddress) -> None:
    await client.delete_event(address, etag=STALE)


@pytest.mark.parametrize("write", [update, delete])
async def test_a_refused_write_alone_tells_nothing(
    enforcing: Tenant, write: Callable[[GraphClient, EventAddress], Awaitable[None]]
) -> None:
    """Exchange answers 412 now and then of its own accord."""
    client, _ = open_client(enforcing)
    event = await an_event(client)
    with pytest.raises(PreconditionFailed) as failure:
        await write(client, event.address)
    assert failure.value.mailbox_id == TECHNICIAN.mailbox_id
    assert not client.guards_writes
    changed = await change(client, event, "In time", event.etag)
    assert not client.guards_writes, "nor does it count as one of the two"
    await change(client, event, "In time again", changed.etag)
    assert client.guards_writes


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx.Response(409, json={"error": {"code": "Conflict"}}), id="a conflict of another kind"),
        pytest.param(httpx.Response(500), id="an outage"),
        pytest.param(httpx.Response(429, headers={"Retry-After": "1"}), id="throttled"),
        pytest.param(httpx.Response(404, json={"error": {"code": "ErrorItemNotFound"}}), id="deleted meanwhile"),
        pytest.param(httpx.Response(403, json={"error": {"code": "ErrorAccessDenied"}}), id="access lost meanwhile"),
        pytest.param(httpx.Response(200, content=b"<html>"), id="no answer of Graph's"),
        pytest.param(httpx.ReadTimeout("slow"), id="no answer"),
    ],
)
async def test_trouble_while_learning_spoils_no_change_and_leaves_the_question_open(
    graph: Tenant, answer: httpx.Response | Exception
) -> None:
    async def fail() -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    client, line = open_client(graph)
    line.before["PATCH", 2] = fail
    event = await an_event(client)
    changed = await change(client, event, "First", event.etag)
    assert len(line.sent("PATCH")) == 2, "nor is it repeated"
    assert changed.etag == (await an_event(client)).etag
    assert not client.guards_writes

    changed = await change(client, event, "Second", changed.etag)
    await change(client, event, "Third", changed.etag)
    assert client.guards_writes is honours(graph)
    assert len(line.sent("PATCH")) == (6 if honours(graph) else 5)


async def test_changes_side_by_side_ask_once(graph: Tenant) -> None:
    client, line = open_client(graph)
    one, other = [await an_event(client, await make_event(graph, subject=f"{n}", **OTHER_TIME)) for n in range(2)]
    is_asking, is_answered = asyncio.Event(), asyncio.Event()

    async def take_time() -> None:
        is_asking.set()
        await is_answered.wait()

    line.before["PATCH", 2] = take_time
    first = asyncio.create_task(change(client, one, "Changed", one.etag))
    await is_asking.wait()
    await change(client, other, "Changed", other.etag)
    is_answered.set()
    await first
    assert len(line.sent("PATCH")) == 3


async def test_nothing_is_learnt_at_the_expense_of_people_who_were_invited(graph: Tenant) -> None:
    """A technician may ask a colleague along; each change of that event is mailed, so it is written once."""
    client, line = open_client(graph)
    guest = {"emailAddress": {"address": "guest@partner.example"}}
    meeting = await an_event(client, await make_event(graph, subject="1", attendees=[guest], **OTHER_TIME))
    await change(client, meeting, "Changed", meeting.etag)
    assert (len(line.sent("PATCH")), client.guards_writes) == (1, False)
    assert [mail.kind for mail in graph.simulator.world.mails] == ["invitation", "update"]


async def test_a_change_that_left_the_etag_as_it_was_tells_nothing(graph: Tenant) -> None:
    """Nothing is stale then, so the success of a repetition would prove nothing."""
    client, line = open_client(graph)
    event = await an_event(client)
    shown = await look_at(graph, event.event_id)

    async def unchanged() -> httpx.Response:
        return httpx.Response(200, json=shown)

    line.before["PATCH", 1] = unchanged
    await change(client, event, "First", event.etag)
    assert (len(line.sent("PATCH")), client.guards_writes) == (1, False)


async def test_a_person_who_changes_another_field_meanwhile_loses_nothing(graph: Tenant) -> None:
    client, line = open_client(graph)
    event = await an_event(client)

    async def move() -> None:
        await change_event(graph, event.event_id, **OTHER_TIME)

    line.before["PATCH", 2] = move
    await change(client, event, "First", event.etag)
    kept = await look_at(graph, event.event_id)
    assert (kept["subject"], kept["start"]["dateTime"][:16]) == ("First", "2026-03-24T10:00")


async def test_a_conflict_of_exchanges_own_does_not_unteach(graph: Tenant) -> None:
    client, line = open_client(graph)
    event = await an_event(client)
    for subject in ("First", "Second"):
        event = await change(client, event, subject, event.etag)
    learnt, sent = client.guards_writes, len(line.sent("PATCH"))
    line.before["PATCH", sent + 1] = conflict
    with suppress(PreconditionFailed):
        await change(client, event, "Third", event.etag)
    assert len(line.sent("PATCH")) == sent + 1
    assert client.guards_writes is learnt


async def test_events_without_guests_are_changed_without_a_mail(graph: Tenant) -> None:
    client, _ = open_client(graph)
    event = await an_event(client)
    changed = await change(client, event, "First", event.etag)
    await client.delete_event(event.address, etag=changed.etag)
    assert graph.simulator.world.mails == []
