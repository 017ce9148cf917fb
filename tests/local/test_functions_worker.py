"""The worker passes on what Microsoft's library decides: what it indexes, and what each return value means."""

import asyncio
import random
from datetime import timedelta
from pathlib import Path

import pytest

from local.functions.errors import AppLoadError
from local.functions.protos import RpcHttp, TypedData
from local.functions.worker import IndexedFunction, InvocationResult, Worker
from tests.local.functions_sample import write_app

QUEUE = '@app.queue_trigger(arg_name="msg", queue_name="q", connection="AzureWebJobsStorage")\n'
ROUTE = "@app.route()\n"


async def load(directory: Path, functions: str, seconds: float = 5) -> tuple[Worker, list[IndexedFunction]]:
    worker = Worker(function_timeout=timedelta(seconds=seconds), randomness=random.Random(1))
    return worker, await worker.load(write_app(directory, functions))


async def run_queue_function(directory: Path, functions: str, seconds: float = 5) -> InvocationResult:
    worker, (function,) = await load(directory, QUEUE + functions, seconds)
    metadata = {
        "Id": TypedData(string="id-1"),
        "DequeueCount": TypedData(json="2"),
        "InsertionTime": TypedData(json='"2026-11-21T08:00:00+00:00"'),
    }
    return await worker.invoke(function, {"msg": TypedData(string='{"n": 1}')}, metadata)


async def run_http_function(directory: Path, functions: str) -> InvocationResult:
    worker, (function,) = await load(directory, ROUTE + functions)
    request = RpcHttp(method="GET", url="http://127.0.0.1/api/f")
    return await worker.invoke(function, {"req": TypedData(http=request)}, {})


async def test_bindings_are_announced_as_decorated_with_settings_unresolved(tmp_path: Path) -> None:
    _, (function,) = await load(
        tmp_path,
        """
        @app.timer_trigger(arg_name="timer", schedule="%WHEN%", run_on_startup=True)
        def tick(timer: func.TimerRequest) -> None: ...
        """,
    )

    assert function.name == "tick"
    assert function.bindings[0]["schedule"] == "%WHEN%"
    assert function.bindings[0]["type"] == "timerTrigger"


async def test_a_queue_function_receives_body_and_metadata_converted(tmp_path: Path) -> None:
    result = await run_queue_function(
        tmp_path,
        """async def f(msg: func.QueueMessage, context: func.Context) -> None:
            assert msg.get_json() == {"n": 1}
            assert (msg.id, msg.dequeue_count) == ("id-1", 2)
            assert msg.insertion_time.isoformat() == "2026-11-21T08:00:00+00:00"
            assert context.function_name == "f" and context.invocation_id
        """,
    )

    assert result.exception == ""
    assert result.success


async def test_a_plain_def_runs_in_a_thread_and_does_not_block_others(tmp_path: Path) -> None:
    worker, (function,) = await load(
        tmp_path, QUEUE + "def f(msg: func.QueueMessage) -> None:\n    import time; time.sleep(0.2)"
    )
    running = asyncio.create_task(worker.invoke(function, {"msg": TypedData(string="")}, {}))
    await asyncio.sleep(0.02)

    assert not running.done()
    assert (await running).success


async def test_an_http_function_may_return_text(tmp_path: Path) -> None:
    result = await run_http_function(tmp_path, "def f(req: func.HttpRequest) -> str:\n    return 'hello'")

    assert result.return_value is not None
    assert result.return_value.string == "hello"


@pytest.mark.parametrize("value", ["None", "b'bytes'", "{'a': 1}"])
async def test_an_http_function_that_returns_anything_else_has_failed(tmp_path: Path, value: str) -> None:
    result = await run_http_function(tmp_path, f"def f(req: func.HttpRequest):\n    return {value}")

    assert not result.success
    assert result.exception.startswith("TypeError: unable to encode outgoing TypedData")


async def test_a_queue_function_that_returns_a_value_has_failed(tmp_path: Path) -> None:
    result = await run_queue_function(tmp_path, "async def f(msg: func.QueueMessage):\n    return 'done'")

    assert not result.success
    assert "without a $return binding" in result.exception


async def test_an_exception_is_a_failure_with_its_text_and_trace(tmp_path: Path) -> None:
    result = await run_queue_function(tmp_path, "async def f(msg: func.QueueMessage):\n    raise KeyError('lost')")

    assert not result.success
    assert result.exception.startswith("KeyError: 'lost'\nTraceback")


async def test_a_function_beyond_its_timeout_is_cancelled_and_has_failed(tmp_path: Path) -> None:
    source = """async def f(msg: func.QueueMessage):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pathlib.Path(__file__).with_name("cancelled").touch()
            raise
    """

    result = await run_queue_function(tmp_path, source, seconds=0.05)
    await asyncio.sleep(0)

    assert not result.success
    assert "functionTimeout of host.json expired" in result.exception
    assert (tmp_path / "cancelled").exists()


async def test_an_escaped_cancellation_is_never_answered_so_that_only_the_timeout_ends_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = "async def f(msg: func.QueueMessage):\n    raise asyncio.CancelledError"

    result = await run_queue_function(tmp_path, source, seconds=0.05)

    assert "functionTimeout of host.json expired" in result.exception
    assert "let an asyncio.CancelledError escape" in caplog.text


async def test_leaving_the_process_is_a_failure_that_says_what_the_cloud_would_do(tmp_path: Path) -> None:
    result = await run_queue_function(tmp_path, "def f(msg: func.QueueMessage):\n    raise SystemExit(3)")

    assert not result.success
    assert "the worker process dies of it" in result.exception


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("app2 = func.FunctionApp()", "ValueError: More than one FunctionApp"),
        (QUEUE + "def f(message: func.QueueMessage): ...", "FunctionLoadError: cannot load the f function"),
        (
            '@app.queue_output(arg_name="out", queue_name="o", connection="C")\n'
            + QUEUE
            + "def f(msg: func.QueueMessage, out: func.Out[list[str]]): ...",
            "has invalid non-type annotation",
        ),
    ],
    ids=["missing module", "two apps", "wrong parameter", "annotation that only looks right"],
)
async def test_an_app_that_the_cloud_could_not_index_is_refused_with_the_reason(
    tmp_path: Path, source: str, reason: str
) -> None:
    with pytest.raises(AppLoadError) as refusal:
        await load(tmp_path, source)

    assert reason in str(refusal.value)


async def test_a_folder_without_functions_is_refused(tmp_path: Path) -> None:
    worker = Worker(function_timeout=None, randomness=random.Random(1))

    with pytest.raises(AppLoadError, match=r"has no function_app\.py"):
        await worker.load(tmp_path)


async def test_loading_a_second_app_does_not_answer_with_the_first(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        source = f'@app.function_name("{name}")\n{ROUTE}def f(req: func.HttpRequest) -> str: ...'
        _, (function,) = await load(tmp_path / name, source)

        assert function.name == name
