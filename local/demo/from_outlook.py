"""Outlook to Dynamics: the first half of the story."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bench.trace import PRIVATE_SUBJECT, delete, make_private, move, scheduled_visits
from local.demo.chapter import Chapter, Teller, journal_lines, sum_calls
from local.demo.page import Page
from local.demo.stage import BURST, BookingView, Calls, DemoStage, Played
from local.sample import TENANT_ID, SampleBooking
from sync.core.journal import JournalEntry
from sync.core.work_items import Source

HOUR = timedelta(hours=1)
MOVED_IN_CRASH = 5
SLOW_SECONDS = 5.0
FORGED_CLIENT_STATE = "guessed-by-somebody"


def an_event_is_moved(stage: DemoStage, page: Page) -> Chapter:
    visit = scheduled_visits(stage.sample)[0]
    name = visit.technician.name
    page.chapter(
        "An event is moved, and a burst arrives",
        f"{name} drags visit {visit.name} to an hour later in Outlook. Graph notifies {BURST} times, out of order.",
    )
    before = stage.booking(visit.booking_id)
    rows = [_row("before", stage, visit, before)]
    delivered = stage.notifications_delivered()
    change = move(visit, HOUR)
    with page.waiting("waiting for the booking"):
        stage.do(change)
        wanted = visit.start_at + HOUR
        seconds = stage.wait_for(
            lambda: stage.booking(visit.booking_id).start_at == wanted, "the booking follows its event"
        )
        stage.settle()
    after, calls = stage.booking(visit.booking_id), stage.take_calls()
    rows.append(_row("after", stage, visit, after))
    page.table(_HEADINGS, rows)
    page.holds(after.span == stage.event_span(visit), f"the booking followed its event after {seconds:.1f} s", after)
    received = stage.notifications_delivered() - delivered
    page.holds(received == BURST, f"{received} notifications were acknowledged", received)
    page.holds(
        calls == Calls(graph={"event.get": 1}, dataverse={"bookableresourcebookings.update": 1}),
        "they cost 1 read in Outlook and 1 conditional write in Dynamics; the rest was recognised as seen",
        calls,
    )
    page.quote("journal", journal_lines(_pushed(stage, visit)))
    return Chapter(name="an event moved", played=_since(stage, 0), calls=calls)


def a_private_meeting(stage: DemoStage, page: Page) -> Chapter:
    like = stage.sample.private_events[0]
    mailbox_id, begin = like.technician.mailbox_id, len(stage.played)
    page.chapter(
        "A private meeting stays private",
        f"{like.technician.name} makes a meeting of their own, and then moves it by half an hour.",
    )
    with page.waiting("waiting until all is quiet"):
        made_id = stage.do(make_private(like, HOUR))
        assert made_id is not None
        stage.settle()
        first = stage.take_calls()
        stage.do(replace(move(like, HOUR * 1.5), event_id=made_id))
        stage.settle()
    later = stage.take_calls()
    entries = stage.journal(mailbox_id, event_id=made_id)
    page.holds(first.graph == {"event.get": 1}, "made: 1 read in Outlook, to learn that it is not ours", first)
    page.holds(later.graph_count == 0, "moved: no call at all, because that was remembered", later)
    page.holds(first.dataverse_count + later.dataverse_count == 0, "Dynamics was never asked: 0 calls", (first, later))
    page.holds(
        bool(entries) and not any(entry.before or entry.after or PRIVATE_SUBJECT in repr(entry) for entry in entries),
        "the journal knows its id, and neither subject nor time",
        entries,
    )
    page.quote("journal", journal_lines(entries))
    return Chapter(name="a private meeting made and moved", played=_since(stage, begin), calls=sum_calls(first, later))


def an_event_is_deleted(stage: DemoStage, page: Page) -> Chapter:
    visit = scheduled_visits(stage.sample)[1]
    begin = len(stage.played)
    page.chapter(
        "An event is deleted, and its booking cancelled",
        f"""{visit.technician.name} deletes visit {visit.name} in Outlook. One answer "not found" is no proof: a lost
        permission or a moved mailbox looks the same. So the app asks for a second witness before it cancels.""",
    )
    before = stage.booking(visit.booking_id)
    rows = [_row("before", stage, visit, before)]
    with page.waiting("waiting for the booking"):
        stage.do(delete(visit))
        seconds = stage.wait_for(
            lambda: stage.booking(visit.booking_id).status == "Canceled", "the booking is cancelled"
        )
        stage.settle()
    after, calls = stage.booking(visit.booking_id), stage.take_calls()
    rows.append(_row("after", stage, visit, after))
    page.table(_HEADINGS, rows)
    page.holds(
        after.event_id is None, f"cancelled after {seconds:.1f} s, and the event's id taken off the booking", after
    )
    entries = [entry for entry in _pushed(stage, visit) if entry.action == "cancel-booking"]
    page.holds(len(entries) == 1, "the journal says why, with the reads that were the proof", entries)
    asked = list(entries[0].calls)
    second = next((kind for kind in asked if kind in _SECOND_WITNESSES), "")
    page.holds("event.get" in asked, "first witness (event.get): there is no event with this id", asked)
    page.holds(second != "", f"second witness ({second}): {_SECOND_WITNESSES.get(second)}", asked)
    page.quote("journal", journal_lines(entries))
    return Chapter(name="an event deleted", played=_since(stage, begin), calls=calls)


_SECOND_WITNESSES = {
    "event.search": "the mailbox answers, and has no event with the booking's mark",
    "event.calendar": "the mailbox answers, and the event is in none of its calendars",
}


def a_forged_notification(stage: DemoStage, page: Page) -> Chapter:
    visit = scheduled_visits(stage.sample)[2]
    page.chapter(
        "A forged notification is refused",
        f"""The door is open to the internet. Somebody posts that {visit.technician.name}'s visit {visit.name} was
        deleted, with everything right but the client state, which only Graph was told.""",
    )
    before, logged = stage.booking(visit.booking_id), len(stage.log_lines("client-state"))
    forged = forged_notification(visit)
    status = stage.post_notification(forged)
    queued = stage.world.queued()
    with page.waiting("waiting whether something happens"):
        stage.settle()
    calls, lines = stage.take_calls(), stage.log_lines("client-state")[logged:]
    page.holds(status == 202, "answered 202, like any other: the answer is no oracle", status)
    page.holds(queued == 0, "nothing was queued", queued)
    page.holds(calls.graph_count + calls.dataverse_count == 0, "nobody was called", calls)
    page.holds(stage.booking(visit.booking_id) == before, "the booking is as it was", stage.booking(visit.booking_id))
    page.holds(len(lines) == 1, "and the log has it, for whoever watches", lines)
    page.quote("log", [lines[0].partition(" ")[2]])
    return Chapter(name="a forged notification", calls=calls, forged=(forged,))


def a_crash_in_the_middle(stage: DemoStage, page: Page) -> Chapter:
    *visits, last = scheduled_visits(stage.sample)[3 : 4 + MOVED_IN_CRASH]
    begin = len(stage.played)
    page.chapter(
        "A crash in the middle loses nothing",
        f"""{len(visits)} visits are moved, and Graph is slow to answer the app. While the changes wait or are at work,
        the Functions host is killed, and one more visit is moved while nobody answers. Then the host is started
        again.""",
    )
    with page.waiting("moving, killing, and starting again"):
        with stage.slow_reading(SLOW_SECONDS):
            for visit in visits:
                stage.do(move(visit, HOUR))
            stage.wait_for(lambda: stage.world.queued() >= len(visits), "the changes are in the queue")
            stage.world.kill("functions")
        queued, moved = stage.world.queued(), _moved(stage, visits)
        stage.do(move(last, HOUR))
        stage.world.start("functions")
    page.holds(
        queued > 0 and moved < len(visits),
        f"killed with {queued} items in the queue, and {moved} of {len(visits)} bookings moved",
        (queued, moved),
    )
    everybody = [*visits, last]
    with page.waiting("waiting for the bookings"):
        seconds = stage.wait_for(
            lambda: _moved(stage, everybody) == len(everybody), "all bookings follow their events", seconds=60
        )
        stage.settle()
    calls = stage.take_calls()
    page.holds(
        all(stage.event_span(visit) == stage.booking(visit.booking_id).span for visit in everybody),
        f"all {len(everybody)} bookings are where their events are, {seconds:.1f} s after the start",
    )
    writes = calls.dataverse.get("bookableresourcebookings.update", 0)
    page.holds(writes == len(everybody), f"and each was written once: {writes} writes in Dynamics", calls)
    name = f"{len(everybody)} events moved around a crash"
    return Chapter(name=name, played=_since(stage, begin), calls=calls)


FROM_OUTLOOK: tuple[Teller, ...] = (
    an_event_is_moved,
    a_private_meeting,
    an_event_is_deleted,
    a_forged_notification,
    a_crash_in_the_middle,
)


def forged_notification(visit: SampleBooking) -> dict[str, Any]:
    """All that an attacker could know, and a client state that is made up."""
    resource = f"Users/{visit.technician.mailbox_id}/Events/{visit.event_id}"
    return {
        "subscriptionId": "7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
        "clientState": FORGED_CLIENT_STATE,
        "changeType": "deleted",
        "resource": resource,
        "resourceData": {"@odata.type": "#Microsoft.Graph.Event", "@odata.id": resource, "id": visit.event_id},
        "tenantId": TENANT_ID,
    }


_HEADINGS = ("UTC", "Outlook", "Dynamics", "status")


def _row(name: str, stage: DemoStage, visit: SampleBooking, booking: BookingView) -> tuple[str, str, str, str]:
    return name, stage.event_span(visit), booking.span, booking.status


def _pushed(stage: DemoStage, visit: SampleBooking) -> list[JournalEntry]:
    """What became of the notifications about a visit's event, oldest first; the sweep at the start left others."""
    entries = stage.journal(visit.technician.mailbox_id, event_id=visit.event_id)
    return [entry for entry in entries if entry.source is Source.PUSH]


def _moved(stage: DemoStage, visits: Sequence[SampleBooking]) -> int:
    return sum(stage.booking(visit.booking_id).start_at == visit.start_at + HOUR for visit in visits)


def _since(stage: DemoStage, begin: int) -> tuple[Played, ...]:
    return tuple(stage.played[begin:])
