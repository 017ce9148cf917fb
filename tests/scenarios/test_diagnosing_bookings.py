"""`diagnose booking`: what people are told who ask why a visit is not, or not rightly, in a technician's calendar."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.switchboard import Fault
from sync.core.errors import ServiceUnavailable
from sync.core.mailboxes import BOOKINGS
from sync.core.reconcile import Policy, Scope
from sync.core.rules import Rules
from sync.core.sweeping import BreakerPolicy
from sync.service.disposal import replay
from tests.diagnosing import AskedTenant, failing, finding_of, not_known
from tests.dispatching import DAY, HOUR, MONDAY
from tests.tenant import wire

NOON = MONDAY + 12 * HOUR


async def test_a_visit_that_is_equal_is_well_and_every_rule_passes() -> None:
    tenant = await AskedTenant.open()
    booking_id, _ = await tenant.booked()
    told = await tenant.why_booking(booking_id)
    assert told.verdict == "Booking and event are equal."
    assert told.is_found
    assert failing(told) == not_known(told) == set()
    assert "2026-11-23 12:00" in finding_of(told, "agreement").seen


async def test_an_id_is_taken_in_any_case() -> None:
    tenant = await AskedTenant.open()
    booking_id, _ = await tenant.booked()
    assert await tenant.why_booking(booking_id.upper()) == await tenant.why_booking(booking_id)


async def test_a_diagnosis_changes_nothing() -> None:
    tenant = await AskedTenant.open()
    booking_id, event = await tenant.booked()
    tenant.answer(is_up=False)
    await tenant.drop_event(event)
    before = tenant.spoken()
    await tenant.why_booking(booking_id)
    assert tenant.spoken() == before


async def test_a_resource_without_a_mailbox_is_the_reason_why_there_is_no_event() -> None:
    tenant = await AskedTenant.open()
    crane = await tenant._only("bookableresources?$filter=name eq 'Crane 1'", "bookableresourceid")
    columns: dict[str, Any] = {"Resource@odata.bind": f"/bookableresources({crane})"}
    booking_id = await tenant.book(**columns)
    await tenant.settle()
    told = await tenant.why_booking(booking_id)
    assert "not a user with a mailbox" in told.verdict
    assert failing(told) == {"technician"}
    assert "type User" in finding_of(told, "technician").mend


async def test_a_booking_that_nobody_has_any_more_is_not_held_to_its_former_mailbox() -> None:
    """The app remembers where its story was told; what is wrong there is no reason."""
    tenant = await AskedTenant.open()
    booking_id, _ = await tenant.booked()
    crane = await tenant._only("bookableresources?$filter=name eq 'Crane 1'", "bookableresourceid")
    await tenant.change(booking_id, **{"Resource@odata.bind": f"/bookableresources({crane})"})
    await tenant.settle()
    await tenant.set_access(tenant.technician, "denied")
    await tenant.sweep(tenant.technician.mailbox_id)
    await tenant.settle(limit=timedelta(minutes=5))
    assert await tenant.state.find_quarantine(tenant.technician.mailbox_id)
    assert failing(await tenant.why_booking(booking_id)) == {"technician"}


async def test_a_technician_who_is_not_listed_is_the_reason() -> None:
    tenant = await AskedTenant.open()
    booking_id = await tenant.book(technician=tenant.sample.technicians[0])
    await tenant.settle()
    told = await tenant.why_booking(booking_id)
    assert "MAILBOXES does not list" in told.verdict
    assert tenant.sample.technicians[0].mailbox_id in finding_of(told, "mailboxes").mend


async def test_a_disabled_user_is_the_reason() -> None:
    tenant = await AskedTenant.open()
    await tenant.patch(f"systemusers({tenant.technician.system_user_id})", isdisabled=True)
    booking_id = await tenant.book()
    await tenant.settle()
    told = await tenant.why_booking(booking_id)
    assert "user is disabled" in told.verdict
    assert failing(told) == {"technician"}


async def test_a_booking_out_of_scope_is_told_by_the_setting() -> None:
    tenant = await AskedTenant.open(choose=lambda rules: replace(rules, policy=Policy(scope=Scope.WORK_ORDERS)))
    booking_id = await tenant.book()
    await tenant.settle()
    told = await tenant.why_booking(booking_id)
    assert "BOOKING_SCOPE" in told.verdict
    assert failing(told) == {"scope"}


@pytest.mark.parametrize(
    ("days", "words"), [(400, "further ahead"), (-30, "too long ago")], ids=["too-far-ahead", "too-long-ago"]
)
async def test_a_booking_out_of_the_window_is_told_by_its_dates(days: int, words: str) -> None:
    tenant = await AskedTenant.open()
    booking_id = await tenant.book(NOON + days * DAY)
    await tenant.settle()
    told = await tenant.why_booking(booking_id)
    assert words in told.verdict
    assert failing(told) == {"window"}


async def test_the_day_that_is_named_is_one_on_which_the_event_is_made() -> None:
    """The claim of the diagnosis, held against what the app does when that day has come, and not before."""
    tenant = await AskedTenant.open()
    booking_id = await tenant.book(NOON + 60 * DAY)
    await tenant.settle()
    told = await tenant.why_booking(booking_id)
    day = NOON + 60 * DAY - tenant.rules.window.future
    assert f"{day:%Y-%m-%d}" in told.next_step
    await tenant.run_timers(day - tenant.clock.now() - 10 * DAY, every=2 * DAY)
    assert await tenant.events(booking_id) == []
    await tenant.run_timers(11 * DAY, every=DAY)
    assert len(await tenant.events(booking_id)) == 1


async def test_a_quarantined_mailbox_is_the_reason_with_its_own_reason_and_the_next_probe() -> None:
    tenant = await AskedTenant.open()
    await tenant.set_access(tenant.technician, "denied")
    booking_id = await tenant.book()
    await tenant.settle()
    told = await tenant.why_booking(booking_id)
    assert "in quarantine since" in told.verdict
    assert "probed again at" in told.next_step
    assert (failing(told), not_known(told)) == ({"quarantine"}, {"event"})
    assert "Access to the mailbox is denied" in finding_of(told, "quarantine").seen
    assert tenant.technician.mailbox_id in finding_of(told, "quarantine").mend


async def test_microsofts_sync_is_told_though_upkeep_has_not_seen_it_yet_and_when_it_has() -> None:
    tenant = await AskedTenant.open()
    booking_id, _ = await tenant.booked()
    await tenant.let_microsoft_sync()
    assert failing(await tenant.why_booking(booking_id)) == {"microsoft-sync"}
    await tenant.run_timers(timedelta(minutes=15))
    told = await tenant.why_booking(booking_id)
    assert "Microsoft's own sync of appointments is on" in told.verdict
    assert failing(told) == {"microsoft-sync"}
    assert "ALLOW_MICROSOFT_SYNC" in finding_of(told, "microsoft-sync").mend


async def test_an_event_that_is_gone_is_told_before_the_app_has_heard_of_it() -> None:
    tenant = await AskedTenant.open()
    booking_id, event = await tenant.booked()
    tenant.answer(is_up=False)
    await tenant.drop_event(event)
    told = await tenant.why_booking(booking_id)
    assert "not in the technician's calendar any more" in told.verdict
    assert "the booking is cancelled" in told.next_step
    tenant.answer(is_up=True)
    await tenant.sweep()
    await tenant.settle()
    assert "because it is cancelled" in (await tenant.why_booking(booking_id)).verdict


def strict(rules: Rules) -> Rules:
    """Every deletion is one too many."""
    return replace(rules, breaker=BreakerPolicy(number=0, share=0.0))


async def test_a_deletion_that_the_breaker_holds_is_told_with_the_way_to_release_it() -> None:
    tenant = await AskedTenant.open(choose=strict)
    booking_id, event = await tenant.booked()
    await tenant.drop_event(event)
    await tenant.settle()
    told = await tenant.why_booking(booking_id)
    assert "the breaker holds that" in told.verdict
    assert f"python -m sync release {tenant.technician.mailbox_id}" in told.next_step
    assert {"breaker", "dead-letters"} <= failing(told)


async def test_a_deleted_booking_that_the_breaker_holds_is_told_by_the_breaker_of_bookings() -> None:
    tenant = await AskedTenant.open(choose=strict)
    booking_id, _ = await tenant.booked()
    tenant.answer(is_up=False)
    await tenant.delete(booking_id)
    await tenant.settle()
    tenant.answer(is_up=True)
    await tenant.sweep_bookings()
    await tenant.settle()
    told = await tenant.why_booking(booking_id)
    assert not told.is_found
    assert "The booking was deleted, but the breaker holds that" in told.verdict
    assert told.next_step.endswith(f"python -m sync release {BOOKINGS}")


async def test_what_was_buried_is_told_with_its_reason_and_its_mend() -> None:
    tenant = await AskedTenant.open()
    refusal = {"error": {"code": "InvalidArgument", "message": "Contoso says no."}}
    tenant.graph.switchboard.faults.append(Fault(kind="event.create", status=400, body=refusal))
    booking_id = await tenant.book()
    await tenant.settle()
    (letter,) = tenant.letters.letters.values()
    told = await tenant.why_booking(booking_id)
    assert "given up" in told.verdict
    assert letter.reason in told.verdict
    assert letter.mend in told.next_step
    assert f"replay --id {letter.letter_id}" in told.next_step
    assert "given up" in finding_of(told, "last-decision").seen
    tenant.clock.advance(60)
    await replay(letter, tenant.ports)
    await tenant.settle()
    assert (await tenant.why_booking(booking_id)).verdict == "Booking and event are equal."


async def test_dead_letters_about_others_are_not_told() -> None:
    tenant = await AskedTenant.open()
    booking_id, _ = await tenant.booked()
    refusal = {"error": {"code": "InvalidArgument", "message": "Contoso says no."}}
    tenant.graph.switchboard.faults.append(Fault(kind="event.create", status=400, body=refusal))
    await tenant.book(MONDAY + 15 * HOUR)
    await tenant.settle()
    assert tenant.letters.letters
    assert failing(await tenant.why_booking(booking_id)) == set()


async def test_a_change_that_waits_is_told_with_what_it_waits_for_and_forgotten_when_it_is_done() -> None:
    tenant = await AskedTenant.open()
    booking_id, _ = await tenant.booked()
    tenant.graph.switchboard.faults.append(Fault(status=503, times=None))
    await tenant.move(booking_id, NOON + HOUR)
    await tenant.settle(limit=timedelta(minutes=5))
    tenant.graph.switchboard.faults.clear()
    told = await tenant.why_booking(booking_id)
    assert "waits to be tried again" in told.verdict
    assert "503" in finding_of(told, "last-decision").seen
    await tenant.settle()
    assert (await tenant.why_booking(booking_id)).verdict == "Booking and event are equal."


async def test_a_conflict_is_told_with_both_times_though_both_sides_are_equal_again() -> None:
    tenant = await AskedTenant.open()
    booking_id, event = await tenant.booked()
    tenant.answer(is_up=False)
    await tenant.rewrite_event(event, start=wire(NOON + 2 * HOUR), end=wire(NOON + 3 * HOUR))
    await tenant.move(booking_id, NOON + 4 * HOUR)
    tenant.answer(is_up=True)
    await tenant.sweep()
    await tenant.settle()
    told = await tenant.why_booking(booking_id)
    assert told.verdict == "Booking and event are equal. See also: conflict."
    seen = finding_of(told, "conflict").seen
    assert seen.index("2026-11-23 16:00") < seen.index("stands") < seen.index("2026-11-23 14:00") < seen.index("lost")


async def test_two_sides_that_differ_are_told_with_both_times_and_who_will_stand() -> None:
    tenant = await AskedTenant.open()
    booking_id, event = await tenant.booked()
    tenant.answer(is_up=False)
    await tenant.rewrite_event(event, start=wire(NOON + 2 * HOUR), end=wire(NOON + 3 * HOUR))
    told = await tenant.why_booking(booking_id)
    assert "Dynamics says 2026-11-23 12:00" in told.verdict
    assert "Outlook 2026-11-23 14:00" in told.verdict
    assert "Outlook will stand (moved-in-outlook)" in told.verdict
    tenant.answer(is_up=True)
    await tenant.sweep()
    await tenant.settle()
    assert (await tenant.row(booking_id))["starttime"] == "2026-11-23T14:00:00Z"


async def test_texts_that_the_event_lacks_are_told_by_field() -> None:
    tenant = await AskedTenant.open()
    visit = tenant.visit()
    assert visit.work_order is not None
    tenant.answer(is_up=False)
    await tenant.patch(f"msdyn_workorders({visit.work_order.work_order_id})", msdyn_city="Trondheim")
    told = await tenant.why_booking(visit.booking_id)
    assert "lacks what was changed in Dynamics" in told.verdict
    assert "location" in finding_of(told, "agreement").seen


async def test_a_visit_that_changed_hands_is_told_before_its_event_follows() -> None:
    tenant = await AskedTenant.open(3, 4)
    booking_id, _ = await tenant.booked()
    tenant.answer(is_up=False)
    await tenant.reassign(booking_id, tenant.sample.technicians[4])
    told = await tenant.why_booking(booking_id)
    assert "given to somebody else" in told.verdict
    assert "left over" in finding_of(told, "event").meaning


async def test_a_mailbox_without_a_subscription_is_told_though_the_visit_is_equal() -> None:
    tenant = await AskedTenant.open()
    booking_id, _ = await tenant.booked()
    await tenant.state.delete_subscription_record(tenant.technician.mailbox_id)
    told = await tenant.why_booking(booking_id)
    assert told.verdict == "Booking and event are equal. See also: subscription."
    assert "the sweep only" in finding_of(told, "subscription").meaning


async def test_a_booking_that_never_was_is_told_as_such() -> None:
    tenant = await AskedTenant.open()
    told = await tenant.why_booking("00000000-0000-4000-8000-000000000000")
    assert told.is_found is False
    assert told.verdict == "There is no such booking in Dynamics, and the app holds no event for it."


async def test_with_dynamics_down_everything_else_is_still_told() -> None:
    tenant = await AskedTenant.open()
    booking_id, _ = await tenant.booked()
    tenant.dataverse.switchboard.faults.append(Fault(status=503, times=None))
    told = await tenant.why_booking(booking_id)
    assert told.is_found is None
    assert "Dynamics could not be asked" in told.verdict
    assert told.verdict.endswith("503).")
    assert (failing(told), not_known(told)) == (set(), {"booking", "microsoft-sync"})
    assert finding_of(told, "link").result == "pass"


async def test_with_outlook_down_the_event_is_unknown_and_nothing_is_concluded() -> None:
    tenant = await AskedTenant.open()
    booking_id, _ = await tenant.booked()
    tenant.graph.switchboard.faults.append(Fault(status=503, times=None))
    told = await tenant.why_booking(booking_id)
    assert "cannot be told how the two stand" in told.verdict
    assert (failing(told), not_known(told)) == (set(), {"event"})


async def test_tables_that_cannot_be_read_leave_unknown_findings_one_by_one() -> None:
    tenant = await AskedTenant.open()
    booking_id, _ = await tenant.booked()
    down = ServiceUnavailable("Storage is out of reach.")
    for method in ("find_link", "find_quarantine", "find_subscription_record", "find_cursor"):
        tenant.state.fail_next(method, down)
    tenant.state.fail_next("find_breaker", down)
    tenant.state.fail_next("find_breaker", down)
    tenant.journal.fail_next("list_entries", down)
    tenant.journal.fail_next("list_conflicts", down)
    tenant.letters.fail_next("list_letters", down)
    told = await tenant.why_booking(booking_id)
    assert not_known(told) == {
        "link",
        "quarantine",
        "subscription",
        "sweep",
        "breaker",
        "breaker-of-bookings",
        "dead-letters",
        "last-notification",
        "last-decision",
        "conflict",
    }
    assert "Storage is out of reach." in told.verdict


class TestCommand:
    """`python -m sync diagnose booking`."""

    async def test_it_prints_the_verdict_first_and_what_fails_before_what_passes(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tenant = await AskedTenant.open()
        booking_id = await tenant.book(NOON + 400 * DAY)
        await tenant.settle()
        assert await tenant.command("booking", booking_id) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"booking {booking_id}"
        assert lines[1].startswith("The booking has no event yet")
        assert any(line.startswith("Next: It gets its event by itself") for line in lines[2:4])
        results = [line.split()[0] for line in lines if line.endswith("]") and not line.startswith(" ")]
        assert results == ["fail", *["pass"] * (len(results) - 1)]

    async def test_as_json_it_is_one_object_that_says_the_same(self, capsys: pytest.CaptureFixture[str]) -> None:
        tenant = await AskedTenant.open()
        booking_id, _ = await tenant.booked()
        assert await tenant.command("booking", booking_id, json=True) == 0
        told, asked = json.loads(capsys.readouterr().out), await tenant.why_booking(booking_id)
        assert told["verdict"] == asked.verdict
        assert [(one["rule"], one["result"]) for one in told["findings"]] == [
            (one.rule, one.result) for one in asked.findings
        ]

    async def test_it_takes_the_address_of_the_form(self, capsys: pytest.CaptureFixture[str]) -> None:
        tenant = await AskedTenant.open()
        booking_id, _ = await tenant.booked()
        address = f"https://contoso.crm4.dynamics.com/main.aspx?etn=bookableresourcebooking&ID={booking_id.upper()}"
        assert await tenant.command("booking", address) == 0
        assert f"booking {booking_id}" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("record", "words"),
        [
            ("WO-00042", "names no record"),
            ("https://contoso.crm4.dynamics.com/main.aspx?etn=bookableresourcebooking", "names no record"),
            (
                "https://contoso.crm4.dynamics.com/main.aspx?etn=appointment&id=0b0f6a5e-3b1f-4f11-840a-000d3a111111",
                "diagnose appointment 0b0f6a5e-3b1f-4f11-840a-000d3a111111",
            ),
            (
                "https://contoso.crm4.dynamics.com/main.aspx?etn=account&id=0b0f6a5e-3b1f-4f11-840a-000d3a111111",
                "record of account",
            ),
        ],
    )
    async def test_what_names_no_booking_is_wrong_usage_and_says_what_would(
        self, record: str, words: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tenant = AskedTenant()
        assert await tenant.command("booking", record) == 2
        printed = capsys.readouterr()
        assert words in printed.err
        assert printed.out == ""

    async def test_no_such_booking_and_no_answer_have_exit_codes_of_their_own(self) -> None:
        tenant = await AskedTenant.open()
        nobody = "00000000-0000-4000-8000-000000000000"
        assert await tenant.command("booking", nobody) == 1
        tenant.dataverse.switchboard.faults.append(Fault(status=503, times=None))
        assert await tenant.command("booking", nobody) == 3
