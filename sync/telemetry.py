"""What the app tells of its own work: facts, told at the few places where outcomes are known.

Nobody listens unless telemetry is configured, and then telling costs a comparison. This is on the acknowledging path:
the standard library and the core's values, nothing else. Whoever listens must pass on ids, words, numbers and times
only: a reason may quote what a service said. What the words mean as traces and metrics is for `sync.adapters`.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.core.acceptance import Accepted
from sync.core.journal import JournalEntry
from sync.core.work_items import WorkItem

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """The door has answered a post: what it held is queued, or was dropped."""

    accepted: Accepted
    began_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """One request to Graph or Dataverse. `error_class` is empty for a success, `status` None without an answer."""

    operation: str
    began_at: datetime
    ended_at: datetime
    status: int | None = None
    error_class: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """A queue message came to an outcome, as its journal row tells, with the calls that this took."""

    queue: str
    item: WorkItem
    dequeue_count: int
    began_at: datetime
    entry: JournalEntry
    calls: Sequence[Called] = ()
    error_class: str = ""
    is_news: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Buried:
    """A message became a dead letter."""

    queue: str
    error_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFailed:
    """A subscription could not be created, renewed or removed; `change` says which."""

    change: str
    error_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionsListed:
    """What a run of the upkeep found at Graph before it mended anything.

    `missing` mailboxes should have a subscription and had none. The next one to end had `remaining` to live; None
    without any.
    """

    missing: int
    remaining: timedelta | None


type Fact = Received | Called | Handled | Buried | OrderFailed | SubscriptionsListed
type Listener = Callable[[Fact], None]

_listener: Listener | None = None
_calls: ContextVar[list[Called] | None] = ContextVar("telemetry_calls", default=None)


def listen(listener: Listener | None) -> None:
    """Have every fact of this process told to `listener`, or to nobody."""
    global _listener  # noqa: PLW0603 - one per process, as loggers are
    _listener = listener


def tell(fact: Fact) -> None:
    """Tell a fact. Never raises: what is told of must not come to harm by the telling."""
    if _listener is None:
        return
    try:
        _listener(fact)
    except Exception as error:  # noqa: BLE001 - whatever a listener does wrong
        logger.warning("Telemetry was lost: %r", error, extra={"action": "telemetry-lost"})


def tell_call(call: Called) -> None:
    """Tell of a request, also to whoever gathers those of the item at hand."""
    gathered = _calls.get()
    if gathered is not None:
        gathered.append(call)
    tell(call)


@contextmanager
def gathered_calls() -> Iterator[list[Called]]:
    """Collect the requests made within, in the order in which they ended."""
    calls: list[Called] = []
    token = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(token)
