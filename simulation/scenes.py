"""The scenes of histories: deeds and troubles at the moments at which they make each other worse.

What an app gets wrong takes several things at one moment, which chance alone brings about once in a thousand histories.
Each scene is something that happens to real tenants, and leaves its exact moments to chance; `simulation.planning`
puts them into histories.
"""

from dataclasses import dataclass

from simulation.history import Deed, Ill

type Span = tuple[float, float]
"""Seconds, between which chance chooses."""


@dataclass(frozen=True, slots=True)
class Blow:
    """One of these troubles, which begins between which seconds after the first deed.

    `is_certain` when everything that it can strike meanwhile is struck; else a chance is drawn as for any trouble.
    `lasts` is for how long at least.
    """

    ills: tuple[Ill, ...]
    begins: Span = (-1.0, 4.0)
    is_certain: bool = False
    lasts: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """Deeds at one visit, one of each kind in turn, and what goes wrong meanwhile.

    `apart` is how many seconds lie between two deeds. The timers come round at `sweeps`, counted from the last deed,
    where it is not None. Both are besides the settle time where one `waits_for_settling`.
    """

    deeds: tuple[tuple[Deed, ...], ...]
    blows: tuple[Blow, ...] = ()
    apart: Span = (0.0, 0.0)
    waits_for_settling: bool = False
    sweeps: Span | None = None


_ANSWER_LOST = (Ill.GRAPH_FAILS_LATE, Ill.GRAPH_SILENT, Ill.GRAPH_GARBLED, Ill.CREATES_CONFLICT, Ill.CRASH)
_UNWANTED = (Deed.CANCEL, Deed.DELETE_BOOKING, Deed.REASSIGN)
_UNHEARD = Blow((Ill.NOTIFICATIONS_LOST,), (-2.0, -0.5), is_certain=True)

_SWEEP_BREAKS_OFF = Scene(
    ((Deed.MOVE_EVENT, Deed.DELETE_EVENT),),
    (_UNHEARD, Blow((Ill.QUEUE_DOWN,), (3.05, 3.25), is_certain=True)),
    sweeps=(3.0, 3.0),
)
"""A sweep finds what nobody told of, and breaks off before it has queued it."""

SCENES = (
    Scene(((Deed.BOOK,),), (Blow(_ANSWER_LOST),)),
    Scene(((Deed.BOOK,), _UNWANTED), (Blow(_ANSWER_LOST),), (0.0, 40.0)),
    Scene(((Deed.REASSIGN,), _UNWANTED), (Blow(_ANSWER_LOST),), (0.0, 40.0)),
    Scene(
        ((Deed.REASSIGN,), (Deed.REASSIGN,)),
        (Blow((Ill.MAILBOX_LOST, Ill.GRAPH_FAILS, Ill.GRAPH_THROTTLES, Ill.GRAPH_SILENT, Ill.CRASH, Ill.STALL)),),
        (0.0, 60.0),
    ),
    Scene(((Deed.MOVE_BOOKING,), (Deed.MOVE_EVENT,)), (Blow((Ill.GRAPH_SLOW,)),), (0.0, 12.0)),
    Scene(((Deed.DESCRIBE,), (Deed.NOTE,)), (Blow((Ill.GRAPH_SLOW,)),), (0.0, 12.0)),
    Scene(
        ((Deed.MOVE_BOOKING,), (Deed.MOVE_EVENT,)),
        (Blow((Ill.GRAPH_SILENT, Ill.DATAVERSE_SILENT, Ill.CRASH)),),
        (0.0, 3.0),
    ),
    Scene(
        ((Deed.MOVE_EVENT,), (Deed.MOVE_BOOKING,)),
        (Blow((Ill.GRAPH_SILENT, Ill.DATAVERSE_SILENT, Ill.DATAVERSE_SLOW, Ill.CRASH)),),
        (0.0, 6.0),
    ),
    Scene(((*_UNWANTED, Deed.FILE),), (Blow((Ill.MAILBOX_LOST,), (-2.0, 2.0)),)),
    Scene(((Deed.PASTE,),), (Blow((Ill.NOTIFICATIONS_TWICE, Ill.NOTIFICATIONS_LOST, Ill.GRAPH_FAILS, Ill.CRASH)),)),
    Scene(((Deed.BOOK_TWICE,),), (Blow((Ill.WEBHOOKS_LOST,), (-3.0, -1.0)),)),
    # Twice, because not every one does: one that has read too early, or too late, breaks nothing off.
    _SWEEP_BREAKS_OFF,
    _SWEEP_BREAKS_OFF,
    # A technician changes an event that has just been given to somebody else.
    Scene(
        ((Deed.REASSIGN,), (Deed.MOVE_EVENT, Deed.NOTE, Deed.RETITLE)),
        (Blow((Ill.MAILBOX_LOST,), (-1.0, 0.0)),),
        (4.0, 60.0),
    ),
    # The visit comes back to where its event was left, when the mailbox has just answered again.
    Scene(
        ((Deed.REASSIGN,), (Deed.REASSIGN,)),
        (Blow((Ill.MAILBOX_LOST,), (-1.0, 0.0)),),
        (910.0, 1400.0),
        waits_for_settling=True,
        sweeps=(-1.0, 0.4),
    ),
    # What a sweep found is read from an old copy.
    Scene(((Deed.MOVE_EVENT,),), (_UNHEARD, Blow((Ill.READS_STALE,), (3.4, 4.2), lasts=30.0)), sweeps=(3.0, 3.0)),
    # A visit is moved, and once more in Dynamics, where its event is read as it was before.
    Scene(
        ((Deed.MOVE_EVENT,), (Deed.MOVE_BOOKING,)),
        (Blow((Ill.READS_STALE,), (4.5, 6.0), lasts=60.0),),
        (6.0, 40.0),
    ),
    # A new visit is changed while reads do not show its event yet.
    Scene(
        ((Deed.BOOK,), (Deed.MOVE_BOOKING, Deed.FILE)),
        (Blow((Ill.READS_STALE,), (-1.0, 3.0), lasts=60.0),),
        (6.0, 40.0),
    ),
    # A technician copies an event and moves the copy.
    Scene(((Deed.COPY,), (Deed.MOVE_COPY,)), apart=(0.5, 20.0)),
)
