"""The part of OData that Outlook calendars understand here: `Prefer`, `$expand`, `$filter`, `$select` and paging.

What is not read is refused, as the service refuses it. Sources: Graph documentation, outlook-immutable-id,
opentypeextension-get, singlevaluelegacyextendedproperty-get.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from local.graph.errors import GraphError, invalid_request
from local.graph.events import Event
from local.graph.ids import IdForm
from local.graph.zones import UnknownZoneError, zone_named

_PREFERENCE = re.compile(r'([\w.-]+)\s*=\s*(?:"([^"]*)"|([^\s,;"]+))')
_QUOTED = r"'((?:[^']|'')*)'"
_ID_IS = re.compile(rf"\s*id\s+eq\s+{_QUOTED}\s*", re.IGNORECASE)
_HAS_EXTENSION = re.compile(rf"extensions/any\(\s*(\w+)\s*:\s*\1/id\s+eq\s+{_QUOTED}\s*\)", re.IGNORECASE)
_HAS_PROPERTY = re.compile(
    rf"singleValueExtendedProperties/any\(\s*(\w+)\s*:\s*\1/id\s+eq\s+{_QUOTED}\s+and\s+"
    rf"(?:\1/value\s+(?P<operator>eq|ne)\s+{_QUOTED}|(?P<function>contains|startswith)\(\s*\1/value\s*,\s*{_QUOTED}\s*\))"
    r"\s*\)",
    re.IGNORECASE,
)
_PROPERTY_ID = re.compile(r"(\w+) \{([0-9a-fA-F-]{36})\} (Name .+|Id 0x[0-9a-fA-F]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What a request's `Prefer` headers ask for. `applied` is the text of `Preference-Applied`, empty for none."""

    id_form: IdForm = "default"
    zone: tzinfo = UTC
    zone_name: str = "UTC"
    body_as_text: bool = False
    page_size: int | None = None
    applied: str = ""

    @classmethod
    def parse(cls, header: str) -> "Preferences":
        """`header` may hold several preferences, separated by commas; unknown ones are ignored."""
        found = {name.lower(): quoted or plain for name, quoted, plain in _PREFERENCE.findall(header)}
        zone_name = found.get("outlook.timezone", "UTC")
        page_size = found.get("odata.maxpagesize")
        if page_size is not None and not (page_size.isdecimal() and int(page_size) > 0):
            raise invalid_request(f"odata.maxpagesize must be a positive number, not {page_size!r}.")
        applied = [name for name in ("outlook.timezone", "idtype", "outlook.body-content-type") if name in found]
        return cls(
            id_form="immutable" if found.get("idtype", "").lower() == "immutableid" else "default",
            zone=zone_or_refusal(zone_name),
            zone_name=zone_name,
            body_as_text=found.get("outlook.body-content-type", "").lower() == "text",
            page_size=int(page_size) if page_size else None,
            applied=", ".join(f'{"IdType" if name == "idtype" else name}="{found[name]}"' for name in applied),
        )


def zone_or_refusal(name: str) -> tzinfo:
    """The zone of a name, or the service's 400."""
    try:
        return zone_named(name)
    except UnknownZoneError:
        message = f"A valid TimeZone value must be specified. The following TimeZone value is not supported: '{name}'."
        raise GraphError(400, "TimeZoneNotSupportedException", message) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expand:
    """Which open extensions (by name or full id) and extended properties (by canonical id) an answer shall show.

    None: not expanded.
    """

    extensions: tuple[str, ...] | None = None
    extended_properties: tuple[str, ...] | None = None

    @classmethod
    def parse(cls, text: str) -> "Expand":
        """Raises the service's 400 for an unfiltered expand, and for any other relation."""
        wanted: dict[str, tuple[str, ...]] = {}
        for part in _split(text, ","):
            name, _, options = part.strip().partition("(")
            wanted[name.lower()] = _wanted_ids(name, options.removesuffix(")"))
        if unknown := set(wanted) - {"extensions", "singlevalueextendedproperties"}:
            raise invalid_request(f"The OData request is not supported: $expand of {', '.join(sorted(unknown))}.")
        properties = wanted.get("singlevalueextendedproperties")
        return cls(
            extensions=wanted.get("extensions"),
            extended_properties=properties and tuple(property_id(each) for each in properties),
        )


def _wanted_ids(name: str, options: str) -> tuple[str, ...]:
    keyword, _, condition = options.partition("=")
    if keyword.strip().lower() not in ("$filter", "filter"):
        raise invalid_request(f"The OData request is not supported. Expand {name} with ($filter=id eq '...').")
    matches = [_ID_IS.fullmatch(each) for each in re.split(r"\s+or\s+(?=id\s)", condition, flags=re.IGNORECASE)]
    if not all(matches):
        raise invalid_request(f"The OData request is not supported: filter {condition!r} in the expand of {name}.")
    return tuple(_unquote(match[1]) for match in matches if match)


def _split(text: str, separator: str) -> list[str]:
    """Split where `separator` stands outside of parentheses and quotes."""
    parts, depth, quoted, current = [], 0, False, ""
    for character in text:
        if character == "'":
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(character, 0)
        if character == separator and not quoted and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current]


def _unquote(text: str) -> str:
    return text.replace("''", "'")


def property_id(text: str) -> str:
    """The canonical form of an extended property's id: its GUID in lower case, its name as it is."""
    match = _PROPERTY_ID.fullmatch(text)
    if match is None:
        message = f"The extended property id {text!r} is not of the form 'String {{guid}} Name N' or 'String 0x...'."
        raise GraphError(400, "ErrorInvalidProperty", message)
    return f"{match[1]} {{{match[2].lower()}}} {match[3]}"


def parse_filter(text: str) -> Callable[[Event], bool]:
    """The test of an event list's `$filter`: presence of an open extension, or an extended property's value."""
    if match := _HAS_EXTENSION.fullmatch(text.strip()):
        name = _unquote(match[2])
        return lambda event: any(extension_matches(each, name) for each in event.extensions)
    match = _HAS_PROPERTY.fullmatch(text.strip())
    if match is None:
        message = (
            f"The filter {text!r} is not supported: only extensions/any and singleValueExtendedProperties/any are."
        )
        raise invalid_request(message)
    wanted_id = property_id(_unquote(match[2]))
    operator = (match["operator"] or match["function"]).lower()
    # Values compare without regard to case, names with it.
    wanted = _unquote(match[4] if match["operator"] else match[6]).lower()

    def holds(event: Event) -> bool:
        if wanted_id not in event.extended_properties:
            return False
        value = event.extended_properties[wanted_id].lower()
        return {
            "eq": value == wanted,
            "ne": value != wanted,
            "contains": wanted in value,
            "startswith": value.startswith(wanted),
        }[operator]

    return holds


def extension_matches(name: str, wanted: str) -> bool:
    """Whether a wanted id names this extension, plainly or with one of the two documented prefixes."""
    return (
        wanted.removeprefix("Microsoft.OutlookServices.OpenTypeExtension.").removeprefix(
            "microsoft.graph.openTypeExtension."
        )
        == name
    )


def parse_instant(name: str, text: str | None) -> datetime:
    """The value of a `startDateTime` or `endDateTime`; without an offset it is UTC."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        raise invalid_request(
            f"This request requires a time window: {name} is {text!r}.", "ErrorInvalidParameter"
        ) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def whole_number(name: str, text: str, smallest: int, largest: int) -> int:
    """The value of `$top` or `$skip`."""
    if not text.isdecimal() or not smallest <= int(text) <= largest:
        raise invalid_request(f"{name} must be a number from {smallest} to {largest}, not {text!r}.")
    return int(text)
