"""One request to the Web API, and the operation that it becomes. Also the parts of a batch are such requests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from local.dataverse import errors
from local.dataverse.query_options import Preferences, QueryOptions
from local.dataverse.rendering import Renderer
from local.dataverse.world import Author, DataverseWorld

JSON_TYPE = "application/json; odata.metadata=minimal"
_SPELLINGS = {name.lower(): name for name in ("OData-EntityId", "OData-Version", "ETag", "Location", "REQ_ID")}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """`path` is decoded and begins below `root`, the address of the service root; header names are lower-case.

    `references` maps the `$<Content-ID>` of earlier parts of a change set to what they created; `is_part`: of a batch.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    root: str
    references: Mapping[str, str] = field(default_factory=dict)
    is_part: bool = False

    @property
    def target(self) -> str:
        """Path and query, as faults are planned for them."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def json(self) -> dict[str, Any]:
        """The body as an object. Raises `ServiceError` 415 for another content type and 400 for another content."""
        if not self.headers.get("content-type", "").lower().startswith("application/json"):
            raise errors.ServiceError(
                415, "", "The request has no Content-Type header, or one that is not supported; use application/json."
            )
        try:
            data = json.loads(self.body)
        except ValueError as error:
            raise errors.bad_request(f"Invalid JSON in the request body: {error}", errors.BAD_PAYLOAD) from error
        if not isinstance(data, dict):
            raise errors.bad_request("The request body is not a JSON object.", errors.BAD_PAYLOAD)
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A request whose options, preferences and author have been read."""

    world: DataverseWorld
    request: ApiRequest
    options: QueryOptions
    preferences: Preferences
    author: Author

    @property
    def renderer(self) -> Renderer:
        return Renderer(self.world, self.preferences, self.request.root)

    @property
    def keeps_fractions(self) -> bool:
        return bool(self.world.switchboard.switches["keep_fractions_of_seconds"])

    def answer(self, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """A JSON answer that names the preferences it followed."""
        applied = {"Preference-Applied": ", ".join(self.preferences.applied)} if self.preferences.applied else {}
        return json_response(body, status, {**applied, **(headers or {})})


def spelled_headers(response: Response) -> list[tuple[str, str]]:
    """Header names as the service writes them: its own Python client looks for `OData-EntityId` in this case only."""
    return [(_SPELLINGS.get(name, name), value) for name, value in response.headers.items()]


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(content, status, {"OData-Version": "4.0", "Content-Type": JSON_TYPE, **(headers or {})})


def no_content(headers: Mapping[str, str] | None = None) -> Response:
    return Response(status_code=204, headers={"OData-Version": "4.0", **(headers or {})})


def error_response(error: errors.ServiceError, preferences: Preferences | None = None) -> Response:
    """The body of a refusal; with the annotations that a caller may ask for to learn more."""
    body = {"code": error.code, "message": error.message}
    for annotation, text in (
        ("Microsoft.PowerApps.CDS.HelpLink", f"http://go.microsoft.com/fwlink/?LinkID=398563&error={error.code}"),
        ("Microsoft.PowerApps.CDS.TraceText", ""),
        ("Microsoft.PowerApps.CDS.InnerError.Message", error.message),
    ):
        if preferences and preferences.includes(annotation):
            body[f"@{annotation}"] = text
    return json_response({"error": body}, error.status)
