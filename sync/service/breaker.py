"""The deletion breaker: lets single deletions pass and holds a flood of them until a person has looked.

It guards twice: a sweep asks before it queues what seems to be gone, and each deletion asks before it is written, so
that a flood of notifications is held as well.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from sync.core.errors import BreakerHeld, Busy, PreconditionFailed, SyncError
from sync.core.mailboxes import Breaker
from sync.core.rules import Rules
from sync.core.sweeping import breaker_holds, is_linked_within, recent_passes, window_at
from sync.service.ports import Ports

logger = logging.getLogger(__name__)

RELEASE_PERIOD = timedelta(hours=1)
"""How long the breaker stays out of the way after a person released it."""

_SAVE_ATTEMPTS = 10


@asynccontextmanager
async def passing_deletion(mailbox_id: str, ports: Ports, rules: Rules) -> AsyncIterator[None]:
    """Let one deletion pass, made within; one that fails does not count. Raises `BreakerHeld`."""
    passed_at = await _pass(mailbox_id, ports, rules)
    try:
        yield
    except SyncError:
        await _take_back(mailbox_id, passed_at, ports)
        raise


async def _take_back(mailbox_id: str, passed_at: datetime, ports: Ports) -> None:
    try:
        await _change(
            mailbox_id,
            ports,
            lambda breaker: replace(breaker, passed_at=tuple(at for at in breaker.passed_at if at != passed_at)),
        )
    except SyncError as error:
        # The breaker counts one too many, which is the safe side; what went wrong with the deletion must be told.
        logger.info("A pass was not taken back: %s", error.reason, extra={"action": "breaker-contended"})


async def _pass(mailbox_id: str, ports: Ports, rules: Rules) -> datetime:
    """Remember that a deletion passes; answers the moment it is remembered by."""
    for _ in range(_SAVE_ATTEMPTS):
        now = ports.clock()
        breaker = await ports.state.find_breaker(mailbox_id) or Breaker(mailbox_id=mailbox_id)
        recent = recent_passes(breaker, now, rules.breaker)
        # The links are only counted once the number alone would hold: that takes a scan of the mailbox's events.
        if len(recent) >= rules.breaker.number:
            linked = await _count_links(mailbox_id, now, ports, rules)
            if breaker_holds(1, linked, breaker, now, rules.breaker):
                await hold(mailbox_id, ports, more=1)
                held = BreakerHeld(f"{len(recent)} deletions passed within {rules.breaker.period}; more are held.")
                held.mailbox_id = mailbox_id
                raise held
        try:
            await ports.state.save_breaker(replace(breaker, passed_at=(*recent, now)))
        except PreconditionFailed:
            continue  # Another worker let a deletion of this mailbox pass: count again.
        return now
    raise Busy("The breaker's row is contended.", retry_after_seconds=3)


async def hold(mailbox_id: str, ports: Ports, *, more: int = 0, total: int = 0) -> None:
    """Record that deletions are held, `more` than before or `total` in all; report it when it begins."""

    def held(breaker: Breaker) -> Breaker:
        return replace(breaker, held=total or breaker.held + more, held_since=breaker.held_since or ports.clock())

    before, after = await _change(mailbox_id, ports, held)
    if before.held_since is None:
        logger.error(
            "The breaker holds %d deletions in mailbox %s. Look at it; if they are meant: python -m sync release %s",
            after.held,
            mailbox_id,
            mailbox_id,
            extra={"action": "breaker-held", "mailbox_id": mailbox_id},
        )


async def clear(mailbox_id: str, ports: Ports) -> None:
    """Nothing is held any more: what a sweep had suspected is there again."""
    await _change(mailbox_id, ports, lambda breaker: replace(breaker, held=0, held_since=None))
    logger.info("The breaker of mailbox %s holds nothing any more.", mailbox_id, extra={"action": "breaker-cleared"})


async def release(mailbox_id: str, ports: Ports) -> Breaker:
    """Keep the breaker of one mailbox out of the way for an hour, because a person has looked."""
    until = ports.clock() + RELEASE_PERIOD
    _, released = await _change(
        mailbox_id,
        ports,
        lambda breaker: replace(breaker, passed_at=(), held_since=None, held=0, released_until=until),
    )
    return released


async def _change(mailbox_id: str, ports: Ports, change: Callable[[Breaker], Breaker]) -> tuple[Breaker, Breaker]:
    """Change the breaker's row whoever else writes it; answers it before and after. Raises `Busy`."""
    for _ in range(_SAVE_ATTEMPTS):
        before = await ports.state.find_breaker(mailbox_id) or Breaker(mailbox_id=mailbox_id)
        try:
            return before, await ports.state.save_breaker(change(before))
        except PreconditionFailed:
            continue
    raise Busy("The breaker's row is contended.", retry_after_seconds=3)


async def _count_links(mailbox_id: str, now: datetime, ports: Ports, rules: Rules) -> int:
    """The links that matter: those in the window. Visits long past would dilute the share."""
    window = window_at(now, rules.window)
    return sum([1 async for known in ports.state.list_known_events(mailbox_id) if is_linked_within(known, window)])
