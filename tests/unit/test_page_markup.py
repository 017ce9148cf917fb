"""Every page can be used by keyboard and read out, and no text can break out of its place."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from sync.page.html import Site, document, notice, order
from sync.page.markup import Markup, code, joined, length, moment, section, table, tag
from sync.page.style import DARK, HEADERS, LIGHT, STYLE, STYLE_SOURCE

NOW = datetime(2026, 11, 21, 9, 30, 15, tzinfo=UTC)
SITE = Site(now=NOW)
HOSTILE = "<script>\"'&"


@pytest.mark.parametrize(
    "made",
    [
        tag("p", HOSTILE),
        tag("p", title=HOSTILE),
        joined([HOSTILE]),
        table(HOSTILE, [HOSTILE], [[HOSTILE]]),
        section("x", HOSTILE, HOSTILE),
        code(HOSTILE),
        notice(HOSTILE, HOSTILE),
        order(SITE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
        document(SITE, HOSTILE, HOSTILE, search={"for": HOSTILE}),
    ],
    ids=["text", "attribute", "joined", "table", "section", "code", "notice", "order", "document"],
)
def test_text_stays_text(made: str) -> None:
    assert "<script" not in made
    assert re.search(r"=\"[^\"]*\"'", made) is None


def test_what_was_made_here_is_not_escaped_again() -> None:
    assert tag("p", tag("b", "x")) == Markup("<p><b>x</b></p>")
    assert tag("input", required=True, value=None, hidden=False) == "<input required>"


def test_a_page_has_its_landmarks_one_heading_and_a_way_past_the_navigation() -> None:
    text = document(SITE, "Overview", view="", search={})
    assert text.startswith('<!doctype html><html lang="en">')
    for landmark in ("<header", "<nav", "<search", "<main", "<footer"):
        assert text.count(landmark) >= 1
    assert text.count("<h1") == 1
    assert 'href="#content"' in text
    assert '<main id="content" tabindex="-1"' in text
    assert text.index('href="#content"') < text.index("<header")
    assert 'aria-current="page"' in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text


def test_every_field_has_its_label() -> None:
    text = document(SITE, "Overview", search={})
    fields = set(re.findall(r'<input id="([^"]+)"', text))
    assert fields
    assert fields == set(re.findall(r'<label for="([^"]+)"', text))


def test_a_table_says_what_it_is_and_what_names_its_rows_and_columns() -> None:
    made = table("What", ["A", "B"], [["a", "b"]])
    assert "<caption>What</caption>" in made
    assert made.count('scope="col"') == 2
    assert made.count('scope="row"') == 1
    assert '<td role="cell" data-head="B">b</td>' in made
    with pytest.raises(ValueError, match="zip"):
        table("What", ["A", "B"], [["a"]])


def test_a_button_says_which_of_many_it_is() -> None:
    assert 'aria-label="Replay letter 7"' in order(SITE, "Replay", "replay-letter", "7", "letter 7")


@dataclass
class Pair:
    text: str
    ground: str


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    "pair",
    [
        *(Pair(text, ground) for text in ("text", "quiet", "link") for ground in ("ground", "raised", "bad-ground")),
        Pair("good", "raised"),
        Pair("bad", "raised"),
        Pair("bad", "bad-ground"),
        Pair("raised", "link"),
    ],
    ids=lambda pair: f"{pair.text} on {pair.ground}",
)
def test_text_is_told_from_its_ground(scheme: dict[str, str], pair: Pair) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    lighter, darker = sorted((luminance(scheme[pair.text]), luminance(scheme[pair.ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_policy_allows_this_style_sheet_and_no_other() -> None:
    assert STYLE_SOURCE in HEADERS["Content-Security-Policy"]
    assert f"<style>{STYLE}</style>" in document(SITE, "Overview", search={})
    assert "url(" not in STYLE
    assert "@import" not in STYLE


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (3.71, "3.7 s"), (12, "12 s"), (600, "10 min"), (7200, "2 h"), (5 * 86_400, "5 days")],
)
def test_a_length_of_time_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert length(seconds) == words


def test_a_moment_is_exact_for_machines_and_relative_for_people() -> None:
    made = moment(NOW - timedelta(minutes=4), NOW)
    assert 'datetime="2026-11-21T09:26:15+00:00"' in made
    assert "4 min ago" in made
    assert "in 2 h" in moment(NOW + timedelta(hours=2), NOW)
    assert "2026-11-19" in moment(NOW - timedelta(days=2), NOW)
    assert "never" in moment(None, NOW)
