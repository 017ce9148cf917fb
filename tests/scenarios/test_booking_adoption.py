"""An event that somebody made for a booking before we could: it becomes the booking's, and no second one is made.

It is recognised by the work order's number in its subject and by exactly the booking's time, and only where nothing
else could be meant. It is looked for when a booking is found by a sweep or a backfill; of one that was created just
now, nobody can have made an event.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from local.sample import BOOKING_ID_PROPERTY, EXTENSION_NAME
from sync.service.backfilling import queue_bookings
from sync.service.booking_items import booking_change
from tests.dispatching import HOUR, MONDAY
from tests.interleaving import WatchedTenant, every_point
from tests.tenant import wire

START = MONDAY + 12 * HOUR
SOMEBODY_ELSES = "0b0f6a5e-3b1f-4f11-840a-000d3a111111"

type Find = Callable[[WatchedTenant], Awaitable[None]]


async def by_sweep(tenant: WatchedTenant) -> None:
    await tenant.sweep()


async def by_full_sweep(tenant: WatchedTenant) -> None:
    await tenant.sweep(is_full=True)


async def by_backfill(tenant: WatchedTenant) -> None:
    async for _ in queue_bookings(None, tenant.ports, tenant.rules):
        pass


found = pytest.mark.parametrize("find", [by_sweep, by_full_sweep, by_backfill])


async def unheard_booking(tenant: WatchedTenant, **details: Any) -> str:
    """A booking whose webhook was lost."""
    tenant.dynamics(webhook_lose=1.0)
    booking_id = await tenant.book(START, work_order=tenant.sample.work_orders[4], **details)
    await tenant.settle()
    tenant.dynamics(webhook_lose=0.0)
    return booking_id


async def enter(tenant: WatchedTenant, subject: str, **fields: Any) -> str:
    """The technician, or Microsoft's sync in the technician's name, makes an event at the booking's time."""
    body = {"subject": subject, "start": wire(START), "end": wire(START + HOUR), **fields}
    answer = await tenant.person.post(f"/users/{tenant.technician.mailbox_id}/events", json=body)
    assert answer.status_code == 201, answer.text
    await tenant.settle()
    return str(answer.json()["id"])


async def subjects(tenant: WatchedTenant) -> list[str]:
    """What lies in the technician's calendar at the booking's time."""
    events = (await tenant.graph_state())["events"]
    return sorted(
        event["subject"]
        for event in events
        if event["mailbox_id"] == tenant.technician.mailbox_id
        and event["start"].startswith(f"{START:%Y-%m-%dT%H}")
        and not event["is_deleted"]
    )


@found
async def test_an_event_made_by_hand_for_the_visit_is_adopted_and_not_doubled(find: Find) -> None:
    """It says then what ours say, and the technician's own notes stay."""
    tenant = await WatchedTenant.open()
    number = tenant.sample.work_orders[4].number
    note = {"contentType": "html", "content": "<p>Key under the mat</p>"}
    event_id = await enter(tenant, f"Fetch parts for {number}!", body=note)
    booking_id = await unheard_booking(tenant)
    await find(tenant)
    await tenant.settle()
    event = await tenant.assert_delivered(booking_id)
    assert event["id"] == event_id
    assert event["subject"].startswith(f"{number}, ")
    assert "Key under the mat" in event["body"]["content"]
    assert "Pump makes noise" in event["body"]["content"]
    assert not tenant.graph_calls["event.create"]
    await tenant.assert_at_rest()


@found
async def test_an_event_that_microsofts_sync_left_is_adopted_and_not_doubled(find: Find) -> None:
    """With what that writes into an appointment (Field Service documentation, field-service-exchange)."""
    tenant = await WatchedTenant.open()
    order = tenant.sample.work_orders[4]
    event_id = await enter(
        tenant,
        f"{order.number} - {order.account}",
        location={"displayName": f"{order.street}, {order.city}"},
        body={"contentType": "text", "content": f"Priority: {order.priority}\nWork Order Summary: {order.summary}"},
        categories=["Tracked to Dynamics 365"],
    )
    booking_id = await unheard_booking(tenant)
    await find(tenant)
    await tenant.settle()
    event = await tenant.assert_delivered(booking_id)
    assert event["id"] == event_id
    assert "Work Order Summary" in event["body"]["content"], "what was there before stays"
    assert not tenant.graph_calls["event.create"]
    await tenant.assert_at_rest()


async def test_the_visit_of_an_adopted_event_moves_with_it_and_it_goes_with_the_visit() -> None:
    tenant = await WatchedTenant.open()
    event_id = await enter(tenant, tenant.sample.work_orders[4].number)
    booking_id = await unheard_booking(tenant)
    await tenant.sweep()
    await tenant.settle()
    moved = {"start": wire(START + 2 * HOUR), "end": wire(START + 3 * HOUR)}
    await tenant.patch_event(tenant.technician.mailbox_id, event_id, moved)
    await tenant.settle()
    assert (await tenant.row(booking_id))["starttime"] == f"{START + 2 * HOUR:%Y-%m-%dT%H:%M:%SZ}"
    await tenant.move(booking_id, START + 4 * HOUR)
    await tenant.settle()
    assert (await tenant.assert_delivered(booking_id))["id"] == event_id
    await tenant.delete(booking_id)
    await tenant.settle()
    await tenant.assert_without_event(booking_id)
    await tenant.assert_at_rest()


async def test_an_old_event_that_goes_as_soon_as_it_was_adopted_takes_its_booking_along_at_once() -> None:
    """Only of an event that may have been made just now do reads know nothing yet, so that its absence is doubted."""
    tenant = await WatchedTenant.open()
    event_id = await enter(tenant, tenant.sample.work_orders[4].number)
    tenant.clock.advance(HOUR.total_seconds())
    booking_id = await unheard_booking(tenant)
    await tenant.sweep()
    await tenant.settle()
    await tenant.drop_event({"id": event_id})
    await tenant.settle(limit=timedelta(seconds=10))
    assert (await tenant.row(booking_id))["status"] == "Canceled"


@found
async def test_of_two_events_that_could_be_the_visits_none_is_adopted(find: Find) -> None:
    tenant = await WatchedTenant.open()
    number = tenant.sample.work_orders[4].number
    theirs = [await enter(tenant, f"{number} first"), await enter(tenant, f"{number} second")]
    booking_id = await unheard_booking(tenant)
    await find(tenant)
    await tenant.settle()
    assert (await tenant.assert_delivered(booking_id))["id"] not in theirs
    assert len(await subjects(tenant)) == 3
    assert {f"{number} first", f"{number} second"} < set(await subjects(tenant)), "they are nobody's business"
    await tenant.assert_at_rest()


NOT_FOR_US = {
    "another-number": {"subject": "WO-000051"},
    "no-number": {"subject": "Choir"},
    "a-later-end": {"end": wire(START + 2 * HOUR)},
    "an-earlier-start": {"start": wire(START - HOUR)},
    "with-attendees": {"attendees": [{"emailAddress": {"address": "customer@example.com"}, "type": "required"}]},
    "marked-for-another-booking": {
        "singleValueExtendedProperties": [{"id": BOOKING_ID_PROPERTY, "value": SOMEBODY_ELSES}]
    },
    "another-bookings-extension": {
        "extensions": [
            {
                "@odata.type": "microsoft.graph.openTypeExtension",
                "extensionName": EXTENSION_NAME,
                "bookingSyncGuid": SOMEBODY_ELSES,
            }
        ]
    },
    "a-series": {
        "recurrence": {
            "pattern": {"type": "daily", "interval": 1},
            "range": {"type": "numbered", "startDate": f"{START:%Y-%m-%d}", "numberOfOccurrences": 3},
        }
    },
}


@pytest.mark.parametrize("different", NOT_FOR_US.values(), ids=NOT_FOR_US)
async def test_an_event_that_is_somebody_elses_is_never_adopted(different: dict[str, Any]) -> None:
    tenant = await WatchedTenant.open()
    number = tenant.sample.work_orders[4].number
    theirs = await enter(tenant, **{"subject": f"{number} at the customer's", **different})
    tenant.graph.world.mails.clear()
    before = await read(tenant, theirs)
    booking_id = await unheard_booking(tenant)
    await tenant.sweep()
    await tenant.settle()
    assert (await tenant.assert_delivered(booking_id))["id"] != theirs
    assert await read(tenant, theirs) == before, "it was touched"
    await tenant.assert_at_rest()


async def read(tenant: WatchedTenant, event_id: str) -> dict[str, Any]:
    answer = await tenant.person.get(f"/users/{tenant.technician.mailbox_id}/events/{event_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_two_visits_at_one_time_for_one_work_order_do_not_share_an_event() -> None:
    """A double booking: one of them gets the event that was there, the other a new one."""
    tenant = await WatchedTenant.open()
    theirs = await enter(tenant, tenant.sample.work_orders[4].number)
    bookings = [await unheard_booking(tenant), await unheard_booking(tenant)]
    await tenant.sweep()
    await tenant.settle()
    events = [(await tenant.assert_delivered(booking_id))["id"] for booking_id in bookings]
    assert theirs in events
    assert len(set(events)) == 2
    await tenant.assert_at_rest()


async def both_after_one_event(at: int) -> tuple[WatchedTenant, list[str]] | None:
    """Two visits at one time for one work order, one event; one is brought to Outlook while a worker is at the other.

    The worker is stopped at the point of that number; None when it was done before.
    """
    tenant = await WatchedTenant.open()
    await enter(tenant, tenant.sample.work_orders[4].number)
    bookings = [await unheard_booking(tenant), await unheard_booking(tenant)]
    await tenant.queue.put(booking_change(bookings[0], tenant.ports))

    async def the_other(tenant: WatchedTenant = tenant) -> None:
        await tenant.queue.put(booking_change(bookings[1], tenant.ports))
        await tenant.settle(limit=timedelta(seconds=30))

    tenant.surprise(at, the_other)
    await tenant.settle()
    is_over = tenant.points < at
    tenant.watch(None)
    return None if is_over else (tenant, bookings)


@pytest.mark.slow
async def test_two_visits_that_are_after_one_event_at_once_get_one_each() -> None:
    for at in every_point():
        if (both := await both_after_one_event(at)) is None:
            return
        tenant, bookings = both
        for booking_id in bookings:
            await tenant.assert_delivered(booking_id)
        await tenant.assert_at_rest()


@pytest.mark.slow
async def test_a_visit_that_is_cancelled_never_takes_away_an_event_with_the_mark_of_another() -> None:
    for at in every_point():
        if (both := await both_after_one_event(at)) is None:
            return
        tenant, bookings = both
        _, second = [(await tenant.row(booking_id))["bks_eventid"] for booking_id in bookings]
        stays, goes = bookings if second is None else (bookings[1], bookings[0])
        await tenant.put(goes, "Canceled")
        await tenant.settle()
        assert len(await tenant.live_events(stays)) == 1
