"""Which operation a request is, and who makes it. Knows no sockets: a request in, a response out.

Source: Dataverse documentation, "Compose HTTP requests and handle errors", "WhoAmI function", "RetrieveUserPrivileges
function", "Impersonate another user".
"""

from contextlib import suppress

from starlette.responses import Response

from local.dataverse import errors
from local.dataverse.addressing import RowAddress, Segment, address_row, split_path
from local.dataverse.change_tracking import count_changes, read_changes
from local.dataverse.metadata import read_definitions
from local.dataverse.metadata_shapes import CAST
from local.dataverse.metadata_writing import ACTIONS, write_definitions
from local.dataverse.privileges import require, retrieve_user_privileges
from local.dataverse.query_options import Preferences, parse_preferences, parse_query
from local.dataverse.reading import read_collection, read_count, read_property, read_row
from local.dataverse.relationships import RELATIONSHIPS_SET, serve_relationships
from local.dataverse.request import ApiRequest, Operation, error_response
from local.dataverse.schema import Table
from local.dataverse.seed import BUSINESS_UNIT_ID, ORGANIZATION_ID
from local.dataverse.solutions import SolutionRules, named_solution
from local.dataverse.world import Author, DataverseWorld
from local.dataverse.writing import create_row, delete_row, patch_row, put_property, put_reference
from local.switchboard import Caller

METADATA_SET = "EntityDefinitions"
_USER_PRIVILEGES = f"{CAST}RetrieveUserPrivileges"
_ROW_KINDS = {"GET": "get", "DELETE": "delete", "PUT": "update"}


def kind_of(request: ApiRequest) -> str:
    """The name under which a request is counted: `<entity set>.<operation>`, `metadata`, `batch`, or its action's."""
    set_name, has_key, tail = _outline(request.path)
    if set_name in (METADATA_SET, RELATIONSHIPS_SET):
        return "metadata"
    if set_name == "$batch":
        return "batch"
    if set_name == "WhoAmI" or set_name in ACTIONS or not set_name:
        return set_name or "unknown"
    if not has_key:
        return f"{set_name}.{_collection_kind(request)}"
    if request.method == "PATCH":
        return f"{set_name}.{'update' if 'if-match' in request.headers else 'upsert'}"
    if request.method == "DELETE" and tail:
        return f"{set_name}.update"
    return f"{set_name}.{_ROW_KINDS.get(request.method, 'unknown')}"


def _outline(path: str) -> tuple[str, bool, bool]:
    """The entity set of a path, whether a key follows, and whether something follows the key."""
    with suppress(errors.ServiceError):
        first, *rest = split_path(path)
        return first.name, first.arguments is not None, bool(rest)
    return "", False, False


def _collection_kind(request: ApiRequest) -> str:
    if request.method == "POST":
        return "create"
    if request.method != "GET":
        return "unknown"
    tracks = "odata.track-changes" in request.headers.get("prefer", "") or "deltatoken=" in request.query
    return "delta" if tracks else "query"


class WebApi:
    """Serves everything but `$batch` against one world."""

    def __init__(self, world: DataverseWorld) -> None:
        self._world = world
        self._solution_rules = SolutionRules(world)

    def answer(self, request: ApiRequest, caller: Caller) -> Response:
        """Serve `request`; refusals become their HTTP form."""
        preferences = None
        try:
            preferences = parse_preferences(request.headers.get("prefer", ""))
            return self._serve(request, caller, preferences)
        except errors.ServiceError as error:
            return error_response(error, preferences)

    def _serve(self, request: ApiRequest, caller: Caller, preferences: Preferences) -> Response:
        first, *rest = split_path(request.path)
        options = parse_query(request.query)
        operation = Operation(
            world=self._world,
            request=request,
            options=options,
            preferences=preferences,
            author=self._author(request, caller, options.tag),
        )
        if operation.author.on_behalf_by is not None:
            require(operation, "prvActOnBehalfOfAnotherUser")
        if request.method != "GET":
            named_solution(operation)
        if first.name == "WhoAmI" and first.arguments in (None, "") and not rest:
            return _who_am_i(operation)
        if first.name in ACTIONS and first.arguments is None and not rest:
            return _act(operation, first.name)
        if first.name == METADATA_SET:
            serve = read_definitions if request.method == "GET" else write_definitions
            return serve(operation, [first, *rest])
        if first.name == RELATIONSHIPS_SET:
            return serve_relationships(operation, [first, *rest])
        table = self._world.schema.find_set(first.name)
        if table is None:
            raise errors.no_such_segment(first.name)
        if first.arguments is None:
            return _serve_collection(operation, table, rest)
        return _serve_row(operation, table, first.arguments, rest)

    def _author(self, request: ApiRequest, caller: Caller, tag: str | None) -> Author:
        """The caller, or the user whom the caller impersonates; `ServiceError` 403 when there is no such user."""
        own_id = self._world.users[caller]
        headers = request.headers
        wanted = {"azureactivedirectoryobjectid": headers.get("callerobjectid", "").lower()}
        if not any(wanted.values()):
            wanted = {"systemuserid": headers.get("mscrmcallerid", "").lower()}
        if not any(wanted.values()):
            return Author(user_id=own_id, tag=tag)
        user = self._world.find_by_values("systemuser", wanted)
        if user is None or user.values["isdisabled"]:
            raise errors.ServiceError(
                403, errors.PRIVILEGE_DENIED, f"The user to act for was not found or is disabled: {wanted}."
            )
        return Author(user_id=user.row_id, on_behalf_by=own_id, tag=tag)


def _who_am_i(operation: Operation) -> Response:
    if operation.request.method != "GET":
        raise errors.method_not_allowed(operation.request.method, "WhoAmI")
    return operation.answer(
        {
            "@odata.context": f"{operation.request.root}/$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse",
            "BusinessUnitId": BUSINESS_UNIT_ID,
            "UserId": operation.author.user_id,
            "OrganizationId": ORGANIZATION_ID,
        }
    )


def _act(operation: Operation, name: str) -> Response:
    if operation.request.method != "POST":
        raise errors.method_not_allowed(operation.request.method, name)
    return ACTIONS[name](operation)


def _retrieve_user_privileges(operation: Operation, address: RowAddress) -> Response:
    user = address.get(operation.world)
    context = f"{operation.request.root}/$metadata#{CAST}RetrieveUserPrivilegesResponse"
    privileges = retrieve_user_privileges(operation.world, user.row_id)
    return operation.answer({"@odata.context": context, "RolePrivileges": privileges})


def _serve_collection(operation: Operation, table: Table, rest: list[Segment]) -> Response:
    method = operation.request.method
    tracks = operation.preferences.tracks_changes or operation.options.delta_token is not None
    if rest == [Segment("$count")] and method == "GET":
        return count_changes(operation, table) if tracks else read_count(operation, table)
    if rest:
        raise errors.no_such_segment(rest[0].name)
    if method == "POST":
        return create_row(operation, table)
    if method != "GET":
        raise errors.method_not_allowed(method, table.set_name)
    return read_changes(operation, table) if tracks else read_collection(operation, table)


def _serve_row(operation: Operation, table: Table, key: str, rest: list[Segment]) -> Response:
    method, address = operation.request.method, address_row(table, key)
    match rest, method:
        case [], "GET":
            return read_row(operation, address)
        case [], "PATCH":
            return patch_row(operation, address)
        case [], "DELETE":
            return delete_row(operation, address)
        case [Segment(name, None | "")], "GET" if name == _USER_PRIVILEGES and table.name == "systemuser":
            return _retrieve_user_privileges(operation, address)
        case [Segment(name, None)], "GET":
            return read_property(operation, address, name)
        case [Segment(name, None)], "PUT" | "DELETE":
            return put_property(operation, address, name)
        case [Segment(name, None), Segment("$ref", None)], "PUT" | "DELETE":
            return put_reference(operation, address, name)
    if rest and method in ("GET", "PUT", "DELETE"):
        raise errors.no_such_segment(rest[-1].name)
    raise errors.method_not_allowed(method, table.set_name)
