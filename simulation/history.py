"""What befalls a tenant in one history: what people do, what goes wrong and when. All of it is data, from one seed.

Every act and every trouble carries its own choices, so that a history from which others are left out means the same.
Seconds count from the beginning of the history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any

TECHNICIANS = 3
"""Whose mailboxes are kept in sync, with two visits each at the beginning."""

VISITS = 2 * TECHNICIANS

NOBODY = TECHNICIANS
"""The number of the technician who has no mailbox."""


class Deed(StrEnum):
    """What a person does. The dispatcher works in Dynamics, technicians in Outlook."""

    BOOK = "books a visit"
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
    READS_STALE = "Graph's reads are old"
    DATAVERSE_THROTTLES = "Dataverse answers 429"
    DATAVERSE_FAILS = "Dataverse answers 503 and does nothing"
    DATAVERSE_FAILS_LATE = "Dataverse answers 503 and has done it"
    DATAVERSE_SILENT = "Dataverse does it and does not answer"
    DELTA_EXPIRED = "Graph forgets its delta tokens"
    TRACKING_EXPIRED = "Dataverse forgets its delta tokens"
    SUBSCRIPTION_GONE = "a subscription vanishes"
    SUBSCRIPTION_REMOVED = "a subscription is removed with a word"
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
    far Dataverse's clock is ahead of the others. `choices` are settings of the app.
    """

    seed: int
    acts: tuple[Act, ...]
    troubles: tuple[Trouble, ...]
    sweeps: tuple[float, ...] = ()
    """When the timers happen to come round, besides their own times."""
    skew_seconds: float = 0.0
    instances: int = 1
    graph: Mapping[str, Any] = field(default_factory=dict)
    dataverse: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lasts(self) -> float:
        """Seconds until the last person has acted and the last trouble is over."""
        ends = [act.at for act in self.acts] + [trouble.at + trouble.lasts for trouble in self.troubles]
        return max(ends, default=0.0)


_OFTEN = (Deed.MOVE_EVENT, Deed.MOVE_BOOKING, Deed.REASSIGN, Deed.BOOK, Deed.DELETE_EVENT, Deed.CANCEL)
_DEEDS = (*Deed, *_OFTEN, *_OFTEN)
_MOMENTS = (Ill.CRASH, Ill.BUG, Ill.DELTA_EXPIRED, Ill.TRACKING_EXPIRED)
"""Troubles that befall once, at a moment."""

_SHORTEST_ROUND, _LONGEST_ROUND = 20.0, 1500.0


def plan_history(seed: int) -> History:
    """The history of a seed. The same for ever, as long as this module stays as it is."""
    chance = Random(seed)
    acts = _plan_acts(chance)
    return History(
        seed=seed,
        acts=acts,
        troubles=_plan_troubles(chance, acts),
        sweeps=tuple(
            max(0.0, chance.choice(acts).at + chance.uniform(-3.0, 6.0)) for _ in range(chance.choice((0, 0, 1, 1, 2)))
        ),
        skew_seconds=chance.choice((0.0, 0.0, 600.0, -600.0)),
        instances=chance.choice((1, 2)),
        graph={
            "burst": chance.choice((1, 2, "random")),
            "repeat": chance.choice((0.0, 0.1)),
            "batch": chance.random() < 0.5,
            "deleted_with_updated": chance.random() < 0.3,
            "notification_etag": chance.choice(("same", "other")),
            "extension_write_notifies": chance.random() < 0.5,
            "move_notifies": chance.choice(("deleted+created", "updated")),
            "events_cover_all_calendars": chance.random() < 0.3,
            "deleted_get": chance.choice(("404", "200")),
            "if_match": chance.choice(("ignore", "enforce")),
            "transaction_id": chance.choice(("always", "while_it_lives", "never")),
            "extensions_when_none": chance.choice(("absent", "empty")),
            "copy_keeps_marks": chance.random() < 0.7,
        },
        dataverse={
            "webhook_delete_pre_image": chance.random() < 0.5,
            "duplicate_key_status": chance.choice((412, 400)),
            "keep_fractions_of_seconds": chance.random() < 0.3,
        },
        choices={
            "settle_seconds": chance.choice((0.0, 3.0, 3.0)),
            "winner": chance.choice(("dynamics", "outlook", "latest")),
            "on_deletion": chance.choice(("cancel", "cancel", "delete")),
            "on_cancellation": chance.choice(("remove", "remove", "keep")),
            "breaker": chance.choice((2, 10)),
        },
    )


def _plan_acts(chance: Random) -> tuple[Act, ...]:
    """Rounds of acts: within a round people are seconds apart, or less, and mostly at the same few visits."""
    acts: list[Act] = []
    at = 0.0
    for _ in range(chance.choice((1, 1, 2, 2, 3))):
        at += chance.uniform(_SHORTEST_ROUND, _LONGEST_ROUND) if acts else 1.0
        favourite = chance.randrange(VISITS)
        for _ in range(chance.choice((1, 2, 2, 3, 4, 6))):
            acts.append(
                Act(
                    number=len(acts),
                    at=at,
                    deed=chance.choice(_DEEDS),
                    visit=_choose_visit(chance, favourite, acts),
                    technician=chance.choice((0, 1, 2, 0, 1, 2, NOBODY)),
                    hours=chance.choice((-3.0, -1.0, -0.5, 0.5, 1.0, 2.0, 24.0)),
                )
            )
            at += chance.choice((0.0, 0.1, 0.5, 2.0, 5.0, 12.0)) * chance.uniform(0.5, 1.5)
    return tuple(acts)


def _choose_visit(chance: Random, favourite: int, acts: Sequence[Act]) -> int:
    booked = [VISITS + act.number for act in acts if act.deed is Deed.BOOK]
    if booked and chance.random() < 0.5:
        return chance.choice(booked)
    return favourite if chance.random() < 0.75 else chance.randrange(VISITS)


def _plan_troubles(chance: Random, acts: Sequence[Act]) -> tuple[Trouble, ...]:
    """None to four, mostly where people are at work."""
    troubles = []
    for _ in range(chance.choice((0, 1, 1, 2, 2, 3, 4))):
        ill = chance.choice(tuple(Ill))
        near = chance.choice(acts).at
        begins = max(0.0, near + chance.uniform(-15.0, 15.0))
        lasts = 0.0 if ill in _MOMENTS else chance.choice((5.0, 30.0, 120.0, 900.0))
        troubles.append(
            Trouble(
                at=begins,
                lasts=lasts,
                ill=ill,
                chance=chance.choice((0.3, 0.7, 1.0)),
                amount=chance.choice((20.0, 120.0, 900.0, 5400.0)),
                technician=chance.randrange(TECHNICIANS),
            )
        )
    return tuple(sorted(troubles, key=lambda trouble: trouble.at))
