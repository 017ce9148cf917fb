"""Mailboxes that do not answer to us: set aside with their reason, probed ever more rarely, resumed by themselves.

Nothing is concluded about any event while its mailbox is quarantined. What was missed meanwhile is found by the full
sweep that ends a quarantine.
"""

import logging
from datetime import timedelta

from sync.core.errors import SyncError
from sync.core.mailboxes import Quarantine, QuarantineKind
from sync.service.ports import Ports

logger = logging.getLogger(__name__)

FIRST_PROBE = timedelta(minutes=15)
LONGEST_PROBE = timedelta(hours=24)


async def quarantine_mailbox(mailbox_id: str, error: SyncError, ports: Ports) -> None:
    """Set a mailbox aside, or wait longer for one that still does not answer."""
    now = ports.clock()
    earlier = await ports.state.find_quarantine(mailbox_id)
    if earlier is not None and earlier.kind is not QuarantineKind.UNREACHABLE:
        return
    probes = earlier.probes + 1 if earlier and earlier.probe_at <= now else (earlier.probes if earlier else 0)
    quarantine = Quarantine(
        mailbox_id=mailbox_id,
        reason=error.reason,
        since=earlier.since if earlier else now,
        probe_at=now + min(FIRST_PROBE * 2**probes, LONGEST_PROBE),
        probes=probes,
    )
    # Items are dropped from now on; a full round finds what they meant.
    await ports.state.delete_cursor(mailbox_id)
    await ports.state.save_quarantine(quarantine)
    if earlier is None:
        logger.error(
            "Mailbox %s is quarantined: %s. Nothing is cancelled; it is probed again at %s.",
            mailbox_id,
            error.reason,
            quarantine.probe_at.isoformat(timespec="minutes"),
            extra={"action": "quarantined", "mailbox_id": mailbox_id},
        )


async def lift_quarantine(mailbox_id: str, ports: Ports) -> bool:
    """Take a mailbox that answers back into work; whether it had been quarantined."""
    if await ports.state.find_quarantine(mailbox_id) is None:
        return False
    await ports.state.delete_quarantine(mailbox_id)
    logger.info(
        "Mailbox %s answers again and is out of quarantine.",
        mailbox_id,
        extra={"action": "quarantine-lifted", "mailbox_id": mailbox_id},
    )
    return True
