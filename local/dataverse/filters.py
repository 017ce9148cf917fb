"""A parsed `$filter` as a test of rows, with the service's rules of comparison.

Texts are compared without regard to case, `%`, `_` and `[...]` are wildcards in the text functions, a guid may be
quoted, and `ne` also finds rows without a value. Source: Dataverse documentation, "Filter rows using OData".
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, assert_never

from local.dataverse import errors
from local.dataverse.filter_syntax import Both, Comparison, Either, Expression, In, Literal, Not, Path, TextMatch
from local.dataverse.schema import Value
from local.dataverse.values import fold, parse_guid, parse_time

type Test[T] = Callable[[T], bool]

_ORDERINGS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_OPERATOR_KINDS = {
    "eq": "Equal",
    "ne": "NotEqual",
    "gt": "GreaterThan",
    "ge": "GreaterThanOrEqual",
    "lt": "LessThan",
    "le": "LessThanOrEqual",
}
_NUMBERS = ("Edm.Int32", "Edm.Int64", "Edm.Double")


@dataclass(frozen=True, slots=True)
class Property[T]:
    """How to read one property of an item, and its Edm type."""

    edm_name: str
    read: Callable[[T], Value]


class Source[T](Protocol):
    """What is filtered."""

    def property(self, path: Path) -> Property[T]:
        """Raises `ServiceError` 400 for a path that is not declared."""
        ...

    def column(self, logical_name: str) -> Property[T]:
        """By the logical name that the service's own functions take. Raises `ServiceError` 400."""
        ...


def compile_filter[T](expression: Expression, source: Source[T]) -> Test[T]:
    """Check every name and type of `expression` now, and test items later."""
    match expression:
        case Both(left, right):
            first, second = compile_filter(left, source), compile_filter(right, source)
            return lambda item: first(item) and second(item)
        case Either(left, right):
            first, second = compile_filter(left, source), compile_filter(right, source)
            return lambda item: first(item) or second(item)
        case Not(operand):
            inner = compile_filter(operand, source)
            return lambda item: not inner(item)
        case Comparison():
            return _comparison(expression, source)
        case TextMatch():
            return _text_match(expression, source)
        case In(column, texts):
            known = source.column(column)
            values = {fold(_read_text(known, text, column)) for text in texts}
            return lambda item: fold(known.read(item)) in values
    assert_never(expression)


def _comparison[T](comparison: Comparison, source: Source[T]) -> Test[T]:
    left = source.property(comparison.path)
    if isinstance(comparison.operand, Path):
        right = source.property(comparison.operand)
        _require_same_kind(left.edm_name, right.edm_name, comparison.operator)
        read_right = right.read
    else:
        constant = fold(_coerce(left.edm_name, comparison.operand, comparison.operator))
        read_right = _constantly(constant)
    if comparison.operator == "eq":
        return lambda item: fold(left.read(item)) == fold(read_right(item))
    if comparison.operator == "ne":
        return lambda item: fold(left.read(item)) != fold(read_right(item))
    compare = _ORDERINGS[comparison.operator]

    def ordered(item: T) -> bool:
        one, other = fold(left.read(item)), fold(read_right(item))
        return one is not None and other is not None and compare(one, other)

    return ordered


def _constantly(value: Value) -> Callable[[object], Value]:
    return lambda _: value


def _coerce(edm_name: str, literal: Literal, operator_name: str) -> Value:
    if literal.kind == "Edm.Null":
        if operator_name in ("eq", "ne"):
            return None
        raise _incompatible(edm_name, "null", operator_name)
    if edm_name == "Edm.Guid" and isinstance(literal.value, str):
        guid = parse_guid(literal.value)
        if guid is not None:
            return guid
    _require_same_kind(edm_name, literal.kind, operator_name)
    return literal.value


def _require_same_kind(left: str, right: str, operator_name: str) -> None:
    if left != right and not (left in _NUMBERS and right in _NUMBERS):
        raise _incompatible(left, right, operator_name)


def _incompatible(left: str, right: str, operator_name: str) -> errors.ServiceError:
    return errors.bad_request(
        f"A binary operator with incompatible types was detected. Found operand types '{left}' and '{right}' for "
        f"operator kind '{_OPERATOR_KINDS[operator_name]}'."
    )


def _text_match[T](match: TextMatch, source: Source[T]) -> Test[T]:
    known = source.property(match.path)
    if known.edm_name != "Edm.String":
        raise errors.bad_request(
            f"No function signature for the function with name '{match.function}' matches the specified arguments. "
            f"'{match.path}' is of type '{known.edm_name}'."
        )
    before = "" if match.function == "startswith" else ".*"
    after = "" if match.function == "endswith" else ".*"
    pattern = re.compile(before + _wildcards(match.pattern) + after, re.IGNORECASE | re.DOTALL)

    def matches(item: T) -> bool:
        value = known.read(item)
        return isinstance(value, str) and pattern.fullmatch(value) is not None

    return matches


def _wildcards(text: str) -> str:
    """A pattern of SQL's LIKE as a regular expression. A `[` without its `]` can match nothing."""
    parts, position = [], 0
    while position < len(text):
        character = text[position]
        end = text.find("]", position + 2) if character == "[" else -1
        if character == "[" and end < 0:
            return "(?!)"
        if character == "[":
            inside = text[position + 1 : end]
            negation = "^" if inside.startswith("^") else ""
            ranges = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside.removeprefix("^"))
            parts.append(f"[{negation}{ranges}]")
            position = end + 1
            continue
        parts.append({"%": ".*", "_": "."}.get(character, re.escape(character)))
        position += 1
    return "".join(parts)


def _read_text[T](known: Property[T], text: str, column: str) -> Value:
    """The value that a text of `In` stands for."""
    value: str | float | bool | datetime | None
    match known.edm_name:
        case "Edm.String":
            value = text
        case "Edm.Guid":
            value = parse_guid(text)
        case "Edm.DateTimeOffset":
            value = parse_time(text)
        case "Edm.Boolean":
            value = {"true": True, "false": False, "1": True, "0": False}.get(text.lower())
        case _:
            value = float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None
    if value is None:
        raise errors.bad_request(f"'{text}' is not a valid value of '{column}'.", errors.INVALID_ARGUMENT)
    return value
