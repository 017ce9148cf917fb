"""Dynamics to Outlook: the second half of the story."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.trace import move, scheduled_visits
from local.demo.chapter import Chapter, Teller, journal_lines, sum_calls
from local.demo.page import Page
from local.demo.stage import BookingView, Calls, DemoStage
from local.dispatching import HOUR
from local.sample import SampleBooking, Technician, WorkOrder

NEW_SUMMARY = "Bring the long ladder <and a second person>"
NOTES = "The key is at the neighbour's."
LONGEST_WAIT_OF_A_DISPATCHER = 1.0
STILL_SECONDS = 2.0
"""Longer than an echo takes, with the settle time of the story."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What came of a change: after how many seconds its event had followed, and what the app called for it."""

    seconds: float
    calls: Calls


class _Booking:
    """A booking that is not in the sample, and its event in the calendars of two technicians."""

    def __init__(self, stage: DemoStage) -> None:
        self.first, self.second = [one for one in stage.sample.technicians if one.has_mailbox and not one.full_week][:2]
        visit = next(one for one in stage.sample.bookings if one.technician is self.first)
        assert visit.work_order is not None, "the sample's visits have work orders"
        self.order: WorkOrder = visit.work_order
        self.start_at = visit.start_at + timedelta(days=3)
        self.booking_id = ""
        self._stage = stage

    def starts(self, who: Technician) -> list[datetime]:
        return [event.start_at for event in self._stage.events(self.booking_id, who)]

    def row(self, name: str) -> tuple[str, ...]:
        calendars = (self._stage.event_spans(self.booking_id, who) for who in (self.first, self.second))
        booking = self._stage.booking(self.booking_id)
        return name, *calendars, booking.span, booking.status

    def change(self, act: Callable[[], None], first: list[datetime], second: list[datetime]) -> _Seen:
        """Do something to it, and wait until it has events in both calendars at these times, and no others."""
        act()
        seconds = self._stage.wait_for(
            lambda: (self.starts(self.first), self.starts(self.second)) == (first, second), "the event follows"
        )
        self._stage.settle()
        return _Seen(seconds=seconds, calls=self._stage.take_calls())


def a_booking_is_lived_through(stage: DemoStage, page: Page) -> Chapter:
    """Made, moved, given to somebody else, and cancelled."""
    booking = _Booking(stage)
    calls = [_is_made(stage, page, booking), *_is_changed(stage, page, booking)]
    return Chapter(name="a booking made, moved, reassigned, cancelled", dispatched=4, calls=sum_calls(*calls))


def _is_made(stage: DemoStage, page: Page, booking: _Booking) -> Calls:
    who, order = booking.first, booking.order
    page.chapter(
        "A booking is made in Dynamics",
        f"""The dispatcher books {who.name} on {order.number}. What stands in the event comes from templates, which are
        settings, over the fields of booking and work order.""",
    )

    def book() -> None:
        booking.booking_id = stage.dispatcher.book(who, booking.start_at, order)

    with page.waiting("waiting for the event"):
        seen = booking.change(book, [booking.start_at], [])
    event, row = stage.event(booking.booking_id, who), stage.booking(booking.booking_id)
    shown = [("subject", event.subject), ("where", event.location), ("when", event.span)]
    page.table(("", "the event"), [*shown, *(("", line) for line in event.lines)])
    page.holds(event.span == row.span, f"{who.name} has this one event {seen.seconds:.1f} s after", event)
    wanted = (order.number, order.summary, order.account, order.contact)
    page.holds(all(any(text in line for line in event.lines) for text in wanted), "it says what the work order says")
    mails = stage.mails_sent()
    page.holds(event.attendees == 0 and mails == 0, "it has no attendees, so nobody got a mail", mails)
    page.holds(row.event_id == event.event_id, "the booking knows its event by id", row)
    page.holds(
        seen.calls == Calls(graph={"event.create": 1}, dataverse={_READ: 1, _WRITE: 1}),
        "1 write in Outlook; in Dynamics 1 read, and 1 write of that id",
        seen.calls,
    )
    page.quote("journal", journal_lines(stage.journal(who.mailbox_id, booking_id=booking.booking_id)[:1]))
    return seen.calls


def _is_changed(stage: DemoStage, page: Page, booking: _Booking) -> list[Calls]:
    first, second, booking_id, dispatcher = booking.first, booking.second, booking.booking_id, stage.dispatcher
    page.chapter(
        "It is moved, given to somebody else, and cancelled",
        f"The same booking, after each change. It goes from {first.name} to {second.name}.",
    )
    later, learnt = booking.start_at + 2 * HOUR, len(stage.log_lines("action=learnt"))
    rows = [booking.row("made")]
    with page.waiting("waiting for the event, three times"):
        moved = booking.change(lambda: dispatcher.move(booking_id, later), [later], [])
        rows.append(booking.row("moved"))
        given = booking.change(lambda: dispatcher.reassign(booking_id, second), [], [later])
        rows.append(booking.row("reassigned"))
        cancelled = booking.change(lambda: dispatcher.cancel(booking_id), [], [])
        rows.append(booking.row("cancelled"))
    page.table(("", first.name, second.name, "Dynamics", "status"), rows)
    _tell_move(page, moved, stage.log_lines("action=learnt")[learnt:])
    page.holds(
        _writes(given.calls) == {"event.create": 1, _WRITE: 1, "event.delete": 1},
        f"given away: made there and removed here after {given.seconds:.1f} s, and the new id written",
        given.calls,
    )
    page.holds(
        _writes(cancelled.calls) == {"event.delete": 1, _WRITE: 1},
        f"cancelled: removed after {cancelled.seconds:.1f} s, and the id taken off the booking",
        cancelled.calls,
    )
    page.quote("journal", journal_lines(stage.journal(second.mailbox_id, booking_id=booking_id)))
    return [moved.calls, given.calls, cancelled.calls]


def _tell_move(page: Page, moved: _Seen, learnt: list[str]) -> None:
    """The first conditional write of a process is sent twice: that is how it learns what Graph does with etags."""
    writes = {"event.update": 1 + len(learnt)}
    page.holds(_writes(moved.calls) == writes, f"moved: the event followed after {moved.seconds:.1f} s", moved.calls)
    if learnt:
        page.holds(
            len(learnt) == 1, "by 1 write, and the same once more: so a new process learns what it needs", learnt
        )
        page.quote("log", [line.partition(" ")[2] for line in learnt])


def the_work_order_changes(stage: DemoStage, page: Page) -> Chapter:
    visit = scheduled_visits(stage.sample)[13]
    who, order = visit.technician, visit.work_order
    assert order is not None, "the sample's visits have work orders"
    page.chapter(
        "The work order changes, and the technician's notes stay",
        f"""{who.name} writes into the event of {visit.name}: "{NOTES}" Then somebody gives the work order another
        summary: "{NEW_SUMMARY}".""",
    )
    begin = stage.event(visit.booking_id, who)
    with page.waiting("waiting for the event"):
        stage.write_notes(who, begin, NOTES)
        stage.settle()
        noted = stage.take_calls()
        stage.dispatcher.summarize(order, NEW_SUMMARY)
        seconds = stage.wait_for(
            lambda: any(NEW_SUMMARY in line for line in stage.event(visit.booking_id, who).lines), "the text follows"
        )
        stage.settle()
    event, changed = stage.event(visit.booking_id, who), stage.take_calls()
    page.table(("the event's text now",), [(line,) for line in event.lines])
    page.holds(NOTES in event.lines, f"the new summary was there after {seconds:.1f} s, and the notes stayed", event)
    page.holds("<and" not in event.markup, "what looks like markup in it is text", event.markup)
    page.holds(not _writes(noted), "the notes themselves caused no write", noted)
    page.holds(_writes(changed) == {"event.update": 1}, "the summary caused 1 write in Outlook", changed)
    name = "notes written, a work order changed"
    return Chapter(name=name, dispatched=2, calls=sum_calls(noted, changed))


def deleted_while_the_app_is_down(stage: DemoStage, page: Page) -> Chapter:
    visit = scheduled_visits(stage.sample)[9]
    page.chapter(
        "A booking is deleted while the app is down",
        f"""The Functions host is killed; then the dispatcher deletes the booking of {visit.name}. Dynamics calls,
        nobody answers, and it does not call again. So the next sweep asks Dynamics what changed since the last.""",
    )
    failed = stage.webhooks_failed()
    stage.world.kill("functions")
    began_at = time.monotonic()
    stage.dispatcher.delete(visit.booking_id)
    took = time.monotonic() - began_at
    page.holds(
        took < LONGEST_WAIT_OF_A_DISPATCHER, f"deleted in {took * 1000:.0f} ms: the dispatcher is not held up", took
    )
    with page.waiting("waiting until Dynamics gives up; starting the host; sweeping"):
        stage.wait_for(lambda: stage.webhooks_failed() > failed, "Dynamics gives up")
        still_there = stage.event_span(visit)
        stage.world.start("functions")
        stage.world.run_function("sweep_bookings")
        seconds = stage.wait_for(lambda: stage.event_span(visit) == "gone", "the event goes")
        stage.settle()
    calls = stage.take_calls()
    page.holds(still_there != "gone", "Dynamics gave up, and the event was still there", still_there)
    page.holds(
        stage.event_span(visit) == "gone", f"gone {seconds:.1f} s after the sweep began", stage.event_span(visit)
    )
    page.holds(_writes(calls) == {"event.delete": 1}, "removed by 1 write; no other event was touched", calls)
    entries = stage.journal(visit.technician.mailbox_id, booking_id=visit.booking_id)
    page.quote("journal", journal_lines([entry for entry in entries if entry.action == "remove-event"]))
    return Chapter(name="a booking deleted while the app was down", dispatched=1, calls=calls)


def both_at_once(stage: DemoStage, page: Page) -> Chapter:
    dragged, planned, disputed = scheduled_visits(stage.sample)[10:13]
    begin = len(stage.played)
    page.chapter(
        "Both directions at once, and no loop",
        f"""At the same moment a technician moves {dragged.name} by an hour in Outlook, the dispatcher moves
        {planned.name} by an hour in Dynamics, and both move {disputed.name}: by one hour here, by two there. By
        setting, Dynamics wins where both changed the same.""",
    )
    with page.waiting("waiting until all is quiet"):
        stage.do(move(dragged, HOUR))
        stage.dispatcher.move(planned.booking_id, planned.start_at + HOUR, planned.end_at - planned.start_at)
        stage.do(move(disputed, HOUR))
        stage.dispatcher.move(disputed.booking_id, disputed.start_at + 2 * HOUR, disputed.end_at - disputed.start_at)
        stage.settle()
        calls = stage.take_calls()
        time.sleep(STILL_SECONDS)
        afterwards = stage.take_calls()
    shifts = ((dragged, 1), (planned, 1), (disputed, 2))
    views = {visit.name: (stage.event_span(visit), stage.booking(visit.booking_id)) for visit, _ in shifts}
    page.table(("", "Outlook", "Dynamics"), [(name, event, booking.span) for name, (event, booking) in views.items()])
    page.holds(all(event == booking.span for event, booking in views.values()), "both sides are equal again", views)
    page.holds(
        all(_is_shifted(visit, hours, views[visit.name][1]) for visit, hours in shifts),
        f"each change arrived; of {disputed.name}, Dynamics' has won",
        views,
    )
    still = afterwards.graph_count + afterwards.dataverse_count
    page.holds(still == 0, f"and then nothing: {still} calls in the next {STILL_SECONDS:g} s", afterwards)
    entries = stage.journal(disputed.technician.mailbox_id, booking_id=disputed.booking_id)
    told = [entry for entry in entries if entry.reason == "both-sides-moved"]
    is_announced = {"overwriting"} < {entry.action for entry in told} and len({entry.before for entry in told}) == 1
    page.holds(is_announced, "the journal keeps what lost, and said so before it was overwritten", entries)
    page.quote("journal", [f"{told[0].action} ({told[0].reason}): {told[0].before} -> {told[0].after}"])
    return Chapter(name="both sides at once", played=tuple(stage.played[begin:]), dispatched=2, calls=calls)


FROM_DYNAMICS: tuple[Teller, ...] = (
    a_booking_is_lived_through,
    the_work_order_changes,
    deleted_while_the_app_is_down,
    both_at_once,
)

_READ, _WRITE = "bookableresourcebookings.get", "bookableresourcebookings.update"


def _writes(calls: Calls) -> dict[str, int]:
    """The calls that changed something, on both sides."""
    both = {**calls.graph, **calls.dataverse}
    return {kind: count for kind, count in both.items() if kind.partition(".")[2] in ("create", "update", "delete")}


def _is_shifted(visit: SampleBooking, hours: int, booking: BookingView) -> bool:
    return (booking.start_at, booking.end_at) == (visit.start_at + hours * HOUR, visit.end_at + hours * HOUR)
