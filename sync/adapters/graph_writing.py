"""Writes into Outlook calendars: creates, changes and deletes events. No call here may name an attendee.

Whether Graph honours `If-Match` on events is not documented (event-update and event-delete do not name the header). So
it is sent wherever an etag is known, and what comes of it is learnt; see `GraphWriter.guards_writes`.
"""

import logging
from typing import Any

from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation

from sync.adapters.event_wire import changes_to_wire, draft_to_wire
from sync.adapters.graph_sending import GraphSender, set_json
from sync.adapters.graph_wire import event_from_wire
from sync.adapters.transport import MAXIMUM_ATTEMPTS, Answer
from sync.core.errors import NotFound, PreconditionFailed, SyncError
from sync.core.sides import Event, EventAddress
from sync.service.ports import EventChanges, EventDraft

logger = logging.getLogger(__name__)


STALE_REFUSALS = 2
"""How many writes at stale etags must be refused before etags are believed to be honoured."""


class GraphWriter:
    """The writing half of `EventCalendar`. Built once per process: what it learns about Graph is kept in it."""

    def __init__(self, sender: GraphSender) -> None:
        self._sender = sender
        self._honours_etags: bool | None = None
        self._is_probing = False
        self._stale_refusals = 0

    @property
    def guards_writes(self) -> bool:
        """Whether Graph has been seen to honour an event's etag.

        Where it does, a change can be written at the etag of the last known state without reading the event before,
        which saves a read for each change of a booking. Where it does not, such a write would overwrite what the
        technician has done since, so nothing is taken for granted.

        A conditional change that succeeds is written once more at the etag that it has just made stale: success means
        ignored. 412 means honoured when it comes for two such changes, since Exchange answers so now and then of its
        own accord, likeliest to writes in close succession; between the two a write at the newest etag has succeeded.
        Writing again changes nothing in the event but its etag, and nobody is mailed, because an event with attendees
        is not taken for this. Any other answer leaves the question to the next change, and a 412 for an ordinary write
        tells nothing. What was learnt stands for the life of the process, and of changes only: what becomes of a
        deletion at a stale etag cannot be tried.
        """
        return self._honours_etags is True

    async def create(self, mailbox_id: str, draft: EventDraft) -> Event:
        """See `EventCalendar.create_event`.

        Sent again in place only when Graph refused it unread: after any other failure the event may be there, and
        Graph promises nothing about a repeated transaction id. So the caller looks for the event before it tries again.
        """
        request = self._sender.sdk.users.by_user_id(mailbox_id).events.to_get_request_information()
        request.http_method = Method.POST
        set_json(request, draft_to_wire(draft))
        answer = await self._sender.send("event.create", request, mailbox_id, is_repeatable=False)
        return event_from_wire(mailbox_id, answer.json(), booking_id=draft.booking_id)

    async def update(self, address: EventAddress, changes: EventChanges, *, etag: str | None) -> Event:
        """See `EventCalendar.update_event`.

        The answer to a PATCH shows no mark: the event's `booking_id` is that of `changes`, and None says nothing.
        """
        body = changes_to_wire(changes)
        shown = await self._patch(address, body, etag)
        if etag and self._is_unknown_after(shown, etag):
            shown = await self._probe(address, shown, etag) or shown
        return event_from_wire(address.mailbox_id, shown, booking_id=changes.booking_id)

    async def delete(self, address: EventAddress, *, etag: str | None) -> None:
        """See `EventCalendar.delete_event`."""
        request = self._request(Method.DELETE, address)
        try:
            await self._send_at(etag, "event.delete", request, address)
        except NotFound:
            return

    def _is_unknown_after(self, shown: dict[str, Any], stale_etag: str) -> bool:
        """Whether a change that has just succeeded can and should tell if etags are honoured."""
        is_open = self._honours_etags is None and not self._is_probing and "showAs" in shown
        return is_open and shown.get("@odata.etag") not in (None, stale_etag) and not shown.get("attendees")

    async def _probe(self, address: EventAddress, shown: dict[str, Any], stale_etag: str) -> dict[str, Any] | None:
        """Write again what Graph has just shown, at an etag that is stale; the newest state if that was accepted.

        Not the change itself, which would undo what a technician does meanwhile. None also when somebody did.
        """
        self._is_probing = True
        try:
            newest = await self._patch(address, {"showAs": shown["showAs"]}, stale_etag, attempts=1)
        except SyncError as error:
            if isinstance(error, PreconditionFailed) and error.status == 412:
                self._stale_refusals += 1
                if self._stale_refusals == STALE_REFUSALS:
                    self._learn(honours_etags=True)
            logger.info("After a repeated change: %s", error.reason, extra={"action": "probe"})
            return None
        finally:
            self._is_probing = False
        self._learn(honours_etags=False)
        return newest if all(newest.get(name) == shown.get(name) for name in ("start", "end")) else None

    async def _patch(
        self, address: EventAddress, body: dict[str, Any], etag: str | None, *, attempts: int = MAXIMUM_ATTEMPTS
    ) -> dict[str, Any]:
        request = self._request(Method.PATCH, address)
        set_json(request, body)
        return (await self._send_at(etag, "event.update", request, address, attempts)).json()

    async def _send_at(
        self,
        etag: str | None,
        operation: str,
        request: RequestInformation,
        address: EventAddress,
        attempts: int = MAXIMUM_ATTEMPTS,
    ) -> Answer:
        """Send a write that is meant for the event's state at `etag`; an empty one says nothing, like None."""
        if etag:
            request.headers.try_add("If-Match", etag)
        return await self._sender.send(operation, request, address.mailbox_id, attempts=attempts)

    def _learn(self, *, honours_etags: bool) -> None:
        if self._honours_etags is None:
            self._honours_etags = honours_etags
            does = "honours" if honours_etags else "ignores"
            logger.info("Graph %s the etags of events.", does, extra={"action": "learnt"})

    def _request(self, method: Method, address: EventAddress) -> RequestInformation:
        builder = self._sender.sdk.users.by_user_id(address.mailbox_id).events.by_event_id(address.event_id)
        request = builder.to_get_request_information()
        request.http_method = method
        return request
