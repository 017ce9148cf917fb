"""What the Azure adapters promise beyond the ports: rows that outlive versions, failure in bounded time."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import MISSING, dataclass, fields, replace
from socket import socket
from typing import Any

import pytest
from azure.data.tables.aio import TableServiceClient
from hypothesis import given
from hypothesis import strategies as st

from sync.adapters.queues import StorageWorkQueue
from sync.adapters.rows import COLUMN_CHARACTERS, columns_from_value, key_text, value_from_columns
from sync.adapters.state_store import TableStateStore
from sync.adapters.storage_clients import StorageAddress, queue_service, table_service
from sync.core.errors import ConfigurationError, InvalidPayload, ServiceUnavailable
from sync.core.mailboxes import Cursor, Quarantine, QuarantineKind, SubscriptionRecord
from sync.core.memory import KnownEvent, Link
from sync.core.sides import EventAddress
from tests.contracts import stored_values as values
from tests.contracts.conftest import StorageQueueHost

KEY = "bm90IGEgc2VjcmV0"  # base64 of "not a secret"


def address_at(port: int) -> StorageAddress:
    return StorageAddress(
        connection_string=f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={KEY};"
        f"QueueEndpoint=http://127.0.0.1:{port}/devstoreaccount1;TableEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
    )


@pytest.fixture
def closed_port() -> int:
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
async def silent_port() -> AsyncIterator[int]:
    """Accepts connections and never answers."""

    async def read_forever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(read_forever, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_an_unreachable_queue_is_unavailable_at_once_by_name(closed_port: int) -> None:
    async with queue_service(address_at(closed_port)) as service:
        started = time.monotonic()
        with pytest.raises(ServiceUnavailable, match="queue work-of-today") as raised:
            await StorageWorkQueue(service).put_text("work-of-today", "{}")

    assert time.monotonic() - started < 1
    assert raised.value.__cause__ is not None


async def test_a_silent_queue_is_unavailable_when_the_deadline_ends(silent_port: int) -> None:
    async with queue_service(address_at(silent_port)) as service:
        queue = StorageWorkQueue(service, deadline_seconds=0.2)
        started = time.monotonic()
        with pytest.raises(ServiceUnavailable, match=r"queue work-of-today did not answer within 0.2 s"):
            await queue.put_text("work-of-today", "{}")

    assert time.monotonic() - started < 1


async def test_unreachable_tables_are_unavailable_for_reads_writes_and_lists(closed_port: int) -> None:
    async with table_service(address_at(closed_port)) as service:
        state = TableStateStore(service)
        with pytest.raises(ServiceUnavailable, match="table bookingsynclinks"):
            await state.find_link("b")
        with pytest.raises(ServiceUnavailable, match="table bookingsynclinks"):
            await state.save_link(values.LINK)
        with pytest.raises(ServiceUnavailable, match="table bookingsyncbreakers"):
            await anext(aiter(state.list_breakers()))


@pytest.mark.slow
async def test_a_refused_key_says_which_role_is_missing_and_shows_no_body(azurite: str) -> None:
    account_key = next(part for part in azurite.split(";") if part.startswith("AccountKey="))
    address = StorageAddress(connection_string=azurite.replace(account_key, f"AccountKey={KEY}"))
    async with queue_service(address) as service:
        with pytest.raises(ServiceUnavailable, match="queue work-of-today denies access: give the app") as raised:
            await StorageWorkQueue(service).put_text("work-of-today", "{}")

    assert raised.value.status == 403
    assert raised.value.request_id
    assert raised.value.reason.endswith("(403, AuthenticationFailed)")


@pytest.mark.slow
async def test_a_message_never_expires(storage_queue: StorageQueueHost) -> None:
    await storage_queue.queue.put_text(storage_queue.own_queue, "{}")
    (message,) = await storage_queue.service.get_queue_client(storage_queue.own_queue).peek_messages()

    assert message.expires_on
    assert message.expires_on.year == 9999


@pytest.mark.slow
async def test_a_row_of_a_newer_version_is_read_and_one_of_an_older_takes_the_defaults(
    tables: tuple[TableServiceClient, str],
) -> None:
    service, prefix = tables
    client = await service.create_table(f"{prefix}subscriptions")
    row = {"PartitionKey": "m", "RowKey": "subscription", "mailbox_id": "m", "standing": "active"}
    await client.create_entity({**row, "a_column_of_tomorrow": "news"})

    record = await TableStateStore(service, prefix=prefix).find_subscription_record("m")

    assert record
    assert record == SubscriptionRecord(mailbox_id="m", standing=record.standing)


@pytest.mark.slow
async def test_tables_that_are_lost_are_made_anew(tables: tuple[TableServiceClient, str]) -> None:
    service, prefix = tables
    state = TableStateStore(service, prefix=prefix)
    saved = await state.save_link(values.LINK)
    await state.save_cursor(values.CURSOR)
    for name in ("links", "cursors"):
        await service.delete_table(f"{prefix}{name}")

    assert await state.find_link(saved.booking_id) is None
    await state.save_link(values.LINK)
    await state.save_cursor(values.CURSOR)

    assert await state.find_cursor(values.MAILBOX) == values.CURSOR


@pytest.mark.parametrize("value", values.FULL_VALUES, ids=lambda value: type(value).__name__)
def test_the_full_samples_leave_no_field_at_its_default(value: Any) -> None:
    """Else a round trip of them would not show that a field is lost."""
    for field in fields(value):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        assert field.name == "version" or getattr(value, field.name) != default, field.name


@pytest.mark.parametrize("value", values.MINIMAL_VALUES, ids=lambda value: type(value).__name__)
def test_what_is_none_takes_no_column(value: Any) -> None:
    columns = columns_from_value(value)

    assert None not in columns.values()
    assert value_from_columns(type(value), columns) == value


@pytest.mark.parametrize(
    ("columns", "value"),
    [
        pytest.param(
            {
                "booking_id": values.BOOKING,
                "mailbox_id": values.MAILBOX,
                "event_id": values.EVENT,
                "agreed": "2026-11-21T09:30:15+00:00/2026-11-21T11:30:15+00:00",
                "phase": "on-break",
                "booking_etag": 'W/"1234"',
                "generation": 7,
            },
            replace(values.LINK, event_etag="", is_named=True, written={}, leftover=None, generation=7),
            id="link",
        ),
        pytest.param(
            {
                "mailbox_id": values.MAILBOX,
                "reason": "no licence",
                "since": "2026-11-21T09:30:15.123456+00:00",
                "probe_at": "2026-11-21T10:30:15.123456+00:00",
                "probes": 3,
            },
            replace(values.QUARANTINE, probes=3, kind=QuarantineKind.UNREACHABLE),
            id="quarantine",
        ),
    ],
)
def test_a_row_of_the_version_that_wrote_to_dynamics_only_takes_the_defaults(
    columns: dict[str, Any], value: Link | Quarantine
) -> None:
    assert value_from_columns(type(value), columns) == value


@given(st.dictionaries(st.text(), st.text()))
def test_a_mapping_of_any_texts_comes_back(written: dict[str, str]) -> None:
    link = replace(values.LINK, written=written)

    assert value_from_columns(Link, columns_from_value(link)) == link


@given(st.text(), st.text())
def test_any_address_comes_back_as_an_address(mailbox_id: str, event_id: str) -> None:
    link = replace(values.LINK, leftover=EventAddress(mailbox_id, event_id))

    found = value_from_columns(Link, columns_from_value(link))

    assert found == link
    assert isinstance(found.leftover, EventAddress)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param({"standing": "a standing of tomorrow"}, id="unknown member"),
        pytest.param({"read_at": "yesterday"}, id="not a time"),
        pytest.param({"etags": "["}, id="not JSON"),
        pytest.param({"span": "2026-11-21T09:00:00+00:00"}, id="half a span"),
    ],
)
def test_a_damaged_row_is_an_invalid_payload(damage: dict[str, str]) -> None:
    with pytest.raises(InvalidPayload, match="KnownEvent"):
        value_from_columns(KnownEvent, {**columns_from_value(values.FULL_KNOWN_EVENT), **damage})


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param({"leftover": '["mailbox"]'}, id="half an address"),
        pytest.param({"leftover": "null"}, id="no address"),
        pytest.param({"written": "{"}, id="half a mapping"),
    ],
)
def test_a_damaged_link_is_an_invalid_payload(damage: dict[str, str]) -> None:
    with pytest.raises(InvalidPayload, match="Link"):
        value_from_columns(Link, {**columns_from_value(values.FULL_LINK), **damage})


def test_a_row_without_a_required_column_is_an_invalid_payload() -> None:
    with pytest.raises(InvalidPayload, match="delta_link"):
        value_from_columns(Cursor, {"mailbox_id": "m", "saved_at": values.NOW.isoformat()})


def test_a_time_without_zone_is_never_stored() -> None:
    with pytest.raises(ValueError, match="zone"):
        columns_from_value(replace(values.KNOWN_EVENT, read_at=values.NOW.replace(tzinfo=None)))


def test_a_type_without_a_column_is_refused_before_anything_is_written() -> None:
    @dataclass(frozen=True)
    class Odd:
        thing: complex

    with pytest.raises(TypeError, match="complex"):
        columns_from_value(Odd(1j))


@given(st.text(min_size=1), st.integers(COLUMN_CHARACTERS - 2, 3 * COLUMN_CHARACTERS + 2))
def test_no_column_exceeds_the_service_limit_and_the_text_is_whole(unit: str, length: int) -> None:
    text = (unit * length)[:length]
    columns = columns_from_value(replace(values.CURSOR, delta_link=text))

    assert all(len(column.encode("utf-16-le")) <= 65_536 for column in columns.values() if isinstance(column, str))
    assert value_from_columns(Cursor, columns).delta_link == text


@given(st.text(), st.text())
def test_keys_are_allowed_and_differ_where_ids_differ(first: str, second: str) -> None:
    assert (key_text(first) == key_text(second)) == (first == second)
    assert key_text(first).isascii()
    assert 0 < len(key_text(first)) <= 200
    assert not set(key_text(first)) & set("/\\#?%' \t\n\r")


@pytest.mark.parametrize("build", [queue_service, table_service])
def test_an_address_that_lacks_the_service_names_the_setting(build: Any) -> None:
    with pytest.raises(ConfigurationError, match="ServiceUri"):
        build(StorageAddress())


def test_an_address_hides_its_secret() -> None:
    assert KEY not in repr(address_at(1))


@pytest.mark.slow
def test_the_queue_adapter_loads_no_other_client() -> None:
    """It is on the acknowledging path, where a cold start has three seconds."""
    code = (
        "import sys, sync.adapters.queues, sync.adapters.storage_clients;"
        "print(*sorted({'azure.data', 'azure.identity', 'httpx', 'msgraph', 'pydantic'} & sys.modules.keys()))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    assert loaded == ""
