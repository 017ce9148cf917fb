"""Bookings in Dataverse over its Web API: implements `BookingTable`.

Plain `httpx`: the vendor's Python SDK can send no etag, cannot follow changes, does not obey `Retry-After` and needs
pandas. Every PATCH carries `If-Match`, because without it a PATCH of an absent row creates it (Dataverse documentation,
update-delete-entities-using-web-api). What is asked stands in `dataverse_queries`, what answers mean in
`dataverse_wire`.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from itertools import batched
from typing import Any

from sync.adapters import dataverse_queries as queries
from sync.adapters.dataverse_http import DataverseHttp, page_preference
from sync.adapters.dataverse_queries import (
    BOOKINGS,
    EVENT_HASH_COLUMN,
    EVENT_ID_COLUMN,
    UNDELIVERED_COLUMN,
    UNDELIVERED_LENGTH,
)
from sync.adapters.dataverse_status import CancelledStatus
from sync.adapters.dataverse_wire import (
    booking_from_wire,
    bookings_page_from_wire,
    change_tracking_failure,
    changes_page_from_wire,
    listed_booking_from_wire,
    mailbox_of_resource,
    mailbox_of_user,
    version_from_wire,
)
from sync.core.errors import InvalidPayload, NotFound, PermanentError
from sync.core.sides import Booking, EventAddress, TimeSpan, event_hash
from sync.service.ports import BookingPage, BookingVersion, Clock, ListedBooking, Technician

logger = logging.getLogger(__name__)

PAGE_SIZE = 1_000
"""Rows in a page: fewer than the service would give (5,000), so that a page arrives well within the time-out."""

CHANGES_PAGE_SIZE = 5_000
"""The most that Dataverse gives: rows of changes are small, and a first round lists every booking there ever was."""

_USERS_IN_A_QUERY = 50
"""Two thousand characters of ids; an address may have 32,768."""

_NAMES = f'odata.include-annotations="{queries.FORMATTED_VALUE}"'
"""Shows the names of what lookups point at, as `BOOKING_QUERY` needs it."""

_NO_EVENT = {EVENT_ID_COLUMN: None, EVENT_HASH_COLUMN: None}


class DataverseClient:
    """`BookingTable` over Dataverse. Built once per process; see `bootstrap`."""

    def __init__(
        self,
        http: DataverseHttp,
        *,
        clock: Clock,
        cancelled_status_id: str | None = None,
        page_size: int = PAGE_SIZE,
        changes_page_size: int = CHANGES_PAGE_SIZE,
    ) -> None:
        """`cancelled_status_id` overrides what the settings tables say."""
        self._http = http
        self._cancelled_status = CancelledStatus(http, clock=clock, configured_id=cancelled_status_id)
        self._page_size = page_size
        self._changes_page_size = changes_page_size

    async def find_booking(self, booking_id: str) -> Booking | None:
        return await self._find(queries.row_address(BOOKINGS, booking_id))

    async def find_booking_of_event(self, mailbox_id: str, event_id: str) -> Booking | None:
        return await self._find(queries.booking_of_event_address(event_hash(mailbox_id, event_id)))

    async def list_bookings_naming(self, event_id: str) -> AsyncIterator[str]:
        async for row in self._rows(BOOKINGS, queries.bookings_naming(event_id)):
            # Dataverse compares without case, and event ids may differ by case alone.
            if row[EVENT_ID_COLUMN] == event_id:
                yield row["bookableresourcebookingid"].lower()

    async def _find(self, address: str) -> Booking | None:
        try:
            row = await self._http.read(f"{BOOKINGS}.get", f"{address}?{queries.BOOKING_QUERY}", prefer=_NAMES)
        except NotFound:
            return None
        return booking_from_wire(row)

    async def update_booking(
        self,
        booking_id: str,
        *,
        etag: str,
        span: TimeSpan | None = None,
        event: EventAddress | None = None,
        clears_event: bool = False,
        undelivered: str | None = None,
    ) -> BookingVersion:
        changes: dict[str, Any] = {}
        if span is not None:
            # How the service reconciles start, end and duration is not documented, so the three are always sent equal.
            changes["starttime"] = queries.wire_time(span.start_at)
            changes["endtime"] = queries.wire_time(span.end_at)
            changes["duration"] = span.minutes
        if clears_event:
            changes |= _NO_EVENT
        if event is not None:
            changes |= {EVENT_ID_COLUMN: event.event_id, EVENT_HASH_COLUMN: event_hash(*event)}
        if undelivered is not None:
            changes[UNDELIVERED_COLUMN] = queries.cut(undelivered, UNDELIVERED_LENGTH) or None
        return await self._patch(booking_id, etag, changes)

    async def cancel_booking(self, booking_id: str, *, etag: str) -> BookingVersion:
        status_id = await self._cancelled_status.get_id()
        changes = {"BookingStatus@odata.bind": f"/bookingstatuses({status_id})", **_NO_EVENT}
        return await self._patch(booking_id, etag, changes)

    async def delete_booking(self, booking_id: str, *, etag: str) -> None:
        address = queries.row_address(BOOKINGS, booking_id)
        await self._http.request(f"{BOOKINGS}.delete", "DELETE", address, headers={"If-Match": etag})

    async def _patch(self, booking_id: str, etag: str, changes: dict[str, Any]) -> BookingVersion:
        """Write `changes` if the row still is at `etag`; a representation saves reading what came of it."""
        answer = await self._http.request(
            f"{BOOKINGS}.update",
            "PATCH",
            f"{queries.row_address(BOOKINGS, booking_id)}?$select={queries.STATE_COLUMNS}",
            headers={"If-Match": etag, "Prefer": "return=representation"},
            json=changes,
        )
        return version_from_wire(answer.json())

    async def list_bookings(self, mailbox_id: str, window: TimeSpan) -> AsyncIterator[ListedBooking]:
        rows = self._rows(BOOKINGS, queries.bookings_of_mailbox(mailbox_id, window))
        async for booking in _readable(rows, lambda row: listed_booking_from_wire(row, mailbox_id)):
            yield booking

    async def list_bookings_of_work_order(self, work_order_id: str, *, ending_after: datetime) -> AsyncIterator[str]:
        async for row in self._rows(BOOKINGS, queries.bookings_of_work_order(work_order_id, ending_after)):
            yield row["bookableresourcebookingid"].lower()

    async def list_bookings_of_changed_work_orders(
        self, since: datetime, *, ending_after: datetime
    ) -> AsyncIterator[Booking]:
        rows = self._rows_with_names(BOOKINGS, queries.bookings_of_changed_work_orders(since, ending_after))
        async for booking in _readable(rows, booking_from_wire):
            yield booking

    async def read_bookings(self, window: TimeSpan, link: str | None) -> BookingPage:
        address = link or queries.bookings_of_users(window)
        return bookings_page_from_wire(
            await self._http.read(f"{BOOKINGS}.query", address, prefer=page_preference(self._page_size))
        )

    async def read_booking_changes(self, link: str | None) -> BookingPage:
        try:
            document = await self._http.read(
                f"{BOOKINGS}.delta",
                link or queries.changed_bookings(),
                prefer=f"odata.track-changes,{page_preference(self._changes_page_size)}",
            )
        except PermanentError as error:
            raise change_tracking_failure(error, link) from error
        return changes_page_from_wire(document, link)

    async def find_mailbox_of_resource(self, resource_id: str) -> str | None:
        try:
            resource = await self._http.read(f"{queries.RESOURCES}.get", queries.resource_address(resource_id))
        except NotFound:
            return None
        return mailbox_of_resource(resource)

    async def list_microsoft_synced(self) -> AsyncIterator[str]:
        # By two queries: whether a mailbox has a navigation property to its user, and its name, is not documented.
        mailboxes = self._rows(queries.MAILBOXES, queries.synchronized_mailboxes())
        owners = [owner async for row in mailboxes if (owner := row.get("_regardingobjectid_value"))]
        for user_ids in batched(owners, _USERS_IN_A_QUERY, strict=False):
            async for mailbox_id in self._mailboxes_of_users(user_ids):
                yield mailbox_id

    async def _mailboxes_of_users(self, user_ids: Sequence[str]) -> AsyncIterator[str]:
        """Those of the ids that are users'; a mailbox may also belong to a queue."""
        async for user in self._rows(queries.USERS, queries.users_by_id(user_ids)):
            if mailbox_id := mailbox_of_user(user):
                yield mailbox_id

    def list_technicians_of(self, mailbox_ids: Sequence[str]) -> AsyncIterator[Technician]:
        return self._technicians(queries.technicians_of(mailbox_ids))

    def list_technicians_named(self, text: str) -> AsyncIterator[Technician]:
        return self._technicians(queries.technicians_named(text))

    async def _technicians(self, address: str) -> AsyncIterator[Technician]:
        async for resource in self._rows(queries.RESOURCES, address):
            if mailbox_id := mailbox_of_user(resource.get("UserId") or {}):
                yield Technician(mailbox_id, resource.get("name") or "")

    async def list_mailboxes(self) -> AsyncIterator[str]:
        async for resource in self._rows(queries.RESOURCES, queries.user_resources()):
            user = resource.get("UserId") or {}
            mailbox_id = mailbox_of_user(user)
            if mailbox_id and not user.get("isdisabled"):
                yield mailbox_id

    def _rows(self, entity_set: str, address: str) -> AsyncIterator[dict[str, Any]]:
        return self._http.rows(f"{entity_set}.query", address, page_size=self._page_size)

    async def _rows_with_names(self, entity_set: str, address: str) -> AsyncIterator[dict[str, Any]]:
        """Rows that also show the names of what their lookups point at."""
        prefer = f"{_NAMES},{page_preference(self._page_size)}"
        next_address: str | None = address
        while next_address:
            page = await self._http.read(f"{entity_set}.query", next_address, prefer=prefer)
            for row in page.get("value", []):
                yield row
            next_address = page.get("@odata.nextLink")


async def _readable[T](rows: AsyncIterator[dict[str, Any]], read: Callable[[dict[str, Any]], T]) -> AsyncIterator[T]:
    """The rows of a sweep that can be read."""
    async for row in rows:
        try:
            one = read(row)
        except InvalidPayload as error:
            # What nobody expects is not suspected: leaving the row out is safe, failing the round is not.
            logger.warning("A booking is left out of a sweep: %s", error.reason, extra={"action": "unreadable"})
            continue
        yield one
