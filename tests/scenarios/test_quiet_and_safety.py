"""What must not happen: rows nobody reads, removals nobody asked for, tokens in a log or at another host."""

import logging
import os
from datetime import timedelta

import httpx
import pytest

from sync import bootstrap
from sync.adapters.dataverse import DataverseClient
from sync.adapters.dataverse_http import DataverseHttp, open_http
from sync.adapters.dataverse_wire import classify_dataverse_failure
from sync.adapters.static_token import StaticTokenCredential
from sync.adapters.transport import Transport
from sync.core.errors import InvalidPayload
from sync.core.mailboxes import Quarantine
from tests.tenant import Tenant


async def test_a_sweep_that_finds_nothing_writes_no_journal_row_and_one_that_finds_something_does() -> None:
    tenant = await Tenant.small(lose=1.0)
    await tenant.sweep()
    await tenant.settle()
    assert tenant.graph_calls == {"calendarView.delta": 1}
    assert tenant.entries("swept") == []

    await tenant.move_event(tenant.visit())
    await tenant.sweep()
    await tenant.settle()
    assert [entry.reason for entry in tenant.entries("swept")] == [
        "delta: 1 events changed, 0 seem gone, 0 bookings to look at"
    ]


async def test_a_list_of_mailboxes_that_became_empty_removes_nothing_and_forgets_no_quarantine(
    whole_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A privilege lost in Dataverse looks like a company without technicians."""
    tenant = whole_tenant
    quarantined = [one.mailbox_id async for one in tenant.state.list_quarantines()]

    async def nobody() -> object:
        return
        yield

    monkeypatch.setattr(tenant.ports.bookings, "list_mailboxes", nobody)
    assert await tenant.maintain() == {}
    assert not tenant.graph_calls["subscription.delete"]
    assert [one.mailbox_id async for one in tenant.state.list_quarantines()] == quarantined != []


async def test_the_sweep_that_ends_a_quarantine_reads_the_whole_window(tenant: Tenant) -> None:
    """Items were dropped meanwhile, whatever a cursor says that a sweep saved in between."""
    mailbox_id = tenant.visit().technician.mailbox_id
    now = tenant.clock.now()
    await tenant.state.save_quarantine(
        Quarantine(mailbox_id=mailbox_id, reason="denied", since=now, probe_at=now + timedelta(minutes=15))
    )
    assert await tenant.state.find_cursor(mailbox_id) is not None

    await tenant.sweep(mailbox_id)
    await tenant.settle()

    (swept,) = tenant.entries("swept")
    assert swept.reason.startswith("full: ")
    assert await tenant.state.find_quarantine(mailbox_id) is None


async def test_a_next_link_is_followed_on_the_same_host_however_it_is_spelt_and_on_no_other() -> None:
    """The token must not leave, and the service spells its host in lower case."""
    tenant = Tenant()
    asked: list[str] = []
    next_links = iter(["https://org.crm4.example/api/data/v9.2/page2", "https://evil.example/api/data/v9.2/page3"])

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(200, json={"value": [], "@odata.nextLink": next(next_links)})

    transport = Transport(
        classify=classify_dataverse_failure,
        clock=tenant.clock.now,
        sleep=tenant.sleep,
        random=tenant.graph.switchboard.random,
    )
    http = DataverseHttp(
        open_http(transport=httpx.MockTransport(answer)),
        StaticTokenCredential("token"),
        transport,
        url="https://Org.crm4.example",
    )
    client = DataverseClient(http, clock=tenant.clock.now)
    with pytest.raises(InvalidPayload, match="another host"):
        [one async for one in client.list_mailboxes()]
    assert asked == ["org.crm4.example"] * 2


def test_the_libraries_that_log_every_url_are_kept_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delta token stands in the URL that httpx logs."""
    bootstrap.settings.cache_clear()
    monkeypatch.setattr(os, "environ", {})
    logging.getLogger("httpx").setLevel(logging.INFO)
    with pytest.raises(Exception, match="TENANT_ID is missing"):
        bootstrap.settings()
    assert {logging.getLogger(name).level for name in ("azure", "httpx")} == {logging.WARNING}
