"""Runs timer-triggered functions on their schedule, one run at a time, and remembers when the next one is due.

Rules: "Timer trigger for Azure Functions", and TimerListener and ScheduleMonitor of the webjobs-sdk-extensions. The
status is a JSON file per function with the fields of the vendor's status blob. There is no lock between hosts: run a
timer in one host process only.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from local.functions.ncrontab import Schedule
from local.functions.stopping import Sleep, Stop

_LONGEST_PAUSE_SECONDS = 30.0
"""A machine that was asleep, or whose clock was set, notices within this time."""

_log = logging.getLogger(__name__)

Now = Callable[[], datetime]
Fire = Callable[[str], Awaitable[None]]
"""Runs the function with the timer information as JSON. It does not raise: a failed run changes nothing here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStatus:
    """`last_at` None means that the function has never run."""

    last_at: datetime | None
    next_at: datetime
    updated_at: datetime

    def to_json(self) -> dict[str, str]:
        never = "0001-01-01T00:00:00+00:00"
        return {
            "Last": self.last_at.isoformat() if self.last_at else never,
            "Next": self.next_at.isoformat(),
            "LastUpdated": self.updated_at.isoformat(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ScheduleStatus":
        last_at = datetime.fromisoformat(content["Last"])
        return cls(
            last_at=None if last_at.year == 1 else last_at,
            next_at=datetime.fromisoformat(content["Next"]),
            updated_at=datetime.fromisoformat(content["LastUpdated"]),
        )


class StatusFile:
    """Where one timer's status is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self) -> ScheduleStatus | None:
        """None when there is no status, or none that can be read: the timer then starts afresh."""
        try:
            return ScheduleStatus.from_json(json.loads(self._path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("Timer status %s is unreadable and is made anew: %r", self._path, error)
            return None

    def save(self, status: ScheduleStatus) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = self._path.with_suffix(".new")
        written.write_text(json.dumps(status.to_json()), "utf-8")
        written.replace(self._path)


class TimerListener:
    """One timer. Either `run` it, or drive it by hand: `start` once, then `fire_if_due` whenever time has moved."""

    def __init__(
        self,
        *,
        schedule: Schedule,
        run_on_startup: bool,
        status_file: StatusFile | None,
        fire: Fire,
        now: Now,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`status_file` None: the schedule is not monitored, so nothing is ever past due."""
        self._schedule = schedule
        self._run_on_startup = run_on_startup
        self._status_file = None if schedule.is_finer_than_a_minute() else status_file
        self._fire = fire
        self._now = now
        self._stop = Stop(sleep)
        self._status = self._planned_from(now())

    @property
    def next_at(self) -> datetime:
        return self._status.next_at

    async def run(self) -> None:
        """Wait and fire until `stop`; a run under way is finished."""
        await self.start()
        while not self._stop.requested:
            if await self.fire_if_due():
                continue
            remaining = (self.next_at - self._now()).total_seconds()
            await self._stop.pause(min(max(remaining, 0), _LONGEST_PAUSE_SECONDS))

    def stop(self) -> None:
        self._stop.request()

    async def start(self) -> None:
        """Take up the stored status; run at once if an occurrence was missed, or if the trigger says so."""
        now = self._now()
        stored = self._status_file.find() if self._status_file else None
        self._status = stored if stored and self._is_current(stored) else self._planned_from(now)
        if stored is not self._status and self._status_file:
            self._status_file.save(self._status)
        if stored is self._status and now > self._status.next_at:
            await self._run_once(past_due=True)
        elif self._run_on_startup:
            await self._run_once(past_due=False)

    async def fire_if_due(self) -> bool:
        """Run the function if its time has come; whether it ran."""
        if self._now() < self.next_at:
            return False
        await self._run_once(past_due=False)
        return True

    def information(self, *, past_due: bool) -> str:
        """What the function receives, as JSON. `ScheduleStatus` is null for a schedule that is not monitored."""
        return json.dumps(
            {
                "Schedule": {"AdjustForDST": True},
                "ScheduleStatus": self._status.to_json() if self._status_file else None,
                "IsPastDue": past_due,
            }
        )

    async def _run_once(self, *, past_due: bool) -> None:
        invoked_at = self._now()
        await self._fire(self.information(past_due=past_due))
        # From the invocation, not from its end: an occurrence missed by a long run is made up for at once.
        self._status = ScheduleStatus(
            last_at=invoked_at, next_at=self._schedule.next_after(invoked_at), updated_at=self._now()
        )
        if self._status_file:
            self._status_file.save(self._status)

    def _is_current(self, stored: ScheduleStatus) -> bool:
        """Whether the stored plan is what this schedule yields; otherwise the schedule was changed meanwhile."""
        return self._schedule.next_after(stored.last_at or stored.updated_at) == stored.next_at

    def _planned_from(self, now: datetime) -> ScheduleStatus:
        return ScheduleStatus(last_at=None, next_at=self._schedule.next_after(now), updated_at=now)
