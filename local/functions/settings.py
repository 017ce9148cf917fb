"""Reads what configures the host: host.json with its overrides, local.settings.json, and the app settings in it.

Defaults and limits are those of the vendor's host ("host.json reference for Azure Functions 2.x and later", "Azure
Queue storage trigger and bindings"). A value that the real host would refuse is an error here that names the setting.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from local.functions.errors import SettingsError

OVERRIDE_PREFIX = "AzureFunctionsJobHost__"

_BODY_LIMIT = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """`extensions.queues`. `visibility_timeout` is the delay between retries after a failure, nothing else."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta(0)
    max_polling_interval: timedelta = timedelta(minutes=1)
    message_encoding: Literal["base64", "none"] = "base64"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """`extensions.http` and the limit of a request's body. None for a number of requests means unbounded."""

    route_prefix: str = "api"
    max_concurrent_requests: int | None = None
    max_outstanding_requests: int | None = None
    max_body_bytes: int = 104_857_600
    has_homepage: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """`function_timeout` None means that a function may run for ever."""

    queues: QueueSettings
    http: HttpSettings
    function_timeout: timedelta | None


def app_environment(app_directory: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The app settings a function sees: `Values` of local.settings.json, over which the real environment wins.

    Raises `SettingsError` when the file is there but unreadable. Source: "Code and test Azure Functions locally".
    """
    return {**_local_values(app_directory), **environ, "AZURE_FUNCTIONS_ENVIRONMENT": "Development"}


def read_host_settings(app_directory: Path, environ: Mapping[str, str]) -> HostSettings:
    """Raises `SettingsError` that lists every wrong value of host.json and its overrides."""
    values = _HostValues(_host_json(app_directory), environ)
    batch_size = values.number("extensions.queues.batchSize", default=16, lowest=1, highest=32)
    development = environ.get("AZURE_FUNCTIONS_ENVIRONMENT", "").lower() == "development"
    settings = HostSettings(
        queues=QueueSettings(
            batch_size=batch_size,
            new_batch_threshold=values.number(
                "extensions.queues.newBatchThreshold", default=batch_size // 2 * (os.cpu_count() or 1), lowest=0
            ),
            max_dequeue_count=values.number("extensions.queues.maxDequeueCount", default=5, lowest=1),
            visibility_timeout=values.duration(
                "extensions.queues.visibilityTimeout", default=timedelta(0), highest=timedelta(days=7)
            ),
            max_polling_interval=values.duration(
                "extensions.queues.maxPollingInterval",
                default=timedelta(seconds=2) if development else timedelta(minutes=1),
                lowest=timedelta(milliseconds=100),
            ),
            message_encoding=values.encoding("extensions.queues.messageEncoding"),
        ),
        http=HttpSettings(
            route_prefix=values.text("extensions.http.routePrefix", default="api").strip("/"),
            max_concurrent_requests=values.bound("extensions.http.maxConcurrentRequests"),
            max_outstanding_requests=values.bound("extensions.http.maxOutstandingRequests"),
            max_body_bytes=values.number(_BODY_LIMIT, default=104_857_600, lowest=1),
            has_homepage=not is_true(environ.get("AzureWebJobsDisableHomepage")),
        ),
        function_timeout=values.timeout("functionTimeout", default=timedelta(minutes=30)),
    )
    values.raise_problems()
    return settings


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """`text` with every `%NAME%` replaced by that app setting. Raises `SettingsError` for a name that is not set."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in environ:
            raise SettingsError(f"{match[0]} names an app setting that does not exist; add it to local.settings.json")
        return environ[name]

    return re.sub(r"%([^%]+)%", value, text)


def is_disabled(function_name: str, environ: Mapping[str, str]) -> bool:
    """Whether an app setting switches the function off. Source: "How to disable functions in Azure Functions"."""
    names = (f"AzureWebJobs.{function_name}.Disabled", f"AzureWebJobs_{function_name}_Disabled")
    return any(is_true(environ.get(name)) for name in names)


def connection_string(connection: str, environ: Mapping[str, str]) -> str:
    """The storage connection string that a binding's `connection` names. Raises `SettingsError` without one."""
    name = connection or "AzureWebJobsStorage"
    for candidate in (f"AzureWebJobs{name}", name):
        if value := environ.get(candidate):
            return value
    if any(setting.startswith(f"{name}__") for setting in environ):
        raise SettingsError(
            f"{name}__... is an identity-based connection, which this host cannot use: set {name} to a connection "
            "string, such as UseDevelopmentStorage=true for Azurite on its usual ports"
        )
    raise SettingsError(f"the app setting {name} is missing: it must hold the connection string of the queue storage")


def is_true(value: str | None) -> bool:
    return (value or "").strip().lower() in ("1", "true")


def _local_values(app_directory: Path) -> dict[str, str]:
    path = app_directory / "local.settings.json"
    if not path.exists():
        return {}
    content = _read_json(path)
    if content.get("IsEncrypted"):
        raise SettingsError(f"{path} is encrypted: decrypt it with `func settings decrypt`")
    values: dict[str, Any] = content.get("Values", {})
    if wrong := [name for name, value in values.items() if not isinstance(value, str)]:
        raise SettingsError(f"{path}: every value must be text in quotes, but these are not: {', '.join(wrong)}")
    return values


def _host_json(app_directory: Path) -> dict[str, Any]:
    path = app_directory / "host.json"
    if not path.exists():
        raise SettingsError(f"{path} does not exist: it marks the folder of a function app")
    return _read_json(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise SettingsError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold a JSON object")
    return content


class _HostValues:
    """Values of host.json by dotted path, case-insensitive as in .NET configuration; problems are collected."""

    def __init__(self, host_json: dict[str, Any], environ: Mapping[str, str]) -> None:
        self._values = {path.lower(): value for path, value in _flattened(host_json)}
        if _BODY_LIMIT in environ:
            self._values[_BODY_LIMIT.lower()] = environ[_BODY_LIMIT]
        for name, value in environ.items():
            if name.lower().startswith(OVERRIDE_PREFIX.lower()):
                self._values[name[len(OVERRIDE_PREFIX) :].replace("__", ".").lower()] = value
        self._problems: list[str] = []

    def text(self, path: str, *, default: str) -> str:
        return str(self._values.get(path.lower(), default))

    def number(self, path: str, *, default: int, lowest: int, highest: int | None = None) -> int:
        text = self.text(path, default=str(default))
        if not re.fullmatch(r"-?\d+", text) or int(text) < lowest or (highest is not None and int(text) > highest):
            limits = f"from {lowest} to {highest}" if highest is not None else f"of at least {lowest}"
            self._problems.append(f"{path} must be a whole number {limits}, not {text!r}")
            return default
        return int(text)

    def bound(self, path: str) -> int | None:
        number = self.number(path, default=-1, lowest=-1)
        return number if number > 0 else None

    def duration(
        self, path: str, *, default: timedelta, lowest: timedelta = timedelta(0), highest: timedelta = timedelta.max
    ) -> timedelta:
        text = self.text(path, default="")
        if not text:
            return default
        duration = _parse_duration(text)
        if duration is None or not lowest <= duration <= highest:
            self._problems.append(f"{path} must be hh:mm:ss, at least {lowest}, not {text!r}")
            return default
        return duration

    def timeout(self, path: str, *, default: timedelta) -> timedelta | None:
        if self.text(path, default="") == "-1":
            return None
        return self.duration(path, default=default, lowest=timedelta(seconds=1))

    def encoding(self, path: str) -> Literal["base64", "none"]:
        match self.text(path, default="base64").lower():
            case "none":
                return "none"
            case "base64":
                return "base64"
            case other:
                self._problems.append(f"{path} must be base64 or none, not {other!r}")
                return "base64"

    def raise_problems(self) -> None:
        if self._problems:
            raise SettingsError("host.json (or its overrides): " + "; ".join(self._problems))


def _flattened(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _parse_duration(text: str) -> timedelta | None:
    """.NET's TimeSpan, `[d.]hh:mm[:ss[.fff]]`; None for anything else."""
    match = re.fullmatch(r"(?:(\d+)\.)?(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,7})?))?", text)
    if match is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    if hours > 23 or minutes > 59 or seconds >= 60:
        return None
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
