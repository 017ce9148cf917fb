"""`./dev up`: the local world with its sample data on this terminal, until Ctrl-C.

It shows where everything is and what to try, then the logs of all parts as they are written.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from local import inside
from local.azurite import AzuriteMissingError
from local.child import ChildFailedError
from local.ports import PortInUseError, Ports
from local.sample import SampleBooking, build_sample
from local.switchboard import PERSON_TOKEN
from local.world import ROOT, CoreToolsMissingError, LocalWorld, Part, today_in_utc

_COLOURS: dict[Part, str] = {"azurite": "blue", "graph": "cyan", "dataverse": "magenta", "functions": "green"}
_IMMUTABLE_IDS = 'Prefer: IdType="ImmutableId"'
_JSON = "Content-Type: application/json"
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
    world = LocalWorld(directory, ports=ports, today=today, host="func" if options.func else "own")
    ports.require_free()
    # The simulators begin anew each time; what the app remembers of their last life would only confuse
    shutil.rmtree(directory, ignore_errors=True)
    with contextlib.ExitStack() as stack:
        console.print("starting Azurite, the simulators and the Functions host ...", style="dim")
        stack.callback(world.stop)
        world.start()
        world.subscribe()
        stack.callback(inside.withdraw)
        inside.announce(world.environment)
        _show(world, today, console)
        _follow(world, console)


def _show(world: LocalWorld, today: date, console: Console) -> None:
    console.print()
    for name, url, what in (
        ("Functions", world.functions_url, "the app"),
        ("Outlook", world.graph_url, "Graph simulator, switchboard below /_control"),
        ("Dynamics", world.dataverse_url, "Dataverse simulator, switchboard below /_control"),
        ("Azurite", f"127.0.0.1:{world.ports.blob}, {world.ports.queue}, {world.ports.table}", "blobs, queues, tables"),
        ("Logs", os.path.relpath(world.directory / "logs"), "a file for each part"),
    ):
        console.print(f"  [bold]{name:<10}[/] {url:<32} [dim]{what}[/]", highlight=False, soft_wrap=True)
    moved, deleted = [booking for booking in build_sample(today).bookings if booking.linked][:2]
    for title, command in (
        (f"Move the event of {moved.name} by an hour, as {moved.technician.name} would", _move(world, moved)),
        ("See that its booking has moved", _look(world, moved)),
        (f"Delete the event of {deleted.name}", _delete(world, deleted)),
        ("See that its booking is cancelled", _look(world, deleted)),
    ):
        console.print(f"\n  [bold]{title}[/]")
        # On one line each and unbroken, so that it can be copied
        console.print(Text(command), soft_wrap=True, highlight=False)
    console.print("\n  Ctrl-C stops everything. The app's own commands: [bold]./dev sync[/]\n")


def _move(world: LocalWorld, booking: SampleBooking) -> str:
    times = {"start": booking.start_at + timedelta(hours=1), "end": booking.end_at + timedelta(hours=1)}
    body = {name: {"dateTime": f"{at:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"} for name, at in times.items()}
    return f"{_curl('PATCH', _event_url(world, booking), _IMMUTABLE_IDS, _JSON)} -d '{json.dumps(body)}'"


def _delete(world: LocalWorld, booking: SampleBooking) -> str:
    return _curl("DELETE", _event_url(world, booking), _IMMUTABLE_IDS)


def _look(world: LocalWorld, booking: SampleBooking) -> str:
    url = f"{world.dataverse_url}/api/data/v9.2/bookableresourcebookings({booking.booking_id})"
    return _curl("GET", f"{url}?$select=name,starttime,endtime&$expand=BookingStatus($select=name)")


def _event_url(world: LocalWorld, booking: SampleBooking) -> str:
    return f"{world.graph_url}/v1.0/users/{booking.technician.mailbox_id}/events/{booking.event_id}"


def _curl(method: str, url: str, *headers: str) -> str:
    options = [f"-H '{header}'" for header in (f"Authorization: Bearer {PERSON_TOKEN}", *headers)]
    return " ".join(["curl", "-s", "-X", method, f"'{url}'", *options])


def _follow(world: LocalWorld, console: Console) -> NoReturn:
    """Show what the parts write from now on. Raises `ChildFailedError` when one has ended."""
    logs = {part: _Log(child.log) for part, child in world.children.items()}
    while True:
        for part, log in logs.items():
            for line in log.new_lines():
                console.print(Text.assemble((f"{part:<10}", _COLOURS[part]), line), soft_wrap=True, highlight=False)
        if failed := world.first_failed():
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
