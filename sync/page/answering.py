"""Answers a request to the status page: reads what the view shows, or does what was confirmed.

Who may see the page is the Functions host's business (its key). What a browser is made to do by a page elsewhere is
ours: an order needs a token of the form that asked for it, and must not come from another site.
"""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from urllib.parse import parse_qsl

from markupsafe import Markup

from sync.core.diagnosis import Diagnosis
from sync.core.errors import SyncError, TransientError
from sync.core.rules import Rules
from sync.page.actions import ACTIONS, about, question
from sync.page.board_page import board_content, concerns
from sync.page.html import Site, document, notice
from sync.page.lists import conflicts_content, letters_content, mailboxes_content, quarantines_content
from sync.page.markup import tag
from sync.page.story_page import story_content
from sync.page.style import HEADERS
from sync.page.tokens import is_same_origin, is_valid, token_for
from sync.service.board import read_board, read_conflicts, read_letters, read_mailboxes, read_quarantines
from sync.service.diagnosing import DynamicsRecords, diagnose_appointment, diagnose_booking
from sync.service.orders import note_order
from sync.service.ports import Ports, QueueGauge
from sync.service.story import Story, find_story

logger = logging.getLogger(__name__)

LONGEST_BODY = 10_000
NAMED = 40
"""How many people one view names: those of a page, and no more than an address may hold."""

NAMING_SECONDS = 2.0
_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the page works with. `secrets` sign its forms, the first of them new ones.

    `records` show Microsoft's own sync, for diagnoses; without them, what upkeep found last is told.
    """

    ports: Ports
    rules: Rules
    gauge: QueueGauge
    secrets: Sequence[str] = field(repr=False)
    records: DynamicsRecords | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A request as HTTP has it; names of `headers` in lower case."""

    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def wants_json(self) -> bool:
        given = self.query.get("format")
        return given == "json" if given else self.headers.get("accept", "").startswith("application/json")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageReply:
    """What a view came to: `data` for programs, and under a title `content` for people, who are told names."""

    title: str
    content: Callable[[Site], Markup]
    data: object
    status: int = 200
    view: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """The whole answer."""

    status: int
    text: str
    mimetype: str
    headers: Mapping[str, str] = field(default_factory=lambda: dict(HEADERS))


async def answer_get(request: PageRequest, desk: Desk) -> HttpAnswer:
    """Show a view: `view` says which, the overview without one. Changes nothing."""
    site = _site(request, desk)
    return await _answered(request, site, desk, _View(request, desk, site).show)


async def answer_order(request: PageRequest, desk: Desk) -> HttpAnswer:
    """Do what was confirmed. Refused with 403 without a valid token, or when another site sent it."""
    site = _site(request, desk)

    async def order() -> PageReply:
        return await _order(request, desk, site)

    return await _answered(request, site, desk, order)


def _site(request: PageRequest, desk: Desk) -> Site:
    return Site(now=desk.ports.clock(), key=request.query.get("code") or None)


async def _answered(
    request: PageRequest, site: Site, desk: Desk, reply_to: Callable[[], Awaitable[PageReply]]
) -> HttpAnswer:
    """The reply as HTML or JSON. What a service refuses, or that it is down, is told with its mend."""
    try:
        reply = await reply_to()
    except SyncError as error:
        is_passing = isinstance(error, TransientError)
        logger.warning("The status page could not be shown: %s", error.reason, extra={"action": "page-failed"})
        mend = "Try again in a minute." if is_passing else error.mend
        reply = _failure("This did not work", error.reason, mend, 503 if is_passing else 409)
    if request.wants_json:
        text = json.dumps(reply.data, default=_plain, indent=1)
        return HttpAnswer(status=reply.status, text=text, mimetype="application/json")
    site = replace(site, names=await _names(reply.data, desk))
    text = document(site, reply.title, reply.content(site), view=reply.view, search=request.query)
    return HttpAnswer(status=reply.status, text=text, mimetype="text/html")


async def _names(data: object, desk: Desk) -> dict[str, str]:
    """Whose mailboxes are shown: one question to Dynamics, and no matter if it does not answer soon."""
    mailbox_ids = sorted(set(_mailbox_ids(data)))[:NAMED]
    if not mailbox_ids:
        return {}
    try:
        async with asyncio.timeout(NAMING_SECONDS):
            found = desk.ports.bookings.list_technicians_of(mailbox_ids)
            return {one.mailbox_id: one.name async for one in found if one.name}
    except (SyncError, TimeoutError) as error:
        logger.info("The page shows ids for names: %r", error, extra={"action": "unnamed"})
        return {}


def _mailbox_ids(data: object) -> Iterator[str]:
    """Every id in a view's data that stands under the name of one."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            if name in ("mailbox_id", "mailbox_ids", "former_mailbox_id", "people"):
                yield from (one for one in _texts(value) if _GUID.fullmatch(one))
            else:
                yield from _mailbox_ids(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _mailbox_ids(value)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def _failure(title: str, reason: str, mend: str, status: int) -> PageReply:
    content = notice("Why", reason, mend, is_bad=True)
    return PageReply(title=title, content=lambda _: content, data={"error": reason, "mend": mend}, status=status)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


class _View:
    """One request for a view."""

    def __init__(self, request: PageRequest, desk: Desk, site: Site) -> None:
        self._query = request.query
        self._ports = desk.ports
        self._desk = desk
        self._site = site
        self._after = request.query.get("after", "")

    async def show(self) -> PageReply:
        views = {
            "": self._board,
            "mailboxes": self._mailboxes,
            "quarantines": self._quarantines,
            "conflicts": self._conflicts,
            "letters": self._letters,
            "story": self._story,
            "confirm": self._confirm,
        }
        view = views.get(self._query.get("view", ""))
        if view is None:
            return _failure("There is no such page", "The address names none.", "Go back to the overview.", 404)
        return await view()

    async def _board(self) -> PageReply:
        board = await read_board(self._ports, self._desk.gauge)
        data = {"concerns": [words for _, words in concerns(board)], **asdict(board)}
        return PageReply(title="Overview", content=partial(board_content, board), data=data, view="")

    async def _mailboxes(self) -> PageReply:
        page = await read_mailboxes(self._ports, self._after)
        content = partial(mailboxes_content, page, after=self._after)
        return PageReply(title="Mailboxes", content=content, data=asdict(page), view="mailboxes")

    async def _quarantines(self) -> PageReply:
        page = await read_quarantines(self._ports, self._after)
        content = partial(quarantines_content, page, after=self._after)
        return PageReply(title="Set aside", content=content, data=asdict(page), view="quarantines")

    async def _conflicts(self) -> PageReply:
        page = await read_conflicts(self._ports, self._after)
        content = partial(conflicts_content, page, after=self._after)
        return PageReply(title="Conflicts", content=content, data=asdict(page), view="conflicts")

    async def _letters(self) -> PageReply:
        error_class = self._query.get("class", "")
        page = await read_letters(self._ports, error_class, self._after)
        content = partial(letters_content, error_class, page, after=self._after)
        return PageReply(title="Dead letters", content=content, data=asdict(page))

    async def _story(self) -> PageReply:
        story = await find_story(self._query.get("for", ""), self._ports, mailbox_id=self._query.get("mailbox", ""))
        diagnosis = await self._diagnosis(story)
        content = partial(story_content, story, diagnosis)
        data = {"story": asdict(story), "diagnosis": asdict(diagnosis) if diagnosis else None}
        status = 200 if story.subject or diagnosis else 404
        return PageReply(title="An item's story", content=content, data=data, status=status)

    async def _diagnosis(self, story: Story) -> Diagnosis | None:
        """Why a booking's event is as it is; or, for an id that is nothing of ours, an appointment's invitation."""
        records = self._desk.records
        if story.booking_id:
            return await diagnose_booking(story.booking_id, self._ports, self._desk.rules, records)
        if story.subject or not story.record_id or records is None:
            return None
        diagnosis = await diagnose_appointment(story.record_id, self._ports, records)
        return diagnosis if diagnosis.is_found else None

    async def _confirm(self) -> PageReply:
        name, subject = self._query.get("action", ""), self._query.get("subject", "")
        action = ACTIONS.get(name)
        if action is None or not subject:
            return _unknown_action()
        token = token_for(name, subject, self._desk.secrets[0], self._site.now)
        conflict = await self._ports.journal.find_conflict(subject) if name == "take" else None
        named = {"mailbox_id": subject} if action.is_of_mailbox else {}
        return PageReply(
            title=action.question,
            content=lambda site: question(action, name, subject, about(action, subject, conflict, site), token, site),
            data={"action": name, "subject": subject, "effect": action.effect, "token": token, **named},
        )


async def _order(request: PageRequest, desk: Desk, site: Site) -> PageReply:
    if not is_same_origin(request.headers, request.url):
        return _refused("It was sent by another site.")
    # What is no form, or far too long for ours, holds no token.
    fields = dict(parse_qsl(request.body[:LONGEST_BODY].decode(errors="replace")))
    name, subject, token = (fields.get(field, "") for field in ("action", "subject", "token"))
    action = ACTIONS.get(name)
    if action is None or not subject:
        return _unknown_action()
    if not is_valid(token, name, subject, desk.secrets, site.now):
        return _refused("Its confirmation is missing, was for something else, or is older than ten minutes.")
    who = _who(request)
    logger.info("%s ordered: %s %s", who, name, subject, extra={"action": "ordered", "order": name})
    mailbox_id, booking_id = subject if action.is_of_mailbox else "", None
    if name == "take" and (conflict := await desk.ports.journal.find_conflict(subject)):
        mailbox_id, booking_id = conflict.mailbox_id, conflict.booking_id
    await note_order(f"{name} {subject}", who, desk.ports, mailbox_id=mailbox_id, booking_id=booking_id)
    result = await action.perform(subject, desk.ports, desk.rules)
    await desk.ports.state.delete_census()  # The overview shall count what is left.
    title = "Done" if result.is_done else "Nothing to do"
    content = notice(title, result.text) + tag("p", tag("a", "Back to the overview", href=site.link()))
    return PageReply(title=title, content=lambda _: content, data={"done": result.is_done, "text": result.text})


def _who(request: PageRequest) -> str:
    """Whoever signed in, where App Service authentication is on; a key tells nobody apart."""
    principal_id = request.headers.get("x-ms-client-principal-id", "")
    return principal_id if _GUID.fullmatch(principal_id) else "a holder of the function key"


def _refused(reason: str) -> PageReply:
    return _failure(
        "Nothing was done", f"The order was refused. {reason}", "Go back to the overview and order it again.", 403
    )


def _unknown_action() -> PageReply:
    return _failure("There is no such action", "The request names none.", "Go back to the overview.", 400)
