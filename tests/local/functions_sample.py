"""Writes small function apps for the tests of the local host, and loads them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

from local.functions.host import FunctionsHost, Outside
from local.functions.memory_queues import QueueAccount
from tests.local.virtual_time import VirtualTime

HEAD = """
import asyncio, json, logging, os, pathlib
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
"""


def write_app(
    directory: Path, functions: str, *, host: Mapping[str, Any] | None = None, values: Mapping[str, str] | None = None
) -> Path:
    """A function app whose `function_app.py` defines `functions` on `app`."""
    (directory / "function_app.py").write_text(HEAD + dedent(functions))
    (directory / "host.json").write_text(json.dumps({"version": "2.0", **(host or {})}))
    if values is not None:
        (directory / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    return directory


async def load_host(
    directory: Path,
    functions: str,
    *,
    host: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    enable_auth: bool = False,
    time: VirtualTime | None = None,
    account: QueueAccount | None = None,
) -> FunctionsHost:
    """A host in this process, on queues in memory and virtual time."""
    time = time or VirtualTime()
    account = account or QueueAccount(time.now)
    return await FunctionsHost.load(
        write_app(directory, functions, host=host),
        environ={"AzureWebJobsStorage": "in memory", **(environ or {})},
        state_directory=directory / "timers",
        only=only,
        enable_auth=enable_auth,
        outside=Outside(connect=lambda _, name: account.queue(name), now=time.now, sleep=time.sleep),
    )
