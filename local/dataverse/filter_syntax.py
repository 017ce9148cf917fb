"""The text of `$filter` as a tree, for the subset of OData that the service and this simulator share.

Knows no table and no row. Source: Dataverse documentation, "Filter rows using OData"; what that page does not list
(arithmetic, `in`, `date()`, a bare boolean) is a syntax error here as there.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from local.dataverse import errors
from local.dataverse.schema import Value
from local.dataverse.values import parse_guid, parse_time

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^']|'')*')
    | (?P<guid>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})(?![\w-])
    | (?P<time>\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2})?)?)(?![\w:-])
    | (?P<number>-?\d+(?:\.\d+)?)(?![\w.-])
    | (?P<name>[A-Za-z_]\w*(?:[./][A-Za-z_]\w*)*)
    | (?P<mark>[()\[\],=])
    )""",
    re.VERBOSE,
)
_OPERATORS = ("eq", "ne", "gt", "ge", "lt", "le")
_TEXT_FUNCTIONS = ("contains", "startswith", "endswith")
_IN = "Microsoft.Dynamics.CRM.In"


@dataclass(frozen=True, slots=True)
class Path:
    """A property, reached through single-valued navigation properties: `Resource/UserId/fullname`."""

    steps: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self.steps)


@dataclass(frozen=True, slots=True)
class Literal:
    """A value in the text. `kind` is the Edm type that its spelling has; `Edm.Null` for null."""

    kind: str
    value: Value


@dataclass(frozen=True, slots=True)
class Comparison:
    path: Path
    operator: str
    operand: Literal | Path


@dataclass(frozen=True, slots=True)
class TextMatch:
    """`contains`, `startswith` or `endswith`."""

    function: str
    path: Path
    pattern: str


@dataclass(frozen=True, slots=True)
class In:
    """The service's own `In`: a column by its logical name, and texts that are read as values of that column."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Both:
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Either:
    left: "Expression"
    right: "Expression"


type Expression = Comparison | TextMatch | In | Not | Both | Either


def parse_filter(text: str) -> Expression:
    """Raises `ServiceError` 400 with the position of what is wrong."""
    parser = _Parser(text)
    expression = parser.either()
    parser.expect_end()
    return expression


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split(text)
        self._next = 0

    def _split(self, text: str) -> list[_Token]:
        tokens, position = [], 0
        end = len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._error(position)
            kind = str(match.lastgroup)
            tokens.append(_Token(kind, match[kind], match.start(kind)))
            position = match.end()
        return [*tokens, _Token("end", "", end)]

    def _error(self, position: int) -> errors.ServiceError:
        return errors.bad_request(f"Syntax error at position {position} in '{self._text}'.")

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, kind: str, text: str | None = None) -> str:
        token = self._token
        if token.kind != kind or (text is not None and token.text != text):
            raise self._error(token.position)
        self._next += 1
        return token.text

    def _takes(self, kind: str, text: str) -> bool:
        if (self._token.kind, self._token.text) != (kind, text):
            return False
        self._next += 1
        return True

    def expect_end(self) -> None:
        self._take("end")

    def either(self) -> Expression:
        left = self._both()
        while self._takes("name", "or"):
            left = Either(left, self._both())
        return left

    def _both(self) -> Expression:
        left = self._unary()
        while self._takes("name", "and"):
            left = Both(left, self._unary())
        return left

    def _unary(self) -> Expression:
        if self._takes("name", "not"):
            # `not a eq b` means `(not a) eq b` in OData, which the service refuses.
            follower = self._token
            if follower.text != "(" and follower.text not in (*_TEXT_FUNCTIONS, _IN):
                raise self._error(follower.position)
            return Not(self._unary())
        if self._takes("mark", "("):
            inner = self.either()
            self._take("mark", ")")
            return inner
        return self._predicate()

    def _predicate(self) -> Expression:
        name = self._take("name")
        if self._takes("mark", "("):
            return self._call(name)
        operator = self._take("name")
        if operator not in _OPERATORS:
            raise self._error(self._tokens[self._next - 1].position)
        return Comparison(_path(name), operator, self._operand())

    def _call(self, name: str) -> Expression:
        if name == _IN:
            return self._in()
        if name not in _TEXT_FUNCTIONS:
            if name.startswith("Microsoft.Dynamics.CRM.") or name.rpartition("/")[2] in ("any", "all"):
                raise errors.not_modelled(f"'{name}' in $filter")
            raise errors.bad_request(f"An unknown function with name '{name}' was found.")
        path = _path(self._take("name"))
        self._take("mark", ",")
        pattern = _unquote(self._take("string"))
        self._take("mark", ")")
        return TextMatch(name, path, pattern)

    def _in(self) -> In:
        self._take("name", "PropertyName")
        self._take("mark", "=")
        column = _unquote(self._take("string"))
        self._take("mark", ",")
        self._take("name", "PropertyValues")
        self._take("mark", "=")
        self._take("mark", "[")
        values = [_unquote(self._take("string"))]
        while self._takes("mark", ","):
            values.append(_unquote(self._take("string")))
        self._take("mark", "]")
        self._take("mark", ")")
        return In(column, tuple(values))

    def _operand(self) -> Literal | Path:
        token = self._token
        self._next += 1
        match token.kind:
            case "string":
                return Literal("Edm.String", _unquote(token.text))
            case "guid":
                return Literal("Edm.Guid", parse_guid(token.text))
            case "time":
                return self._time(token)
            case "number" if "." in token.text:
                return Literal("Edm.Double", float(token.text))
            case "number":
                return Literal("Edm.Int32", int(token.text))
            case "name" if token.text in ("true", "false"):
                return Literal("Edm.Boolean", token.text == "true")
            case "name" if token.text == "null":
                return Literal("Edm.Null", None)
            case "name":
                return _path(token.text)
        raise self._error(token.position)

    def _time(self, token: _Token) -> Literal:
        moment: datetime | None
        if "T" in token.text:
            moment = parse_time(token.text)
        else:
            try:
                moment = datetime.fromisoformat(token.text).replace(tzinfo=UTC)
            except ValueError:
                moment = None
        if moment is None:
            raise self._error(token.position)
        return Literal("Edm.DateTimeOffset", moment)


def _path(name: str) -> Path:
    return Path(tuple(name.split("/")))


def _unquote(text: str) -> str:
    return text[1:-1].replace("''", "'")
