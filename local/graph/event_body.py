"""Events from JSON: what a POST or PATCH may say, and what the service refuses of it.

Source: Graph documentation, user-post-events, event-update and resources/event.
"""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from local.graph.attendees import parse_attendees
from local.graph.errors import GraphError, invalid_request
from local.graph.events import Event, Mailbox
from local.graph.marks import parse_extended_properties, parse_extension
from local.graph.odata import zone_or_refusal
from local.graph.recurrence_json import parse_recurrence
from local.graph.wire import own_zone
from local.graph.zones import CUSTOM_ZONE, parse_local

_PLAIN: dict[str, tuple[type | frozenset[str], Any]] = {
    "subject": (str, ""),
    "importance": (frozenset({"low", "normal", "high"}), "normal"),
    "sensitivity": (frozenset({"normal", "personal", "private", "confidential"}), "normal"),
    "showAs": (frozenset({"free", "tentative", "busy", "oof", "workingElsewhere", "unknown"}), "busy"),
    "categories": (list, []),
    "isReminderOn": (bool, True),
    "reminderMinutesBeforeStart": (int, 15),
    "responseRequested": (bool, True),
    "allowNewTimeProposals": (bool, True),
    "hideAttendees": (bool, False),
    "isOnlineMeeting": (bool, False),
    "onlineMeetingProvider": (str, "unknown"),
}
"""Properties without rules of their own: type, or permitted values, and default."""

_OTHERS = {
    "body",
    "location",
    "attendees",
    "start",
    "end",
    "isAllDay",
    "recurrence",
    "singleValueExtendedProperties",
    "extensions",
    "transactionId",
    "originalStartTimeZone",
    "originalEndTimeZone",
}


def default_properties() -> dict[str, Any]:
    """The properties of an event of which nothing was said."""
    plain = {name: default for name, (_, default) in _PLAIN.items()}
    return {**plain, "body": {"contentType": "html", "content": ""}, "location": {"displayName": ""}, "attendees": []}


def parse_new_event(body: Any, mailbox: Mailbox) -> dict[str, Any]:
    """Fields of a new `Event`."""
    checked = _checked(body)
    if not isinstance(checked.get("start"), dict) or not isinstance(checked.get("end"), dict):
        raise invalid_request("An event needs start and end.", "ErrorInvalidPropertySet")
    times = _times(checked, mailbox, None)
    fields = {
        **times,
        "original_start_zone": times["start_zone"],
        "original_end_zone": times["end_zone"],
        "properties": {**default_properties(), **_properties(checked, [])},
        "extended_properties": parse_extended_properties(checked.get("singleValueExtendedProperties", [])),
        "extensions": dict(parse_extension(each) for each in checked.get("extensions") or []),
        "transaction_id": checked.get("transactionId"),
    }
    if checked.get("recurrence") is not None:
        zone = _nameable(times["start_zone"], mailbox)
        fields |= {"recurrence": parse_recurrence(checked["recurrence"], zone), "type": "seriesMaster"}
    return fields


def parse_event_change(body: Any, mailbox: Mailbox, event: Event) -> dict[str, Any]:
    """The fields of `event` that a PATCH changes."""
    checked = _checked(body)
    for name in ("transactionId", "extensions"):
        if name in checked:
            raise invalid_request(f"{name} cannot be changed by PATCH of an event.", "ErrorInvalidPropertySet")
    fields = _times(checked, mailbox, event) if {"start", "end", "isAllDay"} & set(checked) else {}
    if properties := _properties(checked, event.attendees):
        fields["properties"] = {**event.properties, **properties}
    if "singleValueExtendedProperties" in checked:
        changed = parse_extended_properties(checked["singleValueExtendedProperties"])
        fields["extended_properties"] = {**event.extended_properties, **changed}
    if "recurrence" in checked:
        if event.series_id is not None:
            raise invalid_request("An occurrence cannot recur; patch its series master.")
        zone = _nameable(fields.get("start_zone", event.start_zone), mailbox)
        fields["recurrence"] = parse_recurrence(checked["recurrence"], zone)
    return fields


def _checked(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise GraphError(400, "BadRequest", "The body of the request is not a JSON object.")
    for name in body:
        if name not in _PLAIN and name not in _OTHERS and not name.startswith("@odata."):
            message = (
                f"The property '{name}' does not exist on type 'microsoft.graph.event' or cannot be written. "
                "Make sure to only use property names that are defined by the type."
            )
            raise GraphError(400, "RequestBodyRead", message)
    return body


def _properties(body: Mapping[str, Any], known_attendees: list[dict[str, Any]]) -> dict[str, Any]:
    properties = {name: _plain(name, value) for name, value in body.items() if name in _PLAIN}
    if not all(isinstance(category, str) for category in properties.get("categories", [])):
        raise GraphError(400, "RequestBodyRead", "categories must be a list of texts.")
    if "body" in body:
        properties["body"] = _body(body["body"])
    if "location" in body:
        if not isinstance(body["location"], dict):
            raise invalid_request("location must be an object.")
        properties["location"] = {"displayName": "", **body["location"]}
    if "attendees" in body:
        properties["attendees"] = parse_attendees(body["attendees"], known_attendees)
    return properties


def _plain(name: str, value: Any) -> Any:
    permitted, default = _PLAIN[name]
    if value is None:
        return default
    if isinstance(permitted, frozenset):
        fits = value in permitted
    else:
        fits = isinstance(value, permitted) and not (permitted is int and isinstance(value, bool))
    if not fits:
        raise GraphError(400, "RequestBodyRead", f"{value!r} is not a value of the property '{name}'.")
    return value


def _body(value: Any) -> dict[str, str]:
    content_type = value.get("contentType", "html") if isinstance(value, dict) else None
    if content_type not in ("text", "html", "HTML", "Text") or not isinstance(value.get("content"), str):
        raise GraphError(400, "RequestBodyRead", "body needs contentType 'text' or 'html' and content.")
    return {"contentType": content_type.lower(), "content": value["content"]}


def _times(body: Mapping[str, Any], mailbox: Mailbox, event: Event | None) -> dict[str, Any]:
    """Start, end and all-day of the request over those of `event`, checked together."""
    fields: dict[str, Any] = {}
    if event is not None:
        names = ("start_at", "end_at", "start_zone", "end_zone", "is_all_day")
        fields = {name: getattr(event, name) for name in names}
    for side in ("start", "end"):
        if side in body:
            fields[f"{side}_at"], fields[f"{side}_zone"] = _time(side, body[side], mailbox)
    fields["is_all_day"] = bool(body.get("isAllDay", fields.get("is_all_day", False)))
    if fields["end_at"] < fields["start_at"]:
        raise invalid_request("The end lies before the start.", "ErrorCalendarEndDateIsEarlierThanStartDate")
    if fields["is_all_day"]:
        _check_all_day(fields, mailbox)
    return fields


def _time(side: str, value: Any, mailbox: Mailbox) -> tuple[datetime, str]:
    if not isinstance(value, dict) or not isinstance(value.get("dateTime"), str):
        raise invalid_request(f"{side} needs dateTime and timeZone.", "ErrorInvalidPropertySet")
    zone_name = value.get("timeZone") or ""
    zone = zone_or_refusal(_nameable(zone_name, mailbox))
    try:
        return parse_local(value["dateTime"], zone), zone_name
    except ValueError as error:
        raise GraphError(400, "RequestBodyRead", f"{side}: {error}.") from None


def _nameable(zone_name: str, mailbox: Mailbox) -> str:
    return mailbox.zone if zone_name == CUSTOM_ZONE else zone_name


def _check_all_day(fields: Mapping[str, Any], mailbox: Mailbox) -> None:
    zone = own_zone(fields["start_zone"], mailbox)
    if fields["start_zone"] != fields["end_zone"]:
        raise invalid_request("The start and end of an all-day event need to be in the same time zone.")
    for side in ("start", "end"):
        if fields[f"{side}_at"].astimezone(zone).time() != time():
            raise invalid_request(
                f"The Event.{side.title()} property for an all-day event needs to be set to midnight."
            )
    # Days at the clock changes last 23 or 25 hours.
    if fields["end_at"] - fields["start_at"] < timedelta(hours=23):
        raise invalid_request("The duration of an event marked as All day must be at least 24 hours.")
