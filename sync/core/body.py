"""Our part of an event's body: how it is framed, how it is found again, and how a new one takes its place.

Exchange and Outlook rewrite HTML: comments go, ids and classes change, paragraphs are wrapped anew, white space and
entities come and go. What survives is text. So our block stands between two lines that people can read, and is found
by their letters and digits alone, whatever stands between those.

What is replaced is the text from the first line to the last and all markup in between, unless somebody wrote there:
then what is between the lines stays behind the new block, and is a note from then on. Everything else belongs to the
technician, or to Teams, or to nobody we know, and stays as it is. Where an element reaches across an end of the block,
such as a paragraph in which a note follows the last line, it is closed before the block and opened again behind it;
an element that would be left without content goes. `html.parser` is not used: what it makes of damaged markup differs
between Python's patch releases, some inputs make it raise, and it tells lines where offsets are needed.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from html import unescape

FIRST_LINE = "Booking details (kept up to date by Dynamics 365)"
LAST_LINE = "Your own notes below this line are kept"
"""The lines around our block. A block that stands between other words is not found again: they are for ever."""

KEPT_LINE = "The earlier details, kept because something was written into them:"
"""What stands between a new block and the contents of the one before that were kept. It may be changed."""

LEFT_OUT = "(left out)"
"""What replaces one of the two lines where a value brings it along."""

_CONTAINERS = frozenset({"html", "body", "div", "section", "article", "main", "center", "blockquote", "li", "td", "th"})
"""Elements in which the block's `div` may stand."""

_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
"""Elements that never have an end tag."""

_TOKEN = re.compile(
    r"""(?P<hidden> <!--.*?(?:-->|\Z) | <[!?][^>]*>?
                  | <(?P<raw>style|script|title)(?=[\s/>])[^<>]*+>.*?(?:</(?P=raw)\s*>|\Z) )
      | <(?P<slash>/?)(?P<name>[a-z][^\s/<>]*)(?:=\s*(?:"[^"]*"|'[^']*')|[^<>])*+>
      | (?P<entity>&(?:\#\d+|\#x[\da-f]+|[a-z][a-z\d]*);)
      | (?P<text>[^<&]+|[<&])""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_BLANK = re.compile(r"(?:\s|[\u200b\ufeff]|&nbsp;|&\#160;|&\#xa0;|</?o:p\s*/?>)*+", re.IGNORECASE)
"""What fills a paragraph without showing; Word ends every paragraph with an empty `o:p`."""

_BEHIND_FIRST_LINE = re.compile(r"\)?\s*(?:<br\s*/?>)?", re.IGNORECASE)
"""What the first line has behind its last letter, and the line break that follows."""

_HREF = re.compile(r'href="([^"]*)"')


def frame(inner_html: str) -> str:
    """The block: `inner_html`, which may be empty, between the two lines."""
    return f"<div>{'<br>'.join(filter(None, (FIRST_LINE, inner_html, LAST_LINE)))}</div>"


def defuse(text: str) -> str:
    """Plain text in which neither of the two lines can be recognised, so that a value never ends the block early."""
    letters = _Letters()
    letters.add(text, 0)
    pieces, kept_to = [], 0
    for found in _EITHER_LINE.finditer(letters.text):
        start, end = letters.source_of(*found.span())
        pieces += [text[kept_to:start], LEFT_OUT]
        kept_to = end
    return "".join([*pieces, text[kept_to:]])


def text_digest(block: str) -> str:
    """A short digest of what can be read between the two lines of `block`, by letters and digits alone.

    So it stays the same whatever an editor makes of the markup. Links store it: were it made in another way, every
    block in the calendars would seem written into. Raises `ValueError` where there is no complete block.
    """
    found = _find_block(_read(block))
    if found is None:
        raise ValueError("there is no text to digest: the two lines of a block were not found")
    return found.digest(_addresses(block))


def merge_body(existing_html: str, block: str, *, written_text: str | None) -> str:
    """`existing_html` with `block`, a framed one, in place of the one it has; in front when it has no complete one.

    Of several the first complete one is replaced: it begins at the last first line before its last line, so that as
    little as possible is taken for ours. `written_text` is the `text_digest` of the block that we wrote last, None when
    that is not known: a block that reads neither like it nor like the new one was written into, and its contents stay,
    behind the new block. Merging again changes nothing.
    """
    page = _read(existing_html)
    found = _find_block(page)
    if found is None:
        front = _front(page)
        return existing_html[:front] + block + existing_html[front:]
    is_ours = found.digest(_addresses(block)) in (written_text, text_digest(block)) and not found.has_picture
    if is_ours or found.is_empty:
        return _replace(existing_html, page, found.first[0], found.last[1], block)
    return _replace_keeping(existing_html, page, found, block)


def _addresses(block: str) -> list[str]:
    """The letters of the addresses that the block's links lead to.

    A device that keeps bodies as plain text prints a link's address behind its text: nobody wrote that.
    """
    return [_letters_of(unescape(address)) for address in _HREF.findall(block)]


@dataclass(slots=True)
class _Letters:
    """The letters and digits of a text, each with the place in the source where it begins and ends."""

    _letters: list[str] = field(default_factory=list)
    _places: list[tuple[int, int]] = field(default_factory=list)

    def add(self, text: str, offset: int) -> None:
        for place, letter in enumerate(text, offset):
            if letter.isalnum():
                self._letters.append(letter)
                self._places.append((place, place + 1))

    def add_entity(self, text: str, start: int, end: int) -> None:
        for letter in filter(str.isalnum, text):
            self._letters.append(letter)
            self._places.append((start, end))

    @property
    def text(self) -> str:
        return "".join(self._letters)

    def source_of(self, start: int, end: int) -> tuple[int, int]:
        return self._places[start][0], self._places[end - 1][1]


def _letters_of(text: str) -> str:
    return "".join(filter(str.isalnum, text))


_FIRST_LETTERS = _letters_of(FIRST_LINE)
_LAST_LETTERS = _letters_of(LAST_LINE)
_EITHER_LINE = re.compile(f"{_FIRST_LETTERS}|{_LAST_LETTERS}")


@dataclass(slots=True, eq=False)
class _Element:
    """An element's tags by their offsets: `<p>` is `opens` to `begins`, `</p>` is `ends` to `closes`."""

    name: str
    opens: int
    begins: int
    ends: int
    closes: int


@dataclass(slots=True)
class _Page:
    """What is to be known of HTML: its visible text, its elements in the order in which they begin, its pictures."""

    letters: _Letters = field(default_factory=_Letters)
    elements: list[_Element] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)

    def open_at(self, offset: int) -> list[_Element]:
        """From the outermost to the innermost."""
        return [element for element in self.elements if element.begins <= offset < element.ends]


def _read(html: str) -> _Page:
    page = _Page()
    open_elements = _OpenElements()
    for token in _TOKEN.finditer(html):
        if token["name"]:
            if token["name"].lower() == "img":
                page.pictures.append(token.start())
            if element := open_elements.take(token, len(html)):
                page.elements.append(element)
        elif token["entity"]:
            page.letters.add_entity(unescape(token["entity"]), *token.span())
        elif token["text"]:
            page.letters.add(token["text"], token.start())
    return page


class _OpenElements:
    """The elements that have begun and not ended, while a page is read from tag to tag."""

    def __init__(self) -> None:
        self._elements: list[_Element] = []
        self._count: Counter[str] = Counter()

    def take(self, tag: re.Match[str], html_end: int) -> _Element | None:
        """The element that begins with `tag`. One that is never ended lasts to the end of the page."""
        name = tag["name"].lower()
        if tag["slash"]:
            self._close(name, tag)
            return None
        if name in _VOID:
            return None
        element = _Element(name, *tag.span(), html_end, html_end)
        self._elements.append(element)
        self._count[name] += 1
        return element

    def _close(self, name: str, tag: re.Match[str]) -> None:
        """End the last element of that name, and whatever is still open inside; a tag that ends nothing is nothing."""
        if not self._count[name]:
            return
        while self._elements[-1].name != name:
            self._pop(tag.start(), tag.start())
        self._pop(*tag.span())

    def _pop(self, ends: int, closes: int) -> None:
        element = self._elements.pop()
        element.ends, element.closes = ends, closes
        self._count[element.name] -= 1


@dataclass(frozen=True, slots=True)
class _Block:
    """A complete block: where its two lines begin and end in the source, and what is between them."""

    first: tuple[int, int]
    last: tuple[int, int]
    text: str
    has_picture: bool

    @property
    def is_empty(self) -> bool:
        return not self.text and not self.has_picture

    def digest(self, addresses: list[str]) -> str:
        text = self.text
        for address in addresses:
            text = text.replace(address, "")
        return sha256(text.encode()).hexdigest()[:16]


def _find_block(page: _Page) -> _Block | None:
    """The first complete one."""
    text = page.letters.text
    first = text.find(_FIRST_LETTERS)
    last = text.find(_LAST_LETTERS, first)
    if first < 0 or last < 0:
        return None
    first = text.rfind(_FIRST_LETTERS, first, last)
    inner = first + len(_FIRST_LETTERS)
    first_line = page.letters.source_of(first, inner)
    last_line = page.letters.source_of(last, last + len(_LAST_LETTERS))
    has_picture = any(first_line[1] <= offset < last_line[0] for offset in page.pictures)
    return _Block(first_line, last_line, text[inner:last], has_picture)


def _front(page: _Page) -> int:
    """Where the visible part of a page begins."""
    first = {element.name: element for element in reversed(page.elements)}
    if body := first.get("body"):
        return body.begins
    if head := first.get("head"):
        return head.closes
    return html.begins if (html := first.get("html")) else 0


def _replace(html: str, page: _Page, start: int, end: int, block: str) -> str:
    """Put `block` in place of the text from `start` to `end`, into the innermost element that holds both and may.

    A `div` around the text alone goes too, for the block brings its own. With an empty block there is nothing to be
    held, and only elements that hold nothing else go.
    """
    left, right = page.open_at(start), page.open_at(end - 1)
    shared = [element for element, other in zip(left, right, strict=False) if element is other]
    gap = _Gap(html, start, end)
    for element in reversed(left[len(shared) :]):
        gap.close(element)
    for element in reversed(right[len(shared) :]):
        gap.reopen(element)
    for element in reversed(shared):
        is_emptied = gap.fills(element) and (element.name == "div" or element.name not in _CONTAINERS)
        is_parted = bool(block) and element.name not in _CONTAINERS
        if not (is_emptied or is_parted):
            break
        gap.close(element)
        gap.reopen(element)
    return gap.filled_with(block)


def _replace_keeping(html: str, page: _Page, found: _Block, block: str) -> str:
    """Put `block` in place of the first line alone and take out the last one, so that what is between them stays."""
    html = _replace(html, page, *found.last, "")
    start, end = found.first
    behind = _BEHIND_FIRST_LINE.match(html, end)
    return _replace(html, _read(html), start, behind.end() if behind else end, f"{block}<div>{KEPT_LINE}</div>")


@dataclass(slots=True)
class _Gap:
    """The part of a page that is taken out, and the tags to be written before and behind what comes instead.

    It grows outwards, so that its elements must be named from the innermost to the outermost.
    """

    _html: str
    _start: int
    _end: int
    _closed: list[str] = field(default_factory=list)
    _reopened: list[str] = field(default_factory=list)

    def close(self, element: _Element) -> None:
        """End, before the gap, an element that began there; when the gap is all it had, take it out."""
        if self._begins(element):
            self._start = element.opens
        else:
            self._closed.append(f"</{element.name}>")

    def reopen(self, element: _Element) -> None:
        """Begin, behind the gap, an element that ends there; when the gap is all it had, take it out."""
        if self._ends(element):
            self._end = element.closes
        else:
            self._reopened.insert(0, self._html[element.opens : element.begins])

    def fills(self, element: _Element) -> bool:
        return self._begins(element) and self._ends(element)

    def filled_with(self, block: str) -> str:
        return "".join([self._html[: self._start], *self._closed, block, *self._reopened, self._html[self._end :]])

    def _begins(self, element: _Element) -> bool:
        return _BLANK.fullmatch(self._html, element.begins, self._start) is not None

    def _ends(self, element: _Element) -> bool:
        return _BLANK.fullmatch(self._html, self._end, element.ends) is not None
