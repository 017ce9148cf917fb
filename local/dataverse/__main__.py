"""`python -m local.dataverse`: serve the Dataverse simulator on this machine's loopback address."""

import argparse
import socket
from datetime import UTC, date, datetime

import uvicorn

from local.dataverse.server import DataverseSimulator


class _AnnouncingServer(uvicorn.Server):
    """Says in one line that it listens, and where; uvicorn itself is kept quiet."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()
            print(f"Dataverse simulator ready on http://{host}:{port}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.dataverse", description="The local Dataverse simulator.")
    parser.add_argument("--port", type=int, default=7090, help="7090 by default; 0 takes a free one")
    parser.add_argument("--today", type=date.fromisoformat, help="YYYY-MM-DD; the sample lies in the week after it")
    arguments = parser.parse_args()
    simulator = DataverseSimulator(today=arguments.today or datetime.now(UTC).date(), runs_webhooks=True)
    # Of uvicorn's protocols, h11 alone leaves the case of header names as the application spells it.
    config = uvicorn.Config(
        simulator.app,
        host="127.0.0.1",
        port=arguments.port,
        http="h11",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    _AnnouncingServer(config).run()


if __name__ == "__main__":
    main()
