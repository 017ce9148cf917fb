"""An app of one function that does nothing: what the app's own times are held against."""

import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from local.child import Child
from local.ports import HOST, free_ports

_APP = """
import azure.functions as func
{imports}
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("empty", methods=["POST"])
async def empty(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=202)
"""

SAME_PACKAGES = "import azure.storage.queue.aio"
"""What the acknowledging path cannot do without."""


def write_empty_app(folder: Path, *, imports: str = "") -> Path:
    """Make the app in a new folder, which is answered."""
    folder.mkdir()
    (folder / "function_app.py").write_text(_APP.format(imports=imports))
    (folder / "host.json").write_text('{"version": "2.0"}')
    return folder


class EmptyHost:
    """The Functions host with an empty app, as a process of its own; `url` is the function's address."""

    def __init__(
        self, folder: Path, connection_string: str, *, imports: str = "", settings: Mapping[str, str] | None = None
    ) -> None:
        """`folder` does not exist yet. The host needs a storage account, which the app does not use."""
        [port] = free_ports(1)
        app = write_empty_app(folder, imports=imports)
        command = [sys.executable, "-m", "local.functions", "--app", str(app), "--port", str(port), "--drain", "1"]
        environment = {"AzureWebJobsStorage": connection_string, **(settings or {})}
        self.child = Child("empty app", command, log=folder / "host.log", environment=environment)
        self.url = f"http://{HOST}:{port}/api/empty"
        self._status_url = f"http://{HOST}:{port}/admin/host/status"

    def wait_until_ready(self) -> None:
        """Raises `ChildFailedError`."""
        self.child.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            return httpx.get(self._status_url, timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False
