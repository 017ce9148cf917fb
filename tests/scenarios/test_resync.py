"""A mailbox that is looked at anew: what went wrong unseen is found, and one that is in order comes out as it was."""

from datetime import timedelta

import pytest

from sync.service.resync import RESYNC, NotSynced, resync_mailbox
from tests.tenant import Tenant

HOUR = timedelta(hours=1)


async def test_a_resync_of_a_mailbox_in_order_reads_every_visit_and_writes_nothing() -> None:
    tenant = await Tenant.small()
    mailbox_id = tenant.technician.mailbox_id
    asked = await resync_mailbox(mailbox_id, tenant.ports, tenant.rules)
    assert (asked.bookings, asked.events, asked.quarantine) == (2, 2, None)
    assert await tenant.state.find_cursor(mailbox_id) is None
    await tenant.settle()
    assert not tenant.app_writes
    assert tenant.graph_calls["event.get"] == 2
    assert tenant.dataverse_calls["bookableresourcebookings.get"] == 2
    (told,) = tenant.entries(RESYNC)
    assert (told.mailbox_id, told.correlation_id) == (mailbox_id, asked.correlation_id)
    assert await tenant.state.find_cursor(mailbox_id) is not None, "the full round has ended"


async def test_a_resync_finds_what_push_did_not_tell() -> None:
    """One visit moved in Outlook and one in Dynamics, both unheard."""
    tenant = await Tenant.small()
    visit, other = tenant.visit(), tenant.visit(index=1)
    tenant.switch(lose=1.0)
    tenant.switch_dataverse(webhook_lose=1.0)
    await tenant.move_event(visit)
    times = {"starttime": other.start_at + HOUR, "endtime": other.end_at + HOUR}
    await tenant.patch_booking(other, **{name: f"{at:%Y-%m-%dT%H:%M:%SZ}" for name, at in times.items()})
    await resync_mailbox(tenant.technician.mailbox_id, tenant.ports, tenant.rules)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + HOUR
    event = await tenant.event(other)
    assert event is not None
    assert event["start"]["dateTime"].startswith(f"{other.start_at + HOUR:%Y-%m-%dT%H:%M}")
    await tenant.assert_converged()


async def test_a_resync_of_a_mailbox_that_is_not_synced_is_refused_and_changes_nothing() -> None:
    tenant = await Tenant.small()
    stranger = tenant.sample.technicians[1].mailbox_id
    with pytest.raises(NotSynced, match=stranger) as refused:
        await resync_mailbox(stranger, tenant.ports, tenant.rules)
    assert "MAILBOXES" in refused.value.mend
    assert not tenant.entries(RESYNC)
    assert tenant.queue.next_visible_at() is None


async def test_a_resync_is_the_probe_of_a_mailbox_that_did_not_answer() -> None:
    tenant = await Tenant.small()
    mailbox_id = tenant.technician.mailbox_id
    await tenant.set_access(tenant.technician, "denied")
    await tenant.sweep(mailbox_id)
    await tenant.settle(limit=timedelta(minutes=1))
    await tenant.set_access(tenant.technician, "ok")
    asked = await resync_mailbox(mailbox_id, tenant.ports, tenant.rules)
    assert asked.quarantine is not None
    await tenant.settle(limit=timedelta(minutes=1))
    assert await tenant.state.find_quarantine(mailbox_id) is None
