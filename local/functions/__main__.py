"""Runs a function app on this machine: `python -m local.functions --app DIR`.

Stops on SIGINT or SIGTERM: fetches nothing more, waits for what is in flight, leaves with 0. A second signal ends it
at once.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import override

import uvicorn

from local.functions import queues
from local.functions.errors import CannotStart, SettingsError
from local.functions.host import FunctionsHost
from local.functions.settings import app_environment
from local.functions.stopping import Stop

_ADDRESS = "127.0.0.1"

_log = logging.getLogger(__name__)


class _LineFormatter(logging.Formatter):
    """Time in UTC, level, message, and the app's `action` when a record has one."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        action = getattr(record, "action", None)
        line = super().format(record)
        return f"{line} action={action}" if action else line

    @override
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec=datefmt or "milliseconds")


class _Server(uvicorn.Server):
    """Uvicorn without signal handlers of its own: the host decides when it stops."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main() -> int:
    options = _options()
    _log_to_stderr()
    try:
        os.environ.update(app_environment(options.app, os.environ))
        return asyncio.run(_serve(options))
    except CannotStart as error:
        print(f"The app cannot be started: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # while the app was still being loaded
        return 130


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.functions", description="Run a function app on this machine."
    )
    parser.add_argument(
        "--app", type=_directory, default=_directory("."), help="folder with function_app.py and host.json"
    )
    parser.add_argument("--port", type=int, default=7071, help="0 takes any free port (default: %(default)s)")
    parser.add_argument("--state", type=_directory, help="folder for timer status (default: APP/.local/timers)")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="functions to run: NAME,NAME")
    parser.add_argument("--enable-auth", action="store_true", help="ask for keys: LOCAL_FUNCTION_KEY, LOCAL_MASTER_KEY")
    parser.add_argument("--drain", type=float, default=30, help="seconds to wait for work in flight when stopped")
    parser.add_argument(
        "--lease",
        type=float,
        default=queues.LEASE.total_seconds(),
        help="seconds until the message of a host that died comes back; in Azure always %(default)s, shorter for tests",
    )
    options = parser.parse_args()
    options.state = options.state or options.app / ".local" / "timers"
    return options


def _directory(text: str) -> Path:
    return Path(text).resolve()


async def _serve(options: argparse.Namespace) -> int:
    with _listening_socket(options.port) as listening:
        # As the worker does in the cloud: relative paths in the app are below its folder.
        os.chdir(options.app)
        host = await FunctionsHost.load(
            options.app,
            environ=os.environ,
            state_directory=options.state,
            only=options.only,
            enable_auth=options.enable_auth,
            lease=timedelta(seconds=options.lease),
        )
        server = _Server(
            uvicorn.Config(
                host.application,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=int(options.drain),
            )
        )
        stop = _stop_on_signals()
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        serving.add_done_callback(lambda _: stop.request())
        host.start()
        address = "http://{}:{}".format(*listening.getsockname())
        print(f"Functions host ready on {address}: {', '.join(host.describe())}", flush=True)
        await stop.wait()
        server.should_exit = True
        drained, _ = await asyncio.gather(host.stop(options.drain), serving)
    if not drained:
        _log.warning("Work was still in flight after %s s; it is abandoned", options.drain)
    return 0


def _listening_socket(port: int) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's algorithm off only then: 40 ms an answer otherwise.
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    if os.name == "posix":  # elsewhere, this option would let two hosts share a port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_ADDRESS, port))
        # At once, so that a caller may connect as soon as the ready line is out.
        listening.listen()
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"port {port} cannot be used ({error.strerror}): stop what runs there, or choose another with --port"
        ) from error
    return listening


def _stop_on_signals() -> Stop:
    stop, loop = Stop(), asyncio.get_running_loop()

    def request(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop.request)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, request)
    return stop


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_LineFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # These write a line or more for every request or invocation.
    for name in ("azure", "httpx", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: the interpreter would wait for the threads of functions that were abandoned.
    os._exit(exit_code)
