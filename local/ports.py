"""The ports of the local world: the usual ones, free ones for tests, and a clear refusal of one that is taken."""

import contextlib
import secrets
import socket
from dataclasses import asdict, dataclass, fields

HOST = "127.0.0.1"
"""Nothing local listens anywhere else."""

# Below the range from which Linux and macOS take the ports of outgoing connections, so that a port that was free when
# it was chosen is still free when its process has come up.
_FREE_FROM, _FREE_TO = 20_000, 32_000


class PortInUseError(Exception):
    """Somebody else listens on a port that is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where each part listens; every one can be changed by an option of its name, such as `--port-functions`."""

    functions: int = 7071
    graph: int = 7080
    dataverse: int = 7090
    blob: int = 10000
    queue: int = 10001
    table: int = 10002
    board: int = 7060

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nobody listens on, different for every world."""
        names = [port.name for port in fields(cls)]
        return cls(**dict(zip(names, free_ports(len(names)), strict=True)))

    def require_free(self, *names: str) -> None:
        """Raises `PortInUseError` for the first one that is taken, of those named or of all."""
        for name, port in asdict(self).items():
            if name in names or not names:
                require_free(port, f"--port-{name}")


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on."""
    with contextlib.ExitStack() as taken:
        ports: list[int] = []
        while len(ports) < count:
            port = _FREE_FROM + secrets.randbelow(_FREE_TO - _FREE_FROM)
            with contextlib.suppress(OSError):
                taken.enter_context(_listener(port))
                ports.append(port)
        return ports


def require_free(port: int, option: str) -> None:
    """Raises `PortInUseError`, naming the `option` that chooses another port."""
    try:
        _listener(port).close()
    except OSError as error:
        raise PortInUseError(
            f"port {port} is in use: end the program that listens there, or choose another port with {option}"
        ) from error


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        # As servers do: connections that linger after a restart do not make the port count as taken
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener
