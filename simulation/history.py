"""What befalls a tenant in one history: what people do, what goes wrong and when. All of it is data.

`simulation.planning` draws it from a seed. Every act and every trouble carries its own choices, so that a history from
which others are left out means the same. Seconds count from the beginning of the history.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

TECHNICIANS = 3
"""Whose mailboxes are kept in sync, with two visits each at the beginning."""

VISITS_EACH = 2

VISITS = VISITS_EACH * TECHNICIANS
"""Numbered technician by technician."""

NOBODY = TECHNICIANS
"""The number of the technician who has no mailbox."""


class Deed(StrEnum):
    """What a person does. The dispatcher works in Dynamics, technicians in Outlook."""

    BOOK = "books a visit"
    BOOK_TWICE = "books two visits for one event that is there"
    MOVE_BOOKING = "moves a booking"
    REASSIGN = "gives a booking to somebody else"
    CANCEL = "cancels a booking"
    REOPEN = "opens a booking again"
    COMPLETE = "completes a booking"
    DELETE_BOOKING = "deletes a booking"
    RENAME = "renames a booking"
    DESCRIBE = "describes a work order anew"
    MOVE_EVENT = "moves an event"
    DELETE_EVENT = "deletes an event"
    CLEAR_WEEK = "deletes every event"
    RETITLE = "gives an event another subject"
    NOTE = "writes a note into an event"
    REPEAT = "makes an event a series"
    SINGLE_OUT = "makes a series a single event"
    ALL_DAY = "makes an event last all day"
    COPY = "copies an event"
    MOVE_COPY = "moves a copy of an event"
    PASTE = "cuts an event out and pastes it elsewhere"
    FILE = "files an event in another calendar"
    ENTER = "enters a private event"
    MOVE_PRIVATE = "moves a private event"


class Ill(StrEnum):
    """What may go wrong. Most last for a while, and befall each operation meanwhile with a chance of their own."""

    NOTIFICATIONS_LOST = "notifications are lost"
    NOTIFICATIONS_LATE = "notifications come late"
    NOTIFICATIONS_TWICE = "notifications come twice"
    WEBHOOKS_LOST = "webhooks are lost"
    WEBHOOKS_LATE = "webhooks come late"
    WEBHOOKS_TWICE = "webhooks come twice"
    DOOR_SHUT = "nobody answers at the door"
    QUEUE_DOWN = "the queue takes nothing"
    TABLES_DOWN = "the tables fail"
    GRAPH_THROTTLES = "Graph answers 429"
    GRAPH_FAILS = "Graph answers 503 and does nothing"
    GRAPH_FAILS_LATE = "Graph answers 503 and has done it"
    GRAPH_SILENT = "Graph does it and does not answer"
    GRAPH_GARBLED = "Graph answers what nobody can read"
    GRAPH_SLOW = "Graph takes its time"
    GRAPH_DENIES = "Graph does not accept a token"
    CREATES_CONFLICT = "Graph stores a new event and calls it a conflict"
    READS_STALE = "Graph's reads are old"
    READS_EMPTY = "Graph's reads find nothing"
    DATAVERSE_THROTTLES = "Dataverse answers 429"
    DATAVERSE_FAILS = "Dataverse answers 503 and does nothing"
    DATAVERSE_FAILS_LATE = "Dataverse answers 503 and has done it"
    DATAVERSE_SILENT = "Dataverse does it and does not answer"
    DATAVERSE_SLOW = "Dataverse takes its time"
    DATAVERSE_DENIES = "Dataverse does not accept a token"
    DELTA_EXPIRED = "Graph forgets its delta tokens"
    TRACKING_EXPIRED = "Dataverse forgets its delta tokens"
    SUBSCRIPTION_GONE = "a subscription vanishes"
    SUBSCRIPTION_REMOVED = "a subscription is removed with a word"
    SUBSCRIPTION_EXPIRES = "a subscription runs out"
    NOTIFICATIONS_MISSED = "Graph says that it missed some"
    REAUTHORIZATION = "Graph wants a subscription confirmed"
    MAILBOX_LOST = "a mailbox cannot be reached"
    CRASH = "a worker process dies"
    STALL = "a worker sleeps for minutes"
    BUG = "whoever handles a message stumbles over a bug"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that a person does. What it does not need, it carries in vain.

    `visit` below `VISITS` is one of the beginning; else the one that the act of number `visit - VISITS` booked.
    `technician` is to whom something goes, `hours` by how much something moves.
    """

    number: int
    at: float
    deed: Deed
    visit: int
    technician: int
    hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something goes wrong from `at` on, with this chance each time. `amount` is how many seconds late things are."""

    at: float
    lasts: float
    ill: Ill
    chance: float
    amount: float
    technician: int


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that is decided beforehand. What remains to chance while it is played comes from the seed, too.

    `graph` and `dataverse` are the switches of the simulators that stay as they are: the climate. `skew_seconds` is how
    far Dataverse's clock is ahead of the others, `clock_offsets` how far the instances' own are, in the order of their
    start. `choices` are settings of the app.
    """

    seed: int
    acts: tuple[Act, ...]
    troubles: tuple[Trouble, ...]
    sweeps: tuple[float, ...] = ()
    """When the timers happen to come round, besides their own times."""
    skew_seconds: float = 0.0
    instances: int = 1
    clock_offsets: tuple[float, ...] = ()
    graph: Mapping[str, Any] = field(default_factory=dict)
    dataverse: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lasts(self) -> float:
        """Seconds until the last person has acted and the last trouble is over."""
        ends = [act.at for act in self.acts] + [trouble.at + trouble.lasts for trouble in self.troubles]
        return max(ends, default=0.0)
