"""A booking is given to another technician: one event, where the booking is, whatever arrives in whatever order."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import permutations

import pytest

from tests.company import BOOKING_READ, BOOKING_WRITE, BOOKINGS, Company, Letter
from tests.dispatching import starts_at
from tests.tenant import event_path

FORMER, NEW, THIRD = 3, 4, 5
MOVED = timedelta(hours=3)

conditional = pytest.mark.parametrize("if_match", ["ignore", "enforce"])
both_orders = pytest.mark.parametrize("heard_first", ["former", BOOKINGS])


@conditional
async def test_the_event_moves_to_the_new_technician_at_the_cost_of_two_writes_to_graph_and_one_to_dynamics(
    if_match: str,
) -> None:
    """Content, link with a higher generation, the booking's columns: all of the new event; and nobody gets a mail."""
    company = await Company.open(FORMER, NEW, if_match=if_match, burst=4)
    visit, new = company.visit(), company.technicians[1]
    before, generation = await company.event_now(visit), (await company.link(visit)).generation
    await company.assign(visit, new)
    await company.settle()
    after = await company.assert_delivered(visit.booking_id, new)
    for said in ("subject", "location", "body", "categories", "showAs", "start", "end"):
        assert after[said] == before[said]
    assert visit.booking_id in after["body"]["content"], "the way back to the booking"
    assert (await company.link(visit)).generation == generation + 1
    assert company.app_writes == {"event.create": 1, "event.delete": 1, BOOKING_WRITE: 1}
    assert company.dataverse_calls == {BOOKING_READ: 1, BOOKING_WRITE: 1}
    assert company.graph_calls["event.get"] <= 2, "a look at what is to go, and one for the echo of its deletion"
    (entry,) = company.entries("create-event")
    assert entry.reason == "booking-reassigned"
    await company.assert_at_rest()


@pytest.mark.parametrize("is_at_once", [False, True], ids=["one-after-the-other", "at-once"])
@pytest.mark.parametrize("order", list(permutations(("former", "new", BOOKINGS))), ids="-".join)
async def test_post_of_both_mailboxes_and_the_booking_may_come_late_in_any_order_and_again(
    order: tuple[str, ...], is_at_once: bool
) -> None:
    """The former technician has just touched the event, so that notifications of theirs tell of a live event, too."""
    company = await Company.open(FORMER, NEW, burst=3, batch=False)
    visit, former, new = company.visit(), *company.technicians
    senders = {"former": former.mailbox_id, "new": new.mailbox_id, BOOKINGS: BOOKINGS}
    company.keeps_post = True
    await company.edit_event(visit, importance="high")
    await company.assign(visit, new)
    await company.settle()
    delivered: list[Letter] = []
    while letters := company.take_post():
        company.clock.advance(60)
        letters.sort(key=lambda letter: [senders[name] for name in order].index(letter.sender))
        first = [letter for letter in letters if is_at_once or letter.sender == letters[0].sender]
        company.kept = [letter for letter in letters if letter not in first]
        await company.deliver(first)
        delivered += first
    assert {letter.sender for letter in delivered} == set(senders.values())
    assert company.app_writes == {"event.create": 1, "event.delete": 1, BOOKING_WRITE: 1}
    await company.assert_delivered(visit.booking_id, new)
    company.forget_costs()
    await company.deliver(delivered)
    assert not company.app_writes, "what is repeated must do nothing"
    await company.assert_delivered(visit.booking_id, new)
    await company.assert_at_rest()


@pytest.mark.parametrize("change_type", ["created", "updated", "deleted"])
async def test_notifications_of_the_former_mailbox_cannot_act_long_after(change_type: str) -> None:
    """Not even with an etag that nobody has heard of: the former event is no word on the booking any more."""
    company = await Company.open(FORMER, NEW)
    visit, new = company.visit(), company.technicians[1]
    await company.assign(visit, new)
    await company.settle()
    company.forget_costs()
    for hour in range(3):
        company.clock.advance(3600)
        await company.notify(visit, change_type, etag=f'W/"late-{hour}"')
        await company.settle()
    assert not company.app_writes
    await company.assert_delivered(visit.booking_id, new)


async def test_a_booking_that_goes_away_and_comes_back_before_the_settle_time_keeps_its_event() -> None:
    company = await Company.open(FORMER, NEW)
    visit, former, new = company.visit(), *company.technicians
    before = await company.event_now(visit)
    await company.assign(visit, new)
    company.clock.advance(1)
    await company.assign(visit, former)
    await company.settle()
    after = await company.assert_delivered(visit.booking_id, former)
    assert after["id"] == before["id"]
    assert not company.app_writes
    await company.assert_at_rest()


async def test_a_booking_that_comes_back_when_the_first_leg_is_done_has_one_event_with_its_first_technician() -> None:
    """All within five seconds."""
    company = await Company.open(FORMER, NEW)
    company.settle_seconds = 1
    visit, former, new = company.visit(), *company.technicians
    began_at = company.clock.now()
    await company.assign(visit, new)
    await company.settle(limit=timedelta(seconds=3))
    await company.assert_delivered(visit.booking_id, new)
    await company.assign(visit, former)
    assert company.clock.now() - began_at < timedelta(seconds=5)
    await company.settle()
    await company.assert_delivered(visit.booking_id, former)
    assert (await company.link(visit)).generation == 3
    assert company.app_writes == {"event.create": 2, "event.delete": 2, BOOKING_WRITE: 2}
    await company.assert_at_rest()


async def test_a_booking_that_goes_on_to_a_third_technician_has_one_event_there() -> None:
    """The second has never heard of it."""
    company = await Company.open(FORMER, NEW, THIRD)
    visit, _, new, third = company.visit(), *company.technicians
    await company.assign(visit, new)
    company.clock.advance(1)
    await company.assign(visit, third)
    await company.settle()
    await company.assert_delivered(visit.booking_id, third)
    assert company.app_writes == {"event.create": 1, "event.delete": 1, BOOKING_WRITE: 1}
    await company.assert_at_rest()


@conditional
@pytest.mark.parametrize("last", [0, 2], ids=["back", "on"])
@pytest.mark.parametrize("call", [BOOKING_READ, "event.create", BOOKING_WRITE, "event.delete"])
async def test_a_booking_reassigned_again_before_any_call_of_the_first_reassignment_has_one_event_at_the_end(
    call: str, last: int, if_match: str
) -> None:
    company = await Company.open(FORMER, NEW, THIRD, if_match=if_match)
    visit, new, at_the_end = company.visit(), company.technicians[1], company.technicians[last]

    async def reassign_again() -> None:
        await company.assign(visit, at_the_end)

    company.quicker(call, reassign_again)
    await company.assign(visit, new)
    await company.settle(limit=timedelta(minutes=5))
    await company.assert_delivered(visit.booking_id, at_the_end)
    await company.assert_at_rest()


async def move_then_reassign(company: Company) -> None:
    """Nobody has been told of the move when the dispatcher acts."""
    await company.move_event(company.visit(), by=MOVED)
    await company.assign(company.visit(), company.technicians[1])


async def move_while_the_new_event_is_made(company: Company) -> None:
    company.quicker("event.create", lambda: company.move_event(company.visit(), by=MOVED))
    await company.assign(company.visit(), company.technicians[1])


async def move_before_the_former_event_goes(company: Company) -> None:
    company.quicker("event.delete", lambda: company.move_event(company.visit(), by=MOVED))
    await company.assign(company.visit(), company.technicians[1])


async def deliver_all(company: Company, heard_first: str) -> None:
    """The post that was kept back, that of one sender before all other."""
    first = company.visit().technician.mailbox_id if heard_first == "former" else heard_first
    while letters := company.take_post():
        await company.deliver(sorted(letters, key=lambda letter: letter.sender != first))


@both_orders
@pytest.mark.parametrize(
    ("act", "if_match"),
    [
        (move_then_reassign, "ignore"),
        (move_then_reassign, "enforce"),
        (move_while_the_new_event_is_made, "ignore"),
        (move_while_the_new_event_is_made, "enforce"),
        (move_before_the_former_event_goes, "enforce"),
    ],
)
async def test_a_move_by_the_former_technician_during_the_reassignment_is_not_lost_without_a_word(
    act: Callable[[Company], Awaitable[None]], if_match: str, heard_first: str
) -> None:
    """Either the booking takes it over, or the journal tells which time was lost."""
    company = await Company.open(FORMER, NEW, if_match=if_match, batch=False)
    visit = company.visit()
    company.keeps_post = True
    await act(company)
    await company.settle()
    await deliver_all(company, heard_first)
    event = await company.event_now(visit)
    moved_to = visit.start_at + MOVED
    assert starts_at(event) == moved_to or company.journal_tells_of(moved_to)


@both_orders
async def test_a_move_by_the_former_technician_during_the_reassignment_ends_with_one_event(heard_first: str) -> None:
    company = await Company.open(FORMER, NEW, batch=False)
    company.keeps_post = True
    await move_then_reassign(company)
    await company.settle()
    await deliver_all(company, heard_first)
    await company.assert_delivered(company.visit().booking_id, company.technicians[1])
    await company.assert_at_rest()


@both_orders
async def test_a_deletion_by_the_former_technician_during_the_reassignment_cancels_nothing(heard_first: str) -> None:
    """The visit is not theirs any more, whichever of the two the app hears of first."""
    company = await Company.open(FORMER, NEW, batch=False)
    visit, new = company.visit(), company.technicians[1]
    company.keeps_post = True
    await company.delete_event(visit)
    await company.assign(visit, new)
    await company.settle()
    await deliver_all(company, heard_first)
    assert (await company.row(visit.booking_id))["status"] == "Scheduled"
    await company.assert_delivered(visit.booking_id, new)
    await company.assert_at_rest()


async def copy_event(company: Company) -> tuple[str, str]:
    """The technician drags a copy of the visit's event beside it; its mailbox id and event id."""
    visit = company.visit()
    mailbox_id = visit.technician.mailbox_id
    copied = await company.control_graph("/copy-event", mailbox_id=mailbox_id, event_id=visit.event_id)
    return mailbox_id, copied.json()["id"]


@pytest.mark.parametrize("keeps_marks", [True, False], ids=["marked", "unmarked"])
@pytest.mark.parametrize("seconds_late", [0.1, 60], ids=["told-before", "told-after"])
async def test_a_copy_that_the_former_technician_keeps_survives_the_reassignment(
    seconds_late: float, keeps_marks: bool
) -> None:
    company = await Company.open(FORMER, NEW, copy_keeps_marks=keeps_marks, delay_seconds=seconds_late)
    visit, new = company.visit(), company.technicians[1]
    copy = await copy_event(company)
    company.clock.advance(10)
    await company.settle(limit=timedelta(seconds=10))
    await company.assign(visit, new)
    await company.settle()
    await company.run_timers(timedelta(hours=1))
    assert starts_at(await company.read_event(*copy)) == visit.start_at
    row = await company.row(visit.booking_id)
    assert starts_at(await company.read_event(new.mailbox_id, row["bks_eventid"])) == visit.start_at
    await company.assert_at_rest()


@pytest.mark.parametrize(
    "seconds_late",
    [
        0.1,
        60,
    ],
    ids=["told-before", "told-after"],
)
async def test_a_copy_survives_also_when_the_former_technician_edits_it_later(seconds_late: float) -> None:
    company = await Company.open(FORMER, NEW, delay_seconds=seconds_late)
    copy = await copy_event(company)
    await company.settle(limit=timedelta(seconds=10))
    await company.assign(company.visit(), company.technicians[1])
    await company.settle()
    await company.patch_event(*copy, {"subject": "My notes on that visit"})
    await company.settle()
    answer = await company.person.get(event_path(*copy))
    assert answer.status_code == 200
