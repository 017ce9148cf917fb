"""`subscriptions`: each mailbox's subscription, and what keeps those that are not well from being so."""

import argparse
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from sync import bootstrap
from sync.commands.printing import as_text, nothing, print_item
from sync.core.mailboxes import SubscriptionStanding
from sync.core.work_items import Source
from sync.service.board import read_mailboxes
from sync.service.ports import Ports

ENDED = "ended"
"""The standing of a subscription that was active and whose time is over."""

SET_ASIDE = "set-aside"
"""The standing of a mailbox that the app does not work in: it has no subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is told of one mailbox."""

    mailbox_id: str
    standing: str
    expires_at: datetime | None = None
    last_notified_at: datetime | None = None
    failures: int = 0
    reason: str = ""


async def subscriptions(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    """Page after page as it is read, so that ten thousand of them begin at once."""
    lines = _troubled(shop.ports) if options.troubled else _all(shop.ports)
    count = 0
    async for line in lines:
        _print(options, line)
        count += 1
    if count:
        return 0
    return nothing("No mailbox is in trouble." if options.troubled else "There are no subscriptions.")


async def _all(ports: Ports) -> AsyncIterator[Line]:
    """Every mailbox that has, or should have, a subscription; those that are set aside come last."""
    now, after = ports.clock(), ""
    while True:
        page = await read_mailboxes(ports, after)
        for row in page.rows:
            record = row.record
            yield Line(
                mailbox_id=record.mailbox_id,
                standing=_standing(record.standing, record.expires_at, now),
                expires_at=record.expires_at,
                last_notified_at=row.last_notified_at,
                failures=record.failures,
                reason=record.reason,
            )
        if page.following is None:
            break
        after = page.following
    async for line in _set_aside(ports):
        yield line


async def _troubled(ports: Ports) -> AsyncIterator[Line]:
    """Those alone that are not well; when they were last notified is read for them only."""
    now = ports.clock()
    async for record in ports.state.list_subscription_records():
        standing = _standing(record.standing, record.expires_at, now)
        if standing == SubscriptionStanding.ACTIVE:
            continue
        newest = await ports.journal.find_newest(record.mailbox_id, Source.PUSH)
        yield Line(
            mailbox_id=record.mailbox_id,
            standing=standing,
            expires_at=record.expires_at,
            last_notified_at=newest.received_at if newest else None,
            failures=record.failures,
            reason=record.reason,
        )
    async for line in _set_aside(ports):
        yield line


async def _set_aside(ports: Ports) -> AsyncIterator[Line]:
    async for quarantine in ports.state.list_quarantines():
        yield Line(mailbox_id=quarantine.mailbox_id, standing=SET_ASIDE, reason=quarantine.reason)


def _standing(standing: SubscriptionStanding, expires_at: datetime | None, now: datetime) -> str:
    is_over = standing is SubscriptionStanding.ACTIVE and expires_at is not None and expires_at <= now
    return ENDED if is_over else standing


def _print(options: argparse.Namespace, line: Line) -> None:
    ends = f"ends {as_text(line.expires_at)}" if line.expires_at else ""
    heard = as_text(line.last_notified_at) if line.last_notified_at else "never"
    notified = "" if line.standing == SET_ASIDE else f"last notified {heard}"
    text = "  ".join(part for part in (line.mailbox_id, f"{line.standing:<9}", ends, notified) if part)
    failures = f" ({line.failures} failures)" if line.failures > 1 else ""
    reason = f"\n    {line.reason}{failures}" if line.reason else ""
    data = {name: getattr(line, name) for name in Line.__slots__}
    print_item(options, data, f"{text.rstrip()}{reason}")
