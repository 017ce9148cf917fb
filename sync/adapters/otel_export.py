"""Where traces and metrics go: Application Insights, an OpenTelemetry collector, or both.

The exporters themselves, not the distribution with its instrumentations: those would record the addresses of requests,
and load for half a second. What else can be set is OpenTelemetry's own (`OTEL_*`), read by its packages.
"""

from dataclasses import dataclass, field

from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from sync.adapters.otel_metrics import Meters
from sync.adapters.otel_traces import TraceWriter
from sync.telemetry import Fact

ENVIRONMENT = {
    # Milliseconds. An idle instance may be taken away after half a minute, with what it has not sent.
    "OTEL_METRIC_EXPORT_INTERVAL": "15000",
    # What the exporter would tell Microsoft of itself, and ask for, beside what it is there for.
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED": "true",
}
"""What OpenTelemetry's packages are to find in the environment where the administrator has set nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """`application_insights` is a connection string, or empty; `otlp` whether OpenTelemetry's own settings name one.

    `service` and `instance` tell this app and this process from others.
    """

    application_insights: str = field(default="", repr=False)
    otlp: bool = False
    service: str = "bookingsync"
    instance: str = ""


class TelemetryExport:
    """Listens for facts, and has them sent as traces and metrics. For one thread at a time."""

    def __init__(self, processors: list[SpanProcessor], readers: list[MetricReader], resource: Resource) -> None:
        self._traces = TraceWriter(*processors, resource=resource)
        self._meters = Meters(*readers, resource=resource)

    def __call__(self, fact: Fact) -> None:
        self._meters(fact)
        self._traces(fact)

    def close(self) -> None:
        self._traces.close()
        self._meters.close()


def open_export(destinations: Destinations) -> TelemetryExport:
    """Ready to listen. Raises what an exporter raises for settings that it cannot use."""
    resource = Resource.create({SERVICE_NAME: destinations.service, SERVICE_INSTANCE_ID: destinations.instance})
    pairs = []
    if destinations.application_insights:
        pairs.append(_to_application_insights(destinations.application_insights))
    if destinations.otlp:
        pairs.append(_to_collector())
    return TelemetryExport(
        [BatchSpanProcessor(spans) for spans, _ in pairs],
        [PeriodicExportingMetricReader(metrics) for _, metrics in pairs],
        resource,
    )


def _to_application_insights(connection_string: str) -> tuple[SpanExporter, MetricExporter]:
    """Where the resource wants an identity, the exporters read APPLICATIONINSIGHTS_AUTHENTICATION_STRING themselves."""
    from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter, AzureMonitorTraceExporter

    # What cannot be sent is dropped after the exporter's own retries: telemetry leaves no files behind.
    return (
        AzureMonitorTraceExporter(connection_string=connection_string, disable_offline_storage=True),
        AzureMonitorMetricExporter(connection_string=connection_string, disable_offline_storage=True),
    )


def _to_collector() -> tuple[SpanExporter, MetricExporter]:
    """OTLP over HTTP, to where OTEL_EXPORTER_OTLP_ENDPOINT says."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(), OTLPMetricExporter()
