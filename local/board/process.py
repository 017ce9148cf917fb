"""The board as a process beside a local world."""

import sys
from datetime import date

import httpx

from local.child import Child
from local.ports import HOST
from local.world import LocalWorld


class BoardProcess:
    """The board of `world`, which must be up. Whoever opens it is a caller, so that the world does not become quiet."""

    def __init__(self, world: LocalWorld, today: date) -> None:
        """`today` as for the world."""
        self.url = f"http://{HOST}:{world.ports.board}"
        command = [sys.executable, "-m", "local.board", "--port", str(world.ports.board), "--today", today.isoformat()]
        log = world.directory / "logs" / "board.log"
        self.child = Child("board", command, log=log, environment=world.environment)

    def start(self) -> None:
        """Raises `ChildFailedError` when it does not come up."""
        self.child.start()
        self.child.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url, timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False
