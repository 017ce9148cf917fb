"""`./dev demo`: plays the story, in a local world of its own on free ports, and ends by itself.

Exit codes: 0 all of it came true, 1 something did not, 130 interrupted.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from rich.console import Console

from local.azurite import AzuriteMissingError
from local.child import ChildFailedError
from local.demo.bill import what_it_cost
from local.demo.from_dynamics import FROM_DYNAMICS
from local.demo.from_outlook import FROM_OUTLOOK
from local.demo.page import Page, StoryBroken
from local.demo.setting_up import the_plan
from local.demo.stage import SETTLE_SECONDS, DemoStage
from local.ports import PortInUseError
from local.sample import build_sample
from local.world import LocalWorld, today_in_utc

SETTINGS = {
    "SETTLE_SECONDS": f"{SETTLE_SECONDS:g}",
    # Both were run once at the start; a timer in the middle of a chapter would be counted as the chapter's
    "MAINTAIN_SCHEDULE": "0 0 0 1 1 *",
    "SWEEP_SCHEDULE": "0 0 0 1 1 *",
}
LEASE_SECONDS = 3.0
"""How soon what a killed host was working on comes back. In Azure it takes ten minutes, too long for a story."""

LOG_LINES = 30
"""Shown of the app's log when the story breaks."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="./dev demo", description="Play a story through a local world of its own.")
    parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console()
    try:
        _play(console)
    except (StoryBroken, PortInUseError, AzuriteMissingError, ChildFailedError) as error:
        console.print(f"./dev demo: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    return 0


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _play(console: Console) -> None:
    """Raises `StoryBroken` when something does not come true, and what the world raises when a part fails."""
    page, began_at, today = Page(console), time.monotonic(), today_in_utc()
    with TemporaryDirectory(prefix="demo-") as directory:
        world = LocalWorld(Path(directory), today=today, settings=SETTINGS, lease_seconds=LEASE_SECONDS)
        with page.waiting("starting Azurite, the simulators and the Functions host"):
            world.start()
        try:
            with DemoStage(world, build_sample(today)) as stage:
                with page.waiting("setting the app up in Dynamics, and bringing the bookings there to six mailboxes"):
                    stage.set_the_scene()
                page.prologue(time.monotonic() - began_at, SETTLE_SECONDS)
                the_plan(stage, page)
                from_outlook = [tell(stage, page) for tell in FROM_OUTLOOK]
                from_dynamics = [tell(stage, page) for tell in FROM_DYNAMICS]
                what_it_cost(page, from_outlook, from_dynamics)
        except StoryBroken as broken:
            raise StoryBroken(f"{broken}\nThe app's log ends with\n{_end_of_log(world)}") from broken
        finally:
            world.stop()
    page.epilogue(time.monotonic() - began_at)


def _end_of_log(world: LocalWorld) -> str:
    """What the app said last; the file goes with the world."""
    lines = world.log_of("functions").read_text(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-LOG_LINES:])


if __name__ == "__main__":
    sys.exit(main())
