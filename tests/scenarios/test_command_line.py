"""What an administrator types, against the whole app: what is shown, what is done, and with which exit code it ends."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from local.switchboard import Fault
from sync import bootstrap
from sync.__main__ import main
from sync.commands.help_texts import HELP
from sync.core.conflicts import Conflict
from sync.core.mailboxes import SubscriptionRecord, SubscriptionStanding
from tests.commanding import CommandLine, open_tenant
from tests.tenant import Tenant

HOUR = timedelta(hours=1)
IN_OUTLOOK, IN_DYNAMICS = 2 * HOUR, 4 * HOUR


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(open_tenant(), monkeypatch, capsys)


async def both_move(tenant: Tenant) -> None:
    visit = tenant.visit()
    times = {"starttime": visit.start_at + IN_DYNAMICS, "endtime": visit.end_at + IN_DYNAMICS}
    await tenant.patch_booking(visit, **{name: f"{at:%Y-%m-%dT%H:%M:%SZ}" for name, at in times.items()})
    await tenant.move_event(visit, by=IN_OUTLOOK)
    await tenant.settle()


def in_conflict(terminal: CommandLine) -> Conflict:
    asyncio.run(both_move(terminal.tenant))
    (conflict,) = terminal.tenant.journal.conflicts.values()
    return conflict


class TestSubscriptions:
    def test_each_is_listed_with_standing_end_and_last_notification(self, terminal: CommandLine) -> None:
        mailbox_id = terminal.tenant.technician.mailbox_id
        asyncio.run(both_move(terminal.tenant))
        ran = terminal.run("subscriptions")
        assert ran.code == 0
        assert ran.out.startswith(f"{mailbox_id}  active     ends 2026-11-2")
        assert "last notified 2026-11-18 09:0" in ran.out
        (row,) = terminal.run("subscriptions", "--json").objects
        assert (row["mailbox_id"], row["standing"], row["failures"], row["reason"]) == (mailbox_id, "active", 0, "")

    def test_when_all_is_well_nothing_is_troubled(self, terminal: CommandLine) -> None:
        ran = terminal.run("subscriptions", "--troubled")
        assert (ran.code, ran.out, ran.err) == (1, "", "No mailbox is in trouble.\n")

    def test_what_is_in_trouble_says_why(self, terminal: CommandLine) -> None:
        """One that failed to be renewed, one whose time is over, and a mailbox that is set aside."""
        tenant = terminal.tenant
        record = asyncio.run(subscription_of(tenant))
        first, second = (one.mailbox_id for one in tenant.sample.technicians[:2])
        third = tenant.technician.mailbox_id
        failed = replace(
            record, mailbox_id=first, standing=SubscriptionStanding.FAILED, reason="renew: Graph said no", failures=3
        )
        over = replace(record, mailbox_id=second, expires_at=tenant.clock.now())
        for one in (failed, over):
            asyncio.run(tenant.state.save_subscription_record(one))
        asyncio.run(deny(tenant, third))
        ran = terminal.run("subscriptions", "--troubled")
        assert ran.code == 0
        told = {line.split()[0]: line for line in ran.out.splitlines() if not line.startswith(" ")}
        assert set(told) == {first, second, third}
        assert " failed " in told[first]
        assert "renew: Graph said no (3 failures)" in ran.out
        assert " ended " in told[second]
        assert "set-aside" in told[third]
        assert "denied" in ran.out

    def test_many_are_listed_page_after_page(self, terminal: CommandLine) -> None:
        tenant = terminal.tenant
        record = asyncio.run(subscription_of(tenant))
        for number in range(60):
            asyncio.run(tenant.state.save_subscription_record(replace(record, mailbox_id=f"mailbox-{number:03}")))
        rows = terminal.run("subscriptions", "--json").objects
        assert len({row["mailbox_id"] for row in rows}) == len(rows) == 61


async def subscription_of(tenant: Tenant) -> SubscriptionRecord:
    record = await tenant.state.find_subscription_record(tenant.technician.mailbox_id)
    assert record is not None
    return record


async def deny(tenant: Tenant, mailbox_id: str) -> None:
    technician = next(one for one in tenant.sample.technicians if one.mailbox_id == mailbox_id)
    await tenant.set_access(technician, "denied")
    await tenant.sweep(mailbox_id)
    await tenant.settle(limit=timedelta(seconds=30))


class TestConflicts:
    def test_both_values_are_listed_with_who_won(self, terminal: CommandLine) -> None:
        conflict = in_conflict(terminal)
        ran = terminal.run("conflicts")
        assert ran.code == 0
        head, about, stands, lost = ran.out.splitlines()
        assert head.startswith(f"{conflict.conflict_id}  2026-11-18 09:")
        assert terminal.tenant.visit().booking_id in about
        assert stands.split() == ["stands", "Dynamics", "2026-11-23", "12:00", "to", "2026-11-23", "13:30", "UTC"]
        assert lost.split() == ["lost", "Outlook", "2026-11-23", "10:00", "to", "2026-11-23", "11:30", "UTC"]
        (row,) = terminal.run("--json", "conflicts", "--booking", conflict.booking_id.upper()).objects
        assert (row["winner"], row["conflict_id"]) == ("dynamics", conflict.conflict_id)
        assert terminal.run("conflicts", "--mailbox", "another").code == 1

    @pytest.mark.parametrize("typed", ["no\n", ""], ids=["no", "nobody there"])
    def test_taking_asks_first_and_changes_nothing_unconfirmed(self, terminal: CommandLine, typed: str) -> None:
        conflict = in_conflict(terminal)
        terminal.tenant.forget_costs()
        ran = terminal.run("conflicts", "--take", conflict.conflict_id, typed=typed)
        assert ran.code == 2
        assert "what Outlook had" in ran.out
        assert "Type take to go on" in ran.out
        assert "nothing was changed" in ran.err
        assert terminal.run("conflicts", "--json", "--take", conflict.conflict_id).code == 2
        assert not terminal.tenant.app_writes

    def test_taking_brings_both_sides_to_what_lost(self, terminal: CommandLine) -> None:
        conflict, tenant = in_conflict(terminal), terminal.tenant
        ran = terminal.run("conflicts", "--take", conflict.conflict_id.upper(), typed="take\n")
        assert ran.code == 0
        assert "its event follows" in ran.out
        asyncio.run(tenant.settle())
        assert asyncio.run(tenant.booking_start(tenant.visit())) == tenant.visit().start_at + IN_OUTLOOK
        asyncio.run(tenant.assert_converged())
        assert terminal.run("conflicts").code == 1
        assert "taken 2026-11-18" in terminal.run("conflicts", "--all").out

    def test_programs_take_with_yes_and_again_without_harm(self, terminal: CommandLine) -> None:
        conflict = in_conflict(terminal)
        outcomes = []
        for _ in range(2):
            (told,) = terminal.run("conflicts", "--json", "--take", conflict.conflict_id, "--yes").objects
            outcomes.append(told["outcome"])
            asyncio.run(terminal.tenant.settle())
        assert outcomes == ["taken", "already-taken"]

    def test_what_was_changed_since_is_refused_with_the_reason(self, terminal: CommandLine) -> None:
        conflict, tenant = in_conflict(terminal), terminal.tenant
        asyncio.run(tenant.move_event(tenant.visit(), by=6 * HOUR))
        ran = terminal.run("conflicts", "--take", conflict.conflict_id, "--yes")
        assert ran.code == 1
        assert "The event was moved since, to 2026-11-23 14:00 UTC (90 min)." in ran.err
        assert "move the visit by hand" in ran.err

    def test_an_unknown_one_is_refused(self, terminal: CommandLine) -> None:
        ran = terminal.run("conflicts", "--take", "ffffffffffff", "--yes")
        assert (ran.code, ran.out) == (1, "")
        assert "no such conflict" in ran.err


class TestResync:
    def test_a_mailbox_is_looked_at_anew(self, terminal: CommandLine) -> None:
        tenant = terminal.tenant
        ran = terminal.run("resync", tenant.technician.mailbox_id.upper())
        assert ran.code == 0
        assert "Queued a full round, 2 bookings and 2 events." in ran.out
        asyncio.run(tenant.settle())
        assert tenant.graph_calls["event.get"] == 2
        assert not tenant.app_writes

    def test_a_stranger_is_refused(self, terminal: CommandLine) -> None:
        ran = terminal.run("resync", "a1cef625-0000-4000-8000-000000000000")
        assert ran.code == 1
        assert "MAILBOXES" in ran.err

    def test_it_says_when_the_mailbox_is_set_aside(self, terminal: CommandLine) -> None:
        mailbox_id = terminal.tenant.technician.mailbox_id
        asyncio.run(deny(terminal.tenant, mailbox_id))
        ran = terminal.run("resync", mailbox_id)
        assert ran.code == 0
        assert "The mailbox is set aside: Access to the mailbox is denied." in ran.out
        (told,) = terminal.run("--json", "resync", mailbox_id).objects
        assert "denied" in told["set_aside"]


class TestStatus:
    def test_it_shows_what_a_person_should_look_at(self, terminal: CommandLine) -> None:
        tenant = terminal.tenant
        in_conflict(terminal)
        tenant.dataverse.switchboard.faults.append(
            Fault(kind="bookableresourcebookings.update", status=400, body={"error": {"code": "x", "message": "no"}})
        )
        asyncio.run(refused_move(tenant))
        ran = terminal.run("status")
        assert ran.code == 0
        told = dict(line.split(": ", 1) for line in ran.out.splitlines() if line[:1] != " ")
        assert told["convergence"].startswith("in 24 hours 2 changes, half within 3")
        assert told["subscriptions"] == "active 1"
        assert told["next subscription to end"].endswith(f" UTC, of {tenant.technician.mailbox_id}")
        assert told["not yet equal"] == "nothing"
        assert told["queues"] == "event-changes 0, booking-changes 0, mailbox-tasks 0"
        assert told["quarantined"] == told["breakers holding"] == told["subscriptions in trouble"] == "none"
        assert told["conflicts"] == "1 (python -m sync conflicts)"
        assert told["dead letters"] == "Refused 1"
        assert "Remove the cause" in ran.out

    def test_programs_read_the_same_figures(self, terminal: CommandLine) -> None:
        in_conflict(terminal)
        (board,) = terminal.run("status", "--json").objects
        assert board["census"]["subscriptions"] == {"active": 1}
        assert len(board["conflicts"]["rows"]) == 1
        assert board["queues"]["event-changes"] == 0

    def test_an_empty_deployment_is_none_of_everything(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ran = CommandLine(Tenant(), monkeypatch, capsys).run("status")
        assert ran.code == 0
        assert "no change" in ran.out

    def test_what_waits_and_what_is_set_aside_is_named(self, terminal: CommandLine) -> None:
        tenant = terminal.tenant
        tenant.sync_only(3, 0)
        asyncio.run(deny(tenant, tenant.sample.technicians[0].mailbox_id))
        asyncio.run(tenant.notify(tenant.visit(), "updated"))
        tenant.clock.advance(10)
        told = terminal.run("status").out
        assert f"mailbox {tenant.technician.mailbox_id}, for " in told
        assert "quarantined: 1 (python -m sync subscriptions --troubled)" in told
        assert f"  {tenant.sample.technicians[0].mailbox_id}: Access to the mailbox is denied." in told
        assert "next probe 2026-11-18 09:15:0" in told


async def refused_move(tenant: Tenant) -> None:
    await tenant.move_event(tenant.visit(index=1), by=HOUR)
    await tenant.settle()


class TestLettersAndReplay:
    def test_what_was_mended_is_replayed(self, terminal: CommandLine) -> None:
        tenant = terminal.tenant
        tenant.dataverse.switchboard.faults.append(
            Fault(kind="bookableresourcebookings.update", status=400, body={"error": {"code": "x", "message": "no"}})
        )
        asyncio.run(refused_move(tenant))
        assert "Refused" in terminal.run("letters", "--class", "Refused").out
        assert terminal.run("replay", "--class", "Throttled").code == 1
        ran = terminal.run("replay", "--all")
        assert ran.code == 0
        assert ran.out.startswith("Replayed 1.")
        asyncio.run(tenant.settle())
        assert asyncio.run(tenant.booking_start(tenant.visit(index=1))) == tenant.visit(index=1).start_at + HOUR
        assert terminal.run("letters").code == 1


class TestUsage:
    def test_json_may_stand_on_either_side_of_the_command(self, terminal: CommandLine) -> None:
        assert terminal.run("--json", "subscriptions").objects == terminal.run("subscriptions", "--json").objects

    @pytest.mark.parametrize("name", list(HELP))
    def test_help_says_what_a_command_changes_and_shows_examples_that_parse(
        self, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0
        told = capsys.readouterr().out
        assert HELP[name].changes.split(".")[0] in " ".join(told.split())
        assert f"  python -m sync {HELP[name].examples[0][0]}" in told

    def test_a_wrong_option_is_wrong_usage(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["conflicts", "--nonsense"])
        assert ended.value.code == 2
        assert "--nonsense" in capsys.readouterr().err

    def test_an_identity_that_is_no_id_is_wrong_usage(self, capsys: pytest.CaptureFixture[str]) -> None:
        """It becomes part of a question to Dataverse."""
        with pytest.raises(SystemExit) as ended:
            main(["doctor", "--app", "x eq null or 1 eq 1"])
        assert ended.value.code == 2
        assert "--app" in capsys.readouterr().err

    def test_bad_settings_are_listed_all_at_once(self, terminal: CommandLine) -> None:
        del terminal.environ["TENANT_ID"], terminal.environ["PUBLIC_URL"]
        ran = terminal.run("status")
        assert ran.code == 2
        assert "TENANT_ID is missing" in ran.err
        assert "PUBLIC_URL is missing" in ran.err

    def test_who_has_seen_enough_ends_the_command_quietly(
        self, terminal: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As `| head` does."""

        async def nobody_reads(*_: object) -> None:
            raise BrokenPipeError

        silenced: list[int] = []
        monkeypatch.setattr("os.dup2", lambda _, to: silenced.append(to))
        monkeypatch.setattr(bootstrap, "close", nobody_reads)
        monkeypatch.setattr("sys.stdout.fileno", lambda: 1, raising=False)
        assert terminal.run("subscriptions").code == 0
        assert silenced == [1]
