"""One booking, the calendars in which it may have events, and a worker that brings the two together.

The service in small, without I/O, so that the rules of `sync.core.delivery` can be played through by the thousand. What
outlives a worker is in the `World`. Whenever a worker has changed something there, it may die, or somebody may act; it
does not see either before it writes or begins anew.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, assert_never

from sync.core.actions import EndEvent, LeaveAlone, RecordAgreement
from sync.core.content import render
from sync.core.delivery import Decision, decide_delivery
from sync.core.delivery_state import Delivery
from sync.core.delivery_steps import (
    AdoptEvent,
    CreateEvent,
    DeliveryEnd,
    DeliveryReading,
    DeliveryStep,
    ForgetEvent,
    MarkUndelivered,
    NameEvent,
    ReadEvent,
    RemoveEvent,
    RescheduleBooking,
    RewriteEvent,
    SearchEvent,
)
from sync.core.memory import Link
from sync.core.reconcile import ABSENT, UNREAD, Policy, ReadState
from sync.core.sides import Booking, Event, EventAddress, event_hash
from sync.core.sweeping import WindowPolicy, window_at
from tests.unit.values import BOOKING_ID, NOW, TEMPLATES

MAXIMUM_DECISIONS = 12
MAXIMUM_READINGS = 3
"""Between two steps."""

WINDOW = window_at(NOW, WindowPolicy())


class WorkerDied(Exception):
    """Nothing is left of the worker but what it wrote."""


class Refused(Exception):
    """A conditional write came too late, or what it was for is gone."""


class EventGone(Refused):
    """The event that was to be written is not there."""


type Happening = Callable[["World"], None]
"""What comes between two writes of a worker, or two runs. It may raise `WorkerDied`."""


@dataclass
class World:
    """A booking, calendars, and what the service remembers.

    `said` is what of the booking's content each event was given, as digests. `adopted` are the events that a worker
    took for the booking's; those that neither bear its mark nor were adopted are none of its business. `left` are those
    that a worker left in the calendar when they were over. `ended` are those that a worker has removed, or was about
    to. `is_moved_by_hand` once a technician has moved the booking's event: what it shows is then for the other
    direction to bring home, too. `hint` is the event that the report of the booking's deletion leads to, or one that
    somebody came across, until a worker has dealt with it.
    """

    policy: Policy
    booking: Booking | None
    events: dict[EventAddress, Event] = field(default_factory=dict)
    said: dict[EventAddress, dict[str, str]] = field(default_factory=dict)
    link: Link | None = None
    is_guarded: bool = False
    is_new: bool = False
    is_unfinished: bool = False
    begun_in: str | None = None
    adopted: set[EventAddress] = field(default_factory=set)
    left: set[EventAddress] = field(default_factory=set)
    ended: set[EventAddress] = field(default_factory=set)
    is_moved_by_hand: bool = False
    hint: EventAddress | None = None
    _numbers: Iterator[int] = field(default_factory=count)

    def number(self) -> int:
        return next(self._numbers)

    def put_booking(self, **different: Any) -> Booking:
        """Write the booking; every write gives it another etag."""
        assert self.booking is not None
        self.booking = replace(self.booking, **different, etag=f"booking {self.number()}")
        return self.booking

    def delete_booking(self) -> None:
        booking, self.booking = self.booking, None
        if booking is not None and booking.mailbox_id is not None and booking.event_id is not None:
            address = EventAddress(booking.mailbox_id, booking.event_id)
            self.hint = address if booking.names(*address) else None

    def lose_tables(self) -> None:
        """Forget all that the service remembers."""
        self.link, self.is_unfinished, self.begun_in = None, False, None
        self.ended.clear()

    def put_event(self, event: Event) -> Event:
        """Write an event; every write gives it another etag."""
        self.events[event.address] = replace(event, etag=f"event {self.number()}")
        return self.events[event.address]

    def live_events(self) -> list[Event]:
        """The booking's events, without those that were left in the calendar because they were over."""
        held = self.link.address if self.link else None
        ours = [event for event in self.events.values() if self.is_ours(event)]
        return [event for event in ours if event.address not in self.left or event.address == held]

    def is_ours(self, event: Event) -> bool:
        return event.booking_id == BOOKING_ID or event.address in self.adopted


class Worker:
    """One run over the booking, to handle its deletion if it does not exist.

    `happenings` follow the worker's writes, one each; afterwards nothing happens any more.
    `decisions` are all that were taken, `steps` those that were carried out.
    """

    def __init__(self, world: World, happenings: Iterable[Happening] = ()) -> None:
        self._world = world
        self._happenings = iter(happenings)
        self.decisions: list[Decision] = []
        self.steps: list[DeliveryStep] = []
        self._is_deletion = world.booking is None
        self._hint = world.hint

    def run(self) -> DeliveryEnd:
        """Decide and do until there is nothing left to do. Raises `WorkerDied`."""
        world = self._world
        delivery, since_refusal, readings = self._gather(), 0, 0
        world.is_unfinished = True
        while True:
            decision = decide_delivery(delivery, world.policy)
            self.decisions.append(decision)
            since_refusal += 1
            assert since_refusal <= MAXIMUM_DECISIONS, f"no end: {self.decisions[-6:]}"
            if isinstance(decision, LeaveAlone | EndEvent | RecordAgreement):
                self._finish(decision, delivery)
                return decision
            readings = readings + 1 if isinstance(decision, ReadEvent | SearchEvent) else 0
            assert readings <= MAXIMUM_READINGS, f"nothing but reading: {self.decisions[-4:]}"
            try:
                if isinstance(decision, ReadEvent | SearchEvent):
                    delivery = self._read(decision, delivery)
                else:
                    delivery = self._perform(decision, delivery)
                    self.steps.append(decision)
            except EventGone:
                delivery = replace(delivery, event=ABSENT)
            except Refused:
                delivery, since_refusal = replace(self._gather(), is_guarded=False, is_new=False), 0

    def _gather(self) -> Delivery:
        world, booking = self._world, self._world.booking
        return Delivery(
            booking_id=BOOKING_ID,
            booking=booking or ABSENT,
            content=render(booking, TEMPLATES) if booking else None,
            decided_at=NOW,
            window=WINDOW,
            link=world.link,
            hint=self._hint,
            is_reported_deleted=self._is_deletion,
            is_new=world.is_new,
            is_unfinished=world.is_unfinished,
            begun_in=world.begun_in,
            is_guarded=world.is_guarded,
        )

    def _finish(self, end: DeliveryEnd, delivery: Delivery) -> None:
        world, booking, link = self._world, delivery.booking, delivery.link
        if isinstance(end, RecordAgreement) and link is not None and isinstance(booking, Booking):
            world.link = replace(link, agreed=end.span, phase=booking.phase, booking_etag=booking.etag)
        if link is not None:
            world.ended.discard(link.address)
        world.is_new = False
        if world.hint == self._hint:
            world.hint = None
        # Where an event may have been made must still be known when the deletion is reported.
        if booking is not ABSENT or world.begun_in is None or self._is_deletion:
            world.is_unfinished, world.begun_in = False, None

    def _read(self, reading: DeliveryReading, delivery: Delivery) -> Delivery:
        match reading:
            case ReadEvent(is_elsewhere=True):
                assert delivery.elsewhere is UNREAD, "the event is read twice"
                return replace(delivery, elsewhere=self._world.events.get(reading.address, ABSENT))
            case ReadEvent():
                assert delivery.event is UNREAD, "the event is read twice"
                event, was_removed = self._world.events.get(reading.address), reading.address in self._world.ended
                return replace(delivery, event=event or ABSENT, was_removed=was_removed)
            case SearchEvent(is_elsewhere=True):
                assert delivery.made is UNREAD, "the calendar is searched twice"
                return replace(delivery, made=self._find_marked(reading.mailbox_id) or ABSENT)
            case SearchEvent():
                assert delivery.found is UNREAD, "the calendar is searched twice"
                return replace(delivery, found=self._search(reading.mailbox_id, delivery.booking) or ABSENT)
            case _:
                assert_never(reading)

    def _perform(self, step: DeliveryStep, delivery: Delivery) -> Delivery:
        match step:
            case CreateEvent() | AdoptEvent():
                return self._take(step, delivery)
            case RewriteEvent():
                return self._rewrite(step, delivery)
            case RemoveEvent():
                self._remove(step)
                return self._let_go(step, delivery)
            case ForgetEvent():
                self._leave(step)
                return self._let_go(step, delivery)
            case NameEvent() | RescheduleBooking() | MarkUndelivered():
                return self._write_booking(step, delivery)
            case _:
                assert_never(step)

    def _find_marked(self, mailbox_id: str) -> Event | None:
        return next((event for event in self._events_in(mailbox_id) if event.booking_id == BOOKING_ID), None)

    def _search(self, mailbox_id: str, booking: Booking | ReadState) -> Event | None:
        """An event with the booking's mark, else an unmarked one of the same time."""
        assert isinstance(booking, Booking)
        unmarked = [event for event in self._events_in(mailbox_id) if event.booking_id is None]
        lookalike = next((event for event in unmarked if event.span == booking.span), None)
        return self._find_marked(mailbox_id) or lookalike

    def _events_in(self, mailbox_id: str) -> list[Event]:
        return [event for event in self._world.events.values() if event.mailbox_id == mailbox_id]

    def _take(self, step: CreateEvent | AdoptEvent, delivery: Delivery) -> Delivery:
        """An event becomes the booking's. Until the link is saved, only its mark tells."""
        world, booking = self._world, delivery.booking
        assert isinstance(booking, Booking)
        if isinstance(step, CreateEvent):
            world.begun_in = step.mailbox_id
            self._something_happens()
            event = world.put_event(
                Event(
                    mailbox_id=step.mailbox_id,
                    event_id=f"made {world.number()}",
                    etag="",
                    span=step.span,
                    booking_id=BOOKING_ID,
                    modified_at=NOW,
                )
            )
            world.said[event.address] = step.content.digests()
            self._something_happens()
        else:
            event = step.event
            world.adopted.add(event.address)
        world.ended.discard(event.address)
        is_made = isinstance(step, CreateEvent)
        world.link = Link(
            booking_id=BOOKING_ID,
            mailbox_id=event.mailbox_id,
            event_id=event.event_id,
            agreed=step.span if isinstance(step, CreateEvent) else step.agreed,
            phase=booking.phase,
            booking_etag=booking.etag,
            event_etag=event.etag,
            is_named=not is_made and booking.names(*event.address),
            written=step.content.written() if isinstance(step, CreateEvent) else {},
            named_before=booking.event_hash or booking.event_id,
            leftover=step.leftover if step.leftover != event.address else None,
            generation=step.generation,
        )
        self._something_happens()
        return replace(delivery, event=event, link=world.link, found=UNREAD)

    def _rewrite(self, step: RewriteEvent, delivery: Delivery) -> Delivery:
        world, link = self._world, delivery.link
        assert link is not None
        event = world.events.get(link.address)
        if event is None:
            raise EventGone
        self._require(not world.is_guarded or event.etag == (step.etag or event.etag))
        mark = BOOKING_ID if step.marks else event.booking_id
        event = world.put_event(replace(event, span=step.span or event.span, booking_id=mark, modified_at=NOW))
        digests = step.content.digests()
        world.said.setdefault(event.address, {}).update({name: digests[name] for name in step.fields})
        self._something_happens()
        world.ended.discard(event.address)
        written = {**link.written, **step.content.written(step.fields)}
        world.link = replace(link, agreed=step.span or link.agreed, event_etag=event.etag, written=written)
        self._something_happens()
        # Graph's answer to a PATCH does not show the mark.
        return replace(delivery, event=replace(event, booking_id=BOOKING_ID), link=world.link)

    def _remove(self, step: RemoveEvent) -> None:
        world = self._world
        world.ended.add(step.address)
        self._something_happens()
        event = world.events.get(step.address)
        if event is None:
            return
        self._require(not world.is_guarded or event.etag == (step.etag or event.etag))
        assert world.is_ours(event), "somebody's own event is deleted"
        del world.events[step.address]
        self._something_happens()

    def _leave(self, step: ForgetEvent) -> None:
        world = self._world
        event = world.events.get(step.address)
        assert step.is_gone is (event is None)
        if event is None:
            world.ended.add(step.address)
            return
        world.ended.discard(step.address)
        assert world.policy.keeps_past_events
        if event.span.end_at <= NOW:
            world.left.add(event.address)

    def _let_go(self, step: RemoveEvent | ForgetEvent, delivery: Delivery) -> Delivery:
        """Booking and link forget the event, the booking first."""
        world, booking, link = self._world, delivery.booking, delivery.link
        if step.clears is not None and isinstance(booking, Booking):
            self._require(world.booking is not None and world.booking.etag == step.clears)
            booking = world.put_booking(event_id=None, event_hash=None, undelivered=step.undelivered)
            self._something_happens()
        if link is not None and link.address == step.address:
            link = None
        elif link is not None and link.leftover == step.address:
            link = replace(link, leftover=None)
        world.link = link
        self._something_happens()
        hint = None if delivery.hint == step.address else delivery.hint
        made = ABSENT if isinstance(delivery.made, Event) and delivery.made.address == step.address else delivery.made
        return replace(delivery, booking=booking, link=link, hint=hint, made=made, event=UNREAD, elsewhere=UNREAD)

    def _write_booking(self, step: NameEvent | RescheduleBooking | MarkUndelivered, delivery: Delivery) -> Delivery:
        world, link = self._world, delivery.link
        self._require(world.booking is not None and world.booking.etag == step.etag)
        if isinstance(step, MarkUndelivered):
            booking = world.put_booking(undelivered=step.undelivered)
            self._something_happens()
            return replace(delivery, booking=booking)
        assert link is not None
        if isinstance(step, NameEvent):
            digest = event_hash(*link.address)
            booking = world.put_booking(event_id=link.event_id, event_hash=digest, undelivered="")
            link = replace(link, is_named=True, booking_etag=booking.etag)
        else:
            booking = world.put_booking(span=step.span, modified_at=NOW)
            link = replace(link, agreed=step.span, booking_etag=booking.etag)
        self._something_happens()
        world.link = link
        self._something_happens()
        return replace(delivery, booking=booking, content=render(booking, TEMPLATES), link=link)

    def _require(self, holds: bool) -> None:
        """What a service checks before it takes a conditional write."""
        if not holds:
            raise Refused

    def _something_happens(self) -> None:
        if (happening := next(self._happenings, None)) is not None:
            happening(self._world)
