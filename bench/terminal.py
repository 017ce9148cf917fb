"""Shows findings on a terminal of 80 columns or more."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from bench.findings import SOFT_HYPHEN, Findings, Table, Target


def show_findings(console: Console, findings: Findings) -> None:
    """The tables of one part, and its targets."""
    for table in findings.tables:
        _show_table(console, table)
    for target in findings.targets:
        console.print(_target_line(target))


def show_summary(console: Console, measured: Mapping[str, Findings]) -> None:
    """One sentence for each part, by its name."""
    rows = RichTable.grid(padding=(0, 1))
    rows.add_column(no_wrap=True, style="bold")
    rows.add_column()
    for name, findings in measured.items():
        rows.add_row(name, Text(findings.sentence))
    console.print("\n[bold]In short[/]")
    console.print(Padding(rows, (0, 0, 0, 2)))


def _show_table(console: Console, table: Table) -> None:
    shown = RichTable(
        title=Text(f"\n{table.title}"),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, _gap(table.columns), 0, 0),
    )
    for index, name in enumerate(table.columns):
        heading = Text(name.replace(SOFT_HYPHEN, "-\n"))
        shown.add_column(heading, justify="right" if index else "left", no_wrap=True)
    for row in table.rows:
        cells = [Text(cell) for cell in row.cells]
        shown.add_row(*cells, style="bold" if row.is_main else "", end_section=row.ends_group)
    console.print(shown)
    console.print(Text(f"Ratio to: {table.ratio_to}\n{table.note}", style="dim"))


def _gap(columns: Sequence[str]) -> int:
    """The blanks between two columns: none to spare where there are many."""
    return 0 if len(columns) > 8 else 1


def _target_line(target: Target) -> Text:
    verdict = Text("reached", style="green") if target.is_reached else Text("not reached", style="yellow")
    return Text.assemble("Target: ", target.figure, " ", target.wanted, "; measured ", target.measured, ": ", verdict)
