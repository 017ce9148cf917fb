"""The status page of a tenant, as a browser and a program ask for it; what it says is read as a parser reads it."""

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from sync.page.answering import Desk, HttpAnswer, PageRequest, answer_get, answer_order
from tests.hosted_app import SECRET
from tests.tenant import Tenant

ADDRESS = "https://app.example/api/status"
OURS = {"sec-fetch-site": "same-origin", "origin": "null"}
VOID = {"br", "input", "meta"}


@dataclass(slots=True)
class Element:
    """An element with everything within it."""

    name: str
    attributes: dict[str, str | None]
    children: list["Element"] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())

    def all(self, *names: str) -> list["Element"]:
        found = [child for child in self.children if child.name in names]
        for child in self.children:
            found += child.all(*names)
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].name == tag, f"</{tag}> closes <{self._open[-1].name}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.pieces.append(data)


def parsed(text: str) -> Element:
    """The document; an element that is not closed in its place is an error."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert len(reader._open) == 1, "everything is closed"
    return reader.root


class StatusPage:
    """The page on one desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def get(self, headers: dict[str, str] | None = None, **query: str) -> HttpAnswer:
        request = PageRequest(url=f"{ADDRESS}?{urlencode(query)}", query=query, headers=headers or {})
        return await answer_get(request, self.desk)

    async def show(self, **query: str) -> Element:
        answer = await self.get(**query)
        assert answer.mimetype == "text/html"
        return parsed(answer.text)

    async def data(self, **query: str) -> Any:
        answer = await self.get(format="json", **query)
        assert answer.mimetype == "application/json"
        return json.loads(answer.text)

    async def follow(self, link: Element) -> Element:
        href = link.attributes["href"] or ""
        return await self.show(**{name: values[0] for name, values in parse_qs(urlsplit(href).query).items()})

    async def confirm(self, action: str, subject: str, headers: dict[str, str] | None = None) -> HttpAnswer:
        """Ask for an order and send the form that comes."""
        question = await self.show(view="confirm", action=action, subject=subject)
        fields = {
            one.attributes["name"] or "": one.attributes.get("value") or ""
            for form in question.all("form")
            if form.attributes["method"] == "post"
            for one in form.all("input")
        }
        return await self.send(fields, headers)

    async def send(self, fields: dict[str, str], headers: dict[str, str] | None = None) -> HttpAnswer:
        body = urlencode(fields).encode()
        headers = OURS if headers is None else headers
        return await answer_order(PageRequest(url=ADDRESS, query={}, headers=headers, body=body), self.desk)


def page_of(tenant: Tenant) -> StatusPage:
    return StatusPage(Desk(ports=tenant.ports, rules=tenant.rules, gauge=tenant.queue, secrets=(SECRET,)))
