"""Webhooks over real sockets: the door of the Dataverse simulator, and the simulator as a process."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from local.dataverse.door import HttpDoor
from local.sample import guid
from local.switchboard import PERSON_TOKEN

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
REDIRECT = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"


class SocketReceiver:
    """Takes one request per connection and answers `answer`; None: never."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self.requests: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1])) if length else b""
        self.requests.put_nowait((head, body))
        if self._answer is None:
            await reader.read()  # until the other side has had enough
        else:
            writer.write(self._answer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving(answer: bytes | None) -> AsyncIterator[tuple[SocketReceiver, str]]:
    receiver = SocketReceiver(answer)
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        yield receiver, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/dataverse"


async def post(url: str, timeout_seconds: float = 10) -> int:
    door = HttpDoor()
    try:
        return await door.post(url, b"{}", {"x-secret": "s3cret"}, timeout_seconds)
    finally:
        await door.close()


@pytest.mark.parametrize(("answer", "status"), [(ACCEPTED, 202), (REDIRECT, 307)])
async def test_the_door_posts_body_and_headers_and_follows_no_redirect(answer: bytes, status: int) -> None:
    async with receiving(answer) as (receiver, url):
        assert await post(url) == status
        head, body = await receiver.requests.get()
    assert head.startswith("POST /api/dataverse HTTP/1.1\r\n")
    assert "x-secret: s3cret\r\n" in head
    assert body == b"{}"


async def test_a_receiver_that_does_not_answer_in_time_is_a_timeout() -> None:
    async with receiving(None) as (receiver, url):
        with pytest.raises(TimeoutError):
            await post(url, 0.05)
        await receiver.requests.get()


async def test_a_receiver_that_is_not_there_is_a_connection_error() -> None:
    async with receiving(ACCEPTED) as (_, url):
        pass
    with pytest.raises(ConnectionError):
        await post(url)


@asynccontextmanager
async def running_simulator() -> AsyncIterator[str]:
    """The simulator as a process that must stop when it is asked to; yields its address."""
    command = [sys.executable, "-m", "local.dataverse", "--port", "0", "--today", "2030-03-01"]
    process = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2], stdout=PIPE, stderr=STDOUT)
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        yield line.split()[-1]
    finally:
        process.terminate()
        async with asyncio.timeout(10):
            output, _ = await process.communicate()
        assert b"Traceback" not in output, output.decode()


@pytest.mark.slow
async def test_the_process_calls_webhooks_by_itself_and_stops_while_a_call_is_out() -> None:
    async with (
        asyncio.timeout(30),
        receiving(ACCEPTED) as (receiver, url),
        receiving(None) as (silent_receiver, silent_url),
        running_simulator() as address,
        httpx.AsyncClient(base_url=f"{address}/api/data/v9.2") as person,
    ):
        person.headers["Authorization"] = f"Bearer {PERSON_TOKEN}"
        await register(person, "good", url)
        await register(person, "silent", silent_url)
        resource = f"/bookableresources({guid('resource:Crane 1')})"
        assert (await person.patch(resource, json={"name": "Crane 2"})).status_code == 204
        head, body = await receiver.requests.get()
        await silent_receiver.requests.get()
    assert head.startswith("POST /api/dataverse?code=key HTTP/1.1\r\n")
    assert b'"MessageName":"Update"' in body


async def register(person: httpx.AsyncClient, name: str, url: str) -> None:
    """A step on the update of resources."""
    endpoint = {"name": name, "contract": 8, "url": url, "authtype": 4, "authvalue": "key"}
    created = await person.post("/serviceendpoints", json=endpoint)
    step = {
        "stage": 40,
        "mode": 1,
        "rank": 1,
        "eventhandler_serviceendpoint@odata.bind": created.headers["OData-EntityId"],
        "sdkmessageid@odata.bind": f"/sdkmessages({guid('sdkmessage:Update')})",
        "sdkmessagefilterid@odata.bind": f"/sdkmessagefilters({guid('sdkmessagefilter:Update:bookableresource')})",
    }
    assert (await person.post("/sdkmessageprocessingsteps", json=step)).status_code == 204
