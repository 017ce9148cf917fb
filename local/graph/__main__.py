"""Serve the Graph simulator on loopback: `python -m local.graph [--port 7080] [--today YYYY-MM-DD]`."""

import argparse
import socket
import sys
from contextlib import suppress
from datetime import date

import uvicorn

from local.graph.server import build_app
from local.graph.simulator import GraphSimulator

HOST = "127.0.0.1"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.graph", description="Microsoft Graph simulator")
    parser.add_argument("--port", type=int, default=7080)
    parser.add_argument("--today", type=date.fromisoformat, help="date for which the sample data is built")
    arguments = parser.parse_args()
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol; with it each answer waits 40 ms.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, arguments.port))
        except OSError as error:
            print(
                f"Port {arguments.port} cannot be used ({error.strerror}); choose another with --port.", file=sys.stderr
            )
            return 1
        # Listening from here on, so that whoever reads the line below may connect at once.
        listener.listen(2048)
        app = build_app(GraphSimulator(today=arguments.today), run_courier=True)
        # Connections that planned faults close are no errors worth a traceback; the service logs its own.
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=2)
        )
        print(f"Graph simulator ready on http://{HOST}:{listener.getsockname()[1]}/v1.0", flush=True)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
