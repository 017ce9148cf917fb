"""The values of the core as rows of a table, and back. Pure.

The columns follow from the fields' types, so that a new field needs nothing here. Times are text in UTC with
microseconds, which compares as text and comes back exactly. Versions of the app run side by side for a while: a reader
ignores columns that it does not know, and a column that is missing is None where that is allowed, else the field's
default.

Limits: a text property holds 64 KiB of UTF-16, an entity 1 MiB; keys forbid `/`, `\\`, `#`, `?` and control characters
(Azure documentation, rest/api/storageservices/understanding-the-table-service-data-model, checked 2026-11-21).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from hashlib import sha256
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_type_hints

from sync.core.errors import InvalidPayload
from sync.core.sides import EventAddress, TimeSpan

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

type Column = str | int | bool
type Columns = dict[str, Column]

COLUMN_CHARACTERS = 16_000
"""A longer text goes on in `name__2`, `name__3`. Half the limit, because a character may take two UTF-16 units."""

NOT_STORED = "version"
"""The field that holds the row's etag, which the table keeps by itself."""

_SAFE_KEY = re.compile(r"[A-Za-z0-9@._-]{1,200}")


class RowKey(NamedTuple):
    """Where a row stands. Rows of one partition are listed in the order of `row`."""

    partition: str
    row: str


def key_text(raw: str) -> str:
    """`raw` itself where a key may be so, else its hash. Differences of case are kept."""
    return raw if _SAFE_KEY.fullmatch(raw) else sha256(raw.encode()).hexdigest()


def columns_from_value(value: "DataclassInstance") -> Columns:
    """One or more columns for each field that is not None."""
    columns: Columns = {}
    for name, codec in _codecs(type(value)).items():
        if (content := getattr(value, name)) is not None:
            columns.update(_split(name, codec.write(content)))
    return columns


def value_from_columns[T: "DataclassInstance"](kind: type[T], columns: Mapping[str, Any], **extra: Any) -> T:
    """The value that was stored. Raises `InvalidPayload` for a row that cannot be one."""
    stored: dict[str, Any] = {}
    try:
        for name, codec in _codecs(kind).items():
            if name in columns:
                stored[name] = codec.read(_joined(name, columns))
            elif codec.allows_none:
                stored[name] = None
        return kind(**stored, **extra)
    except (ValueError, TypeError) as error:
        raise InvalidPayload(f"a stored {kind.__name__} cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class _Codec:
    write: Callable[[Any], Column]
    read: Callable[[Any], Any]
    allows_none: bool = False


@cache
def _codecs(kind: type["DataclassInstance"]) -> dict[str, _Codec]:
    hints = get_type_hints(kind)
    return {field.name: _codec(hints[field.name]) for field in fields(kind) if field.name != NOT_STORED}


def _codec(hint: Any) -> _Codec:
    """Raises `TypeError` for a type that no column is defined for."""
    if isinstance(hint, UnionType):
        (inner,) = (part for part in get_args(hint) if part is not NoneType)
        return replace(_codec(inner), allows_none=True)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _Codec(str, hint)
    if hint not in _CODECS:
        raise TypeError(f"no column is defined for {hint}")
    return _CODECS[hint]


def _split(name: str, content: Column) -> Iterator[tuple[str, Column]]:
    if not isinstance(content, str) or len(content) <= COLUMN_CHARACTERS:
        yield name, content
        return
    for part, start in enumerate(range(0, len(content), COLUMN_CHARACTERS), start=1):
        yield (name if part == 1 else f"{name}__{part}"), content[start : start + COLUMN_CHARACTERS]


def _joined(name: str, columns: Mapping[str, Any]) -> Any:
    content, part = columns[name], 2
    while (more := columns.get(f"{name}__{part}")) is not None:
        content, part = content + more, part + 1
    return content


def _same(content: Any) -> Any:
    return content


def _text_from_moment(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {moment}")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _text_from_span(span: TimeSpan) -> str:
    """An ISO 8601 interval."""
    return f"{span.start_at.isoformat()}/{span.end_at.isoformat()}"


def _span_from_text(text: str) -> TimeSpan:
    start_at, end_at = map(datetime.fromisoformat, text.split("/"))
    return TimeSpan(start_at=start_at, end_at=end_at)


def _text_from_moments(moments: tuple[datetime, ...]) -> str:
    return json.dumps([_text_from_moment(moment) for moment in moments])


def _moments_from_text(text: str) -> tuple[datetime, ...]:
    return tuple(map(datetime.fromisoformat, json.loads(text)))


def _text_from_mapping(mapping: Mapping[str, str]) -> str:
    return json.dumps(dict(mapping))


def _address_from_text(text: str) -> EventAddress:
    mailbox_id, event_id = json.loads(text)
    return EventAddress(mailbox_id, event_id)


_CODECS: dict[Any, _Codec] = {
    str: _Codec(_same, _same),
    int: _Codec(_same, _same),
    bool: _Codec(_same, _same),
    datetime: _Codec(_text_from_moment, datetime.fromisoformat),
    TimeSpan: _Codec(_text_from_span, _span_from_text),
    tuple[str, ...]: _Codec(json.dumps, lambda text: tuple(json.loads(text))),
    tuple[datetime, ...]: _Codec(_text_from_moments, _moments_from_text),
    dict[str, int]: _Codec(json.dumps, json.loads),
    Mapping[str, str]: _Codec(_text_from_mapping, json.loads),
    EventAddress: _Codec(json.dumps, _address_from_text),
}
