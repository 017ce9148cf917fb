"""What a part of the bench answers: tables, one sentence, and how far its targets were reached.

A part measures and answers `Findings`; it formats nothing for a medium. `bench.terminal` shows findings on a terminal,
`bench.document` writes them to docs/benchmarks.md. To add a part: write a function that answers `Findings`, make a
`Part` of it with its two sizes, and name that in `bench.parts`.

    def measure(*, changes: int) -> Findings:
        ...
        return Findings(tables=(table,), sentence="…", targets=(target,))

    PART = Part(name="latency", thorough=partial(measure, changes=20), quick=partial(measure, changes=4))

Cells, titles and notes are plain text: no markup of either medium. A heading may hold a line break, and a soft hyphen
(`SOFT_HYPHEN`) where the terminal's 80 columns want one; the document writes neither.
"""

from collections.abc import Callable
from dataclasses import dataclass

SOFT_HYPHEN = "\N{SOFT HYPHEN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A cell for each column. A first cell that begins with two blanks is part of the row above.

    `is_main` for the row that people look for; `ends_group` where a line is to be drawn below.
    """

    cells: tuple[str, ...]
    is_main: bool = False
    ends_group: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Figures. The first column is text, to the left; all others are figures, to the right.

    `ratio_to` says in a sentence what the figures are to be compared with, measured in the same run or a limit of a
    service. `note` says how they were measured and how they are to be read; its lines are paragraphs.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    ratio_to: str
    note: str

    def __post_init__(self) -> None:
        if wrong := [row.cells for row in self.rows if len(row.cells) != len(self.columns)]:
            raise ValueError(f"{self.title}: {len(self.columns)} columns, but {wrong[0]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a figure is to be, beside what it is: `wanted="at most 1.3x"`, `measured="1.27x"`."""

    figure: str
    wanted: str
    measured: str
    is_reached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """`sentence` says it all in short: no capital at its beginning, no full stop at its end."""

    tables: tuple[Table, ...]
    sentence: str
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One measurement in two sizes: `quick` is a look in seconds, only `thorough` gives figures to be kept.

    Both raise `MeasurementFailed` when nothing could be measured.
    """

    name: str
    thorough: Callable[[], Findings]
    quick: Callable[[], Findings]


def times(ratio: float) -> str:
    """`5.6x`; whole numbers from a hundred on."""
    if ratio == float("inf"):
        return "∞"
    return f"{ratio:.0f}x" if ratio >= 100 else f"{ratio:.2f}x" if ratio < 2 else f"{ratio:.1f}x"
