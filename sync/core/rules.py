"""Everything the customer chose, in one value for the use cases."""

from dataclasses import dataclass, field

from sync.core.coalescing import Timing
from sync.core.content import Templates
from sync.core.reconcile import Policy
from sync.core.subscriptions import SubscriptionPolicy
from sync.core.sweeping import BreakerPolicy, WindowPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`mailboxes` narrows the sync to the listed Entra object ids; empty means every user resource's.

    `allows_microsoft_sync`: also work in mailboxes whose appointments Microsoft's own sync handles.
    `reads_answers`: bring attendees' answers to appointments into Dynamics.
    """

    subscriptions: SubscriptionPolicy
    templates: Templates
    policy: Policy = field(default_factory=Policy)
    timing: Timing = field(default_factory=Timing)
    window: WindowPolicy = field(default_factory=WindowPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    mailboxes: tuple[str, ...] = ()
    allows_microsoft_sync: bool = False
    reads_answers: bool = False

    def leaves_out(self, mailbox_id: str | None) -> bool:
        """Whether the customer lists mailboxes, and not this one."""
        return bool(self.mailboxes) and mailbox_id not in self.mailboxes
