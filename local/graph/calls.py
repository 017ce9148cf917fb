"""From a request to the operation that serves it: authentication, routing, counting, throttling, refusals.

Items of a `$batch` come the same way, so that each is counted, limited and faulted under its own kind.
"""

import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.responses import JSONResponse, Response

from local.graph.errors import GraphError
from local.graph.odata import Preferences
from local.graph.throttle import MailboxThrottle
from local.graph.world import GraphWorld
from local.switchboard import Caller, Dropped, Switchboard

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `segments` are the decoded parts of the path after `/v1.0`; header and query names are lower case.

    `origin` is what links in the answer begin with, version included.
    """

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    caller: Caller
    origin: str

    @property
    def path(self) -> str:
        return "/" + "/".join(self.segments)

    @property
    def preferences(self) -> Preferences:
        return Preferences.parse(self.headers.get("prefer", ""))

    def json(self) -> Any:
        """The body as JSON. Raises the service's 400."""
        try:
            return json.loads(self.body)
        except ValueError:
            message = (
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is valid."
            )
            raise GraphError(400, "BadRequest", message) from None


Handle = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """What serves a method on a path. `{}` in `pattern` is a segment that `handle` gets after the call."""

    method: str
    pattern: str
    kind: str | Callable[[Call], str]
    handle: Handle

    def arguments(self, segments: tuple[str, ...]) -> list[str] | None:
        """The variable segments of a path; None for another path. Fixed segments compare without regard to case."""
        expected = self.pattern.split("/")
        if len(expected) != len(segments):
            return None
        pairs = list(zip(expected, segments, strict=True))
        if any(name != "{}" and name.lower() != _without_parentheses(segment) for name, segment in pairs):
            return None
        return [segment for name, segment in pairs if name == "{}"]

    def kind_of(self, call: Call) -> str:
        return self.kind if isinstance(self.kind, str) else self.kind(call)


def _without_parentheses(segment: str) -> str:
    """Functions such as `delta` may be written `delta()`."""
    return segment.lower().removesuffix("()")


def split_path(raw_path: str) -> tuple[str, ...]:
    """The decoded segments of a path that is still percent-encoded; empty ones, as in `//`, vanish."""
    return tuple(unquote(segment) for segment in raw_path.split("/") if segment)


def split_query(raw_query: str) -> dict[str, str]:
    return {name.lower(): value for name, value in parse_qsl(raw_query, keep_blank_values=True)}


class Service:
    """Serves calls with the operations it is given."""

    def __init__(self, world: GraphWorld, throttle: MailboxThrottle) -> None:
        self.operations: list[Operation] = []
        self._world = world
        self._throttle = throttle

    @property
    def _switchboard(self) -> Switchboard:
        return self._world.switchboard

    async def serve(self, call: Call) -> Response:
        """The answer to an authenticated call. Raises `Dropped` where a planned fault closes the connection."""
        try:
            operation, arguments = self._find(call)
        except GraphError as error:
            return self.refuse(error, call.headers)
        lane = self._lane(call)

        with self._throttle.request(call.caller, lane) as refusal:

            async def handle() -> Response:
                return await self._perform(operation, call, arguments, refusal)

            return await self._switchboard.serve(
                kind=operation.kind_of(call), path=call.path, caller=call.caller, handle=handle, lane=lane
            )

    async def _perform(
        self, operation: Operation, call: Call, arguments: list[str], refusal: GraphError | None
    ) -> Response:
        try:
            if refusal is not None:
                raise refusal
            applied = call.preferences.applied
            response = await operation.handle(call, *arguments)
        except GraphError as error:
            return self.refuse(error, call.headers)
        except Dropped:
            raise
        except Exception:
            _logger.exception("%s %s failed in the simulator itself", call.method, call.path)
            return self.refuse(GraphError(500, "UnknownError", "The simulator failed; see its log."), call.headers)
        if applied:
            response.headers["Preference-Applied"] = applied
        response.headers["request-id"] = self._request_id()
        return response

    def refuse(self, error: GraphError, headers: Mapping[str, str]) -> Response:
        """An error as the service words it."""
        request_id = self._request_id()
        body = error.body(
            at=self._world.now,
            request_id=request_id,
            client_request_id=headers.get("client-request-id", request_id),
        )
        return JSONResponse(body, status_code=error.status, headers={**error.headers, "request-id": request_id})

    def _find(self, call: Call) -> tuple[Operation, list[str]]:
        is_path_known = False
        for operation in self.operations:
            arguments = operation.arguments(call.segments)
            if arguments is None:
                continue
            if operation.method == call.method:
                return operation, arguments
            is_path_known = True
        if is_path_known:
            raise GraphError(405, "Request_BadRequest", f"{call.method} is not supported on {call.path}.")
        raise GraphError(400, "BadRequest", f"Resource not found for the path {call.path!r}.")

    def _lane(self, call: Call) -> str:
        """The mailbox that a call concerns, for limits and counts; empty for none."""
        if len(call.segments) < 2 or call.segments[0].lower() != "users":
            return ""
        user = self._world.find_user(call.segments[1])
        return user.mailbox_id if user else call.segments[1]

    def _request_id(self) -> str:
        return str(uuid.UUID(int=self._switchboard.random.getrandbits(128), version=4))
