"""The status page of a company with ten thousand mailboxes, in trouble: how much is read for it, and how long it is."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from sync.core.journal import DELAYED
from sync.core.mailboxes import Breaker, SubscriptionStanding
from sync.page.answering import Desk
from sync.service.board import CENSUS_AGE, PAGE
from sync.service.ports import BookingTable, EventCalendar, Ports, Technician
from tests.contracts import stored_values as values
from tests.fakes import FakeDeadLetters, FakeJournal, FakeStateStore, FakeWorkQueue
from tests.scenarios.status_page import StatusPage, parsed

MAILBOXES = 10_000
LETTERS = 500
IDS = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(MAILBOXES)]


class Phonebook:
    """Of Dynamics, what the page asks: names. `asked` counts how often."""

    def __init__(self) -> None:
        self.asked = 0

    async def list_technicians_of(self, mailbox_ids: list[str]) -> AsyncIterator[Technician]:
        self.asked += 1
        for mailbox_id in mailbox_ids:
            yield Technician(mailbox_id, f"Person {int(mailbox_id[:8])}")


class Company:
    """Ten thousand mailboxes, of which many need a person, and what the page reads of them."""

    def __init__(self) -> None:
        self.now = values.NOW
        self.state, self.journal, self.letters = FakeStateStore(), FakeJournal(), FakeDeadLetters()
        self.queue, self.phonebook = FakeWorkQueue(lambda: self.now), Phonebook()
        self.ports = Ports(
            calendar=cast("EventCalendar", None),
            bookings=cast("BookingTable", self.phonebook),
            state=self.state,
            journal=self.journal,
            dead_letters=self.letters,
            queue=self.queue,
            clock=lambda: self.now,
            new_id=lambda: "correlation-1",
        )
        desk = Desk(ports=self.ports, rules=cast("Any", None), gauge=self.queue, secrets=("s" * 32,))
        self.page = StatusPage(desk)

    async def fill(self) -> None:
        for number, mailbox_id in enumerate(IDS):
            is_bad = number % 100 == 0
            standing = SubscriptionStanding.FAILED if is_bad else SubscriptionStanding.ACTIVE
            ends = self.now + timedelta(minutes=number)
            record = replace(values.SUBSCRIPTION_RECORD, mailbox_id=mailbox_id, standing=standing, expires_at=ends)
            await self.state.save_subscription_record(record)
            if is_bad:
                await self.state.save_quarantine(replace(values.QUARANTINE, mailbox_id=mailbox_id))
                await self.state.save_breaker(Breaker(mailbox_id=mailbox_id, held=12, held_since=self.now))
            if number < 1_000:
                waits = replace(values.JOURNAL_ENTRY, mailbox_id=mailbox_id, action=DELAYED, about=mailbox_id)
                await self.journal.write(replace(waits, received_at=self.now - timedelta(seconds=number)))
        for number in range(LETTERS):
            kind = ("Refused", "AccessDenied")[number % 2]
            letter = replace(values.DEAD_LETTER, letter_id=f"letter-{number:03d}", error_class=kind)
            await self.letters.bury(replace(letter, mailbox_id=IDS[number]))
        self.forget_calls()

    @property
    def calls(self) -> Counter[str]:
        return self.state.calls + self.journal.calls + self.letters.calls + self.queue.calls

    def forget_calls(self) -> None:
        for port in (self.state, self.journal, self.letters, self.queue):
            port.calls.clear()


@pytest.fixture
async def company() -> Company:
    company = Company()
    await company.fill()
    return company


WHOLE = {"list_subscription_records", "list_quarantines", "list_breakers", "count_letters"}
"""What reads a table from its beginning to its end."""


async def test_tables_are_counted_once_a_minute_however_many_people_look(company: Company) -> None:
    for _ in range(5):
        await company.page.get()
    assert {name: count for name, count in company.calls.items() if name in WHOLE} == dict.fromkeys(WHOLE, 1)

    company.now += CENSUS_AGE
    await company.page.get()
    assert {company.calls[name] for name in WHOLE} == {2}


async def test_a_look_in_between_costs_some_fifty_small_reads_and_one_question_to_dynamics(company: Company) -> None:
    await company.page.get()
    company.forget_calls()
    asked = company.phonebook.asked

    await company.page.get()

    assert not WHOLE & set(company.calls)
    assert company.calls.total() <= 50
    assert company.phonebook.asked == asked + 1


async def test_the_overview_counts_all_and_shows_few(company: Company) -> None:
    answer = await company.page.get()
    shown = parsed(answer.text)
    for words in (
        "500 items were given up",
        "1,200 deletions are held",
        "100 mailboxes are set aside",
        "100 subscriptions are not active",
        "An item has not been brought to agreement for 17 min",
    ):
        assert words in shown.text
    assert len(shown.all("tr")) < 80
    assert len(answer.text) < 100_000


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ({"view": "mailboxes"}, 60),
        ({"view": "quarantines"}, 100),
        ({"view": "letters", "class": "Refused"}, 250),
    ],
    ids=lambda given: given["view"] if isinstance(given, dict) else "",
)
async def test_a_long_list_is_walked_by_the_page_and_each_page_is_cheap(
    company: Company, query: dict[str, str], total: int
) -> None:
    """Each page leads to the next until nothing is left; of the mailboxes the first few pages only."""
    seen: list[str] = []
    shown = await company.page.show(**query)
    while True:
        rows = shown.all("tbody")[0].children
        assert len(rows) <= PAGE
        seen += [row.all("a")[-1].attributes["href"] or "" for row in rows]
        following = [link for link in shown.all("a") if link.attributes.get("rel") == "next"]
        if not following or len(seen) >= total:
            break
        company.forget_calls()
        shown = await company.page.follow(following[0])
        assert company.calls.total() <= 1 + PAGE
        assert not WHOLE & set(company.calls)
    assert len(seen) == len(set(seen)) >= total


async def test_the_mailbox_that_is_named_is_a_persons(company: Company) -> None:
    shown = await company.page.show(view="mailboxes")
    assert "Person 24" in shown.text
