"""`diagnose appointment`: what people are told who ask why an invitation was not sent, over the wire of Dataverse."""

import json
from datetime import timedelta
from typing import Any

import pytest

from local.dataverse.appointments import OPTIONAL, ORGANIZER, REQUIRED, invite
from local.dataverse.seed import DISPATCHER_ID, ORGANIZATION_ID
from local.dataverse.world import Author
from local.meetings import DISPATCHER_MAILBOX_ID
from local.sample import guid
from local.switchboard import Fault
from sync.core.mailboxes import SubscriptionRecord, SubscriptionStanding
from tests.diagnosing import AskedTenant, failing, finding_of, not_known
from tests.dispatching import DAY, HOUR, MONDAY

NOBODY = "00000000-0000-4000-8000-000000000000"
CUSTOMER = guid("contact:Yvonne McKay")
MAILBOX = f"mailboxes({guid('mailbox:Dana Dispatcher')})"
READY: dict[str, Any] = {
    "actdeliverymethod": 1,
    "enabledforact": True,
    "actstatus": 1,
    "emailrouteraccessapproval": 1,
    "lastsuccessfulsynccompletedon": "2026-11-18T09:10:00Z",
}


class InvitingTenant(AskedTenant):
    """The dispatcher makes appointments in Dynamics, and her mailbox is set up for Microsoft's own sync."""

    async def set_up(self, **different: Any) -> None:
        await self.patch(MAILBOX, **(READY | different))

    async def plan_meeting(
        self, *, organizer: str | None = DISPATCHER_ID, guests: tuple[str, ...] = (CUSTOMER,), **columns: Any
    ) -> str:
        row = {
            "subject": "Quarterly review",
            "scheduledstart": f"{MONDAY + DAY:%Y-%m-%dT%H:%M:%SZ}",
            "scheduledend": f"{MONDAY + DAY + HOUR:%Y-%m-%dT%H:%M:%SZ}",
            **columns,
        }
        appointment_id = await self.add("appointments", **row)
        world, author = self.dataverse.world, Author(user_id=DISPATCHER_ID)
        if organizer is not None:
            invite(world, author, appointment_id, ORGANIZER, party_id=organizer)
        for guest in guests:
            invite(world, author, appointment_id, REQUIRED, party_id=guest)
        invite(world, author, appointment_id, OPTIONAL, address="somebody@elsewhere.example")
        return appointment_id


@pytest.fixture
async def tenant() -> InvitingTenant:
    inviting = InvitingTenant()
    await inviting.set_up()
    return inviting


async def test_a_meeting_that_is_well_fails_on_nothing(tenant: InvitingTenant) -> None:
    told = await tenant.why_appointment(await tenant.plan_meeting())
    assert failing(told) == set()
    assert not_known(told) == {"filter"}
    assert finding_of(told, "attendees").seen == "1 required, 1 optional"
    assert DISPATCHER_ID in finding_of(told, "organizer").seen
    assert "2026-11-18 09:10 UTC" in finding_of(told, "synchronized").seen


async def test_what_automation_made_without_an_organizer_and_in_the_past_is_told_in_one_verdict(
    tenant: InvitingTenant,
) -> None:
    meeting = await tenant.plan_meeting(organizer=None, scheduledstart="2026-11-01T09:00:00Z", isdraft=True)
    told = await tenant.why_appointment(meeting)
    assert failing(told) == {"organizer", "start", "draft"}
    assert told.verdict.startswith("No invitation is sent. There is no organizer.")


async def test_an_organizer_who_is_a_customer_is_no_user(tenant: InvitingTenant) -> None:
    told = await tenant.why_appointment(await tenant.plan_meeting(organizer=guid("contact:Sven Mortensen")))
    assert failing(told) == {"organizer-syncs"}
    assert "contact" in finding_of(told, "organizer-syncs").seen


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"actdeliverymethod": 2}, "mailbox-method"),
        ({"emailrouteraccessapproval": 2}, "mailbox-approved"),
        ({"actstatus": 2}, "mailbox-tested"),
        ({"enabledforact": False}, "mailbox-enabled"),
        ({"lastsuccessfulsynccompletedon": None}, "synchronized"),
        ({"lastsuccessfulsynccompletedon": "2026-11-18T08:00:00Z"}, "synchronized"),
    ],
)
async def test_each_column_of_the_organizers_mailbox_is_a_rule(
    tenant: InvitingTenant, columns: dict[str, Any], rule: str
) -> None:
    await tenant.set_up(**columns)
    assert failing(await tenant.why_appointment(await tenant.plan_meeting())) == {rule}


async def test_a_number_that_this_version_does_not_know_is_no_success(tenant: InvitingTenant) -> None:
    meeting = await tenant.plan_meeting()
    row = READY | {"actstatus": 7}
    tenant.dataverse.switchboard.faults.append(Fault(kind="mailboxes.query", status=200, body={"value": [row]}))
    told = await tenant.why_appointment(meeting)
    assert failing(told) == {"mailbox-tested"}
    assert finding_of(told, "mailbox-tested").seen == "unknown to this version"


@pytest.mark.parametrize(
    ("state", "settings", "words"),
    [
        (1, {}, "read-only"),
        (2, {}, "no cancellation either"),
        (2, {"SSSPropagateAppointmentCancellationsToExchange": "true"}, "the cancellation is sent"),
    ],
)
async def test_an_appointment_that_is_over_is_told_by_its_state_and_the_settings(
    tenant: InvitingTenant, state: int, settings: dict[str, str], words: str
) -> None:
    stored = "".join(f"<{name}>{value}</{name}>" for name, value in settings.items())
    await tenant.patch(f"organizations({ORGANIZATION_ID})", orgdborgsettings=f"<OrgSettings>{stored}</OrgSettings>")
    meeting = await tenant.plan_meeting()
    await tenant.patch(f"appointments({meeting})", statecode=state)
    told = await tenant.why_appointment(meeting)
    assert failing(told) == {"state"}
    assert words in finding_of(told, "state").meaning


async def test_a_service_activity_is_found_under_its_id_and_told_as_what_it_is(tenant: InvitingTenant) -> None:
    activity = await tenant.add("serviceappointments", subject="Boiler")
    told = await tenant.why_appointment(activity.upper())
    assert told.is_found
    assert failing(told) == {"kind"}
    assert "never send an invitation" in told.verdict


async def test_two_syncs_in_the_organizers_mailbox_are_told(tenant: InvitingTenant) -> None:
    await tenant.state.save_subscription_record(
        SubscriptionRecord(mailbox_id=DISPATCHER_MAILBOX_ID, standing=SubscriptionStanding.ACTIVE)
    )
    assert failing(await tenant.why_appointment(await tenant.plan_meeting())) == {"two-syncs"}


async def test_a_meeting_that_exchange_knows_hides_what_was_changed(tenant: InvitingTenant) -> None:
    told = await tenant.why_appointment(await tenant.plan_meeting(globalobjectid="040000008200E00074C5"))
    assert not_known(told) == {"attendees-in-time", "key-property", "filter"}


@pytest.mark.parametrize(
    ("kind", "unknown_rules"),
    [
        ("systemusers.get", {"organizer-syncs"}),
        ("mailboxes.query", {"mailbox", "two-syncs"}),
        ("organizations.query", {"organization"}),
    ],
)
@pytest.mark.parametrize("status", [403, 503])
async def test_what_dataverse_does_not_show_is_unknown_and_the_rest_is_told(
    tenant: InvitingTenant, kind: str, unknown_rules: set[str], status: int
) -> None:
    meeting = await tenant.plan_meeting()
    tenant.dataverse.switchboard.faults.append(Fault(kind=kind, status=status, times=None))
    told = await tenant.why_appointment(meeting)
    assert unknown_rules <= not_known(told)
    assert failing(told) == set()
    assert str(status) in finding_of(told, min(unknown_rules)).seen
    assert finding_of(told, "start").result == "pass"


async def test_rows_of_another_shape_than_the_documented_one_are_unknown(tenant: InvitingTenant) -> None:
    meeting = await tenant.plan_meeting()
    odd: list[tuple[str, Any]] = [
        ("appointments.get", {"statecode": 0}),
        ("mailboxes.query", {"value": [{"actstatus": 1}]}),
        ("organizations.query", {"value": "none"}),
    ]
    for kind, body in odd[1:]:
        tenant.dataverse.switchboard.faults.append(Fault(kind=kind, status=200, body=body))
    assert {"mailbox", "organization"} <= not_known(await tenant.why_appointment(meeting))
    tenant.dataverse.switchboard.faults.append(Fault(kind=odd[0][0], status=200, body=odd[0][1]))
    told = await tenant.why_appointment(meeting)
    assert told.is_found is None
    assert "cannot be read" in told.verdict


async def test_it_never_asks_for_a_user_by_the_key_that_may_add_one(tenant: InvitingTenant) -> None:
    """Dataverse may add the user whom it is asked for by the alternate key; a diagnosis changes nothing."""
    with_key = Fault(kind="*", path_contains="azureactivedirectoryobjectid=", status=500, times=None)
    tenant.dataverse.switchboard.faults.append(with_key)
    assert failing(await tenant.why_appointment(await tenant.plan_meeting())) == set()
    setup = await tenant.records.find_setup_of_mailbox(DISPATCHER_MAILBOX_ID)
    assert setup is not None
    assert setup.is_in_use
    assert await tenant.records.find_setup_of_mailbox(NOBODY) is None


async def test_a_diagnosis_writes_nothing_to_dynamics_or_anywhere(tenant: InvitingTenant) -> None:
    meeting = await tenant.plan_meeting()
    before = tenant.spoken()
    tenant.clock.advance(timedelta(hours=1).total_seconds())
    await tenant.why_appointment(meeting)
    assert tenant.spoken() == before
    assert {kind.partition(".")[2] for kind in tenant.dataverse_calls} == {"get", "query"}


class TestCommand:
    """`python -m sync diagnose appointment`."""

    async def test_it_takes_the_address_of_the_form_and_prints_one_object(
        self, tenant: InvitingTenant, capsys: pytest.CaptureFixture[str]
    ) -> None:
        meeting = await tenant.plan_meeting(organizer=None)
        address = (
            f"https://contoso.crm4.dynamics.com/main.aspx?pagetype=entityrecord&etn=appointment&id=%7B{meeting}%7D"
        )
        assert await tenant.command("appointment", address, json=True) == 0
        (line,) = capsys.readouterr().out.splitlines()
        told = json.loads(line)
        assert told["subject"] == f"appointment {meeting}"
        assert {one["rule"] for one in told["findings"] if one["result"] == "fail"} == {"organizer"}
        assert set(told["findings"][0]) == {"rule", "title", "result", "seen", "meaning", "mend"}

    async def test_no_such_appointment_no_answer_and_no_id_have_exit_codes_of_their_own(
        self, tenant: InvitingTenant, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert await tenant.command("appointment", NOBODY) == 1
        assert "There is no such appointment" in capsys.readouterr().out
        assert await tenant.command("appointment", "the review") == 2
        assert "names no record" in capsys.readouterr().err
        tenant.dataverse.switchboard.faults.append(Fault(status=503, times=None))
        assert await tenant.command("appointment", NOBODY) == 3
        assert "Dynamics could not be asked" in capsys.readouterr().out

    async def test_neither_subject_nor_address_of_anybody_is_printed(
        self, tenant: InvitingTenant, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await tenant.command("appointment", await tenant.plan_meeting())
        printed = capsys.readouterr().out
        assert "Quarterly" not in printed
        assert "@" not in printed
