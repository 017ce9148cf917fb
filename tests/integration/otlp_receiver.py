"""A collector on loopback: takes what is sent over OTLP, and what Application Insights would take, and keeps it."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Receiver:
    """What has arrived so far."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[tuple[str, bytes]] = []

    @property
    def connection_string(self) -> str:
        """Of an Application Insights resource whose ingestion is this receiver."""
        return f"InstrumentationKey=5f0a1f5e-0000-4000-8000-000000000000;IngestionEndpoint={self.url}/"

    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self._bodies("/v1/traces")]
        resources = [one for request in requests for one in request.resource_spans]
        return [span for one in resources for scope in one.scope_spans for span in scope.spans]

    def trace(self, correlation_id: str) -> list[Span]:
        """The spans of one trace, by when they began; the longer one first."""
        ours = [span for span in self.spans() if span.trace_id.hex() == correlation_id]
        return sorted(ours, key=lambda span: (span.start_time_unix_nano, -span.end_time_unix_nano))

    def metrics(self) -> dict[str, Metric]:
        """The newest state of each metric, by name."""
        requests = [ExportMetricsServiceRequest.FromString(body) for body in self._bodies("/v1/metrics")]
        resources = [one for request in requests for one in request.resource_metrics]
        return {metric.name: metric for one in resources for scope in one.scope_metrics for metric in scope.metrics}

    def services(self) -> set[str]:
        """The service names that traces came under."""
        requests = [ExportTraceServiceRequest.FromString(body) for body in self._bodies("/v1/traces")]
        attributes = [
            one for request in requests for spans in request.resource_spans for one in spans.resource.attributes
        ]
        return {one.value.string_value for one in attributes if one.key == "service.name"}

    def envelopes(self) -> list[dict[str, Any]]:
        """What Application Insights was sent."""
        return [envelope for body in self._bodies("/v2.1/track") for envelope in _envelopes(body)]

    def _bodies(self, path: str) -> list[bytes]:
        return [body for at, body in list(self.bodies) if at == path]


def attributes_of(span: Span) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def _envelopes(body: bytes) -> list[dict[str, Any]]:
    document = json.loads(body)
    return document if isinstance(document, list) else [document]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver: Receiver

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.bodies.append((self.path, body))
            answer = b""
            if self.path.endswith("/track"):
                number = len(_envelopes(body))
                answer = json.dumps({"itemsReceived": number, "itemsAccepted": number, "errors": []}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json" if answer else "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
