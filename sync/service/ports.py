"""What the use cases need from outside. Adapters implement these; `tests/fakes.py` does so in memory.

One contract suite per port (`tests/contracts/`) runs the same against the fake and the real thing. Verbs mean what
they mean in Azure's guidelines: `get_` raises when absent, `find_` answers None, `save_` writes either way, `list_`
iterates. Every method may raise `TransientError`; what else it raises is said where it matters.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from sync.core.content import EventContent, ShowAs
from sync.core.sides import Booking, Event, EventAddress, TimeSpan
from sync.core.subscriptions import Subscription
from sync.core.work_items import WorkItem
from sync.service.answer_ports import AnswerPorts
from sync.service.store_ports import DeadLetters, Journal, StateStore

type Clock = Callable[[], datetime]
"""Now, as aware UTC."""

type NewId = Callable[[], str]
"""A fresh correlation id."""

type Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaPage:
    """One page of a delta round. `rejected` are reasons for entries that could not be read.

    Exactly one of `next_link` and `delta_link` is set; the latter ends the round.
    """

    changed: Sequence[tuple[str, str]]
    """Event id and etag of each event that is there, occurrences left out. An empty etag says nothing."""
    removed: Sequence[str]
    """Event ids said to be removed, which is no proof: events outside the window are reported so too."""
    rejected: Sequence[str] = ()
    occurrences: Sequence[str] = ()
    """Event ids of what `changed` leaves out. They say no more than that the round goes on."""
    next_link: str | None = None
    delta_link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionOrder:
    """One change to Graph's subscriptions: create when there is no id, renew with one, delete without an expiry."""

    mailbox_id: str
    subscription_id: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """An event to be made for a booking. A repeated `transaction_id` is meant to make no second one."""

    booking_id: str
    transaction_id: str
    span: TimeSpan
    content: EventContent


@dataclass(frozen=True, slots=True, kw_only=True)
class EventChanges:
    """What to write into an event; None leaves a field as it is. `booking_id` puts our mark on it, `body` is HTML."""

    booking_id: str | None = None
    span: TimeSpan | None = None
    subject: str | None = None
    location: str | None = None
    body: str | None = None
    categories: tuple[str, ...] | None = None
    show_as: ShowAs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBody:
    """An event's body as HTML, with the etag of the state it was read from."""

    html: str
    etag: str


class BookingVersion(NamedTuple):
    """The state that a write left a booking in: its etag, and its fingerprint as webhooks will tell it."""

    etag: str
    fingerprint: str


class Technician(NamedTuple):
    """A user resource: whose mailbox it is, and what Dynamics calls them."""

    mailbox_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedBooking:
    """A booking as lists show it. `mailbox_id` is its technician's, None where the list does not tell.

    `event_id` only when the booking names an event of its own technician's calendar.
    """

    booking_id: str
    etag: str
    span: TimeSpan
    mailbox_id: str | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingPage:
    """A page of bookings. `removed` are ids of deleted ones; `rejected` reasons for rows that could not be read.

    `next_link` leads to the next page, `delta_link` ends a round of changes; a plain list ends with neither.
    """

    bookings: Sequence[ListedBooking]
    removed: Sequence[str] = ()
    rejected: Sequence[str] = ()
    next_link: str | None = None
    delta_link: str | None = None


class EventCalendar(Protocol):
    """Outlook calendars. Any method raises `MailboxUnavailable` when the mailbox does not answer to us.

    Errors about a mailbox carry its id.
    """

    @property
    def guards_writes(self) -> bool:
        """Whether Graph has been seen to honour the etag of an event that is changed; False while that is not known."""

    async def find_event(self, mailbox_id: str, event_id: str) -> Event | None:
        """The event with its mark, None when Graph says it does not exist (which is one witness, not proof)."""

    async def find_marked_event(self, mailbox_id: str, booking_id: str) -> Event | None:
        """An event of the mailbox's calendar that carries the booking's mark, by its extended property."""

    async def is_in_calendar(self, mailbox_id: str, event_id: str) -> bool:
        """Whether an event that can still be read is in a calendar, and not among the deleted items."""

    async def find_lookalike(self, mailbox_id: str, span: TimeSpan, number: str) -> Event | None:
        """The one unmarked single event of exactly that time whose subject contains `number`; None for several."""

    async def create_event(self, mailbox_id: str, draft: EventDraft) -> Event:
        """Make an event without attendees, so that no mail is sent, in the mailbox's own calendar."""

    async def read_body(self, address: EventAddress) -> EventBody:
        """Raises `NotFound`."""

    async def update_event(self, address: EventAddress, changes: EventChanges, *, etag: str | None = None) -> Event:
        """Write what is given, if the event still is at `etag` where Graph honours that; answers its new state.

        Raises `PreconditionFailed`, `NotFound`.
        """

    async def delete_event(self, address: EventAddress, *, etag: str | None = None) -> None:
        """Succeeds also when there is none. Raises `PreconditionFailed` as for `update_event`."""

    async def read_delta(self, mailbox_id: str, *, window: TimeSpan, link: str | None) -> DeltaPage:
        """A page of a round: `link` None starts one over `window`. Raises `DeltaTokenExpired`."""

    def list_subscriptions(self) -> AsyncIterator[Subscription]:
        """Every event subscription of this app."""

    async def order_subscriptions(
        self, orders: Sequence[SubscriptionOrder]
    ) -> Sequence[Subscription | Exception | None]:
        """Carry out up to 20 orders at once; the answers are in their order, one bad order spoils no other.

        A subscription as it now is, None when one was deleted, or what went wrong: `AlreadyExists`, `NotFound`,
        `DoorDidNotAnswer`, `MailboxUnavailable` or another `SyncError`.
        """


class BookingTable(Protocol):
    """Bookings in Dataverse. Writes are conditional on `etag` and raise `PreconditionFailed`, `Refused`."""

    async def find_booking(self, booking_id: str) -> Booking | None: ...

    async def find_booking_of_event(self, mailbox_id: str, event_id: str) -> Booking | None:
        """The booking whose columns name this event of this mailbox."""

    def list_bookings_naming(self, event_id: str) -> AsyncIterator[str]:
        """Ids of the bookings that name an event by this id, in whatever mailbox. For people: no index helps it."""

    async def update_booking(
        self,
        booking_id: str,
        *,
        etag: str,
        span: TimeSpan | None = None,
        event: EventAddress | None = None,
        clears_event: bool = False,
        undelivered: str | None = None,
    ) -> BookingVersion:
        """Write what is given and leave the rest; an empty `undelivered` clears that column."""

    async def cancel_booking(self, booking_id: str, *, etag: str) -> BookingVersion:
        """Set the cancelled status and clear the event id, in one write."""

    async def delete_booking(self, booking_id: str, *, etag: str) -> None: ...

    def list_bookings(self, mailbox_id: str, window: TimeSpan) -> AsyncIterator[ListedBooking]:
        """Bookings of the mailbox's resource within the window that are not cancelled."""

    def list_bookings_of_work_order(self, work_order_id: str, *, ending_after: datetime) -> AsyncIterator[str]:
        """Ids of the work order's bookings that are not over at that time (aware UTC) and not cancelled."""

    def list_bookings_of_changed_work_orders(
        self, since: datetime, *, ending_after: datetime
    ) -> AsyncIterator[Booking]:
        """Such bookings of every work order that was modified at `since` or later, by Dataverse's clock."""

    async def read_bookings(self, window: TimeSpan, link: str | None) -> BookingPage:
        """A page of all bookings of user resources within the window that are not cancelled."""

    async def read_booking_changes(self, link: str | None) -> BookingPage:
        """A page of a round of changes of the whole table: `link` None starts with all rows.

        Raises `DeltaTokenExpired`; `Refused` when the table does not track changes.
        """

    async def find_mailbox_of_resource(self, resource_id: str) -> str | None:
        """The Entra object id behind a bookable resource, None when it is not a user's or not there."""

    def list_microsoft_synced(self) -> AsyncIterator[str]:
        """Entra object ids of the users whose appointments Microsoft's server-side synchronization handles."""

    def list_technicians_of(self, mailbox_ids: Sequence[str]) -> AsyncIterator[Technician]:
        """The user resources behind some mailboxes, at most a few dozen. For people, who know no ids."""

    def list_technicians_named(self, text: str) -> AsyncIterator[Technician]:
        """The user resources whose name contains a text, or whose user has it as address."""

    def list_mailboxes(self) -> AsyncIterator[str]:
        """Entra object ids of the users behind active user resources, disabled users left out."""


class WorkQueue(Protocol):
    """The queues of work items."""

    async def put(self, item: WorkItem, *, delay_seconds: float = 0) -> None:
        """Queue an item on the queue of its kind, invisible for `delay_seconds` (at most 7 days).

        Raises `ServiceUnavailable` when the queue cannot be written.
        """

    async def put_text(self, queue: str, text: str) -> None:
        """Queue a message on a named queue as it once came, for replay."""


class QueueGauge(Protocol):
    """What people see of the queues. Reading takes nothing off them."""

    async def approximate_lengths(self) -> Mapping[str, int]:
        """Messages per queue and poison queue, delayed ones and those in work included."""

    async def peek(self, queue: str) -> Sequence[str]:
        """The texts of up to 32 messages at the head of a queue; delayed ones and those in work are not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything that the use cases beyond the acknowledging door need."""

    calendar: EventCalendar
    bookings: BookingTable
    state: StateStore
    journal: Journal
    dead_letters: DeadLetters
    queue: WorkQueue
    clock: Clock
    new_id: NewId
    answers: AnswerPorts | None = None
    """For attendees' answers, where reading them is switched on."""
