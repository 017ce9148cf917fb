"""The simulator as an ASGI application. It must be bound to loopback only: its token is no secret."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from local.graph.calls import Call, split_path, split_query
from local.graph.control import Control
from local.graph.door import HttpDoor
from local.graph.errors import GraphError
from local.graph.simulator import GraphSimulator
from local.switchboard import Dropped, caller_of

_METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE"]


def build_app(simulator: GraphSimulator, *, run_courier: bool = False) -> Starlette:
    """The application. With `run_courier` its lifespan delivers notifications in time; else it is done by hand."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        courier = asyncio.create_task(simulator.courier.run(simulator.post)) if run_courier else None
        try:
            yield
        finally:
            if courier is not None:
                courier.cancel()
                with suppress(asyncio.CancelledError):
                    await courier
            if isinstance(simulator.door, HttpDoor):
                await simulator.door.close()

    async def graph(request: Request) -> Response:
        try:
            return await _serve(simulator, request)
        except Dropped:
            return BrokenResponse()

    return Starlette(
        routes=[
            Mount("/_control", routes=[*simulator.switchboard.control_routes(), *Control(simulator).routes()]),
            Route("/{path:path}", graph, methods=_METHODS),
        ],
        lifespan=lifespan,
    )


async def _serve(simulator: GraphSimulator, request: Request) -> Response:
    service = simulator.service
    headers = _joined_headers(request)
    caller = caller_of(headers.get("authorization", ""))
    if caller is None:
        return service.refuse(
            GraphError(401, "InvalidAuthenticationToken", "Access token is empty or unknown."), headers
        )
    version, *segments = split_path(request.scope["raw_path"].decode()) or ("",)
    if version != "v1.0":
        return service.refuse(GraphError(400, "BadRequest", f"Invalid version: {version}"), headers)
    return await service.serve(
        Call(
            method=request.method,
            segments=tuple(segments),
            query=split_query(request.scope["query_string"].decode()),
            headers=headers,
            body=await request.body(),
            caller=caller,
            origin=f"{request.url.scheme}://{request.url.netloc}/v1.0",
        )
    )


def _joined_headers(request: Request) -> dict[str, str]:
    """Headers by lower-case name; one that is sent several times, as `Prefer` may be, as one list."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class ConnectionClosed(httpx.RemoteProtocolError):
    """What an in-process client sees of a connection that was closed without an answer: the same as over a socket."""


class BrokenResponse(Response):
    """An answer that breaks off before its end, since ASGI has no word for closing a connection without one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        raise ConnectionClosed("Server disconnected without sending a response.")
