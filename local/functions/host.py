"""Puts the host together: loads an app, connects its functions to their triggers, starts and stops them.

One process can run all functions, or a named few: the cloud's Flex Consumption plan gives every queue and timer
function instances of its own, so functions share nothing but storage. Everything that touches the world (queues, clock,
sleep, randomness) can be handed in, so that a whole app runs in one test without sockets and on a virtual clock.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from starlette.applications import Starlette

from local.functions import ncrontab, queues, settings, triggers, web
from local.functions.errors import InvalidSchedule, SettingsError
from local.functions.invocations import Invocations
from local.functions.queues import Queue, QueueListener
from local.functions.stopping import Sleep
from local.functions.storage import StorageQueue
from local.functions.tasks import Tasks
from local.functions.timers import Now, StatusFile, TimerListener
from local.functions.triggers import Function, HttpTrigger, QueueTrigger, TimerTrigger
from local.functions.worker import Worker

Connect = Callable[[str, str], Queue]
"""Opens a queue, given a connection string and the queue's name."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the host takes from outside itself; the defaults are the real things."""

    connect: Connect = StorageQueue
    now: Now = _utc_now
    sleep: Sleep = asyncio.sleep
    randomness: random.Random = field(default_factory=random.Random)


class FunctionsHost:
    """A loaded app with its triggers. Made by `load`."""

    def __init__(
        self,
        *,
        functions: Sequence[Function],
        worker: Worker,
        host_settings: settings.HostSettings,
        environ: Mapping[str, str],
        state_directory: Path,
        enable_auth: bool,
        lease: timedelta,
        outside: Outside,
    ) -> None:
        """Raises what `load` raises."""
        self.functions = list(functions)
        self.state = "Initializing"
        self._invocations = Invocations(worker)
        self._host_settings = host_settings
        self._environ = environ
        self._state_directory = state_directory
        self._lease = lease
        self._outside = outside
        self._queues: list[Queue] = []
        self._running = Tasks()
        self._by_hand = Tasks()
        self._enabled = [function for function in functions if not settings.is_disabled(function.name, environ)]
        self.queue_listeners = {
            function.name: self._queue_listener(function, function.trigger)
            for function in functions
            if isinstance(function.trigger, QueueTrigger)
        }
        self.timer_listeners = {
            function.name: self._timer_listener(function, function.trigger)
            for function in functions
            if isinstance(function.trigger, TimerTrigger)
        }
        self._web = web.WebHost(
            functions=self._enabled,
            settings=host_settings.http,
            keys=_keys(environ) if enable_auth else None,
            invoke=self._invocations.by_request,
            start_by_hand=self.start_by_hand,
            state=lambda: self.state,
        )

    @classmethod
    async def load(
        cls,
        app_directory: Path,
        *,
        environ: Mapping[str, str],
        state_directory: Path,
        only: Sequence[str] = (),
        enable_auth: bool = False,
        lease: timedelta = queues.LEASE,
        outside: Outside | None = None,
    ) -> "FunctionsHost":
        """Import and index the app. `environ` holds the app settings (see `settings.app_environment`); `only` names the
        functions to run, all by default. Raises `CannotStart`.
        """
        outside = outside or Outside()
        host_settings = settings.read_host_settings(app_directory, environ)
        worker = Worker(function_timeout=host_settings.function_timeout, randomness=outside.randomness)
        indexed = await worker.load(app_directory)
        if unknown := set(only) - {function.name for function in indexed}:
            known = ", ".join(function.name for function in indexed)
            raise SettingsError(f"the app has no function {', '.join(sorted(unknown))}; it has {known}")
        chosen = [function for function in indexed if not only or function.name in only]
        return cls(
            functions=triggers.read_functions(chosen, environ),
            worker=worker,
            host_settings=host_settings,
            environ=environ,
            state_directory=state_directory,
            enable_auth=enable_auth,
            lease=lease,
            outside=outside,
        )

    def describe(self) -> list[str]:
        """Each function with what starts it, for people."""
        return [f"{function.name} ({self._describe_trigger(function)})" for function in self.functions]

    @property
    def application(self) -> Starlette:
        """The ASGI application that serves HTTP-triggered functions and `/admin`."""
        return self._web.application

    def start(self) -> None:
        """Begin to poll queues and to wait for timers."""
        for name, listener in self._enabled_listeners().items():
            self._running.start(listener.run(), f"listener of {name}")
        self.state = "Running"

    async def stop(self, drain_seconds: float) -> bool:
        """Fetch nothing more, wait for what is in flight, and give up on what takes longer; whether all was done."""
        self.state = "Stopping"
        for listener in self._enabled_listeners().values():
            listener.stop()
        try:
            async with asyncio.timeout(drain_seconds):
                await self._running.wait_for_all()
                await self.drain()
            finished = True
        except TimeoutError:
            finished = False
        for tasks in (self._running, *self._in_flight()):
            await tasks.cancel()
        for queue in self._queues:
            await queue.close()
        return finished

    async def drain(self) -> None:
        """Wait until nothing is in flight of what queues, or callers by hand, have started."""
        while any(self._in_flight()):
            for tasks in self._in_flight():
                await tasks.wait_for_all()

    def start_by_hand(self, name: str, text: str) -> bool:
        """Run a queue function with `text` as its message, or a timer function, once, also a disabled one.

        False if the app has none of that name.
        """
        function = next((function for function in self.functions if function.name == name), None)
        if function is None or isinstance(function.trigger, HttpTrigger):
            return False
        self._by_hand.start(self._run_by_hand(function, text), f"{name}, by hand")
        return True

    def _describe_trigger(self, function: Function) -> str:
        if function not in self._enabled:
            return "disabled"
        match function.trigger:
            case HttpTrigger(route=route, methods=methods):
                path = "/".join(filter(None, (self._host_settings.http.route_prefix, route)))
                return f"{'|'.join(sorted(methods)) or 'any method'} /{path}"
            case QueueTrigger(queue_name=queue_name):
                return f"queue {queue_name}"
            case TimerTrigger(schedule=schedule):
                return f"timer {schedule}"

    def _enabled_listeners(self) -> dict[str, QueueListener | TimerListener]:
        listeners: dict[str, QueueListener | TimerListener] = {**self.queue_listeners, **self.timer_listeners}
        enabled = {function.name for function in self._enabled}
        return {name: listener for name, listener in listeners.items() if name in enabled}

    def _in_flight(self) -> list[Tasks]:
        return [self._by_hand, *(listener.in_flight for listener in self.queue_listeners.values())]

    async def _run_by_hand(self, function: Function, text: str) -> None:
        if isinstance(function.trigger, QueueTrigger):
            await self._invocations.by_hand(function, text)
        else:
            information = self.timer_listeners[function.name].information(past_due=False)
            await self._invocations.by_timer(function, information)

    def _queue_listener(self, function: Function, trigger: QueueTrigger) -> QueueListener:
        connection = settings.connection_string(trigger.connection, self._environ)
        queue = self._connect(connection, trigger.queue_name)
        poison = None
        if queues.has_poison_queue(trigger.queue_name):
            poison = self._connect(connection, trigger.queue_name + queues.POISON_SUFFIX)
        return QueueListener(
            queue=queue,
            poison=poison,
            process=partial(self._invocations.by_message, function),
            settings=self._host_settings.queues,
            randomness=self._outside.randomness,
            sleep=self._outside.sleep,
            lease=self._lease,
        )

    def _connect(self, connection: str, queue_name: str) -> Queue:
        try:
            queue = self._outside.connect(connection, queue_name)
        except ValueError as error:
            raise SettingsError(f"the connection string of queue {queue_name} is wrong: {error}") from error
        self._queues.append(queue)
        return queue

    def _timer_listener(self, function: Function, trigger: TimerTrigger) -> TimerListener:
        status_file = StatusFile(self._state_directory / f"{function.name}.json") if trigger.use_monitor else None
        try:
            schedule = ncrontab.parse_schedule(trigger.schedule)
        except InvalidSchedule as error:
            raise InvalidSchedule(f"{function.name}: {error}") from error
        return TimerListener(
            schedule=schedule,
            run_on_startup=trigger.run_on_startup,
            status_file=status_file,
            fire=partial(self._invocations.by_timer, function),
            now=self._outside.now,
            sleep=self._outside.sleep,
        )


def _keys(environ: Mapping[str, str]) -> web.Keys:
    names = ("LOCAL_FUNCTION_KEY", "LOCAL_MASTER_KEY")
    if missing := [name for name in names if not environ.get(name)]:
        raise SettingsError(f"authorisation needs the app settings {' and '.join(missing)}")
    return web.Keys(function=environ[names[0]], master=environ[names[1]])
