"""The Dataverse simulator over HTTP: the Web API below `/api/data/v9.2`, the switchboard below `/_control`.

Everything but the delivery of webhooks runs inside the request that asked for it, and the only clock is the
switchboard's, so the application also runs in-process through an ASGI transport, where webhooks are delivered by hand.
Bind it to loopback only.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import date
from itertools import count
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from local.dataverse import errors
from local.dataverse.batch import BatchRunner
from local.dataverse.definitions import DEFINITION_SWITCHES
from local.dataverse.dispatcher import Dispatcher
from local.dataverse.door import Door, HttpDoor
from local.dataverse.limits import ServiceProtection
from local.dataverse.request import ApiRequest, error_response, spelled_headers
from local.dataverse.synchronous_steps import SynchronousSteps
from local.dataverse.values import show
from local.dataverse.web_api import WebApi, kind_of
from local.dataverse.webhook_state import show_webhooks
from local.dataverse.world import DataverseWorld, Row
from local.sample import TENANT_ID
from local.switchboard import Caller, Dropped, Switchboard, caller_of

VERSIONS = ("v9.0", "v9.1", "v9.2")
MAX_URL = 32_768
AFFINITY_COOKIE = "ARRAffinity"

SWITCHES: dict[str, Any] = {
    # Limits: the service's defaults, per caller and web server.
    "max_requests": 6_000,
    "max_execution_seconds": 1_200,
    "max_concurrent": 52,
    "window_seconds": 300,
    "execution_seconds": 0.05,
    "web_servers": 1,
    "dop_hint": 8,
    "throttle_code_form": "hex",
    "send_retry_after": True,
    # Behaviour that no document confirms; the app must be right under each setting.
    "refuse_end_before_start": True,
    "recompute_duration": False,
    "require_columns_on_create": False,
    "refuse_null_in_required_columns": True,
    "keep_fractions_of_seconds": False,
    "duplicate_key_status": 412,
    "expired_delta_token_status": 400,
    "crew_cascade": True,
    # The state of the environment.
    "change_tracking_enabled": True,
    "event_key_index_status": "Active",
    "refuse_status_change": None,
    "expire_delta_tokens": False,
    **DEFINITION_SWITCHES,
    # Webhooks: what may befall them, then what no document confirms.
    "webhook_delay_seconds": 0.2,
    "webhook_reorder": True,
    "webhook_repeat": 0.0,
    "webhook_lose": 0.0,
    "webhook_retry_seconds": 5.0,
    "webhook_size_limit": 262_144,
    "fail_after_sync_steps": None,
    "webhook_tag": "SharedVariables",
    "webhook_delete_pre_image": True,
    "unlink_raises_update": True,
}
"""Every switch with its default; those of definitions and rights are explained where they are defined.

`refuse_status_change`: the text with which a customer's plug-in refuses every change of a booking's status, or null.
`expire_delta_tokens`: set to true, all delta tokens given so far are refused; it falls back to false by itself.
`throttle_code_form`: "hex" or "decimal". `event_key_index_status`: "Pending", "InProgress", "Active" or "Failed".
`execution_seconds`: the run time that each request is charged.
`webhook_reorder`: jobs change places, since each waits anything up to double the delay. `webhook_repeat` and
`webhook_lose` are probabilities. `webhook_size_limit`: bytes above which a request loses its images and parameters.
`fail_after_sync_steps`: the text with which an operation fails after its synchronous steps have been called, or null.
`webhook_tag`: where the `tag` of a write shows: "SharedVariables", "ParentContext" (in those of the parent) or null.
`webhook_delete_pre_image`: whether an asynchronous Delete carries its pre-images. `unlink_raises_update`: whether a
lookup that is cleared because its target is deleted raises an Update.
"""


class DataverseSimulator:
    """One environment: its world, its switchboard, its webhooks and the ASGI application that serves it."""

    def __init__(
        self,
        *,
        today: date,
        switchboard: Switchboard | None = None,
        door: Door | None = None,
        runs_webhooks: bool = False,
    ) -> None:
        """`switchboard` must have been built with `SWITCHES`; without one, the machine's time is followed.

        `door` is the way to the receivers of webhooks; None: over HTTP. With `runs_webhooks` the application's lifespan
        delivers them in time; else it is done by hand: `simulator.webhooks.deliver_due(simulator.post)`.
        """
        self.switchboard = switchboard or Switchboard(switches=SWITCHES)
        self.door: Door = door or HttpDoor()
        self.world = DataverseWorld(self.switchboard, today)
        self.webhooks = Dispatcher(self.world)
        api = WebApi(self.world)
        self._synchronous = SynchronousSteps(self.world, api, self.door)
        self._batches = BatchRunner(self.world, api, self.switchboard)
        self._protection = ServiceProtection(self.switchboard)
        self._cookies_returned: Counter[Caller] = Counter()
        self._turns = count()
        self.switchboard.on_reset.append(self._reset)
        control = [*self.switchboard.control_routes(), Route("/state", self._state, methods=["GET"])]
        self.app = Starlette(
            routes=[
                Mount("/_control", routes=control),
                Route("/api/data/{rest:path}", _AnyMethod(self._serve)),
            ],
            lifespan=self._run_webhooks if runs_webhooks else None,
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:
        """Post through the door; what `Dispatcher.deliver_due` and `Dispatcher.run` take."""
        return await self.door.post(url, body, headers, timeout_seconds)

    @asynccontextmanager
    async def _run_webhooks(self, _: Starlette) -> AsyncIterator[None]:
        running = asyncio.create_task(self.webhooks.run(self.post))
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            if isinstance(self.door, HttpDoor):
                await self.door.close()

    def _reset(self) -> None:
        self._cookies_returned.clear()
        self._turns = count()

    async def _serve(self, request: Request) -> Response:
        root_url = f"{request.url.scheme}://{request.url.netloc}"
        caller = caller_of(request.headers.get("authorization", ""))
        if caller is None:
            return _unauthorized(root_url)
        version, _, path = request.path_params["rest"].partition("/")
        if version not in VERSIONS:
            return JSONResponse(
                {"Message": f"No HTTP resource was found that matches the request URI '{request.url}'."}, 404
            )
        if len(str(request.url)) > MAX_URL:
            return error_response(errors.ServiceError(414, "", "The request URI is too long."))
        if "cookie" in request.headers:
            self._cookies_returned[caller] += 1
        api_request = ApiRequest(
            method=request.method,
            path=path,
            query=request.url.query,
            headers=dict(request.headers),
            body=await request.body(),
            root=f"{root_url}/api/data/{version}",
        )
        try:
            return await self._serve_counted(api_request, caller, self._choose_server(request))
        except Dropped:
            return _drop_connection(request)

    async def _serve_counted(self, request: ApiRequest, caller: Caller, server: int) -> Response:
        kind = kind_of(request)
        with self._protection.admit(caller, server) as refusal:

            async def handle() -> Response:
                if refusal is not None:
                    return self._protection.answer(refusal)
                if kind == "batch":
                    return await self._batches.run(
                        request, caller, lambda parts: self._protection.charge(caller, server, parts)
                    )
                self._protection.charge(caller, server, 1)
                return await self._synchronous.answer(request, caller)

            response = await self.switchboard.serve(kind=kind, path=request.target, caller=caller, handle=handle)
        self._add_service_headers(response, caller, server)
        return response

    def _choose_server(self, request: Request) -> int:
        """The server that the affinity cookie names, else the next in turn."""
        servers = int(self.switchboard.switches["web_servers"])
        named = request.cookies.get(AFFINITY_COOKIE, "")
        return int(named) % servers if named.isdigit() else next(self._turns) % servers

    def _add_service_headers(self, response: Response, caller: Caller, server: int) -> None:
        request_id = self.world.new_id()
        response.headers.update(
            {
                "REQ_ID": request_id,
                "x-ms-service-request-id": request_id,
                "x-ms-dop-hint": str(self.switchboard.switches["dop_hint"]),
                "Set-Cookie": f"{AFFINITY_COOKIE}={server}; path=/; HttpOnly",
                **self._protection.headers(caller, server),
            }
        )

    async def _state(self, _: Request) -> Response:
        bookings = [self._show(row) for row in self.world.rows("bookableresourcebooking").values()]
        return JSONResponse(
            {
                "bookings": bookings,
                "cookies_returned": self._cookies_returned["app"],
                "webhooks": show_webhooks(self.world, self.webhooks, self._synchronous),
            }
        )

    def _show(self, row: Row) -> dict[str, Any]:
        values, world = row.values, self.world
        return {
            "id": row.row_id,
            "name": values["name"],
            "start": show(values["starttime"]),
            "end": show(values["endtime"]),
            "duration": values["duration"],
            "status": world.name_of("bookingstatus", str(values["bookingstatus"])),
            "technician": world.name_of("bookableresource", str(values["resource"])),
            "work_order": world.name_of("msdyn_workorder", str(values["msdyn_workorder"])),
            "event_id": values.get("bks_eventid"),
            "event_hash": values.get("bks_eventhash"),
            "etag": row.etag,
            "modified_by": world.name_of("systemuser", str(values["modifiedby"])),
        }


class _AnyMethod:
    """An endpoint for every method: which of them fit is the Web API's answer, not the router's."""

    def __init__(self, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        response = await self._endpoint(Request(scope, receive))
        response.raw_headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in spelled_headers(response)
        ]
        await response(scope, receive, send)


def _unauthorized(root_url: str) -> Response:
    """The service gives its reason in the header only."""
    authority = f"https://login.microsoftonline.com/{TENANT_ID}/oauth2/authorize"
    challenge = f"Bearer authorization_uri={authority}, resource_id={root_url}/"
    return Response(status_code=401, headers={"WWW-Authenticate": challenge})


def _drop_connection(request: Request) -> Response:
    """Close the socket under the client; in-process, where there is none, raise what the client would have seen."""
    transport = getattr(getattr(request.receive, "__self__", None), "transport", None)
    if transport is None:
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
    transport.abort()
    return Response()
