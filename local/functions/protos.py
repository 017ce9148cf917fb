"""Plain Python classes in place of the worker's protobuf messages.

`azure-functions-runtime` is handed the module that defines its messages, so this module itself plays that part: it has
the names and attributes that the library uses, and no more. Names and shapes follow `FunctionRpc.proto` of the Azure
Functions language worker protocol, which is why some of them are not in this project's style.
"""

import builtins
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Literal


class TypedData:
    """One value of one kind, or none. Reading a kind that is not set raises `AttributeError`."""

    string: str
    json: str
    bytes: builtins.bytes
    int: builtins.int
    double: float
    http: "RpcHttp"

    def __init__(self, **data: Any) -> None:
        if len(data) > 1:
            raise ValueError(f"typed data holds one kind of value, not {', '.join(sorted(data))}")
        self.__dict__.update(data)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name
        return next(iter(self.__dict__), None)

    def __repr__(self) -> str:
        return f"TypedData({', '.join(self.__dict__)})"


@dataclass(slots=True, kw_only=True)
class ParameterBinding:
    name: str
    data: TypedData | None

    def WhichOneof(self, _group: str) -> Literal["data"]:  # noqa: N802 - protobuf's name
        return "data"


@dataclass(slots=True, kw_only=True)
class NullableString:
    value: str


@dataclass(slots=True, kw_only=True)
class NullableBool:
    value: bool


@dataclass(slots=True, kw_only=True)
class NullableDouble:
    value: float


@dataclass(slots=True, kw_only=True)
class Timestamp:
    seconds: int


@dataclass(slots=True, kw_only=True)
class NullableTimestamp:
    value: Timestamp


_SAME_SITE: dict[str, Literal["lax", "strict", "none"] | None] = {
    "None": None,
    "Lax": "lax",
    "Strict": "strict",
    "ExplicitNone": "none",
}


@dataclass(slots=True, kw_only=True)
class RpcHttpCookie:
    SameSite = SimpleNamespace(**_SAME_SITE)

    name: str
    value: str
    domain: NullableString | None = None
    path: NullableString | None = None
    expires: NullableTimestamp | None = None
    secure: NullableBool | None = None
    http_only: NullableBool | None = None
    same_site: Literal["lax", "strict", "none"] | None = None
    max_age: NullableDouble | None = None


@dataclass(slots=True, kw_only=True)
class RpcHttp:
    """A request (method, url, query, params) or a reply (status_code, cookies)."""

    method: str = ""
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: TypedData = field(default_factory=TypedData)
    params: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    status_code: str = ""
    cookies: list[RpcHttpCookie] | None = None
    enable_content_negotiation: bool = False


@dataclass(slots=True, kw_only=True)
class RpcException:
    message: str
    stack_trace: str = ""


@dataclass(slots=True, kw_only=True)
class StatusResult:
    Failure = 0
    Success = 1

    status: int
    exception: RpcException | None = None


@dataclass(slots=True, kw_only=True)
class BindingInfo:
    # `in` is a keyword, and the library never asks for it.
    out = 1
    inout = 2
    undefined = 0

    type: str
    data_type: Any
    direction: Any


@dataclass(slots=True, kw_only=True)
class RpcRetryOptions:
    max_retry_count: int
    retry_strategy: str
    delay_interval: timedelta | None = None
    minimum_interval: timedelta | None = None
    maximum_interval: timedelta | None = None


@dataclass(slots=True, kw_only=True)
class RpcFunctionMetadata:
    name: str
    function_id: str
    managed_dependency_enabled: bool
    directory: str
    script_file: str
    entry_point: str
    is_proxy: bool
    language: str
    bindings: dict[str, BindingInfo]
    raw_bindings: list[str]
    retry_options: RpcRetryOptions | None
    properties: dict[str, str]


@dataclass(slots=True, kw_only=True)
class WorkerMetadata:
    runtime_name: str
    runtime_version: str
    worker_version: str
    worker_bitness: str
    custom_properties: dict[str, str]


@dataclass(slots=True, kw_only=True)
class WorkerInitResponse:
    capabilities: dict[str, str]
    worker_metadata: WorkerMetadata
    result: StatusResult


@dataclass(slots=True, kw_only=True)
class FunctionMetadataResponse:
    use_default_metadata_indexing: bool
    function_metadata_results: list[RpcFunctionMetadata] | None
    result: StatusResult


@dataclass(slots=True, kw_only=True)
class InvocationResponse:
    invocation_id: str
    result: StatusResult
    return_value: TypedData | None = None
    output_data: list[ParameterBinding] = field(default_factory=list)
