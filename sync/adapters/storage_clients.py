"""Builds the clients of Azure Storage, with a connection string or with an identity.

The SDKs' own retries are turned down to one quick repetition: longer waiting is the queue's business, by a delayed
message (one retry layer). Each SDK is imported when its client is asked for, so that the acknowledging path loads the
queue client alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sync.core.errors import ConfigurationError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.data.tables.aio import TableServiceClient
    from azure.storage.queue.aio import QueueServiceClient

# One repetition, at once: it mends a connection that the service had closed meanwhile. Times in seconds.
_QUEUE_OPTIONS: dict[str, Any] = {
    "retry_total": 1,
    "initial_backoff": 0,
    "increment_base": 0,
    "random_jitter_range": 0,
    "connection_timeout": 0.9,
    "read_timeout": 1.5,
    # Looking for proxy and netrc settings costs two hops to a thread for every message; Azure needs neither.
    "use_env_settings": False,
}
_TABLE_OPTIONS: dict[str, Any] = {"retry_total": 1, "connection_timeout": 2, "read_timeout": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageAddress:
    """Where queues and tables live: a connection string, or service addresses that are used with an identity."""

    connection_string: str | None = field(default=None, repr=False)
    queue_uri: str | None = None
    table_uri: str | None = None


def queue_service(address: StorageAddress, credential: AsyncTokenCredential | None = None) -> QueueServiceClient:
    """A client of the Queue service; close it when done. Raises `ConfigurationError` when the address has no queues."""
    from azure.storage.queue.aio import QueueServiceClient

    if address.connection_string:
        return QueueServiceClient.from_connection_string(address.connection_string, **_QUEUE_OPTIONS)
    account_url = _required(address.queue_uri, "queueServiceUri")
    return QueueServiceClient(account_url, credential=credential, **_QUEUE_OPTIONS)


def table_service(address: StorageAddress, credential: AsyncTokenCredential | None = None) -> TableServiceClient:
    """A client of the Table service; close it when done. Raises `ConfigurationError` when the address has no tables."""
    from azure.data.tables.aio import TableServiceClient

    if address.connection_string:
        return TableServiceClient.from_connection_string(address.connection_string, **_TABLE_OPTIONS)
    return TableServiceClient(_required(address.table_uri, "tableServiceUri"), credential=credential, **_TABLE_OPTIONS)


def _required(uri: str | None, setting: str) -> str:
    if not uri:
        raise ConfigurationError(
            [f"the storage account is unknown: set AzureWebJobsStorage or AzureWebJobsStorage__{setting}"]
        )
    return uri
