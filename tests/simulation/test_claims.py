"""The claims see what is wrong: a world that was meddled with behind the app's back, and an app that was broken."""

from collections.abc import Awaitable, Callable

import pytest

from local.dataverse.world import Author
from local.graph.events import Event
from local.virtual_time import run_virtually
from simulation.claims import Claims
from simulation.mutation_run import notice
from simulation.mutations import MUTATIONS
from simulation.people import BOOKING
from simulation.stage import Stage
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
    """A technician's move that somebody undoes without a word."""
    event = the_event(stage)
    stage.ledger.person_acts = True
    moved = stage.graph.world.update(event, {"start_at": event.start_at + HOUR, "end_at": event.end_at + HOUR})
    stage.ledger.person_acts = False
    stage.graph.world.update(moved, {"start_at": event.start_at, "end_at": event.end_at})


MEDDLING: dict[Callable[[Stage], Awaitable[None]], str] = {
    lose_an_event: "has no event",
    move_an_event: "its event at",
    delete_a_booking: "is gone and has event",
    send_a_mail: "mails were sent",
    move_and_move_back: "is lost without a word",
}


def broken_by(meddle: Callable[[Stage], Awaitable[None]]) -> list[str]:
    async def play() -> list[str]:
        stage = await Stage.set()
        await meddle(stage)
        return Claims(stage).broken()

    return run_virtually(play())


def test_a_tenant_at_rest_breaks_no_claim() -> None:
    assert broken_by(leave_alone) == []


@pytest.mark.parametrize("meddle", MEDDLING, ids=lambda meddle: meddle.__name__)
def test_a_claim_sees_what_is_wrong(meddle: Callable[[Stage], Awaitable[None]]) -> None:
    broken = broken_by(meddle)
    assert any(MEDDLING[meddle] in sentence for sentence in broken), broken


def test_a_booking_that_the_app_deletes_by_itself_is_seen() -> None:
    assert any("ended by the app" in sentence for sentence in broken_by(delete_a_booking))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["leftovers forgotten", "no time in coalescing", "etags excuse all", "delays drop"])
def test_histories_notice_an_app_that_was_broken_on_purpose(name: str) -> None:
    """All mutations, and what each takes to be noticed: docs/proof.md."""
    assert notice(MUTATIONS[name], range(60), workers=2) is not None
