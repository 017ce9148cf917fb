"""Graph sends the last page of a calendar's round for ever: the sweep ends all the same, and nobody else suffers."""

from datetime import timedelta

from sync.core.errors import EndlessRound
from sync.service.disposal import replay
from tests.tenant import Tenant

HOUR = timedelta(hours=1)


async def test_a_round_without_end_is_one_dead_letter_and_the_other_mailboxes_are_swept() -> None:
    tenant = Tenant(switches={"lose": 1.0})
    tenant.sync_only(3, 4)
    await tenant.start()
    stuck, well = tenant.visit(), tenant.visit(tenant.sample.technicians[4])
    mailbox_id = stuck.technician.mailbox_id
    tenant.switch(delta_endless=[mailbox_id])
    for visit in (stuck, well):
        await tenant.move_event(visit)
    cursor = await tenant.state.find_cursor(mailbox_id)
    for _ in range(2):
        await tenant.sweep()
        await tenant.settle()
    assert await tenant.booking_start(well) == well.start_at + HOUR
    assert await tenant.booking_start(stuck) == stuck.start_at
    assert await tenant.state.find_cursor(mailbox_id) == cursor
    (letter,) = tenant.letters.letters.values()
    assert (letter.error_class, letter.mailbox_id) == ("EndlessRound", mailbox_id)
    assert letter.mend == EndlessRound.mend
    assert [entry.mailbox_id for entry in tenant.entries("buried")] == [mailbox_id] * 2

    tenant.switch(delta_endless=False)
    await replay(letter, tenant.ports)
    await tenant.settle()
    assert await tenant.booking_start(stuck) == stuck.start_at + HOUR
    assert not tenant.letters.letters
    await tenant.assert_converged()


async def test_push_goes_on_where_no_sweep_comes_to_its_end() -> None:
    tenant = await Tenant.small(delta_endless=True)
    visit = tenant.visit()
    await tenant.move_event(visit)
    await tenant.settle()
    assert await tenant.booking_start(visit) == visit.start_at + HOUR


async def test_a_few_calls_are_the_price_of_a_round_without_end() -> None:
    tenant = await Tenant.small(lose=1.0)
    tenant.switch(delta_endless=True)
    await tenant.move_event(tenant.visit())
    await tenant.sweep()
    await tenant.settle()
    assert tenant.graph_calls["calendarView.delta"] == 8, "four pages of the delta round, four of a full one"
