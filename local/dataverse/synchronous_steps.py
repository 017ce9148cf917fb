"""Synchronous steps: called inside the operation of a user, which fails with them.

The operation is first tried and taken back, so that nobody sees what is not committed while the calls are out. Then the
calls are made, in their order, and then the operation is done in earnest, with the same new ids. As in the service, a
call cannot be recalled: when the operation fails after it, the receiver has heard of something that did not happen.

Single requests only: within `$batch`, a write that has synchronous steps is refused. No row is locked during the calls,
so an operation may meet what others wrote meanwhile. Source: Dataverse documentation, "Use webhooks to create external
handlers for server events" and "Event execution pipeline".
"""

import random
from collections import Counter
from dataclasses import dataclass

from starlette.responses import Response

from local.dataverse import errors
from local.dataverse.door import Door, call
from local.dataverse.execution_context import WebhookRequest, build_request
from local.dataverse.registrations import Step, find_endpoint, find_steps
from local.dataverse.request import ApiRequest, error_response
from local.dataverse.web_api import WebApi
from local.dataverse.webhook_tables import POST_OPERATION, SYNCHRONOUS
from local.dataverse.world import DataverseWorld, RowChange
from local.switchboard import Caller


@dataclass(frozen=True, slots=True)
class _Call:
    step: Step
    request: WebhookRequest


class _TakenBack(Exception):
    """The operation was only tried, or has failed."""


class SynchronousSteps:
    """Serves requests to the Web API with their synchronous steps. `counts`: delivered, failed, retried."""

    def __init__(self, world: DataverseWorld, api: WebApi, door: Door) -> None:
        self._world = world
        self._api = api
        self._door = door
        self._due: list[_Call] | None = None
        self.counts: Counter[str] = Counter()
        world.before_write.append(lambda change: self._note(change, is_done=False))
        world.after_write.append(lambda change: self._note(change, is_done=True))
        world.switchboard.on_reset.append(self.counts.clear)

    async def answer(self, request: ApiRequest, caller: Caller) -> Response:
        seed = self._world.switchboard.random.getrandbits(128)
        response, calls = self._try(request, caller, seed)
        if not calls:
            return response
        for each in calls:
            refusal = await self._make(each)
            if refusal is not None:
                return error_response(refusal)
        if response.status_code >= 400:
            return response
        failure = self._world.switchboard.switches["fail_after_sync_steps"]
        if failure is not None:
            return error_response(errors.bad_request(str(failure), errors.PLUG_IN_REFUSAL))
        # The calls that are noted this time have been made.
        return self._answer(request, caller, seed, [])

    def _try(self, request: ApiRequest, caller: Caller, seed: int) -> tuple[Response, list[_Call]]:
        """The answer and the calls that come before it; with calls, or when it has failed, nothing has happened."""
        calls: list[_Call] = []
        try:
            with self._world.transaction():
                response = self._answer(request, caller, seed, calls)
                if calls or response.status_code >= 400:
                    raise _TakenBack
        except _TakenBack:
            pass
        return response, calls

    def _answer(self, request: ApiRequest, caller: Caller, seed: int, calls: list[_Call]) -> Response:
        self._due = calls
        try:
            with self._world.ids_from(random.Random(seed)):
                return self._api.answer(request, caller)
        finally:
            self._due = None

    def _note(self, change: RowChange, *, is_done: bool) -> None:
        for step in find_steps(self._world, change, SYNCHRONOUS):
            if (step.stage == POST_OPERATION) is not is_done:
                continue
            if self._due is None:
                raise errors.not_modelled(f"synchronous steps outside single requests ('{step.name}')")
            self._due.append(_Call(step, build_request(self._world, step, change)))

    async def _make(self, due: _Call) -> errors.ServiceError | None:
        """Call, once more where that is allowed; the refusal that a failure means for the user."""
        clock = self._world.switchboard.clock
        for may_repeat in (True, False):
            endpoint = find_endpoint(self._world, due.step.endpoint_id)
            if endpoint is None:
                return None
            outcome = await call(self._door.post, clock, endpoint, due.request)
            if outcome.has_succeeded:
                self.counts["delivered"] += 1
                return None
            if not (may_repeat and outcome.may_be_repeated):
                break
            self.counts["retried"] += 1
        self.counts["failed"] += 1
        return errors.bad_request(f"The step '{due.step.name}' has failed. {outcome.text}", errors.PLUG_IN_REFUSAL)
