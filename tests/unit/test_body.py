"""What takes the place of what in an event's body. The pages are made after what Outlook's editors write."""

from html import escape
from time import process_time

import pytest

from sync.core.body import FIRST_LINE, KEPT_LINE, LAST_LINE, defuse, frame, merge_body, text_digest

OLD = frame("WO-1001<br>Priority: High")
NEW = frame("WO-1001<br>Priority: Low")

TEAMS = (
    '<div style="font-family:Segoe UI; width:100%">________________<br><a id="meet_invite_block.action.join_link" '
    'href="https://teams.example/l/meetup-join/19%3ameeting">Join the meeting now</a><br></div>'
)
IMAGE = '<img src="cid:0f2a-photo" alt="the meter" width="300">'
KEPT = f"<div>{KEPT_LINE}</div>"


def page(inner: str) -> str:
    head = '<head>\r\n<meta charset="utf-8">\r\n</head>'
    return f'<html>\r\n{head}\r\n<body lang="EN-GB">\r\n{inner}\r\n</body>\r\n</html>\r\n'


def renewed(existing: str, block: str = NEW) -> str:
    """Merged where the block in `existing` still reads as we wrote it."""
    return merge_body(existing, block, written_text=text_digest(existing))


def test_the_lines_begin_and_end_with_what_the_search_sees_or_stand_inside_the_block() -> None:
    """The block is cut out from the first line's first letter to the last line's last."""
    assert FIRST_LINE[0].isalnum()
    assert LAST_LINE[0].isalnum()
    assert LAST_LINE[-1].isalnum()
    assert escape(FIRST_LINE + LAST_LINE) == FIRST_LINE + LAST_LINE


def test_the_wire_format_of_the_frame_is_for_ever() -> None:
    """A version with other lines would not find the blocks in the calendars, and add a second to each."""
    assert FIRST_LINE == "Booking details (kept up to date by Dynamics 365)"
    assert LAST_LINE == "Your own notes below this line are kept"


def test_a_frame_around_nothing_has_no_empty_line() -> None:
    assert frame("") == f"<div>{FIRST_LINE}<br>{LAST_LINE}</div>"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", "", id="alone"),
        pytest.param("<html><body>", "</body></html>", id="in a page"),
        pytest.param("<p>Call first.</p>", "", id="a note before"),
        pytest.param("", f"<p>Gate code 4711</p>{IMAGE}", id="a note and a picture after"),
        pytest.param("\r\n<p>Call first.</p>\r\n", f"\r\n<div>Bring keys &amp; ladder</div>{TEAMS}\r\n", id="both"),
        pytest.param("Call first. ", " Gate code 4711", id="bare text"),
        pytest.param(page("<p>Call first.</p>")[:-20], "</body></html>", id="a page with a head"),
    ],
)
def test_what_stands_around_the_block_stays_to_the_byte(before: str, after: str) -> None:
    assert renewed(before + OLD + after) == before + NEW + after


@pytest.mark.parametrize(
    ("existing", "merged"),
    [
        pytest.param("", NEW, id="an empty body becomes the block"),
        pytest.param("Ring the bell", NEW + "Ring the bell", id="plain text"),
        pytest.param("<p>Mine</p>" + TEAMS, NEW + "<p>Mine</p>" + TEAMS, id="a body that we never wrote"),
        pytest.param(
            page("<p>Mine</p>"),
            page("<p>Mine</p>").replace('lang="EN-GB">', 'lang="EN-GB">' + NEW),
            id="behind the body tag",
        ),
        pytest.param(
            '<html><head><title>a <body> of text</title></head><p class="a>b">Mine</p></html>',
            f'<html><head><title>a <body> of text</title></head>{NEW}<p class="a>b">Mine</p></html>',
            id="behind the head where there is no body tag",
        ),
        pytest.param("<html>Mine</html>", f"<html>{NEW}Mine</html>", id="behind the html tag where there is no head"),
        pytest.param(f"{LAST_LINE}<p>{FIRST_LINE}</p>", f"{NEW}{LAST_LINE}<p>{FIRST_LINE}</p>", id="out of order"),
        pytest.param(f"<p>{FIRST_LINE}<br>WO-1</p>", f"{NEW}<p>{FIRST_LINE}<br>WO-1</p>", id="the last line deleted"),
        pytest.param(f"WO-1<br>{LAST_LINE}<br>Mine", f"{NEW}WO-1<br>{LAST_LINE}<br>Mine", id="the first line deleted"),
        pytest.param(OLD.replace("own", "other"), NEW + OLD.replace("own", "other"), id="a line that was written over"),
        pytest.param(f"<!-- {OLD} -->Mine", f"{NEW}<!-- {OLD} -->Mine", id="in a comment nobody sees it"),
        pytest.param(
            f"<style>/* {OLD} */</style>Mine", f"{NEW}<style>/* {OLD} */</style>Mine", id="in a style nobody sees it"
        ),
        pytest.param(
            f'<img alt="a>b {FIRST_LINE} {LAST_LINE}">',
            f'{NEW}<img alt="a>b {FIRST_LINE} {LAST_LINE}">',
            id="in an attribute",
        ),
    ],
)
def test_without_a_complete_block_the_new_one_goes_in_front_and_everything_stays(existing: str, merged: str) -> None:
    assert merge_body(existing, NEW, written_text=text_digest(OLD)) == merged
    assert merge_body(merged, NEW, written_text=None) == merged
    with pytest.raises(ValueError, match="two lines of a block were not found"):
        text_digest(existing)


@pytest.mark.parametrize(
    ("existing", "merged"),
    [
        pytest.param(f"{OLD}<p>Mine</p>{OLD}", f"{NEW}<p>Mine</p>{OLD}", id="the first of two"),
        pytest.param(
            f"<p>It says “{FIRST_LINE}” here</p>{OLD}<p>Mine</p>",
            f"<p>It says “{FIRST_LINE}” here</p>{NEW}<p>Mine</p>",
            id="a first line quoted in a note before",
        ),
        pytest.param(
            f"<p>See below “{LAST_LINE}”</p>{OLD}<p>See above “{LAST_LINE}”</p>",
            f"<p>See below “{LAST_LINE}”</p>{NEW}<p>See above “{LAST_LINE}”</p>",
            id="last lines quoted in notes",
        ),
        pytest.param(
            f"<div>{FIRST_LINE}<br>old</div><p>Mine</p>{OLD}",
            f"<div>{FIRST_LINE}<br>old</div><p>Mine</p>{NEW}",
            id="a damaged one before, with a note between",
        ),
    ],
)
def test_of_several_lines_the_closest_pair_is_the_block(existing: str, merged: str) -> None:
    assert renewed(existing) == merged


WORD = f"""<div class=3DWordSection1>
<p class="MsoNormal"><span style='mso-fareast-language:EN-US'>Booking details
(kept up to date by&nbsp;Dynamics 365)<o:p></o:p></span></p>
<p class="MsoNormal">WO-1001<br>
Priority: High<o:p></o:p></p>
<p class="MsoNormal">Your own notes&#160;below this line are
kept<o:p></o:p></p>
<p class="MsoNormal"><o:p>&nbsp;</o:p></p>
<p class="MsoNormal">Gate code <b>4711</b>{IMAGE}<o:p></o:p></p>
</div>"""

OWA = f"""<div class="elementToProof x_block" style="font-family: Aptos, sans-serif; color: rgb(0, 0, 0);">
Booking details (kept up to date by Dynamics 365)</div>
<div class="elementToProof">WO-1001</div>
<div id="x_appendonsend"><span>Your own notes below this line are kept</span></div>
<div class="elementToProof"><br></div>
<div class="elementToProof">Gate code 4711</div>{TEAMS}"""


@pytest.mark.parametrize(
    ("existing", "merged"),
    [
        pytest.param(
            page(WORD),
            page(
                f'<div class=3DWordSection1>\n{NEW}\n<p class="MsoNormal"><o:p>&nbsp;</o:p></p>\n'
                f'<p class="MsoNormal">Gate code <b>4711</b>{IMAGE}<o:p></o:p></p>\n</div>'
            ),
            id="Outlook for Windows: a paragraph for each line",
        ),
        pytest.param(
            page(OWA),
            page(
                f'{NEW}\n<div class="elementToProof"><br></div>\n'
                f'<div class="elementToProof">Gate code 4711</div>{TEAMS}'
            ),
            id="Outlook on the web: a div for each line",
        ),
        pytest.param(
            f"<div><p>{FIRST_LINE}</p><p>WO-1001</p><p>{LAST_LINE}. Gate code 4711</p><p>Mine</p></div>",
            f"<div>{NEW}<p>. Gate code 4711</p><p>Mine</p></div>",
            id="a note on the last line",
        ),
        pytest.param(
            f"<div dir=ltr>Call first<br>{FIRST_LINE}<br>WO-1001<br>{LAST_LINE}<br>Mine</div>",
            f"<div dir=ltr>Call first<br>{NEW}<br>Mine</div>",
            id="a phone: one div with notes and block",
        ),
        pytest.param(
            f'<p class="a">Call first<br>{FIRST_LINE}<br>{LAST_LINE}<br><b>Mine</b></p>',
            f'<p class="a">Call first<br></p>{NEW}<p class="a"><br><b>Mine</b></p>',
            id="one paragraph with notes and block is parted",
        ),
        pytest.param(
            f'<font face="Arial"><span>{OLD}<p>Mine</p></span></font>',
            f'{NEW}<font face="Arial"><span><p>Mine</p></span></font>',
            id="a font around everything",
        ),
        pytest.param(
            f"<p>Call <b>first {FIRST_LINE}</b></p><table><tr><td>{LAST_LINE}</td><td>Mine</td></tr></table>",
            f"<p>Call <b>first </b></p>{NEW}<table><tr><td>Mine</td></tr></table>",
            id="from a paragraph into a table",
        ),
        pytest.param(
            f"<table><tr><td>Call first</td><td>{OLD}</td></tr></table>",
            f"<table><tr><td>Call first</td><td>{NEW}</td></tr></table>",
            id="within a cell",
        ),
        pytest.param(
            f"<div><b>Call first {OLD}<i>Mine",
            f"<div><b>Call first </b>{NEW}<b><i>Mine",
            id="tags that were never closed",
        ),
        pytest.param(
            f"<div><b>Call <i>first</div>{OLD}Mine",
            f"<div><b>Call <i>first</div>{NEW}Mine",
            id="tags closed by their parent's",
        ),
        pytest.param(f"</b></p>{OLD}</div>Mine", f"</b></p>{NEW}</div>Mine", id="end tags that close nothing"),
        pytest.param(f"<P>{FIRST_LINE}</P><Hr/><P>{LAST_LINE}</P>", NEW, id="capital letters"),
        pytest.param(
            OLD.replace(" ", "\r\n&#xA0;").replace("(", "&lpar;").replace("D", "&#68;").replace("o", "<i>o</i>"),
            NEW,
            id="every other entity, and markup within words",
        ),
        pytest.param(f"R&D{OLD[5:-6]} &c", f"R&D{NEW} &c", id="an ampersand that begins no entity"),
        pytest.param(
            f"<p title=it's>{OLD}it's</p>", f"{NEW}<p title=it's>it's</p>", id="an apostrophe that quotes nothing"
        ),
    ],
)
def test_a_block_that_an_editor_rewrote_is_replaced_and_the_page_stays_whole(existing: str, merged: str) -> None:
    assert renewed(existing) == merged
    assert merge_body(merged, NEW, written_text=None) == merged


@pytest.mark.parametrize(
    ("existing", "merged"),
    [
        pytest.param(
            f"<div>{FIRST_LINE}<br>WO-1001<br>Gate code 4711<br>Priority: High<br>{LAST_LINE}</div><p>Mine</p>",
            f"<div>{NEW}{KEPT}WO-1001<br>Gate code 4711<br>Priority: High<br></div><p>Mine</p>",
            id="a line of its own",
        ),
        pytest.param(
            f"<p>Call first</p><div>{FIRST_LINE} Gate code 4711<br>WO-1001<br>Priority: High<br>{LAST_LINE}</div>",
            f"<p>Call first</p><div>{NEW}{KEPT}Gate code 4711<br>WO-1001<br>Priority: High<br></div>",
            id="behind the first line",
        ),
        pytest.param(
            OLD.replace("<br>Priority", f"<br>{IMAGE}<br>Priority"),
            f"<div>{NEW}{KEPT}WO-1001<br>{IMAGE}<br>Priority: High<br></div>",
            id="a picture",
        ),
        pytest.param(
            OLD.replace("High", "as high as can be"),
            f"<div>{NEW}{KEPT}WO-1001<br>Priority: as high as can be<br></div>",
            id="a value that was written over",
        ),
        pytest.param(
            page(WORD.replace("Priority: High", "Priority: High, gate code <i>4712</i>")),
            page(
                f'<div class=3DWordSection1>\n{NEW}{KEPT}\n<p class="MsoNormal">WO-1001<br>\n'
                "Priority: High, gate code <i>4712</i><o:p></o:p></p>\n\n"
                '<p class="MsoNormal"><o:p>&nbsp;</o:p></p>\n'
                f'<p class="MsoNormal">Gate code <b>4711</b>{IMAGE}<o:p></o:p></p>\n</div>'
            ),
            id="Outlook for Windows",
        ),
        pytest.param(
            page(OWA.replace("WO-1001", "WO-1001</div>\n<div>gate code 4712")),
            page(
                f'{NEW}{KEPT}\n<div class="elementToProof">WO-1001</div>\n<div>gate code 4712</div>\n\n'
                '<div class="elementToProof"><br></div>\n'
                f'<div class="elementToProof">Gate code 4711</div>{TEAMS}'
            ),
            id="Outlook on the web",
        ),
        pytest.param(
            f'<p class="a">Call first<br><b>{FIRST_LINE}<br>WO-1001<br>{IMAGE}{LAST_LINE}</b><br>Mine</p>',
            f'<p class="a">Call first<br></p>{NEW}{KEPT}<p class="a"><b>WO-1001<br>{IMAGE}</b><br>Mine</p>',
            id="in one paragraph with notes around",
        ),
        pytest.param(
            f"<p>{FIRST_LINE}</p><p>Gate <b>code 4711, Your own</b></p><p><i>notes</i> below this line are kept</p>",
            f"{NEW}{KEPT}<p>Gate <b>code 4711, </b></p>",
            id="with the last line in two paragraphs",
        ),
        pytest.param(
            f"<table><tr><td>{FIRST_LINE}</td><td>WO-1001, Gate code 4711</td><td>{LAST_LINE}</td></tr></table>",
            f"<table><tr><td>{NEW}{KEPT}</td><td>WO-1001, Gate code 4711</td><td></td></tr></table>",
            id="in cells",
        ),
    ],
)
def test_a_block_that_somebody_wrote_into_leaves_its_contents_behind_the_new_one_once(
    existing: str, merged: str
) -> None:
    assert merge_body(existing, NEW, written_text=text_digest(OLD)) == merged
    assert merge_body(merged, NEW, written_text=text_digest(NEW)) == merged
    following = frame("WO-1001")
    assert merge_body(merged, following, written_text=text_digest(NEW)) == merged.replace(NEW, following)


@pytest.mark.parametrize("written_text", [None, text_digest(frame("WO-1000"))])
def test_a_block_that_we_cannot_know_for_ours_is_kept_unless_it_already_says_what_the_new_one_says(
    written_text: str | None,
) -> None:
    kept = f"<div>{NEW}{KEPT}WO-1001<br>Priority: High<br></div>"
    assert merge_body(OLD, NEW, written_text=written_text) == kept
    assert merge_body(page(WORD), OLD, written_text=written_text) == renewed(page(WORD), OLD)


@pytest.mark.parametrize("empty", [frame(""), f"<p>{FIRST_LINE}</p><p>...</p><p>{LAST_LINE}</p>"])
def test_a_block_that_was_emptied_leaves_nothing_behind(empty: str) -> None:
    assert merge_body(empty, NEW, written_text=text_digest(OLD)) == NEW


def test_a_link_that_a_device_printed_as_text_is_nothing_that_was_written() -> None:
    link = "https://org.crm.dynamics.com/main.aspx?etn=bookableresourcebooking&amp;id=1"
    old, new = (frame(f'{number}<br><a href="{link}">Open in Dynamics 365</a>') for number in ("WO-1001", "WO-1002"))
    printed = f'WO-1001<br>Open in Dynamics 365&lt;<a href="{link}">{link}</a>&gt;'
    assert merge_body(f"{frame(printed)}Mine", new, written_text=text_digest(old)) == f"{new}Mine"
    assert KEPT in merge_body(frame(f"4711 {printed}"), new, written_text=text_digest(old))


@pytest.mark.parametrize("rewritten", [page(WORD), frame("WO&#45;1001 \u2014 <b>Pri</b>ority&nbsp;:\r\nHigh"), OLD * 2])
def test_the_digest_of_a_blocks_text_is_the_same_whatever_its_markup(rewritten: str) -> None:
    assert text_digest(rewritten) == text_digest(OLD)


def test_the_digest_of_a_blocks_text_is_for_ever() -> None:
    """Made in another way, it would have every block in the calendars taken for one that was written into."""
    assert text_digest(OLD) == "ff282976c33667fb"


def test_the_digest_of_a_blocks_text_tells_every_letter() -> None:
    assert len({text_digest(frame(text)) for text in ("", "WO-1001", "WO-1002", "wo-1001", "WO-1001 \u05d1")}) == 5


@pytest.mark.parametrize(
    ("text", "defused"),
    [
        ("nothing special", "nothing special"),
        (f"see: {LAST_LINE}!", "see: (left out)!"),
        (f"{FIRST_LINE}\nWO-1\n{LAST_LINE}\nrest", "(left out))\nWO-1\n(left out)\nrest"),
        ("Your own\nnotes-below THIS line... are\u200bkept", "Your own\nnotes-below THIS line... are\u200bkept"),
        ("Your own\nnotes-below this line... are\u200bkept", "(left out)"),
        (f"Your own notes be{LAST_LINE}low this line are kept", "Your own notes be(left out)low this line are kept"),
    ],
)
def test_a_text_that_brings_our_lines_along_loses_them(text: str, defused: str) -> None:
    assert defuse(text) == defused


@pytest.mark.slow
@pytest.mark.parametrize("trap", ["<title ", "<a x=", '<a x="', "<!--", "<b>", "</b>", "&#", "<o:p>", FIRST_LINE])
def test_a_page_made_to_be_slow_is_read_in_time(trap: str) -> None:
    """Half a megabyte of what a search that goes back and forth would need minutes for."""
    existing = trap * (500_000 // len(trap))
    began = process_time()
    assert merge_body(existing, NEW, written_text=None) == NEW + existing
    assert process_time() - began < 10


@pytest.mark.slow
@pytest.mark.parametrize("trap", ["<a x=", "<b>", "</b>", "<b></b>x", "<b>x</b>", "&#", "<o:p>", "<br>", IMAGE])
def test_a_block_made_to_be_slow_is_kept_in_time(trap: str) -> None:
    notes = trap * (500_000 // len(trap))
    began = process_time()
    assert KEPT in merge_body(frame(f"4711{notes}"), NEW, written_text=None)
    assert process_time() - began < 10
