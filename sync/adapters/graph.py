"""Outlook calendars and subscriptions through Microsoft Graph: implements `EventCalendar`.

The SDK gives request builders, authentication and the request adapter; answers are read as JSON here, because its
entity classes cost seconds at first use and ten milliseconds for each event after (measured; docs/architecture.md).
Every call asks for immutable ids and UTC (Graph documentation, outlook-immutable-id).
"""

import json
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
from kiota_abstractions.authentication import AuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from msgraph.generated.users.item.calendar_view.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.users.item.events.events_request_builder import EventsRequestBuilder
from msgraph.generated.users.item.events.item.event_item_request_builder import EventItemRequestBuilder
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient

from sync.adapters.event_wire import LOOKALIKE_FIELDS, body_from_wire, is_lookalike
from sync.adapters.graph_sending import PREFER, GraphSender, request_for, set_json
from sync.adapters.graph_views import read_pages, read_view
from sync.adapters.graph_wire import (
    BOOKING_ID_PROPERTY,
    EXTENSION_NAME,
    delta_link_failure,
    delta_page_from_wire,
    event_from_wire,
    instant_to_wire,
    objects_from_wire,
    subscription_from_wire,
)
from sync.adapters.graph_writing import GraphWriter
from sync.adapters.transport import TIMEOUT, Answer, Transport
from sync.core.errors import InvalidPayload, NotFound, ServiceUnavailable, SyncError
from sync.core.notifications import client_state
from sync.core.sides import Event, EventAddress, TimeSpan
from sync.core.subscriptions import Subscription, SubscriptionPolicy
from sync.service.ports import DeltaPage, EventBody, EventChanges, EventDraft, SubscriptionOrder

logger = logging.getLogger(__name__)

DELTA_PAGE_SIZE = 100
BATCH_SIZE = 20
"""Graph documentation, json-batching: at most 20 requests."""

BATCH_TIMEOUT = httpx.Timeout(120, connect=5)
"""Seconds. To create a subscription Graph validates two URLs, with ten seconds each, and a cold door takes its time."""

VIEW_PAGE_SIZE = 50
VIEW_PAGES = 4
"""As many events at the time of one booking are no calendar in which one could be told from the others."""

SEARCH_PAGE_SIZE = 5
SEARCH_PAGES = 5
"""A booking has one event and a copy now and then, but Graph may answer a search with short pages, or empty ones."""

LOOKALIKES = 3
"""How many events that look alike are read, to see which of them are somebody's."""


def open_graph(
    authentication: AuthenticationProvider,
    transport: Transport,
    *,
    url: str,
    subscriptions: SubscriptionPolicy,
    secret: str,
    http_transport: httpx.AsyncBaseTransport | None = None,
) -> "GraphClient":
    """A `GraphClient` for the service at `url` (with its version). `http_transport` lets tests go without sockets.

    The HTTP client is a plain one: the SDK's own would retry besides `Transport`, and hide answers from it.
    """

    def sender(timeout: httpx.Timeout) -> GraphSender:
        adapter = GraphRequestAdapter(authentication, httpx.AsyncClient(timeout=timeout, transport=http_transport))
        adapter.base_url = url
        return GraphSender(GraphServiceClient(request_adapter=adapter), transport)

    return GraphClient(sender(TIMEOUT), sender(BATCH_TIMEOUT), subscriptions=subscriptions, secret=secret)


class GraphClient:
    """`EventCalendar` over Graph. Built once per process, on its event loop; see `bootstrap`."""

    def __init__(
        self,
        sender: GraphSender,
        batches: GraphSender,
        *,
        subscriptions: SubscriptionPolicy,
        secret: str,
    ) -> None:
        """`batches` is a sender with the patience for batches."""
        self.sender = sender
        self._sdk = sender.sdk
        self._send = sender.send
        self._batches = batches
        self._writer = GraphWriter(sender)
        self._subscriptions = subscriptions
        self._secret = secret

    @property
    def guards_writes(self) -> bool:
        """See `GraphWriter.guards_writes`, which says how it is learnt."""
        return self._writer.guards_writes

    async def find_event(self, mailbox_id: str, event_id: str) -> Event | None:
        query = EventItemRequestBuilder.EventItemRequestBuilderGetQueryParameters(
            select=_FIELDS,
            expand=[_EXPAND_EXTENSION, _EXPAND_PROPERTY],
        )
        builder = self._sdk.users.by_user_id(mailbox_id).events.by_event_id(event_id)
        request = builder.to_get_request_information(RequestConfiguration(query_parameters=query))
        try:
            answer = await self._send("event.get", request, mailbox_id)
        except NotFound:
            return None
        return event_from_wire(mailbox_id, answer.json())

    async def find_marked_event(self, mailbox_id: str, booking_id: str) -> Event | None:
        query = EventsRequestBuilder.EventsRequestBuilderGetQueryParameters(
            filter=(
                f"singleValueExtendedProperties/Any(ep: ep/id eq '{BOOKING_ID_PROPERTY}'"
                f" and ep/value eq '{booking_id}')"
            ),
            select=_FIELDS,
            expand=[_EXPAND_EXTENSION, _EXPAND_PROPERTY],
            top=SEARCH_PAGE_SIZE,
        )
        builder = self._sdk.users.by_user_id(mailbox_id).events
        request = builder.to_get_request_information(RequestConfiguration(query_parameters=query))
        items, is_all = await read_pages(self.sender, "event.search", request, mailbox_id, most_pages=SEARCH_PAGES)
        found = [_readable(mailbox_id, item) for item in items]
        # Extended property values are compared without case, and a copy of a copy may have been made into a series.
        ours = [event for event in found if event and event.booking_id == booking_id and not event.is_cancelled]
        if not ours and not is_all:
            # What lies on the other pages is not known, and "nothing" would cancel the booking.
            raise ServiceUnavailable("The search for an event did not come to its end.", operation="event.search")
        return min(ours, key=lambda event: event.modified_at, default=None)

    async def is_in_calendar(self, mailbox_id: str, event_id: str) -> bool:
        builder = self._sdk.users.by_user_id(mailbox_id).events.by_event_id(event_id).calendar
        try:
            await self._send("event.calendar", builder.to_get_request_information(), mailbox_id)
        except NotFound:
            return False
        return True

    async def find_lookalike(self, mailbox_id: str, span: TimeSpan, number: str) -> Event | None:
        """One view of the booking's time, and a read of whatever looks alike: a view may show no marks.

        Graph documents marks for events, and people report views that left extended properties out. An event that is
        another booking's must not pass for nobody's.
        """
        if not number.strip():
            return None
        shown = await read_view(
            self.sender,
            mailbox_id,
            span,
            fields=LOOKALIKE_FIELDS,
            page_size=VIEW_PAGE_SIZE,
            most_pages=VIEW_PAGES,
        )
        alike = [item["id"] for item in shown if is_lookalike(item, span, number)]
        if len(alike) > LOOKALIKES:
            return None
        read = [await self.find_event(mailbox_id, event_id) for event_id in alike]
        unmarked = [event for event in read if event and event.booking_id is None and event.span == span]
        return unmarked[0] if len(unmarked) == 1 else None

    async def create_event(self, mailbox_id: str, draft: EventDraft) -> Event:
        return await self._writer.create(mailbox_id, draft)

    async def read_body(self, address: EventAddress) -> EventBody:
        query = EventItemRequestBuilder.EventItemRequestBuilderGetQueryParameters(select=["body"])
        builder = self._sdk.users.by_user_id(address.mailbox_id).events.by_event_id(address.event_id)
        request = builder.to_get_request_information(RequestConfiguration(query_parameters=query))
        prefer = f'{PREFER}, outlook.body-content-type="html"'
        return body_from_wire((await self._send("event.get", request, address.mailbox_id, prefer=prefer)).json())

    async def update_event(self, address: EventAddress, changes: EventChanges, *, etag: str | None = None) -> Event:
        return await self._writer.update(address, changes, etag=etag)

    async def delete_event(self, address: EventAddress, *, etag: str | None = None) -> None:
        await self._writer.delete(address, etag=etag)

    async def read_delta(self, mailbox_id: str, *, window: TimeSpan, link: str | None) -> DeltaPage:
        builder = self._sdk.users.by_user_id(mailbox_id).calendar_view.delta
        if link is not None:
            request = request_for(link)
        else:
            query = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(
                start_date_time=instant_to_wire(window.start_at), end_date_time=instant_to_wire(window.end_at)
            )
            request = builder.to_get_request_information(RequestConfiguration(query_parameters=query))
        try:
            answer = await self._send(
                "calendarView.delta", request, mailbox_id, prefer=f"{PREFER}, odata.maxpagesize={DELTA_PAGE_SIZE}"
            )
        except SyncError as error:
            raise (error if link is None else delta_link_failure(error)) from error.__cause__
        return delta_page_from_wire(answer.json())

    async def list_subscriptions(self) -> AsyncIterator[Subscription]:
        builder = self._sdk.subscriptions
        request = builder.to_get_request_information()
        while True:
            page = (await self._send("subscription.list", request)).json()
            for item in objects_from_wire(page):
                subscription = subscription_from_wire(item)
                if subscription is not None:
                    yield subscription
            next_link = page.get("@odata.nextLink")
            if not isinstance(next_link, str):
                return
            request = request_for(next_link)

    async def order_subscriptions(
        self, orders: Sequence[SubscriptionOrder]
    ) -> Sequence[Subscription | Exception | None]:
        if len(orders) > BATCH_SIZE:
            raise ValueError(f"at most {BATCH_SIZE} orders fit a batch, not {len(orders)}")
        requests = [{"id": str(index), **self._batched(order)} for index, order in enumerate(orders)]
        request = RequestInformation(Method.POST, "{+baseurl}/$batch", {})
        set_json(request, {"requests": requests})
        # One attempt: what was created before an answer got lost would come back as 409.
        answer = await self._batches.send("batch", request, attempts=1)
        responses = {item.get("id"): item for item in objects_from_wire(answer.json(), "responses")}
        return [self._ordered(order, responses.get(str(index), {"status": 504})) for index, order in enumerate(orders)]

    def _batched(self, order: SubscriptionOrder) -> dict[str, Any]:
        """One request of a batch. Its URL is relative and without the version (Graph documentation, json-batching)."""
        headers = {"Content-Type": "application/json", "Prefer": 'IdType="ImmutableId"'}
        if order.expires_at is None:
            return {"method": "DELETE", "url": f"/subscriptions/{order.subscription_id}"}
        expiry = {"expirationDateTime": instant_to_wire(order.expires_at)}
        if order.subscription_id is not None:
            url = f"/subscriptions/{order.subscription_id}"
            return {"method": "PATCH", "url": url, "headers": headers, "body": expiry}
        body = {
            "changeType": "created,updated,deleted",
            "notificationUrl": self._subscriptions.notification_url,
            "lifecycleNotificationUrl": self._subscriptions.lifecycle_url,
            "resource": f"users/{order.mailbox_id}/events",
            "clientState": client_state(order.mailbox_id, self._secret),
            "latestSupportedTlsVersion": "v1_2",
            **expiry,
        }
        return {"method": "POST", "url": "/subscriptions", "headers": headers, "body": body}

    def _ordered(self, order: SubscriptionOrder, response: dict[str, Any]) -> Subscription | Exception | None:
        """What one order of a batch came to. A batch is not retried as a whole: each item has its own fate."""
        status = response.get("status")
        answer = Answer(
            status=status if isinstance(status, int) else 502,
            headers=httpx.Headers(response.get("headers") or {}),
            body=json.dumps(response.get("body") or {}).encode(),
        )
        try:
            if not answer.is_success:
                raise self._batches.failure(_operation(order), answer)
            if order.expires_at is None:
                return None
            subscription = subscription_from_wire(answer.json())
            if subscription is None:
                raise InvalidPayload("The answer is not an event subscription.", operation=_operation(order))
        except SyncError as error:
            error.mailbox_id = order.mailbox_id
            return error
        return subscription


_FIELDS = ["id", "start", "end", "type", "isAllDay", "isCancelled", "lastModifiedDateTime"]
"""Neither subject nor body: what is not read cannot leak."""

_EXPAND_EXTENSION = f"extensions($filter=id eq '{EXTENSION_NAME}')"
_EXPAND_PROPERTY = f"singleValueExtendedProperties($filter=id eq '{BOOKING_ID_PROPERTY}')"


def _readable(mailbox_id: str, item: dict[str, Any]) -> Event | None:
    """The event, None for one that cannot be read: a bad copy must not spoil the search for a good one."""
    try:
        return event_from_wire(mailbox_id, item)
    except InvalidPayload as error:
        logger.warning("An event of a search is left out: %s", error.reason, extra={"action": "unreadable"})
        return None


def _operation(order: SubscriptionOrder) -> str:
    if order.expires_at is None:
        return "subscription.delete"
    return "subscription.create" if order.subscription_id is None else "subscription.renew"
