"""`./dev` by itself: what it offers, what it says when something is missing, and that it installs only when it must."""

import ast
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
DEV = ROOT / "dev"
COMMANDS = ("up", "demo", "test", "check", "simulate", "bench", "sync", "clean")


@pytest.fixture
def dev() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("dev", str(DEV))
    spec = importlib.util.spec_from_loader("dev", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def run_dev(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, DEV, *arguments], capture_output=True, text=True, check=False, env=environment
    )


def test_it_is_written_for_python_3_9_and_the_standard_library() -> None:
    tree = ast.parse(DEV.read_text(), feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_alone_it_lists_every_command() -> None:
    alone, asked = run_dev(), run_dev("--help")
    assert alone.returncode == 0
    assert alone.stdout == asked.stdout
    assert [line.split()[0] for line in alone.stdout.splitlines() if line.startswith("  ")] == list(COMMANDS)


def test_an_unknown_command_is_refused_with_the_list() -> None:
    answer = run_dev("tset")
    assert answer.returncode == 2
    assert "there is no command 'tset'" in answer.stderr
    assert "  test " in answer.stderr


def test_a_missing_python_is_one_line_that_names_the_mend(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dev.sys, "executable", "/nonexistent/python3")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    with pytest.raises(dev.Failed, match=r"Python 3\.13 is needed and was not found.*Install it") as failure:
        dev.find_python()
    assert "\n" not in str(failure.value)


def test_a_python_that_only_pyenv_knows_is_found(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its shim on PATH does not run unless that version has been chosen for the folder."""
    base = os.path.realpath(Path(sys.base_prefix, "bin", "python3.13"))
    shim = tmp_path / "shims" / "python3.13"
    pyenv_python = tmp_path / "versions" / "3.13.9" / "bin" / "python3.13"
    for path in (shim, pyenv_python):
        path.parent.mkdir(parents=True)
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    pyenv_python.symlink_to(base)
    monkeypatch.setattr(dev.sys, "executable", "/nonexistent/python3")
    monkeypatch.setenv("PATH", str(shim.parent))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert os.path.realpath(dev.find_python()) == base


def test_an_installation_counts_only_once_it_is_complete_and_for_its_pins_only(dev: ModuleType, tmp_path: Path) -> None:
    pins, folder = tmp_path / "requirements.txt", tmp_path / "installed"
    pins.write_text("httpx==0.28.1\n")
    folder.mkdir()
    assert not dev.has_stamp(folder, pins), "cut short before the end"
    dev.set_stamp(folder, pins)
    assert dev.has_stamp(folder, pins)
    pins.write_text("httpx==0.28.2\n")
    assert not dev.has_stamp(folder, pins), "another version is wanted now"


def test_a_failing_step_shows_the_end_of_its_output_and_the_mend(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dev, "LOCAL", tmp_path)
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    command = [sys.executable, "-c", "print('no route to host'); raise SystemExit(3)"]
    with pytest.raises(dev.Failed, match=r"pip failed; the end of pip.log:\n\nno route to host\n\nIf the network"):
        dev.run("pip", command, cwd=tmp_path)


def test_a_browser_that_cannot_be_installed_fails_no_test_and_is_told(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = tmp_path / "asked"
    apt_get = tmp_path / "apt-get"
    apt_get.write_text(f'#!/bin/sh\necho "$*" >> {asked}\nexit 100\n')
    apt_get.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(dev, "LOCAL", tmp_path)
    monkeypatch.setattr(dev.os, "geteuid", lambda: 1000)
    dev.offer_chromium()
    assert not asked.exists(), "nobody but root installs"
    monkeypatch.setattr(dev.os, "geteuid", lambda: 0)
    dev.offer_chromium()
    assert len(asked.read_text().splitlines()) == 1
    assert "the browser tests will be skipped" in capsys.readouterr().err
    (tmp_path / "chromium").write_text("#!/bin/sh\n")
    (tmp_path / "chromium").chmod(0o755)
    dev.offer_chromium()
    assert len(asked.read_text().splitlines()) == 1, "nothing is asked for where there is one"
