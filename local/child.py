"""One process of the local world: started, watched, and ended together with everything that it starts itself.

Each command runs below a guard (this file, run as a program) in a process group of its own. The guard's standard input
is a pipe from the process that wanted the command; when that process is gone, however it went, the pipe closes and the
guard ends its group. So a test run that is killed leaves nothing behind, on Linux and on macOS.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PATIENCE_SECONDS = 10
"""How long a process may take to end in order before it is killed."""


_KILL = signal.SIGUSR1
"""Asks a guard to kill its command."""


class ChildFailedError(Exception):
    """A process of the local world ended by itself, or did not become ready."""


class Child:
    """A command with its log file. It can be started again after it has ended; the log is continued."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """`environment` is added to this process's own, as it is at the moment of each start."""
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = environment or {}
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    @property
    def has_failed(self) -> bool:
        """Whether it was started, not stopped, and is gone all the same."""
        return self._guard is not None and self._guard.poll() is not None

    def start(self) -> None:
        if self.is_running:
            raise ValueError(f"{self.name} is running already")
        self._forget()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", __file__, *self._command],
                cwd=Path(__file__).parent.parent,
                env={**os.environ, **self._environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until(self, is_ready: Callable[[], bool], *, seconds: float = 60) -> None:
        """Raises `ChildFailedError` with the end of the log when it ends, or is not ready in time."""
        deadline = time.monotonic() + seconds
        while not is_ready():
            if self.has_failed:
                raise ChildFailedError(self.failure())
            if time.monotonic() > deadline:
                raise ChildFailedError(f"{self.name} was not ready within {seconds:.0f} s; {self._end_of_log()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in order, or by force after `PATIENCE_SECONDS`. Does nothing when it is not running."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a crash or a power cut does."""
        self._end(_KILL)

    def _end(self, request: signal.Signals) -> None:
        """By way of the guard, so that the command's ports are free again when this returns."""
        if self._guard is None:
            return
        if self._guard.poll() is None:
            self._guard.send_signal(request)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guard.wait(PATIENCE_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._guard.pid, signal.SIGKILL)
        self._guard.wait()
        self._forget()

    def failure(self) -> str:
        """A sentence on how it ended, and the end of its log."""
        code = self._guard.poll() if self._guard is not None else None
        return f"{self.name} ended with code {code}; {self._end_of_log()}"

    def _end_of_log(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-20:]
        return "\n  ".join([f"the end of {self.log}:", *lines])

    def _forget(self) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard = None


def _guard(command: Sequence[str]) -> int:
    """Run `command` to its end, or until the other end of the standard input is gone."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    signal.signal(_KILL, lambda *_: process.kill())
    owner_is_gone = threading.Event()

    def end_with_owner() -> None:
        os.read(0, 1)  # not sys.stdin, whose lock this thread would still hold when the guard ends
        owner_is_gone.set()
        process.terminate()
        time.sleep(PATIENCE_SECONDS)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=end_with_owner, daemon=True).start()
    code = process.wait()
    if owner_is_gone.is_set():
        os.killpg(0, signal.SIGKILL)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(_guard(sys.argv[1:]))
