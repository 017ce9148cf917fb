"""What starts each function, read from its bindings, with app settings filled in.

What this host does not run, it refuses here, before anything is started, and says what to do instead.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from local.functions.errors import SettingsError, UnsupportedApp
from local.functions.settings import substitute
from local.functions.worker import IndexedFunction

AuthLevel = Literal["ANONYMOUS", "FUNCTION", "ADMIN"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTrigger:
    """`methods` is empty when every method is served. `route` has no prefix."""

    parameter: str
    route: str
    methods: frozenset[str]
    auth_level: AuthLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTrigger:
    parameter: str
    queue_name: str
    connection: str
    as_bytes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerTrigger:
    parameter: str
    schedule: str
    run_on_startup: bool
    use_monitor: bool


Trigger = HttpTrigger | QueueTrigger | TimerTrigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function that this host runs."""

    indexed: IndexedFunction
    trigger: Trigger

    @property
    def name(self) -> str:
        return self.indexed.name


def read_functions(indexed: Iterable[IndexedFunction], environ: Mapping[str, str]) -> list[Function]:
    """Every function with its trigger. Raises `UnsupportedApp` or `SettingsError` that names the function."""
    return [Function(indexed=function, trigger=_trigger(function, environ)) for function in indexed]


def _trigger(function: IndexedFunction, environ: Mapping[str, str]) -> Trigger:
    if function.has_retry_policy:
        raise UnsupportedApp(
            f"{function.name} has a retry policy (@app.retry), which this host does not run: remove it"
        )
    trigger: Trigger | None = None
    for binding in function.bindings:
        if binding["type"].lower().endswith("trigger"):
            trigger = _read_trigger(function.name, _substituted(function.name, binding, environ))
        elif binding["type"] != "http":
            raise UnsupportedApp(
                f"{function.name} has a binding of type {binding['type']}, but this host runs triggers only: read and "
                "write through the service's SDK, which also reports errors that a binding hides"
            )
    if trigger is None:
        raise UnsupportedApp(f"{function.name} has no trigger")
    return trigger


def _substituted(function_name: str, binding: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        return {key: substitute(value, environ) if isinstance(value, str) else value for key, value in binding.items()}
    except SettingsError as error:
        raise SettingsError(f"{function_name}: {error}") from error


def _read_trigger(function_name: str, binding: dict[str, Any]) -> Trigger:
    match binding["type"]:
        case "httpTrigger":
            return HttpTrigger(
                parameter=binding["name"],
                route=binding.get("route", function_name).strip("/"),
                methods=frozenset(method.upper() for method in binding.get("methods", ())),
                auth_level=_auth_level(binding.get("authLevel", "FUNCTION")),
            )
        case "queueTrigger":
            return QueueTrigger(
                parameter=binding["name"],
                queue_name=binding["queueName"],
                connection=binding.get("connection", ""),
                as_bytes=binding.get("dataType") == "BINARY",
            )
        case "timerTrigger":
            return TimerTrigger(
                parameter=binding["name"],
                schedule=binding["schedule"],
                run_on_startup=binding.get("runOnStartup", False),
                use_monitor=binding.get("useMonitor", True),
            )
        case other:
            raise UnsupportedApp(f"{function_name} has a trigger of type {other}: this host runs http, queue and timer")


def _auth_level(text: str) -> AuthLevel:
    return next(level for level in get_args(AuthLevel) if level == text.upper())
