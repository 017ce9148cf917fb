"""Facts as OpenTelemetry metrics: counts and distributions. No id of anybody is an attribute here.

There is no gauge: an instance would go on telling its last value for as long as it lives, while another instance has
taken over the timer that it came from. A distribution of one value for each run says the same, and that there was one.

What each is for, and which alert stands on it, is in docs/operate.md; a test holds its table to `INSTRUMENTS`.
"""

from opentelemetry.metrics import Counter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource

from sync.adapters.otel_traces import seconds_to_agreement
from sync.core.convergence import AGREEING
from sync.core.work_items import Source
from sync.telemetry import Buried, Called, Fact, Handled, OrderFailed, Received, SubscriptionsListed

_SECONDS = (0.5, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400)
"""Steps in which times are counted: fine around the settle time, coarse up to an item's patience."""

_DAYS = tuple(86_400 * days for days in (0, 0.25, 0.5, 1, 1.5, 2, 3, 5, 7))
_MAILBOXES = (0, 1, 2, 5, 10, 20, 50, 100, 1000, 10_000)

COUNTERS = {
    "notifications.acknowledged": "Notifications and webhooks that the door believed and queued",
    "notifications.coalesced": "Notifications that the door merged with others into one item",
    "notifications.dropped": "Notifications and webhooks that the door did not believe, or could not read, by reason",
    "items.handled": "Work items that came to an outcome, by queue, action and source",
    "items.dropped": "Work items that needed no call, by reason",
    "changes.swept": "Changes that a sweep found and made equal, because no notification had told of them, by action",
    "calls": "Requests to Graph and Dataverse, by operation and what they came to",
    "dead_letters": "Messages that are not tried again by themselves, by queue and class",
    "subscriptions.failed": "Subscriptions that could not be created, renewed or removed, by class",
}
HISTOGRAMS = {
    "convergence": ("s", _SECONDS, "From the first word of a change to agreement"),
    "queue.age": ("s", _SECONDS, "How long ago an item that is taken up was received; its settle time is in it"),
    "subscriptions.remaining": ("s", _DAYS, "How long the subscription that ends next has to live, at each run"),
    "subscriptions.missing": (
        "{mailbox}",
        _MAILBOXES,
        "Mailboxes that should have a subscription and have none, at each run",
    ),
}
INSTRUMENTS = {f"bookingsync.{name}" for name in (*COUNTERS, *HISTOGRAMS)}


class Meters:
    """Listens for facts and counts them."""

    def __init__(self, *readers: MetricReader, resource: Resource) -> None:
        self._provider = MeterProvider(readers, resource=resource)
        meter = self._provider.get_meter("bookingsync")
        self._counters: dict[str, Counter] = {
            name: meter.create_counter(f"bookingsync.{name}", description=text) for name, text in COUNTERS.items()
        }
        self._histograms = {
            name: meter.create_histogram(f"bookingsync.{name}", unit, text, explicit_bucket_boundaries_advisory=bounds)
            for name, (unit, bounds, text) in HISTOGRAMS.items()
        }

    def __call__(self, fact: Fact) -> None:
        match fact:
            case Received():
                self._acknowledged(fact)
            case Handled():
                self._handled(fact)
            case Called():
                self._count("calls", operation=fact.operation, outcome=fact.error_class or "ok")
            case Buried():
                self._count("dead_letters", queue=fact.queue, error_class=fact.error_class)
            case OrderFailed():
                self._count("subscriptions.failed", change=fact.change, error_class=fact.error_class)
            case SubscriptionsListed():
                self._histograms["subscriptions.missing"].record(fact.missing)
                if fact.remaining is not None:
                    self._histograms["subscriptions.remaining"].record(fact.remaining.total_seconds())

    def _acknowledged(self, fact: Received) -> None:
        accepted = fact.accepted
        believed = accepted.received - accepted.dropped.total()
        self._count("notifications.acknowledged", believed)
        self._count("notifications.coalesced", max(0, believed - len(accepted.items)))
        for reason, number in accepted.dropped.items():
            self._count("notifications.dropped", number, reason=reason)

    def _handled(self, fact: Handled) -> None:
        entry = fact.entry
        self._count("items.handled", queue=fact.queue, action=entry.action, source=entry.source)
        if entry.action == "dropped":
            self._count("items.dropped", reason=entry.reason)
        if entry.source is Source.SWEEP and entry.action in AGREEING:
            self._count("changes.swept", action=entry.action)
        if (seconds := seconds_to_agreement(fact)) is not None:
            self._histograms["convergence"].record(seconds)
        waited = (fact.began_at - fact.item.received_at).total_seconds()
        self._histograms["queue.age"].record(max(0.0, waited), {"queue": fact.queue, "source": entry.source})

    def _count(self, name: str, number: int = 1, **attributes: str) -> None:
        if number:
            self._counters[name].add(number, attributes)

    def close(self) -> None:
        """Send what has been counted, and end."""
        self._provider.shutdown()
