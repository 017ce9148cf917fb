"""The claims see what is wrong: a world that was meddled with behind the app's back, and an app that was broken."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import pytest

from local.dataverse.world import Author
from local.graph.events import Event
from local.virtual_time import run_virtually
from local.wiring import GRAPH_URL
from simulation.claims import Claims
from simulation.mutation_run import notice
from simulation.mutations import MUTATIONS
from simulation.people import BOOKING, NAMED
from simulation.stage import Stage
from sync.core.content import Template
from tests.dispatching import HOUR


async def leave_alone(stage: Stage) -> None:
    """Nothing is wrong."""


def the_event(stage: Stage) -> Event:
    (event,) = stage.people.marked_events(stage.cast.visits[0].booking_id)
    return event


async def lose_an_event(stage: Stage) -> None:
    event = the_event(stage)
    stage.graph.world.delete(event)


async def move_an_event(stage: Stage) -> None:
    event = the_event(stage)
    stage.graph.world.update(event, {"start_at": event.start_at + HOUR, "end_at": event.end_at + HOUR})


async def delete_a_booking(stage: Stage) -> None:
    visit = stage.cast.visits[0]
    stage.dataverse.world.delete(BOOKING, visit.booking_id, Author(user_id=stage.dataverse.world.users["app"]))


async def send_a_mail(stage: Stage) -> None:
    event = the_event(stage)
    attendee = {"emailAddress": {"address": "customer@example.com"}, "type": "required"}
    stage.graph.world.update(event, {"properties": {**event.properties, "attendees": [attendee]}})


async def move_and_move_back(stage: Stage) -> None:
    """A technician's move that the app undoes without a word, though an etag would have told of it."""
    stage.graph.switchboard.set_switches({"if_match": "enforce"})
    await move_and_overlook(stage)


async def move_and_overlook(stage: Stage) -> None:
    """The same, where no etag tells."""
    event = the_event(stage)
    stage.ledger.person_acts = True
    moved = stage.graph.world.update(event, {"start_at": event.start_at + HOUR, "end_at": event.end_at + HOUR})
    stage.ledger.person_acts = False
    stage.graph.world.update(moved, {"start_at": event.start_at, "end_at": event.end_at})


async def rename_a_booking(stage: Stage) -> None:
    rules = stage.cluster.rules
    stage.cluster.rules = replace(rules, templates=replace(rules.templates, subject=Template.parse("{booking}")))
    app = Author(user_id=stage.dataverse.world.users["app"])
    stage.dataverse.world.update(BOOKING, stage.cast.visits[0].booking_id, {"name": f"{NAMED[1]} 1"}, app)


async def end_what_was_cut_and_pasted(stage: Stage) -> None:
    """The app deletes the booking, as if no copy of its event lived."""
    event = the_event(stage)
    mailbox = stage.graph.world.mailboxes[event.mailbox_id]
    stage.ledger.person_acts = True
    stage.graph.world.copy(mailbox, event, mailbox.default_calendar)
    stage.graph.world.delete(event)
    stage.ledger.person_acts = False
    await delete_a_booking(stage)


async def end_what_was_deleted(stage: Stage) -> None:
    """As the app should."""
    stage.ledger.person_acts = True
    stage.graph.world.delete(the_event(stage))
    stage.ledger.person_acts = False
    await delete_a_booking(stage)


async def crowd_a_mailbox(stage: Stage) -> None:
    request = httpx.Request("GET", f"{GRAPH_URL}/users/{stage.cast.mailboxes[0]}/events")
    gauge = stage.cluster.graph_gauge
    with gauge.measure(request, 1), gauge.measure(request, 1), gauge.measure(request, 1):
        pass


async def share_a_mailbox(stage: Stage) -> None:
    """Two instances with two requests each."""
    request = httpx.Request("GET", f"{GRAPH_URL}/users/{stage.cast.mailboxes[0]}/events")
    gauge = stage.cluster.graph_gauge
    with gauge.measure(request, 1), gauge.measure(request, 1), gauge.measure(request, 2), gauge.measure(request, 2):
        gauge.calls = 0


MEDDLING: dict[Callable[[Stage], Awaitable[None]], str] = {
    lose_an_event: "has no event",
    move_an_event: "its event at",
    delete_a_booking: "is gone and has event",
    send_a_mail: "mails were sent",
    move_and_move_back: "is lost without a word",
    rename_a_booking: "is called Renamed by act 1, its event",
    end_what_was_cut_and_pasted: "ended by the app",
    crowd_a_mailbox: "3 requests at once in one mailbox",
}


def broken_by(meddle: Callable[[Stage], Awaitable[None]]) -> list[str]:
    async def play() -> list[str]:
        stage = await Stage.set()
        await meddle(stage)
        return Claims(stage).broken()

    return run_virtually(play())


FINE = (leave_alone, end_what_was_deleted, share_a_mailbox, move_and_overlook)


@pytest.mark.parametrize("meddle", FINE, ids=lambda one: one.__name__)
def test_a_tenant_with_which_nothing_is_wrong_breaks_no_claim(meddle: Callable[[Stage], Awaitable[None]]) -> None:
    assert broken_by(meddle) == []


@pytest.mark.parametrize("meddle", MEDDLING, ids=lambda meddle: meddle.__name__)
def test_a_claim_sees_what_is_wrong(meddle: Callable[[Stage], Awaitable[None]]) -> None:
    broken = broken_by(meddle)
    assert any(MEDDLING[meddle] in sentence for sentence in broken), broken


def test_a_booking_that_the_app_deletes_by_itself_is_seen() -> None:
    assert any("ended by the app" in sentence for sentence in broken_by(delete_a_booking))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("no time in coalescing", "delays drop", "transaction id alone", "no look after a crash"),
        *("cursor first", "generations ignored"),
    ],
)
def test_histories_notice_an_app_that_was_broken_on_purpose(name: str) -> None:
    """All mutations, and what each takes to be noticed: docs/proof.md."""
    assert notice(MUTATIONS[name], range(150), workers=2) is not None
