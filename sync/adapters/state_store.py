"""`StateStore` on Azure Table Storage: one table per kind of value, spread over partitions by mailbox or booking."""

from collections.abc import AsyncIterator, Sequence

from azure.data.tables.aio import TableServiceClient

from sync.adapters.rows import RowKey, key_text
from sync.adapters.tables import PREFIX, ValueTable, VersionedTable
from sync.core.census import Census
from sync.core.mailboxes import BOOKINGS, Backfill, BookingCursor, Breaker, Cursor, Quarantine, SubscriptionRecord
from sync.core.memory import KnownBooking, KnownEvent, Link
from sync.core.sides import event_hash

_BOOKING_CURSOR = RowKey(BOOKINGS, "cursor")
_BACKFILL = RowKey(BOOKINGS, "backfill")
_CENSUS = RowKey("all", "census")


class TableStateStore:
    """See `StateStore`. A value's `version` is its row's etag."""

    def __init__(self, service: TableServiceClient, *, prefix: str = PREFIX) -> None:
        self._events = VersionedTable(
            service, f"{prefix}events", KnownEvent, lambda known: _event_key(known.mailbox_id, known.event_id)
        )
        self._bookings = VersionedTable(
            service, f"{prefix}knownbookings", KnownBooking, lambda known: _key(known.booking_id, "booking")
        )
        self._links = VersionedTable(service, f"{prefix}links", Link, lambda link: _key(link.booking_id, "link"))
        self._cursors = ValueTable(
            service, f"{prefix}cursors", Cursor, lambda cursor: _key(cursor.mailbox_id, "cursor")
        )
        self._booking_cursors = ValueTable(service, f"{prefix}bookingcursors", BookingCursor, lambda _: _BOOKING_CURSOR)
        self._backfills = ValueTable(service, f"{prefix}backfills", Backfill, lambda _: _BACKFILL)
        self._quarantines = ValueTable(
            service, f"{prefix}quarantine", Quarantine, lambda quarantine: _key(quarantine.mailbox_id, "quarantine")
        )
        self._breakers = VersionedTable(
            service, f"{prefix}breakers", Breaker, lambda breaker: _key(breaker.mailbox_id, "breaker")
        )
        self._subscriptions = ValueTable(
            service,
            f"{prefix}subscriptions",
            SubscriptionRecord,
            lambda record: _key(record.mailbox_id, "subscription"),
        )
        self._censuses = ValueTable(service, f"{prefix}census", Census, lambda _: _CENSUS)

    async def find_known_event(self, mailbox_id: str, event_id: str) -> KnownEvent | None:
        known = await self._events.find(_event_key(mailbox_id, event_id))
        return known if known and known.event_id == event_id else None

    async def save_known_event(self, known: KnownEvent) -> KnownEvent:
        return await self._events.save(known)

    async def delete_known_event(self, mailbox_id: str, event_id: str) -> None:
        await self._events.delete(_event_key(mailbox_id, event_id))

    def list_known_events(self, mailbox_id: str) -> AsyncIterator[KnownEvent]:
        return self._events.list_values(PartitionKey=key_text(mailbox_id))

    async def find_known_booking(self, booking_id: str) -> KnownBooking | None:
        return await self._bookings.find(_key(booking_id, "booking"))

    async def save_known_booking(self, known: KnownBooking) -> KnownBooking:
        return await self._bookings.save(known)

    async def delete_known_booking(self, booking_id: str) -> None:
        await self._bookings.delete(_key(booking_id, "booking"))

    async def find_link(self, booking_id: str) -> Link | None:
        return await self._links.find(_key(booking_id, "link"))

    async def save_link(self, link: Link) -> Link:
        return await self._links.save(link)

    async def delete_link(self, link: Link) -> None:
        await self._links.delete_version(link)

    def list_links(self) -> AsyncIterator[Link]:
        return self._links.list_values()

    async def find_booking_cursor(self) -> BookingCursor | None:
        return await self._booking_cursors.find(_BOOKING_CURSOR)

    async def save_booking_cursor(self, cursor: BookingCursor) -> None:
        await self._booking_cursors.put(cursor)

    async def delete_booking_cursor(self) -> None:
        await self._booking_cursors.delete(_BOOKING_CURSOR)

    async def find_backfill(self) -> Backfill | None:
        return await self._backfills.find(_BACKFILL)

    async def save_backfill(self, backfill: Backfill) -> None:
        await self._backfills.put(backfill)

    async def delete_backfill(self) -> None:
        await self._backfills.delete(_BACKFILL)

    async def find_cursor(self, mailbox_id: str) -> Cursor | None:
        return await self._cursors.find(_key(mailbox_id, "cursor"))

    async def save_cursor(self, cursor: Cursor) -> None:
        await self._cursors.put(cursor)

    async def delete_cursor(self, mailbox_id: str) -> None:
        await self._cursors.delete(_key(mailbox_id, "cursor"))

    async def find_quarantine(self, mailbox_id: str) -> Quarantine | None:
        return await self._quarantines.find(_key(mailbox_id, "quarantine"))

    async def save_quarantine(self, quarantine: Quarantine) -> None:
        await self._quarantines.put(quarantine)

    async def delete_quarantine(self, mailbox_id: str) -> None:
        await self._quarantines.delete(_key(mailbox_id, "quarantine"))

    def list_quarantines(self) -> AsyncIterator[Quarantine]:
        return self._quarantines.list_values()

    async def find_breaker(self, mailbox_id: str) -> Breaker | None:
        return await self._breakers.find(_key(mailbox_id, "breaker"))

    async def save_breaker(self, breaker: Breaker) -> Breaker:
        return await self._breakers.save(breaker)

    def list_breakers(self) -> AsyncIterator[Breaker]:
        return self._breakers.list_values()

    async def find_subscription_record(self, mailbox_id: str) -> SubscriptionRecord | None:
        return await self._subscriptions.find(_key(mailbox_id, "subscription"))

    async def save_subscription_record(self, record: SubscriptionRecord) -> None:
        await self._subscriptions.put(record)

    async def delete_subscription_record(self, mailbox_id: str) -> None:
        await self._subscriptions.delete(_key(mailbox_id, "subscription"))

    def list_subscription_records(self) -> AsyncIterator[SubscriptionRecord]:
        return self._subscriptions.list_values()

    async def page_subscription_records(self, after: str, limit: int) -> Sequence[SubscriptionRecord]:
        return await self._subscriptions.page(*_following(after), limit)

    async def page_quarantines(self, after: str, limit: int) -> Sequence[Quarantine]:
        return await self._quarantines.page(*_following(after), limit)

    async def find_census(self) -> Census | None:
        return await self._censuses.find(_CENSUS)

    async def save_census(self, census: Census) -> None:
        await self._censuses.put(census)

    async def delete_census(self) -> None:
        await self._censuses.delete(_CENSUS)


def _following(owner_id: str) -> tuple[str, dict[str, str]]:
    """The filter that selects the rows of the owners after one; an empty id comes before all."""
    return "PartitionKey gt @after", {"after": key_text(owner_id) if owner_id else ""}


def _key(owner_id: str, row: str) -> RowKey:
    """One row per owner; the fixed row key leaves room for more rows of the same owner."""
    return RowKey(key_text(owner_id), row)


def _event_key(mailbox_id: str, event_id: str) -> RowKey:
    """Hashed: an event id differs from another by case alone and may hold characters that keys forbid."""
    return RowKey(key_text(mailbox_id), event_hash(mailbox_id, event_id))
