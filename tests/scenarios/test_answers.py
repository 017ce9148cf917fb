"""Attendees' answers in Dynamics: who said what, whose copy of the meeting counts, and what survives trouble."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from local.dataverse.appointments import CANCELED, COMPLETED
from local.switchboard import Fault
from sync.core.answer_table import AnswerChoice, AttendanceChoice
from tests.answering import ANSWER_WRITE, LATER, SOON, STRANGER, SVEN, YVONNE, AnsweringTenant, followed
from tests.hosted_app import QUIET, Killed


@pytest.fixture
async def tenant() -> AnsweringTenant:
    return await AnsweringTenant.small()


class TestWhatIsSaid:
    async def test_every_attendee_has_a_row_before_anybody_has_answered(self, tenant: AnsweringTenant) -> None:
        held = await followed(tenant, YVONNE, optional=(SVEN,))
        assert tenant.said(held) == {YVONNE: AnswerChoice.NONE, SVEN: AnswerChoice.NONE}
        rows = tenant.rows(held)
        assert rows[YVONNE]["bks_attendance"] == AttendanceChoice.REQUIRED
        assert rows[SVEN]["bks_attendance"] == AttendanceChoice.OPTIONAL
        assert rows[YVONNE]["bks_answeredon"] is None

    @pytest.mark.parametrize(
        ("response", "choice"),
        [
            ("accepted", AnswerChoice.ACCEPTED),
            ("tentativelyAccepted", AnswerChoice.TENTATIVE),
            ("declined", AnswerChoice.DECLINED),
        ],
        ids=["accept", "tentative", "decline"],
    )
    async def test_an_answer_is_in_dynamics_within_seconds_with_its_time(
        self, tenant: AnsweringTenant, response: str, choice: AnswerChoice
    ) -> None:
        held = await followed(tenant)
        answered_at = tenant.clock.now()

        await tenant.answer(held, YVONNE, response)
        await tenant.settle()

        row = tenant.rows(held)[YVONNE]
        assert row["bks_answer"] == choice
        assert row["bks_answeredon"] == answered_at.replace(microsecond=0)
        assert answered_at <= row["bks_readon"] <= answered_at + timedelta(seconds=15)
        assert tenant.said(held)[SVEN] is AnswerChoice.NONE

    async def test_a_change_of_mind_replaces_the_answer(self, tenant: AnsweringTenant) -> None:
        held = await followed(tenant)
        for response in ("accepted", "declined", "tentativelyAccepted"):
            await tenant.answer(held, YVONNE, response)
            await tenant.settle()
            tenant.clock.advance(60)
        assert tenant.said(held)[YVONNE] is AnswerChoice.TENTATIVE
        assert len(tenant.rows(held)) == 2

    async def test_a_silent_answer_is_found_by_the_sweep(self, tenant: AnsweringTenant) -> None:
        held = await followed(tenant)
        tenant.answer_silently(held, YVONNE, "accepted")
        await tenant.settle()
        assert tenant.said(held)[YVONNE] is AnswerChoice.NONE

        await tenant.sweep_answers()

        assert tenant.said(held)[YVONNE] is AnswerChoice.ACCEPTED

    async def test_a_guest_to_whom_it_was_forwarded_gets_a_row_and_is_looked_for_among_contacts(
        self, tenant: AnsweringTenant
    ) -> None:
        held = await followed(tenant, YVONNE)
        everybody = [{"emailAddress": {"address": address}} for address in (YVONNE, SVEN, STRANGER)]

        await tenant.change_event(held, attendees=everybody)
        await tenant.settle()

        rows = tenant.rows(held)
        assert set(rows) == {YVONNE, SVEN, STRANGER}
        assert rows[SVEN]["bks_contact"] is not None
        assert (rows[STRANGER]["bks_contact"], rows[STRANGER]["bks_user"]) == (None, None)

    async def test_a_colleague_is_named_as_a_user_and_a_customer_as_a_contact(self, tenant: AnsweringTenant) -> None:
        colleague = tenant.sample.technicians[0]
        held = await followed(tenant, YVONNE, colleague.address, parties=False)
        rows = tenant.rows(held)
        assert rows[colleague.address]["bks_user"] == colleague.system_user_id
        assert rows[colleague.address]["bks_contact"] is None
        assert rows[YVONNE]["bks_contact"] is not None

    async def test_an_address_full_of_signs_is_looked_for_as_it_is(self, tenant: AnsweringTenant) -> None:
        address = "o'hara+visits&x=1#%@customers.example"
        contact = await tenant.dispatcher.post("/contacts", json={"emailaddress1": address})
        assert contact.status_code == 204
        held = await followed(tenant, address, parties=False)
        assert tenant.rows(held)[address]["bks_contact"] is not None

    async def test_of_two_contacts_with_one_address_the_one_that_was_invited_is_named(
        self, tenant: AnsweringTenant
    ) -> None:
        assert (await tenant.dispatcher.post("/contacts", json={"emailaddress1": YVONNE})).status_code == 204
        invited, guessed = await followed(tenant, YVONNE), await followed(tenant, YVONNE, parties=False)
        assert tenant.rows(invited)[YVONNE]["bks_contact"] is not None
        assert tenant.rows(guessed)[YVONNE]["bks_contact"] is None, "nobody knows which of the two"

    async def test_somebody_who_is_not_invited_any_more_is_shown_so_and_can_be_invited_again(
        self, tenant: AnsweringTenant
    ) -> None:
        held = await followed(tenant)
        for guests, choice in (
            ([SVEN], AnswerChoice.NO_LONGER_INVITED),
            ([SVEN, YVONNE], AnswerChoice.NONE),
        ):
            await tenant.change_event(held, attendees=[{"emailAddress": {"address": one}} for one in guests])
            await tenant.settle()
            assert tenant.said(held)[YVONNE] is choice

    async def test_an_attendees_counter_proposal_is_kept_with_the_answer(self, tenant: AnsweringTenant) -> None:
        held = await followed(tenant)
        mailbox = tenant.graph.world.mailboxes[held.organizer.mailbox_id]
        event = mailbox.versions[held.event_id][-1]
        proposal = {
            side: {"dateTime": f"{SOON + timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}.0000000", "timeZone": "UTC"}
            for side, hours in (("start", 2), ("end", 3))
        }
        attendees = [{**one, "proposedNewTime": proposal} for one in event.attendees]
        tenant.graph.world.update(event, {"properties": {**event.properties, "attendees": attendees}})

        await tenant.settle()

        row = tenant.rows(held)[YVONNE]
        assert (row["bks_proposedstart"], row["bks_proposedend"]) == (
            SOON + timedelta(hours=2),
            SOON + timedelta(hours=3),
        )


class TestWhoseCopyCounts:
    @pytest.fixture
    async def tenant(self) -> AnsweringTenant:
        """Two technicians' mailboxes are in sync, so that both tell of changes."""
        tenant = AnsweringTenant()
        tenant.sync_only(3, 4)
        await tenant.start()
        return tenant

    async def test_an_invitees_copy_never_overwrites(self, tenant: AnsweringTenant) -> None:
        """The invitee's calendar holds the meeting under the same id, and says nothing of the others' answers."""
        held = await followed(tenant)
        await tenant.answer(held, YVONNE, "accepted")
        await tenant.settle()
        tenant.forget_costs()

        invitees = await tenant.copy_to(held, tenant.sample.technicians[4], is_organizer=False)
        await tenant.settle()
        await tenant.answer(invitees, YVONNE, "declined")
        await tenant.settle()
        await tenant.sweep_answers()

        assert tenant.said(held)[YVONNE] is AnswerChoice.ACCEPTED
        assert tenant.graph_calls["event.get"] >= 1, "the invitee's mailbox notified of it"
        assert tenant.dataverse_calls["batch"] == 0

    async def test_the_copy_of_a_delegate_never_counts_and_the_managers_own_does(self, tenant: AnsweringTenant) -> None:
        """A delegate arranges the meeting for the organizer, and has it in a calendar of their own as well."""
        held = await followed(tenant)
        delegates = await tenant.copy_to(held, tenant.sample.technicians[4], is_organizer=True)
        await tenant.answer(delegates, YVONNE, "declined")
        await tenant.settle()
        await tenant.sweep_answers()
        assert tenant.said(held)[YVONNE] is AnswerChoice.NONE

        await tenant.answer(held, YVONNE, "accepted")
        await tenant.settle()

        assert tenant.said(held)[YVONNE] is AnswerChoice.ACCEPTED

    async def test_an_organizer_who_only_was_invited_is_no_source(self, tenant: AnsweringTenant) -> None:
        """Automation named the wrong organizer in Dynamics: that person's mailbox holds an invitation."""
        held = await tenant.hold(YVONNE)
        mailbox = tenant.graph.world.mailboxes[held.organizer.mailbox_id]
        event = mailbox.versions[held.event_id][-1]
        tenant.graph.world.update(event, {"is_organizer": False})
        await tenant.settle()

        await tenant.sweep_answers()

        assert tenant.rows(held) == {}


class TestAppointments:
    @pytest.mark.parametrize("state", [COMPLETED, CANCELED], ids=["completed", "cancelled"])
    async def test_answers_to_a_closed_appointment_are_still_written(self, tenant: AnsweringTenant, state: int) -> None:
        held = await followed(tenant)
        await tenant.close(held, state)
        refused = await tenant.dispatcher.patch(f"/appointments({held.appointment_id})", json={"location": "x"})
        assert refused.status_code == 400, "the appointment itself is read-only"

        await tenant.answer(held, YVONNE, "accepted")
        await tenant.settle()
        tenant.answer_silently(held, SVEN, "declined")
        await tenant.sweep_answers()

        assert tenant.said(held) == {YVONNE: AnswerChoice.ACCEPTED, SVEN: AnswerChoice.DECLINED}

    async def test_an_occurrence_of_a_series_gets_no_rows(self, tenant: AnsweringTenant) -> None:
        """Which appointment stands for which occurrence is not documented, and a wrong answer is worse than none."""
        recurrence = {
            "pattern": {"type": "daily", "interval": 1},
            "range": {"type": "numbered", "startDate": f"{SOON:%Y-%m-%d}", "numberOfOccurrences": 3},
        }
        held = await tenant.hold(YVONNE, recurrence=recurrence)
        await tenant.settle()
        await tenant.sweep_answers()
        await tenant.answer(held, YVONNE, "accepted")
        await tenant.settle()
        assert tenant.rows(held) == {}

    async def test_an_event_that_was_moved_in_outlook_is_still_the_appointments(self, tenant: AnsweringTenant) -> None:
        held = await followed(tenant)
        await tenant.change_event(
            held,
            start={"dateTime": f"{LATER:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
            end={"dateTime": f"{LATER + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
        )
        tenant.answer_silently(held, YVONNE, "accepted")
        await tenant.sweep_answers()
        assert tenant.said(held)[YVONNE] is AnswerChoice.ACCEPTED

    async def test_a_deleted_event_leaves_what_was_said(self, tenant: AnsweringTenant) -> None:
        held = await followed(tenant)
        await tenant.answer(held, YVONNE, "accepted")
        await tenant.settle()

        await tenant.person.delete(f"/users/{held.organizer.mailbox_id}/events/{held.event_id}")
        await tenant.settle()
        await tenant.sweep_answers()

        assert tenant.said(held)[YVONNE] is AnswerChoice.ACCEPTED
        assert len(tenant.entries("answers-ended")) == 1

    async def test_a_row_that_somebody_deleted_comes_back_with_the_next_answer(self, tenant: AnsweringTenant) -> None:
        held = await followed(tenant)
        row_id = tenant.rows(held)[YVONNE]["bks_attendeeanswerid"]
        assert (await tenant.dispatcher.delete(f"/bks_attendeeanswers({row_id})")).status_code == 204

        await tenant.answer(held, YVONNE, "accepted")
        await tenant.settle()

        row = tenant.rows(held)[YVONNE]
        assert (row["bks_answer"], row["bks_contact"] is not None) == (AnswerChoice.ACCEPTED, True)

    async def test_a_deleted_row_of_somebody_who_is_not_invited_any_more_stays_away(
        self, tenant: AnsweringTenant
    ) -> None:
        held = await followed(tenant)
        row_id = tenant.rows(held)[YVONNE]["bks_attendeeanswerid"]
        assert (await tenant.dispatcher.delete(f"/bks_attendeeanswers({row_id})")).status_code == 204

        await tenant.change_event(held, attendees=[{"emailAddress": {"address": SVEN}}])
        await tenant.settle()
        await tenant.sweep_answers()

        rows = tenant.dataverse.world.rows("bks_attendeeanswer").values()
        assert [row.values["bks_address"] for row in rows if row.values["bks_appointment"] == held.appointment_id] == [
            SVEN
        ]
        assert all(row.values["bks_appointment"] for row in rows), "no row belongs to nothing"
        assert tenant.entries("answers-unchanged") == [], "it was dealt with at once"


class TestFailures:
    async def test_an_answer_that_dataverse_refuses_is_tried_again_by_the_next_sweep(
        self, tenant: AnsweringTenant
    ) -> None:
        held = await followed(tenant)
        tenant.dataverse.switchboard.set_switches({"denied_privileges": ["prvWritebks_AttendeeAnswer"]})
        await tenant.answer(held, YVONNE, "accepted")
        await tenant.settle()
        assert tenant.said(held)[YVONNE] is AnswerChoice.NONE

        tenant.dataverse.switchboard.set_switches({"denied_privileges": []})
        await tenant.sweep_answers()

        assert tenant.said(held)[YVONNE] is AnswerChoice.ACCEPTED

    async def test_a_stale_read_is_doubted_once(self) -> None:
        tenant = await AnsweringTenant.small(**QUIET)
        held = await followed(tenant)
        tenant.clock.advance(60)
        await tenant.answer(held, YVONNE, "accepted")
        tenant.graph.switchboard.set_switches({"stale_read_seconds": 8})
        await tenant.settle()
        assert tenant.said(held)[YVONNE] is AnswerChoice.ACCEPTED
        assert tenant.graph_calls["event.get"] == 2

    async def test_a_batch_that_dataverse_cuts_short_is_finished_by_itself(self, tenant: AnsweringTenant) -> None:
        held = await followed(tenant)
        tenant.dataverse.switchboard.faults.append(Fault(kind=ANSWER_WRITE, status=429, times=1))
        for guest in (YVONNE, SVEN):
            await tenant.answer(held, guest, "accepted")
        await tenant.settle()
        assert tenant.said(held) == dict.fromkeys((YVONNE, SVEN), AnswerChoice.ACCEPTED)

    async def test_a_worker_that_dies_after_its_write_repeats_it_once_its_lease_is_over(
        self, tenant: AnsweringTenant
    ) -> None:
        held = await followed(tenant)
        await tenant.answer(held, YVONNE, "accepted")
        tenant.memory.dies_at_save = 2  # The first takes the lease.
        with pytest.raises(Killed):
            await tenant.sweep_answers()
        assert tenant.said(held)[YVONNE] is AnswerChoice.ACCEPTED, "it was written before it was remembered"

        await tenant.answer(held, YVONNE, "declined")
        assert (await tenant.sweep_answers())["written"] == 0, "somebody has the lease, for all that can be known"
        tenant.clock.advance(tenant.rules.timing.lease.total_seconds() + 1)
        await tenant.sweep_answers()

        assert tenant.said(held)[YVONNE] is AnswerChoice.DECLINED


async def test_where_it_is_switched_off_nothing_is_asked_and_nothing_written() -> None:
    tenant = await AnsweringTenant.small()
    held = await tenant.hold(YVONNE)
    await tenant.settle()
    tenant.ports = replace(tenant.ports, answers=None)
    tenant.forget_costs()

    assert await tenant.sweep_answers() == Counter()
    await tenant.answer(held, YVONNE, "accepted")
    await tenant.settle()

    assert (tenant.dataverse_calls, tenant.rows(held)) == (Counter(), {})
