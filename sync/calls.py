"""Counts the calls to Graph and Dataverse that one work item makes, for its journal row.

The count travels in a context variable, so that it needs no parameter through every layer, and concurrent items do not
mix: each invocation runs in a context of its own.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_calls: ContextVar[Counter[str] | None] = ContextVar("calls", default=None)


@contextmanager
def counted_calls() -> Iterator[Counter[str]]:
    """Collect the calls made within, by operation, such as `event.get`."""
    counter: Counter[str] = Counter()
    token = _calls.set(counter)
    try:
        yield counter
    finally:
        _calls.reset(token)


def count_call(operation: str) -> None:
    """Note one call. Outside `counted_calls` nobody wants to know."""
    counter = _calls.get()
    if counter is not None:
        counter[operation] += 1
