"""The settings: typed, frozen, complete or refused with every problem at once.

`Settings.from_env` is called by `bootstrap` and nowhere else, and nothing else reads the environment. A setting that
differs between deployments has no default. `host.json` cannot hold comments; why its numbers are what they are stands
at `HOST_JSON_REASONS` below, and a test holds the two together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from enum import StrEnum
from typing import Any

from sync import setting_values as parse
from sync.adapters.storage_clients import StorageAddress
from sync.core.coalescing import Timing
from sync.core.content import (
    DEFAULT_BODY,
    DEFAULT_CATEGORIES,
    DEFAULT_LOCATION,
    DEFAULT_SUBJECT,
    ShowAs,
    Template,
    Templates,
)
from sync.core.errors import ConfigurationError
from sync.core.reconcile import OnCancellation, OnDeletion, Policy, Scope, Winner
from sync.core.rules import Rules
from sync.core.subscriptions import SubscriptionPolicy, key_of
from sync.core.sweeping import BreakerPolicy, WindowPolicy
from sync.setting_values import Reader

HOST_JSON_REASONS = {
    "extensions.queues.batchSize": (16, "a whole burst is taken up by one instance, where it coalesces"),
    "extensions.queues.newBatchThreshold": (8, "the default varies with the machine"),
    "extensions.queues.maxDequeueCount": (5, "only crashes and bugs count; waits are re-queued and do not"),
    "extensions.queues.visibilityTimeout": ("00:00:30", "five attempts outlast a restart of storage or host"),
    "extensions.queues.maxPollingInterval": ("00:00:01", "an idle queue is noticed within a second"),
    "functionTimeout": ("00:10:00", "subscription upkeep of 10,000 mailboxes works in slices below this"),
    "telemetryMode": ("OpenTelemetry", "the host's logs and traces go where the app's own go"),
}

MAXIMUM_DEQUEUE_COUNT = 5
"""As in host.json: at the last attempt an item is buried with its reason rather than left to the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. `local_token` replaces the identity when developing, on loopback addresses only."""

    tenant_id: str
    graph_url: str
    dataverse_url: str
    public_url: str
    client_state_secrets: tuple[str, ...] = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    storage: StorageAddress
    identity_client_id: str | None
    local_token: str | None = field(repr=False)
    settle_seconds: float
    cancelled_status_id: str | None
    rules: Rules

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises `ConfigurationError` naming every missing, malformed or contradictory setting."""
        reader = Reader(environ)
        public_url = reader.read("PUBLIC_URL", parse.base_url)
        graph_url = reader.read("GRAPH_URL", parse.base_url, default="https://graph.microsoft.com/v1.0")
        dataverse_url = reader.read("DATAVERSE_URL", parse.base_url)
        settings: dict[str, Any] = {
            "tenant_id": reader.read("TENANT_ID", parse.guid),
            "graph_url": graph_url,
            "dataverse_url": dataverse_url,
            "public_url": public_url,
            "client_state_secrets": _secrets(reader, "CLIENT_STATE_SECRET", parse.secret),
            "webhook_secrets": _secrets(reader, "DATAVERSE_WEBHOOK_SECRET", parse.header_secret),
            "storage": _storage(reader),
            "identity_client_id": reader.read("AZURE_CLIENT_ID", parse.guid, default="")
            or reader.read("AzureWebJobsStorage__clientId", parse.guid, default=""),
            "local_token": _local_token(reader, graph_url, dataverse_url),
            "settle_seconds": reader.read("SETTLE_SECONDS", parse.number(0, 15), default="3"),
            "cancelled_status_id": reader.read("CANCELLED_STATUS_ID", parse.guid, default=""),
            "rules": _rules(reader, public_url, dataverse_url),
        }
        for schedule in ("MAINTAIN_SCHEDULE", "SWEEP_SCHEDULE"):
            reader.read(schedule, parse.schedule)
        if reader.problems:
            raise ConfigurationError(reader.problems)
        return cls(**settings)


def _rules(reader: Reader, public_url: str | None, dataverse_url: str | None) -> Rules:
    """The customer's choices. A wrong one is noted by the reader, and then this value is never used."""
    key = key_of(reader.text("CLIENT_STATE_SECRET"))
    return Rules(
        mailboxes=reader.read("MAILBOXES", parse.list_of(parse.guid), default="") or (),
        allows_microsoft_sync=_flag(reader, "ALLOW_MICROSOFT_SYNC", default=False),
        reads_answers=_flag(reader, "READ_ANSWERS", default=False),
        policy=_policy(reader),
        templates=_templates(reader, dataverse_url),
        timing=Timing(
            clock_margin=timedelta(seconds=reader.read("CLOCK_MARGIN_SECONDS", parse.number(0, 60), default="1") or 0)
        ),
        window=WindowPolicy(
            past=_days(reader.read("WINDOW_PAST_DAYS", parse.number(0, 365), default="7")),
            future=_days(reader.read("WINDOW_FUTURE_DAYS", parse.number(1, 730), default="42")),
        ),
        breaker=BreakerPolicy(
            number=reader.read("BREAKER_NUMBER", parse.whole_number(0, 100_000), default="10") or 0,
            share=(reader.read("BREAKER_SHARE_PERCENT", parse.number(0, 100), default="50") or 0) / 100,
        ),
        subscriptions=SubscriptionPolicy(
            notification_url=f"{public_url}/api/graph/notifications?key={key}",
            lifecycle_url=f"{public_url}/api/graph/lifecycle?key={key}",
        ),
    )


def _policy(reader: Reader) -> Policy:
    return Policy(
        conflict_winner=_choice(reader, "CONFLICT_WINNER", default=Winner.DYNAMICS),
        on_deletion=_choice(reader, "ON_EVENT_DELETED", default=OnDeletion.CANCEL),
        cancellable=frozenset(reader.read("CANCELLABLE_PHASES", parse.phases, default="scheduled,traveling") or ()),
        scope=_choice(reader, "BOOKING_SCOPE", default=Scope.ANY),
        on_cancellation=_choice(reader, "ON_BOOKING_CANCELLED", default=OnCancellation.REMOVE),
        keeps_past_events=_flag(reader, "KEEP_PAST_EVENTS", default=True),
    )


def _templates(reader: Reader, dataverse_url: str | None) -> Templates:
    return Templates(
        subject=_template(reader, "EVENT_SUBJECT", default=DEFAULT_SUBJECT),
        location=_template(reader, "EVENT_LOCATION", default=DEFAULT_LOCATION),
        body=_template(reader, "EVENT_BODY", default=DEFAULT_BODY),
        categories=_template(reader, "EVENT_CATEGORIES", default=DEFAULT_CATEGORIES),
        show_as=_choice(reader, "EVENT_SHOW_AS", default=ShowAs.BUSY),
        zone=reader.read("EVENT_TIME_ZONE", parse.time_zone, default="UTC") or UTC,
        record_url=dataverse_url or "",
    )


def _choice[E: StrEnum](reader: Reader, name: str, *, default: E) -> E:
    return reader.read(name, parse.one_of(type(default)), default=default) or default


def _flag(reader: Reader, name: str, *, default: bool) -> bool:
    return bool(reader.read(name, parse.truth, default=str(default)))


def _template(reader: Reader, name: str, *, default: str) -> Template:
    return reader.read(name, parse.template, default=default) or Template.parse(default)


def _days(number: float | None) -> timedelta:
    return timedelta(days=number or 0)


SETTING_NAMES = (
    "AzureWebJobsStorage",
    "TENANT_ID",
    "GRAPH_URL",
    "DATAVERSE_URL",
    "PUBLIC_URL",
    "CLIENT_STATE_SECRET",
    "CLIENT_STATE_SECRET_PREVIOUS",
    "DATAVERSE_WEBHOOK_SECRET",
    "DATAVERSE_WEBHOOK_SECRET_PREVIOUS",
    "AZURE_CLIENT_ID",
    "LOCAL_TOKEN",
    "MAILBOXES",
    "BOOKING_SCOPE",
    "ALLOW_MICROSOFT_SYNC",
    "READ_ANSWERS",
    "SETTLE_SECONDS",
    "CLOCK_MARGIN_SECONDS",
    "CONFLICT_WINNER",
    "ON_EVENT_DELETED",
    "CANCELLABLE_PHASES",
    "CANCELLED_STATUS_ID",
    "ON_BOOKING_CANCELLED",
    "KEEP_PAST_EVENTS",
    "EVENT_SUBJECT",
    "EVENT_LOCATION",
    "EVENT_BODY",
    "EVENT_CATEGORIES",
    "EVENT_SHOW_AS",
    "EVENT_TIME_ZONE",
    "WINDOW_PAST_DAYS",
    "WINDOW_FUTURE_DAYS",
    "BREAKER_NUMBER",
    "BREAKER_SHARE_PERCENT",
    "MAINTAIN_SCHEDULE",
    "SWEEP_SCHEDULE",
)
"""Every setting of the app's own, in the order of `local.settings.sample.json`."""


def _secrets(reader: Reader, name: str, parse_one: Callable[[str], str]) -> tuple[str, ...]:
    """The secret in use and, while rotating, the one before."""
    current = reader.read(name, parse_one)
    previous = reader.read(f"{name}_PREVIOUS", parse_one, default="")
    return tuple(secret for secret in (current, previous) if secret)


def _local_token(reader: Reader, graph_url: str | None, dataverse_url: str | None) -> str | None:
    token = reader.text("LOCAL_TOKEN") or None
    if token and not all(parse.is_loopback(url) for url in (graph_url, dataverse_url) if url):
        reader.problems.append(
            "LOCAL_TOKEN is for loopback services only: remove it, or use simulators on this machine"
        )
    return token


def _storage(reader: Reader) -> StorageAddress:
    """The host's own storage settings, in the forms that the Functions documentation gives (functions-reference)."""
    prefix = "AzureWebJobsStorage"
    if reader.text(prefix):
        return StorageAddress(connection_string=reader.read(prefix, str))
    account = reader.read(f"{prefix}__accountName", parse.account_name, default="")
    queue_uri = reader.read(f"{prefix}__queueServiceUri", parse.base_url, default="")
    table_uri = reader.read(f"{prefix}__tableServiceUri", parse.base_url, default="")
    if account:
        queue_uri = queue_uri or f"https://{account}.queue.core.windows.net"
        table_uri = table_uri or f"https://{account}.table.core.windows.net"
    if not (queue_uri and table_uri):
        reader.problems.append(
            f"{prefix} is missing: set it, or {prefix}__accountName, or both {prefix}__queueServiceUri "
            f"and {prefix}__tableServiceUri"
        )
    return StorageAddress(queue_uri=queue_uri, table_uri=table_uri)
