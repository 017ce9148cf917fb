"""calendarView delta: which events of a window changed since a token was given out.

A token is self-contained text: mailbox, window, and how far in the mailbox's changes the reader has come. Items come
in the order of their last change, so a change in the middle of a round moves the item into the next one. `@removed` is
sent for what left the window *or* changed outside it, deleted or not. Source: Graph documentation, event-delta and
delta-query-events.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from local.graph import series
from local.graph.errors import GraphError, invalid_request
from local.graph.events import Event, Mailbox
from local.graph.wire import EventWriter
from local.graph.world import GraphWorld

DEFAULT_PAGE_SIZE = 50
_REFUSED = ("$select", "$expand", "$filter", "$orderby", "$search", "$top")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a reader has come. Sequence numbers are those of `Event.sequence`.

    The round covers changes after `since` up to `until`; of those, all up to `done` have been sent, and `skip` items of
    the event after it. `until` is None between rounds. `is_full` marks a first round. `lap` counts how often an endless
    round has sent its last page.
    """

    mailbox_id: str
    start: str
    end: str
    epoch: int
    is_full: bool = True
    since: int = 0
    until: int | None = None
    done: int = 0
    skip: int = 0
    lap: int = 0

    def token(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode().rstrip("=")

    @classmethod
    def from_token(cls, token: str) -> "Cursor":
        """Raises `ValueError` for anything that `token()` did not make."""
        try:
            return cls(**json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))))
        except TypeError as error:
            raise ValueError(f"not a delta token: {token!r}") from error

    @property
    def window(self) -> tuple[datetime, datetime]:
        return datetime.fromisoformat(self.start), datetime.fromisoformat(self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Items of one answer, and the cursor for the next: of the same round, or of the next one."""

    items: list[dict[str, Any]]
    next_cursor: Cursor
    is_last: bool


class DeltaReader:
    """Answers delta requests on a world. `expire_tokens` kills all tokens given out so far."""

    def __init__(self, world: GraphWorld) -> None:
        self._world = world
        self._epoch = 0

    def expire_tokens(self) -> None:
        self._epoch += 1

    def start(self, mailbox: Mailbox, start_at: datetime, end_at: datetime) -> Cursor:
        return Cursor(
            mailbox_id=mailbox.mailbox_id, start=start_at.isoformat(), end=end_at.isoformat(), epoch=self._epoch
        )

    def resume(self, token: str, mailbox: Mailbox, link: str) -> Cursor:
        """The cursor of a token; `link` is the delta address without query, for the `Location` of a dead token."""
        try:
            cursor = Cursor.from_token(token)
        except ValueError:
            raise invalid_request("The delta token is badly formed.", "ErrorInvalidDeltaToken") from None
        if cursor.mailbox_id != mailbox.mailbox_id:
            raise invalid_request("The delta token belongs to another mailbox.", "ErrorInvalidDeltaToken")
        if cursor.epoch != self._epoch:
            message = "The sync state generation is not found; a full synchronization is required."
            window = f"startDateTime={quote(cursor.start)}&endDateTime={quote(cursor.end)}"
            headers = {"Location": f"{link}?{window}&$deltatoken="}
            raise GraphError(self._world.switch("delta_expired_status"), "syncStateNotFound", message, headers)
        return cursor

    def read(self, cursor: Cursor, mailbox: Mailbox, writer: EventWriter, page_size: int) -> Page:
        """The next page. Ids and times are written as the request at hand wants them; tokens serve both id forms."""
        states = list(self._world.seen_events(mailbox))
        newest = max((event.sequence for event in states), default=0)
        if cursor.until is None:
            cursor = replace(cursor, until=newest, done=cursor.since)
        if cursor.is_full and self._world.is_empty(mailbox):
            states = []
        items: list[dict[str, Any]] = []
        for event, number, item in self._items(cursor, mailbox, states, writer):
            if len(items) == page_size:
                return self._page(items, replace(cursor, done=event.sequence - 1, skip=number), is_last=False)
            items.append(item)
        if items and self._world.is_named_by("delta_endless", mailbox):
            return self._page(items, replace(cursor, lap=cursor.lap + 1), is_last=False)
        assert cursor.until is not None
        return self._page(items, self._next_round(cursor, cursor.until), is_last=True)

    def _next_round(self, cursor: Cursor, until: int) -> Cursor:
        since = until - 1 if self._world.switch("delta_replay") else until
        return replace(cursor, is_full=False, since=since, until=None, done=0, skip=0, lap=0)

    def _page(self, items: list[dict[str, Any]], next_cursor: Cursor, *, is_last: bool) -> Page:
        if items and self._world.switch("delta_replay"):
            items = [*items, self._world.switchboard.random.choice(items)]
        return Page(items=items, next_cursor=next_cursor, is_last=is_last)

    def _items(
        self, cursor: Cursor, mailbox: Mailbox, states: list[Event], writer: EventWriter
    ) -> Iterator[tuple[Event, int, dict[str, Any]]]:
        """What is still to be sent in this round, each with its event and its number among that event's items."""
        assert cursor.until is not None
        for event in sorted(states, key=lambda event: event.sequence):
            if not cursor.done < event.sequence <= cursor.until:
                continue
            shown = {each.immutable_id: each for each in self._shown(event, mailbox, *cursor.window)}
            items = [writer.write(each) for each in shown.values()]
            if not cursor.is_full:
                gone = [each for each in self._before(cursor, event, mailbox) if each.immutable_id not in shown]
                items += [_removed(each.id_in(writer.preferences.id_form)) for each in gone]
            for number, item in enumerate(items):
                if event.sequence > cursor.done + 1 or number >= cursor.skip:
                    yield event, number, item

    def _before(self, cursor: Cursor, event: Event, mailbox: Mailbox) -> list[Event]:
        """What the reader may know of an event, and the event itself: it is told of changes outside the window too."""
        versions = mailbox.versions[event.immutable_id]
        known = next((version for version in reversed(versions) if version.sequence <= cursor.since), None)
        before = self._shown(known, mailbox, *cursor.window) if known else []
        without_itself = [each for each in before if each.immutable_id != event.immutable_id]
        return [*without_itself, known or event]

    def _shown(self, event: Event, mailbox: Mailbox, start_at: datetime, end_at: datetime) -> list[Event]:
        if not self._world.covers(event, mailbox, mailbox.default_calendar.calendar_id):
            return []
        if event.recurrence is None:
            return [event] if event.overlaps(start_at, end_at) else []
        occurrences = list(series.occurrences(event, start_at, end_at))
        with_master = occurrences and self._world.switch("delta_series_master") == "item"
        return [event, *occurrences] if with_master else occurrences


def refuse_options(query: Mapping[str, str]) -> None:
    """Refuse what delta does not support, in the service's words."""
    if any(option in query for option in _REFUSED):
        message = (
            "The following parameters are not supported with change tracking over the 'CalendarView' resource: "
            f"'{', '.join(_REFUSED)}'."
        )
        raise invalid_request(message, "ErrorInvalidUrlQuery")


def _removed(event_id: str) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.event", "id": event_id, "@removed": {"reason": "deleted"}}
