"""The subjects of the contract suites on storage: each port once in memory and once on a storage emulator."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import uuid4

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueServiceClient

from sync.adapters.journal_store import TableDeadLetters, TableJournal
from sync.adapters.queues import StorageWorkQueue
from sync.adapters.state_store import TableStateStore
from sync.adapters.storage_clients import StorageAddress, queue_service, table_service
from sync.core.work import POISON_SUFFIX, QUEUES
from sync.service.store_ports import DeadLetters, Journal, StateStore
from tests.fakes import FakeDeadLetters, FakeJournal, FakeStateStore, FakeWorkQueue

SUBJECTS = ["fake", pytest.param("azurite", marks=pytest.mark.slow)]

type OwnTables = tuple[TableServiceClient, str]
"""A client, and a prefix for table names that no other test has."""


@asynccontextmanager
async def own_tables(connection_string: str) -> AsyncIterator[OwnTables]:
    """Tables for one test, which are deleted afterwards."""
    prefix = f"test{uuid4().hex[:12]}"
    async with table_service(StorageAddress(connection_string=connection_string)) as service:
        yield service, prefix
        async for table in service.list_tables():
            if table.name.startswith(prefix):
                await service.delete_table(table.name)


@pytest.fixture
async def tables(azurite: str) -> AsyncIterator[OwnTables]:
    async with own_tables(azurite) as mine:
        yield mine


@pytest.fixture(params=SUBJECTS)
async def subject_tables(request: pytest.FixtureRequest) -> AsyncIterator[OwnTables | None]:
    """Where the subject keeps its rows: as for `own_tables`, or None for one that keeps them in memory."""
    if request.param == "fake":
        yield None
        return
    async with own_tables(request.getfixturevalue("azurite")) as mine:
        yield mine


@pytest.fixture
def state(subject_tables: OwnTables | None) -> StateStore:
    if subject_tables is None:
        return FakeStateStore()
    service, prefix = subject_tables
    return TableStateStore(service, prefix=prefix)


@pytest.fixture
def journal(subject_tables: OwnTables | None) -> Journal:
    if subject_tables is None:
        return FakeJournal()
    service, prefix = subject_tables
    return TableJournal(service, prefix=prefix, sleep=lambda _: asyncio.sleep(0))


@pytest.fixture
def dead_letters(subject_tables: OwnTables | None) -> DeadLetters:
    if subject_tables is None:
        return FakeDeadLetters()
    service, prefix = subject_tables
    return TableDeadLetters(service, prefix=prefix)


class QueueHost(Protocol):
    """A work queue, the reader's side of it, and time. `own_queue` is the name of a queue that no other test has."""

    @property
    def queue(self) -> FakeWorkQueue | StorageWorkQueue: ...

    @property
    def own_queue(self) -> str: ...

    async def receive(self, queue: str) -> list[str]:
        """Take and complete what is visible."""

    async def wait(self, seconds: float) -> None:
        """Let time pass for the queue."""


class FakeQueueHost:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 9, tzinfo=UTC)
        self.queue = FakeWorkQueue(lambda: self.now)
        self.own_queue = "test"

    async def receive(self, queue: str) -> list[str]:
        taken = self.queue.take_due(queue, self.now)
        return [message.text for message in taken if self.queue.complete(message)]

    async def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class StorageQueueHost:
    service: QueueServiceClient
    queue: StorageWorkQueue
    own_queue: str

    async def receive(self, queue: str) -> list[str]:
        client = self.service.get_queue_client(queue, message_decode_policy=TextBase64DecodePolicy())
        texts = []
        try:
            async for message in client.receive_messages(visibility_timeout=600):
                texts.append(message.content)
                await client.delete_message(message)
        except ResourceNotFoundError:
            return []
        return texts

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def delete_queues(service: QueueServiceClient, *names: str) -> None:
    for name in names:
        with suppress(ResourceNotFoundError):
            await service.delete_queue(name)


@pytest.fixture
async def storage_queue(azurite: str) -> AsyncIterator[StorageQueueHost]:
    """The adapter on an emulator that lacks its queues: nothing of another test, and nothing at first use."""
    async with queue_service(StorageAddress(connection_string=azurite)) as service:
        for queue in QUEUES:
            await delete_queues(service, queue, queue + POISON_SUFFIX)
        host = StorageQueueHost(service, StorageWorkQueue(service), own_queue=f"test-{uuid4().hex}")
        yield host
        await delete_queues(service, host.own_queue)


@pytest.fixture(params=SUBJECTS)
def queue_host(request: pytest.FixtureRequest) -> QueueHost:
    if request.param == "fake":
        return FakeQueueHost()
    host: QueueHost = request.getfixturevalue("storage_queue")
    return host
