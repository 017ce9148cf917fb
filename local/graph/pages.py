"""What all lists of events have in common: permitted options, pages, and how items are written."""

from collections.abc import Mapping
from urllib.parse import quote

from local.graph.calls import Call
from local.graph.errors import invalid_request
from local.graph.events import Event, Mailbox
from local.graph.odata import Expand, whole_number
from local.graph.wire import EventWriter
from local.graph.world import GraphWorld

_DEFAULT_TOP, _LARGEST_TOP = 10, 1_000


def check_options(call: Call, permitted: set[str]) -> None:
    """Refuse OData options that an operation does not read, rather than ignore them."""
    if unknown := {name for name in call.query if name.startswith("$")} - permitted:
        raise invalid_request(f"The OData request is not supported: {', '.join(sorted(unknown))}.")


def writer_for(call: Call, mailbox: Mailbox, world: GraphWorld) -> EventWriter:
    """A writer as the call's preferences, `$select` and `$expand` ask for."""
    select = call.query.get("$select")
    return EventWriter(
        mailbox=mailbox,
        switches=world.switchboard.switches,
        preferences=call.preferences,
        expand=Expand.parse(call.query["$expand"]) if "$expand" in call.query else Expand(),
        select=None if select is None else frozenset(name.strip() for name in select.split(",")),
    )


def page_of(call: Call, events: list[Event]) -> tuple[list[Event], dict[str, str]]:
    """The page that `$top`, `Prefer: odata.maxpagesize` and `$skip` ask for, and the link to the next one, if any."""
    size = call.preferences.page_size or _DEFAULT_TOP
    if "$top" in call.query:
        size = whole_number("$top", call.query["$top"], 1, _LARGEST_TOP)
    skip = whole_number("$skip", call.query.get("$skip", "0"), 0, 10**9)
    page = events[skip : skip + size]
    if skip + size >= len(events):
        return page, {}
    return page, {"@odata.nextLink": link_to(call, {**call.query, "$skip": str(skip + size)})}


def link_to(call: Call, query: Mapping[str, str]) -> str:
    """An absolute address of the call's own path with another query."""
    path = "/".join(quote(segment, safe="()") for segment in call.segments)
    pairs = "&".join(f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in query.items())
    return f"{call.origin}/{path}?{pairs}"
