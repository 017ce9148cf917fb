"""Two deployments of the app on one tenant, each with tables and queues of its own: they agree, and neither answers the
other's writes with writes.

A customer's test environment may have been left running, or a new version may run beside the old one. All that the two
share are the services: the booking's columns, and the mark on the event.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from local.graph.door import DoorAnswer
from local.sample import Technician
from local.wiring import PUBLIC_URL
from sync.core.content import Template
from sync.core.webhooks import WEBHOOK_SECRET_HEADER
from sync.service.ports import Ports
from tests.dispatching import HOUR, MONDAY
from tests.fakes import FakeDeadLetters, FakeJournal, FakeStateStore, FakeWorkQueue
from tests.hosted_app import MESSAGES_AT_ONCE, WEBHOOK_SECRET
from tests.interleaving import CrowdedTenant
from tests.tenant import wire

START = MONDAY + 12 * HOUR
SECOND_URL = "http://127.0.0.1:7072"
IMAGE_COLUMNS = ("name", "entityalias", "imagetype", "messagepropertyname", "attributes")


class SharedTenant(CrowdedTenant):
    """The tenant with its first deployment, and with the `second` one.

    Webhooks are registered twice. The simulator knows one application with one subscription a mailbox, so its
    notifications are handed to both deployments.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.second = SecondDeployment(self)
        self.dataverse.door = _Doors({PUBLIC_URL: self, SECOND_URL: self.second})

    async def start(self) -> None:
        """As one deployment starts; then the second one does, and finds everything done."""
        await super().start()
        self.second.rules, self.second.technician = self.rules, self.technician
        await self._register_second()
        await self.second.sweep(is_full=True)
        await self.settle()
        self.forget_costs()

    async def _register_second(self) -> None:
        """A second endpoint, with steps and images as the first has them."""
        endpoint_id = await self.add(
            "serviceendpoints",
            name="second deployment",
            contract=8,
            url=f"{SECOND_URL}/api/dataverse/bookings",
            authtype=5,
            authvalue=f'<settings><setting name="{WEBHOOK_SECRET_HEADER}" value="{WEBHOOK_SECRET}"/></settings>',
        )
        for step in await self._rows("sdkmessageprocessingsteps"):
            step_id = await self.add(
                "sdkmessageprocessingsteps",
                **{name: step[name] for name in ("stage", "mode", "rank", "filteringattributes")},
                name=f"second {step['name']}",
                **{
                    "eventhandler_serviceendpoint@odata.bind": f"/serviceendpoints({endpoint_id})",
                    "sdkmessageid@odata.bind": f"/sdkmessages({step['_sdkmessageid_value']})",
                    "sdkmessagefilterid@odata.bind": f"/sdkmessagefilters({step['_sdkmessagefilterid_value']})",
                },
            )
            for image in await self._rows("sdkmessageprocessingstepimages"):
                if image["_sdkmessageprocessingstepid_value"] == step["sdkmessageprocessingstepid"]:
                    await self.add(
                        "sdkmessageprocessingstepimages",
                        **{name: image[name] for name in IMAGE_COLUMNS},
                        **{"sdkmessageprocessingstepid@odata.bind": f"/sdkmessageprocessingsteps({step_id})"},
                    )

    async def _rows(self, entity_set: str) -> list[dict[str, Any]]:
        answer = await self.dispatcher.get(f"/{entity_set}")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["value"])

    async def post(self, url: str, body: bytes, content_type: str, timeout_seconds: float) -> DoorAnswer:
        if "validationToken" not in url:
            await self.second.post(url, body, content_type, timeout_seconds)
        return await super().post(url, body, content_type, timeout_seconds)

    async def settle(self, *, limit: timedelta = timedelta(hours=2)) -> None:
        end = self.clock.now() + limit
        while True:
            await super().settle(limit=end - self.clock.now())
            due = self.second.queue.next_visible_at()
            if due is None or due > end:
                return
            self.clock.advance(max((due - self.clock.now()).total_seconds(), 0))

    async def _take_up(self, ports: Ports | None = None, limit: int = MESSAGES_AT_ONCE) -> int:
        handled = await asyncio.gather(super()._take_up(ports, limit), self.second._take_up(limit=limit))
        return sum(handled)

    async def assert_agreed(self, booking_id: str, technician: Technician | None = None) -> dict[str, Any]:
        """Both deployments hold the booking's one event, and everything is at rest."""
        event = await self.assert_delivered(booking_id, technician)
        await self.second.assert_delivered(booking_id, technician)
        await self.assert_all_at_rest()
        return event

    async def assert_ended(self, booking_id: str) -> None:
        await self.assert_without_event(booking_id)
        await self.second.assert_without_event(booking_id)
        await self.assert_all_at_rest()

    async def assert_all_at_rest(self) -> None:
        """Nobody calls anybody without a reason, and neither deployment's sweeps write anything."""
        self.forget_costs()
        self.clock.advance(timedelta(hours=1).total_seconds())
        await self.settle()
        assert not self.graph_calls
        assert not self.dataverse_calls
        for deployment in (self, self.second, self):
            await deployment.assert_at_rest()


class SecondDeployment(CrowdedTenant):
    """Everything is as for the first deployment, but what it keeps for itself."""

    def __init__(self, first: SharedTenant) -> None:  # It begins nothing, so what begins a tenant is not called.
        vars(self).update(vars(first))
        self._first = first
        self.state, self.journal, self.letters = FakeStateStore(), FakeJournal(), FakeDeadLetters()
        self.queue = FakeWorkQueue(self.clock.now)
        self.replies = []
        self.ports = self.build_ports()
        self.watch_storage()

    async def settle(self, *, limit: timedelta = timedelta(hours=2)) -> None:
        await self._first.settle(limit=limit)


class _Doors:
    """The ways from Dataverse to the deployments, by their addresses."""

    def __init__(self, deployments: Mapping[str, CrowdedTenant]) -> None:
        self._deployments = deployments

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:  # noqa: ARG002
        (deployment,) = [one for start, one in self._deployments.items() if url.startswith(f"{start}/")]
        secret = httpx.Headers(dict(headers)).get(WEBHOOK_SECRET_HEADER)
        return (await deployment.post_webhook(body, secret)).status


type Act = Callable[[SharedTenant, str], Awaitable[None]]


def there(tenant: SharedTenant) -> Technician:
    """A second technician."""
    return tenant.sample.technicians[4]


async def move(tenant: SharedTenant, booking_id: str) -> None:
    await tenant.move(booking_id, START + 3 * HOUR)


async def move_in_outlook(tenant: SharedTenant, booking_id: str) -> None:
    event = await tenant.event_of(booking_id)
    await tenant.rewrite_event(event, start=wire(START - HOUR), end=wire(START))


async def change_what_is_to_be_done(tenant: SharedTenant, booking_id: str) -> None:  # noqa: ARG001
    order = tenant.sample.work_orders[4]
    await tenant.patch(f"msdyn_workorders({order.work_order_id})", msdyn_workordersummary="Bring the long ladder")


async def reassign(tenant: SharedTenant, booking_id: str) -> None:
    await tenant.reassign(booking_id, there(tenant))


async def cancel(tenant: SharedTenant, booking_id: str) -> None:
    await tenant.put(booking_id, "Canceled")


async def delete(tenant: SharedTenant, booking_id: str) -> None:
    await tenant.delete(booking_id)


async def delete_in_outlook(tenant: SharedTenant, booking_id: str) -> None:
    await tenant.drop_event(await tenant.event_of(booking_id))


STAYING: list[Act] = [move, move_in_outlook, change_what_is_to_be_done]
ENDING: list[Act] = [cancel, delete, delete_in_outlook]


async def opened(transaction_id: str = "while_it_lives", **switches: Any) -> SharedTenant:
    tenant = await SharedTenant.open(3, 4, transaction_id=transaction_id, **switches)
    tenant.dynamics(webhook_reorder=False)
    return tenant


async def booked(tenant: SharedTenant) -> str:
    booking_id = await tenant.book(START, work_order=tenant.sample.work_orders[4])
    await tenant.settle()
    return booking_id


@pytest.mark.parametrize("transaction_id", ["always", "while_it_lives", "never"])
async def test_a_new_booking_gets_one_event_from_the_two(transaction_id: str) -> None:
    tenant = await opened(transaction_id)
    booking_id = await booked(tenant)
    await tenant.assert_agreed(booking_id)


@pytest.mark.slow
@pytest.mark.parametrize("transaction_id", ["always", "while_it_lives", "never"])
async def test_a_new_booking_gets_one_event_in_whatever_order_the_two_take_turns(transaction_id: str) -> None:
    for seed in range(12):
        tenant = await opened(transaction_id)
        tenant.crowd(seed)
        booking_id = await booked(tenant)
        assert tenant.points > 20, "the two hardly ever waited"
        tenant.watch(None)
        await tenant.assert_agreed(booking_id)


@pytest.mark.parametrize("act", STAYING)
async def test_what_changes_reaches_the_other_side_once(act: Act) -> None:
    tenant = await opened()
    booking_id = await booked(tenant)
    await act(tenant, booking_id)
    await tenant.settle()
    await tenant.assert_agreed(booking_id)


async def test_a_reassigned_booking_has_its_event_with_the_new_technician_alone() -> None:
    tenant = await opened()
    booking_id = await booked(tenant)
    await reassign(tenant, booking_id)
    await tenant.settle()
    await tenant.assert_agreed(booking_id, there(tenant))


@pytest.mark.parametrize("act", ENDING)
async def test_a_booking_that_ends_leaves_no_event(act: Act) -> None:
    tenant = await opened()
    booking_id = await booked(tenant)
    await act(tenant, booking_id)
    await tenant.settle()
    await tenant.assert_ended(booking_id)


@pytest.mark.slow
@pytest.mark.parametrize("act", [*STAYING, reassign, *ENDING])
async def test_the_two_agree_in_whatever_order_they_take_turns(act: Act) -> None:
    for seed in range(8):
        tenant = await opened("never" if seed % 2 else "while_it_lives")
        booking_id = await booked(tenant)
        tenant.crowd(seed)
        await act(tenant, booking_id)
        await tenant.settle()
        tenant.watch(None)
        if act in ENDING:
            await tenant.assert_ended(booking_id)
        else:
            await tenant.assert_agreed(booking_id, there(tenant) if act is reassign else tenant.technician)


@pytest.mark.parametrize("act", [*STAYING, reassign, *ENDING])
async def test_a_deployment_that_hears_no_webhook_agrees_by_its_sweeps(act: Act) -> None:
    tenant = await opened()
    tenant.second.webhook_door_is_open = False
    booking_id = await booked(tenant)
    await act(tenant, booking_id)
    await tenant.settle()
    await tenant.second.sweep()
    await tenant.settle()
    if act in ENDING:
        await tenant.assert_ended(booking_id)
    else:
        await tenant.assert_agreed(booking_id, there(tenant) if act is reassign else tenant.technician)


async def test_two_that_say_it_in_other_words_do_not_correct_each_other_for_ever() -> None:
    tenant = await opened()
    for each in (tenant, tenant.second):
        await each.run_timers(timedelta(hours=1))  # Sweeps look at work orders that have just changed.
    words = replace(tenant.rules.templates, subject=Template.parse("Visit {number}"))
    tenant.second.rules = replace(tenant.rules, templates=words)
    booking_id = await booked(tenant)
    await tenant.assert_agreed(booking_id)
    await change_what_is_to_be_done(tenant, booking_id)
    await tenant.settle()
    await tenant.assert_agreed(booking_id)


async def test_a_visit_given_away_and_taken_back_at_once_has_one_event_where_it_came_from() -> None:
    tenant = await opened()
    booking_id = await booked(tenant)
    await reassign(tenant, booking_id)
    await tenant.settle(limit=timedelta(seconds=4))
    await tenant.reassign(booking_id, tenant.technician)
    await tenant.settle()
    await tenant.assert_agreed(booking_id)
