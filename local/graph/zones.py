"""Time zones as Outlook names them: Windows names, IANA names and the custom zone.

Local times without offset come in, aware UTC goes inside, and the other way round. Windows names are mapped by
`tzlocal`'s copy of the Unicode CLDR table. Source: Graph documentation, resources/dateTimeTimeZone.
"""

import functools
import re
import zoneinfo
from datetime import UTC, datetime, tzinfo

from tzlocal.windows_tz import win_tz

CUSTOM_ZONE = "tzone://Microsoft/Custom"
"""What Outlook shows for a zone that a person defined; it cannot be resolved, the mailbox's own zone stands in."""

_LOCAL_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?(Z?)")


class UnknownZoneError(ValueError):
    """A time zone name that Outlook does not know."""


@functools.cache
def zone_named(name: str) -> tzinfo:
    """The zone of a Windows or IANA name. Raises `UnknownZoneError`, for the custom zone too."""
    if name == "UTC":
        return UTC
    iana_name = win_tz.get(name, name)
    if iana_name not in _iana_names():
        raise UnknownZoneError(name)
    return zoneinfo.ZoneInfo(iana_name)


@functools.cache
def _iana_names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def parse_local(text: str, zone: tzinfo) -> datetime:
    """The instant, in UTC, at which clocks in `zone` show `text`.

    A time that occurs twice, when clocks go back, is the first one; one that is skipped lies after the gap by as much
    as it would have without the gap. Raises `ValueError` for anything else than a local time; a final `Z` is accepted
    only in UTC.
    """
    match = _LOCAL_TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"not a local date and time: {text!r}")
    if match[3] and zone is not UTC:
        raise ValueError(f"{text!r} claims UTC, its timeZone says otherwise")
    microsecond = int((match[2] or "0").ljust(7, "0")[:6])
    return datetime.fromisoformat(match[1]).replace(microsecond=microsecond, tzinfo=zone).astimezone(UTC)


def local_text(at: datetime, zone: tzinfo) -> str:
    """What clocks in `zone` show at `at`, with seven decimals and without offset."""
    return at.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S.%f0")


def utc_text(at: datetime) -> str:
    """A timestamp in UTC with seven decimals and `Z`."""
    return local_text(at, UTC) + "Z"
