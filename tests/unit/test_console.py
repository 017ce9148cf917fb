"""What a long command leaves on a terminal: lines that were meant for the moment go, lines that tell stay."""

import io
from datetime import UTC, datetime

from sync.commands.console import Console


class Terminal(io.StringIO):
    """A terminal as a person sees it, line by line."""

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> list[str]:
        """Each line with what was drawn over it last."""
        lines = []
        for line in self.getvalue().split("\n"):
            cells: list[str] = []
            for drawn in line.split("\r"):
                cells[: len(drawn)] = drawn
            lines.append("".join(cells).rstrip())
        return lines


async def no_sleep(_: float) -> None:
    raise AssertionError("it waited")


def console(terminal: io.StringIO) -> Console:
    return Console(out=terminal, is_json=False, clock=lambda: datetime(2026, 11, 21, tzinfo=UTC), sleep=no_sleep)


def test_progress_that_is_wiped_leaves_no_trace() -> None:
    terminal = Terminal()
    one = console(terminal)
    one.progress("waiting for the event: 10 s")
    one.progress("waiting: 9 s")
    one.wipe()
    one.say("pass  it arrived")
    one.wipe()
    assert terminal.shown == ["pass  it arrived", ""]


def test_progress_that_is_not_wiped_stays_above_what_is_said_next() -> None:
    terminal = Terminal()
    one = console(terminal)
    one.progress("5 of 10 done")
    one.progress("9 of 10 done")
    one.say("Done.")
    assert terminal.shown == ["9 of 10 done", "Done.", ""]


def test_where_lines_cannot_be_redrawn_nothing_is_wiped() -> None:
    out = io.StringIO()
    one = console(out)
    one.progress("checking ...")
    one.wipe()
    assert out.getvalue() == "checking ...\n"
