"""The board's endpoints over a whole tenant in one process: what it shows, and what is done on it, through the wire."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from local.board.looking import Board
from local.board.people import Dynamics, Outlook
from local.board.server import build_app
from local.board.story import meanings
from local.board.troubles import TROUBLES, Switchboards
from local.sample import SampleBooking
from local.switchboard import Fault
from local.wiring import DATAVERSE_URL, GRAPH_URL
from sync.core.actions import Reason
from tests.hosted_app import QUIET
from tests.tenant import Tenant

HOUR = timedelta(hours=1)


class Desk:
    """A tenant that syncs two technicians of two visits each, with the board on it."""

    def __init__(self) -> None:
        self.tenant = Tenant(switches=QUIET)
        self.tenant.sync_only(3, 4)
        self.swept = 0
        graph, dataverse = self.tenant._graph_transport, self.tenant._dataverse_transport
        self._outlook = Outlook(GRAPH_URL, transport=graph)
        self._dynamics = Dynamics(DATAVERSE_URL, transport=dataverse)
        self._switchboards = Switchboards(
            {"graph": "http://127.0.0.1:7080", "dataverse": DATAVERSE_URL},
            transports={"graph": graph, "dataverse": dataverse},
        )
        board = Board(
            sample=self.tenant.sample,
            outlook=self._outlook,
            dynamics=self._dynamics,
            journal=self.tenant.journal,
            switchboards=self._switchboards,
            sweep=self._sweep,
            clock=self.tenant.clock.now,
            window=self.tenant.rules.window,
        )
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=build_app(board)), base_url="http://127.0.0.1:7060"
        )

    async def _sweep(self) -> None:
        await self.tenant.sweep()

    async def aclose(self) -> None:
        for part in (self.http, self._outlook, self._dynamics, self._switchboards):
            await part.aclose()

    @property
    def visit(self) -> SampleBooking:
        return self.tenant.visit()

    async def state(self) -> dict[str, Any]:
        answer = await self.http.get("/api/state")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def do(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.http.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def booking(self, booking_id: str) -> dict[str, Any] | None:
        return next((one for one in (await self.state())["bookings"] if one["id"] == booking_id), None)

    async def events(self, booking_id: str) -> list[dict[str, Any]]:
        return [one for one in (await self.state())["events"] if one["booking"] == booking_id]

    async def unequal(self) -> list[dict[str, Any]]:
        """Of the technicians that are synced."""
        synced = set(self.tenant.rules.mailboxes)
        state = await self.state()
        owner = {one["id"]: one["technician"] for one in state["bookings"]}
        return [one for one in state["unequal"] if owner.get(one["booking"]) in synced]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    await desk.tenant.start()
    yield desk
    await desk.aclose()


def span(visit: SampleBooking, *, by: timedelta = HOUR) -> dict[str, str]:
    return {"start": text(visit.start_at + by), "end": text(visit.end_at + by)}


def text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


async def test_everything_that_both_services_hold_is_shown(desk: Desk) -> None:
    state = await desk.state()
    sample = desk.tenant.sample
    assert {one["id"] for one in state["bookings"]} == {one.booking_id for one in sample.bookings}
    assert len(state["events"]) == sum(one.linked for one in sample.bookings) + len(sample.private_events)
    assert [one["name"] for one in state["technicians"]] == [one.name for one in sample.technicians]
    shown = next(one for one in state["bookings"] if one["id"] == desk.visit.booking_id)
    assert (shown["name"], shown["account"], shown["status"]) == (desk.visit.name, "Northwind Traders", "Scheduled")
    assert (shown["start"], shown["end"]) == (text(desk.visit.start_at), text(desk.visit.end_at))
    assert state["unequal"] == []


async def test_looking_costs_the_app_nothing(desk: Desk) -> None:
    await desk.state()
    assert not desk.tenant.graph_calls + desk.tenant.dataverse_calls


async def test_a_moved_event_is_unequal_for_some_seconds_and_then_its_booking_has_moved(desk: Desk) -> None:
    visit = desk.visit
    (event,) = await desk.events(visit.booking_id)
    await desk.do("PATCH", f"/api/events/{event['technician']}/{event['id']}", **span(visit))
    (difference,) = await desk.unequal()
    assert (difference["booking"], difference["why"], difference["seconds"]) == (
        visit.booking_id,
        "the times differ",
        0,
    )
    desk.tenant.clock.advance(2)
    assert [one["seconds"] for one in await desk.unequal()] == [2]
    await desk.tenant.settle()
    assert await desk.unequal() == []
    assert await desk.tenant.booking_start(visit) == visit.start_at + HOUR


async def test_a_moved_booking_moves_its_event(desk: Desk) -> None:
    visit = desk.visit
    await desk.do("PATCH", f"/api/bookings/{visit.booking_id}", **span(visit))
    assert len(await desk.unequal()) == 1
    await desk.tenant.settle()
    assert await desk.unequal() == []
    assert [one["start"] for one in await desk.events(visit.booking_id)] == [text(visit.start_at + HOUR)]


async def test_a_reassigned_booking_changes_calendars(desk: Desk) -> None:
    other = desk.tenant.sample.technicians[4]
    await desk.do("PATCH", f"/api/bookings/{desk.visit.booking_id}", technician=other.mailbox_id)
    assert [one["why"] for one in await desk.unequal()] == ["an event is still in somebody else's calendar"]
    await desk.tenant.settle()
    assert await desk.unequal() == []
    assert [one["technician"] for one in await desk.events(desk.visit.booking_id)] == [other.mailbox_id]


async def test_a_cancelled_booking_loses_its_event(desk: Desk) -> None:
    await desk.do("PATCH", f"/api/bookings/{desk.visit.booking_id}", status="Canceled")
    assert [one["why"] for one in await desk.unequal()] == ["the booking is cancelled, its event is not"]
    await desk.tenant.settle()
    assert (await desk.events(desk.visit.booking_id), await desk.unequal()) == ([], [])


async def test_a_deleted_booking_loses_its_event(desk: Desk) -> None:
    await desk.do("DELETE", f"/api/bookings/{desk.visit.booking_id}")
    whys = [one["why"] for one in (await desk.state())["unequal"]]
    assert whys == ["the booking is gone, its event is not"]
    await desk.tenant.settle()
    assert await desk.events(desk.visit.booking_id) == []


async def test_a_deleted_event_cancels_its_booking(desk: Desk) -> None:
    (event,) = await desk.events(desk.visit.booking_id)
    await desk.do("DELETE", f"/api/events/{event['technician']}/{event['id']}")
    assert [one["why"] for one in await desk.unequal()] == ["it has no event"]
    await desk.tenant.settle()
    booking = await desk.booking(desk.visit.booking_id)
    assert booking is not None
    assert (booking["is_cancelled"], await desk.unequal()) == (True, [])


async def test_a_new_booking_gets_an_event_that_is_called_like_it(desk: Desk) -> None:
    times = span(desk.visit, by=timedelta(days=1))
    made = await desk.do("POST", "/api/bookings", technician=desk.visit.technician.mailbox_id, name="Tea", **times)
    await desk.tenant.settle()
    (event,) = await desk.events(made["id"])
    assert (event["subject"], event["start"]) == ("Tea", times["start"])
    await desk.do("PATCH", f"/api/bookings/{made['id']}", name="Coffee")
    await desk.tenant.settle()
    assert [one["subject"] for one in await desk.events(made["id"])] == ["Coffee"]


async def test_a_private_event_gets_no_booking(desk: Desk) -> None:
    before = len((await desk.state())["bookings"])
    mailbox_id = desk.visit.technician.mailbox_id
    await desk.do("POST", f"/api/events/{mailbox_id}", name="Dog to the vet", **span(desk.visit))
    await desk.tenant.settle()
    state = await desk.state()
    (event,) = [one for one in state["events"] if one["subject"] == "Dog to the vet"]
    assert (event["booking"], len(state["bookings"]), state["unequal"]) == (None, before, [])


async def test_the_story_of_an_item_says_in_words_what_was_done_and_what_it_cost(desk: Desk) -> None:
    await desk.do("PATCH", f"/api/bookings/{desk.visit.booking_id}", **span(desk.visit))
    await desk.tenant.settle()
    answer = await desk.http.get("/api/journal", params={"booking": desk.visit.booking_id})
    row = next(one for one in answer.json() if one["action"] == "rewrite-event")
    assert row["done"] == "the event was given the booking's times, or its changed texts"
    assert (row["reason"], row["why"]) == ("moved-in-dynamics", "the booking was moved, the event was not")
    assert (row["graph"], row["dynamics"]) == (1 + (not desk.tenant.ports.calendar.guards_writes), 1)
    assert row["seconds"] >= 3
    other = desk.tenant.sample.technicians[4].mailbox_id
    assert (await desk.http.get("/api/journal", params={"technician": other})).json() == []


async def test_the_story_of_a_private_event_is_found_by_its_id(desk: Desk) -> None:
    mailbox_id = desk.visit.technician.mailbox_id
    await desk.do("POST", f"/api/events/{mailbox_id}", name="Dog to the vet", **span(desk.visit))
    await desk.tenant.settle()
    (event,) = [one for one in (await desk.state())["events"] if one["subject"] == "Dog to the vet"]
    rows = (await desk.http.get("/api/journal", params={"event": event["id"]})).json()
    assert [(row["action"], row["reason"]) for row in rows] == [("remember-foreign", "born-in-outlook")]


async def test_what_was_dropped_is_told_only_when_it_is_asked_for(desk: Desk) -> None:
    desk.tenant.switch(burst=4)
    (event,) = await desk.events(desk.visit.booking_id)
    await desk.do("PATCH", f"/api/events/{event['technician']}/{event['id']}", **span(desk.visit))
    await desk.tenant.settle()
    shown, everything = [
        {row["action"] for row in (await desk.http.get("/api/journal", params=query)).json()}
        for query in ({}, {"dropped": "yes"})
    ]
    assert "update-booking" in shown
    assert everything - shown == {"dropped"}


async def test_a_trouble_that_somebody_else_has_ended_is_off(desk: Desk) -> None:
    await desk.do("PUT", "/api/troubles/graph-down", is_on=True)
    desk.tenant.graph.switchboard.reset()
    assert not any(one["is_on"] for one in (await desk.state())["troubles"])


async def test_a_service_that_does_not_answer_is_said_to_be_away(desk: Desk) -> None:
    desk.tenant.graph.switchboard.faults.append(Fault(caller="person", status=0))
    answer = await desk.http.get("/api/state")
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["error"]


def test_each_reason_that_the_journal_knows_has_words() -> None:
    assert set(Reason) <= set(meanings())
    assert not any(sign in meaning for meaning in meanings().values() for sign in ("`", "](", "**"))


async def test_each_trouble_can_be_begun_and_ended(desk: Desk) -> None:
    for trouble in TROUBLES:
        await desk.do("PUT", f"/api/troubles/{trouble.name}", is_on=True)
        await desk.do("PUT", f"/api/troubles/{trouble.name}", is_on=True)
        assert [one["name"] for one in (await desk.state())["troubles"] if one["is_on"]] == [trouble.name]
        await desk.do("PUT", f"/api/troubles/{trouble.name}", is_on=False)
        assert not any(one["is_on"] for one in (await desk.state())["troubles"])
    assert desk.tenant.graph.switchboard.faults == []


async def test_a_change_that_nobody_hears_of_is_found_by_the_sweep(desk: Desk) -> None:
    await desk.do("PUT", "/api/troubles/lose-notifications", is_on=True)
    (event,) = await desk.events(desk.visit.booking_id)
    await desk.do("PATCH", f"/api/events/{event['technician']}/{event['id']}", **span(desk.visit))
    await desk.tenant.settle()
    assert len(await desk.unequal()) == 1, "the trouble is real"
    await desk.do("POST", "/api/sweep")
    await desk.tenant.settle()
    assert await desk.unequal() == []


@pytest.mark.parametrize("name", ["throttle", "hide-answer"])
async def test_what_is_lost_on_the_way_is_made_up_for(desk: Desk, name: str) -> None:
    await desk.do("PUT", f"/api/troubles/{name}", is_on=True)
    times = span(desk.visit, by=timedelta(days=1))
    made = await desk.do("POST", "/api/bookings", technician=desk.visit.technician.mailbox_id, name="Tea", **times)
    await desk.tenant.settle()
    assert len(await desk.events(made["id"])) == 1
    assert not any(one["is_on"] for one in (await desk.state())["troubles"]), "it has been met"


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("POST", "/api/bookings", {"name": "Tea"}, "no technician"),
        ("PATCH", "/api/bookings/{id}", {"start": "2026-11-23T07:00:00Z"}, "start and end are needed"),
        ("PATCH", "/api/bookings/{id}", {"start": "soon", "end": "later"}, "isoformat"),
        (
            "PATCH",
            "/api/bookings/{id}",
            {"start": "2026-11-23T07:00:00", "end": "2026-11-23T08:00:00"},
            "without a zone",
        ),
        (
            "PATCH",
            "/api/bookings/{id}",
            {"start": "2026-11-23T07:00:00Z", "end": "2026-11-23T06:00:00Z"},
            "ends before",
        ),
        ("PATCH", "/api/bookings/{id}", {"start": "2026-11-23T07:00:00Z", "end": "2026-11-23T07:00:00Z"}, "a minute"),
        ("PATCH", "/api/bookings/{id}", {"status": "Asleep"}, "no status 'Asleep'"),
        ("PATCH", "/api/bookings/{id}", {"name": " "}, "name is needed"),
        ("PATCH", "/api/bookings/{id}", {"name": "x" * 101}, "100 characters"),
        ("PUT", "/api/troubles/earthquake", {"is_on": True}, "no trouble 'earthquake'"),
        ("PUT", "/api/troubles/throttle", {}, "is_on"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_a_sentence(
    desk: Desk, method: str, path: str, body: dict[str, Any], says: str
) -> None:
    answer = await desk.http.request(method, path.replace("{id}", desk.visit.booking_id), json=body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


async def test_a_service_that_says_no_is_quoted(desk: Desk) -> None:
    await desk.do("PUT", "/api/troubles/refuse", is_on=True)
    answer = await desk.http.patch(f"/api/bookings/{desk.visit.booking_id}", json={"status": "Canceled"})
    assert (answer.status_code, answer.json()["error"]) == (409, "Inspected work cannot be cancelled.")


async def test_another_sites_page_cannot_change_anything(desk: Desk) -> None:
    path, body = f"/api/bookings/{desk.visit.booking_id}", {"status": "Canceled"}
    strange = await desk.http.patch(path, json=body, headers={"Origin": "http://evil.example"})
    rebound = await desk.http.patch(path, json=body, headers={"Host": "evil.example", "Origin": "http://evil.example"})
    assert (strange.status_code, rebound.status_code) == (403, 400)
    assert not (await desk.booking(desk.visit.booking_id) or {})["is_cancelled"]
    own = await desk.http.patch(path, json=body, headers={"Origin": "http://127.0.0.1:7060"})
    assert own.status_code == 200


async def test_the_page_runs_nothing_that_it_does_not_bring(desk: Desk) -> None:
    page = await desk.http.get("/")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for asset in ("board.js", "board.css"):
        assert f'"{asset}"' in page.text
        assert (await desk.http.get(f"/{asset}")).status_code == 200
    assert "<script>" not in page.text
    assert "style=" not in page.text


async def test_markup_in_a_name_stays_text_on_the_way_to_the_page(desk: Desk) -> None:
    name = "<img src=x onerror=alert(1)>"
    times = span(desk.visit, by=timedelta(days=1))
    made = await desk.do("POST", "/api/bookings", technician=desk.visit.technician.mailbox_id, name=name, **times)
    await desk.tenant.settle()
    assert [one["subject"] for one in await desk.events(made["id"])] == [name]
