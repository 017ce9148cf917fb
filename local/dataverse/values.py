"""Values between the wire and the store: what a column accepts, how it is shown and how it is labelled.

Source: Dataverse documentation, "Behavior and format of the date and time column" for times, "Web service error codes"
for the codes of refused values.
"""

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from local.dataverse import errors
from local.dataverse.schema import Column, ColumnType, Value

_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(:\d{2})?(?:\.(\d{1,7}))?(Z|[+-]\d{2}:\d{2})?",
)
_EARLIEST = datetime(1753, 1, 1, tzinfo=UTC)
_INTEGERS = (ColumnType.INTEGER, ColumnType.BIG_INTEGER)
_CHOICES = (ColumnType.CHOICE, ColumnType.STATE, ColumnType.STATUS)


def parse_guid(text: str) -> str | None:
    """The canonical lower-case form, or None when `text` is not a guid with its hyphens."""
    try:
        canonical = str(uuid.UUID(text))
    except ValueError:
        return None
    return canonical if canonical == text.lower() else None


def parse_time(text: str) -> datetime | None:
    """An instant as aware UTC; a time without zone is read as UTC. None for anything that the service refuses.

    An offset together with `Z`, a date without time, and years before 1753 are refused.
    """
    match = _TIME.fullmatch(text)
    if not match:
        return None
    day, minute, second, fraction, zone = match.groups()
    offset = "+00:00" if zone in (None, "Z") else zone
    try:
        moment = datetime.fromisoformat(
            f"{day}T{minute}{second or ':00'}.{(fraction or '0')[:6]:0<6}{offset}"
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment >= _EARLIEST else None


def show_time(moment: datetime) -> str:
    """As the Web API writes it: whole seconds and `Z`, a fraction only where one was kept."""
    fraction = f".{moment.microsecond:06}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def show(value: Value) -> Any:
    """The JSON form of a stored value."""
    return show_time(value) if isinstance(value, datetime) else value


def accept(column: Column, raw: Any, *, table: str, set_name: str, keep_fractions: bool) -> Value:
    """The stored form of a value of a request body. `raw` None clears the column.

    Raises `ServiceError` for a wrong type, a text that is too long and a number out of range.
    """
    if raw is None:
        return None
    value = _convert(column, raw, keep_fractions)
    if value is None:
        raise errors.bad_payload(
            set_name, f"Cannot convert the literal '{raw}' to the expected type '{column.edm_name}'."
        )
    if isinstance(value, str) and column.max_length is not None and len(value) > column.max_length:
        raise errors.bad_request(
            f"A validation error occurred.  The length of the '{column.name}' attribute of the '{table}' entity "
            f"exceeded the maximum allowed length of '{column.max_length}'.",
            errors.TOO_LONG,
        )
    if column.type in _CHOICES and value not in column.choices:
        accepted = ",".join(str(number) for number in column.choices)
        raise errors.bad_request(
            f"A validation error occurred. The value '{value}' of '{column.name}' on record of type '{table}' is "
            f"outside the valid range. Accepted Values: {accepted}",
            errors.CHOICE_OUT_OF_RANGE,
        )
    if column.minimum is not None and column.maximum is not None and isinstance(value, int | float):
        _check_range(column, value, table)
    return value


def _check_range(column: Column, value: float, table: str) -> None:
    minimum, maximum = column.minimum or 0, column.maximum or 0
    if not minimum <= value <= maximum:
        raise errors.bad_request(
            f"A validation error occurred. The value '{value}' of '{column.name}' on record of type '{table}' is "
            f"outside the valid range. Accepted Values: {minimum:.10g} to {maximum:.10g}",
            errors.OUT_OF_RANGE,
        )


def _convert(column: Column, raw: Any, keep_fractions: bool) -> Value:
    """None when `raw` has the wrong type."""
    match column.type:
        case ColumnType.STRING | ColumnType.MEMO:
            return raw if isinstance(raw, str) else None
        case ColumnType.BOOLEAN:
            return raw if isinstance(raw, bool) else None
        case ColumnType.DOUBLE:
            return float(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) else None
        case ColumnType.DATE_TIME:
            moment = parse_time(raw) if isinstance(raw, str) else None
            return moment if moment is None or keep_fractions else moment.replace(microsecond=0)
        case ColumnType.GUID | ColumnType.LOOKUP | ColumnType.OWNER:
            return parse_guid(raw) if isinstance(raw, str) else None
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else None


def label(column: Column, value: Value) -> str | None:
    """The formatted value of anything but a lookup; None where the service sends none (texts, guids)."""
    if value is None:
        return None
    if column.type in _CHOICES and isinstance(value, int):
        return column.choices[value]
    if isinstance(value, bool):
        return column.choices[int(value)]
    if isinstance(value, datetime):
        return f"{value.month}/{value.day}/{value.year} {value.hour % 12 or 12}:{value:%M %p}"
    if column.type in _INTEGERS or column.type is ColumnType.DOUBLE:
        return f"{value:,}" if column.type in _INTEGERS else f"{value:,.5f}"
    return None


def fold(value: Value) -> Value:
    """For comparison: texts lose their case, as in the service's collation."""
    return value.casefold() if isinstance(value, str) else value
