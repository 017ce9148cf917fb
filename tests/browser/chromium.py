"""A headless Chromium, driven over its own DevTools protocol with the WebSocket client that the app brings anyway.

Just what these tests need: open, ask the page, press keys, look. Nothing but loopback addresses is asked for.
"""

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)
START_SECONDS = 30
ANSWER_SECONDS = 15
KEYS = {"Tab": 9, "Enter": 13}


@cache
def find_chromium() -> str | None:
    """The program's path, None where the machine has none that runs: Ubuntu's package may be a hint at a snap."""
    return next((found for name in NAMES if (found := shutil.which(name)) and _runs(found)), None)


def _runs(program: str) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class Tab:
    """One tab. Every wait is bounded."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.problems: list[str] = []
        """What the browser complained of, such as what the page's own policy forbade."""

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol; answers its result."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        number = self._number
        message = await self._receive(lambda message: message.get("id") == number)
        assert "error" not in message, (method, message["error"])
        result: dict[str, Any] = message["result"]
        return result

    async def _receive(self, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                message: dict[str, Any] = json.loads(await self._socket.receive_str())
                if message.get("method") == "Log.entryAdded":
                    self.problems.append(message["params"]["entry"]["text"])
                if is_wanted(message):
                    return message

    async def open(self, url: str) -> None:
        """Go to an address and wait until it has loaded."""
        await self.call("Page.navigate", url=url)
        await self.loaded()

    async def loaded(self) -> None:
        await self._receive(lambda message: message.get("method") == "Page.loadEventFired")

    async def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def press(self, key: str, *, loads: bool = False) -> None:
        """Press and let go a key; with `loads` wait for the page that it leads to."""
        text = {"text": "\r"} if key == "Enter" else {}
        code = KEYS[key]
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)
        if loads:
            await self.loaded()

    async def look_like(self, *, width: int, height: int = 900, scheme: str = "light") -> None:
        """Be as wide as that, in pixels, and prefer a colour scheme."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def accessible(self) -> list[tuple[str, str]]:
        """Role and name of everything that assistive technology is told of, in order."""
        tree = await self.call("Accessibility.getFullAXTree")
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in tree["nodes"]
            if not node.get("ignored")
        ]

    async def save_picture(self, path: Path, *, is_whole: bool = False) -> None:
        answer = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=is_whole)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(answer["data"]))


@asynccontextmanager
async def open_tab(program: str) -> AsyncIterator[Tab]:
    """A tab of a fresh Chromium, which ends with it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program,
            *FLAGS,
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(profile), process)
            async with aiohttp.ClientSession() as http:
                async with http.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    address = next(one for one in await answer.json() if one["type"] == "page")["webSocketDebuggerUrl"]
                async with http.ws_connect(address, max_msg_size=0) as socket:
                    tab = Tab(socket)
                    for domain in ("Page", "Log", "Accessibility"):
                        await tab.call(f"{domain}.enable")
                    yield tab
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _port(profile: Path, process: asyncio.subprocess.Process) -> str:
    """Chromium writes it to a file of its profile when it listens."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            assert process.returncode is None, f"Chromium ended with code {process.returncode}"
            written = profile / "DevToolsActivePort"
            if written.exists() and (text := written.read_text()):
                return text.splitlines()[0]
            await asyncio.sleep(0.05)
