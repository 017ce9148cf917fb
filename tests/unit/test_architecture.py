"""The arrows between the packages, read from the source; and what a cold instance loads before its first answer."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SYNC = ROOT / "sync"
SOURCES = sorted(SYNC.rglob("*.py"))
IMPURE = {
    "asyncio",
    "os",
    "logging",
    "time",
    "random",
    "socket",
    "subprocess",
    "threading",
    "pathlib",
    "secrets",
    "uuid",
}
"""Of the standard library, what would give the core a clock, an environment, a logger, chance or the outside world."""


def name_of(source: Path) -> str:
    return source.relative_to(ROOT).as_posix()


def imports_in(source: Path) -> Iterator[str]:
    """Every module imported anywhere in a file, also inside functions and for types only."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            # `from sync import calls` imports sync.calls.
            yield from (f"{module}.{alias.name}" for alias in node.names) if module == "sync" else (module,)


def is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def is_of(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def sources_of(package: str) -> list[Path]:
    found = sorted((SYNC / package).glob("*.py"))
    assert found, f"sync/{package} has moved: these tests look at nothing"
    return found


@pytest.mark.parametrize("source", sources_of("core"), ids=name_of)
def test_the_core_imports_itself_and_pure_parts_of_the_standard_library(source: Path) -> None:
    strangers = {
        module
        for module in imports_in(source)
        if not is_of(module, "sync.core") and (not is_standard(module) or module.partition(".")[0] in IMPURE)
    }
    assert strangers == set()


@pytest.mark.parametrize("source", sources_of("core"), ids=name_of)
def test_the_core_never_asks_what_time_it_is(source: Path) -> None:
    asked = {
        node.attr
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}
    }
    assert asked == set()


@pytest.mark.parametrize("source", sources_of("service"), ids=name_of)
def test_the_use_cases_know_the_core_and_no_adapter(source: Path) -> None:
    strangers = {
        module
        for module in imports_in(source)
        if not is_standard(module) and not is_of(module, "sync.core", "sync.service", "sync.calls", "sync.telemetry")
    }
    assert strangers == set()


@pytest.mark.parametrize("source", sources_of("page"), ids=name_of)
def test_the_page_knows_use_cases_and_no_adapter(source: Path) -> None:
    strangers = {
        module
        for module in imports_in(source)
        if not is_standard(module) and not is_of(module, "sync.core", "sync.service", "sync.page", "markupsafe")
    }
    assert strangers == set()


@pytest.mark.parametrize("source", sources_of("adapters"), ids=name_of)
def test_adapters_know_the_ports_and_no_use_case(source: Path) -> None:
    upwards = {
        module
        for module in imports_in(source)
        if is_of(module, "sync")
        and not is_of(module, "sync.core", "sync.adapters", "sync.calls", "sync.telemetry", "sync.service.ports")
    }
    assert upwards == set()


def test_only_bootstrap_and_the_command_line_read_the_environment() -> None:
    readers = {name_of(source) for source in [*SOURCES, ROOT / "function_app.py"] if reads_environment(source)}
    assert readers <= {"sync/bootstrap.py", "sync/__main__.py"}
    assert "sync/bootstrap.py" in readers, "the search finds what is there"


def reads_environment(source: Path) -> bool:
    """`os.environ` and `os.getenv`, by whatever import."""
    names = {"environ", "environb", "getenv", "getenvb"}
    return any(
        (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and names & {alias.name for alias in node.names})
        for node in ast.walk(ast.parse(source.read_text()))
    )


HEAVY = ("msgraph", "msgraph_core", "kiota_abstractions", "kiota_http", "httpx", "azure.data.tables", "azure.identity")
OF_THE_WORKSHOP = (
    "sync.adapters.graph",
    "sync.adapters.dataverse",
    "sync.adapters.transport",
    "sync.service.reconciling",
    "opentelemetry",
    "sync.adapters.otel_export",
    "sync.service.ports",
    "sync.service.store_ports",
)

OPEN_THE_DOOR = """
import asyncio, json, os, sys
os.environ.update(json.loads(sys.argv[1]))
import function_app
from sync import bootstrap

async def open_and_close():
    door = bootstrap.door()
    assert door is bootstrap.door()
    await bootstrap.close()

asyncio.run(open_and_close())
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.slow
def test_the_acknowledging_path_loads_neither_client() -> None:
    """Graph waits three seconds for a cold instance, and the Graph client alone takes most of one to load."""
    settings = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    ended = subprocess.run(
        [sys.executable, "-c", OPEN_THE_DOOR, json.dumps(settings)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    loaded = json.loads(ended.stdout)
    assert [module for module in loaded if is_of(module, *HEAVY, *OF_THE_WORKSHOP)] == []
    assert "azure.storage.queue" in loaded, "the door was opened"


@pytest.mark.slow
def test_the_app_refuses_to_start_with_every_problem_in_one_message() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import function_app"],
        cwd=ROOT,
        env={"TENANT_ID": "contoso"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    for problem in ("TENANT_ID is not a GUID", "PUBLIC_URL is missing", "CLIENT_STATE_SECRET is missing"):
        assert problem in ended.stderr
