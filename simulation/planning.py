"""Draws the history of a seed: what people do, what goes wrong and when.

Much is left to chance alone. But most rounds of acts hold a scene, deeds and troubles that make each other worse: see
`simulation.scenes`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from simulation.history import NOBODY, TECHNICIANS, VISITS, VISITS_EACH, Act, Deed, History, Ill, Trouble
from simulation.scenes import SCENES, Blow, Scene

_OFTEN = (Deed.MOVE_EVENT, Deed.MOVE_BOOKING, Deed.REASSIGN, Deed.BOOK, Deed.DELETE_EVENT, Deed.CANCEL)
_DEEDS = (*Deed, *_OFTEN, *_OFTEN)
_MOMENTS = (Ill.CRASH, Ill.BUG, Ill.DELTA_EXPIRED, Ill.TRACKING_EXPIRED)
"""Troubles that befall once, at a moment."""

_ILLS = tuple(ill for ill in Ill if ill is not Ill.READS_EMPTY)
"""Which may befall anybody at any time. Reads that find nothing come alone: see `_plan_emptiness`."""

_SHORTEST_ROUND, _LONGEST_ROUND = 20.0, 1500.0
_SHARE_OF_SCENES = 0.75
_SHARE_OF_EMPTINESS = 0.05
_SHARE_OF_HASTE = 0.08
_LONGEST_CLOCK_OFFSET = 0.48
"""Seconds; two clocks differ by less than the margin that the app allows them."""

_OUTLOOK_ALONE = (
    *(Deed.MOVE_EVENT, Deed.MOVE_EVENT, Deed.MOVE_EVENT, Deed.RETITLE, Deed.NOTE, Deed.ALL_DAY, Deed.REPEAT),
    *(Deed.SINGLE_OUT, Deed.ENTER, Deed.MOVE_PRIVATE),
)


def plan_history(seed: int) -> History:
    """The history of a seed. The same for ever, as long as this module and its scenes stay as they are."""
    chance = Random(seed)
    climate = _plan_climate(chance)
    plan = _plan(chance, climate["choices"]["settle_seconds"])
    clock_offsets = _plan_clocks(chance, parted=plan.parts_clocks)
    return History(
        seed=seed,
        acts=tuple(plan.acts),
        troubles=tuple(sorted(plan.troubles, key=lambda trouble: trouble.at)),
        sweeps=tuple(plan.sweeps),
        skew_seconds=chance.choice((0.0, 0.0, 600.0, -600.0)),
        instances=len(clock_offsets),
        clock_offsets=clock_offsets,
        **climate,
    )


@dataclass(slots=True)
class _Plan:
    """What befalls whom, as far as it has been drawn."""

    acts: list[Act] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    sweeps: list[float] = field(default_factory=list)
    parts_clocks: bool = False


def _plan(chance: Random, settle_seconds: float) -> _Plan:
    kind = chance.random()
    if kind < _SHARE_OF_EMPTINESS:
        return _plan_emptiness(chance)
    if kind < _SHARE_OF_EMPTINESS + _SHARE_OF_HASTE:
        return _plan_haste(chance, settle_seconds)
    return _plan_life(chance, settle_seconds)


def _plan_clocks(chance: Random, *, parted: bool) -> tuple[float, ...]:
    """How far each instance's clock is off; where they are `parted`, by as much as can be, either way in turn."""
    if parted:
        sign = chance.choice((-1, 1))
        return tuple(sign * (-1) ** number * _LONGEST_CLOCK_OFFSET for number in range(chance.choice((2, 3))))
    instances = chance.choice((1, 2, 2, 3))
    return tuple(round(chance.uniform(-_LONGEST_CLOCK_OFFSET, _LONGEST_CLOCK_OFFSET), 3) for _ in range(instances))


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


def _plan_life(chance: Random, settle_seconds: float) -> _Plan:
    """Rounds of acts: within a round people are seconds apart, or less, and mostly at the same few visits."""
    plan = _Plan()
    at = 5.0
    for _ in range(chance.choice((1, 1, 2, 2, 3))):
        if plan.acts:
            at = plan.acts[-1].at + chance.uniform(_SHORTEST_ROUND, _LONGEST_ROUND)
        if chance.random() < _SHARE_OF_SCENES:
            _set_scene(chance.choice(SCENES), chance, plan, at, settle_seconds)
        else:
            _do_anything(chance, plan.acts, at)
    more = chance.choice((0, 0, 1, 1, 2, 3) if plan.troubles else (0, 1, 1, 2, 2, 3, 4))
    nearby = [chance.choice(plan.acts).at + chance.uniform(-15.0, 15.0) for _ in range(more)]
    plan.troubles += [_trouble(chance, chance.choice(_ILLS), at) for at in nearby]
    plan.sweeps += _sweeps(chance, plan.acts)
    return plan


def _plan_emptiness(chance: Random) -> _Plan:
    """Technicians at work while Graph's reads find nothing, and nobody in Dynamics.

    Both witnesses of a deletion lie then. As long as nobody reports one, nothing may come of it; more is not promised.
    """
    plan = _Plan()
    at = 5.0
    favourite = chance.randrange(VISITS)
    for _ in range(chance.choice((1, 2, 3))):
        plan.acts.append(_act(chance, len(plan.acts), at, chance.choice(_OUTLOOK_ALONE), _near(chance, favourite)))
        at += chance.uniform(0.5, 90.0)
    begins = max(0.0, chance.choice(plan.acts).at + chance.uniform(-5.0, 3.0))
    plan.troubles.append(_trouble(chance, Ill.READS_EMPTY, begins))
    plan.sweeps += _sweeps(chance, plan.acts)
    return plan


def _plan_haste(chance: Random, settle_seconds: float) -> _Plan:
    """Technicians drag their events about, until those have just been read; instances' clocks are far apart.

    Nothing goes wrong and no timer comes round: notifications alone can tell where an event came to rest.
    """
    moves: list[tuple[float, int]] = []
    for visit in range(VISITS):
        at = 5.0 + chance.uniform(0.0, 60.0)
        rests_at = at + settle_seconds + chance.uniform(0.8, 1.6)
        while at < rests_at:
            moves.append((at, visit))
            at += chance.uniform(0.3, 1.0)
    acts = [_act(chance, number, at, Deed.MOVE_EVENT, visit) for number, (at, visit) in enumerate(sorted(moves))]
    return _Plan(acts=acts, parts_clocks=True)


def _sweeps(chance: Random, acts: Sequence[Act]) -> list[float]:
    """When the timers happen to come round while people act."""
    times = chance.choice((0, 0, 1, 1, 2))
    return [max(0.0, chance.choice(acts).at + chance.uniform(-3.0, 6.0)) for _ in range(times)]


def _set_scene(scene: Scene, chance: Random, plan: _Plan, at: float, settle_seconds: float) -> None:
    """Add a scene that begins at `at`."""
    visit = chance.randrange(VISITS)
    owner = visit // VISITS_EACH
    waiting = settle_seconds if scene.waits_for_settling else 0.0
    plan.acts += list(_play(scene, chance, visit, len(plan.acts), at, waiting))
    plan.troubles += [_strike(blow, chance, at, owner) for blow in scene.blows]
    if scene.sweeps is not None:
        plan.sweeps.append(plan.acts[-1].at + waiting + chance.uniform(*scene.sweeps))


def _play(scene: Scene, chance: Random, visit: int, number: int, at: float, waiting: float) -> Iterator[Act]:
    """The acts of a scene, numbered from `number` on: what was booked, or reassigned, is what follows is about."""
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
        at += waiting + chance.uniform(*scene.apart)


def _strike(blow: Blow, chance: Random, at: float, owner: int) -> Trouble:
    trouble = _trouble(chance, chance.choice(blow.ills), at + chance.uniform(*blow.begins), owner)
    return replace(
        trouble,
        chance=1.0 if blow.is_certain else trouble.chance,
        lasts=max(trouble.lasts, blow.lasts),
    )


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
