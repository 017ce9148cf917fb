"""What telemetry costs a cold instance: nothing before its first answer, and nothing at all when it is not wanted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WANTED = {
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=5f0a1f5e-0000-4000-8000-000000000000",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
}

KNOCK = """
import asyncio, json, os, sys, threading
os.environ.update(json.loads(sys.argv[1]))
import function_app
from sync import bootstrap, telemetry

async def open_door():
    bootstrap.door()
    await bootstrap.close()

asyncio.run(open_door())
print(json.dumps({
    "modules": sorted(sys.modules),
    "threads": threading.active_count(),
    "is_listening": telemetry._listener is not None,
}))
"""


def opened_door(settings: dict[str, str]) -> dict[str, object]:
    """What a fresh process has loaded once it can acknowledge; it must have said nothing."""
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    environment = {name: value for name, value in os.environ.items() if name not in WANTED}
    ended = subprocess.run(
        [sys.executable, "-c", KNOCK, json.dumps({**sample, **settings})],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return dict(json.loads(ended.stdout))


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, dict.fromkeys(WANTED, ""), WANTED], ids=["unset", "empty", "wanted"])
def test_a_cold_door_loads_nothing_for_telemetry(settings: dict[str, str]) -> None:
    found = opened_door(settings)
    modules = found["modules"]
    assert isinstance(modules, list)
    ours = [name for name in modules if name.startswith(("opentelemetry", "azure.monitor", "google", "msrest"))]
    assert ours == []
    assert found["threads"] == 1
    is_wanted = settings == WANTED
    assert found["is_listening"] is is_wanted
    assert ("sync.adapters.backstage" in modules) is is_wanted
