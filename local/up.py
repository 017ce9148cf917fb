"""`./dev up`: the local world with its sample data on this terminal, until Ctrl-C.

It shows where everything is and what to try, then the logs of all parts as they are written.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from local import inside
from local.azurite import AzuriteMissingError
from local.board.process import BoardProcess
from local.child import Child, ChildFailedError
from local.examples import Example, Examples
from local.ports import PortInUseError, Ports
from local.world import ROOT, CoreToolsMissingError, LocalWorld, today_in_utc

_COLOURS = {
    "azurite": "blue",
    "graph": "cyan",
    "dataverse": "magenta",
    "functions": "green",
    "board": "yellow",
}
_LOG_INTERVAL_SECONDS = 0.2


def main() -> int:
    options = _options()
    console = Console()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _run(options, console)
    except (PortInUseError, AzuriteMissingError, CoreToolsMissingError, ChildFailedError) as error:
        console.print(Text(f"./dev up: {error}", style="red"), soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev up", description="Run the app in the local world, with sample data.")
    parser.add_argument("--directory", type=Path, help="for data and logs (default: .local/world-PORT), emptied first")
    parser.add_argument("--func", action="store_true", help="run the app with `func start` instead of our own host")
    for name, port in asdict(Ports()).items():
        parser.add_argument(f"--port-{name}", type=int, default=port, metavar="PORT", help="default: %(default)s")
    return parser.parse_args()


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _run(options: argparse.Namespace, console: Console) -> None:
    """Raises `ChildFailedError` when a part ends by itself, and `KeyboardInterrupt` when the world shall stop."""
    today = today_in_utc()
    ports = Ports(**{name: getattr(options, f"port_{name}") for name in asdict(Ports())})
    directory = options.directory or ROOT / ".local" / f"world-{ports.functions}"
    shown = {"READ_ANSWERS": "true"}  # What is off unless set is to be seen here, too.
    world = LocalWorld(directory, ports=ports, today=today, host="func" if options.func else "own", settings=shown)
    ports.require_free()
    # The simulators begin anew each time; what the app remembers of their last life would only confuse
    shutil.rmtree(directory, ignore_errors=True)
    with contextlib.ExitStack() as stack:
        stack.callback(world.stop)
        console.print("starting Azurite, the simulators and the Functions host ...", style="dim")
        world.start()
        console.print("setting the app up in Dynamics: python -m sync setup --no-backfill ...", style="dim")
        world.register()
        console.print("bringing the sample's bookings to Outlook ...", style="dim")
        world.subscribe()
        world.wait_until_quiet()  # what the parts write meanwhile would bury the page
        board = BoardProcess(world, today)
        stack.callback(board.child.stop)
        board.start()  # when it is quiet, since whoever looks at it is a caller, too
        stack.callback(inside.withdraw)
        inside.announce(world.environment)
        _show(world, board, today, console)
        _follow([*world.children.values(), board.child], console)


def _show(world: LocalWorld, board: BoardProcess, today: date, console: Console) -> None:
    console.print()
    for name, url, what in (
        ("Board", board.url, "open it in a browser: both sides, live, and the journal"),
        ("Functions", world.functions_url, "the app"),
        ("Status", f"{world.functions_url}/api/status", "its status page; as with `func start`, no key is asked for"),
        ("Outlook", world.graph_url, "Graph simulator, switchboard below /_control"),
        ("Dynamics", world.dataverse_url, "Dataverse simulator, switchboard below /_control"),
        ("Azurite", f"127.0.0.1:{world.ports.blob}, {world.ports.queue}, {world.ports.table}", "blobs, queues, tables"),
        ("Logs", os.path.relpath(world.directory / "logs"), "a file for each part"),
    ):
        console.print(f"  [bold]{name:<10}[/] {url:<32} [dim]{what}[/]", highlight=False, soft_wrap=True)
    examples = Examples(graph_url=world.graph_url, dataverse_url=world.dataverse_url, today=today)
    _show_examples("Outlook \N{RIGHTWARDS ARROW} Dynamics", examples.from_outlook(), console)
    _show_examples("Dynamics \N{RIGHTWARDS ARROW} Outlook", examples.from_dynamics(), console)
    console.print("\n  A change arrives within some five seconds. Ctrl-C stops everything.")
    console.print("  The app's own commands: [bold]./dev sync --help[/]\n")


def _show_examples(heading: str, examples: Sequence[Example], console: Console) -> None:
    console.print(f"\n  [bold]{heading}[/]")
    for example in examples:
        console.print(f"\n  {example.title}", highlight=False)
        # On one line each and unbroken, so that it can be copied
        console.print(Text(example.command, style="dim"), soft_wrap=True, highlight=False)


def _follow(children: Sequence[Child], console: Console) -> NoReturn:
    """Show what the parts write from now on. Raises `ChildFailedError` when one has ended."""
    logs = {child.name: _Log(child.log) for child in children}
    while True:
        for name, log in logs.items():
            for line in log.new_lines():
                console.print(Text.assemble((f"{name:<10}", _COLOURS[name]), line), soft_wrap=True, highlight=False)
        if failed := next((child for child in children if child.has_failed), None):
            raise ChildFailedError(failed.failure())
        time.sleep(_LOG_INTERVAL_SECONDS)


class _Log:
    """What is appended to a log file after this object was made."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._file.seek(0, 2)
        self._unfinished = b""

    def new_lines(self) -> list[str]:
        *lines, self._unfinished = (self._unfinished + self._file.read()).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


if __name__ == "__main__":
    sys.exit(main())
