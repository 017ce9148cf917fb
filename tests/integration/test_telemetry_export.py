"""Traces and metrics leave the real app, in a real Functions host, for a collector and for Application Insights."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.world import LocalWorld
from tests.integration.otlp_receiver import Receiver, attributes_of, receiving
from tests.integration.people import People, wait_until

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
QUICKLY = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "500"}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def watched(_world: LocalWorld, receiver: Receiver) -> Iterator[LocalWorld]:
    """The local world, whose app sends to both destinations."""
    before = dict(_world.environment)
    _world.wait_until_quiet()
    _world.stop("functions")
    _world.environment.update(
        QUICKLY,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        APPLICATIONINSIGHTS_CONNECTION_STRING=receiver.connection_string,
        WEBSITE_SITE_NAME="bookingsync-contoso",
    )
    _world.start("functions")
    yield _world
    _world.stop("functions")
    _world.environment.clear()
    _world.environment.update(before)
    _world.start("functions")


def correlation_id_of_the_write(world: LocalWorld, booking_id: str) -> str:
    """That of the newest item that wrote the booking, as the journal tells on the command line."""
    rows = map(json.loads, world.run_command("--json", "journal", "--booking", booking_id).splitlines())
    return next(str(row["correlation_id"]) for row in rows if "bookableresourcebookings.update" in row["calls"])


def test_a_moved_event_is_one_trace_at_the_collector_and_its_id_leads_to_the_journal(
    watched: LocalWorld, receiver: Receiver, people: People
) -> None:
    visit = people.visits()[31]
    people.move(visit, HOUR)
    wait_until(lambda: people.booking(visit.booking_id)["start_at"] == visit.start_at + HOUR, seconds=60)
    watched.wait_until_quiet()
    correlation_id = correlation_id_of_the_write(watched, visit.booking_id)
    wait_until(lambda: len(receiver.trace(correlation_id)) >= 4, seconds=60)

    door, *others = receiver.trace(correlation_id)
    handlings = [span for span in others if span.name.startswith("handle ")]
    calls = [span for span in others if span not in handlings]
    assert (door.name, door.parent_span_id) == ("acknowledge", b"")
    assert {span.parent_span_id for span in handlings} == {door.span_id}
    assert {span.parent_span_id for span in calls} <= {span.span_id for span in handlings}
    assert {"event.get", "bookableresourcebookings.update"} <= {span.name for span in calls}
    assert attributes_of(handlings[-1])["bookingsync.booking_id"] == visit.booking_id
    assert attributes_of(handlings[-1])["bookingsync.correlation_id"] == correlation_id
    assert receiver.services() == {"bookingsync-contoso"}

    wait_until(lambda: {"bookingsync.convergence", "bookingsync.calls"} <= receiver.metrics().keys(), seconds=60)
    (converged,) = receiver.metrics()["bookingsync.convergence"].histogram.data_points
    assert converged.count >= 1
    assert converged.max >= 3, "the settle time"


def test_application_insights_gets_the_same_under_the_same_operation(
    watched: LocalWorld, receiver: Receiver, people: People
) -> None:
    visit = people.visits()[32]
    people.move(visit, HOUR)
    wait_until(lambda: people.booking(visit.booking_id)["start_at"] == visit.start_at + HOUR, seconds=60)
    watched.wait_until_quiet()
    correlation_id = correlation_id_of_the_write(watched, visit.booking_id)

    def operation() -> list[dict[str, Any]]:
        return [one for one in receiver.envelopes() if one["tags"].get("ai.operation.id") == correlation_id]

    wait_until(lambda: len(operation()) >= 4, seconds=60)
    kinds = {one["data"]["baseData"]["name"]: one["data"]["baseType"] for one in operation()}
    assert {kinds["acknowledge"], kinds["handle event-changes"]} == {"RequestData"}
    assert {kinds["event.get"], kinds["bookableresourcebookings.update"]} == {"RemoteDependencyData"}
    wait_until(lambda: "bookingsync.convergence" in metrics_in(receiver), seconds=60)
    assert metrics_in(receiver)["bookingsync.convergence"]["count"] >= 1
    assert "Traceback" not in watched.log_of("functions").read_text(), "the exporters want nothing that is not there"


def metrics_in(receiver: Receiver) -> dict[str, dict[str, Any]]:
    data = [one["data"]["baseData"] for one in receiver.envelopes() if one["data"]["baseType"] == "MetricData"]
    return {one["metrics"][0]["name"]: one["metrics"][0] for one in data}


def test_a_destination_that_does_not_answer_is_not_felt(
    watched: LocalWorld, receiver: Receiver, people: People
) -> None:
    """Nobody listens at either address any more; changes arrive as before, and the app says why it is silent."""
    watched.stop("functions")
    port = 9
    dead = f"http://127.0.0.1:{port}"
    watched.environment.update(
        OTEL_EXPORTER_OTLP_ENDPOINT=dead,
        APPLICATIONINSIGHTS_CONNECTION_STRING=receiver.connection_string.replace(receiver.url, dead),
    )
    watched.start("functions")
    visit = people.visits()[33]
    people.move(visit, HOUR)
    wait_until(lambda: people.booking(visit.booking_id)["start_at"] == visit.start_at + HOUR, seconds=60)
    watched.wait_until_quiet()
    assert people.booking(visit.booking_id)["start_at"] == visit.start_at + HOUR
    refusals = [line for line in watched.log_of("functions").read_text().splitlines() if f"port={port})" in line]
    assert any("/v1/traces" in line for line in refusals), "the collector"
    assert any("/v1/traces" not in line and "/v1/metrics" not in line for line in refusals), "Application Insights"
