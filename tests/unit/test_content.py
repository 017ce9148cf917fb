"""What an event says about a booking."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.core.body import FIRST_LINE, LAST_LINE, frame, merge_body, text_digest
from sync.core.content import (
    BODY_TEXT,
    DEFAULT_BODY,
    DEFAULT_CATEGORIES,
    DEFAULT_LOCATION,
    DEFAULT_SUBJECT,
    TEMPLATE_FIELDS,
    EventContent,
    ShowAs,
    Template,
    Templates,
    changed_fields,
    is_outdated,
    render,
)
from sync.core.sides import Booking, BookingPhase, WorkOrder
from tests.unit.values import BOOKING_ID, a_booking

BERLIN = ZoneInfo("Europe/Berlin")
EIGHT = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
TEN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
LINK = f"https://org.crm.dynamics.com/main.aspx?etn=bookableresourcebooking&pagetype=entityrecord&id={BOOKING_ID}"
ANCHOR = f'<a href="{LINK.replace("&", "&amp;")}">Open in Dynamics 365</a>'

ORDER = WorkOrder(
    work_order_id="0b0f6a5e-3b1f-4f11-840a-000d3a222222",
    number="WO-1001",
    priority="High",
    type="Repair",
    incident_type="Pump stands still",
    summary="Pump 3\r\nin the cellar",
    account="Fabrikam & Sons",
    contact="Nancy Anderson",
    location="Main Street 1, 12345 Springfield",
    window_start_at=EIGHT,
    window_end_at=TEN,
)
TEMPLATES = Templates(
    subject=Template.parse(DEFAULT_SUBJECT),
    location=Template.parse(DEFAULT_LOCATION),
    body=Template.parse(DEFAULT_BODY),
    categories=Template.parse(DEFAULT_CATEGORIES),
    show_as=ShowAs.BUSY,
    zone=BERLIN,
    record_url="https://org.crm.dynamics.com",
)


def a_visit(*, order: WorkOrder | None = ORDER, **different: Any) -> Booking:
    return a_booking(**{"name": "Pump visit", "status_name": "Scheduled", **different}, work_order=order)


def rendered(booking: Booking, **templates: str) -> EventContent:
    """With some templates given as text."""
    parsed: dict[str, Any] = {name: Template.parse(text) for name, text in templates.items()}
    return render(booking, replace(TEMPLATES, **parsed))


def subject_of(template: str, **order: Any) -> str:
    return rendered(a_visit(order=replace(ORDER, **order)), subject=template).subject


def body_of(template: str, **order: Any) -> str:
    return rendered(a_visit(order=replace(ORDER, **order)), body=template).body


def test_the_defaults_show_what_microsofts_integration_shows() -> None:
    assert render(a_visit(), TEMPLATES) == EventContent(
        subject="WO-1001, Fabrikam & Sons: Pump stands still",
        location="Main Street 1, 12345 Springfield",
        body=frame(
            "WO-1001<br>Time window: 2026-11-24 08:00\N{EN DASH}10:00 CET<br>"
            "Location: Main Street 1, 12345 Springfield<br>Priority: High<br>Type: Repair<br>"
            "Incident: Pump stands still<br>Account: Fabrikam &amp; Sons<br>Contact: Nancy Anderson<br>"
            f"Summary: Pump 3<br>in the cellar<br>{ANCHOR}"
        ),
        categories=("Dynamics 365",),
        show_as=ShowAs.BUSY,
    )


def test_without_a_work_order_the_booking_speaks_for_itself() -> None:
    assert render(a_visit(order=None), TEMPLATES) == EventContent(
        subject="Pump visit",
        location="",
        body=frame(f"Pump visit<br>{ANCHOR}"),
        categories=("Dynamics 365",),
        show_as=ShowAs.BUSY,
    )


def test_a_cancelled_booking_says_so_and_leaves_its_time_free() -> None:
    scheduled = render(a_visit(), TEMPLATES)
    cancelled = render(a_visit(phase=BookingPhase.CANCELLED), TEMPLATES)
    assert cancelled == replace(scheduled, subject=f"Cancelled: {scheduled.subject}", show_as=ShowAs.FREE)


@pytest.mark.parametrize("show_as", ShowAs)
def test_the_free_busy_state_is_the_customers_choice(show_as: ShowAs) -> None:
    assert render(a_visit(), replace(TEMPLATES, show_as=show_as)).show_as is show_as


@pytest.mark.parametrize(
    ("field", "printed"),
    {
        "number": "WO-1001",
        "booking": "Pump visit",
        "status": "Scheduled",
        "time_window": "2026-11-24 08:00\N{EN DASH}10:00 CET",
        "location": "Main Street 1, 12345 Springfield",
        "priority": "High",
        "work_order_type": "Repair",
        "incident_type": "Pump stands still",
        "summary": "Pump 3 in the cellar",
        "account": "Fabrikam & Sons",
        "contact": "Nancy Anderson",
        "link": LINK,
    }.items(),
)
def test_every_field_prints_what_it_is_named_for(field: str, printed: str) -> None:
    assert subject_of(f"<{{{field}}}>") == f"<{printed}>"


def test_every_field_of_a_template_has_a_meaning_and_no_work_order_leaves_but_four() -> None:
    everything = "|".join(f"{name}={{{name}}}" for name in TEMPLATE_FIELDS)
    printed = dict(pair.split("=", 1) for pair in rendered(a_visit(order=None), subject=everything).subject.split("|"))
    assert {name for name, value in printed.items() if value} == {"number", "booking", "status", "link"}
    assert all(TEMPLATE_FIELDS.values())


def test_a_work_order_without_number_lends_the_bookings_name() -> None:
    assert subject_of("{number}", number=" \n\x07") == "Pump visit"


@pytest.mark.parametrize(
    ("template", "printed"),
    [
        ("Visit {number}", "Visit WO-1001"),
        ("{number}[ ({priority})]", "WO-1001"),
        ("{number}[ ({work_order_type})]", "WO-1001 (Repair)"),
        ("{number}[ ({work_order_type}{priority})]", "WO-1001 (Repair)"),
        ("a[{priority}][: {summary}]b", "ab"),
        ("{{{number}}} [[{number}]]", "{WO-1001} [WO-1001]"),
        ("[[[[{number}", "[[WO-1001"),
        ("[{number}]]]", "WO-1001]"),
        ("{{number}} [[x]]", "{number} [x]"),
        ("  a \t b  ", "a b"),
        (r"a\nb", "a b"),
        ("a\r\nb\u2028c\x00\x07\ud800", "a b c"),
        (r"{priority}\n{number}", "WO-1001"),
    ],
)
def test_a_template_prints(template: str, printed: str) -> None:
    assert subject_of(template, priority="", summary=" \n ") == printed


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{foo}", "names the unknown field {foo}; there are: number, booking, status, time_window, "),
        ("{Number}", "names the unknown field {Number}"),
        ("{ number }", "names the unknown field { number }"),
        ("{}", "names the unknown field {}"),
        ("{number", "has a { that belongs to no field: write {{ for the character"),
        ("number}", "has a } that belongs to no field: write }} for the character"),
        ("{number}}", "has a } that"),
        ("{num[ber]}", "has a { that"),
        ("[{number}", "has a [ that is not closed in the same line"),
        (r"[{number}\n]", "has a [ that is not closed in the same line"),
        ("{number}]", "has a ] without a [ in the same line"),
        ("[{number}[{status}]]", "has a bracket within a bracket"),
        ("[urgent]", "has brackets without a field in them"),
        ("[]", "has brackets without a field in them"),
        ("[{{number}}]", "has brackets without a field in them"),
    ],
)
def test_a_wrong_template_is_refused_with_its_problem(template: str, problem: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the words are compared below
        Template.parse(template)
    assert str(refused.value).startswith(problem)


def test_equal_templates_are_equal() -> None:
    assert Template.parse(r"a\n[{number}]") == Template.parse("a\n[{number}]")
    assert Template.parse("{number}") != Template.parse("{booking}")
    assert hash(Template.parse("{number}")) == hash(Template.parse("{number}"))


@pytest.mark.parametrize(
    ("template", "printed"),
    [
        (r"Priority: {priority}\n{number}", "WO-1001"),
        (r"Priority: {priority}, {work_order_type}\n{number}", "Priority: , Repair<br>WO-1001"),
        (r"Priority: [{priority}]\nx", "x"),
        (r"a\n\nb", "a<br><br>b"),
        (r"{summary}", "Pump 3<br>in the cellar"),
        (r"{link}", ANCHOR),
        (r"<{link}>&{link}", f"&lt;{ANCHOR}&gt;&amp;{ANCHOR}"),
        (r"<b>bold</b>", "&lt;b&gt;bold&lt;/b&gt;"),
    ],
)
def test_a_body_prints_line_by_line_without_lines_that_have_nothing_to_say(template: str, printed: str) -> None:
    assert body_of(template, priority="") == frame(printed)


def test_a_body_of_nothing_is_the_frame_alone() -> None:
    assert rendered(a_visit(order=None), body="{summary}").body == frame("")


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\"'&amp;", "&quot;&#x27;&amp;amp;"),
        ("</div><!-- \x00\x1b[31m", "&lt;/div&gt;&lt;!-- [31m"),
        ("\U0001f527 \u05d1\u05d5\u05e7\u05e8 \ud83d", "\U0001f527 \u05d1\u05d5\u05e7\u05e8"),
        ("{number} [x]", "{number} [x]"),
        (r"C:\new", r"C:\new"),
        ("a\x0bb\x85c\u2029d\re", "a<br>b<br>c<br>d<br>e"),
        (f"a {FIRST_LINE}\n{LAST_LINE} z", "a (left out))<br>(left out) z"),
    ],
)
def test_a_value_is_text_and_nothing_else(value: str, printed: str) -> None:
    assert body_of("{summary}", summary=value) == frame(printed)


def test_our_last_line_cannot_be_composed_of_two_values() -> None:
    half, other = LAST_LINE[:20], LAST_LINE[20:]
    assert body_of(r"{account}\n{contact}", account=half, contact=other) == frame("(left out)")


def test_a_link_cannot_break_out_of_its_attribute() -> None:
    body = render(a_visit(booking_id='"><script>'), TEMPLATES).body
    assert '&amp;id=&quot;&gt;&lt;script&gt;"' in body


def test_a_subject_is_never_empty() -> None:
    assert subject_of("[{summary}]", summary="\x07") == "Booking"
    assert rendered(a_visit(phase=BookingPhase.CANCELLED), subject="").subject == "Cancelled: Booking"


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("x" * 255, "x" * 255),
        ("x" * 256, "x" * 254 + "\N{HORIZONTAL ELLIPSIS}"),
        ("x" * 253 + " yz", "x" * 253 + "\N{HORIZONTAL ELLIPSIS}"),
        ("\U0001f527" * 127 + "x", "\U0001f527" * 127 + "x"),
        ("\U0001f527" * 128, "\U0001f527" * 127 + "\N{HORIZONTAL ELLIPSIS}"),
        ("x" + "\U0001f527" * 128, "x" + "\U0001f527" * 126 + "\N{HORIZONTAL ELLIPSIS}"),
    ],
)
def test_what_is_too_long_for_exchange_is_cut_between_characters(text: str, cut: str) -> None:
    content = rendered(
        a_visit(order=replace(ORDER, summary=text)), subject="{summary}", location="{summary}", categories="{summary}"
    )
    assert (content.subject, content.location, content.categories) == (cut, cut, (cut,))


def test_a_long_subject_still_begins_with_its_cancellation() -> None:
    subject = rendered(a_visit(phase=BookingPhase.CANCELLED), subject="x" * 255).subject
    assert subject == "Cancelled: " + "x" * 243 + "\N{HORIZONTAL ELLIPSIS}"


@pytest.mark.parametrize(
    ("template", "categories"),
    [
        ("Dynamics 365", ("Dynamics 365",)),
        (" A ;; {work_order_type}; a ;[Priority {priority}];", ("A", "Repair")),
        (";", ()),
        ("", ()),
        ("{summary};Field  work", ("One two", "Field work")),
    ],
)
def test_categories_stand_between_semicolons(template: str, categories: tuple[str, ...]) -> None:
    booking = a_visit(order=replace(ORDER, priority="", summary="One;\ntwo"))
    assert rendered(booking, categories=template).categories == categories


@pytest.mark.parametrize(
    ("start", "end", "printed"),
    [
        (EIGHT, None, "from 2026-11-24 08:00 CET"),
        (None, TEN, "until 2026-11-24 10:00 CET"),
        (None, None, ""),
        (EIGHT, EIGHT + timedelta(hours=18), "2026-11-24 08:00 \N{EN DASH} 2026-11-25 02:00 CET"),
        (
            datetime(2026, 10, 24, 22, 0, tzinfo=UTC),
            datetime(2026, 10, 25, 3, 0, tzinfo=UTC),
            "2026-10-25 00:00 CEST \N{EN DASH} 2026-10-25 04:00 CET",
        ),
    ],
    ids=["open end", "open start", "none", "over midnight", "over the change of clocks"],
)
def test_a_time_window_prints_in_the_zone(start: datetime | None, end: datetime | None, printed: str) -> None:
    assert subject_of("-{time_window}-", window_start_at=start, window_end_at=end) == f"-{printed}-"


@pytest.mark.parametrize("end", ["window_start_at", "window_end_at"])
def test_a_time_window_without_a_zone_is_refused(end: str) -> None:
    with pytest.raises(ValueError, match="a time without a zone"):
        subject_of("{time_window}", **{end: EIGHT.replace(tzinfo=None)})


def test_a_zone_without_a_name_prints_its_offset() -> None:
    templates = replace(TEMPLATES, zone=timezone(timedelta(hours=-3)), subject=Template.parse("{time_window}"))
    assert render(a_visit(), templates).subject == "2026-11-24 04:00\N{EN DASH}06:00 UTC-03:00"


def test_digests_name_every_field_and_tell_nothing() -> None:
    digests = render(a_visit(), TEMPLATES).digests()
    assert list(digests) == [field.name for field in fields(EventContent)]
    assert all(len(digest) == 16 and set(digest) <= set("0123456789abcdef") for digest in digests.values())


@pytest.mark.parametrize(
    ("booking", "changed"),
    [
        (a_visit(), set()),
        (a_visit(order=replace(ORDER, priority="Low")), {"body", "categories"}),
        (a_visit(order=replace(ORDER, location="Main Street 2")), {"location", "body"}),
        (a_visit(order=replace(ORDER, number="WO-1002")), {"subject", "body"}),
        (a_visit(phase=BookingPhase.CANCELLED), {"subject", "show_as"}),
        (a_visit(etag='W/"2"', status_name="Traveling", phase=BookingPhase.TRAVELING), set()),
    ],
    ids=["nothing", "priority", "location", "number", "cancelled", "the default does not show the status"],
)
def test_the_fields_that_changed_are_those_that_differ_from_what_was_written(
    booking: Booking, changed: set[str]
) -> None:
    written = rendered(a_visit(), categories="{priority}").written()
    assert changed_fields(rendered(booking, categories="{priority}"), written) == changed


def test_everything_has_changed_when_nothing_was_written() -> None:
    content = render(a_visit(), TEMPLATES)
    assert changed_fields(content, {}) == set(content.digests())
    assert changed_fields(content, {**content.digests(), "subject": "0" * 16, "gone": ""}) == {"subject"}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param(render(a_visit(), TEMPLATES).written(), False, id="what the booking says"),
        pytest.param(render(a_visit(order=None), TEMPLATES).written(), True, id="something else"),
        pytest.param({}, False, id="nothing that is known"),
    ],
)
def test_an_event_is_outdated_when_it_was_last_given_anything_but_what_its_booking_says(
    written: dict[str, str], *, expected: bool
) -> None:
    assert is_outdated(written, a_visit(), TEMPLATES) is expected


def test_what_was_written_tells_the_text_of_the_block_too_when_the_body_was() -> None:
    content = render(a_visit(), TEMPLATES)
    body = {"body": content.digests()["body"], BODY_TEXT: text_digest(content.body)}
    assert content.written() == content.digests() | body
    assert content.written({"body"}) == body
    assert content.written({"subject"}) == {"subject": content.digests()["subject"]}


def test_a_rendered_body_is_found_again_and_replaced_by_the_next() -> None:
    before, after = render(a_visit(), TEMPLATES), render(a_visit(order=None), TEMPLATES)
    merged = merge_body(f"{before.body}<p>Mine</p>", after.body, written_text=before.written()[BODY_TEXT])
    assert merged == f"{after.body}<p>Mine</p>"
