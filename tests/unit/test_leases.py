"""How long an item waits whose event another worker holds, and what becomes of a worker that outslept its lease."""

from dataclasses import replace
from datetime import timedelta

import pytest

from sync.core.coalescing import Timing
from sync.core.errors import Busy
from sync.core.memory import KnownBooking, KnownEvent
from sync.service.leases import BUSY_DELAY_SECONDS, give_back_booking, lease_booking, lease_event
from tests.tenant import Tenant

LEASE = Timing().lease


@pytest.mark.parametrize(
    ("held_for", "wait"),
    [
        pytest.param(timedelta(), BUSY_DELAY_SECONDS, id="just begun"),
        pytest.param(timedelta(seconds=40), 40.0, id="held for long: ever more seldom"),
        pytest.param(LEASE - timedelta(seconds=10), 10.0, id="no longer than it lasts"),
        pytest.param(LEASE - timedelta(seconds=1), BUSY_DELAY_SECONDS, id="about to end"),
    ],
)
async def test_who_has_held_an_event_for_long_is_asked_ever_more_seldom(held_for: timedelta, wait: float) -> None:
    """Found by a history (seed 26), in which a dead worker was waited for at the price of a read all three seconds."""
    tenant = Tenant()
    now = tenant.clock.now()
    known = KnownEvent(mailbox_id="m", event_id="e", leased_by="another", leased_until=now + LEASE - held_for)
    with pytest.raises(Busy) as caught:
        await lease_event(known, "us", now, tenant.ports, tenant.rules)
    assert caught.value.retry_after_seconds == wait


async def test_a_booking_that_another_worker_has_had_meanwhile_is_marked_as_unfinished() -> None:
    tenant = Tenant()
    now, ports, rules = tenant.clock.now(), tenant.ports, tenant.rules
    ours = await lease_booking(KnownBooking(booking_id="b"), "us", now, ports, rules)
    theirs = await lease_booking(ours, "another", now + LEASE, ports, rules)
    await ports.state.save_known_booking(replace(theirs, is_unfinished=False, etags=("1",)))
    await give_back_booking(ours, ports)
    known = await ports.state.find_known_booking("b")
    assert known is not None
    assert known.is_unfinished
    assert (known.etags, known.leased_by) == (("1",), "another")
