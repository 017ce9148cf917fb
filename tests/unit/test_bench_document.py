"""Findings of the bench, on a terminal and in docs/benchmarks.md."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.document import section_of, write_section
from bench.findings import SOFT_HYPHEN, Findings, Row, Table, Target, times
from bench.terminal import show_findings, show_summary

TABLE = Table(
    title="Speeds",
    columns=("who", f"notifi{SOFT_HYPHEN}cations", "calls\nratio"),
    rows=(Row(cells=("the app", "12", "5.6x"), is_main=True), Row(cells=("  of it a|b", "7", ""))),
    ratio_to="the flow.",
    note="Counted.\nTwice.",
)
FINDINGS = Findings(
    tables=(TABLE,),
    sentence="it is 5.6x",
    targets=(Target(figure="calls", wanted="at least 20x", measured="5.6x", is_reached=False),),
)
SECTION = """\
It is 5.6x.

Measured on a machine.

| target | wanted | measured |  |
| --- | --- | --- | --- |
| calls | at least 20x | 5.6x | **not reached** |

### Speeds

| who | notifications | calls ratio |
| --- | ---: | ---: |
| **the app** | **12** | **5.6x** |
| &emsp;of it a\\|b | 7 |  |

Ratio to: the flow.

Counted.

Twice."""


def test_a_section_says_where_it_was_measured_what_the_ratios_are_to_and_whether_targets_are_reached() -> None:
    assert section_of(FINDINGS, measured_on="a machine") == SECTION
    reached = replace(FINDINGS, targets=(replace(FINDINGS.targets[0], is_reached=True),))
    assert "| 5.6x | reached |" in section_of(reached, measured_on="a machine")


def test_writing_a_section_replaces_it_and_keeps_the_others_in_their_order(tmp_path: Path) -> None:
    path, order = tmp_path / "benchmarks.md", ["calls", "cold-start", "scale"]
    for name in ("scale", "calls", "cold-start"):
        write_section(path, name, f"{SECTION}\n\nThe first of {name}.", order=order)
    write_section(path, "calls", "The second of calls.", order=order)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Benchmarks\n")
    assert "The first of calls." not in text
    places = [text.index(words) for words in ("## calls\n\nThe second", "## cold-start\n", "## scale\n")]
    assert places == sorted(places)
    assert f"{SECTION}\n\nThe first of scale.\n" in text
    assert "\n\n\n" not in text


def test_the_section_of_a_part_that_is_no_more_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    write_section(path, "old", "Old.", order=["old"])
    write_section(path, "new", "New.", order=["new"])
    assert "Old." not in path.read_text(encoding="utf-8")


def test_a_terminal_shows_a_table_its_targets_and_the_sentence() -> None:
    console = Console(file=io.StringIO(), width=80)
    show_findings(console, FINDINGS)
    show_summary(console, {"speeds": FINDINGS})
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for words in ("Speeds", "notifi-", "cations", "a|b", "Ratio to: the flow.", "at least 20x", "not reached", "5.6x"):
        assert words in shown
    assert SOFT_HYPHEN not in shown


def test_a_row_with_another_number_of_cells_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Speeds: 3 columns, but \('the app',\)"):
        replace(TABLE, rows=(Row(cells=("the app",)),))


@pytest.mark.parametrize(
    ("ratio", "text"), [(0.5, "0.50x"), (1.994, "1.99x"), (5.55, "5.5x"), (123.4, "123x"), (float("inf"), "∞")]
)
def test_a_ratio_is_shown_as_precisely_as_it_means_something(ratio: float, text: str) -> None:
    assert times(ratio) == text
