"""A booking's story on the status page: the same diagnosis as the command line's, and whoever had the booking."""

import json
from dataclasses import asdict, replace

import pytest

from sync.core.mailboxes import BOOKINGS
from tests.diagnosing import AskedTenant, failing
from tests.dispatching import DispatchTenant
from tests.scenarios.status_page import StatusPage, page_of

pytestmark = pytest.mark.slow


async def test_a_bookings_diagnosis_is_the_one_of_the_command_line() -> None:
    """With Microsoft's own sync as Dynamics shows it at this moment, not as upkeep found it last."""
    tenant = await AskedTenant.open()
    booking_id, _ = await tenant.booked()
    page = StatusPage(replace(page_of(tenant).desk, records=tenant.records))
    await tenant.let_microsoft_sync()
    told = await tenant.why_booking(booking_id)
    assert failing(told) == {"microsoft-sync"}
    shown = (await page.data(view="story", **{"for": booking_id}))["diagnosis"]
    assert shown == json.loads(json.dumps(asdict(told), default=str))


async def test_a_booking_is_shown_with_the_number_of_its_work_order() -> None:
    tenant = await DispatchTenant.open()
    order = tenant.sample.work_orders[0]
    booking_id, _ = await tenant.booked(work_order=order)
    shown = await page_of(tenant).show(view="story", **{"for": booking_id})
    assert f"booking {booking_id} of work order {order.number}" in shown.text


async def test_the_story_of_a_booking_that_was_given_away_names_both_calendars() -> None:
    tenant = await DispatchTenant.open(3, 4)
    page = page_of(tenant)
    first, second = tenant.sample.technicians[3:5]
    booking_id = await tenant.book(technician=first)
    await tenant.settle()
    await tenant.reassign(booking_id, second)
    await tenant.settle()
    found = (await page.data(view="story", **{"for": booking_id}))["story"]
    assert set(found["mailbox_ids"]) == {BOOKINGS, first.mailbox_id, second.mailbox_id}
    assert {entry["mailbox_id"] for entry in found["entries"]} == {first.mailbox_id, second.mailbox_id}
    shown = await page.show(view="story", **{"for": booking_id})
    rows = [row.text for row in shown.all("tr")]
    assert any("booking-reassigned" in row and second.name in row and f"came from {first.name}" in row for row in rows)
