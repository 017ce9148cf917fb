"""What an event says: its subject, location, body, categories and free/busy state, from templates over a booking.

The fields are those that Microsoft's own integration shows (Field Service documentation, field-service-exchange). A
template is one line of plain text. `{priority}` prints a field; `[Priority {priority}]` goes when every field in it is
empty; `\\n` is a line break; doubled brackets and braces print themselves. Values are plain text and stay plain text:
nothing in them is markup, neither for us nor for Outlook.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from hashlib import sha256
from html import escape

from sync.core.body import defuse, frame, text_digest
from sync.core.sides import Booking, BookingPhase, WorkOrder, whole_second_utc

TEMPLATE_FIELDS: Mapping[str, str] = {
    "number": "the work order's number; the booking's name where there is no work order",
    "booking": "the booking's name",
    "status": "the name of the booking's status",
    "time_window": "the time window that the customer was promised, in the zone set for it",
    "location": "the work order's address, in one line",
    "priority": "the work order's priority",
    "work_order_type": "the work order's type",
    "incident_type": "the work order's primary incident type",
    "summary": "the work order's summary",
    "account": "the work order's service account",
    "contact": "the work order's primary contact",
    "link": "the way to the booking in Dynamics 365: a link in the body, an address elsewhere",
}
"""What a template may name, and what it prints."""

DEFAULT_SUBJECT = "{number}[, {account}][: {incident_type}]"
DEFAULT_LOCATION = "{location}"
DEFAULT_CATEGORIES = "Dynamics 365"
DEFAULT_BODY = (
    r"{number}\n"
    r"Time window: {time_window}\n"
    r"Location: {location}\n"
    r"Priority: {priority}\n"
    r"Type: {work_order_type}\n"
    r"Incident: {incident_type}\n"
    r"Account: {account}\n"
    r"Contact: {contact}\n"
    r"Summary: {summary}\n"
    r"{link}"
)
"""Without the status: it changes with every step of the work, and each would cost reading and writing the event."""

LONGEST_TEXT = 255
"""What Exchange keeps of a subject, a location or a category, in UTF-16 units."""

LINK_TEXT = "Open in Dynamics 365"

BODY_TEXT = "body_text"
"""Where `Link.written` keeps the `text_digest` of the block written last."""

_LINK_MARK = "\x00"
"""Stands for the link until the text around it is escaped. No value contains it: control characters are removed."""

_PIECE = re.compile(r"\{\{|\}\}|\[\[|\]\]|\{[^{}\[\]]*\}|[\[\]{}]|[^\[\]{}]+")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters, and what XML, and so Exchange, cannot carry."""


class ShowAs(StrEnum):
    """An event's free/busy state, in Graph's spelling."""

    FREE = "free"
    TENTATIVE = "tentative"
    BUSY = "busy"
    OUT_OF_OFFICE = "oof"
    WORKING_ELSEWHERE = "workingElsewhere"


@dataclass(frozen=True, slots=True)
class _Field:
    name: str


@dataclass(frozen=True, slots=True)
class _Optional:
    parts: tuple[str | _Field, ...]


type _Line = tuple[str | _Field | _Optional, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A text with fields, read once."""

    _lines: tuple[_Line, ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        r"""Lines are separated by line breaks or by `\n` written out.

        Raises `ValueError` with the problem in words that follow the template's name.
        """
        return cls(tuple(_parse_line(line) for line in _clean(text.replace(r"\n", "\n")).split("\n")))

    def line(self, values: Mapping[str, str]) -> str:
        """The text in one line, white space collapsed. `values` has every template field."""
        return " ".join(" ".join(_print(line, values) for line in self._lines).split())

    def lines(self, values: Mapping[str, str]) -> list[str]:
        """The text line by line, without the lines that name fields all of which are empty."""
        return [_print(line, values) for line in self._lines if not _is_in_vain(line, values)]


def _parse_line(line: str) -> _Line:
    parts: list[str | _Field | _Optional] = []
    bracket: list[str | _Field] | None = None
    for piece in _PIECE.findall(line):
        if piece == "[":
            if bracket is not None:
                raise ValueError("has a bracket within a bracket: close the first one before")
            bracket = []
        elif piece == "]":
            parts.append(_optional(bracket))
            bracket = None
        else:
            (parts if bracket is None else bracket).append(_text_or_field(piece))
    if bracket is not None:
        raise ValueError("has a [ that is not closed in the same line: add ], or write [[ for the character")
    return tuple(parts)


def _optional(bracket: list[str | _Field] | None) -> _Optional:
    if bracket is None:
        raise ValueError("has a ] without a [ in the same line: add it, or write ]] for the character")
    if not any(isinstance(part, _Field) for part in bracket):
        raise ValueError("has brackets without a field in them: name one, or write [[ and ]] for the characters")
    return _Optional(tuple(bracket))


def _text_or_field(piece: str) -> str | _Field:
    if piece in ("{{", "}}", "[[", "]]"):
        return piece[0]
    if piece in ("{", "}"):
        raise ValueError(f"has a {piece} that belongs to no field: write {piece * 2} for the character")
    if not piece.startswith("{"):
        return piece
    if (name := piece[1:-1]) not in TEMPLATE_FIELDS:
        raise ValueError(f"names the unknown field {piece}; there are: {', '.join(TEMPLATE_FIELDS)}")
    return _Field(name)


def _print(parts: _Line, values: Mapping[str, str]) -> str:
    printed = ""
    for part in parts:
        if isinstance(part, str):
            printed += part
        elif isinstance(part, _Field):
            printed += values[part.name]
        elif not _is_in_vain(part.parts, values):
            printed += _print(part.parts, values)
    return printed


def _is_in_vain(parts: _Line, values: Mapping[str, str]) -> bool:
    """Whether fields are named and all are empty."""
    named = list(_fields_of(parts))
    return bool(named) and not any(values[field.name] for field in named)


def _fields_of(parts: _Line) -> Iterator[_Field]:
    for part in parts:
        if isinstance(part, _Field):
            yield part
        elif isinstance(part, _Optional):
            yield from _fields_of(part.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """The customer's choices. `zone` is for the time window; `record_url` is the environment's address, without a
    slash at its end.
    """

    subject: Template
    location: Template
    body: Template
    categories: Template
    show_as: ShowAs
    zone: tzinfo
    record_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventContent:
    """What an event is to say. `body` is HTML, and our block of the body only (see `sync.core.body`)."""

    subject: str
    location: str
    body: str
    categories: tuple[str, ...]
    show_as: ShowAs

    def digests(self) -> dict[str, str]:
        """By field name, a short digest: enough to tell a change, and nothing of the text."""
        texts = {
            "subject": self.subject,
            "location": self.location,
            "body": self.body,
            "categories": "\n".join(self.categories),
            "show_as": self.show_as,
        }
        return {name: sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()}

    def written(self, fields: Collection[str] | None = None) -> dict[str, str]:
        """What `Link.written` is to say once an event was given these fields, or all of them."""
        digests = {name: digest for name, digest in self.digests().items() if fields is None or name in fields}
        return digests | {BODY_TEXT: text_digest(self.body)} if "body" in digests else digests


def render(booking: Booking, templates: Templates) -> EventContent:
    """What the booking's event is to say. A cancelled booking's event says so, and leaves its time free."""
    values = _values(booking, templates.zone)
    link = f"{templates.record_url}/main.aspx?etn=bookableresourcebooking&pagetype=entityrecord&id={booking.booking_id}"
    plain = values | {"link": link}
    is_cancelled = booking.phase is BookingPhase.CANCELLED
    subject = templates.subject.line(plain) or "Booking"
    return EventContent(
        subject=_cut(f"Cancelled: {subject}" if is_cancelled else subject),
        location=_cut(templates.location.line(plain)),
        body=_body(templates.body.lines(values | {"link": _LINK_MARK}), link),
        categories=_categories(templates.categories, plain),
        show_as=ShowAs.FREE if is_cancelled else templates.show_as,
    )


def changed_fields(content: EventContent, written: Mapping[str, str]) -> frozenset[str]:
    """The fields that differ from those whose digests were `written` last; all of them when none were."""
    return frozenset(name for name, digest in content.digests().items() if written.get(name) != digest)


def is_outdated(written: Mapping[str, str], booking: Booking, templates: Templates) -> bool:
    """Whether an event that was last given what `written` tells says anything but what its booking says by now.

    Of an event that was given nothing yet (a copy that took the place of ours), nothing is known.
    """
    return bool(written) and bool(changed_fields(render(booking, templates), written))


def _values(booking: Booking, zone: tzinfo) -> dict[str, str]:
    """Every field but the link."""
    order = booking.work_order or WorkOrder(work_order_id="")
    values = {
        "number": order.number,
        "booking": booking.name,
        "status": booking.status_name,
        "time_window": _time_window(order.window_start_at, order.window_end_at, zone),
        "location": order.location,
        "priority": order.priority,
        "work_order_type": order.type,
        "incident_type": order.incident_type,
        "summary": order.summary,
        "account": order.account,
        "contact": order.contact,
    }
    printable = {name: _clean(value).strip() for name, value in values.items()}
    return printable | {"number": printable["number"] or printable["booking"]}


def _clean(text: str) -> str:
    """Without what cannot be printed; every kind of line break becomes a line feed."""
    return _UNPRINTABLE.sub("", "\n".join(text.splitlines()))


def _time_window(start: datetime | None, end: datetime | None, zone: tzinfo) -> str:
    """Raises `ValueError` for a naive time."""
    start = whole_second_utc(start).astimezone(zone) if start else None
    end = whole_second_utc(end).astimezone(zone) if end else None
    if start is None:
        return f"until {end:%Y-%m-%d %H:%M %Z}" if end else ""
    if end is None:
        return f"from {start:%Y-%m-%d %H:%M %Z}"
    if start.tzname() != end.tzname():
        return f"{start:%Y-%m-%d %H:%M %Z} \N{EN DASH} {end:%Y-%m-%d %H:%M %Z}"
    if start.date() != end.date():
        return f"{start:%Y-%m-%d %H:%M} \N{EN DASH} {end:%Y-%m-%d %H:%M %Z}"
    return f"{start:%Y-%m-%d %H:%M}\N{EN DASH}{end:%H:%M %Z}"


def _body(lines: list[str], link: str) -> str:
    """The lines as HTML. Between two links stands plain text, defused as a whole: a line may be built of two values."""
    anchor = f'<a href="{escape(link)}">{LINK_TEXT}</a>'
    texts = "\n".join(lines).split(_LINK_MARK)
    return frame(anchor.join(escape(defuse(text)).replace("\n", "<br>") for text in texts))


def _categories(template: Template, values: Mapping[str, str]) -> tuple[str, ...]:
    """Separated by the template's semicolons, never by one in a value. Outlook tells categories apart without case."""
    line = template.line({name: value.replace(";", " ") for name, value in values.items()})
    categories: dict[str, str] = {}
    for part in line.split(";"):
        if name := _cut(" ".join(part.split())):
            categories.setdefault(name.casefold(), name)
    return tuple(categories.values())


def _cut(text: str) -> str:
    units = text.encode("utf-16-le")
    if len(units) <= 2 * LONGEST_TEXT:
        return text
    return units[: 2 * (LONGEST_TEXT - 1)].decode("utf-16-le", "ignore").rstrip() + "\N{HORIZONTAL ELLIPSIS}"
