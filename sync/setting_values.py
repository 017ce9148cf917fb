"""What the text of a setting may be, and what it is read as.

Each parser takes a text that is neither empty nor blank, and raises `ValueError` with the problem in words that follow
the setting's name.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import UUID

from sync.core.content import Template
from sync.core.sides import BookingPhase

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Reader:
    """Reads settings and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def read[T](self, name: str, parse: Callable[[str], T], *, default: str | None = None) -> T | None:
        """The parsed value; None for an empty optional one, and for a wrong one, which is noted."""
        text = self.text(name) or (default or "")
        if not text:
            if default is None:
                self.problems.append(f"{name} is missing")
            return None
        if text.startswith("@Microsoft.KeyVault"):
            self.problems.append(f"{name} is an unresolved Key Vault reference: check the app's access to the vault")
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"{name} {error}")
            return None


def guid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError("is not a GUID") from None


def base_url(text: str) -> str:
    """An http(s) address without a trailing slash; http is for loopback only."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("is not a web address")
    if parts.port == 0:  # Reading it raises ValueError for what is no port.
        raise ValueError("has no usable port")
    if parts.scheme == "http" and not is_loopback(text):
        raise ValueError("must be https (http is accepted on loopback addresses only)")
    return parts._replace(netloc=parts.netloc.lower()).geturl().rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine, judged without asking a name server."""
    host = urlsplit(url).hostname or ""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def number(lowest: float, highest: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError("is not a number") from None
        if not lowest <= value <= highest:
            raise ValueError(f"is not between {lowest:g} and {highest:g}")
        return value

    return parse


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = number(lowest, highest)(text)
        if value != int(value):
            raise ValueError("is not a whole number")
        return int(value)

    return parse


def one_of[E: StrEnum](kind: type[E]) -> Callable[[str], E]:
    """One of the words of a closed set, in whatever case."""
    by_word = {one.lower(): one for one in kind}

    def parse(text: str) -> E:
        if text.lower() not in by_word:
            raise ValueError(f"is not one of {', '.join(kind)}")
        return by_word[text.lower()]

    return parse


def truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return text.lower() == "true"


def list_of[T](parse_one: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    def parse(text: str) -> tuple[T, ...]:
        values = tuple(parse_one(part.strip()) for part in text.split(",") if part.strip())
        if not values:
            raise ValueError("lists nothing")
        return values

    return parse


def phases(text: str) -> tuple[BookingPhase, ...]:
    """A list of phases; the word `none` for an empty one."""
    return () if text.lower() == "none" else list_of(one_of(BookingPhase))(text)


def schedule(text: str) -> str:
    """A shape check only; the Functions host reads the schedule itself."""
    if len(text.split()) not in (5, 6):
        raise ValueError("is not a schedule of five or six fields, such as 0 */15 * * * *")
    return text


def secret(text: str) -> str:
    if len(text) < 32:
        raise ValueError("must have at least 32 characters")
    return text


def header_secret(text: str) -> str:
    """A secret that an HTTP header can carry as it is."""
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("must be of printable ASCII characters without blanks")
    return secret(text)


def template(text: str) -> Template:
    """A template for a text of events; the word `none` for no text."""
    return Template.parse("" if text.lower() == "none" else text)


def time_zone(text: str) -> tzinfo:
    """A zone by its IANA name. UTC, the default, is known without loading what knows the others."""
    if text == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(text)
    except (ValueError, KeyError, OSError):  # A part of a name is a folder of the time zone database.
        raise ValueError("is not the IANA name of a time zone, such as Europe/Helsinki") from None


def account_name(text: str) -> str:
    if not (text.isascii() and text.isalnum() and 3 <= len(text) <= 24):
        raise ValueError("is not the name of a storage account")
    return text
