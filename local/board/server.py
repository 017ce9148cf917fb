"""The board's web application: the page, what it shows, and what can be done on it.

It asks nobody who they are. So it binds to loopback, answers to this machine's own names only, and refuses every
change that another page in the same browser asks for.
"""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.board.looking import Board
from local.board.people import RefusedError
from local.board.sides import STATUSES, UnusableError, span_from_json
from sync.core.errors import SyncError
from sync.core.sides import TimeSpan

_STATIC = Path(__file__).parent / "static"
_LONGEST_NAME = 100
"""What Dataverse keeps of a booking's name (table reference, bookableresourcebooking)."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

type _Act = Callable[[Board, Request], Awaitable[object]]


def build_app(board: Board) -> Starlette:
    """The application. It holds nothing of its own: `board` is closed by whoever opened it."""
    acts: list[tuple[str, str, _Act]] = [
        ("GET", "/api/state", _state),
        ("GET", "/api/journal", _story),
        ("POST", "/api/bookings", _book),
        ("PATCH", "/api/bookings/{booking_id}", _change_booking),
        ("DELETE", "/api/bookings/{booking_id}", _delete_booking),
        ("POST", "/api/events/{technician}", _add_event),
        ("PATCH", "/api/events/{technician}/{event_id}", _change_event),
        ("DELETE", "/api/events/{technician}/{event_id}", _delete_event),
        ("PUT", "/api/troubles/{name}", _set_trouble),
        ("POST", "/api/sweep", _sweep),
    ]
    return Starlette(
        routes=[
            *(Route(path, partial(_answer, act, board), methods=[method]) for method, path, act in acts),
            Mount("/", StaticFiles(directory=_STATIC, html=True)),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"]),
            Middleware(_OwnPageOnly),
        ],
    )


async def _answer(act: _Act, board: Board, request: Request) -> Response:
    """JSON; what is refused says why as `error`, in a sentence for people."""
    try:
        return JSONResponse(await act(board, request))
    except UnusableError as error:
        return JSONResponse({"error": str(error)}, 400)
    except RefusedError as error:
        return JSONResponse({"error": str(error)}, 409)
    except (httpx.HTTPError, SyncError) as error:
        return JSONResponse({"error": f"A part of the local world does not answer: {error}"}, 503)


async def _state(board: Board, _: Request) -> object:
    return await board.state()


async def _story(board: Board, request: Request) -> object:
    query = request.query_params
    technicians = [board.technician(one).mailbox_id for one in query.getlist("technician")]
    return await board.story(
        technicians=technicians,
        booking_id=query.get("booking"),
        event_id=query.get("event"),
        shows_dropped="dropped" in query,
    )


async def _book(board: Board, request: Request) -> object:
    body = await _body(request)
    technician, name = board.technician(body.get("technician")), _text(body, "name")
    return {"id": await board.dynamics.book(technician, name, span_from_json(body))}


async def _change_booking(board: Board, request: Request) -> object:
    body = await _body(request)
    if (status := body.get("status")) not in (None, *STATUSES):
        raise UnusableError(f"there is no status {status!r}; there are {', '.join(STATUSES)}")
    await board.dynamics.change(
        request.path_params["booking_id"],
        span=_span(body),
        technician=board.technician(body["technician"]) if "technician" in body else None,
        status=status,
        name=_text(body, "name") if "name" in body else None,
    )
    return {}


async def _delete_booking(board: Board, request: Request) -> object:
    await board.dynamics.delete(request.path_params["booking_id"])
    return {}


async def _add_event(board: Board, request: Request) -> object:
    body = await _body(request)
    technician = board.technician(request.path_params["technician"])
    await board.outlook.add(technician.mailbox_id, _text(body, "name"), span_from_json(body))
    return {}


async def _change_event(board: Board, request: Request) -> object:
    body = await _body(request)
    technician = board.technician(request.path_params["technician"])
    name = _text(body, "name") if "name" in body else None
    await board.outlook.change(technician.mailbox_id, request.path_params["event_id"], span=_span(body), subject=name)
    return {}


async def _delete_event(board: Board, request: Request) -> object:
    technician = board.technician(request.path_params["technician"])
    await board.outlook.delete(technician.mailbox_id, request.path_params["event_id"])
    return {}


async def _set_trouble(board: Board, request: Request) -> object:
    is_on = (await _body(request)).get("is_on")
    if not isinstance(is_on, bool):
        raise UnusableError("is_on is true or false")
    await board.switchboards.set_trouble(request.path_params["name"], is_on=is_on)
    return {}


async def _sweep(board: Board, _: Request) -> object:
    await board.sweep()
    return {}


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise UnusableError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise UnusableError("the body is not a JSON object")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    text = body.get(name)
    if not isinstance(text, str) or not text.strip():
        raise UnusableError(f"{name} is needed")
    if len(text) > _LONGEST_NAME:
        raise UnusableError(f"{name} has more than {_LONGEST_NAME} characters")
    return text.strip()


def _span(body: dict[str, Any]) -> TimeSpan | None:
    """None when the times are left as they are."""
    return span_from_json(body) if {"start", "end"} & set(body) else None


class _OwnPageOnly:
    """Refuses changes that another site's page asks for, and says of every answer what a browser may do with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if scope["method"] not in ("GET", "HEAD") and origin is not None and urlsplit(origin).netloc != headers["host"]:
            refusal = JSONResponse({"error": "Only the board's own page may change something."}, 403)
            await refusal(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)
