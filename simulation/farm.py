"""Plays many histories, each in a process of its own that begins with the stage already set.

A nursery sets a stage once and then splits off a child for each history: the stage costs more than most histories, and
a child leaves nothing behind. Works where processes can be forked.
"""

import asyncio
import gc
import logging
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import Self

from local.virtual_time import VirtualLoop
from simulation.history import History
from simulation.play import Play, Report
from simulation.shortcuts import take_shortcuts
from simulation.stage import Stage

SECONDS_FOR_ONE = 120
"""Real ones, after which a history has hung."""

type Break = Callable[[], None]
"""Changes the app before the stage is set; see `simulation.mutations`."""


class Nursery:
    """A process that plays the histories it is given, one after the other."""

    def __init__(self, breaks: Break | None, inherited: Sequence[Connection] = ()) -> None:
        """`inherited` are connections of others, which the new process must not keep open."""
        self.connection, theirs = Pipe()
        sys.stdout.flush()
        self._pid = os.fork()
        if self._pid == 0:
            status = 1
            try:
                for connection in (self.connection, *inherited):
                    connection.close()
                _tend(theirs, breaks)
            except (KeyboardInterrupt, EOFError, BrokenPipeError):
                status = 0
            except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as its parent
                traceback.print_exc()
            os._exit(status)
        theirs.close()

    def send(self, history: History) -> None:
        self.connection.send(history)

    def close(self) -> None:
        self.connection.close()
        os.waitpid(self._pid, 0)


class Farm:
    """Nurseries at work side by side; a context. To be made before anything starts a thread: forks do not copy it."""

    def __init__(self, workers: int, breaks: Break | None = None) -> None:
        self._nurseries: dict[Connection, Nursery] = {}
        for _ in range(workers):
            nursery = Nursery(breaks, inherited=tuple(self._nurseries))
            self._nurseries[nursery.connection] = nursery

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for nursery in self._nurseries.values():
            nursery.close()

    def play_all(self, histories: Iterable[History]) -> Iterator[Report]:
        """A report for each history, as they come in."""
        waiting = iter(histories)
        busy: set[Connection] = set()
        for connection, nursery in self._nurseries.items():
            if (history := next(waiting, None)) is not None:
                nursery.send(history)
                busy.add(connection)
        while busy:
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                busy.discard(ready)
                yield ready.recv()
                if (history := next(waiting, None)) is not None:
                    self._nurseries[ready].send(history)
                    busy.add(ready)

    def play(self, history: History) -> Report:
        (report,) = self.play_all([history])
        return report


def _tend(connection: Connection, breaks: Break | None) -> None:
    logging.getLogger("sync").setLevel(logging.CRITICAL + 1)
    take_shortcuts()
    if breaks is not None:
        breaks()
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    stage = loop.run_until_complete(Stage.set())
    gc.collect()
    gc.freeze()
    while True:
        history: History = connection.recv()
        connection.send(_play_in_child(loop, stage, history))


def _play_in_child(loop: VirtualLoop, stage: Stage, history: History) -> Report:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _play(loop, stage, history, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(pid, 0)
    if not answer:
        return Report(seed=history.seed, broken=["the process that played it died, or took too long"])
    report = pickle.loads(answer)  # noqa: S301 - from our own child
    assert isinstance(report, Report)
    return report


def _play(loop: VirtualLoop, stage: Stage, history: History, writer: int) -> None:
    """Never returns."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.alarm(SECONDS_FOR_ONE)
    try:
        report = loop.run_until_complete(Play(stage, history).run())
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        report = Report(seed=history.seed, broken=[f"it could not be played: {_words(error)}"], story=stage.story)
    with suppress(BrokenPipeError), os.fdopen(writer, "wb") as stream:
        stream.write(pickle.dumps(report))
    os._exit(0)


def _words(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_words(one) for one in error.exceptions)
    return repr(error)
