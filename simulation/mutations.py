"""The app broken on purpose, in ways that a hurried change could break it: can the histories see it?

Each mutation changes the app in the process that plays, before the stage is set. What the claims do not see of it, they
would not see of the same mistake in the app.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sync.adapters import transport
from sync.adapters.dataverse import DataverseClient
from sync.adapters.graph import GraphClient
from sync.core import coalescing, delivery, delivery_removal, reconcile
from sync.core.actions import Reason
from sync.core.errors import MailboxUnavailable
from sync.core.reconcile import ABSENT, UNREAD, Winner
from sync.core.work_items import WorkItem
from sync.service import delivering, disposal, event_writing, handlers, reconciling

type Apply = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Mutation:
    """`breaks` says in a sentence what the app then does."""

    name: str
    breaks: str
    apply: Apply


def _first_witness_convicts() -> None:
    original = _part(reconcile, "_decide_gone_with_booking")

    def without_search(pair: Any, *others: Any) -> Any:
        return original(replace(pair, twin=ABSENT) if pair.twin is UNREAD else pair, *others)

    _set(reconcile, "_decide_gone_with_booking", without_search)


def _reports_are_not_needed() -> None:
    original = _part(reconcile, "_decide_gone")

    def unasked(pair: Any, *others: Any, **named: Any) -> Any:
        return original(replace(pair, is_reported_removed=True), *others, **named)

    _set(reconcile, "_decide_gone", unasked)


def _bookings_are_written_unconditionally() -> None:
    original = DataverseClient.update_booking

    async def regardless(self: DataverseClient, booking_id: str, *, etag: str, **changes: Any) -> Any:
        del etag
        return await original(self, booking_id, etag="*", **changes)

    _set(DataverseClient, "update_booking", regardless)


def _events_are_written_unconditionally() -> None:
    original = GraphClient.update_event

    async def regardless(self: GraphClient, address: Any, changes: Any, *, etag: str | None = None) -> Any:
        del etag
        return await original(self, address, changes)

    _set(GraphClient, "update_event", regardless)


def _cursor_is_saved_first() -> None:
    original = _part(handlers, "sweep_mailbox")

    async def hurried(task: Any, ports: Any, rules: Any) -> Any:
        later = _Later()
        outcome = await original(task, replace(ports, queue=later), rules)
        for item in later.items:
            await ports.queue.put(item)
        return outcome

    _set(handlers, "sweep_mailbox", hurried)


class _Later:
    """A queue whose items are put when everything else has been done."""

    def __init__(self) -> None:
        self.items: list[WorkItem] = []

    async def put(self, item: WorkItem, *, delay_seconds: float = 0) -> None:
        del delay_seconds
        self.items.append(item)


def _leftovers_are_forgotten() -> None:
    _set(delivery, "remove_leftover", lambda _: None)
    _set(delivery_removal, "remove_leftover", lambda _: None)


def _generations_are_ignored() -> None:
    _set(reconcile, "_own_link", lambda pair: pair.link)


def _former_events_are_not_looked_for() -> None:
    original = _part(delivery, "_decide_reassigned")

    def as_if_for_the_first_time(known: Any, booking: Any, link: Any, policy: Any) -> Any:
        return original(known, booking, replace(link, generation=1), policy)

    _set(delivery, "_decide_reassigned", as_if_for_the_first_time)


def _transaction_ids_are_trusted() -> None:
    original = _part(delivery, "_take_place")

    def unlooked(known: Any, *others: Any, must_look: bool) -> Any:
        del must_look
        return original(replace(known, is_unfinished=False), *others, must_look=False)

    _set(delivery, "_take_place", unlooked)


def _lost_creates_are_sent_again() -> None:
    original = transport.Transport.call

    async def again(self: Any, operation: str, send: Any, **options: Any) -> Any:
        return await original(self, operation, send, **{**options, "is_repeatable": True})

    _set(transport.Transport, "call", again)


def _any_earlier_read_has_seen_it() -> None:
    _set(coalescing, "_was_read_after", lambda _item, known, _timing: known.read_at is not None)


def _clocks_are_taken_for_equal() -> None:
    original = _part(coalescing, "_was_read_after")

    def without_margin(item: Any, known: Any, timing: Any) -> bool:
        return bool(original(item, known, replace(timing, clock_margin=timedelta())))

    _set(coalescing, "_was_read_after", without_margin)


def _one_known_etag_excuses_all() -> None:
    _set(coalescing, "_handled_etags", lambda item, _known: set(item.etags))


def _old_answers_are_believed() -> None:
    _set(reconciling, "is_stale", lambda *_: False)


def _young_events_may_be_missed() -> None:
    _set(reconciling, "doubt_absence", lambda *_: None)
    _set(event_writing, "doubt_absence", lambda *_: None)


def _removed_events_are_found() -> None:
    _set(event_writing, "doubt_presence", lambda *_: None)


def _lost_mailboxes_are_empty() -> None:
    for name in ("find_event", "find_marked_event"):
        _set(GraphClient, name, _absent_where_unavailable(getattr(GraphClient, name)))


def _absent_where_unavailable(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def absent(*arguments: Any) -> Any:
        try:
            return await original(*arguments)
        except MailboxUnavailable:
            return None

    return absent


def _conflicts_are_not_told() -> None:
    original = reconcile.winner_of

    def silent(*arguments: Any) -> Any:
        winner, reason = original(*arguments)
        is_guess = reason in (Reason.CONFLICT, Reason.NO_AGREED_STATE)
        moved = {
            Winner.OUTLOOK: Reason.MOVED_IN_OUTLOOK,
            Winner.DYNAMICS: Reason.MOVED_IN_DYNAMICS,
        }
        return winner, moved[winner] if is_guess else reason

    _set(reconcile, "winner_of", silent)
    _set(delivery, "winner_of", silent)


def _conflicts_are_told_afterwards() -> None:
    async def say_nothing(*_: Any) -> None:
        """The outcome of the item will tell, unless its worker dies."""

    _set(reconciling, "announce_overwriting", say_nothing)
    _set(delivering, "announce_overwriting", say_nothing)


def _taken_events_are_taken_again() -> None:
    async def never(*_: Any) -> bool:
        return False

    _set(event_writing.EventWriter, "_is_taken", never)


def _copies_count_as_originals() -> None:
    _set(reconcile, "_names_another_event", lambda *_: False)


def _delayed_items_are_dropped() -> None:
    async def forget(*_: Any) -> float:
        return 0.0

    _set(disposal, "_delay", forget)


def _absent_events_are_given_up() -> None:
    _set(delivery, "_decide_unfinished", lambda *_: None)


def _part(owner: object, name: str) -> Any:
    return getattr(owner, name)


def _set(owner: object, name: str, value: object) -> None:
    assert hasattr(owner, name), f"{owner} has no {name} any more"
    setattr(owner, name, value)


_ALL = (
    Mutation(
        "first witness convicts",
        "An event that is not found is taken for deleted without the search.",
        _first_witness_convicts,
    ),
    Mutation("no report needed", "An update of an event that is not found ends its booking.", _reports_are_not_needed),
    Mutation(
        "no If-Match in Dataverse",
        "Bookings are written whatever their etag is by now.",
        _bookings_are_written_unconditionally,
    ),
    Mutation(
        "no If-Match in Graph", "Events are written whatever their etag is by now.", _events_are_written_unconditionally
    ),
    Mutation("cursor first", "A sweep saves its cursor, then queues what it found.", _cursor_is_saved_first),
    Mutation(
        "leftovers forgotten", "After a reassignment the former technician keeps the event.", _leftovers_are_forgotten
    ),
    Mutation(
        "generations ignored",
        "A former event of a booking is compared with what its present one agreed on.",
        _generations_are_ignored,
    ),
    Mutation(
        "no look where it was",
        "A booking that comes back to a technician gets a new event without a search for the one it had.",
        _former_events_are_not_looked_for,
    ),
    Mutation(
        "transaction id alone", "No search before an event is made that may be there.", _transaction_ids_are_trusted
    ),
    Mutation("creates repeated", "A create whose answer was lost is sent again at once.", _lost_creates_are_sent_again),
    Mutation(
        "no time in coalescing",
        "The settle rule's time check is skipped: any earlier read is taken to have seen a change.",
        _any_earlier_read_has_seen_it,
    ),
    Mutation(
        "clocks are equal",
        "The settle rule allows nothing for instances' clocks that differ.",
        _clocks_are_taken_for_equal,
    ),
    Mutation("etags excuse all", "Every notification is taken for an echo.", _one_known_etag_excuses_all),
    Mutation(
        "old answers believed", "A read that is older than its notification is acted upon.", _old_answers_are_believed
    ),
    Mutation(
        "young events missed",
        "An event that was just made and is not found yet is taken for deleted.",
        _young_events_may_be_missed,
    ),
    Mutation(
        "removed events found",
        "A search that still shows an event which we have just removed is believed.",
        _removed_events_are_found,
    ),
    Mutation(
        "lost mailbox is empty",
        "403 and a mailbox that is gone are read as: there is no such event.",
        _lost_mailboxes_are_empty,
    ),
    Mutation("conflicts untold", "The losing side of a conflict is not written down.", _conflicts_are_not_told),
    Mutation(
        "conflicts told afterwards",
        "It is written down only when the write has been answered.",
        _conflicts_are_told_afterwards,
    ),
    Mutation(
        "taken twice", "An unmarked event that another booking took is taken again.", _taken_events_are_taken_again
    ),
    Mutation("copies are originals", "A copy moves the booking whose mark it carries.", _copies_count_as_originals),
    Mutation("delays drop", "An item that must wait is not queued again.", _delayed_items_are_dropped),
    Mutation(
        "no look after a crash", "What a dead worker may have made is not looked for.", _absent_events_are_given_up
    ),
)

MUTATIONS: Mapping[str, Mutation] = {mutation.name: mutation for mutation in _ALL}
