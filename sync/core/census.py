"""What there is of everything that can be large, counted now and then rather than for each look at it."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Counts of the whole, and the ids of the few that a person should look at, cut where they are many.

    `subscriptions` counts by standing and `letters` by error class. Ids are of mailboxes: `expiring` by when their
    subscription ends, the next first; `troubled` have a subscription that is not active; `holding` a breaker that
    holds deletions.
    """

    taken_at: datetime
    subscriptions: dict[str, int] = field(default_factory=dict)
    expiring: tuple[str, ...] = ()
    troubled: tuple[str, ...] = ()
    quarantined: int = 0
    holding: tuple[str, ...] = ()
    held: int = 0
    letters: dict[str, int] = field(default_factory=dict)
