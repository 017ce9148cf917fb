"""The demo as a newcomer runs it: it tells its story to the end, and says so when something does not come true."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from local.demo.page import Page, StoryBroken

ROOT = Path(__file__).parents[2]

TOLD = (
    r"step Delete of bookings",
    r"✓ a second look finds nothing left to do",
    r"✓ the booking followed its event after \d+\.\d s",
    r"✓ 4 notifications were acknowledged",
    r"✓ moved: no call at all, because that was remembered",
    r"✓ Dynamics was never asked: 0 calls",
    r"gone +\w{3} \d\d \w{3} [\d:]+ to [\d:]+ +Canceled",
    r"✓ second witness \(event\.\w+\)",
    r"✓ answered 202, like any other",
    r"✓ killed with \d+ items in the queue",
    r"✓ all 6 bookings are where their events are",
    r"✓ Dario Conti has this one event \d+\.\d s after",
    r"✓ 1 write in Outlook; in Dynamics 1 read, and 1 write of that id",
    r"✓ moved: the event followed after \d+\.\d s",
    r"✓ given away: made there and removed here after \d+\.\d s",
    r"✓ cancelled: removed after \d+\.\d s",
    r"✓ the new summary was there after \d+\.\d s, and the notes stayed",
    r"✓ deleted in \d+ ms: the dispatcher is not held up",
    r"✓ gone \d+\.\d s after the sweep began",
    r"✓ both sides are equal again",
    r"✓ and then nothing: 0 calls in the next \d+ s",
    r"✓ [\d.]+ calls per change, where the flow makes [\d.]+",
    r"All of this came true, in \d+ s",
)


@pytest.mark.slow
def test_the_demo_tells_its_story_to_the_end_and_leaves_nothing_running() -> None:
    before = _processes()
    command = [sys.executable, "-m", "local.demo"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    for pattern in TOLD:
        assert re.search(pattern, result.stdout), f"{pattern} is missing in\n{result.stdout}"
    assert "\x1b" not in result.stdout, "there is no terminal to colour"
    assert result.stderr == ""
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    assert not {line for line in _processes() - before if "/demo-" in line}


def test_a_sentence_that_is_not_true_ends_the_story_and_says_what_was_seen() -> None:
    page = Page(Console(file=io.StringIO(), width=80))
    page.chapter("A chapter", "It says something.")
    page.holds(True, "one is one")
    with pytest.raises(StoryBroken, match=r"chapter 1, this did not come true: 'two is one': 2"):
        page.holds(False, "two is one", 2)


def _processes() -> set[str]:
    listing = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True)
    return set(listing.stdout.splitlines())
