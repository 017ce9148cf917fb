"""Events as JSON: how the service shows them.

Source: Graph documentation, resources/event and event-get.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from local.graph import ids
from local.graph.body_text import text_of
from local.graph.events import Event, Mailbox
from local.graph.marks import expanded
from local.graph.odata import Expand, Preferences
from local.graph.recurrence_json import recurrence_json
from local.graph.zones import CUSTOM_ZONE, local_text, utc_text, zone_named

GRAPH_ROOT = "https://graph.microsoft.com/v1.0"
_PREVIEW_CHARACTERS = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWriter:
    """Writes events of one mailbox as one request wants them."""

    mailbox: Mailbox
    switches: Mapping[str, Any]
    preferences: Preferences
    expand: Expand = field(default_factory=Expand)
    select: frozenset[str] | None = None

    def write(self, event: Event) -> dict[str, Any]:
        """An event as an item of a list; always with etag and id."""
        shown = self._identity(event) | self._content(event) | self._times(event)
        if self.select is not None:
            shown = {name: value for name, value in shown.items() if name in self.select or name == "id"}
        return {"@odata.etag": event.etag, **shown, **expanded(event, self.expand, self.switches)}

    def write_alone(self, event: Event) -> dict[str, Any]:
        """An event as the whole of an answer."""
        context = f"{GRAPH_ROOT}/$metadata#users('{self.mailbox.mailbox_id}')/events/$entity"
        return {"@odata.context": context, **self.write(event)}

    def _identity(self, event: Event) -> dict[str, Any]:
        form = self.preferences.id_form
        return {
            "id": event.id_in(form),
            "createdDateTime": utc_text(event.created_at),
            "lastModifiedDateTime": utc_text(event.changed_at),
            "changeKey": event.change_key,
            "iCalUId": event.ical_uid or ids.ical_uid(event.immutable_id),
            **({"transactionId": event.transaction_id} if event.transaction_id else {}),
            "type": event.type,
            "seriesMasterId": event.series_id_in(form),
            "isOrganizer": event.is_organizer,
            "isCancelled": event.is_cancelled,
            "isDraft": False,
        }

    def _content(self, event: Event) -> dict[str, Any]:
        body = event.properties["body"]
        text, markup = _text_and_markup(body)
        shown_body = (
            {"contentType": "text", "content": text}
            if self.preferences.body_as_text
            else {"contentType": "html", "content": markup}
        )
        own_response = "organizer" if event.is_organizer else "notResponded"
        mailbox = self.mailbox
        organizer = {"name": mailbox.display_name, "address": mailbox.address}
        return {
            **event.properties,
            "body": shown_body,
            "bodyPreview": text[:_PREVIEW_CHARACTERS],
            "locations": [event.properties["location"]] if event.properties["location"].get("displayName") else [],
            "hasAttachments": False,
            "responseStatus": {"response": own_response, "time": "0001-01-01T00:00:00Z"},
            "organizer": {"emailAddress": organizer if event.is_organizer else _OTHER_ORGANIZER},
            "webLink": f"https://outlook.office365.com/owa/?itemid={event.id_in('default')}&exvsurl=1",
            "recurrence": recurrence_json(event.recurrence) if event.recurrence else None,
        }

    def _times(self, event: Event) -> dict[str, Any]:
        return {
            "isAllDay": event.is_all_day,
            "start": self._time(event, event.start_at, event.start_zone),
            "end": self._time(event, event.end_at, event.end_zone),
            "originalStartTimeZone": event.original_start_zone,
            "originalEndTimeZone": event.original_end_zone,
        }

    def _time(self, event: Event, at: datetime, zone_name: str) -> dict[str, str]:
        is_floating = event.is_all_day and self.switches["all_day"] == "floating"
        zone = own_zone(zone_name, self.mailbox) if is_floating else self.preferences.zone
        return {"dateTime": local_text(at, zone), "timeZone": self.preferences.zone_name}


_OTHER_ORGANIZER = {"name": "Someone Else", "address": "someone.else@partner.example"}


def own_zone(name: str, mailbox: Mailbox) -> tzinfo:
    """The zone of an event's time; the mailbox's own stands in for a custom one."""
    return zone_named(mailbox.zone if name == CUSTOM_ZONE else name)


def _text_and_markup(body: Mapping[str, str]) -> tuple[str, str]:
    content = body["content"]
    if body["contentType"].lower() == "html":
        return text_of(content), content
    lines = "<br>".join(html.escape(content, quote=False).splitlines())
    return content, f"<html><head></head><body><div>{lines}</div></body></html>"
