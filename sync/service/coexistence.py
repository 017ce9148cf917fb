"""Keeps out of mailboxes whose appointments Microsoft's own sync handles, since two syncs make two events of a visit.

A mailbox set up for server-side synchronization of appointments gets bookings from Field Service with no further step
(Field Service documentation, integrate bookings with Outlook calendars), so that setting alone is reason enough.
"""

import logging
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime

from sync.core.errors import AccessDenied
from sync.core.mailboxes import Quarantine, QuarantineKind
from sync.core.rules import Rules
from sync.core.work_items import MailboxJob
from sync.service.ports import Ports
from sync.service.sweeping import mailbox_task

logger = logging.getLogger(__name__)

MEND = (
    "Microsoft's own sync of appointments is on for this mailbox, and both would put the same visits into it. "
    'Switch one of them off: in the Power Platform admin center, the mailbox\'s "Appointments, contacts, and tasks" '
    "to None; or leave the mailbox out with MAILBOXES. ALLOW_MICROSOFT_SYNC=true overrides this."
)
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""Such a mailbox is not probed: it answers. It is taken back when Microsoft's sync has left it."""


async def keep_apart(wanted: AbstractSet[str], ports: Ports, rules: Rules) -> None:
    """Set aside those `wanted` mailboxes that Microsoft's sync handles, and take back into work those that it left.

    One that was left out with MAILBOXES, as `MEND` advises, is not taken back: nobody wants it in work. Raises
    `TransientError`. Without the right to read the mailbox table nothing is changed.
    """
    try:
        synced = set() if rules.allows_microsoft_sync else {one async for one in ports.bookings.list_microsoft_synced()}
    except AccessDenied as error:
        logger.warning("Microsoft's sync cannot be told: %s", error.reason, extra={"action": "coexistence-unknown"})
        return
    quarantines = {one.mailbox_id: one async for one in ports.state.list_quarantines()}
    for mailbox_id in sorted(synced & wanted):
        if (earlier := quarantines.get(mailbox_id)) is None or earlier.kind is QuarantineKind.UNREACHABLE:
            await _set_aside(mailbox_id, earlier, ports)
    for mailbox_id, quarantine in quarantines.items():
        if quarantine.kind is QuarantineKind.MICROSOFT_SYNC and mailbox_id in wanted and mailbox_id not in synced:
            await _take_back(mailbox_id, ports)


async def _set_aside(mailbox_id: str, earlier: Quarantine | None, ports: Ports) -> None:
    now = ports.clock()
    quarantine = Quarantine(
        mailbox_id=mailbox_id, reason=MEND, since=now, probe_at=_NEVER, kind=QuarantineKind.MICROSOFT_SYNC
    )
    await ports.state.delete_cursor(mailbox_id)
    await ports.state.save_quarantine(replace(quarantine, since=earlier.since) if earlier else quarantine)
    logger.error(
        "Mailbox %s is refused: %s", mailbox_id, MEND, extra={"action": "quarantined", "mailbox_id": mailbox_id}
    )


async def _take_back(mailbox_id: str, ports: Ports) -> None:
    await ports.state.delete_quarantine(mailbox_id)
    for job in (MailboxJob.SUBSCRIBE, MailboxJob.SWEEP):
        await ports.queue.put(mailbox_task(mailbox_id, job, ports, is_full=job is MailboxJob.SWEEP))
    logger.info(
        "Microsoft's sync has left mailbox %s: it is taken into work.",
        mailbox_id,
        extra={"action": "quarantine-lifted", "mailbox_id": mailbox_id},
    )
