"""`$batch`: many requests in one, with change sets that happen wholly or not at all.

Each request of a batch is counted under its own kind, and meets faults planned for that kind, unless it stands in a
change set: that is one transaction, and only faults of the kind `batch` apply to it.
Source: Dataverse documentation, "Execute batch operations using the Web API".
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import unquote

from starlette.responses import Response

from local.dataverse import errors
from local.dataverse.query_options import parse_preferences
from local.dataverse.request import ApiRequest, error_response, spelled_headers
from local.dataverse.web_api import WebApi, kind_of
from local.dataverse.world import DataverseWorld
from local.switchboard import Caller, Switchboard

MAX_PARTS = 1_000


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a multipart body: its headers, and what follows them."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer to one request of the batch."""

    response: Response
    content_id: str = ""

    @property
    def has_failed(self) -> bool:
        return self.response.status_code >= 400


@dataclass(frozen=True, slots=True)
class _ChangeSet:
    """The requests of a change set, in order, each with its Content-ID."""

    requests: list[tuple[str, ApiRequest]]


class BatchRunner:
    """Runs batches against one world."""

    def __init__(self, world: DataverseWorld, api: WebApi, switchboard: Switchboard) -> None:
        self._world = world
        self._api = api
        self._switchboard = switchboard

    async def run(self, request: ApiRequest, caller: Caller, charge: Callable[[int], None]) -> Response:
        """The whole batch; `charge` is told how many requests ran. A malformed one is refused before anything runs."""
        try:
            if request.method != "POST":
                raise errors.method_not_allowed(request.method, "$batch")
            items = _read_items(request)
            preferences = parse_preferences(request.headers.get("prefer", ""))
        except errors.ServiceError as error:
            return error_response(error)
        boundary = f"batchresponse_{self._world.new_id()}"
        parts: list[bytes] = []
        has_failed = False
        for item in items:
            if isinstance(item, _ChangeSet):
                charge(len(item.requests))
                answers = self._run_change_set(item, caller)
                is_whole = not answers[-1].has_failed
                parts.append(self._change_set_part(answers) if is_whole else _response_part(answers[-1]))
            else:
                charge(1)
                answers = [_Answer(await self._run_one(item, caller))]
                parts.append(_response_part(answers[0]))
            if answers[-1].has_failed and not preferences.continues_on_error:
                has_failed = True
                break
        body = _multipart(parts, boundary)
        headers = {"OData-Version": "4.0", "Content-Type": f"multipart/mixed; boundary={boundary}"}
        return Response(body, 400 if has_failed else 200, headers)

    async def _run_one(self, request: ApiRequest, caller: Caller) -> Response:
        return await self._switchboard.serve(
            kind=kind_of(request),
            path=request.target,
            caller=caller,
            handle=_answering(self._api, request, caller),
        )

    def _run_change_set(self, change_set: _ChangeSet, caller: Caller) -> list[_Answer]:
        """All answers, or the failed one as the last; then nothing of it has happened."""
        answers: list[_Answer] = []
        references: dict[str, str] = {}
        try:
            with self._world.transaction():
                for content_id, request in change_set.requests:
                    self._switchboard.calls[caller][kind_of(request)] += 1
                    resolved = replace(request, path=_resolve(request.path, references), references=references)
                    answer = _Answer(self._api.answer(resolved, caller), content_id)
                    answers.append(answer)
                    if answer.has_failed:
                        raise _RolledBack
                    if content_id and "odata-entityid" in answer.response.headers:
                        references[f"${content_id}"] = answer.response.headers["odata-entityid"]
        except _RolledBack:
            pass
        return answers

    def _change_set_part(self, answers: list[_Answer]) -> bytes:
        boundary = f"changesetresponse_{self._world.new_id()}"
        inner = _multipart([_response_part(answer) for answer in answers], boundary)
        return f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode() + inner


class _RolledBack(Exception):
    """A request of a change set has failed."""


def _answering(api: WebApi, request: ApiRequest, caller: Caller) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return api.answer(request, caller)

    return answer


def _resolve(path: str, references: Mapping[str, str]) -> str:
    """A path that begins with `$<Content-ID>` names what that part created."""
    first, slash, rest = path.partition("/")
    if first not in references:
        return path
    return references[first].rpartition("/")[2] + slash + rest


def _malformed(reason: str) -> errors.ServiceError:
    return errors.bad_request(f"The batch request is malformed: {reason}", errors.BAD_PAYLOAD)


def _read_items(batch: ApiRequest) -> list[ApiRequest | _ChangeSet]:
    items: list[ApiRequest | _ChangeSet] = []
    total = 0
    for part in _split(batch.headers.get("content-type", ""), batch.body):
        if part.headers.get("content-type", "").startswith("multipart/mixed"):
            inner = [
                (each.headers.get("content-id", ""), _read_request(batch, each, in_change_set=True))
                for each in _split(part.headers["content-type"], part.body)
            ]
            items.append(_ChangeSet(inner))
            total += len(inner)
        else:
            items.append(_read_request(batch, part, in_change_set=False))
            total += 1
    if total > MAX_PARTS:
        raise errors.bad_request(f"The number of requests in the batch exceeds the limit of {MAX_PARTS}.")
    return items


def _split(content_type: str, body: bytes) -> list[_Part]:
    """The parts of a multipart body, whose lines must end in CRLF and which must be closed."""
    match = re.fullmatch(r'multipart/mixed\s*;\s*boundary="?([^";\s]+)"?', content_type.strip(), re.IGNORECASE)
    if match is None:
        raise _malformed("its Content-Type must be multipart/mixed with a boundary.")
    delimiter = f"\r\n--{match[1]}".encode()
    pieces = (b"\r\n" + body).split(delimiter)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise _malformed(f"the boundary '{match[1]}' does not begin, separate and close its parts (lines end in CRLF).")
    parts = []
    for piece in pieces[1:-1]:
        head, separator, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not separator or not piece.startswith(b"\r\n"):
            raise _malformed("a part has no blank line after its headers (lines end in CRLF).")
        parts.append(_Part(_read_headers(head), content))
    return parts


def _read_headers(block: bytes) -> dict[str, str]:
    headers = {}
    for line in filter(None, block.decode("latin-1").split("\r\n")):
        name, colon, value = line.partition(":")
        if not colon:
            raise _malformed(f"'{line}' is no header.")
        headers[name.strip().lower()] = value.strip()
    return headers


def _read_request(batch: ApiRequest, part: _Part, *, in_change_set: bool) -> ApiRequest:
    if not part.headers.get("content-type", "").startswith("application/http"):
        raise _malformed("a part's Content-Type must be application/http.")
    if in_change_set and not part.headers.get("content-id"):
        raise _malformed("a request in a change set needs a Content-ID.")
    head, _, body = part.body.partition(b"\r\n\r\n")
    line, _, block = head.partition(b"\r\n")
    match = re.fullmatch(r"([A-Z]+) (\S+) HTTP/1\.1", line.decode("latin-1").strip())
    if match is None:
        raise _malformed(f"'{line.decode('latin-1')}' is no request line.")
    method, target = match.groups()
    if method == "GET" and in_change_set:
        raise _malformed("a change set cannot contain a GET request.")
    path, _, query = _below_root(batch.root, target).partition("?")
    if path.startswith("$batch"):
        raise _malformed("a batch cannot contain a batch.")
    return ApiRequest(
        method=method,
        path=unquote(path),
        query=query,
        headers=_read_headers(block),
        body=body,
        root=batch.root,
        is_part=True,
    )


def _below_root(root: str, target: str) -> str:
    """An address may be absolute, begin at the host, or begin below the service root."""
    root_path = "/" + root.split("/", 3)[3]
    for prefix in (root, root_path):
        if target.startswith(prefix + "/"):
            return target.removeprefix(prefix + "/")
    if target.startswith(("/", "http:", "https:")):
        raise _malformed(f"'{target}' does not lie below {root_path}.")
    return target


def _response_part(answer: _Answer) -> bytes:
    response = answer.response
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if answer.content_id:
        lines.append(f"Content-ID: {answer.content_id}")
    status = HTTPStatus(response.status_code)
    lines += ["", f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in spelled_headers(response) if name != "content-length"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + bytes(response.body)


def _multipart(parts: list[bytes], boundary: str) -> bytes:
    delimiter = f"--{boundary}\r\n".encode()
    return b"".join(delimiter + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
