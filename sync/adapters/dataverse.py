"""Bookings in Dataverse over its Web API: implements `BookingTable`.

Plain `httpx`: the vendor's Python SDK can send no etag, cannot follow changes, does not obey `Retry-After` and needs
pandas. Every PATCH carries `If-Match`, because without it a PATCH of an absent row creates it (Dataverse documentation,
update-delete-entities-using-web-api). Cookies are refused: the affinity cookie pins a client to one server, and the
service's limits count per server (send-parallel-requests).
"""

import logging
from asyncio import Lock, Semaphore
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import quote

import httpx
from azure.core.credentials_async import AsyncTokenCredential

from sync.adapters.dataverse_wire import (
    BOOKING_QUERY,
    EVENT_HASH_COLUMN,
    EVENT_ID_COLUMN,
    booking_from_wire,
    wire_time,
)
from sync.adapters.transport import TIMEOUT, Answer, Transport
from sync.core.errors import InvalidPayload, NotFound, PermanentError, Refused
from sync.core.model import Booking, TimeSpan, event_hash
from sync.service.ports import Clock, EventAddress

logger = logging.getLogger(__name__)

API_PATH = "/api/data/v9.2/"
REQUESTS_IN_FLIGHT = 8
"""From one instance. Dataverse refuses a user's 52nd on one server (api-limits); six instances may meet there."""

STATUS_MEMORY = timedelta(hours=1)
"""How long the cancelled status that was looked up is trusted."""

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


class DataverseClient:
    """`BookingTable` over Dataverse. Built once per process, on its event loop; see `bootstrap`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        credential: AsyncTokenCredential,
        transport: Transport,
        *,
        url: str,
        clock: Clock,
        cancelled_status_id: str | None = None,
    ) -> None:
        """`url` is the environment's address. `cancelled_status_id` overrides what the settings tables say."""
        self._http = http
        self._credential = credential
        self._transport = transport
        self._base = url + API_PATH
        self._scope = url + "/.default"
        self._clock = clock
        self._configured_status_id = cancelled_status_id
        self._looked_up_status: tuple[str, datetime] | None = None
        self._status_lookup = Lock()
        self._in_flight = Semaphore(REQUESTS_IN_FLIGHT)

    async def find_booking(self, booking_id: str) -> Booking | None:
        return await self._find(f"bookableresourcebookings({booking_id})")

    async def find_booking_of_event(self, mailbox_id: str, event_id: str) -> Booking | None:
        key = event_hash(mailbox_id, event_id)
        return await self._find(f"bookableresourcebookings({EVENT_HASH_COLUMN}='{key}')")

    async def _find(self, address: str) -> Booking | None:
        try:
            answer = await self._request("booking.get", "GET", f"{address}?{BOOKING_QUERY}")
        except NotFound:
            return None
        return booking_from_wire(answer.json())

    async def update_booking(
        self, booking_id: str, *, etag: str, span: TimeSpan | None = None, event: EventAddress | None = None
    ) -> str:
        changes: dict[str, Any] = {}
        if span is not None:
            # How the service reconciles start, end and duration is not documented, so the three are always sent equal.
            changes["starttime"] = wire_time(span.start_at)
            changes["endtime"] = wire_time(span.end_at)
            changes["duration"] = span.minutes
        if event is not None:
            changes |= {EVENT_ID_COLUMN: event.event_id, EVENT_HASH_COLUMN: event_hash(*event)}
        return await self._patch("booking.update", booking_id, etag, changes)

    async def cancel_booking(self, booking_id: str, *, etag: str) -> None:
        status_id = await self._cancelled_status_id()
        changes = {"BookingStatus@odata.bind": f"/bookingstatuses({status_id})", **_NO_EVENT}
        await self._patch("booking.cancel", booking_id, etag, changes)

    async def clear_event_id(self, booking_id: str, *, etag: str) -> None:
        await self._patch("booking.update", booking_id, etag, _NO_EVENT)

    async def delete_booking(self, booking_id: str, *, etag: str) -> None:
        await self._request(
            "booking.delete", "DELETE", f"bookableresourcebookings({booking_id})", headers={"If-Match": etag}
        )

    async def list_linked_bookings(self, mailbox_id: str, window: TimeSpan) -> AsyncIterator[Booking]:
        condition = (
            f"Resource/UserId/azureactivedirectoryobjectid eq {mailbox_id} and {EVENT_HASH_COLUMN} ne null"
            f" and starttime lt {wire_time(window.end_at)} and endtime gt {wire_time(window.start_at)}"
            " and BookingStatus/status ne 3"
        )
        async for row in self._pages("booking.query", f"bookableresourcebookings?{BOOKING_QUERY}", condition):
            try:
                booking = booking_from_wire(row)
            except InvalidPayload as error:
                # An event that nobody expects is not suspected: leaving the row out is safe, failing the round is not.
                logger.warning("A booking is left out of a sweep: %s", error.reason, extra={"action": "unreadable"})
                continue
            if booking.event_id is not None and booking.names(mailbox_id, booking.event_id):
                yield booking

    async def list_mailboxes(self) -> AsyncIterator[str]:
        address = (
            "bookableresources?$select=bookableresourceid"
            "&$expand=UserId($select=azureactivedirectoryobjectid,isdisabled)"
        )
        condition = "resourcetype eq 3 and statecode eq 0"
        async for row in self._pages("resource.query", address, condition):
            user = row.get("UserId") or {}
            mailbox_id = user.get("azureactivedirectoryobjectid")
            if isinstance(mailbox_id, str) and not user.get("isdisabled"):
                yield mailbox_id.lower()

    async def _patch(self, operation: str, booking_id: str, etag: str, changes: dict[str, Any]) -> str:
        """Write `changes` if the row still is at `etag`; answers the new etag, for which a representation is needed."""
        answer = await self._request(
            operation,
            "PATCH",
            f"bookableresourcebookings({booking_id})?$select=bookableresourcebookingid",
            headers={"If-Match": etag, "Prefer": "return=representation"},
            json=changes,
        )
        new_etag = answer.json().get("@odata.etag")
        if not isinstance(new_etag, str):
            raise InvalidPayload("The answer to a PATCH carries no etag.", operation=operation)
        return new_etag

    async def _pages(self, operation: str, address: str, condition: str) -> AsyncIterator[dict[str, Any]]:
        """Every row of a query, page after page."""
        next_address: str | None = f"{address}&$filter={quote(condition, safe="()/,'")}"
        while next_address:
            page = (await self._request(operation, "GET", next_address)).json()
            for row in page.get("value", []):
                yield row
            next_address = page.get("@odata.nextLink")

    async def _cancelled_status_id(self) -> str:
        """The row that means cancelled: as configured, else as Field Service's settings say, else by its values."""
        if self._configured_status_id:
            return self._configured_status_id
        async with self._status_lookup:
            now = self._clock()
            if self._looked_up_status is None or now - self._looked_up_status[1] > STATUS_MEMORY:
                self._looked_up_status = (await self._look_up_cancelled_status(), now)
            return self._looked_up_status[0]

    async def _look_up_cancelled_status(self) -> str:
        for address, column in _CANCELLED_STATUS_SOURCES:
            try:
                answer = await self._request("status.query", "GET", address)
            except PermanentError:
                continue  # That table belongs to a solution which is not installed here, or is not ours to read.
            found = [row[column] for row in answer.json().get("value", []) if row.get(column)]
            if found:
                return str(found[0])
        raise Refused("No booking status that means cancelled can be read: set CANCELLED_STATUS_ID, then replay.")

    async def _request(
        self,
        operation: str,
        method: str,
        address: str,
        *,
        headers: dict[str, str] | None = None,
        json: dict[str, Any] | None = None,
    ) -> Answer:
        """Send to an address below the API path, or to a next link, and raise for a failure."""
        url = httpx.URL(self._base).join(address)
        if url.host != httpx.URL(self._base).host:
            raise InvalidPayload("Dataverse answered a link to another host.", operation=operation)
        return await self._transport.call(operation, self._sender(method, url, headers or {}, json))

    def _sender(
        self, method: str, url: httpx.URL, headers: dict[str, str], json: dict[str, Any] | None
    ) -> Callable[[], Awaitable[httpx.Response]]:
        async def send() -> httpx.Response:
            token = await self._credential.get_token(self._scope)
            async with self._in_flight:
                return await self._http.request(
                    method, url, headers={**headers, "Authorization": f"Bearer {token.token}"}, json=json
                )

        return send


_NO_EVENT = {EVENT_ID_COLUMN: None, EVENT_HASH_COLUMN: None}

_CANCELLED_STATUS_SOURCES = (
    (
        "msdyn_fieldservicesettings?$select=_msdyn_defaultcanceledbookingstatus_value",
        "_msdyn_defaultcanceledbookingstatus_value",
    ),
    (
        "msdyn_bookingsetupmetadatas?$select=_msdyn_defaultbookingcanceledstatus_value",
        "_msdyn_defaultbookingcanceledstatus_value",
    ),
    (
        (
            "bookingstatuses?$select=bookingstatusid"
            "&$filter=status%20eq%203%20and%20msdyn_fieldservicestatus%20eq%20690970005%20and%20statecode%20eq%200"
        ),
        "bookingstatusid",
    ),
    ("bookingstatuses?$select=bookingstatusid&$filter=status%20eq%203%20and%20statecode%20eq%200", "bookingstatusid"),
)
"""Where the cancelled status is looked for, in this order; customers add status rows of their own."""
