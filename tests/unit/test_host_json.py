"""`host.json` cannot hold comments: its numbers and their reasons in `settings` are held together here."""

import json
from pathlib import Path
from typing import Any

import pytest

from sync.settings import HOST_JSON_REASONS, MAXIMUM_DEQUEUE_COUNT

HOST_JSON = json.loads((Path(__file__).parents[2] / "host.json").read_text())


def value_at(path: str) -> Any:
    value: Any = HOST_JSON
    for name in path.split("."):
        value = value[name]
    return value


@pytest.mark.parametrize("path", HOST_JSON_REASONS)
def test_a_number_of_host_json_is_as_its_reason_says(path: str) -> None:
    expected, reason = HOST_JSON_REASONS[path]
    assert value_at(path) == expected
    assert reason


def test_every_number_about_queues_has_its_reason() -> None:
    explained = {path.rpartition(".")[2] for path in HOST_JSON_REASONS}
    assert set(value_at("extensions.queues")) - explained == {"messageEncoding"}


def test_messages_are_encoded_as_the_queue_adapter_encodes_them() -> None:
    assert value_at("extensions.queues.messageEncoding") == "base64"


def test_the_last_attempt_is_known_to_the_app() -> None:
    assert value_at("extensions.queues.maxDequeueCount") == MAXIMUM_DEQUEUE_COUNT


def test_routes_are_where_the_subscriptions_point() -> None:
    assert value_at("extensions.http.routePrefix") == "api"
