"""Draws the history of a seed: what people do, what goes wrong and when.

Much is left to chance alone. But what an app gets wrong takes several things at one moment, which chance alone brings
about once in a thousand histories: so most rounds of acts hold a scene, deeds and a trouble that make each other worse.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from simulation.history import NOBODY, TECHNICIANS, VISITS, VISITS_EACH, Act, Deed, History, Ill, Trouble

_OFTEN = (Deed.MOVE_EVENT, Deed.MOVE_BOOKING, Deed.REASSIGN, Deed.BOOK, Deed.DELETE_EVENT, Deed.CANCEL)
_DEEDS = (*Deed, *_OFTEN, *_OFTEN)
_MOMENTS = (Ill.CRASH, Ill.BUG, Ill.DELTA_EXPIRED, Ill.TRACKING_EXPIRED)
"""Troubles that befall once, at a moment."""

_ILLS = tuple(ill for ill in Ill if ill is not Ill.READS_EMPTY)
"""Which may befall anybody at any time. Reads that find nothing come alone: see `_plan_emptiness`."""

_SHORTEST_ROUND, _LONGEST_ROUND = 20.0, 1500.0
_SHARE_OF_SCENES = 0.6
_SHARE_OF_EMPTINESS = 0.05
_LONGEST_CLOCK_OFFSET = 0.45
"""Seconds; two clocks differ by less than the margin that the app allows them."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """Deeds at one visit, one of each kind in turn and up to `apart` seconds apart, and troubles to choose one from.

    `begins` is between which seconds after the first deed the trouble does.
    """

    deeds: tuple[tuple[Deed, ...], ...]
    ills: tuple[Ill, ...]
    apart: float = 0.0
    begins: tuple[float, float] = (-1.0, 4.0)


_ANSWER_LOST = (Ill.GRAPH_FAILS_LATE, Ill.GRAPH_SILENT, Ill.GRAPH_GARBLED, Ill.CREATES_CONFLICT, Ill.CRASH)
_UNWANTED = (Deed.CANCEL, Deed.DELETE_BOOKING, Deed.REASSIGN)

_SCENES = (
    _Scene(((Deed.BOOK,),), _ANSWER_LOST),
    _Scene(((Deed.BOOK,), _UNWANTED), _ANSWER_LOST, apart=40.0),
    _Scene(((Deed.REASSIGN,), _UNWANTED), _ANSWER_LOST, apart=40.0),
    _Scene(
        ((Deed.REASSIGN,), (Deed.REASSIGN,)),
        (Ill.MAILBOX_LOST, Ill.GRAPH_FAILS, Ill.GRAPH_THROTTLES, Ill.GRAPH_SILENT, Ill.CRASH, Ill.STALL),
        apart=60.0,
    ),
    _Scene(((Deed.MOVE_BOOKING,), (Deed.MOVE_EVENT,)), (Ill.GRAPH_SLOW,), apart=12.0),
    _Scene(((Deed.DESCRIBE,), (Deed.NOTE,)), (Ill.GRAPH_SLOW,), apart=12.0),
    _Scene(
        ((Deed.MOVE_BOOKING,), (Deed.MOVE_EVENT,)),
        (Ill.GRAPH_SILENT, Ill.DATAVERSE_SILENT, Ill.CRASH),
        apart=3.0,
    ),
    _Scene(
        ((Deed.MOVE_EVENT,), (Deed.MOVE_BOOKING,)),
        (Ill.GRAPH_SILENT, Ill.DATAVERSE_SILENT, Ill.DATAVERSE_SLOW, Ill.CRASH),
        apart=6.0,
    ),
    _Scene(((*_UNWANTED, Deed.FILE),), (Ill.MAILBOX_LOST,), begins=(-2.0, 2.0)),
    _Scene(((Deed.PASTE,),), (Ill.NOTIFICATIONS_TWICE, Ill.NOTIFICATIONS_LOST, Ill.GRAPH_FAILS, Ill.CRASH)),
    _Scene(((Deed.BOOK_TWICE,),), (Ill.WEBHOOKS_LOST,), begins=(-3.0, -1.0)),
)

_OUTLOOK_ALONE = (
    *(Deed.MOVE_EVENT, Deed.MOVE_EVENT, Deed.MOVE_EVENT, Deed.RETITLE, Deed.NOTE, Deed.ALL_DAY, Deed.REPEAT),
    *(Deed.SINGLE_OUT, Deed.ENTER, Deed.MOVE_PRIVATE),
)


def plan_history(seed: int) -> History:
    """The history of a seed. The same for ever, as long as this module stays as it is."""
    chance = Random(seed)
    acts, troubles = _plan_emptiness(chance) if chance.random() < _SHARE_OF_EMPTINESS else _plan_life(chance)
    instances = chance.choice((1, 2, 2, 3))
    return History(
        seed=seed,
        acts=acts,
        troubles=tuple(sorted(troubles, key=lambda trouble: trouble.at)),
        sweeps=tuple(
            max(0.0, chance.choice(acts).at + chance.uniform(-3.0, 6.0)) for _ in range(chance.choice((0, 0, 1, 1, 2)))
        ),
        skew_seconds=chance.choice((0.0, 0.0, 600.0, -600.0)),
        instances=instances,
        clock_offsets=tuple(
            round(chance.uniform(-_LONGEST_CLOCK_OFFSET, _LONGEST_CLOCK_OFFSET), 3) for _ in range(instances)
        ),
        **_plan_climate(chance),
    )


def _plan_climate(chance: Random) -> dict[str, dict[str, Any]]:
    """What the services leave open, and the settings of the app."""
    return {
        "graph": {
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
            "delta_replay": chance.random() < 0.3,
        },
        "dataverse": {
            "webhook_delete_pre_image": chance.random() < 0.5,
            "duplicate_key_status": chance.choice((412, 400)),
            "keep_fractions_of_seconds": chance.random() < 0.3,
        },
        "choices": {
            "settle_seconds": chance.choice((0.0, 3.0, 3.0)),
            "winner": chance.choice(("dynamics", "outlook", "latest")),
            "on_deletion": chance.choice(("cancel", "cancel", "delete")),
            "on_cancellation": chance.choice(("remove", "remove", "keep")),
            "breaker": chance.choice((2, 10)),
            "subject": chance.choice(("{number}", "{booking}")),
        },
    }


def _plan_life(chance: Random) -> tuple[tuple[Act, ...], list[Trouble]]:
    """Rounds of acts: within a round people are seconds apart, or less, and mostly at the same few visits."""
    acts: list[Act] = []
    troubles: list[Trouble] = []
    at = 5.0
    for _ in range(chance.choice((1, 1, 2, 2, 3))):
        if acts:
            at = acts[-1].at + chance.uniform(_SHORTEST_ROUND, _LONGEST_ROUND)
        if chance.random() < _SHARE_OF_SCENES:
            scene = chance.choice(_SCENES)
            played = list(_play(scene, chance, len(acts), at))
            acts += played
            begins, owner = played[0].at + chance.uniform(*scene.begins), played[0].visit // VISITS_EACH
            troubles.append(_trouble(chance, chance.choice(scene.ills), begins, owner))
        else:
            _do_anything(chance, acts, at)
    more = chance.choice((0, 0, 1, 1, 2, 3) if troubles else (0, 1, 1, 2, 2, 3, 4))
    nearby = [chance.choice(acts).at + chance.uniform(-15.0, 15.0) for _ in range(more)]
    return tuple(acts), [*troubles, *(_trouble(chance, chance.choice(_ILLS), at) for at in nearby)]


def _plan_emptiness(chance: Random) -> tuple[tuple[Act, ...], list[Trouble]]:
    """Technicians at work while Graph's reads find nothing, and nobody in Dynamics.

    Both witnesses of a deletion lie then. As long as nobody reports one, nothing may come of it; more is not promised.
    """
    acts: list[Act] = []
    at = 5.0
    favourite = chance.randrange(VISITS)
    for _ in range(chance.choice((1, 2, 3))):
        acts.append(_act(chance, len(acts), at, chance.choice(_OUTLOOK_ALONE), _near(chance, favourite)))
        at += chance.uniform(0.5, 90.0)
    begins = max(0.0, chance.choice(acts).at + chance.uniform(-5.0, 3.0))
    return tuple(acts), [_trouble(chance, Ill.READS_EMPTY, begins)]


def _play(scene: _Scene, chance: Random, number: int, at: float) -> Iterator[Act]:
    """The acts of a scene, numbered from `number` on: what was booked, or reassigned, is what follows is about."""
    visit = chance.randrange(VISITS)
    owner = visit // VISITS_EACH
    is_away = False
    for deeds in scene.deeds:
        deed = chance.choice(deeds)
        technician = owner
        if deed is Deed.REASSIGN and not (is_away and chance.random() < 0.7):
            technician, is_away = (owner + chance.choice((1, 2))) % TECHNICIANS, True
        yield Act(number=number, at=at, deed=deed, visit=visit, technician=technician, hours=_hours(chance))
        if deed is Deed.BOOK:
            visit = VISITS + number
        number += 1
        at += chance.uniform(0.0, scene.apart)


def _do_anything(chance: Random, acts: list[Act], at: float) -> None:
    """Add a round in which people are seconds apart, or less, and mostly at the same visit."""
    favourite = chance.randrange(VISITS)
    for _ in range(chance.choice((1, 2, 2, 3, 4, 6))):
        visit = _choose_visit(chance, favourite, acts)
        acts.append(_act(chance, len(acts), at, chance.choice(_DEEDS), visit))
        at += chance.choice((0.0, 0.1, 0.5, 2.0, 5.0, 12.0)) * chance.uniform(0.5, 1.5)


def _act(chance: Random, number: int, at: float, deed: Deed, visit: int) -> Act:
    technician = chance.choice((0, 1, 2, 0, 1, 2, NOBODY))
    return Act(number=number, at=at, deed=deed, visit=visit, technician=technician, hours=_hours(chance))


def _hours(chance: Random) -> float:
    return chance.choice((-3.0, -1.0, -0.5, 0.5, 1.0, 2.0, 24.0))


def _choose_visit(chance: Random, favourite: int, acts: Sequence[Act]) -> int:
    booked = [VISITS + act.number for act in acts if act.deed is Deed.BOOK]
    return chance.choice(booked) if booked and chance.random() < 0.5 else _near(chance, favourite)


def _near(chance: Random, favourite: int) -> int:
    return favourite if chance.random() < 0.75 else chance.randrange(VISITS)


def _trouble(chance: Random, ill: Ill, at: float, technician: int | None = None) -> Trouble:
    """`technician` is whom it befalls, if it is one's own trouble; None for anybody."""
    return Trouble(
        at=max(0.0, at),
        lasts=0.0 if ill in _MOMENTS else chance.choice((5.0, 30.0, 120.0, 900.0)),
        ill=ill,
        chance=chance.choice((0.3, 0.7, 1.0)),
        amount=chance.choice((20.0, 120.0, 900.0, 5400.0)),
        technician=chance.randrange(TECHNICIANS) if technician is None else technician,
    )
