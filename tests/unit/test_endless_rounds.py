"""A round over a calendar ends, whatever Graph answers; and one that merely repeats itself is not taken for endless."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import cast

import pytest

from sync.core.errors import DeltaTokenExpired, EndlessRound, ServiceUnavailable
from sync.core.mailboxes import Cursor
from sync.core.rules import Rules
from sync.core.sides import TimeSpan
from sync.core.subscriptions import SubscriptionPolicy
from sync.core.sweeping import window_at
from sync.core.work_items import MailboxJob, MailboxTask
from sync.service.ports import BookingTable, DeltaPage, EventCalendar, ListedBooking, Ports
from sync.service.sweeping import ATTEMPTS_AT_A_ROUND, PAGES_PER_ROUND, mailbox_task, sweep_mailbox
from tests.fakes import FakeDeadLetters, FakeJournal, FakeStateStore, FakeWorkQueue
from tests.unit.values import MAILBOX, NOW, TEMPLATES

RULES = Rules(
    subscriptions=SubscriptionPolicy(notification_url="https://app.example", lifecycle_url="https://app.example"),
    templates=TEMPLATES,
)


@dataclass(slots=True)
class ScriptedCalendar:
    """Answers the nth page of a round as `pages` says, with a new link each time; the last one, if any, ends it."""

    pages: Callable[[int], DeltaPage | None]
    links: list[str | None] = field(default_factory=list)
    _place: int = 0

    async def read_delta(self, mailbox_id: str, *, window: TimeSpan, link: str | None) -> DeltaPage:
        del mailbox_id, window
        self.links.append(link)
        self._place = self._place + 1 if link and not link.startswith("the last") else 0
        page = self.pages(self._place)
        if page is None:
            return DeltaPage(changed=[], removed=[], delta_link="the next round")
        return replace(page, next_link=f"page {self._place + 1}, {len(self.links)}")


class NoBookings:
    async def list_bookings(self, mailbox_id: str, window: TimeSpan) -> AsyncIterator[ListedBooking]:
        del mailbox_id, window
        for one in list[ListedBooking]():
            yield one


def ports_on(calendar: object) -> Ports:
    numbers = count(1)
    return Ports(
        calendar=cast(EventCalendar, calendar),
        bookings=cast(BookingTable, NoBookings()),
        state=FakeStateStore(),
        journal=FakeJournal(),
        dead_letters=FakeDeadLetters(),
        queue=FakeWorkQueue(lambda: NOW),
        clock=lambda: NOW,
        new_id=lambda: f"id-{next(numbers)}",
    )


def a_task(ports: Ports, deferrals: int = 0) -> MailboxTask:
    return replace(mailbox_task(MAILBOX, MailboxJob.SWEEP, ports), deferrals=deferrals)


def a_page(*events: str, removed: Sequence[str] = (), occurrences: Sequence[str] = ()) -> DeltaPage:
    return DeltaPage(changed=[(event, 'W/"one"') for event in events], removed=removed, occurrences=occurrences)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(a_page("event"), id="an event"),
        pytest.param(a_page(removed=["event"]), id="a removal"),
        pytest.param(a_page(occurrences=["monday", "tuesday"]), id="occurrences"),
    ],
)
async def test_a_page_that_comes_again_and_again_ends_the_sweep_and_saves_no_cursor(page: DeltaPage) -> None:
    calendar = ScriptedCalendar(lambda _: page)
    ports = ports_on(calendar)
    with pytest.raises(EndlessRound, match="again and again"):
        await sweep_mailbox(a_task(ports), ports, RULES)
    assert len(calendar.links) == 4
    assert await ports.state.find_cursor(MAILBOX) is None


async def test_a_delta_round_without_end_gives_way_to_a_full_one() -> None:
    calendar = ScriptedCalendar(lambda _: a_page("event"))
    ports = ports_on(calendar)
    cursor = Cursor(mailbox_id=MAILBOX, delta_link="the last", window=window_at(NOW, RULES.window), saved_at=NOW)
    await ports.state.save_cursor(cursor)
    with pytest.raises(EndlessRound):
        await sweep_mailbox(a_task(ports), ports, RULES)
    assert [link for link in calendar.links if link is None or link == "the last"] == ["the last", None]
    assert await ports.state.find_cursor(MAILBOX) == cursor, "the next sweep begins where this one did"


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(lambda _: DeltaPage(changed=[], removed=[]), id="empty pages"),
        pytest.param(lambda number: a_page(f"event {number}"), id="ever more events"),
    ],
)
async def test_no_round_has_more_pages_than_any_calendar(page: Callable[[int], DeltaPage]) -> None:
    calendar = ScriptedCalendar(page)
    ports = ports_on(calendar)
    with pytest.raises(EndlessRound, match=str(PAGES_PER_ROUND)):
        await sweep_mailbox(a_task(ports), ports, RULES)
    assert len(calendar.links) == PAGES_PER_ROUND


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param([a_page("one"), *[a_page()] * 20], id="empty pages, of which Graph sends many"),
        pytest.param([a_page("one"), *[a_page("one")] * 2, a_page("two"), a_page("two")], id="two repetitions a time"),
        pytest.param([a_page(occurrences=[f"day {day}"]) for day in range(9)], id="pages of occurrences alone"),
        pytest.param([a_page("one"), *[a_page(), a_page("one")] * 2], id="a repetition after an empty page"),
        pytest.param([a_page("one"), a_page(removed=["one"]), a_page("one")], id="an event that goes and returns"),
    ],
)
async def test_a_round_that_repeats_itself_a_little_is_read_to_its_end(pages: list[DeltaPage]) -> None:
    ports = ports_on(ScriptedCalendar(lambda number: pages[number] if number < len(pages) else None))
    assert (await sweep_mailbox(a_task(ports), ports, RULES)).action == "swept"


class RefusingCalendar:
    """Refuses every link that it gives."""

    def __init__(self) -> None:
        self.calls = 0

    async def read_delta(self, mailbox_id: str, *, window: TimeSpan, link: str | None) -> DeltaPage:
        del mailbox_id, window
        self.calls += 1
        if link is not None:
            raise DeltaTokenExpired("The delta token is no longer valid.", status=400)
        return DeltaPage(changed=[], removed=[], next_link="page 2")


@pytest.mark.parametrize(
    ("deferrals", "kind"),
    [(0, ServiceUnavailable), (ATTEMPTS_AT_A_ROUND, EndlessRound)],
    ids=["at first", "in the end"],
)
async def test_a_full_round_whose_links_are_refused_is_begun_anew_a_few_times_only(
    deferrals: int, kind: type[Exception]
) -> None:
    calendar = RefusingCalendar()
    ports = ports_on(calendar)
    with pytest.raises(kind, match="full round"):
        await sweep_mailbox(a_task(ports, deferrals), ports, RULES)
    assert calendar.calls == 2, "and never in the same sweep"
