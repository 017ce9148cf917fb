"""Operations on users, calendars, calendar views and their delta.

Source: Graph documentation, user-list-calendars, user-post-calendars, calendar-list-calendarview, event-delta.
"""

from typing import Any

from starlette.responses import JSONResponse, Response

from local.graph.calls import Call, Operation
from local.graph.delta import DEFAULT_PAGE_SIZE, DeltaReader, refuse_options
from local.graph.errors import invalid_request, item_not_found, user_not_found
from local.graph.events import Calendar, Mailbox
from local.graph.odata import parse_instant
from local.graph.pages import check_options, link_to, page_of, writer_for
from local.graph.wire import GRAPH_ROOT
from local.graph.world import GraphWorld


class CalendarOperations:
    """Users, their calendars, and what lies in a window of time; see `operations` for paths."""

    def __init__(self, world: GraphWorld, delta_reader: DeltaReader) -> None:
        self._world = world
        self._delta_reader = delta_reader

    def operations(self) -> list[Operation]:
        return [
            Operation("GET", "users/{}", "user.get", self.user),
            Operation("GET", "users/{}/calendars", "calendar.list", self.calendars),
            Operation("POST", "users/{}/calendars", "calendar.create", self.create_calendar),
            Operation("GET", "users/{}/events/{}/calendar", "event.calendar", self.calendar_of_event),
            Operation("GET", "users/{}/calendarView", "calendarView.list", self.view),
            Operation("GET", "users/{}/calendarView/delta", "calendarView.delta", self.delta),
        ]

    async def user(self, call: Call, user: str) -> Response:
        mailbox = self._world.find_user(user)
        if mailbox is None:
            raise user_not_found(user)
        check_options(call, {"$select"})
        shown = {
            "id": mailbox.mailbox_id,
            "displayName": mailbox.display_name,
            "mail": None if mailbox.access == "not_enabled" else mailbox.address,
            "userPrincipalName": mailbox.address,
            "accountEnabled": True,
        }
        wanted = call.query["$select"].split(",") if "$select" in call.query else list(shown)
        if unknown := set(wanted) - set(shown):
            raise invalid_request(f"This simulator's users have no {', '.join(sorted(unknown))}.", "BadRequest")
        context = f"{GRAPH_ROOT}/$metadata#users/$entity"
        return JSONResponse({"@odata.context": context, **{name: shown[name] for name in wanted}})

    async def calendars(self, call: Call, user: str) -> Response:
        mailbox = self._world.mailbox_of(user, call.caller)
        check_options(call, set())
        context = f"{GRAPH_ROOT}/$metadata#users('{mailbox.mailbox_id}')/calendars"
        shown = [_calendar_json(calendar, mailbox) for calendar in mailbox.calendars.values()]
        return JSONResponse({"@odata.context": context, "value": shown})

    async def create_calendar(self, call: Call, user: str) -> Response:
        mailbox = self._world.mailbox_of(user, call.caller)
        body = call.json()
        name = body.get("name") if isinstance(body, dict) else None
        if not isinstance(name, str) or not name:
            raise invalid_request("A calendar needs a name.", "ErrorInvalidPropertySet")
        if any(calendar.name == name for calendar in mailbox.calendars.values()):
            raise invalid_request(f"A folder with the name '{name}' already exists.", "ErrorFolderExists")
        return JSONResponse(_calendar_json(self._world.add_calendar(mailbox, name), mailbox), 201)

    async def calendar_of_event(self, call: Call, user: str, event_id: str) -> Response:
        """Where an event lies; an event in Deleted Items lies in no calendar."""
        mailbox = self._world.mailbox_of(user, call.caller)
        check_options(call, {"$select"})
        event = self._world.read(mailbox, event_id, call.preferences.id_form)
        if event.is_deleted:
            raise item_not_found()
        return JSONResponse(_calendar_json(mailbox.calendars[event.calendar_id], mailbox))

    async def view(self, call: Call, user: str) -> Response:
        mailbox = self._world.mailbox_of(user, call.caller)
        check_options(call, {"$expand", "$select", "$top", "$skip"})
        start_at, end_at = _window(call)
        writer = writer_for(call, mailbox, self._world)
        shown, links = page_of(call, self._world.view(mailbox, start_at, end_at))
        context = f"{GRAPH_ROOT}/$metadata#users('{mailbox.mailbox_id}')/calendarView"
        return JSONResponse({"@odata.context": context, "value": [writer.write(event) for event in shown], **links})

    async def delta(self, call: Call, user: str) -> Response:
        mailbox = self._world.mailbox_of(user, call.caller)
        refuse_options(call.query)
        check_options(call, {"$skiptoken", "$deltatoken"})
        token = call.query.get("$skiptoken") or call.query.get("$deltatoken")
        if token:
            cursor = self._delta_reader.resume(token, mailbox, link_to(call, {}).removesuffix("?"))
        else:
            cursor = self._delta_reader.start(mailbox, *_window(call))
        writer = writer_for(call, mailbox, self._world)
        page = self._delta_reader.read(cursor, mailbox, writer, call.preferences.page_size or DEFAULT_PAGE_SIZE)
        name, option = ("deltaLink", "$deltatoken") if page.is_last else ("nextLink", "$skiptoken")
        return JSONResponse(
            {
                "@odata.context": f"{GRAPH_ROOT}/$metadata#Collection(event)",
                "value": page.items,
                f"@odata.{name}": link_to(call, {option: page.next_cursor.token()}),
            }
        )


def _window(call: Call) -> tuple[Any, Any]:
    start_at = parse_instant("startDateTime", call.query.get("startdatetime"))
    end_at = parse_instant("endDateTime", call.query.get("enddatetime"))
    if end_at <= start_at:
        raise invalid_request("The time window ends before it starts.", "ErrorInvalidParameter")
    return start_at, end_at


def _calendar_json(calendar: Calendar, mailbox: Mailbox) -> dict[str, Any]:
    return {
        "id": calendar.calendar_id,
        "name": calendar.name,
        "isDefaultCalendar": calendar.is_default,
        "canEdit": True,
        "owner": {"name": mailbox.display_name, "address": mailbox.address},
    }
