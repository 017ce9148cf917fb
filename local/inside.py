"""Runs a module with the settings of the local world that is up: `python -m local.inside sync --help`.

`./dev up` announces its world here, so that the app's own command line reaches the same queues, tables and simulators.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

ANNOUNCEMENT = Path(__file__).parents[1] / ".local" / "up.json"


class NoWorldError(Exception):
    """No local world is up."""


def announce(environment: Mapping[str, str], path: Path = ANNOUNCEMENT) -> None:
    """Make the world of this process the one whose settings others run with."""
    path.write_text(json.dumps({"process_id": os.getpid(), "environment": dict(environment)}, indent=2))


def withdraw(path: Path = ANNOUNCEMENT) -> None:
    """Take back this process's announcement, unless a later world has replaced it."""
    if path.exists() and json.loads(path.read_text())["process_id"] == os.getpid():
        path.unlink()


def announced(path: Path = ANNOUNCEMENT) -> dict[str, str]:
    """The settings of the world that is up. Raises `NoWorldError`, also when the one announced is gone."""
    try:
        announcement = json.loads(path.read_text())
        os.kill(announcement["process_id"], 0)
    except (FileNotFoundError, ProcessLookupError):
        raise NoWorldError("no local world is up: start one with `./dev up` in another terminal") from None
    environment: dict[str, str] = announcement["environment"]
    return environment


def main() -> NoReturn:
    try:
        environment = announced()
    except NoWorldError as error:
        sys.exit(str(error))
    os.execve(sys.executable, [sys.executable, "-m", *sys.argv[1:]], {**os.environ, **environment})


if __name__ == "__main__":
    main()
