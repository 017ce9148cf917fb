"""What the documents say that the code also knows: names, defaults, words, links. Prose is for people to keep true."""

import argparse
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from local.dataverse import server as dataverse
from local.graph import switches as graph
from sync.__main__ import _parser
from sync.adapters import dataverse_diagnosis, dataverse_queries
from sync.core import actions, delivery_steps
from sync.core.coalescing import Verdict
from sync.core.content import DEFAULT_BODY, TEMPLATE_FIELDS, render
from sync.core.errors import (
    ConfigurationError,
    DeltaTokenExpired,
    MailboxUnavailable,
    PermanentError,
    RejectedRequest,
    SyncError,
)
from sync.core.rights import Right, rights_of_app
from sync.core.sides import BookingPhase, WorkOrder
from sync.service import disposal
from sync.service.conflicts import TAKING, NotTaken
from sync.service.orders import ORDERED
from sync.service.outcome import action_words
from sync.service.resync import RESYNC, NotSynced
from sync.settings import HOST_JSON_REASONS, SETTING_NAMES, Settings
from tests.unit.values import a_booking

ROOT = Path(__file__).parents[2]

NEVER_BURIED = {
    ConfigurationError,  # refuses to start
    RejectedRequest,  # answered at the door
    MailboxUnavailable,  # quarantines the mailbox
    DeltaTokenExpired,  # becomes a full round
    NotTaken,  # told to whoever asked for it, and so is the next
    NotSynced,
    PermanentError,  # only its subclasses are raised
}
NOT_JOURNALED = {Verdict.PROCEED, Verdict.WAIT, actions.LookAgain}
"""The item goes on, or back to the queue: the journal has another word for it, or none."""

REGISTRY_HOST = re.compile(r"registry\.npm|registry\.yarnpkg|pypi\.org|pythonhosted\.org")
LOCAL_PATH = re.compile(r"(?<![\w.$}\])~/-])/(?:work|tmp|root|home|Users)/|\b[A-Z]:\\\\?Users\\")


def document(name: str) -> str:
    return (ROOT / name).read_text()


def commands() -> dict[str, argparse.ArgumentParser]:
    choices = next(action.choices for action in _parser()._actions if action.choices)
    assert isinstance(choices, dict)
    return choices


def section(text: str, heading: str) -> str:
    """What stands below a heading, down to the next one of the same or a higher level."""
    level = len(heading) - len(heading.lstrip("#"))
    _, found, below = without_fences(text).partition(f"\n{heading}\n")
    assert found, f"there is no heading {heading!r}"
    return re.split(rf"^#{{1,{level}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def without_fences(markdown: str) -> str:
    return re.sub(r"^( *)```.*?^ *```$", "", markdown, flags=re.MULTILINE | re.DOTALL)


def fences(markdown: str) -> list[str]:
    """What stands in the fenced blocks."""
    return re.findall(r"^```\w*\n(.*?)^```$", markdown, flags=re.MULTILINE | re.DOTALL)


def last_cells(text: str) -> list[str]:
    return [line.split("|")[-2] for line in text.splitlines() if line.startswith("|")]


def first_cells(text: str) -> list[str]:
    """The code in the first cell of each row of the tables in `text`; a cell may hold several."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    return [code for cell in cells for code in re.findall(r"`([^`]+)`", cell)]


def code_pairs(text: str) -> dict[str, str]:
    """The rows of tables whose first two cells are code and nothing else."""
    return dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", text, flags=re.MULTILINE))


class TestConfigure:
    text = document("docs/configure.md")

    @pytest.mark.parametrize("name", SETTING_NAMES)
    def test_each_setting_has_a_row(self, name: str) -> None:
        assert name in first_cells(self.text)

    def test_setting_what_is_documented_as_default_changes_nothing(self) -> None:
        values = json.loads(document("local.settings.sample.json"))["Values"]
        documented = {
            name: value
            for name, value in code_pairs(section(self.text, "## What may be set")).items()
            if name in SETTING_NAMES
        }
        assert len(documented) >= 9
        required = {name: value for name, value in values.items() if name not in documented and name != "LOCAL_TOKEN"}
        assert Settings.from_env({**required, **documented}) == Settings.from_env(required)

    def test_the_fields_of_templates_are_exactly_those_that_are_explained(self) -> None:
        rows = re.findall(
            r"^\| `\{(\w+)\}` \| (.+) \|$", section(self.text, "## What an event says"), flags=re.MULTILINE
        )
        assert rows == list(TEMPLATE_FIELDS.items())

    def test_the_default_body_is_the_one_that_is_shown(self) -> None:
        default, _ = fences(self.text)
        assert r"\n".join(default.splitlines()) == DEFAULT_BODY

    def test_the_example_of_templates_comes_to_what_is_said(self) -> None:
        _, example = fences(self.text)
        chosen = dict(line.split("=", 1) for line in example.splitlines())
        sample = json.loads(document("local.settings.sample.json"))["Values"]
        order = WorkOrder(work_order_id="any", number="00027", account="Contoso", priority="High")
        content = render(a_booking(work_order=order), Settings.from_env(sample | chosen).rules.templates)
        assert f"the subject is `{content.subject}`" in self.text
        assert f"the categories {' and '.join(f'`{name}`' for name in content.categories)}." in self.text
        assert set(chosen) < set(SETTING_NAMES)

    def test_each_reason_on_the_way_to_outlook_is_a_word_of_the_journal(self) -> None:
        words = re.findall(r"`([\w-]+)`", "".join(last_cells(section(self.text, "## What happens to an event"))))
        assert len(words) > 10
        assert set(words) <= set(actions.Reason)

    @pytest.mark.parametrize("path", HOST_JSON_REASONS)
    def test_each_number_of_host_json_is_explained(self, path: str) -> None:
        assert path in first_cells(section(self.text, "## host.json"))

    @pytest.mark.parametrize("phase", [one for one in BookingPhase if one is not BookingPhase.CANCELLED])
    def test_each_phase_that_can_be_cancelled_is_named(self, phase: str) -> None:
        assert f"`{phase}`" in self.text


class TestOperate:
    text = document("docs/operate.md")

    @pytest.mark.parametrize("word", [*actions.Reason, *(one for one in Verdict if one not in NOT_JOURNALED)])
    def test_each_reason_is_explained(self, word: str) -> None:
        assert word in first_cells(section(self.text, "## What the journal says"))

    @pytest.mark.parametrize("action", [ORDERED, RESYNC, TAKING])
    def test_each_word_for_what_people_order_is_explained(self, action: str) -> None:
        assert action in first_cells(section(self.text, "## What the journal says"))

    @pytest.mark.parametrize(
        "action",
        [
            one
            for one in (*get_args(actions.Action.__value__), *get_args(delivery_steps.DeliveryStep.__value__))
            if one not in NOT_JOURNALED
        ],
    )
    def test_each_action_is_explained(self, action: type) -> None:
        assert action_words(action) in first_cells(section(self.text, "## What the journal says"))

    def test_the_classes_of_dead_letters_are_exactly_those_that_are_explained(self) -> None:
        assert disposal.WorkerLost in all_errors(), "this test sees the classes of every module that buries"
        can_be_buried = {error.__name__ for error in all_errors() if error not in NEVER_BURIED}
        assert set(first_cells(section(self.text, "## Dead letters"))) == can_be_buried


class TestCommands:
    text = document("docs/operate.md") + document("docs/commands.md")

    def test_the_commands_are_exactly_those_that_are_explained(self) -> None:
        headings = re.findall(r"^### `(\w+)`$", self.text, flags=re.MULTILINE)
        assert sorted(headings) == sorted(commands())

    @pytest.mark.parametrize("command", list(commands()))
    def test_each_option_of_a_command_is_mentioned(self, command: str) -> None:
        of_all = {"-h", "--help", "--json"}
        options = {name for action in commands()[command]._actions for name in action.option_strings} - of_all
        told = section(self.text, f"### `{command}`")
        assert {name for name in options if name not in told} == set()


class TestDeploy:
    rights = section(document("docs/deploy.md"), "## 4. Dataverse")

    @pytest.mark.parametrize("right", rights_of_app(deletes_bookings=True))
    def test_each_right_that_setup_asks_for_is_in_the_table(self, right: Right) -> None:
        assert right.table in first_cells(self.rights)

    @pytest.mark.parametrize(
        "entity_set",
        [
            dataverse_diagnosis.APPOINTMENTS,
            dataverse_diagnosis.SERVICE_ACTIVITIES,
            dataverse_diagnosis.ORGANIZATIONS,
            dataverse_queries.USERS,
            dataverse_queries.MAILBOXES,
        ],
    )
    def test_each_table_that_a_diagnosis_reads_is_in_the_table_of_rights(self, entity_set: str) -> None:
        assert any(entity_set in (f"{table}s", f"{table}es") for table in first_cells(self.rights))


def all_errors() -> set[type[SyncError]]:
    found: set[type[SyncError]] = set()
    waiting = SyncError.__subclasses__()
    while waiting:
        error = waiting.pop()
        found.add(error)
        waiting += error.__subclasses__()
    return {error for error in found if error.__module__.startswith("sync.")}


@pytest.mark.parametrize(
    ("heading", "switches"),
    [
        ("### Switches of the Graph simulator", graph.SWITCHES),
        ("### Switches of the Dataverse simulator", dataverse.SWITCHES),
    ],
)
def test_the_table_of_switches_is_exactly_the_switches_and_their_defaults(
    heading: str, switches: dict[str, Any]
) -> None:
    rows = code_pairs(section(document("local/README.md"), heading))
    assert {name: json.loads(default) for name, default in rows.items()} == switches


def tracked_texts() -> Iterator[tuple[Path, str]]:
    """The text files in git and those about to be: new ones that git does not ignore."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for path in (ROOT / name for name in listing.stdout.split("\0") if name):
        try:
            yield path, path.read_text()
        except UnicodeDecodeError:
            continue  # not a text
        except FileNotFoundError:
            continue  # deleted, and git has not been told yet


def anchors_of(markdown: str) -> set[str]:
    """The anchors of headings as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_fences(markdown), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


DOCUMENTS = {path: text for path, text in tracked_texts() if path.suffix == ".md"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(path: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "`", without_fences(DOCUMENTS[path]))):
        if re.match(r"https?:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        has_anchor = not anchor or anchor in anchors_of(DOCUMENTS.get(target, ""))
        if not (target.is_relative_to(ROOT) and target.exists() and has_anchor):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("pattern", [REGISTRY_HOST, LOCAL_PATH], ids=["registry host", "path of a machine"])
def test_no_file_names_what_belongs_to_one_machine(pattern: re.Pattern[str]) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}" for path, text in tracked_texts() if (match := pattern.search(text))
    }
    assert found == set()


@pytest.mark.parametrize("text", ["see https://pypi" + ".org/simple", "at https://registry" + ".npmjs.org/"])
def test_a_registry_host_would_be_found(text: str) -> None:
    assert REGISTRY_HOST.search(text)


@pytest.mark.parametrize("text", ["cd /ho" + "me/ada/sync", "(/tm" + "p/x)", "'/Us" + "ers/ada/sync'"])
def test_a_path_of_a_machine_would_be_found(text: str) -> None:
    assert LOCAL_PATH.search(text)
