"""Requests to one Dataverse environment: address, token, how many at once, pages. Knows no table and decides nothing.

Cookies are refused: the affinity cookie pins a client to one server, and the service's limits count per server
(Dataverse documentation, send-parallel-requests). Retries are the transport's.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
from azure.core.credentials_async import AsyncTokenCredential

from sync.adapters.transport import TIMEOUT, Answer, Transport
from sync.core.errors import InvalidPayload

API_PATH = "/api/data/v9.2/"
REQUESTS_IN_FLIGHT = 8
"""From one instance, unless it learns to do with fewer: Dataverse refuses more than a user's 52 on a server."""

_TOO_MANY_AT_ONCE = ("0x80072326", "-2147015898")
"""The refusal that no window is the reason of, in both forms of its code (api-limits)."""

_HEADERS = {
    "Accept": "application/json",
    "OData-Version": "4.0",
    "OData-MaxVersion": "4.0",
    "If-None-Match": "null",
}


def open_http(*, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """The HTTP client for Dataverse: keeps connections, no cookies. `transport` lets tests go without sockets."""
    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(headers=_HEADERS, timeout=TIMEOUT, cookies=no_cookies, transport=transport)


class DataverseHttp:
    """The Web API of one environment. Built once per process, on its event loop.

    An `address` is relative to the API's path, such as `bookingstatuses?$select=name`, or a link that the service
    answered. Operations are named as `<entity set>.<get, query, delta, create, update or delete>`.
    """

    def __init__(
        self, http: httpx.AsyncClient, credential: AsyncTokenCredential, transport: Transport, *, url: str
    ) -> None:
        """`url` is the environment's address, without a path."""
        self._http = http
        self._credential = credential
        self._transport = transport
        self._base = httpx.URL(url + API_PATH)
        self._scope = url + "/.default"
        self._pace = transport.new_pace(most_at_once=REQUESTS_IN_FLIGHT, crowd_codes=_TOO_MANY_AT_ONCE)

    async def request(
        self,
        operation: str,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """The successful answer. Raises what the transport makes of a failure.

        The body is either `json` or `content`, which comes with its own Content-Type among the headers.
        """
        url = self._base.join(address)
        if (url.scheme, url.netloc) != (self._base.scheme, self._base.netloc):
            # The token goes with every request: a link must not lead it elsewhere.
            raise InvalidPayload("Dataverse answered a link to another host.", operation=operation)
        return await self._transport.call(
            operation, self._sender(method, url, headers or {}, json, content), pace=self._pace
        )

    async def read(self, operation: str, address: str, *, prefer: str = "") -> dict[str, Any]:
        """The JSON object that a GET answers."""
        answer = await self.request(operation, "GET", address, headers={"Prefer": prefer} if prefer else None)
        return answer.json()

    async def rows(self, operation: str, address: str, *, page_size: int) -> AsyncIterator[dict[str, Any]]:
        """Every row of a query, page after page."""
        next_address: str | None = address
        while next_address:
            page = await self.read(operation, next_address, prefer=page_preference(page_size))
            for row in page.get("value", []):
                yield row
            next_address = page.get("@odata.nextLink")

    def _sender(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        json: Mapping[str, Any] | None,
        content: bytes | None,
    ) -> Callable[[], Awaitable[httpx.Response]]:
        async def send() -> httpx.Response:
            token = await self._credential.get_token(self._scope)
            return await self._http.request(
                method,
                url,
                headers={**headers, "Authorization": f"Bearer {token.token}"},
                json=json,
                content=content,
            )

        return send


def page_preference(size: int) -> str:
    """At most `size` rows in a page; to be repeated for every page (Dataverse documentation, page-results)."""
    return f"odata.maxpagesize={size}"
