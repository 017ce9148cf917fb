"""What a booking's event says: by templates, whatever the names are made of, and only where something has changed."""

import json
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from typing import Any, Self
from zoneinfo import ZoneInfo

import httpx
import pytest

from local.sample import guid
from sync.core.body import FIRST_LINE, LAST_LINE
from sync.core.content import ShowAs, Template
from sync.core.rules import Rules
from tests.dispatching import DAY, HOUR, MONDAY, DispatchTenant, starts_at
from tests.tenant import wire

NOON = MONDAY + 12 * HOUR

MARKUP = "<script>alert('x')</script> & \"Söhne\""
EMOJI = "\N{CONSTRUCTION WORKER}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}\N{ZERO WIDTH JOINER}\N{FEMALE SIGN}"
RIGHT_TO_LEFT = "שלום עולם"
BRACES = "{location} [{summary}] {{x}}"
LINES = f"{FIRST_LINE} {LAST_LINE}"
HUNDRED = "Ä" * 99 + "!"

every_name = pytest.mark.parametrize(
    "name",
    [MARKUP, EMOJI, RIGHT_TO_LEFT, BRACES, "O'Brien; Sons", "&lt;b&gt;&nbsp;", HUNDRED],
    ids=["markup", "emoji", "right-to-left", "braces", "quote", "entities", "hundred"],
)


class WatchedTenant(DispatchTenant):
    """A tenant that keeps the bodies of what the app writes to Graph, in their order."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.written: list[dict[str, Any]] = []
        self._graph_transport = _Recording(self._graph_transport, self.written)
        self.ports = self.build_ports()

    @classmethod
    async def open(
        cls, *technicians: int, choose: Callable[[Rules], Rules] | None = None, seed: int = 0, **switches: Any
    ) -> Self:
        tenant = await super().open(*technicians, choose=choose, seed=seed, **switches)
        tenant.written.clear()
        return tenant

    async def order(self, **columns: Any) -> str:
        """Somebody adds a work order; its id."""
        return await self.add("msdyn_workorders", **columns)

    async def book_for(self, order_id: str, *, days: float = 0, **details: Any) -> str:
        """A booking of a work order, with its event; the id."""
        bind: dict[str, Any] = {"msdyn_workorder@odata.bind": f"/msdyn_workorders({order_id})"}
        booking_id = await self.book(NOON + days * DAY, **bind, **details)
        await self.settle()
        assert len(await self.events(booking_id)) == 1
        self.written.clear()
        self.forget_costs()
        return booking_id

    async def body_of(self, booking_id: str) -> str:
        """The event's body as HTML."""
        return str((await self.event_of(booking_id))["body"]["content"])


class _Recording(httpx.AsyncBaseTransport):
    """Passes requests on, and keeps what they would write."""

    def __init__(self, inner: httpx.AsyncBaseTransport, written: list[dict[str, Any]]) -> None:
        self._inner = inner
        self._written = written

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method in ("POST", "PATCH") and "/events" in request.url.path:
            self._written.append(json.loads(await request.aread()))
        return await self._inner.handle_async_request(request)


def lines_of(html: str) -> list[str]:
    """The lines of our block as somebody reads them, without the two around it."""
    inner = html.partition(FIRST_LINE)[2].rpartition(LAST_LINE)[0]
    return [unescape(line) for line in inner.split("<br>") if line]


async def test_a_work_order_that_says_nothing_makes_an_event_without_empty_lines() -> None:
    tenant = await WatchedTenant.open()
    booking_id = await tenant.book_for(await tenant.order(msdyn_name="WO-BARE"))
    event = await tenant.event_of(booking_id)
    assert (event["subject"], event["location"]["displayName"]) == ("WO-BARE", "")
    number, link = lines_of(event["body"]["content"])
    assert number == "WO-BARE"
    assert booking_id in link


async def test_a_booking_without_a_work_order_goes_by_its_own_name() -> None:
    tenant = await WatchedTenant.open()
    booking_id = await tenant.book(name="Team meeting")
    await tenant.settle()
    event = await tenant.event_of(booking_id)
    assert (event["subject"], event["location"]["displayName"]) == ("Team meeting", "")
    assert lines_of(event["body"]["content"])[0] == "Team meeting"


@pytest.mark.parametrize("name", ["", " ", "\x07"], ids=["empty", "blank", "unprintable"])
async def test_a_booking_without_a_name_is_called_a_booking(name: str) -> None:
    tenant = await WatchedTenant.open()
    booking_id = await tenant.book(name=name)
    await tenant.settle()
    assert (await tenant.event_of(booking_id))["subject"] == "Booking"
    await tenant.assert_converged()


@every_name
async def test_a_bookings_name_is_text_wherever_it_stands(name: str) -> None:
    tenant = await WatchedTenant.open()
    booking_id = await tenant.book(name=name)
    await tenant.settle()
    event = await tenant.event_of(booking_id)
    assert event["subject"] == name
    assert lines_of(event["body"]["content"])[0] == name
    assert "<script" not in event["body"]["content"]
    await tenant.assert_converged()


@every_name
async def test_the_names_of_lookups_and_the_address_are_text_wherever_they_stand(name: str) -> None:
    tenant = await WatchedTenant.open()
    account_id = await tenant.add("accounts", name=name)
    kind_id = await tenant.add("msdyn_workordertypes", msdyn_name=name)
    order_id = await tenant.order(
        msdyn_name="WO-9",
        msdyn_address1=name,
        msdyn_workordersummary=name,
        **{
            "msdyn_serviceaccount@odata.bind": f"/accounts({account_id})",
            "msdyn_workordertype@odata.bind": f"/msdyn_workordertypes({kind_id})",
        },
    )
    booking_id = await tenant.book_for(order_id)
    event = await tenant.event_of(booking_id)
    assert event["subject"] == f"WO-9, {name}"
    assert event["location"]["displayName"] == name
    lines = lines_of(event["body"]["content"])
    expected = [f"Location: {name}", f"Type: {name}", f"Account: {name}", f"Summary: {name}"]
    assert [line for line in lines if line.endswith(name)] == expected
    assert "<script" not in event["body"]["content"]
    await tenant.assert_converged()


async def test_a_name_that_quotes_the_lines_around_our_block_does_not_end_it() -> None:
    tenant = await WatchedTenant.open()
    order_id = await tenant.order(msdyn_name="WO-9", msdyn_workordersummary=f"{LINES}\nBehind the gate")
    booking_id = await tenant.book_for(order_id)
    await tenant.patch(f"msdyn_workorders({order_id})", msdyn_workordersummary="In front of the gate")
    await tenant.settle()
    html = await tenant.body_of(booking_id)
    assert html.count(FIRST_LINE) == html.count(LAST_LINE) == 1
    assert "Behind the gate" not in html
    assert "Summary: In front of the gate" in lines_of(html)


async def test_texts_that_are_too_long_are_cut_between_characters() -> None:
    """Exchange keeps 255 UTF-16 units; half an emoji would be none."""
    tenant = await WatchedTenant.open()
    person = "\N{CONSTRUCTION WORKER}"
    order_id = await tenant.order(
        msdyn_name="WO-9", msdyn_address1="Å" + person * 124, msdyn_address2=person * 100, msdyn_city="Bodø"
    )
    booking_id = await tenant.book_for(order_id)
    location = (await tenant.event_of(booking_id))["location"]["displayName"]
    assert len(location.encode("utf-16-le")) // 2 <= 255
    assert location.startswith("Å" + person * 120)
    assert location.endswith("\N{HORIZONTAL ELLIPSIS}")
    await tenant.assert_converged()


async def test_a_summary_of_many_lines_keeps_them() -> None:
    tenant = await WatchedTenant.open()
    order_id = await tenant.order(msdyn_name="WO-9", msdyn_workordersummary="Ring twice\r\nDog: harmless\nKey: 7")
    booking_id = await tenant.book_for(order_id)
    lines = lines_of(await tenant.body_of(booking_id))
    assert lines[1:4] == ["Summary: Ring twice", "Dog: harmless", "Key: 7"]


async def test_a_changed_work_order_reaches_all_its_future_bookings_and_no_past_one() -> None:
    tenant = await WatchedTenant.open(3, 4)
    order_id = await tenant.order(msdyn_name="WO-9", msdyn_workordersummary="Before")
    past_id = await tenant.book_for(order_id)
    future = [await tenant.book_for(order_id, days=days) for days in (7, 8)]
    tenant.clock.advance((6 * DAY).total_seconds())
    await tenant.sweep()
    await tenant.settle()
    tenant.forget_costs()
    await tenant.patch(f"msdyn_workorders({order_id})", msdyn_workordersummary="After")
    await tenant.settle()
    assert ["Summary: After" in lines_of(await tenant.body_of(one)) for one in (*future, past_id)] == [
        True,
        True,
        False,
    ]
    assert tenant.app_writes == {"event.update": 2}
    assert tenant.dataverse_calls == {"bookableresourcebookings.query": 1, "bookableresourcebookings.get": 2}
    assert [set(body) for body in tenant.written] == [{"body"}] * 2
    await tenant.assert_converged()


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        ({"msdyn_workordersummary": "After"}, {"body"}),
        ({"msdyn_priority@odata.bind": f"/msdyn_priorities({guid('msdyn_priority:Low')})"}, {"body"}),
        ({"msdyn_address1": "After"}, {"location", "body"}),
        ({"msdyn_name": "WO-10"}, {"subject", "body"}),
        ({"msdyn_timewindowstart": "2026-11-23T09:00:00Z"}, {"body"}),
        ({"msdyn_instructions": "Not shown"}, None),
    ],
    ids=["summary", "priority", "address", "number", "time-window", "not-shown"],
)
async def test_of_a_changed_work_order_only_the_fields_that_show_it_are_written(
    columns: dict[str, Any], fields: set[str] | None
) -> None:
    tenant = await WatchedTenant.open()
    order_id = await tenant.order(msdyn_name="WO-9", msdyn_address1="Before")
    await tenant.book_for(order_id)
    await tenant.patch(f"msdyn_workorders({order_id})", **columns)
    await tenant.settle()
    assert [set(body) for body in tenant.written] == ([fields] if fields else [])
    await tenant.assert_converged()


@pytest.mark.parametrize("if_match", ["ignore", "enforce"])
async def test_of_a_moved_booking_only_the_times_are_written(if_match: str) -> None:
    tenant = await WatchedTenant.open(if_match=if_match)
    booking_id = await tenant.book_for(await tenant.order(msdyn_name="WO-9"))
    for hours in (1, 2, 3):
        await tenant.move(booking_id, NOON + hours * HOUR)
        await tenant.settle()
    assert len(tenant.written) >= 3
    assert all(set(body) == {"start", "end"} for body in tenant.written)
    assert starts_at(await tenant.event_of(booking_id)) == NOON + 3 * HOUR
    await tenant.assert_converged()


async def test_a_status_that_the_event_does_not_show_is_not_written() -> None:
    tenant = await WatchedTenant.open()
    booking_id = await tenant.book_for(await tenant.order(msdyn_name="WO-9"))
    for status in ("Traveling", "In Progress", "Completed"):
        await tenant.put(booking_id, status)
        await tenant.settle()
    assert tenant.written == []
    assert not tenant.app_writes


@pytest.mark.parametrize("if_match", ["ignore", "enforce"])
async def test_what_the_technician_made_of_an_event_survives_a_mere_move(if_match: str) -> None:
    tenant = await WatchedTenant.open(if_match=if_match)
    booking_id = await tenant.book_for(await tenant.order(msdyn_name="WO-9", msdyn_city="Moss"))
    own: dict[str, Any] = {
        "subject": "Boiler, bring the long ladder",
        "location": {"displayName": "Back door"},
        "categories": ["Mine"],
        "showAs": "tentative",
    }
    await tenant.rewrite_event(await tenant.event_of(booking_id), **own)
    await tenant.settle()
    for hours in (1, 2):
        await tenant.move(booking_id, NOON + hours * HOUR)
        await tenant.settle()
    event = await tenant.event_of(booking_id)
    shown = {**{name: event[name] for name in own}, "location": {"displayName": event["location"]["displayName"]}}
    assert shown == own
    assert starts_at(event) == NOON + 2 * HOUR
    await tenant.assert_converged()


async def test_the_technicians_own_subject_gives_way_when_dynamics_changes_that_field_and_no_other() -> None:
    tenant = await WatchedTenant.open()
    order_id = await tenant.order(msdyn_name="WO-9", msdyn_city="Moss")
    booking_id = await tenant.book_for(order_id)
    await tenant.rewrite_event(await tenant.event_of(booking_id), subject="Mine", location={"displayName": "Mine"})
    await tenant.patch(f"msdyn_workorders({order_id})", msdyn_workordersummary="Something else")
    await tenant.settle()
    event = await tenant.event_of(booking_id)
    assert (event["subject"], event["location"]["displayName"]) == ("Mine", "Mine")
    await tenant.patch(f"msdyn_workorders({order_id})", msdyn_name="WO-10")
    await tenant.settle()
    event = await tenant.event_of(booking_id)
    assert (event["subject"], event["location"]["displayName"]) == ("WO-10", "Mine")


async def test_notes_around_our_block_survive_new_texts() -> None:
    """The technician's own, and those of a Teams meeting."""
    tenant = await WatchedTenant.open()
    order_id = await tenant.order(msdyn_name="WO-9", msdyn_workordersummary="Before")
    booking_id = await tenant.book_for(order_id)
    event = await tenant.event_of(booking_id)
    block = event["body"]["content"]
    join = '<div><a href="https://teams.example/l/meetup-join/1">Join the meeting</a></div>'
    html = f"<html><body><p>Mine above</p>{block}<p>Mine below</p>{join}</body></html>"
    await tenant.rewrite_event(event, body={"contentType": "html", "content": html})
    await tenant.settle()
    await tenant.patch(f"msdyn_workorders({order_id})", msdyn_workordersummary="After")
    await tenant.settle()
    html = await tenant.body_of(booking_id)
    for kept in ("<p>Mine above</p>", "<p>Mine below</p>", join, "Summary: After"):
        assert html.count(kept) == 1
    assert "Before" not in html


async def test_no_write_names_an_attendee_and_nobody_gets_a_mail() -> None:
    tenant = await WatchedTenant.open()
    order_id = await tenant.order(msdyn_name="WO-9")
    bind: dict[str, Any] = {"msdyn_workorder@odata.bind": f"/msdyn_workorders({order_id})"}
    booking_id = await tenant.book(NOON, **bind)
    await tenant.settle()
    await tenant.move(booking_id, NOON + HOUR)
    await tenant.patch(f"msdyn_workorders({order_id})", msdyn_name="WO-10", msdyn_city="Moss")
    await tenant.settle()
    await tenant.put(booking_id, "Canceled")
    await tenant.settle()
    assert len(tenant.written) >= 2
    assert not any("attendees" in body for body in tenant.written)
    assert not tenant.graph.world.mails


def chosen(rules: Rules) -> Rules:
    templates = replace(
        rules.templates,
        subject=Template.parse("{status} {number}[ ({priority})]"),
        location=Template.parse("[{account}: ]{location}"),
        body=Template.parse(r"{time_window}\n{link}"),
        categories=Template.parse("Field; {work_order_type}; Field"),
        show_as=ShowAs.TENTATIVE,
        zone=ZoneInfo("Europe/Oslo"),
    )
    return replace(rules, templates=templates)


async def test_templates_categories_and_show_as_are_the_customers_choice() -> None:
    tenant = await WatchedTenant.open(choose=chosen)
    kind_id = await tenant.add("msdyn_workordertypes", msdyn_name="Repair; urgent")
    order_id = await tenant.order(
        msdyn_name="WO-9",
        msdyn_city="Moss",
        msdyn_timewindowstart="2026-11-23T09:00:00Z",
        msdyn_timewindowend="2026-11-23T11:00:00Z",
        **{"msdyn_workordertype@odata.bind": f"/msdyn_workordertypes({kind_id})"},
    )
    booking_id = await tenant.book_for(order_id)
    event = await tenant.event_of(booking_id)
    assert event["subject"] == "Scheduled WO-9"
    assert event["location"]["displayName"] == "Moss"
    assert event["categories"] == ["Field", "Repair urgent"]
    assert event["showAs"] == "tentative"
    assert lines_of(event["body"]["content"])[0] == "2026-11-23 10:00\N{EN DASH}12:00 CET"
    await tenant.put(booking_id, "Traveling")
    await tenant.settle()
    assert tenant.written == [{"subject": "Traveling WO-9"}]
    await tenant.assert_converged()


async def test_new_templates_reach_an_event_with_the_next_change_of_its_booking() -> None:
    """A deployment alone rewrites nobody's calendar."""
    tenant = await WatchedTenant.open()
    booking_id = await tenant.book_for(await tenant.order(msdyn_name="WO-9"))
    await tenant.run_timers(HOUR)  # Sweeps look at work orders that have just changed.
    tenant.rules = chosen(tenant.rules)
    await tenant.sweep(is_full=True)
    await tenant.settle()
    assert tenant.written == []
    await tenant.rewrite_event(await tenant.event_of(booking_id), start=wire(NOON + HOUR), end=wire(NOON + 2 * HOUR))
    await tenant.settle()
    assert tenant.written == [], "a change in Outlook is none of the booking's"
    await tenant.move(booking_id, NOON + 2 * HOUR)
    await tenant.settle()
    assert (await tenant.event_of(booking_id))["subject"] == "Scheduled WO-9"
    await tenant.assert_converged()
