"""Change tracking: all rows and a delta link, then only what changed since.

A round ends at the version that the world had when its first page was asked for; what changes meanwhile belongs to the
next round. Source: Dataverse documentation, "Use change tracking to synchronize data with external systems". That page
gives neither status nor code of an expired token: `expired_delta_token_status` sets the one, the other is the service's
ExpiredVersionStamp.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response

from local.dataverse import errors
from local.dataverse.privileges import require, table_privilege
from local.dataverse.reading import MAX_PAGE_SIZE, decode_token, encode_token, link
from local.dataverse.request import Operation
from local.dataverse.schema import Table
from local.dataverse.world import DataverseWorld, Row, Tombstone

_NOT_SUPPORTED = ("$filter", "$orderby", "$expand", "$top")
_TOKEN_TIME = "%m/%d/%Y %H:%M:%S"


@dataclass(frozen=True, slots=True)
class _Round:
    """Changes after version `since` up to `until`; the pages so far ended at `after`, first rows, then deletions."""

    since: int | None
    until: int
    after: int
    is_at_deletions: bool = False

    def to_json(self) -> dict[str, Any]:
        return {"since": self.since, "until": self.until, "after": self.after, "deletions": self.is_at_deletions}


def read_changes(operation: Operation, table: Table) -> Response:
    """A page of all rows, or of the changes since the delta token, ending in a next link or a new delta link."""
    _require_tracking(operation, table)
    round_ = _round_of(operation)
    items = _items(operation.world, table, round_)
    size = min(operation.preferences.max_page_size or MAX_PAGE_SIZE, MAX_PAGE_SIZE)
    page = items[:size]
    context = operation.renderer.context(table, operation.options, "/$delta")
    body: dict[str, Any] = {"@odata.context": context, "value": [_show(operation, table, item) for item in page]}
    if len(items) > size:
        last = page[-1]
        resumed = _Round(round_.since, round_.until, last.version, isinstance(last, Tombstone))
        tokens = {"$skiptoken": encode_token(resumed.to_json())}
        if operation.options.delta_token is not None:
            tokens["$deltatoken"] = operation.options.delta_token
        body["@odata.nextLink"] = link(operation, table, tokens)
    else:
        body["@odata.deltaLink"] = link(operation, table, {"$deltatoken": _new_token(operation.world, round_.until)})
    return operation.answer(body)


def count_changes(operation: Operation, table: Table) -> Response:
    """`<set>/$count?$deltatoken=...`: the number of changes as plain text."""
    _require_tracking(operation, table)
    items = _items(operation.world, table, _round_of(operation))
    return Response(str(min(len(items), MAX_PAGE_SIZE)), headers={"OData-Version": "4.0"}, media_type="text/plain")


def _require_tracking(operation: Operation, table: Table) -> None:
    for option in _NOT_SUPPORTED:
        if option in operation.options.given:
            raise errors.bad_request(
                f'The "{option}" query parameter isn\'t supported when tracking changes is enabled.'
            )
    if not table.change_tracking_enabled:
        raise errors.bad_request(f"Change tracking isn't enabled for table '{table.name}'.")
    operation.renderer.check(table, operation.options)
    require(operation, table_privilege("Read", table), in_organization=True)


def _round_of(operation: Operation) -> _Round:
    world, options = operation.world, operation.options
    switches = world.switchboard.switches
    if switches["expire_delta_tokens"]:
        switches["expire_delta_tokens"] = False
        world.expire_delta_tokens()
    since = None if options.delta_token is None else _read_token(world, options.delta_token)
    if options.skip_token is None:
        return _Round(since, world.version, since or 0)
    data = decode_token(options.skip_token)
    match data:
        case {"since": first, "until": int(until), "after": int(after), "deletions": bool(is_at_deletions)}:
            if first == since:
                return _Round(since, until, after, is_at_deletions)
    raise errors.bad_request("The paging cookie does not belong to this request.", errors.INVALID_ARGUMENT)


def _items(world: DataverseWorld, table: Table, round_: _Round) -> list[Row | Tombstone]:
    """What is left of a round, in the service's order: created and updated rows by version, then deletions."""
    rows, _ = world.changes_after(table.name, round_.after)
    _, gone = world.changes_after(table.name, round_.after if round_.is_at_deletions else round_.since or 0)
    items: list[Row | Tombstone] = []
    if not round_.is_at_deletions:
        items += rows
    if round_.since is not None:
        items += gone
    return [item for item in items if item.version <= round_.until]


def _show(operation: Operation, table: Table, item: Row | Tombstone) -> dict[str, Any]:
    if isinstance(item, Row):
        return operation.renderer.row(table, item, operation.options)
    context = f"{operation.request.root}/$metadata#{table.set_name}/$deletedEntity"
    return {"@odata.context": context, "id": item.row_id, "reason": "deleted"}


def _new_token(world: DataverseWorld, version: int) -> str:
    return f"{version}!{world.now().strftime(_TOKEN_TIME)}"


def _read_token(world: DataverseWorld, text: str) -> int:
    number, _, moment = text.partition("!")
    try:
        version = int(number)
        given_at = datetime.strptime(moment, _TOKEN_TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise errors.bad_request("The delta token is not valid.", errors.INVALID_ARGUMENT) from error
    if version < world.oldest_delta_token or world.now() - given_at > timedelta(days=world.change_tracking_days):
        raise errors.ServiceError(
            world.switchboard.switches["expired_delta_token_status"],
            errors.EXPIRED_VERSION_STAMP,
            "Version stamp associated with the client has expired. Please perform a full sync.",
        )
    return version
