"""Indexes and invokes an app's functions through `azure-functions-runtime`, the library that does so in the cloud.

Nothing about bindings, annotations or return values is decided here: the library's answers are passed on. This module
only plays the host's side of the worker protocol (init, metadata, invocation) in one process, and adds what the .NET
host adds: the function timeout, and what becomes of an invocation that the worker never answers.

The library keeps the app in module globals, so a process has one app; loading another replaces it.
"""

import asyncio
import importlib
import json
import logging
import random
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime

from local.functions import protos
from local.functions.errors import AppLoadError
from local.functions.protos import TypedData

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedFunction:
    """A function as the worker announces it. `bindings` are as decorated: `%NAME%` is not replaced yet."""

    name: str
    function_id: str
    bindings: tuple[dict[str, Any], ...]
    has_retry_policy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationResult:
    """How an invocation ended. `exception` is the message and, where there is one, the stack trace."""

    success: bool
    return_value: TypedData | None = None
    outputs: Mapping[str, TypedData | None] = field(default_factory=dict)
    exception: str = ""


class Worker:
    """The one worker of this process."""

    def __init__(self, *, function_timeout: timedelta | None, randomness: random.Random) -> None:
        """`function_timeout` None means that a function may run for ever."""
        self._timeout_seconds = function_timeout.total_seconds() if function_timeout else None
        self._randomness = randomness

    async def load(self, app_directory: Path) -> list[IndexedFunction]:
        """Import the app anew and index its functions. Raises `AppLoadError` naming the exception."""
        _make_importable(app_directory)
        init = await runtime.worker_init_request(
            _request(worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(app_directory)))
        )
        if init.result.exception is not None:
            raise AppLoadError(f"the app in {app_directory} cannot be indexed: {_text(init.result.exception)}")
        if "HttpUri" in init.capabilities:
            raise AppLoadError("the app uses HTTP streaming (azurefunctions-extensions-http-*): not supported locally")
        metadata = await runtime.functions_metadata_request(_request())
        if not metadata.function_metadata_results:
            raise AppLoadError(
                f"no functions: {app_directory} has no function_app.py, or no function is decorated in it"
            )
        runtime.start_threadpool_executor()
        return [_indexed(found) for found in metadata.function_metadata_results]

    async def invoke(
        self, function: IndexedFunction, inputs: Mapping[str, TypedData], trigger_metadata: Mapping[str, TypedData]
    ) -> InvocationResult:
        """Run the function once with `inputs` by parameter name. A failure is logged here and returned, not raised."""
        answer = asyncio.create_task(self._answer(function, inputs, trigger_metadata), name=f"function {function.name}")
        try:
            await asyncio.wait({answer}, timeout=self._timeout_seconds)
            result = answer.result() if answer.done() else _timed_out()
        finally:
            answer.cancel()
        if not result.success:
            _log.error("Function %s failed: %s", function.name, result.exception)
        return result

    async def _answer(
        self, function: IndexedFunction, inputs: Mapping[str, TypedData], trigger_metadata: Mapping[str, TypedData]
    ) -> InvocationResult:
        invocation = self._invocation(function, inputs, trigger_metadata)
        try:
            answer = await runtime.invocation_request(_request(invocation_request=invocation))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            _log.error(
                "Function %s let an asyncio.CancelledError escape: the worker never answers then, and the invocation "
                "hangs until functionTimeout. Catch it in the function and raise something else.",
                function.name,
            )
            return await _never()
        except SystemExit as error:
            return InvocationResult(
                success=False,
                exception=f"SystemExit: {error}. In the cloud the worker process dies of it, with all that it runs.",
            )
        if answer.result.exception is not None:
            return InvocationResult(success=False, exception=_text(answer.result.exception))
        outputs = {output.name: output.data for output in answer.output_data}
        return InvocationResult(success=True, return_value=answer.return_value, outputs=outputs)

    def _invocation(
        self, function: IndexedFunction, inputs: Mapping[str, TypedData], trigger_metadata: Mapping[str, TypedData]
    ) -> SimpleNamespace:
        trace_id, span_id = self._randomness.getrandbits(128), self._randomness.getrandbits(64)
        return SimpleNamespace(
            invocation_id=str(uuid.UUID(int=self._randomness.getrandbits(128), version=4)),
            function_id=function.function_id,
            input_data=[protos.ParameterBinding(name=name, data=data) for name, data in inputs.items()],
            trigger_metadata=dict(trigger_metadata),
            trace_context=SimpleNamespace(
                trace_parent=f"00-{trace_id:032x}-{span_id:016x}-00", trace_state="", attributes={}
            ),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )


async def _never() -> InvocationResult:
    await asyncio.Event().wait()
    raise AssertionError("nothing sets this event")


def _timed_out() -> InvocationResult:
    return InvocationResult(
        success=False,
        exception="functionTimeout of host.json expired. In the cloud the host restarts this worker process now, and "
        "every other invocation in it fails too.",
    )


def _make_importable(app_directory: Path) -> None:
    sys.path[:] = [str(app_directory), *(entry for entry in sys.path if entry != str(app_directory))]
    importlib.invalidate_caches()
    # The cloud starts a process per app; here, an app loaded before must not answer for this one.
    sys.modules.pop("function_app", None)


def _request(**request: Any) -> SimpleNamespace:
    return SimpleNamespace(
        request=SimpleNamespace(**request), properties={"protos": sys.modules[protos.__name__], "host": "127.0.0.1"}
    )


def _indexed(metadata: protos.RpcFunctionMetadata) -> IndexedFunction:
    return IndexedFunction(
        name=metadata.name,
        function_id=metadata.function_id,
        bindings=tuple(json.loads(binding) for binding in metadata.raw_bindings),
        has_retry_policy=metadata.retry_options is not None,
    )


def _text(exception: protos.RpcException) -> str:
    """The stack trace ends with the message, so the message is only needed without it."""
    return f"{exception.message}\n{exception.stack_trace}".rstrip()
