"""Makes a history that breaks a claim as short as it can be and still break one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from simulation.history import History
from simulation.play import Report

type Play = Callable[[History], Report]


def shrink(history: History, play: Play, *, tries: int = 200) -> History:
    """The shortest history found. Leaves out troubles, then acts, then what is special about the tenant.

    A shorter history need not break the same claim, only one.
    """
    while tries > 0:
        for shorter in _shorter(history):
            tries -= 1
            if play(shorter).broken:
                history = shorter
                break
            if tries <= 0:
                break
        else:
            return history
    return history


def _shorter(history: History) -> Iterator[History]:
    """One step shorter, or simpler, each; the greatest steps first."""
    for troubles in _less(history.troubles):
        yield replace(history, troubles=troubles)
    for acts in _less(history.acts):
        if acts:
            yield replace(history, acts=acts)
    for sweeps in _less(history.sweeps):
        yield replace(history, sweeps=sweeps)
    yield from _simpler(history)


def _less[T](parts: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """Each half alone, then all but one."""
    half = len(parts) // 2
    if half > 1:
        yield parts[:half]
        yield parts[half:]
    for index in range(len(parts)):
        yield parts[:index] + parts[index + 1 :]


def _simpler(history: History) -> Iterator[History]:
    if history.skew_seconds:
        yield replace(history, skew_seconds=0.0)
    if history.clock_offsets:
        yield replace(history, clock_offsets=())
    if history.instances > 1:
        yield replace(history, instances=1)
    for name in history.graph:
        yield replace(history, graph=_without(history.graph, name))
    for name in history.dataverse:
        yield replace(history, dataverse=_without(history.dataverse, name))
    for name in history.choices:
        yield replace(history, choices=_without(history.choices, name))


def _without(values: Mapping[str, Any], left_out: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != left_out}
