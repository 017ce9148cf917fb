"""People change the same visit on both sides at once: both are kept, or the policy decides; and then there is rest."""

import random
from datetime import datetime, timedelta

import pytest

from local.sample import guid
from local.switchboard import WorldClock
from sync.core.actions import Reason
from sync.core.body import FIRST_LINE, LAST_LINE
from sync.core.reconcile import Winner
from sync.service.overwriting import OVERWRITING
from tests.company import BOOKING_READ, BOOKING_WRITE, Company, winner_is
from tests.dispatching import starts_at

TECHNICIAN = 3
IN_OUTLOOK = timedelta(hours=1)
IN_DYNAMICS = timedelta(hours=5)
TEN_MINUTES = timedelta(minutes=10)
INSPECTION = {"msdyn_primaryincidenttype@odata.bind": f"/msdyn_incidenttypes({guid('msdyn_incidenttype:Inspection')})"}
"""A change of the work order that shows in the event's subject."""

TEAMS = (
    '<div class="me-email-text"><span>________________________________</span><br>'
    '<a href="https://teams.microsoft.com/l/meetup-join/19%3ameeting_abc?context=%7b%22Tid%22%3a%221%22%7d">'
    "Join the meeting now</a><br><span>Meeting ID: 312 456</span></div>"
)

conditional = pytest.mark.parametrize("if_match", ["ignore", "enforce"])
clocks = pytest.mark.parametrize("ahead_by", [TEN_MINUTES, -TEN_MINUTES], ids=["dynamics-ahead", "outlook-ahead"])
policies = pytest.mark.parametrize("winner", list(Winner))
slower_services = pytest.mark.parametrize("slower", ["graph", "dataverse"])


class AnotherClock(WorldClock):
    """A clock that goes with another and shows a different time."""

    def __init__(self, other: WorldClock, ahead_by: timedelta) -> None:
        super().__init__()
        self._other = other
        self._ahead_by = ahead_by

    def now(self) -> datetime:
        return self._other.now() + self._ahead_by


def set_dynamics_clock(company: Company, ahead_by: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Dataverse's clock differ from Graph's and ours; its webhooks leave when ours says so."""
    webhooks = company.dataverse.webhooks
    next_due_at = webhooks.next_due_at

    def next_due_at_by_our_clock() -> datetime | None:
        due_at = next_due_at()
        return due_at and due_at - ahead_by

    company.dataverse.switchboard.clock = AnotherClock(company.clock, ahead_by)
    monkeypatch.setattr(webhooks, "next_due_at", next_due_at_by_our_clock)


def make_slower(company: Company, service: str) -> None:
    """Let the app hear of this service's changes last."""
    if service == "graph":
        company.switch(delay_seconds=30)
    else:
        company.dynamics(webhook_delay_seconds=30)


@conditional
@clocks
@policies
@slower_services
async def test_different_fields_changed_on_both_sides_are_both_kept(
    slower: str, winner: Winner, ahead_by: timedelta, if_match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The technician moves the visit, the dispatcher changes its work order and its name: no conflict, no loser."""
    company = await Company.open(TECHNICIAN, choose=winner_is(winner), if_match=if_match)
    set_dynamics_clock(company, ahead_by, monkeypatch)
    make_slower(company, slower)
    visit = company.visit()
    await company.describe(visit, msdyn_workordersummary="Bring a ladder", **INSPECTION)
    await company.drag(visit, IN_OUTLOOK)
    await company.patch_booking(visit, name="Renamed by the dispatcher")
    await company.settle()
    await company.assert_delivered(visit.booking_id)
    row, event = await company.row(visit.booking_id), await company.event_now(visit)
    assert starts_at(event) == visit.start_at + IN_OUTLOOK
    assert row["name"] == "Renamed by the dispatcher"
    assert "Inspection" in event["subject"]
    assert "Bring a ladder" in event["body"]["content"]
    assert not [entry for entry in company.journal.entries if entry.reason == Reason.CONFLICT]
    await company.assert_at_rest()


@conditional
@clocks
@policies
@slower_services
async def test_the_policy_decides_when_both_move_the_visit_and_the_journal_tells_which_time_lost(
    slower: str, winner: Winner, ahead_by: timedelta, if_match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever side the app hears of first. Only `latest` goes by the clocks, and so by the one that is ahead."""
    company = await Company.open(TECHNICIAN, choose=winner_is(winner), if_match=if_match)
    set_dynamics_clock(company, ahead_by, monkeypatch)
    make_slower(company, slower)
    visit = company.visit()
    await company.drag(visit, IN_OUTLOOK)
    company.clock.advance(2)
    await company.plan(visit, IN_DYNAMICS)
    await company.settle()
    dynamics_wins = winner is Winner.DYNAMICS or (winner is Winner.LATEST and ahead_by > timedelta())
    won, lost = (IN_DYNAMICS, IN_OUTLOOK) if dynamics_wins else (IN_OUTLOOK, IN_DYNAMICS)
    await company.assert_delivered(visit.booking_id)
    assert starts_at(await company.event_now(visit)) == visit.start_at + won
    first, *later = [entry for entry in company.journal.entries if entry.reason == Reason.CONFLICT]
    assert first.action == OVERWRITING
    assert later
    for entry in (first, *later):
        assert entry.before.startswith(f"{visit.start_at + lost:%Y-%m-%d %H:%M} to")
        assert entry.after.startswith(f"{visit.start_at + won:%Y-%m-%d %H:%M} to")
    assert company.app_writes.total() <= 2, "one that counts, and one that came too late and was refused"
    await company.assert_at_rest()


@policies
@pytest.mark.parametrize(
    ("if_match", "call"),
    [
        ("ignore", BOOKING_READ),
        ("ignore", "event.get"),
        ("ignore", "event.update"),
        ("enforce", BOOKING_READ),
        ("enforce", "event.update"),
    ],
)
async def test_a_move_by_the_technician_before_any_call_of_a_move_to_outlook_ends_in_agreement(
    if_match: str, call: str, winner: Winner
) -> None:
    """And not without a word, but where Graph ignores etags and the event was read before."""
    company = await Company.open(TECHNICIAN, choose=winner_is(winner), if_match=if_match)
    visit = company.visit()
    moves = 0

    async def move() -> None:
        nonlocal moves
        moves += 1
        await company.move_event(visit, by=IN_OUTLOOK)

    company.quicker(call, move)
    await company.plan(visit, IN_DYNAMICS)
    await company.settle()
    assert moves == 1
    await company.assert_delivered(visit.booking_id)
    if (if_match, call) != ("ignore", "event.update"):
        assert company.journal_tells_of(visit.start_at + IN_OUTLOOK)
    await company.assert_at_rest()


@conditional
@policies
@pytest.mark.parametrize("call", ["event.get", BOOKING_WRITE])
async def test_a_move_by_the_dispatcher_before_any_call_of_a_move_to_dynamics_ends_in_agreement(
    call: str, winner: Winner, if_match: str
) -> None:
    """And not without a word."""
    company = await Company.open(TECHNICIAN, choose=winner_is(winner), if_match=if_match)
    visit = company.visit()

    async def move() -> None:
        await company.plan(visit, IN_DYNAMICS)

    company.quicker(call, move)
    await company.drag(visit, IN_OUTLOOK)
    await company.settle()
    await company.assert_delivered(visit.booking_id)
    for moment in (visit.start_at + IN_OUTLOOK, visit.start_at + IN_DYNAMICS):
        assert company.journal_tells_of(moment)
    await company.assert_at_rest()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("winner", "ahead_by", "if_match"),
    [
        (Winner.DYNAMICS, timedelta(), "ignore"),
        (Winner.OUTLOOK, timedelta(), "enforce"),
        (Winner.LATEST, TEN_MINUTES, "ignore"),
        (Winner.LATEST, -TEN_MINUTES, "enforce"),
    ],
)
async def test_after_each_of_fifty_rounds_of_edits_on_both_sides_the_writes_stop(
    winner: Winner, ahead_by: timedelta, if_match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop would show: after each round both sides agree, and an hour of timers finds nothing to write."""
    company = await Company.open(TECHNICIAN, choose=winner_is(winner), if_match=if_match)
    set_dynamics_clock(company, ahead_by, monkeypatch)
    visit, chance = company.visit(), random.Random(f"{winner} {if_match}")

    async def edit() -> None:
        by = timedelta(minutes=15 * chance.randint(-8, 40))
        match chance.randrange(5):
            case 0 | 1:
                await company.drag(visit, by)
            case 2:
                await company.plan(visit, by)
            case 3:
                await company.edit_event(visit, subject=f"Touched {chance.randrange(10**6)}")
            case _:
                await company.describe(visit, msdyn_workordersummary=f"Bring {chance.randrange(10**6)} screws")

    for _ in range(50):
        for _ in range(chance.randint(2, 6)):
            await edit()
            company.clock.advance(chance.choice((0.1, 2, 4, 8)))
            await company.work_due()
        await company.settle()
        await company.assert_delivered(visit.booking_id)
        company.forget_costs()
        await company.run_timers(timedelta(hours=1))
        assert not company.app_writes
    await company.assert_at_rest()


@conditional
async def test_a_subject_edited_by_the_technician_stays_until_dynamics_changes_what_it_is_made_of(
    if_match: str,
) -> None:
    company = await Company.open(TECHNICIAN, if_match=if_match)
    visit = company.visit()
    await company.edit_event(visit, subject="Boiler, bring Ada")
    await company.settle()
    await company.plan(visit, IN_DYNAMICS)
    await company.settle()
    await company.describe(visit, msdyn_workordersummary="Bring a ladder")
    await company.settle()
    await company.run_timers(timedelta(hours=1))
    event = await company.event_now(visit)
    assert event["subject"] == "Boiler, bring Ada"
    assert starts_at(event) == visit.start_at + IN_DYNAMICS
    assert "Bring a ladder" in event["body"]["content"]
    await company.describe(visit, **INSPECTION)
    await company.settle()
    subject = (await company.event_now(visit))["subject"]
    assert visit.work_order is not None
    assert visit.work_order.number in subject
    assert subject.endswith(": Inspection")
    await company.assert_at_rest()


@conditional
async def test_a_touch_in_outlook_costs_one_read_and_no_write(if_match: str) -> None:
    company = await Company.open(TECHNICIAN, if_match=if_match, burst=4)
    visit = company.visit()
    await company.edit_event(visit, subject="Boiler, bring Ada", categories=["Mine"])
    await company.settle()
    assert company.graph_calls == {"event.get": 1}
    assert not company.dataverse_calls


async def add_to_body(company: Company, before: str, after: str) -> None:
    """The technician writes above and below what the event says already."""
    visit = company.visit()
    body = (await company.event_now(visit))["body"]["content"]
    content = f"<html><body>{before}{body}{after}</body></html>"
    await company.edit_event(visit, body={"contentType": "html", "content": content})


@conditional
async def test_notes_and_a_teams_join_block_survive_a_change_of_the_work_order(if_match: str) -> None:
    company = await Company.open(TECHNICIAN, if_match=if_match)
    visit = company.visit()
    assert visit.work_order is not None
    await add_to_body(company, "<p>Ring twice &amp; wait</p>", f"<p>Key is at No. 7</p>{TEAMS}")
    await company.settle()
    for summary in ("Bring a ladder", "Bring <two> ladders"):
        await company.describe(visit, msdyn_workordersummary=summary)
        await company.settle()
    body = (await company.event_now(visit))["body"]["content"]
    for kept in ("<p>Ring twice &amp; wait</p>", "<p>Key is at No. 7</p>", TEAMS):
        assert kept in body
    assert "Bring &lt;two&gt; ladders" in body
    for gone in ("Bring a ladder", visit.work_order.summary):
        assert gone not in body
    assert (body.count(FIRST_LINE), body.count(LAST_LINE)) == (1, 1)
    await company.assert_at_rest()


async def test_a_note_written_while_the_app_rewrites_the_body_survives_where_graph_honours_etags() -> None:
    company = await Company.open(TECHNICIAN, if_match="enforce")
    visit = company.visit()

    async def write_a_note() -> None:
        await add_to_body(company, "", "<p>Key is at No. 7</p>")

    company.quicker("event.update", write_a_note)
    await company.describe(visit, msdyn_workordersummary="Bring a ladder")
    await company.settle()
    body = (await company.event_now(visit))["body"]["content"]
    assert "Key is at No. 7" in body
    assert "Bring a ladder" in body
    await company.assert_at_rest()


async def test_no_write_of_ours_names_attendees_and_nobody_gets_a_mail() -> None:
    """Over a visit's whole life, from its creation to its deletion."""
    company = await Company.open(TECHNICIAN)
    visit = company.visit(index=1)
    await company.book(visit.start_at + IN_DYNAMICS)
    await company.settle()
    await company.plan(visit, IN_DYNAMICS)
    await company.describe(visit, msdyn_workordersummary="Bring a ladder", **INSPECTION)
    await company.settle()
    await company.drag(visit, IN_OUTLOOK)
    await company.settle()
    await company.set_status(visit, "Canceled")
    await company.settle()
    assert company.app_writes["event.create"] == 1
    assert company.app_writes["event.update"] >= 1
    assert company.app_writes["event.delete"] == 1
    assert company.written
    assert "attendees" not in repr(company.written)
    assert not company.graph.world.mails
