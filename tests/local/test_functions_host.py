"""The whole host: in one process on virtual time, and as a process of its own on real storage, stopped and killed."""

import asyncio
import base64
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from azure.storage.queue.aio import QueueServiceClient

from local.functions.memory_queues import QueueAccount
from tests.local.functions_sample import load_host, write_app
from tests.local.virtual_time import VirtualTime

ROOT = Path(__file__).parents[2]

APP = """
here = pathlib.Path(__file__).parent

def note(line):
    with (here / "notes").open("a") as notes:
        notes.write(line + "\\n")

@app.route(methods=["POST"])
async def put(req: func.HttpRequest) -> func.HttpResponse:
    logging.getLogger("sample").info("Took it", extra={"action": "taken"})
    return func.HttpResponse(status_code=202)

@app.queue_trigger(arg_name="msg", queue_name="%WORK_QUEUE%", connection="AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    text = msg.get_body().decode()
    note(f"{text} {msg.dequeue_count}")
    if text == "fails":
        raise ValueError("told to fail")
    if text == "slow":
        await asyncio.sleep(1.5)
        note("slow done")
    if text == "stuck":
        await asyncio.sleep(3600)

@app.timer_trigger(arg_name="timer", schedule="0 0 * * * *", run_on_startup=True)
def tick(timer: func.TimerRequest) -> None:
    note("tick")
"""

HOST = {"extensions": {"queues": {"maxDequeueCount": 2, "maxPollingInterval": "00:00:00.200"}}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_a_whole_app_runs_in_one_process_on_virtual_time(tmp_path: Path) -> None:
    time = VirtualTime()
    account = QueueAccount(time.now)
    host = await load_host(tmp_path, APP, host=HOST, environ={"WORK_QUEUE": "q"}, time=time, account=account)
    await account.queue("q").send(encoded("a"))
    await account.queue("q").send(encoded("fails"))

    host.start()
    for _ in range(5):
        await time.advance(0.2)
        await asyncio.sleep(0.02)  # the timer's plain def runs in a thread
    finished = await host.stop(drain_seconds=5)

    assert finished
    assert host.state == "Stopping"
    assert sorted((tmp_path / "notes").read_text().split("\n")) == ["", "a 1", "fails 1", "fails 2", "tick"]
    assert account.texts("q-poison") == [encoded("fails")]
    assert json.loads((tmp_path / "timers" / "tick.json").read_text())["Next"] == "2026-11-21T09:00:00+00:00"


async def test_what_does_not_end_in_time_is_given_up_when_stopping(tmp_path: Path) -> None:
    time = VirtualTime()
    account = QueueAccount(time.now)
    host = await load_host(tmp_path, APP, environ={"WORK_QUEUE": "q"}, only=["work"], time=time, account=account)
    await account.queue("q").send(encoded("stuck"))
    host.start()
    await time.advance(0.1)

    assert not await host.stop(drain_seconds=0.05)
    assert account.texts("q") == [encoded("stuck")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A host process, its address, its app's folder, and what it wrote to stderr so far."""

    process: asyncio.subprocess.Process
    address: str
    directory: Path
    log: Path

    def notes(self) -> list[str]:
        path = self.directory / "notes"
        return path.read_text().splitlines() if path.exists() else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A storage account and a queue of its own for one test."""

    connection_string: str
    queue_name: str
    service: QueueServiceClient

    async def send(self, *texts: str) -> None:
        for text in texts:
            await self.service.get_queue_client(self.queue_name).send_message(encoded(text))

    async def peek(self, suffix: str = "") -> list[str]:
        messages = await self.service.get_queue_client(self.queue_name + suffix).peek_messages(max_messages=32)
        return [base64.b64decode(message.content).decode() for message in messages]

    async def count(self) -> int:
        properties = await self.service.get_queue_client(self.queue_name).get_queue_properties()
        return int(properties.approximate_message_count or 0)


@pytest.fixture
async def storage(azurite: str) -> AsyncIterator[Storage]:
    name = f"host-{uuid.uuid4().hex[:8]}"
    async with QueueServiceClient.from_connection_string(azurite) as service:
        await service.create_queue(name)
        yield Storage(connection_string=azurite, queue_name=name, service=service)
        await service.delete_queue(name)
        with suppress(Exception):
            await service.delete_queue(f"{name}-poison")


@asynccontextmanager
async def running_host(
    directory: Path, storage: Storage, *options: str, connection: str = ""
) -> AsyncIterator[Running]:
    values = {"AzureWebJobsStorage": connection or storage.connection_string, "WORK_QUEUE": storage.queue_name}
    write_app(directory, APP, host=HOST, values=values)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AzureWebJobs")}
    log = directory / "host.log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.functions", "--app", str(directory), "--port", "0", *options),
            cwd=ROOT,
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
    assert process.stdout is not None
    try:
        ready = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        assert "Functions host ready on http://127.0.0.1:" in ready, log.read_text()
        address = ready.split(" on ")[1].split(": ")[0]
        yield Running(process=process, address=address, directory=directory, log=log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(condition: Callable[[], Awaitable[bool] | bool], seconds: float = 15) -> None:
    """Wait for a condition of another process, with a bound."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_a_host_process_serves_all_three_triggers_and_stops_on_a_signal(tmp_path: Path, storage: Storage) -> None:
    async with running_host(tmp_path, storage) as host:
        async with httpx.AsyncClient(base_url=host.address) as http:
            assert (await http.post("/api/put", content="x")).status_code == 202
        await storage.send("a", "fails")
        await until(lambda: {"tick", "a 1", "fails 2"} <= set(host.notes()))
        await until(lambda: "moved to" in host.log.read_text())
        host.process.send_signal(signal.SIGTERM)

        assert await asyncio.wait_for(host.process.wait(), 10) == 0
    assert await storage.peek("-poison") == ["fails"]
    assert await storage.count() == 0
    assert "INFO Took it action=taken" in host.log.read_text()
    assert "ERROR Function work failed: ValueError: told to fail" in host.log.read_text()


@pytest.mark.slow
async def test_a_stopped_host_finishes_what_it_has_taken(tmp_path: Path, storage: Storage) -> None:
    async with running_host(tmp_path, storage, "--only", "work") as host:
        await storage.send("slow")
        await until(lambda: "slow 1" in host.notes())
        host.process.send_signal(signal.SIGINT)

        assert await asyncio.wait_for(host.process.wait(), 10) == 0
        assert host.notes() == ["slow 1", "slow done"]
    assert await storage.count() == 0


@pytest.mark.slow
async def test_a_message_of_a_killed_host_comes_back_when_its_lease_ends(tmp_path: Path, storage: Storage) -> None:
    async with running_host(tmp_path, storage, "--only", "work", "--lease", "3") as host:
        await storage.send("stuck")
        await until(lambda: "stuck 1" in host.notes())
        host.process.kill()
        await host.process.wait()

    async with running_host(tmp_path, storage, "--only", "work", "--lease", "3") as host:
        await until(lambda: "stuck 2" in host.notes())


@pytest.mark.slow
async def test_a_short_lease_is_renewed_while_the_function_runs(tmp_path: Path, storage: Storage) -> None:
    async with running_host(tmp_path, storage, "--only", "work", "--lease", "1") as host:
        await storage.send("slow")
        await until(lambda: "slow done" in host.notes())
        await asyncio.sleep(1.2)

        assert host.notes() == ["slow 1", "slow done"]
    assert await storage.count() == 0


@pytest.mark.slow
async def test_an_outage_of_the_storage_in_a_burst_loses_nothing(tmp_path: Path, storage: Storage) -> None:
    async with door_to(storage.connection_string) as door:
        options = ("--only", "work", "--lease", "2")
        async with running_host(tmp_path, storage, *options, connection=door.connection_string) as host:
            await storage.send(*(f"m{number}" for number in range(10)))
            await until(lambda: len(host.notes()) >= 1)
            await door.close()
            await storage.send(*(f"n{number}" for number in range(10)))
            await until(lambda: "cannot be read" in host.log.read_text())
            await door.open()

            await until(nothing_left(storage), 30)
            assert {note.split()[0] for note in host.notes()} == {f"{m}{number}" for m in "mn" for number in range(10)}


def nothing_left(storage: Storage) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        return await storage.count() == 0

    return condition


@dataclass(slots=True, kw_only=True)
class Door:
    """A port that leads to the queue service while it is open; closing it cuts every connection."""

    connection_string: str
    port: int
    target: int
    server: asyncio.Server | None = None

    async def open(self) -> None:
        self.server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)

    async def close(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server.abort_clients()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def door_to(connection_string: str) -> AsyncIterator[Door]:
    parts = dict(part.split("=", 1) for part in connection_string.rstrip(";").split(";"))
    target = urlsplit(parts["QueueEndpoint"])
    assert target.port is not None
    probe = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    parts["QueueEndpoint"] = target._replace(netloc=f"127.0.0.1:{port}").geturl()
    door = Door(
        connection_string=";".join(f"{name}={value}" for name, value in parts.items()), port=port, target=target.port
    )
    await door.open()
    try:
        yield door
    finally:
        await door.close()


async def run_to_end(*options: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.functions", *options),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, output.decode()


@pytest.mark.slow
async def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    write_app(tmp_path, "@app.route()\ndef f(req: func.HttpRequest) -> str: ...")
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]

    code, output = await run_to_end("--app", str(tmp_path), "--port", str(port))
    taken.close()

    assert code == 1
    assert output == (
        f"The app cannot be started: port {port} cannot be used (Address already in use): "
        "stop what runs there, or choose another with --port\n"
    )


@pytest.mark.slow
async def test_an_app_that_cannot_be_imported_names_the_reason(tmp_path: Path) -> None:
    write_app(tmp_path, "import no_such_module")

    code, output = await run_to_end("--app", str(tmp_path), "--port", "0")

    assert code == 1
    assert "The app cannot be started: the app in " in output
    assert "No module named 'no_such_module'" in output
