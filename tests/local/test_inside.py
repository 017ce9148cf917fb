"""Which world `./dev sync` speaks to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.inside import NoWorldError, announce, announced, withdraw


def announce_for(process_id: int, folder: Path, name: str, *, at: int) -> Path:
    """As `./dev up` in the process of that id did, at a moment of the clock."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{process_id}.json"
    path.write_text(json.dumps({"NAME": name}))
    os.utime(path, (at, at))
    return path


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_world_that_was_announced_last_counts_and_an_earlier_one_again_after_it(tmp_path: Path) -> None:
    announce_for(os.getppid(), tmp_path, "earlier", at=1)
    announce({"NAME": "later"}, tmp_path)
    assert announced(tmp_path) == {"NAME": "later"}
    withdraw(tmp_path)
    assert announced(tmp_path) == {"NAME": "earlier"}


def test_a_world_whose_process_is_gone_does_not_count_and_is_cleared_away(tmp_path: Path) -> None:
    announce_for(os.getppid(), tmp_path, "running", at=1)
    gone = announce_for(ended_process(), tmp_path, "gone", at=2)
    assert announced(tmp_path) == {"NAME": "running"}
    assert not gone.exists()


def test_without_a_world_the_mend_is_named(tmp_path: Path) -> None:
    withdraw(tmp_path)
    with pytest.raises(NoWorldError, match=r"\./dev up"):
        announced(tmp_path / "never-used")
