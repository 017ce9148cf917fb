"""`./dev up`, as somebody at a terminal meets it: the screen, the lines to copy from it, the ways that it ends."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.ports import Ports
from tests.local.processes import process_with

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


class Terminal:
    """A running `./dev up` and what it has printed."""

    def __init__(self, directory: Path) -> None:
        self.ports = Ports.free()
        ports = [word for name, port in asdict(self.ports).items() for word in (f"--port-{name}", str(port))]
        self._screen = directory / "screen"
        with self._screen.open("wb") as screen:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "local.up", "--directory", str(directory / "world"), *ports],
                cwd=ROOT,
                stdout=screen,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self._screen.read_text()

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + 120
        while text not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.1)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.process.kill()
    terminal.process.wait()


def run_curl(line: str) -> Any:
    """Do what the shell and curl would do with such a line; what a GET answers."""
    words = shlex.split(line.partition(" | ")[0])
    assert words[:2] == ["curl", "-sS"]
    assert not any(sign in line for sign in ("[", "{}")), "curl would expand it"
    options: dict[str, list[str]] = {}
    url = ""
    rest = iter(words[2:])
    for word in rest:
        if word.startswith("-"):
            options.setdefault(word, []).append(next(rest))
        else:
            url = word
    method = options.get("-X", ["GET"])[0]
    headers = dict(value.split(": ", 1) for value in options["-H"])
    reply = httpx.request(method, url, headers=headers, content="".join(options.get("-d", [])))
    assert reply.is_success, reply.text
    return reply.json() if method == "GET" else None


def lines_to_copy(terminal: Terminal) -> list[str]:
    """The commands on the screen, in their order; each is on a line of its own."""
    terminal.wait_for("Ctrl-C stops everything")
    return re.findall(r"^(?:curl|\./dev) .*$", terminal.text, re.MULTILINE)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30  # generous: how quick it is, others measure
    while not is_so():
        assert time.monotonic() < deadline, "the other side did not follow"
        time.sleep(0.2)


def test_the_lines_to_copy_do_what_they_say_and_ctrl_c_stops_everything(terminal: Terminal) -> None:
    move, look_at_moved, delete, look_at_deleted, *_ = lines_to_copy(terminal)
    time.sleep(2)
    assert terminal.text.rstrip().endswith("./dev sync --help"), "nothing scrolls the lines away while they are read"
    before = run_curl(look_at_moved)
    run_curl(move)
    run_curl(delete)
    wait_until(lambda: run_curl(look_at_moved)["starttime"] != before["starttime"])
    wait_until(lambda: run_curl(look_at_deleted)["BookingStatus"]["name"] == "Canceled")

    *_, book, look_at_first, move, reassign, look_at_second, cancel, journal = lines_to_copy(terminal)
    run_curl(book)
    wait_until(lambda: starts(look_at_first) == ["09:00"])
    run_curl(move)
    wait_until(lambda: starts(look_at_first) == ["13:00"])
    run_curl(reassign)
    wait_until(lambda: starts(look_at_second) == ["13:00"])
    wait_until(lambda: starts(look_at_first) == [])
    run_curl(cancel)
    wait_until(lambda: starts(look_at_second) == [])
    wait_until(lambda: "remove-event (cancelled-in-dynamics)" in told(journal))
    assert "create-event (booking-reassigned)" in told(journal)

    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(30) == 0
    terminal.ports.require_free()
    assert "Traceback" not in terminal.text


def starts(look_at_calendar: str) -> list[str]:
    """When the events begin that the line shows."""
    return [event["start"]["dateTime"][11:16] for event in run_curl(look_at_calendar)["value"]]


def told(journal: str) -> str:
    """What `./dev sync` prints, without preparing what these tests run with already."""
    words = shlex.split(journal)
    assert words[0] == "./dev"
    command = [sys.executable, "-m", "local.inside", *words[1:]]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("moment", ["bringing the sample's bookings to Outlook", "Ctrl-C stops everything"])
def test_when_a_part_dies_the_others_stop_and_the_terminal_says_which(terminal: Terminal, moment: str) -> None:
    terminal.wait_for(moment)
    os.kill(process_with(f"-m local.graph --port {terminal.ports.graph}"), signal.SIGKILL)
    assert terminal.process.wait(30) == 1
    assert "graph ended with code 137; the end of" in terminal.text
    assert "Traceback" not in terminal.text
    terminal.ports.require_free()
