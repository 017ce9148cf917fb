"""Writes findings to docs/benchmarks.md: a section for each part, with the machine and the date it was measured on.

A run that measures some of the parts replaces their sections and leaves the others as they are: each figure is compared
with something from its own section alone. Nothing in the file is written by hand.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

from bench.findings import SOFT_HYPHEN, Findings, Row, Table, Target

_WIDTH = 120

_INTRODUCTION = """\
# Benchmarks

Written by `./dev bench`, section by section: what was measured, against what, and whether it is what it should be.
Each figure is to be read beside the one it is a ratio to, which was measured in the same run or is a limit of the
services; on another machine the times differ, and the ratios should not. The simulators stand for Graph and Dataverse.
"""

_HEADING = re.compile(r"^## (?P<name>\S+)$", flags=re.MULTILINE)


def section_of(findings: Findings, *, measured_on: str) -> str:
    """The Markdown of one part below its heading. `measured_on` names machine and date."""
    parts = [_paragraph(f"{_capitalized(findings.sentence)}."), _paragraph(f"Measured on {measured_on}.")]
    if findings.targets:
        parts.append(_targets(findings.targets))
    parts += [_table(table) for table in findings.tables]
    return "\n\n".join(parts)


def write_section(path: Path, name: str, section: str, *, order: Sequence[str]) -> None:
    """Put the section of one part into the document, which is made where there is none.

    `order` names all parts there are; sections of others are dropped.
    """
    sections = _sections(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(_document({**sections, name: section}, order), encoding="utf-8")


def _document(sections: Mapping[str, str], order: Sequence[str]) -> str:
    kept = [f"## {name}\n\n{sections[name]}\n" for name in order if name in sections]
    return "\n".join([_INTRODUCTION, *kept])


def _sections(document: str) -> dict[str, str]:
    """The text below each heading of the second level."""
    _, *found = _HEADING.split(document)
    return {name: text.strip() for name, text in zip(found[::2], found[1::2], strict=True)}


def _targets(targets: Sequence[Target]) -> str:
    rows = [
        (one.figure, one.wanted, one.measured, "reached" if one.is_reached else "**not reached**") for one in targets
    ]
    return _grid(("target", "wanted", "measured", ""), rows, align="| --- | --- | --- | --- |")


def _table(table: Table) -> str:
    align = "| --- |" + " ---: |" * (len(table.columns) - 1)
    headings = [name.replace(SOFT_HYPHEN, "").replace("\n", " ") for name in table.columns]
    grid = _grid(headings, [_cells(row) for row in table.rows], align=align)
    notes = [f"Ratio to: {table.ratio_to}", *table.note.splitlines()]
    return "\n\n".join([f"### {table.title}", grid, *map(_paragraph, notes)])


def _cells(row: Row) -> list[str]:
    first, *others = row.cells
    cells = [first.replace("  ", "&emsp;", 1) if first.startswith("  ") else first, *others]
    return [f"**{cell}**" if row.is_main and cell else cell for cell in cells]


def _grid(headings: Sequence[str], rows: Sequence[Sequence[str]], *, align: str) -> str:
    return "\n".join([_line(headings), align, *map(_line, rows)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _paragraph(text: str) -> str:
    return fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
