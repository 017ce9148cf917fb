"""Facts as OpenTelemetry traces: one for each change, from its notification to the last write.

A trace's id *is* the journal's correlation id, so that either leads to the other, and nothing needs to travel through
the queues for it. Spans are written after the fact, with the times of the fact: work waits for no telemetry. Their
attributes hold ids and words as the journal has them, never a sentence, because one may quote what a service said.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, set_span_in_context

from sync.core.convergence import AGREEING
from sync.core.work import queue_of
from sync.core.work_items import BookingChange, EventChange, Source, WorkItem, mailbox_of
from sync.telemetry import Called, Fact, Handled, Received

BURIED = "buried"
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_WORDS = re.compile(r"[a-z0-9-]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

type Attributes = Mapping[str, str | int | float | None]


class TraceWriter:
    """Listens for facts and writes their spans. For one thread at a time."""

    def __init__(self, *processors: SpanProcessor, resource: Resource) -> None:
        self._ids = _ChosenIds()
        self._provider = TracerProvider(resource=resource, id_generator=self._ids)
        for processor in processors:
            self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("bookingsync")

    def __call__(self, fact: Fact) -> None:
        match fact:
            case Received():
                for item in fact.accepted.items:
                    self._acknowledged(fact, item)
            case Handled() if fact.is_news:
                self._handled(fact)
            case _:
                pass  # What has no correlation id is measured, not traced.

    def _acknowledged(self, fact: Received, item: WorkItem) -> None:
        self._write(
            "acknowledge",
            SpanKind.SERVER,
            root_of(item.correlation_id),
            (fact.began_at, fact.ended_at),
            {**_of_item(item), "bookingsync.queue": queue_of(item)},
            is_root=True,
        )

    def _handled(self, fact: Handled) -> None:
        # Nobody acknowledged what a sweep found: there the first taking-up begins the trace.
        is_root = fact.item.source is Source.SWEEP and not fact.item.deferrals and fact.dequeue_count == 1
        span = self._write(
            f"handle {fact.queue}",
            SpanKind.CONSUMER,
            root_of(fact.item.correlation_id),
            (fact.began_at, fact.entry.at),
            _of_outcome(fact),
            is_root=is_root,
            is_failure=fact.entry.action == BURIED,
        )
        for call in fact.calls:
            self._called(call, span)

    def _called(self, call: Called, parent: SpanContext) -> None:
        attributes = {"http.response.status_code": call.status, "error.type": call.error_class}
        times = (call.began_at, call.ended_at)
        self._write(call.operation, SpanKind.CLIENT, parent, times, attributes, is_failure=bool(call.error_class))

    def _write(
        self,
        name: str,
        kind: SpanKind,
        parent: SpanContext,
        times: tuple[datetime, datetime],
        attributes: Attributes,
        *,
        is_root: bool = False,
        is_failure: bool = False,
    ) -> SpanContext:
        """Write one span; a root becomes what would have been its parent."""
        self._ids.chosen = parent if is_root else None
        span = self._tracer.start_span(
            name,
            context=Context() if is_root else set_span_in_context(NonRecordingSpan(parent), Context()),
            kind=kind,
            attributes={key: value for key, value in attributes.items() if value not in (None, "")},
            start_time=_nanoseconds(times[0]),
        )
        if is_failure:
            span.set_status(StatusCode.ERROR)
        span.end(end_time=_nanoseconds(times[1]))
        return span.get_span_context()

    def close(self) -> None:
        """Send what waits, and end."""
        self._provider.shutdown()


def root_of(correlation_id: str) -> SpanContext:
    """The first span of an item's trace, whoever writes it and wherever: its ids follow from the correlation id."""
    digest = blake2b(correlation_id.encode(), digest_size=24).digest()
    is_trace_id = _TRACE_ID.fullmatch(correlation_id) is not None
    return SpanContext(
        trace_id=int(correlation_id, 16) if is_trace_id else int.from_bytes(digest[:16]),
        span_id=int.from_bytes(digest[16:]),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


class _ChosenIds(RandomIdGenerator):
    """Random ids, except for a root's."""

    def __init__(self) -> None:
        self.chosen: SpanContext | None = None

    def generate_trace_id(self) -> int:
        return self.chosen.trace_id if self.chosen else super().generate_trace_id()

    def generate_span_id(self) -> int:
        return self.chosen.span_id if self.chosen else super().generate_span_id()


def seconds_to_agreement(fact: Handled) -> float | None:
    """How long a change took from its notification until both sides were equal; None for anything else."""
    entry = fact.entry
    if entry.source is not Source.PUSH or entry.action not in AGREEING:
        return None
    return (entry.at - entry.received_at).total_seconds()


def words_only(reason: str) -> str:
    """A reason that is one of our own words; empty for a sentence."""
    return reason if _WORDS.fullmatch(reason) else ""


def _of_item(item: WorkItem) -> dict[str, str | int | float | None]:
    return {
        "bookingsync.correlation_id": item.correlation_id,
        "bookingsync.source": item.source,
        "bookingsync.mailbox_id": mailbox_of(item),
        "bookingsync.event_id": item.event_id if isinstance(item, EventChange) else None,
        "bookingsync.booking_id": item.booking_id if isinstance(item, BookingChange) else None,
    }


def _of_outcome(fact: Handled) -> Attributes:
    entry = fact.entry
    return {
        **_of_item(fact.item),
        "bookingsync.queue": fact.queue,
        "bookingsync.mailbox_id": entry.mailbox_id,
        "bookingsync.event_id": entry.event_id,
        "bookingsync.booking_id": entry.booking_id,
        "bookingsync.action": entry.action,
        "bookingsync.reason": words_only(entry.reason),
        "bookingsync.dequeue_count": fact.dequeue_count,
        "bookingsync.deferrals": fact.item.deferrals,
        "bookingsync.seconds_waited": (fact.began_at - fact.item.received_at).total_seconds(),
        "bookingsync.seconds_to_agreement": seconds_to_agreement(fact),
        "error.type": fact.error_class,
    }


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
