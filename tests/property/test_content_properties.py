"""What holds for every body that an editor may leave behind, and for every text that a booking may bring along."""

import re
from collections import Counter
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from sync.core.body import FIRST_LINE, KEPT_LINE, LAST_LINE, defuse, frame, merge_body, text_digest
from sync.core.content import (
    BODY_TEXT,
    DEFAULT_BODY,
    TEMPLATE_FIELDS,
    ShowAs,
    Template,
    Templates,
    changed_fields,
    render,
)
from sync.core.sides import Booking, BookingPhase, TimeSpan, WorkOrder
from tests.property.values import NOW

VOID = {"br", "img", "hr", "meta"}
NEW = frame("WO-1001<br>Priority: Low")


class Reader(HTMLParser):
    """An independent reading of HTML: its text, its elements, and whether every tag has its other one."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: Counter[str] = Counter()
        self.is_balanced = True
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.is_balanced &= not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[f"{tag} {dict(attrs).get('src', '')}" if tag == "img" else tag] += 1
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.is_balanced &= bool(self._open) and self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        """The text as people see it, but for white space."""
        return re.sub(r"[\s\u200b\ufeff]+", "", self.text)

    @property
    def images(self) -> Counter[str]:
        return Counter({tag: count for tag, count in self.tags.items() if tag.startswith("img")})


def letters_of(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def has_our_lines(text: str) -> bool:
    return any(letters_of(line) in letters_of(text) for line in (FIRST_LINE, LAST_LINE))


@st.composite
def as_rewritten(draw: st.DrawFn, line: str) -> str:
    """A line of ours in the markup of an editor that changes everything but what can be read."""
    gap = draw(st.sampled_from([" ", "&nbsp;", "\r\n  ", "&#160;", "</i> <i>"]))
    letters = [gap if letter == " " else letter for letter in line]
    noise = st.sampled_from(["<b></b>", "<!-- x -->", "\u200b", "\r\n", "&nbsp;", "<br>", "&#8203;"])
    for place in draw(st.lists(st.integers(0, len(line)), max_size=3)):
        letters.insert(place, draw(noise))
    return f"<i>{''.join(letters)}</i>"


names = st.sampled_from(["p", "div", "span", "b", "table", "tr", "td", "ul", "li", "font", "section", "o:p"])
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8) | st.sampled_from(
    ["Your own notes", "Booking details", "\u05d1\u05d5\u05e7\u05e8", "\U0001f527", "a < b & c", "(kept up", "&nbsp;"]
)
leaves = texts.map(escape) | st.sampled_from(["<br>", "<!-- <p> -->", "\r\n", "&nbsp;", "<hr>"])
pictures = st.just('<img src="cid:a>b">')


@dataclass(frozen=True)
class Page:
    """HTML in three parts: what stands before the block, the block in an editor's markup, what stands behind it."""

    before: str
    block: str
    behind: str

    @property
    def html(self) -> str:
        return self.before + self.block + self.behind


@st.composite
def pages(draw: st.DrawFn, *, block_leaves: st.SearchStrategy[str] = leaves) -> Page:
    """Well-formed, and elements may reach across both ends of the block."""
    open_names: list[str] = []

    def some_html(leaves: st.SearchStrategy[str]) -> str:
        html = ""
        for _ in range(draw(st.integers(0, 6))):
            match draw(st.sampled_from(["open", "close", "leaf"])):
                case "open":
                    open_names.append(draw(names))
                    html += f'<{open_names[-1]} class="x_{len(open_names)}">'
                case "close" if open_names:
                    html += f"</{open_names.pop()}>"
                case _:
                    html += draw(leaves)
        return html

    before = some_html(leaves | pictures)
    block = draw(as_rewritten(FIRST_LINE)) + some_html(block_leaves) + draw(as_rewritten(LAST_LINE))
    behind = some_html(leaves | pictures) + "".join(f"</{name}>" for name in reversed(open_names))
    assume(not has_our_lines(Reader(before).text) and not has_our_lines(Reader(behind).text))
    return Page(before, block, behind)


def renewed(existing: str, block: str = NEW) -> str:
    """Merged where the block in `existing` still reads as we wrote it."""
    return merge_body(existing, block, written_text=text_digest(existing))


@given(pages())
def test_a_merged_body_has_the_new_block_once_and_everything_else_as_it_was(page: Page) -> None:
    before, behind = Reader(page.before), Reader(page.behind)
    merged = renewed(page.html)
    assert merged.count(NEW) == 1
    assert Reader(merged).words == before.words + Reader(NEW).words + behind.words
    assert Reader(merged).images == before.images + behind.images


@given(pages(block_leaves=leaves | pictures))
def test_a_block_that_was_written_into_leaves_every_letter_and_picture_behind_the_new_one(page: Page) -> None:
    before, block, behind = Reader(page.before), Reader(page.block), Reader(page.behind)
    inner = letters_of(block.text).removeprefix(letters_of(FIRST_LINE)).removesuffix(letters_of(LAST_LINE))
    assume(not has_our_lines(inner) and (inner or block.images))
    merged = merge_body(page.html, NEW, written_text=None)
    assert merged.count(NEW) == 1
    everything = before.text + Reader(NEW).text + KEPT_LINE + inner + behind.text
    assert letters_of(Reader(merged).text) == letters_of(everything)
    assert Reader(merged).images == before.images + block.images + behind.images


any_pages = pages(block_leaves=leaves | pictures)
digests = st.sampled_from([None, text_digest(NEW)])


@given(any_pages, digests)
def test_a_well_formed_body_stays_well_formed(page: Page, written_text: str | None) -> None:
    assume(Reader(page.html).is_balanced)
    assert Reader(renewed(page.html)).is_balanced
    assert Reader(merge_body(page.html, NEW, written_text=written_text)).is_balanced


@given(any_pages, digests)
def test_merging_again_changes_nothing(page: Page, written_text: str | None) -> None:
    merged = merge_body(page.html, NEW, written_text=written_text)
    assert merge_body(merged, NEW, written_text=written_text) == merged
    assert text_digest(merged) == text_digest(NEW)


@given(any_pages, digests)
def test_a_next_block_takes_exactly_the_place_of_the_last(page: Page, written_text: str | None) -> None:
    """So that a body never grows, however often it is written."""
    merged = merge_body(page.html, NEW, written_text=written_text)
    following = frame("WO-1001")
    assert merge_body(merged, following, written_text=text_digest(NEW)) == merged.replace(NEW, following)


@given(pages().map(lambda page: page.before), pages().map(lambda page: page.behind))
def test_notes_of_any_markup_around_our_own_block_keep_every_byte_of_their_contents(before: str, behind: str) -> None:
    """Tags that are open on both sides of the block may be moved to one side of it; nothing else may."""
    merged = renewed(before + frame("WO-1001") + behind)
    head, _, tail = merged.partition(NEW)
    assert contents_of(head) == contents_of(before)
    assert contents_of(tail) == contents_of(behind)


def contents_of(html: str) -> str:
    """Without tags, and without what does not show."""
    return re.sub(r"</?[a-z:]+( class=[^>]*)?>|\s|\u200b|\ufeff|&nbsp;", "", html)


pieces = (
    "< > / & ; <!-- --> <! <p </p> <div> </div> <b> </table> <td> <body> </head> <html> <style> </style> <title &# = x"
)
junk = st.lists(
    st.sampled_from([*pieces.split(), FIRST_LINE, LAST_LINE, f"<div>{FIRST_LINE}", f"{LAST_LINE}</p>", "&nbsp;", "\n"]),
    max_size=12,
).map("".join)


@given(junk)
def test_damaged_markup_is_taken_as_it_comes(existing: str) -> None:
    merged = merge_body(existing, NEW, written_text=None)
    assert merged.count(NEW) == 1
    assert merge_body(merged, NEW, written_text=None) == merged


our_words = [FIRST_LINE, LAST_LINE, *FIRST_LINE.split(), *LAST_LINE.split(), LAST_LINE[:9], LAST_LINE[9:]]
hostile = ["</div>", "<script>", '"', "'", "&amp;", "\n", "\r", "\x00", "\ud83d", "\u202e", ";", "{number}", "[x]"]
values = st.lists(texts | st.sampled_from([*our_words, *hostile]), max_size=6).map("".join)


@given(values)
def test_a_defused_text_has_none_of_our_lines_and_is_changed_for_that_alone(text: str) -> None:
    assert not has_our_lines(defuse(text))
    if not has_our_lines(text):
        assert defuse(text) == text


work_orders = st.builds(
    WorkOrder,
    work_order_id=st.just("order"),
    number=values,
    priority=values,
    type=values,
    incident_type=values,
    summary=values,
    account=values,
    contact=values,
    location=values,
    window_start_at=st.none() | st.just(NOW),
)
bookings = st.builds(
    Booking,
    booking_id=st.just("booking"),
    etag=st.just("etag"),
    span=st.just(TimeSpan(start_at=NOW, end_at=NOW)),
    phase=st.sampled_from(BookingPhase),
    mailbox_id=st.none(),
    event_id=st.none(),
    event_hash=st.none(),
    modified_at=st.just(NOW),
    name=values,
    status_name=values,
    work_order=st.none() | work_orders,
)
templates = st.lists(
    st.sampled_from(
        [f"{{{name}}}" for name in TEMPLATE_FIELDS] + ["[({summary}) ]", r"\n", "<b>", ";", LAST_LINE, "[[ "]
    ),
    max_size=8,
).map(lambda pieces: Template.parse("".join(pieces)))
choices = st.builds(
    Templates,
    subject=templates,
    location=templates,
    body=templates | st.just(Template.parse(DEFAULT_BODY)),
    categories=templates,
    show_as=st.sampled_from(ShowAs),
    zone=st.just(ZoneInfo("America/New_York")),
    record_url=st.just("https://org.crm.dynamics.com"),
)


@given(bookings, choices)
def test_no_value_breaks_out_of_the_block(booking: Booking, choices: Templates) -> None:
    body = render(booking, choices).body
    reading = Reader(body)
    assert reading.is_balanced
    assert reading.tags.keys() <= {"div", "br", "a"}
    assert reading.tags["div"] == 1
    assert renewed(f"{body}<p>Mine</p>") == f"{NEW}<p>Mine</p>"


@st.composite
def as_edited(draw: st.DrawFn, block: str) -> str:
    """A block of ours after an editor has saved it: other markup, other entities, the same to read.

    One that keeps plain text alone prints the address of a link behind its text.
    """
    begin, line_break, end = draw(
        st.sampled_from(
            [
                ('<div class="x_a">', "<br clear=all>\r\n", "</div>"),
                ("<p class=MsoNormal><span lang=EN>", "<o:p></o:p></span></p>\r\n<p><span>", "</span></p>"),
                ("<div><div>", "</div><div>", "</div></div>"),
            ]
        )
    )
    is_plain_text = draw(st.booleans())
    noise = st.sampled_from(["", "", "", "", "<b></b>", "<!-- x -->", "\u200b", "\r\n", "&nbsp;", "<i> </i>"])
    edited, address = begin, ""
    for part in re.findall("<[^>]*>|&[^;]*;|.", block.removeprefix("<div>").removesuffix("</div>"), re.DOTALL):
        if part == "<br>":
            edited += line_break
        elif part.startswith("<a "):
            address = part.removeprefix('<a href="').removesuffix('">')
            edited += "" if is_plain_text else f'<a target="_blank" href="{address}" id="LPlnk">'
        elif part == "</a>":
            edited += f"&lt;{address}&gt;" if is_plain_text else part
        else:
            edited += draw(noise) + (f"&#{ord(part)};" if part == " " and draw(st.booleans()) else part)
    return edited + end


visits = st.tuples(bookings, bookings, choices)
"""A booking before and after it was changed, and the templates."""


@given(visits, st.data())
def test_a_block_that_nobody_wrote_into_is_replaced_whatever_an_editor_made_of_it(
    visit: tuple[Booking, Booking, Templates], data: st.DataObject
) -> None:
    before, after, choices = visit
    content, following = render(before, choices), render(after, choices).body
    existing = f"<p>Mine</p>{data.draw(as_edited(content.body))}<p>Mine too</p>"
    written_text = content.written(["body"])[BODY_TEXT]
    merged = merge_body(existing, following, written_text=written_text)
    assert Reader(merged).words == Reader(f"<p>Mine</p>{following}<p>Mine too</p>").words


@given(visits, st.text("\u0416\u0429\u042e -", min_size=1), st.data())
def test_notes_typed_into_a_block_at_any_place_are_kept(
    visit: tuple[Booking, Booking, Templates], note: str, data: st.DataObject
) -> None:
    before, after, choices = visit
    old, following = render(before, choices).body, render(after, choices).body
    parts = re.findall("<[^>]*>|&[^;]*;|.", old, re.DOTALL)
    place = data.draw(st.integers(1, len(parts) - 1))
    existing = "".join([*parts[:place], note, *parts[place:]])
    merged = merge_body(existing, following, written_text=text_digest(old))
    assume(letters_of(note) and note not in old + following)
    assert letters_of(Reader(merged).text).count(letters_of(note)) == 1
    assert merged.count(following) == 1
    assert Reader(merged).is_balanced
    assert merge_body(merged, following, written_text=text_digest(following)) == merged


@given(bookings, choices)
def test_texts_in_one_line_fit_exchange(booking: Booking, choices: Templates) -> None:
    content = render(booking, choices)
    for text in (content.subject, content.location, *content.categories):
        assert len(text.encode("utf-16-le")) <= 2 * 255
        assert text == " ".join(text.split())
        assert all(letter.isspace() or ord(letter) >= 32 for letter in text)
    assert content.subject
    assert all(content.categories)
    assert changed_fields(content, content.written()) == frozenset()


@given(st.text("{}[]abc \\n") | st.text())
def test_a_template_is_refused_in_words_or_prints_for_every_booking(text: str) -> None:
    problem = ""
    try:
        template = Template.parse(text)
    except ValueError as error:
        problem = str(error)
    assert problem.startswith(("has ", "names ")) or "\n" not in template.line(dict.fromkeys(TEMPLATE_FIELDS, "a\nb"))
