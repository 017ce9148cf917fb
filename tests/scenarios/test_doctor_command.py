"""`python -m sync doctor` against the whole app: silent when all is well, and each trouble alone is found and named."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from local.sample import guid
from sync.core.doctor_facts import Identity
from tests.commanding import CommandLine, open_tenant

APP_CLIENT_ID = guid("application")
UNHEARD_OF = "11111111-2222-4333-8444-555555555555"
MICROSOFT = {"actdeliverymethod": 1, "enabledforact": True, "actstatus": 1}

pytestmark = pytest.mark.slow

ALL = [
    *("settings", "storage", "dead-letters", "clock-graph", "identity-graph", "clock-dataverse", "identity-dataverse"),
    *("dataverse-tables", "dataverse-user", "dataverse-rights", "dataverse-setup", "graph-calendars"),
    *("door-notification", "door-lifecycle", "door-webhook", "subscriptions", "quarantine", "microsoft-sync", "timers"),
]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """In front of a deployment that was set up by `setup`, and has swept."""
    terminal = CommandLine(open_tenant(), monkeypatch, capsys)
    assert terminal.run("setup", "--no-backfill").code == 0
    return terminal


def findings(terminal: CommandLine, *options: str) -> dict[str, dict[str, Any]]:
    *told, end = terminal.run("doctor", "--json", "--app", APP_CLIENT_ID, *options).objects
    assert end["is_well"] == all(one["result"] != "fail" for one in told)
    return {one["rule"]: one for one in told}


def test_a_deployment_in_order_passes_every_check(terminal: CommandLine) -> None:
    ran = terminal.run("doctor", "--app", APP_CLIENT_ID)
    assert ran.code == 0
    assert f"\npass {len(ALL)}\n" in ran.out
    assert list(findings(terminal)) == ALL


def test_looking_changes_nothing(terminal: CommandLine) -> None:
    tenant = terminal.tenant
    tenant.forget_costs()
    written = len(tenant.journal.entries)
    terminal.run("doctor", "--app", APP_CLIENT_ID)
    assert not tenant.app_writes
    assert not tenant.dataverse.switchboard.calls["person"] - asked_only(tenant.dataverse.switchboard.calls["person"])
    assert len(tenant.journal.entries) == written
    assert tenant.queue.next_visible_at() is None


def asked_only(calls: Any) -> Any:
    return type(calls)({kind: n for kind, n in calls.items() if not kind.endswith((".create", ".update", ".delete"))})


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong; which checks tell of it, how, and with which words."""

    cause: Callable[[CommandLine], None]
    told: dict[str, str]
    words: str


def storage_away(terminal: CommandLine) -> None:
    terminal.probes.unreachable.add("storage")


def no_token_for_graph(terminal: CommandLine) -> None:
    terminal.probes.unreachable.add("identity of Graph")


def clock_of_graph_wrong(terminal: CommandLine) -> None:
    terminal.probes.ahead_seconds = 40


def dataverse_away(terminal: CommandLine) -> None:
    terminal.probes.unreachable.add("Dataverse")


def no_notification_address(terminal: CommandLine) -> None:
    terminal.probes.unreachable.add("/api/graph/notifications")


def no_lifecycle_address(terminal: CommandLine) -> None:
    terminal.probes.unreachable.add("/api/graph/lifecycle")


def another_secret_at_the_door(terminal: CommandLine) -> None:
    terminal.probes.secret_at_the_door = "the secret of yesterday"


def a_step_switched_off(terminal: CommandLine) -> None:
    async def switch_off() -> None:
        dispatcher = terminal.tenant.dispatcher
        rows = (await dispatcher.get("/sdkmessageprocessingsteps?$select=name")).json()["value"]
        address = f"/sdkmessageprocessingsteps({rows[0]['sdkmessageprocessingstepid']})"
        answer = await dispatcher.patch(address, json={"statecode": 1, "statuscode": 2}, headers={"If-Match": "*"})
        assert answer.status_code == 204, answer.text

    asyncio.run(switch_off())


def a_right_withdrawn(terminal: CommandLine) -> None:
    terminal.tenant.switch_dataverse(denied_privileges=["prvReadMailbox"])


def no_subscription(terminal: CommandLine) -> None:
    tenant = terminal.tenant
    asyncio.run(tenant.state.delete_subscription_record(tenant.technician.mailbox_id))


def no_access_to_the_only_mailbox(terminal: CommandLine) -> None:
    asyncio.run(terminal.tenant.set_access(terminal.tenant.technician, "denied"))


def a_mailbox_set_aside(terminal: CommandLine) -> None:
    """Another than the one that answers."""

    async def deny() -> None:
        tenant = terminal.tenant
        other = tenant.sample.technicians[4]
        tenant.rules = replace(tenant.rules, mailboxes=(tenant.technician.mailbox_id, other.mailbox_id))
        await tenant.set_access(other, "denied")
        await tenant.sweep(other.mailbox_id)
        await tenant.settle(limit=timedelta(seconds=30))

    asyncio.run(deny())


def both_syncs(terminal: CommandLine) -> None:
    async def switch_on() -> None:
        tenant = terminal.tenant
        address = f"/mailboxes({guid(f'mailbox:{tenant.technician.name}')})"
        answer = await tenant.dispatcher.patch(address, json=MICROSOFT, headers={"If-Match": "*"})
        assert answer.status_code == 204, answer.text

    asyncio.run(switch_on())


def no_sweep_for_days(terminal: CommandLine) -> None:
    """The subscriptions of these two days are still live."""
    terminal.tenant.clock.advance(timedelta(days=2).total_seconds())


TROUBLES = [
    Trouble(storage_away, {"storage": "fail", "dead-letters": "fail"}, "storage is out of reach"),
    Trouble(no_token_for_graph, {"identity-graph": "fail"}, "identity of Graph is out of reach"),
    Trouble(clock_of_graph_wrong, {"clock-graph": "warn", "clock-dataverse": "warn"}, "40 s ahead"),
    Trouble(dataverse_away, {"clock-dataverse": "fail"}, "Dataverse is out of reach"),
    Trouble(no_notification_address, {"door-notification": "fail"}, "/api/graph/notifications is out of reach"),
    Trouble(no_lifecycle_address, {"door-lifecycle": "fail"}, "/api/graph/lifecycle is out of reach"),
    Trouble(another_secret_at_the_door, {"door-webhook": "fail"}, "with the secret: status 401"),
    Trouble(a_step_switched_off, {"dataverse-setup": "fail"}, "change step"),
    Trouble(a_right_withdrawn, {"dataverse-rights": "fail", "microsoft-sync": "warn"}, "Read mailbox"),
    Trouble(no_subscription, {"subscriptions": "fail"}, "0 of 1 mailboxes"),
    Trouble(no_access_to_the_only_mailbox, {"graph-calendars": "fail"}, "Access to the mailbox is denied."),
    Trouble(a_mailbox_set_aside, {"quarantine": "warn"}, "Access to the mailbox is denied."),
    Trouble(both_syncs, {"microsoft-sync": "fail"}, "shared: "),
    Trouble(no_sweep_for_days, {"timers": "warn"}, "began at 2026-11-18"),
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.cause.__name__)
def test_each_trouble_alone_is_found_with_what_to_do_and_nothing_else_is(
    terminal: CommandLine, trouble: Trouble
) -> None:
    trouble.cause(terminal)
    told = findings(terminal)
    assert {rule: one["result"] for rule, one in told.items() if one["result"] != "pass"} == trouble.told
    first = next(iter(trouble.told))
    assert trouble.words in told[first]["seen"]
    assert all(told[rule]["mend"] for rule in trouble.told)
    ran = terminal.run("doctor", "--app", APP_CLIENT_ID)
    assert ran.code == (3 if "fail" in trouble.told.values() else 0)
    assert "      do     " in ran.out


def test_an_app_that_is_no_user_of_dataverse_is_told_so(terminal: CommandLine) -> None:
    told = {one["rule"]: one for one in terminal.run("doctor", "--json", "--app", UNHEARD_OF).objects[:-1]}
    assert told["dataverse-user"]["result"] == "fail"
    assert "dataverse-rights" not in told


def test_a_person_is_told_that_his_own_rights_were_looked_at(terminal: CommandLine) -> None:
    terminal.probes.identity = Identity(name="a-person", is_app=False)
    told = {one["rule"]: one for one in terminal.run("doctor", "--json").objects[:-1]}
    assert told["dataverse-user"]["result"] == "warn"
    assert "--app CLIENT_ID" in told["dataverse-user"]["mend"]


def test_a_person_without_calendars_is_shown_what_the_app_has_come_by(terminal: CommandLine) -> None:
    terminal.probes.identity = Identity(name="a-person", is_app=False)
    no_access_to_the_only_mailbox(terminal)
    told = findings(terminal)["graph-calendars"]
    assert (told["result"], "1 live subscription" in told["seen"]) == ("pass", True)


def test_bad_settings_are_findings_each_and_end_the_checkup(terminal: CommandLine) -> None:
    del terminal.environ["TENANT_ID"]
    terminal.environ["SETTLE_SECONDS"] = "soon"
    ran = terminal.run("doctor")
    assert ran.code == 3
    assert "TENANT_ID is missing" in ran.out
    assert "SETTLE_SECONDS" in ran.out
    assert "fail 2" in ran.out
    assert ran.out.count("docs/configure.md") == 1, "what is the same for all is said once"


def test_a_canary_is_sent_around_and_told_of_with_the_rest(terminal: CommandLine) -> None:
    told = findings(terminal, "--canary", terminal.tenant.technician.mailbox_id.upper())
    assert list(told)[len(ALL) :] == ["canary-to-outlook", "canary-to-dynamics", "canary-back", "canary-removed"]
    assert {one["result"] for one in told.values()} == {"pass"}
    asyncio.run(terminal.tenant.assert_converged())
