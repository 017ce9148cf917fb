"""What looking after quiet calendars takes of the app's own process: memory at its peak, and computing time.

Run as `python -m bench.footprint MAILBOXES`, in a process of its own, it plays the chores of `scale` and prints a
`Footprint` as JSON. The process holds what the app's holds: `function_app` is imported and the workshop built. In place
of the network are `QuietServices`, and in place of storage the fakes; so the memory found includes the contents of the
app's tables and queues, which in truth lie elsewhere.
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random

from bench.errors import MeasurementFailed
from bench.quiet_services import QuietServices
from local.sample import guid
from local.switchboard import WorldClock
from local.world import ROOT, sample_settings
from sync.bootstrap import Workshop
from sync.core.work import item_to_text
from sync.core.work_items import WorkItem

BEGAN_AT = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)

AT_ONCE = 24
"""How many messages the host hands to one instance at once, by the app's host.json."""

_OF_THIS_PROCESS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Computing time for all mailboxes together, and calls by kind."""

    cpu_seconds: float
    calls: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What the chores took, `upkeep` being one run in which nothing is due.

    Memory is what was resident, and None where the system does not tell: when the app stood ready, and at the peak.
    """

    mailboxes: int
    subscribing: Effort
    sweeping: Effort
    upkeep: Effort
    ready_bytes: int | None
    peak_bytes: int | None


def measure_footprint(mailboxes: int) -> Footprint:
    """In a fresh process. Raises `MeasurementFailed`."""
    command = [sys.executable, "-m", "bench.footprint", str(mailboxes)]
    environment = {**os.environ, **sample_settings()}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise MeasurementFailed(f"the footprint of {mailboxes} mailboxes: {result.stderr[-2000:]}")
    found = json.loads(result.stdout)
    return Footprint(**found | {name: Effort(**found[name]) for name in ("subscribing", "sweeping", "upkeep")})


class Backlog:
    """The app's queues as one, without delays: a `WorkQueue`."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque()

    async def put(self, item: WorkItem, *, delay_seconds: float = 0) -> None:
        del delay_seconds
        self._texts.append(item_to_text(item))

    async def put_text(self, queue: str, text: str) -> None:
        raise NotImplementedError(f"nothing is replayed, neither {text} on {queue}")

    async def work_off(self, shop: Workshop) -> None:
        """Handle every item, as many at once as an instance does. All are mailbox tasks."""
        from sync.service.handlers import handle_mailbox_task

        async def work() -> None:
            while self._texts:
                await handle_mailbox_task(self._texts.popleft(), 1, 5, shop)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def open_shop(services: QuietServices, backlog: Backlog, clock: WorldClock) -> Workshop:
    """The app's workshop, on stand-ins for the network, storage and time."""
    from bench.unread_journal import UnreadJournal
    from local.wiring import Wiring
    from sync import bootstrap
    from tests.fakes import FakeDeadLetters, FakeStateStore

    shop, settings = bootstrap.workshop(), bootstrap.settings()
    wiring = Wiring(
        graph=services,
        dataverse=services,
        secret=settings.client_state_secrets[0],
        clock=clock.now,
        sleep=asyncio.sleep,
        random=Random(0),
        subscriptions=shop.rules.subscriptions,
    )
    numbers = count(1)
    ports = replace(
        shop.ports,
        calendar=wiring.open_calendar(),
        bookings=wiring.open_bookings(),
        state=FakeStateStore(),
        journal=UnreadJournal(),
        dead_letters=FakeDeadLetters(),
        queue=backlog,
        clock=clock.now,
        new_id=lambda: f"item-{next(numbers)}",
    )
    return replace(shop, ports=ports)


async def _measure(mailboxes: int) -> Footprint:
    import function_app  # noqa: F401 - as in the app's process
    from sync.service.booking_sweep import sweep_bookings
    from sync.service.sweeping import queue_sweeps
    from sync.service.upkeep import maintain_subscriptions

    services = QuietServices([guid(f"mailbox {number}") for number in range(mailboxes)])
    backlog, clock = Backlog(), WorldClock(frozen_at=BEGAN_AT)
    shop = open_shop(services, backlog, clock)
    ports, rules = shop.ports, shop.rules
    ready_bytes = _resident("VmRSS")

    async def wait(seconds: float) -> None:
        clock.advance(seconds)

    async def maintain() -> None:
        await maintain_subscriptions(ports, rules, sleep=wait, until=clock.now() + timedelta(hours=1))

    async def subscribe() -> None:
        await maintain()
        await sweep_bookings(ports, rules)
        await backlog.work_off(shop)

    async def sweep() -> None:
        await queue_sweeps(ports, rules)
        await sweep_bookings(ports, rules)
        await backlog.work_off(shop)

    async def effort(chore: Callable[[], Awaitable[None]]) -> Effort:
        services.calls.clear()
        before = time.process_time()
        await chore()
        return Effort(cpu_seconds=time.process_time() - before, calls=dict(services.calls))

    subscribing = await effort(subscribe)
    clock.advance(timedelta(minutes=15).total_seconds())
    return Footprint(
        mailboxes=mailboxes,
        subscribing=subscribing,
        sweeping=await effort(sweep),
        upkeep=await effort(maintain),
        ready_bytes=ready_bytes,
        peak_bytes=_resident("VmHWM"),
    )


def _resident(name: str) -> int | None:
    """`VmRSS`: what is resident now; `VmHWM`: its peak. In kibibytes (Linux manual, proc_pid_status)."""
    if not _OF_THIS_PROCESS.exists():
        return None
    [line] = [line for line in _OF_THIS_PROCESS.read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(json.dumps(asdict(asyncio.run(_measure(int(sys.argv[1]))))))
