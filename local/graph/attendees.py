"""Attendees of an event and their answers. Source: Graph documentation, resources/attendee and responsestatus."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local.graph.errors import invalid_request
from local.graph.zones import utc_text

NO_ANSWER = {"response": "none", "time": "0001-01-01T00:00:00Z"}
ANSWERS = ("accepted", "tentativelyAccepted", "declined")
_MOST = 500


def parse_attendees(value: Any, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Attendees of a request body; those who are `known` keep their answers, which an organiser cannot write."""
    if not isinstance(value, list) or len(value) > _MOST:
        raise invalid_request(f"attendees must be a list of at most {_MOST}.")
    answers = {address_of(attendee): attendee["status"] for attendee in known}
    attendees = []
    for each in value:
        address = each.get("emailAddress") if isinstance(each, dict) else None
        if not isinstance(address, dict) or not isinstance(address.get("address"), str):
            raise invalid_request("An attendee needs emailAddress.address.", "ErrorInvalidRecipients")
        attendees.append(
            {
                "type": each.get("type") or "required",
                "status": answers.get(address["address"].lower(), NO_ANSWER),
                "emailAddress": {"name": address.get("name") or address["address"], "address": address["address"]},
            }
        )
    return attendees


def address_of(attendee: Mapping[str, Any]) -> str:
    return str(attendee["emailAddress"]["address"]).lower()


def without_answers(attendees: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**attendee, "status": NO_ANSWER} for attendee in attendees]


def with_answer(attendees: list[dict[str, Any]], address: str, response: str, at: datetime) -> list[dict[str, Any]]:
    """The attendees after one of them has answered at `at`. Raises `ValueError` for a stranger or an unknown answer."""
    if response not in ANSWERS:
        raise ValueError(f"an answer is one of {', '.join(ANSWERS)}, not {response!r}")
    if address.lower() not in map(address_of, attendees):
        raise ValueError(f"{address!r} is no attendee of this event")
    status = {"response": response, "time": utc_text(at)}
    return [
        {**attendee, "status": status} if address_of(attendee) == address.lower() else attendee
        for attendee in attendees
    ]
