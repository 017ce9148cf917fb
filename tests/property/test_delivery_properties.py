"""Whatever people do to a booking and its event, and wherever a worker dies: one event, where it belongs, or none."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.core.actions import EndEvent, LeaveAlone, RecordAgreement
from sync.core.content import render
from sync.core.delivery_steps import DeliveryStep
from sync.core.reconcile import OnCancellation, Policy, Scope
from sync.core.sides import Booking, BookingPhase, Event, TimeSpan
from tests.property.delivery_values import THIRD_MAILBOX, booked_on, handmade, phases, spans, work_orders, worlds
from tests.property.delivery_world import WINDOW, Happening, Worker, WorkerDied, World
from tests.unit.values import (
    AGREED,
    BOOKING_ID,
    MAILBOX,
    MOVED,
    MOVED_ELSEWHERE,
    NOW,
    OTHER_MAILBOX,
    TEMPLATES,
)


@dataclass(frozen=True)
class Edit:
    """Somebody writes a column of the booking, if it is still there."""

    column: str
    value: object

    def __call__(self, world: World) -> None:
        if world.booking is not None:
            world.put_booking(**{self.column: self.value}, modified_at=NOW)


@dataclass(frozen=True)
class Move:
    """The technician moves the booking's event, unless it is over."""

    span: TimeSpan

    def __call__(self, world: World) -> None:
        event = world.events.get(world.link.address) if world.link is not None else None
        if event is not None:
            world.put_event(replace(event, span=self.span, modified_at=NOW))
            world.is_moved_by_hand = True


@dataclass(frozen=True)
class Deletion:
    """Somebody deletes the booking."""

    def __call__(self, world: World) -> None:
        world.delete_booking()


@dataclass(frozen=True)
class Death:
    """The worker dies."""

    def __call__(self, world: World) -> None:
        raise WorkerDied(f"at {world.booking}")


@dataclass(frozen=True)
class Nothing:
    """The worker goes on."""

    def __call__(self, world: World) -> None:
        pass


CANCELLED = Edit("phase", BookingPhase.CANCELLED)
SCHEDULED = Edit("phase", BookingPhase.SCHEDULED)

edits = st.one_of(
    st.builds(Edit, st.just("mailbox_id"), booked_on),
    st.builds(Edit, st.just("phase"), phases),
    st.builds(Edit, st.just("span"), spans),
    st.builds(Edit, st.just("name"), st.sampled_from(["Boiler", "Pump"])),
    st.builds(Edit, st.just("work_order"), work_orders),
    st.builds(Edit, st.just("is_user_enabled"), st.sampled_from([True, True, False])),
)
actions = edits | st.builds(Move, spans) | st.builds(Deletion)
batches = st.lists(st.lists(actions, min_size=1, max_size=3), max_size=4)
deaths = st.lists(st.lists(st.sampled_from([Death(), Nothing(), Nothing()]), max_size=8), max_size=3)
"""What happens after each write, for some runs one after the other."""


def run(world: World, happenings: Iterable[Happening]) -> None:
    """A run that something comes between."""
    with suppress(WorkerDied):
        Worker(world, happenings).run()


def settle(world: World) -> list[DeliveryStep]:
    """A run that nothing comes between, and proof that a second one finds nothing left to do."""
    worker = Worker(world)
    worker.run()
    second = Worker(world)
    end = second.run()
    assert not second.steps
    assert isinstance(end, LeaveAlone | EndEvent | RecordAgreement)
    return worker.steps


def must_have_none(booking: Booking, policy: Policy) -> bool:
    if booking.phase is BookingPhase.CANCELLED and policy.on_cancellation is OnCancellation.REMOVE:
        return True
    return booking.mailbox_id is None or (policy.scope is Scope.WORK_ORDERS and booking.work_order is None)


def must_have_one(booking: Booking, policy: Policy) -> bool:
    is_planned = booking.phase not in (BookingPhase.CANCELLED, BookingPhase.COMPLETED)
    is_within_reach = booking.is_user_enabled and booking.span.overlaps(WINDOW)
    return is_planned and is_within_reach and not must_have_none(booking, policy)


def check(world: World) -> None:
    """One event where it belongs, named by the booking and held by the link; or none."""
    booking, live = world.booking, world.live_events()
    assert len(live) <= 1, "no duplicate, no orphan"
    if booking is None or must_have_none(booking, world.policy):
        assert not live
        return
    assert live or not must_have_one(booking, world.policy)
    for event in live:
        assert event.mailbox_id == booking.mailbox_id
        if booking.is_user_enabled:
            check_pair(world, booking, event)


def check_pair(world: World, booking: Booking, event: Event) -> None:
    """Both know each other, and the event says what the booking says."""
    assert event.booking_id == BOOKING_ID, "it bears the mark"
    assert booking.names(*event.address)
    assert world.link is not None
    assert (world.link.address, world.link.leftover) == (event.address, None)
    if not world.is_moved_by_hand:
        assert event.span == booking.span
        assert world.said[event.address] == render(booking, TEMPLATES).digests()


@given(worlds(), batches)
def test_what_is_done_between_two_runs_arrives(world: World, batches: list[list[Happening]]) -> None:
    settle(world)
    check(world)
    for batch in batches:
        for act in batch:
            act(world)
        settle(world)
        check(world)


def test_the_runs_above_take_every_step() -> None:
    """Guards the property above against people who never do anything of interest."""
    missing = {step.__name__ for step in get_args(DeliveryStep.__value__)}
    missing.remove("MarkUndelivered")  # No mailbox of these worlds is in quarantine.

    @settings(max_examples=300)
    @given(worlds(), batches)
    def look(world: World, batches: list[list[Happening]]) -> None:
        for batch in ([], *batches) if missing else ():
            for act in batch:
                act(world)
            missing.difference_update(type(step).__name__ for step in settle(world))

    look()
    assert not missing


@given(worlds(with_handmade_events=False), batches, deaths)
def test_a_worker_that_dies_is_made_up_for(
    world: World, batches: list[list[Happening]], deaths: list[list[Happening]]
) -> None:
    """After any write, and again while another one makes up for it."""
    for batch in ([], *batches):
        for act in batch:
            act(world)
        for happenings in deaths:
            run(world, happenings)
        settle(world)
        check(world)


@given(worlds(), batches)
def test_lost_tables_are_rebuilt(world: World, batches: list[list[Happening]]) -> None:
    settle(world)
    for batch in batches:
        for act in batch:
            act(world)
        settle(world)
    events = set(world.events)
    world.lose_tables()
    settle(world)
    assert set(world.events) == events
    check(world)


@given(
    worlds(),
    st.lists(
        st.tuples(
            st.lists(actions, max_size=3),
            st.lists(st.builds(Nothing) | st.builds(Death) | actions, min_size=1, max_size=4),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_nothing_is_lost_in_a_storm(world: World, storms: list[tuple[list[Happening], list[Happening]]]) -> None:
    """People act between any two writes, workers die, and nobody waits for anything."""
    for before, meanwhile in storms:
        for act in before:
            act(world)
        run(world, meanwhile)
    settle(world)
    check(world)


# Stories: how the storm found what it found


def a_world(**different: Any) -> World:
    booking = Booking(
        booking_id=BOOKING_ID,
        etag="first",
        span=AGREED,
        phase=BookingPhase.SCHEDULED,
        mailbox_id=MAILBOX,
        event_id=None,
        event_hash=None,
        modified_at=NOW,
    )
    return World(**{"policy": Policy(), "booking": booking, **different})


@pytest.mark.parametrize("booked_at", [MOVED, MOVED_ELSEWHERE])
def test_a_booking_that_is_moved_after_its_event_was_deleted_gets_a_new_one(booked_at: TimeSpan) -> None:
    world = a_world()
    settle(world)
    world.events.clear()
    Edit("span", booked_at)(world)
    settle(world)
    check(world)


def test_a_reassigned_booking_that_names_its_event_without_a_digest_keeps_the_new_one() -> None:
    world = a_world()
    settle(world)
    Edit("event_hash", None)(world)
    Edit("mailbox_id", OTHER_MAILBOX)(world)
    settle(world)
    check(world)


def test_a_booking_that_comes_back_gets_an_event_though_its_columns_name_the_one_that_went() -> None:
    world = a_world()
    settle(world)
    Edit("mailbox_id", OTHER_MAILBOX)(world)
    run(world, [Edit("is_user_enabled", False), Nothing(), Edit("is_user_enabled", True)])
    Edit("mailbox_id", MAILBOX)(world)
    Edit("is_user_enabled", True)(world)
    settle(world)
    check(world)


def test_a_cancellation_that_is_taken_back_while_the_event_goes_ends_with_an_event() -> None:
    world = a_world()
    settle(world)
    CANCELLED(world)
    run(world, [SCHEDULED])
    settle(world)
    check(world)


@pytest.mark.parametrize(
    "afterwards",
    [
        pytest.param(CANCELLED, id="cancelled"),
        pytest.param(Deletion(), id="deleted"),
        pytest.param(Edit("mailbox_id", OTHER_MAILBOX), id="reassigned"),
        pytest.param(Edit("mailbox_id", None), id="booked on no user"),
    ],
)
def test_what_a_dead_worker_made_goes_when_the_booking_does_not_want_it_any_more(afterwards: Happening) -> None:
    world = a_world()
    run(world, [Death()])
    afterwards(world)
    settle(world)
    check(world)


def test_what_a_dead_worker_did_not_make_says_nothing_about_what_the_former_technician_has() -> None:
    world = a_world()
    settle(world)
    Edit("mailbox_id", OTHER_MAILBOX)(world)
    run(world, [Death()])
    Edit("mailbox_id", THIRD_MAILBOX)(world)
    settle(world)
    check(world)


@pytest.mark.parametrize(
    "happenings",
    [pytest.param([], id="linked"), pytest.param([Nothing(), Death()], id="made by a worker that died")],
)
def test_a_booking_that_cannot_be_found_for_a_while_keeps_its_event(happenings: list[Happening]) -> None:
    """Nobody has reported it deleted."""
    world = a_world()
    run(world, happenings)
    booking, events = world.booking, set(world.events)
    worker = Worker(world)
    world.booking = None
    worker.run()
    world.booking = booking
    settle(world)
    assert set(world.events) == events
    check(world)


def test_what_a_former_technician_has_goes_though_the_tables_were_lost_once_somebody_comes_across_it() -> None:
    world = a_world()
    settle(world)
    (former,) = world.events
    Edit("mailbox_id", OTHER_MAILBOX)(world)
    run(world, [*[Nothing()] * 3, Death()])
    world.lose_tables()
    settle(world)
    assert former in world.events
    world.hint = former
    settle(world)
    check(world)


@pytest.mark.parametrize(
    "meanwhile",
    [pytest.param(Death(), id="the worker dies"), pytest.param(Edit("name", "Pump"), id="somebody writes the booking")],
)
def test_an_event_made_by_hand_gets_our_mark_whatever_happens(meanwhile: Happening) -> None:
    event = handmade(MAILBOX, AGREED)
    world = a_world(events={event.address: event})
    run(world, [meanwhile])
    settle(world)
    check(world)


@pytest.mark.parametrize("writes", range(10))
def test_a_booking_that_goes_to_a_colleague_and_comes_back_has_one_event(writes: int) -> None:
    """Wherever the worker died on the way."""
    world = a_world()
    settle(world)
    Edit("mailbox_id", OTHER_MAILBOX)(world)
    run(world, [*[Nothing()] * writes, Death()])
    Edit("mailbox_id", MAILBOX)(world)
    settle(world)
    check(world)
