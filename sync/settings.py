"""The settings: typed, frozen, complete or refused with every problem at once.

`Settings.from_env` is called by `bootstrap` and nowhere else, and nothing else reads the environment. A setting that
differs between deployments has no default. `host.json` cannot hold comments; why its numbers are what they are stands
at `HOST_JSON_REASONS` below, and a test holds the two together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sync.adapters.storage_clients import StorageAddress
from sync.core.coalescing import Timing
from sync.core.errors import ConfigurationError
from sync.core.model import BookingPhase
from sync.core.reconcile import OnDeletion, Policy, Winner
from sync.core.rules import Rules
from sync.core.subscriptions import SubscriptionPolicy, key_of
from sync.core.sweeping import BreakerPolicy, WindowPolicy

HOST_JSON_REASONS = {
    "extensions.queues.batchSize": (16, "a whole burst is taken up by one instance, where it coalesces"),
    "extensions.queues.newBatchThreshold": (8, "the default varies with the machine"),
    "extensions.queues.maxDequeueCount": (5, "only crashes and bugs count; waits are re-queued and do not"),
    "extensions.queues.visibilityTimeout": ("00:00:30", "five attempts outlast a restart of storage or host"),
    "extensions.queues.maxPollingInterval": ("00:00:01", "an idle queue is noticed within a second"),
    "functionTimeout": ("00:10:00", "subscription upkeep of 10,000 mailboxes works in slices below this"),
}

MAXIMUM_DEQUEUE_COUNT = 5
"""As in host.json: at the last attempt an item is buried with its reason rather than left to the host."""

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. `local_token` replaces the identity when developing, on loopback addresses only."""

    tenant_id: str
    graph_url: str
    dataverse_url: str
    public_url: str
    client_state_secrets: tuple[str, ...] = field(repr=False)
    storage: StorageAddress
    identity_client_id: str | None
    local_token: str | None = field(repr=False)
    settle_seconds: float
    cancelled_status_id: str | None
    rules: Rules

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises `ConfigurationError` naming every missing, malformed or contradictory setting."""
        reader = _Reader(environ)
        public_url = reader.read("PUBLIC_URL", _base_url)
        graph_url = reader.read("GRAPH_URL", _base_url, default="https://graph.microsoft.com/v1.0")
        dataverse_url = reader.read("DATAVERSE_URL", _base_url)
        settings: dict[str, Any] = {
            "tenant_id": reader.read("TENANT_ID", _guid),
            "graph_url": graph_url,
            "dataverse_url": dataverse_url,
            "public_url": public_url,
            "client_state_secrets": _secrets(reader),
            "storage": _storage(reader),
            "identity_client_id": reader.read("AZURE_CLIENT_ID", _guid, default="")
            or reader.read("AzureWebJobsStorage__clientId", _guid, default=""),
            "local_token": _local_token(reader, graph_url, dataverse_url),
            "settle_seconds": reader.read("SETTLE_SECONDS", _number(0, 15), default="3"),
            "cancelled_status_id": reader.read("CANCELLED_STATUS_ID", _guid, default=""),
            "rules": _rules(reader, public_url),
        }
        for schedule in ("MAINTAIN_SCHEDULE", "SWEEP_SCHEDULE"):
            reader.read(schedule, _schedule)
        if reader.problems:
            raise ConfigurationError(reader.problems)
        return cls(**settings)


def _rules(reader: "_Reader", public_url: str | None) -> Rules:
    """The customer's choices. A wrong one is noted by the reader, and then this value is never used."""
    key = key_of(reader.text("CLIENT_STATE_SECRET"))
    return Rules(
        mailboxes=reader.read("MAILBOXES", _list_of(_guid), default="") or (),
        policy=Policy(
            conflict_winner=reader.read("CONFLICT_WINNER", _one_of(Winner), default=Winner.DYNAMICS) or Winner.DYNAMICS,
            on_deletion=reader.read("ON_EVENT_DELETED", _one_of(OnDeletion), default=OnDeletion.CANCEL)
            or OnDeletion.CANCEL,
            cancellable=frozenset(reader.read("CANCELLABLE_PHASES", _phases, default="scheduled,traveling") or ()),
        ),
        timing=Timing(
            clock_margin=timedelta(seconds=reader.read("CLOCK_MARGIN_SECONDS", _number(0, 60), default="1") or 0)
        ),
        window=WindowPolicy(
            past=_days(reader.read("WINDOW_PAST_DAYS", _number(0, 365), default="7")),
            future=_days(reader.read("WINDOW_FUTURE_DAYS", _number(1, 730), default="42")),
        ),
        breaker=BreakerPolicy(
            number=reader.read("BREAKER_NUMBER", _whole_number(0, 100_000), default="10") or 0,
            share=(reader.read("BREAKER_SHARE_PERCENT", _number(0, 100), default="50") or 0) / 100,
        ),
        subscriptions=SubscriptionPolicy(
            notification_url=f"{public_url}/api/graph/notifications?key={key}",
            lifecycle_url=f"{public_url}/api/graph/lifecycle?key={key}",
        ),
    )


SETTING_NAMES = (
    "AzureWebJobsStorage",
    "TENANT_ID",
    "GRAPH_URL",
    "DATAVERSE_URL",
    "PUBLIC_URL",
    "CLIENT_STATE_SECRET",
    "CLIENT_STATE_SECRET_PREVIOUS",
    "AZURE_CLIENT_ID",
    "LOCAL_TOKEN",
    "MAILBOXES",
    "SETTLE_SECONDS",
    "CLOCK_MARGIN_SECONDS",
    "CONFLICT_WINNER",
    "ON_EVENT_DELETED",
    "CANCELLABLE_PHASES",
    "CANCELLED_STATUS_ID",
    "WINDOW_PAST_DAYS",
    "WINDOW_FUTURE_DAYS",
    "BREAKER_NUMBER",
    "BREAKER_SHARE_PERCENT",
    "MAINTAIN_SCHEDULE",
    "SWEEP_SCHEDULE",
)
"""Every setting of the app's own, in the order of `local.settings.sample.json`."""


class _Reader:
    """Reads settings and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def read[T](self, name: str, parse: Callable[[str], T], *, default: str | None = None) -> T | None:
        """The parsed value; None for an empty optional one, and for a wrong one, which is noted."""
        text = self.text(name) or (default or "")
        if not text:
            if default is None:
                self.problems.append(f"{name} is missing")
            return None
        if text.startswith("@Microsoft.KeyVault"):
            self.problems.append(f"{name} is an unresolved Key Vault reference: check the app's access to the vault")
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"{name} {error}")
            return None


def _guid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError("is not a GUID") from None


def _base_url(text: str) -> str:
    """An http(s) address without a trailing slash; http is for loopback only."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("is not a web address")
    if parts.port == 0:  # Reading it raises ValueError for what is no port.
        raise ValueError("has no usable port")
    if parts.scheme == "http" and not is_loopback(text):
        raise ValueError("must be https (http is accepted on loopback addresses only)")
    return parts._replace(netloc=parts.netloc.lower()).geturl().rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine, judged without asking a name server."""
    host = urlsplit(url).hostname or ""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _number(lowest: float, highest: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError("is not a number") from None
        if not lowest <= value <= highest:
            raise ValueError(f"is not between {lowest:g} and {highest:g}")
        return value

    return parse


def _whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = _number(lowest, highest)(text)
        if value != int(value):
            raise ValueError("is not a whole number")
        return int(value)

    return parse


def _one_of[E: StrEnum](kind: type[E]) -> Callable[[str], E]:
    def parse(text: str) -> E:
        try:
            return kind(text.lower())
        except ValueError:
            raise ValueError(f"is not one of {', '.join(kind)}") from None

    return parse


def _list_of[T](parse_one: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    def parse(text: str) -> tuple[T, ...]:
        values = tuple(parse_one(part.strip()) for part in text.split(",") if part.strip())
        if not values:
            raise ValueError("lists nothing")
        return values

    return parse


def _phases(text: str) -> tuple[BookingPhase, ...]:
    """A list of phases; the word `none` for an empty one."""
    return () if text.lower() == "none" else _list_of(_one_of(BookingPhase))(text)


def _schedule(text: str) -> str:
    """A shape check only; the Functions host reads the schedule itself."""
    if len(text.split()) not in (5, 6):
        raise ValueError("is not a schedule of five or six fields, such as 0 */15 * * * *")
    return text


def _days(number: float | None) -> timedelta:
    return timedelta(days=number or 0)


def _secret(text: str) -> str:
    if len(text) < 32:
        raise ValueError("must have at least 32 characters")
    return text


def _secrets(reader: _Reader) -> tuple[str, ...]:
    current = reader.read("CLIENT_STATE_SECRET", _secret)
    previous = reader.read("CLIENT_STATE_SECRET_PREVIOUS", _secret, default="")
    return tuple(secret for secret in (current, previous) if secret)


def _local_token(reader: _Reader, graph_url: str | None, dataverse_url: str | None) -> str | None:
    token = reader.text("LOCAL_TOKEN") or None
    if token and not all(is_loopback(url) for url in (graph_url, dataverse_url) if url):
        reader.problems.append(
            "LOCAL_TOKEN is for loopback services only: remove it, or use simulators on this machine"
        )
    return token


def _storage(reader: _Reader) -> StorageAddress:
    """The host's own storage settings, in the forms that the Functions documentation gives (functions-reference)."""
    prefix = "AzureWebJobsStorage"
    if reader.text(prefix):
        return StorageAddress(connection_string=reader.read(prefix, str))
    account = reader.read(f"{prefix}__accountName", _account_name, default="")
    queue_uri = reader.read(f"{prefix}__queueServiceUri", _base_url, default="")
    table_uri = reader.read(f"{prefix}__tableServiceUri", _base_url, default="")
    if account:
        queue_uri = queue_uri or f"https://{account}.queue.core.windows.net"
        table_uri = table_uri or f"https://{account}.table.core.windows.net"
    if not (queue_uri and table_uri):
        reader.problems.append(
            f"{prefix} is missing: set it, or {prefix}__accountName, or both {prefix}__queueServiceUri "
            f"and {prefix}__tableServiceUri"
        )
    return StorageAddress(queue_uri=queue_uri, table_uri=table_uri)


def _account_name(text: str) -> str:
    if not (text.isascii() and text.isalnum() and 3 <= len(text) <= 24):
        raise ValueError("is not the name of a storage account")
    return text
