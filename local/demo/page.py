"""How the story looks: sober, within 80 columns, and readable without a terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import dedent

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

WIDEST = 100
"""Lines of text that are longer are hard to read."""

_INDENT = (0, 0, 0, 4)


class StoryBroken(Exception):
    """What the story tells did not come true."""


class Page:
    """Writes the story to a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._console.width = min(console.width, WIDEST)
        self._chapters = 0

    def chapter(self, title: str, text: str) -> None:
        """Open a chapter; `text` says what people do in it, or what the reader is about to see."""
        self._chapters += 1
        self._console.print()
        self._console.print(Rule(Text(f"{self._chapters}  {title}", style="bold"), align="left", style="dim"))
        self._print(Text(" ".join(dedent(text).split())))
        self._console.print()

    def prologue(self, seconds: float, settle_seconds: float) -> None:
        """What the story is played on, which took so long to come up, and how long the app lets changes settle."""
        self._console.print(Text("Booking sync, played on this machine", style="bold"))
        self._console.print(
            Text(
                "The app in a Functions host, Azurite for its queues and tables, and simulators of Graph and "
                f"Dataverse; all over real HTTP, up and linked after {seconds:.0f} s. The app lets a change settle for "
                f"{settle_seconds:g} s here, where it usually waits 3 s for what may follow.",
                style="dim",
            )
        )

    def epilogue(self, seconds: float) -> None:
        """All of it came true."""
        self._console.print()
        self._console.print(
            Text(f"All of this came true, in {seconds:.0f} s. The same world to play with: ./dev up", style="bold")
        )

    def text(self, text: str) -> None:
        """A sentence between two tables."""
        self._console.print()
        self._print(Text(text))
        self._console.print()

    def holds(self, is_true: bool, sentence: str, otherwise: object = "") -> None:
        """Tell something that was seen. Raises `StoryBroken`, with what was seen instead, when it was not."""
        if not is_true:
            seen = f": {otherwise}" if otherwise != "" else ""
            raise StoryBroken(f"chapter {self._chapters}, this did not come true: {sentence!r}{seen}")
        row = Table.grid(padding=(0, 1))
        row.add_row(Text("✓", style="green"), Text(sentence))
        self._print(row)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> None:
        """A small table. With `numbers`, all columns but the first are figures, and the last row is their sum."""
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="right" if numbers and place else "left")
        for number, row in enumerate(rows, start=1):
            is_sum = numbers and number == len(rows)
            table.add_row(*row, style="bold" if is_sum else "", end_section=numbers and number == len(rows) - 1)
        self._print(table)
        self._console.print()

    def quote(self, source: str, lines: Sequence[str]) -> None:
        """Lines of a log or a journal, as they are there."""
        for line in lines:
            self._print(Text.assemble((f"{source}  ", "dim"), (line, "cyan")))

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show on a terminal that something is waited for; nothing elsewhere."""
        with self._console.status(f"[dim]{text}[/]", spinner="dots"):
            yield

    def _print(self, what: Text | Table) -> None:
        self._console.print(Padding(what, _INDENT, expand=False), highlight=False)
