"""Serve the board of the local world whose settings are in the environment: `python -m local.board [--port 7060]`."""

import argparse
import asyncio
import os
import socket
import sys
from contextlib import aclosing
from datetime import UTC, date, datetime
from functools import partial

import httpx
import uvicorn

from local.board.clients import open_client
from local.board.looking import Board
from local.board.people import Dynamics, Outlook
from local.board.server import build_app
from local.board.troubles import Service, Switchboards
from local.ports import HOST, Ports
from local.sample import build_sample
from sync.adapters.journal_store import TableJournal
from sync.adapters.storage_clients import table_service
from sync.core.errors import ConfigurationError
from sync.settings import Settings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.board", description="The local world's board")
    parser.add_argument("--port", type=int, default=Ports().board)
    parser.add_argument("--today", type=date.fromisoformat, help="date for which the sample data is built")
    arguments = parser.parse_args()
    try:
        settings = Settings.from_env(os.environ)
    except ConfigurationError as error:
        print(f"This is not the environment of a local world (see ./dev up): {error}", file=sys.stderr)
        return 1
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, arguments.port))
        except OSError as error:
            problem = f"Port {arguments.port} cannot be used ({error.strerror}); choose another with --port."
            print(problem, file=sys.stderr)
            return 1
        asyncio.run(_serve(settings, arguments.today or datetime.now(UTC).date(), listener))
    return 0


async def _serve(settings: Settings, today: date, listener: socket.socket) -> None:
    sample = build_sample(today)
    async with (
        table_service(settings.storage) as tables,
        open_client(settings.public_url) as functions,
        aclosing(Outlook(settings.graph_url)) as outlook,
        aclosing(Dynamics(settings.dataverse_url)) as dynamics,
        aclosing(Switchboards(_control_urls(settings))) as switchboards,
    ):
        board = Board(
            sample=sample,
            outlook=outlook,
            dynamics=dynamics,
            journal=TableJournal(tables),
            switchboards=switchboards,
            sweep=partial(_sweep, functions),
            clock=lambda: datetime.now(UTC),
            window=settings.rules.window,
        )
        config = uvicorn.Config(build_app(board), log_level="warning", access_log=False, timeout_graceful_shutdown=2)
        print("Board ready on http://{}:{}".format(*listener.getsockname()), flush=True)
        await uvicorn.Server(config).serve(sockets=[listener])


def _control_urls(settings: Settings) -> dict[Service, str]:
    """Graph's address in the settings ends with its version, which the switchboard has none of."""
    return {"graph": settings.graph_url.rpartition("/")[0], "dataverse": settings.dataverse_url}


async def _sweep(functions: httpx.AsyncClient) -> None:
    """Run the app's timers now; they are under way when this returns."""
    for name in ("sweep_calendars", "sweep_bookings"):
        (await functions.post(f"/admin/functions/{name}", json={"input": ""})).raise_for_status()


if __name__ == "__main__":
    sys.exit(main())
