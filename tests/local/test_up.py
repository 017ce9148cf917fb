"""`./dev up`, as somebody at a terminal meets it: the screen, the lines to copy from it, the ways that it ends."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
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
        deadline = time.monotonic() + 60
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
    """Do what curl would do with the options that the screen uses."""
    words = shlex.split(line)
    assert words[:3] == ["curl", "-s", "-X"]
    method, url, *options = words[3:]
    values = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in values if option == "-H")
    body = "".join(value for option, value in values if option == "-d")
    reply = httpx.request(method, url, headers=headers, content=body)
    assert reply.is_success, reply.text
    return reply.json() if reply.content else None


def test_the_lines_to_copy_do_what_they_say_and_ctrl_c_stops_everything(terminal: Terminal) -> None:
    terminal.wait_for("Ctrl-C stops everything")
    move, look_at_moved, delete, look_at_deleted = re.findall("^curl.*$", terminal.text, re.MULTILINE)
    before = run_curl(look_at_moved)
    run_curl(move)
    run_curl(delete)

    deadline = time.monotonic() + 30  # generous: how quick it is, the bench measures
    while (
        run_curl(look_at_moved)["starttime"] == before["starttime"]
        or run_curl(look_at_deleted)["BookingStatus"]["name"] != "Canceled"
    ):
        assert time.monotonic() < deadline, "the bookings did not follow"
        time.sleep(0.2)

    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(30) == 0
    terminal.ports.require_free()
    assert "Traceback" not in terminal.text


def test_when_a_part_dies_the_others_stop_and_the_terminal_says_which(terminal: Terminal) -> None:
    terminal.wait_for("Ctrl-C stops everything")
    os.kill(process_with(f"-m local.graph --port {terminal.ports.graph}"), signal.SIGKILL)
    assert terminal.process.wait(30) == 1
    assert "graph ended with code 137; the end of" in terminal.text
    terminal.ports.require_free()
