"""Serves HTTP-triggered functions as the vendor's host does: routes, keys, throttle, and what a function sees.

It answers only after the function is done, and answers any failure with an empty 500. Sources: "HTTP trigger for Azure
Functions", "host.json settings" of that trigger, and the host's GrpcMessageConversionExtensions,
HttpThrottleMiddleware, AuthenticationLevelHandler and FunctionsController.
"""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from local.functions.protos import RpcHttp, RpcHttpCookie, TypedData
from local.functions.routes import RouteTemplate, parse_route
from local.functions.settings import HttpSettings
from local.functions.triggers import AuthLevel, Function, HttpTrigger
from local.functions.worker import InvocationResult

_log = logging.getLogger(__name__)

_HOMEPAGE = """<!doctype html><html lang="en"><title>Functions host</title>
<p>Your Functions app is up and running on the local host.</p></html>"""

Invoke = Callable[[Function, RpcHttp], Awaitable[InvocationResult]]
StartByHand = Callable[[str, str], bool]
"""Starts the function of that name with that text as its message; False for a name that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """`function` opens functions, `master` opens everything."""

    function: str
    master: str

    def allow(self, request: Request, level: AuthLevel) -> bool:
        """The header wins over the query, also when the header's key is wrong."""
        if level == "ANONYMOUS":
            return True
        given = request.headers.get("x-functions-key") or request.query_params.get("code") or ""
        accepted = (self.master,) if level == "ADMIN" else (self.function, self.master)
        return any(hmac.compare_digest(given.encode(), key.encode()) for key in accepted)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    function: Function
    trigger: HttpTrigger
    template: RouteTemplate


class WebHost:
    """The ASGI application is `application`. `keys` None means that every caller may do everything."""

    def __init__(
        self,
        *,
        functions: Sequence[Function],
        settings: HttpSettings,
        keys: Keys | None,
        invoke: Invoke,
        start_by_hand: StartByHand,
        state: Callable[[], str],
    ) -> None:
        """Raises `InvalidRoute`."""
        self._endpoints = _endpoints(functions, settings.route_prefix)
        self._settings = settings
        self._keys = keys
        self._invoke = invoke
        self._start_by_hand = start_by_hand
        self._state = state
        self._outstanding = 0
        self._turns = asyncio.Semaphore(settings.max_concurrent_requests) if settings.max_concurrent_requests else None
        self.application = Starlette(
            routes=[
                Route("/admin/host/status", self._status, methods=["GET"]),
                Route("/admin/functions/{name}", self._run_by_hand, methods=["POST"]),
                Route("/{path:path}", _AnyMethod(self._serve)),
            ]
        )

    async def _status(self, request: Request) -> Response:
        if not self._allows(request, "ADMIN"):
            return Response(status_code=401)
        return JSONResponse({"id": "local", "state": self._state(), "version": "local"})

    async def _run_by_hand(self, request: Request) -> Response:
        if not self._allows(request, "ADMIN"):
            return Response(status_code=401)
        try:
            text = (await request.json())["input"]
        except (ValueError, KeyError, TypeError):
            text = None
        if not isinstance(text, str):
            return PlainTextResponse('The body must be {"input": "text"}.', status_code=400)
        return Response(status_code=202 if self._start_by_hand(request.path_params["name"], text) else 404)

    async def _serve(self, request: Request) -> Response:
        path = _encoded_path(request)
        found = self._find(path, request.method)
        if found is None:
            return self._homepage() if path == "/" else Response(status_code=404)
        endpoint, parameters = found
        most = self._settings.max_outstanding_requests
        if most is not None and self._outstanding >= most:
            return Response(status_code=429)
        if not self._allows(request, endpoint.trigger.auth_level):
            return Response(status_code=401)
        if int(request.headers.get("content-length", 0)) > self._settings.max_body_bytes:
            return Response(status_code=413)
        self._outstanding += 1
        try:
            async with self._turns or nullcontext():
                return await self._run(endpoint, request, parameters)
        finally:
            self._outstanding -= 1

    async def _run(self, endpoint: _Endpoint, request: Request, parameters: dict[str, str]) -> Response:
        result = await self._invoke(endpoint.function, await _rpc_request(request, parameters))
        if not result.success or result.return_value is None:
            return Response(status_code=500)
        try:
            return _reply(result.return_value)
        except ValueError as error:
            _log.error("Function %s answered what HTTP cannot carry: %s", endpoint.function.name, error)
            return Response(status_code=500)

    def _find(self, path: str, method: str) -> tuple[_Endpoint, dict[str, str]] | None:
        for endpoint in self._endpoints:
            if endpoint.trigger.methods and method not in endpoint.trigger.methods:
                continue
            parameters = endpoint.template.match(path)
            if parameters is not None:
                return endpoint, parameters
        return None

    def _homepage(self) -> Response:
        return HTMLResponse(_HOMEPAGE) if self._settings.has_homepage else Response(status_code=204)

    def _allows(self, request: Request, level: AuthLevel) -> bool:
        return self._keys is None or self._keys.allow(request, level)


class _AnyMethod:
    """An endpoint for every method; Starlette restricts plain functions to GET."""

    def __init__(self, serve: Callable[[Request], Awaitable[Response]]) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._serve(Request(scope, receive))
        except ClientDisconnect:
            return
        await response(scope, receive, send)


def _endpoints(functions: Iterable[Function], prefix: str) -> list[_Endpoint]:
    endpoints = [
        _Endpoint(
            function=function, trigger=function.trigger, template=parse_route(f"{prefix}/{function.trigger.route}")
        )
        for function in functions
        if isinstance(function.trigger, HttpTrigger)
    ]
    return sorted(endpoints, key=lambda endpoint: endpoint.template.rank)


async def _rpc_request(request: Request, parameters: dict[str, str]) -> RpcHttp:
    body = TypedData()
    if int(request.headers.get("content-length", 0)) > 0:
        body = TypedData(bytes=await request.body())
    elif "transfer-encoding" in request.headers:
        _log.warning(
            "%s %s: a chunked body does not reach the function; send Content-Length", request.method, request.url
        )
    return RpcHttp(
        method=request.method,
        url=f"{request.url.scheme}://{request.url.netloc}{_encoded_path(request)}{_query_string(request)}",
        headers=_joined(request.headers.items()),
        query={name: value for name, value in _joined(parse_qsl(request.url.query)).items() if value},
        params=parameters,
        body=body,
    )


def _encoded_path(request: Request) -> str:
    raw: bytes = request.scope["raw_path"]
    return raw.decode("latin-1")


def _query_string(request: Request) -> str:
    return f"?{request.url.query}" if request.url.query else ""


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """One value for each name; repeated ones joined with a comma, as .NET's StringValues does."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: ",".join(value for value in several if value) for name, several in values.items()}


def _reply(value: TypedData) -> Response:
    match value.WhichOneof("data"):
        case "http":
            reply: RpcHttp = value.http
            response = Response(reply.body.bytes, status_code=int(reply.status_code))
            for name, text in reply.headers.items():
                if name.lower() != "content-length":
                    response.headers[name] = text
            for cookie in reply.cookies or ():
                _set_cookie(response, cookie)
            return response
        case "string":
            return PlainTextResponse(value.string)
        case "json":
            return Response(value.json, media_type="application/json")
        case other:
            raise ValueError(f"a value of kind {other}")


def _set_cookie(response: Response, cookie: RpcHttpCookie) -> None:
    expires = datetime.fromtimestamp(cookie.expires.value.seconds, UTC) if cookie.expires else None
    response.set_cookie(
        cookie.name,
        cookie.value,
        domain=cookie.domain.value or None if cookie.domain else None,
        path=cookie.path.value or None if cookie.path else None,
        expires=expires,
        max_age=int(cookie.max_age.value) if cookie.max_age else None,
        secure=cookie.secure.value if cookie.secure else False,
        httponly=cookie.http_only.value if cookie.http_only else False,
        samesite=cookie.same_site,
    )
