"""Meetings with their attendees over Graph: implements `MeetingCalendar`.

Neither subject nor body is asked for. Shapes: Graph documentation, resources/event, attendee, responsestatus;
checked 2026-11-21.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.users.item.events.item.event_item_request_builder import EventItemRequestBuilder

from sync.adapters.graph_sending import GraphSender
from sync.adapters.graph_views import read_view
from sync.adapters.graph_wire import instant_from_wire, time_from_wire
from sync.core.answers import Answer, Attendance, Attendee, Meeting
from sync.core.errors import InvalidPayload, NotFound
from sync.core.sides import SINGLE_INSTANCE, TimeSpan

logger = logging.getLogger(__name__)

FIELDS = ["id", "iCalUId", "type", "isOrganizer", "start", "end", "attendees"]
PAGE_SIZE = 250

_NO_TIME = 1
"""The year of an unset time."""

_ANSWERS = {
    "accepted": Answer.ACCEPTED,
    "tentativelyAccepted": Answer.TENTATIVE,
    "declined": Answer.DECLINED,
}
"""Both `none` and `notResponded` mean that nothing was said."""

_ORGANIZER = "organizer"


class GraphMeetings:
    """`MeetingCalendar` over Graph. Built once per process; see `bootstrap`."""

    def __init__(self, sender: GraphSender) -> None:
        self._sender = sender

    async def find_meeting(self, mailbox_id: str, event_id: str) -> Meeting | None:
        query = EventItemRequestBuilder.EventItemRequestBuilderGetQueryParameters(select=FIELDS)
        builder = self._sender.sdk.users.by_user_id(mailbox_id).events.by_event_id(event_id)
        request = builder.to_get_request_information(RequestConfiguration(query_parameters=query))
        try:
            answer = await self._sender.send("event.get", request, mailbox_id)
        except NotFound:
            return None
        return meeting_from_wire(mailbox_id, answer.json())

    async def list_meetings(self, mailbox_id: str, window: TimeSpan) -> Sequence[Meeting]:
        events = await read_view(self._sender, mailbox_id, window, fields=FIELDS, page_size=PAGE_SIZE)
        invited = [event for event in events if event.get("attendees")]
        return [meeting for event in invited if (meeting := _readable(mailbox_id, event))]


def _readable(mailbox_id: str, item: dict[str, Any]) -> Meeting | None:
    """The meeting, None for one that cannot be read: it must not keep the others' answers from being seen."""
    try:
        return meeting_from_wire(mailbox_id, item)
    except InvalidPayload as error:
        logger.warning("A meeting is left out of a sweep: %s", error.reason, extra={"action": "unreadable"})
        return None


def meeting_from_wire(mailbox_id: str, data: Mapping[str, Any]) -> Meeting:
    """An event with its attendees, as answered in UTC. Raises `InvalidPayload` for what is none."""
    try:
        attendees = [_attendee(item) for item in data.get("attendees") or [] if _is_guest(item)]
        return Meeting(
            mailbox_id=mailbox_id,
            event_id=data["id"],
            etag=data["@odata.etag"],
            uid=data.get("iCalUId") or "",
            span=_span(data),
            is_organizer=data.get("isOrganizer") is True,
            type=data.get("type") or SINGLE_INSTANCE,
            attendees=tuple(attendees),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        unreadable = InvalidPayload(f"A meeting cannot be read: {type(error).__name__}")
        unreadable.mailbox_id = mailbox_id
        raise unreadable from error


def _is_guest(item: Mapping[str, Any]) -> bool:
    """Not the organizer, whom some clients list among the attendees, and not an entry without an address."""
    is_organizer = (item.get("status") or {}).get("response") == _ORGANIZER
    return not is_organizer and bool((item.get("emailAddress") or {}).get("address"))


def _attendee(item: Mapping[str, Any]) -> Attendee:
    status, who = item.get("status") or {}, item["emailAddress"]
    answer = _ANSWERS.get(status.get("response") or "", Answer.NONE)
    proposed = item.get("proposedNewTime")
    kinds = [kind.value for kind in Attendance]
    return Attendee(
        address=who["address"],
        name=who.get("name") or "",
        attendance=Attendance(item["type"]) if item.get("type") in kinds else Attendance.REQUIRED,
        answer=answer,
        answered_at=_answered_at(status.get("time")) if answer is not Answer.NONE else None,
        proposed=_span(proposed) if proposed else None,
    )


def _answered_at(text: str | None) -> datetime | None:
    moment = instant_from_wire(text) if text else None
    return moment if moment and moment.year > _NO_TIME else None


def _span(data: Mapping[str, Any]) -> TimeSpan:
    return TimeSpan(start_at=time_from_wire(data["start"]), end_at=time_from_wire(data["end"]))
