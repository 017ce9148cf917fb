"""The only place where real adapters are built: once per process, at first use.

The acknowledging door and the workshop are built apart: the door must not import what only the workshop needs, because
Graph waits three seconds for a cold instance. Everything asynchronous is created on the event loop that will use it, so
nothing is built while the app is being indexed; only the settings are, and wrong ones refuse to start.
"""

import asyncio
import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from sync import telemetry
from sync.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.data.tables.aio import TableServiceClient

    from sync.adapters.dataverse import DataverseClient
    from sync.adapters.dataverse_canary import DataverseCanaryBookings
    from sync.adapters.dataverse_diagnosis import DataverseRecords
    from sync.adapters.dataverse_http import DataverseHttp
    from sync.adapters.dataverse_setup import DataverseSetup
    from sync.adapters.graph import GraphClient
    from sync.adapters.probing import DeploymentProbes
    from sync.adapters.queues import StorageWorkQueue
    from sync.adapters.transport import Classify, Transport
    from sync.core.rules import Rules
    from sync.page.answering import Desk
    from sync.service.answer_ports import AnswerPorts
    from sync.service.intake import Door
    from sync.service.ports import Ports, QueueGauge


class Closable(Protocol):
    """A client that holds connections."""

    async def close(self) -> None: ...


_opened: list[Closable] = []


@cache
def settings() -> Settings:
    """The process's settings. Raises `ConfigurationError` with every problem."""
    for chatterbox in ("azure", "httpx"):
        # They log every request with its URL, delta tokens included.
        logging.getLogger(chatterbox).setLevel(logging.WARNING)
    return Settings.from_env(os.environ)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What the queue and timer functions work with."""

    ports: "Ports"
    rules: "Rules"


@cache
def door() -> "Door":
    """What the HTTP functions work with."""
    from sync.service.intake import Door

    chosen = settings()
    return Door(
        secrets=chosen.client_state_secrets,
        tenant_id=chosen.tenant_id,
        queue=_queue(),
        clock=now,
        new_id=new_id,
        settle_seconds=chosen.settle_seconds,
        webhook_secrets=chosen.webhook_secrets,
    )


@cache
def workshop() -> Workshop:
    """What the queue and timer functions work with. Takes about half a second the first time."""
    from sync.adapters.journal_store import TableDeadLetters, TableJournal
    from sync.adapters.state_store import TableStateStore
    from sync.adapters.storage_clients import table_service
    from sync.service.ports import Ports

    chosen = settings()
    tables = _keep(table_service(chosen.storage, _storage_credential()))
    calendar = _calendar()
    return Workshop(
        ports=Ports(
            calendar=calendar,
            bookings=_bookings(),
            state=TableStateStore(tables),
            journal=TableJournal(tables, instance=new_id()),
            dead_letters=TableDeadLetters(tables),
            queue=_queue(),
            clock=now,
            new_id=new_id,
            answers=_answers(calendar, tables) if chosen.rules.reads_answers else None,
        ),
        rules=chosen.rules,
    )


def desk() -> "Desk":
    """What the status page works with."""
    from sync.page.answering import Desk

    shop = workshop()
    return Desk(
        ports=shop.ports,
        rules=shop.rules,
        gauge=gauge(),
        secrets=settings().client_state_secrets,
        records=dynamics_records(),
    )


@cache
def _queue() -> "StorageWorkQueue":
    from sync.adapters.queues import StorageWorkQueue
    from sync.adapters.storage_clients import queue_service

    return StorageWorkQueue(_keep(queue_service(settings().storage, _storage_credential())))


def gauge() -> "QueueGauge":
    """What people see of the queues."""
    return _queue()


async def queue_lengths() -> dict[str, int]:
    """About how many messages each queue holds, poison queues included."""
    return await _queue().approximate_lengths()


def _calendar() -> "GraphClient":
    from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider

    from sync.adapters.graph import open_graph
    from sync.adapters.graph_wire import classify_graph_failure

    chosen = settings()
    # Without the path, which holds the version. National clouds have a host, and so a scope, of their own.
    scope = "{0.scheme}://{0.netloc}/.default".format(urlsplit(chosen.graph_url))
    return open_graph(
        AzureIdentityAuthenticationProvider(_credential(), scopes=[scope], allowed_hosts=[]),
        _transport(classify_graph_failure),
        url=chosen.graph_url,
        subscriptions=chosen.rules.subscriptions,
        secret=chosen.client_state_secrets[0],
    )


def _answers(calendar: "GraphClient", tables: "TableServiceClient") -> "AnswerPorts":
    from sync.adapters.dataverse_answers import DataverseAnswers
    from sync.adapters.graph_answers import GraphMeetings
    from sync.adapters.meeting_store import TableMeetingMemory
    from sync.service.answer_ports import AnswerPorts

    return AnswerPorts(
        calendar=GraphMeetings(calendar.sender),
        table=DataverseAnswers(_dataverse_http()),
        memory=TableMeetingMemory(tables),
    )


def _bookings() -> "DataverseClient":
    from sync.adapters.dataverse import DataverseClient

    return DataverseClient(_dataverse_http(), clock=now, cancelled_status_id=settings().cancelled_status_id)


@cache
def _dataverse_http() -> "DataverseHttp":
    from sync.adapters.dataverse_http import DataverseHttp, open_http
    from sync.adapters.dataverse_wire import classify_dataverse_failure

    return DataverseHttp(
        open_http(), _credential(), _transport(classify_dataverse_failure), url=settings().dataverse_url
    )


def _transport(classify: "Classify") -> "Transport":
    from sync.adapters.transport import Transport

    return Transport(classify=classify, clock=now, sleep=asyncio.sleep, random=Random())


@cache
def _credential() -> "AsyncTokenCredential":
    """The app's identity; when developing against loopback services, the static token that `Settings` let pass."""
    chosen = settings()
    if chosen.local_token:
        from sync.adapters.static_token import StaticTokenCredential

        return _keep(StaticTokenCredential(chosen.local_token))
    from azure.identity.aio import DefaultAzureCredential

    return _keep(DefaultAzureCredential(managed_identity_client_id=chosen.identity_client_id))


def _storage_credential() -> "AsyncTokenCredential | None":
    """The identity for storage; None when a connection string carries its own key."""
    return None if settings().storage.connection_string else _credential()


def _keep[T: Closable](client: T) -> T:
    _opened.append(client)
    return client


async def close() -> None:
    """Close storage clients and credentials: for commands that end. The app's processes keep them for life."""
    while _opened:
        await _opened.pop().close()


def now() -> datetime:
    return datetime.now(UTC)


async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


def user_name() -> str:
    """Who runs this process, as the operating system knows them; empty where it knows nobody."""
    from getpass import getuser

    try:
        return getuser()
    except OSError:
        return ""


def new_id() -> str:
    """32 hexadecimal digits, all of them random: a trace id as it is, of which samplers look at the last half."""
    return os.urandom(16).hex()


def start_telemetry() -> None:
    """Have traces and metrics sent where a destination is set. Loads nothing before there is something to tell."""
    application_insights = os.environ.get("APPLICATIONINSIGHTS_CONNECTION_STRING", "")
    otlp = bool(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"))
    if not (application_insights or otlp):
        return
    from sync.adapters.backstage import Backstage, Recorder

    service = os.environ.get("OTEL_SERVICE_NAME") or os.environ.get("WEBSITE_SITE_NAME") or "bookingsync"

    def build() -> Recorder:
        from sync.adapters.otel_export import ENVIRONMENT, Destinations, open_export

        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        return open_export(
            Destinations(application_insights=application_insights, otlp=otlp, service=service, instance=new_id())
        )

    telemetry.listen(Backstage(build))


def dynamics_records() -> "DataverseRecords":
    """What Dataverse shows of Microsoft's own sync: for diagnoses."""
    from sync.adapters.dataverse_diagnosis import DataverseRecords

    return DataverseRecords(_dataverse_http())


def probes() -> "DeploymentProbes":
    """What a checkup asks beyond the ports: for commands."""
    from sync.adapters.probing import DeploymentProbes
    from sync.adapters.storage_clients import queue_service, table_service
    from sync.core.doctor_facts import Service

    chosen = settings()
    return DeploymentProbes(
        queues=_keep(queue_service(chosen.storage, _storage_credential())),
        tables=_keep(table_service(chosen.storage, _storage_credential())),
        credential=_credential(),
        addresses={Service.GRAPH: chosen.graph_url, Service.DATAVERSE: chosen.dataverse_url},
        clock=now,
    )


def canary_bookings() -> "DataverseCanaryBookings":
    """What makes a checkup's test booking: for commands."""
    from sync.adapters.dataverse_canary import DataverseCanaryBookings

    return DataverseCanaryBookings(_dataverse_http())


def environment() -> "DataverseSetup":
    """What is registered in Dataverse: for commands."""
    from sync.adapters.dataverse_setup import open_setup
    from sync.adapters.dataverse_wire import classify_dataverse_failure

    chosen = settings()
    transport = _transport(classify_dataverse_failure)
    return open_setup(_credential(), transport, url=chosen.dataverse_url, secret=chosen.webhook_secrets[0])
