"""Timers run as the vendor's host runs them: on plan, one at a time, and once for whatever was missed."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.functions.ncrontab import parse_schedule
from local.functions.timers import StatusFile, TimerListener
from tests.local.virtual_time import VirtualTime, settle


class Bench:
    """A timer on virtual time, which starts at 08:00:00, with a status file that outlives its listeners."""

    def __init__(self, directory: Path, *, run_seconds: float = 0) -> None:
        self.time = VirtualTime()
        self.status_path = directory / "timers" / "tick.json"
        self.fired: list[tuple[str, dict[str, Any]]] = []
        self._run_seconds = run_seconds

    def listener(
        self, expression: str = "0 */5 * * * *", *, run_on_startup: bool = False, monitored: bool = True
    ) -> TimerListener:
        return TimerListener(
            schedule=parse_schedule(expression),
            run_on_startup=run_on_startup,
            status_file=StatusFile(self.status_path) if monitored else None,
            fire=self._fire,
            now=self.time.now,
            sleep=self.time.sleep,
        )

    async def run(self, listener: TimerListener, *, seconds: float) -> None:
        running = asyncio.create_task(listener.run())
        await self.time.advance(seconds)
        listener.stop()
        await running

    @property
    def times(self) -> list[str]:
        return [at for at, _ in self.fired]

    async def _fire(self, information: str) -> None:
        self.fired.append((f"{self.time.now():%H:%M:%S}", json.loads(information)))
        if self._run_seconds:
            await self.time.sleep(self._run_seconds)


async def test_a_timer_runs_on_its_occurrences_and_not_at_its_first_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    await bench.run(bench.listener(), seconds=900)

    assert bench.times == ["08:05:00", "08:10:00", "08:15:00"]
    assert [information["IsPastDue"] for _, information in bench.fired] == [False, False, False]


async def test_the_function_is_told_its_last_and_next_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    await bench.run(bench.listener(), seconds=600)

    first, second = (information["ScheduleStatus"] for _, information in bench.fired)
    assert first["Last"] == "0001-01-01T00:00:00+00:00"
    assert second["Last"] == "2026-11-21T08:05:00+00:00"
    assert second["Next"] == "2026-11-21T08:10:00+00:00"


async def test_occurrences_missed_while_the_host_was_down_make_one_past_due_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.run(bench.listener(), seconds=310)

    await bench.time.advance(3600)
    await bench.run(bench.listener(), seconds=300)

    assert bench.times == ["08:05:00", "09:05:10", "09:10:00"]
    assert [information["IsPastDue"] for _, information in bench.fired] == [False, True, False]


async def test_a_restart_between_occurrences_runs_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.run(bench.listener(), seconds=310)

    await bench.run(bench.listener(), seconds=60)

    assert bench.times == ["08:05:00"]


async def test_a_changed_schedule_is_not_past_due(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.run(bench.listener("0 */5 * * * *"), seconds=310)

    await bench.time.advance(3600)
    await bench.run(bench.listener("0 0 * * * *"), seconds=3600)

    assert bench.times == ["08:05:00", "10:00:00"]
    assert not bench.fired[-1][1]["IsPastDue"]


async def test_run_on_startup_runs_at_every_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    for _ in range(2):
        await bench.run(bench.listener(run_on_startup=True), seconds=10)

    assert bench.times == ["08:00:00", "08:00:10"]


async def test_a_run_longer_than_its_period_is_followed_by_one_run_at_once_and_never_overlaps(tmp_path: Path) -> None:
    bench = Bench(tmp_path, run_seconds=720)
    listener = bench.listener()
    running = asyncio.create_task(listener.run())

    await bench.time.advance(300 + 720 + 719)
    assert bench.times == ["08:05:00", "08:17:00"]
    listener.stop()
    await bench.time.advance(10)
    await running

    assert len(bench.times) == 2


async def test_a_timer_that_is_not_monitored_remembers_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.run(bench.listener(monitored=False), seconds=310)

    await bench.time.advance(3600)
    await bench.run(bench.listener(monitored=False), seconds=60)

    assert bench.times == ["08:05:00"]
    assert bench.fired[0][1]["ScheduleStatus"] is None
    assert not bench.status_path.exists()


async def test_a_schedule_finer_than_a_minute_is_never_monitored(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    await bench.run(bench.listener("*/20 * * * * *"), seconds=60)

    assert bench.times == ["08:00:20", "08:00:40", "08:01:00"]
    assert not bench.status_path.exists()


async def test_an_unreadable_status_starts_afresh(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path)
    bench.status_path.parent.mkdir()
    bench.status_path.write_text("{not json")

    await bench.run(bench.listener(), seconds=300)

    assert bench.times == ["08:05:00"]
    assert "is unreadable and is made anew" in caplog.text


async def test_a_timer_can_be_driven_by_hand(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    listener = bench.listener()
    await listener.start()

    assert not await listener.fire_if_due()
    assert listener.next_at - bench.time.now() == timedelta(minutes=5)
    await bench.time.advance(300)
    assert await listener.fire_if_due()
    assert not await listener.fire_if_due()


async def test_stopping_waits_for_the_run_under_way(tmp_path: Path) -> None:
    bench = Bench(tmp_path, run_seconds=60)
    listener = bench.listener()
    running = asyncio.create_task(listener.run())
    await bench.time.advance(310)

    listener.stop()
    await settle()
    assert not running.done()
    await bench.time.advance(60)
    await running

    assert json.loads(bench.status_path.read_text())["Next"] == "2026-11-21T08:10:00+00:00"
