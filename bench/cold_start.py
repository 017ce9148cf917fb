"""How long a cold process takes until it acknowledges, beside apps that do nothing.

Twice over. *Import*: a fresh interpreter imports `function_app` and builds what the door needs, the queue client
included; it does not connect. *First answer*: the Functions host is started, and a notification waits at its port from
the first moment; the clock stops when it is acknowledged, which for the app means that Azurite has the work.

The others are apps of one empty function that import what they cannot do without. All take turns, after one round that
leaves everything compiled.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx

from bench.acknowledging import OTHER_FUNCTIONS
from bench.empty_app import SAME_PACKAGES, EmptyHost, write_empty_app
from bench.errors import MeasurementFailed
from bench.posts import bodies, new_events
from local.child import Child
from local.world import ROOT, LocalWorld, sample_settings

_MEASURE = """
import time
began_at = time.perf_counter()
import asyncio
import function_app
{build}
print(time.perf_counter() - began_at)
"""

_BUILD_DOOR = """
async def build():
    from sync import bootstrap
    bootstrap.door()
asyncio.run(build())
"""

_BUILD_NOTHING = """
async def build():
    pass
asyncio.run(build())
"""

_COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
"""What is deployed is compiled, whatever the developer's own Python is told."""

_KNOCK_SECONDS = 0.005
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """Medians, in seconds. The first three are imports, the others are from the start of a host to its first answer."""

    door: float
    empty_with_queue_client: float
    empty: float
    first_acknowledged: float
    first_empty: float


def measure_cold_start(*, runs: int) -> ColdStart:
    """Medians of `runs` fresh processes each. Raises `MeasurementFailed` when one does not answer 202."""
    with TemporaryDirectory(prefix="bench-") as directory:
        imports = _imports(Path(directory), runs)
        first_answers = _first_answers(Path(directory), runs)
    return ColdStart(**imports, **first_answers)


def _imports(directory: Path, runs: int) -> dict[str, float]:
    same_packages = write_empty_app(directory / "queue", imports=SAME_PACKAGES)
    empty = write_empty_app(directory / "empty")
    return _medians(
        {
            "door": lambda: _import(ROOT, _BUILD_DOOR),
            "empty_with_queue_client": lambda: _import(same_packages, _BUILD_NOTHING),
            "empty": lambda: _import(empty, _BUILD_NOTHING),
        },
        runs,
    )


def _import(folder: Path, build: str) -> float:
    """In a fresh interpreter that finds `function_app` in `folder`; seconds."""
    program = _MEASURE.format(build=build)
    environment = {**os.environ, **sample_settings(), **_COMPILED}
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return float(result.stdout)


def _first_answers(directory: Path, runs: int) -> dict[str, float]:
    disabled = {f"AzureWebJobs.{name}.Disabled": "true" for name in OTHER_FUNCTIONS}
    world = LocalWorld(directory / "world", settings={**disabled, **_COMPILED})
    host = EmptyHost(directory / "host", world.azurite.connection_string, imports=SAME_PACKAGES, settings=_COMPILED)
    notifications = bodies(world.environment["CLIENT_STATE_SECRET"], new_events())
    app, door = world.children["functions"], f"{world.functions_url}/api/graph/notifications"
    try:
        world.start("azurite")
        return _medians(
            {
                "first_acknowledged": lambda: _until_first_answer(app, door, next(notifications)),
                "first_empty": lambda: _until_first_answer(host.child, host.url, next(notifications)),
            },
            runs,
        )
    finally:
        host.child.stop()
        world.stop()


def _until_first_answer(child: Child, url: str, body: bytes) -> float:
    """Start a host, knock until its port is open, and wait there for the 202; seconds since the start."""
    began_at = time.perf_counter()
    child.start()
    try:
        with httpx.Client(trust_env=False, timeout=_PATIENCE_SECONDS) as graph:
            answer = _post_when_open(graph, url, body, child)
        seconds = time.perf_counter() - began_at
    finally:
        child.stop()
    if answer.status_code != httpx.codes.ACCEPTED:
        raise MeasurementFailed(f"{url} answered {answer.status_code} at first: {answer.text}")
    return seconds


def _post_when_open(graph: httpx.Client, url: str, body: bytes, child: Child) -> httpx.Response:
    """Raises `MeasurementFailed` when the host has ended by itself."""
    while True:
        try:
            return graph.post(url, content=body, headers={"Content-Type": "application/json; charset=utf-8"})
        except httpx.ConnectError:
            if child.has_failed:
                raise MeasurementFailed(child.failure()) from None
            time.sleep(_KNOCK_SECONDS)


def _medians(measures: Mapping[str, Callable[[], float]], runs: int) -> dict[str, float]:
    """Of what each measures when they take turns; the first round does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in measures}
    for run in range(runs + 1):
        for name, measure in measures.items():
            measured = measure()
            if run > 0:
                seconds[name].append(measured)
    return {name: median(measured) for name, measured in seconds.items()}
