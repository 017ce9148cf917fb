"""Removal from a running tenant: both simulators, the app between them, and a person who takes it out."""

import io
import json
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from local.sample import SampleBooking
from local.switchboard import APP_TOKEN, Fault
from local.wiring import DATAVERSE_URL, PUBLIC_URL
from sync.adapters.dataverse_setup import open_setup
from sync.adapters.dataverse_wire import classify_dataverse_failure
from sync.adapters.static_token import StaticTokenCredential
from sync.adapters.transport import Transport
from sync.bootstrap import Workshop
from sync.commands.console import Console
from sync.commands.remove import Removal
from sync.commands.setup import SetupOptions, run_setup
from sync.core.registration import CHANGE_TRACKING_PART, wanted_parts
from sync.service.withdrawing import remove_events
from tests.hosted_app import WEBHOOK_SECRET
from tests.tenant import Tenant

WANTED = wanted_parts(f"{PUBLIC_URL}/api/dataverse/bookings?key=0123abcd")
HOST = "contoso.crm4.dynamics.com"


class Company:
    """A tenant in which the app is set up and keeps one technician's visits."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.answer = HOST
        self.environment = open_setup(
            StaticTokenCredential(APP_TOKEN),
            Transport(
                classify=classify_dataverse_failure,
                clock=tenant.clock.now,
                sleep=tenant.sleep,
                random=Random(0),
            ),
            url=DATAVERSE_URL,
            secret=WEBHOOK_SECRET,
            http_transport=tenant._dataverse_transport,
        )

    @classmethod
    async def open(cls, **switches: Any) -> "Company":
        company = cls(await Tenant.small(**switches))
        await run_setup(company.environment, WANTED, company.console(io.StringIO()), SetupOptions())
        await company.tenant.settle()
        assert await company.links(), "the app keeps events"
        return company

    def console(self, out: io.StringIO, *, is_json: bool = False) -> Console:
        return Console(
            out=out,
            is_json=is_json,
            clock=self.tenant.clock.now,
            sleep=self.tenant.sleep,
            ask=lambda _: self.answer,
        )

    async def remove(
        self, *, events: bool = True, is_json: bool = False, is_dry_run: bool = False, yes: bool = False
    ) -> tuple[int, str]:
        out = io.StringIO()
        shop = Workshop(ports=self.tenant.ports, rules=self.tenant.rules)
        removal = Removal(shop, self.environment, WANTED, self.console(out, is_json=is_json), removes_events=events)
        return await removal.run(host=HOST, is_dry_run=is_dry_run, is_confirmed=yes), out.getvalue()

    async def links(self) -> list[Any]:
        return [link async for link in self.tenant.state.list_links()]

    async def events(self) -> int:
        """Events of the technician that carry a booking's mark."""
        found = [
            await self.tenant.ports.calendar.find_marked_event(visit.technician.mailbox_id, visit.booking_id)
            for visit in self.tenant.sample.bookings
            if visit.technician is self.tenant.technician
        ]
        return sum(event is not None for event in found)

    async def lose_the_mailbox(self) -> str:
        await self.tenant.set_access(self.tenant.technician, "denied")
        return self.tenant.technician.mailbox_id

    async def status(self, visit: SampleBooking) -> str:
        """By name; the columns that setup made may be gone."""
        answer = await self.tenant.dispatcher.get(
            f"/bookableresourcebookings({visit.booking_id})?$select=name&$expand=BookingStatus($select=name)"
        )
        return str(answer.json()["BookingStatus"]["name"])

    async def is_set_up(self) -> bool:
        parts = dict((await self.environment.read(WANTED)).parts)
        parts.pop((CHANGE_TRACKING_PART.kind, CHANGE_TRACKING_PART.name))
        return bool(parts)

    async def subscriptions(self) -> int:
        return sum([1 async for _ in self.tenant.ports.calendar.list_subscriptions()])


async def test_events_subscriptions_and_registration_go_and_no_booking_is_cancelled() -> None:
    company = await Company.open()
    visits = [one for one in company.tenant.sample.bookings if one.technician is company.tenant.technician]
    before = [await company.status(visit) for visit in visits]

    code, text = await company.remove()

    assert code == 0, text
    assert text.endswith("The app is out of Dataverse.\n")
    assert (await company.events(), await company.links(), await company.subscriptions()) == (0, [], 0)
    assert not await company.is_set_up()
    await company.tenant.settle()
    assert [await company.status(visit) for visit in visits] == before


async def test_the_events_can_be_left_where_they_are() -> None:
    company = await Company.open()
    events = await company.events()

    code, text = await company.remove(events=False)

    assert code == 0
    assert "Leave all events in the calendars." in text
    assert await company.events() == events > 0
    assert not await company.is_set_up()


async def test_everything_is_shown_in_its_order_before_it_is_confirmed() -> None:
    company = await Company.open()
    company.answer = "yes"

    code, text = await company.remove()

    assert code == 2
    assert await company.is_set_up()
    order = [
        "Stop the app first",
        "DELETE sdkmessageprocessingstepimages(",
        "DELETE serviceendpoints(",
        "subscriptions in Graph",
        "events from the calendars",
        "/Keys(LogicalName='bks_eventkey')",
        "/Attributes(LogicalName='bks_eventid')",
        "DELETE solutions(",
        "What stays:",
        "change tracking",
        "storage account",
        "Not confirmed",
    ]
    assert sorted(order, key=text.index) == order


async def test_a_dry_run_asks_nothing_and_does_nothing() -> None:
    company = await Company.open()
    company.answer = "must not be asked"
    links = await company.links()

    code, text = await company.remove(is_dry_run=True)

    assert code == 0
    assert "Nothing was changed" in text
    assert (await company.links(), await company.is_set_up()) == (links, True)


async def test_confirmed_on_the_command_line_it_asks_nothing() -> None:
    company = await Company.open()
    company.answer = "must not be asked"
    assert (await company.remove(yes=True))[0] == 0


async def test_where_a_program_reads_along_nothing_is_asked_and_nothing_done() -> None:
    company = await Company.open()
    code, text = await company.remove(is_json=True)
    assert (code, text, await company.is_set_up()) == (2, "", True)


async def test_with_nothing_there_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    company = await Company.open()
    await company.remove()

    code, _ = await company.remove()

    assert code == 1
    assert "nothing to remove" in capsys.readouterr().err


class TestEventsThatStay:
    async def test_the_event_of_a_visit_that_is_over_stays(self) -> None:
        company = await Company.open()
        company.tenant.clock.advance(timedelta(days=60).total_seconds())
        events = await company.events()

        code, text = await company.remove()

        assert code == 0
        assert f"Delete 0 events from the calendars; {events} of visits that are over stay." in text
        assert await company.events() == events > 0

    async def test_it_goes_where_the_policy_says_so(self) -> None:
        company = await Company.open()
        rules = company.tenant.rules
        company.tenant.rules = replace(rules, policy=replace(rules.policy, keeps_past_events=False))
        company.tenant.clock.advance(timedelta(days=60).total_seconds())

        await company.remove()

        assert await company.events() == 0


class TestMailboxesThatDoNotAnswer:
    async def test_they_are_named_and_the_columns_stay_until_they_answer(self) -> None:
        company = await Company.open()
        mailbox_id = await company.lose_the_mailbox()

        code, text = await company.remove()

        assert code == 3
        assert f"  - {mailbox_id}: " in text
        assert "Run remove again when the mailboxes answer" in text
        assert await company.is_set_up()
        assert await company.links()

        await company.tenant.set_access(company.tenant.technician, "ok")
        code, _ = await company.remove()
        assert code == 0
        assert (await company.events(), await company.is_set_up()) == (0, False)

    async def test_leaving_the_events_ends_it_all_the_same(self) -> None:
        company = await Company.open()
        await company.lose_the_mailbox()
        await company.remove()

        code, _ = await company.remove(events=False)

        assert (code, await company.is_set_up()) == (0, False)

    async def test_json_names_them(self) -> None:
        company = await Company.open()
        mailbox_id = await company.lose_the_mailbox()

        _, text = await company.remove(is_json=True, yes=True)

        last = json.loads(text.splitlines()[-1])
        assert last["is_done"] is False
        assert list(last["left"]) == [mailbox_id]


async def test_throttling_is_waited_out() -> None:
    company = await Company.open()
    company.tenant.graph.switchboard.faults.append(
        Fault(kind="event.delete", status=429, headers={"Retry-After": "30"}, times=4)
    )

    code, _ = await company.remove()

    assert (code, await company.events()) == (0, 0)


async def test_one_that_broke_off_between_two_events_goes_on_with_the_rest() -> None:
    company = await Company.open()
    links = await company.links()
    company.tenant.state.fail_next("delete_link", ConnectionAbortedError("the process is gone"), skip=len(links) - 1)
    with pytest.raises(ConnectionAbortedError):
        await company.remove()
    assert len(await company.links()) == 1

    code, text = await company.remove()

    assert code == 0
    assert "delete 1 events" in text
    assert await company.events() == 0


async def test_a_late_notification_of_our_own_deletion_cancels_no_booking() -> None:
    """With every subscription alive and the app at work, as if nobody had stopped it."""
    company = await Company.open()
    visits = [one for one in company.tenant.sample.bookings if one.technician is company.tenant.technician]
    before = [await company.status(visit) for visit in visits]

    ended = await remove_events(
        company.tenant.ports, company.tenant.rules, sleep=company.tenant.sleep, moved=lambda _: None
    )
    await company.tenant.settle()

    assert ended.removed > 0
    assert company.tenant.entries("end-event"), "the app was notified"
    assert [await company.status(visit) for visit in visits] == before


async def test_a_person_who_may_not_see_the_subscriptions_of_the_app_can_remove_the_rest() -> None:
    company = await Company.open()
    company.tenant.graph.switchboard.faults.append(Fault(kind="subscription.list", status=403, times=None))

    code, text = await company.remove(events=False)

    assert (code, await company.is_set_up()) == (0, False)
    assert "they end by themselves within a week" in text
