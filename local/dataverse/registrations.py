"""What is registered: endpoints, steps and their images, read from their tables each time they are asked for.

Source: Dataverse documentation, "Register a webhook" and "Register a plug-in". The XML form of `authvalue` is in no
page; it is the one that public programs send.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit
from xml.etree import ElementTree as ET

from local.dataverse import errors
from local.dataverse.schema import Value
from local.dataverse.webhook_tables import (
    BOTH_IMAGES,
    ENABLED,
    ENDPOINT,
    FILTER,
    HTTP_HEADER,
    HTTP_QUERY_STRING,
    IMAGE,
    MESSAGE,
    POST_IMAGE,
    PRE_IMAGE,
    STEP,
    WEBHOOK_KEY,
)

if TYPE_CHECKING:
    from local.dataverse.world import DataverseWorld, Row, RowChange

HELD_SECRET = "authvalue, as it was written"
"""Where a row of `serviceendpoint` keeps its secret: beside its columns, where no request can read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where to post to, with the secrets in the places where its kind of authentication puts them."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Columns of the row as it was before or is after; None: all of them."""

    alias: str
    kind: int
    columns: tuple[str, ...] | None

    @property
    def is_pre(self) -> bool:
        return self.kind in (PRE_IMAGE, BOTH_IMAGES)

    @property
    def is_post(self) -> bool:
        return self.kind in (POST_IMAGE, BOTH_IMAGES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`runs_as` is the user in whose name the step runs; None: whoever made the change."""

    step_id: str
    name: str
    stage: int
    mode: int
    rank: int
    endpoint_id: str
    runs_as: str | None
    forgets_successes: bool
    images: tuple[Image, ...]


def read_endpoint(values: Mapping[str, Value]) -> Endpoint:
    """Raises `ServiceError` 400 for an address or a secret that cannot be used."""
    url, kind, secret = str(values["url"] or ""), values["authtype"], values.get(HELD_SECRET)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise errors.bad_request(f"'{url}' is no address for a webhook.", errors.INVALID_ARGUMENT)
    if kind not in (WEBHOOK_KEY, HTTP_HEADER, HTTP_QUERY_STRING):
        raise errors.bad_request(
            "A webhook needs the authtype 4 (WebhookKey), 5 (HttpHeader) or 6 (HttpQueryString).",
            errors.INVALID_ARGUMENT,
        )
    if not isinstance(secret, str) or not secret:
        raise errors.bad_request("A webhook needs an authvalue.", errors.INVALID_ARGUMENT)
    if kind == HTTP_HEADER:
        return Endpoint(url=url, headers=_read_settings(secret))
    added = urlencode({"code": secret} if kind == WEBHOOK_KEY else _read_settings(secret))
    query = "&".join(filter(None, [parts.query, added]))
    return Endpoint(url=urlunsplit(parts._replace(query=query)), headers={})


def _read_settings(text: str) -> dict[str, str]:
    """`<settings><setting name="..." value="..."/></settings>` as names and values."""
    try:
        root = ET.fromstring(text)  # noqa: S314 - from a person on this machine, and short
    except ET.ParseError as error:
        raise _no_settings() from error
    settings = {setting.get("name", ""): setting.get("value") for setting in root}
    if root.tag != "settings" or any(setting.tag != "setting" for setting in root):
        raise _no_settings()
    if not all(name and value is not None for name, value in settings.items()):
        raise _no_settings()
    return {name: value or "" for name, value in settings.items()}


def _no_settings() -> errors.ServiceError:
    return errors.bad_request(
        'The authvalue of this authtype has the form <settings><setting name="..." value="..." /></settings>.',
        errors.INVALID_ARGUMENT,
    )


def find_endpoint(world: "DataverseWorld", endpoint_id: str) -> Endpoint | None:
    row = world.find(ENDPOINT, endpoint_id)
    return read_endpoint(row.values) if row else None


def find_steps(world: "DataverseWorld", change: "RowChange", mode: int) -> list[Step]:
    """The enabled steps that `change` runs, in the order of stage and rank."""
    rows = [row for row in world.rows(STEP).values() if row.values["mode"] == mode and _runs_on(world, row, change)]
    return sorted((_read_step(world, row) for row in rows), key=lambda step: (step.stage, step.rank))


def _runs_on(world: "DataverseWorld", step: "Row", change: "RowChange") -> bool:
    values = step.values
    if values["statecode"] != ENABLED or world.name_of(MESSAGE, str(values["sdkmessageid"])) != change.message:
        return False
    tables = {
        row.values["primaryobjecttypecode"]
        for row in world.rows(FILTER).values()
        if values["sdkmessagefilterid"] in (None, row.row_id) and row.values["sdkmessageid"] == values["sdkmessageid"]
    }
    wanted = column_names(values["filteringattributes"])
    is_wanted = change.message != "Update" or not wanted or bool(change.columns.intersection(wanted))
    return change.table in tables and is_wanted


def column_names(text: Value) -> tuple[str, ...]:
    """The names in a comma-separated list; empty for an empty column."""
    return tuple(name.strip() for name in str(text or "").split(",") if name.strip())


def _read_step(world: "DataverseWorld", row: "Row") -> Step:
    values = row.values
    runs_as = values["impersonatinguserid"]
    return Step(
        step_id=row.row_id,
        name=str(values["name"] or ""),
        stage=_number(values["stage"]),
        mode=_number(values["mode"]),
        rank=_number(values["rank"]),
        endpoint_id=str(values["eventhandler"]),
        runs_as=str(runs_as) if runs_as else None,
        forgets_successes=bool(values["asyncautodelete"]),
        images=tuple(_read_image(image) for image in images_of(world, row.row_id)),
    )


def images_of(world: "DataverseWorld", step_id: str) -> list["Row"]:
    return [row for row in world.rows(IMAGE).values() if row.values["sdkmessageprocessingstepid"] == step_id]


def _read_image(row: "Row") -> Image:
    return Image(
        alias=str(row.values["entityalias"]),
        kind=_number(row.values["imagetype"]),
        columns=column_names(row.values["attributes"]) or None,
    )


def _number(value: Value) -> int:
    assert isinstance(value, int)
    return value
