"""A browser before the status page of a tenant in trouble. Skipped where there is no Chromium."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.switchboard import Fault
from sync.page.answering import Desk, HttpAnswer, PageRequest, answer_get, answer_order
from tests.browser.chromium import NAMES, Tab, find_chromium, open_tab
from tests.hosted_app import QUIET
from tests.scenarios.status_page import page_of
from tests.tenant import Tenant

HOSTILE = "<img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>"
"""What a plug-in of Dynamics says; it would show in the page's title, were it more than text."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A tenant, the address of its status page, and a browser's tab."""

    tenant: Tenant
    url: str
    tab: Tab


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A technician's move was refused by Dynamics, with a hostile reason, and is a dead letter."""
    program = find_chromium()
    if program is None:
        pytest.skip(f"no Chromium on PATH ({', '.join(NAMES)}): install it to run the browser tests")
    tenant = await Tenant.small(**QUIET)
    refusal = {"error": {"code": "0x80040265", "message": HOSTILE}}
    tenant.dataverse.switchboard.faults.append(
        Fault(kind="bookableresourcebookings.update", times=None, status=400, body=refusal)
    )
    await tenant.move_event(tenant.visit(), by=timedelta(hours=1))
    await tenant.settle()
    async with _served(page_of(tenant).desk) as url, open_tab(program) as tab:
        yield Scene(tenant, url, tab)


@asynccontextmanager
async def _served(desk: Desk) -> AsyncIterator[str]:
    """The page over HTTP on a free port of this machine, as the Functions host would serve it."""

    async def get(request: Request) -> Response:
        return _response(await answer_get(await _page_request(request), desk))

    async def post(request: Request) -> Response:
        return _response(await answer_order(await _page_request(request), desk))

    application = Starlette(
        routes=[Route("/api/status", get, methods=["GET"]), Route("/api/status", post, methods=["POST"])]
    )
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/api/status"
        finally:
            server.should_exit = True
            await serving


async def _page_request(request: Request) -> PageRequest:
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = await request.body()
    return PageRequest(url=str(request.url), query=dict(request.query_params), headers=headers, body=body)


def _response(answer: HttpAnswer) -> Response:
    return Response(
        answer.text, status_code=answer.status, headers=dict(answer.headers), media_type=f"{answer.mimetype}"
    )
