"""A long command's side of the terminal: what it says, the line that shows how far it is, what it asks."""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TextIO

from sync import bootstrap
from sync.commands.printing import as_text
from sync.service.ports import Clock, Sleep

QUIET = timedelta(seconds=5)
"""Where a line cannot be redrawn, progress is shown no more often."""

BAR_WIDTH = 30


@dataclass(slots=True, kw_only=True)
class Console:
    """Says things to people, or prints objects where JSON is asked for: never both."""

    out: TextIO
    is_json: bool
    clock: Clock
    sleep: Sleep
    ask: Callable[[str], str] = input
    _shown_at: datetime | None = field(default=None, init=False)
    _drawn: int = field(default=0, init=False)

    def say(self, text: str = "") -> None:
        if not self.is_json:
            self._finish_line()
            print(text, file=self.out, flush=True)

    def emit(self, data: Mapping[str, Any]) -> None:
        if self.is_json:
            print(json.dumps(data, default=as_text), file=self.out, flush=True)

    def progress(self, text: str) -> None:
        """Show how far it is: on a terminal in place of what was shown before, else as a line now and then."""
        if self.is_json:
            return
        if self.out.isatty():
            text = text[: shutil.get_terminal_size().columns - 1]
            print(f"\r{text.ljust(self._drawn)}", end="", file=self.out, flush=True)
            self._drawn = len(text)
            return
        now = self.clock()
        if self._shown_at is None or now - self._shown_at >= QUIET:
            self._shown_at = now
            print(text, file=self.out, flush=True)

    def wipe(self) -> None:
        """Take back what `progress` shows, where that was only meant for the moment."""
        if self._drawn:
            print(f"\r{'':<{self._drawn}}\r", end="", file=self.out, flush=True)
            self._drawn = 0

    def is_confirmed(self, word: str) -> bool:
        """Whether a person types `word`; not when nobody is there, or a program reads along."""
        if self.is_json:
            return False
        try:
            return self.ask(f"Type {word} to go on: ").strip() == word
        except EOFError:
            return False

    def _finish_line(self) -> None:
        if self._drawn:
            print(file=self.out)
            self._drawn = 0


def console_for(options: argparse.Namespace) -> Console:
    return Console(out=sys.stdout, is_json=options.json, clock=bootstrap.now, sleep=bootstrap.sleep)


def bar(done: int, total: int) -> str:
    filled = BAR_WIDTH * done // total if total else BAR_WIDTH
    return f"[{'#' * filled}{'-' * (BAR_WIDTH - filled)}]"


def roughly(time: timedelta) -> str:
    """A length of time as people say it."""
    seconds = round(time.total_seconds())
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
