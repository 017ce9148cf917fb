"""The query options and the preferences of a request, parsed but not yet held against a table.

Source: Dataverse documentation, "Query data using the Web API" (select, expand, order, page), "Compose HTTP requests".
"""

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from local.dataverse import errors
from local.dataverse.filter_syntax import Expression, Path, parse_filter

MAX_EXPANSIONS = 15
_NOT_MODELLED = ("$apply", "$search", "$compute", "fetchXml", "savedQuery", "userQuery")
_PREFERENCE = re.compile(r'\s*([\w.\-]+)\s*(?:=\s*("[^"]*"|[^,;"]*))?\s*(?:[,;]|$)')


@dataclass(frozen=True, slots=True)
class Order:
    path: Path
    is_descending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """The options of a request, or those inside the parentheses of one expansion. None: not given."""

    select: tuple[str, ...] | None = None
    expand: tuple["Expansion", ...] = ()
    filter: Expression | None = None
    order_by: tuple[Order, ...] = ()
    top: int | None = None
    count: bool = False
    skip_token: str | None = None
    delta_token: str | None = None
    tag: str | None = None
    given: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Expansion:
    navigation: str
    options: QueryOptions


def parse_query(query: str) -> QueryOptions:
    """The options of a query string. Raises `ServiceError` for what the service refuses, `$skip` above all."""
    pairs = parse_qsl(query, keep_blank_values=True)
    options: dict[str, str] = {}
    for name, value in pairs:
        if name in _NOT_MODELLED or name.startswith("@"):
            raise errors.not_modelled(f"the query option '{name}'")
        if name in options:
            raise errors.bad_request(
                f"Query option '{name}' was specified more than once, but it must be specified at most once."
            )
        options[name] = value
    system = {name: value for name, value in options.items() if name.startswith("$")}
    parsed = _parse_options(system, inside_expand=False)
    if sum(_count_expansions(parsed)) > MAX_EXPANSIONS:
        raise errors.bad_request(f"The number of $expand options exceeds the limit of {MAX_EXPANSIONS}.")
    return replace(parsed, tag=options.get("tag"))


def _count_expansions(options: QueryOptions) -> Iterator[int]:
    for expansion in options.expand:
        yield 1
        yield from _count_expansions(expansion.options)


def _parse_options(options: dict[str, str], *, inside_expand: bool) -> QueryOptions:
    known = {"$select", "$expand", "$filter", "$orderby", "$top"}
    if not inside_expand:
        known |= {"$count", "$skiptoken", "$deltatoken"}
    for name in options:
        if name == "$skip":
            raise errors.bad_request("Skip Clause is not supported in CRM")
        if name not in known:
            raise errors.bad_request(f"The query parameter {name} is not supported.")
    filter_text = options.get("$filter")
    return QueryOptions(
        select=_parse_select(options.get("$select")),
        expand=tuple(_parse_expand(options["$expand"])) if "$expand" in options else (),
        filter=parse_filter(filter_text) if filter_text is not None else None,
        order_by=tuple(_parse_order(options["$orderby"])) if "$orderby" in options else (),
        top=_parse_top(options.get("$top")),
        count=_parse_count(options.get("$count")),
        skip_token=options.get("$skiptoken"),
        delta_token=options.get("$deltatoken"),
        given=frozenset(options),
    )


def _parse_select(text: str | None) -> tuple[str, ...] | None:
    if text is None or text.strip() in ("", "*"):
        return None
    return tuple(dict.fromkeys(name.strip() for name in text.split(",")))


def _parse_top(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise errors.bad_request(
            f"Invalid value '{text}' for $top query option found. "
            "The $top query option requires a positive integer value."
        )
    return int(text)


def _parse_count(text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise errors.bad_request(
            f"Invalid value '{text}' for $count query option found. Valid values are 'true' and 'false'."
        )
    return text == "true"


def _parse_order(text: str) -> Iterator[Order]:
    for part in text.split(","):
        words = part.split()
        if len(words) not in (1, 2) or words[1:] not in ([], ["asc"], ["desc"]):
            raise errors.bad_request(f"Syntax error in '$orderby={text}'.")
        yield Order(Path(tuple(words[0].split("/"))), words[1:] == ["desc"])


def _parse_expand(text: str) -> Iterator[Expansion]:
    for part in split_outside(text, ","):
        match = re.fullmatch(r"\s*([\w/$]+)\s*(?:\((.*)\))?\s*", part, re.DOTALL)
        if match is None:
            raise errors.bad_request(f"Syntax error in '$expand={text}'.")
        navigation, inner = match.groups()
        if navigation.endswith("/$ref"):
            raise errors.bad_request("Expand with $ref is not supported.")
        yield Expansion(navigation, _parse_options(_inner_options(inner), inside_expand=True))


def _inner_options(text: str | None) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in split_outside(text, ";") if text else ():
        name, equals, value = part.strip().partition("=")
        if not equals or name in options:
            raise errors.bad_request(f"Syntax error in '$expand' options '{text}'.")
        options[name] = value
    return options


def split_outside(text: str, separator: str) -> list[str]:
    """Split at `separator` where it stands neither in parentheses nor in a quoted text."""
    parts, depth, is_quoted, start = [], 0, False, 0
    for position, character in enumerate(text):
        if character == "'":
            is_quoted = not is_quoted
        elif not is_quoted:
            depth += (character == "(") - (character == ")")
            if character == separator and depth == 0:
                parts.append(text[start:position])
                start = position + 1
    if depth or is_quoted:
        raise errors.bad_request(f"Found an unbalanced bracket or quote in '{text}'.")
    return [*parts, text[start:]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What `Prefer` asks for. `annotations` are patterns such as `*` or `OData.Community.*`."""

    wants_representation: bool = False
    max_page_size: int | None = None
    annotations: tuple[str, ...] = ()
    tracks_changes: bool = False
    continues_on_error: bool = False
    applied: tuple[str, ...] = ()

    def includes(self, annotation: str) -> bool:
        return any(fnmatch.fnmatchcase(annotation, pattern) for pattern in self.annotations)


def parse_preferences(header: str) -> Preferences:
    """Unknown preferences are ignored, as RFC 7240 asks. Raises `ServiceError` for a page size that is no number."""
    wishes = {match[1].lower(): (match[2] or "").strip().strip('"') for match in _PREFERENCE.finditer(header)}
    page_size = wishes.get("odata.maxpagesize")
    if page_size is not None and (not page_size.isdigit() or int(page_size) == 0):
        raise errors.bad_request(f"Invalid value '{page_size}' for the preference odata.maxpagesize.")
    annotations = wishes.get("odata.include-annotations")
    applied = []
    if wishes.get("return") == "representation":
        applied.append("return=representation")
    if page_size is not None:
        applied.append(f"odata.maxpagesize={page_size}")
    if annotations:
        applied.append(f'odata.include-annotations="{annotations}"')
    if "odata.track-changes" in wishes:
        applied.append("odata.track-changes")
    return Preferences(
        wants_representation=wishes.get("return") == "representation",
        max_page_size=int(page_size) if page_size else None,
        annotations=tuple(part.strip() for part in annotations.split(",")) if annotations else (),
        tracks_changes="odata.track-changes" in wishes,
        continues_on_error=wishes.get("odata.continue-on-error", "false").lower() != "false",
        applied=tuple(applied),
    )
