"""A test booking on its way through the whole deployment: to Outlook, back, and away again, with the seconds it took.

It is the one check that changes something, so it is asked for by name of a mailbox, and cleans up whatever happened:
also after a failure, a time-out or Ctrl-C. Nobody is invited to it, so no mail is sent.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Protocol

from sync.core.diagnosis import Finding, Question
from sync.core.errors import AccessDenied, MailboxUnavailable, PreconditionFailed, SyncError, TransientError
from sync.core.reconcile import Scope
from sync.core.rules import Rules
from sync.core.sides import Booking, EventAddress, TimeSpan
from sync.service.ports import EventChanges, Ports, Sleep
from sync.service.sweeping import wanted_mailboxes

NAME = "Test of the booking sync, goes by itself"
LENGTH = timedelta(minutes=15)
AT_NIGHT = time(3, 0)
"""In UTC, of the day after tomorrow: where it disturbs nobody's plan."""

PATIENCE = timedelta(seconds=120)
"""For each leg. Usual are five seconds; Graph may not show a new event for ninety."""

_POLL_SECONDS = 1.0
_ATTEMPTS = 3

_QUESTION = Question("canary", "A test booking can be sent around")


class CanaryBookings(Protocol):
    """Makes the booking for the round trip; the app itself makes none."""

    async def make(self, booking_id: str, mailbox_id: str, span: TimeSpan, name: str) -> None:
        """Book the resource behind the mailbox. Raises `NotFound` without one, `AccessDenied`, `Refused`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """Where the test booking goes, under which new id, and whom it tells: each finding, and what is waited for."""

    mailbox_id: str
    booking_id: str
    tell: Callable[[Finding], None]
    waiting: Callable[[str], None]
    sleep: Sleep


def planned_span(now: datetime) -> TimeSpan:
    day = now.date() + timedelta(days=2)
    start_at = datetime.combine(day, AT_NIGHT, tzinfo=now.tzinfo)
    return TimeSpan(start_at=start_at, end_at=start_at + LENGTH)


async def fly_canary(flight: Flight, bookings: CanaryBookings, ports: Ports, rules: Rules) -> None:
    """Send a test booking around, telling a finding for each leg, and take it away again."""
    why_not = await _why_not(flight.mailbox_id, ports, rules)
    if why_not is not None:
        flight.tell(why_not)
        return
    canary = _Canary(flight, bookings, ports)
    try:
        await canary.fly()
    except _GroundedError as error:
        flight.tell(error.finding)
    except SyncError as error:
        flight.tell(_QUESTION.failed(error.reason, "It did not get round.", error.mend))
    finally:
        await canary.clean_up()


async def _why_not(mailbox_id: str, ports: Ports, rules: Rules) -> Finding | None:
    """Why a test booking could get no event there."""
    if rules.policy.scope is Scope.WORK_ORDERS:
        meaning = "A booking without a work order gets no event, and a work order is not made for a test."
        mend = "Book a technician by hand, as docs/deploy.md, step 9, describes."
        return _QUESTION.warned("BOOKING_SCOPE is work-orders", meaning, mend)
    if mailbox_id not in {one async for one in wanted_mailboxes(ports, rules)}:
        mend = "Name one of those that python -m sync subscriptions lists."
        return _QUESTION.failed(f"{mailbox_id} is not among the mailboxes in sync", "It gets no events.", mend)
    quarantine = await ports.state.find_quarantine(mailbox_id)
    if quarantine is not None:
        mend = "Mend what the reason names, or name another mailbox."
        return _QUESTION.failed(f"the mailbox is set aside: {quarantine.reason}", "It gets no events.", mend)
    return None


class _GroundedError(Exception):
    """The round trip cannot go on; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.seen)
        self.finding = finding


class _Canary:
    """One round trip: where it is, and what is there to be taken away."""

    def __init__(self, flight: Flight, bookings: CanaryBookings, ports: Ports) -> None:
        self._flight = flight
        self._mailbox_id = flight.mailbox_id
        self._booking_id = flight.booking_id
        self._bookings = bookings
        self._ports = ports
        self._span = planned_span(ports.clock())
        self._is_made = False
        self._address: EventAddress | None = None
        self._sees_outlook = True

    async def fly(self) -> None:
        """Each leg in turn. Raises `_GroundedError` where one fails."""
        await self._make()
        await self._arrive_in_outlook()
        if await self._move_in_outlook():
            await self._move_back()
        await self._delete()

    async def _make(self) -> None:
        self._is_made = True  # or may be, should the answer be lost
        try:
            await self._bookings.make(self._booking_id, self._mailbox_id, self._span, NAME)
        except SyncError as error:
            mend = (
                "Run it as somebody who may create and delete bookings: the app itself may not. The mailbox's user "
                "must have an active bookable resource."
            )
            question = Question("canary", "A test booking is made in Dynamics")
            raise _GroundedError(question.failed(error.reason, "It was not sent around.", mend)) from error

    async def _arrive_in_outlook(self) -> None:
        async def named() -> EventAddress | None:
            booking = await self._ports.bookings.find_booking(self._booking_id)
            return EventAddress(self._mailbox_id, booking.event_id) if booking and booking.event_id else None

        leg = _Leg(Question("canary-to-outlook", "A new booking arrives in Outlook"), "the event")
        self._address = await self._until(leg, named)

    async def _move_in_outlook(self) -> bool:
        """Move the event by its length; False where whoever runs this may not."""
        assert self._address is not None
        leg = _Leg(Question("canary-to-dynamics", "A move in Outlook arrives in Dynamics"), "the move")
        later = TimeSpan(start_at=self._span.end_at, end_at=self._span.end_at + LENGTH)
        try:
            await self._ports.calendar.update_event(self._address, EventChanges(span=later))
        except (AccessDenied, MailboxUnavailable) as error:
            self._sees_outlook = False
            mend = "Run it as the app's identity, or move a visit by hand (docs/deploy.md, step 9)."
            meaning = "Whoever runs this may not write the calendar: this way, and the way back, were not tried."
            self._flight.tell(leg.question.warned(error.reason, meaning, mend))
            return False
        await self._until(leg, lambda: self._booking_at(later))
        return True

    async def _move_back(self) -> None:
        leg = _Leg(Question("canary-back", "A move in Dynamics arrives in Outlook"), "the move back")
        await self._with_etag(
            lambda booking: self._ports.bookings.update_booking(self._booking_id, etag=booking.etag, span=self._span)
        )
        await self._until(leg, self._event_back)

    async def _delete(self) -> None:
        leg = _Leg(Question("canary-removed", "A deletion in Dynamics removes the event"), "the removal")
        await self._delete_booking()
        if self._sees_outlook:
            await self._until(leg, self._event_gone)
            self._address = None

    async def _booking_at(self, span: TimeSpan) -> Booking | None:
        booking = await self._ports.bookings.find_booking(self._booking_id)
        return booking if booking and booking.span == span else None

    async def _event_back(self) -> bool | None:
        assert self._address is not None
        event = await self._ports.calendar.find_event(*self._address)
        return True if event and event.span == self._span else None

    async def _event_gone(self) -> bool | None:
        """With immutable ids an event among the deleted items can still be read."""
        assert self._address is not None
        event = await self._ports.calendar.find_event(*self._address)
        return True if event is None or not await self._ports.calendar.is_in_calendar(*self._address) else None

    async def _until[T](self, leg: "_Leg", look: Callable[[], Awaitable[T | None]]) -> T:
        """What `look` finds, told with the seconds that it took. Raises `_GroundedError` when patience ends."""
        began_at = self._ports.clock()
        trouble = ""
        while (waited := self._ports.clock() - began_at) < PATIENCE:
            try:
                seen = await look()
            except TransientError as error:
                seen, trouble = None, f" ({error.reason})"
            except SyncError as error:
                raise _GroundedError(leg.failed(error.reason, self._booking_id)) from error
            if seen is not None:
                self._flight.tell(leg.question.passed(f"in {waited.total_seconds():.1f} s", "As it should."))
                return seen
            self._flight.waiting(f"waiting for {leg.what}: {waited.total_seconds():.0f} s")
            await self._flight.sleep(_POLL_SECONDS)
        why = await self._undelivered()
        raise _GroundedError(leg.failed(f"not within {PATIENCE.total_seconds():.0f} s{trouble}{why}", self._booking_id))

    async def _undelivered(self) -> str:
        booking = await self._ports.bookings.find_booking(self._booking_id)
        return f"; the booking says: {booking.undelivered}" if booking and booking.undelivered else ""

    async def _with_etag(self, write: Callable[[Booking], Awaitable[object]]) -> None:
        """Write the booking as it is now; the app may be writing it, too."""
        for attempt in range(1, _ATTEMPTS + 1):
            booking = await self._ports.bookings.find_booking(self._booking_id)
            if booking is None:
                return
            try:
                await write(booking)
            except PreconditionFailed:
                if attempt == _ATTEMPTS:
                    raise
                continue
            return

    async def _delete_booking(self) -> None:
        await self._with_etag(lambda booking: self._ports.bookings.delete_booking(self._booking_id, etag=booking.etag))
        self._is_made = False

    async def clean_up(self) -> None:
        """Take away what is left, also what the app would have taken away itself; tells what could not be."""
        if not self._is_made and self._address is None:
            return
        left = f"booking {self._booking_id}"
        try:
            await self._delete_booking()
            left = f"an event of it in mailbox {self._mailbox_id}"
            await self._delete_event()
        except (AccessDenied, MailboxUnavailable) as error:
            if not self._is_made:
                return  # Whoever runs this may not; the app does, when it hears that the booking is deleted.
            self._tell_left(left, error)
        except SyncError as error:
            self._tell_left(left, error)

    def _tell_left(self, left: str, error: SyncError) -> None:
        question = Question("canary-left", "Nothing of the test is left")
        mend = "Delete it by hand; deleting the booking removes its event as well."
        self._flight.tell(question.failed(f"{left} ({error.reason})", "It lies two days ahead.", mend))

    async def _delete_event(self) -> None:
        """Also where the app does so itself: it may be the app that failed."""
        address = self._address
        if address is None:
            found = await self._ports.calendar.find_marked_event(self._mailbox_id, self._booking_id)
            address = found.address if found else None
        if address is not None:
            await self._ports.calendar.delete_event(address)


@dataclass(frozen=True, slots=True)
class _Leg:
    """One way that a change takes, and what is waited for at its end."""

    question: Question
    what: str

    def failed(self, seen: str, booking_id: str) -> Finding:
        mend = f"See where it stopped: python -m sync journal --booking {booking_id}; python -m sync status."
        return self.question.failed(seen, "A change of a real visit would wait as well.", mend)
