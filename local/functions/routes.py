"""Route templates of HTTP triggers, in the ASP.NET form, and which of them serves a path.

`orders/{id:int}/{part?}` and `files/{*path}` are understood, with the constraints int, long, guid, alpha and bool.
More literal templates win over more general ones. Source: "HTTP trigger for Azure Functions", Customize the HTTP
endpoint, and the route precedence of ASP.NET Core.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from local.functions.errors import InvalidRoute

_CONSTRAINTS = {
    "int": r"[+-]?\d{1,10}",
    "long": r"[+-]?\d{1,19}",
    "guid": r"\{?[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?",
    "alpha": r"[a-zA-Z]*",
    "bool": r"(?i:true|false)",
}

_PARAMETER = re.compile(r"\{(?P<star>\*{1,2})?(?P<name>\w+)(?::(?P<constraint>\w+))?(?P<optional>\?)?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    """A literal, in lower case, when `name` is empty; else a parameter."""

    literal: str = ""
    name: str = ""
    pattern: re.Pattern[str] | None = None
    is_optional: bool = False
    is_catch_all: bool = False

    @property
    def rank(self) -> int:
        if not self.name:
            return 1
        return (4 if self.is_catch_all else 2) + (self.pattern is None)


@dataclass(frozen=True, slots=True)
class RouteTemplate:
    """A parsed template; sort by `rank` and take the first that matches."""

    segments: tuple[_Segment, ...]

    @property
    def rank(self) -> tuple[int, ...]:
        return tuple(segment.rank for segment in self.segments)

    def match(self, path: str) -> dict[str, str] | None:
        """Decoded route parameters by name, or None. `path` is percent-encoded; an absent optional is left out."""
        parts = [unquote(part) for part in path.strip("/").split("/")] if path.strip("/") else []
        found: dict[str, str] = {}
        for position, segment in enumerate(self.segments):
            if segment.is_catch_all:
                rest = "/".join(parts[position:])
                return found | ({segment.name: rest} if rest else {})
            if position >= len(parts):
                return found if segment.is_optional else None
            if not _accepts(segment, parts[position]):
                return None
            if segment.name:
                found[segment.name] = parts[position]
        return found if len(parts) <= len(self.segments) else None


def parse_route(template: str) -> RouteTemplate:
    """Raises `InvalidRoute`."""
    segments = tuple(_segment(part, template) for part in template.strip("/").split("/") if part)
    for segment in segments[:-1]:
        if segment.is_optional or segment.is_catch_all:
            raise InvalidRoute(f"{template!r}: only the last segment may be optional or catch all")
    return RouteTemplate(segments)


def _segment(text: str, template: str) -> _Segment:
    if "{" not in text and "}" not in text:
        return _Segment(literal=text.lower())
    match = _PARAMETER.fullmatch(text)
    constraint = match["constraint"] if match else None
    if match is None or (constraint is not None and constraint not in _CONSTRAINTS):
        known = ", ".join(_CONSTRAINTS)
        raise InvalidRoute(f"{template!r}: {text!r} is not a parameter that this host knows (constraints: {known})")
    return _Segment(
        name=match["name"],
        pattern=re.compile(_CONSTRAINTS[constraint]) if constraint else None,
        is_optional=match["optional"] is not None,
        is_catch_all=match["star"] is not None,
    )


def _accepts(segment: _Segment, value: str) -> bool:
    if not segment.name:
        return value.lower() == segment.literal
    return segment.pattern is None or segment.pattern.fullmatch(value) is not None
