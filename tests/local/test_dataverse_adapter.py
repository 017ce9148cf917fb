"""The app's Dataverse adapter against the simulator: every method, its refusals and what it costs."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from local.dataverse.seed import status_id
from local.sample import TECHNICIANS, SampleBooking, guid
from local.switchboard import APP_TOKEN, Fault
from sync.adapters import dataverse
from sync.adapters import dataverse_queries as queries
from sync.adapters.dataverse import DataverseClient
from sync.adapters.dataverse_http import DataverseHttp, open_http
from sync.adapters.dataverse_wire import classify_dataverse_failure
from sync.adapters.static_token import StaticTokenCredential
from sync.adapters.transport import Transport
from sync.calls import counted_calls
from sync.core.errors import AccessDenied, DeltaTokenExpired, InvalidPayload, NotFound, PreconditionFailed, Refused
from sync.core.sides import Booking, BookingPhase, EventAddress, TimeSpan, WorkOrder, event_hash
from sync.service.ports import BookingPage, ListedBooking
from tests.local.dataverse_environment import ADA, NOW, SAMPLE, Environment, no_sleep

BOOKINGS = "/bookableresourcebookings"
WHOLE_SAMPLE = TimeSpan(start_at=NOW, end_at=NOW + timedelta(days=30))
HOSTILE = "O'Brien) or 1 eq 1 & <b>söns</b> \" %_[$select=\\\U0001f600\n\u202e"
CRANE = guid("resource:Crane 1")
BEN = TECHNICIANS[1]


def adapter(environment: Environment, **options: Any) -> DataverseClient:
    clock = environment.board.clock.now
    http = DataverseHttp(
        open_http(transport=httpx.ASGITransport(environment.simulator.app)),
        StaticTokenCredential(APP_TOKEN),
        Transport(classify=classify_dataverse_failure, clock=clock, sleep=no_sleep, random=random.Random(0)),
        url="http://dataverse.local",
    )
    return DataverseClient(http, clock=clock, **options)


async def read(environment: Environment, visit: SampleBooking | None = None) -> Booking:
    booking = await adapter(environment).find_booking((visit or environment.booking).booking_id)
    assert booking is not None
    return booking


async def patch(environment: Environment, path: str, **changes: Any) -> None:
    """The dispatcher changes a row."""
    answer = await environment.person.patch(path, json=changes, headers={"If-Match": "*"})
    assert answer.status_code == 204, answer.text


async def add_booking(environment: Environment, *, resource_id: str = ADA.resource_id, **values: Any) -> str:
    """The dispatcher books an hour of the first day of the sample; answers the booking's id."""
    booking_id = str(uuid4())
    start_at = environment.booking.start_at
    body = {
        "bookableresourcebookingid": booking_id,
        "starttime": f"{start_at:%Y-%m-%dT%H:%M:%SZ}",
        "endtime": f"{start_at + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
        "duration": 60,
        "Resource@odata.bind": f"/bookableresources({resource_id})",
        "BookingStatus@odata.bind": f"/bookingstatuses({status_id('Scheduled')})",
    }
    answer = await environment.person.post(BOOKINGS, json=body | values)
    assert answer.status_code == 204, answer.text
    return booking_id


def in_status(name: str) -> dict[str, str]:
    return {"BookingStatus@odata.bind": f"/bookingstatuses({status_id(name)})"}


async def all_of[T](items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


def listed(booking: Booking, *, event_id: str | None) -> ListedBooking:
    return ListedBooking(
        booking_id=booking.booking_id,
        etag=booking.etag,
        span=booking.span,
        mailbox_id=booking.mailbox_id,
        event_id=event_id,
    )


# One booking


async def test_one_read_answers_everything() -> None:
    environment = Environment()
    visit, row = environment.booking, await environment.get(environment.path)
    assert visit.work_order is not None
    order = visit.work_order
    booking = await read(environment)
    assert booking == Booking(
        booking_id=visit.booking_id,
        etag=row["@odata.etag"],
        span=TimeSpan(start_at=visit.start_at, end_at=visit.end_at),
        phase=BookingPhase.SCHEDULED,
        mailbox_id=ADA.mailbox_id,
        event_id=visit.event_id,
        event_hash=event_hash(ADA.mailbox_id, visit.event_id),
        modified_at=NOW,
        name=visit.name,
        status_name="Scheduled",
        work_order=WorkOrder(
            work_order_id=order.work_order_id,
            number=order.number,
            priority=order.priority,
            type=order.type,
            incident_type=order.incident,
            summary=order.summary,
            account=order.account,
            contact=order.contact,
            location=f"{order.street}, {order.city}",
        ),
        fingerprint=booking.fingerprint,
    )
    assert environment.board.calls["app"]["bookableresourcebookings.get"] == 2, "the adapter's and this test's own"


async def test_a_booking_is_found_by_its_event_of_its_mailbox_alone() -> None:
    environment = Environment()
    visit, client = environment.booking, adapter(environment)
    found = await client.find_booking_of_event(ADA.mailbox_id, visit.event_id)
    assert found == await read(environment)
    assert await client.find_booking_of_event(BEN.mailbox_id, visit.event_id) is None
    assert await client.find_booking_of_event(ADA.mailbox_id, visit.event_id.lower()) is None


async def test_a_booking_that_is_not_there() -> None:
    assert await adapter(Environment()).find_booking(str(uuid4())) is None


async def test_a_booking_without_work_order() -> None:
    environment = Environment()
    booking = await adapter(environment).find_booking(await add_booking(environment))
    assert booking is not None
    assert (booking.work_order, booking.name, booking.undelivered) == (None, "", "")


async def test_a_work_order_whose_lookups_are_empty() -> None:
    environment = Environment()
    assert environment.booking.work_order is not None
    order_id = environment.booking.work_order.work_order_id
    lookups = ("priority", "workordertype", "primaryincidenttype", "serviceaccount", "reportedbycontact")
    await patch(
        environment,
        f"/msdyn_workorders({order_id})",
        **{f"msdyn_{lookup}@odata.bind": None for lookup in lookups},
        msdyn_workordersummary=None,
        msdyn_address1=None,
        msdyn_city=None,
        msdyn_timewindowstart="2030-03-04T07:00:00Z",
    )
    assert (await read(environment)).work_order == WorkOrder(
        work_order_id=order_id,
        number=environment.booking.work_order.number,
        window_start_at=NOW.replace(day=4, hour=7),
    )


@pytest.mark.parametrize("name", [HOSTILE, "x" * 100])
async def test_a_name_of_any_kind_comes_through(name: str) -> None:
    environment = Environment()
    before = await read(environment)
    await patch(environment, environment.path, name=name)
    after = await read(environment)
    assert after.name == name
    assert after.fingerprint != before.fingerprint


async def test_a_disabled_user() -> None:
    environment = Environment()
    await patch(environment, f"/systemusers({ADA.system_user_id})", isdisabled=True)
    booking = await read(environment)
    assert (booking.mailbox_id, booking.is_user_enabled) == (ADA.mailbox_id, False)


async def test_a_resource_that_is_no_user() -> None:
    environment = Environment()
    booking = await adapter(environment).find_booking(await add_booking(environment, resource_id=CRANE))
    assert booking is not None
    assert booking.mailbox_id is None


async def test_a_resource_whose_user_was_taken_away_is_told_from_one_that_is_hidden() -> None:
    """The id of a user who may not be read is still shown."""
    environment = Environment()
    await patch(environment, f"/bookableresources({ADA.resource_id})", **{"UserId@odata.bind": None})
    assert (await read(environment)).mailbox_id is None
    assert await adapter(environment).find_mailbox_of_resource(ADA.resource_id) is None


# Writes


async def test_times_event_and_reason_are_written_at_once_and_need_no_reading_afterwards() -> None:
    environment = Environment()
    booking_id = await add_booking(environment)
    span = TimeSpan(start_at=NOW, end_at=NOW + timedelta(minutes=90))
    with counted_calls() as calls:
        version = await adapter(environment).update_booking(
            booking_id,
            etag=await environment.etag(f"{BOOKINGS}({booking_id})"),
            span=span,
            event=EventAddress(ADA.mailbox_id, "AAMk-new="),
            undelivered="Nearly there.",
        )
    assert calls == {"bookableresourcebookings.update": 1}
    after = await adapter(environment).find_booking(booking_id)
    assert after is not None
    assert (after.span, after.event_id, after.undelivered) == (span, "AAMk-new=", "Nearly there.")
    assert after.names(ADA.mailbox_id, "AAMk-new=")
    assert version == (after.etag, after.fingerprint)
    row = await environment.get(f"{BOOKINGS}({booking_id})", select="duration")
    assert row["duration"] == 90


async def test_what_is_not_given_is_left() -> None:
    environment = Environment()
    before = await read(environment)
    version = await adapter(environment).update_booking(before.booking_id, etag=before.etag, undelivered="Why.")
    after = await read(environment)
    assert (after.span, after.event_id, after.undelivered) == (before.span, before.event_id, "Why.")
    assert version == (after.etag, before.fingerprint), "webhooks do not tell of that column"


async def test_an_event_is_cleared_together_with_a_new_time() -> None:
    environment = Environment()
    before = await read(environment)
    later = TimeSpan(start_at=before.span.start_at, end_at=before.span.end_at + timedelta(hours=1))
    await adapter(environment).update_booking(before.booking_id, etag=before.etag, span=later, clears_event=True)
    after = await read(environment)
    assert (after.span, after.names_an_event) == (later, False)


async def test_an_empty_reason_clears_the_column() -> None:
    environment = Environment()
    client, booking_id = adapter(environment), environment.booking.booking_id
    written = await client.update_booking(booking_id, etag=await environment.etag(), undelivered="Why.")
    await client.update_booking(booking_id, etag=written.etag, undelivered="")
    assert (await environment.get(environment.path))["bks_undelivered"] is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("x" * 200, "x" * 200, id="as long as the column"),
        pytest.param("x" * 5_000, "x" * 200, id="far longer"),
        pytest.param("x" * 199 + "\U0001f600", "x" * 199, id="a character that is two units wide"),
    ],
)
async def test_a_reason_is_cut_to_the_column(text: str, kept: str) -> None:
    environment = Environment()
    await adapter(environment).update_booking(
        environment.booking.booking_id, etag=await environment.etag(), undelivered=text
    )
    assert (await read(environment)).undelivered == kept


async def test_a_booking_is_cancelled_in_one_write_that_tells_what_came_of_it() -> None:
    environment = Environment()
    before = await read(environment)
    version = await adapter(environment).cancel_booking(before.booking_id, etag=before.etag)
    after = await read(environment)
    assert (after.phase, after.status_name, after.names_an_event) == (BookingPhase.CANCELLED, "Canceled", False)
    assert version == (after.etag, after.fingerprint)
    assert after.fingerprint != before.fingerprint
    assert environment.board.calls["app"]["bookableresourcebookings.update"] == 1


async def test_the_cancelled_status_is_looked_up_once_an_hour() -> None:
    environment = Environment()
    client = adapter(environment)
    for visit in SAMPLE.bookings[:3]:
        await client.cancel_booking(visit.booking_id, etag=await environment.etag(f"{BOOKINGS}({visit.booking_id})"))
        if visit is SAMPLE.bookings[1]:
            environment.board.clock.advance(3_601)
    assert environment.board.calls["app"]["msdyn_fieldservicesettings.query"] == 2


async def test_a_write_at_an_older_state_is_refused() -> None:
    environment = Environment()
    etag = await environment.etag()
    await patch(environment, environment.path, name="Changed")
    client, booking_id = adapter(environment), environment.booking.booking_id
    with pytest.raises(PreconditionFailed):
        await client.update_booking(booking_id, etag=etag, clears_event=True)
    with pytest.raises(PreconditionFailed):
        await client.cancel_booking(booking_id, etag=etag)
    with pytest.raises(PreconditionFailed):
        await client.delete_booking(booking_id, etag=etag)


async def test_a_write_makes_no_booking_of_one_that_is_gone() -> None:
    environment = Environment()
    client, booking = adapter(environment), await read(environment)
    await client.delete_booking(booking.booking_id, etag=booking.etag)
    assert await client.find_booking(booking.booking_id) is None
    with pytest.raises(NotFound):
        await client.update_booking(booking.booking_id, etag=booking.etag, clears_event=True)
    assert await client.find_booking(booking.booking_id) is None


@pytest.mark.parametrize("status", [400, 412])
async def test_two_bookings_never_name_one_event(status: int) -> None:
    environment = Environment(duplicate_key_status=status)
    booking_id = await add_booking(environment)
    with pytest.raises(Refused, match="names the same event"):
        await adapter(environment).update_booking(
            booking_id, etag="*", event=EventAddress(ADA.mailbox_id, environment.booking.event_id)
        )


# Lists


async def test_the_bookings_of_a_mailbox() -> None:
    environment = Environment()
    bare, given = await add_booking(environment), await add_booking(environment, resource_id=BEN.resource_id)
    visit = environment.booking
    await patch(environment, environment.path, **{"Resource@odata.bind": f"/bookableresources({BEN.resource_id})"})
    day = TimeSpan(start_at=visit.start_at, end_at=visit.start_at + timedelta(hours=1))
    found = {one.booking_id: one for one in await all_of(adapter(environment).list_bookings(BEN.mailbox_id, day))}
    visits_of_that_hour = {
        one.booking_id
        for one in SAMPLE.bookings
        if one.technician is BEN and one.end_at > day.start_at and one.start_at < day.end_at
    }
    assert set(found) == {given, visit.booking_id} | visits_of_that_hour
    assert bare not in found
    assert found[given].event_id is None
    assert found[visit.booking_id] == listed(await read(environment), event_id=None), "that event is Ada's"
    own = next(one for one in SAMPLE.bookings if one.booking_id in visits_of_that_hour)
    assert found[own.booking_id] == listed(await read(environment, own), event_id=own.event_id)


@pytest.mark.parametrize(("status", "is_listed"), [("Canceled", False), ("No Show", False), ("Proposed", True)])
async def test_cancelled_bookings_are_listed_nowhere(status: str, is_listed: bool) -> None:
    """Also by a status of the customer's own, which leaves Field Service's value empty."""
    environment = Environment()
    assert environment.booking.work_order is not None
    await patch(environment, environment.path, **in_status(status))
    client, booking_id = adapter(environment), environment.booking.booking_id
    of_mailbox = [one.booking_id async for one in client.list_bookings(ADA.mailbox_id, WHOLE_SAMPLE)]
    of_all = [one.booking_id for one in (await client.read_bookings(WHOLE_SAMPLE, None)).bookings]
    order_id = environment.booking.work_order.work_order_id
    of_order = await all_of(client.list_bookings_of_work_order(order_id, ending_after=NOW))
    assert [booking_id in ids for ids in (of_mailbox, of_all, of_order)] == [is_listed] * 3


async def test_a_status_that_only_field_service_calls_cancelled_counts_as_cancelled() -> None:
    environment = Environment()
    await patch(environment, f"/bookingstatuses({status_id('Scheduled')})", msdyn_fieldservicestatus=690970005)
    left = {one.booking_id for one in SAMPLE.bookings if one.status != "Scheduled"}
    page = await adapter(environment).read_bookings(WHOLE_SAMPLE, None)
    assert {one.booking_id for one in page.bookings} == left


async def test_the_bookings_of_a_work_order_that_are_not_over() -> None:
    environment = Environment()
    visit = environment.booking
    assert visit.work_order is not None
    order = {"msdyn_workorder@odata.bind": f"/msdyn_workorders({visit.work_order.work_order_id})"}
    second = await add_booking(environment, resource_id=CRANE, **order)
    client, order_id = adapter(environment), visit.work_order.work_order_id
    at_start = await all_of(client.list_bookings_of_work_order(order_id, ending_after=visit.start_at))
    assert sorted(at_start) == sorted([visit.booking_id, second])
    an_hour_later = visit.start_at + timedelta(hours=1)
    assert await all_of(client.list_bookings_of_work_order(order_id, ending_after=an_hour_later)) == [visit.booking_id]
    assert await all_of(client.list_bookings_of_work_order(order_id, ending_after=visit.end_at)) == []
    assert await all_of(client.list_bookings_of_work_order(str(uuid4()), ending_after=NOW)) == []


async def describe(environment: Environment, visit: SampleBooking, **columns: Any) -> None:
    """The dispatcher changes a visit's work order."""
    assert visit.work_order is not None
    await patch(environment, f"/msdyn_workorders({visit.work_order.work_order_id})", **columns)


async def test_bookings_of_changed_work_orders_show_all_that_one_read_of_them_shows() -> None:
    environment = Environment()
    visit, since = environment.booking, NOW + timedelta(minutes=1)
    environment.board.clock.advance(60)
    client = adapter(environment)
    assert await all_of(client.list_bookings_of_changed_work_orders(since, ending_after=NOW)) == []
    await describe(environment, visit, msdyn_workordersummary="Bring the long ladder")
    found = await all_of(client.list_bookings_of_changed_work_orders(since, ending_after=NOW))
    of_order = [one for one in SAMPLE.bookings if one.work_order is visit.work_order]
    by_id = {booking.booking_id: booking for booking in found}
    assert by_id == {one.booking_id: await read(environment, one) for one in of_order}
    order = by_id[visit.booking_id].work_order
    assert order is not None
    assert (order.summary, bool(order.account)) == ("Bring the long ladder", True)
    later = since + timedelta(seconds=1)
    assert await all_of(client.list_bookings_of_changed_work_orders(later, ending_after=NOW)) == []


async def test_bookings_of_changed_work_orders_are_neither_over_nor_cancelled_nor_without_one() -> None:
    environment = Environment()
    visit, since = environment.booking, NOW + timedelta(minutes=1)
    environment.board.clock.advance(60)
    client = adapter(environment)
    await describe(environment, visit, msdyn_workordersummary="Bring the long ladder")
    bare = await add_booking(environment)
    assert visit.work_order is not None
    order = {"msdyn_workorder@odata.bind": f"/msdyn_workorders({visit.work_order.work_order_id})"}
    cancelled = await add_booking(environment, **order, **in_status("Canceled"))
    of_no_show = await add_booking(environment, **order, **in_status("No Show"))
    crane = await add_booking(environment, resource_id=CRANE, **order)

    async def listed_ids(ending_after: datetime) -> set[str]:
        found = client.list_bookings_of_changed_work_orders(since, ending_after=ending_after)
        return {one.booking_id async for one in found}

    visits = [one for one in SAMPLE.bookings if one.work_order is visit.work_order]
    expected = {crane, *(one.booking_id for one in visits)}
    assert not {bare, cancelled, of_no_show} & expected
    assert await listed_ids(NOW) == expected
    over = max(one.end_at for one in visits)
    assert await listed_ids(over - timedelta(seconds=1)) == {one.booking_id for one in visits if one.end_at == over}
    assert await listed_ids(over) == set()


async def test_bookings_of_changed_work_orders_page_by_page_with_the_names_on_every_page() -> None:
    environment = Environment()
    with_order = [one for one in SAMPLE.bookings if one.work_order]
    client = adapter(environment, page_size=7)
    found = await all_of(client.list_bookings_of_changed_work_orders(NOW - timedelta(days=1), ending_after=NOW))
    assert {one.booking_id for one in found} == {one.booking_id for one in with_order}
    assert all(one.work_order and one.work_order.account for one in found)
    assert environment.board.calls["app"] == {"bookableresourcebookings.query": -(-len(with_order) // 7)}


async def test_a_row_that_cannot_be_read_is_left_out_of_a_list_and_spoils_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    environment = Environment()
    client, booking_id = adapter(environment), environment.booking.booking_id
    row = await environment.get(f"{environment.path}?{queries.BOOKING_QUERY}")
    page = {"value": [row | {"starttime": "soon"}, row]}
    environment.board.faults.append(Fault(kind="bookableresourcebookings.query", times=2, status=200, body=page))
    of_mailbox = await all_of(client.list_bookings(ADA.mailbox_id, WHOLE_SAMPLE))
    of_orders = await all_of(client.list_bookings_of_changed_work_orders(NOW, ending_after=NOW))
    assert [one.booking_id for one in of_mailbox] == [one.booking_id for one in of_orders] == [booking_id]
    assert [record.levelname for record in caplog.records if "left out of a sweep" in record.message] == ["WARNING"] * 2


async def test_all_bookings_of_users_page_by_page() -> None:
    environment = Environment()
    crane = await add_booking(environment, resource_id=CRANE)
    client, link, pages = adapter(environment, page_size=7), None, list[BookingPage]()
    while not pages or link:
        pages.append(await client.read_bookings(WHOLE_SAMPLE, link))
        link = pages[-1].next_link
    found = [booking for page in pages for booking in page.bookings]
    assert {len(page.bookings) for page in pages[:-1]} == {7}
    assert crane not in {booking.booking_id for booking in found}
    expected = {one.booking_id: one.event_id if one.linked else None for one in SAMPLE.bookings}
    assert {booking.booking_id: booking.event_id for booking in found} == expected
    assert len(found) == len(expected), "none comes twice"
    assert environment.board.calls["app"] == {"bookableresourcebookings.query": len(pages)}


async def test_bookings_outside_the_window_are_left_out() -> None:
    environment = Environment()
    first = environment.booking
    until = TimeSpan(start_at=NOW, end_at=first.start_at)
    since = TimeSpan(start_at=max(one.end_at for one in SAMPLE.bookings), end_at=first.end_at + timedelta(days=99))
    for window in (until, since):
        assert (await adapter(environment).read_bookings(window, None)).bookings == []


# Changes


async def round_of(client: DataverseClient, link: str | None) -> tuple[list[BookingPage], str]:
    """The pages of a round, and the link to the next round."""
    pages = [await client.read_booking_changes(link)]
    while pages[-1].next_link:
        pages.append(await client.read_booking_changes(pages[-1].next_link))
    assert pages[-1].delta_link
    return pages, pages[-1].delta_link


async def test_a_first_round_shows_every_booking_whatever_it_is() -> None:
    environment = Environment()
    crane = await add_booking(environment, resource_id=CRANE, **in_status("Canceled"))
    pages, _ = await round_of(adapter(environment, changes_page_size=10), None)
    found = [booking for page in pages for booking in page.bookings]
    assert {booking.booking_id for booking in found} == {crane, *(one.booking_id for one in SAMPLE.bookings)}
    assert len(pages) == -(-len(found) // 10)
    expected = await read(environment)
    assert replace(listed(expected, event_id=None), mailbox_id=None) in found, (
        "whose event it is, a change does not tell"
    )
    assert environment.board.calls["app"]["bookableresourcebookings.delta"] == len(pages)


async def test_a_later_round_shows_what_changed_and_what_was_deleted() -> None:
    environment = Environment()
    client = adapter(environment, changes_page_size=2)
    _, link = await round_of(client, None)
    changed, *deleted = SAMPLE.bookings[:5]
    await patch(environment, f"{BOOKINGS}({changed.booking_id})", name=HOSTILE)
    for visit in deleted:
        await environment.person.delete(f"{BOOKINGS}({visit.booking_id})")
    pages, link = await round_of(client, link)
    booking = await read(environment, changed)
    assert [one for page in pages for one in page.bookings] == [
        replace(listed(booking, event_id=None), mailbox_id=None)
    ]
    assert sorted(row_id for page in pages for row_id in page.removed) == sorted(one.booking_id for one in deleted)
    (nothing,), _ = await round_of(client, link)
    assert (list(nothing.bookings), list(nothing.removed), list(nothing.rejected)) == ([], [], [])


@pytest.mark.parametrize("status", [400, 404, 410])
async def test_an_expired_token_asks_for_a_full_round(status: int) -> None:
    environment = Environment(expired_delta_token_status=status)
    client = adapter(environment)
    _, link = await round_of(client, None)
    environment.board.clock.advance(timedelta(days=8).total_seconds())
    with pytest.raises(DeltaTokenExpired):
        await client.read_booking_changes(link)
    pages, _ = await round_of(client, None)
    assert pages[0].bookings


async def test_a_damaged_token_asks_for_a_full_round() -> None:
    client = adapter(Environment())
    _, link = await round_of(client, None)
    with pytest.raises(DeltaTokenExpired):
        await client.read_booking_changes(link.partition("deltatoken=")[0] + "deltatoken=scrambled")


async def test_a_table_that_tracks_no_changes_is_refused_with_what_mends_it() -> None:
    with pytest.raises(Refused) as refusal:
        await adapter(Environment(change_tracking_enabled=False)).read_booking_changes(None)
    assert "python -m sync setup" in refusal.value.mend


async def test_changes_that_the_app_may_not_read_are_denied_with_what_mends_it() -> None:
    environment = Environment()
    deny(environment, "bookableresourcebookings.delta")
    with pytest.raises(AccessDenied) as denial:
        await adapter(environment).read_booking_changes(None)
    assert "python -m sync setup" in denial.value.mend


def deny(environment: Environment, kind: str) -> None:
    body = {"error": {"code": "0x80040220", "message": "Principal user is missing a privilege."}}
    environment.board.faults.append(Fault(kind=kind, status=403, body=body))


# Resources and mailboxes


async def test_the_mailbox_behind_a_resource() -> None:
    environment = Environment()
    client = adapter(environment)
    assert await client.find_mailbox_of_resource(ADA.resource_id) == ADA.mailbox_id
    assert await client.find_mailbox_of_resource(CRANE) is None
    assert await client.find_mailbox_of_resource(str(uuid4())) is None
    assert environment.board.calls["app"] == {"bookableresources.get": 3}


async def test_the_mailboxes_of_users_that_are_not_disabled() -> None:
    environment = Environment()
    await patch(environment, f"/systemusers({ADA.system_user_id})", isdisabled=True)
    found = await all_of(adapter(environment, page_size=2).list_mailboxes())
    assert sorted(found) == sorted(one.mailbox_id for one in TECHNICIANS if one is not ADA)


async def synchronize(environment: Environment, name: str, **different: Any) -> None:
    """Server-side synchronization handles the appointments of that technician, or nearly."""
    changes = {"actdeliverymethod": 1, "enabledforact": True, "actstatus": 1} | different
    await patch(environment, f"/mailboxes({guid(f'mailbox:{name}')})", **changes)


async def test_whose_appointments_microsoft_synchronizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataverse, "_USERS_IN_A_QUERY", 2)
    environment = Environment()
    ada, ben, chloe, dario, elif_, finn, _ = (one.name for one in TECHNICIANS)
    await synchronize(environment, dario, actdeliverymethod=2)
    await synchronize(environment, elif_, enabledforact=False)
    await synchronize(environment, finn, actstatus=2)
    for name in (ada, ben, chloe):
        await synchronize(environment, name)
    found = await all_of(adapter(environment).list_microsoft_synced())
    assert sorted(found) == sorted(one.mailbox_id for one in TECHNICIANS[:3])
    assert environment.board.calls["app"] == {"mailboxes.query": 1, "systemusers.query": 2}


async def test_a_synchronized_mailbox_that_is_nobodys() -> None:
    environment = Environment()
    await synchronize(environment, ADA.name, **{"regardingobjectid@odata.bind": None})
    assert await all_of(adapter(environment).list_microsoft_synced()) == []
    assert environment.board.calls["app"] == {"mailboxes.query": 1}


async def test_mailboxes_that_the_app_may_not_read() -> None:
    environment = Environment()
    deny(environment, "mailboxes.query")
    with pytest.raises(AccessDenied):
        await all_of(adapter(environment).list_microsoft_synced())


async def test_every_call_is_counted_under_the_name_that_the_simulator_gives_it() -> None:
    """So that the journal and the budgets speak of the same."""
    environment = Environment()
    client, visit = adapter(environment), environment.booking
    await synchronize(environment, ADA.name)
    with counted_calls() as calls:
        booking = await client.find_booking(visit.booking_id)
        assert booking is not None
        await client.find_booking_of_event(ADA.mailbox_id, visit.event_id)
        version = await client.update_booking(visit.booking_id, etag=booking.etag, undelivered="Why.")
        version = await client.cancel_booking(visit.booking_id, etag=version.etag)
        await client.delete_booking(visit.booking_id, etag=version.etag)
        await all_of(client.list_bookings(ADA.mailbox_id, WHOLE_SAMPLE))
        await all_of(client.list_bookings_of_work_order(str(uuid4()), ending_after=NOW))
        await all_of(client.list_bookings_of_changed_work_orders(NOW, ending_after=NOW))
        await client.read_bookings(WHOLE_SAMPLE, None)
        _, link = await round_of(client, None)
        await client.read_booking_changes(link)
        await client.find_mailbox_of_resource(ADA.resource_id)
        await all_of(client.list_microsoft_synced())
        await all_of(client.list_mailboxes())
    assert calls == environment.board.calls["app"]


async def test_what_is_no_id_reaches_no_address() -> None:
    environment = Environment()
    with pytest.raises(InvalidPayload, match="Not an id"):
        await adapter(environment).find_booking(f"{environment.booking.booking_id})/Resource")
    assert not environment.board.calls["app"]


@pytest.mark.parametrize("origin", ["http://elsewhere.local", "https://dataverse.local", "http://dataverse.local:8080"])
async def test_the_token_goes_to_no_other_place(origin: str) -> None:
    environment = Environment()
    with pytest.raises(InvalidPayload, match="another host"):
        await adapter(environment).read_bookings(WHOLE_SAMPLE, f"{origin}/api/data/v9.2/bookableresourcebookings")
    assert not environment.board.calls["app"]
