"""What OpenTelemetry would have sent, kept in memory instead."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sync import telemetry
from sync.adapters.otel_export import TelemetryExport
from sync.adapters.otel_traces import root_of

type Labels = tuple[tuple[str, str], ...]


class Observed:
    """A destination for telemetry, as a test looks at it."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        resource = Resource({"service.name": "bookingsync"})
        self.export = TelemetryExport([SimpleSpanProcessor(self._exporter)], [self._reader], resource)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def trace(self, correlation_id: str) -> list[ReadableSpan]:
        """The spans of one item, by when they began; the longer one first."""
        root = root_of(correlation_id)
        ours = [span for span in self.spans if span.context.trace_id == root.trace_id]
        return sorted(ours, key=lambda span: (span.start_time, -span.end_time))

    def measured(self) -> dict[str, dict[Labels, Any]]:
        """The newest point of each metric, by its name without prefix and its attributes."""
        found: dict[str, dict[Labels, Any]] = {}
        data = self._reader.get_metrics_data()
        for resource_metrics in data.resource_metrics if data else ():
            for scope in resource_metrics.scope_metrics:
                for metric in scope.metrics:
                    points = found.setdefault(metric.name.removeprefix("bookingsync."), {})
                    for point in metric.data.data_points:
                        points[tuple(sorted((point.attributes or {}).items()))] = point
        return found

    def count(self, name: str, **attributes: str) -> int:
        """How much a counter has counted under these attributes, whatever else it is split by."""
        return sum(point.value for point in self._points(name, attributes))

    def times(self, name: str, **attributes: str) -> HistogramDataPoint:
        """The one series of a histogram with these attributes."""
        (point,) = self._points(name, attributes)
        return point

    def _points(self, name: str, attributes: dict[str, str]) -> list[Any]:
        points = self.measured().get(name, {})
        return [point for labels, point in points.items() if attributes.items() <= dict(labels).items()]


@contextmanager
def observing() -> Iterator[Observed]:
    """Listen to all that this process tells."""
    observed = Observed()
    telemetry.listen(observed.export)
    try:
        yield observed
    finally:
        telemetry.listen(None)
        observed.export.close()
