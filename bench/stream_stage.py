"""A company at its daily work on virtual time: both services tell the app of every change, and the app follows.

It is the stage of the backfill with Dataverse's webhooks besides, and with visits that have their events already.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any, Self, override

import httpx

from bench.backfill_stage import BEGAN_AT, BackfillStage
from bench.company import Company
from bench.errors import MeasurementFailed
from local.dataverse.world import Author, Row
from local.sample import build_sample
from local.switchboard import PERSON_TOKEN
from sync.adapters.dataverse_http import DataverseHttp, open_http
from sync.adapters.dataverse_setup import DataverseSetup
from sync.adapters.dataverse_wire import classify_dataverse_failure
from sync.adapters.static_token import StaticTokenCredential
from sync.adapters.transport import Transport
from sync.core.registration import wanted_parts
from sync.core.registration_plan import plan_setup
from sync.core.webhooks import WEBHOOK_SECRET_HEADER
from sync.service.installing import install
from sync.service.intake import Door, answer_webhook

BOOKINGS = "bookableresourcebooking"


class StreamStage(BackfillStage):
    """An asynchronous context, within `run_virtually`; inside it, the app is at work and has seen every visit."""

    def __init__(
        self,
        company: Company,
        *,
        instances: int,
        settle_seconds: float | None = None,
        dataverse_switches: Mapping[str, Any] | None = None,
        is_paced: bool = True,
    ) -> None:
        """`settle_seconds` None: as it is by default."""
        mailboxes = tuple(one.mailbox_id for one in company.technicians)
        super().__init__(instances=instances, mailboxes=mailboxes, is_paced=is_paced)
        self.dataverse.door = _WebhookDoor(self)
        self.dataverse.switchboard.set_switches(dict(dataverse_switches or {}))
        self.company = company
        if settle_seconds is not None:
            self._settings = replace(self._settings, settle_seconds=settle_seconds)

    @override
    def _open_door(self) -> Door:
        return replace(super()._open_door(), webhook_secrets=self._settings.webhook_secrets)

    async def post_webhook(self, body: bytes, secret: str | None) -> int:
        """The app's HTTP function for webhooks, as Dataverse sees it."""
        return (await answer_webhook(body, secret, self._open_door)).status

    @override
    async def __aenter__(self) -> Self:
        self.company.hire(self.graph.world, self.dataverse.world)
        self._clear_sample()
        await super().__aenter__()
        self._running.append(asyncio.create_task(self.dataverse.webhooks.run(self.dataverse.post)))
        await self._register()
        self.company.book(self.dataverse.world, replace(build_sample(BEGAN_AT.date()), bookings=()))
        await self.subscribe()
        bookings = self.bookings()
        if without_event := [one for one in bookings if one.values["bks_eventid"] is None]:
            raise MeasurementFailed(f"{len(without_event)} of {len(bookings)} visits have no event to begin with")
        return self

    def _clear_sample(self) -> None:
        """Before the app hears of deletions."""
        world = self.dataverse.world
        for booking in self.bookings():
            world.delete(BOOKINGS, booking.row_id, Author(user_id=world.users["person"]))

    def bookings(self) -> list[Row]:
        """All bookings as they are now."""
        return list(self.dataverse.world.rows(BOOKINGS).values())

    @override
    async def settle(self) -> None:
        """Wait until nothing is on its way to the app, and its queues are empty."""
        webhooks = self.dataverse.webhooks
        await super().settle()
        while webhooks.next_due_at() is not None or webhooks.in_flight or not self.queues.are_empty:
            await asyncio.sleep(1)
            await super().settle()

    async def _register(self) -> None:
        """What `python -m sync setup` does, as an administrator."""
        transport = httpx.ASGITransport(app=self.dataverse.app)
        http = DataverseHttp(
            open_http(transport=transport),
            StaticTokenCredential(PERSON_TOKEN),
            Transport(classify=classify_dataverse_failure, clock=self.clock.now, sleep=asyncio.sleep, random=Random(0)),
            url=self._settings.dataverse_url,
        )
        environment = DataverseSetup(http, secret=self._settings.webhook_secrets[0])
        wanted = wanted_parts(f"{self._settings.public_url}/api/dataverse/bookings")
        plan = plan_setup(wanted, await environment.read(wanted))
        await install(
            plan,
            wanted,
            environment,
            clock=self.clock.now,
            sleep=asyncio.sleep,
            done=lambda _: None,
            waiting=lambda _: None,
        )


class _WebhookDoor:
    """The way from the Dataverse simulator to the app."""

    def __init__(self, stage: StreamStage) -> None:
        self._stage = stage

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:
        del url, timeout_seconds
        return await self._stage.post_webhook(body, httpx.Headers(dict(headers)).get(WEBHOOK_SECRET_HEADER))
