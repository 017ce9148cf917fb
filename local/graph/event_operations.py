"""Operations on single events and lists of them, and on their open extensions.

Source: Graph documentation, user-list-events, user-post-events, event-get, -update, -delete, -cancel,
opentypeextension-post-opentypeextension, -get, -update, -delete.
"""

from typing import Any

from starlette.responses import JSONResponse, Response

from local.graph.calls import Call, Operation
from local.graph.errors import GraphError, invalid_request, item_not_found, save_conflict
from local.graph.event_body import parse_event_change, parse_new_event
from local.graph.events import Calendar, Event, Mailbox
from local.graph.marks import extension_json, parse_extension
from local.graph.odata import extension_matches, parse_filter, whole_number
from local.graph.pages import check_options, link_to, page_of, writer_for
from local.graph.wire import GRAPH_ROOT
from local.graph.world import GraphWorld


class EventOperations:
    """Events of users; see `operations` for paths."""

    def __init__(self, world: GraphWorld) -> None:
        self._world = world

    def operations(self) -> list[Operation]:
        event = "users/{}/events/{}"
        return [
            Operation("GET", "users/{}/events", _list_or_search, self.list_events),
            Operation("POST", "users/{}/events", "event.create", self.create),
            Operation("GET", event, "event.get", self.get),
            Operation("PATCH", event, "event.update", self.update),
            Operation("DELETE", event, "event.delete", self.delete),
            Operation("POST", f"{event}/cancel", "event.cancel", self.cancel),
            Operation("POST", f"{event}/extensions", "extension.create", self.create_extension),
            Operation("GET", f"{event}/extensions/{{}}", "extension.get", self.get_extension),
            Operation("PATCH", f"{event}/extensions/{{}}", "extension.update", self.update_extension),
            Operation("DELETE", f"{event}/extensions/{{}}", "extension.delete", self.delete_extension),
            Operation("GET", "users/{}/calendars/{}/events", _list_or_search, self.list_events),
            Operation("POST", "users/{}/calendars/{}/events", "event.create", self.create),
        ]

    async def list_events(self, call: Call, user: str, calendar_id: str | None = None) -> Response:
        mailbox = self._world.mailbox_of(user, call.caller)
        check_options(call, {"$filter", "$expand", "$select", "$top", "$skip", "$skiptoken"})
        if calendar_id is not None:
            calendar_id = calendar_in(mailbox, calendar_id).calendar_id
        events = self._world.list_events(mailbox, calendar_id)
        if "$filter" in call.query:
            events = list(filter(parse_filter(call.query["$filter"]), events))
        writer = writer_for(call, mailbox, self._world)
        shown, links = self._page(call, events)
        context = f"{GRAPH_ROOT}/$metadata#users('{mailbox.mailbox_id}')/events"
        return JSONResponse({"@odata.context": context, "value": [writer.write(event) for event in shown], **links})

    def _page(self, call: Call, events: list[Event]) -> tuple[list[Event], dict[str, str]]:
        """See `page_of`; a search has its empty pages first."""
        empty_pages = whole_number("$skiptoken", call.query.get("$skiptoken", "0"), 0, 10**9)
        if "$filter" not in call.query or empty_pages >= self._world.switch("search_empty_pages"):
            return page_of(call, events)
        return [], {"@odata.nextLink": link_to(call, {**call.query, "$skiptoken": str(empty_pages + 1)})}

    async def create(self, call: Call, user: str, calendar_id: str | None = None) -> Response:
        mailbox = self._world.mailbox_of(user, call.caller)
        calendar = mailbox.default_calendar if calendar_id is None else calendar_in(mailbox, calendar_id)
        fields = parse_new_event(call.json(), mailbox)
        if fields["extensions"] and self._world.happens("create_conflict"):
            self._world.create(mailbox, calendar, {**fields, "extensions": {}})
            raise save_conflict()
        event = self._world.create(mailbox, calendar, fields)
        return JSONResponse(writer_for(call, mailbox, self._world).write_alone(event), 201)

    async def get(self, call: Call, user: str, event_id: str) -> Response:
        mailbox = self._world.mailbox_of(user, call.caller)
        check_options(call, {"$expand", "$select"})
        writer = writer_for(call, mailbox, self._world)
        event = self._world.read(mailbox, event_id, call.preferences.id_form)
        return JSONResponse(writer.write_alone(event), headers={"etag": event.etag})

    async def update(self, call: Call, user: str, event_id: str) -> Response:
        mailbox, event = self._for_write(call, user, event_id)
        after = self._world.update(event, parse_event_change(call.json(), mailbox, event))
        return JSONResponse(writer_for(call, mailbox, self._world).write_alone(after))

    async def delete(self, call: Call, user: str, event_id: str) -> Response:
        _, event = self._for_write(call, user, event_id)
        self._world.delete(event)
        return Response(status_code=204)

    async def cancel(self, call: Call, user: str, event_id: str) -> Response:
        _, event = self._for_write(call, user, event_id)
        body = call.json() if call.body else {}
        if not isinstance(body, dict) or {name.lower() for name in body} - {"comment"}:
            raise invalid_request("The body of cancel is {'comment': '...'}.")
        if not event.is_organizer:
            raise invalid_request("Your request can't be completed. You need to be an organizer to cancel a meeting.")
        self._world.delete(event, is_cancelled=True)
        return Response(status_code=202)

    async def create_extension(self, call: Call, user: str, event_id: str) -> Response:
        _, event = self._for_write(call, user, event_id)
        name, properties = parse_extension(call.json())
        if name in event.extensions and self._world.switch("extension_post_twice") == "conflict":
            raise GraphError(409, "NameAlreadyExists", f"An extension already exists with the given id '{name}'.")
        self._write_extensions(event, {**event.extensions, name: properties})
        return JSONResponse(self._shown(name, properties), 201)

    async def get_extension(self, call: Call, user: str, event_id: str, extension_id: str) -> Response:
        mailbox = self._world.mailbox_of(user, call.caller)
        event = self._world.read(mailbox, event_id, call.preferences.id_form)
        name = _extension_of(event, extension_id)
        return JSONResponse(self._shown(name, dict(event.extensions[name])))

    async def update_extension(self, call: Call, user: str, event_id: str, extension_id: str) -> Response:
        """What the request leaves out is deleted."""
        _, event = self._for_write(call, user, event_id)
        name = _extension_of(event, extension_id)
        new_name, properties = parse_extension(call.json())
        if new_name != name:
            raise invalid_request(f"The extension is named '{name}'; its name cannot change.")
        self._write_extensions(event, {**event.extensions, name: properties})
        return JSONResponse(self._shown(name, properties))

    async def delete_extension(self, call: Call, user: str, event_id: str, extension_id: str) -> Response:
        _, event = self._for_write(call, user, event_id)
        name = _extension_of(event, extension_id)
        self._write_extensions(event, {each: value for each, value in event.extensions.items() if each != name})
        return Response(status_code=204)

    def _for_write(self, call: Call, user: str, event_id: str) -> tuple[Mailbox, Event]:
        mailbox = self._world.mailbox_of(user, call.caller)
        event = self._world.current(mailbox, event_id, call.preferences.id_form)
        wanted = call.headers.get("if-match", "*")
        if self._world.switch("if_match") == "enforce" and wanted not in ("*", event.etag):
            message = "The send or update operation could not be performed because the change key does not match."
            raise GraphError(412, "ErrorIrresolvableConflict", message)
        return mailbox, event

    def _write_extensions(self, event: Event, extensions: dict[str, Any]) -> None:
        self._world.update(event, {"extensions": extensions}, notify=self._world.switch("extension_write_notifies"))

    def _shown(self, name: str, properties: dict[str, Any]) -> dict[str, Any]:
        return extension_json(name, properties, self._world.switch("extension_id_prefix"))


def _list_or_search(call: Call) -> str:
    return "event.search" if "$filter" in call.query else "event.list"


def _extension_of(event: Event, extension_id: str) -> str:
    name = next((each for each in event.extensions if extension_matches(each, extension_id)), None)
    if name is None:
        raise item_not_found()
    return name


def calendar_in(mailbox: Mailbox, calendar_id: str) -> Calendar:
    """The calendar of that id, or the service's 404."""
    if calendar_id not in mailbox.calendars:
        raise item_not_found()
    return mailbox.calendars[calendar_id]
