"""What a monitor gets to see of the app's work: one trace for each change, and numbers that say what happened."""

import json
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from local.switchboard import Fault
from sync import bootstrap, telemetry
from sync.core.notifications import accept_changes
from sync.service.disposal import collect_poison
from sync.service.intake import answer_post
from sync.telemetry import Fact
from tests.hosted_app import QUIET
from tests.observing import Observed, observing
from tests.tenant import Tenant

HOUR = timedelta(hours=1)
TOGETHER: dict[str, Any] = {**QUIET, "burst": 4, "batch": True, "burst_spread_seconds": 0.0}
"""Switches under which one change is told in one post of four notifications."""

PLUG_IN = "Ada Berg has to sign before her visit can be cancelled."
"""A refusal whose text names somebody, as a customer's plug-in may."""


@pytest.fixture
def observed() -> Iterator[Observed]:
    with observing() as observed:
        yield observed


async def test_one_trace_leads_from_the_notification_to_the_write_under_the_journals_correlation_id(
    observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await Tenant.small(**TOGETHER)
    monkeypatch.setattr(tenant, "new_id", bootstrap.new_id)
    visit = tenant.visit()
    await tenant.move_event(visit)
    await tenant.settle()

    (entry,) = tenant.entries("update-booking")
    door, handling, read, write = observed.trace(entry.correlation_id)
    assert f"{door.context.trace_id:032x}" == entry.correlation_id
    assert [door.name, handling.name, read.name, write.name] == [
        "acknowledge",
        "handle event-changes",
        "event.get",
        "bookableresourcebookings.update",
    ]
    assert [span.kind for span in (door, handling, read)] == [SpanKind.SERVER, SpanKind.CONSUMER, SpanKind.CLIENT]
    assert door.parent is None
    assert handling.parent.span_id == door.context.span_id
    assert read.parent.span_id == write.parent.span_id == handling.context.span_id
    assert door.end_time <= handling.start_time <= read.start_time <= write.end_time <= handling.end_time
    assert handling.attributes["bookingsync.correlation_id"] == entry.correlation_id
    assert handling.attributes["bookingsync.action"] == "update-booking"
    assert handling.attributes["bookingsync.booking_id"] == visit.booking_id
    assert handling.attributes["bookingsync.event_id"] == visit.event_id
    assert handling.attributes["bookingsync.seconds_to_agreement"] == pytest.approx(3, abs=1)
    assert write.attributes["http.response.status_code"] == 200


async def test_an_item_that_had_to_wait_goes_on_in_its_own_trace(observed: Observed) -> None:
    tenant = await Tenant.small(**QUIET)
    visit = tenant.visit()
    wait = {"Retry-After": "60"}
    error = {"error": {"code": "ApplicationThrottled", "message": "Slow down."}}
    tenant.graph.switchboard.faults.append(
        Fault(path_contains=visit.technician.mailbox_id, times=1, status=429, headers=wait, body=error)
    )
    await tenant.move_event(visit)
    await tenant.settle()

    (entry,) = tenant.entries("update-booking")
    door, refused, call, handled, *_ = observed.trace(entry.correlation_id)
    assert refused.attributes["bookingsync.action"] == "delayed"
    assert refused.attributes["error.type"] == "Throttled"
    assert "bookingsync.reason" not in refused.attributes, "it quotes what the service said"
    assert (call.name, call.status.status_code) == ("event.get", StatusCode.ERROR)
    assert call.attributes["http.response.status_code"] == 429
    assert handled.attributes["bookingsync.action"] == "update-booking"
    assert handled.parent.span_id == refused.parent.span_id == door.context.span_id
    assert observed.count("calls", operation="event.get", outcome="Throttled") == 1
    assert observed.times("convergence").max >= 60, "whoever waited did so until the end"


async def test_what_a_sweep_finds_begins_its_own_trace_and_is_no_convergence(observed: Observed) -> None:
    tenant = await Tenant.small(lose=1.0)
    swept_before = observed.count("changes.swept")
    await tenant.move_event(tenant.visit())
    await tenant.sweep()
    await tenant.settle()
    (entry,) = tenant.entries("update-booking")
    handling, *calls = observed.trace(entry.correlation_id)
    assert (handling.name, handling.parent) == ("handle event-changes", None)
    assert {call.parent.span_id for call in calls} == {handling.context.span_id}
    assert observed.count("changes.swept") == swept_before + 1
    assert "convergence" not in observed.measured(), "when it was changed, nobody knows"


async def test_an_idle_sweep_leaves_no_trace(observed: Observed) -> None:
    """There are ninety-six a day and mailbox: they are counted, no more."""
    tenant = await Tenant.small()
    spans, sweeps = len(observed.spans), observed.count("items.handled", action="swept")
    await tenant.sweep(tenant.technician.mailbox_id)
    await tenant.settle()
    assert len(observed.spans) == spans
    assert observed.count("items.handled", action="swept") == sweeps + 1


async def test_the_numbers_of_a_moved_event_are_those_of_the_journal() -> None:
    tenant = await Tenant.small(**TOGETHER)
    with observing() as observed:
        await tenant.move_event(tenant.visit())
        await tenant.settle()
    (entry,) = tenant.entries("update-booking")
    assert observed.count("notifications.acknowledged") == 4 + 1, "a burst of Graph's, and the webhook of our own write"
    assert observed.count("notifications.coalesced") == 3
    assert observed.count("items.handled", queue="event-changes", action="update-booking", source="push") == 1
    assert observed.count("items.dropped", reason="etag-already-processed") == 1
    calls = {dict(labels)["operation"]: point.value for labels, point in observed.measured()["calls"].items()}
    assert calls == {"event.get": 1, "bookableresourcebookings.update": 1}
    convergence = observed.times("convergence")
    assert (convergence.count, convergence.sum) == (1, (entry.at - entry.received_at).total_seconds())
    waited = observed.times("queue.age", queue="event-changes")
    assert (waited.count, waited.min) == (1, pytest.approx(3, abs=0.1)), "the settle time"
    assert "dead_letters" not in observed.measured()


async def test_what_the_door_does_not_believe_is_counted_by_reason(observed: Observed) -> None:
    tenant = await Tenant.small()
    forged = {"clientState": "a guess", "tenantId": "x", "resourceData": {"id": "y"}, "changeType": "updated"}
    body = json.dumps({"value": [forged, forged]}).encode()
    await answer_post(body, None, accept_changes, lambda: tenant.door)
    await tenant.post_webhook(b"{}", "a guess")
    await tenant.post_webhook(b"not JSON", None)
    assert observed.count("notifications.dropped", reason="client-state") == 2
    assert observed.count("notifications.dropped", reason="webhook-secret") == 2


async def test_a_dead_letter_is_counted_by_its_class_and_its_sentence_stays_here(observed: Observed) -> None:
    tenant = await Tenant.small(**QUIET)
    refuse_cancellation(tenant)
    await tenant.delete_event(tenant.visit())
    await tenant.settle()
    (letter,) = tenant.letters.letters.values()
    assert PLUG_IN in letter.reason
    assert observed.count("dead_letters", queue="event-changes", error_class="Refused") == 1
    (burial,) = [span for span in observed.spans if span.attributes.get("bookingsync.action") == "buried"]
    assert burial.status.status_code is StatusCode.ERROR
    assert burial.attributes["error.type"] == "Refused"


async def test_what_the_host_gave_up_on_is_counted_too(observed: Observed) -> None:
    tenant = await Tenant.small()
    await collect_poison("mailbox-tasks-poison", "whatever killed the worker", tenant.ports)
    assert observed.count("dead_letters", queue="mailbox-tasks", error_class="WorkerLost") == 1


async def test_each_item_is_one_line_of_information_that_ends_with_its_correlation_id(
    observed: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="sync.service.disposal")
    tenant = await Tenant.small(**TOGETHER)
    await tenant.move_event(tenant.visit())
    await tenant.settle()
    lines = [record for record in caplog.records if record.name == "sync.service.disposal"]
    assert {record.levelno for record in lines} == {logging.INFO}
    assert len(lines) == observed.count("items.handled")
    for entry in tenant.journal.entries:
        assert any(line.message.endswith(f"[{entry.correlation_id}]") for line in lines)


async def test_a_subscription_that_fails_once_is_a_warning_and_an_error_when_it_fails_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The next run tries again, five minutes later: nobody needs to get up for the first."""
    tenant = await Tenant.small()
    tenant.graph.switchboard.faults.append(Fault(kind="subscription.renew", times=None, status=500))
    tenant.clock.advance(timedelta(days=5).total_seconds())
    levels = []
    for _ in range(3):
        caplog.clear()
        await tenant.maintain()
        levels += [one.levelname for one in caplog.records if "Could not renew" in one.message]
    assert levels == ["WARNING", "ERROR", "ERROR"]


async def test_failed_renewals_are_counted_and_the_next_end_comes_nearer(observed: Observed) -> None:
    tenant = await Tenant.small()
    assert observed.times("subscriptions.missing").sum == 1, "what the first run found, before it made one"
    assert "subscriptions.remaining" not in observed.measured()
    await tenant.maintain()
    before = observed.times("subscriptions.remaining").min
    assert (observed.times("subscriptions.missing").count, observed.times("subscriptions.missing").sum) == (2, 1)
    assert before > timedelta(days=4).total_seconds()
    tenant.graph.switchboard.faults.append(Fault(kind="subscription.renew", times=None, status=500))
    tenant.clock.advance(before - 3600)
    await tenant.maintain()
    assert observed.times("subscriptions.remaining").min == pytest.approx(3600, abs=60)
    assert observed.count("subscriptions.failed", change="renew", error_class="ServiceUnavailable") == 1
    tenant.clock.advance(2 * 3600)
    await tenant.maintain()
    assert observed.times("subscriptions.missing").sum == 2


async def test_nothing_about_a_person_is_told_but_ids(observed: Observed) -> None:
    """Every attribute of a story with names in events, work orders, addresses and in the text of a refusal."""
    tenant = await Tenant.small(**TOGETHER)
    visit = tenant.visit()
    await tenant.move_event(visit, subject="Ada Berg's visit, bring the key", location={"displayName": "Elm Street 7"})
    await tenant.settle()
    refuse_cancellation(tenant)
    await tenant.delete_event(visit)
    await tenant.settle()
    await tenant.sweep(is_full=True)
    await tenant.settle()

    told = [str(value) for span in observed.spans for value in (*span.attributes.values(), span.name)]
    told += [str(value) for points in observed.measured().values() for labels in points for _, value in labels]
    assert len(told) > 100
    people = [one.name for one in tenant.sample.technicians] + [one.address for one in tenant.sample.technicians]
    texts = ["Elm Street", "bring the key", PLUG_IN, "contoso.example"]
    assert [text for text in told if any(secret.casefold() in text.casefold() for secret in people + texts)] == []
    assert [text for text in told if " " in text and not text.startswith("handle ")] == [], "words, and no sentences"
    metric_values = [value for points in observed.measured().values() for labels in points for _, value in labels]
    assert [value for value in metric_values if re.fullmatch(r"[0-9a-f-]{36}|.{60,}", str(value))] == [], "no ids"


async def test_a_listener_that_breaks_harms_no_item(caplog: pytest.LogCaptureFixture) -> None:
    tenant = await Tenant.small(**QUIET)
    told: list[Fact] = []

    def break_down(fact: Fact) -> None:
        told.append(fact)
        raise RuntimeError("the exporter is broken")

    telemetry.listen(break_down)
    try:
        visit = tenant.visit()
        await tenant.move_event(visit)
        await tenant.settle()
    finally:
        telemetry.listen(None)
    assert await tenant.booking_start(visit) == visit.start_at + HOUR
    assert len(tenant.entries("update-booking")) == 1
    assert len(told) > 4
    assert "Telemetry was lost" in caplog.text


async def test_nothing_is_told_when_nobody_listens() -> None:
    tenant = await Tenant.small(**QUIET)
    with observing() as observed:
        pass
    await tenant.move_event(tenant.visit())
    await tenant.settle()
    assert len(tenant.entries("update-booking")) == 1
    assert (observed.spans, observed.measured()) == ((), {})


def refuse_cancellation(tenant: Tenant) -> None:
    error = {"error": {"code": "0x80040265", "message": PLUG_IN}}
    tenant.dataverse.switchboard.faults.append(
        Fault(kind="bookableresourcebookings.update", times=None, status=400, body=error)
    )
