"""The frame of every page: document, navigation, search, notices. Pure.

No script, no picture, no file beside it: what a browser shows is in the one answer, and nothing is asked elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

from markupsafe import Markup

from sync.page.markup import NOTHING, joined, tag
from sync.page.style import STYLE

VIEWS = {"": "Overview", "mailboxes": "Mailboxes", "conflicts": "Conflicts", "quarantines": "Set aside"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What links and times depend on. `key` is the function key, when it came as `code` in the address.

    A browser has no other way to show its key than the address, so then it must stay in the links; a key that came in a
    header, added by a gateway, is never written anywhere.
    """

    now: datetime
    names: Mapping[str, str] = field(default_factory=dict)
    """Whose mailbox is whose, as far as Dynamics told."""
    key: str | None = field(default=None, repr=False)

    def link(self, view: str = "", **parameters: str) -> str:
        """A link to a view of this page."""
        given = {"view": view, **parameters, "code": self.key or ""}
        return "?" + urlencode({name: value for name, value in given.items() if value})


def document(site: Site, title: str, *content: object, view: str | None = None, search: Mapping[str, str]) -> str:
    """A whole page. `view` is the one among `VIEWS` that it is, None for another; `search` is what was searched for."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{title} \N{MIDDLE DOT} Booking sync"),
        tag("style", Markup(STYLE)),  # noqa: S704 - a constant
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("header", tag("p", "Booking sync", class_="quiet"), _navigation(site, view), _search(site, search)),
        tag("main", tag("h1", title), *content, id="content", tabindex="-1"),
        tag("footer", tag("p", f"As of {site.now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC. All times are UTC.")),
    )
    return f"<!doctype html>{tag('html', head, body, lang='en')}"


def _navigation(site: Site, view: str | None) -> Markup:
    items = [
        tag("li", tag("a", title, href=site.link(name), aria_current="page" if name == view else None))
        for name, title in VIEWS.items()
    ]
    return tag("nav", tag("ul", *items), aria_label="Views")


def _search(site: Site, search: Mapping[str, str]) -> Markup:
    """One item's story. A form that is sent by GET loses the query of its address, so the key goes as a field."""
    fields = (
        ("for", "Person, booking or appointment, event id, or mailbox id"),
        ("mailbox", "Mailbox id, for an event without a booking"),
    )
    inputs = [
        tag(
            "div",
            tag("label", label, for_=f"search-{name}"),
            tag(
                "input",
                id=f"search-{name}",
                name=name,
                value=search.get(name) or None,
                required=name == "for",
                autocomplete="off",
                spellcheck="false",
            ),
        )
        for name, label in fields
    ]
    hidden = [tag("input", type="hidden", name="view", value="story")]
    if site.key:
        hidden.append(tag("input", type="hidden", name="code", value=site.key))
    form = tag("form", *hidden, *inputs, tag("button", "Tell its story", type="submit"), method="get")
    return tag("search", form, aria_label="An item's story")


def pages(site: Site, view: str, following: str | None, is_first: bool, **parameters: str) -> Markup:
    """The way through a long list."""
    links = []
    if not is_first:
        links.append(tag("a", "Back to the first page", href=site.link(view, **parameters)))
    if following:
        links.append(tag("a", "Next page", href=site.link(view, **parameters, after=following), rel="next"))
    return tag("nav", *links, class_="pages", aria_label="Pages") if links else NOTHING


def notice(title: str, *paragraphs: object, is_bad: bool = False) -> Markup:
    """What came of a request, said first and said to screen readers."""
    role = "alert" if is_bad else "status"
    class_ = "verdict bad" if is_bad else "verdict"
    return tag("section", tag("h2", title), *(tag("p", one) for one in paragraphs), class_=class_, role=role)


def order(site: Site, words: str, action: str, subject: str, about: str) -> Markup:
    """A link to the question whether an action is meant; `about` tells screen readers which of many it is."""
    href = site.link("confirm", action=action, subject=subject)
    return tag("a", words, "\N{HORIZONTAL ELLIPSIS}", href=href, class_="action", aria_label=f"{words} {about}")


def story_link(site: Site, words: object, text: str, mailbox_id: str = "") -> Markup:
    return tag("a", words, href=site.link("story", **{"for": text, "mailbox": mailbox_id}))


def lines(*parts: object) -> Markup:
    """Texts below each other in one cell."""
    return tag("br").join([joined([part]) for part in parts])
