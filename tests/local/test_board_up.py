"""`./dev up` brings the board up, tells where it is, and does not go on without it."""

import os
import signal
from pathlib import Path

import httpx
import pytest

from local.sample import build_sample
from local.world import today_in_utc
from tests.local.processes import process_with
from tests.local.test_up import Terminal

pytestmark = pytest.mark.slow


def test_the_board_is_up_with_the_world_and_goes_with_it(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    try:
        terminal.wait_for("Ctrl-C stops everything")
        url = f"http://127.0.0.1:{terminal.ports.board}"
        assert f"Board      {url} " in terminal.text
        state = httpx.get(f"{url}/api/state", trust_env=False).raise_for_status().json()
        assert len(state["bookings"]) == len(build_sample(today_in_utc()).bookings)
        assert state["unequal"] == [], "it begins with both sides equal"
        story = httpx.get(f"{url}/api/journal", trust_env=False).raise_for_status().json()
        assert story, "the app's own journal is read"
        os.kill(process_with(f"-m local.board --port {terminal.ports.board}"), signal.SIGKILL)
        assert terminal.process.wait(30) == 1
        assert "board ended with code 137; the end of" in terminal.text
        terminal.ports.require_free()
    finally:
        terminal.process.kill()
        terminal.process.wait()
