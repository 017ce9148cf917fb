"""How long a cold process takes until it could acknowledge, beside apps that do nothing.

A process imports `function_app` and builds what the door needs, the queue client included; it does not connect. The
others are apps of one empty function that import what they cannot do without. Fresh interpreters, in turns, after one
round that leaves everything compiled.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from local.world import ROOT, sample_settings

_EMPTY = """
import azure.functions as func
{imports}
app = func.FunctionApp()

@app.route("empty")
async def empty(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=202)
"""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """Medians, in seconds."""

    door: float
    empty_with_queue_client: float
    empty: float


def measure_cold_start(*, runs: int) -> ColdStart:
    """Medians of `runs` fresh processes each."""
    with TemporaryDirectory(prefix="bench-") as directory:
        apps = {
            "door": (ROOT, _BUILD_DOOR),
            "empty_with_queue_client": (
                _empty_app(Path(directory) / "queue", "import azure.storage.queue.aio"),
                _BUILD_NOTHING,
            ),
            "empty": (_empty_app(Path(directory) / "empty", ""), _BUILD_NOTHING),
        }
        seconds: dict[str, list[float]] = {name: [] for name in apps}
        environment = {**os.environ, **sample_settings()}
        for run in range(runs + 1):
            for name, (folder, build) in apps.items():
                measured = _start(folder, _MEASURE.format(build=build), environment)
                if run > 0:
                    seconds[name].append(measured)
    return ColdStart(**{name: median(measured) for name, measured in seconds.items()})


def _empty_app(folder: Path, imports: str) -> Path:
    folder.mkdir()
    (folder / "function_app.py").write_text(_EMPTY.format(imports=imports))
    return folder


def _start(folder: Path, program: str, environment: Mapping[str, str]) -> float:
    """Run `program` in a fresh interpreter that finds `function_app` in `folder`."""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return float(result.stdout)
