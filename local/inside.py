"""Runs a module with the settings of the local world that is up: `python -m local.inside sync --help`.

Each `./dev up` announces its world here, so that the app's own command line reaches the same queues, tables and
simulators. Of several worlds that are up, the one that was announced last counts.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

ANNOUNCEMENTS = Path(__file__).parents[1] / ".local" / "up"
"""A file for each process whose world is up, named by its id."""


class NoWorldError(Exception):
    """No local world is up."""


def announce(environment: Mapping[str, str], folder: Path = ANNOUNCEMENTS) -> None:
    """Make the world of this process the one whose settings others run with."""
    folder.mkdir(parents=True, exist_ok=True)
    _announcement(folder).write_text(json.dumps(dict(environment), indent=2))


def withdraw(folder: Path = ANNOUNCEMENTS) -> None:
    """Take back this process's announcement; an earlier one that still holds counts again."""
    _announcement(folder).unlink(missing_ok=True)


def announced(folder: Path = ANNOUNCEMENTS) -> dict[str, str]:
    """The settings of the world that is up. Raises `NoWorldError`, also when those announced are gone."""
    for path in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        if _is_running(int(path.stem)):
            environment: dict[str, str] = json.loads(path.read_text())
            return environment
        path.unlink(missing_ok=True)
    raise NoWorldError("no local world is up: start one with `./dev up` in another terminal")


def _announcement(folder: Path) -> Path:
    return folder / f"{os.getpid()}.json"


def _is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, PermissionError):
        return False  # Nobody has this id, or somebody else's process.
    return True


def main() -> NoReturn:
    try:
        environment = announced()
    except NoWorldError as error:
        sys.exit(str(error))
    os.execve(sys.executable, [sys.executable, "-m", *sys.argv[1:]], {**os.environ, **environment})


if __name__ == "__main__":
    main()
