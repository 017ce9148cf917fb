"""Dynamics to Outlook on real parts, by wire formats only: what the dispatcher does is seen in the right mailbox."""

from datetime import datetime, timedelta
from itertools import count

import pytest

from local.dispatching import HOUR
from local.sample import Technician
from local.world import LocalWorld
from tests.integration.people import People, wait_until

pytestmark = pytest.mark.slow

PROMISED_SECONDS = 10

READ, WRITTEN = "bookableresourcebookings.get", "bookableresourcebookings.update"


class Desk:
    """The dispatcher's desk: new bookings on free hours."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.dario, self.elif_ = [one for one in people.sample.technicians if one.has_mailbox and not one.full_week][:2]
        self._orders = people.sample.work_orders
        self._monday = min(booking.start_at for booking in people.sample.bookings).replace(hour=0)
        self._hours = count(1)

    def free_hour(self) -> datetime:
        """An hour of the second week after the sample's, another one at each call."""
        return self._monday + timedelta(weeks=2) + next(self._hours) * HOUR

    def book(self, technician: Technician | None = None) -> tuple[str, datetime]:
        """The id of a new booking, and when it starts."""
        start_at = self.free_hour()
        return self.people.dispatcher.book(technician or self.dario, start_at, self._orders[0]), start_at

    def book_and_wait(self) -> tuple[str, datetime]:
        """A new booking of Dario, which has its event."""
        booking_id, start_at = self.book()
        self.wait_for_start(booking_id, self.dario, start_at)
        return booking_id, start_at

    def wait_for_start(self, booking_id: str, technician: Technician, start_at: datetime | None) -> None:
        """Until the technician's calendar has one event of the booking, at this time; with None, until it has none."""
        wanted = [] if start_at is None else [start_at]
        wait_until(lambda: self.people.starts(booking_id, technician) == wanted, seconds=PROMISED_SECONDS)

    def has_one_event(self, booking_id: str) -> bool:
        return len(self.people.events(booking_id, self.dario)) == 1


@pytest.fixture(scope="module")
def desk(people: People) -> Desk:
    return Desk(people)


def app_calls(world: LocalWorld) -> tuple[dict[str, int], dict[str, int]]:
    """The app's calls to Graph and to Dataverse."""
    calls = world.calls()
    return calls["graph"]["app"], calls["dataverse"]["app"]


def test_a_new_booking_is_an_event_in_its_technicians_calendar_within_ten_seconds(
    world: LocalWorld, people: People, desk: Desk
) -> None:
    booking_id, start_at = desk.book()
    desk.wait_for_start(booking_id, desk.dario, start_at)

    world.wait_until_quiet()
    (event,) = people.events(booking_id, desk.dario)
    assert event["subject"] == "WO-00001, Northwind Traders: Leak"
    assert event["location"]["displayName"] == "12 Harbour Street, Bergen"
    assert event["attendees"] == []
    assert people.booking(booking_id)["event_id"] == event["id"]
    assert app_calls(world) == ({"event.create": 1}, {READ: 1, WRITTEN: 1})


def test_a_moved_booking_moves_its_event_within_ten_seconds_by_one_write(
    world: LocalWorld, people: People, desk: Desk
) -> None:
    booking_id, _ = desk.book_and_wait()
    world.wait_until_quiet()
    world.clear_calls()
    later = desk.free_hour()

    people.dispatcher.move(booking_id, later)

    desk.wait_for_start(booking_id, desk.dario, later)
    world.wait_until_quiet()
    assert app_calls(world) == ({"event.get": 1, "event.update": 1}, {READ: 1})


def test_a_reassigned_booking_changes_calendars_within_ten_seconds(people: People, desk: Desk) -> None:
    booking_id, start_at = desk.book_and_wait()

    people.dispatcher.reassign(booking_id, desk.elif_)

    desk.wait_for_start(booking_id, desk.elif_, start_at)
    desk.wait_for_start(booking_id, desk.dario, None)


def test_a_cancelled_bookings_event_goes_within_ten_seconds(people: People, desk: Desk) -> None:
    booking_id, _ = desk.book_and_wait()

    people.dispatcher.cancel(booking_id)

    desk.wait_for_start(booking_id, desk.dario, None)


def test_a_deleted_bookings_event_goes_within_ten_seconds(people: People, desk: Desk) -> None:
    booking_id, _ = desk.book_and_wait()

    people.dispatcher.delete(booking_id)

    desk.wait_for_start(booking_id, desk.dario, None)


def test_an_event_that_the_app_made_moves_its_booking_and_then_the_calls_stand_still(
    world: LocalWorld, people: People, desk: Desk
) -> None:
    booking_id, _ = desk.book_and_wait()
    world.wait_until_quiet()
    world.clear_calls()
    (event,) = people.events(booking_id, desk.dario)
    later = desk.free_hour()

    people.move_event(event, desk.dario, later)

    wait_until(lambda: people.booking(booking_id)["start_at"] == later, seconds=PROMISED_SECONDS)
    world.wait_until_quiet(quiet_seconds=6)  # longer than an echo takes, with its settle time
    assert people.starts(booking_id, desk.dario) == [later]
    assert app_calls(world) == ({"event.get": 1}, {WRITTEN: 1})


def test_stopping_azurite_in_the_middle_holds_up_no_dispatcher_and_loses_nothing(world: LocalWorld, desk: Desk) -> None:
    """Dataverse repeats a refused webhook once; what is lost after that, the sweep of the bookings finds."""
    booked = [desk.book()[0] for _ in range(4)]
    world.stop("azurite")
    booked += [desk.book()[0] for _ in range(4)]

    assert not desk.has_one_event(booked[-1]), "the door could queue nothing"
    world.start("azurite")
    world.wait_until_quiet()
    world.run_function("sweep_bookings")

    wait_until(lambda: all(desk.has_one_event(booking_id) for booking_id in booked), seconds=90)


def test_killing_the_host_in_the_middle_of_a_burst_makes_one_event_of_each_booking(
    world: LocalWorld, people: People, desk: Desk
) -> None:
    booked = [desk.book()[0] for _ in range(20)]
    wait_until(lambda: app_calls(world)[0].get("event.create", 0) > 0, seconds=30)

    world.kill("functions")
    assert not all(desk.has_one_event(booking_id) for booking_id in booked), "killed in the middle"
    world.start("functions")

    # What was begun is believed not to have happened only when a search is sure to know, after a minute and a half.
    wait_until(lambda: all(people.booking(booking_id)["event_id"] for booking_id in booked), seconds=240, every=2)
    world.wait_until_quiet()
    for booking_id in booked:
        (event,) = people.events(booking_id, desk.dario)
        assert people.booking(booking_id)["event_id"] == event["id"]
