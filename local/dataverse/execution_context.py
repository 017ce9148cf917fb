r"""The body and headers of a webhook's request: a serialized RemoteExecutionContext.

Collections are arrays of keys and values, times are `\/Date(ms)\/`, slashes are escaped, and what is not plain names
its type first. Source: Dataverse documentation, "Use webhooks to create external handlers for server events", with its
sample of an asynchronous step on Update. That page shows no Delete: its Target is taken to be an EntityReference, as in
the parameters of that message.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from local.dataverse.registrations import Image, Step
from local.dataverse.schema import Column, ColumnType, Table, Value
from local.dataverse.seed import BUSINESS_UNIT_ID, ORGANIZATION_ID
from local.dataverse.webhook_tables import ASYNCHRONOUS, POST_OPERATION, PRE_VALIDATION, STEP
from local.dataverse.world import DataverseWorld, Row, RowChange

ORGANIZATION_NAME = "contoso"
ORGANIZATION_DOMAIN = "contoso.crm.dynamics.com"
AUTOMATIC_IMAGE = "AsynchronousStepPrimaryName"
NO_OPERATION_ID = "00000000-0000-0000-0000-000000000000"
SIZE_HEADER = "x-ms-dynamics-msg-size-exceeded"

_REMOVED_WHEN_TOO_LARGE = ("ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages")
_CHOICES = (ColumnType.CHOICE, ColumnType.STATE, ColumnType.STATUS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CORE_OPERATION = 30
"""The stage of the operation itself, which is the parent of what runs around it."""

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """What is posted, but for the secrets of the endpoint."""

    body: bytes
    headers: Mapping[str, str]


def build_request(
    world: DataverseWorld, step: Step, change: RowChange, operation_id: str = NO_OPERATION_ID
) -> WebhookRequest:
    """The request with which `step` tells of `change`. `operation_id` is that of its background job, if it has one."""
    context = _Context(world, step, change, operation_id).json()
    headers = {
        "content-type": "application/json",
        "x-ms-dynamics-organization": ORGANIZATION_DOMAIN,
        "x-ms-dynamics-entity-name": change.table,
        "x-ms-dynamics-request-name": change.message,
        "x-ms-correlation-request-id": change.correlation_id,
    }
    body = _encode(context)
    if len(body) > world.switchboard.switches["webhook_size_limit"]:
        headers[SIZE_HEADER] = "True"
        body = _encode({name: value for name, value in context.items() if name not in _REMOVED_WHEN_TOO_LARGE})
    return WebhookRequest(body=body, headers=headers)


def _encode(context: Json) -> bytes:
    """Slashes stand in texts only, where the service's serializer escapes them."""
    return json.dumps(context, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/").encode()


class _Context:
    """One change as one step sees it."""

    def __init__(self, world: DataverseWorld, step: Step, change: RowChange, operation_id: str) -> None:
        self._world = world
        self._step = step
        self._change = change
        self._operation_id = operation_id
        self._table: Table = world.schema[change.table]
        self._is_asynchronous = step.mode == ASYNCHRONOUS

    def json(self) -> Json:
        created_id = {"id": self._change.row_id} if self._change.message == "Create" and self._change.after else {}
        return {
            **self._frame(),
            "InputParameters": _pairs({"Target": self._target(with_upkeep=True)}),
            "OutputParameters": _pairs(created_id),
            "ParentContext": self._parent(),
            "PostEntityImages": _pairs(self._post_images()),
            "PreEntityImages": _pairs(self._pre_images()),
            "SharedVariables": self._tag("SharedVariables"),
            "Stage": self._step.stage,
        }

    def _frame(self) -> Json:
        """What a context has in common with that of its parent."""
        change, step = self._change, self._step
        return {
            "BusinessUnitId": BUSINESS_UNIT_ID,
            "CorrelationId": change.correlation_id,
            "Depth": change.depth,
            "InitiatingUserId": change.author.user_id,
            "IsExecutingOffline": False,
            "IsInTransaction": not self._is_asynchronous and step.stage != PRE_VALIDATION,
            "IsOfflinePlayback": False,
            "IsolationMode": 1,
            "MessageName": change.message,
            "Mode": step.mode,
            # An offset, as the documented sample has it: it does not shift the instant.
            "OperationCreatedOn": f"/Date({_milliseconds(change.changed_at)}-0700)/",
            "OperationId": self._operation_id,
            "OrganizationId": ORGANIZATION_ID,
            "OrganizationName": ORGANIZATION_NAME,
            "OwningExtension": _plain_reference(STEP, step.step_id, None),
            "PrimaryEntityId": change.row_id,
            "PrimaryEntityName": change.table,
            "RequestId": None,
            "SecondaryEntityName": "none",
            "UserId": step.runs_as or change.author.user_id,
        }

    def _parent(self) -> Json | None:
        tag = self._tag("ParentContext")
        if self._change.message == "Delete" and not tag:
            return None
        return {
            **self._frame(),
            "InputParameters": _pairs({"Target": self._target(with_upkeep=False)}),
            "OutputParameters": [],
            "ParentContext": None,
            "PostEntityImages": [],
            "PreEntityImages": [],
            "SharedVariables": tag,
            "Stage": _CORE_OPERATION,
        }

    def _tag(self, place: str) -> list[Json]:
        """The caller's note as shared variables, if that is the place where it shows."""
        tag = self._change.author.tag
        is_here = tag is not None and self._world.switchboard.switches["webhook_tag"] == place
        return _pairs({"tag": tag} if is_here else {})

    def _target(self, *, with_upkeep: bool) -> Json:
        """What the request named; a row that goes is only referred to."""
        change = self._change
        if change.message == "Delete":
            return _reference(change.table, change.row_id, None)
        values: dict[str, Value] = {**change.values, self._table.primary_id: change.row_id}
        if with_upkeep and change.after is not None:
            values |= {name: change.after.values[name] for name in ("modifiedon", "modifiedby", "modifiedonbehalfby")}
        attributes = {name: self._show(name, value, with_name=False) for name, value in values.items()}
        return {"__type": _type_name("Entity"), **self._entity(attributes)}

    def _pre_images(self) -> Json:
        change = self._change
        is_hidden = change.message == "Delete" and self._is_asynchronous
        if is_hidden and not self._world.switchboard.switches["webhook_delete_pre_image"]:
            return {}
        return self._images((image for image in self._step.images if image.is_pre), change.before)

    def _post_images(self) -> Json:
        after, table = self._change.after, self._table
        if self._step.stage != POST_OPERATION or after is None:
            return {}
        images = self._images((image for image in self._step.images if image.is_post), after)
        if self._is_asynchronous:
            images[AUTOMATIC_IMAGE] = self._image((table.primary_name, table.primary_id), after)
        return images

    def _images(self, images: Iterable[Image], row: Row | None) -> Json:
        if row is None:
            return {}
        return {image.alias: self._image(image.columns or tuple(self._table.columns), row) for image in images}

    def _image(self, columns: Iterable[str], row: Row) -> Json:
        """Columns without a value are left out."""
        values = {name: row.values[name] for name in columns}
        return self._entity(
            {name: self._show(name, value, with_name=True) for name, value in values.items() if value is not None}
        )

    def _entity(self, attributes: Json) -> Json:
        return {
            "Attributes": _pairs(attributes),
            "EntityState": None,
            "FormattedValues": [],
            "Id": self._change.row_id,
            "KeyAttributes": [],
            "LogicalName": self._change.table,
            "RelatedEntities": [],
            "RowVersion": None,
        }

    def _show(self, name: str, value: Value, *, with_name: bool) -> Any:
        column: Column = self._table.columns[name]
        if isinstance(value, datetime):
            return f"/Date({_milliseconds(value)})/"
        if column.is_lookup and isinstance(value, str):
            return _reference(column.target, value, self._world.name_of(column.target, value) if with_name else None)
        if column.type in _CHOICES and value is not None:
            return {"__type": _type_name("OptionSetValue"), "Value": value}
        return value


def _reference(table: str, row_id: str, name: str | None) -> Json:
    return {"__type": _type_name("EntityReference"), **_plain_reference(table, row_id, name)}


def _plain_reference(table: str, row_id: str, name: str | None) -> Json:
    return {"Id": row_id, "KeyAttributes": [], "LogicalName": table, "Name": name, "RowVersion": None}


def _type_name(name: str) -> str:
    return f"{name}:http://schemas.microsoft.com/xrm/2011/Contracts"


def _pairs(values: Mapping[str, Any]) -> list[Json]:
    return [{"key": name, "value": value} for name, value in values.items()]


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
