"""What is registered in a Dataverse environment, read and written over its Web API. Decides nothing.

Only commands use it. It sends what a plan shows and nothing else; the secret joins a request as it leaves.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx
from azure.core.credentials_async import AsyncTokenCredential

from sync.adapters import dataverse_definitions_wire as definitions_wire
from sync.adapters import dataverse_setup_wire as wire
from sync.adapters.dataverse_definitions_wire import table_address
from sync.adapters.dataverse_http import DataverseHttp, open_http
from sync.adapters.dataverse_setup_wire import Ids, any_of, query, row_id
from sync.adapters.transport import Transport
from sync.core.errors import AccessDenied, InvalidPayload, NotFound, PermanentError, Refused
from sync.core.registration import (
    CHANGE_TRACKING_PART,
    KEY_STATUS,
    PUBLISHER_PART,
    SOLUTION,
    SOLUTION_PART,
    Found,
    Kind,
    Part,
    PlanEntry,
    Request,
    Trigger,
    Value,
)
from sync.core.rights import Right

PATIENCE = httpx.Timeout(150, connect=5)
"""Seconds. A change of definitions takes many, and publishing one up to two minutes."""

_STRONG = {"Consistency": "Strong"}
"""Else a definition that has just been changed may be answered as it was (compose-http-requests-handle-errors)."""

_PAGE_SIZE = 500
_NO_RIGHT = "Run it as somebody with the role System Administrator, or System Customizer."
_REFUSED = "Remove the cause that the reason names, then run the command again: it goes on where it stood."

type _Parts = dict[tuple[Kind, str], dict[str, Value]]


class DataverseSetup:
    """One environment, as setup sees and changes it."""

    def __init__(self, http: DataverseHttp, *, secret: str) -> None:
        """`secret` is what the webhook's header carries."""
        self._http = http
        self._secret = secret
        self._ids = Ids(publisher=row_id(Kind.PUBLISHER))

    async def who_am_i(self) -> str:
        """The id of the user in whose name all this happens."""
        return str((await self._read("WhoAmI", "WhoAmI"))["UserId"])

    async def find_application_user(self, client_id: str) -> str | None:
        """The id of the enabled user that stands for an app of Entra."""
        condition = f"applicationid eq {client_id} and isdisabled eq false"
        rows = await self._rows(query("systemusers", ["systemuserid"], condition))
        return str(rows[0]["systemuserid"]) if rows else None

    async def missing_tables(self, names: Iterable[str]) -> list[str]:
        wanted = list(names)
        there = {row["LogicalName"] for row in await self._tables(wanted)}
        return [name for name in wanted if name not in there]

    async def missing_rights(
        self, user_id: str, rights: Sequence[Right], privileges: Sequence[str] = ()
    ) -> list[str] | None:
        """Which of these rights and named privileges a user lacks for the whole organization, in words.

        None when Dataverse does not tell.
        """
        address = f"systemusers({user_id})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges"
        try:
            held = (await self._read("RetrieveUserPrivileges", address))["RolePrivileges"]
            tables = await self._tables({right.table for right in rights}) if rights else []
        except PermanentError:
            return None
        ids = {row["PrivilegeId"].lower() for row in held if row["Depth"] == "Global"}
        names = {row.get("PrivilegeName", "").lower() for row in held if row["Depth"] == "Global"}
        known = {
            Right(one["PrivilegeType"], table["LogicalName"]): one for table in tables for one in table["Privileges"]
        }
        missing = [
            f"{right.type} {right.table} ({known[right]['Name']})"
            for right in rights
            if right in known and known[right]["PrivilegeId"].lower() not in ids
        ]
        # Names are a later addition to the answer: without them it says nothing about definitions.
        return missing + [name for name in privileges if names - {""} and name.lower() not in names]

    async def read(self, wanted: Sequence[Part]) -> Found:
        """What of `wanted` is there."""
        parts: _Parts = {}
        others = await self._read_solution(parts)
        languages = await self._read_definitions(wanted, parts)
        strangers = await self._read_endpoint(wanted, parts)
        triggers = [part.trigger for part in wanted if part.kind is Kind.STEP and part.trigger]
        self._ids = Ids(
            publisher=self._ids.publisher,
            solution=self._ids.solution,
            languages=languages,
            messages=await self._read_messages(triggers),
            steps=frozenset(part.trigger for part in wanted if part.trigger and (Kind.STEP, part.name) in parts),
        )
        return Found(parts=parts, strangers=strangers, other_solutions=others)

    def requests_of(self, entry: PlanEntry) -> list[Request]:
        """The requests that carry out an entry, in their order, for what was last read."""
        return wire.requests_of(entry, self._ids)

    async def send(self, request: Request) -> None:
        """Raises `Refused`, `AccessDenied`. What is to be deleted and is gone already is well."""
        body: Mapping[str, Any] | None = request.body
        if body is not None:
            body = wire.with_secret(body, self._secret)
        if request.base:
            base = await self._read("EntityDefinitions.get", request.base, _STRONG)
            body = {**{name: value for name, value in base.items() if name != "@odata.context"}, **(body or {})}
        operation = f"{request.address.partition('(')[0]}.{_VERBS[request.method]}"
        try:
            await self._http.request(operation, request.method, request.address, headers=request.headers, json=body)
        except (AccessDenied, Refused, NotFound) as error:
            if request.method == "DELETE" and error.status == 404:
                return
            error.mend = _NO_RIGHT if isinstance(error, AccessDenied) else _REFUSED
            raise

    async def key_status(self, key: Part) -> str:
        """How far Dataverse is with the index of a key: Pending, InProgress, Active or Failed."""
        found = definitions_wire.keys_from_wire([key], await self._keys(key.table))
        if not found:
            raise NotFound(f"The key {key.name} is not there.")
        return str(found[key.kind, key.name][KEY_STATUS])

    async def _read_solution(self, parts: _Parts) -> list[str]:
        """Add solution and publisher to `parts`; answers the other solutions of that publisher."""
        columns = ["customizationprefix"]
        named = f"uniquename eq '{SOLUTION}'"
        publishers = await self._rows(query("publishers", ["publisherid", *columns], named))
        expansion = f"publisherid($select={','.join(columns)})"
        solutions = await self._rows(query("solutions", ["solutionid", "ismanaged"], named, expand=expansion))
        publisher_id = row_id(Kind.PUBLISHER)
        others: list[str] = []
        if publishers:
            publisher_id = publishers[0]["publisherid"]
            parts[PUBLISHER_PART.kind, PUBLISHER_PART.name] = {name: publishers[0][name] for name in columns}
            condition = f"_publisherid_value eq {publisher_id}"
            rows = await self._rows(query("solutions", ["uniquename"], condition))
            others = [row["uniquename"] for row in rows if row["uniquename"] != SOLUTION]
        if solutions:
            of_publisher = {name: solutions[0]["publisherid"][name] for name in columns}
            parts[SOLUTION_PART.kind, SOLUTION_PART.name] = {"ismanaged": solutions[0]["ismanaged"], **of_publisher}
        self._ids = Ids(publisher=publisher_id, solution=solutions[0]["solutionid"] if solutions else "")
        return others

    async def _read_definitions(self, wanted: Sequence[Part], parts: _Parts) -> tuple[int, ...]:
        """Add tables, columns, keys, relationships and change tracking to `parts`.

        Answers the languages that labels have.
        """
        properties = ["LogicalName", "DisplayName", "ChangeTrackingEnabled", "CanChangeTrackingBeEnabled"]
        address = query(table_address(CHANGE_TRACKING_PART.table), properties)
        booking = await self._read("EntityDefinitions.get", address, _STRONG)
        parts[CHANGE_TRACKING_PART.kind, CHANGE_TRACKING_PART.name] = definitions_wire.tracking_from_wire(booking)
        ours = {part.table: part for part in wanted if part.kind is Kind.TABLE}
        absent = await self.missing_tables(ours) if ours else []
        parts |= {(part.kind, part.name): {} for table, part in ours.items() if table not in absent}
        for table in dict.fromkeys(part.table for part in wanted if part.kind is Kind.COLUMN):
            if table not in absent:
                await self._read_table(table, [part for part in wanted if part.table == table], parts)
        return definitions_wire.languages_from_wire(booking)

    async def _read_table(self, table: str, wanted: Sequence[Part], parts: _Parts) -> None:
        """Add what of `wanted`, which are parts of one table, is there."""
        attributes = f"{table_address(table)}/Attributes"
        types = await self._definitions(query(attributes, ["LogicalName", "AttributeType"]))
        texts = f"{attributes}/Microsoft.Dynamics.CRM.StringAttributeMetadata"
        strings = await self._definitions(query(texts, ["LogicalName", "MaxLength"]))
        parts |= definitions_wire.columns_from_wire(wanted, types, strings)
        parts |= definitions_wire.keys_from_wire(wanted, await self._keys(table))
        relationships = {part.name: part for part in wanted if part.kind is Kind.RELATIONSHIP}
        if relationships:
            for row in await self._definitions(query(f"{table_address(table)}/ManyToOneRelationships", ["SchemaName"])):
                if part := relationships.get(row["SchemaName"]):
                    parts[part.kind, part.name] = {}

    async def _keys(self, table: str) -> list[dict[str, Any]]:
        columns = ["LogicalName", "KeyAttributes", "EntityKeyIndexStatus"]
        return await self._definitions(query(f"{table_address(table)}/Keys", columns))

    async def _read_endpoint(self, wanted: Sequence[Part], parts: _Parts) -> list[str]:
        """Add endpoint, steps and images to `parts`; answers the names of others' steps that call our endpoint."""
        (endpoint,) = (part for part in wanted if part.kind is Kind.ENDPOINT)
        endpoint_id = row_id(Kind.ENDPOINT)
        columns = ["name", "url", "contract", "authtype", "isauthvalueset"]
        rows = await self._rows(query("serviceendpoints", columns, f"serviceendpointid eq {endpoint_id}"))
        if not rows:
            return []
        parts[endpoint.kind, endpoint.name] = wire.values_from_row(endpoint, rows[0])
        ours = {row_id(part.kind, part.trigger): part for part in wanted if part.kind in (Kind.STEP, Kind.IMAGE)}
        strangers = []
        for row in await self._rows(query(_STEPS, _STEP_COLUMNS, f"_eventhandler_value eq {endpoint_id}")):
            part = ours.get(row["sdkmessageprocessingstepid"])
            if part is None:
                strangers.append(str(row["name"]))
            else:
                parts[part.kind, part.name] = wire.values_from_row(part, row)
        images = [row_id for row_id, part in ours.items() if part.kind is Kind.IMAGE]
        condition = " or ".join(f"sdkmessageprocessingstepimageid eq {image}" for image in images)
        for row in await self._rows(query(_IMAGES, _IMAGE_COLUMNS, condition)):
            part = ours[row["sdkmessageprocessingstepimageid"]]
            parts[part.kind, part.name] = wire.values_from_row(part, row)
        return strangers

    async def _read_messages(self, triggers: Sequence[Trigger]) -> dict[Trigger, tuple[str, str]]:
        """The ids that steps name: that of each message, and of its filter on the table."""
        condition = any_of("name", dict.fromkeys(one.message for one in triggers))
        rows = await self._rows(query("sdkmessages", ["sdkmessageid", "name"], condition))
        names = {row["sdkmessageid"]: row["name"] for row in rows}
        columns = ["sdkmessagefilterid", "primaryobjecttypecode", "_sdkmessageid_value"]
        condition = any_of("primaryobjecttypecode", dict.fromkeys(one.table for one in triggers))
        found = {}
        for row in await self._rows(query("sdkmessagefilters", columns, condition)):
            message_id = row["_sdkmessageid_value"]
            trigger = Trigger(names.get(message_id, ""), row["primaryobjecttypecode"])
            found[trigger] = (message_id, row["sdkmessagefilterid"])
        return found

    async def _tables(self, names: Iterable[str]) -> list[dict[str, Any]]:
        condition = any_of("LogicalName", names)
        return await self._definitions(query("EntityDefinitions", ["LogicalName", "Privileges"], condition))

    async def _definitions(self, address: str) -> list[dict[str, Any]]:
        """Definitions are answered whole: they have no pages."""
        rows = (await self._read("EntityDefinitions.query", address, _STRONG)).get("value")
        if not isinstance(rows, list):
            raise InvalidPayload("Dataverse answered definitions without a list.", operation="EntityDefinitions.query")
        return rows

    async def _rows(self, address: str) -> list[dict[str, Any]]:
        operation = f"{address.partition('?')[0]}.query"
        return [row async for row in self._http.rows(operation, address, page_size=_PAGE_SIZE)]

    async def _read(self, operation: str, address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            return (await self._http.request(operation, "GET", address, headers=headers)).json()
        except AccessDenied as error:
            error.mend = _NO_RIGHT
            raise


_VERBS = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
_STEPS = "sdkmessageprocessingsteps"
_STEP_COLUMNS = (
    *("sdkmessageprocessingstepid", "name", "stage", "mode", "rank", "supporteddeployment", "asyncautodelete"),
    *("filteringattributes", "statecode"),
)
_IMAGES = "sdkmessageprocessingstepimages"
_IMAGE_COLUMNS = (
    *("sdkmessageprocessingstepimageid", "name", "entityalias", "imagetype", "messagepropertyname", "attributes"),
)


def open_setup(
    credential: AsyncTokenCredential,
    transport: Transport,
    *,
    url: str,
    secret: str,
    http_transport: httpx.AsyncBaseTransport | None = None,
) -> DataverseSetup:
    """A way into the environment at `url`. `http_transport` lets tests go without sockets."""
    http = open_http(transport=http_transport)
    http.timeout = PATIENCE
    return DataverseSetup(DataverseHttp(http, credential, transport, url=url), secret=secret)
