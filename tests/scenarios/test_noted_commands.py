"""What is ordered on the command line stands in the journal, with who typed it, before anything is done."""

import asyncio

import pytest

from sync import bootstrap
from sync.core.errors import ServiceUnavailable
from sync.core.journal import JournalEntry
from sync.core.mailboxes import BOOKINGS
from sync.service.orders import ORDERED
from tests.commanding import CommandLine, open_tenant
from tests.scenarios.test_conflicts import tenant_in_conflict

pytestmark = pytest.mark.slow


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(open_tenant(), monkeypatch, capsys)


def noted(terminal: CommandLine) -> list[JournalEntry]:
    return terminal.tenant.entries(ORDERED)


@pytest.mark.parametrize(
    ("typed", "is_of_mailbox"),
    [
        ("replay --id any", False),
        ("replay --class Refused", False),
        ("replay --all", False),
        ("resync MAILBOX", True),
        ("sweep MAILBOX", True),
        ("sweep --full MAILBOX", True),
        ("sweep", False),
        ("release MAILBOX", True),
        ("release bookings", False),
        ("backfill", False),
        ("backfill --restart", False),
    ],
)
def test_an_order_is_noted_as_it_was_typed_where_its_story_is_read(
    terminal: CommandLine, typed: str, is_of_mailbox: bool
) -> None:
    """But for the case of a mailbox's id, which people copy from anywhere."""
    mailbox_id = terminal.tenant.technician.mailbox_id
    terminal.run(*typed.replace("MAILBOX", mailbox_id.upper()).split())
    (entry,) = noted(terminal)
    assert entry.reason == f"{typed.replace('MAILBOX', mailbox_id)}, by ada on the command line"
    assert entry.mailbox_id == (mailbox_id if is_of_mailbox else BOOKINGS)


def test_each_mailbox_that_is_swept_is_told_of_it(terminal: CommandLine) -> None:
    first, second = (one.mailbox_id for one in terminal.tenant.sample.technicians[:2])
    terminal.run("sweep", first, second)
    assert [entry.mailbox_id for entry in noted(terminal)] == [first, second]


def test_who_takes_the_other_side_stands_in_the_bookings_story(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = CommandLine(asyncio.run(tenant_in_conflict()), monkeypatch, capsys)
    (conflict,) = terminal.tenant.journal.conflicts.values()
    terminal.run("conflicts", "--take", conflict.conflict_id, typed="no\n")
    assert noted(terminal) == [], "nothing was ordered"
    terminal.run("conflicts", "--take", conflict.conflict_id, typed="take\n")
    rows = terminal.run("journal", "--booking", conflict.booking_id, "--json").objects
    assert [row["reason"] for row in rows if row["action"] == ORDERED] == [
        f"conflicts --take {conflict.conflict_id}, by ada on the command line"
    ]


def test_removing_the_app_is_noted_once_it_is_confirmed(terminal: CommandLine) -> None:
    terminal.run("setup", "--no-backfill")
    terminal.run("remove", "--events", "leave", "--dry-run")
    terminal.run("remove", "--events", "leave", typed="no\n")
    assert noted(terminal) == []
    terminal.run("remove", "--events", "leave", "--yes")
    assert [entry.reason for entry in noted(terminal)] == ["remove --events leave, by ada on the command line"]


def test_what_only_looks_is_not_noted(terminal: CommandLine) -> None:
    for looking in (
        ("status",),
        ("subscriptions",),
        ("letters",),
        ("conflicts",),
        ("journal", terminal.tenant.technician.mailbox_id),
        ("doctor",),
        ("setup", "--dry-run"),
    ):
        terminal.run(*looking)
    assert noted(terminal) == []


def test_where_the_system_knows_nobody_somebody_did_it(terminal: CommandLine) -> None:
    terminal.user_name = ""
    terminal.run("sweep")
    assert noted(terminal)[0].reason == "sweep, by somebody on the command line"


def test_an_order_that_cannot_be_noted_is_not_carried_out(terminal: CommandLine) -> None:
    terminal.tenant.journal.fail_next("write", ServiceUnavailable("The table cannot be written."))
    ran = terminal.run("sweep", terminal.tenant.technician.mailbox_id)
    assert ran.code == 3
    assert "The table cannot be written." in ran.err
    assert terminal.tenant.queue.next_visible_at() is None


def test_who_runs_the_process_is_the_operating_systems_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOGNAME", "grace")
    assert bootstrap.user_name() == "grace"


def test_an_account_without_a_name_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number alone."""

    def nobody() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert bootstrap.user_name() == ""
