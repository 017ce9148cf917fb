"""The deletion breaker: lets single deletions pass and holds a flood of them until a person has looked.

It guards twice: a sweep asks before it queues what seems to be gone, and each deletion asks before it is written, so
that a flood of notifications is held as well.
"""

import logging
from dataclasses import replace
from datetime import timedelta

from sync.core.errors import BreakerHeld, PreconditionFailed
from sync.core.model import Breaker, Standing
from sync.core.sweeping import BreakerPolicy, breaker_holds, recent_passes
from sync.service.ports import Ports

logger = logging.getLogger(__name__)

RELEASE_PERIOD = timedelta(hours=1)
"""How long the breaker stays out of the way after a person released it."""

_SAVE_ATTEMPTS = 5


async def pass_deletion(mailbox_id: str, ports: Ports, policy: BreakerPolicy) -> None:
    """Let one deletion pass and remember that it did. Raises `BreakerHeld`."""
    for _ in range(_SAVE_ATTEMPTS):
        now = ports.clock()
        breaker = await ports.state.find_breaker(mailbox_id) or Breaker(mailbox_id=mailbox_id)
        recent = recent_passes(breaker, now, policy)
        # The links are only counted once the number alone would hold: that takes a scan of the mailbox's events.
        if len(recent) >= policy.number and breaker_holds(
            1, await _count_links(mailbox_id, ports), breaker, now, policy
        ):
            await hold(replace(breaker, held=breaker.held + 1), ports)
            raise BreakerHeld(f"{len(recent)} deletions passed within {policy.period}; more are held.")
        try:
            await ports.state.save_breaker(replace(breaker, passed_at=(*recent, now)))
        except PreconditionFailed:
            continue  # Another worker let a deletion of this mailbox pass: count again.
        return
    raise PreconditionFailed("The breaker's row is contended.", retry_after_seconds=1)


async def hold(breaker: Breaker, ports: Ports) -> None:
    """Record and report that deletions are held. Losing the race to record it is harmless: somebody else just did."""
    if breaker.held_since is None:
        logger.error(
            "The breaker holds %d deletions in mailbox %s. Look at it; if they are meant: python -m sync release %s",
            breaker.held,
            breaker.mailbox_id,
            breaker.mailbox_id,
            extra={"action": "breaker-held", "mailbox_id": breaker.mailbox_id},
        )
    try:
        await ports.state.save_breaker(replace(breaker, held_since=breaker.held_since or ports.clock()))
    except PreconditionFailed:
        logger.info("The breaker's row was written by another worker.", extra={"action": "breaker-held"})


async def release(mailbox_id: str, ports: Ports) -> Breaker:
    """Keep the breaker of one mailbox out of the way for an hour, because a person has looked."""
    breaker = await ports.state.find_breaker(mailbox_id) or Breaker(mailbox_id=mailbox_id)
    until = ports.clock() + RELEASE_PERIOD
    return await ports.state.save_breaker(replace(breaker, passed_at=(), held_since=None, held=0, released_until=until))


async def _count_links(mailbox_id: str, ports: Ports) -> int:
    return sum([1 async for known in ports.state.list_known_events(mailbox_id) if known.standing is Standing.LINKED])
