"""Asynchronous steps: a background job for each, which posts late, perhaps twice or never, and is retried once.

Driven by `run` in a server, or by hand: `next_due_at`, move the clock, `deliver_due`.
Source: Dataverse documentation, "Use webhooks to create external handlers for server events" and "Register a webhook"
(the system jobs). Jobs have no order, and there is no dead letter: what has failed is a row of `asyncoperation`.
"""

import asyncio
import heapq
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from local.dataverse.door import Outcome, Post, call
from local.dataverse.execution_context import WebhookRequest, build_request
from local.dataverse.registrations import Step, find_endpoint, find_steps
from local.dataverse.webhook_tables import ASYNCHRONOUS, COMPLETED, FAILED, JOB, STEP, SUCCEEDED
from local.dataverse.world import Author, DataverseWorld, RowChange

_POLL_SECONDS = 0.02
"""How often a waiting dispatcher looks at the world's clock, which may be moved under it."""


@dataclass(slots=True, kw_only=True)
class Job:
    """One request on its way. `is_repeat`: the same request once more, of which the service keeps no record."""

    operation_id: str
    step: Step
    change: RowChange
    request: WebhookRequest
    due_at: datetime
    attempts: int = 0
    is_repeat: bool = False


class Dispatcher:
    """The jobs that wait. `counts` tells what became of the others: delivered, failed, retried, lost, dropped."""

    def __init__(self, world: DataverseWorld) -> None:
        self._world = world
        self._heap: list[tuple[datetime, int, Job]] = []
        self._pushes = 0
        self._wakeup = asyncio.Event()
        self.counts: Counter[str] = Counter()
        self.in_flight = 0
        world.listeners.append(self._on_change)
        world.switchboard.on_reset.append(self.clear)

    def clear(self) -> None:
        self._heap.clear()
        self.counts.clear()

    @property
    def outbox(self) -> list[Job]:
        """What waits, by due time."""
        return [job for _, _, job in sorted(self._heap, key=lambda entry: entry[:2])]

    def next_due_at(self) -> datetime | None:
        """When the next job is due; None when nothing waits."""
        return self._heap[0][0] if self._heap else None

    def take_due(self) -> list[Job]:
        """Take what is due out of the outbox. A job whose step is gone goes with it."""
        due = []
        while self._heap and self._heap[0][0] <= self._world.switchboard.clock.now():
            job = heapq.heappop(self._heap)[2]
            if self._world.find(STEP, job.step.step_id):
                due.append(job)
            else:
                self.counts["dropped"] += 1
        return due

    async def deliver_due(self, post: Post) -> int:
        """Post all that is due, side by side. The number of posts made."""
        due = self.take_due()
        await asyncio.gather(*(self._attempt(job, post) for job in due))
        return len(due)

    async def run(self, post: Post) -> None:
        """Deliver in time until cancelled; a slow receiver holds up no other."""
        self._wakeup = asyncio.Event()
        async with asyncio.TaskGroup() as attempts:
            while True:
                for job in self.take_due():
                    attempts.create_task(self._attempt(job, post))
                if self._heap:
                    await asyncio.sleep(_POLL_SECONDS)
                else:
                    self._wakeup.clear()
                    await self._wakeup.wait()

    def _on_change(self, change: RowChange) -> None:
        for step in find_steps(self._world, change, ASYNCHRONOUS):
            self._queue(step, change)

    def _queue(self, step: Step, change: RowChange) -> None:
        chance, switches = self._world.switchboard.random, self._world.switchboard.switches
        if chance.random() < switches["webhook_lose"]:
            self.counts["lost"] += 1
            return
        operation_id = self._world.new_id()
        job = Job(
            operation_id=operation_id,
            step=step,
            change=change,
            request=build_request(self._world, step, change, operation_id),
            due_at=self._due_at(),
        )
        self._push(job)
        if chance.random() < switches["webhook_repeat"]:
            self._push(replace(job, due_at=self._due_at(), is_repeat=True))

    def _due_at(self) -> datetime:
        switchboard = self._world.switchboard
        seconds = float(switchboard.switches["webhook_delay_seconds"])
        if switchboard.switches["webhook_reorder"]:
            seconds *= switchboard.random.uniform(0, 2)
        return switchboard.clock.now() + timedelta(seconds=seconds)

    def _push(self, job: Job) -> None:
        self._pushes += 1
        heapq.heappush(self._heap, (job.due_at, self._pushes, job))
        self._wakeup.set()

    async def _attempt(self, job: Job, post: Post) -> None:
        endpoint = find_endpoint(self._world, job.step.endpoint_id)
        if endpoint is None:  # Everything has been reset since the job was taken.
            return
        clock = self._world.switchboard.clock
        began_at = clock.now()
        self.in_flight += 1
        try:
            outcome = await call(post, clock, endpoint, job.request)
        finally:
            self.in_flight -= 1
        if outcome.may_be_repeated and job.attempts == 0:
            self._retry(job)
            return
        self.counts["delivered" if outcome.has_succeeded else "failed"] += 1
        self._record(job, outcome, began_at)

    def _retry(self, job: Job) -> None:
        switchboard = self._world.switchboard
        self.counts["retried"] += 1
        job.attempts += 1
        job.due_at = switchboard.clock.now() + timedelta(seconds=switchboard.switches["webhook_retry_seconds"])
        self._push(job)

    def _record(self, job: Job, outcome: Outcome, began_at: datetime) -> None:
        """Leave the row of the job, unless it succeeded and its step wants none, or the step is gone."""
        is_forgotten = outcome.has_succeeded and job.step.forgets_successes
        if job.is_repeat or is_forgotten or self._world.find(STEP, job.step.step_id) is None:
            return
        self._world.create(
            JOB,
            {
                "name": job.step.name,
                "message": None if outcome.has_succeeded else outcome.text,
                "messagename": job.change.message,
                "primaryentitytype": job.change.table,
                "retrycount": job.attempts,
                "correlationid": job.change.correlation_id,
                "startedon": began_at.replace(microsecond=0),
                "completedon": self._world.now(),
                "owningextensionid": job.step.step_id,
                "statecode": COMPLETED,
                "statuscode": SUCCEEDED if outcome.has_succeeded else FAILED,
            },
            Author(user_id=job.change.author.user_id),
            job.operation_id,
        )
