"""How requests go to Graph: raw answers for JSON, immutable ids and UTC, few at once to one mailbox.

Knows no operation; `sync.adapters.graph` and `sync.adapters.graph_writing` say what is asked for.
"""

import json
from asyncio import Semaphore
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakValueDictionary

import httpx
from kiota_abstractions.method import Method
from kiota_abstractions.native_response_handler import NativeResponseHandler
from kiota_abstractions.request_information import RequestInformation
from kiota_http.middleware.options import ResponseHandlerOption
from msgraph.graph_service_client import GraphServiceClient

from sync.adapters.transport import MAXIMUM_ATTEMPTS, Answer, Transport
from sync.core.errors import InvalidPayload, SyncError

PREFER = 'IdType="ImmutableId", outlook.timezone="UTC"'

REQUESTS_PER_MAILBOX = 2
"""In flight from one instance. Graph allows an app four per mailbox (throttling-limits); two instances may meet."""


class GraphSender:
    """Sends what the request builders of `sdk` describe. Built once per process, on its event loop."""

    def __init__(self, sdk: GraphServiceClient, transport: Transport) -> None:
        self.sdk = sdk
        self._transport = transport
        self._lanes: WeakValueDictionary[str, Semaphore] = WeakValueDictionary()

    async def send(
        self,
        operation: str,
        request: RequestInformation,
        mailbox_id: str | None = None,
        *,
        prefer: str = PREFER,
        attempts: int = MAXIMUM_ATTEMPTS,
        is_repeatable: bool = True,
    ) -> Answer:
        """The successful answer. An error about a mailbox carries its id; for the rest see `Transport.call`.

        Raises `InvalidPayload` for a request to another host: the token opens every mailbox of the tenant.
        """
        send = _sending(self.sdk, request, prefer)
        _refuse_strangers(operation, request.url, self.sdk.request_adapter.base_url)
        if mailbox_id is None:
            return await self._transport.call(operation, send, attempts=attempts, is_repeatable=is_repeatable)
        lane = self._lanes.setdefault(mailbox_id, Semaphore(REQUESTS_PER_MAILBOX))
        try:
            async with lane:
                return await self._transport.call(operation, send, attempts=attempts, is_repeatable=is_repeatable)
        except SyncError as error:
            error.mailbox_id = mailbox_id
            raise

    def failure(self, operation: str, answer: Answer) -> SyncError:
        """The error that a failed answer within a batch means."""
        return self._transport.failure(operation, answer)


def set_json(request: RequestInformation, body: dict[str, Any]) -> None:
    request.set_stream_content(json.dumps(body).encode(), "application/json")


def request_for(link: str) -> RequestInformation:
    """A read of a link that Graph answered."""
    request = RequestInformation(Method.GET)
    request.url = link
    request.headers.try_add("Accept", "application/json")
    return request


def _refuse_strangers(operation: str, address: str, service: str) -> None:
    """Raise `InvalidPayload` unless `address` is of the service's own scheme, host and port."""
    try:
        url, own = httpx.URL(address), httpx.URL(service)
    except httpx.InvalidURL as error:
        raise InvalidPayload("Graph answered a link that is no address.", operation=operation) from error
    if (url.scheme, url.netloc) != (own.scheme, own.netloc):
        raise InvalidPayload("Graph answered a link to another host.", operation=operation)


def _sending(
    sdk: GraphServiceClient, request: RequestInformation, prefer: str
) -> Callable[[], Awaitable[httpx.Response]]:
    """Sends `request` and answers the raw response, whatever its status."""
    request.headers.try_add("Prefer", prefer)
    request.path_parameters["baseurl"] = sdk.request_adapter.base_url
    # The SDK expands a request's URL template anew each time it looks at it: three times a request, 2 ms each.
    request.url = request.url
    request.add_request_options([ResponseHandlerOption(NativeResponseHandler())])

    async def send() -> httpx.Response:
        response = await sdk.request_adapter.send_primitive_async(request, "bytes", {})
        assert isinstance(response, httpx.Response)
        return response

    return send
