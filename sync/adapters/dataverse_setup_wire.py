"""Plan entries as requests to the Web API, and its answers as what is there. Pure: no I/O.

Rows get ids of our choosing, so that a plan can name what it is about to make, a repeated creation makes no second one,
and ours can be told from others'. The ids are writable on create by the table references of serviceendpoint,
sdkmessageprocessingstep, sdkmessageprocessingstepimage and publisher. Bodies: Dataverse documentation,
register-web-hook, checked 2026-11-21. The XML of `authvalue` stands in no page: it is the one that public programs
send. How definitions are written is in `dataverse_definitions_wire`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from sync.adapters.dataverse_definitions_wire import TYPE, definition, definition_address
from sync.core.errors import InvalidPayload
from sync.core.registration import (
    LENGTH,
    SECRET_IS_SET,
    SOLUTION,
    Doing,
    Kind,
    Part,
    PlanEntry,
    Request,
    Trigger,
    Value,
)
from sync.core.webhooks import WEBHOOK_SECRET_HEADER

_NAMESPACE = UUID("3c9b6f0e-5d0a-4b52-9d0e-8a1f4c7e2b60")
_SETS = {
    Kind.PUBLISHER: "publishers",
    Kind.SOLUTION: "solutions",
    Kind.ENDPOINT: "serviceendpoints",
    Kind.STEP: "sdkmessageprocessingsteps",
    Kind.IMAGE: "sdkmessageprocessingstepimages",
}
_SECRET = "authvalue"  # noqa: S105 - a column's name
_NOT_AT_FIRST = (SECRET_IS_SET, "statecode")
"""Columns that nobody writes when a row is created: Dataverse fills them in."""

_IN_SOLUTION = {"MSCRM.SolutionUniqueName": SOLUTION}
_REPLACING = {"MSCRM.MergeLabels": "true"}
"""Else the labels of other languages would be lost."""

_EXISTING = {"If-Match": "*"}
"""Without it a PATCH of a row that has just been deleted would create it anew."""

_ENABLED = {"statecode": 0, "statuscode": 1}
_DISABLED = {"statecode": 1, "statuscode": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """What requests name that only the environment knows.

    `languages` are those of the environment that our labels must have. `messages` are the ids of the message and its
    filter for each trigger. `steps` are those of our steps that are there.
    """

    publisher: str
    solution: str = ""
    languages: Sequence[int] = (1033,)
    messages: Mapping[Trigger, tuple[str, str]] = field(default_factory=dict)
    steps: frozenset[Trigger] = frozenset()


def row_id(kind: Kind, trigger: Trigger | None = None) -> str:
    """The id that our row of that kind has in every environment."""
    return str(uuid5(_NAMESPACE, " ".join((kind, *(trigger or ())))))


def authentication(secret: str) -> str:
    """The `authvalue` of an endpoint that sends `secret` in a header."""
    return f'<settings><setting name="{WEBHOOK_SECRET_HEADER}" value="{escape(secret)}" /></settings>'


def with_secret(body: Mapping[str, object], secret: str) -> dict[str, object]:
    """A body as it is sent, with the secret where the one that is shown has a mask."""
    return {**body, _SECRET: authentication(secret)} if _SECRET in body else dict(body)


def requests_of(entry: PlanEntry, ids: Ids) -> list[Request]:
    """The requests that carry out an entry, in their order."""
    match entry.doing:
        case Doing.CREATE:
            return _creation(entry.part, ids)
        case Doing.CHANGE:
            return _change(entry, ids)
        case Doing.PUBLISH:
            tables = "".join(f"<entity>{table}</entity>" for table in entry.part.name.split(", "))
            xml = f"<importexportxml><entities>{tables}</entities></importexportxml>"
            return [Request(method="POST", address="PublishXml", body={"ParameterXml": xml})]
        case Doing.REMOVE:
            return [Request(method="DELETE", address=_address(entry.part, ids))]


def _address(part: Part, ids: Ids) -> str:
    if part.kind in _SETS:
        return f"{_SETS[part.kind]}({_id(part, ids)})"
    return definition_address(part)


def _id(part: Part, ids: Ids) -> str:
    match part.kind:
        case Kind.PUBLISHER:
            return ids.publisher
        case Kind.SOLUTION:
            return ids.solution
        case _:
            return row_id(part.kind, part.trigger)


def _creation(part: Part, ids: Ids) -> list[Request]:
    body: dict[str, object] = {name: value for name, value in part.values.items() if name not in _NOT_AT_FIRST}
    match part.kind:
        case Kind.PUBLISHER:
            return [Request(method="POST", address="publishers", body={"publisherid": ids.publisher, **body})]
        case Kind.SOLUTION:
            body["publisherid@odata.bind"] = f"/publishers({ids.publisher})"
            return [Request(method="POST", address="solutions", body=body)]
        case Kind.TABLE | Kind.COLUMN | Kind.KEY | Kind.RELATIONSHIP:
            return [_post(*definition(part, ids.languages))]
        case Kind.ENDPOINT:
            return [_post("serviceendpoints", {"serviceendpointid": _id(part, ids), **body, **_masked()})]
        case Kind.STEP:
            return [_post(_SETS[part.kind], _step(part, body, ids))]
        case Kind.IMAGE:
            step = f"/sdkmessageprocessingsteps({row_id(Kind.STEP, part.trigger)})"
            body = {
                "sdkmessageprocessingstepimageid": _id(part, ids),
                **body,
                "sdkmessageprocessingstepid@odata.bind": step,
            }
            return [_post(_SETS[part.kind], body), *_restart(part, ids)]
        case _:
            raise ValueError(f"{part.title} is there from the beginning")


def _post(address: str, body: Mapping[str, object]) -> Request:
    return Request(method="POST", address=address, headers=_IN_SOLUTION, body=body)


def _masked() -> dict[str, object]:
    return {_SECRET: authentication("***")}


def _change(entry: PlanEntry, ids: Ids) -> list[Request]:
    part, changes = entry.part, dict(entry.changes)
    address = _address(part, ids)
    match part.kind:
        case Kind.COLUMN:
            kind = f"{TYPE}StringAttributeMetadata"
            body = {"@odata.type": kind, "MaxLength": changes[LENGTH]}
            return [Request(method="PUT", address=address, headers=_REPLACING, body=body, base=f"{address}/{kind}")]
        case Kind.CHANGE_TRACKING:
            body = {"ChangeTrackingEnabled": True}
            return [Request(method="PUT", address=address, headers=_REPLACING, body=body, base=address)]
        case Kind.KEY:
            body = {"EntityLogicalName": part.table, "EntityKeyLogicalName": part.name.lower()}
            return [Request(method="POST", address="ReactivateEntityKey", body=body)]
        case Kind.ENDPOINT:
            changes.pop(SECRET_IS_SET, None)
            return [_patch(address, {**changes, **_masked()})]
        case Kind.STEP:
            return [_patch(address, {**changes, **(_ENABLED if "statecode" in changes else {})})]
        case _:
            return [_patch(address, changes), *_restart(part, ids)]


def _patch(address: str, body: Mapping[str, object]) -> Request:
    return Request(method="PATCH", address=address, headers=_EXISTING, body=body)


def _restart(image: Part, ids: Ids) -> list[Request]:
    """A step that has been running goes on with the image it knew until it is disabled and enabled."""
    if image.trigger not in ids.steps:
        return []
    step = f"sdkmessageprocessingsteps({row_id(Kind.STEP, image.trigger)})"
    return [_patch(step, _DISABLED), _patch(step, _ENABLED)]


def _step(part: Part, body: Mapping[str, object], ids: Ids) -> dict[str, object]:
    assert part.trigger is not None
    if part.trigger not in ids.messages:
        raise InvalidPayload(f"Dataverse lists no message for {part.name}.")
    message_id, filter_id = ids.messages[part.trigger]
    return {
        "sdkmessageprocessingstepid": _id(part, ids),
        **body,
        "eventhandler_serviceendpoint@odata.bind": f"/serviceendpoints({row_id(Kind.ENDPOINT)})",
        "sdkmessageid@odata.bind": f"/sdkmessages({message_id})",
        "sdkmessagefilterid@odata.bind": f"/sdkmessagefilters({filter_id})",
    }


def query(address: str, columns: Iterable[str], condition: str = "", *, expand: str = "") -> str:
    """An address that asks for some columns of the rows for which `condition` holds."""
    options = [f"$select={','.join(columns)}"]
    options += [f"$expand={expand}"] if expand else []
    options += [f"$filter={quote(condition, safe="()/,'")}"] if condition else []
    return f"{address}?{'&'.join(options)}"


def any_of(column: str, values: Iterable[str]) -> str:
    """A condition: the column has one of these texts, which hold no quotes."""
    return " or ".join(f"{column} eq '{value}'" for value in values)


def values_from_row(part: Part, row: Mapping[str, Any]) -> dict[str, Value]:
    """The columns of a row that the part speaks of."""
    return {name: row[name] for name in part.values if row.get(name) is not None}
