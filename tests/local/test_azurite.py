"""The real Azurite: starts and ends in order, keeps what it acknowledged, and dies with whoever started it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from local.azurite import Azurite
from local.ports import HOST, PortInUseError, free_ports

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def azurite(tmp_path: Path) -> Iterator[Azurite]:
    with Azurite(tmp_path) as running:
        yield running


def test_queues_and_tables_answer_the_azure_clients(azurite: Azurite) -> None:
    with QueueServiceClient.from_connection_string(azurite.connection_string) as queues:
        queue = queues.create_queue("event-changes")
        queue.send_message("one")
        assert [message.content for message in queue.receive_messages()] == ["one"]
    with TableServiceClient.from_connection_string(azurite.connection_string) as tables:
        table = tables.create_table("links")
        table.create_entity({"PartitionKey": "mailbox", "RowKey": "event", "generation": 1})
        assert table.get_entity("mailbox", "event")["generation"] == 1


def test_what_was_acknowledged_survives_a_stop_at_once_and_a_new_start(azurite: Azurite) -> None:
    before = azurite.connection_string
    with QueueServiceClient.from_connection_string(azurite.connection_string) as queues:
        queue = queues.create_queue("event-changes")
        for number in range(20):
            queue.send_message(str(number))

        azurite.stop()
        assert not any(is_open(port) for port in azurite.ports.values())
        azurite.start()

        assert azurite.connection_string == before
        assert queue.get_queue_properties().approximate_message_count == 20


def test_a_port_in_use_is_named_with_the_option_that_changes_it(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {taken} is in use.*--port-queue"):
            Azurite(tmp_path, queue_port=taken).start()


def test_it_dies_with_its_owner_even_when_the_owner_is_killed(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    program = (
        "import pathlib, sys, time; from local.azurite import Azurite\n"
        f"Azurite(pathlib.Path({str(tmp_path)!r}), queue_port={port}).start(); print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        os.kill(owner.pid, signal.SIGKILL)

    deadline = time.monotonic() + 15
    while is_open(port):
        assert time.monotonic() < deadline, "Azurite outlived the process that started it"
        time.sleep(0.05)


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0
