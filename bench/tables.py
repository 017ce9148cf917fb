"""How the bench shows tables and figures on a terminal of 80 columns or more."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def new_table(title: str, *, gap: int = 1) -> Table:
    """`gap`: the blanks between two columns."""
    return Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, gap, 0, 0),
    )


def show_table(console: Console, table: Table, note: str) -> None:
    """`note` says what the figures are."""
    console.print(table)
    console.print(Text(note, style="dim"))


def times(ratio: float) -> str:
    """`5.6x`; whole numbers from a hundred on."""
    if ratio == float("inf"):
        return "∞"
    return f"{ratio:.0f}x" if ratio >= 100 else f"{ratio:.2f}x" if ratio < 2 else f"{ratio:.1f}x"
