"""HTTP functions see requests, and callers see answers, as they do in the cloud."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.functions.errors import CannotStart, SettingsError
from local.functions.host import FunctionsHost
from tests.local.functions_sample import load_host
from tests.local.virtual_time import settle

ECHO = """
@app.route(route="echo/{name}/{number:int?}", methods=["GET", "POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen = {
        "method": req.method, "url": req.url, "headers": dict(req.headers), "query": dict(req.params),
        "route": dict(req.route_params), "body": req.get_body().decode(),
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")
"""

GATE = """
gate = asyncio.Event()

@app.route(auth_level=func.AuthLevel.ANONYMOUS)
async def waits(req: func.HttpRequest) -> str:
    await gate.wait()
    return "done"

@app.route(auth_level=func.AuthLevel.ANONYMOUS)
async def opens(req: func.HttpRequest) -> str:
    gate.set()
    return "open"
"""

KEYS = {"LOCAL_FUNCTION_KEY": "function key", "LOCAL_MASTER_KEY": "master key"}


@asynccontextmanager
async def client_of(directory: Path, functions: str, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    host = await load_host(directory, functions, **options)
    async with client(host) as found:
        yield found


def client(host: FunctionsHost) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(host.application), base_url="http://127.0.0.1:7071")


async def echo(directory: Path, *arguments: Any, **options: Any) -> dict[str, Any]:
    async with client_of(directory, ECHO) as http:
        response = await http.request(*arguments, **options)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    seen: dict[str, Any] = response.json()
    return seen


async def test_a_request_reaches_the_function_with_method_url_body_and_route(tmp_path: Path) -> None:
    seen = await echo(tmp_path, "POST", "/API/echo/a%20b/7?x=1", content="text")

    assert seen["method"] == "POST"
    assert seen["url"] == "http://127.0.0.1:7071/API/echo/a%20b/7?x=1"
    assert seen["route"] == {"name": "a b", "number": "7"}
    assert seen["body"] == "text"


async def test_an_absent_optional_parameter_is_left_out(tmp_path: Path) -> None:
    assert (await echo(tmp_path, "GET", "/api/echo/a"))["route"] == {"name": "a"}


async def test_repeated_values_are_joined_and_empty_ones_dropped_from_the_query_only(tmp_path: Path) -> None:
    seen = await echo(
        tmp_path,
        "GET",
        "/api/echo/a?t=1&t=2&validationToken=&name=a%20b",
        headers=[("X-Many", "1"), ("X-Many", "2"), ("X-Empty", "")],
    )

    assert seen["query"] == {"t": "1,2", "name": "a b"}
    assert seen["headers"]["x-many"] == "1,2"
    assert seen["headers"]["x-empty"] == ""
    assert all(name == name.lower() for name in seen["headers"])


async def test_a_chunked_body_does_not_reach_the_function_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"text"

    assert (await echo(tmp_path, "POST", "/api/echo/a", content=chunks()))["body"] == ""
    assert "send Content-Length" in caplog.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/echo/a"),
        ("HEAD", "/api/echo/a"),
        ("GET", "/api/echo"),
        ("GET", "/echo/a"),
        ("GET", "/api/echo/a/x"),
    ],
)
async def test_a_wrong_method_or_path_is_not_found(tmp_path: Path, method: str, path: str) -> None:
    async with client_of(tmp_path, ECHO) as http:
        response = await http.request(method, path)

    assert (response.status_code, response.content) == (404, b"")


async def test_a_disabled_function_is_not_found(tmp_path: Path) -> None:
    async with client_of(tmp_path, ECHO, environ={"AzureWebJobs.echo.Disabled": "true"}) as http:
        assert (await http.get("/api/echo/a")).status_code == 404


async def test_without_a_prefix_routes_begin_at_the_root(tmp_path: Path) -> None:
    async with client_of(tmp_path, ECHO, host={"extensions": {"http": {"routePrefix": ""}}}) as http:
        assert (await http.get("/echo/a")).status_code == 200
        assert (await http.get("/api/echo/a")).status_code == 404


async def test_the_answer_carries_status_headers_and_cookies(tmp_path: Path) -> None:
    functions = """
    @app.route()
    def f(req: func.HttpRequest) -> func.HttpResponse:
        headers = {"X-Mark": "m", "Set-Cookie": "a=b; Path=/x; Max-Age=60; HttpOnly; SameSite=Strict"}
        return func.HttpResponse(b"gone", status_code=410, headers=headers, mimetype="text/html")
    """
    async with client_of(tmp_path, functions) as http:
        response = await http.get("/api/f")

    assert (response.status_code, response.text) == (410, "gone")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-mark"] == "m"
    assert response.headers["set-cookie"] == "a=b; HttpOnly; Max-Age=60; Path=/x; SameSite=strict"


async def test_text_may_be_returned_alone(tmp_path: Path) -> None:
    async with client_of(tmp_path, "@app.route()\ndef f(req: func.HttpRequest) -> str: return 'hello'") as http:
        response = await http.get("/api/f")

    assert (response.status_code, response.text) == (200, "hello")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("statement", ["raise ValueError('secret')", "return None", "return {'a': 1}"])
async def test_any_failure_is_an_empty_500_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, statement: str
) -> None:
    async with client_of(tmp_path, f"@app.route()\nasync def f(req: func.HttpRequest):\n    {statement}") as http:
        response = await http.get("/api/f")

    assert (response.status_code, response.content) == (500, b"")
    assert "Function f failed: " in caplog.text


async def test_an_answer_that_http_cannot_carry_is_a_500(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    functions = """
    @app.route()
    def f(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("x", headers={"X-Price": "5 \u20ac"})
    """
    async with client_of(tmp_path, functions) as http:
        assert (await http.get("/api/f")).status_code == 500
    assert "Function f answered what HTTP cannot carry" in caplog.text


async def test_the_answer_waits_for_the_function(tmp_path: Path) -> None:
    async with client_of(tmp_path, GATE) as http:
        waiting = asyncio.create_task(http.get("/api/waits"))
        await settle()
        assert not waiting.done()
        await http.get("/api/opens")
        assert (await waiting).text == "done"


async def test_requests_above_the_outstanding_limit_are_told_to_come_back(tmp_path: Path) -> None:
    async with client_of(tmp_path, GATE, host={"extensions": {"http": {"maxOutstandingRequests": 2}}}) as http:
        waiting = asyncio.create_task(http.get("/api/waits"))
        await settle()
        assert (await http.get("/api/opens")).status_code == 200
        assert (await waiting).status_code == 200

    async with client_of(tmp_path, GATE, host={"extensions": {"http": {"maxOutstandingRequests": 1}}}) as http:
        waiting = asyncio.create_task(http.get("/api/waits"))
        await settle()
        assert (await http.get("/api/opens")).status_code == 429
        assert (await http.get("/admin/host/status")).status_code == 200
        waiting.cancel()


async def test_requests_above_the_concurrent_limit_wait_for_their_turn(tmp_path: Path) -> None:
    async with client_of(tmp_path, GATE, host={"extensions": {"http": {"maxConcurrentRequests": 1}}}) as http:
        first = asyncio.create_task(http.get("/api/waits"))
        await settle()
        second = asyncio.create_task(http.get("/api/opens"))
        await settle()
        assert not second.done()
        first.cancel()
        assert (await second).text == "open"


async def test_a_body_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    async with client_of(tmp_path, ECHO, environ={"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "4"}) as http:
        assert (await http.post("/api/echo/a", content="1234")).status_code == 200
        assert (await http.post("/api/echo/a", content="12345")).status_code == 413


LEVELS = "".join(
    f"""
@app.route(auth_level=func.AuthLevel.{level})
async def {level.lower()}(req: func.HttpRequest) -> str: return ""
"""
    for level in ("ANONYMOUS", "FUNCTION", "ADMIN")
)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/anonymous", {}, 200),
        ("/api/function", {}, 401),
        ("/api/function", {"x-functions-key": "wrong"}, 401),
        ("/api/function", {"x-functions-key": "function key"}, 200),
        ("/api/function", {"x-functions-key": "master key"}, 200),
        ("/api/function?code=function%20key", {}, 200),
        ("/api/function?code=function%20key", {"x-functions-key": "wrong"}, 401),
        ("/api/admin", {"x-functions-key": "function key"}, 401),
        ("/api/admin", {"x-functions-key": "master key"}, 200),
        ("/api/unknown", {}, 404),
        ("/admin/host/status", {"x-functions-key": "function key"}, 401),
        ("/admin/host/status", {"x-functions-key": "master key"}, 200),
    ],
)
async def test_keys_open_what_they_open_in_the_cloud(
    tmp_path: Path, path: str, headers: Mapping[str, str], status: int
) -> None:
    async with client_of(tmp_path, LEVELS, enable_auth=True, environ=KEYS) as http:
        response = await http.get(path, headers=headers)

    assert response.status_code == status
    assert response.content == b"" or status == 200


async def test_authorisation_is_off_unless_asked_for(tmp_path: Path) -> None:
    async with client_of(tmp_path, LEVELS) as http:
        assert (await http.get("/api/admin")).status_code == 200


async def test_authorisation_without_keys_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="LOCAL_FUNCTION_KEY and LOCAL_MASTER_KEY"):
        await load_host(tmp_path, LEVELS, enable_auth=True)


async def test_the_root_has_the_stock_page_unless_switched_off_or_taken(tmp_path: Path) -> None:
    async with client_of(tmp_path, ECHO) as http:
        assert "up and running" in (await http.get("/")).text
    async with client_of(tmp_path, ECHO, environ={"AzureWebJobsDisableHomepage": "true"}) as http:
        assert (await http.get("/")).status_code == 204
    mine = '@app.route(route="/")\ndef f(req: func.HttpRequest) -> str: return "mine"'
    async with client_of(tmp_path, mine, host={"extensions": {"http": {"routePrefix": ""}}}) as http:
        assert (await http.get("/")).text == "mine"


BY_HAND = """
@app.queue_trigger(arg_name="msg", queue_name="q", connection="AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    pathlib.Path(__file__).with_name("seen").write_text(json.dumps([msg.get_body().decode(), msg.dequeue_count]))

@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def tick(timer: func.TimerRequest) -> None:
    pathlib.Path(__file__).with_name("seen").write_text(json.dumps(timer.past_due))
"""


@pytest.mark.parametrize(("name", "seen"), [("work", ["by hand", 0]), ("tick", False)])
async def test_any_queue_or_timer_function_can_be_run_by_hand(tmp_path: Path, name: str, seen: object) -> None:
    host = await load_host(tmp_path, BY_HAND, environ={"AzureWebJobs.tick.Disabled": "true"})
    async with client(host) as http:
        response = await http.post(f"/admin/functions/{name}", json={"input": "by hand"})
    await host.drain()

    assert (response.status_code, response.content) == (202, b"")
    assert json.loads((tmp_path / "seen").read_text()) == seen


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/admin/functions/work", "null", 400),
        ("/admin/functions/work", "", 400),
        ("/admin/functions/work", '{"input": 3}', 400),
        ("/admin/functions/unknown", '{"input": ""}', 404),
    ],
)
async def test_running_by_hand_needs_a_text_and_a_known_name(tmp_path: Path, path: str, body: str, status: int) -> None:
    async with client_of(tmp_path, BY_HAND) as http:
        assert (await http.post(path, content=body)).status_code == status


OUTPUT_BINDING = """
@app.queue_output(arg_name="out", queue_name="o", connection="C")
@app.route()
def f(req: func.HttpRequest, out: func.Out[str]) -> str: ...
"""
OTHER_TRIGGER = """
@app.blob_trigger(arg_name="blob", path="c/{n}", connection="C")
def f(blob: func.InputStream) -> None: ...
"""
RETRY_POLICY = """
@app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:01")
@app.timer_trigger(arg_name="timer", schedule="0 * * * * *")
def f(timer: func.TimerRequest) -> None: ...
"""
MISSING_SETTING = """
@app.timer_trigger(arg_name="timer", schedule="%WHEN%")
def f(timer: func.TimerRequest) -> None: ...
"""
SCHEDULE = MISSING_SETTING.replace("%WHEN%", "often")
ROUTE = """
@app.route(route="a/{x:regex(y)}")
def f(req: func.HttpRequest) -> str: ...
"""


@pytest.mark.parametrize(
    ("functions", "reason"),
    [
        (OUTPUT_BINDING, "f has a binding of type queue"),
        (OTHER_TRIGGER, "blobTrigger"),
        (RETRY_POLICY, "f has a retry policy"),
        (MISSING_SETTING, "f: %WHEN% names"),
        (SCHEDULE, "f: 'often'"),
        (ROUTE, "a/{x:regex(y)}"),
    ],
    ids=["output binding", "other trigger", "retry policy", "missing setting", "schedule", "route"],
)
async def test_what_this_host_does_not_run_is_refused_at_start(tmp_path: Path, functions: str, reason: str) -> None:
    with pytest.raises(CannotStart) as refusal:
        await load_host(tmp_path, functions)

    assert reason in str(refusal.value)


async def test_only_the_named_functions_are_run(tmp_path: Path) -> None:
    host = await load_host(tmp_path, ECHO + BY_HAND, only=["echo", "tick"])

    assert host.describe() == ["echo (GET|POST /api/echo/{name}/{number:int?})", "tick (timer 0 0 0 1 1 *)"]
    assert host.queue_listeners == {}
    with pytest.raises(SettingsError, match="no function nothing; it has echo, work, tick"):
        await load_host(tmp_path, ECHO + BY_HAND, only=["nothing"])
