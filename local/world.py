"""The whole local world as one object: Azurite, both simulators and the Functions host with the app, each a process.

`./dev up`, the demo, the bench and the integration tests all stand on it. It knows the parts by their command lines and
addresses, and imports neither a simulator nor the app, only the sample and the tokens that all of them share.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx
from azure.core.exceptions import ServiceRequestError
from azure.storage.queue import QueueServiceClient

from local.azurite import Azurite
from local.child import Child, ChildFailedError
from local.ports import HOST, Ports
from local.sample import TECHNICIANS
from local.switchboard import APP_TOKEN

ROOT = Path(__file__).parents[1]
SAMPLE_SETTINGS = ROOT / "local.settings.sample.json"

Part = Literal["azurite", "graph", "dataverse", "functions"]
Host = Literal["own", "func"]
"""Our Functions host, or `func start` of Azure Functions Core Tools."""


class CoreToolsMissingError(Exception):
    """`func` was asked for and is not installed."""


class LocalWorld:
    """A local world below `directory`. Its state is kept there; what is left of an earlier world is reused.

    Each part can be stopped, killed and started again while the others run. Log files: `log_of`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        ports: Ports | Literal["free"] = "free",
        today: date | None = None,
        host: Host = "own",
        settings: Mapping[str, str] | None = None,
        lease_seconds: float | None = None,
    ) -> None:
        """`today` is the day that the sample data is built around (UTC); `settings` override the sample settings.

        `lease_seconds` is for our own host: how soon the messages of a killed host come back (None: as in Azure, after
        ten minutes). Raises `CoreToolsMissingError`.
        """
        self.directory = directory.resolve()
        self.ports = Ports.free() if ports == "free" else ports
        self.azurite = Azurite(
            self.directory / "azurite",
            blob_port=self.ports.blob,
            queue_port=self.ports.queue,
            table_port=self.ports.table,
            log=self._log("azurite"),
        )
        self.environment = {**sample_settings(), **self._surroundings(), **(settings or {})}
        """The app's settings in this world. A change takes effect at the next start of the Functions host."""
        day = (today or today_in_utc()).isoformat()
        self.children: dict[Part, Child] = {
            "azurite": self.azurite.child,
            "graph": self._child("graph", _module("local.graph", port=self.ports.graph, today=day)),
            "dataverse": self._child("dataverse", _module("local.dataverse", port=self.ports.dataverse, today=day)),
            "functions": self._child("functions", self._host_command(host, lease_seconds)),
        }

    def _surroundings(self) -> dict[str, str]:
        return {
            "AzureWebJobsStorage": self.azurite.connection_string,
            "GRAPH_URL": f"{self.graph_url}/v1.0",
            "DATAVERSE_URL": self.dataverse_url,
            "PUBLIC_URL": self.functions_url,
            "NO_PROXY": HOST,
            "no_proxy": HOST,
            # Core Tools run the app with the first Python on PATH
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        }

    def _log(self, name: Part) -> Path:
        return self.directory / "logs" / f"{name}.log"

    def _child(self, name: Part, command: list[str]) -> Child:
        return Child(name, command, log=self._log(name), environment=self.environment)

    def _host_command(self, host: Host, lease_seconds: float | None) -> list[str]:
        if host == "own":
            state = self.directory / "functions"
            lease = {} if lease_seconds is None else {"lease": lease_seconds}
            return _module("local.functions", app=ROOT, port=self.ports.functions, state=state, drain=5, **lease)
        if (func := shutil.which("func")) is None:
            raise CoreToolsMissingError(
                "Azure Functions Core Tools (`func`) are not on PATH: install them, or leave --func out"
            )
        return [func, "start", "--port", str(self.ports.functions)]

    @property
    def graph_url(self) -> str:
        return f"http://{HOST}:{self.ports.graph}"

    @property
    def dataverse_url(self) -> str:
        return f"http://{HOST}:{self.ports.dataverse}"

    @property
    def functions_url(self) -> str:
        return f"http://{HOST}:{self.ports.functions}"

    def log_of(self, part: Part) -> Path:
        return self.children[part].log

    def start(self, part: Part | None = None) -> None:
        """Start one part, or all of them, and wait until it answers.

        Raises `PortInUseError`, `AzuriteMissingError`, and `ChildFailedError` with the end of the part's log; after a
        failure nothing is left running that this call has started.
        """
        started: list[Part] = []
        if part is None:
            self.ports.require_free()
        try:
            # The app comes last: it may read its queues and both services as soon as it is up
            for group in _STAGES if part is None else [[part]]:
                for name in group:
                    self._launch(name)
                    started.append(name)
                for name in group:
                    self._wait_until_ready(name)
        except BaseException:
            for name in reversed(started):
                self.kill(name)
            raise

    def _launch(self, part: Part) -> None:
        if part == "azurite":
            self.azurite.launch()
        else:
            self.ports.require_free(part)
            self.children[part].start()

    def _wait_until_ready(self, part: Part) -> None:
        checks: dict[Part, str] = {
            "graph": f"{self.graph_url}/_control/clock",
            "dataverse": f"{self.dataverse_url}/_control/clock",
            "functions": f"{self.functions_url}/admin/host/status",
        }
        if part == "azurite":
            self.azurite.wait_until_ready()
        else:
            self.children[part].wait_until(lambda: _answers(checks[part]))

    def stop(self, part: Part | None = None) -> None:
        """Stop one part, or all of them, in order."""
        for name in [part] if part else ("functions", "graph", "dataverse", "azurite"):
            self.children[name].stop()

    def kill(self, part: Part) -> None:
        """End a part as a crash does. Azurite loses what it acknowledged in the last seconds: a real store does not."""
        self.children[part].kill()

    def run_function(self, name: str) -> None:
        """Run a timer function now; it is under way when this returns."""
        reply = _request("POST", f"{self.functions_url}/admin/functions/{name}", json={"input": ""})
        reply.raise_for_status()

    def run_command(self, *words: str) -> str:
        """Run the app's own command line, `python -m sync WORDS`, in this world; answers what it prints.

        Raises `ChildFailedError`, with what it says, when it does not end well.
        """
        command = [sys.executable, "-m", "sync", *words]
        environment = {**os.environ, **self.environment}
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            said = (result.stdout + result.stderr).strip()
            raise ChildFailedError(f"python -m sync {' '.join(words)} ended with code {result.returncode}:\n{said}")
        return result.stdout

    def register(self) -> str:
        """Set the app up in Dataverse, as an administrator would; answers the plan that was carried out.

        The app learns of bookings from then on. Those that are there already it finds when it has subscribed.
        """
        return self.run_command("setup", "--no-backfill")

    def subscribe(self) -> None:
        """Run the timers once: the app subscribes to every mailbox, which is waited for, and follows the bookings.

        It goes on to sweep each mailbox by itself, and to bring the bookings there to it.

        Raises `ChildFailedError` when the subscriptions do not come about, with the end of the app's log.
        """
        mailboxes = sum(technician.has_mailbox for technician in TECHNICIANS)
        self.run_function("maintain_subscriptions")
        self.run_function("sweep_bookings")
        self._wait_until(lambda: len(self._subscriptions()) >= mailboxes, seconds=60)

    def _subscriptions(self) -> list[object]:
        headers = {"Authorization": f"Bearer {APP_TOKEN}"}
        reply = _request("GET", f"{self.graph_url}/v1.0/subscriptions", headers=headers)
        subscriptions: list[object] = reply.raise_for_status().json()["value"]
        return subscriptions

    def wait_until_quiet(self, *, seconds: float = 120, quiet_seconds: float = 1) -> None:
        """Wait until nothing is on its way to the app or queued, and nobody has called a service for `quiet_seconds`.

        Raises `ChildFailedError` when it has not become quiet within `seconds`.
        """
        seen, since = self.calls(), time.monotonic()

        def is_quiet() -> bool:
            nonlocal seen, since
            # In the order in which work goes: what has left one place is seen at the next
            is_over = time.monotonic() - since >= quiet_seconds and not self.under_way() and not self.queued()
            calls = self.calls()
            if calls != seen:
                seen, since, is_over = calls, time.monotonic(), False
            return is_over

        self._wait_until(is_quiet, seconds=seconds)

    def _wait_until(self, is_so: Callable[[], bool], *, seconds: float) -> None:
        """Raises `ChildFailedError`, too, when it cannot be told any more because a part has ended."""

        def is_so_now() -> bool:
            try:
                return is_so()
            except (httpx.TransportError, ServiceRequestError):
                time.sleep(_NOTICE_SECONDS)
                if failed := self.first_failed():
                    raise ChildFailedError(failed.failure()) from None
                raise

        self.children["functions"].wait_until(is_so_now, seconds=seconds)

    def queued(self) -> int:
        """How many messages wait, are delayed or are being worked on; poison does not count."""
        with QueueServiceClient.from_connection_string(self.azurite.connection_string) as service:
            names = [queue.name for queue in service.list_queues() if not queue.name.endswith("-poison")]
            properties = [service.get_queue_client(name).get_queue_properties() for name in names]
        return sum(queue.approximate_message_count or 0 for queue in properties)

    def under_way(self) -> int:
        """How many notifications and webhooks are on their way to the app, or wait to be sent again."""
        notifications = self._state(self.graph_url, mailbox_id="none")  # whatever is in mailboxes is of no interest
        webhooks = self._state(self.dataverse_url)["webhooks"]
        return sum(len(one["outbox"]) + int(one["in_flight"]) for one in (notifications, webhooks))

    @staticmethod
    def _state(url: str, **query: str) -> dict[str, Any]:
        state: dict[str, Any] = _request("GET", f"{url}/_control/state", params=query).json()
        return state

    def calls(self) -> dict[str, dict[str, dict[str, int]]]:
        """Calls served since `clear_calls`: by service, by caller, by kind."""
        services = {"graph": self.graph_url, "dataverse": self.dataverse_url}
        return {name: _request("GET", f"{url}/_control/calls").json() for name, url in services.items()}

    def clear_calls(self) -> None:
        for url in (self.graph_url, self.dataverse_url):
            _request("DELETE", f"{url}/_control/calls").raise_for_status()

    def first_failed(self) -> Child | None:
        """A part that has ended without having been asked to."""
        return next((child for child in self.children.values() if child.has_failed), None)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


_NOTICE_SECONDS = 0.5
"""How soon a part that has ended is known to have."""

_PATIENCE_SECONDS = 30.0
"""A machine may be busy with much else."""

_STAGES: tuple[tuple[Part, ...], ...] = (("azurite", "graph", "dataverse"), ("functions",))


def today_in_utc() -> date:
    return datetime.now(UTC).date()


def sample_settings() -> dict[str, str]:
    """The settings of `local.settings.sample.json`, which are made for the local world at its usual ports."""
    values: dict[str, str] = json.loads(SAMPLE_SETTINGS.read_text())["Values"]
    return values


def _module(name: str, **options: object) -> list[str]:
    words = [word for option, value in options.items() for word in (f"--{option}", str(value))]
    return [sys.executable, "-m", name, *words]


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _request(method: str, url: str, **options: Any) -> httpx.Response:
    """One request to a part of the world, past any proxy."""
    return httpx.request(method, url, timeout=_PATIENCE_SECONDS, trust_env=False, **options)
