"""Conflicts are listed with both values, and the side that lost can be taken: once, and not behind anybody's back."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sync.core.conflicts import Conflict, Side, Taking
from sync.core.errors import ServiceUnavailable
from sync.core.reconcile import Winner
from sync.core.sides import TimeSpan
from sync.service.conflicts import TAKING, NotTaken, list_conflicts, take_other_side
from sync.service.journal_memory import JOURNAL_MEMORY
from sync.service.overwriting import OVERWRITING
from tests.tenant import Tenant

HOUR = timedelta(hours=1)
IN_OUTLOOK, IN_DYNAMICS = 2 * HOUR, 4 * HOUR

both_directions = pytest.mark.parametrize("winner", [Winner.DYNAMICS, Winner.OUTLOOK])


async def tenant_in_conflict(winner: Winner = Winner.DYNAMICS) -> Tenant:
    """Dispatcher and technician move the first visit to different times before the app looks at it."""
    tenant = Tenant()
    tenant.sync_only(3)
    tenant.rules = replace(tenant.rules, policy=replace(tenant.rules.policy, conflict_winner=winner))
    await tenant.start()
    await move_booking(tenant, IN_DYNAMICS)
    await tenant.move_event(tenant.visit(), by=IN_OUTLOOK)
    await tenant.settle()
    return tenant


async def move_booking(tenant: Tenant, by: timedelta) -> None:
    visit = tenant.visit()
    times = {"starttime": visit.start_at + by, "endtime": visit.end_at + by}
    await tenant.patch_booking(visit, **{name: f"{at:%Y-%m-%dT%H:%M:%SZ}" for name, at in times.items()})


def span(tenant: Tenant, by: timedelta) -> TimeSpan:
    visit = tenant.visit()
    return TimeSpan(start_at=visit.start_at + by, end_at=visit.end_at + by)


async def both_starts(tenant: Tenant) -> tuple[timedelta, timedelta]:
    """How far from the plan the visit is now: in Dynamics, in Outlook."""
    visit = tenant.visit()
    event = await tenant.event(visit)
    assert event is not None
    in_outlook = datetime.fromisoformat(f"{event['start']['dateTime'][:19]}+00:00")
    return await tenant.booking_start(visit) - visit.start_at, in_outlook - visit.start_at


async def conflicts(tenant: Tenant, **narrowed: object) -> list[Conflict]:
    return [one async for one in list_conflicts(tenant.ports, **narrowed)]  # type: ignore[arg-type]


async def take(tenant: Tenant) -> Taking:
    (conflict,) = await conflicts(tenant, is_open=False)
    return await take_other_side(conflict.conflict_id, tenant.ports, tenant.rules)


@both_directions
async def test_a_conflict_is_listed_once_with_both_values_and_who_won(winner: Winner) -> None:
    tenant = await tenant_in_conflict(winner)
    (conflict,) = await conflicts(tenant)
    (told,) = tenant.entries(OVERWRITING)
    stands, lost = (IN_DYNAMICS, IN_OUTLOOK) if winner is Winner.DYNAMICS else (IN_OUTLOOK, IN_DYNAMICS)
    assert conflict.winner == winner.value
    assert (conflict.stands, conflict.lost) == (span(tenant, stands), span(tenant, lost))
    assert conflict.reason == "both-sides-moved"
    assert conflict.correlation_id == told.correlation_id
    assert (conflict.mailbox_id, conflict.booking_id, conflict.event_id) == (
        tenant.technician.mailbox_id,
        tenant.visit().booking_id,
        tenant.visit().event_id,
    )
    assert await conflicts(tenant, mailbox_id=tenant.technician.mailbox_id) == [conflict]
    assert await conflicts(tenant, booking_id=conflict.booking_id) == [conflict]
    assert not await conflicts(tenant, booking_id="another")


@both_directions
async def test_taking_the_other_side_brings_both_to_the_value_that_lost(winner: Winner) -> None:
    """Whichever side lost: booking and event agree on its value in the end, no mail is sent, and there is rest."""
    tenant = await tenant_in_conflict(winner)
    lost = IN_OUTLOOK if winner is Winner.DYNAMICS else IN_DYNAMICS
    assert await take(tenant) is Taking.TAKEN
    await tenant.settle()
    assert await both_starts(tenant) == (lost, lost)
    (conflict,) = await conflicts(tenant, is_open=False)
    assert conflict.taken_at is not None
    assert not await conflicts(tenant), "a conflict that was taken is none any more"
    (told,) = tenant.entries(TAKING)
    assert told.correlation_id == conflict.correlation_id, "one story"
    assert told.before.startswith(f"{conflict.stands.start_at:%Y-%m-%d %H:%M}")
    assert told.after.startswith(f"{conflict.lost.start_at:%Y-%m-%d %H:%M}")
    await tenant.assert_converged()


@both_directions
async def test_taking_it_again_changes_nothing(winner: Winner) -> None:
    """A second click before the event has followed, and one after, find it done."""
    tenant = await tenant_in_conflict(winner)
    assert await take(tenant) is Taking.TAKEN
    assert await take(tenant) is Taking.UNDER_WAY
    await tenant.settle()
    before = await both_starts(tenant)
    tenant.forget_costs()
    assert await take(tenant) is Taking.ALREADY
    await tenant.settle()
    assert await both_starts(tenant) == before
    assert not tenant.app_writes
    assert not tenant.entries(TAKING)


@both_directions
@pytest.mark.parametrize("side", list(Side))
async def test_it_is_not_taken_when_either_side_was_changed_since(winner: Winner, side: Side) -> None:
    tenant = await tenant_in_conflict(winner)
    if side is Side.DYNAMICS:
        await move_booking(tenant, 6 * HOUR)
    else:
        await tenant.move_event(tenant.visit(), by=6 * HOUR)
    what = "booking" if side is Side.DYNAMICS else "event"
    with pytest.raises(NotTaken, match=f"The {what} was moved since, to {span(tenant, 6 * HOUR).start_at:%Y-%m-%d}"):
        await take(tenant)
    assert not tenant.entries(TAKING)
    await tenant.settle()
    assert await both_starts(tenant) == (6 * HOUR, 6 * HOUR)
    with pytest.raises(NotTaken, match="was moved since"):
        await take(tenant)


async def test_a_dispatcher_who_writes_between_look_and_write_is_not_overwritten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The write is conditional on the state that was judged."""
    tenant = await tenant_in_conflict()
    bookings = tenant.ports.bookings
    update = bookings.update_booking

    async def too_late(*args: object, **fields: object) -> object:
        await move_booking(tenant, 6 * HOUR)
        return await update(*args, **fields)  # type: ignore[arg-type]

    monkeypatch.setattr(bookings, "update_booking", too_late)
    with pytest.raises(NotTaken, match="The booking was moved since"):
        await take(tenant)
    monkeypatch.undo()
    await tenant.settle()
    assert await both_starts(tenant) == (6 * HOUR, 6 * HOUR)


@pytest.mark.parametrize(("status", "why"), [("Completed", "completed"), ("Canceled", "cancelled")])
async def test_a_visit_that_is_over_keeps_its_hours(status: str, why: str) -> None:
    tenant = await tenant_in_conflict()
    await tenant.set_status(tenant.visit(), status)
    with pytest.raises(NotTaken, match=why):
        await take(tenant)


async def test_it_is_not_taken_where_the_event_would_not_follow() -> None:
    """The mailbox is set aside: booking and event would stay apart."""
    tenant = await tenant_in_conflict()
    await tenant.set_access(tenant.technician, "denied")
    await tenant.sweep(tenant.technician.mailbox_id)
    await tenant.settle(limit=timedelta(minutes=1))
    with pytest.raises(NotTaken, match="no event that could follow"):
        await take(tenant)
    assert await tenant.booking_start(tenant.visit()) == tenant.visit().start_at + IN_DYNAMICS


async def test_a_conflict_that_nobody_heard_of_is_refused() -> None:
    tenant = await Tenant.small()
    with pytest.raises(NotTaken, match="no such conflict"):
        await take_other_side("0" * 12, tenant.ports, tenant.rules)


async def test_a_taking_that_dies_after_its_write_is_finished_by_asking_again() -> None:
    """The booking has the value, the queue could not be written: the second request sends the event after it."""
    tenant = await tenant_in_conflict()
    tenant.switch_dataverse(webhook_lose=1.0)
    tenant.queue.fail_next("put", ServiceUnavailable("storage is away"))
    with pytest.raises(ServiceUnavailable):
        await take(tenant)
    assert await take(tenant) is Taking.UNDER_WAY
    await tenant.settle()
    assert await both_starts(tenant) == (IN_OUTLOOK, IN_OUTLOOK)


async def test_conflicts_are_kept_as_long_as_the_journal() -> None:
    tenant = await tenant_in_conflict()
    (old,) = await conflicts(tenant)
    tenant.clock.advance((JOURNAL_MEMORY + HOUR).total_seconds())
    await tenant.journal.save_conflict(replace(old, conflict_id="newer", at=tenant.clock.now()))
    await tenant.journal.prune_conflicts(tenant.clock.now() - JOURNAL_MEMORY)
    assert [one.conflict_id for one in await conflicts(tenant)] == ["newer"]
